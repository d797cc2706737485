// SPDX-License-Identifier: BSD-2-Clause
/* table.c - the 30 procedures, and those a stream provider only has to refuse. */
#include "provider/winsock/spi_calls.h"

SOCKET WSPAPI wsd_spi_join_leaf(SOCKET s, const struct sockaddr *name, int namelen,
				LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
				LPQOS lpGQOS, DWORD dwFlags, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);

	(void)name;
	(void)namelen;
	(void)lpCallerData;
	(void)lpCalleeData;
	(void)lpSQOS;
	(void)lpGQOS;
	(void)dwFlags;
	if (sock != NULL)
		(void)wsd_socket_return(sock, WSAEOPNOTSUPP, lpErrno);
	return INVALID_SOCKET;
}

const WSPPROC_TABLE wsd_proc_table = {
	.lpWSPAccept = wsd_spi_accept,
	.lpWSPAddressToString = wsd_spi_address_to_string,
	.lpWSPAsyncSelect = wsd_spi_async_select,
	.lpWSPBind = wsd_spi_bind,
	.lpWSPCancelBlockingCall = wsd_spi_cancel_blocking_call,
	.lpWSPCleanup = wsd_spi_cleanup,
	.lpWSPCloseSocket = wsd_spi_close_socket,
	.lpWSPConnect = wsd_spi_connect,
	.lpWSPDuplicateSocket = wsd_spi_duplicate_socket,
	.lpWSPEnumNetworkEvents = wsd_spi_enum_network_events,
	.lpWSPEventSelect = wsd_spi_event_select,
	.lpWSPGetOverlappedResult = wsd_spi_get_overlapped_result,
	.lpWSPGetPeerName = wsd_spi_get_peer_name,
	.lpWSPGetSockName = wsd_spi_get_sock_name,
	.lpWSPGetSockOpt = wsd_spi_get_sock_opt,
	.lpWSPGetQOSByName = wsd_spi_get_qos_by_name,
	.lpWSPIoctl = wsd_spi_ioctl,
	.lpWSPJoinLeaf = wsd_spi_join_leaf,
	.lpWSPListen = wsd_spi_listen,
	.lpWSPRecv = wsd_spi_recv,
	.lpWSPRecvDisconnect = wsd_spi_recv_disconnect,
	.lpWSPRecvFrom = wsd_spi_recv_from,
	.lpWSPSelect = (LPWSPSELECT)wsd_spi_select,
	.lpWSPSend = wsd_spi_send,
	.lpWSPSendDisconnect = wsd_spi_send_disconnect,
	.lpWSPSendTo = wsd_spi_send_to,
	.lpWSPSetSockOpt = wsd_spi_set_sock_opt,
	.lpWSPShutdown = wsd_spi_shutdown,
	.lpWSPSocket = wsd_spi_socket,
	.lpWSPStringToAddress = wsd_spi_string_to_address,
};

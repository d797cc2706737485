// SPDX-License-Identifier: BSD-2-Clause
/*
 * san_table.c - mode S: options, quality of service, and the table: the 17 procedures of a SAN service
 * provider, and 13 that a switch never calls and that are refused.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

/* --- options --- */

/* [lock] All of a switch's options are of the size of an int. */
static int get_option(const struct wsd_socket *sock, int name, DWORD *value)
{
	struct wsd_channel_limits limits;

	wsd_channel_limits(sock->channel, &limits);
	switch (name) {
	case SO_DEBUG:
		*value = sock->options.debug;
		return 0;
	case SO_MAX_MSG_SIZE:
		*value = limits.message;
		return 0;
	case SO_MAX_RDMA_SIZE:
		*value = limits.rdma;
		return 0;
	case SO_RDMA_THRESHOLD_SIZE:
		*value = limits.threshold;
		return 0;
	default:
		return WSAENOPROTOOPT;
	}
}

static int WSPAPI san_get_sock_opt(SOCKET s, int level, int optname, char *optval, LPINT optlen,
				   LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	DWORD value = 0;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	error = level == SOL_SOCKET ? get_option(sock, optname, &value) : WSAEINVAL;
	if (error == 0 && (optval == NULL || optlen == NULL || *optlen < (int)sizeof(value)))
		error = WSAEFAULT;
	if (error == 0)
		memcpy(optval, &value, sizeof(value));
	if (optlen != NULL && (error == 0 || error == WSAEFAULT))
		*optlen = (int)sizeof(value); /* also what would have been enough */
	return wsd_socket_return(sock, error, lpErrno);
}

static int WSPAPI san_set_sock_opt(SOCKET s, int level, int optname, const char *optval, int optlen,
				   LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	int error = 0, value;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (level != SOL_SOCKET) {
		error = WSAEINVAL;
	} else if (optname != SO_DEBUG) {
		error = WSAENOPROTOOPT;
	} else if (optval == NULL || optlen < (int)sizeof(value)) {
		error = WSAEFAULT;
	} else {
		memcpy(&value, optval, sizeof(value));
		sock->options.debug = value != 0;
	}
	return wsd_socket_return(sock, error, lpErrno);
}

/* --- what is not there --- */

static int refuse(SOCKET s, LPINT error)
{
	struct wsd_socket *sock = wsd_san_enter(s, error);

	return sock == NULL ? SOCKET_ERROR : wsd_socket_return(sock, WSAEOPNOTSUPP, error);
}

static BOOL WSPAPI san_get_qos_by_name(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno)
{
	(void)lpQOSName;
	(void)lpQOS;
	(void)refuse(s, lpErrno);
	return FALSE;
}

static int WSPAPI san_async_select(SOCKET s, HWND hWnd, unsigned int wMsg, long lEvent,
				   LPINT lpErrno)
{
	(void)hWnd;
	(void)wMsg;
	(void)lEvent;
	return refuse(s, lpErrno);
}

static int WSPAPI san_cancel_blocking_call(LPINT lpErrno)
{
	return wsd_failed(WSAEINVAL, lpErrno); /* there are none */
}

static int WSPAPI san_get_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno)
{
	(void)name;
	(void)namelen;
	return refuse(s, lpErrno);
}

static SOCKET WSPAPI san_join_leaf(SOCKET s, const struct sockaddr *name, int namelen,
				   LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
				   LPQOS lpGQOS, DWORD dwFlags, LPINT lpErrno)
{
	(void)name;
	(void)namelen;
	(void)lpCallerData;
	(void)lpCalleeData;
	(void)lpSQOS;
	(void)lpGQOS;
	(void)dwFlags;
	(void)refuse(s, lpErrno);
	return INVALID_SOCKET;
}

static int WSPAPI san_disconnect(SOCKET s, LPWSABUF data, LPINT lpErrno)
{
	(void)data;
	return refuse(s, lpErrno);
}

static int WSPAPI san_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
				LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
				struct sockaddr *lpFrom, LPINT lpFromlen,
				LPWSAOVERLAPPED lpOverlapped,
				LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
				LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpBuffers;
	(void)dwBufferCount;
	(void)lpNumberOfBytesRecvd;
	(void)lpFlags;
	(void)lpFrom;
	(void)lpFromlen;
	(void)lpOverlapped;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return refuse(s, lpErrno);
}

static int WSPAPI san_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			      LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
			      const struct sockaddr *lpTo, int iTolen, LPWSAOVERLAPPED lpOverlapped,
			      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			      LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpBuffers;
	(void)dwBufferCount;
	(void)lpNumberOfBytesSent;
	(void)dwFlags;
	(void)lpTo;
	(void)iTolen;
	(void)lpOverlapped;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return refuse(s, lpErrno);
}

static int WSPAPI san_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
			     const struct timeval *timeout, LPINT lpErrno)
{
	(void)nfds;
	(void)readfds;
	(void)writefds;
	(void)exceptfds;
	(void)timeout;
	return wsd_failed(WSAEOPNOTSUPP, lpErrno);
}

static int WSPAPI san_shutdown(SOCKET s, int how, LPINT lpErrno)
{
	(void)how;
	return refuse(s, lpErrno);
}

const WSPPROC_TABLE wsd_san_proc_table = {
	.lpWSPAccept = wsd_san_accept,
	.lpWSPAddressToString = wsd_spi_address_to_string, /* needs no socket */
	.lpWSPAsyncSelect = san_async_select,
	.lpWSPBind = wsd_san_bind,
	.lpWSPCancelBlockingCall = san_cancel_blocking_call,
	.lpWSPCleanup = wsd_san_cleanup,
	.lpWSPCloseSocket = wsd_san_close_socket,
	.lpWSPConnect = wsd_san_connect,
	.lpWSPDuplicateSocket = wsd_san_duplicate_socket,
	.lpWSPEnumNetworkEvents = wsd_san_enum_network_events,
	.lpWSPEventSelect = wsd_san_event_select,
	.lpWSPGetOverlappedResult = wsd_san_get_overlapped_result,
	.lpWSPGetPeerName = san_get_name,
	.lpWSPGetSockName = san_get_name,
	.lpWSPGetSockOpt = san_get_sock_opt,
	.lpWSPGetQOSByName = san_get_qos_by_name,
	.lpWSPIoctl = wsd_san_ioctl,
	.lpWSPJoinLeaf = san_join_leaf,
	.lpWSPListen = wsd_san_listen,
	.lpWSPRecv = wsd_san_recv,
	.lpWSPRecvDisconnect = san_disconnect,
	.lpWSPRecvFrom = san_recv_from,
	.lpWSPSelect = (LPWSPSELECT)san_select,
	.lpWSPSend = wsd_san_send,
	.lpWSPSendDisconnect = san_disconnect,
	.lpWSPSendTo = san_send_to,
	.lpWSPSetSockOpt = san_set_sock_opt,
	.lpWSPShutdown = san_shutdown,
	.lpWSPSocket = wsd_san_socket,
	.lpWSPStringToAddress = wsd_spi_string_to_address,
};

/* SPDX-License-Identifier: BSD-2-Clause */
/* spi_calls.h - the procedures of the table and the extension functions, and small helpers for
 * them. */
#ifndef WSD_WINSOCK_SPI_CALLS_H
#define WSD_WINSOCK_SPI_CALLS_H

#include <openwsd/ws2san.h>

#include "provider/winsock/socket.h"

SOCKET WSPAPI wsd_spi_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData,
			     LPINT lpErrno);
INT WSPAPI wsd_spi_address_to_string(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
				     LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
				     LPDWORD lpdwAddressStringLength, LPINT lpErrno);
int WSPAPI wsd_spi_async_select(SOCKET s, HWND hWnd, unsigned int wMsg, long lEvent, LPINT lpErrno);
int WSPAPI wsd_spi_bind(SOCKET s, const struct sockaddr *name, int namelen, LPINT lpErrno);
int WSPAPI wsd_spi_cancel_blocking_call(LPINT lpErrno);
int WSPAPI wsd_spi_cleanup(LPINT lpErrno);
int WSPAPI wsd_spi_close_socket(SOCKET s, LPINT lpErrno);
int WSPAPI wsd_spi_connect(SOCKET s, const struct sockaddr *name, int namelen,
			   LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
			   LPINT lpErrno);
int WSPAPI wsd_spi_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				    LPINT lpErrno);
int WSPAPI wsd_san_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				    LPINT lpErrno);
int WSPAPI wsd_spi_enum_network_events(SOCKET s, WSAEVENT hEventObject,
				       LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno);
int WSPAPI wsd_spi_event_select(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents,
				LPINT lpErrno);
BOOL WSPAPI wsd_spi_get_overlapped_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
					  LPDWORD lpcbTransfer, BOOL fWait, LPDWORD lpdwFlags,
					  LPINT lpErrno);
int WSPAPI wsd_spi_get_peer_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno);
int WSPAPI wsd_spi_get_sock_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno);
int WSPAPI wsd_spi_get_sock_opt(SOCKET s, int level, int optname, char *optval, LPINT optlen,
				LPINT lpErrno);
BOOL WSPAPI wsd_spi_get_qos_by_name(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno);
int WSPAPI wsd_spi_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
			 LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
			 LPWSAOVERLAPPED lpOverlapped,
			 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			 LPWSATHREADID lpThreadId, LPINT lpErrno);
SOCKET WSPAPI wsd_spi_join_leaf(SOCKET s, const struct sockaddr *name, int namelen,
				LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
				LPQOS lpGQOS, DWORD dwFlags, LPINT lpErrno);
int WSPAPI wsd_spi_listen(SOCKET s, int backlog, LPINT lpErrno);
int WSPAPI wsd_spi_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_spi_recv_disconnect(SOCKET s, LPWSABUF lpInboundDisconnectData, LPINT lpErrno);
int WSPAPI wsd_spi_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			     LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
			     LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			     LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_spi_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
			  const struct timeval *timeout, LPINT lpErrno);
int WSPAPI wsd_spi_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesSent, DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_spi_send_disconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData, LPINT lpErrno);
int WSPAPI wsd_spi_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			   LPDWORD lpNumberOfBytesSent, DWORD dwFlags, const struct sockaddr *lpTo,
			   int iTolen, LPWSAOVERLAPPED lpOverlapped,
			   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			   LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_spi_set_sock_opt(SOCKET s, int level, int optname, const char *optval, int optlen,
				LPINT lpErrno);
int WSPAPI wsd_spi_shutdown(SOCKET s, int how, LPINT lpErrno);
SOCKET WSPAPI wsd_spi_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			     GROUP g, DWORD dwFlags, LPINT lpErrno);
INT WSPAPI wsd_spi_string_to_address(LPWSTR AddressString, INT AddressFamily,
				     LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
				     LPINT lpAddressLength, LPINT lpErrno);

/* The same in mode S, where a switch calls (san_table.c has all 17). */
SOCKET WSPAPI wsd_san_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData,
			     LPINT lpErrno);
int WSPAPI wsd_san_bind(SOCKET s, const struct sockaddr *name, int namelen, LPINT lpErrno);
int WSPAPI wsd_san_cleanup(LPINT lpErrno);
int WSPAPI wsd_san_close_socket(SOCKET s, LPINT lpErrno);
int WSPAPI wsd_san_connect(SOCKET s, const struct sockaddr *name, int namelen,
			   LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
			   LPINT lpErrno);
int WSPAPI wsd_san_enum_network_events(SOCKET s, WSAEVENT hEventObject,
				       LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno);
int WSPAPI wsd_san_event_select(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents,
				LPINT lpErrno);
BOOL WSPAPI wsd_san_get_overlapped_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
					  LPDWORD lpcbTransfer, BOOL fWait, LPDWORD lpdwFlags,
					  LPINT lpErrno);
int WSPAPI wsd_san_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
			 LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
			 LPWSAOVERLAPPED lpOverlapped,
			 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			 LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_san_listen(SOCKET s, int backlog, LPINT lpErrno);
int WSPAPI wsd_san_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_san_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesSent, DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno);
SOCKET WSPAPI wsd_san_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			     GROUP g, DWORD dwFlags, LPINT lpErrno);
int WSPAPI wsd_san_rdma_write(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
			      LPVOID lpTargetBufferDescriptor, DWORD dwTargetDescriptorLength,
			      DWORD dwTargetBufferOffset, LPDWORD lpdwNumberOfBytesWritten,
			      DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			      LPWSATHREADID lpThreadId, LPINT lpErrno);
int WSPAPI wsd_san_rdma_read(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
			     LPVOID lpTargetBufferDescriptor, DWORD dwTargetDescriptorLength,
			     DWORD dwTargetBufferOffset, LPDWORD lpdwNumberOfBytesRead,
			     DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			     LPWSATHREADID lpThreadId, LPINT lpErrno);

void wsd_set_last_error(int error);
/* The function behind an extension GUID as an opaque pointer; NULL = unknown. *error: 0, or the
 * code for one that is known but not offered. */
typedef void (*wsd_any_function)(void);
wsd_any_function wsd_extension_find(unsigned mode, const GUID *id, int *error);
struct wsd_extension {
	GUID id;
	wsd_any_function function;
	bool (*offered)(void); /* NULL: always; else WSAEOPNOTSUPP when it is not */
};
extern const struct wsd_extension wsd_san_extensions[]; /* san_memory.c; ends with NULL */

/* sockaddr <-> struct wsd_addr: addr.c, the one file that knows both. */
int wsd_sockaddr_size(uint16_t family);
/* 0, WSAEFAULT (pointer, length), WSAEAFNOSUPPORT. */
int wsd_sockaddr_decode(const struct sockaddr *name, int length, struct wsd_addr *addr);
/* 0 or WSAEFAULT; *length in: room, out: true length. */
int wsd_sockaddr_encode(const struct wsd_addr *addr, struct sockaddr *name, int *length);
/* The same for a socket: what its program writes ::ffff:a.b.c.d is an IPv4 address everywhere inside. One that is
 * not dual has no such addresses; another family than its own is WSAEAFNOSUPPORT, whatever the length. */
int wsd_socket_decode(const struct wsd_socket *sock, const struct sockaddr *name, int length,
		      struct wsd_addr *addr);
int wsd_socket_encode(const struct wsd_socket *sock, const struct wsd_addr *addr,
		      struct sockaddr *name, int *length);
bool wsd_addr_is_mapped(const struct wsd_addr *addr); /* such a one, as the program wrote it */

/* Family of an AF_ value; WSD_FAMILY_NONE when not supported. */
uint16_t wsd_family_of(int af);
int wsd_af_of(uint16_t family);

#endif

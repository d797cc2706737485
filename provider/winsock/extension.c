// SPDX-License-Identifier: BSD-2-Clause
/*
 * extension.c - AcceptEx, GetAcceptExSockaddrs, ConnectEx, DisconnectEx, and the GUIDs of all
 * extension functions. They return BOOL and leave their error in the host's last-error value.
 */
#include "provider/winsock/extension.h"

#include <string.h>

#include <openwsd/ws2san.h>

#include "rdma_backend/base/base.h"

#define ADDRESS_EXTRA 16u /* what each address area of AcceptEx has beyond a sockaddr */

static _Atomic(void (*)(int)) last_error_setter;

void wsd_upcalls_set_last_error(void (*set)(int error))
{
	atomic_store(&last_error_setter, set);
}

void wsd_set_last_error(int error)
{
	void (*set)(int) = atomic_load(&last_error_setter);

	if (set != NULL)
		set(error);
}

BOOL wsd_extension_result(int error)
{
	if (error != 0)
		wsd_set_last_error(error);
	return error == 0;
}

/* --- AcceptEx --- */

/* The area holds the length first, so that GetAcceptExSockaddrs need not guess. */
static void put_address(const struct wsd_socket *sock, char *area, DWORD size,
			const struct wsd_addr *addr)
{
	int length = (int)(size - sizeof(int));

	if (wsd_socket_encode(sock, addr, (struct sockaddr *)(void *)(area + sizeof(int)),
			      &length) == 0)
		memcpy(area, &length, sizeof(length));
}

/* [both locks] The connection is there: addresses, then the first data if asked for. */
static void accepted(struct wsd_socket *sock, struct wsd_op *op, struct wsd_socket *child)
{
	char *addresses = op->accept_buffer + op->accept_receive;

	put_address(sock, addresses, op->accept_local, &child->local);
	put_address(sock, addresses + op->accept_local, op->accept_remote, &child->remote);
	if (op->accept_receive == 0) {
		wsd_op_finish(sock, op, 0);
		return;
	}
	wsd_list_remove(&op->link);
	wsd_list_append(&sock->parked, &op->parked_link);
	op->inline_iov[0].base = op->accept_buffer;
	op->inline_iov[0].length = op->accept_receive;
	op->iov = op->inline_iov;
	op->count = 1;
	op->total = op->accept_receive;
	/* Settled with the new socket, after our lock has been dropped. */
	wsd_list_append(&child->queues[WSD_Q_RECV], &op->link);
}

void wsd_accept_run_ops(struct wsd_socket *sock)
{
	struct wsd_list *queue = &sock->queues[WSD_Q_ACCEPT];

	if (sock->listener != NULL)
		wsd_listener_look(sock->listener, 0);
	while (sock->listener != NULL && !sock->closed && !sock->deciding && !sock->away &&
	       !wsd_list_empty(queue)) {
		struct wsd_op *op = wsd_container(queue->next, struct wsd_op, link);
		struct wsd_socket *child = op->child;
		struct wsd_addr local, remote;
		enum wsd_status status = wsd_listener_peek(sock->listener, &local, &remote);

		if (status == WSD_ERESET) {
			wsd_listener_reject(sock->listener);
			wsd_op_finish(sock, op, WSAECONNRESET);
			continue;
		}
		if (status != WSD_OK)
			return;
		status = wsd_accept_into(sock, child, NULL);
		if (status == WSD_AGAIN)
			return;
		if (status != WSD_OK) {
			wsd_op_finish(sock, op, wsd_error(status, WSD_CALL_ACCEPT));
			continue;
		}
		wsd_socket_lock_child(child);
		accepted(sock, op, child);
		wsd_mutex_unlock(&child->lock);
	}
}

/* Reserve the socket that gets the connection: new, ours, and in no other AcceptEx. Referenced. */
static int reserve_child(SOCKET s, uint16_t family, struct wsd_socket **child)
{
	INT error = 0;
	struct wsd_socket *sock = wsd_socket_enter(s, &error);

	if (sock == NULL)
		return error;
	/* One that was disconnected to be used again still has its port. */
	if (sock->reserved || sock->family != family ||
	    (sock->state != WSD_SOCK_NEW && !(sock->state == WSD_SOCK_BOUND && sock->reused))) {
		wsd_socket_leave(sock);
		return WSAEINVAL;
	}
	sock->reserved = true;
	wsd_socket_ref(sock);
	wsd_socket_leave(sock);
	*child = sock;
	return 0;
}

static void free_child(struct wsd_socket *child)
{
	wsd_mutex_lock(&child->lock);
	child->reserved = false;
	wsd_mutex_unlock(&child->lock);
	wsd_socket_unref(child);
}

static int check_accept(struct wsd_socket *sock, PVOID buffer, DWORD local, DWORD remote,
			LPOVERLAPPED overlapped)
{
	DWORD least = (DWORD)wsd_sockaddr_size(sock->family) + ADDRESS_EXTRA;

	if (overlapped == NULL)
		return WSA_INVALID_PARAMETER;
	if (buffer == NULL || local < least || remote < least)
		return WSAEFAULT;
	if (sock->state != WSD_SOCK_LISTENING || !sock->overlapped)
		return WSAEINVAL;
	return 0;
}

BOOL WINAPI wsd_ext_accept(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
			   DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
			   DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
			   LPOVERLAPPED lpOverlapped)
{
	struct wsd_op_request request = { lpOverlapped, NULL, NULL };
	struct wsd_socket *sock, *child = NULL;
	struct wsd_op *op = NULL;
	INT error = 0;

	(void)lpdwBytesReceived; /* it never finishes at once */
	sock = wsd_socket_enter(sListenSocket, &error);
	if (sock == NULL)
		return wsd_extension_result(error);
	error = check_accept(sock, lpOutputBuffer, dwLocalAddressLength, dwRemoteAddressLength,
			     lpOverlapped);
	wsd_socket_ref(sock);
	wsd_socket_leave(sock);
	if (error == 0)
		error = reserve_child(sAcceptSocket, sock->family, &child);
	if (error == 0)
		wsd_op_reset_event(&request);
	wsd_mutex_lock(&sock->lock);
	if (error == 0 && sock->closed)
		error = WSAENOTSOCK;
	if (error == 0) {
		op = wsd_op_take(sock, WSD_OP_KIND_ACCEPT, &request);
		error = op == NULL ? WSAENOBUFS : WSA_IO_PENDING;
	}
	if (op != NULL) {
		op->child = child;
		op->accept_buffer = lpOutputBuffer;
		op->accept_receive = dwReceiveDataLength;
		op->accept_local = dwLocalAddressLength;
		op->accept_remote = dwRemoteAddressLength;
		wsd_list_append(&sock->queues[WSD_Q_ACCEPT], &op->link);
		wsd_fd_arm(&sock->fd, FD_ACCEPT);
		sock->changes |= WSD_CHANGE_ARRIVED;
	}
	wsd_socket_leave(sock);
	if (op == NULL && child != NULL)
		free_child(child);
	wsd_socket_unref(sock);
	return wsd_extension_result(error);
}

static void get_address(char *area, struct sockaddr **name, LPINT length)
{
	int size = 0;

	memcpy(&size, area, sizeof(size));
	*name = (struct sockaddr *)(void *)(area + sizeof(int));
	*length = size;
}

VOID WINAPI wsd_ext_get_accept_sockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
					 DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
					 struct sockaddr **LocalSockaddr, LPINT LocalSockaddrLength,
					 struct sockaddr **RemoteSockaddr,
					 LPINT RemoteSockaddrLength)
{
	char *area = lpOutputBuffer;

	(void)dwRemoteAddressLength;
	if (area == NULL || LocalSockaddr == NULL || LocalSockaddrLength == NULL ||
	    RemoteSockaddr == NULL || RemoteSockaddrLength == NULL)
		return;
	area += dwReceiveDataLength;
	get_address(area, LocalSockaddr, LocalSockaddrLength);
	get_address(area + dwLocalAddressLength, RemoteSockaddr, RemoteSockaddrLength);
}

/* --- ConnectEx --- */

static int check_connect(struct wsd_socket *sock, const struct sockaddr *name, int namelen,
			 PVOID buffer, DWORD length, struct wsd_addr *remote)
{
	int error = wsd_socket_decode(sock, name, namelen, remote);

	if (error != 0)
		return error;
	if (buffer == NULL && length > 0)
		return WSAEFAULT;
	if (!sock->overlapped)
		return WSAEINVAL;
	if (sock->state == WSD_SOCK_CONNECTED || sock->state == WSD_SOCK_BROKEN)
		return WSAEISCONN;
	if (sock->state == WSD_SOCK_CONNECTING)
		return WSAEALREADY;
	if (sock->state != WSD_SOCK_BOUND || sock->reserved)
		return WSAEINVAL;
	return wsd_addr_is_any(remote) || remote->port == 0 ? WSAEADDRNOTAVAIL : 0;
}

BOOL WINAPI wsd_ext_connect(SOCKET s, const struct sockaddr *name, int namelen, PVOID lpSendBuffer,
			    DWORD dwSendDataLength, LPDWORD lpdwBytesSent,
			    LPOVERLAPPED lpOverlapped)
{
	struct wsd_op_request request = { lpOverlapped, NULL, NULL };
	WSABUF data = { dwSendDataLength, lpSendBuffer };
	struct wsd_addr remote;
	struct wsd_socket *sock;
	struct wsd_op *op;
	INT error = 0;

	(void)lpdwBytesSent; /* it never finishes at once */
	if (lpOverlapped == NULL)
		return wsd_extension_result(WSA_INVALID_PARAMETER);
	sock = wsd_socket_enter(s, &error);
	if (sock == NULL)
		return wsd_extension_result(error);
	error = check_connect(sock, name, namelen, lpSendBuffer, dwSendDataLength, &remote);
	if (error != 0) {
		wsd_socket_leave(sock);
		return wsd_extension_result(error);
	}
	wsd_socket_ref(sock);
	wsd_socket_leave(sock);
	wsd_op_reset_event(&request);
	wsd_mutex_lock(&sock->lock);
	op = sock->closed ? NULL : wsd_op_take(sock, WSD_OP_KIND_CONNECT, &request);
	error = sock->closed ? WSAENOTSOCK : op == NULL ? WSAENOBUFS : 0;
	if (error == 0 && dwSendDataLength > 0)
		error = wsd_op_set_buffers(op, &data, 1);
	if (error == 0)
		error = wsd_connect_start(sock, &remote, &sock->options.qos);
	if (error == 0)
		wsd_list_append(&sock->queues[WSD_Q_CONTROL], &op->link);
	else if (op != NULL)
		wsd_op_untake(op);
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
	return wsd_extension_result(error == 0 ? WSA_IO_PENDING : error);
}

/* --- DisconnectEx --- */

/* [lock] FIN, or the whole way down when the socket is going to be used again. */
void wsd_disconnect_begin(struct wsd_socket *sock, bool reuse)
{
	sock->send_shut = true;
	if (!reuse) {
		if (wsd_list_empty(&sock->queues[WSD_Q_SEND]))
			(void)wsd_stream_shutdown_send(sock->stream);
	} else {
		sock->receive_shut = true;
		wsd_stream_close(sock->stream, false, 5000 * WSD_NS_PER_MS);
	}
	sock->changes |= WSD_CHANGE_IO;
}

BOOL WINAPI wsd_ext_disconnect(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags, DWORD dwReserved)
{
	struct wsd_op_request request = { lpOverlapped, NULL, NULL };
	struct wsd_op *op, stack_op;
	struct wsd_socket *sock;
	INT error = 0;

	sock = wsd_socket_enter(s, &error);
	if (sock == NULL)
		return wsd_extension_result(error);
	if (dwReserved != 0 || (dwFlags & ~(DWORD)TF_REUSE_SOCKET) != 0)
		error = WSAEINVAL;
	else if (sock->state != WSD_SOCK_CONNECTED || sock->stream == NULL)
		error = WSAENOTCONN;
	else if (lpOverlapped == NULL && wsd_wait_running())
		error = WSAEINPROGRESS;
	wsd_socket_ref(sock);
	wsd_socket_leave(sock);
	if (error == 0 && lpOverlapped != NULL)
		wsd_op_reset_event(&request);
	wsd_mutex_lock(&sock->lock);
	if (error == 0 && (sock->closed || sock->stream == NULL))
		error = sock->closed ? WSAENOTSOCK : WSAENOTCONN;
	if (error == 0) {
		op = lpOverlapped != NULL ? wsd_op_take(sock, WSD_OP_KIND_DISCONNECT, &request)
					  : &stack_op;
		if (op == &stack_op)
			wsd_op_init(op, WSD_OP_KIND_DISCONNECT, sock);
		error = op == NULL ? WSAENOBUFS : WSA_IO_PENDING;
		if (op != NULL) {
			op->sync = op == &stack_op;
			op->flags = dwFlags;
			wsd_list_append(&sock->queues[WSD_Q_CONTROL], &op->link);
			wsd_disconnect_begin(sock, (dwFlags & TF_REUSE_SOCKET) != 0);
			if (op->sync)
				error = wsd_op_wait(sock, op, WSD_FOREVER);
		}
	}
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
	return wsd_extension_result(error);
}

/* --- GUIDs --- */

static const struct {
	GUID id;
	wsd_any_function function; /* NULL: known, not offered in this mode */
	int error;
} extensions[] = {
	{ WSAID_ACCEPTEX, (wsd_any_function)wsd_ext_accept, 0 },
	{ WSAID_GETACCEPTEXSOCKADDRS, (wsd_any_function)wsd_ext_get_accept_sockaddrs, 0 },
	{ WSAID_CONNECTEX, (wsd_any_function)wsd_ext_connect, 0 },
	{ WSAID_DISCONNECTEX, (wsd_any_function)wsd_ext_disconnect, 0 },
	{ WSAID_TRANSMITFILE, (wsd_any_function)wsd_ext_transmit_file, 0 },
	{ WSAID_TRANSMITPACKETS, (wsd_any_function)wsd_ext_transmit_packets, 0 },
	{ WSAID_REGISTERMEMORY, NULL, WSAEOPNOTSUPP },
	{ WSAID_DEREGISTERMEMORY, NULL, WSAEOPNOTSUPP },
	{ WSAID_REGISTERRDMAMEMORY, NULL, WSAEOPNOTSUPP },
	{ WSAID_DEREGISTERRDMAMEMORY, NULL, WSAEOPNOTSUPP },
	{ WSAID_RDMAWRITE, NULL, WSAEOPNOTSUPP },
	{ WSAID_RDMAREAD, NULL, WSAEOPNOTSUPP },
	{ WSAID_MEMORYREGISTRATIONCACHECALLBACK, NULL, WSAEOPNOTSUPP },
};

wsd_any_function wsd_extension_find(unsigned mode, const GUID *id, int *error)
{
	const struct wsd_extension *san = mode == WSD_MODE_SAN ? wsd_san_extensions : NULL;

	for (; san != NULL && san->function != NULL; san++) {
		if (memcmp(&san->id, id, sizeof(*id)) != 0)
			continue;
		*error = san->offered == NULL || san->offered() ? 0 : WSAEOPNOTSUPP;
		return *error == 0 ? san->function : NULL;
	}
	*error = WSAEINVAL;
	if (mode == WSD_MODE_SAN)
		return NULL;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		if (memcmp(&extensions[i].id, id, sizeof(*id)) != 0)
			continue;
		*error = extensions[i].error;
		return extensions[i].function;
	}
	return NULL;
}

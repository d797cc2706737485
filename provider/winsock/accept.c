// SPDX-License-Identifier: BSD-2-Clause
/*
 * accept.c - WSPAccept with its condition function, and how a request becomes a socket.
 *
 * The condition function runs without a lock. Meanwhile `deciding` keeps the oldest request for
 * this thread: other accepting threads wait, AcceptEx operations too.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

/* [listener's lock] Properties a socket gets from its listener. */
static void inherit(const struct wsd_socket *listener, struct wsd_socket *child)
{
	wsd_socket_lock_child(child);
	child->options = listener->options;
	child->options.conditional = false;
	child->nonblocking = listener->nonblocking;
	wsd_fd_inherit(&child->fd, &listener->fd);
	wsd_mutex_unlock(&child->lock);
}

enum wsd_status wsd_accept_into(struct wsd_socket *listener, struct wsd_socket *child)
{
	struct wsd_stream *stream = NULL;
	enum wsd_status status;

	wsd_socket_lock_child(child);
	status = child->closed ? WSD_ECANCELLED
			       : wsd_listener_accept(listener->listener, &wsd_socket_stream_owner,
						     child, &stream);
	if (status != WSD_OK) {
		wsd_mutex_unlock(&child->lock);
		return status;
	}
	wsd_socket_ref(child);
	wsd_streams_count(1);
	child->stream = stream;
	child->accepted = true;
	child->reserved = false;
	if (child->port == NULL)
		child->port = wsd_port_share(listener->port);
	wsd_stream_addresses(stream, &child->local, &child->remote);
	child->connected_at = wsd_clock_ns();
	if (wsd_stream_state(stream) == WSD_STREAM_CONNECTING)
		(void)wsd_socket_move(child, WSD_SOCK_ON_CONNECT);
	else
		(void)wsd_socket_move(child, WSD_SOCK_ON_ESTABLISHED);
	wsd_socket_apply_options(child);
	child->changes |= WSD_CHANGE_IO;
	wsd_socket_ref(child);
	child->next_settle = listener->to_settle;
	listener->to_settle = child;
	listener->kick_all = true;
	wsd_mutex_unlock(&child->lock);
	return WSD_OK;
}

/* [lock] Until a request is at the head that nobody else is deciding about. 0 or a WSA code. */
static int wait_for_request(struct wsd_socket *sock, struct wsd_addr *local,
			    struct wsd_addr *remote)
{
	bool polled = false;

	for (;;) {
		enum wsd_status status = WSD_AGAIN;
		int error;

		if (sock->closed)
			return WSAEINTR;
		if (!sock->deciding && wsd_list_empty(&sock->queues[WSD_Q_ACCEPT]))
			status = wsd_listener_peek(sock->listener, local, remote);
		if (status == WSD_OK)
			return 0;
		if (status == WSD_ERESET) {
			wsd_listener_reject(sock->listener); /* withdrawn: take it away */
			return WSAECONNRESET;
		}
		if (status != WSD_AGAIN)
			return wsd_error(status, WSD_CALL_ACCEPT);
		if (sock->nonblocking) {
			if (polled)
				return WSAEWOULDBLOCK;
			polled = true;
			wsd_socket_leave(sock);
			for (unsigned i = 0; i < wsd_engine_count(); i++)
				(void)wsd_engine_poll(wsd_engine_at(i));
			wsd_mutex_lock(&sock->lock);
			continue;
		}
		error = wsd_socket_wait(sock, WSD_CHANGE_ARRIVED | WSD_CHANGE_OP, WSD_FOREVER);
		if (error != 0)
			return error;
	}
}

static int ask(LPCONDITIONPROC condition, DWORD_PTR data, const struct wsd_addr *local,
	       const struct wsd_addr *remote)
{
	struct sockaddr_storage caller, callee;
	int caller_length = sizeof(caller), callee_length = sizeof(callee);
	WSABUF caller_id, callee_id, callee_data = { 0, NULL };
	GROUP group = 0;

	(void)wsd_sockaddr_encode(remote, (struct sockaddr *)&caller, &caller_length);
	(void)wsd_sockaddr_encode(local, (struct sockaddr *)&callee, &callee_length);
	caller_id.buf = (char *)&caller;
	caller_id.len = (u_long)caller_length;
	callee_id.buf = (char *)&callee;
	callee_id.len = (u_long)callee_length;
	switch (condition(&caller_id, NULL, NULL, NULL, &callee_id, &callee_data, &group, data)) {
	case CF_ACCEPT:
		return 0;
	case CF_REJECT:
		return WSAECONNREFUSED;
	case CF_DEFER:
		return WSATRY_AGAIN;
	default:
		return WSAEINVAL;
	}
}

/* What a caller of WSPAccept hears who found a request and did not get it. */
static int taking_error(enum wsd_status status)
{
	if (status == WSD_AGAIN) /* withdrawn between the look and the taking */
		return WSAECONNRESET;
	if (status == WSD_ECANCELLED) /* WSPCleanup took the new socket away */
		return WSAEINTR;
	return wsd_error(status, WSD_CALL_ACCEPT);
}

/* [lock] Ask, then make the socket. It is dropped for both; the request stays ours by `deciding`.
 * A child is referenced; on failure it is of no use. */
static int take(struct wsd_socket *sock, LPCONDITIONPROC condition, DWORD_PTR data,
		const struct wsd_addr *local, const struct wsd_addr *remote,
		struct wsd_socket **child)
{
	int error = 0;

	sock->deciding = true;
	wsd_socket_leave(sock);
	if (condition != NULL)
		error = ask(condition, data, local, remote);
	if (error == 0)
		*child = wsd_socket_new(sock->family, sock->catalog_id, sock->overlapped, &error);
	wsd_mutex_lock(&sock->lock);
	sock->deciding = false;
	if (sock->closed)
		return WSAEINTR;
	if (*child != NULL) {
		inherit(sock, *child);
		error = taking_error(wsd_accept_into(sock, *child));
	}
	if (error == WSAECONNREFUSED) {
		wsd_listener_reject(sock->listener);
		sock->kick_all = true;
	}
	return error;
}

static int check_call(const struct wsd_socket *sock, struct sockaddr *addr, LPINT addrlen)
{
	if (sock->state != WSD_SOCK_LISTENING)
		return WSAEINVAL;
	if (addr != NULL && (addrlen == NULL || *addrlen < wsd_sockaddr_size(sock->family)))
		return WSAEFAULT;
	return 0;
}

SOCKET WSPAPI wsd_spi_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	SOCKET accepted = INVALID_SOCKET;
	struct wsd_socket *child = NULL;
	struct wsd_addr local, remote;
	int error;

	if (sock == NULL)
		return INVALID_SOCKET;
	error = check_call(sock, addr, addrlen);
	if (error != 0) {
		(void)wsd_socket_return(sock, error, lpErrno);
		return INVALID_SOCKET;
	}
	wsd_socket_ref(sock);
	error = wait_for_request(sock, &local, &remote);
	if (error == 0) {
		error = take(sock, lpfnCondition, dwCallbackData, &local, &remote, &child);
		if (addr != NULL && (error == 0 || error == WSAECONNREFUSED ||
				     error == WSATRY_AGAIN || error == WSAEINVAL))
			(void)wsd_sockaddr_encode(&remote, addr, addrlen);
	}
	if (error != WSATRY_AGAIN)
		wsd_fd_arm(&sock->fd, FD_ACCEPT);
	/* Others may go for the next request, or for this one if it was deferred. */
	sock->changes |= WSD_CHANGE_ARRIVED | WSD_CHANGE_LOOK;
	(void)wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	if (child == NULL)
		return INVALID_SOCKET;
	if (error == 0)
		accepted = child->handle;
	else
		wsd_socket_discard(child);
	wsd_socket_unref(child);
	return accepted;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * accept.c - WSPAccept with its condition function, and how a request becomes a socket.
 *
 * The condition function runs without a lock. Meanwhile `deciding` keeps the oldest request for
 * this thread: other accepting threads wait, AcceptEx operations too.
 */
#include "provider/winsock/qos.h"
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

/* [both locks] The connection of the oldest request becomes the child's. */
static enum wsd_status take_stream(struct wsd_socket *listener, struct wsd_socket *child)
{
	enum wsd_status status = wsd_listener_accept(listener->listener, &wsd_socket_stream_owner,
						     child, &child->stream);

	if (status != WSD_OK)
		return status;
	if (child->port == NULL)
		child->port = wsd_port_share(listener->port);
	wsd_stream_addresses(child->stream, &child->local, &child->remote);
	if (wsd_stream_state(child->stream) == WSD_STREAM_CONNECTING)
		(void)wsd_socket_move(child, WSD_SOCK_ON_CONNECT);
	else
		(void)wsd_socket_move(child, WSD_SOCK_ON_ESTABLISHED);
	return WSD_OK;
}

static enum wsd_status take_channel(struct wsd_socket *listener, struct wsd_socket *child,
				    const WSABUF *callee_data)
{
	enum wsd_status status =
		wsd_acceptor_accept(listener->acceptor, &wsd_socket_channel_owner, child,
				    callee_data->buf, callee_data->len, &child->channel);

	if (status != WSD_OK)
		return status;
	wsd_channel_addresses(child->channel, &child->local, &child->remote);
	(void)wsd_socket_move(child, WSD_SOCK_ON_CONNECT);
	return WSD_OK;
}

enum wsd_status wsd_accept_into(struct wsd_socket *listener, struct wsd_socket *child,
				const WSABUF *callee_data)
{
	enum wsd_status status = WSD_ECANCELLED;

	wsd_socket_lock_child(child);
	if (!child->closed)
		status = listener->acceptor != NULL ? take_channel(listener, child, callee_data)
						    : take_stream(listener, child);
	if (status != WSD_OK) {
		wsd_mutex_unlock(&child->lock);
		return status;
	}
	wsd_socket_ref(child);
	wsd_streams_count(child->mode, 1);
	child->accepted = true;
	child->reserved = false;
	child->connected_at = wsd_clock_ns();
	wsd_socket_apply_options(child);
	child->changes |= WSD_CHANGE_IO;
	wsd_socket_ref(child);
	child->next_settle = listener->to_settle;
	listener->to_settle = child;
	listener->kick_all = true;
	wsd_mutex_unlock(&child->lock);
	return WSD_OK;
}

unsigned wsd_socket_requests(const struct wsd_socket *sock)
{
	if (sock->acceptor != NULL)
		return wsd_acceptor_pending(sock->acceptor);
	return sock->listener != NULL ? wsd_listener_pending(sock->listener) : 0;
}

/* [lock] The oldest request. */
static enum wsd_status peek(struct wsd_socket *sock, struct wsd_caller *caller)
{
	if (sock->acceptor != NULL)
		return wsd_acceptor_peek(sock->acceptor, caller);
	caller->data = NULL;
	caller->data_length = 0;
	if (sock->listener ==
	    NULL) /* it is being given away; of a shared socket another process may listen */
		return sock->mode == WSD_MODE_SAN ? WSD_EINVAL : WSD_AGAIN;
	wsd_listener_look(sock->listener, 1);
	return wsd_listener_peek(sock->listener, &caller->local, &caller->remote);
}

static void reject(struct wsd_socket *sock)
{
	if (sock->acceptor != NULL)
		wsd_acceptor_reject(sock->acceptor);
	else
		wsd_listener_reject(sock->listener);
	sock->kick_all = true;
}

/* [lock] Until a request is at the head that nobody else is deciding about. 0 or a WSA code. */
static int wait_for_request(struct wsd_socket *sock, struct wsd_caller *caller)
{
	unsigned looks = 0;

	for (;;) {
		enum wsd_status status = WSD_AGAIN;
		int error;

		if (sock->closed)
			return WSAEINTR;
		if (!sock->deciding && !sock->away && wsd_list_empty(&sock->queues[WSD_Q_ACCEPT]))
			status = peek(sock, caller);
		if (status == WSD_OK)
			return 0;
		if (status == WSD_ERESET) {
			reject(sock); /* withdrawn: take it away */
			return WSAECONNRESET;
		}
		if (status != WSD_AGAIN)
			return wsd_error(status, WSD_CALL_ACCEPT);
		if (sock->nonblocking) {
			if (looks == WSD_LOOKS)
				return WSAEWOULDBLOCK;
			looks = wsd_socket_look(sock) ? looks + 1 : WSD_LOOKS;
			continue;
		}
		error = wsd_socket_wait(sock,
					WSD_CHANGE_ARRIVED | WSD_CHANGE_OP | WSD_CHANGE_SEAT |
						WSD_CHANGE_GONE,
					WSD_FOREVER);
		if (error != 0)
			return error;
	}
}

/* What the condition function is asked, and what it answers. */
struct question {
	struct wsd_caller caller;
	char caller_data[WSD_CALLER_DATA_MAX];
	char callee_data[WSD_CALLEE_DATA_MAX];
	WSABUF answer; /* in: room for it; out: its length */
	bool qos_given, qos_changed;
	struct wsd_qos qos;  /* as the new socket would have it */
	struct wsd_qos wish; /* what this side wants of it */
};

/* Many functions leave the answer's length as they found it and mean none. */
static int check_answer(struct question *q, u_long room)
{
	bool touched = q->answer.len != room || q->answer.buf != q->callee_data;

	if (q->answer.len > room || (q->answer.buf == NULL && q->answer.len > 0))
		return WSAEINVAL;
	for (u_long i = 0; i < room && !touched; i++)
		touched = q->callee_data[i] != 0;
	if (!touched)
		q->answer.len = 0;
	return 0;
}

static bool same_flow(const FLOWSPEC *a, const FLOWSPEC *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* The function may have lowered it, or said something else. Of a direction that it left alone we want what we did
 * before: it was shown the agreement with the caller, not our wish. */
static int take_qos(struct question *q, const QOS *before, const QOS *after)
{
	struct wsd_qos said;
	int error;

	if (!q->qos_given || memcmp(before, after, sizeof(*before)) == 0)
		return 0;
	error = wsd_qos_parse(after, &q->wish, &said);
	if (error != 0)
		return error;
	q->qos_changed = true;
	if (!same_flow(&before->SendingFlowspec, &after->SendingFlowspec) ||
	    after->ProviderSpecific.len > 0)
		q->wish.out = said.out;
	if (!same_flow(&before->ReceivingFlowspec, &after->ReceivingFlowspec))
		q->wish.in = said.in;
	return 0;
}

static int ask(const struct wsd_socket *sock, LPCONDITIONPROC condition, DWORD_PTR data,
	       struct question *q)
{
	struct sockaddr_storage caller, callee;
	int caller_length = sizeof(caller), callee_length = sizeof(callee);
	WSABUF caller_id, callee_id, caller_data = { q->caller.data_length, q->caller_data };
	u_long room = q->answer.len;
	QOS qos, before;
	GROUP group = 0;
	int error;

	memset(&qos, 0, sizeof(qos));
	if (q->qos_given)
		wsd_qos_fill(&qos, &q->qos);
	before = qos;
	(void)wsd_socket_encode(sock, &q->caller.remote, (struct sockaddr *)&caller,
				&caller_length);
	(void)wsd_socket_encode(sock, &q->caller.local, (struct sockaddr *)&callee, &callee_length);
	caller_id.buf = (char *)&caller;
	caller_id.len = (u_long)caller_length;
	callee_id.buf = (char *)&callee;
	callee_id.len = (u_long)callee_length;
	switch (condition(&caller_id, q->caller.data_length > 0 ? &caller_data : NULL,
			  q->qos_given ? &qos : NULL, NULL, &callee_id, &q->answer, &group, data)) {
	case CF_ACCEPT:
		error = check_answer(q, room);
		return error != 0 ? error : take_qos(q, &before, &qos);
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

/* [listener's lock] The condition function's last word, for a connection that may be open already. */
static int lower(struct wsd_socket *child, const struct wsd_qos *qos)
{
	int error;

	wsd_socket_lock_child(child);
	error = child->closed ? WSAEINTR : wsd_socket_set_qos(child, qos);
	wsd_mutex_unlock(&child->lock);
	return error;
}

/* [lock] Ask, then make the socket. It is dropped for both; the request stays ours by `deciding`.
 * A child is referenced; on failure it is of no use. */
static int take(struct wsd_socket *sock, LPCONDITIONPROC condition, DWORD_PTR data,
		struct question *q, struct wsd_socket **child)
{
	int error = 0;

	if (q->caller.data_length > 0)
		memcpy(q->caller_data, q->caller.data, q->caller.data_length);
	if (sock->mode == WSD_MODE_SAN)
		q->answer = (WSABUF){ sizeof(q->callee_data), q->callee_data };
	else
		q->qos_given = wsd_listener_peek_qos(sock->listener, &q->qos, &q->wish);
	sock->deciding = true;
	wsd_socket_leave(sock);
	if (condition != NULL)
		error = ask(sock, condition, data, q);
	else
		q->answer.len = 0;
	if (error == 0)
		*child = wsd_socket_new(sock->mode, sock->family, sock->catalog_id,
					sock->overlapped, &error);
	wsd_mutex_lock(&sock->lock);
	sock->deciding = false;
	if (sock->closed)
		return WSAEINTR;
	if (*child != NULL) {
		inherit(sock, *child);
		error = taking_error(wsd_accept_into(sock, *child, &q->answer));
	}
	if (error == 0 && q->qos_changed)
		error = lower(*child, &q->wish);
	if (error == WSAECONNREFUSED)
		reject(sock);
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

static SOCKET accept_entered(struct wsd_socket *sock, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData, LPINT lpErrno)
{
	struct question q = { .answer = { 0, NULL } };
	SOCKET accepted = INVALID_SOCKET;
	struct wsd_socket *child = NULL;
	int error;

	if (sock == NULL)
		return INVALID_SOCKET;
	error = check_call(sock, addr, addrlen);
	if (error != 0) {
		(void)wsd_socket_return(sock, error, lpErrno);
		return INVALID_SOCKET;
	}
	wsd_socket_ref(sock);
	error = wait_for_request(sock, &q.caller);
	if (error == 0) {
		error = take(sock, lpfnCondition, dwCallbackData, &q, &child);
		if (addr != NULL && (error == 0 || error == WSAECONNREFUSED ||
				     error == WSATRY_AGAIN || error == WSAEINVAL))
			(void)wsd_socket_encode(sock, &q.caller.remote, addr, addrlen);
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
		accepted = wsd_socket_descriptor(child);
	else
		wsd_socket_discard(child);
	wsd_socket_unref(child);
	return accepted;
}

SOCKET WSPAPI wsd_spi_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData, LPINT lpErrno)
{
	return accept_entered(wsd_socket_enter(s, lpErrno), addr, addrlen, lpfnCondition,
			      dwCallbackData, lpErrno);
}

SOCKET WSPAPI wsd_san_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			     LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData, LPINT lpErrno)
{
	return accept_entered(wsd_san_enter(s, lpErrno), addr, addrlen, lpfnCondition,
			      dwCallbackData, lpErrno);
}

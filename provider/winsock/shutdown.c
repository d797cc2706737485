// SPDX-License-Identifier: BSD-2-Clause
/*
 * shutdown.c - half close, disconnect, close.
 *
 *   SO_DONTLINGER (standard)   graceful in the background, bounded by WSD_CLOSE_TIMEOUT
 *   SO_LINGER, 0               reset
 *   SO_LINGER, n, blocking     graceful; waits at most n seconds, then reset
 *   SO_LINGER, n, nonblocking  WSAEWOULDBLOCK unless everything has been acknowledged
 *   a send is cut half way     what was taken of it, then reset; one that has not begun changes nothing
 *
 * Close is the last word on a descriptor: operations end with WSA_OPERATION_ABORTED and their
 * indication, blocked calls of other threads with WSAEINTR (Windows answers WSAEINTR or, when the
 * transport was faster, WSAECONNABORTED), and WPUCloseSocketHandle comes after all of them.
 */
#include "provider/winsock/routine.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include "rdma_backend/base/base.h"

/* --- WSPShutdown and disconnect --- */

static int shut_down(struct wsd_socket *sock, bool send_side, bool receive_side)
{
	if (sock->state != WSD_SOCK_CONNECTED || sock->stream == NULL)
		return sock->state == WSD_SOCK_BROKEN && sock->broken_error != 0 &&
				       sock->stream != NULL
			       ? sock->broken_error
			       : WSAENOTCONN;
	if (send_side && !sock->send_shut) {
		sock->send_shut = true;
		/* Sends that were accepted before still go out: FIN follows the last of them. */
		if (wsd_list_empty(&sock->queues[WSD_Q_SEND]))
			(void)wsd_stream_shutdown_send(sock->stream);
	}
	if (receive_side && !sock->receive_shut) {
		sock->receive_shut = true;
		wsd_stream_shutdown_receive(sock->stream);
	}
	sock->changes |= WSD_CHANGE_IO | WSD_CHANGE_LOOK;
	return 0;
}

int WSPAPI wsd_spi_shutdown(SOCKET s, int how, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (how != SD_RECEIVE && how != SD_SEND && how != SD_BOTH)
		error = WSAEINVAL;
	else
		error = shut_down(sock, how != SD_RECEIVE, how != SD_SEND);
	return wsd_socket_return(sock, error, lpErrno);
}

int WSPAPI wsd_spi_send_disconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (lpOutboundDisconnectData != NULL && lpOutboundDisconnectData->len > 0)
		error = WSAENOPROTOOPT;
	else
		error = shut_down(sock, true, false);
	return wsd_socket_return(sock, error, lpErrno);
}

int WSPAPI wsd_spi_recv_disconnect(SOCKET s, LPWSABUF lpInboundDisconnectData, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	int error = 0;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (lpInboundDisconnectData != NULL && lpInboundDisconnectData->len > 0)
		error = WSAENOPROTOOPT;
	else if (sock->state != WSD_SOCK_CONNECTED)
		error = WSAENOTCONN;
	else
		sock->receive_shut =
			true; /* the window stays as it is: unread data does not reset */
	return wsd_socket_return(sock, error, lpErrno);
}

/* --- operations that end a connection --- */

static void back_to_bound(struct wsd_socket *sock)
{
	(void)wsd_socket_move(sock, WSD_SOCK_ON_REUSE);
	(void)wsd_port_connect(sock->port, NULL);
	/* Over plain TCP the peer may not have closed yet, and the system makes no second connection of the same two
	 * ends: from another port, then, unless the program has chosen this one, or it is a listener's, which one
	 * that was accepted shares. */
	if (sock->bound || sock->accepted || wsd_socket_change_port(sock) != WSD_OK)
		(void)wsd_socket_hold_port(sock);
	wsd_socket_turn_back(sock);
	sock->send_shut = false;
	sock->receive_shut = false;
	sock->accepted = false;
	sock->reused = true;
	sock->connect_error = -1;
	sock->connect_failed = false;
	sock->broken_error = 0;
	sock->error = 0;
}

void wsd_control_run(struct wsd_socket *sock)
{
	struct wsd_list *node, *after;

	if (sock->away)
		return;
	/* FIN waits for the sends that were queued before the shutdown. */
	if (sock->send_shut && sock->stream != NULL && sock->state == WSD_SOCK_CONNECTED &&
	    wsd_list_empty(&sock->queues[WSD_Q_SEND]))
		(void)wsd_stream_shutdown_send(sock->stream);
	wsd_list_for_each_safe(node, after, &sock->queues[WSD_Q_CONTROL]) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		if (op->kind != WSD_OP_KIND_DISCONNECT)
			continue;
		if (sock->stream == NULL) {
			if (op->flags & TF_REUSE_SOCKET)
				back_to_bound(sock);
			wsd_op_finish(sock, op, 0);
		} else if (!(op->flags & TF_REUSE_SOCKET) && wsd_stream_flushed(sock->stream)) {
			wsd_op_finish(sock, op, 0);
		}
	}
}

/* --- close --- */

/* [lock] Ask every operation of the socket to end. */
static void cancel_all(struct wsd_socket *sock)
{
	for (unsigned q = 0; q < WSD_Q_COUNT; q++) {
		struct wsd_list *node, *after;

		wsd_list_for_each_safe(node, after, &sock->queues[q])
			wsd_op_cancel(sock, wsd_container(node, struct wsd_op, link),
				      WSA_OPERATION_ABORTED);
	}
}

/* [lock] Of a send that had begun the peer gets a part: it must not take that for the whole. Not at
 * exit, where what was begun counts as much as what a system's send buffer would hold. */
static void cut_sends(struct wsd_socket *sock)
{
	struct wsd_list *node;

	if (sock->stream == NULL)
		return;
	wsd_list_for_each(node, &sock->queues[WSD_Q_SEND]) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		if (op->moved > 0)
			wsd_stream_cut(sock->stream);
		op->loan.cut_below = op->total - op->moved;
	}
}

/* [lock of listener, dropped meanwhile] AcceptEx operations that already moved to their socket and
 * wait for data there. One at a time: the other lock must not be taken below ours. */
static void cancel_parked(struct wsd_socket *sock)
{
	struct wsd_list *node;

	while ((node = wsd_list_pop(&sock->parked)) != NULL) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, parked_link);
		struct wsd_socket *child = op->child;
		struct wsd_list *other, *after;

		wsd_socket_ref(child);
		wsd_mutex_unlock(&sock->lock);
		wsd_mutex_lock(&child->lock);
		/* It may have been delivered meanwhile: only what is still queued there counts. */
		wsd_list_for_each_safe(other, after, &child->queues[WSD_Q_RECV])
			if (wsd_container(other, struct wsd_op, link) == op && op->home == sock)
				wsd_op_cancel(child, op, WSA_OPERATION_ABORTED);
		wsd_socket_leave(child);
		wsd_socket_unref(child);
		wsd_mutex_lock(&sock->lock);
	}
}

void wsd_socket_close_begin(struct wsd_socket *sock, bool quiet)
{
	atomic_store(&sock->quiet, quiet);
	sock->closed = true;
	wsd_fd_init(&sock->fd);
	if (!quiet)
		cut_sends(sock);
	cancel_all(sock);
	cancel_parked(sock);
	wsd_socket_wake(sock, WSD_CHANGE_CLOSED);
}

void wsd_socket_close_end(struct wsd_socket *sock, bool abort_it)
{
	if (sock->stream != NULL)
		wsd_stream_close(sock->stream, abort_it, wsd_close_timeout());
	if (sock->channel != NULL)
		wsd_channel_close(sock->channel);
	wsd_socket_stop_listening(sock);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_CLOSE);
	/* A recalled loan or a direct read may have ended in the close just now. */
	sock->changes |= WSD_CHANGE_DIRECT;
}

bool wsd_socket_closes_hard(const struct wsd_socket *sock)
{
	return !sock->away && sock->options.linger_on && sock->options.linger_seconds == 0;
}

void wsd_socket_close_leave(struct wsd_socket *sock)
{
	wsd_socket_leave(sock);
	/* No message names a descriptor that the program believes closed. */
	wsd_mutex_lock(&sock->tell);
	wsd_mutex_unlock(&sock->tell);
	wsd_handle_unref(sock);
	wsd_socket_unref(sock);
}

void wsd_socket_close_now(struct wsd_socket *sock, bool abort_it, bool quiet)
{
	if (sock->share != NULL && !wsd_share_dissolve(sock)) {
		wsd_share_leave(sock, abort_it, quiet);
		return;
	}
	wsd_socket_ref(sock);
	wsd_socket_close_begin(sock, quiet);
	wsd_socket_close_end(sock, abort_it);
	wsd_socket_close_leave(sock);
}

/* [lock] Is it open, and was it made in that start? */
static bool is_of_start(const struct wsd_socket *sock, unsigned mode, unsigned start)
{
	return !sock->closed && sock->handle != INVALID_SOCKET && sock->mode == mode &&
	       sock->start == start;
}

void wsd_socket_silence(unsigned mode, unsigned start, struct wsd_socket *sock)
{
	wsd_mutex_lock(&sock->lock);
	if (!is_of_start(sock, mode, start)) {
		wsd_mutex_unlock(&sock->lock);
		return;
	}
	atomic_store(&sock->quiet, true);
	wsd_socket_ref(sock);
	cancel_all(sock);
	cancel_parked(sock);
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
}

void wsd_socket_shut(unsigned mode, unsigned start, struct wsd_socket *sock, bool abort_it,
		     bool quiet)
{
	wsd_mutex_lock(&sock->lock);
	if (!is_of_start(sock, mode, start)) {
		wsd_mutex_unlock(&sock->lock);
		return;
	}
	wsd_socket_close_now(sock, abort_it || wsd_socket_closes_hard(sock), quiet);
}

/* [lock, dropped meanwhile] Wait until the peer has everything. True: it has. */
static bool linger_wait(struct wsd_socket *sock)
{
	uint64_t deadline = wsd_deadline_ms(sock->options.linger_seconds * 1000u);

	(void)wsd_stream_shutdown_send(sock->stream);
	while (sock->stream != NULL && !wsd_stream_flushed(sock->stream)) {
		/* Nothing need tell us of an acknowledgement: look now and then as well. */
		uint64_t step = wsd_clock_ns() + 20 * WSD_NS_PER_MS;
		int error = wsd_socket_wait(
			sock, WSD_CHANGE_FLUSHED | WSD_CHANGE_READABLE | WSD_CHANGE_DEAD,
			step < deadline ? step : deadline);

		if (sock->closed)
			return false;
		if (error == WSAETIMEDOUT && wsd_clock_ns() < deadline)
			continue;
		if (error != 0)
			return false;
	}
	return true;
}

int WSPAPI wsd_spi_close_socket(SOCKET s, LPINT lpErrno)
{
	bool abort_it, lingers;
	struct wsd_socket *sock;

	(void)wsd_due_reap();
	sock = wsd_socket_find(WSD_MODE_STREAM, s, lpErrno);
	if (sock == NULL)
		return SOCKET_ERROR;
	if (sock->share != NULL && !wsd_share_dissolve(sock)) {
		wsd_share_leave(sock, false, false);
		return 0;
	}
	/* Of one that connects the system may have the connection, and nobody has been told yet. */
	abort_it = wsd_socket_closes_hard(sock);
	lingers = sock->options.linger_on && !abort_it && sock->stream != NULL &&
		  sock->state == WSD_SOCK_CONNECTED;
	if (lingers && sock->nonblocking) {
		if (!wsd_list_empty(&sock->queues[WSD_Q_SEND]) || !wsd_stream_flushed(sock->stream))
			return wsd_socket_return(sock, WSAEWOULDBLOCK, lpErrno);
	} else if (lingers) {
		wsd_socket_ref(sock);
		cut_sends(sock);
		cancel_all(sock);
		abort_it = !linger_wait(sock);
		if (sock->closed) { /* another thread closed it meanwhile */
			(void)wsd_socket_return(sock, WSAENOTSOCK, lpErrno);
			wsd_socket_unref(sock);
			return SOCKET_ERROR;
		}
		wsd_socket_close_now(sock, abort_it, false);
		wsd_socket_unref(sock);
		return 0;
	}
	wsd_socket_close_now(sock, abort_it, false);
	return 0;
}

/* Never graceful, never WSAEWOULDBLOCK: a switch has said its goodbyes in messages before. */
int WSPAPI wsd_san_close_socket(SOCKET s, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_close_now(sock, true, false);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * send.c - WSPSend. A small send is one lookup, one lock, one copy. What does not fit, or is worth
 * lending instead of copying, becomes an operation in the send queue.
 */
#include "provider/winsock/spi_calls.h"

#define LEGAL_FLAGS (MSG_OOB | MSG_DONTROUTE)
/* A nonblocking call waits no longer; after a wait in vain nobody waits for a second, so that peers which say nothing
 * cannot hold up a program that serves others. */
#define ROOM_NS (10 * WSD_NS_PER_MS)
#define VAIN_NS (1000 * WSD_NS_PER_MS)

static _Atomic uint64_t room_waits_from;

/* [lock] What is lent cannot be called back from a peer that does not answer, and then the connection ends. So a
 * call whose time may run out lends only if the program has asked for lending. */
static bool may_lend(const struct wsd_socket *sock, bool sync, size_t length)
{
	return (!sync || sock->options.send_timeout == 0 || sock->options.zcopy_min != 0) &&
	       wsd_stream_can_lend(sock->stream, length);
}

/* [lock] Is the rest one buffer that is worth lending? */
static bool lend(struct wsd_socket *sock, struct wsd_op *op)
{
	struct wsd_iovec rest[1];

	if (op->kind == WSD_OP_KIND_TRANSMIT || wsd_op_rest(op, rest, 1) == 0 ||
	    !may_lend(sock, op->sync, rest[0].length))
		return false;
	op->loan.data = rest[0];
	op->loan.moved = 0;
	op->loan.status = WSD_PENDING;
	op->lent = true;
	if (wsd_stream_lend(sock->stream, &op->loan) == WSD_PENDING)
		return true;
	op->lent = false;
	return false;
}

/* [lock] True while the device still reads the buffer. */
static bool loan_running(struct wsd_op *op, enum wsd_status *status)
{
	*status = WSD_OK;
	if (!op->lent)
		return false;
	if (op->loan.status == WSD_PENDING)
		return true;
	op->lent = false;
	wsd_op_advance(op, op->loan.moved);
	if (op->loan.status < 0)
		*status = op->loan.status;
	return false;
}

/* [lock] WSD_OK: all bytes are taken; WSD_AGAIN: later (or lent, or a file is to be read). */
static enum wsd_status drain_op(struct wsd_socket *sock, struct wsd_op *op)
{
	struct wsd_iovec rest[WSD_OP_IOV];
	enum wsd_status status;
	size_t bytes = 0;

	for (;;) {
		unsigned count = wsd_op_rest(op, rest, WSD_OP_IOV);

		if (count == 0 && op->kind == WSD_OP_KIND_TRANSMIT && wsd_transmit_more(op)) {
			if (!op->filling)
				continue;
			sock->fill = op;
			return WSD_AGAIN;
		}
		if (count == 0)
			break;
		if (lend(sock, op))
			return WSD_AGAIN;
		status = wsd_stream_write(sock->stream, rest, count, 0, &bytes);
		if (status != WSD_OK)
			return status;
		wsd_op_advance(op, bytes);
	}
	if ((op->flags & MSG_OOB) && op->moved < op->total) {
		status = wsd_stream_write_urgent(sock->stream, op->urgent);
		if (status != WSD_OK)
			return status;
		op->moved++;
	}
	return WSD_OK;
}

void wsd_send_run(struct wsd_socket *sock)
{
	struct wsd_list *queue = &sock->queues[WSD_Q_SEND];

	while (!wsd_list_empty(queue)) {
		struct wsd_op *op = wsd_container(queue->next, struct wsd_op, link);
		enum wsd_status status;

		if (op->filling || loan_running(op, &status) || sock->away)
			return;
		if (op->cancelled) {
			wsd_op_finish(sock, op, op->cancel_error);
			continue;
		}
		if (sock->stream == NULL) {
			wsd_op_finish(sock, op,
				      op->error != 0 ? op->error : wsd_socket_gone_error(sock));
			continue;
		}
		if (sock->state == WSD_SOCK_CONNECTING)
			return;
		if (status == WSD_OK && op->error == 0)
			status = drain_op(sock, op);
		if (status == WSD_AGAIN)
			return;
		if (status == WSD_OK && op->error == 0 && wsd_transmit_reuses(sock, op))
			continue;
		if (op->error == 0)
			op->error = wsd_error(status, WSD_CALL_SEND);
		wsd_transmit_ended(sock, op);
		wsd_op_finish(sock, op, op->error);
	}
}

/* --- the call --- */

struct send_call {
	LPWSABUF buffers;
	DWORD count;
	DWORD flags;
	size_t total;
	DWORD bytes;
	unsigned how; /* WSD_TRY */
};

static int check_call(struct wsd_socket *sock, struct send_call *call, bool overlapped)
{
	int error = wsd_buffers_check(call->buffers, call->count, &call->total);

	if (error != 0)
		return error;
	if (call->flags & ~(DWORD)LEGAL_FLAGS)
		return WSAEOPNOTSUPP;
	if (overlapped && !sock->overlapped)
		return WSAEINVAL;
	error = wsd_socket_io_error(sock);
	if (error != 0)
		return error;
	return sock->send_shut ? WSAESHUTDOWN : 0;
}

/* [lock] Copy what fits now; call->bytes counts it. WSD_AGAIN: nothing fitted. */
static enum wsd_status try_once(struct wsd_socket *sock, struct send_call *call)
{
	struct wsd_iovec iov[WSD_OP_IOV];
	size_t bytes = 0, sum = 0, want = 0;
	enum wsd_status status = WSD_OK;
	DWORD next = 0;

	if (sock->state == WSD_SOCK_CONNECTING || sock->away ||
	    !wsd_list_empty(&sock->queues[WSD_Q_SEND]))
		return WSD_AGAIN;
	if (sock->stream == NULL)
		return WSD_ERESET;
	while (next < call->count && sum == want) {
		unsigned n = 0;

		for (; next < call->count && n < WSD_OP_IOV; next++) {
			if (call->buffers[next].len == 0)
				continue;
			iov[n].base = call->buffers[next].buf;
			iov[n++].length = call->buffers[next].len;
			want += call->buffers[next].len;
		}
		if (n == 0)
			break;
		status = wsd_stream_write(sock->stream, iov, n, call->how, &bytes);
		if (status != WSD_OK)
			break;
		sum += bytes;
	}
	call->bytes = (DWORD)sum;
	return sum > 0 ? WSD_OK : status;
}

/* The urgent byte is the last one; it travels apart from the others. */
static void split_urgent(struct wsd_op *op)
{
	unsigned i = op->count;

	if (!(op->flags & MSG_OOB))
		return;
	while (i > 0 && op->iov[i - 1].length == 0)
		i--;
	if (i == 0)
		return;
	op->iov[i - 1].length--;
	op->urgent = ((uint8_t *)op->iov[i - 1].base)[op->iov[i - 1].length];
}

static int prepare(struct wsd_op *op, const struct send_call *call)
{
	int error = wsd_op_set_buffers(op, call->buffers, call->count);

	if (error != 0)
		return error;
	op->flags = call->flags;
	split_urgent(op);
	return 0;
}

static int send_queued(struct wsd_socket *sock, struct send_call *call)
{
	uint64_t deadline = wsd_deadline_ms(sock->options.send_timeout);
	struct wsd_op op;
	int error;

	if (!sock->nonblocking && wsd_wait_running())
		return WSAEINPROGRESS;
	wsd_op_init(&op, WSD_OP_KIND_SEND, sock);
	error = prepare(&op, call);
	if (error != 0)
		return error;
	op.sync = true;
	wsd_op_advance(&op, call->bytes);
	wsd_list_append(&sock->queues[WSD_Q_SEND], &op.link);
	wsd_send_run(sock);
	if (sock->nonblocking && !op.finished)
		wsd_op_cancel(sock, &op, WSAETIMEDOUT); /* only for MSG_OOB: never lent */
	error = wsd_op_wait(sock, &op, deadline);
	call->bytes = (DWORD)op.moved;
	/* A stream with a hole in it is of no use: a call that was cancelled half way breaks it. */
	if (error == WSAEINTR && op.moved > 0)
		wsd_socket_abort(sock);
	wsd_op_free_buffers(&op);
	return error;
}

/*
 * [lock, dropped meanwhile] A program that has heard WSAEWOULDBLOCK takes room as a sign that its peer reads, so what
 * comes before is waited for, and not long. *until is 0 at first. False: nothing is on its way, or not in time.
 */
static bool await_room(struct wsd_socket *sock, uint64_t *until)
{
	uint64_t now = wsd_clock_ns();

	if (*until == 0) {
		/* relaxed: a time, nothing is published by it */
		if (sock->away || sock->stream == NULL ||
		    !wsd_list_empty(&sock->queues[WSD_Q_SEND]) ||
		    !wsd_stream_room_comes(sock->stream) ||
		    now < atomic_load_explicit(&room_waits_from, memory_order_relaxed))
			return false;
		*until = now + ROOM_NS;
	} else if (now >= *until) {
		atomic_store_explicit(&room_waits_from, now + VAIN_NS, memory_order_relaxed);
		return false;
	}
	wsd_socket_own_wait(sock, WSD_CHANGE_WRITABLE | WSD_CHANGE_CLOSED, *until);
	return true;
}

/* [lock, dropped meanwhile] First a look at the device: credits may have come. Where the system was asked there is
 * nothing else to look at. */
static int send_nonblocking(struct wsd_socket *sock, struct send_call *call)
{
	enum wsd_status status = WSD_AGAIN;
	uint64_t until = 0;

	if (!wsd_socket_asked(sock, WSD_Q_SEND)) {
		(void)wsd_socket_look(sock);
		do {
			if (sock->closed)
				return WSAENOTSOCK;
			status = try_once(sock, call);
		} while (status == WSD_AGAIN && await_room(sock, &until));
	}
	if (status == WSD_AGAIN) {
		/* The one thing that makes FD_WRITE come again. */
		wsd_fd_arm(&sock->fd, FD_WRITE);
		sock->changes |= WSD_CHANGE_LOOK;
	}
	return wsd_error(status, WSD_CALL_SEND);
}

static int send_urgent(struct wsd_socket *sock, struct send_call *call)
{
	int error;

	if (sock->nonblocking && !wsd_list_empty(&sock->queues[WSD_Q_SEND]))
		return WSAEWOULDBLOCK;
	error = send_queued(sock, call);
	if (sock->nonblocking && error == WSAETIMEDOUT) {
		wsd_fd_arm(&sock->fd, FD_WRITE);
		return WSAEWOULDBLOCK;
	}
	return error;
}

static int send_sync(struct wsd_socket *sock, struct send_call *call, bool *referenced)
{
	enum wsd_status status;

	if (call->total == 0)
		return 0;
	call->how = sock->nonblocking ? WSD_TRY : 0;
	if ((call->flags & MSG_OOB) == 0 && (sock->nonblocking || sock->stream == NULL ||
					     !may_lend(sock, true, call->buffers[0].len))) {
		status = try_once(sock, call);
		if (status == WSD_OK && (call->bytes == call->total || sock->nonblocking))
			return 0;
		if (status != WSD_OK && status != WSD_AGAIN)
			return sock->stream == NULL ? wsd_socket_gone_error(sock)
						    : wsd_error(status, WSD_CALL_SEND);
	}
	wsd_socket_ref(sock);
	*referenced = true;
	if (call->flags & MSG_OOB)
		return send_urgent(sock, call);
	return sock->nonblocking ? send_nonblocking(sock, call) : send_queued(sock, call);
}

/* [lock; dropped and taken again when it has to wait] 0 finished at once, or a code. */
static int send_overlapped(struct wsd_socket *sock, struct send_call *call,
			   const struct wsd_op_request *request)
{
	enum wsd_status status;
	struct wsd_op *op;
	int error;

	if (request->routine == NULL && !(call->flags & MSG_OOB) && sock->stream != NULL &&
	    (call->total == 0 || !wsd_stream_can_lend(sock->stream, call->buffers[0].len))) {
		status = call->total == 0 ? WSD_OK : try_once(sock, call);
		if (status == WSD_OK && call->bytes == call->total)
			return 0;
		if (status != WSD_OK && status != WSD_AGAIN)
			return wsd_error(status, WSD_CALL_SEND);
	}
	/* Bytes are under way already: from here on the operation exists, or the stream breaks. */
	op = wsd_op_take(sock, WSD_OP_KIND_SEND, request);
	error = op == NULL ? wsd_op_refusal(sock) : prepare(op, call);
	if (error != 0) {
		if (op != NULL)
			wsd_op_untake(op);
		if (call->bytes > 0)
			wsd_socket_abort(sock);
		return call->bytes > 0 ? WSAENOBUFS : error;
	}
	wsd_op_advance(op, call->bytes);
	/* In the queue it keeps its place; it is held back until the event has been reset. */
	op->filling = true;
	wsd_list_append(&sock->queues[WSD_Q_SEND], &op->link);
	wsd_socket_leave(sock);
	wsd_op_reset_event(request);
	wsd_mutex_lock(&sock->lock);
	op->filling = false;
	sock->changes |= WSD_CHANGE_WRITABLE;
	return WSA_IO_PENDING;
}

int WSPAPI wsd_spi_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesSent, DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct wsd_op_request request = { lpOverlapped, lpCompletionRoutine, lpThreadId };
	struct send_call call = { .buffers = lpBuffers, .count = dwBufferCount, .flags = dwFlags };
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	bool referenced = false;
	int error, result;

	if (sock == NULL)
		return SOCKET_ERROR;
	error = check_call(sock, &call, lpOverlapped != NULL);
	if (error == 0 && lpOverlapped == NULL && lpNumberOfBytesSent == NULL)
		error = WSAEFAULT;
	if (error == 0 && lpOverlapped != NULL) {
		wsd_socket_ref(sock);
		wsd_handle_ref(sock);
		error = send_overlapped(sock, &call, &request);
		result = wsd_socket_return(sock, error, lpErrno);
		if (result == 0)
			wsd_op_indicate(sock, &request, call.bytes, 0, 0);
		wsd_handle_unref(sock);
		wsd_socket_unref(sock);
	} else {
		if (error == 0)
			error = send_sync(sock, &call, &referenced);
		result = wsd_socket_return(sock, error, lpErrno);
		if (referenced)
			wsd_socket_unref(sock);
	}
	if (result == 0 && lpNumberOfBytesSent != NULL)
		*lpNumberOfBytesSent = call.bytes;
	return result;
}

int WSPAPI wsd_spi_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			   LPDWORD lpNumberOfBytesSent, DWORD dwFlags, const struct sockaddr *lpTo,
			   int iTolen, LPWSAOVERLAPPED lpOverlapped,
			   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			   LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpTo; /* a connected stream: the peer is known */
	(void)iTolen;
	return wsd_spi_send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpOverlapped,
			    lpCompletionRoutine, lpThreadId, lpErrno);
}

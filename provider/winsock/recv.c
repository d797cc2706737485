// SPDX-License-Identifier: BSD-2-Clause
/*
 * recv.c - WSPRecv. In the common case: one lookup, one lock, one copy. What has to wait becomes an
 * operation in the receive queue, on the caller's stack when the call blocks.
 */
#include "provider/winsock/spi_calls.h"

#define LEGAL_FLAGS (MSG_OOB | MSG_PEEK | MSG_WAITALL | MSG_PUSH_IMMEDIATE | MSG_PARTIAL)

/* [lock] One try to fill op. WSD_OK: finished well; WSD_AGAIN, WSD_PENDING: later; else failed. */
static enum wsd_status fill_op(struct wsd_socket *sock, struct wsd_op *op)
{
	struct wsd_iovec rest[WSD_OP_IOV];

	for (;;) {
		unsigned count = wsd_op_rest(op, rest, WSD_OP_IOV);
		enum wsd_status status;
		size_t bytes = 0, want = 0;

		if (op->total == 0) { /* completes when something could be read */
			if (wsd_stream_readable(sock->stream) > 0)
				return WSD_OK;
			status = wsd_stream_read(sock->stream, NULL, 0, 0, NULL, &bytes);
			return status == WSD_EOF ? WSD_OK : status;
		}
		if (count == 0)
			return WSD_OK;
		status = wsd_stream_read(sock->stream, rest, count, WSD_READ_DIRECT, &op->direct,
					 &bytes);
		if (status == WSD_OK) {
			for (unsigned i = 0; i < count; i++)
				want += rest[i].length;
			wsd_op_advance(op, bytes);
			/* Less than asked for: that was all, or the mark of urgent data is here. */
			if (op->moved == op->total ||
			    (!(op->flags & MSG_WAITALL) &&
			     (bytes < want || wsd_stream_mark_here(sock->stream))))
				return WSD_OK;
			continue;
		}
		if (status == WSD_EOF)
			return WSD_OK;
		if (status != WSD_PENDING && op->moved > 0 && !(op->flags & MSG_WAITALL))
			return WSD_OK;
		return status;
	}
}

/* [lock] A direct read came to its end: its bytes count, whatever came after them. */
static bool direct_done(struct wsd_op *op)
{
	if (!op->reading)
		return true;
	if (op->direct.status == WSD_PENDING)
		return false;
	op->reading = false;
	wsd_op_advance(op, op->direct.moved);
	return true;
}

static void run_queue(struct wsd_socket *sock)
{
	struct wsd_list *queue = &sock->queues[WSD_Q_RECV];

	while (!wsd_list_empty(queue)) {
		struct wsd_op *op = wsd_container(queue->next, struct wsd_op, link);
		enum wsd_status status;

		if (!direct_done(op))
			return;
		if (op->cancelled) {
			wsd_op_finish(sock, op, op->cancel_error);
			continue;
		}
		if (sock->stream == NULL) {
			wsd_op_finish(sock, op, wsd_socket_gone_error(sock));
			continue;
		}
		if (sock->state == WSD_SOCK_CONNECTING)
			return;
		if (op->moved > 0 && !(op->flags & MSG_WAITALL)) {
			wsd_op_finish(sock, op, 0);
			continue;
		}
		status = fill_op(sock, op);
		if (status == WSD_AGAIN)
			return;
		if (status == WSD_PENDING) {
			op->reading = true;
			return;
		}
		wsd_op_finish(sock, op, wsd_error(status, WSD_CALL_RECV));
	}
}

void wsd_recv_ask(struct wsd_socket *sock, size_t bytes)
{
	if (sock->options.receive_buffer == 0 && sock->stream != NULL)
		wsd_stream_want(sock->stream, bytes > 0 ? bytes : (size_t)sock->appetite + 1);
}

void wsd_recv_run(struct wsd_socket *sock)
{
	struct wsd_list *node, *queue = &sock->queues[WSD_Q_RECV];
	size_t room = 0;

	if (sock->away)
		return;
	run_queue(sock);
	if (sock->options.receive_buffer != 0 || wsd_list_empty(queue))
		return;
	wsd_list_for_each(node, queue) {
		const struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		room += op->total > 0 ? op->total - op->moved : 1;
	}
	wsd_recv_ask(sock, room);
}

void wsd_urgent_run(struct wsd_socket *sock)
{
	struct wsd_list *queue = &sock->queues[WSD_Q_URGENT];

	while (!wsd_list_empty(queue) && !sock->away) {
		struct wsd_op *op = wsd_container(queue->next, struct wsd_op, link);
		struct wsd_iovec one;
		enum wsd_status status;
		uint8_t byte;

		if (sock->stream == NULL) {
			wsd_op_finish(sock, op, wsd_socket_gone_error(sock));
			continue;
		}
		if (sock->state == WSD_SOCK_CONNECTING)
			return;
		status = wsd_stream_read_urgent(sock->stream, false, &byte);
		if (status == WSD_AGAIN)
			return;
		if (status == WSD_OK && wsd_op_rest(op, &one, 1) == 1) {
			*(uint8_t *)one.base = byte;
			op->moved = 1;
		}
		op->result_flags = op->error == 0 ? MSG_OOB : 0;
		wsd_op_finish(sock, op, status == WSD_EOF ? 0 : wsd_error(status, WSD_CALL_RECV));
	}
}

/* --- the call --- */

struct recv_call {
	LPWSABUF buffers;
	DWORD count;
	DWORD flags;
	size_t total;
	DWORD bytes;
	DWORD result_flags;
	unsigned how; /* WSD_READ_PEEK, WSD_TRY */
	bool left;    /* the lock was dropped and not taken again */
};

static int check_call(struct wsd_socket *sock, struct recv_call *call, const LPDWORD flags,
		      bool overlapped)
{
	DWORD f;
	int error;

	if (flags == NULL)
		return WSAEFAULT;
	error = wsd_buffers_check(call->buffers, call->count, &call->total);
	if (error != 0)
		return error;
	f = call->flags = *flags;
	call->how = f & MSG_PEEK ? WSD_READ_PEEK : 0;
	if (f & ~(DWORD)LEGAL_FLAGS)
		return WSAEOPNOTSUPP;
	if (overlapped && !sock->overlapped)
		return WSAEINVAL;
	if (overlapped && (f & MSG_PEEK))
		return WSAEOPNOTSUPP;
	if ((f & MSG_WAITALL) &&
	    ((f & (MSG_OOB | MSG_PEEK | MSG_PARTIAL)) || (sock->nonblocking && !overlapped)))
		return WSAEOPNOTSUPP;
	error = wsd_socket_io_error(sock);
	if (error != 0)
		return error;
	if (sock->receive_shut)
		return WSAESHUTDOWN;
	if ((f & MSG_OOB) && sock->options.oob_inline)
		return WSAEINVAL;
	return 0;
}

/* [lock] One try without waiting. WSD_AGAIN: nothing there, or others come first. */
static enum wsd_status try_once(struct wsd_socket *sock, struct recv_call *call)
{
	struct wsd_iovec iov[WSD_OP_IOV];
	size_t bytes = 0, sum = 0;
	enum wsd_status status = WSD_AGAIN;
	DWORD next = 0;

	if (sock->state == WSD_SOCK_CONNECTING || sock->away)
		return WSD_AGAIN;
	if (sock->stream == NULL)
		return WSD_ERESET;
	if (call->flags & MSG_OOB) {
		uint8_t byte;

		status = wsd_stream_read_urgent(sock->stream, (call->flags & MSG_PEEK) != 0, &byte);
		for (DWORD i = 0; status == WSD_OK && i < call->count && call->bytes == 0; i++) {
			if (call->buffers[i].len == 0)
				continue;
			call->buffers[i].buf[0] = (char)byte;
			call->bytes = 1;
			call->result_flags = MSG_OOB;
		}
		return status;
	}
	if (!wsd_list_empty(&sock->queues[WSD_Q_RECV]))
		return WSD_AGAIN;
	while (next < call->count) {
		unsigned n = 0;
		size_t want = 0;

		for (; next < call->count && n < WSD_OP_IOV; next++, n++) {
			iov[n].base = call->buffers[next].buf;
			iov[n].length = call->buffers[next].len;
			want += call->buffers[next].len;
		}
		status = wsd_stream_read(sock->stream, iov, n, call->how, NULL, &bytes);
		if (status != WSD_OK)
			break;
		sum += bytes;
		/* Less than asked for: the end of what is there, or the mark of urgent data. A second
		 * look with MSG_PEEK would see the same bytes. */
		if (bytes < want || (call->flags & MSG_PEEK) || wsd_stream_mark_here(sock->stream))
			break;
	}
	call->bytes = (DWORD)sum;
	return sum > 0 ? WSD_OK : status;
}

static int recv_blocking(struct wsd_socket *sock, struct recv_call *call)
{
	uint64_t deadline = wsd_deadline_ms(sock->options.receive_timeout);
	enum wsd_queue_id queue = call->flags & MSG_OOB ? WSD_Q_URGENT : WSD_Q_RECV;
	struct wsd_op op;
	int error;

	if (wsd_wait_running())
		return WSAEINPROGRESS;
	wsd_op_init(&op, WSD_OP_KIND_RECV, sock);
	error = wsd_op_set_buffers(&op, call->buffers, call->count);
	if (error != 0)
		return error;
	op.sync = true;
	op.flags = call->flags;
	wsd_list_append(&sock->queues[queue], &op.link);
	if (queue == WSD_Q_RECV)
		wsd_recv_run(sock);
	else
		wsd_urgent_run(sock);
	error = wsd_op_wait(sock, &op, deadline);
	if (error == 0) {
		call->bytes = (DWORD)op.moved;
		call->result_flags = op.result_flags;
	}
	wsd_op_free_buffers(&op);
	return error;
}

static int peek_blocking(struct wsd_socket *sock, struct recv_call *call)
{
	uint64_t deadline = wsd_deadline_ms(sock->options.receive_timeout);

	for (;;) {
		enum wsd_status status = try_once(sock, call);
		int error;

		if (status == WSD_EOF)
			return 0;
		if (status != WSD_AGAIN)
			return wsd_error(status, WSD_CALL_RECV);
		wsd_recv_ask(sock, call->total);
		error = wsd_socket_wait(sock, WSD_CHANGE_IO | WSD_CHANGE_OP, deadline);
		if (error != 0)
			return error;
	}
}

/* [lock] Nothing was there: look at the device, and try again if it had anything, or another thread has brought
 * something meanwhile: what a send gave away before is found. Where the system was asked there is nothing else to
 * look at. */
static int recv_nonblocking(struct wsd_socket *sock, struct recv_call *call)
{
	struct wsd_engine *engine = sock->stream != NULL ? wsd_stream_engine(sock->stream) : NULL;
	enum wsd_status status = WSD_AGAIN;
	enum wsd_look look = WSD_LOOK_MORE;

	if (!(call->flags & MSG_OOB)) {
		wsd_recv_ask(sock, call->total);
		if (wsd_socket_asked(sock, WSD_Q_RECV))
			return WSAEWOULDBLOCK;
	}
	for (unsigned looks = 0; look == WSD_LOOK_MORE && looks < WSD_LOOKS; looks++) {
		uint64_t mark = engine != NULL ? wsd_engine_mark(engine) : 0;

		wsd_socket_leave(sock);
		look = engine != NULL ? wsd_engine_look(engine, mark) : WSD_LOOK_NOTHING;
		call->left = look == WSD_LOOK_NOTHING;
		if (call->left)
			return WSAEWOULDBLOCK;
		wsd_mutex_lock(&sock->lock);
		if (sock->closed)
			return WSAENOTSOCK;
		status = try_once(sock, call);
		if (status != WSD_AGAIN)
			break;
	}
	return status == WSD_EOF ? 0 : wsd_error(status, WSD_CALL_RECV);
}

static int recv_sync(struct wsd_socket *sock, struct recv_call *call, bool *referenced)
{
	enum wsd_status status = WSD_AGAIN;

	if (call->total == 0)
		return 0;
	if (sock->nonblocking)
		call->how |= WSD_TRY;
	if (!(call->flags & MSG_WAITALL))
		status = try_once(sock, call);
	if (sock->nonblocking && !(call->flags & MSG_OOB))
		sock->appetite = (uint32_t)call->total;
	if (status == WSD_OK || status == WSD_EOF)
		return 0;
	if (status != WSD_AGAIN)
		return sock->stream == NULL ? wsd_socket_gone_error(sock)
					    : wsd_error(status, WSD_CALL_RECV);
	wsd_socket_ref(sock);
	*referenced = true;
	if (sock->nonblocking)
		return recv_nonblocking(sock, call);
	return call->flags & MSG_PEEK ? peek_blocking(sock, call) : recv_blocking(sock, call);
}

/* [lock; dropped and taken again when it has to wait] 0 finished at once, or a code. */
static int recv_overlapped(struct wsd_socket *sock, struct recv_call *call,
			   const struct wsd_op_request *request)
{
	enum wsd_queue_id queue = call->flags & MSG_OOB ? WSD_Q_URGENT : WSD_Q_RECV;
	enum wsd_status status = WSD_AGAIN;
	struct wsd_op *op;
	int error;

	if (request->routine == NULL && !(call->flags & MSG_WAITALL) && call->total > 0 &&
	    wsd_list_empty(&sock->queues[queue])) {
		status = try_once(sock, call);
		if (status == WSD_OK || status == WSD_EOF)
			return 0;
		if (status != WSD_AGAIN)
			return wsd_error(status, WSD_CALL_RECV);
	}
	wsd_socket_leave(sock);
	wsd_op_reset_event(request);
	wsd_mutex_lock(&sock->lock);
	if (sock->closed)
		return WSAENOTSOCK;
	op = wsd_op_take(sock, WSD_OP_KIND_RECV, request);
	if (op == NULL)
		return wsd_op_refusal(sock);
	error = wsd_op_set_buffers(op, call->buffers, call->count);
	if (error != 0) {
		wsd_op_untake(op);
		return error;
	}
	op->flags = call->flags;
	wsd_list_append(&sock->queues[queue], &op->link);
	if (queue == WSD_Q_RECV)
		wsd_recv_run(sock);
	else
		wsd_urgent_run(sock);
	return WSA_IO_PENDING;
}

static int leave_overlapped(struct wsd_socket *sock, struct recv_call *call, int error,
			    const struct wsd_op_request *request, LPINT out)
{
	if (error != 0)
		return wsd_socket_return(sock, error, out);
	wsd_socket_ref(sock);
	wsd_handle_ref(sock);
	wsd_socket_leave(sock);
	wsd_op_indicate(sock, request, call->bytes, call->result_flags, 0);
	wsd_handle_unref(sock);
	wsd_socket_unref(sock);
	return 0;
}

int WSPAPI wsd_spi_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct wsd_op_request request = { lpOverlapped, lpCompletionRoutine, lpThreadId };
	struct recv_call call = { .buffers = lpBuffers, .count = dwBufferCount };
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	bool referenced = false;
	int error, result;

	if (sock == NULL)
		return SOCKET_ERROR;
	error = check_call(sock, &call, lpFlags, lpOverlapped != NULL);
	if (error == 0 && lpOverlapped == NULL && lpNumberOfBytesRecvd == NULL)
		error = WSAEFAULT;
	if (sock->fd.mask != 0) { /* also a failing call enables the events again */
		wsd_fd_arm(&sock->fd, FD_READ | FD_OOB);
		sock->changes |= WSD_CHANGE_LOOK;
	}
	if (error == 0 && lpOverlapped != NULL) {
		wsd_socket_ref(sock);
		error = recv_overlapped(sock, &call, &request);
		result = leave_overlapped(sock, &call, error, &request, lpErrno);
		wsd_socket_unref(sock);
	} else {
		if (error == 0)
			error = recv_sync(sock, &call, &referenced);
		result = call.left ? wsd_failed(error, lpErrno)
				   : wsd_socket_return(sock, error, lpErrno);
		if (referenced)
			wsd_socket_unref(sock);
	}
	if (result == 0) {
		if (lpNumberOfBytesRecvd != NULL)
			*lpNumberOfBytesRecvd = call.bytes;
		*lpFlags = call.result_flags;
	}
	return result;
}

int WSPAPI wsd_spi_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			     LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
			     LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			     LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpFrom; /* a connected stream: the peer is known */
	(void)lpFromlen;
	return wsd_spi_recv(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
			    lpOverlapped, lpCompletionRoutine, lpThreadId, lpErrno);
}

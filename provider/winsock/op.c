// SPDX-License-Identifier: BSD-2-Clause
/* op.c - overlapped operations: capture, WSAOVERLAPPED's results, exactly-once delivery. */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/winsock/routine.h"
#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define POOL_MAX 64u
#define OPS_MAX	 65536u /* outstanding on one socket */

/* A peer that is to let go of our memory has so long to answer. */
#define RECALL_NS (500 * WSD_NS_PER_MS)

/* --- WSAOVERLAPPED --- */

static _Atomic(ULONG_PTR) *internal_of(LPWSAOVERLAPPED overlapped)
{
	return (_Atomic(ULONG_PTR) *)(void *)&overlapped->Internal;
}

bool wsd_overlapped_pending(LPWSAOVERLAPPED overlapped)
{
	/* acquire: the count is valid once Internal has left the in-progress value */
	return atomic_load_explicit(internal_of(overlapped), memory_order_acquire) ==
	       WSS_OPERATION_IN_PROGRESS;
}

static void overlapped_start(LPWSAOVERLAPPED overlapped)
{
	overlapped->InternalHigh = 0;
	/* relaxed: nobody looks before the call has returned */
	atomic_store_explicit(internal_of(overlapped), WSS_OPERATION_IN_PROGRESS,
			      memory_order_relaxed);
}

static void overlapped_result(LPWSAOVERLAPPED overlapped, int error, DWORD flags)
{
	overlapped->OffsetHigh = (DWORD)error;
	overlapped->Offset = flags;
}

void wsd_overlapped_store(LPWSAOVERLAPPED overlapped, int error, DWORD bytes, DWORD flags)
{
	overlapped_result(overlapped, error, flags);
	overlapped->InternalHigh = bytes;
	/* release: pairs with the acquire in wsd_overlapped_pending; anything but in-progress */
	atomic_store_explicit(internal_of(overlapped), (ULONG_PTR)error, memory_order_release);
}

void wsd_op_reset_event(const struct wsd_op_request *request)
{
	ULONG_PTR event = (ULONG_PTR)request->overlapped->hEvent & ~(ULONG_PTR)1;
	INT ignored;

	if (event != 0 && request->routine == NULL)
		(void)wsd_upcalls(WSD_MODE_STREAM)
			->table.lpWPUResetEvent((WSAEVENT)event, &ignored);
}

/* --- buffers --- */

int wsd_buffers_check(const WSABUF *buffers, DWORD count, size_t *total)
{
	size_t sum = 0;

	if (buffers == NULL)
		return WSAEFAULT;
	if (count == 0)
		return WSAEINVAL;
	if (count > WSD_BUFFERS_MAX)
		return WSAENOBUFS;
	for (DWORD i = 0; i < count; i++) {
		if (buffers[i].buf == NULL && buffers[i].len > 0)
			return WSAEFAULT;
		sum += buffers[i].len;
	}
	if (sum > UINT32_MAX) /* the count of one call is a DWORD */
		return WSAEINVAL;
	*total = sum;
	return 0;
}

void wsd_op_init(struct wsd_op *op, enum wsd_op_kind kind, struct wsd_socket *home)
{
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	op->home = home;
	op->iov = op->inline_iov;
	wsd_list_init(&op->link);
	wsd_list_init(&op->parked_link);
}

int wsd_op_set_buffers(struct wsd_op *op, const WSABUF *buffers, DWORD count)
{
	if (count > WSD_OP_IOV) {
		op->iov = wsd_alloc(count * sizeof(op->iov[0]));
		if (op->iov == NULL) {
			op->iov = op->inline_iov;
			return WSAENOBUFS;
		}
	}
	op->count = count;
	op->total = 0;
	for (DWORD i = 0; i < count; i++) {
		op->iov[i].base = buffers[i].buf;
		op->iov[i].length = buffers[i].len;
		op->total += buffers[i].len;
	}
	return 0;
}

void wsd_op_free_buffers(struct wsd_op *op)
{
	if (op->iov != op->inline_iov)
		wsd_free(op->iov);
	op->iov = op->inline_iov;
	op->count = 0;
}

void wsd_op_advance(struct wsd_op *op, size_t bytes)
{
	op->moved += bytes;
	while (op->index < op->count && bytes >= op->iov[op->index].length - op->offset) {
		bytes -= op->iov[op->index].length - op->offset;
		op->index++;
		op->offset = 0;
	}
	op->offset += bytes;
}

unsigned wsd_op_rest(const struct wsd_op *op, struct wsd_iovec *rest, unsigned room)
{
	unsigned n = 0;
	size_t offset = op->offset;

	for (unsigned i = op->index; i < op->count && n < room; i++, offset = 0) {
		if (op->iov[i].length == offset)
			continue;
		rest[n].base = (char *)op->iov[i].base + offset;
		rest[n++].length = op->iov[i].length - offset;
	}
	return n;
}

/* --- life --- */

struct wsd_op *wsd_op_take(struct wsd_socket *home, enum wsd_op_kind kind,
			   const struct wsd_op_request *request)
{
	struct wsd_list *node;
	struct wsd_op *op;

	if (home->op_count >= OPS_MAX)
		return NULL;
	node = wsd_list_pop(&home->pool);
	if (node != NULL) {
		op = wsd_container(node, struct wsd_op, link);
		home->pool_count--;
	} else {
		op = wsd_alloc(sizeof(*op));
		if (op == NULL)
			return NULL;
	}
	wsd_op_init(op, kind, home);
	if (request->routine != NULL && !wsd_routine_prepare(op)) {
		wsd_free(op);
		return NULL;
	}
	op->overlapped = request->overlapped;
	op->routine = request->routine;
	if (request->thread != NULL)
		op->thread = *request->thread;
	overlapped_start(op->overlapped);
	home->op_count++;
	wsd_socket_ref(home);
	wsd_handle_ref(home);
	return op;
}

int wsd_op_refusal(const struct wsd_socket *home)
{
	return home->op_count >= OPS_MAX ? WSAEWOULDBLOCK : WSAENOBUFS;
}

/* [lock of home] */
static void give_back(struct wsd_op *op)
{
	struct wsd_socket *home = op->home;

	wsd_list_remove(&op->parked_link);
	wsd_due_forget(op);
	home->op_count--;
	if (home->pool_count < POOL_MAX && !home->closed) {
		home->pool_count++;
		wsd_list_prepend(&home->pool, &op->link);
	} else {
		wsd_free(op);
	}
}

void wsd_op_untake(struct wsd_op *op)
{
	struct wsd_socket *home = op->home;

	wsd_op_free_buffers(op);
	op->overlapped->Internal = 0;
	give_back(op);
	/* Neither can be the last one: the caller came in through the handle. */
	atomic_fetch_sub(&home->handle_refs, 1);
	atomic_fetch_sub(&home->refs, 1);
}

void wsd_op_finish(struct wsd_socket *on, struct wsd_op *op, int error)
{
	wsd_list_remove(&op->link);
	if (on->share != NULL)
		wsd_share_ended(on);
	op->error = op->cancelled ? op->cancel_error : error;
	op->finished = true;
	on->changes |= WSD_CHANGE_OP;
	if (!op->sync)
		wsd_list_append(&on->finished, &op->link);
}

void wsd_op_cancel(struct wsd_socket *on, struct wsd_op *op, int error)
{
	if (op->finished)
		return;
	if (!op->cancelled) {
		op->cancelled = true;
		op->cancel_error = error;
	}
	if (op->lent && op->loan.status == WSD_PENDING && on->stream != NULL)
		wsd_stream_recall(on->stream, &op->loan);
	if ((op->lent && op->loan.status == WSD_PENDING) ||
	    (op->reading && op->direct.status == WSD_PENDING) || op->filling || op->transferring)
		return; /* the memory is not ours yet: settled when it is */
	wsd_op_finish(on, op, error);
}

/* [lock] A stack operation until it is done. The device may still use the caller's memory when the time
 * is over: then wait for it to stop. A peer that does not answer is not waited for, the connection ends. */
int wsd_op_wait(struct wsd_socket *sock, struct wsd_op *op, uint64_t deadline)
{
	while (!op->finished) {
		int error = wsd_socket_wait(sock, WSD_CHANGE_OP, deadline);

		if (op->finished)
			break;
		if (error != 0 && !op->cancelled) {
			wsd_op_cancel(sock, op, error);
			deadline = wsd_clock_ns() + RECALL_NS;
		} else if (error != 0) {
			wsd_socket_abort(sock);
			deadline = WSD_FOREVER;
		}
	}
	if (op->error != 0 && op->moved > 0 && op->error == WSAETIMEDOUT)
		return 0;
	return op->error == WSA_OPERATION_ABORTED ? WSAEINTR : op->error;
}

void wsd_op_release(struct wsd_op *op)
{
	struct wsd_socket *home = op->home;

	wsd_mutex_lock(&home->lock);
	give_back(op);
	wsd_mutex_unlock(&home->lock);
	wsd_socket_unref(home);
}

static void wake_result_waiters(struct wsd_socket *home)
{
	if (atomic_load(&home->result_waiters) == 0)
		return;
	wsd_mutex_lock(&home->lock);
	wsd_socket_wake(home, WSD_CHANGE_OP);
	wsd_mutex_unlock(&home->lock);
}

/* A closing listener looks at its parked operations under its lock. */
static void drop_child(struct wsd_op *op)
{
	struct wsd_socket *child = op->child;

	if (child == NULL)
		return;
	wsd_mutex_lock(&op->home->lock);
	wsd_list_remove(&op->parked_link);
	op->child = NULL;
	wsd_mutex_unlock(&op->home->lock);
	if (op->error != 0) { /* it got no connection: free for another use */
		wsd_mutex_lock(&child->lock);
		child->reserved = false;
		wsd_mutex_unlock(&child->lock);
	}
	wsd_socket_unref(child);
}

void wsd_op_deliver(struct wsd_op *op)
{
	struct wsd_socket *home = op->home;
	DWORD bytes = op->error == 0 ? (DWORD)op->moved : 0;
	bool queued = false;
	INT ignored;

	/* The operation's own reference goes with it, maybe in another thread. */
	wsd_socket_ref(home);
	drop_child(op);
	wsd_op_free_buffers(op);
	wsd_transmit_free(op->transmit);
	op->transmit = NULL;
	op->moved = bytes;
	if (atomic_load(&home->quiet)) {
		/* At exit the structure may have stood on a stack that is gone. */
		if (!wsd_provider_exiting())
			wsd_overlapped_store(op->overlapped, op->error, bytes, op->result_flags);
	} else if (op->routine != NULL) {
		wsd_overlapped_store(op->overlapped, op->error, bytes, op->result_flags);
		queued = wsd_routine_queue(op);
	} else if (home->mode == WSD_MODE_SAN && ((ULONG_PTR)op->overlapped->hEvent & 1) != 0) {
		wsd_overlapped_store(op->overlapped, op->error, bytes, op->result_flags);
	} else {
		overlapped_result(op->overlapped, op->error, op->result_flags);
		(void)wsd_upcalls(home->mode)
			->complete(home->handle, op->overlapped, (DWORD)op->error, bytes, &ignored);
	}
	wake_result_waiters(home);
	wsd_handle_unref(home);
	if (!queued)
		wsd_op_release(op);
	wsd_socket_unref(home);
}

void wsd_op_indicate(struct wsd_socket *sock, const struct wsd_op_request *request, DWORD bytes,
		     DWORD flags, int error)
{
	INT ignored;

	overlapped_result(request->overlapped, error, flags);
	(void)wsd_upcalls(sock->mode)
		->complete(sock->handle, request->overlapped, (DWORD)error, bytes, &ignored);
}

/* --- WSPGetOverlappedResult --- */

/* An event handle can be checked only by using it. While the operation runs its event is not
 * signalled, so a reset changes nothing; if it ended meanwhile the signal is given again. */
static int check_event(unsigned mode, LPWSAOVERLAPPED overlapped)
{
	ULONG_PTR event = (ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1;
	INT ignored;

	if (event == 0 || !wsd_upcalls(mode)->table.lpWPUResetEvent((WSAEVENT)event, &ignored))
		return WSA_INVALID_HANDLE;
	if (!wsd_overlapped_pending(overlapped))
		(void)wsd_upcalls(mode)->table.lpWPUSetEvent((WSAEVENT)event, &ignored);
	return 0;
}

static void poll_engines(void)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		(void)wsd_engine_poll(wsd_engine_at(i));
}

static int wait_result(unsigned mode, SOCKET s, LPWSAOVERLAPPED overlapped)
{
	struct wsd_socket *sock;
	int error = check_event(mode, overlapped);
	bool closed;
	INT code = 0;

	if (error != 0)
		return error;
	sock = wsd_socket_find(mode, s, &code);
	if (sock == NULL)
		return wsd_overlapped_pending(overlapped) ? code : 0;
	wsd_socket_ref(sock);
	atomic_fetch_add(&sock->result_waiters, 1);
	while (error == 0 && wsd_overlapped_pending(overlapped)) {
		/* The host may store the result a little after the indication: look again soon. */
		error = wsd_socket_wait(sock, WSD_CHANGE_OP, wsd_clock_ns() + 5 * WSD_NS_PER_MS);
		if (error == WSAETIMEDOUT)
			error = 0;
	}
	atomic_fetch_sub(&sock->result_waiters, 1);
	closed = error == WSAEINTR && sock->closed;
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
	/* The close ends every operation: its result is on the way, perhaps through a device that
	 * nobody else drives. */
	while (closed && wsd_overlapped_pending(overlapped)) {
		poll_engines();
		wsd_waker_sleep(wsd_waker_self(), NULL, 0, wsd_clock_ns() + WSD_NS_PER_MS);
	}
	return wsd_overlapped_pending(overlapped) ? error : 0;
}

/* One round of progress for a caller that polls. */
static int poll_once(unsigned mode, SOCKET s)
{
	struct wsd_engine *engine;
	struct wsd_socket *sock;
	INT error = 0;

	sock = wsd_socket_find(mode, s, &error);
	if (sock == NULL)
		return error;
	engine = wsd_socket_engine(sock);
	wsd_socket_leave(sock);
	if (engine != NULL)
		(void)wsd_engine_poll(engine);
	else
		poll_engines();
	return 0;
}

static BOOL get_result(unsigned mode, SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
		       BOOL fWait, LPDWORD lpdwFlags, LPINT lpErrno)
{
	INT scratch, *out = lpErrno != NULL ? lpErrno : &scratch;
	struct wsd_socket *sock = wsd_socket_find(mode, s, out);
	int error = 0;

	if (sock == NULL)
		return FALSE;
	wsd_socket_leave(sock);
	if (lpOverlapped == NULL || lpcbTransfer == NULL || lpdwFlags == NULL) {
		*out = WSAEFAULT;
		return FALSE;
	}
	if (wsd_overlapped_pending(lpOverlapped))
		error = fWait ? wait_result(mode, s, lpOverlapped) : poll_once(mode, s);
	if (error == 0 && wsd_overlapped_pending(lpOverlapped))
		error = WSA_IO_INCOMPLETE;
	if (error == 0)
		error = (int)lpOverlapped->OffsetHigh;
	if (error != 0) {
		*out = error;
		return FALSE;
	}
	*lpcbTransfer = (DWORD)lpOverlapped->InternalHigh;
	*lpdwFlags = lpOverlapped->Offset;
	return TRUE;
}

BOOL WSPAPI wsd_spi_get_overlapped_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
					  LPDWORD lpcbTransfer, BOOL fWait, LPDWORD lpdwFlags,
					  LPINT lpErrno)
{
	return get_result(WSD_MODE_STREAM, s, lpOverlapped, lpcbTransfer, fWait, lpdwFlags,
			  lpErrno);
}

BOOL WSPAPI wsd_san_get_overlapped_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
					  LPDWORD lpcbTransfer, BOOL fWait, LPDWORD lpdwFlags,
					  LPINT lpErrno)
{
	return get_result(WSD_MODE_SAN, s, lpOverlapped, lpcbTransfer, fWait, lpdwFlags, lpErrno);
}

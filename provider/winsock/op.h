/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op.h - one operation that takes its time: an overlapped call, or a blocking one on the stack of
 * its caller (sync).
 *
 * Life: queued on a socket in posting order -> finished (result fixed, under the lock) -> delivered
 * (after unlock, exactly once) -> back in the pool of its home. An operation whose memory the
 * device still uses (loan, direct, transfer) stays queued until the stream gives the memory back, even when
 * cancelled.
 */
#ifndef WSD_WINSOCK_OP_H
#define WSD_WINSOCK_OP_H

#include "provider/san/channel.h"
#include "provider/session/stream.h"
#include "provider/winsock/spi.h"
#include "rdma_backend/base/list.h"

struct wsd_socket;

enum wsd_op_kind {
	WSD_OP_KIND_SEND,
	WSD_OP_KIND_RECV,
	WSD_OP_KIND_ACCEPT,
	WSD_OP_KIND_CONNECT,
	WSD_OP_KIND_DISCONNECT,
	WSD_OP_KIND_TRANSMIT,
	WSD_OP_KIND_NOTICE /* address list or routing change; flags: WSD_NET_* */
};

#define WSD_OP_IOV	8u
#define WSD_BUFFERS_MAX 65536u /* of one call: a sane bound for what a caller can make us copy */

struct wsd_transmit; /* extension.c */

struct wsd_op {
	struct wsd_list link; /* in a queue, then in the list of finished ones */
	struct wsd_list
		parked_link; /* AcceptEx that waits for data: in its listener's list; a routine that is due */
	enum wsd_op_kind kind;
	bool sync; /* on a caller's stack: no indication */
	bool finished;
	bool cancelled; /* finish with error as soon as the device is done with the memory */
	bool lent, reading, filling, transferring;
	uint8_t urgent; /* MSG_OOB: the last byte, not in iov */
	int error;	/* WSA code, 0 = success */
	int cancel_error;
	DWORD flags; /* of the call */
	DWORD result_flags;
	struct wsd_socket *home;  /* whose handle and pool: referenced until delivered */
	struct wsd_socket *child; /* ACCEPT: the socket that gets the connection, referenced */
	LPWSAOVERLAPPED overlapped;
	LPWSAOVERLAPPED_COMPLETION_ROUTINE routine;
	WSATHREADID thread;
	struct wsd_thread_ref *runs_in; /* the same, where it has to be kept */
	struct wsd_transmit *transmit;
	char *accept_buffer;
	DWORD accept_receive, accept_local, accept_remote;
	size_t total, moved;
	unsigned count, index; /* buffers, and the first with room or bytes left */
	size_t offset;	       /* in that one */
	struct wsd_iovec *iov; /* inline_iov or from the heap */
	union {
		struct { /* mode D */
			struct wsd_iovec inline_iov[WSD_OP_IOV];
			struct wsd_loan loan;
			struct wsd_direct direct;
		};
		struct wsd_transfer transfer; /* mode S */
	};
};

/* How a call wants its result. */
struct wsd_op_request {
	LPWSAOVERLAPPED overlapped;
	LPWSAOVERLAPPED_COMPLETION_ROUTINE routine;
	LPWSATHREADID thread;
};

void wsd_op_init(struct wsd_op *op, enum wsd_op_kind kind, struct wsd_socket *home);
/* Copy the descriptors of buffers. 0 or a WSA code. */
int wsd_op_set_buffers(struct wsd_op *op, const WSABUF *buffers, DWORD count);
void wsd_op_free_buffers(struct wsd_op *op);
void wsd_op_advance(struct wsd_op *op, size_t bytes);
/* What is left, as an array for the stream: at most room entries; returns how many. */
unsigned wsd_op_rest(const struct wsd_op *op, struct wsd_iovec *rest, unsigned room);
/* Check a WSABUF array: 0, WSAEFAULT, WSAEINVAL, WSAENOBUFS. */
int wsd_buffers_check(const WSABUF *buffers, DWORD count, size_t *total);

/* [lock of home] A pooled operation, referencing home and its handle; NULL: out of memory. Marks
 * the overlapped structure as in progress. */
struct wsd_op *wsd_op_take(struct wsd_socket *home, enum wsd_op_kind kind,
			   const struct wsd_op_request *request);
/* [lock of home] Undo take: nothing was started. */
int wsd_op_refusal(const struct wsd_socket *home); /* [lock] why take gave none */
void wsd_op_untake(struct wsd_op *op);
/* [lock of the socket it is queued on] Fix the result and hand it to delivery. */
void wsd_op_finish(struct wsd_socket *on, struct wsd_op *op, int error);
/* [lock] Ask for an end; it may finish at once or when the device has let go. */
void wsd_op_cancel(struct wsd_socket *on, struct wsd_op *op, int error);
/* [lock, dropped meanwhile] Block until a sync operation has finished. 0 or a WSA code; what moved
 * before a time-out counts as success. */
int wsd_op_wait(struct wsd_socket *sock, struct wsd_op *op, uint64_t deadline);
/* [no lock] Make the indication of a finished operation and free it. */
void wsd_op_deliver(struct wsd_op *op);
/* [no lock] Free one whose indication was made, or can never be made. */
void wsd_op_release(struct wsd_op *op);
/* [no lock] The indication of a call that finished at once, without an operation. The caller holds
 * a reference on the handle. */
void wsd_op_indicate(struct wsd_socket *sock, const struct wsd_op_request *request, DWORD bytes,
		     DWORD flags, int error);
/* [no lock] The event of an overlapped call that is going to be pending; mode D. */
void wsd_op_reset_event(const struct wsd_op_request *request);
void wsd_ops_fork_child(void); /* completion routines that were kept do not run in the child */
bool wsd_overlapped_pending(LPWSAOVERLAPPED overlapped);
void wsd_overlapped_store(LPWSAOVERLAPPED overlapped, int error, DWORD bytes, DWORD flags);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/*
 * transmit.c - TransmitFile and TransmitPackets: an operation whose bytes come from a list of
 * memory blocks and file ranges.
 *
 * Files are read through the host's reader, never under a lock: when the buffer has been sent, the
 * send queue asks for a fill, delivery reads the next piece and puts the operation back to work.
 */
#include "provider/winsock/extension.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define PIECE	     65536u
#define ELEMENTS_MAX 4096u
#define TO_THE_END   UINT64_MAX

struct element {
	HANDLE file; /* NULL: memory */
	void *memory;
	uint64_t offset; /* UINT64_MAX: the file's own position */
	uint64_t left;	 /* TO_THE_END: until the file ends */
};

struct wsd_transmit {
	unsigned count, index;
	DWORD flags;
	uint8_t *piece;
	struct element elements[1];
};

void wsd_transmit_free(struct wsd_transmit *transmit)
{
	if (transmit == NULL)
		return;
	wsd_free(transmit->piece);
	wsd_free(transmit);
}

static void offer(struct wsd_op *op, void *base, size_t length)
{
	op->inline_iov[0].base = base;
	op->inline_iov[0].length = length;
	op->iov = op->inline_iov;
	op->count = 1;
	op->index = 0;
	op->offset = 0;
	op->total += length;
}

bool wsd_transmit_more(struct wsd_op *op)
{
	struct wsd_transmit *t = op->transmit;

	while (t->index < t->count) {
		struct element *e = &t->elements[t->index];

		if (e->left == 0) {
			t->index++;
			continue;
		}
		if (e->file != NULL) {
			op->filling = true;
			return true;
		}
		offer(op, e->memory, (size_t)e->left);
		e->left = 0;
		return true;
	}
	return false;
}

bool wsd_transmit_reuses(struct wsd_socket *sock, struct wsd_op *op)
{
	if (op->kind != WSD_OP_KIND_TRANSMIT || !(op->transmit->flags & TF_REUSE_SOCKET))
		return false;
	wsd_list_remove(&op->link);
	op->kind = WSD_OP_KIND_DISCONNECT;
	op->flags = TF_REUSE_SOCKET;
	wsd_list_append(&sock->queues[WSD_Q_CONTROL], &op->link);
	wsd_disconnect_begin(sock, true);
	return true;
}

void wsd_transmit_ended(struct wsd_socket *sock, const struct wsd_op *op)
{
	if (op->kind == WSD_OP_KIND_TRANSMIT && op->error != 0 && op->moved > 0 &&
	    (op->transmit->flags & TF_DISCONNECT))
		wsd_socket_abort(sock);
}

/* [no lock] Read the next piece. Nobody else touches the operation while it is filling. */
static int read_piece(struct wsd_transmit *t, struct element *e, size_t *length)
{
	const struct wsd_file_reader *reader = wsd_upcalls_file_reader();
	uint32_t want = e->left < PIECE ? (uint32_t)e->left : PIECE;
	int64_t got;
	int error = WSAEFAULT;

	if (reader == NULL)
		return WSAEOPNOTSUPP;
	got = reader->read(e->file, e->offset, t->piece, want, &error);
	if (got < 0 || got > (int64_t)want)
		return got < 0 && error != 0 ? error : WSAEFAULT;
	if (got == 0) {
		if (e->left != TO_THE_END)
			return ERROR_HANDLE_EOF;
		e->left = 0;
	}
	if (e->offset != UINT64_MAX)
		e->offset += (uint64_t)got;
	if (e->left != TO_THE_END)
		e->left -= (uint64_t)got;
	*length = (size_t)got;
	return 0;
}

void wsd_transmit_fill(struct wsd_op *op)
{
	struct wsd_transmit *t = op->transmit;
	struct wsd_socket *sock = op->home;
	size_t length = 0;
	int error;

	wsd_socket_ref(sock);
	error = read_piece(t, &t->elements[t->index], &length);
	wsd_mutex_lock(&sock->lock);
	op->filling = false;
	op->error = error;
	if (error == 0 && length > 0)
		offer(op, t->piece, length);
	sock->changes |= WSD_CHANGE_WRITABLE;
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
}

/* --- the calls --- */

static struct wsd_transmit *make(unsigned count, bool files)
{
	struct wsd_transmit *t;

	t = wsd_alloc(sizeof(*t) + count * sizeof(t->elements[0]));
	if (t == NULL)
		return NULL;
	if (files) {
		t->piece = wsd_alloc(PIECE);
		if (t->piece == NULL) {
			wsd_free(t);
			return NULL;
		}
	}
	return t;
}

static int check(struct wsd_socket *sock, LPOVERLAPPED overlapped)
{
	int error = wsd_socket_io_error(sock);

	if (error != 0)
		return error;
	if (sock->state != WSD_SOCK_CONNECTED)
		return WSAENOTCONN;
	if (overlapped != NULL && !sock->overlapped)
		return WSAEINVAL;
	return sock->send_shut ? WSAESHUTDOWN : 0;
}

/* [lock, dropped meanwhile] Queue it; with no overlapped structure wait for the end. */
static int start(struct wsd_socket *sock, struct wsd_transmit *t,
		 const struct wsd_op_request *request)
{
	struct wsd_op stack_op, *op = &stack_op;
	int error;

	if (request->overlapped != NULL) {
		op = wsd_op_take(sock, WSD_OP_KIND_TRANSMIT, request);
		if (op == NULL) {
			wsd_transmit_free(t);
			return WSAENOBUFS;
		}
	} else {
		wsd_op_init(op, WSD_OP_KIND_TRANSMIT, sock);
		op->sync = true;
	}
	op->transmit = t;
	wsd_list_append(&sock->queues[WSD_Q_SEND], &op->link);
	sock->changes |= WSD_CHANGE_WRITABLE;
	if (t->flags & TF_DISCONNECT)
		sock->send_shut = true; /* FIN follows when the queue is empty */
	if (!op->sync)
		return WSA_IO_PENDING;
	error = wsd_op_wait(sock, op, wsd_deadline_ms(sock->options.send_timeout));
	if (op->error == WSAETIMEDOUT)
		error = WSAETIMEDOUT; /* there is no count to tell of a part */
	/* As a send that was cancelled half way: nobody could say what has gone. */
	if ((error == WSAETIMEDOUT || error == WSAEINTR) && op->moved > 0)
		wsd_socket_abort(sock);
	wsd_transmit_free(t);
	return error;
}

static BOOL transmit(SOCKET s, struct wsd_transmit *t, LPOVERLAPPED overlapped)
{
	struct wsd_op_request request = { overlapped, NULL, NULL };
	struct wsd_socket *sock;
	INT error = 0;

	if (overlapped == NULL && wsd_wait_running()) {
		wsd_transmit_free(t);
		return wsd_extension_result(WSAEINPROGRESS);
	}
	sock = wsd_socket_enter(s, &error);
	if (sock == NULL) {
		wsd_transmit_free(t);
		return wsd_extension_result(error);
	}
	error = check(sock, overlapped);
	wsd_socket_ref(sock);
	if (error == 0 && overlapped != NULL) {
		wsd_socket_leave(sock);
		wsd_op_reset_event(&request);
		wsd_mutex_lock(&sock->lock);
		if (sock->closed)
			error = WSAENOTSOCK;
	}
	if (error == 0)
		error = start(sock, t, &request);
	else
		wsd_transmit_free(t);
	wsd_socket_leave(sock);
	wsd_socket_unref(sock);
	return wsd_extension_result(error);
}

/* Which thread of the system does the work is no matter here; a socket is used again only after an
 * end. */
static bool bad_flags(DWORD flags)
{
	const DWORD legal = TF_DISCONNECT | TF_REUSE_SOCKET | TF_WRITE_BEHIND |
			    TF_USE_SYSTEM_THREAD | TF_USE_KERNEL_APC;

	return (flags & ~legal) != 0 ||
	       (flags & (TF_DISCONNECT | TF_REUSE_SOCKET)) == TF_REUSE_SOCKET;
}

static void add_memory(struct wsd_transmit *t, void *memory, DWORD length)
{
	if (memory == NULL || length == 0)
		return;
	t->elements[t->count].memory = memory;
	t->elements[t->count++].left = length;
}

BOOL WINAPI wsd_ext_transmit_file(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
				  DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
				  LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers, DWORD dwReserved)
{
	struct wsd_transmit *t;

	(void)nNumberOfBytesPerSend;
	if (bad_flags(dwReserved))
		return wsd_extension_result(WSAEINVAL);
	if (hFile == INVALID_HANDLE_VALUE)
		return wsd_extension_result(WSA_INVALID_HANDLE);
	t = make(3, hFile != NULL);
	if (t == NULL)
		return wsd_extension_result(WSAENOBUFS);
	t->flags = dwReserved;
	if (lpTransmitBuffers != NULL)
		add_memory(t, lpTransmitBuffers->Head, lpTransmitBuffers->HeadLength);
	if (hFile != NULL) {
		struct element *e = &t->elements[t->count++];

		e->file = hFile;
		e->left = nNumberOfBytesToWrite != 0 ? nNumberOfBytesToWrite : TO_THE_END;
		e->offset = UINT64_MAX;
		if (lpOverlapped != NULL)
			e->offset = (uint64_t)lpOverlapped->OffsetHigh << 32 | lpOverlapped->Offset;
	}
	if (lpTransmitBuffers != NULL)
		add_memory(t, lpTransmitBuffers->Tail, lpTransmitBuffers->TailLength);
	return transmit(hSocket, t, lpOverlapped);
}

static int add_element(struct wsd_transmit *t, const TRANSMIT_PACKETS_ELEMENT *in)
{
	struct element *e = &t->elements[t->count];

	switch (in->dwElFlags & ~(ULONG)TP_ELEMENT_EOP) {
	case TP_ELEMENT_MEMORY:
		if (in->pBuffer == NULL && in->cLength > 0)
			return WSAEFAULT;
		add_memory(t, in->pBuffer, in->cLength);
		return 0;
	case TP_ELEMENT_FILE:
		if (in->hFile == NULL || in->hFile == INVALID_HANDLE_VALUE)
			return WSA_INVALID_HANDLE;
		e->file = in->hFile;
		e->offset = in->nFileOffset.QuadPart == -1 ? UINT64_MAX
							   : (uint64_t)in->nFileOffset.QuadPart;
		e->left = in->cLength != 0 ? in->cLength : TO_THE_END;
		t->count++;
		return 0;
	default:
		return WSAEINVAL;
	}
}

BOOL WINAPI wsd_ext_transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
				     DWORD nElementCount, DWORD nSendSize,
				     LPOVERLAPPED lpOverlapped, DWORD dwFlags)
{
	struct wsd_transmit *t;
	int error = 0;

	(void)nSendSize;
	if (lpPacketArray == NULL && nElementCount > 0)
		return wsd_extension_result(WSAEFAULT);
	if (nElementCount > ELEMENTS_MAX)
		return wsd_extension_result(WSAENOBUFS);
	if (bad_flags(dwFlags))
		return wsd_extension_result(WSAEINVAL);
	t = make(nElementCount, true);
	if (t == NULL)
		return wsd_extension_result(WSAENOBUFS);
	t->flags = dwFlags;
	for (DWORD i = 0; i < nElementCount && error == 0; i++)
		error = add_element(t, &lpPacketArray[i]);
	if (error != 0) {
		wsd_transmit_free(t);
		return wsd_extension_result(error);
	}
	return transmit(hSocket, t, lpOverlapped);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * san_io.c - mode S: WSPSend, WSPRecv, WSPRdmaWrite, WSPRdmaRead. Always overlapped, never with a
 * routine; what is accepted is pending, and its result comes by the upcall or, with the low bit of hEvent,
 * by WSPGetOverlappedResult alone.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

struct san_call {
	enum wsd_transfer_kind kind;
	const WSABUF *buffers; /* SEND, RECV */
	const WSABUFEX *registered;
	DWORD count;
	const uint8_t *descriptor;
	DWORD descriptor_length, offset;
	LPWSAOVERLAPPED overlapped;
};

void wsd_san_done(void *owner, struct wsd_transfer *transfer)
{
	struct wsd_op *op = wsd_container(transfer, struct wsd_op, transfer);
	struct wsd_socket *sock = owner;

	op->transferring = false;
	op->moved = transfer->bytes;
	wsd_op_finish(sock, op, wsd_san_error(transfer->status));
}

/* [lock] 0 when memory may be registered and transfers posted. */
static int not_connected(const struct wsd_socket *sock)
{
	if (sock->state == WSD_SOCK_BROKEN)
		return sock->broken_error;
	if (sock->channel == NULL || (sock->state != WSD_SOCK_CONNECTED &&
				      !(sock->state == WSD_SOCK_CONNECTING && sock->accepted)))
		return WSAENOTCONN;
	return 0;
}

static int take_buffers(const struct san_call *call, struct wsd_san_buffer *out)
{
	bool rdma = call->registered != NULL;

	if (call->count > 0 && call->buffers == NULL && call->registered == NULL)
		return WSAEFAULT;
	if (call->count > WSD_TRANSFER_BUFFERS)
		return WSAEINVAL;
	for (DWORD i = 0; i < call->count; i++) {
		out[i].base = rdma ? call->registered[i].buf : call->buffers[i].buf;
		out[i].length = (uint32_t)(rdma ? call->registered[i].len : call->buffers[i].len);
		out[i].handle = rdma ? (uintptr_t)call->registered[i].handle : 0;
		if (out[i].base == NULL && out[i].length > 0)
			return WSAEFAULT;
	}
	return 0;
}

static enum wsd_status post(struct wsd_channel *channel, struct wsd_transfer *transfer,
			    const struct san_call *call, const struct wsd_san_buffer *buffers)
{
	switch (call->kind) {
	case WSD_TRANSFER_RECV:
		return wsd_channel_recv(channel, transfer, buffers, call->count);
	case WSD_TRANSFER_SEND:
		return wsd_channel_send(channel, transfer, buffers, call->count);
	case WSD_TRANSFER_WRITE:
	case WSD_TRANSFER_READ:
		break;
	}
	return wsd_channel_rdma(channel, transfer, call->kind, buffers, call->count,
				call->descriptor, call->descriptor_length, call->offset);
}

/* [lock] WSA_IO_PENDING, or why nothing was started: *status, if the device said so. */
static int begin(struct wsd_socket *sock, const struct san_call *call, enum wsd_status *status)
{
	struct wsd_op_request request = { .overlapped = call->overlapped };
	struct wsd_san_buffer buffers[WSD_TRANSFER_BUFFERS];
	bool receives = call->kind == WSD_TRANSFER_RECV;
	struct wsd_op *op;
	int error;

	*status = WSD_OK;
	if (sock->closed)
		return WSAENOTSOCK;
	if (call->overlapped == NULL || !sock->overlapped)
		return WSAEINVAL;
	error = not_connected(sock);
	if (error == 0)
		error = take_buffers(call, buffers);
	if (error != 0)
		return error;
	op = wsd_op_take(sock, receives ? WSD_OP_KIND_RECV : WSD_OP_KIND_SEND, &request);
	if (op == NULL)
		return wsd_op_refusal(sock);
	memset(&op->transfer, 0, sizeof(op->transfer));
	op->transferring = true;
	wsd_list_append(&sock->queues[receives ? WSD_Q_RECV : WSD_Q_SEND], &op->link);
	*status = post(sock->channel, &op->transfer, call, buffers);
	if (*status == WSD_PENDING)
		return WSA_IO_PENDING;
	op->transferring = false;
	wsd_list_remove(&op->link);
	wsd_op_untake(op);
	return wsd_san_error(*status);
}

static int run(SOCKET s, const struct san_call *call, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	enum wsd_status status;
	uint64_t deadline = 0;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	do /* again: memory of ours was to be registered for it */
		error = begin(sock, call, &status);
	while (wsd_san_again(sock, status, &deadline));
	error = wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error;
}

int WSPAPI wsd_san_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesSent, DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct san_call call = { .kind = WSD_TRANSFER_SEND,
				 .buffers = lpBuffers,
				 .count = dwBufferCount,
				 .overlapped = lpOverlapped };

	(void)lpNumberOfBytesSent;
	(void)dwFlags; /* always 0 */
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return run(s, &call, lpErrno);
}

int WSPAPI wsd_san_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
			LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct san_call call = { .kind = WSD_TRANSFER_RECV,
				 .buffers = lpBuffers,
				 .count = dwBufferCount,
				 .overlapped = lpOverlapped };

	(void)lpNumberOfBytesRecvd;
	(void)lpFlags;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return run(s, &call, lpErrno);
}

/* What WSPRdmaWrite and WSPRdmaRead have in common: all but the direction. */
static int rdma(SOCKET s, enum wsd_transfer_kind kind, const WSABUFEX *buffers, DWORD count,
		void *descriptor, DWORD descriptor_length, DWORD offset, LPWSAOVERLAPPED overlapped,
		LPINT error)
{
	struct san_call call = { .kind = kind,
				 .registered = buffers,
				 .count = count,
				 .descriptor = descriptor,
				 .descriptor_length = descriptor_length,
				 .offset = offset,
				 .overlapped = overlapped };

	return run(s, &call, error);
}

int WSPAPI wsd_san_rdma_write(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
			      LPVOID lpTargetBufferDescriptor, DWORD dwTargetDescriptorLength,
			      DWORD dwTargetBufferOffset, LPDWORD lpdwNumberOfBytesWritten,
			      DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			      LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpdwNumberOfBytesWritten;
	(void)dwFlags;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return rdma(s, WSD_TRANSFER_WRITE, lpBuffers, dwBufferCount, lpTargetBufferDescriptor,
		    dwTargetDescriptorLength, dwTargetBufferOffset, lpOverlapped, lpErrno);
}

int WSPAPI wsd_san_rdma_read(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
			     LPVOID lpTargetBufferDescriptor, DWORD dwTargetDescriptorLength,
			     DWORD dwTargetBufferOffset, LPDWORD lpdwNumberOfBytesRead,
			     DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			     LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpdwNumberOfBytesRead;
	(void)dwFlags;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return rdma(s, WSD_TRANSFER_READ, lpBuffers, dwBufferCount, lpTargetBufferDescriptor,
		    dwTargetDescriptorLength, dwTargetBufferOffset, lpOverlapped, lpErrno);
}

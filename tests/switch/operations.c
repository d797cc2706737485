// SPDX-License-Identifier: BSD-2-Clause
/* operations.c - see contract.h: registered memory, and what is done with it. */
#include "tests/switch/contract.h"

#include <string.h>

#define UNTOUCHED  0xA5A5A5A5u
#define GUARD_BYTE ((char)0xC3)

/* --- memory --- */

/* The end of a connection, in the words that a call on it may use. */
static bool says_ended(int code)
{
	return code == WSAECONNRESET || code == WSAECONNABORTED || code == WSAENETDOWN ||
	       code == WSAENETRESET || code == WSAENOTCONN;
}

bool sw_register(struct sw_memory *memory, struct sw_socket *sock, void *at, DWORD length,
		 DWORD flags, int *out)
{
	memset(memory, 0, sizeof(*memory));
	memory->sock = sock;
	memory->handle = sw_ext.register_memory(sock->own, at, length, flags, &sw_error);
	*out = memory->handle == NULL ? sw_error : 0;
	RULE(*out == 0 || says_ended(*out), "memory is registered on a connected socket");
	return *out == 0;
}

bool sw_expose(struct sw_memory *memory, struct sw_socket *sock, void *at, DWORD length,
	       DWORD flags, int *out)
{
	DWORD none = 0;

	memset(memory, 0, sizeof(*memory));
	memory->sock = sock;
	RULE(sw_ext.register_rdma(sock->own, at, length, flags, memory->descriptor, &none,
				  &sw_error) == SOCKET_ERROR &&
		     ((sw_error == WSAEFAULT && none > 0) || says_ended(sw_error)),
	     "a descriptor without room tells its size");
	memory->descriptor_length = sizeof(memory->descriptor);
	*out = sw_ext.register_rdma(sock->own, at, length, flags, memory->descriptor,
				    &memory->descriptor_length, &sw_error) == 0
		       ? 0
		       : sw_error;
	RULE(*out == 0 || says_ended(*out), "memory is exposed on a connected socket");
	RULE(*out != 0 || memory->descriptor_length == none || none == 0,
	     "a descriptor has the size that was told");
	return *out == 0;
}

void sw_release(struct sw_memory *memory)
{
	if (memory->descriptor_length > 0)
		RULE(sw_ext.deregister_rdma(memory->sock->own, memory->descriptor,
					    memory->descriptor_length, &sw_error) == 0,
		     "an exposure that is not in use ends");
	else
		RULE(sw_ext.deregister_memory(memory->sock->own, memory->handle, &sw_error) == 0,
		     "a registration that is not in use ends");
	memset(memory, 0, sizeof(*memory));
}

/* --- operations --- */

void sw_guard(char *behind)
{
	memset(behind, GUARD_BYTE, SW_GUARD);
}

void sw_check_guard(const char *behind)
{
	bool whole = true;

	for (unsigned i = 0; i < SW_GUARD; i++)
		whole = whole && behind[i] == GUARD_BYTE;
	RULE(whole, "nothing is written behind a buffer");
}

static void begin(struct sw_op *op, struct sw_socket *sock, char *target, DWORD length)
{
	enum sw_way way = op->way;

	memset(op, 0, sizeof(*op));
	op->magic = SW_OP_MAGIC;
	op->way = way;
	op->sock = sock;
	op->target = target;
	op->total = length;
	op->count = UNTOUCHED;
	op->flags = 0;
	op->o.hEvent = (HANDLE)(uintptr_t)(way == SW_POLL ? 1 : 0);
	if (target != NULL)
		sw_guard(target + length);
	sock->pending += way == SW_UPCALL;
	op->state = SW_PENDING;
}

/* It was refused, with code. */
static void not_posted(struct sw_op *op, int code, int *out)
{
	RULE(op->state == SW_PENDING, "no completion follows a refusal");
	op->sock->pending -= op->way == SW_UPCALL;
	op->state = SW_IDLE;
	*out = code;
}

static bool posted(struct sw_op *op, int result, int *out)
{
	int code = sw_error;

	*out = 0;
	if (result == 0 || code == WSA_IO_PENDING) {
		RULE(result == 0 || (op->count == UNTOUCHED && op->flags == 0),
		     "a pending operation leaves count and flags alone");
		return true;
	}
	RULE(says_ended(code) || code == WSAENOBUFS,
	     "a correct operation is refused for the connection's end or for resources");
	not_posted(op, code, out);
	return false;
}

bool sw_send(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *out)
{
	WSABUF buffer = { length, at };
	int result;

	begin(op, sock, NULL, length);
	result = sw_spi.lpWSPSend(sock->own, &buffer, 1, &op->count, 0, &op->o, NULL, NULL,
				  &sw_error);
	memset(&buffer, 0xA5, sizeof(buffer));
	return posted(op, result, out);
}

bool sw_recv(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *out)
{
	WSABUF buffer = { length, at };
	int result;

	begin(op, sock, at, length);
	result = sw_spi.lpWSPRecv(sock->own, &buffer, 1, &op->count, &op->flags, &op->o, NULL, NULL,
				  &sw_error);
	memset(&buffer, 0xA5, sizeof(buffer));
	return posted(op, result, out);
}

static int rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at, DWORD length,
		const void *descriptor, DWORD descriptor_length, DWORD offset)
{
	WSABUFEX buffer = { length, at, local->handle };
	char copy[sizeof(local->descriptor)];
	int result;

	memcpy(copy, descriptor, descriptor_length);
	begin(op, local->sock, write ? NULL : at, length);
	result = (write ? sw_ext.rdma_write
			: sw_ext.rdma_read)(local->sock->own, &buffer, 1, copy, descriptor_length,
					    offset, &op->count, 0, &op->o, NULL, NULL, &sw_error);
	memset(&buffer, 0xA5, sizeof(buffer));
	memset(copy, 0xA5, sizeof(copy));
	return result;
}

bool sw_rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at, DWORD length,
	     const void *descriptor, DWORD descriptor_length, DWORD offset, int *out)
{
	return posted(op, rdma(op, write, local, at, length, descriptor, descriptor_length, offset),
		      out);
}

bool sw_try_rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at,
		 DWORD length, const struct sw_memory *remote, int *out)
{
	int result = rdma(op, write, local, at, length, remote->descriptor,
			  remote->descriptor_length, 0);

	*out = 0;
	if (result == 0 || sw_error == WSA_IO_PENDING)
		return true;
	not_posted(op, sw_error, out);
	return false;
}

/* The result of an operation that nobody tells of. False: it is not there yet. */
static bool fetch(struct sw_op *op)
{
	DWORD bytes = UNTOUCHED, flags = 0;
	BOOL good = FALSE;

	sw_error = WSAENOTSOCK;
	if (!op->sock->given)
		good = sw_spi.lpWSPGetOverlappedResult(op->sock->own, &op->o, &bytes, FALSE, &flags,
						       &sw_error);
	if (!good && sw_error == WSA_IO_INCOMPLETE)
		return false;
	/* After WSPCloseSocket, and when the socket was given away, the structure alone tells. */
	if (!good && sw_error == WSAENOTSOCK) {
		if (__atomic_load_n(&op->o.Internal, __ATOMIC_ACQUIRE) == WSS_OPERATION_IN_PROGRESS)
			return false;
		sw_error = (INT)op->o.OffsetHigh;
		good = sw_error == 0;
		bytes = good ? (DWORD)op->o.InternalHigh : UNTOUCHED;
	}
	RULE(good || bytes == UNTOUCHED, "a failure leaves the count alone");
	RULE(!good || bytes <= op->total, "no more bytes than there was room for");
	RULE(op->o.Internal != WSS_OPERATION_IN_PROGRESS, "an ended operation is not pending");
	op->error = good ? 0 : (DWORD)sw_error;
	op->bytes = good ? bytes : 0;
	op->state = SW_DONE;
	return true;
}

bool sw_done(struct sw_op *op)
{
	if (op->state == SW_PENDING && op->way == SW_POLL && !fetch(op))
		return false;
	if (op->state != SW_DONE)
		return false;
	if (op->target != NULL)
		sw_check_guard(op->target + op->total);
	op->state = SW_IDLE;
	return true;
}

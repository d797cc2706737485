// SPDX-License-Identifier: BSD-2-Clause
/* san.c - see san.h. */
#include "tests/conformance/san.h"

#include "tests/lib/os_port.h"

struct san_functions san;
atomic_uint san_completions[HOST_TABLES];
void (*san_in_upcall)(LPWSAOVERLAPPED overlapped);

static bool v6(void)
{
	return conf_family() == AF_INET6;
}

u_short companion_port(void)
{
	return os_port(v6(), false);
}

u_short companion_listen(void)
{
	return os_port(v6(), true);
}

u_short free_port(void)
{
	return os_free_port(v6());
}

/* --- the sixteenth upcall, told apart by its table --- */

static int WSPAPI complete_0(SOCKET s, LPWSAOVERLAPPED o, DWORD error, DWORD bytes, LPINT lpErrno)
{
	san_completions[0]++;
	if (san_in_upcall != NULL)
		san_in_upcall(o);
	return WPUCompleteOverlappedRequest(s, o, error, bytes, lpErrno);
}

static int WSPAPI complete_1(SOCKET s, LPWSAOVERLAPPED o, DWORD error, DWORD bytes, LPINT lpErrno)
{
	san_completions[1]++;
	return WPUCompleteOverlappedRequest(s, o, error, bytes, lpErrno);
}

WSPUPCALLTABLEEX san_table(unsigned table)
{
	WSPUPCALLTABLE common = host_table(table);
	WSPUPCALLTABLEEX whole;

	memcpy(&whole, &common, sizeof(common));
	whole.lpWPUCompleteOverlappedRequest = table == 0 ? complete_0 : complete_1;
	return whole;
}

int san_find(SOCKET s, const GUID *id, void *function)
{
	GUID copy = *id;
	DWORD bytes = 0;

	return spi.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &copy, sizeof(copy), function,
			      sizeof(void *), &bytes, NULL, NULL, NULL, &host_error);
}

#define FIND(guid, member)                                           \
	do {                                                         \
		static const GUID id = guid;                         \
		if (san_find(INVALID_SOCKET, &id, &san.member) != 0) \
			abort();                                     \
	} while (0)

int san_startup(unsigned table)
{
	WSPUPCALLTABLEEX upcalls = san_table(table);
	WSPDATA data;
	int error = WSPStartupEx(MAKEWORD(2, 2), &data, &host_protocol, &upcalls, &spi);

	memset(&upcalls, 0, sizeof(upcalls)); /* it was the caller's */
	if (error != 0)
		return error;
	FIND(WSAID_REGISTERMEMORY, register_memory);
	FIND(WSAID_DEREGISTERMEMORY, deregister_memory);
	FIND(WSAID_REGISTERRDMAMEMORY, register_rdma);
	FIND(WSAID_DEREGISTERRDMAMEMORY, deregister_rdma);
	FIND(WSAID_RDMAWRITE, rdma_write);
	FIND(WSAID_RDMAREAD, rdma_read);
	FIND(WSAID_MEMORYREGISTRATIONCACHECALLBACK, cache_callback);
	return 0;
}

/* --- connecting --- */

SOCKET san_bound(void)
{
	struct address at = caller(companion_port());
	SOCKET s = host_socket();

	if (s != INVALID_SOCKET && host_bind(s, &at) != 0) {
		host_close(s);
		return INVALID_SOCKET;
	}
	return s;
}

SOCKET san_listener(struct address *at, int backlog)
{
	SOCKET s = host_socket();

	*at = loopback(companion_listen());
	if (s != INVALID_SOCKET && (host_bind(s, at) || host_listen(s, backlog))) {
		host_close(s);
		return INVALID_SOCKET;
	}
	return s;
}

int san_connect_outcome(SOCKET s, WSAEVENT event)
{
	WSANETWORKEVENTS events;

	for (unsigned waited = 0; waited < SAN_WAIT_MS; waited += 50) {
		(void)WSAWaitForMultipleEvents(1, &event, TRUE, 50, FALSE);
		if (spi.lpWSPEnumNetworkEvents(s, event, &events, &host_error) != 0)
			return -1;
		if (events.lNetworkEvents & FD_CONNECT)
			return events.iErrorCode[FD_CONNECT_BIT];
	}
	return -1;
}

int san_dial(SOCKET s, const struct address *to)
{
	WSAEVENT event = WSACreateEvent();
	int outcome = -1;

	if (spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error) == 0) {
		host_error = 0;
		if (host_connect(s, to) == 0)
			outcome = 0;
		else if (host_error == WSAEWOULDBLOCK)
			outcome = san_connect_outcome(s, event);
		else
			outcome = host_error;
		spi.lpWSPEventSelect(s, NULL, 0, &host_error);
	}
	WSACloseEvent(event);
	return outcome;
}

SOCKET san_take(SOCKET listener, LPCONDITIONPROC condition, DWORD_PTR data)
{
	SOCKET s = INVALID_SOCKET;

	host_nonblocking(listener, 1);
	for (unsigned waited = 0; waited < SAN_WAIT_MS; waited++) {
		s = spi.lpWSPAccept(listener, NULL, NULL, condition, data, &host_error);
		if (s != INVALID_SOCKET || host_error != WSAEWOULDBLOCK)
			break;
		Sleep(1);
	}
	return s;
}

int san_open_pair(struct san_pair *p)
{
	WSAEVENT event = WSACreateEvent();
	int good;

	p->client = p->server = INVALID_SOCKET;
	p->listener = san_listener(&p->at, 8);
	p->client = san_bound();
	p->client_handle = host_handle_at(host_handles() - 1).handle;
	if (p->listener == INVALID_SOCKET || p->client == INVALID_SOCKET)
		return 0;
	spi.lpWSPEventSelect(p->client, event, FD_CONNECT, &host_error);
	(void)host_connect(p->client, &p->at);
	p->server = san_take(p->listener, NULL, 0);
	p->server_handle = host_handle_at(host_handles() - 1).handle;
	good = p->server != INVALID_SOCKET && san_connect_outcome(p->client, event) == 0;
	spi.lpWSPEventSelect(p->client, NULL, 0, &host_error);
	WSACloseEvent(event);
	return good;
}

void san_close(SOCKET s)
{
	if (s != INVALID_SOCKET)
		(void)host_close(s);
}

/* Operations may stand on the stack of the caller: the last of them has ended with the handle. */
static void wait_closed(SOCKET handle)
{
	for (unsigned waited = 0; waited < SAN_WAIT_MS && host_find(handle).open; waited++)
		Sleep(1);
}

void san_close_pair(struct san_pair *p)
{
	san_close(p->client);
	san_close(p->server);
	san_close(p->listener);
	wait_closed(p->client_handle);
	wait_closed(p->server_handle);
}

/* --- data --- */

HANDLE san_memory(SOCKET s, void *base, DWORD length, DWORD flags)
{
	HANDLE handle = san.register_memory(s, base, length, flags, &host_error);

	if (handle == NULL) {
		fprintf(stderr, "registration failed: %d\n", host_error);
		abort();
	}
	return handle;
}

void san_begin_op(struct san_op *op, enum san_way way)
{
	memset(op, 0, sizeof(*op));
	op->way = way;
	op->before = host_completions();
	op->bytes = SAN_UNTOUCHED;
	op->flags = 0;
	op->o.hEvent = (HANDLE)(uintptr_t)(way == SAN_POLL ? 1 : 0);
}

static int outcome(int result)
{
	if (result == 0)
		return -1; /* it never finishes at once */
	return host_error == WSA_IO_PENDING ? 0 : host_error;
}

int san_recv(SOCKET s, void *to, DWORD length, struct san_op *op)
{
	WSABUF buffer = { length, to };

	return outcome(spi.lpWSPRecv(s, &buffer, 1, &op->bytes, &op->flags, &op->o, NULL, NULL,
				     &host_error));
}

int san_send(SOCKET s, void *from, DWORD length, struct san_op *op)
{
	WSABUF buffer = { length, from };

	return outcome(
		spi.lpWSPSend(s, &buffer, 1, &op->bytes, 0, &op->o, NULL, NULL, &host_error));
}

int san_rdma(SOCKET s, bool write, void *at, DWORD length, HANDLE handle, void *descriptor,
	     DWORD descriptor_length, DWORD offset, struct san_op *op)
{
	LPFN_WSPRDMAWRITE run = write ? san.rdma_write : san.rdma_read;
	WSABUFEX buffer = { length, at, handle };

	return outcome(run(s, &buffer, 1, descriptor, descriptor_length, offset, &op->bytes, 0,
			   &op->o, NULL, NULL, &host_error));
}

unsigned san_upcalls(const struct san_op *op, unsigned ms)
{
	for (unsigned waited = 0;; waited++) {
		unsigned found = 0;

		for (unsigned i = op->before; i < host_completions(); i++)
			found += host_completion_at(i).overlapped == &op->o;
		if (found > 0 || waited >= ms)
			return found;
		Sleep(1);
	}
}

int san_result(SOCKET s, struct san_op *op, DWORD *bytes)
{
	DWORD flags = 0;

	if (op->way == SAN_UPCALL && san_upcalls(op, SAN_WAIT_MS) == 0)
		return -1;
	for (ULONGLONG end = GetTickCount64() + SAN_WAIT_MS; GetTickCount64() < end;) {
		host_error = 0;
		if (spi.lpWSPGetOverlappedResult(s, &op->o, bytes, FALSE, &flags, &host_error))
			return 0;
		if (host_error != WSA_IO_INCOMPLETE)
			return host_error;
	}
	return -1;
}

int san_message(SOCKET from, SOCKET to, const void *data, DWORD length, enum san_way way)
{
	char *out = malloc(length + 1), *in = malloc(length + 1);
	HANDLE out_handle = san_memory(from, out, length + 1, MEM_READ);
	HANDLE in_handle = san_memory(to, in, length + 1, MEM_WRITE);
	struct san_op send, recv;
	DWORD sent = 0, got = 0;
	int good;

	memcpy(out, data, length);
	san_begin_op(&send, way);
	san_begin_op(&recv, way);
	good = san_recv(to, in, length + 1, &recv) == 0 &&
	       san_send(from, out, length, &send) == 0 && san_result(from, &send, &sent) == 0 &&
	       san_result(to, &recv, &got) == 0 && sent == length && got == length &&
	       memcmp(in, data, length) == 0;
	san.deregister_memory(from, out_handle, &host_error);
	san.deregister_memory(to, in_handle, &host_error);
	san.cache_callback(out, length + 1, &host_error);
	san.cache_callback(in, length + 1, &host_error);
	free(out);
	free(in);
	return good;
}

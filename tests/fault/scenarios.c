// SPDX-License-Identifier: BSD-2-Clause
/* scenarios.c - see scenarios.h. One thread plays both ends, so nothing here may block for ever. */
#include "tests/fault/scenarios.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/winsock2.h>
#include <openwsd/ws2tcpip.h>

#include "tests/lib/os_port.h"

#define HANG_MS 10000
#define LOOK_MS 500 /* after so long, look whether the connection still stands */
#define SMALL	64u
#define MEDIUM	40000u
#define LARGE	(1u << 20)

static char out[LARGE], in[LARGE];

struct pair {
	SOCKET listener, client, server;
	struct sockaddr_in at;
};

/* The code of a call that failed. */
static int code(void)
{
	int error = WSAGetLastError();

	return error != 0 ? error : SCENARIO_BROKEN;
}

static SOCKET new_socket(void)
{
	return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
}

static int new_listener(struct pair *p)
{
	int length = sizeof(p->at);

	memset(&p->at, 0, sizeof(p->at));
	p->at.sin_family = AF_INET;
	os_address(false, false, (unsigned char *)&p->at.sin_addr);
	p->client = p->server = INVALID_SOCKET;
	p->listener = new_socket();
	if (p->listener == INVALID_SOCKET ||
	    bind(p->listener, (struct sockaddr *)&p->at, sizeof(p->at)) != 0 ||
	    listen(p->listener, 4) != 0 ||
	    getsockname(p->listener, (struct sockaddr *)&p->at, &length) != 0)
		return code();
	return 0;
}

static int wait_readable(SOCKET s, int milliseconds)
{
	struct timeval at_most = { milliseconds / 1000, milliseconds % 1000 * 1000 };
	fd_set set;
	int ready;

	FD_ZERO(&set);
	FD_SET(s, &set);
	ready = select(0, &set, NULL, NULL, &at_most);
	if (ready == SOCKET_ERROR)
		return code();
	return ready > 0 ? 0 : SCENARIO_HUNG;
}

/* The code with which the client end of a connection failed, 0 while it stands. */
static int client_error(const struct pair *p)
{
	u_long on = 1;
	int n;

	ioctlsocket(p->client, FIONBIO, &on);
	n = recv(p->client, in, 1, MSG_PEEK);
	if (n >= 0)
		return n == 0 ? WSAECONNRESET : 0;
	return WSAGetLastError() == WSAEWOULDBLOCK ? 0 : code();
}

/* Something did not come from the connection: then its client end must have failed, soon. */
static int lost(const struct pair *p)
{
	uint64_t end = GetTickCount64() + HANG_MS;
	int error = client_error(p);

	while (error == 0 && GetTickCount64() < end) {
		SleepEx(1, FALSE);
		error = client_error(p);
	}
	return error != 0 ? error : SCENARIO_HUNG;
}

static int open_pair(struct pair *p)
{
	u_long on = 1;
	int error = new_listener(p);

	if (error != 0)
		return error;
	p->client = new_socket();
	if (p->client == INVALID_SOCKET ||
	    connect(p->client, (struct sockaddr *)&p->at, sizeof(p->at)) != 0)
		return code();
	ioctlsocket(p->client, FIONBIO, &on);
	error = wait_readable(p->listener, LOOK_MS);
	if (error == SCENARIO_HUNG && client_error(p) == 0)
		error = wait_readable(p->listener, HANG_MS);
	if (error != 0) /* the listening side may have lost it */
		return error == SCENARIO_HUNG ? lost(p) : error;
	p->server = accept(p->listener, NULL, NULL);
	if (p->server == INVALID_SOCKET)
		return code();
	ioctlsocket(p->server, FIONBIO, &on);
	return 0;
}

static void close_pair(struct pair *p)
{
	SOCKET *all[] = { &p->client, &p->server, &p->listener };

	for (unsigned i = 0; i < 3; i++) {
		if (*all[i] != INVALID_SOCKET)
			closesocket(*all[i]);
		*all[i] = INVALID_SOCKET;
	}
}

static void fill(size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = (char)(i * 7 + i / 251);
	memset(in, 0, length);
}

/* Nonblocking both ways, until everything arrived. */
static int pump(SOCKET from, SOCKET to, size_t length)
{
	uint64_t end = GetTickCount64() + HANG_MS;
	size_t sent = 0, got = 0;

	fill(length);
	while (got < length) {
		int n = sent < length ? send(from, out + sent, (int)(length - sent), 0) : 0;

		if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
			return code();
		sent += n > 0 ? (size_t)n : 0;
		n = recv(to, in + got, (int)(length - got), 0);
		if (n == SOCKET_ERROR && WSAGetLastError() != WSAEWOULDBLOCK)
			return code();
		if (n == 0)
			return SCENARIO_BROKEN;
		got += n > 0 ? (size_t)n : 0;
		if (GetTickCount64() > end)
			return SCENARIO_HUNG;
	}
	return memcmp(in, out, length) == 0 ? 0 : SCENARIO_BROKEN;
}

static int run_startup(void)
{
	WSADATA data;
	int error = WSAStartup(MAKEWORD(2, 2), &data);

	if (error != 0)
		return error;
	return WSACleanup() == 0 ? 0 : code();
}

static int run_stream(void)
{
	struct pair p;
	int error = open_pair(&p);

	if (error == 0)
		error = pump(p.client, p.server, SMALL);
	if (error == 0)
		error = pump(p.server, p.client, MEDIUM);
	if (error == 0)
		error = pump(p.client, p.server, LARGE);
	if (error == 0 && shutdown(p.client, SD_SEND) != 0)
		error = code();
	if (error == 0)
		error = wait_readable(p.server, HANG_MS);
	if (error == 0 && recv(p.server, in, 1, 0) != 0)
		error = SCENARIO_BROKEN;
	close_pair(&p);
	return error;
}

/* --- overlapped: the same transfer, told by an event, a port or a routine --- */

enum how { BY_EVENT, BY_PORT, BY_ROUTINE };

struct io {
	WSAOVERLAPPED ov; /* first */
	bool pending;	  /* an indication will come */
	int error;
	DWORD bytes;
};

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	struct io *io = (struct io *)overlapped;

	(void)flags;
	io->pending = false;
	io->error = (int)error;
	io->bytes = bytes;
}

/* What the call that started io returned. */
static int started(struct io *io, int result)
{
	int error = result == 0 ? 0 : WSAGetLastError();

	io->pending = error == 0 || error == WSA_IO_PENDING;
	io->error = 0;
	return io->pending ? 0 : error != 0 ? error : SCENARIO_BROKEN;
}

static int start_send(SOCKET s, struct io *io, size_t length, enum how how)
{
	WSABUF buffer = { (u_long)length, out };

	return started(
		io, WSASend(s, &buffer, 1, NULL, 0, &io->ov, how == BY_ROUTINE ? routine : NULL));
}

static int start_recv(SOCKET s, struct io *io, size_t length, enum how how)
{
	WSABUF buffer = { (u_long)length, in };
	DWORD flags = MSG_WAITALL;

	return started(io, WSARecv(s, &buffer, 1, NULL, &flags, &io->ov,
				   how == BY_ROUTINE ? routine : NULL));
}

static int finish_event(SOCKET s, struct io *io, DWORD milliseconds)
{
	DWORD flags;

	if (WSAWaitForMultipleEvents(1, &io->ov.hEvent, FALSE, milliseconds, FALSE) !=
	    WSA_WAIT_EVENT_0)
		return SCENARIO_HUNG;
	io->pending = false;
	/* A closed socket cannot be asked; that the event came is all there is. */
	if (!WSAGetOverlappedResult(s, &io->ov, &io->bytes, FALSE, &flags))
		io->error = code();
	return 0;
}

static int finish_port(HANDLE port, DWORD milliseconds)
{
	LPOVERLAPPED overlapped = NULL;
	ULONG_PTR key;
	DWORD bytes;
	BOOL good = GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, milliseconds);
	int error = good ? 0 : code();
	struct io *io = (struct io *)overlapped;

	if (io == NULL)
		return error == WAIT_TIMEOUT ? SCENARIO_HUNG : error;
	io->pending = false;
	io->error = error;
	io->bytes = bytes;
	return 0;
}

static int finish_routine(const struct io *io, DWORD milliseconds)
{
	uint64_t end = GetTickCount64() + milliseconds;

	while (io->pending && GetTickCount64() < end)
		SleepEx(milliseconds, TRUE);
	return io->pending ? SCENARIO_HUNG : 0;
}

/* Until io is not pending any more. With a port another one may come first. */
static int finish(SOCKET s, struct io *io, enum how how, HANDLE port, DWORD milliseconds)
{
	int error = 0;

	while (io->pending && error == 0)
		error = how == BY_EVENT	 ? finish_event(s, io, milliseconds)
			: how == BY_PORT ? finish_port(port, milliseconds)
					 : finish_routine(io, milliseconds);
	return error;
}

/* Until neither is pending. error: one could not even be started; a failure of one end, or a lost
 * connection, closes both, and then the other must end too. */
static int finish_both(struct pair *p, struct io *sending, struct io *receiving, enum how how,
		       HANDLE port, int error)
{
	SOCKET server = p->server;
	int hung = 0;

	if (error == 0)
		hung = finish(p->client, sending, how, port, HANG_MS);
	if (hung == 0 && error == 0) {
		error = sending->error;
		if (error == 0 && finish(server, receiving, how, port, LOOK_MS) != 0)
			error = client_error(p);
	}
	if (error != 0)
		close_pair(p);
	if (hung == 0)
		hung = finish(p->client, sending, how, port, HANG_MS);
	if (hung == 0)
		hung = finish(server, receiving, how, port, HANG_MS);
	if (error == 0)
		error = receiving->error;
	return hung != 0 ? hung : error;
}

static int transfer(struct pair *p, struct io *io, size_t length, enum how how, HANDLE port)
{
	int error;

	fill(length);
	error = start_recv(p->server, &io[1], length, how);
	if (error == 0)
		error = start_send(p->client, &io[0], length, how);
	error = finish_both(p, &io[0], &io[1], how, port, error);
	if (error != 0)
		return error;
	if (io[0].bytes != length || io[1].bytes != length || memcmp(in, out, length) != 0)
		return SCENARIO_BROKEN;
	return 0;
}

static int associate(struct pair *p, HANDLE *port)
{
	*port = CreateIoCompletionPort((HANDLE)p->client, NULL, 1, 0);
	if (*port == NULL || CreateIoCompletionPort((HANDLE)p->server, *port, 2, 0) == NULL)
		return code();
	return 0;
}

static int run_overlapped(enum how how)
{
	static const size_t lengths[] = { SMALL, MEDIUM, LARGE };
	struct io io[2];
	struct pair p;
	HANDLE port = NULL;
	int error;

	memset(io, 0, sizeof(io));
	WSASetLastError(0);
	for (unsigned i = 0; i < 2 && how == BY_EVENT; i++) {
		io[i].ov.hEvent = WSACreateEvent();
		if (io[i].ov.hEvent == WSA_INVALID_EVENT) {
			error = code();
			if (i > 0)
				WSACloseEvent(io[0].ov.hEvent);
			return error;
		}
	}
	error = open_pair(&p);
	if (error == 0 && how == BY_PORT)
		error = associate(&p, &port);
	for (unsigned i = 0; i < 3 && error == 0; i++)
		error = transfer(&p, io, lengths[i], how, port);
	close_pair(&p);
	for (unsigned i = 0; i < 2 && how == BY_EVENT; i++)
		WSACloseEvent(io[i].ov.hEvent);
	if (port != NULL)
		CloseHandle(port);
	return error;
}

static int run_event(void)
{
	return run_overlapped(BY_EVENT);
}

static int run_port(void)
{
	return run_overlapped(BY_PORT);
}

static int run_routine(void)
{
	return run_overlapped(BY_ROUTINE);
}

/* --- AcceptEx and ConnectEx --- */

static int extensions(SOCKET s, LPFN_ACCEPTEX *accept_ex, LPFN_CONNECTEX *connect_ex)
{
	GUID accept_id = WSAID_ACCEPTEX, connect_id = WSAID_CONNECTEX;
	DWORD bytes;

	if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &accept_id, sizeof(accept_id),
		     accept_ex, sizeof(*accept_ex), &bytes, NULL, NULL) != 0 ||
	    WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &connect_id, sizeof(connect_id),
		     connect_ex, sizeof(*connect_ex), &bytes, NULL, NULL) != 0)
		return code();
	return 0;
}

static int start_extended(struct pair *p, struct io *io)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	LPFN_CONNECTEX connect_ex = NULL;
	LPFN_ACCEPTEX accept_ex = NULL;
	DWORD bytes;
	int error = extensions(p->listener, &accept_ex, &connect_ex);

	if (error != 0)
		return error;
	p->server = new_socket();
	p->client = new_socket();
	if (p->server == INVALID_SOCKET || p->client == INVALID_SOCKET ||
	    bind(p->client, (struct sockaddr *)&any, sizeof(any)) != 0)
		return code();
	error = started(&io[1],
			accept_ex(p->listener, p->server, in, SMALL, 64, 64, &bytes, &io[1].ov)
				? 0
				: SOCKET_ERROR);
	if (error != 0)
		return error;
	return started(&io[0], connect_ex(p->client, (struct sockaddr *)&p->at, sizeof(p->at), out,
					  SMALL, &bytes, &io[0].ov)
				       ? 0
				       : SOCKET_ERROR);
}

/* ConnectEx is told by its event, AcceptEx by the port. */
static int finish_extended(struct pair *p, struct io *io, HANDLE port, int error)
{
	int hung = 0;

	if (error == 0)
		hung = finish(p->client, &io[0], BY_EVENT, port, HANG_MS);
	if (error == 0 && hung == 0) {
		error = io[0].error;
		if (error == 0 && finish(p->server, &io[1], BY_PORT, port, LOOK_MS) != 0)
			error = client_error(p);
	}
	if (error != 0)
		close_pair(p);
	if (hung == 0)
		hung = finish(p->client, &io[0], BY_EVENT, port, HANG_MS);
	if (hung == 0)
		hung = finish(p->server, &io[1], BY_PORT, port, HANG_MS);
	if (error == 0)
		error = io[1].error;
	if (error == 0 && (io[1].bytes != SMALL || memcmp(in, out, SMALL) != 0))
		error = SCENARIO_BROKEN;
	return hung != 0 ? hung : error;
}

static int run_extended(void)
{
	struct io io[2];
	struct pair p;
	HANDLE port;
	int error;

	memset(io, 0, sizeof(io));
	WSASetLastError(0);
	fill(SMALL);
	port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
	if (port == NULL)
		return code();
	error = new_listener(&p);
	if (error == 0 && CreateIoCompletionPort((HANDLE)p.listener, port, 1, 0) == NULL)
		error = code();
	if (error == 0) {
		io[0].ov.hEvent = WSACreateEvent();
		error = io[0].ov.hEvent != WSA_INVALID_EVENT ? start_extended(&p, io) : code();
	}
	error = finish_extended(&p, io, port, error);
	close_pair(&p);
	if (io[0].ov.hEvent != NULL)
		WSACloseEvent(io[0].ov.hEvent);
	CloseHandle(port);
	return error;
}

/* --- readiness --- */

static int run_select(void)
{
	struct timeval at_most = { HANG_MS / 1000, 0 };
	fd_set readable, writable, except;
	WSAPOLLFD polled[2];
	struct pair p;
	int error = open_pair(&p), n = 0;

	if (error == 0) {
		FD_ZERO(&readable);
		FD_ZERO(&writable);
		FD_ZERO(&except);
		FD_SET(p.server, &readable);
		FD_SET(p.client, &writable);
		FD_SET(p.client, &except);
		n = select(0, &readable, &writable, &except, &at_most);
		error = n == SOCKET_ERROR ? code() : n == 0 ? SCENARIO_HUNG : 0;
	}
	if (error == 0 && send(p.client, out, SMALL, 0) == SOCKET_ERROR)
		error = code();
	if (error == 0) {
		polled[0] = (WSAPOLLFD){ p.server, POLLRDNORM, 0 };
		polled[1] = (WSAPOLLFD){ p.listener, POLLRDNORM, 0 };
		n = WSAPoll(polled, 2, HANG_MS);
		error = n == SOCKET_ERROR ? code() : n == 0 ? SCENARIO_HUNG : 0;
	}
	close_pair(&p);
	return error;
}

/* Until all bits were seen, or one came with an error. */
static int events_seen(SOCKET s, WSAEVENT event, long bits)
{
	WSANETWORKEVENTS got;

	while (bits != 0) {
		if (WSAWaitForMultipleEvents(1, &event, FALSE, HANG_MS, FALSE) != WSA_WAIT_EVENT_0)
			return SCENARIO_HUNG;
		memset(&got, 0, sizeof(got));
		if (WSAEnumNetworkEvents(s, event, &got) != 0)
			return code();
		for (unsigned n = 0; n < FD_MAX_EVENTS; n++)
			if ((got.lNetworkEvents & (1L << n)) != 0 && got.iErrorCode[n] != 0)
				return got.iErrorCode[n];
		if ((got.lNetworkEvents & FD_CLOSE) != 0 && (bits & FD_CLOSE) == 0)
			return WSAECONNRESET; /* the other end could not go on */
		bits &= ~(long)got.lNetworkEvents;
	}
	return 0;
}

static int select_events(struct pair *p, const WSAEVENT *event)
{
	int error;

	if (WSAEventSelect(p->listener, event[0], FD_ACCEPT) != 0)
		return code();
	p->client = new_socket();
	if (p->client == INVALID_SOCKET ||
	    WSAEventSelect(p->client, event[1], FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) != 0)
		return code();
	if (connect(p->client, (struct sockaddr *)&p->at, sizeof(p->at)) != 0 &&
	    WSAGetLastError() != WSAEWOULDBLOCK)
		return code();
	error = events_seen(p->client, event[1], FD_CONNECT);
	if (error == 0)
		error = events_seen(p->listener, event[0], FD_ACCEPT);
	if (error != 0)
		return error;
	p->server = accept(p->listener, NULL, NULL);
	if (p->server == INVALID_SOCKET || send(p->server, out, SMALL, 0) == SOCKET_ERROR)
		return WSAGetLastError() == WSAEWOULDBLOCK ? lost(p) : code();
	return events_seen(p->client, event[1], FD_READ);
}

static int run_event_select(void)
{
	WSAEVENT event[2] = { WSA_INVALID_EVENT, WSA_INVALID_EVENT };
	struct pair p;
	int error;

	WSASetLastError(0);
	event[0] = WSACreateEvent();
	event[1] = event[0] != WSA_INVALID_EVENT ? WSACreateEvent() : WSA_INVALID_EVENT;
	error = event[1] != WSA_INVALID_EVENT ? 0 : code();
	if (error == 0) {
		error = new_listener(&p);
		if (error == 0)
			error = select_events(&p, event);
		close_pair(&p);
	}
	for (unsigned i = 0; i < 2; i++)
		if (event[i] != WSA_INVALID_EVENT)
			WSACloseEvent(event[i]);
	return error;
}

const struct scenario scenarios[] = {
	{ "startup", run_startup }, { "stream", run_stream },
	{ "event", run_event },	    { "port", run_port },
	{ "routine", run_routine }, { "extended", run_extended },
	{ "select", run_select },   { "event_select", run_event_select },
	{ "san", run_san },	    { NULL, NULL },
};

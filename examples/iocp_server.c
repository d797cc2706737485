// SPDX-License-Identifier: BSD-2-Clause
/*
 * iocp_server [ADDRESS:]PORT [WORKERS] - an echo server with overlapped calls and one completion port. Without
 * ADDRESS inside this machine only. Some AcceptEx are always outstanding; each connection has one
 * operation outstanding, a receive or a send, and so belongs to the worker that got its completion. It
 * ends with its standard input or Ctrl-C: no new connections, end of stream to the clients, and after
 * GRACE ms what is left is closed. Port 0 takes any; the port is printed. One source for Windows and
 * Linux.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <io.h>
#include <mswsock.h>
#include <winsock2.h>
#define read _read
#else
#include <openwsd/mswsock.h>
#include <openwsd/winsock2.h>
#include <unistd.h>
#endif
#include "where.h"

#define ACCEPTS	     32
#define WORKERS_MOST 16
#define PACKETS	     64
#define BYTES	     16384
#define GRACE	     5000 /* ms */
#define ADDRESS	     (sizeof(struct sockaddr_storage) + 16)

enum step { ACCEPTING, RECEIVING, SENDING };

struct connection {
	WSAOVERLAPPED overlapped; /* first: what comes out of the port is this address */
	enum step step;
	SOCKET s; /* INVALID_SOCKET once it was closed from outside; then only its completion is missing */
	DWORD filled, sent; /* bytes of buffer */
	struct connection *before, *after;
	char buffer[BYTES];
};

static struct {
	SOCKET listener;
	HANDLE port;
	LPFN_ACCEPTEX accept_ex;
	HANDLE idle; /* set when the last connection has gone */
	/*
	 * Taken when a connection comes or goes, never for a message: an automatic event does as a lock.
	 * Guards what follows, and s of every connection against the shutdown.
	 */
	HANDLE lock;
	struct connection *first;
	unsigned accepting;
	BOOL stopping;
	unsigned long served;
} server;

/* SOMAXCONN_HINT(1024), which not every winsock2.h has: who comes to a full one is refused. */
#define BACKLOG (-1024)

static atomic_int interrupted; /* by a signal or the thread that watches the input */

static int fail(const char *what)
{
	fprintf(stderr, "iocp_server: %s: error %d\n", what, WSAGetLastError());
	return 1;
}

static void lock(void)
{
	(void)WaitForSingleObject(server.lock, INFINITE);
}

static void unlock(void)
{
	SetEvent(server.lock);
}

static void drop(struct connection *c)
{
	lock();
	if (c->before)
		c->before->after = c->after;
	else
		server.first = c->after;
	if (c->after)
		c->after->before = c->before;
	if (c->step == ACCEPTING)
		server.accepting--;
	if (c->s != INVALID_SOCKET)
		closesocket(c->s);
	if (!server.first)
		SetEvent(server.idle);
	unlock();
	free(c);
}

/* One more AcceptEx. It is not outstanding after a failure. */
static BOOL start_accept(void)
{
	struct connection *c = calloc(1, sizeof(*c));
	DWORD bytes;

	if (!c)
		return FALSE;
	c->step = ACCEPTING;
	c->s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
	if (c->s == INVALID_SOCKET || !CreateIoCompletionPort((HANDLE)c->s, server.port, 0, 0)) {
		if (c->s != INVALID_SOCKET)
			closesocket(c->s);
		free(c);
		return FALSE;
	}
	lock();
	c->after = server.first;
	if (c->after)
		c->after->before = c;
	server.first = c;
	server.accepting++;
	ResetEvent(server.idle);
	unlock();
	if (server.accept_ex(server.listener, c->s, c->buffer, 0, ADDRESS, ADDRESS, &bytes,
			     &c->overlapped) ||
	    WSAGetLastError() == WSA_IO_PENDING)
		return TRUE;
	drop(c);
	return FALSE;
}

/* Out of descriptors or memory it is tried again when the next connection has gone. */
static void keep_accepting(void)
{
	BOOL more;

	do {
		lock();
		more = !server.stopping && server.accepting < ACCEPTS;
		unlock();
	} while (more && start_accept());
}

static BOOL start_receive(struct connection *c)
{
	WSABUF buffer = { BYTES, c->buffer };
	DWORD flags = 0;

	c->step = RECEIVING;
	memset(&c->overlapped, 0, sizeof(c->overlapped));
	return WSARecv(c->s, &buffer, 1, NULL, &flags, &c->overlapped, NULL) == 0 ||
	       WSAGetLastError() == WSA_IO_PENDING;
}

static BOOL start_send(struct connection *c)
{
	WSABUF buffer = { c->filled - c->sent, c->buffer + c->sent };

	c->step = SENDING;
	memset(&c->overlapped, 0, sizeof(c->overlapped));
	return WSASend(c->s, &buffer, 1, NULL, 0, &c->overlapped, NULL) == 0 ||
	       WSAGetLastError() == WSA_IO_PENDING;
}

/* It has a client now: an ordinary connected socket. */
static BOOL accepted(struct connection *c)
{
	BOOL good = setsockopt(c->s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&server.listener,
			       sizeof(server.listener)) == 0;

	lock();
	server.accepting--;
	server.served++;
	c->step = RECEIVING;
	unlock();
	keep_accepting();
	return good && start_receive(c);
}

/* An operation has ended: begin the next. FALSE: the connection has come to its end. */
static BOOL advance(struct connection *c)
{
	DWORD bytes = 0, flags = 0;

	if (!WSAGetOverlappedResult(c->s, &c->overlapped, &bytes, FALSE, &flags))
		return FALSE; /* reset, or closed by the shutdown */
	switch (c->step) {
	case ACCEPTING:
		return accepted(c);
	case RECEIVING:
		c->filled = bytes;
		c->sent = 0;
		return bytes > 0 && start_send(c);
	case SENDING:
		c->sent += bytes;
		return c->sent < c->filled ? start_send(c) : start_receive(c);
	}
	return FALSE;
}

static DWORD WINAPI work(LPVOID unused)
{
	OVERLAPPED_ENTRY packets[PACKETS];
	ULONG count, i;
	DWORD stop = 0;

	(void)unused;
	while (!stop) {
		if (!GetQueuedCompletionStatusEx(server.port, packets, PACKETS, &count, INFINITE,
						 FALSE))
			return (DWORD)fail("GetQueuedCompletionStatusEx");
		for (i = 0; i < count; i++) {
			if (!packets[i].lpOverlapped) {
				/* One for each worker: what was taken too many goes back. */
				if (stop++)
					PostQueuedCompletionStatus(server.port, 0, 0, NULL);
			} else if (!advance((struct connection *)packets[i].lpOverlapped)) {
				drop((struct connection *)packets[i].lpOverlapped);
				keep_accepting();
			}
		}
	}
	return 0;
}

static int open_listener(struct sockaddr_in at)
{
	GUID id = WSAID_ACCEPTEX;
	int length = sizeof(at);
	DWORD bytes;

	server.listener =
		WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
	if (server.listener == INVALID_SOCKET)
		return fail("socket");
	if (bind(server.listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(server.listener, BACKLOG) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&at, &length) != 0)
		return fail("cannot listen");
	if (WSAIoctl(server.listener, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
		     &server.accept_ex, sizeof(server.accept_ex), &bytes, NULL, NULL) != 0)
		return fail("no AcceptEx");
	if (!CreateIoCompletionPort((HANDLE)server.listener, server.port, 0, 0))
		return fail("cannot use the completion port");
	printf("listening on port %u\n", ntohs(at.sin_port));
	fflush(stdout);
	return 0;
}

/* Clients are told the end of the stream; they close, and each connection ends by itself. */
static void stop_gently(void)
{
	struct connection *c;

	lock();
	server.stopping = TRUE;
	closesocket(server.listener); /* ends every AcceptEx */
	for (c = server.first; c; c = c->after)
		if (c->step != ACCEPTING)
			shutdown(c->s, SD_SEND);
	unlock();
	if (WaitForSingleObject(server.idle, GRACE) == WAIT_OBJECT_0)
		return;
	lock();
	for (c = server.first; c; c = c->after) {
		if (c->s != INVALID_SOCKET)
			closesocket(c->s);
		c->s = INVALID_SOCKET;
	}
	unlock();
	(void)WaitForSingleObject(server.idle, INFINITE);
}

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static DWORD WINAPI watch_input(LPVOID unused)
{
	char byte;

	(void)unused;
	while (read(0, &byte, 1) > 0)
		;
	interrupted = 1;
	return 0;
}

static int run(unsigned workers)
{
	HANDLE threads[WORKERS_MOST], input = CreateThread(NULL, 0, watch_input, NULL, 0, NULL);
	unsigned started = 0, i;

	keep_accepting();
	while (started < workers &&
	       (threads[started] = CreateThread(NULL, 0, work, NULL, 0, NULL)) != NULL)
		started++;
	if (!input || !started)
		return fail("cannot start a thread");
	while (!interrupted)
		Sleep(50);
	stop_gently();
	for (i = 0; i < started; i++)
		PostQueuedCompletionStatus(server.port, 0, 0, NULL);
	(void)WaitForMultipleObjects(started, threads, TRUE, INFINITE);
	for (i = 0; i < started; i++)
		CloseHandle(threads[i]);
	CloseHandle(input);
	printf("served %lu connections\n", server.served);
	return 0;
}

int main(int argc, char **argv)
{
	int workers = argc > 2 ? atoi(argv[2]) : 4;
	struct sockaddr_in at;
	WSADATA data;

	if (argc < 2 || !read_where(&at, argv[1]) || workers < 1 || workers > WORKERS_MOST) {
		fprintf(stderr, "usage: iocp_server [ADDRESS:]PORT [WORKERS up to %d]\n",
			WORKERS_MOST);
		return 2;
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return fail("WSAStartup");
	signal(SIGINT, on_interrupt);
	server.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
	server.lock = CreateEventW(NULL, FALSE, TRUE, NULL);
	server.idle = CreateEventW(NULL, TRUE, TRUE, NULL);
	if (!server.port || !server.lock || !server.idle)
		return fail("cannot make the completion port");
	if (open_listener(at) != 0 || run((unsigned)workers) != 0)
		return 1;
	CloseHandle(server.port);
	CloseHandle(server.lock);
	CloseHandle(server.idle);
	return WSACleanup() == 0 ? 0 : fail("WSACleanup");
}

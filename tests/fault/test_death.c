// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_death.c - kill -9 of the other process in the middle of transfers. Every kind of pending call and every
 * later call fails with WSAECONNRESET, within 2 s, and nothing of the dead process stays.
 * Argument: connector or acceptor, the one that dies.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "tests/lib/peer.h"

#define SOON	 20000u /* ms, on a busy machine; less than any limit that ends it otherwise */
#define FOR_EVER 60000u /* ms: the test has failed by then */
#define BIG	 (1u << 20)

enum direction { RECEIVES, SENDS };

/* One way to wait for something: until it fails. The error, or 0 for an end of stream. */
struct call {
	const char *name;
	enum direction direction;
	int (*until_failure)(SOCKET s);
};

static char bytes[BIG];

static int blocking_receive(SOCKET s)
{
	static _Thread_local char sink[65536];
	int n;

	while ((n = recv(s, sink, sizeof(sink), 0)) > 0)
		;
	return n == 0 ? 0 : WSAGetLastError();
}

static int blocking_send(SOCKET s)
{
	while (send(s, bytes, 65536, 0) > 0)
		;
	return WSAGetLastError();
}

static int wait_for(SOCKET s, WSAOVERLAPPED *overlapped, int result)
{
	DWORD moved, flags;

	if (result != 0 && WSAGetLastError() != WSA_IO_PENDING)
		return WSAGetLastError();
	if (WSAWaitForMultipleEvents(1, &overlapped->hEvent, TRUE, FOR_EVER, FALSE) !=
	    WAIT_OBJECT_0)
		return WSAETIMEDOUT;
	if (!WSAGetOverlappedResult(s, overlapped, &moved, FALSE, &flags))
		return WSAGetLastError();
	return moved > 0 ? -1 : 0;
}

static int overlapped_receive(SOCKET s)
{
	WSAOVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	WSABUF buffer;
	DWORD flags;
	int error;

	buffer.len = 65536;
	buffer.buf = malloc(buffer.len);
	do {
		flags = 0;
		error = wait_for(s, &overlapped,
				 WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, NULL));
	} while (error < 0);
	free(buffer.buf);
	WSACloseEvent(overlapped.hEvent);
	return error;
}

static int overlapped_send(SOCKET s)
{
	WSAOVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	WSABUF buffer = { BIG, bytes };
	int error;

	do {
		error = wait_for(s, &overlapped,
				 WSASend(s, &buffer, 1, NULL, 0, &overlapped, NULL));
	} while (error < 0);
	WSACloseEvent(overlapped.hEvent);
	return error;
}

/* What nonblocking calls do until there is nothing to do. -1: go on. */
static int receive_all(SOCKET s)
{
	static _Thread_local char sink[65536];
	int n, error;

	while ((n = recv(s, sink, sizeof(sink), 0)) > 0)
		;
	error = n == 0 ? 0 : WSAGetLastError();
	return error == WSAEWOULDBLOCK ? -1 : error;
}

static int send_all(SOCKET s)
{
	int error;

	while (send(s, bytes, 65536, 0) > 0)
		;
	error = WSAGetLastError();
	return error == WSAEWOULDBLOCK ? -1 : error;
}

static int with_select(SOCKET s, enum direction direction)
{
	struct timeval longest = { FOR_EVER / 1000, 0 };
	u_long on = 1;
	fd_set set;
	int error;

	ioctlsocket(s, FIONBIO, &on);
	while ((error = direction == SENDS ? send_all(s) : receive_all(s)) < 0) {
		FD_ZERO(&set);
		FD_SET(s, &set);
		if (select(0, direction == RECEIVES ? &set : NULL, direction == SENDS ? &set : NULL,
			   NULL, &longest) != 1)
			return WSAETIMEDOUT;
	}
	return error;
}

static int select_to_receive(SOCKET s)
{
	return with_select(s, RECEIVES);
}

static int select_to_send(SOCKET s)
{
	return with_select(s, SENDS);
}

static int network_events(SOCKET s)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS happened;
	int error = -1;

	WSAEventSelect(s, event, FD_READ | FD_CLOSE);
	while (error < 0) {
		if (WSAWaitForMultipleEvents(1, &event, TRUE, FOR_EVER, FALSE) != WAIT_OBJECT_0)
			error = WSAETIMEDOUT;
		else if (WSAEnumNetworkEvents(s, event, &happened) != 0)
			error = WSAGetLastError();
		else if (happened.lNetworkEvents & FD_CLOSE)
			error = happened.iErrorCode[FD_CLOSE_BIT];
		else
			(void)receive_all(s);
	}
	WSAEventSelect(s, NULL, 0);
	WSACloseEvent(event);
	return error;
}

static int polling(SOCKET s)
{
	WSAPOLLFD entry = { .fd = s, .events = POLLRDNORM };
	u_long on = 1;
	int error;

	ioctlsocket(s, FIONBIO, &on);
	while ((error = receive_all(s)) < 0)
		if (WSAPoll(&entry, 1, FOR_EVER) != 1)
			return WSAETIMEDOUT;
	return error;
}

static const struct call calls[] = {
	{ "blocking recv", RECEIVES, blocking_receive },
	{ "blocking send", SENDS, blocking_send },
	{ "overlapped receive", RECEIVES, overlapped_receive },
	{ "overlapped send", SENDS, overlapped_send },
	{ "select for reading", RECEIVES, select_to_receive },
	{ "select for writing", SENDS, select_to_send },
	{ "network events", RECEIVES, network_events },
	{ "WSAPoll", RECEIVES, polling },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

/* Each call twice: the peer moves bytes, or does nothing. */
#define CONNECTIONS (2 * CALLS)
static struct connection {
	const struct call *call;
	BOOL moving;
	SOCKET s;
	pthread_t thread;
	int error;
	uint64_t ended;
} connections[CONNECTIONS];

/* The side that connects hears of the port first; both make their ends in the same order. */
static void open_all(BOOL connect_them)
{
	SOCKET listener = INVALID_SOCKET;
	struct sockaddr_in at;
	uint32_t port;
	size_t i;

	if (connect_them) {
		at = peer_address(peer_hear());
	} else {
		listener = peer_listen(&port);
		peer_tell(port);
	}
	for (i = 0; i < CONNECTIONS; i++) {
		struct connection *c = &connections[i];

		c->call = &calls[i / 2];
		c->moving = i % 2;
		if (connect_them) {
			c->s = peer_socket();
			PEER_CHECK(connect(c->s, (struct sockaddr *)&at, sizeof(at)) == 0);
		} else {
			c->s = accept(listener, NULL, NULL);
			PEER_CHECK(c->s != INVALID_SOCKET);
		}
	}
	if (!connect_them)
		closesocket(listener);
}

static void *victim_thread(void *arg)
{
	struct connection *c = arg;

	(void)(c->call->direction == RECEIVES ? blocking_send(c->s) : blocking_receive(c->s));
	return NULL;
}

static BOOL victim_connects;

static void victim(void)
{
	size_t i;

	peer_winsock();
	open_all(victim_connects);
	for (i = 0; i < CONNECTIONS; i++)
		if (connections[i].moving)
			PEER_CHECK(pthread_create(&connections[i].thread, NULL, victim_thread,
						  &connections[i]) == 0);
	Sleep(FOR_EVER);
}

static void *survivor_thread(void *arg)
{
	struct connection *c = arg;

	c->error = c->call->until_failure(c->s);
	c->ended = GetTickCount64();
	return NULL;
}

static void check_end(struct connection *c, uint64_t killed)
{
	struct timeval at_once = { 0, 0 };
	fd_set readable, writable;
	char byte;

	if (c->error != WSAECONNRESET)
		peer_fail("%s ended with %d", c->call->name, c->error);
	if (c->ended < killed)
		peer_fail("%s ended before the other process", c->call->name);
	printf("%s, %s: %" PRIu64 " ms\n", c->call->name, c->moving ? "moving" : "still",
	       c->ended - killed);
	if (c->ended - killed > SOON * peer_slow_factor())
		peer_fail("%s took %" PRIu64 " ms", c->call->name, c->ended - killed);
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(c->s, &readable);
	FD_SET(c->s, &writable);
	PEER_CHECK(select(0, &readable, &writable, NULL, &at_once) == 2);
	/* What had arrived can still be read by the calls that do not read. */
	while (recv(c->s, bytes, sizeof(bytes), 0) > 0)
		;
	PEER_CHECK(WSAGetLastError() == WSAECONNRESET);
	PEER_CHECK(recv(c->s, &byte, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	PEER_CHECK(send(c->s, &byte, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	PEER_CHECK(closesocket(c->s) == 0);
}

int main(int argc, char **argv)
{
	unsigned descriptors, mappings;
	uint64_t killed;
	size_t i;

	peer_start(100, 1000);
	if (argc < 2)
		peer_fail("usage: test_death connector|acceptor");
	victim_connects = strcmp(argv[1], "connector") == 0;
	peer_fork(victim);
	peer_winsock();
	Sleep(1);
	descriptors = peer_descriptors();
	mappings = peer_shared_mappings();
	open_all(!victim_connects);
	for (i = 0; i < CONNECTIONS; i++)
		PEER_CHECK(pthread_create(&connections[i].thread, NULL, survivor_thread,
					  &connections[i]) == 0);
	Sleep(500);
	killed = GetTickCount64();
	peer_signal(SIGKILL);
	for (i = 0; i < CONNECTIONS; i++)
		pthread_join(connections[i].thread, NULL);
	for (i = 0; i < CONNECTIONS; i++)
		check_end(&connections[i], killed);
	peer_bury(SIGKILL);
	peer_settle(descriptors - 2, mappings); /* without the two pipes */
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}

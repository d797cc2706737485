// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_messages.c - WSPAsyncSelect under a host that writes down what WPUPostMessage is given: which
 * messages come, in which order, after which calls, and that none comes when a socket is closed. What
 * WSPEventSelect and it have in common has the numbers of the former.
 */
#include "tests/conformance/host.h"

#define WINDOW	((HWND)(uintptr_t)0x10abc)
#define MESSAGE 0x8001u
#define SOON	(conf_long() / 2)
#define QUIET	150 /* ms; what must not happen gets this long */

static int select_message(SOCKET s, unsigned message, long events)
{
	return spi.lpWSPAsyncSelect(s, WINDOW, message, events, &host_error);
}

static int select_events(SOCKET s, long events)
{
	return select_message(s, MESSAGE, events);
}

/* Is this what the window gets next? */
static int told_by(unsigned message, SOCKET s, int event, int error)
{
	struct host_message m = { 0 };
	int right = host_next_message(&m, SOON) && m.window == WINDOW && m.message == message &&
		    m.s == s && m.event == event && m.error == error;

	if (!right)
		printf("message %#x: socket %#lx, event %#x, error %d\n", m.message,
		       (unsigned long)m.s, (unsigned)m.event, m.error);
	return right;
}

static int told(SOCKET s, int event, int error)
{
	return told_by(MESSAGE, s, event, error);
}

static int stays_quiet(void)
{
	struct host_message m;

	if (!host_next_message(&m, QUIET))
		return 1;
	printf("unexpected: event %#x, error %d\n", (unsigned)m.event, m.error);
	return 0;
}

/* A socket that has come back from another process is told anew what holds. */
static int told_nothing_else(unsigned message, SOCKET s, int event)
{
	struct host_message m;

	for (int i = 0; host_next_message(&m, QUIET); i++) {
		if (i == 10 || m.message != message || m.s != s || m.event != event) {
			printf("unexpected: message %#x, socket %#lx, event %#x\n", m.message,
			       (unsigned long)m.s, (unsigned)m.event);
			return 0;
		}
	}
	return 1;
}

static int would_block(SOCKET s)
{
	char c;

	return SPI_FAILS(host_recv(s, &c, 1), WSAEWOULDBLOCK);
}

/* Waits: for the network, not for a message. */
static int readable(SOCKET s)
{
	struct timeval limit = { (long)SOON / 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return spi.lpWSPSelect(0, &set, NULL, NULL, &limit, &host_error) == 1;
}

static int receive(SOCKET s, long bytes)
{
	static char block[16384];

	while (bytes > 0) {
		int n = host_recv(s, block,
				  bytes < (long)sizeof(block) ? (unsigned)bytes : sizeof(block));

		if (n == SOCKET_ERROR && host_error == WSAEWOULDBLOCK && readable(s))
			continue;
		if (n <= 0)
			return 0;
		bytes -= n;
	}
	return 1;
}

static int send_urgent(SOCKET s)
{
	WSABUF buffer = { 1, (char[]){ '!' } };
	DWORD bytes = 0;

	return spi.lpWSPSend(s, &buffer, 1, &bytes, MSG_OOB, NULL, NULL, NULL, &host_error);
}

/* A host that has no windows, such as the library's own on Linux. */
static void check_no_windows(void)
{
	WSPUPCALLTABLE table = host_table(0);
	WSPDATA data;
	SOCKET s;

	table.lpWPUPostMessage = NULL;
	if (WSPStartup(MAKEWORD(2, 2), &data, &host_protocol, table, &spi) != 0)
		abort();
	s = host_socket();
	CHECK(SPI_FAILS(select_events(s, FD_READ), WSAEOPNOTSUPP) &&
	      SPI_FAILS(select_events(s, 0), WSAEOPNOTSUPP) &&
	      SPI_FAILS(select_events(INVALID_SOCKET, FD_READ), WSAENOTSOCK) &&
	      host_nonblocking(s, 0) == 0);
	host_close(s);
	host_cleanup();
}

static void check_arguments(void)
{
	struct pair p;

	if (!host_open_pair(&p))
		abort();
	CHECK(SPI_FAILS(spi.lpWSPAsyncSelect(p.server, NULL, MESSAGE, FD_READ, &host_error),
			WSAEINVAL) &&
	      SPI_FAILS(select_events(p.server, 0x400), WSAEINVAL) &&
	      host_nonblocking(p.server, 0) == 0);
	CHECK_R(213, select_events(p.server, FD_READ) == 0 && would_block(p.server));
	CHECK_R(235, SPI_FAILS(host_nonblocking(p.server, 0), WSAEINVAL));
	/* What fails leaves the selection as it is. */
	CHECK(SPI_FAILS(select_events(p.server, 0x400), WSAEINVAL) &&
	      host_send(p.client, "x", 1) == 1 && told(p.server, FD_READ, 0));
	/* Nothing to tell, and whom would not matter. */
	CHECK_R(213, spi.lpWSPAsyncSelect(p.client, NULL, 0, 0, &host_error) == 0 &&
			     would_block(p.client));
	CHECK_R(236, select_events(p.server, 0) == 0 && host_nonblocking(p.server, 0) == 0 &&
			     host_nonblocking(p.client, 0) == 0);
	host_close_pair(&p);
	CHECK(stays_quiet());
}

/* The life of a program with windows: all events of both ends, each in its place. */
static void check_conversation(void)
{
	struct pair p;

	p.listener = host_listener(&p.at, 8);
	p.client = host_socket();
	CHECK(select_events(p.listener, FD_ACCEPT | FD_READ | FD_WRITE | FD_CLOSE) == 0 &&
	      select_message(p.client, MESSAGE + 1, FD_ALL_EVENTS) == 0);
	CHECK(SPI_FAILS(host_connect(p.client, &p.at), WSAEWOULDBLOCK));
	CHECK_R(229, readable(p.listener));
	Sleep(QUIET); /* the order among the two ends is nobody's */
	select_events(p.listener, 0);
	for (struct host_message m; host_next_message(&m, 0);) {
		static int at;
		static const int want[] = { FD_CONNECT, FD_WRITE };

		if (m.s == p.listener)
			CHECK_R(229, m.event == FD_ACCEPT && m.error == 0 && m.message == MESSAGE);
		else
			CHECK_R(230, at < 2 && m.s == p.client && m.event == want[at++] &&
					     m.error == 0 && m.message == MESSAGE + 1);
	}
	/* What is there is told at once. */
	CHECK_R(216, select_events(p.listener, FD_ACCEPT | FD_READ | FD_WRITE | FD_CLOSE) == 0 &&
			     told(p.listener, FD_ACCEPT, 0));
	p.server = host_accept(p.listener);
	CHECK_R(234, told(p.server, FD_WRITE, 0));
	CHECK_R(227,
		host_send(p.server, "hello", 5) == 5 && told_by(MESSAGE + 1, p.client, FD_READ, 0));
	CHECK_R(225, stays_quiet());
	CHECK_R(224, receive(p.client, 4) && told_by(MESSAGE + 1, p.client, FD_READ, 0));
	CHECK_R(225, receive(p.client, 1) && stays_quiet());
	CHECK_R(227,
		host_send(p.client, "data", 4) == 4 && told(p.server, FD_READ, 0) && stays_quiet());
	/* The end comes after the bytes before it, and once. */
	spi.lpWSPShutdown(p.client, SD_SEND, &host_error);
	CHECK_R(231, stays_quiet() && receive(p.server, 4) && told(p.server, FD_CLOSE, 0));
	CHECK_R(232, host_recv(p.server, &(char){ 0 }, 1) == 0 && stays_quiet());
	host_close(p.server);
	CHECK_R(231, told_by(MESSAGE + 1, p.client, FD_CLOSE, 0) && stays_quiet());
	host_close(p.client);
	host_close(p.listener);
	CHECK_R(201, stays_quiet());
}

static void check_failures(void)
{
	struct linger hard = { 1, 0 };
	struct address nowhere = loopback(1);
	SOCKET s = host_socket();
	struct pair p;

	CHECK(select_events(s, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) == 0 &&
	      SPI_FAILS(host_connect(s, &nowhere), WSAEWOULDBLOCK) &&
	      told(s, FD_CONNECT, WSAECONNREFUSED) && stays_quiet());
	host_close(s);
	if (!host_open_pair(&p))
		abort();
	select_events(p.server, FD_READ | FD_CLOSE);
	spi.lpWSPSetSockOpt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard),
			    &host_error);
	host_close(p.client);
	CHECK_R(231, told(p.server, FD_CLOSE, WSAECONNRESET) && stays_quiet());
	host_close(p.server);
	host_close(p.listener);
}

/* Each is told again only after the call that enables it, be it one that fails. */
static void check_enabling(void)
{
	static char block[16384];
	struct host_message m;
	SOCKET clients[2];
	long sent = 0;
	struct pair p;
	int n;

	if (!host_open_pair(&p))
		abort();
	select_events(p.server, FD_READ);
	host_send(p.client, "ab", 2);
	CHECK_R(226, told(p.server, FD_READ, 0) &&
			     SPI_FAILS(spi.lpWSPRecv(p.server, NULL, 1, NULL, NULL, NULL, NULL,
						     NULL, &host_error),
				       WSAEFAULT) &&
			     told(p.server, FD_READ, 0) && receive(p.server, 2) &&
			     would_block(p.server) && stays_quiet());
	select_events(p.server, 0);
	CHECK_R(228, select_events(p.client, FD_WRITE) == 0 && told(p.client, FD_WRITE, 0));
	/* Buffers grow with use: each growth is room that returns. */
	do {
		while ((n = host_send(p.client, block, sizeof(block))) > 0)
			sent += n;
		CHECK_R(228, host_error == WSAEWOULDBLOCK);
	} while (host_next_message(&m, QUIET));
	CHECK_R(228, receive(p.server, sent) && told(p.client, FD_WRITE, 0) &&
			     host_send(p.client, "y", 1) == 1 && stays_quiet());
	for (int i = 0; i < 2; i++) {
		clients[i] = host_socket();
		host_connect(clients[i], &p.at);
	}
	CHECK_R(229, readable(p.listener) && select_events(p.listener, FD_ACCEPT) == 0 &&
			     told(p.listener, FD_ACCEPT, 0) && stays_quiet());
	CHECK_R(229, host_close(host_accept(p.listener)) == 0 && told(p.listener, FD_ACCEPT, 0));
	CHECK_R(229, host_close(host_accept(p.listener)) == 0 && stays_quiet());
	for (int i = 0; i < 2; i++)
		host_close(clients[i]);
	host_close_pair(&p);
}

static void check_urgent(void)
{
	DWORD bytes = 0, flags = MSG_OOB;
	struct pair p;
	char c;
	WSABUF buffer = { 1, &c };

	if (!host_open_pair(&p))
		abort();
	CHECK_R(233, select_events(p.server, FD_READ | FD_OOB) == 0 && send_urgent(p.client) == 0 &&
			     told(p.server, FD_OOB, 0));
	CHECK_R(233, stays_quiet() &&
			     spi.lpWSPRecv(p.server, &buffer, 1, &bytes, &flags, NULL, NULL, NULL,
					   &host_error) == 0 &&
			     stays_quiet());
	CHECK_R(233, send_urgent(p.client) == 0 && told(p.server, FD_OOB, 0));
	host_close_pair(&p);
}

/* The last selection counts, of whichever kind it is. */
static void check_replacing(void)
{
	WSAEVENT event = WPUCreateEvent(&host_error);
	WSANETWORKEVENTS got = { 0 };
	struct pair p;

	if (!host_open_pair(&p))
		abort();
	host_send(p.client, "x", 1);
	CHECK_R(214, readable(p.server) && select_events(p.server, FD_READ) == 0 &&
			     told(p.server, FD_READ, 0));
	/* A record of messages is none that can be fetched. */
	CHECK_R(223, spi.lpWSPEnumNetworkEvents(p.server, NULL, &got, &host_error) == 0 &&
			     got.lNetworkEvents == 0);
	CHECK_R(214, spi.lpWSPEventSelect(p.server, event, FD_READ, &host_error) == 0 &&
			     stays_quiet() && WaitForSingleObject(event, 0) == WAIT_OBJECT_0 &&
			     spi.lpWSPEnumNetworkEvents(p.server, event, &got, &host_error) == 0 &&
			     got.lNetworkEvents == FD_READ);
	CHECK_R(214, select_events(p.server, FD_READ) == 0 && told(p.server, FD_READ, 0) &&
			     WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
	CHECK_R(214, select_message(p.server, MESSAGE + 7, FD_READ | FD_WRITE) == 0 &&
			     told_by(MESSAGE + 7, p.server, FD_READ, 0) &&
			     told_by(MESSAGE + 7, p.server, FD_WRITE, 0) && stays_quiet());
	CHECK_R(215, select_events(p.server, 0) == 0 && receive(p.server, 1) &&
			     host_send(p.client, "y", 1) == 1 && readable(p.server) &&
			     stays_quiet());
	CHECK_R(215, spi.lpWSPEventSelect(p.server, event, FD_READ, &host_error) == 0 &&
			     select_events(p.server, 0) == 0 && receive(p.server, 1) &&
			     spi.lpWSPEnumNetworkEvents(p.server, event, &got, &host_error) == 0 &&
			     got.lNetworkEvents == 0);
	host_close_pair(&p);
	WPUCloseEvent(event, &host_error);
}

/* The other descriptor of a shared socket takes the selection away. */
static void check_shared(void)
{
	WSAPROTOCOL_INFOW info;
	struct pair p;
	SOCKET other;

	if (conf_system_tcp()) /* which shares none */
		return;
	if (!host_open_pair(&p))
		abort();
	CHECK_R(214,
		spi.lpWSPDuplicateSocket(p.server, GetCurrentProcessId(), &info, &host_error) == 0);
	other = spi.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info,
				0, WSA_FLAG_OVERLAPPED, &host_error);
	CHECK_R(214, select_events(p.server, FD_READ) == 0 && host_send(p.client, "a", 1) == 1 &&
			     told(p.server, FD_READ, 0) && receive(p.server, 1));
	CHECK_R(214, select_message(other, MESSAGE + 1, FD_READ) == 0 &&
			     host_send(p.client, "b", 1) == 1 &&
			     told_by(MESSAGE + 1, other, FD_READ, 0) &&
			     told_nothing_else(MESSAGE + 1, other, FD_READ));
	host_close(other);
	host_close_pair(&p);
}

/* The window has gone: its message is lost, and nothing else. */
static void check_no_window(void)
{
	struct pair p;

	if (!host_open_pair(&p))
		abort();
	host_no_window = true;
	CHECK(select_events(p.server, FD_READ | FD_CLOSE) == 0 &&
	      host_send(p.client, "abc", 3) == 3 && readable(p.server) && stays_quiet());
	host_no_window = false;
	CHECK(stays_quiet() && receive(p.server, 1) && told(p.server, FD_READ, 0));
	CHECK(receive(p.server, 2) && host_send(p.client, "d", 1) == 1 &&
	      told(p.server, FD_READ, 0) && receive(p.server, 1));
	host_close(p.client);
	CHECK(told(p.server, FD_CLOSE, 0) && stays_quiet());
	host_close(p.server);
	host_close(p.listener);
}

struct trickle {
	SOCKET s;
	unsigned count;
};

static void trickle_run(void *arg)
{
	struct trickle *t = arg;

	for (unsigned i = 0; i < t->count; i++)
		host_send(t->s, "t", 1);
	host_close(t->s);
}

/* Bytes that come while others are read: if one message were lost, the next would never come. */
static void check_none_is_lost(void)
{
	struct trickle t = { INVALID_SOCKET, 3000 };
	struct conf_thread *thread;
	struct host_message m = { 0 };
	unsigned sum = 0;
	struct pair p;
	char block[3];

	if (!host_open_pair(&p))
		abort();
	select_events(p.server, FD_READ | FD_CLOSE);
	t.s = p.client;
	thread = thread_run(trickle_run, &t);
	while (host_next_message(&m, SOON) && m.event == FD_READ) {
		int n = host_recv(p.server, block, sizeof(block));

		sum += n > 0 ? (unsigned)n : 0;
	}
	CHECK_R(224, sum == t.count && m.event == FD_CLOSE && m.error == 0);
	thread_join(thread);
	host_close(p.server);
	host_close(p.listener);
}

/* A byte comes, and whoever tells the window of it is in the middle of doing so. */
static struct conf_thread *start_telling(struct pair *p, struct trickle *t)
{
	struct conf_thread *thread;

	if (!host_open_pair(p))
		abort();
	select_events(p->server, FD_READ);
	host_post_ms = QUIET;
	*t = (struct trickle){ p->client, 1 };
	thread = thread_run(trickle_run, t);
	while (!host_posts)
		Sleep(1);
	return thread;
}

/* Two threads that tell a window do not overtake each other. */
static void check_order(void)
{
	struct conf_thread *thread;
	struct trickle t;
	struct pair p;

	thread = start_telling(&p, &t);
	CHECK(select_message(p.server, MESSAGE + 1, FD_READ) == 0 && told(p.server, FD_READ, 0) &&
	      told_by(MESSAGE + 1, p.server, FD_READ, 0));
	thread_join(thread);
	host_close(p.server);
	host_close(p.listener);
}

/* Nothing is told of a closed descriptor, which the host may have given to another socket. */
static void check_none_after_close(void)
{
	struct conf_thread *thread;
	struct host_message m;
	unsigned late = 0;
	struct trickle t;
	struct pair p;

	thread = start_telling(&p, &t);
	host_close(p.server);
	CHECK_R(201, host_next_message(&m, 0) && m.s == p.server && stays_quiet());
	thread_join(thread);
	host_close(p.listener);
	for (unsigned i = 0; i < host_handles(); i++)
		late += host_handle_at(i).late;
	CHECK_R(201, late == 0);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	check_no_windows();
	if (host_startup(0) != 0)
		abort();
	check_arguments();
	check_conversation();
	check_failures();
	check_enabling();
	check_urgent();
	check_replacing();
	check_shared();
	check_no_window();
	check_none_is_lost();
	check_order();
	check_none_after_close();
	CHECK(host_open_handles() == 0);
	host_cleanup();
	return check_result();
}

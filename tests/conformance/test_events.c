// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_events.c - WSAEventSelect and WSAEnumNetworkEvents: selection, record, re-enabling of every
 * event that a stream has.
 */
#include "tests/conformance/events.h"

#define BOGUS ((WSAEVENT)(uintptr_t)0x1234)

static WSAEVENT event;

static void check_mode(void)
{
	u_long off = 0;
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	CHECK_R(213, WSAEventSelect(p.server, event, FD_WRITE) == 0 &&
			     FAILS(recv(p.server, &c, 1, 0), WSAEWOULDBLOCK));
	CHECK_R(235, FAILS(ioctlsocket(p.server, FIONBIO, &off), WSAEINVAL) &&
			     FAILS(recv(p.server, &c, 1, 0), WSAEWOULDBLOCK));
	/* Mask 0 makes nonblocking, too; only then is FIONBIO allowed. */
	CHECK_R(213, WSAEventSelect(p.client, NULL, 0) == 0 &&
			     FAILS(recv(p.client, &c, 1, 0), WSAEWOULDBLOCK));
	CHECK_R(236, ioctlsocket(p.client, FIONBIO, &off) == 0);
	CHECK_R(236, WSAEventSelect(p.server, NULL, 0) == 0 &&
			     ioctlsocket(p.server, FIONBIO, &off) == 0);
	send(p.client, "b", 1, 0);
	CHECK_R(236, recv(p.server, &c, 1, 0) == 1 && c == 'b');
	CHECK(FAILS(WSAEventSelect(p.server, event, 0x400), WSAEINVAL));
	CHECK(FAILS(WSAEventSelect(p.server, NULL, FD_READ), WSAEINVAL));
	CHECK(FAILS(WSAEventSelect(INVALID_SOCKET, event, FD_READ), WSAENOTSOCK));
	close_pair(&p);
}

static void check_selection(void)
{
	WSAEVENT other = WSACreateEvent();
	WSANETWORKEVENTS got;
	struct pair p;
	char text[8];

	if (!open_pair(&p))
		return;
	/* What holds already is told at once: the event is set when the call returns. */
	send(p.client, "four", 4, 0);
	CHECK_R(216, await_readable(p.server) && WSAEventSelect(p.server, event, FD_READ) == 0 &&
			     signalled(event, 0));
	/* Only what is selected is told; the record of before is gone with its selection. */
	CHECK_R(214, WSAEventSelect(p.server, other, FD_CLOSE) == 0 &&
			     fetch(p.server, event, &got) == 0);
	WSAResetEvent(event);
	send(p.client, "more", 4, 0);
	CHECK_R(223, stays_quiet(p.server, other));
	CHECK_R(214, !signalled(event, 0));
	CHECK_R(216, WSAEventSelect(p.server, other, FD_READ | FD_WRITE) == 0 &&
			     signalled(other, 0) &&
			     fetch(p.server, other, &got) == (FD_READ | FD_WRITE));
	CHECK_R(214, !signalled(event, 0));
	CHECK_R(215, WSAEventSelect(p.server, BOGUS, 0) == 0);
	drain(p.server, 8);
	send(p.client, "last", 4, 0);
	CHECK_R(215, await_readable(p.server) && !signalled(other, QUIET) &&
			     fetch(p.server, NULL, &got) == 0);
	CHECK_R(215, recv(p.server, text, 8, 0) == 4);
	/* Closing ends the selection and leaves the event object alone. */
	WSAEventSelect(p.server, other, FD_ALL_EVENTS);
	closesocket(p.server);
	WSAResetEvent(other);
	CHECK_R(237, WSASetEvent(other) && signalled(other, 0) && WSAResetEvent(other) &&
			     !signalled(other, 0));
	CHECK_R(237, WSACloseEvent(other));
	closesocket(p.client);
	closesocket(p.listener);
}

static void check_record(void)
{
	WSANETWORKEVENTS got;
	struct pair p;
	int codes[FD_MAX_EVENTS], same = 1;

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_OOB | FD_CLOSE);
	send(p.client, "x", 1, 0);
	CHECK_R(222, signalled(event, SOON) &&
			     FAILS(WSAEnumNetworkEvents(p.server, event, NULL), WSAEFAULT) &&
			     signalled(event, 0));
	memset(&got, 0x55, sizeof(got));
	CHECK_R(222, WSAEnumNetworkEvents(p.server, BOGUS, &got) == SOCKET_ERROR &&
			     signalled(event, 0) && got.lNetworkEvents == 0x55555555);
	CHECK_R(219, WSAEnumNetworkEvents(p.server, event, &got) == 0 &&
			     got.lNetworkEvents == FD_READ && !signalled(event, 0));
	for (unsigned i = 0; i < FD_MAX_EVENTS; i++)
		same &= i == FD_READ_BIT || got.iErrorCode[i] == 0x55555555;
	CHECK_R(221, same && got.iErrorCode[FD_READ_BIT] == 0);
	CHECK_R(219, fetch(p.server, event, &got) == 0);
	drain(p.server, 1);
	send(p.client, "y", 1, 0);
	CHECK_R(220, signalled(event, SOON));
	/* Without an event in the call the record is cleared and ours stays set. */
	CHECK_R(219, fetch(p.server, NULL, &got) == FD_READ && signalled(event, 0) &&
			     fetch(p.server, event, &got) == 0 && !signalled(event, 0));
	closesocket(p.client);
	drain(p.server, 1);
	CHECK_R(220, await_events(p.server, event, FD_CLOSE, codes) == FD_CLOSE);
	closesocket(p.server);
	closesocket(p.listener);
}

struct trickle {
	SOCKET s;
	unsigned count;
};

static void trickle_run(void *arg)
{
	struct trickle *t = arg;

	for (unsigned i = 0; i < t->count; i++)
		send(t->s, "t", 1, 0);
}

/* No event may fall between the fetch and the reset: then a wait would never end. */
static void check_atomic(void)
{
	struct trickle t = { INVALID_SOCKET, 5000 };
	struct conf_thread *thread;
	WSANETWORKEVENTS got;
	unsigned sum = 0;
	struct pair p;
	char block[3];

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ);
	t.s = p.client;
	thread = thread_run(trickle_run, &t);
	while (sum < t.count && signalled(event, SOON)) {
		int n;

		if (fetch(p.server, event, &got) != FD_READ)
			continue;
		n = recv(p.server, block, sizeof(block), 0);
		sum += n > 0 ? (unsigned)n : 0;
	}
	CHECK_R(219, sum == t.count);
	thread_join(thread);
	close_pair(&p);
}

static void check_read(void)
{
	WSANETWORKEVENTS got;
	struct pair p;
	WSABUF buffer = { 1, NULL };
	DWORD bytes;
	char text[16];

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_CLOSE);
	send(p.client, "0123456789", 10, 0);
	CHECK_R(224, await_events(p.server, event, FD_READ, NULL) == FD_READ);
	CHECK_R(224, recv(p.server, text, 4, 0) == 4 && signalled(event, 0) &&
			     fetch(p.server, event, &got) == FD_READ);
	CHECK_R(224, recv(p.server, text, 2, MSG_PEEK) == 2 && signalled(event, 0) &&
			     fetch(p.server, event, &got) == FD_READ);
	CHECK_R(225, stays_quiet(p.server, event));
	send(p.client, "abc", 3, 0);
	CHECK_R(225, stays_quiet(p.server, event));
	CHECK_R(226, FAILS(recv(p.server, text, 1, 0x4000), WSAEOPNOTSUPP) && signalled(event, 0) &&
			     fetch(p.server, event, &got) == FD_READ);
	CHECK_R(226, FAILS(WSARecv(p.server, &buffer, 1, &bytes, NULL, NULL, NULL), WSAEFAULT) &&
			     signalled(event, 0) && fetch(p.server, event, &got) == FD_READ);
	CHECK_R(225, drain(p.server, 9) && stays_quiet(p.server, event));
	/* A receive that found nothing enables it, too. */
	send(p.client, "d", 1, 0);
	CHECK_R(226, await_events(p.server, event, FD_READ, NULL) == FD_READ &&
			     recv(p.server, text, 1, 0) == 1 &&
			     FAILS(recv(p.server, text, 1, 0), WSAEWOULDBLOCK) &&
			     stays_quiet(p.server, event));
	send(p.client, "e", 1, 0);
	CHECK_R(226, await_events(p.server, event, FD_READ, NULL) == FD_READ);
	close_pair(&p);
}

static void check_write(void)
{
	int codes[FD_MAX_EVENTS] = { 0 };
	WSANETWORKEVENTS got;
	struct pair p;
	long sent;

	p.listener = listener_on(&p.at, 8);
	p.client = stream_socket();
	WSAEventSelect(p.client, event, FD_CONNECT | FD_WRITE);
	CHECK_R(230, FAILS(connect_to(p.client, &p.at), WSAEWOULDBLOCK));
	codes[FD_CONNECT_BIT] = 1;
	CHECK_R(227, await_events(p.client, event, FD_CONNECT | FD_WRITE, codes) ==
			     (FD_CONNECT | FD_WRITE));
	CHECK_R(230, codes[FD_CONNECT_BIT] == 0);
	p.server = accept(p.listener, NULL, NULL);
	CHECK_R(227, send(p.client, "x", 1, 0) == 1 && stays_quiet(p.client, event));
	CHECK_R(230, stays_quiet(p.client, event));
	/* Room that comes back is told only to who had found none. */
	CHECK_R(228, drain(p.server, 1) && stays_quiet(p.client, event));
	/* Buffers grow with use: each growth is room that returns. */
	for (sent = fill(p.client); signalled(event, QUIET); sent += fill(p.client))
		CHECK_R(228, fetch(p.client, event, &got) == FD_WRITE);
	CHECK_R(228, sent > 0 && FAILS(send(p.client, "y", 1, 0), WSAEWOULDBLOCK) &&
			     stays_quiet(p.client, event));
	CHECK_R(228, drain(p.server, sent) &&
			     await_events(p.client, event, FD_WRITE, codes) == FD_WRITE &&
			     codes[FD_WRITE_BIT] == 0);
	CHECK_R(228, send(p.client, "y", 1, 0) == 1 && stays_quiet(p.client, event));
	close_pair(&p);
	/* After accept the same once, for the socket that inherited the selection. */
	p.listener = listener_on(&p.at, 8);
	WSAEventSelect(p.listener, event, FD_ACCEPT | FD_WRITE);
	p.client = stream_socket();
	connect_to(p.client, &p.at);
	CHECK_R(227, await_events(p.listener, event, FD_ACCEPT, NULL) == FD_ACCEPT);
	p.server = accept(p.listener, NULL, NULL);
	CHECK_R(227, await_events(p.server, event, FD_WRITE, NULL) == FD_WRITE);
	CHECK_R(227, send(p.server, "z", 1, 0) == 1);
	CHECK_R(227, stays_quiet(p.server, event));
	close_pair(&p);
}

static void check_connect_failure(void)
{
	int codes[FD_MAX_EVENTS] = { 0 };
	struct address at = loopback(1);
	SOCKET s = stream_socket();

	WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_READ | FD_CLOSE);
	CHECK(FAILS(connect_to(s, &at), WSAEWOULDBLOCK) &&
	      await_events(s, event, FD_CONNECT, codes) == FD_CONNECT &&
	      codes[FD_CONNECT_BIT] == WSAECONNREFUSED && stays_quiet(s, event));
	closesocket(s);
}

static void check_accept(void)
{
	struct address at;
	SOCKET listener = listener_on(&at, 8), clients[3], servers[3];
	WSANETWORKEVENTS got;
	unsigned i;

	WSAEventSelect(listener, event, FD_ACCEPT);
	for (i = 0; i < 2; i++) {
		clients[i] = stream_socket();
		connect_to(clients[i], &at);
	}
	CHECK_R(229, await_events(listener, event, FD_ACCEPT, NULL) == FD_ACCEPT &&
			     stays_quiet(listener, event));
	servers[0] = accept(listener, NULL, NULL);
	CHECK_R(229, servers[0] != INVALID_SOCKET && signalled(event, 0) &&
			     fetch(listener, event, &got) == FD_ACCEPT);
	servers[1] = accept(listener, NULL, NULL);
	CHECK_R(229, servers[1] != INVALID_SOCKET && stays_quiet(listener, event));
	clients[2] = stream_socket();
	connect_to(clients[2], &at);
	CHECK_R(229, await_events(listener, event, FD_ACCEPT, NULL) == FD_ACCEPT);
	servers[2] = accept(listener, NULL, NULL);
	CHECK_R(229, servers[2] != INVALID_SOCKET &&
			     accept(listener, NULL, NULL) == INVALID_SOCKET &&
			     WSAGetLastError() == WSAEWOULDBLOCK && stays_quiet(listener, event));
	for (i = 0; i < 3; i++) {
		closesocket(clients[i]);
		closesocket(servers[i]);
	}
	closesocket(listener);
}

static void check_close(void)
{
	struct linger hard = { 1, 0 };
	int codes[FD_MAX_EVENTS];
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_CLOSE);
	send(p.client, "last", 4, 0);
	shutdown(p.client, SD_SEND);
	codes[FD_CLOSE_BIT] = -1;
	/* The end is told when all data before it could be read. */
	CHECK_R(231, await_events(p.server, event, FD_READ, codes) == FD_READ &&
			     stays_quiet(p.server, event));
	CHECK_R(231, drain(p.server, 4) &&
			     await_events(p.server, event, FD_CLOSE, codes) == FD_CLOSE &&
			     codes[FD_CLOSE_BIT] == 0);
	CHECK_R(232, recv(p.server, &c, 1, 0) == 0 && stays_quiet(p.server, event));
	close_pair(&p);
	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_CLOSE);
	closesocket(p.client);
	CHECK_R(232, await_events(p.server, event, FD_CLOSE, codes) == FD_CLOSE &&
			     codes[FD_CLOSE_BIT] == 0 && stays_quiet(p.server, event));
	closesocket(p.server);
	closesocket(p.listener);
	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_CLOSE);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.client);
	CHECK_R(231, await_events(p.server, event, FD_CLOSE, codes) == FD_CLOSE &&
			     codes[FD_CLOSE_BIT] == WSAECONNRESET);
	CHECK_R(232, stays_quiet(p.server, event));
	closesocket(p.server);
	closesocket(p.listener);
}

static void check_oob(void)
{
	int codes[FD_MAX_EVENTS], on = 1;
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ | FD_OOB);
	send(p.client, "!", 1, MSG_OOB);
	CHECK_R(233, await_events(p.server, event, FD_OOB, codes) == FD_OOB &&
			     codes[FD_OOB_BIT] == 0 && stays_quiet(p.server, event));
	CHECK_R(233,
		recv(p.server, &c, 1, MSG_OOB) == 1 && c == '!' && stays_quiet(p.server, event));
	setsockopt(p.server, SOL_SOCKET, SO_OOBINLINE, (char *)&on, sizeof(on));
	send(p.client, "?", 1, MSG_OOB);
	CHECK_R(233, await_events(p.server, event, FD_READ, codes) == FD_READ &&
			     recv(p.server, &c, 1, 0) == 1 && c == '?' &&
			     stays_quiet(p.server, event));
	close_pair(&p);
}

static void check_inherit(void)
{
	WSAEVENT own = WSACreateEvent();
	WSANETWORKEVENTS got;
	struct pair p;
	char c;

	p.listener = listener_on(&p.at, 8);
	WSAEventSelect(p.listener, event, FD_ACCEPT | FD_READ | FD_CLOSE);
	p.client = stream_socket();
	connect_to(p.client, &p.at);
	await_events(p.listener, event, FD_ACCEPT, NULL);
	p.server = accept(p.listener, NULL, NULL);
	send(p.client, "x", 1, 0);
	CHECK_R(234, await_events(p.server, event, FD_READ, NULL) == FD_READ);
	CHECK_R(234, recv(p.server, &c, 1, 0) == 1 && stays_quiet(p.server, event));
	/* Its own selection then leaves the listener's as it is. */
	CHECK_R(234, WSAEventSelect(p.server, own, FD_CLOSE) == 0);
	closesocket(p.client);
	CHECK_R(234,
		await_events(p.server, own, FD_CLOSE, NULL) == FD_CLOSE && !signalled(event, 0));
	p.client = stream_socket();
	connect_to(p.client, &p.at);
	CHECK_R(234, await_events(p.listener, event, FD_ACCEPT, NULL) == FD_ACCEPT &&
			     !signalled(own, 0) && fetch(p.server, own, &got) == 0);
	close_pair(&p);
	WSACloseEvent(own);
}

/* A request and a connection that are there when the selection is made. */
static void check_already(void)
{
	WSANETWORKEVENTS got;
	struct pair p;

	if (!open_pair(&p))
		return;
	CHECK_R(216, WSAEventSelect(p.client, event, FD_CONNECT | FD_WRITE) == 0 &&
			     signalled(event, 0) &&
			     fetch(p.client, event, &got) == (FD_CONNECT | FD_WRITE));
	closesocket(p.client);
	CHECK_R(216, await_readable(p.server) && WSAEventSelect(p.server, event, FD_CLOSE) == 0 &&
			     signalled(event, 0) && fetch(p.server, event, &got) == FD_CLOSE);
	p.client = stream_socket();
	connect_to(p.client, &p.at);
	CHECK_R(216, await_readable(p.listener) &&
			     WSAEventSelect(p.listener, event, FD_ACCEPT) == 0 &&
			     signalled(event, 0) && fetch(p.listener, event, &got) == FD_ACCEPT);
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	event = WSACreateEvent();
	check_mode();
	check_selection();
	check_record();
	check_atomic();
	check_read();
	check_write();
	check_connect_failure();
	check_accept();
	check_close();
	check_oob();
	check_inherit();
	check_already();
	WSACloseEvent(event);
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain.c - peers with OpenWSD and without, in the standard order of paths: who is reached how, what a plain
 * server sees of us, what is remembered.
 */
#include "tests/lib/test.h"
#include "tests/plain/cases.h"
#include "tests/plain/system.h"

/* --- connect --- */

/* A plain server gets one connection and the program's bytes, nothing else, by whatever path we tried before. */
static void check_server_sees_nothing_of_us(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	char bytes[16];
	SOCKET s;

	over("shm,tcp,plain");
	s = connected(port);
	peer = system_accept(listener);
	PEER_CHECK(peer >= 0 && system_silent(peer, 300) && system_nobody(listener, 0));
	PEER_CHECK(send(s, "hello", 5, 0) == 5);
	PEER_CHECK(system_receive(peer, bytes, 5) == 5 && memcmp(bytes, "hello", 5) == 0);
	system_send(peer, "world", 5);
	PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == 5 && memcmp(bytes, "world", 5) == 0);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain"));
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS,
			    "shm: nobody listens at that address (-62); "
			    "tcp: nobody listens at that address (-62)"));
	if (!system_is_wine) /* behind its own end it would hear of none */
		PEER_CHECK(shutdown(s, SD_SEND) == 0 && system_receive(peer, bytes, 1) == 0);
	system_reset(peer);
	PEER_CHECK(recv(s, bytes, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	PEER_CHECK(closesocket(s) == 0);
	system_close(listener);
}

/* The second connect goes straight there, and says why; but not for ever. */
static void check_memory(void)
{
	uint32_t port = 0, other = 0;
	int listener = system_listen(&port, 8), later = system_listen(&other, 8);
	SOCKET s;

	over("shm,tcp,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain") &&
		   text_has(s, SO_OPENWSD_REASONS,
			    "openwsd: nothing answers there by this path (-70)"));
	PEER_CHECK(closesocket(s) == 0);
	PEER_CHECK(setenv("WSD_ANSWER_MEMORY", "50", 1) == 0);
	PEER_CHECK(closesocket(connected(other)) == 0);
	Sleep(100);
	s = connected(other);
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS, "shm: nobody listens at that address (-62)"));
	PEER_CHECK(closesocket(s) == 0);
	system_close(listener);
	system_close(later);
}

static void server_of_shm(void)
{
	struct sockaddr_in at = peer_address(peer_hear());
	SOCKET s, client;

	over("shm");
	s = peer_socket();
	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s, 8) == 0);
	peer_tell(1);
	client = accept(s, NULL, NULL);
	PEER_CHECK(client != INVALID_SOCKET);
	PEER_CHECK(peer_hear() == 2 && closesocket(client) == 0 && closesocket(s) == 0);
	WSACleanup();
}

/* The plain server gives way to one with OpenWSD that no plain peer reaches: what was remembered is forgotten
 * within the connect. */
static void check_memory_is_no_trap(void)
{
	uint32_t port = 0;
	int listener;
	SOCKET s;

	peer_fork(server_of_shm);
	listener = system_listen(&port, 8);
	over("shm,tcp,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(system_accept(listener));
	system_close(listener);
	peer_tell(port);
	PEER_CHECK(peer_hear() == 1);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "shm"));
	peer_tell(2);
	PEER_CHECK(closesocket(s) == 0);
	peer_join();
}

static bool selects(SOCKET s, bool except, long seconds)
{
	struct timeval limit = { seconds, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, except ? NULL : &set, NULL, except ? &set : NULL, &limit) == 1;
}

static int opened(uint32_t port, int listener, SOCKET *s)
{
	int peer;

	*s = connected(port);
	peer = system_accept(listener);
	PEER_CHECK(peer >= 0);
	return peer;
}

/* A mark behind bytes of which nobody wanted to be told any more: the first question finds it ahead. */
static void check_quiet_mark(int peer, SOCKET s)
{
	u_long at_mark = 1;
	int left = 0;
	char byte;

	for (int i = 0; i < 20; i++) { /* always one more than is read */
		system_send(peer, "xy", 2);
		PEER_CHECK(recv(s, &byte, 1, 0) == 1 && byte == (i % 2 ? 'y' : 'x'));
		Sleep(5);
	}
	system_send_urgent(peer, 'u');
	Sleep(100);
	PEER_CHECK(ioctlsocket(s, SIOCATMARK, &at_mark) == 0 && !at_mark);
	for (; !at_mark; left++) {
		PEER_CHECK(recv(s, &byte, 1, 0) == 1);
		PEER_CHECK(ioctlsocket(s, SIOCATMARK, &at_mark) == 0);
	}
	PEER_CHECK((left == 20 || system_is_wine) && recv(s, &byte, 1, MSG_OOB) == 1 &&
		   byte == 'u');
	PEER_CHECK(closesocket(s) == 0);
	system_close(peer);
}

/* What happened before anybody asked a connection for news is found by the first who asks. */
static void check_first_look(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	struct sockaddr_in own;
	int length = sizeof(own);
	WSANETWORKEVENTS events;
	WSAEVENT event;
	SOCKET s;
	char byte;

	over("shm,plain");
	event = WSACreateEvent();
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(system_accept(listener));

	peer = opened(port, listener, &s); /* the end */
	PEER_CHECK(getsockname(s, (struct sockaddr *)&own, &length) == 0 &&
		   own.sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
		   ntohs(own.sin_port) == system_peer_port(peer));
	PEER_CHECK(!selects(s, false, 0));
	PEER_CHECK(closesocket(s) == 0);
	system_close(peer);
	peer = opened(port, listener, &s);
	system_close(peer);
	PEER_CHECK(selects(s, false, 10) && recv(s, &byte, 1, 0) == 0 && closesocket(s) == 0);

	peer = opened(port, listener, &s); /* an urgent byte */
	system_send_urgent(peer, 'u');
	PEER_CHECK(selects(s, true, 10));
	PEER_CHECK(recv(s, &byte, 1, MSG_OOB) == 1 && byte == 'u' && closesocket(s) == 0);
	system_close(peer);

	peer = opened(port, listener, &s);
	check_quiet_mark(peer, s);

	peer = opened(port, listener, &s); /* bytes and the end, by events */
	system_send(peer, "x", 1);
	system_close(peer);
	PEER_CHECK(WSAEventSelect(s, event, FD_READ | FD_CLOSE) == 0);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK(events.lNetworkEvents & FD_READ);
	PEER_CHECK(recv(s, &byte, 1, 0) == 1 && byte == 'x');
	PEER_CHECK(recv(s, &byte, 1, 0) == 0 && closesocket(s) == 0);

	peer = opened(port, listener, &s); /* what was never read resets the peer */
	system_send(peer, "x", 1);
	PEER_CHECK(closesocket(s) == 0 && system_was_reset(peer));
	system_close(peer);
	PEER_CHECK(WSACloseEvent(event));
	system_close(listener);
}

/* 50 ms after its beginning an engine begins to look after a connection, and just then it is closed. */
static void check_closed_when_looked_at(void)
{
	enum { AT_ONCE = 16, ROUNDS = 20 };
	uint32_t port = 0;
	int listener = system_listen(&port, AT_ONCE), peer[AT_ONCE];
	SOCKET s[AT_ONCE];
	char byte;

	over("shm,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(system_accept(listener));
	for (DWORD round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < AT_ONCE; i++)
			peer[i] = opened(port, listener, &s[i]);
		Sleep(44 + round % 8);
		for (int i = 0; i < AT_ONCE; i++)
			PEER_CHECK(closesocket(s[i]) == 0);
		for (int i = 0; i < AT_ONCE; i++) {
			PEER_CHECK(system_receive(peer[i], &byte, 1) == 0);
			system_close(peer[i]);
		}
	}
	system_close(listener);
}

/* A hard close resets what the system has connected, though nobody has been told of the connection yet. */
static void check_reset_when_connecting(void)
{
	const struct linger hard = { 1, 0 };
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	u_long on = 1;
	SOCKET s;

	over("plain");
	for (int i = 0; i < 50; i++) {
		s = peer_socket();
		PEER_CHECK(ioctlsocket(s, (int)FIONBIO, &on) == 0 &&
			   setsockopt(s, SOL_SOCKET, SO_LINGER, (const char *)&hard,
				      sizeof(hard)) == 0);
		PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK && closesocket(s) == 0);
		peer = system_accept(listener);
		PEER_CHECK(peer >= 0 && system_was_reset(peer));
		system_close(peer);
	}
	system_close(listener);
}

/* No route leads there: known before anything is sent. The port goes back to who is bound to it. */
static void check_unreachable(void)
{
	struct sockaddr_in at = peer_address(0), nowhere = peer_address(9);
	int length = sizeof(at), next;
	u_long on = 1;
	uint32_t port;
	SOCKET s;

	over("plain");
	s = peer_socket();
	nowhere.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		   getsockname(s, (struct sockaddr *)&at, &length) == 0 &&
		   ioctlsocket(s, (int)FIONBIO, &on) == 0);
	PEER_CHECK(connect(s, (struct sockaddr *)&nowhere, sizeof(nowhere)) == SOCKET_ERROR &&
		   WSAGetLastError() == WSAENETUNREACH);
	port = ntohs(at.sin_port);
	PEER_CHECK(system_listen(&port, 1) == -1);
	PEER_CHECK(closesocket(s) == 0);
	next = system_listen(&port, 1);
	PEER_CHECK(next >= 0);
	system_close(next);
}

/* Refused by all paths is refused, with the last word of TCP; nonblocking it is told once. */
static void check_refused(void)
{
	uint32_t port = dead_port();
	SOCKET s;
	WSAEVENT event;
	WSANETWORKEVENTS events;

	over("shm,tcp,plain");
	event = WSACreateEvent();
	s = peer_socket();
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS, "plain: nobody listens at that address (-62)"));
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	PEER_CHECK(WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_CLOSE) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK(events.lNetworkEvents == FD_CONNECT &&
		   events.iErrorCode[FD_CONNECT_BIT] == WSAECONNREFUSED);
	PEER_CHECK(closesocket(s) == 0 && WSACloseEvent(event));
}

/* A nonblocking connect falls back before the program hears of a failure. */
static void check_falls_back_unseen(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	WSANETWORKEVENTS events;
	WSAEVENT event;
	SOCKET s;

	over("shm,tcp,plain");
	event = WSACreateEvent();
	s = peer_socket();
	PEER_CHECK(WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_CLOSE | FD_READ) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK((events.lNetworkEvents & ~FD_WRITE) == FD_CONNECT &&
		   events.iErrorCode[FD_CONNECT_BIT] == 0);
	peer = system_accept(listener);
	system_send(peer, "x", 1);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK(events.lNetworkEvents & FD_READ);
	PEER_CHECK(closesocket(s) == 0 && WSACloseEvent(event));
	system_close(peer);
	system_close(listener);
}

/* Where the tcp backend looks for the listener of that port first: docs/protocol-tcp.md. */
static uint32_t companion(uint32_t port)
{
	return 20000 + port * 7919 % 12000;
}

/* Another server, which has nothing to do with the first, sits there and says nothing. */
static int listen_beside_stranger(uint32_t *port, int *stranger, int backlog)
{
	int listener;

	for (;;) {
		uint32_t other;

		*port = 0;
		listener = system_listen(port, 8);
		other = companion(*port);
		*stranger = system_listen(&other, backlog);
		if (*stranger >= 0)
			return listener;
		system_close(listener);
	}
}

/* The path before fails late, and only then is it plain TCP's turn: the program has heard nothing meanwhile, and the
 * stranger not one byte. */
static void check_falls_back_late(void)
{
	WSANETWORKEVENTS events;
	int listener, stranger, peer;
	uint32_t port;
	WSAEVENT event;
	char byte;
	SOCKET s;

	over("tcp,plain");
	event = WSACreateEvent();
	listener = listen_beside_stranger(&port, &stranger, 8);
	s = peer_socket();
	PEER_CHECK(WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_CLOSE | FD_READ) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	peer = system_accept(stranger);
	PEER_CHECK(peer >= 0 && system_silent(peer, 300));
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 0, FALSE) == WAIT_TIMEOUT);
	PEER_CHECK(system_nobody(listener, 0) && try_connect(s, port) == WSAEALREADY);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK((events.lNetworkEvents & ~FD_WRITE) == FD_CONNECT &&
		   events.iErrorCode[FD_CONNECT_BIT] == 0);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain") &&
		   text_has(s, SO_OPENWSD_REASONS, "tcp: nobody listens at that address (-62)"));
	PEER_CHECK(system_receive(peer, &byte, 1) == 0);
	system_close(peer);
	PEER_CHECK(system_silent(peer = system_accept(listener), 100));
	PEER_CHECK(closesocket(s) == 0 && WSACloseEvent(event));
	system_close(peer);
	system_close(listener);
	system_close(stranger);
}

/* A firewall drops what tcp asks for, and the program gives up before that path does: the next connect is by plain TCP,
 * within a time that tcp's silence would have used up. */
static void check_silent_before_us(void)
{
	int listener, stranger, fill[8];
	uint32_t port, other;
	SOCKET s;

	PEER_CHECK(setenv("WSD_CONNECT_TIMEOUT", "1500", 1) == 0);
	over("tcp,plain");
	listener = listen_beside_stranger(&port, &stranger, 0);
	other = companion(port);
	for (int i = 0; i < 8; i++) /* as in check_deadline */
		fill[i] = system_connecting(other);
	s = peer_socket();
	PEER_CHECK(ioctlsocket(s, (int)FIONBIO, &(u_long){ 1 }) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	Sleep(400);
	PEER_CHECK(system_nobody(listener, 0) && closesocket(s) == 0);
	s = connected(port);
	PEER_CHECK(
		text_has(s, SO_OPENWSD_PATH, "plain") &&
		text_has(s, SO_OPENWSD_REASONS, "tcp: nothing answers there by this path (-70)"));
	PEER_CHECK(closesocket(s) == 0);
	for (int i = 0; i < 8; i++)
		system_close(fill[i]);
	system_close(listener);
	system_close(stranger);
}

/* The same when it is the connect's own time that is over. */
static void check_silent_until_deadline(void)
{
	int listener, stranger, fill[8];
	uint32_t port, other;
	SOCKET s;

	PEER_CHECK(setenv("WSD_CONNECT_TIMEOUT", "1500", 1) == 0);
	over("tcp,plain");
	listener = listen_beside_stranger(&port, &stranger, 0);
	other = companion(port);
	for (int i = 0; i < 8; i++)
		fill[i] = system_connecting(other);
	s = peer_socket();
	PEER_CHECK(try_connect(s, port) == WSAETIMEDOUT);
	PEER_CHECK(try_connect(s, port) == 0 && text_has(s, SO_OPENWSD_PATH, "plain"));
	PEER_CHECK(closesocket(s) == 0);
	for (int i = 0; i < 8; i++)
		system_close(fill[i]);
	system_close(listener);
	system_close(stranger);
}

/* Nobody takes the connection and nobody refuses it: the connect ends in its time, and takes no other. */
static void check_deadline(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 0), fill[8];
	uint64_t begun;
	SOCKET s;

	for (int i = 0; i < 8; i++) /* its queue is full now: the system answers nobody */
		fill[i] = system_connecting(port);
	PEER_CHECK(setenv("WSD_CONNECT_TIMEOUT", "700", 1) == 0);
	over("shm,tcp,plain");
	s = peer_socket();
	begun = now_ms();
	PEER_CHECK(try_connect(s, port) == WSAETIMEDOUT);
	PEER_CHECK(now_ms() - begun >= 600 && now_ms() - begun < 5000 * peer_slow_factor());
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS, "plain: timed out (-64)"));
	PEER_CHECK(closesocket(s) == 0);
	for (int i = 0; i < 8; i++)
		system_close(fill[i]);
	system_close(listener);
}

const struct plain_case plain_cases[] = {
	{ "server_sees_nothing_of_us", check_server_sees_nothing_of_us },
	{ "memory", check_memory },
	{ "memory_is_no_trap", check_memory_is_no_trap },
	{ "first_look", check_first_look },
	{ "closed_when_looked_at", check_closed_when_looked_at },
	{ "reset_when_connecting", check_reset_when_connecting },
	{ "refused", check_refused },
	{ "unreachable", check_unreachable },
	{ "falls_back_unseen", check_falls_back_unseen },
	{ "falls_back_late", check_falls_back_late },
	{ "silent_before_us", check_silent_before_us },
	{ "silent_until_deadline", check_silent_until_deadline },
	{ "deadline", check_deadline },
	{ NULL, NULL },
};

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate.c - WSPDuplicateSocket in mode D, and that both descriptors send,
 * receive, wait and select. On sim the other process is this one; it takes the same way.
 */
#include "tests/conformance/io.h"

#include <signal.h>

#define SOME  3000
#define MANY  (1u << 20)
#define TURNS 20

/* --- the token --- */

static WSAPROTOCOL_INFOW token_for(SOCKET s, DWORD process)
{
	WSAPROTOCOL_INFOW info;

	memset(&info, 0, sizeof(info));
	NEED(WSADuplicateSocketW(s, process, &info) == 0);
	return info;
}

static SOCKET attach(WSAPROTOCOL_INFOW *info)
{
	return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, info, 0,
			  WSA_FLAG_OVERLAPPED);
}

/* An entry of the catalogue with this number in it: all that another process needs. */
static WSAPROTOCOL_INFOW info_with(DWORD token)
{
	SOCKET s = stream_socket();
	WSAPROTOCOL_INFOW info;
	int length = sizeof(info);

	NEED(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length) == 0);
	closesocket(s);
	info.dwProviderReserved = token;
	return info;
}

static SOCKET other_one(SOCKET s)
{
	WSAPROTOCOL_INFOW info = token_for(s, GetCurrentProcessId());
	SOCKET other = attach(&info);

	NEED(other != INVALID_SOCKET);
	return other;
}

/* --- one side writes the pattern from a position on, the other checks it --- */

static bool moves(SOCKET from, SOCKET to, size_t length, size_t position)
{
	char *bytes = pattern_new(length, position);
	size_t got = 0;
	int n;

	if (send(from, bytes, (int)length, 0) != (int)length)
		return false;
	while (got < length && (n = recv(to, bytes, (int)length, 0)) > 0) {
		if (!pattern_ok(bytes, (size_t)n, position + got))
			return false;
		got += (size_t)n;
	}
	free(bytes);
	return got == length;
}

static void it_is_accepted_once(void)
{
	struct pair p = need_pair();
	WSAPROTOCOL_INFOW info = token_for(p.server, GetCurrentProcessId()), again = info;
	SOCKET other;

	CHECK_R(316, info.dwProviderReserved != 0 && info.iAddressFamily == conf_family());
	other = attach(&info);
	CHECK_R(316, other != INVALID_SOCKET && other != p.server);
	CHECK_R(317, attach(&again) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK(moves(p.client, other, SOME, 0));
	closesocket(other);
	close_pair(&p);
}

static void what_cannot_be_duplicated(void)
{
	SOCKET s = stream_socket();
	struct pair p = need_pair();
	WSAPROTOCOL_INFOW info = info_with(12345);

	CHECK(attach(&info) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK(FAILS(WSADuplicateSocketW(s, GetCurrentProcessId(), &info), WSAEINVAL));
	CHECK(FAILS(WSADuplicateSocketW(p.server, GetCurrentProcessId(), NULL), WSAEFAULT));
	CHECK(FAILS(WSADuplicateSocketW(p.server, 0x7ffffff0, &info), WSAEINVAL));
	CHECK(moves(p.client, p.server, SOME, 0)); /* and nothing has changed */
	closesocket(s);
	close_pair(&p);
}

static void either_sends_and_receives(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	size_t out = 0, in = 0;

	for (unsigned i = 0; i < TURNS; i++) {
		SOCKET mine = i & 1 ? other : p.server;
		size_t length = i % 3 == 0 ? 100000 : SOME;

		length = length > 60000 ? 60000 : length; /* one thread: it has to fit */
		CHECK_R(316, moves(p.client, mine, length, in));
		in += length;
		CHECK_R(316, moves(mine, p.client, length, out));
		out += length;
	}
	closesocket(other);
	CHECK(moves(p.client, p.server, SOME, in)); /* the one that is left is an ordinary one */
	close_pair(&p);
}

static void options_are_shared(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	int value = 0, length = sizeof(value);
	BOOL on = TRUE;
	u_long many = 0;

	NEED(setsockopt(p.server, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, sizeof(on)) == 0);
	CHECK_R(329, getsockopt(other, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &length) == 0 &&
			     value != 0);
	value = 8192;
	NEED(setsockopt(other, SOL_SOCKET, SO_RCVBUF, (char *)&value, sizeof(value)) == 0);
	value = 0;
	CHECK_R(329, getsockopt(p.server, SOL_SOCKET, SO_RCVBUF, (char *)&value, &length) == 0 &&
			     value == 8192);
	nonblocking(p.server, 1);
	CHECK_R(329, FAILS(recv(other, (char *)&value, 1, 0), WSAEWOULDBLOCK));
	NEED(send(p.client, "abc", 3, 0) == 3);
	for (unsigned i = 0; many < 3 && i < LONG_MS; i++, Sleep(1))
		NEED(ioctlsocket(i & 1 ? other : p.server, FIONREAD, &many) == 0);
	CHECK(many == 3);
	closesocket(other);
	close_pair(&p);
}

static void the_last_one_closes(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	WSAPROTOCOL_INFOW info;
	char byte;

	closesocket(p.server);
	nonblocking(p.client, 1);
	Sleep(SHORT_MS);
	CHECK_R(330, FAILS(recv(p.client, &byte, 1, 0), WSAEWOULDBLOCK));
	nonblocking(p.client, 0);
	CHECK_R(330, moves(other, p.client, 1, 0));
	nonblocking(p.client, 1);
	/* Nobody has it just now: a token is enough to keep it open. */
	info = token_for(other, GetCurrentProcessId());
	closesocket(other);
	Sleep(SHORT_MS);
	CHECK_R(330, FAILS(recv(p.client, &byte, 1, 0), WSAEWOULDBLOCK));
	nonblocking(p.client, 0);
	other = attach(&info);
	CHECK_R(330, other != INVALID_SOCKET && moves(other, p.client, 1, 1));
	closesocket(other);
	CHECK_R(330, at_end(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

/* --- who waits here gets it, though the other one used the socket in between --- */

static void pending_receives_stay(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	char bytes[SOME];
	WSAOVERLAPPED o;
	DWORD n = 0, flags = 0;

	overlapped_init(&o, WSACreateEvent());
	CHECK(PENDS(post_recv(p.server, bytes, SOME, &o)));
	CHECK(moves(other, p.client, SOME, 0));
	NEED(send(p.client, "x", 1, 0) == 1);
	CHECK(event_within(o.hEvent, LONG_MS));
	CHECK(outcome(p.server, &o, &n, &flags) == 0 && n == 1 && bytes[0] == 'x');
	WSACloseEvent(o.hEvent);
	closesocket(other);
	close_pair(&p);
}

static void events_go_to_the_last_who_asked(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	WSAEVENT mine = WSACreateEvent(), theirs = WSACreateEvent();
	WSANETWORKEVENTS happened;
	char byte;

	NEED(WSAEventSelect(p.server, mine, FD_READ | FD_CLOSE) == 0);
	CHECK_R(329, FAILS(recv(other, &byte, 1, 0), WSAEWOULDBLOCK)); /* it is nonblocking now */
	NEED(send(p.client, "a", 1, 0) == 1);
	CHECK_R(329, event_within(mine, LONG_MS)); /* though the other had the connection */
	CHECK(WSAEnumNetworkEvents(p.server, mine, &happened) == 0 &&
	      (happened.lNetworkEvents & FD_READ));
	CHECK(recv(p.server, &byte, 1, 0) == 1 && byte == 'a');
	NEED(WSAEventSelect(other, theirs, FD_READ | FD_CLOSE) == 0);
	NEED(send(p.client, "b", 1, 0) == 1);
	CHECK_R(329, event_within(theirs, LONG_MS));
	CHECK_R(329, !event_is_set(mine));
	CHECK(recv(p.server, &byte, 1, 0) == 1 && byte == 'b');
	closesocket(p.client);
	closesocket(p.listener);
	CHECK(event_within(theirs, LONG_MS)); /* FD_READ once more, or FD_CLOSE */
	closesocket(other);
	closesocket(p.server);
	WSACloseEvent(mine);
	WSACloseEvent(theirs);
}

static void half_a_close_is_shared(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);

	NEED(moves(p.server, p.client, SOME, 0));
	NEED(shutdown(other, SD_SEND) == 0);
	CHECK_R(329, FAILS(send(p.server, "x", 1, 0), WSAESHUTDOWN));
	CHECK(at_end(p.client));
	CHECK(moves(p.client, p.server, SOME, 0) && moves(p.client, other, SOME, SOME));
	closesocket(p.client);
	CHECK(at_end(other) && at_end(p.server));
	closesocket(other);
	closesocket(p.server);
	closesocket(p.listener);
}

static void a_reset_reaches_both(void)
{
	struct pair p = need_pair();
	SOCKET other = other_one(p.server);
	struct linger now = { 1, 0 };
	char byte;

	NEED(moves(other, p.client, SOME, 0));
	NEED(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&now, sizeof(now)) == 0);
	closesocket(p.client);
	CHECK(FAILS(recv(p.server, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(recv(other, &byte, 1, 0), WSAECONNRESET));
	closesocket(other);
	closesocket(p.server);
	closesocket(p.listener);
}

/* --- another process --- */

/* Takes the socket whose token it hears, echoes what it is told to, and ends in the way it is told. */
static int worker(void)
{
	struct child parent = child_parent();
	WSAPROTOCOL_INFOW info;
	SOCKET s;
	char *bytes = malloc(MANY);
	int length;

	info = info_with((DWORD)child_hear(&parent));
	s = attach(&info);
	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	while (s != INVALID_SOCKET && (length = child_hear(&parent)) > 0) {
		size_t got = receive_all(s, bytes, (size_t)length);

		child_tell(&parent, send(s, bytes, (int)got, 0));
	}
	if (strcmp(conf_argument(), "closes") == 0)
		closesocket(s);
	if (strcmp(conf_argument(), "cleans") == 0)
		WSACleanup();
	free(bytes);
	return 0;
}

static struct child worker_with(SOCKET s, const char *end, int *error)
{
	struct child c = child_start("worker", end);
	WSAPROTOCOL_INFOW info = token_for(s, (DWORD)c.pid);

	child_tell(&c, (int)info.dwProviderReserved);
	*error = child_hear(&c);
	return c;
}

static bool worker_echoes(struct child *c, SOCKET client, int length)
{
	char *bytes = pattern_new((size_t)length, 0);
	bool good;

	child_tell(c, length);
	good = send(client, bytes, length, 0) == length &&
	       receive_all(client, bytes, (size_t)length) == (size_t)length &&
	       pattern_ok(bytes, (size_t)length, 0) && child_hear(c) == length;
	free(bytes);
	return good;
}

/* The other process ends in one of the three ways that are not death; the socket lives on here. */
static void it_goes_to_another_process(const char *end)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, end, &error);

	CHECK_R(316, error == 0);
	CHECK_R(316, worker_echoes(&c, p.client, SOME));
	CHECK(moves(p.client, p.server, SOME, 0) && moves(p.server, p.client, SOME, 0));
	CHECK_R(316, worker_echoes(&c, p.client, 100000));
	child_tell(&c, 0);
	CHECK_R(330, child_wait(&c) == 0);
	CHECK_R(330, moves(p.client, p.server, SOME, 0) && moves(p.server, p.client, SOME, 0));
	close_pair(&p);
}

/* We close first: the worker has the connection from then on, and ends it. */
static void it_outlives_the_first(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);

	CHECK_R(316, error == 0);
	closesocket(p.server);
	CHECK_R(330, worker_echoes(&c, p.client, MANY / 2));
	child_tell(&c, 0);
	CHECK_R(330, at_end(p.client));
	CHECK(child_wait(&c) == 0);
	closesocket(p.client);
	closesocket(p.listener);
}

static void only_the_process_that_is_meant(void)
{
	struct pair p = need_pair();
	struct child c = child_start("worker", "closes");
	WSAPROTOCOL_INFOW info = token_for(p.server, GetCurrentProcessId());
	SOCKET other;

	child_tell(&c, (int)info.dwProviderReserved);
	CHECK(child_hear(&c) == WSAEINVAL);
	CHECK(child_wait(&c) == 0);
	other = attach(&info); /* it was not used up by that */
	CHECK(other != INVALID_SOCKET && moves(p.client, other, SOME, 0));
	closesocket(other);
	close_pair(&p);
}

/* The one who has the connection is killed: it is reset, on both ends. */
static void death_of_the_one_who_has_it(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);
	char byte;

	NEED(error == 0 && worker_echoes(&c, p.client, SOME));
	NEED(kill((pid_t)c.pid, SIGKILL) == 0);
	CHECK(child_wait(&c) == -SIGKILL);
	CHECK(FAILS(recv(p.client, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(recv(p.server, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(send(p.server, "x", 1, 0), WSAECONNRESET));
	close_pair(&p);
}

/* One who does not have it just now is killed: nothing happens. */
static void death_of_another_one(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);

	NEED(error == 0 && worker_echoes(&c, p.client, SOME));
	NEED(moves(p.client, p.server, SOME, 0)); /* it is here now */
	NEED(kill((pid_t)c.pid, SIGKILL) == 0);
	CHECK(child_wait(&c) == -SIGKILL);
	CHECK(moves(p.client, p.server, SOME, SOME) && moves(p.server, p.client, SOME, 0));
	closesocket(p.server); /* and it is the last one that closes */
	CHECK_R(330, at_end(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

/* Killed before it took the socket: the token expires, and the socket is the first process's alone. */
static void death_before_it_came(void)
{
	struct pair p = need_pair();
	struct child c = child_start("worker", "closes");

	(void)token_for(p.server, (DWORD)c.pid);
	NEED(kill((pid_t)c.pid, SIGKILL) == 0);
	CHECK(child_wait(&c) == -SIGKILL);
	CHECK(moves(p.client, p.server, SOME, 0) && moves(p.server, p.client, SOME, 0));
	closesocket(p.server); /* on its way, until nobody can come any more */
	closesocket(p.listener);
	CHECK(recv(p.client, (char *)&c, 1, 0) == SOCKET_ERROR &&
	      WSAGetLastError() == WSAECONNRESET);
	closesocket(p.client);
}

int main(int argc, char **argv)
{
	setenv("WSD_DUPLICATE_TIMEOUT", "3000", 1);
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return worker();
	it_is_accepted_once();
	what_cannot_be_duplicated();
	either_sends_and_receives();
	options_are_shared();
	the_last_one_closes();
	pending_receives_stay();
	events_go_to_the_last_who_asked();
	half_a_close_is_shared();
	a_reset_reaches_both();
	if (conf_two_processes()) {
		it_goes_to_another_process("closes");
		it_goes_to_another_process("cleans");
		it_goes_to_another_process("exits");
		it_outlives_the_first();
		only_the_process_that_is_meant();
		death_of_the_one_who_has_it();
		death_of_another_one();
		death_before_it_came();
	}
	WSACleanup();
	return check_result();
}

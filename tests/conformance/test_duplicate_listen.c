// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_listen.c - WSPDuplicateSocket in mode D of what is not connected: listeners, which both processes
 * accept from, bound sockets and new ones, and what is left when one of the processes ends.
 */
#include "tests/conformance/share.h"

#define SOME  3000
#define TURNS 6

/* --- one end connects, one of the descriptors accepts --- */

/* It may be refused while the listener changes hands. */
static SOCKET connected(const struct address *at)
{
	SOCKET s = INVALID_SOCKET;

	for (uint64_t end = now_ms() + LONG_MS; now_ms() < end; Sleep(20)) {
		s = stream_socket();
		if (connect_to(s, at) == 0)
			return s;
		closesocket(s);
	}
	NEED(!"somebody listens");
	return s;
}

static bool accepts(SOCKET listener, SOCKET client)
{
	SOCKET s = accept(listener, NULL, NULL);
	bool good = s != INVALID_SOCKET && WSAEventSelect(s, WSA_INVALID_EVENT, 0) == 0;

	if (good)
		nonblocking(s, 0); /* it is as its listener */
	good = good && share_moves(client, s, SOME, 0) && share_moves(s, client, SOME, 0);
	closesocket(s);
	return good && at_end(client);
}

static bool serves(SOCKET listener, const struct address *at)
{
	SOCKET client = connected(at);
	bool good = accepts(listener, client);

	closesocket(client);
	return good;
}

static void either_accepts(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s);

	for (unsigned i = 0; i < TURNS; i++)
		CHECK_R(316, serves(i & 1 ? other : s, &at));
	closesocket(s);
	CHECK_R(330, serves(other, &at));
	s = share_other(other);
	closesocket(other);
	CHECK_R(330, serves(s, &at) && serves(s, &at));
	closesocket(s);
}

/* What waits when the one that listened leaves is not lost. They come in the order in which they have moved. */
static void the_queue_goes_along(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), clients[3];

	for (unsigned i = 0; i < 3; i++)
		clients[i] = connected(&at);
	NEED(send(clients[1], "early", 5, 0) == 5);
	closesocket(s);
	for (unsigned i = 0; i < 3; i++) {
		SOCKET server = accept(other, NULL, NULL);
		unsigned which = share_other_end(server, clients, 3);
		char bytes[5];

		if (which == 1)
			CHECK(receive_all(server, bytes, 5) == 5 && memcmp(bytes, "early", 5) == 0);
		CHECK_R(330, share_moves(clients[which], server, SOME, 0));
		closesocket(server);
		CHECK(at_end(clients[which]));
	}
	for (unsigned i = 0; i < 3; i++)
		closesocket(clients[i]);
	CHECK(serves(other, &at));
	closesocket(other);
}

/* What one gives back that it has not accepted comes on top of a queue that is full. */
static void a_full_queue_takes_back(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 2), other = share_other(s), clients[3];
	int on, length = sizeof(on);

	clients[0] = connected(&at);
	CHECK(readable_within(other, LONG_MS));
	clients[1] = connected(&at);
	clients[2] = connected(&at);
	/* The first one comes back here, and waits behind the two. */
	CHECK(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, &length) == 0);
	Sleep(SHORT_MS);
	for (unsigned i = 0; i < 3; i++)
		NEED(send(clients[i], (char[]){ (char)i }, 1, 0) == 1);
	for (unsigned i = 0; i < 3; i++) {
		SOCKET server = accept(s, NULL, NULL);
		char which = 3;

		CHECK_R(330,
			server != INVALID_SOCKET && recv(server, &which, 1, 0) == 1 && which < 3);
		if (which < 3)
			CHECK_R(330, share_moves(clients[(unsigned)which], server, SOME, 0));
		closesocket(server);
	}
	for (unsigned i = 0; i < 3; i++)
		closesocket(clients[i]);
	closesocket(s);
	closesocket(other);
}

static int CALLBACK refuse(LPWSABUF caller, LPWSABUF data, LPQOS sqos, LPQOS gqos, LPWSABUF callee,
			   LPWSABUF reply, GROUP *group, DWORD_PTR context)
{
	(void)caller;
	(void)data;
	(void)sqos;
	(void)gqos;
	(void)callee;
	(void)reply;
	(void)group;
	(void)context;
	return CF_REJECT;
}

enum answer { ANSWER_NONE, ANSWER_YES, ANSWER_NO };

static enum answer answer_within(SOCKET s, long ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	fd_set good, bad;

	FD_ZERO(&good);
	FD_ZERO(&bad);
	FD_SET(s, &good);
	FD_SET(s, &bad);
	if (select(0, NULL, &good, &bad, &limit) != 1)
		return ANSWER_NONE;
	return FD_ISSET(s, &good) ? ANSWER_YES : ANSWER_NO;
}

/* Connect, and refuse it: is the client told so, having heard nothing before? */
static bool asks(SOCKET listener, const struct address *at)
{
	SOCKET client = stream_socket();
	enum answer before, after = ANSWER_NONE;

	nonblocking(client, 1);
	NEED(connect_to(client, at) != 0);
	before = answer_within(client, SHORT_MS);
	if (before != ANSWER_NO && readable_within(listener, 1000)) {
		CHECK(WSAAccept(listener, NULL, NULL, refuse, 0) == INVALID_SOCKET);
		after = answer_within(client, LONG_MS);
	}
	closesocket(client);
	return before == ANSWER_NONE && after == ANSWER_NO;
}

/* Who listens next asks the program before it answers, as the first one did, which answers all when it leaves. */
static void the_next_one_asks_too(void)
{
	struct address at = loopback(0);
	SOCKET s = conditional_listener(&at, 5), other = share_other(s);
	bool asked = false;

	closesocket(s);
	for (uint64_t end = now_ms() + LONG_MS; now_ms() < end && !asked;)
		asked = asks(other, &at);
	CHECK_R(330, asked);
	closesocket(other);
}

static SOCKET accepted_here;

static void accept_one(void *arg)
{
	thread_will_wait();
	accepted_here = accept(*(SOCKET *)arg, NULL, NULL);
}

/* Both wait: each connection is one accept's. */
static void both_wait(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), first, second, server;
	struct conf_thread *thread = thread_run(accept_one, &other);

	thread_until_waiting(thread);
	first = connected(&at);
	second = connected(&at);
	server = accept(s, NULL, NULL);
	thread_join(thread);
	CHECK_R(316, server != INVALID_SOCKET && accepted_here != INVALID_SOCKET);
	NEED(send(first, "1", 1, 0) == 1 && send(second, "1", 1, 0) == 1);
	CHECK(recv(server, (char *)&at, 1, 0) == 1 && recv(accepted_here, (char *)&at, 1, 0) == 1);
	closesocket(server);
	closesocket(accepted_here);
	closesocket(first);
	closesocket(second);
	closesocket(s);
	closesocket(other);
}

static void options_are_shared(void)
{
	struct address at = loopback(0), name;
	SOCKET s = listener_on(&at, 5), other = share_other(s), client;
	int value = 0, length = sizeof(value);
	BOOL on = TRUE;

	NEED(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, sizeof(on)) == 0);
	CHECK_R(329, getsockopt(other, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &length) == 0 &&
			     value != 0);
	CHECK_R(329, getsockopt(other, SOL_SOCKET, SO_ACCEPTCONN, (char *)&value, &length) == 0 &&
			     value != 0);
	CHECK(name_of(other, &name) == 0 && port_of(&name) == port_of(&at));
	CHECK(listen(other, 3) == 0);
	nonblocking(other, 1);
	CHECK_R(329,
		accept(s, NULL, NULL) == INVALID_SOCKET && WSAGetLastError() == WSAEWOULDBLOCK);
	client = connected(&at);
	nonblocking(other, 0);
	CHECK(accepts(s, client));
	closesocket(client);
	closesocket(s);
	closesocket(other);
}

static void events_and_select(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), client;
	WSAEVENT mine = WSACreateEvent(), theirs = WSACreateEvent();

	client = connected(&at);
	CHECK(readable_within(other, LONG_MS));
	CHECK(accepts(other, client));
	closesocket(client);
	NEED(WSAEventSelect(s, mine, FD_ACCEPT) == 0);
	NEED(WSAEventSelect(other, theirs, FD_ACCEPT) == 0);
	client = connected(&at);
	CHECK_R(329, event_within(theirs, LONG_MS));
	CHECK_R(329, !event_is_set(mine));
	nonblocking(client, 0);
	CHECK(accepts(other, client));
	closesocket(client);
	closesocket(s);
	closesocket(other);
	WSACloseEvent(mine);
	WSACloseEvent(theirs);
}

/* --- not even listening --- */

static void bound_ones(void)
{
	struct address at = loopback(0), name;
	SOCKET s = stream_socket(), other, third;

	NEED(bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	other = share_other(s);
	CHECK_R(329, name_of(other, &name) == 0 && port_of(&name) == port_of(&at));
	third = stream_socket();
	CHECK(FAILS(bind_to(third, &at), WSAEADDRINUSE)); /* it is held here now */
	closesocket(third);
	CHECK_R(329, listen(other, 5) == 0);
	CHECK_R(329, serves(s, &at) && serves(other, &at));
	closesocket(other);
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

static void new_ones(void)
{
	struct address at = loopback(0);
	SOCKET listener = listener_on(&at, 5), s = stream_socket(), other, server;
	int size = 8192, length = sizeof(size);
	BOOL on = TRUE;

	NEED(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, sizeof(on)) == 0);
	other = share_other(s);
	size = 0;
	CHECK_R(329, getsockopt(other, SOL_SOCKET, SO_KEEPALIVE, (char *)&size, &length) == 0 &&
			     size != 0);
	CHECK_R(329, connect_to(other, &at) == 0);
	server = accept(listener, NULL, NULL);
	CHECK_R(316, share_moves(s, server, SOME, 0) && share_moves(server, other, SOME, 0));
	CHECK_R(316, share_moves(other, server, SOME, SOME) && share_moves(server, s, SOME, SOME));
	CHECK(FAILS(connect_to(s, &at), WSAEISCONN));
	closesocket(s);
	CHECK_R(330, share_moves(other, server, SOME, 0));
	closesocket(other);
	CHECK_R(330, at_end(server));
	closesocket(server);
	closesocket(listener);
}

/* One that could not connect is as before, in both. */
static void connecting_to_nobody(void)
{
	struct address at = loopback(0), nobody = loopback(0);
	SOCKET listener = listener_on(&at, 5), silent = stream_socket(), s = stream_socket(), other,
	       server;

	NEED(bind_to(silent, &nobody) == 0 && name_of(silent, &nobody) == 0);
	other = share_other(s);
	CHECK(connect_to(other, &nobody) == SOCKET_ERROR);
	CHECK_R(329, connect_to(s, &at) == 0);
	server = accept(listener, NULL, NULL);
	CHECK(share_moves(other, server, SOME, 0));
	closesocket(s);
	closesocket(other);
	closesocket(server);
	closesocket(silent);
	closesocket(listener);
}

/* --- another process --- */

static bool echoes(SOCKET s, size_t length)
{
	char *bytes = malloc(length);
	bool good = bytes != NULL && receive_all(s, bytes, length) == length &&
		    send(s, bytes, (int)length, 0) == (int)length;

	free(bytes);
	return good;
}

static int accepts_and_echoes(SOCKET listener)
{
	SOCKET s = accept(listener, NULL, NULL);
	int error = s == INVALID_SOCKET ? WSAGetLastError() : !echoes(s, SOME);

	closesocket(s);
	return error;
}

static bool echoed(SOCKET client)
{
	char *bytes = pattern_new(SOME, 0);
	bool good = send(client, bytes, SOME, 0) == SOME &&
		    receive_all(client, bytes, SOME) == SOME && pattern_ok(bytes, SOME, 0) &&
		    at_end(client);

	free(bytes);
	return good;
}

static bool child_serves(struct child *c, const struct address *at)
{
	SOCKET client;
	bool good;

	child_tell(c, SHARE_ACCEPT);
	client = connected(at);
	good = echoed(client);
	closesocket(client);
	return child_hear(c) == 0 && good;
}

static void two_processes_accept(const char *end)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);
	struct child c = share_worker_with(s, end);

	for (unsigned i = 0; i < TURNS; i++)
		CHECK_R(316, i & 1 ? serves(s, &at) : child_serves(&c, &at));
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

/* Who has ended before he is accepted by a process that does not listen is not lost: long before, or just then. */
static void the_last_words_go_along(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s);

	for (unsigned i = 0; i < TURNS; i++) {
		struct child c = share_visitor_at(&at);

		if (i % 2 == 0)
			CHECK(child_wait(&c) == 0);
		CHECK(share_said_all(accept(other, NULL, NULL)));
		if (i % 2 != 0)
			CHECK(child_wait(&c) == 0);
		if (i == 3) /* back, and away again */
			CHECK(serves(s, &at));
	}
	closesocket(s);
	closesocket(other);
}

/* The one that listens leaves first, with connections that nobody has accepted. */
static void it_outlives_the_first(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), client;
	struct child c = share_worker_with(s, "closes");

	client = connected(&at);
	closesocket(s);
	child_tell(&c, SHARE_ACCEPT);
	CHECK_R(330, echoed(client));
	CHECK_R(330, child_hear(&c) == 0);
	closesocket(client);
	CHECK_R(330, child_serves(&c, &at));
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
}

/* The process that listened ends, in whatever way: the next one that uses the socket listens. */
static void the_owner_ends(const char *end, bool used)
{
	struct address at;
	SOCKET s;
	struct child c = share_owner_of(&at, end, &s);

	if (used)
		CHECK_R(316, serves(s, &at));
	if (strcmp(end, "dies") == 0)
		child_kill(&c);
	else
		child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == (strcmp(end, "dies") == 0 ? conf_death : 0));
	CHECK_R(330, serves(s, &at));
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

/* In the middle: it was asked for a connection, and none has come. */
static void the_owner_dies_while_we_wait(void)
{
	struct address at;
	SOCKET s, client;
	struct child c = share_owner_of(&at, "dies", &s);
	struct conf_thread *thread = thread_run(accept_one, &s);

	thread_until_waiting(thread);
	Sleep(SHORT_MS);
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	client = connected(&at);
	thread_join(thread);
	CHECK_R(330,
		accepted_here != INVALID_SOCKET && share_moves(client, accepted_here, SOME, 0));
	closesocket(accepted_here);
	closesocket(client);
	closesocket(s);
}

static void another_one_dies(bool with_the_seat)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);
	struct child c = share_worker_with(s, "closes");

	CHECK(child_serves(&c, &at));
	if (!with_the_seat)
		CHECK(serves(s, &at));
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

static void a_token_expires(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);

	CHECK(share_token_expires(s));
	CHECK(serves(s, &at));
	closesocket(s);
}

/* It never came, and nothing else happens. */
static void death_before_it_came(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);
	struct child c = child_start_ready("worker", "closes");

	(void)share_token(s, child_id(&c));
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK(serves(s, &at));
	closesocket(s);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL && strcmp(conf_role(), "visitor") == 0)
		return share_visitor();
	if (conf_role() != NULL)
		return strcmp(conf_role(), "owner") == 0 ? share_owner(accepts_and_echoes)
							 : share_worker(accepts_and_echoes);
	either_accepts();
	the_queue_goes_along();
	a_full_queue_takes_back();
	the_next_one_asks_too();
	both_wait();
	options_are_shared();
	events_and_select();
	bound_ones();
	new_ones();
	connecting_to_nobody();
	a_token_expires();
	if (conf_two_processes()) {
		two_processes_accept("closes");
		two_processes_accept("cleans");
		two_processes_accept("exits");
		the_last_words_go_along();
		it_outlives_the_first();
		the_owner_ends("closes", false);
		the_owner_ends("cleans", true);
		the_owner_ends("exits", true);
		the_owner_ends("dies", false);
		the_owner_ends("dies", true);
		the_owner_dies_while_we_wait();
		another_one_dies(true);
		another_one_dies(false);
		death_before_it_came();
	}
	WSACleanup();
	return check_result();
}

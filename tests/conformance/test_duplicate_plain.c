// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_plain.c - WSPDuplicateSocket of a listener whose peers come by TCP of the system, without OpenWSD, or
 * are both kinds: whoever accepts serves them, and the port is open as long as anybody has the listener. And of their
 * connections.
 */
#include "tests/conformance/ext.h"
#include "tests/conformance/share.h"
#include "tests/conformance/visitor.h"

#define PEERS 6

static SOCKET connected(const struct address *at)
{
	SOCKET s = stream_socket();

	NEED(connect_to(s, at) == 0);
	return s;
}

/* --- one process --- */

static void either_accepts(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s);

	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(316, serves(i & 1 ? other : s, &at));
	closesocket(s);
	CHECK_R(330, serves(other, &at));
	s = share_other(other);
	closesocket(other);
	CHECK_R(330, serves(s, &at) && serves(s, &at));
	closesocket(s);
}

static void a_token_is_good_once(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other;
	WSAPROTOCOL_INFOW info = share_token(s, GetCurrentProcessId());

	other = share_attach(&info);
	CHECK_R(317, other != INVALID_SOCKET);
	CHECK_R(317, share_attach(&info) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK_R(317, serves(other, &at));
	closesocket(s);
	closesocket(other);
}

/* They wait with the system, and come to whoever accepts; of two that wait each gets one. */
static SOCKET accepted_here;

static void accept_one(void *arg)
{
	thread_will_wait();
	accepted_here = accept(*(SOCKET *)arg, NULL, NULL);
}

static void both_wait(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), server;
	struct conf_thread *thread = thread_run(accept_one, &other);
	struct visitor visitors[2];

	thread_until_waiting(thread);
	for (unsigned i = 0; i < 2; i++)
		visitor_at(&visitors[i], &at);
	server = accept(s, NULL, NULL);
	thread_join(thread);
	CHECK_R(316, answers(server) && answers(accepted_here));
	for (unsigned i = 0; i < 2; i++)
		CHECK_R(316, was_served(&visitors[i]));
	closesocket(s);
	closesocket(other);
}

/* Polling, selecting, and told by an event. */
static void every_way_to_wait(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), server = INVALID_SOCKET;
	WSAEVENT event = WSACreateEvent();
	struct visitor visitor;

	visitor_at(&visitor, &at);
	CHECK_R(316, readable_within(other, (long)LONG_MS) && answers(accept(other, NULL, NULL)));
	CHECK_R(316, was_served(&visitor));
	nonblocking(s, 1);
	visitor_at(&visitor, &at);
	for (uint64_t end = now_ms() + LONG_MS; now_ms() < end && server == INVALID_SOCKET;) {
		server = accept(s, NULL, NULL);
		CHECK(server != INVALID_SOCKET || WSAGetLastError() == WSAEWOULDBLOCK);
	}
	nonblocking(server, 0);
	CHECK_R(316, answers(server));
	CHECK_R(316, was_served(&visitor));
	for (unsigned i = 0; i < 3; i++) {
		if (i == 0)
			NEED(WSAEventSelect(other, event, FD_ACCEPT) == 0);
		visitor_at(&visitor, &at);
		CHECK_R(329, event_within(event, LONG_MS));
		WSAResetEvent(event);
		server = accept(other, NULL, NULL);
		NEED(server != INVALID_SOCKET && WSAEventSelect(server, WSA_INVALID_EVENT, 0) == 0);
		nonblocking(server, 0);
		CHECK_R(316, answers(server));
		CHECK_R(316, was_served(&visitor));
	}
	closesocket(s);
	closesocket(other);
	WSACloseEvent(event);
}

/* What one process has not asked for another one gets: none is held back where nobody accepts. */
static void who_never_accepts_holds_none(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other = share_other(s);
	struct visitor visitors[PEERS];

	CHECK_R(316, serves(other, &at));
	CHECK(!readable_within(s, 1));
	for (unsigned i = 0; i < PEERS; i++)
		visitor_at(&visitors[i], &at);
	Sleep(SHORT_MS);
	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(316, answers(accept(other, NULL, NULL)));
	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(316, was_served(&visitors[i]));
	closesocket(s);
	closesocket(other);
}

/* Peers with OpenWSD, which take another path where there is one, and those without, in any order. */
static void both_kinds(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), client;

	for (unsigned i = 0; i < PEERS; i++) {
		SOCKET listener = i & 1 ? s : other, server;

		client = connected(&at);
		server = accept(listener, NULL, NULL);
		CHECK_R(316, server != INVALID_SOCKET && share_moves(client, server, 3000, 0));
		closesocket(client);
		closesocket(server);
		CHECK_R(316, serves(listener, &at));
	}
	closesocket(s);
	closesocket(other);
}

/* `::` without IPV6_V6ONLY has two sockets of the system. */
static void both_families(void)
{
	struct address at = loopback(0);
	SOCKET s = socket(AF_INET6, SOCK_STREAM, 0), other;
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	int off = 0, length = sizeof(any);

	NEED(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&off, sizeof(off)) == 0);
	NEED(bind(s, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(s, 5) == 0);
	NEED(getsockname(s, (struct sockaddr *)&any, &length) == 0);
	set_port(&at, ntohs(any.sin6_port));
	other = share_other(s);
	for (unsigned i = 0; i < 4; i++)
		CHECK_R(316, serves_one_of(i < 2 ? other : s, i & 1, &at));
	closesocket(s);
	for (unsigned i = 0; i < 2; i++) /* the next one listens for both */
		CHECK_R(330, serves_one_of(other, i & 1, &at));
	closesocket(other);
}

/* --- two processes --- */

static int accepts_and_answers(SOCKET listener)
{
	return !answers(accept(listener, NULL, NULL));
}

/* It gets one connection, answers and closes it. */
static int inetd(void)
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info = share_info_with((DWORD)child_hear(&parent));
	SOCKET s = share_attach(&info);

	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	child_tell(&parent, !answers(s));
	WSACleanup();
	return 0;
}

/* The way of inetd: who accepted gives the connection away and closes it, before the other has it or after. */
static void given_away(bool before)
{
	struct child c = child_start_ready("inetd", "");
	struct address at = loopback(0);
	SOCKET listener = listener_on(&at, 5), s;
	struct visitor visitor;
	DWORD token;

	visitor_at(&visitor, &at);
	s = accept(listener, NULL, NULL);
	token = share_token(s, child_id(&c)).dwProviderReserved;
	if (before)
		closesocket(s);
	child_tell(&c, (int)token);
	CHECK_R(316, child_hear(&c) == 0);
	if (!before)
		closesocket(s);
	CHECK_R(330, child_hear(&c) == 0);
	CHECK_R(330, was_served(&visitor));
	CHECK(child_wait(&c) == 0);
	closesocket(listener);
}

/* What has arrived and not been read, what has not been sent, and the end go along. */
static void the_middle_of_a_stream(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	size_t out, in = 0;
	char bytes[5000];

	CHECK_R(316, share_moves(p.client, p.server, 3000, 0));
	NEED(send(p.client, "12345", 5, 0) == 5);
	CHECK_R(316, recv(p.server, bytes, 2, 0) == 2 && recv(other, bytes + 2, 2, 0) == 2);
	out = send_until_full(p.server);
	nonblocking(p.server, 0);
	closesocket(p.server);
	CHECK_R(330, recv(other, bytes + 4, 1, 0) == 1 && memcmp(bytes, "12345", 5) == 0);
	CHECK_R(330, shutdown(p.client, SD_SEND) == 0 && at_end(other));
	while (in < out) {
		int n = recv(p.client, bytes, sizeof(bytes), 0);

		NEED(n > 0);
		CHECK(pattern_ok(bytes, (size_t)n, in));
		in += (size_t)n;
	}
	closesocket(other);
	CHECK_R(330, at_end(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

/* What had arrived before a reset is read, wherever the reset was found: the system keeps it, too. */
static void a_reset_behind_bytes(bool found)
{
	struct linger now = { 1, 0 };
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	char bytes[5];

	CHECK_R(316, share_moves(p.client, other, 3000, 0));
	NEED(send(p.client, "12345", 5, 0) == 5);
	CHECK_R(316, receive_all(p.server, bytes, 2) == 2);
	NEED(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&now, sizeof(now)) == 0);
	closesocket(p.client);
	for (uint64_t end = now_ms() + LONG_MS; found && now_ms() < end;)
		found = send(p.server, "x", 1, 0) == 1;
	CHECK(!found);
	CHECK_R(330, receive_all(other, bytes + 2, 1) == 1);
	CHECK_R(330, receive_all(p.server, bytes + 3, 1) == 1);
	closesocket(p.server);
	CHECK_R(330, receive_all(other, bytes + 4, 1) == 1 && memcmp(bytes, "12345", 5) == 0);
	CHECK(recv(other, bytes, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	closesocket(other);
	closesocket(p.listener);
}

/* The end of the connection is not that of the socket: its peer hears of it, though both descriptors stay. */
static void disconnected_and_kept(bool moved)
{
	struct pair p = need_pair();
	WSAOVERLAPPED o = { .hEvent = WSACreateEvent() };
	SOCKET other = share_other(p.client);

	if (moved)
		NEED(share_moves(p.server, other, 3000, 0) &&
		     share_moves(p.server, p.client, 3000, 3000));
	CHECK_R(330, disconnect_ex(p.client, &o, TF_REUSE_SOCKET, 0) ||
			     WSAGetLastError() == ERROR_IO_PENDING);
	CHECK_R(330, readable_within(p.server, (long)LONG_MS) && at_end(p.server));
	closesocket(p.server);
	CHECK_R(330, event_within(o.hEvent, LONG_MS));
	WSACloseEvent(o.hEvent);
	CHECK_R(330, send(other, "x", 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAENOTCONN);
	closesocket(other);
	closesocket(p.client);
	closesocket(p.listener);
}

static void disconnect(SOCKET s, SOCKET server)
{
	WSAOVERLAPPED o = { .hEvent = WSACreateEvent() };

	CHECK_R(330,
		disconnect_ex(s, &o, TF_REUSE_SOCKET, 0) || WSAGetLastError() == ERROR_IO_PENDING);
	CHECK_R(330, at_end(server));
	closesocket(server);
	CHECK_R(330, event_within(o.hEvent, LONG_MS));
	WSACloseEvent(o.hEvent);
}

/* The next connection of a socket that was disconnected is as shared as the first one, whoever makes either. */
static void connected_again(bool at_once)
{
	SOCKET s = stream_socket(), other = share_other(s), listener, server;

	for (unsigned i = 0; i < 4; i++) {
		struct address at = loopback(0);

		listener = listener_on(&at, 5);
		NEED(connect_to(i & 2 ? other : s, &at) == 0);
		server = accept(listener, NULL, NULL);
		NEED(server != INVALID_SOCKET);
		CHECK_R(316,
			share_moves(other, server, 3000, 0) && share_moves(server, s, 3000, 0));
		CHECK_R(316, share_moves(s, server, 3000, 0) && share_moves(server, other, 10, 0));
		disconnect(i & 1 ? other : s, server);
		if (!at_once)
			CHECK_R(330, send(i & 1 ? s : other, "x", 1, 0) == SOCKET_ERROR &&
					     WSAGetLastError() == WSAENOTCONN);
		closesocket(listener);
	}
	closesocket(s);
	closesocket(other);
}

/* Says something on whatever connection there is, as often as it is told. */
static int speaker(void)
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info = share_info_with((DWORD)child_hear(&parent));
	SOCKET s = share_attach(&info);
	char byte;

	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	while (child_hear(&parent) == SHARE_ACCEPT)
		child_tell(&parent, !(recv(s, &byte, 1, 0) == 1 && send(s, &byte, 1, 0) == 1));
	closesocket(s);
	WSACleanup();
	return 0;
}

/* It speaks on some of the connections only, and has seen nothing of the others. */
static void connected_again_elsewhere(void)
{
	struct child c = child_start_ready("speaker", "");
	SOCKET s = stream_socket(), listener, server;
	char byte = 0;

	child_tell(&c, (int)share_token(s, child_id(&c)).dwProviderReserved);
	NEED(child_hear(&c) == 0);
	for (unsigned i = 0; i < 5; i++) {
		struct address at = loopback(0);

		listener = listener_on(&at, 5);
		NEED(connect_to(s, &at) == 0);
		server = accept(listener, NULL, NULL);
		NEED(server != INVALID_SOCKET && send(server, "y", 1, 0) == 1);
		if (i != 1 && i != 2) {
			child_tell(&c, SHARE_ACCEPT);
			CHECK_R(316, child_hear(&c) == 0);
		} else {
			CHECK(recv(s, &byte, 1, 0) == 1 && send(s, &byte, 1, 0) == 1);
		}
		CHECK_R(316, recv(server, &byte, 1, 0) == 1 && byte == 'y');
		disconnect(s, server);
		closesocket(listener);
	}
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
	closesocket(s);
}

static bool child_serves(const struct child *c, const struct address *at)
{
	struct visitor visitor;
	bool good;

	child_tell(c, SHARE_ACCEPT);
	visitor_at(&visitor, at);
	good = child_hear(c) == 0;
	return was_served(&visitor) && good;
}

static void only_workers_accept(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);
	struct child c[2] = { share_worker_with(s, "closes"), share_worker_with(s, "exits") };

	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(316, child_serves(&c[i & 1], &at));
	for (unsigned i = 0; i < 2; i++) {
		child_tell(&c[i], SHARE_END);
		CHECK(child_wait(&c[i]) == 0);
		CHECK_R(330, serves(s, &at));
	}
	closesocket(s);
}

/* It was bound before it was shared, and another one listens. */
static void bound_ones(void)
{
	struct address at = loopback(0);
	SOCKET s = stream_socket();
	struct child c;

	NEED(bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	c = share_worker_with(s, "closes");
	child_tell(&c, SHARE_LISTEN);
	CHECK_R(329, child_hear(&c) == 0);
	CHECK_R(329, serves(s, &at) && child_serves(&c, &at));
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

/* A peer that comes meanwhile is served by the next one: the port is not closed, and what waits there stays. */
static void the_port_stays(const char *end)
{
	bool dies = strcmp(end, "dies") == 0;
	struct visitor visitor;
	struct address at;
	SOCKET s;
	struct child c = share_owner_of(&at, end, &s);

	CHECK_R(316, serves(s, &at));
	visitor_at(&visitor, &at);
	Sleep(SHORT_MS); /* until it waits with the system; too short, it shows less */
	if (dies)
		child_kill(&c);
	else
		child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == (dies ? conf_death : 0));
	CHECK_R(330, answers(accept(s, NULL, NULL)));
	CHECK_R(330, was_served(&visitor));
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

/* The one that gets it is given it by him who leaves, though nobody has taken it yet. */
static void he_leaves_at_once(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);
	struct child c = child_start_ready("worker", "closes");
	struct visitor visitor;
	DWORD token = share_token(s, child_id(&c)).dwProviderReserved;

	closesocket(s);
	Sleep(SHORT_MS);
	visitor_at(&visitor, &at);
	Sleep(SHORT_MS);
	child_tell(&c, (int)token);
	NEED(child_hear(&c) == 0);
	child_tell(&c, SHARE_ACCEPT);
	CHECK_R(330, child_hear(&c) == 0);
	CHECK_R(330, was_served(&visitor));
	CHECK_R(330, child_serves(&c, &at));
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
}

/* With it ends the port: another program may have it. */
static void the_last_one_closes_it(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), again;
	struct child c = share_worker_with(s, "closes");
	uint64_t end = now_ms() + LONG_MS;
	int error;

	CHECK(child_serves(&c, &at));
	closesocket(s);
	CHECK_R(330, child_serves(&c, &at));
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
	do {
		again = stream_socket();
		error = bind_to(again, &at) == 0 && listen(again, 1) == 0 ? 0 : WSAGetLastError();
		if (error == 0)
			CHECK_R(330, serves(again, &at));
		closesocket(again);
		Sleep(1);
	} while (error != 0 && now_ms() < end);
	CHECK_R(330, error == 0);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL && strcmp(conf_role(), "inetd") == 0)
		return inetd();
	if (conf_role() != NULL && strcmp(conf_role(), "speaker") == 0)
		return speaker();
	if (conf_role() != NULL)
		return strcmp(conf_role(), "owner") == 0 ? share_owner(accepts_and_answers)
							 : share_worker(accepts_and_answers);
	ext_fetch();
	either_accepts();
	a_token_is_good_once();
	both_wait();
	every_way_to_wait();
	who_never_accepts_holds_none();
	both_kinds();
	both_families();
	the_middle_of_a_stream();
	a_reset_behind_bytes(false);
	a_reset_behind_bytes(true);
	disconnected_and_kept(false);
	disconnected_and_kept(true);
	connected_again(false);
	connected_again(true);
	if (conf_two_processes()) {
		only_workers_accept();
		bound_ones();
		the_port_stays("closes");
		the_port_stays("cleans");
		the_port_stays("exits");
		the_port_stays("dies");
		he_leaves_at_once();
		the_last_one_closes_it();
		given_away(true);
		given_away(false);
		connected_again_elsewhere();
	}
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_waiting.c - a listener whose peers come by TCP of the system: what one process has taken from it and
 * not accepted, before the listener was shared or for a wait that has ended, is anybody's who accepts, also when that
 * process closes or ends.
 */
#include "tests/conformance/share.h"
#include "tests/conformance/visitor.h"

#define PEERS 5

/* They are in the queue of this process. */
static void come(struct visitor *visitors, unsigned count, SOCKET s, const struct address *at)
{
	for (unsigned i = 0; i < count; i++)
		visitor_at(&visitors[i], at);
	NEED(readable_within(s, (long)LONG_MS));
	Sleep(SHORT_MS); /* until all are; too short, it shows less */
}

static void all_were_served(struct visitor *visitors, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		CHECK_R(316, was_served(&visitors[i]));
}

/* --- one process --- */

static void before_it_was_shared(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other;
	struct visitor visitors[PEERS];

	come(visitors, PEERS, s, &at);
	other = share_other(s);
	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(316, answers(accept(i == 1 ? s : other, NULL, NULL)));
	all_were_served(visitors, PEERS);
	CHECK_R(316, serves(s, &at) && serves(other, &at));
	closesocket(s);
	closesocket(other);
}

static void for_a_wait_that_ended(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other = share_other(s);
	struct visitor visitor;

	for (unsigned i = 0; i < 4; i++) {
		come(&visitor, 1, i & 1 ? other : s, &at);
		CHECK_R(316, answers(accept(i & 1 ? s : other, NULL, NULL)));
		all_were_served(&visitor, 1);
	}
	closesocket(s);
	closesocket(other);
}

/* By the one that has it: the other one has never used it, or has it just now. */
static void he_closes(bool used, bool shared)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other = shared ? share_other(s) : INVALID_SOCKET;
	struct visitor visitors[PEERS];

	come(visitors, PEERS, s, &at);
	if (!shared)
		other = share_other(s);
	if (used)
		CHECK(getsockname(other, &at.sa.any, &at.length) == 0);
	closesocket(s);
	for (unsigned i = 0; i < PEERS; i++)
		CHECK_R(330, answers(accept(other, NULL, NULL)));
	all_were_served(visitors, PEERS);
	CHECK_R(330, serves(other, &at));
	closesocket(other);
}

/* Nobody accepts while he closes, and nobody but the system has asked: they wait on. */
static void until_somebody_accepts(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other;
	struct visitor visitors[PEERS];

	come(visitors, PEERS, s, &at);
	other = share_other(s);
	closesocket(s);
	Sleep(10 * SHORT_MS);
	s = share_other(other);
	CHECK_R(316, answers(accept(other, NULL, NULL)));
	closesocket(other);
	for (unsigned i = 1; i < PEERS; i++)
		CHECK_R(330, answers(accept(s, NULL, NULL)));
	all_were_served(visitors, PEERS);
	closesocket(s);
}

/* An urgent byte that came before is told by the one that accepts. */
static void with_an_urgent_byte(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other, client = stream_socket(), server;
	char byte = 0;

	NEED(connect_to(client, &at) == 0);
	NEED(send(client, "a", 1, 0) == 1 && send(client, "u", 1, MSG_OOB) == 1);
	NEED(readable_within(s, (long)LONG_MS));
	Sleep(SHORT_MS);
	other = share_other(s);
	server = accept(other, NULL, NULL);
	NEED(server != INVALID_SOCKET);
	CHECK_R(316, recv(server, &byte, 1, 0) == 1 && byte == 'a');
	CHECK_R(316, recv(server, &byte, 1, MSG_OOB) == 1 && byte == 'u');
	NEED(send(client, "b", 1, 0) == 1);
	CHECK_R(316, recv(server, &byte, 1, 0) == 1 && byte == 'b');
	closesocket(client);
	closesocket(server);
	closesocket(s);
	closesocket(other);
}

/* One that has said all and is gone. */
static void with_its_end(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS), other, client = stream_socket();

	NEED(connect_to(client, &at) == 0 && send(client, "gone", 4, 0) == 4);
	closesocket(client);
	NEED(readable_within(s, (long)LONG_MS));
	Sleep(SHORT_MS);
	other = share_other(s);
	CHECK_R(316, share_said_all(accept(other, NULL, NULL)));
	closesocket(s);
	closesocket(other);
}

/* --- two processes --- */

static int accepts_and_answers(SOCKET listener)
{
	return !answers(accept(listener, NULL, NULL));
}

/* The parent of many servers: it listens, and only the others accept. */
static void the_workers_get_them(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS);
	struct visitor visitors[PEERS];
	struct child c[2];

	come(visitors, PEERS, s, &at);
	for (unsigned i = 0; i < 2; i++)
		c[i] = share_worker_with(s, "closes");
	for (unsigned i = 0; i < PEERS; i++) {
		if (i == 2)
			closesocket(s);
		child_tell(&c[i & 1], SHARE_ACCEPT);
		CHECK_R(i < 2 ? 316 : 330, child_hear(&c[i & 1]) == 0);
	}
	all_were_served(visitors, PEERS);
	for (unsigned i = 0; i < 2; i++) {
		child_tell(&c[i], SHARE_END);
		CHECK(child_wait(&c[i]) == 0);
	}
}

/* It has taken them for a wait, and closes or ends. */
static int waits_for_them(SOCKET listener)
{
	return !readable_within(listener, (long)LONG_MS);
}

static int taker(void)
{
	return share_worker(waits_for_them);
}

static void the_taker_ends(const char *end)
{
	struct child c = child_start_ready("taker", end);
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS);
	struct visitor visitor;

	child_tell(&c, (int)share_token(s, child_id(&c)).dwProviderReserved);
	NEED(child_hear(&c) == 0);
	child_tell(&c, SHARE_ACCEPT);
	visitor_at(&visitor, &at);
	CHECK_R(316, child_hear(&c) == 0);
	child_tell(&c, SHARE_END);
	CHECK_R(330, answers(accept(s, NULL, NULL)));
	all_were_served(&visitor, 1);
	CHECK(child_wait(&c) == 0);
	CHECK_R(330, serves(s, &at));
	closesocket(s);
}

/* The one for whom it is comes when nobody else has the listener any more. */
static void he_comes_late(void)
{
	struct child c = child_start_ready("worker", "closes");
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, PEERS);
	struct visitor visitors[PEERS];
	DWORD token;

	come(visitors, PEERS, s, &at);
	token = share_token(s, child_id(&c)).dwProviderReserved;
	closesocket(s);
	Sleep(SHORT_MS);
	child_tell(&c, (int)token);
	NEED(child_hear(&c) == 0);
	for (unsigned i = 0; i < PEERS; i++) {
		child_tell(&c, SHARE_ACCEPT);
		CHECK_R(330, child_hear(&c) == 0);
	}
	all_were_served(visitors, PEERS);
	child_tell(&c, SHARE_END);
	CHECK(child_wait(&c) == 0);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return strcmp(conf_role(), "taker") == 0 ? taker()
							 : share_worker(accepts_and_answers);
	before_it_was_shared();
	for_a_wait_that_ended();
	he_closes(false, false);
	he_closes(true, false);
	he_closes(false, true);
	until_somebody_accepts();
	with_an_urgent_byte();
	with_its_end();
	if (conf_two_processes()) {
		the_workers_get_them();
		the_taker_ends("closes");
		the_taker_ends("cleans");
		the_taker_ends("exits");
		he_comes_late();
	}
	WSACleanup();
	return check_result();
}

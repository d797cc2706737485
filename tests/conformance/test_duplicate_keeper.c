// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_keeper.c - a listener that several processes have, when the one that listens for them closes it, ends
 * or dies: as long as anybody has it no peer is refused, and each that comes is served by the next: R-330.
 *
 * Each visitor connects once. Nobody tries again, and many come in the moment in which the listener changes hands.
 */
#include "tests/conformance/ext.h"
#include "tests/conformance/share.h"

#define ROUNDS	 25 /* in one process: nearly for nothing */
#define LIVES	 4  /* of processes that end, in each way */
#define VISITORS 3

/* --- peers: they say 'v', and are answered by 'h' --- */

struct visitor {
	struct address at;
	int error; /* of connect */
	bool served;
	struct conf_thread *thread;
};

static void visit(void *arg)
{
	struct visitor *v = arg;
	SOCKET s = stream_socket();
	char byte = 0;

	v->error = connect_to(s, &v->at) == 0 ? 0 : WSAGetLastError();
	v->served = v->error == 0 && send(s, "v", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 &&
		    byte == 'h';
	closesocket(s);
}

static void visitor_at(struct visitor *v, const struct address *at)
{
	*v = (struct visitor){ .at = *at };
	v->thread = thread_run(visit, v);
}

static bool was_served(struct visitor *v)
{
	thread_join(v->thread);
	CHECK_R(330, v->error == 0);
	return v->served;
}

static bool answers(SOCKET s)
{
	char byte = 0;
	bool good = s != INVALID_SOCKET && WSAEventSelect(s, WSA_INVALID_EVENT, 0) == 0;

	if (good)
		nonblocking(s, 0); /* it is as its listener */
	good = good && recv(s, &byte, 1, 0) == 1 && byte == 'v' && send(s, "h", 1, 0) == 1;
	closesocket(s);
	return good;
}

/* --- the ways to wait for one: in a thread, where nothing is counted --- */

static SOCKET by_accept(SOCKET listener)
{
	return accept(listener, NULL, NULL);
}

static SOCKET by_select(SOCKET listener)
{
	struct timeval limit = { (long)(LONG_MS / 1000), 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(listener, &set);
	return select(0, &set, NULL, NULL, &limit) == 1 ? accept(listener, NULL, NULL)
							: INVALID_SOCKET;
}

static SOCKET by_event(SOCKET listener)
{
	WSAEVENT event = WSACreateEvent();
	SOCKET s = INVALID_SOCKET;

	NEED(WSAEventSelect(listener, event, FD_ACCEPT) == 0);
	if (event_within(event, LONG_MS))
		s = accept(listener, NULL, NULL);
	NEED(WSAEventSelect(listener, WSA_INVALID_EVENT, 0) == 0);
	nonblocking(listener, 0);
	WSACloseEvent(event);
	return s;
}

static SOCKET by_accept_ex(SOCKET listener)
{
	SOCKET s = stream_socket();
	char addresses[2 * (sizeof(struct sockaddr_in6) + 16)];
	DWORD each = sizeof(addresses) / 2, bytes = 0, flags = 0;
	WSAOVERLAPPED o;
	WSAEVENT event = WSACreateEvent();
	bool good;

	overlapped_init(&o, event);
	good = accept_ex(listener, s, addresses, 0, each, each, &bytes, &o) ||
	       (WSAGetLastError() == ERROR_IO_PENDING && event_within(event, LONG_MS));
	good = good && outcome(listener, &o, &bytes, &flags) == 0 &&
	       setsockopt(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener,
			  sizeof(listener)) == 0;
	WSACloseEvent(event);
	if (good)
		return s;
	closesocket(s);
	return INVALID_SOCKET;
}

static SOCKET (*const ways[])(SOCKET listener) = { by_accept, by_select, by_event, by_accept_ex };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct host {
	SOCKET listener;
	unsigned way, guests;
	bool good;
	struct conf_thread *thread;
};

static void serve_guests(void *arg)
{
	struct host *h = arg;

	thread_will_wait();
	h->good = true;
	for (unsigned i = 0; i < h->guests; i++)
		h->good = answers(ways[h->way](h->listener)) && h->good;
}

static void host_at(struct host *h, SOCKET listener, unsigned way, unsigned guests)
{
	*h = (struct host){ .listener = listener, .way = way, .guests = guests };
	h->thread = thread_run(serve_guests, h);
}

static bool all_were_served(struct host *h, struct visitor *visitors)
{
	bool good = true;

	for (unsigned i = 0; i < h->guests; i++)
		good = was_served(&visitors[i]) && good;
	thread_join(h->thread);
	return good && h->good;
}

/* --- one process --- */

/* The next one is waiting, in every way: one visitor comes before the listener is closed, one as it is. */
static void the_next_one_waits(unsigned round)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s);
	struct visitor visitors[2];
	struct host h;

	host_at(&h, other, round % WAYS, 2);
	if (round & WAYS)
		thread_until_waiting(h.thread);
	visitor_at(&visitors[0], &at);
	closesocket(s);
	visitor_at(&visitors[1], &at);
	CHECK_R(330, all_were_served(&h, visitors));
	closesocket(other);
}

/* It has the socket, and does nothing with it. */
static void the_next_one_does_not_wait(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), client = stream_socket(), server;
	char byte = 0;

	closesocket(s);
	CHECK_R(330, connect_to(client, &at) == 0 && send(client, "v", 1, 0) == 1);
	server = by_select(other); /* it comes to an end if that one was refused */
	CHECK_R(330, answers(server) && recv(client, &byte, 1, 0) == 1 && byte == 'h');
	closesocket(client);
	closesocket(other);
}

/* From hand to hand, as a listener that each process gives to the next. */
static void it_goes_round(void)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);

	for (unsigned i = 0; i < ROUNDS; i++) {
		SOCKET other = share_other(s);
		struct visitor visitor;

		visitor_at(&visitor, &at);
		closesocket(s);
		CHECK_R(330, answers(by_select(other)));
		CHECK_R(330, was_served(&visitor));
		s = other;
	}
	closesocket(s);
}

/* Who closes the last descriptor refuses: those that wait for an answer, and those that come later. */
static void the_last_one_refuses(void)
{
	struct address at = loopback(0);
	SOCKET s = conditional_listener(&at, 5), other = share_other(s);
	struct visitor visitors[VISITORS];

	closesocket(other);
	for (unsigned i = 0; i < VISITORS; i++)
		visitor_at(&visitors[i], &at);
	Sleep(SHORT_MS);
	closesocket(s);
	for (unsigned i = 0; i < VISITORS; i++) {
		thread_join(visitors[i].thread);
		CHECK_R(330, !visitors[i].served);
		if (!conf_system_tcp()) /* which says that they are connected */
			CHECK_R(330, visitors[i].error == WSAECONNREFUSED);
	}
}

/* --- two processes --- */

static int serves_one(SOCKET listener)
{
	return !answers(accept(listener, NULL, NULL));
}

/* It goes on meanwhile: visitors come before, in the middle, and when it has ended. */
static void the_owner_leaves(const char *end, unsigned way)
{
	struct visitor visitors[VISITORS];
	struct address at;
	struct host h;
	SOCKET s;
	struct child c = share_owner_of(&at, end, &s);

	host_at(&h, s, way, VISITORS);
	visitor_at(&visitors[0], &at);
	child_tell(&c, SHARE_END);
	visitor_at(&visitors[1], &at);
	CHECK(child_wait(&c) == 0);
	visitor_at(&visitors[2], &at);
	CHECK_R(330, all_were_served(&h, visitors));
	closesocket(s);
}

/* Also of the system's socket the other one has his part then. */
static bool both_serve(const struct child *c, SOCKET s, const struct address *at)
{
	struct visitor visitor;
	bool good;

	visitor_at(&visitor, at);
	good = answers(accept(s, NULL, NULL));
	good = was_served(&visitor) && good;
	child_tell(c, SHARE_ACCEPT);
	visitor_at(&visitor, at);
	good = child_hear(c) == 0 && good;
	return was_served(&visitor) && good;
}

/* What it had accepted for others dies with it; who comes when it is dead does not notice, whether or not the next one
 * waits. */
static void the_owner_dies(bool waits, unsigned way)
{
	struct visitor visitors[VISITORS];
	struct address at;
	struct host h;
	SOCKET s;
	struct child c = share_owner_of(&at, "dies", &s);

	CHECK_R(330, both_serve(&c, s, &at));
	if (waits) {
		host_at(&h, s, way, VISITORS);
		thread_until_waiting(h.thread);
	}
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	for (unsigned i = 0; i < VISITORS; i++)
		visitor_at(&visitors[i], &at);
	if (!waits) {
		Sleep(SHORT_MS);
		host_at(&h, s, way, VISITORS);
	}
	CHECK_R(330, all_were_served(&h, visitors));
	closesocket(s);
}

int main(int argc, char **argv)
{
	/* Nobody is refused; how long it takes is not asked of a machine that does much else. */
	set_limit("WSD_LISTENER_WAIT", 2000);
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return share_owner(serves_one);
	ext_fetch();
	for (unsigned i = 0; i < ROUNDS; i++) {
		the_next_one_waits(i);
		the_next_one_does_not_wait();
	}
	it_goes_round();
	the_last_one_refuses();
	for (unsigned i = 0; conf_two_processes() && i < LIVES; i++) {
		the_owner_leaves("closes", i % WAYS);
		the_owner_leaves("cleans", i % WAYS);
		the_owner_leaves("exits", i % WAYS);
		the_owner_dies(true, i % WAYS);
		the_owner_dies(false, i % WAYS);
	}
	WSACleanup();
	return check_result();
}

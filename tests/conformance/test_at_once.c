// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_at_once.c - what a call gave away that has returned is found by one that does not wait, behind it and in the
 * same process, as over loopback TCP, while other threads move the device.
 */
#include <stdatomic.h>

#include "tests/conformance/io.h"

#define BUSY	 2u
#define RECEIVES 100000u
#define OTHERS	 20000u
#define ACCEPTS	 200u
#define MOST_MS	 3000u /* of each kind, where calls are slow */
#define RARELY \
	10000u /* once in so many: a look ends after 100 ms, also when who has the device does not run */

static atomic_bool stop;

/* Keeps the device taken, half of the time in a call that waits. */
static void traffic(void *arg)
{
	struct pair *p = arg;
	char byte = 'b';

	while (!atomic_load(&stop)) {
		NEED(send(p->client, &byte, 1, 0) == 1);
		NEED(recv(p->server, &byte, 1, 0) == 1);
	}
}

static bool by_recv(struct pair *p, WSAEVENT event)
{
	char byte;

	(void)event;
	return recv(p->server, &byte, 1, 0) == 1;
}

static bool by_peek(struct pair *p, WSAEVENT event)
{
	char byte;

	(void)event;
	return recv(p->server, &byte, 1, MSG_PEEK) == 1;
}

static bool by_select(struct pair *p, WSAEVENT event)
{
	struct timeval none = { 0, 0 };
	fd_set set;

	(void)event;
	FD_ZERO(&set);
	FD_SET(p->server, &set);
	return select(0, &set, NULL, NULL, &none) == 1;
}

static bool by_poll(struct pair *p, WSAEVENT event)
{
	WSAPOLLFD poll = { p->server, POLLRDNORM, 0 };

	(void)event;
	return WSAPoll(&poll, 1, 0) == 1 && (poll.revents & POLLRDNORM) != 0;
}

static bool by_count(struct pair *p, WSAEVENT event)
{
	u_long bytes = 0;

	(void)event;
	return ioctlsocket(p->server, FIONREAD, &bytes) == 0 && bytes == 1;
}

static bool by_events(struct pair *p, WSAEVENT event)
{
	WSANETWORKEVENTS events;

	return WSAEnumNetworkEvents(p->server, event, &events) == 0 &&
	       (events.lNetworkEvents & FD_READ) != 0;
}

/* Sends a byte, looks for it at once, and takes it. How often it was not there yet. */
static unsigned misses(struct pair *p, WSAEVENT event,
		       bool (*found)(struct pair *p, WSAEVENT event), unsigned times)
{
	uint64_t until = now_ms() + MOST_MS;
	unsigned missed = 0, i;
	char byte = 'a';

	for (i = 0; i < times && now_ms() < until; i++) {
		NEED(send(p->client, &byte, 1, 0) == 1);
		if (found(p, event) && (found == by_recv || recv(p->server, &byte, 1, 0) == 1))
			continue;
		missed++;
		while (recv(p->server, &byte, 1, 0) != 1)
			NEED(WSAGetLastError() == WSAEWOULDBLOCK);
	}
	printf("%u of %u missed\n", missed, i);
	return missed;
}

static void check_receives(void)
{
	struct pair p = need_pair();
	WSAEVENT event = WSACreateEvent();

	nonblocking(p.server, 1);
	CHECK_R(145, misses(&p, event, by_recv, RECEIVES) <= RECEIVES / RARELY);
	CHECK_R(145, misses(&p, event, by_peek, OTHERS) <= OTHERS / RARELY);
	CHECK_R(266, misses(&p, event, by_count, OTHERS) <= OTHERS / RARELY);
	CHECK(misses(&p, event, by_select, OTHERS) <= OTHERS / RARELY);
	CHECK(misses(&p, event, by_poll, OTHERS) <= OTHERS / RARELY);
	NEED(WSAEventSelect(p.server, event, FD_READ) == 0);
	CHECK(misses(&p, event, by_events, OTHERS) <= OTHERS / RARELY);
	WSACloseEvent(event);
	close_pair(&p);
}

static void check_accepts(void)
{
	struct address at;
	SOCKET listener = listener_on(&at, 8), client, server;
	unsigned missed = 0;

	nonblocking(listener, 1);
	for (unsigned i = 0; i < ACCEPTS; i++) {
		client = stream_socket();
		NEED(connect_to(client, &at) == 0);
		server = accept(listener, NULL, NULL);
		missed += server == INVALID_SOCKET;
		while (server == INVALID_SOCKET)
			server = accept(listener, NULL, NULL);
		closesocket(client);
		closesocket(server);
	}
	printf("%u of %u missed\n", missed, ACCEPTS);
	CHECK_R(72, missed <= 1);
	closesocket(listener);
}

int main(int argc, char **argv)
{
	struct conf_thread *threads[BUSY];
	struct pair busy[BUSY];

	conf_start(argc, argv);
	for (unsigned i = 0; i < BUSY; i++) {
		busy[i] = need_pair();
		threads[i] = thread_run(traffic, &busy[i]);
	}
	check_receives();
	if (getenv("WSD_TEST_LATE_ACCEPTS") == NULL) /* it is set where they may come late */
		check_accepts();
	atomic_store(&stop, true);
	for (unsigned i = 0; i < BUSY; i++) {
		thread_join(threads[i]);
		close_pair(&busy[i]);
	}
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_changes.c - SIO_ADDRESS_LIST_CHANGE and SIO_ROUTING_INTERFACE_CHANGE, in a network namespace of
 * its own: each way of asking is told of a change, and of no other family's and no other kind's.
 */
#include "tests/conformance/events.h"
#include "tests/conformance/io.h"
#include "tests/conformance/netns.h"

static unsigned own, other; /* 4 or 6: the family under test and the one that is not */

static const char *address_of(unsigned family)
{
	return family == 6 ? "fd00:77::1" : "10.77.0.1";
}

static const char *target_of(unsigned family)
{
	return family == 6 ? "fd00:78::1" : "10.78.0.1";
}

static int ask(SOCKET s, DWORD code, WSAOVERLAPPED *o)
{
	DWORD bytes = 0;

	return WSAIoctl(s, code, NULL, 0, NULL, 0, &bytes, o, NULL);
}

/* The notices of a change may come one by one: let them pass before the next check, until none comes any more. */
static void settle(void)
{
	static const DWORD codes[2] = { SIO_ADDRESS_LIST_CHANGE, SIO_ROUTING_INTERFACE_CHANGE };
	uint64_t end = now_ms() + LONG_MS;
	SOCKET s = stream_socket();
	WSAOVERLAPPED o[2];
	bool news;

	for (unsigned i = 0; i < 2; i++) {
		overlapped_init(&o[i], WSACreateEvent());
		NEED(PENDS(ask(s, codes[i], &o[i])));
	}
	do {
		news = false;
		for (unsigned i = 0; i < 2; i++) {
			if (!event_within(o[i].hEvent, QUIET / 2))
				continue;
			news = true;
			WSAResetEvent(o[i].hEvent);
			NEED(PENDS(ask(s, codes[i], &o[i])));
		}
	} while (news && now_ms() < end);
	closesocket(s);
	for (unsigned i = 0; i < 2; i++) {
		NEED(event_within(o[i].hEvent, LONG_MS));
		WSACloseEvent(o[i].hEvent);
	}
}

/* Is an address of this text among those that are told? */
static bool is_listed(SOCKET s, const char *text)
{
	static char area[16384];
	SOCKET_ADDRESS_LIST *list = (void *)area;
	DWORD bytes = 0;
	char name[64];

	NEED(WSAIoctl(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, area, sizeof(area), &bytes, NULL, NULL) ==
	     0);
	for (int i = 0; i < list->iAddressCount; i++) {
		DWORD length = sizeof(name);

		NEED(WSAAddressToStringA(list->Address[i].lpSockaddr,
					 (DWORD)list->Address[i].iSockaddrLength, NULL, name,
					 &length) == 0);
		if (!strcmp(name, text))
			return true;
	}
	return false;
}

/* sim has addresses of its own, and an adapter stays in the namespace that it was made in. */
static bool has_namespace_addresses(void)
{
	const char *backends = getenv("WSD_BACKENDS");

	return backends == NULL || (strcmp(backends, "sim") != 0 && strcmp(backends, "verbs") != 0);
}

static void check_overlapped(void)
{
	SOCKET s = stream_socket();
	WSAOVERLAPPED address, route;
	DWORD n, flags;

	overlapped_init(&address, WSACreateEvent());
	overlapped_init(&route, WSACreateEvent());
	CHECK(PENDS(ask(s, SIO_ADDRESS_LIST_CHANGE, &address)) &&
	      PENDS(ask(s, SIO_ROUTING_INTERFACE_CHANGE, &route)));
	/* The other family's changes are no news to it. */
	NEED(netns_address(other, address_of(other), true));
	NEED(netns_address(other, address_of(other), false));
	CHECK(!event_within(address.hEvent, SHORT_MS) && !event_is_set(route.hEvent));
	/* A route changes no address. */
	NEED(netns_route(own, target_of(own), true));
	CHECK(event_within(route.hEvent, LONG_MS) && !event_within(address.hEvent, SHORT_MS));
	CHECK(WSAGetOverlappedResult(s, &route, &n, FALSE, &flags) && n == 0);
	NEED(netns_address(own, address_of(own), true));
	CHECK(event_within(address.hEvent, LONG_MS) &&
	      WSAGetOverlappedResult(s, &address, &n, FALSE, &flags) && n == 0);
	CHECK(!has_namespace_addresses() || is_listed(s, address_of(own)));
	/* One notice for each call. */
	settle();
	WSAResetEvent(address.hEvent);
	NEED(PENDS(ask(s, SIO_ADDRESS_LIST_CHANGE, &address)));
	CHECK(!event_within(address.hEvent, SHORT_MS));
	NEED(netns_address(own, address_of(own), false) && netns_route(own, target_of(own), false));
	CHECK(event_within(address.hEvent, LONG_MS) && !is_listed(s, address_of(own)));
	WSACloseEvent(address.hEvent);
	WSACloseEvent(route.hEvent);
	closesocket(s);
}

/* Recorded once for each ioctl, and not without one. */
static void check_events(void)
{
	SOCKET s = stream_socket();
	WSAEVENT event = WSACreateEvent();

	settle();
	NEED(WSAEventSelect(s, event, FD_ADDRESS_LIST_CHANGE | FD_ROUTING_INTERFACE_CHANGE) == 0);
	NEED(netns_address(own, address_of(own), true));
	CHECK(stays_quiet(s, event));
	CHECK_R(273, FAILS(ask(s, SIO_ADDRESS_LIST_CHANGE, NULL), WSAEWOULDBLOCK));
	CHECK(stays_quiet(s, event));
	NEED(netns_address(own, address_of(own), false));
	CHECK(signalled(event, SOON) &&
	      fetch(s, event, &(WSANETWORKEVENTS){ 0 }) == FD_ADDRESS_LIST_CHANGE);
	settle();
	NEED(netns_address(own, address_of(own), true));
	CHECK(stays_quiet(s, event)); /* not enabled again */
	CHECK(FAILS(ask(s, SIO_ROUTING_INTERFACE_CHANGE, NULL), WSAEWOULDBLOCK));
	NEED(netns_route(own, target_of(own), true));
	CHECK(signalled(event, SOON) &&
	      fetch(s, event, &(WSANETWORKEVENTS){ 0 }) == FD_ROUTING_INTERFACE_CHANGE);
	/* What happened between the ioctl and the selection is recorded with the selection. */
	NEED(WSAEventSelect(s, event, 0) == 0);
	settle();
	NEED(FAILS(ask(s, SIO_ADDRESS_LIST_CHANGE, NULL), WSAEWOULDBLOCK));
	NEED(netns_address(own, address_of(own), false) && netns_route(own, target_of(own), false));
	settle();
	NEED(WSAEventSelect(s, event, FD_ADDRESS_LIST_CHANGE) == 0);
	CHECK(signalled(event, SOON) &&
	      fetch(s, event, &(WSANETWORKEVENTS){ 0 }) == FD_ADDRESS_LIST_CHANGE);
	closesocket(s);
	WSACloseEvent(event);
}

struct blocked {
	SOCKET s;
	int result, error;
};

static void blocked_call(void *arg)
{
	struct blocked *b = arg;

	thread_will_wait();
	b->result = ask(b->s, SIO_ADDRESS_LIST_CHANGE, NULL);
	b->error = WSAGetLastError();
}

static void check_blocking(void)
{
	struct blocked b = { .s = stream_socket() };
	struct conf_thread *thread = thread_run(blocked_call, &b);

	thread_until_waiting(thread);
	NEED(netns_address(own, address_of(own), true));
	thread_join(thread);
	CHECK(b.result == 0);
	settle();
	thread = thread_run(blocked_call, &b);
	thread_until_waiting(thread);
	CHECK(closesocket(b.s) == 0);
	thread_join(thread);
	CHECK(b.result == SOCKET_ERROR && (b.error == WSAEINTR || b.error == WSAENOTSOCK));
	NEED(netns_address(own, address_of(own), false));
}

/* After the last clean-up nothing watches; a new start does, when asked. */
static void check_restart(void)
{
	WSADATA data;

	NEED(WSACleanup() == 0);
	NEED(netns_address(own, address_of(own), true));
	NEED(WSAStartup(MAKEWORD(2, 2), &data) == 0);
	NEED(netns_address(own, address_of(own), false));
	check_overlapped();
}

int main(int argc, char **argv)
{
	if (!netns_enter())
		return 77;
	conf_start(argc, argv);
	own = conf_family() == AF_INET6 ? 6 : 4;
	other = own == 6 ? 4 : 6;
	check_overlapped();
	check_events();
	check_blocking();
	check_restart();
	WSACleanup();
	return check_result();
}

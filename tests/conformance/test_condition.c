// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_condition.c - the condition function of WSPAccept, with and without SO_CONDITIONAL_ACCEPT. With
 * it a peer's connect stays open until accept decides; without it the peer is connected as soon as the
 * backlog has room.
 */
#include "tests/conformance/dial.h"

static struct {
	unsigned calls;
	int answer, returned;
	DWORD thread;
	DWORD_PTR data;
	struct address caller, callee;
	int no_caller_data, no_qos, callee_room;
} seen;

static void keep(struct address *to, const WSABUF *id)
{
	memset(to, 0, sizeof(*to));
	to->length = (int)id->len;
	if (id->len <= sizeof(to->sa))
		memcpy(&to->sa, id->buf, id->len);
}

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)gqos;
	(void)g;
	seen.calls++;
	seen.thread = GetCurrentThreadId();
	seen.data = data;
	keep(&seen.caller, caller);
	keep(&seen.callee, callee);
	seen.no_caller_data = caller_data == NULL;
	seen.no_qos = sqos == NULL;
	seen.callee_room = callee_data == NULL ? -1 : (int)callee_data->len;
	return seen.answer;
}

static SOCKET decide(SOCKET s, struct address *peer, int answer)
{
	SOCKET server;

	seen.calls = 0;
	seen.answer = answer;
	seen.thread = 0;
	if (peer != NULL) {
		memset(peer, 0, sizeof(*peer));
		peer->length = sizeof(peer->sa);
	}
	server = WSAAccept(s, peer != NULL ? &peer->sa.any : NULL,
			   peer != NULL ? &peer->length : NULL, condition,
			   (DWORD_PTR)0xfeedfacecafe1234);
	return server;
}

static int is_name_of(const struct address *peer, SOCKET s)
{
	struct address name, wanted;

	/* While it connects only the port of its name is certain. */
	if (name_of(s, &name) != 0)
		return 0;
	wanted = caller(port_of(&name));
	return peer->length == wanted.length &&
	       memcmp(&peer->sa, &wanted.sa, (size_t)wanted.length) == 0;
}

/* What the function is given, and each answer, on either kind of listener. */
static void check_condition(SOCKET s, const struct address *at)
{
	struct address peer;
	SOCKET client = dial_pending(at), second, server;

	if (!readable_within(s, 10000))
		abort();
	CHECK_R(78, no_socket(decide(s, &peer, CF_DEFER), WSATRY_AGAIN) && seen.calls == 1);
	CHECK_R(75, seen.thread == GetCurrentThreadId());
	CHECK_R(82, seen.data == (DWORD_PTR)0xfeedfacecafe1234);
	CHECK_R(83, is_name_of(&seen.caller, client));
	CHECK_R(83, seen.callee.length == at->length &&
			    memcmp(&seen.callee.sa, &at->sa, (size_t)at->length) == 0);
	CHECK_R(84, seen.no_caller_data);
	CHECK_R(85, seen.callee_room == 0);
	CHECK_R(86, seen.no_qos);
	CHECK_R(87, is_name_of(&peer, client));
	second = dial_pending(at);
	CHECK_R(80, no_socket(decide(s, &peer, CF_DEFER), WSATRY_AGAIN) &&
			    is_name_of(&seen.caller, client) && is_name_of(&peer, client));
	CHECK_R(81, no_socket(decide(s, NULL, 3), WSAEINVAL) && seen.calls == 1);
	CHECK_R(81, no_socket(decide(s, NULL, -1), WSAEINVAL) && is_name_of(&seen.caller, client));
	server = decide(s, &peer, CF_ACCEPT);
	CHECK_R(80, server != INVALID_SOCKET && is_name_of(&seen.caller, client));
	CHECK_R(75, seen.calls == 1 && outcome(client) == 0 && works(client, server));
	CHECK_R(87, is_name_of(&peer, client));
	if (!readable_within(s, 10000))
		abort();
	CHECK_R(76, no_socket(decide(s, &peer, CF_REJECT), WSAECONNREFUSED) &&
			    is_name_of(&seen.caller, second));
	CHECK_R(87, is_name_of(&peer, second));
	/* Removed: the queue is empty. */
	nonblocking(s, 1);
	CHECK_R(76, no_socket(decide(s, NULL, CF_ACCEPT), WSAEWOULDBLOCK) && seen.calls == 0);
	nonblocking(s, 0);
	closesocket(client);
	closesocket(second);
	closesocket(server);
}

static void check_conditions(void)
{
	struct address at;
	SOCKET s = listener_on(&at, 4), client, server;
	char c;

	check_condition(s, &at);
	/* The peer was connected already: to it a rejection is the end of a connection. */
	client = dial(&at);
	CHECK_R(76, no_socket(decide(s, NULL, CF_REJECT), WSAECONNREFUSED) &&
			    FAILS(recv(client, &c, 1, 0), WSAECONNRESET));
	closesocket(client);
	closesocket(s);

	s = conditional_listener(&at, 4);
	check_condition(s, &at);
	client = dial_pending(&at);
	CHECK_R(77, readable_within(s, 10000) &&
			    no_socket(decide(s, NULL, CF_REJECT), WSAECONNREFUSED) &&
			    (conf_system_tcp() || outcome(client) == WSAECONNREFUSED));
	closesocket(client);
	client = dial_pending(&at);
	server = accept(s, NULL, NULL);
	CHECK_R(90, outcome(client) == 0 && works(client, server));
	closesocket(client);
	closesocket(server);
	/* The accepted one may be used before the answer has reached the peer. */
	client = dial_pending(&at);
	server = accept(s, NULL, NULL);
	CHECK_R(90, send(server, "early", 5, 0) == 5 && outcome(client) == 0);
	nonblocking(client, 0);
	CHECK_R(90, recv(client, (char[8]){ 0 }, 5, MSG_WAITALL) == 5);
	closesocket(client);
	closesocket(server);
	closesocket(s);
}

/* --- what may happen meanwhile --- */

static int CALLBACK close_inside(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
				 LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)sqos;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)g;
	closesocket((SOCKET)data);
	Sleep(30);
	return CF_ACCEPT;
}

/* The function may close anything, the listener and the peer included. */
static void check_close_inside(void)
{
	struct address at;
	SOCKET s = conditional_listener(&at, 4), client, server;
	char c;

	client = dial_pending(&at);
	server = WSAAccept(s, NULL, NULL, close_inside, (DWORD_PTR)client);
	if (server == INVALID_SOCKET) {
		CHECK_R(96, WSAGetLastError() == WSAECONNRESET || WSAGetLastError() == WSAEACCES);
	} else { /* it was faster than the news */
		bound_receive(server);
		CHECK_R(96, FAILS(recv(server, &c, 1, 0), WSAECONNRESET));
		closesocket(server);
	}
	client = dial_pending(&at);
	server = WSAAccept(s, NULL, NULL, close_inside, (DWORD_PTR)s);
	CHECK_R(77, server == INVALID_SOCKET &&
			    (WSAGetLastError() == WSAEINTR || WSAGetLastError() == WSAENOTSOCK));
	CHECK_R(77, outcome(client) == WSAECONNREFUSED);
	closesocket(client);
	CHECK_R(42, FAILS(listen(s, 1), WSAENOTSOCK));
}

/* --- FD_ACCEPT and CF_DEFER --- */

static int signalled(WSAEVENT event, DWORD ms)
{
	return WSAWaitForMultipleEvents(1, &event, TRUE, ms, FALSE) == WSA_WAIT_EVENT_0;
}

static int has_accept(SOCKET s, WSAEVENT event)
{
	WSANETWORKEVENTS events;

	return signalled(event, 10000) && WSAEnumNetworkEvents(s, event, &events) == 0 &&
	       events.lNetworkEvents == FD_ACCEPT && events.iErrorCode[FD_ACCEPT_BIT] == 0;
}

static void check_deferred(SOCKET s, const struct address *at)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	SOCKET client, second, server;

	WSAEventSelect(s, event, FD_ACCEPT);
	client = dial_pending(at);
	CHECK_R(79, has_accept(s, event));
	CHECK_R(78, no_socket(decide(s, NULL, CF_DEFER), WSATRY_AGAIN));
	CHECK_R(79, !signalled(event, 20));
	second = dial_pending(at);
	CHECK_R(79, !signalled(event, 100) && readable_within(s, 0));
	CHECK_R(79, WSAEnumNetworkEvents(s, event, &events) == 0 && events.lNetworkEvents == 0);
	CHECK_R(80, no_socket(decide(s, NULL, CF_DEFER), WSATRY_AGAIN) &&
			    is_name_of(&seen.caller, client) && !signalled(event, 20));
	/* Taking it brings the next one to the head, and that is told. */
	server = decide(s, NULL, CF_ACCEPT);
	CHECK_R(79, server != INVALID_SOCKET && is_name_of(&seen.caller, client) &&
			    has_accept(s, event));
	closesocket(server);
	server = decide(s, NULL, CF_ACCEPT);
	CHECK_R(80, server != INVALID_SOCKET && is_name_of(&seen.caller, second));
	closesocket(server);
	CHECK_R(79, !signalled(event, 20));
	closesocket(client);
	closesocket(second);
	WSACloseEvent(event);
}

static void check_defer_events(void)
{
	struct address at;
	SOCKET s = listener_on(&at, 4);

	check_deferred(s, &at);
	closesocket(s);
	s = conditional_listener(&at, 4);
	check_deferred(s, &at);
	closesocket(s);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_conditions();
	if (!conf_system_tcp())
		check_close_inside();
	check_defer_events();
	WSACleanup();
	return check_result();
}

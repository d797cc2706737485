// SPDX-License-Identifier: BSD-2-Clause
/* test_accept.c - WSPAccept: the queue, addresses, what a new socket inherits, withdrawn requests. */
#include "tests/conformance/dial.h"

static void dial_later(void *arg)
{
	Sleep(60);
	*(SOCKET *)arg = dial((struct address *)((SOCKET *)arg + 1));
}

static void check_accept(void)
{
	struct {
		SOCKET client;
		struct address at;
	} later;
	SOCKET s, client[3], server[3];
	struct address at, name;
	struct conf_thread *thread;
	int listening = 0, length = sizeof(listening);

	s = listener_on(&at, 8);
	nonblocking(s, 1);
	CHECK_R(72, no_socket(accept(s, NULL, NULL), WSAEWOULDBLOCK));
	nonblocking(s, 0);
	later.at = at;
	later.client = INVALID_SOCKET;
	thread = thread_run(dial_later, &later);
	server[0] = accept(s, NULL, NULL);
	thread_join(thread);
	CHECK_R(73, works(later.client, server[0]));
	closesocket(later.client);
	closesocket(server[0]);

	for (int i = 0; i < 3; i++)
		client[i] = dial(&at);
	for (int i = 0; i < 3; i++) {
		struct address peer = { .length = sizeof(peer.sa) };

		server[i] = accept(s, &peer.sa.any, &peer.length);
		CHECK_R(74, name_of(client[i], &name) == 0 && peer.length == name.length &&
				    memcmp(&peer.sa, &name.sa, (size_t)name.length) == 0);
	}
	CHECK_R(90, works(client[0], server[0]) && works(client[1], server[1]) &&
			    works(client[2], server[2]));
	nonblocking(s, 1);
	CHECK_R(72, no_socket(accept(s, NULL, NULL), WSAEWOULDBLOCK));
	CHECK_R(92, getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, (char *)&listening, &length) == 0 &&
			    listening == 1);
	for (int i = 0; i < 3; i++) {
		closesocket(client[i]);
		closesocket(server[i]);
	}
	client[0] = dial(&at);
	CHECK_R(92, readable_within(s, 10000));
	server[0] = accept(s, NULL, NULL);
	CHECK_R(92, server[0] != INVALID_SOCKET);
	closesocket(client[0]);
	closesocket(server[0]);
	closesocket(s);
}

static void close_later(void *arg)
{
	Sleep(60);
	closesocket(*(SOCKET *)arg);
}

/* Closing the listener ends a wait in another thread. */
static void check_closed_meanwhile(void)
{
	struct address at;
	SOCKET s = listener_on(&at, 1), server;
	struct conf_thread *thread = thread_run(close_later, &s);

	server = accept(s, NULL, NULL);
	CHECK_R(73, server == INVALID_SOCKET &&
			    (WSAGetLastError() == WSAEINTR || WSAGetLastError() == WSAENOTSOCK));
	thread_join(thread);
	CHECK_R(73, no_socket(accept(s, NULL, NULL), WSAENOTSOCK));
}

static void check_address(void)
{
	struct address at, peer = { .length = sizeof(peer.sa) }, name;
	SOCKET s = listener_on(&at, 8), client = dial(&at), server;
	int length = at.length - 1;

	CHECK_R(88, no_socket(accept(s, &peer.sa.any, &length), WSAEFAULT));
	length = 0;
	CHECK_R(88, no_socket(accept(s, &peer.sa.any, &length), WSAEFAULT));
	length = -1;
	CHECK_R(88, no_socket(accept(s, &peer.sa.any, &length), WSAEFAULT));
	CHECK_R(88, no_socket(accept(s, &peer.sa.any, NULL), WSAEFAULT));
	/* The request is still there. */
	server = accept(s, &peer.sa.any, &peer.length);
	CHECK_R(88, server != INVALID_SOCKET && peer.length == at.length &&
			    name_of(client, &name) == 0 &&
			    memcmp(&peer.sa, &name.sa, (size_t)name.length) == 0);
	closesocket(client);
	closesocket(server);
	client = dial(&at);
	server = accept(s, NULL, NULL);
	CHECK_R(89, works(client, server));
	closesocket(client);
	closesocket(server);
	client = dial(&at);
	length = 7;
	server = accept(s, NULL, &length); /* no place for an address: its length says nothing */
	CHECK_R(89, works(client, server));
	closesocket(client);
	closesocket(server);
	closesocket(s);
}

static void check_inheritance(void)
{
	struct linger linger = { 1, 7 }, got = { 0, 0 };
	int on = 1, value = 0, size = sizeof(value), timeout = 4321;
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct address at;
	SOCKET s = listener_on(&at, 4), client, server;

	setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_OOBINLINE, (char *)&on, sizeof(on));
	setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&linger, sizeof(linger));
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&timeout, sizeof(timeout));
	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof(on));
	WSAEventSelect(s, event, FD_ACCEPT | FD_READ | FD_CLOSE);
	client = dial(&at);
	WSAWaitForMultipleEvents(1, &event, TRUE, 5000, FALSE);
	WSAEnumNetworkEvents(s, event, &events);
	server = accept(s, NULL, NULL);
	CHECK_R(91, getsockopt(server, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &size) == 0 &&
			    value == 1);
	value = 0;
	CHECK_R(91, getsockopt(server, SOL_SOCKET, SO_OOBINLINE, (char *)&value, &size) == 0 &&
			    value == 1);
	value = 0;
	CHECK_R(91, getsockopt(server, SOL_SOCKET, SO_RCVTIMEO, (char *)&value, &size) == 0 &&
			    value == timeout);
	value = 0;
	CHECK_R(91, getsockopt(server, IPPROTO_TCP, TCP_NODELAY, (char *)&value, &size) == 0 &&
			    value == 1);
	size = sizeof(got);
	CHECK_R(91, getsockopt(server, SOL_SOCKET, SO_LINGER, (char *)&got, &size) == 0 &&
			    got.l_onoff == 1 && got.l_linger == 7);
	value = 1;
	size = sizeof(value);
	CHECK_R(91, getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, (char *)&value, &size) == 0 &&
			    value == 0);
	/* The same event object, for what was selected on the listener. */
	send(client, "x", 1, 0);
	CHECK_R(91, WSAWaitForMultipleEvents(1, &event, TRUE, 5000, FALSE) == WSA_WAIT_EVENT_0 &&
			    WSAEnumNetworkEvents(server, event, &events) == 0 &&
			    events.lNetworkEvents == FD_READ);
	CHECK_R(91, FAILS(listen(server, 1), WSAEISCONN));
	closesocket(client);
	closesocket(server);
	closesocket(s);
	WSACloseEvent(event);
}

/* --- a request that is withdrawn --- */

static int CALLBACK defer(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			  LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)sqos;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)g;
	(void)data;
	return CF_DEFER;
}

/* Asks again while the request can still be seen; the code that ends it. */
static int end_of_request(SOCKET s)
{
	for (int i = 0; i < 5000; i++) {
		(void)WSAAccept(s, NULL, NULL, defer, 0);
		if (WSAGetLastError() != WSATRY_AGAIN)
			return WSAGetLastError();
		Sleep(1);
	}
	return 0;
}

static void check_withdrawn(SOCKET s, const struct address *at, int hard)
{
	struct linger reset = { 1, 0 };
	SOCKET client = dial_pending(at), server;
	int code;

	if (!readable_within(s, 10000))
		abort();
	nonblocking(s, 1);
	if (hard)
		setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)&reset, sizeof(reset));
	closesocket(client);
	code = end_of_request(s);
	CHECK_R(96, code == WSAECONNRESET || code == WSAEACCES);
	/* It is gone, and takes nothing with it. */
	CHECK_R(96, no_socket(accept(s, NULL, NULL), WSAEWOULDBLOCK));
	client = dial_pending(at);
	CHECK_R(96, readable_within(s, 10000));
	server = accept(s, NULL, NULL);
	nonblocking(s, 0);
	nonblocking(server, 0);
	CHECK_R(96, outcome(client) == 0 && works(client, server));
	closesocket(client);
	closesocket(server);
}

static void check_withdrawals(void)
{
	struct address at;
	SOCKET s = conditional_listener(&at, 4), client, server;
	char text[8];

	if (!conf_system_tcp()) /* there it is a connection that has ended */
		check_withdrawn(s, &at, 0);
	closesocket(s);
	s = listener_on(&at, 4);
	check_withdrawn(s, &at, 1);
	/* What was sent and closed gracefully is no withdrawal: it is accepted and read. */
	client = dial(&at);
	send(client, "last", 4, 0);
	closesocket(client);
	Sleep(30);
	server = accept(s, NULL, NULL);
	CHECK_R(96, server != INVALID_SOCKET && recv(server, text, 8, MSG_WAITALL) == 4 &&
			    memcmp(text, "last", 4) == 0 && recv(server, text, 8, 0) == 0);
	closesocket(server);
	closesocket(s);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_accept();
	check_closed_meanwhile();
	check_address();
	check_inheritance();
	check_withdrawals();
	WSACleanup();
	return check_result();
}

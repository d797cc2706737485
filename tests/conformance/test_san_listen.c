// SPDX-License-Identifier: BSD-2-Clause
/* test_san_listen.c - mode S: events, backlog, withdrawn requests, what an accepted socket is. */
#include "tests/conformance/san.h"

static long events_of(SOCKET s, WSAEVENT event, WSANETWORKEVENTS *events)
{
	memset(events, 0x5A, sizeof(*events));
	return spi.lpWSPEnumNetworkEvents(s, event, events, &host_error) == 0
		       ? events->lNetworkEvents
		       : -1;
}

static bool signalled(WSAEVENT event, DWORD ms)
{
	return WSAWaitForMultipleEvents(1, &event, TRUE, ms, FALSE) == WSA_WAIT_EVENT_0;
}

static void check_accept_events(void)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct address at;
	SOCKET listener = san_listener(&at, 2), c[3], s[2];

	CHECK_R(217,
		spi.lpWSPEventSelect(listener, event, FD_ACCEPT | FD_CONNECT, &host_error) == 0);
	CHECK_R(218,
		SPI_FAILS(spi.lpWSPEventSelect(listener, event, FD_ACCEPT | FD_READ, &host_error),
			  WSAEINVAL));
	for (int i = 0; i < 3; i++)
		c[i] = san_bound();
	host_nonblocking(c[0], 1);
	host_nonblocking(c[1], 1);
	(void)host_connect(c[0], &at);
	CHECK_R(219, signalled(event, SAN_WAIT_MS) &&
			     events_of(listener, event, &events) == FD_ACCEPT &&
			     events.iErrorCode[FD_ACCEPT_BIT] == 0 && !signalled(event, 0));
	CHECK_R(221, events.iErrorCode[FD_CONNECT_BIT] == 0x5A5A5A5A);
	CHECK_R(223, events_of(listener, NULL, &events) == 0);
	(void)host_connect(c[1], &at);
	/* One waits and was told; the second is told by the accept of the first. */
	Sleep(50);
	s[0] = san_take(listener, NULL, 0);
	CHECK_R(92, s[0] != INVALID_SOCKET);
	CHECK_R(95,
		signalled(event, SAN_WAIT_MS) && events_of(listener, event, &events) == FD_ACCEPT);
	CHECK_R(220, !signalled(event, 0));
	s[1] = san_take(listener, NULL, 0);
	CHECK_R(229, s[1] != INVALID_SOCKET && !signalled(event, 20));
	/* A selection made now sees nothing; with a request there it is told at once. */
	host_nonblocking(c[2], 1);
	spi.lpWSPEventSelect(listener, NULL, 0, &host_error);
	(void)host_connect(c[2], &at);
	Sleep(100);
	CHECK_R(215, !signalled(event, 0));
	CHECK_R(216, spi.lpWSPEventSelect(listener, event, FD_ACCEPT, &host_error) == 0 &&
			     signalled(event, SAN_WAIT_MS));
	CHECK_R(214, spi.lpWSPEventSelect(listener, event, FD_CONNECT, &host_error) == 0 &&
			     events_of(listener, event, &events) == 0);
	CHECK_R(222, SPI_FAILS(spi.lpWSPEnumNetworkEvents(listener, event, NULL, &host_error),
			       WSAEFAULT));
	for (int i = 0; i < 3; i++)
		san_close(c[i]);
	san_close(s[0]);
	san_close(s[1]);
	host_close(listener);
	WSACloseEvent(event);
}

static void check_connect_events(void)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct address at, nobody = loopback(free_port());
	SOCKET listener = san_listener(&at, 4), s = san_bound(), server;
	u_long off = 0;
	DWORD bytes;

	spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error);
	CHECK_R(213, SPI_FAILS(host_connect(s, &at), WSAEWOULDBLOCK));
	server = san_take(listener, NULL, 0);
	CHECK_R(111, signalled(event, SAN_WAIT_MS));
	CHECK_R(110, events_of(s, event, &events) == FD_CONNECT &&
			     events.iErrorCode[FD_CONNECT_BIT] == 0);
	CHECK_R(230, !signalled(event, 20) && events_of(s, event, &events) == 0);
	CHECK_R(235, SPI_FAILS(spi.lpWSPIoctl(s, FIONBIO, &off, sizeof(off), NULL, 0, &bytes, NULL,
					      NULL, NULL, &host_error),
			       WSAEINVAL));
	spi.lpWSPEventSelect(s, NULL, 0, &host_error);
	CHECK_R(236, host_nonblocking(s, 0) == 0);
	san_close(s);
	san_close(server);
	s = san_bound();
	spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error);
	(void)host_connect(s, &nobody);
	CHECK_R(110, signalled(event, SAN_WAIT_MS) && events_of(s, event, &events) == FD_CONNECT &&
			     events.iErrorCode[FD_CONNECT_BIT] == WSAECONNRESET);
	san_close(s);
	host_close(listener);
	WSACloseEvent(event);
}

static void check_backlog(void)
{
	WSAEVENT event = WSACreateEvent(), full = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct address at;
	SOCKET listener = san_listener(&at, 1), a = san_bound(), b = san_bound(), s;
	ULONGLONG start;

	CHECK_R(64, host_listen(listener, -5) == 0 && host_listen(listener, 1 << 30) == 0);
	CHECK_R(65, host_listen(listener, SOMAXCONN) == 0);
	CHECK_R(66, host_listen(listener, 1) == 0);
	spi.lpWSPEventSelect(listener, event, FD_ACCEPT, &host_error);
	host_nonblocking(a, 1);
	(void)host_connect(a, &at);
	CHECK(signalled(event, SAN_WAIT_MS));
	(void)events_of(listener, event, &events);
	start = GetTickCount64();
	CHECK_R(68, san_dial(b, &at) == WSAECONNREFUSED);
	CHECK_R(70, GetTickCount64() - start < 5000);
	CHECK_R(69, !signalled(event, 20) && events_of(listener, NULL, &events) == 0);
	san_close(b);
	/* Fewer places than there are requests: the newest go. */
	CHECK(host_listen(listener, 2) == 0);
	b = san_bound();
	spi.lpWSPEventSelect(b, full, FD_CONNECT, &host_error);
	(void)host_connect(b, &at);
	Sleep(100);
	CHECK_R(67,
		host_listen(listener, 1) == 0 && san_connect_outcome(b, full) == WSAECONNREFUSED);
	s = san_take(listener, NULL, 0);
	CHECK_R(74, s != INVALID_SOCKET); /* the older one */
	san_close(a);
	san_close(b);
	san_close(s);
	host_close(listener);
	WSACloseEvent(event);
	WSACloseEvent(full);
}

static void check_withdrawn(void)
{
	struct address at;
	SOCKET listener = san_listener(&at, 4), s = san_bound();
	unsigned handles;
	int error = 0;

	host_nonblocking(s, 1);
	host_nonblocking(listener, 1);
	handles = host_open_handles();
	(void)host_connect(s, &at);
	Sleep(50);
	CHECK_R(119, host_close(s) == 0);
	for (int i = 0; i < 2000 && host_open_handles() >= handles; i++)
		Sleep(1);
	CHECK_R(119, host_open_handles() == handles - 1);
	for (int i = 0; i < 2000 && (error == 0 || error == WSAEWOULDBLOCK); i++) {
		SOCKET taken = host_accept(listener);

		error = host_error;
		if (taken != INVALID_SOCKET) { /* taken before the news: it breaks */
			error = WSAECONNRESET;
			san_close(taken);
		}
		if (error == WSAEWOULDBLOCK)
			Sleep(1);
		if (error == WSAEWOULDBLOCK && i > 500)
			error = WSAECONNRESET; /* it never got to the listener */
	}
	CHECK_R(96, error == WSAECONNRESET || error == WSAEACCES);
	host_close(listener);
}

static void check_inheritance(void)
{
	struct san_pair p;
	int on = 1, value = 0, length = sizeof(value);

	p.listener = san_listener(&p.at, 4);
	CHECK_R(91, spi.lpWSPSetSockOpt(p.listener, SOL_SOCKET, SO_DEBUG, (char *)&on, sizeof(on),
					&host_error) == 0);
	p.client = san_bound();
	host_nonblocking(p.client, 1);
	(void)host_connect(p.client, &p.at);
	p.client_handle = host_handle_at(host_handles() - 1).handle;
	p.server = san_take(p.listener, NULL, 0);
	p.server_handle = host_handle_at(host_handles() - 1).handle;
	CHECK_R(91, spi.lpWSPGetSockOpt(p.server, SOL_SOCKET, SO_DEBUG, (char *)&value, &length,
					&host_error) == 0 &&
			    value != 0);
	CHECK_R(90, p.server != INVALID_SOCKET);
	CHECK_R(89, p.server != INVALID_SOCKET);
	CHECK_R(93, host_handle_at(host_handles() - 1).handle != p.server &&
			    host_handle_at(host_handles() - 1).open);
	san_close_pair(&p);
}

static void check_wildcard(void)
{
	u_short port = companion_listen();
	struct address any = loopback(port), to = loopback(port);
	SOCKET listener = host_socket(), s = san_bound(), server;
	WSAEVENT event = WSACreateEvent();

	if (conf_family() == AF_INET)
		any.sa.v4.sin_addr.s_addr = 0;
	else
		any.sa.v6.sin6_addr = in6addr_any;
	CHECK_R(52, host_bind(listener, &any) == 0 && host_listen(listener, 4) == 0);
	spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error);
	(void)host_connect(s, &to);
	server = san_take(listener, NULL, 0);
	CHECK_R(52, server != INVALID_SOCKET && san_connect_outcome(s, event) == 0 &&
			    san_message(s, server, "any", 3, SAN_POLL));
	WSACloseEvent(event);
	san_close(s);
	san_close(server);
	host_close(listener);
}

static void check_no_handle(void)
{
	struct address at;
	SOCKET listener = san_listener(&at, 4), s = san_bound(), server;
	WSAEVENT event = WSACreateEvent();

	spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error);
	(void)host_connect(s, &at);
	Sleep(50);
	host_fail_create = WSAEMFILE;
	CHECK_R(100, SPI_NO_SOCKET(san_take(listener, NULL, 0), WSAEMFILE));
	host_fail_create = 0;
	server = san_take(listener, NULL, 0);
	CHECK_R(100, server != INVALID_SOCKET && san_connect_outcome(s, event) == 0 &&
			     san_message(s, server, "later", 5, SAN_POLL));
	WSACloseEvent(event);
	san_close(s);
	san_close(server);
	host_close(listener);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (san_startup(0) != 0)
		return 1;
	check_accept_events();
	check_connect_events();
	check_backlog();
	check_withdrawn();
	check_inheritance();
	check_wildcard();
	check_no_handle();
	host_cleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_listen.c - WSPListen and the backlog. */
#include "tests/conformance/dial.h"

#define MANY 64

static void check_listen_errors(void)
{
	struct address at = loopback(0);
	SOCKET s = stream_socket();
	struct pair p;

	CHECK_R(62, FAILS(listen(s, 1), WSAEINVAL) && FAILS(listen(s, SOMAXCONN), WSAEINVAL));
	CHECK_R(71, no_socket(accept(s, NULL, NULL), WSAEINVAL));
	CHECK_R(62, bind_to(s, &at) == 0);
	CHECK_R(71, no_socket(accept(s, NULL, NULL), WSAEINVAL));
	CHECK_R(62, listen(s, 1) == 0);
	closesocket(s);
	if (!open_pair(&p))
		abort();
	CHECK_R(63, FAILS(listen(p.client, 1), WSAEISCONN));
	CHECK_R(63, FAILS(listen(p.server, 1), WSAEISCONN) && works(p.client, p.server));
	CHECK_R(71, no_socket(accept(p.client, NULL, NULL), WSAEINVAL));
	CHECK_R(71, no_socket(accept(p.server, NULL, NULL), WSAEINVAL)); /* it cannot accept */
	close_pair(&p);
}

static void check_backlog_values(void)
{
	static const int values[] = { 0, -1, -5, 1 << 16, -(1 << 30), 0x7ffffffe };
	SOCKET many[MANY], s, client;
	struct address at;
	int open = 0;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		s = listener_on(&at, values[i]);
		CHECK_R(64, s != INVALID_SOCKET);
		client = dial(&at);
		CHECK_R(64, client != INVALID_SOCKET);
		closesocket(client);
		closesocket(s);
	}
	s = listener_on(&at, SOMAXCONN);
	for (int i = 0; i < MANY; i++) {
		many[i] = dial(&at);
		open += many[i] != INVALID_SOCKET;
	}
	CHECK_R(65, open == MANY);
	for (int i = 0; i < MANY; i++)
		closesocket(many[i]);
	closesocket(s);
}

static int is_reset(SOCKET s)
{
	char c;

	bound_receive(s);
	return FAILS(recv(s, &c, 1, 0), WSAECONNRESET);
}

static void check_backlog(void)
{
	SOCKET s, client[6], server[3];
	struct address at;

	s = listener_on(&at, 1);
	client[0] = dial(&at);
	CHECK_R(68, client[0] != INVALID_SOCKET && refuses(&at) && refuses(&at));
	CHECK_R(66, listen(s, 3) == 0);
	client[1] = dial(&at);
	client[2] = dial(&at);
	CHECK_R(66, client[1] != INVALID_SOCKET && client[2] != INVALID_SOCKET && refuses(&at));
	server[0] = accept(s, NULL, NULL);
	CHECK_R(68, works(client[0], server[0]));
	client[3] = dial(&at); /* there is room again */
	CHECK_R(68, client[3] != INVALID_SOCKET && refuses(&at));
	/* The newest two go, the oldest one stays. */
	CHECK_R(67, listen(s, 1) == 0 && is_reset(client[2]) && is_reset(client[3]));
	server[1] = accept(s, NULL, NULL);
	CHECK_R(67, works(client[1], server[1]));
	nonblocking(s, 1);
	CHECK_R(67, no_socket(accept(s, NULL, NULL), WSAEWOULDBLOCK));
	for (int i = 0; i < 4; i++)
		closesocket(client[i]);
	closesocket(server[0]);
	closesocket(server[1]);
	closesocket(s);

	/* Requests that have no answer yet count too, and are told. */
	s = conditional_listener(&at, 2);
	client[0] = dial_pending(&at);
	CHECK_R(68, readable_within(s, 10000)); /* it has come first, whatever way requests take */
	client[1] = dial_pending(&at);
	CHECK_R(68, refuses(&at));
	CHECK_R(67, listen(s, 1) == 0 && outcome(client[1]) == WSAECONNREFUSED);
	server[0] = accept(s, NULL, NULL);
	CHECK_R(67, outcome(client[0]) == 0 && works(client[0], server[0]));
	/* Closing the listener refuses what waits. */
	client[2] = dial_pending(&at);
	CHECK_R(68, readable_within(s, 10000) && closesocket(s) == 0 &&
			    outcome(client[2]) == WSAECONNREFUSED);
	for (int i = 0; i < 3; i++)
		closesocket(client[i]);
	closesocket(server[0]);
}

/* On the system's TCP: more of those that wait for an answer get one; what was taken from the system's queue and is
 * too much then is reset. */
static void check_system_backlog(void)
{
	SOCKET s, client[FULL], server;
	struct address at;
	bool reset = false;

	s = full_listener(&at, client);
	CHECK_R(66, outcome(client[0]) == 0 && progress(client[FULL - 1], 0) == 0);
	CHECK_R(66, listen(s, FULL) == 0);
	for (int i = 1; i < FULL; i++)
		CHECK_R(66, outcome(client[i]) == 0);
	for (int i = 0; !reset && i < 10000; i++) {
		CHECK_R(67, listen(s, 1) == 0);
		reset = readable_within(client[FULL - 1], 1);
		listen(s, FULL); /* if not, it was in the system's queue still */
	}
	CHECK_R(67, is_reset(client[FULL - 1]));
	server = accept(s, NULL, NULL);
	CHECK_R(67, works(client[0], server));
	closesocket(server);
	for (int i = 0; i < FULL; i++)
		closesocket(client[i]);
	closesocket(s);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_listen_errors();
	check_backlog_values();
	if (conf_system_tcp())
		check_system_backlog();
	else
		check_backlog();
	WSACleanup();
	return check_result();
}

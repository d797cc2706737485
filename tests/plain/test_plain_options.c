// SPDX-License-Identifier: BSD-2-Clause
/* test_plain_options.c - options of a connection that is open already reach the system's socket. */
#include <openwsd/ws2tcpip.h>

#include "tests/plain/cases.h"
#include "tests/plain/system.h"

/* One end by connect and one by accept, each with a peer that is no socket of Winsock. */
struct ends {
	int listener, peer[2];
	SOCKET server, s[2];
	uint32_t port; /* the server's */
};

static void open_ends(struct ends *e)
{
	uint32_t port = 0;

	over("plain");
	e->listener = system_listen(&port, 1);
	e->s[0] = connected(port);
	e->peer[0] = system_accept(e->listener);
	e->server = peer_listen(&e->port);
	e->peer[1] = system_connect(e->port);
	e->s[1] = accept(e->server, NULL, NULL);
	PEER_CHECK(e->peer[0] >= 0 && e->peer[1] >= 0 && e->s[1] != INVALID_SOCKET);
}

static void close_ends(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		PEER_CHECK(closesocket(e->s[i]) == 0);
		system_close(e->peer[i]);
	}
	PEER_CHECK(closesocket(e->server) == 0);
	system_close(e->listener);
}

static void set(SOCKET s, int level, int option, int value)
{
	PEER_CHECK(setsockopt(s, level, option, (char *)&value, sizeof(value)) == 0);
}

/* A server accepts, and only then says that small sends shall not wait. */
static void check_nodelay(void)
{
	struct ends e;

	open_ends(&e);
	PEER_CHECK(system_connections_nodelay() == 0);
	for (unsigned i = 0; i < 2; i++) {
		set(e.s[i], IPPROTO_TCP, TCP_NODELAY, 1);
		PEER_CHECK(system_connections_nodelay() == i + 1);
	}
	set(e.s[0], IPPROTO_TCP, TCP_NODELAY, 0);
	PEER_CHECK(system_connections_nodelay() == 1);
	close_ends(&e);
}

/* The same of the type of service; a connection that is accepted later has its listener's. */
static void check_class(void)
{
	struct ends e;
	SOCKET later;
	int peer;

	open_ends(&e);
	PEER_CHECK(system_connections_of(0x20, 0) == 0);
	for (unsigned i = 0; i < 2; i++) {
		set(e.s[i], IPPROTO_IP, IP_TOS, 0x20);
		PEER_CHECK(system_connections_of(0x20, 0) == i + 1);
	}
	set(e.s[0], IPPROTO_IP, IP_TOS, 0);
	PEER_CHECK(system_connections_of(0x20, 0) == 1);
	set(e.server, IPPROTO_IP, IP_TOS, 0x20);
	peer = system_connect(e.port);
	later = accept(e.server, NULL, NULL);
	PEER_CHECK(later != INVALID_SOCKET && system_connections_of(0x20, 0) == 2);
	PEER_CHECK(closesocket(later) == 0);
	system_close(peer);
	close_ends(&e);
}

/* How far packets go: before connect and after, of an accepted one and of its listener. */
static void check_hops(void)
{
	int value = 0, length = sizeof(value), peer;
	struct ends e;
	SOCKET later;

	open_ends(&e);
	PEER_CHECK(getsockopt(e.s[0], IPPROTO_IP, IP_TTL, (char *)&value, &length) == 0);
	/* Windows has another usual number than the system below Wine. */
	PEER_CHECK(value > 0 && (system_is_wine || system_connections_hops(value) == 4));
	for (unsigned i = 0; i < 2; i++) {
		set(e.s[i], IPPROTO_IP, IP_TTL, 17);
		PEER_CHECK(system_connections_hops(17) == i + 1);
	}
	PEER_CHECK(getsockopt(e.s[0], IPPROTO_IP, IP_TTL, (char *)&value, &length) == 0);
	PEER_CHECK(value == 17);
	set(e.server, IPPROTO_IP, IP_TTL, 17);
	peer = system_connect(e.port);
	later = accept(e.server, NULL, NULL);
	PEER_CHECK(later != INVALID_SOCKET && system_connections_hops(17) == 3);
	PEER_CHECK(closesocket(later) == 0);
	system_close(peer);
	close_ends(&e);
}

/* The same of connections of the tcp backend: each end has its own. */
static void check_hops_of_tcp(void)
{
	SOCKET listener, early = INVALID_SOCKET, s[3];
	uint32_t port;

	over("tcp");
	listener = peer_listen(&port);
	s[0] = connected(port);
	s[1] = accept(listener, NULL, NULL);
	PEER_CHECK(s[1] != INVALID_SOCKET && text_has(s[0], SO_OPENWSD_PATH, "tcp") &&
		   system_connections_hops(17) == 0);
	for (unsigned i = 0; i < 2; i++) {
		set(s[i], IPPROTO_IP, IP_TTL, 17);
		PEER_CHECK(system_connections_hops(17) == i + 1);
	}
	set(s[0], IPPROTO_IP, IP_TTL, 18);
	PEER_CHECK(system_connections_hops(17) == 1 && system_connections_hops(18) == 1);
	early = peer_socket();
	set(early, IPPROTO_IP, IP_TTL, 19);
	set(listener, IPPROTO_IP, IP_TTL, 19);
	PEER_CHECK(try_connect(early, port) == 0);
	s[2] = accept(listener, NULL, NULL);
	PEER_CHECK(s[2] != INVALID_SOCKET && system_connections_hops(19) == 2);
	for (int i = 0; i < 3; i++)
		PEER_CHECK(closesocket(s[i]) == 0);
	PEER_CHECK(closesocket(early) == 0 && closesocket(listener) == 0);
}

const struct plain_case plain_cases[] = {
	{ "nodelay", check_nodelay },	      { "class", check_class }, { "hops", check_hops },
	{ "hops_of_tcp", check_hops_of_tcp }, { NULL, NULL },
};

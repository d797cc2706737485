// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_taken.c unbound | bound PATH - ports that TCP has for us and that a program of librdmacm has from its own port
 * space: bound at every address or at one, or of a connection to the host that we connect to.
 *   unbound      a socket that the program did not bind connects all the same, from another port, which is the one
 *                that both ends tell. tests/rxe/run_taken.sh leaves the system few ports: all but two are taken here,
 *                and each of these two is the one that it would choose in one of the rounds
 *   bound PATH   of one that the program bound connect says WSAEADDRINUSE (PATH "-"), until the port is free; or the
 *                connection is made over PATH, and tells the reason. Nor can such a port be listened at
 */
#include <stdio.h>

#include <openwsd/ws2tcpip.h>

#include "tests/lib/peer.h"
#include "tests/rxe/foreign.h"

#define FREE  2u
#define RANGE 64u /* ports of the system, at most */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static const struct family {
	int af;
	const char *server, *client; /* the environment's variables */
} families[] = {
	{ AF_INET, "WSD_TEST_IPV4", "WSD_TEST_FROM_IPV4" },
	{ AF_INET6, "WSD_TEST_IPV6", "WSD_TEST_FROM_IPV6" },
};
#define FAMILIES (sizeof(families) / sizeof(families[0]))

static union address at[FAMILIES]; /* where the peer listens */

/* variable NULL: the wildcard. */
static union address address_of(int af, const char *variable, uint32_t port)
{
	const char *text = variable ? getenv(variable) : af == AF_INET ? "0.0.0.0" : "::";
	union address a;

	memset(&a, 0, sizeof(a));
	PEER_CHECK(text != NULL);
	a.any.sa_family = (u_short)af;
	a.v4.sin_port = htons((u_short)port); /* where IPv6 has it */
	PEER_CHECK(inet_pton(af, text,
			     af == AF_INET ? (void *)&a.v4.sin_addr : (void *)&a.v6.sin6_addr) ==
		   1);
	return a;
}

static int size_of(const union address *a)
{
	return a->any.sa_family == AF_INET ? sizeof(a->v4) : sizeof(a->v6);
}

static SOCKET new_socket(int af)
{
	SOCKET s = WSASocketW(af, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);

	PEER_CHECK(s != INVALID_SOCKET);
	return s;
}

static SOCKET bound(int af, const char *variable, uint32_t port)
{
	union address a = address_of(af, variable, port);
	SOCKET s = new_socket(af);

	PEER_CHECK(bind(s, &a.any, size_of(&a)) == 0);
	return s;
}

static uint32_t port_of(SOCKET s)
{
	union address a;
	int length = sizeof(a);

	PEER_CHECK(getsockname(s, &a.any, &length) == 0);
	return ntohs(a.v4.sin_port);
}

/* --- the peer: tells from which port each connection comes --- */

static void acceptor(void)
{
	SOCKET listeners[FAMILIES];
	uint32_t which;

	peer_winsock();
	for (unsigned i = 0; i < FAMILIES; i++) {
		listeners[i] = bound(families[i].af, families[i].server, 0);
		PEER_CHECK(listen(listeners[i], 5) == 0);
		peer_tell(port_of(listeners[i]));
	}
	while ((which = peer_hear()) < FAMILIES) {
		union address a;
		int length = sizeof(a);
		char byte;
		SOCKET s = accept(listeners[which], &a.any, &length);

		PEER_CHECK(s != INVALID_SOCKET);
		peer_tell(ntohs(a.v4.sin_port));
		PEER_CHECK(recv(s, &byte, 1, 0) == 0 && closesocket(s) == 0);
	}
	for (unsigned i = 0; i < FAMILIES; i++)
		PEER_CHECK(closesocket(listeners[i]) == 0);
	PEER_CHECK(WSACleanup() == 0);
}

/* --- the connector --- */

static int connect_to(SOCKET s, unsigned family)
{
	return connect(s, &at[family].any, size_of(&at[family])) == 0 ? 0 : WSAGetLastError();
}

/* It is connected over path, from this port at both ends. Closes it. */
static void check_open(SOCKET s, unsigned family, const char *path, uint32_t port)
{
	char text[512] = "";
	int length = sizeof(text);
	uint32_t here = port_of(s), there;

	peer_tell(family);
	there = peer_hear();
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, text, &length) == 0);
	if (strncmp(text, path, strlen(path)) != 0)
		peer_fail("it went over %s, not %s", text, path);
	if (here != port || there != port)
		peer_fail("port %u is %u here and %u there", port, here, there);
	length = sizeof(text);
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_OPENWSD_REASONS, text, &length) == 0);
	if (strcmp(path, "verbs") != 0 && strstr(text, ": address in use (-5)") == NULL)
		peer_fail("over %s because of \"%s\"", path, text);
	PEER_CHECK(closesocket(s) == 0);
}

static struct foreign *taken(enum foreign_kind kind, unsigned family, uint32_t port)
{
	return foreign_take(kind, getenv(families[family].client), getenv(families[family].server),
			    (uint16_t)port);
}

/* --- not bound --- */

/* Every port of the system's range that is to be had from TCP, but for FREE. */
static uint32_t leave_few(int af, SOCKET *held, uint32_t *free_ports)
{
	uint32_t count = 0, low, high;
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

	PEER_CHECK(file != NULL && fscanf(file, "%u %u", &low, &high) == 2);
	fclose(file);
	PEER_CHECK(high - low < RANGE);
	for (uint32_t port = low; port <= high; port++) {
		union address a = address_of(af, NULL, port);

		held[count] = new_socket(af);
		if (bind(held[count], &a.any, size_of(&a)) == 0)
			count++;
		else
			PEER_CHECK(closesocket(held[count]) == 0);
	}
	PEER_CHECK(count > FREE);
	for (unsigned i = 0; i < FREE; i++) {
		free_ports[i] = port_of(held[--count]);
		PEER_CHECK(closesocket(held[count]) == 0);
	}
	return count;
}

static void unbound(unsigned family)
{
	uint32_t count, ports[FREE];
	struct foreign *one, *other;
	SOCKET held[RANGE], s;

	count = leave_few(families[family].af, held, ports);
	for (unsigned kind = 0; kind < FOREIGN_KINDS; kind++) {
		for (unsigned i = 0; i < FREE; i++) {
			one = taken(kind, family, ports[i]);
			s = new_socket(families[family].af);
			PEER_CHECK(connect_to(s, family) == 0);
			check_open(s, family, "verbs", ports[1 - i]);
			foreign_leave(one);
		}
	}
	/* No port is left that both have. */
	one = taken(FOREIGN_BOUND, family, ports[0]);
	other = taken(FOREIGN_BOUND, family, ports[1]);
	s = new_socket(families[family].af);
	PEER_CHECK(connect_to(s, family) == WSAEADDRINUSE);
	PEER_CHECK(closesocket(s) == 0);
	foreign_leave(one);
	foreign_leave(other);
	while (count > 0)
		PEER_CHECK(closesocket(held[--count]) == 0);
}

/* --- bound --- */

static void connect_bound(unsigned family, enum foreign_kind kind, const char *path,
			  const char *variable)
{
	SOCKET s = bound(families[family].af, variable, 0);
	uint32_t port = port_of(s);
	struct foreign *foreign = taken(kind, family, port);

	if (strcmp(path, "-") != 0) {
		PEER_CHECK(connect_to(s, family) == 0);
		check_open(s, family, path, port);
		foreign_leave(foreign);
		return;
	}
	PEER_CHECK(connect_to(s, family) == WSAEADDRINUSE);
	PEER_CHECK(port_of(s) == port);
	foreign_leave(foreign);
	PEER_CHECK(connect_to(s, family) == 0);
	check_open(s, family, "verbs", port);
}

static void listen_bound(unsigned family, enum foreign_kind kind, const char *path)
{
	SOCKET s = bound(families[family].af, families[family].client, 0);
	struct foreign *foreign = taken(kind, family, port_of(s));

	if (strcmp(path, "-") == 0) {
		PEER_CHECK(listen(s, 5) == SOCKET_ERROR && WSAGetLastError() == WSAEADDRINUSE);
		foreign_leave(foreign);
		PEER_CHECK(listen(s, 5) == 0);
	} else {
		PEER_CHECK(listen(s, 5) == 0); /* there */
		foreign_leave(foreign);
	}
	PEER_CHECK(closesocket(s) == 0);
}

int main(int argc, char **argv)
{
	const char *path = argc == 3 && strcmp(argv[1], "bound") == 0 ? argv[2] : NULL;

	if (!path && (argc != 2 || strcmp(argv[1], "unbound") != 0))
		peer_fail("usage: test_taken unbound | bound PATH");
	if (!getenv("WSD_TEST_FROM_IPV4")) {
		printf("WSD_TEST_FROM_IPV4 names no address of an adapter\n");
		return 77;
	}
	peer_start(60, 1000);
	peer_fork(acceptor);
	peer_winsock();
	for (unsigned i = 0; i < FAMILIES; i++)
		at[i] = address_of(families[i].af, families[i].server, peer_hear());
	for (unsigned i = 0; i < FAMILIES; i++) {
		if (!path)
			unbound(i);
		for (unsigned kind = 0; path && kind < FOREIGN_KINDS; kind++) {
			connect_bound(i, kind, path, NULL);
			connect_bound(i, kind, path, families[i].client);
			listen_bound(i, kind, path);
		}
	}
	peer_tell(FAMILIES);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}

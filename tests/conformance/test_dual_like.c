// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dual_like.c - what a socket of both families of ours and one of the system's TCP have in common, in BSD
 * calls only. Built twice, as test_tcp_like.c is.
 */
#include <stdlib.h>

#ifdef ORACLE_OS
#include "tests/conformance/oracle.h"
#define DIFFERS(winsock, system) (system)
#else
#include "tests/conformance/lib.h"
#define DIFFERS(winsock, system) (winsock)
#endif

#include "tests/conformance/check.h"

#ifdef ORACLE_OS
unsigned check_passed, check_failed; /* the other build has them from lib.c */
#endif

#define DEADLINE 110 /* s */

union name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int family = AF_INET;

static int size_of(const union name *at)
{
	return at->any.sa_family == AF_INET6 ? (int)sizeof(at->v6) : (int)sizeof(at->v4);
}

static union name wildcard(int af, int port)
{
	union name at;

	memset(&at, 0, sizeof(at));
	at.any.sa_family = (unsigned short)af;
	at.v4.sin_port = htons((unsigned short)port);
	return at;
}

static union name local(int af, int port)
{
	const char *text = getenv(af == AF_INET6 ? "WSD_TEST_IPV6" : "WSD_TEST_IPV4");
	union name at = wildcard(af, port);

	if (af == AF_INET6)
		inet_pton(AF_INET6, text ? text : "::1", &at.v6.sin6_addr);
	else
		inet_pton(AF_INET, text ? text : "127.0.0.1", &at.v4.sin_addr);
	return at;
}

/* As a socket of both families calls it. */
static union name outer(const union name *at)
{
	union name mapped = wildcard(AF_INET6, 0);

	if (at->any.sa_family == AF_INET6)
		return *at;
	mapped.v6.sin6_port = at->v4.sin_port;
	mapped.v6.sin6_addr.s6_addr[10] = mapped.v6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&mapped.v6.sin6_addr.s6_addr[12], &at->v4.sin_addr, 4);
	return mapped;
}

static SOCKET dual(void)
{
	SOCKET s = socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	int off = 0;

	if (s == INVALID_SOCKET ||
	    setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&off, sizeof(off)))
		abort();
	return s;
}

static SOCKET ordinary(int af)
{
	SOCKET s = socket(af, SOCK_STREAM, IPPROTO_TCP);
	int on = 1;

	/* Windows' default, which is not that of every system. */
	if (af == AF_INET6)
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&on, sizeof(on));
	return s;
}

static union name end_of(SOCKET s, int peer)
{
	union name at;
	int length = sizeof(at);

	memset(&at, 0, sizeof(at));
	if ((peer ? getpeername(s, &at.any, &length) : getsockname(s, &at.any, &length)) ||
	    length != size_of(&at))
		abort();
	return at;
}

static int same(union name a, union name b)
{
	return a.any.sa_family == b.any.sa_family && a.v4.sin_port == b.v4.sin_port &&
	       (a.any.sa_family == AF_INET6 ? !memcmp(&a.v6.sin6_addr, &b.v6.sin6_addr, 16)
					    : !memcmp(&a.v4.sin_addr, &b.v4.sin_addr, 4));
}

static int bind_at(SOCKET s, union name at)
{
	return bind(s, &at.any, size_of(&at));
}

static int dial(SOCKET s, union name at)
{
	return connect(s, &at.any, size_of(&at));
}

static int bound_port(SOCKET s)
{
	return ntohs(end_of(s, 0).v4.sin_port);
}

static int exchange(SOCKET a, SOCKET b)
{
	char c = 0;

	return send(a, "a", 1, 0) == 1 && recv(b, &c, 1, 0) == 1 && c == 'a' &&
	       send(b, "b", 1, 0) == 1 && recv(a, &c, 1, 0) == 1 && c == 'b';
}

static void check_option(void)
{
	SOCKET s = dual(), v4 = ordinary(AF_INET);
	int value = 1, length = sizeof(value);

	CHECK(getsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&value, &length) == 0 && value == 0);
	CHECK(FAILS(setsockopt(v4, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&value, sizeof(value)),
		    WSAENOPROTOOPT));
	CHECK(bind_at(s, wildcard(AF_INET6, 0)) == 0);
	CHECK(FAILS(setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&value, sizeof(value)),
		    WSAEINVAL));
	closesocket(s);
	closesocket(v4);
}

static void check_connect(int bound)
{
	SOCKET listener = ordinary(family), s = dual(), server;
	union name at, to;

	if (bind_at(listener, local(family, 0)) || listen(listener, 4))
		abort();
	at = end_of(listener, 0);
	to = outer(&at);
	if (bound)
		CHECK(bind_at(s, wildcard(AF_INET6, 0)) == 0 &&
		      same(end_of(s, 0), wildcard(AF_INET6, bound_port(s))));
	CHECK(dial(s, to) == 0);
	server = accept(listener, NULL, NULL);
	CHECK(server != INVALID_SOCKET && same(end_of(s, 1), to) && same(end_of(server, 0), at));
	at = end_of(server, 1);
	CHECK(same(end_of(s, 0), outer(&at)) && exchange(s, server));
	closesocket(server);
	closesocket(s);
	closesocket(listener);
}

static void check_refusals(void)
{
	union name at = local(AF_INET, 0), mapped = outer(&at);
	SOCKET s = ordinary(AF_INET6), listener = ordinary(AF_INET);

	if (bind_at(listener, at) || listen(listener, 1))
		abort();
	mapped.v6.sin6_port = htons((unsigned short)bound_port(listener));
	CHECK(dial(s, mapped) == SOCKET_ERROR);
	closesocket(s);
	s = ordinary(AF_INET6);
	mapped.v6.sin6_port = 0;
	/* This system calls it an invalid argument. */
	CHECK(FAILS(bind_at(s, mapped), DIFFERS(WSAEADDRNOTAVAIL, WSAEINVAL)));
	closesocket(s);
	closesocket(listener);
}

static void check_ports(void)
{
	SOCKET both = dual(), other = ordinary(AF_INET);
	int port;

	CHECK(bind_at(both, wildcard(AF_INET6, 0)) == 0);
	port = bound_port(both);
	CHECK(FAILS(bind_at(other, wildcard(AF_INET, port)), WSAEADDRINUSE));
	closesocket(both);
	both = dual();
	CHECK(bind_at(other, wildcard(AF_INET, port)) == 0);
	CHECK(FAILS(bind_at(both, wildcard(AF_INET6, port)), WSAEADDRINUSE));
	closesocket(other);
	CHECK(bind_at(both, wildcard(AF_INET6, port)) == 0);
	closesocket(both);
}

static void check_listener(void)
{
	static const int families[] = { AF_INET, AF_INET6, AF_INET };
	SOCKET listener = dual();
	int port;

	if (bind_at(listener, wildcard(AF_INET6, 0)) || listen(listener, 4))
		abort();
	port = bound_port(listener);
	for (int i = 0; i < 3; i++) {
		union name to = local(families[i], port), at, from;
		SOCKET client = ordinary(families[i]), server;
		int length = sizeof(from);

		CHECK(dial(client, to) == 0);
		memset(&from, 0, sizeof(from));
		server = accept(listener, &from.any, &length);
		CHECK(server != INVALID_SOCKET && length == size_of(&from));
		at = end_of(client, 0);
		CHECK(same(from, outer(&at)) && same(end_of(server, 1), outer(&at)) &&
		      same(end_of(server, 0), outer(&to)) && exchange(client, server));
		closesocket(client);
		closesocket(server);
	}
	closesocket(listener);
}

int main(int argc, char **argv)
{
	const char *slow = getenv("WSD_TEST_SLOW");
#ifndef ORACLE_OS
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
#endif
	conf_deadline(DEADLINE * (slow ? (unsigned)strtoul(slow, NULL, 10) : 1u));
	if (argc > 1 && strcmp(argv[1], "ipv6") == 0)
		family = AF_INET6;
	check_option();
	check_connect(0);
	check_connect(1);
	check_refusals();
	check_ports();
	check_listener();
#ifndef ORACLE_OS
	WSACleanup();
#endif
	return check_result();
}

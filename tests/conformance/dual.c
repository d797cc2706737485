// SPDX-License-Identifier: BSD-2-Clause
/* dual.c - see dual.h. */
#include "tests/conformance/dual.h"

SOCKET dual_of(int af)
{
	return spi.lpWSPSocket(af, SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0, WSA_FLAG_OVERLAPPED,
			       &host_error);
}

int dual_set(SOCKET s, int v6only)
{
	return spi.lpWSPSetSockOpt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&v6only, sizeof(v6only),
				   &host_error);
}

int dual_get(SOCKET s)
{
	int value = 99, length = sizeof(value);

	if (spi.lpWSPGetSockOpt(s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&value, &length,
				&host_error) != 0)
		return -1;
	return length == sizeof(value) ? value : 98;
}

SOCKET dual_socket(void)
{
	SOCKET s = dual_of(AF_INET6);

	NEED(s != INVALID_SOCKET && dual_set(s, 0) == 0);
	return s;
}

struct address dual_any(int af, u_short port)
{
	struct address at;

	memset(&at, 0, sizeof(at));
	at.sa.any.sa_family = (u_short)af;
	at.length = af == AF_INET6 ? sizeof(at.sa.v6) : sizeof(at.sa.v4);
	set_port(&at, port);
	return at;
}

struct address dual_address(int af, u_short port)
{
	struct address at = dual_any(af, port);
	const char *text = getenv(af == AF_INET6 ? "WSD_TEST_IPV6" : "WSD_TEST_IPV4");

	if (af == AF_INET6)
		NEED(inet_pton(AF_INET6, text ? text : "::1", &at.sa.v6.sin6_addr) == 1);
	else
		NEED(inet_pton(AF_INET, text ? text : "127.0.0.1", &at.sa.v4.sin_addr) == 1);
	return at;
}

struct address dual_outer(const struct address *at)
{
	struct address mapped = dual_any(AF_INET6, port_of(at));
	unsigned char *bytes = (unsigned char *)&mapped.sa.v6.sin6_addr;

	if (at->sa.any.sa_family == AF_INET6)
		return *at;
	bytes[10] = bytes[11] = 0xff;
	memcpy(bytes + 12, &at->sa.v4.sin_addr, 4);
	return mapped;
}

bool dual_same(const struct address *a, const struct address *b)
{
	if (a->length != b->length || a->sa.any.sa_family != b->sa.any.sa_family ||
	    port_of(a) != port_of(b))
		return false;
	return a->sa.any.sa_family == AF_INET6
		       ? memcmp(&a->sa.v6.sin6_addr, &b->sa.v6.sin6_addr, 16) == 0
		       : memcmp(&a->sa.v4.sin_addr, &b->sa.v4.sin_addr, 4) == 0;
}

bool dual_is_at(SOCKET s, struct address at)
{
	struct address name;

	return host_name_of(s, &name) == 0 && dual_same(&name, &at);
}

bool dual_has_peer(SOCKET s, struct address at)
{
	struct address name = { .length = sizeof(name.sa) };

	return spi.lpWSPGetPeerName(s, &name.sa.any, &name.length, &host_error) == 0 &&
	       dual_same(&name, &at);
}

u_short dual_port(SOCKET s)
{
	struct address name;

	NEED(host_name_of(s, &name) == 0 && port_of(&name) != 0);
	return port_of(&name);
}

SOCKET dual_listener(struct address *at, int backlog)
{
	SOCKET s = dual_socket();

	*at = dual_any(AF_INET6, 0);
	NEED(host_bind(s, at) == 0 && host_listen(s, backlog) == 0 && host_name_of(s, at) == 0);
	return s;
}

SOCKET dual_dial(int af, u_short port)
{
	struct address to = dual_address(af, port);
	SOCKET s = dual_of(af);

	if (host_connect(s, &to) == 0)
		return s;
	host_close(s);
	return INVALID_SOCKET;
}

bool dual_finishes(const WSAOVERLAPPED *o)
{
	return host_wait_completion((LPWSAOVERLAPPED)(uintptr_t)o, LONG_MS) == 1 &&
	       o->OffsetHigh == 0;
}

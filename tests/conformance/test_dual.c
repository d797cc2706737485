// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dual.c - IPV6_V6ONLY, and sockets that bind and connect to addresses of both families. (Listeners:
 * test_dual_listen.c.)
 */
#include "tests/conformance/dual.h"

static SOCKET bound(int af, u_short port, bool both)
{
	struct address any = dual_any(af, port);
	SOCKET s = dual_of(af);

	NEED(s != INVALID_SOCKET && (!both || dual_set(s, 0) == 0));
	if (host_bind(s, &any) == 0)
		return s;
	NEED(host_error == WSAEADDRINUSE && host_close(s) == 0);
	return INVALID_SOCKET;
}

static void check_option(void)
{
	struct address any = dual_any(AF_INET6, 0);
	SOCKET s = dual_of(AF_INET6), v4 = dual_of(AF_INET);
	char byte = 0;

	CHECK(dual_get(s) == 1); /* Windows' own default */
	CHECK(dual_set(s, 0) == 0 && dual_get(s) == 0);
	CHECK(dual_set(s, 7) == 0 && dual_get(s) == 1);
	CHECK(dual_set(s, 0) == 0 && dual_get(s) == 0);
	CHECK(SPI_FAILS(spi.lpWSPSetSockOpt(s, IPPROTO_IPV6, IPV6_V6ONLY, &byte, 1, &host_error),
			WSAEFAULT));
	CHECK(SPI_FAILS(dual_set(v4, 0), WSAENOPROTOOPT) &&
	      SPI_FAILS(dual_set(v4, 1), WSAENOPROTOOPT) &&
	      SPI_FAILS(dual_get(v4), WSAENOPROTOOPT));
	/* What bind has done by it cannot be undone. */
	CHECK(host_bind(s, &any) == 0 && SPI_FAILS(dual_set(s, 1), WSAEINVAL) &&
	      SPI_FAILS(dual_set(s, 0), WSAEINVAL) && dual_get(s) == 0);
	CHECK(host_listen(s, 1) == 0 && SPI_FAILS(dual_set(s, 1), WSAEINVAL));
	host_close(s);
	host_close(v4);
}

/* Its packets have one type of service, by whatever name. */
static void check_class(void)
{
	SOCKET s = dual_of(AF_INET6);
	int value = 0x28, length = sizeof(value);

	CHECK(SPI_FAILS(
		spi.lpWSPSetSockOpt(s, IPPROTO_IP, IP_TOS, (char *)&value, length, &host_error),
		WSAENOPROTOOPT));
	CHECK(dual_set(s, 0) == 0 &&
	      spi.lpWSPSetSockOpt(s, IPPROTO_IP, IP_TOS, (char *)&value, length, &host_error) == 0);
	value = 0;
	CHECK(spi.lpWSPGetSockOpt(s, IPPROTO_IPV6, IPV6_TCLASS, (char *)&value, &length,
				  &host_error) == 0 &&
	      value == 0x28);
	host_close(s);
}

/* Without the option a mapped address is one of IPv6 that nobody has. */
static void check_v6only(void)
{
	struct address at, to;
	SOCKET listener = host_listener(&at, 1), s = dual_of(AF_INET6);

	NEED(listener != INVALID_SOCKET);
	to = dual_outer(&at);
	CHECK(SPI_FAILS(host_connect(s, &to), WSAENETUNREACH));
	host_close(s);
	s = dual_of(AF_INET6);
	set_port(&to, 0);
	CHECK(SPI_FAILS(host_bind(s, &to), WSAEADDRNOTAVAIL));
	host_close(s);
	host_close(listener);
}

/* CSADDR_INFO of SO_BSP_STATE. */
static bool state_tells(SOCKET s, const struct address *local, const struct address *remote)
{
	union {
		CSADDR_INFO info;
		char room[512];
	} state;
	int length = sizeof(state);

	return spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_BSP_STATE, state.room, &length, &host_error) ==
		       0 &&
	       state.info.LocalAddr.iSockaddrLength == local->length &&
	       state.info.RemoteAddr.iSockaddrLength == remote->length &&
	       memcmp(state.info.LocalAddr.lpSockaddr, &local->sa, 8) == 0 &&
	       memcmp(state.info.RemoteAddr.lpSockaddr, &remote->sa, 8) == 0;
}

static void exchange(SOCKET s, SOCKET server)
{
	enum { SIZE = 100000 };
	static char out[SIZE], in[SIZE];
	int received = 0, sent = 0, n;

	CHECK(host_exchange(s, server));
	pattern_fill(out, SIZE, 0);
	while (received < SIZE) {
		if (sent < SIZE && sent - received < 30000)
			sent += host_send(s, out + sent,
					  SIZE - sent < 20000 ? (unsigned)(SIZE - sent) : 20000);
		n = host_recv(server, in + received, SIZE);
		NEED(n > 0);
		received += n;
	}
	CHECK(pattern_ok(in, SIZE, 0));
}

/* Connect it; what both ends say of each other. */
static void check_names(SOCKET s, const struct address *from)
{
	struct address at, local, to;
	SOCKET listener = host_listener(&at, 2), server;

	NEED(listener != INVALID_SOCKET);
	to = dual_outer(&at);
	CHECK(host_connect(s, &to) == 0);
	server = host_accept(listener);
	NEED(server != INVALID_SOCKET);
	local = *from;
	set_port(&local, dual_port(s));
	CHECK(dual_has_peer(server, local) && dual_is_at(server, at));
	local = dual_outer(&local);
	CHECK(dual_has_peer(s, to) && dual_is_at(s, local) && state_tells(s, &local, &to));
	CHECK(SPI_FAILS(dual_set(s, 1), WSAEINVAL) && dual_get(s) == 0);
	exchange(s, server);
	exchange(server, s);
	host_close(server);
	host_close(listener);
}

static void check_connect(void)
{
	struct address any = dual_any(AF_INET6, 0), from = caller(0), name;
	SOCKET s = dual_socket();
	u_short port;

	check_names(s, &from);
	host_close(s);
	/* Bound to both families, as before a ConnectEx: it keeps its port. */
	s = dual_socket();
	CHECK(host_bind(s, &any) == 0 && host_name_of(s, &name) == 0);
	port = port_of(&name);
	set_port(&any, port);
	CHECK(dual_same(&name, &any) && port != 0);
	check_names(s, &from);
	CHECK(dual_port(s) == port);
	host_close(s);
	/* Bound to an address. */
	s = dual_socket();
	any = dual_outer(&from);
	CHECK(host_bind(s, &any) == 0 && host_name_of(s, &name) == 0);
	set_port(&any, port_of(&name));
	CHECK(dual_same(&name, &any));
	check_names(s, &from);
	host_close(s);
}

/* A host has addresses of both families, and the program tries one after the other on the same socket. */
static void check_retry(bool is_bound)
{
	int other = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	struct address any = dual_any(AF_INET6, 0), from = caller(0), nobody, name;
	SOCKET s = dual_socket(), holder = bound(other, 0, false);

	NEED(holder != INVALID_SOCKET);
	if (is_bound)
		CHECK(host_bind(s, &any) == 0);
	name = dual_address(other, dual_port(holder));
	nobody = dual_outer(&name);
	CHECK(SPI_FAILS(host_connect(s, &nobody), WSAECONNREFUSED));
	set_port(&any, dual_port(s));
	CHECK(dual_is_at(s, any));
	check_names(s, &from);
	CHECK(dual_port(s) == port_of(&any));
	host_close(s);
	host_close(holder);
}

/* Bound to an address of one family, there is no way to the other. */
static void check_wrong_family(void)
{
	int other = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	struct address at, here = dual_address(other, 0), from = dual_outer(&here), to;
	SOCKET listener = host_listener(&at, 1), s = dual_socket();

	NEED(listener != INVALID_SOCKET);
	to = dual_outer(&at);
	CHECK(host_bind(s, &from) == 0 && SPI_FAILS(host_connect(s, &to), WSAENETUNREACH));
	set_port(&from, dual_port(s));
	CHECK(dual_is_at(s, from));
	to = dual_any(AF_INET, 1);
	to = dual_outer(&to);
	CHECK(SPI_FAILS(host_connect(s, &to), WSAEADDRNOTAVAIL)); /* ::ffff:0.0.0.0 is nobody */
	host_close(s);
	s = dual_socket();
	to = dual_address(AF_INET, 1); /* not what it calls one of IPv4 */
	CHECK(SPI_FAILS(host_connect(s, &to), WSAEAFNOSUPPORT) || host_error == WSAEFAULT);
	host_close(s);
	host_close(listener);
}

/* Held by one family: not of both, but of the other still. Afterwards nobody has kept anything. False also where
 * another program has the port in the other family. */
static bool half_holds(int half)
{
	SOCKET s = bound(half, 0, false), other, both;
	u_short port = dual_port(s);
	bool good;

	CHECK(bound(AF_INET6, port, true) == INVALID_SOCKET);
	other = bound(half == AF_INET ? AF_INET6 : AF_INET, port, false);
	good = other != INVALID_SOCKET && host_close(other) == 0;
	host_close(s);
	both = bound(AF_INET6, port, true);
	return both != INVALID_SOCKET && host_close(both) == 0 && good;
}

static bool some_half_holds(int half)
{
	for (unsigned i = 0; i < 20; i++)
		if (half_holds(half))
			return true;
	return false;
}

/* One port of `::` is a port of both families. */
static void check_ports(void)
{
	SOCKET both = bound(AF_INET6, 0, true), s;
	u_short port = dual_port(both);
	struct address at;

	CHECK(bound(AF_INET, port, false) == INVALID_SOCKET);
	CHECK(bound(AF_INET6, port, false) == INVALID_SOCKET);
	CHECK(bound(AF_INET6, port, true) == INVALID_SOCKET);
	host_close(both);
	CHECK(some_half_holds(AF_INET));
	CHECK(some_half_holds(AF_INET6));
	/* ::ffff:0.0.0.0 is the wildcard of IPv4. */
	s = dual_socket();
	at = dual_any(AF_INET, 0);
	at = dual_outer(&at);
	CHECK(host_bind(s, &at) == 0);
	set_port(&at, dual_port(s));
	CHECK(dual_is_at(s, at) && bound(AF_INET, port_of(&at), false) == INVALID_SOCKET);
	host_close(s);
}

static void check_route(void)
{
	struct address at = dual_address(conf_family(), 9), to = dual_outer(&at), from = caller(0),
		       got;
	SOCKET s = dual_socket();
	DWORD bytes = 0;

	from = dual_outer(&from);
	memset(&got, 0, sizeof(got));
	CHECK(spi.lpWSPIoctl(s, SIO_ROUTING_INTERFACE_QUERY, &to, (DWORD)to.length, &got,
			     sizeof(got.sa), &bytes, NULL, NULL, NULL, &host_error) == 0);
	got.length = (int)bytes;
	CHECK(dual_same(&got, &from));
	host_close(s);
}

/* By the rules of dual.conf, which are those of IPv4 for a mapped address. */
static void check_rules(void)
{
	struct address at, to;
	SOCKET listener = host_listener(&at, 1), s = dual_socket();
	char path[32] = "";
	int length = sizeof(path);

	NEED(listener != INVALID_SOCKET);
	to = dual_outer(&at);
	CHECK(host_connect(s, &to) == 0 &&
	      spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_OPENWSD_PATH, path, &length, &host_error) == 0);
	CHECK(strcmp(path, conf_family() == AF_INET ? "tcp" : "shm") == 0);
	host_close(s);
	host_close(listener);
	/* They leave a listener its other family. */
	listener = dual_listener(&at, 1);
	s = dual_dial(conf_family(), port_of(&at));
	CHECK((s == INVALID_SOCKET) == (conf_family() == AF_INET));
	if (s != INVALID_SOCKET)
		host_close(s);
	host_close(listener);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (host_startup(0) != 0)
		return 1;
	if (argc > 2 && strcmp(argv[2], "rules") == 0) {
		check_rules();
		return check_result();
	}
	check_option();
	check_class();
	if (conf_family() == AF_INET)
		check_v6only();
	check_connect();
	check_retry(false);
	check_retry(true);
	check_wrong_family();
	check_ports();
	check_route();
	host_cleanup();
	return check_result();
}

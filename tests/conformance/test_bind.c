// SPDX-License-Identifier: BSD-2-Clause
/* test_bind.c - WSPBind, the conflicts of ports, and the names of a socket. */
#include "tests/conformance/io.h"

static struct address wildcard(u_short port)
{
	struct address at = loopback(port);

	if (conf_family() == AF_INET)
		at.sa.v4.sin_addr.s_addr = 0;
	else
		memset(&at.sa.v6.sin6_addr, 0, 16);
	return at;
}

static int is_loopback4(const struct address *at)
{
	return conf_family() == AF_INET && ntohl(at->sa.v4.sin_addr.s_addr) >> 24 == 127;
}

static int is_unbound(SOCKET s)
{
	struct address at;

	return FAILS(name_of(s, &at), WSAEINVAL);
}

/* --- errors --- */

static void check_address_errors(void)
{
	struct address at = loopback(0), bad;
	SOCKET s = stream_socket();

	bad = at;
	bad.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	bad.length = sizeof(bad.sa);
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	bad.length = at.length;
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	bad.sa.any.sa_family = 1;
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	bad.sa.any.sa_family = 0;
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	bad.sa.any.sa_family = 0x7777;
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	CHECK_R(48, FAILS(bind(s, &at.sa.any, at.length - 1), WSAEFAULT));
	CHECK_R(48, FAILS(bind(s, &at.sa.any, 1), WSAEFAULT));
	CHECK_R(48, FAILS(bind(s, &at.sa.any, 0), WSAEFAULT));
	CHECK_R(48, FAILS(bind(s, &at.sa.any, -1), WSAEFAULT));
	CHECK_R(48, FAILS(bind(s, NULL, at.length), WSAEFAULT));
	if (conf_family() == AF_INET)
		at.sa.v4.sin_addr.s_addr = htonl(0xcb007101); /* 203.0.113.1: documentation */
	else
		inet_pton(AF_INET6, "2001:db8::1", &at.sa.v6.sin6_addr);
	CHECK_R(49, FAILS(bind_to(s, &at), WSAEADDRNOTAVAIL));
	if (conf_family() == AF_INET) {
		at.sa.v4.sin_addr.s_addr = 0xffffffff; /* what stands for many is none of ours */
		CHECK_R(49, FAILS(bind_to(s, &at), WSAEADDRNOTAVAIL));
		at.sa.v4.sin_addr.s_addr = htonl(0xe0000001);
	} else {
		inet_pton(AF_INET6, "ff02::1", &at.sa.v6.sin6_addr);
	}
	CHECK_R(49, FAILS(bind_to(s, &at), WSAEADDRNOTAVAIL));
	/* None of that bound it. */
	CHECK_R(56, is_unbound(s));
	at = loopback(0);
	CHECK_R(48, bind(s, &at.sa.any, sizeof(at.sa)) == 0); /* longer is no error */
	CHECK_R(46, FAILS(bind_to(s, &at), WSAEINVAL));
	closesocket(s);
}

static void check_bound_already(void)
{
	struct address at = loopback(0), name, again;
	SOCKET s = stream_socket();
	struct pair p;

	CHECK_R(46, bind_to(s, &at) == 0 && name_of(s, &name) == 0);
	CHECK_R(46, FAILS(bind_to(s, &at), WSAEINVAL) && FAILS(bind_to(s, &name), WSAEINVAL));
	CHECK_R(46, name_of(s, &again) == 0 && port_of(&again) == port_of(&name));
	closesocket(s);
	if (!open_pair(&p))
		abort();
	CHECK_R(46, FAILS(bind_to(p.listener, &at), WSAEINVAL));
	CHECK_R(46, FAILS(bind_to(p.client, &at), WSAEINVAL));
	CHECK_R(46, FAILS(bind_to(p.server, &at), WSAEINVAL));
	close_pair(&p);
}

static void check_ephemeral(void)
{
	struct address first, second;
	SOCKET one = stream_socket(), two = stream_socket(), three = stream_socket();
	struct address at = loopback(0), any = wildcard(0), name;

	CHECK_R(51, bind_to(one, &at) == 0 && name_of(one, &first) == 0 && port_of(&first) != 0);
	CHECK_R(51, bind_to(two, &at) == 0 && name_of(two, &second) == 0 && port_of(&second) != 0 &&
			    port_of(&second) != port_of(&first));
	CHECK_R(51,
		memcmp(&first.sa.v4.sin_addr, &at.sa.v4.sin_addr, sizeof(at.sa.v4.sin_addr)) == 0 &&
			first.sa.any.sa_family == conf_family());
	CHECK_R(51, bind_to(three, &any) == 0 && name_of(three, &name) == 0 &&
			    port_of(&name) != 0 && port_of(&name) != port_of(&first) &&
			    port_of(&name) != port_of(&second));
	/* It is held: nobody else gets it. */
	closesocket(two);
	two = stream_socket();
	CHECK_R(50, FAILS(bind_to(two, &first), WSAEADDRINUSE) && is_unbound(two));
	closesocket(one);
	CHECK_R(50, bind_to(two, &first) == 0); /* and with its holder the port is free */
	closesocket(two);
	closesocket(three);
}

/* --- the wildcard --- */

static int accepts_through(SOCKET listener, const struct address *at)
{
	SOCKET client = stream_socket(), server = INVALID_SOCKET;
	struct address peer, name;
	char c = 0;
	int ok = 0;

	if (connect_to(client, at) == 0) {
		server = accept(listener, NULL, NULL);
		/* It came to that address, not just to the port. */
		ok = server != INVALID_SOCKET && name_of(server, &name) == 0 &&
		     memcmp(&name.sa, &at->sa, (size_t)at->length) == 0 &&
		     send(client, "w", 1, 0) == 1 && recv(server, &c, 1, 0) == 1 && c == 'w';
		peer.length = sizeof(peer.sa);
		ok = ok && getpeername(client, &peer.sa.any, &peer.length) == 0 &&
		     memcmp(&peer.sa, &at->sa, (size_t)at->length) == 0;
	}
	closesocket(client);
	closesocket(server);
	return ok;
}

static void check_wildcard(void)
{
	union {
		SOCKET_ADDRESS_LIST list;
		char room[8192];
	} u;
	SOCKET s = stream_socket();
	struct address any = wildcard(0), name, at;
	DWORD bytes = 0;

	CHECK_R(52, bind_to(s, &any) == 0 && listen(s, 8) == 0 && name_of(s, &name) == 0);
	at = loopback(port_of(&name));
	CHECK_R(52, accepts_through(s, &at));
	if (is_loopback4(&at)) {
		at.sa.v4.sin_addr.s_addr = htonl(0x7f010203); /* the whole net is local */
		CHECK_R(52, accepts_through(s, &at));
	}
	CHECK_R(52, WSAIoctl(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, &u, sizeof(u), &bytes, NULL,
			     NULL) == 0);
	for (int i = 0; i < u.list.iAddressCount; i++) {
		/* Not Address[i]: the array is declared with one element. */
		const SOCKET_ADDRESS *one = (const SOCKET_ADDRESS *)u.list.Address + i;

		memcpy(&at.sa, one->lpSockaddr, (size_t)one->iSockaddrLength);
		at.length = one->iSockaddrLength;
		set_port(&at, port_of(&name));
		CHECK_R(52, at.length == any.length && accepts_through(s, &at));
	}
	closesocket(s);
}

/* --- conflicts --- */

enum sharing { DEFAULT, REUSE, EXCLUSIVE };

static void set_flag(SOCKET s, int option, int value)
{
	setsockopt(s, SOL_SOCKET, option, (char *)&value, sizeof(value));
}

static SOCKET sharing_socket(unsigned sharing)
{
	SOCKET s = stream_socket();

	if (sharing == REUSE)
		set_flag(s, SO_REUSEADDR, 1);
	else if (sharing == EXCLUSIVE)
		set_flag(s, SO_EXCLUSIVEADDRUSE, 1);
	return s;
}

/* What the second bind gets when the first holds the port: 0 or the error. */
static int second_bind(unsigned first, int first_wild, unsigned second, int second_wild)
{
	SOCKET one = sharing_socket(first), two = sharing_socket(second);
	struct address at = first_wild ? wildcard(0) : loopback(0), name;
	int error = -1;

	if (bind_to(one, &at) == 0 && name_of(one, &name) == 0) {
		at = second_wild ? wildcard(port_of(&name)) : loopback(port_of(&name));
		error = bind_to(two, &at) == 0 ? 0 : WSAGetLastError();
	}
	closesocket(one);
	closesocket(two);
	return error;
}

#define OK 0
#define US WSAEADDRINUSE
#define AC WSAEACCES
/* Rows: the first bind; columns: the second; default, reuse, exclusive, each wildcard, specific. */
static const int conflicts[6][6] = {
	{ US, OK, AC, OK, US, OK }, { OK, US, OK, AC, US, US }, { US, OK, OK, OK, US, OK },
	{ OK, US, OK, OK, US, US }, { US, AC, AC, AC, US, AC }, { OK, US, OK, AC, US, US },
};
#undef OK
#undef US
#undef AC

static void check_conflicts(void)
{
	for (unsigned first = 0; first < 6; first++) {
		for (unsigned second = 0; second < 6; second++) {
			int wanted = conflicts[first][second], got = -1;

			/* A stranger may hold the port on another address: take another port. */
			for (int i = 0; i < 5 && got != wanted; i++)
				got = second_bind(first / 2, first % 2 == 0, second / 2,
						  second % 2 == 0);
			if (got != wanted)
				printf("conflict: first %u, second %u: %d, not %d\n", first, second,
				       got, wanted);
			if (wanted == WSAEADDRINUSE)
				CHECK_R(50, got == wanted);
			else if (wanted == WSAEACCES)
				CHECK_R(54, got == wanted);
			else
				CHECK_R(55, got == wanted);
		}
	}
	CHECK_R(54, second_bind(EXCLUSIVE, 1, REUSE, 1) == WSAEACCES);
	CHECK_R(54, second_bind(EXCLUSIVE, 1, REUSE, 0) == WSAEACCES);
}

/* --- another process --- */

#define ASK_END (-1)

/* Binds as it is told: how the port is to be shared, whether to the wildcard, and the port. */
static int other_process(void)
{
	struct child parent = child_is_ready();
	int sharing;

	while ((sharing = child_hear(&parent)) != ASK_END) {
		int wild = child_hear(&parent);
		u_short port = (u_short)child_hear(&parent);
		struct address at = wild ? wildcard(port) : loopback(port);
		SOCKET s = sharing_socket((unsigned)sharing);

		child_tell(&parent, bind_to(s, &at) == 0 ? 0 : WSAGetLastError());
		closesocket(s);
	}
	WSACleanup();
	return 0;
}

static int others_bind(const struct child *c, unsigned sharing, int wild, u_short port)
{
	child_tell(c, (int)sharing);
	child_tell(c, wild);
	child_tell(c, port);
	return child_hear(c);
}

/* A system that does not know such a wish says only that the port is in use. */
static int is_kept_from(const struct child *c, u_short port)
{
	for (unsigned sharing = DEFAULT; sharing <= EXCLUSIVE; sharing++) {
		for (int wild = 0; wild < 2; wild++) {
			int error = others_bind(c, sharing, wild, port);

			if (error != WSAEACCES && error != WSAEADDRINUSE)
				return 0;
		}
	}
	return 1;
}

/* Who wants a port for himself has it so before all the programs of the system, also while he listens and is connected
 * and when that is over; and nobody keeps it behind him. */
static void check_exclusive_everywhere(void)
{
	struct child c = child_start_ready("other", "-");
	SOCKET s = sharing_socket(EXCLUSIVE), client = stream_socket(), server;
	struct address at = wildcard(0), to;

	CHECK_R(54, bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	CHECK_R(54, is_kept_from(&c, port_of(&at)));
	to = loopback(port_of(&at));
	CHECK_R(54, listen(s, 5) == 0 && is_kept_from(&c, port_of(&at)));
	CHECK_R(54, connect_to(client, &to) == 0 && is_kept_from(&c, port_of(&at)));
	server = accept(s, NULL, NULL);
	CHECK_R(54, server != INVALID_SOCKET && is_kept_from(&c, port_of(&at)));
	closesocket(client);
	closesocket(server);
	CHECK_R(54, is_kept_from(&c, port_of(&at)));
	closesocket(s);
	/* When the connection has ended for the other end, too. */
	for (unsigned i = 0; i < LONG_MS / 10 && others_bind(&c, REUSE, 1, port_of(&at)) != 0; i++)
		Sleep(10);
	CHECK_R(54, others_bind(&c, REUSE, 1, port_of(&at)) == 0);
	child_tell(&c, ASK_END);
	CHECK(child_wait(&c) == 0);
}

static void check_reuse_after_bind(void)
{
	SOCKET one = stream_socket(), two = sharing_socket(REUSE), three = sharing_socket(REUSE);
	struct address any = wildcard(0), name;

	bind_to(one, &any);
	name_of(one, &name);
	set_flag(one, SO_REUSEADDR, 1);
	CHECK_R(53, FAILS(bind_to(two, &name), WSAEACCES));
	closesocket(one);
	CHECK_R(53, bind_to(two, &name) == 0);
	/* Nor does taking it away change anything: both asked for it when they were bound. */
	set_flag(two, SO_REUSEADDR, 0);
	CHECK_R(53, bind_to(three, &name) == 0);
	closesocket(two);
	closesocket(three);
}

/* One port, two listeners: the more exact address gets the request. */
static void check_specific_first(void)
{
	SOCKET exact = stream_socket(), wild = stream_socket();
	struct address at = loopback(0), any;

	if (bind_to(exact, &at) || name_of(exact, &at))
		abort();
	any = wildcard(port_of(&at));
	CHECK_R(55, bind_to(wild, &any) == 0);
	CHECK_R(55, listen(wild, 4) == 0 && listen(exact, 4) == 0);
	CHECK_R(55, accepts_through(exact, &at));
	if (is_loopback4(&at)) {
		at.sa.v4.sin_addr.s_addr = htonl(0x7f010203);
		CHECK_R(55, accepts_through(wild, &at));
	}
	closesocket(exact);
	closesocket(wild);
}

/*
 * A bind that is allowed may show its conflict later: when both listen on the address, and when both
 * connect to the same one.
 */
static void check_late_conflicts(void)
{
	SOCKET one = sharing_socket(REUSE), two = sharing_socket(REUSE), listener, silent;
	struct address at = loopback(0), name, there, elsewhere = loopback(0);

	bind_to(one, &at);
	name_of(one, &name);
	CHECK_R(50, bind_to(two, &name) == 0 && listen(one, 1) == 0);
	CHECK_R(50, FAILS(listen(two, 1), WSAEADDRINUSE));
	closesocket(one);
	CHECK_R(50, listen(two, 1) == 0 && accepts_through(two, &name));
	closesocket(two);

	listener = listener_on(&there, 4);
	silent = stream_socket(); /* has a port that nobody listens at */
	bind_to(silent, &elsewhere);
	name_of(silent, &elsewhere);
	one = sharing_socket(REUSE);
	two = sharing_socket(REUSE);
	bind_to(one, &at);
	name_of(one, &name);
	CHECK_R(50, bind_to(two, &name) == 0 && connect_to(one, &there) == 0);
	CHECK_R(50, FAILS(connect_to(two, &there), WSAEADDRINUSE));
	CHECK_R(50, FAILS(connect_to(two, &elsewhere), WSAECONNREFUSED));
	CHECK_R(50, FAILS(connect_to(two, &there), WSAEADDRINUSE));
	closesocket(one);
	closesocket(two);
	closesocket(silent);
	closesocket(listener);
}

/* --- names --- */

static void check_no_names(void)
{
	struct address at = loopback(0), name, peer;
	SOCKET s = stream_socket();
	int length;

	CHECK_R(56, is_unbound(s));
	length = sizeof(peer.sa);
	CHECK_R(59, FAILS(getpeername(s, &peer.sa.any, &length), WSAENOTCONN));
	bind_to(s, &at);
	CHECK_R(59, FAILS(getpeername(s, &peer.sa.any, &length), WSAENOTCONN));
	listen(s, 1);
	CHECK_R(59, FAILS(getpeername(s, &peer.sa.any, &length), WSAENOTCONN));
	length = at.length - 1;
	CHECK_R(58, FAILS(getsockname(s, &name.sa.any, &length), WSAEFAULT));
	length = 0;
	CHECK_R(58, FAILS(getsockname(s, &name.sa.any, &length), WSAEFAULT));
	length = -1;
	CHECK_R(58, FAILS(getsockname(s, &name.sa.any, &length), WSAEFAULT));
	CHECK_R(58, FAILS(getsockname(s, &name.sa.any, NULL), WSAEFAULT));
	length = sizeof(name.sa);
	CHECK_R(58, FAILS(getsockname(s, NULL, &length), WSAEFAULT));
	CHECK_R(58, getsockname(s, &name.sa.any, &length) == 0 && length == at.length);
	closesocket(s);
}

static void check_names(void)
{
	struct address at = caller(0), name, peer, any = wildcard(0);
	unsigned char *port;
	struct pair p;
	int length;
	SOCKET s;

	if (!open_pair(&p))
		abort();
	CHECK_R(57,
		name_of(p.client, &name) == 0 && port_of(&name) != 0 && name.length == at.length);
	set_port(&at, port_of(&name));
	CHECK_R(57, memcmp(&name.sa, &at.sa, (size_t)at.length) == 0);
	peer.length = sizeof(peer.sa);
	CHECK_R(60, getpeername(p.server, &peer.sa.any, &peer.length) == 0 &&
			    peer.length == at.length &&
			    memcmp(&peer.sa, &name.sa, (size_t)name.length) == 0);
	peer.length = sizeof(peer.sa);
	CHECK_R(60, getpeername(p.client, &peer.sa.any, &peer.length) == 0 &&
			    memcmp(&peer.sa, &p.at.sa, (size_t)p.at.length) == 0);
	length = at.length - 1;
	CHECK_R(60, FAILS(getpeername(p.client, &peer.sa.any, &length), WSAEFAULT) &&
			    FAILS(getpeername(p.client, NULL, &length), WSAEFAULT) &&
			    FAILS(getpeername(p.client, &peer.sa.any, NULL), WSAEFAULT));
	/* A port is two bytes, the high one first; an address the same. */
	port = (unsigned char *)&p.at.sa.v4.sin_port;
	at = loopback((u_short)(port[0] << 8 | port[1]));
	s = stream_socket();
	CHECK_R(61, connect_to(s, &at) == 0 && name_of(s, &name) == 0);
	if (is_loopback4(&name))
		CHECK_R(61, memcmp(&name.sa.v4.sin_addr, "\x7f\0\0\1", 4) == 0);
	CHECK_R(61, name.sa.any.sa_family == conf_family());
	closesocket(s);
	/* Bound to the wildcard, it learns its address when it is connected. */
	s = stream_socket();
	CHECK_R(57, bind_to(s, &any) == 0 && name_of(s, &name) == 0 && connect_to(s, &p.at) == 0);
	at = caller(port_of(&name));
	CHECK_R(57, name_of(s, &name) == 0 && memcmp(&name.sa, &at.sa, (size_t)at.length) == 0);
	closesocket(s);
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return other_process();
	check_address_errors();
	check_bound_already();
	check_ephemeral();
	check_wildcard();
	check_conflicts();
	if (conf_two_processes())
		check_exclusive_everywhere();
	check_reuse_after_bind();
	if (!conf_system_tcp())
		check_specific_first();
	check_late_conflicts();
	check_no_names();
	check_names();
	WSACleanup();
	return check_result();
}

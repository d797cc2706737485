// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_extensions.c - AcceptEx, GetAcceptExSockaddrs, ConnectEx, DisconnectEx, each by event, by
 * completion port and by polling. (TransmitFile and TransmitPackets: test_transmit.c.)
 */
#include "tests/conformance/ext.h"

#define AREA 64u /* of one address */
#define ROOM 100u

static char space[ROOM + 2 * AREA], big[1u << 20], back[1u << 20];

static SOCKET bound_socket(void)
{
	struct address any = loopback(0);
	SOCKET s = stream_socket();

	NEED(bind_to(s, &any) == 0);
	return s;
}

static BOOL accept_into(SOCKET listener, SOCKET s, DWORD receive, struct wait *w)
{
	DWORD n = UNTOUCHED;
	BOOL result = accept_ex(listener, s, space, receive, AREA, AREA, &n, &w->o);
	int error = WSAGetLastError();

	NEED(n == UNTOUCHED);
	WSASetLastError(error);
	return result;
}

static void reset_on_close(SOCKET s)
{
	struct linger hard = { 1, 0 };

	setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
}

/* --- AcceptEx --- */

static bool refuses(SOCKET listener, SOCKET s, DWORD local, DWORD remote, int error)
{
	struct wait w;
	DWORD n;
	bool ok;

	wait_begin(&w, listener, BY_EVENT);
	ok = FALSE_WITH(accept_ex(listener, s, space, 0, local, remote, &n, &w.o), error);
	return wait_nothing(&w) && ok;
}

static void check_accept_parameters(void)
{
	struct pair p = need_pair();
	SOCKET fresh = stream_socket(), bound = bound_socket(), second = stream_socket();
	SOCKET plain = WSASocketW(conf_family(), SOCK_STREAM, IPPROTO_TCP, NULL, 0, 0);
	DWORD size = (DWORD)p.at.length, n;
	struct wait w;

	CHECK(refuses(p.listener, fresh, size + 15, AREA, WSAEFAULT));
	CHECK(refuses(p.listener, fresh, AREA, size + 15, WSAEFAULT));
	CHECK(refuses(p.client, fresh, AREA, AREA, WSAEINVAL));	     /* does not listen */
	CHECK(refuses(p.listener, p.client, AREA, AREA, WSAEINVAL)); /* is connected */
	CHECK(refuses(p.listener, bound, AREA, AREA, WSAEINVAL));    /* is bound */
	CHECK(refuses(p.listener, p.listener, AREA, AREA, WSAEINVAL));
	CHECK(refuses(p.listener, INVALID_SOCKET, AREA, AREA, WSAENOTSOCK));
	CHECK(refuses(INVALID_SOCKET, fresh, AREA, AREA, WSAENOTSOCK));
	CHECK(FALSE_WITH(accept_ex(p.listener, fresh, space, 0, AREA, AREA, &n, NULL),
			 WSA_INVALID_PARAMETER));
	wait_begin(&w, p.listener, BY_POLL);
	CHECK(FALSE_WITH(accept_ex(p.listener, fresh, NULL, 0, AREA, AREA, &n, &w.o), WSAEFAULT) &&
	      wait_nothing(&w));
	/* The smallest areas will do; one socket is good for one call; and for nothing else. */
	wait_begin(&w, p.listener, BY_EVENT);
	CHECK(STARTS(accept_ex(p.listener, fresh, space, 0, size + 16, size + 16, &n, &w.o)));
	CHECK(refuses(p.listener, fresh, AREA, AREA, WSAEINVAL));
	CHECK(FAILS(connect_to(fresh, &p.at), WSAEINVAL));
	NEED(connect_to(second, &p.at) == 0 && wait_end(&w, &n) == 0);
	closesocket(plain);
	closesocket(fresh);
	closesocket(bound);
	closesocket(second);
	close_pair(&p);
}

static bool splits(DWORD receive, const struct address *local, const struct address *remote)
{
	struct sockaddr *a = NULL, *b = NULL;
	int a_length = 0, b_length = 0;

	accept_sockaddrs(space, receive, AREA, AREA, &a, &a_length, &b, &b_length);
	return a_length == local->length && b_length == remote->length &&
	       memcmp(a, &local->sa, 8) == 0 && memcmp(b, &remote->sa, 8) == 0 &&
	       (char *)a > space && (char *)b > (char *)a && (char *)b < space + sizeof(space);
}

static void check_accept(enum method method)
{
	struct address at, from, name;
	SOCKET listener = listener_on(&at, 4), s = stream_socket(), client = bound_socket();
	int value = 1, length = sizeof(value);
	struct wait w;
	DWORD n;

	NEED(setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, 4) == 0);
	wait_begin(&w, listener, method);
	CHECK(STARTS(accept_into(listener, s, 0, &w)) && in_progress(&w.o));
	NEED(connect_to(client, &at) == 0 && name_of(client, &from) == 0);
	CHECK(wait_end(&w, &n) == 0 && n == 0 && splits(0, &at, &from));
	CHECK(setsockopt(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener,
			 sizeof(listener)) == 0);
	name.length = sizeof(name.sa);
	CHECK(getpeername(s, &name.sa.any, &name.length) == 0 && port_of(&name) == port_of(&from));
	CHECK(name_of(s, &name) == 0 && port_of(&name) == port_of(&at));
	CHECK(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &length) == 0 && value == 1);
	CHECK(send(client, "hi", 2, 0) == 2 && receive_all(s, back, 2) == 2 &&
	      send(s, "ho", 2, 0) == 2 && receive_all(client, back, 2) == 2);
	closesocket(s);
	closesocket(client);
	closesocket(listener);
}

static void check_accept_with_data(enum method method)
{
	struct address at, from;
	SOCKET listener = listener_on(&at, 4), s = stream_socket(), client = bound_socket();
	DWORD n = 0, seconds = UINT32_MAX;
	int length = sizeof(seconds);
	struct wait w;

	wait_begin(&w, listener, method);
	CHECK(STARTS(accept_into(listener, s, ROOM, &w)));
	CHECK(getsockopt(s, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length) == 0 &&
	      seconds == UINT32_MAX);
	NEED(connect_to(client, &at) == 0 && name_of(client, &from) == 0);
	Sleep(SHORT_MS);
	/* Connected, and waiting for the first data: that can be seen, and ended. */
	CHECK(in_progress(&w.o));
	CHECK(getsockopt(s, SOL_SOCKET, SO_CONNECT_TIME, (char *)&seconds, &length) == 0 &&
	      seconds < 100);
	pattern_fill(big, 2 * ROOM, 0);
	NEED(send(client, big, 2 * ROOM, 0) == 2 * ROOM);
	CHECK(wait_end(&w, &n) == 0 && n == ROOM && pattern_ok(space, ROOM, 0) &&
	      splits(ROOM, &at, &from));
	CHECK(receive_all(s, back, ROOM) == ROOM && pattern_ok(back, ROOM, ROOM));
	closesocket(s);
	closesocket(client);
	closesocket(listener);
}

/* The client ends before it has sent anything. */
static void check_accept_without_data(enum method method)
{
	struct address at;
	SOCKET listener = listener_on(&at, 4);

	for (int hard = 0; hard < 2; hard++) {
		SOCKET s = stream_socket(), client = stream_socket();
		struct wait w;
		DWORD n = UNTOUCHED;

		if (method == BY_PORT && hard) { /* the listener already is with a port */
			closesocket(listener);
			listener = listener_on(&at, 4);
		}
		wait_begin(&w, listener, method);
		NEED(STARTS(accept_into(listener, s, ROOM, &w)));
		NEED(connect_to(client, &at) == 0);
		if (hard)
			reset_on_close(client);
		closesocket(client);
		CHECK(wait_end(&w, &n) == (hard ? WSAECONNRESET : 0) && n == 0);
		/* Reset before it was taken, or after. */
		CHECK(hard ? FAILS(recv(s, back, 1, 0), WSAENOTCONN) ||
				      WSAGetLastError() == WSAECONNRESET
			   : at_end(s));
		closesocket(s);
	}
	closesocket(listener);
}

static void check_accept_many(void)
{
	struct address at, from;
	SOCKET listener = listener_on(&at, 20), s[8], clients[8];
	static char areas[8][2 * AREA];
	struct wait w[8];
	bool ok = true;
	DWORD n;

	for (int i = 0; i < 8; i++)
		clients[i] = stream_socket();
	NEED(connect_to(clients[0], &at) == 0); /* this one comes before any call */
	for (int i = 0; i < 8; i++) {
		s[i] = stream_socket();
		wait_begin(&w[i], listener, BY_EVENT);
		NEED(STARTS(accept_ex(listener, s[i], areas[i], 0, AREA, AREA, &n, &w[i].o)));
	}
	CHECK(wait_end(&w[0], &n) == 0 && in_progress(&w[1].o));
	for (int i = 1; i < 8; i++) {
		struct sockaddr *a, *b;
		int a_length, b_length;

		NEED(connect_to(clients[i], &at) == 0 && name_of(clients[i], &from) == 0);
		ok = wait_end(&w[i], &n) == 0 && ok; /* the oldest call gets it */
		accept_sockaddrs(areas[i], 0, AREA, AREA, &a, &a_length, &b, &b_length);
		ok = ok && memcmp(b, &from.sa, 8) == 0 && (i == 7 || in_progress(&w[i + 1].o));
	}
	CHECK(ok);
	for (int i = 0; i < 8; i++) {
		char c = (char)i;

		ok = ok && send(clients[i], &c, 1, 0) == 1 && recv(s[i], back, 1, 0) == 1 &&
		     back[0] == c;
		closesocket(s[i]);
		closesocket(clients[i]);
	}
	CHECK(ok);
	closesocket(listener);
}

/* The listener goes: the calls end, and their sockets are free for something else. */
static void check_accept_cancelled(enum method method)
{
	struct pair p = need_pair();
	struct address at;
	SOCKET listener = listener_on(&at, 4), s = stream_socket();
	struct wait w;
	DWORD n;

	wait_begin(&w, listener, method);
	NEED(STARTS(accept_into(listener, s, ROOM, &w)));
	closesocket(listener);
	CHECK(wait_end(&w, &n) == WSA_OPERATION_ABORTED && n == 0);
	CHECK(connect_to(s, &p.at) == 0 && send(s, "x", 1, 0) == 1);
	closesocket(s);
	close_pair(&p);
}

/* --- ConnectEx --- */

static bool connect_refused(SOCKET s, const struct sockaddr *to, int length, PVOID data,
			    DWORD bytes, int error)
{
	DWORD sent = UNTOUCHED;
	struct wait w;
	bool ok;

	wait_begin(&w, s, BY_EVENT);
	ok = FALSE_WITH(connect_ex(s, to, length, data, bytes, &sent, &w.o), error);
	return wait_nothing(&w) && ok && sent == UNTOUCHED;
}

static void check_connect_parameters(void)
{
	struct pair p = need_pair();
	struct address other = p.at, zero = p.at;
	SOCKET fresh = stream_socket(), bound = bound_socket(), s = bound_socket();
	const struct sockaddr *to = &p.at.sa.any;
	int size = p.at.length;
	DWORD n;

	other.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	set_port(&zero, 0);
	CHECK(connect_refused(fresh, to, size, NULL, 0, WSAEINVAL)); /* not bound */
	CHECK(connect_refused(p.listener, to, size, NULL, 0, WSAEINVAL));
	CHECK(connect_refused(p.client, to, size, NULL, 0, WSAEISCONN));
	CHECK(connect_refused(bound, to, size - 1, NULL, 0, WSAEFAULT));
	CHECK(connect_refused(bound, NULL, size, NULL, 0, WSAEFAULT));
	CHECK(connect_refused(bound, to, size, NULL, 1, WSAEFAULT));
	CHECK(connect_refused(bound, &other.sa.any, 28, NULL, 0, WSAEAFNOSUPPORT));
	CHECK(connect_refused(bound, &zero.sa.any, size, NULL, 0, WSAEADDRNOTAVAIL));
	CHECK(connect_refused(INVALID_SOCKET, to, size, NULL, 0, WSAENOTSOCK));
	CHECK(FALSE_WITH(connect_ex(bound, to, size, NULL, 0, &n, NULL), WSA_INVALID_PARAMETER));
	CHECK(FAILS(setsockopt(bound, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0),
		    WSAENOTCONN));
	close_pair(&p);
	closesocket(fresh);
	closesocket(bound);
	closesocket(s);
}

/* While it runs; a listener that decides later keeps it running. Close ends it. */
static void check_connect_runs(void)
{
	SOCKET s = bound_socket();
	struct pair p;
	struct wait w;
	int on = 1;
	DWORD n;

	p.listener = stream_socket();
	p.at = loopback(0);
	NEED(setsockopt(p.listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, 4) == 0 &&
	     bind_to(p.listener, &p.at) == 0 && listen(p.listener, 1) == 0 &&
	     name_of(p.listener, &p.at) == 0);
	wait_begin(&w, s, BY_EVENT);
	CHECK(STARTS(connect_ex(s, &p.at.sa.any, p.at.length, NULL, 0, &n, &w.o)));
	CHECK(connect_refused(s, &p.at.sa.any, p.at.length, NULL, 0, WSAEALREADY));
	CHECK(in_progress(&w.o) && closesocket(s) == 0);
	CHECK(wait_end(&w, &n) == WSA_OPERATION_ABORTED && n == 0);
	closesocket(p.listener);
}

static void check_connect(enum method method, DWORD first)
{
	struct address at, name;
	SOCKET listener = listener_on(&at, 4), s = bound_socket(), server;
	struct wait w;
	DWORD n;

	pattern_fill(big, first, 0);
	wait_begin(&w, s, method);
	CHECK(STARTS(connect_ex(s, &at.sa.any, at.length, first ? big : NULL, first, &n, &w.o)));
	server = accept(listener, NULL, NULL);
	NEED(server != INVALID_SOCKET);
	CHECK(receive_all(server, back, first) == first && pattern_ok(back, first, 0));
	CHECK(wait_end(&w, &n) == 0 && n == first);
	CHECK(setsockopt(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) == 0);
	name.length = sizeof(name.sa);
	CHECK(getpeername(s, &name.sa.any, &name.length) == 0 && port_of(&name) == port_of(&at));
	CHECK(send(server, "ok", 2, 0) == 2 && receive_all(s, back, 2) == 2);
	CHECK(shutdown(s, SD_SEND) == 0 && at_end(server));
	closesocket(s);
	closesocket(server);
	closesocket(listener);
}

/* Nobody listens there; the same socket can try again. */
static void check_connect_fails(enum method method)
{
	struct address nowhere = loopback(1), at;
	SOCKET listener = listener_on(&at, 4), s = bound_socket();
	WSAOVERLAPPED o;
	struct wait w;
	DWORD n = 0;

	wait_begin(&w, s, method);
	CHECK(STARTS(connect_ex(s, &nowhere.sa.any, nowhere.length, big, 5, &n, &w.o)));
	CHECK(wait_end(&w, &n) == WSAECONNREFUSED && n == 0);
	overlapped_init(&o, NULL);
	CHECK(STARTS(connect_ex(s, &at.sa.any, at.length, NULL, 0, &n, &o)));
	CHECK(outcome(s, &o, &n, NULL) == 0);
	closesocket(s);
	closesocket(listener);
}

/* --- DisconnectEx --- */

static void check_disconnect_parameters(void)
{
	struct pair p = need_pair();
	SOCKET fresh = stream_socket();
	struct wait w;

	wait_begin(&w, p.client, BY_EVENT);
	CHECK(FALSE_WITH(disconnect_ex(p.client, &w.o, 0, 1), WSAEINVAL));
	CHECK(FALSE_WITH(disconnect_ex(p.client, &w.o, 0x80, 0), WSAEINVAL));
	CHECK(FALSE_WITH(disconnect_ex(fresh, &w.o, 0, 0), WSAENOTCONN));
	CHECK(FALSE_WITH(disconnect_ex(p.listener, &w.o, TF_REUSE_SOCKET, 0), WSAENOTCONN));
	CHECK(FALSE_WITH(disconnect_ex(INVALID_SOCKET, &w.o, 0, 0), WSAENOTSOCK));
	CHECK(FALSE_WITH(disconnect_ex(fresh, NULL, 0, 0), WSAENOTCONN));
	CHECK(wait_nothing(&w));
	CHECK(send(p.client, "ok", 2, 0) == 2 && receive_all(p.server, back, 2) == 2);
	closesocket(fresh);
	close_pair(&p);
}

/* Without TF_REUSE_SOCKET: the end of sending, after what was sent before. */
static void check_disconnect(enum method method, bool overlapped)
{
	struct pair p = need_pair();
	WSAOVERLAPPED o;
	struct wait w;
	DWORD n = 0;

	pattern_fill(big, sizeof(big), 0);
	overlapped_init(&o, NULL);
	if (overlapped) {
		NEED(PENDS(post_send(p.client, big, sizeof(big), &o)));
		wait_begin(&w, p.client, method == BY_PORT ? BY_EVENT : method);
		CHECK(STARTS(disconnect_ex(p.client, &w.o, 0, 0)));
		CHECK(drained(p.server, sizeof(big), 0));
		CHECK(wait_end(&w, &n) == 0 && outcome(p.client, &o, &n, NULL) == 0 &&
		      n == sizeof(big));
	} else {
		NEED(send(p.client, big, 1000, 0) == 1000);
		CHECK(disconnect_ex(p.client, NULL, 0, 0) && drained(p.server, 1000, 0));
	}
	CHECK(FAILS(send(p.client, "x", 1, 0), WSAESHUTDOWN));
	close_pair(&p);
}

static void end_then_close(void *arg)
{
	struct pair *p = arg;
	char c;

	while (recv(p->server, &c, 1, 0) > 0)
		;
	closesocket(p->server);
}

/* The handle connects, is disconnected and is used again: for ConnectEx, connect and AcceptEx. */
static void check_reuse(enum method method)
{
	struct pair p = need_pair();
	struct address at;
	SOCKET listener = listener_on(&at, 4), client = stream_socket();
	struct conf_thread *peer = thread_run(end_then_close, &p);
	WSAOVERLAPPED o;
	struct wait w;
	DWORD n;

	NEED(send(p.client, "abc", 3, 0) == 3);
	wait_begin(&w, p.client, method);
	CHECK(STARTS(disconnect_ex(p.client, &w.o, TF_REUSE_SOCKET, 0)));
	CHECK(wait_end(&w, &n) == 0 && n == 0);
	thread_join(peer);
	CHECK(FAILS(send(p.client, "x", 1, 0), WSAENOTCONN));
	overlapped_init(&o, NULL);
	CHECK(STARTS(connect_ex(p.client, &p.at.sa.any, p.at.length, NULL, 0, &n, &o)) &&
	      outcome(p.client, &o, &n, NULL) == 0);
	p.server = accept(p.listener, NULL, NULL);
	CHECK(send(p.client, "again", 5, 0) == 5 && receive_all(p.server, back, 5) == 5);
	peer = thread_run(end_then_close, &p);
	CHECK(disconnect_ex(p.client, NULL, TF_REUSE_SOCKET, 0));
	thread_join(peer);
	overlapped_init(&o, NULL);
	CHECK(STARTS(accept_ex(listener, p.client, space, 0, AREA, AREA, &n, &o)));
	NEED(connect_to(client, &at) == 0);
	CHECK(outcome(listener, &o, &n, NULL) == 0 && send(client, "third", 5, 0) == 5 &&
	      receive_all(p.client, back, 5) == 5 && !memcmp(back, "third", 5));
	closesocket(client);
	closesocket(listener);
	closesocket(p.client);
	closesocket(p.listener);
}

/* Used again and again for the same listener, though the peers have not closed what was disconnected before. */
static void check_reuse_early(void)
{
	struct pair p = need_pair();
	SOCKET servers[4] = { p.server };
	unsigned count = 1;

	for (;; count++) {
		CHECK(disconnect_ex(p.client, NULL, TF_REUSE_SOCKET, 0) &&
		      at_end(servers[count - 1]));
		if (count == 4)
			break;
		CHECK(connect_to(p.client, &p.at) == 0);
		servers[count] = accept(p.listener, NULL, NULL);
		NEED(servers[count] != INVALID_SOCKET);
	}
	while (count > 0)
		closesocket(servers[--count]);
	closesocket(p.client);
	closesocket(p.listener);
}

/* What the program has bound stays bound to the same address. */
static void check_reuse_bound(void)
{
	struct address at, own = caller(0), now;
	SOCKET listener = listener_on(&at, 4), s = stream_socket(), server;
	char c;

	NEED(bind_to(s, &own) == 0 && name_of(s, &own) == 0);
	for (int i = 0; i < 3; i++) {
		CHECK(connect_to(s, &at) == 0);
		server = accept(listener, NULL, NULL);
		NEED(server != INVALID_SOCKET);
		closesocket(server); /* first, so that nothing is left of it at this end */
		CHECK(recv(s, &c, 1, 0) == 0 && disconnect_ex(s, NULL, TF_REUSE_SOCKET, 0));
		CHECK(name_of(s, &now) == 0 && port_of(&now) == port_of(&own));
	}
	closesocket(s);
	closesocket(listener);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	ext_fetch();
	check_accept_parameters();
	check_accept_many();
	check_connect_parameters();
	if (!conf_system_tcp())
		check_connect_runs();
	check_disconnect_parameters();
	check_disconnect(BY_POLL, false);
	for (enum method method = 0; method < METHODS; method++) {
		check_accept(method);
		check_accept_with_data(method);
		check_accept_without_data(method);
		check_accept_cancelled(method);
		check_connect(method, 0);
		check_connect(method, 5);
		check_connect(method, sizeof(big));
		check_connect_fails(method);
		check_disconnect(method, true);
		check_reuse(method);
	}
	if (conf_system_tcp()) /* with messages a disconnect waits for the peer's own, for 5 s */
		check_reuse_early();
	check_reuse_bound();
	WSACleanup();
	return check_result();
}

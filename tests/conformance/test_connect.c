// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_connect.c - WSPConnect. A listener with SO_CONDITIONAL_ACCEPT keeps an attempt open for as long
 * as a check needs it.
 */
#include "tests/conformance/dial.h"

#include <stdatomic.h>
#include <stdbool.h>

/* A port at which nobody listens, and which nobody else gets: it is held until the program ends. */
static struct address dead_port(void)
{
	struct address at = loopback(0);
	SOCKET s = stream_socket();

	CHECK(bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	return at;
}

/* The socket still connects: to a listener of its own. */
static int still_connects(SOCKET s)
{
	struct address at;
	SOCKET listener = listener_on(&at, 1), server = INVALID_SOCKET;
	int ok;

	nonblocking(s, 0);
	ok = connect_to(s, &at) == 0;
	if (ok)
		server = accept(listener, NULL, NULL);
	ok = ok && works(s, server);
	closesocket(server);
	closesocket(listener);
	closesocket(s);
	return ok;
}

/* --- parameters --- */

static void check_parameters(void)
{
	struct address at = dead_port(), bad = loopback(9);
	WSABUF data = { 4, (char[]){ "data" } }, nothing = { 0, NULL };
	SOCKET s = stream_socket();
	QOS qos;

	memset(&bad.sa, 0, sizeof(bad.sa));
	bad.sa.any.sa_family = (u_short)conf_family();
	CHECK_R(102, FAILS(connect_to(s, &bad), WSAEADDRNOTAVAIL));
	set_port(&bad, 9);
	CHECK_R(102, FAILS(connect_to(s, &bad), WSAEADDRNOTAVAIL));
	bad = loopback(0);
	CHECK_R(102, FAILS(connect_to(s, &bad), WSAEADDRNOTAVAIL));
	bad = at;
	bad.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	bad.length = sizeof(bad.sa);
	CHECK_R(103, FAILS(connect_to(s, &bad), WSAEAFNOSUPPORT));
	bad.length = at.length;
	CHECK_R(103, FAILS(connect_to(s, &bad), WSAEAFNOSUPPORT));
	bad.sa.any.sa_family = 1;
	CHECK_R(103, FAILS(connect_to(s, &bad), WSAEAFNOSUPPORT));
	bad.sa.any.sa_family = 0;
	CHECK_R(103, FAILS(connect_to(s, &bad), WSAEAFNOSUPPORT));
	CHECK_R(104, FAILS(connect(s, &at.sa.any, at.length - 1), WSAEFAULT));
	CHECK_R(104, FAILS(connect(s, &at.sa.any, 1), WSAEFAULT));
	CHECK_R(104, FAILS(connect(s, &at.sa.any, 0), WSAEFAULT));
	CHECK_R(104, FAILS(connect(s, &at.sa.any, -1), WSAEFAULT));
	CHECK_R(104, FAILS(connect(s, NULL, at.length), WSAEFAULT));
	memset(&qos, 0, sizeof(qos));
	qos.SendingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	qos.SendingFlowspec.TokenRate = 1000000000;
	CHECK_R(116, FAILS(WSAConnect(s, &at.sa.any, at.length, &data, NULL, NULL, NULL),
			   WSAEPROTONOSUPPORT));
	CHECK_R(118,
		FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &qos, NULL), WSAEOPNOTSUPP));
	/* None of that did anything: it is unbound, and connects. */
	CHECK_R(101, FAILS(name_of(s, &bad), WSAEINVAL));
	/* Nothing to send is not connect data. */
	CHECK_R(116, FAILS(WSAConnect(s, &at.sa.any, at.length, &nothing, NULL, NULL, NULL),
			   WSAECONNREFUSED));
	CHECK_R(118, still_connects(s));
}

static void check_callee_data(void)
{
	char room[16] = "";
	WSABUF back = { sizeof(room), room };
	struct address at;
	SOCKET listener = listener_on(&at, 2), s = stream_socket();

	CHECK_R(117, WSAConnect(s, &at.sa.any, at.length, NULL, &back, NULL, NULL) == 0 &&
			     back.len == 0 && back.buf == room);
	closesocket(s);
	closesocket(listener);
}

static void check_states(void)
{
	struct address name;
	struct pair p;
	SOCKET s;

	if (!open_pair(&p))
		abort();
	CHECK_R(101, name_of(p.client, &name) == 0 && port_of(&name) != 0);
	CHECK_R(105, FAILS(connect_to(p.client, &p.at), WSAEISCONN));
	CHECK_R(105, FAILS(connect_to(p.server, &p.at), WSAEISCONN));
	CHECK_R(105, works(p.client, p.server));
	CHECK_R(106, FAILS(connect_to(p.listener, &p.at), WSAEINVAL));
	/* And it still listens. */
	s = stream_socket();
	CHECK_R(106, connect_to(s, &p.at) == 0);
	closesocket(s);
	close_pair(&p);
	/* Bound explicitly, the name stays. */
	s = stream_socket();
	name = loopback(0);
	bind_to(s, &name);
	name_of(s, &name);
	p.listener = listener_on(&p.at, 1);
	CHECK_R(101, connect_to(s, &p.at) == 0);
	p.server = accept(p.listener, NULL, NULL);
	p.at.length = sizeof(p.at.sa);
	CHECK_R(101, getpeername(p.server, &p.at.sa.any, &p.at.length) == 0 &&
			     memcmp(&p.at.sa, &name.sa, (size_t)name.length) == 0);
	closesocket(s);
	closesocket(p.server);
	closesocket(p.listener);
}

/* --- attempts that take their time --- */

static int CALLBACK reject(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
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
	return CF_REJECT;
}

static int so_error(SOCKET s)
{
	int error = -1, length = sizeof(error);

	getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&error, &length);
	return error;
}

static void check_nonblocking(void)
{
	struct address at, dead = dead_port();
	SOCKET listener = conditional_listener(&at, 4), s = stream_socket(), server;
	struct sockaddr_storage peer;
	int length = sizeof(peer);

	/* Nobody can answer before accept, so waiting here would be waiting for ever. */
	nonblocking(s, 1);
	CHECK_R(108, FAILS(connect_to(s, &at), WSAEWOULDBLOCK));
	CHECK_R(107, FAILS(connect_to(s, &at), WSAEALREADY));
	CHECK_R(107, FAILS(connect_to(s, &dead), WSAEALREADY));
	CHECK_R(120, progress(s, 0) == 0);
	CHECK_R(120, FAILS(getpeername(s, (struct sockaddr *)&peer, &length), WSAENOTCONN));
	server = accept(listener, NULL, NULL);
	CHECK_R(120, progress(s, 10000) == 1);
	CHECK_R(107, FAILS(connect_to(s, &at), WSAEISCONN));
	nonblocking(s, 0);
	CHECK_R(108, works(s, server) && so_error(s) == 0);
	closesocket(server);
	closesocket(s);

	s = stream_socket();
	nonblocking(s, 1);
	CHECK_R(108, FAILS(connect_to(s, &at), WSAEWOULDBLOCK));
	WSAAccept(listener, NULL, NULL, reject, 0);
	CHECK_R(120, progress(s, 10000) == 2 && so_error(s) == WSAECONNREFUSED);
	CHECK_R(115, still_connects(s));

	s = stream_socket();
	nonblocking(s, 1);
	CHECK_R(108,
		connect_to(s, &dead) == SOCKET_ERROR && (WSAGetLastError() == WSAEWOULDBLOCK ||
							 WSAGetLastError() == WSAECONNREFUSED));
	CHECK_R(120, progress(s, 10000) == 2);
	closesocket(s);
	closesocket(listener);
}

/* On the system's TCP an attempt waits as long as the listener's queue is full. */
static void check_system_nonblocking(void)
{
	struct address at, dead = dead_port();
	SOCKET waiting[FULL], listener = full_listener(&at, waiting), s = waiting[FULL - 1];

	CHECK_R(107, FAILS(connect_to(s, &at), WSAEALREADY));
	CHECK_R(107, FAILS(connect_to(s, &dead), WSAEALREADY));
	CHECK_R(120, progress(s, 0) == 0);
	CHECK_R(120, listen(listener, FULL) == 0 && outcome(s) == 0);
	CHECK_R(107, FAILS(connect_to(s, &at), WSAEISCONN));
	for (int i = 0; i < FULL; i++)
		closesocket(waiting[i]);
	closesocket(listener);
}

struct later {
	SOCKET listener;
	LPCONDITIONPROC condition;
	atomic_int answered;
	SOCKET server;
};

static void answer_later(void *arg)
{
	struct later *later = arg;

	Sleep(100);
	atomic_store(&later->answered, 1);
	later->server = WSAAccept(later->listener, NULL, NULL, later->condition, 0);
}

static void check_blocking(void)
{
	struct address at;
	struct later later = { .listener = conditional_listener(&at, 4) };
	struct conf_thread *thread;
	SOCKET s = stream_socket();

	thread = thread_run(answer_later, &later);
	CHECK_R(109, connect_to(s, &at) == 0 && atomic_load(&later.answered));
	thread_join(thread);
	CHECK_R(109, works(s, later.server));
	closesocket(s);
	closesocket(later.server);
	s = stream_socket();
	atomic_store(&later.answered, 0);
	later.condition = reject;
	thread = thread_run(answer_later, &later);
	CHECK_R(109, FAILS(connect_to(s, &at), WSAECONNREFUSED) && atomic_load(&later.answered));
	thread_join(thread);
	CHECK_R(115, still_connects(s));
	closesocket(later.listener);
}

/* --- trying again --- */

/* The reasons of the last connect: this text about the one backend under test, or nothing at all. Of a
 * backend with several adapters each has its own ("verbs/rxe0: ..."). */
static bool tells(SOCKET s, const char *text)
{
	const char *backend = getenv("WSD_BACKENDS");
	char reasons[256], wanted[256] = "";
	int length = sizeof(reasons);

	if (getsockopt(s, SOL_SOCKET, SO_OPENWSD_REASONS, reasons, &length) != 0)
		return false;
	if (text)
		snprintf(wanted, sizeof(wanted), "%s: %s", backend ? backend : "shm", text);
	if (text && strchr(reasons, '/'))
		return backend && strncmp(reasons, backend, strlen(backend)) == 0 &&
		       strstr(reasons, text);
	return length == (int)strlen(wanted) + 1 && strcmp(reasons, wanted) == 0;
}

static void check_reasons(void)
{
	struct address at = dead_port(), live;
	SOCKET s = stream_socket(), listener = listener_on(&live, 1);
	char small[4] = "abc";
	int length = sizeof(small);

	CHECK(tells(s, NULL));
	CHECK(FAILS(connect_to(s, &at), WSAECONNREFUSED) &&
	      tells(s, "nobody listens at that address (-62)"));
	CHECK(FAILS(getsockopt(s, SOL_SOCKET, SO_OPENWSD_REASONS, small, &length), WSAEFAULT) &&
	      length > (int)sizeof(small) && memcmp(small, "abc", 4) == 0);
	/* Kept once, not added up. */
	CHECK(FAILS(connect_to(s, &at), WSAECONNREFUSED) &&
	      tells(s, "nobody listens at that address (-62)"));
	CHECK(connect_to(s, &live) == 0 && tells(s, NULL));
	closesocket(s);
	closesocket(listener);
}

/* Nobody answers: the attempt ends by time. How much it has is read when Winsock is started. */
static void check_timeout(int argc, char **argv)
{
	struct address at;
	SOCKET listener, s;

	set_limit("WSD_CONNECT_TIMEOUT", 1500); /* enough for one that is answered */
	conf_start(argc, argv);
	listener = conditional_listener(&at, 4);
	s = stream_socket();
	CHECK_R(115, FAILS(connect_to(s, &at), WSAETIMEDOUT));
	CHECK_R(115, FAILS(connect_to(s, &at), WSAETIMEDOUT));
	CHECK(tells(s, "timed out (-64)"));
	CHECK_R(115, still_connects(s));
	closesocket(listener);
	WSACleanup();
}

static void check_again(void)
{
	struct address at = dead_port(), name, again;
	SOCKET s = stream_socket();

	CHECK_R(115, FAILS(connect_to(s, &at), WSAECONNREFUSED) && name_of(s, &name) == 0);
	CHECK_R(115, FAILS(connect_to(s, &at), WSAECONNREFUSED) && name_of(s, &again) == 0 &&
			     port_of(&again) == port_of(&name));
	CHECK_R(115, still_connects(s));

	/* No route: an address that no stream can go to. Nothing leaves the host. */
	at = loopback(9);
	if (conf_family() == AF_INET)
		at.sa.v4.sin_addr.s_addr = 0xffffffff;
	else
		inet_pton(AF_INET6, "ff02::1", &at.sa.v6.sin6_addr);
	s = stream_socket();
	CHECK_R(115, FAILS(connect_to(s, &at), WSAENETUNREACH));
	CHECK(tells(s, "no route to the address by this path (-63)"));
	CHECK_R(115, still_connects(s));
	/* It is known at once, and a program that does not wait hears it in the call; its port stays its own. */
	s = stream_socket();
	name = loopback(0);
	CHECK(bind(s, &name.sa.any, name.length) == 0 && name_of(s, &name) == 0);
	nonblocking(s, 1);
	CHECK_R(115, FAILS(connect_to(s, &at), WSAENETUNREACH));
	CHECK_R(115, FAILS(connect_to(s, &at), WSAENETUNREACH) && name_of(s, &again) == 0 &&
			     port_of(&again) == port_of(&name));
	nonblocking(s, 0);
	CHECK_R(115, still_connects(s));
}

struct greeting {
	struct pair p;
	int sent;
};

static void greet(void *arg)
{
	struct greeting *g = arg;

	g->p.server = accept(g->p.listener, NULL, NULL);
	g->sent = send(g->p.server, "hello", 5, 0);
}

/* A peer that speaks first may have spoken before the connector looks. */
static void check_greeting(void)
{
	struct timeval limit = { (long)conf_long() / 1000, 0 };
	char text[6] = "";
	struct greeting g;

	g.p.listener = listener_on(&g.p.at, 1);
	for (unsigned i = 0; i < 100; i++) {
		struct conf_thread *thread = thread_run(greet, &g);
		fd_set set;

		g.p.client = stream_socket();
		nonblocking(g.p.client, 1);
		CHECK(connect_to(g.p.client, &g.p.at) == 0 || WSAGetLastError() == WSAEWOULDBLOCK);
		FD_ZERO(&set);
		FD_SET(g.p.client, &set);
		CHECK(select(0, &set, NULL, NULL, &limit) == 1 &&
		      recv(g.p.client, text, 5, 0) == 5 && memcmp(text, "hello", 5) == 0);
		thread_join(thread);
		CHECK(g.sent == 5);
		closesocket(g.p.client);
		closesocket(g.p.server);
	}
	closesocket(g.p.listener);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_parameters();
	check_callee_data();
	check_states();
	if (conf_system_tcp()) {
		check_system_nonblocking();
	} else {
		check_nonblocking();
		check_blocking();
	}
	check_reasons();
	check_again();
	check_greeting();
	WSACleanup();
	if (!conf_system_tcp())
		check_timeout(argc, argv);
	return check_result();
}

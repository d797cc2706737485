// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dual_listen.c - a listener at `::` that has IPV6_V6ONLY off: peers of both families, by all paths, in one
 * queue; what accept, the condition function and the extension functions tell of them; and duplicates.
 */
#include "tests/conformance/dual.h"
#include "tests/lib/os_port.h"

#define AREA 64u /* of an address */

/* The names of an accepted socket whose client is an ordinary one. */
static bool names_fit(SOCKET server, SOCKET client)
{
	struct address name, peer = { .length = sizeof(peer.sa) };

	return host_name_of(client, &name) == 0 &&
	       spi.lpWSPGetPeerName(client, &peer.sa.any, &peer.length, &host_error) == 0 &&
	       dual_has_peer(server, dual_outer(&name)) && dual_is_at(server, dual_outer(&peer));
}

static SOCKET accept_from(SOCKET listener, struct address *from)
{
	memset(from, 0, sizeof(*from));
	from->length = sizeof(from->sa);
	return spi.lpWSPAccept(listener, &from->sa.any, &from->length, NULL, 0, &host_error);
}

/* The peer of the socket that was accepted. */
static void check_accepted(SOCKET listener, SOCKET client)
{
	struct address from, name;
	SOCKET server = accept_from(listener, &from);

	NEED(server != INVALID_SOCKET && client != INVALID_SOCKET);
	NEED(host_name_of(client, &name) == 0);
	name = dual_outer(&name);
	CHECK(dual_same(&from, &name) && names_fit(server, client));
	CHECK(host_exchange(client, server) && dual_get(server) == 0);
	host_close(server);
	host_close(client);
}

/* On Windows the system's socket may be closed a moment later than the listener, with the engine's next turn. */
static bool nobody_listens(int af, u_short port)
{
	uint64_t end = now_ms() + LONG_MS;
	SOCKET s;

	while ((s = dual_dial(af, port)) != INVALID_SOCKET && now_ms() < end)
		host_close(s);
	return s == INVALID_SOCKET || host_close(s) != 0;
}

static void check_queue(void)
{
	struct address at, to;
	SOCKET listener = dual_listener(&at, 8), first, second, third = dual_socket();
	u_short port = port_of(&at);

	at = dual_any(AF_INET6, port);
	CHECK(dual_is_at(listener, at));
	first = dual_dial(AF_INET, port);
	check_accepted(listener, first);
	first = dual_dial(AF_INET6, port);
	check_accepted(listener, first);
	/* One queue, in the order of arrival where that is ours to say. */
	first = dual_dial(AF_INET6, port);
	second = dual_dial(AF_INET, port);
	if (conf_system_tcp()) {
		host_close(first);
		host_close(second);
		host_close(host_accept(listener));
		host_close(host_accept(listener));
	} else {
		check_accepted(listener, first);
		check_accepted(listener, second);
	}
	to = dual_address(conf_family(), port);
	to = dual_outer(&to);
	CHECK(host_connect(third, &to) == 0 && dual_has_peer(third, to));
	first = host_accept(listener);
	CHECK(host_exchange(third, first) && dual_is_at(first, to));
	host_close(first);
	host_close(third);
	host_close(listener);
	CHECK(nobody_listens(AF_INET, port) && nobody_listens(AF_INET6, port));
}

/* One backlog: a peer of one family takes the place of one of the other. */
static void check_backlog(void)
{
	struct address at;
	SOCKET listener = dual_listener(&at, 1), first = dual_dial(AF_INET, port_of(&at)), second;

	CHECK(first != INVALID_SOCKET);
	CHECK(dual_dial(AF_INET6, port_of(&at)) == INVALID_SOCKET);
	CHECK(host_listen(listener, 2) == 0);
	second = dual_dial(AF_INET6, port_of(&at));
	CHECK(second != INVALID_SOCKET && dual_dial(AF_INET, port_of(&at)) == INVALID_SOCKET);
	check_accepted(listener, first);
	first = dual_dial(AF_INET, port_of(&at));
	check_accepted(listener, second);
	check_accepted(listener, first);
	host_close(listener);
}

/* Without the option, and at one address, it listens for one family. */
static void check_one_family(void)
{
	struct address at = dual_any(AF_INET6, 0);
	SOCKET s = dual_of(AF_INET6), client;

	CHECK(host_bind(s, &at) == 0 && host_listen(s, 2) == 0);
	CHECK(dual_dial(AF_INET, dual_port(s)) == INVALID_SOCKET);
	client = dual_dial(AF_INET6, dual_port(s));
	CHECK(client != INVALID_SOCKET);
	host_close(client);
	host_close(s);
	s = dual_socket();
	at = dual_address(AF_INET, 0);
	at = dual_outer(&at);
	CHECK(host_bind(s, &at) == 0 && host_listen(s, 2) == 0);
	CHECK(dual_dial(AF_INET6, dual_port(s)) == INVALID_SOCKET);
	client = dual_dial(AF_INET, dual_port(s));
	check_accepted(s, client);
	host_close(s);
}

static struct address caller_id, callee_id;

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller_data;
	(void)sqos;
	(void)gqos;
	(void)callee_data;
	(void)g;
	(void)data;
	caller_id.length = (int)caller->len;
	callee_id.length = (int)callee->len;
	NEED(caller->len <= sizeof(caller_id.sa) && callee->len <= sizeof(callee_id.sa));
	memcpy(&caller_id.sa, caller->buf, caller->len);
	memcpy(&callee_id.sa, callee->buf, callee->len);
	return CF_ACCEPT;
}

static void check_condition(void)
{
	struct address at, name, to;
	SOCKET listener = dual_listener(&at, 2), client, server;

	client = dual_dial(conf_family(), port_of(&at));
	NEED(client != INVALID_SOCKET && host_name_of(client, &name) == 0);
	server = spi.lpWSPAccept(listener, NULL, NULL, condition, 0, &host_error);
	CHECK(server != INVALID_SOCKET && names_fit(server, client));
	name = dual_outer(&name);
	to = dual_address(conf_family(), port_of(&at));
	to = dual_outer(&to);
	CHECK(dual_same(&caller_id, &name));
	if (conf_system_tcp()) /* before accept its address costs a call of the system */
		CHECK(callee_id.length == to.length && port_of(&callee_id) == port_of(&to));
	else
		CHECK(dual_same(&callee_id, &to));
	host_close(server);
	host_close(client);
	host_close(listener);
}

/* --- the extension functions --- */

static LPFN_ACCEPTEX accept_ex;
static LPFN_GETACCEPTEXSOCKADDRS accept_sockaddrs;
static LPFN_CONNECTEX connect_ex;
static LPFN_DISCONNECTEX disconnect_ex;

static void fetch(SOCKET s, GUID id, void *function)
{
	DWORD bytes = 0;

	NEED(spi.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), function,
			    sizeof(void *), &bytes, NULL, NULL, NULL, &host_error) == 0);
}

static void fetch_all(void)
{
	static const GUID accept_id = WSAID_ACCEPTEX, sockaddrs_id = WSAID_GETACCEPTEXSOCKADDRS,
			  connect_id = WSAID_CONNECTEX, disconnect_id = WSAID_DISCONNECTEX;
	SOCKET s = dual_socket();

	fetch(s, accept_id, &accept_ex);
	fetch(s, sockaddrs_id, &accept_sockaddrs);
	fetch(s, connect_id, &connect_ex);
	fetch(s, disconnect_id, &disconnect_ex);
	host_close(s);
}

/* As a runtime does it: both bound to `::`, AcceptEx into a socket that nothing was set of. */
static void connect_by_extensions(SOCKET listener, SOCKET s, SOCKET child, int af)
{
	static char space[2 * AREA];
	struct address to = dual_address(af, dual_port(listener)), name;
	struct sockaddr *local = NULL, *remote = NULL;
	static WSAOVERLAPPED operations[4]; /* the host counts for each structure */
	static unsigned next;
	WSAOVERLAPPED *accepting = &operations[next++], *connecting = &operations[next++];
	int local_length = 0, remote_length = 0;
	DWORD bytes = 0;

	to = dual_outer(&to);
	CHECK(!accept_ex(listener, child, space, 0, AREA, AREA, &bytes, accepting));
	CHECK(!connect_ex(s, &to.sa.any, to.length, NULL, 0, &bytes, connecting));
	CHECK(dual_finishes(connecting) && dual_finishes(accepting));
	CHECK(spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0, &host_error) ==
	      0);
	CHECK(dual_has_peer(s, to) && dual_has_peer(child, (host_name_of(s, &name), name)) &&
	      dual_is_at(child, to));
	accept_sockaddrs(space, 0, AREA, AREA, &local, &local_length, &remote, &remote_length);
	CHECK(local_length == to.length && memcmp(local, &to.sa, (size_t)local_length) == 0);
	CHECK(remote_length == name.length && memcmp(remote, &name.sa, (size_t)remote_length) == 0);
	CHECK(host_exchange(s, child));
	CHECK(spi.lpWSPSetSockOpt(child, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener,
				  sizeof(listener), &host_error) == 0);
	CHECK(dual_is_at(child, to) && dual_get(child) == 0);
}

static void check_extensions(void)
{
	int af = conf_family(), other = af == AF_INET ? AF_INET6 : AF_INET;
	struct address at, any = dual_any(AF_INET6, 0);
	SOCKET listener = dual_listener(&at, 4), s = dual_socket(), child = dual_of(AF_INET6);
	WSAOVERLAPPED ends = { 0 };
	u_short port;

	CHECK(host_bind(s, &any) == 0);
	port = dual_port(s);
	set_port(&any, port);
	connect_by_extensions(listener, s, child, af);
	/* Used again, with a peer of the other family. */
	host_close(child);
	CHECK(!disconnect_ex(s, &ends, TF_REUSE_SOCKET, 0) && dual_finishes(&ends));
	CHECK(dual_is_at(s, any));
	child = dual_of(AF_INET6);
	connect_by_extensions(listener, s, child, other);
	CHECK(dual_port(s) == port);
	host_close(child);
	host_close(s);
	host_close(listener);
}

/* --- duplicates --- */

static DWORD token_for(SOCKET s, DWORD process)
{
	WSAPROTOCOL_INFOW info;

	memset(&info, 0, sizeof(info));
	return spi.lpWSPDuplicateSocket(s, process, &info, &host_error) == 0
		       ? info.dwProviderReserved
		       : 0;
}

static SOCKET attach(DWORD token)
{
	WSAPROTOCOL_INFOW info = host_protocol;

	info.dwProviderReserved = token;
	return spi.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
			       WSA_FLAG_OVERLAPPED, &host_error);
}

static SOCKET duplicate(SOCKET s)
{
	DWORD token = token_for(s, GetCurrentProcessId());

	return token != 0 ? attach(token) : INVALID_SOCKET;
}

/* The first descriptor's process lets go of the port in its own time, and the system's TCP needs it alone. */
static bool connects(SOCKET s, const struct address *to)
{
	uint64_t end = now_ms() + LONG_MS;

	while (host_connect(s, to) != 0) {
		if (host_error != WSAEADDRINUSE || now_ms() > end)
			return false;
		Sleep(10);
	}
	return true;
}

/* It may be refused while the listener changes hands. */
static SOCKET dialled(int af, u_short port)
{
	uint64_t end = now_ms() + LONG_MS;
	SOCKET s;

	while ((s = dual_dial(af, port)) == INVALID_SOCKET && now_ms() < end)
		Sleep(10);
	return s;
}

static void check_duplicates(void)
{
	struct address at, to, any = dual_any(AF_INET6, 0);
	SOCKET listener = dual_listener(&at, 4), s = dual_socket(), second, server;

	to = dual_address(conf_family(), port_of(&at));
	to = dual_outer(&to);
	/* Bound; the first descriptor goes, the second connects. */
	CHECK(host_bind(s, &any) == 0);
	set_port(&any, dual_port(s));
	second = duplicate(s);
	CHECK(second != INVALID_SOCKET && dual_is_at(second, any) && dual_get(second) == 0);
	host_close(s);
	CHECK(connects(second, &to) && dual_port(second) == port_of(&any));
	server = host_accept(listener);
	CHECK(host_exchange(second, server));
	/* Connected, both ends. */
	s = duplicate(second);
	CHECK(s != INVALID_SOCKET && host_close(second) == 0);
	CHECK(dual_has_peer(s, to) && host_exchange(s, server));
	second = duplicate(server);
	CHECK(second != INVALID_SOCKET && host_close(server) == 0);
	CHECK(dual_is_at(second, to) && host_exchange(s, second));
	host_close(s);
	host_close(second);
	/* Listening: the one that stays goes on for both families. */
	second = duplicate(listener);
	CHECK(second != INVALID_SOCKET && host_close(listener) == 0);
	s = dialled(AF_INET, port_of(&at));
	check_accepted(second, s);
	s = dialled(AF_INET6, port_of(&at));
	check_accepted(second, s);
	host_close(second);
}

/* The process that has the listener next: serves a peer of each family. */
static int heir(void)
{
	struct child parent = child_is_ready();
	SOCKET listener = attach((DWORD)child_hear(&parent)), server;
	struct address from;

	child_tell(&parent, listener != INVALID_SOCKET ? dual_get(listener) : 99);
	for (int i = 0; i < 2; i++) {
		server = accept_from(listener, &from);
		child_tell(&parent,
			   from.sa.any.sa_family == AF_INET6 && from.length == sizeof(from.sa.v6)
				   ? port_of(&from)
				   : -1);
		(void)host_send(server, "x", 1);
		host_close(server);
	}
	host_close(listener);
	host_cleanup();
	return 0;
}

static void check_other_process(void)
{
	struct address at;
	SOCKET listener = dual_listener(&at, 4);
	struct child c = child_start_ready("heir", "listener");

	child_tell(&c, (int)token_for(listener, child_id(&c)));
	CHECK(child_hear(&c) == 0);
	host_close(listener);
	for (int i = 0; i < 2; i++) {
		SOCKET s = dialled(i ? AF_INET6 : AF_INET, port_of(&at));
		char byte = 0;

		NEED(s != INVALID_SOCKET);
		CHECK(child_hear(&c) == dual_port(s));
		CHECK(host_recv(s, &byte, 1) == 1 && byte == 'x');
		host_close(s);
	}
	CHECK(child_wait(&c) == 0);
}

/* --- a peer without OpenWSD --- */

struct visit {
	bool v6;
	u_short port;
	bool heard;
};

static void visit(void *arg)
{
	struct visit *v = arg;

	v->heard = os_visit(v->v6, v->port);
}

static void check_system_peers(void)
{
	const char *paths = getenv("WSD_BACKENDS");
	struct address at, from;
	SOCKET listener, server;

	if (paths == NULL || strstr(paths, "plain") == NULL)
		return;
	listener = dual_listener(&at, 4);
	for (int v6 = 0; v6 < 2; v6++) {
		struct address here = dual_address(v6 ? AF_INET6 : AF_INET, port_of(&at));
		struct visit v = { v6 != 0, port_of(&at), false };
		struct conf_thread *thread = thread_run(visit, &v);
		char byte = 0;

		server = accept_from(listener, &from);
		CHECK(server != INVALID_SOCKET && host_recv(server, &byte, 1) == 1 && byte == 'v');
		CHECK(dual_is_at(server, dual_outer(&here)) && dual_has_peer(server, from));
		CHECK(host_send(server, "h", 1) == 1);
		thread_join(thread);
		CHECK(v.heard);
		host_close(server);
	}
	host_close(listener);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (host_startup(0) != 0)
		return 1;
	if (conf_role() != NULL)
		return heir();
	fetch_all();
	check_queue();
	if (!conf_system_tcp()) /* whose queue is another one */
		check_backlog();
	check_one_family();
	check_condition();
	check_extensions();
	check_duplicates();
	if (conf_two_processes() &&
	    !conf_system_tcp()) /* whose connections do not move with a listener */
		check_other_process();
	check_system_peers();
	host_cleanup();
	return check_result();
}

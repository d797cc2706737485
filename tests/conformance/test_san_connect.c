// SPDX-License-Identifier: BSD-2-Clause
/* test_san_connect.c - mode S: bind, connect, the condition function, private data, and the codes that steer a
 * switch. */
#include "tests/conformance/san.h"

#define CALLER_MOST 20u
#define CALLEE_MOST 108u

static void check_bind(void)
{
	struct address at = loopback(companion_port()), other = at, abroad = at;
	SOCKET s = host_socket();

	other.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	CHECK_R(47, SPI_FAILS(host_bind(s, &other), WSAEFAULT));
	CHECK_R(48, SPI_FAILS(spi.lpWSPBind(s, &at.sa.any, at.length - 1, &host_error), WSAEFAULT));
	if (conf_family() == AF_INET)
		abroad.sa.v4.sin_addr.s_addr = htonl(0xC6336407u); /* TEST-NET-2 */
	else
		abroad.sa.v6.sin6_addr.s6_addr[0] = 0x20;
	CHECK_R(49, SPI_FAILS(host_bind(s, &abroad), WSAEADDRNOTAVAIL));
	CHECK_R(62, SPI_FAILS(host_listen(s, 1), WSAEINVAL));
	CHECK_R(46, host_bind(s, &at) == 0 && SPI_FAILS(host_bind(s, &at), WSAEINVAL));
	host_close(s);
}

static void check_address_errors(void)
{
	struct address at = loopback(free_port()), none = at;
	SOCKET s = host_socket();

	host_nonblocking(s, 1);
	set_port(&none, 0);
	CHECK_R(102, SPI_FAILS(host_connect(s, &none), WSAEADDRNOTAVAIL));
	none = at;
	if (conf_family() == AF_INET)
		none.sa.v4.sin_addr.s_addr = 0;
	else
		none.sa.v6.sin6_addr = in6addr_any;
	CHECK_R(102, SPI_FAILS(host_connect(s, &none), WSAEADDRNOTAVAIL));
	none = at;
	none.sa.any.sa_family = 99;
	CHECK_R(103, SPI_FAILS(host_connect(s, &none), WSAEAFNOSUPPORT));
	CHECK_R(104, SPI_FAILS(spi.lpWSPConnect(s, &at.sa.any, at.length - 1, NULL, NULL, NULL,
						NULL, &host_error),
			       WSAEFAULT));
	host_close(s);
}

/* --- states --- */

static void check_states(void)
{
	struct san_pair p;

	if (!san_open_pair(&p))
		abort();
	CHECK_R(105, SPI_FAILS(host_connect(p.client, &p.at), WSAEISCONN));
	CHECK_R(106, SPI_FAILS(host_connect(p.listener, &p.at), WSAEINVAL));
	CHECK_R(63, SPI_FAILS(host_listen(p.client, 1), WSAEISCONN));
	CHECK_R(71, SPI_NO_SOCKET(host_accept(p.client), WSAEINVAL));
	host_nonblocking(p.listener, 1);
	CHECK_R(72, SPI_NO_SOCKET(host_accept(p.listener), WSAEWOULDBLOCK));
	san_close_pair(&p);
}

static void check_implicit_bind(void)
{
	struct address at;
	SOCKET listener = san_listener(&at, 4), s = host_socket(), server;
	WSAEVENT event = WSACreateEvent();

	spi.lpWSPEventSelect(s, event, FD_CONNECT, &host_error);
	CHECK_R(108, SPI_FAILS(host_connect(s, &at), WSAEWOULDBLOCK));
	CHECK_R(107, SPI_FAILS(host_connect(s, &at), WSAEALREADY));
	server = san_take(listener, NULL, 0);
	CHECK_R(101, server != INVALID_SOCKET && san_connect_outcome(s, event) == 0);
	CHECK_R(121, san_message(s, server, "first", 5, SAN_POLL));
	san_close(s);
	san_close(server);
	host_close(listener);
	WSACloseEvent(event);
}

/* A blocking connect works too, though no switch does it: another thread accepts. */
static void accept_one(void *arg)
{
	SOCKET *s = arg;

	s[1] = san_take(s[0], NULL, 0);
}

static void check_blocking(void)
{
	struct conf_thread *thread;
	struct address at;
	SOCKET ends[2] = { san_listener(&at, 4), INVALID_SOCKET }, s = san_bound();

	thread = thread_run(accept_one, ends);
	CHECK_R(38, host_connect(s, &at) == 0);
	thread_join(thread);
	CHECK_R(38, ends[1] != INVALID_SOCKET && san_message(ends[1], s, "back", 4, SAN_POLL));
	san_close(s);
	san_close(ends[1]);
	host_close(ends[0]);
}

/* --- codes --- */

static void check_codes(void)
{
	struct address nobody = loopback(free_port()), plain = loopback(companion_listen());
	SOCKET s = san_bound();

	CHECK_R(112, san_dial(s, &nobody) == WSAECONNRESET);
	san_close(s);
	/* A plain TCP server is there: TCP would not fail, so the switch may try it. */
	s = san_bound();
	CHECK_R(114, san_dial(s, &plain) == WSAETIMEDOUT);
	san_close(s);
	/* Unreachable over every path: TCP might get there. No system connects to a group, nor sends anything. */
	s = san_bound();
	if (conf_family() == AF_INET)
		nobody.sa.v4.sin_addr.s_addr = htonl(0xE0000001u); /* 224.0.0.1 */
	else
		inet_pton(AF_INET6, "ff0e::1", &nobody.sa.v6.sin6_addr);
	CHECK_R(113, san_dial(s, &nobody) == WSAETIMEDOUT);
	san_close(s);
}

/* Mode D listens there: another mode is another service. */
static void check_mode_mismatch(void)
{
	struct address at = loopback(0);
	WSPPROC_TABLE direct;
	WSPDATA data;
	SOCKET d, s = san_bound();

	if (WSPStartup(MAKEWORD(2, 2), &data, &host_protocol, host_table(1), &direct) != 0)
		abort();
	d = direct.lpWSPSocket(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0,
			       WSA_FLAG_OVERLAPPED, &host_error);
	CHECK(direct.lpWSPBind(d, &at.sa.any, at.length, &host_error) == 0 &&
	      direct.lpWSPListen(d, 4, &host_error) == 0 &&
	      direct.lpWSPGetSockName(d, &at.sa.any, &at.length, &host_error) == 0);
	CHECK_R(114, san_dial(s, &at) == WSAETIMEDOUT);
	san_close(s);
	direct.lpWSPCloseSocket(d, &host_error);
	direct.lpWSPCleanup(&host_error);
}

/* --- the condition function --- */

struct seen {
	int answer;
	unsigned calls;
	DWORD_PTR data;
	char caller[CALLER_MOST];
	unsigned caller_length;
	bool caller_null, sqos_null;
	unsigned room;
	struct address remote, local;
	unsigned reply_length;
	void *thread;
	WSAEVENT peer; /* the connector's event: nothing may have come */
	bool peer_quiet;
};

static _Thread_local char here;

static int CALLBACK condition(LPWSABUF caller_id, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee_id, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	struct seen *seen = (struct seen *)data;

	(void)gqos;
	(void)g;
	seen->calls++;
	seen->data = data;
	seen->thread = &here;
	seen->caller_null = caller_data == NULL;
	seen->sqos_null = sqos == NULL;
	seen->caller_length = 0;
	if (caller_data != NULL) {
		seen->caller_length = (unsigned)caller_data->len;
		memcpy(seen->caller, caller_data->buf, caller_data->len);
	}
	memcpy(&seen->remote.sa, caller_id->buf, caller_id->len);
	memcpy(&seen->local.sa, callee_id->buf, callee_id->len);
	seen->room = (unsigned)callee_data->len;
	if (seen->reply_length > 0 && seen->reply_length <= seen->room)
		memset(callee_data->buf, 'r', seen->reply_length);
	callee_data->len = seen->reply_length;
	if (seen->peer != NULL) {
		Sleep(30);
		seen->peer_quiet = WSAWaitForMultipleEvents(1, &seen->peer, TRUE, 0, FALSE) ==
				   WSA_WAIT_TIMEOUT;
	}
	return seen->answer;
}

/* One attempt with private data; the connector's outcome, the accepted socket in *server. */
static int attempt(SOCKET listener, const struct address *at, struct seen *seen, WSABUF *caller,
		   WSABUF *callee, SOCKET *client, SOCKET *server)
{
	WSAEVENT event = WSACreateEvent();
	int outcome;

	*client = san_bound();
	spi.lpWSPEventSelect(*client, event, FD_CONNECT, &host_error);
	host_error = 0;
	seen->peer = event;
	(void)spi.lpWSPConnect(*client, &at->sa.any, at->length, caller, callee, NULL, NULL,
			       &host_error);
	*server = san_take(listener, condition, (DWORD_PTR)seen);
	outcome = host_error;
	if (*server == INVALID_SOCKET && seen->answer != CF_REJECT) {
		WSACloseEvent(event);
		host_error = outcome;
		return -2;
	}
	outcome = san_connect_outcome(*client, event);
	spi.lpWSPEventSelect(*client, NULL, 0, &host_error);
	WSACloseEvent(event);
	return outcome;
}

static void check_private_data(void)
{
	char caller[CALLER_MOST + 1], callee[CALLEE_MOST + 4];
	WSABUF caller_data = { CALLER_MOST, caller }, callee_data = { sizeof(callee), callee };
	struct seen seen = { .answer = CF_ACCEPT, .reply_length = CALLEE_MOST };
	struct address at;
	SOCKET listener = san_listener(&at, 4), client, server;

	memset(caller, 'c', sizeof(caller));
	memset(callee, 0, sizeof(callee));
	CHECK_R(75,
		attempt(listener, &at, &seen, &caller_data, &callee_data, &client, &server) == 0 &&
			seen.calls == 1 && seen.thread == &here);
	CHECK_R(82, seen.data == (DWORD_PTR)&seen);
	CHECK_R(83, port_of(&seen.local) == port_of(&at) &&
			    seen.remote.sa.any.sa_family == conf_family());
	CHECK_R(84,
		seen.caller_length == CALLER_MOST && memcmp(seen.caller, caller, CALLER_MOST) == 0);
	CHECK_R(85, seen.room == CALLEE_MOST); /* supported, and so much */
	CHECK_R(86, seen.sqos_null);
	CHECK_R(94, seen.peer_quiet);
	CHECK_R(117, callee_data.len == CALLEE_MOST && callee[0] == 'r' &&
			     callee[CALLEE_MOST - 1] == 'r' && callee[CALLEE_MOST] == 0);
	san_close(client);
	san_close(server);

	/* None in either direction; a short buffer gets what fits. */
	seen = (struct seen){ .answer = CF_ACCEPT };
	callee_data.len = sizeof(callee);
	CHECK_R(84, attempt(listener, &at, &seen, NULL, &callee_data, &client, &server) == 0 &&
			    seen.caller_null);
	CHECK_R(117, callee_data.len == 0);
	san_close(client);
	san_close(server);
	seen = (struct seen){ .answer = CF_ACCEPT, .reply_length = 20 };
	callee_data.len = 7;
	CHECK_R(117, attempt(listener, &at, &seen, NULL, &callee_data, &client, &server) == 0 &&
			     callee_data.len == 7);
	san_close(client);
	san_close(server);

	/* Too long is refused before anything leaves. */
	client = san_bound();
	host_nonblocking(client, 1);
	caller_data.len = CALLER_MOST + 1;
	CHECK_R(116, SPI_FAILS(spi.lpWSPConnect(client, &at.sa.any, at.length, &caller_data, NULL,
						NULL, NULL, &host_error),
			       WSAEFAULT));
	CHECK_R(72, SPI_NO_SOCKET(host_accept(listener), WSAEWOULDBLOCK));
	san_close(client);
	host_close(listener);
}

static void check_qos(void)
{
	struct address at = loopback(free_port());
	SOCKET s = san_bound();
	QOS qos;

	memset(&qos, 0, sizeof(qos));
	host_nonblocking(s, 1);
	CHECK_R(118, SPI_FAILS(spi.lpWSPConnect(s, &at.sa.any, at.length, NULL, NULL, &qos, NULL,
						&host_error),
			       WSAEOPNOTSUPP));
	san_close(s);
}

static void check_reject(void)
{
	struct seen seen = { .answer = CF_REJECT };
	struct address at;
	SOCKET listener = san_listener(&at, 4), client, server;

	CHECK_R(77, attempt(listener, &at, &seen, NULL, NULL, &client, &server) == WSAECONNREFUSED);
	CHECK_R(76, server == INVALID_SOCKET && seen.calls == 1);
	CHECK_R(94, seen.peer_quiet);
	san_close(client);
	/* What is no answer leaves the request where it is. */
	seen = (struct seen){ .answer = 99 };
	CHECK_R(81, attempt(listener, &at, &seen, NULL, NULL, &client, &server) == -2 &&
			    host_error == WSAEINVAL);
	seen.answer = CF_ACCEPT;
	seen.peer = NULL;
	server = san_take(listener, condition, (DWORD_PTR)&seen);
	CHECK_R(81, server != INVALID_SOCKET && seen.calls == 2);
	san_close(client);
	san_close(server);
	/* Nor does an answer with more data than there was room for. */
	seen = (struct seen){ .answer = CF_ACCEPT, .reply_length = CALLEE_MOST + 1 };
	CHECK(attempt(listener, &at, &seen, NULL, NULL, &client, &server) == -2 &&
	      host_error == WSAEINVAL);
	seen = (struct seen){ .answer = CF_ACCEPT };
	server = san_take(listener, condition, (DWORD_PTR)&seen);
	CHECK(server != INVALID_SOCKET && seen.calls == 1);
	san_close(client);
	san_close(server);
	host_close(listener);
}

static void check_addresses(void)
{
	struct seen seen = { .answer = CF_REJECT };
	struct address at, peer;
	SOCKET listener = san_listener(&at, 4), s = san_bound();
	int length = 4;

	host_nonblocking(s, 1);
	host_nonblocking(listener, 1);
	CHECK_R(88, SPI_NO_SOCKET(
			    spi.lpWSPAccept(listener, &peer.sa.any, &length, NULL, 0, &host_error),
			    WSAEFAULT));
	(void)host_connect(s, &at);
	memset(&peer, 0, sizeof(peer));
	for (unsigned i = 0; i < SAN_WAIT_MS; i++) {
		length = sizeof(peer.sa);
		(void)spi.lpWSPAccept(listener, &peer.sa.any, &length, condition, (DWORD_PTR)&seen,
				      &host_error);
		if (host_error != WSAEWOULDBLOCK)
			break;
		Sleep(1);
	}
	CHECK_R(87, host_error == WSAECONNREFUSED && length == at.length &&
			    peer.sa.any.sa_family == conf_family());
	CHECK_R(61, port_of(&seen.remote) == port_of(&peer) && port_of(&peer) != 0);
	san_close(s);
	host_close(listener);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (san_startup(0) != 0)
		return 1;
	check_bind();
	check_address_errors();
	check_states();
	check_implicit_bind();
	check_blocking();
	check_codes();
	check_mode_mismatch();
	check_private_data();
	check_qos();
	check_reject();
	check_addresses();
	host_cleanup();
	return check_result();
}

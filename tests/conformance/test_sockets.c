// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_sockets.c - WSPSocket, and what ties a descriptor to its provider: the handle of the host,
 * its context, and every call that gets a descriptor which is none.
 */
#include "tests/conformance/host.h"

/* --- what WSPSocket accepts and refuses --- */

static SOCKET make(int af, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP g, DWORD flags)
{
	return spi.lpWSPSocket(af, type, protocol, info, g, flags, &host_error);
}

/* Is it a socket of the family under test that streams? */
static int is_right(SOCKET s)
{
	struct address at = loopback(0);
	int type = 0, length = sizeof(type);
	int ok = s != INVALID_SOCKET && host_bind(s, &at) == 0 && host_listen(s, 1) == 0 &&
		 spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_TYPE, (char *)&type, &length, &host_error) ==
			 0 &&
		 type == SOCK_STREAM;

	return host_close(s) == 0 && ok;
}

static void check_wildcards(void)
{
	int af = conf_family(), any = FROM_PROTOCOL_INFO;
	LPWSAPROTOCOL_INFOW info = &host_protocol;

	CHECK_R(27, is_right(make(0, SOCK_STREAM, IPPROTO_TCP, info, 0, 0)));
	CHECK_R(27, is_right(make(af, 0, IPPROTO_TCP, info, 0, 0)));
	CHECK_R(27, is_right(make(0, 0, IPPROTO_TCP, info, 0, 0)));
	CHECK_R(27, is_right(make(0, 0, 0, info, 0, 0)));
	CHECK_R(28, is_right(make(any, SOCK_STREAM, IPPROTO_TCP, info, 0, 0)));
	CHECK_R(28, is_right(make(af, any, IPPROTO_TCP, info, 0, 0)));
	CHECK_R(28, is_right(make(af, SOCK_STREAM, any, info, 0, 0)));
	CHECK_R(28, is_right(make(any, any, any, info, 0, 0)));
	CHECK_R(28, is_right(make(any, 0, any, info, 0, 0)));
	/* There is nothing to take the values from. */
	CHECK_R(28, make(any, any, any, NULL, 0, 0) == INVALID_SOCKET);
	CHECK_R(28, make(af, any, IPPROTO_TCP, NULL, 0, 0) == INVALID_SOCKET);
}

static void check_refusals(void)
{
	int af = conf_family();
	WSAPROTOCOL_INFOW datagram = host_protocol;
	unsigned before = host_open_handles();

	CHECK_R(29, SPI_NO_SOCKET(make(1, SOCK_STREAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT));
	CHECK_R(29, SPI_NO_SOCKET(make(6, SOCK_STREAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT));
	CHECK_R(29, SPI_NO_SOCKET(make(-2, SOCK_STREAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT));
	CHECK_R(29,
		SPI_NO_SOCKET(make(65536 + AF_INET, SOCK_STREAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_DGRAM, 0, NULL, 0, 0), WSAESOCKTNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, 3, 0, NULL, 0, 0), WSAESOCKTNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, 99, 0, NULL, 0, 0), WSAESOCKTNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_UDP, NULL, 0, 0), WSAEPROTOTYPE));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_STREAM, 1, NULL, 0, 0), WSAEPROTONOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_STREAM, 1000, NULL, 0, 0), WSAEPROTONOSUPPORT));
	/* The values that it takes from the structure are checked too. */
	datagram.iSocketType = SOCK_DGRAM;
	CHECK_R(30, SPI_NO_SOCKET(make(af, FROM_PROTOCOL_INFO, 0, &datagram, 0, 0),
				  WSAESOCKTNOSUPPORT));
	CHECK_R(31, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_TCP, NULL, 0x7f, 0), WSAEINVAL));
	CHECK_R(31,
		SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_TCP, NULL, (GROUP)-1, 0), WSAEINVAL));
	for (DWORD flag = WSA_FLAG_MULTIPOINT_C_ROOT; flag <= WSA_FLAG_MULTIPOINT_D_LEAF;
	     flag <<= 1)
		CHECK_R(41, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0,
					       WSA_FLAG_OVERLAPPED | flag),
					  WSAEINVAL));
	/* The catalogue entry says no as well: XP1_SUPPORT_MULTIPOINT and its planes. */
	CHECK_R(41, (host_protocol.dwServiceFlags1 & XP1_SUPPORT_MULTIPOINT) == 0 &&
			    is_right(make(af, SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0,
					  WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT)));
	CHECK_R(29, host_open_handles() == before);
}

/* --- what a new socket is --- */

static void connect_later(void *arg)
{
	SOCKET s = host_socket();

	Sleep(60);
	host_connect(s, arg);
	host_close(s);
}

static void check_new_socket(void)
{
	struct address at = loopback(0);
	int length = sizeof(at.sa);
	struct conf_thread *thread;
	SOCKET s = host_socket(), server;

	CHECK_R(38, SPI_FAILS(host_name_of(s, &at), WSAEINVAL) &&
			    SPI_FAILS(host_listen(s, 1), WSAEINVAL));
	CHECK_R(38,
		SPI_FAILS(spi.lpWSPGetPeerName(s, &at.sa.any, &length, &host_error), WSAENOTCONN) &&
			SPI_FAILS(host_send(s, "x", 1), WSAENOTCONN));
	at = loopback(0);
	host_bind(s, &at);
	host_listen(s, 1);
	host_name_of(s, &at);
	thread = thread_run(connect_later, &at);
	server = host_accept(s); /* blocks, and does not answer WSAEWOULDBLOCK */
	CHECK_R(38, server != INVALID_SOCKET);
	thread_join(thread);
	host_close(server);
	host_close(s);
}

static int overlapped_recv(SOCKET s, WSAOVERLAPPED *o, char *text, unsigned length)
{
	WSABUF buffer = { length, text };
	DWORD bytes = 0, flags = 0;

	return spi.lpWSPRecv(s, &buffer, 1, &bytes, &flags, o, NULL, NULL, &host_error);
}

static int overlapped_send(SOCKET s, WSAOVERLAPPED *o, char *text, unsigned length)
{
	WSABUF buffer = { length, text };
	DWORD bytes = 0;

	return spi.lpWSPSend(s, &buffer, 1, &bytes, 0, o, NULL, NULL, &host_error);
}

static void check_overlapped_attribute(void)
{
	WSAOVERLAPPED o = { 0 };
	struct address at;
	char text[8] = "";
	SOCKET listener = host_listener(&at, 2), plain, server;
	unsigned completions = host_completions();
	int result;

	plain = make(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0, 0);
	CHECK_R(40, plain != INVALID_SOCKET && host_connect(plain, &at) == 0);
	server = host_accept(listener);
	CHECK_R(40, SPI_FAILS(overlapped_recv(plain, &o, text, 8), WSAEINVAL));
	CHECK_R(40, SPI_FAILS(overlapped_send(plain, &o, text, 8), WSAEINVAL));
	CHECK_R(40, host_completions() == completions);
	CHECK_R(40, host_send(plain, "sync", 4) == 4 && host_recv(server, text, 8) == 4 &&
			    !memcmp(text, "sync", 4));
	/* The other end has the attribute, from its listener. */
	result = overlapped_recv(server, &o, text, 8);
	CHECK_R(39, result == SOCKET_ERROR && host_error == WSA_IO_PENDING);
	host_send(plain, "over", 4);
	CHECK_R(39, host_wait_completion(&o, 5000) == 1 && !memcmp(text, "over", 4));
	host_close(plain);
	host_close(server);
	host_close(listener);
}

/* --- handles and contexts of the host --- */

static void check_handles(void)
{
	unsigned before = host_handles();
	struct host_handle one, two, three;
	struct pair p;
	SOCKET s = host_socket();

	one = host_handle_at(before);
	CHECK_R(33, host_handles() == before + 1 && s == one.handle);
	CHECK_R(33, one.catalog_id == HOST_CATALOG_ID);
	CHECK_R(195, host_close(s) == 0 && host_find(s).closes == 1 && !host_find(s).open);
	if (!host_open_pair(&p))
		abort();
	CHECK_R(33, host_handles() == before + 4 &&
			    p.listener == host_handle_at(before + 1).handle &&
			    p.client == host_handle_at(before + 2).handle &&
			    p.server == host_handle_at(before + 3).handle);
	one = host_find(p.listener);
	two = host_find(p.client);
	three = host_find(p.server);
	CHECK_R(36, one.context != two.context && two.context != three.context &&
			    one.context != three.context);
	host_close_pair(&p);
	CHECK_R(195, host_open_handles() == 0);
}

#define CONTEXTS 64

/* How many contexts there are in many attempts that all fail; CONTEXTS: too many. */
static unsigned contexts_refused(unsigned attempts)
{
	DWORD_PTR known[CONTEXTS];
	unsigned count = 0, i;

	while (attempts-- > 0 && count < CONTEXTS) {
		(void)host_socket();
		for (i = 0; i < count && known[i] != host_refused; i++)
			;
		if (i == count)
			known[count++] = host_refused;
	}
	return count;
}

/* The host cannot give a handle: the same error, and the context is free for the next one. */
static void check_create_fails(void)
{
	static const int codes[] = { WSAENOBUFS, WSAEMFILE, WSAENETDOWN };
	unsigned before = host_handles();

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		host_fail_create = codes[i];
		CHECK_R(37, SPI_NO_SOCKET(host_socket(), codes[i]));
	}
	host_fail_create = WSAEMFILE;
	CHECK_R(32, SPI_NO_SOCKET(host_socket(), WSAEMFILE));
	CHECK_R(37, contexts_refused(5000) < CONTEXTS);
	host_fail_create = 0;
	CHECK_R(37, host_handles() == before);
	CHECK_R(32, is_right(host_socket()) && host_open_handles() == 0);
}

/* --- every call that takes a descriptor --- */

static struct address somewhere;

static int do_accept(SOCKET s)
{
	return host_accept(s) == INVALID_SOCKET ? SOCKET_ERROR : 0;
}

static int do_async_select(SOCKET s)
{
	return spi.lpWSPAsyncSelect(s, NULL, 0, FD_READ, &host_error);
}

static int do_bind(SOCKET s)
{
	return host_bind(s, &somewhere);
}

static int do_connect(SOCKET s)
{
	return host_connect(s, &somewhere);
}

static int do_duplicate(SOCKET s)
{
	WSAPROTOCOL_INFOW info;

	return spi.lpWSPDuplicateSocket(s, GetCurrentProcessId(), &info, &host_error);
}

static int do_enum(SOCKET s)
{
	WSANETWORKEVENTS events;

	return spi.lpWSPEnumNetworkEvents(s, NULL, &events, &host_error);
}

static int do_event_select(SOCKET s)
{
	return spi.lpWSPEventSelect(s, NULL, 0, &host_error);
}

static int do_result(SOCKET s)
{
	WSAOVERLAPPED o = { .Internal = WSS_OPERATION_IN_PROGRESS };
	DWORD bytes, flags;

	return spi.lpWSPGetOverlappedResult(s, &o, &bytes, FALSE, &flags, &host_error)
		       ? 0
		       : SOCKET_ERROR;
}

static int do_peer_name(SOCKET s)
{
	struct address at = somewhere;

	return spi.lpWSPGetPeerName(s, &at.sa.any, &at.length, &host_error);
}

static int do_sock_name(SOCKET s)
{
	struct address at;

	return host_name_of(s, &at);
}

static int do_get_option(SOCKET s)
{
	int value, length = sizeof(value);

	return spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_TYPE, (char *)&value, &length, &host_error);
}

static int do_set_option(SOCKET s)
{
	int value = 1;

	return spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, sizeof(value),
				   &host_error);
}

static int do_qos(SOCKET s)
{
	WCHAR name[8] = WSD_L("G711");
	WSABUF text = { sizeof(name), (char *)name };
	QOS qos;

	return spi.lpWSPGetQOSByName(s, &text, &qos, &host_error) ? 0 : SOCKET_ERROR;
}

static int do_ioctl(SOCKET s)
{
	return host_nonblocking(s, 1);
}

static int do_join(SOCKET s)
{
	return spi.lpWSPJoinLeaf(s, &somewhere.sa.any, somewhere.length, NULL, NULL, NULL, NULL,
				 JL_BOTH, &host_error) == INVALID_SOCKET
		       ? SOCKET_ERROR
		       : 0;
}

static int do_listen(SOCKET s)
{
	return host_listen(s, 1);
}

static int do_recv(SOCKET s)
{
	char c;

	return host_recv(s, &c, 1);
}

static int do_recv_from(SOCKET s)
{
	struct address from = somewhere;
	DWORD bytes, flags = 0;
	char c;
	WSABUF buffer = { 1, &c };

	return spi.lpWSPRecvFrom(s, &buffer, 1, &bytes, &flags, &from.sa.any, &from.length, NULL,
				 NULL, NULL, &host_error);
}

static int do_recv_disconnect(SOCKET s)
{
	return spi.lpWSPRecvDisconnect(s, NULL, &host_error);
}

static int do_select(SOCKET s)
{
	struct timeval now = { 0, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return spi.lpWSPSelect(0, &set, NULL, NULL, &now, &host_error);
}

static int do_send(SOCKET s)
{
	return host_send(s, "x", 1);
}

static int do_send_to(SOCKET s)
{
	WSABUF buffer = { 1, (char[]){ 'x' } };
	DWORD bytes;

	return spi.lpWSPSendTo(s, &buffer, 1, &bytes, 0, &somewhere.sa.any, somewhere.length, NULL,
			       NULL, NULL, &host_error);
}

static int do_send_disconnect(SOCKET s)
{
	return spi.lpWSPSendDisconnect(s, NULL, &host_error);
}

static int do_shutdown(SOCKET s)
{
	return spi.lpWSPShutdown(s, SD_BOTH, &host_error);
}

/* In an order in which none of them waits on a new socket; closing comes last. */
static int (*const calls[])(SOCKET) = {
	do_ioctl,	    do_bind,	   do_sock_name, do_peer_name,
	do_get_option,	    do_set_option, do_enum,	 do_event_select,
	do_async_select,    do_result,	   do_qos,	 do_join,
	do_duplicate,	    do_select,	   do_recv,	 do_recv_from,
	do_recv_disconnect, do_send,	   do_send_to,	 do_send_disconnect,
	do_shutdown,	    do_listen,	   do_accept,	 do_connect,
	host_close,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void check_contexts(void)
{
	SOCKET s = host_socket();
	DWORD_PTR context = host_find(s).context;

	somewhere = loopback(0);
	for (size_t i = 0; i < CALLS; i++) {
		unsigned before = host_find(s).queries;

		(void)calls[i](s);
		CHECK_R(36, host_find(s).queries > before && host_find(s).context == context);
	}
	CHECK_R(36, host_open_handles() == 0);
}

static void check_not_a_socket(void)
{
	SOCKET closed = host_socket(), other = host_socket(), never, foreign;

	host_close(closed);
	foreign = host_foreign(host_find(other).context);
	never = other + 4 * 1000;
	somewhere = loopback(9);
	for (size_t i = 0; i < CALLS; i++) {
		CHECK_R(42, SPI_FAILS(calls[i](closed), WSAENOTSOCK));
		CHECK_R(42, SPI_FAILS(calls[i](never), WSAENOTSOCK));
		CHECK_R(42, SPI_FAILS(calls[i](INVALID_SOCKET), WSAENOTSOCK));
		CHECK_R(42, SPI_FAILS(calls[i](0), WSAENOTSOCK));
		CHECK_R(42, SPI_FAILS(calls[i](foreign), WSAENOTSOCK));
	}
	host_foreign_close(foreign);
	/* Without a place for the error it does not crash either. */
	CHECK_R(42, spi.lpWSPCloseSocket(closed, NULL) == SOCKET_ERROR);
	CHECK_R(42, host_close(other) == 0);
}

/* The whole life of many sockets: the handles are closed, and nothing is asked about them later. */
static void check_all_closed(void)
{
	unsigned late = 0, wrong = 0;
	struct pair p;

	for (int i = 0; i < 20; i++) {
		if (!host_open_pair(&p))
			abort();
		if (i % 2)
			host_send(p.client, "unread", 6);
		host_close_pair(&p);
	}
	for (unsigned i = 0; i < host_handles(); i++) {
		struct host_handle h = host_handle_at(i);

		late += h.late;
		wrong += h.open || h.closes != 1;
	}
	CHECK_R(195, host_open_handles() == 0 && wrong == 0 && late == 0);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (host_startup(0) != 0)
		abort();
	check_wildcards();
	check_refusals();
	check_new_socket();
	check_overlapped_attribute();
	check_handles();
	check_create_fails();
	check_contexts();
	check_not_a_socket();
	check_all_closed();
	host_cleanup();
	return check_result();
}

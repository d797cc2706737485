// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp_like.c - what a stream of ours and one of TCP have in common, in BSD calls only. Built
 * twice: against OpenWSD, and (ORACLE_OS) against the operating system's own sockets, which show that
 * the expectation is TCP's and not ours. Where Winsock documents something else than this system's TCP
 * does, DIFFERS names both and the reason stands beside it.
 */
#include <stdlib.h>

#ifdef ORACLE_OS
#include "tests/conformance/oracle.h"
#define DIFFERS(winsock, system) (system)
#define READS_ON		 1
#else
#include "tests/conformance/lib.h"
#define DIFFERS(winsock, system) (winsock)
#define READS_ON		 conf_windows_tcp()
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

static int family = AF_INET, name_size = sizeof(struct sockaddr_in);
static SOCKET listener, client, server;
static union name listening;
static struct timeval none = { 0, 0 }, long_time = { 20, 0 };

static union name local(int port)
{
	const char *text = getenv(family == AF_INET6 ? "WSD_TEST_IPV6" : "WSD_TEST_IPV4");
	union name at;

	memset(&at, 0, sizeof(at));
	at.any.sa_family = (unsigned short)family;
	at.v4.sin_port = htons((unsigned short)port);
	if (family == AF_INET6)
		inet_pton(AF_INET6, text ? text : "::1", &at.v6.sin6_addr);
	else
		inet_pton(AF_INET, text ? text : "127.0.0.1", &at.v4.sin_addr);
	return at;
}

static SOCKET fresh(void)
{
	return socket(family, SOCK_STREAM, IPPROTO_TCP);
}

static void set_nonblocking(SOCKET s, u_long on)
{
	ioctlsocket(s, FIONBIO, &on);
}

/* One select on one set: 'r', 'w' or 'e'. */
static int ready(SOCKET s, int kind, struct timeval limit)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, kind == 'r' ? &set : NULL, kind == 'w' ? &set : NULL,
		      kind == 'e' ? &set : NULL, &limit) == 1 &&
	       FD_ISSET(s, &set);
}

static void open_listener(void)
{
	int length = sizeof(listening);

	listener = fresh();
	listening = local(0);
	if (bind(listener, &listening.any, name_size) || listen(listener, 8) ||
	    getsockname(listener, &listening.any, &length))
		abort();
}

static void open_both(void)
{
	open_listener();
	client = fresh();
	if (connect(client, &listening.any, name_size))
		abort();
	server = accept(listener, NULL, NULL);
	if (server == INVALID_SOCKET)
		abort();
}

static void close_all(void)
{
	closesocket(client);
	closesocket(server);
	closesocket(listener);
}

static void check_names(void)
{
	union name at = local(0), peer, foreign = local(0), unset;
	int length = sizeof(at), opened;
	SOCKET s = fresh(), second = fresh();

	/* TCP here answers with the zero address; Winsock documents an error. */
	opened = getsockname(s, &unset.any, &length);
	CHECK_R(56, opened == DIFFERS(SOCKET_ERROR, 0) &&
			    (opened == 0 || WSAGetLastError() == WSAEINVAL));
	length = sizeof(at);
	CHECK_R(59, FAILS(getpeername(s, &peer.any, &length), WSAENOTCONN));
	if (family == AF_INET6)
		foreign.v6.sin6_addr.s6_addr[0] = 0x20;
	else
		foreign.v4.sin_addr.s_addr = htonl(0xcb007109);
	CHECK_R(49, FAILS(bind(s, &foreign.any, name_size), WSAEADDRNOTAVAIL));
	length = sizeof(at);
	CHECK_R(51, bind(s, &at.any, name_size) == 0 && getsockname(s, &at.any, &length) == 0 &&
			    at.v4.sin_port != 0 && length == name_size);
	CHECK_R(46, FAILS(bind(s, &at.any, name_size), WSAEINVAL));
	CHECK_R(50, FAILS(bind(second, &at.any, name_size), WSAEADDRINUSE));
	CHECK_R(71, accept(s, NULL, NULL) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK_R(202, FAILS(shutdown(s, SD_SEND), WSAENOTCONN));
	CHECK_R(144, FAILS(recv(s, (char *)&peer, 1, 0), WSAENOTCONN));
	/* TCP here calls it a broken pipe. */
	CHECK_R(122, FAILS(send(s, "x", 1, 0), DIFFERS(WSAENOTCONN, WSAESHUTDOWN)));
	closesocket(second);
	CHECK_R(188, closesocket(s) == 0 && FAILS(recv(s, (char *)&peer, 1, 0), WSAENOTSOCK));
	open_both();
	length = sizeof(peer);
	CHECK_R(60, getpeername(client, &peer.any, &length) == 0 && length == name_size &&
			    peer.v4.sin_port == listening.v4.sin_port);
	length = sizeof(at);
	CHECK_R(57, getsockname(client, &at.any, &length) == 0 && at.v4.sin_port != 0);
	length = sizeof(peer);
	CHECK_R(60,
		getpeername(server, &peer.any, &length) == 0 && peer.v4.sin_port == at.v4.sin_port);
	close_all();
}

static void check_listen(void)
{
	int value = 0, length = sizeof(value), result;
	SOCKET s = fresh(), clients[3], servers[3];
	union name mine, theirs;
	int good = 1;

	/* TCP here binds to a port of its choice. */
	result = listen(s, 1);
	CHECK_R(62, result == DIFFERS(SOCKET_ERROR, 0) &&
			    (result == 0 || WSAGetLastError() == WSAEINVAL));
	closesocket(s);
	open_listener();
	CHECK_R(249,
		getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, (char *)&value, &length) == 0 &&
			value != 0);
	CHECK_R(244, !ready(listener, 'r', none));
	set_nonblocking(listener, 1);
	CHECK_R(72, accept(listener, NULL, NULL) == INVALID_SOCKET &&
			    WSAGetLastError() == WSAEWOULDBLOCK);
	for (int i = 0; i < 3; i++) {
		clients[i] = fresh();
		good = good && connect(clients[i], &listening.any, name_size) == 0;
	}
	CHECK_R(244, good && ready(listener, 'r', long_time));
	for (int i = 0; i < 3; i++) {
		int my_length = sizeof(mine), their_length = sizeof(theirs);

		ready(listener, 'r', long_time);
		servers[i] = accept(listener, &theirs.any, &their_length);
		good = good && servers[i] != INVALID_SOCKET &&
		       getsockname(clients[i], &mine.any, &my_length) == 0 &&
		       mine.v4.sin_port == theirs.v4.sin_port && their_length == name_size;
	}
	CHECK_R(74, good);
	CHECK_R(92, accept(listener, NULL, NULL) == INVALID_SOCKET &&
			    WSAGetLastError() == WSAEWOULDBLOCK);
	/* What TCP here calls invalid, and the other way round. */
	CHECK_R(63, FAILS(listen(clients[0], 1), DIFFERS(WSAEISCONN, WSAEINVAL)));
	CHECK_R(106, FAILS(connect(listener, &listening.any, name_size),
			   DIFFERS(WSAEINVAL, WSAEISCONN)));
	CHECK_R(105, FAILS(connect(clients[0], &listening.any, name_size), WSAEISCONN));
	for (int i = 0; i < 3; i++) {
		closesocket(clients[i]);
		closesocket(servers[i]);
	}
	closesocket(listener);
}

static void check_connect(void)
{
	int value = 0, length = sizeof(value);
	union name nobody = local(1);
	SOCKET s = fresh();

	CHECK_R(115, FAILS(connect(s, &nobody.any, name_size), WSAECONNREFUSED) &&
			     FAILS(connect(s, &nobody.any, name_size), WSAECONNREFUSED));
	closesocket(s);
	s = fresh();
	set_nonblocking(s, 1);
	if (connect(s, &nobody.any, name_size) == SOCKET_ERROR &&
	    WSAGetLastError() == WSAEWOULDBLOCK) {
		/* Winsock tells a failed connect in the third set, TCP here in the second. */
		CHECK_R(120, ready(s, DIFFERS('e', 'w'), long_time));
		CHECK_R(251, getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&value, &length) == 0);
		CHECK_R(251, value == DIFFERS(WSAECONNREFUSED, ECONNREFUSED));
		CHECK_R(251, getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&value, &length) == 0 &&
				     value == 0);
	}
	closesocket(s);
	open_listener();
	client = fresh();
	set_nonblocking(client, 1);
	CHECK_R(108, connect(client, &listening.any, name_size) == 0 ||
			     WSAGetLastError() == WSAEWOULDBLOCK);
	CHECK_R(120, ready(client, 'w', long_time) && !ready(client, 'e', none));
	CHECK_R(251, getsockopt(client, SOL_SOCKET, SO_ERROR, (char *)&value, &length) == 0 &&
			     value == 0);
	server = accept(listener, NULL, NULL);
	CHECK_R(73, server != INVALID_SOCKET);
	close_all();
}

static void check_stream(void)
{
	static char out[100000], in[100000];
	u_long waiting = 0;
	int n = 0, sum = 0, got = 0;

	open_both();
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 % 251);
	set_nonblocking(server, 1);
	CHECK_R(145, FAILS(recv(server, in, 1, 0), WSAEWOULDBLOCK));
	CHECK_R(265, FAILS(recv(server, in, 1, 0), WSAEWOULDBLOCK));
	set_nonblocking(server, 0);
	CHECK_R(124, send(client, out, 10, 0) == 10 && send(client, out + 10, 20, 0) == 20);
	while (ioctlsocket(server, FIONREAD, &waiting) == 0 && waiting < 30)
		Sleep(1);
	CHECK_R(266, waiting == 30);
	CHECK_R(152, recv(server, in, sizeof(in), MSG_PEEK) == 30 && !memcmp(in, out, 30) &&
			     recv(server, in, 5, MSG_PEEK) == 5);
	CHECK_R(157, recv(server, in, 7, 0) == 7 && !memcmp(in, out, 7));
	CHECK_R(146, recv(server, in, sizeof(in), 0) == 23 && !memcmp(in, out + 7, 23));
	for (int i = 0; i < 10; i++)
		n += send(client, out + i * 1000, 1000, 0);
	CHECK_R(153, recv(server, in, 10000, MSG_WAITALL) == 10000 && !memcmp(in, out, 10000));
	CHECK_R(131, n == 10000 && !memcmp(in, out, 10000));
	/* No room: a part, then nothing; what was taken arrives. */
	set_nonblocking(client, 1);
	for (n = 0; n != SOCKET_ERROR; sum += n > 0 ? n : 0)
		n = send(client, out, sizeof(out), 0);
	CHECK_R(126, WSAGetLastError() == WSAEWOULDBLOCK && sum > 0);
	set_nonblocking(server, 1);
	while (got < sum && ready(server, 'r', long_time)) {
		n = recv(server, in, sizeof(in), 0);
		got += n > 0 ? n : 0;
	}
	CHECK_R(125, got == sum);
	CHECK_R(126, ready(client, 'w', long_time) && send(client, out, 1, 0) == 1);
	close_all();
}

static void check_ends(void)
{
	struct linger hard = { 1, 0 };
	char c;
	int result;

	open_both();
	CHECK_R(203, FAILS(shutdown(client, 9), WSAEINVAL));
	send(client, "last", 4, 0);
	CHECK_R(204, shutdown(client, SD_SEND) == 0);
	CHECK_R(123, FAILS(send(client, "x", 1, 0), WSAESHUTDOWN));
	for (int i = 0; i < 4; i++)
		recv(server, &c, 1, 0);
	CHECK_R(204, c == 't' && recv(server, &c, 1, 0) == 0);
	CHECK_R(148, recv(server, &c, 1, 0) == 0 && recv(server, &c, 1, 0) == 0 &&
			     ready(server, 'r', none));
	CHECK_R(205, send(server, "y", 1, 0) == 1 && recv(client, &c, 1, 0) == 1 && c == 'y');
	close_all();
	/* Data that was queued when the socket was closed arrives, then the end. */
	open_both();
	send(client, "queued", 6, 0);
	closesocket(client);
	for (int i = 0; i < 6; i++)
		recv(server, &c, 1, 0);
	CHECK_R(196, c == 'd' && recv(server, &c, 1, 0) == 0);
	closesocket(server);
	closesocket(listener);
	open_both();
	setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(client);
	CHECK_R(197, FAILS(recv(server, &c, 1, 0), WSAECONNRESET));
	/* Once told, TCP here calls it a broken pipe. */
	CHECK_R(142, FAILS(send(server, "x", 1, 0), DIFFERS(WSAECONNRESET, WSAESHUTDOWN)));
	closesocket(server);
	closesocket(listener);
	/* Data that nobody read before the close resets the connection. */
	open_both();
	send(client, "unread", 6, 0);
	ready(server, 'r', long_time);
	closesocket(server);
	CHECK_R(150, FAILS(recv(client, &c, 1, 0), WSAECONNRESET));
	closesocket(client);
	closesocket(listener);
	open_both();
	/* TCP here reads the end of the stream. */
	shutdown(server, SD_RECEIVE);
	result = recv(server, &c, 1, 0);
	CHECK_R(151, result == DIFFERS(SOCKET_ERROR, 0) &&
			     (result == 0 || WSAGetLastError() == WSAESHUTDOWN));
	close_all();
}

static void check_select(void)
{
	fd_set r, w;
	int result;

	/* TCP here takes it for a wait of that long. */
	result = select(0, NULL, NULL, NULL, &none);
	CHECK_R(238, result == DIFFERS(SOCKET_ERROR, 0) &&
			     (result == 0 || WSAGetLastError() == WSAEINVAL));
	open_both();
	CHECK_R(239, !ready(server, 'r', none) && ready(client, 'w', none));
	send(client, "x", 1, 0);
	CHECK_R(240, ready(server, 'r', long_time));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(client, &r);
	FD_SET(server, &r);
	FD_SET(listener, &r);
	FD_SET(client, &w);
	CHECK_R(241, select(0, &r, &w, NULL, &none) == 2 && FD_ISSET(server, &r) &&
			     !FD_ISSET(client, &r) && !FD_ISSET(listener, &r) &&
			     FD_ISSET(client, &w));
	close_all();
}

static void check_options(void)
{
	struct linger value = { 7, 7 }, on = { 1, 30 };
	int number = 0, length = sizeof(number), linger_length = sizeof(value);
	SOCKET s = fresh();

	CHECK_R(250, getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&number, &length) == 0 &&
			     number == SOCK_STREAM && length == (int)sizeof(number));
	CHECK_R(249, getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, (char *)&number, &length) == 0 &&
			     number == 0);
	CHECK_R(248, getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&number, &length) == 0 &&
			     number == 0);
	CHECK_R(248, getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &linger_length) == 0 &&
			     value.l_onoff == 0 && linger_length == (int)sizeof(value));
	CHECK_R(253,
		setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&on, sizeof(on)) == 0 &&
			getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &linger_length) == 0 &&
			value.l_onoff != 0 && value.l_linger == 30);
	number = 100000;
	/* Either may make of it what it likes, and says what. */
	CHECK_R(255, setsockopt(s, SOL_SOCKET, SO_RCVBUF, (char *)&number, sizeof(number)) == 0 &&
			     getsockopt(s, SOL_SOCKET, SO_RCVBUF, (char *)&number, &length) == 0 &&
			     number >= 50000 && number <= 400000);
	CHECK_R(245,
		FAILS(getsockopt(s, SOL_SOCKET, 0x6fff, (char *)&number, &length), WSAENOPROTOOPT));
	closesocket(s);
}

static void check_urgent(void)
{
	int on = 1, n;
	u_long mark = 0;
	char text[16];

	open_both();
	set_nonblocking(server, 1);
	/* TCP here calls it invalid to ask before there is any. */
	CHECK_R(341, FAILS(recv(server, text, 1, MSG_OOB), DIFFERS(WSAEWOULDBLOCK, WSAEINVAL)));
	send(client, "abc", 3, 0);
	CHECK_R(344, send(client, "!", 1, MSG_OOB) == 1 && send(client, "def", 3, 0) == 3 &&
			     ready(server, 'e', long_time));
	CHECK_R(341, recv(server, text, 1, MSG_OOB) == 1 && text[0] == '!');
	CHECK_R(340, ready(server, 'r', long_time) && recv(server, text, sizeof(text), 0) == 3 &&
			     !memcmp(text, "abc", 3));
	CHECK_R(340, ready(server, 'r', long_time) && recv(server, text, sizeof(text), 0) == 3 &&
			     !memcmp(text, "def", 3));
	setsockopt(server, SOL_SOCKET, SO_OOBINLINE, (char *)&on, sizeof(on));
	send(client, "abc", 3, 0);
	send(client, "!", 1, MSG_OOB);
	send(client, "def", 3, 0);
	CHECK_R(342,
		ready(server, 'r', long_time) && FAILS(recv(server, text, 1, MSG_OOB), WSAEINVAL));
	Sleep(100); /* let everything arrive, so that a wrong read could mix it */
	CHECK_R(343, recv(server, text, sizeof(text), 0) == 3 && !memcmp(text, "abc", 3));
	CHECK_R(343, ioctlsocket(server, SIOCATMARK, &mark) == 0 && mark != 0);
	n = recv(server, text, sizeof(text), 0);
	/* TCP here stops before the urgent byte only, and reads on behind it. */
	CHECK_R(343, n == (READS_ON ? 4 : 1) && text[0] == '!');
	close_all();
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
	if (argc > 1 && strcmp(argv[1], "ipv6") == 0) {
		family = AF_INET6;
		name_size = sizeof(struct sockaddr_in6);
	}
	check_names();
	check_listen();
	check_connect();
	check_stream();
	check_ends();
	check_select();
	check_options();
	check_urgent();
#ifndef ORACLE_OS
	WSACleanup();
#endif
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_stream.c - numbered requirements of mode D through the Winsock calls, both ends in one process,
 * over the backend named in WSD_BACKENDS.
 */
#include "tests/conformance/lib.h"

static void check_sockets(void)
{
	struct address at = loopback(0), other = loopback(0), bad;
	SOCKET s = stream_socket(), second = stream_socket();
	int length = sizeof(at.sa), option = 0;

	CHECK_R(44, s != INVALID_SOCKET);
	CHECK_R(29, socket(77, SOCK_STREAM, 0) == INVALID_SOCKET &&
			    WSAGetLastError() == WSAEAFNOSUPPORT);
	CHECK_R(56, FAILS(name_of(s, &at), WSAEINVAL));
	CHECK_R(59, FAILS(getpeername(s, &at.sa.any, &length), WSAENOTCONN));
	CHECK_R(62, FAILS(listen(s, 1), WSAEINVAL));
	CHECK_R(48, FAILS(bind(s, &other.sa.any, 8), WSAEFAULT));
	bad = loopback(0);
	bad.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	CHECK_R(47, FAILS(bind_to(s, &bad), WSAEFAULT));
	bad = loopback(0);
	if (conf_family() == AF_INET)
		bad.sa.v4.sin_addr.s_addr = htonl(0xc0000201);
	else
		inet_pton(AF_INET6, "2001:db8::1", &bad.sa.v6.sin6_addr);
	CHECK_R(49, FAILS(bind_to(s, &bad), WSAEADDRNOTAVAIL));
	at = loopback(0);
	CHECK_R(51, bind_to(s, &at) == 0 && name_of(s, &at) == 0 && port_of(&at) != 0);
	CHECK_R(46, FAILS(bind_to(s, &at), WSAEINVAL));
	CHECK_R(50, FAILS(bind_to(second, &at), WSAEADDRINUSE));
	length = 4;
	CHECK_R(58, FAILS(getsockname(s, &at.sa.any, &length), WSAEFAULT));
	CHECK_R(71, accept(s, NULL, NULL) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK_R(122, FAILS(send(s, "x", 1, 0), WSAENOTCONN));
	CHECK_R(144, FAILS(recv(s, (char *)&at, 1, 0), WSAENOTCONN));
	CHECK_R(202, FAILS(shutdown(s, SD_SEND), WSAENOTCONN));
	length = sizeof(option);
	CHECK_R(250, getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&option, &length) == 0 &&
			     option == SOCK_STREAM && length == (int)sizeof(option));
	CHECK_R(245,
		FAILS(getsockopt(s, SOL_SOCKET, 0x6fff, (char *)&option, &length), WSAENOPROTOOPT));
	length = 1;
	CHECK_R(246,
		FAILS(getsockopt(s, SOL_SOCKET, SO_SNDBUF, (char *)&option, &length), WSAEFAULT));
	CHECK_R(188, closesocket(s) == 0 && FAILS(closesocket(s), WSAENOTSOCK));
	CHECK_R(42, FAILS(send(s, "x", 1, 0), WSAENOTSOCK));
	closesocket(second);
}

static void check_connect(void)
{
	struct address at = loopback(1), zero = loopback(9);
	SOCKET s = stream_socket();
	struct pair p;
	int length = sizeof(at.sa);

	memset(&zero.sa, 0, sizeof(zero.sa));
	zero.sa.any.sa_family = (u_short)conf_family();
	set_port(&zero, 9);
	CHECK_R(102, FAILS(connect_to(s, &zero), WSAEADDRNOTAVAIL));
	CHECK_R(104, FAILS(connect(s, &at.sa.any, 7), WSAEFAULT));
	CHECK_R(115, FAILS(connect_to(s, &at), WSAECONNREFUSED) &&
			     FAILS(connect_to(s, &at), WSAECONNREFUSED));
	closesocket(s);
	CHECK_R(109, open_pair(&p));
	CHECK_R(60, getpeername(p.client, &at.sa.any, &length) == 0 &&
			    port_of(&at) == port_of(&p.at) && length == p.at.length);
	CHECK_R(57, name_of(p.client, &at) == 0 && port_of(&at) != 0);
	CHECK_R(105, FAILS(connect_to(p.client, &p.at), WSAEISCONN));
	CHECK_R(106, FAILS(connect_to(p.listener, &p.at), WSAEINVAL));
	CHECK_R(63, FAILS(listen(p.client, 1), WSAEISCONN));
	nonblocking(p.listener, 1);
	CHECK_R(72, accept(p.listener, NULL, NULL) == INVALID_SOCKET &&
			    WSAGetLastError() == WSAEWOULDBLOCK);
	close_pair(&p);
}

static void check_data(void)
{
	char text[64] = "", big[3000];
	struct pair p;
	u_long waiting = 0;
	WSABUF in[2] = { { 3, text }, { 10, text + 20 } };
	DWORD got = 0, flags = 0;
	int i, n;

	if (!open_pair(&p))
		return;
	CHECK_R(124, send(p.client, "hello", 5, 0) == 5);
	CHECK_R(146, recv(p.server, text, sizeof(text), 0) == 5 && !memcmp(text, "hello", 5));
	nonblocking(p.server, 1);
	CHECK_R(145, FAILS(recv(p.server, text, sizeof(text), 0), WSAEWOULDBLOCK));
	nonblocking(p.server, 0);
	send(p.client, "abcdef", 6, 0);
	CHECK_R(152, recv(p.server, text, sizeof(text), MSG_PEEK) == 6 &&
			     recv(p.server, text, 2, MSG_PEEK) == 2 && !memcmp(text, "ab", 2));
	CHECK_R(266, ioctlsocket(p.server, FIONREAD, &waiting) == 0 && waiting == 6);
	CHECK_R(147, WSARecv(p.server, in, 2, &got, &flags, NULL, NULL) == 0 && got == 6 &&
			     !memcmp(text, "abc", 3) && !memcmp(text + 20, "def", 3));
	for (i = 0; i < (int)sizeof(big); i++)
		big[i] = (char)(i * 7);
	for (n = i = 0; i < 20; i++)
		n += send(p.client, big, sizeof(big), 0) == (int)sizeof(big);
	CHECK_R(131, n == 20);
	for (n = 0; n < 20; n++) {
		char back[sizeof(big)];

		if (recv(p.server, back, sizeof(back), MSG_WAITALL) != (int)sizeof(back) ||
		    memcmp(back, big, sizeof(big)) != 0)
			break;
	}
	CHECK_R(153, n == 20);
	CHECK_R(203, FAILS(shutdown(p.client, 9), WSAEINVAL));
	CHECK_R(204, shutdown(p.client, SD_SEND) == 0 && recv(p.server, text, 1, 0) == 0);
	CHECK_R(148, recv(p.server, text, 1, 0) == 0 && recv(p.server, text, 1, 0) == 0);
	CHECK_R(123, FAILS(send(p.client, "x", 1, 0), WSAESHUTDOWN));
	CHECK_R(205, send(p.server, "back", 4, 0) == 4 && recv(p.client, text, 4, 0) == 4);
	close_pair(&p);
}

static void check_reset(void)
{
	struct linger hard = { 1, 0 };
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.client);
	CHECK_R(197, FAILS(recv(p.server, &c, 1, 0), WSAECONNRESET));
	CHECK_R(142, FAILS(send(p.server, "x", 1, 0), WSAECONNRESET));
	closesocket(p.server);
	closesocket(p.listener);
}

static void check_overlapped(void)
{
	WSAOVERLAPPED o;
	struct pair p;
	char text[16] = "";
	WSABUF buffer = { sizeof(text), text };
	DWORD flags = 0, got = 77;

	if (!open_pair(&p))
		return;
	memset(&o, 0, sizeof(o));
	o.hEvent = WSACreateEvent();
	CHECK_R(155, FAILS(WSARecv(p.server, &buffer, 1, &got, &flags, &o, NULL), WSA_IO_PENDING) &&
			     got == 77);
	CHECK_R(170, !WSAGetOverlappedResult(p.server, &o, &got, FALSE, &flags) &&
			     WSAGetLastError() == WSA_IO_INCOMPLETE);
	send(p.client, "posted", 6, 0);
	CHECK_R(167, WSAWaitForMultipleEvents(1, &o.hEvent, TRUE, 5000, FALSE) == WSA_WAIT_EVENT_0);
	CHECK_R(171, WSAGetOverlappedResult(p.server, &o, &got, FALSE, &flags) && got == 6 &&
			     !memcmp(text, "posted", 6));
	memset(&o.Internal, 0, sizeof(o.Internal));
	WSARecv(p.server, &buffer, 1, NULL, &flags, &o, NULL);
	closesocket(p.server);
	CHECK_R(189,
		WSAWaitForMultipleEvents(1, &o.hEvent, TRUE, 5000, FALSE) == WSA_WAIT_EVENT_0 &&
			o.OffsetHigh == WSA_OPERATION_ABORTED);
	WSACloseEvent(o.hEvent);
	closesocket(p.client);
	closesocket(p.listener);
}

int main(int argc, char **argv)
{
	WSADATA data;

	conf_start(argc, argv);
	WSACleanup();
	CHECK_R(1, WSAStartup(MAKEWORD(2, 2), &data) == 0 && data.wVersion == 0x0202);
	check_sockets();
	check_connect();
	check_data();
	check_reset();
	check_overlapped();
	CHECK_R(19, WSACleanup() == 0);
	CHECK_R(18, FAILS(WSACleanup(), WSANOTINITIALISED));
	return check_result();
}

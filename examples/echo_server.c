// SPDX-License-Identifier: BSD-2-Clause
/*
 * echo_server [ADDRESS:]PORT [COUNT] - accept connections one after the other and send back what each
 * sends, with blocking calls; end after COUNT connections (0 = never). Without ADDRESS inside this machine
 * only. Port 0 takes any; the port is printed. The same source is a Winsock program on Windows and on Linux.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <winsock2.h>
#elif defined(EXAMPLE_OS_TCP)
#include "os_winsock.h" /* the comparison of the demo */
#else
#include <openwsd/winsock2.h>
#endif
#include "where.h"

static int fail(const char *what)
{
	fprintf(stderr, "echo_server: %s: error %d\n", what, WSAGetLastError());
	return 1;
}

static int serve(SOCKET s)
{
	static char buffer[65536];
	int got, sent, n, on = 1;

	if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof(on)) != 0)
		return fail("TCP_NODELAY");
	while ((got = recv(s, buffer, sizeof(buffer), 0)) > 0) {
		for (sent = 0; sent < got; sent += n) {
			n = send(s, buffer + sent, got - sent, 0);
			if (n == SOCKET_ERROR)
				return fail("send");
		}
	}
	if (got == SOCKET_ERROR)
		return fail("recv");
	return closesocket(s) == 0 ? 0 : fail("closesocket");
}

int main(int argc, char **argv)
{
	struct sockaddr_in at;
	int length = sizeof(at), count, i;
	WSADATA data;
	SOCKET listener, s;

	if (argc < 2 || !read_where(&at, argv[1])) {
		fprintf(stderr, "usage: echo_server [ADDRESS:]PORT [COUNT]\n");
		return 2;
	}
	count = argc > 2 ? atoi(argv[2]) : 0;
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return fail("WSAStartup");
	listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (listener == INVALID_SOCKET)
		return fail("socket");
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(listener, SOMAXCONN) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &length) != 0)
		return fail("cannot listen");
	printf("listening on port %u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (i = 0; count == 0 || i < count; i++) {
		s = accept(listener, NULL, NULL);
		if (s == INVALID_SOCKET)
			return fail("accept");
		if (serve(s) != 0)
			return 1;
	}
	closesocket(listener);
	return WSACleanup() == 0 ? 0 : fail("WSACleanup");
}

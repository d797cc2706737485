// SPDX-License-Identifier: BSD-2-Clause
/*
 * echo_client [ADDRESS:]PORT [MESSAGES [BYTES [WINDOW]]] - send messages to echo_server and check what comes back,
 * with blocking calls; WINDOW messages are under way at a time. Prints how many a second came back.
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
	fprintf(stderr, "echo_client: %s: error %d\n", what, WSAGetLastError());
	return 1;
}

static void make_message(char *to, int number, int bytes)
{
	int j;

	for (j = 0; j < bytes; j++)
		to[j] = (char)(number + j);
}

static int send_one(SOCKET s, char *out, int number, int bytes)
{
	int done, n;

	make_message(out, number, bytes);
	for (done = 0; done < bytes; done += n) {
		n = send(s, out + done, bytes - done, 0);
		if (n == SOCKET_ERROR)
			return fail("send");
	}
	return 0;
}

static int take_one(SOCKET s, char *out, char *in, int number, int bytes)
{
	int done, n;

	for (done = 0; done < bytes; done += n) {
		n = recv(s, in + done, bytes - done, 0);
		if (n == SOCKET_ERROR)
			return fail("recv");
		if (n == 0) {
			fprintf(stderr, "echo_client: the server closed the connection\n");
			return 1;
		}
	}
	make_message(out, number, bytes);
	if (memcmp(out, in, (size_t)bytes) != 0) {
		fprintf(stderr, "echo_client: the answer differs\n");
		return 1;
	}
	return 0;
}

static int run(SOCKET s, int messages, int bytes, int window)
{
	char *out = malloc((size_t)bytes), *in = malloc((size_t)bytes);
	LARGE_INTEGER start, end, second;
	int sent = 0, taken = 0, result = 0;

	if (!out || !in)
		return fail("out of memory");
	QueryPerformanceFrequency(&second);
	QueryPerformanceCounter(&start);
	while (taken < messages && result == 0) {
		while (sent < messages && sent - taken < window && result == 0)
			result = send_one(s, out, sent++, bytes);
		if (result == 0)
			result = take_one(s, out, in, taken++, bytes);
	}
	QueryPerformanceCounter(&end);
	if (result == 0)
		printf("%d messages of %d bytes came back, %.0f a second\n", messages, bytes,
		       messages * (double)second.QuadPart /
			       (double)(end.QuadPart - start.QuadPart + 1));
	free(out);
	free(in);
	return result;
}

int main(int argc, char **argv)
{
	int messages = argc > 2 ? atoi(argv[2]) : 10000, bytes = argc > 3 ? atoi(argv[3]) : 64;
	int window = argc > 4 ? atoi(argv[4]) : 1, on = 1;
	struct sockaddr_in to;
	WSADATA data;
	SOCKET s;

	if (argc < 2 || !read_where(&to, argv[1]) || messages < 1 || bytes < 1 || bytes > 1 << 16 ||
	    window < 1 || window > 1 << 10 || bytes * window > 1 << 16) {
		fprintf(stderr, "usage: echo_client [ADDRESS:]PORT [MESSAGES [BYTES [WINDOW]]]; "
				"BYTES times WINDOW is at most 65536\n");
		return 2;
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return fail("WSAStartup");
	s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (s == INVALID_SOCKET)
		return fail("socket");
	if (connect(s, (struct sockaddr *)&to, sizeof(to)) != 0)
		return fail("cannot connect");
	if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char *)&on, sizeof(on)) != 0)
		return fail("TCP_NODELAY");
	if (run(s, messages, bytes, window) != 0)
		return 1;
	if (closesocket(s) != 0)
		return fail("closesocket");
	return WSACleanup() == 0 ? 0 : fail("WSACleanup");
}

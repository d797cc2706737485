// SPDX-License-Identifier: BSD-2-Clause
/* bench_openwsd.c - blocking calls of Winsock, as any program makes them. */
#include <stdlib.h>
#include <string.h>

#include "provider/include/openwsd/openwsd.h"
#include "provider/include/openwsd/ws2tcpip.h"
#include "tests/rxe/bench.h"

struct bench_link {
	SOCKET s;
};

static SOCKET listener;

static void need(bool ok, const char *what)
{
	if (!ok)
		bench_fail("openwsd: %s: %s", what, wsd_strerror(WSAGetLastError()));
}

static struct sockaddr_in address(uint16_t port)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons(port);
	need(inet_pton(AF_INET, bench_server, &at.sin_addr) == 1, "address");
	return at;
}

static void our_start(void)
{
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		bench_fail("openwsd: WSAStartup");
}

static uint16_t our_listen(void)
{
	struct sockaddr_in at = address(0);
	int length = sizeof(at);

	listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	need(listener != INVALID_SOCKET, "socket");
	need(bind(listener, (struct sockaddr *)&at, length) == 0, "bind");
	need(listen(listener, 64) == 0, "listen");
	need(getsockname(listener, (struct sockaddr *)&at, &length) == 0, "getsockname");
	return ntohs(at.sin_port);
}

static struct bench_link *made(SOCKET s, const char *how)
{
	struct bench_link *link = malloc(sizeof(*link));

	need(s != INVALID_SOCKET && link, how);
	link->s = s;
	return link;
}

static struct bench_link *our_accept(void)
{
	return made(accept(listener, NULL, NULL), "accept");
}

static struct bench_link *our_connect(uint16_t port)
{
	struct sockaddr_in at = address(port);
	SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	char path[32];
	int length = sizeof(path);

	need(s != INVALID_SOCKET && connect(s, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	need(getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, path, &length) == 0, "path");
	if (strncmp(path, "verbs", 5) != 0)
		bench_fail("openwsd: the path is %s", path);
	return made(s, "socket");
}

static void our_close(struct bench_link *link)
{
	need(closesocket(link->s) == 0, "closesocket");
	free(link);
}

static void our_send(struct bench_link *link, uint32_t size)
{
	need(send(link->s, bench_out, (int)size, 0) == (int)size, "send");
}

static void our_recv(struct bench_link *link, uint32_t size)
{
	int n = recv(link->s, bench_in, (int)size, MSG_WAITALL);

	need(n >= 0, "recv");
	if (n != (int)size)
		bench_fail("openwsd: %d bytes came, not %u", n, size);
}

const struct bench_way bench_openwsd = {
	.name = "OpenWSD",
	.start = our_start,
	.listen = our_listen,
	.accept = our_accept,
	.connect = our_connect,
	.close = our_close,
	.send = our_send,
	.recv = our_recv,
	.window = BENCH_NO_LIMIT,
};

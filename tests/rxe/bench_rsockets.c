// SPDX-License-Identifier: BSD-2-Clause
/* bench_rsockets.c - librdmacm's own sockets, as the system's package has them. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rdma/rsocket.h>

#include "tests/rxe/bench.h"

struct bench_link {
	int s;
};

static int listener;

static void need(bool ok, const char *what)
{
	if (!ok)
		bench_fail("rsockets: %s: %s", what, strerror(errno));
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

static void rs_start(void)
{
}

static uint16_t rs_listen(void)
{
	struct sockaddr_in at = address(0);
	socklen_t length = sizeof(at);

	listener = rsocket(AF_INET, SOCK_STREAM, 0);
	need(listener >= 0, "rsocket");
	need(rbind(listener, (struct sockaddr *)&at, length) == 0, "rbind");
	need(rlisten(listener, 64) == 0, "rlisten");
	need(rgetsockname(listener, (struct sockaddr *)&at, &length) == 0, "rgetsockname");
	return ntohs(at.sin_port);
}

static struct bench_link *made(int s, const char *how)
{
	struct bench_link *link = malloc(sizeof(*link));

	need(s >= 0 && link, how);
	link->s = s;
	return link;
}

static struct bench_link *rs_accept(void)
{
	return made(raccept(listener, NULL, NULL), "raccept");
}

static struct bench_link *rs_connect(uint16_t port)
{
	struct sockaddr_in at = address(port);
	int s = rsocket(AF_INET, SOCK_STREAM, 0);

	need(s >= 0 && rconnect(s, (struct sockaddr *)&at, sizeof(at)) == 0, "rconnect");
	return made(s, "rsocket");
}

static void rs_close(struct bench_link *link)
{
	rshutdown(link->s, SHUT_RDWR);
	rclose(link->s);
	free(link);
}

static void rs_send(struct bench_link *link, uint32_t size)
{
	uint32_t done = 0;

	while (done < size) {
		ssize_t n = rsend(link->s, bench_out + done, size - done, 0);

		need(n > 0, "rsend");
		done += (uint32_t)n;
	}
}

static void rs_recv(struct bench_link *link, uint32_t size)
{
	uint32_t done = 0;

	while (done < size) {
		ssize_t n = rrecv(link->s, bench_in + done, size - done, MSG_WAITALL);

		need(n > 0, "rrecv");
		done += (uint32_t)n;
	}
}

const struct bench_way bench_rsockets = {
	.name = "rsockets",
	.start = rs_start,
	.listen = rs_listen,
	.accept = rs_accept,
	.connect = rs_connect,
	.close = rs_close,
	.send = rs_send,
	.recv = rs_recv,
	.window = BENCH_NO_LIMIT,
};

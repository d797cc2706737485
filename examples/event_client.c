// SPDX-License-Identifier: BSD-2-Clause
/*
 * event_client [ADDRESS:]PORT [CONNECTIONS [BYTES]] - hold many connections to an echo server in one thread, with
 * network events. Every connection is opened first; then each sends BYTES, shuts down, and checks what
 * comes back by its checksum. A wait takes 64 events at most, so connections share them: an event that
 * is signalled names a group, WSAEnumNetworkEvents what happened to each member. One source for
 * Windows and Linux.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the state is part of a structure */
#include <xxhash.h>

#ifdef _WIN32
#include <winsock2.h>
#else
#include <openwsd/winsock2.h>
#endif
#include "where.h"

#define GROUPS	   WSA_MAXIMUM_WAIT_EVENTS
#define CONNECTING 128u /* at a time: less than a server's backlog */
#define PATTERN	   65536u
#define PATIENCE   60000 /* ms without any event */

struct connection {
	SOCKET s;
	unsigned long long sent, received;
	XXH64_state_t sent_sum, received_sum;
	BOOL open, finished;
};

static struct {
	struct sockaddr_in to;
	WSAEVENT events[GROUPS];
	struct connection *connections;
	unsigned count, groups, started, open, finished;
	unsigned long long bytes;
	BOOL traffic; /* all are open */
} client;

static char pattern[PATTERN];

static int fail(const char *what, int error)
{
	fprintf(stderr, "event_client: %s: error %d\n", what, error);
	return 1;
}

static int start(struct connection *c, unsigned index)
{
	int error;

	XXH64_reset(&c->sent_sum, 0);
	XXH64_reset(&c->received_sum, 0);
	c->s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (c->s == INVALID_SOCKET)
		return fail("socket", WSAGetLastError());
	if (WSAEventSelect(c->s, client.events[index % client.groups],
			   FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE) != 0)
		return fail("WSAEventSelect", WSAGetLastError());
	if (connect(c->s, (struct sockaddr *)&client.to, sizeof(client.to)) == 0)
		return 0;
	error = WSAGetLastError();
	return error == WSAEWOULDBLOCK ? 0 : fail("connect", error);
}

static int start_more(void)
{
	while (client.started < client.count && client.started - client.open < CONNECTING) {
		if (start(&client.connections[client.started], client.started) != 0)
			return 1;
		client.started++;
	}
	return 0;
}

/* As much as goes; FD_WRITE comes when there is room again. */
static int send_some(struct connection *c)
{
	while (c->sent < client.bytes) {
		/* Each connection has bytes of its own: it begins elsewhere in the pattern. */
		size_t at = ((size_t)(c - client.connections) * 97 + c->sent) % PATTERN;
		size_t most = PATTERN - at;
		int n;

		if (most > client.bytes - c->sent)
			most = (size_t)(client.bytes - c->sent);
		n = send(c->s, pattern + at, (int)most, 0);
		if (n == SOCKET_ERROR) {
			int error = WSAGetLastError();

			return error == WSAEWOULDBLOCK ? 0 : fail("send", error);
		}
		XXH64_update(&c->sent_sum, pattern + at, (size_t)n);
		c->sent += (unsigned)n;
	}
	return shutdown(c->s, SD_SEND) == 0 ? 0 : fail("shutdown", WSAGetLastError());
}

static int finish(struct connection *c)
{
	if (c->received != client.bytes ||
	    XXH64_digest(&c->sent_sum) != XXH64_digest(&c->received_sum)) {
		fprintf(stderr, "event_client: %llu of %llu bytes came back, checksums %s\n",
			c->received, client.bytes,
			c->received == client.bytes ? "differ" : "not compared");
		return 1;
	}
	c->finished = TRUE;
	client.finished++;
	return closesocket(c->s) == 0 ? 0 : fail("closesocket", WSAGetLastError());
}

static int receive_some(struct connection *c)
{
	static char buffer[65536];
	int n, error;

	while ((n = recv(c->s, buffer, sizeof(buffer), 0)) > 0) {
		XXH64_update(&c->received_sum, buffer, (size_t)n);
		c->received += (unsigned)n;
	}
	if (n == 0)
		return finish(c);
	error = WSAGetLastError();
	return error == WSAEWOULDBLOCK ? 0 : fail("recv", error);
}

static int handle(struct connection *c)
{
	WSANETWORKEVENTS happened;

	if (WSAEnumNetworkEvents(c->s, NULL, &happened) != 0)
		return fail("WSAEnumNetworkEvents", WSAGetLastError());
	if (happened.lNetworkEvents & FD_CONNECT) {
		if (happened.iErrorCode[FD_CONNECT_BIT] != 0)
			return fail("cannot connect", happened.iErrorCode[FD_CONNECT_BIT]);
		c->open = TRUE;
		client.open++;
	}
	if ((happened.lNetworkEvents & FD_WRITE) && client.traffic && send_some(c) != 0)
		return 1;
	if (happened.lNetworkEvents & (FD_READ | FD_CLOSE))
		return receive_some(c);
	return 0;
}

/* Everything is open: the FD_WRITE of the beginning has been used up, so begin here. */
static int begin_traffic(void)
{
	unsigned i;

	client.traffic = TRUE;
	printf("%u connections are open\n", client.open);
	for (i = 0; i < client.count; i++)
		if (send_some(&client.connections[i]) != 0)
			return 1;
	return 0;
}

static int loop(void)
{
	DWORD group;
	unsigned i;

	while (client.finished < client.count) {
		if (start_more() != 0)
			return 1;
		group = WSAWaitForMultipleEvents(client.groups, client.events, FALSE, PATIENCE,
						 FALSE);
		if (group == WSA_WAIT_TIMEOUT)
			return fail("nothing happens any more", WSAETIMEDOUT);
		if (group >= WSA_WAIT_EVENT_0 + client.groups)
			return fail("WSAWaitForMultipleEvents", WSAGetLastError());
		group -= WSA_WAIT_EVENT_0;
		WSAResetEvent(
			client.events[group]); /* before looking: what comes later sets it again */
		for (i = group; i < client.started; i += client.groups)
			if (!client.connections[i].finished && handle(&client.connections[i]) != 0)
				return 1;
		if (!client.traffic && client.open == client.count && begin_traffic() != 0)
			return 1;
	}
	return 0;
}

static int prepare(void)
{
	unsigned i;

	client.groups = client.count < GROUPS ? client.count : GROUPS;
	client.connections = calloc(client.count, sizeof(*client.connections));
	if (!client.connections)
		return fail("out of memory", WSAENOBUFS);
	for (i = 0; i < client.groups; i++) {
		client.events[i] = WSACreateEvent();
		if (client.events[i] == WSA_INVALID_EVENT)
			return fail("WSACreateEvent", WSAGetLastError());
	}
	for (i = 0; i < PATTERN; i++)
		pattern[i] = (char)(i * 2654435761u >> 13);
	return 0;
}

int main(int argc, char **argv)
{
	ULONGLONG begin;
	WSADATA data;
	double seconds;

	client.count = argc > 2 ? (unsigned)atoi(argv[2]) : 100;
	client.bytes = argc > 3 ? strtoull(argv[3], NULL, 10) : 1 << 20;
	if (argc < 2 || !read_where(&client.to, argv[1]) || client.count < 1 || client.bytes < 1) {
		fprintf(stderr, "usage: event_client [ADDRESS:]PORT [CONNECTIONS [BYTES]]\n");
		return 2;
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return fail("WSAStartup", WSASYSNOTREADY);
	begin = GetTickCount64();
	if (prepare() != 0 || loop() != 0)
		return 1;
	seconds = (double)(GetTickCount64() - begin + 1) / 1000;
	printf("%u connections echoed %llu bytes each, %.0f MiB/s each way\n", client.count,
	       client.bytes, (double)client.count * (double)client.bytes / (1024 * 1024) / seconds);
	while (client.groups > 0)
		WSACloseEvent(client.events[--client.groups]);
	free(client.connections);
	return WSACleanup() == 0 ? 0 : fail("WSACleanup", WSAGetLastError());
}

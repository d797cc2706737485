// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm.c - operation budgets of the data path over shm: what one message may cost in system
 * calls, allocations and copies. Counts, not times: they are the same on every machine.
 *
 * Both ends live in one thread, so nobody ever sleeps. A child runs the scenario; the parent counts
 * its system calls.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openwsd/winsock2.h>

#include "tests/budget/budget.h"
#include "tests/budget/copies.h"
#include "tests/budget/trace.h"

#define SMALL	 COPIES_SMALL
#define LARGE	 65536u
#define WARM_UP	 20000u
#define ROUNDS	 2000u
#define WRAPS	 16u
#define DEADLINE 60u /* s */

/* --- the scenario, in the child --- */

static char out[LARGE], in[LARGE];

static void move(SOCKET from, SOCKET to, int length)
{
	int got = 0, n;

	budget_need(send(from, out, length, 0) == length, "send");
	for (; got < length; got += n) {
		n = recv(to, in + got, length - got, 0);
		budget_need(n > 0, "recv");
	}
}

static void ping_pong(SOCKET a, SOCKET b, unsigned rounds, int length)
{
	for (unsigned i = 0; i < rounds; i++) {
		memset(out, (int)i, (size_t)length);
		move(a, b, length);
		move(b, a, length);
		budget_need(in[0] == out[0] && in[length - 1] == out[length - 1], "compare");
	}
}

static int scenario(void)
{
	SOCKET listener, client, server;
	WSADATA data;
	int ok = 1;

	alarm(DEADLINE);
	budget_need(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup");
	listener = budget_listen();
	budget_connect(listener, &client, &server);
	closesocket(listener);
	ping_pong(client, server, WARM_UP, SMALL);
	memset(&copies, 0, sizeof(copies));
	trace_marker();
	ping_pong(client, server, ROUNDS, SMALL);
	trace_marker();
	/* Two messages a round, one copy on each side of each; at a ring's end in two pieces. */
	ok &= budget_within("copies of small messages", copies.small, 4 * ROUNDS - WRAPS,
			    4 * ROUNDS);
	ok &= budget_within("allocations of small messages", copies.allocations, 0, 0);
	ping_pong(client, server, ROUNDS / 10, LARGE); /* the rings have grown */
	memset(&copies, 0, sizeof(copies));
	ping_pong(client, server, ROUNDS / 10, LARGE);
	ok &= budget_within("bytes copied for large messages", copies.large_bytes,
			    2ul * 2 * LARGE * (ROUNDS / 10), 2ul * 2 * LARGE * (ROUNDS / 10));
	ok &= budget_within("allocations of large messages", copies.allocations, 0, 0);
	fflush(stdout);
	closesocket(client);
	closesocket(server);
	WSACleanup();
	return !ok;
}

int main(void)
{
	unsigned long calls = 0;
	int result = trace_run(scenario, &calls, 1);

	if (result != 0) {
		fprintf(stderr, "the scenario ended with %d\n", result);
		return 1;
	}
	/* None belongs to a message: now and then the sockets between the processes are looked at. */
	return !budget_within("system calls of small messages", calls, 0, 2 * ROUNDS / 200);
}

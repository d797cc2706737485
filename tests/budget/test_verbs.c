// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_verbs.c - operation budgets over an adapter: doorbells, work requests and copies of payload. Both
 * ends live in one thread that polls, so nobody ever sleeps.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openwsd/winsock2.h>

#include "rdma_backend/base/base.h"
#include "tests/budget/budget.h"

#define SMALL	    64
#define LARGE	    (1u << 20)
#define LARGE_LEAST 1024u /* what counts as a copy of payload */
#define WARM_UP	    400u
#define ROUNDS	    500u
#define TRANSFERS   10u
#define DEADLINE    60u /* s */

void *__real_memcpy(void *to, const void *from, size_t length);
void *__wrap_memcpy(void *to, const void *from, size_t length);
void *__real_memmove(void *to, const void *from, size_t length);
void *__wrap_memmove(void *to, const void *from, size_t length);

static unsigned long large_bytes;

void *__wrap_memcpy(void *to, const void *from, size_t length)
{
	large_bytes += length >= LARGE_LEAST ? length : 0;
	return __real_memcpy(to, from, length);
}

void *__wrap_memmove(void *to, const void *from, size_t length)
{
	large_bytes += length >= LARGE_LEAST ? length : 0;
	return __real_memmove(to, from, length);
}

static uint64_t counter(const char *name)
{
	return *(volatile uint64_t *)wsd_counter("verbs", name, "");
}

static char out[LARGE], in[LARGE];

static void move(SOCKET from, SOCKET to, int length)
{
	int got = 0, n;

	budget_need(send(from, out, length, 0) == length, "send");
	while (got < length) {
		n = recv(to, in + got, length - got, 0);
		budget_need(n > 0 || (n < 0 && WSAGetLastError() == WSAEWOULDBLOCK), "recv");
		got += n > 0 ? n : 0;
	}
}

static void ping_pong(SOCKET a, SOCKET b, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		memset(out, (int)i, SMALL);
		move(a, b, SMALL);
		move(b, a, SMALL);
		budget_need(memcmp(in, out, SMALL) == 0, "compare");
	}
}

/* The receive is posted before the send. */
static void transfer(SOCKET from, SOCKET to)
{
	WSABUF source = { LARGE, out }, target = { LARGE, in };
	WSAOVERLAPPED sent, received;
	DWORD n = 0, flags = MSG_WAITALL;

	memset(&sent, 0, sizeof(sent));
	memset(&received, 0, sizeof(received));
	sent.hEvent = WSACreateEvent();
	received.hEvent = WSACreateEvent();
	budget_need(WSARecv(to, &target, 1, NULL, &flags, &received, NULL) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING,
		    "WSARecv");
	budget_need(WSASend(from, &source, 1, NULL, 0, &sent, NULL) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING,
		    "WSASend");
	budget_need(WSAGetOverlappedResult(to, &received, &n, TRUE, &flags) && n == LARGE,
		    "result of WSARecv");
	budget_need(WSAGetOverlappedResult(from, &sent, &n, TRUE, &flags) && n == LARGE,
		    "result of WSASend");
	WSACloseEvent(sent.hEvent);
	WSACloseEvent(received.hEvent);
}

static int small_messages(SOCKET a, SOCKET b)
{
	uint64_t posts, works, arms;
	u_long on = 1;
	int ok;

	ioctlsocket(a, FIONBIO, &on);
	ioctlsocket(b, FIONBIO, &on);
	ping_pong(a, b, WARM_UP);
	posts = counter("posts");
	works = counter("works");
	arms = counter("arms");
	ping_pong(a, b, ROUNDS);
	ok = budget_within("doorbells of a message of 64 bytes, times 1000",
			   (counter("posts") - posts) * 1000 / (2 * ROUNDS), 1000, 1000);
	ok &= budget_within("work requests of it, times 1000",
			    (counter("works") - works) * 1000 / (2 * ROUNDS), 1000, 1000);
	ok &= budget_within("requests for a notification in all", counter("arms") - arms, 0, 0);
	on = 0;
	ioctlsocket(a, FIONBIO, &on);
	ioctlsocket(b, FIONBIO, &on);
	return ok;
}

static int large_transfers(SOCKET a, SOCKET b)
{
	uint64_t works;
	int ok = 1;

	for (unsigned i = 0; i < TRANSFERS; i++)
		transfer(a, b); /* rings and registrations are there now */
	works = counter("works");
	large_bytes = 0;
	for (unsigned i = 0; i < TRANSFERS; i++) {
		memset(in, 0, LARGE);
		memset(out, (int)i + 1, LARGE);
		transfer(a, b);
		ok &= in[0] == out[0] && in[LARGE - 1] == out[LARGE - 1];
	}
	ok &= budget_within("work requests of a transfer of 1 MiB into a posted receive, times 10",
			    counter("works") - works, 3 * TRANSFERS, 4 * TRANSFERS);
	ok &= budget_within("bytes of it copied", large_bytes, 0, 0);
	return ok;
}

int main(void)
{
	SOCKET listener, client, server;
	WSADATA data;
	int ok;

	alarm(DEADLINE);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 2;
	listener = budget_listen();
	budget_connect(listener, &client, &server);
	ok = small_messages(client, server);
	ok &= large_transfers(client, server);
	closesocket(client);
	closesocket(server);
	closesocket(listener);
	WSACleanup();
	return ok ? 0 : 1;
}

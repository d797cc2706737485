// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san.c - operation budgets of mode S, over the backend that the argument names: what a message, an RDMA
 * transfer and a look at a pending operation may cost in system calls, work requests, doorbells, allocations and
 * copies. Both ends live in one thread that polls. Counts, not times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "tests/budget/budget.h"
#include "tests/budget/copies.h"
#include "tests/budget/trace.h"
#include "tests/lib/san_pair.h"

#define SMALL	 COPIES_SMALL
#define LARGE	 65536u
#define POOL	 16u
#define WARM_UP	 200u
#define ROUNDS	 500u
#define POLLS	 10000u
#define DEADLINE 80u /* s */

/* What the backend may need of its own for one operation. */
static const struct allowed {
	const char *backend;
	bool counters;			  /* it counts work requests and doorbells */
	unsigned small_copies;		  /* of a message: out of the source, into the receive */
	unsigned write_bytes, read_bytes; /* copied, in lengths of the transfer */
	unsigned message_calls;		  /* system calls of a message, times 10 */
	unsigned poll_calls;		  /* of POLLS looks at a pending receive */
} all_allowed[] = {
	{ "shm", false, 2, 2, 2, 1, POLLS / 50 },
	{ "tcp", false, 1, 1, 1, 60, POLLS + POLLS / 50 },
	{ "verbs", true, 0, 0, 0, 12, POLLS / 2 },
	{ 0 },
};
static const struct allowed *allowed;

static char out[LARGE], in[LARGE], lent[LARGE]; /* in holds the pools */
static char descriptor[SP_DESCRIPTOR];
static HANDLE handle;
static struct sp_pair pair;

static uint64_t counter(const char *name)
{
	return allowed->counters ? *(volatile uint64_t *)wsd_counter(allowed->backend, name, "")
				 : 0;
}

static void ended(SOCKET s, WSAOVERLAPPED *o, DWORD expected)
{
	DWORD bytes = 0;
	int error = sp_result(s, o, &bytes);

	sp_error = error;
	budget_need(error == 0 && bytes == expected, "an operation");
}

/* A pool of posted receives, as a switch has it. */
struct pool {
	SOCKET s;
	char *at;
	WSAOVERLAPPED receives[POOL];
	unsigned next;
};
static struct pool pools[2];

static void post(struct pool *p, unsigned i)
{
	sp_begin(&p->receives[i], true);
	budget_need(sp_recv(p->s, p->at + i * SMALL, SMALL, &p->receives[i]) == 0, "WSPRecv");
}

static void message(SOCKET from, struct pool *to, unsigned round)
{
	const char *got = to->at + to->next * SMALL;
	WSAOVERLAPPED sent;

	memset(out, (int)round, SMALL);
	sp_begin(&sent, true);
	budget_need(sp_send(from, out, SMALL, &sent) == 0, "WSPSend");
	ended(to->s, &to->receives[to->next], SMALL);
	ended(from, &sent, SMALL);
	budget_need(got[0] == (char)round && got[SMALL - 1] == (char)round, "compare");
	post(to, to->next);
	to->next = (to->next + 1) % POOL;
}

static void fill_pool(struct pool *p, SOCKET s, char *at)
{
	p->s = s;
	p->at = at;
	for (unsigned i = 0; i < POOL; i++)
		post(p, i);
}

static void messages(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		message(pair.client, &pools[1], i);
		message(pair.server, &pools[0], i + 1);
	}
}

static void transfers(bool write, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		WSAOVERLAPPED done;

		sp_begin(&done, true);
		budget_need((write ? sp_write : sp_read)(pair.client, out, LARGE, handle,
							 descriptor, &done) == 0,
			    "RDMA");
		/* On software backends the target's engine has its part. */
		while (done.Internal == WSS_OPERATION_IN_PROGRESS) {
			DWORD bytes, flags;

			(void)sp_spi.lpWSPGetOverlappedResult(pair.client, &done, &bytes, FALSE,
							      &flags, &sp_error);
		}
		ended(pair.client, &done, LARGE);
	}
}

static int small_messages(void)
{
	uint64_t posts, works;
	int ok;

	messages(WARM_UP);
	memset(&copies, 0, sizeof(copies));
	posts = counter("posts");
	works = counter("works");
	trace_marker();
	messages(ROUNDS);
	trace_marker();
	ok = budget_within("copies of a message, times 1000", copies.small * 1000 / (2 * ROUNDS), 0,
			   allowed->small_copies * 1000);
	ok &= budget_within("allocations of messages", copies.allocations, 0, 0);
	if (allowed->counters) {
		ok &= budget_within("doorbells of a message, times 1000",
				    (counter("posts") - posts) * 1000 / (2 * ROUNDS), 1000, 1000);
		ok &= budget_within("work requests of it, times 1000",
				    (counter("works") - works) * 1000 / (2 * ROUNDS), 1000, 1000);
	}
	return ok;
}

static int large_transfers(bool write)
{
	unsigned lengths = write ? allowed->write_bytes : allowed->read_bytes;
	uint64_t works;
	int ok;

	transfers(write, 10);
	memset(&copies, 0, sizeof(copies));
	works = counter("works");
	transfers(write, 50);
	ok = budget_within(write ? "bytes copied for a WRITE" : "bytes copied for a READ",
			   copies.large_bytes / 50, 0, (unsigned long)lengths * LARGE);
	ok &= budget_within("allocations of RDMA", copies.allocations, 0, 0);
	if (allowed->counters)
		ok &= budget_within("work requests of a transfer, times 50",
				    counter("works") - works, 50, 50);
	return ok;
}

/* Looking at what is pending: a switch does nothing else while it waits. */
static void polls(void)
{
	WSAOVERLAPPED *pending = &pools[1].receives[pools[1].next];
	DWORD bytes, flags;

	trace_marker();
	for (unsigned i = 0; i < POLLS; i++)
		(void)sp_spi.lpWSPGetOverlappedResult(pair.server, pending, &bytes, FALSE, &flags,
						      &sp_error);
	trace_marker();
}

static int scenario(void)
{
	int ok;

	alarm(DEADLINE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	budget_need(sp_start(AF_INET) == 0, "WSPStartupEx");
	budget_need(sp_open(&pair) == 0, "connection");
	handle = sp_ext.register_memory(pair.client, out, LARGE, MEM_READWRITE, &sp_error);
	budget_need(handle != NULL, "WSPRegisterMemory");
	budget_need(sp_ext.register_memory(pair.client, in, LARGE, MEM_WRITE, &sp_error) != NULL &&
			    sp_ext.register_memory(pair.server, out, LARGE, MEM_READ, &sp_error) &&
			    sp_ext.register_memory(pair.server, in, LARGE, MEM_WRITE, &sp_error),
		    "WSPRegisterMemory");
	budget_need(sp_expose(pair.server, lent, LARGE, MEM_READWRITE, descriptor) == 0,
		    "WSPRegisterRdmaMemory");
	fill_pool(&pools[0], pair.client, in);
	fill_pool(&pools[1], pair.server, in + POOL * SMALL);
	ok = small_messages();
	ok &= large_transfers(true);
	ok &= large_transfers(false);
	polls();
	fflush(stdout);
	sp_close(&pair);
	sp_stop();
	return !ok;
}

int main(int argc, char **argv)
{
	unsigned long calls[2] = { 0, 0 };
	int result, ok;

	for (allowed = all_allowed; argc == 2 && allowed->backend != NULL; allowed++)
		if (strcmp(allowed->backend, argv[1]) == 0)
			break;
	if (argc != 2 || allowed->backend == NULL) {
		fprintf(stderr, "usage: %s BACKEND\n", argv[0]);
		return 2;
	}
	result = trace_run(scenario, calls, 2);
	if (result != 0) {
		fprintf(stderr, "the scenario ended with %d\n", result);
		return 1;
	}
	ok = budget_within("system calls of ten messages", calls[0] * 10 / (2 * ROUNDS), 0,
			   allowed->message_calls);
	ok &= budget_within("system calls of looks at a pending receive", calls[1], 0,
			    allowed->poll_calls);
	return !ok;
}

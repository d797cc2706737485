// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_race.c - mode S: eight threads use both ends of a connection, posting, polling, moving memory, while two of
 * them close the ends. Whatever was accepted completes once: by one upcall, or by none where the low bit of hEvent
 * says so; the handle is closed last.
 */
#include "tests/lib/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/san_pair.h"

/* An end is closed within LATEST tries: those that the other end alone makes. */
#define LATEST	 (2 * EACH)
#define ROUNDS	 60u
#define WORKERS	 6u /* and one that closes each end */
#define EACH	 300u
#define SIZE	 256u
#define MESSAGES 65536u
#define RDMA	 32768u /* from here on: what a device writes lies apart from what is read by others */

struct operation {
	WSAOVERLAPPED o; /* first */
	atomic_uint upcalls;
	bool poll, accepted;
};

enum job { RECEIVE_POLLED, RECEIVE, SEND_POLLED, SEND, WRITE, READ };

static struct sp_pair pair;
static char client_memory[MESSAGES], server_memory[MESSAGES];
static char descriptor[SP_DESCRIPTOR];
static HANDLE handle;
static struct operation operations[WORKERS][EACH];
static pthread_barrier_t start_line;
static atomic_uint tries; /* of all workers in this round */

static void completed(LPWSAOVERLAPPED overlapped)
{
	((struct operation *)overlapped)->upcalls++;
}

static int post(enum job job, struct operation *op, unsigned i)
{
	char *at = client_memory + i % 100 * SIZE;

	switch (job) {
	case RECEIVE_POLLED:
	case RECEIVE:
		return sp_recv(pair.server, server_memory + i % 100 * SIZE, SIZE, &op->o);
	case SEND_POLLED:
	case SEND:
		return sp_send(pair.client, at, SIZE, &op->o);
	case WRITE:
		return sp_write(pair.client, at, SIZE, handle, descriptor, &op->o);
	case READ:
		break;
	}
	return sp_read(pair.client, at + RDMA, SIZE, handle, descriptor, &op->o);
}

/* Posts until the socket is gone, and looks at each of its operations meanwhile. */
static void *work(void *arg)
{
	enum job job = (enum job)(uintptr_t)arg;
	struct operation *mine = operations[job];
	SOCKET s = job <= RECEIVE ? pair.server : pair.client;
	DWORD bytes, flags;
	int error = 0;

	pthread_barrier_wait(&start_line);
	for (unsigned i = 0; i < EACH && error != WSAENOTSOCK; i++) {
		struct operation *op = &mine[i];

		op->poll = job == RECEIVE_POLLED || job == SEND_POLLED || i % 2 == 0;
		sp_begin(&op->o, op->poll);
		error = post(job, op, i);
		tries++;
		op->accepted = error == 0;
		if (i >= 4)
			(void)sp_spi.lpWSPGetOverlappedResult(s, &mine[i - 4].o, &bytes, FALSE,
							      &flags, &sp_error);
	}
	return NULL;
}

static void *close_end(void *arg)
{
	SOCKET *s = arg;
	unsigned when = (unsigned)rand() % LATEST;

	while (tries < when)
		sched_yield();
	assert_int_equal(sp_spi.lpWSPCloseSocket(*s, &sp_error), 0);
	*s = INVALID_SOCKET;
	return NULL;
}

static void check(unsigned *accepted)
{
	for (unsigned j = 0; j < WORKERS; j++) {
		for (unsigned i = 0; i < EACH; i++) {
			struct operation *op = &operations[j][i];

			if (!op->accepted) {
				assert_int_equal(op->upcalls, 0);
				continue;
			}
			++*accepted;
			assert_int_equal(op->upcalls, op->poll ? 0 : 1);
			assert_int_not_equal(op->o.Internal, WSS_OPERATION_IN_PROGRESS);
		}
	}
}

static void test_close_under_traffic(void **state)
{
	unsigned accepted = 0;

	(void)state;
	sp_completed = completed;
	assert_int_equal(pthread_barrier_init(&start_line, NULL, WORKERS), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		SOCKET ends[2];
		pthread_t threads[WORKERS + 2];

		assert_int_equal(sp_open(&pair), 0);
		handle = sp_ext.register_memory(pair.client, client_memory, MESSAGES, MEM_READWRITE,
						&sp_error);
		assert_non_null(handle);
		assert_non_null(sp_ext.register_memory(pair.server, server_memory, MESSAGES,
						       MEM_READWRITE, &sp_error));
		assert_int_equal(sp_expose(pair.server, server_memory + RDMA, MESSAGES - RDMA,
					   MEM_READWRITE, descriptor),
				 0);
		memset(operations, 0, sizeof(operations));
		tries = 0;
		for (unsigned i = 0; i < WORKERS; i++)
			assert_int_equal(
				pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
		ends[0] = pair.client;
		ends[1] = pair.server;
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(
				pthread_create(&threads[WORKERS + i], NULL, close_end, &ends[i]),
				0);
		for (unsigned i = 0; i < WORKERS + 2; i++)
			pthread_join(threads[i], NULL);
		pair.client = pair.server = INVALID_SOCKET;
		sp_close(&pair);
		assert_true(sp_settle(0)); /* after the last completion */
		check(&accepted);
	}
	pthread_barrier_destroy(&start_line);
	assert_int_equal(sp_repeated, 0);
	print_message("%u operations of %u rounds\n", accepted, ROUNDS);
	assert_true(accepted > ROUNDS);
}

static int start(void **state)
{
	(void)state;
	return sp_start(AF_INET);
}

static int stop(void **state)
{
	(void)state;
	return sp_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_close_under_traffic) };

	test_deadline(60);
	srand(1);
	return cmocka_run_group_tests_name("san_race", tests, start, stop);
}

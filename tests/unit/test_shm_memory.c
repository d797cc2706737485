// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_memory.c - the shm backend against a peer of the same user that means harm in the memory that is shared:
 * garbage, words that change all the time, hints that vanish. The connection that was hit may end; nobody
 * crashes or waits for ever, and other connections do not notice.
 */

#include "tests/lib/test.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/unit/test_shm.h"

#define OPS wsd_backend_shm

enum damage { RQ_TAIL, CQ_HEAD, CQ_TYPE, CQ_LENGTH, CQ_SURPLUS, CQ_ACK, CQ_BOUNCE, DAMAGES };

/* Written the way a hostile peer would: into the memory that it shares with us. */
static void damage(struct wsd_endpoint *endpoint, enum damage what)
{
	struct shm_cqe *slot =
		&endpoint->own_cq[endpoint->cq_head & (endpoint->own_layout.cq_size - 1)];

	if (what == RQ_TAIL)
		atomic_store(&endpoint->peer->rq_tail, endpoint->rq_next + 1000);
	if (what == CQ_HEAD)
		atomic_store(&endpoint->peer->cq_head, endpoint->cq_tail + 5);
	endpoint->rq_seen = endpoint->rq_next;
	endpoint->cq_taken = endpoint->cq_tail - endpoint->peer_layout.cq_size;
	if (what <= CQ_HEAD)
		return;
	atomic_store(&slot->length, what == CQ_LENGTH ? 0xfffffff0u : 4);
	atomic_store(&slot->tag, what == CQ_ACK ? 0x7fffffffu : 0);
	atomic_store(&slot->imm, 1);
	atomic_store(&slot->type, what == CQ_TYPE     ? 0xdeadu
				  : what == CQ_LENGTH ? (unsigned)SHM_CQE_RECV_BOUNCE
				  : what == CQ_ACK    ? (unsigned)SHM_CQE_ACK
				  : what == CQ_BOUNCE ? (unsigned)SHM_CQE_WRITE
						      : (unsigned)SHM_CQE_IMM);
	atomic_store(&slot->seq, endpoint->cq_head + 1);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

static void test_garbage(void **state)
{
	struct end *good = shm_connected(), *bad;
	uint64_t *errors = OPS.size ? wsd_counter("shm", "protocol_errors", "") : NULL, before;
	char in[SHM_BUFFER];
	unsigned what, i;

	(void)state;
	for (what = 0; what < DAMAGES; what++) {
		bad = shm_connected();
		before = *errors;
		if (what == CQ_LENGTH)
			post_recv(bad, 1, in, SHM_BUFFER, NULL);
		damage(bad->endpoint, (enum damage)what);
		if (what <= CQ_HEAD)
			(void)try_post(bad, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
		while (!bad->count || bad->log[bad->count - 1].type != WSD_EV_DISCONNECTED)
			world_poll();
		assert_int_equal(bad->log[bad->count - 1].status, WSD_EPROTOCOL);
		assert_int_equal(*errors, before + 1);
		end_free(bad);
	}
	/* The inbox holds only hints. */
	for (i = 0; i < SHM_MAX_INDEX; i += 61)
		shm_inbox_set(shm_queue->inbox, i);
	for (i = 0; i < 300; i++)
		world_poll();
	shm_exchange(good, "unharmed");
	end_free(good);
}

static void test_flipping(void **state)
{
	uint64_t *errors = wsd_counter("shm", "protocol_errors", ""), before = *errors;
	struct end *good = shm_connected(), *bad;
	struct shm_meddling flipping = { .inbox = shm_queue->inbox_share };
	unsigned round;
	uint64_t start;
	pid_t pid;

	(void)state;
	for (round = 0; round < 20; round++) {
		bad = shm_connected_sharing(&flipping.segment);
		flipping.length = bad->endpoint->own_layout.length;
		flipping.seed = round;
		pid = shm_meddle(&flipping);
		for (start = wsd_clock_ns(); wsd_clock_ns() - start < 60000000u;)
			shm_use_anyhow(bad, 50);
		shm_exchange(good, "unharmed");
		shm_reap(&pid);
		end_free(bad);
		shm_share_close(&flipping.segment);
	}
	assert_true(*errors > before);
	shm_exchange(good, "still");
	end_free(good);
}

static void exchange_asleep(struct end *end)
{
	intptr_t object = OPS.wait_object(shm_queue);
	uint64_t limit = wsd_clock_ns() + test_slow_factor() * UINT64_C(20000000000);
	char in[SHM_BUFFER] = { 0 };

	post_recv(end, 9, in, sizeof(in), NULL);
	post(end, WSD_OP_SEND, 8, "wake up", 8, 0, 0, 0);
	while (end->count < end->taken + 2) {
		if (!world_poll() && OPS.arm(shm_queue) == WSD_OK) {
			wsd_waker_sleep(wsd_waker_self(), &object, 1, limit);
			OPS.disarm(shm_queue);
		}
		assert_true(wsd_clock_ns() < limit);
	}
	end->taken += 2;
	assert_string_equal(in, "wake up");
}

static void test_erasing(void **state)
{
	uint16_t second = world_port();
	struct wsd_addr addr = world_addr(second);
	pid_t accomplice = shm_serve(&addr), pid;
	struct end *good = shm_connected(), *evil = end_new(shm_queue);
	struct shm_meddling erasing = { SHM_NO_SHARE, shm_queue->inbox_share, 0, 0 };
	unsigned i;

	(void)state;
	connect_to(evil, second);
	expect(evil, WSD_EV_CONNECTED);
	pid = shm_meddle(&erasing);
	for (i = 0; i < 3; i++)
		exchange_asleep(good);
	shm_reap(&pid);
	shm_reap(&accomplice);
	end_free(evil);
	end_free(good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { TEST(garbage), TEST(flipping), TEST(erasing) };

	if (shm_served(argc, argv))
		return 0;
	return cmocka_run_group_tests_name("shm_memory", tests, NULL, NULL);
}

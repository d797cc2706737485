// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_peers.c - the shm backend between processes: traffic, a stopped and a killed peer, many
 * connections and what they cost. Peers and strangers that mean harm: test_shm_hostile.c.
 */

#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/unit/test_shm.h"

#define OPS	 wsd_backend_shm
#define MANY	 1000u
#define HANGS_NS (test_slow_factor() * UINT64_C(20000000000))

static void test_echo(void **state)
{
	struct end *end = shm_connected();
	char text[32];
	int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		shm_exchange(end, text);
	}
	end_free(end);
}

static void test_killed(void **state)
{
	struct end *one = shm_connected(), *two = shm_connected();
	uint64_t start;

	(void)state;
	shm_exchange(one, "alive");
	start = wsd_clock_ns();
	shm_kill(shm_child);
	assert_int_equal(expect(one, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_int_equal(expect(two, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_true(wsd_clock_ns() - start < HANGS_NS);
	assert_int_equal(try_post(one, WSD_OP_SEND, 1, "x", 1, 0, 0, 0), WSD_ESTATE);
	end_free(one);
	end_free(two);
}

/* What arrived before the death is delivered, then the reset. Sleeping on the wait object. */
static void test_killed_late(void **state)
{
	struct end *end = shm_connected();
	intptr_t object = OPS.wait_object(shm_queue);
	char in[2][SHM_BUFFER];

	(void)state;
	shm_exchange(end, "warm");
	post_recv(end, 1, in[0], SHM_BUFFER, NULL);
	post_recv(end, 2, in[1], SHM_BUFFER, NULL);
	post(end, WSD_OP_SEND, 8, "last", 5, 0, 0, 0);
	while (atomic_load(&end->endpoint->own_cq[1].seq) != 2)
		wsd_cpu_relax();
	shm_reap(&shm_child);
	if (OPS.arm(shm_queue) == WSD_OK) {
		wsd_waker_sleep(wsd_waker_self(), &object, 1, wsd_clock_ns() + 2000000000u);
		OPS.disarm(shm_queue);
	}
	expect(end, WSD_EV_SEND);
	assert_int_equal(expect(end, WSD_EV_RECV)->bytes, 5);
	assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	end_free(end);
}

static void test_stopped(void **state)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote = world_addr(shm_port);
	struct end *end = end_new(shm_queue);
	uint64_t start = wsd_clock_ns();
	intptr_t object = OPS.wait_object(shm_queue);

	(void)state;
	shm_stop(shm_child);
	assert_int_equal(OPS.endpoint_create(shm_queue, NULL, &shm_attr, end, &end->endpoint),
			 WSD_OK);
	assert_int_equal(OPS.connect(end->endpoint, &none, &remote, "", 0, 50000000u), WSD_OK);
	while (!end->count) {
		if (!world_poll() && OPS.arm(shm_queue) == WSD_OK) {
			wsd_waker_sleep(wsd_waker_self(), &object, 1, start + HANGS_NS);
			OPS.disarm(shm_queue);
		}
		assert_true(wsd_clock_ns() - start < HANGS_NS);
	}
	assert_int_equal(expect(end, WSD_EV_CONNECT_FAILED)->status, WSD_ETIMEDOUT);
	assert_true(wsd_clock_ns() - start >= 50000000u);
	shm_continue(shm_child);
	end_free(end);
	end = shm_connected();
	shm_exchange(end, "again");
	end_free(end);
}

static void test_many(void **state)
{
	struct end **ends = calloc(MANY, sizeof(*ends));
	unsigned fds, i;

	(void)state;
	assert_non_null(ends);
	ends[0] = shm_connected();
	fds = world_fds();
	for (i = 1; i < MANY; i++)
		ends[i] = shm_connected();
	assert_true(world_fds() <= fds + WORLD_FDS_SLACK);
	shm_exchange(ends[0], "first");
	shm_exchange(ends[MANY - 1], "last");
	for (i = 0; i < MANY; i++)
		end_free(ends[i]);
	world_poll();
	assert_true(world_fds() < fds + WORLD_FDS_SLACK);
	free(ends);
}

/* A burst: all requests are under way before the first answer. They end up on few links. */
static void test_burst(void **state)
{
	struct end *ends[100];
	unsigned i, fds = world_fds();

	(void)state;
	for (i = 0; i < 100; i++) {
		ends[i] = end_new(shm_queue);
		connect_to(ends[i], shm_port);
	}
	for (i = 0; i < 100; i++)
		expect(ends[i], WSD_EV_CONNECTED);
	assert_true(world_fds() <= fds + 3 + WORLD_FDS_SLACK);
	for (i = 0; i < 100; i++) {
		shm_exchange(ends[i], "burst");
		end_free(ends[i]);
	}
}

static void test_addresses(void **state)
{
	struct wsd_addr list[32];
	uint32_t count = OPS.addresses(shm_device, list, 32), i;
	bool loopback = false;

	(void)state;
	for (i = 0; i < count && i < 32; i++)
		loopback |= list[i].family == WSD_FAMILY_IPV4 && list[i].bytes[0] == 127;
	assert_true(loopback);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(echo), TEST(killed), TEST(killed_late), TEST(stopped),
		TEST(many), TEST(burst),  TEST(addresses),
	};

	if (shm_served(argc, argv))
		return 0;
	return cmocka_run_group_tests_name("shm_peers", tests, NULL, NULL);
}

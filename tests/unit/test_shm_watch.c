// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_watch.c - an owner that watches a ring: when it begins and ends, that other connections and other
 * news are not overlooked meanwhile, and that no entry falls between watching and sleeping.
 */

#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/lib/test.h"
#include "tests/unit/test_shm.h"

#define OPS	    wsd_backend_shm
#define BEGIN	    16u /* messages after which it is watched for certain */
#define RACE_COUNT  30000u
#define SLEEP_MS    5000
#define SLEEP_EVERY 24u /* polls that found nothing: now watched, now asleep */

static struct end *listener, *a, *b;
static uint16_t port;
static char memory[16];

static struct end *connect_pair(struct end **connector)
{
	struct end *acceptor;

	*connector = end_new(a ? a->queue : world_queue());
	connect_to(*connector, port);
	acceptor = accept_on(listener);
	expect(*connector, WSD_EV_CONNECTED);
	expect(acceptor, WSD_EV_CONNECTED);
	return acceptor;
}

static int setup(void **state)
{
	(void)state;
	test_deadline(120);
	world_open();
	port = world_port();
	listener = end_new(world_queue());
	listen_on(listener, port, 4);
	b = connect_pair(&a);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (a)
		end_free(a);
	if (b)
		end_free(b);
	a = b = NULL;
	end_free(listener);
	world_close();
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

static void message(struct end *from, struct end *to)
{
	post_recv(to, 1, memory, sizeof(memory), NULL);
	to->count = to->taken = 0;
	post(from, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
}

static void exchange(struct end *from, struct end *to, unsigned count)
{
	while (count--) {
		message(from, to);
		expect(to, WSD_EV_RECV);
	}
}

static bool asleep(struct end *end)
{
	return !test_object_within(OPS.wait_object(end->queue), 0);
}

static void test_traffic_of_one_is_watched(void **state)
{
	(void)state;
	exchange(a, b, BEGIN);
	assert_ptr_equal(b->queue->watched, b->endpoint);
	message(a, b);
	assert_true(shm_inbox_empty(b->queue->inbox));
	expect(b, WSD_EV_RECV);
	/* The other direction is another matter. */
	exchange(b, a, 1);
}

static void test_arm_ends_it(void **state)
{
	(void)state;
	exchange(a, b, BEGIN);
	message(a, b);
	assert_int_equal(OPS.arm(b->queue), WSD_AGAIN);
	expect(b, WSD_EV_RECV);
	while (OPS.arm(b->queue) == WSD_AGAIN)
		world_poll();
	assert_null(b->queue->watched);
	assert_true(asleep(b));
	message(a, b);
	assert_false(asleep(b));
	OPS.disarm(b->queue);
	expect(b, WSD_EV_RECV);
}

static void test_others_are_seen_and_take_over(void **state)
{
	struct end *c, *d = connect_pair(&c);
	unsigned i;

	(void)state;
	exchange(a, b, BEGIN);
	for (i = 0; i < BEGIN; i++) {
		exchange(c, d, 1);
		exchange(a, b, 1);
	}
	assert_ptr_equal(b->queue->watched, b->endpoint);
	exchange(c, d, BEGIN);
	assert_ptr_equal(b->queue->watched, d->endpoint);
	assert_int_equal(atomic_load(&b->endpoint->own->watched), 0);
	exchange(a, b, 1);
	end_free(c);
	end_free(d);
}

static void test_ends_with_the_connection(void **state)
{
	(void)state;
	exchange(a, b, BEGIN);
	exchange(b, a, BEGIN);
	b->count = b->taken = 0;
	end_free(a); /* tells with a word, not with an entry */
	a = NULL;
	assert_int_equal(expect(b, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_null(b->queue->watched);
}

static void test_ends_with_the_endpoint(void **state)
{
	struct wsd_queue *queue = b->queue;

	(void)state;
	exchange(a, b, BEGIN);
	message(a, b);
	end_free(b);
	b = NULL;
	assert_null(queue->watched);
	assert_true(quiet(listener));
}

static void test_a_disconnect_is_an_entry(void **state)
{
	(void)state;
	exchange(a, b, BEGIN);
	b->count = b->taken = 0;
	assert_int_equal(OPS.disconnect(a->endpoint), WSD_OK);
	assert_int_equal(expect(b, WSD_EV_DISCONNECTED)->status, WSD_OK);
	assert_null(b->queue->watched);
}

/* --- no entry falls between watching and sleeping --- */

static atomic_bool all_came;

/* What waits for a receive is sent when the sender's queue is polled: so until all have come. */
static void send_all(void *arg)
{
	char byte = 'x';
	struct wsd_sge sge = { &byte, 1, NULL };
	struct wsd_work work = { .op = WSD_OP_SEND, .sge_count = 1, .sge = &sge };
	struct wsd_event events[8];
	uint32_t i, posted = 0, pause;

	(void)arg;
	for (i = 0; i < RACE_COUNT; i++) {
		while (OPS.post_send(a->endpoint, &work, &posted) != WSD_OK || !posted)
			(void)OPS.poll(a->queue, events, 8);
		for (pause = i * 2654435761u >> 24; pause; pause--)
			wsd_cpu_relax();
	}
	while (!atomic_load(&all_came))
		(void)OPS.poll(a->queue, events, 8);
}

static void sleep_on(struct wsd_queue *queue)
{
	if (OPS.arm(queue) != WSD_OK)
		return;
	if (!test_object_within(OPS.wait_object(queue), SLEEP_MS))
		fail_msg("an entry was overlooked by an owner that went to sleep");
	OPS.disarm(queue);
}

static void test_race_of_sleep_and_entry(void **state)
{
	struct wsd_recv recv = { .sge = { memory, sizeof(memory), NULL } };
	uint32_t got = 0, i, n, posted, idle = 0, watched = 0;
	struct wsd_event events[8];
	struct wsd_thread *sender;

	(void)state;
	for (i = 0; i < shm_attr.recv_depth; i++)
		post_recv(b, i, memory, sizeof(memory), NULL);
	assert_int_equal(wsd_thread_start(&sender, "sender", send_all, NULL), WSD_OK);
	while (got < RACE_COUNT) {
		n = OPS.poll(b->queue, events, 8);
		for (i = 0; i < n; i++, got++)
			assert_int_equal(OPS.post_recv(b->endpoint, &recv, &posted), WSD_OK);
		watched += b->queue->watched != NULL;
		idle = n ? 0 : idle + 1;
		if (idle == SLEEP_EVERY && got < RACE_COUNT)
			sleep_on(b->queue);
	}
	atomic_store(&all_came, true);
	wsd_thread_join(sender);
	assert_int_not_equal(watched, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_traffic_of_one_is_watched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_others_are_seen_and_take_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ends_with_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_with_the_endpoint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_disconnect_is_an_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race_of_sleep_and_entry, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

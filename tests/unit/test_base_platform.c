// SPDX-License-Identifier: BSD-2-Clause
/* test_base_platform.c - locks, wakers, clock, chance and environment of the operating system at hand. */

#include "tests/lib/test.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define MS  UINT64_C(1000000)
#define FAR (wsd_clock_ns() + 10000 * MS)

/* One thread waits, another announces: every handshake must end although neither side polls. */
struct handshake {
	atomic_uint turn;
	struct wsd_waker *_Atomic waker;
	unsigned rounds;
};

static void partner(void *arg)
{
	struct handshake *shake = arg;
	struct wsd_waker *other;
	unsigned i;

	for (i = 0; i < shake->rounds; i++) {
		while (atomic_load(&shake->turn) != 2 * i + 1)
			wsd_cpu_relax();
		other = atomic_load(&shake->waker);
		atomic_store(&shake->turn, 2 * i + 2);
		wsd_waker_wake(other);
	}
}

static void test_waker_loses_no_wake(void **state)
{
	struct handshake shake = { .rounds = 2000 };
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_thread *thread;
	unsigned i;

	(void)state;
	assert_non_null(waker);
	assert_ptr_equal(wsd_waker_self(), waker);
	atomic_store(&shake.waker, waker);
	assert_int_equal(wsd_thread_start(&thread, "partner", partner, &shake), WSD_OK);
	for (i = 0; i < shake.rounds; i++) {
		atomic_store(&shake.turn, 2 * i + 1);
		for (;;) {
			wsd_waker_reset(waker);
			if (atomic_load(&shake.turn) == 2 * i + 2)
				break;
			wsd_waker_sleep(waker, NULL, 0, UINT64_MAX);
		}
	}
	wsd_thread_join(thread);
}

static void test_waker_wake_before_sleep_is_kept_and_used_up(void **state)
{
	struct wsd_waker *waker = wsd_waker_self();
	uint64_t start = wsd_clock_ns();

	(void)state;
	wsd_waker_reset(waker);
	wsd_waker_wake(waker);
	wsd_waker_wake(waker);
	wsd_waker_sleep(waker, NULL, 0, FAR);
	assert_true(wsd_clock_ns() - start < 5000 * MS);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, NULL, 0, start + 5 * MS);
	assert_true(wsd_clock_ns() - start >= 5 * MS);
	wsd_waker_wake(waker);
	wsd_waker_reset(waker);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, NULL, 0, start + 5 * MS);
	assert_true(wsd_clock_ns() - start >= 5 * MS);
}

static void test_waker_watches_more_objects_than_expected(void **state)
{
	struct wsd_waker *waker = wsd_waker_self();
	intptr_t objects[40];
	uint64_t start = wsd_clock_ns();
	unsigned i;

	(void)state;
	for (i = 0; i < 40; i++)
		objects[i] = test_object_new();
	wsd_waker_reset(waker);
	wsd_waker_sleep(waker, objects, 40, start + 2 * MS);
	assert_true(wsd_clock_ns() - start >= 2 * MS);
	test_object_set(objects[39]);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, objects, 40, FAR);
	assert_true(wsd_clock_ns() - start < 5000 * MS);
	for (i = 0; i < 40; i++)
		test_object_free(objects[i]);
}

struct guarded {
	struct wsd_mutex mutex;
	struct wsd_cond cond;
	unsigned value;
};

static void add_many(void *arg)
{
	struct guarded *guarded = arg;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		wsd_mutex_lock(&guarded->mutex);
		guarded->value++;
		wsd_cond_broadcast(&guarded->cond);
		wsd_mutex_unlock(&guarded->mutex);
	}
}

static void test_mutex_and_condition(void **state)
{
	struct guarded guarded = { .value = 0 };
	struct wsd_thread *threads[3];
	unsigned i;

	(void)state;
	wsd_mutex_init(&guarded.mutex);
	wsd_cond_init(&guarded.cond);
	wsd_mutex_lock(&guarded.mutex);
	assert_false(wsd_cond_wait(&guarded.cond, &guarded.mutex, wsd_clock_ns() + MS));
	for (i = 0; i < 3; i++)
		assert_int_equal(wsd_thread_start(&threads[i], "add", add_many, &guarded), WSD_OK);
	while (guarded.value < 3000)
		assert_true(wsd_cond_wait(&guarded.cond, &guarded.mutex, FAR));
	wsd_mutex_unlock(&guarded.mutex);
	for (i = 0; i < 3; i++)
		wsd_thread_join(threads[i]);
	assert_true(wsd_mutex_trylock(&guarded.mutex));
	assert_false(wsd_mutex_trylock(&guarded.mutex));
	wsd_mutex_unlock(&guarded.mutex);
	wsd_cond_fini(&guarded.cond);
	wsd_mutex_fini(&guarded.mutex);
}

static void test_random_and_clock(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	uint64_t before = wsd_clock_ns();

	(void)state;
	wsd_random(a, sizeof(a));
	wsd_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(wsd_clock_ns() >= before);
	assert_int_equal(wsd_process_id(), getpid());
}

/* An empty variable is there, whatever was asked for before. */
static void test_empty_variable(void **state)
{
	const char *value;

	(void)state;
	assert_int_equal(setenv("WSD_TEST_EMPTY", "", 1), 0);
	assert_int_equal(unsetenv("WSD_TEST_NONE"), 0);
	assert_null(wsd_env("WSD_TEST_NONE"));
	value = wsd_env("WSD_TEST_EMPTY");
	assert_non_null(value);
	assert_string_equal(value, "");
	assert_null(wsd_env("WSD_TEST_NONE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waker_loses_no_wake),
		cmocka_unit_test(test_waker_wake_before_sleep_is_kept_and_used_up),
		cmocka_unit_test(test_waker_watches_more_objects_than_expected),
		cmocka_unit_test(test_mutex_and_condition),
		cmocka_unit_test(test_random_and_clock),
		cmocka_unit_test(test_empty_variable),
	};

	test_deadline(30);
	return cmocka_run_group_tests_name("base_platform", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_host_handle.c - the table of handles: types, generations, races of lookup and close. */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "spi_shim/linux/handle.h"

struct thing {
	struct wsd_object object;
	atomic_int alive;
};

static atomic_int destroyed;

static void thing_destroy(struct wsd_object *object)
{
	struct thing *thing = wsd_container(object, struct thing, object);

	atomic_store(&thing->alive, 0);
	atomic_fetch_add(&destroyed, 1);
	wsd_free(thing);
}

static struct thing *thing_new(void)
{
	struct thing *thing = wsd_alloc(sizeof(*thing));

	assert_non_null(thing);
	thing->object.destroy = thing_destroy;
	atomic_init(&thing->alive, 1);
	return thing;
}

static void test_values_are_not_descriptors(void **state)
{
	uintptr_t value = wsd_object_new(WSD_HANDLE_EVENT, &thing_new()->object);

	(void)state;
	assert_true(value > 1024);
	assert_int_equal(value & 3, 0);
	assert_true(value != UINTPTR_MAX);
	assert_true(wsd_object_close(value, WSD_HANDLE_EVENT));
}

static void test_wrong_values_are_refused(void **state)
{
	struct thing *thing = thing_new();
	uintptr_t value = wsd_object_new(WSD_HANDLE_EVENT, &thing->object);
	uintptr_t wrong[] = { 0,
			      1,
			      2,
			      4,
			      UINTPTR_MAX,
			      value + 1,
			      value + 2,
			      value + 4,
			      value ^ 64,
			      value + ((uintptr_t)1 << 40),
			      (uintptr_t)thing };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(wsd_object_get(wrong[i], WSD_HANDLE_EVENT));
		assert_false(wsd_object_close(wrong[i], WSD_HANDLE_EVENT));
		assert_int_equal(wsd_object_type(wrong[i]), WSD_HANDLE_NONE);
	}
	assert_null(wsd_object_get(value, WSD_HANDLE_SOCKET));
	assert_false(wsd_object_close(value, WSD_HANDLE_SOCKET));
	assert_int_equal(wsd_object_type(value), WSD_HANDLE_EVENT);
	assert_true(wsd_object_close(value, WSD_HANDLE_EVENT));
}

static void test_closed_value_is_stale_even_when_its_slot_is_used_again(void **state)
{
	uintptr_t first = wsd_object_new(WSD_HANDLE_SOCKET, &thing_new()->object), value = 0;
	int i;

	(void)state;
	assert_true(wsd_object_close(first, WSD_HANDLE_SOCKET));
	assert_false(wsd_object_close(first, WSD_HANDLE_SOCKET));
	for (i = 0; i < 5000; i++) {
		value = wsd_object_new(WSD_HANDLE_SOCKET, &thing_new()->object);
		assert_true(value != first);
		assert_null(wsd_object_get(first, WSD_HANDLE_SOCKET));
		assert_true(wsd_object_close(value, WSD_HANDLE_SOCKET));
	}
}

static void test_reference_outlives_close(void **state)
{
	struct thing *thing = thing_new();
	uintptr_t value = wsd_object_new(WSD_HANDLE_FILE, &thing->object);
	int before = atomic_load(&destroyed);

	(void)state;
	assert_ptr_equal(wsd_object_get(value, WSD_HANDLE_FILE), &thing->object);
	assert_true(wsd_object_close(value, WSD_HANDLE_FILE));
	assert_null(wsd_object_get(value, WSD_HANDLE_FILE));
	assert_int_equal(atomic_load(&thing->alive), 1);
	wsd_object_put(&thing->object);
	assert_int_equal(atomic_load(&destroyed), before + 1);
}

static void test_limit_is_reported_and_recovers(void **state)
{
	uintptr_t values[256];
	unsigned count = 0, i;
	struct thing *extra = thing_new();

	(void)state;
	/* WSD_HANDLES_MAX is 200 here; slot 0 is never used and earlier tests left free ones. */
	while (count < 256) {
		struct thing *thing = thing_new();

		values[count] = wsd_object_new(WSD_HANDLE_EVENT, &thing->object);
		if (values[count] == 0) {
			wsd_free(thing);
			break;
		}
		count++;
	}
	assert_int_equal(count, 199);
	assert_int_equal(wsd_object_open_count(), 199);
	assert_true(wsd_object_close(values[7], WSD_HANDLE_EVENT));
	values[7] = wsd_object_new(WSD_HANDLE_EVENT, &extra->object);
	assert_true(values[7] != 0);
	for (i = 0; i < count; i++)
		assert_true(wsd_object_close(values[i], WSD_HANDLE_EVENT));
	assert_int_equal(wsd_object_open_count(), 0);
}

static void test_next_lists_one_type(void **state)
{
	uintptr_t a = wsd_object_new(WSD_HANDLE_SOCKET, &thing_new()->object);
	uintptr_t b = wsd_object_new(WSD_HANDLE_EVENT, &thing_new()->object);
	uintptr_t c = wsd_object_new(WSD_HANDLE_SOCKET, &thing_new()->object);
	uintptr_t value;
	uint32_t cursor = 0;
	int found = 0;

	(void)state;
	while ((value = wsd_object_next(WSD_HANDLE_SOCKET, &cursor)) != 0) {
		assert_true(value == a || value == c);
		found++;
	}
	assert_int_equal(found, 2);
	wsd_object_close(a, WSD_HANDLE_SOCKET);
	wsd_object_close(b, WSD_HANDLE_EVENT);
	wsd_object_close(c, WSD_HANDLE_SOCKET);
}

#define STRESS_SLOTS  8
#define STRESS_ROUNDS 20000

static _Atomic uintptr_t shared[STRESS_SLOTS];
static atomic_int made, closed, seen;

static void close_shared(uintptr_t value)
{
	if (wsd_object_close(value, WSD_HANDLE_EVENT))
		atomic_fetch_add(&closed, 1);
}

/* Threads replace, close and look up the same few values: exactly one close of each succeeds, and what
 * a lookup returns is alive until it is put. */
static void *stress(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	int i;

	for (i = 0; i < STRESS_ROUNDS; i++) {
		unsigned slot = (unsigned)rand_r(&seed) % STRESS_SLOTS;
		uintptr_t value = atomic_load(&shared[slot]), fresh;
		struct wsd_object *object;

		switch (rand_r(&seed) % 4) {
		case 0:
			fresh = wsd_object_new(WSD_HANDLE_EVENT, &thing_new()->object);
			assert_true(fresh != 0);
			atomic_fetch_add(&made, 1);
			value = atomic_exchange(&shared[slot], fresh);
			close_shared(value);
			break;
		case 1:
			close_shared(value);
			break;
		default:
			object = wsd_object_get(value, WSD_HANDLE_EVENT);
			if (object == NULL)
				break;
			assert_int_equal(
				atomic_load(&wsd_container(object, struct thing, object)->alive),
				1);
			atomic_fetch_add(&seen, 1);
			wsd_object_put(object);
		}
	}
	return NULL;
}

static void test_threads_race_for_the_same_values(void **state)
{
	int before = atomic_load(&destroyed);
	pthread_t threads[4];
	uintptr_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stress, (void *)(i + 1)), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < STRESS_SLOTS; i++)
		if (wsd_object_close(atomic_load(&shared[i]), WSD_HANDLE_EVENT))
			atomic_fetch_add(&closed, 1);
	assert_int_equal(atomic_load(&made), atomic_load(&closed));
	assert_int_equal(atomic_load(&destroyed) - before, atomic_load(&made));
	assert_true(atomic_load(&seen) > 0);
	assert_int_equal(wsd_object_open_count(), 0);
}

/* The count never runs into the bits beside it. */
static void test_references_have_an_end(void **state)
{
	struct thing *thing = thing_new();
	uintptr_t value = wsd_object_new(WSD_HANDLE_EVENT, &thing->object);
	unsigned given = 0;

	(void)state;
	while (wsd_object_get(value, WSD_HANDLE_EVENT) != NULL)
		given++;
	for (unsigned i = 0; i < 1000; i++)
		wsd_object_ref(&thing->object);
	assert_int_equal(wsd_object_type(value), WSD_HANDLE_EVENT);
	for (unsigned i = 0; i < given + 1000; i++)
		wsd_object_put(&thing->object);
	assert_non_null(wsd_object_get(value, WSD_HANDLE_EVENT));
	wsd_object_put(&thing->object);
	assert_true(wsd_object_close(value, WSD_HANDLE_EVENT));
	assert_int_equal(wsd_object_open_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_not_descriptors),
		cmocka_unit_test(test_wrong_values_are_refused),
		cmocka_unit_test(test_closed_value_is_stale_even_when_its_slot_is_used_again),
		cmocka_unit_test(test_reference_outlives_close),
		cmocka_unit_test(test_limit_is_reported_and_recovers),
		cmocka_unit_test(test_references_have_an_end),
		cmocka_unit_test(test_next_lists_one_type),
		cmocka_unit_test(test_threads_race_for_the_same_values),
	};

	setenv("WSD_HANDLES_MAX", "200", 1);
	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_engine_timer.c - the timer heap against a plain array: order, cancel, move, earliest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "provider/transport/engine_internal.h"

#define COUNT 300u

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t least(const struct wsd_timer *timers)
{
	uint64_t when = UINT64_MAX;

	for (unsigned i = 0; i < COUNT; i++) {
		if (timers[i].when && timers[i].when < when)
			when = timers[i].when;
	}
	return when;
}

/* earliest may be early (a lower bound of a long bucket), never late. */
static void random_timers(void **state)
{
	static struct wsd_timer timers[COUNT];
	struct wsd_timers heap;
	uint64_t now = 1000;

	(void)state;
	wsd_timers_init(&heap, now);
	for (unsigned round = 0; round < 20000; round++) {
		struct wsd_timer *timer = &timers[next_random() % COUNT], *expired;

		if (next_random() % 5 == 0)
			wsd_timers_set(&heap, timer, 0);
		else
			wsd_timers_set(&heap, timer,
				       now + next_random() % (1ull << next_random() % 40));
		assert_true(atomic_load(&heap.earliest) <= least(timers));
		if (next_random() % 4)
			continue;
		now += next_random() % (1ull << next_random() % 38);
		wsd_timers_advance(&heap, now);
		while ((expired = wsd_timers_pop(&heap)))
			assert_int_equal(expired->when, 0);
		assert_true(least(timers) > now);
		assert_true(atomic_load(&heap.earliest) > now);
	}
}

static void order_of_expiry(void **state)
{
	struct wsd_timer timers[64];
	struct wsd_timers heap;
	uint64_t when[64], previous = 0;

	(void)state;
	memset(timers, 0, sizeof(timers));
	wsd_timers_init(&heap, 5);
	for (unsigned i = 0; i < 64; i++) {
		when[i] = 6 + next_random() % 100000;
		wsd_timers_set(&heap, &timers[i], when[i]);
	}
	wsd_timers_advance(&heap, 200000);
	wsd_timers_set(&heap, &timers[3], 0); /* cancelled while it is due already */
	for (unsigned i = 0; i < 63; i++) {
		struct wsd_timer *timer = wsd_timers_pop(&heap);

		assert_non_null(timer);
		assert_ptr_not_equal(timer, &timers[3]);
		assert_true(when[timer - timers] >= previous);
		previous = when[timer - timers];
	}
	assert_null(wsd_timers_pop(&heap));
	assert_true(atomic_load(&heap.earliest) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_timers),
		cmocka_unit_test(order_of_expiry),
	};

	return cmocka_run_group_tests_name("engine_timer", tests, NULL, NULL);
}

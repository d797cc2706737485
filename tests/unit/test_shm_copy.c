// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_copy.c - copies past the caches, and the choice between the two ways of a large copy. */

#include "tests/lib/test.h"

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define PIECE	  65536u
#define RING	  (32 * PIECE)
#define COPIES	  20000u
#define SETTLE	  20000u /* copies until a trial was certainly made */
#define NEAR	  1800u
#define APART	  26000u
#define FIRST_LAP 5200u
#define STREAMED  2000u

static void test_streamed_copies_every_alignment_and_length(void **state)
{
	uint8_t from[512], to[512], want[512];
	size_t a, b, length;

	(void)state;
	for (a = 0; a < sizeof(from); a++)
		from[a] = (uint8_t)(a * 7 + 1);
	for (a = 0; a < 17; a++) {
		for (b = 0; b < 17; b++) {
			for (length = 0; length < 300; length++) {
				memset(to, 0, sizeof(to));
				memset(want, 0, sizeof(want));
				memcpy(want + a, from + b, length);
				wsd_copy_streamed(to + a, from + b, length);
				assert_memory_equal(to, want, sizeof(to));
			}
		}
	}
}

/*
 * A machine on which the first lap after a change to cached copies costs as much as it does where the lines come
 * from memory, and later ones cost `cached`. Counts how many copies go each way.
 */
struct machine {
	struct shm_choice choice;
	uint64_t cached, streamed; /* ns */
	unsigned lap;		   /* cached copies in a row */
	unsigned copies[2];
};

static void run(struct machine *m, unsigned copies)
{
	bool streamed, timed;
	uint64_t cost;

	memset(m->copies, 0, sizeof(m->copies));
	for (; copies; copies--) {
		streamed = shm_choice_next(&m->choice, RING, &timed);
		m->lap = streamed ? 0 : m->lap + 1;
		cost = streamed ? m->streamed : m->lap <= RING / PIECE ? FIRST_LAP : m->cached;
		m->copies[streamed]++;
		if (timed)
			shm_choice_learn(&m->choice, RING, cost, PIECE);
	}
}

static void test_choice_takes_the_cheaper_way(void **state)
{
	struct machine m = { .cached = NEAR, .streamed = STREAMED };

	(void)state;
	run(&m, SETTLE);
	run(&m, COPIES);
	assert_in_range(m.copies[true], 1, COPIES / 20);
	/* The CPUs have moved apart, and together again. */
	m.cached = APART;
	run(&m, COPIES);
	assert_in_range(m.copies[false], 1, COPIES / 50);
	m.cached = NEAR;
	run(&m, SETTLE);
	run(&m, COPIES);
	assert_in_range(m.copies[true], 1, COPIES / 20);
}

static void test_choice_leaves_apart_at_once(void **state)
{
	struct machine m = { .cached = NEAR, .streamed = STREAMED };

	(void)state;
	run(&m, SETTLE);
	assert_false(m.choice.streamed);
	m.cached = APART;
	run(&m, 20);
	assert_true(m.choice.streamed || m.choice.trial);
}

static void test_choice_leaves_the_reader_its_share(void **state)
{
	/* What the writer saves by streaming is less than what the reader then pays. */
	struct machine m = { .cached = 2 * STREAMED - 100, .streamed = STREAMED };

	(void)state;
	run(&m, SETTLE);
	run(&m, COPIES);
	assert_in_range(m.copies[true], 1, COPIES / 20);
}

static void test_choice_forgets_a_preempted_copy(void **state)
{
	struct shm_choice choice = { .cost = { NEAR, STREAMED }, .due = UINT64_MAX };

	(void)state;
	shm_choice_learn(&choice, RING, 4000000, PIECE);
	assert_false(choice.streamed);
	assert_in_range(choice.cost[false], NEAR, 2 * NEAR);
}

static void test_choice_bears_any_clock(void **state)
{
	struct shm_choice choice = { 0 };
	bool timed;
	unsigned i;

	(void)state;
	for (i = 0; i < COPIES; i++) {
		(void)shm_choice_next(&choice, i % 3 ? 0 : RING, &timed);
		if (timed)
			shm_choice_learn(&choice, i % 3 ? 0 : RING, i % 2 ? 0 : UINT64_MAX, 8192);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streamed_copies_every_alignment_and_length),
		cmocka_unit_test(test_choice_takes_the_cheaper_way),
		cmocka_unit_test(test_choice_leaves_apart_at_once),
		cmocka_unit_test(test_choice_leaves_the_reader_its_share),
		cmocka_unit_test(test_choice_forgets_a_preempted_copy),
		cmocka_unit_test(test_choice_bears_any_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

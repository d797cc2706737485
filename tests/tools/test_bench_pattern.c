// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_bench_pattern.c - a stream that is cut, repeated or mixed up must not pass the checks of
 * `wsdctl bench`, however it is cut into pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "spi_shim/wsdctl/bench.h"
#include "tests/lib/test.h"

#define MESSAGES 40u

static char *make_run(size_t size, uint64_t last)
{
	char *run = malloc(MESSAGES * size);
	uint64_t i;

	assert_non_null(run);
	for (i = 0; i < MESSAGES; i++)
		bench_pattern_fill(run + i * size, size, i == last ? i | BENCH_LAST : i);
	return run;
}

/* Pieces of a fixed length, or of lengths that vary with seed. */
static bool follow(struct bench_follower *f, const char *run, size_t bytes, size_t piece,
		   unsigned seed)
{
	size_t at = 0;

	while (at < bytes) {
		size_t n = piece;

		if (seed) {
			seed = seed * 1103515245u + 12345u;
			n = 1 + (seed >> 16) % piece;
		}
		n = n < bytes - at ? n : bytes - at;
		if (!bench_follow(f, run + at, n))
			return false;
		at += n;
	}
	return true;
}

static void test_every_cut_of_a_good_run_passes(void **state)
{
	static const size_t sizes[] = { 8, 64, 136 };
	size_t i, piece;
	unsigned seed;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *run = make_run(sizes[i], MESSAGES - 1);
		struct bench_follower f;

		for (piece = 1; piece < 3 * sizes[i]; piece++) {
			for (seed = 0; seed < 5; seed++) {
				bench_follow_start(&f, sizes[i]);
				assert_true(follow(&f, run, MESSAGES * sizes[i], piece, seed));
				assert_true(f.at == f.end && f.end == MESSAGES * sizes[i]);
			}
		}
		free(run);
	}
}

static void test_the_end_is_seen_only_at_the_marked_message(void **state)
{
	char *run = make_run(64, MESSAGES - 1);
	struct bench_follower f;

	(void)state;
	bench_follow_start(&f, 64);
	assert_true(follow(&f, run, (MESSAGES - 1) * 64, 50, 0));
	assert_true(f.end == UINT64_MAX);
	assert_true(bench_follow(&f, run + (MESSAGES - 1) * 64, 64));
	/* More than the run is an error. */
	assert_false(bench_follow(&f, run, 64));
	free(run);
}

static void test_lost_and_repeated_messages_are_found(void **state)
{
	char *run = make_run(64, MESSAGES);
	struct bench_follower f;

	(void)state;
	bench_follow_start(&f, 64);
	assert_true(bench_follow(&f, run, 10 * 64));
	assert_false(bench_follow(&f, run + 11 * 64, 64));
	bench_follow_start(&f, 64);
	assert_true(bench_follow(&f, run, 10 * 64));
	assert_false(bench_follow(&f, run + 9 * 64, 64));
	/* Lost in the middle of a piece: its last number shows it. */
	memmove(run + 5 * 64, run + 6 * 64, 10 * 64);
	bench_follow_start(&f, 64);
	assert_false(bench_follow(&f, run, 15 * 64));
	/* Eight bytes lost shift everything. */
	bench_follow_start(&f, 64);
	assert_true(bench_follow(&f, run, 60));
	assert_false(bench_follow(&f, run + 68, 64));
	free(run);
}

static void test_every_wrong_byte_is_found_by_the_full_check(void **state)
{
	char message[64];
	size_t i;

	(void)state;
	bench_pattern_fill(message, sizeof(message), 7 | BENCH_LAST);
	assert_true(bench_pattern_check(message, sizeof(message), 7));
	assert_false(bench_pattern_check(message, sizeof(message), 8));
	for (i = 8; i < sizeof(message); i++) {
		message[i] ^= 0x10;
		assert_false(bench_pattern_check(message, sizeof(message), 7));
		message[i] ^= 0x10;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut_of_a_good_run_passes),
		cmocka_unit_test(test_the_end_is_seen_only_at_the_marked_message),
		cmocka_unit_test(test_lost_and_repeated_messages_are_found),
		cmocka_unit_test(test_every_wrong_byte_is_found_by_the_full_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

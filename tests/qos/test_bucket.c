// SPDX-License-Identifier: BSD-2-Clause
/* test_bucket.c - the token bucket: exact to the byte and the nanosecond, at any rate. */
#include "tests/lib/test.h"

#include "provider/transport/bucket.h"

#define SECOND 1000000000ull

static void starts_full_and_fills_at_its_rate(void **state)
{
	struct wsd_bucket b;

	(void)state;
	wsd_bucket_init(&b, 1000, 500, 7 * SECOND);
	assert_int_equal(wsd_bucket_bytes(&b, 7 * SECOND), 500);
	wsd_bucket_take(&b, 500);
	assert_int_equal(wsd_bucket_bytes(&b, 7 * SECOND), 0);
	assert_int_equal(wsd_bucket_bytes(&b, 7 * SECOND + SECOND / 1000 - 1), 0);
	assert_int_equal(wsd_bucket_bytes(&b, 7 * SECOND + SECOND / 1000), 1);
	assert_int_equal(wsd_bucket_bytes(&b, 7 * SECOND + SECOND / 4), 250);
	assert_int_equal(wsd_bucket_bytes(&b, 9 * SECOND), 500); /* and no more */
	assert_int_equal(wsd_bucket_bytes(&b, 8 * SECOND), 500); /* a clock that went back */
}

/* Whoever takes what there is whenever there is some gets the rate to the byte. */
static void loses_nothing(void **state)
{
	static const uint32_t rates[] = { 1, 3, 999, 1000003, 1u << 30, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t now = 5, sum = 0, end = now + 10 * SECOND;
		struct wsd_bucket b;

		wsd_bucket_init(&b, rates[i], UINT32_MAX, now);
		wsd_bucket_take(&b, UINT32_MAX);
		for (uint64_t step = 1; now < end; step = step * 7 % 99999989 + 1) {
			uint32_t n;

			now = now + step < end ? now + step : end;
			n = wsd_bucket_bytes(&b, now);
			wsd_bucket_take(&b, n);
			sum += n;
		}
		assert_true(sum == 10ull * rates[i]);
	}
}

static void tells_when_to_ask_again(void **state)
{
	uint64_t now = SECOND, when = 0;
	struct wsd_bucket b;
	size_t n;

	(void)state;
	wsd_bucket_init(&b, 1000000, 100000, now);
	assert_int_equal(wsd_bucket_allow(&b, 250000, now, &when), 100000);
	wsd_bucket_take(&b, 100000);
	/* A portion is a two hundredth of a second's bytes. */
	assert_int_equal(wsd_bucket_allow(&b, 150000, now, &when), 0);
	assert_true(when == now + SECOND / 200);
	n = wsd_bucket_allow(&b, 150000, when, &when);
	assert_int_equal(n, 5000);
	wsd_bucket_take(&b, 5000);
	/* The end of what there is to send is a portion too. */
	now = when;
	assert_int_equal(wsd_bucket_allow(&b, 7, now, &when), 0);
	assert_true(when == now + 7000);
	assert_int_equal(wsd_bucket_allow(&b, 7, now + 6999, &when), 0);
	assert_int_equal(wsd_bucket_allow(&b, 7, now + 7000, &when), 7);
	wsd_bucket_give(&b, 3);
	assert_int_equal(wsd_bucket_bytes(&b, now + 7000), 10);
}

static void a_change_gives_nothing(void **state)
{
	struct wsd_bucket b;

	(void)state;
	wsd_bucket_init(&b, 1000, 1000, 0);
	wsd_bucket_take(&b, 900);
	wsd_bucket_change(&b, 5000, 8000, SECOND / 10);
	assert_int_equal(wsd_bucket_bytes(&b, SECOND / 10), 200);
	wsd_bucket_change(&b, 5000, 50, SECOND / 10);
	assert_int_equal(wsd_bucket_bytes(&b, SECOND / 10), 50);
	/* Without a rate it holds nothing back. */
	wsd_bucket_change(&b, 0, 50, SECOND / 10);
	assert_true(wsd_bucket_bytes(&b, SECOND / 10) == UINT32_MAX);
	assert_true(wsd_bucket_when(&b, 1u << 30, SECOND) == SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_full_and_fills_at_its_rate),
		cmocka_unit_test(loses_nothing),
		cmocka_unit_test(tells_when_to_ask_again),
		cmocka_unit_test(a_change_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

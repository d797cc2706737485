// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_flows.c - what a stream sends under an agreement, exactly: over sim, whose clock stands still until the
 * test moves it.
 */
#include "tests/qos/flow_pair.h"

static void about(uint64_t got, uint64_t wanted, uint64_t tolerance)
{
	if (got + tolerance < wanted || got > wanted + tolerance)
		fail_msg("%llu bytes, not %llu", (unsigned long long)got,
			 (unsigned long long)wanted);
}

static void a_flow_sends_its_bucket_and_then_its_rate(void **state)
{
	struct flow f;
	uint64_t sum = 0;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.c, out_only(WSD_SERVICE_GUARANTEED, 1000000, 20000, 0)),
			 WSD_OK);
	assert_int_equal(agreed(&f.a).in.rate, 1000000);
	advance(1000 * MS); /* full */
	about(send_now(&f.c, &f.a, 1u << 30), 20000, 100);
	for (unsigned i = 0; i < 1000; i++) {
		advance(MS);
		sum += send_now(&f.c, &f.a, 1u << 30);
	}
	/* A portion (5 ms) may be waiting; each send moves the clock by some nanoseconds. */
	about(sum, 1000000, 5100);
	close_flow(&f);
}

static void a_peak_bounds_the_burst(void **state)
{
	struct flow f;
	uint64_t sum;

	(void)state;
	open_flow(&f);
	assert_int_equal(
		set_qos(&f.c, out_only(WSD_SERVICE_BEST_EFFORT, 1000000, 1000000, 4000000)),
		WSD_OK);
	advance(2000 * MS);
	sum = send_now(&f.c, &f.a, 1u << 30);
	assert_true(sum <= 4100); /* a millisecond's, not the bucket's million */
	for (unsigned i = 0; i < 100; i++) {
		advance(MS);
		sum += send_now(&f.c, &f.a, 1u << 30);
	}
	about(sum, 4000 + 400000, 9000);
	close_flow(&f);
}

static void the_lesser_of_both_sides_holds(void **state)
{
	struct wsd_qos less = { .in = { WSD_SERVICE_CONTROLLED_LOAD, 300000, 9000, 0 } };
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.c, out_only(WSD_SERVICE_GUARANTEED, 1000000, 20000, 0)),
			 WSD_OK);
	f.c.changes = 0;
	assert_int_equal(set_qos(&f.a, less), WSD_OK);
	advance(MS);
	assert_true(f.c.changes & WSD_CHANGE_QOS);
	assert_int_equal(agreed(&f.c).out.rate, 300000);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_CONTROLLED_LOAD);
	assert_int_equal(agreed(&f.a).in.rate, 300000);
	advance(1000 * MS);
	about(send_now(&f.c, &f.a, 1u << 30), 9000, 100);
	advance(100 * MS);
	about(send_now(&f.c, &f.a, 1u << 30), 9000, 100);
	close_flow(&f);
}

#define ALL (1u << 30)

/* What so many flows send in three seconds, after a third of one, who want so much in each millisecond. */
static void share(struct flow *f, unsigned flows, const size_t *want, uint64_t *sum)
{
	memset(sum, 0, flows * sizeof(*sum));
	for (unsigned i = 0; i < 3300; i++) {
		advance(MS);
		for (unsigned k = 0; k < flows; k++) {
			size_t n = send_now(&f[k].c, &f[k].a, want[k]);

			sum[k] += i >= 300 ? n : 0;
		}
	}
}

/* Two have promises, two have none and share the rest of what the path can do. */
static void those_without_a_promise_share_the_rest(void **state)
{
	const size_t all[2] = { ALL, ALL }, some[2] = { 50, ALL };
	uint64_t sum[4] = { 0 };
	struct flow f[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		open_flow(&f[i]);
	assert_int_equal(set_qos(&f[0].c, out_only(WSD_SERVICE_GUARANTEED, 2000000, 10000, 0)),
			 WSD_OK);
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_CONTROLLED_LOAD, 1000000, 10000, 0)),
			 WSD_OK);
	/* 75 of 100 percent of 4 MB/s are taken. */
	assert_int_equal(set_qos(&f[2].c, out_only(WSD_SERVICE_GUARANTEED, 1, 10000, 0)),
			 WSD_EUNSUPPORTED);
	assert_true(wsd_ledger_asks());
	for (unsigned i = 0; i < 3000; i++) {
		advance(MS);
		for (unsigned k = 0; k < 4; k++) {
			size_t n = send_now(&f[(k + i) % 4].c, &f[(k + i) % 4].a, 1u << 30);

			sum[(k + i) % 4] += i >= 1000 ? n : 0;
		}
	}
	about(sum[0], 4000000, 40000);
	about(sum[1], 2000000, 20000);
	about(sum[2] + sum[3], 2000000, 110000);
	about(sum[2], sum[3], 110000);
	/* One of the two may wait: it has half of what the other has. */
	assert_int_equal(set_qos(&f[3].c, out_only(WSD_SERVICE_QUALITATIVE, 0, 0, 0)), WSD_OK);
	share(f + 2, 2, all, sum + 2);
	about(sum[2], 2 * sum[3], 200000);
	about(sum[2] + sum[3], 3000000, 200000);
	/* Or must not: eight times as much. */
	assert_int_equal(set_qos(&f[3].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	share(f + 2, 2, all, sum + 2);
	about(sum[3], 8 * sum[2], 300000);
	about(sum[2] + sum[3], 3000000, 200000);
	/* What the other does not use it may have. */
	share(f + 2, 2, some, sum + 2);
	about(sum[2], 150000, 1000);
	about(sum[3], 2850000, 200000);
	/* Given back, nothing holds them. */
	close_flow(&f[0]);
	close_flow(&f[1]);
	assert_int_equal(set_qos(&f[2].c, out_only(WSD_SERVICE_GUARANTEED, 3000000, 0, 0)), WSD_OK);
	for (unsigned i = 2; i < 4; i++)
		assert_int_equal(set_qos(&f[i].c, out_only(WSD_SERVICE_BEST_EFFORT, 0, 0, 0)),
				 WSD_OK);
	advance(300 * MS); /* the other service is forgotten; and it may have been told to wait */
	assert_int_equal(send_now(&f[2].c, &f[2].a, 1), 1);
	assert_false(wsd_ledger_asks());
	assert_true(send_now(&f[3].c, &f[3].a, 10u << 20) == 10u << 20);
	close_flow(&f[2]);
	close_flow(&f[3]);
}

static void set_priority(struct end *e, uint32_t priority)
{
	end_lock(e);
	wsd_stream_set_priority(e->stream, priority);
	end_unlock(e, NULL);
}

/* Nothing is promised: who comes first is not held back, and who comes behind leaves it its part. */
static void the_services_have_an_order_without_a_promise(void **state)
{
	const size_t all[2] = { 4000, 4000 }, some[2] = { 1000, 4000 }, none[2] = { 0, 6000 };
	struct flow f[2];
	uint64_t sum[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		open_flow(&f[i]);
	/* Alike, and nobody is asked. */
	share(f, 2, all, sum);
	assert_false(wsd_ledger_asks());
	about(sum[0], 12000000, 0);
	about(sum[1], 12000000, 0);
	/* The first said nothing, and the second that it may wait: a third of the 4 MB/s of the path. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_QUALITATIVE, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	about(sum[0], 12000000, 0);
	about(sum[1], 4000000, 50000);
	assert_true(wsd_ledger_asks());
	/* What the first does not use it may have, */
	share(f, 2, some, sum);
	about(sum[0], 3000000, 0);
	about(sum[1], 9000000, 300000);
	/* and alone, all. */
	share(f, 2, none, sum);
	about(sum[1], 18000000, 0);
	/* The second must not wait: the first has a ninth, though it said nothing. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	about(sum[0], 12000000 / 9, 50000);
	about(sum[1], 12000000, 0);
	/* Alike again; who said nothing is asked no more when the other has been silent for a while. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_BEST_EFFORT, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	about(sum[0], 12000000, 0);
	about(sum[1], 12000000, 0);
	assert_false(wsd_ledger_asks());
	close_flow(&f[0]);
	close_flow(&f[1]);
}

static void priorities_have_an_order(void **state)
{
	const size_t all[3] = { 4000, 4000, 4000 };
	struct flow f[3];
	uint64_t sum[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_flow(&f[i]);
		set_priority(&f[i].c, i);
	}
	/* A whole, a half, a third: 6, 3 and 2 of 11. The first is not held back. */
	share(f, 3, all, sum);
	about(sum[0], 12000000, 0);
	about(sum[1], 12000000 * 3 / 11, 100000);
	about(sum[2], 12000000 * 2 / 11, 100000);
	/* A priority is no agreement. */
	assert_int_equal(agreed(&f[2].c).out.service, WSD_SERVICE_NONE);
	/* With a service: an eighth of network control is as good as the standard. */
	assert_int_equal(set_qos(&f[2].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	set_priority(&f[1].c, UINT32_MAX); /* the last of all still has something */
	set_priority(&f[2].c, 7);
	share(f, 3, all, sum);
	about(sum[0], 12000000, 0);
	about(sum[1], 12000000 / 257, 10000);
	about(sum[2], 12000000, 0);
	/* Who said nothing is asked until the others have been silent for a while. */
	assert_true(wsd_ledger_asks());
	advance(300 * MS);
	assert_int_equal(send_now(&f[0].c, &f[0].a, 1), 1);
	assert_false(wsd_ledger_asks());
	for (unsigned i = 0; i < 3; i++)
		close_flow(&f[i]);
}

static uint64_t allowed(struct wsd_engine *engine, struct wsd_share *shares, unsigned count,
			uint64_t now)
{
	uint64_t sum = 0, when;

	for (unsigned i = 0; i < count; i++)
		for (size_t n = 1; n > 0; sum += n)
			n = wsd_ledger_allow(engine, &shares[i], 1u << 20, now, &when);
	return sum;
}

/* More is left than a bucket can count. Where one sent in a window and eight do in the next, the sum is that. */
static void what_is_left_of_a_fast_path_is_not_exceeded(void **state)
{
	struct wsd_share shares[8] = { { 0 } };
	const uint64_t part = 700000000; /* of 7 GB/s, in 100 ms */
	struct wsd_engine *engine;
	uint64_t now;

	assert_int_equal(stop(state), 0);
	setenv("WSD_SIM_SPEED", "8000000000", 1);
	assert_int_equal(start(state), 0);
	engine = wsd_engine_at(0);
	assert_int_equal(wsd_ledger_change(engine, 0, 1000000000), WSD_OK);
	for (unsigned i = 0; i < 8; i++)
		shares[i].weight = WSD_WEIGHT_STANDARD;
	now = (wsd_engine_now(engine) / (100 * MS) + 1) * 100 * MS;
	about(allowed(engine, shares, 1, now), part, part / 10);
	about(allowed(engine, shares, 8, now + 100 * MS), part, part / 10);
	about(allowed(engine, shares, 8, now + 200 * MS), part, part / 10);
	assert_int_equal(wsd_ledger_change(engine, 1000000000, 0), WSD_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_sends_its_bucket_and_then_its_rate),
		cmocka_unit_test(a_peak_bounds_the_burst),
		cmocka_unit_test(the_lesser_of_both_sides_holds),
		cmocka_unit_test(those_without_a_promise_share_the_rest),
		cmocka_unit_test(the_services_have_an_order_without_a_promise),
		cmocka_unit_test(priorities_have_an_order),
		cmocka_unit_test(what_is_left_of_a_fast_path_is_not_exceeded),
	};

	flow_settings();
	return cmocka_run_group_tests(tests, start, stop);
}

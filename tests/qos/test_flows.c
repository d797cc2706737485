// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_flows.c - what a stream sends under an agreement, exactly: over sim, whose clock stands still until the
 * test moves it.
 */
#include <stdint.h>

static void advance(uint64_t ns);
#define WAIT_FOR(expression)                                 \
	do {                                                 \
		for (unsigned n_ = 0; !(expression); n_++) { \
			assert_true(n_ < 100000);            \
			advance(1000);                       \
		}                                            \
	} while (0)
#include "tests/unit/session_pair.h"

#include "provider/session/internal.h"
#include "provider/transport/ledger.h"
#include "rdma_backend/sim/sim.h"
#include "tests/qos/ledger_name.h"

#define MS 1000000ull

static void poll_engines(void)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		while (wsd_engine_poll(wsd_engine_at(i)))
			;
}

static void advance(uint64_t ns)
{
	wsd_sim_advance(ns);
	poll_engines();
}

/* As much as may go now; the reader takes it at once. */
static size_t send_now(struct end *from, struct end *to, size_t most)
{
	static uint8_t bytes[1u << 20];
	struct wsd_iovec iov;
	size_t sent = 0, n = 1;

	while (sent < most && n > 0) {
		size_t got = 0;

		iov = (struct wsd_iovec){ bytes, most - sent < sizeof(bytes) ? most - sent
									     : sizeof(bytes) };
		n = 0;
		end_lock(from);
		if (wsd_stream_write(from->stream, &iov, 1, &n) != WSD_OK)
			n = 0;
		end_unlock(from, NULL);
		sent += n;
		advance(1); /* what is due now */
		do {
			iov = (struct wsd_iovec){ bytes, sizeof(bytes) };
			got = 0;
			end_lock(to);
			(void)wsd_stream_read(to->stream, &iov, 1, 0, NULL, &got);
			end_unlock(to, NULL);
			advance(1);
		} while (got > 0);
	}
	return sent;
}

static enum wsd_status set_qos(struct end *e, struct wsd_qos qos)
{
	enum wsd_status status;

	end_lock(e);
	status = wsd_stream_set_qos(e->stream, &qos);
	end_unlock(e, NULL);
	poll_engines();
	return status;
}

static struct wsd_qos out_only(enum wsd_service service, uint32_t rate, uint32_t bucket,
			       uint32_t peak)
{
	return (struct wsd_qos){ .out = { service, rate, bucket, peak } };
}

static struct wsd_qos agreed(struct end *e)
{
	struct wsd_qos qos = { { 0 }, { 0 } };

	end_lock(e);
	(void)wsd_stream_qos(e->stream, &qos);
	end_unlock(e, NULL);
	return qos;
}

struct flow {
	struct server sv;
	struct end c, a;
};

static void open_flow(struct flow *f)
{
	pair(&f->sv, &f->c, &f->a, UINT32_MAX);
	for (unsigned i = 0; i < 16; i++) /* rings have grown */
		(void)send_now(&f->c, &f->a, 65536);
}

static void close_flow(struct flow *f)
{
	close_both(&f->sv, &f->c, &f->a);
}

static void near(uint64_t got, uint64_t wanted, uint64_t tolerance)
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
	near(send_now(&f.c, &f.a, 1u << 30), 20000, 100);
	for (unsigned i = 0; i < 1000; i++) {
		advance(MS);
		sum += send_now(&f.c, &f.a, 1u << 30);
	}
	/* A portion (5 ms) may be waiting; each send moves the clock by some nanoseconds. */
	near(sum, 1000000, 5100);
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
	near(sum, 4000 + 400000, 9000);
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
	near(send_now(&f.c, &f.a, 1u << 30), 9000, 100);
	advance(100 * MS);
	near(send_now(&f.c, &f.a, 1u << 30), 9000, 100);
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
	near(sum[0], 4000000, 40000);
	near(sum[1], 2000000, 20000);
	near(sum[2] + sum[3], 2000000, 110000);
	near(sum[2], sum[3], 110000);
	/* One of the two may wait: it has half of what the other has. */
	assert_int_equal(set_qos(&f[3].c, out_only(WSD_SERVICE_QUALITATIVE, 0, 0, 0)), WSD_OK);
	share(f + 2, 2, all, sum + 2);
	near(sum[2], 2 * sum[3], 200000);
	near(sum[2] + sum[3], 3000000, 200000);
	/* Or must not: eight times as much. */
	assert_int_equal(set_qos(&f[3].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	share(f + 2, 2, all, sum + 2);
	near(sum[3], 8 * sum[2], 300000);
	near(sum[2] + sum[3], 3000000, 200000);
	/* What the other does not use it may have. */
	share(f + 2, 2, some, sum + 2);
	near(sum[2], 150000, 1000);
	near(sum[3], 2850000, 200000);
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
	near(sum[0], 12000000, 0);
	near(sum[1], 12000000, 0);
	/* The first said nothing, and the second that it may wait: a third of the 4 MB/s of the path. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_QUALITATIVE, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	near(sum[0], 12000000, 0);
	near(sum[1], 4000000, 50000);
	assert_true(wsd_ledger_asks());
	/* What the first does not use it may have, */
	share(f, 2, some, sum);
	near(sum[0], 3000000, 0);
	near(sum[1], 9000000, 300000);
	/* and alone, all. */
	share(f, 2, none, sum);
	near(sum[1], 18000000, 0);
	/* The second must not wait: the first has a ninth, though it said nothing. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	near(sum[0], 12000000 / 9, 50000);
	near(sum[1], 12000000, 0);
	/* Alike again; who said nothing is asked no more when the other has been silent for a while. */
	assert_int_equal(set_qos(&f[1].c, out_only(WSD_SERVICE_BEST_EFFORT, 0, 0, 0)), WSD_OK);
	share(f, 2, all, sum);
	near(sum[0], 12000000, 0);
	near(sum[1], 12000000, 0);
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
	near(sum[0], 12000000, 0);
	near(sum[1], 12000000 * 3 / 11, 100000);
	near(sum[2], 12000000 * 2 / 11, 100000);
	/* A priority is no agreement. */
	assert_int_equal(agreed(&f[2].c).out.service, WSD_SERVICE_NONE);
	/* With a service: an eighth of network control is as good as the standard. */
	assert_int_equal(set_qos(&f[2].c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	set_priority(&f[1].c, UINT32_MAX); /* the last of all still has something */
	set_priority(&f[2].c, 7);
	share(f, 3, all, sum);
	near(sum[0], 12000000, 0);
	near(sum[1], 12000000 / 257, 10000);
	near(sum[2], 12000000, 0);
	/* Who said nothing is asked until the others have been silent for a while. */
	assert_true(wsd_ledger_asks());
	advance(300 * MS);
	assert_int_equal(send_now(&f[0].c, &f[0].a, 1), 1);
	assert_false(wsd_ledger_asks());
	for (unsigned i = 0; i < 3; i++)
		close_flow(&f[i]);
}

static void behind_the_last_byte_nothing_is_reserved(void **state)
{
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.c, out_only(WSD_SERVICE_GUARANTEED, 1000000, 0, 0)), WSD_OK);
	assert_true(wsd_ledger_asks());
	end_lock(&f.c);
	assert_int_equal(wsd_stream_shutdown_send(f.c.stream), WSD_OK);
	assert_int_equal(wsd_stream_reserved(f.c.stream), 0);
	end_unlock(&f.c, NULL);
	assert_false(wsd_ledger_asks());
	/* Nor again when the peer says something. */
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 500000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.rate, 500000);
	assert_false(wsd_ledger_asks());
	close_flow(&f);
}

static uint32_t reserved(struct end *e)
{
	uint32_t rate;

	end_lock(e);
	rate = wsd_stream_reserved(e->stream);
	end_unlock(e, NULL);
	return rate;
}

/* Between accept and the connection: before the request is answered, and when the answer is on its way. */
static void an_acceptor_may_ask_before_it_is_open(void **state)
{
	struct wsd_qos asked = out_only(WSD_SERVICE_GUARANTEED, 1000000, 0, 0);
	struct wsd_qos most = out_only(WSD_SERVICE_GUARANTEED, 50000000, 0, 0);

	(void)state;
	for (unsigned answered = 0; answered < 2; answered++) {
		struct wsd_addr at;
		struct flow f;

		server_open(&f.sv, &at, 8, true);
		client_start(&f.c, &at, UINT32_MAX);
		WAIT_FOR(server_pending(&f.sv));
		memset(&f.a, 0, sizeof(f.a));
		wsd_mutex_init(&f.a.mutex);
		server_lock(&f.sv);
		assert_int_equal(wsd_listener_accept(f.sv.listener, &end_ops, &f.a, &f.a.stream),
				 WSD_OK);
		server_unlock(&f.sv, NULL);
		end_lock(&f.a);
		if (answered) /* as its task would */
			wsd_accept_run(f.a.stream, atomic_load(&f.a.stream->engine));
		assert_int_equal(wsd_stream_state(f.a.stream), WSD_STREAM_CONNECTING);
		assert_int_equal(wsd_stream_set_qos(f.a.stream, &asked), WSD_OK);
		assert_int_equal(wsd_stream_set_qos(f.a.stream, &most), WSD_EUNSUPPORTED);
		assert_int_equal(wsd_stream_reserved(f.a.stream), 1000000);
		end_unlock(&f.a, NULL);
		WAIT_FOR(end_state_is(&f.a, WSD_STREAM_OPEN) &&
			 end_state_is(&f.c, WSD_STREAM_OPEN));
		advance(MS);
		(void)send_now(&f.c, &f.a, 1); /* an acceptor speaks behind that */
		advance(MS);
		assert_int_equal(reserved(&f.a), 1000000);
		assert_int_equal(agreed(&f.a).out.rate, 1000000);
		assert_int_equal(agreed(&f.c).in.service, WSD_SERVICE_GUARANTEED);
		assert_int_equal(agreed(&f.c).in.rate, 1000000);
		close_flow(&f);
	}
}

/* Whoever broke it: the handle may stay for long, and so may the answer to an abortive close. */
static void a_broken_connection_keeps_nothing(void **state)
{
	struct wsd_qos both = { { WSD_SERVICE_GUARANTEED, 1000000, 0, 0 },
				{ WSD_SERVICE_GUARANTEED, 500000, 0, 0 } };
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.c, both), WSD_OK);
	advance(MS);
	assert_int_equal(reserved(&f.c), 1000000);
	assert_int_equal(reserved(&f.a), 500000);
	end_lock(&f.a);
	wsd_stream_close(f.a.stream, true, 0);
	assert_int_equal(wsd_stream_reserved(f.a.stream), 0);
	end_unlock(&f.a, NULL);
	wsd_stream_kick(f.a.stream);
	WAIT_FOR(end_state_is(&f.c, WSD_STREAM_RESET));
	assert_int_equal(reserved(&f.c), 0);
	assert_false(wsd_ledger_asks());
	close_flow(&f);
}

/* It has said its last word, and is gone before ours: there is nobody to send to. */
static void a_peer_that_is_gone_needs_no_rate(void **state)
{
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.c, out_only(WSD_SERVICE_GUARANTEED, 1000000, 0, 0)), WSD_OK);
	end_lock(&f.a);
	assert_int_equal(wsd_stream_shutdown_send(f.a.stream), WSD_OK);
	end_unlock(&f.a, NULL);
	poll_engines();
	advance(MS);
	assert_int_equal(reserved(&f.c), 1000000);
	end_lock(&f.a);
	wsd_stream_break(f.a.stream,
			 WSD_ERESET); /* without a word, as by a process that was killed */
	end_unlock(&f.a, NULL);
	wsd_stream_kick(f.a.stream);
	WAIT_FOR(reserved(&f.c) == 0);
	assert_true(end_state_is(&f.c, WSD_STREAM_OPEN));
	close_flow(&f);
}

/* A peer says what it would like to receive. That it comes before all others here it cannot say. */
static void a_peer_makes_nothing_network_control(void **state)
{
	struct wsd_qos theirs = { .in = { WSD_SERVICE_NETWORK_CONTROL, 90000, 0, 0 } };
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(set_qos(&f.a, theirs), WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(agreed(&f.c).out.rate, 90000);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(set_qos(&f.c, out_only(WSD_SERVICE_NETWORK_CONTROL, 0, 0, 0)), WSD_OK);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_NETWORK_CONTROL);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_NETWORK_CONTROL);
	close_flow(&f);
}

static void what_cannot_be_promised_to_a_peer_is_best_effort(void **state)
{
	struct flow f;

	(void)state;
	open_flow(&f);
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 50000000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(agreed(&f.c).out.rate, 50000000);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_BEST_EFFORT);
	assert_false(wsd_ledger_asks());
	/* It asks for less, for which there is room, */
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 1000000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_GUARANTEED);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_GUARANTEED);
	assert_int_equal(reserved(&f.c), 1000000);
	/* and then for nothing: what was refused bounds nobody any more. */
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 50000000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_BEST_EFFORT, 0, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.rate, 0);
	assert_int_equal(agreed(&f.a).in.rate, 0);
	assert_false(wsd_ledger_asks());
	close_flow(&f);
}

/* Ours was lowered for the peer's sake: its next word finds it as we said it. */
static void a_wish_outlives_what_was_agreed(void **state)
{
	struct wsd_qos ours = out_only(WSD_SERVICE_GUARANTEED, 2000000, 0, 0);
	struct flow f, g;

	(void)state;
	open_flow(&f);
	open_flow(&g);
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 1000000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	assert_int_equal(set_qos(&f.c, ours), WSD_OK);
	assert_int_equal(set_qos(&g.c, ours), WSD_OK);
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 2000000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_BEST_EFFORT);
	assert_int_equal(
		set_qos(&f.a, (struct wsd_qos){ .in = { WSD_SERVICE_GUARANTEED, 500000, 0, 0 } }),
		WSD_OK);
	advance(MS);
	advance(MS);
	assert_int_equal(agreed(&f.c).out.service, WSD_SERVICE_GUARANTEED);
	assert_int_equal(agreed(&f.a).in.service, WSD_SERVICE_GUARANTEED);
	assert_int_equal(reserved(&f.c), 500000);
	close_flow(&f);
	close_flow(&g);
}

static int start(void **state)
{
	(void)state;
	return wsd_engines_start() == WSD_OK ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	wsd_engines_stop();
	ledger_name_remove();
	return 0;
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
		cmocka_unit_test(behind_the_last_byte_nothing_is_reserved),
		cmocka_unit_test(an_acceptor_may_ask_before_it_is_open),
		cmocka_unit_test(a_broken_connection_keeps_nothing),
		cmocka_unit_test(a_peer_that_is_gone_needs_no_rate),
		cmocka_unit_test(a_peer_makes_nothing_network_control),
		cmocka_unit_test(what_cannot_be_promised_to_a_peer_is_best_effort),
		cmocka_unit_test(a_wish_outlives_what_was_agreed),
	};

	setenv("WSD_BACKENDS", "sim", 1);
	setenv("WSD_SIM_MODE", "stepped", 1);
	setenv("WSD_SIM_SPEED", "4000000", 1);
	setenv("WSD_ENGINE_THREAD", "0", 1);
	ledger_name_set();
	test_deadline(60);
	return cmocka_run_group_tests(tests, start, stop);
}

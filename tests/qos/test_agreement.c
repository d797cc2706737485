// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_agreement.c - what two ends agree on, what of it is reserved, and until when: over sim.
 */
#include "tests/qos/flow_pair.h"

#include "provider/session/internal.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behind_the_last_byte_nothing_is_reserved),
		cmocka_unit_test(an_acceptor_may_ask_before_it_is_open),
		cmocka_unit_test(a_broken_connection_keeps_nothing),
		cmocka_unit_test(a_peer_that_is_gone_needs_no_rate),
		cmocka_unit_test(a_peer_makes_nothing_network_control),
		cmocka_unit_test(what_cannot_be_promised_to_a_peer_is_best_effort),
		cmocka_unit_test(a_wish_outlives_what_was_agreed),
	};

	flow_settings();
	return cmocka_run_group_tests(tests, start, stop);
}

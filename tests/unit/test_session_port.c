// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_port.c - a device that says of a port that the system gave us that somebody has it: sim, as its
 * script says. Another port is asked for if nobody has chosen this one, so many times and not more.
 */
#include "tests/unit/session_pair.h"

#include "rdma_backend/sim/sim.h"

static uint16_t first_port;
static unsigned held, others;
static bool all_in_use, none_left;

static void port_in_use(void)
{
	assert_int_equal(wsd_sim_script("fail connect 1 EADDRINUSE"), WSD_OK);
}

static enum wsd_status hold_port(void *owner, bool another, struct wsd_addr *local)
{
	(void)owner;
	if (another && none_left)
		return WSD_ENOMEM;
	held += !another;
	others += another;
	*local = loopback(first_port);
	local->port = (uint16_t)(first_port + others);
	if (all_in_use)
		port_in_use();
	return WSD_OK;
}

/* chosen 0: by nobody. */
static void start(struct end *c, const struct wsd_addr *to, uint16_t chosen)
{
	static const struct wsd_stream_owner ops = {
		.lock = end_lock,
		.unlock = end_unlock,
		.changed = end_changed,
		.hold_port = hold_port,
	};
	struct wsd_stream_options options = { .connect_timeout = 5000000000ull };
	struct wsd_addr local = loopback(chosen);
	enum wsd_status status;
	char *reasons;

	held = others = 0;
	memset(c, 0, sizeof(*c));
	wsd_mutex_init(&c->mutex);
	end_lock(c);
	status = wsd_stream_connect(&c->stream, &ops, c, &local, to, &options, &reasons);
	wsd_free(reasons);
	end_unlock(c, NULL);
	assert_int_equal(status, WSD_PENDING);
	wsd_stream_kick(c->stream);
}

static void check_failed(struct end *c)
{
	WAIT_FOR(end_state_is(c, WSD_STREAM_FAILED));
	end_lock(c);
	assert_int_equal(wsd_stream_error(c->stream), WSD_EADDRINUSE);
	end_unlock(c, NULL);
	end_close(c, true);
	end_free(c);
}

static void another_port_is_taken(void **state)
{
	struct wsd_addr at, local, remote;
	struct server sv;
	struct end c, a;

	(void)state;
	server_open(&sv, &at, 8, false);
	port_in_use();
	start(&c, &at, 0);
	server_accept(&sv, &a);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_OPEN));
	assert_int_equal(held, 1);
	assert_int_equal(others, 1);
	end_lock(&c);
	wsd_stream_addresses(c.stream, &local, NULL);
	assert_null(
		strstr(wsd_stream_reasons(c.stream) ? wsd_stream_reasons(c.stream) : "", "in use"));
	end_unlock(&c, NULL);
	end_lock(&a);
	wsd_stream_addresses(a.stream, NULL, &remote);
	end_unlock(&a, NULL);
	assert_int_equal(local.port, first_port + 1);
	assert_int_equal(remote.port, first_port + 1);
	transfer(&c, &a, 100, 100, 100);
	close_both(&sv, &c, &a);
}

static void not_for_ever(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 8, false);
	all_in_use = true;
	start(&c, &at, 0);
	check_failed(&c);
	assert_int_equal(others, 8);
	all_in_use = false;
	server_close(&sv);
}

static void a_chosen_port_stays(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 8, false);
	port_in_use();
	start(&c, &at, first_port);
	check_failed(&c);
	assert_int_equal(others, 0);
	server_close(&sv);
}

static void no_other_port_is_left(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 8, false);
	port_in_use();
	none_left = true;
	start(&c, &at, 0);
	check_failed(&c);
	none_left = false;
	server_close(&sv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_port_is_taken),
		cmocka_unit_test(not_for_ever),
		cmocka_unit_test(a_chosen_port_stays),
		cmocka_unit_test(no_other_port_is_left),
	};

	setenv("WSD_BACKENDS", "sim", 1);
	next_port = os_port_range();
	first_port = (uint16_t)(next_port + 64);
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

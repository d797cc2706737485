// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_share.c - what waits in the queue of a listener that other processes have, too:
 * `test_session_share BACKEND`.
 */
#include "tests/unit/session_pair.h"

#ifndef _WIN32 /* where handles have no limit that can be set */
#include <sys/resource.h>
#include <unistd.h>
#endif

static enum wsd_status ask(struct server *sv, bool more)
{
	enum wsd_status status;

	server_lock(sv);
	status = wsd_listener_suspend(sv->listener, more);
	server_unlock(sv, NULL);
	wsd_listener_kick(sv->listener);
	return status;
}

static unsigned waiting(struct server *sv)
{
	unsigned n;

	server_lock(sv);
	n = wsd_listener_pending(sv->listener);
	server_unlock(sv, NULL);
	return n;
}

static bool head_is_over(struct server *sv)
{
	enum wsd_status status;

	server_lock(sv);
	status = wsd_listener_peek(sv->listener, NULL, NULL);
	server_unlock(sv, NULL);
	return status == WSD_ERESET;
}

static void go(struct end *c)
{
	end_close(c, true);
	end_free(c);
}

/* Nobody accepts here who would find them dead, and they are of no use elsewhere. */
static void the_dead_leave_the_queue(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c[2];

	(void)state;
	server_open(&sv, &at, 1, false);
	for (unsigned i = 0; i < 2; i++) {
		client_start(&c[i], &at, UINT32_MAX);
		WAIT_FOR(end_state_is(&c[i], WSD_STREAM_OPEN) && waiting(&sv) == 1);
		assert_int_equal(ask(&sv, false), WSD_AGAIN);
		go(&c[i]);
		WAIT_FOR(head_is_over(&sv));
		assert_int_equal(ask(&sv, false), WSD_AGAIN);
		assert_int_equal(waiting(&sv), 1); /* who accepts here hears of it */
		assert_int_equal(ask(&sv, true), WSD_AGAIN);
		assert_int_equal(waiting(&sv), 0);
	}
	server_close(&sv);
}

static void so_do_requests_that_were_withdrawn(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 1, true);
	client_start(&c, &at, UINT32_MAX);
	WAIT_FOR(waiting(&sv) == 1);
	go(&c);
	WAIT_FOR(head_is_over(&sv));
	assert_int_equal(ask(&sv, true), WSD_AGAIN);
	assert_int_equal(waiting(&sv), 0);
	server_close(&sv);
}

/* What is there already may not be able to go: the next one is news, too. */
static void each_arrival_is_told(void **state)
{
	struct wsd_addr at;
	struct server sv;
	struct end c[3];

	(void)state;
	server_open(&sv, &at, 8, false);
	assert_int_equal(ask(&sv, false), WSD_AGAIN);
	for (unsigned i = 0; i < 3; i++) {
		client_start(&c[i], &at, UINT32_MAX);
		WAIT_FOR(waiting(&sv) == i + 1);
		server_lock(&sv);
		assert_int_equal(sv.arrived, i + 1);
		server_unlock(&sv, NULL);
	}
	for (unsigned i = 0; i < 3; i++)
		go(&c[i]);
	server_close(&sv);
}

/* Who asks has it torn down, though there is nothing else to do. */
static void one_that_is_dropped_is_told(void **state)
{
	enum wsd_status before = WSD_AGAIN, now = WSD_OK;
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 8, false);
	client_start(&c, &at, UINT32_MAX);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_OPEN) && waiting(&sv) == 1);
	WAIT_FOR(ask(&sv, true) == WSD_OK);
	go(&c);
	while (now != WSD_AGAIN) { /* until the test's deadline */
		before = now;
		now = ask(&sv, false);
	}
	assert_int_equal(before, WSD_PENDING);
	server_close(&sv);
}

#ifndef _WIN32

/* None that is free; what it was before. */
static struct rlimit exhaust_descriptors(void)
{
	struct rlimit before, now;
	int lowest = dup(0);

	assert_true(lowest >= 0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = before;
	now.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

/* A request that is answered for another process, when there are no descriptors: it waits as before. */
static void a_request_waits_for_descriptors(void **state)
{
	struct rlimit before;
	struct wsd_addr at;
	struct server sv;
	struct end c;

	(void)state;
	server_open(&sv, &at, 8, true);
	client_start(&c, &at, UINT32_MAX);
	WAIT_FOR(waiting(&sv) == 1);
	server_lock(&sv);
	assert_int_equal(wsd_listener_suspend(sv.listener, true), WSD_PENDING);
	assert_int_equal(wsd_listener_pending(sv.listener), 0);
	before = exhaust_descriptors();
	server_unlock(&sv, NULL);
	wsd_listener_kick(sv.listener);
	WAIT_FOR(waiting(&sv) == 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	WAIT_FOR(ask(&sv, true) == WSD_OK);
	go(&c);
	server_close(&sv);
}

#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dead_leave_the_queue),
		cmocka_unit_test(so_do_requests_that_were_withdrawn),
		cmocka_unit_test(each_arrival_is_told),
		cmocka_unit_test(one_that_is_dropped_is_told),
#ifndef _WIN32
		cmocka_unit_test(a_request_waits_for_descriptors),
#endif
	};

	test_deadline(120);
	if (argc > 1)
		setenv("WSD_BACKENDS", argv[1], 1);
	next_port = os_port_range();
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

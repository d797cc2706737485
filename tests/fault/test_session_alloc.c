// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_alloc.c - fail the n-th allocation of listen, connect, transfer and close, for every n until
 * a run completes without reaching it: `test_session_alloc BACKEND`. Each run ends, with an error or
 * without, and leaves nothing allocated.
 */
#include "tests/unit/session_pair.h"

#define MOST 2000u

/* Move some bytes as long as both ends are open; whether they all arrive depends on the failure. */
static void move_some(struct end *from, struct end *to)
{
	static uint8_t out[4096], in[4096];
	size_t got = 0, sent = 0, n;

	for (unsigned i = 0; i < 20000 && got < 60000; i++) {
		struct wsd_iovec iov = { out, sizeof(out) };
		enum wsd_status status = WSD_AGAIN;

		end_lock(from);
		if (sent < 60000 &&
		    (status = wsd_stream_write(from->stream, &iov, 1, 0, &n)) == WSD_OK)
			sent += n;
		end_unlock(from, NULL);
		if (status < 0)
			return;
		iov = (struct wsd_iovec){ in, sizeof(in) };
		end_lock(to);
		status = wsd_stream_read(to->stream, &iov, 1, 0, NULL, &n);
		end_unlock(to, NULL);
		if (status < 0)
			return;
		got += status == WSD_OK ? n : 0;
		for (unsigned e = 0; e < wsd_engine_count(); e++)
			wsd_engine_poll(wsd_engine_at(e));
	}
}

static bool settled(struct end *c)
{
	return !end_state_is(c, WSD_STREAM_CONNECTING);
}

static void with_client(struct server *sv, struct end *c)
{
	struct end a = { 0 };
	bool accepted = false;

	WAIT_FOR(settled(c));
	server_lock(sv);
	if (wsd_listener_pending(sv->listener)) {
		wsd_mutex_init(&a.mutex);
		accepted = wsd_listener_accept(sv->listener, &end_ops, &a, &a.stream) == WSD_OK;
	}
	server_unlock(sv, NULL);
	if (accepted) {
		if (end_state_is(c, WSD_STREAM_OPEN))
			move_some(c, &a);
		end_close(&a, false);
		end_close(c, false);
		end_free(&a);
	} else {
		end_close(c, false);
	}
	end_free(c);
}

static void scenario(void)
{
	struct wsd_listener_options options = { .backlog = 4 };
	struct wsd_stream_options connect = { .connect_timeout = 300000000ull };
	struct wsd_addr at = loopback(next_port++), local = loopback(next_port++);
	struct wsd_listener_end end = { .local = at, .socket = -1 };
	struct server sv = { 0 };
	struct end c = { 0 };
	enum wsd_status status;
	char *reasons;

	wsd_mutex_init(&sv.mutex);
	if (wsd_listener_open(&sv.listener, &server_ops, &sv, &end, 1, &options) != WSD_OK) {
		wsd_mutex_fini(&sv.mutex);
		return;
	}
	wsd_mutex_init(&c.mutex);
	end_lock(&c);
	status = wsd_stream_connect(&c.stream, &end_ops, &c, &local, &at, &connect, &reasons);
	wsd_free(reasons);
	end_unlock(&c, NULL);
	if (status == WSD_PENDING) {
		wsd_stream_kick(c.stream);
		with_client(&sv, &c);
	} else {
		assert_int_equal(status, WSD_ENOMEM);
	}
	server_close(&sv);
}

static bool nothing_left(uint64_t before)
{
	return wsd_alloc_live() <= before;
}

static void every_allocation_may_fail(void **state)
{
	unsigned n, failures = 0;

	(void)state;
	scenario(); /* what is made once and kept */
	for (n = 1; n < MOST; n++) {
		uint64_t before = wsd_alloc_live();

		wsd_alloc_fail_nth(n);
		scenario();
		if (!wsd_alloc_failed())
			break;
		failures++;
		wsd_alloc_fail_nth(0);
		WAIT_FOR(nothing_left(before));
	}
	wsd_alloc_fail_nth(0);
	print_message("%u allocations failed, one at a time\n", failures);
	assert_true(failures >= 5);
	assert_true(n < MOST);
	scenario();
}

static int start(void **state)
{
	(void)state;
	return wsd_engines_start() == WSD_OK && wsd_engine_count() > 0 ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	wsd_engines_stop();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };

	if (argc < 2) {
		fprintf(stderr, "usage: test_session_alloc BACKEND\n");
		return 2;
	}
	setenv("WSD_BACKENDS", argv[1], 1);
	next_port = os_port_range();
	test_deadline(100);
	return cmocka_run_group_tests(tests, start, stop);
}

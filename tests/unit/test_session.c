// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session.c - two streams of one process over a real engine: `test_session BACKEND`.
 * Everything is driven through the public functions of stream.h, as the socket layer does.
 */
#include "tests/unit/session_pair.h"

/* --- tests --- */

static void bytes_cross_both_ways(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	transfer(&c, &a, 1, 1, 64);
	transfer(&a, &c, 100, 1, 7);
	transfer(&c, &a, 50000, 64, 4096);
	transfer(&a, &c, 50000, 1000, 333);
	close_both(&sv, &c, &a);
}

static void rings_grow_and_stay_exact(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	transfer(&c, &a, 4u << 20, 70001, 65536);
	transfer(&a, &c, 1u << 20, 1u << 20, 1013);
	close_both(&sv, &c, &a);
}

static void half_close_then_the_other_way(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	end_lock(&c);
	assert_int_equal(wsd_stream_shutdown_send(c.stream), WSD_OK);
	end_unlock(&c, NULL);
	WAIT_FOR(read_becomes(&a, WSD_EOF));
	transfer(&a, &c, 10000, 500, 900);
	close_both(&sv, &c, &a);
}

static void data_written_before_close_arrives(void **state)
{
	struct server sv;
	struct end c, a;
	uint8_t byte = 0;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (unsigned i = 0; i < 200; i++) {
		byte = (uint8_t)i;
		WAIT_FOR(write_one(&c, byte) == WSD_OK);
	}
	end_close(&c, false);
	for (unsigned i = 0; i < 200; i++) {
		WAIT_FOR(read_one(&a, &byte) == WSD_OK);
		assert_int_equal(byte, i);
	}
	WAIT_FOR(read_becomes(&a, WSD_EOF));
	end_close(&a, false);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
}

static void close_with_unread_data_resets(void **state)
{
	struct server sv;
	struct end c, a;
	uint8_t byte = 7;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	WAIT_FOR(write_one(&c, byte) == WSD_OK);
	WAIT_FOR(a.changes & WSD_CHANGE_READABLE);
	end_close(&a, false);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_RESET));
	assert_int_equal(read_one(&c, &byte), WSD_ERESET);
	end_close(&c, false);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
}

static void abort_resets_the_peer(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	end_close(&c, true);
	WAIT_FOR(read_becomes(&a, WSD_ERESET));
	end_close(&a, false);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
}

static void nobody_listens(void **state)
{
	struct wsd_addr to = loopback(next_port++);
	struct end c;
	enum wsd_status error;

	(void)state;
	client_start(&c, &to, 0);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_FAILED));
	end_lock(&c);
	error = wsd_stream_error(c.stream);
	end_unlock(&c, NULL);
	assert_true(error == WSD_ENOLISTENER || error == WSD_EREFUSED);
	end_close(&c, false);
	end_free(&c);
}

static void full_backlog_refuses(void **state)
{
	struct server sv;
	struct wsd_addr at;
	struct end c[2];
	enum wsd_status error;

	(void)state;
	server_open(&sv, &at, 1, false);
	client_start(&c[0], &at, 0);
	WAIT_FOR(server_pending(&sv));
	client_start(&c[1], &at, 0);
	WAIT_FOR(end_state_is(&c[1], WSD_STREAM_FAILED));
	end_lock(&c[1]);
	error = wsd_stream_error(c[1].stream);
	end_unlock(&c[1], NULL);
	assert_int_equal(error, WSD_EREFUSED);
	server_close(&sv); /* resets the one in the queue */
	WAIT_FOR(end_state_is(&c[0], WSD_STREAM_RESET));
	for (unsigned i = 0; i < 2; i++) {
		end_close(&c[i], false);
		end_free(&c[i]);
	}
}

static void conditional_accept_waits_and_rejects(void **state)
{
	struct server sv;
	struct wsd_addr at;
	struct end c, a;

	(void)state;
	server_open(&sv, &at, 4, true);
	client_start(&c, &at, 0);
	WAIT_FOR(server_pending(&sv));
	assert_true(end_state_is(&c, WSD_STREAM_CONNECTING));
	server_accept(&sv, &a);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_OPEN));
	transfer(&c, &a, 300, 100, 100);
	end_close(&c, false);
	end_close(&a, false);
	end_free(&c);
	end_free(&a);

	client_start(&c, &at, 0);
	WAIT_FOR(server_pending(&sv));
	server_lock(&sv);
	wsd_listener_reject(sv.listener);
	server_unlock(&sv, NULL);
	wsd_listener_kick(sv.listener);
	WAIT_FOR(end_state_is(&c, WSD_STREAM_FAILED));
	end_lock(&c);
	assert_int_equal(wsd_stream_error(c.stream), WSD_EREFUSED);
	end_unlock(&c, NULL);
	end_close(&c, false);
	end_free(&c);
	server_close(&sv);
}

static bool urgent_here(struct end *e)
{
	bool pending;

	end_lock(e);
	pending = wsd_stream_urgent_pending(e->stream);
	end_unlock(e, NULL);
	return pending;
}

/* Also while each write finds a credit: a background thread that gives them back would not let them end. */
static void a_sender_looks_after_every_sixteenth_write(void **state)
{
	struct server sv;
	struct end c, a;
	unsigned looks = 0, i;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (i = 0; i < 48; i++) {
		WAIT_FOR(write_one(&c, (uint8_t)i) == WSD_OK);
		WAIT_FOR(read_becomes(&a, WSD_OK));
		end_lock(&c);
		looks += wsd_stream_take_look(c.stream);
		end_unlock(&c, NULL);
	}
	assert_int_equal(looks, 3);
	close_both(&sv, &c, &a);
}

static void urgent_byte_and_its_mark(void **state)
{
	struct server sv;
	struct end c, a;
	uint8_t text[8] = "abcd", byte = 0;
	struct wsd_iovec iov = { text, 2 };
	size_t n = 0;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	end_lock(&c);
	assert_int_equal(wsd_stream_write(c.stream, &iov, 1, 0, &n), WSD_OK);
	assert_int_equal(n, 2);
	assert_int_equal(wsd_stream_write_urgent(c.stream, '!'), WSD_OK);
	iov.base = text + 2;
	assert_int_equal(wsd_stream_write(c.stream, &iov, 1, 0, &n), WSD_OK);
	end_unlock(&c, NULL);
	WAIT_FOR(urgent_here(&a));
	WAIT_FOR(a.changes & WSD_CHANGE_READABLE);
	end_lock(&a);
	iov = (struct wsd_iovec){ text, sizeof(text) };
	assert_int_equal(wsd_stream_read(a.stream, &iov, 1, 0, NULL, &n), WSD_OK);
	assert_int_equal(n, 2); /* never across the mark */
	assert_int_equal(wsd_stream_read_urgent(a.stream, true, &byte), WSD_OK);
	assert_int_equal(byte, '!');
	assert_int_equal(wsd_stream_read_urgent(a.stream, false, &byte), WSD_OK);
	assert_int_equal(wsd_stream_read_urgent(a.stream, false, &byte), WSD_AGAIN);
	end_unlock(&a, NULL);
	WAIT_FOR(read_one(&a, &byte) == WSD_OK);
	assert_int_equal(byte, 'c');
	assert_int_equal(read_one(&a, &byte), WSD_OK);
	close_both(&sv, &c, &a);
}

static bool urgent_goes(struct end *e, uint8_t byte)
{
	enum wsd_status status;

	end_lock(e);
	status = wsd_stream_write_urgent(e->stream, byte);
	end_unlock(e, NULL);
	assert_true(status == WSD_OK || status == WSD_AGAIN);
	return status == WSD_OK;
}

/* The marks that the reader has gone across take no room, though it has not said so before. */
static void urgent_room_is_told_to_a_silent_readers_peer(void **state)
{
	struct server sv;
	struct end c, a;
	uint8_t byte = 0;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (unsigned i = 0; i < 9; i++) {
		WAIT_FOR(urgent_goes(&c, (uint8_t)i));
		WAIT_FOR(urgent_here(&a));
		end_lock(&a);
		assert_int_equal(wsd_stream_read_urgent(a.stream, false, &byte), WSD_OK);
		end_unlock(&a, NULL);
		assert_int_equal(byte, i);
		if (i == 7) /* the reader cannot go across this one: nothing comes behind it */
			continue;
		assert_int_equal(write_one(&c, 'n'), WSD_OK);
		WAIT_FOR(read_one(&a, &byte) == WSD_OK);
	}
	close_both(&sv, &c, &a);
}

/* One write, and all that arrives of it at once. False: there was no room for any. */
static bool write_comes_whole(struct end *from, struct end *to, const struct wsd_iovec *iov,
			      unsigned count)
{
	uint8_t bytes[2048];
	struct wsd_iovec in = { bytes, sizeof(bytes) };
	uint64_t until = wsd_clock_ns() + DEADLINE_NS;
	size_t sent = 0, seen = 0, n = 0;
	enum wsd_status status;

	end_lock(from);
	status = wsd_stream_write(from->stream, iov, count, 0, &sent);
	end_unlock(from, NULL);
	if (status != WSD_OK)
		return false;
	while (seen == 0) {
		assert_true(wsd_clock_ns() < until);
		for (unsigned i = 0; i < wsd_engine_count(); i++)
			wsd_engine_poll(wsd_engine_at(i));
		end_lock(to);
		seen = wsd_stream_readable(to->stream);
		end_unlock(to, NULL);
	}
	assert_int_equal(seen, sent);
	end_lock(to);
	assert_int_equal(wsd_stream_read(to->stream, &in, 1, 0, NULL, &n), WSD_OK);
	end_unlock(to, NULL);
	assert_int_equal(n, sent);
	return true;
}

/* In messages before there is a ring, at the switch to one, and where the ring wraps. */
static void a_small_write_comes_whole(void **state)
{
	uint8_t bytes[700] = { 0 };
	struct wsd_iovec iov = { bytes, sizeof(bytes) };
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (unsigned i = 0; i < 400; i++)
		WAIT_FOR(write_comes_whole(&c, &a, &iov, 1));
	close_both(&sv, &c, &a);
}

/* More elements than the peer has receives for, so that over some devices the write ends in the middle. What was taken
 * is seen, though nothing comes behind it. */
static void a_write_without_receives_for_its_end_is_seen(void **state)
{
	uint8_t bytes[1500] = { 0 };
	struct wsd_iovec iov[1500];
	struct server sv;
	struct end c, a;

	(void)state;
	for (unsigned i = 0; i < 1500; i++)
		iov[i] = (struct wsd_iovec){ bytes + i, 1 };
	pair(&sv, &c, &a, UINT32_MAX);
	assert_true(write_comes_whole(&c, &a, iov, 1500));
	close_both(&sv, &c, &a);
}

static bool fill(struct end *e)
{
	uint8_t bytes[1024] = { 0 };
	struct wsd_iovec iov = { bytes, sizeof(bytes) };
	size_t n = 0;
	bool full;

	end_lock(e);
	while (wsd_stream_writable(e->stream) &&
	       wsd_stream_write(e->stream, &iov, 1, 0, &n) == WSD_OK)
		assert_int_equal(n, sizeof(bytes));
	full = !wsd_stream_writable(e->stream);
	e->changes = 0;
	wsd_stream_watch(e->stream);
	end_unlock(e, NULL);
	return full;
}

static bool told_of_room(struct end *reader, struct end *writer)
{
	uint8_t bytes[1024];
	struct wsd_iovec iov = { bytes, sizeof(bytes) };
	bool told;
	size_t n;

	end_lock(reader);
	while (wsd_stream_read(reader->stream, &iov, 1, 0, NULL, &n) == WSD_OK)
		;
	end_unlock(reader, NULL);
	end_lock(writer);
	told = (writer->changes & WSD_CHANGE_WRITABLE) != 0 && wsd_stream_writable(writer->stream);
	end_unlock(writer, NULL);
	return told;
}

/* Each write is taken whole, the last one with the last room: as select has it, which then waits for more. */
static void who_filled_the_window_exactly_is_told_of_room(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (unsigned i = 0; i < 4; i++) {
		WAIT_FOR(fill(&c));
		WAIT_FOR(told_of_room(&a, &c));
	}
	close_both(&sv, &c, &a);
}

/* All that a write takes before it finds no room. False: no room either, though the engines have not run since. */
static bool write_all_room(struct end *e)
{
	uint8_t bytes[1024] = { 0 };
	struct wsd_iovec iov = { bytes, sizeof(bytes) };
	bool wrote = false;
	size_t n = 0;

	end_lock(e);
	while (wsd_stream_write(e->stream, &iov, 1, 0, &n) == WSD_OK)
		wrote = true;
	e->changes = 0;
	end_unlock(e, NULL);
	return wrote;
}

static bool room_comes(struct end *e)
{
	bool comes;

	end_lock(e);
	comes = wsd_stream_room_comes(e->stream);
	end_unlock(e, NULL);
	return comes;
}

/* No write hears that there is no room and that none is to come, and finds some later: of peers, and of devices that
 * are behind. */
static void room_without_a_reader_is_foretold(void **state)
{
	struct server sv;
	struct end c, a;
	uint64_t until;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	WAIT_FOR(write_all_room(&c));
	assert_true(room_comes(&c)); /* the first window is full */
	do {
		WAIT_FOR(write_all_room(&c));
	} while (room_comes(&c));
	until = wsd_clock_ns() + 50000000;
	while (wsd_clock_ns() < until) {
		(void)wsd_engine_wait(NULL, 0, always_false, NULL, wsd_clock_ns() + 100000,
				      wsd_waker_self());
		assert_false(write_all_room(&c));
	}
	close_both(&sv, &c, &a);
}

/* Traffic for several grants of a larger ring, with the memory for one of them refused each time. */
static void a_ring_that_was_not_made_costs_no_budget(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	setenv("WSD_RING_MEMORY", "1", 1);
	pair(&sv, &c, &a, UINT32_MAX);
	transfer(&c, &a, 200000, 1000, 5000); /* the first ring */
	for (unsigned i = 0; i < 8; i++) {
		wsd_alloc_fail_nth(1);
		for (unsigned n = 0; n < 40 && !wsd_alloc_failed(); n++)
			transfer(&c, &a, 32768, 32768, 65536);
		assert_true(wsd_alloc_failed());
		wsd_alloc_fail_nth(0);
	}
	transfer(&c, &a, 800000, 65536, 65536);
	assert_true(window(&c, &a) > 65536);
	unsetenv("WSD_RING_MEMORY");
	close_both(&sv, &c, &a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_cross_both_ways),
		cmocka_unit_test(rings_grow_and_stay_exact),
		cmocka_unit_test(half_close_then_the_other_way),
		cmocka_unit_test(a_sender_looks_after_every_sixteenth_write),
		cmocka_unit_test(data_written_before_close_arrives),
		cmocka_unit_test(close_with_unread_data_resets),
		cmocka_unit_test(abort_resets_the_peer),
		cmocka_unit_test(nobody_listens),
		cmocka_unit_test(full_backlog_refuses),
		cmocka_unit_test(conditional_accept_waits_and_rejects),
		cmocka_unit_test(urgent_byte_and_its_mark),
		cmocka_unit_test(urgent_room_is_told_to_a_silent_readers_peer),
		cmocka_unit_test(a_small_write_comes_whole),
		cmocka_unit_test(a_write_without_receives_for_its_end_is_seen),
		cmocka_unit_test(who_filled_the_window_exactly_is_told_of_room),
		cmocka_unit_test(room_without_a_reader_is_foretold),
		cmocka_unit_test(a_ring_that_was_not_made_costs_no_budget),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: test_session BACKEND [ipv6]\n");
		return 2;
	}
	setenv("WSD_BACKENDS", argv[1], 1);
	family_ipv6 = argc > 2;
	next_port = os_port_range();
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_move.c - hand-over of one end of a stream, from one owner to another in the same process:
 * `test_session_move BACKEND`.
 */
#include "tests/unit/session_pair.h"

#include "provider/transport/resume.h"
#include "provider/transport/unanswered.h"

/* What one process would give to the next. */
struct parcel {
	struct wsd_stream_image image;
	uint8_t *unread;
};

static bool is_suspended(struct end *e)
{
	bool is;

	end_lock(e);
	is = wsd_stream_suspended(e->stream);
	end_unlock(e, NULL);
	return is;
}

static enum wsd_status suspend(struct end *e)
{
	enum wsd_status status;

	end_lock(e);
	status = wsd_stream_suspend(e->stream);
	end_unlock(e, NULL);
	wsd_stream_kick(e->stream);
	return status;
}

static struct parcel export(struct end *e)
{
	struct parcel p;

	end_lock(e);
	p.unread = malloc(wsd_stream_unread(e->stream) + 1);
	wsd_stream_export(e->stream, &p.image, p.unread);
	end_unlock(e, NULL);
	end_close(e, true);
	end_free(e);
	return p;
}

/* Not while the other end's hand-over is being settled here. */
static bool suspends(struct end *e)
{
	enum wsd_status status = suspend(e);

	assert_true(status == WSD_PENDING || status == WSD_AGAIN);
	return status == WSD_PENDING;
}

static struct parcel give(struct end *e)
{
	WAIT_FOR(suspends(e));
	WAIT_FOR(is_suspended(e));
	return export(e);
}

static void take(struct end *e, struct parcel *p, enum wsd_stream_state becomes)
{
	enum wsd_status status;

	memset(e, 0, sizeof(*e));
	wsd_mutex_init(&e->mutex);
	end_lock(e);
	status = wsd_stream_import(&e->stream, &end_ops, e, &p->image, p->unread);
	end_unlock(e, NULL);
	assert_int_equal(status, WSD_PENDING);
	wsd_stream_kick(e->stream);
	WAIT_FOR(end_state_is(e, becomes));
	free(p->unread);
}

static void move(struct end *e)
{
	struct parcel p = give(e);

	take(e, &p, WSD_STREAM_OPEN);
}

/* --- tests --- */

static void either_end_goes_on(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	move(&c);
	transfer(&c, &a, 100, 10, 64);
	transfer(&a, &c, 100, 10, 64);
	move(&a);
	transfer(&c, &a, 300000, 5000, 4096);
	transfer(&a, &c, 300000, 5000, 4096);
	for (unsigned i = 0; i < 20; i++) {
		move(i & 1 ? &c : &a);
		transfer(&c, &a, 100000, 5000, 4096);
		transfer(&a, &c, 100000, 5000, 4096);
	}
	close_both(&sv, &c, &a);
}

#define PATIENCE_NS 300000000ull

/* Fill what the peer takes without reading: it is unread at both ends when one goes. */
static size_t fill(struct end *e, size_t most)
{
	uint8_t bytes[997];
	uint64_t moved = wsd_clock_ns();
	size_t sent = 0, n;

	/* Another thread may have an engine for a while. */
	for (unsigned idle = 0;
	     sent < most && (idle < 50 || wsd_clock_ns() - moved < PATIENCE_NS);) {
		struct wsd_iovec iov = { bytes, sizeof(bytes) };
		enum wsd_status status;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = pattern(sent + i);
		end_lock(e);
		status = wsd_stream_write(e->stream, &iov, 1, 0, &n);
		end_unlock(e, NULL);
		sent += status == WSD_OK ? n : 0;
		idle = status == WSD_OK ? 0 : idle + 1;
		if (status == WSD_OK)
			moved = wsd_clock_ns();
		for (unsigned i = 0; i < wsd_engine_count(); i++)
			wsd_engine_poll(wsd_engine_at(i));
	}
	return sent;
}

static void drain(struct end *e, size_t total)
{
	for (size_t got = 0; got < total; got++) {
		uint8_t byte = 0;

		WAIT_FOR(read_one(e, &byte) == WSD_OK);
		assert_int_equal(byte, pattern(got));
	}
}

static void unread_bytes_travel(void **state)
{
	struct server sv;
	struct end c, a;
	size_t to_a, to_c;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	transfer(&c, &a, 500000, 5000, 4096); /* there are rings */
	to_a = fill(&c, 200000);
	to_c = fill(&a, 1000);
	assert_true(to_a > 60000 && to_c >= 1000);
	move(&a);
	move(&c);
	move(&a);
	drain(&a, to_a);
	drain(&c, to_c);
	transfer(&c, &a, 500000, 5000, 4096);
	close_both(&sv, &c, &a);
}

static void the_end_of_a_half_travels(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	assert_true(fill(&c, 997) == 997);
	end_lock(&c);
	assert_int_equal(wsd_stream_shutdown_send(c.stream), WSD_OK);
	end_unlock(&c, NULL);
	move(&c);
	assert_int_equal(write_one(&c, 1), WSD_ESTATE);
	move(&a);
	drain(&a, 997);
	WAIT_FOR(read_becomes(&a, WSD_EOF));
	transfer(&a, &c, 10000, 500, 900);
	close_both(&sv, &c, &a);
}

static void both_ends_at_once(void **state)
{
	struct server sv;
	struct end c, a;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	for (unsigned i = 0; i < 10; i++) {
		struct parcel p;
		struct end *first;

		(void)suspend(&c);
		(void)suspend(&a);
		WAIT_FOR(is_suspended(&c) || is_suspended(&a));
		assert_false(is_suspended(&c) && is_suspended(&a));
		first = is_suspended(&c) ? &c : &a;
		p = export(first);
		take(first, &p, WSD_STREAM_OPEN);
		transfer(&c, &a, 1000, 100, 100);
		transfer(&a, &c, 1000, 100, 100);
	}
	close_both(&sv, &c, &a);
}

static void a_wrong_secret_is_refused(void **state)
{
	struct parcel p, forged;
	struct server sv;
	struct end c, a, thief;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	p = give(&c);
	forged = p;
	forged.image.secret[15] ^= 1;
	forged.unread = malloc(1);
	take(&thief, &forged, WSD_STREAM_RESET);
	end_close(&thief, true);
	end_free(&thief);
	take(&c, &p, WSD_STREAM_OPEN); /* the right one still fits */
	transfer(&c, &a, 1000, 100, 100);
	close_both(&sv, &c, &a);
}

/* These wait for DUPLICATE_TIMEOUT; nothing else may meet it. */
static int short_limit(void **state)
{
	char ms[16];

	(void)state;
	snprintf(ms, sizeof(ms), "%u", 1500 * test_slow_factor());
	return setenv("WSD_DUPLICATE_TIMEOUT", ms, 1);
}

static int usual_limit(void **state)
{
	(void)state;
	return setenv("WSD_DUPLICATE_TIMEOUT", "30000", 1);
}

static void nobody_comes(void **state)
{
	struct server sv;
	struct end c, a;
	struct parcel p;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	p = give(&c);
	WAIT_FOR(end_state_is(&a, WSD_STREAM_RESET)); /* after DUPLICATE_TIMEOUT */
	take(&c, &p, WSD_STREAM_RESET);
	close_both(&sv, &c, &a);
}

/* A close that may take a minute does not wait longer for the next process than anybody else. */
static void nobody_comes_to_one_that_closes(void **state)
{
	struct server sv;
	struct end c, a;
	struct parcel p;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	p = give(&c);
	end_lock(&a);
	wsd_stream_close(a.stream, false, 60000000000ull);
	end_unlock(&a, NULL);
	wsd_stream_kick(a.stream);
	WAIT_FOR(end_dead(&a)); /* after DUPLICATE_TIMEOUT */
	end_free(&a);
	take(&c, &p, WSD_STREAM_RESET);
	end_close(&c, false);
	end_free(&c);
	server_close(&sv);
}

static void it_closes_while_it_waits(void **state)
{
	struct server sv;
	struct end c, a;
	struct parcel p;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	p = give(&c);
	end_close(&a, false);
	take(&c, &p, WSD_STREAM_OPEN);
	WAIT_FOR(read_becomes(&c, WSD_EOF));
	end_close(&c, false);
	end_free(&a);
	end_free(&c);
	server_close(&sv);
}

/* It tried no paths: that it was given up says nothing of its peer. */
static void closing_one_that_resumes_blames_nobody(void **state)
{
	struct server sv;
	struct wsd_addr remote;
	struct end c, a;
	struct parcel p;

	(void)state;
	pair(&sv, &c, &a, UINT32_MAX);
	p = give(&c);
	memset(&c, 0, sizeof(c));
	wsd_mutex_init(&c.mutex);
	end_lock(&c);
	assert_int_equal(wsd_stream_import(&c.stream, &end_ops, &c, &p.image, p.unread),
			 WSD_PENDING);
	wsd_stream_addresses(c.stream, NULL, &remote);
	end_unlock(&c, NULL);
	end_close(&c, false);
	end_free(&c);
	free(p.unread);
	assert_false(wsd_unanswered_known(wsd_engine_name(wsd_engine_at(0)), &remote));
	end_close(&a, true);
	end_free(&a);
	server_close(&sv);
}

static void an_image_that_lies_is_refused(void **state)
{
	static const struct wsd_stream_image good = { .port = 1, .path = "none" };
	struct wsd_stream_image bad[7];
	struct wsd_stream *stream;
	struct end e;

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].unread = 1;
	bad[1].unread = UINT32_MAX, bad[1].received = UINT64_MAX;
	bad[2].urgent_count = 9;
	bad[3].urgent_taken = 1;
	bad[4].port = 0;
	memset(bad[5].path, 'x', sizeof(bad[5].path));
	memset(bad[6].qos, 1, sizeof(bad[6].qos)); /* a rate of no service */
	strcpy(bad[6].path, wsd_engine_name(wsd_engine_at(0)));
	memset(&e, 0, sizeof(e));
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(wsd_stream_import(&stream, &end_ops, &e, &bad[i], NULL),
				 WSD_EINVAL);
	assert_int_equal(wsd_stream_import(&stream, &end_ops, &e, &good, NULL), WSD_EUNREACHABLE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_end_goes_on),
		cmocka_unit_test(unread_bytes_travel),
		cmocka_unit_test(the_end_of_a_half_travels),
		cmocka_unit_test(both_ends_at_once),
		cmocka_unit_test(a_wrong_secret_is_refused),
		cmocka_unit_test_setup_teardown(nobody_comes, short_limit, usual_limit),
		cmocka_unit_test_setup_teardown(nobody_comes_to_one_that_closes, short_limit,
						usual_limit),
		cmocka_unit_test(it_closes_while_it_waits),
		cmocka_unit_test(closing_one_that_resumes_blames_nobody),
		cmocka_unit_test(an_image_that_lies_is_refused),
	};

	test_deadline(120);
	if (argc > 1)
		setenv("WSD_BACKENDS", argv[1], 1);
	(void)usual_limit(NULL);
	next_port = os_port_range();
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

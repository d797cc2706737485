// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_loan.c - memory that a writer lends and a reader reads directly: `test_session_loan BACKEND`.
 */
#include "tests/unit/session_pair.h"

static bool loan_done(struct end *e, struct wsd_loan *loan)
{
	bool done;

	end_lock(e);
	done = loan->status != WSD_PENDING;
	end_unlock(e, NULL);
	return done;
}

static void a_loan_nobody_reads_directly_is_refused(void **state)
{
	struct server sv;
	struct end c, a;
	struct wsd_loan loan = { 0 };
	uint8_t *data = calloc(1, 200000);
	enum wsd_status status;

	(void)state;
	pair(&sv, &c, &a, 65536);
	transfer(&c, &a, 100000, 1000, 5000); /* there is a ring now */
	loan.data = (struct wsd_iovec){ data, 200000 };
	end_lock(&c);
	if (!wsd_stream_can_lend(c.stream, 200000)) {
		end_unlock(&c, NULL);
		print_message("this device cannot READ\n");
	} else {
		status = wsd_stream_lend(c.stream, &loan);
		end_unlock(&c, NULL);
		assert_int_equal(status, WSD_PENDING);
		WAIT_FOR(loan_done(&c, &loan));
		assert_int_equal(loan.status, WSD_AGAIN);
		assert_int_equal(loan.moved, 0);
	}
	transfer(&c, &a, 300000, 200000, 65536); /* the stream goes on */
	close_both(&sv, &c, &a);
	free(data);
}

static bool all_there(struct end *e)
{
	bool done;

	end_lock(e);
	done = e->want.length == 0;
	end_unlock(e, NULL);
	return done;
}

/* A receive is posted: the large buffer goes straight into it, then the stream goes on. */
static void a_loan_is_read_into_a_posted_receive(void **state)
{
	struct server sv;
	struct end c, a;
	struct wsd_loan loan = { 0 };
	size_t total = 3u << 20;
	uint8_t *from = malloc(total), *to = calloc(1, total);
	enum wsd_status status = WSD_AGAIN;

	(void)state;
	for (size_t i = 0; i < total; i++)
		from[i] = pattern(i);
	pair(&sv, &c, &a, 65536);
	transfer(&c, &a, 100000, 1000, 5000);
	end_lock(&a);
	a.want = (struct wsd_iovec){ to, total };
	end_unlock(&a, NULL);
	loan.data = (struct wsd_iovec){ from, total };
	end_lock(&c);
	if (wsd_stream_can_lend(c.stream, total))
		status = wsd_stream_lend(c.stream, &loan);
	end_unlock(&c, NULL);
	if (status == WSD_PENDING) {
		WAIT_FOR(loan_done(&c, &loan));
		WAIT_FOR(all_there(&a));
		assert_int_equal(loan.status, WSD_OK);
		assert_int_equal(loan.moved, total);
		assert_int_equal(a.got, total);
		assert_memory_equal(from, to, total);
	} else {
		print_message("this device cannot READ\n");
		end_lock(&a);
		a.want.length = 0;
		end_unlock(&a, NULL);
	}
	transfer(&c, &a, 50000, 5000, 5000);
	close_both(&sv, &c, &a);
	free(from);
	free(to);
}

static enum wsd_status said;

static void reader_speaks(struct end *e)
{
	char message[64] = "";
	struct wsd_iovec iov = { message, sizeof(message) };
	size_t n = 0;

	said = wsd_stream_write(e->stream, &iov, 1, 0, &n);
	if (said == WSD_OK && n < sizeof(message))
		said = WSD_AGAIN;
}

/* Full duplex: what the reader sends meanwhile does not wait until all has been read. */
static void a_reader_can_send(void **state)
{
	struct server sv;
	struct end c, a;
	struct wsd_loan loan = { 0 };
	size_t total = 3u << 20;
	uint8_t *from = calloc(1, total), *to = calloc(1, total), heard[64];
	enum wsd_status status = WSD_AGAIN;

	(void)state;
	pair(&sv, &c, &a, 65536);
	transfer(&c, &a, 100000, 1000, 5000);
	said = WSD_PENDING;
	end_lock(&a);
	a.want = (struct wsd_iovec){ to, total };
	a.reading = reader_speaks;
	end_unlock(&a, NULL);
	loan.data = (struct wsd_iovec){ from, total };
	end_lock(&c);
	c.want = (struct wsd_iovec){ heard, sizeof(heard) };
	if (wsd_stream_can_lend(c.stream, total))
		status = wsd_stream_lend(c.stream, &loan);
	end_unlock(&c, NULL);
	if (status == WSD_PENDING) {
		WAIT_FOR(loan_done(&c, &loan));
		assert_int_equal(said, WSD_OK);
		assert_int_equal(c.got, sizeof(heard)); /* it was there before the end */
	} else {
		print_message("this device cannot READ\n");
	}
	end_close(&a, true);
	end_close(&c, true);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
	free(from);
	free(to);
}

/* The peer vanishes while it reads: the lender gets its memory back with an error. */
static void a_loan_ends_with_the_connection(void **state)
{
	struct server sv;
	struct end c, a;
	struct wsd_loan loan = { 0 };
	uint8_t *from = calloc(1, 1u << 20);
	enum wsd_status status = WSD_AGAIN;

	(void)state;
	pair(&sv, &c, &a, 65536);
	transfer(&c, &a, 100000, 1000, 5000);
	loan.data = (struct wsd_iovec){ from, 1u << 20 };
	end_close(&a, true);
	end_lock(&c);
	if (wsd_stream_can_lend(c.stream, 1u << 20))
		status = wsd_stream_lend(c.stream, &loan);
	end_unlock(&c, NULL);
	if (status == WSD_PENDING) {
		WAIT_FOR(loan_done(&c, &loan));
		assert_int_not_equal(loan.status, WSD_OK);
	}
	WAIT_FOR(end_state_is(&c, WSD_STREAM_RESET));
	end_close(&c, false);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
	free(from);
}

static bool read_ended(struct end *e)
{
	bool ended;

	end_lock(e);
	ended = !e->reading && e->direct.status != WSD_PENDING;
	end_unlock(e, NULL);
	return ended;
}

/* The reader ends it in the middle: its memory is its own again, and soon. */
static void end_in_the_middle(void (*reading)(struct end *e))
{
	struct server sv;
	struct end c, a;
	struct wsd_loan loan = { 0 };
	size_t total = 3u << 20;
	uint8_t *from = calloc(1, total), *to = calloc(1, total);
	enum wsd_status status = WSD_AGAIN;

	pair(&sv, &c, &a, 65536);
	transfer(&c, &a, 100000, 1000, 5000);
	end_lock(&a);
	a.want = (struct wsd_iovec){ to, total };
	a.reading = reading;
	end_unlock(&a, NULL);
	loan.data = (struct wsd_iovec){ from, total };
	end_lock(&c);
	if (wsd_stream_can_lend(c.stream, total))
		status = wsd_stream_lend(c.stream, &loan);
	end_unlock(&c, NULL);
	if (status == WSD_PENDING) {
		WAIT_FOR(read_ended(&a));
		free(to);
		WAIT_FOR(loan_done(&c, &loan));
		assert_int_not_equal(loan.status, WSD_OK);
		to = NULL;
	} else {
		print_message("this device cannot READ\n");
	}
	end_lock(&a);
	a.want.length = 0;
	end_unlock(&a, NULL);
	end_close(&a, true);
	end_close(&c, false);
	end_free(&c);
	end_free(&a);
	server_close(&sv);
	free(from);
	free(to);
}

static void reader_shuts_down(struct end *e)
{
	e->want.length = 0;
	wsd_stream_shutdown_receive(e->stream);
}

static void reader_closes(struct end *e)
{
	e->want.length = 0;
	wsd_stream_close(e->stream, true, 0);
}

static void a_direct_read_ends_with_its_stream(void **state)
{
	(void)state;
	end_in_the_middle(reader_shuts_down);
	end_in_the_middle(reader_closes);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loan_nobody_reads_directly_is_refused),
		cmocka_unit_test(a_loan_is_read_into_a_posted_receive),
		cmocka_unit_test(a_reader_can_send),
		cmocka_unit_test(a_loan_ends_with_the_connection),
		cmocka_unit_test(a_direct_read_ends_with_its_stream),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: test_session_loan BACKEND\n");
		return 2;
	}
	setenv("WSD_BACKENDS", argv[1], 1);
	next_port = os_port_range();
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

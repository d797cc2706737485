/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session_pair.h - a server, a client and an accepted stream of one process, as the socket layer would
 * own them, for the programs that test provider/session.
 */
#ifndef WSD_TEST_SESSION_PAIR_H
#define WSD_TEST_SESSION_PAIR_H

#include <stdatomic.h>

#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/session/stream.h"
#include "provider/transport/engine.h"
#include "rdma_backend/base/base.h"
#include "tests/lib/os_port.h"

#define DEADLINE_NS \
	60000000000ull /* against what hangs: 4 MiB take 15 s in a ThreadSanitizer build on a busy machine */

struct end {
	struct wsd_mutex mutex;
	struct wsd_stream *stream;
	unsigned changes;
	bool dead;
	/* a posted receive: read directly when something is offered */
	struct wsd_iovec want;
	struct wsd_direct direct;
	size_t got;
	void (*reading)(struct end *e); /* once, in the middle of that */
};

struct server {
	struct wsd_mutex mutex;
	struct wsd_listener *listener;
	unsigned arrived; /* how often that was told */
	bool gone;
};

static uint16_t next_port = 21000;
static unsigned family_ipv6;

static inline void end_lock(void *owner)
{
	wsd_mutex_lock(&((struct end *)owner)->mutex);
}

static inline void end_unlock(void *owner, struct wsd_engine *engine)
{
	(void)engine;
	wsd_mutex_unlock(&((struct end *)owner)->mutex);
}

/* What the socket layer does for an overlapped receive: copy what is there, else read directly. */
static inline void end_serve(struct end *e)
{
	size_t n = 0;

	if (e->direct.status == WSD_PENDING)
		return;
	e->got += e->direct.moved;
	e->want.base = (char *)e->want.base + e->direct.moved;
	e->want.length -= e->direct.moved;
	e->direct.moved = 0;
	while (e->want.length > 0 &&
	       wsd_stream_read(e->stream, &e->want, 1, WSD_READ_DIRECT, &e->direct, &n) == WSD_OK) {
		e->got += n;
		e->want.base = (char *)e->want.base + n;
		e->want.length -= n;
	}
}

static inline void end_changed(void *owner, unsigned changes)
{
	struct end *e = owner;

	e->changes |= changes;
	if (changes & WSD_CHANGE_DEAD)
		e->dead = true;
	if (e->want.length > 0)
		end_serve(e);
	if (e->reading && e->direct.status == WSD_PENDING) {
		void (*reading)(struct end *) = e->reading;

		e->reading = NULL;
		reading(e);
	}
}

static const struct wsd_stream_owner end_ops = {
	.lock = end_lock,
	.unlock = end_unlock,
	.changed = end_changed,
};

static inline void server_lock(void *owner)
{
	wsd_mutex_lock(&((struct server *)owner)->mutex);
}

static inline void server_unlock(void *owner, struct wsd_engine *engine)
{
	(void)engine;
	wsd_mutex_unlock(&((struct server *)owner)->mutex);
}

static inline void server_arrived(void *owner)
{
	((struct server *)owner)->arrived++;
}

static inline void server_gone(void *owner)
{
	((struct server *)owner)->gone = true;
}

static inline unsigned server_wanted(void *owner)
{
	(void)owner;
	return 1;
}

static const struct wsd_listener_owner server_ops = { server_lock, server_unlock, server_arrived,
						      server_gone, server_wanted };

/* Wait by driving the engines until the expression holds; fail the test at the deadline. */
static inline bool always_false(void *arg)
{
	(void)arg;
	return false;
}

#ifndef WAIT_FOR /* a test may have a clock of its own */
#define WAIT_FOR(expression)                                                              \
	do {                                                                              \
		uint64_t until_ = wsd_clock_ns() + DEADLINE_NS;                           \
		while (!(expression)) {                                                   \
			assert_true(wsd_clock_ns() < until_);                             \
			(void)wsd_engine_wait(NULL, 0, always_false, NULL,                \
					      wsd_clock_ns() + 100000, wsd_waker_self()); \
		}                                                                         \
	} while (0)
#endif

static inline bool end_state_is(struct end *e, enum wsd_stream_state state)
{
	bool is;

	end_lock(e);
	is = wsd_stream_state(e->stream) == state;
	end_unlock(e, NULL);
	return is;
}

static inline bool end_dead(struct end *e)
{
	bool dead;

	end_lock(e);
	dead = e->dead;
	end_unlock(e, NULL);
	return dead;
}

static inline struct wsd_addr loopback(uint16_t port)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV4,
				 .port = port,
				 .bytes = { 127, 0, 0, 1 } };

	if (family_ipv6) {
		memset(addr.bytes, 0, sizeof(addr.bytes));
		addr.family = WSD_FAMILY_IPV6;
		addr.bytes[15] = 1;
	}
	return addr;
}

static inline void server_open(struct server *sv, struct wsd_addr *at, unsigned backlog,
			       bool conditional)
{
	struct wsd_listener_options options = { .backlog = backlog, .conditional = conditional };
	struct wsd_listener_end end = { .socket = -1 };

	memset(sv, 0, sizeof(*sv));
	wsd_mutex_init(&sv->mutex);
	*at = loopback(next_port++);
	end.local = *at;
	assert_int_equal(wsd_listener_open(&sv->listener, &server_ops, sv, &end, 1, &options),
			 WSD_OK);
}

static inline bool server_is_gone(struct server *sv)
{
	bool gone;

	server_lock(sv);
	gone = sv->gone;
	server_unlock(sv, NULL);
	return gone;
}

static inline void server_close(struct server *sv)
{
	server_lock(sv);
	wsd_listener_close(sv->listener);
	server_unlock(sv, NULL);
	wsd_listener_kick(sv->listener);
	WAIT_FOR(server_is_gone(sv));
	wsd_listener_free(sv->listener);
	wsd_mutex_fini(&sv->mutex);
}

static inline bool server_pending(struct server *sv)
{
	unsigned n;

	server_lock(sv);
	n = wsd_listener_pending(sv->listener);
	server_unlock(sv, NULL);
	return n > 0;
}

static inline void client_start(struct end *c, const struct wsd_addr *to, uint32_t zcopy_min)
{
	struct wsd_stream_options options = { .connect_timeout = 5000000000ull,
					      .zcopy_min = zcopy_min };
	struct wsd_addr local = loopback(next_port++);
	enum wsd_status status;
	char *reasons;

	memset(c, 0, sizeof(*c));
	wsd_mutex_init(&c->mutex);
	end_lock(c);
	status = wsd_stream_connect(&c->stream, &end_ops, c, &local, to, &options, &reasons);
	wsd_free(reasons);
	end_unlock(c, NULL);
	assert_int_equal(status, WSD_PENDING);
	wsd_stream_kick(c->stream);
}

static inline void server_accept(struct server *sv, struct end *a)
{
	enum wsd_status status;

	WAIT_FOR(server_pending(sv));
	memset(a, 0, sizeof(*a));
	wsd_mutex_init(&a->mutex);
	server_lock(sv);
	status = wsd_listener_accept(sv->listener, &end_ops, a, &a->stream);
	server_unlock(sv, NULL);
	assert_int_equal(status, WSD_OK);
	wsd_stream_kick(a->stream);
	WAIT_FOR(end_state_is(a, WSD_STREAM_OPEN));
}

static inline void pair(struct server *sv, struct end *c, struct end *a, uint32_t zcopy_min)
{
	struct wsd_addr at;

	server_open(sv, &at, 8, false);
	client_start(c, &at, zcopy_min);
	server_accept(sv, a);
	WAIT_FOR(end_state_is(c, WSD_STREAM_OPEN));
}

static inline void end_close(struct end *e, bool abort)
{
	end_lock(e);
	wsd_stream_close(e->stream, abort, 3000000000ull);
	end_unlock(e, NULL);
	wsd_stream_kick(e->stream);
}

static inline void end_free(struct end *e)
{
	WAIT_FOR(end_dead(e));
	wsd_stream_free(e->stream);
	wsd_mutex_fini(&e->mutex);
}

static inline void close_both(struct server *sv, struct end *c, struct end *a)
{
	end_close(c, false);
	end_close(a, false);
	end_free(c);
	end_free(a);
	server_close(sv);
}

static inline uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

/* Move total bytes in pieces of the given size; the reader checks every one. */
static inline void transfer(struct end *from, struct end *to, size_t total, size_t piece,
			    size_t read_piece)
{
	uint8_t *out = malloc(piece), *in = malloc(read_piece);
	size_t sent = 0, got = 0;
	uint64_t until = wsd_clock_ns() + DEADLINE_NS;

	while (got < total) {
		struct wsd_iovec iov;
		enum wsd_status status;
		size_t n = 0;

		assert_true(wsd_clock_ns() < until);
		if (sent < total) {
			size_t want = total - sent < piece ? total - sent : piece;

			for (size_t i = 0; i < want; i++)
				out[i] = pattern(sent + i);
			iov = (struct wsd_iovec){ out, want };
			end_lock(from);
			status = wsd_stream_write(from->stream, &iov, 1, 0, &n);
			end_unlock(from, NULL);
			assert_true(status == WSD_OK || status == WSD_AGAIN);
			sent += status == WSD_OK ? n : 0;
		}
		iov = (struct wsd_iovec){ in, read_piece };
		end_lock(to);
		status = wsd_stream_read(to->stream, &iov, 1, 0, NULL, &n);
		end_unlock(to, NULL);
		if (status == WSD_OK) {
			for (size_t i = 0; i < n; i++)
				if (in[i] != pattern(got + i))
					fail_msg("byte %zu differs", got + i);
			got += n;
		} else {
			assert_int_equal(status, WSD_AGAIN);
			for (unsigned i = 0; i < wsd_engine_count(); i++)
				wsd_engine_poll(wsd_engine_at(i));
		}
	}
	assert_int_equal(got, total);
	free(out);
	free(in);
}

static inline enum wsd_status read_one(struct end *e, uint8_t *byte)
{
	struct wsd_iovec iov = { byte, 1 };
	enum wsd_status status;
	size_t n = 0;

	end_lock(e);
	status = wsd_stream_read(e->stream, &iov, 1, 0, NULL, &n);
	end_unlock(e, NULL);
	return status;
}

static inline enum wsd_status write_one(struct end *e, uint8_t byte)
{
	struct wsd_iovec iov = { &byte, 1 };
	enum wsd_status status;
	size_t n = 0;

	end_lock(e);
	status = wsd_stream_write(e->stream, &iov, 1, 0, &n);
	end_unlock(e, NULL);
	return status;
}

static inline bool read_becomes(struct end *e, enum wsd_status wanted)
{
	uint8_t byte;

	return read_one(e, &byte) == wanted;
}

/* Bytes that a writer gets rid of while nobody reads: the window, which is the reader's ring. */
static inline size_t window(struct end *from, struct end *to)
{
	static uint8_t bytes[65536];
	struct wsd_iovec iov = { bytes, sizeof(bytes) };
	uint64_t until = wsd_clock_ns() + 200000000ull;
	size_t sum = 0, n;

	while (wsd_clock_ns() < until) {
		end_lock(from);
		if (wsd_stream_write(from->stream, &iov, 1, 0, &n) == WSD_OK)
			sum += n;
		end_unlock(from, NULL);
		(void)wsd_engine_wait(NULL, 0, always_false, NULL, wsd_clock_ns() + 100000,
				      wsd_waker_self());
	}
	end_lock(to);
	while (wsd_stream_read(to->stream, &iov, 1, 0, NULL, &n) == WSD_OK)
		;
	end_unlock(to, NULL);
	return sum;
}

/* What the programs of streams begin and end with. */
static inline int start_engines(void **state)
{
	(void)state;
	return wsd_engines_start() == WSD_OK && wsd_engine_count() > 0 ? 0 : -1;
}

static inline int stop_engines(void **state)
{
	(void)state;
	wsd_streams_drain(wsd_clock_ns() + DEADLINE_NS);
	wsd_engines_stop();
	return 0;
}

#endif

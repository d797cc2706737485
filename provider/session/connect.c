// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect.c - active open: the paths in the configured order within one deadline.
 *
 * Refused by the application or by a full backlog is final. No listener, not reachable, or a failure
 * of the path goes on to the next one; the reason for every path not taken is kept as text.
 */
#include "provider/session/internal.h"

#include "provider/transport/plain.h"

#define STANDARD_TIMEOUT_NS 21000000000ull

static bool start_path(struct wsd_stream *s)
{
	struct wsd_engine *engine = wsd_paths_next(&s->paths, &s->local, &s->remote);

	if (!engine)
		return false;
	s->carrier = wsd_engine_is_plain(engine) ? &wsd_plain_carrier : &wsd_message_carrier;
	atomic_store(&s->engine, engine);
	wsd_stream_do(s, WSD_DO_CONNECT);
	return true;
}

enum wsd_status wsd_stream_connect(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				   void *owner, const struct wsd_addr *local,
				   const struct wsd_addr *remote,
				   const struct wsd_stream_options *options, char **reasons)
{
	struct wsd_stream *s = wsd_stream_new(ops, owner);

	*reasons = NULL;
	if (!s)
		return WSD_ENOMEM;
	s->active = true;
	s->state = WSD_STREAM_CONNECTING;
	s->local = *local;
	s->remote = *remote;
	wsd_paths_begin(&s->paths, remote, true);
	s->options = *options;
	if (!s->options.connect_timeout)
		s->options.connect_timeout = STANDARD_TIMEOUT_NS;
	s->deadline = wsd_clock_ns() + s->options.connect_timeout;
	if (!start_path(s)) {
		enum wsd_status status = s->paths.best;

		*reasons = wsd_stream_take_reasons(s);
		wsd_stream_free(s);
		return status;
	}
	*stream = s;
	return WSD_PENDING;
}

enum wsd_status wsd_message_connect(struct wsd_stream *s, struct wsd_engine *engine, uint64_t left)
{
	uint8_t hello[WSD_HELLO_BYTES];
	enum wsd_status status = wsd_stream_setup(s, engine);

	if (status != WSD_OK)
		return status;
	wsd_stream_hello(s, hello);
	/* The engine's clock may be virtual: the timer is set on that one. */
	wsd_engine_set_timer(engine, &s->timer, wsd_engine_now(engine) + left);
	return s->backend->connect(s->endpoint, &s->local,
				   wsd_move_resumes(s) ? &s->moving->target : &s->remote, hello,
				   sizeof(hello), left);
}

/* By the owner of the engine of this path. */
void wsd_connect_run(struct wsd_stream *s, struct wsd_engine *engine)
{
	uint64_t now = wsd_clock_ns();
	enum wsd_status status = WSD_ETIMEDOUT;

	if (s->state != WSD_STREAM_CONNECTING)
		return;
	if (s->endpoint) { /* a failed attempt on the same engine */
		wsd_stream_drop(s);
	}
	if (now < s->deadline)
		status = s->carrier->connect(s, engine, s->deadline - now);
	if (status != WSD_OK && status != WSD_PENDING)
		wsd_connect_failed(s, status);
}

/* By the owner of the engine: this path did not work. */
void wsd_connect_failed(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	if (s->state != WSD_STREAM_CONNECTING)
		return;
	wsd_stream_drop(s);
	wsd_engine_set_timer(engine, &s->timer, 0);
	if (s->held)
		wsd_engine_release(engine);
	s->held = false;
	if (wsd_move_resumes(s)) { /* the peer did not wait: as a connection that was reset */
		s->moving->resumes = false;
		s->state = WSD_STREAM_RESET;
		s->error = WSD_ERESET;
		s->changes |= WSD_CHANGE_CONNECTED;
		return;
	}
	if (s->active)
		wsd_paths_failed(&s->paths, &s->remote, status);
	if (s->active && status != WSD_EREFUSED && wsd_clock_ns() < s->deadline && !s->closing &&
	    start_path(s)) {
		/* Another engine's task: its sleeping owner must hear of it. */
		if (atomic_load(&s->engine) != engine)
			wsd_host_table()->wake(atomic_load(&s->engine));
		return;
	}
	s->state = WSD_STREAM_FAILED;
	s->error = s->active ? s->paths.best : WSD_ERESET;
	s->changes |= WSD_CHANGE_CONNECTED;
}

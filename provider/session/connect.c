// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect.c - active open: the paths in the configured order within one deadline.
 *
 * Refused by the application or by a full backlog is final. No listener, not reachable, or a failure
 * of the path goes on to the next one; the reason for every path not taken is kept as text.
 */
#include "provider/session/internal.h"

#include <stdio.h>
#include <string.h>

#define STANDARD_TIMEOUT_NS 21000000000ull

static void note_reason(struct wsd_stream *s, const char *path, enum wsd_status status)
{
	size_t at;

	if (!s->reasons)
		s->reasons = wsd_alloc(WSD_REASON_BYTES);
	if (!s->reasons)
		return;
	at = strlen(s->reasons);
	snprintf(s->reasons + at, WSD_REASON_BYTES - at, "%s%s: %s (%d)", at ? "; " : "", path,
		 wsd_status_text(status), (int)status);
}

/* The failure that tells the program most: somebody refused > this path could not even be tried >
 * nobody listens > timed out > not reachable. */
static int weight(enum wsd_status status)
{
	switch ((int)status) {
	case WSD_EREFUSED:
		return 6;
	case WSD_ENOFILES:
	case WSD_ENOMEM:
		return 5;
	case WSD_ENOLISTENER:
		return 4;
	case WSD_ETIMEDOUT:
		return 3;
	case WSD_EUNREACHABLE:
		return 1;
	default:
		return 2;
	}
}

static bool start_path(struct wsd_stream *s)
{
	unsigned count = wsd_engine_count();

	for (; s->path < count; s->path++) {
		struct wsd_engine *engine = wsd_engine_at(s->path);
		enum wsd_status status;

		status = wsd_engine_ops(engine)->reachable(wsd_engine_device(engine), &s->local,
							   &s->remote);
		if (status == WSD_OK) {
			atomic_store(&s->engine, engine);
			wsd_stream_do(s, WSD_DO_CONNECT);
			return true;
		}
		note_reason(s, wsd_engine_name(engine), status);
		if (weight(status) > weight(s->best))
			s->best = status;
	}
	return false;
}

enum wsd_status wsd_stream_connect(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				   void *owner, const struct wsd_addr *local,
				   const struct wsd_addr *remote,
				   const struct wsd_stream_options *options)
{
	struct wsd_stream *s = wsd_stream_new(ops, owner);

	if (!s)
		return WSD_ENOMEM;
	s->active = true;
	s->state = WSD_STREAM_CONNECTING;
	s->best = WSD_EUNREACHABLE;
	s->local = *local;
	s->remote = *remote;
	s->options = *options;
	if (!s->options.connect_timeout)
		s->options.connect_timeout = STANDARD_TIMEOUT_NS;
	s->deadline = wsd_clock_ns() + s->options.connect_timeout;
	if (!start_path(s)) {
		enum wsd_status status = s->best;

		wsd_stream_free(s);
		return status;
	}
	*stream = s;
	return WSD_PENDING;
}

/* By the owner of the engine of this path. */
void wsd_connect_run(struct wsd_stream *s, struct wsd_engine *engine)
{
	uint8_t hello[WSD_HELLO_BYTES];
	uint64_t now = wsd_clock_ns();
	enum wsd_status status;

	if (s->state != WSD_STREAM_CONNECTING)
		return;
	if (s->endpoint) { /* a failed attempt on the same engine */
		wsd_stream_drop_endpoint(s);
	}
	status = now < s->deadline ? wsd_stream_setup(s, engine) : WSD_ETIMEDOUT;
	if (status == WSD_OK) {
		uint64_t left = s->deadline - now;

		wsd_stream_hello(s, hello);
		/* The engine's clock may be virtual: the timer is set on that one. */
		wsd_engine_set_timer(engine, &s->timer, wsd_engine_now(engine) + left);
		status = s->backend->connect(s->endpoint, &s->local, &s->remote, hello,
					     sizeof(hello), left);
	}
	if (status != WSD_OK && status != WSD_PENDING)
		wsd_connect_failed(s, status);
}

/* By the owner of the engine: this path did not work. */
void wsd_connect_failed(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	if (s->state != WSD_STREAM_CONNECTING)
		return;
	note_reason(s, wsd_engine_name(engine), status);
	if (weight(status) > weight(s->best))
		s->best = status;
	wsd_stream_drop_endpoint(s);
	wsd_engine_set_timer(engine, &s->timer, 0);
	if (s->held)
		wsd_engine_release(engine);
	s->held = false;
	s->path++;
	if (s->active && status != WSD_EREFUSED && wsd_clock_ns() < s->deadline && !s->closing &&
	    start_path(s)) {
		/* Another engine's task: its sleeping owner must hear of it. */
		if (atomic_load(&s->engine) != engine)
			wsd_host_table()->wake(atomic_load(&s->engine));
		return;
	}
	s->state = WSD_STREAM_FAILED;
	s->error = s->active ? s->best : WSD_ERESET;
	s->changes |= WSD_CHANGE_CONNECTED;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect.c - active open: the paths in the configured order within one deadline.
 *
 * Refused by the application or by a full backlog is final. No listener, not reachable, or a failure
 * of the path goes on to the next one; the reason for every path not taken is kept as text.
 *
 * A listener that several processes have changes hands when the one that listens for them goes, and nobody
 * listens at a device meanwhile. Where plain TCP is among the paths that serves. Where it is not, all paths are
 * tried again for a while.
 */
#include "provider/session/plain.h"

#include "provider/transport/os_port.h"
#include "provider/transport/plain.h"

#define STANDARD_TIMEOUT_NS 21000000000ull
/* Who has said nothing for so long may be behind a firewall that drops. */
#define SILENCE_NS 300000000ull
/* Between two tries at a listener that may be changing hands: 2 ms, and each time twice as long. */
#define AGAIN_FIRST_NS 2000000ull
#define AGAIN_MOST_NS  64000000ull

/* A message path: its engine's owner connects, by a port that is held. */
static enum wsd_status start_messages(struct wsd_stream *s)
{
	const struct wsd_stream_owner *ops = atomic_load(&s->ops);
	enum wsd_status status = WSD_OK;

	s->carrier = &wsd_message_carrier;
	if (ops->hold_port)
		status = ops->hold_port(atomic_load(&s->owner), false, &s->local);
	if (status == WSD_OK)
		wsd_stream_do(s, WSD_DO_CONNECT);
	return status;
}

/* The system connects, and needs none of our engines for it. */
static enum wsd_status start_plain(struct wsd_stream *s, struct wsd_engine *engine, uint64_t now)
{
	enum wsd_status status = WSD_ETIMEDOUT;

	s->carrier = &wsd_plain_carrier;
	if (now < s->deadline)
		status = wsd_plain_connect(s, engine, now);
	if (status == WSD_OK || status == WSD_PENDING)
		return WSD_OK;
	wsd_stream_drop(s);
	return status;
}

/* False: no path is left. */
static bool start_path(struct wsd_stream *s, uint64_t now)
{
	struct wsd_engine *engine;

	while ((engine = wsd_paths_next(&s->paths, &s->local, &s->remote)) != NULL) {
		enum wsd_status status;

		atomic_store(&s->engine, engine);
		s->since = now;
		status = wsd_engine_is_plain(engine) ? start_plain(s, engine, now)
						     : start_messages(s);
		if (status == WSD_OK)
			return true;
		wsd_paths_failed(&s->paths, &s->remote, status);
	}
	return false;
}

enum wsd_status wsd_stream_connect(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				   void *owner, const struct wsd_addr *local,
				   const struct wsd_addr *remote,
				   const struct wsd_stream_options *options, char **reasons)
{
	struct wsd_stream *s = wsd_stream_new(ops, owner);
	uint64_t now = wsd_clock_ns();

	*reasons = NULL;
	if (!s)
		return WSD_ENOMEM;
	s->active = true;
	s->state = WSD_STREAM_CONNECTING;
	s->any_port = local->port == 0;
	s->local = *local;
	s->remote = *remote;
	wsd_paths_begin(&s->paths, remote, true);
	s->options = *options;
	if (!s->options.connect_timeout)
		s->options.connect_timeout = STANDARD_TIMEOUT_NS;
	s->deadline = now + s->options.connect_timeout;
	if (!start_path(s, now)) {
		enum wsd_status status = s->paths.best;

		/* An answer of the peer, told like one. That no route leads there the system has said. */
		if (s->carrier == &wsd_plain_carrier && status != WSD_EUNREACHABLE) {
			s->state = WSD_STREAM_FAILED;
			s->error = status;
			*stream = s;
			return WSD_PENDING;
		}
		*reasons = wsd_stream_take_reasons(s);
		wsd_stream_free(s);
		return status;
	}
	*stream = s;
	return WSD_PENDING;
}

static enum wsd_status connect_messages(struct wsd_stream *s, struct wsd_engine *engine,
					uint64_t left)
{
	struct wsd_addr source = wsd_resume_source(&s->local);
	bool resumes = wsd_move_resumes(s);
	uint8_t hello[WSD_HELLO_BYTES];
	enum wsd_status status = wsd_stream_setup(s, engine);

	if (status != WSD_OK)
		return status;
	wsd_stream_hello(s, hello);
	/* The engine's clock may be virtual: the timer is set on that one. */
	wsd_engine_set_timer(engine, &s->timer, wsd_engine_now(engine) + left);
	return s->backend->connect(s->endpoint, resumes ? &source : &s->local,
				   resumes ? &s->moving->target : &s->remote, hello, sizeof(hello),
				   left);
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
		status = connect_messages(s, engine, s->deadline - now);
	if (status != WSD_OK && status != WSD_PENDING)
		wsd_connect_failed(s, status);
}

/* The device has given the port to somebody who did not ask the system for it. Another one, then, unless the program
 * has chosen this one or knows it. False: this path did not work. */
static bool try_another_port(struct wsd_stream *s, enum wsd_status status, uint64_t now)
{
	const struct wsd_stream_owner *ops = atomic_load(&s->ops);

	if (status != WSD_EADDRINUSE || s->carrier != &wsd_message_carrier || !s->any_port ||
	    !ops->hold_port || now >= s->deadline || s->closing || s->ports == WSD_PORTS_TRIED)
		return false;
	wsd_log(WSD_LOG_DEBUG, "session", "%s: port %u is in use there",
		wsd_engine_name(atomic_load(&s->engine)), s->local.port);
	s->ports++;
	if (ops->hold_port(atomic_load(&s->owner), true, &s->local) != WSD_OK)
		return false;
	wsd_stream_do(s, WSD_DO_CONNECT);
	return true;
}

/* A program has a time of its own for a connect, which may be shorter than what the path before plain TCP takes to say
 * that nobody answers: its next connect shall get there. Who resumes has tried no paths. */
void wsd_connect_given_up(const struct wsd_stream *s, uint64_t now)
{
	if (s->active && !wsd_move_resumes(s) && now - s->since >= SILENCE_NS)
		wsd_paths_given_up(&s->paths, &s->remote);
}

/* By the owner of the engine. False: there is no other path. */
static bool take_next(struct wsd_stream *s, uint64_t now)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	if (now >= s->deadline || s->closing || !start_path(s, now))
		return false;
	/* Another engine's task: its sleeping owner must hear of it. */
	if (atomic_load(&s->engine) != engine)
		wsd_host_table()->wake(atomic_load(&s->engine));
	s->changes |= WSD_CHANGE_PATH;
	return true;
}

/* Try all of them again, after a pause. Its length counts besides the time: clocks of tests jump. */
static bool wait_for_listener(struct wsd_stream *s, uint64_t now)
{
	uint64_t limit = wsd_param_uint("LISTENER_WAIT", 250, 0, 60000) * 1000000ull;
	uint64_t pause = s->again.waited + AGAIN_FIRST_NS;
	struct wsd_engine *engine = atomic_load(&s->engine);

	/* TCP of the system knows who is there. */
	if (s->paths.best != WSD_ENOLISTENER || s->closing || wsd_paths_have_plain(&s->paths))
		return false;
	if (pause > AGAIN_MOST_NS)
		pause = AGAIN_MOST_NS;
	if (!s->again.until)
		s->again.until = now + limit;
	if (s->again.waited + pause > limit || now + pause > s->again.until ||
	    now + pause >= s->deadline)
		return false;
	s->again.waited += pause;
	s->again.due = wsd_engine_now(engine) + pause;
	s->since = now;
	wsd_stream_arm_timer(s);
	return true;
}

static void no_path_left(struct wsd_stream *s, uint64_t now)
{
	if (s->active && wait_for_listener(s, now))
		return;
	s->state = WSD_STREAM_FAILED;
	s->error = s->active ? s->paths.best : WSD_ERESET;
	s->changes |= WSD_CHANGE_CONNECTED;
}

/* By the owner of the engine: the pause is over. */
void wsd_connect_again(struct wsd_stream *s)
{
	uint64_t now = wsd_clock_ns();

	s->again.due = 0;
	wsd_engine_set_timer(atomic_load(&s->engine), &s->timer, 0);
	if (now < s->deadline) /* else what was found holds */
		wsd_paths_again(&s->paths);
	if (!take_next(s, now))
		no_path_left(s, now);
}

/* By the owner of the engine: this path did not work. */
void wsd_connect_failed(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	uint64_t now = wsd_clock_ns();

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
	if (try_another_port(s, status, now)) {
		s->changes |= WSD_CHANGE_PATH;
		return;
	}
	if (status == WSD_ETIMEDOUT && now >= s->deadline)
		wsd_connect_given_up(s, now);
	if (s->active)
		wsd_paths_failed(&s->paths, &s->remote, status);
	if (!s->active || status == WSD_EREFUSED || !take_next(s, now))
		no_path_left(s, now);
}

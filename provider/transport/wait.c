// SPDX-License-Identifier: BSD-2-Clause
/* wait.c - wsd_engine_wait: a caller that blocks drives the engines itself. */
#include "provider/transport/engine_internal.h"

#include "rdma_backend/base/base.h"

/* Of several engines, those with a system call per poll: each so many rounds. */
#define COSTLY_EVERY 32u
#define CLOCK_EVERY  4u
#define SPIN_LEAST   2000u /* ns */
/* The scheduler does not always let another one run, even if one can: then looking on is of no use. */
#define YIELDS	    2u
#define YIELD_LATE  1000000u /* ns */
#define YIELD_PAUSE 64u

struct wait {
	struct wsd_engine *engines[WSD_ENGINE_MAX];
	struct wsd_follower followers[WSD_ENGINE_MAX];
	unsigned count;
	struct wsd_waker *waker;
	uint64_t deadline;
	uint64_t spin_end; /* 0 = the spin has not begun */
	uint64_t spin_begun;
	unsigned rounds;
	bool spinning; /* counted in spinners */
	bool slept;
};

static atomic_uint spinners; /* threads of this process that spin now */

void wsd_engine_waits_forked(void)
{
	atomic_store(&spinners, 0);
}

static struct {
	atomic_int state; /* 0 not read, 1 read */
	_Atomic uint64_t spin;
	atomic_uint threads;
	/* On one CPU the peer cannot answer while we spin, so between two looks we let it run. (A thread that is
	 * pinned to one CPU of several says nothing about where its peer runs.) */
	atomic_bool yields;
} settings;

static bool let_run(void)
{
	/* relaxed: it does not change */
	return atomic_load_explicit(&settings.yields, memory_order_relaxed);
}

/* Of this thread: so many waits sleep at once. Whoever was let run may have kept the CPU for long, and one that sleeps
 * gets it back as soon as there is news. */
WSD_THREAD_LOCAL(unsigned, sleeps_next, WSD_ROOM_SPINS);

/* Parameters do not change; reading them twice at the same time does no harm. */
static void read_settings(void)
{
	if (atomic_load(&settings.state))
		return;
	atomic_store(&settings.spin, wsd_param_uint("SPIN_US", 50, 0, 1000) * 1000);
	atomic_store(&settings.yields, wsd_cpu_count() == 1);
	atomic_store(&settings.threads, (unsigned)wsd_param_uint("SPIN_THREADS", 2, 0, 1024));
	atomic_store(&settings.state, 1);
}

static void choose_engines(struct wait *w, struct wsd_engine *const *set, unsigned count)
{
	w->count = count ? count : wsd_engine_count();
	if (w->count > WSD_ENGINE_MAX)
		w->count = WSD_ENGINE_MAX;
	for (unsigned i = 0; i < w->count; i++)
		w->engines[i] = count ? set[i] : wsd_engine_at(i);
}

/* Should this round leave the engine to the one who sleeps on it, or to a later round? */
static bool leave_out(struct wait *w, struct wsd_engine *engine)
{
	if (!wsd_engine_active(engine))
		return true;
	if (w->count == 1 || !engine->attr.cost_poll)
		return false;
	if (atomic_load(&engine->armed) && atomic_load(&engine->sleeper))
		return true;
	/* relaxed: only a rate */
	return atomic_fetch_add_explicit(&engine->skipped, 1, memory_order_relaxed) %
		       COSTLY_EVERY !=
	       COSTLY_EVERY - 1;
}

static bool drive(struct wait *w)
{
	bool any = false, entered;

	for (unsigned i = 0; i < w->count; i++) {
		if (!leave_out(w, w->engines[i]) &&
		    wsd_engine_visit(w->engines[i], WSD_VISIT_CALLER | WSD_VISIT_STAY, &entered))
			any = true;
	}
	return any;
}

static void spin_stop(struct wait *w)
{
	if (w->spinning)
		atomic_fetch_sub(&spinners, 1);
	w->spinning = false;
}

/* How long this spin may last: not at all without an engine or when enough threads spin already. Who has a waker has
 * room for variables. */
static uint64_t spin_start(struct wait *w)
{
	uint64_t most = atomic_load(&settings.spin), own;

	if (w->count == 0 || most == 0)
		return 0;
	if (*sleeps_next() > 0) {
		--*sleeps_next();
		return 0;
	}
	if (atomic_fetch_add(&spinners, 1) >= atomic_load(&settings.threads)) {
		atomic_fetch_sub(&spinners, 1);
		return 0;
	}
	w->spinning = true;
	/* relaxed: an estimate */
	own = atomic_load_explicit(&w->engines[0]->spin, memory_order_relaxed);
	return own < most ? own : most;
}

/* After a sleep: would spinning have caught it? Grow, else halve. */
static void spin_learn(struct wait *w, uint64_t asleep)
{
	uint64_t most = atomic_load(&settings.spin), own;

	if (w->count == 0)
		return;
	/* relaxed: an estimate */
	own = atomic_load_explicit(&w->engines[0]->spin, memory_order_relaxed);
	if (asleep < 2 * most)
		own = most;
	else if (own / 2 >= SPIN_LEAST)
		own /= 2;
	atomic_store_explicit(&w->engines[0]->spin, (unsigned)own, memory_order_relaxed);
}

/* After a round that found nothing, or now and then: WSD_OK go on, WSD_AGAIN sleep,
 * WSD_ETIMEDOUT. */
static enum wsd_status spin(struct wait *w, bool any)
{
	bool yields = let_run();
	uint64_t now;

	if (w->spin_end && !yields && ++w->rounds % CLOCK_EVERY)
		return WSD_OK;
	now = wsd_clock_ns();
	if (now >= w->deadline)
		return WSD_ETIMEDOUT;
	if (any || !w->waker)
		return WSD_OK;
	if (!w->spin_end) {
		w->spin_begun = now;
		w->spin_end = now + spin_start(w);
	}
	if (yields && w->rounds++ >= YIELDS)
		return WSD_AGAIN;
	return now < w->spin_end ? WSD_OK : WSD_AGAIN;
}

static void spin_pause(struct wait *w, bool any)
{
	if (any || !w->spinning || !let_run())
		wsd_cpu_relax();
	else
		wsd_cpu_yield();
}

static void yield_learn(struct wait *w)
{
	if (w->spinning && let_run() && wsd_clock_ns() - w->spin_begun > YIELD_LATE)
		*sleeps_next() = YIELD_PAUSE;
}

static void sleep_until(struct wait *w, const intptr_t *objects, unsigned count, uint64_t until)
{
	uint64_t began = wsd_clock_ns();

	wsd_waker_sleep(w->waker, objects, count, until);
	w->slept = true;
	spin_learn(w, wsd_clock_ns() - began);
}

/*
 * The wake-ups: reset comes before settle and before the last look at done; whatever makes done
 * true after that look is either an event of an engine this thread sleeps on, or done by another
 * thread, which wakes the waker. Timers: settle published when this thread gets up. An engine that
 * ends wakes whoever sleeps on it; it is not active then, and left out from there on.
 */
static bool sleep_as_owner(struct wait *w, bool (*done)(void *arg), void *arg)
{
	intptr_t objects[WSD_ENGINE_MAX];
	uint64_t until = w->deadline;
	unsigned count = 0;
	bool again = false, result = false;

	wsd_waker_reset(w->waker);
	for (unsigned i = 0; i < w->count && !again; i++) {
		struct wsd_engine *engine = w->engines[i];
		uint64_t when = UINT64_MAX;

		if (!wsd_engine_active(engine))
			continue; /* a later hold wakes its thread */
		switch (wsd_engine_settle(engine, w->waker, &w->followers[i])) {
		case WSD_SETTLED_ASLEEP:
			objects[count++] = engine->object;
			when = w->followers[i].until;
			break;
		case WSD_SETTLED_AGAIN:
			again = true;
			break;
		case WSD_SETTLED_BUSY: /* cannot be armed: tick */
			when = wsd_clock_ns() + engine->tick;
			break;
		case WSD_SETTLED_PARKED:
			break;
		}
		if (when < until)
			until = when;
	}
	if (!again) {
		result = done(arg);
		if (!result)
			sleep_until(w, objects, count, until);
	}
	for (unsigned i = 0; i < w->count; i++)
		wsd_engine_unsettle(w->engines[i], w->waker, &w->followers[i]);
	return result;
}

/* Give the engine to another waiter that sleeps. One that waits for this engine never just goes
 * away: it settles again or ends with finish. */
static bool hand_over(struct wsd_engine *engine)
{
	struct wsd_list *node = NULL;

	wsd_mutex_lock(&engine->leaf);
	if (!wsd_engine_other_sleeps(engine, NULL))
		node = wsd_list_pop(&engine->followers);
	if (node) {
		struct wsd_follower *follower = wsd_container(node, struct wsd_follower, link);

		follower->queued = false;
		atomic_fetch_sub(&engine->follower_count, 1);
		wsd_waker_wake(follower->waker);
	}
	wsd_mutex_unlock(&engine->leaf);
	return node != NULL;
}

/*
 * The end of a wait: cover what this thread left uncovered. A caller that never sleeps leaves
 * followers to the tick when it is hot: waking one would cost more than the message itself.
 */
static void finish(struct wait *w, struct wsd_engine *engine)
{
	bool entered;

	if (atomic_load(&engine->follower_count) && (w->slept || !wsd_engine_hot(engine)) &&
	    hand_over(engine))
		return;
	if (atomic_load(&engine->watch) == WSD_WATCH_TICK || !wsd_engine_active(engine))
		return;
	if (atomic_load(&engine->armed) && atomic_load(&engine->sleeper))
		return;
	wsd_engine_visit(engine, WSD_VISIT_CALLER, &entered);
	/* Who has it may have decided before this thread's name left the door: do not rely on it.
	 */
	if (!entered)
		wsd_engine_watch(engine);
}

bool wsd_engine_wait(struct wsd_engine *const *set, unsigned count, bool (*done)(void *arg),
		     void *arg, uint64_t deadline, struct wsd_waker *waker)
{
	struct wait w;
	bool result = done(arg);

	if (result)
		return true;
	read_settings();
	choose_engines(&w, set, count);
	w.waker = waker;
	w.deadline = deadline;
	w.spin_end = 0;
	w.rounds = 0;
	w.spinning = w.slept = false;
	for (unsigned i = 0; i < w.count; i++) {
		wsd_list_init(&w.followers[i].link);
		w.followers[i].queued = false;
	}
	for (;;) {
		bool any = drive(&w);
		enum wsd_status next;

		result = done(arg);
		next = result ? WSD_ETIMEDOUT : spin(&w, any);
		if (next == WSD_ETIMEDOUT)
			break;
		if (next == WSD_OK) {
			spin_pause(&w, any);
			continue;
		}
		spin_stop(&w);
		result = sleep_as_owner(&w, done, arg);
		if (result)
			break;
		w.spin_end = 0;
	}
	yield_learn(&w);
	spin_stop(&w);
	for (unsigned i = 0; i < w.count; i++)
		finish(&w, w.engines[i]);
	return result;
}

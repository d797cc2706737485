// SPDX-License-Identifier: BSD-2-Clause
/*
 * thread.c - the background thread of one engine. It never spins: it sleeps on the armed queue when
 * nobody else moves the engine, ticks while callers do, and is parked while a waiter sleeps as
 * owner.
 */
#include "provider/transport/engine_internal.h"

uint64_t wsd_engine_deadline(struct wsd_engine *engine, uint64_t when)
{
	uint64_t now, real;

	if (when == UINT64_MAX)
		return UINT64_MAX;
	now = wsd_engine_now(engine);
	real = wsd_clock_ns();
	if (when <= now)
		return real;
	return when - now < UINT64_MAX - real ? real + (when - now) : UINT64_MAX;
}

static void sleep_tick(struct wsd_engine *engine, struct wsd_waker *waker)
{
	uint64_t now = wsd_clock_ns(), until = now + engine->tick;
	uint64_t timer = wsd_engine_deadline(engine, atomic_load(&engine->timers.earliest));

	/* A due timer that the driving callers are about to run must not make the thread spin. */
	if (timer < now + engine->tick / 8)
		timer = now + engine->tick / 8;
	wsd_waker_sleep(waker, NULL, 0, timer < until ? timer : until);
}

/* Nobody came since the last look: move the engine until there is nothing to do, then sleep. */
static void own(struct wsd_engine *engine, struct wsd_waker *waker)
{
	enum wsd_settled settled;

	do {
		/* settle may have left it although the thread stays awake */
		atomic_store(&engine->watch, WSD_WATCH_TICK);
		settled = wsd_engine_settle(engine, waker, NULL);
	} while (settled == WSD_SETTLED_AGAIN && !atomic_load(&engine->stop));
	switch (settled) {
	case WSD_SETTLED_ASLEEP:
		wsd_waker_sleep(waker, &engine->object, 1,
				wsd_engine_deadline(engine, atomic_load(&engine->sleeper_until)));
		break;
	case WSD_SETTLED_PARKED:
		wsd_waker_sleep(waker, NULL, 0, UINT64_MAX);
		break;
	case WSD_SETTLED_BUSY:
		wsd_waker_sleep(waker, NULL, 0, wsd_clock_ns() + engine->tick);
		break;
	case WSD_SETTLED_AGAIN:
		break;
	}
}

static void look(struct wsd_engine *engine, struct wsd_waker *waker)
{
	bool at_once = atomic_exchange(&engine->watch, WSD_WATCH_TICK) != WSD_WATCH_TICK;
	uint64_t visits = atomic_load_explicit(&engine->visits, memory_order_relaxed);
	/* relaxed: a stale count only shifts the decision by one tick */
	bool driven = visits != atomic_load_explicit(&engine->seen, memory_order_relaxed);
	uint64_t now = wsd_clock_ns();

	if (atomic_exchange(&engine->poked, false))
		at_once = true;
	/* Visits of a tick, not since the last event: else one that is woken for each never sees many. */
	if (now - engine->seen_at >= engine->tick) {
		engine->seen_at = now;
		atomic_store_explicit(&engine->seen, visits, memory_order_relaxed);
	}
	if (driven && !at_once)
		sleep_tick(engine, waker);
	else
		own(engine, waker);
}

void wsd_engine_thread(void *arg)
{
	struct wsd_engine *engine = arg;
	struct wsd_waker *waker = wsd_waker_self();

	atomic_store(&engine->thread_waker, waker);
	wsd_mutex_lock(&engine->leaf);
	engine->thread_state = waker ? 1 : -1;
	wsd_cond_broadcast(&engine->started);
	wsd_mutex_unlock(&engine->leaf);
	if (!waker)
		return;
	for (;;) {
		/* Before any look, so that a wake during it ends the sleep at once. */
		wsd_waker_reset(waker);
		if (atomic_load(&engine->stop))
			break;
		wsd_engine_unsettle(engine, waker, NULL);
		look(engine, waker);
	}
	wsd_engine_unsettle(engine, waker, NULL);
	/* The waker dies with the thread; whoever wakes it does so with leaf. */
	wsd_mutex_lock(&engine->leaf);
	atomic_store(&engine->thread_waker, NULL);
	atomic_store(&engine->watch, WSD_WATCH_TICK);
	wsd_mutex_unlock(&engine->leaf);
}

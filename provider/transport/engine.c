// SPDX-License-Identifier: BSD-2-Clause
/* engine.c - ownership of one engine: rounds of progress, tasks, upcalls, and who covers it next.
 */
#include "provider/transport/engine_internal.h"

#include "rdma_backend/base/base.h"

#define ARM_TRIES   4 /* rounds in which arm may find new events before the thread takes over */
#define LEAVE_TRIES 4

const struct wsd_backend_ops *wsd_engine_ops(const struct wsd_engine *engine)
{
	return engine->ops;
}

bool wsd_engine_gone(const struct wsd_engine *engine)
{
	return atomic_load(&engine->gone);
}

const struct wsd_device_attr *wsd_engine_attr(const struct wsd_engine *engine)
{
	return &engine->attr;
}

struct wsd_device *wsd_engine_device(const struct wsd_engine *engine)
{
	return engine->device;
}

struct wsd_queue *wsd_engine_queue(const struct wsd_engine *engine)
{
	return engine->queue;
}

const char *wsd_engine_name(const struct wsd_engine *engine)
{
	return engine->name;
}

uint64_t wsd_engine_now(struct wsd_engine *engine)
{
	return engine->ops->clock(engine->queue);
}

struct wsd_mr_cache *wsd_engine_mr_cache(struct wsd_engine *engine)
{
	return engine->cache;
}

/* Leaf held: the thread takes its waker off with it before the waker dies. */
static void wake_thread(struct wsd_engine *engine)
{
	struct wsd_waker *waker = atomic_load(&engine->thread_waker);

	if (waker)
		wsd_waker_wake(waker);
}

void wsd_engine_watch(struct wsd_engine *engine)
{
	/* With leaf: settle decides under it whether a sleeper makes the ticks unnecessary. */
	wsd_mutex_lock(&engine->leaf);
	atomic_store(&engine->watch, WSD_WATCH_TICK);
	wake_thread(engine);
	wsd_mutex_unlock(&engine->leaf);
}

/* host->wake: whoever sleeps on the engine gets up, else the thread looks at once. */
void wsd_engine_wake(void *queue_context)
{
	struct wsd_engine *engine = queue_context;
	struct wsd_waker *sleeper;

	wsd_mutex_lock(&engine->leaf);
	sleeper = atomic_load(&engine->sleeper);
	if (sleeper) {
		wsd_waker_wake(sleeper);
	} else {
		atomic_store(&engine->poked, true);
		wake_thread(engine);
	}
	wsd_mutex_unlock(&engine->leaf);
}

void wsd_engine_abandon(struct wsd_engine *engine)
{
	struct wsd_waker *sleeper;
	struct wsd_list *node;

	wsd_mutex_lock(&engine->leaf);
	atomic_store(&engine->holds, 0);
	wsd_list_init(&engine->tasks);
	atomic_store(&engine->task_count, 0);
	atomic_store(&engine->timers.earliest, UINT64_MAX);
	atomic_store(&engine->taking_down, false);
	sleeper = atomic_load(&engine->sleeper);
	if (sleeper)
		wsd_waker_wake(sleeper);
	atomic_store(&engine->sleeper, NULL);
	/* They take themselves off the list. */
	wsd_list_for_each(node, &engine->followers)
		wsd_waker_wake(wsd_container(node, struct wsd_follower, link)->waker);
	wsd_mutex_unlock(&engine->leaf);
}

void wsd_engine_hold(struct wsd_engine *engine)
{
	/* The thread may be asleep for lack of need; it decides under leaf from what it reads
	 * there, so its waker, which keeps the wake, is all that is needed. One that ticks looks soon. */
	if (atomic_fetch_add(&engine->holds, 1) == 0) {
		wsd_mutex_lock(&engine->leaf);
		if (atomic_load(&engine->watch) != WSD_WATCH_TICK)
			wake_thread(engine);
		wsd_mutex_unlock(&engine->leaf);
	}
}

void wsd_engine_release(struct wsd_engine *engine)
{
	atomic_fetch_sub(&engine->holds, 1);
}

void wsd_task_init(struct wsd_task *task,
		   void (*run)(struct wsd_task *task, struct wsd_engine *engine))
{
	wsd_list_init(&task->link);
	task->run = run;
	task->queued = false;
}

void wsd_engine_queue_task(struct wsd_engine *engine, struct wsd_task *task)
{
	wsd_mutex_lock(&engine->leaf);
	if (!task->queued) {
		task->queued = true;
		wsd_list_append(&engine->tasks, &task->link);
		atomic_fetch_add(&engine->task_count, 1);
	}
	wsd_mutex_unlock(&engine->leaf);
}

void wsd_engine_defer(struct wsd_engine *engine, struct wsd_deferred *deferred)
{
	wsd_list_append(&engine->deferred, &deferred->link);
}

void wsd_engine_join(struct wsd_engine *engine, struct wsd_event_sink *sink)
{
	if (sink->joined)
		return;
	sink->joined = true;
	wsd_list_append(&engine->sinks, &sink->link);
}

void wsd_engine_forget(struct wsd_engine *engine, struct wsd_event_sink *sink)
{
	for (uint32_t i = engine->event_next; i < engine->event_count; i++) {
		if (engine->events[i].context == sink)
			engine->events[i].context = NULL;
	}
	if (sink->joined)
		wsd_list_remove(&sink->link);
	sink->joined = false;
	atomic_store(&engine->taking_down, true);
}

void wsd_engine_set_timer(struct wsd_engine *engine, struct wsd_timer *timer, uint64_t when)
{
	struct wsd_waker *sleeper;
	uint64_t before;

	wsd_mutex_lock(&engine->leaf);
	before = atomic_load(&engine->timers.earliest);
	wsd_timers_set(&engine->timers, timer, when);
	if (!when || when >= before) {
		wsd_mutex_unlock(&engine->leaf);
		return;
	}
	/* A sleeper published its hour in the same critical section in which it read earliest. If
	 * there is none, the thread either ticks and will see the timer, or it parked before (the
	 * transition holds leaf too) and must get up. */
	sleeper = atomic_load(&engine->sleeper);
	if (sleeper && when < atomic_load(&engine->sleeper_until)) {
		atomic_store(&engine->sleeper_until, when);
		wsd_waker_wake(sleeper);
	} else if (!sleeper && atomic_load(&engine->watch) != WSD_WATCH_TICK) {
		atomic_store(&engine->watch, WSD_WATCH_TICK);
		wake_thread(engine);
	}
	wsd_mutex_unlock(&engine->leaf);
}

bool wsd_engine_stop_timer(struct wsd_engine *engine, struct wsd_timer *timer)
{
	bool was_set;

	wsd_mutex_lock(&engine->leaf);
	/* One that is expiring may have been set anew since. */
	was_set = timer->when != 0 && engine->expiring != timer;
	if (was_set)
		wsd_timers_stop(&engine->timers, timer);
	wsd_mutex_unlock(&engine->leaf);
	return was_set;
}

bool wsd_engine_enter(struct wsd_engine *engine)
{
	unsigned free_value = 0;

	/* Looking first keeps the line shared while another thread polls. Both are seq_cst: see
	 * own. */
	if (atomic_load(&engine->own) ||
	    !atomic_compare_exchange_strong(&engine->own, &free_value, 1))
		return false;
	/* relaxed: written only with own, which was just acquired */
	if (atomic_load_explicit(&engine->armed, memory_order_relaxed)) {
		engine->ops->disarm(engine->queue);
		atomic_store(&engine->armed, false);
	}
	return true;
}

/* Tasks that are queued now; what they queue runs in the next round. */
static bool run_tasks(struct wsd_engine *engine)
{
	struct wsd_list *node;
	unsigned count = atomic_load(&engine->task_count);
	bool any = count != 0;

	for (; count; count--) {
		struct wsd_task *task;

		wsd_mutex_lock(&engine->leaf);
		node = wsd_list_pop(&engine->tasks);
		if (!node) {
			wsd_mutex_unlock(&engine->leaf);
			break;
		}
		atomic_fetch_sub(&engine->task_count, 1);
		task = wsd_container(node, struct wsd_task, link);
		task->queued = false;
		wsd_mutex_unlock(&engine->leaf);
		task->run(task, engine);
	}
	return any;
}

static bool poll_events(struct wsd_engine *engine)
{
	uint32_t count = engine->ops->poll(engine->queue, engine->events, WSD_ENGINE_BATCH), first,
		 n;

	if (count == 0)
		return false;
	engine->event_count = count;
	for (first = 0; first < count; first += n) {
		struct wsd_event_sink *sink = engine->events[first].context;

		for (n = 1; first + n < count && engine->events[first + n].context == sink; n++)
			;
		engine->event_next = first + n;
		if (sink) /* NULL: forgotten meanwhile */
			sink->events(sink, engine, &engine->events[first], n);
	}
	engine->event_next = engine->event_count = 0;
	return true;
}

static bool run_timers(struct wsd_engine *engine)
{
	/* relaxed: a timer set meanwhile by another thread is for the next round */
	uint64_t earliest = atomic_load_explicit(&engine->timers.earliest, memory_order_relaxed),
		 now;
	struct wsd_timer *timer;
	bool any = false;

	if (earliest == UINT64_MAX)
		return false;
	now = wsd_engine_now(engine);
	if (now < earliest)
		return false;
	wsd_mutex_lock(&engine->leaf);
	wsd_timers_advance(&engine->timers, now);
	while ((timer = wsd_timers_pop(&engine->timers))) {
		engine->expiring = timer;
		wsd_mutex_unlock(&engine->leaf);
		any = true;
		timer->expired(timer, engine);
		wsd_mutex_lock(&engine->leaf);
		engine->expiring = NULL;
	}
	wsd_mutex_unlock(&engine->leaf);
	return any;
}

bool wsd_engine_round(struct wsd_engine *engine)
{
	/* relaxed, not a read-modify-write: written only with own */
	uint64_t rounds = atomic_load_explicit(&engine->rounds, memory_order_relaxed);
	bool any = false;

	atomic_store_explicit(&engine->rounds, rounds + 1, memory_order_relaxed);
	/* relaxed: what is missed here is seen after own is let go */
	if (atomic_load_explicit(&engine->task_count, memory_order_relaxed))
		any = run_tasks(engine);
	if (poll_events(engine))
		any = true;
	if (run_timers(engine))
		any = true;
	return any;
}

/* [owner] wsd_engine_active, of now: the device is asked only when nothing else needs the engine. */
static bool still_active(struct wsd_engine *engine)
{
	if (!wsd_engine_wanted(engine) && atomic_load(&engine->taking_down))
		atomic_store(&engine->taking_down, engine->ops->busy(engine->queue));
	return wsd_engine_active(engine);
}

/*
 * [owner] Before letting go for good: somebody must look after the engine. Rare visitors arm
 * again for the one who sleeps; frequent ones, and those who find nobody asleep, leave it to the
 * thread's ticks.
 */
static void cover(struct wsd_engine *engine)
{
	if (atomic_load(&engine->watch) == WSD_WATCH_TICK || !still_active(engine))
		return;
	if (atomic_load(&engine->armed))
		return;
	for (unsigned i = 0; i < ARM_TRIES; i++) {
		if (!atomic_load(&engine->sleeper) || wsd_engine_hot(engine))
			break;
		if (engine->ops->arm(engine->queue) == WSD_OK) {
			atomic_store(&engine->armed, true);
			/* The sleeper may have got up since; it covers when it ends, and it has
			 * cleared `sleeper` before it looks. */
			if (atomic_load(&engine->sleeper))
				return;
			break;
		}
		wsd_engine_round(engine);
	}
	wsd_engine_watch(engine);
}

static void run_deferred(struct wsd_list *list)
{
	struct wsd_list *node;

	while ((node = wsd_list_pop(list))) {
		struct wsd_deferred *deferred = wsd_container(node, struct wsd_deferred, link);

		deferred->run(deferred);
	}
}

/*
 * [owner] Let go; upcalls first move to *upcalls. They may take any time, so before them the
 * engine is always covered. True: tasks were queued by somebody who found own taken.
 */
static bool leave(struct wsd_engine *engine, bool stay, struct wsd_list *upcalls)
{
	wsd_list_splice(upcalls, &engine->deferred);
	if (!stay || !wsd_list_empty(upcalls)) {
		cover(engine);
		wsd_list_splice(upcalls, &engine->deferred);
	}
	atomic_store(&engine->own, 0);
	return atomic_load(&engine->task_count) != 0;
}

bool wsd_engine_visit(struct wsd_engine *engine, unsigned flags, bool *entered)
{
	struct wsd_list upcalls;
	bool any = false;
	unsigned tries = 0;

	*entered = wsd_engine_enter(engine);
	if (!*entered)
		return false;
	wsd_list_init(&upcalls);
	if (flags & WSD_VISIT_CALLER) {
		/* relaxed, not a read-modify-write: written only with own */
		uint64_t visits = atomic_load_explicit(&engine->visits, memory_order_relaxed);

		atomic_store_explicit(&engine->visits, visits + 1, memory_order_relaxed);
	}
	for (;;) {
		any |= wsd_engine_round(engine);
		if (!leave(engine, (flags & WSD_VISIT_STAY) != 0, &upcalls))
			break;
		if (++tries == LEAVE_TRIES) { /* tasks keep coming: not this caller's job alone */
			atomic_store(&engine->poked, true);
			wsd_engine_watch(engine);
			break;
		}
		if (!wsd_engine_enter(engine))
			break; /* that one sees the task when it leaves */
	}
	run_deferred(&upcalls);
	return any;
}

bool wsd_engine_poll(struct wsd_engine *engine)
{
	bool entered;

	return wsd_engine_visit(engine, WSD_VISIT_CALLER, &entered);
}

void wsd_engine_kick(struct wsd_engine *engine)
{
	if (atomic_load(&engine->task_count))
		wsd_engine_poll(engine);
}

bool wsd_engine_other_sleeps(struct wsd_engine *engine, const struct wsd_waker *waker)
{
	const struct wsd_waker *sleeper = atomic_load(&engine->sleeper);

	return sleeper && sleeper != waker && sleeper != atomic_load(&engine->thread_waker);
}

static void follow(struct wsd_engine *engine, struct wsd_waker *waker,
		   struct wsd_follower *follower)
{
	follower->waker = waker;
	if (follower->queued)
		return;
	follower->queued = true;
	wsd_list_append(&engine->followers, &follower->link);
	atomic_fetch_add(&engine->follower_count, 1);
}

/* Own held and armed (if needed): put the name on the door. */
static enum wsd_settled settle_register(struct wsd_engine *engine, struct wsd_waker *waker,
					struct wsd_follower *follower, bool armed)
{
	enum wsd_settled result = WSD_SETTLED_PARKED;

	wsd_mutex_lock(&engine->leaf);
	if (wsd_engine_other_sleeps(engine, waker)) {
		if (follower)
			follow(engine, waker, follower);
	} else if (armed) {
		atomic_store(&engine->sleeper, waker);
		atomic_store(&engine->sleeper_until, atomic_load(&engine->timers.earliest));
		result = WSD_SETTLED_ASLEEP;
	} else if (wsd_engine_active(engine)) {
		result = WSD_SETTLED_AGAIN; /* a timer or a hold came in between */
	}
	if (result != WSD_SETTLED_AGAIN && !follower)
		atomic_store(&engine->watch,
			     result == WSD_SETTLED_ASLEEP ? WSD_WATCH_OWNER : WSD_WATCH_PARKED);
	if (result == WSD_SETTLED_ASLEEP && follower &&
	    atomic_load(&engine->watch) == WSD_WATCH_OWNER) {
		/* The thread must leave the wait object, or every event wakes two. */
		atomic_store(&engine->watch, WSD_WATCH_TICK);
		wake_thread(engine);
	}
	wsd_mutex_unlock(&engine->leaf);
	return result;
}

/*
 * Own held. A last round, then arm and register; AGAIN too when a task was queued meanwhile. The
 * caller stays responsible after AGAIN and BUSY.
 */
static enum wsd_settled settle_owned(struct wsd_engine *engine, struct wsd_waker *waker,
				     struct wsd_follower *follower)
{
	struct wsd_list upcalls;
	enum wsd_settled result;
	enum wsd_status status = WSD_OK;
	bool need;

	wsd_list_init(&upcalls);
	if (wsd_engine_round(engine) || !wsd_list_empty(&engine->deferred)) {
		result = WSD_SETTLED_AGAIN;
	} else {
		need = still_active(engine);
		if (need)
			status = engine->ops->arm(engine->queue);
		if (need && status == WSD_OK)
			atomic_store(&engine->armed, true);
		if (status == WSD_OK)
			result = settle_register(engine, waker, follower, need);
		else
			result = status == WSD_AGAIN ? WSD_SETTLED_AGAIN : WSD_SETTLED_BUSY;
		/* Here, because the engine may end when it has been left. */
		if (result == WSD_SETTLED_ASLEEP && follower)
			follower->until =
				wsd_engine_deadline(engine, atomic_load(&engine->sleeper_until));
	}
	if (leave(engine, true, &upcalls)) {
		wsd_engine_unsettle(engine, waker, follower);
		result = WSD_SETTLED_AGAIN;
	}
	run_deferred(&upcalls);
	return result;
}

/* The thread looks after a tick: a waiter that sleeps armed need not be disturbed. */
static bool park_beside(struct wsd_engine *engine, struct wsd_waker *waker)
{
	unsigned free_value = 0;
	bool parked = false;

	if (!atomic_load(&engine->armed) ||
	    !atomic_compare_exchange_strong(&engine->own, &free_value, 1))
		return false;
	wsd_mutex_lock(&engine->leaf);
	if (atomic_load(&engine->armed) && wsd_engine_other_sleeps(engine, waker)) {
		atomic_store(&engine->watch, WSD_WATCH_PARKED);
		parked = true;
	}
	wsd_mutex_unlock(&engine->leaf);
	atomic_store(&engine->own, 0);
	return parked && !atomic_load(&engine->task_count);
}

enum wsd_settled wsd_engine_settle(struct wsd_engine *engine, struct wsd_waker *waker,
				   struct wsd_follower *follower)
{
	if (!follower && park_beside(engine, waker))
		return WSD_SETTLED_PARKED;
	if (follower) {
		bool other;

		/* Not armed: perhaps it was this thread that disarmed it when it looked. */
		wsd_mutex_lock(&engine->leaf);
		other = atomic_load(&engine->armed) && wsd_engine_other_sleeps(engine, waker);
		if (other)
			follow(engine, waker, follower);
		wsd_mutex_unlock(&engine->leaf);
		if (other)
			return WSD_SETTLED_PARKED;
	}
	for (unsigned i = 0; i < 64; i++) {
		if (wsd_engine_enter(engine))
			return settle_owned(engine, waker, follower);
		wsd_cpu_relax();
	}
	/* The holder covers when it leaves, or is in wait and covers at its end. But it may have left
	 * the engine to this thread before its name left the door. */
	if (follower) {
		wsd_mutex_lock(&engine->leaf);
		follow(engine, waker, follower);
		wsd_mutex_unlock(&engine->leaf);
		if (atomic_load(&engine->watch) != WSD_WATCH_TICK)
			wsd_engine_watch(engine);
	}
	return follower ? WSD_SETTLED_PARKED : WSD_SETTLED_BUSY;
}

void wsd_engine_unsettle(struct wsd_engine *engine, struct wsd_waker *waker,
			 struct wsd_follower *follower)
{
	wsd_mutex_lock(&engine->leaf);
	if (atomic_load(&engine->sleeper) == waker)
		atomic_store(&engine->sleeper, NULL);
	if (follower && follower->queued) {
		follower->queued = false;
		wsd_list_remove(&follower->link);
		atomic_fetch_sub(&engine->follower_count, 1);
	}
	wsd_mutex_unlock(&engine->leaf);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine_internal.h - the engine's insides, shared by the files of this folder and their tests.
 *
 * Who makes sure that an engine moves. At any time one of these holds, and whoever ends one of them
 * begins another before it returns ("cover"):
 *   running  somebody has `own`, or is in wsd_engine_wait and awake, so it will look again
 *   asleep   `armed`, and `sleeper` sleeps on the wait object
 *   watched  `watch` is TICK: the background thread is awake or looks within one tick
 * An engine without listener, connection, timer and task needs none of them, once its device has taken down
 * what there was (taking_down).
 *
 * own      0 or 1, never waited for: who does not get it leaves its work to the holder, which looks
 *          at the task counter once more after letting go. Both sides are seq_cst: either the
 *          queueing thread sees `own` free, or the holder sees the task.
 *          The end of an engine takes it for good: the memory stays (see devices.c), so that a thread
 *          that still has the pointer finds an engine that it cannot enter and that needs nothing.
 * watch    is left for OWNER or PARKED by the background thread only, with `own` and `leaf`; it is
 *          set to TICK by anyone who wakes the thread.
 * A wake of the background thread is always enough: it looks at everything again.
 */
#ifndef WSD_TRANSPORT_ENGINE_INTERNAL_H
#define WSD_TRANSPORT_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "provider/transport/engine.h"
#include "provider/transport/memory.h"

#define WSD_ENGINE_BATCH 64u /* events of one poll */
#define WSD_ENGINE_HOT	 8u  /* visits in a tick of the thread that make an engine "driven" */
#define WSD_ENGINE_MAX	 16u
#define WSD_ENGINE_NAME	 56u

enum wsd_watch {
	WSD_WATCH_TICK,	 /* the thread is awake, or sleeps for one tick */
	WSD_WATCH_OWNER, /* it sleeps on the armed wait object */
	WSD_WATCH_PARKED /* it sleeps until woken: a waiter is the sleeping owner, or no need */
};

/*
 * Timers: bucket b > 0 holds those whose highest bit that differs from `last` is bit b - 1,
 * bucket 0 those that are due. Setting and cancelling are O(1); a timer moves down at most once
 * per bit.
 */
#define WSD_TIMER_BUCKETS 65
struct wsd_timers {
	struct wsd_list bucket[WSD_TIMER_BUCKETS];
	struct wsd_list due; /* expired, in order of time, not yet run */
	unsigned count;	     /* of all these */
	uint64_t last;
	_Atomic uint64_t earliest; /* nothing expires before; UINT64_MAX = no timer */
};

void wsd_timers_init(struct wsd_timers *timers, uint64_t now);
void wsd_timers_set(struct wsd_timers *timers, struct wsd_timer *timer, uint64_t when);
void wsd_timers_stop(struct wsd_timers *timers, struct wsd_timer *timer); /* one that is set */
void wsd_timers_advance(struct wsd_timers *timers, uint64_t now);	  /* fills due */
struct wsd_timer *wsd_timers_pop(struct wsd_timers *timers); /* from due; NULL = empty */

/* A thread asleep in wsd_engine_wait that does not sleep on this engine's wait object. */
struct wsd_follower {
	struct wsd_list link;
	struct wsd_waker *waker;
	uint64_t until; /* ASLEEP: the owner's alarm, on wsd_clock_ns */
	bool queued;
};

struct wsd_engine {
	struct wsd_event_sink sink; /* first: the queue's context is the engine */
	const struct wsd_backend_ops *ops;
	struct wsd_device *device;
	struct wsd_queue *queue;
	struct wsd_device_attr attr;
	wsd_wait_object object;
	struct wsd_mr_cache *cache;
	uint64_t tick; /* ns */
	char name[WSD_ENGINE_NAME];

	atomic_uint own;
	/* Only with own: */
	struct wsd_list deferred;
	uint32_t event_next, event_count; /* what is still to be dispatched of events */
	struct wsd_list sinks;		  /* that hear of the removal */
	/* Written with own, read by anyone: */
	atomic_bool gone;
	atomic_bool armed;
	_Atomic uint64_t visits; /* of callers */
	_Atomic uint64_t rounds; /* begun, by anyone */

	struct wsd_mutex leaf;
	struct wsd_list tasks; /* leaf */
	atomic_uint task_count;
	struct wsd_timers timers; /* leaf; earliest is read by anyone */
	const struct wsd_timer
		*expiring; /* leaf: its handler runs, or is about to; only compared */
	_Atomic(struct wsd_waker *) sleeper; /* written with leaf */
	_Atomic uint64_t sleeper_until;	     /* the same: when it gets up by itself */
	struct wsd_list followers;	     /* leaf */
	atomic_uint follower_count;

	atomic_uint holds;
	atomic_int watch;
	atomic_bool poked;     /* the thread shall look at once */
	_Atomic uint64_t seen; /* visits when the thread last looked, at most once a tick */
	uint64_t seen_at;      /* [thread] */
	atomic_uint spin;      /* ns: adaptive bound of the next spin */
	atomic_uint skipped;   /* rounds that left out this costly engine */
	/* Written with own: something was destroyed, and the device has not been seen to be done with it. */
	atomic_bool taking_down;

	struct wsd_thread *thread;
	_Atomic(struct wsd_waker *) thread_waker;
	atomic_bool stop;
	int thread_state; /* leaf: 0 starting, 1 running, -1 failed */
	struct wsd_cond started;

	struct wsd_engine *next_retired;
	struct wsd_event events[WSD_ENGINE_BATCH];
};

/* Open one device; the thread runs unless WSD_ENGINE_THREAD is 0. The caller closes the device on
 * failure. ops is complete (registry). */
enum wsd_status wsd_engine_create(const struct wsd_backend_ops *ops, struct wsd_device *device,
				  const struct wsd_device_attr *attr, const char *name,
				  struct wsd_engine **engine);
void wsd_engine_destroy(struct wsd_engine *engine); /* closes the device */
void wsd_engine_wake(void *queue_context);	    /* host->wake */
/* [own] Nothing needs this engine any more: whoever sleeps on it gets up and leaves it alone. */
void wsd_engine_abandon(struct wsd_engine *engine);

bool wsd_engine_enter(struct wsd_engine *engine);
bool wsd_engine_round(struct wsd_engine *engine); /* [owner] true: something was dispatched */

#define WSD_VISIT_CALLER 1u /* counts as a visit */
#define WSD_VISIT_STAY	 2u /* the caller comes back at once or covers itself */
/* One round if own is free (*entered), with upcalls outside. True: something was dispatched. */
bool wsd_engine_visit(struct wsd_engine *engine, unsigned flags, bool *entered);

enum wsd_settled {
	WSD_SETTLED_ASLEEP, /* armed; the caller is the sleeper */
	WSD_SETTLED_PARKED, /* another one is, or nothing needs it; or own could not be had */
	WSD_SETTLED_AGAIN,  /* something was dispatched or came in: look again */
	WSD_SETTLED_BUSY    /* the thread only: own was taken, or arm failed */
};
/* Try to become the sleeping owner; follower is NULL for the background thread. */
enum wsd_settled wsd_engine_settle(struct wsd_engine *engine, struct wsd_waker *waker,
				   struct wsd_follower *follower);
void wsd_engine_unsettle(struct wsd_engine *engine, struct wsd_waker *waker,
			 struct wsd_follower *follower);

/* Leaf held: a waiter, neither waker nor the background thread, sleeps as owner. */
bool wsd_engine_other_sleeps(struct wsd_engine *engine, const struct wsd_waker *waker);

void wsd_engine_thread(void *arg);  /* thread.c */
void wsd_engine_waits_forked(void); /* wait.c: nobody spins in the child of a fork */
/* Engine time as a deadline for sleeping. */
uint64_t wsd_engine_deadline(struct wsd_engine *engine, uint64_t when);
/* Wake the background thread and let everybody rely on its ticks. */
void wsd_engine_watch(struct wsd_engine *engine);

/* Does anything of the provider need progress? */
static inline bool wsd_engine_wanted(struct wsd_engine *engine)
{
	return atomic_load(&engine->holds) || atomic_load(&engine->task_count) ||
	       atomic_load(&engine->timers.earliest) != UINT64_MAX;
}

/* Does anything, also in the device? */
static inline bool wsd_engine_active(struct wsd_engine *engine)
{
	return wsd_engine_wanted(engine) || atomic_load(&engine->taking_down);
}

static inline bool wsd_engine_hot(struct wsd_engine *engine)
{
	/* relaxed: a heuristic, either value is right */
	return atomic_load_explicit(&engine->visits, memory_order_relaxed) -
		       atomic_load_explicit(&engine->seen, memory_order_relaxed) >=
	       WSD_ENGINE_HOT;
}

void wsd_mr_completed(struct wsd_mr_cache *cache, uint64_t id, enum wsd_status status);

#endif

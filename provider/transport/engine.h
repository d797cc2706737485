/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine.h - progress. One engine per opened device: its queue, its timers, its tasks, one background
 * thread. Exactly one thread at a time *owns* an engine: polls the queue, runs tasks and expired
 * timers, dispatches events. Sleeping owners do not hold the ownership lock, so anyone who wants to
 * make progress takes it, polls, and leaves.
 *
 * Lock ranks: 10 provider, 20 engine ownership, 30 socket (taken inside event, timer and task
 * handlers), 60 engine leaf lock (task queue, timers). So a thread that holds a socket lock never
 * takes ownership: it queues a task and kicks after unlocking.
 */
#ifndef WSD_TRANSPORT_ENGINE_H
#define WSD_TRANSPORT_ENGINE_H

#include <openwsd/backend.h>

#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"

struct wsd_engine;

/*
 * Handles a run of consecutive events of one context (endpoint or listener), called by the owner with
 * no other lock held. The first member of every context given to the backend.
 */
struct wsd_event_sink {
	void (*events)(struct wsd_event_sink *sink, struct wsd_engine *engine,
		       const struct wsd_event *events, uint32_t count);
	struct wsd_list link; /* the engine's, while joined */
	bool joined;
};

/* Work for the owner: run with ownership, no other lock. Embedded; may be queued again once it runs. */
struct wsd_task {
	struct wsd_list link; /* initialise with wsd_task_init */
	void (*run)(struct wsd_task *task, struct wsd_engine *engine);
	bool queued;
};

/* Runs when ownership has been released by the thread that deferred it: for upcalls. */
struct wsd_deferred {
	struct wsd_list link;
	void (*run)(struct wsd_deferred *deferred);
};

struct wsd_timer {
	struct wsd_list link;
	uint64_t when; /* engine clock; 0 = not set */
	void (*expired)(struct wsd_timer *timer, struct wsd_engine *engine); /* ownership held */
};

/*
 * Open every device of the configured backends (WSD_BACKENDS, default "shm,verbs,tcp,plain"; the order is the
 * path order). Reference counted; stop closes devices, joins threads, and returns with no thread running
 * our code. Start never fails for a backend that is not there: it logs why. WSD_ENOMEM.
 */
enum wsd_status wsd_engines_start(void);
void wsd_engines_stop(void);
/* In the child after a fork: forget the parent's engines, whose threads do not exist here. Their memory
 * stays, as some other thread may have been changing it. */
void wsd_engines_fork_child(void);
/* Engines in path order, constant between start and stop. After stop they can still be polled and
 * waited for, to no effect. */
unsigned wsd_engine_count(void);
struct wsd_engine *wsd_engine_at(unsigned index);
/* Configured backends without an engine, numbered in path order: "name: why (status)" of one that stands before
 * engine index; NULL: that many do not. Constant like the engines. */
const char *wsd_engine_missing(unsigned number, unsigned index, enum wsd_status *status);

const struct wsd_backend_ops *wsd_engine_ops(const struct wsd_engine *engine);
const struct wsd_device_attr *wsd_engine_attr(const struct wsd_engine *engine);
struct wsd_device *wsd_engine_device(const struct wsd_engine *engine);
struct wsd_queue *wsd_engine_queue(const struct wsd_engine *engine);
const char *wsd_engine_name(const struct wsd_engine *engine); /* "shm", "tcp", "verbs/rxe0" */
bool wsd_engine_gone(const struct wsd_engine *engine);	      /* its device was removed */
uint64_t wsd_engine_now(struct wsd_engine *engine);

void wsd_task_init(struct wsd_task *task,
		   void (*run)(struct wsd_task *task, struct wsd_engine *engine));
/* [any lock] Queue it unless it is queued. Somebody must kick later, without a socket lock; the
 * current owner runs it anyway. */
void wsd_engine_queue_task(struct wsd_engine *engine, struct wsd_task *task);
/* [ownership held] */
void wsd_engine_defer(struct wsd_engine *engine, struct wsd_deferred *deferred);
/* [ownership held] Call with endpoint_destroy and listener_destroy: events of that context which the
 * running round has collected already are dropped. (Tasks run before the round collects any.) The engine
 * moves on, held or not, until the device has taken it down. */
void wsd_engine_forget(struct wsd_engine *engine, struct wsd_event_sink *sink);
/* [ownership held] Until it is forgotten it gets a WSD_EV_DEVICE_GONE of its own when the device is removed. */
void wsd_engine_join(struct wsd_engine *engine, struct wsd_event_sink *sink);
/* [any lock] Set or move; when == 0 cancels. A cancelled timer may already be expiring in the owner:
 * handlers check their object's state under its lock. */
void wsd_engine_set_timer(struct wsd_engine *engine, struct wsd_timer *timer, uint64_t when);
/* [any] True: it was set, will not expire, and its handler does not run. False: it was not, or is just expiring, and
 * may be set anew. */
bool wsd_engine_stop_timer(struct wsd_engine *engine, struct wsd_timer *timer);

/*
 * [no locks] One round of progress if nobody else owns the engine: tasks, poll, timers, deferred.
 * True if anything was dispatched.
 */
bool wsd_engine_poll(struct wsd_engine *engine);
/*
 * [no locks] For a call that would say "nothing there": a round that begins now, for which this waits while another
 * thread has the engine, though not for ever. A round that dispatched something may have left more behind (a batch is
 * limited, a device may spare itself a system call), so then it is worth up to WSD_LOOKS looks.
 */
enum wsd_look {
	WSD_LOOK_NOTHING, /* and nothing has come since the mark, which was taken under the lock of the socket */
	WSD_LOOK_ONCE, /* nothing is left, but another thread may have brought something since: try again */
	WSD_LOOK_MORE /* something was dispatched: try again, and look again */
};
#define WSD_LOOKS 4u
enum wsd_look wsd_engine_look(struct wsd_engine *engine, uint64_t mark);
uint64_t wsd_engine_mark(const struct wsd_engine *engine); /* [any lock] */
bool wsd_engines_look(void); /* the same at each engine; true: another look may tell more */
/* [no locks] Make sure that queued tasks run soon: runs them here or leaves them to the owner. */
void wsd_engine_kick(struct wsd_engine *engine);
/* [no locks] Keeps the engine's background thread ready to own it (there is a listener, a connection or
 * a timer). Counted. */
void wsd_engine_hold(struct wsd_engine *engine);
void wsd_engine_release(struct wsd_engine *engine);

/*
 * [no locks] Block until done(arg) is true (returns true) or the deadline passes (false). Spins
 * polling the engines (bounded, adaptive), then sleeps as their owner on their wait objects and on
 * waker. count 0 = every engine. done is called without locks and may take a socket lock.
 * Whoever makes done true from another thread calls wsd_waker_wake(waker).
 */
bool wsd_engine_wait(struct wsd_engine *const *set, unsigned count, bool (*done)(void *arg),
		     void *arg, uint64_t deadline, struct wsd_waker *waker);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* test_engine_wait.c - waiting callers: wake-ups, hand-over, many threads. Run with WSD_SPIN_US=0
 * too. */
#include "tests/unit/test_engine_fake.h"

#define SECOND	1000000000ull
#define ROUNDS	10000u
#define THREADS 4u

/* A waker that its thread takes away before it ends; rank 30 like a socket's lock. */
struct bell {
	struct wsd_mutex lock;
	struct wsd_waker *waker;
};

static void bell_set(struct bell *bell, struct wsd_waker *waker)
{
	wsd_mutex_lock(&bell->lock);
	bell->waker = waker;
	wsd_mutex_unlock(&bell->lock);
}

static void bell_ring(struct bell *bell)
{
	wsd_mutex_lock(&bell->lock);
	if (bell->waker)
		wsd_waker_wake(bell->waker);
	wsd_mutex_unlock(&bell->lock);
}

/* One end of a ping-pong: events add to arrived; the waiter has a waker. */
struct end {
	struct wsd_event_sink sink; /* first */
	_Atomic uint64_t arrived, wanted;
	struct bell bell;
	struct end *other;
	struct wsd_engine *engine;
	bool failed;
};

static void end_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
		       const struct wsd_event *events, uint32_t count)
{
	struct end *end = (struct end *)(void *)sink;

	(void)engine;
	(void)events;
	atomic_fetch_add(&end->arrived, count);
	bell_ring(&end->bell);
}

static bool end_done(void *arg)
{
	struct end *end = arg;

	return atomic_load(&end->arrived) >= atomic_load(&end->wanted);
}

static void end_init(struct end *end, struct wsd_engine *engine, struct end *other)
{
	memset(end, 0, sizeof(*end));
	wsd_mutex_init(&end->bell.lock);
	end->sink.events = end_events;
	end->engine = engine;
	end->other = other;
}

/* With a bell, always: the background thread may be the one that dispatches. */
static bool end_wait(struct end *end)
{
	struct wsd_engine *set[1] = { end->engine };

	bell_set(&end->bell, wsd_waker_self());
	return wsd_engine_wait(set, 1, end_done, end, wsd_clock_ns() + 20 * SECOND,
			       wsd_waker_self());
}

static void ponger(void *arg)
{
	struct end *end = arg;

	for (unsigned i = 1; i <= ROUNDS && !end->failed; i++) {
		atomic_store(&end->wanted, i);
		end->failed = !end_wait(end);
		fake_post(end->other, WSD_EV_RECV, i);
	}
	bell_set(&end->bell, NULL);
}

static void ping_pong(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *thread;
	struct end a, b;

	(void)state;
	end_init(&a, engine, &b);
	end_init(&b, engine, &a);
	wsd_engine_hold(engine);
	assert_int_equal(wsd_thread_start(&thread, "ponger", ponger, &b), WSD_OK);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		fake_post(&b, WSD_EV_RECV, i);
		atomic_store(&a.wanted, i);
		assert_true(end_wait(&a));
	}
	wsd_thread_join(thread);
	assert_false(b.failed);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* A caller alone, whose answers are there at once: nobody arms. */
static void blocking_budget(void **state)
{
	struct wsd_engine *engine;
	struct end a;
	unsigned arms, quiet = 0;

	(void)state;
	/* A loaded machine may stop the test for longer than the standard tick. */
	setenv("WSD_ENGINE_TICK_US", "200000", 1);
	engine = fake_engine();
	unsetenv("WSD_ENGINE_TICK_US");
	end_init(&a, engine, NULL);
	wsd_engine_hold(engine);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		arms = atomic_load(&fake.arms);
		fake_post(&a, WSD_EV_RECV, i);
		atomic_store(&a.wanted, i);
		assert_true(end_wait(&a));
		quiet += atomic_load(&fake.arms) == arms;
	}
	/* All but the first few, and those where the machine stopped us for a tick. */
	assert_true(quiet > ROUNDS - 100);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void deadlines(void **state)
{
	struct wsd_engine *engine = fake_engine();
	uint64_t began = wsd_clock_ns();

	(void)state;
	assert_false(wsd_engine_wait(NULL, 0, never, NULL, 0, wsd_waker_self()));
	assert_false(wsd_engine_wait(NULL, 0, never, NULL, began + SECOND / 100, wsd_waker_self()));
	assert_true(wsd_clock_ns() >= began + SECOND / 100);
	began = wsd_clock_ns();
	wsd_engine_hold(engine);
	assert_false(
		wsd_engine_wait(&engine, 1, never, NULL, began + SECOND / 100, wsd_waker_self()));
	assert_true(wsd_clock_ns() >= began + SECOND / 100);
	assert_false(wsd_engine_wait(&engine, 1, never, NULL, began + SECOND / 50, NULL));
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

struct end_timer {
	struct wsd_timer timer;
	struct end *end;
};

static void noted(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct end *end = wsd_container(timer, struct end_timer, timer)->end;

	(void)engine;
	atomic_fetch_add(&end->arrived, 1);
	bell_ring(&end->bell);
}

/* Only the waiter's own sleep can run this timer in time; the thread is parked or ticks slowly. */
static void timer_while_waiting(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct end_timer timer;
	struct end a;

	(void)state;
	memset(&timer, 0, sizeof(timer));
	end_init(&a, engine, NULL);
	timer.timer.expired = noted;
	timer.end = &a;
	atomic_store(&a.wanted, 1);
	wsd_engine_set_timer(engine, &timer.timer, wsd_engine_now(engine) + SECOND / 50);
	assert_true(end_wait(&a));
	fake_engine_end(engine);
}

static void await_parked(void *arg)
{
	struct end *end = arg;
	uint64_t stop = wsd_clock_ns() + 10 * SECOND;

	while (atomic_load(&end->engine->watch) != WSD_WATCH_PARKED && wsd_clock_ns() < stop)
		wsd_cpu_relax();
	end->failed = atomic_load(&end->engine->watch) != WSD_WATCH_PARKED;
	fake_post(end, WSD_EV_RECV, 1);
}

/* A waiter slept as the owner and returns: what comes next is dispatched without any call. */
static void leaver_hands_over(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *thread;
	struct end a;

	(void)state;
	end_init(&a, engine, NULL);
	wsd_engine_hold(engine);
	atomic_store(&a.wanted, 1);
	assert_int_equal(wsd_thread_start(&thread, "poster", await_parked, &a), WSD_OK);
	assert_true(end_wait(&a));
	wsd_thread_join(thread);
	assert_false(a.failed);
	bell_set(&a.bell, wsd_waker_self());
	fake_post(&a, WSD_EV_RECV, 2);
	atomic_store(&a.wanted, 2);
	assert_true(wsd_engine_wait(NULL, 0, end_done, &a, wsd_clock_ns() + 10 * SECOND,
				    wsd_waker_self()));
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

static void sleep_then_post(void *arg)
{
	struct end *end = arg;

	end->failed = !end_wait(end);
	bell_set(&end->bell, NULL);
	fake_post(end->other, WSD_EV_RECV, 1);
}

static void post_beside(void *arg)
{
	struct end *end = arg;
	uint64_t stop = wsd_clock_ns() + 10 * SECOND;

	while (!atomic_load(&end->engine->follower_count) && wsd_clock_ns() < stop)
		wsd_cpu_relax();
	fake_post(end, WSD_EV_RECV, 1);
}

/* A second waiter looks, which takes the sleeping owner's arm away, and then sleeps beside it: the event
 * that comes next must still wake the owner. */
static void waiter_beside_the_owner(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *owner, *poster;
	uint64_t began;
	struct end a, b;

	(void)state;
	end_init(&a, engine, &b);
	end_init(&b, engine, &a);
	wsd_engine_hold(engine);
	atomic_store(&a.wanted, 1);
	atomic_store(&b.wanted, 1);
	assert_int_equal(wsd_thread_start(&owner, "owner", sleep_then_post, &a), WSD_OK);
	while (atomic_load(&engine->watch) != WSD_WATCH_PARKED || !atomic_load(&engine->armed))
		wsd_cpu_relax();
	began = wsd_clock_ns();
	assert_int_equal(wsd_thread_start(&poster, "poster", post_beside, &a), WSD_OK);
	assert_true(end_wait(&b));
	assert_true(wsd_clock_ns() - began < 10 * SECOND); /* not by getting up at the deadline */
	wsd_thread_join(owner);
	wsd_thread_join(poster);
	assert_false(a.failed);
	bell_set(&b.bell, NULL);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* Several threads blocked on one engine, each served by whoever dispatches. */
static void many_waiters(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *threads[THREADS];
	struct end ends[THREADS], self;

	(void)state;
	end_init(&self, engine, NULL);
	wsd_engine_hold(engine);
	for (unsigned i = 0; i < THREADS; i++) {
		end_init(&ends[i], engine, &self);
		assert_int_equal(wsd_thread_start(&threads[i], "waiter", ponger, &ends[i]), WSD_OK);
	}
	for (unsigned round = 1; round <= ROUNDS; round++) {
		for (unsigned i = 0; i < THREADS; i++)
			fake_post(&ends[i], WSD_EV_RECV, round);
		if (round % 8)
			continue;
		atomic_store(&self.wanted, round * THREADS);
		assert_true(end_wait(&self));
	}
	for (unsigned i = 0; i < THREADS; i++) {
		wsd_thread_join(threads[i]);
		assert_false(ends[i].failed);
	}
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

struct worker {
	struct wsd_task task; /* first */
	struct wsd_timer timer;
	struct wsd_engine *engine;
	atomic_uint ran, rang;
	struct bell bell;
	bool failed;
};

static void worker_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct worker *worker = (struct worker *)(void *)task;

	wsd_engine_set_timer(engine, &worker->timer, wsd_engine_now(engine) + SECOND / 1000);
	atomic_fetch_add(&worker->ran, 1);
	bell_ring(&worker->bell);
}

static void worker_timer(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct worker *worker = wsd_container(timer, struct worker, timer);

	(void)engine;
	atomic_fetch_add(&worker->rang, 1);
}

static bool worker_done(void *arg)
{
	struct worker *worker = arg;

	return atomic_load(&worker->ran) != 0;
}

static void work(void *arg)
{
	struct worker *worker = arg;

	bell_set(&worker->bell, wsd_waker_self());
	for (unsigned i = 0; i < 3000 && !worker->failed; i++) {
		atomic_store(&worker->ran, 0);
		wsd_engine_queue_task(worker->engine, &worker->task);
		wsd_engine_kick(worker->engine);
		worker->failed = !wsd_engine_wait(&worker->engine, 1, worker_done, worker,
						  wsd_clock_ns() + 20 * SECOND, wsd_waker_self());
		wsd_engine_poll(worker->engine);
	}
	wsd_engine_set_timer(worker->engine, &worker->timer, 0);
	bell_set(&worker->bell, NULL);
}

/* Each waits for its own task, which another thread may run. */
static void tasks_from_everywhere(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *threads[THREADS];
	struct worker workers[THREADS];

	(void)state;
	memset(workers, 0, sizeof(workers));
	wsd_engine_hold(engine);
	for (unsigned i = 0; i < THREADS; i++) {
		wsd_mutex_init(&workers[i].bell.lock);
		wsd_task_init(&workers[i].task, worker_task);
		workers[i].timer.expired = worker_timer;
		workers[i].engine = engine;
		assert_int_equal(wsd_thread_start(&threads[i], "worker", work, &workers[i]),
				 WSD_OK);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		wsd_thread_join(threads[i]);
		assert_false(workers[i].failed);
	}
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines),	     cmocka_unit_test(timer_while_waiting),
		cmocka_unit_test(blocking_budget),   cmocka_unit_test(ping_pong),
		cmocka_unit_test(leaver_hands_over), cmocka_unit_test(waiter_beside_the_owner),
		cmocka_unit_test(many_waiters),	     cmocka_unit_test(tasks_from_everywhere),
	};

	return cmocka_run_group_tests_name("engine_wait", tests, NULL, NULL);
}

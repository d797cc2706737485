// SPDX-License-Identifier: BSD-2-Clause
/* test_engine.c - dispatch, tasks, timers, cover by the background thread, and the poll budget. */
#include "tests/unit/test_engine_fake.h"

#define SECOND 1000000000ull

struct seen {
	struct wsd_event_sink sink; /* first */
	atomic_uint events, runs;
	uint64_t last;
	struct seen *forget; /* forget this one at the first event */
	struct wsd_task *task;
	struct wsd_deferred *defer;
};

static void seen_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			const struct wsd_event *events, uint32_t count)
{
	struct seen *seen = (struct seen *)(void *)sink;

	for (uint32_t i = 0; i < count; i++)
		seen->last = events[i].id;
	if (seen->forget)
		wsd_engine_forget(engine, &seen->forget->sink);
	if (seen->task)
		wsd_engine_queue_task(engine, seen->task);
	if (seen->defer)
		wsd_engine_defer(engine, seen->defer);
	seen->defer = NULL;
	atomic_fetch_add(&seen->runs, 1);
	atomic_fetch_add(&seen->events, count);
}

static void seen_init(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->sink.events = seen_events;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* Let other threads run for a while without moving the engine. */
static void elapse(uint64_t ns)
{
	assert_false(wsd_engine_wait(NULL, 0, never, NULL, wsd_clock_ns() + ns, wsd_waker_self()));
}

/* And the thread that made it so has left the engine. */
static bool is_watched(struct wsd_engine *engine, int watch)
{
	return atomic_load(&engine->watch) == watch && atomic_load(&engine->own) == 0;
}

static void await_watch(struct wsd_engine *engine, int watch)
{
	uint64_t end = wsd_clock_ns() + 10 * SECOND;

	while (!is_watched(engine, watch) && wsd_clock_ns() < end)
		elapse(SECOND / 1000);
	assert_true(is_watched(engine, watch));
}

static void await_count(atomic_uint *count, unsigned value)
{
	uint64_t end = wsd_clock_ns() + 10 * SECOND;

	while (atomic_load(count) < value && wsd_clock_ns() < end)
		elapse(SECOND / 1000);
	assert_int_equal(atomic_load(count), value);
}

static void groups_runs(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a, b;

	(void)state;
	seen_init(&a);
	seen_init(&b);
	await_watch(engine, WSD_WATCH_PARKED); /* nothing holds it: the thread leaves it alone */
	for (unsigned i = 0; i < 3; i++)
		fake_post(&a, WSD_EV_RECV, i);
	fake_post(&b, WSD_EV_RECV, 7);
	fake_post(&a, WSD_EV_RECV, 8);
	while (wsd_engine_poll(engine))
		;
	assert_int_equal(a.events, 4);
	assert_int_equal(b.events, 1);
	assert_int_equal(a.last, 8);
	assert_int_equal(a.runs + b.runs, 3);
	fake_engine_end(engine);
}

static void forgets(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a, b;

	(void)state;
	seen_init(&a);
	seen_init(&b);
	a.forget = &b;
	await_watch(engine, WSD_WATCH_PARKED);
	fake_post(&a, WSD_EV_RECV, 1);
	fake_post(&b, WSD_EV_RECV, 2);
	fake_post(&a, WSD_EV_RECV, 3);
	wsd_engine_poll(engine);
	assert_int_equal(a.events, 2);
	assert_int_equal(b.events, 0);
	fake_engine_end(engine);
}

struct job {
	struct wsd_task task; /* first */
	struct wsd_deferred deferred;
	struct wsd_engine *engine;
	unsigned runs, upcalls;
	bool free_in_upcall;
};

static void job_run(struct wsd_task *task, struct wsd_engine *engine)
{
	struct job *job = (struct job *)(void *)task;

	assert_int_equal(atomic_load(&engine->own), 1);
	job->runs++;
}

static void job_upcall(struct wsd_deferred *deferred)
{
	struct job *job = wsd_container(deferred, struct job, deferred);

	job->upcalls++;
	job->free_in_upcall = atomic_load(&job->engine->own) == 0;
	wsd_engine_poll(job->engine); /* allowed: nothing is held */
}

static void task_and_upcall_from_handler(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	struct job job;

	(void)state;
	memset(&job, 0, sizeof(job));
	await_watch(engine, WSD_WATCH_PARKED);
	wsd_task_init(&job.task, job_run);
	job.engine = engine;
	job.deferred.run = job_upcall;
	seen_init(&a);
	a.task = &job.task;
	a.defer = &job.deferred;
	fake_post(&a, WSD_EV_RECV, 1);
	wsd_engine_poll(engine); /* the task was queued inside: run before poll returns */
	assert_int_equal(job.runs, 1);
	assert_int_equal(job.upcalls, 1);
	assert_true(job.free_in_upcall);
	wsd_engine_queue_task(engine, &job.task);
	wsd_engine_queue_task(engine, &job.task); /* once */
	wsd_engine_kick(engine);
	assert_int_equal(job.runs, 2);
	fake_engine_end(engine);
}

/* A task queued while own is taken, as by another thread whose kick came too late: the owner runs
 * it before poll returns. */
static void kick_while_owned(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	struct job job;

	(void)state;
	memset(&job, 0, sizeof(job));
	seen_init(&a);
	await_watch(engine, WSD_WATCH_PARKED);
	wsd_task_init(&job.task, job_run);
	a.task = &job.task;
	fake_post(&a, WSD_EV_RECV, 1);
	wsd_engine_poll(engine);
	assert_int_equal(job.runs, 1);
	assert_true(wsd_engine_enter(engine));
	wsd_engine_queue_task(engine, &job.task);
	wsd_engine_kick(engine); /* neither blocks nor runs it */
	assert_int_equal(job.runs, 1);
	atomic_store(&engine->own, 0);
	wsd_engine_kick(engine);
	assert_int_equal(job.runs, 2);
	fake_engine_end(engine);
}

struct alarm_clock {
	struct wsd_timer timer; /* first */
	unsigned order;
};
static atomic_uint rung;

static void ring(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct alarm_clock *alarm = (struct alarm_clock *)(void *)timer;

	(void)engine;
	assert_int_equal(timer->when, 0);
	alarm->order = atomic_load(&rung) + 1; /* only the owner writes it */
	atomic_fetch_add(&rung, 1);
}

static void timers_in_order(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct alarm_clock a[4];

	(void)state;
	memset(a, 0, sizeof(a));
	atomic_store(&rung, 0);
	await_watch(engine, WSD_WATCH_PARKED);
	atomic_store(&fake.clock, wsd_clock_ns());
	for (unsigned i = 0; i < 4; i++)
		a[i].timer.expired = ring;
	for (unsigned i = 0; i < 4; i++) /* far off: the thread sleeps on */
		wsd_engine_set_timer(engine, &a[i].timer,
				     atomic_load(&fake.clock) + (100 - i) * SECOND);
	wsd_engine_set_timer(engine, &a[2].timer, 0);
	wsd_engine_poll(engine);
	assert_int_equal(atomic_load(&rung), 0);
	atomic_fetch_add(&fake.clock, 200 * SECOND);
	wsd_engine_poll(engine);
	await_count(&rung, 3);
	assert_int_equal(a[3].order, 1);
	assert_int_equal(a[1].order, 2);
	assert_int_equal(a[0].order, 3);
	assert_int_equal(a[2].order, 0);
	fake_engine_end(engine);
}

/* An earlier timer gets a sleeping thread up: nobody else calls the engine. */
static void earlier_timer_wakes_sleeper(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct alarm_clock late, soon;

	(void)state;
	memset(&late, 0, sizeof(late));
	memset(&soon, 0, sizeof(soon));
	atomic_store(&rung, 0);
	late.timer.expired = soon.timer.expired = ring;
	wsd_engine_set_timer(engine, &late.timer, wsd_clock_ns() + 1000 * SECOND);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_set_timer(engine, &soon.timer, wsd_clock_ns() + SECOND / 100);
	await_count(&rung, 1);
	assert_int_equal(soon.order, 1);
	wsd_engine_set_timer(engine, &late.timer, 0);
	fake_engine_end(engine);
}

static atomic_bool stopped;

/* Set anew, as by another thread when the handler waits for a lock. */
static void ring_again(struct wsd_timer *timer, struct wsd_engine *engine)
{
	wsd_engine_set_timer(engine, timer, atomic_load(&fake.clock) + 100 * SECOND);
	atomic_store(&stopped, wsd_engine_stop_timer(engine, timer));
	atomic_fetch_add(&rung, 1);
}

/* Who is told that a timer has stopped frees it: not while its handler may still run. */
static void an_expiring_timer_is_not_stopped(void **state)
{
	struct wsd_engine *engine = fake_engine();
	uint64_t end = wsd_clock_ns() + 10 * SECOND;
	struct wsd_timer timer;

	(void)state;
	memset(&timer, 0, sizeof(timer));
	atomic_store(&rung, 0);
	atomic_store(&stopped, true);
	timer.expired = ring_again;
	await_watch(engine, WSD_WATCH_PARKED);
	atomic_store(&fake.clock, wsd_clock_ns());
	wsd_engine_set_timer(engine, &timer, atomic_load(&fake.clock) + 100 * SECOND);
	atomic_fetch_add(&fake.clock, 150 * SECOND);
	wsd_engine_poll(engine);
	await_count(&rung, 1);
	assert_false(atomic_load(&stopped));
	while (!wsd_engine_stop_timer(engine, &timer) && wsd_clock_ns() < end)
		elapse(SECOND / 1000); /* the thread may not have left the handler */
	assert_int_equal(timer.when, 0);
	assert_false(wsd_engine_stop_timer(engine, &timer));
	fake_engine_end(engine);
}

/* A thread that gets up for a timer and comes too late stays for the next one: nobody has to wake it again. */
static void a_stopped_timer_keeps_the_thread(void **state)
{
	struct wsd_engine *engine = fake_engine();
	uint64_t end = wsd_clock_ns() + 10 * SECOND, when = wsd_clock_ns() + 1000 * SECOND;
	struct wsd_timer timer;

	(void)state;
	memset(&timer, 0, sizeof(timer));
	timer.expired = ring;
	await_watch(engine, WSD_WATCH_PARKED);
	while (!wsd_engine_enter(engine) && wsd_clock_ns() < end)
		elapse(SECOND / 1000);
	wsd_engine_set_timer(engine, &timer, when);
	assert_int_equal(atomic_load(&engine->watch), WSD_WATCH_TICK);
	assert_true(wsd_engine_stop_timer(engine, &timer));
	atomic_store(&engine->own, 0);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_set_timer(engine, &timer, when + SECOND);
	assert_int_equal(atomic_load(&engine->watch), WSD_WATCH_OWNER);
	wsd_engine_set_timer(engine, &timer, 0);
	await_watch(engine, WSD_WATCH_OWNER);
	fake_engine_end(engine);
}

static void thread_owns_idle_engine(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	unsigned polls;

	(void)state;
	seen_init(&a);
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	polls = atomic_load(&fake.polls);
	elapse(SECOND / 10);
	assert_int_equal(atomic_load(&fake.polls), polls); /* idle: no periodic wake-up */
	fake_post(&a, WSD_EV_RECV, 1);
	await_count(&a.events, 1);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_wake(engine);
	fake_post(&a, WSD_EV_RECV, 2);
	await_count(&a.events, 2);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

struct ending {
	struct wsd_task task; /* first */
	struct seen *connection;
};

/* The last connection of the engine is destroyed. */
static void end_last(struct wsd_task *task, struct wsd_engine *engine)
{
	struct ending *ending = (struct ending *)(void *)task;

	wsd_engine_forget(engine, &ending->connection->sink);
	wsd_engine_release(engine);
}

static void destroyed_last(struct wsd_engine *engine, struct ending *ending, struct seen *seen)
{
	seen_init(seen);
	wsd_task_init(&ending->task, end_last);
	ending->connection = seen;
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	atomic_store(&fake.busy, true);
	wsd_engine_queue_task(engine, &ending->task);
}

/* The device wakes the thread with what it still has to do, which gives no event. */
static void let_go(struct wsd_engine *engine)
{
	await_watch(engine, WSD_WATCH_OWNER);
	atomic_store(&fake.busy, false);
	fake_post(NULL, WSD_EV_SEND, 0);
	await_watch(engine, WSD_WATCH_PARKED);
	assert_false(wsd_engine_active(engine));
	assert_false(atomic_load(&engine->armed));
}

/* Nothing holds the engine, but its device still takes something down. */
static void moves_until_taken_down(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct ending ending;
	struct seen seen;

	(void)state;
	destroyed_last(engine, &ending, &seen);
	wsd_engine_kick(engine);
	let_go(engine);
	/* By a caller that sleeps then, and leaves. */
	destroyed_last(engine, &ending, &seen);
	assert_false(wsd_engine_wait(&engine, 1, never, NULL, wsd_clock_ns() + SECOND / 100,
				     wsd_waker_self()));
	assert_true(wsd_engine_active(engine));
	let_go(engine);
	/* A device that is done at once is not waited for. */
	destroyed_last(engine, &ending, &seen);
	atomic_store(&fake.busy, false);
	wsd_engine_kick(engine);
	assert_false(wsd_engine_active(engine));
	fake_engine_end(engine);
}

/* A caller that polls all the time: at most HOT arms until the thread steps back, none after. */
static void poll_budget(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	unsigned arms, disarms;

	(void)state;
	seen_init(&a);
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	arms = atomic_load(&fake.arms);
	for (unsigned i = 0; i < 2 * WSD_ENGINE_HOT; i++)
		wsd_engine_poll(engine);
	assert_int_equal(atomic_load(&engine->watch), WSD_WATCH_TICK);
	assert_true(atomic_load(&fake.arms) - arms <= WSD_ENGINE_HOT);
	arms = atomic_load(&fake.arms);
	disarms = atomic_load(&fake.disarms);
	for (unsigned i = 0; i < 100000; i++)
		wsd_engine_poll(engine);
	assert_int_equal(atomic_load(&fake.arms), arms);
	assert_int_equal(atomic_load(&fake.disarms), disarms);
	/* And when it stops polling, the thread takes over. */
	fake_post(&a, WSD_EV_RECV, 1);
	await_count(&a.events, 1);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* A few visits to an engine that the thread sleeps on leave it armed for the thread. */
static void rare_visits_arm_again(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;

	(void)state;
	seen_init(&a);
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_poll(engine);
	assert_int_equal(atomic_load(&engine->watch), WSD_WATCH_OWNER);
	assert_true(atomic_load(&engine->armed));
	fake_post(&a, WSD_EV_RECV, 1);
	await_count(&a.events, 1);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* Each event wakes the thread, and a caller comes between any two: soon it is left to the caller. */
static void frequent_visits_between_events_count(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	unsigned n;

	(void)state;
	seen_init(&a);
	wsd_engine_hold(engine);
	for (n = 0; n < 100 && (n == 0 || atomic_load(&engine->watch) != WSD_WATCH_TICK); n++) {
		await_watch(engine, WSD_WATCH_OWNER);
		fake_post(&a, WSD_EV_RECV, n);
		await_count(&a.events, n + 1);
		await_watch(engine, WSD_WATCH_OWNER);
		wsd_engine_poll(engine);
	}
	assert_true(n < 100);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* The thread has left the engine to a waiter and holds it still, when that one has looked and wants to sleep again. */
static void left_to_one_who_cannot_enter(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_follower follower = { .queued = false };
	struct seen a;

	(void)state;
	seen_init(&a);
	wsd_list_init(&follower.link);
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	assert_int_equal(wsd_engine_settle(engine, waker, &follower), WSD_SETTLED_ASLEEP);
	await_watch(engine, WSD_WATCH_PARKED);
	atomic_store(&engine->own, 1); /* in its name: it was kept from running there */
	wsd_engine_unsettle(engine, waker, &follower);
	assert_int_equal(wsd_engine_settle(engine, waker, &follower), WSD_SETTLED_PARKED);
	atomic_store(&engine->own, 0);
	fake_post(&a, WSD_EV_RECV, 1);
	await_count(&a.events, 1);
	wsd_engine_unsettle(engine, waker, &follower);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

static void let_go_soon(void *arg)
{
	struct wsd_engine *engine = arg;

	wsd_waker_sleep(wsd_waker_self(), NULL, 0, wsd_clock_ns() + SECOND / 500);
	atomic_store(&engine->own, 0);
}

/* What was there before a look is found, also where another thread has the engine and does not look again. */
static void look_waits_for_the_owner(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_thread *thread;
	struct seen a;

	(void)state;
	seen_init(&a);
	wsd_engine_hold(engine);
	await_watch(engine, WSD_WATCH_OWNER);
	wsd_engine_watch(engine);
	atomic_store(&engine->own, 1); /* in the other thread's name */
	fake_post(&a, WSD_EV_RECV, 1);
	assert_int_equal(wsd_thread_start(&thread, "owner", let_go_soon, engine), WSD_OK);
	(void)wsd_engine_look(engine, 0);
	assert_int_equal(atomic_load(&a.events), 1);
	wsd_thread_join(thread);
	wsd_engine_release(engine);
	fake_engine_end(engine);
}

/* A caller tries again if anybody has been in since its mark, and only then. */
static void look_tells_of_others(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct seen a;
	uint64_t mark;

	(void)state;
	seen_init(&a);
	await_watch(engine, WSD_WATCH_PARKED);
	mark = wsd_engine_mark(engine);
	assert_int_equal(wsd_engine_look(engine, mark), WSD_LOOK_NOTHING);
	mark = wsd_engine_mark(engine);
	fake_post(&a, WSD_EV_RECV, 1);
	assert_true(wsd_engine_poll(engine));
	assert_int_equal(wsd_engine_look(engine, mark), WSD_LOOK_ONCE);
	mark = wsd_engine_mark(engine);
	fake_post(&a, WSD_EV_RECV, 2);
	assert_int_equal(wsd_engine_look(engine, mark), WSD_LOOK_MORE);
	assert_int_equal(a.events, 2);
	atomic_store(&engine->own, 1); /* in the name of one that is in a round */
	mark = wsd_engine_mark(engine);
	atomic_store(&engine->own, 0);
	assert_int_equal(wsd_engine_look(engine, mark), WSD_LOOK_ONCE);
	fake_engine_end(engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_runs),
		cmocka_unit_test(forgets),
		cmocka_unit_test(task_and_upcall_from_handler),
		cmocka_unit_test(kick_while_owned),
		cmocka_unit_test(timers_in_order),
		cmocka_unit_test(earlier_timer_wakes_sleeper),
		cmocka_unit_test(an_expiring_timer_is_not_stopped),
		cmocka_unit_test(a_stopped_timer_keeps_the_thread),
		cmocka_unit_test(thread_owns_idle_engine),
		cmocka_unit_test(moves_until_taken_down),
		cmocka_unit_test(poll_budget),
		cmocka_unit_test(rare_visits_arm_again),
		cmocka_unit_test(frequent_visits_between_events_count),
		cmocka_unit_test(left_to_one_who_cannot_enter),
		cmocka_unit_test(look_waits_for_the_owner),
		cmocka_unit_test(look_tells_of_others),
	};

	/* A loaded machine may stop the test for longer than the standard tick. */
	setenv("WSD_ENGINE_TICK_US", "200000", 1);
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}

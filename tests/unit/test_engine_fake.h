/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_engine_fake.h - a backend of one queue whose events the test posts: counts every call and
 * notices when two threads are in [owner] operations at once.
 */
#ifndef WSD_TEST_ENGINE_FAKE_H
#define WSD_TEST_ENGINE_FAKE_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#include "provider/transport/engine_internal.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/ops_default.h"

#define FAKE_EVENTS 65536u

struct fake {
	struct wsd_mutex lock;
	struct wsd_event events[FAKE_EVENTS];
	unsigned head, tail; /* lock */
	bool armed;	     /* lock */
	intptr_t object;
	atomic_uint inside, overlaps, polls, arms, disarms, regs, deregs;
	atomic_bool busy;
	enum wsd_status reg_answer;
	_Atomic uint64_t clock; /* 0 = the real one */
};

/* One at a time: the tables of a backend have no context of their own. */
static struct fake fake;

static void fake_enter(void)
{
	if (atomic_fetch_add(&fake.inside, 1))
		atomic_fetch_add(&fake.overlaps, 1);
}

static void fake_leave(void)
{
	atomic_fetch_sub(&fake.inside, 1);
}

static enum wsd_status fake_queue_create(struct wsd_device *device, uint32_t depth, void *context,
					 struct wsd_queue **queue)
{
	(void)device;
	(void)depth;
	(void)context;
	*queue = (struct wsd_queue *)(void *)&fake;
	return WSD_OK;
}

static void fake_queue_destroy(struct wsd_queue *queue)
{
	(void)queue;
}

static void fake_close(struct wsd_device *device)
{
	(void)device;
}

static uint32_t fake_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	uint32_t n = 0;

	(void)queue;
	fake_enter();
	atomic_fetch_add(&fake.polls, 1);
	wsd_mutex_lock(&fake.lock);
	while (n < count && fake.head != fake.tail)
		events[n++] = fake.events[fake.head++ % FAKE_EVENTS];
	wsd_mutex_unlock(&fake.lock);
	fake_leave();
	return n;
}

static enum wsd_status fake_arm(struct wsd_queue *queue)
{
	enum wsd_status status = WSD_OK;

	(void)queue;
	fake_enter();
	atomic_fetch_add(&fake.arms, 1);
	wsd_mutex_lock(&fake.lock);
	if (fake.head != fake.tail)
		status = WSD_AGAIN;
	else
		fake.armed = true;
	wsd_mutex_unlock(&fake.lock);
	fake_leave();
	return status;
}

static void fake_disarm(struct wsd_queue *queue)
{
	(void)queue;
	fake_enter();
	atomic_fetch_add(&fake.disarms, 1);
	wsd_mutex_lock(&fake.lock);
	fake.armed = false;
	test_object_clear(fake.object);
	wsd_mutex_unlock(&fake.lock);
	fake_leave();
}

static wsd_wait_object fake_wait_object(struct wsd_queue *queue)
{
	(void)queue;
	return fake.object;
}

static uint64_t fake_clock(struct wsd_queue *queue)
{
	uint64_t now = atomic_load(&fake.clock);

	(void)queue;
	return now ? now : wsd_clock_ns();
}

static bool fake_busy(struct wsd_queue *queue)
{
	bool busy;

	(void)queue;
	fake_enter();
	busy = atomic_load(&fake.busy);
	fake_leave();
	return busy;
}

/* An event arrives from outside. */
static inline void fake_post(void *context, enum wsd_event_type type, uint64_t id)
{
	struct wsd_event event;

	memset(&event, 0, sizeof(event));
	event.type = type;
	event.context = context;
	event.id = id;
	wsd_mutex_lock(&fake.lock);
	assert_true(fake.tail - fake.head < FAKE_EVENTS);
	fake.events[fake.tail++ % FAKE_EVENTS] = event;
	if (fake.armed) {
		fake.armed = false;
		test_object_set(fake.object);
	}
	wsd_mutex_unlock(&fake.lock);
}

static enum wsd_status fake_reg(struct wsd_queue *queue, void *base, uint64_t length,
				uint32_t access, uint64_t id, struct wsd_region **region)
{
	(void)queue;
	(void)id;
	if (fake.reg_answer < 0)
		return fake.reg_answer;
	*region = wsd_alloc(sizeof(**region));
	assert_non_null(*region);
	(*region)->base = base;
	(*region)->length = length;
	(*region)->access = access;
	(*region)->remote_key = atomic_fetch_add(&fake.regs, 1) + 1;
	return fake.reg_answer;
}

static void fake_dereg(struct wsd_region *region)
{
	atomic_fetch_add(&fake.deregs, 1);
	wsd_free(region);
}

static struct wsd_engine *fake_engine(void)
{
	static struct wsd_backend_ops ops;
	struct wsd_device_attr attr;
	struct wsd_engine *engine;

	memset(&ops, 0, sizeof(ops));
	ops.size = sizeof(ops);
	ops.abi = WSD_BACKEND_ABI;
	ops.name = "fake";
	ops.queue_create = fake_queue_create;
	ops.queue_destroy = fake_queue_destroy;
	ops.close = fake_close;
	ops.poll = fake_poll;
	ops.arm = fake_arm;
	ops.disarm = fake_disarm;
	ops.wait_object = fake_wait_object;
	ops.clock = fake_clock;
	ops.busy = fake_busy;
	ops.reg = fake_reg;
	ops.dereg = fake_dereg;
	memset(&fake, 0, sizeof(fake));
	wsd_mutex_init(&fake.lock);
	fake.object = test_object_new();
	memset(&attr, 0, sizeof(attr));
	assert_int_equal(
		wsd_engine_create(&ops, (struct wsd_device *)(void *)&fake, &attr, "fake", &engine),
		WSD_OK);
	return engine;
}

static void fake_engine_end(struct wsd_engine *engine)
{
	wsd_engine_destroy(engine);
	test_object_free(fake.object);
	wsd_mutex_fini(&fake.lock);
	assert_int_equal(atomic_load(&fake.overlaps), 0);
	assert_int_equal(wsd_alloc_live(),
			 1); /* the memory of the engine is kept for the next one */
}

#endif

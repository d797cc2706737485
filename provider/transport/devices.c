// SPDX-License-Identifier: BSD-2-Clause
/*
 * devices.c - which engines there are: opening the devices of the configured backends, and closing.
 *
 * The memory of an engine is never given back, only used again: a thread of the application may sit in
 * a wait, or stand before a poll, while another one stops the library.
 */
#include <stdio.h>
#include <string.h>

#include "provider/transport/engine_internal.h"
#include "provider/transport/ledger.h"
#include "provider/transport/plain.h"
#include "provider/transport/rules.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/registry.h"

#define DEVICES_MAX 16u /* of one backend */
#define MISSING_MAX 8u

/* A configured backend without an engine. */
struct missing {
	unsigned at; /* engines before it in the path order */
	enum wsd_status status;
	char text[224];
};

static struct {
	atomic_int once; /* 0, 1 = being made, 2 = lock is valid */
	struct wsd_mutex lock;
	unsigned references;
	atomic_uint count;
	_Atomic(struct wsd_engine *) engines[WSD_ENGINE_MAX]; /* stay when count goes down */
	unsigned missing_count;
	struct missing missing[MISSING_MAX];
} all;

static _Atomic(struct wsd_engine *) retired; /* a list, taken as a whole */

static void all_lock(void)
{
	int fresh = 0;

	if (atomic_compare_exchange_strong(&all.once, &fresh, 1)) {
		wsd_mutex_init(&all.lock);
		atomic_store(&all.once, 2);
	}
	while (atomic_load(&all.once) != 2)
		wsd_cpu_relax();
	wsd_mutex_lock(&all.lock);
}

/* Nothing else will be heard of its connections. */
static void tell_gone(struct wsd_engine *engine)
{
	struct wsd_event event = { .type = WSD_EV_DEVICE_GONE, .status = WSD_EDEVICE };
	struct wsd_list *node;

	while ((node = wsd_list_pop(&engine->sinks)) != NULL) {
		struct wsd_event_sink *sink = wsd_container(node, struct wsd_event_sink, link);

		sink->joined = false;
		event.context = sink;
		sink->events(sink, engine, &event, 1);
	}
}

/* Events of the queue itself: removal of the device, and registrations. */
static void queue_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			 const struct wsd_event *events, uint32_t count)
{
	(void)sink;
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].type == WSD_EV_REG) {
			wsd_mr_completed(engine->cache, events[i].id, events[i].status);
		} else if (events[i].type == WSD_EV_DEVICE_GONE && !atomic_load(&engine->gone)) {
			atomic_store(&engine->gone, true);
			wsd_log(WSD_LOG_ERROR, "engine", "%s: the device is gone", engine->name);
			wsd_count(wsd_counter("engine", "device_gone", "devices that were removed"),
				  1);
			tell_gone(engine);
		}
	}
}

static void retire(struct wsd_engine *first)
{
	struct wsd_engine *last = first, *head = atomic_load(&retired);

	while (last->next_retired)
		last = last->next_retired;
	do
		last->next_retired = head;
	while (!atomic_compare_exchange_weak(&retired, &head, first));
}

/* With own taken, as engine_end leaves it. */
static struct wsd_engine *engine_memory(void)
{
	struct wsd_engine *engine = atomic_exchange(&retired, NULL);

	if (engine) {
		if (engine->next_retired)
			retire(engine->next_retired);
		engine->next_retired = NULL;
		return engine;
	}
	engine = wsd_alloc(sizeof(*engine));
	if (!engine)
		return NULL;
	atomic_init(&engine->own, 1);
	wsd_mutex_init(&engine->leaf);
	wsd_cond_init(&engine->started);
	wsd_list_init(&engine->followers);
	return engine;
}

static void engine_init(struct wsd_engine *engine, const struct wsd_backend_ops *ops,
			const struct wsd_device_attr *attr, const char *name)
{
	engine->sink.events = queue_events;
	engine->ops = ops;
	engine->attr = *attr;
	snprintf(engine->name, sizeof(engine->name), "%s", name);
	engine->tick = wsd_param_uint("ENGINE_TICK_US", 2000, 100, 1000000) * 1000;
	wsd_list_init(&engine->deferred);
	wsd_list_init(&engine->sinks);
	wsd_list_init(&engine->tasks);
	engine->event_next = engine->event_count = 0;
	atomic_store(&engine->gone, false);
	engine->thread_state = 0;
	atomic_store(&engine->armed, false);
	atomic_store(&engine->watch, WSD_WATCH_TICK);
	atomic_store(&engine->poked, false);
	atomic_store(&engine->stop, false);
	atomic_store(&engine->spin, UINT32_MAX); /* as long as allowed, until it has learned */
}

static enum wsd_status thread_begin(struct wsd_engine *engine)
{
	char name[16];
	enum wsd_status status;
	int state;

	if (!wsd_param_uint("ENGINE_THREAD", 1, 0, 1))
		return WSD_OK;
	snprintf(name, sizeof(name), "wsd-%.11s", engine->name);
	status = wsd_thread_start(&engine->thread, name, wsd_engine_thread, engine);
	if (status != WSD_OK)
		return status;
	wsd_mutex_lock(&engine->leaf);
	while (!engine->thread_state)
		wsd_cond_wait(&engine->started, &engine->leaf, UINT64_MAX);
	state = engine->thread_state;
	wsd_mutex_unlock(&engine->leaf);
	if (state > 0)
		return WSD_OK;
	wsd_thread_join(engine->thread);
	engine->thread = NULL;
	return WSD_ENOFILES;
}

static void thread_end(struct wsd_engine *engine)
{
	if (!engine->thread)
		return;
	atomic_store(&engine->stop, true);
	wsd_engine_watch(engine);
	wsd_thread_join(engine->thread);
	engine->thread = NULL;
}

/* [own, kept for good] */
static void engine_end(struct wsd_engine *engine)
{
	wsd_engine_abandon(engine);
	if (engine->cache)
		wsd_mr_cache_free(engine->cache);
	if (engine->queue)
		engine->ops->queue_destroy(engine->queue);
	engine->cache = NULL;
	engine->queue = NULL;
	retire(engine);
}

/* Visitors leave soon: none waits or calls out with own. */
static void take_own(struct wsd_engine *engine)
{
	while (!wsd_engine_enter(engine))
		wsd_cpu_relax();
}

enum wsd_status wsd_engine_create(const struct wsd_backend_ops *ops, struct wsd_device *device,
				  const struct wsd_device_attr *attr, const char *name,
				  struct wsd_engine **result)
{
	struct wsd_engine *engine = engine_memory();
	uint32_t depth = (uint32_t)wsd_param_uint("QUEUE_DEPTH", 4096, 16, 1u << 20);
	enum wsd_status status;

	if (!engine)
		return WSD_ENOMEM;
	engine_init(engine, ops, attr, name);
	engine->device = device;
	status = ops->queue_create(device, depth, engine, &engine->queue);
	if (status != WSD_OK) {
		engine->queue = NULL;
		engine_end(engine);
		return status;
	}
	engine->object = ops->wait_object(engine->queue);
	wsd_timers_init(&engine->timers, wsd_engine_now(engine));
	engine->cache = wsd_mr_cache_new(engine);
	if (!engine->cache) {
		engine_end(engine);
		return WSD_ENOMEM;
	}
	atomic_store(&engine->own, 0);
	status = thread_begin(engine);
	if (status != WSD_OK) {
		take_own(engine);
		engine_end(engine);
		return status;
	}
	*result = engine;
	return WSD_OK;
}

void wsd_engine_destroy(struct wsd_engine *engine)
{
	struct wsd_device *device = engine->device;
	const struct wsd_backend_ops *ops = engine->ops;
	bool entered;

	/* What was queued last, without the thread, so that nothing races with the end. */
	thread_end(engine);
	wsd_engine_visit(engine, WSD_VISIT_STAY, &entered);
	if (atomic_load(&engine->holds))
		wsd_log(WSD_LOG_WARNING, "engine", "%s: stopped with %u objects left", engine->name,
			atomic_load(&engine->holds));
	take_own(engine);
	engine_end(engine);
	ops->close(device);
}

/* "shm", "tcp"; hardware has the adapter in its name: "verbs/rxe0". */
static void engine_name(char *text, size_t size, const char *backend, uint32_t index,
			const struct wsd_device_attr *attr)
{
	bool plain = index == 0 && (attr->caps & (WSD_CAP_SOFTWARE | WSD_CAP_SAME_HOST)) != 0;

	if (plain || !attr->name[0] || strcmp(attr->name, backend) == 0)
		snprintf(text, size, "%s", backend);
	else
		snprintf(text, size, "%.15s/%.31s", backend, attr->name);
}

/* One device. WSD_NOTFOUND ends the enumeration; other failures cost this device only. */
static enum wsd_status open_device(const struct wsd_backend_ops *ops, const char *backend,
				   uint32_t index)
{
	struct wsd_device_attr attr;
	struct wsd_device *device = NULL;
	struct wsd_engine *engine;
	char name[WSD_ENGINE_NAME];
	enum wsd_status status;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	status = ops->open(wsd_host_table(), index, &device, &attr);
	if (status == WSD_NOTFOUND)
		return status;
	if (status == WSD_OK) {
		attr.name[sizeof(attr.name) - 1] = '\0';
		engine_name(name, sizeof(name), backend, index, &attr);
		status = wsd_engine_create(ops, device, &attr, name, &engine);
		if (status == WSD_OK) {
			wsd_log(WSD_LOG_INFO, "engine", "%s: ready", name);
			atomic_store(&all.engines[atomic_load(&all.count)], engine);
			atomic_fetch_add(&all.count, 1);
			return status;
		}
		ops->close(device);
	}
	wsd_log(WSD_LOG_NOTICE, "engine", "%s device %u: %s", backend, (unsigned)index,
		wsd_status_text(status));
	return status;
}

/* Why there is no engine of it: for the log, and for connects that would have tried it. */
static void note_missing(const char *backend, int level, enum wsd_status status, const char *reason)
{
	struct missing *missing = &all.missing[all.missing_count];

	wsd_log(level, "engine", "backend %s is not available: %s", backend, reason);
	if (all.missing_count == MISSING_MAX)
		return;
	missing->at = atomic_load(&all.count);
	missing->status = status;
	snprintf(missing->text, sizeof(missing->text), "%s: %.180s (%d)", backend, reason,
		 (int)status);
	all.missing_count++;
}

static enum wsd_status open_backend(const char *backend)
{
	const struct wsd_backend_ops *ops = &wsd_plain_ops;
	unsigned before = atomic_load(&all.count);
	char reason[256] = "";
	enum wsd_status status = WSD_OK, why = WSD_ENODEVICE;

	if (strcmp(backend, wsd_plain_ops.name) != 0)
		status = wsd_registry_find(backend, &ops, reason, sizeof(reason));
	if (status != WSD_OK) {
		why = status == WSD_NOTFOUND ? WSD_ENODEVICE : status;
		/* One that somebody has named is misspelt, or not installed. */
		note_missing(backend,
			     wsd_param_text("BACKENDS", NULL) ? WSD_LOG_WARNING : WSD_LOG_NOTICE,
			     why, reason[0] ? reason : wsd_status_text(why));
		return WSD_OK;
	}
	for (uint32_t i = 0; i < DEVICES_MAX && atomic_load(&all.count) < WSD_ENGINE_MAX; i++) {
		status = open_device(ops, backend, i);
		if (status == WSD_ENOMEM)
			return status;
		if (status == WSD_NOTFOUND)
			break;
		if (status != WSD_OK)
			why = status;
	}
	if (atomic_load(&all.count) == before)
		note_missing(backend, WSD_LOG_NOTICE, why, wsd_status_text(why));
	return WSD_OK;
}

static enum wsd_status open_all(void)
{
	const char *at = wsd_param_text("BACKENDS", "shm,verbs,tcp,plain");
	enum wsd_status status = WSD_OK;
	char name[32];

	all.missing_count = 0;
	while (*at && status == WSD_OK) {
		size_t length;

		at += strspn(at, ", \t");
		length = strcspn(at, ", \t");
		if (length >= sizeof(name)) {
			wsd_log(WSD_LOG_WARNING, "engine", "no backend has so long a name: %.40s",
				at);
		} else if (length) {
			memcpy(name, at, length);
			name[length] = '\0';
			status = open_backend(name);
		}
		at += length;
	}
	return status;
}

static void close_all(void)
{
	unsigned count;

	while ((count = atomic_load(&all.count)) > 0) {
		atomic_store(&all.count, count - 1);
		wsd_engine_destroy(atomic_load(&all.engines[count - 1]));
	}
	wsd_ledger_close();
	wsd_system_idle();
}

enum wsd_status wsd_engines_start(void)
{
	enum wsd_status status = WSD_OK;

	all_lock();
	if (all.references == 0) {
		wsd_host_set_wake(wsd_engine_wake);
		wsd_ledger_open();
		status = wsd_rules_load();
		if (status == WSD_OK)
			status = open_all();
		if (status != WSD_OK)
			close_all();
	}
	if (status == WSD_OK)
		all.references++;
	wsd_mutex_unlock(&all.lock);
	return status;
}

void wsd_engines_stop(void)
{
	all_lock();
	if (all.references && --all.references == 0)
		close_all();
	wsd_mutex_unlock(&all.lock);
}

void wsd_engines_fork_child(void)
{
	atomic_store(&all.count, 0);
	all.references = 0;
	atomic_store(&all.once, 0); /* the lock may have been held */
	/* Nor is an ended engine used again: the parent's threads may have been inside of it. */
	atomic_store(&retired, NULL);
	wsd_ledger_fork_child();
	wsd_engine_waits_forked();
}

unsigned wsd_engine_count(void)
{
	/* acquire: the engines below it */
	return atomic_load_explicit(&all.count, memory_order_acquire);
}

const char *wsd_engine_missing(unsigned number, unsigned index, enum wsd_status *status)
{
	if (number >= all.missing_count || all.missing[number].at > index)
		return NULL;
	*status = all.missing[number].status;
	return all.missing[number].text;
}

struct wsd_engine *wsd_engine_at(unsigned index)
{
	if (index >= WSD_ENGINE_MAX)
		return NULL;
	/* relaxed: the caller has seen a count above index */
	return atomic_load_explicit(&all.engines[index], memory_order_relaxed);
}

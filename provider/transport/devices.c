// SPDX-License-Identifier: BSD-2-Clause
/* devices.c - which engines there are: opening the devices of the configured backends, and
 * closing. */
#include <stdio.h>
#include <string.h>

#include "provider/transport/engine_internal.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/registry.h"

#define DEVICES_MAX 16u /* of one backend */

static struct {
	atomic_int once; /* 0, 1 = being made, 2 = lock is valid */
	struct wsd_mutex lock;
	unsigned references;
	unsigned count;
	struct wsd_engine *engines[WSD_ENGINE_MAX];
} all;

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

/* Events of the queue itself: removal of the device, and registrations. */
static void queue_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			 const struct wsd_event *events, uint32_t count)
{
	(void)sink;
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].type == WSD_EV_REG) {
			wsd_mr_completed(engine->cache, events[i].id, events[i].status);
		} else if (events[i].type == WSD_EV_DEVICE_GONE && !engine->gone) {
			engine->gone = true;
			wsd_log(WSD_LOG_ERROR, "engine", "%s: the device is gone", engine->name);
			wsd_count(wsd_counter("engine", "device_gone", "devices that were removed"),
				  1);
		}
	}
}

static void engine_init(struct wsd_engine *engine, const struct wsd_backend_ops *ops,
			const struct wsd_device_attr *attr, const char *name)
{
	engine->sink.events = queue_events;
	engine->ops = ops;
	engine->attr = *attr;
	snprintf(engine->name, sizeof(engine->name), "%s", name);
	engine->tick = wsd_param_uint("ENGINE_TICK_US", 2000, 100, 1000000) * 1000;
	wsd_mutex_init(&engine->leaf);
	wsd_cond_init(&engine->started);
	wsd_list_init(&engine->deferred);
	wsd_list_init(&engine->tasks);
	wsd_list_init(&engine->followers);
	atomic_init(&engine->watch, WSD_WATCH_TICK);
	atomic_init(&engine->spin, UINT32_MAX); /* as long as allowed, until it has learned */
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

static void engine_free(struct wsd_engine *engine)
{
	if (engine->cache)
		wsd_mr_cache_free(engine->cache);
	if (engine->queue)
		engine->ops->queue_destroy(engine->queue);
	wsd_cond_fini(&engine->started);
	wsd_mutex_fini(&engine->leaf);
	wsd_free(engine);
}

enum wsd_status wsd_engine_create(const struct wsd_backend_ops *ops, struct wsd_device *device,
				  const struct wsd_device_attr *attr, const char *name,
				  struct wsd_engine **result)
{
	struct wsd_engine *engine = wsd_alloc(sizeof(*engine));
	uint32_t depth = (uint32_t)wsd_param_uint("QUEUE_DEPTH", 4096, 16, 1u << 20);
	enum wsd_status status;

	if (!engine)
		return WSD_ENOMEM;
	engine_init(engine, ops, attr, name);
	engine->device = device;
	status = ops->queue_create(device, depth, engine, &engine->queue);
	if (status != WSD_OK) {
		engine->queue = NULL;
		goto fail;
	}
	engine->object = ops->wait_object(engine->queue);
	wsd_timers_init(&engine->timers, wsd_engine_now(engine));
	engine->cache = wsd_mr_cache_new(engine);
	status = engine->cache ? thread_begin(engine) : WSD_ENOMEM;
	if (status != WSD_OK)
		goto fail;
	*result = engine;
	return WSD_OK;
fail:
	engine_free(engine);
	return status;
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
	engine_free(engine);
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
		status = wsd_engine_create(ops, device, &attr, name, &all.engines[all.count]);
		if (status == WSD_OK) {
			wsd_log(WSD_LOG_INFO, "engine", "%s: ready", name);
			all.count++;
			return status;
		}
		ops->close(device);
	}
	wsd_log(WSD_LOG_NOTICE, "engine", "%s device %u: %s", backend, (unsigned)index,
		wsd_status_text(status));
	return status;
}

static enum wsd_status open_backend(const char *backend)
{
	const struct wsd_backend_ops *ops;
	char reason[160] = "";
	enum wsd_status status = wsd_registry_find(backend, &ops, reason, sizeof(reason));

	if (status != WSD_OK) {
		wsd_log(WSD_LOG_NOTICE, "engine", "backend %s is not available: %s", backend,
			reason[0] ? reason : wsd_status_text(status));
		return WSD_OK;
	}
	for (uint32_t i = 0; i < DEVICES_MAX && all.count < WSD_ENGINE_MAX; i++) {
		status = open_device(ops, backend, i);
		if (status == WSD_ENOMEM)
			return status;
		if (status == WSD_NOTFOUND) {
			if (i == 0)
				wsd_log(WSD_LOG_NOTICE, "engine", "backend %s has no device",
					backend);
			break;
		}
	}
	return WSD_OK;
}

static enum wsd_status open_all(void)
{
	const char *at = wsd_param_text("BACKENDS", "shm,tcp");
	enum wsd_status status = WSD_OK;
	char name[32];

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
	while (all.count) {
		struct wsd_engine *engine = all.engines[all.count - 1];

		all.engines[--all.count] = NULL;
		wsd_engine_destroy(engine);
	}
}

enum wsd_status wsd_engines_start(void)
{
	enum wsd_status status = WSD_OK;

	all_lock();
	if (all.references == 0) {
		wsd_host_set_wake(wsd_engine_wake);
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

unsigned wsd_engine_count(void)
{
	return all.count;
}

struct wsd_engine *wsd_engine_at(unsigned index)
{
	return index < all.count ? all.engines[index] : NULL;
}

// SPDX-License-Identifier: BSD-2-Clause
/* listen.c - see listen.h. */
#include "provider/transport/listen.h"

#include <stdatomic.h>
#include <stdio.h>

#include "provider/transport/path.h"
#include "provider/transport/plain.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define ADDRESSES_MAX 64u

struct listen_port {
	struct wsd_event_sink sink; /* first: the backend's context */
	struct wsd_listen *listen;
	struct wsd_engine *engine;
	struct wsd_listener_ep *ep;
	struct wsd_task task;
	enum wsd_status status; /* of listen; WSD_PENDING until it was tried */
};

struct wsd_listen {
	const struct wsd_listen_owner *ops;
	void *owner;
	struct wsd_addr local;
	atomic_uint left; /* ports whose task has not run */
	unsigned port_count;
	struct listen_port ports[];
};

void wsd_request_refuse(struct wsd_engine *engine, struct wsd_request *request, enum wsd_status why)
{
	uint8_t reason[4] = { (uint8_t)(-(int)why), 0, 0, 0 };

	wsd_engine_ops(engine)->reject(request, reason, sizeof(reason));
}

enum wsd_status wsd_refusal_reason(const void *data, uint32_t length)
{
	enum wsd_status reason = length < 4 ? WSD_ERESET : -(int)*(const uint8_t *)data;

	switch ((int)reason) {
	case WSD_ENOFILES: /* who is told of descriptors closes some of its own */
		return WSD_ENOMEM;
	case WSD_ENOMEM:
	case WSD_EBUSY:
	case WSD_EREGISTER:
	case WSD_EMEMLOCK:
	case WSD_ERESET:
	case WSD_EREFUSED:
	case WSD_ENOLISTENER:
	case WSD_EPROTOCOL:
	case WSD_EVERSION:
	case WSD_EUSER:
	case WSD_EDEVICE:
		return reason;
	default: /* of our port, of time, of our rights and rules: such things it cannot know */
		return WSD_EPROTOCOL;
	}
}

static void port_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			const struct wsd_event *events, uint32_t count)
{
	struct listen_port *p = wsd_container(sink, struct listen_port, sink);

	p->listen->ops->events(p->listen->owner, engine, events, count);
}

static void listen_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct listen_port *p = wsd_container(task, struct listen_port, task);
	struct wsd_listen *l = p->listen;

	p->status = wsd_engine_ops(engine)->listen(wsd_engine_queue(engine), &l->local, 1u << 16,
						   &p->sink, &p->ep);
	if (p->status == WSD_OK)
		wsd_engine_hold(engine);
	else
		p->ep = NULL;
	atomic_fetch_sub(&l->left, 1);
}

static bool all_tried(void *arg)
{
	return atomic_load(&((struct wsd_listen *)arg)->left) == 0;
}

static void close_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct listen_port *p = wsd_container(task, struct listen_port, task);
	struct wsd_listen *l = p->listen;

	if (p->ep) {
		wsd_engine_ops(engine)->listener_destroy(p->ep);
		wsd_engine_forget(engine, &p->sink);
		wsd_engine_release(engine);
		p->ep = NULL;
	}
	if (atomic_fetch_sub(&l->left, 1) == 1)
		l->ops->closed(l->owner, engine);
}

bool wsd_engine_serves(struct wsd_engine *engine, const struct wsd_addr *local)
{
	struct wsd_addr list[ADDRESSES_MAX];
	uint32_t n;

	if (wsd_engine_is_plain(engine))
		return false;
	if (wsd_addr_is_any(local) || wsd_addr_is_loopback(local))
		return true;
	n = wsd_engine_ops(engine)->addresses(wsd_engine_device(engine), list, ADDRESSES_MAX);
	for (uint32_t i = 0; i < n && i < ADDRESSES_MAX; i++) {
		list[i].port = local->port;
		if (wsd_addr_equal(&list[i], local))
			return true;
	}
	return false;
}

static void run_tasks(struct wsd_listen *l,
		      void (*run)(struct wsd_task *task, struct wsd_engine *engine))
{
	atomic_store(&l->left, l->port_count);
	for (unsigned i = 0; i < l->port_count; i++) {
		wsd_task_init(&l->ports[i].task, run);
		wsd_engine_queue_task(l->ports[i].engine, &l->ports[i].task);
	}
}

enum wsd_status wsd_listen_open(struct wsd_listen **listen, const struct wsd_listen_owner *ops,
				void *owner, const struct wsd_addr *local)
{
	unsigned count = wsd_engine_count();
	enum wsd_status status = WSD_EADDRNOTAVAIL;
	struct wsd_listen *l;
	bool open = false;

	l = wsd_alloc(sizeof(*l) + count * sizeof(l->ports[0]));
	if (!l)
		return WSD_ENOMEM;
	l->ops = ops;
	l->owner = owner;
	l->local = *local;
	for (unsigned i = 0; i < count; i++) {
		struct listen_port *p = &l->ports[l->port_count];

		if (!wsd_engine_serves(wsd_engine_at(i), local))
			continue;
		if (!wsd_paths_listen(local, wsd_engine_at(i))) {
			status = WSD_EDENIED;
			continue;
		}
		p->sink.events = port_events;
		p->listen = l;
		p->engine = wsd_engine_at(i);
		l->port_count++;
	}
	run_tasks(l, listen_task);
	wsd_listen_kick(l);
	while (!all_tried(l))
		(void)wsd_engine_wait(NULL, 0, all_tried, l, wsd_clock_ns() + 1000000,
				      wsd_waker_self());
	for (unsigned i = 0; i < l->port_count; i++) {
		if (l->ports[i].status == WSD_OK) {
			open = true;
			continue;
		}
		status = l->ports[i].status;
		wsd_log(WSD_LOG_WARNING, "engine", "%s: does not listen at port %u: %s",
			wsd_engine_name(l->ports[i].engine), local->port, wsd_status_text(status));
	}
	if (!open) {
		wsd_free(l);
		return status;
	}
	*listen = l;
	return WSD_OK;
}

size_t wsd_listen_paths(const struct wsd_listen *l, char *text, size_t size)
{
	size_t length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < l->port_count && length < size; i++)
		if (l->ports[i].status == WSD_OK)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
						   length > 0 ? "," : "",
						   wsd_engine_name(l->ports[i].engine));
	return length;
}

void wsd_listen_close(struct wsd_listen *l)
{
	run_tasks(l, close_task);
}

void wsd_listen_kick(struct wsd_listen *l)
{
	for (unsigned i = 0; i < l->port_count; i++)
		wsd_engine_kick(l->ports[i].engine);
}

void wsd_listen_free(struct wsd_listen *l)
{
	wsd_free(l);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * acceptor.c - the requests that arrived at one listening address. Nothing is answered before the owner has
 * decided; what a full backlog does not take is refused at once.
 */
#include "provider/san/internal.h"

#include <string.h>

#include "provider/transport/listen.h"
#include "rdma_backend/base/platform.h"

#define ACCEPT_FILES 4u /* a backend opens no more for one connection */

struct wsd_acceptor {
	const struct wsd_acceptor_owner *ops;
	void *owner;
	struct wsd_listen *listen;
	struct wsd_list waiting;
	unsigned count, backlog;
	bool closing;
};

/* One request; refused by a task of its engine, which frees it. */
struct caller {
	struct wsd_list link;
	struct wsd_task task;
	struct wsd_engine *engine;
	struct wsd_request *request; /* NULL: withdrawn */
	enum wsd_status why;	     /* refused */
	struct wsd_addr local, remote;
	struct wsd_san_hello hello;
};

static void refuse_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct caller *c = wsd_container(task, struct caller, task);

	wsd_request_refuse(engine, c->request, c->why);
	wsd_free(c);
}

/* Out of the queue, towards its end. */
static void refuse(struct wsd_acceptor *a, struct caller *c, enum wsd_status why)
{
	wsd_list_remove(&c->link);
	a->count--;
	c->why = why;
	if (c->request)
		wsd_engine_queue_task(c->engine, &c->task);
	else
		wsd_free(c);
}

/* WSD_EREFUSED keeps the other switch from TCP: for what TCP would refuse as well. A listener that ends here may go on
 * elsewhere, and TCP may have the memory. */
static void on_request(struct wsd_acceptor *a, struct wsd_engine *engine,
		       const struct wsd_event *ev)
{
	enum wsd_status status = a->closing ? WSD_ENOLISTENER : WSD_EREFUSED;
	struct caller *c = NULL;

	if (!a->closing && a->count < a->backlog) {
		c = wsd_alloc(sizeof(*c));
		status = WSD_ENOLISTENER;
		if (c)
			status = wsd_san_hello_decode(ev->data, ev->data_length, &c->hello);
		if (status == WSD_OK && (c->hello.features & WSD_FEATURE_RESUME))
			status = WSD_EREFUSED; /* what it looks for has gone */
	}
	if (status != WSD_OK) {
		wsd_free(c);
		wsd_request_refuse(engine, ev->request, status);
		return;
	}
	wsd_task_init(&c->task, refuse_task);
	c->engine = engine;
	c->request = ev->request;
	c->local = ev->local;
	c->remote = ev->remote;
	wsd_list_append(&a->waiting, &c->link);
	if (a->count++ == 0)
		a->ops->arrived(a->owner);
}

/* One that is not queued is in other hands already: they answer it, and are told then. */
static void on_gone(struct wsd_acceptor *a, struct wsd_engine *engine, const struct wsd_event *ev)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &a->waiting) {
		struct caller *c = wsd_container(node, struct caller, link);

		if (c->request != ev->request)
			continue;
		c->request = NULL;
		wsd_engine_ops(engine)->reject(ev->request, NULL, 0);
		a->ops->arrived(a->owner);
		return;
	}
}

static void requests(void *owner, struct wsd_engine *engine, const struct wsd_event *events,
		     uint32_t count)
{
	struct wsd_acceptor *a = owner;

	a->ops->lock(a->owner);
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].type == WSD_EV_REQUEST)
			on_request(a, engine, &events[i]);
		else if (events[i].type == WSD_EV_REQUEST_GONE)
			on_gone(a, engine, &events[i]);
	}
	a->ops->unlock(a->owner, engine);
}

static void closed(void *owner, struct wsd_engine *engine)
{
	struct wsd_acceptor *a = owner;

	a->ops->lock(a->owner);
	a->ops->gone(a->owner);
	a->ops->unlock(a->owner, engine);
}

static const struct wsd_listen_owner listen_ops = { requests, closed };

enum wsd_status wsd_acceptor_open(struct wsd_acceptor **acceptor,
				  const struct wsd_acceptor_owner *ops, void *owner,
				  const struct wsd_addr *local, unsigned backlog)
{
	struct wsd_acceptor *a = wsd_alloc(sizeof(*a));
	enum wsd_status status;

	if (!a)
		return WSD_ENOMEM;
	a->ops = ops;
	a->owner = owner;
	a->backlog = backlog;
	wsd_list_init(&a->waiting);
	status = wsd_listen_open(&a->listen, &listen_ops, a, local);
	if (status != WSD_OK) {
		wsd_free(a);
		return status;
	}
	*acceptor = a;
	return WSD_OK;
}

void wsd_acceptor_set_backlog(struct wsd_acceptor *a, unsigned backlog)
{
	a->backlog = backlog;
	while (a->count > backlog) /* the newest go */
		refuse(a, wsd_container(a->waiting.prev, struct caller, link), WSD_EREFUSED);
}

void wsd_acceptor_paths(const struct wsd_acceptor *a, char *text, size_t size)
{
	(void)wsd_listen_paths(a->listen, text, size);
}

unsigned wsd_acceptor_pending(const struct wsd_acceptor *a)
{
	return a->count;
}

enum wsd_status wsd_acceptor_peek(struct wsd_acceptor *a, struct wsd_caller *caller)
{
	struct caller *c;

	if (wsd_list_empty(&a->waiting))
		return WSD_AGAIN;
	c = wsd_container(a->waiting.next, struct caller, link);
	caller->local = c->local;
	caller->remote = c->remote;
	caller->data = c->hello.data_length ? c->hello.data : NULL;
	caller->data_length = c->hello.data_length;
	return c->request ? WSD_OK : WSD_ERESET;
}

enum wsd_status wsd_acceptor_accept(struct wsd_acceptor *a, const struct wsd_channel_owner *ops,
				    void *new_owner, const void *data, uint32_t data_length,
				    struct wsd_channel **channel)
{
	struct wsd_channel *ch;
	struct caller *c;

	if (wsd_list_empty(&a->waiting))
		return WSD_AGAIN;
	c = wsd_container(a->waiting.next, struct caller, link);
	if (!c->request) {
		refuse(a, c, WSD_ERESET);
		return WSD_ERESET;
	}
	if (data_length > WSD_CALLEE_DATA_MAX)
		return WSD_EINVAL;
	/* An answer that failed later would take the request with it. */
	if (!wsd_files_free(ACCEPT_FILES))
		return WSD_ENOFILES;
	ch = wsd_channel_new(ops, new_owner);
	if (!ch)
		return WSD_ENOMEM;
	ch->local = c->local;
	ch->remote = c->remote;
	ch->peer = c->hello;
	ch->message = c->hello.message;
	ch->own.data_length = (uint8_t)data_length;
	if (data_length)
		memcpy(ch->own.data, data, data_length);
	wsd_channel_accept(ch, c->engine, c->request);
	wsd_list_remove(&c->link);
	a->count--;
	wsd_free(c);
	*channel = ch;
	return WSD_OK;
}

void wsd_acceptor_reject(struct wsd_acceptor *a)
{
	if (!wsd_list_empty(&a->waiting))
		refuse(a, wsd_container(a->waiting.next, struct caller, link), WSD_EREFUSED);
}

void wsd_acceptor_close(struct wsd_acceptor *a)
{
	a->closing = true;
	while (!wsd_list_empty(&a->waiting))
		refuse(a, wsd_container(a->waiting.next, struct caller, link), WSD_ENOLISTENER);
	wsd_listen_close(a->listen);
}

void wsd_acceptor_free(struct wsd_acceptor *a)
{
	wsd_listen_free(a->listen);
	wsd_free(a);
}

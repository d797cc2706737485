// SPDX-License-Identifier: BSD-2-Clause
/*
 * plain_listen.c - the socket that holds a listener's port, listening for peers without OpenWSD.
 *
 * There is one queue and one backlog for all paths: connections are taken from the system while there is room in
 * the owner's queue, and wait in the system's queue otherwise. Where several processes have the socket, each takes what
 * it has room for, and the system says whose it is.
 */
#include "provider/session/plain.h"

#include "provider/transport/os_pass.h"
#include "provider/transport/os_tcp.h"
#include "provider/transport/plain.h"

#define PAUSE_NS 50000000ull /* before the next try, without descriptors or news */

struct wsd_plain_listen {
	struct wsd_event_sink sink; /* first: the poller's context */
	const struct wsd_plain_listen_owner *ops;
	void *owner;
	struct wsd_engine *engine;
	intptr_t socket;
	struct wsd_addr local;
	struct wsd_task task;
	struct wsd_timer timer;
	bool starved; /* there was no room when it looked last */
	bool watched, closing, over;
	bool shared;
	bool queued; /* the task */
};

/* [owner's lock] queued changes with the lock only, so that the task that ends it is the last one. */
static void queue_task(struct wsd_plain_listen *l)
{
	if (!l->queued)
		wsd_engine_queue_task(l->engine, &l->task);
	l->queued = true;
}

/* [owner's lock] What comes may be told to another process, or, if that was first just now, to nobody. */
static bool hears(const struct wsd_plain_listen *l)
{
	return !l->shared || !wsd_os_pass_steals_news();
}

/* [owner's lock] */
static void take_all(struct wsd_plain_listen *l)
{
	l->starved = false;
	while (!l->closing) {
		struct wsd_addr remote;
		intptr_t socket;
		enum wsd_status status;

		l->starved = !l->ops->room(l->owner);
		if (l->starved)
			break;
		status = wsd_os_tcp_accept(l->socket, &socket, &remote);
		if (status == WSD_OK) {
			l->ops->arrived(l->owner, l->engine, socket, &l->local, &remote);
			continue;
		}
		if (status != WSD_AGAIN || !hears(l))
			wsd_engine_set_timer(l->engine, &l->timer,
					     wsd_engine_now(l->engine) + PAUSE_NS);
		break;
	}
}

static void on_ready(struct wsd_event_sink *sink, struct wsd_engine *engine,
		     const struct wsd_event *events, uint32_t count)
{
	struct wsd_plain_listen *l = wsd_container(sink, struct wsd_plain_listen, sink);

	(void)events;
	(void)count;
	l->ops->lock(l->owner);
	take_all(l);
	l->ops->unlock(l->owner, engine);
}

static void on_pause_over(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct wsd_plain_listen *l = wsd_container(timer, struct wsd_plain_listen, timer);

	on_ready(&l->sink, engine, NULL, 0);
}

static void run_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct wsd_plain_listen *l = wsd_container(task, struct wsd_plain_listen, task);

	l->ops->lock(l->owner);
	l->queued = false;
	if (!l->closing) {
		if (!l->watched || !hears(l))
			l->watched = wsd_os_poller_watch(wsd_plain_poller(engine), l->socket, l,
							 WSD_OS_READABLE, l->watched) == WSD_OK;
		take_all(l);
		if (!l->watched) /* out of memory or of watches: look again */
			wsd_engine_set_timer(engine, &l->timer, wsd_engine_now(engine) + PAUSE_NS);
	} else if (!l->over) {
		l->over = true;
		if (l->watched)
			wsd_os_poller_unwatch(wsd_plain_poller(engine), l->socket);
		wsd_os_tcp_close(l->socket);
		wsd_engine_set_timer(engine, &l->timer, 0);
		wsd_engine_forget(engine, &l->sink);
		wsd_engine_release(engine);
		l->ops->closed(l->owner, engine);
	}
	l->ops->unlock(l->owner, engine);
}

enum wsd_status wsd_plain_listen_open(struct wsd_plain_listen **listen,
				      const struct wsd_plain_listen_owner *ops, void *owner,
				      intptr_t socket, const struct wsd_addr *local,
				      uint32_t backlog)
{
	struct wsd_plain_listen *l = wsd_alloc(sizeof(*l));
	enum wsd_status status = WSD_ENOMEM;

	wsd_plain_bound(wsd_engine_plain(), socket);
	if (l)
		status = wsd_os_tcp_listen(socket, backlog);
	if (status != WSD_OK) {
		wsd_os_tcp_close(socket);
		wsd_free(l);
		return status;
	}
	l->sink.events = on_ready;
	l->ops = ops;
	l->owner = owner;
	l->engine = wsd_engine_plain();
	l->socket = socket;
	l->local = *local;
	wsd_task_init(&l->task, run_task);
	wsd_list_init(&l->timer.link);
	l->timer.expired = on_pause_over;
	l->queued = true; /* by start, for which no lock is needed */
	wsd_engine_hold(l->engine);
	*listen = l;
	return WSD_OK;
}

void wsd_plain_listen_begin(struct wsd_plain_listen *l)
{
	wsd_engine_queue_task(l->engine, &l->task);
}

void wsd_plain_listen_start(struct wsd_plain_listen *l)
{
	wsd_plain_listen_begin(l);
	wsd_engine_kick(l->engine);
}

void wsd_plain_listen_again(struct wsd_plain_listen *l)
{
	if (l->starved)
		queue_task(l);
}

void wsd_plain_listen_look(struct wsd_plain_listen *l)
{
	take_all(l);
}

void wsd_plain_listen_share(struct wsd_plain_listen *l)
{
	l->shared = true;
}

intptr_t wsd_plain_listen_socket(const struct wsd_plain_listen *l)
{
	return l->closing ? -1 : l->socket;
}

void wsd_plain_listen_set_backlog(struct wsd_plain_listen *l, uint32_t backlog)
{
	if (!l->closing)
		(void)wsd_os_tcp_listen(l->socket, backlog);
	wsd_plain_listen_again(l);
}

void wsd_plain_listen_close(struct wsd_plain_listen *l)
{
	l->closing = true;
	queue_task(l);
}

void wsd_plain_listen_kick(struct wsd_plain_listen *l)
{
	wsd_engine_kick(l->engine);
}

void wsd_plain_listen_free(struct wsd_plain_listen *l)
{
	wsd_free(l);
}

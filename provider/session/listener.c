// SPDX-License-Identifier: BSD-2-Clause
/*
 * listener.c - one queue of what arrived at one listening address (transport/listen.h).
 *
 * Without conditional accept the engine answers a request itself while the backlog has room, and what
 * waits in the queue is an open stream. With it the request waits unanswered until the application
 * has decided. A connection that the system took (path "plain") is open in either case: refusing it is a reset.
 */
#include "provider/session/listener.h"

#include <stdio.h>
#include <string.h>

#include "provider/transport/listen.h"
#include "provider/transport/os_tcp.h"

#include "rdma_backend/base/platform.h"

#define ANSWER_NS 10000000000ull /* in which a peer confirms that it was accepted */

/* --- the listener as the owner of the streams in its queue --- */

static void queue_lock(void *owner)
{
	struct wsd_listener *l = owner;

	l->ops->lock(l->owner);
}

static void queue_unlock(void *owner, struct wsd_engine *engine)
{
	struct wsd_listener *l = owner;

	l->ops->unlock(l->owner, engine);
}

void wsd_listener_ready(struct wsd_listener *l, struct wsd_stream *s)
{
	wsd_list_remove(&s->link);
	wsd_list_append(&l->ready, &s->link);
	l->ready_count++;
	/* Of those that are there before it some cannot go to another process. */
	if (l->ready_count == 1 || l->shared)
		l->ops->arrived(l->owner);
}

static void queue_changed(void *owner, unsigned changes)
{
	struct wsd_listener *l = owner;
	struct wsd_list *node, *after;

	if (changes & WSD_CHANGE_MOVED)
		l->ops->arrived(l->owner); /* one that leaves may be ready to */
	if (!(changes & (WSD_CHANGE_CONNECTED | WSD_CHANGE_READABLE)))
		return;
	wsd_list_for_each_safe(node, after, &l->answering) {
		struct wsd_stream *s = wsd_container(node, struct wsd_stream, link);

		if (s->state == WSD_STREAM_CONNECTING)
			continue;
		l->answering_count--;
		if (s->state == WSD_STREAM_FAILED || l->closing)
			wsd_listener_discard(s);
		else
			wsd_listener_ready(l, s);
	}
	wsd_listener_room(l);
}

const struct wsd_stream_owner wsd_listener_queue_ops = {
	.lock = queue_lock,
	.unlock = queue_unlock,
	.changed = queue_changed,
};

/* --- requests --- */

/* There are no descriptors: accept, or who asks for it next, answers it when there are again. */
static void unanswered(struct wsd_stream *s, struct wsd_engine *engine)
{
	struct wsd_listener *l = atomic_load(&s->owner);

	wsd_stream_drop(s);
	wsd_engine_set_timer(engine, &s->timer, 0);
	l->answering_count--;
	wsd_listener_ready(l, s);
}

/* By the engine's owner, the stream's owner's lock held: answer the request. Without descriptors a
 * request that is still in the queue stays unanswered there. */
void wsd_accept_run(struct wsd_stream *s, struct wsd_engine *engine)
{
	uint8_t hello[WSD_HELLO_BYTES];
	enum wsd_status status;

	if (s->state != WSD_STREAM_CONNECTING || !s->request)
		return;
	status = wsd_stream_setup(s, engine);
	if (status == WSD_ENOFILES && s->orphan) {
		unanswered(s, engine);
		return;
	}
	if (status == WSD_OK) {
		wsd_stream_hello(s, hello);
		s->request = NULL; /* consumed */
		status = s->backend->accept(s->endpoint, hello, sizeof(hello));
	} else {
		/* What this path lacks is no answer of the program: the connector takes another one. */
		wsd_request_refuse(engine, s->request, status);
		s->request = NULL;
	}
	if (status != WSD_OK && status != WSD_PENDING)
		wsd_connect_failed(s, status);
}

/* One backlog for all. But those that wait for this process must not keep others from another one. */
bool wsd_listener_has_room(const struct wsd_listener *l)
{
	unsigned count = l->ready_count + l->answering_count + l->leaving_count;

	if (l->stopped || count < l->options.backlog)
		return !l->stopped;
	return l->shared && count - wsd_listener_plain_count(l) < l->options.backlog;
}

struct wsd_stream *wsd_listener_stream(struct wsd_listener *l)
{
	struct wsd_stream *s = wsd_stream_new(&wsd_listener_queue_ops, l);

	if (!s)
		return NULL;
	s->orphan = wsd_listener_orphan();
	if (s->orphan)
		return s;
	wsd_stream_free(s);
	return NULL;
}

void wsd_listener_answering(struct wsd_stream *s)
{
	s->deadline = wsd_engine_now(atomic_load(&s->engine)) + ANSWER_NS;
	wsd_stream_arm_timer(s);
}

static void on_request(struct wsd_listener *l, struct wsd_engine *engine,
		       const struct wsd_event *ev)
{
	enum wsd_status status = WSD_ENOMEM;
	struct wsd_stream *s;

	if (!wsd_listener_has_room(l)) {
		/* Of one that changes hands the next one decides. */
		wsd_request_refuse(engine, ev->request,
				   l->stopped ? WSD_ENOLISTENER : WSD_EREFUSED);
		return;
	}
	s = wsd_listener_stream(l);
	if (s) {
		atomic_store(&s->engine, engine);
		s->state = WSD_STREAM_CONNECTING;
		s->options.posted_only = l->options.posted_only;
		s->options.qos = l->options.qos;
		s->options.traffic_class = l->options.traffic_class;
		s->request = ev->request;
		s->local = ev->local;
		s->remote = ev->remote;
		status = wsd_stream_peer_hello(s, ev->data, ev->data_length);
	}
	if (!s || status != WSD_OK) {
		wsd_request_refuse(engine, ev->request, status);
		if (s)
			wsd_free(s->orphan);
		wsd_stream_free(s);
		return;
	}
	if (l->options.conditional) {
		wsd_listener_ready(l, s);
		return;
	}
	wsd_list_append(&l->answering, &s->link);
	l->answering_count++;
	wsd_listener_answering(s);
	wsd_accept_run(s, engine);
	if (s->state == WSD_STREAM_FAILED)
		queue_changed(l, WSD_CHANGE_CONNECTED);
}

/* A request that no queued stream has is in other hands already (an acceptor's, or being discarded):
 * they answer it, and are told then. */
static void on_request_gone(struct wsd_listener *l, struct wsd_engine *engine,
			    const struct wsd_event *ev)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &l->ready) {
		struct wsd_stream *s = wsd_container(node, struct wsd_stream, link);

		if (s->request == ev->request) {
			s->request = NULL;
			s->state = WSD_STREAM_FAILED;
			s->error = WSD_ERESET;
			l->ops->arrived(l->owner);
			wsd_engine_ops(engine)->reject(ev->request, NULL, 0);
			break;
		}
	}
}

static void requests(void *owner, struct wsd_engine *engine, const struct wsd_event *events,
		     uint32_t count)
{
	struct wsd_listener *l = owner;

	l->ops->lock(l->owner);
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].type == WSD_EV_REQUEST)
			on_request(l, engine, &events[i]);
		else if (events[i].type == WSD_EV_REQUEST_GONE)
			on_request_gone(l, engine, &events[i]);
	}
	l->ops->unlock(l->owner, engine);
}

void wsd_listener_part_closed(struct wsd_listener *l)
{
	if (--l->open == 0 && l->closing)
		l->ops->gone(l->owner);
}

static void closed(void *owner, struct wsd_engine *engine)
{
	struct wsd_listener *l = owner;

	l->ops->lock(l->owner);
	wsd_listener_part_closed(l);
	l->ops->unlock(l->owner, engine);
}

static const struct wsd_listen_owner listen_ops = { requests, closed };

/* [lock] One less waits. */
static void taken(struct wsd_listener *l)
{
	l->ready_count--;
	wsd_listener_room(l);
}

/* --- opening and closing --- */

enum wsd_status wsd_listener_make(struct wsd_listener **listener,
				  const struct wsd_listener_owner *ops, void *owner,
				  const struct wsd_listener_options *options)
{
	struct wsd_listener *l = wsd_alloc(sizeof(*l));

	if (!l)
		return WSD_ENOMEM;
	l->ops = ops;
	l->owner = owner;
	l->options = *options;
	l->wanted_only = options->shared;
	wsd_list_init(&l->ready);
	wsd_list_init(&l->answering);
	wsd_list_init(&l->leaving);
	*listener = l;
	return WSD_OK;
}

/* [no lock] Of one address. */
static enum wsd_status open_part(struct wsd_listener *l, const struct wsd_listener_end *end,
				 struct wsd_listener_part *part)
{
	enum wsd_status status, plain = WSD_OK;

	if (end->socket >= 0)
		plain = wsd_plain_listen_open(&part->plain, &wsd_listener_plain_ops, l, end->socket,
					      &end->local, l->options.backlog);
	status = wsd_listen_open(&part->listen, &listen_ops, l, &end->local);
	if (!part->listen && !part->plain)
		return plain == WSD_OK ? status : plain;
	if (plain != WSD_OK)
		wsd_log(WSD_LOG_WARNING, "plain", "does not listen at port %u: %s", end->local.port,
			wsd_status_text(plain));
	return WSD_OK;
}

enum wsd_status wsd_listener_start(struct wsd_listener *l, const struct wsd_listener_end *ends,
				   unsigned count)
{
	struct wsd_listener_part parts[WSD_LISTENER_ENDS] = { { NULL, NULL } };
	enum wsd_status status[WSD_LISTENER_ENDS], best = WSD_EADDRNOTAVAIL;

	for (unsigned i = 0; i < count; i++) {
		status[i] = open_part(l, &ends[i], &parts[i]);
		if (best != WSD_OK)
			best = status[i];
	}
	l->ops->lock(l->owner);
	/* Where only the system listens it may have done so before, in another process. */
	if (best == WSD_EADDRNOTAVAIL && l->open > 0)
		best = WSD_OK;
	for (unsigned i = 0; i < count && best == WSD_OK; i++) {
		l->parts[i].listen = parts[i].listen;
		if (parts[i].plain)
			l->parts[i].plain = parts[i].plain;
		l->open += (parts[i].listen != NULL) + (parts[i].plain != NULL);
		if (parts[i].plain && l->wanted_only)
			wsd_plain_listen_share(parts[i].plain);
	}
	l->started = best == WSD_OK;
	l->ops->unlock(l->owner, NULL);
	if (best != WSD_OK)
		return best;
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].plain)
			wsd_plain_listen_start(parts[i].plain);
		if (status[i] != WSD_OK && !l->parts[i].plain)
			wsd_log(WSD_LOG_WARNING, "session",
				"port %u: does not listen for peers of IPv%u: %s",
				ends[i].local.port, (unsigned)ends[i].local.family,
				wsd_status_text(status[i]));
	}
	return WSD_OK;
}

bool wsd_listener_started(const struct wsd_listener *l)
{
	return l->started;
}

enum wsd_status wsd_listener_open(struct wsd_listener **listener,
				  const struct wsd_listener_owner *ops, void *owner,
				  const struct wsd_listener_end *ends, unsigned count,
				  const struct wsd_listener_options *options)
{
	struct wsd_listener *l;
	enum wsd_status status = wsd_listener_make(&l, ops, owner, options);

	if (status != WSD_OK) {
		for (unsigned i = 0; i < count; i++)
			if (ends[i].socket >= 0)
				wsd_os_tcp_close(ends[i].socket);
		return status;
	}
	status = wsd_listener_start(l, ends, count);
	if (status == WSD_OK)
		*listener = l;
	else
		wsd_free(l);
	return status;
}

void wsd_listener_paths(const struct wsd_listener *l, char *text, size_t size)
{
	const struct wsd_listener_part *part = &l->parts[0];
	size_t length;

	if (!part->listen && !part->plain) /* it listens for the other family only */
		part = &l->parts[1];
	length = part->listen ? wsd_listen_paths(part->listen, text, size) : 0;
	if (part->plain && length < size)
		snprintf(text + length, size - length, "%splain", length > 0 ? "," : "");
}

void wsd_listener_set_backlog(struct wsd_listener *l, unsigned backlog)
{
	bool less = backlog < l->options.backlog;

	l->options.backlog = backlog;
	/* The newest go, which are those that are not open yet. */
	while (less && l->ready_count + l->answering_count > backlog) {
		bool open = wsd_list_empty(&l->answering);
		struct wsd_list *newest = open ? l->ready.prev : l->answering.prev;

		if (open)
			l->ready_count--;
		else
			l->answering_count--;
		wsd_listener_discard(wsd_container(newest, struct wsd_stream, link));
	}
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		if (l->parts[i].plain)
			wsd_plain_listen_set_backlog(l->parts[i].plain, backlog);
}

void wsd_listener_set_options(struct wsd_listener *l, const struct wsd_listener_options *options)
{
	unsigned backlog = l->options.backlog;

	l->options = *options;
	l->options.backlog = backlog;
}

void wsd_listener_set_qos(struct wsd_listener *l, const struct wsd_qos *qos)
{
	l->options.qos = *qos;
}

bool wsd_listener_peek_qos(struct wsd_listener *l, struct wsd_qos *qos, struct wsd_qos *wish)
{
	struct wsd_stream *s;

	if (wsd_list_empty(&l->ready))
		return false;
	s = wsd_container(l->ready.next, struct wsd_stream, link);
	*wish = wsd_stream_wish(s);
	return wsd_qos_asked(s) && wsd_stream_qos(s, qos);
}

unsigned wsd_listener_pending(const struct wsd_listener *l)
{
	return l->ready_count;
}

/* Withdrawn, or opened by us and reset before anybody took it, and before its peer had said all. */
bool wsd_listener_is_over(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_FAILED || (s->state == WSD_STREAM_RESET && !s->rx.fin);
}

enum wsd_status wsd_listener_peek(struct wsd_listener *l, struct wsd_addr *local,
				  struct wsd_addr *remote)
{
	struct wsd_stream *s;

	if (wsd_list_empty(&l->ready))
		return WSD_AGAIN;
	s = wsd_container(l->ready.next, struct wsd_stream, link);
	if (local)
		*local = s->local;
	if (remote)
		*remote = s->remote;
	return wsd_listener_is_over(s) ? WSD_ERESET : WSD_OK;
}

enum wsd_status wsd_listener_accept(struct wsd_listener *l, const struct wsd_stream_owner *ops,
				    void *new_owner, struct wsd_stream **stream)
{
	struct wsd_stream *s;

	if (wsd_list_empty(&l->ready))
		return WSD_AGAIN;
	s = wsd_container(l->ready.next, struct wsd_stream, link);
	if (wsd_listener_is_over(s)) {
		wsd_listener_reject(l);
		return WSD_ERESET;
	}
	/* An answer that failed later would take the request with it. */
	if (s->request && !wsd_files_free(WSD_ACCEPT_FILES))
		return WSD_ENOFILES;
	wsd_list_remove(&s->link);
	taken(l);
	wsd_free(s->orphan);
	s->orphan = NULL;
	wsd_stream_rebind(s, ops, new_owner);
	if (s->request) {
		wsd_listener_answering(s);
		wsd_stream_do(s, WSD_DO_ACCEPT);
	}
	*stream = s;
	return WSD_OK;
}

void wsd_listener_reject(struct wsd_listener *l)
{
	struct wsd_stream *s;

	if (wsd_list_empty(&l->ready))
		return;
	s = wsd_container(l->ready.next, struct wsd_stream, link);
	taken(l);
	wsd_listener_discard(s);
}

void wsd_listener_stop(struct wsd_listener *l)
{
	if (l->stopped)
		return;
	l->stopped = true;
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		if (l->parts[i].plain)
			wsd_plain_listen_close(l->parts[i].plain);
}

static void discard_all(const struct wsd_listener *l, struct wsd_list *queue)
{
	while (!wsd_list_empty(queue)) {
		struct wsd_stream *s = wsd_container(queue->next, struct wsd_stream, link);

		s->undecided = l->shared;
		wsd_listener_discard(s);
	}
}

void wsd_listener_close(struct wsd_listener *l)
{
	if (l->closing)
		return;
	l->closing = true;
	discard_all(l, &l->ready);
	l->ready_count = 0;
	discard_all(l, &l->answering);
	l->answering_count = 0;
	discard_all(l, &l->leaving);
	l->leaving_count = 0;
	wsd_listener_stop(l);
	/* Last: they take with them the requests that are left. */
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		if (l->parts[i].listen)
			wsd_listen_close(l->parts[i].listen);
	if (l->open == 0)
		l->ops->gone(l->owner);
}

void wsd_listener_kick(struct wsd_listener *l)
{
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++) {
		if (l->parts[i].listen)
			wsd_listen_kick(l->parts[i].listen);
		if (l->parts[i].plain)
			wsd_plain_listen_kick(l->parts[i].plain);
	}
}

void wsd_listener_free(struct wsd_listener *l)
{
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++) {
		wsd_listen_free(l->parts[i].listen);
		wsd_plain_listen_free(l->parts[i].plain);
	}
	wsd_free(l);
}

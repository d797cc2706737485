// SPDX-License-Identifier: BSD-2-Clause
/*
 * stream.c - the stream object: life, locking, dispatch of events, state.
 *
 * Who runs what: application threads call the functions of stream.h under the owner's lock and may
 * post; everything that creates, connects or destroys an endpoint is a bit in todo, carried out by the
 * engine's owner in run_task. A stream dies only there, so no event handler can meet a freed one; but for one on
 * plain TCP of which no engine has been told anything (plain.c).
 */
#include "provider/session/internal.h"

#include <string.h>

#include "provider/session/plain.h"
#include "provider/transport/listen.h"

/* --- the owner's lock ---
 * accept moves a stream from its listener to a socket while a handler may be waiting for the old
 * owner's lock; so the binding is read again once the lock is held. A NULL owner means that the pair
 * is being changed. */

struct wsd_binding wsd_stream_lock(struct wsd_stream *s)
{
	for (;;) {
		void *owner = atomic_load(&s->owner);
		const struct wsd_stream_owner *ops = atomic_load(&s->ops);

		if (!owner || atomic_load(&s->owner) != owner) {
			wsd_cpu_relax();
			continue;
		}
		ops->lock(owner);
		if (atomic_load(&s->owner) == owner)
			return (struct wsd_binding){ ops, owner };
		ops->unlock(owner, NULL);
	}
}

/* A listener that hears of a failure lets the stream go in the middle of its event: the lock to give
 * back is the one that was taken. */
static void unlock(const struct wsd_binding *bound, struct wsd_engine *engine)
{
	bound->ops->unlock(bound->owner, engine);
}

void wsd_stream_rebind(struct wsd_stream *s, const struct wsd_stream_owner *ops, void *owner)
{
	atomic_store(&s->owner, NULL);
	atomic_store(&s->ops, ops);
	atomic_store(&s->owner, owner);
}

void wsd_stream_tell(struct wsd_stream *s)
{
	unsigned changes = s->changes;

	s->changes = 0;
	if (changes)
		atomic_load(&s->ops)->changed(atomic_load(&s->owner), changes);
}

/* --- events --- */

static void on_connected(struct wsd_stream *s, const struct wsd_event *ev)
{
	if (s->state != WSD_STREAM_CONNECTING)
		return;
	if (s->active) {
		enum wsd_status status = wsd_stream_peer_hello(s, ev->data, ev->data_length);

		if (status != WSD_OK) {
			wsd_connect_failed(s, status);
			return;
		}
		wsd_tx_want(s, WSD_SEND_START);
		if (wsd_move_resumes(s))
			s->moving->resumes = false;
		else if (ev->local.family)
			s->local = ev->local;
	}
	wsd_stream_opened(s);
}

static void on_disconnected(struct wsd_stream *s, enum wsd_status status)
{
	enum wsd_status error = status == WSD_OK ? WSD_ERESET : status;

	s->disconnected = true;
	wsd_qos_drop(s);
	s->changes |= WSD_CHANGE_READABLE | WSD_CHANGE_WRITABLE | WSD_CHANGE_FLUSHED;
	if (s->state == WSD_STREAM_CONNECTING)
		wsd_connect_failed(s, error);
	else if (s->state == WSD_STREAM_OPEN && !(s->rx.fin && (s->tx.fin_acked || !s->tx.fin)))
		wsd_stream_break(s, error == WSD_ETIMEDOUT ? wsd_no_answer(s) : error);
	else if (s->state ==
		 WSD_STREAM_RESET) /* the last of its READs may never have been posted */
		wsd_zcopy_free(s, s->error);
}

/* Why a connect failed. A peer that refuses may say that only this path is not to be had, or that it has not
 * decided. */
static enum wsd_status connect_status(const struct wsd_event *ev)
{
	if (ev->status == WSD_OK)
		return WSD_ETIMEDOUT;
	return ev->status == WSD_EREFUSED ? wsd_refusal_reason(ev->data, ev->data_length)
					  : ev->status;
}

static void on_event(struct wsd_stream *s, const struct wsd_event *ev)
{
	if (s->move == WSD_MOVE_WAITING && s->state == WSD_STREAM_OPEN && wsd_move_event(s, ev))
		return;
	switch (ev->type) {
	case WSD_EV_SEND:
		wsd_tx_completed(s, ev);
		break;
	case WSD_EV_CONNECTED:
		on_connected(s, ev);
		break;
	case WSD_EV_CONNECT_FAILED:
		wsd_connect_failed(s, connect_status(ev));
		break;
	case WSD_EV_DISCONNECTED:
		on_disconnected(s, ev->status);
		break;
	case WSD_EV_DEVICE_GONE:
		on_disconnected(s, WSD_EDEVICE);
		break;
	case WSD_EV_RECV:
	case WSD_EV_RECV_IMM:
	case WSD_EV_REG:
	case WSD_EV_REQUEST:
	case WSD_EV_REQUEST_GONE:
		break;
	}
}

static bool is_receive(const struct wsd_event *ev)
{
	return ev->type == WSD_EV_RECV || ev->type == WSD_EV_RECV_IMM;
}

void wsd_message_events(struct wsd_stream *s, const struct wsd_event *events, uint32_t count)
{
	uint32_t i = 0, n;

	while (i < count) {
		for (n = 0; i + n < count && is_receive(&events[i + n]);)
			n++;
		if (n > 0)
			wsd_rx_events(s, events + i, n);
		else
			on_event(s, &events[i]), n = 1;
		i += n;
	}
	wsd_tx_progress(s);
	wsd_stream_tell(s);
	wsd_source_settle(s);
	wsd_urgent_settle(s);
	wsd_close_progress(s);
}

static void stream_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			  const struct wsd_event *events, uint32_t count)
{
	struct wsd_stream *s = wsd_container(sink, struct wsd_stream, sink);
	struct wsd_binding bound = wsd_stream_lock(s);

	s->carrier->events(s, events, count);
	wsd_stream_tell(s);
	unlock(&bound, engine);
}

/* --- tasks and timers, by the engine's owner --- */

void wsd_stream_destroy(struct wsd_stream *s)
{
	wsd_stream_drop(s);
	wsd_move_unlisten(s);
	wsd_engine_set_timer(atomic_load(&s->engine), &s->timer, 0);
	if (s->held)
		wsd_engine_release(atomic_load(&s->engine));
	s->held = false;
	wsd_closing_count(s->linger ? -1 : 0);
	s->linger = 0;
	s->state = WSD_STREAM_DEAD;
	s->changes |= WSD_CHANGE_DEAD;
}

static void run_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct wsd_stream *s = wsd_container(task, struct wsd_stream, task);
	struct wsd_binding bound = wsd_stream_lock(s);
	uint32_t todo;

	todo = s->todo;
	s->todo = 0;
	s->queued = false;
	if (s->closing && s->request) { /* refused while it waited for an answer */
		wsd_request_refuse(engine, s->request,
				   s->undecided ? WSD_ENOLISTENER : WSD_EREFUSED);
		s->request = NULL;
	}
	if ((todo & (WSD_DO_CONNECT | WSD_DO_ACCEPT)) && s->closing)
		todo = WSD_DO_DESTROY;
	if (todo & WSD_DO_CONNECT)
		wsd_connect_run(s, engine);
	if (todo & WSD_DO_ACCEPT)
		wsd_accept_run(s, engine);
	if (todo & WSD_DO_UNLISTEN)
		wsd_move_unlisten(s);
	if ((todo & WSD_DO_DISCONNECT) && s->endpoint && !s->disconnected) {
		wsd_tx_progress(s);
		if (s->backend->disconnect(s->endpoint) != WSD_OK)
			s->disconnected = true;
		s->disconnecting = true;
	}
	if (todo & WSD_DO_DESTROY)
		wsd_stream_destroy(s);
	else
		s->carrier->progress(s);
	wsd_stream_tell(s);
	unlock(&bound, engine);
}

static void timer_expired(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct wsd_stream *s = wsd_container(timer, struct wsd_stream, timer);
	struct wsd_binding bound = wsd_stream_lock(s);

	s->carrier->timer(s, wsd_engine_now(engine));
	wsd_stream_tell(s);
	unlock(&bound, engine);
}

/* queued changes with the lock only, so a task that runs DESTROY is never queued once more. */
void wsd_stream_do(struct wsd_stream *s, uint32_t what)
{
	if (s->state == WSD_STREAM_DEAD)
		return;
	s->todo |= what;
	if (!s->queued)
		wsd_engine_queue_task(atomic_load(&s->engine), &s->task);
	s->queued = true;
}

void wsd_stream_kick(struct wsd_stream *s)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	if (engine)
		wsd_engine_kick(engine);
}

/* --- making and opening --- */

struct wsd_stream *wsd_stream_new(const struct wsd_stream_owner *ops, void *owner)
{
	struct wsd_stream *s = wsd_alloc(sizeof(*s));

	if (!s)
		return NULL;
	s->sink.events = stream_events;
	s->carrier = &wsd_message_carrier;
	atomic_init(&s->ops, ops);
	atomic_init(&s->owner, owner);
	wsd_task_init(&s->task, run_task);
	wsd_list_init(&s->timer.link);
	wsd_list_init(&s->link);
	s->timer.expired = timer_expired;
	s->rx.ring.bytes = WSD_FIRST_WINDOW;
	return s;
}

/* Make the endpoint and post its receives; ownership held. The caller cleans up by wsd_stream_drop. */
enum wsd_status wsd_stream_setup(struct wsd_stream *s, struct wsd_engine *engine)
{
	const struct wsd_device_attr *device = wsd_engine_attr(engine);
	struct wsd_endpoint_attr attr = { .size = sizeof(attr),
					  .recv_depth = WSD_SLOTS,
					  .recv_bytes = WSD_SLOT_BYTES };
	enum wsd_status status;

	attr.send_depth = device->max_send < 128 ? device->max_send : 128;
	s->tx.signal_each = attr.send_depth < 32 ? (attr.send_depth + 1) / 2 : 16;
	attr.max_send_sge = device->max_sge < WSD_MAX_SGE ? device->max_sge : WSD_MAX_SGE;
	if (device->max_recv < WSD_SLOTS || device->max_message < WSD_SLOT_BYTES)
		return WSD_EUNSUPPORTED;
	s->backend = wsd_engine_ops(engine);
	s->disconnected = false;
	s->disconnecting = false;
	if (!s->held)
		wsd_engine_hold(engine);
	s->held = true;
	status = wsd_qos_begin(s);
	if (status != WSD_OK)
		return status;
	attr.traffic_class = wsd_qos_traffic_class(s);
	status = s->backend->endpoint_create(wsd_engine_queue(engine), s->request, &attr, &s->sink,
					     &s->endpoint);
	if (status != WSD_OK) {
		s->endpoint = NULL;
		return status;
	}
	wsd_engine_join(engine, &s->sink);
	if (s->request && wsd_qos_differs(s))
		s->backend->set_traffic_class(s->endpoint, attr.traffic_class);
	if (s->options.hops)
		s->backend->set_hops(s->endpoint, s->options.hops);
	status = wsd_rx_post_slots(s);
	return status == WSD_OK ? wsd_tx_setup(s) : status;
}

void wsd_stream_drop(struct wsd_stream *s)
{
	s->carrier->drop(s);
}

void wsd_message_drop(struct wsd_stream *s)
{
	wsd_zcopy_free(s, s->error == WSD_OK ? WSD_ERESET : s->error);
	wsd_qos_drop(s);
	if (s->endpoint && (s->state != WSD_STREAM_CONNECTING || s->closing))
		wsd_rx_free(s);
	wsd_stream_release_endpoint(s);
	wsd_zcopy_free(s,
		       s->error == WSD_OK ? WSD_ERESET : s->error); /* what had to wait for that */
}

void wsd_stream_release_endpoint(struct wsd_stream *s)
{
	if (!s->endpoint)
		return;
	if (s->rx.slots)
		s->backend->mem_free(s->rx.slots), s->rx.slots = NULL;
	wsd_stage_free(s);
	s->backend->endpoint_destroy(s->endpoint);
	wsd_engine_forget(atomic_load(&s->engine), &s->sink);
	s->endpoint = NULL;
}

/* A registration that is ready only for a later call would then lead to pages that the program has unmapped. */
static bool lends(uint32_t caps)
{
	return (caps & WSD_CAP_READ) && !(caps & WSD_CAP_ASYNC_REG);
}

void wsd_stream_hello(struct wsd_stream *s, uint8_t *bytes)
{
	struct wsd_hello hello = { .version = WSD_WIRE_VERSION,
				   .mode = WSD_MODE_STREAM,
				   .slots = WSD_SLOTS,
				   .slot_bytes = WSD_SLOT_BYTES,
				   .features = WSD_FEATURE_MOVE };
	uint32_t caps = wsd_engine_attr(atomic_load(&s->engine))->caps;

	if (caps & WSD_CAP_WRITE_IMM)
		hello.features |= WSD_FEATURE_IMM;
	if (lends(caps))
		hello.features |= WSD_FEATURE_READ;
	/* What is told here holds, whatever the options become before the connection is open. */
	s->rx.limit_told = wsd_rx_limit(s);
	hello.window = (uint32_t)(s->rx.limit_told - s->rx.produced);
	wsd_qos_said(s, &hello.qos);
	if (wsd_move_resumes(s)) {
		hello.features |= WSD_FEATURE_RESUME;
		memcpy(hello.secret, s->moving->ticket.secret, sizeof(hello.secret));
	}
	wsd_random(&hello.nonce, sizeof(hello.nonce));
	wsd_hello_encode(bytes, &hello);
}

enum wsd_status wsd_stream_peer_hello(struct wsd_stream *s, const void *data, uint32_t length)
{
	uint32_t caps = wsd_engine_attr(atomic_load(&s->engine))->caps;
	struct wsd_hello hello;
	enum wsd_status status = wsd_hello_decode(data, length, WSD_MODE_STREAM, &hello);

	if (status != WSD_OK)
		return status;
	status = wsd_move_check(s, &hello);
	if (status != WSD_OK)
		return status;
	s->features = hello.features;
	if (!(caps & WSD_CAP_WRITE_IMM))
		s->features &= (uint16_t)~WSD_FEATURE_IMM;
	if (!lends(caps))
		s->features &= (uint16_t)~WSD_FEATURE_READ;
	s->tx.slots_granted = hello.slots;
	s->tx.limit = s->tx.position + hello.window;
	s->tx.peer_slot_bytes = hello.slot_bytes < 4096 ? hello.slot_bytes : 4096;
	/* Who resumes says nothing new. */
	return s->move == WSD_MOVE_WAITING ? WSD_OK : wsd_qos_heard(s, &hello.qos);
}

void wsd_stream_opened(struct wsd_stream *s)
{
	s->state = WSD_STREAM_OPEN;
	s->error = WSD_OK;
	wsd_paths_opened(s->active ? &s->paths : NULL, atomic_load(&s->engine), &s->remote);
	if (wsd_rx_limit(s) > s->rx.limit_told)
		wsd_tx_want(s, WSD_SEND_CREDIT);
	s->changes |= WSD_CHANGE_CONNECTED;
	wsd_keepalive_begin(s);
}

/* --- ending --- */

void wsd_stream_break(struct wsd_stream *s, enum wsd_status error)
{
	if (s->state != WSD_STREAM_OPEN)
		return;
	s->state = WSD_STREAM_RESET;
	s->error = error;
	wsd_qos_drop(s); /* the owner may keep it for long */
	s->changes |= WSD_CHANGE_READABLE | WSD_CHANGE_WRITABLE | WSD_CHANGE_FLUSHED;
	s->carrier->broken(s, error);
}

void wsd_message_broken(struct wsd_stream *s, enum wsd_status error)
{
	wsd_zcopy_free(s, error);
	s->rx.held = 0;				       /* its rest does not come */
	if (error != WSD_ERESET && !s->disconnected) { /* our decision: the peer must hear of it */
		s->tx.pending = WSD_SEND_ABORT;
		s->tx.abort_reason = (uint64_t)(-(int)error);
		wsd_tx_progress(s);
	}
	s->tx.pending = 0;
	if (s->endpoint && !s->disconnected && !s->disconnecting)
		wsd_stream_do(s, WSD_DO_DISCONNECT);
}

void wsd_stream_violation(struct wsd_stream *s, const char *what)
{
	char text[WSD_ADDR_TEXT];

	wsd_count(wsd_counter("session", "protocol_errors",
			      "connections cut for breaking the protocol"),
		  1);
	wsd_log(WSD_LOG_WARNING, "session", "peer %s broke the protocol: %s",
		wsd_addr_text(&s->remote, text), what);
	wsd_stream_break(s, WSD_EPROTOCOL);
}

void wsd_stream_free(struct wsd_stream *s)
{
	if (!s)
		return;
	wsd_paths_end(&s->paths);
	wsd_free(s->pace);
	wsd_free(s->moving);
	wsd_free(s->rx.ring.base);
	wsd_free(s);
}

/* --- state --- */

enum wsd_stream_state wsd_stream_state(const struct wsd_stream *s)
{
	return s->state;
}

enum wsd_status wsd_stream_error(const struct wsd_stream *s)
{
	return s->error;
}

struct wsd_engine *wsd_stream_engine(const struct wsd_stream *s)
{
	return atomic_load(&s->engine);
}

void wsd_stream_addresses(const struct wsd_stream *s, struct wsd_addr *local,
			  struct wsd_addr *remote)
{
	if (local)
		*local = s->local;
	if (remote)
		*remote = s->remote;
}

void wsd_stream_name(struct wsd_stream *s)
{
	wsd_plain_name(s);
}

bool wsd_stream_take_look(struct wsd_stream *s)
{
	bool look = s->tx.look;

	s->tx.look = false;
	return look;
}

const char *wsd_stream_path(const struct wsd_stream *s)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	return engine ? wsd_engine_name(engine) : "";
}

const char *wsd_stream_reasons(const struct wsd_stream *s)
{
	return wsd_paths_reasons(&s->paths);
}

char *wsd_stream_take_reasons(struct wsd_stream *s)
{
	return wsd_paths_take_reasons(&s->paths);
}

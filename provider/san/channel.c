// SPDX-License-Identifier: BSD-2-Clause
/*
 * channel.c - the channel object: life, dispatch of events, connecting, the end.
 *
 * Who runs what: application threads call the functions of channel.h under the owner's lock and may
 * post; everything that creates, connects or destroys an endpoint is a bit in todo, carried out by the
 * engine's owner in run_task.
 */
#include "provider/san/internal.h"

#include <string.h>

#include "provider/transport/listen.h"
#include "provider/transport/plain.h"

#define STANDARD_TIMEOUT_NS 21000000000ull
#define ACCEPT_NS	    10000000000ull

static void tell(struct wsd_channel *ch)
{
	unsigned changes = ch->changes;

	ch->changes = 0;
	if (changes)
		ch->ops->changed(ch->owner, changes);
}

/* --- the endpoint, by the engine's owner --- */

enum wsd_status wsd_channel_setup(struct wsd_channel *ch, struct wsd_engine *engine)
{
	const struct wsd_device_attr *device = wsd_engine_attr(engine);
	struct wsd_endpoint_attr attr = { .size = sizeof(attr), .recv_bytes = WSD_SAN_MESSAGE };
	enum wsd_status status;

	attr.send_depth =
		device->max_send < WSD_SAN_SEND_DEPTH ? device->max_send : WSD_SAN_SEND_DEPTH;
	attr.recv_depth =
		device->max_recv < WSD_SAN_RECV_DEPTH ? device->max_recv : WSD_SAN_RECV_DEPTH;
	attr.max_send_sge = device->max_sge < WSD_SAN_MAX_SGE ? device->max_sge : WSD_SAN_MAX_SGE;
	if (device->max_message < attr.recv_bytes)
		attr.recv_bytes = device->max_message;
	if (attr.recv_bytes < WSD_SAN_MESSAGE_MIN || attr.recv_depth < 2)
		return WSD_EUNSUPPORTED;
	ch->backend = wsd_engine_ops(engine);
	ch->max_sge = attr.max_send_sge;
	ch->own.message = (uint16_t)attr.recv_bytes;
	if (ch->message > attr.recv_bytes)
		ch->message = attr.recv_bytes;
	ch->own.features = WSD_FEATURE_MOVE;
	if (device->caps & WSD_CAP_READ)
		ch->own.features |= WSD_FEATURE_READ;
	if (wsd_channel_resumes(ch))
		ch->own.features |= WSD_FEATURE_RESUME;
	if (!ch->held)
		wsd_engine_hold(engine);
	ch->held = true;
	status = ch->backend->endpoint_create(wsd_engine_queue(engine), ch->request, &attr,
					      &ch->sink, &ch->endpoint);
	if (status != WSD_OK) {
		ch->endpoint = NULL;
		return status;
	}
	wsd_engine_join(engine, &ch->sink);
	wsd_memory_bind(ch);
	return wsd_early_begin(ch);
}

void wsd_channel_drop_endpoint(struct wsd_channel *ch)
{
	wsd_memory_hide(ch); /* nothing that the peer could reach survives the connection */
	if (!ch->endpoint)
		return;
	wsd_channel_move_drop(ch);
	ch->backend->endpoint_destroy(ch->endpoint);
	wsd_engine_forget(atomic_load(&ch->engine), &ch->sink);
	ch->endpoint = NULL;
	ch->early = (struct wsd_early){ .receive = ch->early.receive };
}

static void leave_engine(struct wsd_channel *ch)
{
	struct wsd_engine *engine = atomic_load(&ch->engine);

	wsd_channel_unlisten(ch);
	wsd_engine_set_timer(engine, &ch->timer, 0);
	if (ch->held)
		wsd_engine_release(engine);
	ch->held = false;
}

void wsd_channel_break(struct wsd_channel *ch, enum wsd_status error)
{
	if (ch->state != WSD_CHANNEL_OPEN)
		return;
	ch->state = WSD_CHANNEL_LOST;
	if (ch->error == WSD_OK)
		ch->error = error;
	wsd_channel_drop_endpoint(ch);
	leave_engine(ch);
	ch->changes |= WSD_CHANNEL_BROKEN;
	wsd_transfers_end(ch, ch->error);
}

static bool start_path(struct wsd_channel *ch)
{
	struct wsd_engine *engine = wsd_paths_next(&ch->paths, &ch->local, &ch->remote);

	if (!engine)
		return false;
	atomic_store(&ch->engine, engine);
	wsd_channel_do(ch, WSD_CH_CONNECT);
	return true;
}

/* This path did not work, or the acceptor's answer did not. */
static void failed(struct wsd_channel *ch, enum wsd_status status)
{
	struct wsd_engine *engine = atomic_load(&ch->engine);

	/* A failed one may be freed: not while the task that ends it is on its way. */
	if (ch->state != WSD_CHANNEL_CONNECTING || ch->closing)
		return;
	wsd_channel_drop_endpoint(ch);
	leave_engine(ch);
	if (ch->active && !wsd_channel_resumes(ch))
		wsd_paths_failed(&ch->paths, &ch->remote, status);
	if (ch->active && !wsd_channel_resumes(ch) && status != WSD_EREFUSED &&
	    wsd_clock_ns() < ch->deadline && start_path(ch)) {
		/* Another engine's task: its sleeping owner must hear of it. */
		if (atomic_load(&ch->engine) != engine)
			wsd_host_table()->wake(atomic_load(&ch->engine));
		return;
	}
	ch->state = WSD_CHANNEL_FAILED;
	ch->error = ch->active && !wsd_channel_resumes(ch) ? ch->paths.best : WSD_ERESET;
	ch->changes |= WSD_CHANNEL_CONNECTED;
	wsd_transfers_end(ch, ch->error);
}

static void run_connect(struct wsd_channel *ch, struct wsd_engine *engine)
{
	struct wsd_addr source = wsd_resume_source(&ch->local);
	bool resumes = wsd_channel_resumes(ch);
	uint8_t hello[WSD_SAN_HELLO_MAX];
	uint64_t now = wsd_clock_ns();
	enum wsd_status status;

	if (ch->state != WSD_CHANNEL_CONNECTING)
		return;
	status = now < ch->deadline ? wsd_channel_setup(ch, engine) : WSD_ETIMEDOUT;
	if (status == WSD_OK) {
		uint64_t left = ch->deadline - now;

		/* The engine's clock may be virtual: the timer is set on that one. */
		wsd_engine_set_timer(engine, &ch->timer, wsd_engine_now(engine) + left);
		status = ch->backend->connect(ch->endpoint, resumes ? &source : &ch->local,
					      resumes ? &ch->moving->target : &ch->remote, hello,
					      wsd_san_hello_encode(hello, &ch->own), left);
	}
	if (status != WSD_OK && status != WSD_PENDING)
		failed(ch, status);
}

static void run_accept(struct wsd_channel *ch, struct wsd_engine *engine)
{
	uint8_t hello[WSD_SAN_HELLO_MAX];
	enum wsd_status status;

	if (ch->state != WSD_CHANNEL_CONNECTING || !ch->request)
		return;
	status = wsd_channel_setup(ch, engine);
	if (status == WSD_OK) {
		wsd_engine_set_timer(engine, &ch->timer, wsd_engine_now(engine) + ACCEPT_NS);
		ch->request = NULL; /* consumed */
		status = ch->backend->accept(ch->endpoint, hello,
					     wsd_san_hello_encode(hello, &ch->own));
	} else {
		wsd_request_refuse(engine, ch->request, status);
		ch->request = NULL;
	}
	if (status != WSD_OK && status != WSD_PENDING)
		failed(ch, status);
}

/* --- events --- */

static enum wsd_status peer_hello(struct wsd_channel *ch, const void *data, uint32_t length)
{
	enum wsd_status status = wsd_san_hello_decode(data, length, &ch->peer);

	if (status != WSD_OK)
		return status;
	ch->message = ch->peer.message;
	if (ch->own.message && ch->message > ch->own.message)
		ch->message = ch->own.message;
	return WSD_OK;
}

static void on_connected(struct wsd_channel *ch, const struct wsd_event *ev)
{
	enum wsd_status status = WSD_OK;

	if (ch->state != WSD_CHANNEL_CONNECTING)
		return;
	if (ch->active)
		status = peer_hello(ch, ev->data, ev->data_length);
	if (status != WSD_OK) {
		failed(ch, status);
		return;
	}
	if (wsd_channel_resumes(ch)) {
		ch->moving->resumes = false;
		ch->own.data_length = 0;
	} else if (ch->active && ev->local.family) {
		ch->local = ev->local;
	}
	ch->state = WSD_CHANNEL_OPEN;
	wsd_paths_opened(ch->active ? &ch->paths : NULL, atomic_load(&ch->engine), &ch->remote);
	wsd_engine_set_timer(atomic_load(&ch->engine), &ch->timer, 0);
	ch->changes |= WSD_CHANNEL_CONNECTED;
	wsd_tx_post(ch);
}

static void on_connect_failed(struct wsd_channel *ch, const struct wsd_event *ev)
{
	enum wsd_status status = ev->status == WSD_OK ? WSD_ETIMEDOUT : ev->status;

	if (status == WSD_EREFUSED && ch->active)
		status = wsd_refusal_reason(ev->data, ev->data_length);
	failed(ch, status);
}

static void on_disconnected(struct wsd_channel *ch, enum wsd_status status)
{
	if (status == WSD_OK)
		status = WSD_ERESET; /* every close of a channel is abortive */
	if (ch->state == WSD_CHANNEL_CONNECTING)
		failed(ch, status);
	else
		wsd_channel_break(ch, status);
}

static void on_event(struct wsd_channel *ch, const struct wsd_event *ev)
{
	if (ch->move == WSD_SAN_WAITING && ch->state == WSD_CHANNEL_OPEN &&
	    wsd_channel_move_event(ch, ev))
		return;
	switch (ev->type) {
	case WSD_EV_SEND:
	case WSD_EV_RECV:
	case WSD_EV_RECV_IMM:
		wsd_transfer_event(ch, ev);
		break;
	case WSD_EV_CONNECTED:
		on_connected(ch, ev);
		break;
	case WSD_EV_CONNECT_FAILED:
		on_connect_failed(ch, ev);
		break;
	case WSD_EV_DISCONNECTED:
		on_disconnected(ch, ev->status);
		break;
	case WSD_EV_DEVICE_GONE:
		on_disconnected(ch, WSD_EDEVICE);
		break;
	case WSD_EV_REG:
	case WSD_EV_REQUEST:
	case WSD_EV_REQUEST_GONE:
		break;
	}
}

static void channel_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			   const struct wsd_event *events, uint32_t count)
{
	struct wsd_channel *ch = wsd_container(sink, struct wsd_channel, sink);

	ch->ops->lock(ch->owner);
	for (uint32_t i = 0; i < count && ch->endpoint; i++)
		on_event(ch, &events[i]);
	wsd_rx_post(ch);
	wsd_tx_post(ch);
	wsd_channel_move_progress(ch);
	tell(ch);
	ch->ops->unlock(ch->owner, engine);
}

/* --- tasks and timers, by the engine's owner --- */

static void destroy(struct wsd_channel *ch)
{
	wsd_channel_drop_endpoint(ch);
	leave_engine(ch);
	ch->state = WSD_CHANNEL_ENDED;
	wsd_transfers_end(ch, ch->handed ? WSD_OK : WSD_ECANCELLED);
	wsd_memory_free(ch);
	ch->changes |= WSD_CHANNEL_DEAD;
}

static void run_task(struct wsd_task *task, struct wsd_engine *engine)
{
	struct wsd_channel *ch = wsd_container(task, struct wsd_channel, task);
	uint32_t todo;

	ch->ops->lock(ch->owner);
	todo = ch->todo;
	ch->todo = 0;
	ch->queued = false;
	if (ch->closing)
		todo = WSD_CH_DESTROY;
	if (ch->closing && ch->request) {
		wsd_request_refuse(engine, ch->request,
				   WSD_ENOLISTENER); /* as acceptor.c, on_request */
		ch->request = NULL;
	}
	if (todo & WSD_CH_CONNECT)
		run_connect(ch, engine);
	if (todo & WSD_CH_ACCEPT)
		run_accept(ch, engine);
	if (todo & WSD_CH_BREAK)
		wsd_channel_break(ch, WSD_EABORTED);
	if (todo & WSD_CH_DESTROY)
		destroy(ch);
	tell(ch);
	ch->ops->unlock(ch->owner, engine);
}

static void timer_expired(struct wsd_timer *timer, struct wsd_engine *engine)
{
	struct wsd_channel *ch = wsd_container(timer, struct wsd_channel, timer);

	ch->ops->lock(ch->owner);
	if (ch->state == WSD_CHANNEL_CONNECTING)
		failed(ch, WSD_ETIMEDOUT);
	else if (ch->move == WSD_SAN_WAITING)
		wsd_channel_break(ch, WSD_ERESET); /* nobody has come */
	else
		wsd_tx_post(ch);
	tell(ch);
	ch->ops->unlock(ch->owner, engine);
}

/* queued changes with the lock only, so a task that runs DESTROY is never queued once more. */
void wsd_channel_do(struct wsd_channel *ch, uint32_t what)
{
	if (ch->state == WSD_CHANNEL_ENDED)
		return;
	ch->todo |= what;
	if (!ch->queued)
		wsd_engine_queue_task(atomic_load(&ch->engine), &ch->task);
	ch->queued = true;
}

/* --- life --- */

struct wsd_channel *wsd_channel_new(const struct wsd_channel_owner *ops, void *owner)
{
	struct wsd_channel *ch = wsd_alloc(sizeof(*ch));

	if (!ch)
		return NULL;
	ch->sink.events = channel_events;
	ch->ops = ops;
	ch->owner = owner;
	ch->state = WSD_CHANNEL_CONNECTING;
	wsd_random(&ch->own.nonce, sizeof(ch->own.nonce));
	wsd_task_init(&ch->task, run_task);
	wsd_list_init(&ch->timer.link);
	ch->timer.expired = timer_expired;
	wsd_list_init(&ch->rx_waiting);
	wsd_list_init(&ch->rx_posted);
	wsd_list_init(&ch->tx);
	wsd_list_init(&ch->kept);
	return ch;
}

enum wsd_status wsd_channel_connect(struct wsd_channel **channel,
				    const struct wsd_channel_owner *ops, void *owner,
				    const struct wsd_addr *local, const struct wsd_addr *remote,
				    const struct wsd_channel_options *options)
{
	struct wsd_channel *ch;
	uint64_t timeout =
		options->connect_timeout ? options->connect_timeout : STANDARD_TIMEOUT_NS;

	if (options->data_length > WSD_CALLER_DATA_MAX)
		return WSD_EINVAL;
	ch = wsd_channel_new(ops, owner);
	if (!ch)
		return WSD_ENOMEM;
	ch->active = true;
	ch->local = *local;
	ch->remote = *remote;
	ch->own.data_length = (uint8_t)options->data_length;
	if (options->data_length)
		memcpy(ch->own.data, options->data, options->data_length);
	ch->deadline = wsd_clock_ns() + timeout;
	wsd_paths_begin(&ch->paths, remote, false);
	if (!start_path(ch)) {
		enum wsd_status status = ch->paths.best;

		wsd_channel_free(ch);
		return status;
	}
	*channel = ch;
	return WSD_PENDING;
}

void wsd_channel_accept(struct wsd_channel *ch, struct wsd_engine *engine,
			struct wsd_request *request)
{
	atomic_store(&ch->engine, engine);
	ch->request = request;
	wsd_channel_do(ch, WSD_CH_ACCEPT);
}

void wsd_channel_close(struct wsd_channel *ch)
{
	if (ch->closing)
		return;
	ch->closing = true;
	wsd_channel_do(ch, WSD_CH_DESTROY);
}

void wsd_channel_free(struct wsd_channel *ch)
{
	if (!ch)
		return;
	wsd_memory_free(ch);
	wsd_paths_end(&ch->paths);
	wsd_free(ch->moving);
	wsd_free(ch);
}

/* --- state --- */

enum wsd_channel_state wsd_channel_state(const struct wsd_channel *ch)
{
	return ch->state;
}

enum wsd_status wsd_channel_error(const struct wsd_channel *ch)
{
	return ch->error;
}

struct wsd_engine *wsd_channel_engine(const struct wsd_channel *ch)
{
	return atomic_load(&ch->engine);
}

const char *wsd_channel_reasons(const struct wsd_channel *ch)
{
	return wsd_paths_reasons(&ch->paths);
}

char *wsd_channel_take_reasons(struct wsd_channel *ch)
{
	return wsd_paths_take_reasons(&ch->paths);
}

void wsd_channel_addresses(const struct wsd_channel *ch, struct wsd_addr *local,
			   struct wsd_addr *remote)
{
	if (local)
		*local = ch->local;
	if (remote)
		*remote = ch->remote;
}

const void *wsd_channel_peer_data(const struct wsd_channel *ch, uint32_t *length)
{
	*length = ch->peer.data_length;
	return ch->peer.data;
}

static void limit(struct wsd_channel_limits *limits, const struct wsd_engine *engine)
{
	const struct wsd_device_attr *device = wsd_engine_attr(engine);

	if (device->max_message < limits->message)
		limits->message = device->max_message;
	if (device->max_rdma < limits->rdma)
		limits->rdma = device->max_rdma;
	if (!(device->caps & WSD_CAP_READ))
		limits->read = false;
}

void wsd_channel_limits(const struct wsd_channel *ch, struct wsd_channel_limits *limits)
{
	*limits = (struct wsd_channel_limits){ .message = WSD_SAN_MESSAGE,
					       .rdma = UINT32_MAX,
					       .read = true };
	if (ch) {
		limit(limits, atomic_load(&ch->engine));
		/* Who accepts has the peer's limit with the request. */
		if ((ch->state != WSD_CHANNEL_CONNECTING || !ch->active) &&
		    ch->message < limits->message)
			limits->message = ch->message;
	} else {
		for (unsigned i = 0; i < wsd_engine_count(); i++)
			if (!wsd_engine_is_plain(wsd_engine_at(i))) /* no channel uses that one */
				limit(limits, wsd_engine_at(i));
	}
	/* One message less than what fits in it: a switch adds a header of its own. */
	limits->threshold = limits->message / 2;
}

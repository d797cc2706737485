// SPDX-License-Identifier: BSD-2-Clause
/* socket.c - struct wsd_socket: life, state, settling of changes, delivery outside the lock. */
#include "provider/winsock/roster.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define LIFE_OFFSET offsetof(struct wsd_socket, refs)
#define NEWS	    (WSD_CHANGE_READABLE | WSD_CHANGE_URGENT | WSD_CHANGE_DIRECT | WSD_CHANGE_DEAD)

/* What is told after the lock has been dropped. */
struct delivery {
	struct wsd_list ops;
	WSAEVENT event; /* to be set, or WSA_INVALID_EVENT */
	bool messages;	/* a window has to be told */
	struct wsd_op *fill;
	struct wsd_socket *children; /* each referenced */
	struct wsd_stream *streams[WSD_ZOMBIES];
	unsigned stream_count;
	struct wsd_listener *listener;
	struct wsd_channel *channel;
	struct wsd_acceptor *acceptor;
};

/* --- state --- */

#define NO WSD_SOCK_STATES
static const enum wsd_socket_state moves[WSD_SOCK_STATES][WSD_SOCK_EVENTS] = {
	/*                       bind            listen               connect */
	/*                       established     failed    broken     reuse */
	/*                       given           close */
	[WSD_SOCK_NEW] = { WSD_SOCK_BOUND, NO, WSD_SOCK_CONNECTING, WSD_SOCK_CONNECTED, NO, NO, NO,
			   NO, WSD_SOCK_CLOSED },
	[WSD_SOCK_BOUND] = { NO, WSD_SOCK_LISTENING, WSD_SOCK_CONNECTING, WSD_SOCK_CONNECTED, NO,
			     NO, NO, NO, WSD_SOCK_CLOSED },
	[WSD_SOCK_LISTENING] = { NO, WSD_SOCK_LISTENING, NO, NO, NO, NO, NO, WSD_SOCK_BROKEN,
				 WSD_SOCK_CLOSED },
	[WSD_SOCK_CONNECTING] = { NO, NO, NO, WSD_SOCK_CONNECTED, WSD_SOCK_BOUND, WSD_SOCK_BROKEN,
				  NO, NO, WSD_SOCK_CLOSED },
	[WSD_SOCK_CONNECTED] = { NO, NO, NO, NO, NO, WSD_SOCK_BROKEN, WSD_SOCK_BOUND,
				 WSD_SOCK_BROKEN, WSD_SOCK_CLOSED },
	[WSD_SOCK_BROKEN] = { NO, NO, NO, NO, NO, NO, WSD_SOCK_BOUND, NO, WSD_SOCK_CLOSED },
	[WSD_SOCK_CLOSED] = { NO, NO, NO, NO, NO, NO, NO, NO, NO },
};

bool wsd_socket_next_state(enum wsd_socket_state state, enum wsd_socket_event event,
			   enum wsd_socket_state *next)
{
	*next = moves[state][event];
	return *next != NO;
}
#undef NO

bool wsd_socket_move(struct wsd_socket *sock, enum wsd_socket_event event)
{
	enum wsd_socket_state next;

	if (!wsd_socket_next_state(sock->state, event, &next))
		return false;
	sock->state = next;
	sock->moved_at = wsd_clock_coarse_ns();
	sock->roster_news = true;
	if (sock->share != NULL)
		wsd_share_poke(sock);
	return true;
}

/* --- life --- */

void wsd_socket_ref(struct wsd_socket *sock)
{
	/* relaxed: a reference is only made from one that exists */
	atomic_fetch_add_explicit(&sock->refs, 1, memory_order_relaxed);
}

void wsd_handle_ref(struct wsd_socket *sock)
{
	/* relaxed: as above */
	atomic_fetch_add_explicit(&sock->handle_refs, 1, memory_order_relaxed);
}

static void recycle(struct wsd_socket *sock)
{
	struct wsd_list *node;

	wsd_mutex_lock(&sock->lock);
	sock->closed = true;
	sock->handle = INVALID_SOCKET;
	while ((node = wsd_list_pop(&sock->pool)) != NULL)
		wsd_free(wsd_container(node, struct wsd_op, link));
	wsd_port_release(sock->port);
	sock->port = NULL;
	wsd_socket_keep_reasons(sock, NULL);
	wsd_roster_leave(sock);
	wsd_mutex_unlock(&sock->lock);
	wsd_slot_put(sock);
}

void wsd_socket_unref(struct wsd_socket *sock)
{
	if (atomic_fetch_sub(&sock->refs, 1) == 1)
		recycle(sock);
}

void wsd_handle_unref(struct wsd_socket *sock)
{
	INT ignored;

	if (atomic_fetch_sub(&sock->handle_refs, 1) != 1)
		return;
	(void)wsd_upcalls(sock->mode)->table.lpWPUCloseSocketHandle(sock->handle, &ignored);
	wsd_socket_unref(sock);
}

static void deferred_run(struct wsd_deferred *deferred);

static void begin_life(struct wsd_socket *sock, unsigned mode, uint16_t family, DWORD catalog_id,
		       bool overlapped)
{
	memset((char *)sock + LIFE_OFFSET, 0, sizeof(*sock) - LIFE_OFFSET);
	atomic_init(&sock->refs, 1);
	atomic_init(&sock->handle_refs, 1);
	sock->life++;
	sock->handle = INVALID_SOCKET;
	sock->mode = mode;
	sock->start = wsd_provider_start(mode);
	sock->family = family;
	sock->catalog_id = catalog_id;
	sock->overlapped = overlapped;
	sock->connect_error = -1;
	sock->local.family = family;
	sock->options.keep_idle = 7200000;
	sock->options.keep_interval = 1000;
	sock->options.keep_count = 10;
	sock->options.receive_buffer = 65536;
	sock->options.send_buffer = WSD_STREAM_UNREAD;
	sock->options.v6only = true;
	wsd_fd_init(&sock->fd);
	for (unsigned i = 0; i < WSD_Q_COUNT; i++)
		wsd_list_init(&sock->queues[i]);
	wsd_list_init(&sock->finished);
	wsd_list_init(&sock->pool);
	wsd_list_init(&sock->parked);
	wsd_list_init(&sock->waiters);
	wsd_list_init(&sock->own_waiters);
	wsd_list_init(&sock->deferred.link);
	sock->deferred.run = deferred_run;
}

struct wsd_socket *wsd_socket_new(unsigned mode, uint16_t family, DWORD catalog_id, bool overlapped,
				  int *error)
{
	struct wsd_socket *sock = wsd_slot_take();
	INT upcall_error = WSAENOBUFS;
	SOCKET handle;

	if (sock == NULL) {
		*error = WSAENOBUFS;
		return NULL;
	}
	wsd_mutex_lock(&sock->lock);
	begin_life(sock, mode, family, catalog_id, overlapped);
	wsd_mutex_unlock(&sock->lock);
	handle = wsd_upcalls(mode)->table.lpWPUCreateSocketHandle(catalog_id, sock->context,
								  &upcall_error);
	if (handle == INVALID_SOCKET) {
		*error = upcall_error;
		wsd_socket_unref(sock);
		return NULL;
	}
	wsd_socket_ref(sock);
	wsd_mutex_lock(&sock->lock);
	sock->handle = handle;
	wsd_mutex_unlock(&sock->lock);
	return sock;
}

void wsd_socket_discard(struct wsd_socket *sock)
{
	bool closed;

	wsd_mutex_lock(&sock->lock);
	closed = sock->closed;
	sock->closed = true;
	(void)wsd_socket_move(sock, WSD_SOCK_ON_CLOSE);
	wsd_mutex_unlock(&sock->lock);
	if (!closed)
		wsd_handle_unref(sock);
}

/*
 * Only a caller with a stale descriptor can hold this lock now, and not for long. Memory changes
 * roles between lives, so a blocking acquisition would look like an inversion of ranks; it is none,
 * because nobody waits for a listener while he holds a socket that it accepts.
 */
void wsd_socket_lock_child(struct wsd_socket *child)
{
	while (!wsd_mutex_trylock(&child->lock))
		wsd_cpu_relax();
}

/* --- delivery --- */

static bool has_work(const struct wsd_socket *sock)
{
	return !wsd_list_empty(&sock->finished) || sock->fd.signal ||
	       wsd_fd_has_messages(&sock->fd) || sock->zombie_count > 0 ||
	       sock->dead_listener != NULL || sock->fill != NULL || sock->to_settle != NULL ||
	       sock->dead_channel != NULL || sock->dead_acceptor != NULL;
}

/* [lock] A stream that ended in the engine's hands is freed when the engine has let go: by the
 * deferred work, never by an application thread that happens to come first. */
static void collect(struct wsd_socket *sock, struct delivery *d)
{
	d->event = wsd_fd_take_signal(&sock->fd);
	d->messages = wsd_fd_has_messages(&sock->fd);
	d->stream_count = 0;
	d->listener = NULL;
	d->channel = NULL;
	d->acceptor = NULL;
	d->fill = sock->fill;
	sock->fill = NULL;
	d->children = sock->to_settle;
	sock->to_settle = NULL;
	wsd_list_init(&d->ops);
	wsd_list_splice(&d->ops, &sock->finished);
	if (sock->deferred_queued)
		return;
	for (unsigned i = 0; i < sock->zombie_count; i++)
		d->streams[d->stream_count++] = sock->zombies[i];
	sock->zombie_count = 0;
	d->listener = sock->dead_listener;
	sock->dead_listener = NULL;
	d->channel = sock->dead_channel;
	sock->dead_channel = NULL;
	d->acceptor = sock->dead_acceptor;
	sock->dead_acceptor = NULL;
}

static void settle_children(struct wsd_socket *child)
{
	while (child != NULL) {
		struct wsd_socket *next = child->next_settle;

		wsd_mutex_lock(&child->lock);
		wsd_socket_leave(child);
		wsd_socket_unref(child);
		child = next;
	}
}

static void deliver(struct wsd_socket *sock, struct delivery *d)
{
	struct wsd_list *node;
	unsigned ended = d->stream_count + (d->listener != NULL) + (d->channel != NULL) +
			 (d->acceptor != NULL);
	INT ignored;

	settle_children(d->children);
	while ((node = wsd_list_pop(&d->ops)) != NULL)
		wsd_op_deliver(wsd_container(node, struct wsd_op, link));
	if (d->event != WSA_INVALID_EVENT && !atomic_load(&sock->quiet))
		(void)wsd_upcalls(sock->mode)->table.lpWPUSetEvent(d->event, &ignored);
	if (d->messages)
		wsd_event_tell(sock);
	if (d->fill != NULL)
		wsd_transmit_fill(d->fill);
	for (unsigned i = 0; i < d->stream_count; i++)
		wsd_stream_free(d->streams[i]);
	if (d->listener != NULL)
		wsd_listener_free(d->listener);
	if (d->acceptor != NULL)
		wsd_acceptor_free(d->acceptor);
	wsd_channel_free(d->channel);
	for (; ended > 0; ended--) {
		wsd_streams_count(sock->mode, -1);
		wsd_socket_unref(sock);
	}
}

static void deferred_run(struct wsd_deferred *deferred)
{
	struct wsd_socket *sock = wsd_container(deferred, struct wsd_socket, deferred);
	struct delivery d;

	wsd_mutex_lock(&sock->lock);
	sock->deferred_queued = false;
	collect(sock, &d);
	wsd_mutex_unlock(&sock->lock);
	deliver(sock, &d);
	wsd_socket_unref(sock);
}

static void kick(struct wsd_engine *engine, bool all)
{
	if (all) {
		for (unsigned i = 0; i < wsd_engine_count(); i++)
			wsd_engine_kick(wsd_engine_at(i));
	} else if (engine != NULL) {
		wsd_engine_kick(engine);
	}
}

struct wsd_engine *wsd_socket_engine(const struct wsd_socket *sock)
{
	if (sock->stream != NULL)
		return wsd_stream_engine(sock->stream);
	return sock->channel != NULL ? wsd_channel_engine(sock->channel) : NULL;
}

void wsd_socket_leave(struct wsd_socket *sock)
{
	struct wsd_engine *engine;
	struct delivery d;
	bool work, all, look;

	if (sock->changes != 0)
		wsd_socket_settle(sock);
	if (sock->roster_news)
		wsd_roster_update(sock);
	engine = wsd_socket_engine(sock);
	look = sock->stream != NULL && wsd_stream_take_look(sock->stream);
	all = sock->kick_all;
	sock->kick_all = false;
	work = has_work(sock);
	if (work) {
		wsd_socket_ref(sock);
		collect(sock, &d);
	}
	wsd_mutex_unlock(&sock->lock);
	if (look && engine != NULL)
		(void)wsd_engine_poll(engine);
	else
		kick(engine, all);
	if (work) {
		deliver(sock, &d);
		wsd_socket_unref(sock);
	}
}

int wsd_socket_return(struct wsd_socket *sock, int error, LPINT out)
{
	wsd_socket_leave(sock);
	return error == 0 ? 0 : wsd_failed(error, out);
}

/* --- settling --- */

static void wake_list(const struct wsd_list *waiters, unsigned changes)
{
	struct wsd_list *node;

	wsd_list_for_each(node, waiters) {
		struct wsd_wait_node *wait = wsd_container(node, struct wsd_wait_node, link);

		if ((wait->interest & changes) == 0)
			continue;
		atomic_store(&wait->waiter->signalled, true);
		wsd_waker_wake(wait->waiter->waker);
	}
}

void wsd_socket_wake(struct wsd_socket *sock, unsigned changes)
{
	wake_list(&sock->waiters, changes);
	wake_list(&sock->own_waiters, changes);
}

void wsd_socket_broken(struct wsd_socket *sock, enum wsd_status status)
{
	if (!wsd_socket_move(sock, WSD_SOCK_ON_BROKEN))
		return;
	sock->broken_error = wsd_error(status, WSD_CALL_OTHER);
	if (sock->error == 0)
		sock->error = sock->broken_error;
	sock->changes |= WSD_CHANGE_IO;
}

void wsd_socket_abort(struct wsd_socket *sock)
{
	if (sock->closed || sock->stream == NULL)
		return;
	wsd_stream_close(sock->stream, true, 0);
	wsd_socket_broken(sock, WSD_EABORTED);
}

static void add_zombie(struct wsd_socket *sock)
{
	if (sock->stream == NULL || sock->zombie_count == WSD_ZOMBIES)
		return; /* connecting refuses while the places are taken */
	sock->zombies[sock->zombie_count++] = sock->stream;
	sock->stream = NULL;
}

void wsd_socket_drop_stream(struct wsd_socket *sock)
{
	if (sock->stream != NULL && !sock->closed)
		wsd_socket_keep_reasons(sock, wsd_stream_take_reasons(sock->stream));
	add_zombie(sock);
}

/* [lock] The stream's last word: whatever it still had is over. */
static void stream_dead(struct wsd_socket *sock)
{
	for (unsigned q = 0; q < WSD_Q_COUNT; q++) {
		struct wsd_list *node;

		wsd_list_for_each(node, &sock->queues[q]) {
			struct wsd_op *op = wsd_container(node, struct wsd_op, link);

			if (op->lent && op->loan.status == WSD_PENDING)
				op->loan.status = WSD_ERESET;
			if (op->reading && op->direct.status == WSD_PENDING)
				op->direct.status = WSD_ERESET;
		}
	}
	wsd_socket_drop_stream(sock);
}

static void settle_io(struct wsd_socket *sock)
{
	if (sock->away)
		return;
	if (sock->stream != NULL && wsd_stream_state(sock->stream) == WSD_STREAM_RESET &&
	    !sock->closed)
		wsd_socket_broken(sock, wsd_stream_error(sock->stream));
	wsd_urgent_run(sock);
	wsd_recv_run(sock);
	wsd_send_run(sock);
}

static void settle_stream(struct wsd_socket *sock, unsigned changes)
{
	if (changes & WSD_CHANGE_CONNECTED)
		wsd_connect_settle(sock);
	if (changes & WSD_CHANGE_ARRIVED)
		wsd_accept_run_ops(sock);
	if (changes & WSD_CHANGE_DEAD)
		stream_dead(sock);
	if (changes & WSD_CHANGE_QOS)
		sock->qos_news = true;
	if (changes & (WSD_CHANGE_QOS | WSD_CHANGE_PATH | WSD_CHANGE_SEAT))
		sock->roster_news = true;
	if (changes & (WSD_CHANGE_IO | WSD_CHANGE_DEAD)) {
		settle_io(sock);
		wsd_control_run(sock);
	}
}

void wsd_socket_settle(struct wsd_socket *sock)
{
	unsigned seen = 0;

	if (sock->in_settle)
		return;
	sock->in_settle = true;
	while (sock->changes != 0) {
		unsigned now = sock->changes;

		sock->changes = 0;
		seen |= now;
		if (sock->mode == WSD_MODE_SAN)
			wsd_san_settle(sock, now);
		else
			settle_stream(sock, now);
		if ((now & WSD_CHANGE_ARRIVED) && sock->share != NULL)
			wsd_share_poke(
				sock); /* for another process, or there is room for one more */
		if (now & WSD_CHANGE_GONE) {
			sock->dead_listener = sock->listener;
			sock->listener = NULL;
			sock->dead_acceptor = sock->acceptor;
			sock->acceptor = NULL;
			wsd_port_restore(sock->port, true); /* its connections live on */
		}
	}
	wsd_event_look(sock);
	wsd_socket_wake(sock, seen);
	sock->in_settle = false;
}

/* --- called by streams and listeners --- */

static void owner_lock(void *owner)
{
	struct wsd_socket *sock = owner;

	wsd_mutex_lock(&sock->lock);
}

static void owner_unlock(void *owner, struct wsd_engine *engine)
{
	struct wsd_socket *sock = owner;

	if (engine == NULL) {
		wsd_socket_leave(sock);
		return;
	}
	if (sock->changes != 0)
		wsd_socket_settle(sock);
	if (has_work(sock) && !sock->deferred_queued) {
		sock->deferred_queued = true;
		wsd_socket_ref(sock);
		wsd_engine_defer(engine, &sock->deferred);
	}
	if (sock->roster_news)
		wsd_roster_update(sock);
	wsd_mutex_unlock(&sock->lock);
}

static void stream_changed(void *owner, unsigned changes)
{
	struct wsd_socket *sock = owner;

	sock->changes |= changes;
	if (sock->share != NULL && (changes & NEWS))
		wsd_share_news(sock);
	if (sock->in_settle)
		return;
	/* A peer's offer is refused unless a posted receive takes it before we return, and an urgent
	 * byte may have to make room for others. */
	sock->in_settle = true;
	if ((changes & (WSD_CHANGE_READABLE | WSD_CHANGE_DIRECT)) && !sock->away &&
	    !wsd_list_empty(&sock->queues[WSD_Q_RECV]))
		wsd_recv_run(sock);
	if ((changes & WSD_CHANGE_URGENT) && !sock->away)
		wsd_urgent_run(sock);
	sock->in_settle = false;
}

static enum wsd_status stream_take_port(void *owner, intptr_t *socket)
{
	struct wsd_socket *sock = owner;

	if (sock->port == NULL)
		return wsd_os_port_open(sock->local.family, socket);
	*socket = wsd_port_take(sock->port, sock->local.family, wsd_share_mates(sock));
	return *socket < 0 ? WSD_EADDRINUSE : WSD_OK;
}

static enum wsd_status stream_hold_port(void *owner, bool another, struct wsd_addr *local)
{
	struct wsd_socket *sock = owner;
	enum wsd_status status =
		another ? wsd_socket_change_port(sock) : wsd_socket_hold_port(sock);

	*local = sock->local;
	return status;
}

const struct wsd_stream_owner wsd_socket_stream_owner = {
	.lock = owner_lock,
	.unlock = owner_unlock,
	.changed = stream_changed,
	.take_port = stream_take_port,
	.hold_port = stream_hold_port,
};

static void listener_arrived(void *owner)
{
	struct wsd_socket *sock = owner;

	sock->changes |= WSD_CHANGE_ARRIVED;
	if (sock->share != NULL)
		wsd_share_news(sock);
}

static void listener_gone(void *owner)
{
	struct wsd_socket *sock = owner;

	sock->changes |= WSD_CHANGE_GONE;
}

const struct wsd_listener_owner wsd_socket_listener_owner = {
	.lock = owner_lock,
	.unlock = owner_unlock,
	.arrived = listener_arrived,
	.gone = listener_gone,
	.wanted = wsd_listener_wanted,
};

const struct wsd_channel_owner wsd_socket_channel_owner = {
	.lock = owner_lock,
	.unlock = owner_unlock,
	.changed = wsd_san_changed,
	.done = wsd_san_done,
};

const struct wsd_acceptor_owner wsd_socket_acceptor_owner = {
	.lock = owner_lock,
	.unlock = owner_unlock,
	.arrived = listener_arrived,
	.gone = listener_gone,
};

// SPDX-License-Identifier: BSD-2-Clause
/*
 * plain.c - a stream over a TCP connection of the system, for peers without OpenWSD; its bytes: plain_io.c.
 *
 * The system has the buffers, the end, the mark of urgent data. What is kept here is only what it tells once
 * (edges): whether a receive or a send is worth trying. Nothing of ours goes over the wire.
 */
#include "provider/session/plain.h"

#include "provider/transport/os_tcp.h"
#include "provider/transport/plain.h"

#define LOOK_FIRST_NS 1000000ull  /* after what time to ask whether all is acknowledged, ... */
#define LOOK_LAST_NS  64000000ull /* ... and the longest pause between two such questions */
#define NEEDLESS      3u	  /* news in a row are so many too many */
#define SHORT_NS      10000000ull /* before the next try, without memory */
#define UNWATCHED_NS  50000000ull /* so long nobody looks after a connection that nobody uses */

static struct wsd_os_poller *poller_of(const struct wsd_stream *s)
{
	return wsd_plain_poller(atomic_load(&s->engine));
}

/* --- opening --- */

static struct wsd_plain *plain_new(intptr_t socket)
{
	struct wsd_plain *p = wsd_alloc(sizeof(*p));

	if (!p) {
		wsd_os_tcp_close(socket);
		return NULL;
	}
	p->socket = socket;
	p->may_read = p->may_write = true;
	return p;
}

/* Who is watched needs somebody that looks after the engine. */
enum wsd_status wsd_plain_watch_for(struct wsd_stream *s, bool writable)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	struct wsd_plain *p = s->plain;
	uint32_t news = (p->quiet ? 0 : WSD_OS_READABLE) | (writable ? WSD_OS_WRITABLE : 0);
	enum wsd_status status =
		wsd_os_poller_watch(poller_of(s), p->socket, &s->sink, news, p->watched);

	if (status != WSD_OK)
		return status;
	if (!s->held)
		wsd_engine_hold(engine);
	if (!p->watched) /* news from now on, beginning with how things are */
		p->may_read = false;
	s->held = p->watched = true;
	p->watch_write = writable;
	return WSD_OK;
}

void wsd_plain_watch(struct wsd_stream *s)
{
	if (!s->plain || (s->plain->watched && !s->plain->quiet) || s->state != WSD_STREAM_OPEN)
		return;
	s->plain->quiet = false;
	if (wsd_plain_watch_for(s, s->plain->watch_write) == WSD_OK)
		return;
	wsd_stream_break(s, WSD_ENOMEM);
	wsd_stream_tell(s);
}

/* What came while the stream was quiet is found at once: the first question has a true answer. */
static void plain_watch(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;
	bool was_quiet = p && p->quiet;
	uint8_t byte;

	if (p)
		p->wanted = true;
	wsd_plain_watch(s);
	if (was_quiet && s->state == WSD_STREAM_OPEN && !p->eof &&
	    wsd_os_tcp_receive_urgent(p->socket, true, &byte) == WSD_OK)
		wsd_plain_urgent_news(s);
}

static void set_due(struct wsd_stream *s, uint64_t when)
{
	s->plain->due = when;
	wsd_stream_arm_timer(s);
}

/* For the service of the flow, or as the program said; the standard one is there already. */
static void mark_packets(struct wsd_stream *s)
{
	uint8_t class = wsd_qos_traffic_class(s);

	if (class)
		wsd_os_tcp_set_traffic_class(s->plain->socket, s->remote.family, class);
}

void wsd_plain_name(struct wsd_stream *s)
{
	if (s->plain && (wsd_addr_is_any(&s->local) || s->local.port == 0))
		(void)wsd_os_tcp_local(s->plain->socket, &s->local);
}

static void plain_opened(struct wsd_stream *s)
{
	s->state = WSD_STREAM_OPEN;
	s->error = WSD_OK;
	wsd_paths_opened(&s->paths, atomic_load(&s->engine), &s->remote);
	s->changes |= WSD_CHANGE_CONNECTED;
}

enum wsd_status wsd_plain_connect(struct wsd_stream *s, struct wsd_engine *engine, uint64_t now)
{
	const struct wsd_stream_owner *ops = atomic_load(&s->ops);
	enum wsd_status status;
	intptr_t socket;

	status = wsd_qos_begin(s);
	if (status != WSD_OK)
		return status;
	status = WSD_EADDRINUSE;
	if (ops->take_port)
		status = ops->take_port(atomic_load(&s->owner), &socket);
	if (status != WSD_OK)
		return status;
	s->plain = plain_new(socket);
	if (!s->plain)
		return WSD_ENOMEM;
	wsd_plain_bound(engine, socket);
	mark_packets(s);
	s->carrier->set_hops(s, s->options.hops);
	s->features = 0;
	status = wsd_os_tcp_connect(socket, &s->remote);
	if (status == WSD_PENDING && wsd_plain_watch_for(s, true) != WSD_OK)
		status = WSD_ENOMEM;
	if (status != WSD_OK && status != WSD_PENDING)
		return status;
	/* Of one that is open at once it is asked for when somebody wants to know, see wsd_plain_name. */
	if (status == WSD_PENDING)
		(void)wsd_os_tcp_local(socket, &s->local);
	set_due(s, status == WSD_OK ? now + UNWATCHED_NS : s->deadline);
	if (status == WSD_OK)
		plain_opened(s);
	return status;
}

enum wsd_status wsd_plain_adopt(struct wsd_stream *s, struct wsd_engine *engine, intptr_t socket,
				const struct wsd_addr *local, const struct wsd_addr *remote)
{
	enum wsd_status status;

	atomic_store(&s->engine, engine);
	s->carrier = &wsd_plain_carrier;
	s->plain = plain_new(socket);
	if (!s->plain)
		return WSD_ENOMEM;
	s->local = *local;
	s->remote = *remote;
	status = wsd_addr_is_any(local) ? wsd_os_tcp_local(socket, &s->local) : WSD_OK;
	if (status == WSD_OK)
		status = wsd_qos_begin(s);
	if (status == WSD_OK)
		status = wsd_plain_watch_for(s, false);
	if (status != WSD_OK) {
		s->carrier->drop(s);
		return status;
	}
	mark_packets(s);
	s->state = WSD_STREAM_OPEN;
	return WSD_OK;
}

/* --- news --- */

enum wsd_status wsd_plain_short(struct wsd_stream *s, unsigned flags)
{
	uint64_t when = wsd_engine_now(atomic_load(&s->engine)) + SHORT_NS;

	if (flags & WSD_TRY)
		return WSD_ENOMEM;
	s->plain->short_of = true;
	if (!s->plain->due || s->plain->due > when)
		set_due(s, when);
	return WSD_AGAIN;
}

/* The connection broke, or the peer has not been heard of: the system says of a route that is gone that it was it that
 * failed, when it gives up. */
void wsd_plain_lost(struct wsd_stream *s, enum wsd_status why)
{
	if (why == WSD_EUNREACHABLE)
		why = WSD_ETIMEDOUT;
	if (why == WSD_ETIMEDOUT && s->plain->keepalive)
		why = WSD_EKEEPALIVE;
	wsd_stream_break(s, why == WSD_ETIMEDOUT || why == WSD_EKEEPALIVE ? why : WSD_ERESET);
}

static void on_broken(struct wsd_stream *s)
{
	enum wsd_status error = wsd_os_tcp_error(s->plain->socket);

	if (error != WSD_OK)
		wsd_plain_lost(s, error);
}

static void on_connecting(struct wsd_stream *s)
{
	enum wsd_status status = wsd_os_tcp_error(s->plain->socket);

	if (status == WSD_OK)
		status = wsd_plain_watch_for(s, false);
	if (status != WSD_OK) {
		wsd_connect_failed(s, status);
		return;
	}
	set_due(s, 0);
	/* Windows chooses it no earlier than this. */
	wsd_plain_name(s);
	plain_opened(s);
}

/* News of bytes for a program that had not yet come to the end of those before, or finds them by trying: each wakes a
 * thread for nothing, and that thread may hold the lock when the program comes to read. After a few of them the system
 * shall tell only of the end, until a read has found nothing. Of urgent data nothing is heard then: who has ever asked
 * for more than bytes is told of everything. */
static void on_readable(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;

	p->needless = p->may_read || p->tried ? p->needless + 1 : p->needless / 2;
	p->tried = false;
	p->may_read = true;
	s->changes |= WSD_CHANGE_READABLE;
	if (p->needless < NEEDLESS || p->wanted || p->marks || p->quiet)
		return;
	p->needless = NEEDLESS;
	p->quiet = true;
	if (wsd_plain_watch_for(s, p->watch_write) != WSD_OK)
		p->quiet = false;
}

static void on_open(struct wsd_stream *s, uint32_t what)
{
	struct wsd_plain *p = s->plain;

	if (what & WSD_OS_READABLE)
		on_readable(s);
	if (what & WSD_OS_WRITABLE) {
		p->may_write = true;
		s->changes |= WSD_CHANGE_WRITABLE;
	}
	if (what & WSD_OS_ENDED)
		p->ended = true;
	if ((what & WSD_OS_URGENT) && !p->eof)
		wsd_plain_urgent_news(s);
	if (what & WSD_OS_BROKEN)
		on_broken(s);
	if (s->rx.closed && s->state == WSD_STREAM_OPEN &&
	    wsd_os_tcp_available(p->socket, p->marks) > 0)
		wsd_stream_break(s, WSD_EABORTED);
}

static void plain_events(struct wsd_stream *s, const struct wsd_event *events, uint32_t count)
{
	uint32_t what = 0;

	for (uint32_t i = 0; i < count; i++)
		what |= events[i].imm;
	/* What the system tells once is for who has it next. */
	if (!s->plain || s->move == WSD_MOVE_GIVEN)
		return;
	if (s->state == WSD_STREAM_CONNECTING && (what & (WSD_OS_WRITABLE | WSD_OS_BROKEN))) {
		on_connecting(s);
		/* A peer that speaks first may have spoken already, and Windows tells it once. */
		what &= ~(uint32_t)(WSD_OS_WRITABLE | WSD_OS_BROKEN);
	}
	if (what && (s->state == WSD_STREAM_OPEN || s->state == WSD_STREAM_RESET))
		on_open(s, what);
}

/* --- ending --- */

static void plain_broken(struct wsd_stream *s, enum wsd_status error)
{
	if (error != WSD_ERESET && error != WSD_ETIMEDOUT && error != WSD_EKEEPALIVE) {
		wsd_plain_name(s);		    /* as the socket forgets it */
		wsd_os_tcp_reset(s->plain->socket); /* our decision: the peer must hear of it */
		s->plain->may_read = false;
	}
}

/* The system may have the connection by now, and the peer's queue, too. */
void wsd_plain_give_up(struct wsd_stream *s)
{
	wsd_os_tcp_reset(s->plain->socket);
}

/* The system does not say when all is acknowledged: ask, with growing pauses. */
static void look_later(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;

	p->look = p->look ? p->look * 2 : LOOK_FIRST_NS;
	if (p->look > LOOK_LAST_NS)
		p->look = LOOK_LAST_NS;
	set_due(s, wsd_engine_now(atomic_load(&s->engine)) + p->look);
}

static bool plain_flushed(const struct wsd_stream *s)
{
	return s->state != WSD_STREAM_OPEN || s->tx.cut || !wsd_os_tcp_unsent(s->plain->socket);
}

static enum wsd_status plain_shutdown_send(struct wsd_stream *s)
{
	if (s->state == WSD_STREAM_RESET)
		return s->error;
	if (s->state != WSD_STREAM_OPEN)
		return WSD_ESTATE;
	if (s->tx.fin)
		return WSD_OK;
	s->tx.fin = true;
	wsd_qos_drop(s);
	if (s->tx.cut) /* a reset will take the place of the end */
		return WSD_OK;
	wsd_os_tcp_shutdown_send(s->plain->socket);
	look_later(s);
	return WSD_OK;
}

static void plain_shutdown_receive(struct wsd_stream *s)
{
	s->rx.closed = true;
	wsd_plain_watch(s);
	if (wsd_plain_readable(s) > 0)
		wsd_stream_break(s, WSD_EABORTED);
}

/* No event, task or timer of it is under way, and none will be: the caller's lock is all that is needed. */
static bool nobody_has_it(struct wsd_stream *s)
{
	return s->plain && !s->plain->watched && !s->queued &&
	       wsd_engine_stop_timer(atomic_load(&s->engine), &s->timer);
}

/* Cut half way: the reset comes behind what was sent. */
static void plain_progress(struct wsd_stream *s)
{
	if (!s->closing || s->state == WSD_STREAM_DEAD)
		return;
	if (s->tx.cut && s->state == WSD_STREAM_OPEN && s->move != WSD_MOVE_GIVEN) {
		if (wsd_os_tcp_unsent(s->plain->socket) &&
		    wsd_engine_now(atomic_load(&s->engine)) < s->deadline) {
			look_later(s);
			return;
		}
		wsd_stream_break(s, WSD_EABORTED);
	}
	if (s->linger)
		wsd_closing_count(-1);
	s->linger = 0;
	if (nobody_has_it(s)) {
		wsd_stream_destroy(s);
		s->changes = WSD_CHANGE_DEAD; /* all that is news to who has let go */
		wsd_stream_tell(s);
	} else {
		wsd_stream_do(s, WSD_DO_DESTROY);
	}
}

static void plain_close(struct wsd_stream *s, bool abort, uint64_t linger)
{
	if (s->move == WSD_MOVE_GIVEN) { /* it is another process's */
		plain_progress(s);
		return;
	}
	/* Who was never asked for bytes leaves it to the system to see that some are unread; it does not where a twin
	 * stays open. */
	if (s->state == WSD_STREAM_OPEN &&
	    (abort || ((s->plain->watched || s->plain->shared) && wsd_plain_readable(s) > 0)))
		wsd_stream_break(s, WSD_EABORTED);
	if (s->state == WSD_STREAM_OPEN) {
		if (s->plain->sent)
			wsd_os_tcp_set_patience(s->plain->socket, linger);
		if (s->tx.cut) {
			s->linger = linger ? linger : 1;
			wsd_closing_count(1);
			s->deadline = wsd_engine_now(atomic_load(&s->engine)) + s->linger;
		}
	}
	plain_progress(s);
}

/* It may write again. False: the timer was for that only. */
static bool other_than_pacing(struct wsd_stream *s, uint64_t now)
{
	if (s->tx.paced_until && now >= s->tx.paced_until) {
		s->tx.paced_until = 0;
		s->changes |= WSD_CHANGE_WRITABLE;
	}
	if (!s->plain || (s->plain->due && now >= s->plain->due)) {
		if (s->plain)
			s->plain->due = 0;
		return true;
	}
	wsd_stream_arm_timer(s);
	return false;
}

static void plain_timer(struct wsd_stream *s, uint64_t now)
{
	if (!other_than_pacing(s, now))
		return;
	if (s->state == WSD_STREAM_CONNECTING) {
		if (now >= s->deadline)
			wsd_connect_failed(s, WSD_ETIMEDOUT);
		return;
	}
	if (s->plain && s->plain->short_of) {
		s->plain->short_of = false;
		s->changes |= WSD_CHANGE_READABLE | WSD_CHANGE_WRITABLE;
	}
	wsd_plain_watch(s); /* its end is news, too */
	wsd_plain_name(s);
	s->changes |= WSD_CHANGE_PATH; /* the name, whoever has asked for it */
	if (s->closing)
		plain_progress(s);
	else if (s->state == WSD_STREAM_OPEN && s->tx.fin && plain_flushed(s))
		s->changes |= WSD_CHANGE_FLUSHED;
	else if (s->state == WSD_STREAM_OPEN && s->tx.fin)
		look_later(s);
	else
		wsd_stream_arm_timer(s); /* for pacing */
}

/* Closing is graceful: the system sends what it has, and the end; the latter with the last twin, if it is not told. */
static void plain_drop(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;

	wsd_qos_drop(s);
	if (!p)
		return;
	if (p->watched) {
		wsd_os_poller_unwatch(poller_of(s), p->socket);
		wsd_engine_forget(atomic_load(&s->engine), &s->sink);
	}
	if (p->shared && s->move != WSD_MOVE_GIVEN)
		wsd_os_tcp_shutdown_send(p->socket);
	wsd_os_tcp_close(p->socket);
	wsd_free(p);
	s->plain = NULL;
}

static void plain_set_keepalive(struct wsd_stream *s, uint64_t idle, uint64_t interval,
				unsigned count)
{
	if (!s->plain || (!idle && !s->plain->keepalive))
		return;
	s->plain->keepalive = idle != 0;
	wsd_os_tcp_set_keepalive(s->plain->socket, idle, interval, count);
}

static void plain_set_receive_buffer(struct wsd_stream *s, uint32_t bytes)
{
	(void)s; /* the window has been told: what shrinks now drops what comes, and stalls */
	(void)bytes;
}

static void plain_set_nodelay(struct wsd_stream *s, bool on)
{
	if (!s->plain || s->plain->nodelay == on)
		return;
	s->plain->nodelay = on;
	wsd_os_tcp_set_nodelay(s->plain->socket, on);
}

static void plain_set_hops(struct wsd_stream *s, uint8_t hops)
{
	if (!s->plain || s->plain->hops == hops)
		return;
	s->plain->hops = hops;
	wsd_os_tcp_set_hops(s->plain->socket, s->remote.family, hops);
}

const struct wsd_carrier wsd_plain_carrier = {
	.events = plain_events,
	.timer = plain_timer,
	.progress = plain_progress,
	.drop = plain_drop,
	.broken = plain_broken,
	.close = plain_close,
	.watch = plain_watch,
	.read = wsd_plain_read,
	.readable = wsd_plain_readable,
	.at_end = wsd_plain_at_end,
	.write = wsd_plain_write,
	.writable = wsd_plain_writable,
	.asks = wsd_plain_asks,
	.write_urgent = wsd_plain_write_urgent,
	.read_urgent = wsd_plain_read_urgent,
	.set_urgent_inline = wsd_plain_set_urgent_inline,
	.urgent_pending = wsd_plain_urgent_pending,
	.at_mark = wsd_plain_at_mark,
	.mark_here = wsd_plain_mark_here,
	.shutdown_send = plain_shutdown_send,
	.shutdown_receive = plain_shutdown_receive,
	.flushed = plain_flushed,
	.set_keepalive = plain_set_keepalive,
	.set_receive_buffer = plain_set_receive_buffer,
	.set_nodelay = plain_set_nodelay,
	.set_hops = plain_set_hops,
};

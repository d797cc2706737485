// SPDX-License-Identifier: BSD-2-Clause
/*
 * plain.c - a stream over a TCP connection of the system, for peers without OpenWSD.
 *
 * The system has the buffers, the end, the mark of urgent data. What is kept here is only what it tells once
 * (edges): whether a receive or a send is worth trying. Nothing of ours goes over the wire.
 */
#include "provider/session/plain.h"

#include "provider/transport/os_tcp.h"
#include "provider/transport/plain.h"

#define LOOK_FIRST_NS 1000000ull  /* after what time to ask whether all is acknowledged, ... */
#define LOOK_LAST_NS  64000000ull /* ... and the longest pause between two such questions */

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
	p->may_write = true;
	return p;
}

static enum wsd_status watch(struct wsd_stream *s, bool writable)
{
	struct wsd_plain *p = s->plain;
	enum wsd_status status =
		wsd_os_poller_watch(poller_of(s), p->socket, &s->sink, writable, p->watched);

	if (status != WSD_OK)
		return status;
	p->watched = true;
	p->watch_write = writable;
	return WSD_OK;
}

static void plain_opened(struct wsd_stream *s)
{
	(void)wsd_os_tcp_local(s->plain->socket, &s->local);
	wsd_engine_set_timer(atomic_load(&s->engine), &s->timer, 0);
	s->state = WSD_STREAM_OPEN;
	s->error = WSD_OK;
	wsd_paths_opened(&s->paths, atomic_load(&s->engine), &s->remote);
	s->changes |= WSD_CHANGE_CONNECTED;
}

static enum wsd_status plain_connect(struct wsd_stream *s, struct wsd_engine *engine, uint64_t left)
{
	const struct wsd_stream_owner *ops = atomic_load(&s->ops);
	intptr_t socket = ops->take_port ? ops->take_port(atomic_load(&s->owner)) : -1;
	enum wsd_status status;

	if (socket < 0)
		return WSD_EADDRINUSE;
	if (wsd_flow_reserves(&s->options.qos.out)) {
		wsd_os_tcp_close(socket);
		return WSD_EUNSUPPORTED;
	}
	s->plain = plain_new(socket);
	if (!s->plain)
		return WSD_ENOMEM;
	wsd_plain_bound(socket);
	if (!s->held)
		wsd_engine_hold(engine);
	s->held = true;
	s->features = 0;
	status = wsd_os_tcp_connect(socket, &s->remote);
	if (status == WSD_OK) {
		status = watch(s, false);
		if (status == WSD_OK)
			plain_opened(s);
	} else if (status == WSD_PENDING) {
		wsd_engine_set_timer(engine, &s->timer, wsd_engine_now(engine) + left);
		status = watch(s, true);
	}
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
		status = watch(s, false);
	if (status != WSD_OK) {
		s->carrier->drop(s);
		return status;
	}
	wsd_engine_hold(engine);
	s->held = true;
	s->state = WSD_STREAM_OPEN;
	return WSD_OK;
}

/* --- news --- */

static void ask_mark(struct wsd_plain *p)
{
	struct wsd_os_buffer one = { &(char){ 0 }, 1 };
	size_t bytes;

	p->mark = wsd_os_tcp_at_mark(p->socket) ? MARK_HERE : MARK_AHEAD;
	if (p->mark == MARK_AHEAD || !p->fetched || !p->urgent_inline)
		return;
	/* The byte here was fetched before they came in line, and the system would give it again. */
	(void)wsd_os_tcp_receive(p->socket, &one, 1, false, &bytes);
	p->mark = MARK_NONE;
	p->fetched = false;
}

/* The system forgets the byte when a read goes across its mark, so it is taken before. */
static void keep_urgent(struct wsd_plain *p)
{
	if (p->urgent && !p->urgent_inline && !p->kept)
		p->kept = wsd_os_tcp_receive_urgent(p->socket, false, &p->byte) == WSD_OK;
}

/* The connection broke, or the peer has not been heard of. */
static void lost(struct wsd_stream *s, enum wsd_status why)
{
	if (why == WSD_ETIMEDOUT && s->plain->keepalive)
		why = WSD_EKEEPALIVE;
	wsd_stream_break(s, why == WSD_ETIMEDOUT || why == WSD_EKEEPALIVE ? why : WSD_ERESET);
}

static void on_broken(struct wsd_stream *s)
{
	enum wsd_status error = wsd_os_tcp_error(s->plain->socket);

	if (error != WSD_OK)
		lost(s, error);
}

static void on_connecting(struct wsd_stream *s, uint32_t what)
{
	enum wsd_status status;

	if (!(what & (WSD_OS_WRITABLE | WSD_OS_BROKEN)))
		return;
	status = wsd_os_tcp_error(s->plain->socket);
	if (status == WSD_OK)
		status = watch(s, false);
	if (status == WSD_OK)
		plain_opened(s);
	else
		wsd_connect_failed(s, status);
}

static void on_open(struct wsd_stream *s, uint32_t what)
{
	struct wsd_plain *p = s->plain;

	if (what & WSD_OS_READABLE) {
		p->may_read = true;
		s->changes |= WSD_CHANGE_READABLE;
	}
	if (what & WSD_OS_WRITABLE) {
		p->may_write = true;
		s->changes |= WSD_CHANGE_WRITABLE;
	}
	if (what & WSD_OS_ENDED)
		p->ended = true;
	if ((what & WSD_OS_URGENT) && !p->eof) {
		p->marks = p->urgent = p->may_read = true;
		p->fetched = p->kept = false;
		keep_urgent(p);
		ask_mark(p);
		s->changes |= p->urgent_inline ? WSD_CHANGE_READABLE : WSD_CHANGE_URGENT;
	}
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
	if (!s->plain)
		return;
	if (s->state == WSD_STREAM_CONNECTING)
		on_connecting(s, what);
	else if (s->state == WSD_STREAM_OPEN || s->state == WSD_STREAM_RESET)
		on_open(s, what);
}

/* --- moving bytes --- */

static unsigned to_buffers(struct wsd_os_buffer *buffers, const struct wsd_iovec *iov,
			   unsigned count, size_t *total)
{
	unsigned n = 0;

	*total = 0;
	for (unsigned i = 0; i < count && n < WSD_OS_BUFFERS; i++) {
		if (iov[i].length == 0)
			continue;
		buffers[n].base = iov[i].base;
		buffers[n++].length = iov[i].length;
		*total += iov[i].length;
	}
	return n;
}

/* What a receive finds when there is nothing to be had. */
static enum wsd_status nothing(const struct wsd_stream *s)
{
	if (s->plain && s->plain->eof && s->state != WSD_STREAM_RESET)
		return WSD_EOF;
	if (s->state == WSD_STREAM_RESET)
		return s->error;
	return s->state == WSD_STREAM_OPEN ? WSD_AGAIN : WSD_ESTATE;
}

static enum wsd_status received(struct wsd_stream *s, enum wsd_status status, bool peek,
				bool short_of)
{
	struct wsd_plain *p = s->plain;

	if (status == WSD_OK) {
		/* Less than asked for: there is no more before the next news, if nothing stands in
		 * the way. */
		if (short_of && !peek && !p->ended && !p->marks)
			p->may_read = false;
		if (!peek && p->mark == MARK_HERE)
			p->mark = MARK_NONE, p->fetched = false;
		else if (!peek && p->mark == MARK_AHEAD)
			ask_mark(p);
		return WSD_OK;
	}
	if (status == WSD_AGAIN) {
		p->may_read = false;
		return nothing(s);
	}
	if (status == WSD_EOF) {
		p->eof = true;
		return nothing(s);
	}
	lost(s, status);
	p->may_read = false;
	return s->state == WSD_STREAM_RESET ? s->error : status;
}

static bool readable_state(const struct wsd_stream *s)
{
	return s->plain && s->plain->may_read && !s->plain->eof &&
	       (s->state == WSD_STREAM_OPEN || s->state == WSD_STREAM_RESET);
}

static bool plain_at_end(const struct wsd_stream *s)
{
	const struct wsd_plain *p = s->plain;

	if (!p || s->state != WSD_STREAM_OPEN)
		return p && p->eof && s->state != WSD_STREAM_RESET;
	return p->eof || (p->ended && wsd_os_tcp_available(p->socket, p->marks) == 0);
}

static enum wsd_status plain_read(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				  unsigned flags, struct wsd_direct *direct, size_t *bytes)
{
	struct wsd_os_buffer buffers[WSD_OS_BUFFERS];
	bool peek = (flags & WSD_READ_PEEK) != 0;
	enum wsd_status status;
	size_t total, all = 0;
	unsigned n;

	(void)direct;
	if (!readable_state(s))
		return nothing(s);
	n = to_buffers(buffers, iov, count, &total);
	if (n == 0)
		return plain_at_end(s) ? WSD_EOF : nothing(s);
	for (unsigned i = 0; i < count; i++)
		all += iov[i].length;
	if (s->plain->urgent_inline && s->plain->mark == MARK_HERE) {
		n = 1; /* alone, as with messages; the system would go on behind it */
		buffers[0].length = 1;
		total = all;
	}
	status = wsd_os_tcp_receive(s->plain->socket, buffers, n, peek, bytes);
	return received(s, status, peek, status == WSD_OK && *bytes < total && total == all);
}

static size_t plain_readable(const struct wsd_stream *s)
{
	return readable_state(s) ? wsd_os_tcp_available(s->plain->socket, s->plain->marks) : 0;
}

static bool plain_writable(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN && !s->tx.fin && s->plain->may_write;
}

static enum wsd_status send_state(const struct wsd_stream *s)
{
	if (s->state != WSD_STREAM_OPEN)
		return s->state == WSD_STREAM_RESET ? s->error : WSD_ESTATE;
	return s->tx.fin ? WSD_ESTATE : WSD_OK;
}

/* The system has no room: have it tell when it has. */
static enum wsd_status sent(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_plain *p = s->plain;

	if (status == WSD_AGAIN) {
		p->may_write = false;
		if (!p->watch_write && watch(s, true) != WSD_OK)
			wsd_stream_break(s, WSD_ENOMEM);
		return s->state == WSD_STREAM_OPEN ? WSD_AGAIN : s->error;
	}
	p->sent = true;
	if (status == WSD_OK)
		return WSD_OK;
	lost(s, status);
	return s->error;
}

static enum wsd_status plain_write(struct wsd_stream *s, const struct wsd_iovec *iov,
				   unsigned count, size_t *bytes)
{
	struct wsd_os_buffer buffers[WSD_OS_BUFFERS];
	enum wsd_status status = send_state(s);
	size_t total;
	unsigned n;

	if (status != WSD_OK)
		return status;
	if (!s->plain->may_write)
		return WSD_AGAIN;
	n = to_buffers(buffers, iov, count, &total);
	return sent(s, wsd_os_tcp_send(s->plain->socket, buffers, n, bytes));
}

/* --- urgent data --- */

static enum wsd_status plain_write_urgent(struct wsd_stream *s, uint8_t byte)
{
	enum wsd_status status = send_state(s);

	if (status != WSD_OK)
		return status;
	return s->plain->may_write ? sent(s, wsd_os_tcp_send_urgent(s->plain->socket, byte))
				   : WSD_AGAIN;
}

static enum wsd_status plain_read_urgent(struct wsd_stream *s, bool peek, uint8_t *byte)
{
	struct wsd_plain *p = s->plain;

	if (!p)
		return nothing(s);
	if (p->urgent_inline)
		return WSD_EINVAL;
	keep_urgent(p);
	if (p->kept) {
		*byte = p->byte;
		if (!peek) {
			p->urgent = p->kept = false;
			p->fetched = p->mark != MARK_NONE;
		}
		return WSD_OK;
	}
	if (plain_at_end(s))
		return WSD_EOF;
	return s->state == WSD_STREAM_RESET ? s->error : WSD_AGAIN;
}

static void plain_set_urgent_inline(struct wsd_stream *s, bool inline_mode)
{
	if (!s->plain || s->plain->urgent_inline == inline_mode)
		return;
	s->plain->urgent_inline = inline_mode;
	s->plain->kept = false;
	wsd_os_tcp_set_urgent_inline(s->plain->socket, inline_mode);
	if (s->plain->mark != MARK_NONE)
		ask_mark(s->plain);
}

static bool plain_urgent_pending(const struct wsd_stream *s)
{
	return s->plain && s->plain->urgent && !s->plain->urgent_inline;
}

static bool plain_at_mark(const struct wsd_stream *s)
{
	return !s->plain || s->plain->mark != MARK_AHEAD;
}

static bool plain_mark_here(const struct wsd_stream *s)
{
	return s->plain && s->plain->mark == MARK_HERE;
}

/* --- ending --- */

static void plain_broken(struct wsd_stream *s, enum wsd_status error)
{
	if (error != WSD_ERESET && error != WSD_ETIMEDOUT && error != WSD_EKEEPALIVE) {
		wsd_os_tcp_reset(s->plain->socket); /* our decision: the peer must hear of it */
		s->plain->may_read = false;
	}
}

/* The system does not say when all is acknowledged: ask, with growing pauses. */
static void look_later(struct wsd_stream *s)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	struct wsd_plain *p = s->plain;

	p->look = p->look ? p->look * 2 : LOOK_FIRST_NS;
	if (p->look > LOOK_LAST_NS)
		p->look = LOOK_LAST_NS;
	wsd_engine_set_timer(engine, &s->timer, wsd_engine_now(engine) + p->look);
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
	if (s->tx.cut) /* a reset will take the place of the end */
		return WSD_OK;
	wsd_os_tcp_shutdown_send(s->plain->socket);
	look_later(s);
	return WSD_OK;
}

static void plain_shutdown_receive(struct wsd_stream *s)
{
	s->rx.closed = true;
	if (plain_readable(s) > 0)
		wsd_stream_break(s, WSD_EABORTED);
}

/* Cut half way: the reset comes behind what was sent. */
static void plain_progress(struct wsd_stream *s)
{
	if (!s->closing || s->state == WSD_STREAM_DEAD)
		return;
	if (s->tx.cut && s->state == WSD_STREAM_OPEN) {
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
	wsd_stream_do(s, WSD_DO_DESTROY);
}

static void plain_close(struct wsd_stream *s, bool abort, uint64_t linger)
{
	if (s->state == WSD_STREAM_OPEN && (abort || plain_readable(s) > 0))
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

static void plain_timer(struct wsd_stream *s, uint64_t now)
{
	if (s->state == WSD_STREAM_CONNECTING) {
		if (now >= s->deadline)
			wsd_connect_failed(s, WSD_ETIMEDOUT);
		return;
	}
	if (s->closing)
		plain_progress(s);
	else if (s->state == WSD_STREAM_OPEN && s->tx.fin && plain_flushed(s))
		s->changes |= WSD_CHANGE_FLUSHED;
	else if (s->state == WSD_STREAM_OPEN && s->tx.fin)
		look_later(s);
}

/* Closing is graceful: the system sends what it has, and the end. */
static void plain_drop(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;

	if (!p)
		return;
	if (p->watched)
		wsd_os_poller_unwatch(poller_of(s), p->socket);
	wsd_os_tcp_close(p->socket);
	wsd_engine_forget(atomic_load(&s->engine), &s->sink);
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

const struct wsd_carrier wsd_plain_carrier = {
	.events = plain_events,
	.connect = plain_connect,
	.timer = plain_timer,
	.progress = plain_progress,
	.drop = plain_drop,
	.broken = plain_broken,
	.close = plain_close,
	.read = plain_read,
	.readable = plain_readable,
	.at_end = plain_at_end,
	.write = plain_write,
	.writable = plain_writable,
	.write_urgent = plain_write_urgent,
	.read_urgent = plain_read_urgent,
	.set_urgent_inline = plain_set_urgent_inline,
	.urgent_pending = plain_urgent_pending,
	.at_mark = plain_at_mark,
	.mark_here = plain_mark_here,
	.shutdown_send = plain_shutdown_send,
	.shutdown_receive = plain_shutdown_receive,
	.flushed = plain_flushed,
	.set_keepalive = plain_set_keepalive,
	.set_receive_buffer = plain_set_receive_buffer,
	.set_nodelay = plain_set_nodelay,
};

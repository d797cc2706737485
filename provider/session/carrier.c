// SPDX-License-Identifier: BSD-2-Clause
/* carrier.c - the functions of stream.h that depend on what carries the bytes. */
#include "provider/session/internal.h"

static bool asks_nobody(const struct wsd_stream *s)
{
	(void)s;
	return false;
}

static void no_nodelay(struct wsd_stream *s, bool on)
{
	(void)s; /* messages are never held back */
	(void)on;
}

static void message_set_hops(struct wsd_stream *s, uint8_t hops)
{
	if (s->endpoint)
		s->backend->set_hops(s->endpoint, hops);
}

const struct wsd_carrier wsd_message_carrier = {
	.events = wsd_message_events,
	.timer = wsd_close_timer,
	.progress = wsd_close_progress,
	.drop = wsd_message_drop,
	.broken = wsd_message_broken,
	.close = wsd_message_close,
	.watch = wsd_message_watch,
	.read = wsd_message_read,
	.readable = wsd_message_readable,
	.at_end = wsd_message_at_end,
	.write = wsd_message_write,
	.writable = wsd_message_writable,
	.asks = asks_nobody,
	.write_urgent = wsd_message_write_urgent,
	.read_urgent = wsd_message_read_urgent,
	.set_urgent_inline = wsd_message_set_urgent_inline,
	.urgent_pending = wsd_message_urgent_pending,
	.at_mark = wsd_message_at_mark,
	.mark_here = wsd_message_mark_here,
	.shutdown_send = wsd_message_shutdown_send,
	.shutdown_receive = wsd_message_shutdown_receive,
	.flushed = wsd_message_flushed,
	.set_keepalive = wsd_message_set_keepalive,
	.set_receive_buffer = wsd_message_set_receive_buffer,
	.set_nodelay = no_nodelay,
	.set_hops = message_set_hops,
};

void wsd_stream_watch(struct wsd_stream *s)
{
	s->carrier->watch(s);
}

enum wsd_status wsd_stream_read(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				unsigned flags, struct wsd_direct *direct, size_t *bytes)
{
	return s->carrier->read(s, iov, count, flags, direct, bytes);
}

size_t wsd_stream_readable(const struct wsd_stream *s)
{
	return s->carrier->readable(s);
}

bool wsd_stream_at_end(const struct wsd_stream *s)
{
	return s->carrier->at_end(s);
}

enum wsd_status wsd_stream_write(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				 unsigned flags, size_t *bytes)
{
	return s->carrier->write(s, iov, count, flags, bytes);
}

bool wsd_stream_asks(const struct wsd_stream *s)
{
	return s->carrier->asks(s);
}

bool wsd_stream_writable(const struct wsd_stream *s)
{
	return s->carrier->writable(s);
}

enum wsd_status wsd_stream_write_urgent(struct wsd_stream *s, uint8_t byte)
{
	return s->carrier->write_urgent(s, byte);
}

enum wsd_status wsd_stream_read_urgent(struct wsd_stream *s, bool peek, uint8_t *byte)
{
	return s->carrier->read_urgent(s, peek, byte);
}

void wsd_stream_set_urgent_inline(struct wsd_stream *s, bool inline_mode)
{
	s->carrier->set_urgent_inline(s, inline_mode);
}

bool wsd_stream_urgent_pending(const struct wsd_stream *s)
{
	return s->carrier->urgent_pending(s);
}

bool wsd_stream_at_mark(const struct wsd_stream *s)
{
	return s->carrier->at_mark(s);
}

bool wsd_stream_mark_here(const struct wsd_stream *s)
{
	return s->carrier->mark_here(s);
}

enum wsd_status wsd_stream_shutdown_send(struct wsd_stream *s)
{
	return s->carrier->shutdown_send(s);
}

void wsd_stream_shutdown_receive(struct wsd_stream *s)
{
	s->carrier->shutdown_receive(s);
}

bool wsd_stream_flushed(const struct wsd_stream *s)
{
	return s->carrier->flushed(s);
}

void wsd_stream_set_keepalive(struct wsd_stream *s, uint64_t idle, uint64_t interval,
			      unsigned count)
{
	s->carrier->set_keepalive(s, idle, interval, count);
}

void wsd_stream_set_receive_buffer(struct wsd_stream *s, uint32_t bytes)
{
	s->carrier->set_receive_buffer(s, bytes);
}

void wsd_stream_set_nodelay(struct wsd_stream *s, bool on)
{
	s->carrier->set_nodelay(s, on);
}

void wsd_stream_set_hops(struct wsd_stream *s, uint8_t hops)
{
	s->options.hops = hops;
	s->carrier->set_hops(s, hops);
}

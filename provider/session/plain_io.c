// SPDX-License-Identifier: BSD-2-Clause
/* plain_io.c - bytes over the system's TCP, and its urgent data. */
#include "provider/session/plain.h"

#include "provider/transport/os_tcp.h"

#define PASS 8u /* receives; a try in vain is a system call more */

/* --- where the mark is --- */

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

/* The system has given it out and will not again: in line it comes before what the system has. */
static bool comes_first(const struct wsd_plain *p)
{
	return p->kept && p->urgent_inline && !wsd_os_tcp_gives_urgent_again();
}

static void read_kept(struct wsd_plain *p, const struct wsd_os_buffer *to, bool peek, size_t *bytes)
{
	*(uint8_t *)to->base = p->byte;
	*bytes = 1;
	if (!peek)
		p->urgent = p->kept = false;
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

/* Behind a receive that got less than it asked for there is nothing, until news come: but where bytes come all the time
 * they are there before the news have been looked at. Who could wait tries as long as that is so. */
static bool worth_trying(struct wsd_stream *s, unsigned flags)
{
	struct wsd_plain *p = s->plain;

	if (!p || p->may_read || s->state != WSD_STREAM_OPEN || (flags & WSD_READ_DIRECT))
		return false;
	if (flags & WSD_TRY)
		return true;
	if (p->pass > 0)
		p->pass--;
	return p->pass == 0;
}

static enum wsd_status received(struct wsd_stream *s, enum wsd_status status, unsigned flags,
				bool tried, bool short_of)
{
	struct wsd_plain *p = s->plain;
	bool peek = (flags & WSD_READ_PEEK) != 0;

	if (status == WSD_OK) {
		p->may_read = true;
		if (tried || (flags & WSD_TRY))
			p->tried = true;
		/* Less than asked for: there is no more before the next news, if nothing stands in
		 * the way. */
		if (short_of && !peek && !p->ended && !p->marks && !p->quiet)
			p->may_read = false;
		if (!peek && p->mark == MARK_HERE) {
			if (p->urgent_inline && !comes_first(p))
				p->urgent = p->kept = false;
			p->mark = MARK_NONE;
			p->fetched = false;
		} else if (!peek && p->mark == MARK_AHEAD) {
			ask_mark(p);
		}
		return WSD_OK;
	}
	if (status == WSD_AGAIN) {
		/* Who will not wait for news need not be told of any. */
		if ((flags & WSD_TRY) && (!p->watched || p->quiet))
			return nothing(s);
		if (tried && !(flags & WSD_TRY))
			p->pass = PASS;
		p->may_read = false;
		wsd_plain_watch(s);
		return nothing(s);
	}
	if (status == WSD_EOF) {
		p->eof = true;
		return nothing(s);
	}
	if (status == WSD_ENOMEM)
		return wsd_plain_short(s, flags);
	wsd_plain_lost(s, status);
	p->may_read = false;
	return s->state == WSD_STREAM_RESET ? s->error : status;
}

static bool readable_state(const struct wsd_stream *s, bool may_read)
{
	return s->plain && (may_read || s->plain->may_read) && !s->plain->eof &&
	       (s->state == WSD_STREAM_OPEN || s->state == WSD_STREAM_RESET);
}

bool wsd_plain_at_end(const struct wsd_stream *s)
{
	const struct wsd_plain *p = s->plain;

	if (p && comes_first(p))
		return false;
	if (!p || s->state != WSD_STREAM_OPEN)
		return p && p->eof && s->state != WSD_STREAM_RESET;
	return p->eof || (p->ended && wsd_os_tcp_available(p->socket, p->marks) == 0);
}

enum wsd_status wsd_plain_read(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
			       unsigned flags, struct wsd_direct *direct, size_t *bytes)
{
	struct wsd_os_buffer buffers[WSD_OS_BUFFERS];
	bool peek = (flags & WSD_READ_PEEK) != 0;
	enum wsd_status status;
	size_t total, all = 0;
	unsigned n;
	bool tries;

	(void)direct;
	n = to_buffers(buffers, iov, count, &total);
	/* Who is watched from now on has nothing to read before the first news: what may be there comes first. */
	if (n == 0 || !s->plain || (!s->plain->watched && !s->plain->may_read))
		wsd_plain_watch(s);
	if (n > 0 && s->plain && comes_first(s->plain)) {
		read_kept(s->plain, buffers, peek, bytes);
		return WSD_OK;
	}
	tries = worth_trying(s, flags);
	if (!readable_state(s, tries))
		return nothing(s);
	if (n == 0)
		return wsd_plain_at_end(s) ? WSD_EOF : nothing(s);
	for (unsigned i = 0; i < count; i++)
		all += iov[i].length;
	if (s->plain->urgent_inline && s->plain->mark == MARK_HERE) {
		n = 1; /* alone, as with messages; the system would go on behind it */
		buffers[0].length = 1;
		total = all;
	}
	status = wsd_os_tcp_receive(s->plain->socket, buffers, n, peek, bytes);
	return received(s, status, flags, tries,
			status == WSD_OK && *bytes < total && total == all);
}

size_t wsd_plain_readable(const struct wsd_stream *s)
{
	if (s->plain && comes_first(s->plain))
		return 1;
	return readable_state(s, false) ? wsd_os_tcp_available(s->plain->socket, s->plain->marks)
					: 0;
}

bool wsd_plain_writable(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN && !s->tx.fin && s->plain->may_write &&
	       !s->tx.paced_until;
}

bool wsd_plain_asks(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN && !s->tx.paced_until;
}

static enum wsd_status send_state(const struct wsd_stream *s)
{
	if (s->state != WSD_STREAM_OPEN)
		return s->state == WSD_STREAM_RESET ? s->error : WSD_ESTATE;
	return s->tx.fin ? WSD_ESTATE : WSD_OK;
}

/* The system has no room: have it tell when it has. */
static enum wsd_status sent(struct wsd_stream *s, enum wsd_status status, unsigned flags)
{
	struct wsd_plain *p = s->plain;

	if (status == WSD_AGAIN) {
		p->may_write = false;
		if (!p->watch_write && wsd_plain_watch_for(s, true) != WSD_OK)
			wsd_stream_break(s, WSD_ENOMEM);
		return s->state == WSD_STREAM_OPEN ? WSD_AGAIN : s->error;
	}
	if (status == WSD_ENOMEM)
		return wsd_plain_short(s, flags);
	p->sent = true;
	if (status == WSD_OK) {
		p->may_write = true;
		return WSD_OK;
	}
	wsd_plain_lost(s, status);
	return s->error;
}

/* The first of so many bytes; returns of how many buffers. */
static unsigned cut(struct wsd_os_buffer *buffers, size_t bytes)
{
	unsigned n = 0;

	for (; bytes > buffers[n].length; n++)
		bytes -= buffers[n].length;
	buffers[n].length = bytes;
	return n + 1;
}

/* No more than the agreement and the others' promises let through. */
static enum wsd_status send_paced(struct wsd_stream *s, struct wsd_os_buffer *buffers, size_t total,
				  size_t *bytes)
{
	size_t allowed = wsd_qos_allow(s, total);
	enum wsd_status status;

	if (allowed == 0)
		return WSD_PENDING;
	*bytes = 0;
	status = wsd_os_tcp_send(s->plain->socket, buffers, cut(buffers, allowed), bytes);
	wsd_qos_took(s, *bytes, allowed, total - *bytes);
	return status;
}

enum wsd_status wsd_plain_write(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				unsigned flags, size_t *bytes)
{
	struct wsd_os_buffer buffers[WSD_OS_BUFFERS];
	enum wsd_status status = send_state(s);
	size_t total;
	unsigned n;

	if (status != WSD_OK)
		return status;
	if ((!s->plain->may_write && !(flags & WSD_TRY)) || s->tx.paced_until)
		return WSD_AGAIN;
	n = to_buffers(buffers, iov, count, &total);
	if (!wsd_qos_paced(s) || n == 0)
		return sent(s, wsd_os_tcp_send(s->plain->socket, buffers, n, bytes), flags);
	status = send_paced(s, buffers, total, bytes);
	return status == WSD_PENDING ? WSD_AGAIN : sent(s, status, flags);
}

/* --- urgent data --- */

void wsd_plain_urgent_news(struct wsd_stream *s)
{
	struct wsd_plain *p = s->plain;

	p->marks = p->urgent = p->may_read = true;
	p->fetched = false;
	if (!comes_first(p)) /* one that waits and is in line by now stays in the stream */
		p->kept = false;
	ask_mark(p); /* before it is fetched: on Windows the mark is gone with the byte */
	keep_urgent(p);
	s->changes |= p->urgent_inline ? WSD_CHANGE_READABLE : WSD_CHANGE_URGENT;
}

enum wsd_status wsd_plain_write_urgent(struct wsd_stream *s, uint8_t byte)
{
	enum wsd_status status = send_state(s);

	if (status != WSD_OK)
		return status;
	return s->plain->may_write ? sent(s, wsd_os_tcp_send_urgent(s->plain->socket, byte), 0)
				   : WSD_AGAIN;
}

enum wsd_status wsd_plain_read_urgent(struct wsd_stream *s, bool peek, uint8_t *byte)
{
	struct wsd_plain *p = s->plain;

	if (!p)
		return nothing(s);
	if (p->urgent_inline)
		return WSD_EINVAL;
	s->carrier->watch(s);
	keep_urgent(p);
	if (p->kept) {
		*byte = p->byte;
		if (!peek) {
			p->urgent = p->kept = false;
			p->fetched = p->mark != MARK_NONE;
		}
		return WSD_OK;
	}
	if (wsd_plain_at_end(s))
		return WSD_EOF;
	return s->state == WSD_STREAM_RESET ? s->error : WSD_AGAIN;
}

void wsd_plain_set_urgent_inline(struct wsd_stream *s, bool inline_mode)
{
	struct wsd_plain *p = s->plain;

	if (!p || p->urgent_inline == inline_mode)
		return;
	p->wanted = true;
	if (p->quiet)
		s->carrier->watch(s);
	p->urgent_inline = inline_mode;
	wsd_os_tcp_set_urgent_inline(p->socket, inline_mode);
	if (!wsd_os_tcp_gives_urgent_again()) { /* nor does it tell the place */
		p->mark = MARK_NONE;
		p->fetched = false;
	} else if (p->mark != MARK_NONE) {
		ask_mark(p);
	} else if (inline_mode) { /* it was passed, and has no place any more */
		p->urgent = p->kept = false;
	}
	if (p->kept)
		s->changes |= inline_mode ? WSD_CHANGE_READABLE : WSD_CHANGE_URGENT;
}

bool wsd_plain_urgent_pending(const struct wsd_stream *s)
{
	return s->plain && s->plain->urgent && !s->plain->urgent_inline;
}

bool wsd_plain_at_mark(const struct wsd_stream *s)
{
	return !s->plain || s->plain->mark != MARK_AHEAD;
}

bool wsd_plain_mark_here(const struct wsd_stream *s)
{
	return s->plain && s->plain->mark == MARK_HERE;
}

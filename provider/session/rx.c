// SPDX-License-Identifier: BSD-2-Clause
/*
 * rx.c - the receiving half of a stream: slots, messages, reading.
 *
 * Slots are posted again as soon as they are reaped, whether the application reads or not; the only
 * thing that waits for the application is the window. A message's bytes are copied into the ring that
 * holds their position, so a reader finds all bytes in one place, in order.
 */
#include "provider/session/internal.h"

#include <string.h>

/* --- slots --- */

enum wsd_status wsd_rx_post_slots(struct wsd_stream *s)
{
	struct wsd_recv recv = { .next = NULL };
	enum wsd_status status;
	uint32_t posted;

	status = s->backend->mem_alloc(s->endpoint, (uint64_t)WSD_SLOTS * WSD_SLOT_BYTES,
				       WSD_ACCESS_LOCAL_WRITE, &s->rx.slots);
	for (uint32_t i = 0; status == WSD_OK && i < WSD_SLOTS; i++) {
		recv.id = i;
		recv.sge.addr = (uint8_t *)s->rx.slots->base + i * WSD_SLOT_BYTES;
		recv.sge.length = WSD_SLOT_BYTES;
		recv.sge.region = s->rx.slots;
		status = s->backend->post_recv(s->endpoint, &recv, &posted);
	}
	if (status == WSD_OK) {
		s->rx.slots_posted = WSD_SLOTS;
		s->rx.slots_told = WSD_SLOTS; /* in the hello */
	}
	return status;
}

static void repost(struct wsd_stream *s, const uint64_t *ids, uint32_t count)
{
	struct wsd_recv recv[16];
	enum wsd_status status;
	uint32_t posted = 0;

	for (uint32_t i = 0; i < count; i++) {
		recv[i].next = i + 1 < count ? &recv[i + 1] : NULL;
		recv[i].id = ids[i];
		recv[i].sge.addr = (uint8_t *)s->rx.slots->base + ids[i] * WSD_SLOT_BYTES;
		recv[i].sge.length = WSD_SLOT_BYTES;
		recv[i].sge.region = s->rx.slots;
	}
	if (count == 0 || s->disconnected)
		return;
	status = s->backend->post_recv(s->endpoint, recv, &posted);
	s->rx.slots_posted += posted;
	if (status == WSD_ESTATE) /* it has ended: DISCONNECTED comes behind what had arrived */
		return;
	if (posted < count) { /* the peer would wait for them for ever */
		wsd_stream_break(s, WSD_EABORTED);
		return;
	}
	if (s->rx.slots_posted - s->rx.slots_told >= WSD_SLOTS / 2)
		wsd_tx_want(s, WSD_SEND_CREDIT);
}

/* New bytes are on their way from the peer's cache while the rest of the way to the reader is gone. */
static void fetch(const struct wsd_rx *rx)
{
	const struct wsd_rx_ring *ring = rx->next.live ? &rx->next : &rx->ring;

	if (ring->base)
		wsd_prefetch(ring->base + ((rx->produced - ring->from) & (ring->bytes - 1)));
}

static void produced(struct wsd_stream *s, uint64_t position)
{
	if (position < s->rx.produced || position > wsd_rx_limit(s) ||
	    (s->rx.fin && position > s->rx.fin_position)) {
		wsd_stream_violation(s, "position outside the window");
		return;
	}
	fetch(&s->rx);
	s->rx.ring_total += position - s->rx.produced;
	s->rx.messages++;
	if (position > s->rx.produced && s->rx.held == 0)
		s->changes |= WSD_CHANGE_READABLE;
	s->rx.produced = position;
	wsd_ring_grow(s);
	if ((s->rx.closed || s->closing) && position > s->rx.read)
		wsd_stream_break(s, WSD_EABORTED);
}

/* --- messages --- */

/* Whatever is not the next piece of a write: nothing is held back for that one any more. */
static void show(struct wsd_stream *s)
{
	if (s->rx.held > 0)
		s->changes |= WSD_CHANGE_READABLE;
	s->rx.held = 0;
}

static void on_grant(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	struct wsd_grant grant;

	if (!wsd_grant_decode(payload, header->length, &grant) || grant.bytes > 1u << 24 ||
	    (grant.bytes & (grant.bytes - 1)) != 0 ||
	    grant.generation != s->tx.ring.generation + 1 || (s->tx.pending & WSD_SEND_SWITCH)) {
		wsd_stream_violation(s, "bad grant");
		return;
	}
	s->tx.next = (struct wsd_tx_ring){ .addr = grant.addr,
					   .key = grant.key,
					   .bytes = grant.bytes,
					   .generation = grant.generation };
	if (wsd_tx_ring_ready(s, grant.bytes))
		wsd_tx_want(s, WSD_SEND_SWITCH);
}

static void on_switch(struct wsd_stream *s, const struct wsd_header *header)
{
	if (!s->rx.next.bytes || s->rx.next.live || header->argument != s->rx.next.generation) {
		wsd_stream_violation(s, "bad switch");
		return;
	}
	produced(s, header->position);
	if (s->state != WSD_STREAM_OPEN)
		return;
	s->rx.next.from = header->position;
	s->rx.next.live = true;
	wsd_ring_retire(s);
	wsd_tx_want(s, WSD_SEND_CREDIT); /* a larger window */
}

static void on_qos(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	struct wsd_qos said;

	if (!wsd_qos_decode(payload, header->length, &said))
		wsd_stream_violation(s, "bad quality of service");
	else if (wsd_qos_heard(s, &said) != WSD_OK)
		wsd_stream_break(s, WSD_ENOMEM);
}

static void on_fin(struct wsd_stream *s, const struct wsd_header *header)
{
	if (s->rx.fin || header->position != s->rx.produced || s->rx.source.offered) {
		wsd_stream_violation(s, "bad end of stream");
		return;
	}
	s->rx.fin = true;
	s->rx.fin_position = header->position;
	s->changes |= WSD_CHANGE_READABLE;
	wsd_tx_want(s, WSD_SEND_FIN_ACK);
}

static void on_data(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	enum wsd_status status = WSD_EPROTOCOL;

	if (header->position == s->rx.produced)
		status = wsd_ring_store(s, payload, header->length);
	if (status == WSD_OK && header->argument > 0)
		s->rx.held += header->length;
	if (status == WSD_OK)
		produced(s, header->position + header->length);
	else if (status == WSD_EPROTOCOL)
		wsd_stream_violation(s, "bytes out of order or beyond the window");
	else
		wsd_stream_break(s, status);
}

/* The connector has spoken: from now on the acceptor may, and who waits to write is told. */
static void peer_spoke(struct wsd_stream *s)
{
	if (!s->tx.started && !s->active)
		s->changes |= WSD_CHANGE_WRITABLE;
	s->tx.started = true;
}

static void on_message(struct wsd_stream *s, const uint8_t *bytes, uint32_t received)
{
	const uint8_t *payload = bytes + WSD_HEADER_BYTES;
	struct wsd_header header;

	if (!wsd_header_decode(bytes, received, &header)) {
		wsd_stream_violation(s, "malformed message");
		return;
	}
	wsd_tx_credits(s, &header);
	peer_spoke(s);
	if (header.type != WSD_MSG_DATA || header.argument == 0)
		show(s);
	switch ((enum wsd_message_type)header.type) {
	case WSD_MSG_START:
	case WSD_MSG_CREDIT:
	case WSD_MSG_PROBE_ACK:
		break;
	case WSD_MSG_DATA:
		on_data(s, &header, payload);
		break;
	case WSD_MSG_RING:
		produced(s, header.position);
		break;
	case WSD_MSG_GRANT:
		on_grant(s, &header, payload);
		break;
	case WSD_MSG_SWITCH:
		on_switch(s, &header);
		break;
	case WSD_MSG_SOURCE:
		wsd_source_offer(s, &header, payload);
		break;
	case WSD_MSG_SOURCE_DONE:
		wsd_source_answer(s, &header, false);
		break;
	case WSD_MSG_SOURCE_REFUSE:
		wsd_source_answer(s, &header, true);
		break;
	case WSD_MSG_SOURCE_CANCEL:
		wsd_source_settle(s);
		break;
	case WSD_MSG_FIN:
		on_fin(s, &header);
		break;
	case WSD_MSG_FIN_ACK:
		s->tx.fin_acked = s->tx.fin && header.position == s->tx.position;
		s->changes |= WSD_CHANGE_FLUSHED;
		break;
	case WSD_MSG_ABORT:
		wsd_stream_break(s, WSD_ERESET);
		break;
	case WSD_MSG_URGENT:
		wsd_urgent_arrived(s, &header, payload);
		break;
	case WSD_MSG_PROBE:
		wsd_tx_want(s, WSD_SEND_PROBE_ACK);
		break;
	case WSD_MSG_QOS:
		on_qos(s, &header, payload);
		break;
	case WSD_MSG_MOVE:
	case WSD_MSG_MOVE_ACK:
		wsd_move_message(s, &header, payload);
		break;
	case WSD_MSG_LAST:
		break;
	}
}

static void on_immediate(struct wsd_stream *s, uint32_t imm)
{
	/* The low half of the position; the window is far below 2^31, so this is unambiguous. */
	uint32_t more = imm - (uint32_t)s->rx.produced;

	peer_spoke(s);
	show(s);
	if (more >= 1u << 31) {
		wsd_stream_violation(s, "position goes back");
		return;
	}
	produced(s, s->rx.produced + more);
}

/* Receives of one run of events: handle each, post the slots again in one list. */
void wsd_rx_events(struct wsd_stream *s, const struct wsd_event *events, uint32_t count)
{
	uint64_t ids[16];
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct wsd_event *ev = &events[i];

		if (ev->type != WSD_EV_RECV && ev->type != WSD_EV_RECV_IMM)
			continue;
		if (ev->status != WSD_OK || ev->id >= WSD_SLOTS)
			continue; /* flushed with the connection */
		s->keepalive.heard = true;
		if (s->state == WSD_STREAM_OPEN) {
			if (ev->type == WSD_EV_RECV)
				on_message(s,
					   (uint8_t *)s->rx.slots->base + ev->id * WSD_SLOT_BYTES,
					   ev->bytes < WSD_SLOT_BYTES ? ev->bytes : WSD_SLOT_BYTES);
			else
				on_immediate(s, ev->imm);
		}
		ids[n++] = ev->id;
		if (n == 16) {
			repost(s, ids, n);
			n = 0;
		}
	}
	repost(s, ids, n);
}

/* --- reading --- */

/* Bytes that one read may return: up to the mark of urgent data, and only what is in place and not held back. */
static uint64_t read_end(const struct wsd_rx *rx)
{
	for (unsigned i = 0; i < rx->urgent_count; i++)
		if (rx->urgent_marks[i] > rx->read)
			return rx->urgent_marks[i];
	return rx->produced - rx->held;
}

/* After reading: tell the peer about room when it is worth a message. */
void wsd_rx_consumed(struct wsd_stream *s)
{
	wsd_ring_retire(s);
	if (wsd_rx_limit_news(s))
		wsd_tx_want(s, WSD_SEND_CREDIT);
	if (s->tx.pending)
		wsd_tx_progress(s);
}

static size_t copy_out(struct wsd_rx *rx, const struct wsd_iovec *iov, unsigned count, uint64_t end)
{
	uint64_t position = rx->read;

	for (unsigned i = 0; i < count && position < end; i++) {
		size_t at = 0;

		while (at < iov[i].length && position < end) {
			const struct wsd_rx_ring *ring =
				rx->next.live && position >= rx->next.from ? &rx->next : &rx->ring;
			uint64_t stop = ring == &rx->ring && rx->next.live && rx->next.from < end
						? rx->next.from
						: end;
			uint32_t offset = (uint32_t)((position - ring->from) & (ring->bytes - 1));
			size_t part = ring->bytes - offset;

			part = part < iov[i].length - at ? part : iov[i].length - at;
			part = part < stop - position ? part : (size_t)(stop - position);
			memcpy((char *)iov[i].base + at, ring->base + offset, part);
			at += part;
			position += part;
		}
	}
	return (size_t)(position - rx->read);
}

void wsd_rx_copy(struct wsd_rx *rx, uint8_t *to)
{
	struct wsd_iovec iov = { to, (size_t)(rx->produced - rx->read) };

	(void)copy_out(rx, &iov, 1, rx->produced);
}

enum wsd_status wsd_rx_nothing(const struct wsd_stream *s)
{
	if (s->rx.fin && s->rx.read == s->rx.fin_position)
		return WSD_EOF;
	if (s->state == WSD_STREAM_RESET)
		return s->error;
	if (s->state != WSD_STREAM_OPEN)
		return WSD_ESTATE;
	return s->disconnected ? WSD_ERESET : WSD_AGAIN;
}

enum wsd_status wsd_message_read(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				 unsigned flags, struct wsd_direct *direct, size_t *bytes)
{
	struct wsd_rx *rx = &s->rx;
	uint64_t end = read_end(rx);
	size_t n;

	if (rx->source.reading)
		return WSD_AGAIN;
	if (wsd_urgent_inline_next(rx) && count > 0 && iov[0].length > 0) {
		*bytes = 1;
		wsd_urgent_read(s, (flags & WSD_READ_PEEK) != 0, iov[0].base);
		return WSD_OK;
	}
	if (end == rx->read) {
		if (rx->source.offered && direct && (flags & WSD_READ_DIRECT) && count > 0 &&
		    s->state == WSD_STREAM_OPEN)
			return wsd_source_read(s, iov, direct);
		return wsd_rx_nothing(s);
	}
	n = copy_out(rx, iov, count, end);
	if (n == 0)
		return WSD_AGAIN;
	*bytes = n;
	if (!(flags & WSD_READ_PEEK)) {
		rx->read += n;
		wsd_urgent_passed(s);
		wsd_rx_consumed(s);
	}
	return WSD_OK;
}

size_t wsd_message_readable(const struct wsd_stream *s)
{
	if (wsd_urgent_inline_next(&s->rx))
		return 1;
	return s->rx.source.reading ? 0 : (size_t)(read_end(&s->rx) - s->rx.read);
}

bool wsd_message_at_end(const struct wsd_stream *s)
{
	return s->rx.fin && s->rx.read == s->rx.fin_position && !wsd_urgent_inline_next(&s->rx);
}

void wsd_rx_free(struct wsd_stream *s)
{
	if (s->rx.ring.base)
		wsd_ring_free(s, &s->rx.ring);
	if (s->rx.next.base)
		wsd_ring_free(s, &s->rx.next);
	if (s->rx.slots)
		s->backend->mem_free(s->rx.slots);
	s->rx.slots = NULL;
}

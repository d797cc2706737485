// SPDX-License-Identifier: BSD-2-Clause
/*
 * ring.c - the rings of the receiving half: the window, granting, growing and retiring them.
 *
 * Memory grows with use. A ring larger than the first needs its share of a budget of the process, so
 * that many busy connections do not take all memory: the others stay with what they have.
 */
#include "provider/session/internal.h"

#include <string.h>

#define RING_LEAST 4096u
#define RING_MOST  (1u << 22)

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A ring of ours has room for all its bytes. Private memory may be larger than the ring that comes next, so
 * no more than a first window is told of it. */
static uint32_t window(const struct wsd_rx_ring *ring)
{
	return ring->region ? ring->bytes : WSD_FIRST_WINDOW;
}

/* The window: room behind the reader in the ring that the peer writes to. Never shrinks. */
uint64_t wsd_rx_limit(struct wsd_stream *s)
{
	struct wsd_rx *rx = &s->rx;
	const struct wsd_rx_ring *ring = rx->next.live ? &rx->next : &rx->ring;
	uint64_t limit = max64(rx->read, ring->region ? ring->from : ring->carried) + window(ring);

	if (s->options.posted_only && limit > rx->wanted)
		limit = rx->wanted;
	rx->limit = max64(rx->limit, limit);
	return rx->limit;
}

/*
 * Is there room that the peer should hear of? Over an adapter a message and the wake-up of the sender cost as
 * much as many packets. What was asked for is told to the last byte. (A sender that misses what a small
 * ring did not tell asks: close.c, ask_for_room.)
 */
bool wsd_rx_limit_news(struct wsd_stream *s)
{
	const struct wsd_rx *rx = &s->rx;
	const struct wsd_rx_ring *ring = rx->next.live ? &rx->next : &rx->ring;
	uint64_t news = wsd_rx_limit(s) - rx->limit_told;

	if (rx->fin || news == 0 || s->options.posted_only)
		return !rx->fin && news > 0;
	return news >= window(ring) / 4 && (wsd_copies_at_post(s) || news >= window(ring) / 2);
}

void wsd_stream_tune(struct wsd_stream *s, uint32_t zcopy_min, bool posted_only)
{
	bool opens = s->options.posted_only && !posted_only;

	s->options.zcopy_min = zcopy_min;
	s->options.posted_only = posted_only;
	if (opens && s->endpoint && s->state == WSD_STREAM_OPEN && wsd_rx_limit_news(s)) {
		wsd_tx_want(s, WSD_SEND_CREDIT);
		wsd_tx_progress(s);
	}
}

void wsd_stream_want(struct wsd_stream *s, size_t bytes)
{
	if (!s->options.posted_only)
		return;
	s->rx.wanted = max64(s->rx.wanted, s->rx.read + bytes);
	if (s->endpoint && s->state == WSD_STREAM_OPEN && wsd_rx_limit_news(s)) {
		wsd_tx_want(s, WSD_SEND_CREDIT);
		wsd_tx_progress(s);
	}
}

/* --- budget --- */

static _Atomic uint64_t large_bytes; /* of all rings beyond the first size */

bool wsd_ring_budget_take(uint32_t bytes)
{
	uint64_t most;

	if (bytes <= WSD_FIRST_RING)
		return true;
	most = wsd_param_uint("RING_MEMORY", 256, 0, 1u << 20) << 20;
	/* relaxed: a count, nothing is published by it */
	if (atomic_fetch_add_explicit(&large_bytes, bytes, memory_order_relaxed) + bytes <= most)
		return true;
	atomic_fetch_sub_explicit(&large_bytes, bytes, memory_order_relaxed);
	return false;
}

void wsd_ring_budget_return(uint32_t bytes)
{
	if (bytes > WSD_FIRST_RING)
		atomic_fetch_sub_explicit(&large_bytes, bytes, memory_order_relaxed);
}

void wsd_rings_fork_child(void)
{
	atomic_store(&large_bytes, 0);
}

/* --- life --- */

void wsd_ring_free(struct wsd_stream *s, struct wsd_rx_ring *ring)
{
	if (ring->region) {
		wsd_ring_budget_return(ring->bytes);
		s->backend->mem_free(ring->region);
	} else {
		wsd_free(ring->base);
	}
	memset(ring, 0, sizeof(*ring));
}

/* The old ring is used up once the reader has reached the first position of the next. */
void wsd_ring_retire(struct wsd_stream *s)
{
	if (s->rx.next.live && s->rx.read >= s->rx.next.from) {
		wsd_ring_free(s, &s->rx.ring);
		s->rx.ring = s->rx.next;
		memset(&s->rx.next, 0, sizeof(s->rx.next));
		s->rx.ring_total = 0;
	}
}

enum wsd_status wsd_ring_detach(struct wsd_stream *s)
{
	struct wsd_rx *rx = &s->rx;
	uint64_t unread = rx->produced - rx->read;
	struct wsd_rx_ring ring = { .from = rx->read,
				    .carried = rx->produced,
				    .bytes = WSD_FIRST_WINDOW };

	while (ring.bytes < unread + WSD_FIRST_WINDOW)
		ring.bytes *= 2;
	if (unread > 0) {
		ring.base = wsd_alloc(ring.bytes);
		if (!ring.base)
			return WSD_ENOMEM;
		wsd_rx_copy(rx, ring.base);
	}
	if (rx->ring.base)
		wsd_ring_free(s, &rx->ring);
	if (rx->next.base)
		wsd_ring_free(s, &rx->next);
	rx->ring = ring;
	rx->limit = rx->produced; /* the next hello tells a new one */
	rx->ring_total = 0;
	rx->messages = 0;
	return WSD_OK;
}

static void ring_grant(struct wsd_stream *s, uint32_t bytes)
{
	struct wsd_region *region = NULL;
	bool granted;

	if (s->rx.next.bytes || s->rx.fin || s->closing || s->state != WSD_STREAM_OPEN || s->move)
		return;
	granted = wsd_ring_budget_take(bytes);
	if (granted && s->backend->mem_alloc(s->endpoint, bytes,
					     WSD_ACCESS_REMOTE_WRITE | WSD_ACCESS_LOCAL_WRITE,
					     &region) != WSD_OK) {
		wsd_ring_budget_return(bytes);
		granted = false;
	}
	if (!granted) {
		s->rx.ring_total = 0; /* ask again after as much traffic */
		s->rx.messages = 0;
		return;
	}
	s->rx.next.base = region->base;
	s->rx.next.region = region;
	s->rx.next.bytes = bytes;
	s->rx.next.generation = s->rx.ring.generation + 1;
	wsd_tx_want(s, WSD_SEND_GRANT);
}

/* A power of two: positions become offsets by a mask. */
uint32_t wsd_stream_receive_buffer(uint32_t bytes)
{
	uint32_t size = RING_LEAST;

	while (size < RING_MOST && size * 2 <= bytes)
		size *= 2;
	return bytes ? size : 0;
}

static uint32_t ring_max(const struct wsd_stream *s)
{
	return s->rx.ring_most ? s->rx.ring_most
			       : wsd_stream_receive_buffer(
					 wsd_engine_attr(atomic_load(&s->engine))->hint_ring);
}

/* Memory grows with use: a first ring after some traffic, larger ones after much more. */
void wsd_ring_grow(struct wsd_stream *s)
{
	uint32_t max = ring_max(s), bytes = s->rx.ring.bytes;

	if (!s->rx.ring.region) {
		if (s->rx.messages >= 16 || s->rx.ring_total >= 1024)
			ring_grant(s, max < WSD_FIRST_RING ? max : WSD_FIRST_RING);
	} else if (bytes < max && s->rx.ring_total > 8ull * bytes) {
		ring_grant(s, bytes > max / 4 ? max : bytes * 4);
	}
}

enum wsd_status wsd_ring_store(struct wsd_stream *s, const uint8_t *from, uint32_t length)
{
	struct wsd_rx_ring *ring = s->rx.next.live ? &s->rx.next : &s->rx.ring;
	uint32_t offset, first;

	if (s->rx.produced + length > wsd_rx_limit(s))
		return WSD_EPROTOCOL;
	if (!ring->base) { /* the first window, made when it is needed */
		ring->base = wsd_alloc(ring->bytes);
		if (!ring->base)
			return WSD_ENOMEM;
	}
	offset = (uint32_t)((s->rx.produced - ring->from) & (ring->bytes - 1));
	first = ring->bytes - offset < length ? ring->bytes - offset : length;
	memcpy(ring->base + offset, from, first);
	memcpy(ring->base, from + first, length - first);
	return WSD_OK;
}

void wsd_message_set_receive_buffer(struct wsd_stream *s, uint32_t bytes)
{
	s->rx.ring_most = bytes;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * zcopy.c - rendezvous: the sender offers a buffer, the receiver READs it into a buffer that is already
 * posted, or refuses at once. Nobody waits for an advertisement, one offer is open per direction, and
 * whatever goes wrong the rest of the bytes goes through the ring.
 */
#include "provider/session/internal.h"

/* --- the lending side --- */

bool wsd_stream_can_lend(const struct wsd_stream *s, size_t length)
{
	struct wsd_engine *engine = atomic_load(&s->engine);
	uint32_t least;

	if (s->state != WSD_STREAM_OPEN || s->disconnected || s->tx.fin || s->tx.loan || s->move ||
	    !(s->features & WSD_FEATURE_READ) || !s->tx.ring.bytes || length > 1u << 30 ||
	    (s->tx.pending & WSD_SEND_SWITCH) || (!s->active && !s->tx.started) ||
	    wsd_qos_paced(s)) /* the peer would take it all at once */
		return false;
	least = s->options.zcopy_min ? s->options.zcopy_min : wsd_engine_attr(engine)->hint_zcopy;
	return least != UINT32_MAX && length >= least;
}

enum wsd_status wsd_stream_lend(struct wsd_stream *s, struct wsd_loan *loan)
{
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(atomic_load(&s->engine));

	if (s->tx.lend_skip) { /* refused lately: nobody posts receives over there */
		s->tx.lend_skip--;
		return WSD_AGAIN;
	}
	if (!wsd_stream_can_lend(s, loan->data.length) ||
	    wsd_mr_get(cache, loan->data.base, loan->data.length, WSD_ACCESS_REMOTE_READ,
		       &s->tx.loan_region) != WSD_OK)
		return WSD_AGAIN;
	s->backend->bind(s->tx.loan_region, s->endpoint);
	loan->moved = 0;
	loan->status = WSD_PENDING;
	s->tx.loan = loan;
	s->tx.loan_id++;
	wsd_stream_waits_for_peer(s);
	wsd_tx_want(s, WSD_SEND_SOURCE);
	wsd_tx_progress(s);
	return WSD_PENDING;
}

static void loan_end(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_loan *loan = s->tx.loan;

	wsd_mr_end(wsd_engine_mr_cache(atomic_load(&s->engine)), s->tx.loan_region);
	s->tx.loan = NULL;
	s->tx.loan_region = NULL;
	s->tx.pending &= ~(WSD_SEND_SOURCE | WSD_SEND_SOURCE_CANCEL);
	loan->status = status;
	s->changes |= WSD_CHANGE_DIRECT | WSD_CHANGE_WRITABLE;
}

void wsd_stream_recall(struct wsd_stream *s, struct wsd_loan *loan)
{
	if (s->tx.loan != loan)
		return;
	if (s->tx.pending & WSD_SEND_SOURCE) /* the peer has not heard of it */
		loan_end(s, WSD_AGAIN);
	else
		wsd_tx_want(s, WSD_SEND_SOURCE_CANCEL);
	wsd_tx_progress(s);
}

/* DONE or REFUSE from the reader. */
void wsd_source_answer(struct wsd_stream *s, const struct wsd_header *header, bool refused)
{
	struct wsd_loan *loan = s->tx.loan;

	if (!loan || (s->tx.pending & WSD_SEND_SOURCE) || header->position != s->tx.loan_id ||
	    header->argument > loan->data.length ||
	    (!refused && header->argument != loan->data.length)) {
		wsd_stream_violation(s, "answer to no offer");
		return;
	}
	loan->moved = (size_t)header->argument;
	if (loan->moved > 0 && loan->moved < loan->cut_below)
		wsd_stream_cut(s);
	s->tx.position += loan->moved;
	s->tx.notified = s->tx.position;
	if (s->tx.limit < s->tx.position)
		s->tx.limit = s->tx.position;
	if (refused) {
		s->tx.lend_backoff = (uint16_t)(s->tx.lend_backoff ? s->tx.lend_backoff * 2 : 4);
		if (s->tx.lend_backoff > 64)
			s->tx.lend_backoff = 64;
		s->tx.lend_skip = s->tx.lend_backoff;
	} else {
		s->tx.lend_backoff = 0;
	}
	loan_end(s, refused ? WSD_AGAIN : WSD_OK);
}

/* --- the reading side --- */

void wsd_source_offer(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	struct wsd_grant grant;

	if (s->rx.source.offered || s->rx.fin || header->position != s->rx.produced ||
	    !wsd_grant_decode(payload, header->length, &grant) || grant.bytes > 1u << 30) {
		wsd_stream_violation(s, "bad offer");
		return;
	}
	s->rx.source.addr = grant.addr;
	s->rx.source.key = grant.key;
	s->rx.source.length = grant.bytes;
	s->rx.source.id = grant.generation;
	s->rx.source.position = header->position;
	s->rx.source.moved = 0;
	s->rx.source.offered = true;
	s->changes |= WSD_CHANGE_READABLE;
	if (s->rx.closed || s->closing)
		wsd_stream_break(s, WSD_EABORTED);
}

static void answer(struct wsd_stream *s, uint32_t what)
{
	s->rx.source.offered = false;
	s->rx.source.answer_id = s->rx.source.id;
	s->rx.source.answer_moved = s->rx.source.moved;
	wsd_tx_want(s, what);
	wsd_tx_progress(s);
}

/* The owner has been told and nobody reads directly now: let the bytes come through the ring. */
void wsd_source_settle(struct wsd_stream *s)
{
	if (s->rx.source.offered && !s->rx.source.reading && s->state == WSD_STREAM_OPEN)
		answer(s, WSD_SEND_SOURCE_REFUSE);
}

static uint32_t piece_most(const struct wsd_device_attr *device)
{
	return device->hint_read && device->hint_read < device->max_rdma ? device->hint_read
									 : device->max_rdma;
}

/*
 * Post what has not been yet; the rest follows later. Only some at a time: as each is fenced behind the one before, all
 * that is posted behind them waits for all but the last, and a message of this side shall not wait for a whole buffer.
 */
enum wsd_status wsd_source_ask(struct wsd_stream *s)
{
	uint32_t most = piece_most(wsd_engine_attr(atomic_load(&s->engine)));

	while (s->rx.source.asked < s->rx.source.reading) {
		uint32_t asked = s->rx.source.asked, left = s->rx.source.reading - asked;
		struct wsd_sge sge = { s->rx.source.into + asked, left < most ? left : most,
				       s->rx.source.region };
		uint32_t flags = asked == 0 ? 0 : WSD_WORK_FENCE;
		enum wsd_status status;

		if (asked - s->rx.source.come >= (uint64_t)WSD_READS * most)
			return WSD_AGAIN;
		/* There is news of each half of those on their way, and of the last one. */
		if (sge.length == left || (asked / most + 1) % (WSD_READS / 2) == 0)
			flags |= WSD_WORK_SIGNALLED;
		status = wsd_tx_read_work(s, &sge, s->rx.source.addr + s->rx.source.moved + asked,
					  s->rx.source.key, flags, asked + sge.length);
		if (status != WSD_OK)
			return status;
		s->rx.source.asked += sge.length;
	}
	return WSD_OK;
}

enum wsd_status wsd_source_read(struct wsd_stream *s, const struct wsd_iovec *iov,
				struct wsd_direct *direct)
{
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(atomic_load(&s->engine));
	uint32_t left = s->rx.source.length - s->rx.source.moved, want;

	want = iov->length < left ? (uint32_t)iov->length : left;
	if (want == 0 || wsd_mr_get(cache, iov->base, want, WSD_ACCESS_LOCAL_WRITE,
				    &s->rx.source.region) != WSD_OK) {
		answer(s, WSD_SEND_SOURCE_REFUSE);
		return WSD_AGAIN;
	}
	s->rx.source.into = iov->base;
	s->rx.source.reading = want;
	s->rx.source.asked = s->rx.source.come = 0;
	if (wsd_source_ask(s) != WSD_OK) {
		if (s->rx.source.asked == 0) {
			wsd_mr_end(cache, s->rx.source.region);
			s->rx.source.region = NULL;
			s->rx.source.reading = 0;
			answer(s, WSD_SEND_SOURCE_REFUSE);
			return WSD_AGAIN;
		}
		wsd_tx_want(s, WSD_SEND_READ);
	}
	s->rx.source.direct = direct;
	direct->moved = 0;
	direct->status = WSD_PENDING;
	return WSD_PENDING;
}

static void read_end(struct wsd_stream *s, enum wsd_status status)
{
	struct wsd_direct *direct = s->rx.source.direct;

	/* Kept, it would lead to pages that the program may unmap and map anew with its next breath. */
	wsd_mr_end(wsd_engine_mr_cache(atomic_load(&s->engine)), s->rx.source.region);
	s->rx.source.region = NULL;
	s->rx.source.direct = NULL;
	direct->moved = status == WSD_OK ? s->rx.source.reading : 0;
	direct->status = status;
	s->rx.source.reading = 0;
	s->tx.pending &= ~WSD_SEND_READ;
	s->changes |= WSD_CHANGE_DIRECT | WSD_CHANGE_READABLE;
}

void wsd_source_read_done(struct wsd_stream *s, uint32_t come, enum wsd_status status)
{
	uint32_t got = s->rx.source.reading;

	if (!s->rx.source.direct)
		return;
	s->rx.source.come = come;
	if (status == WSD_OK && come < got)
		return; /* the pieces that are left are asked for when the events have been looked at */
	read_end(s, status);
	if (status != WSD_OK)
		return;
	s->rx.source.moved += got;
	s->rx.read += got;
	s->rx.produced += got;
	(void)wsd_rx_limit(s);
	if (s->rx.source.moved == s->rx.source.length)
		answer(s, WSD_SEND_SOURCE_DONE);
	wsd_rx_consumed(s);
}

/* The connection is over: nothing of it may touch lent memory any more. The READ in flight ends only with the
 * endpoint, so the direct read is settled when that has ended, and not by a close: software copies until then. */
void wsd_zcopy_free(struct wsd_stream *s, enum wsd_status status)
{
	if (s->tx.loan)
		loan_end(s, status);
	if (s->rx.source.direct && (s->disconnected || !s->endpoint))
		read_end(s, status);
	s->rx.source.offered = s->rx.source.offered && s->state == WSD_STREAM_OPEN;
}

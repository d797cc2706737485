// SPDX-License-Identifier: BSD-2-Clause
/*
 * tx.c - the sending half of a stream: credits, ring writes, messages.
 *
 * Three resources gate a send: the peer's window (limit), its posted receives (slots) and our send
 * queue. Ring bytes need no slot: without one they are written and announced later, when a credit
 * comes in, by one announcement for all of them (notified < position meanwhile). Control messages
 * are bits in tx.pending, posted in a fixed order as soon as they can be.
 */
#include "provider/session/internal.h"

#include <string.h>

#define WRITES_LOOK 16u

struct cursor {
	const struct wsd_iovec *iov;
	unsigned count;
	size_t skip; /* of iov[0] */
};

static uint32_t slots_free(const struct wsd_stream *s)
{
	return s->tx.slots_granted - s->tx.slots_used;
}

static bool use_imm(const struct wsd_stream *s)
{
	return (s->features & WSD_FEATURE_IMM) != 0;
}

static enum wsd_status post(struct wsd_stream *s, struct wsd_work *work)
{
	struct wsd_tx *tx = &s->tx;
	uint32_t posted = 0;
	enum wsd_status status;

	/* Some signalled ones in each queueful keep a wake-up coming when it is full. */
	if (tx->unsignalled + 1 >= tx->signal_each || wsd_stage_due(s))
		work->flags |= WSD_WORK_SIGNALLED;
	if (work->op != WSD_OP_READ)
		work->id = WSD_ID_SENT | (tx->stage_used & WSD_ID_VALUE);
	status = s->backend->post_send(s->endpoint, work, &posted);
	if (posted == 0)
		return status == WSD_OK ? WSD_AGAIN : status;
	tx->unsignalled++;
	if (work->flags & WSD_WORK_SIGNALLED)
		tx->unsignalled = 0;
	if (tx->unsignalled == 0 && work->op != WSD_OP_READ)
		tx->stage_asked = tx->stage_used;
	return WSD_OK;
}
/* What goes inline needs neither the stage nor a completion that gives it back. */
static bool fits_inline(const struct wsd_stream *s, uint32_t length)
{
	return length <= WSD_SLOT_BYTES &&
	       length <= wsd_engine_attr(atomic_load(&s->engine))->max_inline;
}

static void copy_out(uint8_t *to, const struct cursor *from, uint32_t length)
{
	for (unsigned i = 0; length > 0; i++) {
		size_t skip = i == 0 ? from->skip : 0, part = from->iov[i].length - skip;

		part = part < length ? part : length;
		memcpy(to, (char *)from->iov[i].base + skip, part);
		to += part;
		length -= (uint32_t)part;
	}
}

/* Post one request whose payload is a header (or nothing) and length bytes from the cursor. */
static enum wsd_status post_payload(struct wsd_stream *s, struct wsd_work *work, uint8_t *header,
				    uint32_t header_bytes, const struct cursor *from,
				    uint32_t length)
{
	struct wsd_sge sge[WSD_MAX_SGE + 1];
	uint8_t small[WSD_SLOT_BYTES];
	uint64_t used = s->tx.stage_used;
	enum wsd_status status;
	uint32_t n = 0;

	if (wsd_copies_at_post(s)) {
		if (header_bytes)
			sge[n++] = (struct wsd_sge){ header, header_bytes, NULL };
		for (unsigned i = 0; length > 0; i++) {
			size_t skip = i == 0 ? from->skip : 0, part = from->iov[i].length - skip;

			if (part == 0)
				continue;
			part = part < length ? part : length;
			sge[n++] = (struct wsd_sge){ (char *)from->iov[i].base + skip,
						     (uint32_t)part, NULL };
			length -= (uint32_t)part;
		}
	} else if (header_bytes + length > 0) {
		bool inlined = fits_inline(s, header_bytes + length);
		uint8_t *to = inlined ? small : wsd_stage_take(s, header_bytes + length);
		if (!to)
			return WSD_AGAIN;
		if (inlined)
			work->flags |= WSD_WORK_INLINE;
		sge[n++] = (struct wsd_sge){ to, header_bytes + length,
					     inlined ? NULL : s->tx.stage.region };
		if (header_bytes)
			memcpy(to, header, header_bytes);
		copy_out(to + header_bytes, from, length);
	}
	work->sge = sge;
	work->sge_count = n;
	status = post(s, work);
	if (status != WSD_OK)
		s->tx.stage_used = used;
	return status;
}

/* How many bytes of the cursor one request can gather, at most length. */
static uint32_t gatherable(const struct wsd_stream *s, const struct cursor *c, uint32_t length,
			   uint32_t header_elements)
{
	const struct wsd_device_attr *attr = wsd_engine_attr(atomic_load(&s->engine));
	uint32_t max = attr->max_sge < WSD_MAX_SGE ? attr->max_sge : WSD_MAX_SGE,
		 n = header_elements;
	size_t sum = 0;
	if (!wsd_copies_at_post(s)) {
		uint32_t most = wsd_stage_piece(s);

		most = most > WSD_SLOT_BYTES ? most : WSD_SLOT_BYTES;
		return length < most ? length : most;
	}
	if (c->iov->length - c->skip >= length)
		return length;
	for (unsigned i = 0; i < c->count && sum < length; i++) {
		size_t part = c->iov[i].length - (i == 0 ? c->skip : 0);

		if (part == 0)
			continue;
		if (n == max)
			break;
		n++;
		sum += part;
	}
	return sum < length ? (uint32_t)sum : length;
}

static void advance(struct cursor *c, size_t length)
{
	c->skip += length;
	while (c->count > 0 && c->skip >= c->iov->length) {
		c->skip -= c->iov->length;
		c->iov++;
		c->count--;
	}
}

/* --- messages --- */

static enum wsd_status send_message(struct wsd_stream *s, struct wsd_header *header,
				    const struct cursor *from, uint32_t length, uint32_t reserve)
{
	uint8_t bytes[WSD_HEADER_BYTES];
	struct wsd_work work = { .op = WSD_OP_SEND };
	enum wsd_status status;
	if (slots_free(s) <= reserve)
		return WSD_AGAIN;
	header->length = (uint16_t)length;
	header->credits = s->rx.slots_posted;
	header->limit = wsd_rx_limit(s);
	header->urgent = s->rx.urgent_done;
	wsd_header_encode(bytes, header);
	status = post_payload(s, &work, bytes, sizeof(bytes), from, length);
	if (status != WSD_OK)
		return status;
	s->tx.slots_used++;
	s->rx.slots_told = s->rx.slots_posted;
	s->rx.limit_told = header->limit;
	s->rx.urgent_told = header->urgent;
	return WSD_OK;
}

enum wsd_status wsd_tx_message(struct wsd_stream *s, struct wsd_header *header, uint8_t *payload,
			       uint32_t length, uint32_t reserve)
{
	struct wsd_iovec iov = { payload, length };
	struct cursor from = { &iov, 1, 0 };

	return send_message(s, header, &from, length, reserve);
}

static enum wsd_status send_control(struct wsd_stream *s, enum wsd_message_type type,
				    uint64_t position, uint64_t argument,
				    const struct wsd_grant *grant, uint32_t reserve)
{
	struct wsd_header header = { .type = (uint8_t)type,
				     .position = position,
				     .argument = argument };
	uint8_t bytes[WSD_GRANT_BYTES];
	uint32_t length = 0;
	struct wsd_qos qos;

	if (grant) {
		wsd_grant_encode(bytes, grant);
		length = WSD_GRANT_BYTES;
	} else if (type == WSD_MSG_QOS) {
		wsd_qos_said(s, &qos);
		wsd_qos_encode(bytes, &qos);
		length = WSD_QOS_BYTES;
	}
	return wsd_tx_message(s, &header, bytes, length, reserve);
}

enum wsd_status wsd_tx_announce(struct wsd_stream *s)
{
	struct wsd_work work = { .op = WSD_OP_WRITE_IMM, .imm = (uint32_t)s->tx.position };
	enum wsd_status status;

	if (s->tx.notified == s->tx.position)
		return WSD_OK;
	if (!use_imm(s)) {
		status = send_control(s, WSD_MSG_RING, s->tx.position, 0, NULL, WSD_RESERVE_DATA);
	} else if (slots_free(s) <= WSD_RESERVE_DATA) {
		return WSD_AGAIN;
	} else {
		work.remote_addr = s->tx.ring.addr;
		work.remote_key = s->tx.ring.key;
		status = post(s, &work);
		if (status == WSD_OK)
			s->tx.slots_used++;
	}
	if (status == WSD_OK)
		s->tx.notified = s->tx.position;
	return status;
}

static enum wsd_status switch_ring(struct wsd_stream *s)
{
	struct wsd_tx *tx = &s->tx;
	enum wsd_status status;

	status = send_control(s, WSD_MSG_SWITCH, tx->position, tx->next.generation, NULL,
			      WSD_RESERVE_DATA);
	if (status != WSD_OK)
		return status;
	tx->notified = tx->position; /* SWITCH says so too */
	tx->ring = tx->next;
	tx->ring.from = tx->position;
	return WSD_OK;
}

static enum wsd_status send_pending(struct wsd_stream *s, uint32_t what)
{
	struct wsd_tx *tx = &s->tx;
	struct wsd_rx *rx = &s->rx;
	struct wsd_grant grant = { 0 };

	switch (what) {
	case WSD_SEND_START:
		return send_control(s, WSD_MSG_START, 0, 0, NULL, WSD_RESERVE_DATA);
	case WSD_SEND_SWITCH:
		/* The peer may have read more of an offer than we know of. */
		return tx->loan && !(tx->pending & WSD_SEND_SOURCE) ? WSD_AGAIN : switch_ring(s);
	case WSD_SEND_GRANT:
		grant.addr = rx->next.region->remote_addr;
		grant.key = rx->next.region->remote_key;
		grant.bytes = rx->next.bytes;
		grant.generation = rx->next.generation;
		return send_control(s, WSD_MSG_GRANT, 0, 0, &grant, WSD_RESERVE_DATA);
	case WSD_SEND_CREDIT:
		return send_control(s, WSD_MSG_CREDIT, 0, 0, NULL, WSD_RESERVE_CREDIT);
	case WSD_SEND_FIN:
		if (tx->cut || tx->loan || tx->notified != tx->position)
			return WSD_AGAIN;
		return send_control(s, WSD_MSG_FIN, tx->position, 0, NULL, WSD_RESERVE_FIN);
	case WSD_SEND_FIN_ACK:
		return send_control(s, WSD_MSG_FIN_ACK, rx->fin_position, 0, NULL, WSD_RESERVE_FIN);
	case WSD_SEND_SOURCE:
		if (tx->notified != tx->position)
			return WSD_AGAIN;
		grant.addr =
			tx->loan_region->remote_addr +
			(uint64_t)((char *)tx->loan->data.base - (char *)tx->loan_region->base);
		grant.key = tx->loan_region->remote_key;
		grant.bytes = (uint32_t)tx->loan->data.length;
		grant.generation = tx->loan_id;
		return send_control(s, WSD_MSG_SOURCE, tx->position, 0, &grant, WSD_RESERVE_DATA);
	case WSD_SEND_SOURCE_DONE:
		return send_control(s, WSD_MSG_SOURCE_DONE, rx->source.answer_id,
				    rx->source.answer_moved, NULL, WSD_RESERVE_DATA);
	case WSD_SEND_SOURCE_REFUSE:
		return send_control(s, WSD_MSG_SOURCE_REFUSE, rx->source.answer_id,
				    rx->source.answer_moved, NULL, WSD_RESERVE_DATA);
	case WSD_SEND_SOURCE_CANCEL:
		return send_control(s, WSD_MSG_SOURCE_CANCEL, tx->loan_id, 0, NULL,
				    WSD_RESERVE_DATA);
	case WSD_SEND_PROBE:
		return send_control(s, WSD_MSG_PROBE, 0, 0, NULL, WSD_RESERVE_FIN);
	case WSD_SEND_PROBE_ACK:
		return send_control(s, WSD_MSG_PROBE_ACK, 0, 0, NULL, WSD_RESERVE_FIN);
	case WSD_SEND_QOS:
		return send_control(s, WSD_MSG_QOS, 0, 0, NULL, WSD_RESERVE_DATA);
	case WSD_SEND_ABORT:
		return send_control(s, WSD_MSG_ABORT, tx->position, tx->abort_reason, NULL,
				    WSD_RESERVE_CREDIT);
	case WSD_SEND_MOVE:
	case WSD_SEND_MOVE_ACK:
		return wsd_move_send(s, what);
	case WSD_SEND_READ:
		return wsd_source_ask(s);
	default:
		return WSD_OK;
	}
}

static bool can_post(const struct wsd_stream *s)
{
	return s->endpoint && s->move != WSD_MOVE_GIVEN && s->move != WSD_MOVE_WAITING &&
	       (s->state == WSD_STREAM_OPEN || (s->tx.pending & WSD_SEND_ABORT)) &&
	       !s->disconnected && !s->disconnecting && (s->active || s->tx.started);
}

void wsd_tx_nudge(struct wsd_stream *s)
{
	struct wsd_work work = { .op = WSD_OP_WRITE,
				 .remote_addr = s->tx.ring.addr,
				 .remote_key = s->tx.ring.key };

	if (!s->tx.ring.bytes)
		wsd_tx_want(s, WSD_SEND_PROBE);
	else if (can_post(s))
		(void)post(s, &work); /* it takes no receive of the peer */
}

void wsd_tx_want(struct wsd_stream *s, uint32_t what)
{
	s->tx.pending |= what;
}

void wsd_tx_progress(struct wsd_stream *s)
{
	if (!can_post(s))
		return;
	for (uint32_t left = s->tx.pending; left; left &= left - 1) {
		uint32_t what = left & (~left + 1);

		if (what == WSD_SEND_FIN)
			(void)wsd_tx_announce(s);
		if (send_pending(s, what) == WSD_OK)
			s->tx.pending &= ~what;
	}
	if (s->tx.notified != s->tx.position)
		(void)wsd_tx_announce(s);
	if (s->tx.blocked && wsd_tx_room(s)) {
		s->tx.blocked = false;
		s->changes |= WSD_CHANGE_WRITABLE;
	}
}

void wsd_tx_credits(struct wsd_stream *s, const struct wsd_header *header)
{
	struct wsd_tx *tx = &s->tx;
	uint32_t more = header->credits - tx->slots_granted;

	/* Cumulative, so an old value never takes back what a newer one gave. */
	if (more < 1u << 31) {
		if (header->credits - tx->slots_used > 1u << 17) {
			wsd_stream_violation(s, "absurd credits");
			return;
		}
		tx->slots_granted = header->credits;
	}
	if (header->limit > tx->limit) {
		if (header->limit - tx->position > 1ull << 32) {
			wsd_stream_violation(s, "absurd window");
			return;
		}
		tx->limit = header->limit;
	}
	wsd_urgent_told(s, header->urgent);
}

void wsd_tx_completed(struct wsd_stream *s, const struct wsd_event *event)
{
	if ((event->id & ~WSD_ID_VALUE) == WSD_ID_SENT)
		wsd_stage_done(s, event->id & WSD_ID_VALUE);
	else
		wsd_source_read_done(s, (uint32_t)(event->id & WSD_ID_VALUE), event->status);
	/* WSD_EREMOTE_ACCESS, too: the system takes a dead process's memory back before its connections, and what we
	 * post until we hear of its death is refused. */
	if (event->status != WSD_OK)
		wsd_stream_break(s, event->status == WSD_ETIMEDOUT ? wsd_no_answer(s) : WSD_ERESET);
}

enum wsd_status wsd_tx_read_work(struct wsd_stream *s, const struct wsd_sge *sge, uint64_t addr,
				 uint32_t key, uint32_t flags, uint32_t come)
{
	struct wsd_work work = { .op = WSD_OP_READ,
				 .id = WSD_ID_READ | come,
				 .flags = flags,
				 .sge = sge,
				 .sge_count = 1,
				 .remote_addr = addr,
				 .remote_key = key };

	return post(s, &work);
}

/* --- stream bytes --- */

/* Is there a receive for each further message, besides the next, that so many bytes take? */
static bool all_fit(const struct wsd_stream *s, uint32_t bytes, uint32_t each)
{
	uint32_t slots = slots_free(s);

	return slots > WSD_RESERVE_DATA + 1 &&
	       bytes <= (uint64_t)(slots - WSD_RESERVE_DATA - 1) * each;
}

/*
 * One piece of length bytes as a message: before there is a ring, or when it is cheaper than WRITE + SEND. *follows
 * says what the peer has been told of the rest: it comes at once, and is shown to the reader together with this.
 */
static enum wsd_status write_small(struct wsd_stream *s, struct cursor *c, uint32_t length,
				   uint32_t *taken, uint32_t *follows)
{
	struct wsd_header header = { .type = WSD_MSG_DATA, .position = s->tx.position };
	uint32_t whole = length;
	uint32_t max = s->tx.peer_slot_bytes - WSD_HEADER_BYTES;
	enum wsd_status status;
	if (!wsd_copies_at_post(s) && !wsd_stage_piece(s) &&
	    max > WSD_SLOT_BYTES - WSD_HEADER_BYTES)
		max = WSD_SLOT_BYTES - WSD_HEADER_BYTES; /* what fits inline */
	length = gatherable(s, c, length < max ? length : max, 1);
	header.argument = all_fit(s, whole - length, max) ? whole - length : 0;
	status = send_message(s, &header, c, length, WSD_RESERVE_DATA);
	if (status == WSD_OK) {
		s->tx.position += length;
		s->tx.notified = s->tx.position;
		*taken = length;
		*follows = (uint32_t)header.argument;
	}
	return status;
}

/*
 * One piece of length bytes into the ring, up to its wrap; announced by the same request where immediates exist. What
 * is not more than a piece is announced as a whole, on whichever side of the wrap it lies.
 */
static enum wsd_status write_ring(struct wsd_stream *s, struct cursor *c, uint32_t length,
				  uint32_t *taken)
{
	struct wsd_tx_ring *ring = &s->tx.ring;
	uint32_t offset = (uint32_t)((s->tx.position - ring->from) & (ring->bytes - 1));
	uint32_t piece = ring->bytes / 4, whole = length;
	struct wsd_work work = { .op = WSD_OP_WRITE };
	enum wsd_status status;
	bool more, announced;

	if (piece > 131072)
		piece = 131072;
	length = length < piece ? length : piece;
	length = length < ring->bytes - offset ? length : ring->bytes - offset;
	length = gatherable(s, c, length, 0);
	more = length < whole && whole <= piece;
	announced = !more && use_imm(s) && slots_free(s) > WSD_RESERVE_DATA;
	if (announced)
		work.op = WSD_OP_WRITE_IMM;
	work.remote_addr = ring->addr + offset;
	work.remote_key = ring->key;
	work.imm = (uint32_t)(s->tx.position + length);
	status = post_payload(s, &work, NULL, 0, c, length);
	if (status != WSD_OK)
		return status;
	s->tx.position += length;
	if (announced) {
		s->tx.slots_used++;
		s->tx.notified = s->tx.position;
	} else if (!use_imm(s) && !more) {
		(void)wsd_tx_announce(s);
	}
	*taken = length;
	return WSD_OK;
}

bool wsd_tx_room(const struct wsd_stream *s)
{
	const struct wsd_tx *tx = &s->tx;

	if (s->state != WSD_STREAM_OPEN || s->disconnected)
		return true; /* a write fails at once */
	if ((!s->active && !tx->started) || tx->loan || tx->paced_until ||
	    (tx->pending & WSD_SEND_SWITCH) || tx->urgent_waits || s->move)
		return false;
	return tx->limit > tx->position && (tx->ring.bytes || slots_free(s) > WSD_RESERVE_DATA);
}

/* There is a ring. But without immediates WRITE needs a message anyway; and a header takes credits along,
 * which over an adapter would cost a request of their own. (Software copies a message twice.) */
static bool better_as_message(const struct wsd_stream *s, uint32_t length)
{
	if (length > s->tx.peer_slot_bytes - WSD_HEADER_BYTES || s->tx.notified != s->tx.position ||
	    slots_free(s) <= WSD_RESERVE_DATA)
		return false;
	return !use_imm(s) ||
	       (!wsd_copies_at_post(s) && s->rx.slots_posted - s->rx.slots_told >= WSD_SLOTS / 4);
}

enum wsd_status wsd_message_write(struct wsd_stream *s, const struct wsd_iovec *iov, unsigned count,
				  unsigned flags, size_t *bytes)
{
	struct cursor c = { iov, count, 0 };
	size_t total = 0, done = 0, allowed;
	uint32_t follows = 0;
	bool paced;

	(void)flags;
	if (s->state != WSD_STREAM_OPEN)
		return s->state == WSD_STREAM_RESET ? s->error : WSD_ESTATE;
	if (s->disconnected)
		return WSD_ERESET;
	if (s->tx.fin)
		return WSD_ESTATE;
	for (unsigned i = 0; i < count; i++)
		total += iov[i].length;
	advance(&c, 0);
	paced = wsd_qos_paced(s);
	allowed = !paced ? total : wsd_tx_room(s) ? wsd_qos_allow(s, total) : 0;
	while (done < allowed && wsd_tx_room(s)) {
		uint64_t space = s->tx.limit - s->tx.position;
		uint32_t want, taken = 0;
		enum wsd_status status;

		want = (uint32_t)(allowed - done < space ? allowed - done : space);
		if (!s->tx.ring.bytes || better_as_message(s, want))
			status = write_small(s, &c, want, &taken, &follows);
		else
			status = write_ring(s, &c, want, &taken);
		if (status != WSD_OK)
			break;
		advance(&c, taken);
		done += taken;
	}
	(void)wsd_tx_announce(s); /* what was to be announced with its end, which found no room */
	if (follows) {		  /* nothing does: any other message says so */
		wsd_tx_want(s, WSD_SEND_CREDIT);
		wsd_tx_progress(s);
	}
	if (paced && allowed)
		wsd_qos_took(s, done, allowed, total - done);
	if (done < total) {
		s->tx.blocked = true;
		wsd_stream_waits_for_peer(s);
	}
	if (done && ++s->tx.writes % WRITES_LOOK == 0)
		s->tx.look = true;
	*bytes = done;
	return done ? WSD_OK : WSD_AGAIN;
}

bool wsd_message_writable(const struct wsd_stream *s)
{
	return wsd_tx_room(s);
}

/* The write that took the last room was whole, so nobody waits yet: who looks for room and finds none does. */
void wsd_message_watch(struct wsd_stream *s)
{
	if (s->state != WSD_STREAM_OPEN || s->tx.fin || s->tx.blocked || wsd_tx_room(s))
		return;
	s->tx.blocked = true;
	wsd_stream_waits_for_peer(s);
}

/* A connection without traffic has no stage, if every message fits inline. */
enum wsd_status wsd_tx_setup(struct wsd_stream *s)
{
	return wsd_copies_at_post(s) || fits_inline(s, WSD_SLOT_BYTES) ? WSD_OK
								       : wsd_stage_make(s, 0);
}

/* A ring has been granted, so there is traffic. False: it must do without. */
bool wsd_tx_ring_ready(struct wsd_stream *s, uint32_t bytes)
{
	return wsd_copies_at_post(s) || wsd_stage_make(s, bytes) == WSD_OK;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * transfer.c - posting and completing.
 *
 * Completions come in posting order, so the head of a list is always the one meant. Each piece of a
 * transfer is signalled: a transfer has more than one only when it has more buffers than the device
 * takes in one request.
 */
#include "provider/san/internal.h"

#include <string.h>

#define RETRY_NS 1000000ull

/* --- what a transfer holds --- */

static void let_go(struct wsd_channel *ch, struct wsd_transfer *t)
{
	for (unsigned i = 0; i < t->count; i++)
		if (t->held[i])
			t->held[i]->busy--;
	if (t->bounce)
		wsd_bounce_free(ch, t->bounce, t->total, t->bounce_region);
	if (t->sge != t->inline_sge)
		wsd_free(t->sge);
	if (t->held != t->inline_held)
		wsd_free(t->held);
	t->bounce = NULL;
	t->sge = t->inline_sge;
	t->held = t->inline_held;
	t->count = 0;
}

/* A message of so many bytes into the buffers, in array order. */
static void scatter(struct wsd_transfer *t, const uint8_t *from, uint32_t bytes)
{
	for (unsigned i = 0; i < t->count && bytes > 0; i++) {
		uint32_t n = t->sge[i].length < bytes ? t->sge[i].length : bytes;

		if (n > 0)
			memcpy(t->sge[i].addr, from, n);
		from += n;
		bytes -= n;
	}
}

static void gather(const struct wsd_transfer *t, uint8_t *to)
{
	for (unsigned i = 0; i < t->count; i++) {
		if (t->sge[i].length > 0)
			memcpy(to, t->sge[i].addr, t->sge[i].length);
		to += t->sge[i].length;
	}
}

static void finish(struct wsd_channel *ch, struct wsd_transfer *t, enum wsd_status status,
		   uint32_t bytes)
{
	wsd_list_remove(&t->link);
	if (t->kind == WSD_TRANSFER_RECV && t->bounce && status == WSD_OK)
		scatter(t, t->bounce, bytes);
	let_go(ch, t);
	t->status = status;
	t->bytes = status == WSD_OK ? bytes : 0;
	ch->ops->done(ch->owner, t);
}

static bool take_room(struct wsd_transfer *t, unsigned count)
{
	t->sge = t->inline_sge;
	t->held = t->inline_held;
	if (count <= WSD_TRANSFER_INLINE)
		return true;
	t->sge = wsd_alloc(count * sizeof(t->sge[0]));
	t->held = wsd_alloc(count * sizeof(t->held[0]));
	if (t->sge && t->held)
		return true;
	wsd_free(t->sge);
	wsd_free(t->held);
	return false;
}

/* Find the registration of each buffer: by its handle, or by its address. */
static enum wsd_status take_buffers(struct wsd_channel *ch, struct wsd_transfer *t,
				    const struct wsd_san_buffer *buffers, unsigned count)
{
	bool target = t->kind == WSD_TRANSFER_RECV || t->kind == WSD_TRANSFER_READ;
	unsigned right = target ? WSD_MEMORY_WRITE : WSD_MEMORY_READ;
	bool by_handle = t->kind == WSD_TRANSFER_WRITE || t->kind == WSD_TRANSFER_READ;
	uint64_t total = 0;

	if (count > WSD_TRANSFER_BUFFERS)
		return WSD_EINVAL;
	if (!take_room(t, count))
		return WSD_ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		const struct wsd_san_buffer *b = &buffers[i];
		struct wsd_registration *r = NULL;

		total += b->length;
		if (b->length > 0)
			r = by_handle ? wsd_memory_of(ch, b->handle)
				      : wsd_memory_at(ch, b->base, b->length, right);
		if (b->length > 0 &&
		    (!r || !(r->rights & right) || (uint8_t *)b->base < r->base ||
		     (uint64_t)((uint8_t *)b->base - r->base) + b->length > r->length)) {
			let_go(ch, t);
			return WSD_NOTFOUND;
		}
		if (r)
			r->busy++;
		t->held[i] = r;
		t->sge[i] = (struct wsd_sge){ b->base, b->length, r ? r->region : NULL };
		t->count = i + 1;
	}
	t->total = total > UINT32_MAX ? UINT32_MAX : (uint32_t)total;
	return WSD_OK;
}

/* One buffer of our own in place of many: the device cannot take them in one message. */
static enum wsd_status bounce(struct wsd_channel *ch, struct wsd_transfer *t, uint32_t length)
{
	enum wsd_status status = wsd_bounce_new(ch, length, &t->bounce, &t->bounce_region);

	if (status != WSD_OK) {
		t->bounce = NULL;
		let_go(ch, t);
	}
	return status;
}

static enum wsd_status check_state(const struct wsd_channel *ch)
{
	switch (ch->state) {
	case WSD_CHANNEL_CONNECTING: /* accepted: it goes out when the connector has heard */
	case WSD_CHANNEL_OPEN:
		return WSD_OK;
	case WSD_CHANNEL_FAILED:
	case WSD_CHANNEL_LOST:
		return ch->error;
	case WSD_CHANNEL_ENDED:
		break;
	}
	return WSD_ESTATE;
}

/* --- receiving --- */

/* The owner's first receive: the first message comes into the early one, and is copied. */
static void wait_beside(struct wsd_channel *ch, struct wsd_transfer *t)
{
	wsd_list_remove(&t->link);
	if (t->bounce)
		wsd_bounce_free(ch, t->bounce, t->total, t->bounce_region);
	t->bounce = NULL;
	ch->early.receive = t;
}

enum wsd_status wsd_early_begin(struct wsd_channel *ch)
{
	struct wsd_recv recv = { .id = WSD_RECV_EARLY };
	enum wsd_status status;
	uint32_t posted = 0;

	status = ch->backend->mem_alloc(ch->endpoint, ch->own.message, WSD_ACCESS_LOCAL_WRITE,
					&ch->early.region);
	if (status != WSD_OK)
		return status;
	recv.sge = (struct wsd_sge){ ch->early.region->base, ch->own.message, ch->early.region };
	status = ch->backend->post_recv(ch->endpoint, &recv, &posted);
	if (status != WSD_OK)
		return status;
	ch->early.open = true;
	if (!ch->early.receive && !wsd_list_empty(&ch->rx_waiting)) /* of an earlier connection */
		wait_beside(ch, wsd_container(ch->rx_waiting.next, struct wsd_transfer, link));
	wsd_rx_post(ch);
	return WSD_OK;
}

/* The first message has come, and so has the first receive. */
static void hand_over(struct wsd_channel *ch)
{
	struct wsd_transfer *t = ch->early.receive;
	uint32_t bytes = ch->early.bytes;
	bool fits = bytes <= t->total;

	if (fits)
		scatter(t, ch->early.region->base, bytes);
	ch->early = (struct wsd_early){ .region = ch->early.region };
	ch->backend->mem_free(ch->early.region);
	ch->early.region = NULL;
	finish(ch, t, fits ? WSD_OK : WSD_ELENGTH, bytes);
	if (!fits)
		wsd_channel_do(ch, WSD_CH_BREAK);
}

void wsd_rx_post(struct wsd_channel *ch)
{
	while (ch->endpoint && !wsd_list_empty(&ch->rx_waiting)) {
		struct wsd_transfer *t =
			wsd_container(ch->rx_waiting.next, struct wsd_transfer, link);
		struct wsd_recv recv = { .id = WSD_RECV_OWNER };
		uint32_t posted = 0;

		if (t->bounce)
			recv.sge = (struct wsd_sge){ t->bounce, t->total, t->bounce_region };
		else if (t->count > 0)
			recv.sge = t->sge[0];
		if (recv.sge.length > ch->own.message)
			recv.sge.length = ch->own.message; /* no message is longer */
		if (ch->backend->post_recv(ch->endpoint, &recv, &posted) != WSD_OK)
			return;
		wsd_list_remove(&t->link);
		wsd_list_append(&ch->rx_posted, &t->link);
	}
}

enum wsd_status wsd_channel_recv(struct wsd_channel *ch, struct wsd_transfer *t,
				 const struct wsd_san_buffer *buffers, unsigned count)
{
	enum wsd_status status = check_state(ch);

	t->kind = WSD_TRANSFER_RECV;
	t->status = WSD_PENDING;
	wsd_list_init(&t->link);
	if (status == WSD_OK)
		status = take_buffers(ch, t, buffers, count);
	if (status != WSD_OK)
		return status;
	/* Accepted, and not answered yet: the early receive will be posted first all the same. */
	if ((ch->early.open || (!ch->endpoint && wsd_list_empty(&ch->rx_waiting))) &&
	    !ch->early.receive) {
		ch->early.receive = t;
		if (ch->early.full)
			hand_over(ch);
		return WSD_PENDING;
	}
	if (count > 1 && t->total > 0) {
		if (t->total > WSD_SAN_MESSAGE)
			t->total = WSD_SAN_MESSAGE;
		status = bounce(ch, t, t->total);
		if (status != WSD_OK)
			return status;
	}
	wsd_list_append(&ch->rx_waiting, &t->link);
	wsd_rx_post(ch);
	return WSD_PENDING;
}

static void received(struct wsd_channel *ch, const struct wsd_event *ev)
{
	if (wsd_channel_move_received(ch, ev))
		return;
	if (ev->id == WSD_RECV_MOVE || wsd_channel_move_told(ch)) {
		wsd_channel_do(ch, WSD_CH_BREAK); /* the peer does not wait, for us or for itself */
		return;
	}
	if (ev->id == WSD_RECV_EARLY && ch->early.open) {
		if (ev->status != WSD_OK)
			return; /* the end of the connection follows */
		ch->early.full = true;
		ch->early.bytes = ev->bytes;
		if (ch->early.receive)
			hand_over(ch);
	} else if (!wsd_list_empty(&ch->rx_posted)) {
		finish(ch, wsd_container(ch->rx_posted.next, struct wsd_transfer, link), ev->status,
		       ev->bytes);
	}
}

/* --- sending, writing, reading --- */

static bool all_posted(const struct wsd_transfer *t)
{
	return t->pieces > 0 && t->next >= (t->bounce ? 1 : t->count);
}

static enum wsd_status post_piece(struct wsd_channel *ch, struct wsd_transfer *t)
{
	static const enum wsd_work_op ops[] = { [WSD_TRANSFER_SEND] = WSD_OP_SEND,
						[WSD_TRANSFER_WRITE] = WSD_OP_WRITE,
						[WSD_TRANSFER_READ] = WSD_OP_READ };
	struct wsd_sge whole = { t->bounce, t->total, t->bounce_region };
	struct wsd_work work = { .op = ops[t->kind],
				 .flags = WSD_WORK_SIGNALLED | WSD_WORK_STABLE };
	enum wsd_status status;
	uint32_t posted = 0, bytes = 0;

	work.sge = t->bounce ? &whole : &t->sge[t->next];
	work.sge_count = t->bounce ? 1 : t->count - t->next;
	if (work.sge_count > ch->max_sge)
		work.sge_count = ch->max_sge;
	for (uint32_t i = 0; i < work.sge_count; i++)
		bytes += work.sge[i].length;
	work.remote_addr = t->remote_addr;
	work.remote_key = t->remote_key;
	status = ch->backend->post_send(ch->endpoint, &work, &posted);
	if (status != WSD_OK)
		return status;
	t->next += work.sge_count;
	t->remote_addr += bytes;
	t->pieces++;
	return WSD_OK;
}

/* An event follows, unless nothing is on its way: then look again soon. */
static void post_later(struct wsd_channel *ch)
{
	struct wsd_engine *engine = atomic_load(&ch->engine);
	const struct wsd_transfer *front = wsd_container(ch->tx.next, struct wsd_transfer, link);

	if (front->pieces == front->finished)
		wsd_engine_set_timer(engine, &ch->timer, wsd_engine_now(engine) + RETRY_NS);
}

void wsd_tx_post(struct wsd_channel *ch)
{
	bool asked = ch->move == WSD_SAN_ASKED; /* what has begun here does not go on elsewhere */
	struct wsd_list *node;

	if (ch->state != WSD_CHANNEL_OPEN || !ch->endpoint || (ch->move != WSD_SAN_STAYS && !asked))
		return;
	/* From the end: what is posted is at the front, and in the usual case there is one to post. */
	for (node = ch->tx.prev; node != &ch->tx; node = node->prev)
		if (all_posted(wsd_container(node, struct wsd_transfer, link)))
			break;
	for (node = node->next; node != &ch->tx;) {
		struct wsd_transfer *t = wsd_container(node, struct wsd_transfer, link);
		enum wsd_status status;

		if (asked && t->pieces == 0)
			return;
		status = post_piece(ch, t);
		if (status == WSD_AGAIN || status == WSD_ENOMEM) {
			post_later(ch);
			return;
		}
		if (status == WSD_ESTATE)
			return; /* the end follows */
		if (status != WSD_OK) {
			wsd_channel_do(ch, WSD_CH_BREAK);
			return;
		}
		if (all_posted(t))
			node = node->next;
	}
}

static enum wsd_status start(struct wsd_channel *ch, struct wsd_transfer *t)
{
	enum wsd_status status = WSD_OK;

	if (t->kind == WSD_TRANSFER_SEND && t->count > (ch->max_sge ? ch->max_sge : 1) &&
	    t->total > 0) {
		status = bounce(ch, t, t->total);
		if (status == WSD_OK)
			gather(t, t->bounce);
	}
	if (status != WSD_OK)
		return status;
	wsd_list_append(&ch->tx, &t->link);
	wsd_tx_post(ch);
	return WSD_PENDING;
}

enum wsd_status wsd_channel_send(struct wsd_channel *ch, struct wsd_transfer *t,
				 const struct wsd_san_buffer *buffers, unsigned count)
{
	enum wsd_status status = check_state(ch);

	t->kind = WSD_TRANSFER_SEND;
	t->status = WSD_PENDING;
	wsd_list_init(&t->link);
	if (status == WSD_OK)
		status = take_buffers(ch, t, buffers, count);
	if (status == WSD_OK && t->total > ch->message) {
		let_go(ch, t);
		status = WSD_ETOOBIG;
	}
	return status == WSD_OK ? start(ch, t) : status;
}

enum wsd_status wsd_channel_rdma(struct wsd_channel *ch, struct wsd_transfer *t,
				 enum wsd_transfer_kind kind, const struct wsd_san_buffer *buffers,
				 unsigned count, const uint8_t *descriptor,
				 uint32_t descriptor_length, uint32_t offset)
{
	unsigned right = kind == WSD_TRANSFER_READ ? WSD_MEMORY_READ : WSD_MEMORY_WRITE;
	enum wsd_status status = check_state(ch);
	struct wsd_channel_limits limits;
	struct wsd_descriptor d;

	t->kind = kind;
	t->status = WSD_PENDING;
	wsd_list_init(&t->link);
	if (status != WSD_OK)
		return status;
	wsd_channel_limits(ch, &limits);
	if (kind == WSD_TRANSFER_READ && (!limits.read || !(ch->peer.features & WSD_FEATURE_READ)))
		return WSD_EUNSUPPORTED;
	if (!wsd_descriptor_decode(descriptor, descriptor_length, &d) ||
	    d.nonce != ch->peer.nonce || !(d.rights & right))
		return WSD_EINVAL;
	status = take_buffers(ch, t, buffers, count);
	if (status != WSD_OK)
		return status;
	if (t->total > limits.rdma)
		status = WSD_ETOOBIG;
	else if (offset > d.length || t->total > d.length - offset)
		status = WSD_EINVAL;
	if (status != WSD_OK) {
		let_go(ch, t);
		return status;
	}
	t->remote_addr = d.addr + offset;
	t->remote_key = d.key;
	return start(ch, t);
}

static void sent(struct wsd_channel *ch, const struct wsd_event *ev)
{
	struct wsd_transfer *t;

	if (wsd_list_empty(&ch->tx))
		return;
	t = wsd_container(ch->tx.next, struct wsd_transfer, link);
	if (t->finished == t->pieces)
		return; /* none of it is posted: the event is of one that failed before */
	t->finished++;
	if (ev->status != WSD_OK) {
		if (ch->error == WSD_OK)
			ch->error = ev->status;
		finish(ch, t, ev->status, 0); /* the end of the connection follows */
	} else if (all_posted(t) && t->finished == t->pieces) {
		finish(ch, t, WSD_OK, t->total);
	}
}

void wsd_transfer_event(struct wsd_channel *ch, const struct wsd_event *ev)
{
	if (ev->status == WSD_ECANCELLED)
		return; /* flushed: the end of the connection follows, and knows why */
	if (ev->type == WSD_EV_SEND)
		sent(ch, ev);
	else
		received(ch, ev);
}

/* --- the end --- */

static void end_list(struct wsd_channel *ch, struct wsd_list *list, enum wsd_status status)
{
	while (!wsd_list_empty(list))
		finish(ch, wsd_container(list->next, struct wsd_transfer, link), status, 0);
}

void wsd_transfers_end(struct wsd_channel *ch, enum wsd_status status)
{
	struct wsd_transfer *first = ch->early.receive;

	ch->early.receive = NULL;
	if (first)
		finish(ch, first, status, 0);
	end_list(ch, &ch->rx_posted, status);
	end_list(ch, &ch->rx_waiting, status);
	end_list(ch, &ch->tx, status);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_cq.c - completion queues. A connection gets room in one of them for all the completions it can
 * have at once, so that none ever overflows; when they are full the queue gets a larger one.
 *
 * A completion carries kind, slot, generation and number. Those of connections that are gone find
 * another generation and are dropped.
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>

#define FIRST_SLOTS	32u
#define SLOT_BITS	18
#define GENERATION_MASK 0xfffu /* 30 - SLOT_BITS bits */

enum wsd_status verbs_cq_add(struct wsd_queue *queue, uint32_t depth)
{
	struct verbs_cq *cq = &queue->cqs[queue->cq_count];

	if (queue->cq_count == VERBS_CQS)
		return WSD_EREGISTER;
	if (depth > queue->device->max_cqe)
		depth = queue->device->max_cqe;
	/* Adapters keep one entry free and round up to a power of two. */
	if ((depth & (depth - 1)) == 0 && depth > 1)
		depth--;
	cq->cq = ibv_create_cq(queue->device->context, (int)depth, cq, queue->channel, 0);
	if (!cq->cq)
		return verbs_no_room(errno, NULL, 1);
	cq->capacity = depth;
	cq->used = 0;
	cq->notify = cq->stirred = false;
	queue->cq_count++;
	return WSD_OK;
}

/*
 * Larger ones as they become more: few to look at, however many connections. But soon no more than half of what
 * there is, because all their memory is mapped, and an idle connection should weigh little. A power of two, as
 * adapters round up.
 */
static uint32_t next_depth(const struct wsd_queue *queue, uint32_t need)
{
	uint32_t total = 0, depth = queue->cqs[queue->cq_count - 1].capacity + 1;

	for (unsigned i = 0; i < queue->cq_count; i++)
		total += queue->cqs[i].capacity + 1;
	while (depth <= total / 4 || depth <= need)
		depth *= 2;
	return depth < queue->device->max_cqe ? depth : queue->device->max_cqe;
}

enum wsd_status verbs_cq_reserve(struct wsd_queue *queue, uint32_t need, struct verbs_cq **found)
{
	struct verbs_cq *cq;
	enum wsd_status status;
	uint32_t depth;

	for (unsigned i = queue->cq_count; i > 0; i--) {
		cq = &queue->cqs[i - 1];
		if (cq->capacity - cq->used >= need) {
			cq->used += need;
			*found = cq;
			return WSD_OK;
		}
	}
	depth = next_depth(queue, need);
	if (depth < need)
		return WSD_EREGISTER;
	status = verbs_cq_add(queue, depth);
	if (status != WSD_OK)
		return status;
	*found = &queue->cqs[queue->cq_count - 1];
	(*found)->used = need;
	return WSD_OK;
}

static enum wsd_status slots_grow(struct wsd_queue *queue)
{
	const struct wsd_host *host = queue->device->host;
	uint32_t count = queue->slot_count ? queue->slot_count * 2 : FIRST_SLOTS;
	struct verbs_slot *slots;

	if (count > 1u << SLOT_BITS)
		return WSD_EREGISTER;
	slots = host->alloc(count * sizeof(*slots));
	if (!slots)
		return WSD_ENOMEM;
	for (uint32_t i = 0; i < queue->slot_count; i++)
		slots[i] = queue->slots[i];
	for (uint32_t i = queue->slot_count; i < count; i++)
		slots[i].next_free = i + 1 < count ? i + 1 : UINT32_MAX;
	queue->slot_free = queue->slot_count; /* it was empty */
	host->free(queue->slots);
	queue->slots = slots;
	queue->slot_count = count;
	return WSD_OK;
}

enum wsd_status verbs_slot_take(struct wsd_queue *queue, struct wsd_endpoint *endpoint)
{
	uint32_t index;

	if (queue->slot_free == UINT32_MAX) {
		enum wsd_status status = slots_grow(queue);

		if (status != WSD_OK)
			return status;
	}
	index = queue->slot_free;
	queue->slot_free = queue->slots[index].next_free;
	queue->slots[index].endpoint = endpoint;
	endpoint->tag =
		((uint64_t)(queue->slots[index].generation & GENERATION_MASK) << SLOT_BITS | index)
		<< 32;
	return WSD_OK;
}

static uint32_t slot_index(uint64_t tag)
{
	return (uint32_t)(tag >> 32) & ((1u << SLOT_BITS) - 1);
}

void verbs_slot_give(struct wsd_queue *queue, struct wsd_endpoint *endpoint)
{
	uint32_t index = slot_index(endpoint->tag);

	queue->slots[index].endpoint = NULL;
	queue->slots[index].generation++;
	queue->slots[index].next_free = queue->slot_free;
	queue->slot_free = index;
}

static struct wsd_endpoint *slot_find(const struct wsd_queue *queue, uint64_t wr_id)
{
	uint64_t tag = wr_id & 0x3fffffff00000000ull;
	uint32_t index = slot_index(tag);
	struct wsd_endpoint *endpoint =
		index < queue->slot_count ? queue->slots[index].endpoint : NULL;

	return endpoint && endpoint->tag == tag ? endpoint : NULL;
}

bool verbs_cq_fill(struct wsd_queue *queue)
{
	unsigned tried;
	int n;

	if (queue->wc_at < queue->wc_count)
		return true;
	queue->wc_at = queue->wc_count = 0;
	for (tried = 0; tried < queue->cq_count; tried++) {
		struct verbs_cq *cq = &queue->cqs[queue->cq_next];

		n = ibv_poll_cq(cq->cq, VERBS_BATCH, queue->wc);
		/* The next one's turn, unless this one has more. */
		if (n < (int)VERBS_BATCH && ++queue->cq_next == queue->cq_count)
			queue->cq_next = 0;
		if (n <= 0)
			continue;
		cq->stirred = true;
		queue->wc_count = (uint32_t)n < VERBS_BATCH ? (uint32_t)n : VERBS_BATCH;
		return true;
	}
	return false;
}

static enum wsd_status wc_status(const struct ibv_wc *wc)
{
	switch ((int)wc->status) {
	case IBV_WC_SUCCESS:
		return WSD_OK;
	case IBV_WC_LOC_LEN_ERR:
	case IBV_WC_REM_INV_REQ_ERR:
		return WSD_ELENGTH;
	case IBV_WC_LOC_QP_OP_ERR: /* what rxe says of a receive that is too short */
		return wc->wr_id >> 62 == VERBS_WORK_RECV ? WSD_ELENGTH : WSD_ERESET;
	case IBV_WC_REM_ACCESS_ERR:
		return WSD_EREMOTE_ACCESS;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return WSD_ERNR;
	case IBV_WC_RETRY_EXC_ERR:
		return WSD_ETIMEDOUT;
	case IBV_WC_WR_FLUSH_ERR:
		return WSD_ECANCELLED;
	default:
		return WSD_ERESET;
	}
}

/* A flush only says that the queue pair is in error: its cause is told elsewhere. */
static void failed(struct wsd_endpoint *endpoint, const struct ibv_wc *wc, enum wsd_event_type type,
		   uint64_t id, struct verbs_sink *sink)
{
	enum wsd_status status = wc_status(wc);
	enum verbs_state state = atomic_load(&endpoint->state);

	if (status == WSD_ECANCELLED || (state != VERBS_OPEN && state != VERBS_CLOSING))
		return;
	if (status == WSD_EREMOTE_ACCESS)
		verbs_count(endpoint->queue->device->counters.access_errors);
	verbs_sink_add(sink, type, endpoint->context, status)->id = id;
	verbs_end(endpoint, verbs_end_reason(endpoint, status));
}

static void sent(struct wsd_endpoint *endpoint, const struct ibv_wc *wc, struct verbs_sink *sink)
{
	uint32_t number = (uint32_t)wc->wr_id;
	uint64_t id = endpoint->tx_ids[number & endpoint->send_mask];

	/* release: the id has been read; its place is the poster's again */
	atomic_store_explicit(&endpoint->tx_done, number + 1, memory_order_release);
	if (wc->status != IBV_WC_SUCCESS)
		failed(endpoint, wc, WSD_EV_SEND, id, sink);
	else
		verbs_sink_add(sink, WSD_EV_SEND, endpoint->context, WSD_OK)->id = id;
}

static void received(struct wsd_endpoint *endpoint, const struct ibv_wc *wc,
		     struct verbs_sink *sink)
{
	uint32_t number = (uint32_t)wc->wr_id;
	uint64_t id = endpoint->rx_ids[number & endpoint->recv_mask];
	struct wsd_event *event;

	atomic_store_explicit(&endpoint->rx_done, number + 1, memory_order_release); /* as above */
	if (wc->status != IBV_WC_SUCCESS) {
		failed(endpoint, wc, WSD_EV_RECV, id, sink);
		return;
	}
	if (wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM) {
		event = verbs_sink_add(sink, WSD_EV_RECV_IMM, endpoint->context, WSD_OK);
		event->imm = be32toh(wc->imm_data);
	} else {
		event = verbs_sink_add(sink, WSD_EV_RECV, endpoint->context, WSD_OK);
	}
	event->id = id;
	event->bytes = wc->byte_len;
}

static void goodbye_done(struct wsd_endpoint *endpoint, const struct ibv_wc *wc)
{
	if (wc->status == IBV_WC_SUCCESS)
		verbs_end(endpoint, WSD_OK);
	else if (wc->status != IBV_WC_WR_FLUSH_ERR)
		verbs_end(endpoint, verbs_end_reason(endpoint, wc_status(wc)));
}

/* False: the completion has to come again, after an event that had to precede it. */
static bool completion(struct wsd_endpoint *endpoint, const struct ibv_wc *wc,
		       struct verbs_sink *sink)
{
	unsigned kind = (unsigned)(wc->wr_id >> 62);
	enum verbs_state state = atomic_load(&endpoint->state);

	if (state == VERBS_DRAINING) {
		if (kind == VERBS_WORK_DRAIN) {
			if ((uint32_t)wc->wr_id)
				endpoint->rx_drained = true;
			else
				endpoint->tx_drained = true;
			verbs_drained(endpoint);
		}
		return true;
	}
	if (state == VERBS_ENDED && wsd_list_empty(&endpoint->ended))
		return true; /* DISCONNECTED was the last event */
	/* The peer's first message may overtake the connection manager's word that we are open. */
	if (state == VERBS_ACCEPTING && kind == VERBS_WORK_RECV && wc->status == IBV_WC_SUCCESS) {
		verbs_opened(endpoint, sink, NULL, 0);
		return false;
	}
	if (kind == VERBS_WORK_SEND)
		sent(endpoint, wc, sink);
	else if (kind == VERBS_WORK_RECV)
		received(endpoint, wc, sink);
	else if (kind == VERBS_WORK_GOODBYE)
		goodbye_done(endpoint, wc);
	return true;
}

bool verbs_completions(struct wsd_queue *queue, struct verbs_sink *sink)
{
	while (!verbs_sink_full(sink)) {
		const struct ibv_wc *wc;
		struct wsd_endpoint *endpoint;

		if (!verbs_cq_fill(queue))
			return true;
		wc = &queue->wc[queue->wc_at];
		endpoint = slot_find(queue, wc->wr_id);
		if (!endpoint || completion(endpoint, wc, sink))
			queue->wc_at++;
	}
	return false;
}

bool verbs_cq_disarm(struct wsd_queue *queue)
{
	struct ibv_cq *cq;
	void *context;
	bool any = false;

	while (queue->notifies > 0 && ibv_get_cq_event(queue->channel, &cq, &context) == 0) {
		struct verbs_cq *owner = context;

		ibv_ack_cq_events(cq, 1);
		owner->notify = false;
		queue->notifies--;
		any = true;
	}
	return any;
}

enum wsd_status verbs_cq_arm(struct wsd_queue *queue)
{
	unsigned i;
	bool stirred = false;

	for (i = 0; i < queue->cq_count; i++)
		stirred |= queue->cqs[i].notify && queue->cqs[i].stirred;
	if (stirred)
		verbs_cq_disarm(queue);
	for (i = 0; i < queue->cq_count; i++) {
		struct verbs_cq *cq = &queue->cqs[i];

		if (cq->notify)
			continue; /* asked for before, and nothing came */
		if (ibv_req_notify_cq(cq->cq, 0) != 0)
			return WSD_EDEVICE;
		cq->notify = true;
		queue->notifies++;
		verbs_count(queue->device->counters.arms);
	}
	for (i = 0; i < queue->cq_count; i++)
		queue->cqs[i].stirred = false;
	return verbs_cq_fill(queue) ? WSD_AGAIN : WSD_OK;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_post.c - post_send and post_recv, and the work that waits: for a posted receive, for the target's
 * engine, or behind such work. Work that can be carried out inside post_send never gets here: no
 * allocation, no queue.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

void shm_announce(struct wsd_endpoint *endpoint)
{
	bool news = endpoint->news, entries = endpoint->entries;

	if (!(news || entries) || !endpoint->link)
		return;
	endpoint->news = endpoint->entries = false;
	if (endpoint->link_lost)
		return;
	if (!news) {
		/* Pairs with the fence of shm_watch_end: either we see that the peer has stopped watching,
		 * or it sees the entries that we have published before. */
		atomic_thread_fence(memory_order_seq_cst);
		/* relaxed: nothing is read on the strength of it */
		if (atomic_load_explicit(&endpoint->peer->watched, memory_order_relaxed))
			return;
	}
	shm_inbox_set(endpoint->link->mailbox.inbox, endpoint->peer_index);
	shm_link_doorbell(endpoint->link);
}

/* Twice the room for completions. No memory: those that are due make room. */
static bool sent_grow(struct wsd_endpoint *endpoint)
{
	const struct wsd_host *host = endpoint->queue->host;
	uint32_t size = endpoint->sent_size, i;
	struct shm_sent *ring = host->alloc(2 * size * sizeof(*ring));

	if (!ring)
		return false;
	for (i = endpoint->sent_head; i != endpoint->sent_tail; i++)
		ring[i & (2 * size - 1)] = endpoint->sent[i & (size - 1)];
	host->free(endpoint->sent);
	endpoint->sent = ring;
	endpoint->sent_size = 2 * size;
	return true;
}

static void push_sent(struct wsd_endpoint *endpoint, const struct shm_op *op,
		      enum wsd_status status)
{
	struct shm_sent *sent = &endpoint->sent[endpoint->sent_tail++ & (endpoint->sent_size - 1)];

	sent->id = op->id;
	sent->status = status;
	sent->bytes = status ? 0 : op->length;
}

/* The connection does not survive a failed request. */
static void fail_op(struct wsd_endpoint *endpoint, const struct shm_op *op, enum wsd_status status)
{
	push_sent(endpoint, op, status);
	shm_break(endpoint, status == WSD_ENOMEM ? WSD_EABORTED : WSD_EPROTOCOL);
}

/* Zeroed; a plain one that is done serves again. */
static struct shm_work *work_room(struct wsd_endpoint *endpoint, size_t bytes)
{
	struct shm_work *work = endpoint->work_spare;
	bool plain = bytes <= sizeof(*work);

	if (plain && work) {
		endpoint->work_spare = work->next;
		memset(work, 0, sizeof(*work));
	} else {
		work = endpoint->queue->host->alloc(bytes);
	}
	if (work)
		work->plain = plain;
	return work;
}

static void work_done(struct wsd_endpoint *endpoint, struct shm_work *work)
{
	if (!work->plain) {
		endpoint->queue->host->free(work);
		return;
	}
	work->next = endpoint->work_spare;
	endpoint->work_spare = work;
}

static struct shm_work *work_new(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	bool copy = op->op != WSD_OP_READ && !(op->flags & WSD_WORK_STABLE);
	size_t more = copy || !op->sge_count ? 0 : op->sge_count - 1;
	size_t head = sizeof(struct shm_work) + more * sizeof(struct wsd_sge);
	struct shm_work *work = work_room(endpoint, head + (copy ? op->length : 0));

	if (!work)
		return NULL;
	work->op = *op;
	work->op.sge = work->sge;
	if (copy) {
		shm_gather(op, 0, (uint8_t *)work + head, op->length);
		work->op.sge_count = 1;
		work->sge[0].addr = (uint8_t *)work + head;
		work->sge[0].length = op->length;
	} else if (op->sge_count) {
		memcpy(work->sge, op->sge, op->sge_count * sizeof(*op->sge));
	}
	*endpoint->work_end = work;
	endpoint->work_end = &work->next;
	if (!endpoint->work_issue)
		endpoint->work_issue = work;
	return work;
}

void shm_work_drop(struct wsd_endpoint *endpoint)
{
	struct shm_work *work;

	while ((work = endpoint->work_first) != NULL) {
		endpoint->work_first = work->next;
		endpoint->queue->host->free(work);
		endpoint->outstanding--;
	}
	while ((work = endpoint->work_spare) != NULL) {
		endpoint->work_spare = work->next;
		endpoint->queue->host->free(work);
	}
	endpoint->work_end = &endpoint->work_first;
	endpoint->work_issue = NULL;
	if (endpoint->bounce)
		memset(endpoint->bounce->piece, 0, sizeof(endpoint->bounce->piece));
}

static bool bounce_ready(struct wsd_endpoint *endpoint)
{
	const struct wsd_host *host = endpoint->queue->host;
	struct shm_bounce *bounce;

	if (endpoint->bounce)
		return true;
	bounce = host->alloc(sizeof(*bounce));
	if (!bounce)
		return false;
	if (shm_mem_new(endpoint, SHM_BOUNCE_PIECES * SHM_BOUNCE_BYTES, 0, true, &bounce->region)) {
		host->free(bounce);
		return false;
	}
	endpoint->bounce = bounce;
	return true;
}

static uint8_t *piece_memory(struct wsd_endpoint *endpoint, uint32_t tag)
{
	return (uint8_t *)endpoint->bounce->region->base.base + (size_t)tag * SHM_BOUNCE_BYTES;
}

static enum wsd_status issue_piece(struct wsd_endpoint *endpoint, struct shm_work *work)
{
	bool read = work->op.op == WSD_OP_READ;
	struct shm_entry entry = { .type = read ? SHM_CQE_READ : SHM_CQE_WRITE,
				   .key = work->op.remote_key,
				   .address = work->op.remote_addr + work->issued };
	uint32_t tag;

	for (tag = 0; tag < SHM_BOUNCE_PIECES && endpoint->bounce->piece[tag].work; tag++)
		;
	if (tag == SHM_BOUNCE_PIECES)
		return WSD_AGAIN;
	entry.tag = tag;
	entry.imm = endpoint->bounce->region->base.remote_key;
	entry.length = work->op.length - work->issued;
	if (entry.length > SHM_BOUNCE_BYTES)
		entry.length = SHM_BOUNCE_BYTES;
	if (!read)
		shm_gather(&work->op, work->issued, piece_memory(endpoint, tag), entry.length);
	endpoint->bounce->piece[tag] = (struct shm_piece){ work, work->issued, entry.length };
	work->issued += entry.length;
	return shm_ring_push(endpoint, &entry);
}

static enum wsd_status issue(struct wsd_endpoint *endpoint, struct shm_work *work)
{
	enum wsd_status status;

	/* Earlier READs: simplest when everything before it has finished. */
	if ((work->op.flags & WSD_WORK_FENCE) && work != endpoint->work_first)
		return WSD_AGAIN;
	if (!work->remote) {
		status = shm_execute(endpoint, &work->op);
		if (!status)
			work->acked = work->op.length;
		if (status != WSD_PENDING)
			return status;
		if (!bounce_ready(endpoint))
			return WSD_ENOMEM;
		work->remote = true;
	}
	while (work->issued < work->op.length) {
		status = issue_piece(endpoint, work);
		if (status)
			return status;
	}
	return work->op.op == WSD_OP_WRITE_IMM ? shm_push_imm(endpoint, &work->op) : WSD_OK;
}

static void retire(struct wsd_endpoint *endpoint)
{
	struct shm_work *work;

	while ((work = endpoint->work_first) != NULL && work->issued_all &&
	       work->acked == work->op.length) {
		if (work->op.flags & WSD_WORK_SIGNALLED)
			push_sent(endpoint, &work->op, WSD_OK);
		else
			endpoint->outstanding--;
		endpoint->work_first = work->next;
		if (!work->next)
			endpoint->work_end = &endpoint->work_first;
		work_done(endpoint, work);
	}
}

void shm_work_progress(struct wsd_endpoint *endpoint)
{
	enum wsd_status status = WSD_OK;
	struct shm_work *work;
	struct shm_op op;

	while (!status && (work = endpoint->work_issue) != NULL && endpoint->state == SHM_OPEN) {
		op = work->op;
		status = issue(endpoint, work);
		if (endpoint->state != SHM_OPEN)
			return; /* the peer broke the protocol: the work is gone */
		if (status < 0) {
			/* Its place among the outstanding goes from the work to the event. */
			endpoint->outstanding++;
			fail_op(endpoint, &op, status);
			return;
		}
		if (!status) {
			work->issued_all = true;
			endpoint->work_issue = work->next;
			retire(endpoint);
		}
	}
}

void shm_work_acked(struct wsd_endpoint *endpoint, const struct shm_entry *entry)
{
	struct shm_piece *piece;
	struct shm_work *work;
	struct shm_op op;

	if (!endpoint->bounce || entry->tag >= SHM_BOUNCE_PIECES ||
	    !endpoint->bounce->piece[entry->tag].work) {
		shm_violation(endpoint, "answer to no request");
		return;
	}
	piece = &endpoint->bounce->piece[entry->tag];
	work = piece->work;
	if (entry->imm) {
		op = work->op;
		endpoint->outstanding++;
		fail_op(endpoint, &op, WSD_EREMOTE_ACCESS);
		return;
	}
	if (work->op.op == WSD_OP_READ)
		shm_scatter(&work->op, piece->offset, piece_memory(endpoint, entry->tag),
			    piece->length);
	work->acked += piece->length;
	piece->work = NULL;
	retire(endpoint);
}

/* The graceful end: after all work, in order with it. */
void shm_close_when_done(struct wsd_endpoint *endpoint)
{
	static const struct shm_entry entry = { .type = SHM_CQE_DISCONNECT };

	if (!endpoint->closing || endpoint->closed || endpoint->work_first)
		return;
	if (shm_ring_push(endpoint, &entry) == WSD_OK)
		endpoint->closed = true;
}

static bool make_op(const struct wsd_work *work, struct shm_op *op)
{
	uint64_t length = 0;
	uint32_t i;

	if (work->sge_count > SHM_MAX_SGE || (unsigned)work->op > WSD_OP_READ)
		return false;
	for (i = 0; i < work->sge_count; i++) {
		if (!work->sge[i].addr && work->sge[i].length)
			return false;
		length += work->sge[i].length;
	}
	if (length > (work->op == WSD_OP_SEND ? SHM_MAX_MESSAGE : SHM_MAX_RDMA))
		return false;
	op->id = work->id;
	op->remote_addr = work->remote_addr;
	op->remote_key = work->remote_key;
	op->sge = work->sge;
	op->sge_count = work->sge_count;
	op->op = work->op;
	op->flags = work->flags;
	op->imm = work->imm;
	op->length = (uint32_t)length;
	return true;
}

static enum wsd_status post_one(struct wsd_endpoint *endpoint, const struct wsd_work *item)
{
	enum wsd_status status = WSD_AGAIN;
	struct shm_op op;

	if (endpoint->state != SHM_OPEN || endpoint->closing)
		return WSD_ESTATE;
	if (item->sge_count > endpoint->max_send_sge || !make_op(item, &op))
		return WSD_EINVAL;
	if (endpoint->outstanding >= endpoint->send_depth ||
	    (endpoint->outstanding == endpoint->sent_size && !sent_grow(endpoint)))
		return WSD_AGAIN;
	if (!endpoint->work_first)
		status = shm_execute(endpoint, &op);
	if (!status) {
		if (op.flags & WSD_WORK_SIGNALLED) {
			endpoint->outstanding++;
			push_sent(endpoint, &op, WSD_OK);
		}
		return WSD_OK;
	}
	if (status < 0) {
		endpoint->outstanding++;
		fail_op(endpoint, &op, status);
		return WSD_OK;
	}
	if (status == WSD_PENDING && !bounce_ready(endpoint))
		return WSD_AGAIN;
	if (!work_new(endpoint, &op))
		return WSD_AGAIN;
	endpoint->outstanding++;
	if (status == WSD_PENDING)
		shm_work_progress(endpoint);
	else if (shm_mem_due(endpoint))
		shm_queue_mark(endpoint->queue, endpoint->index); /* look at the link soon */
	return WSD_OK;
}

enum wsd_status shm_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
			      uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	wsd_mutex_lock(&endpoint->lock);
	for (; list && !status; list = list->next) {
		status = post_one(endpoint, list);
		if (!status)
			++*posted;
	}
	shm_announce(endpoint);
	if (endpoint->sent_head != endpoint->sent_tail)
		shm_queue_mark(endpoint->queue, endpoint->index);
	wsd_mutex_unlock(&endpoint->lock);
	return status;
}

static enum wsd_status post_receive(struct wsd_endpoint *endpoint, const struct wsd_recv *item)
{
	uint32_t slot = endpoint->rq_tail & (endpoint->own_layout.rq_size - 1), key = 0;
	struct shm_rqe *rqe = &endpoint->own_rq[slot];
	struct shm_region *region = (struct shm_region *)(void *)item->sge.region;
	struct shm_recv *recv = &endpoint->recvs[slot];
	uint64_t offset = 0;

	if (item->sge.length > endpoint->recv_bytes || (!item->sge.addr && item->sge.length))
		return WSD_EINVAL;
	if (endpoint->rq_tail - endpoint->rq_head >= endpoint->recv_depth)
		return WSD_AGAIN;
	if (region && region->endpoint == endpoint) {
		offset = (uint64_t)((uintptr_t)item->sge.addr - (uintptr_t)region->base.base);
		if (offset > region->base.length || item->sge.length > region->base.length - offset)
			return WSD_EINVAL;
		key = region->base.remote_key;
	}
	recv->id = item->id;
	recv->addr = item->sge.addr;
	recv->length = item->sge.length;
	/* relaxed: rq_tail publishes them */
	atomic_store_explicit(&rqe->key, key, memory_order_relaxed);
	atomic_store_explicit(&rqe->length, item->sge.length, memory_order_relaxed);
	atomic_store_explicit(&rqe->offset_low, (uint32_t)offset, memory_order_relaxed);
	atomic_store_explicit(&rqe->offset_high, (uint32_t)(offset >> 32), memory_order_relaxed);
	endpoint->rq_tail++;
	return WSD_OK;
}

enum wsd_status shm_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
			      uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state > SHM_OPEN || endpoint->closing)
		status = WSD_ESTATE;
	for (; list && !status; list = list->next) {
		status = post_receive(endpoint, list);
		if (!status)
			++*posted;
	}
	if (*posted) {
		/* seq_cst, see claim: the sender sees the receive or we see that it waits. */
		atomic_store(&endpoint->own->rq_tail, endpoint->rq_tail);
		if (atomic_load(&endpoint->own->waits)) {
			endpoint->news = true;
			shm_announce(endpoint);
		}
	}
	wsd_mutex_unlock(&endpoint->lock);
	return status;
}

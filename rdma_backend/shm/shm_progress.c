// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_progress.c - what the owner does for one endpoint that has news: deliver completions, take entries
 * from its ring, serve requests of the peer, and tell the end, last.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

enum taken { TAKEN_ALL, TAKEN_FULL, TAKEN_STALLED };

static struct wsd_event *next_event(struct wsd_endpoint *endpoint, struct shm_sink *sink,
				    enum wsd_event_type type)
{
	struct wsd_event *event = shm_sink_next(sink);

	if (event) {
		event->type = type;
		event->context = endpoint->context;
	}
	return event;
}

static bool deliver_notice(struct wsd_endpoint *endpoint, struct shm_sink *sink)
{
	struct shm_handshake *handshake = endpoint->handshake;
	struct wsd_event *event;

	if (!endpoint->notice)
		return true;
	event = next_event(endpoint, sink,
			   endpoint->state == SHM_FAILED ? WSD_EV_CONNECT_FAILED
							 : WSD_EV_CONNECTED);
	if (!event)
		return false;
	endpoint->notice = false;
	if (endpoint->state == SHM_FAILED)
		event->status = endpoint->reason;
	event->data = handshake->hello.data;
	event->data_length = handshake->hello.data_length;
	event->local = handshake->local;
	event->remote = handshake->remote;
	shm_handshake_end(endpoint);
	return true;
}

static bool deliver_sent(struct wsd_endpoint *endpoint, struct shm_sink *sink)
{
	struct wsd_event *event;
	struct shm_sent *sent;

	while (endpoint->sent_head != endpoint->sent_tail) {
		event = next_event(endpoint, sink, WSD_EV_SEND);
		if (!event)
			return false;
		sent = &endpoint->sent[endpoint->sent_head++ & (endpoint->sent_size - 1)];
		event->id = sent->id;
		event->status = (enum wsd_status)sent->status;
		event->bytes = sent->bytes;
		endpoint->outstanding--;
	}
	return true;
}

/* Copy an entry out, once. relaxed: seq was loaded with acquire. */
static void copy_entry(const struct shm_cqe *slot, struct shm_entry *entry)
{
	entry->type = atomic_load_explicit(&slot->type, memory_order_relaxed);
	entry->length = atomic_load_explicit(&slot->length, memory_order_relaxed);
	entry->imm = atomic_load_explicit(&slot->imm, memory_order_relaxed);
	entry->key = atomic_load_explicit(&slot->key, memory_order_relaxed);
	entry->tag = atomic_load_explicit(&slot->tag, memory_order_relaxed);
	entry->address = atomic_load_explicit(&slot->address_low, memory_order_relaxed);
	entry->address |= (uint64_t)atomic_load_explicit(&slot->address_high, memory_order_relaxed)
			  << 32;
}

/* A message or an immediate: it takes the oldest posted receive. */
static void take_receive(struct wsd_endpoint *endpoint, const struct shm_entry *entry,
			 struct shm_sink *sink)
{
	uint32_t slot = endpoint->rq_head & (endpoint->own_layout.rq_size - 1);
	struct shm_recv *recv = &endpoint->recvs[slot];
	bool imm = entry->type == SHM_CQE_IMM;
	struct wsd_event *event;

	if (endpoint->rq_head == endpoint->rq_tail) {
		shm_violation(endpoint, "message without a posted receive");
		return;
	}
	if (entry->type == SHM_CQE_RECV_LONG ? entry->length <= recv->length
					     : !imm && entry->length > recv->length) {
		shm_violation(endpoint, "message length");
		return;
	}
	if (imm && entry->length > SHM_MAX_RDMA) {
		shm_violation(endpoint, "written length");
		return;
	}
	if (entry->type == SHM_CQE_RECV_BOUNCE && entry->length)
		memcpy(recv->addr,
		       (uint8_t *)endpoint->own + endpoint->own_layout.slot_offset +
			       (size_t)slot * endpoint->own_layout.slot_bytes,
		       entry->length);
	endpoint->rq_head++;
	event = next_event(endpoint, sink, imm ? WSD_EV_RECV_IMM : WSD_EV_RECV);
	event->id = recv->id;
	event->bytes = entry->length;
	event->imm = imm ? entry->imm : 0;
	if (entry->type == SHM_CQE_RECV_LONG) {
		event->status = WSD_ELENGTH;
		event->bytes = 0;
		endpoint->deaf = true;
		shm_break(endpoint, WSD_EPROTOCOL);
	}
}

/* A WRITE or READ of the peer to registered memory. */
static void serve(struct wsd_endpoint *endpoint, const struct shm_entry *entry)
{
	struct shm_entry answer = { .type = SHM_CQE_ACK, .tag = entry->tag };
	struct shm_peer_mem *bounce = shm_peer_mem_find(endpoint, entry->imm);

	if (!bounce || !(bounce->access & SHM_ACCESS_BOUNCE) || entry->tag >= SHM_BOUNCE_PIECES ||
	    entry->length > SHM_BOUNCE_BYTES) {
		shm_violation(endpoint, "request without bounce memory");
		return;
	}
	if (!shm_region_access(endpoint, entry,
			       bounce->base + (size_t)entry->tag * SHM_BOUNCE_BYTES))
		answer.imm = 1;
	if (shm_ring_push(endpoint, &answer) == WSD_OK && answer.imm) {
		endpoint->deaf = true;
		shm_break(endpoint, WSD_EPROTOCOL);
	}
}

static void take_entry(struct wsd_endpoint *endpoint, const struct shm_entry *entry,
		       struct shm_sink *sink)
{
	switch (entry->type) {
	case SHM_CQE_RECV:
	case SHM_CQE_RECV_BOUNCE:
	case SHM_CQE_RECV_LONG:
	case SHM_CQE_IMM:
		take_receive(endpoint, entry, sink);
		break;
	case SHM_CQE_WRITE:
	case SHM_CQE_READ:
		if (endpoint->state == SHM_OPEN)
			serve(endpoint, entry);
		break;
	case SHM_CQE_ACK:
		if (endpoint->state == SHM_OPEN)
			shm_work_acked(endpoint, entry);
		break;
	case SHM_CQE_DISCONNECT:
		endpoint->peer_done = true;
		break;
	default:
		shm_violation(endpoint, "unknown entry");
		break;
	}
}

/* Has every region that was announced before this entry arrived? Looks at the link if not. */
static bool regions_arrived(struct wsd_endpoint *endpoint)
{
	if (!shm_mem_due(endpoint))
		return true;
	wsd_mutex_unlock(&endpoint->lock);
	shm_link_receive(endpoint->link);
	wsd_mutex_lock(&endpoint->lock);
	return !shm_mem_due(endpoint);
}

static bool may_take(const struct wsd_endpoint *endpoint)
{
	return !endpoint->peer_done && !endpoint->deaf &&
	       (endpoint->state == SHM_OPEN || endpoint->state == SHM_BROKEN);
}

static enum taken take_entries(struct wsd_endpoint *endpoint, struct shm_sink *sink)
{
	uint32_t mask = endpoint->own_layout.cq_size - 1, end = endpoint->cq_head + mask + 1;
	struct shm_entry entry;
	struct shm_cqe *slot;

	while (may_take(endpoint)) {
		slot = &endpoint->own_cq[endpoint->cq_head & mask];
		/* acquire: the entry and the bytes that it announces */
		if (atomic_load_explicit(&slot->seq, memory_order_acquire) != endpoint->cq_head + 1)
			return TAKEN_ALL;
		/* One ringful: a peer whose requests never end keeps nobody from the others. */
		if (sink->count == sink->limit || endpoint->cq_head == end)
			return TAKEN_FULL;
		if (!regions_arrived(endpoint)) {
			shm_watch_end(endpoint);
			return TAKEN_STALLED; /* its arrival brings us back */
		}
		if (!may_take(endpoint))
			break;
		copy_entry(slot, &entry);
		endpoint->cq_head++;
		/* release: the slot has been read; before an answer that lets the peer reuse it */
		atomic_store_explicit(&endpoint->own->cq_head, endpoint->cq_head,
				      memory_order_release);
		take_entry(endpoint, &entry, sink);
	}
	return TAKEN_ALL;
}

/* Tell the end of the connection if it has come. gone and lost: as they were before the ring was
 * emptied, so that nothing that had arrived is missed. */
static bool deliver_end(struct wsd_endpoint *endpoint, struct shm_sink *sink, uint32_t gone,
			bool lost)
{
	enum wsd_status status = WSD_OK;
	struct wsd_event *event;

	if (endpoint->state == SHM_BROKEN)
		status = endpoint->reason;
	else if (endpoint->peer_done || endpoint->closed)
		status = WSD_OK;
	else if (gone)
		status = gone == SHM_GONE_PROTOCOL ? WSD_EPROTOCOL : WSD_ERESET;
	else if (lost)
		status = WSD_ERESET;
	else
		return true;
	event = next_event(endpoint, sink, WSD_EV_DISCONNECTED);
	if (!event)
		return false;
	event->status = status;
	endpoint->state = SHM_DEAD;
	shm_work_drop(endpoint);
	return true;
}

static bool run(struct wsd_endpoint *endpoint, struct shm_sink *sink)
{
	/* acquire: what was in the ring before the peer left */
	uint32_t gone = atomic_load_explicit(&endpoint->own->gone, memory_order_acquire);
	bool lost = endpoint->link_lost;
	enum taken taken;

	if (!deliver_sent(endpoint, sink))
		return false;
	taken = take_entries(endpoint, sink);
	if (endpoint->work_first) {
		(void)regions_arrived(endpoint); /* it may wait for one */
		shm_work_progress(endpoint);
	}
	if (endpoint->state == SHM_OPEN)
		shm_close_when_done(endpoint);
	if (taken == TAKEN_FULL || !deliver_sent(endpoint, sink))
		return false;
	return taken == TAKEN_STALLED || deliver_end(endpoint, sink, gone, lost);
}

bool shm_endpoint_progress(struct wsd_endpoint *endpoint, struct shm_sink *sink)
{
	bool all;

	wsd_mutex_lock(&endpoint->lock);
	all = deliver_notice(endpoint, sink);
	if (all && (endpoint->state == SHM_OPEN || endpoint->state == SHM_BROKEN))
		all = run(endpoint, sink);
	if (!may_take(endpoint))
		shm_watch_end(endpoint);
	shm_announce(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	return all;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_ring.c - the sending half of a connection: claim a posted receive, place the bytes, publish a
 * completion entry. Numbers that the peer writes are loaded once and checked before use.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

/* Entry fields are relaxed: seq, stored with release and loaded with acquire, orders them. */
#define PUT(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)
#define GET(field)	  atomic_load_explicit(&(field), memory_order_relaxed)

enum wsd_status shm_ring_push(struct wsd_endpoint *endpoint, const struct shm_entry *entry)
{
	uint32_t size = endpoint->peer_layout.cq_size, position = endpoint->cq_tail;
	struct shm_cqe *slot = &endpoint->peer_cq[position & (size - 1)];

	if (position - endpoint->cq_taken >= size) {
		endpoint->cq_taken =
			/* acquire: the peer has finished reading the slots that it gives back */
			atomic_load_explicit(&endpoint->peer->cq_head, memory_order_acquire);
		/* Sized so that it never fills between honest peers. */
		if (position - endpoint->cq_taken >= size) {
			shm_violation(endpoint, "completion ring overrun");
			return WSD_EPROTOCOL;
		}
	}
	PUT(slot->type, entry->type);
	PUT(slot->length, entry->length);
	PUT(slot->imm, entry->imm);
	PUT(slot->key, entry->key);
	PUT(slot->address_low, (uint32_t)entry->address);
	PUT(slot->address_high, (uint32_t)(entry->address >> 32));
	PUT(slot->tag, entry->tag);
	/* release: publishes the entry and every byte placed before it */
	atomic_store_explicit(&slot->seq, position + 1, memory_order_release);
	endpoint->cq_tail = position + 1;
	endpoint->entries = true;
	return WSD_OK;
}

static enum wsd_status look_for_receives(struct wsd_endpoint *endpoint)
{
	uint32_t tail = atomic_load(&endpoint->peer->rq_tail);

	if (tail - endpoint->rq_next > endpoint->peer_layout.rq_size) {
		shm_violation(endpoint, "receive queue overrun");
		return WSD_EPROTOCOL;
	}
	endpoint->rq_seen = tail;
	return tail == endpoint->rq_next ? WSD_AGAIN : WSD_OK;
}

/* Is there a posted receive? WSD_AGAIN: the peer rings us when it posts one. */
static enum wsd_status claim(struct wsd_endpoint *endpoint)
{
	enum wsd_status status = WSD_OK;

	if (endpoint->rq_next == endpoint->rq_seen)
		status = look_for_receives(endpoint);
	if (status == WSD_AGAIN && !endpoint->waiting) {
		/* seq_cst on both sides: either we see the receive or its poster sees the flag. */
		atomic_store(&endpoint->peer->waits, 1);
		endpoint->waiting = true;
		status = look_for_receives(endpoint);
	}
	if (!status && endpoint->waiting) {
		/* relaxed: a ring too many does no harm */
		atomic_store_explicit(&endpoint->peer->waits, 0, memory_order_relaxed);
		endpoint->waiting = false;
	}
	return status;
}

enum wsd_status shm_push_imm(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	struct shm_entry entry = { .type = SHM_CQE_IMM, .length = op->length, .imm = op->imm };
	enum wsd_status status = claim(endpoint);

	if (status)
		return status;
	endpoint->rq_next++;
	return shm_ring_push(endpoint, &entry);
}

/* Where a posted receive wants its message. NULL: in a region that we have not heard of (yet). */
static uint8_t *receive_memory(struct wsd_endpoint *endpoint, const struct shm_rqe *rqe,
			       uint32_t length)
{
	uint64_t offset = GET(rqe->offset_low) | (uint64_t)GET(rqe->offset_high) << 32;
	uint64_t bytes = endpoint->peer_layout.area_bytes;
	uint32_t key = GET(rqe->key);
	struct shm_peer_mem *mem;
	uint8_t *base;

	if (key == SHM_KEY_AREA) {
		base = (uint8_t *)endpoint->peer + endpoint->peer_layout.area_offset;
	} else {
		mem = key ? shm_peer_mem_find(endpoint, key) : NULL;
		if (!mem)
			return NULL;
		base = mem->base;
		bytes = mem->length;
	}
	return offset <= bytes && length <= bytes - offset ? base + offset : NULL;
}

static enum wsd_status execute_send(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	struct shm_entry entry = { .type = SHM_CQE_RECV, .length = op->length };
	enum wsd_status status;
	struct shm_rqe *rqe;
	uint32_t slot, most;
	uint8_t *to;

	status = claim(endpoint);
	if (status)
		return status;
	slot = endpoint->rq_next++ & (endpoint->peer_layout.rq_size - 1);
	rqe = &endpoint->peer_rq[slot];
	most = GET(rqe->length);
	if (op->length > most || op->length > endpoint->peer_layout.slot_bytes) {
		entry.type = SHM_CQE_RECV_LONG;
		status = shm_ring_push(endpoint, &entry);
		return status ? status : WSD_ELENGTH;
	}
	to = receive_memory(endpoint, rqe, op->length);
	if (!to) {
		entry.type = SHM_CQE_RECV_BOUNCE;
		to = (uint8_t *)endpoint->peer + endpoint->peer_layout.slot_offset +
		     (size_t)slot * endpoint->peer_layout.slot_bytes;
	}
	shm_gather(op, 0, to, op->length);
	return shm_ring_push(endpoint, &entry);
}

/* The mapped memory of the peer that op reaches. WSD_PENDING: not mapped, ask the target. */
static enum wsd_status locate(struct wsd_endpoint *endpoint, const struct shm_op *op,
			      uint32_t right, const struct shm_peer_mem **found)
{
	const struct shm_peer_mem *mem = shm_peer_mem_find(endpoint, op->remote_key);
	uint64_t offset = op->remote_addr - SHM_MEM_ADDR;

	if (!mem && op->remote_key >> 31)
		return WSD_PENDING;
	if (shm_mem_due(endpoint))
		return WSD_AGAIN;
	if (!mem)
		return WSD_EREMOTE_ACCESS;
	if (!(mem->access & right) || (mem->access & SHM_ACCESS_BOUNCE) ||
	    op->remote_addr < SHM_MEM_ADDR || offset > mem->length ||
	    op->length > mem->length - offset)
		return WSD_EREMOTE_ACCESS;
	*found = mem;
	return WSD_OK;
}

static enum wsd_status execute_write(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	const struct shm_peer_mem *mem;
	enum wsd_status status;

	if (op->length) {
		status = locate(endpoint, op, WSD_ACCESS_REMOTE_WRITE, &mem);
		if (status)
			return status;
		if (op->op == WSD_OP_WRITE_IMM && (status = claim(endpoint)) != WSD_OK)
			return status;
		shm_copy_write(endpoint, op, mem);
	}
	return op->op == WSD_OP_WRITE_IMM ? shm_push_imm(endpoint, op) : WSD_OK;
}

static enum wsd_status execute_read(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	const struct shm_peer_mem *mem;
	enum wsd_status status;

	if (!op->length)
		return WSD_OK;
	status = locate(endpoint, op, WSD_ACCESS_REMOTE_READ, &mem);
	if (!status)
		shm_scatter(op, 0, mem->base + (op->remote_addr - SHM_MEM_ADDR), op->length);
	return status;
}

/* WSD_OK: done. WSD_AGAIN: later. WSD_PENDING: the target's engine has to. Else it failed. */
enum wsd_status shm_execute(struct wsd_endpoint *endpoint, const struct shm_op *op)
{
	switch ((enum wsd_work_op)op->op) {
	case WSD_OP_SEND:
		return execute_send(endpoint, op);
	case WSD_OP_WRITE:
	case WSD_OP_WRITE_IMM:
		return execute_write(endpoint, op);
	case WSD_OP_READ:
		return execute_read(endpoint, op);
	}
	return WSD_EINVAL;
}

// SPDX-License-Identifier: BSD-2-Clause
/* verbs_post.c - posting: checks, translation, one doorbell for a list. */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <string.h>

static uint32_t local_key(const struct wsd_region *region)
{
	return wsd_container(region, const struct verbs_region, pub)->mr->lkey;
}

/* The bytes of a request; UINT64_MAX: no region where one is needed. */
static uint64_t gather(const struct wsd_work *work, struct ibv_sge *sge, int *count, bool regions)
{
	uint64_t total = 0;
	uint32_t i;
	int n = 0;

	for (i = 0; i < work->sge_count; i++) {
		const struct wsd_sge *from = &work->sge[i];

		if (from->length == 0)
			continue;
		if (!from->region && regions)
			return UINT64_MAX;
		sge[n].addr = (uintptr_t)from->addr;
		sge[n].length = from->length;
		sge[n].lkey = from->region ? local_key(from->region) : 0;
		total += from->length;
		n++;
	}
	*count = n;
	return total;
}

/* False: malformed. */
static bool translate(const struct wsd_endpoint *endpoint, const struct wsd_work *work,
		      struct ibv_send_wr *wr, struct ibv_sge *sge)
{
	static const enum ibv_wr_opcode opcodes[] = {
		[WSD_OP_SEND] = IBV_WR_SEND,
		[WSD_OP_WRITE] = IBV_WR_RDMA_WRITE,
		[WSD_OP_WRITE_IMM] = IBV_WR_RDMA_WRITE_WITH_IMM,
		[WSD_OP_READ] = IBV_WR_RDMA_READ,
	};
	const struct wsd_device *device = endpoint->queue->device;
	bool wish = (work->flags & WSD_WORK_INLINE) != 0;
	uint64_t bytes;

	if (work->sge_count > endpoint->max_send_sge || (unsigned)work->op > WSD_OP_READ ||
	    (wish && work->op == WSD_OP_READ) ||
	    (work->op == WSD_OP_WRITE_IMM && !device->immediate) ||
	    (work->op == WSD_OP_READ && !device->max_read_out))
		return false;
	bytes = gather(work, sge, &wr->num_sge, !wish);
	if (bytes > (wish ? device->max_inline : device->max_bytes))
		return false;
	wr->sg_list = sge;
	wr->opcode = opcodes[work->op];
	wr->send_flags = 0;
	if (work->flags & WSD_WORK_SIGNALLED)
		wr->send_flags |= IBV_SEND_SIGNALED;
	if (work->flags & WSD_WORK_FENCE)
		wr->send_flags |= IBV_SEND_FENCE;
	/* Whoever asked or not: the adapter need not fetch what is small. */
	if (bytes > 0 && bytes <= device->max_inline && work->op != WSD_OP_READ)
		wr->send_flags |= IBV_SEND_INLINE;
	if (work->op == WSD_OP_WRITE_IMM)
		wr->imm_data = htobe32(work->imm);
	wr->wr.rdma.remote_addr = work->remote_addr;
	wr->wr.rdma.rkey = work->remote_key;
	return true;
}

static enum wsd_status post_chain(struct wsd_endpoint *endpoint, const struct wsd_work **list,
				  uint32_t *posted)
{
	struct ibv_send_wr chain[VERBS_CHAIN], *bad = NULL;
	struct ibv_sge sge[VERBS_CHAIN][VERBS_SGE];
	const struct wsd_work *work = *list;
	enum wsd_status status = WSD_OK;
	/* relaxed: who posts writes it alone; acquire: ids up to there have been read */
	uint32_t first = atomic_load_explicit(&endpoint->tx_posted, memory_order_relaxed);
	uint32_t done = atomic_load_explicit(&endpoint->tx_done, memory_order_acquire), n = 0;
	int error;

	for (; work && n < VERBS_CHAIN; work = work->next, n++) {
		if (first + n - done >= endpoint->send_depth) {
			status = WSD_AGAIN;
			break;
		}
		if (!translate(endpoint, work, &chain[n], sge[n])) {
			status = WSD_EINVAL;
			break;
		}
		chain[n].wr_id = verbs_wr_id(endpoint, VERBS_WORK_SEND, first + n);
		chain[n].next = NULL;
		if (n > 0)
			chain[n - 1].next = &chain[n];
		endpoint->tx_ids[(first + n) & endpoint->send_mask] = work->id;
	}
	*list = work;
	if (n == 0)
		return status;
	error = ibv_post_send(endpoint->qp, chain, &bad);
	if (error) {
		n = bad ? (uint32_t)(bad - chain) : 0;
		status = error == ENOMEM ? WSD_AGAIN : WSD_EINVAL;
	}
	atomic_store_explicit(&endpoint->tx_posted, first + n, memory_order_relaxed);
	verbs_count(endpoint->queue->device->counters.posts);
	verbs_count_more(endpoint->queue->device->counters.works, n);
	*posted += n;
	return status;
}

enum wsd_status verbs_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	if (atomic_load(&endpoint->state) != VERBS_OPEN)
		return WSD_ESTATE;
	while (list && status == WSD_OK)
		status = post_chain(endpoint, &list, posted);
	return status;
}

static enum wsd_status recv_chain(struct wsd_endpoint *endpoint, const struct wsd_recv **list,
				  uint32_t *posted)
{
	struct ibv_recv_wr chain[VERBS_CHAIN], *bad = NULL;
	struct ibv_sge sge[VERBS_CHAIN];
	const struct wsd_recv *recv = *list;
	enum wsd_status status = WSD_OK;
	/* as in post_chain */
	uint32_t first = endpoint->rx_posted;
	uint32_t done = atomic_load_explicit(&endpoint->rx_done, memory_order_acquire), n = 0;

	for (; recv && n < VERBS_CHAIN; recv = recv->next, n++) {
		const struct wsd_region *region = recv->sge.region;

		if (first + n - done >= endpoint->recv_depth) {
			status = WSD_AGAIN;
			break;
		}
		if (recv->sge.length > endpoint->recv_bytes || (recv->sge.length > 0 && !region)) {
			status = WSD_EINVAL;
			break;
		}
		sge[n].addr = (uintptr_t)recv->sge.addr;
		sge[n].length = recv->sge.length;
		sge[n].lkey = region ? local_key(region) : 0;
		chain[n].wr_id = verbs_wr_id(endpoint, VERBS_WORK_RECV, first + n);
		chain[n].next = NULL;
		chain[n].sg_list = &sge[n];
		chain[n].num_sge = recv->sge.length > 0;
		if (n > 0)
			chain[n - 1].next = &chain[n];
		endpoint->rx_ids[(first + n) & endpoint->recv_mask] = recv->id;
	}
	*list = recv;
	if (n == 0)
		return status;
	if (ibv_post_recv(endpoint->qp, chain, &bad) != 0) {
		n = bad ? (uint32_t)(bad - chain) : 0;
		status = WSD_AGAIN;
	}
	endpoint->rx_posted += n;
	*posted += n;
	return status;
}

enum wsd_status verbs_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
				uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	if (atomic_load(&endpoint->state) >= VERBS_ENDED)
		return WSD_ESTATE;
	while (list && status == WSD_OK)
		status = recv_chain(endpoint, &list, posted);
	return status;
}

/* Behind all other work, into the peer's word: when it has completed, everything has arrived. */
bool verbs_post_goodbye(struct wsd_endpoint *endpoint)
{
	struct ibv_sge sge;
	struct ibv_send_wr *bad, wr = { .wr_id = verbs_wr_id(endpoint, VERBS_WORK_GOODBYE, 0),
					.sg_list = &sge,
					.num_sge = 1,
					.opcode = IBV_WR_RDMA_WRITE,
					.send_flags = IBV_SEND_SIGNALED };

	verbs_word_source(endpoint, &sge);
	wr.wr.rdma.remote_addr = endpoint->peer.word_addr;
	wr.wr.rdma.rkey = endpoint->peer.word_key;
	return ibv_post_send(endpoint->qp, &wr, &bad) == 0;
}

/* In the error state these come back flushed, behind everything else. */
void verbs_post_drain(struct wsd_endpoint *endpoint)
{
	struct ibv_send_wr *bad_send, send = { .wr_id = verbs_wr_id(endpoint, VERBS_WORK_DRAIN, 0),
					       .opcode = IBV_WR_RDMA_WRITE,
					       .send_flags = IBV_SEND_SIGNALED };
	struct ibv_recv_wr *bad_recv,
		recv = { .wr_id = verbs_wr_id(endpoint, VERBS_WORK_DRAIN, 1) };

	endpoint->tx_drained = ibv_post_send(endpoint->qp, &send, &bad_send) != 0;
	endpoint->rx_drained = ibv_post_recv(endpoint->qp, &recv, &bad_recv) != 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_watch.c - the endpoint whose completion ring the owner looks at in each poll.
 *
 * Between two that poll, each word that both touch costs the time that its line takes from one CPU to the
 * other. So where one connection has all the traffic, its receiver says that it watches the ring, and the
 * sender leaves the inbox alone. Only entries are seen so; all other news go through the inbox.
 */

#include "rdma_backend/shm/shm_internal.h"

#define WATCH_AFTER 8u /* looks into the inbox that found the same endpoint, and it alone */

static bool sees_entry(const struct wsd_endpoint *endpoint)
{
	uint32_t mask = endpoint->own_layout.cq_size - 1;

	/* relaxed: who takes the entry loads it again. cq_head changes in the owner's hands only. */
	return atomic_load_explicit(&endpoint->own_cq[endpoint->cq_head & mask].seq,
				    memory_order_relaxed) == endpoint->cq_head + 1;
}

/* alone: nothing is marked. Else it waits for its turn among what is, so that none keeps others waiting. */
void shm_watch_look(struct wsd_queue *queue, struct shm_sink *sink, bool alone)
{
	struct wsd_endpoint *endpoint = queue->watched;

	if (!sees_entry(endpoint))
		return;
	queue->streak = 0;
	if (!alone || !shm_endpoint_progress(endpoint, sink))
		shm_inbox_set(queue->marks, endpoint->index);
}

/* What was published before the peer sees the word is in the inbox; what comes after is looked for. */
void shm_watch_found(struct wsd_queue *queue, uint32_t index)
{
	struct wsd_endpoint *endpoint = shm_queue_endpoint(queue, index);

	if (!endpoint || endpoint == queue->watched)
		return;
	if (index != queue->streak_index) {
		queue->streak_index = index;
		queue->streak = 0;
	}
	if (++queue->streak < WATCH_AFTER)
		return;
	if (queue->watched)
		shm_watch_end(queue->watched);
	queue->watched = endpoint;
	/* relaxed: nothing is published by it */
	atomic_store_explicit(&endpoint->own->watched, 1, memory_order_relaxed);
}

void shm_watch_end(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;

	if (queue->watched != endpoint)
		return;
	queue->watched = NULL;
	queue->streak = 0;
	/* relaxed: the fence, which pairs with the one of shm_announce, is what counts: either the peer
	 * sees the word and tells the inbox, or we see its entry. */
	atomic_store_explicit(&endpoint->own->watched, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (sees_entry(endpoint))
		shm_inbox_set(queue->marks, endpoint->index);
}

// SPDX-License-Identifier: BSD-2-Clause
/* shm_endpoint.c - making, disconnecting, breaking and destroying the object of one connection. */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define SENT_FIRST 16u /* completions: few are ever unreported, see sent_grow */

static uint32_t power_of_two(uint32_t value)
{
	uint32_t power = 1;

	while (power < value)
		power *= 2;
	return power;
}

bool shm_layout_make(struct shm_layout *layout, uint32_t recv_depth, uint32_t recv_bytes)
{
	if (!recv_depth || recv_depth > SHM_MAX_DEPTH || recv_bytes > SHM_MAX_MESSAGE)
		return false;
	layout->rq_size = power_of_two(recv_depth);
	/* Every receive, every piece with its answer in both roles, one disconnect: always room. */
	layout->cq_size = power_of_two(recv_depth + 2 * SHM_BOUNCE_PIECES + 2);
	layout->slot_bytes = (recv_bytes + SHM_LINE - 1) / SHM_LINE * SHM_LINE;
	layout->rq_offset = (uint32_t)sizeof(struct shm_segment) +
			    layout->cq_size * (uint32_t)sizeof(struct shm_cqe);
	layout->area_offset =
		layout->rq_offset + layout->rq_size * (uint32_t)sizeof(struct shm_rqe);
	layout->area_offset = (layout->area_offset + SHM_LINE - 1) / SHM_LINE * SHM_LINE;
	layout->area_bytes = recv_depth * layout->slot_bytes;
	layout->slot_offset = layout->area_offset + layout->area_bytes;
	layout->length = layout->slot_offset + layout->rq_size * layout->slot_bytes;
	layout->length = (layout->length + SHM_PAGE - 1) / SHM_PAGE * SHM_PAGE;
	return true;
}

static enum wsd_status make_segment(struct wsd_endpoint *endpoint)
{
	enum wsd_status status;
	void *address;

	status = shm_share_create(endpoint->own_layout.length, &endpoint->own_share, &address);
	if (status)
		return status;
	endpoint->own = address;
	endpoint->own_cq = (struct shm_cqe *)(endpoint->own + 1);
	endpoint->own_rq =
		(struct shm_rqe *)(void *)((uint8_t *)address + endpoint->own_layout.rq_offset);
	return WSD_OK;
}

static enum wsd_status take_index(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;
	uint32_t i;

	for (i = queue->free_index; i < queue->endpoint_capacity && queue->endpoints[i]; i++)
		;
	if (i >= SHM_MAX_INDEX)
		return WSD_ENOMEM;
	if (i == queue->endpoint_capacity && shm_queue_grow(queue))
		return WSD_ENOMEM;
	queue->endpoints[i] = endpoint;
	queue->free_index = i + 1;
	endpoint->index = i;
	endpoint->generation = ++queue->generation;
	return WSD_OK;
}

static void give_index(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;

	queue->endpoints[endpoint->index] = NULL;
	if (endpoint->index < queue->free_index)
		queue->free_index = endpoint->index;
}

static void endpoint_free(struct wsd_endpoint *endpoint)
{
	const struct wsd_host *host = endpoint->queue->host;

	shm_share_close(&endpoint->own_share);
	if (endpoint->own)
		wsd_shared_unmap(endpoint->own, endpoint->own_layout.length);
	if (endpoint->peer)
		wsd_shared_unmap(endpoint->peer, endpoint->peer_layout.length);
	wsd_mutex_fini(&endpoint->lock);
	host->free(endpoint->recvs);
	host->free(endpoint->sent);
	host->free(endpoint);
}

static struct wsd_endpoint *endpoint_alloc(struct wsd_queue *queue,
					   const struct wsd_endpoint_attr *attr, void *context)
{
	struct wsd_endpoint *endpoint = queue->host->alloc(sizeof(*endpoint));

	if (!endpoint)
		return NULL;
	endpoint->queue = queue;
	endpoint->context = context;
	endpoint->own_share = SHM_NO_SHARE;
	endpoint->send_depth = attr->send_depth;
	endpoint->max_send_sge = attr->max_send_sge ? attr->max_send_sge : SHM_MAX_SGE;
	endpoint->recv_depth = attr->recv_depth ? attr->recv_depth : 1;
	endpoint->recv_bytes = attr->recv_bytes;
	endpoint->work_end = &endpoint->work_first;
	wsd_mutex_init(&endpoint->lock);
	wsd_list_init(&endpoint->link_node);
	wsd_list_init(&endpoint->mem);
	return endpoint;
}

enum wsd_status shm_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				    const struct wsd_endpoint_attr *attr, void *context,
				    struct wsd_endpoint **result)
{
	struct wsd_endpoint *endpoint;
	struct shm_layout layout;
	enum wsd_status status = WSD_ENOMEM;

	if (attr->size < sizeof(*attr) || !attr->send_depth || attr->send_depth > SHM_MAX_DEPTH ||
	    attr->max_send_sge > SHM_MAX_SGE || (request && request->endpoint) ||
	    !shm_layout_make(&layout, attr->recv_depth ? attr->recv_depth : 1, attr->recv_bytes))
		return WSD_EINVAL;
	endpoint = endpoint_alloc(queue, attr, context);
	if (!endpoint)
		return WSD_ENOMEM;
	endpoint->own_layout = layout;
	endpoint->sent_size =
		attr->send_depth < SENT_FIRST ? power_of_two(attr->send_depth) : SENT_FIRST;
	endpoint->sent = queue->host->alloc(endpoint->sent_size * sizeof(*endpoint->sent));
	endpoint->recvs = queue->host->alloc(layout.rq_size * sizeof(*endpoint->recvs));
	if (endpoint->sent && endpoint->recvs)
		status = make_segment(endpoint);
	if (!status)
		status = take_index(endpoint);
	if (status) {
		endpoint_free(endpoint);
		return status;
	}
	endpoint->request = request;
	if (request)
		request->endpoint = endpoint;
	*result = endpoint;
	return WSD_OK;
}

void shm_endpoint_set_peer(struct wsd_endpoint *endpoint, struct shm_segment *segment,
			   const struct shm_layout *layout, const struct shm_msg_hello *hello)
{
	wsd_mutex_lock(&endpoint->lock);
	endpoint->peer = segment;
	endpoint->peer_cq = (struct shm_cqe *)(segment + 1);
	endpoint->peer_rq = (struct shm_rqe *)(void *)((uint8_t *)segment + layout->rq_offset);
	endpoint->peer_layout = *layout;
	endpoint->peer_index = hello->index;
	endpoint->peer_generation = hello->generation;
	wsd_mutex_unlock(&endpoint->lock);
}

void shm_endpoint_destroy(struct wsd_endpoint *endpoint)
{
	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state == SHM_OPEN)
		shm_break(endpoint, WSD_EABORTED);
	else if (endpoint->state == SHM_ACCEPTING)
		atomic_store(&endpoint->peer->gone, SHM_GONE_RESET); /* it may have our answer */
	endpoint->state = SHM_DEAD;
	shm_work_drop(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	shm_handshake_end(endpoint);
	if (endpoint->request)
		endpoint->request->endpoint = NULL;
	shm_watch_end(endpoint);
	shm_link_detach(endpoint);
	shm_mem_clear(endpoint);
	give_index(endpoint);
	endpoint_free(endpoint);
}

void shm_break(struct wsd_endpoint *endpoint, enum wsd_status reason)
{
	uint32_t word = reason == WSD_EPROTOCOL ? SHM_GONE_PROTOCOL : SHM_GONE_RESET;

	if (endpoint->state != SHM_OPEN)
		return;
	endpoint->state = SHM_BROKEN;
	endpoint->reason = reason;
	if (endpoint->peer)
		atomic_store(&endpoint->peer->gone, word);
	endpoint->news = true;
	shm_work_drop(endpoint);
	shm_announce(endpoint);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

void shm_violation(struct wsd_endpoint *endpoint, const char *what)
{
	struct wsd_device *device = endpoint->queue->device;

	if (endpoint->state != SHM_OPEN)
		return;
	endpoint->deaf = true;
	shm_count(device->protocol_errors);
	device->host->log(1, "shm", "connection %u: the peer broke the protocol: %s",
			  endpoint->index, what);
	shm_break(endpoint, WSD_EPROTOCOL);
}

enum wsd_status shm_disconnect(struct wsd_endpoint *endpoint)
{
	enum wsd_status status = WSD_OK;

	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state == SHM_OPEN) {
		endpoint->closing = true;
		shm_close_when_done(endpoint);
		shm_announce(endpoint);
		shm_queue_mark(endpoint->queue, endpoint->index);
	} else if (endpoint->state != SHM_BROKEN && endpoint->state != SHM_DEAD) {
		status = WSD_ESTATE;
	}
	wsd_mutex_unlock(&endpoint->lock);
	return status;
}

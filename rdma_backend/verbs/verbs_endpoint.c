// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_endpoint.c - connections: their queue pairs, their ends, and what remains of them until the
 * device has let go of their work. (rxe crashes when a queue pair is destroyed that is still busy.)
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <string.h>

static uint32_t power_of_two(uint32_t least)
{
	uint32_t n = 1;

	while (n < least)
		n *= 2;
	return n;
}

static enum wsd_status qp_create(struct wsd_endpoint *endpoint)
{
	struct wsd_device *device = endpoint->queue->device;
	struct ibv_qp_init_attr init = { .qp_context = endpoint, .qp_type = IBV_QPT_RC };
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT };

	init.send_cq = init.recv_cq = endpoint->cq->cq;
	init.cap.max_send_wr = endpoint->send_depth + 2; /* goodbye, drain */
	init.cap.max_recv_wr = endpoint->recv_depth + 1; /* drain */
	init.cap.max_send_sge = endpoint->max_send_sge;
	init.cap.max_recv_sge = 1;
	init.cap.max_inline_data = device->max_inline;
	endpoint->qp = ibv_create_qp(device->pd, &init);
	if (!endpoint->qp)
		return errno == EINVAL ? WSD_EINVAL : verbs_no_room(errno, NULL, 1);
	/* Receives can be posted from here on; the port may still change. */
	attr.port_num = endpoint->request ? endpoint->request->id->port_num : device->port;
	attr.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
	if (ibv_modify_qp(endpoint->qp, &attr,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) !=
	    0)
		return WSD_EDEVICE;
	return WSD_OK;
}

static enum wsd_status setup(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;
	uint32_t need = endpoint->send_depth + 2 + endpoint->recv_depth + 1;
	enum wsd_status status = verbs_slot_take(queue, endpoint);

	if (status != WSD_OK)
		return status;
	endpoint->tagged = true;
	status = verbs_word_take(queue, &endpoint->word);
	if (status == WSD_OK)
		status = verbs_cq_reserve(queue, need, &endpoint->cq);
	if (status == WSD_OK) {
		endpoint->need = need;
		status = qp_create(endpoint);
	}
	return status;
}

static bool attr_valid(const struct wsd_device *device, const struct wsd_endpoint_attr *attr)
{
	return attr->size >= sizeof(*attr) && attr->send_depth > 0 &&
	       attr->send_depth <= device->max_send && attr->recv_depth > 0 &&
	       attr->recv_depth <= device->max_recv && attr->recv_bytes <= device->max_bytes &&
	       attr->max_send_sge > 0 && attr->max_send_sge <= device->max_sge;
}

enum wsd_status verbs_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				      const struct wsd_endpoint_attr *attr, void *context,
				      struct wsd_endpoint **made)
{
	struct wsd_endpoint *endpoint;
	enum wsd_status status;
	uint32_t sends, receives;

	if (!attr_valid(queue->device, attr))
		return WSD_EINVAL;
	sends = power_of_two(attr->send_depth);
	receives = power_of_two(attr->recv_depth);
	endpoint = queue->device->host->alloc(sizeof(*endpoint) +
					      (sends + receives) * sizeof(uint64_t));
	if (!endpoint)
		return WSD_ENOMEM;
	endpoint->source.kind = VERBS_ENDPOINT;
	endpoint->queue = queue;
	endpoint->context = context;
	endpoint->request = request;
	endpoint->tx_ids = endpoint->ids;
	endpoint->rx_ids = endpoint->ids + sends;
	endpoint->send_mask = sends - 1;
	endpoint->recv_mask = receives - 1;
	endpoint->send_depth = attr->send_depth;
	endpoint->recv_depth = attr->recv_depth;
	endpoint->recv_bytes = attr->recv_bytes;
	endpoint->max_send_sge = attr->max_send_sge;
	if (attr->traffic_class)
		verbs_set_traffic_class(endpoint, attr->traffic_class);
	wsd_list_init(&endpoint->ended);
	wsd_list_init(&endpoint->waiting);
	wsd_list_init(&endpoint->memory);
	status = setup(endpoint);
	if (status != WSD_OK) {
		verbs_endpoint_free(endpoint);
		return status;
	}
	*made = endpoint;
	return WSD_OK;
}

void verbs_endpoint_free(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;
	struct wsd_list *node;

	if (atomic_load(&endpoint->state) == VERBS_DRAINING &&
	    !(endpoint->tx_drained && endpoint->rx_drained))
		verbs_count(queue->device->counters.not_drained);
	verbs_deadline(endpoint, 0);
	verbs_probe_end(&endpoint->probe);
	if (endpoint->qp)
		ibv_destroy_qp(endpoint->qp);
	while ((node = wsd_list_pop(&endpoint->memory)) != NULL)
		verbs_dereg(&wsd_container(node, struct verbs_region, link)->pub);
	if (endpoint->id)
		rdma_destroy_id(endpoint->id);
	if (endpoint->need)
		endpoint->cq->used -= endpoint->need;
	verbs_word_give(&endpoint->word);
	if (endpoint->tagged)
		verbs_slot_give(queue, endpoint);
	queue->device->host->free(endpoint);
}

void verbs_qp_error(struct wsd_endpoint *endpoint)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	(void)ibv_modify_qp(endpoint->qp, &attr, IBV_QP_STATE);
}

void verbs_part(struct wsd_endpoint *endpoint)
{
	if (endpoint->linked)
		(void)rdma_disconnect(endpoint->id);
	endpoint->linked = false;
}

enum wsd_status verbs_end_reason(const struct wsd_endpoint *endpoint, enum wsd_status otherwise)
{
	return verbs_word_said(endpoint) ? WSD_OK : otherwise;
}

void verbs_end(struct wsd_endpoint *endpoint, enum wsd_status status)
{
	enum verbs_state state = atomic_load(&endpoint->state);

	if (state != VERBS_OPEN && state != VERBS_CLOSING)
		return;
	atomic_store(&endpoint->state, VERBS_ENDED);
	endpoint->end_status = status;
	wsd_list_append(&endpoint->queue->ended, &endpoint->ended);
	verbs_qp_error(endpoint);
	verbs_part(endpoint);
}

enum wsd_status verbs_disconnect(struct wsd_endpoint *endpoint)
{
	if (atomic_load(&endpoint->state) != VERBS_OPEN)
		return WSD_ESTATE;
	atomic_store(&endpoint->state, VERBS_CLOSING);
	if (!verbs_post_goodbye(endpoint))
		verbs_end(endpoint, WSD_ERESET);
	return WSD_OK;
}

void verbs_drained(struct wsd_endpoint *endpoint)
{
	if (endpoint->tx_drained && endpoint->rx_drained && (endpoint->parted || !endpoint->id))
		verbs_endpoint_free(endpoint);
}

void verbs_endpoint_destroy(struct wsd_endpoint *endpoint)
{
	wsd_list_remove(&endpoint->ended);
	if (endpoint->ready) {
		verbs_qp_error(endpoint);
		verbs_part(endpoint);
	}
	if (!endpoint->ready) { /* never had anything to do */
		verbs_endpoint_free(endpoint);
		return;
	}
	atomic_store(&endpoint->state, VERBS_DRAINING);
	verbs_deadline(endpoint, endpoint->queue->device->host->now() + VERBS_DRAIN_NS);
	verbs_post_drain(endpoint);
	/* Once more: an rxe that has flushed its receives looks at new ones only when it is told again. */
	verbs_qp_error(endpoint);
}

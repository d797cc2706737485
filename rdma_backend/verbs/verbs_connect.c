// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_connect.c - active open: resolve the address, then the route, then ask; and the states of the
 * queue pair on both sides.
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <string.h>

/* Reasons of an InfiniBand reject, as the kernel hands them on. */
#define REJECT_NO_SERVICE 8
#define REJECT_CONSUMER	  28

/* Of a packet that is not answered. Not 7, the most: the rxe of 6.1 takes that for without end, as it is with
 * rnr_retry_count, and a connection whose wire is cut would never break. */
#define RETRIES 6

static uint32_t tos_of(const struct wsd_endpoint *endpoint)
{
	/* relaxed: nothing else is published by it */
	return atomic_load_explicit(&endpoint->tos, memory_order_relaxed);
}

/* For who has not been made ready to send yet. */
void verbs_set_traffic_class(struct wsd_endpoint *endpoint, uint32_t traffic_class)
{
	if (traffic_class <= UINT8_MAX)
		atomic_store_explicit(&endpoint->tos, VERBS_CHOSEN | traffic_class,
				      memory_order_relaxed); /* as above */
}

static int modify(struct wsd_endpoint *endpoint, enum ibv_qp_state state, struct ibv_qp_attr *attr)
{
	struct wsd_device *device = endpoint->queue->device;
	uint32_t tos = tos_of(endpoint);
	int mask;

	memset(attr, 0, sizeof(*attr));
	attr->qp_state = state;
	if (rdma_init_qp_attr(endpoint->id, attr, &mask) != 0)
		return errno;
	if (state == IBV_QPS_INIT) {
		attr->qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE;
		mask |= IBV_QP_ACCESS_FLAGS;
	}
	if (mask & IBV_QP_MIN_RNR_TIMER)
		attr->min_rnr_timer = device->rnr_timer;
	if (mask & IBV_QP_TIMEOUT &&
	    device->ack_timeout) /* the id's option does not reach an acceptor's */
		attr->timeout = device->ack_timeout;
	if (mask & IBV_QP_RETRY_CNT &&
	    attr->retry_cnt > RETRIES) /* the acceptor's is the peer's wish */
		attr->retry_cnt = RETRIES;
	if (mask & IBV_QP_MAX_DEST_RD_ATOMIC && attr->max_dest_rd_atomic > device->max_read_in)
		attr->max_dest_rd_atomic = device->max_read_in;
	if (mask & IBV_QP_MAX_QP_RD_ATOMIC && attr->max_rd_atomic > device->max_read_out)
		attr->max_rd_atomic = device->max_read_out;
	if (mask & IBV_QP_AV && tos) /* an acceptor's is the request's */
		attr->ah_attr.grh.traffic_class = (uint8_t)tos;
	return ibv_modify_qp(endpoint->qp, attr, mask);
}

enum wsd_status verbs_qp_connect(struct wsd_endpoint *endpoint)
{
	struct ibv_qp_attr attr;
	int error = modify(endpoint, IBV_QPS_INIT, &attr);

	if (!error)
		error = modify(endpoint, IBV_QPS_RTR, &attr);
	if (!error)
		endpoint->ready = true;
	if (!error)
		error = modify(endpoint, IBV_QPS_RTS, &attr);
	return error ? verbs_status(error) : WSD_OK;
}

void verbs_opened(struct wsd_endpoint *endpoint, struct verbs_sink *sink, const void *data,
		  uint32_t length)
{
	struct verbs_counters *counters = &endpoint->queue->device->counters;
	bool active = atomic_load(&endpoint->state) == VERBS_CONNECTING;
	struct wsd_event *event;

	verbs_deadline(endpoint, 0);
	verbs_probe_end(&endpoint->probe);
	atomic_store(&endpoint->state, VERBS_OPEN);
	verbs_count(active ? counters->connects : counters->accepts);
	event = verbs_sink_add(sink, WSD_EV_CONNECTED, endpoint->context, WSD_OK);
	verbs_from_sockaddr(&event->local, rdma_get_local_addr(endpoint->id));
	verbs_sink_data(endpoint->queue, event, data, length);
}

/* The last event of an endpoint that never opened. The id goes, so that the peer hears of it. */
void verbs_connect_failed(struct wsd_endpoint *endpoint, struct verbs_sink *sink,
			  enum wsd_status status, const void *data, uint32_t length)
{
	struct wsd_event *event;

	verbs_deadline(endpoint, 0);
	verbs_probe_end(&endpoint->probe);
	atomic_store(&endpoint->state, VERBS_ENDED);
	event = verbs_sink_add(sink, WSD_EV_CONNECT_FAILED, endpoint->context, status);
	verbs_sink_data(endpoint->queue, event, data, length);
	if (endpoint->id)
		rdma_destroy_id(endpoint->id);
	endpoint->id = NULL;
	endpoint->linked = false;
}

void verbs_connect_expired(struct wsd_endpoint *endpoint, uint64_t now, struct verbs_sink *sink)
{
	enum wsd_status status = verbs_answer_overdue(endpoint, now);

	if (status != WSD_PENDING)
		verbs_connect_failed(endpoint, sink, status, NULL, 0);
}

static int timeout_ms(const struct wsd_endpoint *endpoint)
{
	uint64_t now = endpoint->queue->device->host->now();
	uint64_t left = endpoint->limit > now ? endpoint->limit - now : 0;

	return left / VERBS_MS < 60000 ? (int)(left / VERBS_MS) + 1 : 60000;
}

static enum wsd_status resolved(struct wsd_endpoint *endpoint)
{
	if (!verbs_same_device(endpoint->queue->device, endpoint->id))
		return WSD_EUNREACHABLE; /* the route leads over another adapter */
	if (rdma_resolve_route(endpoint->id, timeout_ms(endpoint)) != 0)
		return errno == ENOMEM ? WSD_ENOMEM : WSD_EUNREACHABLE;
	return WSD_OK;
}

static enum wsd_status ask(struct wsd_endpoint *endpoint)
{
	struct wsd_device *device = endpoint->queue->device;
	struct rdma_conn_param param = { .private_data = endpoint->data,
					 .private_data_len = endpoint->data_length,
					 .responder_resources = device->max_read_in,
					 .initiator_depth = device->max_read_out,
					 .retry_count = RETRIES,
					 .rnr_retry_count = 7, /* without end */
					 .qp_num = endpoint->qp->qp_num };

	endpoint->asked = rdma_connect(endpoint->id, &param) == 0;
	return endpoint->asked ? WSD_OK : verbs_status(errno);
}

/* The peer accepts. */
static void answered(struct wsd_endpoint *endpoint, const struct rdma_conn_param *param,
		     struct verbs_sink *sink)
{
	const uint8_t *bytes = param->private_data;
	enum wsd_status status = WSD_OK;

	if (!verbs_greeting_decode(bytes, VERBS_ACCEPT_GREETING, param->private_data_len,
				   WSD_REPLY_DATA_MAX, &endpoint->peer)) {
		verbs_count(endpoint->queue->device->counters.protocol_errors);
		status = WSD_EVERSION;
	} else {
		endpoint->hears = endpoint->peer.says;
		endpoint->says = endpoint->peer.hears;
		status = verbs_qp_connect(endpoint);
	}
	if (status == WSD_OK && rdma_establish(endpoint->id) != 0)
		status = verbs_status(errno);
	if (status != WSD_OK) {
		verbs_connect_failed(endpoint, sink, status, NULL, 0);
		return;
	}
	endpoint->linked = true;
	verbs_opened(endpoint, sink, bytes + VERBS_ACCEPT_GREETING, endpoint->peer.length);
}

/* Whose listener ends, or whose process does, lets the kernel reject what has not been answered, without a word. */
static bool is_silent(const struct rdma_conn_param *param)
{
	const uint8_t *bytes = param->private_data;

	for (unsigned i = 0; bytes && i < param->private_data_len; i++)
		if (bytes[i])
			return false;
	return true;
}

static enum wsd_status greeted_status(uint32_t why)
{
	switch (why) {
	case 0:
		return WSD_EREFUSED;
	case VERBS_UNDECIDED:
		return WSD_ENOLISTENER;
	case VERBS_NO_MEMORY:
		return WSD_ENOMEM;
	default:
		return WSD_ERESET;
	}
}

/* Without a greeting of ours it is another program's listener that rejects, or the kernel, which says why. */
static enum wsd_status reject_status(const struct rdma_cm_event *event,
				     const struct verbs_greeting *greeting)
{
	if (event->status == REJECT_NO_SERVICE)
		return WSD_ENOLISTENER;
	if (greeting)
		return greeted_status(greeting->word_key);
	if (event->status != REJECT_CONSUMER)
		return WSD_ERESET;
	return is_silent(&event->param.conn) ? WSD_ENOLISTENER : WSD_EVERSION;
}

static void rejected(struct wsd_endpoint *endpoint, const struct rdma_cm_event *event,
		     struct verbs_sink *sink)
{
	const struct rdma_conn_param *param = &event->param.conn;
	const uint8_t *bytes = param->private_data;
	struct verbs_greeting greeting = { 0 };
	bool greeted = verbs_greeting_decode(bytes, VERBS_GREETING, param->private_data_len,
					     WSD_REPLY_DATA_MAX, &greeting);
	enum wsd_status status = atomic_load(&endpoint->state) == VERBS_ACCEPTING
					 ? WSD_ERESET
					 : reject_status(event, greeted ? &greeting : NULL);
	uint32_t length = status == WSD_EREFUSED ? greeting.length : 0;

	verbs_connect_failed(endpoint, sink, status, length ? bytes + VERBS_GREETING : NULL,
			     length);
}

static enum wsd_status unreachable(const struct rdma_cm_event *event)
{
	return event->status == -ETIMEDOUT ? WSD_ETIMEDOUT : WSD_EUNREACHABLE;
}

void verbs_connect_event(struct wsd_endpoint *endpoint, const struct rdma_cm_event *event,
			 struct verbs_sink *sink)
{
	bool active = atomic_load(&endpoint->state) == VERBS_CONNECTING;
	enum wsd_status status = WSD_OK;

	switch ((int)event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		status = resolved(endpoint);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		status = ask(endpoint);
		break;
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		answered(endpoint, &event->param.conn, sink);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		verbs_opened(endpoint, sink, NULL, 0);
		break;
	case RDMA_CM_EVENT_REJECTED:
		rejected(endpoint, event, sink);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
		status = WSD_EUNREACHABLE;
		break;
	case RDMA_CM_EVENT_UNREACHABLE:
		status = active ? unreachable(event) : WSD_ERESET;
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		status = WSD_EDEVICE;
		break;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		break;
	default: /* CONNECT_ERROR, DISCONNECTED */
		status = WSD_ERESET;
		break;
	}
	if (status != WSD_OK)
		verbs_connect_failed(endpoint, sink, status, NULL, 0);
}

static void set_options(struct wsd_endpoint *endpoint)
{
	struct rdma_cm_id *id = endpoint->id;
	uint32_t chosen = tos_of(endpoint);
	uint8_t tos = (uint8_t)chosen;
	int one = 1;

	/* Who owns a port is decided by the caller. */
	rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &one, sizeof(one));
	if (chosen)
		rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &tos, sizeof(tos));
}

static enum wsd_status bind_local(struct wsd_device *device, struct rdma_cm_id *id,
				  const struct wsd_addr *local, const struct wsd_addr *remote)
{
	struct wsd_addr from = *local;
	int one = 1;

	if (local->family == WSD_FAMILY_NONE || (verbs_is_any(local) && local->port == 0))
		return WSD_OK;
	if (local->family == WSD_FAMILY_IPV6)
		rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &one, sizeof(one));
	/* The kernel forgets the interface of the destination when a wildcard is bound. */
	if (verbs_is_link_local(remote) && verbs_is_any(local)) {
		enum wsd_status status = verbs_source_of(local, remote, &from);

		if (status != WSD_OK)
			return status;
		from.port = local->port;
	}
	return verbs_bind(device, id, &from);
}

static enum wsd_status start(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			     const struct wsd_addr *remote)
{
	union verbs_sockaddr sa;
	enum wsd_status status;

	if (rdma_create_id(endpoint->queue->cm, &endpoint->id, &endpoint->source, RDMA_PS_TCP) !=
	    0) {
		endpoint->id = NULL;
		return verbs_status(errno);
	}
	set_options(endpoint);
	status = bind_local(endpoint->queue->device, endpoint->id, local, remote);
	verbs_to_sockaddr(&sa, remote);
	if (status == WSD_OK &&
	    rdma_resolve_addr(endpoint->id, NULL, &sa.generic, timeout_ms(endpoint)) != 0)
		status =
			errno == EINVAL || errno == ENODEV ? WSD_EUNREACHABLE : verbs_status(errno);
	return status;
}

enum wsd_status verbs_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			      const struct wsd_addr *remote, const void *data, uint32_t data_length,
			      uint64_t timeout)
{
	struct verbs_greeting greeting = { .length = data_length };
	enum wsd_status status;

	if (data_length > WSD_REQUEST_DATA_MAX || remote->port == 0 ||
	    (remote->family != WSD_FAMILY_IPV4 && remote->family != WSD_FAMILY_IPV6) ||
	    (local->family != WSD_FAMILY_NONE && local->family != remote->family))
		return WSD_EINVAL;
	if (atomic_load(&endpoint->state) != VERBS_IDLE || endpoint->request)
		return WSD_ESTATE;
	verbs_word_tell(endpoint, &greeting);
	verbs_greeting_encode(endpoint->data, VERBS_GREETING, &greeting);
	if (data_length)
		memcpy(endpoint->data + VERBS_GREETING, data, data_length);
	endpoint->data_length = (uint8_t)(VERBS_GREETING + data_length);
	atomic_store(&endpoint->state, VERBS_CONNECTING);
	verbs_answer_begin(endpoint, endpoint->queue->device->host->now(), timeout);
	status = start(endpoint, local, remote);
	if (status == WSD_OK)
		return status;
	if (endpoint->id)
		rdma_destroy_id(endpoint->id);
	endpoint->id = NULL;
	verbs_deadline(endpoint, 0);
	atomic_store(&endpoint->state, VERBS_IDLE);
	return status;
}

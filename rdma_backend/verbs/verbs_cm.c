// SPDX-License-Identifier: BSD-2-Clause
/* verbs_cm.c - one event of the connection manager, to the object that it is about. */
#include "rdma_backend/verbs/verbs.h"

#include <string.h>

/* Of a connection that has been opened. */
static void over(struct wsd_endpoint *endpoint, const struct rdma_cm_event *event)
{
	enum wsd_status status = WSD_ERESET;

	switch ((int)event->event) {
	case RDMA_CM_EVENT_ESTABLISHED: /* late: behind the peer's first message */
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
	case RDMA_CM_EVENT_ADDR_CHANGE:
		return;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		status = WSD_EDEVICE;
		break;
	default:
		break;
	}
	endpoint->parted = true;
	verbs_end(endpoint, verbs_end_reason(endpoint, status));
}

static void endpoint_event(struct wsd_endpoint *endpoint, const struct rdma_cm_event *event,
			   struct verbs_sink *sink)
{
	switch (atomic_load(&endpoint->state)) {
	case VERBS_CONNECTING:
	case VERBS_ACCEPTING:
		verbs_connect_event(endpoint, event, sink);
		break;
	case VERBS_OPEN:
	case VERBS_CLOSING:
	case VERBS_ENDED:
		over(endpoint, event);
		break;
	case VERBS_DRAINING:
		if (event->event == RDMA_CM_EVENT_DISCONNECTED ||
		    event->event == RDMA_CM_EVENT_DEVICE_REMOVAL)
			endpoint->parted = true;
		verbs_drained(endpoint);
		break;
	case VERBS_IDLE:
		break;
	}
}

static void dispatch(struct wsd_queue *queue, const struct rdma_cm_event *event,
		     struct verbs_sink *sink)
{
	struct verbs_source *source = event->id->context;

	/* Of the asynchronous events an adapter that the kernel cannot take from its users, like rxe, sends none. */
	if (event->event == RDMA_CM_EVENT_DEVICE_REMOVAL)
		verbs_gone(queue);
	switch (source->kind) {
	case VERBS_LISTENER:
		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
			verbs_request_arrived(wsd_container(source, struct verbs_listen_id, source),
					      event, sink);
		break;
	case VERBS_REQUEST:
		break; /* the kernel says nothing of these */
	case VERBS_ENDPOINT:
		endpoint_event(wsd_container(source, struct wsd_endpoint, source), event, sink);
		break;
	case VERBS_PROBE:
		verbs_probe_event(wsd_container(source, struct verbs_probe, source), event);
		break;
	}
}

bool verbs_cm_event(struct wsd_queue *queue, struct verbs_sink *sink)
{
	struct rdma_cm_event *original, event;
	uint8_t data[UINT8_MAX];

	if (rdma_get_cm_event(queue->cm, &original) != 0)
		return false;
	/* An id cannot be destroyed while an event of it is open: so work on a copy. */
	event = *original;
	if (event.param.conn.private_data_len)
		memcpy(data, event.param.conn.private_data, event.param.conn.private_data_len);
	event.param.conn.private_data = data;
	rdma_ack_cm_event(original);
	dispatch(queue, &event, sink);
	return true;
}

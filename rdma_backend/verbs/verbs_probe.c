// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_probe.c - is there anybody? An acceptor may think about a request as long as it likes, and until it
 * answers its silence looks like that of a host without RDMA. But the connection manager of a host that has it
 * refuses at once what nobody listens for, and nobody can listen at port 0: so a connect that has heard nothing
 * asks there. One that has an answer to that waits for its own as long as it may; the others end early.
 */
#include "rdma_backend/verbs/verbs.h"

#define TRIES \
	3u /* times that it is waited for an answer; before all but the first it is asked again */
#define RESOLVE_MS 1000
/*
 * The queue pair that a probe asks for: one that no connection has. A connection manager that hears of the same one
 * again takes the connection that it knows for stale, and cuts it; ours may just have opened.
 */
#define PROBE_QP 1 /* that of the connection managers themselves */

void verbs_probe_end(struct verbs_probe *probe)
{
	if (probe->id)
		rdma_destroy_id(probe->id);
	probe->id = NULL;
}

static void start(struct wsd_endpoint *endpoint)
{
	struct verbs_probe *probe = &endpoint->probe;
	union verbs_sockaddr from, to;
	struct wsd_addr local, remote;

	verbs_probe_end(probe);
	if (!endpoint->asked)
		return; /* the address or the route is not even known */
	probe->source.kind = VERBS_PROBE;
	probe->sent = false;
	if (rdma_create_id(endpoint->queue->cm, &probe->id, &probe->source, RDMA_PS_TCP) != 0) {
		probe->id = NULL;
		return;
	}
	verbs_from_sockaddr(&local, rdma_get_local_addr(endpoint->id));
	verbs_from_sockaddr(&remote, rdma_get_peer_addr(endpoint->id));
	local.port = remote.port = 0;
	verbs_to_sockaddr(&from, &local);
	verbs_to_sockaddr(&to, &remote);
	if (rdma_resolve_addr(probe->id, &from.generic, &to.generic, RESOLVE_MS) != 0)
		verbs_probe_end(probe);
}

void verbs_probe_event(struct verbs_probe *probe, const struct rdma_cm_event *event)
{
	struct wsd_endpoint *endpoint = wsd_container(probe, struct wsd_endpoint, probe);
	struct rdma_conn_param param = { .qp_num = PROBE_QP };
	int error = 0;

	switch ((int)event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
		error = rdma_resolve_route(probe->id, RESOLVE_MS);
		break;
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		error = rdma_connect(probe->id, &param);
		probe->sent = !error;
		break;
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
		verbs_deadline(endpoint, endpoint->limit);
		error = -1; /* done */
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
	case RDMA_CM_EVENT_ROUTE_ERROR:
		error = -1; /* never sent: the next deadline counts it, and asks again */
		break;
	default:
		break;
	}
	if (error)
		verbs_probe_end(probe);
}

static void wait_on(struct wsd_endpoint *endpoint, uint64_t now)
{
	uint64_t some = endpoint->queue->device->answer_limit / TRIES;

	verbs_deadline(endpoint,
		       some && now + some < endpoint->limit ? now + some : endpoint->limit);
}

void verbs_answer_begin(struct wsd_endpoint *endpoint, uint64_t now, uint64_t timeout)
{
	endpoint->limit = now + timeout;
	endpoint->tries = 0;
	endpoint->asked = false;
	wait_on(endpoint, now);
}

enum wsd_status verbs_answer_overdue(struct wsd_endpoint *endpoint, uint64_t now)
{
	if (now >= endpoint->limit)
		return WSD_ETIMEDOUT;
	/* Who is slow is us: the peer has not been asked yet. */
	if (endpoint->probe.id && !endpoint->probe.sent) {
		wait_on(endpoint, now);
		return WSD_PENDING;
	}
	if (++endpoint->tries == TRIES)
		return WSD_ENOANSWER;
	start(endpoint);
	wait_on(endpoint, now);
	return WSD_PENDING;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_listen.c - passive open. A wildcard of the connection manager covers every adapter of the host;
 * ours covers one: it is an id for each of the adapter's addresses.
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <string.h>

#define BACKLOG 1024 /* requests that the kernel keeps until they are polled */

/* Another listener of this queue for that address, which has (or lacks) the id of it. */
static struct verbs_listen_id *find_own(const struct wsd_queue *queue, const struct wsd_addr *addr,
					bool has)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &queue->listeners) {
		struct wsd_listener_ep *other = wsd_container(node, struct wsd_listener_ep, link);

		for (unsigned i = 0; i < other->count; i++) {
			if ((other->ids[i].id != NULL) == has &&
			    memcmp(&other->ids[i].addr, addr, sizeof(*addr)) == 0)
				return &other->ids[i];
		}
	}
	return NULL;
}

static void hand_over(struct verbs_listen_id *from, struct verbs_listen_id *to)
{
	to->id = from->id;
	to->id->context = &to->source;
	from->id = NULL;
}

/* The connection manager knows one listener for an address. Of ours the more specific one has it. */
static enum wsd_status share(struct verbs_listen_id *listen, struct verbs_listen_id *other)
{
	if (listen->listener->wildcard == other->listener->wildcard)
		return WSD_EADDRINUSE;
	if (other->listener->wildcard)
		hand_over(other, listen);
	return WSD_OK;
}

static enum wsd_status listen_one(struct verbs_listen_id *listen)
{
	struct wsd_queue *queue = listen->listener->queue;
	struct verbs_listen_id *other = find_own(queue, &listen->addr, true);
	enum wsd_status status;
	int one = 1;

	listen->source.kind = VERBS_LISTENER;
	if (other)
		return share(listen, other);
	if (rdma_create_id(queue->cm, &listen->id, &listen->source, RDMA_PS_TCP) != 0) {
		listen->id = NULL;
		return verbs_status(errno);
	}
	if (listen->addr.family == WSD_FAMILY_IPV6)
		rdma_set_option(listen->id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &one,
				sizeof(one));
	status = verbs_bind(queue->device, listen->id, &listen->addr);
	if (status == WSD_OK && !verbs_same_device(queue->device, listen->id))
		status = WSD_EADDRNOTAVAIL;
	if (status == WSD_OK && rdma_listen(listen->id, BACKLOG) != 0)
		status = verbs_status(errno);
	if (status != WSD_OK) {
		rdma_destroy_id(listen->id);
		listen->id = NULL;
	}
	return status;
}

/* The addresses to listen on; 0: none of ours. */
static uint32_t expand(struct wsd_device *device, const struct wsd_addr *local,
		       struct wsd_addr *list)
{
	uint32_t n, count = 0;

	if (!verbs_is_any(local)) {
		list[0] = *local;
		return 1;
	}
	n = verbs_addresses(device, list, VERBS_ADDRESSES);
	for (uint32_t i = 0; i < n && i < VERBS_ADDRESSES; i++) {
		if (list[i].family != local->family)
			continue;
		list[count] = list[i];
		list[count++].port = local->port;
	}
	return count;
}

enum wsd_status verbs_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			     uint32_t backlog, void *context, struct wsd_listener_ep **made)
{
	struct wsd_addr list[VERBS_ADDRESSES];
	struct wsd_listener_ep *listener;
	enum wsd_status status = WSD_OK;
	uint32_t count;

	if ((local->family != WSD_FAMILY_IPV4 && local->family != WSD_FAMILY_IPV6) ||
	    local->port == 0)
		return WSD_EINVAL;
	count = expand(queue->device, local, list);
	if (count == 0)
		return WSD_EADDRNOTAVAIL;
	listener = queue->device->host->alloc(sizeof(*listener) + count * sizeof(listener->ids[0]));
	if (!listener)
		return WSD_ENOMEM;
	listener->queue = queue;
	listener->context = context;
	listener->backlog = backlog;
	wsd_list_init(&listener->requests);
	wsd_list_init(&listener->link);
	listener->wildcard = verbs_is_any(local);
	while (listener->count < count && status == WSD_OK) {
		struct verbs_listen_id *listen = &listener->ids[listener->count];

		listen->listener = listener;
		listen->addr = list[listener->count];
		status = listen_one(listen);
		listener->count += status == WSD_OK;
	}
	if (status != WSD_OK) {
		verbs_listener_destroy(listener);
		return status;
	}
	wsd_list_append(&queue->listeners, &listener->link);
	*made = listener;
	return WSD_OK;
}

static void request_free(struct wsd_request *request, bool id_too)
{
	wsd_list_remove(&request->link);
	wsd_list_remove(&request->unanswered);
	request->listener->reported--;
	if (id_too)
		rdma_destroy_id(request->id);
	request->listener->queue->device->host->free(request);
}

/* why: 0, or a reject's reason of verbs_wire.h. */
static void refuse(struct rdma_cm_id *id, uint32_t why, const void *data, uint32_t length)
{
	uint8_t bytes[VERBS_GREETING + WSD_REPLY_DATA_MAX];
	struct verbs_greeting greeting = { .word_key = why, .length = length };

	verbs_greeting_encode(bytes, VERBS_GREETING, &greeting);
	if (length)
		memcpy(bytes + VERBS_GREETING, data, length);
	(void)rdma_reject(id, bytes, (uint8_t)(VERBS_GREETING + length));
}

static void turn_down(struct wsd_request *request, uint32_t why, const void *data, uint32_t length)
{
	if (length > WSD_REPLY_DATA_MAX)
		length = WSD_REPLY_DATA_MAX;
	if (!request->gone)
		refuse(request->id, why, data, length);
	request_free(request, true);
}

static void give_up(struct verbs_listen_id *listen)
{
	struct verbs_listen_id *heir = find_own(listen->listener->queue, &listen->addr, false);

	if (listen->id && heir)
		hand_over(listen, heir);
	else if (listen->id)
		rdma_destroy_id(listen->id);
}

void verbs_listener_destroy(struct wsd_listener_ep *listener)
{
	const struct wsd_host *host = listener->queue->device->host;

	while (!wsd_list_empty(&listener->requests)) {
		struct wsd_request *request =
			wsd_container(listener->requests.next, struct wsd_request, link);

		turn_down(request, VERBS_UNDECIDED, NULL, 0);
	}
	wsd_list_remove(&listener->link);
	while (listener->count > 0)
		give_up(&listener->ids[--listener->count]);
	host->free(listener);
}

/* The kernel tells a request's link-local addresses without the interface: it is the listener's. */
static void request_address(struct wsd_addr *addr, const struct sockaddr *sa, uint32_t scope)
{
	verbs_from_sockaddr(addr, sa);
	if (addr->scope == 0 && verbs_is_link_local(addr))
		addr->scope = scope;
}

void verbs_request_arrived(struct verbs_listen_id *listen, const struct rdma_cm_event *event,
			   struct verbs_sink *sink)
{
	struct wsd_listener_ep *listener = listen->listener;
	struct wsd_queue *queue = listener->queue;
	const struct rdma_conn_param *param = &event->param.conn;
	const uint8_t *bytes = param->private_data;
	struct verbs_greeting greeting;
	struct wsd_request *request = NULL;
	struct wsd_event *report;
	uint32_t why = 0;

	if (!verbs_greeting_decode(bytes, VERBS_GREETING, param->private_data_len,
				   WSD_REQUEST_DATA_MAX, &greeting)) {
		verbs_count(queue->device->counters.protocol_errors);
	} else if (listener->reported < listener->backlog) {
		request = queue->device->host->alloc(sizeof(*request));
		why = VERBS_NO_MEMORY;
	}
	if (!request) {
		refuse(event->id, why, NULL, 0);
		rdma_destroy_id(event->id);
		return;
	}
	request->source.kind = VERBS_REQUEST;
	request->listener = listener;
	request->id = event->id;
	request->id->context = &request->source;
	request->greeting = greeting;
	request->reads_out = param->responder_resources;
	request->reads_in = param->initiator_depth;
	wsd_list_append(&listener->requests, &request->link);
	wsd_list_init(&request->unanswered);
	wsd_list_append(&queue->requests, &request->unanswered);
	if (!queue->check)
		queue->check = queue->device->host->now() + VERBS_CHECK_NS;
	listener->reported++;
	report = verbs_sink_add(sink, WSD_EV_REQUEST, listener->context, WSD_OK);
	report->request = request;
	request_address(&report->local, rdma_get_local_addr(request->id), listen->addr.scope);
	request_address(&report->remote, rdma_get_peer_addr(request->id), listen->addr.scope);
	verbs_sink_data(queue, report, bytes + VERBS_GREETING, greeting.length);
}

/*
 * The kernel tells nothing of a request before it is answered. But it has queue pair attributes only for
 * connections that still are.
 */
static bool still_wanted(const struct wsd_request *request)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTR };
	int mask;

	return rdma_init_qp_attr(request->id, &attr, &mask) == 0;
}

void verbs_requests_check(struct wsd_queue *queue, uint64_t now, struct verbs_sink *sink)
{
	struct wsd_list *node;

	for (unsigned i = 0; i < VERBS_CHECK_MOST && !verbs_sink_full(sink); i++) {
		struct wsd_request *request;

		node = wsd_list_pop(&queue->requests);
		if (!node)
			break;
		request = wsd_container(node, struct wsd_request, unanswered);
		if (still_wanted(request)) {
			wsd_list_append(&queue->requests, node);
			continue;
		}
		request->gone = true;
		verbs_sink_add(sink, WSD_EV_REQUEST_GONE, request->listener->context, WSD_OK)
			->request = request;
	}
	queue->check = wsd_list_empty(&queue->requests) ? 0 : now + VERBS_CHECK_NS;
}

static uint8_t smaller(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static uint64_t secret(const struct wsd_host *host)
{
	uint64_t value;

	do
		host->random(&value, sizeof(value));
	while (!value);
	return value;
}

static enum wsd_status answer(struct wsd_endpoint *endpoint, const struct wsd_request *request,
			      const void *data, uint32_t data_length)
{
	struct wsd_device *device = endpoint->queue->device;
	struct verbs_greeting greeting = { .length = data_length };
	uint8_t bytes[VERBS_ACCEPT_GREETING + WSD_REPLY_DATA_MAX];
	struct rdma_conn_param param = {
		.private_data = bytes,
		.private_data_len = (uint8_t)(VERBS_ACCEPT_GREETING + data_length),
		.responder_resources = smaller(device->max_read_in, request->reads_in),
		.initiator_depth = smaller(device->max_read_out, request->reads_out),
		.rnr_retry_count = 7, /* without end */
		.qp_num = endpoint->qp->qp_num,
	};
	enum wsd_status status = verbs_qp_connect(endpoint);

	if (status != WSD_OK)
		return status;
	verbs_word_tell(endpoint, &greeting);
	greeting.hears = endpoint->hears = secret(device->host);
	greeting.says = endpoint->says = secret(device->host);
	verbs_greeting_encode(bytes, VERBS_ACCEPT_GREETING, &greeting);
	if (data_length)
		memcpy(bytes + VERBS_ACCEPT_GREETING, data, data_length);
	return rdma_accept(endpoint->id, &param) == 0 ? WSD_OK : WSD_ERESET;
}

enum wsd_status verbs_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length)
{
	struct wsd_request *request = endpoint->request;
	enum wsd_status status = WSD_OK;

	if (!request)
		return WSD_ESTATE;
	endpoint->request = NULL;
	if (request->gone)
		status = WSD_ERESET;
	else if (data_length > WSD_REPLY_DATA_MAX)
		status = WSD_EINVAL;
	if (status != WSD_OK) {
		verbs_reject(request, NULL, 0);
		return status;
	}
	endpoint->id = request->id;
	endpoint->id->context = &endpoint->source;
	endpoint->peer = request->greeting;
	atomic_store(&endpoint->state, VERBS_ACCEPTING);
	status = answer(endpoint, request, data, data_length);
	request_free(request, false);
	if (status == WSD_OK) {
		endpoint->linked = true;
		return status;
	}
	/* The kernel's own refusal looks like another program's. */
	refuse(endpoint->id, status == WSD_ENOMEM ? VERBS_NO_MEMORY : (uint32_t)-WSD_ERESET, NULL,
	       0);
	rdma_destroy_id(endpoint->id);
	endpoint->id = NULL;
	atomic_store(&endpoint->state, VERBS_ENDED);
	return status;
}

void verbs_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	turn_down(request, 0, data, data_length);
}

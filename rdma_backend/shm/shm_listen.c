// SPDX-License-Identifier: BSD-2-Clause
/* shm_listen.c - listeners and the incoming requests until they are accepted or rejected. */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define ACCEPT_AT_ONCE 64
#define SILENT_MAX     64u	  /* sockets that have not sent their request; the oldest goes */
#define RETRY_NS       100000000u /* after descriptors ran out */

static void request_ready(struct shm_source *source, uint32_t events);

static bool counts(const struct wsd_request *request)
{
	return request->state != SHM_REQUEST_SILENT;
}

void shm_request_free(struct wsd_request *request)
{
	if (counts(request))
		request->listener->pending--;
	else
		request->listener->silent--;
	if (request->endpoint)
		request->endpoint->request = NULL;
	wsd_list_remove(&request->node);
	wsd_list_remove(&request->report);
	shm_mailbox_detach(&request->mailbox);
	if (request->segment)
		wsd_shared_unmap(request->segment, request->layout.length);
	shm_source_bury(&request->source);
}

void shm_send_refusal(shm_channel channel, enum wsd_status status, const void *data,
		      uint32_t data_length)
{
	struct shm_msg_hello answer;

	memset(&answer, 0, sizeof(answer));
	answer.head = (struct shm_msg){ SHM_MAGIC, SHM_VERSION, SHM_MSG_REJECT };
	answer.status = status;
	answer.data_length = data_length > WSD_REPLY_DATA_MAX ? WSD_REPLY_DATA_MAX : data_length;
	if (answer.data_length)
		memcpy(answer.data, data, answer.data_length);
	/* The socket is fresh: there is room, or nobody is left to read it. */
	(void)shm_os_send(channel, &answer, sizeof(answer), NULL, 0);
}

static void refuse(struct wsd_request *request, enum wsd_status status, const void *data,
		   uint32_t data_length)
{
	shm_send_refusal(request->source.channel, status, data, data_length);
	shm_request_free(request);
}

void shm_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	refuse(request, WSD_EREFUSED, data, data_length);
}

static bool family_known(const struct shm_wire_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV4 || addr->family == WSD_FAMILY_IPV6;
}

/* What the connector gave, checked and mapped. */
static enum wsd_status take_request(struct wsd_request *request, const union shm_packet *packet,
				    size_t length, const shm_share *shares, unsigned count)
{
	enum wsd_status status;
	void *address;

	if (length >= sizeof(packet->head) && packet->head.magic == SHM_MAGIC &&
	    packet->head.version != SHM_VERSION)
		return WSD_EVERSION;
	if (!shm_hello_valid(packet, length, SHM_MSG_REQUEST) ||
	    packet->hello.data_length > WSD_REQUEST_DATA_MAX ||
	    !family_known(&packet->hello.local) || !family_known(&packet->hello.remote))
		return WSD_EPROTOCOL;
	request->hello = packet->hello;
	if (!shm_layout_make(&request->layout, packet->hello.recv_depth, packet->hello.recv_bytes))
		return WSD_EPROTOCOL;
	if (count != 2)
		return WSD_ENOFILES; /* they were lost on the way */
	status = shm_mailbox_attach(&request->mailbox, shares[0]);
	if (status)
		return status;
	status = shm_share_expect(shares[1], request->layout.length, &address);
	if (status)
		return status;
	request->segment = address;
	return WSD_OK;
}

static void hear(struct wsd_request *request)
{
	struct wsd_queue *queue = request->source.queue;
	struct wsd_listener_ep *listener = request->listener;
	union shm_packet packet;
	enum wsd_status status;
	size_t length;
	shm_share shares[2];
	unsigned count = 2;

	status = shm_os_receive(request->source.channel, &packet, &length, shares, &count);
	if (status == WSD_AGAIN)
		return;
	if (status || !length) {
		shm_request_free(request);
		return;
	}
	status = take_request(request, &packet, length, shares, count);
	shm_share_close(&shares[0]);
	shm_share_close(&shares[1]);
	if (!status && listener->pending >= listener->backlog)
		status = WSD_EREFUSED;
	if (status) {
		if (status == WSD_EPROTOCOL)
			shm_count(queue->device->protocol_errors);
		refuse(request, status, NULL, 0);
		return;
	}
	listener->silent--;
	listener->pending++;
	request->state = SHM_REQUEST_NEW;
	wsd_list_append(&queue->reports, &request->report);
}

static void request_ready(struct shm_source *source, uint32_t events)
{
	struct wsd_request *request = (struct wsd_request *)(void *)source;

	(void)events;
	if (request->state == SHM_REQUEST_SILENT) {
		hear(request);
		return;
	}
	/* A connector that waits for its answer has nothing to say: it went away. */
	shm_source_remove(source);
	if (request->state == SHM_REQUEST_NEW) {
		shm_request_free(request);
	} else if (request->state == SHM_REQUEST_REPORTED) {
		request->state = SHM_REQUEST_GONE;
		wsd_list_append(&source->queue->reports, &request->report);
	}
}

void shm_requests_report(struct wsd_queue *queue, struct shm_sink *sink)
{
	struct wsd_request *request;
	struct wsd_event *event;
	struct wsd_list *node;

	while (!wsd_list_empty(&queue->reports) && (event = shm_sink_next(sink)) != NULL) {
		node = wsd_list_pop(&queue->reports);
		request = wsd_container(node, struct wsd_request, report);
		event->context = request->listener->context;
		event->request = request;
		if (request->state == SHM_REQUEST_GONE) {
			event->type = WSD_EV_REQUEST_GONE;
			continue;
		}
		request->state = SHM_REQUEST_REPORTED;
		event->type = WSD_EV_REQUEST;
		event->data = request->hello.data;
		event->data_length = request->hello.data_length;
		/* The connector's local address is our remote one. */
		shm_addr_from_wire(&event->remote, &request->hello.local);
		shm_addr_from_wire(&event->local, &request->hello.remote);
	}
}

/* A connector speaks at once: who has been silent longest is the one to go. */
static void drop_oldest_silent(struct wsd_listener_ep *listener)
{
	struct wsd_request *request;
	struct wsd_list *node;

	wsd_list_for_each(node, &listener->requests) {
		request = wsd_container(node, struct wsd_request, node);
		if (counts(request))
			continue;
		shm_count(listener->source.queue->device->protocol_errors);
		shm_request_free(request);
		return;
	}
}

static void admit(struct wsd_listener_ep *listener, struct wsd_request *request,
		  shm_channel channel)
{
	enum wsd_status status;

	if (listener->silent >= SILENT_MAX)
		drop_oldest_silent(listener);
	request->source.queue = listener->source.queue;
	request->source.ready = request_ready;
	request->source.channel = channel;
	request->listener = listener;
	wsd_list_init(&request->report);
	wsd_list_append(&listener->requests, &request->node);
	listener->silent++;
	status = shm_source_add(&request->source, SHM_READ);
	if (status)
		refuse(request, status, NULL, 0);
	else
		hear(request);
}

/* What waits stays where it is while there is no memory for it: closed, it would hear that nobody listens. */
static enum wsd_status take_one(struct wsd_listener_ep *listener)
{
	const struct wsd_host *host = listener->source.queue->host;
	struct wsd_request *request = host->alloc(sizeof(*request));
	enum wsd_status status;
	shm_channel channel;

	if (!request)
		return WSD_ENOMEM;
	status = shm_os_accept(listener->source.channel, &channel);
	if (status)
		host->free(request);
	else
		admit(listener, request, channel);
	return status;
}

static void listener_ready(struct shm_source *source, uint32_t events)
{
	struct wsd_listener_ep *listener = (struct wsd_listener_ep *)(void *)source;
	struct wsd_queue *queue = source->queue;
	enum wsd_status status = WSD_OK;
	int i;

	(void)events;
	for (i = 0; i < ACCEPT_AT_ONCE && status != WSD_AGAIN; i++) {
		status = take_one(listener);
		if (status == WSD_ENOFILES || status == WSD_ENOMEM) {
			/* It stays ready, so look away. */
			queue->host->log(1, "shm", "accept failed: status %d, later again", status);
			shm_source_change(source, 0);
			shm_timer_set(queue, &listener->retry, queue->host->now() + RETRY_NS);
			return;
		}
	}
}

static void retry_expired(struct shm_timer *timer)
{
	struct wsd_listener_ep *listener = wsd_container(timer, struct wsd_listener_ep, retry);

	shm_source_change(&listener->source, SHM_READ);
}

enum wsd_status shm_listen(struct wsd_queue *queue, const struct wsd_addr *local, uint32_t backlog,
			   void *context, struct wsd_listener_ep **result)
{
	struct wsd_listener_ep *listener;
	enum wsd_status status;
	shm_channel channel;

	if (!local->port || (local->family != WSD_FAMILY_IPV4 && local->family != WSD_FAMILY_IPV6))
		return WSD_EINVAL;
	status = shm_address_is_any(local) ? WSD_OK : shm_address_check(local);
	if (!status)
		status = shm_os_listen(local, &channel);
	if (status)
		return status;
	listener = queue->host->alloc(sizeof(*listener));
	if (!listener) {
		shm_os_close(&channel);
		return WSD_ENOMEM;
	}
	listener->source.queue = queue;
	listener->source.ready = listener_ready;
	listener->source.channel = channel;
	listener->context = context;
	listener->backlog = backlog ? backlog : 1;
	listener->retry.expired = retry_expired;
	wsd_list_init(&listener->retry.node);
	wsd_list_init(&listener->requests);
	status = shm_source_add(&listener->source, SHM_READ);
	if (status) {
		shm_os_close(&channel);
		queue->host->free(listener);
		return status;
	}
	wsd_list_append(&queue->listeners, &listener->node);
	queue->listener_count++;
	*result = listener;
	return WSD_OK;
}

void shm_listener_destroy(struct wsd_listener_ep *listener)
{
	struct wsd_queue *queue = listener->source.queue;

	while (!wsd_list_empty(&listener->requests))
		refuse(wsd_container(listener->requests.next, struct wsd_request, node),
		       WSD_ENOLISTENER, NULL, 0);
	shm_timer_cancel(&listener->retry);
	wsd_list_remove(&listener->node);
	queue->listener_count--;
	shm_source_bury(&listener->source);
}

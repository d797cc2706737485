// SPDX-License-Identifier: BSD-2-Clause
/* sample_conn.c - the sample backend's listeners, requests and connections. */
#include "sample.h"

#include <string.h>

static struct wsd_listener_ep *listeners;

enum wsd_status sample_reachable(struct wsd_device *device, const struct wsd_addr *local,
				 const struct wsd_addr *remote)
{
	(void)device;
	(void)local;
	return remote->family == WSD_FAMILY_IPV4 && remote->bytes[0] == 127 ? WSD_OK
									    : WSD_EUNREACHABLE;
}

/* Answered or abandoned. Frees the request. */
static void request_end(struct wsd_request *request, enum wsd_status status, const void *data,
			uint32_t length)
{
	struct wsd_request **at = &request->listener->requests;
	struct wsd_endpoint *active = request->active;
	struct wsd_event *event;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	request->listener->pending--;
	if (request->passive)
		request->passive->request = NULL;
	if (active)
		active->request = NULL;
	if (active && status != WSD_OK) {
		sample_end(active, status);
		event = &active->source.ring[(active->source.tail - 1) % active->source.size];
		if (length)
			memcpy(active->data, data, length);
		event->data = active->data;
		event->data_length = length;
	}
	sample_host->free(request);
}

static void give_up(struct wsd_endpoint *active)
{
	struct wsd_request *request = active->request;

	if (!request)
		return;
	request->active = NULL;
	active->request = NULL;
	sample_push(&request->listener->source, WSD_EV_REQUEST_GONE, WSD_OK)->request = request;
}

void sample_check_limits(struct wsd_queue *queue)
{
	struct wsd_endpoint *ep;
	uint64_t now;

	if (!queue->connecting)
		return;
	now = sample_host->now();
	for (ep = queue->endpoints; ep; ep = ep->next) {
		if (ep->state != CONNECTING || ep->deadline > now)
			continue;
		give_up(ep);
		sample_end_both(ep, WSD_ETIMEDOUT, WSD_ERESET);
	}
}

/* ---- connections ---- */

static bool any_address(const struct wsd_addr *addr)
{
	return !(addr->bytes[0] | addr->bytes[1] | addr->bytes[2] | addr->bytes[3]);
}

static struct wsd_listener_ep *find_listener(const struct wsd_addr *addr, bool exact)
{
	struct wsd_listener_ep *l, *wild = NULL;

	for (l = listeners; l; l = l->next) {
		if (l->local.port != addr->port)
			continue;
		if (memcmp(l->local.bytes, addr->bytes, sizeof(addr->bytes)) == 0)
			return l;
		if (any_address(&l->local))
			wild = l;
	}
	return exact ? NULL : wild;
}

enum wsd_status sample_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			      uint32_t backlog, void *context, struct wsd_listener_ep **listener)
{
	struct wsd_listener_ep *l;

	if (local->family != WSD_FAMILY_IPV4 || (!any_address(local) && local->bytes[0] != 127))
		return WSD_EADDRNOTAVAIL;
	if (!backlog)
		backlog = 1;
	l = sample_host->alloc(sizeof(*l));
	if (!l)
		return WSD_ENOMEM;
	l->local = *local;
	l->backlog = backlog;
	sample_enter();
	if (find_listener(local, true) ||
	    !sample_source_init(&l->source, queue, context, 2 * backlog)) {
		sample_host->free(l);
		return sample_leave(find_listener(local, true) ? WSD_EADDRINUSE : WSD_ENOMEM);
	}
	l->next = listeners;
	listeners = l;
	*listener = l;
	return sample_leave(WSD_OK);
}

void sample_listener_destroy(struct wsd_listener_ep *listener)
{
	struct wsd_listener_ep **at = &listeners;

	sample_enter();
	while (listener->requests)
		request_end(listener->requests, WSD_ENOLISTENER, NULL, 0);
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	sample_source_fini(&listener->source);
	sample_host->free(listener);
	sample_leave(WSD_OK);
}

enum wsd_status sample_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				       const struct wsd_endpoint_attr *attr, void *context,
				       struct wsd_endpoint **endpoint)
{
	struct wsd_endpoint *ep;

	if (!attr->send_depth || attr->send_depth > MAX_DEPTH || !attr->recv_depth ||
	    attr->recv_depth > MAX_DEPTH || attr->max_send_sge > 1)
		return WSD_EINVAL;
	ep = sample_host->alloc(sizeof(*ep));
	if (!ep)
		return WSD_ENOMEM;
	ep->attr = *attr;
	ep->work = sample_host->alloc(attr->send_depth * sizeof(*ep->work));
	ep->recv = sample_host->alloc(attr->recv_depth * sizeof(*ep->recv));
	/* One event for each piece of work and each receive, one at the start, one at the end. */
	if (!ep->work || !ep->recv ||
	    !sample_source_init(&ep->source, queue, context,
				attr->send_depth + attr->recv_depth + 2)) {
		sample_host->free(ep->work);
		sample_host->free(ep->recv);
		sample_host->free(ep);
		return WSD_ENOMEM;
	}
	sample_enter();
	ep->next = queue->endpoints;
	queue->endpoints = ep;
	ep->request = request;
	if (request)
		request->passive = ep;
	*endpoint = ep;
	return sample_leave(WSD_OK);
}

void sample_endpoint_destroy(struct wsd_endpoint *ep)
{
	struct wsd_endpoint **at = &ep->source.queue->endpoints;

	sample_enter();
	if (ep->state == CONNECTING)
		give_up(ep);
	else if (ep->request)
		ep->request->passive = NULL;
	sample_end_both(ep, WSD_EABORTED, WSD_ERESET);
	while (*at != ep)
		at = &(*at)->next;
	*at = ep->next;
	sample_source_fini(&ep->source);
	sample_drop_memory(ep);
	sample_host->free(ep->work);
	sample_host->free(ep->recv);
	sample_host->free(ep);
	sample_leave(WSD_OK);
}

/* [lock] */
static enum wsd_status send_request(struct wsd_endpoint *ep, const void *data, uint32_t length)
{
	struct wsd_listener_ep *l = find_listener(&ep->remote, false);
	struct wsd_request *request;
	struct wsd_event *event;

	if (!l)
		return WSD_ENOLISTENER;
	if (l->pending == l->backlog)
		return WSD_EREFUSED;
	request = sample_host->alloc(sizeof(*request));
	if (!request)
		return WSD_ENOMEM;
	request->listener = l;
	request->active = ep;
	request->next = l->requests;
	l->requests = request;
	l->pending++;
	ep->request = request;
	event = sample_push(&l->source, WSD_EV_REQUEST, WSD_OK);
	event->request = request;
	event->local = ep->remote;
	event->remote = ep->local;
	event->data = length ? memcpy(request->data, data, length) : NULL;
	event->data_length = length;
	return WSD_OK;
}

enum wsd_status sample_connect(struct wsd_endpoint *ep, const struct wsd_addr *local,
			       const struct wsd_addr *remote, const void *data,
			       uint32_t data_length, uint64_t timeout)
{
	enum wsd_status status;

	if (data_length > WSD_REQUEST_DATA_MAX)
		return WSD_EINVAL;
	if (sample_reachable(NULL, local, remote) != WSD_OK)
		return WSD_EUNREACHABLE;
	sample_enter();
	if (ep->state != IDLE || ep->request)
		return sample_leave(WSD_ESTATE);
	ep->remote = *remote;
	ep->local = *remote;
	ep->local.port = local ? local->port : 0;
	if (local && local->family != WSD_FAMILY_NONE && !any_address(local))
		ep->local = *local;
	status = send_request(ep, data, data_length);
	if (status == WSD_ENOMEM)
		return sample_leave(status);
	ep->deadline = timeout < UINT64_MAX - sample_host->now() ? sample_host->now() + timeout
								 : UINT64_MAX;
	ep->state = CONNECTING;
	ep->source.queue->connecting++;
	if (status != WSD_OK)
		sample_end(ep, status);
	return sample_leave(WSD_OK);
}

static void opened(struct wsd_endpoint *ep, const void *data, uint32_t length)
{
	struct wsd_event *event = sample_push(&ep->source, WSD_EV_CONNECTED, WSD_OK);

	ep->state = OPEN;
	event->local = ep->local;
	event->remote = ep->remote;
	if (length)
		event->data = memcpy(ep->data, data, length);
	event->data_length = length;
}

enum wsd_status sample_accept(struct wsd_endpoint *ep, const void *data, uint32_t data_length)
{
	struct wsd_endpoint *active;

	sample_enter();
	if (!ep->request || ep->state != IDLE)
		return sample_leave(WSD_ESTATE);
	active = ep->request->active;
	if (!active || data_length > WSD_REPLY_DATA_MAX) {
		request_end(ep->request, WSD_EREFUSED, NULL, 0);
		return sample_leave(active ? WSD_EINVAL : WSD_ERESET);
	}
	request_end(ep->request, WSD_OK, NULL, 0);
	ep->peer = active;
	active->peer = ep;
	active->source.queue->connecting--;
	ep->local = active->remote;
	ep->remote = active->local;
	opened(active, data, data_length);
	opened(ep, NULL, 0);
	return sample_leave(WSD_OK);
}

void sample_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	sample_enter();
	request_end(request, WSD_EREFUSED, data,
		    data_length < WSD_REPLY_DATA_MAX ? data_length : WSD_REPLY_DATA_MAX);
	sample_leave(WSD_OK);
}

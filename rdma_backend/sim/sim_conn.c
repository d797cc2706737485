// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_conn.c - listeners, connection requests and the handshake.
 *
 * A request belongs to the connecting side while it travels, to the listener from its arrival to
 * its report, and to the listener's owner from then until accept, reject or listener_destroy.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

static bool sim_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

static bool sim_same_host(const struct wsd_addr *a, const struct wsd_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0 &&
	       (a->scope == b->scope || !a->scope || !b->scope);
}

bool wsd_sim_is_local(const struct wsd_device *device, const struct wsd_addr *addr)
{
	uint32_t i;

	if (addr->family == WSD_FAMILY_IPV4 && addr->bytes[0] == 127)
		return true;
	for (i = 0; i < device->address_count; i++) {
		if (sim_same_host(&device->addresses[i], addr))
			return true;
	}
	return false;
}

static struct wsd_listener_ep *sim_find_listener(const struct wsd_addr *addr, bool exact)
{
	struct wsd_listener_ep *wild = NULL;
	struct wsd_list *at;

	wsd_list_for_each(at, &wsd_sim.listeners) {
		struct wsd_listener_ep *l = wsd_container(at, struct wsd_listener_ep, link);

		if (l->local.port != addr->port || l->local.family != addr->family)
			continue;
		if (sim_same_host(&l->local, addr))
			return l;
		if (sim_any(&l->local))
			wild = l;
	}
	return exact ? NULL : wild;
}

enum wsd_status wsd_sim_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			       uint32_t backlog, void *context, struct wsd_listener_ep **listener)
{
	enum wsd_status status = WSD_ENOMEM;
	struct wsd_listener_ep *l;

	if (!local->port || (local->family != WSD_FAMILY_IPV4 && local->family != WSD_FAMILY_IPV6))
		return WSD_EINVAL;
	if (!sim_any(local) && !wsd_sim_is_local(queue->device, local))
		return WSD_EADDRNOTAVAIL;
	wsd_sim_lock();
	if (wsd_sim_fault(SIM_FAULT_LISTEN, &status))
		goto out;
	if (queue->gone) {
		status = WSD_EDEVICE;
		goto out;
	}
	if (sim_find_listener(local, true)) {
		status = WSD_EADDRINUSE;
		goto out;
	}
	l = wsd_sim.host->alloc(sizeof(*l));
	if (!l)
		goto out;
	wsd_sim_source_init(&l->source, queue, context);
	l->local = *local;
	l->backlog = backlog ? backlog : 1;
	wsd_list_init(&l->requests);
	wsd_list_append(&wsd_sim.listeners, &l->link);
	wsd_list_append(&queue->listeners, &l->owned);
	*listener = l;
	status = WSD_OK;
out:
	wsd_sim_unlock();
	return status;
}

/* The request is over; whoever waits on the connecting side learns why. */
static void sim_request_end(struct wsd_request *request, enum wsd_status status, const void *data,
			    uint32_t length)
{
	struct wsd_endpoint *active = request->active;

	if (request->listener) {
		request->listener->pending--;
		wsd_sim_note_cancel(&request->listener->source, &request->note);
		wsd_sim_note_cancel(&request->listener->source, &request->note_gone);
	}
	wsd_list_remove(&request->link);
	wsd_list_remove(&request->arrive.link);
	if (request->passive)
		request->passive->request = NULL;
	if (active) {
		active->request = NULL;
		if (status != WSD_OK) {
			if (length)
				memcpy(active->data, data, length);
			active->note_open.event.data = active->data;
			active->note_open.event.data_length = length;
			wsd_sim_end(active, status);
		}
	}
	wsd_sim.host->free(request);
}

void wsd_sim_listener_destroy(struct wsd_listener_ep *listener)
{
	wsd_sim_lock();
	while (!wsd_list_empty(&listener->requests))
		sim_request_end(wsd_container(listener->requests.next, struct wsd_request, link),
				WSD_ENOLISTENER, NULL, 0);
	wsd_sim_source_fini(&listener->source);
	wsd_list_remove(&listener->link);
	wsd_list_remove(&listener->owned);
	wsd_sim.host->free(listener);
	wsd_sim_unlock();
}

/* The connecting side gives up: silently while nobody has heard of the request. */
void wsd_sim_request_detach(struct wsd_endpoint *active)
{
	struct wsd_request *request = active->request;

	if (!request)
		return;
	active->request = NULL;
	request->active = NULL;
	if (!request->reported) {
		sim_request_end(request, WSD_OK, NULL, 0);
		return;
	}
	request->note_gone.event.type = WSD_EV_REQUEST_GONE;
	request->note_gone.event.request = request;
	wsd_sim_note_push(&request->listener->source, &request->note_gone);
}

static void sim_request_arrive(struct sim_item *item)
{
	struct wsd_request *request = wsd_container(item, struct wsd_request, arrive);
	struct wsd_endpoint *active = request->active;
	struct wsd_listener_ep *listener = sim_find_listener(&active->remote, false);
	struct wsd_event *event = &request->note.event;
	enum wsd_status status;

	if (request->forced != WSD_OK || !listener || listener->source.queue->gone) {
		status = request->forced != WSD_OK ? request->forced : WSD_ENOLISTENER;
		sim_request_end(request, status, NULL, 0);
		return;
	}
	if (listener->pending >= listener->backlog || wsd_sim_fault(SIM_FAULT_REJECT, &status)) {
		sim_request_end(request, WSD_EREFUSED, NULL, 0);
		return;
	}
	request->listener = listener;
	listener->pending++;
	wsd_list_append(&listener->requests, &request->link);
	event->type = WSD_EV_REQUEST;
	event->request = request;
	event->data = request->data;
	event->data_length = request->data_length;
	event->local = active->remote;
	event->remote = active->local;
	wsd_sim_note_push(&listener->source, &request->note);
}

/* Where the application did not choose, a loop-back device talks to itself. */
static void sim_choose_local(struct wsd_endpoint *ep, const struct wsd_addr *local,
			     const struct wsd_addr *remote)
{
	ep->remote = *remote;
	ep->local = *remote;
	ep->local.port = 0;
	if (!local || local->family == WSD_FAMILY_NONE)
		return;
	if (sim_any(local))
		ep->local.port = local->port;
	else
		ep->local = *local;
}

static enum wsd_status sim_send_request(struct wsd_endpoint *ep, const void *data, uint32_t length)
{
	struct wsd_request *request = wsd_sim.host->alloc(sizeof(*request));

	if (!request)
		return WSD_ENOMEM;
	wsd_list_init(&request->link);
	wsd_sim_item_init(&request->arrive, sim_request_arrive);
	wsd_sim_note_init(&request->note, SIM_NOTE_REQUEST);
	wsd_sim_note_init(&request->note_gone, SIM_NOTE_REQUEST);
	request->active = ep;
	request->data_length = length;
	if (length)
		memcpy(request->data, data, length);
	wsd_sim_fault(SIM_FAULT_CONNECT, &request->forced);
	request->arrive.queue[0] = ep->source.queue;
	ep->request = request;
	wsd_sim_schedule(&request->arrive, wsd_sim_after_delay());
	return WSD_OK;
}

/* Nobody holds a pointer to the listener's queue while a request travels: wake it by hand. */
static void sim_wake_listener(const struct wsd_addr *remote)
{
	struct wsd_listener_ep *listener = sim_find_listener(remote, false);

	if (listener && !wsd_sim.stepped)
		wsd_sim_queue_fire(listener->source.queue);
}

enum wsd_status wsd_sim_connect(struct wsd_endpoint *ep, const struct wsd_addr *local,
				const struct wsd_addr *remote, const void *data,
				uint32_t data_length, uint64_t timeout)
{
	struct wsd_queue *queue = ep->source.queue;
	enum wsd_status status;
	uint64_t now;

	if (data_length > WSD_REQUEST_DATA_MAX || (data_length && !data) || !remote->port)
		return WSD_EINVAL;
	if (!wsd_sim_is_local(queue->device, remote))
		return WSD_EUNREACHABLE;
	if (local && local->family != WSD_FAMILY_NONE) {
		if (local->family != remote->family)
			return WSD_EINVAL;
		if (!sim_any(local) && !wsd_sim_is_local(queue->device, local))
			return WSD_EADDRNOTAVAIL;
	}
	wsd_sim_lock();
	if (ep->state != SIM_NEW || ep->request || queue->gone) {
		status = queue->gone ? WSD_EDEVICE : WSD_ESTATE;
		goto out;
	}
	sim_choose_local(ep, local, remote);
	status = sim_send_request(ep, data, data_length);
	if (status != WSD_OK)
		goto out;
	now = wsd_sim_clock_ns();
	ep->deadline = timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX;
	ep->state = SIM_CONNECTING;
	wsd_list_append(&queue->connecting, &ep->connecting);
	wsd_sim_queue_fire(queue); /* it must learn the new limit */
	sim_wake_listener(remote);
out:
	wsd_sim_unlock();
	return status;
}

void wsd_sim_check_timeouts(struct wsd_queue *queue)
{
	struct wsd_list *at, *after;
	uint64_t now;

	if (wsd_list_empty(&queue->connecting))
		return;
	now = wsd_sim_clock_ns();
	wsd_list_for_each_safe(at, after, &queue->connecting) {
		struct wsd_endpoint *ep = wsd_container(at, struct wsd_endpoint, connecting);

		if (ep->deadline > now)
			continue;
		wsd_sim_request_detach(ep);
		wsd_sim_end_both(ep, WSD_ETIMEDOUT, WSD_ERESET);
	}
}

/* The answer reaches the connecting side: open both at this moment. */
static void sim_opened(struct sim_item *item)
{
	struct wsd_endpoint *passive = wsd_container(item, struct wsd_endpoint, handshake);
	struct wsd_endpoint *active = passive->peer;
	struct wsd_endpoint *both[2];
	unsigned i;

	both[0] = active;
	both[1] = passive;
	for (i = 0; i < 2; i++) {
		both[i]->state = SIM_OPEN;
		both[i]->pump.queue[1] = both[1 - i]->source.queue;
		wsd_list_remove(&both[i]->connecting);
		both[i]->note_open.event.type = WSD_EV_CONNECTED;
		both[i]->note_open.event.local = both[i]->local;
		both[i]->note_open.event.remote = both[i]->remote;
		wsd_sim_note_push(&both[i]->source, &both[i]->note_open);
	}
}

enum wsd_status wsd_sim_accept(struct wsd_endpoint *ep, const void *data, uint32_t data_length)
{
	struct wsd_request *request;
	struct wsd_endpoint *active;
	enum wsd_status status = WSD_OK;

	wsd_sim_lock();
	request = ep->request;
	if (!request || ep->state != SIM_NEW) {
		status = WSD_ESTATE;
		goto out;
	}
	active = request->active;
	if (data_length > WSD_REPLY_DATA_MAX || (data_length && !data))
		status = WSD_EINVAL;
	else if (ep->source.queue->gone)
		status = WSD_EDEVICE;
	else
		wsd_sim_fault(SIM_FAULT_ACCEPT, &status);
	if (status != WSD_OK) {
		sim_request_end(request, status, NULL, 0);
		goto out;
	}
	sim_request_end(request, WSD_OK, NULL, 0);
	ep->state = SIM_ACCEPTED;
	if (!active) {
		wsd_sim_end(ep, WSD_ERESET);
		goto out;
	}
	ep->peer = active;
	active->peer = ep;
	if (data_length)
		memcpy(active->data, data, data_length);
	active->note_open.event.data = active->data;
	active->note_open.event.data_length = data_length;
	ep->handshake.run = sim_opened;
	ep->handshake.queue[1] = active->source.queue;
	wsd_sim_schedule(&ep->handshake, wsd_sim_after_delay());
out:
	wsd_sim_unlock();
	return status;
}

void wsd_sim_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	wsd_sim_lock();
	if (data_length > WSD_REPLY_DATA_MAX)
		data_length = WSD_REPLY_DATA_MAX;
	sim_request_end(request, WSD_EREFUSED, data, data_length);
	wsd_sim_unlock();
}

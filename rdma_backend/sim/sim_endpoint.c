// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_endpoint.c - the life of one connection object, and how connections end. All memory that a
 * connection's events and work need is taken when it is made, so nothing later can fail for memory.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

static bool sim_attr_ok(const struct wsd_device_attr *dev, const struct wsd_endpoint_attr *attr)
{
	return attr->size >= sizeof(*attr) && attr->send_depth &&
	       attr->send_depth <= dev->max_send && attr->recv_depth &&
	       attr->recv_depth <= dev->max_recv && attr->max_send_sge &&
	       attr->max_send_sge <= dev->max_sge && attr->recv_bytes <= dev->max_message;
}

static void sim_free_arrays(struct wsd_endpoint *ep)
{
	uint32_t i;

	for (i = 0; ep->work && i < ep->attr.send_depth; i++)
		wsd_sim.host->free(ep->work[i].copy);
	wsd_sim.host->free(ep->work);
	wsd_sim.host->free(ep->recv);
	wsd_sim.host->free(ep->sges);
	wsd_sim.host->free(ep->inlines);
}

static bool sim_make_arrays(struct wsd_endpoint *ep, uint32_t max_inline)
{
	const struct wsd_host *host = wsd_sim.host;
	size_t depth = ep->attr.send_depth;
	uint32_t i;

	ep->work = host->alloc(depth * sizeof(*ep->work));
	ep->recv = host->alloc(ep->attr.recv_depth * sizeof(*ep->recv));
	ep->sges = host->alloc(depth * ep->attr.max_send_sge * sizeof(*ep->sges));
	ep->inlines = host->alloc(depth * max_inline + 1);
	if (!ep->work || !ep->recv || !ep->sges || !ep->inlines)
		return false;
	for (i = 0; i < depth; i++) {
		wsd_sim_note_init(&ep->work[i].note, SIM_NOTE_WORK);
		ep->work[i].sge = &ep->sges[i * ep->attr.max_send_sge];
		ep->work[i].inlined = &ep->inlines[(size_t)i * max_inline];
	}
	for (i = 0; i < ep->attr.recv_depth; i++)
		wsd_sim_note_init(&ep->recv[i].note, SIM_NOTE_RECV);
	return true;
}

static void sim_endpoint_init(struct wsd_endpoint *ep, struct wsd_queue *queue, void *context)
{
	wsd_sim_source_init(&ep->source, queue, context);
	ep->number = ++wsd_sim.endpoints;
	wsd_list_init(&ep->connecting);
	wsd_list_init(&ep->memory);
	wsd_sim_item_init(&ep->pump, wsd_sim_pump);
	ep->pump.queue[0] = queue;
	wsd_sim_item_init(&ep->handshake, NULL);
	ep->handshake.queue[0] = queue;
	wsd_sim_note_init(&ep->note_open, SIM_NOTE_CM);
	wsd_sim_note_init(&ep->note_closed, SIM_NOTE_CM);
	wsd_list_append(&queue->endpoints, &ep->link);
}

enum wsd_status wsd_sim_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
					const struct wsd_endpoint_attr *attr, void *context,
					struct wsd_endpoint **endpoint)
{
	enum wsd_status status = WSD_ENOMEM;
	struct wsd_endpoint *ep;

	if (!sim_attr_ok(&queue->device->attr, attr))
		return WSD_EINVAL;
	wsd_sim_lock();
	if (queue->gone) {
		status = WSD_EDEVICE;
		goto out;
	}
	if (wsd_sim_fault(SIM_FAULT_ENDPOINT, &status))
		goto out;
	if (request && request->passive) {
		status = WSD_ESTATE;
		goto out;
	}
	ep = wsd_sim.host->alloc(sizeof(*ep));
	if (!ep)
		goto out;
	ep->attr = *attr;
	if (!sim_make_arrays(ep, queue->device->attr.max_inline)) {
		sim_free_arrays(ep);
		wsd_sim.host->free(ep);
		goto out;
	}
	sim_endpoint_init(ep, queue, context);
	ep->request = request;
	if (request) {
		request->passive = ep;
		ep->local = request->note.event.local;
		ep->remote = request->note.event.remote;
	}
	*endpoint = ep;
	status = WSD_OK;
out:
	wsd_sim_unlock();
	return status;
}

static void sim_flush_sends(struct wsd_endpoint *ep)
{
	bool quiet = wsd_sim.rules.drop_flush;

	for (; ep->done != ep->tail; ep->done++) {
		struct sim_work *work = &ep->work[ep->done % ep->attr.send_depth];

		if (work->state != SIM_WORK_DONE)
			work->status = WSD_ECANCELLED;
		work->state = SIM_WORK_DONE;
		if (work->status == WSD_OK && !(work->flags & WSD_WORK_SIGNALLED))
			continue;
		if (quiet && work->status == WSD_ECANCELLED)
			continue;
		work->note.event.type = WSD_EV_SEND;
		work->note.event.status = work->status;
		work->note.event.id = work->id;
		wsd_sim_note_push(&ep->source, &work->note);
	}
	ep->next = ep->tail;
	ep->reading = 0;
}

static void sim_flush_recvs(struct wsd_endpoint *ep)
{
	for (; ep->recv_next != ep->recv_tail; ep->recv_next++) {
		struct sim_recv *recv = &ep->recv[ep->recv_next % ep->attr.recv_depth];

		if (wsd_sim.rules.drop_flush)
			continue;
		recv->note.event.type = WSD_EV_RECV;
		recv->note.event.status = WSD_ECANCELLED;
		recv->note.event.id = recv->id;
		recv->note.event.bytes = 0;
		wsd_sim_note_push(&ep->source, &recv->note);
	}
}

void wsd_sim_end(struct wsd_endpoint *ep, enum wsd_status status)
{
	enum sim_state was = ep->state;

	if (was == SIM_NEW || was == SIM_CLOSED)
		return;
	ep->state = SIM_CLOSED;
	ep->peer = NULL;
	ep->pump.queue[1] = NULL;
	wsd_list_remove(&ep->pump.link);
	wsd_list_remove(&ep->handshake.link);
	wsd_list_remove(&ep->connecting);
	if (was == SIM_OPEN) {
		sim_flush_sends(ep);
		sim_flush_recvs(ep);
		ep->note_closed.event.type = WSD_EV_DISCONNECTED;
		ep->note_closed.event.status = status;
		wsd_sim_note_push(&ep->source, &ep->note_closed);
	} else {
		ep->note_open.event.type = WSD_EV_CONNECT_FAILED;
		ep->note_open.event.status = status;
		wsd_sim_note_push(&ep->source, &ep->note_open);
	}
}

void wsd_sim_end_both(struct wsd_endpoint *ep, enum wsd_status mine, enum wsd_status peers)
{
	struct wsd_endpoint *peer = ep->peer;

	wsd_sim_end(ep, mine);
	if (peer)
		wsd_sim_end(peer, peers);
}

void wsd_sim_endpoint_destroy(struct wsd_endpoint *ep)
{
	wsd_sim_lock();
	if (ep->state == SIM_CONNECTING)
		wsd_sim_request_detach(ep);
	else if (ep->request)
		ep->request->passive = NULL;
	wsd_sim_end_both(ep, WSD_EABORTED, WSD_ERESET);
	wsd_sim_source_fini(&ep->source);
	wsd_list_remove(&ep->link);
	wsd_sim_memory_drop(ep);
	sim_free_arrays(ep);
	wsd_sim.host->free(ep);
	wsd_sim_unlock();
}

/* The device was pulled out: its owner learns that and nothing else, the others see resets. */
void wsd_sim_queue_gone(struct wsd_queue *queue)
{
	struct wsd_list *at;

	queue->gone = true;
	wsd_list_for_each(at, &queue->endpoints) {
		struct wsd_endpoint *ep = wsd_container(at, struct wsd_endpoint, link);

		if (ep->state == SIM_CONNECTING)
			wsd_sim_request_detach(ep);
		wsd_sim_end_both(ep, WSD_EDEVICE, WSD_ERESET);
	}
	while (!wsd_list_empty(&queue->ready)) {
		struct sim_source *source =
			wsd_container(queue->ready.next, struct sim_source, link);

		wsd_sim_source_fini(source); /* requests go away with their listener */
	}
	queue->note_gone.event.type = WSD_EV_DEVICE_GONE;
	queue->note_gone.event.status = WSD_EDEVICE;
	wsd_sim_note_push(&queue->source, &queue->note_gone);
}

void wsd_sim_delivered(struct sim_source *source, struct sim_note *note)
{
	struct wsd_endpoint *ep;
	struct sim_work *work;

	switch (note->kind) {
	case SIM_NOTE_WORK:
		ep = wsd_container(source, struct wsd_endpoint, source);
		work = wsd_container(note, struct sim_work, note);
		/* The slots before it were unsignalled: this event stands for them too. */
		do {
			wsd_sim.host->free(ep->work[ep->head % ep->attr.send_depth].copy);
			ep->work[ep->head % ep->attr.send_depth].copy = NULL;
		} while (&ep->work[ep->head++ % ep->attr.send_depth] != work);
		break;
	case SIM_NOTE_RECV:
		ep = wsd_container(source, struct wsd_endpoint, source);
		ep->recv_free++;
		break;
	case SIM_NOTE_REQUEST:
		if (note->event.type == WSD_EV_REQUEST)
			wsd_container(note, struct wsd_request, note)->reported = true;
		break;
	case SIM_NOTE_CM:
	case SIM_NOTE_QUEUE:
		break;
	}
}

// SPDX-License-Identifier: BSD-2-Clause
/* sample_work.c - how the sample backend moves bytes, and how its connections end. */
#include "sample.h"

#include <string.h>

/* ---- the end of connections ---- */

void sample_end(struct wsd_endpoint *ep, enum wsd_status status)
{
	if (status != WSD_OK)
		sample_host->log(4, "sample", "a connection ends: %s", wsd_status_text(status));
	if (ep->state == CONNECTING || ep->state == OPEN)
		sample_push(&ep->source,
			    ep->state == OPEN ? WSD_EV_DISCONNECTED : WSD_EV_CONNECT_FAILED,
			    status);
	if (ep->state == CONNECTING)
		ep->source.queue->connecting--;
	ep->state = CLOSED;
	ep->peer = NULL;
}

void sample_end_both(struct wsd_endpoint *ep, enum wsd_status mine, enum wsd_status peers)
{
	if (ep->peer)
		sample_end(ep->peer, peers);
	sample_end(ep, mine);
}

/* ---- work ---- */

/* WSD_AGAIN: the peer has posted no receive. Other failures end the connection. */
static enum wsd_status carry_out(struct wsd_endpoint *ep, const struct work *work)
{
	struct wsd_endpoint *peer = ep->peer;
	struct wsd_event *event;
	struct wsd_recv *recv;
	bool fits;
	void *to;

	if (work->op == WSD_OP_WRITE) {
		to = work->length ? sample_target(peer, work) : NULL;
		if (work->length && !to)
			return WSD_EREMOTE_ACCESS;
		if (to)
			memmove(to, work->addr, work->length);
		return WSD_OK;
	}
	if (peer->recv_head == peer->recv_tail)
		return WSD_AGAIN;
	recv = &peer->recv[peer->recv_head++ % peer->attr.recv_depth];
	fits = work->length <= recv->sge.length;
	if (fits && work->length)
		memcpy(recv->sge.addr, work->addr, work->length);
	event = sample_push(&peer->source, WSD_EV_RECV, fits ? WSD_OK : WSD_ELENGTH);
	event->id = recv->id;
	event->bytes = fits ? work->length : 0;
	return fits ? WSD_OK : WSD_ELENGTH;
}

static void run(struct wsd_endpoint *ep)
{
	enum wsd_status status;
	struct work *work;

	while (ep->state == OPEN && ep->work_head != ep->work_tail) {
		work = &ep->work[ep->work_head % ep->attr.send_depth];
		status = carry_out(ep, work);
		if (status == WSD_AGAIN)
			return;
		ep->work_head++;
		if (status != WSD_OK || work->signalled)
			sample_push(&ep->source, WSD_EV_SEND, status)->id = work->id;
		else
			ep->work_busy--;
		if (status != WSD_OK)
			sample_end_both(ep, status, status);
	}
	if (ep->state == OPEN && ep->closing)
		sample_end_both(ep, WSD_OK, WSD_OK);
}

static bool work_ok(const struct wsd_endpoint *ep, const struct wsd_work *work)
{
	const struct wsd_sge *sge = work->sge;

	if ((work->op != WSD_OP_SEND && work->op != WSD_OP_WRITE) ||
	    work->sge_count > ep->attr.max_send_sge || (work->flags & WSD_WORK_INLINE))
		return false;
	if (!work->sge_count || !sge->length)
		return true;
	return sge->length <= MAX_MESSAGE && sge->region;
}

enum wsd_status sample_post_send(struct wsd_endpoint *ep, const struct wsd_work *list,
				 uint32_t *posted)
{
	struct work *slot;

	*posted = 0;
	sample_enter();
	if (ep->state != OPEN || ep->closing)
		return sample_leave(WSD_ESTATE);
	for (; list && ep->state == OPEN; list = list->next) {
		if (!work_ok(ep, list))
			return sample_leave(WSD_EINVAL);
		if (ep->work_busy == ep->attr.send_depth)
			return sample_leave(WSD_AGAIN);
		slot = &ep->work[ep->work_tail % ep->attr.send_depth];
		slot->id = list->id;
		slot->op = list->op;
		slot->signalled = list->flags & WSD_WORK_SIGNALLED;
		slot->addr = list->sge_count ? list->sge->addr : NULL;
		slot->length = list->sge_count ? list->sge->length : 0;
		slot->remote_addr = list->remote_addr;
		slot->remote_key = list->remote_key;
		ep->work_tail++;
		ep->work_busy++;
		++*posted;
		run(ep);
	}
	return sample_leave(list ? WSD_ESTATE : WSD_OK);
}

enum wsd_status sample_post_recv(struct wsd_endpoint *ep, const struct wsd_recv *list,
				 uint32_t *posted)
{
	*posted = 0;
	sample_enter();
	if (ep->state == CLOSED)
		return sample_leave(WSD_ESTATE);
	for (; list; list = list->next) {
		if (list->sge.length > ep->attr.recv_bytes ||
		    (list->sge.length && !list->sge.region))
			return sample_leave(WSD_EINVAL);
		if (ep->recv_busy == ep->attr.recv_depth)
			return sample_leave(WSD_AGAIN);
		ep->recv[ep->recv_tail++ % ep->attr.recv_depth] = *list;
		ep->recv_busy++;
		++*posted;
		if (ep->peer && ep->state == OPEN)
			run(ep->peer); /* a message may have waited for this */
	}
	return sample_leave(WSD_OK);
}

enum wsd_status sample_disconnect(struct wsd_endpoint *ep)
{
	sample_enter();
	if (ep->state != OPEN || ep->closing)
		return sample_leave(WSD_ESTATE);
	ep->closing = true;
	run(ep);
	return sample_leave(WSD_OK);
}

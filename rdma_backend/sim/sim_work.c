// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_work.c - posting and carrying out work. As on hardware, nothing of the payload is touched
 * while posting unless it is inline: sources are read when the work's time has come, and a READ
 * places its data later still, while work behind it without a fence goes on.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

#define SIM_FLAGS (WSD_WORK_SIGNALLED | WSD_WORK_INLINE | WSD_WORK_FENCE | WSD_WORK_STABLE)

static const struct wsd_device_attr *sim_dev(const struct wsd_endpoint *ep)
{
	return &ep->source.queue->device->attr;
}

static struct sim_work *sim_slot(struct wsd_endpoint *ep, uint64_t index)
{
	return &ep->work[index % ep->attr.send_depth];
}

/* Is the next waiting request allowed to start, apart from its time? */
static bool sim_may_start(struct wsd_endpoint *ep)
{
	struct sim_work *work = sim_slot(ep, ep->next);

	if (ep->next == ep->tail || ep->stalled)
		return false;
	if ((work->flags & WSD_WORK_FENCE) && ep->reading)
		return false;
	return work->op != WSD_OP_READ || ep->reading < sim_dev(ep)->max_read;
}

static void sim_reschedule(struct wsd_endpoint *ep)
{
	uint64_t due = UINT64_MAX;

	if (ep->state != SIM_OPEN)
		return;
	if (ep->done != ep->next)
		due = sim_slot(ep, ep->done)->due;
	if (sim_may_start(ep) && sim_slot(ep, ep->next)->due < due)
		due = sim_slot(ep, ep->next)->due;
	if (ep->disconnecting && ep->done == ep->tail)
		due = ep->bye_due;
	if (due != UINT64_MAX && (wsd_list_empty(&ep->pump.link) || ep->pump.due != due))
		wsd_sim_schedule(&ep->pump, due);
}

/* ---- carrying out ---- */

/* The memory of an element, NULL if its registration is gone: an error of our own application. */
static uint8_t *sim_local(struct wsd_endpoint *ep, const struct sim_sge *sge)
{
	if (!sge->key || wsd_sim_key(ep->source.queue->device, sge->key))
		return sge->addr;
	wsd_sim.host->log(0, "sim", "posted memory was deregistered before its work was done");
	return NULL;
}

static bool sim_gather(struct wsd_endpoint *ep, const struct sim_work *work, uint8_t *to)
{
	uint32_t i;

	for (i = 0; i < work->sge_count; i++) {
		const struct sim_sge *sge = &work->sge[i];
		uint8_t *from = sim_local(ep, sge);

		if (!from)
			return false;
		if (sge->length)
			memmove(to, from, sge->length);
		to += sge->length;
	}
	return true;
}

static bool sim_scatter(struct wsd_endpoint *ep, const struct sim_work *work, const uint8_t *from)
{
	uint32_t i;

	for (i = 0; i < work->sge_count; i++) {
		const struct sim_sge *sge = &work->sge[i];
		uint8_t *to = sim_local(ep, sge);

		if (!to)
			return false;
		if (sge->length)
			memmove(to, from, sge->length);
		from += sge->length;
	}
	return true;
}

/* Key, owner, rights and range as the target's adapter checks them. */
static uint8_t *sim_target(struct wsd_endpoint *peer, const struct sim_work *work, uint32_t access)
{
	struct sim_region *r = wsd_sim_key(peer->source.queue->device, work->remote_key);
	uint64_t offset;

	if (!r || (r->bound && r->bound != peer->number) || !(r->region.access & access))
		return NULL;
	offset = work->remote_addr - r->region.remote_addr; /* below the start: a huge number */
	if (offset > r->region.length || work->bytes > r->region.length - offset)
		return NULL;
	return (uint8_t *)r->region.base + offset;
}

static void sim_received(struct wsd_endpoint *peer, enum wsd_event_type type,
			 enum wsd_status status, uint32_t bytes, uint32_t imm)
{
	struct sim_recv *recv = &peer->recv[peer->recv_next++ % peer->attr.recv_depth];

	recv->note.event.type = type;
	recv->note.event.status = status;
	recv->note.event.id = recv->id;
	recv->note.event.bytes = bytes;
	recv->note.event.imm = imm;
	wsd_sim_note_push(&peer->source, &recv->note);
}

static enum wsd_status sim_no_receive(void)
{
	wsd_sim_count("rnr", "messages that found no posted receive");
	return wsd_sim.rules.rnr_fail ? WSD_ERNR : WSD_AGAIN;
}

static enum wsd_status sim_do_send(struct wsd_endpoint *ep, const struct sim_work *work)
{
	struct wsd_endpoint *peer = ep->peer;
	struct sim_recv *recv = &peer->recv[peer->recv_next % peer->attr.recv_depth];
	uint8_t *to;

	if (peer->recv_next == peer->recv_tail)
		return sim_no_receive();
	if (work->bytes > recv->sge.length) {
		sim_received(peer, WSD_EV_RECV, WSD_ELENGTH, 0, 0);
		return WSD_ELENGTH;
	}
	to = sim_local(peer, &recv->sge);
	if (work->bytes && !to) {
		sim_received(peer, WSD_EV_RECV, WSD_EINVAL, 0, 0);
		return WSD_ERESET;
	}
	if (!sim_gather(ep, work, to))
		return WSD_EINVAL;
	sim_received(peer, WSD_EV_RECV, WSD_OK, work->bytes, 0);
	return WSD_OK;
}

static enum wsd_status sim_do_write(struct wsd_endpoint *ep, const struct sim_work *work)
{
	struct wsd_endpoint *peer = ep->peer;
	uint8_t *to = NULL;

	if (work->op == WSD_OP_WRITE_IMM && peer->recv_next == peer->recv_tail)
		return sim_no_receive();
	/* Without bytes there is no access: adapters do not look at the key then. */
	if (work->bytes) {
		to = sim_target(peer, work, WSD_ACCESS_REMOTE_WRITE);
		if (!to)
			return WSD_EREMOTE_ACCESS;
		if (!sim_gather(ep, work, to))
			return WSD_EINVAL;
	}
	if (work->op == WSD_OP_WRITE_IMM)
		sim_received(peer, WSD_EV_RECV_IMM, WSD_OK, work->bytes, work->imm);
	return WSD_OK;
}

static enum wsd_status sim_do_read(struct wsd_endpoint *ep, const struct sim_work *work)
{
	uint8_t *from;

	if (!work->bytes)
		return WSD_OK;
	from = sim_target(ep->peer, work, WSD_ACCESS_REMOTE_READ);
	if (!from)
		return WSD_EREMOTE_ACCESS;
	return sim_scatter(ep, work, from) ? WSD_OK : WSD_EINVAL;
}

static void sim_completed(struct wsd_endpoint *ep, struct sim_work *work)
{
	if (!(work->flags & WSD_WORK_SIGNALLED))
		return;
	work->note.event.type = WSD_EV_SEND;
	work->note.event.status = WSD_OK;
	work->note.event.id = work->id;
	work->note.event.bytes = work->bytes;
	wsd_sim_note_push(&ep->source, &work->note);
}

/* Failed work takes the connection with it; wsd_sim_end reports the work itself in its order. */
static void sim_fail(struct wsd_endpoint *ep, struct sim_work *work, enum wsd_status status)
{
	work->state = SIM_WORK_DONE;
	work->status = status;
	wsd_sim_end_both(ep, status, status == WSD_EINVAL ? WSD_ERESET : status);
}

/* READs whose data has come, and what waited behind them. False: the connection broke. */
static bool sim_complete_ready(struct wsd_endpoint *ep, uint64_t now)
{
	for (; ep->done != ep->next; ep->done++) {
		struct sim_work *work = sim_slot(ep, ep->done);

		if (work->state == SIM_WORK_READING) {
			if (work->due > now)
				return true;
			work->status = sim_do_read(ep, work);
			if (work->status != WSD_OK) {
				sim_fail(ep, work, work->status);
				return false;
			}
			work->state = SIM_WORK_DONE;
			ep->reading--;
		}
		sim_completed(ep, work);
	}
	return true;
}

/* Start the next request. False: the connection broke. */
static bool sim_start(struct wsd_endpoint *ep, struct sim_work *work)
{
	enum wsd_status status;

	if (work->op == WSD_OP_READ) {
		work->state = SIM_WORK_READING;
		work->due = wsd_sim_after_delay();
		ep->reading++;
		ep->next++;
		return true;
	}
	status = work->op == WSD_OP_SEND ? sim_do_send(ep, work) : sim_do_write(ep, work);
	if (status == WSD_AGAIN) {
		ep->stalled = true; /* until the peer posts a receive */
		return true;
	}
	if (status != WSD_OK) {
		sim_fail(ep, work, status);
		return false;
	}
	work->state = SIM_WORK_DONE;
	work->status = WSD_OK;
	ep->next++;
	return true;
}

void wsd_sim_pump(struct sim_item *item)
{
	struct wsd_endpoint *ep = wsd_container(item, struct wsd_endpoint, pump);
	uint64_t now = wsd_sim_present();

	if (ep->state != SIM_OPEN)
		return;
	if (!sim_complete_ready(ep, now))
		return;
	while (sim_may_start(ep) && sim_slot(ep, ep->next)->due <= now) {
		if (!sim_start(ep, sim_slot(ep, ep->next)) || !sim_complete_ready(ep, now))
			return;
	}
	if (ep->disconnecting && ep->done == ep->tail && ep->bye_due <= now)
		wsd_sim_end_both(ep, WSD_OK, WSD_OK);
	else
		sim_reschedule(ep);
}

/* ---- posting ---- */

/* Is this memory inside that region, of this device, and with these rights? */
static bool sim_inside(struct wsd_endpoint *ep, const struct wsd_sge *sge, uint32_t access)
{
	uintptr_t addr = (uintptr_t)sge->addr, base;
	struct sim_region *r;

	if (!sge->region)
		return false;
	r = wsd_sim_key(ep->source.queue->device, sge->region->remote_key);
	if (!r || &r->region != sge->region || (r->region.access & access) != access)
		return false;
	base = (uintptr_t)r->region.base;
	return addr >= base && addr - base <= r->region.length &&
	       sge->length <= r->region.length - (addr - base);
}

static bool sim_op_ok(const struct wsd_device_attr *dev, const struct wsd_work *work,
		      uint64_t bytes)
{
	if (work->flags & ~SIM_FLAGS)
		return false;
	if ((work->flags & WSD_WORK_INLINE) && (work->op == WSD_OP_READ || bytes > dev->max_inline))
		return false;
	switch (work->op) {
	case WSD_OP_SEND:
		return bytes <= dev->max_message;
	case WSD_OP_WRITE_IMM:
		if (!(dev->caps & WSD_CAP_WRITE_IMM))
			return false;
		break;
	case WSD_OP_READ:
		if (!(dev->caps & WSD_CAP_READ))
			return false;
		break;
	case WSD_OP_WRITE:
		break;
	default:
		return false;
	}
	return bytes <= dev->max_rdma;
}

static enum wsd_status sim_check(struct wsd_endpoint *ep, const struct wsd_work *work,
				 uint32_t *total)
{
	const struct wsd_device_attr *dev = sim_dev(ep);
	bool copied = work->op != WSD_OP_READ &&
		      ((work->flags & WSD_WORK_INLINE) || (dev->caps & WSD_CAP_COPY_AT_POST));
	uint32_t access = work->op == WSD_OP_READ ? WSD_ACCESS_LOCAL_WRITE : WSD_ACCESS_LOCAL;
	uint64_t bytes = 0;
	uint32_t i;

	if (work->sge_count > ep->attr.max_send_sge || (work->sge_count && !work->sge))
		return WSD_EINVAL;
	for (i = 0; i < work->sge_count; i++) {
		const struct wsd_sge *sge = &work->sge[i];

		bytes += sge->length;
		if (!sge->length || (copied && !sge->region))
			continue;
		if (!sim_inside(ep, sge, access))
			return WSD_EINVAL;
	}
	if (!sim_op_ok(dev, work, bytes))
		return WSD_EINVAL;
	*total = (uint32_t)bytes;
	return WSD_OK;
}

/* Remember where the payload is, or the payload itself where the contract says so. */
static enum wsd_status sim_take_payload(struct wsd_endpoint *ep, struct sim_work *slot,
					const struct wsd_work *work)
{
	uint8_t *to = slot->inlined;
	bool copy = work->op != WSD_OP_READ && (sim_dev(ep)->caps & WSD_CAP_COPY_AT_POST);
	uint32_t i;

	if (!copy && !(work->flags & WSD_WORK_INLINE)) {
		slot->sge_count = work->sge_count;
		for (i = 0; i < work->sge_count; i++) {
			slot->sge[i].addr = work->sge[i].addr;
			slot->sge[i].length = work->sge[i].length;
			slot->sge[i].key =
				work->sge[i].length ? work->sge[i].region->remote_key : 0;
		}
		return WSD_OK;
	}
	if (copy && slot->bytes) {
		slot->copy = wsd_sim.host->alloc(slot->bytes);
		if (!slot->copy)
			return WSD_ENOMEM;
		to = slot->copy;
	}
	slot->sge_count = slot->bytes ? 1 : 0;
	slot->sge[0].addr = to;
	slot->sge[0].length = slot->bytes;
	slot->sge[0].key = 0;
	for (i = 0; i < work->sge_count; i++) {
		if (work->sge[i].length)
			memcpy(to, work->sge[i].addr, work->sge[i].length);
		to += work->sge[i].length;
	}
	return WSD_OK;
}

static enum wsd_status sim_post_one(struct wsd_endpoint *ep, const struct wsd_work *work)
{
	uint32_t limit = ep->attr.send_depth, full = wsd_sim.rules.queue_full;
	struct sim_work *slot = sim_slot(ep, ep->tail);
	enum wsd_status status;

	if (full && full < limit)
		limit = full;
	if (ep->tail - ep->head >= limit)
		return WSD_AGAIN;
	status = sim_check(ep, work, &slot->bytes);
	if (status != WSD_OK)
		return status;
	slot->state = SIM_WORK_QUEUED;
	slot->status = WSD_OK;
	slot->id = work->id;
	slot->op = work->op;
	slot->flags = work->flags;
	slot->imm = work->imm;
	slot->remote_addr = work->remote_addr;
	slot->remote_key = work->remote_key;
	status = sim_take_payload(ep, slot, work);
	if (status != WSD_OK)
		return status;
	slot->due = wsd_sim_after_delay();
	if (slot->due < ep->last_due)
		slot->due = ep->last_due; /* never out of order within a connection */
	ep->last_due = slot->due;
	ep->tail++;
	return WSD_OK;
}

enum wsd_status wsd_sim_post_send(struct wsd_endpoint *ep, const struct wsd_work *list,
				  uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	wsd_sim_lock();
	if (ep->state != SIM_OPEN || ep->disconnecting)
		status = WSD_ESTATE;
	for (; list && status == WSD_OK; list = list->next) {
		status = sim_post_one(ep, list);
		if (status == WSD_OK)
			++*posted;
	}
	if (*posted)
		sim_reschedule(ep);
	wsd_sim_unlock();
	return status;
}

static enum wsd_status sim_post_recv_one(struct wsd_endpoint *ep, const struct wsd_recv *recv)
{
	struct sim_recv *slot = &ep->recv[ep->recv_tail % ep->attr.recv_depth];

	if (ep->recv_tail - ep->recv_free >= ep->attr.recv_depth)
		return WSD_AGAIN;
	if (recv->sge.length > ep->attr.recv_bytes)
		return WSD_EINVAL;
	if (recv->sge.length && !sim_inside(ep, &recv->sge, WSD_ACCESS_LOCAL))
		return WSD_EINVAL;
	slot->id = recv->id;
	slot->sge.addr = recv->sge.addr;
	slot->sge.length = recv->sge.length;
	slot->sge.key = recv->sge.length ? recv->sge.region->remote_key : 0;
	ep->recv_tail++;
	return WSD_OK;
}

enum wsd_status wsd_sim_post_recv(struct wsd_endpoint *ep, const struct wsd_recv *list,
				  uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	wsd_sim_lock();
	if (ep->state == SIM_CLOSED)
		status = WSD_ESTATE;
	for (; list && status == WSD_OK; list = list->next) {
		status = sim_post_recv_one(ep, list);
		if (status == WSD_OK)
			++*posted;
	}
	if (*posted && ep->peer && ep->peer->stalled) {
		ep->peer->stalled = false;
		sim_reschedule(ep->peer);
	}
	wsd_sim_unlock();
	return status;
}

enum wsd_status wsd_sim_disconnect(struct wsd_endpoint *ep)
{
	enum wsd_status status = WSD_OK;

	wsd_sim_lock();
	if (ep->state != SIM_OPEN || ep->disconnecting) {
		status = WSD_ESTATE;
	} else {
		ep->disconnecting = true;
		ep->bye_due = wsd_sim_after_delay();
		if (ep->bye_due < ep->last_due)
			ep->bye_due = ep->last_due;
		sim_reschedule(ep);
	}
	wsd_sim_unlock();
	return status;
}

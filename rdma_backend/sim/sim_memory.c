// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_memory.c - regions. A remote address is no pointer but an offset below the key, so that a
 * caller that confuses base and remote_addr is found out.
 */
#include "rdma_backend/sim/sim_internal.h"

#define SIM_PAGE 4096u

static struct wsd_list *sim_bucket(uint32_t key)
{
	return &wsd_sim.keys[(key * 2654435761u) >> 24];
}

struct sim_region *wsd_sim_key(const struct wsd_device *device, uint32_t key)
{
	struct wsd_list *at, *bucket = sim_bucket(key);

	wsd_list_for_each(at, bucket) {
		struct sim_region *r = wsd_container(at, struct sim_region, link);

		if (r->region.remote_key == key)
			return r->valid && r->queue->device == device ? r : NULL;
	}
	return NULL;
}

static void sim_registered(struct sim_item *item)
{
	struct sim_region *r = wsd_container(item, struct sim_region, registering);

	r->valid = r->outcome == WSD_OK;
	r->note.event.type = WSD_EV_REG;
	r->note.event.status = r->outcome;
	wsd_sim_note_push(&r->queue->source, &r->note);
}

/*
 * Keys are never used twice in one process (until 2^32 registrations), so a stale key is found
 * out.
 */
static struct sim_region *sim_region_new(struct wsd_queue *queue, void *base, uint64_t length,
					 uint32_t access)
{
	struct sim_region *r = wsd_sim.host->alloc(sizeof(*r));

	if (!r)
		return NULL;
	if (++wsd_sim.key == 0)
		wsd_sim.key = 1;
	r->region.base = base;
	r->region.length = length;
	r->region.remote_key = wsd_sim.key;
	r->region.remote_addr = ((uint64_t)wsd_sim.key << 40) + 0x1000u;
	r->region.access = access;
	r->queue = queue;
	r->valid = true;
	wsd_list_init(&r->memory);
	wsd_sim_item_init(&r->registering, sim_registered);
	r->registering.queue[0] = queue;
	wsd_sim_note_init(&r->note, SIM_NOTE_QUEUE);
	wsd_list_append(sim_bucket(wsd_sim.key), &r->link);
	return r;
}

static void sim_region_free(struct sim_region *r)
{
	wsd_list_remove(&r->registering.link);
	if (!wsd_list_empty(&r->note.link))
		wsd_sim_note_cancel(&r->queue->source, &r->note);
	wsd_list_remove(&r->link);
	wsd_list_remove(&r->memory);
	wsd_sim.host->free(r->block);
	wsd_sim.host->free(r);
}

static bool sim_access_known(uint32_t access)
{
	return !(access &
		 ~(WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE));
}

enum wsd_status wsd_sim_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			    uint64_t id, struct wsd_region **region)
{
	enum wsd_status status = WSD_OK;
	struct sim_region *r;
	bool async = queue->device->attr.caps & WSD_CAP_ASYNC_REG;

	if (!base || !length || !sim_access_known(access))
		return WSD_EINVAL;
	wsd_sim_lock();
	if (queue->gone)
		status = WSD_EDEVICE;
	else if (wsd_sim_fault(SIM_FAULT_REG, &status) && !async)
		goto out;
	if (queue->gone)
		goto out;
	r = sim_region_new(queue, base, length, access);
	if (!r) {
		status = WSD_ENOMEM;
		goto out;
	}
	if (async) {
		r->valid = false;
		r->outcome = status;
		r->note.event.id = id;
		wsd_sim_schedule(&r->registering, wsd_sim_after_delay());
		status = WSD_PENDING;
	}
	*region = &r->region;
out:
	wsd_sim_unlock();
	return status;
}

void wsd_sim_dereg(struct wsd_region *region)
{
	wsd_sim_lock();
	sim_region_free(wsd_container(region, struct sim_region, region));
	wsd_sim_unlock();
}

void wsd_sim_bind(struct wsd_region *region, struct wsd_endpoint *endpoint)
{
	wsd_sim_lock();
	wsd_container(region, struct sim_region, region)->bound = endpoint->number;
	wsd_sim_unlock();
}

enum wsd_status wsd_sim_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
				  struct wsd_region **region)
{
	struct wsd_queue *queue = endpoint->source.queue;
	enum wsd_status status = WSD_ENOMEM;
	struct sim_region *r;
	uintptr_t page;
	void *block;

	if (!length || length > SIZE_MAX / 2 || !sim_access_known(access))
		return WSD_EINVAL;
	wsd_sim_lock();
	if (wsd_sim_fault(SIM_FAULT_MEM, &status))
		goto out;
	block = wsd_sim.host->alloc((size_t)length + SIM_PAGE);
	if (!block)
		goto out;
	page = ((uintptr_t)block + SIM_PAGE - 1) & ~(uintptr_t)(SIM_PAGE - 1);
	r = sim_region_new(queue, (char *)block + (page - (uintptr_t)block), length, access);
	if (!r) {
		wsd_sim.host->free(block);
		goto out;
	}
	r->block = block;
	r->bound = endpoint->number;
	wsd_list_append(&endpoint->memory, &r->memory);
	*region = &r->region;
	status = WSD_OK;
out:
	wsd_sim_unlock();
	return status;
}

void wsd_sim_mem_free(struct wsd_region *region)
{
	wsd_sim_dereg(region);
}

void wsd_sim_memory_drop(struct wsd_endpoint *endpoint)
{
	struct wsd_list *at;

	while (!wsd_list_empty(&endpoint->memory)) {
		at = endpoint->memory.next;
		sim_region_free(wsd_container(at, struct sim_region, memory));
	}
}

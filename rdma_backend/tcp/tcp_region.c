// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_region.c - registered memory: the table from keys to regions. A key is the slot number in the
 * low 18 bits and random bits above, so that a key of a region that is gone does not find the next
 * one. Remote addresses are offsets from the base: the peer learns nothing about our address space.
 */
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

#define SLOT_BITS  18
#define SLOT_MASK  ((1u << SLOT_BITS) - 1)
#define PAGE	   4096u
#define ALL_RIGHTS (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

void tcp_regions_init(struct wsd_queue *queue)
{
	wsd_mutex_init(&queue->regions.lock);
	queue->device->host->random(&queue->regions.seed, sizeof(queue->regions.seed));
}

void tcp_regions_fini(struct wsd_queue *queue)
{
	queue->device->host->free(queue->regions.slots);
	wsd_mutex_fini(&queue->regions.lock);
}

static uint32_t random_bits(struct tcp_region_table *table)
{
	uint64_t x = table->seed += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)(x >> 32);
}

static bool table_grow(const struct wsd_host *host, struct tcp_region_table *table)
{
	uint32_t count = table->count ? table->count * 2 : 16;
	struct tcp_region **slots;

	if (count > SLOT_MASK + 1)
		return false;
	slots = host->alloc(count * sizeof(struct tcp_region *));
	if (!slots)
		return false;
	if (table->slots)
		memcpy(slots, table->slots, table->count * sizeof(struct tcp_region *));
	host->free(table->slots);
	table->slots = slots;
	table->hint = table->count;
	table->count = count;
	return true;
}

static enum wsd_status table_add(struct wsd_queue *queue, struct tcp_region *region)
{
	struct tcp_region_table *table = &queue->regions;
	enum wsd_status status = WSD_OK;
	uint32_t slot;

	wsd_mutex_lock(&table->lock);
	if (table->used == table->count && !table_grow(queue->device->host, table)) {
		status = table->count > SLOT_MASK ? WSD_EREGISTER : WSD_ENOMEM;
	} else {
		slot = table->hint;
		while (table->slots[slot])
			slot = (slot + 1) % table->count;
		table->slots[slot] = region;
		table->used++;
		table->hint = (slot + 1) % table->count;
		do {
			region->pub.remote_key = slot | random_bits(table) << SLOT_BITS;
		} while (region->pub.remote_key == 0);
	}
	wsd_mutex_unlock(&table->lock);
	return status;
}

/* When this returns no access is running and none can begin. */
static void table_remove(struct tcp_region *region)
{
	struct tcp_region_table *table = &region->queue->regions;

	wsd_mutex_lock(&table->lock);
	table->hint = region->pub.remote_key & SLOT_MASK;
	table->slots[table->hint] = NULL;
	table->used--;
	wsd_mutex_unlock(&table->lock);
}

struct tcp_region *tcp_region_find(struct wsd_queue *queue, const struct wsd_endpoint *endpoint,
				   uint32_t key, uint32_t access)
{
	struct tcp_region_table *table = &queue->regions;
	uint32_t slot = key & SLOT_MASK;
	struct tcp_region *region = slot < table->count ? table->slots[slot] : NULL;

	if (!region || region->pub.remote_key != key || (region->pub.access & access) != access)
		return NULL;
	if (region->bound && region->bound != endpoint->number)
		return NULL;
	return region;
}

uint8_t *tcp_region_range(struct wsd_queue *queue, const struct wsd_endpoint *endpoint,
			  uint32_t key, uint32_t access, uint64_t addr, uint32_t length)
{
	struct tcp_region *region = tcp_region_find(queue, endpoint, key, access);

	if (!region || length > region->pub.length || addr > region->pub.length - length)
		return NULL;
	return (uint8_t *)region->pub.base + addr;
}

bool tcp_region_covers(const struct wsd_region *region, const void *addr, uint32_t length)
{
	uintptr_t base = (uintptr_t)region->base;
	uintptr_t at = (uintptr_t)addr;

	return at >= base && length <= region->length && at - base <= region->length - length;
}

static enum wsd_status region_new(struct wsd_queue *queue, void *base, uint64_t length,
				  uint32_t access, struct tcp_region **made)
{
	const struct wsd_host *host = queue->device->host;
	struct tcp_region *region = host->alloc(sizeof(*region));
	enum wsd_status status;

	if (!region)
		return WSD_ENOMEM;
	region->pub.base = base;
	region->pub.length = length;
	region->pub.access = access;
	region->queue = queue;
	wsd_list_init(&region->link);
	status = table_add(queue, region);
	if (status != WSD_OK) {
		host->free(region);
		return status;
	}
	*made = region;
	return WSD_OK;
}

enum wsd_status tcp_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			uint64_t id, struct wsd_region **region)
{
	struct tcp_region *made;
	enum wsd_status status;

	(void)id;
	if (length == 0 || !base || (access & ~ALL_RIGHTS) ||
	    length > UINTPTR_MAX - (uintptr_t)base)
		return WSD_EINVAL;
	status = region_new(queue, base, length, access, &made);
	if (status == WSD_OK)
		*region = &made->pub;
	return status;
}

void tcp_dereg(struct wsd_region *pub)
{
	struct tcp_region *region = wsd_container(pub, struct tcp_region, pub);
	const struct wsd_host *host = region->queue->device->host;

	table_remove(region);
	wsd_list_remove(&region->link);
	host->free(region->block);
	host->free(region);
}

void tcp_bind(struct wsd_region *pub, struct wsd_endpoint *endpoint)
{
	struct tcp_region *region = wsd_container(pub, struct tcp_region, pub);

	wsd_mutex_lock(&region->queue->regions.lock);
	region->bound = endpoint->number;
	wsd_mutex_unlock(&region->queue->regions.lock);
}

enum wsd_status tcp_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			      struct wsd_region **region)
{
	const struct wsd_host *host = endpoint->queue->device->host;
	struct tcp_region *made;
	enum wsd_status status;
	uintptr_t base;
	void *block;

	if (length == 0 || length > SIZE_MAX - 2 * PAGE || (access & ~ALL_RIGHTS))
		return WSD_EINVAL;
	block = host->alloc((size_t)length + PAGE);
	if (!block)
		return WSD_ENOMEM;
	base = ((uintptr_t)block + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	status = region_new(endpoint->queue, (uint8_t *)block + (base - (uintptr_t)block), length,
			    access, &made);
	if (status != WSD_OK) {
		host->free(block);
		return status;
	}
	tcp_bind(&made->pub, endpoint);
	made->owner = endpoint;
	made->block = block;
	wsd_mutex_lock(&endpoint->lock);
	wsd_list_append(&endpoint->memory, &made->link);
	wsd_mutex_unlock(&endpoint->lock);
	*region = &made->pub;
	return WSD_OK;
}

void tcp_mem_free(struct wsd_region *pub)
{
	struct tcp_region *region = wsd_container(pub, struct tcp_region, pub);
	struct wsd_endpoint *endpoint = region->owner;

	wsd_mutex_lock(&endpoint->lock);
	wsd_list_remove(&region->link);
	wsd_mutex_unlock(&endpoint->lock);
	tcp_dereg(pub);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_memory.c - registered memory (reached by the target's engine only) and mem_alloc memory (a segment
 * of its own, mapped by the peer, announced on the link; what serves for receives alone lies in the
 * connection's segment, so that an idle connection has no second one).
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define KEY_REGISTERED 0x80000000u    /* keys of reg(); of mem_alloc: without it */
#define KEY_LOCAL      KEY_REGISTERED /* index 0 is never used: nobody reaches it */
#define MAX_REGIONS    65536u
#define ACCESS_ALL     (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)
#define ACCESS_REMOTE  (WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

static enum wsd_status region_index(struct wsd_queue *queue, uint32_t *index)
{
	uint32_t i, capacity = queue->region_capacity ? queue->region_capacity * 2 : 64;
	struct shm_region **table;

	for (i = 1; i < queue->region_capacity; i++) {
		if (!queue->regions[i]) {
			*index = i;
			return WSD_OK;
		}
	}
	if (capacity > MAX_REGIONS)
		return WSD_EREGISTER;
	table = queue->host->alloc(capacity * sizeof(*table));
	if (!table)
		return WSD_ENOMEM;
	if (queue->region_capacity)
		memcpy(table, queue->regions, queue->region_capacity * sizeof(*table));
	*index = queue->region_capacity ? queue->region_capacity : 1;
	queue->host->free(queue->regions);
	queue->regions = table;
	queue->region_capacity = capacity;
	return WSD_OK;
}

enum wsd_status shm_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			uint64_t id, struct wsd_region **result)
{
	enum wsd_status status = WSD_OK;
	struct shm_region *region;
	uint32_t index = 0;
	uint16_t salt;

	(void)id;
	if (!base || !length || (access & ~ACCESS_ALL) ||
	    length - 1 > UINTPTR_MAX - (uintptr_t)base)
		return WSD_EINVAL;
	region = queue->host->alloc(sizeof(*region));
	if (!region)
		return WSD_ENOMEM;
	region->queue = queue;
	region->share = SHM_NO_SHARE;
	region->base.base = base;
	region->base.length = length;
	region->base.access = access;
	region->base.remote_addr = (uintptr_t)base;
	region->base.remote_key = KEY_LOCAL;
	if (access & ACCESS_REMOTE) {
		queue->host->random(&salt, sizeof(salt));
		wsd_mutex_lock(&queue->region_lock);
		status = region_index(queue, &index);
		if (!status) {
			region->base.remote_key |= (uint32_t)(salt & 0x7fff) << 16 | index;
			queue->regions[index] = region;
		}
		wsd_mutex_unlock(&queue->region_lock);
	}
	if (status) {
		queue->host->free(region);
		return status;
	}
	*result = &region->base;
	return WSD_OK;
}

void shm_dereg(struct wsd_region *base)
{
	struct shm_region *region = (struct shm_region *)(void *)base;
	struct wsd_queue *queue = region->queue;
	uint32_t index = base->remote_key & (MAX_REGIONS - 1);

	if (index) {
		/* Waits for a copy that runs. */
		wsd_mutex_lock(&queue->region_lock);
		queue->regions[index] = NULL;
		wsd_mutex_unlock(&queue->region_lock);
	}
	queue->host->free(region);
}

void shm_bind(struct wsd_region *base, struct wsd_endpoint *endpoint)
{
	struct shm_region *region = (struct shm_region *)(void *)base;

	wsd_mutex_lock(&region->queue->region_lock);
	region->bound = endpoint->generation;
	wsd_mutex_unlock(&region->queue->region_lock);
}

static bool allowed(const struct wsd_region *region, const struct shm_entry *entry)
{
	uint32_t right =
		entry->type == SHM_CQE_READ ? WSD_ACCESS_REMOTE_READ : WSD_ACCESS_REMOTE_WRITE;
	uint64_t offset = entry->address - region->remote_addr;

	return region->remote_key == entry->key && (region->access & right) &&
	       entry->address >= region->remote_addr && offset <= region->length &&
	       entry->length <= region->length - offset;
}

bool shm_region_access(struct wsd_endpoint *endpoint, const struct shm_entry *entry, void *bounce)
{
	struct wsd_queue *queue = endpoint->queue;
	uint32_t index = entry->key & (MAX_REGIONS - 1);
	struct shm_region *region;
	uint8_t *memory;
	bool done = false;

	wsd_mutex_lock(&queue->region_lock);
	region = index < queue->region_capacity ? queue->regions[index] : NULL;
	if (region && (region->bound == 0 || region->bound == endpoint->generation) &&
	    allowed(&region->base, entry)) {
		memory = (uint8_t *)region->base.base + (entry->address - region->base.remote_addr);
		if (entry->type == SHM_CQE_READ)
			memcpy(bounce, memory, entry->length);
		else
			memcpy(memory, bounce, entry->length);
		done = true;
	}
	wsd_mutex_unlock(&queue->region_lock);
	return done;
}

static enum wsd_status send_region(struct wsd_endpoint *endpoint, struct shm_region *region,
				   uint16_t type)
{
	struct shm_msg_mem message = { .head = { SHM_MAGIC, SHM_VERSION, type },
				       .index = endpoint->peer_index,
				       .generation = endpoint->peer_generation,
				       .key = region->base.remote_key,
				       .access = region->base.access |
						 (region->bounce ? SHM_ACCESS_BOUNCE : 0),
				       .length = region->freed ? 0 : region->base.length };

	return shm_link_send(endpoint->link, &message,
			     type == SHM_MSG_MEM ? shm_share_give(&region->share) : SHM_NO_SHARE);
}

static void region_free(struct shm_region *region)
{
	struct wsd_endpoint *endpoint = region->endpoint;

	wsd_list_remove(&region->node);
	endpoint->mem_count--;
	if (!region->freed)
		wsd_shared_unmap(region->base.base, (size_t)region->base.length);
	shm_share_close(&region->share);
	endpoint->queue->host->free(region);
}

static enum wsd_status region_map(struct shm_region *region, uint64_t length)
{
	enum wsd_status status;
	void *address;

	if (!length || length > (SIZE_MAX / 2) - SHM_PAGE)
		return WSD_EINVAL;
	length = (length + SHM_PAGE - 1) / SHM_PAGE * SHM_PAGE;
	status = shm_share_create((size_t)length, &region->share, &address);
	if (status)
		return status;
	region->base.base = address;
	region->base.length = length;
	return WSD_OK;
}

enum wsd_status shm_mem_new(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			    bool bounce, struct shm_region **result)
{
	const struct wsd_host *host = endpoint->queue->host;
	enum wsd_status status;
	struct shm_region *region;

	if (endpoint->mem_count >= SHM_MAX_MEM + bounce || endpoint->mem_next == SHM_KEY_AREA - 1)
		return WSD_ENOMEM;
	region = host->alloc(sizeof(*region));
	if (!region)
		return WSD_ENOMEM;
	status = region_map(region, length);
	if (status) {
		host->free(region);
		return status;
	}
	region->queue = endpoint->queue;
	region->endpoint = endpoint;
	region->bounce = bounce;
	region->base.access = access;
	region->base.remote_addr = SHM_MEM_ADDR;
	region->base.remote_key = ++endpoint->mem_next;
	wsd_list_append(&endpoint->mem, &region->node);
	endpoint->mem_count++;
	if (endpoint->mem_announced)
		status = send_region(endpoint, region, SHM_MSG_MEM);
	if (status) {
		region_free(region);
		return status;
	}
	if (endpoint->mem_counted)
		atomic_store(&endpoint->peer->mem_sent, ++endpoint->mem_sent);
	*result = region;
	return WSD_OK;
}

/* [locked] Once: receives that were posted in it may still be written when it has been given back. */
static struct shm_region *take_area(struct wsd_endpoint *endpoint, uint32_t access)
{
	struct shm_region *region = &endpoint->area;

	region->queue = endpoint->queue;
	region->endpoint = endpoint;
	region->share = SHM_NO_SHARE;
	region->base.base = (uint8_t *)endpoint->own + endpoint->own_layout.area_offset;
	region->base.length = endpoint->own_layout.area_bytes;
	region->base.access = access;
	region->base.remote_key = SHM_KEY_AREA;
	return region;
}

enum wsd_status shm_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			      struct wsd_region **result)
{
	enum wsd_status status = WSD_OK;
	struct shm_region *region = NULL;

	if (access & ~ACCESS_ALL)
		return WSD_EINVAL;
	wsd_mutex_lock(&endpoint->lock);
	if (!(access & ACCESS_REMOTE) && length && length <= endpoint->own_layout.area_bytes &&
	    !endpoint->area.endpoint)
		region = take_area(endpoint, access);
	else
		status = shm_mem_new(endpoint, length, access, false, &region);
	wsd_mutex_unlock(&endpoint->lock);
	if (!status)
		*result = &region->base;
	return status;
}

void shm_mem_free(struct wsd_region *base)
{
	struct shm_region *region = (struct shm_region *)(void *)base;
	struct wsd_endpoint *endpoint = region->endpoint;

	if (region == &endpoint->area)
		return; /* goes with the segment */
	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->mem_counted && !endpoint->mem_announced) {
		/* The peer waits for the announcement: it gets an empty one. */
		wsd_shared_unmap(base->base, (size_t)base->length);
		shm_share_close(&region->share);
		region->freed = true;
	} else {
		/* No memory for the message: the peer keeps its mapping until the end. */
		if (endpoint->mem_announced && !endpoint->link_lost &&
		    send_region(endpoint, region, SHM_MSG_MEM_FREE) == WSD_OK &&
		    endpoint->mem_counted)
			/* The peer writes nothing more before it has read that message. */
			atomic_store(&endpoint->peer->mem_sent, ++endpoint->mem_sent);
		region_free(region);
	}
	wsd_mutex_unlock(&endpoint->lock);
}

void shm_mem_count(struct wsd_endpoint *endpoint)
{
	wsd_mutex_lock(&endpoint->lock);
	endpoint->mem_sent = endpoint->mem_count;
	endpoint->mem_counted = true;
	atomic_store(&endpoint->peer->mem_sent, endpoint->mem_sent);
	wsd_mutex_unlock(&endpoint->lock);
}

void shm_mem_announce(struct wsd_endpoint *endpoint)
{
	struct wsd_list *node, *after;
	struct shm_region *region;

	endpoint->mem_announced = true;
	wsd_list_for_each_safe(node, after, &endpoint->mem) {
		region = wsd_container(node, struct shm_region, node);
		if (send_region(endpoint, region, SHM_MSG_MEM))
			shm_break(endpoint, WSD_EABORTED); /* the peer would wait for it */
		if (region->freed)
			region_free(region);
	}
}

/*
 * A peer counts what it has put on the link, so what is counted comes, and its arrival marks the endpoint. It
 * may arrive before it is counted, if the peer loses its CPU in between: that is nothing to wait for.
 */
bool shm_mem_due(const struct wsd_endpoint *endpoint)
{
	/* acquire: pairs with the peer's count, stored before the key was told or after it was revoked */
	uint32_t counted = atomic_load_explicit(&endpoint->own->mem_sent, memory_order_acquire);

	return (int32_t)(counted - endpoint->mem_seen) > 0 && !endpoint->link_lost;
}

struct shm_peer_mem *shm_peer_mem_find(struct wsd_endpoint *endpoint, uint32_t key)
{
	uint32_t i;

	for (i = 0; i < endpoint->peer_mem_count; i++) {
		if (endpoint->peer_mem[i].key == key)
			return &endpoint->peer_mem[i];
	}
	return NULL;
}

static enum wsd_status peer_mem_add(struct wsd_endpoint *endpoint,
				    const struct shm_msg_mem *message, shm_share share)
{
	const struct wsd_host *host = endpoint->queue->host;
	uint32_t capacity = endpoint->peer_mem_capacity;
	struct shm_peer_mem *table;
	enum wsd_status status;
	void *address;

	if (!message->key || message->key >= SHM_KEY_AREA || message->length > SIZE_MAX / 2 ||
	    endpoint->peer_mem_count > SHM_MAX_MEM || shm_peer_mem_find(endpoint, message->key))
		return WSD_EPROTOCOL;
	if ((message->access & SHM_ACCESS_BOUNCE) &&
	    message->length != SHM_BOUNCE_PIECES * SHM_BOUNCE_BYTES)
		return WSD_EPROTOCOL;
	if (share == SHM_NO_SHARE)
		return WSD_ENOFILES; /* lost on the way */
	if (endpoint->peer_mem_count == capacity) {
		capacity = capacity ? capacity * 2 : 2;
		table = host->alloc(capacity * sizeof(*table));
		if (!table)
			return WSD_ENOMEM;
		if (endpoint->peer_mem_count)
			memcpy(table, endpoint->peer_mem,
			       endpoint->peer_mem_count * sizeof(*table));
		host->free(endpoint->peer_mem);
		endpoint->peer_mem = table;
		endpoint->peer_mem_capacity = capacity;
	}
	status = shm_share_attach(share, (size_t)message->length, &address);
	if (status == WSD_NOTFOUND && !(message->access & SHM_ACCESS_BOUNCE))
		return WSD_OK; /* given back meanwhile: the peer says so next */
	if (status)
		return status;
	endpoint->peer_mem[endpoint->peer_mem_count++] =
		(struct shm_peer_mem){ message->key, message->access, message->length, address };
	return WSD_OK;
}

static void peer_mem_drop(struct wsd_endpoint *endpoint, struct shm_peer_mem *mem)
{
	wsd_shared_unmap(mem->base, (size_t)mem->length);
	*mem = endpoint->peer_mem[--endpoint->peer_mem_count];
}

/* A link speaks only for its own connections. */
static struct wsd_endpoint *addressee(struct shm_link *link, const struct shm_msg_mem *message)
{
	struct wsd_endpoint *endpoint = shm_queue_endpoint(link->source.queue, message->index);

	if (!endpoint || endpoint->generation != message->generation)
		return NULL;
	if (endpoint->link == link || (endpoint->handshake && endpoint->handshake->shared == link))
		return endpoint;
	return NULL;
}

void shm_mem_arrived(struct shm_link *link, const struct shm_msg_mem *message, shm_share share)
{
	struct wsd_endpoint *endpoint = addressee(link, message);
	enum wsd_status status = WSD_OK;
	struct shm_peer_mem *mem;
	bool accepting;

	if (!endpoint)
		return; /* closed meanwhile */
	wsd_mutex_lock(&endpoint->lock);
	endpoint->mem_seen++; /* in every state: the entries that follow wait for it */
	if (endpoint->state > SHM_OPEN) {
		; /* nothing will be written any more */
	} else if (message->head.type == SHM_MSG_MEM_FREE) {
		mem = shm_peer_mem_find(endpoint, message->key);
		if (mem)
			peer_mem_drop(endpoint, mem);
	} else if (message->length) {
		status = peer_mem_add(endpoint, message, share);
	}
	accepting = endpoint->state == SHM_ACCEPTING;
	if (status == WSD_EPROTOCOL)
		shm_violation(endpoint, "announced memory");
	else if (status)
		shm_break(endpoint, WSD_EABORTED);
	wsd_mutex_unlock(&endpoint->lock);
	if (status && accepting)
		shm_accept_failed(endpoint, status);
	shm_queue_mark(link->source.queue, endpoint->index);
}

void shm_mem_clear(struct wsd_endpoint *endpoint)
{
	while (!wsd_list_empty(&endpoint->mem))
		region_free(wsd_container(endpoint->mem.next, struct shm_region, node));
	while (endpoint->peer_mem_count)
		peer_mem_drop(endpoint, &endpoint->peer_mem[0]);
	endpoint->queue->host->free(endpoint->peer_mem);
	endpoint->queue->host->free(endpoint->bounce);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - memory registered on one channel: handles, rights, use.
 *
 * The device's registrations come from the engine's cache (transport/memory.h): local ones stay there
 * after the last handle, exposed ones never do, so that the end of an exposure is the end of its key.
 * A handle that its owner made up, or that has ended, does not match its slot's generation.
 */
#include "provider/san/internal.h"

#include "rdma_backend/base/platform.h"

#define HANDLE_BITS 20u /* slot number + 1; the generation is above */
#define SLOTS_MOST  ((1u << HANDLE_BITS) - 2)
#define SLOTS_FIRST 16u

static struct wsd_mr_cache *cache_of(const struct wsd_channel *ch)
{
	return wsd_engine_mr_cache(atomic_load(&ch->engine));
}

/* --- slots --- */

static bool grow(struct wsd_channel *ch)
{
	uint32_t room = ch->slot_room ? ch->slot_room * 2 : SLOTS_FIRST;
	struct wsd_memory_slot *slots;

	if (room > SLOTS_MOST)
		return false;
	slots = wsd_alloc(room * sizeof(*slots));
	if (!slots)
		return false;
	for (uint32_t i = 0; i < ch->slot_count; i++)
		slots[i] = ch->slots[i];
	wsd_free(ch->slots);
	ch->slots = slots;
	ch->slot_room = room;
	return true;
}

static uintptr_t handle_of(const struct wsd_channel *ch, uint32_t number)
{
	return (uintptr_t)ch->slots[number].generation << HANDLE_BITS | (number + 1);
}

static bool take_slot(struct wsd_channel *ch, struct wsd_registration *r, uintptr_t *handle)
{
	uint32_t number;

	if (ch->first_free) {
		number = ch->first_free - 1;
		ch->first_free = ch->slots[number].next_free;
	} else {
		if (ch->slot_count == ch->slot_room && !grow(ch))
			return false;
		number = ch->slot_count++;
	}
	ch->slots[number].registration = r;
	*handle = handle_of(ch, number);
	return true;
}

static void free_slot(struct wsd_channel *ch, uint32_t number)
{
	ch->slots[number].registration = NULL;
	ch->slots[number].generation++;
	ch->slots[number].next_free = ch->first_free;
	ch->first_free = number + 1;
}

static bool slot_of(const struct wsd_channel *ch, uintptr_t handle, uint32_t *number)
{
	uintptr_t low = handle & ((1u << HANDLE_BITS) - 1);

	if (low == 0 || low > ch->slot_count)
		return false;
	*number = (uint32_t)low - 1;
	return ch->slots[*number].registration && handle_of(ch, *number) == handle;
}

struct wsd_registration *wsd_memory_of(const struct wsd_channel *ch, uintptr_t handle)
{
	uint32_t number;

	if (!slot_of(ch, handle, &number) || ch->slots[number].registration->exposed)
		return NULL;
	return ch->slots[number].registration;
}

/* --- by address --- */

static struct wsd_registration *by_range(struct wsd_range *range, unsigned tree)
{
	return wsd_container(range - tree, struct wsd_registration, by_right[0]);
}

struct wsd_registration *wsd_memory_at(const struct wsd_channel *ch, const void *base,
				       uint32_t length, unsigned right)
{
	unsigned tree = right == WSD_MEMORY_READ ? 0 : 1;
	struct wsd_range *range = wsd_range_containing(&ch->by_right[tree], (uintptr_t)base,
						       (uintptr_t)base + length);

	return range ? by_range(range, tree) : NULL;
}

static struct wsd_registration *same(const struct wsd_channel *ch, const void *base,
				     uint32_t length, unsigned rights)
{
	unsigned tree = rights & WSD_MEMORY_READ ? 0 : 1;
	struct wsd_range *range = wsd_range_first(&ch->by_right[tree], (uintptr_t)base);

	for (; range && range->base == (uintptr_t)base; range = wsd_range_next(range)) {
		struct wsd_registration *r = by_range(range, tree);

		if (r->length == length && r->rights == rights)
			return r;
	}
	return NULL;
}

static void link_ranges(struct wsd_channel *ch, struct wsd_registration *r, bool in)
{
	for (unsigned tree = 0; tree < 2; tree++) {
		if (!(r->rights & (tree == 0 ? WSD_MEMORY_READ : WSD_MEMORY_WRITE)))
			continue;
		if (in)
			wsd_range_insert(&ch->by_right[tree], &r->by_right[tree]);
		else
			wsd_range_remove(&ch->by_right[tree], &r->by_right[tree]);
	}
}

/* --- registering --- */

static enum wsd_status add(struct wsd_channel *ch, void *base, uint32_t length, unsigned rights,
			   uint32_t access, uintptr_t *handle, struct wsd_registration **out)
{
	struct wsd_registration *r;
	enum wsd_status status;

	if (!base || length > UINTPTR_MAX - (uintptr_t)base)
		return WSD_NOTFOUND;
	r = wsd_alloc(sizeof(*r));
	if (!r)
		return WSD_ENOMEM;
	status = wsd_mr_get(cache_of(ch), base, length, access, &r->region);
	if (status == WSD_EINVAL)
		status = WSD_NOTFOUND;
	if (status == WSD_OK && !take_slot(ch, r, handle)) {
		wsd_mr_put(cache_of(ch), r->region);
		status = WSD_ENOMEM;
	}
	if (status != WSD_OK) {
		wsd_free(r);
		return status;
	}
	r->base = base;
	r->length = length;
	r->rights = rights;
	r->references = 1;
	for (unsigned tree = 0; tree < 2; tree++) {
		r->by_right[tree].base = (uintptr_t)base;
		r->by_right[tree].end = (uintptr_t)base + length;
	}
	*out = r;
	return WSD_OK;
}

static bool usable(const struct wsd_channel *ch)
{
	return ch->state == WSD_CHANNEL_OPEN || ch->state == WSD_CHANNEL_CONNECTING;
}

/* The slot is the caller's to free. */
static void drop(struct wsd_channel *ch, struct wsd_registration *r)
{
	if (!r->exposed)
		link_ranges(ch, r, false);
	if (r->region)
		wsd_mr_put(cache_of(ch), r->region);
	wsd_free(r);
}

enum wsd_status wsd_memory_register(struct wsd_channel *ch, void *base, uint32_t length,
				    unsigned rights, uintptr_t *handle)
{
	struct wsd_registration *r;
	enum wsd_status status;

	if (!usable(ch))
		return WSD_ESTATE;
	r = same(ch, base, length, rights);
	if (r) {
		r->references++;
		*handle = r->handle;
		return WSD_OK;
	}
	status = add(ch, base, length, rights,
		     rights & WSD_MEMORY_WRITE ? WSD_ACCESS_LOCAL_WRITE : WSD_ACCESS_LOCAL, handle,
		     &r);
	if (status != WSD_OK)
		return status;
	r->handle = *handle;
	link_ranges(ch, r, true);
	return WSD_OK;
}

enum wsd_status wsd_memory_deregister(struct wsd_channel *ch, uintptr_t handle)
{
	struct wsd_registration *r;
	uint32_t number;

	if (!slot_of(ch, handle, &number))
		return WSD_EINVAL;
	r = ch->slots[number].registration;
	if (r->exposed || (r->references == 1 && r->busy > 0))
		return WSD_EINVAL;
	if (--r->references > 0)
		return WSD_OK;
	free_slot(ch, number);
	drop(ch, r);
	return WSD_OK;
}

enum wsd_status wsd_memory_expose(struct wsd_channel *ch, void *base, uint32_t length,
				  unsigned rights, uint8_t *descriptor)
{
	uint32_t access = 0;
	struct wsd_descriptor d;
	struct wsd_registration *r;
	enum wsd_status status;
	uintptr_t handle;

	if (!usable(ch))
		return WSD_ESTATE;
	if (rights & WSD_MEMORY_READ)
		access |= WSD_ACCESS_REMOTE_READ;
	if (rights & WSD_MEMORY_WRITE)
		access |= WSD_ACCESS_REMOTE_WRITE;
	status = add(ch, base, length, rights, access, &handle, &r);
	if (status != WSD_OK)
		return status;
	r->exposed = true;
	r->handle = handle;
	if (ch->endpoint) /* else it comes with the answer to the connector */
		ch->backend->bind(r->region, ch->endpoint);
	d = (struct wsd_descriptor){ .nonce = ch->own.nonce,
				     .addr = r->region->remote_addr +
					     (uint64_t)((uint8_t *)base -
							(uint8_t *)r->region->base),
				     .key = r->region->remote_key,
				     .length = length,
				     .id = (uint32_t)handle,
				     .rights = rights };
	wsd_descriptor_encode(descriptor, &d);
	return WSD_OK;
}

enum wsd_status wsd_memory_unexpose(struct wsd_channel *ch, const uint8_t *descriptor,
				    uint32_t length)
{
	struct wsd_registration *r;
	struct wsd_descriptor d;
	uint32_t number;

	if (!wsd_descriptor_decode(descriptor, length, &d) || d.nonce != ch->own.nonce)
		return WSD_EINVAL;
	number = (d.id & ((1u << HANDLE_BITS) - 1)) - 1;
	if (number >= ch->slot_count)
		return WSD_EINVAL;
	r = ch->slots[number].registration;
	/* The region is gone already when the connection is. */
	if (!r || !r->exposed || (uint32_t)r->handle != d.id ||
	    (r->region && r->region->remote_key != d.key))
		return WSD_EINVAL;
	free_slot(ch, number);
	drop(ch, r);
	return WSD_OK;
}

enum wsd_status wsd_memory_forget(void *base, uint64_t length)
{
	enum wsd_status result = WSD_NOTFOUND;

	for (unsigned i = 0; i < wsd_engine_count(); i++) {
		struct wsd_engine *engine = wsd_engine_at(i);
		enum wsd_status status =
			wsd_mr_invalidate(wsd_engine_mr_cache(engine), base, length);

		if (status == WSD_EBUSY || result == WSD_NOTFOUND)
			result = status;
	}
	return result;
}

/* What was exposed on a connection before this one, which moved, stays hidden. */
void wsd_memory_bind(struct wsd_channel *ch)
{
	for (uint32_t i = 0; i < ch->slot_count; i++) {
		struct wsd_registration *r = ch->slots[i].registration;

		if (r && r->exposed && r->region)
			ch->backend->bind(r->region, ch->endpoint);
	}
}

void wsd_memory_hide(struct wsd_channel *ch)
{
	for (uint32_t i = 0; i < ch->slot_count; i++) {
		struct wsd_registration *r = ch->slots[i].registration;

		if (!r || !r->exposed || !r->region)
			continue;
		wsd_mr_put(cache_of(ch), r->region);
		r->region = NULL;
	}
}

/* --- memory of our own --- */

/* Of a call that was told to come again: what the device registers in the background must not be freed. */
struct kept {
	struct wsd_list link;
	uint8_t *memory;
	uint32_t length;
};

static struct kept *find_kept(const struct wsd_channel *ch, uint32_t length)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &ch->kept) {
		struct kept *k = wsd_container(node, struct kept, link);

		if (k->length >= length)
			return k;
	}
	return NULL;
}

static void drop_kept(struct wsd_channel *ch, struct kept *k)
{
	(void)wsd_mr_invalidate(cache_of(ch), k->memory, k->length);
	wsd_list_remove(&k->link);
	wsd_free(k->memory);
	wsd_free(k);
}

static struct kept *new_memory(struct wsd_channel *ch, uint32_t length)
{
	struct kept *k = wsd_alloc(sizeof(*k));

	if (!k)
		return NULL;
	k->memory = wsd_alloc(length);
	if (!k->memory) {
		wsd_free(k);
		return NULL;
	}
	k->length = length;
	wsd_list_append(&ch->kept, &k->link);
	return k;
}

enum wsd_status wsd_bounce_new(struct wsd_channel *ch, uint32_t length, uint8_t **memory,
			       struct wsd_region **region)
{
	bool later = wsd_engine_attr(atomic_load(&ch->engine))->caps & WSD_CAP_ASYNC_REG;
	struct kept *k = find_kept(ch, length);
	enum wsd_status status;

	if (!k)
		k = new_memory(ch, length);
	if (!k)
		return WSD_ENOMEM;
	status = wsd_mr_get(cache_of(ch), k->memory, k->length, WSD_ACCESS_LOCAL_WRITE, region);
	if (status == WSD_OK) {
		*memory = k->memory;
		wsd_list_remove(&k->link);
		wsd_free(k);
	} else if (status != WSD_EREGISTER || !later) {
		drop_kept(ch, k);
	}
	return status;
}

void wsd_bounce_free(struct wsd_channel *ch, uint8_t *memory, uint32_t length,
		     struct wsd_region *region)
{
	wsd_mr_put(cache_of(ch), region);
	(void)wsd_mr_invalidate(cache_of(ch), memory, length); /* the heap will use it again */
	wsd_free(memory);
}

/* --- the end --- */

void wsd_memory_free(struct wsd_channel *ch)
{
	for (uint32_t i = 0; i < ch->slot_count; i++)
		if (ch->slots[i].registration)
			drop(ch, ch->slots[i].registration);
	wsd_free(ch->slots);
	ch->slots = NULL;
	ch->slot_count = ch->slot_room = ch->first_free = 0;
	while (!wsd_list_empty(&ch->kept))
		drop_kept(ch, wsd_container(ch->kept.next, struct kept, link));
}

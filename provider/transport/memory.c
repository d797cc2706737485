// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - registration cache of one engine.
 *
 * Two trees of address ranges. `shared` holds what wsd_mr_get may give out again: every range in it
 * suits every request that it contains and whose rights it has, so one tree per cacheable right.
 * `own` holds what must not be given out: remote rights, invalidated while in use, and
 * registrations that have not completed. The device is never called with the lock held: reg and
 * dereg may be slow.
 *
 * A registration that only completes later (WSD_PENDING) is not waited for, because callers hold
 * socket locks and the event needs the engine: the call answers WSD_EREGISTER, its caller copies,
 * and the region serves the next call once WSD_EV_REG has come.
 */
#include "provider/transport/memory.h"

#include "provider/transport/engine_internal.h"
#include "provider/transport/range_tree.h"

#include "rdma_backend/base/base.h"

#define REMOTE_RIGHTS (WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

enum entry_state { ENTRY_READY, ENTRY_PENDING };

struct entry {
	struct wsd_range range; /* first */
	struct wsd_list link;	/* idle or pending, or alone */
	struct wsd_region *region;
	uint64_t id; /* of a pending registration */
	uint32_t access;
	uint32_t references;
	enum entry_state state;
	enum wsd_status early; /* WSD_PENDING, or decided before the event or before reg returned */
	bool shared;
};

struct wsd_mr_cache {
	struct wsd_engine *engine;
	struct wsd_mutex lock;
	struct wsd_range_tree shared[2]; /* by LOCAL_WRITE */
	struct wsd_range_tree own;
	struct wsd_list idle; /* shared, references 0; least recently used first */
	struct wsd_list pending;
	uint64_t next_id;
	uint64_t entries, bytes; /* of all that are registered */
	uint64_t entries_max, bytes_max;
	uint64_t *hits, *misses, *evictions;
};

struct wsd_mr_cache *wsd_mr_cache_new(struct wsd_engine *engine)
{
	struct wsd_mr_cache *cache = wsd_alloc(sizeof(*cache));

	if (!cache)
		return NULL;
	cache->engine = engine;
	wsd_mutex_init(&cache->lock);
	wsd_list_init(&cache->idle);
	wsd_list_init(&cache->pending);
	cache->entries_max = wsd_param_uint("MR_CACHE_ENTRIES", 1024, 0, 1u << 20);
	cache->bytes_max = wsd_param_uint("MR_CACHE_BYTES", 256u << 20, 0, UINT64_MAX / 2);
	cache->hits = wsd_counter("memory", "hits", "registrations found in the cache");
	cache->misses = wsd_counter("memory", "misses", "registrations made");
	cache->evictions = wsd_counter("memory", "evictions", "cached registrations given up");
	return cache;
}

static struct wsd_range_tree *tree_of(struct wsd_mr_cache *cache, const struct entry *entry)
{
	return entry->shared ? &cache->shared[entry->access & WSD_ACCESS_LOCAL_WRITE ? 1 : 0]
			     : &cache->own;
}

/* Lock held: take it out of everything; the caller deregisters it without the lock. */
static void detach(struct wsd_mr_cache *cache, struct entry *entry, struct wsd_list *dead)
{
	wsd_range_remove(tree_of(cache, entry), &entry->range);
	wsd_list_remove(&entry->link);
	cache->entries--;
	cache->bytes -= entry->region->length;
	wsd_list_append(dead, &entry->link);
}

/* No lock. */
static void bury(struct wsd_mr_cache *cache, struct wsd_list *dead)
{
	const struct wsd_backend_ops *ops = wsd_engine_ops(cache->engine);
	struct wsd_list *node;

	while ((node = wsd_list_pop(dead))) {
		struct entry *entry = wsd_container(node, struct entry, link);

		ops->dereg(entry->region);
		wsd_free(entry);
	}
}

void wsd_mr_cache_free(struct wsd_mr_cache *cache)
{
	struct wsd_list dead;
	struct wsd_range_tree *trees[] = { &cache->shared[0], &cache->shared[1], &cache->own };

	wsd_list_init(&dead);
	for (unsigned i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		while (trees[i]->root)
			detach(cache, (struct entry *)(void *)trees[i]->root, &dead);
	}
	bury(cache, &dead);
	wsd_mutex_fini(&cache->lock);
	wsd_free(cache);
}

/* Lock held: give up idle regions, oldest first, until the limits hold. */
static void evict(struct wsd_mr_cache *cache, struct wsd_list *dead, bool everything)
{
	while (!wsd_list_empty(&cache->idle) &&
	       (everything || cache->entries > cache->entries_max ||
		cache->bytes > cache->bytes_max)) {
		detach(cache, wsd_container(cache->idle.next, struct entry, link), dead);
		wsd_count(cache->evictions, 1);
	}
}

/* Lock held: an entry that serves the request, referenced. */
static struct entry *find(struct wsd_mr_cache *cache, uint64_t base, uint64_t end, uint32_t access)
{
	struct wsd_range *range = NULL;
	struct entry *entry;

	if (access & REMOTE_RIGHTS)
		return NULL; /* each grant has a key of its own, so that its end revokes it */
	if (!(access & WSD_ACCESS_LOCAL_WRITE))
		range = wsd_range_containing(&cache->shared[0], base, end);
	if (!range)
		range = wsd_range_containing(&cache->shared[1], base, end);
	if (!range)
		return NULL;
	entry = (struct entry *)(void *)range;
	if (entry->references++ == 0)
		wsd_list_remove(&entry->link);
	return entry;
}

/* Lock held: a completed, never used registration with remote rights for exactly this request. */
static struct entry *find_waiting(struct wsd_mr_cache *cache, uint64_t base, uint64_t end,
				  uint32_t access)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &cache->pending) {
		struct entry *entry = wsd_container(node, struct entry, link);

		if (entry->range.base != base || entry->range.end != end || entry->access != access)
			continue;
		if (entry->state == ENTRY_READY) {
			entry->references = 1;
			wsd_list_remove(&entry->link);
		}
		return entry;
	}
	return NULL;
}

/* Lock held: from now on it can be found by others. */
static void publish(struct wsd_mr_cache *cache, struct entry *entry)
{
	wsd_range_remove(&cache->own, &entry->range);
	entry->shared = true;
	wsd_range_insert(tree_of(cache, entry), &entry->range);
}

/*
 * Lock held: reg has answered for this entry, which is in the pending list since before the call,
 * for the event may come from another thread before reg returns. WSD_PENDING: not ready yet.
 */
static enum wsd_status settle(struct wsd_mr_cache *cache, struct entry *entry,
			      enum wsd_status status)
{
	entry->range.base = (uintptr_t)entry->region->base;
	entry->range.end = entry->range.base + entry->region->length;
	wsd_range_insert(&cache->own, &entry->range);
	cache->entries++;
	cache->bytes += entry->region->length;
	if (status == WSD_PENDING && entry->early == WSD_PENDING)
		return WSD_PENDING;
	if (status == WSD_PENDING && entry->early != WSD_OK)
		return entry->early;
	wsd_list_remove(&entry->link);
	entry->state = ENTRY_READY;
	entry->references = 1;
	if (!(entry->access & REMOTE_RIGHTS))
		publish(cache, entry);
	return WSD_OK;
}

/* No lock. Once more without the idle regions when the device or the memory limit is exhausted. */
static enum wsd_status reg(struct wsd_mr_cache *cache, void *base, uint64_t length,
			   struct entry *entry)
{
	struct wsd_engine *engine = cache->engine;
	struct wsd_list dead;
	enum wsd_status status;

	status = wsd_engine_ops(engine)->reg(wsd_engine_queue(engine), base, length, entry->access,
					     entry->id, &entry->region);
	if (status != WSD_ENOMEM && !wsd_no_registration(status))
		return status;
	wsd_list_init(&dead);
	wsd_mutex_lock(&cache->lock);
	evict(cache, &dead, true);
	wsd_mutex_unlock(&cache->lock);
	if (wsd_list_empty(&dead))
		return status;
	bury(cache, &dead);
	return wsd_engine_ops(engine)->reg(wsd_engine_queue(engine), base, length, entry->access,
					   entry->id, &entry->region);
}

static enum wsd_status add(struct wsd_mr_cache *cache, void *base, uint64_t length, uint32_t access,
			   struct wsd_region **region)
{
	struct wsd_list dead;
	struct entry *entry;
	enum wsd_status status;

	/* Software devices would find out when they copy. */
	if (!wsd_memory_mapped(base, length))
		return WSD_EINVAL;
	entry = wsd_alloc(sizeof(*entry));
	if (!entry)
		return WSD_ENOMEM;
	entry->access = access;
	entry->state = ENTRY_PENDING;
	entry->early = WSD_PENDING;
	wsd_list_init(&entry->link);
	wsd_list_init(&dead);
	wsd_mutex_lock(&cache->lock);
	entry->id = ++cache->next_id;
	wsd_list_append(&cache->pending, &entry->link);
	wsd_mutex_unlock(&cache->lock);
	status = reg(cache, base, length, entry);
	wsd_mutex_lock(&cache->lock);
	if (status < 0 || !entry->region) {
		wsd_list_remove(&entry->link);
		wsd_mutex_unlock(&cache->lock);
		wsd_free(entry);
		return status < 0 ? status : WSD_EREGISTER;
	}
	status = settle(cache, entry, status);
	if (status == WSD_OK)
		*region = entry->region;
	else if (status != WSD_PENDING)
		detach(cache, entry, &dead);
	evict(cache, &dead, false);
	wsd_mutex_unlock(&cache->lock);
	bury(cache, &dead);
	return status == WSD_PENDING ? WSD_EREGISTER : status;
}

enum wsd_status wsd_mr_get(struct wsd_mr_cache *cache, void *base, uint64_t length, uint32_t access,
			   struct wsd_region **region)
{
	uint64_t start = (uintptr_t)base;
	struct entry *entry;
	enum wsd_status status = WSD_OK;

	*region = NULL;
	if (length == 0 || length > UINT64_MAX - start)
		return WSD_EINVAL;
	wsd_mutex_lock(&cache->lock);
	entry = find(cache, start, start + length, access);
	if (!entry && !wsd_list_empty(&cache->pending))
		entry = find_waiting(cache, start, start + length, access);
	if (entry && entry->state == ENTRY_READY)
		*region = entry->region;
	else if (entry)
		status = WSD_EREGISTER;
	wsd_mutex_unlock(&cache->lock);
	if (entry) {
		wsd_count(cache->hits, 1);
		return status;
	}
	wsd_count(cache->misses, 1);
	return add(cache, base, length, access, region);
}

/* Lock held: the entry of a region that somebody holds. */
static struct entry *entry_of(struct wsd_mr_cache *cache, const struct wsd_region *region)
{
	uint64_t base = (uintptr_t)region->base;
	struct wsd_range_tree *trees[] = {
		&cache->shared[region->access & WSD_ACCESS_LOCAL_WRITE ? 1 : 0], &cache->own,
		&cache->shared[region->access & WSD_ACCESS_LOCAL_WRITE ? 0 : 1]
	};

	for (unsigned i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct wsd_range *range = wsd_range_first(trees[i], base);

		for (; range && range->base == base; range = wsd_range_next(range)) {
			struct entry *entry = (struct entry *)(void *)range;

			if (entry->region == region)
				return entry;
		}
	}
	return NULL;
}

static void release(struct wsd_mr_cache *cache, struct wsd_region *region, bool keep)
{
	struct wsd_list dead;
	struct entry *entry;

	wsd_list_init(&dead);
	wsd_mutex_lock(&cache->lock);
	entry = entry_of(cache, region);
	if (!entry || entry->references == 0) {
		wsd_mutex_unlock(&cache->lock);
		wsd_log(WSD_LOG_ERROR, "memory", "a region was released that nobody holds");
		return;
	}
	if (--entry->references == 0) {
		if (entry->shared && keep)
			wsd_list_append(&cache->idle, &entry->link);
		else
			detach(cache, entry, &dead);
		evict(cache, &dead, false);
	}
	wsd_mutex_unlock(&cache->lock);
	bury(cache, &dead);
}

void wsd_mr_put(struct wsd_mr_cache *cache, struct wsd_region *region)
{
	release(cache, region, true);
}

void wsd_mr_end(struct wsd_mr_cache *cache, struct wsd_region *region)
{
	release(cache, region, false);
}

/* Lock held: registrations under way must not become usable; unclaimed ones go. */
static void invalidate_pending(struct wsd_mr_cache *cache, uint64_t start, uint64_t end,
			       struct wsd_list *dead)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &cache->pending) {
		struct entry *entry = wsd_container(node, struct entry, link);

		if (entry->range.base >= end || entry->range.end <= start)
			continue;
		if (entry->state == ENTRY_READY)
			detach(cache, entry, dead);
		else
			entry->early = WSD_ECANCELLED;
	}
}

enum wsd_status wsd_mr_invalidate(struct wsd_mr_cache *cache, void *base, uint64_t length)
{
	uint64_t start = (uintptr_t)base, end;
	enum wsd_status status = WSD_NOTFOUND;
	struct wsd_list dead;
	struct wsd_range *range;

	if (length == 0)
		return WSD_NOTFOUND;
	end = length > UINT64_MAX - start ? UINT64_MAX : start + length;
	wsd_list_init(&dead);
	wsd_mutex_lock(&cache->lock);
	for (unsigned i = 0; i < 2; i++) {
		while ((range = wsd_range_overlapping(&cache->shared[i], start, end))) {
			struct entry *entry = (struct entry *)(void *)range;

			if (status == WSD_NOTFOUND)
				status = WSD_OK;
			if (entry->references == 0) {
				detach(cache, entry, &dead);
				continue;
			}
			wsd_range_remove(&cache->shared[i], range);
			entry->shared = false;
			wsd_range_insert(&cache->own, range);
		}
	}
	invalidate_pending(cache, start, end, &dead);
	if (wsd_range_overlapping(&cache->own, start, end))
		status = WSD_EBUSY;
	wsd_mutex_unlock(&cache->lock);
	bury(cache, &dead);
	return status;
}

/* WSD_EV_REG. Ready regions without remote rights are cached; one with them waits for its caller.
 */
void wsd_mr_completed(struct wsd_mr_cache *cache, uint64_t id, enum wsd_status status)
{
	struct wsd_list dead, *node;
	struct entry *entry = NULL;

	wsd_list_init(&dead);
	wsd_mutex_lock(&cache->lock);
	wsd_list_for_each(node, &cache->pending) {
		entry = wsd_container(node, struct entry, link);
		if (entry->id == id && entry->state == ENTRY_PENDING)
			break;
		entry = NULL;
	}
	if (entry && !entry->range.end) {
		entry->early = status; /* add() has not come back from reg yet */
	} else if (entry && (status != WSD_OK || entry->early != WSD_PENDING)) {
		detach(cache, entry, &dead);
	} else if (entry) {
		entry->state = ENTRY_READY;
		if (!(entry->access & REMOTE_RIGHTS)) {
			wsd_list_remove(&entry->link);
			publish(cache, entry);
			wsd_list_append(&cache->idle, &entry->link);
			evict(cache, &dead, false);
		}
	}
	wsd_mutex_unlock(&cache->lock);
	bury(cache, &dead);
}

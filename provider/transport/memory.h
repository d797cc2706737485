/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory.h - registration cache of one engine. Ranges are keyed by address and rights, reference
 * counted, kept registered after the last release until the limits (WSD_MR_CACHE_ENTRIES,
 * WSD_MR_CACHE_BYTES) push them out, and dropped by invalidation. Regions with remote rights are never
 * kept: when the last reference goes, the peer can no longer reach them.
 */
#ifndef WSD_TRANSPORT_MEMORY_H
#define WSD_TRANSPORT_MEMORY_H

#include "provider/transport/engine.h"

struct wsd_mr_cache;

/* The device or the limit of locked memory has no room: a matter of this end and path only. */
static inline bool wsd_no_registration(enum wsd_status status)
{
	return status == WSD_EREGISTER || status == WSD_EMEMLOCK;
}

struct wsd_mr_cache *wsd_mr_cache_new(struct wsd_engine *engine); /* NULL: out of memory */
void wsd_mr_cache_free(struct wsd_mr_cache *cache); /* every region has been released */
/* [any lock] WSD_OK, or what the backend's reg answered. Never WSD_PENDING: such a call gets
 * WSD_EREGISTER (copy instead), and the region serves a later one. */
enum wsd_status wsd_mr_get(struct wsd_mr_cache *cache, void *base, uint64_t length, uint32_t access,
			   struct wsd_region **region);
void wsd_mr_put(struct wsd_mr_cache *cache, struct wsd_region *region);
/* The same for memory whose owner says nothing when it unmaps it: not kept. Others may hold the region still, while
 * operations of theirs are under way in it. */
void wsd_mr_end(struct wsd_mr_cache *cache, struct wsd_region *region);
/* The range is about to be unmapped. WSD_NOTFOUND: nothing cached. WSD_EBUSY: in use (it is
 * dropped at its last release). */
enum wsd_status wsd_mr_invalidate(struct wsd_mr_cache *cache, void *base, uint64_t length);
struct wsd_mr_cache *wsd_engine_mr_cache(struct wsd_engine *engine);

#endif

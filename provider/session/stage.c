// SPDX-License-Identifier: BSD-2-Clause
/*
 * stage.c - registered memory of a stream for what it sends over devices that read sources after the post and take so
 * much not inline. It is used round and round; a completion gives back all that was taken before it, so one for
 * each half is enough. It grows with the ring that it fills.
 */
#include "provider/session/internal.h"

#define STAGE_MOST (1u << 20)

static void old_free(struct wsd_stream *s)
{
	if (s->tx.old_stage)
		s->backend->mem_free(s->tx.old_stage);
	s->tx.old_stage = NULL;
}

enum wsd_status wsd_stage_make(struct wsd_stream *s, uint32_t bytes)
{
	struct wsd_stage *stage = &s->tx.stage;
	struct wsd_region *region;
	enum wsd_status status;

	bytes = bytes < WSD_FIRST_RING ? WSD_FIRST_RING : bytes > STAGE_MOST ? STAGE_MOST : bytes;
	if (stage->bytes >= bytes || s->tx.old_stage)
		return WSD_OK;
	if (!wsd_ring_budget_take(bytes))
		return stage->bytes > 0 ? WSD_OK : WSD_ENOMEM;
	status = s->backend->mem_alloc(s->endpoint, bytes, WSD_ACCESS_LOCAL, &region);
	if (status != WSD_OK) {
		wsd_ring_budget_return(bytes);
		return stage->bytes > 0 ? WSD_OK : status;
	}
	wsd_ring_budget_return(stage->bytes);
	s->tx.old_stage = stage->region; /* the device may still read it */
	stage->region = region;
	stage->bytes = bytes;
	stage->from = s->tx.stage_used;
	if (s->tx.stage_free == stage->from)
		old_free(s);
	return WSD_OK;
}

uint32_t wsd_stage_piece(const struct wsd_stream *s)
{
	return s->tx.stage.bytes / 4;
}

uint8_t *wsd_stage_take(struct wsd_stream *s, uint32_t length)
{
	struct wsd_stage *stage = &s->tx.stage;
	uint64_t used = s->tx.stage_used, freed = s->tx.stage_free;
	uint32_t offset;

	if (length > wsd_stage_piece(s))
		return NULL;
	offset = (uint32_t)((used - stage->from) % stage->bytes);
	if (offset + length > stage->bytes) { /* contiguous: skip the tail */
		used += stage->bytes - offset;
		offset = 0;
	}
	if (freed < stage->from)
		freed = stage->from;
	if (used + length - freed > stage->bytes)
		return NULL;
	s->tx.stage_used = used + length;
	return (uint8_t *)stage->region->base + offset;
}

/* Half at most is taken without one, and a quarter at once: so one is under way when no more can be taken. */
bool wsd_stage_due(const struct wsd_stream *s)
{
	const struct wsd_tx *tx = &s->tx;

	return tx->stage.bytes > 0 && tx->stage_used - tx->stage_asked >= tx->stage.bytes / 2;
}

void wsd_stage_done(struct wsd_stream *s, uint64_t value)
{
	s->tx.stage_free = (s->tx.stage_used & ~WSD_ID_VALUE) | value;
	if (s->tx.stage_free >= s->tx.stage.from)
		old_free(s);
}

void wsd_stage_free(struct wsd_stream *s)
{
	struct wsd_stage *stage = &s->tx.stage;

	old_free(s);
	if (stage->region)
		s->backend->mem_free(stage->region);
	wsd_ring_budget_return(stage->bytes);
	*stage = (struct wsd_stage){ NULL, 0, 0 };
}

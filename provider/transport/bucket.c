// SPDX-License-Identifier: BSD-2-Clause
/* bucket.c - see bucket.h. */
#include "provider/transport/bucket.h"

#define NANO	   1000000000ull
#define WAKE_RATE  200u	  /* a sender is woken for a two hundredth of a second's bytes, */
#define WAKE_LEAST 2048u  /* but at least for so many, if it has them, */
#define WAKE_MOST  65536u /* and at most for so many */

static void fill(struct wsd_bucket *b, uint64_t now)
{
	uint64_t full = b->depth * NANO, missing = b->level < full ? full - b->level : 0;
	uint64_t passed = now > b->at ? now - b->at : 0;

	/* Not passed * rate, which may be beyond 64 bits. */
	if (b->rate != 0 && passed >= missing / b->rate + 1)
		b->level = full;
	else
		b->level += passed * b->rate;
	if (b->level > full)
		b->level = full;
	if (now > b->at)
		b->at = now;
}

void wsd_bucket_init(struct wsd_bucket *b, uint32_t rate, uint32_t depth, uint64_t now)
{
	b->rate = rate;
	b->depth = depth;
	b->level = depth * NANO;
	b->at = now;
}

void wsd_bucket_change(struct wsd_bucket *b, uint32_t rate, uint32_t depth, uint64_t now)
{
	fill(b, now);
	b->rate = rate;
	b->depth = depth;
	fill(b, now);
}

uint32_t wsd_bucket_bytes(struct wsd_bucket *b, uint64_t now)
{
	if (b->rate == 0)
		return UINT32_MAX;
	fill(b, now);
	return (uint32_t)(b->level / NANO);
}

void wsd_bucket_take(struct wsd_bucket *b, uint32_t bytes)
{
	if (b->rate != 0)
		b->level -= bytes * NANO;
}

void wsd_bucket_give(struct wsd_bucket *b, uint32_t bytes)
{
	if (b->rate != 0)
		b->level += bytes * NANO;
}

/* A sender that is woken for every byte would do nothing else. */
static uint32_t portion(const struct wsd_bucket *b, size_t bytes)
{
	uint32_t most = b->rate / WAKE_RATE;

	if (most < WAKE_LEAST)
		most = WAKE_LEAST;
	if (most > WAKE_MOST)
		most = WAKE_MOST;
	if (most > b->depth / 2)
		most = b->depth / 2;
	if (most == 0)
		most = 1;
	return bytes < most ? (uint32_t)bytes : most;
}

size_t wsd_bucket_allow(struct wsd_bucket *b, size_t bytes, uint64_t now, uint64_t *when)
{
	uint32_t most = wsd_bucket_bytes(b, now);
	uint64_t again;

	if (b->rate == 0)
		return bytes;
	if (most >= portion(b, bytes))
		return bytes < most ? bytes : most;
	again = wsd_bucket_when(b, bytes, now);
	if (again > *when)
		*when = again;
	return 0;
}

uint64_t wsd_bucket_when(struct wsd_bucket *b, size_t bytes, uint64_t now)
{
	uint64_t want = portion(b, bytes) * NANO;

	if (b->rate == 0)
		return now;
	fill(b, now);
	return b->level >= want ? now : now + (want - b->level + b->rate - 1) / b->rate;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bucket.h - a token bucket: plain data under its owner's lock, and integer arithmetic without rounding, so
 * that the same calls at the same times give the same bytes.
 */
#ifndef WSD_TRANSPORT_BUCKET_H
#define WSD_TRANSPORT_BUCKET_H

#include <stddef.h>
#include <stdint.h>

/* A bucket fills at rate up to depth bytes. Times are nanoseconds of one clock. */
struct wsd_bucket {
	uint64_t level; /* in bytes * 10^9 */
	uint64_t at;	/* when it was that */
	uint32_t rate;	/* 0: never empty */
	uint32_t depth;
};

void wsd_bucket_init(struct wsd_bucket *bucket, uint32_t rate, uint32_t depth,
		     uint64_t now); /* full */
/* Another rate or depth, without a gift: the level stays, but for what runs over. */
void wsd_bucket_change(struct wsd_bucket *bucket, uint32_t rate, uint32_t depth, uint64_t now);
uint32_t wsd_bucket_bytes(struct wsd_bucket *bucket, uint64_t now); /* what may go now */
void wsd_bucket_take(struct wsd_bucket *bucket, uint32_t bytes);    /* no more than that */
void wsd_bucket_give(struct wsd_bucket *bucket, uint32_t bytes);    /* taken, and not used */
/*
 * How many of so many bytes may go now. 0: fewer than are worth waking their sender for, who shall ask again
 * at *when (or later, if it is later already). now: at once.
 */
size_t wsd_bucket_allow(struct wsd_bucket *bucket, size_t bytes, uint64_t now, uint64_t *when);
/* When so many of them may go, as above; at least now. */
uint64_t wsd_bucket_when(struct wsd_bucket *bucket, size_t bytes, uint64_t now);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* timer.c - the timers of one engine, a radix heap (see engine_internal.h). Leaf lock held. */
#include "provider/transport/engine_internal.h"

/* Longer buckets are not searched for their exact minimum: their lower bound wakes us early
 * instead. */
#define SCAN_MAX 64

void wsd_timers_init(struct wsd_timers *timers, uint64_t now)
{
	for (unsigned i = 0; i < WSD_TIMER_BUCKETS; i++)
		wsd_list_init(&timers->bucket[i]);
	wsd_list_init(&timers->due);
	timers->last = now;
	timers->count = 0;
	atomic_init(&timers->earliest, UINT64_MAX);
}

static struct wsd_timer *timer_of(struct wsd_list *link)
{
	return wsd_container(link, struct wsd_timer, link);
}

/* Number of the highest set bit plus one, 0 for 0. */
static unsigned bit_length(uint64_t value)
{
	unsigned length = 0;

	for (unsigned step = 32; step; step /= 2) {
		if (value >> step) {
			value >>= step;
			length += step;
		}
	}
	return length + (value ? 1 : 0);
}

static unsigned bucket_of(const struct wsd_timers *timers, uint64_t when)
{
	return when <= timers->last ? 0 : bit_length(when ^ timers->last);
}

static uint64_t find_earliest(const struct wsd_timers *timers)
{
	struct wsd_list *node;
	uint64_t least = UINT64_MAX;
	unsigned b = 0, n = 0;

	if (timers->count == 0)
		return UINT64_MAX;
	while (b < WSD_TIMER_BUCKETS && wsd_list_empty(&timers->bucket[b]))
		b++;
	if (b == WSD_TIMER_BUCKETS)
		return UINT64_MAX;
	if (b == 0)
		return timers->last;
	wsd_list_for_each(node, &timers->bucket[b]) {
		if (++n > SCAN_MAX)
			return (timers->last >> (b - 1) | 1) << (b - 1);
		if (timer_of(node)->when < least)
			least = timer_of(node)->when;
	}
	return least;
}

void wsd_timers_set(struct wsd_timers *timers, struct wsd_timer *timer, uint64_t when)
{
	uint64_t before = timer->when;

	if (before)
		wsd_list_remove(&timer->link);
	timers->count += (when != 0) - (before != 0);
	timer->when = when;
	if (when)
		wsd_list_append(&timers->bucket[bucket_of(timers, when)], &timer->link);
	if (when && when < atomic_load(&timers->earliest))
		atomic_store(&timers->earliest, when);
	else if (before && before <= atomic_load(&timers->earliest))
		atomic_store(&timers->earliest, find_earliest(timers));
}

/* earliest stays: at worst somebody looks once too early, and who sets the next one wakes nobody. */
void wsd_timers_stop(struct wsd_timers *timers, struct wsd_timer *timer)
{
	wsd_list_remove(&timer->link);
	timers->count--;
	timer->when = 0;
}

/* From the tail: timers mostly come in order. */
static void add_due(struct wsd_timers *timers, struct wsd_timer *timer)
{
	struct wsd_list *at = timers->due.prev;

	while (at != &timers->due && timer_of(at)->when > timer->when)
		at = at->prev;
	wsd_list_insert_before(at->next, &timer->link);
}

/*
 * Moving `last` from a to b, whose highest differing bit is k - 1: buckets below k are all due,
 * bucket k is sorted anew, and the ones above keep their place.
 */
void wsd_timers_advance(struct wsd_timers *timers, uint64_t now)
{
	struct wsd_list moving, *node;
	unsigned top;

	if (now < timers->last)
		now = timers->last;
	top = bit_length(now ^ timers->last);
	wsd_list_init(&moving);
	for (unsigned b = 0; b <= top; b++)
		wsd_list_splice(&moving, &timers->bucket[b]);
	timers->last = now;
	while ((node = wsd_list_pop(&moving))) {
		struct wsd_timer *timer = timer_of(node);

		if (timer->when <= now)
			add_due(timers, timer);
		else
			wsd_list_append(&timers->bucket[bucket_of(timers, timer->when)], node);
	}
	atomic_store(&timers->earliest, find_earliest(timers));
}

struct wsd_timer *wsd_timers_pop(struct wsd_timers *timers)
{
	struct wsd_list *node = wsd_list_pop(&timers->due);

	if (!node)
		return NULL;
	timers->count--;
	timer_of(node)->when = 0;
	return timer_of(node);
}

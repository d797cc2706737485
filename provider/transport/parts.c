// SPDX-License-Identifier: BSD-2-Clause
/* parts.c - see parts.h. */
#include "provider/transport/parts.h"

bool wsd_parts_turn(struct wsd_parts *parts, uint32_t window)
{
	bool next = parts->window + 1 == window;

	parts->weights_before = next ? parts->weights : 0;
	parts->first_before = next ? parts->first : 0;
	parts->window = window;
	parts->weights = parts->first = 0;
	return next;
}

static void join(const struct wsd_parts *parts, struct wsd_share *share)
{
	if (share->window == parts->window)
		return;
	share->counts_before = share->window + 1 == parts->window ? share->counts : 0;
	share->window = parts->window;
	share->counts = 0;
	share->taken = 0;
	share->waits = share->pressed = false;
}

/* With how much of its weight does it count? */
static void count(struct wsd_parts *parts, struct wsd_share *share)
{
	uint64_t all = parts->weights_before ? parts->weights_before : share->weight;
	uint64_t counts = share->weight, uses = share->taken * (share->pressed ? 2 : 1);

	if (!share->waits && parts->bytes != 0 && uses < parts->bytes)
		counts = uses * all / parts->bytes;
	if (counts > share->weight)
		counts = share->weight;
	/* A share may have counted in another path's window of the same number. */
	parts->weights -= share->counts < parts->weights ? share->counts : parts->weights;
	parts->weights += (uint32_t)counts;
	share->counts = (uint32_t)counts;
	if (counts != 0 && share->weight > parts->first)
		parts->first = share->weight;
}

size_t wsd_parts_allow(const struct wsd_parts *parts, struct wsd_share *share, size_t bytes)
{
	uint64_t others, part;

	join(parts, share);
	if (parts->bytes == 0 || (!parts->promised && share->weight >= parts->first_before))
		return bytes;
	others = parts->weights_before > share->counts_before
			 ? parts->weights_before - share->counts_before
			 : 0;
	part = parts->bytes * share->weight / (others + share->weight);
	if (part == 0)
		part = 1; /* nobody gets nothing for ever */
	if (share->taken >= part)
		return 0;
	return bytes < part - share->taken ? bytes : (size_t)(part - share->taken);
}

void wsd_parts_take(struct wsd_parts *parts, struct wsd_share *share, size_t bytes, size_t wanted)
{
	share->taken += bytes;
	share->waits = bytes < wanted;
	count(parts, share);
}

void wsd_parts_give_back(struct wsd_parts *parts, struct wsd_share *share, size_t bytes)
{
	join(parts, share);
	share->taken -= share->taken > bytes ? bytes : share->taken;
	share->pressed = true;
	count(parts, share);
}

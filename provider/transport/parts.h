/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parts.h - how those who send without a promise divide what there is for them, window by window: plain data
 * under its owner's lock, and integer arithmetic.
 *
 * What there is in a window is divided by weights. Who was made to wait counts with its whole weight; who sends
 * less than its part only with as much of it as it uses, or twice as much if the path or its peer took less than
 * it wanted to send: the rest is the others'. Only what was seen in the window before is known. Where nothing is
 * promised there is but an order: the first are not held back at all, and who comes behind leaves them their part.
 */
#ifndef WSD_TRANSPORT_PARTS_H
#define WSD_TRANSPORT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WSD_WEIGHT_STANDARD 128u  /* of who said nothing */
#define WSD_WEIGHT_MOST	    1024u /* of anybody */

/* All those on one path. */
struct wsd_parts {
	uint32_t window;
	uint32_t weights, first; /* that count in it, so far: their sum, and the greatest */
	uint32_t weights_before, first_before; /* in the one before */
	uint64_t bytes; /* for all of them in it; 0: it is not known how many */
	bool promised;	/* others have promises that these must not touch */
};

/* One of them. */
struct wsd_share {
	uint32_t weight;		/* 1 to WSD_WEIGHT_MOST; set by its owner */
	uint32_t window;		/* the last one in which it sent */
	uint32_t counts, counts_before; /* of its weight, in that and in the one before that */
	uint64_t taken;
	bool waits;   /* it could not have all that it wanted last */
	bool pressed; /* it could not send all that it could have */
};

/* A new window; what there is in it is set by the caller. False: nobody sent in the one before it. */
bool wsd_parts_turn(struct wsd_parts *parts, uint32_t window);
/* How many of so many bytes are its part now; 0: no more in this window. */
size_t wsd_parts_allow(const struct wsd_parts *parts, struct wsd_share *share, size_t bytes);
/* It has taken so many of those that it wanted. */
void wsd_parts_take(struct wsd_parts *parts, struct wsd_share *share, size_t bytes, size_t wanted);
/* There was no room for so many of them. */
void wsd_parts_give_back(struct wsd_parts *parts, struct wsd_share *share, size_t bytes);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* copies.h - allocations and copies, counted where the library calls the C library or copies past the caches. */
#ifndef WSD_TEST_COPIES_H
#define WSD_TEST_COPIES_H

#define COPIES_SMALL 61u   /* a size that nothing else copies: of the small messages */
#define COPIES_LARGE 1024u /* from here on it counts as payload of the large ones */

extern struct copies {
	unsigned long small, large_bytes, allocations;
} copies; /* since it was cleared */

#endif

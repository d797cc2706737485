/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * range_tree.h - address ranges [base, end) in a balanced tree (a treap) that knows the largest
 * end of every subtree: containment and overlap cost O(log n). Ranges may overlap and be equal.
 */
#ifndef WSD_TRANSPORT_RANGE_TREE_H
#define WSD_TRANSPORT_RANGE_TREE_H

#include <stdint.h>

struct wsd_range {
	uint64_t base, end;
	uint64_t max_end; /* of the subtree */
	struct wsd_range *left, *right, *parent;
	uint32_t priority;
};

struct wsd_range_tree {
	struct wsd_range *root;
	uint32_t random; /* state of the priorities */
};

void wsd_range_insert(struct wsd_range_tree *tree, struct wsd_range *range);
void wsd_range_remove(struct wsd_range_tree *tree, struct wsd_range *range);
/* Some range that contains [base, end), or NULL. */
struct wsd_range *wsd_range_containing(const struct wsd_range_tree *tree, uint64_t base,
				       uint64_t end);
/* Some range that shares a byte with [base, end), or NULL. */
struct wsd_range *wsd_range_overlapping(const struct wsd_range_tree *tree, uint64_t base,
					uint64_t end);
/* The first range, by base, that does not begin before base; and the one after a range. */
struct wsd_range *wsd_range_first(const struct wsd_range_tree *tree, uint64_t base);
struct wsd_range *wsd_range_next(struct wsd_range *range);

#endif

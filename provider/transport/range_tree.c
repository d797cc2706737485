// SPDX-License-Identifier: BSD-2-Clause
/* range_tree.c - see range_tree.h. */
#include "provider/transport/range_tree.h"

#include <stddef.h>

static void update(struct wsd_range *range)
{
	range->max_end = range->end;
	if (range->left && range->left->max_end > range->max_end)
		range->max_end = range->left->max_end;
	if (range->right && range->right->max_end > range->max_end)
		range->max_end = range->right->max_end;
}

static void replace_child(struct wsd_range_tree *tree, struct wsd_range *parent,
			  const struct wsd_range *old, struct wsd_range *fresh)
{
	if (!parent)
		tree->root = fresh;
	else if (parent->left == old)
		parent->left = fresh;
	else
		parent->right = fresh;
	if (fresh)
		fresh->parent = parent;
}

/* Put child in the place of its parent. */
static void rotate_up(struct wsd_range_tree *tree, struct wsd_range *child)
{
	struct wsd_range *parent = child->parent, *middle;

	replace_child(tree, parent->parent, parent, child);
	if (parent->left == child) {
		middle = child->right;
		child->right = parent;
		parent->left = middle;
	} else {
		middle = child->left;
		child->left = parent;
		parent->right = middle;
	}
	if (middle)
		middle->parent = parent;
	parent->parent = child;
	update(parent);
	update(child);
}

void wsd_range_insert(struct wsd_range_tree *tree, struct wsd_range *range)
{
	struct wsd_range **at = &tree->root, *parent = NULL;

	/* xorshift: the shape must not follow the addresses; nobody gains from guessing it */
	tree->random ^= tree->random ? 0 : 2463534242u;
	tree->random ^= tree->random << 13;
	tree->random ^= tree->random >> 17;
	tree->random ^= tree->random << 5;
	range->priority = tree->random;
	range->left = range->right = NULL;
	range->max_end = range->end;
	while (*at) {
		parent = *at;
		if (parent->max_end < range->end)
			parent->max_end = range->end;
		at = range->base < parent->base ? &parent->left : &parent->right;
	}
	*at = range;
	range->parent = parent;
	while (range->parent && range->parent->priority < range->priority)
		rotate_up(tree, range);
}

void wsd_range_remove(struct wsd_range_tree *tree, struct wsd_range *range)
{
	struct wsd_range *up;

	while (range->left && range->right)
		rotate_up(tree, range->left->priority > range->right->priority ? range->left
									       : range->right);
	up = range->parent;
	replace_child(tree, up, range, range->left ? range->left : range->right);
	for (; up; up = up->parent)
		update(up);
	range->left = range->right = range->parent = NULL;
}

struct wsd_range *wsd_range_containing(const struct wsd_range_tree *tree, uint64_t base,
				       uint64_t end)
{
	struct wsd_range *at = tree->root;

	while (at) {
		if (at->base > base)
			at = at->left;
		else if (at->left && at->left->max_end >= end)
			at = at->left; /* everything there begins early enough: one contains it */
		else if (at->end >= end)
			return at;
		else
			at = at->right;
	}
	return NULL;
}

struct wsd_range *wsd_range_overlapping(const struct wsd_range_tree *tree, uint64_t base,
					uint64_t end)
{
	struct wsd_range *at = tree->root;

	while (at && !(at->base < end && at->end > base)) {
		/* If one on the left ends after base and still none there overlaps, then it begins
		 * at or after end, and so does everything on the right. */
		at = at->left && at->left->max_end > base ? at->left : at->right;
	}
	return at;
}

struct wsd_range *wsd_range_first(const struct wsd_range_tree *tree, uint64_t base)
{
	struct wsd_range *at = tree->root, *best = NULL;

	while (at) {
		if (at->base >= base) {
			best = at;
			at = at->left;
		} else {
			at = at->right;
		}
	}
	return best;
}

struct wsd_range *wsd_range_next(struct wsd_range *range)
{
	if (range->right) {
		range = range->right;
		while (range->left)
			range = range->left;
		return range;
	}
	while (range->parent && range->parent->right == range)
		range = range->parent;
	return range->parent;
}

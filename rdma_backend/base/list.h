/* SPDX-License-Identifier: BSD-2-Clause */
/* list.h - intrusive circular doubly linked list. A removed or initialised node points to itself. */
#ifndef WSD_BASE_LIST_H
#define WSD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct wsd_list {
	struct wsd_list *next, *prev;
};

#define wsd_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void wsd_list_init(struct wsd_list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool wsd_list_empty(const struct wsd_list *list)
{
	return list->next == list;
}

static inline void wsd_list_insert_before(struct wsd_list *at, struct wsd_list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void wsd_list_append(struct wsd_list *list, struct wsd_list *node)
{
	wsd_list_insert_before(list, node);
}

static inline void wsd_list_prepend(struct wsd_list *list, struct wsd_list *node)
{
	wsd_list_insert_before(list->next, node);
}

static inline void wsd_list_remove(struct wsd_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	wsd_list_init(node);
}

/* The first node, removed, or NULL. */
static inline struct wsd_list *wsd_list_pop(struct wsd_list *list)
{
	struct wsd_list *node = list->next;

	if (node == list)
		return NULL;
	wsd_list_remove(node);
	return node;
}

/* Move every node of from to the end of to. */
static inline void wsd_list_splice(struct wsd_list *to, struct wsd_list *from)
{
	if (wsd_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	wsd_list_init(from);
}

#define wsd_list_for_each(node, list) \
	for ((node) = (list)->next; (node) != (list); (node) = (node)->next)
#define wsd_list_for_each_safe(node, after, list)                             \
	for ((node) = (list)->next, (after) = (node)->next; (node) != (list); \
	     (node) = (after), (after) = (node)->next)

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* event_group_windows.c - see event_group_windows.h. */
#include "rdma_backend/base/event_group_windows.h"

#include "rdma_backend/base/base.h"

void wsd_event_groups_init(struct wsd_event_groups *groups, HANDLE object)
{
	groups->object = object;
	wsd_list_init(&groups->all);
	groups->empty = 0;
}

static struct wsd_event_group *group_new(struct wsd_event_groups *groups)
{
	struct wsd_event_group *group = wsd_alloc(sizeof(*group));

	if (!group)
		return NULL;
	group->of = groups;
	atomic_init(&group->signalled, false);
	wsd_list_init(&group->link);
	wsd_list_init(&group->members);
	return group;
}

bool wsd_event_group_direct(struct wsd_event_groups *groups)
{
	struct wsd_event_group *group = group_new(groups);

	if (!group)
		return false;
	group->event = groups->object;
	wsd_list_append(&groups->all, &group->link);
	groups->empty++;
	return true;
}

static VOID CALLBACK on_signal(PVOID context, BOOLEAN timed_out)
{
	struct wsd_event_group *group = context;

	(void)timed_out;
	atomic_store(&group->signalled, true);
	SetEvent(group->of->object);
}

/* NULL: the system has not what it takes. */
static struct wsd_event_group *group_behind(struct wsd_event_groups *groups)
{
	struct wsd_event_group *group = group_new(groups);

	if (!group)
		return NULL;
	group->event = CreateEventW(NULL, FALSE, FALSE, NULL); /* the pool's wait resets it */
	if (group->event && RegisterWaitForSingleObject(&group->wait, group->event, on_signal,
							group, INFINITE, WT_EXECUTEINWAITTHREAD)) {
		wsd_list_append(&groups->all, &group->link);
		groups->empty++;
		return group;
	}
	if (group->event)
		CloseHandle(group->event);
	wsd_free(group);
	return NULL;
}

struct wsd_event_group *wsd_event_group_join(struct wsd_event_groups *groups,
					     struct wsd_list *member)
{
	struct wsd_event_group *group = NULL;
	struct wsd_list *node;

	wsd_list_for_each(node, &groups->all) {
		group = wsd_container(node, struct wsd_event_group, link);
		if (group->count < WSD_EVENT_GROUP)
			break;
		group = NULL;
	}
	if (!group)
		group = group_behind(groups);
	if (!group && !wsd_list_empty(&groups->all))
		group = wsd_container(groups->all.next, struct wsd_event_group, link);
	if (group) {
		groups->empty -= group->count++ == 0;
		wsd_list_append(&group->members, member);
	}
	return group;
}

void wsd_event_group_leave(struct wsd_event_group *group, struct wsd_list *member)
{
	wsd_list_remove(member);
	group->of->empty += --group->count == 0;
}

bool wsd_event_group_news(struct wsd_event_group *group)
{
	return atomic_exchange(&group->signalled, false) || !group->wait;
}

static void group_free(struct wsd_event_group *group)
{
	wsd_list_remove(&group->link);
	if (group->wait) {
		/* behind its last call */
		(void)UnregisterWaitEx(group->wait, INVALID_HANDLE_VALUE);
		CloseHandle(group->event);
	}
	wsd_free(group);
}

void wsd_event_groups_trim(struct wsd_event_groups *groups)
{
	struct wsd_list *node, *before;

	/* The first ones are filled first. */
	for (node = groups->all.prev; groups->empty > 1; node = before) {
		struct wsd_event_group *group = wsd_container(node, struct wsd_event_group, link);

		before = node->prev;
		if (group->count > 0 || !group->wait)
			continue;
		group_free(group);
		groups->empty--;
	}
}

void wsd_event_groups_fini(struct wsd_event_groups *groups)
{
	while (!wsd_list_empty(&groups->all))
		group_free(wsd_container(groups->all.next, struct wsd_event_group, link));
}

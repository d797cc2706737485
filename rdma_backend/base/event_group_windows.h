/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event_group_windows.h - events that sockets share (WSAEventSelect), a group of them each, behind one object that is
 * waited for. The system's pool waits for a group's event: it marks the group, and signals the object.
 */
#ifndef WSD_BASE_EVENT_GROUP_WINDOWS_H
#define WSD_BASE_EVENT_GROUP_WINDOWS_H

#include <windows.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "rdma_backend/base/list.h"

#define WSD_EVENT_GROUP 64u /* sockets that share an event */

struct wsd_event_groups {
	HANDLE object;
	struct wsd_list all; /* struct wsd_event_group */
	unsigned empty;
};

struct wsd_event_group {
	struct wsd_event_groups *of;
	HANDLE event;
	HANDLE wait; /* of the pool; NULL: the event is the object */
	atomic_bool signalled;
	struct wsd_list link, members;
	unsigned count;
};

void wsd_event_groups_init(struct wsd_event_groups *groups, HANDLE object);
void wsd_event_groups_fini(struct wsd_event_groups *groups);

/* A first group whose event is the object itself: as long as there is room in it nothing goes through the pool. False:
 * no memory. */
bool wsd_event_group_direct(struct wsd_event_groups *groups);

/* For one more member: one that has room or is made; without memory any. NULL: there is none. */
struct wsd_event_group *wsd_event_group_join(struct wsd_event_groups *groups,
					     struct wsd_list *member);
void wsd_event_group_leave(struct wsd_event_group *group, struct wsd_list *member);

/* Frees groups without members but for one, which the next may need. By who looks at no group now. */
void wsd_event_groups_trim(struct wsd_event_groups *groups);

/* Has it been signalled since this was asked last? Of the direct one nobody knows: always. */
bool wsd_event_group_news(struct wsd_event_group *group);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/*
 * os_poller_windows.c - see os_tcp.h: what sockets have to tell, by WSAEventSelect. Winsock records a condition when
 * it begins and again after the call that it concerns, which is what os_tcp.h promises. Sockets share events, a group
 * of them each, and when one is signalled all of its group are asked. The first group's event is the poller's wait
 * object; the others are waited for by the system's pool, which signals that one, too. So what a wake costs does
 * not grow with the number of sockets.
 */
#include "provider/transport/os_socket_windows.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define ALL_EVENTS (FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE)

struct wsd_os_poller {
	HANDLE event; /* manual */
	struct wsd_mutex lock;
	struct wsd_event_groups groups;
	struct wsd_list fresh;
};

enum wsd_status wsd_os_poller_create(struct wsd_os_poller **poller)
{
	struct wsd_os_poller *p = wsd_alloc(sizeof(*p));

	if (!p)
		return WSD_ENOMEM;
	p->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	wsd_event_groups_init(&p->groups, p->event);
	if (!p->event || !wsd_event_group_direct(&p->groups)) {
		if (p->event)
			CloseHandle(p->event);
		wsd_free(p);
		return WSD_ENOFILES;
	}
	wsd_mutex_init(&p->lock);
	wsd_list_init(&p->fresh);
	*poller = p;
	return WSD_OK;
}

void wsd_os_poller_destroy(struct wsd_os_poller *p)
{
	wsd_event_groups_fini(&p->groups);
	CloseHandle(p->event);
	wsd_mutex_fini(&p->lock);
	wsd_free(p);
}

wsd_wait_object wsd_os_poller_object(const struct wsd_os_poller *p)
{
	return (wsd_wait_object)p->event;
}

static enum wsd_status failure(int error)
{
	enum wsd_status status = wsd_os_socket_status(error);

	return status == WSD_AGAIN ? WSD_ERESET : status;
}

/* [lock] What Winsock has recorded of one. */
static void look(struct wsd_os_poller *p, struct wsd_os_socket *socket)
{
	WSANETWORKEVENTS found = { 0 };
	const int *codes = found.iErrorCode;
	uint32_t news = 0;
	int code = 0, ignored;

	if (wsd_windows_net()->lpWSPEnumNetworkEvents(socket->s, NULL, &found, &ignored) != 0)
		return;
	if (found.lNetworkEvents & (FD_READ | FD_ACCEPT))
		news |= WSD_OS_READABLE;
	if (found.lNetworkEvents & FD_OOB)
		news |= WSD_OS_URGENT;
	if (found.lNetworkEvents & (FD_WRITE | FD_CONNECT))
		news |= WSD_OS_WRITABLE;
	if (found.lNetworkEvents & FD_CLOSE)
		news |= WSD_OS_ENDED | WSD_OS_READABLE;
	if ((found.lNetworkEvents & FD_CONNECT) && codes[FD_CONNECT_BIT])
		code = codes[FD_CONNECT_BIT];
	else if (found.lNetworkEvents & FD_CLOSE)
		code = codes[FD_CLOSE_BIT];
	if (code) {
		news |= WSD_OS_BROKEN;
		atomic_store(&socket->failed, (int)failure(code));
	}
	if (news && !socket->news)
		wsd_list_append(&p->fresh, &socket->fresh);
	socket->news |= news;
}

/* [lock] */
static void look_at_group(struct wsd_os_poller *p, struct wsd_event_group *group)
{
	struct wsd_list *node;

	if (!wsd_event_group_news(group))
		return;
	wsd_list_for_each(node, &group->members)
		look(p, wsd_container(node, struct wsd_os_socket, member));
}

uint32_t wsd_os_poller_poll(struct wsd_os_poller *p, struct wsd_os_ready *ready, uint32_t count)
{
	struct wsd_list *node;
	uint32_t n = 0;

	wsd_mutex_lock(&p->lock);
	if (WaitForSingleObject(p->event, 0) == WAIT_OBJECT_0) {
		ResetEvent(p->event); /* before the look: what comes later signals again */
		wsd_list_for_each(node, &p->groups.all)
			look_at_group(p, wsd_container(node, struct wsd_event_group, link));
	}
	while (n < count && (node = wsd_list_pop(&p->fresh)) != NULL) {
		struct wsd_os_socket *socket = wsd_container(node, struct wsd_os_socket, fresh);

		ready[n].context = socket->context;
		ready[n++].what = socket->news;
		socket->news = 0;
	}
	if (!wsd_list_empty(&p->fresh))
		SetEvent(p->event);
	wsd_mutex_unlock(&p->lock);
	return n;
}

/* All is told: of room Winsock tells after a send that found none, and once at the beginning, and of bytes after
 * a receive. To ask for something else would take back what has not been looked at. */
enum wsd_status wsd_os_poller_watch(struct wsd_os_poller *p, intptr_t number, void *context,
				    uint32_t news, bool again)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	HANDLE event;
	int error = 0;

	(void)news;
	if (again && !socket->shared)
		return WSD_OK;
	if (again)
		wsd_os_poller_unwatch(p, number);
	wsd_mutex_lock(&p->lock);
	socket->poller = p;
	socket->context = context;
	socket->news = 0;
	socket->group = wsd_event_group_join(&p->groups, &socket->member); /* the first is there */
	event = socket->group->event;
	wsd_mutex_unlock(&p->lock);
	if (wsd_windows_net()->lpWSPEventSelect(socket->s, event, ALL_EVENTS, &error) == 0)
		return WSD_OK;
	wsd_os_poller_unwatch(p, number);
	return failure(error);
}

void wsd_os_poller_unwatch(struct wsd_os_poller *p, intptr_t number)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	int ignored;

	if (!socket->poller)
		return;
	wsd_mutex_lock(&p->lock);
	wsd_event_group_leave(socket->group, &socket->member);
	wsd_event_groups_trim(&p->groups);
	if (socket->news)
		wsd_list_remove(&socket->fresh);
	socket->news = 0;
	socket->poller = NULL;
	wsd_mutex_unlock(&p->lock);
	if (!socket->shared) /* the news may be another process's by now */
		(void)wsd_windows_net()->lpWSPEventSelect(socket->s, NULL, 0, &ignored);
}

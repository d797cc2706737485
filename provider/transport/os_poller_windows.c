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

struct wsd_os_group {
	struct wsd_os_poller *poller;
	HANDLE event; /* manual: the first group's, else it resets itself */
	HANDLE wait;  /* of the pool; NULL: the first group */
	atomic_bool signalled;
	/* [the poller's lock] */
	struct wsd_list link, members;
	unsigned count;
};

struct wsd_os_poller {
	struct wsd_mutex lock;
	struct wsd_list groups, fresh;
	struct wsd_os_group first;
};

static void group_init(struct wsd_os_poller *p, struct wsd_os_group *group)
{
	group->poller = p;
	atomic_init(&group->signalled, false);
	wsd_list_init(&group->members);
	wsd_list_init(&group->link);
}

enum wsd_status wsd_os_poller_create(struct wsd_os_poller **poller)
{
	struct wsd_os_poller *p = wsd_alloc(sizeof(*p));

	if (!p)
		return WSD_ENOMEM;
	group_init(p, &p->first);
	p->first.event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!p->first.event) {
		wsd_free(p);
		return WSD_ENOFILES;
	}
	wsd_mutex_init(&p->lock);
	wsd_list_init(&p->groups);
	wsd_list_init(&p->fresh);
	wsd_list_append(&p->groups, &p->first.link);
	*poller = p;
	return WSD_OK;
}

static void group_free(struct wsd_os_group *group)
{
	(void)UnregisterWaitEx(group->wait, INVALID_HANDLE_VALUE); /* behind its last call */
	CloseHandle(group->event);
	wsd_free(group);
}

void wsd_os_poller_destroy(struct wsd_os_poller *p)
{
	struct wsd_list *node;

	wsd_list_remove(&p->first.link);
	while ((node = wsd_list_pop(&p->groups)) != NULL)
		group_free(wsd_container(node, struct wsd_os_group, link));
	CloseHandle(p->first.event);
	wsd_mutex_fini(&p->lock);
	wsd_free(p);
}

wsd_wait_object wsd_os_poller_object(const struct wsd_os_poller *p)
{
	return (wsd_wait_object)p->first.event;
}

/* --- groups --- */

static VOID CALLBACK on_signal(PVOID context, BOOLEAN timed_out)
{
	struct wsd_os_group *group = context;

	(void)timed_out;
	atomic_store(&group->signalled, true);
	SetEvent(group->poller->first.event);
}

/* [lock] NULL: the system has not what it takes. */
static struct wsd_os_group *group_new(struct wsd_os_poller *p)
{
	struct wsd_os_group *group = wsd_alloc(sizeof(*group));

	if (!group)
		return NULL;
	group_init(p, group);
	group->event = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (group->event && RegisterWaitForSingleObject(&group->wait, group->event, on_signal,
							group, INFINITE, WT_EXECUTEINWAITTHREAD)) {
		wsd_list_append(&p->groups, &group->link);
		return group;
	}
	if (group->event)
		CloseHandle(group->event);
	wsd_free(group);
	return NULL;
}

/* [lock] One that has room; the first can always take one more. */
static struct wsd_os_group *group_for_one(struct wsd_os_poller *p)
{
	struct wsd_os_group *group;
	struct wsd_list *node;

	wsd_list_for_each(node, &p->groups) {
		group = wsd_container(node, struct wsd_os_group, link);
		if (group->count < WSD_OS_GROUP)
			return group;
	}
	group = group_new(p);
	return group ? group : &p->first;
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
static void look_at_group(struct wsd_os_poller *p, struct wsd_os_group *group)
{
	struct wsd_list *node;

	if (!atomic_exchange(&group->signalled, false) && group != &p->first)
		return;
	wsd_list_for_each(node, &group->members)
		look(p, wsd_container(node, struct wsd_os_socket, member));
}

uint32_t wsd_os_poller_poll(struct wsd_os_poller *p, struct wsd_os_ready *ready, uint32_t count)
{
	struct wsd_list *node;
	uint32_t n = 0;

	wsd_mutex_lock(&p->lock);
	if (WaitForSingleObject(p->first.event, 0) == WAIT_OBJECT_0) {
		ResetEvent(p->first.event); /* before the look: what comes later signals again */
		wsd_list_for_each(node, &p->groups)
			look_at_group(p, wsd_container(node, struct wsd_os_group, link));
	}
	while (n < count && (node = wsd_list_pop(&p->fresh)) != NULL) {
		struct wsd_os_socket *socket = wsd_container(node, struct wsd_os_socket, fresh);

		ready[n].context = socket->context;
		ready[n++].what = socket->news;
		socket->news = 0;
	}
	if (!wsd_list_empty(&p->fresh))
		SetEvent(p->first.event);
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
	if (again)
		return WSD_OK;
	wsd_mutex_lock(&p->lock);
	socket->poller = p;
	socket->context = context;
	socket->news = 0;
	socket->group = group_for_one(p);
	socket->group->count++;
	event = socket->group->event;
	wsd_list_append(&socket->group->members, &socket->member);
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
	wsd_list_remove(&socket->member);
	socket->group->count--;
	if (socket->news)
		wsd_list_remove(&socket->fresh);
	socket->news = 0;
	socket->poller = NULL;
	wsd_mutex_unlock(&p->lock);
	(void)wsd_windows_net()->lpWSPEventSelect(socket->s, NULL, 0, &ignored);
}

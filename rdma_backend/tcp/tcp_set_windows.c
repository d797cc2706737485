// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_set_windows.c - the readiness set, signals and timers of the tcp backend.
 *
 * The sockets of a set share one event (WSAEventSelect), which is the set's wait object. Winsock
 * records each condition once, so what is known to be ready is remembered in the slot until a call says
 * WSAEWOULDBLOCK: the set is level-triggered. The event is signalled only by what is new; before it is slept
 * on, tcp_os_set_settle says whether anything old is ready.
 */
#include "rdma_backend/tcp/tcp_slot_windows.h"

#include <errno.h>

#define ALL_EVENTS  (FD_READ | FD_WRITE | FD_ACCEPT | FD_CONNECT | FD_CLOSE)
#define NS_PER_TICK 100u /* of a FILETIME */

/* --- the readiness set --- */

int tcp_os_set_create(void)
{
	int fd = tcp_slot_new(TCP_SLOT_SET);

	if (fd < 0)
		return fd;
	tcp_slot_at(fd)->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (tcp_slot_at(fd)->event)
		return fd;
	tcp_slot_free(fd);
	return -EMFILE;
}

wsd_wait_object tcp_os_set_object(int set)
{
	return (wsd_wait_object)tcp_slot_at(set)->event;
}

/* [the set's lock] What there is of what its owner wants. */
static uint32_t ready_events(const struct tcp_slot *slot)
{
	uint32_t events = 0;

	if (slot->kind != TCP_SLOT_SOCKET)
		return atomic_load(&slot->raised) ? TCP_READ : 0;
	if (atomic_load(&slot->failed))
		return TCP_READ | TCP_HANGUP | (slot->wanted & TCP_WRITE);
	if (atomic_load(&slot->closed) && (slot->wanted & (TCP_READ | TCP_HANGUP)))
		events |= TCP_READ | TCP_HANGUP;
	if (atomic_load(&slot->readable) && (slot->wanted & TCP_READ))
		events |= TCP_READ;
	if (atomic_load(&slot->writable) && (slot->wanted & TCP_WRITE))
		events |= TCP_WRITE;
	return events;
}

int tcp_os_set_add(int set, int fd, uint32_t events, void *tag)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);
	int error = 0;

	slot->wanted = events;
	slot->tag = tag;
	if (slot->kind == TCP_SLOT_SOCKET) {
		/* It is not known to be ready: what already holds is recorded again. */
		atomic_store(&slot->readable, false);
		atomic_store(&slot->writable, false);
	}
	wsd_mutex_lock(&owner->lock);
	atomic_store(&slot->set, owner);
	wsd_list_append(&owner->members, &slot->link);
	wsd_mutex_unlock(&owner->lock);
	if (slot->kind == TCP_SLOT_SOCKET &&
	    wsd_windows_net()->lpWSPEventSelect(slot->s, owner->event, ALL_EVENTS, &error) != 0) {
		tcp_os_set_remove(set, fd);
		return -tcp_errno_of(error);
	}
	if (atomic_load(&slot->raised))
		SetEvent(owner->event);
	return 0;
}

void tcp_os_set_change(int set, int fd, uint32_t events, void *tag)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);
	bool ready;

	wsd_mutex_lock(&owner->lock);
	slot->wanted = events;
	slot->tag = tag;
	ready = ready_events(slot) != 0;
	owner->pending |= ready;
	wsd_mutex_unlock(&owner->lock);
	if (ready)
		SetEvent(owner->event);
}

void tcp_os_set_remove(int set, int fd)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);
	int ignored;

	if (!atomic_load(&slot->set))
		return;
	wsd_mutex_lock(&owner->lock);
	wsd_list_remove(&slot->link);
	atomic_store(&slot->set, NULL);
	wsd_mutex_unlock(&owner->lock);
	if (slot->kind == TCP_SLOT_SOCKET)
		(void)wsd_windows_net()->lpWSPEventSelect(slot->s, NULL, 0, &ignored);
}

/* Learn what Winsock has recorded. */
static void look(struct tcp_slot *slot)
{
	WSANETWORKEVENTS found = { 0 };
	int ignored;

	if (wsd_windows_net()->lpWSPEnumNetworkEvents(slot->s, NULL, &found, &ignored) != 0)
		return;
	if (found.lNetworkEvents & (FD_READ | FD_ACCEPT))
		atomic_store(&slot->readable, true);
	if ((found.lNetworkEvents & FD_CONNECT) && found.iErrorCode[FD_CONNECT_BIT]) {
		atomic_store(&slot->failed, tcp_errno_of(found.iErrorCode[FD_CONNECT_BIT]));
		return;
	}
	if (found.lNetworkEvents & (FD_CONNECT | FD_WRITE)) {
		atomic_store(&slot->connected, true);
		atomic_store(&slot->writable, true);
	}
	if (found.lNetworkEvents & FD_CLOSE) {
		atomic_store(&slot->closed, true);
		if (found.iErrorCode[FD_CLOSE_BIT])
			atomic_store(&slot->failed, tcp_errno_of(found.iErrorCode[FD_CLOSE_BIT]));
	}
}

/* [the set's lock] Look at all members, if the event says that there is news. */
static void look_at_all(struct tcp_slot *owner)
{
	struct wsd_list *node;

	if (WaitForSingleObject(owner->event, 0) != WAIT_OBJECT_0)
		return;
	ResetEvent(owner->event); /* before the look: what comes later signals again */
	owner->pending = true;
	wsd_list_for_each(node, &owner->members) {
		struct tcp_slot *slot = wsd_container(node, struct tcp_slot, link);

		if (slot->kind == TCP_SLOT_SOCKET)
			look(slot);
	}
}

int tcp_os_set_poll(int set, struct tcp_ready *ready, int count)
{
	struct tcp_slot *owner = tcp_slot_at(set);
	struct wsd_list *node, *after, served;
	bool left = false;
	int found = 0;

	wsd_list_init(&served);
	wsd_mutex_lock(&owner->lock);
	look_at_all(owner);
	for (node = owner->members.next; owner->pending && node != &owner->members; node = after) {
		struct tcp_slot *slot = wsd_container(node, struct tcp_slot, link);
		uint32_t events = ready_events(slot);

		after = node->next;
		left |= events != 0;
		if (!events || found == count)
			continue;
		ready[found].tag = slot->tag;
		ready[found++].events = events;
		/* Behind those that found no room. */
		wsd_list_remove(node);
		wsd_list_append(&served, node);
	}
	while ((node = wsd_list_pop(&served)) != NULL)
		wsd_list_append(&owner->members, node);
	owner->pending = left; /* level-triggered: ready until a call finds nothing */
	wsd_mutex_unlock(&owner->lock);
	return found;
}

bool tcp_os_set_settle(int set)
{
	struct tcp_slot *owner = tcp_slot_at(set);
	struct wsd_list *node;
	bool left = false;

	wsd_mutex_lock(&owner->lock);
	look_at_all(owner);
	for (node = owner->members.next; owner->pending && !left && node != &owner->members;
	     node = node->next)
		left = ready_events(wsd_container(node, struct tcp_slot, link)) != 0;
	owner->pending = left;
	wsd_mutex_unlock(&owner->lock);
	return left;
}

/* --- signals and timers --- */

int tcp_os_signal_create(void)
{
	return tcp_slot_new(TCP_SLOT_SIGNAL);
}

static void raise_slot(struct tcp_slot *slot)
{
	struct tcp_slot *set = atomic_load(&slot->set);

	atomic_store(&slot->raised, true);
	if (set)
		SetEvent(set->event);
}

void tcp_os_signal_raise(int fd)
{
	raise_slot(tcp_slot_at(fd));
}

void tcp_os_signal_clear(int fd)
{
	atomic_store(&tcp_slot_at(fd)->raised, false);
}

static VOID CALLBACK timer_due(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer)
{
	(void)instance;
	(void)timer;
	raise_slot(context);
}

int tcp_os_timer_create(void)
{
	int fd = tcp_slot_new(TCP_SLOT_TIMER);

	if (fd < 0)
		return fd;
	tcp_slot_at(fd)->timer = CreateThreadpoolTimer(timer_due, tcp_slot_at(fd), NULL);
	if (tcp_slot_at(fd)->timer)
		return fd;
	tcp_slot_free(fd);
	return -ENOMEM;
}

void tcp_os_timer_set(int fd, uint64_t delay_ns)
{
	/* Negative is relative; 0 would be long ago, which is at once as well. */
	int64_t ticks = -(int64_t)(delay_ns / NS_PER_TICK);
	FILETIME due = { .dwLowDateTime = (DWORD)(uint64_t)ticks,
			 .dwHighDateTime = (DWORD)((uint64_t)ticks >> 32) };

	SetThreadpoolTimer(tcp_slot_at(fd)->timer, &due, 0, 0);
}

void tcp_os_timer_clear(int fd)
{
	tcp_os_signal_clear(fd);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_set_windows.c - the readiness set, signals and timers of the tcp backend.
 *
 * What each member has to tell is in its slot (tcp_news_windows.c), and remains there until a call says that there is
 * no more of it: the set is level-triggered. Most of it is written there by the system or by another thread, which
 * signals the set's event, too; so to look at all members takes no system call, and no more than those that have
 * something to tell do. Before the event is slept on, tcp_os_set_settle looks and takes back what it tells.
 */
#include "rdma_backend/tcp/tcp_slot_windows.h"

#include <errno.h>

#define NS_PER_TICK 100u /* of a FILETIME */
#define TAKE_BACK   2	 /* looks; what the last one takes the event still tells */
#define LOOKS	    4u	 /* at all members, as long as each begins questions */
#define FEW	    64u /* members that are looked at sooner than the system says whether there is news */

/* --- the readiness set --- */

int tcp_os_set_create(void)
{
	int fd = tcp_slot_new(TCP_SLOT_SET);
	struct tcp_slot *owner;

	if (fd < 0)
		return fd;
	owner = tcp_slot_at(fd);
	owner->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	wsd_event_groups_init(&owner->groups, owner->event);
	if (owner->event)
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
	if (atomic_load(&slot->failed) && slot->wanted)
		return TCP_READ | TCP_HANGUP | (slot->wanted & TCP_WRITE);
	if (atomic_load(&slot->closed) && (slot->wanted & TCP_READ))
		events |= TCP_READ | TCP_HANGUP;
	if (atomic_load(&slot->readable) && (slot->wanted & TCP_READ))
		events |= TCP_READ;
	if (atomic_load(&slot->writable) && (slot->wanted & TCP_WRITE))
		events |= TCP_WRITE;
	return events;
}

/* [the set's lock] */
static int learn(struct tcp_slot *owner, struct tcp_slot *slot)
{
	return slot->kind == TCP_SLOT_SOCKET ? tcp_news_learn(owner, slot) : 0;
}

/* [the set's lock] What holds already is told, and what the event may not tell any more. */
static int put(struct tcp_slot *owner, struct tcp_slot *slot, uint32_t events, void *tag)
{
	int error;

	slot->wanted = events;
	slot->tag = tag;
	owner->begun = false;
	error = learn(owner, slot);
	if (error != 0) /* nothing more would be heard of it */
		atomic_store(&slot->failed, -error);
	if (ready_events(slot) || owner->begun) {
		atomic_store(&owner->pending, true);
		if (owner->settled) {
			atomic_store(&owner->taken, true);
			SetEvent(owner->event);
		}
	}
	return error;
}

int tcp_os_set_add(int set, int fd, uint32_t events, void *tag)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);
	int error;

	wsd_mutex_lock(&owner->lock);
	atomic_store(&slot->set, owner);
	wsd_list_append(&owner->members, &slot->link);
	owner->count++;
	error = put(owner, slot, events, tag);
	wsd_mutex_unlock(&owner->lock);
	if (error != 0)
		tcp_os_set_remove(set, fd);
	return error;
}

void tcp_os_set_change(int set, int fd, uint32_t events, void *tag)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);

	if (!atomic_load(&slot->set))
		return;
	wsd_mutex_lock(&owner->lock);
	(void)put(owner, slot, events, tag);
	wsd_mutex_unlock(&owner->lock);
}

void tcp_os_set_remove(int set, int fd)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);

	if (!atomic_load(&slot->set))
		return;
	wsd_mutex_lock(&owner->lock);
	wsd_list_remove(&slot->link);
	atomic_store(&slot->set, NULL);
	owner->count--;
	tcp_news_forget(slot);
	wsd_event_groups_trim(&owner->groups);
	wsd_mutex_unlock(&owner->lock);
}

/* [the set's lock] */
static void learn_each(struct tcp_slot *owner)
{
	struct wsd_list *node;

	tcp_news_recorded(owner);
	wsd_list_for_each(node, &owner->members) {
		struct tcp_slot *slot = wsd_container(node, struct tcp_slot, link);
		int error = learn(owner, slot);

		if (error != 0)
			atomic_store(&slot->failed, -error);
	}
}

/* [the set's lock] Afterwards the event tells of all that this has not seen. */
static void learn_all(struct tcp_slot *owner)
{
	for (unsigned i = 0; i < LOOKS; i++) {
		owner->begun = false;
		learn_each(owner);
		if (!owner->begun)
			return;
	}
	atomic_store(&owner->taken, true);
	SetEvent(owner->event);
}

/* [the set's lock] */
static bool may_have_news(struct tcp_slot *owner)
{
	if (owner->count <= FEW || atomic_load(&owner->pending))
		return true;
	if (WaitForSingleObject(owner->event, 0) != WAIT_OBJECT_0)
		return false;
	ResetEvent(owner->event); /* before the look: what comes later signals again */
	return true;
}

int tcp_os_set_poll(int set, struct tcp_ready *ready, int count)
{
	struct tcp_slot *owner = tcp_slot_at(set);
	struct wsd_list *node, *after, served;
	bool left = false;
	int found = 0;

	wsd_list_init(&served);
	wsd_mutex_lock(&owner->lock);
	owner->settled = false;
	if (!may_have_news(owner)) {
		wsd_mutex_unlock(&owner->lock);
		return 0;
	}
	learn_all(owner);
	for (node = owner->members.next; node != &owner->members; node = after) {
		struct tcp_slot *slot = wsd_container(node, struct tcp_slot, link);
		uint32_t events = ready_events(slot);

		after = node->next;
		left |= events != 0;
		if (!events || found == count)
			continue;
		ready[found].tag = slot->tag;
		ready[found++].events = events;
		atomic_store(&slot->told, (events & TCP_READ) != 0);
		/* Behind those that found no room. */
		wsd_list_remove(node);
		wsd_list_append(&served, node);
	}
	wsd_list_splice(&owner->members, &served);
	atomic_store(&owner->pending, left); /* level-triggered: ready until a call finds nothing */
	wsd_mutex_unlock(&owner->lock);
	return found;
}

/* [the set's lock] */
static bool any_ready(const struct tcp_slot *owner)
{
	const struct wsd_list *node;

	wsd_list_for_each(node, &owner->members)
		if (ready_events(wsd_container(node, struct tcp_slot, link)))
			return true;
	return false;
}

/* [the set's lock] The event may tell of what has been taken meanwhile, also by the look that follows. */
static void take_back(struct tcp_slot *owner)
{
	for (int i = 0; i < TAKE_BACK; i++) {
		atomic_store(&owner->taken, false);
		ResetEvent(owner->event); /* before the look, as above */
		learn_all(owner);
		if (!atomic_load(&owner->taken))
			return;
	}
}

/* Whoever signals the event does so after what it tells of, and perhaps when that has been taken already. Only a wake
 * for nothing shows such a signal, so once in two calls it is taken back on suspicion. */
bool tcp_os_set_settle(int set)
{
	struct tcp_slot *owner = tcp_slot_at(set);
	bool left;

	wsd_mutex_lock(&owner->lock);
	learn_all(owner);
	if (atomic_load(&owner->taken) || !owner->clean || any_ready(owner)) {
		take_back(owner);
		owner->clean = true;
	} else {
		owner->clean = false;
	}
	left = any_ready(owner);
	atomic_store(&owner->pending, left);
	owner->settled = !left;
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
	struct tcp_slot *slot = tcp_slot_at(fd), *set = atomic_load(&slot->set);

	atomic_store(&slot->raised, false);
	if (set)
		atomic_store(&set->taken, true);
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

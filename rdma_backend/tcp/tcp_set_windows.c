// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_set_windows.c - the readiness set, signals and timers of the tcp backend.
 *
 * The sockets of a set share one event (WSAEventSelect), which is the set's wait object. Winsock signals each
 * condition once and again after the call that it concerns, so what is known to be ready is remembered in the slot until
 * a call says WSAEWOULDBLOCK: the set is level-triggered. The event is signalled only by what is new; before it is
 * slept on, tcp_os_set_settle says whether anything old is ready.
 */
#include "rdma_backend/tcp/tcp_slot_windows.h"

#include <errno.h>

#include "rdma_backend/base/base.h"

#define ALL_EVENTS  (FD_READ | FD_WRITE | FD_ACCEPT | FD_CONNECT | FD_CLOSE)
#define ROOM_FIRST  16u
#define NS_PER_TICK 100u /* of a FILETIME */

/* An fd_set with room for as many as there are. */
struct asked {
	u_int count;
	SOCKET s[];
};

struct tcp_question {
	unsigned room, count;
	struct asked *asked[3]; /* readable, writable, failed */
	struct tcp_slot *slots[];
};

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

/* [the set's lock] Room to ask about one more. */
static bool make_room(struct tcp_slot *owner)
{
	struct tcp_question *old = owner->question, *question;
	unsigned room = old ? 2 * old->room : ROOM_FIRST;
	size_t of_set = sizeof(struct asked) + room * sizeof(SOCKET);

	if (old && owner->count < old->room)
		return true;
	question = wsd_alloc(sizeof(*question) + room * sizeof(struct tcp_slot *) + 3 * of_set);
	if (!question)
		return false;
	question->room = room;
	for (unsigned i = 0; i < 3; i++)
		question->asked[i] = (void *)((char *)&question->slots[room] + i * of_set);
	owner->question = question;
	wsd_free(old);
	return true;
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
	if (!make_room(owner)) {
		wsd_mutex_unlock(&owner->lock);
		return -ENOMEM;
	}
	owner->count++;
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

void tcp_os_set_change(int set, int fd, uint32_t events, void *tag)
{
	struct tcp_slot *owner = tcp_slot_at(set), *slot = tcp_slot_at(fd);
	bool ready;

	wsd_mutex_lock(&owner->lock);
	/* The next receive would have met the end, which has been signalled. */
	if (slot->kind == TCP_SLOT_SOCKET && (slot->wanted & TCP_READ) && !(events & TCP_READ))
		look(slot);
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
	owner->count--;
	atomic_store(&slot->set, NULL);
	wsd_mutex_unlock(&owner->lock);
	if (slot->kind == TCP_SLOT_SOCKET)
		(void)wsd_windows_net()->lpWSPEventSelect(slot->s, NULL, 0, &ignored);
}

static void ask_about(struct tcp_question *question, struct tcp_slot *slot)
{
	struct asked **asked = question->asked;

	question->slots[question->count++] = slot;
	asked[0]->s[asked[0]->count++] = slot->s;
	if (atomic_load(&slot->writable))
		return;
	asked[1]->s[asked[1]->count++] = slot->s;
	asked[2]->s[asked[2]->count++] = slot->s;
}

/* [the set's lock] About all of whom there may be news. */
static struct tcp_question *make_question(struct tcp_slot *owner)
{
	struct tcp_question *question = owner->question;
	struct wsd_list *node;

	question->count = 0;
	for (unsigned i = 0; i < 3; i++)
		question->asked[i]->count = 0;
	wsd_list_for_each(node, &owner->members) {
		struct tcp_slot *slot = wsd_container(node, struct tcp_slot, link);

		if (slot->kind == TCP_SLOT_SOCKET && !atomic_load(&slot->failed))
			ask_about(question, slot);
	}
	return question;
}

static fd_set *as_fd_set(struct asked *asked)
{
	return asked->count > 0 ? (fd_set *)(void *)asked : NULL;
}

static bool ask(struct tcp_question *question)
{
	struct timeval now = { 0, 0 };
	struct asked **asked = question->asked;
	int ignored;

	return wsd_windows_net()->lpWSPSelect(0, as_fd_set(asked[0]), as_fd_set(asked[1]),
					      as_fd_set(asked[2]), &now, &ignored) != SOCKET_ERROR;
}

/* Bytes, or an end that a receive tells of. What a connect came to, and ends that nobody is to meet in a receive, are in
 * the record only. */
static void found_readable(struct tcp_slot *slot)
{
	if (atomic_load(&slot->connected) && (slot->wanted & TCP_READ))
		atomic_store(&slot->readable, true);
	else
		look(slot);
}

/* Those that select has left in a set. It keeps their order, so each is found where the last one was or behind it. */
static void take_found(const struct tcp_question *question, const struct asked *found,
		       void (*take)(struct tcp_slot *slot))
{
	unsigned at = 0;

	for (unsigned i = 0; i < found->count; i++) {
		for (unsigned n = question->count; n > 0 && question->slots[at]->s != found->s[i];
		     n--)
			at = (at + 1) % question->count;
		take(question->slots[at]);
	}
}

/*
 * [the set's lock] If the event says that there is news, learn of whom. What Winsock has recorded has to be asked for one
 * by one; select knows most of it in one call for all, and whom to ask for the rest.
 */
static void look_for_news(struct tcp_slot *owner)
{
	struct tcp_question *question;

	if (WaitForSingleObject(owner->event, 0) != WAIT_OBJECT_0)
		return;
	ResetEvent(owner->event); /* before the look: what comes later signals again */
	owner->pending = true;
	question = make_question(owner);
	if (question->count == 0)
		return;
	if (ask(question)) {
		take_found(question, question->asked[1], look);
		take_found(question, question->asked[2], look);
		take_found(question, question->asked[0], found_readable);
	} else {
		for (unsigned i = 0; i < question->count; i++)
			look(question->slots[i]);
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
	look_for_news(owner);
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
	look_for_news(owner);
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

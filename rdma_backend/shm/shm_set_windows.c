// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_set_windows.c - the set of a queue: one event, which all of its pipes' operations signal.
 *
 * Which pipes are ready is seen in their OVERLAPPEDs, without a call of the system. There is one for each peer
 * queue, not for each connection.
 */

#include <windows.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/shm/shm_windows.h"

#define NS_PER_TICK 100u /* of a FILETIME */
#define LINGER_MS   100u

static VOID CALLBACK alarm_due(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer)
{
	struct shm_set *set = context;

	(void)instance;
	(void)timer;
	atomic_store(&set->due, true);
	SetEvent(set->event);
}

enum wsd_status shm_set_create(shm_share inbox, struct shm_set **result)
{
	struct shm_set *set = wsd_alloc(sizeof(*set));

	if (!set)
		return WSD_ENOMEM;
	wsd_list_init(&set->members);
	wsd_list_init(&set->dying);
	set->event = shm_bell_create(inbox);
	set->timer = CreateThreadpoolTimer(alarm_due, set, NULL);
	if (!set->event || !set->timer) {
		shm_set_destroy(set);
		return WSD_ENOFILES;
	}
	*result = set;
	return WSD_OK;
}

static void reap(struct shm_set *set)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &set->dying) {
		struct shm_pipe *pipe = wsd_container(node, struct shm_pipe, node);

		if (shm_pipe_ended(pipe)) {
			wsd_list_remove(node);
			shm_pipe_free(pipe);
		}
	}
}

/* The last packet of a closed pipe has LINGER_MS to be read: its reader may have been stopped for ever. */
static void finish(struct shm_set *set)
{
	ULONGLONG until = GetTickCount64() + LINGER_MS;
	struct wsd_list *node;

	for (reap(set); !wsd_list_empty(&set->dying); reap(set)) {
		if (GetTickCount64() > until) {
			wsd_list_for_each(node, &set->dying) {
				struct shm_pipe *pipe = wsd_container(node, struct shm_pipe, node);

				pipe->given_up = true;
				if (pipe->handle)
					CancelIoEx(pipe->handle, NULL);
			}
		}
		Sleep(1);
	}
}

void shm_set_destroy(struct shm_set *set)
{
	finish(set);
	if (set->timer) {
		SetThreadpoolTimer(set->timer, NULL, 0, 0);
		WaitForThreadpoolTimerCallbacks(set->timer, TRUE);
		CloseThreadpoolTimer(set->timer);
	}
	if (set->event)
		CloseHandle(set->event);
	wsd_free(set);
}

wsd_wait_object shm_set_object(struct shm_set *set)
{
	return (wsd_wait_object)set->event;
}

enum wsd_status shm_set_add(struct shm_set *set, struct shm_source *source, uint32_t events)
{
	struct shm_pipe *pipe = source->channel;

	pipe->source = source;
	pipe->set = set;
	atomic_store(&pipe->wanted, events);
	wsd_list_append(&set->members, &pipe->node);
	shm_pipe_start(pipe);
	return WSD_OK;
}

void shm_set_change(struct shm_set *set, struct shm_source *source, uint32_t events)
{
	atomic_store(&source->channel->wanted, events);
	SetEvent(set->event); /* it may have been ready for long */
}

void shm_set_remove(struct shm_set *set, struct shm_source *source)
{
	(void)set;
	atomic_store(&source->channel->wanted, 0);
	wsd_list_remove(&source->channel->node);
}

unsigned shm_set_poll(struct shm_set *set, struct shm_ready *ready, unsigned count, bool *more)
{
	struct wsd_list *node, *after, served;
	unsigned found = 0;

	reap(set);
	wsd_list_init(&served);
	for (node = set->members.next; node != &set->members && found < count; node = after) {
		struct shm_pipe *pipe = wsd_container(node, struct shm_pipe, node);
		uint32_t events = shm_pipe_events(pipe);

		after = node->next;
		if (!events)
			continue;
		ready[found].source = pipe->source;
		ready[found++].events = events;
		/* Behind those that found no room. */
		wsd_list_remove(node);
		wsd_list_append(&served, node);
	}
	wsd_list_splice(&set->members, &served);
	if (atomic_exchange(&set->due, false))
		set->rang = true;
	*more = found == count;
	return found;
}

bool shm_set_arm(struct shm_set *set)
{
	struct wsd_list *node;

	ResetEvent(set->event); /* before the look: what comes later signals again */
	if (atomic_load(&set->due))
		return true;
	wsd_list_for_each(node, &set->members) {
		if (shm_pipe_events(wsd_container(node, struct shm_pipe, node)))
			return true;
	}
	return false;
}

void shm_set_disarm(struct shm_set *set, bool woken)
{
	(void)woken;
	ResetEvent(set->event); /* whatever it told: arm looks again */
}

void shm_set_wake(struct shm_set *set)
{
	SetEvent(set->event);
}

void shm_set_alarm(struct shm_set *set, uint64_t ns)
{
	/* Negative is relative; up, and at least one: 0 would be long ago. */
	int64_t ticks = -(int64_t)(ns / NS_PER_TICK + 1);
	FILETIME due = { .dwLowDateTime = (DWORD)(uint64_t)ticks,
			 .dwHighDateTime = (DWORD)((uint64_t)ticks >> 32) };

	SetThreadpoolTimer(set->timer, ns ? &due : NULL, 0, 0);
}

bool shm_set_alarm_rang(struct shm_set *set)
{
	bool rang = set->rang;

	set->rang = false;
	return rang;
}

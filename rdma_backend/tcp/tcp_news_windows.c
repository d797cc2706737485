// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_news_windows.c - what a socket of the set has to tell.
 *
 * That there is something to receive, or an end, is the answer to a question: an overlapped receive of no bytes,
 * which the system ends with the set's event. To see whether it has ended is no system call. A question whose thread
 * has ended meanwhile is put again. Whoever begins one takes from the event what it told of others: `begun`.
 *
 * The rest is rare, and Winsock records it (WSAEventSelect): a connection to accept, the end of a connect, room after a
 * send that found none, a reset behind bytes that nobody takes yet (an end is recorded behind all bytes on Windows, and
 * at once on Wine: nobody may count on it), and bytes themselves where the system lacks memory for a question. It is
 * selected when it is first wanted. Sockets share the events of that, apart from the set's; when
 * one is signalled, those of its group that want something of it are asked for their records.
 */
#include "rdma_backend/tcp/tcp_slot_windows.h"

static const WSPPROC_TABLE *net(void)
{
	return wsd_windows_net();
}

/* --- questions --- */

static void begin_question(struct tcp_slot *set, struct tcp_slot *slot)
{
	static char nowhere;
	WSABUF nothing = { .len = 0, .buf = &nowhere };
	WSATHREADID thread = { 0 }; /* for routines only */
	DWORD bytes = 0, flags = 0;
	int error = 0;

	slot->question = (WSAOVERLAPPED){ .hEvent = set->event };
	atomic_store(&slot->asked, true);
	if (net()->lpWSPRecv(slot->s, &nothing, 1, &bytes, &flags, &slot->question, NULL, &thread,
			     &error) != 0 &&
	    error == WSA_IO_PENDING) {
		set->begun = true;
		return;
	}
	atomic_store(&set->taken, true);
	atomic_store(&slot->asked, false);
	/* Answered at once; or a receive fails as this one did, and says why. Of what the system lacks it would not. */
	slot->unasked =
		error == WSAENOBUFS || error == WSA_NOT_ENOUGH_MEMORY || error == WSAEWOULDBLOCK;
	if (!slot->unasked)
		atomic_store(&slot->readable, true);
}

static void end_question(struct tcp_slot *set, struct tcp_slot *slot)
{
	DWORD bytes = 0, flags = 0;
	int error = 0;

	atomic_store(&set->taken, true);
	atomic_store(&slot->asked, false);
	if (!net()->lpWSPGetOverlappedResult(slot->s, &slot->question, &bytes, FALSE, &flags,
					     &error)) {
		if (error == WSA_OPERATION_ABORTED) /* the thread that asked has ended */
			return;
		atomic_store(&slot->failed, tcp_errno_of(error));
	}
	atomic_store(&slot->readable, true);
}

/* For who does not take bytes: is it the end? If they are there, or nothing is, a record will tell. */
static void look_for_end(struct tcp_slot *slot)
{
	char byte;
	WSABUF one = { .len = sizeof(byte), .buf = &byte };
	DWORD bytes = 0, flags = MSG_PEEK;
	int error = 0;

	if (net()->lpWSPRecv(slot->s, &one, 1, &bytes, &flags, NULL, NULL, NULL, &error) == 0)
		atomic_store(&slot->closed, bytes == 0);
	else if (error != WSAEWOULDBLOCK)
		atomic_store(&slot->failed, tcp_errno_of(error));
}

/* --- records --- */

/* Is there something to receive that hides an end from a question? */
static bool wants_end(const struct tcp_slot *slot)
{
	if (!atomic_load(&slot->readable) || slot->listening)
		return false;
	return (slot->wanted & TCP_READ) && atomic_load(&slot->told);
}

/* What has to be recorded for its owner to hear what it wants. */
static long records_for(const struct tcp_slot *slot)
{
	long records = 0;

	if (atomic_load(&slot->failed))
		return 0;
	if (slot->listening)
		return slot->wanted & TCP_READ ? FD_ACCEPT : 0;
	if (!atomic_load(&slot->connected))
		return FD_CONNECT;
	if ((slot->wanted & TCP_WRITE) && !atomic_load(&slot->writable))
		records |= FD_WRITE | FD_CLOSE;
	if (slot->unasked && (slot->wanted & TCP_READ))
		records |= FD_READ | FD_CLOSE;
	if (wants_end(slot))
		records |= FD_CLOSE;
	return atomic_load(&slot->closed) ? records & ~FD_CLOSE : records;
}

/* What is still selected for it can signal for nothing, until it is closed. */
void tcp_news_forget(struct tcp_slot *slot)
{
	if (slot->group)
		wsd_event_group_leave(slot->group, &slot->member);
	slot->group = NULL;
	slot->records = 0;
}

/* Learn what Winsock has recorded. */
static void read_records(struct tcp_slot *slot)
{
	WSANETWORKEVENTS found = { 0 };
	const int *codes = found.iErrorCode;
	int failed = 0, ignored;

	slot->unseen = false;
	if (net()->lpWSPEnumNetworkEvents(slot->s, NULL, &found, &ignored) != 0)
		return;
	if (found.lNetworkEvents & FD_ACCEPT) {
		atomic_store(&slot->readable, true);
		atomic_store(&slot->promised, true);
	}
	if (found.lNetworkEvents & (FD_READ | FD_CLOSE)) {
		if (slot->unasked)
			atomic_store(&slot->readable, true);
		slot->unasked = false;
	}
	if (found.lNetworkEvents & FD_CONNECT)
		failed = codes[FD_CONNECT_BIT];
	if ((found.lNetworkEvents & (FD_CONNECT | FD_WRITE)) && !failed) {
		atomic_store(&slot->connected, true);
		atomic_store(&slot->writable, true);
	}
	if (found.lNetworkEvents & FD_CLOSE) {
		atomic_store(&slot->closed, true);
		failed = failed ? failed : codes[FD_CLOSE_BIT];
	}
	if (failed)
		atomic_store(&slot->failed, tcp_errno_of(failed));
	/* Most connections want no more records. */
	if (found.lNetworkEvents & FD_CONNECT)
		tcp_news_forget(slot);
}

/* What holds when it is selected is recorded, and signals the group's event. */
static int select_records(struct tcp_slot *set, struct tcp_slot *slot, long records)
{
	int error = 0;

	if (!slot->group)
		slot->group = wsd_event_group_join(&set->groups, &slot->member);
	if (!slot->group)
		return -tcp_errno_of(WSAENOBUFS);
	if (net()->lpWSPEventSelect(slot->s, slot->group->event, slot->records | records, &error) !=
	    0)
		return -tcp_errno_of(error);
	slot->records |= records;
	slot->unseen = false;
	return 0;
}

void tcp_news_recorded(struct tcp_slot *set)
{
	struct wsd_list *group, *node, *after;

	wsd_list_for_each(group, &set->groups.all) {
		struct wsd_event_group *g = wsd_container(group, struct wsd_event_group, link);

		if (!wsd_event_group_news(g))
			continue;
		atomic_store(&set->taken, true);
		wsd_list_for_each_safe(node, after, &g->members) {
			struct tcp_slot *slot = wsd_container(node, struct tcp_slot, member);

			if (slot->records & records_for(slot))
				read_records(slot);
			else
				slot->unseen = true;
		}
	}
	wsd_event_groups_trim(&set->groups);
}

/* --- both --- */

int tcp_news_learn(struct tcp_slot *set, struct tcp_slot *slot)
{
	long records;

	if (atomic_load(&slot->asked) && HasOverlappedIoCompleted(&slot->question))
		end_question(set, slot);
	if (slot->unseen && (slot->records & records_for(slot)))
		read_records(slot);
	if (atomic_load(&slot->failed))
		return 0;
	if (atomic_load(&slot->connected) && !atomic_load(&slot->readable) &&
	    !atomic_load(&slot->asked) && !slot->unasked && (slot->wanted & TCP_READ))
		begin_question(set, slot);
	/* Once: behind bytes only a record tells. */
	if (wants_end(slot) && !atomic_load(&slot->closed) && !(slot->records & FD_CLOSE))
		look_for_end(slot);
	records = records_for(slot);
	return (records & ~slot->records) ? select_records(set, slot, records) : 0;
}

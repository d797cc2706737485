/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_slot_windows.h - what a descriptor of the tcp backend stands for on Windows. */
#ifndef WSD_TCP_SLOT_WINDOWS_H
#define WSD_TCP_SLOT_WINDOWS_H

#include "rdma_backend/base/net_windows.h"

#include <stdatomic.h>

#include "rdma_backend/base/event_group_windows.h"
#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/tcp/tcp_os.h"

enum tcp_slot_kind {
	TCP_SLOT_FREE,
	TCP_SLOT_SOCKET,
	TCP_SLOT_SET,
	TCP_SLOT_SIGNAL,
	TCP_SLOT_TIMER
};

struct tcp_slot {
	enum tcp_slot_kind kind;
	int next_free;
	SOCKET s;
	bool listening;
	atomic_bool promised; /* a connection was recorded, and none has been accepted since */
	atomic_bool readable, writable, raised; /* raised: of signals and timers */
	atomic_bool closed;			/* the peer closed: no more than what is readable */
	atomic_int failed;			/* errno of a connect or of the connection */
	atomic_bool connected;
	atomic_bool told; /* that it is readable, and nothing has been received since */
	PTP_TIMER timer;
	/* Member of a set, one in its life; the members' list and what they want is under the set's lock. */
	struct tcp_slot *_Atomic set;
	struct wsd_list link;
	uint32_t wanted;
	void *tag;
	/* A receive of no bytes: it ends when there is something to receive, or nothing ever again. */
	WSAOVERLAPPED question;
	atomic_bool asked; /* it has been begun, and its end has not been seen */
	/* [the set's lock] What Winsock records for it. */
	long records;
	struct wsd_event_group *group;
	struct wsd_list member; /* of the group */
	bool unseen;		/* something may be recorded that was not wanted then */
	bool unasked;		/* no question could be begun: a record is to tell of bytes */
	/* Of a set: */
	struct wsd_mutex lock;
	struct wsd_list members;
	unsigned count;
	struct wsd_event_groups groups;
	HANDLE event;	   /* manual */
	bool settled;	   /* [lock] the event is slept on: what is not told otherwise signals it */
	bool begun;	   /* [lock] a question was: what the event told of others may be gone */
	bool clean;	   /* [lock] it has been reset, and was not slept on since */
	atomic_bool taken; /* what it may tell of, since */
	/* A member may be ready, or is to be asked, and the event does not tell it: */
	atomic_bool pending;
};

/* Has a question been begun that has no answer yet? */
static inline bool tcp_slot_waits(struct tcp_slot *slot)
{
	return atomic_load(&slot->asked) && !HasOverlappedIoCompleted(&slot->question);
}

/* tcp_os_windows.c */
struct tcp_slot *tcp_slot_at(int fd);
int tcp_slot_new(enum tcp_slot_kind kind); /* a descriptor, or a negative errno */
void tcp_slot_free(int fd);
int tcp_errno_of(int error); /* of a Winsock code */

/* tcp_news_windows.c: all [the set's lock], of a socket */
int tcp_news_learn(struct tcp_slot *set, struct tcp_slot *slot); /* 0, or a negative errno */
void tcp_news_recorded(struct tcp_slot *set);			 /* of all its sockets */
void tcp_news_forget(struct tcp_slot *slot);

#endif

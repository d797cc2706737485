/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_slot_windows.h - what a descriptor of the tcp backend stands for on Windows. */
#ifndef WSD_TCP_SLOT_WINDOWS_H
#define WSD_TCP_SLOT_WINDOWS_H

#include "rdma_backend/base/net_windows.h"

#include <stdatomic.h>

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
	atomic_bool readable, writable, raised; /* raised: of signals and timers */
	atomic_bool closed;			/* the peer closed: no more than what is readable */
	atomic_int failed;			/* errno of a connect or of the connection */
	atomic_bool connected;
	PTP_TIMER timer;
	/* Member of a set; the members' list and what they want is under the set's lock. */
	struct tcp_slot *_Atomic set;
	struct wsd_list link;
	uint32_t wanted;
	void *tag;
	/* Of a set: */
	struct wsd_mutex lock;
	struct wsd_list members;
	HANDLE event; /* manual */
	bool pending; /* a member may be ready that the event does not tell of */
};

/* tcp_os_windows.c */
struct tcp_slot *tcp_slot_at(int fd);
int tcp_slot_new(enum tcp_slot_kind kind); /* a descriptor, or a negative errno */
void tcp_slot_free(int fd);
int tcp_errno_of(int error); /* of a Winsock code */

#endif

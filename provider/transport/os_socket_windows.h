/* SPDX-License-Identifier: BSD-2-Clause */
/* os_socket_windows.h - what the number of a socket of the system stands for, of os_port.h and os_tcp.h. */
#ifndef WSD_TRANSPORT_OS_SOCKET_WINDOWS_H
#define WSD_TRANSPORT_OS_SOCKET_WINDOWS_H

#include "rdma_backend/base/net_windows.h"

#include <stdatomic.h>

#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/event_group_windows.h"
#include "rdma_backend/base/list.h"

struct wsd_os_socket {
	SOCKET s;	   /* INVALID_SOCKET: it was reset */
	atomic_int failed; /* enum wsd_status: why, not told yet */
	/* By the socket's user: */
	uint64_t sent; /* bytes that the system has taken */
	bool ended;    /* and the end */
	bool shared;   /* another process may have it, too, and hear its news */
	/* [the poller's lock] */
	struct wsd_os_poller *poller; /* that watches it; changed by the socket's user only */
	struct wsd_event_group *group;
	void *context;
	struct wsd_list member; /* of the group ... */
	struct wsd_list fresh;	/* ... and of those with news */
	uint32_t news;		/* WSD_OS_* */
};

/* Closes s when it fails. */
enum wsd_status wsd_os_socket_new(SOCKET s, intptr_t *number);
void wsd_os_socket_close(intptr_t number);
int wsd_os_socket_set(const struct wsd_os_socket *socket, int level, int name, DWORD value);
enum wsd_status wsd_os_socket_status(int error); /* of a connection */

/* Never negative, wherever in 32 bits the memory lies: its lowest bit is 0. */
static inline struct wsd_os_socket *wsd_os_socket_of(intptr_t number)
{
	return (struct wsd_os_socket *)((uintptr_t)number << 1);
}

#endif

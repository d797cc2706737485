/* SPDX-License-Identifier: BSD-2-Clause */
/* iocp.h - completion ports, for the files that complete requests. */
#ifndef WSD_LINUX_IOCP_H
#define WSD_LINUX_IOCP_H

#include <stdbool.h>

#include <openwsd/winsock2.h>

struct wsd_port;

/* A reference to the port behind a handle, or NULL with the last error set. */
struct wsd_port *wsd_port_get(HANDLE port);
void wsd_port_ref(struct wsd_port *port); /* the caller has one already */
void wsd_port_put(struct wsd_port *port);
/* Queues a packet and wakes a waiter. False: no memory. A closed port swallows it. */
bool wsd_port_post(struct wsd_port *port, const OVERLAPPED_ENTRY *packet);
bool wsd_port_close(HANDLE port);

#endif

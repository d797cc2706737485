/* SPDX-License-Identifier: BSD-2-Clause */
/* net_windows.h - sockets of the system below us, its addresses and its routes. */
#ifndef WSD_BASE_NET_WINDOWS_H
#define WSD_BASE_NET_WINDOWS_H

#include "rdma_backend/base/base_provider_windows.h"

#include <ws2tcpip.h>

#include <openwsd/backend.h>

union wsd_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

int wsd_windows_to_sockaddr(union wsd_sockaddr *to, const struct wsd_addr *addr, uint16_t port);
void wsd_windows_from_sockaddr(struct wsd_addr *addr, const union wsd_sockaddr *from);

/* Of interfaces that are up: stores at most count of them, returns how many there are. */
uint32_t wsd_windows_addresses(struct wsd_addr *list, uint32_t count, bool loopback);

/* The local address from which remote is reached (from local, unless that is NULL or every address); port
 * 0. WSD_EUNREACHABLE; WSD_ENOFILES says nothing about routes. */
enum wsd_status wsd_windows_route(const struct wsd_addr *local, const struct wsd_addr *remote,
				  struct wsd_addr *found);

#endif

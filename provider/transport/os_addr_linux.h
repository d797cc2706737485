/* SPDX-License-Identifier: BSD-2-Clause */
/* os_addr_linux.h - addresses as the system's sockets have them, for the files of this folder that use those. */
#ifndef WSD_TRANSPORT_OS_ADDR_LINUX_H
#define WSD_TRANSPORT_OS_ADDR_LINUX_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <openwsd/backend.h>

union wsd_os_addr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

socklen_t wsd_os_addr_to(const struct wsd_addr *addr, union wsd_os_addr *os); /* how long it is */
void wsd_os_addr_from(const union wsd_os_addr *os, struct wsd_addr *addr);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_windows.h - the system's own TCP, below us: its procedure table, its addresses. Never ourselves,
 * wherever we stand in the catalogue. ws2_32 is not imported: it loads us.
 */
#ifndef WSD_BASE_NET_WINDOWS_H
#define WSD_BASE_NET_WINDOWS_H

#include <winsock2.h>
#include <ws2spi.h>
#include <ws2tcpip.h>

#include <stdbool.h>

#include <openwsd/backend.h>

union wsd_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_storage storage;
};

/*
 * The procedures of the base provider that are used here: Socket, Bind, Listen, Accept, Connect, Send,
 * Recv, Shutdown, CloseSocket, GetSockOpt, SetSockOpt, GetSockName, GetPeerName, Ioctl, EventSelect,
 * EnumNetworkEvents; without overlapped operations. NULL: there is none.
 */
const WSPPROC_TABLE *wsd_windows_net(void);
/* A socket of the base provider, or INVALID_SOCKET with *error. type: SOCK_STREAM or SOCK_DGRAM. */
SOCKET wsd_windows_socket(int family, int type, int *error);
void wsd_windows_closesocket(SOCKET s);

int wsd_windows_to_sockaddr(union wsd_sockaddr *to, const struct wsd_addr *addr, uint16_t port);
void wsd_windows_from_sockaddr(struct wsd_addr *addr, const union wsd_sockaddr *from);

/* Of interfaces that are up: stores at most count of them, returns how many there are. */
uint32_t wsd_windows_addresses(struct wsd_addr *list, uint32_t count, bool loopback);

/* The local address from which remote is reached (from local, unless that is NULL or every address); port
 * 0. WSD_EUNREACHABLE; WSD_ENOFILES says nothing about routes. */
enum wsd_status wsd_windows_route(const struct wsd_addr *local, const struct wsd_addr *remote,
				  struct wsd_addr *found);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base_provider_windows.h - the system's own TCP below us: its base provider, loaded as a layered provider loads the
 * one below. Never ourselves, wherever we stand in the catalogue, and not through ws2_32, which loads us.
 */
#ifndef WSD_BASE_BASE_PROVIDER_WINDOWS_H
#define WSD_BASE_BASE_PROVIDER_WINDOWS_H

#include <winsock2.h>
#include <ws2spi.h>

#include <stdbool.h>

/* What ws2_32 has given us; without it a program uses ws2_32 itself. */
void wsd_windows_upcalls(const WSPUPCALLTABLE *upcalls);

/*
 * For who has a socket: the procedures Bind, Listen, Connect, Send, Recv, Shutdown, GetSockOpt, SetSockOpt,
 * GetSockName, GetPeerName, Ioctl, EventSelect, EnumNetworkEvents, GetOverlappedResult (of one that has ended). Of
 * overlapped operations there is Recv, without a completion routine. All others lead past the count of sockets.
 */
const WSPPROC_TABLE *wsd_windows_net(void);
/* A socket of the base provider, or INVALID_SOCKET with *error. type: SOCK_STREAM or SOCK_DGRAM. */
SOCKET wsd_windows_socket(int family, int type, int *error);
/* Before the first call that could. */
void wsd_windows_never_block(SOCKET s);
/* A connection of a listener that never blocks; from: NULL, or room for *length bytes. It never blocks either, and has
 * the listener's selection of events, until it gets one of its own. */
SOCKET wsd_windows_accept(SOCKET s, struct sockaddr *from, int *length, int *error);
void wsd_windows_closesocket(SOCKET s);
/* For that process, which opens it with what is in *info. It is counted there, and not here. */
bool wsd_windows_duplicate(SOCKET s, DWORD process, WSAPROTOCOL_INFOW *info);
/* What another process has duplicated for this one; it never blocks. WSAEINVAL: not of the base provider. */
SOCKET wsd_windows_socket_of(WSAPROTOCOL_INFOW *info, int *error);

/* ws2_provider_windows.c: a table that leads to ws2_32, which is started for it. */
bool wsd_ws2_provider(WSPPROC_TABLE *table);

#endif

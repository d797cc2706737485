/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.h - what the shim keeps for a socket: the provider's context, the completion port, the
 * event behind wsd_socket_fd; and the completion of overlapped requests.
 */
#ifndef WSD_LINUX_SOCKET_H
#define WSD_LINUX_SOCKET_H

#include <stdbool.h>

#include <openwsd/ws2spi.h>

/* False with the last error set: no such socket, no such port, already associated. */
bool wsd_socket_associate(SOCKET s, HANDLE port, ULONG_PTR key);
/* The event that wsd_socket_fd uses, made if create; NULL if there is none (no error set). */
HANDLE wsd_socket_fd_event(SOCKET s, bool create);

/*
 * A call of the application that may complete at once. Between begin and end a packet for its
 * OVERLAPPED is held back if the socket skips packets on success; end drops or posts it.
 */
struct wsd_port;
struct wsd_call {
	struct wsd_call *outer;
	LPOVERLAPPED overlapped;
	struct wsd_port *port; /* set when a packet is held back; holds a reference */
	OVERLAPPED_ENTRY packet;
};
void wsd_call_begin(struct wsd_call *call, LPOVERLAPPED overlapped);
/* succeeded: the call returned success, not WSA_IO_PENDING. */
void wsd_call_end(struct wsd_call *call, bool succeeded);

#endif

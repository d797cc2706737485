/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * openwsd.h - what OpenWSD adds to Winsock.
 */
#ifndef OPENWSD_OPENWSD_H
#define OPENWSD_OPENWSD_H

#ifdef _WIN32
#include <winsock2.h>
#else
#include "winsock2.h"
#endif

/*
 * Socket options at level SOL_SOCKET, on every platform.
 *
 * SO_OPENWSD_PATH (get, char[]): the path this connection took as text, for instance "shm" or
 * "verbs"; empty while not connected. *optlen returns the length with the terminating NUL; a buffer
 * that is too small fails with WSAEFAULT and *optlen holds the length needed.
 *
 * SO_OPENWSD_REASONS (get, char[]): why each path before the one that was taken was not, or, after a
 * connect that failed, why none was: "name: text (number)" with "; " between them, at most 511
 * characters. It is about the last connect of this socket. openwsd(7) lists the numbers.
 *
 * SO_OPENWSD_ZCOPY_MIN (get and set, DWORD): sends and receives of at least so many bytes may go
 * without a copy. 0 means the threshold of the backend, 0xFFFFFFFF means never.
 */
#define SO_OPENWSD_PATH	     0x7F01
#define SO_OPENWSD_REASONS   0x7F02
#define SO_OPENWSD_ZCOPY_MIN 0x7F03

#ifndef _WIN32
WSD_DECLS_BEGIN

/*
 * A descriptor for poll or epoll that is readable while the event is signalled (level-triggered).
 * It belongs to the event and is closed with it: never read, write or close it. When it is readable
 * take the signal as always, with a wait of timeout 0. -1 and WSAGetLastError on failure.
 */
int wsd_event_fd(WSAEVENT event);

/*
 * A descriptor that is readable while at least one of the network events in fd_events (FD_READ,
 * FD_WRITE, FD_ACCEPT, FD_CONNECT, FD_CLOSE ...) is recorded for the socket. It replaces a
 * selection made with WSAEventSelect and, like that, makes the socket nonblocking; fd_events 0 ends
 * it and gives -1 with error 0. Call WSAEnumNetworkEvents(s, NULL, ...) when it is readable. It
 * belongs to the socket: never read, write or close it.
 */
int wsd_socket_fd(SOCKET s, long fd_events);

/* The version of the library, for instance "0.1.0". */
const char *wsd_version(void);

/* The text of a Winsock or base error code, in English; never NULL. */
const char *wsd_strerror(int wsa_code);

WSD_DECLS_END
#endif

#endif

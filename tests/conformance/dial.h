/* SPDX-License-Identifier: BSD-2-Clause */
/* dial.h - connecting and accepting, for the programs about listeners. */
#ifndef WSD_CONFORMANCE_DIAL_H
#define WSD_CONFORMANCE_DIAL_H

#include "tests/conformance/lib.h"

SOCKET dial(const struct address *at);	       /* connected, or INVALID_SOCKET */
SOCKET dial_pending(const struct address *at); /* nonblocking, under way */
int progress(SOCKET s, long ms); /* of that, in that time: 1 connected, 2 failed, 0 neither */
int outcome(SOCKET s);		 /* of that: 0 or its error; -1: none after 10 s */
/* On the system's TCP, where a full queue answers nobody: a listener with a backlog of 1, and so many connections that
 * the last one waits for an answer until the backlog has grown. */
#define FULL 8
SOCKET full_listener(struct address *at, SOCKET clients[FULL]);
int refuses(const struct address *at);	 /* with WSAECONNREFUSED */
void bound_receive(SOCKET s);		 /* a blocking receive fails after 5 s */
int works(SOCKET client, SOCKET server); /* a byte each way */
int no_socket(SOCKET s, int code);	 /* INVALID_SOCKET, with that error */

#endif

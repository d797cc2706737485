/* SPDX-License-Identifier: BSD-2-Clause */
/* share.h - what the programs about duplicated sockets of mode D share. */
#ifndef WSD_CONFORMANCE_SHARE_H
#define WSD_CONFORMANCE_SHARE_H

#include "tests/conformance/io.h"

/* What WSADuplicateSocket says for that process, which is there. */
WSAPROTOCOL_INFOW share_token(SOCKET s, DWORD process);
SOCKET share_attach(WSAPROTOCOL_INFOW *info);
/* An entry of the catalogue with this number in it: all that another process needs. */
WSAPROTOCOL_INFOW share_info_with(DWORD token);
/* A token that nobody used in time is of no use; the socket is as before. */
bool share_token_expires(SOCKET s);
/* A second descriptor, in this process. */
SOCKET share_other(SOCKET s);
/* One side writes the pattern from a position on, the other checks it; in one thread, so it has to fit. */
bool share_moves(SOCKET from, SOCKET to, size_t length, size_t position);
/* Which of the clients is the other end of it? */
unsigned share_other_end(SOCKET server, const SOCKET *clients, unsigned count);
/* Role "visitor": a process that connects, says something, closes and is gone. */
int share_visitor(void);
struct child share_visitor_at(const struct address *at);
/* That is what an accepted socket reads; closes it. */
bool share_said_all(SOCKET s);

/* A process that has a listener, does one of these when it is told, answers with 0, and ends in the way of its
 * argument: "closes", "cleans" or neither. serve accepts a connection and serves it. */
enum share_order { SHARE_END, SHARE_ACCEPT, SHARE_LISTEN };
/* Role "worker": it takes the socket whose token it hears, and says whether it could. */
int share_worker(int (*serve)(SOCKET listener));
struct child share_worker_with(SOCKET s, const char *end);
/* Role "owner": it listens, says where, hears which process it shall give the socket to, and says the token. */
int share_owner(int (*serve)(SOCKET listener));
/* Such a process, which has given it: where it listens, and the socket. */
struct child share_owner_of(struct address *at, const char *end, SOCKET *s);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dual.h - what the programs about sockets of both families share. The family under test is that of the peer, and
 * of the addresses inside; the sockets that are tested are of AF_INET6.
 */
#ifndef WSD_CONFORMANCE_DUAL_H
#define WSD_CONFORMANCE_DUAL_H

#include "tests/conformance/host.h"
#include "tests/conformance/io.h"

SOCKET dual_of(int af); /* an ordinary socket */
SOCKET dual_socket(void);
int dual_set(SOCKET s, int v6only); /* IPV6_V6ONLY */
int dual_get(SOCKET s);		    /* -1: it has none */

/* Of this machine, where peers connect to, or the wildcard. */
struct address dual_address(int af, u_short port);
struct address dual_any(int af, u_short port);
/* The same as a socket of both families writes it: ::ffff:a.b.c.d, unless it is of IPv6. */
struct address dual_outer(const struct address *at);
bool dual_same(const struct address *a, const struct address *b);
/* Is that its name, its peer's? */
bool dual_is_at(SOCKET s, struct address at);
bool dual_has_peer(SOCKET s, struct address at);
u_short dual_port(SOCKET s); /* that it is bound to */

SOCKET dual_listener(struct address *at, int backlog); /* at `::`; *at is what it is bound to */
SOCKET dual_dial(int af, u_short port);	    /* an ordinary socket, connected; or INVALID_SOCKET */
bool dual_finishes(const WSAOVERLAPPED *o); /* it does, without an error */

#endif

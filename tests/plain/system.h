/* SPDX-License-Identifier: BSD-2-Clause */
/* system.h - a peer that uses the sockets of the system, for a program that includes Winsock. IPv4 loopback. */
#ifndef WSD_TEST_PLAIN_SYSTEM_H
#define WSD_TEST_PLAIN_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All abort on a failure of the system; a connection is a descriptor. */
int system_listen(uint32_t *port, int backlog); /* *port 0: any; else -1: in use */
int system_accept(int listener);		/* within 10 s, else -1 */
bool system_nobody(int listener, int ms);	/* nobody has come for so long */
int system_connect(uint32_t port);		/* -1: refused */
int system_connecting(uint32_t port);		/* started only */
bool system_connected(int fd, int ms);
void system_send(int fd, const void *bytes, size_t count);
void system_send_urgent(int fd, char byte);
bool system_arrived(int fd, int ms); /* the peer's system has all that was sent */
uint32_t system_peer_port(int fd);
bool system_was_reset(int fd);				  /* within 10 s */
size_t system_receive(int fd, void *bytes, size_t count); /* within 10 s; less at the end */
bool system_silent(int fd, int ms);			  /* no byte, no end for so long */
/* How many TCP connections over IPv4 this process has, and how many of them with that type of service and that
 * priority, or the next higher one. */
unsigned system_connections(void);
unsigned system_connections_of(int service, int priority);
unsigned system_connections_nodelay(void);  /* those of them that send at once */
unsigned system_connections_hops(int hops); /* ... whose packets go so far */
extern const bool system_is_wine;	    /* what it does not tell is in docs/windows.md */
void system_close(int fd);
void system_reset(int fd);

#endif

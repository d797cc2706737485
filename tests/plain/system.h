/* SPDX-License-Identifier: BSD-2-Clause */
/* system.h - a peer that uses the sockets of the system, for a program that includes Winsock. IPv4 loopback. */
#ifndef WSD_TEST_PLAIN_SYSTEM_H
#define WSD_TEST_PLAIN_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All abort on a failure of the system; a connection is a descriptor. */
int system_listen(uint32_t *port, int backlog); /* *port 0: any */
int system_accept(int listener);		/* within 10 s, else -1 */
bool system_nobody(int listener, int ms);	/* nobody has come for so long */
int system_connect(uint32_t port);		/* -1: refused */
/* clock is asked before and after connect. */
int system_connect_timed(uint32_t port, double (*clock)(void), double *time);
int system_connecting(uint32_t port); /* started only */
bool system_connected(int fd, int ms);
void system_send(int fd, const void *bytes, size_t count);
size_t system_receive(int fd, void *bytes, size_t count); /* within 10 s; less at the end */
bool system_silent(int fd, int ms);			  /* no byte, no end for so long */
void system_close(int fd);
void system_reset(int fd);

#endif

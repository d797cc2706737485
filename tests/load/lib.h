/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib.h - what the load tests share: two processes with one program each, and what a process holds.
 * A test forks its peer before it starts Winsock; both then speak over one pipe each way, in lock step.
 */
#ifndef WSD_LOAD_LIB_H
#define WSD_LOAD_LIB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>

/* A deadline for the program, and room for so many descriptors; fails when the system has not as many. */
void load_start(unsigned seconds, unsigned descriptors);
/* Print what went wrong and end this process; its peer finds its pipe closed and ends too. */
void load_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define LOAD_CHECK(what)  \
	((what) ? (void)0 \
		: load_fail("%s:%d: %s (error %d)", __FILE__, __LINE__, #what, WSAGetLastError()))

/* The other process: runs main_of_peer and exits. Numbers go to and fro. */
void load_fork(void (*main_of_peer)(void));
void load_tell(uint32_t number);
uint32_t load_hear(void);
void load_join(void); /* the peer has ended well */

void load_winsock(void);
SOCKET load_socket(void);
SOCKET load_listen(uint32_t *port);
struct sockaddr_in load_address(uint32_t port);

/* What this process holds now. */
unsigned load_descriptors(void);
unsigned load_shared_mappings(void); /* of our shared memory */
uint64_t load_heap_bytes(void);	     /* handed out by malloc */
uint64_t load_resident_bytes(void);  /* its share of memory, with page tables */
/* Wait until at most so many are left; they go in the background. */
void load_settle(unsigned descriptors, unsigned mappings);

#endif

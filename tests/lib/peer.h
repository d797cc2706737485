/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * peer.h - tests of two processes with one program each, and what a process holds.
 * A test forks its peer before it starts Winsock; both then speak over one pipe each way, in lock step.
 */
#ifndef WSD_TEST_PEER_H
#define WSD_TEST_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>

/* A deadline for the program, and room for so many descriptors; fails when the system has not as many. */
void peer_start(unsigned seconds, unsigned descriptors);
/* Print what went wrong and end this process; its peer finds its pipe closed and ends too. */
void peer_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define PEER_CHECK(what)  \
	((what) ? (void)0 \
		: peer_fail("%s:%d: %s (error %d)", __FILE__, __LINE__, #what, WSAGetLastError()))

/* The other process: runs main_of_peer and exits. Numbers go to and fro. */
void peer_fork(void (*main_of_peer)(void));
void peer_tell(uint32_t number);
uint32_t peer_hear(void);
void peer_join(void); /* the peer has ended well */
void peer_signal(int number);
void peer_bury(int number);	 /* it was ended by this signal */
unsigned peer_slow_factor(void); /* sanitizers slow everything down so much */

void peer_winsock(void);
SOCKET peer_socket(void);
SOCKET peer_listen(uint32_t *port);
struct sockaddr_in peer_address(uint32_t port);

/* The bytes of a stream from this position on, so many that PEER_PATTERN_MOST can be sent at once. */
#define PEER_PATTERN_MOST (1u << 20)
const char *peer_pattern(uint64_t position);
void peer_check_pattern(const char *got, int count, uint64_t position);

/* What this process holds now. */
unsigned peer_descriptors(void);
unsigned peer_shared_mappings(void); /* of our shared memory */
uint64_t peer_heap_bytes(void);	     /* handed out by malloc */
uint64_t peer_resident_bytes(void);  /* its share of memory, with page tables */
/* Wait until at most so many are left; they go in the background. */
void peer_settle(unsigned descriptors, unsigned mappings);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_tcp_os.h - what the tests of the tcp backend need of the system: their program again in other processes,
 * sockets that are not the backend's, and what a process has open. One implementation per system.
 */
#ifndef WSD_TEST_TCP_OS_H
#define WSD_TEST_TCP_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/backend.h>

/* --- processes --- */

#define OS_NUMBERS 3

/* What another process does; its result is that of the process. */
struct os_role {
	const char *name;
	int (*run)(const uint32_t *numbers);
};

struct os_process {
	intptr_t id, pipe; /* id: 0 when there is none */
};

/* To be called first: on Windows a process that was started does what it is for in here. roles ends with a NULL. */
void os_begin(int argc, char **argv, const struct os_role *roles);
/* It ends with this process. */
void os_start(struct os_process *process, const char *role, const uint32_t numbers[OS_NUMBERS]);
void os_tell(const void *bytes, size_t length); /* who has started this process */
void os_hear(const struct os_process *process, void *bytes, size_t length);
void os_stop(const struct os_process *process); /* as SIGSTOP does it, not as an end */
void os_continue(const struct os_process *process);
void os_kill(struct os_process *process); /* if there is one, which must not have ended by itself */
int os_join(struct os_process *process);  /* wait for its end: its result */

/* Descriptors or handles, to be compared; NULL: of this process. */
unsigned os_files(const struct os_process *process);
#ifdef _WIN32
#define OS_FILES_SPARE 24 /* pools of threads take and give back some as they like */
/* Of memory: the backend keeps rooms for 256 descriptors each, and a connection may ask at eight ports at once. */
#define OS_BLOCKS_SPARE(connections) ((connections) / 32 + 1)
/* Divides how many sockets are open at once: there a wake costs what is open, and under Wine that is much. */
#define OS_FEWER 5
#else
#define OS_FILES_SPARE		     0
#define OS_BLOCKS_SPARE(connections) 0
#define OS_FEWER		     1
#endif
bool os_allow_files(unsigned count);   /* false: the system has not as many */
bool os_limits_files(void);	       /* false: it cannot be told how many a process may have */
void os_limit_files(intptr_t highest); /* no more than there are, of which this is one */
void os_unlimit_files(void);

void os_wait(wsd_wait_object object, int ms);

/* --- sockets, on loopback. They block, and no other process has them --- */

/* With that port, or any for 0; -1: somebody has it. */
intptr_t raw_bound(uint16_t family, uint16_t *port);
intptr_t raw_listen(uint16_t family, uint16_t port); /* -1: somebody has it */
intptr_t raw_accept(intptr_t s);
intptr_t raw_connect(uint16_t port); /* IPv4 */
bool raw_send(intptr_t s, const void *bytes, size_t length);
ptrdiff_t raw_receive(intptr_t s, void *bytes, size_t length); /* <= 0: there are no more */
bool raw_readable(intptr_t s);
size_t raw_waiting(intptr_t s); /* bytes that can be received at once */
void raw_close(intptr_t s);

/* The one socket of this process that is connected to this port. */
intptr_t raw_connected_to(uint16_t port);
bool raw_has_marks(uint16_t family); /* the backend can set a type of service here */
/* The type of service of what it sends, and on Linux its priority. */
void raw_assert_marked(intptr_t s, uint16_t family, int service, int priority);

#endif

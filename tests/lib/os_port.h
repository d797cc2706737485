/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_port.h - companion sockets of the system, at every address, as under a switch TCP/IP owns the ports; and
 * where tests listen.
 */
#ifndef WSD_TESTS_LIB_OS_PORT_H
#define WSD_TESTS_LIB_OS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#define FIRST_RANGE   21000u
#define RANGE	      2000u
#define END_OF_RANGES 41000u

/* The 4 or 16 bytes of WSD_TEST_IPV4 or WSD_TEST_IPV6, or of loopback; from: the address from which this machine
 * connects to it. */
void os_address(bool v6, bool from, unsigned char *bytes);
/* Can a socket of the system be bound to it, so that it is one, and of this host? */
bool os_address_here(bool v6, bool from);
unsigned short os_port(bool v6, bool listening); /* held as long as the process lives */
unsigned short os_free_port(bool v6);		 /* held by nobody */
/* By TCP of the system: connect to that port of this machine, say 'v' and wait for the answer 'h'. */
bool os_visit(bool v6, unsigned short port);
#ifdef _WIN32
uintptr_t os_base_socket(int family); /* a SOCKET of the system's own, for TCP */
#endif
/* The first of 2000 numbers that no other test of this host gets while the process lives: where the ports of the
 * system are not asked for, and two programs with one number would meet each other. */
unsigned short os_port_range(void);

#endif

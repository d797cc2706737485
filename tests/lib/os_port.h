/* SPDX-License-Identifier: BSD-2-Clause */
/* os_port.h - companion sockets of the system: under a switch TCP/IP owns the ports. */
#ifndef WSD_TESTS_LIB_OS_PORT_H
#define WSD_TESTS_LIB_OS_PORT_H

#include <stdbool.h>

unsigned short os_port(bool v6, bool listening); /* held as long as the process lives */
unsigned short os_free_port(bool v6);		 /* held by nobody */

#endif

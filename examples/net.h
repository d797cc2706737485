/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - what wsdcp, wsdping and wsdflow share: the Winsock headers of the system, addresses and numbers from the
 * command line, and time.
 */
#ifndef EXAMPLES_NET_H
#define EXAMPLES_NET_H

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#define SO_OPENWSD_PATH 0x7F01
#elif defined(EXAMPLE_OS_TCP)
#include "os_winsock.h"
#else
#include <openwsd/openwsd.h>
#include <openwsd/ws2tcpip.h>
#endif

#include <stdbool.h>
#include <stdint.h>

extern const char *program; /* for messages, set by main */

/* "program: text" on standard error; returns 1, an exit status. */
int complain(const char *format, ...)
#ifdef __GNUC__
	__attribute__((format(printf, 1, 2)))
#endif
	;

/* A whole number from 1 to most, from the command line. */
bool net_number(const char *text, long most, long *value);

/* What a Winsock error means and what to do about it. */
const char *net_error(int code);

/* "PORT", any address of this machine; prints "listening on port N". INVALID_SOCKET after a message. */
SOCKET net_listen(const char *port);
/* Is it one, or may it be the name of a service? Says so where not. */
bool net_is_port(const char *port);
/* Has it the form of that which net_connect takes? Says so where not. */
bool net_is_where(const char *where);
/* "HOST:PORT" or "[IPv6]:PORT". INVALID_SOCKET after a message. */
SOCKET net_connect(const char *where);

/* Blocking calls of this socket end after so many seconds. */
void net_limit(SOCKET s, int seconds);
/*
 * All the bytes. 0 or an error code; an end of the stream is WSAECONNRESET. Whoever sends them one by
 * one is late after so many seconds in all.
 */
int net_send_all(SOCKET s, const void *bytes, int count);
int net_recv_all(SOCKET s, void *bytes, int count, int seconds);

/* The path of OpenWSD that the connection takes, for instance "shm"; "the system" without OpenWSD. */
const char *net_path(SOCKET s);

double net_seconds(void);

#endif

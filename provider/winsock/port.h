/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.h - the port space of mode D. A port is owned by holding a bound OS TCP socket, so that the
 * operating system arbitrates between processes, chooses ephemeral ports, guards privileged ones
 * and frees them at death. Between sockets of one process the bind-conflict table of Winsock
 * decides.
 */
#ifndef WSD_WINSOCK_PORT_H
#define WSD_WINSOCK_PORT_H

#include "provider/transport/os_port.h"

struct wsd_port;

/*
 * Hold want (port 0 = choose one). *got is want with its port. WSD_EADDRINUSE, WSD_EACCESS,
 * WSD_EADDRNOTAVAIL, WSD_ENOFILES, WSD_ENOMEM. Takes a leaf lock; never blocks on peers.
 */
enum wsd_status wsd_port_hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
			      struct wsd_port **port, struct wsd_addr *got);
/* The same in both families: want is `::`. There are two sockets of the system; the conflict table holds for each. */
enum wsd_status wsd_port_hold_both(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				   struct wsd_port **port, struct wsd_addr *got);
bool wsd_port_is_both(const struct wsd_port *port);
/* A connection to remote begins: WSD_EADDRINUSE when another holder of the port has one with the same
 * two ends. remote NULL: it has ended, or never came about. */
enum wsd_status wsd_port_connect(struct wsd_port *port, const struct wsd_addr *remote);
/* The system's socket that holds the port in that family, to become a connection or a listening socket. It is the
 * caller's from now on and closed by it. -1: there is none, or others share it. mates: so many of those that share it
 * are the same socket. */
intptr_t wsd_port_take(struct wsd_port *port, uint16_t family, unsigned mates);
/* Hold the port again after that, if it is to be had; ended: for what a listener leaves behind. */
void wsd_port_restore(struct wsd_port *port, bool ended);
struct wsd_port *wsd_port_share(struct wsd_port *port); /* one more holder, for accepted sockets */
/* Of a socket that comes from another process, or another socket here: which has stepped aside. listens: of want, and
 * of the other family's: it has a socket of the system that listens there, which holds the port. */
enum wsd_status wsd_port_inherit(const struct wsd_addr *want, bool both, const bool *listens,
				 enum wsd_port_sharing sharing, struct wsd_port **port);
/* Of a socket that another process has just now: may that one have the port beside us? */
void wsd_port_lend(struct wsd_port *port, bool on);
/* Release it for one who inherits; others here that share it no longer keep other processes from it. */
void wsd_port_step_aside(struct wsd_port *port);
void wsd_port_release(struct wsd_port *port); /* NULL allowed */

/* The table: may a second socket bind when a first holds the same port on the same family and the
 * addresses overlap? WSD_OK, WSD_EADDRINUSE, WSD_EACCESS. */
enum wsd_status wsd_port_conflict(enum wsd_port_sharing first, bool first_wild,
				  enum wsd_port_sharing second, bool second_wild);

void wsd_port_init(void); /* before the first use, and in the child after a fork */

#endif

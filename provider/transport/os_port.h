/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_port.h - what the operating system knows of ports and routes. A port is owned by holding a bound TCP
 * socket, which never listens. Any thread; takes no lock.
 */
#ifndef WSD_TRANSPORT_OS_PORT_H
#define WSD_TRANSPORT_OS_PORT_H

#include <openwsd/backend.h>

/* The system has a port free that the device may not: of so many one must be. */
#define WSD_PORTS_TRIED 8u

enum wsd_port_sharing { WSD_PORT_DEFAULT, WSD_PORT_REUSE, WSD_PORT_EXCLUSIVE };

/* Hold want (port 0 = choose one); *port is the one held. What keeps everybody else from it is the system's where it
 * has something of the kind, as Windows. WSD_EADDRINUSE, WSD_EACCESS, WSD_EADDRNOTAVAIL,
 * WSD_ENOFILES, WSD_ENOMEM. */
enum wsd_status wsd_os_port_hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				 intptr_t *holder, uint16_t *port);
/* A socket without a port: the system chooses one when it connects. As wsd_os_port_hold. */
enum wsd_status wsd_os_port_open(uint16_t family, intptr_t *socket);
/* Does it count for the system whether a port was bound to be shared, and not what its socket says later? */
bool wsd_os_port_shares_from_bind(void);
void wsd_os_port_set_reuse(intptr_t holder, bool on);
void wsd_os_port_drop(intptr_t holder);
/* The local address that the OS would use to reach remote. WSD_EUNREACHABLE. */
enum wsd_status wsd_os_route(const struct wsd_addr *remote, struct wsd_addr *local);

#endif

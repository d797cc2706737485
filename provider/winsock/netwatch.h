/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netwatch.h - changes of the machine's addresses and routes. The first socket that asks for a notice
 * starts the watch, which is one thread that sleeps; it ends with the last WSPCleanup.
 */
#ifndef WSD_WINSOCK_NETWATCH_H
#define WSD_WINSOCK_NETWATCH_H

#include <stdint.h>

#include <openwsd/status.h>

/* What has changed, of one family; the other family's bits stand WSD_NET_IPV6 higher. */
#define WSD_NET_ADDRESSES 0x1u
#define WSD_NET_ROUTES	  0x2u
#define WSD_NET_BITS	  0x3u
#define WSD_NET_IPV6	  2

/* [no lock] From its return on every change is noticed. WSD_ENOFILES, WSD_ENOMEM, WSD_EUNSUPPORTED;
 * WSD_ESTATE: the provider is being stopped. */
enum wsd_status wsd_netwatch_start(void);
void wsd_netwatch_allow(void); /* by the first WSPStartup */
void wsd_netwatch_stop(void);  /* [no lock] by the last WSPCleanup: no thread runs any more */
void wsd_netwatch_init(void);  /* before the first use, and in the child after a fork */

/* Tell every socket; by the watch. */
void wsd_sockets_net_changed(unsigned bits);

/* What the operating system does: netwatch_linux.c, netwatch_windows.c. An object to sleep on. */
enum wsd_status wsd_os_net_open(intptr_t *object);
void wsd_os_net_close(intptr_t object);
unsigned wsd_os_net_read(intptr_t object); /* what has changed since the last call; never waits */

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* addresses.h - what the operating system says about its addresses; no Winsock names in it. */
#ifndef WSD_CONFORMANCE_ADDRESSES_H
#define WSD_CONFORMANCE_ADDRESSES_H

/*
 * The addresses of this host, 4 or 16 bytes of each; family is 4 or 6. Without those of the loopback
 * interface, unless there are no others.
 */
unsigned host_addresses(int family, unsigned char list[][16], unsigned most);
/* Leave for a network namespace that has only its loopback interface. 0: not allowed here. */
int host_lose_routes(void);

#endif

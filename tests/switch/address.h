/* SPDX-License-Identifier: BSD-2-Clause */
/* address.h - where a switch listens, and from where it connects. */
#ifndef WSD_SWITCH_ADDRESS_H
#define WSD_SWITCH_ADDRESS_H

#include <stdbool.h>

#include <openwsd/ws2san.h>

/* Of loopback, or what --at and --from say. */
void sw_address(struct sockaddr_storage *at, int *length, u_short port, bool from);
/* Is it that one, with whatever port? */
bool sw_is_address(const WSABUF *given, bool from);
#define SW_ADDRESS_TEXT 40u
void sw_address_text(const WSABUF *given, char *text);

#endif

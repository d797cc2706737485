/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog.h - the protocols that this library offers: TCP-like streams over IPv4 and over IPv6. */
#ifndef WSD_LINUX_CATALOG_H
#define WSD_LINUX_CATALOG_H

#include <stdbool.h>

#include "spi_shim/catalog_entries.h"

/* NULL if there is no such entry. */
const WSAPROTOCOL_INFOW *wsd_catalog_at(unsigned index);
const WSAPROTOCOL_INFOW *wsd_catalog_by_id(DWORD id);
bool wsd_catalog_is_ours(const GUID *provider);
/* The entry for socket(); 0 in a parameter matches anything. NULL with *error set. */
const WSAPROTOCOL_INFOW *wsd_catalog_find(int family, int type, int protocol, int *error);

/* Copies with the name in the other width; names are ASCII. */
void wsd_protocol_info_narrow(WSAPROTOCOL_INFOA *to, const WSAPROTOCOL_INFOW *from);
void wsd_protocol_info_widen(WSAPROTOCOL_INFOW *to, const WSAPROTOCOL_INFOA *from);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog_entries.h - what OpenWSD is in a Winsock catalogue: the two providers, TCP-like streams that
 * programs open, and the hidden SAN provider for a switch, each with an entry for IPv4 and one for IPv6.
 */
#ifndef WSD_CATALOG_ENTRIES_H
#define WSD_CATALOG_ENTRIES_H

#include <openwsd/winsock2.h>

#define WSD_CATALOG_ENTRIES 2

enum wsd_catalog_provider { WSD_CATALOG_STREAM, WSD_CATALOG_SAN, WSD_CATALOG_PROVIDERS };

/* The ids are those of our own hosts; the catalogue of Windows gives others. */
extern const WSAPROTOCOL_INFOW wsd_catalog_entries[WSD_CATALOG_PROVIDERS][WSD_CATALOG_ENTRIES];

#endif

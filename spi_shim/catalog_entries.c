// SPDX-License-Identifier: BSD-2-Clause
/* catalog_entries.c - the entries of OpenWSD in a Winsock catalogue. */
#include "spi_shim/catalog_entries.h"

#include "rdma_backend/base/provider_guid.h"

#ifdef _WIN32
#define WSD_L(text) L##text
#endif

#define STREAM_FLAGS                                                           \
	(XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE | \
	 XP1_EXPEDITED_DATA | XP1_QOS_SUPPORTED)
/* One send is one receive. */
#define SAN_FLAGS (XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_MESSAGE_ORIENTED)

/* {7D1F0C5B-3B64-4E0B-9A52-6F70656E5753} */
#define SAN_GUID                                                       \
	{                                                              \
		0x7d1f0c5b, 0x3b64, 0x4e0b,                            \
		{                                                      \
			0x9a, 0x52, 0x6f, 0x70, 0x65, 0x6e, 0x57, 0x53 \
		}                                                      \
	}

/* No IFS bit: handles come from WPUCreateSocketHandle. */
#define ENTRY(id, service, provider, guid, family, size, name)                                   \
	{                                                                                        \
		.dwServiceFlags1 = (service), .dwProviderFlags = (provider), .ProviderId = guid, \
		.dwCatalogEntryId = (id), .ProtocolChain = { .ChainLen = BASE_PROTOCOL },        \
		.iVersion = 2, .iAddressFamily = (family), .iMaxSockAddr = (size),               \
		.iMinSockAddr = (size), .iSocketType = SOCK_STREAM, .iProtocol = IPPROTO_TCP,    \
		.iNetworkByteOrder = BIGENDIAN, .iSecurityScheme = SECURITY_PROTOCOL_NONE,       \
		.szProtocol = WSD_L(name)                                                        \
	}

const WSAPROTOCOL_INFOW wsd_catalog_entries[WSD_CATALOG_PROVIDERS][WSD_CATALOG_ENTRIES] = {
	[WSD_CATALOG_STREAM] = {
		ENTRY(1001, STREAM_FLAGS, PFL_MATCHES_PROTOCOL_ZERO, WSD_PROVIDER_GUID, AF_INET, 16,
		      "OpenWSD TCP/IPv4"),
		ENTRY(1002, STREAM_FLAGS, PFL_MATCHES_PROTOCOL_ZERO, WSD_PROVIDER_GUID, AF_INET6, 28,
		      "OpenWSD TCP/IPv6"),
	},
	[WSD_CATALOG_SAN] = {
		ENTRY(1003, SAN_FLAGS, PFL_HIDDEN, SAN_GUID, AF_INET, 16, "OpenWSD SAN/IPv4"),
		ENTRY(1004, SAN_FLAGS, PFL_HIDDEN, SAN_GUID, AF_INET6, 28, "OpenWSD SAN/IPv6"),
	},
};

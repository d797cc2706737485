// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalog.c - owns the protocol catalogue and WSAEnumProtocols.
 */
#include "spi_shim/linux/catalog.h"

#include <string.h>

#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"

static const WSAPROTOCOL_INFOW *const catalog = wsd_catalog_entries[WSD_CATALOG_STREAM];

const WSAPROTOCOL_INFOW *wsd_catalog_at(unsigned index)
{
	return index < WSD_CATALOG_ENTRIES ? &catalog[index] : NULL;
}

const WSAPROTOCOL_INFOW *wsd_catalog_by_id(DWORD id)
{
	unsigned i;

	for (i = 0; i < WSD_CATALOG_ENTRIES; i++)
		if (catalog[i].dwCatalogEntryId == id)
			return &catalog[i];
	return NULL;
}

bool wsd_catalog_is_ours(const GUID *provider)
{
	return memcmp(provider, &catalog[0].ProviderId, sizeof(*provider)) == 0;
}

/* The most specific complaint: family before type before protocol, as Windows reports it. */
const WSAPROTOCOL_INFOW *wsd_catalog_find(int family, int type, int protocol, int *error)
{
	unsigned i;

	if (family == 0 && type == 0 && protocol == 0) {
		*error = WSAEINVAL;
		return NULL;
	}
	*error = WSAEAFNOSUPPORT;
	for (i = 0; i < WSD_CATALOG_ENTRIES; i++) {
		if (family != 0 && family != catalog[i].iAddressFamily)
			continue;
		if (type != 0 && type != catalog[i].iSocketType)
			*error = WSAESOCKTNOSUPPORT;
		else if (protocol == 0 || protocol == catalog[i].iProtocol)
			return &catalog[i];
		else if (protocol == IPPROTO_UDP)
			*error = WSAEPROTOTYPE;
		else
			*error = WSAEPROTONOSUPPORT;
	}
	return NULL;
}

/* The layouts agree up to the name. */
#define COMMON_SIZE offsetof(WSAPROTOCOL_INFOW, szProtocol)
_Static_assert(COMMON_SIZE == offsetof(WSAPROTOCOL_INFOA, szProtocol), "common part");

void wsd_protocol_info_narrow(WSAPROTOCOL_INFOA *to, const WSAPROTOCOL_INFOW *from)
{
	size_t i;

	memcpy(to, from, COMMON_SIZE);
	for (i = 0; i <= WSAPROTOCOL_LEN; i++)
		to->szProtocol[i] = (CHAR)from->szProtocol[i];
}

void wsd_protocol_info_widen(WSAPROTOCOL_INFOW *to, const WSAPROTOCOL_INFOA *from)
{
	size_t i;

	memcpy(to, from, COMMON_SIZE);
	for (i = 0; i <= WSAPROTOCOL_LEN; i++)
		to->szProtocol[i] = (WCHAR)(unsigned char)from->szProtocol[i];
}

/* Is the protocol of the entry in the list, which ends with 0? NULL means all. */
static bool is_wanted(const WSAPROTOCOL_INFOW *entry, const INT *protocols)
{
	if (protocols == NULL)
		return true;
	for (; *protocols != 0; protocols++)
		if (*protocols == entry->iProtocol)
			return true;
	return false;
}

/* The common part of both widths: which entries, and do they fit? */
static int enumerate(const INT *protocols, void *buffer, DWORD *length, DWORD entry_size,
		     const WSAPROTOCOL_INFOW **found)
{
	DWORD count = 0, i;

	if (wsd_shim_provider() == NULL)
		return SOCKET_ERROR;
	if (length == NULL) {
		wsd_fail(WSAEFAULT);
		return SOCKET_ERROR;
	}
	for (i = 0; i < WSD_CATALOG_ENTRIES; i++)
		if (is_wanted(&catalog[i], protocols))
			found[count++] = &catalog[i];
	if (buffer == NULL || *length < count * entry_size) {
		*length = count * entry_size;
		wsd_fail(WSAENOBUFS);
		return SOCKET_ERROR;
	}
	return (int)count;
}

int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
			     LPDWORD lpdwBufferLength)
{
	const WSAPROTOCOL_INFOW *found[WSD_CATALOG_ENTRIES];
	int i, count = enumerate(lpiProtocols, lpProtocolBuffer, lpdwBufferLength,
				 sizeof(*lpProtocolBuffer), found);

	for (i = 0; i < count; i++)
		lpProtocolBuffer[i] = *found[i];
	return count;
}

int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
			     LPDWORD lpdwBufferLength)
{
	const WSAPROTOCOL_INFOW *found[WSD_CATALOG_ENTRIES];
	int i, count = enumerate(lpiProtocols, lpProtocolBuffer, lpdwBufferLength,
				 sizeof(*lpProtocolBuffer), found);

	for (i = 0; i < count; i++)
		wsd_protocol_info_narrow(&lpProtocolBuffer[i], found[i]);
	return count;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * text.c - addresses as text: by the provider of the entry that the caller names, or of the first entry of the
 * family. The narrow forms only change the width.
 */
#include "host.h"

#define TEXT_MAX 128 /* longer than the text of any IP address with scope and port */

enum owner { OURS, SYSTEM, NOBODY };

static enum owner owner_of(int family, const WSAPROTOCOL_INFOW *info)
{
	if (info == NULL)
		return host_entry(family) != NULL ? OURS : SYSTEM;
	if (info->dwCatalogEntryId == 0)
		return NOBODY;
	return host_is_ours(&info->ProviderId, info->dwCatalogEntryId) ? OURS : SYSTEM;
}

INT WSAAPI WSAAddressToStringW(LPSOCKADDR address, DWORD address_length, LPWSAPROTOCOL_INFOW info,
			       LPWSTR text, LPDWORD length)
{
	enum owner owner = owner_of(address != NULL ? address->sa_family : AF_INET, info);
	IN_PROVIDER const WSPPROC_TABLE *provider = owner == OURS ? host_enter() : NULL;
	int error = 0;

	if (owner == NOBODY)
		return fail_with(WSAEINVAL);
	if (owner == SYSTEM)
		return sys.WSAAddressToStringW(address, address_length, info, text, length);
	if (provider == NULL)
		return SOCKET_ERROR;
	return result_of(
		provider->lpWSPAddressToString(address, address_length, info, text, length, &error),
		&error);
}

INT WSAAPI WSAAddressToStringA(LPSOCKADDR address, DWORD address_length, LPWSAPROTOCOL_INFOA info,
			       LPSTR text, LPDWORD length)
{
	DWORD wide_length = TEXT_MAX;
	WSAPROTOCOL_INFOW wide_info;
	WCHAR wide[TEXT_MAX];

	if (length == NULL)
		return fail_with(WSAEFAULT);
	if (info != NULL)
		info_widen(&wide_info, info);
	if (WSAAddressToStringW(address, address_length, info != NULL ? &wide_info : NULL, wide,
				&wide_length) != 0)
		return SOCKET_ERROR;
	if (text == NULL || *length < wide_length) {
		*length = wide_length;
		return fail_with(WSAEFAULT);
	}
	for (DWORD i = 0; i < wide_length; i++)
		text[i] = (CHAR)wide[i];
	*length = wide_length;
	return 0;
}

INT WSAAPI WSAStringToAddressW(LPWSTR text, INT family, LPWSAPROTOCOL_INFOW info,
			       LPSOCKADDR address, LPINT length)
{
	enum owner owner = owner_of(family, info);
	IN_PROVIDER const WSPPROC_TABLE *provider = owner == OURS ? host_enter() : NULL;
	int error = 0;

	if (owner == NOBODY)
		return fail_with(WSAEINVAL);
	if (owner == SYSTEM)
		return sys.WSAStringToAddressW(text, family, info, address, length);
	if (provider == NULL)
		return SOCKET_ERROR;
	return result_of(
		provider->lpWSPStringToAddress(text, family, info, address, length, &error),
		&error);
}

INT WSAAPI WSAStringToAddressA(LPSTR text, INT family, LPWSAPROTOCOL_INFOA info, LPSOCKADDR address,
			       LPINT length)
{
	WSAPROTOCOL_INFOW wide_info;
	WCHAR wide[TEXT_MAX];
	size_t i;

	if (text == NULL)
		return fail_with(WSAEFAULT);
	if (info != NULL)
		info_widen(&wide_info, info);
	for (i = 0; i < TEXT_MAX - 1 && text[i] != '\0'; i++)
		wide[i] = (WCHAR)(unsigned char)text[i];
	wide[i] = 0;
	return WSAStringToAddressW(wide, family, info != NULL ? &wide_info : NULL, address, length);
}

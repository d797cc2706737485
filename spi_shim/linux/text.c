// SPDX-License-Identifier: BSD-2-Clause
/*
 * text.c - owns WSAAddressToString and WSAStringToAddress. The provider does the work in UTF-16;
 * the text is ASCII, so the narrow forms only change the width.
 */
#include <string.h>

#include "spi_shim/linux/api.h"
#include "spi_shim/linux/catalog.h"

#define TEXT_MAX 128 /* longer than the text of any IP address with scope and port */

INT WSAAPI WSAAddressToStringW(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
			       LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
			       LPDWORD lpdwAddressStringLength)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPAddressToString(lpsaAddress, dwAddressLength,
							 lpProtocolInfo, lpszAddressString,
							 lpdwAddressStringLength, &error),
			  &error);
}

INT WSAAPI WSAAddressToStringA(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSTR lpszAddressString,
			       LPDWORD lpdwAddressStringLength)
{
	WSAPROTOCOL_INFOW info;
	WCHAR wide[TEXT_MAX];
	DWORD length = TEXT_MAX, i;

	if (wsd_shim_provider() == NULL)
		return SOCKET_ERROR;
	if (lpdwAddressStringLength == NULL)
		return wsd_error(WSAEFAULT);
	if (lpProtocolInfo != NULL)
		wsd_protocol_info_widen(&info, lpProtocolInfo);
	if (WSAAddressToStringW(lpsaAddress, dwAddressLength, lpProtocolInfo != NULL ? &info : NULL,
				wide, &length) != 0)
		return SOCKET_ERROR;
	if (lpszAddressString == NULL || *lpdwAddressStringLength < length) {
		*lpdwAddressStringLength = length;
		return wsd_error(WSAEFAULT);
	}
	for (i = 0; i < length; i++)
		lpszAddressString[i] = (CHAR)wide[i];
	*lpdwAddressStringLength = length;
	return 0;
}

INT WSAAPI WSAStringToAddressW(LPWSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPStringToAddress(AddressString, AddressFamily,
							 lpProtocolInfo, lpAddress, lpAddressLength,
							 &error),
			  &error);
}

INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength)
{
	WSAPROTOCOL_INFOW info;
	WCHAR wide[TEXT_MAX];
	size_t length, i;

	if (wsd_shim_provider() == NULL)
		return SOCKET_ERROR;
	if (AddressString == NULL)
		return wsd_error(WSAEFAULT);
	length = strnlen(AddressString, TEXT_MAX);
	if (length == TEXT_MAX)
		return wsd_error(WSAEINVAL);
	for (i = 0; i <= length; i++)
		wide[i] = (WCHAR)(unsigned char)AddressString[i];
	if (lpProtocolInfo != NULL)
		wsd_protocol_info_widen(&info, lpProtocolInfo);
	return WSAStringToAddressW(wide, AddressFamily, lpProtocolInfo != NULL ? &info : NULL,
				   lpAddress, lpAddressLength);
}

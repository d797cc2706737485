// SPDX-License-Identifier: BSD-2-Clause
/*
 * open.c - what chooses a provider: socket, WSASocket, the catalogue as a program sees it, and sockets that
 * move to another process.
 */
#include "host.h"

#include <stddef.h>
#include <string.h>

/* The provider uses the system below it, which is not found by asking for TCP: that is the provider. */
static __thread bool inside;

static SOCKET open_ours(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, DWORD flags)
{
	IN_PROVIDER const WSPPROC_TABLE *provider = host_enter();
	WSAPROTOCOL_INFOW entry;
	int error = 0;
	SOCKET s;

	if (provider == NULL)
		return INVALID_SOCKET;
	if (inside)
		host_give_up("the provider came back to itself");
	inside = true;
	entry = info != NULL ? *info : *host_entry(family);
	s = provider->lpWSPSocket(family, type, protocol, &entry, 0, flags, &error);
	inside = false;
	if (s == INVALID_SOCKET)
		SetLastError((DWORD)error);
	return s;
}

SOCKET WSAAPI WSASocketW(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP group,
			 DWORD flags)
{
	if (info != NULL && host_is_ours(&info->ProviderId, info->dwCatalogEntryId))
		return open_ours(family, type, protocol, info, flags);
	if (info == NULL && host_wants(family, type, protocol))
		return open_ours(family, type, protocol, NULL, flags);
	return sys.WSASocketW(family, type, protocol, info, group, flags);
}

void info_widen(WSAPROTOCOL_INFOW *to, const WSAPROTOCOL_INFOA *from)
{
	memcpy(to, from, offsetof(WSAPROTOCOL_INFOA, szProtocol));
	MultiByteToWideChar(CP_ACP, 0, from->szProtocol, -1, to->szProtocol, WSAPROTOCOL_LEN + 1);
}

void info_narrow(WSAPROTOCOL_INFOA *to, const WSAPROTOCOL_INFOW *from)
{
	memcpy(to, from, offsetof(WSAPROTOCOL_INFOA, szProtocol));
	WideCharToMultiByte(CP_ACP, 0, from->szProtocol, -1, to->szProtocol, WSAPROTOCOL_LEN + 1,
			    NULL, NULL);
}

SOCKET WSAAPI WSASocketA(int family, int type, int protocol, LPWSAPROTOCOL_INFOA info, GROUP group,
			 DWORD flags)
{
	WSAPROTOCOL_INFOW wide;

	if (info == NULL)
		return WSASocketW(family, type, protocol, NULL, group, flags);
	info_widen(&wide, info);
	return WSASocketW(family, type, protocol, &wide, group, flags);
}

SOCKET WSAAPI socket(int family, int type, int protocol)
{
	if (!host_wants(family, type, protocol))
		return sys.socket(family, type, protocol);
	return WSASocketW(family, type, protocol, NULL, 0, WSA_FLAG_OVERLAPPED);
}

int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOW info)
{
	IN_PROVIDER const WSPPROC_TABLE *provider = socket_enter(s);
	int error = 0;

	if (provider == NULL)
		return sys.WSADuplicateSocketW(s, process, info);
	return result_of(provider->lpWSPDuplicateSocket(s, process, info, &error), &error);
}

int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOA info)
{
	WSAPROTOCOL_INFOW wide;
	int result;

	if (!socket_is_ours(s))
		return sys.WSADuplicateSocketA(s, process, info);
	result = WSADuplicateSocketW(s, process, &wide);
	if (result == 0)
		info_narrow(info, &wide);
	return result;
}

/* --- the catalogue: our entries first, then the system's --- */

bool info_is_wanted(const WSAPROTOCOL_INFOW *entry, const INT *protocols)
{
	if (protocols == NULL)
		return true;
	for (; *protocols != 0; protocols++)
		if (*protocols == entry->iProtocol)
			return true;
	return false;
}

int WSAAPI WSAEnumProtocolsW(LPINT protocols, LPWSAPROTOCOL_INFOW list, LPDWORD size)
{
	const WSAPROTOCOL_INFOW *ours[4];
	DWORD room, needed = 0;
	unsigned count = 0;
	int others, error;

	if (catalogue_is_kept()) {
		others = catalogue_list(0, protocols, false, list, size, &error);
		return others == SOCKET_ERROR ? fail_with(error) : others;
	}
	if (size == NULL)
		return fail_with(WSAEFAULT);
	for (unsigned i = 0; host_entry_at(i) != NULL; i++)
		if (info_is_wanted(host_entry_at(i), protocols))
			ours[count++] = host_entry_at(i);
	(void)sys.WSAEnumProtocolsW(protocols, NULL, &needed);
	needed += count * (DWORD)sizeof(*list);
	if (list == NULL || *size < needed) {
		*size = needed;
		return fail_with(WSAENOBUFS);
	}
	for (unsigned i = 0; i < count; i++)
		list[i] = *ours[i];
	room = *size - count * (DWORD)sizeof(*list);
	others = sys.WSAEnumProtocolsW(protocols, list + count, &room);
	return others == SOCKET_ERROR ? SOCKET_ERROR : (int)count + others;
}

int WSAAPI WSAEnumProtocolsA(LPINT protocols, LPWSAPROTOCOL_INFOA list, LPDWORD size)
{
	WSAPROTOCOL_INFOW wide[64];
	DWORD wide_size = sizeof(wide);
	int count;

	if (size == NULL)
		return fail_with(WSAEFAULT);
	count = WSAEnumProtocolsW(protocols, wide, &wide_size);
	if (count == SOCKET_ERROR)
		return count;
	if (list == NULL || *size < (DWORD)count * sizeof(*list)) {
		*size = (DWORD)count * sizeof(*list);
		return fail_with(WSAENOBUFS);
	}
	for (int i = 0; i < count; i++)
		info_narrow(&list[i], &wide[i]);
	return count;
}

int WSAAPI WSCEnumProtocols(LPINT protocols, LPWSAPROTOCOL_INFOW list, LPDWORD size, LPINT error)
{
	int count;

	if (catalogue_is_kept())
		return catalogue_list(0, protocols, true, list, size, error);
	count = WSAEnumProtocolsW(protocols, list, size);
	if (count == SOCKET_ERROR)
		*error = (int)GetLastError();
	return count;
}

/* WSD_TEST_BASE: the DLL of every other provider; Wine names none, because it cannot be loaded. */
int provider_path_of(unsigned width, LPGUID id, WCHAR *path, LPINT length, LPINT error)
{
	const WSAPROTOCOL_INFOW *entry = host_entry_at(0);
	bool ours = entry != NULL && host_is_ours(id, entry->dwCatalogEntryId);
	WCHAR answer[MAX_PATH] = { 0 };
	int needed;

	if (!catalogue_path(width, id, answer))
		(void)GetEnvironmentVariableW(ours ? L"WSD_TEST_PROVIDER" : L"WSD_TEST_BASE",
					      answer, MAX_PATH);
	needed = lstrlenW(answer) + 1;
	if (needed == 1)
		return sys.WSCGetProviderPath(id, path, length, error);
	if (*length < needed) {
		*length = needed;
		*error = WSAEFAULT;
		return SOCKET_ERROR;
	}
	memcpy(path, answer, (size_t)needed * sizeof(WCHAR));
	*length = needed;
	return 0;
}

int WSAAPI WSCGetProviderPath(LPGUID id, WCHAR *path, LPINT length, LPINT error)
{
	return provider_path_of(0, id, path, length, error);
}

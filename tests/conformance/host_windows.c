// SPDX-License-Identifier: BSD-2-Clause
/*
 * host_windows.c - what the tests' own host has from the library on other systems: the provider's entry
 * points, which it loads the DLL named in WSD_TEST_DLL for, and upcalls about events.
 */
#include "tests/conformance/host.h"

static void entry_point(const char *name, void *function)
{
	static HMODULE provider;
	const char *path = getenv("WSD_TEST_DLL");
	FARPROC symbol;

	if (provider == NULL)
		provider = LoadLibraryA(path != NULL ? path : "openwsd.dll");
	symbol = provider != NULL ? GetProcAddress(provider, name) : NULL;
	if (symbol == NULL) {
		fprintf(stderr, "no %s: error %lu\n", name, GetLastError());
		abort();
	}
	memcpy(function, &symbol, sizeof(symbol));
}

int WSPAPI WSPStartup(WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW info,
		      WSPUPCALLTABLE upcalls, LPWSPPROC_TABLE table)
{
	LPWSPSTARTUP start;

	entry_point("WSPStartup", &start);
	return start(version, data, info, upcalls, table);
}

int WSPAPI WSPStartupEx(WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW info,
			LPWSPUPCALLTABLEEX upcalls, LPWSPPROC_TABLE table)
{
	LPWSPSTARTUPEX start;

	entry_point("WSPStartupEx", &start);
	return start(version, data, info, upcalls, table);
}

static BOOL event_result(BOOL ok, LPINT error)
{
	if (!ok && error != NULL)
		*error = WSA_INVALID_HANDLE;
	return ok;
}

WSAEVENT WSPAPI WPUCreateEvent(LPINT error)
{
	WSAEVENT event = CreateEventW(NULL, TRUE, FALSE, NULL);

	if (event == NULL && error != NULL)
		*error = WSA_NOT_ENOUGH_MEMORY;
	return event;
}

BOOL WSPAPI WPUCloseEvent(WSAEVENT event, LPINT error)
{
	return event_result(CloseHandle(event), error);
}

BOOL WSPAPI WPUSetEvent(WSAEVENT event, LPINT error)
{
	return event_result(SetEvent(event), error);
}

BOOL WSPAPI WPUResetEvent(WSAEVENT event, LPINT error)
{
	return event_result(ResetEvent(event), error);
}

int WSPAPI WPUFDIsSet(SOCKET s, fd_set *set)
{
	for (u_int i = 0; i < set->fd_count; i++)
		if (set->fd_array[i] == s)
			return 1;
	return 0;
}

/* WSD_TEST_BASE: the DLL of every base provider. */
int WSPAPI WPUGetProviderPath(LPGUID provider, WCHAR *path, LPINT length, LPINT error)
{
	DWORD needed = GetEnvironmentVariableW(L"WSD_TEST_BASE", NULL, 0);

	(void)provider;
	if (needed > 0 && (DWORD)*length >= needed &&
	    GetEnvironmentVariableW(L"WSD_TEST_BASE", path, needed) > 0)
		return 0;
	*error = needed > 0 ? WSAEFAULT : WSAEINVAL;
	return SOCKET_ERROR;
}

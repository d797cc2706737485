// SPDX-License-Identifier: BSD-2-Clause
/*
 * base_provider_windows.c - finds the base provider of TCP/IP in the catalogue and starts it, with the upcalls that
 * ws2_32 has given us, as every layered provider does: so the sockets below have no share in the application's
 * WSAStartup and WSACleanup, and no call comes back to us.
 *
 * It is loaded with the first socket, and cleaned up when we have been stopped and the last one is closed.
 */
#include "rdma_backend/base/base_provider_windows.h"

#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"
#include "rdma_backend/base/provider_guid.h"

#define KINDS 4u /* two families, two types */

static struct {
	SRWLOCK lock;
	WSPUPCALLTABLE upcalls;
	bool has_upcalls;
	bool loaded, idle;
	unsigned sockets;
	HMODULE module; /* NULL: the table leads to ws2_32 */
	WSPPROC_TABLE table;
	WSAPROTOCOL_INFOW entries[KINDS];
	unsigned entry_count;
} net = { .lock = SRWLOCK_INIT };

void wsd_windows_upcalls(const WSPUPCALLTABLE *upcalls)
{
	AcquireSRWLockExclusive(&net.lock);
	net.upcalls = *upcalls;
	net.has_upcalls = true;
	ReleaseSRWLockExclusive(&net.lock);
}

/* --- the catalogue --- */

static bool is_base_entry(const WSAPROTOCOL_INFOW *entry)
{
	static const GUID own = WSD_PROVIDER_GUID;

	return (entry->iAddressFamily == AF_INET || entry->iAddressFamily == AF_INET6) &&
	       (entry->iSocketType == SOCK_STREAM || entry->iSocketType == SOCK_DGRAM) &&
	       entry->ProtocolChain.ChainLen == BASE_PROTOCOL &&
	       (entry->dwServiceFlags1 & XP1_IFS_HANDLES) &&
	       memcmp(&entry->ProviderId, &own, sizeof(own)) != 0;
}

static WSAPROTOCOL_INFOW *find_entry(int family, int type)
{
	for (unsigned i = 0; i < net.entry_count; i++)
		if (net.entries[i].iAddressFamily == family && net.entries[i].iSocketType == type)
			return &net.entries[i];
	return NULL;
}

/* Whoever plays ws2_32: the module that the upcalls lie in. */
static HMODULE host_module(void)
{
	HMODULE module;

	if (net.has_upcalls &&
	    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				       GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
			       (LPCWSTR)(ULONG_PTR)net.upcalls.lpWPUCreateSocketHandle, &module))
		return module;
	return NULL;
}

/* The first entry of each kind: those of the catalogue's order. */
static void read_catalogue(void)
{
	LPWSCENUMPROTOCOLS enumerate;
	WSAPROTOCOL_INFOW *all;
	DWORD size = 0;
	int count, error = 0;

	net.entry_count = 0;
	if (!wsd_windows_symbol(host_module(), "WSCEnumProtocols", &enumerate, sizeof(enumerate)) &&
	    !wsd_windows_symbol(wsd_windows_system_module(L"ws2_32.dll"), "WSCEnumProtocols",
				&enumerate, sizeof(enumerate)))
		return;
	if (enumerate(NULL, NULL, &size, &error) != SOCKET_ERROR || size == 0)
		return;
	all = wsd_raw_alloc(size);
	if (!all)
		return;
	count = enumerate(NULL, all, &size, &error);
	for (int i = 0; i < count && net.entry_count < KINDS; i++)
		if (is_base_entry(&all[i]) &&
		    !find_entry(all[i].iAddressFamily, all[i].iSocketType))
			net.entries[net.entry_count++] = all[i];
	wsd_raw_free(all);
}

/* --- loading --- */

static HMODULE load_provider(const WSAPROTOCOL_INFOW *entry)
{
	WCHAR path[MAX_PATH] = { 0 }, expanded[MAX_PATH];
	GUID id = entry->ProviderId;
	int length = MAX_PATH, error = 0;
	DWORD needed;

	if (!net.upcalls.lpWPUGetProviderPath ||
	    net.upcalls.lpWPUGetProviderPath(&id, path, &length, &error) != 0)
		return NULL;
	path[MAX_PATH - 1] = 0;
	needed = ExpandEnvironmentStringsW(path, expanded, MAX_PATH);
	return needed > 0 && needed <= MAX_PATH && path[0] ? LoadLibraryW(expanded) : NULL;
}

static bool table_is_whole(const WSPPROC_TABLE *table)
{
	void *all[sizeof(*table) / sizeof(void *)];

	memcpy(all, table, sizeof(all));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!all[i])
			return false;
	return true;
}

static bool start_provider(HMODULE module, WSAPROTOCOL_INFOW *entry)
{
	LPWSPSTARTUP start;
	WSPDATA data = { 0 };
	int error = 0;

	if (!wsd_windows_symbol(module, "WSPStartup", &start, sizeof(start)))
		return false;
	memset(&net.table, 0, sizeof(net.table));
	if (start(MAKEWORD(2, 2), &data, entry, net.upcalls, &net.table) != 0)
		return false;
	if (data.wVersion == MAKEWORD(2, 2) && table_is_whole(&net.table))
		return true;
	if (net.table.lpWSPCleanup)
		(void)net.table.lpWSPCleanup(&error);
	return false;
}

/* One table is for all sockets: what the catalogue gives to another DLL than the first one is left out. */
static void keep_entries_of(HMODULE module)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < net.entry_count; i++) {
		HMODULE other = load_provider(&net.entries[i]);

		if (other == module)
			net.entries[kept++] = net.entries[i];
		if (other)
			FreeLibrary(other);
	}
	net.entry_count = kept;
}

/* [net.lock] */
static bool load(void)
{
	HMODULE module;

	read_catalogue();
	if (net.entry_count == 0)
		return false;
	net.module = NULL;
	module = net.has_upcalls ? load_provider(&net.entries[0]) : NULL;
	if (module && start_provider(module, &net.entries[0])) {
		net.module = module;
		keep_entries_of(module);
		return true;
	}
	if (module)
		FreeLibrary(module);
	return wsd_ws2_provider(&net.table);
}

/* [net.lock] */
static void unload_if_unused(HMODULE *module)
{
	int ignored;

	*module = NULL;
	if (!net.loaded || !net.idle || net.sockets > 0)
		return;
	(void)net.table.lpWSPCleanup(&ignored);
	*module = net.module;
	net.loaded = false;
}

static void release_socket(void)
{
	HMODULE module;

	AcquireSRWLockExclusive(&net.lock);
	net.sockets--;
	unload_if_unused(&module);
	ReleaseSRWLockExclusive(&net.lock);
	if (module)
		FreeLibrary(module);
}

static bool hold(void)
{
	bool loaded;

	AcquireSRWLockExclusive(&net.lock);
	if (!net.loaded)
		net.loaded = load();
	net.idle = false;
	loaded = net.loaded;
	net.sockets += loaded;
	ReleaseSRWLockExclusive(&net.lock);
	return loaded;
}

/* --- sockets --- */

const WSPPROC_TABLE *wsd_windows_net(void)
{
	return &net.table;
}

/* No child of the program keeps it open. */
static void keep_from_children(SOCKET s)
{
	(void)SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
}

void wsd_windows_never_block(SOCKET s)
{
	u_long on = 1;
	DWORD bytes;
	int ignored;

	(void)net.table.lpWSPIoctl(s, (DWORD)FIONBIO, &on, sizeof(on), NULL, 0, &bytes, NULL, NULL,
				   NULL, &ignored);
}

static SOCKET open_socket(WSAPROTOCOL_INFOW *entry, DWORD flags, int *error)
{
	return net.table.lpWSPSocket(entry->iAddressFamily, entry->iSocketType, entry->iProtocol,
				     entry, 0, WSA_FLAG_OVERLAPPED | flags, error);
}

/* That no child process has. */
static SOCKET open_private(WSAPROTOCOL_INFOW *entry, int *error)
{
	SOCKET s = open_socket(entry, WSA_FLAG_NO_HANDLE_INHERIT, error);

	if (s != INVALID_SOCKET || *error != WSAEINVAL)
		return s;
	s = open_socket(entry, 0, error); /* Windows 7 before SP1 */
	if (s != INVALID_SOCKET)
		keep_from_children(s);
	return s;
}

SOCKET wsd_windows_socket(int family, int type, int *error)
{
	WSAPROTOCOL_INFOW *entry;
	SOCKET s = INVALID_SOCKET;

	if (!hold()) {
		*error = WSASYSNOTREADY;
		return INVALID_SOCKET;
	}
	entry = find_entry(family, type);
	if (!entry) {
		*error = WSAEAFNOSUPPORT;
	} else {
		s = open_private(entry, error);
	}
	if (s == INVALID_SOCKET)
		release_socket();
	else
		*error = 0;
	return s;
}

SOCKET wsd_windows_accept(SOCKET s, struct sockaddr *from, int *length, int *error)
{
	SOCKET accepted = net.table.lpWSPAccept(s, from, length, NULL, 0, error);

	if (accepted == INVALID_SOCKET)
		return accepted;
	AcquireSRWLockExclusive(&net.lock);
	net.sockets++;
	ReleaseSRWLockExclusive(&net.lock);
	keep_from_children(accepted);
	return accepted;
}

bool wsd_windows_duplicate(SOCKET s, DWORD process, WSAPROTOCOL_INFOW *info)
{
	int ignored;

	memset(info, 0, sizeof(*info));
	return net.table.lpWSPDuplicateSocket(s, process, info, &ignored) == 0;
}

/* Is it an entry that we have a socket of streams from? */
static bool is_known(const WSAPROTOCOL_INFOW *info)
{
	const WSAPROTOCOL_INFOW *entry;
	bool known;

	AcquireSRWLockShared(&net.lock);
	entry = find_entry(info->iAddressFamily, SOCK_STREAM);
	known = entry && info->iSocketType == SOCK_STREAM && info->iProtocol == entry->iProtocol &&
		info->dwCatalogEntryId == entry->dwCatalogEntryId &&
		memcmp(&info->ProviderId, &entry->ProviderId, sizeof(info->ProviderId)) == 0;
	ReleaseSRWLockShared(&net.lock);
	return known;
}

SOCKET wsd_windows_socket_of(WSAPROTOCOL_INFOW *info, int *error)
{
	SOCKET s = INVALID_SOCKET;

	if (!hold()) {
		*error = WSASYSNOTREADY;
		return INVALID_SOCKET;
	}
	if (is_known(info))
		s = open_private(info, error);
	else
		*error = WSAEINVAL;
	if (s == INVALID_SOCKET) {
		release_socket();
	} else {
		keep_from_children(s);
		wsd_windows_never_block(s);
	}
	return s;
}

void wsd_windows_closesocket(SOCKET s)
{
	int ignored;

	(void)net.table.lpWSPCloseSocket(s, &ignored);
	release_socket();
}

void wsd_system_idle(void)
{
	HMODULE module;

	AcquireSRWLockExclusive(&net.lock);
	net.idle = true;
	unload_if_unused(&module);
	ReleaseSRWLockExclusive(&net.lock);
	if (module)
		FreeLibrary(module);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * host.c - start and stop, and the provider: loaded by the first socket that wants it, checked as ws2_32
 * does (version, every entry of its table), cleaned up and unloaded with the last WSACleanup.
 */
#include "host.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spi_shim/catalog_entries.h"

static struct {
	SRWLOCK lock;
	volatile unsigned started;
	HMODULE module;
	WSPPROC_TABLE table;
	_Atomic(const WSPPROC_TABLE *) active;
	atomic_uint calls;	/* in the provider */
	_Atomic(HMODULE) owed;	/* to be freed behind the last of them, */
	atomic_uint owed_times; /* so many times */
	WCHAR path[MAX_PATH];
} host = { .lock = SRWLOCK_INIT };

#define FIRST_ID 5001 /* in a catalogue of Windows */

static WSAPROTOCOL_INFOW entries[WSD_CATALOG_ENTRIES];

/* As wsdctl installs them. */
static void fill_entries(void)
{
	for (unsigned i = 0; i < WSD_CATALOG_ENTRIES; i++) {
		entries[i] = wsd_catalog_entries[WSD_CATALOG_STREAM][i];
		entries[i].dwCatalogEntryId = FIRST_ID + i;
	}
	if (!catalogue_is_kept())
		(void)GetEnvironmentVariableW(L"WSD_TEST_PROVIDER", host.path, MAX_PATH);
	else if (catalogue_provider(&entries[0].ProviderId, entries, WSD_CATALOG_ENTRIES,
				    host.path) != WSD_CATALOG_ENTRIES)
		host.path[0] = 0;
}

const WSAPROTOCOL_INFOW *host_entry_at(unsigned index)
{
	return index < WSD_CATALOG_ENTRIES && host.path[0] != 0 ? &entries[index] : NULL;
}

const WSAPROTOCOL_INFOW *host_entry(int family)
{
	for (unsigned i = 0; host_entry_at(i) != NULL; i++)
		if (entries[i].iAddressFamily == family)
			return &entries[i];
	return NULL;
}

bool host_is_disguise(void)
{
	return GetEnvironmentVariableA("WSD_TEST_DISGUISE", NULL, 0) > 0;
}

bool host_is_ours(const GUID *provider, DWORD catalogue_id)
{
	for (unsigned i = 0; host_entry_at(i) != NULL; i++)
		if (memcmp(provider, &entries[i].ProviderId, sizeof(GUID)) == 0 &&
		    entries[i].dwCatalogEntryId == catalogue_id)
			return true;
	return false;
}

/* As if the entries stood first in the catalogue. */
bool host_wants(int family, int type, int protocol)
{
	return host_entry(family) != NULL && (type == SOCK_STREAM || type == 0) &&
	       (protocol == IPPROTO_TCP || (protocol == 0 && type == SOCK_STREAM));
}

static void complain(const char *what)
{
	fprintf(stderr, "test ws2_32: %s\n", what);
	fflush(stderr);
}

void host_give_up(const char *what)
{
	complain(what);
	abort();
}

/* For whoever looks for the cause of a failure: WSD_TEST_TRACE=1. */
void host_trace(const char *what, SOCKET s, DWORD error, const void *of)
{
	static int wanted = -1;

	if (wanted < 0)
		wanted = GetEnvironmentVariableA("WSD_TEST_TRACE", NULL, 0) > 0;
	if (wanted > 0) {
		fprintf(stderr, "ws2_32 %llu ms, %lu: %s: socket %p, %lu, %p\n", GetTickCount64(),
			GetCurrentThreadId(), what, (void *)s, error, of);
		fflush(stderr);
	}
}

static bool table_is_whole(const WSPPROC_TABLE *table)
{
	void *pointers[sizeof(*table) / sizeof(void *)];

	memcpy(pointers, table, sizeof(pointers));
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
		if (pointers[i] == NULL)
			return false;
	return true;
}

/* [host.lock] 0 or the error. */
static int start_provider(void)
{
	WSAPROTOCOL_INFOW info = entries[0];
	LPWSPSTARTUP startup = NULL;
	WSPPROC_TABLE table = { 0 };
	FARPROC function;
	WSPDATA data = { 0 };
	int error;

	host.module = LoadLibraryW(host.path);
	if (host.module == NULL) {
		complain("the provider cannot be loaded");
		return WSAEPROVIDERFAILEDINIT;
	}
	function = GetProcAddress(host.module, "WSPStartup");
	memcpy(&startup, &function, sizeof(function));
	if (startup == NULL) {
		complain("the provider has no WSPStartup");
		return WSAEINVALIDPROVIDER;
	}
	error = startup(MAKEWORD(2, 2), &data, &info, host_upcalls, &table);
	if (error == 0 && data.wVersion != MAKEWORD(2, 2))
		error = WSAEINVALIDPROVIDER;
	if (error == 0 && !table_is_whole(&table))
		error = WSAEINVALIDPROCTABLE;
	if (error != 0) {
		complain("WSPStartup failed");
		return error;
	}
	/* A call from before the last WSPCleanup may still read it: it keeps the DLL where it is, and so the table. */
	if (memcmp(&host.table, &table, sizeof(table)) != 0)
		host.table = table;
	atomic_store(&host.active, &host.table);
	return 0;
}

/* What nobody is in any more. Who enters it again has loaded it again. */
static void free_owed(void)
{
	if (atomic_load(&host.calls) == 0)
		for (unsigned i = atomic_exchange(&host.owed_times, 0); i > 0; i--)
			FreeLibrary(atomic_load(&host.owed));
}

void host_leave(const WSPPROC_TABLE *const *provider)
{
	DWORD last_error = GetLastError();

	if (*provider == NULL)
		return;
	if (atomic_fetch_sub(&host.calls, 1) == 1)
		free_owed();
	SetLastError(last_error);
}

/* [counted as a call] */
static const WSPPROC_TABLE *running_provider(void)
{
	const WSPPROC_TABLE *active = atomic_load(&host.active);
	int error = 0;

	if (active != NULL)
		return active;
	AcquireSRWLockExclusive(&host.lock);
	if (host.started == 0)
		error = WSANOTINITIALISED;
	else if (atomic_load(&host.active) == NULL)
		error = start_provider();
	active = atomic_load(&host.active);
	ReleaseSRWLockExclusive(&host.lock);
	if (error != 0)
		SetLastError((DWORD)error);
	return active;
}

const WSPPROC_TABLE *host_enter(void)
{
	const WSPPROC_TABLE *provider, *counted = &host.table;

	atomic_fetch_add(&host.calls, 1);
	provider = running_provider();
	if (provider == NULL)
		host_leave(&counted);
	return provider;
}

int WSAAPI WSAStartup(WORD version, LPWSADATA data)
{
	int error = sys.WSAStartup(version, data);

	if (error == 0) {
		AcquireSRWLockExclusive(&host.lock);
		host.started++;
		ReleaseSRWLockExclusive(&host.lock);
		hooks_install();
	}
	return error;
}

int WSAAPI WSACleanup(void)
{
	int result = 0, error = 0;

	AcquireSRWLockExclusive(&host.lock);
	if (host.started == 0) {
		ReleaseSRWLockExclusive(&host.lock);
		return fail_with(WSANOTINITIALISED);
	}
	if (--host.started == 0 && atomic_load(&host.active) != NULL) {
		/* It answers itself who comes meanwhile. Behind it none of the sockets is there any more. */
		result = host.table.lpWSPCleanup(&error);
		atomic_store(&host.active, NULL);
		atomic_store(&host.owed, host.module);
		atomic_fetch_add(&host.owed_times, 1);
	}
	ReleaseSRWLockExclusive(&host.lock);
	free_owed();
	if (result != 0)
		complain("WSPCleanup failed");
	return sys.WSACleanup();
}

bool host_is_started(void)
{
	return host.started > 0;
}

int fail_with(int error)
{
	host_trace("call failed", 0, (DWORD)error, __builtin_return_address(0));
	SetLastError((DWORD)error);
	return SOCKET_ERROR;
}

int result_of(int result, const int *error)
{
	return result != 0 ? fail_with(*error) : 0;
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved);

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved)
{
	(void)instance;
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH) {
		if (!threads_begin() || !system_load())
			return FALSE;
		fill_entries();
		return TRUE;
	}
	if (reason == DLL_THREAD_DETACH)
		thread_forget();
	return TRUE;
}

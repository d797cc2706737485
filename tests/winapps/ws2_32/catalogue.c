// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalogue.c - the catalogues of both widths, in a file that WSD_TEST_CATALOGUE names: what one program installs the
 * next one finds. Wine's own takes every change and makes none. They begin as Wine's, and the provider is loaded if it
 * is in the one of 64-bit programs. Who changes them is alone.
 */
#include "host.h"

#include <stddef.h>
#include <string.h>

#define WIDTHS	 2u
#define MOST	 64u  /* entries of one */
#define FIRST_ID 5001 /* what is installed; Wine's are lower */

struct entry {
	WSAPROTOCOL_INFOW info;
	WCHAR path[MAX_PATH]; /* empty: one of Wine's */
};

/* As it is in the file; test_install.py reads it. */
static struct {
	DWORD next_id;
	DWORD counts[WIDTHS];
	struct entry entries[WIDTHS][MOST];
} all;
static SRWLOCK lock = SRWLOCK_INIT;

/* The first two are in no header that is here, the others are declared to 64-bit programs only. */
int WSPAPI WSCWriteProviderOrder(LPDWORD ids, DWORD count);
int WSPAPI WSCWriteProviderOrder32(LPDWORD ids, DWORD count);
int WSPAPI WSCInstallProvider64_32(LPGUID provider, const WCHAR *path,
				   const LPWSAPROTOCOL_INFOW infos, DWORD count, LPINT error);
int WSPAPI WSCDeinstallProvider32(LPGUID provider, LPINT error);
int WSPAPI WSCEnumProtocols32(LPINT protocols, LPWSAPROTOCOL_INFOW list, LPDWORD size, LPINT error);
int WSPAPI WSCGetProviderPath32(LPGUID id, WCHAR *path, LPINT length, LPINT error);

static bool file_name(WCHAR name[MAX_PATH])
{
	return GetEnvironmentVariableW(L"WSD_TEST_CATALOGUE", name, MAX_PATH) > 0;
}

bool catalogue_is_kept(void)
{
	WCHAR name[MAX_PATH];

	return file_name(name);
}

static bool begin(void)
{
	static WSAPROTOCOL_INFOW infos[MOST];
	DWORD size = sizeof(infos);
	int count = sys.WSAEnumProtocolsW(NULL, infos, &size);

	memset(&all, 0, sizeof(all));
	all.next_id = FIRST_ID;
	for (int i = 0; i < count; i++)
		all.entries[0][i].info = all.entries[1][i].info = infos[i];
	all.counts[0] = all.counts[1] = count > 0 ? (DWORD)count : 0;
	return count > 0;
}

/* [lock] */
static bool look(void)
{
	WCHAR name[MAX_PATH];
	DWORD size = 0;
	HANDLE file;
	bool whole;

	if (!file_name(name))
		return false;
	file = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return begin();
	whole = ReadFile(file, &all, sizeof(all), &size, NULL) && size == sizeof(all) &&
		all.counts[0] <= MOST && all.counts[1] <= MOST;
	CloseHandle(file);
	return whole;
}

/* [lock] */
static bool keep(void)
{
	WCHAR name[MAX_PATH];
	DWORD size = 0;
	HANDLE file;
	bool whole;

	if (!file_name(name))
		return false;
	file = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	whole = file != INVALID_HANDLE_VALUE && WriteFile(file, &all, sizeof(all), &size, NULL) &&
		size == sizeof(all);
	if (file != INVALID_HANDLE_VALUE)
		CloseHandle(file);
	return whole;
}

static bool is_of(const struct entry *entry, const GUID *provider)
{
	return memcmp(&entry->info.ProviderId, provider, sizeof(GUID)) == 0;
}

/* [lock] */
static struct entry *find(unsigned width, const GUID *provider)
{
	for (unsigned i = 0; i < all.counts[width]; i++)
		if (is_of(&all.entries[width][i], provider))
			return &all.entries[width][i];
	return NULL;
}

static int result(int code, LPINT error)
{
	*error = code;
	return code != 0 ? SOCKET_ERROR : 0;
}

unsigned catalogue_provider(const GUID *provider, WSAPROTOCOL_INFOW *infos, unsigned most,
			    WCHAR path[MAX_PATH])
{
	unsigned count = 0;

	AcquireSRWLockExclusive(&lock);
	for (unsigned i = 0; look() && i < all.counts[0] && count < most; i++) {
		if (!is_of(&all.entries[0][i], provider))
			continue;
		infos[count++] = all.entries[0][i].info;
		ExpandEnvironmentStringsW(all.entries[0][i].path, path, MAX_PATH);
	}
	ReleaseSRWLockExclusive(&lock);
	return count;
}

int catalogue_list(unsigned width, const INT *protocols, bool hidden, LPWSAPROTOCOL_INFOW list,
		   LPDWORD size, LPINT error)
{
	unsigned count = 0, room;

	if (size == NULL)
		return result(WSAEFAULT, error);
	room = list != NULL ? *size / (DWORD)sizeof(*list) : 0;
	AcquireSRWLockExclusive(&lock);
	if (!look()) {
		ReleaseSRWLockExclusive(&lock);
		return result(WSASYSCALLFAILURE, error);
	}
	for (unsigned i = 0; i < all.counts[width]; i++) {
		const WSAPROTOCOL_INFOW *info = &all.entries[width][i].info;

		if ((!hidden && (info->dwProviderFlags & PFL_HIDDEN)) ||
		    !info_is_wanted(info, protocols))
			continue;
		if (count++ < room)
			list[count - 1] = *info;
	}
	ReleaseSRWLockExclusive(&lock);
	if (count > room) {
		*size = count * (DWORD)sizeof(*list);
		return result(WSAENOBUFS, error);
	}
	return (int)count;
}

bool catalogue_path(unsigned width, const GUID *provider, WCHAR path[MAX_PATH])
{
	struct entry *entry;

	path[0] = 0;
	AcquireSRWLockExclusive(&lock);
	entry = look() ? find(width, provider) : NULL;
	if (entry != NULL)
		memcpy(path, entry->path, sizeof(entry->path));
	ReleaseSRWLockExclusive(&lock);
	return path[0] != 0;
}

/* --- changes --- */

/* [lock] At the end of both; in none it may be there. 0 or the error. */
static int install(const GUID *provider, const WCHAR *path, const WSAPROTOCOL_INFOW *infos,
		   DWORD count)
{
	if (!look())
		return WSASYSCALLFAILURE;
	if (count == 0 || lstrlenW(path) >= MAX_PATH)
		return WSAEINVAL;
	for (unsigned width = 0; width < WIDTHS; width++)
		if (find(width, provider) != NULL || count > MOST - all.counts[width])
			return WSANO_RECOVERY;
	for (unsigned width = 0; width < WIDTHS; width++) {
		for (DWORD i = 0; i < count; i++) {
			struct entry *entry = &all.entries[width][all.counts[width]++];

			entry->info = infos[i];
			entry->info.ProviderId = *provider;
			entry->info.dwCatalogEntryId = all.next_id++;
			lstrcpyW(entry->path, path);
		}
	}
	return keep() ? 0 : WSASYSCALLFAILURE;
}

int WSPAPI WSCInstallProvider64_32(LPGUID provider, const WCHAR *path,
				   const LPWSAPROTOCOL_INFOW infos, DWORD count, LPINT error)
{
	int code;

	AcquireSRWLockExclusive(&lock);
	code = install(provider, path, infos, count);
	ReleaseSRWLockExclusive(&lock);
	return result(code, error);
}

static int deinstall(unsigned width, const GUID *provider, LPINT error)
{
	int code = WSASYSCALLFAILURE;
	unsigned kept = 0;

	AcquireSRWLockExclusive(&lock);
	if (look()) {
		for (unsigned i = 0; i < all.counts[width]; i++)
			if (!is_of(&all.entries[width][i], provider))
				all.entries[width][kept++] = all.entries[width][i];
		code = kept == all.counts[width] ? WSAEINVAL : 0;
		memset(&all.entries[width][kept], 0, (MOST - kept) * sizeof(struct entry));
		all.counts[width] = kept;
		if (code == 0 && !keep())
			code = WSASYSCALLFAILURE;
	}
	ReleaseSRWLockExclusive(&lock);
	return result(code, error);
}

int WSPAPI WSCDeinstallProvider(LPGUID provider, LPINT error)
{
	return deinstall(0, provider, error);
}

int WSPAPI WSCDeinstallProvider32(LPGUID provider, LPINT error)
{
	return deinstall(1, provider, error);
}

/* [lock] Each entry once, or nothing is done. */
static int put_in_order(unsigned width, const DWORD *ids, DWORD count)
{
	static struct entry sorted[MOST];
	bool used[MOST] = { false };

	if (!look())
		return WSASYSCALLFAILURE;
	if (count != all.counts[width])
		return WSAEINVAL;
	for (unsigned i = 0; i < count; i++) {
		unsigned at = 0;

		while (at < count &&
		       (used[at] || all.entries[width][at].info.dwCatalogEntryId != ids[i]))
			at++;
		if (at == count)
			return WSAEINVAL;
		used[at] = true;
		sorted[i] = all.entries[width][at];
	}
	memcpy(all.entries[width], sorted, count * sizeof(sorted[0]));
	return keep() ? 0 : WSASYSCALLFAILURE;
}

static int write_order(unsigned width, const DWORD *ids, DWORD count)
{
	int code;

	AcquireSRWLockExclusive(&lock);
	code = put_in_order(width, ids, count);
	ReleaseSRWLockExclusive(&lock);
	return code;
}

int WSPAPI WSCWriteProviderOrder(LPDWORD ids, DWORD count)
{
	return write_order(0, ids, count);
}

int WSPAPI WSCWriteProviderOrder32(LPDWORD ids, DWORD count)
{
	return write_order(1, ids, count);
}

int WSPAPI WSCEnumProtocols32(LPINT protocols, LPWSAPROTOCOL_INFOW list, LPDWORD size, LPINT error)
{
	return catalogue_list(1, protocols, true, list, size, error);
}

int WSPAPI WSCGetProviderPath32(LPGUID id, WCHAR *path, LPINT length, LPINT error)
{
	return provider_path_of(1, id, path, length, error);
}

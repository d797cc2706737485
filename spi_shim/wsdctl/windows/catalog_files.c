// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalog_files.c - the DLL in the system directories. A DLL that programs use can be renamed, not
 * overwritten: what was there is set aside, and goes when it is known that it is not needed again. What comes
 * is copied under another name first, so that there is a whole DLL at any time but between two renames.
 */
#include "spi_shim/wsdctl/windows/catalog_windows.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include <windows.h>

#define DLL   L"openwsd.dll"
#define CHUNK 65536u

/* What this run did to each file. */
static struct {
	bool put, aside;
	WCHAR aside_path[WSD_PATH_SIZE];
} done[WSD_CATALOGS_MAX];

/* 0 or an error code. */
static int system_path(unsigned catalog, WCHAR path[WSD_PATH_SIZE])
{
	UINT length = catalog == 0 ? GetSystemDirectoryW(path, MAX_PATH)
				   : GetSystemWow64DirectoryW(path, MAX_PATH);

	if (length == 0 || length >= MAX_PATH)
		return length == 0 ? (int)GetLastError() : ERROR_BUFFER_OVERFLOW;
	wcscpy(path + length, L"\\" DLL);
	return 0;
}

int wsd_files_package(unsigned catalog, const WCHAR *name, WCHAR path[WSD_PATH_SIZE])
{
	bool wide = sizeof(void *) == 8 && catalog == 0;
	DWORD length = GetModuleFileNameW(NULL, path, MAX_PATH);
	WCHAR *here;

	if (length == 0 || length >= MAX_PATH)
		return ERROR_BUFFER_OVERFLOW;
	here = wcsrchr(path, L'\\');
	here = here != NULL ? here + 1 : path;
	swprintf(here, (size_t)(path + WSD_PATH_SIZE - here), L"%ls\\%ls", wide ? L"x64" : L"x86",
		 name);
	return 0;
}

static bool exists(const WCHAR *path)
{
	return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

static bool same_bytes(FILE *a, FILE *b)
{
	static unsigned char x[CHUNK], y[CHUNK];
	size_t n;

	do {
		n = fread(x, 1, CHUNK, a);
		if (fread(y, 1, CHUNK, b) != n || memcmp(x, y, n) != 0)
			return false;
	} while (n == CHUNK);
	return !ferror(a) && !ferror(b);
}

static bool same_file(const WCHAR *a, const WCHAR *b)
{
	FILE *x = _wfopen(a, L"rb"), *y = _wfopen(b, L"rb");
	bool same = x != NULL && y != NULL && same_bytes(x, y);

	if (x != NULL)
		fclose(x);
	if (y != NULL)
		fclose(y);
	return same;
}

int wsd_files_state(void *self, unsigned catalog, enum wsd_catalog_file *state)
{
	WCHAR installed[WSD_PATH_SIZE], package[WSD_PATH_SIZE];
	int code = system_path(catalog, installed);

	(void)self;
	if (code != 0 || (code = wsd_files_package(catalog, DLL, package)) != 0)
		return code;
	*state = !exists(installed)		 ? WSD_FILE_NONE
		 : same_file(installed, package) ? WSD_FILE_SAME
						 : WSD_FILE_OTHER;
	return 0;
}

int wsd_files_packaged(void *self, unsigned catalog)
{
	WCHAR package[WSD_PATH_SIZE];
	int code = wsd_files_package(catalog, DLL, package);

	(void)self;
	return code != 0 || exists(package) ? code : (int)GetLastError();
}

/* A name beside a file, for what comes or what goes. */
static void name_beside(const WCHAR *path, const WCHAR *suffix, WCHAR to[WSD_PATH_SIZE])
{
	swprintf(to, WSD_PATH_SIZE, L"%ls.%08lx.%ls", path, (unsigned long)GetTickCount(), suffix);
}

static int set_aside(unsigned catalog, const WCHAR *path)
{
	WCHAR *to = done[catalog].aside_path;

	name_beside(path, L"old", to);
	if (!MoveFileExW(path, to, 0))
		return (int)GetLastError();
	done[catalog].aside = true;
	return 0;
}

int wsd_files_drop(void *self, unsigned catalog)
{
	WCHAR path[WSD_PATH_SIZE];
	int code = system_path(catalog, path);

	(void)self;
	return code != 0 ? code : set_aside(catalog, path);
}

/* The copy takes its place; what was there is set aside, or back in place when that fails. */
static int move_in(unsigned catalog, const WCHAR *copy, const WCHAR *path)
{
	int code = exists(path) ? set_aside(catalog, path) : 0;

	if (code != 0)
		return code;
	if (MoveFileExW(copy, path, 0)) {
		done[catalog].put = true;
		return 0;
	}
	code = (int)GetLastError();
	(void)wsd_files_undo(NULL, catalog);
	return code;
}

int wsd_files_put(void *self, unsigned catalog)
{
	WCHAR path[WSD_PATH_SIZE], package[WSD_PATH_SIZE], copy[WSD_PATH_SIZE];
	int code = system_path(catalog, path);

	(void)self;
	if (code != 0 || (code = wsd_files_package(catalog, DLL, package)) != 0)
		return code;
	name_beside(path, L"new", copy);
	code = CopyFileW(package, copy, TRUE) ? move_in(catalog, copy, path) : (int)GetLastError();
	if (code != 0)
		(void)DeleteFileW(copy);
	return code;
}

/* A file that programs use goes with the next start of Windows. */
static void remove_file(const WCHAR *path)
{
	if (!DeleteFileW(path))
		(void)MoveFileExW(path, NULL, MOVEFILE_DELAY_UNTIL_REBOOT);
}

int wsd_files_undo(void *self, unsigned catalog)
{
	WCHAR path[WSD_PATH_SIZE], away[WSD_PATH_SIZE];
	int code = system_path(catalog, path);

	(void)self;
	if (code != 0)
		return code;
	if (done[catalog].put && exists(path) && !DeleteFileW(path)) {
		name_beside(path, L"away", away);
		if (!MoveFileExW(path, away, 0))
			return (int)GetLastError();
		remove_file(away);
	}
	done[catalog].put = false;
	if (done[catalog].aside && !MoveFileExW(done[catalog].aside_path, path, 0))
		return (int)GetLastError();
	done[catalog].aside = false;
	return 0;
}

/* As name_beside makes them: the DLL, eight hexadecimal digits, a suffix. */
static bool is_beside(const WCHAR *name)
{
	static const WCHAR *const suffixes[] = { L".old", L".new", L".away" };
	size_t dll = wcslen(DLL L".");

	if (_wcsnicmp(name, DLL L".", dll) != 0 || wcsspn(name + dll, L"0123456789abcdef") != 8)
		return false;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (wcscmp(name + dll + 8, suffixes[i]) == 0)
			return true;
	return false;
}

void wsd_files_settle(void *self, unsigned catalog)
{
	WCHAR path[WSD_PATH_SIZE], *name;
	WIN32_FIND_DATAW found;
	HANDLE search;

	(void)self;
	done[catalog].aside = done[catalog].put = false;
	if (system_path(catalog, path) != 0)
		return;
	name = wcsrchr(path, L'\\') + 1;
	wcscpy(name, DLL L".*");
	search = FindFirstFileW(path, &found);
	if (search == INVALID_HANDLE_VALUE)
		return;
	do {
		if (is_beside(found.cFileName) &&
		    wcslen(found.cFileName) < (size_t)(path + WSD_PATH_SIZE - name)) {
			wcscpy(name, found.cFileName);
			remove_file(path);
		}
	} while (FindNextFileW(search, &found));
	FindClose(search);
}

int wsd_files_load(void *self)
{
	WCHAR path[WSD_PATH_SIZE];
	int code = system_path(0, path);
	HMODULE module;

	(void)self;
	if (code != 0)
		return code;
	module = LoadLibraryExW(path, NULL, 0);
	if (module == NULL)
		return (int)GetLastError();
	code = GetProcAddress(module, "WSPStartup") != NULL ? 0 : ERROR_PROC_NOT_FOUND;
	FreeLibrary(module);
	return code;
}

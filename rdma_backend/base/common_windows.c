// SPDX-License-Identifier: BSD-2-Clause
/*
 * common_windows.c - common.h by a file in the user's own folder, whose rights the folder gives it, and locks on
 * bytes beyond its end: they belong to the process's handle, and the system takes them away with it.
 */
#include "rdma_backend/base/common.h"

#include <stdio.h>
#include <string.h>
#include <windows.h>

#define FIRST_CLAIM 0x40000000u /* the file is far shorter */

static enum wsd_status status_of(DWORD error)
{
	switch (error) {
	case ERROR_TOO_MANY_OPEN_FILES:
		return WSD_ENOFILES;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
	case ERROR_DISK_FULL:
	case ERROR_COMMITMENT_LIMIT:
		return WSD_ENOMEM;
	default:
		return WSD_EACCESS;
	}
}

static HANDLE open_file(const char *name)
{
	WCHAR folder[MAX_PATH], path[MAX_PATH + 64];
	DWORD length = GetEnvironmentVariableW(L"LOCALAPPDATA", folder, MAX_PATH);

	if (length == 0 || length >= MAX_PATH) {
		SetLastError(ERROR_PATH_NOT_FOUND);
		return INVALID_HANDLE_VALUE;
	}
	_snwprintf(path, MAX_PATH + 64, L"%ls\\openwsd.%hs", folder, name);
	return CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
			   NULL, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT,
			   NULL);
}

/* A plain file of that length, or an empty one, which the mapping makes so long. */
static bool is_good(HANDLE file, size_t length)
{
	BY_HANDLE_FILE_INFORMATION info;

	return GetFileInformationByHandle(file, &info) &&
	       (info.dwFileAttributes &
		(FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) == 0 &&
	       info.nFileSizeHigh == 0 && (info.nFileSizeLow == 0 || info.nFileSizeLow == length);
}

enum wsd_status wsd_common_open(struct wsd_common *common, const char *name, size_t length)
{
	enum wsd_status status = WSD_OK;
	HANDLE file, section = NULL;
	void *base = NULL;

	if (name[0] == '\0' || strlen(name) > 32 || strpbrk(name, "/\\:") != NULL)
		return WSD_EINVAL;
	file = open_file(name);
	if (file == INVALID_HANDLE_VALUE)
		return status_of(GetLastError());
	if (!is_good(file, length))
		status = WSD_EACCESS;
	if (status == WSD_OK) {
		section = CreateFileMappingW(file, NULL, PAGE_READWRITE, 0, (DWORD)length, NULL);
		base = section ? MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, length) : NULL;
		if (!base)
			status = status_of(GetLastError());
	}
	if (section)
		CloseHandle(section); /* the view keeps it */
	if (status != WSD_OK) {
		CloseHandle(file);
		return status;
	}
	common->handle = (intptr_t)file;
	common->base = base;
	common->length = length;
	return WSD_OK;
}

void wsd_common_close(struct wsd_common *common)
{
	UnmapViewOfFile(common->base);
	CloseHandle((HANDLE)common->handle);
	common->base = NULL;
	common->handle = -1;
}

bool wsd_common_claim(struct wsd_common *common, uint32_t index)
{
	OVERLAPPED where;

	memset(&where, 0, sizeof(where));
	where.Offset = FIRST_CLAIM + index;
	return LockFileEx((HANDLE)common->handle,
			  LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where);
}

void wsd_common_unclaim(struct wsd_common *common, uint32_t index)
{
	OVERLAPPED where;

	memset(&where, 0, sizeof(where));
	where.Offset = FIRST_CLAIM + index;
	(void)UnlockFileEx((HANDLE)common->handle, 0, 1, 0, &where);
}

/* There is no asking: it is tried. */
bool wsd_common_claimed(struct wsd_common *common, uint32_t index)
{
	if (!wsd_common_claim(common, index))
		return true;
	wsd_common_unclaim(common, index);
	return false;
}

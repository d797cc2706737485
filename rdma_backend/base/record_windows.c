// SPDX-License-Identifier: BSD-2-Clause
/*
 * record_windows.c - records are files in a folder of the user's own, whose rights the folder gives them, and locks
 * those of bytes behind what is written: they belong to the handle, and the system takes them away with it.
 * Bells are events with random names, which this user alone may open.
 */
#include "rdma_backend/base/record.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"

#define FOLDER	   L"openwsd"
#define GONE	   "gone-"     /* begins the names of what is removed, and still there */
#define LOCKS_FROM 0x40000000u /* behind everything that is written */
#define LOOKERS	   1000u       /* that one after the other were in the way: enough */

struct path {
	WCHAR text[MAX_PATH + 16 + WSD_RECORD_NAME];
};

/* The folder is made when it is not there. */
static bool folder_path(struct path *path)
{
	WCHAR user[MAX_PATH];
	DWORD length = GetEnvironmentVariableW(L"LOCALAPPDATA", user, MAX_PATH);

	if (length == 0 || length >= MAX_PATH) {
		SetLastError(ERROR_PATH_NOT_FOUND);
		return false;
	}
	_snwprintf(path->text, sizeof(path->text) / sizeof(WCHAR), L"%ls\\" FOLDER, user);
	return CreateDirectoryW(path->text, NULL) || GetLastError() == ERROR_ALREADY_EXISTS;
}

static bool path_of(const char *name, struct path *path)
{
	size_t at;

	if (!folder_path(path))
		return false;
	at = wcslen(path->text);
	_snwprintf(path->text + at, sizeof(path->text) / sizeof(WCHAR) - at, L"\\%hs", name);
	return true;
}

static enum wsd_status status_of(DWORD error)
{
	switch (error) {
	case ERROR_FILE_EXISTS:
	case ERROR_ALREADY_EXISTS:
		return WSD_EBUSY;
	case ERROR_FILE_NOT_FOUND:
		return WSD_NOTFOUND;
	case ERROR_TOO_MANY_OPEN_FILES:
		return WSD_ENOFILES;
	case ERROR_ACCESS_DENIED: /* also of one that is about to vanish */
	case ERROR_PATH_NOT_FOUND:
	case ERROR_SHARING_VIOLATION:
		return WSD_EUSER;
	default:
		return WSD_ENOMEM;
	}
}

/* How it is opened, and by whom it may be opened at the same time. */
static HANDLE open_file(const char *name, DWORD access, DWORD share, DWORD how)
{
	struct path path;

	if (!path_of(name, &path))
		return INVALID_HANDLE_VALUE;
	return CreateFileW(path.text, access, share, NULL, how,
			   FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
}

#define READ_WRITE (GENERIC_READ | GENERIC_WRITE)
#define SHARE_ALL  (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

enum wsd_status wsd_record_create(const char *name, intptr_t *record)
{
	HANDLE file = open_file(name, READ_WRITE, SHARE_ALL, CREATE_NEW);

	if (file == INVALID_HANDLE_VALUE)
		return status_of(GetLastError());
	*record = (intptr_t)file;
	return WSD_OK;
}

enum wsd_status wsd_record_open(const char *name, intptr_t *record)
{
	HANDLE file = open_file(name, READ_WRITE, SHARE_ALL, OPEN_EXISTING);
	BY_HANDLE_FILE_INFORMATION info;

	if (file == INVALID_HANDLE_VALUE)
		return status_of(GetLastError());
	if (!GetFileInformationByHandle(file, &info) ||
	    (info.dwFileAttributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT))) {
		CloseHandle(file);
		return WSD_EUSER;
	}
	*record = (intptr_t)file;
	return WSD_OK;
}

void wsd_record_close(intptr_t record)
{
	wsd_handle_close(record);
}

/* The name is free at once, though the file lives as long as somebody has it open. */
static bool rename_away(HANDLE file)
{
	static atomic_uint number;
	union {
		FILE_RENAME_INFO info;
		char bytes[sizeof(FILE_RENAME_INFO) + sizeof(struct path)];
	} to;
	char name[WSD_RECORD_NAME];
	struct path path;

	snprintf(name, sizeof(name), GONE "%lx-%x-%llx", GetCurrentProcessId(),
		 atomic_fetch_add(&number, 1), (unsigned long long)wsd_clock_ns());
	if (!path_of(name, &path))
		return false;
	memset(&to, 0, sizeof(to));
	to.info.FileNameLength = (DWORD)(wcslen(path.text) * sizeof(WCHAR));
	memcpy(to.info.FileName, path.text, to.info.FileNameLength);
	return SetFileInformationByHandle(file, FileRenameInfo, &to, sizeof(to));
}

static void remove_file(HANDLE file)
{
	FILE_DISPOSITION_INFO gone = { TRUE };

	(void)SetFileInformationByHandle(file, FileDispositionInfo, &gone, sizeof(gone));
}

bool wsd_record_remove(const char *name)
{
	/* Who has it open to delete it lets nobody else: one of two succeeds. */
	HANDLE file = open_file(name, DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE, OPEN_EXISTING);
	bool removed;

	if (file == INVALID_HANDLE_VALUE)
		return false;
	removed = rename_away(file);
	if (removed)
		remove_file(file); /* it cannot be while it is mapped */
	CloseHandle(file);
	return removed;
}

bool wsd_record_exists(const char *name)
{
	struct path path;

	return path_of(name, &path) && GetFileAttributesW(path.text) != INVALID_FILE_ATTRIBUTES;
}

static void find_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	WIN32_FIND_DATAW entry;
	struct path path;
	HANDLE search;

	if (!path_of(prefix, &path))
		return;
	wcscat(path.text, L"*");
	search = FindFirstFileW(path.text, &entry);
	if (search == INVALID_HANDLE_VALUE)
		return;
	do {
		char name[WSD_RECORD_NAME];

		if (WideCharToMultiByte(CP_ACP, 0, entry.cFileName, -1, name, sizeof(name), NULL,
					NULL) > 0)
			visit(name, arg);
	} while (FindNextFileW(search, &entry));
	FindClose(search);
}

static void remove_gone(const char *name, void *arg)
{
	HANDLE file = open_file(name, DELETE, SHARE_ALL, OPEN_EXISTING);

	(void)arg;
	if (file == INVALID_HANDLE_VALUE)
		return;
	remove_file(file);
	CloseHandle(file);
}

void wsd_record_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	find_each(GONE, remove_gone, NULL);
	find_each(prefix, visit, arg);
}

static OVERLAPPED at(uint64_t offset)
{
	OVERLAPPED where;

	memset(&where, 0, sizeof(where));
	where.Offset = (DWORD)offset;
	where.OffsetHigh = (DWORD)(offset >> 32);
	return where;
}

bool wsd_record_read(intptr_t record, uint64_t offset, void *to, size_t length)
{
	OVERLAPPED where = at(offset);
	DWORD done = 0;

	return length <= LOCKS_FROM && ReadFile((HANDLE)record, to, (DWORD)length, &done, &where) &&
	       done == length;
}

bool wsd_record_write(intptr_t record, uint64_t offset, const void *from, size_t length)
{
	OVERLAPPED where = at(offset);
	DWORD done = 0;

	return length <= LOCKS_FROM &&
	       WriteFile((HANDLE)record, from, (DWORD)length, &done, &where) && done == length;
}

enum wsd_status wsd_record_map(intptr_t record, size_t length, void **base)
{
	LARGE_INTEGER size;
	HANDLE section;

	if (!GetFileSizeEx((HANDLE)record, &size))
		return status_of(GetLastError());
	if (size.QuadPart != 0 && (uint64_t)size.QuadPart != length)
		return WSD_EVERSION;
	section = CreateFileMappingW((HANDLE)record, NULL, PAGE_READWRITE, 0, (DWORD)length, NULL);
	if (!section)
		return WSD_ENOMEM;
	*base = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, length);
	CloseHandle(section); /* the view keeps it */
	return *base ? WSD_OK : WSD_ENOMEM;
}

/* The file was made so long when it was mapped. */
bool wsd_record_reserve(intptr_t record, uint64_t offset, size_t length)
{
	(void)record;
	(void)offset;
	(void)length;
	return true;
}

void wsd_record_unmap(void *base, size_t length)
{
	(void)length;
	UnmapViewOfFile(base);
}

static bool lock_byte(intptr_t record, unsigned number, DWORD how)
{
	OVERLAPPED where = at((uint64_t)LOCKS_FROM + number);

	return LockFileEx((HANDLE)record, how | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &where);
}

void wsd_record_unlock(intptr_t record, unsigned number)
{
	OVERLAPPED where = at((uint64_t)LOCKS_FROM + number);

	(void)UnlockFileEx((HANDLE)record, 0, 1, 0, &where);
}

/* Two who look do not meet: their locks are shared ones. */
bool wsd_record_locked(intptr_t record, unsigned number)
{
	if (!lock_byte(record, number, 0))
		return true;
	wsd_record_unlock(record, number);
	return false;
}

/* Who looks has it for a moment only, and is not in the way. */
bool wsd_record_lock(intptr_t record, unsigned number)
{
	for (unsigned i = 0; i < LOOKERS; i++) {
		if (lock_byte(record, number, LOCKFILE_EXCLUSIVE_LOCK))
			return true;
		if (wsd_record_locked(record, number))
			return false;
		wsd_cpu_yield();
	}
	return false;
}

/* --- bells --- */

struct bell_path {
	char text[32 + 2 * WSD_BELL_NAME];
};

/* Records are those of the user, whatever his session is. */
static struct bell_path bell_path(const uint8_t *name)
{
	struct bell_path path = { "Global\\openwsd.ring." };
	size_t used = strlen(path.text);

	for (unsigned i = 0; i < WSD_BELL_NAME; i++)
		used += (size_t)snprintf(path.text + used, sizeof(path.text) - used, "%02x",
					 name[i]);
	return path;
}

enum wsd_status wsd_bell_open(intptr_t *bell, uint8_t *name)
{
	const struct wsd_windows_user *user = wsd_windows_user();
	struct bell_path path;
	HANDLE event;

	if (!user)
		return WSD_EACCESS;
	wsd_random(name, WSD_BELL_NAME);
	path = bell_path(name);
	event = CreateEventA((SECURITY_ATTRIBUTES *)(uintptr_t)&user->rights, TRUE, FALSE,
			     path.text);
	if (!event)
		return status_of(GetLastError());
	if (GetLastError() == ERROR_ALREADY_EXISTS) {
		CloseHandle(event);
		return WSD_EUSER;
	}
	*bell = (intptr_t)event;
	return WSD_OK;
}

void wsd_bell_clear(intptr_t bell)
{
	ResetEvent((HANDLE)bell);
}

void wsd_bell_ring(intptr_t own, const uint8_t *name)
{
	struct bell_path path = bell_path(name);
	HANDLE event = OpenEventA(EVENT_MODIFY_STATE, FALSE, path.text);

	(void)own;
	if (!event)
		return; /* its process has ended */
	SetEvent(event);
	CloseHandle(event);
}

void wsd_bell_close(intptr_t bell)
{
	wsd_handle_close(bell);
}

/* --- processes --- */

uint32_t wsd_user_id(void)
{
	return 0; /* the folder is the user's own */
}

bool wsd_process_started(uint32_t process, uint64_t *when)
{
	HANDLE handle = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process);
	FILETIME started, ended, kernel, user;
	DWORD code;
	bool alive;

	if (!handle)
		return false;
	alive = GetExitCodeProcess(handle, &code) && code == STILL_ACTIVE &&
		GetProcessTimes(handle, &started, &ended, &kernel, &user);
	CloseHandle(handle);
	if (alive)
		*when = (uint64_t)started.dwHighDateTime << 32 | started.dwLowDateTime;
	return alive;
}

intptr_t wsd_process_watch(uint32_t process)
{
	HANDLE handle = OpenProcess(SYNCHRONIZE, FALSE, process);

	return handle ? (intptr_t)handle : -1;
}

bool wsd_process_ended(intptr_t watch)
{
	return WaitForSingleObject((HANDLE)watch, 0) == WAIT_OBJECT_0;
}

void wsd_process_unwatch(intptr_t watch)
{
	wsd_handle_close(watch);
}

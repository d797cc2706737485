// SPDX-License-Identifier: BSD-2-Clause
/* platform_windows.c - platform.h on Windows: locks, threads, clock, shared memory, modules. */

#include <windows.h>

#include <bcrypt.h>
#include <process.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"

#define NS_PER_S  1000000000u
#define NS_PER_MS 1000000u

static enum wsd_status status_of_error(DWORD error)
{
	switch (error) {
	case ERROR_ACCESS_DENIED:
		return WSD_EACCESS;
	case ERROR_INVALID_HANDLE:
	case ERROR_INVALID_PARAMETER:
		return WSD_EINVAL;
	case ERROR_TOO_MANY_OPEN_FILES:
	case ERROR_NO_SYSTEM_RESOURCES:
		return WSD_ENOFILES;
	default:
		return WSD_ENOMEM;
	}
}

static PSRWLOCK srw(struct wsd_mutex *mutex)
{
	return (PSRWLOCK)(void *)&mutex->srw;
}

void wsd_mutex_init(struct wsd_mutex *mutex)
{
	InitializeSRWLock(srw(mutex));
}

void wsd_mutex_fini(struct wsd_mutex *mutex)
{
	(void)mutex; /* holds nothing of the system */
}

void wsd_mutex_lock(struct wsd_mutex *mutex)
{
	AcquireSRWLockExclusive(srw(mutex));
}

bool wsd_mutex_trylock(struct wsd_mutex *mutex)
{
	return TryAcquireSRWLockExclusive(srw(mutex)) != 0;
}

void wsd_mutex_unlock(struct wsd_mutex *mutex)
{
	ReleaseSRWLockExclusive(srw(mutex));
}

static PCONDITION_VARIABLE variable(struct wsd_cond *cond)
{
	return (PCONDITION_VARIABLE)(void *)&cond->variable;
}

void wsd_cond_init(struct wsd_cond *cond)
{
	InitializeConditionVariable(variable(cond));
}

void wsd_cond_fini(struct wsd_cond *cond)
{
	(void)cond;
}

DWORD wsd_windows_wait_ms(uint64_t deadline)
{
	uint64_t now, ms;

	if (deadline == UINT64_MAX)
		return INFINITE;
	now = wsd_clock_ns();
	if (deadline <= now)
		return 0;
	/* Up: who wakes before his time only sleeps again. */
	ms = (deadline - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INFINITE ? (DWORD)ms : INFINITE - 1;
}

bool wsd_cond_wait(struct wsd_cond *cond, struct wsd_mutex *mutex, uint64_t deadline)
{
	if (SleepConditionVariableSRW(variable(cond), srw(mutex), wsd_windows_wait_ms(deadline), 0))
		return true;
	if (GetLastError() != ERROR_TIMEOUT)
		abort();
	/* The system's timers may be a little ahead of the clock. */
	return wsd_clock_ns() < deadline;
}

void wsd_cond_broadcast(struct wsd_cond *cond)
{
	WakeAllConditionVariable(variable(cond));
}

/* --- threads --- */

struct wsd_thread {
	HANDLE handle;
	void (*run)(void *arg);
	void *arg;
};

static unsigned __stdcall thread_main(void *arg)
{
	struct wsd_thread *thread = arg;

	thread->run(thread->arg);
	return 0;
}

/* Since Windows 10; before that threads have no names. */
static void name_thread(HANDLE thread, const char *name)
{
	HRESULT(WINAPI * describe)(HANDLE thread, PCWSTR description);
	WCHAR wide[32] = { 0 };
	size_t i;

	if (!wsd_windows_symbol(GetModuleHandleW(L"kernel32.dll"), "SetThreadDescription",
				&describe, sizeof(describe)))
		return;
	for (i = 0; name[i] && i + 1 < sizeof(wide) / sizeof(wide[0]); i++)
		wide[i] = (WCHAR)(unsigned char)name[i];
	describe(thread, wide);
}

enum wsd_status wsd_thread_start(struct wsd_thread **thread, const char *name,
				 void (*run)(void *arg), void *arg)
{
	struct wsd_thread *made = wsd_alloc(sizeof(*made));

	if (!made)
		return WSD_ENOMEM;
	made->run = run;
	made->arg = arg;
	made->handle = (HANDLE)_beginthreadex(NULL, 0, thread_main, made, CREATE_SUSPENDED, NULL);
	if (!made->handle) {
		wsd_free(made);
		return WSD_ENOMEM;
	}
	name_thread(made->handle, name);
	ResumeThread(made->handle);
	*thread = made;
	return WSD_OK;
}

void wsd_thread_join(struct wsd_thread *thread)
{
	if (WaitForSingleObject(thread->handle, INFINITE) != WAIT_OBJECT_0)
		abort();
	CloseHandle(thread->handle);
	wsd_free(thread);
}

void wsd_code_stays(void)
{
	static const char here;
	HMODULE ignored;

	(void)GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
					 GET_MODULE_HANDLE_EX_FLAG_PIN,
				 &here, &ignored);
}

unsigned wsd_cpu_count(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwNumberOfProcessors ? info.dwNumberOfProcessors : 1;
}

void wsd_cpu_yield(void)
{
	SwitchToThread();
}

void wsd_cpu_relax(void)
{
	YieldProcessor();
}

uint64_t wsd_clock_ns(void)
{
	static _Atomic uint64_t frequency; /* the same for ever, never 0 */
	uint64_t hz = atomic_load_explicit(&frequency, memory_order_relaxed), ticks;
	LARGE_INTEGER value;

	if (!hz) {
		QueryPerformanceFrequency(&value);
		hz = (uint64_t)value.QuadPart;
		atomic_store_explicit(&frequency, hz, memory_order_relaxed);
	}
	QueryPerformanceCounter(&value);
	ticks = (uint64_t)value.QuadPart;
	return ticks / hz * NS_PER_S + ticks % hz * NS_PER_S / hz;
}

uint64_t wsd_clock_coarse_ns(void)
{
	return wsd_clock_ns(); /* cheap, and others tick by up to 16 ms */
}

void wsd_random(void *bytes, size_t length)
{
	UCHAR *to = bytes;

	while (length) {
		ULONG part = length < 0x10000 ? (ULONG)length : 0x10000;

		if (BCryptGenRandom(NULL, to, part, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
			abort(); /* keys and nonces must not be guessable */
		to += part;
		length -= part;
	}
}

uint32_t wsd_process_id(void)
{
	return GetCurrentProcessId();
}

/*
 * The process's own environment: the C library's copy of it may be an older one, or that of another C
 * library. What was handed out stays, as long as the value is the same.
 */
struct variable {
	struct variable *next;
	char name[64];
	char value[1];
};

const char *wsd_env(const char *name)
{
	static struct wsd_mutex lock = WSD_MUTEX_INIT;
	static struct variable *all;
	char value[2048];
	struct variable *each;
	DWORD length;

	/* An empty value and none are told apart by the error only, and an empty one leaves that as it is. */
	SetLastError(ERROR_SUCCESS);
	length = GetEnvironmentVariableA(name, value, sizeof(value));
	if (length >= sizeof(value) || (!length && GetLastError() == ERROR_ENVVAR_NOT_FOUND))
		return NULL;
	wsd_mutex_lock(&lock);
	for (each = all; each; each = each->next)
		if (!strcmp(each->name, name) && !strcmp(each->value, value))
			break;
	if (!each && strlen(name) < sizeof(each->name)) {
		each = wsd_raw_alloc(sizeof(*each) + length);
		if (each) {
			snprintf(each->name, sizeof(each->name), "%s", name);
			memcpy(each->value, value, length + 1);
			each->next = all;
			all = each;
		}
	}
	wsd_mutex_unlock(&lock);
	return each ? each->value : NULL;
}

/* Names have one spelling there whatever their letters' case; the one that we look for is in capitals. */
void wsd_env_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	char *all = GetEnvironmentStringsA(), *each;
	size_t length = strlen(prefix);
	char name[128];

	for (each = all; each && *each; each += strlen(each) + 1) {
		size_t end = strcspn(each, "=");

		if (_strnicmp(each, prefix, length) != 0 || end >= sizeof(name))
			continue;
		memcpy(name, each, end);
		name[end] = '\0';
		_strupr(name);
		visit(name, arg);
	}
	if (all)
		FreeEnvironmentStringsA(all);
}

bool wsd_files_free(unsigned count)
{
	(void)count; /* a process may have millions of handles: memory ends first */
	return true;
}

bool wsd_memory_mapped(const void *base, uint64_t length)
{
	const char *at = base;
	MEMORY_BASIC_INFORMATION info;
	uint64_t here;

	if (length == 0 || length > UINTPTR_MAX - (uintptr_t)base)
		return false;
	while (length) {
		if (!VirtualQuery(at, &info, sizeof(info)) || info.State != MEM_COMMIT)
			return false;
		if (info.Protect & (PAGE_NOACCESS | PAGE_GUARD))
			return false;
		here = (uint64_t)((char *)info.BaseAddress + info.RegionSize - at);
		if (here >= length)
			return true;
		at += here;
		length -= here;
	}
	return true;
}

/* --- shared memory: sections of the paging file, whose size is fixed when they are made --- */

static enum wsd_status map_section(HANDLE section, size_t length, void **address)
{
	*address = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0, length);
	return *address ? WSD_OK : status_of_error(GetLastError());
}

enum wsd_status wsd_shared_create(size_t length, intptr_t *handle, void **address)
{
	uint64_t size = length;
	enum wsd_status status;
	HANDLE section;

	if (!length || size > INT64_MAX)
		return WSD_EINVAL;
	section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE,
				     (DWORD)(size >> 32), (DWORD)size, NULL);
	if (!section)
		return status_of_error(GetLastError());
	status = map_section(section, length, address);
	if (status) {
		CloseHandle(section);
		return status;
	}
	*handle = (intptr_t)section;
	return WSD_OK;
}

/* Committed memory of that many pages. A file could become unreadable. */
static bool section_is_memory(HANDLE section, size_t length)
{
	struct {
		void *base;
		ULONG attributes;
		LARGE_INTEGER size;
	} info;
	LONG(NTAPI * query)(HANDLE section, int class, void *info, SIZE_T size, SIZE_T *filled);
	SYSTEM_INFO system;
	size_t pages;

	if (!wsd_windows_symbol(GetModuleHandleW(L"ntdll.dll"), "NtQuerySection", &query,
				sizeof(query)) ||
	    query(section, 0, &info, sizeof(info), NULL) < 0)
		return false;
	GetSystemInfo(&system);
	pages = (length + system.dwPageSize - 1) / system.dwPageSize;
	return !(info.attributes & (SEC_FILE | SEC_IMAGE | SEC_RESERVE)) &&
	       ((uint64_t)info.size.QuadPart + system.dwPageSize - 1) / system.dwPageSize == pages;
}

enum wsd_status wsd_shared_attach(intptr_t handle, size_t length, void **address)
{
	MEMORY_BASIC_INFORMATION info;
	enum wsd_status status;

	if (!length || !section_is_memory((HANDLE)handle, length))
		return WSD_EINVAL;
	status = map_section((HANDLE)handle, length, address);
	if (status)
		return status;
	/* Wine does not tell of a section that it is reserved only. */
	if (VirtualQuery(*address, &info, sizeof(info)) && info.State == MEM_COMMIT &&
	    info.RegionSize >= length)
		return WSD_OK;
	UnmapViewOfFile(*address);
	*address = NULL;
	return WSD_EINVAL;
}

void wsd_shared_unmap(void *address, size_t length)
{
	(void)length;
	if (!UnmapViewOfFile(address))
		abort();
}

intptr_t wsd_handle_keep(intptr_t handle)
{
	return handle; /* nothing is inherited that was not asked to be */
}

void wsd_handle_forget(intptr_t handle)
{
	(void)handle;
}

void wsd_handle_close(intptr_t handle)
{
	CloseHandle((HANDLE)handle);
}

/* A process never forks. */
unsigned wsd_fork_generation(void)
{
	return 0;
}

void wsd_mutex_lock_static(struct wsd_mutex *mutex, unsigned rank)
{
	(void)rank;
	wsd_mutex_lock(mutex);
}

/* --- modules --- */

bool wsd_windows_symbol(void *module, const char *name, void *function, size_t size)
{
	FARPROC symbol = module ? GetProcAddress(module, name) : NULL;

	if (!symbol || size != sizeof(symbol))
		return false;
	memcpy(function, &symbol, size);
	return true;
}

void *wsd_windows_system_module(const wchar_t *name)
{
	WCHAR path[MAX_PATH];
	UINT length = GetSystemDirectoryW(path, MAX_PATH);
	size_t i;

	if (!length || length + wcslen(name) + 2 > MAX_PATH)
		return NULL;
	path[length++] = L'\\';
	for (i = 0; i <= wcslen(name); i++)
		path[length + i] = name[i];
	return LoadLibraryExW(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
}

enum wsd_status wsd_module_open(const char *path, void **module, char *reason, size_t reason_size)
{
	DWORD error;

	if (GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES) {
		snprintf(reason, reason_size, "no file %s", path);
		return WSD_NOTFOUND;
	}
	*module = LoadLibraryExA(path, NULL, LOAD_WITH_ALTERED_SEARCH_PATH);
	if (*module)
		return WSD_OK;
	error = GetLastError();
	snprintf(reason, reason_size, "cannot load %s: error %u", path, (unsigned)error);
	return WSD_EUNSUPPORTED;
}

bool wsd_module_symbol(void *module, const char *name, void *function, size_t size)
{
	return wsd_windows_symbol(module, name, function, size);
}

void wsd_module_close(void *module)
{
	FreeLibrary(module);
}

void wsd_folder_each(const char *path, void (*visit)(const char *name, void *arg), void *arg)
{
	WIN32_FIND_DATAA entry;
	char pattern[MAX_PATH];
	HANDLE search;

	if (snprintf(pattern, sizeof(pattern), "%s\\*", path) >= (int)sizeof(pattern))
		return;
	search = FindFirstFileA(pattern, &entry);
	if (search == INVALID_HANDLE_VALUE)
		return;
	do
		visit(entry.cFileName, arg);
	while (FindNextFileA(search, &entry));
	FindClose(search);
}

/* --- paths --- */

/* In the folder of this DLL or program, which only administrators can write to when it is installed. */
struct installed {
	INIT_ONCE once;
	char path[MAX_PATH + 32];
};

static BOOL CALLBACK find_installed(PINIT_ONCE once, void *arg, void **context)
{
	static const char here;
	struct installed *file = CONTAINING_RECORD(once, struct installed, once);
	const char *name = arg;
	DWORD length = 0;
	HMODULE self;
	char *slash;

	(void)context;
	if (GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				       GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
			       &here, &self))
		length = GetModuleFileNameA(self, file->path, MAX_PATH);
	slash = length && length < MAX_PATH ? strrchr(file->path, '\\') : NULL;
	if (slash)
		snprintf(slash + 1, sizeof(file->path) - (size_t)(slash + 1 - file->path), "%s",
			 name);
	else
		file->path[0] = '\0'; /* no such file */
	return TRUE;
}

static const char *installed(struct installed *file, const char *name)
{
	InitOnceExecuteOnce(&file->once, find_installed, (void *)(uintptr_t)name, NULL);
	return file->path;
}

const char *wsd_default_config(void)
{
	static struct installed file = { .once = INIT_ONCE_STATIC_INIT };

	return installed(&file, "openwsd.conf");
}

const char *wsd_default_module_folder(void)
{
	static struct installed folder = { .once = INIT_ONCE_STATIC_INIT };

	return installed(&folder, "modules");
}

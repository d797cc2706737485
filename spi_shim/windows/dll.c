// SPDX-License-Identifier: BSD-2-Clause
/*
 * dll.c - what the provider takes from Windows besides the upcall table: the upcall that no table of 15 carries, the
 * base provider, reading of files, the last error. WSPStartup and WSPStartupEx themselves are the provider's.
 */
#include "provider/winsock/provider.h"
#include "rdma_backend/base/base_provider_windows.h"
#include "rdma_backend/base/platform_windows.h"

static LPWPUCOMPLETEOVERLAPPEDREQUEST complete_of(HMODULE module)
{
	LPWPUCOMPLETEOVERLAPPEDREQUEST complete;

	return wsd_windows_symbol(module, "WPUCompleteOverlappedRequest", &complete,
				  sizeof(complete))
		       ? complete
		       : NULL;
}

/* It belongs to the module that the other upcalls come from: ws2_32, or another host. A layer between may
 * have put its own functions into the table; then it is ws2_32's. */
static LPWPUCOMPLETEOVERLAPPEDREQUEST find_complete(const WSPUPCALLTABLE *table)
{
	LPWPUCOMPLETEOVERLAPPEDREQUEST complete = NULL;
	HMODULE module;

	if (table->lpWPUCreateSocketHandle != NULL &&
	    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				       GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
			       (LPCWSTR)(ULONG_PTR)table->lpWPUCreateSocketHandle, &module))
		complete = complete_of(module);
	return complete != NULL ? complete : complete_of(GetModuleHandleW(L"ws2_32.dll"));
}

/* A file that was opened for overlapped use has no position of its own: it is read from the start. */
static int64_t read_file(HANDLE file, uint64_t offset, void *buffer, uint32_t length, int *error)
{
	OVERLAPPED overlapped = { 0 };
	DWORD bytes = 0, code = 0;

	overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (overlapped.hEvent == NULL) {
		*error = (int)GetLastError();
		return -1;
	}
	if (offset != UINT64_MAX) {
		overlapped.Offset = (DWORD)offset;
		overlapped.OffsetHigh = (DWORD)(offset >> 32);
	}
	/* The low bit keeps the completion out of a port that the program gave the file. */
	overlapped.hEvent = (HANDLE)((ULONG_PTR)overlapped.hEvent | 1);
	if (!ReadFile(file, buffer, length, &bytes, offset != UINT64_MAX ? &overlapped : NULL))
		code = GetLastError();
	if (code == ERROR_IO_PENDING)
		code = GetOverlappedResult(file, &overlapped, &bytes, TRUE) ? 0 : GetLastError();
	CloseHandle((HANDLE)((ULONG_PTR)overlapped.hEvent & ~(ULONG_PTR)1));
	if (code == ERROR_HANDLE_EOF)
		return 0;
	*error = (int)code;
	return code == 0 ? (int64_t)bytes : -1;
}

static const struct wsd_file_reader file_reader = { .read = read_file };

static void set_last_error(int error)
{
	SetLastError((DWORD)error); /* WSAGetLastError reads the same value */
}

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID process_ends);

/* The loader's lock is held: nothing here waits, loads, or asks the loader for anything. */
BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID process_ends)
{
	(void)instance;
	if (reason == DLL_PROCESS_ATTACH) {
		wsd_upcalls_set_find_complete(find_complete);
		wsd_upcalls_set_given(wsd_windows_upcalls);
		wsd_upcalls_set_file_reader(&file_reader);
		wsd_upcalls_set_last_error(set_last_error);
	} else if (reason == DLL_PROCESS_DETACH && process_ends == NULL) {
		wsd_windows_unload();
	}
	return TRUE;
}

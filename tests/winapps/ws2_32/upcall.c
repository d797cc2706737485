// SPDX-License-Identifier: BSD-2-Clause
/*
 * upcall.c - the table of 15 upcalls, but for those of socket.c.
 */
#include "host.h"

#include <string.h>

/* A handle of each thread. The compiler's variables of a thread are gone when DllMain hears of its end. */
static DWORD own_thread = TLS_OUT_OF_INDEXES;

bool threads_begin(void)
{
	own_thread = TlsAlloc();
	return own_thread != TLS_OUT_OF_INDEXES;
}

bool thread_id(WSATHREADID *id)
{
	HANDLE process = GetCurrentProcess(), own = TlsGetValue(own_thread);

	if (own == NULL) {
		if (!DuplicateHandle(process, GetCurrentThread(), process, &own, 0, FALSE,
				     DUPLICATE_SAME_ACCESS)) {
			SetLastError(WSAENOBUFS);
			return false;
		}
		TlsSetValue(own_thread, own);
	}
	id->ThreadHandle = own;
	id->Reserved = GetCurrentThreadId();
	return true;
}

void thread_forget(void)
{
	HANDLE own = TlsGetValue(own_thread);

	if (own != NULL)
		CloseHandle(own);
}

static WSAEVENT WSPAPI create_event(LPINT error)
{
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);

	if (event == NULL)
		*error = WSA_NOT_ENOUGH_MEMORY;
	return event;
}

static BOOL event_result(BOOL result, LPINT error)
{
	if (!result)
		*error = WSA_INVALID_HANDLE;
	return result;
}

static BOOL WSPAPI close_event(WSAEVENT event, LPINT error)
{
	return event_result(CloseHandle(event), error);
}

static BOOL WSPAPI set_event(WSAEVENT event, LPINT error)
{
	return event_result(SetEvent(event), error);
}

static BOOL WSPAPI reset_event(WSAEVENT event, LPINT error)
{
	return event_result(ResetEvent(event), error);
}

static int WSPAPI is_set(SOCKET s, fd_set *set)
{
	return sys.__WSAFDIsSet(s, set);
}

static int WSPAPI provider_path(LPGUID provider, WCHAR *path, LPINT length, LPINT error)
{
	return WSCGetProviderPath(provider, path, length, error);
}

/* The provider's handles are not IFS handles: to expose one of the system's is an error of the provider. Those of a
 * base provider are what it says. */
static SOCKET WSPAPI modify_ifs(DWORD entry, SOCKET proposed, LPINT error)
{
	for (unsigned i = 0; host_entry_at(i) != NULL; i++) {
		if (host_entry_at(i)->dwCatalogEntryId == entry) {
			*error = WSAEINVAL;
			return INVALID_SOCKET;
		}
	}
	return proposed;
}

static BOOL WSPAPI post_message(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
	BOOL(WINAPI * post)(HWND, UINT, WPARAM, LPARAM) = NULL;
	HMODULE user = GetModuleHandleW(L"user32.dll");
	FARPROC function = user != NULL ? GetProcAddress(user, "PostMessageW") : NULL;

	/* Who has a window has loaded user32. */
	memcpy(&post, &function, sizeof(function));
	return post != NULL && post(window, message, wparam, lparam);
}

static int WSPAPI blocking_callback(DWORD entry, LPBLOCKINGCALLBACK *callback, PDWORD_PTR context,
				    LPINT error)
{
	if (callback == NULL || context == NULL) {
		*error = WSAEFAULT;
		return SOCKET_ERROR;
	}
	(void)entry;
	*callback = NULL;
	*context = 0;
	return 0;
}

static int WSPAPI queue_apc(LPWSATHREADID id, LPWSAUSERAPC routine, DWORD_PTR context, LPINT error)
{
	if (id != NULL && QueueUserAPC((PAPCFUNC)routine, id->ThreadHandle, context) != 0)
		return 0;
	*error = WSAEFAULT;
	return SOCKET_ERROR;
}

static int WSPAPI open_current_thread(LPWSATHREADID id, LPINT error)
{
	HANDLE self = GetCurrentProcess();

	if (DuplicateHandle(self, GetCurrentThread(), self, &id->ThreadHandle, 0, FALSE,
			    DUPLICATE_SAME_ACCESS)) {
		id->Reserved = GetCurrentThreadId();
		return 0;
	}
	*error = WSANOTINITIALISED;
	return SOCKET_ERROR;
}

static int WSPAPI close_thread(LPWSATHREADID id, LPINT error)
{
	if (CloseHandle(id->ThreadHandle))
		return 0;
	*error = WSA_INVALID_HANDLE;
	return SOCKET_ERROR;
}

const WSPUPCALLTABLE host_upcalls = {
	.lpWPUCloseEvent = close_event,
	.lpWPUCloseSocketHandle = upcall_close_handle,
	.lpWPUCreateEvent = create_event,
	.lpWPUCreateSocketHandle = upcall_create_handle,
	.lpWPUFDIsSet = is_set,
	.lpWPUGetProviderPath = provider_path,
	.lpWPUModifyIFSHandle = modify_ifs,
	.lpWPUPostMessage = post_message,
	.lpWPUQueryBlockingCallback = blocking_callback,
	.lpWPUQuerySocketHandleContext = upcall_query_context,
	.lpWPUQueueApc = queue_apc,
	.lpWPUResetEvent = reset_event,
	.lpWPUSetEvent = set_event,
	.lpWPUOpenCurrentThread = open_current_thread,
	.lpWPUCloseThread = close_thread,
};

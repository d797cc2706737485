// SPDX-License-Identifier: BSD-2-Clause
/*
 * upcall.c - owns the rest of the upcalls and the table of 15 that WSPStartup takes. The upcalls
 * that concern socket handles and completion are in socket.c.
 */
#include "spi_shim/linux/catalog.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/event.h"
#include "spi_shim/linux/shim.h"
#include "spi_shim/linux/thread.h"

static void report(LPINT lpErrno, int error)
{
	if (lpErrno != NULL)
		*lpErrno = error;
}

WSAEVENT WSPAPI WPUCreateEvent(LPINT lpErrno)
{
	HANDLE event = wsd_event_new(true, false);

	if (event == NULL)
		report(lpErrno, WSA_NOT_ENOUGH_MEMORY);
	return event;
}

static BOOL event_result(bool ok, LPINT lpErrno)
{
	if (!ok)
		report(lpErrno, WSA_INVALID_HANDLE);
	return ok;
}

BOOL WSPAPI WPUCloseEvent(WSAEVENT hEvent, LPINT lpErrno)
{
	return event_result(wsd_event_close(hEvent), lpErrno);
}

BOOL WSPAPI WPUSetEvent(WSAEVENT hEvent, LPINT lpErrno)
{
	return event_result(wsd_event_set(hEvent), lpErrno);
}

BOOL WSPAPI WPUResetEvent(WSAEVENT hEvent, LPINT lpErrno)
{
	return event_result(wsd_event_reset(hEvent), lpErrno);
}

int WSPAPI WPUFDIsSet(SOCKET s, fd_set *fdset)
{
	return fdset != NULL && wsd_fd_isset(s, fdset);
}

int WSPAPI WPUGetProviderPath(LPGUID lpProviderId, WCHAR *lpszProviderDllPath,
			      LPINT lpProviderDllPathLen, LPINT lpErrno)
{
	static const WCHAR path[] = WSD_L("libopenwsd.so");
	int length = (int)(sizeof(path) / sizeof(path[0])), i;
	int error = 0;

	if (lpProviderId == NULL || lpszProviderDllPath == NULL || lpProviderDllPathLen == NULL) {
		error = WSAEFAULT;
	} else if (!wsd_catalog_is_ours(lpProviderId)) {
		error = WSAEINVAL;
	} else {
		if (*lpProviderDllPathLen < length)
			error = WSAEFAULT;
		else
			for (i = 0; i < length; i++)
				lpszProviderDllPath[i] = path[i];
		*lpProviderDllPathLen = length;
	}
	if (error == 0)
		return 0;
	report(lpErrno, error);
	return SOCKET_ERROR;
}

/* There are no operating system handles to exchange: the provider is not an IFS provider. */
SOCKET WSPAPI WPUModifyIFSHandle(DWORD dwCatalogEntryId, SOCKET ProposedHandle, LPINT lpErrno)
{
	(void)dwCatalogEntryId;
	(void)ProposedHandle;
	report(lpErrno, WSAEINVAL);
	return INVALID_SOCKET;
}

/* No windows here. */
BOOL WSPAPI WPUPostMessage(HWND hWnd, UINT Msg, WPARAM wParam, LPARAM lParam)
{
	(void)hWnd;
	(void)Msg;
	(void)wParam;
	(void)lParam;
	return FALSE;
}

/* Blocking hooks are a thing of Winsock 1.1: none is ever set. */
int WSPAPI WPUQueryBlockingCallback(DWORD dwCatalogEntryId, LPBLOCKINGCALLBACK *lplpfnCallback,
				    PDWORD_PTR lpdwContext, LPINT lpErrno)
{
	int error = 0;

	if (lplpfnCallback == NULL || lpdwContext == NULL)
		error = WSAEFAULT;
	else if (wsd_catalog_by_id(dwCatalogEntryId) == NULL)
		error = WSAEINVAL;
	if (error != 0) {
		report(lpErrno, error);
		return SOCKET_ERROR;
	}
	*lplpfnCallback = NULL;
	*lpdwContext = 0;
	return 0;
}

int WSPAPI WPUQueueApc(LPWSATHREADID lpThreadId, LPWSAUSERAPC lpfnUserApc, DWORD_PTR dwContext,
		       LPINT lpErrno)
{
	DWORD last_error = GetLastError();

	if (lpThreadId == NULL || lpfnUserApc == NULL) {
		report(lpErrno, WSAEFAULT);
		return SOCKET_ERROR;
	}
	if (wsd_apc_queue(lpThreadId->ThreadHandle, lpfnUserApc, dwContext, WSD_APC_PROVIDER))
		return 0;
	report(lpErrno, GetLastError() == ERROR_NOT_ENOUGH_MEMORY ? WSAENOBUFS : WSAEFAULT);
	SetLastError(last_error);
	return SOCKET_ERROR;
}

int WSPAPI WPUOpenCurrentThread(LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct wsd_thread_state *self = wsd_thread_self();
	HANDLE handle;

	if (lpThreadId == NULL || !wsd_shim_started()) {
		report(lpErrno, lpThreadId == NULL ? WSAEFAULT : WSANOTINITIALISED);
		return SOCKET_ERROR;
	}
	handle = self != NULL ? wsd_thread_open(self) : NULL;
	if (handle == NULL) {
		report(lpErrno, WSAENOBUFS);
		return SOCKET_ERROR;
	}
	lpThreadId->ThreadHandle = handle;
	lpThreadId->Reserved = self->id;
	return 0;
}

int WSPAPI WPUCloseThread(LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	if (lpThreadId != NULL &&
	    wsd_object_close((uintptr_t)lpThreadId->ThreadHandle, WSD_HANDLE_THREAD)) {
		lpThreadId->ThreadHandle = NULL;
		return 0;
	}
	report(lpErrno, lpThreadId == NULL ? WSAEFAULT : WSA_INVALID_HANDLE);
	return SOCKET_ERROR;
}

const WSPUPCALLTABLE wsd_upcall_table = {
	.lpWPUCloseEvent = WPUCloseEvent,
	.lpWPUCloseSocketHandle = WPUCloseSocketHandle,
	.lpWPUCreateEvent = WPUCreateEvent,
	.lpWPUCreateSocketHandle = WPUCreateSocketHandle,
	.lpWPUFDIsSet = WPUFDIsSet,
	.lpWPUGetProviderPath = WPUGetProviderPath,
	.lpWPUModifyIFSHandle = WPUModifyIFSHandle,
	.lpWPUPostMessage = NULL, /* so that a provider knows, and refuses WSPAsyncSelect */
	.lpWPUQueryBlockingCallback = WPUQueryBlockingCallback,
	.lpWPUQuerySocketHandleContext = WPUQuerySocketHandleContext,
	.lpWPUQueueApc = WPUQueueApc,
	.lpWPUResetEvent = WPUResetEvent,
	.lpWPUSetEvent = WPUSetEvent,
	.lpWPUOpenCurrentThread = WPUOpenCurrentThread,
	.lpWPUCloseThread = WPUCloseThread,
};

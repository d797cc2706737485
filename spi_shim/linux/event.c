// SPDX-License-Identifier: BSD-2-Clause
/*
 * event.c - owns event objects and the wait functions, under their Win32 and their Winsock names.
 */
#include "spi_shim/linux/event.h"

#include <openwsd/openwsd.h>

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"
#include "spi_shim/linux/waitable.h"

static void event_destroy(struct wsd_object *object)
{
	struct wsd_waitable *event = wsd_container(object, struct wsd_waitable, object);

	wsd_waitable_fini(event);
	wsd_free(event);
}

HANDLE wsd_event_new(bool manual_reset, bool signalled)
{
	struct wsd_waitable *event = wsd_alloc(sizeof(*event));
	uintptr_t value;

	if (event == NULL) {
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	wsd_waitable_init(event, !manual_reset, signalled, event_destroy);
	value = wsd_object_new(WSD_HANDLE_EVENT, &event->object);
	if (value == 0) {
		event_destroy(&event->object);
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	return (HANDLE)value;
}

static struct wsd_waitable *event_get(HANDLE value)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)value, WSD_HANDLE_EVENT);

	if (object == NULL) {
		wsd_fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	return wsd_container(object, struct wsd_waitable, object);
}

bool wsd_event_set(HANDLE value)
{
	struct wsd_waitable *event = event_get(value);

	if (event == NULL)
		return false;
	wsd_waitable_signal(event);
	wsd_object_put(&event->object);
	return true;
}

bool wsd_event_reset(HANDLE value)
{
	struct wsd_waitable *event = event_get(value);

	if (event == NULL)
		return false;
	wsd_waitable_unsignal(event);
	wsd_object_put(&event->object);
	return true;
}

bool wsd_event_close(HANDLE value)
{
	if (!wsd_object_close((uintptr_t)value, WSD_HANDLE_EVENT))
		return wsd_fail(ERROR_INVALID_HANDLE);
	return true;
}

/* Win32 names */

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCSTR lpName)
{
	(void)lpAttributes;
	if (lpName != NULL) {
		wsd_fail(ERROR_NOT_SUPPORTED);
		return NULL;
	}
	return wsd_event_new(bManualReset != FALSE, bInitialState != FALSE);
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCWSTR lpName)
{
	return CreateEventA(lpAttributes, bManualReset, bInitialState,
			    lpName != NULL ? "named" : NULL);
}

BOOL WINAPI SetEvent(HANDLE hEvent)
{
	return wsd_event_set(hEvent);
}

BOOL WINAPI ResetEvent(HANDLE hEvent)
{
	return wsd_event_reset(hEvent);
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				      DWORD dwMilliseconds, BOOL bAlertable)
{
	if (nCount == 0) {
		wsd_fail(ERROR_INVALID_PARAMETER);
		return WAIT_FAILED;
	}
	return wsd_wait_objects(nCount, lpHandles, bWaitAll, dwMilliseconds, bAlertable);
}

DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				    DWORD dwMilliseconds)
{
	return WaitForMultipleObjectsEx(nCount, lpHandles, bWaitAll, dwMilliseconds, FALSE);
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable)
{
	return wsd_wait_objects(1, &hHandle, FALSE, dwMilliseconds, bAlertable);
}

DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds)
{
	return wsd_wait_objects(1, &hHandle, FALSE, dwMilliseconds, FALSE);
}

/*
 * Winsock names. As on Windows they work before WSAStartup and after WSACleanup, so that a program
 * may close its events last; only in a forked child nothing works before WSAStartup.
 */

WSAEVENT WSAAPI WSACreateEvent(void)
{
	return wsd_shim_is_dead_child() ? WSA_INVALID_EVENT : wsd_event_new(true, false);
}

BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent)
{
	return !wsd_shim_is_dead_child() && wsd_event_close(hEvent);
}

BOOL WSAAPI WSASetEvent(WSAEVENT hEvent)
{
	return !wsd_shim_is_dead_child() && wsd_event_set(hEvent);
}

BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent)
{
	return !wsd_shim_is_dead_child() && wsd_event_reset(hEvent);
}

DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll,
				      DWORD dwTimeout, BOOL fAlertable)
{
	if (wsd_shim_is_dead_child())
		return WSA_WAIT_FAILED;
	return WaitForMultipleObjectsEx(cEvents, lphEvents, fWaitAll, dwTimeout, fAlertable);
}

int wsd_event_fd(WSAEVENT value)
{
	struct wsd_waitable *event = event_get(value);
	int fd;

	if (event == NULL)
		return -1;
	fd = wsd_waitable_fd(event);
	wsd_object_put(&event->object);
	if (fd < 0)
		wsd_fail(WSAEMFILE);
	return fd;
}

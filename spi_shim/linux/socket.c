// SPDX-License-Identifier: BSD-2-Clause
/*
 * socket.c - owns socket handles and the rules of overlapped completion.
 *
 * Design notes: an association with a port is made once and never changes, so the data path reads
 * it with one atomic load. The order of a completion is fixed: byte count, then status with
 * release, then the event, then the packet. Once the status is stored the OVERLAPPED belongs to the
 * application again and is not touched.
 */
#include "spi_shim/linux/socket.h"

#include <stdatomic.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/event.h"
#include "spi_shim/linux/handle.h"
#include "spi_shim/linux/iocp.h"

struct association {
	struct wsd_port *port; /* holds a reference */
	ULONG_PTR key;
};

struct socket_object {
	struct wsd_object object; /* first */
	struct association *_Atomic association;
	_Atomic UCHAR modes;
	_Atomic(HANDLE) fd_event;
};

static _Thread_local struct wsd_call *current_call;

static void socket_destroy(struct wsd_object *object)
{
	struct socket_object *socket_object = wsd_container(object, struct socket_object, object);
	struct association *association = atomic_load(&socket_object->association);
	HANDLE event = atomic_load(&socket_object->fd_event);

	if (association != NULL) {
		wsd_port_put(association->port);
		wsd_free(association);
	}
	if (event != NULL)
		wsd_event_close(event);
	wsd_free(socket_object);
}

static struct socket_object *socket_get(SOCKET s)
{
	struct wsd_object *object = wsd_object_get(s, WSD_HANDLE_SOCKET);

	return object != NULL ? wsd_container(object, struct socket_object, object) : NULL;
}

SOCKET WSPAPI WPUCreateSocketHandle(DWORD dwCatalogEntryId, DWORD_PTR dwContext, LPINT lpErrno)
{
	struct socket_object *socket_object = wsd_alloc(sizeof(*socket_object));
	uintptr_t value = 0;
	int error = WSAENOBUFS;

	(void)dwCatalogEntryId; /* there is one provider in the process */
	if (socket_object != NULL) {
		socket_object->object.destroy = socket_destroy;
		socket_object->object.note = dwContext;
		value = wsd_object_new(WSD_HANDLE_SOCKET, &socket_object->object);
		if (value == 0 && GetLastError() == ERROR_TOO_MANY_OPEN_FILES)
			error = WSAEMFILE;
		if (value == 0)
			wsd_free(socket_object);
	}
	if (value != 0)
		return value;
	if (lpErrno != NULL)
		*lpErrno = error;
	return INVALID_SOCKET;
}

int WSPAPI WPUQuerySocketHandleContext(SOCKET s, PDWORD_PTR lpContext, LPINT lpErrno)
{
	DWORD_PTR context;
	int error = 0;

	if (!wsd_object_note(s, WSD_HANDLE_SOCKET, &context))
		error = WSAENOTSOCK;
	else if (lpContext == NULL)
		error = WSAEFAULT;
	else
		*lpContext = context;
	if (error != 0 && lpErrno != NULL)
		*lpErrno = error;
	return error == 0 ? 0 : SOCKET_ERROR;
}

int WSPAPI WPUCloseSocketHandle(SOCKET s, LPINT lpErrno)
{
	if (wsd_object_close(s, WSD_HANDLE_SOCKET))
		return 0;
	if (lpErrno != NULL)
		*lpErrno = WSAENOTSOCK;
	return SOCKET_ERROR;
}

bool wsd_socket_associate(SOCKET s, HANDLE port, ULONG_PTR key)
{
	struct socket_object *socket_object = socket_get(s);
	struct association *none = NULL, *association = NULL;
	DWORD error = ERROR_INVALID_HANDLE;

	if (socket_object == NULL)
		return wsd_fail(error);
	association = wsd_alloc(sizeof(*association));
	if (association == NULL) {
		error = ERROR_NOT_ENOUGH_MEMORY;
		goto out;
	}
	association->key = key;
	association->port = wsd_port_get(port);
	if (association->port == NULL)
		goto err_free;
	if (atomic_compare_exchange_strong(&socket_object->association, &none, association)) {
		wsd_object_put(&socket_object->object);
		return true;
	}
	error = ERROR_INVALID_PARAMETER;
	wsd_port_put(association->port);
err_free:
	wsd_free(association);
out:
	wsd_object_put(&socket_object->object);
	return wsd_fail(error);
}

BOOL WINAPI SetFileCompletionNotificationModes(HANDLE FileHandle, UCHAR Flags)
{
	struct socket_object *socket_object = socket_get((SOCKET)FileHandle);
	UCHAR known = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;

	if (socket_object == NULL)
		return wsd_fail(ERROR_INVALID_HANDLE);
	/* A socket handle is not waitable here, so the second flag has nothing to suppress. As on
	 * Windows a flag can be added, not taken back. */
	if ((Flags & ~known) == 0)
		atomic_fetch_or(&socket_object->modes, Flags);
	wsd_object_put(&socket_object->object);
	return (Flags & ~known) == 0 || wsd_fail(ERROR_INVALID_PARAMETER);
}

HANDLE wsd_socket_fd_event(SOCKET s, bool create)
{
	struct socket_object *socket_object = socket_get(s);
	HANDLE event, made, none = NULL;

	if (socket_object == NULL)
		return NULL;
	event = atomic_load(&socket_object->fd_event);
	if (event == NULL && create) {
		made = wsd_event_new(true, false);
		event = made;
		if (made != NULL &&
		    !atomic_compare_exchange_strong(&socket_object->fd_event, &none, made)) {
			wsd_event_close(made);
			event = none;
		}
	}
	wsd_object_put(&socket_object->object);
	return event;
}

void wsd_call_begin(struct wsd_call *call, LPOVERLAPPED overlapped)
{
	call->outer = current_call;
	call->overlapped = overlapped;
	call->port = NULL;
	current_call = call;
}

void wsd_call_end(struct wsd_call *call, bool succeeded)
{
	current_call = call->outer;
	if (call->port == NULL)
		return;
	if (!succeeded)
		(void)wsd_port_post(call->port, &call->packet);
	wsd_port_put(call->port);
}

/* The call of this thread that waits to know how this request ended, or NULL. */
static struct wsd_call *call_of(LPOVERLAPPED overlapped)
{
	struct wsd_call *call = current_call;

	while (call != NULL && call->overlapped != overlapped)
		call = call->outer;
	return call;
}

static bool packet_send(struct socket_object *socket_object, LPOVERLAPPED overlapped,
			ULONG_PTR status, DWORD bytes)
{
	/* acquire: pairs with the exchange in wsd_socket_associate */
	struct association *association =
		atomic_load_explicit(&socket_object->association, memory_order_acquire);
	OVERLAPPED_ENTRY packet;
	struct wsd_call *call;

	if (association == NULL)
		return true;
	packet = (OVERLAPPED_ENTRY){ association->key, overlapped, status, bytes };
	if (status == 0 && (atomic_load_explicit(&socket_object->modes, memory_order_relaxed) &
			    FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0) {
		call = call_of(overlapped);
		if (call != NULL && call->port == NULL) {
			wsd_port_ref(association->port);
			call->port = association->port;
			call->packet = packet;
			return true;
		}
	}
	return wsd_port_post(association->port, &packet);
}

int WSPAPI WPUCompleteOverlappedRequest(SOCKET s, LPWSAOVERLAPPED lpOverlapped, DWORD dwError,
					DWORD cbTransferred, LPINT lpErrno)
{
	struct socket_object *socket_object = socket_get(s);
	ULONG_PTR status = wsd_status_from_error(dwError), event;
	int error = 0;

	if (socket_object == NULL || lpOverlapped == NULL) {
		error = lpOverlapped == NULL ? WSAEFAULT : WSAEINVAL;
	} else {
		DWORD last_error = GetLastError(); /* not ours to change: we may be on any thread */

		event = (ULONG_PTR)lpOverlapped->hEvent;
		__atomic_store_n(&lpOverlapped->InternalHigh, cbTransferred, __ATOMIC_RELAXED);
		__atomic_store_n(&lpOverlapped->Internal, status, __ATOMIC_RELEASE);
		if ((event & ~(ULONG_PTR)1) != 0)
			(void)wsd_event_set((HANDLE)(event & ~(ULONG_PTR)1));
		if ((event & 1) == 0 &&
		    !packet_send(socket_object, lpOverlapped, status, cbTransferred))
			error = WSAENOBUFS;
		SetLastError(last_error);
	}
	if (socket_object != NULL)
		wsd_object_put(&socket_object->object);
	if (error != 0 && lpErrno != NULL)
		*lpErrno = error;
	return error == 0 ? 0 : SOCKET_ERROR;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * iocp.c - owns completion ports: a growing ring of packets and a list of waiting threads.
 *
 * Design notes: each packet wakes one thread, the one that began to wait last. A woken thread that
 * finds the packet gone becomes eligible again in the same critical section; one that leaves while
 * packets remain wakes the next. So no packet waits while a thread does. The ring grows when it is
 * half full, so that memory that is short for a moment costs no packet. The concurrency value is
 * not used: there is no scheduler to tell when a thread blocks.
 */
#include "spi_shim/linux/iocp.h"

#include <pthread.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/handle.h"
#include "spi_shim/linux/socket.h"
#include "spi_shim/linux/thread.h"
#include "spi_shim/linux/wait.h"

#define RING_FIRST 64u

struct wsd_port {
	struct wsd_object object; /* first */
	pthread_mutex_t lock;	  /* the rest */
	struct wsd_list waiters;
	bool closed;
	OVERLAPPED_ENTRY *ring; /* size is a power of two */
	size_t size, head, count;
};

static void port_destroy(struct wsd_object *object)
{
	struct wsd_port *port = wsd_container(object, struct wsd_port, object);

	pthread_mutex_destroy(&port->lock);
	wsd_free(port->ring);
	wsd_free(port);
}

static bool ring_grow_locked(struct wsd_port *port)
{
	size_t size = port->size == 0 ? RING_FIRST : 2 * port->size;
	OVERLAPPED_ENTRY *ring = wsd_alloc(size * sizeof(*ring));
	size_t i;

	if (ring == NULL)
		return false;
	for (i = 0; i < port->count; i++)
		ring[i] = port->ring[(port->head + i) & (port->size - 1)];
	wsd_free(port->ring);
	port->ring = ring;
	port->size = size;
	port->head = 0;
	return true;
}

static HANDLE port_new(void)
{
	struct wsd_port *port = wsd_alloc(sizeof(*port));
	uintptr_t value = 0;

	if (port != NULL) {
		port->object.destroy = port_destroy;
		pthread_mutex_init(&port->lock, NULL);
		wsd_list_init(&port->waiters);
		if (ring_grow_locked(port))
			value = wsd_object_new(WSD_HANDLE_PORT, &port->object);
		if (value == 0)
			port_destroy(&port->object);
	}
	if (value == 0)
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	return (HANDLE)value;
}

struct wsd_port *wsd_port_get(HANDLE value)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)value, WSD_HANDLE_PORT);

	if (object == NULL) {
		wsd_fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	return wsd_container(object, struct wsd_port, object);
}

void wsd_port_ref(struct wsd_port *port)
{
	wsd_object_ref(&port->object);
}

void wsd_port_put(struct wsd_port *port)
{
	wsd_object_put(&port->object);
}

/* Waiters hold references, sockets too; the packets nobody will fetch go with the last one. */
bool wsd_port_close(HANDLE value)
{
	struct wsd_port *port = wsd_port_get(value);
	bool closed;

	if (port == NULL)
		return false;
	closed = wsd_object_close((uintptr_t)value, WSD_HANDLE_PORT);
	if (closed) {
		pthread_mutex_lock(&port->lock);
		port->closed = true;
		wsd_waiters_wake_all(&port->waiters);
		pthread_mutex_unlock(&port->lock);
	}
	wsd_port_put(port);
	return closed || wsd_fail(ERROR_INVALID_HANDLE);
}

bool wsd_port_post(struct wsd_port *port, const OVERLAPPED_ENTRY *packet)
{
	bool posted = true;

	pthread_mutex_lock(&port->lock);
	if (!port->closed) {
		if (port->count >= port->size / 2)
			(void)ring_grow_locked(port);
		posted = port->count < port->size;
		if (posted) {
			port->ring[(port->head + port->count++) & (port->size - 1)] = *packet;
			wsd_waiters_wake_one(&port->waiters);
		}
	}
	pthread_mutex_unlock(&port->lock);
	return posted;
}

struct dequeue {
	struct wsd_port *port;
	OVERLAPPED_ENTRY *entries;
	ULONG wanted, got;
	bool closed, alerted;
	struct wsd_thread_state *thread; /* set when alertable */
	struct wsd_waiter waiter;
};

static bool dequeue_done(void *arg)
{
	struct dequeue *call = arg;
	struct wsd_port *port = call->port;

	if (call->got > 0 || call->alerted)
		return true;
	pthread_mutex_lock(&port->lock);
	call->closed = port->closed;
	while (!port->closed && call->got < call->wanted && port->count > 0) {
		call->entries[call->got++] = port->ring[port->head];
		port->head = (port->head + 1) & (port->size - 1);
		port->count--;
	}
	call->waiter.woken = false;
	pthread_mutex_unlock(&port->lock);
	if (call->got > 0 || call->closed)
		return true;
	call->alerted = call->thread != NULL && wsd_apc_pending(call->thread);
	return call->alerted;
}

static void dequeue_wait(struct dequeue *call, DWORD milliseconds, struct wsd_waker *waker)
{
	struct wsd_port *port = call->port;

	call->waiter.waker = waker;
	pthread_mutex_lock(&port->lock);
	wsd_list_prepend(&port->waiters, &call->waiter.link);
	pthread_mutex_unlock(&port->lock);
	if (call->thread != NULL)
		wsd_apc_wait_begin(call->thread, waker);
	(void)wsd_wait_until(dequeue_done, call, wsd_deadline_after(milliseconds), waker);
	if (call->thread != NULL)
		wsd_apc_wait_end(call->thread);
	pthread_mutex_lock(&port->lock);
	wsd_list_remove(&call->waiter.link);
	if (port->count > 0)
		wsd_waiters_wake_one(&port->waiters);
	pthread_mutex_unlock(&port->lock);
}

/* 0 with call->got > 0, or the error to report. */
static DWORD dequeue(struct dequeue *call, HANDLE value, DWORD milliseconds, BOOL alertable)
{
	struct wsd_waker *waker;

	call->port = wsd_port_get(value);
	if (call->port == NULL)
		return ERROR_INVALID_HANDLE;
	if (alertable)
		call->thread = wsd_thread_self();
	if (!dequeue_done(call) && milliseconds != 0) {
		waker = wsd_waker_self();
		if (waker != NULL)
			dequeue_wait(call, milliseconds, waker);
	}
	wsd_port_put(call->port);
	if (call->got > 0)
		return 0;
	if (call->closed)
		return ERROR_ABANDONED_WAIT_0;
	if (call->alerted) {
		wsd_apc_run(call->thread);
		return WAIT_IO_COMPLETION;
	}
	return WAIT_TIMEOUT;
}

BOOL WINAPI GetQueuedCompletionStatus(HANDLE CompletionPort, LPDWORD lpNumberOfBytes,
				      PULONG_PTR lpCompletionKey, LPOVERLAPPED *lpOverlapped,
				      DWORD dwMilliseconds)
{
	OVERLAPPED_ENTRY entry;
	struct dequeue call = { .entries = &entry, .wanted = 1 };
	DWORD error;

	if (lpNumberOfBytes == NULL || lpCompletionKey == NULL || lpOverlapped == NULL)
		return wsd_fail(ERROR_NOACCESS);
	error = dequeue(&call, CompletionPort, dwMilliseconds, FALSE);
	if (error != 0) {
		*lpOverlapped = NULL;
		return wsd_fail(error);
	}
	*lpNumberOfBytes = entry.dwNumberOfBytesTransferred;
	*lpCompletionKey = entry.lpCompletionKey;
	*lpOverlapped = entry.lpOverlapped;
	error = wsd_error_from_status(entry.Internal);
	return error == 0 ? TRUE : wsd_fail(error);
}

BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE CompletionPort, LPOVERLAPPED_ENTRY lpEntries,
					ULONG ulCount, PULONG ulNumEntriesRemoved,
					DWORD dwMilliseconds, BOOL fAlertable)
{
	struct dequeue call = { .entries = lpEntries, .wanted = ulCount };
	DWORD error;

	if (lpEntries == NULL || ulNumEntriesRemoved == NULL || ulCount == 0)
		return wsd_fail(ERROR_INVALID_PARAMETER);
	error = dequeue(&call, CompletionPort, dwMilliseconds, fAlertable);
	*ulNumEntriesRemoved = call.got;
	return error == 0 ? TRUE : wsd_fail(error);
}

BOOL WINAPI PostQueuedCompletionStatus(HANDLE CompletionPort, DWORD dwNumberOfBytesTransferred,
				       ULONG_PTR dwCompletionKey, LPOVERLAPPED lpOverlapped)
{
	OVERLAPPED_ENTRY entry = { dwCompletionKey, lpOverlapped, 0, dwNumberOfBytesTransferred };
	struct wsd_port *port = wsd_port_get(CompletionPort);
	bool posted;

	if (port == NULL)
		return FALSE;
	posted = wsd_port_post(port, &entry);
	wsd_port_put(port);
	return posted || wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
}

HANDLE WINAPI CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort,
				     ULONG_PTR CompletionKey, DWORD NumberOfConcurrentThreads)
{
	HANDLE port = ExistingCompletionPort;

	(void)NumberOfConcurrentThreads;
	if (FileHandle == INVALID_HANDLE_VALUE) {
		if (port == NULL)
			return port_new();
		wsd_fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (port == NULL)
		port = port_new();
	if (port == NULL || wsd_socket_associate((SOCKET)FileHandle, port, CompletionKey))
		return port;
	if (port != ExistingCompletionPort) {
		DWORD error = GetLastError();

		wsd_port_close(port);
		wsd_fail(error);
	}
	return NULL;
}

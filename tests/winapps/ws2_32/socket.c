// SPDX-License-Identifier: BSD-2-Clause
/*
 * socket.c - socket handles of the provider: each is an unused socket of the system, so that it is a valid
 * handle for everybody, with the provider's context and the completion port kept here.
 *
 * The order of a completion: byte count, status, event, packet. After the status the OVERLAPPED belongs to
 * the application again.
 */
#include "host.h"

#include <stdlib.h>

#include <winternl.h>

#define BUCKETS 4096u

struct entry {
	struct entry *next;
	SOCKET s;
	DWORD_PTR context;
	HANDLE port; /* ours, a duplicate, or NULL */
	ULONG_PTR key;
	UCHAR modes;
};

static SRWLOCK lock = SRWLOCK_INIT;
static struct entry *buckets[BUCKETS];
static __thread struct call *current_call;

LONG NTAPI NtSetIoCompletion(HANDLE port, ULONG_PTR key, ULONG_PTR value, LONG status,
			     ULONG_PTR information);

/* [lock] */
static struct entry **place_of(SOCKET s)
{
	struct entry **place = &buckets[(s >> 2) % BUCKETS];

	while (*place != NULL && (*place)->s != s)
		place = &(*place)->next;
	return place;
}

SOCKET WSPAPI upcall_create_handle(DWORD id, DWORD_PTR context, LPINT error)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct entry **place;

	(void)id;
	if (entry == NULL) {
		*error = WSAENOBUFS;
		return INVALID_SOCKET;
	}
	entry->s = sys.WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
	if (entry->s == INVALID_SOCKET) {
		free(entry);
		*error = WSAENOBUFS;
		return INVALID_SOCKET;
	}
	entry->context = context;
	AcquireSRWLockExclusive(&lock);
	place = place_of(entry->s);
	entry->next = *place;
	*place = entry;
	ReleaseSRWLockExclusive(&lock);
	return entry->s;
}

int WSPAPI upcall_close_handle(SOCKET s, LPINT error)
{
	struct entry **place, *entry;

	AcquireSRWLockExclusive(&lock);
	place = place_of(s);
	entry = *place;
	if (entry != NULL) {
		*place = entry->next;
		/* Within the lock: who finds that it is not ours must not find it with the system either. */
		(void)sys.closesocket(s);
	}
	ReleaseSRWLockExclusive(&lock);
	if (entry == NULL) {
		*error = WSAENOTSOCK;
		return SOCKET_ERROR;
	}
	if (entry->port != NULL)
		CloseHandle(entry->port);
	free(entry);
	return 0;
}

/* A copy, because the entry may go at any time. */
static bool look_up(SOCKET s, struct entry *copy)
{
	struct entry *entry;

	AcquireSRWLockShared(&lock);
	entry = *place_of(s);
	if (entry != NULL)
		*copy = *entry;
	ReleaseSRWLockShared(&lock);
	return entry != NULL;
}

int WSPAPI upcall_query_context(SOCKET s, PDWORD_PTR context, LPINT error)
{
	struct entry entry;

	if (!look_up(s, &entry)) {
		*error = WSAENOTSOCK;
		return SOCKET_ERROR;
	}
	*context = entry.context;
	return 0;
}

bool socket_is_ours(SOCKET s)
{
	struct entry entry;

	return look_up(s, &entry);
}

const WSPPROC_TABLE *socket_enter(SOCKET s)
{
	return socket_is_ours(s) ? host_enter() : NULL;
}

bool socket_associate(SOCKET s, HANDLE port, ULONG_PTR key)
{
	DWORD error = ERROR_INVALID_HANDLE; /* closed since it was looked at */
	HANDLE self = GetCurrentProcess(), copy;
	struct entry *entry;

	if (!DuplicateHandle(self, port, self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS))
		return false;
	AcquireSRWLockExclusive(&lock);
	entry = *place_of(s);
	if (entry != NULL && entry->port != NULL) {
		error = ERROR_INVALID_PARAMETER; /* it has one */
	} else if (entry != NULL) {
		entry->port = copy;
		entry->key = key;
		error = 0;
	}
	ReleaseSRWLockExclusive(&lock);
	if (error != 0) {
		CloseHandle(copy);
		SetLastError(error);
	}
	return error == 0;
}

bool socket_set_modes(SOCKET s, UCHAR flags)
{
	struct entry *entry;

	AcquireSRWLockExclusive(&lock);
	entry = *place_of(s);
	if (entry != NULL)
		entry->modes |= flags;
	ReleaseSRWLockExclusive(&lock);
	return entry != NULL;
}

void call_begin(struct call *call, OVERLAPPED *overlapped)
{
	call->outer = current_call;
	call->overlapped = overlapped;
	call->port = NULL;
	current_call = call;
}

void call_end(struct call *call, bool succeeded)
{
	current_call = call->outer;
	if (call->port == NULL)
		return;
	if (!succeeded)
		(void)NtSetIoCompletion(call->port, call->key, (ULONG_PTR)call->overlapped,
					call->status, call->bytes);
	CloseHandle(call->port);
}

/* What GetQueuedCompletionStatus turns back into the code. */
static LONG status_of(DWORD error)
{
	switch (error) {
	case 0:
		return 0;
	case WSA_OPERATION_ABORTED:
		return (LONG)0xC0000120; /* STATUS_CANCELLED */
	case WSAECONNREFUSED:
		return (LONG)0xC0000236; /* STATUS_CONNECTION_REFUSED */
	case WSAECONNRESET:
		return (LONG)0xC000020D; /* STATUS_CONNECTION_RESET */
	default:
		return (LONG)(0xC0070000u | (error & 0xFFFFu));
	}
}

/* With the mode "skip on success" whether there is a packet depends on what the call says. */
static bool keep_for_call(const struct entry *entry, OVERLAPPED *overlapped, DWORD bytes)
{
	struct call *call = current_call;
	HANDLE self = GetCurrentProcess();

	while (call != NULL && call->overlapped != overlapped)
		call = call->outer;
	if (call == NULL || call->port != NULL ||
	    !DuplicateHandle(self, entry->port, self, &call->port, 0, FALSE, DUPLICATE_SAME_ACCESS))
		return false;
	call->key = entry->key;
	call->status = 0;
	call->bytes = bytes;
	return true;
}

int WSPAPI WPUCompleteOverlappedRequest(SOCKET s, LPWSAOVERLAPPED overlapped, DWORD error,
					DWORD bytes, LPINT result)
{
	DWORD last_error = GetLastError();
	LONG status = status_of(error);
	struct entry *entry, copy;
	HANDLE port = NULL, event, self = GetCurrentProcess();

	host_trace("completed", s, error, overlapped);
	AcquireSRWLockShared(&lock);
	entry = *place_of(s);
	if (entry != NULL) {
		copy = *entry;
		if (entry->port != NULL)
			(void)DuplicateHandle(self, entry->port, self, &port, 0, FALSE,
					      DUPLICATE_SAME_ACCESS);
	}
	ReleaseSRWLockShared(&lock);
	if (entry == NULL || overlapped == NULL) {
		*result = WSAEINVAL;
		return SOCKET_ERROR;
	}
	event = overlapped->hEvent;
	overlapped->InternalHigh = bytes;
	__atomic_store_n(&overlapped->Internal, (ULONG_PTR)status, __ATOMIC_RELEASE);
	if (((ULONG_PTR)event & ~(ULONG_PTR)1) != 0)
		SetEvent((HANDLE)((ULONG_PTR)event & ~(ULONG_PTR)1));
	if (port != NULL) {
		bool kept = false;

		copy.port = port;
		if (status == 0 && (copy.modes & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0)
			kept = keep_for_call(&copy, (OVERLAPPED *)overlapped, bytes);
		if (!kept && ((ULONG_PTR)event & 1) == 0)
			(void)NtSetIoCompletion(port, copy.key, (ULONG_PTR)overlapped, status,
						bytes);
		CloseHandle(port);
	}
	SetLastError(last_error);
	return 0;
}

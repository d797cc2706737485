// SPDX-License-Identifier: BSD-2-Clause
/*
 * startup.c - owns the start and the end: WSAStartup, WSACleanup, process exit, fork.
 *
 * Design notes: the first WSAStartup calls WSPStartup, the last WSACleanup calls WSPCleanup. The
 * lock is held across both, so that a start waits for a stop. API calls read one pointer and take
 * no lock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/winsock/provider.h"
#include "spi_shim/linux/catalog.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"

static struct {
	pthread_mutex_t lock; /* count, table, process, exit_hooked */
	unsigned count;
	WSPPROC_TABLE table;
	pid_t process; /* the one that started: a child made without fork() handlers is not it */
	bool exit_hooked;
	const WSPPROC_TABLE *_Atomic active;
	atomic_bool dead_child;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool wsd_shim_started(void)
{
	return atomic_load_explicit(&state.active, memory_order_relaxed) != NULL;
}

const WSPPROC_TABLE *wsd_shim_provider(void)
{
	/* acquire: the table was filled before active was set */
	const WSPPROC_TABLE *table = atomic_load_explicit(&state.active, memory_order_acquire);

	if (table == NULL)
		wsd_fail(WSANOTINITIALISED);
	return table;
}

bool wsd_shim_is_dead_child(void)
{
	if (!atomic_load_explicit(&state.dead_child, memory_order_relaxed))
		return false;
	wsd_fail(WSANOTINITIALISED);
	return true;
}

/*
 * exit() and the return from main: what a kernel TCP would deliver after the process is gone is
 * delivered now. The engines keep running, because other threads may still be inside a call.
 */
static void at_exit(void)
{
	/* Somebody is just starting or stopping and will not come back: leave it to the system. */
	if (pthread_mutex_trylock(&state.lock) != 0)
		return;
	if (atomic_load(&state.active) != NULL && state.process == getpid())
		wsd_provider_exit();
	pthread_mutex_unlock(&state.lock);
}

void wsd_shim_forked(void)
{
	pthread_mutex_init(&state.lock, NULL);
	if (state.count > 0 || atomic_load(&state.active) != NULL)
		atomic_store(&state.dead_child, true);
	state.count = 0;
	atomic_store(&state.active, NULL);
}

/* Windows would find the first NULL by crashing; WSAEINVALIDPROCTABLE is what it documents. */
static bool table_is_complete(const WSPPROC_TABLE *table)
{
	void *entries[sizeof(*table) / sizeof(void *)];
	size_t i;

	memcpy(entries, table, sizeof(entries));
	for (i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		if (entries[i] == NULL)
			return false;
	return true;
}

/*
 * What the provider takes from the system by name, because no table carries it. At load: WSPStartup
 * is exported, and another host may call it. The names are looked up when the program starts, so a
 * host that brings its own WPUCompleteOverlappedRequest gets the completions.
 */
static LPWPUCOMPLETEOVERLAPPEDREQUEST complete_by_name(const WSPUPCALLTABLE *table)
{
	(void)table;
	return WPUCompleteOverlappedRequest;
}

__attribute__((constructor)) static void give_upcalls(void)
{
	wsd_upcalls_set_find_complete(complete_by_name);
	wsd_upcalls_set_file_reader(&wsd_file_reader);
	wsd_upcalls_set_last_error(WSASetLastError);
}

static int provider_start_locked(void)
{
	WSAPROTOCOL_INFOW info = *wsd_catalog_at(0);
	WSPDATA data;
	int error;

	memset(&state.table, 0, sizeof(state.table));
	error = WSPStartup(WINSOCK_VERSION, &data, &info, wsd_upcall_table, &state.table);
	if (error != 0)
		return error;
	if (data.wVersion == WINSOCK_VERSION && table_is_complete(&state.table))
		return 0;
	error = data.wVersion == WINSOCK_VERSION ? WSAEINVALIDPROCTABLE : WSAEINVALIDPROVIDER;
	if (state.table.lpWSPCleanup != NULL) {
		int ignored;

		(void)state.table.lpWSPCleanup(&ignored);
	}
	return error;
}

static int count_up(void)
{
	int error = 0;

	pthread_mutex_lock(&state.lock);
	if (state.count == 0) {
		error = provider_start_locked();
		if (error == 0) {
			state.process = getpid();
			atomic_store(&state.active, &state.table);
			atomic_store(&state.dead_child, false);
			if (!state.exit_hooked)
				state.exit_hooked = atexit(at_exit) == 0;
		}
	}
	if (error == 0)
		state.count++;
	pthread_mutex_unlock(&state.lock);
	return error;
}

/*
 * Returns the error code itself, like Windows; versions 1.0 to 2.2 are accepted and behave as 2.2.
 */
int WSAAPI WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData)
{
	unsigned major = LOBYTE(wVersionRequested), minor = HIBYTE(wVersionRequested);
	int error;

	if (lpWSAData == NULL)
		return WSAEFAULT;
	memset(lpWSAData, 0, sizeof(*lpWSAData));
	lpWSAData->wHighVersion = WINSOCK_VERSION;
	lpWSAData->wVersion = WINSOCK_VERSION;
	if (major == 0)
		return WSAVERNOTSUPPORTED;
	if (major == 1)
		lpWSAData->wVersion = minor == 0 ? MAKEWORD(1, 0) : MAKEWORD(1, 1);
	else if (major == 2 && minor < 2)
		lpWSAData->wVersion = wVersionRequested;
	error = count_up();
	if (error != 0)
		return error;
	memcpy(lpWSAData->szDescription, "OpenWSD", sizeof("OpenWSD"));
	memcpy(lpWSAData->szSystemStatus, "Running", sizeof("Running"));
	if (major == 1)
		lpWSAData->iMaxSockets = 32767; /* ignored since 2.0, where it is 0 */
	return 0;
}

int WSAAPI WSACleanup(void)
{
	int error = WSANOTINITIALISED, result = SOCKET_ERROR;

	pthread_mutex_lock(&state.lock);
	if (state.count > 0) {
		result = 0;
		if (--state.count == 0) {
			atomic_store(&state.active, NULL);
			result = state.table.lpWSPCleanup(&error);
		}
	}
	pthread_mutex_unlock(&state.lock);
	if (result != 0)
		wsd_fail((DWORD)error);
	return result;
}

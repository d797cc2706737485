// SPDX-License-Identifier: BSD-2-Clause
/*
 * provider.c - WSPStartup and WSPCleanup, the copy of the upcall table, the table of sockets.
 *
 * The provider lock (rank 10) guards the start-up count and the list of unused slots. Upcalls are
 * read without it: a new table goes into the next of a few places and is then published, so that a
 * call that runs during a repeated start-up still sees one whole table.
 */
#include <openwsd/ws2san.h>

#include "provider/winsock/netwatch.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define CHUNK		1024u
#define CHUNKS		1024u
#define UPCALL_TABLES	8u
#define LOWEST_MAJOR	2
#define CATALOG_ENTRIES 8 /* of a provider: one for each family today */

static struct {
	atomic_bool ready;
	struct wsd_mutex lock;
	unsigned started;
	WSPUPCALLTABLE upcalls[UPCALL_TABLES];
	unsigned upcall_index;
	WSAPROTOCOL_INFOW entries[CATALOG_ENTRIES]; /* the first is the one given at start-up */
	unsigned entry_count;
	unsigned slots;
	struct wsd_socket *unused;
} provider;

static atomic_flag initialising = ATOMIC_FLAG_INIT;
static atomic_bool running;
static atomic_bool exiting;
static atomic_int live_streams;
static _Atomic(const WSPUPCALLTABLE *) current_upcalls;
static _Atomic(LPWPUCOMPLETEOVERLAPPEDREQUEST) complete_upcall;
static _Atomic(const struct wsd_file_reader *) file_reader;
static _Atomic(struct wsd_socket **) chunks[CHUNKS];

static void init_once(void)
{
	if (atomic_load(&provider.ready))
		return;
	while (atomic_flag_test_and_set(&initialising))
		wsd_cpu_relax();
	if (!atomic_load(&provider.ready)) {
		wsd_mutex_init(&provider.lock);
		wsd_port_init();
		wsd_netwatch_init();
		atomic_store(&provider.ready, true);
	}
	atomic_flag_clear(&initialising);
}

/* --- what the host gave --- */

void wsd_upcalls_set_complete(LPWPUCOMPLETEOVERLAPPEDREQUEST complete)
{
	atomic_store(&complete_upcall, complete);
}

LPWPUCOMPLETEOVERLAPPEDREQUEST wsd_upcall_complete(void)
{
	return atomic_load(&complete_upcall);
}

void wsd_upcalls_set_file_reader(const struct wsd_file_reader *reader)
{
	atomic_store(&file_reader, reader);
}

const struct wsd_file_reader *wsd_upcalls_file_reader(void)
{
	return atomic_load(&file_reader);
}

const WSPUPCALLTABLE *wsd_upcalls(void)
{
	/* acquire: pairs with the release that published the filled table */
	return atomic_load_explicit(&current_upcalls, memory_order_acquire);
}

bool wsd_provider_started(void)
{
	/* acquire: what start-up wrote is visible to whoever sees it started */
	return atomic_load_explicit(&running, memory_order_acquire);
}

bool wsd_provider_exiting(void)
{
	return atomic_load(&exiting);
}

/* [provider lock] */
static const WSAPROTOCOL_INFOW *find_entry(DWORD catalog_id)
{
	for (unsigned i = 0; i < provider.entry_count; i++)
		if (provider.entries[i].dwCatalogEntryId == catalog_id)
			return &provider.entries[i];
	return NULL;
}

DWORD wsd_provider_catalog_id(const WSAPROTOCOL_INFOW *given)
{
	DWORD id;

	wsd_mutex_lock(&provider.lock);
	id = given != NULL ? given->dwCatalogEntryId : provider.entries[0].dwCatalogEntryId;
	if (given != NULL && find_entry(id) == NULL && provider.entry_count < CATALOG_ENTRIES)
		provider.entries[provider.entry_count++] = *given;
	wsd_mutex_unlock(&provider.lock);
	return id;
}

void wsd_provider_protocol(DWORD catalog_id, WSAPROTOCOL_INFOW *info)
{
	const WSAPROTOCOL_INFOW *entry;

	wsd_mutex_lock(&provider.lock);
	entry = find_entry(catalog_id);
	*info = entry != NULL ? *entry : provider.entries[0];
	wsd_mutex_unlock(&provider.lock);
}

/* --- slots: kept for ever, because a call may look at one while another thread cleans up --- */

struct wsd_socket *wsd_slot_get(DWORD_PTR context)
{
	struct wsd_socket **chunk;

	if (context == 0 || context > (DWORD_PTR)CHUNKS * CHUNK)
		return NULL;
	/* acquire: a chunk is published after it has been cleared */
	chunk = atomic_load_explicit(&chunks[(context - 1) / CHUNK], memory_order_acquire);
	return chunk == NULL ? NULL : chunk[(context - 1) % CHUNK];
}

/* [provider lock] */
static struct wsd_socket *grow(void)
{
	unsigned index = provider.slots;
	struct wsd_socket **chunk;
	struct wsd_socket *sock;

	if (index >= CHUNKS * CHUNK)
		return NULL;
	chunk = atomic_load(&chunks[index / CHUNK]);
	if (chunk == NULL) {
		chunk = wsd_alloc(CHUNK * sizeof(chunk[0]));
		if (chunk == NULL)
			return NULL;
		atomic_store(&chunks[index / CHUNK], chunk);
	}
	sock = wsd_alloc(sizeof(*sock));
	if (sock == NULL)
		return NULL;
	wsd_mutex_init(&sock->lock);
	sock->handle = INVALID_SOCKET;
	sock->closed = true;
	sock->context = (DWORD_PTR)index + 1;
	chunk[index % CHUNK] = sock;
	provider.slots = index + 1;
	return sock;
}

struct wsd_socket *wsd_slot_take(void)
{
	struct wsd_socket *sock;

	wsd_mutex_lock(&provider.lock);
	sock = provider.unused;
	if (sock != NULL)
		provider.unused = sock->next_free;
	else
		sock = grow();
	wsd_mutex_unlock(&provider.lock);
	return sock;
}

void wsd_slot_put(struct wsd_socket *sock)
{
	wsd_mutex_lock(&provider.lock);
	sock->next_free = provider.unused;
	provider.unused = sock;
	wsd_mutex_unlock(&provider.lock);
}

unsigned wsd_slot_count(void)
{
	unsigned count;

	wsd_mutex_lock(&provider.lock);
	count = provider.slots;
	wsd_mutex_unlock(&provider.lock);
	return count;
}

/* --- start --- */

static void describe(LPWSPDATA data)
{
	static const char text[] = "OpenWSD RDMA stream provider";

	memset(data->szDescription, 0, sizeof(data->szDescription));
	for (size_t i = 0; i < sizeof(text); i++)
		data->szDescription[i] = (WCHAR)text[i];
}

/* [provider lock] */
static void publish_upcalls(const WSPUPCALLTABLE *table)
{
	const WSPUPCALLTABLE *now = atomic_load(&current_upcalls);

	if (now != NULL && memcmp(now, table, sizeof(*table)) == 0)
		return;
	provider.upcall_index = (provider.upcall_index + 1) % UPCALL_TABLES;
	provider.upcalls[provider.upcall_index] = *table;
	atomic_store(&current_upcalls, &provider.upcalls[provider.upcall_index]);
}

static bool upcalls_complete(const WSPUPCALLTABLE *table)
{
	return table->lpWPUCreateSocketHandle != NULL && table->lpWPUCloseSocketHandle != NULL &&
	       table->lpWPUQuerySocketHandleContext != NULL && table->lpWPUSetEvent != NULL &&
	       table->lpWPUResetEvent != NULL && table->lpWPUQueueApc != NULL;
}

/* Mode S, for a switch above: the contract is not built yet, so it never starts. */
int WSPAPI WSPStartupEx(WORD wVersionRequested, LPWSPDATA lpWSPData,
			LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSPUPCALLTABLEEX lpUpcallTable,
			LPWSPPROC_TABLE lpProcTable)
{
	(void)wVersionRequested;
	if (lpWSPData == NULL || lpProcTable == NULL || lpProtocolInfo == NULL ||
	    lpUpcallTable == NULL)
		return WSAEFAULT;
	return WSASYSNOTREADY;
}

int WSPAPI WSPStartup(WORD wVersionRequested, LPWSPDATA lpWSPData,
		      LPWSAPROTOCOL_INFOW lpProtocolInfo, WSPUPCALLTABLE UpcallTable,
		      LPWSPPROC_TABLE lpProcTable)
{
	int error = 0;

	if (lpWSPData == NULL || lpProcTable == NULL || lpProtocolInfo == NULL)
		return WSAEFAULT;
	if (LOBYTE(wVersionRequested) < LOWEST_MAJOR)
		return WSAVERNOTSUPPORTED;
	if (!upcalls_complete(&UpcallTable) || wsd_upcall_complete() == NULL)
		return WSASYSNOTREADY;
	init_once();
	wsd_mutex_lock(&provider.lock);
	if (provider.started == 0 && wsd_engines_start() != WSD_OK) {
		error = WSASYSNOTREADY;
	} else {
		provider.started++;
		provider.entries[0] = *lpProtocolInfo;
		provider.entry_count = 1;
		publish_upcalls(&UpcallTable);
		if (provider.started == 1)
			wsd_netwatch_allow();
		atomic_store(&running, true);
	}
	wsd_mutex_unlock(&provider.lock);
	if (error != 0)
		return error;
	lpWSPData->wHighVersion = MAKEWORD(2, 2);
	lpWSPData->wVersion = LOBYTE(wVersionRequested) == 2 && HIBYTE(wVersionRequested) < 2
				      ? wVersionRequested
				      : MAKEWORD(2, 2);
	describe(lpWSPData);
	*lpProcTable = wsd_proc_table;
	return 0;
}

/* --- stop --- */

void wsd_streams_count(int delta)
{
	atomic_fetch_add(&live_streams, delta);
}

static bool no_streams(void *arg)
{
	(void)arg;
	return atomic_load(&live_streams) == 0;
}

/* Wait for streams and listeners to end; nobody wakes us, so look every few milliseconds. */
static void wait_for_streams(uint64_t deadline)
{
	struct wsd_waker *waker = wsd_waker_self();

	while (waker != NULL && !no_streams(NULL) && wsd_clock_ns() < deadline) {
		uint64_t step = wsd_clock_ns() + 2 * WSD_NS_PER_MS;

		(void)wsd_engine_wait(NULL, 0, no_streams, NULL, step < deadline ? step : deadline,
				      waker);
	}
}

/* First everything falls silent: the other end of a connection may be in this process too, and its
 * operations must not end with the reset that we are about to cause. */
static void shut_all(bool abort, bool quiet)
{
	unsigned count = wsd_slot_count();

	for (unsigned i = 1; i <= count; i++) {
		struct wsd_socket *sock = wsd_slot_get(i);

		if (sock != NULL && quiet)
			wsd_socket_silence(sock);
	}
	for (unsigned i = 1; i <= count; i++) {
		struct wsd_socket *sock = wsd_slot_get(i);

		if (sock != NULL)
			wsd_socket_shut(sock, abort, quiet);
	}
}

static uint64_t exit_linger(void)
{
	return wsd_param_uint("EXIT_LINGER", 2000, 0, 600000) * WSD_NS_PER_MS;
}

int WSPAPI wsd_spi_cleanup(LPINT lpErrno)
{
	bool last = false;

	init_once();
	wsd_mutex_lock(&provider.lock);
	if (provider.started == 0) {
		wsd_mutex_unlock(&provider.lock);
		if (lpErrno != NULL)
			*lpErrno = WSANOTINITIALISED;
		return SOCKET_ERROR;
	}
	last = --provider.started == 0;
	if (last)
		atomic_store(&running, false);
	wsd_mutex_unlock(&provider.lock);
	if (!last)
		return 0;
	wsd_netwatch_stop();
	shut_all(true, true);
	wsd_streams_drain(wsd_clock_ns() + exit_linger());
	wait_for_streams(wsd_clock_ns() + 1500 * WSD_NS_PER_MS);
	/* What does not end in time still uses its engine: then the next start finds it running. */
	if (no_streams(NULL))
		wsd_engines_stop();
	else
		wsd_log(WSD_LOG_WARNING, "winsock", "%d connections have not ended yet",
			atomic_load(&live_streams));
	return 0;
}

void wsd_provider_exit(void)
{
	if (!wsd_provider_started())
		return;
	atomic_store(&exiting, true);
	atomic_store(&running, false);
	shut_all(false, true);
	wsd_streams_drain(wsd_clock_ns() + exit_linger());
}

void wsd_provider_fork_child(void)
{
	/* Another thread of the parent may have been inside init_once. */
	atomic_flag_clear(&initialising);
	if (!atomic_load(&provider.ready))
		return;
	/* Other threads of the parent may have held any lock: make them anew, drop what they guard.
	 * The sockets' memory is left alone, it is the parent's picture of its connections. */
	atomic_store(&running, false);
	atomic_store(&exiting, false);
	wsd_mutex_init(&provider.lock);
	wsd_port_init();
	wsd_netwatch_init();
	wsd_engines_fork_child();
	wsd_streams_fork_child();
	provider.started = 0;
	provider.slots = 0;
	provider.unused = NULL;
	atomic_store(&live_streams, 0);
	for (unsigned i = 0; i < CHUNKS; i++)
		atomic_store(&chunks[i], NULL);
}

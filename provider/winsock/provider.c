// SPDX-License-Identifier: BSD-2-Clause
/*
 * provider.c - WSPStartup, WSPStartupEx and WSPCleanup, the copies of the upcall tables, the table of
 * sockets.
 *
 * The provider lock (rank 10) guards the start-up count and the list of unused slots. Upcalls are
 * read without it: a new table goes into the next of a few places and is then published, so that a
 * call that runs during a repeated start-up still sees one whole table.
 */
#include <openwsd/ws2san.h>

#include "provider/transport/plain.h"
#include "provider/winsock/netwatch.h"
#include "provider/winsock/roster.h"
#include "provider/winsock/routine.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define CHUNK		1024u
#define CHUNKS		1024u
#define UPCALL_TABLES	8u
#define LOWEST_MAJOR	2
#define CATALOG_ENTRIES 8 /* of a provider: one for each family today */

/* Who started us in one mode: each mode has its host, its count and its sockets. */
struct host {
	unsigned started;
	atomic_uint start; /* which one since the process began: of the sockets made in it */
	struct wsd_upcalls upcalls[UPCALL_TABLES];
	unsigned upcall_index;
	WSAPROTOCOL_INFOW entries[CATALOG_ENTRIES]; /* the first is the one given at start-up */
	unsigned entry_count;
	atomic_bool running;
	atomic_int live; /* streams, channels and listeners that still call back */
	_Atomic(const struct wsd_upcalls *) current;
};

static struct {
	atomic_bool ready;
	struct wsd_mutex lock;
	unsigned slots;
	struct wsd_socket *unused;
	struct host hosts[WSD_MODES];
	_Atomic uint64_t connect_timeout, close_timeout; /* ns */
} provider;

static atomic_flag initialising = ATOMIC_FLAG_INIT;
static atomic_bool exiting;
static _Atomic(wsd_find_complete) find_complete;
static _Atomic(wsd_upcalls_given) upcalls_given;
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
		wsd_shares_init();
		atomic_store(&provider.ready, true);
	}
	atomic_flag_clear(&initialising);
}

/* --- what the host gave --- */

void wsd_upcalls_set_find_complete(wsd_find_complete find)
{
	atomic_store(&find_complete, find);
}

void wsd_upcalls_set_given(wsd_upcalls_given given)
{
	atomic_store(&upcalls_given, given);
}

void wsd_upcalls_set_file_reader(const struct wsd_file_reader *reader)
{
	atomic_store(&file_reader, reader);
}

const struct wsd_file_reader *wsd_upcalls_file_reader(void)
{
	return atomic_load(&file_reader);
}

const struct wsd_upcalls *wsd_upcalls(unsigned mode)
{
	/* acquire: pairs with the release that published the filled table */
	return atomic_load_explicit(&provider.hosts[mode].current, memory_order_acquire);
}

bool wsd_provider_started(unsigned mode)
{
	/* acquire: what start-up wrote is visible to whoever sees it started */
	return atomic_load_explicit(&provider.hosts[mode].running, memory_order_acquire);
}

unsigned wsd_provider_start(unsigned mode)
{
	return atomic_load(&provider.hosts[mode].start);
}

bool wsd_provider_exiting(void)
{
	return atomic_load(&exiting);
}

/* [provider lock] */
static const WSAPROTOCOL_INFOW *find_entry(const struct host *host, DWORD catalog_id)
{
	for (unsigned i = 0; i < host->entry_count; i++)
		if (host->entries[i].dwCatalogEntryId == catalog_id)
			return &host->entries[i];
	return NULL;
}

DWORD wsd_provider_catalog_id(unsigned mode, const WSAPROTOCOL_INFOW *given)
{
	struct host *host = &provider.hosts[mode];
	DWORD id;

	wsd_mutex_lock(&provider.lock);
	id = given != NULL ? given->dwCatalogEntryId : host->entries[0].dwCatalogEntryId;
	if (given != NULL && find_entry(host, id) == NULL && host->entry_count < CATALOG_ENTRIES)
		host->entries[host->entry_count++] = *given;
	wsd_mutex_unlock(&provider.lock);
	return id;
}

void wsd_provider_protocol(unsigned mode, DWORD catalog_id, WSAPROTOCOL_INFOW *info)
{
	const struct host *host = &provider.hosts[mode];
	const WSAPROTOCOL_INFOW *entry;

	wsd_mutex_lock(&provider.lock);
	entry = find_entry(host, catalog_id);
	*info = entry != NULL ? *entry : host->entries[0];
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
	wsd_mutex_init(&sock->tell);
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

static void read_timeouts(void)
{
	atomic_store(&provider.connect_timeout,
		     wsd_param_uint("CONNECT_TIMEOUT", 21000, 1, 3600000) * WSD_NS_PER_MS);
	atomic_store(&provider.close_timeout,
		     wsd_param_uint("CLOSE_TIMEOUT", 60000, 1, 3600000) * WSD_NS_PER_MS);
}

uint64_t wsd_connect_timeout(void)
{
	return atomic_load(&provider.connect_timeout);
}

uint64_t wsd_close_timeout(void)
{
	return atomic_load(&provider.close_timeout);
}

static void describe(unsigned mode, LPWSPDATA data)
{
	static const char *const texts[WSD_MODES] = {
		[WSD_MODE_STREAM] = "OpenWSD RDMA stream provider",
		[WSD_MODE_SAN] = "OpenWSD SAN provider",
	};
	const char *text = texts[mode];

	memset(data->szDescription, 0, sizeof(data->szDescription));
	for (size_t i = 0; text[i] != '\0'; i++)
		data->szDescription[i] = (WCHAR)text[i];
}

/* [provider lock] */
static void publish_upcalls(struct host *host, const struct wsd_upcalls *upcalls)
{
	const struct wsd_upcalls *now = atomic_load(&host->current);

	if (now != NULL && memcmp(now, upcalls, sizeof(*upcalls)) == 0)
		return;
	host->upcall_index = (host->upcall_index + 1) % UPCALL_TABLES;
	host->upcalls[host->upcall_index] = *upcalls;
	atomic_store(&host->current, &host->upcalls[host->upcall_index]);
}

static bool upcalls_complete(unsigned mode, const struct wsd_upcalls *upcalls)
{
	const WSPUPCALLTABLE *table = &upcalls->table;

	if (table->lpWPUCreateSocketHandle == NULL || table->lpWPUCloseSocketHandle == NULL ||
	    table->lpWPUSetEvent == NULL || table->lpWPUResetEvent == NULL ||
	    upcalls->complete == NULL)
		return false;
	return mode == WSD_MODE_SAN ||
	       (table->lpWPUQuerySocketHandleContext != NULL && table->lpWPUQueueApc != NULL);
}

/* Messages and memory of mode S need one; plain TCP is for streams. */
static bool has_device(void)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		if (!wsd_engine_is_plain(wsd_engine_at(i)))
			return true;
	wsd_log(WSD_LOG_WARNING, "winsock", "no device for mode S");
	return false;
}

/* [provider lock] */
static bool start_engines(unsigned mode)
{
	if (wsd_engines_start() != WSD_OK)
		return false;
	if (mode != WSD_MODE_SAN || has_device())
		return true;
	wsd_engines_stop();
	return false;
}

static int start(unsigned mode, WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW info,
		 const struct wsd_upcalls *upcalls)
{
	wsd_upcalls_given given = atomic_load(&upcalls_given);
	struct host *host = &provider.hosts[mode];
	int error = 0;

	if (LOBYTE(version) < LOWEST_MAJOR)
		return WSAVERNOTSUPPORTED;
	if (!upcalls_complete(mode, upcalls))
		return WSASYSNOTREADY;
	if (given != NULL)
		given(&upcalls->table);
	init_once();
	wsd_mutex_lock(&provider.lock);
	if (host->started == 0 && !start_engines(mode)) {
		error = WSASYSNOTREADY;
	} else {
		if (host->started++ == 0) {
			atomic_fetch_add(&host->start, 1);
			read_timeouts();
			wsd_roster_open();
		}
		host->entries[0] = *info;
		host->entry_count = 1;
		publish_upcalls(host, upcalls);
		if (mode == WSD_MODE_STREAM && host->started == 1)
			wsd_netwatch_allow();
		atomic_store(&host->running, true);
	}
	wsd_mutex_unlock(&provider.lock);
	if (error != 0)
		return error;
	data->wHighVersion = MAKEWORD(2, 2);
	data->wVersion = LOBYTE(version) == 2 && HIBYTE(version) < 2 ? version : MAKEWORD(2, 2);
	describe(mode, data);
	return 0;
}

/* Mode S, for a switch above. The protocol info is TCP/IP's; the first 15 upcalls of its table are those
 * of the other one. */
int WSPAPI WSPStartupEx(WORD wVersionRequested, LPWSPDATA lpWSPData,
			LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSPUPCALLTABLEEX lpUpcallTable,
			LPWSPPROC_TABLE lpProcTable)
{
	struct wsd_upcalls upcalls;
	int error;

	if (lpWSPData == NULL || lpProcTable == NULL || lpProtocolInfo == NULL ||
	    lpUpcallTable == NULL)
		return WSAEFAULT;
	memcpy(&upcalls.table, lpUpcallTable, sizeof(upcalls.table));
	upcalls.complete = lpUpcallTable->lpWPUCompleteOverlappedRequest;
	error = start(WSD_MODE_SAN, wVersionRequested, lpWSPData, lpProtocolInfo, &upcalls);
	if (error == 0)
		*lpProcTable = wsd_san_proc_table;
	return error;
}

int WSPAPI WSPStartup(WORD wVersionRequested, LPWSPDATA lpWSPData,
		      LPWSAPROTOCOL_INFOW lpProtocolInfo, WSPUPCALLTABLE UpcallTable,
		      LPWSPPROC_TABLE lpProcTable)
{
	struct wsd_upcalls upcalls = { UpcallTable, NULL };
	wsd_find_complete find = atomic_load(&find_complete);
	int error;

	if (lpWSPData == NULL || lpProcTable == NULL || lpProtocolInfo == NULL)
		return WSAEFAULT;
	if (find != NULL)
		upcalls.complete = find(&upcalls.table);
	error = start(WSD_MODE_STREAM, wVersionRequested, lpWSPData, lpProtocolInfo, &upcalls);
	if (error == 0)
		*lpProcTable = wsd_proc_table;
	return error;
}

/* --- stop --- */

void wsd_streams_count(unsigned mode, int delta)
{
	atomic_fetch_add(&provider.hosts[mode].live, delta);
}

static bool no_streams(void *arg)
{
	struct host *host = arg;

	return atomic_load(&host->live) == 0;
}

/* Wait for streams and listeners to end; nobody wakes us, so look every few milliseconds. */
static void wait_for_streams(struct host *host, uint64_t deadline)
{
	struct wsd_waker *waker = wsd_waker_self();

	while (waker != NULL && !no_streams(host) && wsd_clock_ns() < deadline) {
		uint64_t step = wsd_clock_ns() + 2 * WSD_NS_PER_MS;

		(void)wsd_engine_wait(NULL, 0, no_streams, host, step < deadline ? step : deadline,
				      waker);
	}
}

/* First everything falls silent: the other end of a connection may be in this process too, and its
 * operations must not end with the reset that we are about to cause. Only what was made in this start:
 * another thread may have begun a new one. */
static void shut_all(unsigned mode, unsigned start, bool abort, bool quiet)
{
	unsigned count = wsd_slot_count();

	for (unsigned i = 1; i <= count; i++) {
		struct wsd_socket *sock = wsd_slot_get(i);

		if (sock != NULL && quiet)
			wsd_socket_silence(mode, start, sock);
	}
	for (unsigned i = 1; i <= count; i++) {
		struct wsd_socket *sock = wsd_slot_get(i);

		if (sock != NULL)
			wsd_socket_shut(mode, start, sock, abort, quiet);
	}
}

static uint64_t exit_linger(void)
{
	return wsd_param_uint("EXIT_LINGER", 2000, 0, 600000) * WSD_NS_PER_MS;
}

static int cleanup(unsigned mode, LPINT lpErrno)
{
	struct host *host = &provider.hosts[mode];
	bool last = false;
	unsigned start;

	init_once();
	wsd_mutex_lock(&provider.lock);
	if (host->started == 0) {
		wsd_mutex_unlock(&provider.lock);
		if (lpErrno != NULL)
			*lpErrno = WSANOTINITIALISED;
		return SOCKET_ERROR;
	}
	start = atomic_load(&host->start);
	last = --host->started == 0;
	if (last)
		atomic_store(&host->running, false);
	wsd_mutex_unlock(&provider.lock);
	if (!last)
		return 0;
	if (mode == WSD_MODE_STREAM)
		wsd_netwatch_stop();
	shut_all(mode, start, true, true);
	wsd_shares_drain(wsd_clock_ns() + exit_linger());
	if (mode == WSD_MODE_STREAM)
		wsd_streams_drain(wsd_clock_ns() + exit_linger());
	wait_for_streams(host, wsd_clock_ns() + 1500 * WSD_NS_PER_MS);
	if (!wsd_due_reap())
		wsd_code_stays(); /* a routine that is queued begins here */
	/* What does not end in time still uses its engine: then the next start finds it running. */
	if (no_streams(host)) {
		wsd_engines_stop();
	} else {
		wsd_code_stays();
		wsd_log(WSD_LOG_WARNING, "winsock", "%d connections have not ended yet",
			atomic_load(&host->live));
	}
	wsd_roster_close();
	return 0;
}

int WSPAPI wsd_spi_cleanup(LPINT lpErrno)
{
	return cleanup(WSD_MODE_STREAM, lpErrno);
}

int WSPAPI wsd_san_cleanup(LPINT lpErrno)
{
	return cleanup(WSD_MODE_SAN, lpErrno);
}

/* Closing a channel is abortive anyway: the end of the process does that. */
void wsd_provider_exit(void)
{
	if (!wsd_provider_started(WSD_MODE_STREAM)) {
		wsd_roster_exit();
		return;
	}
	atomic_store(&exiting, true);
	atomic_store(&provider.hosts[WSD_MODE_STREAM].running, false);
	shut_all(WSD_MODE_STREAM, wsd_provider_start(WSD_MODE_STREAM), false, true);
	wsd_shares_drain(wsd_clock_ns() + exit_linger());
	wsd_streams_drain(wsd_clock_ns() + exit_linger());
	wsd_roster_exit();
}

void wsd_provider_fork_child(void)
{
	/* Another thread of the parent may have been inside init_once. */
	atomic_flag_clear(&initialising);
	if (!atomic_load(&provider.ready))
		return;
	/* Other threads of the parent may have held any lock: make them anew, drop what they guard.
	 * The sockets' memory is left alone, it is the parent's picture of its connections. */
	atomic_store(&exiting, false);
	wsd_mutex_init(&provider.lock);
	wsd_port_init();
	wsd_netwatch_init();
	wsd_shares_init();
	wsd_roster_fork_child();
	wsd_engines_fork_child();
	wsd_streams_fork_child();
	wsd_ops_fork_child();
	for (unsigned i = 0; i < WSD_MODES; i++) {
		atomic_store(&provider.hosts[i].running, false);
		atomic_store(&provider.hosts[i].live, 0);
		provider.hosts[i].started = 0;
	}
	provider.slots = 0;
	provider.unused = NULL;
	for (unsigned i = 0; i < CHUNKS; i++)
		atomic_store(&chunks[i], NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* host.c - the upcalls of the tests' own host, and their records. */
#include "tests/conformance/host.h"

#include <pthread.h>

#define HANDLES	    16384u
#define COMPLETIONS 16384u
#define APCS	    1024u
#define MESSAGES    1024u
#define FIRST_VALUE 0x5A000000u /* unlike any value of the library's own host */

struct apc {
	pthread_t *thread;
	LPWSAUSERAPC routine;
	DWORD_PTR context;
};

WSPPROC_TABLE spi;
_Thread_local INT host_error;
WSAPROTOCOL_INFOW host_protocol;
atomic_uint host_calls[HOST_TABLES][HOST_UPCALLS];
atomic_int host_fail_create;
atomic_uintptr_t host_refused;
atomic_bool host_no_window;
atomic_uint host_post_ms;
atomic_bool host_posts;
LPBLOCKINGCALLBACK host_blocking;
DWORD_PTR host_blocking_context;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the rest */
static struct host_handle handles[HANDLES];
static unsigned handle_count;
static struct host_completion completions[COMPLETIONS];
static unsigned completion_count;
static struct apc apcs[APCS];
static unsigned apc_count;
static struct host_message messages[MESSAGES];
static unsigned message_count;
static _Thread_local pthread_t self; /* its address names the thread */

static void report(LPINT error, int code)
{
	if (error != NULL)
		*error = code;
}

/* [lock] NULL: never given out. */
static struct host_handle *find(SOCKET s)
{
	SOCKET n = (s - FIRST_VALUE) / 4;

	return s >= FIRST_VALUE && s % 4 == 0 && n < handle_count ? &handles[n] : NULL;
}

static SOCKET create_handle(unsigned table, DWORD catalog_id, DWORD_PTR context, LPINT error)
{
	struct host_handle *h;
	SOCKET s = INVALID_SOCKET;

	host_calls[table][HOST_CREATE_HANDLE]++;
	pthread_mutex_lock(&lock);
	if (host_fail_create == 0 && handle_count < HANDLES) {
		h = &handles[handle_count];
		h->handle = s = FIRST_VALUE + 4 * handle_count++;
		h->catalog_id = catalog_id;
		h->context = context;
		h->open = true;
	}
	pthread_mutex_unlock(&lock);
	if (s == INVALID_SOCKET)
		host_refused = context;
	if (s == INVALID_SOCKET)
		report(error, host_fail_create ? host_fail_create : WSAENOBUFS);
	return s;
}

SOCKET host_foreign(DWORD_PTR context)
{
	SOCKET s;

	pthread_mutex_lock(&lock);
	if (handle_count == HANDLES)
		abort();
	s = FIRST_VALUE + 4 * handle_count;
	handles[handle_count++] =
		(struct host_handle){ .handle = s, .context = context, .open = true };
	pthread_mutex_unlock(&lock);
	return s;
}

static int close_handle(unsigned table, SOCKET s, LPINT error)
{
	struct host_handle *h;
	int result = SOCKET_ERROR;

	host_calls[table][HOST_CLOSE_HANDLE]++;
	pthread_mutex_lock(&lock);
	h = find(s);
	if (h != NULL) {
		h->closes++;
		h->late += !h->open;
		result = h->open ? 0 : SOCKET_ERROR;
		h->open = false;
	}
	pthread_mutex_unlock(&lock);
	if (result != 0)
		report(error, WSAENOTSOCK);
	return result;
}

void host_foreign_close(SOCKET s)
{
	INT ignored;

	if (close_handle(0, s, &ignored) != 0)
		abort();
}

/* Whoever asks with a closed handle passes on what an application gave him: that is not late. */
static int query_context(unsigned table, SOCKET s, PDWORD_PTR context, LPINT error)
{
	struct host_handle *h;
	int result = SOCKET_ERROR;

	host_calls[table][HOST_QUERY_CONTEXT]++;
	pthread_mutex_lock(&lock);
	h = find(s);
	if (h != NULL && h->open) {
		h->queries++;
		*context = h->context;
		result = 0;
	}
	pthread_mutex_unlock(&lock);
	if (result != 0)
		report(error, WSAENOTSOCK);
	return result;
}

static int queue_apc(unsigned table, LPWSATHREADID thread, LPWSAUSERAPC routine, DWORD_PTR context,
		     LPINT error)
{
	int result = SOCKET_ERROR;

	host_calls[table][HOST_QUEUE_APC]++;
	pthread_mutex_lock(&lock);
	if (thread->ThreadHandle != NULL && apc_count < APCS) {
		apcs[apc_count++] = (struct apc){ thread->ThreadHandle, routine, context };
		result = 0;
	}
	pthread_mutex_unlock(&lock);
	if (result != 0)
		report(error, WSAEFAULT);
	return result;
}

static int query_blocking(unsigned table, LPBLOCKINGCALLBACK *callback, PDWORD_PTR context)
{
	host_calls[table][HOST_QUERY_BLOCKING]++;
	*callback = host_blocking;
	*context = host_blocking_context;
	return 0;
}

static BOOL WSPAPI post_message(HWND window, UINT message, WPARAM wparam, LPARAM lparam)
{
	unsigned ms = atomic_exchange(&host_post_ms, 0);
	struct host_handle *h;
	bool room;

	if (ms > 0) {
		host_posts = true;
		Sleep(ms);
		host_posts = false;
	}
	pthread_mutex_lock(&lock);
	h = find((SOCKET)wparam);
	if (h != NULL)
		h->late += !h->open;
	room = message_count < MESSAGES && !host_no_window;
	if (room)
		messages[message_count++] = (struct host_message){
			window,
			message,
			(SOCKET)wparam,
			(int)(lparam & 0xffff),
			(int)(lparam >> 16),
		};
	pthread_mutex_unlock(&lock);
	return room;
}

/* A base provider's sockets are what it says; ours are none of the system's. */
static SOCKET WSPAPI modify_ifs(DWORD id, SOCKET proposed, LPINT error)
{
	if (id != host_protocol.dwCatalogEntryId)
		return proposed;
	report(error, WSAEINVAL);
	return INVALID_SOCKET;
}

static int WSPAPI no_thread(LPWSATHREADID thread, LPINT error)
{
	(void)thread;
	report(error, WSAEINVAL);
	return SOCKET_ERROR;
}

/* The functions of one table: those that are counted, each with the number of the table. */
#define TABLE(n)                                                                                   \
	static SOCKET WSPAPI create_##n(DWORD id, DWORD_PTR context, LPINT error)                  \
	{                                                                                          \
		return create_handle(n, id, context, error);                                       \
	}                                                                                          \
	static int WSPAPI close_##n(SOCKET s, LPINT error)                                         \
	{                                                                                          \
		return close_handle(n, s, error);                                                  \
	}                                                                                          \
	static int WSPAPI query_##n(SOCKET s, PDWORD_PTR context, LPINT error)                     \
	{                                                                                          \
		return query_context(n, s, context, error);                                        \
	}                                                                                          \
	static BOOL WSPAPI set_##n(WSAEVENT event, LPINT error)                                    \
	{                                                                                          \
		host_calls[n][HOST_SET_EVENT]++;                                                   \
		return WPUSetEvent(event, error);                                                  \
	}                                                                                          \
	static BOOL WSPAPI reset_##n(WSAEVENT event, LPINT error)                                  \
	{                                                                                          \
		host_calls[n][HOST_RESET_EVENT]++;                                                 \
		return WPUResetEvent(event, error);                                                \
	}                                                                                          \
	static int WSPAPI apc_##n(LPWSATHREADID id, LPWSAUSERAPC run, DWORD_PTR arg, LPINT error)  \
	{                                                                                          \
		return queue_apc(n, id, run, arg, error);                                          \
	}                                                                                          \
	static int WSPAPI blocking_##n(DWORD id, LPBLOCKINGCALLBACK *callback, PDWORD_PTR context, \
				       LPINT error)                                                \
	{                                                                                          \
		(void)id;                                                                          \
		(void)error;                                                                       \
		return query_blocking(n, callback, context);                                       \
	}
TABLE(0)
TABLE(1)
#undef TABLE

#define TABLE(n)                                                                           \
	{                                                                                  \
		.lpWPUCloseEvent = WPUCloseEvent, .lpWPUCloseSocketHandle = close_##n,     \
		.lpWPUCreateEvent = WPUCreateEvent, .lpWPUCreateSocketHandle = create_##n, \
		.lpWPUFDIsSet = WPUFDIsSet, .lpWPUGetProviderPath = WPUGetProviderPath,    \
		.lpWPUModifyIFSHandle = modify_ifs, .lpWPUPostMessage = post_message,      \
		.lpWPUQueryBlockingCallback = blocking_##n,                                \
		.lpWPUQuerySocketHandleContext = query_##n, .lpWPUQueueApc = apc_##n,      \
		.lpWPUResetEvent = reset_##n, .lpWPUSetEvent = set_##n,                    \
		.lpWPUOpenCurrentThread = no_thread, .lpWPUCloseThread = no_thread,        \
	}
static const WSPUPCALLTABLE tables[HOST_TABLES] = { TABLE(0), TABLE(1) };
#undef TABLE

/* The upcall that no table has: the provider finds it by its name, like ws2_32's. */
int WSPAPI WPUCompleteOverlappedRequest(SOCKET s, LPWSAOVERLAPPED overlapped, DWORD error,
					DWORD bytes, LPINT lpErrno)
{
	WSAEVENT event = overlapped->hEvent;
	struct host_handle *h;
	INT ignored;

	pthread_mutex_lock(&lock);
	h = find(s);
	if (h != NULL) {
		h->completions++;
		h->late += !h->open;
	}
	if (completion_count < COMPLETIONS)
		completions[completion_count++] = (struct host_completion){
			s,
			overlapped,
			error,
			bytes,
			overlapped->Internal,
			overlapped->Offset,
			overlapped->OffsetHigh,
		};
	pthread_mutex_unlock(&lock);
	if (h == NULL) {
		report(lpErrno, WSAEINVAL);
		return SOCKET_ERROR;
	}
	overlapped->InternalHigh = bytes;
	__atomic_store_n(&overlapped->Internal, (ULONG_PTR)error, __ATOMIC_RELEASE);
	if (((ULONG_PTR)event & ~(ULONG_PTR)1) != 0)
		(void)WPUSetEvent((WSAEVENT)((ULONG_PTR)event & ~(ULONG_PTR)1), &ignored);
	return 0;
}

/* --- what the tests ask --- */

void host_begin(int argc, char **argv)
{
	conf_begin(argc, argv);
	host_protocol = (WSAPROTOCOL_INFOW){
		.dwServiceFlags1 = XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER |
				   XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA,
		.dwProviderFlags = PFL_MATCHES_PROTOCOL_ZERO,
		.dwCatalogEntryId = HOST_CATALOG_ID,
		.ProtocolChain = { .ChainLen = BASE_PROTOCOL },
		.iVersion = 2,
		.iAddressFamily = conf_family(),
		.iMaxSockAddr = loopback(0).length,
		.iMinSockAddr = loopback(0).length,
		.iSocketType = SOCK_STREAM,
		.iProtocol = IPPROTO_TCP,
		.szProtocol = WSD_L("test host"),
	};
}

WSPUPCALLTABLE host_table(unsigned table)
{
	return tables[table];
}

int host_startup(unsigned table)
{
	WSPDATA data;

	return WSPStartup(MAKEWORD(2, 2), &data, &host_protocol, tables[table], &spi);
}

int host_cleanup(void)
{
	return spi.lpWSPCleanup(&host_error);
}

unsigned host_handles(void)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = handle_count;
	pthread_mutex_unlock(&lock);
	return count;
}

unsigned host_open_handles(void)
{
	unsigned count = 0;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < handle_count; i++)
		count += handles[i].open;
	pthread_mutex_unlock(&lock);
	return count;
}

struct host_handle host_handle_at(unsigned n)
{
	return host_find((SOCKET)FIRST_VALUE + 4 * (SOCKET)n);
}

struct host_handle host_find(SOCKET s)
{
	struct host_handle copy = { .handle = INVALID_SOCKET }, *h;

	pthread_mutex_lock(&lock);
	h = find(s);
	if (h != NULL)
		copy = *h;
	pthread_mutex_unlock(&lock);
	return copy;
}

unsigned host_completions(void)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = completion_count;
	pthread_mutex_unlock(&lock);
	return count;
}

struct host_completion host_completion_at(unsigned n)
{
	struct host_completion copy = { .s = INVALID_SOCKET };

	pthread_mutex_lock(&lock);
	if (n < completion_count)
		copy = completions[n];
	pthread_mutex_unlock(&lock);
	return copy;
}

unsigned host_wait_completion(LPWSAOVERLAPPED overlapped, unsigned ms)
{
	for (unsigned waited = 0;; waited++) {
		unsigned found = 0;

		for (unsigned i = host_completions(); i-- > 0;)
			found += host_completion_at(i).overlapped == overlapped;
		if (found > 0 || waited >= ms)
			return found;
		Sleep(1);
	}
}

static bool take_message(struct host_message *m)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = message_count > 0;
	if (found) {
		*m = messages[0];
		memmove(&messages[0], &messages[1], --message_count * sizeof(messages[0]));
	}
	pthread_mutex_unlock(&lock);
	return found;
}

bool host_next_message(struct host_message *m, unsigned ms)
{
	for (unsigned waited = 0; !take_message(m); waited++) {
		if (waited >= ms)
			return false;
		Sleep(1);
	}
	return true;
}

LPWSATHREADID host_thread(WSATHREADID *storage)
{
	self = pthread_self();
	storage->ThreadHandle = &self;
	storage->Reserved = GetCurrentThreadId();
	return storage;
}

static bool take_apc(struct apc *apc)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < apc_count && !found; i++) {
		if (apcs[i].thread != &self)
			continue;
		*apc = apcs[i];
		found = true;
		apc_count--;
		memmove(&apcs[i], &apcs[i + 1], (apc_count - i) * sizeof(apcs[0]));
	}
	pthread_mutex_unlock(&lock);
	return found;
}

unsigned host_run_apcs(unsigned ms)
{
	struct apc apc;
	unsigned ran = 0;

	for (unsigned waited = 0;; waited++) {
		while (take_apc(&apc)) {
			apc.routine(apc.context);
			ran++;
		}
		if (ran > 0 || waited >= ms)
			return ran;
		Sleep(1);
	}
}

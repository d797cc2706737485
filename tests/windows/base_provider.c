// SPDX-License-Identifier: BSD-2-Clause
/*
 * base_provider.c - a base provider for tests, which a layered provider can load: Wine's is a part of its ws2_32. Its
 * sockets are those of Wine's ws2_32, and exposed through WPUModifyIFSHandle, as a base provider's are.
 * It checks how it is used: a mistake ends the program. As on Windows a connection that has just begun has no local
 * address yet, one that was reset says so, and urgent bytes are told of in the same way, and not given twice.
 */
#include "rdma_backend/base/base_provider_windows.h"

#include <ws2tcpip.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/provider_guid.h"
#include "tests/plain/refusal.h"
#include "tests/windows/wine_socket.h"

/* What a test asks: how often it has been started and not cleaned up, and how many sockets it ever made. */
int base_provider_started(void);
unsigned base_provider_sockets(void);
/* tests/plain/refuse.h: of sends, receives and accepts. */
void base_provider_refuse(int which, int error, int after, int calls);
int base_provider_refusals(void);

static WSPPROC_TABLE system_table;
static WSPUPCALLTABLE upcalls;
static atomic_int started, open_sockets;
static atomic_uint made;

int base_provider_started(void)
{
	return atomic_load(&started);
}

unsigned base_provider_sockets(void)
{
	return atomic_load(&made);
}

enum refused { SENDS, RECEIVES, ACCEPTS, KINDS };
static struct refusal refusals[KINDS];

void base_provider_refuse(int which, int error, int after, int calls)
{
	refusal_set(&refusals[which], error, after, calls);
}

int base_provider_refusals(void)
{
	int left = 0;

	for (int i = 0; i < KINDS; i++)
		left += atomic_load(&refusals[i].left);
	return left;
}

static bool refuses(enum refused which, LPINT error)
{
	int code = refusal_of(&refusals[which]);

	if (code != 0)
		*error = code;
	return code != 0;
}

static void wrong(const char *what)
{
	fprintf(stderr, "base provider: %s\n", what);
	fflush(stderr);
	abort();
}

/* WSD_TEST_BASE_FAULT says what goes wrong, and is no mistake of who uses it. */
static bool fails(const char *what)
{
	char fault[16] = "";

	GetEnvironmentVariableA("WSD_TEST_BASE_FAULT", fault, sizeof(fault));
	return strcmp(fault, what) == 0;
}

static void WSPAPI unused(void)
{
	wrong("a procedure that nobody should need");
}

static SOCKET counted(SOCKET s)
{
	if (atomic_load(&started) == 0)
		wrong("a call after the last WSPCleanup");
	if (s != INVALID_SOCKET) {
		atomic_fetch_add(&open_sockets, 1);
		atomic_fetch_add(&made, 1);
	}
	return s;
}

static SOCKET WSPAPI make_socket(int family, int type, int protocol, LPWSAPROTOCOL_INFOW entry,
				 GROUP group, DWORD flags, LPINT error)
{
	SOCKET s;

	if (fails("socket")) {
		*error = WSAENOBUFS;
		return INVALID_SOCKET;
	}
	s = system_table.lpWSPSocket(family, type, protocol, entry, group, flags, error);
	if (s != INVALID_SOCKET &&
	    upcalls.lpWPUModifyIFSHandle(entry->dwCatalogEntryId, s, error) != s)
		wrong("WPUModifyIFSHandle refuses the handle");
	return counted(s);
}

#define MOST	   1024
#define ALL_EVENTS (FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE)

/* Sockets of which something has to be kept; 0: none. */
typedef _Atomic(SOCKET) list_of_sockets[MOST];

/* Those whose connection has begun, and nobody has been told that it is there; that have sent their end; that are to
 * end with a reset; and that listen, with the event that was selected. What is kept here nobody has to ask Wine's
 * server for. */
static list_of_sockets begun, ended, hard, listening;
/* Those whose last urgent byte was fetched and whose mark stands, and of them those that have been told to have such
 * bytes in line: Wine's TCP would give this one again. */
static list_of_sockets fetched, inline_later;
static _Atomic(WSAEVENT) selected[MOST];

/* Is it bound to one of this host's addresses? There may be thousands. */
#define NUMBERS 65536u
static atomic_bool placed[NUMBERS];

static atomic_bool *placed_at(SOCKET s)
{
	if (s / 4 >= NUMBERS)
		wrong("a socket with a higher number than it counts");
	return &placed[s / 4];
}

static bool replace(list_of_sockets list, SOCKET old, SOCKET s)
{
	for (unsigned i = 0; i < MOST; i++) {
		SOCKET expected = old;

		if (atomic_compare_exchange_strong(&list[i], &expected, s))
			return true;
	}
	return false;
}

static int place_of(list_of_sockets list, SOCKET s)
{
	for (int i = 0; i < (int)MOST; i++)
		if (atomic_load(&list[i]) == s)
			return i;
	return -1;
}

/* --- the local address --- */

/* The bytes of an address. */
static char *address_of(struct sockaddr *name, size_t *length)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)name;
	struct sockaddr_in *v4 = (struct sockaddr_in *)name;

	*length = name->sa_family == AF_INET ? sizeof(v4->sin_addr) : sizeof(v6->sin6_addr);
	return name->sa_family == AF_INET ? (char *)&v4->sin_addr : (char *)&v6->sin6_addr;
}

static int WSPAPI get_sock_name(SOCKET s, struct sockaddr *name, LPINT length, LPINT error)
{
	int result = system_table.lpWSPGetSockName(s, name, length, error);
	size_t bytes;
	char *address;

	if (result == 0 && replace(begun, s, s)) {
		address = address_of(name, &bytes);
		memset(address, 0, bytes);
	}
	return result;
}

static int WSPAPI bind_socket(SOCKET s, const struct sockaddr *name, int length, LPINT error)
{
	int result = system_table.lpWSPBind(s, name, length, error);
	struct sockaddr_storage copy = { 0 };
	size_t bytes;
	char *address;

	if (result != 0 || length > (int)sizeof(copy))
		return result;
	memcpy(&copy, name, (size_t)length);
	address = address_of((struct sockaddr *)&copy, &bytes);
	while (bytes > 0 && address[bytes - 1] == 0)
		bytes--;
	if (bytes > 0)
		atomic_store(placed_at(s), true);
	return result;
}

static int WSPAPI begin_connect(SOCKET s, const struct sockaddr *name, int length, LPWSABUF caller,
				LPWSABUF callee, LPQOS sqos, LPQOS gqos, LPINT error)
{
	int result;

	if (!atomic_load(placed_at(s)) && !replace(begun, 0, s))
		wrong("more connections at a time than it counts");
	result = system_table.lpWSPConnect(s, name, length, caller, callee, sqos, gqos, error);
	if (result == 0 || *error != WSAEWOULDBLOCK)
		(void)replace(begun, s, 0);
	return result;
}

/* --- what Wine tells otherwise --- */

/* A connection that is gone, and has not ended from here. Wine's server takes the error of one that was reset for
 * itself when it looks what there is; a receive finds its end then, and FD_CLOSE has no error. */
static bool is_reset(SOCKET s)
{
	return place_of(ended, s) < 0 && wine_socket_is_gone(s);
}

/* A linger of zero resets. Wine ends the connection before it closes it, and a peer may see just that end. */
static void reset(SOCKET s)
{
	if (replace(hard, s, 0))
		wine_socket_reset(s);
}

static int WSPAPI transmit(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
			   LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			   LPWSATHREADID thread, LPINT error)
{
	if (refuses(SENDS, error))
		return SOCKET_ERROR;
	return system_table.lpWSPSend(s, buffers, count, sent, flags, overlapped, routine, thread,
				      error);
}

static int set_inline(SOCKET s, int on, LPINT error)
{
	return system_table.lpWSPSetSockOpt(s, SOL_SOCKET, SO_OOBINLINE, (const char *)&on,
					    sizeof(on), error);
}

/* The mark of the byte that was fetched stands no more. */
static void passed_mark(SOCKET s)
{
	int ignored;

	(void)replace(fetched, s, 0);
	if (replace(inline_later, s, 0))
		(void)set_inline(s, 1, &ignored);
}

static int choose_inline(SOCKET s, int on, LPINT error)
{
	(void)replace(inline_later, s, 0);
	if (on == 0 || place_of(fetched, s) < 0)
		return set_inline(s, on, error);
	if (!replace(inline_later, 0, s))
		wrong("more urgent bytes at a time than it counts");
	return 0;
}

static int WSPAPI set_option(SOCKET s, int level, int name, const char *value, int length,
			     LPINT error)
{
	struct linger linger;
	int result;

	if (level == SOL_SOCKET && name == SO_OOBINLINE)
		return choose_inline(s, *(const int *)value, error);
	result = system_table.lpWSPSetSockOpt(s, level, name, value, length, error);
	if (result != 0 || level != SOL_SOCKET || name != SO_LINGER)
		return result;
	memcpy(&linger, value, sizeof(linger));
	(void)replace(hard, s, 0);
	if (linger.l_onoff && !linger.l_linger && !replace(hard, 0, s))
		wrong("more resets at a time than it counts");
	return result;
}

static int WSPAPI receive(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
			  LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			  LPWSATHREADID thread, LPINT error)
{
	bool urgent = (*flags & MSG_OOB) != 0, peek = (*flags & MSG_PEEK) != 0, at_mark;
	int result;

	if (!urgent && refuses(RECEIVES, error))
		return SOCKET_ERROR;
	at_mark = !urgent && !peek && place_of(fetched, s) >= 0 && wine_socket_at_mark(s);
	result = system_table.lpWSPRecv(s, buffers, count, received, flags, overlapped, routine,
					thread, error);
	if (at_mark && !wine_socket_at_mark(s))
		passed_mark(s);
	if (urgent && !peek && result == 0 && !replace(fetched, s, s) && !replace(fetched, 0, s))
		wrong("more urgent bytes at a time than it counts");
	if (result != 0 || *received > 0 || !is_reset(s))
		return result;
	*error = WSAECONNRESET;
	return SOCKET_ERROR;
}

static int WSPAPI shut_down(SOCKET s, int how, LPINT error)
{
	int result = system_table.lpWSPShutdown(s, how, error);

	if (result == 0 && how != SD_RECEIVE && !replace(ended, s, s) && !replace(ended, 0, s))
		wrong("more ends at a time than it counts");
	return result;
}

static bool is_inline(SOCKET s)
{
	int on = 0, length = sizeof(on), ignored;

	return place_of(inline_later, s) >= 0 ||
	       (system_table.lpWSPGetSockOpt(s, SOL_SOCKET, SO_OOBINLINE, (char *)&on, &length,
					     &ignored) == 0 &&
		on);
}

/* Windows says whether no urgent byte waits to be fetched, and always so of a socket that has them in line. */
static int WSPAPI control(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
			  DWORD out_size, LPDWORD bytes, LPWSAOVERLAPPED overlapped,
			  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
			  LPINT error)
{
	int result = system_table.lpWSPIoctl(s, code, in, in_size, out, out_size, bytes, overlapped,
					     routine, thread, error);
	DWORD got, flags = MSG_OOB | MSG_PEEK;
	WSABUF byte = { 1, &(char){ 0 } };
	int ignored;

	if (result == 0 && code == (DWORD)SIOCATMARK)
		*(u_long *)out =
			is_inline(s) || system_table.lpWSPRecv(s, &byte, 1, &got, &flags, NULL,
							       NULL, NULL, &ignored) != 0;
	return result;
}

static int WSPAPI start_listening(SOCKET s, int backlog, LPINT error)
{
	int result = system_table.lpWSPListen(s, backlog, error);

	if (result == 0 && !replace(listening, s, s) && !replace(listening, 0, s))
		wrong("more listeners at a time than it counts");
	return result;
}

static int WSPAPI select_events(SOCKET s, WSAEVENT event, long events, LPINT error)
{
	int result = system_table.lpWSPEventSelect(s, event, events, error),
	    place = place_of(listening, s);

	if (result == 0 && place >= 0)
		atomic_store(&selected[place], events & FD_ACCEPT ? event : NULL);
	return result;
}

/* Behind an accept that found nobody Windows records FD_ACCEPT again, and Wine does not: not until it is selected. */
static SOCKET WSPAPI accept_socket(SOCKET s, struct sockaddr *addr, LPINT length,
				   LPCONDITIONPROC condition, DWORD_PTR context, LPINT error)
{
	int place = place_of(listening, s), ignored;
	WSAEVENT event = place < 0 ? NULL : atomic_load(&selected[place]);
	SOCKET accepted;

	if (fails("accept")) {
		*error = WSAEWOULDBLOCK;
		return INVALID_SOCKET;
	}
	if (refuses(ACCEPTS, error))
		return INVALID_SOCKET;
	accepted = system_table.lpWSPAccept(s, addr, length, condition, context, error);
	if (accepted == INVALID_SOCKET && *error == WSAEWOULDBLOCK && event)
		(void)system_table.lpWSPEventSelect(s, event, ALL_EVENTS, &ignored);
	return counted(accepted);
}

static int WSPAPI enum_events(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT error)
{
	int result = system_table.lpWSPEnumNetworkEvents(s, event, events, error);

	if (result == 0 && (events->lNetworkEvents & FD_CONNECT))
		(void)replace(begun, s, 0);
	if (result == 0 && (events->lNetworkEvents & FD_OOB)) {
		if (place_of(inline_later, s) >= 0)
			events->lNetworkEvents |= FD_READ;
		passed_mark(s); /* it is that of the new byte now */
	}
	/* In line it is data. */
	if (result == 0 && (events->lNetworkEvents & FD_OOB) && is_inline(s))
		events->lNetworkEvents ^= FD_OOB;
	if (result == 0 && (events->lNetworkEvents & FD_CLOSE) &&
	    events->iErrorCode[FD_CLOSE_BIT] == 0 && is_reset(s))
		events->iErrorCode[FD_CLOSE_BIT] = WSAECONNRESET;
	return result;
}

static int WSPAPI close_socket(SOCKET s, LPINT error)
{
	DWORD flags = 0;
	int result;

	if (GetHandleInformation((HANDLE)s, &flags) && (flags & HANDLE_FLAG_INHERIT))
		wrong("a socket that child processes inherit");
	atomic_store(placed_at(s), false);
	(void)replace(begun, s, 0);
	(void)replace(ended, s, 0);
	(void)replace(fetched, s, 0);
	(void)replace(inline_later, s, 0);
	if (place_of(listening, s) >= 0)
		atomic_store(&selected[place_of(listening, s)], NULL);
	(void)replace(listening, s, 0);
	reset(s);
	result = system_table.lpWSPCloseSocket(s, error);
	if (result == 0)
		atomic_fetch_sub(&open_sockets, 1);
	else
		wrong("closing what is no socket");
	return result;
}

static int WSPAPI cleanup(LPINT error)
{
	(void)error;
	if (atomic_load(&open_sockets) != 0)
		wrong("WSPCleanup with open sockets");
	if (atomic_fetch_sub(&started, 1) <= 0)
		wrong("one WSPCleanup too many");
	return 0;
}

static void fill(WSPPROC_TABLE *table)
{
	void(WSPAPI * nothing)(void) = unused;
	char *at = (char *)table;

	for (size_t i = 0; i < sizeof(*table); i += sizeof(nothing))
		memcpy(at + i, &nothing, sizeof(nothing));
	table->lpWSPCleanup = cleanup;
	table->lpWSPSocket = make_socket;
	table->lpWSPDuplicateSocket = system_table.lpWSPDuplicateSocket;
	table->lpWSPAccept = accept_socket;
	table->lpWSPCloseSocket = close_socket;
	table->lpWSPBind = bind_socket;
	table->lpWSPListen = start_listening;
	table->lpWSPConnect = begin_connect;
	table->lpWSPSend = transmit;
	table->lpWSPRecv = receive;
	table->lpWSPShutdown = shut_down;
	table->lpWSPGetSockOpt = system_table.lpWSPGetSockOpt;
	table->lpWSPSetSockOpt = set_option;
	table->lpWSPGetSockName = get_sock_name;
	table->lpWSPGetPeerName = system_table.lpWSPGetPeerName;
	table->lpWSPIoctl = control;
	table->lpWSPEventSelect = select_events;
	table->lpWSPEnumNetworkEvents = enum_events;
	table->lpWSPGetOverlappedResult = system_table.lpWSPGetOverlappedResult;
}

int WSPAPI WSPStartup(WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW entry, WSPUPCALLTABLE table,
		      LPWSPPROC_TABLE procedures)
{
	static const GUID openwsd = WSD_PROVIDER_GUID;

	if (version != MAKEWORD(2, 2) || memcmp(&entry->ProviderId, &openwsd, sizeof(GUID)) == 0)
		wrong("started for another entry than ours");
	if (entry->ProtocolChain.ChainLen != BASE_PROTOCOL)
		wrong("started for the entry of a layer");
	if (fails("startup"))
		return WSASYSNOTREADY;
	if (!system_table.lpWSPSocket && !wsd_ws2_provider(&system_table))
		return WSASYSNOTREADY;
	atomic_fetch_add(&started, 1);
	upcalls = table;
	memset(data, 0, sizeof(*data));
	data->wVersion = data->wHighVersion = MAKEWORD(2, 2);
	fill(procedures);
	if (fails("version"))
		data->wVersion = MAKEWORD(2, 0);
	if (fails("table"))
		procedures->lpWSPSend = NULL;
	return 0;
}

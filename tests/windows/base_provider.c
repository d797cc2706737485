// SPDX-License-Identifier: BSD-2-Clause
/*
 * base_provider.c - a base provider for tests, which a layered provider can load: Wine's is a part of its ws2_32. Its
 * sockets are those of Wine's ws2_32, and exposed through WPUModifyIFSHandle, as a base provider's are.
 * It checks how it is used: a mistake ends the program. And as on Windows a connection that has just begun has no
 * local address yet.
 */
#include "rdma_backend/base/base_provider_windows.h"

#include <ws2tcpip.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/provider_guid.h"

/* What a test asks: how often it has been started and not cleaned up, and how many sockets it ever made. */
int base_provider_started(void);
unsigned base_provider_sockets(void);

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

static SOCKET WSPAPI accept_socket(SOCKET s, struct sockaddr *addr, LPINT length,
				   LPCONDITIONPROC condition, DWORD_PTR context, LPINT error)
{
	return counted(system_table.lpWSPAccept(s, addr, length, condition, context, error));
}

/* --- the local address --- */

#define BEGUN 1024

/* Sockets whose connection has begun, and nobody has been told that it is there; 0: none. */
static _Atomic(SOCKET) begun[BEGUN];

static bool replace_begun(SOCKET old, SOCKET s)
{
	for (unsigned i = 0; i < BEGUN; i++) {
		SOCKET expected = old;

		if (atomic_compare_exchange_strong(&begun[i], &expected, s))
			return true;
	}
	return false;
}

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

	if (result == 0 && replace_begun(s, s)) {
		address = address_of(name, &bytes);
		memset(address, 0, bytes);
	}
	return result;
}

/* Is it bound to one of this host's addresses? */
static bool has_address(SOCKET s)
{
	struct sockaddr_storage name;
	int length = sizeof(name), ignored;
	size_t bytes;
	char *address;

	if (system_table.lpWSPGetSockName(s, (struct sockaddr *)&name, &length, &ignored) != 0)
		return false;
	address = address_of((struct sockaddr *)&name, &bytes);
	while (bytes > 0 && address[bytes - 1] == 0)
		bytes--;
	return bytes > 0;
}

static int WSPAPI begin_connect(SOCKET s, const struct sockaddr *name, int length, LPWSABUF caller,
				LPWSABUF callee, LPQOS sqos, LPQOS gqos, LPINT error)
{
	int result;

	if (!has_address(s) && !replace_begun(0, s))
		wrong("more connections at a time than it counts");
	result = system_table.lpWSPConnect(s, name, length, caller, callee, sqos, gqos, error);
	if (result == 0 || *error != WSAEWOULDBLOCK)
		(void)replace_begun(s, 0);
	return result;
}

static int WSPAPI enum_events(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT error)
{
	int result = system_table.lpWSPEnumNetworkEvents(s, event, events, error);

	if (result == 0 && (events->lNetworkEvents & FD_CONNECT))
		(void)replace_begun(s, 0);
	return result;
}

static int WSPAPI close_socket(SOCKET s, LPINT error)
{
	DWORD flags = 0;
	int result;

	if (GetHandleInformation((HANDLE)s, &flags) && (flags & HANDLE_FLAG_INHERIT))
		wrong("a socket that child processes inherit");
	(void)replace_begun(s, 0);
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
	table->lpWSPAccept = accept_socket;
	table->lpWSPCloseSocket = close_socket;
	table->lpWSPBind = system_table.lpWSPBind;
	table->lpWSPListen = system_table.lpWSPListen;
	table->lpWSPConnect = begin_connect;
	table->lpWSPSend = system_table.lpWSPSend;
	table->lpWSPRecv = system_table.lpWSPRecv;
	table->lpWSPShutdown = system_table.lpWSPShutdown;
	table->lpWSPGetSockOpt = system_table.lpWSPGetSockOpt;
	table->lpWSPSetSockOpt = system_table.lpWSPSetSockOpt;
	table->lpWSPGetSockName = get_sock_name;
	table->lpWSPGetPeerName = system_table.lpWSPGetPeerName;
	table->lpWSPIoctl = system_table.lpWSPIoctl;
	table->lpWSPEventSelect = system_table.lpWSPEventSelect;
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

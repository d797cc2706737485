// SPDX-License-Identifier: BSD-2-Clause
/*
 * trial.c - trial.exe, which `wsdctl install --prefer` runs before OpenWSD comes first: a program that opens a socket
 * by OpenWSD's entry in the catalogue, and exchanges a few bytes with a peer on loopback that has the base provider's.
 * The exit status is 0 or an error code of Winsock.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openwsd/ws2tcpip.h>

#include "spi_shim/catalog_entries.h"

#define ENTRIES 128u /* of a catalogue */

static struct {
	WSAPROTOCOL_INFOW entries[ENTRIES];
	unsigned count;
} catalog;

/* A family that is tried. */
struct trial {
	const char *name;
	int family;
	SOCKET listener, client, server;
};

static int failed(const struct trial *trial, const char *what, int code)
{
	fprintf(stderr, "%u-bit programs, %s: %s: error %d\n", 8 * (unsigned)sizeof(void *),
		trial->name, what, code);
	return code != 0 ? code : WSASYSCALLFAILURE;
}

static bool is_ours(const WSAPROTOCOL_INFOW *entry)
{
	return memcmp(&entry->ProviderId, &wsd_catalog_entries[WSD_CATALOG_STREAM][0].ProviderId,
		      sizeof(GUID)) == 0;
}

static WSAPROTOCOL_INFOW *find_entry(int family, bool ours)
{
	for (unsigned i = 0; i < catalog.count; i++) {
		WSAPROTOCOL_INFOW *entry = &catalog.entries[i];

		if (entry->iAddressFamily == family && entry->iSocketType == SOCK_STREAM &&
		    entry->iProtocol == IPPROTO_TCP &&
		    entry->ProtocolChain.ChainLen == BASE_PROTOCOL && is_ours(entry) == ours &&
		    (ours || (entry->dwServiceFlags1 & XP1_IFS_HANDLES) != 0))
			return entry;
	}
	return NULL;
}

static SOCKET open_by(WSAPROTOCOL_INFOW *entry)
{
	return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, entry, 0,
			  WSA_FLAG_OVERLAPPED);
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Loopback, any port. */
static int loopback(int family, union address *address)
{
	memset(address, 0, sizeof(*address));
	if (family == AF_INET) {
		address->v4.sin_family = AF_INET;
		address->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(address->v4);
	}
	address->v6.sin6_family = AF_INET6;
	address->v6.sin6_addr.s6_addr[15] = 1;
	return sizeof(address->v6);
}

/* The peer. A family that the system itself cannot bind has nothing to lose: then there is no listener, and 0. */
static int listen_plain(struct trial *trial, WSAPROTOCOL_INFOW *entry, union address *address)
{
	int length = loopback(trial->family, address), code;

	trial->listener = open_by(entry);
	if (trial->listener != INVALID_SOCKET &&
	    bind(trial->listener, &address->any, length) == 0) {
		if (listen(trial->listener, 1) == 0 &&
		    getsockname(trial->listener, &address->any, &length) == 0)
			return 0;
		return failed(trial, "listening by the base provider", WSAGetLastError());
	}
	code = WSAGetLastError();
	if (code != WSAEADDRNOTAVAIL && code != WSAEAFNOSUPPORT)
		return failed(trial, "a socket of the base provider", code);
	if (trial->listener != INVALID_SOCKET)
		closesocket(trial->listener);
	trial->listener = INVALID_SOCKET;
	printf("%s is off on this system: not tried\n", trial->name);
	return 0;
}

/* All of a few bytes. */
static bool pass(SOCKET from, SOCKET to, const char *text)
{
	int length = (int)strlen(text), got = 0, n;
	char buffer[32];

	if (send(from, text, length, 0) != length)
		return false;
	while (got < length && (n = recv(to, buffer + got, length - got, 0)) > 0)
		got += n;
	return got == length && memcmp(buffer, text, (size_t)length) == 0;
}

static int exchange(struct trial *trial, WSAPROTOCOL_INFOW *entry, const union address *address)
{
	int length = trial->family == AF_INET ? (int)sizeof(address->v4) : (int)sizeof(address->v6);

	trial->client = open_by(entry);
	if (trial->client == INVALID_SOCKET)
		return failed(trial, "no socket of OpenWSD", WSAGetLastError());
	if (connect(trial->client, &address->any, length) != 0)
		return failed(trial, "OpenWSD reaches no peer without it (is `plain` in BACKENDS?)",
			      WSAGetLastError());
	trial->server = accept(trial->listener, NULL, NULL);
	if (trial->server == INVALID_SOCKET)
		return failed(trial, "the peer got no connection", WSAGetLastError());
	if (!pass(trial->client, trial->server, "there") ||
	    !pass(trial->server, trial->client, "and back"))
		return failed(trial, "the bytes did not arrive", WSAGetLastError());
	return 0;
}

static int try_family(struct trial *trial)
{
	WSAPROTOCOL_INFOW *base = find_entry(trial->family, false);
	WSAPROTOCOL_INFOW *ours = find_entry(trial->family, true);
	union address address;
	int code;

	if (base == NULL || ours == NULL)
		return failed(trial,
			      ours == NULL ? "OpenWSD is not in the catalogue"
					   : "the catalogue has no base provider",
			      WSAEPROTONOSUPPORT);
	code = listen_plain(trial, base, &address);
	if (code == 0 && trial->listener != INVALID_SOCKET)
		code = exchange(trial, ours, &address);
	if (trial->client != INVALID_SOCKET)
		closesocket(trial->client);
	if (trial->server != INVALID_SOCKET)
		closesocket(trial->server);
	return code;
}

int main(void)
{
	struct trial trials[] = {
		{ "IPv4", AF_INET, INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET },
		{ "IPv6", AF_INET6, INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET },
	};
	unsigned tried = 0, i;
	DWORD size = sizeof(catalog.entries);
	WSADATA data;
	int code = WSAStartup(MAKEWORD(2, 2), &data), count;

	if (code != 0)
		return failed(&trials[0], "starting Winsock", code);
	count = WSAEnumProtocolsW(NULL, catalog.entries, &size);
	if (count == SOCKET_ERROR)
		code = failed(&trials[0], "reading the catalogue", WSAGetLastError());
	else
		catalog.count = (unsigned)count;
	for (i = 0; i < 2 && code == 0; i++) {
		code = try_family(&trials[i]);
		tried += trials[i].listener != INVALID_SOCKET;
	}
	if (code == 0 && tried == 0)
		code = failed(&trials[0], "there is nothing to be tried", WSAENETDOWN);
	for (i = 0; i < 2; i++)
		if (trials[i].listener != INVALID_SOCKET)
			closesocket(trials[i].listener);
	WSACleanup();
	return code;
}

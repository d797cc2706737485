// SPDX-License-Identifier: BSD-2-Clause
/*
 * trial.c - trial.exe, which `wsdctl install --prefer` runs before OpenWSD comes first: a program that opens sockets
 * by OpenWSD's entry in the catalogue, and exchanges a few bytes on loopback with peers that have the base provider's:
 * one that listens, and one that connects. The exit status is 0 or an error code of Winsock.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openwsd/ws2tcpip.h>

#include "spi_shim/catalog_entries.h"

#define ENTRIES	   128u /* of a catalogue */
#define PATIENCE_S 5	/* for what the other end has done already */

static struct {
	WSAPROTOCOL_INFOW entries[ENTRIES];
	unsigned count;
} catalog;

/* A family that is tried. */
struct trial {
	const char *name;
	int family;
	bool is_off; /* on this system */
};

/* A connection, and what to say where it does not come about. */
struct way {
	WSAPROTOCOL_INFOW *listens, *connects;
	const char *no_listener, *no_client, *no_connection, *no_server;
};

struct sockets {
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

/* A family that the system itself cannot bind has nothing to lose. */
static int look_at_family(struct trial *trial, WSAPROTOCOL_INFOW *base)
{
	union address address;
	int length = loopback(trial->family, &address), code = 0;
	SOCKET s = open_by(base);

	if (s == INVALID_SOCKET || bind(s, &address.any, length) != 0)
		code = WSAGetLastError();
	if (s != INVALID_SOCKET)
		closesocket(s);
	trial->is_off = code == WSAEADDRNOTAVAIL || code == WSAEAFNOSUPPORT;
	if (trial->is_off)
		printf("%s is off on this system: not tried\n", trial->name);
	return code == 0 || trial->is_off ? 0
					  : failed(trial, "a socket of the base provider", code);
}

/* What accept or recv will find: who waits in them waits for ever. */
static bool comes(SOCKET s)
{
	struct timeval patience = { PATIENCE_S, 0 };
	fd_set set;
	int ready;

	FD_ZERO(&set);
	FD_SET(s, &set);
	ready = select(0, &set, NULL, NULL, &patience);
	if (ready == 0)
		WSASetLastError(WSAETIMEDOUT);
	return ready == 1;
}

static int reach(const struct trial *trial, const struct way *way, struct sockets *sockets)
{
	union address address;
	int length = loopback(trial->family, &address);

	sockets->listener = open_by(way->listens);
	if (sockets->listener == INVALID_SOCKET ||
	    bind(sockets->listener, &address.any, length) != 0 ||
	    listen(sockets->listener, 1) != 0 ||
	    getsockname(sockets->listener, &address.any, &length) != 0)
		return failed(trial, way->no_listener, WSAGetLastError());
	sockets->client = open_by(way->connects);
	if (sockets->client == INVALID_SOCKET)
		return failed(trial, way->no_client, WSAGetLastError());
	if (connect(sockets->client, &address.any, length) != 0)
		return failed(trial, way->no_connection, WSAGetLastError());
	if (comes(sockets->listener))
		sockets->server = accept(sockets->listener, NULL, NULL);
	return sockets->server == INVALID_SOCKET ? failed(trial, way->no_server, WSAGetLastError())
						 : 0;
}

/* All of a few bytes. */
static bool pass(SOCKET from, SOCKET to, const char *text)
{
	int length = (int)strlen(text), got = 0, n;
	char buffer[32];

	if (send(from, text, length, 0) != length)
		return false;
	while (got < length && comes(to) && (n = recv(to, buffer + got, length - got, 0)) > 0)
		got += n;
	return got == length && memcmp(buffer, text, (size_t)length) == 0;
}

static bool end(SOCKET from, SOCKET to)
{
	char byte;

	return shutdown(from, SD_SEND) == 0 && comes(to) && recv(to, &byte, 1, 0) == 0;
}

static int exchange(const struct trial *trial, const struct way *way, const struct sockets *sockets)
{
	bool passed = pass(sockets->client, sockets->server, "there") &&
		      pass(sockets->server, sockets->client, "and back");
	char what[64];

	if (passed && end(sockets->client, sockets->server) &&
	    end(sockets->server, sockets->client))
		return 0;
	snprintf(what, sizeof(what), "%s did not arrive, where %s listens",
		 passed ? "the end" : "the bytes", is_ours(way->listens) ? "OpenWSD" : "the peer");
	return failed(trial, what, WSAGetLastError());
}

static int try_way(const struct trial *trial, const struct way *way)
{
	struct sockets sockets = { INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET };
	int code = reach(trial, way, &sockets);

	if (code == 0)
		code = exchange(trial, way, &sockets);
	if (sockets.client != INVALID_SOCKET)
		closesocket(sockets.client);
	if (sockets.server != INVALID_SOCKET)
		closesocket(sockets.server);
	if (sockets.listener != INVALID_SOCKET)
		closesocket(sockets.listener);
	return code;
}

static int try_family(struct trial *trial)
{
	WSAPROTOCOL_INFOW *base = find_entry(trial->family, false);
	WSAPROTOCOL_INFOW *ours = find_entry(trial->family, true);
	const struct way ways[] = {
		{ base, ours, "listening by the base provider", "no socket of OpenWSD",
		  "OpenWSD reaches no peer without it (is `plain` in BACKENDS?)",
		  "the peer got no connection" },
		{ ours, base, "OpenWSD does not listen", "a socket of the base provider",
		  "a peer without OpenWSD does not reach it (is `plain` in BACKENDS?)",
		  "OpenWSD got no connection from a peer without it" },
	};
	int code;

	if (base == NULL || ours == NULL)
		return failed(trial,
			      ours == NULL ? "OpenWSD is not in the catalogue"
					   : "the catalogue has no base provider",
			      WSAEPROTONOSUPPORT);
	code = look_at_family(trial, base);
	for (unsigned i = 0; i < 2 && code == 0 && !trial->is_off; i++)
		code = try_way(trial, &ways[i]);
	return code;
}

int main(void)
{
	struct trial trials[] = {
		{ "IPv4", AF_INET, false },
		{ "IPv6", AF_INET6, false },
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
		tried += !trials[i].is_off;
	}
	if (code == 0 && tried == 0)
		code = failed(&trials[0], "there is nothing to be tried", WSAENETDOWN);
	WSACleanup();
	return code;
}

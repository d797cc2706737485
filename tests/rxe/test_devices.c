// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_devices.c - one process on two adapters at once: connections in both directions, so that each adapter has those
 * that were asked for and those that asked, all of them with bytes on their way in both directions, over IPv4 and IPv6.
 */
#include <stdio.h>

#include <openwsd/ws2tcpip.h>

#include "tests/lib/peer.h"

#define PAIRS	    8u /* a quarter from either adapter over either family */
#define EACH	    (4u << 20)
#define PIECE	    50000
#define SKIPPED	    77
#define DEADLINE    90u
#define DESCRIPTORS 1024u

struct flow {
	SOCKET from, to;
	uint64_t sent, got;
};

static struct flow flows[2 * PAIRS];
static char adapters[2][64]; /* their names, as paths */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static union address address(const char *variable)
{
	const char *text = getenv(variable);
	union address at;

	memset(&at, 0, sizeof(at));
	PEER_CHECK(text != NULL);
	at.any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	PEER_CHECK(inet_pton(at.any.sa_family, text,
			     at.any.sa_family == AF_INET ? (void *)&at.v4.sin_addr
							 : (void *)&at.v6.sin6_addr) == 1);
	return at;
}

static int size_of(const union address *at)
{
	return at->any.sa_family == AF_INET ? sizeof(at->v4) : sizeof(at->v6);
}

static SOCKET bound(const union address *at)
{
	SOCKET s = WSASocketW(at->any.sa_family, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
			      WSA_FLAG_OVERLAPPED);

	PEER_CHECK(s != INVALID_SOCKET);
	PEER_CHECK(bind(s, &at->any, size_of(at)) == 0);
	return s;
}

static bool same_host(const union address *a, const union address *b)
{
	return a->any.sa_family == AF_INET
		       ? memcmp(&a->v4.sin_addr, &b->v4.sin_addr, sizeof(a->v4.sin_addr)) == 0
		       : memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
}

/* It is at the addresses of the two adapters, and goes over the one of its own, by this name. */
static void check_end(SOCKET s, const union address *here, const union address *there, char *name)
{
	union address at;
	char path[64] = "";
	int length = sizeof(at);

	PEER_CHECK(getsockname(s, &at.any, &length) == 0 && same_host(&at, here));
	length = sizeof(at);
	PEER_CHECK(getpeername(s, &at.any, &length) == 0 && same_host(&at, there));
	length = sizeof(path);
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, path, &length) == 0);
	if (!name[0]) /* the first one */
		memcpy(name, path, sizeof(path));
	if (strncmp(path, "verbs/", 6) != 0 || strcmp(path, name) != 0)
		peer_fail("over %s, not %s", path, name);
}

/* Connect from one adapter to the other. */
static void open_pair(struct flow *there, struct flow *back, const union address *ends,
		      unsigned from)
{
	const union address *to = &ends[1 - from];
	union address at = *to;
	int length = sizeof(at);
	SOCKET listener = bound(to), client = bound(&ends[from]), server;
	u_long on = 1;

	PEER_CHECK(listen(listener, 4) == 0);
	PEER_CHECK(getsockname(listener, &at.any, &length) == 0);
	PEER_CHECK(connect(client, &at.any, length) == 0);
	server = accept(listener, NULL, NULL);
	PEER_CHECK(server != INVALID_SOCKET);
	check_end(client, &ends[from], to, adapters[from]);
	check_end(server, to, &ends[from], adapters[1 - from]);
	PEER_CHECK(ioctlsocket(client, FIONBIO, &on) == 0 &&
		   ioctlsocket(server, FIONBIO, &on) == 0);
	PEER_CHECK(closesocket(listener) == 0);
	*there = (struct flow){ client, server, 0, 0 };
	*back = (struct flow){ server, client, 0, 0 };
}

static void step(struct flow *flow)
{
	static char in[PIECE];
	uint64_t left = EACH - flow->sent;
	int n;

	if (left > 0) {
		n = send(flow->from, peer_pattern(flow->sent), left < PIECE ? (int)left : PIECE, 0);
		PEER_CHECK(n > 0 || WSAGetLastError() == WSAEWOULDBLOCK);
		flow->sent += n > 0 ? (uint64_t)n : 0;
	}
	if (flow->got < EACH) {
		n = recv(flow->to, in, sizeof(in), 0);
		PEER_CHECK(n > 0 || (n < 0 && WSAGetLastError() == WSAEWOULDBLOCK));
		if (n > 0)
			peer_check_pattern(in, n, flow->got);
		flow->got += n > 0 ? (uint64_t)n : 0;
	}
}

int main(void)
{
	union address ends[2][2];
	uint64_t got = 0;

	peer_start(DEADLINE, DESCRIPTORS);
	if (!getenv("WSD_TEST_FROM_IPV4") ||
	    strcmp(getenv("WSD_TEST_FROM_IPV4"), getenv("WSD_TEST_IPV4")) == 0) {
		printf("one adapter only\n");
		return SKIPPED;
	}
	ends[0][0] = address("WSD_TEST_IPV4");
	ends[0][1] = address("WSD_TEST_FROM_IPV4");
	ends[1][0] = address("WSD_TEST_IPV6");
	ends[1][1] = address("WSD_TEST_FROM_IPV6");
	peer_winsock();
	for (unsigned i = 0; i < PAIRS; i++)
		open_pair(&flows[2 * i], &flows[2 * i + 1], ends[i / 2 % 2], i % 2);
	PEER_CHECK(strcmp(adapters[0], adapters[1]) != 0);
	while (got < 2ull * PAIRS * EACH) {
		got = 0;
		for (unsigned i = 0; i < 2 * PAIRS; i++) {
			step(&flows[i]);
			got += flows[i].got;
		}
	}
	for (unsigned i = 0; i < PAIRS; i++)
		PEER_CHECK(closesocket(flows[2 * i].from) == 0 &&
			   closesocket(flows[2 * i].to) == 0);
	PEER_CHECK(WSACleanup() == 0);
	printf("%u connections at once over %s and %s, %u MiB each way on each\n", PAIRS,
	       adapters[0], adapters[1], EACH >> 20);
	return 0;
}

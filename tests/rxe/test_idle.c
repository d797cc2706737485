// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_idle.c - the resident memory of an idle connection, at each of its two ends: both processes weigh themselves
 * before and after so many. The adapter's queues are mapped, so they count.
 */
#include <stdio.h>

#include "tests/lib/peer.h"

#define BEFORE	 50u
#define MORE	 200u
#define KIB_MOST 96u

static SOCKET sockets[BEFORE + MORE];

static void open_more(unsigned from, unsigned count, SOCKET listener, struct sockaddr_in at)
{
	for (unsigned i = from; i < from + count; i++) {
		if (listener != INVALID_SOCKET) {
			sockets[i] = accept(listener, NULL, NULL);
			PEER_CHECK(sockets[i] != INVALID_SOCKET);
		} else {
			sockets[i] = peer_socket();
			PEER_CHECK(connect(sockets[i], (struct sockaddr *)&at, sizeof(at)) == 0);
		}
	}
	peer_tell(1);
	PEER_CHECK(peer_hear() == 1);
}

static void one_end(const char *name, SOCKET listener, struct sockaddr_in at)
{
	uint64_t before, each;

	open_more(0, BEFORE, listener, at);
	before = peer_resident_bytes();
	open_more(BEFORE, MORE, listener, at);
	each = (peer_resident_bytes() - before) / MORE;
	printf("%s: %u.%u KiB for each connection\n", name, (unsigned)(each / 1024),
	       (unsigned)(each % 1024 * 10 / 1024));
	fflush(stdout);
	if (each > KIB_MOST * 1024)
		peer_fail("%s: more than %u KiB", name, KIB_MOST);
	if (each < 1024) /* not even the queue pair: nothing was weighed */
		peer_fail("%s: this cannot be", name);
	/* Neither must see the other's end before it has weighed itself. */
	peer_tell(2);
	PEER_CHECK(peer_hear() == 2);
	PEER_CHECK(WSACleanup() == 0);
}

static void serve(void)
{
	struct sockaddr_in nowhere = { .sin_family = AF_INET };
	SOCKET listener;
	uint32_t port;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	one_end("server", listener, nowhere);
}

int main(void)
{
	peer_start(60, 2 * (BEFORE + MORE) + 200);
	peer_fork(serve);
	peer_winsock();
	one_end("client", INVALID_SOCKET, peer_address(peer_hear()));
	peer_join();
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_stall.c SECONDS COMMAND - COMMAND cuts the wire while a sender waits for a peer that does not read: nothing is
 * on its way any more. The sender gets an error within SECONDS.
 */
#include <stdio.h>

#include "tests/lib/peer.h"

static void acceptor(void)
{
	SOCKET listener, s;
	uint32_t port;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET);
	PEER_CHECK(peer_hear() == 1); /* the sender has failed */
	PEER_CHECK(closesocket(s) == 0 && closesocket(listener) == 0);
	(void)WSACleanup();
}

/* Until nothing is taken any more. */
static void fill(SOCKET s)
{
	u_long on = 1, off = 0;
	unsigned full = 0;

	PEER_CHECK(ioctlsocket(s, FIONBIO, &on) == 0);
	while (full < 20) {
		if (send(s, peer_pattern(0), 30000, 0) > 0) {
			full = 0;
			continue;
		}
		PEER_CHECK(WSAGetLastError() == WSAEWOULDBLOCK);
		full++;
		Sleep(50);
	}
	PEER_CHECK(ioctlsocket(s, FIONBIO, &off) == 0);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
	struct sockaddr_in at;
	uint64_t before;
	SOCKET s;
	int error;

	if (!seconds)
		peer_fail("usage: test_stall SECONDS COMMAND");
	peer_start(seconds + 60, 256);
	peer_fork(acceptor);
	peer_winsock();
	at = peer_address(peer_hear());
	s = peer_socket();
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	fill(s);
	PEER_CHECK(system(argv[2]) == 0);
	before = GetTickCount64();
	PEER_CHECK(send(s, peer_pattern(0), 30000, 0) == SOCKET_ERROR);
	error = WSAGetLastError();
	printf("%d after %u ms\n", error, (unsigned)(GetTickCount64() - before));
	PEER_CHECK(error == WSAECONNRESET || error == WSAECONNABORTED || error == WSAETIMEDOUT);
	PEER_CHECK(GetTickCount64() - before < 1000ull * seconds * peer_slow_factor());
	PEER_CHECK(closesocket(s) == 0);
	peer_tell(1);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* dial.c - connecting and accepting, for the programs about listeners. */
#include "tests/conformance/dial.h"

SOCKET dial(const struct address *at)
{
	SOCKET s = stream_socket();

	if (connect_to(s, at) == 0)
		return s;
	closesocket(s);
	return INVALID_SOCKET;
}

SOCKET dial_pending(const struct address *at)
{
	SOCKET s = stream_socket();

	nonblocking(s, 1);
	if (connect_to(s, at) == 0 || WSAGetLastError() == WSAEWOULDBLOCK)
		return s;
	closesocket(s);
	return INVALID_SOCKET;
}

int progress(SOCKET s, long ms)
{
	struct timeval timeout = { ms / 1000, ms % 1000 * 1000 };
	fd_set done, failed;

	FD_ZERO(&done);
	FD_ZERO(&failed);
	FD_SET(s, &done);
	FD_SET(s, &failed);
	select(0, NULL, &done, &failed, &timeout);
	return (FD_ISSET(s, &done) ? 1 : 0) | (FD_ISSET(s, &failed) ? 2 : 0);
}

SOCKET full_listener(struct address *at, SOCKET clients[FULL])
{
	SOCKET s = listener_on(at, 1);

	for (int i = 0; i < FULL; i++) {
		clients[i] = dial_pending(at);
		/* The system counts one when it hears that the connector knows, which on a busy machine is later. */
		if (progress(clients[i], 20) == 1)
			Sleep(20);
	}
	return s;
}

int outcome(SOCKET s)
{
	int error = -1, length = sizeof(error), found = progress(s, 10000);

	if (found == 2)
		getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&error, &length);
	return found == 1 ? 0 : error;
}

int refuses(const struct address *at)
{
	SOCKET s = stream_socket();
	int refused = FAILS(connect_to(s, at), WSAECONNREFUSED);

	closesocket(s);
	return refused;
}

void bound_receive(SOCKET s)
{
	DWORD ms = 5000;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&ms, sizeof(ms));
}

int works(SOCKET client, SOCKET server)
{
	char c = 0;

	bound_receive(client);
	bound_receive(server);
	nonblocking(client, 0);
	return server != INVALID_SOCKET && send(server, "b", 1, 0) == 1 &&
	       recv(client, &c, 1, 0) == 1 && c == 'b' && send(client, "a", 1, 0) == 1 &&
	       recv(server, &c, 1, 0) == 1 && c == 'a';
}

int no_socket(SOCKET s, int code)
{
	return s == INVALID_SOCKET && WSAGetLastError() == code;
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_plain_shortage.c - the system is short of memory, or of a route: what that does to an open connection. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "tests/plain/cases.h"
#include "tests/plain/refuse.h"
#include "tests/plain/system.h"

static int open_end(SOCKET *s, u_long nonblocking)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 1), peer;

	*s = connected(port);
	PEER_CHECK(ioctlsocket(*s, (int)FIONBIO, &nonblocking) == 0);
	peer = system_accept(listener);
	PEER_CHECK(peer >= 0);
	system_close(listener);
	return peer;
}

static void close_end(SOCKET s, int peer)
{
	char byte;

	PEER_CHECK(refusals_left() == 0 && closesocket(s) == 0);
	PEER_CHECK(system_receive(peer, &byte, 1) == 0);
	system_close(peer);
}

/* A call that does not wait says so, and the next one goes on. */
static void check_nonblocking(void)
{
	char bytes[8];
	SOCKET s;
	int peer;

	over("plain");
	peer = open_end(&s, 1);
	for (int i = 0; i < 2; i++) {
		refuse_sends(i ? ENOMEM : ENOBUFS, 0, 1);
		PEER_CHECK(send(s, "hello", 5, 0) == SOCKET_ERROR);
		PEER_CHECK(WSAGetLastError() == WSAENOBUFS);
		PEER_CHECK(send(s, "hello", 5, 0) == 5);
		PEER_CHECK(system_receive(peer, bytes, 5) == 5 && memcmp(bytes, "hello", 5) == 0);
		system_send(peer, "world", 5);
		PEER_CHECK(system_arrived(peer, 10000));
		refuse_receives(i ? ENOMEM : ENOBUFS, 1);
		PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == SOCKET_ERROR);
		PEER_CHECK(WSAGetLastError() == WSAENOBUFS);
		PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == 5 && memcmp(bytes, "world", 5) == 0);
	}
	close_end(s, peer);
}

/* One that waits waits for this, too. */
static void check_blocking(void)
{
	char bytes[8];
	SOCKET s;
	int peer;

	over("plain");
	peer = open_end(&s, 0);
	refuse_sends(ENOBUFS, 0, 3);
	PEER_CHECK(send(s, "hello", 5, 0) == 5);
	PEER_CHECK(system_receive(peer, bytes, 5) == 5);
	system_send(peer, "world", 5);
	PEER_CHECK(system_arrived(peer, 10000));
	refuse_receives(ENOMEM, 3);
	PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == 5 && memcmp(bytes, "world", 5) == 0);
	close_end(s, peer);
}

#define LARGE (8u << 20)

static char pattern(unsigned at)
{
	return (char)(at * 31 >> 7);
}

/* In the middle of what has been begun no byte is lost. */
static void check_overlapped(void)
{
	WSABUF buffer = { LARGE, malloc(LARGE) };
	WSAOVERLAPPED overlapped = { 0 };
	DWORD bytes, flags;
	char *got = malloc(LARGE);
	SOCKET s;
	int peer;

	over("plain");
	peer = open_end(&s, 0);
	overlapped.hEvent = WSACreateEvent();
	for (unsigned i = 0; i < LARGE; i++)
		buffer.buf[i] = pattern(i);
	refuse_sends(ENOBUFS, 2, 3);
	PEER_CHECK(WSASend(s, &buffer, 1, &bytes, 0, &overlapped, NULL) == SOCKET_ERROR &&
		   WSAGetLastError() == WSA_IO_PENDING);
	PEER_CHECK(system_receive(peer, got, LARGE) == LARGE);
	for (unsigned i = 0; i < LARGE; i++)
		PEER_CHECK(got[i] == pattern(i));
	PEER_CHECK(WSAGetOverlappedResult(s, &overlapped, &bytes, TRUE, &flags) && bytes == LARGE);
	PEER_CHECK(WSACloseEvent(overlapped.hEvent));
	free(got);
	free(buffer.buf);
	close_end(s, peer);
}

/* Nothing comes through any more, which is another thing than a peer that resets. */
static void check_no_route(void)
{
	char bytes[8];
	SOCKET s;
	int peer;

	over("plain");
	peer = open_end(&s, 0);
	refuse_sends(EHOSTUNREACH, 0, 1);
	PEER_CHECK(send(s, "hello", 5, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNABORTED);
	PEER_CHECK(closesocket(s) == 0);
	system_close(peer);
	peer = open_end(&s, 0);
	refuse_receives(ENETUNREACH, 1);
	PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == SOCKET_ERROR);
	PEER_CHECK(WSAGetLastError() == WSAECONNABORTED);
	PEER_CHECK(closesocket(s) == 0);
	system_close(peer);
}

/* A system that refuses to hand over what waits costs nobody the listener: it is asked again after a while. */
static void check_no_accept(void)
{
	u_long on = 1;
	uint32_t port;
	SOCKET listener, s;
	int peer;

	over("plain");
	listener = peer_listen(&port);
	PEER_CHECK(ioctlsocket(listener, (int)FIONBIO, &on) == 0);
	refuse_accepts(EPERM, INT_MAX);
	peer = system_connect(port);
	Sleep(100);
	PEER_CHECK(accept(listener, NULL, NULL) == INVALID_SOCKET);
	PEER_CHECK(WSAGetLastError() == WSAEWOULDBLOCK && refusals_left() < INT_MAX);
	refuse_accepts(0, 0);
	on = 0;
	PEER_CHECK(ioctlsocket(listener, (int)FIONBIO, &on) == 0);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET && closesocket(listener) == 0);
	close_end(s, peer);
}

const struct plain_case plain_cases[] = {
	{ "short_nonblocking", check_nonblocking }, { "short_blocking", check_blocking },
	{ "short_overlapped", check_overlapped },   { "no_route", check_no_route },
	{ "no_accept", check_no_accept },	    { NULL, NULL },
};

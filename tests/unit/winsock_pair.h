/* SPDX-License-Identifier: BSD-2-Clause */
/* winsock_pair.h - two connected sockets of one process, for the tests of provider/winsock. */
#ifndef WSD_TEST_WINSOCK_PAIR_H
#define WSD_TEST_WINSOCK_PAIR_H

#include "tests/lib/test.h"

#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>
#include <openwsd/ws2tcpip.h>

#include "tests/lib/os_port.h"

#define BIG (3u << 20)

struct pair {
	SOCKET listener, client, server;
	struct sockaddr_in at;
};

static inline SOCKET new_socket(void)
{
	SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);

	assert_true(s != INVALID_SOCKET);
	return s;
}

static inline SOCKET new_listener(struct sockaddr_in *at)
{
	SOCKET s = new_socket();
	int length = sizeof(*at);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	os_address(false, false, (unsigned char *)&at->sin_addr);
	assert_int_equal(bind(s, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)at, &length), 0);
	return s;
}

static inline void open_pair(struct pair *p)
{
	p->listener = new_listener(&p->at);
	p->client = new_socket();
	assert_int_equal(connect(p->client, (struct sockaddr *)&p->at, sizeof(p->at)), 0);
	p->server = accept(p->listener, NULL, NULL);
	assert_true(p->server != INVALID_SOCKET);
}

static inline void close_pair(struct pair *p)
{
	assert_int_equal(closesocket(p->client), 0);
	assert_int_equal(closesocket(p->server), 0);
	assert_int_equal(closesocket(p->listener), 0);
}

static inline void wait_event(WSAEVENT event)
{
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE), WSA_WAIT_EVENT_0);
}

static inline long fetch(SOCKET s, WSAEVENT event, WSANETWORKEVENTS *events)
{
	memset(events, 0, sizeof(*events));
	assert_int_equal(WSAEnumNetworkEvents(s, event, events), 0);
	return events->lNetworkEvents;
}

static inline DWORD result_of(SOCKET s, WSAOVERLAPPED *ov, DWORD *bytes)
{
	DWORD flags = 0;

	*bytes = 0;
	return WSAGetOverlappedResult(s, ov, bytes, TRUE, &flags) ? 0 : (DWORD)WSAGetLastError();
}

#endif

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain_flow.c - quality of service towards a peer that knows nothing of it, by plain TCP: our own direction
 * keeps to it and is reserved, the other one is best effort and said to be. The peer is a socket of the system, and
 * the path's speed is 1 MB/s, of which three quarters are promised.
 */
#include <stdio.h>
#include <time.h>

#include "tests/lib/peer.h"
#include "tests/plain/system.h"
#include "tests/qos/ledger_name.h"

#define RATE	 200000u
#define BUCKET	 20000u
#define PROMISED 750000u
#define UNSET	 QOS_NOT_SPECIFIED

static QOS guaranteed(ULONG rate)
{
	QOS qos;

	memset(&qos, 0xff, sizeof(qos));
	qos.SendingFlowspec.ServiceType = qos.ReceivingFlowspec.ServiceType =
		SERVICETYPE_GUARANTEED;
	qos.SendingFlowspec.TokenRate = qos.ReceivingFlowspec.TokenRate = rate;
	qos.SendingFlowspec.TokenBucketSize = BUCKET;
	qos.ProviderSpecific = (WSABUF){ 0, NULL };
	return qos;
}

static int set_qos(SOCKET s, ULONG rate)
{
	QOS qos = guaranteed(rate);
	DWORD bytes;

	if (WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &bytes, NULL, NULL) == 0)
		return 0;
	return WSAGetLastError();
}

/* This rate is ours, and of the other direction nothing is known. */
static void expect(SOCKET s, ULONG rate)
{
	DWORD bytes = 0;
	QOS qos;

	PEER_CHECK(WSAIoctl(s, SIO_GET_QOS, NULL, 0, &qos, sizeof(qos), &bytes, NULL, NULL) == 0);
	PEER_CHECK(qos.SendingFlowspec.ServiceType == SERVICETYPE_GUARANTEED &&
		   qos.SendingFlowspec.TokenRate == rate &&
		   qos.SendingFlowspec.TokenBucketSize == BUCKET);
	PEER_CHECK(qos.ReceivingFlowspec.ServiceType == SERVICETYPE_BESTEFFORT &&
		   qos.ReceivingFlowspec.TokenRate == UNSET);
}

static int try_connect(SOCKET s, uint32_t port, ULONG rate)
{
	struct sockaddr_in at = peer_address(port);
	QOS qos = guaranteed(rate);

	if (WSAConnect(s, (struct sockaddr *)&at, sizeof(at), NULL, NULL, &qos, NULL) == 0)
		return 0;
	return WSAGetLastError();
}

/* A connection with a peer that sees one connection and no byte. */
static SOCKET open_flow(int listener, uint32_t port, ULONG rate, int *peer)
{
	SOCKET s = peer_socket();

	PEER_CHECK(try_connect(s, port, rate) == 0);
	*peer = system_accept(listener);
	PEER_CHECK(*peer >= 0);
	expect(s, rate);
	return s;
}

static bool news(SOCKET s, WSAEVENT event, long which)
{
	WSANETWORKEVENTS events;

	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	return (events.lNetworkEvents & which) != 0;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The only one: what closed sockets were promised is free again, as they close in the background. */
static SOCKET open_alone(int listener, uint32_t port, ULONG rate, int *peer)
{
	SOCKET s = peer_socket();

	for (unsigned i = 0; i < 1000 && try_connect(s, port, PROMISED) == WSAEOPNOTSUPP; i++)
		Sleep(10);
	*peer = system_accept(listener);
	PEER_CHECK(*peer >= 0);
	expect(s, PROMISED);
	PEER_CHECK(set_qos(s, rate) == 0);
	expect(s, rate);
	return s;
}

/* A second's bytes beyond the bucket, by calls that wait: all arrive, and not before they may. */
static void check_pace(int listener, uint32_t port)
{
	static char got[RATE + BUCKET];
	struct timeval at_once = { 0, 0 }, limit = { 10, 0 };
	double begun, spent;
	u_long on = 1;
	fd_set writable;
	int peer, n;
	SOCKET s = open_flow(listener, port, RATE, &peer);

	PEER_CHECK(system_silent(peer, 0));
	begun = seconds();
	PEER_CHECK(send(s, peer_pattern(0), sizeof(got), 0) == sizeof(got));
	spent = seconds() - begun;
	printf("%zu bytes in %.3f s\n", sizeof(got), spent);
	fflush(stdout);
	PEER_CHECK(spent > 0.95);
	PEER_CHECK(system_receive(peer, got, sizeof(got)) == sizeof(got));
	peer_check_pattern(got, sizeof(got), 0);
	/* The bucket is empty. Who may not wait is told, and then told again. */
	PEER_CHECK(ioctlsocket(s, FIONBIO, &on) == 0);
	do {
		n = send(s, peer_pattern(0), BUCKET, 0);
	} while (n > 0);
	PEER_CHECK(WSAGetLastError() == WSAEWOULDBLOCK);
	FD_ZERO(&writable);
	FD_SET(s, &writable);
	PEER_CHECK(select(0, NULL, &writable, NULL, &limit) == 1);
	PEER_CHECK(send(s, peer_pattern(0), BUCKET, 0) > 0);
	/* A rate that lets it wait for ages, and then another one: it does not. */
	PEER_CHECK(set_qos(s, 1) == 0);
	do {
		n = send(s, peer_pattern(0), BUCKET, 0);
	} while (n > 0);
	FD_SET(s, &writable);
	PEER_CHECK(select(0, NULL, &writable, NULL, &at_once) == 0);
	PEER_CHECK(set_qos(s, RATE) == 0);
	FD_SET(s, &writable);
	PEER_CHECK(select(0, NULL, &writable, NULL, &limit) == 1);
	closesocket(s);
	system_close(peer);
}

static void check_promises(int listener, uint32_t port)
{
	int first, second;
	SOCKET a = open_alone(listener, port, 500000, &first), b = peer_socket();

	PEER_CHECK(try_connect(b, port, 250001) == WSAEOPNOTSUPP && system_nobody(listener, 100));
	PEER_CHECK(set_qos(a, 750001) == WSAEOPNOTSUPP);
	expect(a, 500000);
	closesocket(b);
	b = open_flow(listener, port, 250000, &second);
	PEER_CHECK(set_qos(b, 250001) == WSAEOPNOTSUPP && set_qos(a, 499999) == 0);
	PEER_CHECK(set_qos(b, 250001) == 0);
	expect(b, 250001);
	closesocket(a);
	for (unsigned i = 0; i < 1000 && set_qos(b, PROMISED) != 0; i++)
		Sleep(10); /* it closes in the background */
	expect(b, PROMISED);
	closesocket(b);
	system_close(first);
	system_close(second);
}

/* Of what an accepted socket has from its listener, only what can be promised. */
static void check_accept(int system, uint32_t its_port)
{
	WSAEVENT event = WSACreateEvent();
	uint32_t port;
	SOCKET listener = peer_listen(&port), s, other, small;
	int peers[3];

	small = open_alone(system, its_port, 50000, &peers[2]);
	PEER_CHECK(set_qos(listener, 400000) == 0);
	peers[0] = system_connect(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(peers[0] >= 0 && s != INVALID_SOCKET && system_silent(peers[0], 100));
	expect(s, 400000);
	PEER_CHECK(WSAEventSelect(s, event, FD_QOS) == 0 && !news(s, event, FD_QOS));
	PEER_CHECK(set_qos(s, 300000) == 0 && news(s, event, FD_QOS));
	PEER_CHECK(set_qos(s, 350000) == 0 && !news(s, event, FD_QOS));
	expect(s, 350000); /* which enables it again */
	PEER_CHECK(set_qos(s, 400000) == 0 && news(s, event, FD_QOS));
	peers[1] = system_connect(port);
	other = accept(listener, NULL, NULL);
	PEER_CHECK(peers[1] >= 0 && other != INVALID_SOCKET);
	PEER_CHECK(set_qos(other, 300001) == WSAEOPNOTSUPP && set_qos(other, 300000) == 0);
	expect(other, 300000);
	closesocket(small);
	closesocket(s);
	closesocket(other);
	closesocket(listener);
	system_close(peers[0]);
	system_close(peers[1]);
	system_close(peers[2]);
	WSACloseEvent(event);
}

int main(void)
{
	uint32_t port = 0;
	int listener;

	peer_start(60, 256);
	ledger_name_set();
	peer_winsock();
	listener = system_listen(&port, 8);
	check_pace(listener, port);
	check_promises(listener, port);
	check_accept(listener, port);
	system_close(listener);
	WSACleanup();
	ledger_name_remove();
	return 0;
}

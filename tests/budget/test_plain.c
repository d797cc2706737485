// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain.c - what a connection to a plain peer that is known may cost in system calls. Beside the system's own
 * socket, connect and close there is one, which asks whether it is connected, for a connect of ours does not wait in
 * the system. This thread binds nothing, watches nothing, and asks for its own address only on demand.
 *
 * The peer never runs: the system accepts what comes into its listening socket's queue.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openwsd/winsock2.h>

#include "tests/budget/budget.h"
#include "tests/budget/trace.h"
#include "tests/plain/system.h"

#define ROUNDS	 200u
#define FIRST	 8u  /* of bytes: rounds before those that count */
#define DEADLINE 60u /* s */

enum {
	BLOCKING,
	NONBLOCKING,
	BYTES,
	PARTS = BYTES + ROUNDS,
	TRIED = PARTS + ROUNDS,
	ALL = TRIED + ROUNDS
};

static int listener;
static struct sockaddr_in at;

static SOCKET new_socket(u_long nonblocking)
{
	SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

	budget_need(s != INVALID_SOCKET, "socket");
	budget_need(!nonblocking || ioctlsocket(s, FIONBIO, &nonblocking) == 0, "ioctlsocket");
	return s;
}

static void blocking(void)
{
	SOCKET s = new_socket(0);

	budget_need(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	budget_need(closesocket(s) == 0, "closesocket");
}

static void nonblocking(void)
{
	SOCKET s = new_socket(1);
	fd_set set;

	budget_need(connect(s, (struct sockaddr *)&at, sizeof(at)) == SOCKET_ERROR &&
			    WSAGetLastError() == WSAEWOULDBLOCK,
		    "connect");
	FD_ZERO(&set);
	FD_SET(s, &set);
	budget_need(select(0, NULL, &set, NULL, NULL) == 1, "select");
	budget_need(closesocket(s) == 0, "closesocket");
}

static void empty_queue(void)
{
	while (!system_nobody(listener, 0))
		system_close(system_accept(listener));
}

static void count_connects(void (*one)(void))
{
	trace_marker();
	for (unsigned i = 0; i < ROUNDS; i++)
		one();
	trace_marker();
	empty_queue();
}

/* A send and a receive that find what they need are one call each, and no thread that heard of the bytes, too, is in
 * their way: after the first rounds the system is no longer asked to tell of them. */
static void count_bytes(void)
{
	SOCKET s = new_socket(0);
	char bytes[64] = "64 bytes";
	int peer;

	budget_need(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	peer = system_accept(listener);
	for (unsigned i = 0; i < FIRST + ROUNDS; i++) {
		system_send(peer, bytes, sizeof(bytes));
		/* On a busy machine the system may take its time to deliver it. */
		budget_need(recv(s, bytes, sizeof(bytes), MSG_PEEK) == sizeof(bytes), "peek");
		if (i >= FIRST)
			trace_marker();
		budget_need(recv(s, bytes, sizeof(bytes), 0) == sizeof(bytes), "recv");
		budget_need(send(s, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
		if (i >= FIRST)
			trace_marker();
		budget_need(system_receive(peer, bytes, sizeof(bytes)) == sizeof(bytes), "echo");
	}
	system_close(peer);
	closesocket(s);
}

/* One that asks for more than is there finds it by one call, too, though the receive before has seen the end of what
 * was there: whether it would wait or not. */
static void count_short(u_long nonblocking)
{
	static char room[65536];
	SOCKET s = new_socket(0);
	char bytes[64] = "64 bytes";
	int peer;

	budget_need(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	budget_need(ioctlsocket(s, FIONBIO, &nonblocking) == 0, "ioctlsocket");
	peer = system_accept(listener);
	for (unsigned i = 0; i < 2 * FIRST + ROUNDS; i++) {
		bool counts = i >= 2 * FIRST;

		system_send(peer, bytes, sizeof(bytes));
		budget_need(system_arrived(peer, 1000 * DEADLINE), "arrived");
		if (counts)
			trace_marker();
		budget_need(recv(s, room, sizeof(room), 0) == sizeof(bytes), "short recv");
		budget_need(send(s, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
		if (counts)
			trace_marker();
		budget_need(system_receive(peer, bytes, sizeof(bytes)) == sizeof(bytes), "echo");
	}
	system_close(peer);
	closesocket(s);
}

static void begin(void)
{
	WSADATA data;
	uint32_t port = 0;

	alarm(DEADLINE);
	listener = system_listen(&port, 2 * ROUNDS);
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((u_short)port);
	budget_need(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup");
	blocking(); /* now the peer is known */
	empty_queue();
}

static void end(void)
{
	WSACleanup();
	system_close(listener);
}

static int scenario(void)
{
	begin();
	count_connects(blocking);
	count_connects(nonblocking);
	count_bytes();
	count_short(1);
	end();
	return 0;
}

/* Nobody looks after the path but the program: what is counted is all that there is. */
static int alone(void)
{
	budget_need(setenv("WSD_ENGINE_THREAD", "0", 1) == 0, "setenv");
	begin();
	count_short(0);
	count_short(1);
	end();
	return 0;
}

static int bytes_within(const char *what, const unsigned long *calls)
{
	unsigned long sum = 0;

	for (unsigned i = 0; i < ROUNDS; i++)
		sum += calls[i];
	return budget_within(what, sum, 2 * ROUNDS, 2 * ROUNDS + ROUNDS / 10);
}

static int count(int (*run)(void), unsigned long *calls, unsigned intervals)
{
	int result = trace_run(run, calls, intervals);

	if (result != 0)
		fprintf(stderr, "the scenario ended with %d\n", result);
	return result;
}

int main(void)
{
	unsigned long calls[ALL] = { 0 }, own[2 * ROUNDS] = { 0 };
	int ok = 1;

	if (count(scenario, calls, ALL) || count(alone, own, 2 * ROUNDS))
		return 1;
	ok &= budget_within("system calls of connect and close", calls[BLOCKING], 3 * ROUNDS,
			    4 * ROUNDS + ROUNDS / 10);
	ok &= budget_within("... with select", calls[NONBLOCKING], 3 * ROUNDS,
			    4 * ROUNDS + ROUNDS / 10);
	ok &= bytes_within("system calls of a receive and a send", calls + BYTES);
	ok &= bytes_within("... of less than asked for, by calls that do not wait", calls + PARTS);
	ok &= bytes_within("... by calls that may wait, alone", own);
	ok &= bytes_within("... by calls that do not wait, alone", own + ROUNDS);
	return !ok;
}

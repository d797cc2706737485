// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_descriptors.c - a process at its limit of descriptors. What needs one fails with WSAEMFILE, open
 * connections go on, one that is closed makes room for another, and a request to such a process waits.
 * Argument: for so many ms, longer than the other process's WSD_TCP_BANNER_LIMIT: a process without descriptors is
 * not taken for one that has nothing to do with us.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define ATTEMPTS  400
#define LIMIT	  64
#define SETTLE_MS 10000

static struct sockaddr_in at;
static unsigned wait_ms;

static void set_limit(rlim_t files)
{
	struct rlimit limit;

	PEER_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = files;
	PEER_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Take what is left, so that not one can be had. */
static unsigned take_descriptors(int *taken, unsigned most)
{
	unsigned count = 0;

	while (count < most && (taken[count] = dup(0)) >= 0)
		count++;
	return count;
}

static void give_descriptors(const int *taken, unsigned count)
{
	while (count > 0)
		close(taken[--count]);
}

static void round_trip(SOCKET s, unsigned seed)
{
	char out[4096], in[4096];
	int i, n;

	for (i = 0; i < (int)sizeof(out); i++)
		out[i] = (char)(seed + (unsigned)i * 7);
	PEER_CHECK(send(s, out, sizeof(out), 0) == (int)sizeof(out));
	for (i = 0; i < (int)sizeof(in); i += n) {
		n = recv(s, in + i, (int)sizeof(in) - i, 0);
		PEER_CHECK(n > 0);
	}
	PEER_CHECK(memcmp(in, out, sizeof(in)) == 0);
}

/* --- the other process: enough descriptors; sends everything back --- */

static void *echo(void *arg)
{
	SOCKET s = *(SOCKET *)arg;
	char buffer[4096];
	int got, n, sent;

	while ((got = recv(s, buffer, sizeof(buffer), 0)) > 0)
		for (sent = 0; sent < got; sent += n) {
			n = send(s, buffer + sent, got - sent, 0);
			PEER_CHECK(n > 0);
		}
	PEER_CHECK(closesocket(s) == 0);
	return NULL;
}

static void *accept_all(void *arg)
{
	static SOCKET sockets[2 * ATTEMPTS];
	SOCKET listener = *(SOCKET *)arg;
	pthread_t thread;
	int i;

	for (i = 0; i < 2 * ATTEMPTS; i++) {
		sockets[i] = accept(listener, NULL, NULL);
		if (sockets[i] == INVALID_SOCKET)
			break;
		PEER_CHECK(pthread_create(&thread, NULL, echo, &sockets[i]) == 0);
		pthread_detach(thread);
	}
	return NULL;
}

static void other_process(void)
{
	SOCKET listener, s;
	pthread_t thread;
	uint32_t port;
	char limit[16];

	snprintf(limit, sizeof(limit), "%u", wait_ms * 2 / 3);
	PEER_CHECK(setenv("WSD_TCP_BANNER_LIMIT", limit, 1) == 0);
	set_limit(4000);
	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	PEER_CHECK(pthread_create(&thread, NULL, accept_all, &listener) == 0);
	/* The other way round: towards a process that has no descriptors now. */
	at = peer_address(peer_hear());
	s = peer_socket();
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	peer_tell(1);
	round_trip(s, 7);
	PEER_CHECK(closesocket(s) == 0);
	(void)peer_hear();
	PEER_CHECK(closesocket(listener) == 0);
	pthread_join(thread, NULL);
	PEER_CHECK(WSACleanup() == 0);
}

/* --- the process with few --- */

static int connect_one(SOCKET *made)
{
	SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	int error;

	if (s == INVALID_SOCKET)
		return WSAGetLastError();
	if (connect(s, (struct sockaddr *)&at, sizeof(at)) == 0) {
		*made = s;
		return 0;
	}
	error = WSAGetLastError();
	PEER_CHECK(closesocket(s) == 0);
	return error;
}

/* A closed connection gives its descriptors back in the background. */
static SOCKET connect_again(void)
{
	SOCKET s = INVALID_SOCKET;
	int i, error = 0;

	for (i = 0; i < SETTLE_MS / 20; i++) {
		error = connect_one(&s);
		if (error == 0)
			return s;
		if (error != WSAEMFILE)
			break;
		Sleep(20);
	}
	peer_fail("no connection after one was closed: %d", error);
}

static void fill_with_connections(void)
{
	static SOCKET sockets[ATTEMPTS];
	int count = 0, i, error;
	int taken[LIMIT];
	unsigned n;

	/* Over a shared link a connection may need none that stays: take all the others. */
	while (count < 8 && (error = connect_one(&sockets[count])) == 0)
		round_trip(sockets[count++], 1);
	PEER_CHECK(count == 8);
	n = take_descriptors(taken, LIMIT);
	PEER_CHECK(n > 0 && n < LIMIT);
	for (i = 0; i < 3; i++) {
		SOCKET s;

		error = connect_one(&s);
		printf("connect without descriptors: %d\n", error);
		PEER_CHECK(error == WSAEMFILE);
	}
	for (i = 0; i < count; i++)
		round_trip(sockets[i], (unsigned)i);
	give_descriptors(taken, n);
	/* Up to the limit by connections alone. */
	while (count < ATTEMPTS && (error = connect_one(&sockets[count])) == 0)
		count++;
	printf("%d connections, then %d\n", count, error);
	PEER_CHECK(count == ATTEMPTS || error == WSAEMFILE);
	for (i = 0; i < count; i++)
		round_trip(sockets[i], (unsigned)i);
	PEER_CHECK(closesocket(sockets[0]) == 0);
	sockets[0] = connect_again();
	round_trip(sockets[0], 5);
	for (i = 0; i < count; i++)
		PEER_CHECK(closesocket(sockets[i]) == 0);
}

static void calls_without_descriptors(void)
{
	struct sockaddr_in any = peer_address(0);
	SOCKET s = peer_socket(), t;
	int taken[LIMIT];
	unsigned n = take_descriptors(taken, LIMIT);

	PEER_CHECK(n > 0 && n < LIMIT);
	PEER_CHECK(bind(s, (struct sockaddr *)&any, sizeof(any)) == SOCKET_ERROR &&
		   WSAGetLastError() == WSAEMFILE);
	t = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	PEER_CHECK(t != INVALID_SOCKET || WSAGetLastError() == WSAEMFILE);
	if (t != INVALID_SOCKET)
		PEER_CHECK(closesocket(t) == 0);
	give_descriptors(taken, n);
	PEER_CHECK(bind(s, (struct sockaddr *)&any, sizeof(any)) == 0);
	PEER_CHECK(closesocket(s) == 0);
}

static void request_that_waits(void)
{
	int taken[LIMIT];
	uint32_t port;
	SOCKET listener = peer_listen(&port), s;
	unsigned n = take_descriptors(taken, LIMIT);

	PEER_CHECK(n > 0 && n < LIMIT);
	peer_tell(port);
	Sleep(wait_ms);
	give_descriptors(taken, n);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET);
	PEER_CHECK(peer_hear() == 1);
	echo(&s);
	PEER_CHECK(closesocket(listener) == 0);
}

int main(int argc, char **argv)
{
	peer_start(100, 4000);
	if (argc < 2)
		peer_fail("usage: test_descriptors MILLISECONDS");
	wait_ms = (unsigned)strtoul(argv[1], NULL, 10) * peer_slow_factor();
	peer_fork(other_process);
	set_limit(LIMIT);
	peer_winsock();
	at = peer_address(peer_hear());
	calls_without_descriptors();
	fill_with_connections();
	set_limit(4000); /* counting needs one */
	peer_settle(LIMIT / 2, 1000);
	set_limit(LIMIT);
	request_that_waits();
	peer_tell(0);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}

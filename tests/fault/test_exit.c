// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_exit.c - `send 1 MiB; closesocket; exit`, many times: every byte arrives, then the end of the
 * stream, however the sender ends. A spawner without Winsock forks the senders, each of which starts
 * Winsock for itself; one receiver takes them all. With "inside" both are threads of one process, for
 * backends that reach no other; then nobody exits.
 * Arguments: rounds, [inside].
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define BYTES (1u << 20)

enum ending {
	CLOSE_EXIT,	    /* exit(), or the return from main: the same to the library */
	CLOSE_CLEANUP_EXIT, /* with WSACleanup */
	EXIT_OPEN,	    /* the socket still open */
	CLOSE_WAIT,	    /* no further call at all */
	SEND_WAIT,
	ENDINGS
};

static char pattern[BYTES];
static struct sockaddr_in at;

static void fill_pattern(void)
{
	unsigned i;

	for (i = 0; i < BYTES; i++)
		pattern[i] = (char)(i * 2654435761u >> 15);
}

/* The waiting ones are rarer: they cost a message each. */
static enum ending ending_of(unsigned round)
{
	return round % 50 == 48 ? CLOSE_WAIT : round % 50 == 49 ? SEND_WAIT : round % 3;
}

/* --- sender --- */

static SOCKET send_all(void)
{
	SOCKET s = peer_socket();
	DWORD sent = 0;
	int n;

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	while (sent < BYTES) {
		n = send(s, pattern + sent, (int)(BYTES - sent), 0);
		PEER_CHECK(n > 0);
		sent += (DWORD)n;
	}
	return s;
}

static void send_and_end(enum ending ending)
{
	SOCKET s;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	peer_winsock();
	s = send_all();
	if (ending != EXIT_OPEN && ending != SEND_WAIT)
		PEER_CHECK(closesocket(s) == 0);
	if (ending == CLOSE_CLEANUP_EXIT)
		PEER_CHECK(WSACleanup() == 0);
	if (ending == CLOSE_WAIT || ending == SEND_WAIT) {
		(void)peer_hear(); /* everything has arrived */
		_exit(0);
	}
}

static unsigned rounds;

/* A sender returns, and its process exits. */
static void spawn(void)
{
	unsigned round;
	int status;

	for (round = 0; round < rounds; round++) {
		pid_t child = fork();

		if (child == 0) {
			send_and_end(ending_of(round));
			return;
		}
		PEER_CHECK(child > 0 && waitpid(child, &status, 0) == child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			peer_fail("round %u: the sender ended with %#x", round, (unsigned)status);
	}
}

/* --- receiver --- */

static void receive_all(SOCKET listener, unsigned round, BOOL wait)
{
	static char buffer[65536];
	SOCKET s = accept(listener, NULL, NULL);
	DWORD got = 0;
	int n;

	PEER_CHECK(s != INVALID_SOCKET);
	while (got < BYTES && (n = recv(s, buffer, sizeof(buffer), 0)) > 0) {
		PEER_CHECK(got + (DWORD)n <= BYTES && memcmp(buffer, pattern + got, n) == 0);
		got += (DWORD)n;
	}
	if (got < BYTES)
		peer_fail("round %u: %u bytes, then recv gave %d, error %d", round, (unsigned)got,
			  n, WSAGetLastError());
	if (wait)
		peer_tell(0);
	n = recv(s, buffer, sizeof(buffer), 0);
	/* Who dies with an open socket resets it, as anywhere. */
	if (wait && ending_of(round) == SEND_WAIT)
		PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	else if (n != 0)
		peer_fail("round %u: no end of stream: %d, error %d", round, n, WSAGetLastError());
	PEER_CHECK(closesocket(s) == 0);
}

static void spawner(void)
{
	at = peer_address(peer_hear());
	spawn();
}

static void *send_and_close(void *unused)
{
	(void)unused;
	PEER_CHECK(closesocket(send_all()) == 0);
	return NULL;
}

static void run_inside(SOCKET listener)
{
	pthread_t thread;
	unsigned round;

	for (round = 0; round < rounds; round++) {
		PEER_CHECK(pthread_create(&thread, NULL, send_and_close, NULL) == 0);
		receive_all(listener, round, FALSE);
		pthread_join(thread, NULL);
	}
}

int main(int argc, char **argv)
{
	BOOL inside = argc > 2 && strcmp(argv[2], "inside") == 0;
	uint64_t begin = GetTickCount64();
	unsigned round, descriptors, mappings;
	enum ending ending;
	SOCKET listener;
	uint32_t port;

	rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
	if (rounds == 0)
		peer_fail("usage: test_exit ROUNDS [inside]");
	peer_start(100 + rounds / 25, 1000);
	fill_pattern();
	if (!inside)
		peer_fork(spawner);
	peer_winsock();
	listener = peer_listen(&port);
	at = peer_address(port);
	descriptors = peer_descriptors();
	mappings = peer_shared_mappings();
	if (inside) {
		run_inside(listener);
	} else {
		peer_tell(port);
		for (round = 0; round < rounds; round++) {
			ending = ending_of(round);
			receive_all(listener, round, ending == CLOSE_WAIT || ending == SEND_WAIT);
		}
		peer_join();
		descriptors -= 2;
	}
	peer_settle(descriptors + 1, mappings); /* the first wait made one */
	PEER_CHECK(closesocket(listener) == 0 && WSACleanup() == 0);
	printf("%u rounds in %u ms\n", rounds, (unsigned)(GetTickCount64() - begin));
	return 0;
}

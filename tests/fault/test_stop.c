// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_stop.c - SIGSTOP of the other process in the middle of traffic. What does not wait says so, what waits
 * for a time ends then, closing does not wait; after SIGCONT every byte arrives, and in its place.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/lib/peer.h"

#define BIG	     PEER_PATTERN_MOST
#define SHORT_MS     300u
#define WITHIN_MS    20000u /* a call of SHORT_MS, on a busy machine */
#define ARRIVES_MS   20000u /* a ring of 2 MiB */
#define CLEANUP_MS   20000u /* the documented limits add up to 3.5 s */
#define TRAFFIC_MS   300u
#define LEND_MINIMUM 65536u

/* Both ways; bytes lent by the parent; lent by the child; closed full; full when Winsock is left. */
enum connection { BOTH, LENT, TAKEN, CLOSED, LEFT, CONNECTIONS };

static SOCKET sockets[CONNECTIONS];
static atomic_bool stop_writing;

static void set_option(SOCKET s, int name, DWORD value)
{
	PEER_CHECK(setsockopt(s, SOL_SOCKET, name, (char *)&value, sizeof(value)) == 0);
}

static void set_nonblocking(SOCKET s, u_long on)
{
	PEER_CHECK(ioctlsocket(s, FIONBIO, &on) == 0);
}

/* --- the process that is stopped --- */

struct reader {
	SOCKET s;
	uint64_t got;
	int end; /* what the last recv returned */
	pthread_t thread;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	char *buffer = malloc(BIG);

	while ((reader->end = recv(reader->s, buffer, BIG, 0)) > 0) {
		peer_check_pattern(buffer, reader->end, reader->got);
		reader->got += (uint64_t)reader->end;
	}
	free(buffer);
	return NULL;
}

static void *write_all(void *arg)
{
	SOCKET s = *(SOCKET *)arg;
	uint64_t sent = 0;
	int n = 0;

	while (!atomic_load(&stop_writing) &&
	       (n = send(s, peer_pattern(sent), s == sockets[TAKEN] ? (int)BIG : 16384, 0)) > 0)
		sent += (uint64_t)n;
	if (s == sockets[BOTH])
		PEER_CHECK(n > 0 && shutdown(s, SD_SEND) == 0);
	return NULL;
}

static void stopped_process(void)
{
	struct reader readers[CONNECTIONS];
	pthread_t writers[2];
	SOCKET listener;
	uint32_t port;
	int i;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	for (i = 0; i < CONNECTIONS; i++) {
		sockets[i] = accept(listener, NULL, NULL);
		PEER_CHECK(sockets[i] != INVALID_SOCKET);
		set_option(sockets[i], SO_OPENWSD_ZCOPY_MIN, LEND_MINIMUM);
		readers[i] = (struct reader){ .s = sockets[i] };
		PEER_CHECK(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]) == 0);
	}
	PEER_CHECK(pthread_create(&writers[0], NULL, write_all, &sockets[BOTH]) == 0);
	PEER_CHECK(pthread_create(&writers[1], NULL, write_all, &sockets[TAKEN]) == 0);
	pthread_join(readers[BOTH].thread, NULL);
	PEER_CHECK(readers[BOTH].end == 0);
	atomic_store(&stop_writing, true);
	pthread_join(writers[0], NULL);
	peer_tell((uint32_t)readers[BOTH].got);
	(void)peer_hear(); /* we were stopped a second time */
	for (i = LENT; i < CONNECTIONS; i++)
		pthread_join(readers[i].thread, NULL);
	pthread_join(writers[1], NULL);
	PEER_CHECK(WSACleanup() == 0);
}

/* --- the process that goes on --- */

static void stop_peer(void)
{
	int status;

	peer_signal(SIGSTOP);
	PEER_CHECK(waitpid(-1, &status, WUNTRACED) > 0 && WIFSTOPPED(status));
}

static void within(uint64_t started, uint64_t limit, const char *what)
{
	uint64_t took = GetTickCount64() - started;

	printf("%s: %llu ms\n", what, (unsigned long long)took);
	if (took > limit * peer_slow_factor())
		peer_fail("%s took %llu ms", what, (unsigned long long)took);
}

/* Nonblocking, until nothing goes any more. */
static uint64_t fill(SOCKET s, uint64_t sent)
{
	uint64_t started = GetTickCount64();
	int n;

	set_nonblocking(s, 1);
	while ((n = send(s, peer_pattern(sent), 65536, 0)) > 0)
		sent += (uint64_t)n;
	PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK);
	within(started, WITHIN_MS, "nonblocking send");
	return sent;
}

static uint64_t drain(SOCKET s, uint64_t got)
{
	static char buffer[65536];
	uint64_t started = GetTickCount64();
	int n;

	set_nonblocking(s, 1);
	while ((n = recv(s, buffer, sizeof(buffer), 0)) > 0) {
		peer_check_pattern(buffer, n, got);
		got += (uint64_t)n;
	}
	PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK);
	within(started, WITHIN_MS, "nonblocking recv");
	return got;
}

static int select_both(SOCKET s)
{
	struct timeval limit = { 0, SHORT_MS * 1000 };
	uint64_t started = GetTickCount64();
	fd_set readable, writable;
	int ready;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(s, &readable);
	FD_SET(s, &writable);
	ready = select(0, &readable, &writable, NULL, &limit);
	PEER_CHECK(ready >= 0);
	within(started, WITHIN_MS, "select");
	return ready;
}

/* What was on its way arrives still; then nothing happens any more. */
static void wait_in_vain(SOCKET s, uint64_t *sent, uint64_t *got)
{
	WSAPOLLFD entry = { .fd = s, .events = POLLRDNORM };
	uint64_t started = GetTickCount64();

	do {
		*got = drain(s, *got);
		*sent = fill(s, *sent);
		within(started, ARRIVES_MS, "what was on its way");
	} while (select_both(s) != 0);
	started = GetTickCount64();
	PEER_CHECK(WSAPoll(&entry, 1, (int)SHORT_MS) == 0);
	within(started, WITHIN_MS, "WSAPoll");
}

/* Blocking, with a time limit. What fits is sent first, and is no failure. */
static uint64_t timed_send(SOCKET s, uint64_t sent, const char *what)
{
	uint64_t started;
	int n;

	set_nonblocking(s, 0);
	set_option(s, SO_SNDTIMEO, SHORT_MS);
	do {
		started = GetTickCount64();
		n = send(s, peer_pattern(sent), (int)BIG, 0);
		sent += n > 0 ? (uint64_t)n : 0;
		within(started, WITHIN_MS, what);
	} while (n > 0);
	PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAETIMEDOUT);
	return sent;
}

static void timed_receive(SOCKET s)
{
	uint64_t started = GetTickCount64();
	char byte;

	set_nonblocking(s, 0);
	set_option(s, SO_RCVTIMEO, SHORT_MS);
	PEER_CHECK(recv(s, &byte, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAETIMEDOUT);
	within(started, WITHIN_MS, "recv with SO_RCVTIMEO");
}

/* Lent bytes cannot be called back from a peer that does not answer: they are let go with the connection, and
 * what is in the memory later never arrives. */
static void timed_loan(SOCKET s, uint64_t sent)
{
	char *lent = malloc(BIG);
	uint64_t started;
	int n, i;

	set_option(s, SO_SNDTIMEO, SHORT_MS);
	for (i = 0; i < 200; i++) { /* an offer that was refused is not repeated at once */
		memcpy(lent, peer_pattern(sent), BIG);
		started = GetTickCount64();
		n = send(s, lent, (int)BIG, 0);
		within(started, WITHIN_MS, "rendezvous with SO_SNDTIMEO");
		memset(lent, 0x55, BIG);
		if (n < 0 && WSAGetLastError() != WSAETIMEDOUT)
			break;
		sent += n > 0 ? (uint64_t)n : 0;
	}
	PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAECONNABORTED);
	free(lent);
}

/* The other process reads them while it goes. */
static uint64_t lend_first(SOCKET s)
{
	uint64_t sent = 0;
	int i;

	for (i = 0; i < 8; i++) {
		PEER_CHECK(send(s, peer_pattern(sent), (int)BIG, 0) == (int)BIG);
		sent += BIG;
		Sleep(10);
	}
	return sent;
}

/* Takes what the child lends until the child is stopped. */
static void *take_all(void *arg)
{
	char *buffer = malloc(BIG);
	uint64_t got = 0, started;
	int n, *error = arg;

	set_option(sockets[TAKEN], SO_RCVTIMEO, SHORT_MS);
	do {
		started = GetTickCount64();
		n = recv(sockets[TAKEN], buffer, (int)BIG, MSG_WAITALL);
		if (n > 0)
			peer_check_pattern(buffer, n, got);
		got += n > 0 ? (uint64_t)n : 0;
		within(started, WITHIN_MS, "recv of lent bytes");
	} while (n > 0);
	*error = WSAGetLastError();
	free(buffer);
	return NULL;
}

/* Both ways at once, for a while or until the other process has closed its half. */
static void move_both(uint64_t *sent, uint64_t *got, BOOL to_the_end)
{
	static char buffer[65536];
	uint64_t until = GetTickCount64() + TRAFFIC_MS;
	BOOL open = TRUE;
	int n;

	set_nonblocking(sockets[BOTH], 1);
	do {
		if (open) {
			n = send(sockets[BOTH], peer_pattern(*sent), 30000, 0);
			PEER_CHECK(n > 0 || WSAGetLastError() == WSAEWOULDBLOCK);
			*sent += n > 0 ? (uint64_t)n : 0;
		}
		n = recv(sockets[BOTH], buffer, sizeof(buffer), 0);
		PEER_CHECK(n >= 0 || WSAGetLastError() == WSAEWOULDBLOCK);
		if (n > 0) {
			peer_check_pattern(buffer, n, *got);
			*got += (uint64_t)n;
		}
		if (open && to_the_end && GetTickCount64() >= until) {
			PEER_CHECK(shutdown(sockets[BOTH], SD_SEND) == 0);
			open = FALSE;
		}
	} while (to_the_end ? n != 0 : GetTickCount64() < until);
}

static void timed_close(SOCKET s)
{
	uint64_t started;

	fill(s, 0);
	set_nonblocking(s, 0);
	started = GetTickCount64();
	PEER_CHECK(closesocket(s) == 0);
	within(started, WITHIN_MS, "closesocket");
}

static void connect_all(void)
{
	struct sockaddr_in at = peer_address(peer_hear());
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		sockets[i] = peer_socket();
		PEER_CHECK(connect(sockets[i], (struct sockaddr *)&at, sizeof(at)) == 0);
	}
	set_option(sockets[LENT], SO_OPENWSD_ZCOPY_MIN, LEND_MINIMUM);
	set_option(sockets[TAKEN], SO_OPENWSD_ZCOPY_MIN, LEND_MINIMUM);
}

int main(void)
{
	uint64_t sent = 0, got = 0, lent, started;
	int error = 0;
	pthread_t taker;

	setvbuf(stdout, NULL, _IOLBF, 0);
	peer_start(100, 1000);
	peer_fork(stopped_process);
	peer_winsock();
	connect_all();
	lent = lend_first(sockets[LENT]);
	PEER_CHECK(pthread_create(&taker, NULL, take_all, &error) == 0);
	move_both(&sent, &got, FALSE);
	stop_peer();
	wait_in_vain(sockets[BOTH], &sent, &got);
	timed_receive(sockets[BOTH]);
	sent = timed_send(sockets[BOTH], sent, "send with SO_SNDTIMEO");
	timed_loan(sockets[LENT], lent);
	pthread_join(taker, NULL);
	/* A READ that was under way has ended the connection, maybe after a part of the bytes. */
	PEER_CHECK(error == WSAETIMEDOUT || error == WSAECONNABORTED);
	timed_close(sockets[CLOSED]);
	peer_signal(SIGCONT);
	move_both(&sent, &got, TRUE);
	PEER_CHECK(peer_hear() == (uint32_t)sent);
	stop_peer();
	fill(sockets[LEFT], 0);
	started = GetTickCount64();
	PEER_CHECK(WSACleanup() == 0);
	within(started, CLEANUP_MS, "WSACleanup");
	peer_signal(SIGCONT);
	peer_tell(0);
	peer_join();
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shared.c [threads] - one connection, two processes that share its end and take turns in sending, and a peer that
 * checks every byte: 1 GiB in pieces of 1 MiB (WSD_TEST_MIB pieces, if it is set). Every sixteenth piece is answered,
 * to the process that sent it. With "threads" these three are threads of one process, for a backend that leaves none.
 */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define PIECE  (1u << 20)
#define ANSWER 50000u
#define EACH   16u

static int to_other[2], from_other[2];

static uint32_t pieces(void)
{
	const char *text = getenv("WSD_TEST_MIB");

	return text ? (uint32_t)strtoul(text, NULL, 10) : 1024 / peer_slow_factor();
}

static void send_all(SOCKET s, uint64_t position, uint32_t length)
{
	PEER_CHECK(send(s, peer_pattern(position), (int)length, 0) == (int)length);
}

static void receive_all(SOCKET s, uint64_t position, uint32_t length)
{
	static _Thread_local char bytes[PIECE];
	uint32_t got = 0;
	int n;

	while (got < length) {
		n = recv(s, bytes, (int)(length - got < PIECE ? length - got : PIECE), 0);
		PEER_CHECK(n > 0);
		peer_check_pattern(bytes, n, position + got);
		got += (uint32_t)n;
	}
}

static void turn(SOCKET s, uint32_t piece)
{
	send_all(s, (uint64_t)piece * PIECE, PIECE);
	if (piece % EACH == EACH - 1 || piece % EACH == EACH - 2)
		receive_all(s, (uint64_t)piece * ANSWER, ANSWER);
}

/* The peer: connects, checks, answers. */
static void *peer_loop(void *arg)
{
	struct sockaddr_in at = *(struct sockaddr_in *)arg;
	SOCKET s = peer_socket();
	char byte;

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	for (uint32_t i = 0; i < pieces(); i++) {
		receive_all(s, (uint64_t)i * PIECE, PIECE);
		if (i % EACH == EACH - 1 || i % EACH == EACH - 2)
			send_all(s, (uint64_t)i * ANSWER, ANSWER);
	}
	PEER_CHECK(recv(s, &byte, 1, 0) == 0);
	closesocket(s);
	return NULL;
}

static void peer_main(void)
{
	struct sockaddr_in at;

	peer_winsock();
	at = peer_address(peer_hear());
	(void)peer_loop(&at);
	WSACleanup();
}

static void tell(const int *pipe_ends, uint32_t number)
{
	PEER_CHECK(write(pipe_ends[1], &number, sizeof(number)) == sizeof(number));
}

static uint32_t hear(const int *pipe_ends)
{
	uint32_t number = 0;

	PEER_CHECK(read(pipe_ends[0], &number, sizeof(number)) == sizeof(number));
	return number;
}

/* Who shares: sends every second piece. */
static void *other_loop(void *arg)
{
	WSAPROTOCOL_INFOW info;
	int length = sizeof(info);
	SOCKET s = peer_socket();

	(void)arg;
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length) == 0);
	closesocket(s);
	info.dwProviderReserved = hear(to_other);
	s = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
		       WSA_FLAG_OVERLAPPED);
	PEER_CHECK(s != INVALID_SOCKET);
	for (uint32_t i; (i = hear(to_other)) < pieces();) {
		turn(s, i);
		tell(from_other, i);
	}
	closesocket(s);
	return NULL;
}

static void other_main(void)
{
	peer_winsock();
	(void)other_loop(NULL);
	WSACleanup();
	_exit(0);
}

/* Accept the peer, give the other one a descriptor, and send in turns. */
static void share(SOCKET listener, DWORD other)
{
	SOCKET s = accept(listener, NULL, NULL);
	WSAPROTOCOL_INFOW info;

	PEER_CHECK(s != INVALID_SOCKET);
	PEER_CHECK(WSADuplicateSocketW(s, other, &info) == 0);
	tell(to_other, info.dwProviderReserved);
	for (uint32_t i = 0; i < pieces(); i++) {
		if (i & 1) {
			tell(to_other, i);
			PEER_CHECK(hear(from_other) == i);
		} else {
			turn(s, i);
		}
	}
	closesocket(s); /* the other one ends it */
	tell(to_other, UINT32_MAX);
}

static void in_threads(void)
{
	pthread_t peer, other;
	struct sockaddr_in at;
	uint32_t port = 0;
	SOCKET listener;

	peer_winsock();
	listener = peer_listen(&port);
	at = peer_address(port);
	PEER_CHECK(pthread_create(&peer, NULL, peer_loop, &at) == 0 &&
		   pthread_create(&other, NULL, other_loop, NULL) == 0);
	share(listener, (DWORD)getpid());
	PEER_CHECK(pthread_join(peer, NULL) == 0 && pthread_join(other, NULL) == 0);
	closesocket(listener);
	WSACleanup();
}

static void in_processes(void)
{
	uint32_t port = 0;
	SOCKET listener;
	pid_t other;

	peer_fork(peer_main);
	other = fork();
	PEER_CHECK(other >= 0);
	if (other == 0)
		other_main();
	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	share(listener, (DWORD)other);
	peer_join();
	closesocket(listener);
	WSACleanup();
}

int main(int argc, char **argv)
{
	peer_start(300, 256);
	PEER_CHECK(pipe(to_other) == 0 && pipe(from_other) == 0);
	if (argc > 1 && strcmp(argv[1], "threads") == 0)
		in_threads();
	else
		in_processes();
	printf("%u MiB\n", pieces());
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shared.c - one connection, two processes that share its end and take turns in sending, and a peer that checks
 * every byte: 1 GiB in pieces of 1 MiB (WSD_TEST_MIB pieces, if it is set). Every sixteenth piece is answered, to the
 * process that sent it.
 */
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
	static char bytes[PIECE];
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
static void peer_main(void)
{
	struct sockaddr_in at;
	SOCKET s;
	char byte;

	peer_winsock();
	at = peer_address(peer_hear());
	s = peer_socket();
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	for (uint32_t i = 0; i < pieces(); i++) {
		receive_all(s, (uint64_t)i * PIECE, PIECE);
		if (i % EACH == EACH - 1 || i % EACH == EACH - 2)
			send_all(s, (uint64_t)i * ANSWER, ANSWER);
	}
	PEER_CHECK(recv(s, &byte, 1, 0) == 0);
	closesocket(s);
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

/* The process that shares: sends every second piece. */
static void other_main(void)
{
	WSAPROTOCOL_INFOW info;
	int length = sizeof(info);
	SOCKET s;

	peer_winsock();
	s = peer_socket();
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
	WSACleanup();
	_exit(0);
}

int main(void)
{
	WSAPROTOCOL_INFOW info;
	SOCKET listener, s;
	uint32_t port = 0;
	pid_t other;

	peer_start(300, 256);
	PEER_CHECK(pipe(to_other) == 0 && pipe(from_other) == 0);
	peer_fork(peer_main);
	other = fork();
	PEER_CHECK(other >= 0);
	if (other == 0)
		other_main();
	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET);
	PEER_CHECK(WSADuplicateSocketW(s, (DWORD)other, &info) == 0);
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
	peer_join();
	closesocket(listener);
	WSACleanup();
	printf("%u MiB\n", pieces());
	return 0;
}

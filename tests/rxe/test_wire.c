// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_wire.c HOW SECONDS COMMAND - traffic both ways between two processes while COMMAND does something to the
 * wire or to a device. HOW says what must come of it, within SECONDS after COMMAND was started:
 *   complete  every byte arrives, and the next connection works
 *   break     both sides get an error that tells of it
 *   either    one of the two
 * Wrong bytes, a call that does not return and what is left in the kernel are failures each time.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/rxe/held.h"

#define TRAFFIC	   (8u << 20) /* bytes each way */
#define BEGINNING  (1u << 20) /* so much has arrived when COMMAND starts */
#define AFTERWARDS (1u << 18)
#define PIECE	   30000

enum outcome { COMPLETE = 1, BREAK = 2, EITHER = 3 };

static enum outcome expected;
static const char *command;
static atomic_ullong arrived;
static atomic_bool over; /* the connection to which something is done */
static uint64_t command_started;

struct sender {
	SOCKET s;
	uint64_t length;
	int error;
};

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	uint64_t sent = 0;
	int n;

	while (sent < sender->length) {
		n = PIECE < sender->length - sent ? PIECE : (int)(sender->length - sent);
		n = send(sender->s, peer_pattern(sent), n, 0);
		if (n <= 0) {
			sender->error = WSAGetLastError();
			return NULL;
		}
		sent += (uint64_t)n;
	}
	if (shutdown(sender->s, SD_SEND) != 0)
		sender->error = WSAGetLastError();
	return NULL;
}

/* 0 or the error that ended it. */
static int receive_all(SOCKET s, uint64_t length)
{
	static char buffer[65536];
	uint64_t got = 0;
	int n;

	while ((n = recv(s, buffer, sizeof(buffer), 0)) > 0) {
		peer_check_pattern(buffer, n, got);
		got += (uint64_t)n;
		atomic_store(&arrived, got);
	}
	if (n < 0)
		return WSAGetLastError();
	if (got != length)
		peer_fail("the stream ended after %llu bytes", (unsigned long long)got);
	return 0;
}

static BOOL tells_of_it(int error)
{
	return error == WSAECONNRESET || error == WSAECONNABORTED || error == WSAETIMEDOUT ||
	       error == WSAENETDOWN;
}

static void talk(SOCKET s, enum outcome wanted, uint64_t length)
{
	struct sender sender = { s, length, 0 };
	pthread_t thread;
	int error;

	PEER_CHECK(pthread_create(&thread, NULL, send_all, &sender) == 0);
	error = receive_all(s, length);
	pthread_join(thread, NULL);
	printf("receive %d, send %d\n", error, sender.error);
	fflush(stdout);
	if (!error && !sender.error) {
		if (!(wanted & COMPLETE))
			peer_fail("nothing was noticed");
	} else {
		if (!(wanted & BREAK))
			peer_fail("receive failed with %d, send with %d", error, sender.error);
		if ((error && !tells_of_it(error)) || (sender.error && !tells_of_it(sender.error)))
			peer_fail("receive failed with %d, send with %d: not the right error",
				  error, sender.error);
	}
	closesocket(s);
}

static uint64_t traffic(void)
{
	return expected == BREAK ? UINT64_MAX : TRAFFIC;
}

static void acceptor(void)
{
	SOCKET listener, s;
	uint32_t port;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET);
	talk(s, expected, traffic());
	if (expected == COMPLETE) {
		s = accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET);
		talk(s, COMPLETE, AFTERWARDS);
	}
	closesocket(listener);
	PEER_CHECK(WSACleanup() == 0);
}

static SOCKET connected(uint32_t port)
{
	struct sockaddr_in at = peer_address(port);
	SOCKET s = peer_socket();

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	return s;
}

static void *run_command(void *unused)
{
	(void)unused;
	while (atomic_load(&arrived) < BEGINNING) {
		if (atomic_load(&over))
			peer_fail("it ended before anything was done to it");
		Sleep(1);
	}
	command_started = GetTickCount64();
	if (system(command) != 0)
		peer_fail("%s failed", command);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "", "complete", "break", "either" };
	unsigned seconds;
	struct held before;
	uint64_t took;
	uint32_t port;
	pthread_t thread;

	for (expected = COMPLETE; argc == 4 && expected < EITHER; expected++)
		if (strcmp(argv[1], names[expected]) == 0)
			break;
	seconds = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
	if (!seconds)
		peer_fail("usage: test_wire complete|break|either SECONDS COMMAND");
	command = argv[3];
	peer_start(seconds + 60, 1000);
	before = held();
	peer_fork(acceptor);
	peer_winsock();
	port = peer_hear();
	PEER_CHECK(pthread_create(&thread, NULL, run_command, NULL) == 0);
	talk(connected(port), expected, traffic());
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	if (expected == COMPLETE)
		talk(connected(port), COMPLETE, AFTERWARDS);
	peer_join();
	took = GetTickCount64() - command_started;
	printf("%llu ms\n", (unsigned long long)took);
	if (took > seconds * 1000u * peer_slow_factor())
		peer_fail("took %llu ms", (unsigned long long)took);
	held_settle(before, FALSE);
	PEER_CHECK(WSACleanup() == 0);
	held_settle(before, TRUE);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_volume.c - one connection of mode D, two processes that share its end and take turns in sending, and
 * a peer, a thread of the first, that checks every byte: WSD_TEST_MIB pieces of 1 MiB. Every sixteenth piece of each
 * process is answered, to the one that sent it. As tests/load/test_shared.c on other systems.
 */
#include "tests/conformance/share.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE  ((size_t)1 << 20)
#define ANSWER ((size_t)50000)
#define EACH   32u

static unsigned pieces;

static bool is_answered(unsigned piece)
{
	return piece % EACH >= EACH - 2;
}

static bool send_part(SOCKET s, size_t length, size_t position)
{
	char *bytes = pattern_new(length, position);
	bool good = send(s, bytes, (int)length, 0) == (int)length;

	free(bytes);
	return good;
}

static bool receive_part(SOCKET s, size_t length, size_t position)
{
	char *bytes = malloc(length);
	bool good = receive_all(s, bytes, length) == length && pattern_ok(bytes, length, position);

	free(bytes);
	return good;
}

/* One turn of either process. */
static bool turn(SOCKET s, unsigned piece)
{
	return send_part(s, PIECE, piece * PIECE) &&
	       (!is_answered(piece) || receive_part(s, ANSWER, piece * ANSWER));
}

/* Of the second process: every second piece. */
static int next_turn(SOCKET s)
{
	static unsigned piece = 1;
	bool good = turn(s, piece);

	piece += 2;
	return good ? 0 : WSAGetLastError();
}

struct peer {
	SOCKET s;
	unsigned good;
	bool ended;
};

static void check_all(void *arg)
{
	struct peer *peer = arg;

	while (peer->good < pieces && receive_part(peer->s, PIECE, peer->good * PIECE) &&
	       (!is_answered(peer->good) || send_part(peer->s, ANSWER, peer->good * ANSWER)))
		peer->good++;
	peer->ended = peer->good == pieces && at_end(peer->s);
}

static void both_send(void)
{
	struct pair p;
	struct conf_thread *thread;
	struct peer peer;
	unsigned piece = 0;
	struct child c;
	DWORD began;

	NEED(open_pair(&p));
	c = share_worker_with(p.server, "closes");
	began = GetTickCount();
	peer = (struct peer){ .s = p.client };
	thread = thread_run(check_all, &peer);
	for (bool good = true; good && piece < pieces; piece += good) {
		if (piece % 2 == 1) {
			child_tell(&c, SHARE_ACCEPT);
			good = child_hear(&c) == 0;
		} else {
			good = turn(p.server, piece);
		}
	}
	CHECK_R(330, piece == pieces);
	closesocket(p.server); /* the other one ends it */
	child_tell(&c, SHARE_END);
	thread_join(thread);
	CHECK_R(330, peer.good == pieces);
	CHECK_R(330, peer.ended);
	CHECK(child_wait(&c) == 0);
	printf("%u MiB in %lu ms\n", peer.good, (unsigned long)(GetTickCount() - began));
	closesocket(p.client);
	closesocket(p.listener);
}

int main(int argc, char **argv)
{
	const char *wanted = getenv("WSD_TEST_MIB");

	pieces = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) : 1024;
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return share_worker(next_turn);
	both_send();
	WSACleanup();
	return check_result();
}

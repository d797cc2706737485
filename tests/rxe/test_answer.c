// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_answer.c WHAT - a peer that does not answer over RDMA, one that only takes its time, and an adapter that is
 * gone. WSD_BACKENDS=verbs,tcp; the last two over verbs and one other path.
 *   silent CUT REPAIR  after the command CUT nothing answers: the first connect goes over tcp within the limit for
 *                      any sign of life, the second one at once, each with its reason; after REPAIR, and when
 *                      what was noted has expired, they go over verbs again
 *   defer              a condition function that thinks for longer than the limit
 *   stopped            a process that is stopped for longer than the limit
 *   gone PATH CUT REASON   after CUT connects of the same process go over PATH, and tell the reason
 *   foreign            a plain TCP server, and another program's listener over RDMA at the same port, which rejects
 *   over PATH [REASON]     one connect goes there, with that reason
 */
#include <signal.h>
#include <stdio.h>

#include "tests/rxe/foreign.h"
#include "tests/rxe/held.h"

#define LIMIT_MS  3000u /* standard value of WSD_VERBS_ANSWER_LIMIT */
#define MEMORY_MS 9000u /* WSD_ANSWER_MEMORY */

static struct sockaddr_in at;

/* --- the acceptor --- */

static int CALLBACK decide(LPWSABUF caller, LPWSABUF data, LPQOS sqos, LPQOS gqos, LPWSABUF callee,
			   LPWSABUF answer, GROUP *group, DWORD_PTR decision)
{
	(void)caller, (void)data, (void)sqos, (void)gqos, (void)callee, (void)answer, (void)group;
	return (int)decision;
}

static SOCKET accept_late(SOCKET listener)
{
	SOCKET s;

	s = WSAAccept(listener, NULL, NULL, decide, CF_DEFER);
	PEER_CHECK(s == INVALID_SOCKET && WSAGetLastError() == WSATRY_AGAIN);
	Sleep(2 * LIMIT_MS);
	return WSAAccept(listener, NULL, NULL, decide, CF_ACCEPT);
}

static void serve(BOOL late, BOOL foreign)
{
	SOCKET listener = peer_socket(), s;
	int length = sizeof(at), on = 1;
	char byte;

	at = peer_address(0);
	if (late)
		PEER_CHECK(setsockopt(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on,
				      sizeof(on)) == 0);
	PEER_CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		   listen(listener, 5) == 0 &&
		   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
	if (foreign)
		foreign_refuse(getenv("WSD_TEST_IPV4"), ntohs(at.sin_port));
	peer_tell(ntohs(at.sin_port));
	while (peer_hear()) {
		s = late ? accept_late(listener) : accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET && recv(s, &byte, 1, 0) == 1 &&
			   send(s, &byte, 1, 0) == 1 && recv(s, &byte, 1, 0) == 0);
		closesocket(s);
	}
	closesocket(listener);
	PEER_CHECK(WSACleanup() == 0);
}

static void acceptor(void)
{
	peer_winsock();
	serve(FALSE, FALSE);
}

static void late_acceptor(void)
{
	peer_winsock();
	serve(TRUE, FALSE);
}

static void foreign_acceptor(void)
{
	setenv("WSD_BACKENDS", "plain", 1);
	peer_winsock();
	serve(FALSE, TRUE);
}

/* --- the connector --- */

/* Connect, use it and close: over this path, in at least and at most so many ms; what was said of other paths. */
static void check_connect(const char *path, uint64_t least, uint64_t most, const char *reason)
{
	char text[512] = "", byte = 'x';
	int length = sizeof(text);
	uint64_t began = GetTickCount64(), took;
	SOCKET s = peer_socket();

	peer_tell(1);
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	took = GetTickCount64() - began;
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, text, &length) == 0);
	printf("%s in %llu ms", text, (unsigned long long)took);
	if (strncmp(text, path, strlen(path)) != 0)
		peer_fail("went over %s, not %s", text, path);
	length = sizeof(text);
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_OPENWSD_REASONS, text, &length) == 0);
	printf("; %s\n", text);
	fflush(stdout);
	if (took < least || took > most)
		peer_fail("took %llu ms", (unsigned long long)took);
	if (reason ? strstr(text, reason) == NULL : text[0] != '\0')
		peer_fail("the reasons are \"%s\"", text);
	PEER_CHECK(send(s, &byte, 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 && byte == 'x' &&
		   closesocket(s) == 0);
}

static void run(const char *command)
{
	if (system(command) != 0)
		peer_fail("%s failed", command);
}

static void silent(const char *cut, const char *repair)
{
	uint64_t noted;

	check_connect("verbs", 0, 2 * LIMIT_MS, NULL);
	run(cut);
	check_connect("tcp", LIMIT_MS - 1, 2 * LIMIT_MS * peer_slow_factor(), "(-70)");
	noted = GetTickCount64();
	check_connect("tcp", 0, LIMIT_MS - 1, "(-70)"); /* it did not wait again */
	check_connect("tcp", 0, LIMIT_MS - 1, "(-70)");
	run(repair);
	while (GetTickCount64() < noted + MEMORY_MS)
		Sleep(100);
	check_connect("verbs", 0, 2 * LIMIT_MS, NULL);
}

static void gone(const char *path, const char *cut, const char *reason)
{
	check_connect("verbs", 0, 2 * LIMIT_MS, NULL);
	run(cut);
	check_connect(path, 0, LIMIT_MS, reason);
	check_connect(path, 0, LIMIT_MS,
		      reason); /* that is no matter of the peer, to be remembered */
}

/* That there is no OpenWSD is known the second time. */
static void foreign(void)
{
	check_connect("plain", 0, LIMIT_MS,
		      "the peer speaks another protocol version or mode (-68)");
	check_connect("plain", 0, LIMIT_MS, "openwsd: nothing answers there by this path (-70)");
}

static void stopped(void)
{
	peer_signal(SIGSTOP);
	if (fork() == 0) {
		Sleep(3 * LIMIT_MS); /* this process may take a while to its connect */
		peer_signal(SIGCONT);
		_exit(0);
	}
	check_connect("verbs", 2 * LIMIT_MS - 1, 10 * LIMIT_MS, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct held before;
	char text[16];

	snprintf(text, sizeof(text), "%u", MEMORY_MS);
	setenv("WSD_ANSWER_MEMORY", text, 1);
	peer_start(90, 1000);
	before = held();
	peer_fork(strcmp(what, "defer") == 0	 ? late_acceptor
		  : strcmp(what, "foreign") == 0 ? foreign_acceptor
						 : acceptor);
	peer_winsock();
	at = peer_address(peer_hear());
	if (strcmp(what, "silent") == 0 && argc == 4)
		silent(argv[2], argv[3]);
	else if (strcmp(what, "defer") == 0)
		check_connect("verbs", 2 * LIMIT_MS - 1, 5 * LIMIT_MS, NULL);
	else if (strcmp(what, "stopped") == 0)
		stopped();
	else if (strcmp(what, "foreign") == 0)
		foreign();
	else if (strcmp(what, "gone") == 0 && argc == 5)
		gone(argv[2], argv[3], argv[4]);
	else if (strcmp(what, "over") == 0 && argc > 2)
		check_connect(argv[2], 0, 2 * LIMIT_MS,
			      argc > 3 ? argv[3] : ""); /* the other adapter may have its reason */
	else
		peer_fail("usage: test_answer silent CUT REPAIR | defer | stopped | foreign | "
			  "gone PATH CUT REASON | over PATH [REASON]");
	peer_tell(0);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	held_settle(before, TRUE);
	return 0;
}

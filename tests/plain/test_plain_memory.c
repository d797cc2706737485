// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain_memory.c - a listener that can make no memory to share with its peer: that comes by plain TCP, and says
 * why. Two processes.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/plain/cases.h"

/* It may make no file, and so no memory that two processes have. */
static void server_without_memory(void)
{
	struct rlimit none = { 0, 0 };
	SOCKET listener, s;
	uint32_t port;
	char byte;

	over("shm,plain");
	listener = peer_listen(&port);
	PEER_CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &none) == 0);
	peer_tell(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET && recv(s, &byte, 1, 0) == 1 && send(s, &byte, 1, 0) == 1);
	PEER_CHECK(recv(s, &byte, 1, 0) == 0 && closesocket(s) == 0 && closesocket(listener) == 0);
	WSACleanup();
}

static void check_no_shared_memory(void)
{
	uint32_t port;
	char byte;
	SOCKET s;

	peer_fork(server_without_memory);
	port = peer_hear();
	over("shm,plain");
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain") &&
		   text_has(s, SO_OPENWSD_REASONS, "shm: out of memory (-2)"));
	PEER_CHECK(send(s, "x", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 && byte == 'x');
	PEER_CHECK(closesocket(s) == 0);
	peer_join();
}

const struct plain_case plain_cases[] = {
	{ "no_shared_memory", check_no_shared_memory },
	{ NULL, NULL },
};

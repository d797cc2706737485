// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_user.c - processes of two users on one host. They do not share memory: they get another path, with the
 * reason, or no connection when shared memory is all there is. Exits 77 when it cannot change its user.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define NOBODY	65534
#define REFUSED "shm: nobody listens at that address"

static void check_text(SOCKET s, int option, const char *start)
{
	char text[1024];
	int length = sizeof(text);

	PEER_CHECK(getsockopt(s, SOL_SOCKET, option, text, &length) == 0);
	printf("%x: %s\n", (unsigned)option, text);
	if (strncmp(text, start, strlen(start)) != 0)
		peer_fail("'%s' instead of '%s'", text, start);
}

static void exchange(SOCKET s)
{
	char byte = 0;

	PEER_CHECK(send(s, "a", 1, 0) == 1);
	PEER_CHECK(recv(s, &byte, 1, 0) == 1 && byte == 'a');
	PEER_CHECK(closesocket(s) == 0);
}

static int connect_over(const char *backends, struct sockaddr_in *at, SOCKET *s)
{
	PEER_CHECK(setenv("WSD_BACKENDS", backends, 1) == 0);
	peer_winsock();
	*s = peer_socket();
	return connect(*s, (struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : WSAGetLastError();
}

/* Each list of backends needs a process of its own that has not started Winsock. */
static void over_shm_only(struct sockaddr_in *at)
{
	SOCKET s;

	PEER_CHECK(connect_over("shm", at, &s) == WSAECONNREFUSED);
	check_text(s, SO_OPENWSD_REASONS, REFUSED);
	PEER_CHECK(closesocket(s) == 0 && WSACleanup() == 0);
	_exit(0);
}

static void other_user(void)
{
	struct sockaddr_in at = peer_address(peer_hear());
	int status;
	pid_t child;
	SOCKET s;

	PEER_CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	child = fork();
	PEER_CHECK(child >= 0);
	if (child == 0)
		over_shm_only(&at);
	PEER_CHECK(waitpid(child, &status, 0) == child && status == 0);
	PEER_CHECK(connect_over("shm,tcp", &at, &s) == 0);
	check_text(s, SO_OPENWSD_PATH, "tcp");
	check_text(s, SO_OPENWSD_REASONS, REFUSED);
	exchange(s);
	PEER_CHECK(WSACleanup() == 0);
}

int main(void)
{
	SOCKET listener, own, s;
	struct sockaddr_in at;
	uint32_t port;

	if (geteuid() != 0)
		return 77;
	peer_start(60, 256);
	peer_fork(other_user);
	PEER_CHECK(setenv("WSD_BACKENDS", "shm,tcp", 1) == 0);
	peer_winsock();
	listener = peer_listen(&port);
	at = peer_address(port);
	/* The same user shares memory. */
	own = peer_socket();
	PEER_CHECK(connect(own, (struct sockaddr *)&at, sizeof(at)) == 0);
	check_text(own, SO_OPENWSD_PATH, "shm");
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET && closesocket(s) == 0 && closesocket(own) == 0);
	peer_tell(port);
	s = accept(listener, NULL, NULL);
	PEER_CHECK(s != INVALID_SOCKET);
	check_text(s, SO_OPENWSD_PATH, "tcp");
	exchange(s);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}

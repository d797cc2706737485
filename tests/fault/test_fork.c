// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_fork.c - fork, exec and exit of children while a process moves bytes. Its connections do not notice;
 * in a child the sockets are dead until it starts Winsock for itself, and a child that lives on holds
 * nothing of its parent: no port, and no connection after the parent's death.
 * Argument: traffic, listener or death.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define CONNECTIONS 8
#define BLOCK	    8192
#define ROUNDS	    40
#define SOON	    20000 /* ms, on a busy machine */

static SOCKET sockets[CONNECTIONS];
static SOCKET listener = INVALID_SOCKET;
static struct sockaddr_in at;
static atomic_bool stop;

/* --- the other process: sends everything back, until the connections end --- */

static void *echo(void *arg)
{
	SOCKET s = *(SOCKET *)arg;
	char buffer[BLOCK];
	int got, n, sent;

	while ((got = recv(s, buffer, sizeof(buffer), 0)) > 0)
		for (sent = 0; sent < got; sent += n) {
			n = send(s, buffer + sent, got - sent, 0);
			PEER_CHECK(n > 0);
		}
	PEER_CHECK(got == 0 && closesocket(s) == 0);
	return NULL;
}

static void echo_all(void)
{
	static SOCKET accepted[CONNECTIONS + ROUNDS];
	pthread_t threads[CONNECTIONS + ROUNDS];
	uint32_t port, count, i;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	count = peer_hear();
	for (i = 0; i < count; i++) {
		accepted[i] = accept(listener, NULL, NULL);
		PEER_CHECK(accepted[i] != INVALID_SOCKET);
		PEER_CHECK(pthread_create(&threads[i], NULL, echo, &accepted[i]) == 0);
	}
	for (i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	PEER_CHECK(WSACleanup() == 0);
}

static void round_trip(SOCKET s, unsigned seed)
{
	char out[BLOCK], in[BLOCK];
	int i, n;

	for (i = 0; i < BLOCK; i++)
		out[i] = (char)(seed + (unsigned)i * 31);
	PEER_CHECK(send(s, out, BLOCK, 0) == BLOCK);
	for (i = 0; i < BLOCK; i += n) {
		n = recv(s, in + i, BLOCK - i, 0);
		PEER_CHECK(n > 0);
	}
	PEER_CHECK(memcmp(in, out, BLOCK) == 0);
}

static void *traffic(void *arg)
{
	SOCKET s = *(SOCKET *)arg;
	unsigned seed = 0;

	while (!atomic_load(&stop))
		round_trip(s, seed++);
	return NULL;
}

/* --- children --- */

/*
 * The leak detector asks this at exit. In a child it would report what only the parent's other threads
 * pointed to: the library leaves that alone, and the detector cannot see those threads.
 */
static int in_child;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return in_child;
}

static SOCKET connect_new(void)
{
	SOCKET s = peer_socket();

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	return s;
}

static void dead(int result)
{
	PEER_CHECK(result == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
}

static void use_dead_sockets(void)
{
	char byte = 0;
	fd_set set;

	dead(send(sockets[0], &byte, 1, 0));
	dead(recv(sockets[0], &byte, 1, 0));
	dead(closesocket(sockets[0]));
	FD_ZERO(&set);
	FD_SET(sockets[0], &set);
	dead(select(0, &set, NULL, NULL, NULL));
	PEER_CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) == INVALID_SOCKET &&
		   WSAGetLastError() == WSANOTINITIALISED);
	dead(WSACleanup());
}

/* A Winsock of its own: what the parent has is no socket there. */
static void start_afresh(void)
{
	char byte = 0;
	SOCKET s;

	peer_winsock();
	PEER_CHECK(send(sockets[0], &byte, 1, 0) == SOCKET_ERROR &&
		   WSAGetLastError() == WSAENOTSOCK);
	s = connect_new();
	round_trip(s, 99);
	round_trip(s, 100);
	PEER_CHECK(closesocket(s) == 0);
	PEER_CHECK(WSACleanup() == 0);
}

static void run_child(unsigned kind)
{
	in_child = 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	switch (kind % 4) {
	case 0:
		_exit(0);
	case 1:
		use_dead_sockets();
		exit(0);
	case 2:
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	default:
		start_afresh();
		exit(0);
	}
}

static void test_traffic(void)
{
	/* A fork is slow under a sanitizer: its bookkeeping is copied too. */
	unsigned rounds = peer_slow_factor() == 1 ? ROUNDS : ROUNDS / 2, i;
	pthread_t threads[CONNECTIONS];
	int status;

	peer_tell(CONNECTIONS + rounds / 4);
	for (i = 0; i < CONNECTIONS; i++) {
		sockets[i] = connect_new();
		PEER_CHECK(pthread_create(&threads[i], NULL, traffic, &sockets[i]) == 0);
	}
	for (i = 0; i < rounds; i++) {
		pid_t child = fork();

		if (child == 0)
			run_child(i);
		PEER_CHECK(child > 0 && waitpid(child, &status, 0) == child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			peer_fail("child of kind %u: status %#x", i % 4, (unsigned)status);
	}
	atomic_store(&stop, true);
	for (i = 0; i < CONNECTIONS; i++) {
		pthread_join(threads[i], NULL);
		round_trip(sockets[i], i);
		PEER_CHECK(closesocket(sockets[i]) == 0);
	}
	PEER_CHECK(WSACleanup() == 0);
	peer_join();
}

/* --- a child that lives on --- */

static pid_t lasting_child(void)
{
	pid_t child = fork();

	if (child == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(60); /* whatever becomes of the test */
		pause();
		_exit(0);
	}
	PEER_CHECK(child > 0);
	return child;
}

static void test_listener(void)
{
	SOCKET second = peer_socket();
	pid_t child;
	uint32_t port;

	listener = peer_listen(&port);
	child = lasting_child();
	at = peer_address(port);
	sockets[0] = connect_new();
	PEER_CHECK(closesocket(sockets[0]) == 0 && closesocket(listener) == 0);
	/* The connection may end in the background; the child lasts longer. */
	for (int i = 0; bind(second, (struct sockaddr *)&at, sizeof(at)) != 0; i++, Sleep(20))
		PEER_CHECK(i < 500);
	PEER_CHECK(listen(second, 5) == 0);
	sockets[0] = connect_new();
	PEER_CHECK(closesocket(sockets[0]) == 0 && closesocket(second) == 0);
	PEER_CHECK(WSACleanup() == 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void die_with_child_alive(void)
{
	uint32_t port;

	peer_winsock();
	at = peer_address(peer_hear());
	sockets[0] = connect_new();
	round_trip(sockets[0], 1);
	listener = peer_listen(&port);
	peer_tell(port);
	peer_tell((uint32_t)lasting_child());
	pause();
}

static void *echo_until_reset(void *arg)
{
	char buffer[BLOCK];
	int n;

	while ((n = recv(*(SOCKET *)arg, buffer, sizeof(buffer), 0)) > 0)
		PEER_CHECK(send(*(SOCKET *)arg, buffer, n, 0) == n);
	PEER_CHECK(n == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	return NULL;
}

static void test_death(void)
{
	unsigned mappings = peer_shared_mappings(), descriptors = peer_descriptors();
	pthread_t thread;
	uint32_t port;
	ULONGLONG killed;
	pid_t child;
	SOCKET s;

	listener = peer_listen(&port);
	peer_tell(port);
	sockets[0] = accept(listener, NULL, NULL);
	PEER_CHECK(sockets[0] != INVALID_SOCKET);
	PEER_CHECK(pthread_create(&thread, NULL, echo_until_reset, &sockets[0]) == 0);
	port = peer_hear();
	child = (pid_t)peer_hear();
	killed = GetTickCount64();
	peer_signal(SIGKILL);
	pthread_join(thread, NULL);
	PEER_CHECK(GetTickCount64() - killed < SOON * peer_slow_factor());
	peer_bury(SIGKILL);
	/* Nobody listens there any more. */
	at = peer_address(port);
	s = peer_socket();
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == SOCKET_ERROR &&
		   WSAGetLastError() == WSAECONNREFUSED);
	PEER_CHECK(GetTickCount64() - killed < 2 * SOON * peer_slow_factor());
	PEER_CHECK(closesocket(s) == 0 && closesocket(sockets[0]) == 0 &&
		   closesocket(listener) == 0);
	kill(child, SIGKILL);
	peer_settle(descriptors - 2, mappings);
	PEER_CHECK(WSACleanup() == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	peer_start(60, 1000);
	if (strcmp(what, "traffic") == 0) {
		peer_fork(echo_all);
		peer_winsock();
		at = peer_address(peer_hear());
		test_traffic();
	} else if (strcmp(what, "death") == 0) {
		peer_fork(die_with_child_alive);
		peer_winsock();
		Sleep(1);
		test_death();
	} else if (strcmp(what, "listener") == 0) {
		peer_winsock();
		test_listener();
	} else {
		peer_fail("usage: test_fork traffic|listener|death");
	}
	return 0;
}

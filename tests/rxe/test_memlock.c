// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_memlock.c WHO KIB - as many connections as a process can register memory for, and more; WHO (connector or
 * acceptor) may lock KIB of it. With tcp or plain beside verbs in WSD_BACKENDS the rest goes over that and says why;
 * without, it fails with WSAENOBUFS at once. Those that are open carry bytes, with and without rings, and when they
 * are closed there is room again.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/rxe/held.h"

#define CONNECTIONS 8
#define BYTES	    100000
#define SOON	    10000u /* ms, for what should be done at once */
#define AGAIN_MS    200u
#define AGAIN_MOST  50u

static unsigned kib;
static bool limited_acceptor, alone;
static struct sockaddr_in at;

static void limit_memory(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	struct rlimit limit = { kib * 1024, kib * 1024 };

	PEER_CHECK(syscall(SYS_capget, &head, data) == 0);
	data[0].effective &= ~(1u << CAP_IPC_LOCK);
	data[0].permitted &= ~(1u << CAP_IPC_LOCK);
	PEER_CHECK(syscall(SYS_capset, &head, data) == 0);
	PEER_CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
}

/* --- the acceptor sends everything back --- */

static void *echo(void *arg)
{
	SOCKET s = (SOCKET)(uintptr_t)arg;
	char *buffer = malloc(BYTES);
	int n;

	while ((n = recv(s, buffer, BYTES, 0)) > 0)
		PEER_CHECK(send(s, buffer, n, 0) == n);
	PEER_CHECK(n == 0);
	free(buffer);
	closesocket(s);
	return NULL;
}

static void acceptor(void)
{
	uint32_t port;
	SOCKET listener, s;
	pthread_t threads[CONNECTIONS + AGAIN_MOST];
	unsigned count = 0;

	if (limited_acceptor)
		limit_memory();
	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	while (peer_hear()) {
		s = accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET && count < CONNECTIONS + AGAIN_MOST);
		PEER_CHECK(pthread_create(&threads[count++], NULL, echo, (void *)(uintptr_t)s) ==
			   0);
	}
	closesocket(listener);
	while (count > 0) /* they may not have read the end yet */
		pthread_join(threads[--count], NULL);
	PEER_CHECK(WSACleanup() == 0);
}

/* --- the connector --- */

static void option_text(SOCKET s, int option, char *text, int length)
{
	PEER_CHECK(getsockopt(s, SOL_SOCKET, option, text, &length) == 0);
}

/* INVALID_SOCKET: there was no memory. */
static SOCKET try_connect(void)
{
	uint64_t began = GetTickCount64();
	SOCKET s = peer_socket();
	char path[64], reasons[512];
	int result = connect(s, (struct sockaddr *)&at, sizeof(at));
	int error = WSAGetLastError();

	if (result != 0 && error != WSAENOBUFS)
		peer_fail("connect failed with %d", error);
	PEER_CHECK(GetTickCount64() - began < SOON);
	option_text(s, SO_OPENWSD_REASONS, reasons, sizeof(reasons));
	if (result == 0)
		option_text(s, SO_OPENWSD_PATH, path, sizeof(path));
	printf("%s; %s\n", result == 0 ? path : "none", reasons);
	fflush(stdout);
	if ((result != 0 || strncmp(path, "verbs", 5) != 0) && strstr(reasons, "(-45)") == NULL)
		peer_fail("no reason");
	if (result == 0) {
		peer_tell(1);
		return s;
	}
	PEER_CHECK(alone);
	closesocket(s);
	return INVALID_SOCKET;
}

static bool on_verbs(SOCKET s)
{
	char path[64];

	option_text(s, SO_OPENWSD_PATH, path, sizeof(path));
	return strncmp(path, "verbs", 5) == 0;
}

struct sender {
	SOCKET s;
	uint64_t position;
};

static void *send_all(void *arg)
{
	const struct sender *sender = arg;

	PEER_CHECK(send(sender->s, peer_pattern(sender->position), BYTES, 0) == BYTES);
	return NULL;
}

/* At the same time: a side without rings takes next to nothing that it does not read. */
static void round_trip(SOCKET s, uint64_t position)
{
	struct sender sender = { s, position };
	char *buffer = malloc(BYTES);
	pthread_t thread;
	int got, n;

	PEER_CHECK(pthread_create(&thread, NULL, send_all, &sender) == 0);
	for (got = 0; got < BYTES; got += n) {
		n = recv(s, buffer + got, BYTES - got, 0);
		PEER_CHECK(n > 0);
	}
	pthread_join(thread, NULL);
	peer_check_pattern(buffer, BYTES, position);
	free(buffer);
}

static unsigned all_at_once(void)
{
	SOCKET sockets[CONNECTIONS];
	unsigned i, open = 0, verbs = 0;

	for (i = 0; i < CONNECTIONS; i++) {
		SOCKET s = try_connect();

		if (s != INVALID_SOCKET)
			sockets[open++] = s;
	}
	for (i = 0; i < open; i++) {
		verbs += on_verbs(sockets[i]);
		round_trip(sockets[i], 1000 * i);
	}
	if (open < CONNECTIONS && !alone)
		peer_fail("only %u connections", open);
	for (i = 0; i < open; i++)
		closesocket(sockets[i]);
	return verbs;
}

/* What was closed is given back a little later. */
static void again(void)
{
	bool good = false;
	SOCKET s;

	for (unsigned tries = 0; !good && tries < AGAIN_MOST; tries++) {
		s = try_connect();
		good = s != INVALID_SOCKET && on_verbs(s);
		if (s != INVALID_SOCKET) {
			round_trip(s, 7);
			closesocket(s);
		}
		Sleep(AGAIN_MS);
	}
	PEER_CHECK(good);
}

int main(int argc, char **argv)
{
	const char *backends = getenv("WSD_BACKENDS");
	struct held before;
	unsigned verbs;

	if (argc != 3)
		peer_fail("usage: test_memlock connector|acceptor KIB");
	limited_acceptor = strcmp(argv[1], "acceptor") == 0;
	kib = (unsigned)atoi(argv[2]);
	alone = backends && strchr(backends, ',') == NULL;
	peer_start(100, 1000);
	before = held();
	peer_fork(acceptor);
	if (!limited_acceptor)
		limit_memory();
	peer_winsock();
	at = peer_address(peer_hear());
	verbs = all_at_once();
	printf("%u over verbs\n", verbs);
	if (kib >= 64)
		PEER_CHECK(verbs >= 1 && verbs < CONNECTIONS);
	else
		PEER_CHECK(verbs == 0);
	if (verbs)
		again();
	peer_tell(0);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	held_settle(before, TRUE);
	return 0;
}

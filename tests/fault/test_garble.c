// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_garble.c - a third process writes garbage into everything that two processes share, at full speed, while
 * they exchange messages. Connections may end or stop; no call crashes or outlasts its time limit, closing ends,
 * and once that process is gone new connections work. Exits 77 where a process may not write to another one's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"

#define ROUNDS	    12
#define CONNECTIONS 4
#define TRAFFIC_MS  250u
#define LIMIT_MS    20 /* of one call */
#define MESSAGE	    1500
#define RANGES	    256

static pid_t server;

static void set_limits(SOCKET s)
{
	int limit = LIMIT_MS;

	PEER_CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof(limit)) == 0);
	PEER_CHECK(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, (char *)&limit, sizeof(limit)) == 0);
}

/* --- the server: sends back what comes, as long as it comes --- */

static void *send_back(void *arg)
{
	SOCKET s = (SOCKET)(uintptr_t)arg;
	char bytes[MESSAGE];
	int got;

	set_limits(s);
	for (;;) {
		got = recv(s, bytes, sizeof(bytes), 0);
		if (got == 0 || (got < 0 && WSAGetLastError() != WSAETIMEDOUT))
			break;
		if (got > 0 && send(s, bytes, got, 0) < 0)
			break;
	}
	PEER_CHECK(closesocket(s) == 0);
	return NULL;
}

static void serve(void)
{
	pthread_t threads[ROUNDS * (CONNECTIONS + 1)];
	SOCKET listener, s;
	uint32_t port;
	int i;

	peer_tell((uint32_t)getpid());
	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	for (i = 0; i < ROUNDS * (CONNECTIONS + 1); i++) {
		s = accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET);
		PEER_CHECK(pthread_create(&threads[i], NULL, send_back, (void *)(uintptr_t)s) == 0);
	}
	while (i-- > 0)
		pthread_join(threads[i], NULL);
	PEER_CHECK(WSACleanup() == 0);
}

/* --- the third process --- */

struct range {
	uint64_t length;
	int file;
};

static unsigned find_ranges(struct range *ranges)
{
	char path[128], line[512];
	unsigned count = 0;
	uint64_t start, end;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)server);
	maps = fopen(path, "r");
	if (!maps)
		_exit(77);
	while (count < RANGES && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "memfd:openwsd"))
			continue;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			_exit(1);
		/* The file, not the address, at which something else may lie later. */
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)server,
			 start, end);
		ranges[count].file = open(path, O_RDWR);
		if (ranges[count].file < 0 && errno == ENOENT)
			continue; /* unmapped meanwhile */
		if (ranges[count].file < 0)
			_exit(77);
		ranges[count].length = end - start;
		count++;
	}
	fclose(maps);
	return count;
}

/* Heads more often than payload; what is likely to be taken for right more often than noise. */
static void garble(unsigned seed)
{
	static const uint32_t values[] = { 0, 1, 2, 5, 64, 0x7fffffff, 0x80000000u, UINT32_MAX };
	struct range ranges[RANGES], *range;
	unsigned count = find_ranges(ranges);
	uint64_t at, random = seed * 7919u + 1;
	uint32_t value;

	if (count == 0)
		_exit(77);
	for (;;) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		range = &ranges[(random >> 33) % count];
		at = (random >> 20) % (random >> 62 ? 4096 : range->length) & ~UINT64_C(3);
		value = random >> 61 & 1 ? (uint32_t)(random >> 17) : values[random >> 40 & 7];
		/* Beyond the end it fails: the size is sealed. */
		if (pwrite(range->file, &value, sizeof(value), (off_t)at) < 0 && getppid() == 1)
			_exit(0);
	}
}

static pid_t start_garbling(unsigned seed)
{
	pid_t pid = fork();

	PEER_CHECK(pid >= 0);
	if (pid == 0)
		garble(seed);
	return pid;
}

static void stop_garbling(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	PEER_CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		_exit(77);
	PEER_CHECK(WIFSIGNALED(status));
}

/* --- the client --- */

static SOCKET connect_to(uint32_t port)
{
	struct sockaddr_in at = peer_address(port);
	SOCKET s = peer_socket();

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	return s;
}

static void exchange(SOCKET s, unsigned fill)
{
	char out[MESSAGE], in[MESSAGE];
	int got = 0, n;

	memset(out, (int)fill, sizeof(out));
	PEER_CHECK(send(s, out, sizeof(out), 0) == (int)sizeof(out));
	while (got < MESSAGE) {
		n = recv(s, in + got, MESSAGE - got, 0);
		PEER_CHECK(n > 0);
		got += n;
	}
	PEER_CHECK(memcmp(in, out, sizeof(in)) == 0);
}

/* Whatever comes back, in time. */
static void use_anyhow(SOCKET s, const char *bytes)
{
	char in[MESSAGE];
	uint64_t start = GetTickCount64();

	(void)send(s, bytes, MESSAGE, 0);
	(void)recv(s, in, sizeof(in), 0);
	if (GetTickCount64() - start > 20000 * peer_slow_factor())
		peer_fail("a call took %u ms", (unsigned)(GetTickCount64() - start));
}

static void round_of(uint32_t port, unsigned number)
{
	SOCKET connections[CONNECTIONS], after;
	char bytes[MESSAGE] = "";
	uint64_t start;
	pid_t pid;
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		connections[i] = connect_to(port);
		exchange(connections[i], number);
		set_limits(connections[i]);
	}
	pid = start_garbling(number);
	start = GetTickCount64();
	while (GetTickCount64() - start < TRAFFIC_MS)
		for (i = 0; i < CONNECTIONS; i++)
			use_anyhow(connections[i], bytes);
	stop_garbling(pid);
	for (i = 0; i < CONNECTIONS; i++)
		PEER_CHECK(closesocket(connections[i]) == 0);
	after = connect_to(port);
	exchange(after, number);
	PEER_CHECK(closesocket(after) == 0);
}

int main(void)
{
	uint32_t port;
	unsigned i;

	peer_start(100, 256);
	peer_fork(serve);
	server = (pid_t)peer_hear();
	peer_winsock();
	port = peer_hear();
	for (i = 0; i < ROUNDS; i++)
		round_of(port, i);
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	printf("%d rounds\n", ROUNDS);
	return 0;
}

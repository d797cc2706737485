// SPDX-License-Identifier: BSD-2-Clause
/* peer_linux.c - the other process of a test is a fork; what a process holds. */
#include <dirent.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"
#include "tests/lib/peer_system.h"

#define SETTLE_MS 10000

static int to_peer, from_peer;
static pid_t peer;

bool peer_is_parent(void)
{
	return peer != 0;
}

void peer_system_start(unsigned descriptors)
{
	struct rlimit limit;

	PEER_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = descriptors;
	if (limit.rlim_max < descriptors)
		limit.rlim_max = descriptors;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		peer_fail("this test needs %u descriptors: raise ulimit -Hn", descriptors);
}

void peer_fork(void (*main_of_peer)(void))
{
	int there[2], back[2];

	PEER_CHECK(pipe(there) == 0 && pipe(back) == 0);
	peer = fork();
	PEER_CHECK(peer >= 0);
	if (peer == 0) {
		close(there[1]);
		close(back[0]);
		from_peer = there[0];
		to_peer = back[1];
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* the deadline is the parent's */
		main_of_peer();
		exit(0);
	}
	close(there[0]);
	close(back[1]);
	to_peer = there[1];
	from_peer = back[0];
}

void peer_tell(uint32_t number)
{
	if (write(to_peer, &number, sizeof(number)) != sizeof(number))
		peer_fail("the other process has gone");
}

uint32_t peer_hear(void)
{
	uint32_t number;

	if (read(from_peer, &number, sizeof(number)) != sizeof(number))
		peer_fail("the other process has gone");
	return number;
}

void peer_join(void)
{
	int status;

	PEER_CHECK(waitpid(peer, &status, 0) == peer && WIFEXITED(status) &&
		   WEXITSTATUS(status) == 0);
	close(to_peer);
	close(from_peer);
}

void peer_signal(int number)
{
	PEER_CHECK(kill(peer, number) == 0);
}

void peer_bury(int number)
{
	int status;

	PEER_CHECK(waitpid(peer, &status, 0) == peer && WIFSIGNALED(status) &&
		   WTERMSIG(status) == number);
	close(to_peer);
	close(from_peer);
}

unsigned peer_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	PEER_CHECK(folder != NULL);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count - 3; /* ".", ".." and the folder's own */
}

unsigned peer_shared_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned count = 0;
	char line[512];

	PEER_CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "openwsd (deleted)") != NULL;
	fclose(file);
	return count;
}

uint64_t peer_heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* The line "NAME: n kB" of a file in /proc/self. */
static uint64_t read_kib(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	unsigned long long value = 0;
	char line[256];

	PEER_CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			value = strtoull(line + strlen(name), NULL, 10);
	fclose(file);
	return value * 1024;
}

uint64_t peer_resident_bytes(void)
{
	return read_kib("/proc/self/smaps_rollup", "Pss:") +
	       read_kib("/proc/self/status", "VmPTE:");
}

void peer_settle(unsigned descriptors, unsigned mappings)
{
	unsigned i, fds = 0, maps = 0;

	for (i = 0; i < SETTLE_MS / 20; i++) {
		fds = peer_descriptors();
		maps = peer_shared_mappings();
		if (fds <= descriptors && maps <= mappings)
			return;
		Sleep(20);
	}
	peer_fail("%u descriptors and %u mappings are left, %u and %u were there before", fds, maps,
		  descriptors, mappings);
}

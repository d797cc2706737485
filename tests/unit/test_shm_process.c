// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_process.c - processes and descriptors for the tests of the shm backend; tests/windows has its own. */

#include "tests/lib/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test_shm.h"

unsigned world_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

void shm_ready(intptr_t pipe)
{
	if (write((int)pipe, "r", 1) != 1)
		_exit(2);
}

bool shm_served(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return false; /* they are made by fork */
}

/* addr NULL: it meddles. */
static pid_t start(const struct wsd_addr *addr, const struct shm_meddling *what)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0 && addr)
		shm_serve_for_ever(addr, ends[1]);
	if (pid == 0)
		shm_meddle_for_ever(what, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

pid_t shm_serve(const struct wsd_addr *addr)
{
	return start(addr, NULL);
}

pid_t shm_meddle(const struct shm_meddling *what)
{
	return start(NULL, what);
}

void shm_stop(pid_t pid)
{
	kill(pid, SIGSTOP);
}

void shm_continue(pid_t pid)
{
	kill(pid, SIGCONT);
}

void shm_kill(pid_t pid)
{
	kill(pid, SIGKILL);
}

void shm_reap(pid_t *pid)
{
	if (*pid) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

shm_share shm_share_again(shm_share share)
{
	return dup(share);
}

static int sealed_memory(size_t length, int seals)
{
	int fd = memfd_create("stranger", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

unsigned shm_things_make(shm_share *things, size_t length)
{
	assert_int_equal(pipe(things), 0);
	things[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	things[3] = sealed_memory(length + SHM_PAGE, F_SEAL_SHRINK | F_SEAL_GROW);
	things[4] = sealed_memory(length, F_SEAL_GROW);
	assert_true(things[2] >= 0);
	return SHM_THINGS;
}

void shm_things_drop(shm_share *things)
{
	for (unsigned i = 0; i < SHM_THINGS; i++)
		close(things[i]);
}

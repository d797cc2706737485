// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_process.c - processes and descriptors for the tests of the shm backend; tests/windows has its own. */

#include "tests/lib/test.h"

#include <dirent.h>
#include <signal.h>
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

pid_t shm_serve(const struct wsd_addr *addr)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		shm_serve_for_ever(addr, ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

void shm_reap(pid_t *pid)
{
	if (*pid) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

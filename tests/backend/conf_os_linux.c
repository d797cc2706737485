// SPDX-License-Identifier: BSD-2-Clause
/* conf_os_linux.c - what the conformance program needs of the system. */
#include "tests/backend/conformance.h"

#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rlimit files_before;

void bc_os_begin(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	signal(SIGPIPE, SIG_IGN);
}

int bc_run_apart(const struct bc_test *test, void (*run)(const struct bc_test *test),
		 unsigned seconds)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		setpgid(0, 0);
		alarm(seconds);
		run(test);
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	kill(-child, SIGKILL); /* what a failed two-process test left behind */
	if (WIFSIGNALED(status)) {
		printf("    killed by signal %d%s\n", WTERMSIG(status),
		       WTERMSIG(status) == SIGALRM ? " (took too long)" : "");
		return 1;
	}
	return WEXITSTATUS(status);
}

void bc_peer_start(struct bc_peer *peer, void (*serve)(intptr_t pipe))
{
	int fds[2];
	pid_t child;

	BC_CHECK(pipe(fds) == 0, "pipe");
	child = fork();
	BC_CHECK(child >= 0, "fork");
	if (child == 0) {
		close(fds[0]);
		serve(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	peer->process = child;
	peer->pipe = fds[0];
}

void bc_tell(intptr_t pipe, const void *bytes, size_t length)
{
	BC_CHECK(write((int)pipe, bytes, length) == (ssize_t)length, "pipe");
}

void bc_hear(const struct bc_peer *peer, void *bytes, size_t length)
{
	BC_CHECK(read((int)peer->pipe, bytes, length) == (ssize_t)length, "pipe");
}

void bc_peer_kill(struct bc_peer *peer)
{
	int status;

	kill((pid_t)peer->process, SIGKILL);
	waitpid((pid_t)peer->process, &status, 0);
	close((int)peer->pipe);
}

void bc_peer_end(struct bc_peer *peer)
{
	int status;

	BC_CHECK(waitpid((pid_t)peer->process, &status, 0) == peer->process, "wait");
	close((int)peer->pipe);
	if (WIFEXITED(status) && WEXITSTATUS(status) == BC_SKIPPED)
		_exit(BC_SKIPPED);
	BC_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the other process: status %x",
		 (unsigned)status);
}

uint32_t bc_look_apart(uint32_t (*look)(const char *name), const char *name)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit((int)look(name));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return UINT32_MAX;
	return (uint32_t)WEXITSTATUS(status);
}

unsigned bc_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* The descriptors that a backend takes once per process, asked of another process: tests with two fork
 * before this one opens the backend. */
unsigned bc_files_kept(void)
{
	pid_t child = fork();
	struct bc_node node;
	unsigned files;
	int status;

	if (child == 0) {
		files = bc_open_files();
		if (bc_try_open(&node) == WSD_OK)
			bc_close(&node);
		_exit((int)(bc_open_files() - files));
	}
	BC_CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status),
		 "opening and closing alone fails");
	return (unsigned)WEXITSTATUS(status);
}

void bc_limit_files(unsigned spare)
{
	struct rlimit tight;
	int probe = dup(0);

	if (probe < 0)
		bc_skip("standard input is closed");
	close(probe);
	getrlimit(RLIMIT_NOFILE, &files_before);
	tight = files_before;
	tight.rlim_cur = (rlim_t)probe + spare;
	setrlimit(RLIMIT_NOFILE, &tight);
}

void bc_unlimit_files(void)
{
	setrlimit(RLIMIT_NOFILE, &files_before);
}

bool bc_objects_wait(const wsd_wait_object *objects, unsigned count, int ms)
{
	struct pollfd fds[BC_NODES_MAX];

	for (unsigned i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = (int)objects[i], .events = POLLIN };
	return poll(fds, count, ms) > 0;
}

void bc_yield(void)
{
	sched_yield();
}

intptr_t bc_hold_port(struct wsd_addr *addr)
{
	struct sockaddr_in6 any6;
	socklen_t length = sizeof(any6);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in any4;

	memset(&any6, 0, sizeof(any6));
	any6.sin6_family = AF_INET6;
	if (fd >= 0 && bind(fd, (struct sockaddr *)&any6, sizeof(any6)) == 0) {
		getsockname(fd, (struct sockaddr *)&any6, &length);
		addr->port = ntohs(any6.sin6_port);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(&any4, 0, sizeof(any4));
	any4.sin_family = AF_INET;
	length = sizeof(any4);
	BC_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&any4, sizeof(any4)) == 0, "no free port");
	getsockname(fd, (struct sockaddr *)&any4, &length);
	addr->port = ntohs(any4.sin_port);
	return fd;
}

void bc_release_port(intptr_t holder)
{
	close((int)holder);
}

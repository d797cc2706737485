// SPDX-License-Identifier: BSD-2-Clause
/* trace.c - see trace.h. */
#include "tests/budget/trace.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

void trace_marker(void)
{
	syscall(SYS_getsid, 0);
}

static int trace(pid_t child, unsigned long *calls, unsigned intervals)
{
	struct ptrace_syscall_info info;
	unsigned markers = 0;
	int status, number = 0;

	if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0)
		return -1;
	while (ptrace(PTRACE_SYSCALL, child, NULL, number) == 0) {
		if (waitpid(child, &status, 0) < 0)
			return -1;
		if (WIFEXITED(status))
			return WEXITSTATUS(status);
		if (!WIFSTOPPED(status))
			return -1;
		number = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
		if (number != 0)
			continue;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) <= 0)
			return -1;
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == SYS_getsid)
			markers++;
		else if (markers % 2 == 1 && markers / 2 < intervals)
			calls[markers / 2]++;
	}
	return -1;
}

int trace_run(int (*scenario)(void), unsigned long *calls, unsigned intervals)
{
	pid_t child = fork();

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(3);
		raise(SIGSTOP);
		exit(scenario());
	}
	return child < 0 ? -1 : trace(child, calls, intervals);
}

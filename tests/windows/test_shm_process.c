// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_process.c - processes for the tests of the shm backend: their program again. */

#include "tests/lib/test.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test_shm.h"
#include "tests/windows/test_shm_process.h"

/* The system's pools of threads take and give back handles as they like. */
unsigned world_fds(void)
{
	return 0;
}

void shm_ready(intptr_t pipe)
{
	DWORD written;

	if (!WriteFile((HANDLE)pipe, "r", 1, &written, NULL))
		exit(2);
}

bool shm_served(int argc, char **argv)
{
	struct wsd_addr addr;

	if (argc != 4 || strcmp(argv[1], "serve") != 0)
		return false;
	addr = world_addr((uint16_t)strtoul(argv[2], NULL, 10));
	shm_serve_for_ever(&addr, (intptr_t)strtoll(argv[3], NULL, 10));
	return true;
}

/* Handles have 32 significant bits, so a pid_t holds one. */
pid_t shm_serve(const struct wsd_addr *addr)
{
	SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	char program[MAX_PATH], line[128], byte;
	PROCESS_INFORMATION made;
	HANDLE in, out;
	DWORD got = 0;

	assert_true(CreatePipe(&in, &out, &inherited, 0));
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "test serve %u %lld", addr->port, (long long)(intptr_t)out);
	assert_true(
		CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made));
	CloseHandle(out);
	CloseHandle(made.hThread);
	assert_true(ReadFile(in, &byte, 1, &got, NULL) && got == 1);
	CloseHandle(in);
	return (pid_t)(intptr_t)made.hProcess;
}

void shm_reap(pid_t *pid)
{
	HANDLE process = (HANDLE)(intptr_t)*pid;

	if (process) {
		TerminateProcess(process, 9);
		WaitForSingleObject(process, INFINITE);
		CloseHandle(process);
	}
	*pid = 0;
}

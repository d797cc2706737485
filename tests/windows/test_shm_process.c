// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_process.c - processes for the tests of the shm backend: their program again. */

#include "tests/lib/test.h"

#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/shm/shm_windows.h"
#include "tests/unit/test_shm.h"
#include "tests/windows/handles.h"

typedef LONG(NTAPI *process_call)(HANDLE process);

unsigned world_fds(void)
{
	return own_handles();
}

void shm_ready(intptr_t pipe)
{
	DWORD written;

	if (!WriteFile((HANDLE)pipe, "r", 1, &written, NULL))
		exit(2);
}

static shm_share share_of(const char *hex)
{
	uint8_t name[SHM_NAME_BYTES];
	unsigned value;

	if (strcmp(hex, "-") == 0)
		return SHM_NO_SHARE;
	for (unsigned i = 0; i < SHM_NAME_BYTES; i++) {
		if (sscanf(hex + 2 * i, "%2x", &value) != 1)
			exit(2);
		name[i] = (uint8_t)value;
	}
	return shm_section_named(name);
}

static void print_share(char *hex, shm_share share)
{
	strcpy(hex, "-");
	for (unsigned i = 0; share != SHM_NO_SHARE && i < SHM_NAME_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", share->name[i]);
}

bool shm_served(int argc, char **argv)
{
	struct shm_meddling what;
	struct wsd_addr addr;
	intptr_t pipe;

	if (argc < 5)
		return false;
	pipe = (intptr_t)strtoll(argv[2], NULL, 10);
	if (strcmp(argv[1], "serve") == 0) {
		addr = world_addr((uint16_t)strtoul(argv[3], NULL, 10));
		if (strcmp(argv[4], "any") == 0)
			memset(addr.bytes, 0, sizeof(addr.bytes));
		shm_serve_for_ever(&addr, pipe);
	}
	if (argc < 7)
		exit(2);
	what.segment = share_of(argv[3]);
	what.inbox = share_of(argv[4]);
	what.length = (size_t)strtoull(argv[5], NULL, 10);
	what.seed = (unsigned)strtoul(argv[6], NULL, 10);
	shm_meddle_for_ever(&what, pipe);
	return true;
}

/* Handles have 32 significant bits, so a pid_t holds one. */
static pid_t start(const char *role, const char *arguments)
{
	SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	char program[MAX_PATH], line[256], byte;
	PROCESS_INFORMATION made;
	HANDLE in, out;
	DWORD got = 0;

	assert_true(CreatePipe(&in, &out, &inherited, 0));
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "test %s %lld %s", role, (long long)(intptr_t)out, arguments);
	assert_true(
		CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made));
	CloseHandle(out);
	CloseHandle(made.hThread);
	assert_true(ReadFile(in, &byte, 1, &got, NULL) && got == 1);
	CloseHandle(in);
	return (pid_t)(intptr_t)made.hProcess;
}

pid_t shm_serve(const struct wsd_addr *addr)
{
	static const uint8_t any[sizeof(addr->bytes)];
	char arguments[32];

	snprintf(arguments, sizeof(arguments), "%u %s", addr->port,
		 memcmp(addr->bytes, any, sizeof(any)) == 0 ? "any" : "loopback");
	return start("serve", arguments);
}

pid_t shm_meddle(const struct shm_meddling *what)
{
	char segment[2 * SHM_NAME_BYTES + 1], inbox[2 * SHM_NAME_BYTES + 1], arguments[128];

	print_share(segment, what->segment);
	print_share(inbox, what->inbox);
	snprintf(arguments, sizeof(arguments), "%s %s %llu %u", segment, inbox,
		 (unsigned long long)what->length, what->seed);
	return start("meddle", arguments);
}

static void call_for(const char *name, pid_t pid)
{
	FARPROC symbol = GetProcAddress(GetModuleHandleA("ntdll.dll"), name);
	process_call call;

	assert_non_null(symbol);
	memcpy(&call, &symbol, sizeof(call));
	assert_int_equal(call((HANDLE)(intptr_t)pid), 0);
}

void shm_stop(pid_t pid)
{
	call_for("NtSuspendProcess", pid);
}

void shm_continue(pid_t pid)
{
	call_for("NtResumeProcess", pid);
}

void shm_kill(pid_t pid)
{
	TerminateProcess((HANDLE)(intptr_t)pid, 9);
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

/* Its name lasts as long as a handle. */
shm_share shm_share_again(shm_share share)
{
	return shm_share_give(&share);
}

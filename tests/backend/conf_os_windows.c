// SPDX-License-Identifier: BSD-2-Clause
/* conf_os_windows.c - what the conformance program needs of the system. */
#include "tests/backend/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/net_windows.h"

#define STARTS 3 /* of a process that does not get as far as its main function */

static char arguments[1024]; /* those of this program */
static HANDLE serving;	     /* this is the other process of a test: its pipe */

void bc_os_begin(int argc, char **argv)
{
	size_t used = 0;

	for (int i = 1; i < argc && used < sizeof(arguments); i++) {
		used += (size_t)snprintf(arguments + used, sizeof(arguments) - used, " %s",
					 argv[i]);
		if (strcmp(argv[i], "--serve") == 0 && i + 1 < argc)
			serving = (HANDLE)(uintptr_t)strtoull(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--begun") == 0 && i + 1 < argc)
			SetEvent((HANDLE)(uintptr_t)strtoull(argv[i + 1], NULL, 10));
	}
}

/* This program again. What it starts ends with it, and it with this process: job. */
static bool start(const char *more, HANDLE job, PROCESS_INFORMATION *made)
{
	char program[MAX_PATH], line[2048];
	STARTUPINFOA startup = { .cb = sizeof(startup) };

	fflush(stdout);
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "conformance%s %s", arguments, more);
	if (!CreateProcessA(program, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL, &startup,
			    made))
		return false;
	if (job)
		AssignProcessToJobObject(job, made->hProcess);
	ResumeThread(made->hThread);
	CloseHandle(made->hThread);
	return true;
}

static HANDLE make_job(void)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
		.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	};
	HANDLE job = CreateJobObjectA(NULL, NULL);

	SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
	return job;
}

/* True: it has run, with *code. A system that does much else may fail to start one. */
static bool try_apart(const struct bc_test *test, unsigned seconds, DWORD *code)
{
	SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
	HANDLE job = make_job(), begun = CreateEventA(&inherited, TRUE, FALSE, NULL);
	PROCESS_INFORMATION made = { .hProcess = NULL };
	char more[128];
	bool has_run = true;

	*code = 1;
	snprintf(more, sizeof(more), "--begun %llu --no-fork --test %s",
		 (unsigned long long)(uintptr_t)begun, test->name);
	if (!start(more, job, &made)) {
		printf("    not started: error %lu\n", GetLastError());
		has_run = false;
	} else if (WaitForSingleObject(made.hProcess, seconds * 1000) != WAIT_OBJECT_0) {
		printf("    took too long\n");
	} else {
		GetExitCodeProcess(made.hProcess, code);
		has_run = *code == 0 || WaitForSingleObject(begun, 0) == WAIT_OBJECT_0;
		if (*code != 0 && *code != BC_SKIPPED)
			printf("    ended with 0x%lx%s\n", *code, has_run ? "" : ", not begun");
	}
	if (made.hProcess)
		CloseHandle(made.hProcess);
	CloseHandle(begun);
	CloseHandle(job);
	return has_run;
}

int bc_run_apart(const struct bc_test *test, void (*run)(const struct bc_test *test),
		 unsigned seconds)
{
	DWORD code;

	(void)run; /* by that process */
	for (int i = 0; i < STARTS && !try_apart(test, seconds, &code); i++)
		;
	return (int)code;
}

/* The other process runs the same test up to here. */
void bc_peer_start(struct bc_peer *peer, void (*serve)(intptr_t pipe))
{
	SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
	PROCESS_INFORMATION made;
	HANDLE in, out;
	char more[64];

	if (serving) {
		serve((intptr_t)serving);
		fflush(stdout);
		_exit(0);
	}
	BC_CHECK(CreatePipe(&in, &out, &inherited, 0), "pipe");
	snprintf(more, sizeof(more), "--serve %llu", (unsigned long long)(uintptr_t)out);
	BC_CHECK(start(more, NULL, &made), "no other process: %lu", GetLastError());
	CloseHandle(out);
	peer->process = (intptr_t)made.hProcess;
	peer->pipe = (intptr_t)in;
}

void bc_tell(intptr_t pipe, const void *bytes, size_t length)
{
	DWORD written;

	BC_CHECK(WriteFile((HANDLE)pipe, bytes, (DWORD)length, &written, NULL) && written == length,
		 "pipe");
}

void bc_hear(const struct bc_peer *peer, void *bytes, size_t length)
{
	DWORD got;

	BC_CHECK(ReadFile((HANDLE)peer->pipe, bytes, (DWORD)length, &got, NULL) && got == length,
		 "pipe");
}

void bc_peer_kill(struct bc_peer *peer)
{
	TerminateProcess((HANDLE)peer->process, 9);
	WaitForSingleObject((HANDLE)peer->process, INFINITE);
	CloseHandle((HANDLE)peer->process);
	CloseHandle((HANDLE)peer->pipe);
}

void bc_peer_end(struct bc_peer *peer)
{
	DWORD code = 1;

	WaitForSingleObject((HANDLE)peer->process, INFINITE);
	GetExitCodeProcess((HANDLE)peer->process, &code);
	CloseHandle((HANDLE)peer->process);
	CloseHandle((HANDLE)peer->pipe);
	if (code == BC_SKIPPED)
		_exit(BC_SKIPPED);
	BC_CHECK(code == 0, "the other process: %lu", code);
}

uint32_t bc_look_apart(uint32_t (*look)(const char *name), const char *name)
{
	return look(name);
}

/* The system's pools of threads take and give back handles as they like: test_dll counts them. */
unsigned bc_open_files(void)
{
	return 0;
}

/* What a backend takes once per process is taken here: no process is forked. */
unsigned bc_files_kept(void)
{
	struct bc_node node;

	if (bc_try_open(&node) == WSD_OK)
		bc_close(&node);
	return 0;
}

void bc_limit_files(unsigned spare)
{
	(void)spare;
	bc_skip("handles have no limit here");
}

void bc_unlimit_files(void)
{
}

bool bc_objects_wait(const wsd_wait_object *objects, unsigned count, int ms)
{
	HANDLE handles[BC_NODES_MAX];

	for (unsigned i = 0; i < count; i++)
		handles[i] = (HANDLE)objects[i];
	return WaitForMultipleObjects(count, handles, FALSE, (DWORD)ms) < WAIT_OBJECT_0 + count;
}

void bc_yield(void)
{
	SwitchToThread();
}

/* IPv4's and IPv6's are spaces of their own: the tests use one of them. */
intptr_t bc_hold_port(struct wsd_addr *addr)
{
	int family = addr->family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, error = 0;
	SOCKET s = wsd_windows_socket(family, SOCK_STREAM, &error);
	const struct wsd_addr any = { .family = addr->family == WSD_FAMILY_IPV6 ? WSD_FAMILY_IPV6
										: WSD_FAMILY_IPV4 };
	union wsd_sockaddr sa;
	struct wsd_addr bound;
	int length = wsd_windows_to_sockaddr(&sa, &any, 0);

	BC_CHECK(s != INVALID_SOCKET &&
			 wsd_windows_net()->lpWSPBind(s, &sa.any, length, &error) == 0,
		 "no free port: %d", error);
	length = sizeof(sa);
	(void)wsd_windows_net()->lpWSPGetSockName(s, &sa.any, &length, &error);
	wsd_windows_from_sockaddr(&bound, &sa);
	addr->port = bound.port;
	return (intptr_t)s;
}

void bc_release_port(intptr_t holder)
{
	wsd_windows_closesocket((SOCKET)holder);
}

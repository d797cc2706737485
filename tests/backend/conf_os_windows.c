// SPDX-License-Identifier: BSD-2-Clause
/* conf_os_windows.c - what the conformance program needs of the system. */
#include "tests/backend/conformance.h"

#include <stdio.h>

#include "rdma_backend/base/net_windows.h"

static char arguments[1024]; /* those of this program */

const struct bc_test bc_tests_process[] = { { NULL, NULL, 0 } };

void bc_os_begin(int argc, char **argv)
{
	size_t used = 0;

	for (int i = 1; i < argc && used < sizeof(arguments); i++)
		used += (size_t)snprintf(arguments + used, sizeof(arguments) - used, " %s",
					 argv[i]);
}

int bc_run_apart(const struct bc_test *test, void (*run)(const struct bc_test *test),
		 unsigned seconds)
{
	char program[MAX_PATH], line[2048];
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	PROCESS_INFORMATION made;
	DWORD code = 1;

	(void)run; /* by that process */
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "conformance%s --no-fork --test %s", arguments, test->name);
	if (!CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made))
		return 1;
	if (WaitForSingleObject(made.hProcess, seconds * 1000) != WAIT_OBJECT_0) {
		printf("    took too long\n");
		TerminateProcess(made.hProcess, 1);
	} else {
		GetExitCodeProcess(made.hProcess, &code);
	}
	CloseHandle(made.hThread);
	CloseHandle(made.hProcess);
	return (int)code;
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

unsigned bc_files_kept(void)
{
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

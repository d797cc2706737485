// SPDX-License-Identifier: BSD-2-Clause
/*
 * peer_windows.c - the other process of a test is another one of the same program, which is told where its main is.
 * What asks for signals, mappings or memory is not there.
 */
#include "tests/lib/peer.h"

#include <stdio.h>

#include "tests/lib/peer_system.h"
#include "tests/windows/handles.h"

#define ROLE \
	"WSD_TEST_PEER" /* of a peer: the place of its main in the program, and its two ends of the pipes */

static HANDLE to_peer, from_peer, peer;

bool peer_is_parent(void)
{
	return peer != NULL;
}

static uintptr_t program(void)
{
	return (uintptr_t)GetModuleHandleW(NULL);
}

void peer_system_start(unsigned descriptors)
{
	unsigned long long place, from, to;
	void (*main_of_peer)(void);
	char role[96] = "";
	uintptr_t at;

	(void)descriptors;
	GetEnvironmentVariableA(ROLE, role, sizeof(role));
	if (sscanf(role, "%llu %llu %llu", &place, &from, &to) != 3)
		return;
	SetEnvironmentVariableA(ROLE, NULL);
	at = program() + (uintptr_t)place;
	memcpy(&main_of_peer, &at, sizeof(main_of_peer));
	from_peer = (HANDLE)(uintptr_t)from;
	to_peer = (HANDLE)(uintptr_t)to;
	main_of_peer();
	exit(0);
}

static void make_pipe(HANDLE *from, HANDLE *to, HANDLE *inherited)
{
	PEER_CHECK(CreatePipe(from, to, NULL, 0) &&
		   SetHandleInformation(*inherited, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
}

void peer_fork(void (*main_of_peer)(void))
{
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	HANDLE its_from, its_to;
	PROCESS_INFORMATION made;
	char path[MAX_PATH], role[96];
	uintptr_t at;

	memcpy(&at, &main_of_peer, sizeof(at));
	make_pipe(&its_from, &to_peer, &its_from);
	make_pipe(&from_peer, &its_to, &its_to);
	PEER_CHECK(GetModuleFileNameA(NULL, path, sizeof(path)) > 0);
	snprintf(role, sizeof(role), "%llu %llu %llu", (unsigned long long)(at - program()),
		 (unsigned long long)(uintptr_t)its_from, (unsigned long long)(uintptr_t)its_to);
	PEER_CHECK(SetEnvironmentVariableA(ROLE, role) &&
		   CreateProcessA(path, NULL, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made) &&
		   SetEnvironmentVariableA(ROLE, NULL));
	CloseHandle(made.hThread);
	CloseHandle(its_from);
	CloseHandle(its_to);
	peer = made.hProcess;
}

void peer_tell(uint32_t number)
{
	DWORD bytes;

	if (!WriteFile(to_peer, &number, sizeof(number), &bytes, NULL))
		peer_fail("the other process has gone");
}

uint32_t peer_hear(void)
{
	uint32_t number;
	DWORD bytes = 0;

	if (!ReadFile(from_peer, &number, sizeof(number), &bytes, NULL) || bytes != sizeof(number))
		peer_fail("the other process has gone");
	return number;
}

void peer_join(void)
{
	DWORD code = 1;

	PEER_CHECK(WaitForSingleObject(peer, INFINITE) == WAIT_OBJECT_0 &&
		   GetExitCodeProcess(peer, &code) && code == 0);
	CloseHandle(peer);
	CloseHandle(to_peer);
	CloseHandle(from_peer);
}

unsigned peer_descriptors(void)
{
	return own_handles();
}

// SPDX-License-Identifier: BSD-2-Clause
/* other_windows.c - see other.h. A channel is a named pipe of messages, whose other end is inherited. */
#include "tests/switch/other.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

char **ot_arguments;

static HANDLE handle_of(int channel)
{
	return (HANDLE)(intptr_t)channel; /* handles fit 32 bits */
}

static bool make_channel(HANDLE ends[2])
{
	SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited), .bInheritHandle = TRUE };
	DWORD mode = PIPE_READMODE_MESSAGE;
	static unsigned count;
	char name[64];

	snprintf(name, sizeof(name), "\\\\.\\pipe\\wsdswitch.%lu.%u", GetCurrentProcessId(),
		 count++);
	ends[0] = CreateNamedPipeA(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE,
				   PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 1, 65536, 65536, 0,
				   NULL);
	ends[1] = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, &inherited, OPEN_EXISTING, 0,
			      NULL);
	return ends[1] != INVALID_HANDLE_VALUE &&
	       SetNamedPipeHandleState(ends[1], &mode, NULL, NULL);
}

static void inherit(HANDLE *to, DWORD which)
{
	*to = GetStdHandle(which);
	(void)SetHandleInformation(*to, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
}

static bool run(HANDLE channel, PROCESS_INFORMATION *made)
{
	STARTUPINFOA startup = { .cb = sizeof(startup), .dwFlags = STARTF_USESTDHANDLES };
	char program[MAX_PATH], line[4096];
	size_t used;

	inherit(&startup.hStdInput, STD_INPUT_HANDLE);
	inherit(&startup.hStdOutput, STD_OUTPUT_HANDLE);
	inherit(&startup.hStdError, STD_ERROR_HANDLE);
	GetModuleFileNameA(NULL, program, sizeof(program));
	used = (size_t)snprintf(line, sizeof(line), "\"%s\" --take=%d", ot_arguments[0],
				(int)(intptr_t)channel);
	for (char **at = ot_arguments + 1; *at != NULL && used < sizeof(line); at++)
		used += (size_t)snprintf(line + used, sizeof(line) - used, " \"%s\"", *at);
	return used < sizeof(line) &&
	       CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, made);
}

struct ot_process ot_start(void)
{
	PROCESS_INFORMATION made;
	HANDLE ends[2];

	fflush(stdout);
	if (!make_channel(ends) || !run(ends[1], &made)) {
		fprintf(stderr, "no other process: error %lu\n", GetLastError());
		exit(2);
	}
	CloseHandle(made.hThread);
	CloseHandle(ends[1]);
	return (struct ot_process){ .process = (pid_t)made.dwProcessId,
				    .handle = made.hProcess,
				    .channel = (int)(intptr_t)ends[0] };
}

bool ot_tell(int channel, const void *packet, size_t size)
{
	DWORD done = 0;

	return WriteFile(handle_of(channel), packet, (DWORD)size, &done, NULL) && done == size;
}

bool ot_hear(int channel, void *packet, size_t size, unsigned ms)
{
	ULONGLONG until = GetTickCount64() + ms;
	DWORD bytes = 0;

	while (PeekNamedPipe(handle_of(channel), NULL, 0, NULL, &bytes, NULL) && bytes == 0) {
		if (GetTickCount64() >= until)
			return false;
		Sleep(1);
	}
	return bytes > 0 && ReadFile(handle_of(channel), packet, (DWORD)size, &bytes, NULL) &&
	       bytes == size;
}

bool ot_end(struct ot_process *o, bool killed)
{
	DWORD code = 1;

	if (killed)
		TerminateProcess(o->handle, 9);
	CloseHandle(handle_of(o->channel));
	WaitForSingleObject(o->handle, INFINITE);
	GetExitCodeProcess(o->handle, &code);
	CloseHandle(o->handle);
	return code == 0;
}

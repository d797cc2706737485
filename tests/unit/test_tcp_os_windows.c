// SPDX-License-Identifier: BSD-2-Clause
/* test_tcp_os_windows.c - see test_tcp_os.h. */
#include <winsock2.h>

#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/unit/test_tcp_os.h"

#define LIFE_SECONDS 60 /* of a started process */
#define KILLED	     99
#define IDLE_MS	     300
#define HANDLES_END  0x40000 /* numbers of handles below it are looked at */

/* What a query of this class tells: every handle of every process. */
#define SYSTEM_HANDLES	    64
#define SYSTEM_HANDLES_SIZE (16u << 20)
struct system_handles {
	ULONG_PTR count, reserved;
	struct {
		void *object;
		ULONG_PTR process, handle;
		ULONG access;
		USHORT trace, type;
		ULONG attributes, reserved;
	} handles[];
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static HANDLE job;     /* of the started processes, which end with this one */
static HANDLE starter; /* pipe to who has started this process */

/* --- processes --- */

static void serve(char **argv, const struct os_role *role)
{
	uint32_t numbers[OS_NUMBERS];

	for (unsigned i = 0; i < OS_NUMBERS; i++)
		numbers[i] = (uint32_t)strtoul(argv[3 + i], NULL, 10);
	starter = (HANDLE)(uintptr_t)strtoull(argv[2], NULL, 10);
	test_deadline(LIFE_SECONDS);
	exit(role->run(numbers));
}

void os_begin(int argc, char **argv, const struct os_role *roles)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {
		.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	};
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		abort();
	for (const struct os_role *role = roles; argc == 3 + OS_NUMBERS && role->name; role++)
		if (strcmp(argv[1], role->name) == 0)
			serve(argv, role);
	job = CreateJobObjectA(NULL, NULL);
	SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
}

void os_start(struct os_process *process, const char *role, const uint32_t numbers[OS_NUMBERS])
{
	SECURITY_ATTRIBUTES inherited = { sizeof(inherited), NULL, TRUE };
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	char program[MAX_PATH], line[128];
	PROCESS_INFORMATION made;
	HANDLE in, out;

	fflush(stdout);
	assert_true(CreatePipe(&in, &out, &inherited, 0));
	SetHandleInformation(in, HANDLE_FLAG_INHERIT, 0);
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "test %s %llu %u %u %u", role,
		 (unsigned long long)(uintptr_t)out, numbers[0], numbers[1], numbers[2]);
	assert_true(CreateProcessA(program, line, NULL, NULL, TRUE, CREATE_SUSPENDED, NULL, NULL,
				   &startup, &made));
	AssignProcessToJobObject(job, made.hProcess);
	ResumeThread(made.hThread);
	CloseHandle(made.hThread);
	CloseHandle(out);
	process->id = (intptr_t)made.hProcess;
	process->pipe = (intptr_t)in;
}

void os_tell(const void *bytes, size_t length)
{
	DWORD written;

	if (!WriteFile(starter, bytes, (DWORD)length, &written, NULL) || written != length)
		abort();
}

void os_hear(const struct os_process *process, void *bytes, size_t length)
{
	DWORD got = 0;

	assert_true(ReadFile((HANDLE)process->pipe, bytes, (DWORD)length, &got, NULL));
	assert_int_equal(got, length);
}

/* Of the functions that no header has. */
static void find_native(const char *name, void *function)
{
	FARPROC found = GetProcAddress(GetModuleHandleA("ntdll.dll"), name);

	assert_non_null(found);
	memcpy(function, &found, sizeof(found));
}

static void tell_threads(const struct os_process *process, const char *function)
{
	LONG(NTAPI * call)(HANDLE process);

	find_native(function, &call);
	assert_int_equal(call((HANDLE)process->id), 0);
}

void os_stop(const struct os_process *process)
{
	tell_threads(process, "NtSuspendProcess");
}

void os_continue(const struct os_process *process)
{
	tell_threads(process, "NtResumeProcess");
}

int os_join(struct os_process *process)
{
	HANDLE handle = (HANDLE)process->id;
	DWORD code = 0;

	WaitForSingleObject(handle, INFINITE);
	GetExitCodeProcess(handle, &code);
	CloseHandle(handle);
	CloseHandle((HANDLE)process->pipe);
	process->id = 0;
	return (int)code;
}

/* Wine's server keeps the sockets of a process that is killed while it is told the end of an overlapped receive, and a
 * peer hears nothing then: a process that has had time is not. */
void os_kill(struct os_process *process)
{
	if (process->id == 0)
		return;
	Sleep(IDLE_MS);
	TerminateProcess((HANDLE)process->id, KILLED);
	assert_int_equal(os_join(process), KILLED);
}

/* Wine's GetProcessHandleCount knows none. */
unsigned os_files(const struct os_process *process)
{
	LONG(NTAPI * query)(int class, void *buffer, ULONG size, ULONG *needed);
	DWORD id = process ? GetProcessId((HANDLE)process->id) : GetCurrentProcessId();
	struct system_handles *all = malloc(SYSTEM_HANDLES_SIZE);
	unsigned count = 0;

	assert_non_null(all);
	find_native("NtQuerySystemInformation", &query);
	assert_int_equal(query(SYSTEM_HANDLES, all, SYSTEM_HANDLES_SIZE, NULL), 0);
	for (ULONG_PTR i = 0; i < all->count; i++)
		count += all->handles[i].process == id;
	free(all);
	assert_true(count > 0);
	return count;
}

bool os_allow_files(unsigned count)
{
	(void)count;
	return true;
}

bool os_limits_files(void)
{
	return false;
}

void os_limit_files(intptr_t highest)
{
	(void)highest;
}

void os_unlimit_files(void)
{
}

void os_wait(wsd_wait_object object, int ms)
{
	(void)WaitForSingleObject((HANDLE)object, (DWORD)ms);
}

/* --- sockets --- */

static int loopback(union address *at, uint16_t family, uint16_t port)
{
	memset(at, 0, sizeof(*at));
	if (family == WSD_FAMILY_IPV6) {
		at->v6.sin6_family = AF_INET6;
		at->v6.sin6_port = htons(port);
		at->v6.sin6_addr.s6_addr[15] = 1;
		return sizeof(at->v6);
	}
	at->v4.sin_family = AF_INET;
	at->v4.sin_port = htons(port);
	at->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(at->v4);
}

static uint16_t port_of(const union address *at)
{
	return ntohs(at->any.sa_family == AF_INET6 ? at->v6.sin6_port : at->v4.sin_port);
}

static intptr_t own(SOCKET s)
{
	assert_true(s != INVALID_SOCKET);
	SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
	return (intptr_t)s;
}

static intptr_t new_socket(uint16_t family)
{
	return own(socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
}

intptr_t raw_bound(uint16_t family, uint16_t *port)
{
	union address at;
	int length = loopback(&at, family, *port);
	intptr_t s = new_socket(family);

	if (bind((SOCKET)s, &at.any, length) != 0) {
		raw_close(s);
		return -1;
	}
	assert_int_equal(getsockname((SOCKET)s, &at.any, &length), 0);
	*port = port_of(&at);
	return s;
}

intptr_t raw_listen(uint16_t family, uint16_t port)
{
	intptr_t s = raw_bound(family, &port);

	if (s < 0 || listen((SOCKET)s, 8) == 0)
		return s;
	raw_close(s);
	return -1;
}

intptr_t raw_accept(intptr_t s)
{
	return own(accept((SOCKET)s, NULL, NULL));
}

intptr_t raw_connect(uint16_t port)
{
	union address at;
	int length = loopback(&at, WSD_FAMILY_IPV4, port);
	intptr_t s = new_socket(WSD_FAMILY_IPV4);

	assert_int_equal(connect((SOCKET)s, &at.any, length), 0);
	return s;
}

bool raw_send(intptr_t s, const void *bytes, size_t length)
{
	return send((SOCKET)s, bytes, (int)length, 0) == (int)length;
}

ptrdiff_t raw_receive(intptr_t s, void *bytes, size_t length)
{
	return recv((SOCKET)s, bytes, (int)length, 0);
}

bool raw_readable(intptr_t s)
{
	fd_set readable = { .fd_count = 1, .fd_array = { (SOCKET)s } };
	struct timeval now = { 0, 0 };

	return select(0, &readable, NULL, NULL, &now) == 1;
}

size_t raw_waiting(intptr_t s)
{
	u_long bytes = 0;

	assert_int_equal(ioctlsocket((SOCKET)s, FIONREAD, &bytes), 0);
	return bytes;
}

void raw_close(intptr_t s)
{
	closesocket((SOCKET)s);
}

intptr_t raw_connected_to(uint16_t port)
{
	union address peer;
	intptr_t found = -1;

	for (intptr_t handle = 4; handle < HANDLES_END; handle += 4) {
		int length = sizeof(peer);

		if (getpeername((SOCKET)handle, &peer.any, &length) != 0 || port_of(&peer) != port)
			continue;
		assert_int_equal(found, -1);
		found = handle;
	}
	assert_true(found >= 0);
	return found;
}

bool raw_has_marks(uint16_t family)
{
	return family == WSD_FAMILY_IPV4;
}

void raw_assert_marked(intptr_t s, uint16_t family, int service, int priority)
{
	int value = -1, size = sizeof(value);

	(void)family;
	(void)priority;
	assert_int_equal(getsockopt((SOCKET)s, IPPROTO_IP, IP_TOS, (char *)&value, &size), 0);
	assert_int_equal(value, service);
}

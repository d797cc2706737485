// SPDX-License-Identifier: BSD-2-Clause
/* lib_windows.c - processes, threads and time for the conformance programs. */
#include "tests/conformance/lib.h"

#include <process.h>
#include <stdatomic.h>
#include <tlhelp32.h>

static const char *role, *argument;

static unsigned __stdcall watch(void *seconds)
{
	Sleep((DWORD)(uintptr_t)seconds * 1000);
	fputs("deadline passed\n", stderr);
	abort();
}

void conf_deadline(unsigned seconds)
{
	HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, watch, (void *)(uintptr_t)seconds, 0, NULL);

	if (!thread)
		abort();
	CloseHandle(thread);
}

void conf_set_role(const char *child_role, const char *child_argument)
{
	role = child_role;
	argument = child_argument;
}

const char *conf_role(void)
{
	return role;
}

const char *conf_argument(void)
{
	return argument;
}

#define PIPES "WSD_TEST_PIPES" /* the child's ends: numbers of two handles */

static HANDLE handle_of(int number)
{
	return (HANDLE)(intptr_t)number; /* handles fit 32 bits */
}

static void make_pipe(HANDLE *from, HANDLE *to, HANDLE *inherited)
{
	if (!CreatePipe(from, to, NULL, 0) ||
	    !SetHandleInformation(*inherited, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT))
		abort();
}

struct child child_start(const char *child_role, const char *child_argument)
{
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	char program[MAX_PATH], line[2 * MAX_PATH], ends[64];
	HANDLE down_from, down_to, up_from, up_to;
	PROCESS_INFORMATION made;

	fflush(NULL);
	make_pipe(&down_from, &down_to, &down_from);
	make_pipe(&up_from, &up_to, &up_to);
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "child %s %s \"%s\"",
		 conf_family() == AF_INET6 ? "ipv6" : "ipv4", child_role, child_argument);
	snprintf(ends, sizeof(ends), "%d %d", (int)(intptr_t)down_from, (int)(intptr_t)up_to);
	SetEnvironmentVariableA(PIPES, ends);
	if (!CreateProcessA(program, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made))
		abort();
	CloseHandle(made.hThread);
	CloseHandle(down_from);
	CloseHandle(up_to);
	return (struct child){ .pid = (long)(intptr_t)made.hProcess,
			       .to = (int)(intptr_t)down_to,
			       .from = (int)(intptr_t)up_from };
}

struct child child_parent(void)
{
	struct child parent = { .pid = -1 };
	char ends[64] = "";

	GetEnvironmentVariableA(PIPES, ends, sizeof(ends));
	if (sscanf(ends, "%d %d", &parent.from, &parent.to) != 2)
		abort();
	return parent;
}

void child_tell(const struct child *c, int number)
{
	DWORD bytes;

	if (!WriteFile(handle_of(c->to), &number, sizeof(number), &bytes, NULL))
		abort();
}

int child_hear(const struct child *c)
{
	int number = -1;
	DWORD bytes = 0;

	return ReadFile(handle_of(c->from), &number, sizeof(number), &bytes, NULL) &&
			       bytes == sizeof(number)
		       ? number
		       : -1;
}

int child_wait(struct child *c)
{
	DWORD code = 0;

	CloseHandle(handle_of(c->to));
	CloseHandle(handle_of(c->from));
	if (WaitForSingleObject(handle_of((int)c->pid), INFINITE) != WAIT_OBJECT_0 ||
	    !GetExitCodeProcess(handle_of((int)c->pid), &code))
		abort();
	CloseHandle(handle_of((int)c->pid));
	return (int)code;
}

const int conf_death = 9;

void conf_die(void)
{
	TerminateProcess(GetCurrentProcess(), (UINT)conf_death);
}

/* Before a DLL hears of it the other threads have ended: it cannot send any more. */
int conf_exit_closes(void)
{
	return 0;
}

int conf_port_stays(void)
{
	return 0;
}

int conf_windows_tcp(void)
{
	return conf_system_tcp();
}

void set_variable(const char *name, const char *value)
{
	SetEnvironmentVariableA(name, value);
}

unsigned child_id(const struct child *c)
{
	return GetProcessId(handle_of((int)c->pid));
}

void child_kill(const struct child *c)
{
	TerminateProcess(handle_of((int)c->pid), (UINT)conf_death);
}

static void all_threads(const char *call, HANDLE process)
{
	FARPROC symbol = GetProcAddress(GetModuleHandleA("ntdll.dll"), call);
	LONG(NTAPI * function)(HANDLE process);

	memcpy(&function, &symbol, sizeof(symbol));
	if (function(process) != 0)
		abort();
}

void conf_stop(void)
{
	all_threads("NtSuspendProcess", GetCurrentProcess());
}

void child_stop(const struct child *c)
{
	all_threads("NtSuspendProcess", handle_of((int)c->pid));
}

void child_continue(const struct child *c)
{
	all_threads("NtResumeProcess", handle_of((int)c->pid));
}

struct conf_thread {
	HANDLE id;
	void (*run)(void *);
	void *arg;
	atomic_bool will_wait;
};

static _Thread_local struct conf_thread *this_thread;

static unsigned __stdcall thread_main(void *arg)
{
	this_thread = arg;
	this_thread->run(this_thread->arg);
	return 0;
}

struct conf_thread *thread_run(void (*run)(void *), void *arg)
{
	struct conf_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		abort();
	thread->run = run;
	thread->arg = arg;
	thread->id = (HANDLE)_beginthreadex(NULL, 0, thread_main, thread, 0, NULL);
	if (!thread->id)
		abort();
	return thread;
}

void thread_join(struct conf_thread *thread)
{
	WaitForSingleObject(thread->id, INFINITE);
	CloseHandle(thread->id);
	free(thread);
}

void thread_will_wait(void)
{
	atomic_store(&this_thread->will_wait, true);
}

/* Whether a thread sleeps cannot be seen here: give it time. */
void thread_until_waiting(const struct conf_thread *thread)
{
	while (!atomic_load(&thread->will_wait))
		Sleep(1);
	Sleep(100);
}

/* The pool of the system, which runs timers, has threads of its own, and keeps them for a while. */
static bool is_pooled(DWORD id)
{
	const int start_address = 9; /* ThreadQuerySetWin32StartAddress */
	HMODULE ntdll = GetModuleHandleA("ntdll.dll"), module = NULL;
	LONG(WINAPI * query)(HANDLE, int, void *, ULONG, ULONG *);
	FARPROC found = GetProcAddress(ntdll, "NtQueryInformationThread");
	HANDLE thread = OpenThread(THREAD_QUERY_INFORMATION, FALSE, id);
	const char *start = NULL;
	bool pooled;

	memcpy(&query, &found, sizeof(query));
	pooled = thread != NULL && found != NULL &&
		 query(thread, start_address, &start, sizeof(start), NULL) == 0 &&
		 GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
					    GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
				    start, &module) &&
		 module == ntdll;
	if (thread != NULL)
		CloseHandle(thread);
	return pooled;
}

unsigned threads_now(void)
{
	HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
	THREADENTRY32 entry = { .dwSize = sizeof(entry) };
	unsigned count = 0;
	BOOL more;

	for (more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
		count += entry.th32OwnerProcessID == GetCurrentProcessId() &&
			 !is_pooled(entry.th32ThreadID);
	CloseHandle(snapshot);
	return count;
}

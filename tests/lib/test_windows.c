// SPDX-License-Identifier: BSD-2-Clause
/* test_windows.c - the few things that every test program shares. */

#include "tests/lib/test.h"

#include <windows.h>

#include <process.h>

jmp_buf cm_escape;

static unsigned __stdcall watch(void *seconds)
{
	Sleep((DWORD)(uintptr_t)seconds * 1000);
	fputs("test deadline passed\n", stderr);
	abort();
}

unsigned test_slow_factor(void)
{
	const char *slow = getenv("WSD_TEST_SLOW");
	unsigned factor = slow ? (unsigned)strtoul(slow, NULL, 10) : 1;

	return factor ? factor : 1;
}

void test_deadline(unsigned seconds)
{
	uintptr_t whole = (uintptr_t)seconds * test_slow_factor();
	HANDLE thread = (HANDLE)_beginthreadex(NULL, 0, watch, (void *)whole, 0, NULL);

	if (!thread)
		abort();
	CloseHandle(thread);
}

const char *test_path(const char *name)
{
	static char path[512];
	char folder[MAX_PATH] = "";

	GetTempPathA(sizeof(folder), folder);
	snprintf(path, sizeof(path), "%sopenwsd-test.%u.%s", folder,
		 (unsigned)GetCurrentProcessId(), name);
	return path;
}

const char *test_write_file(const char *name, const char *text)
{
	const char *path = test_path(name);
	FILE *file = fopen(path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file) != 0) {
		fprintf(stderr, "cannot write %s\n", path);
		abort();
	}
	return path;
}

int setenv(const char *name, const char *value, int overwrite)
{
	if (!overwrite && GetEnvironmentVariableA(name, NULL, 0) > 0)
		return 0;
	return SetEnvironmentVariableA(name, value) ? 0 : -1;
}

int unsetenv(const char *name)
{
	return SetEnvironmentVariableA(name, NULL) || GetLastError() == ERROR_ENVVAR_NOT_FOUND ? 0
											       : -1;
}

intptr_t test_object_new(void)
{
	return (intptr_t)CreateEventW(NULL, TRUE, FALSE, NULL);
}

void test_object_set(intptr_t object)
{
	if (!SetEvent((HANDLE)object))
		abort();
}

void test_object_clear(intptr_t object)
{
	ResetEvent((HANDLE)object);
}

bool test_object_within(intptr_t object, int ms)
{
	return WaitForSingleObject((HANDLE)object, (DWORD)ms) == WAIT_OBJECT_0;
}

void test_object_free(intptr_t object)
{
	CloseHandle((HANDLE)object);
}

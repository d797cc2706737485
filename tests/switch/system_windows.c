// SPDX-License-Identifier: BSD-2-Clause
/* system_windows.c - see system.h. */
#include "tests/switch/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

const char *system_load(const char *path, const char *name, void *function, size_t size)
{
	static char why[64];
	HMODULE library = LoadLibraryA(path);
	FARPROC symbol = library != NULL ? GetProcAddress(library, name) : NULL;

	memcpy(function, &symbol, size);
	snprintf(why, sizeof(why), "error %lu", GetLastError());
	return symbol != NULL ? NULL : why;
}

void system_set_variable(const char *name, const char *value)
{
	_putenv_s(name, value);
}

// SPDX-License-Identifier: BSD-2-Clause
/* system_linux.c - see system.h. */
#include "tests/switch/system.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *system_load(const char *path, const char *name, void *function, size_t size)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol;
	char here[1024];

	/* Not one of the installed libraries: a file of this folder? */
	snprintf(here, sizeof(here), "./%s", path);
	if (library == NULL && strchr(path, '/') == NULL && access(here, F_OK) == 0)
		library = dlopen(here, RTLD_NOW | RTLD_LOCAL);
	symbol = library != NULL ? dlsym(library, name) : NULL;
	memcpy(function, &symbol, size);
	return symbol != NULL ? NULL : dlerror();
}

void system_set_variable(const char *name, const char *value)
{
	setenv(name, value, 1);
}

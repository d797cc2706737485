// SPDX-License-Identifier: BSD-2-Clause
/* program_posix.c - the name of the program that runs. */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/platform.h"

#define GONE " (deleted)" /* what Linux writes behind the name of a file that is no more */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char name[NAME_MAX + sizeof(GONE)];

/* Of the file: what argv[0] says is up to whoever started the program. */
static void find_name(void)
{
	char path[PATH_MAX + sizeof(GONE)];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const char *slash;
	size_t end;

	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	snprintf(name, sizeof(name), "%s", slash ? slash + 1 : program_invocation_short_name);
	end = strlen(name);
	if (slash && end >= sizeof(GONE) && strcmp(name + end - sizeof(GONE) + 1, GONE) == 0 &&
	    access(path, F_OK) != 0)
		name[end - sizeof(GONE) + 1] = '\0';
}

const char *wsd_program_name(void)
{
	pthread_once(&once, find_name);
	return name;
}

bool wsd_file_names_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

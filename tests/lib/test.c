// SPDX-License-Identifier: BSD-2-Clause
/* test.c - the few things that every test program shares. */

#include "tests/lib/test.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void too_late(int signal_number)
{
	static const char message[] = "test deadline passed\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)ignored;
	(void)signal_number;
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
	signal(SIGALRM, too_late);
	alarm(seconds * test_slow_factor());
}

const char *test_path(const char *name)
{
	static char path[512];
	const char *folder = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/openwsd-test.%u.%s", folder ? folder : "/tmp",
		 (unsigned)getpid(), name);
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

unsigned test_open_descriptors(pid_t pid)
{
	char path[64];
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	folder = opendir(path);
	if (!folder) {
		fprintf(stderr, "cannot read %s\n", path);
		abort();
	}
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

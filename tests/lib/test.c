// SPDX-License-Identifier: BSD-2-Clause
/* test.c - the few things that every test program shares. */

#include "tests/lib/test.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
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

intptr_t test_object_new(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void test_object_set(intptr_t object)
{
	if (eventfd_write((int)object, 1) != 0)
		abort();
}

void test_object_clear(intptr_t object)
{
	eventfd_t ignored;

	(void)eventfd_read((int)object, &ignored);
}

bool test_object_within(intptr_t object, int ms)
{
	struct pollfd fd = { .fd = (int)object, .events = POLLIN };

	return poll(&fd, 1, ms) == 1;
}

void test_object_free(intptr_t object)
{
	close((int)object);
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

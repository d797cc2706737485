// SPDX-License-Identifier: BSD-2-Clause
/* catalog_disk_linux.c - see catalog_disk.h. */
#include "tests/unit/catalog_disk.h"

#include <signal.h>
#include <sys/resource.h>

#include "tests/lib/test.h"

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

void catalog_disk_stop(const char *record)
{
	(void)record;
	signal(SIGXFSZ, SIG_IGN);
	limit_files(100);
}

void catalog_disk_go_on(void)
{
	limit_files(RLIM_INFINITY);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_api_alloc.c - fail the n-th allocation of each scenario, for every n until a run completes
 * without reaching it. After each: a documented code, no hang, nothing left open or allocated, and the
 * library still works. Built from the library's own parts, because the counters are not exported.
 */
#include "tests/lib/test.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include <openwsd/winsock2.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/fault/scenarios.h"

#define MOST 1000u

static unsigned count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

/* What memory that ran out may look like from outside. */
static bool documented(int error)
{
	switch (error) {
	case 0: /* done without */
	case WSAENOBUFS:
	case WSA_NOT_ENOUGH_MEMORY:
	case WSASYSNOTREADY: /* WSAStartup */
	/* an end that could not go on */
	case WSAECONNRESET:
	case WSAECONNABORTED:
	case WSAENETUNREACH:
	case WSAEHOSTUNREACH:
	case WSAETIMEDOUT: /* connect: nobody answered */
		return true;
	default:
		return false;
	}
}

struct level {
	uint64_t blocks;
	unsigned descriptors;
};

static struct level level_now(void)
{
	return (struct level){ wsd_alloc_live(), count_descriptors() };
}

/* Connections end in the background: wait for them. */
static bool settles(const struct level *before)
{
	uint64_t end = wsd_clock_ns() + test_slow_factor() * 5000000000ull;
	struct level now = level_now();

	while (now.blocks > before->blocks || now.descriptors > before->descriptors) {
		if (wsd_clock_ns() > end)
			return false;
		SleepEx(1, FALSE);
		now = level_now();
	}
	return true;
}

/* One run with the n-th allocation failing; false: there was no n-th. */
static bool fail_one(const struct scenario *s, unsigned n, const struct level *before,
		     bool *left_over)
{
	bool failed;
	int error;

	wsd_alloc_fail_nth(n);
	error = s->run();
	failed = wsd_alloc_failed();
	wsd_alloc_fail_nth(0);
	if (failed ? !documented(error) : error != 0)
		fail_msg("%s, allocation %u: result %d", s->name, n, error);
	*left_over = !settles(before);
	return failed;
}

static void fail_each(const struct scenario *s)
{
	unsigned n, failures = 0;
	bool left_over, again = true;

	for (unsigned i = 0; i < 2; i++) /* makes what is made once and kept */
		assert_int_equal(s->run(), 0);
	for (n = 1; n < MOST; n++) {
		struct level before = level_now();

		if (!fail_one(s, n, &before, &left_over))
			break;
		failures++;
		/* A counter that is registered when it is first used is no leak; growing is. */
		before = level_now();
		if (left_over && fail_one(s, n, &before, &again) && again)
			fail_msg("%s, allocation %u: %lld blocks, %d descriptors left", s->name, n,
				 (long long)(wsd_alloc_live() - before.blocks),
				 (int)(count_descriptors() - before.descriptors));
		assert_int_equal(s->run(), 0);
	}
	print_message("%s: %u allocations failed, one at a time\n", s->name, failures);
	assert_true(n < MOST);
	assert_true(failures > 0);
}

static const struct scenario *wanted;

static void every_allocation_may_fail(void **state)
{
	WSADATA data;
	bool started = wanted != scenarios;

	(void)state;
	if (started)
		assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	fail_each(wanted);
	if (started)
		assert_int_equal(WSACleanup(), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };

	wanted = scenarios;
	while (argc == 2 && wanted->name != NULL && strcmp(wanted->name, argv[1]) != 0)
		wanted++;
	if (argc != 2 || wanted->name == NULL) {
		fprintf(stderr, "usage: test_api_alloc SCENARIO\n");
		return 2;
	}
	test_deadline(100);
	return cmocka_run_group_tests_name(wanted->name, tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * conformance.c - the backend conformance program: chooses the backend, runs each test in a
 * process of its own under a time limit, and reports. Exit code 0: some passed, none failed; 1: something
 * failed, or the device cannot be opened; 2: usage; 77: all were skipped.
 *
 *   backend-conformance --backend NAME | --module PATH [--device D] [--peer D] [--test NAME]... [--list]
 *                       [--no-fork]
 */
#include "tests/backend/conformance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/registry.h"

#define BC_TEST_SECONDS 60
#define BC_ONLY_MAX	32
#define DEVICES		64

const struct wsd_backend_ops *bc_ops;
const struct wsd_host *bc_host;
uint32_t bc_device_index, bc_peer_index;
bool bc_one_process;

static const struct bc_test *const groups[] = {
	bc_tests_connect, bc_tests_data,   bc_tests_wait,    bc_tests_refuse,
	bc_tests_service, bc_tests_limits, bc_tests_process,
};
static const char *only[BC_ONLY_MAX];
static unsigned only_count;
static bool no_fork;

void bc_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("    %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

void bc_skip(const char *format, ...)
{
	va_list args;

	printf("    skipped: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(BC_SKIPPED);
}

/* Blocks and descriptors that a backend takes once per process are no leak. */
static void run_counted(const struct bc_test *test)
{
	struct bc_node node;
	uint64_t live;
	unsigned files, kept = 0;

	if (test->flags & BC_TWO_PROCESS) {
		kept = bc_files_kept();
	} else {
		/* Whether it must open is for the test to say. */
		if (bc_try_open(&node) == WSD_OK)
			bc_close(&node);
	}
	live = wsd_alloc_live();
	files = bc_open_files() + kept;
	test->run();
	BC_CHECK(wsd_alloc_live() == live, "%lld blocks more than before the test",
		 (long long)(wsd_alloc_live() - live));
	BC_CHECK(bc_open_files() == files, "%u descriptors, %u before the test", bc_open_files(),
		 files);
}

static int run_test(const struct bc_test *test)
{
	if ((test->flags & BC_TWO_PROCESS) && bc_one_process) {
		printf("    skipped: this backend lives inside one process\n");
		return BC_SKIPPED;
	}
	fflush(stdout);
	if (no_fork) {
		run_counted(test);
		return 0;
	}
	return bc_run_apart(test, run_counted, BC_TEST_SECONDS);
}

static bool wanted(const char *name)
{
	unsigned i;

	for (i = 0; i < only_count; i++) {
		if (strcmp(only[i], name) == 0)
			return true;
	}
	return only_count == 0;
}

static int run_all(bool list)
{
	unsigned passed = 0, failed = 0, skipped = 0;
	const struct bc_test *test;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (test = groups[i]; test->name; test++) {
			if (list)
				printf("%s\n", test->name);
			if (list || !wanted(test->name))
				continue;
			rc = run_test(test);
			printf("%-4s %s\n",
			       rc == 0		  ? "ok"
			       : rc == BC_SKIPPED ? "skip"
						  : "FAIL",
			       test->name);
			passed += rc == 0;
			skipped += rc == BC_SKIPPED;
			failed += rc != 0 && rc != BC_SKIPPED;
		}
	}
	if (list)
		return 0;
	printf("%s: %u passed, %u failed, %u skipped\n", bc_ops->name, passed, failed, skipped);
	if (!failed && !passed && skipped)
		return BC_SKIPPED;
	return failed || !passed;
}

static int usage(void)
{
	fprintf(stderr, "usage: backend-conformance --backend NAME | --module PATH [--device D] "
			"[--peer D] [--test NAME]... [--one-process] [--no-fork] | --list\n");
	return 2;
}

/* The number of the device of that name, or DEVICES. */
static uint32_t look_for(const char *name)
{
	struct wsd_device_attr attr;
	struct wsd_device *device;
	enum wsd_status status;
	uint32_t index;

	for (index = 0; index < DEVICES; index++) {
		memset(&attr, 0, sizeof(attr));
		attr.size = sizeof(attr);
		status = bc_ops->open(bc_host, index, &device, &attr);
		if (status == WSD_NOTFOUND)
			return DEVICES;
		if (status != WSD_OK)
			continue;
		bc_ops->close(device);
		if (strcmp(attr.name, name) == 0)
			return index;
	}
	return DEVICES;
}

/* By its number or by its name. */
static bool find_device(const char *wanted, uint32_t *index)
{
	char *end;

	*index = (uint32_t)strtoul(wanted, &end, 10);
	if (end != wanted && *end == '\0')
		return true;
	*index = bc_look_apart(look_for, wanted);
	if (*index >= DEVICES)
		printf("no device %s\n", wanted);
	return *index < DEVICES;
}

/* Whether the device of that number opens, as the exit status of a process. */
static uint32_t try_device(const char *number)
{
	struct wsd_device_attr attr = { .size = sizeof(attr) };
	struct wsd_device *device;
	enum wsd_status status =
		bc_ops->open(bc_host, (uint32_t)strtoul(number, NULL, 10), &device, &attr);

	if (status == WSD_OK) {
		bc_ops->close(device);
		return 0;
	}
	printf("%s: device %s cannot be opened: %s\n", bc_ops->name, number,
	       status == WSD_NOTFOUND ? "there are not so many" : wsd_status_text(status));
	fflush(stdout);
	return 1;
}

static bool needs_device(void)
{
	const struct bc_test *test;
	size_t i;

	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (test = groups[i]; test->name; test++)
			if (wanted(test->name) && !(test->flags & BC_NO_DEVICE))
				return true;
	return false;
}

/* Said once, not by each test. With --no-fork there may be one test only, and the process is its own. */
static bool devices_open(void)
{
	char number[16], peer[16];

	if (no_fork || !needs_device())
		return true;
	snprintf(number, sizeof(number), "%u", bc_device_index);
	snprintf(peer, sizeof(peer), "%u", bc_peer_index);
	return bc_look_apart(try_device, number) == 0 &&
	       (bc_peer_index == bc_device_index || bc_look_apart(try_device, peer) == 0);
}

int main(int argc, char **argv)
{
	const char *backend = NULL, *module = NULL, *device = "0", *peer = NULL;
	char reason[256] = "";
	enum wsd_status status;
	int i;

	for (i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--list") == 0)
			return run_all(true);
		else if (strcmp(argv[i], "--no-fork") == 0)
			no_fork = true;
		else if (strcmp(argv[i], "--one-process") == 0)
			bc_one_process = true;
		else if (strcmp(argv[i], "--backend") == 0 && more)
			backend = argv[++i];
		else if (strcmp(argv[i], "--module") == 0 && more)
			module = argv[++i];
		else if (strcmp(argv[i], "--device") == 0 && more)
			device = argv[++i];
		else if (strcmp(argv[i], "--peer") == 0 && more)
			peer = argv[++i];
		else if ((strcmp(argv[i], "--serve") == 0 || strcmp(argv[i], "--begun") == 0) &&
			 more)
			i++; /* bc_os_begin's */
		else if (strcmp(argv[i], "--test") == 0 && more && only_count < BC_ONLY_MAX)
			only[only_count++] = argv[++i];
		else
			return usage();
	}
	if (!backend == !module)
		return usage();
	bc_os_begin(argc, argv);
	bc_host = wsd_host_table();
	status = backend ? wsd_registry_find(backend, &bc_ops, reason, sizeof(reason))
			 : wsd_registry_load(module, &bc_ops, reason, sizeof(reason));
	if (status != WSD_OK) {
		printf("refused: %s (%s)\n", reason, wsd_status_text(status));
		return 1;
	}
	if (!find_device(device, &bc_device_index) ||
	    !find_device(peer ? peer : device, &bc_peer_index))
		return 1;
	if (!devices_open())
		return 1;
	bc_one_process = bc_one_process || strcmp(bc_ops->name, "sim") == 0;
	return run_all(false);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_paths.c - the order of paths to a host, of which one has not answered: shm and tcp, which both reach it. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "provider/transport/path.h"
#include "rdma_backend/base/base.h"

static const struct wsd_addr any = { .family = WSD_FAMILY_IPV4 };

static struct wsd_addr loopback(uint8_t last)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV4, .port = 4321 };

	addr.bytes[0] = 127;
	addr.bytes[3] = last;
	return addr;
}

/* The path that a new connect to that host tries first; what it says of others. */
static void assert_first(uint8_t host, const char *path, const char *reasons)
{
	struct wsd_addr remote = loopback(host);
	struct wsd_paths paths = { 0 };
	struct wsd_engine *engine;

	wsd_paths_begin(&paths, &remote, true);
	engine = wsd_paths_next(&paths, &any, &remote);
	assert_non_null(engine);
	assert_string_equal(wsd_engine_name(engine), path);
	assert_string_equal(paths.reasons ? paths.reasons : "", reasons);
	wsd_paths_end(&paths);
}

/* A connect to that host whose first path, and whose second one, end like this. */
static void connect_fails(uint8_t host, enum wsd_status first, enum wsd_status second)
{
	struct wsd_addr remote = loopback(host);
	struct wsd_paths paths = { 0 };

	wsd_paths_begin(&paths, &remote, true);
	assert_non_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_failed(&paths, &remote, first);
	assert_non_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_failed(&paths, &remote, second);
	assert_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_end(&paths);
}

static void opens(uint8_t host, const char *path)
{
	struct wsd_addr remote = loopback(host);
	unsigned i;

	remote.port = 99; /* whatever port it comes from */
	for (i = 0; i < wsd_engine_count(); i++) {
		if (strcmp(wsd_engine_name(wsd_engine_at(i)), path) == 0)
			wsd_paths_opened(NULL, wsd_engine_at(i), &remote);
	}
}

#define SHM_SILENT "shm: nothing answers there by this path (-70)"

static void test_silent_path_is_passed_over(void **state)
{
	(void)state;
	assert_first(1, "shm", "");
	connect_fails(1, WSD_ETIMEDOUT, WSD_ENOLISTENER); /* says nothing about the host */
	assert_first(1, "shm", "");
	connect_fails(1, WSD_ENOANSWER, WSD_ENOLISTENER);
	assert_first(1, "tcp", SHM_SILENT);
	assert_first(2, "shm", "");
	opens(1, "tcp");
	assert_first(1, "tcp", SHM_SILENT);
	opens(1, "shm");
	assert_first(1, "shm", "");
}

static void test_last_path_is_tried(void **state)
{
	(void)state;
	connect_fails(3, WSD_ENOANSWER, WSD_ENOANSWER);
	assert_first(3, "tcp", SHM_SILENT);
	opens(3, "shm");
	opens(3, "tcp");
	assert_first(3, "shm", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_path_is_passed_over),
		cmocka_unit_test(test_last_path_is_tried),
	};
	int failed;

	test_deadline(60);
	setenv("WSD_BACKENDS", "shm,tcp", 1);
	if (wsd_engines_start() != WSD_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	wsd_engines_stop();
	return failed;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/catalog_world.h"

#include <stdio.h>
#include <string.h>

struct fake_system system_now;
struct wsd_catalog_api api;
struct wsd_catalog_state before, wanted, after;

const struct wsd_catalog_options plain = { false, false };
const struct wsd_catalog_options prefer = { true, false };
const struct wsd_catalog_options for_switch = { false, true };
const struct wsd_catalog_options everything = { true, true };

int setup(void **state)
{
	(void)state;
	fake_init(&system_now, &api);
	return 0;
}

void read_into(struct wsd_catalog_state *state)
{
	struct wsd_catalog_failure failure = { 0 };
	unsigned fail_at = system_now.fail_at;

	system_now.fail_at = 0;
	assert_true(wsd_catalog_read(&api, state, &failure));
	system_now.fail_at = fail_at;
}

bool change(bool *restored)
{
	struct wsd_catalog_failure failure;
	bool done = wsd_catalog_change(&api, &before, &wanted, &after, &failure, restored);

	assert_true(done == (failure.what == NULL));
	return done;
}

void must_install(const struct wsd_catalog_options *options)
{
	bool restored;

	read_into(&before);
	wanted = before;
	wsd_catalog_want_installed(&wanted, options);
	assert_true(change(&restored));
}

struct wsd_catalog_run run_of(bool dry)
{
	static FILE *sink;

	if (sink == NULL)
		sink = tmpfile();
	assert_non_null(sink);
	return (struct wsd_catalog_run){ &api, sink, sink, dry, NULL };
}

bool says(int (*command)(const struct wsd_catalog_run *), const char *text, int status)
{
	struct wsd_catalog_run run = run_of(false);
	static char said[65536];
	size_t length;

	run.out = run.err = tmpfile();
	assert_non_null(run.out);
	assert_int_equal(command(&run), status);
	rewind(run.out);
	length = fread(said, 1, sizeof(said) - 1, run.out);
	said[length] = '\0';
	fclose(run.out);
	return strstr(said, text) != NULL;
}

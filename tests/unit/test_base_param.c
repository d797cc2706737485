// SPDX-License-Identifier: BSD-2-Clause
/* test_base_param.c - where parameters come from, and what is said about bad ones. */

#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"

static char config_path[512];
static char log_path[512];

static void use_config(const char *text)
{
	snprintf(config_path, sizeof(config_path), "%s", test_write_file("conf", text));
	setenv("WSD_CONFIG", config_path, 1);
	wsd_log_reset();
	wsd_param_reset();
}

/* Everything logged so far. */
static const char *log_text(void)
{
	static char text[8192];
	FILE *file = fopen(log_path, "r");
	size_t length = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[length] = '\0';
	if (file)
		fclose(file);
	return text;
}

static unsigned occurrences(const char *text, const char *part)
{
	unsigned n = 0;

	while ((text = strstr(text, part)) != NULL) {
		text++;
		n++;
	}
	return n;
}

static int setup(void **state)
{
	(void)state;
	snprintf(log_path, sizeof(log_path), "%s", test_path("log"));
	wsd_log_reset(); /* it is open, and Windows removes no such file */
	unlink(log_path);
	setenv("WSD_LOG", "warning", 1);
	setenv("WSD_LOG_FILE", log_path, 1);
	unsetenv("WSD_BACKENDS");
	unsetenv("WSD_SIM_DEPTH");
	use_config("");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(log_path);
	unlink(config_path);
	return 0;
}

static void test_standard_value_when_nobody_says_otherwise(void **state)
{
	(void)state;
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 7);
	assert_string_equal(wsd_param_text("BACKENDS", "shm,verbs,tcp"), "shm,verbs,tcp");
	assert_null(wsd_param_text("BACKENDS", NULL));
	assert_string_equal(log_text(), "");
}

static void test_environment_wins_over_file(void **state)
{
	enum wsd_param_origin origin;

	(void)state;
	use_config("# a comment\n\n  backends =  sim \nsim-depth = 3\n");
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "sim");
	assert_int_equal(wsd_param_uint("sim_depth", 7, 1, 10), 3);
	setenv("WSD_SIM_DEPTH", "4", 1);
	assert_int_equal(wsd_param_uint("sim_depth", 7, 1, 10), 4);
	assert_string_equal(wsd_param_find("SIM_DEPTH", &origin), "4");
	assert_int_equal(origin, WSD_PARAM_ENVIRONMENT);
	wsd_param_find("BACKENDS", &origin);
	assert_int_equal(origin, WSD_PARAM_FILE);
	wsd_param_find("LOG_NOTHING", &origin);
	assert_int_equal(origin, WSD_PARAM_STANDARD);
	assert_string_equal(log_text(), "");
}

static void test_last_line_of_a_key_counts(void **state)
{
	(void)state;
	use_config("backends = sim\nbackends = tcp");
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "tcp");
}

static void test_text_survives_a_changed_environment(void **state)
{
	const char *before;

	(void)state;
	setenv("WSD_BACKENDS", "first", 1);
	before = wsd_param_text("BACKENDS", NULL);
	setenv("WSD_BACKENDS", "a much longer second value", 1);
	assert_string_equal(wsd_param_text("BACKENDS", NULL), "a much longer second value");
	assert_string_equal(before, "first");
}

static void test_numbers_with_suffix_and_limits(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
		bool good;
	} cases[] = {
		{ "0", 0, true },
		{ "10", 10, true },
		{ "0x10", 16, true },
		{ "4k", 4096, true },
		{ "2M", 2u << 20, true },
		{ "1g", 1u << 30, true },
		{ "", 99, false },
		{ "-1", 99, false },
		{ "1kk", 99, false },
		{ "x", 99, false },
		{ "5000000000", 99, false },
		{ "18446744073709551615g", 99, false },
		{ "0x", 99, false },
		{ "99999999999999999999999999", 99, false },
		{ "1 2", 99, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned complaints;

		setenv("WSD_SIM_DEPTH", cases[i].text, 1);
		complaints = occurrences(log_text(), "SIM_DEPTH");
		assert_int_equal(wsd_param_uint("SIM_DEPTH", 99, 0, 4000000000u), cases[i].value);
		assert_int_equal(occurrences(log_text(), "SIM_DEPTH") - complaints,
				 cases[i].good ? 0 : 1);
	}
}

static void test_bad_number_is_reported_once(void **state)
{
	(void)state;
	setenv("WSD_SIM_DEPTH", "11", 1);
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 7);
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 7);
	assert_int_equal(
		occurrences(log_text(), "SIM_DEPTH: 11 is not a number from 1 to 10, using 7"), 1);
}

static void test_problems_of_the_file_name_the_line(void **state)
{
	(void)state;
	use_config("backends = acme\nbackendz = sim\nno equals here\nacme_depth = 3\nacmex = 1\n");
	wsd_param_text("BACKENDS", NULL);
	wsd_param_text("BACKENDS", NULL);
	assert_int_equal(occurrences(log_text(), "line 2: unknown key BACKENDZ"), 1);
	assert_int_equal(occurrences(log_text(), "line 3: not key = value"), 1);
	assert_int_equal(occurrences(log_text(), "line 5: unknown key ACMEX"), 1);
	assert_int_equal(occurrences(log_text(), "line "), 3);
	assert_true(strstr(log_text(), "line 2") < strstr(log_text(), "line 3"));
}

/* Half a rule would allow what the whole one denies. */
static void test_lines_that_are_too_long_or_no_text(void **state)
{
	char text[2600];
	FILE *file;

	(void)state;
	snprintf(text, sizeof(text), "# %01200d\nsim_depth = 3%01020d\nbackends = sim\n", 0, 0);
	use_config(text);
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "sim");
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 7);
	assert_int_equal(occurrences(log_text(), "line 2: longer than 1023 bytes"), 1);
	assert_int_equal(occurrences(log_text(), "line "), 1);
	use_config("");
	file = fopen(config_path, "wb");
	assert_non_null(file);
	fwrite("sim_depth = 3\0\nbackends = sim\n\0", 1, 31, file);
	fclose(file);
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "sim");
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 7);
	assert_int_equal(occurrences(log_text(), "line 1: not text"), 1);
	assert_int_equal(occurrences(log_text(), "line 3: not text"), 1);
}

static void test_file_that_was_named_must_be_there(void **state)
{
	const char *trouble;

	(void)state;
	setenv("WSD_CONFIG", "/nowhere/openwsd.conf", 1);
	wsd_param_reset();
	wsd_param_text("BACKENDS", NULL);
	assert_int_equal(occurrences(log_text(), "param: /nowhere/openwsd.conf is not there"), 1);
	assert_null(wsd_param_file_lines(&trouble));
	assert_string_equal(trouble, "is not there");
}

static void test_files_of_windows_editors(void **state)
{
	(void)state;
	use_config("\xef\xbb\xbf"
		   "backends = sim\r\nsim_depth = 3\r\n");
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "sim");
	assert_int_equal(wsd_param_uint("SIM_DEPTH", 7, 1, 10), 3);
	assert_string_equal(log_text(), "");
	use_config("\xff\xfe"
		   "backends = sim\n");
	assert_string_equal(wsd_param_text("BACKENDS", "x"), "x");
	assert_int_equal(occurrences(log_text(), "is UTF-16, of which nothing is read"), 1);
}

static void test_names_that_nobody_asks_for(void **state)
{
	(void)state;
	setenv("WSD_LOG", "debug", 1);
	setenv("WSD_BACKEND", "tcp", 1);
	setenv("WSD_BACKENDS", "sim", 1);
	setenv("WSD_SIM_DEPTH", "4", 1);
	wsd_log_reset();
	wsd_param_reset();
	wsd_param_text("BACKENDS", NULL);
	unsetenv("WSD_BACKEND");
	assert_int_equal(occurrences(log_text(), "WSD_BACKEND of the environment has no effect"),
			 1);
	assert_int_equal(occurrences(log_text(), "WSD_BACKENDS"), 0);
	assert_int_equal(occurrences(log_text(), "WSD_SIM_DEPTH"), 0);
	assert_int_equal(occurrences(log_text(), "WSD_CONFIG"), 0);
}

static void test_log_level_in_any_case_or_a_word_about_it(void **state)
{
	(void)state;
	setenv("WSD_LOG", "Info", 1);
	wsd_log_reset();
	assert_true(wsd_log_enabled(WSD_LOG_INFO));
	assert_false(wsd_log_enabled(WSD_LOG_DEBUG));
	assert_string_equal(log_text(), "");
	setenv("WSD_LOG", "warn", 1);
	wsd_log_reset();
	wsd_log(WSD_LOG_ERROR, "test", "not at this level");
	wsd_log(WSD_LOG_ERROR, "test", "nor again");
	assert_int_equal(occurrences(log_text(), "nothing is logged, because WSD_LOG is \"warn\""),
			 1);
	assert_int_equal(occurrences(log_text(), "\n"), 1);
	setenv("WSD_LOG", "", 1);
	wsd_log_reset();
	assert_false(wsd_log_enabled(WSD_LOG_ERROR));
	assert_int_equal(occurrences(log_text(), "\n"), 1);
}

static void test_log_is_cut_never_overrun(void **state)
{
	static char text[4096];
	const char *log;

	(void)state;
	memset(text, 'y', sizeof(text) - 1);
	wsd_log(WSD_LOG_ERROR, "test", "%s", text);
	wsd_log(WSD_LOG_INFO, "test", "not at this level");
	wsd_log(WSD_LOG_WARNING, "test", "after");
	log = log_text();
	assert_int_equal(occurrences(log, "\n"), 2);
	assert_int_equal(strchr(log, '\n') - log + 1, 511);
	assert_int_equal(occurrences(log, " warning test: after\n"), 1);
	assert_false(wsd_log_enabled(WSD_LOG_NOTICE));
	assert_true(wsd_log_enabled(WSD_LOG_ERROR));
}

static void test_log_is_silent_unless_asked(void **state)
{
	(void)state;
	unsetenv("WSD_LOG");
	wsd_log_reset();
	wsd_log(WSD_LOG_ERROR, "test", "nobody asked");
	assert_string_equal(log_text(), "");
	assert_false(wsd_log_enabled(WSD_LOG_ERROR));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_standard_value_when_nobody_says_otherwise),
		TEST(test_environment_wins_over_file),
		TEST(test_last_line_of_a_key_counts),
		TEST(test_text_survives_a_changed_environment),
		TEST(test_numbers_with_suffix_and_limits),
		TEST(test_bad_number_is_reported_once),
		TEST(test_problems_of_the_file_name_the_line),
		TEST(test_lines_that_are_too_long_or_no_text),
		TEST(test_file_that_was_named_must_be_there),
		TEST(test_files_of_windows_editors),
		TEST(test_names_that_nobody_asks_for),
		TEST(test_log_level_in_any_case_or_a_word_about_it),
		TEST(test_log_is_cut_never_overrun),
		TEST(test_log_is_silent_unless_asked),
	};

	test_deadline(20);
	return cmocka_run_group_tests_name("base_param", tests, NULL, NULL);
}

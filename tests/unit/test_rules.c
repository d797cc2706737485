// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_rules.c - rules of openwsd.conf for programs: how their names are written, and which programs they are.
 *
 *   test_rules             the tests
 *   test_rules name FILE   writes what the library takes this program's name for
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "provider/transport/rules.h"
#include "rdma_backend/base/platform.h"

#ifdef _WIN32
#define COPY_NAME    \
	"Pr\xc3\xbc" \
	"fung, zwei.exe" /* UTF-8 */
#else
#define COPY_NAME    \
	"pr\xc3\xbc" \
	"fung, zwei"
#endif

static const struct wsd_addr peer = { .family = WSD_FAMILY_IPV4,
				      .port = 80,
				      .bytes = { 10, 0, 0, 1 } };
static const char *self; /* this program's file */

static bool matches(const char *text, const char *program)
{
	struct wsd_rule rule;
	const char *problem;

	if (!wsd_rule_parse(text, &rule, &problem))
		fail_msg("%s: %s", text, problem);
	return wsd_rule_matches(&rule, false, &peer, program);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(matches("connect * program backup tcp", "backup"));
	assert_true(matches("connect * program \"backup\",tcp", "backup"));
	assert_true(matches("connect * program \"My App, 2\" deny", "My App, 2"));
	assert_false(matches("connect * program \"My App\" deny", "My"));
	assert_false(matches("connect * program backup tcp", "backup2"));
	assert_false(matches("connect * program backup tcp", ""));
}

static void test_names_that_are_none(void **state)
{
	static const char *const wrong[] = {
		"connect * program",
		"connect * program \"\" tcp",
		"connect * program \"My App tcp",
		"connect * program \"My App\"tcp",
		"connect * tcp program \"My App\"",
	};
	struct wsd_rule rule;
	const char *problem;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		problem = NULL;
		assert_false(wsd_rule_parse(wrong[i], &rule, &problem));
		assert_string_equal(problem, "program and one name stand before the paths");
	}
}

/* Files of Windows are the same in any case, in every language; elsewhere they are not. */
static void test_case_is_that_of_the_system(void **state)
{
#ifdef _WIN32
	bool same = true;
#else
	bool same = false;
#endif

	(void)state;
	assert_int_equal(matches("connect * program backup.exe tcp", "Backup.EXE"), same);
	assert_int_equal(matches("connect * program \xc3\xa4.exe tcp", "\xc3\x84.exe"), same);
}

/* What a copy of this program under that name, started as "renamed", says about itself. */
static void ask_copy(const char *path, char *name, size_t size)
{
	char answer[] = "test_rules.answer";
	FILE *file;

	remove(answer);
#ifdef _WIN32
	WCHAR wide[MAX_PATH], command[] = L"renamed name test_rules.answer";
	STARTUPINFOW start = { .cb = sizeof(start) };
	PROCESS_INFORMATION process;

	assert_true(MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, MAX_PATH) > 0);
	assert_true(
		CreateProcessW(wide, command, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process));
	assert_int_equal(WaitForSingleObject(process.hProcess, 20000), WAIT_OBJECT_0);
	CloseHandle(process.hThread);
	CloseHandle(process.hProcess);
#else
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(path, "renamed", "name", answer, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
#endif
	file = fopen(answer, "r");
	assert_non_null(file);
	assert_non_null(fgets(name, (int)size, file));
	fclose(file);
	remove(answer);
}

/* No more than the bytes: the copy need not outlive its run. */
static void make_copy(const char *path)
{
#ifdef _WIN32
	WCHAR from[MAX_PATH], to[MAX_PATH];

	(void)self;
	assert_true(GetModuleFileNameW(NULL, from, MAX_PATH) > 0);
	assert_true(MultiByteToWideChar(CP_UTF8, 0, path, -1, to, MAX_PATH) > 0);
	assert_true(CopyFileW(from, to, FALSE));
#else
	remove(path);
	assert_int_equal(link(self, path), 0);
#endif
}

static void test_name_is_that_of_the_file(void **state)
{
	char name[256];

	(void)state;
	make_copy(COPY_NAME);
	ask_copy(COPY_NAME, name, sizeof(name));
	assert_string_equal(name, COPY_NAME);
	assert_true(matches("connect * program \"" COPY_NAME "\" deny", name));
#ifdef _WIN32
	WCHAR wide[MAX_PATH];

	assert_true(MultiByteToWideChar(CP_UTF8, 0, COPY_NAME, -1, wide, MAX_PATH) > 0);
	assert_true(DeleteFileW(wide));
#else
	assert_int_equal(remove(COPY_NAME), 0);
#endif
}

static int write_name(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return 1;
	fputs(wsd_program_name(), file);
	return fclose(file) != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_case_is_that_of_the_system),
		cmocka_unit_test(test_name_is_that_of_the_file),
	};

	if (argc == 3 && strcmp(argv[1], "name") == 0)
		return write_name(argv[2]);
	self = argv[0];
	test_deadline(30);
	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmocka.h - the part of cmocka that the unit tests use, for Windows programs: Debian has no cmocka for
 * mingw. A failed assertion ends the test, not the program.
 */
#ifndef WSD_TEST_WINDOWS_CMOCKA_H
#define WSD_TEST_WINDOWS_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int setenv(const char *name, const char *value, int overwrite); /* test_windows.c */
int unsetenv(const char *name);

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
	const char *name;
	CMUnitTestFunction test_func;
	CMFixtureFunction setup_func, teardown_func;
};

#define cmocka_unit_test(test)          \
	{                               \
#test, test, NULL, NULL \
	}
#define cmocka_unit_test_setup(t, up) \
	{                             \
#t, t, up, NULL       \
	}
#define cmocka_unit_test_setup_teardown(t, up, down) \
	{                                            \
#t, t, up, down                      \
	}

enum { CM_PASSED, CM_FAILED, CM_SKIPPED };
extern jmp_buf cm_escape; /* test_windows.c */

static inline void cm_leave(const char *file, int line, int result)
{
	if (result == CM_FAILED)
		printf("%s:%d: error: Failure!\n", file, line);
	fflush(stdout);
	longjmp(cm_escape, result);
}

#define cm_check(ok, ...)                                        \
	do {                                                     \
		if (!(ok)) {                                     \
			printf(__VA_ARGS__);                     \
			printf("\n");                            \
			cm_leave(__FILE__, __LINE__, CM_FAILED); \
		}                                                \
	} while (0)
#define cm_value(v) ((long long)(v))

#define assert_true(c)		   cm_check(c, "%s", #c)
#define assert_false(c)		   cm_check(!(c), "not %s", #c)
#define assert_null(c)		   cm_check((c) == NULL, "%s is NULL", #c)
#define assert_non_null(c)	   cm_check((c) != NULL, "%s is not NULL", #c)
#define assert_ptr_equal(a, b)	   cm_check((uintptr_t)(a) == (uintptr_t)(b), "%s == %s", #a, #b)
#define assert_ptr_not_equal(a, b) cm_check((uintptr_t)(a) != (uintptr_t)(b), "%s != %s", #a, #b)
#define assert_int_equal(a, b)                                                      \
	do {                                                                        \
		long long cm_a = cm_value(a), cm_b = cm_value(b);                   \
		cm_check(cm_a == cm_b, "%s == %s: %lld, %lld", #a, #b, cm_a, cm_b); \
	} while (0)
#define assert_int_not_equal(a, b) cm_check(cm_value(a) != cm_value(b), "%s != %s", #a, #b)
#define assert_in_range(v, low, high)                                                   \
	cm_check((uint64_t)(v) >= (uint64_t)(low) && (uint64_t)(v) <= (uint64_t)(high), \
		 "%s from %s to %s: %llu", #v, #low, #high, (unsigned long long)(v))
#define assert_string_equal(a, b) \
	cm_check(strcmp(a, b) == 0, "%s == %s: \"%s\"", #a, #b, (const char *)(a))
#define assert_memory_equal(a, b, size)	    cm_check(memcmp(a, b, size) == 0, "%s == %s", #a, #b)
#define assert_memory_not_equal(a, b, size) cm_check(memcmp(a, b, size) != 0, "%s != %s", #a, #b)
#define fail_msg(...)			    cm_check(0, __VA_ARGS__)
#define fail()				    fail_msg("fail")
#define print_message			    printf
#define skip()				    cm_leave(__FILE__, __LINE__, CM_SKIPPED)

static inline int cm_run(const struct CMUnitTest *test, void **state)
{
	int result = setjmp(cm_escape);

	if (result != CM_PASSED)
		return result;
	if (test->setup_func != NULL && test->setup_func(state) != 0)
		return CM_FAILED;
	test->test_func(state);
	return test->teardown_func != NULL && test->teardown_func(state) != 0 ? CM_FAILED
									      : CM_PASSED;
}

static inline int cm_run_all(const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
			     CMFixtureFunction teardown)
{
	static const char *const words[] = { "OK", "FAILED", "SKIPPED" };
	void *group = NULL;
	int failed = 0;
	size_t i;

	if (setup != NULL && setup(&group) != 0)
		return 1;
	for (i = 0; i < count; i++) {
		void *state = group;
		int result = cm_run(&tests[i], &state);

		failed += result == CM_FAILED;
		printf("[ %s ] %s\n", words[result], tests[i].name);
		fflush(stdout);
	}
	return failed + (teardown != NULL && teardown(&group) != 0);
}

#define cmocka_run_group_tests(tests, setup, teardown) \
	cm_run_all(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
	cmocka_run_group_tests(tests, setup, teardown)

#endif

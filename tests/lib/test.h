/* SPDX-License-Identifier: BSD-2-Clause */
/* test.h - cmocka with the headers that it wants before it, and a deadline for every program. */
#ifndef WSD_TEST_H
#define WSD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

/*
 * End the program with a message when it still runs after so many seconds, so that a hang names its
 * program instead of using up the time of the run. Sanitizer builds multiply with WSD_TEST_SLOW.
 */
void test_deadline(unsigned seconds);

/* "<temporary folder>/openwsd-test.<pid>.<name>", in a static buffer. */
const char *test_path(const char *name);
/* Write a file and return its path as test_path does. */
const char *test_write_file(const char *name, const char *text);

/* How many another process has open, with "." and "..": to be compared. */
unsigned test_open_descriptors(pid_t pid);

#endif

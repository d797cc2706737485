/* SPDX-License-Identifier: BSD-2-Clause */
/* test.h - cmocka with the headers that it wants before it, and a deadline for every program. */
#ifndef WSD_TEST_H
#define WSD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

/*
 * End the program with a message when it still runs after so many seconds, so that a hang names its
 * program instead of using up the time of the run. Multiplied with the factor below.
 */
void test_deadline(unsigned seconds);
/* WSD_TEST_SLOW: how much slower sanitizer builds and virtual machines are; 1 if it is not set. */
unsigned test_slow_factor(void);

/* "<temporary folder>/openwsd-test.<pid>.<name>", in a static buffer. */
const char *test_path(const char *name);
/* Write a file and return its path as test_path does. */
const char *test_write_file(const char *name, const char *text);

/* A wait object of the system: set, until it is cleared. */
intptr_t test_object_new(void);
void test_object_set(intptr_t object);
void test_object_clear(intptr_t object);
bool test_object_within(intptr_t object, int ms); /* is it set, or will it be? */
void test_object_free(intptr_t object);

/* How many another process has open, with "." and "..": to be compared. */
unsigned test_open_descriptors(pid_t pid);

#endif

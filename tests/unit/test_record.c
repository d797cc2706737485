// SPDX-License-Identifier: BSD-2-Clause
/* test_record.c - records: names, locks and mappings that processes of one user share. On every system. */
#include "tests/lib/test.h"

#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#endif
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/record.h"

#define LENGTH 8192u
#define MS     1000000u /* ns */

static const char *name_of(const char *word)
{
	static char name[WSD_RECORD_NAME];

	snprintf(name, sizeof(name), "openwsd-test-%s-%u", word, (unsigned)wsd_process_id());
	return name;
}

static void a_name_is_taken_once_and_removed_once(void **state)
{
	const char *name = name_of("name");
	intptr_t first, second;

	(void)state;
	assert_int_equal(wsd_record_open(name, &first), WSD_NOTFOUND);
	assert_false(wsd_record_exists(name));
	assert_int_equal(wsd_record_create(name, &first), WSD_OK);
	assert_int_equal(wsd_record_create(name, &second), WSD_EBUSY);
	assert_true(wsd_record_exists(name));
	assert_int_equal(wsd_record_open(name, &second), WSD_OK);
	assert_true(wsd_record_remove(name));
	assert_false(wsd_record_remove(name));
	/* Who has it open keeps it. */
	assert_true(wsd_record_write(first, 100, "abc", 4));
	wsd_record_close(first);
	wsd_record_close(second);
	assert_false(wsd_record_exists(name));
	assert_false(wsd_record_remove(name));
}

#ifndef _WIN32
/* Whoever opens a file under a lease waits for its holder, who may be a stranger: up to 45 s. */
static void a_lease_holds_nobody_up(void **state)
{
	const char *name = name_of("lease");
	char path[64];
	intptr_t record;
	int file;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/%s", name);
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	signal(SIGIO, SIG_IGN); /* "somebody opens it" */
	assert_int_equal(fcntl(file, F_SETLEASE, F_WRLCK), 0);
	test_deadline(10);
	assert_int_equal(wsd_record_open(name, &record), WSD_EUSER);
	test_deadline(0);
	close(file);
	assert_true(wsd_record_remove(name));
}
#endif

static void bytes_and_mapping_are_the_same(void **state)
{
	const char *name = name_of("map");
	intptr_t first, second;
	void *base, *other;
	char text[8];

	(void)state;
	assert_int_equal(wsd_record_create(name, &first), WSD_OK);
	assert_false(wsd_record_read(first, 0, text, 1)); /* it is empty */
	assert_int_equal(wsd_record_map(first, LENGTH, &base), WSD_OK);
	assert_true(wsd_record_reserve(first, 0, LENGTH));
	assert_int_equal(((char *)base)[LENGTH - 1], 0);
	assert_int_equal(wsd_record_open(name, &second), WSD_OK);
	assert_int_equal(wsd_record_map(second, LENGTH / 2, &other), WSD_EVERSION);
	assert_int_equal(wsd_record_map(second, LENGTH, &other), WSD_OK);
	memcpy((char *)base + 5000, "mapped", 7);
	assert_string_equal((char *)other + 5000, "mapped");
	assert_true(wsd_record_read(second, 5000, text, 7));
	assert_string_equal(text, "mapped");
	assert_true(wsd_record_write(second, 7000, "bytes", 6));
	assert_string_equal((char *)base + 7000, "bytes");
	assert_false(wsd_record_read(second, LENGTH - 2, text, 4)); /* all or nothing */
	wsd_record_unmap(other, LENGTH);
	wsd_record_close(first);
	assert_string_equal((char *)base + 7000, "bytes"); /* the mapping stays */
	wsd_record_unmap(base, LENGTH);
	wsd_record_close(second);
	assert_true(wsd_record_remove(name));
}

static void a_lock_ends_with_its_opener(void **state)
{
	const char *name = name_of("lock");
	intptr_t first, second;

	(void)state;
	assert_int_equal(wsd_record_create(name, &first), WSD_OK);
	assert_int_equal(wsd_record_open(name, &second), WSD_OK);
	assert_true(wsd_record_lock(first, 3));
	assert_true(wsd_record_lock(second, 4));
	assert_false(wsd_record_lock(second, 3));
	assert_false(wsd_record_lock(first, 4));
	/* Who looks has nothing afterwards. */
	assert_true(wsd_record_locked(second, 3));
	assert_true(wsd_record_locked(first, 4));
	assert_false(wsd_record_locked(second, 5));
	assert_true(wsd_record_lock(first, 5));
	wsd_record_unlock(first, 3);
	assert_true(wsd_record_lock(second, 3));
	/* Locks do not hinder who reads and writes. */
	assert_true(wsd_record_write(first, 0, "x", 1));
	wsd_record_close(second);
	assert_true(wsd_record_lock(first, 3));
	assert_true(wsd_record_lock(first, 4));
	wsd_record_close(first);
	assert_true(wsd_record_remove(name));
}

static void count(const char *name, void *arg)
{
	(void)name;
	(*(unsigned *)arg)++;
}

static void each_is_visited(void **state)
{
	unsigned before = 0, after = 0;
	intptr_t one, two;

	(void)state;
	wsd_record_each("openwsd-test-each", count, &before);
	assert_int_equal(wsd_record_create(name_of("each1"), &one), WSD_OK);
	assert_int_equal(wsd_record_create(name_of("each2"), &two), WSD_OK);
	wsd_record_each("openwsd-test-each", count, &after);
	assert_int_equal(after, before + 2);
	wsd_record_close(one);
	wsd_record_close(two);
	assert_true(wsd_record_remove(name_of("each1")));
	assert_true(wsd_record_remove(name_of("each2")));
	after = 0;
	wsd_record_each("openwsd-test-each", count, &after);
	assert_int_equal(after, before);
}

#ifdef _WIN32
/* What could not be deleted when it was removed: it is when others are looked at. */
static void what_is_left_goes(void **state)
{
	unsigned others = 0;
	char name[WSD_RECORD_NAME];
	intptr_t record;

	(void)state;
	snprintf(name, sizeof(name), "gone-test-%u", (unsigned)wsd_process_id());
	assert_int_equal(wsd_record_create(name, &record), WSD_OK);
	wsd_record_close(record);
	assert_true(wsd_record_exists(name));
	wsd_record_each("openwsd-test-none", count, &others);
	assert_false(wsd_record_exists(name));
	assert_int_equal(others, 0);
}
#endif

/* Whoever sleeps on it is woken by whoever knows its name, and by nobody who rings another. */
static void a_bell_wakes_who_sleeps_on_it(void **state)
{
	uint8_t name[WSD_BELL_NAME], other_name[WSD_BELL_NAME];
	uint64_t began = wsd_clock_ns(), late = began + (uint64_t)20000 * MS;
	struct wsd_waker *waker = wsd_waker_self();
	intptr_t bell, other;

	(void)state;
	assert_non_null(waker);
	assert_int_equal(wsd_bell_open(&bell, name), WSD_OK);
	assert_int_equal(wsd_bell_open(&other, other_name), WSD_OK);
	assert_true(memcmp(name, other_name, sizeof(name)) != 0);
	for (unsigned i = 0; i < 3; i++) { /* before the sleep, and more than once */
		wsd_bell_ring(other, name);
		wsd_bell_ring(other, name);
		wsd_waker_reset(waker);
		wsd_waker_sleep(waker, &bell, 1, late);
		assert_true(wsd_clock_ns() < late);
		wsd_bell_clear(bell);
	}
	wsd_bell_ring(bell, other_name);
	began = wsd_clock_ns();
	wsd_waker_reset(waker);
	wsd_waker_sleep(waker, &bell, 1, began + 20 * MS);
	assert_true(wsd_clock_ns() - began >= 20 * MS);
	wsd_bell_close(other);
	wsd_bell_ring(bell, other_name); /* nobody hears it */
	wsd_bell_close(bell);
}

static void processes_have_a_start(void **state)
{
	uint64_t when = 0, again = 0;

	(void)state;
	assert_true(wsd_process_started(wsd_process_id(), &when));
	assert_true(wsd_process_started(wsd_process_id(), &again));
	assert_true(when != 0 && when == again);
	assert_false(wsd_process_started(0x7ffffff0u, &when));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_taken_once_and_removed_once),
#ifndef _WIN32
		cmocka_unit_test(a_lease_holds_nobody_up),
#endif
		cmocka_unit_test(bytes_and_mapping_are_the_same),
		cmocka_unit_test(a_lock_ends_with_its_opener),
		cmocka_unit_test(each_is_visited),
#ifdef _WIN32
		cmocka_unit_test(what_is_left_goes),
#endif
		cmocka_unit_test(a_bell_wakes_who_sleeps_on_it),
		cmocka_unit_test(processes_have_a_start),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_roster.c - a list of sockets that somebody else has written: what is told of it; and how long there is one. On
 * every system. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "provider/winsock/roster.h"
#include "provider/winsock/socket.h"

#define OTHER 0x7ffffff0u /* no process */

struct told {
	unsigned processes, sockets;
	struct wsd_roster_process process;
	struct wsd_roster_entry last;
};

static intptr_t record;
static char name[WSD_RECORD_NAME];
static struct wsd_roster_header header;
static struct wsd_roster_slot slot;

static void on_process(const struct wsd_roster_process *process, void *arg)
{
	struct told *told = arg;

	if (process->process != OTHER)
		return;
	told->processes++;
	told->process = *process;
}

static void on_socket(const struct wsd_roster_process *process,
		      const struct wsd_roster_entry *entry, void *arg)
{
	struct told *told = arg;

	if (process->process != OTHER)
		return;
	told->sockets++;
	told->last = *entry;
}

static struct told tell(void)
{
	struct told told = { 0 };
	struct wsd_roster_reader reader = { on_process, on_socket, &told };

	wsd_roster_read(&reader);
	return told;
}

/* A good list of one socket, of a process that lives. */
static int set_up(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), WSD_ROSTER_PREFIX "test-%u", (unsigned)wsd_process_id());
	/* Before it is locked another program may take it for a dead one's. */
	do {
		if (wsd_record_create(name, &record) != WSD_OK ||
		    !wsd_record_lock(record, WSD_ROSTER_ALIVE))
			return -1;
	} while (!wsd_record_exists(name));
	memset(&header, 0, sizeof(header));
	header.magic = WSD_ROSTER_MAGIC;
	header.layout = WSD_ROSTER_LAYOUT;
	header.process = OTHER;
	atomic_store(&header.slots, 1);
	snprintf(header.program, sizeof(header.program), "program");
	memset(&slot, 0, sizeof(slot));
	slot.entry.used = 1;
	slot.entry.state = WSD_SOCK_CONNECTED;
	slot.entry.local.family = slot.entry.remote.family = WSD_FAMILY_IPV4;
	snprintf(slot.entry.path, sizeof(slot.entry.path), "tcp");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wsd_record_close(record);
	(void)wsd_record_remove(name);
	return 0;
}

static void write_slot(unsigned index)
{
	assert_true(wsd_record_write(record, WSD_ROSTER_SLOTS_AT + index * sizeof(slot), &slot,
				     sizeof(slot)));
}

static void write_all(void)
{
	assert_true(wsd_record_write(record, 0, &header, sizeof(header)));
	write_slot(0);
}

static void a_good_one_is_told(void **state)
{
	struct told told;

	(void)state;
	atomic_store(&header.reasons[62], 7);
	write_all();
	told = tell();
	assert_int_equal(told.processes, 1);
	assert_int_equal(told.sockets, 1);
	assert_int_equal(told.process.reasons[62], 7);
	assert_string_equal(told.process.program, "program");
	assert_string_equal(told.last.path, "tcp");
}

static void another_layout_is_passed_over(void **state)
{
	(void)state;
	header.layout++;
	write_all();
	assert_int_equal(tell().processes, 0);
	header.layout--;
	header.magic++;
	write_all();
	assert_int_equal(tell().processes, 0);
	assert_true(wsd_record_exists(name)); /* it is a living process's */
}

static void what_is_out_of_range_is_no_socket(void **state)
{
	const struct wsd_roster_slot good = slot;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		slot = good;
		switch (i) {
		case 0:
			slot.entry.used = 0;
			break;
		case 1:
			slot.entry.used = 2;
			break;
		case 2:
			slot.entry.mode = WSD_MODES;
			break;
		case 3:
			slot.entry.state = WSD_SOCK_STATES;
			break;
		case 4:
			slot.entry.local.family = 77;
			break;
		case 5:
			slot.entry.remote.family = 0xffff;
			break;
		case 6:
			slot.entry.out.service = WSD_SERVICES;
			break;
		default:
			slot.entry.in.service = UINT32_MAX;
			break;
		}
		write_all();
		assert_int_equal(tell().sockets, 0);
	}
}

static void texts_end_and_can_be_printed(void **state)
{
	struct told told;

	(void)state;
	memset(header.program, 'x', sizeof(header.program));
	header.program[0] = '\033';
	memset(slot.entry.reasons, 0xff, sizeof(slot.entry.reasons));
	memset(slot.entry.path, '\n', sizeof(slot.entry.path));
	memset(slot.entry.device, 'd', sizeof(slot.entry.device));
	write_all();
	told = tell();
	assert_int_equal(told.sockets, 1);
	assert_int_equal(strlen(told.process.program), sizeof(header.program) - 1);
	assert_int_equal(told.process.program[0], '?');
	assert_int_equal(strlen(told.last.reasons), sizeof(slot.entry.reasons) - 1);
	assert_int_equal(strspn(told.last.reasons, "?"), sizeof(slot.entry.reasons) - 1);
	assert_int_equal(strspn(told.last.path, "?"), sizeof(slot.entry.path) - 1);
	assert_int_equal(strlen(told.last.device), sizeof(slot.entry.device) - 1);
}

/* More slots than there are, or than the record has room for. */
static void a_count_is_not_believed(void **state)
{
	(void)state;
	atomic_store(&header.slots, UINT32_MAX);
	write_all();
	assert_int_equal(tell().sockets, 1);
	write_slot(WSD_ROSTER_SLOTS - 1);
	write_slot(WSD_ROSTER_SLOTS);
	assert_int_equal(tell().sockets, 2);
}

static void one_that_is_being_written_is_left_out(void **state)
{
	(void)state;
	atomic_store(&slot.sequence, 1);
	write_all();
	assert_int_equal(tell().processes, 1);
	assert_int_equal(tell().sockets, 0);
}

static void that_of_the_dead_is_removed(void **state)
{
	(void)state;
	write_all();
	wsd_record_unlock(record, WSD_ROSTER_ALIVE);
	assert_int_equal(tell().processes, 0);
	assert_false(wsd_record_exists(name));
}

static void count_record(const char *found, void *arg)
{
	(void)found;
	++*(unsigned *)arg;
}

static unsigned own_records(void)
{
	char prefix[WSD_RECORD_NAME];
	unsigned count = 0;

	snprintf(prefix, sizeof(prefix), WSD_ROSTER_PREFIX "%u-", (unsigned)wsd_process_id());
	wsd_record_each(prefix, count_record, &count);
	return count;
}

/* A call may keep a socket behind the last WSPCleanup: on Windows the DLL goes when it returns, and with it whoever
 * could take the record away. */
static void the_last_socket_takes_the_record_away(void **state)
{
	static struct wsd_socket sock = { .state = WSD_SOCK_BOUND, .handle = INVALID_SOCKET };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		wsd_roster_open();
		assert_int_equal(own_records(), 1);
		wsd_roster_update(&sock);
		wsd_roster_close();
		assert_int_equal(own_records(), 1);
		wsd_roster_leave(&sock);
		assert_int_equal(own_records(), 0);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_one_is_told),
		TEST(another_layout_is_passed_over),
		TEST(what_is_out_of_range_is_no_socket),
		TEST(texts_end_and_can_be_printed),
		TEST(a_count_is_not_believed),
		TEST(one_that_is_being_written_is_left_out),
		TEST(that_of_the_dead_is_removed),
		cmocka_unit_test(the_last_socket_takes_the_record_away),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

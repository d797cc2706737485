// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_ledger.c - the ledger of promises between processes: what one has the others cannot have, until it gives
 * it back or is gone, however it went; and what a ledger is worth that somebody else wrote.
 */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "provider/transport/ledger.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/record.h"
#include "tests/qos/ledger_name.h"

#define WINDOW_NS 100000000u	   /* the ledger's */
#define PERCENT	  (1000000u / 100) /* of WSD_SIM_SPEED; 75 may be promised */

static struct wsd_engine *engine(void)
{
	assert_true(wsd_engine_count() > 0);
	return wsd_engine_at(0);
}

static void begin(void)
{
	assert_int_equal(wsd_engines_start(), WSD_OK);
}

/* Another process that has so much, and then waits to be told to end well. */
static pid_t holder(unsigned percent, int *tell)
{
	int down[2], up[2];
	char c = 'n';
	pid_t pid;

	assert_int_equal(pipe(down), 0);
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		close(down[1]);
		if (wsd_engines_start() == WSD_OK &&
		    wsd_ledger_change(wsd_engine_at(0), 0, percent * PERCENT) == WSD_OK)
			c = 'y';
		if (write(up[1], &c, 1) != 1 || read(down[0], &c, 1) < 0)
			_exit(1);
		wsd_engines_stop();
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	assert_int_equal(read(up[0], &c, 1), 1);
	close(up[0]);
	assert_int_equal(c, 'y');
	*tell = down[1];
	return pid;
}

static void ended(pid_t pid, int tell)
{
	int status;

	close(tell);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void one_process_adds_up(void **state)
{
	(void)state;
	begin();
	assert_false(wsd_ledger_asks());
	assert_int_equal(wsd_ledger_change(engine(), 0, 76 * PERCENT), WSD_EUNSUPPORTED);
	assert_false(wsd_ledger_asks());
	assert_int_equal(wsd_ledger_change(engine(), 0, 50 * PERCENT), WSD_OK);
	assert_true(wsd_ledger_asks());
	assert_int_equal(wsd_ledger_change(engine(), 0, 26 * PERCENT), WSD_EUNSUPPORTED);
	assert_int_equal(wsd_ledger_change(engine(), 0, 25 * PERCENT), WSD_OK);
	assert_int_equal(wsd_ledger_change(engine(), 50 * PERCENT, 51 * PERCENT), WSD_EUNSUPPORTED);
	assert_int_equal(wsd_ledger_change(engine(), 50 * PERCENT, 0), WSD_OK);
	assert_true(wsd_ledger_asks());
	assert_int_equal(wsd_ledger_change(engine(), 25 * PERCENT, 0), WSD_OK);
	assert_false(wsd_ledger_asks());
	wsd_engines_stop();
}

static void processes_add_up_and_their_end_gives_back(void **state)
{
	static const int ways[] = { 0, SIGKILL, SIGSTOP };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		int tell, status;
		pid_t pid = holder(60, &tell);

		begin();
		assert_true(wsd_ledger_asks());
		assert_int_equal(wsd_ledger_change(engine(), 0, 16 * PERCENT), WSD_EUNSUPPORTED);
		assert_int_equal(wsd_ledger_change(engine(), 0, 15 * PERCENT), WSD_OK);
		if (ways[i] == SIGKILL) {
			kill(pid, SIGKILL);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			close(tell);
		} else if (ways[i] == SIGSTOP) {
			/* It lives, and keeps what it has; nobody waits for it. */
			kill(pid, SIGSTOP);
			assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
			kill(pid, SIGCONT);
			ended(pid, tell);
		} else {
			ended(pid, tell);
		}
		assert_int_equal(wsd_ledger_change(engine(), 0, 60 * PERCENT), WSD_OK);
		wsd_engines_stop();
	}
}

static void a_child_has_promised_nothing(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	begin();
	assert_int_equal(wsd_ledger_change(engine(), 0, 70 * PERCENT), WSD_OK);
	pid = fork();
	if (pid == 0) {
		wsd_engines_fork_child();
		/* Its own start, and end, leave the parent's promise. */
		if (wsd_engines_start() != WSD_OK ||
		    wsd_ledger_change(wsd_engine_at(0), 0, 6 * PERCENT) != WSD_EUNSUPPORTED ||
		    wsd_ledger_change(wsd_engine_at(0), 0, 5 * PERCENT) != WSD_OK)
			_exit(1);
		wsd_engines_stop();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(wsd_ledger_change(engine(), 0, 6 * PERCENT), WSD_EUNSUPPORTED);
	assert_int_equal(wsd_ledger_change(engine(), 0, 5 * PERCENT), WSD_OK);
	wsd_engines_stop();
}

/* A thread reads its clock, is held up, and comes when the others are a window further. */
static void a_late_thread_turns_nothing_back(void **state)
{
	struct wsd_share first = { .weight = WSD_WEIGHT_MOST },
			 late = { .weight = WSD_WEIGHT_STANDARD }, other = late, last = late;
	uint64_t now, when;

	(void)state;
	begin();
	assert_int_equal(wsd_ledger_change(engine(), 0, 50 * PERCENT), WSD_OK);
	now = wsd_engine_now(engine());
	assert_true(wsd_ledger_allow(engine(), &first, 1000000, now, &when) > 0);
	now += WINDOW_NS;
	assert_int_equal(wsd_ledger_allow(engine(), &late, 2000, now, &when), 2000);
	assert_int_equal(wsd_ledger_allow(engine(), &other, 1, now + WINDOW_NS, &when), 1);
	assert_int_equal(wsd_ledger_allow(engine(), &late, 1, now, &when), 1);
	assert_int_equal(wsd_ledger_allow(engine(), &last, 2000, now + WINDOW_NS, &when), 2000);
	assert_int_equal(wsd_ledger_change(engine(), 50 * PERCENT, 0), WSD_OK);
	wsd_engines_stop();
}

/* Nor does one whose connection has changed its path within a window. */
static void a_share_may_change_its_path(void **state)
{
	struct wsd_parts one = { .bytes = 1000, .promised = true }, other = one;
	struct wsd_share share = { .weight = WSD_WEIGHT_STANDARD };

	(void)state;
	wsd_parts_turn(&one, 7);
	wsd_parts_turn(&other, 7);
	assert_int_equal(wsd_parts_allow(&one, &share, 2000), 1000);
	wsd_parts_take(&one, &share, 500, 2000); /* waits: counts whole */
	wsd_parts_take(&other, &share, 1, 1);
	assert_in_range(other.weights, 0, WSD_WEIGHT_STANDARD);
}

/* The entries that nobody has of the first so many, as other processes would. */
static intptr_t take_entries(unsigned count)
{
	intptr_t record;

	assert_int_equal(wsd_record_open(ledger_path + 1, &record), WSD_OK);
	for (unsigned i = 0; i < count; i++)
		(void)wsd_record_lock(record, i);
	return record;
}

/* Who finds no entry is promised nothing, and breaks no promise of others: the least is left for it. */
static void without_an_entry_it_keeps_to_the_least(void **state)
{
	struct wsd_share share = { .weight = WSD_WEIGHT_STANDARD };
	uint64_t now, when = 0;
	intptr_t others;
	int tell;
	pid_t pid = holder(60, &tell);

	(void)state;
	begin();
	others = take_entries(4096);
	assert_true(wsd_ledger_asks());
	assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
	now = wsd_engine_now(engine());
	assert_in_range(wsd_ledger_allow(engine(), &share, 1000000, now, &when), 1, PERCENT / 10);
	assert_int_equal(wsd_ledger_allow(engine(), &share, 1000000, now, &when), 0);
	assert_true(when > now);
	/* One has ended: from the next window on it counts among the others. */
	wsd_record_close(others);
	now += WINDOW_NS;
	assert_in_range(wsd_ledger_allow(engine(), &share, 1000000, now, &when), PERCENT,
			4 * PERCENT);
	assert_int_equal(wsd_ledger_change(engine(), 0, 15 * PERCENT), WSD_OK);
	assert_int_equal(wsd_ledger_change(engine(), 15 * PERCENT, 0), WSD_OK);
	ended(pid, tell);
	wsd_engines_stop();
}

/* Another process is refused again and again: of that nobody else sees anything. */
static void a_refused_rate_is_never_there(void **state)
{
	int down[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(down), 0);
	pid = fork();
	if (pid == 0) {
		close(down[1]);
		if (wsd_engines_start() != WSD_OK || fcntl(down[0], F_SETFL, O_NONBLOCK) != 0)
			_exit(1);
		while (read(down[0], &c, 1) < 0)
			if (wsd_ledger_change(wsd_engine_at(0), 0, 76 * PERCENT) == WSD_OK)
				_exit(2);
		wsd_engines_stop();
		_exit(0);
	}
	close(down[0]);
	begin();
	for (unsigned i = 0; i < 20000; i++)
		assert_true(wsd_ledger_has_room(engine(), 75 * PERCENT));
	ended(pid, down[1]);
	wsd_engines_stop();
}

/* The last entry of many is as good as the first. */
static void hundreds_of_processes_have_entries(void **state)
{
	intptr_t others;

	(void)state;
	begin();
	others = take_entries(500);
	assert_int_equal(wsd_ledger_change(engine(), 0, 75 * PERCENT), WSD_OK);
	assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
	wsd_record_close(others);
	wsd_engines_stop();
}

/* More paths than one has, each with promises of its own. */
static void every_path_has_promises(void **state)
{
	struct wsd_share share = { .weight = WSD_WEIGHT_STANDARD };
	uint64_t when = 0;
	unsigned count;

	(void)state;
	setenv("WSD_SIM_DEVICES", "9", 1);
	begin();
	count = wsd_engine_count();
	assert_int_equal(count, 9);
	for (unsigned i = 0; i < count; i++) {
		struct wsd_engine *e = wsd_engine_at(i);

		assert_int_equal(wsd_ledger_change(e, 0, 75 * PERCENT), WSD_OK);
		assert_int_equal(wsd_ledger_change(e, 0, PERCENT), WSD_EUNSUPPORTED);
		share.window = 0;
		assert_in_range(wsd_ledger_allow(e, &share, 1000000, wsd_engine_now(e), &when), 1,
				4 * PERCENT);
	}
	wsd_engines_stop();
	unsetenv("WSD_SIM_DEVICES");
}

static void scribble(int value, off_t from, size_t length)
{
	uint8_t *junk = malloc(length);
	int fd = shm_open(ledger_path, O_RDWR, 0);

	assert_true(junk != NULL && fd >= 0);
	memset(junk, value, length);
	assert_true(pwrite(fd, junk, length, from) == (ssize_t)length);
	close(fd);
	free(junk);
}

static off_t ledger_length(void)
{
	struct stat st;
	int fd = shm_open(ledger_path, O_RDONLY, 0);

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	close(fd);
	return st.st_size;
}

/* Junk is what nobody alive has entered: it is cleared away. Beyond reason it is believed up to a bound. */
static void junk_does_no_harm(void **state)
{
	off_t length;

	(void)state;
	begin();
	length = ledger_length();
	assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_OK);
	scribble(0xff, 64, (size_t)length - 64);
	assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_OK);
	assert_int_equal(wsd_ledger_change(engine(), 2 * PERCENT, 0), WSD_OK);
	wsd_engines_stop();
	scribble(0x5a, 0, 4); /* another version's */
	begin();
	assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
	assert_false(wsd_ledger_asks());
	wsd_engines_stop();
	ledger_name_remove();
}

static void a_name_leads_nowhere_else(void **state)
{
	static const char *const names[] = { "", "../qos", "a/b", "qos.1",
					     "a-name-that-is-much-too-long-for-it" };
	char own[32];

	(void)state;
	snprintf(own, sizeof(own), "%s", getenv("WSD_QOS_LEDGER"));
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		setenv("WSD_QOS_LEDGER", names[i], 1);
		begin();
		assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
		wsd_engines_stop();
	}
	setenv("WSD_QOS_LEDGER", own, 1);
}

static void what_is_no_ledger_is_not_used(void **state)
{
	char path[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm%s", ledger_path);
	for (unsigned i = 0; i < 4; i++) {
		ledger_name_remove();
		if (i == 0) {
			assert_int_equal(symlink("/tmp/elsewhere", path), 0);
		} else if (i == 1) {
			assert_int_equal(mkdir(path, 0700), 0);
		} else {
			fd = shm_open(ledger_path, O_RDWR | O_CREAT, 0600);
			assert_true(fd >= 0);
			if (i == 2) /* others may write it */
				assert_int_equal(fchmod(fd, 0666), 0);
			else
				assert_int_equal(ftruncate(fd, 100), 0);
			close(fd);
		}
		begin();
		assert_int_equal(wsd_ledger_change(engine(), 0, PERCENT), WSD_EUNSUPPORTED);
		assert_int_equal(wsd_ledger_change(engine(), PERCENT, 0), WSD_OK);
		assert_false(wsd_ledger_asks());
		wsd_engines_stop();
		if (i == 1)
			assert_int_equal(rmdir(path), 0);
	}
	assert_int_not_equal(access("/tmp/elsewhere", F_OK), 0);
	ledger_name_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_process_adds_up),
		cmocka_unit_test(processes_add_up_and_their_end_gives_back),
		cmocka_unit_test(a_child_has_promised_nothing),
		cmocka_unit_test(a_late_thread_turns_nothing_back),
		cmocka_unit_test(a_share_may_change_its_path),
		cmocka_unit_test(without_an_entry_it_keeps_to_the_least),
		cmocka_unit_test(a_refused_rate_is_never_there),
		cmocka_unit_test(hundreds_of_processes_have_entries),
		cmocka_unit_test(every_path_has_promises),
		cmocka_unit_test(junk_does_no_harm),
		cmocka_unit_test(a_name_leads_nowhere_else),
		cmocka_unit_test(what_is_no_ledger_is_not_used),
	};
	int failed;

	setenv("WSD_BACKENDS", "sim", 1);
	setenv("WSD_SIM_SPEED", "1000000", 1);
	setenv("WSD_ENGINE_THREAD", "0", 1);
	ledger_name_set();
	test_deadline(60);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ledger_name_remove();
	return failed;
}

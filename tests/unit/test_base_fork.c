// SPDX-License-Identifier: BSD-2-Clause
/* test_base_fork.c - what the child of a fork gets: descriptors, wakers, locks. */

#include "tests/lib/test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define MS  UINT64_C(1000000)
#define FAR (wsd_clock_ns() + 10000 * MS)

/* Which of two descriptors are open in a child? A bit each. */
static int open_in_child(const int *fds)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit((fcntl(fds[0], F_GETFD) >= 0) | (fcntl(fds[1], F_GETFD) >= 0) << 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_a_child_closes_what_a_backend_names(void **state)
{
	const struct wsd_host *host = wsd_host_table();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(open_in_child(fds), 3);
	host->child_closes(fds[0], true);
	assert_int_equal(open_in_child(fds), 2);
	host->child_closes(fds[0], false);
	host->child_closes(fds[1], true);
	assert_int_equal(open_in_child(fds), 1);
	host->child_closes(fds[1], false);
	host->child_closes(-1, true);
	host->child_closes(-1, false);
	assert_int_equal(open_in_child(fds), 3);
	close(fds[0]);
	close(fds[1]);
}

struct ringing {
	atomic_bool stop;
	struct wsd_waker *_Atomic waker;
};

static void keep_waking(void *arg)
{
	struct ringing *ringing = arg;

	while (!atomic_load(&ringing->stop))
		wsd_waker_wake(atomic_load(&ringing->waker));
}

/* The parent is woken all the time; its child, on a copy of the same thread, must not notice. */
static void test_waker_of_a_forked_child_is_its_own(void **state)
{
	struct ringing ringing = { .waker = NULL };
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_thread *thread;
	int status;
	pid_t child, ended = 0;

	(void)state;
	atomic_store(&ringing.waker, waker);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct wsd_waker *own = wsd_waker_self();
		uint64_t start = wsd_clock_ns();

		wsd_waker_reset(own);
		wsd_waker_sleep(own, NULL, 0, start + 100 * MS);
		_exit(wsd_clock_ns() - start >= 100 * MS ? 0 : 1);
	}
	assert_int_equal(wsd_thread_start(&thread, "waking", keep_waking, &ringing), WSD_OK);
	while (ended == 0) {
		wsd_waker_reset(waker);
		wsd_waker_sleep(waker, NULL, 0, FAR);
		ended = waitpid(child, &status, WNOHANG);
	}
	atomic_store(&ringing.stop, true);
	wsd_thread_join(thread);
	assert_int_equal(ended, child);
	assert_int_equal(status, 0);
}

struct traffic {
	atomic_bool stop;
	unsigned rounds;
};

static void use_base(void *arg)
{
	struct traffic *traffic = arg;

	while (!atomic_load(&traffic->stop)) {
		wsd_param_uint("SIM_SEED", 1, 0, 10);
		wsd_count(wsd_counter("fork", "traffic", ""), 1);
	}
}

static void test_fork_leaves_no_lock_held(void **state)
{
	struct traffic traffic = { .rounds = 50 };
	struct wsd_thread *thread;
	unsigned i;

	(void)state;
	assert_int_equal(wsd_thread_start(&thread, "traffic", use_base, &traffic), WSD_OK);
	for (i = 0; i < traffic.rounds; i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0) {
			alarm(5);
			wsd_param_uint("SIM_SEED", 1, 0, 10);
			_exit(wsd_counter("fork", "traffic", "") ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	atomic_store(&traffic.stop, true);
	wsd_thread_join(thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_closes_what_a_backend_names),
		cmocka_unit_test(test_waker_of_a_forked_child_is_its_own),
		cmocka_unit_test(test_fork_leaves_no_lock_held),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

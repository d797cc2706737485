// SPDX-License-Identifier: BSD-2-Clause
/* test_base_platform.c - locks, wakers and shared memory of the operating system at hand. */

#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define MS  UINT64_C(1000000)
#define FAR (wsd_clock_ns() + 10000 * MS)

/* One thread waits, another announces: every handshake must end although neither side polls. */
struct handshake {
	atomic_uint turn;
	struct wsd_waker *_Atomic waker;
	unsigned rounds;
};

static void partner(void *arg)
{
	struct handshake *shake = arg;
	struct wsd_waker *other;
	unsigned i;

	for (i = 0; i < shake->rounds; i++) {
		while (atomic_load(&shake->turn) != 2 * i + 1)
			wsd_cpu_relax();
		other = atomic_load(&shake->waker);
		atomic_store(&shake->turn, 2 * i + 2);
		wsd_waker_wake(other);
	}
}

static void test_waker_loses_no_wake(void **state)
{
	struct handshake shake = { .rounds = 2000 };
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_thread *thread;
	unsigned i;

	(void)state;
	assert_non_null(waker);
	assert_ptr_equal(wsd_waker_self(), waker);
	atomic_store(&shake.waker, waker);
	assert_int_equal(wsd_thread_start(&thread, "partner", partner, &shake), WSD_OK);
	for (i = 0; i < shake.rounds; i++) {
		atomic_store(&shake.turn, 2 * i + 1);
		for (;;) {
			wsd_waker_reset(waker);
			if (atomic_load(&shake.turn) == 2 * i + 2)
				break;
			wsd_waker_sleep(waker, NULL, 0, UINT64_MAX);
		}
	}
	wsd_thread_join(thread);
}

static void test_waker_wake_before_sleep_is_kept_and_used_up(void **state)
{
	struct wsd_waker *waker = wsd_waker_self();
	uint64_t start = wsd_clock_ns();

	(void)state;
	wsd_waker_reset(waker);
	wsd_waker_wake(waker);
	wsd_waker_wake(waker);
	wsd_waker_sleep(waker, NULL, 0, FAR);
	assert_true(wsd_clock_ns() - start < 5000 * MS);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, NULL, 0, start + 5 * MS);
	assert_true(wsd_clock_ns() - start >= 5 * MS);
	wsd_waker_wake(waker);
	wsd_waker_reset(waker);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, NULL, 0, start + 5 * MS);
	assert_true(wsd_clock_ns() - start >= 5 * MS);
}

static void test_waker_watches_more_objects_than_expected(void **state)
{
	struct wsd_waker *waker = wsd_waker_self();
	intptr_t objects[40];
	uint64_t start = wsd_clock_ns();
	int pipes[40][2];
	unsigned i;

	(void)state;
	for (i = 0; i < 40; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		objects[i] = pipes[i][0];
	}
	wsd_waker_reset(waker);
	wsd_waker_sleep(waker, objects, 40, start + 2 * MS);
	assert_true(wsd_clock_ns() - start >= 2 * MS);
	assert_int_equal(write(pipes[39][1], "x", 1), 1);
	start = wsd_clock_ns();
	wsd_waker_sleep(waker, objects, 40, FAR);
	assert_true(wsd_clock_ns() - start < 5000 * MS);
	for (i = 0; i < 40; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Descriptors that a program started by the application would inherit. */
static unsigned inherited_descriptors(void)
{
	unsigned n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) == 0;
	return n;
}

struct waker_use {
	bool made;
	unsigned open, inherited;
};

static void use_waker(void *arg)
{
	struct waker_use *use = arg;

	use->made = wsd_waker_self() != NULL;
	use->open = open_descriptors();
	use->inherited = inherited_descriptors();
}

static void test_waker_goes_with_its_thread(void **state)
{
	unsigned before = open_descriptors();
	unsigned inherited = inherited_descriptors();
	struct waker_use use = { .made = false };
	struct wsd_thread *thread;

	(void)state;
	assert_int_equal(wsd_thread_start(&thread, "short", use_waker, &use), WSD_OK);
	wsd_thread_join(thread);
	assert_true(use.made);
	assert_true(use.open > before);
	assert_int_equal(use.inherited, inherited);
	assert_int_equal(open_descriptors(), before);
}

static void keep_waking(void *arg)
{
	struct handshake *shake = arg;

	while (atomic_load(&shake->turn) == 0)
		wsd_waker_wake(atomic_load(&shake->waker));
}

/* The parent is woken all the time; its child, on a copy of the same thread, must not notice. */
static void test_waker_of_a_forked_child_is_its_own(void **state)
{
	struct handshake shake = { .rounds = 0 };
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_thread *thread;
	int status;
	pid_t child, ended = 0;

	(void)state;
	atomic_store(&shake.waker, waker);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct wsd_waker *own = wsd_waker_self();
		uint64_t start = wsd_clock_ns();

		wsd_waker_reset(own);
		wsd_waker_sleep(own, NULL, 0, start + 100 * MS);
		_exit(wsd_clock_ns() - start >= 100 * MS ? 0 : 1);
	}
	assert_int_equal(wsd_thread_start(&thread, "waking", keep_waking, &shake), WSD_OK);
	while (ended == 0) {
		wsd_waker_reset(waker);
		wsd_waker_sleep(waker, NULL, 0, FAR);
		ended = waitpid(child, &status, WNOHANG);
	}
	atomic_store(&shake.turn, 1);
	wsd_thread_join(thread);
	assert_int_equal(ended, child);
	assert_int_equal(status, 0);
}

struct guarded {
	struct wsd_mutex mutex;
	struct wsd_cond cond;
	unsigned value;
};

static void add_many(void *arg)
{
	struct guarded *guarded = arg;
	unsigned i;

	for (i = 0; i < 1000; i++) {
		wsd_mutex_lock(&guarded->mutex);
		guarded->value++;
		wsd_cond_broadcast(&guarded->cond);
		wsd_mutex_unlock(&guarded->mutex);
	}
}

static void test_mutex_and_condition(void **state)
{
	struct guarded guarded = { .value = 0 };
	struct wsd_thread *threads[3];
	unsigned i;

	(void)state;
	wsd_mutex_init(&guarded.mutex);
	wsd_cond_init(&guarded.cond);
	wsd_mutex_lock(&guarded.mutex);
	assert_false(wsd_cond_wait(&guarded.cond, &guarded.mutex, wsd_clock_ns() + MS));
	for (i = 0; i < 3; i++)
		assert_int_equal(wsd_thread_start(&threads[i], "add", add_many, &guarded), WSD_OK);
	while (guarded.value < 3000)
		assert_true(wsd_cond_wait(&guarded.cond, &guarded.mutex, FAR));
	wsd_mutex_unlock(&guarded.mutex);
	for (i = 0; i < 3; i++)
		wsd_thread_join(threads[i]);
	assert_true(wsd_mutex_trylock(&guarded.mutex));
	assert_false(wsd_mutex_trylock(&guarded.mutex));
	wsd_mutex_unlock(&guarded.mutex);
	wsd_cond_fini(&guarded.cond);
	wsd_mutex_fini(&guarded.mutex);
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

static void read_mask(void *arg)
{
	pthread_sigmask(SIG_SETMASK, NULL, arg);
}

static void test_threads_block_signals(void **state)
{
	struct wsd_thread *thread;
	sigset_t mask, before, after;

	(void)state;
	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(wsd_thread_start(&thread, "a name that is too long", read_mask, &mask),
			 WSD_OK);
	wsd_thread_join(thread);
	assert_true(sigismember(&mask, SIGTERM));
	assert_true(sigismember(&mask, SIGUSR1));
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

static void test_shared_memory_is_shared_and_sealed(void **state)
{
	void *one = NULL, *two = NULL;
	intptr_t handle;

	(void)state;
	assert_int_equal(wsd_shared_create(10000, &handle, &one), WSD_OK);
	assert_int_equal(wsd_shared_attach(handle, 10000, &two), WSD_OK);
	assert_ptr_not_equal(one, two);
	strcpy(one, "across");
	assert_string_equal(two, "across");
	assert_true(fcntl((int)handle, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate((int)handle, 100), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate((int)handle, 100000), -1);
	assert_int_equal(fcntl((int)handle, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	wsd_shared_unmap(one, 10000);
	wsd_shared_unmap(two, 10000);
	wsd_handle_close(handle);
}

static void test_shared_memory_of_a_hostile_peer_is_refused(void **state)
{
	void *address = NULL, *mapped;
	intptr_t handle;
	int fd, pipes[2];

	(void)state;
	assert_int_equal(wsd_shared_create(0, &handle, &mapped), WSD_EINVAL);
	assert_int_equal(wsd_shared_create(8192, &handle, &mapped), WSD_OK);
	assert_int_equal(wsd_shared_attach(handle, 8191, &address), WSD_EINVAL);
	assert_int_equal(wsd_shared_attach(handle, 8193, &address), WSD_EINVAL);
	assert_int_equal(wsd_shared_attach(handle, 0, &address), WSD_EINVAL);
	wsd_shared_unmap(mapped, 8192);
	wsd_handle_close(handle);

	fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(wsd_shared_attach(fd, 8192, &address), WSD_EINVAL);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(wsd_shared_attach(fd, 8192, &address), WSD_EINVAL);
	close(fd);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(wsd_shared_attach(pipes[0], 8192, &address), WSD_EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(wsd_shared_attach(-1, 8192, &address), WSD_EINVAL);
	assert_null(address);
}

static void test_random_and_clock(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };
	uint64_t before = wsd_clock_ns();

	(void)state;
	wsd_random(a, sizeof(a));
	wsd_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(wsd_clock_ns() >= before);
	assert_int_equal(wsd_process_id(), getpid());
}

static void test_module_reasons(void **state)
{
	char reason[200] = "";
	void *module = NULL;

	(void)state;
	assert_int_equal(wsd_module_open("/nonexistent/x.so", &module, reason, sizeof(reason)),
			 WSD_NOTFOUND);
	assert_non_null(strstr(reason, "/nonexistent/x.so"));
	assert_int_equal(wsd_module_open("/etc/passwd", &module, reason, sizeof(reason)),
			 WSD_EUNSUPPORTED);
	assert_non_null(strstr(reason, "/etc/passwd"));
	assert_null(module);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waker_loses_no_wake),
		cmocka_unit_test(test_waker_wake_before_sleep_is_kept_and_used_up),
		cmocka_unit_test(test_waker_watches_more_objects_than_expected),
		cmocka_unit_test(test_waker_goes_with_its_thread),
		cmocka_unit_test(test_waker_of_a_forked_child_is_its_own),
		cmocka_unit_test(test_mutex_and_condition),
		cmocka_unit_test(test_fork_leaves_no_lock_held),
		cmocka_unit_test(test_threads_block_signals),
		cmocka_unit_test(test_shared_memory_is_shared_and_sealed),
		cmocka_unit_test(test_shared_memory_of_a_hostile_peer_is_refused),
		cmocka_unit_test(test_random_and_clock),
		cmocka_unit_test(test_module_reasons),
	};

	test_deadline(30);
	return cmocka_run_group_tests_name("base_platform", tests, NULL, NULL);
}

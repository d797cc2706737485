// SPDX-License-Identifier: BSD-2-Clause
/* test_base_posix.c - descriptors, signals, sealed memory and modules of a POSIX system. */

#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

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
		cmocka_unit_test(test_waker_goes_with_its_thread),
		cmocka_unit_test(test_threads_block_signals),
		cmocka_unit_test(test_shared_memory_is_shared_and_sealed),
		cmocka_unit_test(test_shared_memory_of_a_hostile_peer_is_refused),
		cmocka_unit_test(test_module_reasons),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

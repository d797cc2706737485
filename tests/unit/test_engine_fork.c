// SPDX-License-Identifier: BSD-2-Clause
/* test_engine_fork.c - engines in the child of a fork. */
#include "tests/unit/test_engine_fake.h"

#include <sys/wait.h>
#include <unistd.h>

/* The parent has ended an engine, and a thread that the child does not have is still busy with it. */
static void a_child_makes_engines_of_its_own(void **state)
{
	struct wsd_engine *engine = fake_engine();
	int result = 0;
	pid_t child;

	(void)state;
	fake_engine_end(engine);
	wsd_mutex_lock(&engine->leaf);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(20);
		wsd_engines_fork_child();
		_exit(fake_engine() != engine ? 0 : 1);
	}
	wsd_mutex_unlock(&engine->leaf);
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_makes_engines_of_its_own),
	};

	return cmocka_run_group_tests_name("engine_fork", tests, NULL, NULL);
}

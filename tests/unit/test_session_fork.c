// SPDX-License-Identifier: BSD-2-Clause
/* test_session_fork.c - streams in the child of a fork: `test_session_fork BACKEND`. */
#include "tests/unit/session_pair.h"

#include <sys/wait.h>
#include <unistd.h>

/* The parent has used its budget up: the child begins with its own. */
static void a_child_has_a_budget_of_its_own(void **state)
{
	struct server sv[2];
	struct end c[2], a[2];
	int result = 0;
	pid_t child;

	setenv("WSD_RING_MEMORY", "1", 1);
	for (unsigned i = 0; i < 2; i++) {
		pair(&sv[i], &c[i], &a[i], UINT32_MAX);
		transfer(&c[i], &a[i], 2u << 20, 65536, 65536);
		transfer(&a[i], &c[i], 2u << 20, 65536, 65536);
	}
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		wsd_engines_fork_child();
		wsd_streams_fork_child();
		next_port = (uint16_t)(next_port + 100);
		if (start_engines(state) != 0)
			_exit(1);
		pair(&sv[0], &c[0], &a[0], UINT32_MAX);
		transfer(&c[0], &a[0], 2u << 20, 65536, 65536);
		_exit(window(&c[0], &a[0]) > 65536 ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_int_equal(result, 0);
	unsetenv("WSD_RING_MEMORY");
	for (unsigned i = 0; i < 2; i++)
		close_both(&sv[i], &c[i], &a[i]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_has_a_budget_of_its_own),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: test_session_fork BACKEND\n");
		return 2;
	}
	setenv("WSD_BACKENDS", argv[1], 1);
	next_port = os_port_range();
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_share_record.c - the records of shared sockets, and who else is there, with others at them. */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define ROUNDS 50000

static atomic_bool sweeping;

/* Each new record begins with a look at all that there are, for what dead processes left. */
static void *sweep(void *arg)
{
	struct wsd_share_record share;

	while (atomic_load(&sweeping)) {
		if (wsd_share_create(&share) != 0)
			return NULL;
		wsd_share_close(&share, true);
	}
	return arg;
}

static void who_looks_takes_no_seat(void **state)
{
	struct wsd_share_record share;
	pthread_t thread;
	void *good;

	(void)state;
	atomic_store(&sweeping, true);
	assert_int_equal(wsd_share_create(&share), 0);
	assert_int_equal(pthread_create(&thread, NULL, sweep, &share), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wsd_share_stand(&share); /* as it is given away */
		assert_true(wsd_share_sit(&share));
	}
	atomic_store(&sweeping, false);
	pthread_join(thread, &good);
	assert_non_null(good);
	wsd_share_close(&share, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_looks_takes_no_seat),
	};

	test_deadline(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

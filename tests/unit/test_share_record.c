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

/* Whoever gave it out, and though he has left. */
static void a_token_is_somebody_on_his_way(void **state)
{
	const struct wsd_share_kind kind = { .mode = WSD_MODE_STREAM, .family = WSD_FAMILY_IPV4 };
	struct wsd_share_record first, second, stranger;
	struct wsd_share_kind same;
	uint32_t index, other;

	(void)state;
	assert_int_equal(wsd_share_create(&first), 0);
	assert_int_equal(wsd_share_create(&stranger), 0);
	assert_false(wsd_share_others(&first));
	assert_int_equal(wsd_share_token(&first, &kind, wsd_process_id(), &index), 0);
	assert_true(wsd_share_others(&first));
	assert_int_equal(wsd_share_claim(&second, WSD_MODE_STREAM, index, &same), 0);
	assert_int_equal(wsd_share_use(index), 0);
	assert_true(wsd_share_others(&first)); /* a member now */
	assert_int_equal(wsd_share_token(&second, &kind, wsd_process_id(), &other), 0);
	wsd_share_close(&second, false);
	assert_true(wsd_share_others(&first));
	assert_false(wsd_share_others(&stranger));
	assert_int_equal(wsd_share_use(other), 0);
	assert_false(wsd_share_others(&first));
	wsd_share_close(&first, true);
	wsd_share_close(&stranger, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_looks_takes_no_seat),
		cmocka_unit_test(a_token_is_somebody_on_his_way),
	};

	test_deadline(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

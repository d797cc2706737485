// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_both.c - mode S: both ends of a connection are given to another process at once. The one that
 * connected goes first; what the other one had posted stays, in its order, and then that one can go. Neither
 * end changes its names.
 */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fault/san_inside.h"

#define SLOTS	 6u
#define RECEIVES 3u

struct side {
	SOCKET s;
	char memory[SLOTS][SI_MESSAGE];
	WSAOVERLAPPED posted[RECEIVES];
};

static struct sp_pair pair;
static struct side first, other;

/* Memory, which belongs to a socket. */
static void provide(struct side *side)
{
	assert_non_null(sp_ext.register_memory(side->s, side->memory, sizeof(side->memory),
					       MEM_READWRITE, &sp_error));
}

static void post(struct side *side, unsigned i)
{
	sp_begin(&side->posted[i], true);
	assert_int_equal(sp_recv(side->s, side->memory[2 + i], SI_MESSAGE, &side->posted[i]), 0);
}

static void message(struct side *from, struct side *to)
{
	si_message(from->s, from->memory[0], to->s, to->memory[1], NULL);
}

static void message_into(struct side *from, struct side *to, unsigned i)
{
	si_message(from->s, from->memory[0], to->s, to->memory[2 + i], &to->posted[i]);
}

static void hand_over(struct side *side)
{
	assert_int_equal(si_hand_over(&side->s), 0);
	provide(side);
}

static void suspend_both(void)
{
	time_t end = time(NULL) + (time_t)(SP_PATIENCE * test_slow_factor());

	assert_int_equal(wsd_channel_suspend(si_inside(first.s)), WSD_PENDING);
	assert_int_equal(wsd_channel_suspend(si_inside(other.s)), WSD_PENDING);
	while (si_inside(first.s) && !wsd_channel_suspended(si_inside(first.s))) {
		assert_true(time(NULL) <= end);
		si_drive();
	}
	assert_non_null(si_inside(first.s));
}

/* before: the first message, which takes a receive of the provider's, has come. */
static void both_at_once(unsigned receives, bool before)
{
	struct si_names names, now;

	assert_int_equal(si_open(&pair), 0);
	first.s = pair.client;
	other.s = pair.server;
	provide(&first);
	provide(&other);
	for (unsigned i = 0; i < 2 && before; i++) {
		message(&first, &other);
		message(&other, &first);
	}
	for (unsigned i = 0; i < receives; i++) {
		post(&first, i);
		post(&other, i);
	}
	names = si_names(other.s);
	suspend_both();
	hand_over(&first);
	for (unsigned i = 0; i < receives; i++)
		message_into(&first, &other, i);
	message(&other, &first);
	post(&first, 0); /* as a switch always has one posted */
	hand_over(&other);
	message_into(&other, &first, 0);
	message(&first, &other);
	now = si_names(other.s);
	assert_true(si_same(&names, &now));
	now = si_names(first.s);
	now = (struct si_names){ now.remote, now.local };
	assert_true(si_same(&names, &now));
	pair.client = first.s;
	pair.server = other.s;
	sp_close(&pair);
	assert_true(si_settle());
}

static void test_both_at_once(void **state)
{
	(void)state;
	for (unsigned receives = 0; receives <= RECEIVES; receives++) {
		both_at_once(receives, false);
		both_at_once(receives, true);
	}
}

static int start(void **state)
{
	(void)state;
	return sp_start(AF_INET);
}

static int stop(void **state)
{
	(void)state;
	return sp_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_both_at_once) };

	setenv("WSD_ENGINE_THREAD", "0", 1);
	test_deadline(60);
	return cmocka_run_group_tests_name("san_both", tests, start, stop);
}

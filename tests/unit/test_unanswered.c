// SPDX-License-Identifier: BSD-2-Clause
/* test_unanswered.c - the memory of who did not answer: what it knows, for how long, and how much. */
#include <stdlib.h>
#include <unistd.h>

#include "provider/transport/unanswered.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/lib/test.h"

static struct wsd_addr host(unsigned number, uint16_t port)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV4, .port = port };

	addr.bytes[0] = 10;
	addr.bytes[2] = (uint8_t)(number >> 8);
	addr.bytes[3] = (uint8_t)number;
	return addr;
}

static void test_knows_what_was_noted(void **state)
{
	struct wsd_addr here = host(1, 0), other = host(2, 0), port = host(1, 80);

	(void)state;
	assert_false(wsd_unanswered_known("verbs/a", &here));
	wsd_unanswered_forget("verbs/a", &here); /* nothing to forget */
	wsd_unanswered_note("verbs/a", &here, false);
	assert_true(wsd_unanswered_known("verbs/a", &here));
	assert_false(wsd_unanswered_known("verbs/b", &here));
	assert_false(wsd_unanswered_known("verbs/a", &other));
	assert_false(wsd_unanswered_known("verbs/a", &port));
	wsd_unanswered_note("tcp", &port, false);
	assert_true(wsd_unanswered_known("tcp", &port));
	wsd_unanswered_forget("verbs/a", &here);
	assert_false(wsd_unanswered_known("verbs/a", &here));
	assert_true(wsd_unanswered_known("tcp", &port));
}

static void test_is_bounded(void **state)
{
	struct wsd_addr addr;
	unsigned i, known = 0;

	(void)state;
	for (i = 0; i < 3 * WSD_UNANSWERED_MOST; i++) {
		addr = host(1000 + i, 0);
		wsd_unanswered_note("verbs/a", &addr, false);
		assert_true(wsd_unanswered_known("verbs/a", &addr));
	}
	for (i = 0; i < 3 * WSD_UNANSWERED_MOST; i++) {
		addr = host(1000 + i, 0);
		known += wsd_unanswered_known("verbs/a", &addr);
		/* The oldest went first. */
		assert_int_equal(wsd_unanswered_known("verbs/a", &addr),
				 i >= 2 * WSD_UNANSWERED_MOST);
	}
	assert_int_equal(known, WSD_UNANSWERED_MOST);
}

#define MEMORY_NS 100000000u

/* Whether the second note came in time, which a busy machine may prevent. */
static bool expires(unsigned number)
{
	struct wsd_addr addr = host(number, 0);
	uint64_t begun = wsd_clock_ns();
	bool known, known_then, in_time;

	wsd_unanswered_note("verbs/a", &addr, false);
	known = wsd_unanswered_known("verbs/a", &addr);
	usleep(60000);
	wsd_unanswered_note("verbs/a", &addr, false); /* does not keep it alive */
	in_time = wsd_clock_ns() - begun < MEMORY_NS;
	usleep(60000);
	known_then = wsd_unanswered_known("verbs/a", &addr);
	if (in_time) {
		assert_true(known);
		assert_false(known_then);
	}
	return in_time;
}

#define BASE_MS 50u
#define TICK_MS 20u /* of the clock that is asked how old a note is, and more */

/* Is it known for so long? False: noted too late, on a busy machine, to be silence once more. */
static bool known_for(const struct wsd_addr *addr, unsigned ms, uint64_t *over)
{
	uint64_t begun = wsd_clock_ns();

	wsd_unanswered_note("tcp", addr, true);
	if (*over > 0 && wsd_clock_ns() - *over > BASE_MS * 1000000ull)
		return false;
	while (wsd_unanswered_known("tcp", addr))
		usleep(1000);
	*over = wsd_clock_ns();
	assert_true(*over - begun + TICK_MS * 1000000ull >= ms * 1000000ull);
	return true;
}

static bool grows(unsigned number)
{
	struct wsd_addr addr = host(number, 0);
	uint64_t over = 0;

	for (unsigned ms = BASE_MS; ms <= 16 * BASE_MS; ms *= 2)
		if (!known_for(&addr, ms, &over))
			return false;
	wsd_unanswered_note("tcp", &addr, true);
	usleep((16 * BASE_MS + TICK_MS) * 1000);
	assert_false(wsd_unanswered_known("tcp", &addr)); /* and no longer */
	return true;
}

/* One more silence soon after the last is remembered for longer; what has answered or costs little is not. */
static void test_grows(void **state)
{
	struct wsd_addr answered = host(6, 0), plain = host(7, 80);
	unsigned number = 200;

	(void)state;
	setenv("WSD_ANSWER_MEMORY", "50", 1);
	while (!grows(number))
		number++;
	for (unsigned i = 0; i < 3; i++) {
		wsd_unanswered_note("tcp", &answered, true);
		wsd_unanswered_forget("tcp", &answered);
		wsd_unanswered_note("tcp", &answered, true);
		wsd_unanswered_note("tcp", &plain, false);
		usleep((BASE_MS + TICK_MS) * 1000);
		assert_false(wsd_unanswered_known("tcp", &answered));
		assert_false(wsd_unanswered_known("tcp", &plain));
		wsd_unanswered_forget("tcp", &answered);
	}
	unsetenv("WSD_ANSWER_MEMORY");
}

static void test_expires(void **state)
{
	struct wsd_addr addr = host(5, 0);
	unsigned number = 100;

	(void)state;
	setenv("WSD_ANSWER_MEMORY", "100", 1);
	while (!expires(number))
		number++;
	setenv("WSD_ANSWER_MEMORY", "0", 1);
	wsd_unanswered_note("verbs/a", &addr, false);
	assert_false(wsd_unanswered_known("verbs/a", &addr));
	unsetenv("WSD_ANSWER_MEMORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_knows_what_was_noted),
		cmocka_unit_test(test_is_bounded),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_expires),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

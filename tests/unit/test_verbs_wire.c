// SPDX-License-Identifier: BSD-2-Clause
/* test_verbs_wire.c - the greeting of the verbs backend: every field, honest and hostile. */
#include <string.h>

#include "rdma_backend/verbs/verbs_wire.h"
#include "tests/lib/test.h"

#define MOST  128u
#define WHOLE (VERBS_ACCEPT_GREETING + MOST)

static const struct verbs_greeting honest = { .word_addr = 0x0123456789abcdefull,
					      .word_key = 0xfedcba98u,
					      .length = 40,
					      .hears = 0x1122334455667788ull,
					      .says = 0x99aabbccddeeff01ull };

static void encode(uint8_t *bytes, uint32_t size)
{
	memset(bytes, 0, WHOLE);
	verbs_greeting_encode(bytes, size, &honest);
}

static bool decode(const uint8_t *bytes, uint32_t size, uint32_t received,
		   struct verbs_greeting *greeting)
{
	memset(greeting, 0xee, sizeof(*greeting));
	return verbs_greeting_decode(bytes, size, received, MOST, greeting);
}

static void test_layout(void **state)
{
	static const uint8_t expected[VERBS_ACCEPT_GREETING] = {
		0x57, 0x56, 2,	  40,	0x98, 0xba, 0xdc, 0xfe, 0xef, 0xcd, 0xab,
		0x89, 0x67, 0x45, 0x23, 0x01, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33,
		0x22, 0x11, 0x01, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99,
	};
	static const uint8_t zero[VERBS_ACCEPT_GREETING];
	uint8_t bytes[WHOLE];

	(void)state;
	encode(bytes, VERBS_ACCEPT_GREETING);
	assert_memory_equal(bytes, expected, VERBS_ACCEPT_GREETING);
	encode(bytes, VERBS_GREETING);
	assert_memory_equal(bytes, expected, VERBS_GREETING);
	/* The secrets are for an accept only. */
	assert_memory_equal(bytes + VERBS_GREETING, zero, VERBS_ACCEPT_GREETING - VERBS_GREETING);
}

static void test_round_trip(void **state)
{
	struct verbs_greeting greeting;
	uint8_t bytes[WHOLE];

	(void)state;
	encode(bytes, VERBS_ACCEPT_GREETING);
	assert_true(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting));
	assert_memory_equal(&greeting, &honest, sizeof(honest));
	encode(bytes, VERBS_GREETING);
	assert_true(decode(bytes, VERBS_GREETING, WHOLE, &greeting));
	assert_int_equal(greeting.word_addr, honest.word_addr);
	assert_int_equal(greeting.word_key, honest.word_key);
	assert_int_equal(greeting.length, honest.length);
	assert_int_equal(greeting.hears, 0);
	assert_int_equal(greeting.says, 0);
}

/* What was received, from nothing to everything: what is promised must be there. */
static void test_short(void **state)
{
	static const uint32_t sizes[] = { VERBS_GREETING, VERBS_ACCEPT_GREETING };
	struct verbs_greeting greeting;
	uint8_t bytes[WHOLE];
	uint32_t received;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		encode(bytes, sizes[i]);
		for (received = 0; received <= WHOLE; received++)
			assert_int_equal(decode(bytes, sizes[i], received, &greeting),
					 received >= sizes[i] + honest.length);
		assert_false(decode(NULL, sizes[i], 0, &greeting));
		assert_false(decode(NULL, sizes[i], WHOLE, &greeting));
	}
}

/* Every value of every byte that is checked. */
static void test_each_byte(void **state)
{
	struct verbs_greeting greeting;
	uint8_t bytes[WHOLE], was;
	unsigned at, value;

	(void)state;
	encode(bytes, VERBS_ACCEPT_GREETING);
	for (at = 0; at < 4; at++) {
		was = bytes[at];
		for (value = 0; value < 256; value++) {
			bytes[at] = (uint8_t)value;
			assert_int_equal(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting),
					 at < 3 ? value == was : value <= MOST);
		}
		bytes[at] = was;
	}
	/* Nor more than the caller has room for, though it was received. */
	bytes[3] = 41;
	assert_false(verbs_greeting_decode(bytes, VERBS_GREETING, WHOLE, 40, &greeting));
	bytes[3] = 40;
	assert_true(verbs_greeting_decode(bytes, VERBS_GREETING, WHOLE, 40, &greeting));
	/* Keys and addresses are for the peer's own device to judge. */
	memset(bytes + 4, 0xff, 12);
	assert_true(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting));
	memset(bytes + 4, 0, 12);
	assert_true(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting));
}

/* A secret of 0 would be a goodbye that nobody said. */
static void test_no_secret(void **state)
{
	struct verbs_greeting greeting;
	uint8_t bytes[WHOLE];
	unsigned at;

	(void)state;
	for (at = 16; at < VERBS_ACCEPT_GREETING; at += 8) {
		encode(bytes, VERBS_ACCEPT_GREETING);
		memset(bytes + at, 0, 8);
		assert_false(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting));
		bytes[at + 7] = 1;
		assert_true(decode(bytes, VERBS_ACCEPT_GREETING, WHOLE, &greeting));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	  cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_short),	  cmocka_unit_test(test_each_byte),
		cmocka_unit_test(test_no_secret),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

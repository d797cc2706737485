// SPDX-License-Identifier: BSD-2-Clause
/* test_wire.c - encoders and decoders of the session protocol: round trips, limits, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "provider/session/wire.h"

static struct wsd_hello good_hello(void)
{
	return (struct wsd_hello){ .version = WSD_WIRE_VERSION,
				   .mode = WSD_MODE_STREAM,
				   .features = WSD_FEATURE_IMM | WSD_FEATURE_READ,
				   .nonce = 0x0123456789abcdefull,
				   .slots = 64,
				   .slot_bytes = 256,
				   .window = 2048 };
}

static void hello_round_trip(void **state)
{
	struct wsd_hello in = good_hello(), out;
	uint8_t bytes[WSD_HELLO_BYTES];

	(void)state;
	wsd_hello_encode(bytes, &in);
	assert_memory_equal(bytes, "OWSD", 4);
	assert_int_equal(bytes[8], 0xef); /* little-endian */
	assert_int_equal(wsd_hello_decode(bytes, sizeof(bytes), WSD_MODE_STREAM, &out), WSD_OK);
	assert_int_equal(out.features, in.features);
	assert_true(out.nonce == in.nonce);
	assert_int_equal(out.slots, 64);
	assert_int_equal(out.slot_bytes, 256);
	assert_int_equal(out.window, 2048);
}

static void hello_refuses(void **state)
{
	struct wsd_hello hello = good_hello(), out;
	uint8_t good[WSD_HELLO_BYTES], bytes[WSD_HELLO_BYTES];

	(void)state;
	wsd_hello_encode(good, &hello);
	for (uint32_t n = 0; n < WSD_HELLO_BYTES; n++)
		assert_int_equal(wsd_hello_decode(good, n, WSD_MODE_STREAM, &out), WSD_EPROTOCOL);
	assert_int_equal(wsd_hello_decode(good, sizeof(good), WSD_MODE_SAN, &out), WSD_EVERSION);
	for (unsigned at = 0; at < 5; at++) { /* magic and version */
		memcpy(bytes, good, sizeof(bytes));
		bytes[at] ^= 0x40;
		assert_int_equal(wsd_hello_decode(bytes, sizeof(bytes), WSD_MODE_STREAM, &out),
				 WSD_EVERSION);
	}
	hello.slots = 3;
	wsd_hello_encode(bytes, &hello);
	assert_int_equal(wsd_hello_decode(bytes, sizeof(bytes), WSD_MODE_STREAM, &out),
			 WSD_EPROTOCOL);
	hello = good_hello();
	hello.window = (1u << 24) + 1;
	wsd_hello_encode(bytes, &hello);
	assert_int_equal(wsd_hello_decode(bytes, sizeof(bytes), WSD_MODE_STREAM, &out),
			 WSD_EPROTOCOL);
}

/* Rates are exact; bucket and peak are rounded up, by at most a 512th and a 256th. */
static void qos_round_trip(void **state)
{
	static const uint32_t numbers[] = { 1,	  511,	 512,	      1023,	   1024,
					    1025, 65537, 1000000007u, 0xfffffff0u, 0xffffffffu };
	uint8_t bytes[WSD_QOS_BYTES];
	struct wsd_qos in, out;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint32_t n = numbers[i], least = n < 0xff000000u ? n : 0xff000000u;

		in = (struct wsd_qos){ { WSD_SERVICE_GUARANTEED, n / 2, n, n },
				       { WSD_SERVICE_BEST_EFFORT, n, n, 0 } };
		wsd_qos_encode(bytes, &in);
		assert_true(wsd_qos_decode(bytes, sizeof(bytes), &out));
		assert_int_equal(out.out.service, WSD_SERVICE_GUARANTEED);
		assert_int_equal(out.out.rate, n / 2);
		assert_int_equal(out.in.rate, n);
		assert_true(out.out.bucket >= least && out.out.bucket <= n + n / 512ull + 1);
		assert_true(out.out.peak >= least && out.out.peak <= n + n / 256ull + 1);
		assert_int_equal(out.in.peak, 0);
		/* What was rounded once stays. */
		in = out;
		wsd_qos_encode(bytes, &in);
		assert_true(wsd_qos_decode(bytes, sizeof(bytes), &out));
		assert_true(wsd_flow_equal(&in.out, &out.out) && wsd_flow_equal(&in.in, &out.in));
	}
}

static void qos_refuses(void **state)
{
	struct wsd_qos qos = { { WSD_SERVICE_GUARANTEED, 5000, 100, 6000 }, { 0 } }, out;
	uint8_t bytes[WSD_QOS_BYTES];

	(void)state;
	wsd_qos_encode(bytes, &qos);
	for (uint32_t n = 0; n < WSD_QOS_BYTES; n++)
		assert_false(wsd_qos_decode(bytes, n, &out));
	bytes[7] |= 0xe0; /* service 7 */
	assert_false(wsd_qos_decode(bytes, sizeof(bytes), &out));
	bytes[7] &= 0x1f; /* nothing said, with a rate */
	assert_false(wsd_qos_decode(bytes, sizeof(bytes), &out));
	qos.out.rate = 4000;
	wsd_qos_encode(bytes, &qos);
	bytes[1] = 0xff; /* a rate above the peak */
	assert_false(wsd_qos_decode(bytes, sizeof(bytes), &out));
	memset(bytes, 0xff, sizeof(bytes)); /* beyond 32 bits */
	bytes[7] = bytes[15] = 0x5f;
	assert_false(wsd_qos_decode(bytes, sizeof(bytes), &out));
}

static void header_round_trip(void **state)
{
	struct wsd_header in = { .type = WSD_MSG_DATA,
				 .length = 7,
				 .credits = 0xfffffff0u,
				 .limit = 1ull << 40,
				 .position = (1ull << 33) + 5,
				 .argument = 9 };
	struct wsd_header out;
	uint8_t bytes[WSD_HEADER_BYTES + 7] = { 0 };

	(void)state;
	wsd_header_encode(bytes, &in);
	assert_true(wsd_header_decode(bytes, sizeof(bytes), &out));
	assert_int_equal(out.type, in.type);
	assert_int_equal(out.length, 7);
	assert_true(out.credits == in.credits && out.limit == in.limit);
	assert_true(out.position == in.position && out.argument == in.argument);
	/* the payload that the header promises must have arrived */
	assert_false(wsd_header_decode(bytes, sizeof(bytes) - 1, &out));
	assert_false(wsd_header_decode(bytes, WSD_HEADER_BYTES - 1, &out));
}

static void header_refuses_unknown_types(void **state)
{
	struct wsd_header header = { .type = WSD_MSG_CREDIT };
	uint8_t bytes[WSD_HEADER_BYTES];
	unsigned known = 0;

	(void)state;
	wsd_header_encode(bytes, &header);
	for (unsigned type = 0; type < 256; type++) {
		bytes[0] = (uint8_t)type;
		known += wsd_header_decode(bytes, sizeof(bytes), &header);
	}
	assert_int_equal(known, WSD_MSG_LAST - WSD_MSG_START);
}

static void grant_round_trip(void **state)
{
	struct wsd_grant in = { .addr = 0xfedcba9876543210ull,
				.key = 77,
				.bytes = 65536,
				.generation = 3 },
			 out;
	uint8_t bytes[WSD_GRANT_BYTES];

	(void)state;
	wsd_grant_encode(bytes, &in);
	assert_true(wsd_grant_decode(bytes, sizeof(bytes), &out));
	assert_true(out.addr == in.addr && out.key == 77 && out.bytes == 65536 &&
		    out.generation == 3);
	assert_false(wsd_grant_decode(bytes, sizeof(bytes) - 1, &out));
	in.bytes = 0;
	wsd_grant_encode(bytes, &in);
	assert_false(wsd_grant_decode(bytes, sizeof(bytes), &out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_round_trip),  cmocka_unit_test(hello_refuses),
		cmocka_unit_test(qos_round_trip),    cmocka_unit_test(qos_refuses),
		cmocka_unit_test(header_round_trip), cmocka_unit_test(header_refuses_unknown_types),
		cmocka_unit_test(grant_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

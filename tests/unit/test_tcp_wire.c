// SPDX-License-Identifier: BSD-2-Clause
/* test_tcp_wire.c - the bytes of the tcp backend: round trips, the port formula, hostile input. */
#include "tests/lib/test.h"

#include <string.h>

#include "rdma_backend/tcp/tcp_wire.h"

static void test_ports(void **state)
{
	unsigned collisions = 0;

	(void)state;
	for (uint32_t port = 1; port <= 65535; port++) {
		uint16_t seen[TCP_CANDIDATES];

		for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
			seen[i] = tcp_candidate_port((uint16_t)port, i);
			assert_true(seen[i] == 0 || (seen[i] >= 20000 && seen[i] <= 31999));
			assert_int_not_equal(seen[i], port);
			for (unsigned j = 0; j < i; j++)
				assert_true(seen[i] == 0 || seen[i] != seen[j]);
			/* No candidate of a near neighbour. */
			for (unsigned j = 0; j < TCP_CANDIDATES && port > 1; j++)
				collisions +=
					seen[i] &&
					seen[i] == tcp_candidate_port((uint16_t)(port - 1), j);
		}
	}
	assert_int_equal(collisions, 0);
	/* The formula is part of the protocol. */
	assert_int_equal(tcp_candidate_port(80, 0), 29520);
	assert_int_equal(tcp_candidate_port(80, 1), 30121);
	assert_int_equal(tcp_candidate_port(50000, 7),
			 20000 + (50000u * 7919u + 7 * 1441u) % 12000u);
}

static void test_frame(void **state)
{
	struct tcp_frame in = { .type = TCP_FRAME_WRITE_IMM,
				.flags = TCP_FLAG_ACK,
				.length = 77,
				.credit = 0x01020304,
				.ack = 5,
				.imm = 0xdeadbeef,
				.key = 9,
				.addr = 0x1122334455667788 };
	static const uint8_t bytes[TCP_HEADER_BYTES] = {
		6,    1,    0x57, 0x44, 77, 0, 0, 0, 4,	   3,	 2,    1,    5,	   0,	 0,    0,
		0xef, 0xbe, 0xad, 0xde, 9,  0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
	};
	uint8_t encoded[TCP_HEADER_BYTES];
	struct tcp_frame out;

	(void)state;
	tcp_frame_encode(&in, encoded);
	assert_memory_equal(encoded, bytes, sizeof(bytes));
	assert_true(tcp_frame_decode(&out, encoded));
	assert_int_equal(out.imm, in.imm);
	assert_int_equal(out.addr, in.addr);
	assert_int_equal(out.credit, in.credit);
	tcp_frame_stamp(encoded, TCP_FLAG_SHORT, 70, 71);
	assert_true(tcp_frame_decode(&out, encoded));
	assert_int_equal(out.credit, 70);
	assert_int_equal(out.ack, 71);
	assert_int_equal(out.flags, TCP_FLAG_ACK | TCP_FLAG_SHORT);
}

static void refuse(const struct tcp_frame *frame)
{
	uint8_t bytes[TCP_HEADER_BYTES];
	struct tcp_frame out;

	tcp_frame_encode(frame, bytes);
	assert_false(tcp_frame_decode(&out, bytes));
}

static void test_frame_hostile(void **state)
{
	uint8_t bytes[TCP_HEADER_BYTES];
	struct tcp_frame out;

	(void)state;
	refuse(&(struct tcp_frame){ .type = 0 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_DISCONNECT + 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_SEND, .flags = 4 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_SEND, .length = TCP_MAX_MESSAGE + 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_WRITE, .length = TCP_MAX_RDMA + 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_READ_REQ, .length = 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_READ_REQ, .imm = TCP_MAX_RDMA + 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_READ_RSP, .length = TCP_READ_CHUNK + 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_CREDIT, .length = 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_NAK });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_ACCEPT, .length = TCP_HELLO_BYTES - 1 });
	refuse(&(struct tcp_frame){ .type = TCP_FRAME_REQUEST, .length = TCP_HELLO_BYTES + 57 });
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = TCP_FRAME_CREDIT;
	assert_false(tcp_frame_decode(&out, bytes)); /* no mark */
}

static void test_greetings(void **state)
{
	struct tcp_hello in = { .version = 1,
				.recv_depth = 4,
				.recv_bytes = 256,
				.nonce = 99,
				.from = { .family = WSD_FAMILY_IPV4, .port = 1, .bytes = { 127 } },
				.to = { .family = WSD_FAMILY_IPV6, .port = 2, .scope = 3 },
				.data_length = 5 };
	struct tcp_banner banner = { .version = 1, .nonce = 7, .served = in.from }, seen;
	uint8_t bytes[TCP_HELLO_BYTES + 5] = { 0 };
	struct tcp_hello out;

	(void)state;
	tcp_hello_encode(&in, bytes);
	assert_true(tcp_hello_decode(&out, bytes, sizeof(bytes)));
	assert_int_equal(out.nonce, 99);
	assert_int_equal(out.to.scope, 3);
	assert_memory_equal(&out.from, &in.from, sizeof(in.from));
	assert_false(tcp_hello_decode(&out, bytes, sizeof(bytes) - 1));
	assert_false(tcp_hello_decode(&out, bytes, TCP_HELLO_BYTES - 1));
	in.recv_depth = 0;
	tcp_hello_encode(&in, bytes);
	assert_false(tcp_hello_decode(&out, bytes, sizeof(bytes)));
	tcp_banner_encode(&banner, bytes);
	assert_true(tcp_banner_decode(&seen, bytes));
	assert_int_equal(seen.nonce, 7);
	assert_int_equal(seen.served.port, 1);
	bytes[3] ^= 1;
	assert_false(tcp_banner_decode(&seen, bytes));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_frame_hostile),
		cmocka_unit_test(test_greetings),
	};

	test_deadline(30);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

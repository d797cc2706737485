// SPDX-License-Identifier: BSD-2-Clause
/* test_verbs_ports.c - an adapter with several ports, as libibverbs would report them. */
#include <string.h>

#include "rdma_backend/verbs/verbs_port.h"
#include "tests/lib/test.h"

#define MBIT	 125000ull
#define LANE_25G 32 /* codes of active_speed and active_width */
#define LANES_1	 1
#define LANES_4	 2

struct report {
	enum ibv_port_state state;
	uint32_t max_msg_sz;
	uint8_t speed, width;
};

static struct verbs_ports ports_of(const struct report *reports, unsigned count)
{
	struct verbs_ports ports = { 0 };
	unsigned i;

	for (i = 0; i < count; i++) {
		struct ibv_port_attr attr;

		memset(&attr, 0, sizeof(attr));
		attr.state = reports[i].state;
		attr.max_msg_sz = reports[i].max_msg_sz;
		attr.active_speed = reports[i].speed;
		attr.active_width = reports[i].width;
		verbs_ports_add(&ports, (uint8_t)(i + 1), &attr);
	}
	return ports;
}

static void test_one_port(void **state)
{
	static const struct report rxe = { IBV_PORT_ACTIVE, 1u << 31, 1, LANES_1 };
	static const struct report strange = { IBV_PORT_ACTIVE, 1u << 31, 3, 5 };
	struct verbs_ports ports = ports_of(&rxe, 1);

	(void)state;
	assert_int_equal(ports.first, 1);
	assert_true(ports.active);
	assert_int_equal(ports.max_bytes, 1u << 31);
	assert_int_equal(ports.speed, 2500 * MBIT);
	assert_int_equal(ports_of(&strange, 1).speed, 0);
}

static void test_no_port(void **state)
{
	(void)state;
	assert_int_equal(ports_of(NULL, 0).first, 0);
}

/* New connections begin on one that works, wherever it is; one without a link bounds no speed. */
static void test_first_with_a_link(void **state)
{
	static const struct report reports[] = {
		{ IBV_PORT_DOWN, 1u << 31, LANE_25G, LANES_1 },
		{ IBV_PORT_INIT, 1u << 31, 1, LANES_1 },
		{ IBV_PORT_ACTIVE, 1u << 31, LANE_25G, LANES_4 },
		{ IBV_PORT_DOWN, 1u << 31, 1, LANES_1 },
	};
	struct verbs_ports ports = ports_of(reports, 4);

	(void)state;
	assert_int_equal(ports.first, 3);
	assert_true(ports.active);
	assert_int_equal(ports.speed, 100000 * MBIT);
	ports = ports_of(reports, 2);
	assert_int_equal(ports.first, 1);
	assert_false(ports.active);
	assert_int_equal(ports.speed, 2500 * MBIT);
}

/* What is promised holds on whichever port a route leads to. */
static void test_least_of_all(void **state)
{
	static const struct report reports[] = {
		{ IBV_PORT_ACTIVE, 1u << 31, LANE_25G, LANES_4 },
		{ IBV_PORT_ACTIVE, 1u << 20, LANE_25G, LANES_1 },
		{ IBV_PORT_DOWN, 1u << 16, 1, LANES_1 },
	};
	static const struct report unknown[] = {
		{ IBV_PORT_ACTIVE, 1u << 31, LANE_25G, LANES_4 },
		{ IBV_PORT_ACTIVE, 1u << 31, 3, LANES_4 },
	};
	struct verbs_ports ports = ports_of(reports, 3);

	(void)state;
	assert_int_equal(ports.first, 1);
	assert_int_equal(ports.speed, 25000 * MBIT);
	assert_int_equal(ports.max_bytes, 1u << 16);
	assert_int_equal(ports_of(unknown, 2).speed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_no_port),
		cmocka_unit_test(test_first_with_a_link),
		cmocka_unit_test(test_least_of_all),
	};

	test_deadline(20);
	return cmocka_run_group_tests_name("verbs_ports", tests, NULL, NULL);
}

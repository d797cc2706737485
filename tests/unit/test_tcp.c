// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp.c - data, refusals, dead and slow peers and many connections between two processes. What
 * the tcp backend has in common with others is tested by the backend conformance program.
 */
#include "tests/unit/test_tcp.h"

#include <string.h>

static void rdma(struct client *c, uint32_t length)
{
	struct wsd_event event;
	uint64_t offset = BIG - length;
	struct lend to = { c->lend.addr + offset, c->lend.key };

	fill(c->big, length, length);
	assert_int_equal(post_one(c->ep, WSD_OP_WRITE, c->big, length, NULL, to, 7), WSD_OK);
	expect(&event, WSD_EV_SEND, WSD_OK);
	memset(c->big, 0, length);
	assert_int_equal(post_one(c->ep, WSD_OP_READ, c->big, length, c->big_region, to, 8),
			 WSD_OK);
	expect(&event, WSD_EV_SEND, WSD_OK);
	assert_int_equal(event.id, 8);
	check_fill(c->big, length, length);
}

static void data_over(uint16_t family)
{
	static const uint32_t sizes[] = { 0, 1, 31, 4096, 8191, 8192, 8193, 65535, 65536 };
	struct wsd_event event;
	struct client c;

	client_open(&c, family);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		echo(&c, sizes[i], i + 1);
		rdma(&c, sizes[i]);
	}
	for (unsigned i = 0; i < 200; i++)
		echo(&c, i * 13, i);
	rdma(&c, 1000003);
	rdma(&c, BIG);
	/* Write with immediate: the server answers with four bytes. */
	assert_int_equal(post_one(c.ep, WSD_OP_WRITE_IMM, c.big, 100, NULL, c.lend, 9), WSD_OK);
	for (int i = 0; i < 2; i++) {
		assert_true(next_event(&me, &event, LIMIT_NS));
		assert_int_equal(event.status, WSD_OK);
	}
	assert_int_equal(OPS->disconnect(c.ep), WSD_OK);
	expect(&event, WSD_EV_DISCONNECTED, WSD_OK);
	client_close(&c);
}

static void test_data_ipv4(void **state)
{
	(void)state;
	data_over(WSD_FAMILY_IPV4);
}

static void test_data_ipv6(void **state)
{
	(void)state;
	data_over(WSD_FAMILY_IPV6);
}

/* A type of service that is set while bytes go to and fro is the one that the packets have, over either family. */
static void marks_over(uint16_t family)
{
	static const struct {
		int service, priority;
	} marks[] = { { 0, 0 }, { 40 << 2, 6 }, { 24 << 2, 4 }, { 0, 0 } };
	struct client c;
	intptr_t s;

	if (!raw_has_marks(family))
		skip();
	client_open(&c, family);
	s = raw_connected_to(tcp_candidate_port(c.addr.port, 0));
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		OPS->set_traffic_class(c.ep, (uint32_t)marks[i].service);
		echo(&c, 5000, i);
		raw_assert_marked(s, family, marks[i].service, marks[i].priority);
	}
	client_close(&c);
}

static void test_marks_ipv4(void **state)
{
	(void)state;
	marks_over(WSD_FAMILY_IPV4);
}

static void test_marks_ipv6(void **state)
{
	(void)state;
	marks_over(WSD_FAMILY_IPV6);
}

static void test_reject(void **state)
{
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct client c;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	ep = connect_to(c.addr, "no", LIMIT_NS);
	expect(&event, WSD_EV_CONNECT_FAILED, WSD_EREFUSED);
	assert_int_equal(event.data_length, 7);
	assert_memory_equal(event.data, "because", 7);
	OPS->endpoint_destroy(ep);
	client_close(&c);
}

static void test_bad_key(void **state)
{
	struct wsd_event event;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct client c;
		struct lend bad;

		client_open(&c, WSD_FAMILY_IPV4);
		bad = c.lend;
		if (i == 0)
			bad.key ^= 0x40000000;
		else if (i == 1)
			bad.addr += BIG - 99;
		else
			bad.addr = UINT64_MAX - 10;
		assert_int_equal(post_one(c.ep, i == 3 ? WSD_OP_READ : WSD_OP_WRITE, c.big, 100,
					  c.big_region, bad, 77),
				 WSD_OK);
		expect(&event, WSD_EV_SEND, WSD_EREMOTE_ACCESS);
		assert_int_equal(event.id, 77);
		expect(&event, WSD_EV_DISCONNECTED, WSD_EREMOTE_ACCESS);
		client_close(&c);
	}
}

static void test_killed_peer(void **state)
{
	struct wsd_event event;
	struct client c;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	echo(&c, 1000, 3);
	os_kill(&c.server);
	expect(&event, WSD_EV_DISCONNECTED, WSD_ERESET);
	client_close(&c);
}

/* A peer that does not read: output piles up to the limit, and leaves in order when it does. */
static void test_stopped_peer(void **state)
{
	struct wsd_event event;
	struct client c;
	unsigned posted = 0;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	os_stop(&c.server);
	for (unsigned i = 0; i < ep_attr.send_depth; i++) {
		struct lend to = { c.lend.addr + (i % 8 << 20), c.lend.key };

		fill(c.big + (i % 8 << 20), 1 << 20, i);
		if (post_one(c.ep, WSD_OP_WRITE, c.big + (i % 8 << 20), 1 << 20, NULL, to, i) !=
		    WSD_OK)
			break;
		posted++;
	}
	assert_in_range(posted, 1, ep_attr.send_depth - 1);
	os_continue(&c.server);
	for (unsigned i = 0; i < posted; i++) {
		expect(&event, WSD_EV_SEND, WSD_OK);
		assert_int_equal(event.id, i);
	}
	memset(c.big, 0, BIG);
	assert_int_equal(post_one(c.ep, WSD_OP_READ, c.big, BIG, c.big_region, c.lend, 1), WSD_OK);
	expect(&event, WSD_EV_SEND, WSD_OK);
	for (unsigned i = posted > 8 ? posted - 8 : 0; i < posted; i++)
		check_fill(c.big + (i % 8 << 20), 1 << 20, i);
	client_close(&c);
}

/* More messages than the peer has receives, cut short by disconnect: all arrive, none too many. */
static void test_credit(void **state)
{
	struct wsd_event event;
	unsigned echoes = 0, sent = 0;
	struct client c;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	os_stop(&c.server);
	for (unsigned i = 0; i < 3 * SLOTS; i++)
		assert_int_equal(post_one(c.ep, WSD_OP_SEND, c.big, 1000 + i, NULL, c.lend, i),
				 WSD_OK);
	assert_false(next_event(&me, &event, 1) && event.id >= SLOTS);
	os_continue(&c.server);
	while (echoes < 3 * SLOTS) {
		assert_true(next_event(&me, &event, LIMIT_NS));
		assert_int_equal(event.status, WSD_OK);
		sent += event.type == WSD_EV_SEND;
		if (event.type != WSD_EV_RECV)
			continue;
		assert_int_equal(event.bytes, 1000 + echoes++);
		recv_post(c.ep, c.slots, c.slots_region, event.id);
	}
	assert_in_range(sent, 3 * SLOTS - 2, 3 * SLOTS);
	client_close(&c);
}

/* Connections beside that of the client. */
static void many_at_once(struct client *c)
{
	static struct wsd_endpoint *ep[MANY];
	uint64_t live = wsd_alloc_live();
	struct wsd_event event;

	for (unsigned i = 0; i < MANY; i++)
		ep[i] = connect_to(c->addr, "idle", LIMIT_NS);
	for (unsigned i = 0; i < MANY; i++)
		expect(&event, WSD_EV_CONNECTED, WSD_OK);
	OPS->poll(me.queue, &event, 1); /* frees what the last event showed */
	assert_in_range(wsd_alloc_live() - live, MANY, MANY + OS_BLOCKS_SPARE(MANY));
	echo(c, 5000, 2);
	for (unsigned i = 0; i < MANY; i++)
		OPS->endpoint_destroy(ep[i]);
	assert_in_range(wsd_alloc_live(), live, live + OS_BLOCKS_SPARE(MANY));
}

static void test_many(void **state)
{
	unsigned files = os_files(NULL);
	struct wsd_event event;
	struct client c;

	(void)state;
	if (!os_allow_files(2 * MANY))
		skip();
	client_open(&c, WSD_FAMILY_IPV4);
	OPS->poll(me.queue, &event, 1);
	many_at_once(&c);
	client_close(&c);
	assert_true(os_files(NULL) <= files + OS_FILES_SPARE);
}

int main(int argc, char **argv)
{
	static const struct os_role roles[] = { SERVER_ROLE, { NULL, NULL } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_ipv4),   cmocka_unit_test(test_data_ipv6),
		cmocka_unit_test(test_marks_ipv4),  cmocka_unit_test(test_marks_ipv6),
		cmocka_unit_test(test_reject),	    cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_killed_peer), cmocka_unit_test(test_stopped_peer),
		cmocka_unit_test(test_credit),	    cmocka_unit_test(test_many),
	};

	os_begin(argc, argv, roles);
	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

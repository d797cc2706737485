// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp.c - data, refusals, dead and slow peers and many connections between two processes. What
 * the tcp backend has in common with others is tested by the backend conformance program.
 */
#include "tests/unit/test_tcp.h"

#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* The only connected socket of this process. */
static int connection(void)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	int found = -1;

	for (int fd = 3; fd < 1024; fd++) {
		length = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 ||
		    peer.ss_family == AF_UNIX)
			continue;
		assert_int_equal(found, -1);
		found = fd;
	}
	assert_true(found >= 0);
	return found;
}

/* A type of service that is set while bytes go to and fro is the one that the packets have, over either family. */
static void marks_over(uint16_t family)
{
	static const struct {
		int service, priority;
	} marks[] = { { 0, 0 }, { 40 << 2, 6 }, { 24 << 2, 4 }, { 0, 0 } };
	bool ipv6 = family == WSD_FAMILY_IPV6;
	struct client c;

	client_open(&c, family);
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		int service = -1, priority = -1, fd = connection();
		socklen_t size = sizeof(int);

		OPS->set_traffic_class(c.ep, (uint32_t)marks[i].service);
		echo(&c, 5000, i);
		assert_int_equal(getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
					    ipv6 ? IPV6_TCLASS : IP_TOS, &service, &size),
				 0);
		assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &size), 0);
		assert_int_equal(service, marks[i].service);
		assert_int_equal(priority, marks[i].priority);
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
	kill(c.server, SIGKILL);
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
	kill(c.server, SIGSTOP);
	for (unsigned i = 0; i < ep_attr.send_depth; i++) {
		struct lend to = { c.lend.addr + (i % 8 << 20), c.lend.key };

		fill(c.big + (i % 8 << 20), 1 << 20, i);
		if (post_one(c.ep, WSD_OP_WRITE, c.big + (i % 8 << 20), 1 << 20, NULL, to, i) !=
		    WSD_OK)
			break;
		posted++;
	}
	assert_in_range(posted, 1, ep_attr.send_depth - 1);
	kill(c.server, SIGCONT);
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
	kill(c.server, SIGSTOP);
	for (unsigned i = 0; i < 3 * SLOTS; i++)
		assert_int_equal(post_one(c.ep, WSD_OP_SEND, c.big, 1000 + i, NULL, c.lend, i),
				 WSD_OK);
	assert_false(next_event(&me, &event, 1) && event.id >= SLOTS);
	kill(c.server, SIGCONT);
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

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void test_many(void **state)
{
	static struct wsd_endpoint *ep[MANY];
	unsigned files = open_files(), connected = 0;
	uint64_t live;
	struct rlimit limit;
	struct wsd_event event;
	struct client c;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < 2 * MANY)
		skip();
	limit.rlim_cur = limit.rlim_cur < 2 * MANY ? 2 * MANY : limit.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &limit);
	client_open(&c, WSD_FAMILY_IPV4);
	OPS->poll(me.queue, &event, 1); /* frees what the last event showed */
	live = wsd_alloc_live();
	for (unsigned i = 0; i < MANY; i++)
		ep[i] = connect_to(c.addr, "idle", LIMIT_NS);
	while (connected < MANY) {
		expect(&event, WSD_EV_CONNECTED, WSD_OK);
		connected++;
	}
	OPS->poll(me.queue, &event, 1);
	assert_int_equal(wsd_alloc_live() - live, MANY);
	echo(&c, 5000, 2); /* beside them */
	for (unsigned i = 0; i < MANY; i++)
		OPS->endpoint_destroy(ep[i]);
	assert_int_equal(wsd_alloc_live(), live);
	client_close(&c);
	assert_int_equal(open_files(), files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_ipv4),   cmocka_unit_test(test_data_ipv6),
		cmocka_unit_test(test_marks_ipv4),  cmocka_unit_test(test_marks_ipv6),
		cmocka_unit_test(test_reject),	    cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_killed_peer), cmocka_unit_test(test_stopped_peer),
		cmocka_unit_test(test_credit),	    cmocka_unit_test(test_many),
	};

	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_shm.c - the shm backend inside one process: every operation, its order and its errors. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/lib/test.h"
#include "tests/unit/test_shm.h"

#define OPS wsd_backend_shm
#define RW  (WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

struct pair {
	struct end *listener, *a, *b; /* a connected, b accepted */
};

static unsigned fds_before;

static int setup(void **state)
{
	(void)state;
	test_deadline(60);
	fds_before = world_fds();
	world_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_close();
	world_has_fds(fds_before);
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

static void pair_open(struct pair *pair, struct wsd_queue *left, struct wsd_queue *right)
{
	uint16_t port = world_port();

	pair->listener = end_new(right);
	pair->a = end_new(left);
	listen_on(pair->listener, port, 4);
	connect_to(pair->a, port);
	pair->b = accept_on(pair->listener);
	expect(pair->a, WSD_EV_CONNECTED);
	assert_string_equal(pair->a->text, "welcome");
	expect(pair->b, WSD_EV_CONNECTED);
}

static void pair_new(struct pair *pair)
{
	struct wsd_queue *left = world_queue();

	pair_open(pair, left, world_queue());
}

static void pair_free(struct pair *pair)
{
	end_free(pair->a);
	end_free(pair->b);
	end_free(pair->listener);
}

static struct wsd_region *mem(struct end *end, uint64_t length)
{
	struct wsd_region *region = NULL;

	assert_int_equal(OPS.mem_alloc(end->endpoint, length, RW | WSD_ACCESS_LOCAL_WRITE, &region),
			 WSD_OK);
	return region;
}

static void messages(struct pair *pair)
{
	struct wsd_region *region = mem(pair->b, 4096);
	char in[64] = { 0 };
	struct wsd_event *event;

	post_recv(pair->b, 1, in, sizeof(in), NULL);
	post_recv(pair->b, 2, region->base, 100, region);
	post_recv(pair->b, 3, (char *)region->base + 200, 100, region);
	post(pair->a, WSD_OP_SEND, 11, "first", 6, 0, 0, 0);
	post(pair->a, WSD_OP_SEND, 12, "second", 7, 0, 0, 0);
	event = expect(pair->b, WSD_EV_RECV);
	assert_int_equal(event->id, 1);
	assert_int_equal(event->bytes, 6);
	assert_string_equal(in, "first");
	assert_int_equal(expect(pair->b, WSD_EV_RECV)->id, 2);
	assert_string_equal(region->base, "second");
	assert_int_equal(expect(pair->a, WSD_EV_SEND)->id, 11);
	assert_int_equal(expect(pair->a, WSD_EV_SEND)->id, 12);
	post(pair->a, WSD_OP_SEND, 13, "third", 6, 0, 0, 0);
	assert_int_equal(expect(pair->b, WSD_EV_RECV)->id, 3);
	assert_string_equal((char *)region->base + 200, "third");
	assert_int_equal(expect(pair->a, WSD_EV_SEND)->id, 13);
	OPS.mem_free(region);
}

static void test_messages(void **state)
{
	struct pair pair;

	(void)state;
	pair_new(&pair);
	messages(&pair);
	pair_free(&pair);
}

/* Both ends on one queue: the links of the two roles must not be mixed up. */
static void test_same_queue(void **state)
{
	struct wsd_queue *queue = world_queue();
	struct pair first, second;

	(void)state;
	pair_open(&first, queue, queue);
	pair_open(&second, queue, queue);
	messages(&first);
	end_free(first.a);
	expect(first.b, WSD_EV_DISCONNECTED);
	messages(&second);
	end_free(first.b);
	end_free(first.listener);
	pair_free(&second);
}

static void memory_operations(struct pair *pair, uint64_t addr, uint32_t key, uint8_t *target,
			      uint32_t size)
{
	uint8_t *data = malloc(size), *back = calloc(1, size);
	struct wsd_event *event;
	uint32_t i;

	assert_non_null(data);
	assert_non_null(back);
	for (i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + 1);
	post(pair->a, WSD_OP_WRITE, 1, data, size, addr, key, 0);
	post_recv(pair->b, 77, NULL, 0, NULL);
	post(pair->a, WSD_OP_WRITE_IMM, 2, "XYZ", 3, addr + 5, key, 0xabcdu);
	memset(data, data[0], 1); /* COPY_AT_POST: ours again */
	event = expect(pair->b, WSD_EV_RECV_IMM);
	assert_int_equal(event->id, 77);
	assert_int_equal(event->imm, 0xabcdu);
	assert_int_equal(event->bytes, 3);
	assert_memory_equal(target + 5, "XYZ", 3);
	memcpy(data + 5, "XYZ", 3);
	assert_memory_equal(target, data, size);
	assert_int_equal(expect(pair->a, WSD_EV_SEND)->id, 1);
	assert_int_equal(expect(pair->a, WSD_EV_SEND)->id, 2);
	post(pair->a, WSD_OP_READ, 3, back, size, addr, key, 0);
	event = expect(pair->a, WSD_EV_SEND);
	assert_int_equal(event->id, 3);
	assert_int_equal(event->status, WSD_OK);
	assert_memory_equal(back, data, size);
	free(data);
	free(back);
}

static void test_mapped_memory(void **state)
{
	struct wsd_region *region;
	struct pair pair;

	(void)state;
	pair_new(&pair);
	region = mem(pair.b, 300000);
	world_poll();
	memory_operations(&pair, region->remote_addr, region->remote_key, region->base, 300000);
	OPS.mem_free(region);
	pair_free(&pair);
}

static void test_registered_memory(void **state)
{
	uint32_t size = 1000003;
	uint8_t *target = calloc(1, size);
	struct wsd_region *region;
	struct pair pair;

	(void)state;
	pair_new(&pair);
	assert_int_equal(OPS.reg(pair.b->queue, target, size, RW, 0, &region), WSD_OK);
	memory_operations(&pair, region->remote_addr, region->remote_key, target, size);
	OPS.dereg(region);
	pair_free(&pair);
	free(target);
}

/* Refused by key, range, rights: an event with the reason, and the connection is gone on both sides. */
static void refused(enum wsd_work_op op, uint64_t offset, uint32_t key_change, bool mapped,
		    bool revoked)
{
	static uint8_t memory[8192];
	struct wsd_region *region;
	struct wsd_event *event;
	struct pair pair;
	uint32_t key;
	uint64_t addr;
	char data[16] = "untouched";

	setup(NULL);
	pair_new(&pair);
	memset(memory, 0, sizeof(memory));
	if (mapped)
		assert_int_equal(
			OPS.mem_alloc(pair.b->endpoint, 8192, WSD_ACCESS_REMOTE_READ, &region),
			WSD_OK);
	else
		assert_int_equal(
			OPS.reg(pair.b->queue, memory, 8192, WSD_ACCESS_REMOTE_READ, 0, &region),
			WSD_OK);
	key = region->remote_key ^ key_change;
	addr = region->remote_addr + offset;
	if (revoked && !mapped)
		OPS.dereg(region);
	post(pair.a, op, 5, data, 16, addr, key, 0);
	event = expect(pair.a, WSD_EV_SEND);
	assert_int_equal(event->status, WSD_EREMOTE_ACCESS);
	assert_int_equal(event->id, 5);
	expect(pair.a, WSD_EV_DISCONNECTED);
	expect(pair.b, WSD_EV_DISCONNECTED);
	assert_int_equal(try_post(pair.a, op, 6, data, 16, addr, key, 0), WSD_ESTATE);
	assert_string_equal(data, "untouched");
	assert_int_equal(memory[0], 0);
	if (!revoked && !mapped)
		OPS.dereg(region);
	pair_free(&pair);
	teardown(NULL);
}

static void test_refused(void **state)
{
	(void)state;
	refused(WSD_OP_WRITE, 0, 0, true, false);
	refused(WSD_OP_WRITE, 0, 0, false, false);
	refused(WSD_OP_READ, 8192 - 15, 0, true, false);
	refused(WSD_OP_READ, 8192 - 15, 0, false, false);
	refused(WSD_OP_READ, UINT64_MAX - 3, 0, true, false);
	refused(WSD_OP_READ, UINT64_MAX - 3, 0, false, false);
	refused(WSD_OP_READ, 0, 0x40, true, false);
	refused(WSD_OP_READ, 0, 0x10000, false, false);
	refused(WSD_OP_READ, 0, 0, false, true);
}

static void test_waiting_work(void **state)
{
	struct pair pair;
	char in[16][16], text[16];
	unsigned i;

	(void)state;
	pair_new(&pair);
	for (i = 0; i < 16; i++) {
		memset(text, 0, sizeof(text));
		text[0] = (char)('a' + i);
		post(pair.a, WSD_OP_SEND, i, text, 16, 0, 0, 0);
	}
	assert_int_equal(try_post(pair.a, WSD_OP_SEND, 99, text, 16, 0, 0, 0), WSD_AGAIN);
	assert_true(quiet(pair.a));
	for (i = 0; i < 16; i++) {
		post_recv(pair.b, i, in[i], 16, NULL);
		assert_int_equal(expect(pair.b, WSD_EV_RECV)->id, i);
		assert_int_equal(in[i][0], 'a' + (int)i);
		assert_int_equal(expect(pair.a, WSD_EV_SEND)->id, i);
	}
	pair_free(&pair);
}

static void test_posting_errors(void **state)
{
	struct wsd_sge sges[17] = { 0 };
	struct wsd_work bad = { .op = WSD_OP_SEND, .sge_count = 17, .sge = sges };
	struct wsd_work good = { .op = WSD_OP_SEND, .next = &bad };
	struct wsd_recv recv = { .sge = { &bad, 5000, NULL } };
	char in[8], out[16] = "too long";
	struct wsd_event *event;
	struct pair pair;
	uint32_t posted;
	int i;

	(void)state;
	pair_new(&pair);
	assert_int_equal(OPS.post_send(pair.a->endpoint, &good, &posted), WSD_EINVAL);
	assert_int_equal(posted, 1);
	assert_int_equal(OPS.post_recv(pair.a->endpoint, &recv, &posted), WSD_EINVAL);
	recv.sge.length = 0;
	for (i = 0; i < 16; i++)
		assert_int_equal(OPS.post_recv(pair.a->endpoint, &recv, &posted), WSD_OK);
	assert_int_equal(OPS.post_recv(pair.a->endpoint, &recv, &posted), WSD_AGAIN);
	post_recv(pair.b, 1, in, 0, NULL);
	post_recv(pair.b, 2, in, 8, NULL);
	assert_int_equal(expect(pair.b, WSD_EV_RECV)->bytes, 0);
	post(pair.a, WSD_OP_SEND, 3, out, 9, 0, 0, 0);
	event = expect(pair.a, WSD_EV_SEND);
	assert_int_equal(event->status, WSD_ELENGTH);
	expect(pair.a, WSD_EV_DISCONNECTED);
	assert_int_equal(expect(pair.b, WSD_EV_RECV)->status, WSD_ELENGTH);
	expect(pair.b, WSD_EV_DISCONNECTED);
	pair_free(&pair);
}

static void test_disconnect(void **state)
{
	struct pair pair;
	char in[2][8];

	(void)state;
	pair_new(&pair);
	post(pair.a, WSD_OP_SEND, 1, "one", 4, 0, 0, 0);
	post(pair.a, WSD_OP_SEND, 2, "two", 4, 0, 0, 0);
	assert_int_equal(OPS.disconnect(pair.a->endpoint), WSD_OK);
	assert_int_equal(try_post(pair.a, WSD_OP_SEND, 3, "x", 1, 0, 0, 0), WSD_ESTATE);
	assert_true(quiet(pair.b));
	post_recv(pair.b, 1, in[0], 8, NULL);
	post_recv(pair.b, 2, in[1], 8, NULL);
	expect(pair.b, WSD_EV_RECV);
	expect(pair.b, WSD_EV_RECV);
	assert_string_equal(in[1], "two");
	assert_int_equal(expect(pair.b, WSD_EV_DISCONNECTED)->status, WSD_OK);
	expect(pair.a, WSD_EV_SEND);
	expect(pair.a, WSD_EV_SEND);
	assert_int_equal(expect(pair.a, WSD_EV_DISCONNECTED)->status, WSD_OK);
	pair_free(&pair);
}

static void test_destroy_cuts(void **state)
{
	struct pair pair;
	char in[8];

	(void)state;
	pair_new(&pair);
	post_recv(pair.b, 1, in, 8, NULL);
	post(pair.a, WSD_OP_SEND, 1, "last", 5, 0, 0, 0);
	OPS.endpoint_destroy(pair.a->endpoint);
	pair.a->endpoint = NULL;
	expect(pair.b, WSD_EV_RECV);
	assert_string_equal(in, "last");
	assert_int_equal(expect(pair.b, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_true(quiet(pair.b));
	pair_free(&pair);
}

static void test_answers(void **state)
{
	struct wsd_queue *queue = world_queue(), *other = world_queue();
	struct end *listener = end_new(queue), *ends[3];
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote;
	struct wsd_addr far = { .family = WSD_FAMILY_IPV4, .port = 9, .bytes = { 203, 0, 113, 7 } };
	struct wsd_listener_ep *twice;
	uint16_t port = world_port();
	struct wsd_request *request;
	struct wsd_event *event;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		ends[i] = end_new(other);
	remote = world_addr(port);
	assert_int_equal(OPS.endpoint_create(other, NULL, &shm_attr, ends[0], &ends[0]->endpoint),
			 WSD_OK);
	assert_int_equal(OPS.connect(ends[0]->endpoint, &none, &remote, "", 0, 1000),
			 WSD_ENOLISTENER);
	assert_int_equal(OPS.connect(ends[0]->endpoint, &none, &far, "", 0, 1000),
			 WSD_EUNREACHABLE);
	assert_int_equal(OPS.reachable(shm_device, NULL, &far), WSD_EUNREACHABLE);
	assert_int_equal(OPS.reachable(shm_device, &none, &remote), WSD_OK);
	OPS.endpoint_destroy(ends[0]->endpoint);
	listen_on(listener, port, 1);
	assert_int_equal(OPS.listen(queue, &remote, 1, NULL, &twice), WSD_EADDRINUSE);
	assert_int_equal(OPS.listen(queue, &far, 1, NULL, &twice), WSD_EADDRNOTAVAIL);
	connect_to(ends[0], port);
	event = expect(listener, WSD_EV_REQUEST);
	request = event->request;
	assert_int_equal(event->local.port, port);
	assert_memory_equal(event->local.bytes, remote.bytes, 16);
	connect_to(ends[1], port); /* over the backlog */
	assert_int_equal(expect(ends[1], WSD_EV_CONNECT_FAILED)->status, WSD_EREFUSED);
	OPS.reject(request, "go away", 7);
	assert_int_equal(expect(ends[0], WSD_EV_CONNECT_FAILED)->status, WSD_EREFUSED);
	assert_string_equal(ends[0]->text, "go away");
	connect_to(ends[2], port); /* given up before the answer */
	request = expect(listener, WSD_EV_REQUEST)->request;
	OPS.endpoint_destroy(ends[2]->endpoint);
	ends[2]->endpoint = NULL;
	assert_ptr_equal(expect(listener, WSD_EV_REQUEST_GONE)->request, request);
	OPS.reject(request, NULL, 0);
	for (i = 0; i < 3; i++)
		end_free(ends[i]);
	end_free(listener);
}

/* Keys that were told before the connection was open must work from the first request on. */
static void test_early_memory(void **state)
{
	struct wsd_queue *queue = world_queue(), *other = world_queue();
	struct end *listener = end_new(queue), *a = end_new(other), *b = end_new(queue);
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote;
	struct wsd_region *of_a, *gone, *of_b;
	uint16_t port = world_port();
	struct wsd_event *event;

	(void)state;
	remote = world_addr(port);
	listen_on(listener, port, 4);
	assert_int_equal(OPS.endpoint_create(other, NULL, &shm_attr, a, &a->endpoint), WSD_OK);
	of_a = mem(a, 100);
	assert_int_equal(OPS.connect(a->endpoint, &none, &remote, "", 0, 5000000000u), WSD_OK);
	gone = mem(a, 100);
	event = expect(listener, WSD_EV_REQUEST);
	assert_int_equal(OPS.endpoint_create(queue, event->request, &shm_attr, b, &b->endpoint),
			 WSD_OK);
	of_b = mem(b, 100);
	assert_int_equal(OPS.accept(b->endpoint, "", 0), WSD_OK);
	OPS.mem_free(gone);
	expect(a, WSD_EV_CONNECTED);
	post(a, WSD_OP_WRITE, 1, "to b", 5, of_b->remote_addr, of_b->remote_key, 0);
	expect(b, WSD_EV_CONNECTED);
	post(b, WSD_OP_WRITE, 2, "to a", 5, of_a->remote_addr, of_a->remote_key, 0);
	assert_int_equal(expect(a, WSD_EV_SEND)->status, WSD_OK);
	assert_int_equal(expect(b, WSD_EV_SEND)->status, WSD_OK);
	assert_string_equal(of_b->base, "to b");
	assert_string_equal(of_a->base, "to a");
	end_free(a);
	end_free(b);
	end_free(listener);
}

static bool wakes(struct wsd_queue *queue, int ms)
{
	return test_object_within(OPS.wait_object(queue), ms);
}

static void test_arm(void **state)
{
	struct pair pair;
	char in[8];

	(void)state;
	pair_new(&pair);
	while (world_poll())
		;
	post_recv(pair.b, 1, in, 8, NULL);
	post_recv(pair.b, 2, in, 8, NULL);
	quiet(pair.b);
	assert_int_equal(OPS.arm(pair.b->queue), WSD_OK);
	assert_false(wakes(pair.b->queue, 0));
	post(pair.a, WSD_OP_SEND, 1, "a", 1, 0, 0, 0);
	assert_true(wakes(pair.b->queue, 2000));
	expect(pair.b, WSD_EV_RECV);
	post(pair.a, WSD_OP_SEND, 1, "a", 1, 0, 0, 0);
	assert_int_equal(OPS.arm(pair.b->queue), WSD_AGAIN);
	expect(pair.b, WSD_EV_RECV);
	expect(pair.a, WSD_EV_SEND);
	expect(pair.a, WSD_EV_SEND);
	assert_int_equal(OPS.arm(pair.a->queue), WSD_OK);
	OPS.disarm(pair.a->queue);
	quiet(pair.a);
	assert_false(wakes(pair.a->queue, 0));
	pair_free(&pair);
}

/* Every allocation fails once: an error or success, never a leak or a hang. */
static void test_out_of_memory(void **state)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote;
	struct end *listener, *a, *b;
	struct wsd_region *region;
	struct wsd_event *event;
	enum wsd_status status;
	unsigned n, i;
	char in[8];

	(void)state;
	for (n = 1; n < 60; n++) {
		struct wsd_queue *queue = world_queue(), *other = world_queue();

		remote = world_addr(world_port());
		listener = end_new(queue);
		a = end_new(other);
		b = end_new(queue);
		wsd_alloc_fail_nth(n);
		status = OPS.listen(queue, &remote, 4, listener, &listener->listener);
		if (!status)
			status = OPS.endpoint_create(other, NULL, &shm_attr, a, &a->endpoint);
		if (!status)
			status = OPS.mem_alloc(a->endpoint, 10, RW, &region);
		if (!status)
			status = OPS.connect(a->endpoint, &none, &remote, "", 0, 100000000u);
		for (i = 0; !status && i < 200 && !listener->count && !a->count; i++)
			world_poll();
		if (!status && listener->count && listener->log[0].type == WSD_EV_REQUEST) {
			event = &listener->log[0];
			status = OPS.endpoint_create(queue, event->request, &shm_attr, b,
						     &b->endpoint);
			if (!status)
				status = OPS.accept(b->endpoint, "", 0);
		}
		for (i = 0; i < 400; i++)
			world_poll();
		if (!status && a->count && a->log[0].type == WSD_EV_CONNECTED && b->count &&
		    b->log[0].type == WSD_EV_CONNECTED) {
			struct wsd_recv recv = { .sge = { in, 8, NULL } };
			uint32_t posted;

			(void)OPS.post_recv(b->endpoint, &recv, &posted); /* may be broken by now */
			(void)try_post(a, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
			(void)try_post(a, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
			(void)try_post(b, WSD_OP_READ, 1, in, 8, 0, 0x80000001u, 0);
			for (i = 0; i < 100; i++)
				world_poll();
		}
		n = wsd_alloc_failed() ? n : 1000;
		wsd_alloc_fail_nth(0);
		end_free(a);
		end_free(b);
		end_free(listener);
		world_close();
		assert_int_equal(wsd_alloc_live(), 0);
		world_has_fds(fds_before);
		world_open();
	}
	assert_true(n > 1000);
}

#define THREAD_MESSAGES 5000u

/* Posts while another thread owns and polls the queue. */
static void post_many(void *arg)
{
	struct end *end = arg;
	uint32_t i;

	for (i = 0; i < THREAD_MESSAGES;) {
		if (try_post(end, WSD_OP_SEND, i, &i, sizeof(i), 0, 0, 0) == WSD_OK)
			i++;
		else
			wsd_cpu_relax();
	}
}

static void test_threads(void **state)
{
	uint32_t in[4], sent = 0, received = 0;
	struct wsd_thread *thread;
	struct pair pair;
	uint64_t i;

	(void)state;
	pair_new(&pair);
	for (i = 0; i < 4; i++)
		post_recv(pair.b, i, &in[i], sizeof(in[i]), NULL);
	assert_int_equal(wsd_thread_start(&thread, "poster", post_many, pair.a), WSD_OK);
	while (sent < THREAD_MESSAGES || received < THREAD_MESSAGES) {
		pair.a->count = pair.a->taken = pair.b->count = pair.b->taken = 0;
		world_poll();
		for (i = 0; i < pair.b->count; i++, received++) {
			uint64_t id = pair.b->log[i].id;

			assert_int_equal(in[id], received);
			post_recv(pair.b, id, &in[id], sizeof(in[id]), NULL);
		}
		for (i = 0; i < pair.a->count; i++, sent++)
			assert_int_equal(pair.a->log[i].id, sent);
	}
	wsd_thread_join(thread);
	pair_free(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(messages),	     TEST(same_queue),
		TEST(mapped_memory), TEST(registered_memory),
		TEST(waiting_work),  TEST(posting_errors),
		TEST(disconnect),    TEST(destroy_cuts),
		TEST(answers),	     TEST(early_memory),
		TEST(arm),	     TEST(threads),
		TEST(out_of_memory), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("shm", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_idle.c - what keeps an idle connection of the shm backend small: the area for messages in its
 * segment, the ring of completions that grows with use, and regions, which are made and announced when needed.
 */

#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/lib/test.h"
#include "tests/unit/test_shm.h"

#define OPS	   wsd_backend_shm
#define LOCAL	   WSD_ACCESS_LOCAL_WRITE
#define DEPTH	   100u /* no power of two */
#define AREA	   (16u * 4096u)
#define CONNECT_NS UINT64_C(5000000000)

static struct end *listener, *a, *b;

/* a has connected, b has accepted. */
static int setup(void **state)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote = world_addr(world_port());
	struct wsd_endpoint_attr deep = shm_attr;

	(void)state;
	test_deadline(60);
	world_open();
	listener = end_new(world_queue());
	listen_on(listener, remote.port, 4);
	a = end_new(world_queue());
	deep.send_depth = DEPTH;
	assert_int_equal(OPS.endpoint_create(a->queue, NULL, &deep, a, &a->endpoint), WSD_OK);
	assert_int_equal(OPS.connect(a->endpoint, &none, &remote, "hello", 5, CONNECT_NS), WSD_OK);
	b = accept_on(listener);
	expect(a, WSD_EV_CONNECTED);
	expect(b, WSD_EV_CONNECTED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	end_free(a);
	end_free(b);
	end_free(listener);
	world_close();
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

static struct wsd_region *mem(struct end *end, uint64_t length, uint32_t access)
{
	struct wsd_region *region = NULL;

	assert_int_equal(OPS.mem_alloc(end->endpoint, length, access, &region), WSD_OK);
	assert_true(region->length >= length);
	return region;
}

/* What a stream asks for: head, rings and its first messages share a page, nothing is announced. */
static void test_one_page(void **state)
{
	struct shm_layout layout;

	(void)state;
	assert_true(shm_layout_make(&layout, 54, 256));
	assert_true(layout.area_offset + 3 * 256 <= SHM_PAGE);
	assert_int_equal(layout.area_offset % SHM_LINE, 0);
	assert_int_equal(layout.area_bytes, 54 * 256);
	assert_true(layout.slot_offset >= layout.area_offset + layout.area_bytes);
	assert_true(layout.length >= layout.slot_offset + layout.rq_size * layout.slot_bytes);
}

static void test_area(void **state)
{
	struct wsd_region *area = mem(b, AREA, LOCAL), *second;
	struct wsd_event *event;

	(void)state;
	assert_int_equal(b->endpoint->mem_count, 0);
	assert_int_equal((uintptr_t)area->base % SHM_LINE, 0);
	post_recv(b, 1, area->base, 100, area);
	post_recv(b, 2, (char *)area->base + AREA - 6, 6, area);
	post(a, WSD_OP_SEND, 1, "first", 6, 0, 0, 0);
	post(a, WSD_OP_SEND, 2, "final", 6, 0, 0, 0);
	expect(b, WSD_EV_RECV);
	event = expect(b, WSD_EV_RECV);
	assert_int_equal(event->id, 2);
	assert_int_equal(event->bytes, 6);
	assert_string_equal(area->base, "first");
	assert_string_equal((char *)area->base + AREA - 6, "final");
	/* There is one; given back it is not given again, messages may still be on their way. */
	second = mem(b, 64, LOCAL);
	assert_int_equal(b->endpoint->mem_count, 1);
	OPS.mem_free(area);
	OPS.mem_free(second);
	second = mem(b, 64, LOCAL);
	assert_int_equal(b->endpoint->mem_count, 1);
	OPS.mem_free(second);
}

static void test_area_not_given(void **state)
{
	struct wsd_region *region;

	(void)state;
	OPS.mem_free(mem(b, AREA + 1, LOCAL));
	OPS.mem_free(mem(b, 100, LOCAL | WSD_ACCESS_REMOTE_WRITE));
	assert_int_equal(OPS.mem_alloc(b->endpoint, 0, LOCAL, &region), WSD_EINVAL);
	assert_null(b->endpoint->area.endpoint);
}

/* The peer may put messages there, and nothing else. */
static void test_area_is_not_remote(void **state)
{
	struct wsd_region *area = mem(b, AREA, LOCAL);

	(void)state;
	post(a, WSD_OP_WRITE, 1, "hostile", 8, SHM_MEM_ADDR, area->remote_key, 0);
	assert_int_equal(expect(a, WSD_EV_SEND)->status, WSD_EREMOTE_ACCESS);
	expect(a, WSD_EV_DISCONNECTED);
	expect(b, WSD_EV_DISCONNECTED);
	assert_int_equal(((char *)area->base)[0], 0);
	OPS.mem_free(area);
}

/* A receiver that names a place outside of its area gets the message in its bounce slot. */
static void test_area_bounds(void **state)
{
	static const uint64_t offsets[] = { AREA - 5, AREA, UINT32_MAX, UINT64_MAX - 2 };
	struct wsd_region *area = mem(b, AREA, LOCAL);
	struct shm_rqe *rqe;
	char in[8];
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		memset(in, 0, sizeof(in));
		post_recv(b, i, in, sizeof(in), NULL);
		rqe = &b->endpoint->own_rq[i];
		atomic_store(&rqe->key, SHM_KEY_AREA);
		atomic_store(&rqe->offset_low, (uint32_t)offsets[i]);
		atomic_store(&rqe->offset_high, (uint32_t)(offsets[i] >> 32));
		post(a, WSD_OP_SEND, i, "bounce", 7, 0, 0, 0);
		assert_int_equal(expect(b, WSD_EV_RECV)->id, i);
		assert_string_equal(in, "bounce");
	}
	for (i = 0; i < AREA; i++)
		assert_int_equal(((char *)area->base)[i], 0);
	OPS.mem_free(area);
}

/* Nobody polls: as many requests as send_depth says, then no more; they complete in order. */
static void test_completions_grow(void **state)
{
	struct wsd_region *target = mem(b, 4096, WSD_ACCESS_REMOTE_WRITE);
	uint32_t first = a->endpoint->sent_size;
	unsigned round, i;

	(void)state;
	assert_true(first < DEPTH);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < DEPTH; i++)
			post(a, WSD_OP_WRITE, i, "x", 1, target->remote_addr, target->remote_key,
			     0);
		assert_int_equal(try_post(a, WSD_OP_WRITE, i, "x", 1, target->remote_addr,
					  target->remote_key, 0),
				 WSD_AGAIN);
		for (i = 0; i < DEPTH; i++)
			assert_int_equal(expect(a, WSD_EV_SEND)->id, i);
		assert_true(quiet(a));
	}
	OPS.mem_free(target);
}

static void test_completions_without_memory(void **state)
{
	struct wsd_region *target = mem(b, 4096, WSD_ACCESS_REMOTE_WRITE);
	unsigned i, first = a->endpoint->sent_size;

	(void)state;
	post(a, WSD_OP_WRITE, 99, "x", 1, target->remote_addr, target->remote_key, 0);
	expect(a, WSD_EV_SEND); /* the region is known by now */
	for (i = 0; i < first; i++)
		post(a, WSD_OP_WRITE, i, "x", 1, target->remote_addr, target->remote_key, 0);
	wsd_alloc_fail_nth(1);
	assert_int_equal(
		try_post(a, WSD_OP_WRITE, i, "x", 1, target->remote_addr, target->remote_key, 0),
		WSD_AGAIN);
	assert_true(wsd_alloc_failed());
	wsd_alloc_fail_nth(0);
	for (i = 0; i < first; i++)
		assert_int_equal(expect(a, WSD_EV_SEND)->id, i);
	post(a, WSD_OP_WRITE, 7, "x", 1, target->remote_addr, target->remote_key, 0);
	assert_int_equal(expect(a, WSD_EV_SEND)->id, 7);
	OPS.mem_free(target);
}

/* The news of a region comes before the peer has counted it, because the peer lost its CPU in between. */
static void test_uncounted(void **state)
{
	_Atomic uint32_t *counted = &a->endpoint->own->mem_sent;
	struct wsd_region *first = mem(b, 4096, WSD_ACCESS_REMOTE_WRITE | LOCAL),
			  *second = mem(b, 4096, WSD_ACCESS_REMOTE_WRITE | LOCAL);

	(void)state;
	atomic_store(counted, 1);
	while (a->endpoint->mem_seen < 2)
		world_poll();
	post(a, WSD_OP_WRITE, 1, "one", 4, first->remote_addr, first->remote_key, 0);
	assert_true(quiet(b));
	atomic_store(counted, 2);
	assert_int_equal(expect(a, WSD_EV_SEND)->status, WSD_OK);
	assert_string_equal(first->base, "one");
	post(a, WSD_OP_WRITE, 2, "two", 4, second->remote_addr, second->remote_key, 0);
	assert_int_equal(expect(a, WSD_EV_SEND)->status, WSD_OK);
	assert_string_equal(second->base, "two");
	OPS.mem_free(first);
	OPS.mem_free(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_page),  TEST(area),	     TEST(area_not_given),
		TEST(area_is_not_remote),	  TEST(area_bounds), TEST(completions_grow),
		TEST(completions_without_memory), TEST(uncounted),
	};

	return cmocka_run_group_tests_name("shm_idle", tests, NULL, NULL);
}

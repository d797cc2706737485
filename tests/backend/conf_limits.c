// SPDX-License-Identifier: BSD-2-Clause
/*
 * conf_limits.c - no memory and no descriptors: errors, no leak, no hang, and work again
 * afterwards.
 */
#include "tests/backend/conformance.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define BC_ALLOC_TRIES 400u
#define SHORT	       (400 * BC_MS)

static enum wsd_status post(struct bc_conn *conn, enum wsd_work_op op, struct bc_buf *buf,
			    const struct wsd_region *remote)
{
	struct wsd_work work;
	struct wsd_sge sge;

	memset(&work, 0, sizeof(work));
	sge.addr = buf->mem;
	sge.length = op == WSD_OP_SEND ? 512 : 20000;
	sge.region = buf->region;
	work.id = 1;
	work.op = op;
	work.flags = WSD_WORK_SIGNALLED;
	work.sge = &sge;
	work.sge_count = 1;
	if (remote) {
		work.remote_addr = remote->remote_addr;
		work.remote_key = remote->remote_key;
	}
	return bc_try_work(conn, &work);
}

/* The request with this number. What an earlier attempt that gave up still brings is turned away. */
static struct wsd_request *request_of(struct bc_pair *p, uint32_t number, uint64_t limit)
{
	struct bc_event *event;

	for (;;) {
		event = bc_try_expect(&p->b, &p->listener, WSD_EV_REQUEST, limit);
		if (!event)
			return NULL;
		if (event->ev.data_length >= sizeof(number) &&
		    memcmp(event->data, &number, sizeof(number)) == 0)
			return event->ev.request;
		bc_ops->reject(event->ev.request, NULL, 0);
	}
}

/*
 * Connect and move a message, giving up at the first error. A failure on one side may leave the
 * other without an event for as long as its limit: SHORT where it may fail, and no event is no
 * error here.
 */
static bool exercise(struct bc_pair *p, uint64_t limit)
{
	static uint32_t number;
	struct wsd_request *request;
	struct wsd_region *region = NULL;
	struct bc_event *event;
	bool moved = false;

	if (bc_try_endpoint(&p->c, &p->a, NULL, NULL) != WSD_OK) {
		p->c.ep = NULL;
		return false;
	}
	number++;
	if (bc_ops->connect(p->c.ep, &bc_any, &p->addr, &number, sizeof(number), limit) != WSD_OK)
		goto out;
	request = request_of(p, number, limit);
	if (!request)
		goto out;
	if (bc_try_endpoint(&p->s, &p->b, request, NULL) != WSD_OK) {
		p->s.ep = NULL;
		bc_ops->reject(request, NULL, 0);
		goto out;
	}
	if (bc_ops->accept(p->s.ep, NULL, 0) != WSD_OK ||
	    !bc_try_expect(&p->a, &p->c, WSD_EV_CONNECTED, limit) ||
	    !bc_try_expect(&p->b, &p->s, WSD_EV_CONNECTED, limit))
		goto out;
	if (bc_ops->mem_alloc(p->s.ep, 65536, WSD_ACCESS_REMOTE_WRITE, &region) != WSD_OK) {
		region = NULL;
		goto out;
	}
	bc_recv(&p->s, &p->sbuf, 0, 512, 1);
	if (post(&p->c, WSD_OP_SEND, &p->cbuf, NULL) != WSD_OK ||
	    post(&p->c, WSD_OP_WRITE, &p->cbuf, region) != WSD_OK)
		goto out;
	event = bc_try_expect(&p->a, &p->c, WSD_EV_SEND, BC_LIMIT);
	moved = event && event->ev.status == WSD_OK &&
		bc_try_expect(&p->b, &p->s, WSD_EV_RECV, BC_LIMIT);
	event = bc_try_expect(&p->a, &p->c, WSD_EV_SEND, BC_LIMIT);
	moved = moved && event && event->ev.status == WSD_OK;
out:
	if (region)
		bc_ops->mem_free(region);
	bc_destroy(&p->c);
	bc_destroy(&p->s);
	/* A request that nobody answered any more. */
	for (event = bc_peek(&p->b, &p->listener); event; event = bc_peek(&p->b, &p->listener)) {
		event->used = true;
		if (event->ev.type == WSD_EV_REQUEST_GONE)
			continue;
		bc_ops->reject(event->ev.request, NULL, 0);
	}
	return moved;
}

static void setup(struct bc_pair *p)
{
	uint32_t all = WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE;

	bc_pair_nodes(p, NULL);
	bc_buf_make(&p->cbuf, &p->a, 65536, all);
	bc_buf_make(&p->sbuf, &p->b, 65536, all);
	BC_CHECK(exercise(p, BC_LIMIT), "it does not work with memory either");
}

static void test_alloc_transfer(void)
{
	unsigned n, failures = 0;
	struct bc_pair p;
	uint64_t live;
	bool failed;

	setup(&p);
	bc_settle(20 * BC_MS);
	for (n = 1; n < BC_ALLOC_TRIES; n++) {
		live = wsd_alloc_live();
		wsd_alloc_fail_nth(n);
		(void)exercise(&p, SHORT);
		failed = wsd_alloc_failed();
		wsd_alloc_fail_nth(0);
		if (!failed)
			break;
		failures++;
		/* What is freed lazily gets its polls; then the count must be the same again. */
		for (unsigned i = 0; i < 200 && wsd_alloc_live() != live; i++)
			bc_pump();
		BC_CHECK(wsd_alloc_live() == live, "%lld blocks leaked with allocation %u failing",
			 (long long)(wsd_alloc_live() - live), n);
	}
	BC_CHECK(n < BC_ALLOC_TRIES, "more than %u allocations for one connection", n);
	BC_CHECK(exercise(&p, BC_LIMIT), "it does not work any more after %u failed allocations",
		 failures);
	bc_pair_close(&p);
}

static void test_alloc_open(void)
{
	struct wsd_listener_ep *listener;
	struct wsd_region *region;
	struct wsd_addr addr;
	struct bc_node node;
	uint8_t mem[256];
	unsigned n;
	intptr_t holder;
	bool failed = true;

	for (n = 1; failed && n < BC_ALLOC_TRIES; n++) {
		wsd_alloc_fail_nth(n);
		if (bc_try_open(&node) == WSD_OK) {
			if (bc_address(&node, WSD_FAMILY_NONE, &addr)) {
				holder = bc_hold_port(&addr);
				if (bc_ops->listen(node.queue, &addr, 4, &node, &listener) ==
				    WSD_OK)
					bc_ops->listener_destroy(listener);
				bc_release_port(holder);
			}
			if (bc_reg(&node, mem, sizeof(mem), WSD_ACCESS_LOCAL, &region) == WSD_OK)
				bc_ops->dereg(region);
			bc_close(&node);
		}
		failed = wsd_alloc_failed();
		wsd_alloc_fail_nth(0);
	}
	BC_CHECK(!failed, "more than %u allocations", n);
}

/* Take every descriptor but a few, so that the limit is met at each place where one is made. */
static void test_descriptors(void)
{
	struct bc_node node;
	struct bc_pair p;
	unsigned spare, failures = 0;

	setup(&p);
	for (spare = 0; spare < 12; spare++) {
		bc_limit_files(spare);
		if (!exercise(&p, SHORT))
			failures++;
		if (spare == 0 && bc_try_open(&node) == WSD_OK)
			bc_close(&node); /* a backend that needs no descriptor may work */
		bc_unlimit_files();
		bc_settle(5 * BC_MS);
	}
	BC_CHECK(exercise(&p, BC_LIMIT),
		 "no connection after the limit was lifted (%u failed under it)", failures);
	bc_pair_close(&p);
}

static void test_descriptors_queue(void)
{
	struct wsd_queue *queue = NULL;
	enum wsd_status status;
	struct bc_node node;

	bc_open(&node);
	bc_limit_files(0);
	status = bc_ops->queue_create(node.device, 64, &node, &queue);
	bc_unlimit_files();
	BC_CHECK(status == WSD_ENOFILES, "queue_create without a descriptor: %s",
		 wsd_status_text(status));
	BC_OK(bc_ops->queue_create(node.device, 64, &node, &queue));
	bc_ops->queue_destroy(queue);
	bc_close(&node);
}

const struct bc_test bc_tests_limits[] = {
	{ "alloc-transfer", test_alloc_transfer, BC_IN_PROCESS },
	{ "alloc-open", test_alloc_open, BC_IN_PROCESS },
	{ "descriptors", test_descriptors, BC_IN_PROCESS },
	{ "descriptors-queue", test_descriptors_queue, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

// SPDX-License-Identifier: BSD-2-Clause
/*
 * conf_service.c - set_traffic_class, for backends that have it: at every age of a connection, with every value, and
 * from another thread. How packets are marked shows only outside; here, that nothing else comes of it.
 */
#include "tests/backend/conformance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "rdma_backend/ops_default.h"

#define BC_MESSAGE 1000u

static void need_op(void)
{
	if (wsd_ops_keeps_traffic_class(bc_ops))
		bc_skip("a connection keeps the type of service that it began with");
}

/* A message, which takes the one receive that is posted, and a WRITE of other bytes; both arrive as they were. */
static void carry_one_way(struct bc_conn *from, struct bc_buf *source, struct bc_conn *to,
			  struct bc_buf *target, unsigned seed)
{
	struct bc_event *event;

	bc_fill(source->mem, BC_MESSAGE, seed);
	bc_fill(source->mem + 8192, 5000, seed + 1);
	memset(target->mem, 0, 16384);
	bc_recv(to, target, 0, BC_MESSAGE, seed);
	bc_rdma(from, WSD_OP_WRITE, source, 8192, 5000, target->region, 8192, seed);
	bc_send(from, source, 0, BC_MESSAGE, seed + 1, WSD_WORK_SIGNALLED);
	event = bc_expect(to->node, to, WSD_EV_RECV);
	BC_CHECK(event->ev.status == WSD_OK && event->ev.id == seed &&
			 event->ev.bytes == BC_MESSAGE,
		 "message: %s, %u bytes", wsd_status_text(event->ev.status), event->ev.bytes);
	bc_done(from, seed, WSD_OK);
	bc_done(from, seed + 1, WSD_OK);
	BC_CHECK(bc_filled(target->mem, BC_MESSAGE, seed), "bytes of the message");
	BC_CHECK(bc_filled(target->mem + 8192, 5000, seed + 1), "bytes written");
}

static void carry(struct bc_pair *p, unsigned seed)
{
	carry_one_way(&p->c, &p->cbuf, &p->s, &p->sbuf, seed);
	carry_one_way(&p->s, &p->sbuf, &p->c, &p->cbuf, seed + 2);
	BC_CHECK(!bc_peek(&p->a, &p->c) && !bc_peek(&p->b, &p->s), "an event too many");
}

/* What is above 255 is no type of service: nothing happens. */
static void test_values(void)
{
	static const uint32_t more[] = {
		256, 0x1a0, 0x10000, 0x7fffffff, 0xffffff00u, 0xffffffffu
	};
	struct bc_pair p;
	unsigned i;

	need_op();
	bc_pair_open(&p, NULL);
	carry(&p, 1);
	for (i = 0; i < 256; i++) {
		bc_ops->set_traffic_class(p.c.ep, i);
		bc_ops->set_traffic_class(p.s.ep, 255 - i);
		if (i % 16 == 0)
			carry(&p, i);
	}
	for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		bc_ops->set_traffic_class(p.c.ep, more[i]);
		bc_ops->set_traffic_class(p.s.ep, more[i]);
		carry(&p, i);
	}
	bc_ops->set_traffic_class(p.c.ep, 0);
	bc_ops->set_traffic_class(p.s.ep, 0);
	carry(&p, 2);
	bc_pair_close(&p);
}

/* With more work under way than any buffer takes, of which nothing is lost, doubled or overtaken. */
static void test_under_way(void)
{
	struct wsd_work work;
	enum wsd_status status = WSD_OK;
	struct wsd_sge sge;
	struct bc_pair p;
	unsigned i, posted;

	need_op();
	bc_pair_open(&p, NULL);
	bc_fill(p.cbuf.mem, BC_BUF_BYTES, 5);
	memset(&work, 0, sizeof(work));
	sge.addr = p.cbuf.mem;
	sge.region = p.cbuf.region;
	sge.length = p.a.attr.max_rdma < BC_BUF_BYTES ? p.a.attr.max_rdma : BC_BUF_BYTES;
	work.op = WSD_OP_WRITE;
	work.flags = WSD_WORK_SIGNALLED;
	work.sge = &sge;
	work.sge_count = 1;
	work.remote_addr = p.sbuf.region->remote_addr;
	work.remote_key = p.sbuf.region->remote_key;
	for (posted = 0; posted < p.c.attr.send_depth; posted++) {
		work.id = posted;
		status = bc_try_work(&p.c, &work);
		if (status != WSD_OK)
			break;
		bc_ops->set_traffic_class(p.c.ep, posted % 2 ? 40u << 2 : 24u << 2);
	}
	BC_CHECK(status == WSD_OK || status == WSD_AGAIN || status == WSD_ENOMEM, "post: %s",
		 wsd_status_text(status));
	for (i = 0; i < posted; i++) {
		bc_done(&p.c, i, WSD_OK);
		bc_ops->set_traffic_class(p.c.ep, i);
		bc_ops->set_traffic_class(p.s.ep, i);
	}
	BC_CHECK(posted > 0 && bc_filled(p.sbuf.mem, sge.length, 5), "bytes written");
	carry(&p, 1);
	bc_pair_close(&p);
}

/* From when it is made: before connect and before accept, and while both are under way. */
static void test_young(void)
{
	uint32_t all = WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE;
	struct bc_event *event;
	struct bc_pair p;

	need_op();
	bc_pair_nodes(&p, NULL);
	bc_buf_make(&p.cbuf, &p.a, BC_BUF_BYTES, all);
	bc_buf_make(&p.sbuf, &p.b, BC_BUF_BYTES, all);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	bc_ops->set_traffic_class(p.c.ep, 40u << 2);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, "hello", 5, BC_LIMIT));
	bc_ops->set_traffic_class(p.c.ep, 48u << 2);
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	BC_CHECK(event->ev.data_length == 5 && memcmp(event->data, "hello", 5) == 0,
		 "request data");
	bc_ops->set_traffic_class(p.c.ep, 24u << 2);
	bc_endpoint(&p.s, &p.b, event->ev.request, NULL);
	bc_ops->set_traffic_class(p.s.ep, 40u << 2);
	BC_OK(bc_ops->accept(p.s.ep, "welcome", 7));
	bc_ops->set_traffic_class(p.s.ep, 24u << 2);
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECTED);
	BC_CHECK(event->ev.data_length == 7 && memcmp(event->data, "welcome", 7) == 0,
		 "accept data");
	bc_expect(&p.b, &p.s, WSD_EV_CONNECTED);
	carry(&p, 1);
	bc_pair_close(&p);
}

/* It does nothing then, and says nothing; the next connection is not concerned. */
static void check_ended(struct bc_pair *p)
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		bc_ops->set_traffic_class(p->c.ep, i * 40);
		if (p->s.ep)
			bc_ops->set_traffic_class(p->s.ep, i * 48);
	}
	for (i = 0; i < 100; i++) {
		bc_poll_all();
		BC_CHECK(!bc_peek(&p->a, &p->c) && !bc_peek(&p->b, &p->s),
			 "an event after the last one");
	}
	bc_destroy(&p->c);
	bc_destroy(&p->s);
	bc_connect_more(p, &p->c, &p->s);
	carry(p, 3);
}

static void test_ended(void)
{
	struct bc_pair p;

	need_op();
	bc_pair_open(&p, NULL);
	BC_OK(bc_ops->disconnect(p.c.ep));
	bc_ops->set_traffic_class(p.c.ep, 40u << 2); /* it has not ended yet */
	bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	check_ended(&p);
	/* Cut by its peer. */
	bc_destroy(&p.s);
	bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	check_ended(&p);
	/* Never come to be. */
	bc_destroy(&p.c);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_destroy(&p.s);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	bc_ops->reject(bc_expect(&p.b, &p.listener, WSD_EV_REQUEST)->ev.request, NULL, 0);
	bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED);
	check_ended(&p);
	bc_pair_close(&p);
}

/* ---- while its owner polls in another thread ---- */

struct marker {
	struct wsd_endpoint *ep;
	pthread_t thread;
	_Atomic unsigned rounds;
	_Atomic bool stop;
};

static void *mark(void *arg)
{
	struct marker *marker = arg;

	while (!marker->stop) {
		bc_ops->set_traffic_class(marker->ep, marker->rounds % 256);
		marker->rounds++;
		bc_yield();
	}
	return NULL;
}

static void marker_start(struct marker *marker, const struct bc_conn *conn)
{
	marker->ep = conn->ep;
	marker->rounds = 0;
	marker->stop = false;
	BC_CHECK(pthread_create(&marker->thread, NULL, mark, marker) == 0, "thread");
	while (marker->rounds == 0)
		bc_yield();
}

static void marker_stop(struct marker *marker)
{
	marker->stop = true;
	pthread_join(marker->thread, NULL);
}

static void test_elsewhere(void)
{
	struct bc_options options = { .recv_bytes = 256 };
	struct marker marker;
	unsigned i, count;
	struct bc_pair p;

	need_op();
	bc_pair_open(&p, &options);
	bc_destroy(&p.c);
	bc_destroy(&p.s);
	bc_endpoint(&p.c, &p.a, NULL, &options);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	marker_start(&marker, &p.c);
	bc_endpoint(&p.s, &p.b, bc_expect(&p.b, &p.listener, WSD_EV_REQUEST)->ev.request, &options);
	BC_OK(bc_ops->accept(p.s.ep, NULL, 0));
	bc_expect(&p.a, &p.c, WSD_EV_CONNECTED);
	bc_expect(&p.b, &p.s, WSD_EV_CONNECTED);
	marker_stop(&marker);
	/* No two calls at once on one connection: this end has its receives before, and answers by itself alone. */
	count = p.c.attr.send_depth < p.s.attr.recv_depth ? p.c.attr.send_depth
							  : p.s.attr.recv_depth;
	for (i = 0; i < count; i++)
		bc_recv(&p.s, &p.sbuf, i * 256, 256, i);
	marker_start(&marker, &p.s);
	for (i = 0; i < count; i++) {
		bc_fill(p.cbuf.mem + i * 256, 256, i);
		bc_send(&p.c, &p.cbuf, i * 256, 256, i, WSD_WORK_SIGNALLED);
	}
	for (i = 0; i < count; i++) {
		BC_CHECK(bc_expect(&p.b, &p.s, WSD_EV_RECV)->ev.id == i, "message %u", i);
		bc_done(&p.c, i, WSD_OK);
		BC_CHECK(bc_filled(p.sbuf.mem + i * 256, 256, i), "bytes of message %u", i);
	}
	bc_destroy(&p.c);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	marker_stop(&marker);
	bc_pair_close(&p);
}

const struct bc_test bc_tests_service[] = {
	{ "traffic-class-values", test_values, BC_IN_PROCESS },
	{ "traffic-class-under-way", test_under_way, BC_IN_PROCESS },
	{ "traffic-class-young", test_young, BC_IN_PROCESS },
	{ "traffic-class-ended", test_ended, BC_IN_PROCESS },
	{ "traffic-class-elsewhere", test_elsewhere, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

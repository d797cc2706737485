// SPDX-License-Identifier: BSD-2-Clause
/*
 * conf_refuse.c - what a backend must refuse: malformed work at once, forbidden remote access
 * with an error that ends this connection and touches nothing else.
 */
#include "tests/backend/conformance.h"

#include <string.h>

#define BC_ALL (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

/* The work fails with status, both sides are disconnected for a reason, the target is untouched. */
static void refused(struct bc_pair *p, uint64_t id, const uint8_t *target, size_t length)
{
	struct bc_event *event;

	bc_done(&p->c, id, WSD_EREMOTE_ACCESS);
	event = bc_expect(&p->a, &p->c, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status < 0, "here: %s", wsd_status_text(event->ev.status));
	event = bc_expect(&p->b, &p->s, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status < 0, "target: %s", wsd_status_text(event->ev.status));
	if (target)
		BC_CHECK(bc_filled(target, length, 42), "the target's memory was changed");
	bc_destroy(&p->c);
	bc_destroy(&p->s);
}

static void again(struct bc_pair *p)
{
	bc_connect_more(p, &p->c, &p->s);
	bc_fill(p->sbuf.mem, 8192, 42);
}

static void test_bad_key(void)
{
	static const uint32_t keys[] = { 0, 1, 0xffffffffu, 0xdeadbeefu };
	struct wsd_region fake;
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, NULL);
	bc_fill(p.sbuf.mem, 8192, 42);
	for (i = 0; i < 5; i++) {
		if (i)
			again(&p);
		fake = *p.sbuf.region;
		fake.remote_key = i < 4 ? keys[i] : p.sbuf.region->remote_key ^ 0x10001u;
		if (fake.remote_key == p.sbuf.region->remote_key ||
		    fake.remote_key == p.cbuf.region->remote_key)
			fake.remote_key = 0x7fffffffu;
		bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, &fake, 0, i);
		refused(&p, i, p.sbuf.mem, 8192);
	}
	bc_pair_close(&p);
}

static void test_out_of_range(void)
{
	static const struct {
		int64_t offset;
		uint32_t length;
	} cases[] = {
		{ BC_BUF_BYTES, 1 },
		{ BC_BUF_BYTES - 99, 100 },
		{ -1, 1 },
		{ -50, 100 },
		{ INT64_MIN, 100 },
		{ INT64_MAX, 100 },
		{ (int64_t)1 << 32, 100 },
	};
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, NULL);
	bc_fill(p.sbuf.mem, 8192, 42);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (i)
			again(&p);
		bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, cases[i].length, p.sbuf.region,
			(uint64_t)cases[i].offset, i);
		refused(&p, i, p.sbuf.mem, 8192);
	}
	if (p.a.attr.caps & WSD_CAP_READ) {
		again(&p);
		bc_rdma(&p.c, WSD_OP_READ, &p.cbuf, 0, 100, p.sbuf.region, BC_BUF_BYTES - 1, 50);
		refused(&p, 50, NULL, 0);
	}
	bc_pair_close(&p);
}

static void try_rights(uint32_t access, enum wsd_work_op op)
{
	struct bc_pair p;
	struct bc_buf only;

	bc_pair_open(&p, NULL);
	if ((op == WSD_OP_READ && !(p.a.attr.caps & WSD_CAP_READ))) {
		bc_pair_close(&p);
		return;
	}
	bc_buf_make(&only, &p.b, 8192, access);
	bc_fill(only.mem, 8192, 42);
	bc_rdma(&p.c, op, &p.cbuf, 0, 100, only.region, 10, 1);
	refused(&p, 1, only.mem, 8192);
	bc_buf_free(&only);
	bc_pair_close(&p);
}

static void test_rights(void)
{
	try_rights(WSD_ACCESS_LOCAL, WSD_OP_WRITE);
	try_rights(WSD_ACCESS_LOCAL_WRITE, WSD_OP_WRITE);
	try_rights(WSD_ACCESS_REMOTE_READ, WSD_OP_WRITE);
	try_rights(WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_WRITE, WSD_OP_READ);
}

static void test_rights_backend_memory(void)
{
	struct wsd_region *region;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	BC_OK(bc_ops->mem_alloc(p.s.ep, 8192, WSD_ACCESS_REMOTE_READ, &region));
	bc_fill(region->base, 8192, 42);
	bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, region, 10, 1);
	bc_done(&p.c, 1, WSD_EREMOTE_ACCESS);
	BC_CHECK(bc_filled(region->base, 8192, 42), "memory without write rights was changed");
	bc_pair_close(&p);
}

static void test_after_dereg(void)
{
	struct wsd_region old;
	uint8_t *mem;
	struct bc_pair p;
	struct bc_buf one;

	bc_pair_open(&p, NULL);
	bc_buf_make(&one, &p.b, 8192, BC_ALL);
	bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, one.region, 0, 1);
	bc_done(&p.c, 1, WSD_OK);
	old = *one.region;
	mem = one.mem;
	bc_ops->dereg(one.region);
	one.region = NULL;
	bc_fill(mem, 8192, 42);
	bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, &old, 0, 2);
	refused(&p, 2, mem, 8192);
	bc_buf_free(&one);
	bc_pair_close(&p);
}

static void test_after_mem_free(void)
{
	struct wsd_region *region, old;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	BC_OK(bc_ops->mem_alloc(p.s.ep, 8192, BC_ALL, &region));
	bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, region, 0, 1);
	bc_done(&p.c, 1, WSD_OK);
	old = *region;
	bc_ops->mem_free(region);
	bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 100, &old, 0, 2);
	refused(&p, 2, NULL, 0);
	bc_pair_close(&p);
}

/* c may not reach this memory, which is another connection's. */
static void not_yours(struct bc_conn *c, struct bc_buf *from, enum wsd_work_op op,
		      const struct wsd_region *region)
{
	struct bc_event *event;

	bc_fill(region->base, 8192, 42);
	bc_rdma(c, op, from, 0, 100, region, 0, 1);
	event = bc_expect(c->node, c, WSD_EV_SEND);
	if (!(c->node->attr.caps & WSD_CAP_SOFTWARE) && event->ev.status == WSD_OK)
		bc_skip("keys of this adapter hold for all its connections");
	BC_CHECK(event->ev.status == WSD_EREMOTE_ACCESS, "%s", wsd_status_text(event->ev.status));
	BC_CHECK(bc_filled(region->base, 8192, 42), "another connection's memory was changed");
	bc_expect(c->node, c, WSD_EV_DISCONNECTED);
}

/* Memory of mem_alloc is for the peer of that one connection. */
static void test_other_connection(void)
{
	struct bc_conn c2, s2;
	struct wsd_region *region;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	bc_connect_more(&p, &c2, &s2);
	BC_OK(bc_ops->mem_alloc(s2.ep, 8192, BC_ALL, &region));
	not_yours(&p.c, &p.cbuf, WSD_OP_WRITE, region);
	/* The connection that owns it is not harmed. */
	bc_rdma(&c2, WSD_OP_WRITE, &p.cbuf, 0, 100, region, 0, 2);
	bc_done(&c2, 2, WSD_OK);
	bc_destroy(&c2);
	bc_destroy(&s2);
	bc_pair_close(&p);
}

/* And so is memory of reg, once it is bound to it. */
static void bound_to_other(enum wsd_work_op op)
{
	struct bc_conn c2, s2;
	struct bc_buf one;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	if (op == WSD_OP_WRITE || (p.a.attr.caps & WSD_CAP_READ)) {
		bc_connect_more(&p, &c2, &s2);
		bc_buf_make(&one, &p.b, 8192, BC_ALL);
		bc_ops->bind(one.region, s2.ep);
		not_yours(&p.c, &p.cbuf, op, one.region);
		bc_rdma(&c2, op, &p.cbuf, 0, 100, one.region, 0, 2);
		bc_done(&c2, 2, WSD_OK);
		bc_buf_free(&one);
		bc_destroy(&c2);
		bc_destroy(&s2);
	}
	bc_pair_close(&p);
}

static void test_bound(void)
{
	bound_to_other(WSD_OP_WRITE);
	bound_to_other(WSD_OP_READ);
}

/* Nobody inherits it: not even a connection that is made where the bound one was. */
static void test_bound_outlived(void)
{
	struct bc_conn c2, s2;
	struct bc_buf one;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	bc_connect_more(&p, &c2, &s2);
	bc_buf_make(&one, &p.b, 8192, BC_ALL);
	bc_ops->bind(one.region, s2.ep);
	bc_rdma(&c2, WSD_OP_WRITE, &p.cbuf, 0, 100, one.region, 0, 2);
	bc_done(&c2, 2, WSD_OK);
	bc_destroy(&c2);
	bc_destroy(&s2);
	bc_connect_more(&p, &c2, &s2);
	not_yours(&c2, &p.cbuf, WSD_OP_WRITE, one.region);
	bc_buf_free(&one);
	bc_destroy(&c2);
	bc_destroy(&s2);
	bc_pair_close(&p);
}

static void test_too_long_message(void)
{
	struct bc_event *event;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	memset(p.sbuf.mem, 0x33, 8192);
	bc_recv(&p.s, &p.sbuf, 0, 100, 5);
	bc_send(&p.c, &p.cbuf, 0, 101, 6, WSD_WORK_SIGNALLED);
	event = bc_expect(&p.b, &p.s, WSD_EV_RECV);
	BC_CHECK(event->ev.status == WSD_ELENGTH && event->ev.id == 5, "receiver: %s",
		 wsd_status_text(event->ev.status));
	BC_CHECK(p.sbuf.mem[100] == 0x33, "written behind the receive");
	event = bc_expect(&p.a, &p.c, WSD_EV_SEND);
	BC_CHECK(event->ev.status < 0, "sender: %s", wsd_status_text(event->ev.status));
	bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_pair_close(&p);
}

/* A malformed request: EINVAL, itself and what follows not taken, what precedes it taken. */
static void malformed(struct bc_pair *p, struct wsd_work *bad, const char *what)
{
	struct wsd_sge sge;
	struct wsd_work good[2];
	uint32_t posted = 99;
	enum wsd_status status;

	memset(good, 0, sizeof(good));
	sge.addr = p->cbuf.mem;
	sge.length = 10;
	sge.region = p->cbuf.region;
	good[0].id = 100;
	good[0].op = good[1].op = WSD_OP_WRITE;
	good[0].flags = good[1].flags = WSD_WORK_SIGNALLED;
	good[0].sge = good[1].sge = &sge;
	good[0].sge_count = good[1].sge_count = 1;
	good[0].remote_addr = good[1].remote_addr = p->sbuf.region->remote_addr;
	good[0].remote_key = good[1].remote_key = p->sbuf.region->remote_key;
	good[0].next = bad;
	bad->next = &good[1];
	status = bc_ops->post_send(p->c.ep, good, &posted);
	bad->next = NULL;
	BC_CHECK(status == WSD_EINVAL, "%s: %s", what, wsd_status_text(status));
	BC_CHECK(posted == 1, "%s: posted %u, only the one before it is right", what, posted);
	bc_done(&p->c, 100, WSD_OK);
}

static void test_malformed(void)
{
	struct wsd_sge sge[80];
	struct wsd_work bad;
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, NULL);
	for (i = 0; i < 80; i++) {
		sge[i].addr = p.cbuf.mem;
		sge[i].length = 1;
		sge[i].region = p.cbuf.region;
	}
	memset(&bad, 0, sizeof(bad));
	bad.id = 666;
	bad.sge = sge;
	if (p.a.attr.max_sge < 80) {
		bad.sge_count = p.a.attr.max_sge + 1; /* up to there a device may be generous */
		malformed(&p, &bad, "too many elements");
	}
	bad.sge_count = 1;
	bad.op = (enum wsd_work_op)9;
	malformed(&p, &bad, "unknown operation");
	bad.op = WSD_OP_SEND;
	if (p.a.attr.max_message < UINT32_MAX) {
		sge[0].length = p.a.attr.max_message + 1;
		malformed(&p, &bad, "message above max_message");
	}
	if (p.a.attr.max_rdma < UINT32_MAX) {
		bad.op = WSD_OP_WRITE;
		sge[0].length = p.a.attr.max_rdma + 1;
		malformed(&p, &bad, "WRITE above max_rdma");
		bad.op = WSD_OP_SEND;
	}
	bad.flags = WSD_WORK_INLINE;
	sge[0].length = p.a.attr.max_inline + 1;
	malformed(&p, &bad, "inline above max_inline");
	bad.flags = 0;
	sge[0].length = 16;
	if (!(p.a.attr.caps & WSD_CAP_WRITE_IMM)) {
		bad.op = WSD_OP_WRITE_IMM;
		malformed(&p, &bad, "immediate without the capability");
	}
	if (!(p.a.attr.caps & WSD_CAP_READ)) {
		bad.op = WSD_OP_READ;
		malformed(&p, &bad, "READ without the capability");
	}
	if (!(p.a.attr.caps & WSD_CAP_COPY_AT_POST)) {
		bad.op = WSD_OP_SEND;
		sge[0].region = NULL;
		malformed(&p, &bad, "no region");
	}
	bc_pair_close(&p);
}

static void test_malformed_receive(void)
{
	struct wsd_recv recv;
	enum wsd_status status;
	uint32_t posted = 99;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	memset(&recv, 0, sizeof(recv));
	recv.sge.addr = p.sbuf.mem;
	recv.sge.length = p.s.attr.recv_bytes + 1;
	recv.sge.region = p.sbuf.region;
	status = bc_ops->post_recv(p.s.ep, &recv, &posted);
	BC_CHECK(status == WSD_EINVAL && posted == 0, "receive above recv_bytes: %s, posted %u",
		 wsd_status_text(status), posted);
	bc_pair_close(&p);
}

static void test_queue_full(void)
{
	struct bc_options options = { .send_depth = 4, .recv_depth = 4 };
	struct wsd_work work[6];
	struct wsd_recv recv[6];
	struct wsd_sge sge;
	enum wsd_status status;
	uint32_t posted = 99, i, depth;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	memset(work, 0, sizeof(work));
	memset(recv, 0, sizeof(recv));
	sge.addr = p.sbuf.mem;
	sge.length = 64;
	sge.region = p.sbuf.region;
	for (i = 0; i < 6; i++) {
		recv[i].id = i;
		recv[i].sge = sge;
		recv[i].next = i < 5 ? &recv[i + 1] : NULL;
	}
	depth = p.s.attr.recv_depth;
	status = bc_ops->post_recv(p.s.ep, recv, &posted);
	BC_CHECK(status == WSD_AGAIN && posted == depth, "receives: %s, posted %u of depth %u",
		 wsd_status_text(status), posted, depth);
	sge.addr = p.cbuf.mem;
	sge.region = p.cbuf.region;
	depth = p.c.attr.send_depth;
	/* No receive at the connector: messages from the other side cannot complete and fill it. */
	for (i = 0; i < 6; i++) {
		work[i].id = i;
		work[i].flags = WSD_WORK_SIGNALLED;
		work[i].sge = &sge;
		work[i].sge_count = 1;
		work[i].next = i < 5 ? &work[i + 1] : NULL;
	}
	status = bc_ops->post_send(p.c.ep, work, &posted);
	BC_CHECK(status == WSD_AGAIN && posted == depth, "work: %s, posted %u of depth %u",
		 wsd_status_text(status), posted, depth);
	for (i = 0; i < depth; i++)
		bc_done(&p.c, i, WSD_OK);
	for (i = 0; i < depth; i++)
		bc_expect(&p.b, &p.s, WSD_EV_RECV);
	/* There is room again. */
	bc_recv(&p.s, &p.sbuf, 0, 64, 9);
	bc_send(&p.c, &p.cbuf, 0, 64, 9, WSD_WORK_SIGNALLED);
	bc_done(&p.c, 9, WSD_OK);
	bc_pair_close(&p);
}

static void test_not_connected(void)
{
	struct wsd_work work;
	struct bc_pair p;

	memset(&work, 0, sizeof(work));
	work.flags = WSD_WORK_SIGNALLED;
	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_CHECK(bc_try_work(&p.c, &work) == WSD_ESTATE, "work before connect");
	BC_CHECK(bc_ops->disconnect(p.c.ep) == WSD_ESTATE, "disconnect before connect");
	BC_CHECK(bc_ops->accept(p.c.ep, NULL, 0) != WSD_OK, "accept without a request");
	bc_destroy(&p.c);
	bc_connect_more(&p, &p.c, &p.s);
	BC_OK(bc_ops->disconnect(p.c.ep));
	BC_CHECK(bc_try_work(&p.c, &work) == WSD_ESTATE, "work after disconnect");
	bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	BC_CHECK(bc_try_work(&p.c, &work) == WSD_ESTATE, "work after DISCONNECTED");
	BC_CHECK(bc_try_work(&p.s, &work) == WSD_ESTATE, "work of the peer after DISCONNECTED");
	bc_pair_close(&p);
}

static void test_bad_attributes(void)
{
	struct wsd_endpoint_attr attr;
	struct wsd_endpoint *ep = NULL;
	struct wsd_region *region = NULL;
	struct bc_node node;

	bc_open(&node);
	bc_attr(&node, NULL, &attr);
	attr.send_depth = node.attr.max_send + 1;
	if (node.attr.max_send < UINT32_MAX)
		BC_CHECK(bc_ops->endpoint_create(node.queue, NULL, &attr, &ep, &ep) == WSD_EINVAL,
			 "send_depth above max_send");
	bc_attr(&node, NULL, &attr);
	attr.max_send_sge = node.attr.max_sge + 1;
	BC_CHECK(bc_ops->endpoint_create(node.queue, NULL, &attr, &ep, &ep) == WSD_EINVAL,
		 "max_send_sge above max_sge");
	BC_CHECK(bc_ops->reg(node.queue, &attr, 0, WSD_ACCESS_LOCAL, 1, &region) == WSD_EINVAL,
		 "registration of nothing");
	BC_CHECK(bc_ops->reg(node.queue, &attr, 8, 0x8000, 1, &region) == WSD_EINVAL,
		 "registration with unknown rights");
	bc_close(&node);
}

const struct bc_test bc_tests_refuse[] = {
	{ "bad-key", test_bad_key, BC_IN_PROCESS },
	{ "out-of-range", test_out_of_range, BC_IN_PROCESS },
	{ "rights", test_rights, BC_IN_PROCESS },
	{ "rights-backend-memory", test_rights_backend_memory, BC_IN_PROCESS },
	{ "after-dereg", test_after_dereg, BC_IN_PROCESS },
	{ "after-mem-free", test_after_mem_free, BC_IN_PROCESS },
	{ "other-connection", test_other_connection, BC_IN_PROCESS },
	{ "bound", test_bound, BC_IN_PROCESS },
	{ "bound-outlived", test_bound_outlived, BC_IN_PROCESS },
	{ "too-long-message", test_too_long_message, BC_IN_PROCESS },
	{ "malformed", test_malformed, BC_IN_PROCESS },
	{ "malformed-receive", test_malformed_receive, BC_IN_PROCESS },
	{ "queue-full", test_queue_full, BC_IN_PROCESS },
	{ "not-connected", test_not_connected, BC_IN_PROCESS },
	{ "bad-attributes", test_bad_attributes, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

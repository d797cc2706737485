// SPDX-License-Identifier: BSD-2-Clause
/* conf_data.c - messages, RDMA, signalling, memory, and the order in which connections end. */
#include "tests/backend/conformance.h"

#include <stdlib.h>
#include <string.h>

#define BC_ALL (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

static const uint32_t sizes[] = { 0,	1,    2,    3,	  7,	 8,	63,    64,
				  65,	127,  128,  129,  255,	 256,	1023,  1024,
				  4095, 4096, 4097, 8192, 65535, 65536, 65537, 131072 };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void test_send_order(void)
{
	struct bc_options options = { .recv_bytes = 256, .receives = 8 };
	struct bc_event *event;
	unsigned sent = 0, got = 0;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	while (got < 500) {
		/* A receive is posted again as soon as it is read: so many may be under way. */
		while (sent < 500 && sent < got + p.options.receives &&
		       sent < got + p.c.attr.send_depth) {
			memcpy(p.cbuf.mem + (sent % 64) * 256, &sent, sizeof(sent));
			bc_send(&p.c, &p.cbuf, (sent % 64) * 256, 4 + sent % 100, sent,
				WSD_WORK_SIGNALLED);
			sent++;
		}
		event = bc_expect(&p.b, &p.s, WSD_EV_RECV);
		BC_CHECK(event->ev.status == WSD_OK && event->ev.bytes == 4 + got % 100,
			 "message %u: %u bytes", got, event->ev.bytes);
		BC_CHECK(event->ev.id == got % p.options.receives,
			 "receives are not used in order");
		BC_CHECK(memcmp(p.sbuf.mem + event->ev.id * 256, &got, sizeof(got)) == 0,
			 "message %u has another's bytes", got);
		bc_recv(&p.s, &p.sbuf, event->ev.id * 256, 256, event->ev.id);
		bc_done(&p.c, got, WSD_OK);
		got++;
	}
	bc_pair_close(&p);
}

static void test_both_directions(void)
{
	struct bc_options options = { .recv_bytes = 512, .receives = 4 };
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, &options);
	for (i = 0; i < 200; i++) {
		bc_fill(p.cbuf.mem + 8192, 512, i);
		bc_fill(p.sbuf.mem + 8192, 512, i + 1000);
		bc_send(&p.c, &p.cbuf, 8192, 512, i, WSD_WORK_SIGNALLED);
		bc_send(&p.s, &p.sbuf, 8192, 512, i, WSD_WORK_SIGNALLED);
		bc_expect(&p.a, &p.c, WSD_EV_RECV);
		bc_expect(&p.b, &p.s, WSD_EV_RECV);
		BC_CHECK(bc_filled(p.cbuf.mem + (i % 4) * 512, 512, i + 1000), "a's message %u", i);
		BC_CHECK(bc_filled(p.sbuf.mem + (i % 4) * 512, 512, i), "b's message %u", i);
		bc_recv(&p.c, &p.cbuf, (i % 4) * 512, 512, i);
		bc_recv(&p.s, &p.sbuf, (i % 4) * 512, 512, i);
		bc_done(&p.c, i, WSD_OK);
		bc_done(&p.s, i, WSD_OK);
	}
	bc_pair_close(&p);
}

static void test_send_sizes(void)
{
	struct bc_options options = { .recv_bytes = UINT32_MAX, .recv_depth = 4, .send_depth = 4 };
	uint32_t max, length;
	struct bc_pair p;
	struct bc_buf from, to;
	unsigned i;

	bc_pair_open(&p, &options);
	max = p.a.attr.max_message < (4u << 20) ? p.a.attr.max_message : 4u << 20;
	bc_buf_make(&from, &p.a, max, WSD_ACCESS_LOCAL);
	bc_buf_make(&to, &p.b, max, WSD_ACCESS_LOCAL);
	for (i = 0; i <= SIZES; i++) {
		length = i < SIZES && sizes[i] < max ? sizes[i] : max;
		bc_fill(from.mem, length, i);
		memset(to.mem, 0, length);
		bc_recv(&p.s, &to, 0, length, i);
		bc_send(&p.c, &from, 0, length, i, WSD_WORK_SIGNALLED);
		BC_CHECK(bc_expect(&p.b, &p.s, WSD_EV_RECV)->ev.bytes == length, "%u bytes",
			 length);
		BC_CHECK(bc_filled(to.mem, length, i), "bytes of a message of %u", length);
		bc_done(&p.c, i, WSD_OK);
	}
	bc_buf_free(&from);
	bc_buf_free(&to);
	bc_pair_close(&p);
}

static struct wsd_sge gathered(struct bc_buf *from, uint32_t i, uint32_t at)
{
	return (struct wsd_sge){ from->mem + at, i == 1 ? 0 : 17 + 100 * i, from->region };
}

static void gather(unsigned receives)
{
	struct bc_options options = { .receives = receives };
	uint32_t i, count, at = 0;
	struct wsd_work work;
	struct wsd_sge sge[4];
	struct bc_pair p;

	bc_pair_open(&p, &options);
	count = p.c.attr.max_send_sge;
	bc_fill(p.cbuf.mem, 4096, 9);
	for (i = 0; i < count; at += sge[i++].length)
		sge[i] = gathered(&p.cbuf, i, at);
	memset(&work, 0, sizeof(work));
	work.op = WSD_OP_SEND;
	work.flags = WSD_WORK_SIGNALLED | WSD_WORK_STABLE;
	work.sge = sge;
	work.sge_count = count;
	work.id = 77;
	BC_OK(bc_try_work(&p.c, &work));
	memset(sge, 0, sizeof(sge)); /* the list is the caller's again, the memory is not */
	if (receives == 0) {
		bc_settle(BC_MS);
		bc_recv(&p.s, &p.sbuf, 0, at, 0);
	}
	BC_CHECK(bc_expect(&p.b, &p.s, WSD_EV_RECV)->ev.bytes == at, "bytes gathered");
	BC_CHECK(bc_filled(p.sbuf.mem, at, 9), "gathered bytes");
	bc_done(&p.c, 77, WSD_OK);
	for (at = i = 0; i < count; at += sge[i++].length)
		sge[i] = gathered(&p.cbuf, i, at);
	work.op = WSD_OP_WRITE;
	work.remote_addr = p.sbuf.region->remote_addr + 5000;
	work.remote_key = p.sbuf.region->remote_key;
	BC_OK(bc_try_work(&p.c, &work));
	bc_done(&p.c, 77, WSD_OK);
	BC_CHECK(bc_filled(p.sbuf.mem + 5000, at, 9), "bytes gathered by a WRITE");
	bc_pair_close(&p);
}

static void test_gather(void)
{
	gather(1);
	gather(0); /* it has to wait for its receive */
}

static void rdma_sizes(enum wsd_work_op op, bool from_backend)
{
	struct bc_options options = { .send_depth = 4, .recv_depth = 4 };
	struct wsd_region *remote;
	struct bc_event *event;
	uint32_t max, length;
	uint8_t *target;
	struct bc_pair p;
	struct bc_buf from, to;
	unsigned i;

	bc_pair_open(&p, &options);
	max = p.a.attr.max_rdma < (4u << 20) ? p.a.attr.max_rdma : 4u << 20;
	bc_buf_make(&from, &p.a, max, BC_ALL);
	bc_buf_make(&to, &p.b, max + 64, BC_ALL);
	remote = to.region;
	if (from_backend)
		BC_OK(bc_ops->mem_alloc(p.s.ep, max + 64, BC_ALL, &remote));
	target = remote->base;
	for (i = 0; i <= SIZES; i++) {
		length = i < SIZES && sizes[i] < max ? sizes[i] : max;
		bc_fill(op == WSD_OP_READ ? target + 13 : from.mem, length, i);
		if (op == WSD_OP_WRITE_IMM)
			bc_recv(&p.s, &p.sbuf, 0, 0, i);
		target[12] = 0xee;
		target[13 + length] = 0xee;
		bc_rdma(&p.c, op, &from, 0, length, remote, 13, i);
		bc_done(&p.c, i, WSD_OK);
		BC_CHECK(bc_filled(op == WSD_OP_READ ? from.mem : target + 13, length, i),
			 "bytes of %u moved", length);
		BC_CHECK(target[12] == 0xee && target[13 + length] == 0xee, "bytes beside it");
		if (op != WSD_OP_WRITE_IMM)
			continue;
		event = bc_expect(&p.b, &p.s, WSD_EV_RECV_IMM);
		BC_CHECK(event->ev.imm == (i ^ 0xa5000000u) && event->ev.bytes == length &&
				 event->ev.id == i,
			 "imm %x bytes %u id %llu", event->ev.imm, event->ev.bytes,
			 (unsigned long long)event->ev.id);
	}
	if (from_backend)
		bc_ops->mem_free(remote);
	bc_buf_free(&from);
	bc_buf_free(&to);
	bc_pair_close(&p);
}

static uint32_t caps(void)
{
	struct bc_node node;
	uint32_t have;

	bc_open(&node);
	have = node.attr.caps;
	bc_close(&node);
	return have;
}

static void test_write_sizes(void)
{
	rdma_sizes(WSD_OP_WRITE, false);
}

static void test_write_backend_memory(void)
{
	rdma_sizes(WSD_OP_WRITE, true);
}

static void test_write_imm_sizes(void)
{
	if (!(caps() & WSD_CAP_WRITE_IMM))
		bc_skip("no immediate data");
	rdma_sizes(WSD_OP_WRITE_IMM, false);
	rdma_sizes(WSD_OP_WRITE_IMM, true);
}

static void test_read_sizes(void)
{
	if (!(caps() & WSD_CAP_READ))
		bc_skip("no READ");
	rdma_sizes(WSD_OP_READ, false);
	rdma_sizes(WSD_OP_READ, true);
}

/* The bytes of a WRITE are there when a message posted behind it arrives. */
static void test_write_then_send(void)
{
	struct bc_options options = { .recv_bytes = 256, .receives = 4 };
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, &options);
	for (i = 0; i < 300; i++) {
		bc_fill(p.cbuf.mem, 20000, i);
		bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 20000, p.sbuf.region, 65536, i);
		bc_send(&p.c, &p.cbuf, 0, 16, i + 5000, WSD_WORK_SIGNALLED);
		bc_expect(&p.b, &p.s, WSD_EV_RECV);
		BC_CHECK(bc_filled(p.sbuf.mem + 65536, 20000, i), "the message overtook the WRITE");
		bc_recv(&p.s, &p.sbuf, (i % 4) * 256, 256, i);
		bc_done(&p.c, i, WSD_OK);
		bc_done(&p.c, i + 5000, WSD_OK);
	}
	bc_pair_close(&p);
}

static void test_imm_and_messages(void)
{
	struct bc_options options = { .recv_bytes = 256, .receives = 6 };
	struct bc_event *event;
	struct bc_pair p;
	unsigned i, count;

	bc_pair_open(&p, &options);
	if (!(p.a.attr.caps & WSD_CAP_WRITE_IMM))
		bc_skip("no immediate data");
	count = p.options.receives < p.c.attr.send_depth ? p.options.receives : p.c.attr.send_depth;
	memset(p.sbuf.mem, 0x55, 6 * 256);
	for (i = 0; i < count; i++) {
		if (i & 1)
			bc_rdma(&p.c, WSD_OP_WRITE_IMM, &p.cbuf, 0, 100, p.sbuf.region, 8192, i);
		else
			bc_send(&p.c, &p.cbuf, 0, 10, i, WSD_WORK_SIGNALLED);
	}
	for (i = 0; i < count; i++) {
		do
			event = bc_next(&p.b, &p.s, BC_LIMIT);
		while (event && event->ev.type == WSD_EV_SEND);
		BC_CHECK(event && event->ev.id == i, "receive %u", i);
		BC_CHECK(event->ev.type == (i & 1 ? WSD_EV_RECV_IMM : WSD_EV_RECV), "%s at %u",
			 bc_type(event->ev.type), i);
		if (i & 1)
			BC_CHECK(p.sbuf.mem[i * 256] == 0x55, "an immediate touched its receive");
		bc_done(&p.c, i, WSD_OK);
	}
	bc_pair_close(&p);
}

/* By op, from memory without a region that is overwritten as soon as post_send has returned. */
static void inline_op(enum wsd_work_op op)
{
	struct bc_options options = { .receives = 1 };
	struct wsd_work work;
	struct wsd_sge sge;
	uint8_t *data;
	struct bc_pair p;
	uint32_t length;

	bc_pair_open(&p, &options);
	length = p.a.attr.max_inline < p.c.attr.recv_bytes ? p.a.attr.max_inline
							   : p.c.attr.recv_bytes;
	if (!length)
		bc_skip("no inline data");
	data = malloc(length);
	bc_fill(data, length, 4);
	memset(&work, 0, sizeof(work));
	sge.addr = data;
	sge.length = length;
	sge.region = NULL;
	work.op = op;
	work.flags = WSD_WORK_SIGNALLED | WSD_WORK_INLINE;
	work.sge = &sge;
	work.sge_count = 1;
	work.remote_addr = p.sbuf.region->remote_addr;
	work.remote_key = p.sbuf.region->remote_key;
	BC_OK(bc_try_work(&p.c, &work));
	memset(data, 0, length);
	free(data);
	if (op == WSD_OP_WRITE) /* in order: it is there when this is */
		bc_send(&p.c, &p.cbuf, 0, 0, 1, WSD_WORK_SIGNALLED);
	bc_expect(&p.b, &p.s, op == WSD_OP_WRITE_IMM ? WSD_EV_RECV_IMM : WSD_EV_RECV);
	BC_CHECK(bc_filled(p.sbuf.mem, length, 4), "inline data were read after post_send");
	bc_done(&p.c, 0, WSD_OK);
	bc_pair_close(&p);
}

static void test_inline(void)
{
	inline_op(WSD_OP_SEND);
}

static void test_inline_write(void)
{
	inline_op(WSD_OP_WRITE);
	if (caps() & WSD_CAP_WRITE_IMM)
		inline_op(WSD_OP_WRITE_IMM);
}

static void test_copy_at_post(void)
{
	struct bc_options options = { .receives = 1 };
	struct wsd_work work;
	struct wsd_sge sge;
	uint8_t data[3000];
	struct bc_pair p;

	bc_pair_open(&p, &options);
	if (!(p.a.attr.caps & WSD_CAP_COPY_AT_POST) || p.s.attr.recv_bytes < sizeof(data))
		bc_skip("sources are not copied while posting");
	memset(&work, 0, sizeof(work));
	bc_fill(data, sizeof(data), 6);
	sge.addr = data;
	sge.length = sizeof(data);
	sge.region = NULL;
	work.op = WSD_OP_SEND;
	work.flags = WSD_WORK_SIGNALLED;
	work.sge = &sge;
	work.sge_count = 1;
	BC_OK(bc_try_work(&p.c, &work));
	memset(data, 0, sizeof(data));
	bc_expect(&p.b, &p.s, WSD_EV_RECV);
	BC_CHECK(bc_filled(p.sbuf.mem, sizeof(data), 6), "data were read after post_send");
	bc_done(&p.c, 0, WSD_OK);
	bc_pair_close(&p);
}

/* Only the last of each full queue is signalled; its event frees them all. */
static void test_selective_signalling(void)
{
	struct bc_options options = { .send_depth = 8, .recv_depth = 16 };
	struct bc_event *event;
	struct bc_pair p;
	unsigned round, i, depth;

	bc_pair_open(&p, &options);
	depth = p.c.attr.send_depth < p.s.attr.recv_depth ? p.c.attr.send_depth
							  : p.s.attr.recv_depth;
	for (round = 0; round < 50; round++) {
		for (i = 0; i < depth; i++)
			bc_recv(&p.s, &p.sbuf, i * 64, 64, i);
		for (i = 0; i < depth; i++)
			bc_send(&p.c, &p.cbuf, 0, 32, round * 100 + i,
				i + 1 == depth ? WSD_WORK_SIGNALLED : 0);
		for (i = 0; i < depth; i++)
			bc_expect(&p.b, &p.s, WSD_EV_RECV);
		bc_done(&p.c, round * 100 + depth - 1, WSD_OK);
		event = bc_peek(&p.a, &p.c);
		BC_CHECK(!event, "an event of unsignalled work: %s", bc_type(event->ev.type));
	}
	bc_pair_close(&p);
}

/* A SEND of what a READ fetches must wait for it. */
static void test_fence(void)
{
	struct bc_options options = { .recv_bytes = 1024, .receives = 2 };
	struct wsd_work work;
	struct wsd_sge sge;
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, &options);
	if (!(p.a.attr.caps & WSD_CAP_READ))
		bc_skip("no READ");
	if (p.a.attr.caps & WSD_CAP_COPY_AT_POST)
		bc_skip("sources are copied while posting: nothing a fence could wait for");
	memset(&work, 0, sizeof(work));
	for (i = 0; i < 100; i++) {
		memset(p.cbuf.mem + 8192, 0, 1024);
		bc_fill(p.sbuf.mem + 8192, 1024, i);
		bc_rdma(&p.c, WSD_OP_READ, &p.cbuf, 8192, 1024, p.sbuf.region, 8192, i);
		sge.addr = p.cbuf.mem + 8192;
		sge.length = 1024;
		sge.region = p.cbuf.region;
		work.op = WSD_OP_SEND;
		work.id = 1000 + i;
		work.flags = WSD_WORK_SIGNALLED | WSD_WORK_FENCE;
		work.sge = &sge;
		work.sge_count = 1;
		BC_OK(bc_try_work(&p.c, &work));
		bc_expect(&p.b, &p.s, WSD_EV_RECV);
		BC_CHECK(bc_filled(p.sbuf.mem + (i % 2) * 1024, 1024, i),
			 "the fenced message left before the READ was done");
		bc_recv(&p.s, &p.sbuf, (i % 2) * 1024, 1024, i);
		bc_done(&p.c, i, WSD_OK);
		bc_done(&p.c, 1000 + i, WSD_OK);
	}
	bc_pair_close(&p);
}

static void test_reads_beyond_limit(void)
{
	struct bc_pair p;
	unsigned i, count;

	bc_pair_open(&p, NULL);
	if (!(p.a.attr.caps & WSD_CAP_READ))
		bc_skip("no READ");
	count = p.c.attr.send_depth < 40 ? p.c.attr.send_depth : 40;
	bc_fill(p.sbuf.mem, 40 * 512, 3);
	for (i = 0; i < count; i++)
		bc_rdma(&p.c, WSD_OP_READ, &p.cbuf, i * 512, 512, p.sbuf.region, i * 512, i);
	for (i = 0; i < count; i++)
		bc_done(&p.c, i, WSD_OK);
	BC_CHECK(bc_filled(p.cbuf.mem, count * 512, 3), "bytes read");
	bc_pair_close(&p);
}

static void test_backend_memory(void)
{
	struct wsd_region *r[4];
	uint8_t *bytes;
	struct bc_pair p;
	unsigned i, j;

	bc_pair_open(&p, NULL);
	for (j = 0; j < 5; j++) {
		for (i = 0; i < 4; i++) {
			BC_OK(bc_ops->mem_alloc(p.s.ep, 100000u * (i + 1), BC_ALL, &r[i]));
			bytes = r[i]->base;
			BC_CHECK(((uintptr_t)bytes & 4095u) == 0, "not page aligned");
			BC_CHECK(r[i]->length >= 100000u * (i + 1) && r[i]->remote_key, "region");
			BC_CHECK(bytes[0] == 0 && bytes[100000u * (i + 1) - 1] == 0, "not zeroed");
			memset(bytes, 0xff, 100000u * (i + 1));
		}
		/* As source and target of work, too. */
		bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 5000, r[3], 1000, j);
		bc_done(&p.c, j, WSD_OK);
		for (i = 0; i < 4; i++)
			bc_ops->mem_free(r[(i + j) % 4]);
	}
	BC_OK(bc_ops->mem_alloc(p.s.ep, 4096, BC_ALL, &r[0]));
	for (i = 1; i < 3; i++) { /* for receives alone: less is promised */
		BC_OK(bc_ops->mem_alloc(p.s.ep, 1000, WSD_ACCESS_LOCAL_WRITE, &r[i]));
		bytes = r[i]->base;
		BC_CHECK(((uintptr_t)bytes & 63u) == 0, "not aligned");
		BC_CHECK(r[i]->length >= 1000 && bytes[0] == 0 && bytes[999] == 0, "not zeroed");
		memset(bytes, 0xff, 1000);
	}
	bc_ops->mem_free(r[1]);
	bc_pair_close(&p); /* the others go with their connection */
}

static void test_disconnect_order(void)
{
	struct bc_options options = { .recv_bytes = 256, .receives = 4 };
	struct bc_event *event;
	unsigned i, count;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	count = p.c.attr.send_depth < 4 ? p.c.attr.send_depth : 4;
	for (i = 0; i < count; i++)
		bc_send(&p.c, &p.cbuf, 0, 100 + i, i, WSD_WORK_SIGNALLED);
	BC_OK(bc_ops->disconnect(p.c.ep));
	for (i = 0; i < count; i++) {
		event = bc_next(&p.b, &p.s, BC_LIMIT);
		BC_CHECK(event && event->ev.type == WSD_EV_RECV && event->ev.status == WSD_OK &&
				 event->ev.bytes == 100 + i,
			 "%s before message %u", event ? bc_type(event->ev.type) : "nothing", i);
	}
	event = bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status == WSD_OK, "peer: %s", wsd_status_text(event->ev.status));
	for (i = 0; i < count; i++)
		bc_done(&p.c, i, WSD_OK);
	event = bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status == WSD_OK, "%s", wsd_status_text(event->ev.status));
	bc_settle(20 * BC_MS);
	event = &p.a.log[p.a.count - 1];
	BC_CHECK(event->ev.type == WSD_EV_DISCONNECTED, "%s after DISCONNECTED",
		 bc_type(event->ev.type));
	bc_pair_close(&p);
}

/* A message that waits for a receive was posted before the disconnect: it comes first. */
static void test_disconnect_waits(void)
{
	struct bc_event *event;
	struct bc_pair p;

	bc_pair_open(&p, NULL);
	bc_fill(p.cbuf.mem, 100, 8);
	bc_send(&p.c, &p.cbuf, 0, 100, 1, WSD_WORK_SIGNALLED);
	BC_OK(bc_ops->disconnect(p.c.ep));
	bc_settle(10 * BC_MS);
	BC_CHECK(!bc_peek(&p.b, &p.s), "%s before the message",
		 bc_type(bc_peek(&p.b, &p.s)->ev.type));
	bc_recv(&p.s, &p.sbuf, 0, 100, 2);
	event = bc_next(&p.b, &p.s, BC_LIMIT);
	BC_CHECK(event && event->ev.type == WSD_EV_RECV && event->ev.status == WSD_OK,
		 "%s instead of the message", event ? bc_type(event->ev.type) : "nothing");
	BC_CHECK(bc_filled(p.sbuf.mem, 100, 8), "bytes");
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_done(&p.c, 1, WSD_OK);
	bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
	bc_pair_close(&p);
}

static void test_disconnect_both(void)
{
	struct bc_pair p;
	unsigned i;

	for (i = 0; i < 10; i++) {
		bc_pair_open(&p, NULL);
		BC_OK(bc_ops->disconnect(p.c.ep));
		(void)bc_ops->disconnect(p.s.ep); /* may have heard of it already */
		bc_expect(&p.a, &p.c, WSD_EV_DISCONNECTED);
		bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
		BC_CHECK(!bc_try_expect(&p.a, &p.c, WSD_EV_DISCONNECTED, 5 * BC_MS),
			 "disconnected twice");
		bc_pair_close(&p);
	}
}

static void test_destroy_outstanding(void)
{
	struct bc_options options = { .recv_bytes = 256, .receives = 8 };
	unsigned i, count, seen;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	count = p.c.attr.send_depth < p.options.receives ? p.c.attr.send_depth : p.options.receives;
	for (i = 0; i < count; i++)
		bc_send(&p.c, &p.cbuf, 0, 200, i, WSD_WORK_SIGNALLED);
	bc_destroy(&p.c);
	seen = p.a.count;
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_settle(30 * BC_MS);
	BC_CHECK(p.a.count == seen, "%s of a destroyed endpoint", bc_type(p.a.log[seen].ev.type));
	bc_pair_close(&p);
}

const struct bc_test bc_tests_data[] = {
	{ "send-order", test_send_order, BC_IN_PROCESS },
	{ "both-directions", test_both_directions, BC_IN_PROCESS },
	{ "send-sizes", test_send_sizes, BC_IN_PROCESS },
	{ "gather", test_gather, BC_IN_PROCESS },
	{ "write-sizes", test_write_sizes, BC_IN_PROCESS },
	{ "write-backend-memory", test_write_backend_memory, BC_IN_PROCESS },
	{ "write-imm-sizes", test_write_imm_sizes, BC_IN_PROCESS },
	{ "read-sizes", test_read_sizes, BC_IN_PROCESS },
	{ "write-then-send", test_write_then_send, BC_IN_PROCESS },
	{ "imm-and-messages", test_imm_and_messages, BC_IN_PROCESS },
	{ "inline", test_inline, BC_IN_PROCESS },
	{ "inline-write", test_inline_write, BC_IN_PROCESS },
	{ "copy-at-post", test_copy_at_post, BC_IN_PROCESS },
	{ "selective-signalling", test_selective_signalling, BC_IN_PROCESS },
	{ "fence", test_fence, BC_IN_PROCESS },
	{ "reads-beyond-limit", test_reads_beyond_limit, BC_IN_PROCESS },
	{ "backend-memory", test_backend_memory, BC_IN_PROCESS },
	{ "disconnect-order", test_disconnect_order, BC_IN_PROCESS },
	{ "disconnect-waits", test_disconnect_waits, BC_IN_PROCESS },
	{ "disconnect-both", test_disconnect_both, BC_IN_PROCESS },
	{ "destroy-outstanding", test_destroy_outstanding, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

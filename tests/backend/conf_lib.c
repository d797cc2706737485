// SPDX-License-Identifier: BSD-2-Clause
/* conf_lib.c - nodes, event logs, memory and connections for the conformance tests. */
#include "tests/backend/conformance.h"

#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define BC_BATCH 16u
#define BC_SPINS 64

const struct wsd_addr bc_any;
static struct bc_node *open_nodes[BC_NODES_MAX];

uint64_t bc_now(void)
{
	return wsd_clock_ns();
}

static enum wsd_status try_open(struct bc_node *node, uint32_t index)
{
	enum wsd_status status;
	unsigned i;

	memset(node, 0, sizeof(*node));
	node->attr.size = sizeof(node->attr);
	status = bc_ops->open(bc_host, index, &node->device, &node->attr);
	if (status != WSD_OK)
		return status;
	status = bc_ops->queue_create(node->device, 4096, node, &node->queue);
	if (status != WSD_OK) {
		bc_ops->close(node->device);
		return status;
	}
	node->log = calloc(BC_LOG_MAX, sizeof(*node->log));
	for (i = 0; i < BC_NODES_MAX; i++) {
		if (!open_nodes[i]) {
			open_nodes[i] = node;
			return WSD_OK;
		}
	}
	bc_fail(__FILE__, __LINE__, "too many nodes");
}

enum wsd_status bc_try_open(struct bc_node *node)
{
	return try_open(node, bc_device_index);
}

static void must_open(struct bc_node *node, uint32_t index)
{
	enum wsd_status status = try_open(node, index);

	BC_CHECK(status == WSD_OK, "open: %s", wsd_status_text(status));
}

void bc_open(struct bc_node *node)
{
	must_open(node, bc_device_index);
}

void bc_open_peer(struct bc_node *node)
{
	must_open(node, bc_peer_index);
}

void bc_close(struct bc_node *node)
{
	unsigned i;

	for (i = 0; i < BC_NODES_MAX; i++) {
		if (open_nodes[i] == node)
			open_nodes[i] = NULL;
	}
	bc_ops->queue_destroy(node->queue);
	bc_ops->close(node->device);
	free(node->log);
	memset(node, 0, sizeof(*node));
}

static bool poll_node(struct bc_node *node)
{
	struct wsd_event events[BC_BATCH];
	uint32_t i, n = bc_ops->poll(node->queue, events, BC_BATCH);

	BC_CHECK(n <= BC_BATCH, "poll gave %u events for %u", n, BC_BATCH);
	for (i = 0; i < n; i++) {
		struct bc_event *to = &node->log[node->count++];

		BC_CHECK(node->count < BC_LOG_MAX, "too many events");
		to->ev = events[i];
		BC_CHECK(events[i].data_length <= sizeof(to->data), "%u bytes of private data",
			 events[i].data_length);
		if (events[i].data_length)
			memcpy(to->data, events[i].data, events[i].data_length);
		to->used = false;
	}
	return n != 0;
}

bool bc_poll_all(void)
{
	bool any = false;
	unsigned i;

	for (i = 0; i < BC_NODES_MAX; i++) {
		if (open_nodes[i] && poll_node(open_nodes[i]))
			any = true;
	}
	return any;
}

void bc_pump(void)
{
	wsd_wait_object objects[BC_NODES_MAX];
	unsigned i, count = 0;
	bool again = false;

	for (i = 0; i < BC_SPINS; i++) {
		if (bc_poll_all())
			return;
		bc_yield();
	}
	for (i = 0; i < BC_NODES_MAX; i++) {
		if (!open_nodes[i])
			continue;
		if (bc_ops->arm(open_nodes[i]->queue) == WSD_AGAIN)
			again = true;
		objects[count++] = bc_ops->wait_object(open_nodes[i]->queue);
	}
	if (!again)
		(void)bc_objects_wait(objects, count, 5);
	for (i = 0; i < BC_NODES_MAX; i++) {
		if (open_nodes[i])
			bc_ops->disarm(open_nodes[i]->queue);
	}
	bc_poll_all();
}

void bc_settle(uint64_t ns)
{
	uint64_t end = bc_now() + ns;

	while (bc_now() < end)
		bc_pump();
}

struct bc_event *bc_peek(struct bc_node *node, const void *context)
{
	unsigned i;

	while (node->first < node->count && node->log[node->first].used)
		node->first++;
	for (i = node->first; i < node->count; i++) {
		if (!node->log[i].used && node->log[i].ev.context == context)
			return &node->log[i];
	}
	return NULL;
}

struct bc_event *bc_next(struct bc_node *node, const void *context, uint64_t limit)
{
	uint64_t end = bc_now() + limit;
	struct bc_event *event;

	for (;;) {
		event = bc_peek(node, context);
		if (event) {
			event->used = true;
			return event;
		}
		if (bc_now() > end)
			return NULL;
		bc_pump();
	}
}

struct bc_event *bc_try_expect(struct bc_node *node, const void *context, enum wsd_event_type type,
			       uint64_t limit)
{
	uint64_t end = bc_now() + limit;
	unsigned i;

	for (;;) {
		for (i = node->first; i < node->count; i++) {
			struct bc_event *event = &node->log[i];

			if (event->used || event->ev.context != context || event->ev.type != type)
				continue;
			event->used = true;
			return event;
		}
		if (bc_now() > end)
			return NULL;
		bc_pump();
	}
}

struct bc_event *bc_expect(struct bc_node *node, const void *context, enum wsd_event_type type)
{
	struct bc_event *event = bc_try_expect(node, context, type, BC_LIMIT), *other;

	if (event)
		return event;
	other = bc_peek(node, context);
	bc_fail(__FILE__, __LINE__, "no %s; next event of that object: %s, %s", bc_type(type),
		other ? bc_type(other->ev.type) : "none",
		other ? wsd_status_text(other->ev.status) : "-");
}

const char *bc_type(enum wsd_event_type type)
{
	static const char *const names[] = {
		"0",	      "SEND",	      "RECV",	   "RECV_IMM",	     "REG",
		"REQUEST",    "REQUEST_GONE", "CONNECTED", "CONNECT_FAILED", "DISCONNECTED",
		"DEVICE_GONE"
	};

	return type <= WSD_EV_DEVICE_GONE ? names[type] : "unknown";
}

bool bc_address(struct bc_node *node, uint16_t family, struct wsd_addr *addr)
{
	struct wsd_addr list[64];
	uint32_t i, count = bc_ops->addresses(node->device, list, 64);
	bool found = false;

	for (i = 0; i < count && i < 64; i++) {
		if (family != WSD_FAMILY_NONE && list[i].family != family)
			continue;
		/* One with a scope means something on its own interface only. */
		if (!found || (wsd_addr_is_loopback(&list[i]) && !wsd_addr_is_loopback(addr)) ||
		    (addr->scope && !list[i].scope))
			*addr = list[i];
		found = true;
	}
	return found;
}

enum wsd_status bc_reg(struct bc_node *node, void *mem, uint64_t length, uint32_t access,
		       struct wsd_region **region)
{
	static uint64_t next_id = 0x7e600000;
	enum wsd_status status;
	struct bc_event *event;
	uint64_t id = ++next_id;

	status = bc_ops->reg(node->queue, mem, length, access, id, region);
	if (status != WSD_PENDING)
		return status;
	BC_CHECK(node->attr.caps & WSD_CAP_ASYNC_REG, "reg pending without ASYNC_REG");
	event = bc_expect(node, node, WSD_EV_REG);
	BC_CHECK(event->ev.id == id, "REG of another id");
	if (event->ev.status != WSD_OK)
		bc_ops->dereg(*region);
	return event->ev.status;
}

void bc_buf_make(struct bc_buf *buf, struct bc_node *node, uint64_t length, uint32_t access)
{
	buf->node = node;
	buf->length = length;
	buf->mem = calloc(1, length);
	BC_CHECK(buf->mem, "no memory");
	BC_OK(bc_reg(node, buf->mem, length, access, &buf->region));
	BC_CHECK(buf->region->base == buf->mem && buf->region->length == length &&
			 buf->region->access == access,
		 "the region describes other memory");
	BC_CHECK(buf->region->remote_key != 0, "key 0");
}

void bc_buf_free(struct bc_buf *buf)
{
	if (buf->region)
		bc_ops->dereg(buf->region);
	free(buf->mem);
	memset(buf, 0, sizeof(*buf));
}

static uint8_t pattern(size_t i, unsigned seed)
{
	return (uint8_t)((i * 131u) ^ (i >> 8) ^ (seed * 59u + 7u));
}

void bc_fill(void *mem, size_t length, unsigned seed)
{
	uint8_t *bytes = mem;
	size_t i;

	for (i = 0; i < length; i++)
		bytes[i] = pattern(i, seed);
}

bool bc_filled(const void *mem, size_t length, unsigned seed)
{
	const uint8_t *bytes = mem;
	size_t i;

	for (i = 0; i < length; i++) {
		if (bytes[i] != pattern(i, seed))
			return false;
	}
	return true;
}

static uint32_t at_most(uint32_t wish, uint32_t limit)
{
	return wish < limit ? wish : limit;
}

void bc_attr(const struct bc_node *node, const struct bc_options *options,
	     struct wsd_endpoint_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->send_depth = at_most(options && options->send_depth ? options->send_depth : 64,
				   node->attr.max_send);
	attr->recv_depth = at_most(options && options->recv_depth ? options->recv_depth : 64,
				   node->attr.max_recv);
	attr->recv_bytes = at_most(options && options->recv_bytes ? options->recv_bytes : 8192,
				   node->attr.max_message);
	attr->max_send_sge = at_most(4, node->attr.max_sge);
}

enum wsd_status bc_try_endpoint(struct bc_conn *conn, struct bc_node *node,
				struct wsd_request *request, const struct bc_options *options)
{
	memset(conn, 0, sizeof(*conn));
	conn->node = node;
	bc_attr(node, options, &conn->attr);
	return bc_ops->endpoint_create(node->queue, request, &conn->attr, conn, &conn->ep);
}

void bc_endpoint(struct bc_conn *conn, struct bc_node *node, struct wsd_request *request,
		 const struct bc_options *options)
{
	BC_OK(bc_try_endpoint(conn, node, request, options));
}

/* After this no event of it may come: what follows in the log would show up as unused. */
void bc_destroy(struct bc_conn *conn)
{
	unsigned i;

	if (!conn->ep)
		return;
	bc_ops->endpoint_destroy(conn->ep);
	conn->ep = NULL;
	for (i = 0; i < conn->node->count; i++) {
		if (conn->node->log[i].ev.context == conn)
			conn->node->log[i].used = true;
	}
}

void bc_pair_nodes(struct bc_pair *pair, const struct bc_options *options)
{
	uint32_t backlog;

	memset(pair, 0, sizeof(*pair));
	if (options)
		pair->options = *options;
	bc_open_peer(&pair->a);
	bc_open(&pair->b);
	pair->options.receives = at_most(pair->options.receives, pair->a.attr.max_recv);
	if (!bc_address(&pair->b, pair->options.family, &pair->addr))
		bc_skip("the device serves no address of that family");
	pair->port_holder = bc_hold_port(&pair->addr);
	backlog = pair->options.backlog ? pair->options.backlog : 64;
	BC_OK(bc_ops->listen(pair->b.queue, &pair->addr, backlog, &pair->listener,
			     &pair->listener));
}

void bc_connect_more(struct bc_pair *pair, struct bc_conn *c, struct bc_conn *s)
{
	struct bc_event *event;
	uint32_t i;

	bc_endpoint(c, &pair->a, NULL, &pair->options);
	for (i = 0; i < pair->options.receives; i++)
		bc_recv(c, &pair->cbuf, i * c->attr.recv_bytes, c->attr.recv_bytes, i);
	BC_OK(bc_ops->connect(c->ep, &bc_any, &pair->addr, NULL, 0, BC_LIMIT));
	event = bc_expect(&pair->b, &pair->listener, WSD_EV_REQUEST);
	bc_endpoint(s, &pair->b, event->ev.request, &pair->options);
	for (i = 0; i < pair->options.receives; i++)
		bc_recv(s, &pair->sbuf, i * s->attr.recv_bytes, s->attr.recv_bytes, i);
	BC_OK(bc_ops->accept(s->ep, NULL, 0));
	bc_expect(&pair->a, c, WSD_EV_CONNECTED);
	bc_expect(&pair->b, s, WSD_EV_CONNECTED);
}

void bc_pair_open(struct bc_pair *pair, const struct bc_options *options)
{
	uint32_t all = WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE;

	bc_pair_nodes(pair, options);
	bc_buf_make(&pair->cbuf, &pair->a, BC_BUF_BYTES, all);
	bc_buf_make(&pair->sbuf, &pair->b, BC_BUF_BYTES, all);
	bc_connect_more(pair, &pair->c, &pair->s);
}

void bc_pair_close(struct bc_pair *pair)
{
	bc_destroy(&pair->c);
	bc_destroy(&pair->s);
	if (pair->cbuf.mem)
		bc_buf_free(&pair->cbuf);
	if (pair->sbuf.mem)
		bc_buf_free(&pair->sbuf);
	if (pair->listener)
		bc_ops->listener_destroy(pair->listener);
	bc_close(&pair->a);
	bc_close(&pair->b);
	bc_release_port(pair->port_holder);
}

void bc_recv(struct bc_conn *conn, struct bc_buf *buf, uint64_t offset, uint32_t length,
	     uint64_t id)
{
	struct wsd_recv recv;
	uint32_t posted = 99;

	BC_CHECK(offset + length <= buf->length, "test: receive outside the buffer");
	memset(&recv, 0, sizeof(recv));
	recv.id = id;
	recv.sge.addr = buf->mem + offset;
	recv.sge.length = length;
	recv.sge.region = buf->region;
	BC_OK(bc_ops->post_recv(conn->ep, &recv, &posted));
	BC_CHECK(posted == 1, "posted %u of 1", posted);
}

enum wsd_status bc_try_work(struct bc_conn *conn, struct wsd_work *work)
{
	uint32_t posted = 99;
	enum wsd_status status = bc_ops->post_send(conn->ep, work, &posted);

	work->next = NULL;
	BC_CHECK(posted == (status == WSD_OK), "status %s but posted %u", wsd_status_text(status),
		 posted);
	return status;
}

void bc_send(struct bc_conn *conn, struct bc_buf *buf, uint64_t offset, uint32_t length,
	     uint64_t id, uint32_t flags)
{
	struct wsd_sge sge;
	struct wsd_work work;

	memset(&work, 0, sizeof(work));
	sge.addr = buf->mem + offset;
	sge.length = length;
	sge.region = buf->region;
	work.id = id;
	work.op = WSD_OP_SEND;
	work.flags = flags;
	work.sge = &sge;
	work.sge_count = length ? 1 : 0;
	BC_OK(bc_try_work(conn, &work));
}

void bc_rdma(struct bc_conn *conn, enum wsd_work_op op, struct bc_buf *buf, uint64_t offset,
	     uint32_t length, const struct wsd_region *remote, uint64_t remote_offset, uint64_t id)
{
	struct wsd_sge sge;
	struct wsd_work work;

	memset(&work, 0, sizeof(work));
	sge.addr = buf->mem + offset;
	sge.length = length;
	sge.region = buf->region;
	work.id = id;
	work.op = op;
	work.flags = WSD_WORK_SIGNALLED;
	work.imm = (uint32_t)id ^ 0xa5000000u;
	work.sge = &sge;
	work.sge_count = length ? 1 : 0;
	work.remote_addr = remote->remote_addr + remote_offset;
	work.remote_key = remote->remote_key;
	BC_OK(bc_try_work(conn, &work));
}

void bc_done(struct bc_conn *conn, uint64_t id, enum wsd_status status)
{
	struct bc_event *event = bc_expect(conn->node, conn, WSD_EV_SEND);

	BC_CHECK(event->ev.id == id, "completion of %llu, expected %llu (%s)",
		 (unsigned long long)event->ev.id, (unsigned long long)id,
		 wsd_status_text(event->ev.status));
	BC_CHECK(event->ev.status == status, "work %llu: %s, expected %s", (unsigned long long)id,
		 wsd_status_text(event->ev.status), wsd_status_text(status));
}

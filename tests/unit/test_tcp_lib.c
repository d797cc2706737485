// SPDX-License-Identifier: BSD-2-Clause
/* test_tcp_lib.c - the server and the client for the tests of the tcp backend. */
#include "tests/unit/test_tcp.h"

#include <stdlib.h>
#include <string.h>

struct served {
	struct wsd_endpoint *ep;
	uint8_t *slots;
	struct wsd_region *region;
};

struct side me;
static struct wsd_listener_ep *listener;
static bool ends; /* the server */

/* One whose first candidate is free as well: other tests listen, too. */
uint16_t free_port(uint16_t family, intptr_t *holder)
{
	for (;;) {
		uint16_t port = 0;
		intptr_t candidate;

		*holder = raw_bound(family, &port);
		assert_true(*holder >= 0);
		candidate = raw_listen(family, tcp_candidate_port(port, 0));
		if (candidate >= 0) {
			raw_close(candidate);
			return port;
		}
		raw_close(*holder);
	}
}

struct wsd_addr address(uint16_t family, uint16_t port)
{
	struct wsd_addr addr = { .family = family, .port = port };

	if (family == WSD_FAMILY_IPV6)
		addr.bytes[15] = 1;
	else
		memcpy(addr.bytes, "\x7f\0\0\1", 4);
	return addr;
}

void side_open(struct side *side)
{
	side->attr.size = sizeof(side->attr);
	assert_int_equal(OPS->open(wsd_host_table(), 0, &side->device, &side->attr), WSD_OK);
	assert_int_equal(OPS->queue_create(side->device, 64, side, &side->queue), WSD_OK);
}

void side_close(struct side *side)
{
	OPS->queue_destroy(side->queue);
	OPS->close(side->device);
}

/* One event, or false when none came within the limit. */
bool next_event(struct side *side, struct wsd_event *event, uint64_t limit)
{
	uint64_t end = wsd_clock_ns() + limit;

	while (wsd_clock_ns() < end) {
		if (OPS->poll(side->queue, event, 1) == 1)
			return true;
		if (OPS->arm(side->queue) == WSD_OK)
			os_wait(OPS->wait_object(side->queue), 10);
		OPS->disarm(side->queue);
	}
	return false;
}

void expect(struct wsd_event *event, enum wsd_event_type type, enum wsd_status status)
{
	assert_true(next_event(&me, event, LIMIT_NS));
	assert_int_equal(event->type, type);
	assert_int_equal(event->status, status);
}

const struct wsd_endpoint_attr ep_attr = { .size = sizeof(ep_attr),
					   .send_depth = 32,
					   .recv_depth = SLOTS,
					   .recv_bytes = MSG,
					   .max_send_sge = 4 };

enum wsd_status post_one(struct wsd_endpoint *ep, enum wsd_work_op op, void *addr, uint32_t length,
			 struct wsd_region *region, struct lend to, uint64_t id)
{
	struct wsd_sge sge = { .addr = addr, .length = length, .region = region };
	struct wsd_work work = { .id = id,
				 .op = op,
				 .flags = WSD_WORK_SIGNALLED,
				 .imm = 0xabcd,
				 .sge_count = 1,
				 .sge = &sge,
				 .remote_addr = to.addr,
				 .remote_key = to.key };
	uint32_t posted;

	return OPS->post_send(ep, &work, &posted);
}

void recv_post(struct wsd_endpoint *ep, uint8_t *slots, struct wsd_region *region, uint64_t i)
{
	struct wsd_recv recv = {
		.id = i, .sge = { .addr = slots + i * MSG, .length = MSG, .region = region }
	};
	uint32_t posted;

	assert_int_equal(OPS->post_recv(ep, &recv, &posted), WSD_OK);
}

/* The server's process */

static void serve_request(const struct wsd_event *event, struct lend lend)
{
	struct served *served;

	ends = event->data_length == 3 && memcmp(event->data, "end", 3) == 0;
	if (ends || (event->data_length == 2 && memcmp(event->data, "no", 2) == 0)) {
		OPS->reject(event->request, "because", 7);
		return;
	}
	served = calloc(1, sizeof(*served));
	if (OPS->endpoint_create(me.queue, event->request, &ep_attr, served, &served->ep) != WSD_OK)
		abort();
	/* A connection that asks for "idle" gets no memory. */
	if (event->data_length == 0) {
		served->slots = malloc(SLOTS * MSG);
		if (OPS->reg(me.queue, served->slots, SLOTS * MSG, WSD_ACCESS_LOCAL_WRITE, 0,
			     &served->region) != WSD_OK)
			abort();
		for (uint64_t i = 0; i < SLOTS; i++)
			recv_post(served->ep, served->slots, served->region, i);
	}
	if (OPS->accept(served->ep, &lend, sizeof(lend)) != WSD_OK)
		abort();
}

static void serve_event(const struct wsd_event *event, struct lend lend)
{
	struct served *served = event->context;

	switch (event->type) {
	case WSD_EV_REQUEST:
		serve_request(event, lend);
		break;
	case WSD_EV_RECV:
	case WSD_EV_RECV_IMM:
		/* The echo is copied by the post, so the slot can be posted again. */
		if (event->status == WSD_OK &&
		    post_one(served->ep, WSD_OP_SEND, served->slots + event->id * MSG,
			     event->type == WSD_EV_RECV ? event->bytes : 4, NULL,
			     (struct lend){ 0, 0 }, 1) == WSD_OK)
			recv_post(served->ep, served->slots, served->region, event->id);
		break;
	case WSD_EV_DISCONNECTED:
		OPS->endpoint_destroy(served->ep);
		if (served->region)
			OPS->dereg(served->region);
		free(served->slots);
		free(served);
		break;
	case WSD_EV_REQUEST_GONE:
		OPS->reject(event->request, NULL, 0);
		break;
	case WSD_EV_SEND:
	case WSD_EV_REG:
	case WSD_EV_CONNECTED:
	case WSD_EV_CONNECT_FAILED:
	case WSD_EV_DEVICE_GONE:
		break;
	}
}

int serve_echoes(const uint32_t *numbers)
{
	struct wsd_addr addr = address((uint16_t)numbers[0], (uint16_t)numbers[1]);
	struct wsd_region *region;
	struct wsd_event event;
	struct lend lend;
	uint8_t *big = calloc(1, BIG);

	side_open(&me);
	if (OPS->reg(me.queue, big, BIG, WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE, 0,
		     &region) != WSD_OK ||
	    OPS->listen(me.queue, &addr, 2 * MANY, NULL, &listener) != WSD_OK)
		abort();
	lend.addr = region->remote_addr;
	lend.key = region->remote_key;
	os_tell("r", 1);
	while (!ends)
		if (next_event(&me, &event, 200000000))
			serve_event(&event, lend);
	OPS->listener_destroy(listener);
	return 0;
}

void start_server(struct os_process *server, struct wsd_addr addr)
{
	const uint32_t numbers[OS_NUMBERS] = { addr.family, addr.port };
	char byte;

	os_start(server, "serve", numbers);
	os_hear(server, &byte, 1);
}

struct wsd_endpoint *connect_to(struct wsd_addr addr, const char *data, uint64_t limit)
{
	struct wsd_endpoint *ep;

	assert_int_equal(OPS->endpoint_create(me.queue, NULL, &ep_attr, NULL, &ep), WSD_OK);
	assert_int_equal(OPS->connect(ep, NULL, &addr, data, (uint32_t)strlen(data), limit),
			 WSD_OK);
	return ep;
}

void end_server(struct os_process *server, struct wsd_addr addr)
{
	struct wsd_endpoint *ep = connect_to(addr, "end", LIMIT_NS);
	struct wsd_event event;

	expect(&event, WSD_EV_CONNECT_FAILED, WSD_EREFUSED);
	OPS->endpoint_destroy(ep);
	assert_int_equal(os_join(server), 0);
}

void client_open(struct client *c, uint16_t family)
{
	struct wsd_event event;

	memset(c, 0, sizeof(*c));
	c->addr = address(family, free_port(family, &c->holder));
	start_server(&c->server, c->addr);
	side_open(&me);
	c->slots = malloc(SLOTS * MSG);
	c->big = malloc(BIG);
	assert_int_equal(OPS->reg(me.queue, c->slots, SLOTS * MSG, WSD_ACCESS_LOCAL_WRITE, 0,
				  &c->slots_region),
			 WSD_OK);
	assert_int_equal(OPS->reg(me.queue, c->big, BIG, WSD_ACCESS_LOCAL_WRITE, 0, &c->big_region),
			 WSD_OK);
	c->ep = connect_to(c->addr, "", LIMIT_NS);
	for (uint64_t i = 0; i < SLOTS; i++)
		recv_post(c->ep, c->slots, c->slots_region, i);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_int_equal(event.data_length, sizeof(c->lend));
	memcpy(&c->lend, event.data, sizeof(c->lend));
}

void client_close(struct client *c)
{
	if (c->ep)
		OPS->endpoint_destroy(c->ep);
	OPS->dereg(c->slots_region);
	OPS->dereg(c->big_region);
	side_close(&me);
	os_kill(&c->server);
	raw_close(c->holder);
	free(c->slots);
	free(c->big);
}

void fill(uint8_t *p, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++)
		p[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

void check_fill(const uint8_t *p, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		if (p[i] != (uint8_t)((i * 2654435761u + seed) >> 13))
			fail_msg("byte %zu of %zu", i, length);
	}
}

void echo(struct client *c, uint32_t length, uint32_t seed)
{
	struct wsd_event event;
	bool sent = false, received = false;

	fill(c->big, length, seed);
	assert_int_equal(post_one(c->ep, WSD_OP_SEND, c->big, length, NULL, c->lend, seed), WSD_OK);
	memset(c->big, 0, length); /* the source is free after the post */
	while (!sent || !received) {
		assert_true(next_event(&me, &event, LIMIT_NS));
		assert_int_equal(event.status, WSD_OK);
		if (event.type == WSD_EV_SEND) {
			assert_int_equal(event.id, seed);
			sent = true;
			continue;
		}
		assert_int_equal(event.type, WSD_EV_RECV);
		assert_int_equal(event.bytes, length);
		check_fill(c->slots + event.id * MSG, length, seed);
		recv_post(c->ep, c->slots, c->slots_region, event.id);
		received = true;
	}
}

size_t raw_receive_all(intptr_t s, void *bytes, size_t length)
{
	size_t total = 0;
	ptrdiff_t n;

	while (total < length && (n = raw_receive(s, (char *)bytes + total, length - total)) > 0)
		total += (size_t)n;
	return total;
}

/* Reads until the other side closes; total bytes. */
size_t drain(intptr_t s)
{
	char bytes[4096];
	size_t total = 0;
	ptrdiff_t n;

	while ((n = raw_receive(s, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
	return total;
}

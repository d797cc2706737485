// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp.c - the tcp backend between two processes: a forked server that echoes messages and lends
 * a big region, and the tests as its client. What it has in common with other backends is tested by
 * the backend conformance program; here are sockets, companion ports, dead peers and hostile bytes.
 */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/tcp/tcp_wire.h"

extern const struct wsd_backend_ops wsd_backend_tcp;

#define OPS (&wsd_backend_tcp)
#define BIG (8u << 20)
#define MSG 65536u
#define SLOTS 4u
#define LIMIT_NS 20000000000u
#define MANY 500

struct side {
	struct wsd_device *device;
	struct wsd_queue *queue;
	struct wsd_device_attr attr;
};

/* The server lends this in its accept data. */
struct lend {
	uint64_t addr;
	uint32_t key;
};

struct served {
	struct wsd_endpoint *ep;
	uint8_t *slots;
	struct wsd_region *region;
};

static struct side me;
static struct wsd_listener_ep *listener;

static uint16_t free_port(uint16_t family, int *holder)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = family == WSD_FAMILY_IPV6 ? sizeof(v6) : sizeof(v4);
	struct sockaddr *sa = family == WSD_FAMILY_IPV6 ? (void *)&v6 : (void *)&v4;

	*holder = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*holder, sa, length), 0);
	assert_int_equal(getsockname(*holder, sa, &length), 0);
	return ntohs(family == WSD_FAMILY_IPV6 ? v6.sin6_port : v4.sin_port);
}

static struct wsd_addr address(uint16_t family, uint16_t port)
{
	struct wsd_addr addr = { .family = family, .port = port };

	if (family == WSD_FAMILY_IPV6)
		addr.bytes[15] = 1;
	else
		memcpy(addr.bytes, "\x7f\0\0\1", 4);
	return addr;
}

static void side_open(struct side *side)
{
	side->attr.size = sizeof(side->attr);
	assert_int_equal(OPS->open(wsd_host_table(), 0, &side->device, &side->attr), WSD_OK);
	assert_int_equal(OPS->queue_create(side->device, 64, side, &side->queue), WSD_OK);
}

static void side_close(struct side *side)
{
	OPS->queue_destroy(side->queue);
	OPS->close(side->device);
}

/* One event, or false when none came within the limit. */
static bool next_event(struct side *side, struct wsd_event *event, uint64_t limit)
{
	uint64_t end = wsd_clock_ns() + limit;

	while (wsd_clock_ns() < end) {
		struct pollfd p = { .fd = (int)OPS->wait_object(side->queue), .events = POLLIN };

		if (OPS->poll(side->queue, event, 1) == 1)
			return true;
		if (OPS->arm(side->queue) == WSD_OK)
			(void)poll(&p, 1, 10);
		OPS->disarm(side->queue);
	}
	return false;
}

static void expect(struct wsd_event *event, enum wsd_event_type type, enum wsd_status status)
{
	assert_true(next_event(&me, event, LIMIT_NS));
	assert_int_equal(event->type, type);
	assert_int_equal(event->status, status);
}

static const struct wsd_endpoint_attr ep_attr = { .size = sizeof(ep_attr), .send_depth = 32,
						  .recv_depth = SLOTS, .recv_bytes = MSG,
						  .max_send_sge = 4 };

static enum wsd_status post_one(struct wsd_endpoint *ep, enum wsd_work_op op, void *addr,
				uint32_t length, struct wsd_region *region, struct lend to,
				uint64_t id)
{
	struct wsd_sge sge = { .addr = addr, .length = length, .region = region };
	struct wsd_work work = { .id = id, .op = op, .flags = WSD_WORK_SIGNALLED, .imm = 0xabcd,
				 .sge_count = 1, .sge = &sge, .remote_addr = to.addr,
				 .remote_key = to.key };
	uint32_t posted;

	return OPS->post_send(ep, &work, &posted);
}

static void recv_post(struct wsd_endpoint *ep, uint8_t *slots, struct wsd_region *region, uint64_t i)
{
	struct wsd_recv recv = { .id = i,
				 .sge = { .addr = slots + i * MSG, .length = MSG,
					  .region = region } };
	uint32_t posted;

	assert_int_equal(OPS->post_recv(ep, &recv, &posted), WSD_OK);
}

/* The server's process */

static void serve_request(const struct wsd_event *event, struct lend lend)
{
	struct served *served;

	if (event->data_length == 2 && memcmp(event->data, "no", 2) == 0) {
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

static void serve(struct wsd_addr addr, int ready)
{
	struct wsd_region *region;
	struct wsd_event event;
	struct lend lend;
	uint8_t *big = calloc(1, BIG);

	alarm(60);
	side_open(&me);
	if (OPS->reg(me.queue, big, BIG, WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE, 0,
		     &region) != WSD_OK ||
	    OPS->listen(me.queue, &addr, 2 * MANY, NULL, &listener) != WSD_OK)
		abort();
	lend.addr = region->remote_addr;
	lend.key = region->remote_key;
	if (write(ready, "r", 1) != 1)
		abort();
	while (getppid() != 1) {
		if (next_event(&me, &event, 200000000))
			serve_event(&event, lend);
	}
	_exit(0);
}

static pid_t start_server(struct wsd_addr addr)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		serve(addr, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop_server(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The client */

struct client {
	struct wsd_addr addr;
	int holder;
	pid_t server;
	struct wsd_endpoint *ep;
	struct lend lend;
	uint8_t *slots, *big;
	struct wsd_region *slots_region, *big_region;
};

static struct wsd_endpoint *connect_to(struct wsd_addr addr, const char *data, uint64_t limit)
{
	struct wsd_endpoint *ep;

	assert_int_equal(OPS->endpoint_create(me.queue, NULL, &ep_attr, NULL, &ep), WSD_OK);
	assert_int_equal(OPS->connect(ep, NULL, &addr, data, (uint32_t)strlen(data), limit),
			 WSD_OK);
	return ep;
}

static void client_open(struct client *c, uint16_t family)
{
	struct wsd_event event;

	memset(c, 0, sizeof(*c));
	c->addr = address(family, free_port(family, &c->holder));
	c->server = start_server(c->addr);
	side_open(&me);
	c->slots = malloc(SLOTS * MSG);
	c->big = malloc(BIG);
	assert_int_equal(OPS->reg(me.queue, c->slots, SLOTS * MSG, WSD_ACCESS_LOCAL_WRITE, 0,
				  &c->slots_region),
			 WSD_OK);
	assert_int_equal(OPS->reg(me.queue, c->big, BIG, WSD_ACCESS_LOCAL_WRITE, 0,
				  &c->big_region),
			 WSD_OK);
	c->ep = connect_to(c->addr, "", LIMIT_NS);
	for (uint64_t i = 0; i < SLOTS; i++)
		recv_post(c->ep, c->slots, c->slots_region, i);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_int_equal(event.data_length, sizeof(c->lend));
	memcpy(&c->lend, event.data, sizeof(c->lend));
}

static void client_close(struct client *c)
{
	if (c->ep)
		OPS->endpoint_destroy(c->ep);
	OPS->dereg(c->slots_region);
	OPS->dereg(c->big_region);
	side_close(&me);
	stop_server(c->server);
	close(c->holder);
	free(c->slots);
	free(c->big);
}

static void fill(uint8_t *p, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++)
		p[i] = (uint8_t)((i * 2654435761u + seed) >> 13);
}

static void check_fill(const uint8_t *p, size_t length, uint32_t seed)
{
	for (size_t i = 0; i < length; i++) {
		if (p[i] != (uint8_t)((i * 2654435761u + seed) >> 13))
			fail_msg("byte %zu of %zu", i, length);
	}
}

static void echo(struct client *c, uint32_t length, uint32_t seed)
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

static void rdma(struct client *c, uint32_t length)
{
	struct wsd_event event;
	uint64_t offset = BIG - length;
	struct lend to = { c->lend.addr + offset, c->lend.key };

	fill(c->big, length, length);
	assert_int_equal(post_one(c->ep, WSD_OP_WRITE, c->big, length, NULL, to, 7), WSD_OK);
	expect(&event, WSD_EV_SEND, WSD_OK);
	memset(c->big, 0, length);
	assert_int_equal(post_one(c->ep, WSD_OP_READ, c->big, length, c->big_region, to, 8), WSD_OK);
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

static int raw_connect(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Reads until the other side closes; total bytes. */
static size_t drain(int fd)
{
	char bytes[4096];
	size_t total = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		total += (size_t)n;
	return total;
}

static void hello_bytes(uint8_t *bytes, const struct wsd_addr *addr, uint64_t nonce)
{
	struct tcp_frame frame = { .type = TCP_FRAME_REQUEST, .length = TCP_HELLO_BYTES };
	struct tcp_hello hello = { .version = TCP_WIRE_VERSION, .recv_depth = 4, .nonce = nonce,
				   .from = *addr, .to = *addr };

	tcp_frame_encode(&frame, bytes);
	tcp_hello_encode(&hello, bytes + TCP_HEADER_BYTES);
}

/* A peer that knows the handshake and then sends a frame it may not send. */
static void hostile_frame(struct client *c, struct tcp_frame frame)
{
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES], banner[TCP_BANNER_BYTES];
	uint8_t answer[TCP_HEADER_BYTES + TCP_HELLO_BYTES + sizeof(struct lend)];
	int fd = raw_connect(tcp_candidate_port(c->addr.port, 0));
	struct tcp_banner said;

	assert_int_equal(recv(fd, banner, sizeof(banner), MSG_WAITALL), sizeof(banner));
	assert_true(tcp_banner_decode(&said, banner));
	hello_bytes(bytes, &c->addr, said.nonce);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(recv(fd, answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
	tcp_frame_encode(&frame, bytes);
	assert_int_equal(write(fd, bytes, TCP_HEADER_BYTES), TCP_HEADER_BYTES);
	drain(fd); /* ends because the server closes */
	close(fd);
}

static void test_garbage(void **state)
{
	uint8_t bytes[300];
	struct client c;
	int fd;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	fill(bytes, sizeof(bytes), 1);
	fd = raw_connect(tcp_candidate_port(c.addr.port, 0));
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(drain(fd) <= TCP_BANNER_BYTES);
	close(fd);
	fd = raw_connect(tcp_candidate_port(c.addr.port, 0));
	hello_bytes(bytes, &c.addr, 12345); /* did not read the banner */
	assert_int_equal(write(fd, bytes, TCP_HEADER_BYTES + TCP_HELLO_BYTES),
			 TCP_HEADER_BYTES + TCP_HELLO_BYTES);
	assert_true(drain(fd) <= TCP_BANNER_BYTES);
	close(fd);
	hostile_frame(&c, (struct tcp_frame){ .type = 200 });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_CREDIT, .credit = 1000 });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_CREDIT, .ack = 1 });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_READ_RSP });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_ACCEPT, .length = 80 });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_NAK, .key = 1 });
	hostile_frame(&c, (struct tcp_frame){ .type = TCP_FRAME_WRITE, .key = 1, .length = 1 });
	echo(&c, 500, 1); /* nobody else was touched */
	client_close(&c);
}

/* A server that has nothing to do with us sits on the first candidate and counts what it gets. */
static int plain_server(uint16_t port, int *result)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2], one = 1;
	uint64_t total;
	pid_t pid;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 8) != 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int got = accept(fd, NULL, NULL);

		alarm(30);
		total = drain(got);
		if (write(ends[1], &total, sizeof(total)) < 0)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	close(fd);
	*result = ends[0];
	return pid;
}

static void test_plain_server(void **state)
{
	struct wsd_endpoint *ep;
	struct wsd_event event;
	uint64_t total = 1;
	struct client c;
	int result, holder;
	pid_t plain;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	plain = plain_server(tcp_candidate_port(c.addr.port, 0), &result);
	if (plain < 0)
		skip();
	c.server = start_server(c.addr); /* has to take another candidate */
	side_open(&me);
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_int_equal(read(result, &total, sizeof(total)), sizeof(total));
	assert_int_equal(total, 0);
	waitpid(plain, NULL, 0);
	OPS->endpoint_destroy(ep);
	stop_server(c.server);
	/* Nobody at all, and quickly. */
	total = wsd_clock_ns();
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECT_FAILED, WSD_ENOLISTENER);
	assert_true(wsd_clock_ns() - total < 1000000000);
	OPS->endpoint_destroy(ep);
	/* A silent server only: it has until the deadline to say something. */
	close(result);
	plain = plain_server(tcp_candidate_port(c.addr.port, 0), &result);
	assert_true(plain > 0);
	ep = connect_to(c.addr, "idle", 300000000);
	expect(&event, WSD_EV_CONNECT_FAILED, WSD_ETIMEDOUT);
	OPS->endpoint_destroy(ep);
	assert_int_equal(read(result, &total, sizeof(total)), sizeof(total));
	assert_int_equal(total, 0);
	close(result);
	waitpid(plain, NULL, 0);
	side_close(&me);
	close(holder);
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

/* After the descriptor limit was met, accepting goes on once there are descriptors again. */
static void test_descriptor_limit(void **state)
{
	struct rlimit limit, low;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	int fd, probe, holder;
	uint8_t banner[TCP_BANNER_BYTES];
	unsigned polls = 0;
	uint64_t end;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	side_open(&me);
	assert_int_equal(OPS->listen(me.queue, &addr, 4, NULL, &listener), WSD_OK);
	fd = raw_connect(tcp_candidate_port(addr.port, 0));
	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 1;
	probe = dup(0); /* the lowest free one must be above the limit */
	low.rlim_cur = (rlim_t)(probe > fd ? probe : fd + 1);
	close(probe);
	setrlimit(RLIMIT_NOFILE, &low);
	assert_int_equal(OPS->endpoint_create(me.queue, NULL, &ep_attr, NULL, &ep), WSD_OK);
	assert_int_equal(OPS->connect(ep, NULL, &addr, NULL, 0, LIMIT_NS), WSD_ENOFILES);
	OPS->endpoint_destroy(ep);
	for (end = wsd_clock_ns() + 50000000; wsd_clock_ns() < end; polls++) {
		struct pollfd p = { .fd = (int)OPS->wait_object(me.queue), .events = POLLIN };

		OPS->poll(me.queue, &event, 1);
		(void)poll(&p, 1, 10);
	}
	assert_true(polls < 20); /* no busy loop */
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_false(next_event(&me, &event, 300000000));
	assert_int_equal(recv(fd, banner, sizeof(banner), MSG_DONTWAIT), sizeof(banner));
	close(fd);
	OPS->listener_destroy(listener);
	side_close(&me);
	close(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_ipv4),    cmocka_unit_test(test_data_ipv6),
		cmocka_unit_test(test_reject),	     cmocka_unit_test(test_bad_key),
		cmocka_unit_test(test_killed_peer),  cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_stopped_peer), cmocka_unit_test(test_credit),
		cmocka_unit_test(test_plain_server), cmocka_unit_test(test_many),
		cmocka_unit_test(test_descriptor_limit),
	};

	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp_hostile.c - the tcp backend against strangers: garbage on the companion port, a peer
 * that breaks the protocol, plain servers on candidate ports, and the descriptor limit.
 */
#include "tests/unit/test_tcp.h"

#include <stdlib.h>
#include <string.h>

static void hello_bytes(uint8_t *bytes, const struct wsd_addr *addr, uint64_t nonce)
{
	struct tcp_frame frame = { .type = TCP_FRAME_REQUEST, .length = TCP_HELLO_BYTES };
	struct tcp_hello hello = { .version = TCP_WIRE_VERSION,
				   .recv_depth = 4,
				   .nonce = nonce,
				   .from = *addr,
				   .to = *addr };

	tcp_frame_encode(&frame, bytes);
	tcp_hello_encode(&hello, bytes + TCP_HEADER_BYTES);
}

/* A peer that knows the handshake and then sends a frame it may not send. */
static void hostile_frame(struct client *c, struct tcp_frame frame)
{
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES], banner[TCP_BANNER_BYTES];
	uint8_t answer[TCP_HEADER_BYTES + TCP_HELLO_BYTES + sizeof(struct lend)];
	intptr_t fd = raw_connect(tcp_candidate_port(c->addr.port, 0));
	struct tcp_banner said;

	assert_int_equal(raw_receive_all(fd, banner, sizeof(banner)), sizeof(banner));
	assert_true(tcp_banner_decode(&said, banner));
	hello_bytes(bytes, &c->addr, said.nonce);
	assert_true(raw_send(fd, bytes, sizeof(bytes)));
	assert_int_equal(raw_receive_all(fd, answer, sizeof(answer)), sizeof(answer));
	tcp_frame_encode(&frame, bytes);
	assert_true(raw_send(fd, bytes, TCP_HEADER_BYTES));
	drain(fd); /* ends because the server closes */
	raw_close(fd);
}

static void test_garbage(void **state)
{
	uint8_t bytes[300];
	struct client c;
	intptr_t fd;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	fill(bytes, sizeof(bytes), 1);
	fd = raw_connect(tcp_candidate_port(c.addr.port, 0));
	assert_true(raw_send(fd, bytes, sizeof(bytes)));
	assert_true(drain(fd) <= TCP_BANNER_BYTES);
	raw_close(fd);
	fd = raw_connect(tcp_candidate_port(c.addr.port, 0));
	hello_bytes(bytes, &c.addr, 12345); /* did not read the banner */
	assert_true(raw_send(fd, bytes, TCP_HEADER_BYTES + TCP_HELLO_BYTES));
	assert_true(drain(fd) <= TCP_BANNER_BYTES);
	raw_close(fd);
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

/* A process that listens on the first candidate of a port; false: somebody else does. */
static bool start_listener(struct os_process *process, const char *role,
			   const uint32_t numbers[OS_NUMBERS])
{
	bool listens;

	os_start(process, role, numbers);
	os_hear(process, &listens, sizeof(listens));
	if (!listens)
		(void)os_join(process);
	return listens;
}

static intptr_t listen_and_tell(uint32_t port)
{
	intptr_t s = raw_listen(WSD_FAMILY_IPV4, tcp_candidate_port((uint16_t)port, 0));
	bool listens = s >= 0;

	os_tell(&listens, sizeof(listens));
	return s;
}

/* A server that has nothing to do with us counts what it gets. */
static int serve_plainly(const uint32_t *numbers)
{
	intptr_t s = listen_and_tell(numbers[0]);
	uint64_t total;

	if (s < 0)
		return 1;
	total = drain(raw_accept(s));
	os_tell(&total, sizeof(total));
	return 0;
}

/* It got nothing. */
static void end_plain_server(struct os_process *process)
{
	uint64_t total = 1;

	os_hear(process, &total, sizeof(total));
	assert_int_equal(total, 0);
	assert_int_equal(os_join(process), 0);
}

static void test_plain_server(void **state)
{
	struct os_process plain;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	uint32_t numbers[OS_NUMBERS] = { 0 };
	struct client c;
	intptr_t holder;
	uint64_t begun;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	numbers[0] = c.addr.port;
	if (!start_listener(&plain, "plain", numbers))
		skip();
	start_server(&c.server, c.addr); /* has to take another candidate */
	side_open(&me);
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	end_plain_server(&plain);
	OPS->endpoint_destroy(ep);
	end_server(&c.server, c.addr);
	/* Nobody at all, and quickly. */
	begun = wsd_clock_ns();
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECT_FAILED, WSD_ENOLISTENER);
	assert_true(wsd_clock_ns() - begun < UINT64_C(3000000000) * test_slow_factor());
	OPS->endpoint_destroy(ep);
	/* A silent server only: it has until the deadline to say something. */
	assert_true(start_listener(&plain, "plain", numbers));
	ep = connect_to(c.addr, "idle", 300000000);
	expect(&event, WSD_EV_CONNECT_FAILED, WSD_ETIMEDOUT);
	OPS->endpoint_destroy(ep);
	end_plain_server(&plain);
	side_close(&me);
	raw_close(holder);
}

/* It says so often that it is busy; then it is gone, or says a banner and reads the request. Its result: how often it
 * was asked, 100 more if a request came. */
static int serve_busily(const uint32_t *numbers)
{
	const struct wsd_addr addr = address(WSD_FAMILY_IPV4, (uint16_t)numbers[0]);
	const uint32_t times = numbers[1], serves = numbers[2];
	struct tcp_banner banner = { .version = TCP_WIRE_VERSION, .nonce = 7, .served = addr };
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES];
	intptr_t s = listen_and_tell(numbers[0]), got;
	uint32_t asked;

	if (s < 0)
		return 99;
	for (asked = 0; asked < times + serves; asked++) {
		got = raw_accept(s);
		banner.busy = asked < times;
		tcp_banner_encode(&banner, bytes);
		if (!raw_send(got, bytes, TCP_BANNER_BYTES))
			return 99;
		if (!banner.busy && raw_receive_all(got, bytes, sizeof(bytes)) == sizeof(bytes))
			asked += 100;
		raw_close(got);
	}
	return (int)asked;
}

/* wanted: how it ends; -1: it does not. */
static void busy_case(uint32_t times, bool serves, uint64_t limit, enum wsd_status status,
		      int wanted)
{
	struct os_process listener;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	intptr_t holder;

	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	assert_true(start_listener(&listener, "busy",
				   (uint32_t[OS_NUMBERS]){ addr.port, times, serves }));
	side_open(&me);
	ep = connect_to(addr, "", limit);
	expect(&event, WSD_EV_CONNECT_FAILED, status);
	OPS->endpoint_destroy(ep);
	side_close(&me);
	if (wanted < 0)
		os_kill(&listener);
	else
		assert_int_equal(os_join(&listener), wanted);
	raw_close(holder);
}

static void test_busy_listener(void **state)
{
	(void)state;
	/* Asked again until it serves; the request then gets no answer, so nobody has decided. */
	busy_case(3, true, LIMIT_NS, WSD_ENOLISTENER, 104);
	busy_case(2, false, LIMIT_NS, WSD_ENOLISTENER, 2);
	/* It may be asked until the time is over, and not too often. */
	busy_case(20, false, 700000000, WSD_ETIMEDOUT, -1);
}

#define POLL_NS 10000000u

static void poll_once(struct wsd_event *event)
{
	OPS->poll(me.queue, event, 1);
	os_wait(OPS->wait_object(me.queue), POLL_NS / 1000000);
}

/* After the descriptor limit was met, accepting goes on once there are descriptors again. */
static void test_descriptor_limit(void **state)
{
	struct wsd_listener_ep *listener;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	intptr_t fd, holder;
	uint8_t bytes[TCP_BANNER_BYTES];
	struct tcp_banner banner;
	unsigned polls = 0;
	uint64_t begun, end;

	(void)state;
	if (!os_limits_files())
		skip();
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	side_open(&me);
	assert_int_equal(OPS->listen(me.queue, &addr, 4, NULL, &listener), WSD_OK);
	fd = raw_connect(tcp_candidate_port(addr.port, 0));
	os_limit_files(fd);
	assert_int_equal(OPS->endpoint_create(me.queue, NULL, &ep_attr, NULL, &ep), WSD_OK);
	assert_int_equal(OPS->connect(ep, NULL, &addr, NULL, 0, LIMIT_NS), WSD_ENOFILES);
	OPS->endpoint_destroy(ep);
	begun = wsd_clock_ns();
	for (end = begun + LIMIT_NS; !raw_readable(fd); polls++) {
		assert_true(wsd_clock_ns() < end);
		poll_once(&event);
	}
	for (end = wsd_clock_ns() + 50000000; wsd_clock_ns() < end; polls++)
		poll_once(&event);
	assert_true(polls < 10 + 2 * ((wsd_clock_ns() - begun) / POLL_NS)); /* no busy loop */
	assert_int_equal(raw_receive_all(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes) && banner.busy);
	assert_int_equal(raw_receive(fd, bytes, sizeof(bytes)), 0);
	raw_close(fd);
	os_unlimit_files();
	fd = raw_connect(tcp_candidate_port(addr.port, 0));
	assert_false(next_event(&me, &event, 300000000));
	for (end = wsd_clock_ns() + LIMIT_NS; !raw_readable(fd);) {
		assert_true(wsd_clock_ns() < end);
		poll_once(&event);
	}
	assert_int_equal(raw_receive_all(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes) && !banner.busy);
	raw_close(fd);
	OPS->listener_destroy(listener);
	side_close(&me);
	raw_close(holder);
}

/* Strangers that connect and say nothing hold a bounded number of descriptors, and nobody up. */
static void test_silent_strangers(void **state)
{
	enum { STRANGERS = 600, MOST = 512 };
	intptr_t fds[STRANGERS];
	int closed = 0;
	struct client c;
	uint8_t bytes[TCP_BANNER_BYTES + 1];

	(void)state;
	/* None goes because of its time, however slow the machine. */
	assert_int_equal(setenv("WSD_TCP_REQUEST_LIMIT", "600000", 1), 0);
	client_open(&c, WSD_FAMILY_IPV4);
	for (int i = 0; i < STRANGERS; i++) {
		fds[i] = raw_connect(tcp_candidate_port(c.addr.port, 0));
		assert_int_equal(raw_receive_all(fds[i], bytes, TCP_BANNER_BYTES),
				 TCP_BANNER_BYTES);
	}
	/* The last one to go is closed after the last banner was sent. */
	assert_int_equal(raw_receive(fds[STRANGERS - MOST - 1], bytes, 1), 0);
	for (int i = 0; i < STRANGERS; i++)
		closed += raw_readable(fds[i]) && raw_receive(fds[i], bytes, 1) == 0;
	assert_int_equal(closed, STRANGERS - MOST);
	assert_false(raw_readable(fds[STRANGERS - 1]));
	echo(&c, 500, 1);
	client_close(&c);
	client_open(&c, WSD_FAMILY_IPV4);
	echo(&c, 500, 1);
	client_close(&c);
	for (int i = 0; i < STRANGERS; i++)
		raw_close(fds[i]);
	unsetenv("WSD_TCP_REQUEST_LIMIT");
}

int main(int argc, char **argv)
{
	static const struct os_role roles[] = {
		SERVER_ROLE, { "plain", serve_plainly }, { "busy", serve_busily }, { NULL, NULL }
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage),		 cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_busy_listener),	 cmocka_unit_test(test_descriptor_limit),
		cmocka_unit_test(test_silent_strangers),
	};

	os_begin(argc, argv, roles);
	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

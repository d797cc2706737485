// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp_handshake.c - the tcp backend's handshake on the companion port under attack: stale and repeated requests,
 * half ones that are held open or come by the thousand, connections that end in the middle of it, and a false
 * listener that knows the banner. Nobody else is touched.
 */
#include "tests/unit/test_tcp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_BYTES (TCP_HEADER_BYTES + TCP_HELLO_BYTES)

static void make_greeting(uint8_t *bytes, uint8_t type, const struct wsd_addr *addr, uint64_t nonce,
			  uint32_t depth)
{
	struct tcp_frame frame = { .type = type, .length = TCP_HELLO_BYTES };
	struct tcp_hello hello = { .version = TCP_WIRE_VERSION,
				   .recv_depth = depth,
				   .nonce = nonce,
				   .from = *addr,
				   .to = *addr };

	tcp_frame_encode(&frame, bytes);
	tcp_hello_encode(&hello, bytes + TCP_HEADER_BYTES);
}

/* A stranger that has read the banner. */
static intptr_t stranger(const struct wsd_addr *addr, uint64_t *nonce)
{
	intptr_t fd = raw_connect(tcp_candidate_port(addr->port, 0));
	uint8_t bytes[TCP_BANNER_BYTES];
	struct tcp_banner banner;

	assert_int_equal(raw_receive_all(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes));
	*nonce = banner.nonce;
	return fd;
}

/* The number in a banner is good for that listener only, not for the next one on the port. */
static void test_stale(void **state)
{
	uint8_t request[REQUEST_BYTES];
	uint64_t nonce, other;
	struct client c;
	intptr_t fd;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	raw_close(stranger(&c.addr, &nonce));
	OPS->endpoint_destroy(c.ep);
	end_server(&c.server, c.addr);
	start_server(&c.server, c.addr);
	fd = stranger(&c.addr, &other);
	assert_true(nonce != other);
	make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
	assert_true(raw_send(fd, request, sizeof(request)));
	assert_int_equal(drain(fd), 0);
	raw_close(fd);
	c.ep = NULL;
	client_close(&c);
}

/* Once more on the same connection: the end of that one. On another one: just another connection. */
static void test_repeated(void **state)
{
	uint8_t request[REQUEST_BYTES], answer[REQUEST_BYTES + sizeof(struct lend)];
	uint64_t nonce;
	struct client c;
	intptr_t fd[2];

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = stranger(&c.addr, &nonce);
		if (i == 0)
			make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		assert_true(raw_send(fd[i], request, sizeof(request)));
		assert_int_equal(raw_receive_all(fd[i], answer, sizeof(answer)), sizeof(answer));
		assert_int_equal(answer[0], TCP_FRAME_ACCEPT);
	}
	assert_true(raw_send(fd[0], request, sizeof(request)));
	(void)drain(fd[0]);
	raw_close(fd[0]);
	echo(&c, 500, 1);
	raw_close(fd[1]);
	client_close(&c);
}

/* Held open: none, a part, all but a byte of a request, or a byte now and then. Each has its time. */
static void test_held_open(void **state)
{
	static const size_t parts[] = { 0, 1, TCP_HEADER_BYTES, REQUEST_BYTES - 1 };
	uint8_t request[REQUEST_BYTES];
	uint64_t nonce, start;
	struct client c;
	intptr_t fd;

	(void)state;
	assert_int_equal(setenv("WSD_TCP_REQUEST_LIMIT", "300", 1), 0);
	client_open(&c, WSD_FAMILY_IPV4);
	for (unsigned i = 0; i < 5; i++) {
		fd = stranger(&c.addr, &nonce);
		make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		start = wsd_clock_ns();
		if (i < 4) {
			assert_true(raw_send(fd, request, parts[i]));
		} else {
			for (size_t at = 0; at < REQUEST_BYTES - 1; at++) {
				if (!raw_send(fd, request + at, 1))
					break;
				usleep(10000);
			}
		}
		echo(&c, 500, i);
		(void)drain(fd);
		assert_true(wsd_clock_ns() - start < UINT64_C(5000000000));
		raw_close(fd);
	}
	client_close(&c);
	unsetenv("WSD_TCP_REQUEST_LIMIT");
}

/* Thousands of halves, hundreds of them at once. Connections still open at once, and nothing is left. */
static void test_thousands(void **state)
{
	enum { HALVES = 3000 / OS_FEWER, OPEN = 400 / OS_FEWER };
	uint8_t request[REQUEST_BYTES];
	intptr_t fds[OPEN];
	int i;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	uint64_t nonce, start;
	unsigned before;
	struct client c;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	before = os_files(&c.server);
	for (i = 0; i < HALVES; i++) {
		if (i >= OPEN)
			raw_close(fds[i % OPEN]);
		fds[i % OPEN] = stranger(&c.addr, &nonce);
		make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		assert_true(raw_send(fds[i % OPEN], request,
				     TCP_HEADER_BYTES + (size_t)i % TCP_HELLO_BYTES));
	}
	start = wsd_clock_ns();
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_true(wsd_clock_ns() - start < UINT64_C(5000000000));
	OPS->endpoint_destroy(ep);
	for (i = 0; i < OPEN; i++)
		raw_close(fds[i]);
	for (start = wsd_clock_ns(); os_files(&c.server) > before + OS_FILES_SPARE;) {
		echo(&c, 500, 1);
		assert_true(wsd_clock_ns() - start < UINT64_C(10000000000));
	}
	client_close(&c);
}

/* A few turns of our own queue; what it says. */
static enum wsd_event_type turn_until_event(struct wsd_event *event)
{
	assert_true(next_event(&me, event, LIMIT_NS));
	return event->type;
}

/* The listener goes away under halves and whole requests, and each is told that nobody has decided; a request whose
 * connector has left is accepted. */
static void test_closed(void **state)
{
	uint8_t request[REQUEST_BYTES];
	struct wsd_listener_ep *listener;
	struct wsd_event event, gone;
	struct wsd_endpoint *ep;
	struct wsd_addr addr;
	struct tcp_frame frame;
	intptr_t half, whole, silent, holder;
	uint64_t nonce;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	side_open(&me);
	assert_int_equal(OPS->listen(me.queue, &addr, 4, NULL, &listener), WSD_OK);
	half = raw_connect(tcp_candidate_port(addr.port, 0));
	whole = raw_connect(tcp_candidate_port(addr.port, 0));
	silent = raw_connect(tcp_candidate_port(addr.port, 0));
	assert_false(next_event(&me, &event, 50000000));
	{
		uint8_t bytes[TCP_BANNER_BYTES];
		struct tcp_banner banner;

		assert_int_equal(raw_receive_all(half, bytes, sizeof(bytes)), sizeof(bytes));
		assert_int_equal(raw_receive_all(whole, bytes, sizeof(bytes)), sizeof(bytes));
		assert_true(tcp_banner_decode(&banner, bytes));
		nonce = banner.nonce;
	}
	make_greeting(request, TCP_FRAME_REQUEST, &addr, nonce, 4);
	assert_true(raw_send(half, request, REQUEST_BYTES / 2));
	assert_true(raw_send(whole, request, REQUEST_BYTES));
	assert_int_equal(turn_until_event(&event), WSD_EV_REQUEST);
	assert_int_equal(OPS->endpoint_create(me.queue, event.request, &ep_attr, NULL, &ep),
			 WSD_OK);
	raw_close(whole);
	assert_int_equal(turn_until_event(&gone), WSD_EV_REQUEST_GONE);
	assert_true(OPS->accept(ep, "", 0) < 0);
	OPS->endpoint_destroy(ep);
	whole = raw_connect(tcp_candidate_port(addr.port, 0));
	assert_true(raw_send(whole, request, REQUEST_BYTES));
	assert_int_equal(turn_until_event(&event), WSD_EV_REQUEST);
	OPS->listener_destroy(listener);
	(void)drain(whole); /* the banner and a refusal */
	assert_true(raw_send(half, request + REQUEST_BYTES / 2, REQUEST_BYTES - REQUEST_BYTES / 2));
	assert_false(next_event(&me, &event, 50000000));
	assert_int_equal(raw_receive_all(half, request, REQUEST_BYTES), REQUEST_BYTES);
	assert_true(tcp_frame_decode(&frame, request));
	assert_int_equal(frame.type, TCP_FRAME_REJECT);
	assert_int_equal(frame.key, -(int)WSD_ENOLISTENER);
	assert_int_equal(drain(half), 0);
	raw_close(half);
	raw_close(whole);
	side_close(&me);
	assert_int_equal(drain(silent), TCP_BANNER_BYTES); /* it could have asked until now */
	raw_close(silent);
	raw_close(holder);
}

/* A connector that sends more than its request, when that has been read, and closes or waits: it gives its place in the
 * backlog up. */
static void test_talkative(void **state)
{
	struct tcp_banner banner;
	uint8_t request[REQUEST_BYTES], bytes[TCP_BANNER_BYTES];
	uint64_t *errors = wsd_counter("tcp", "protocol_errors", ""), before = *errors;
	struct wsd_listener_ep *listener;
	struct wsd_event event, gone;
	struct wsd_endpoint *ep;
	struct wsd_addr addr;
	intptr_t fd, holder;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	side_open(&me);
	assert_int_equal(OPS->listen(me.queue, &addr, 1, NULL, &listener), WSD_OK);
	for (unsigned i = 0; i < 2; i++) {
		bool closes = i == 1;

		fd = raw_connect(tcp_candidate_port(addr.port, 0));
		assert_false(next_event(&me, &event, 50000000));
		assert_int_equal(raw_receive_all(fd, bytes, sizeof(bytes)), sizeof(bytes));
		assert_true(tcp_banner_decode(&banner, bytes));
		make_greeting(request, TCP_FRAME_REQUEST, &addr, banner.nonce, 4);
		assert_true(raw_send(fd, request, REQUEST_BYTES));
		assert_int_equal(turn_until_event(&event), WSD_EV_REQUEST);
		assert_true(raw_send(fd, request, 1));
		if (closes)
			raw_close(fd);
		assert_int_equal(turn_until_event(&gone), WSD_EV_REQUEST_GONE);
		assert_ptr_equal(gone.request, event.request);
		assert_int_equal(OPS->endpoint_create(me.queue, event.request, &ep_attr, NULL, &ep),
				 WSD_OK);
		assert_int_equal(OPS->accept(ep, "", 0), WSD_ERESET);
		OPS->endpoint_destroy(ep);
		if (!closes)
			raw_close(fd);
		assert_int_equal(*errors, before + i + 1);
	}
	OPS->listener_destroy(listener);
	side_close(&me);
	raw_close(holder);
}

/* A false listener that says the right banner to who connects, and hears the request. */
static intptr_t hear_request(intptr_t listener, const struct wsd_addr *addr)
{
	struct tcp_banner banner = { .version = TCP_WIRE_VERSION, .nonce = 42, .served = *addr };
	uint8_t bytes[TCP_BANNER_BYTES], request[REQUEST_BYTES];
	struct wsd_event event;
	intptr_t fd = raw_accept(listener);

	tcp_banner_encode(&banner, bytes);
	assert_true(raw_send(fd, bytes, sizeof(bytes)));
	while (raw_waiting(fd) != sizeof(request))
		assert_false(next_event(&me, &event, 1000000));
	assert_int_equal(raw_receive(fd, request, sizeof(request)), sizeof(request));
	assert_int_equal(request[0], TCP_FRAME_REQUEST);
	return fd;
}

static struct wsd_endpoint *meet(intptr_t listener, const struct wsd_addr *addr, uint64_t limit,
				 intptr_t *fd)
{
	struct wsd_endpoint *ep = connect_to(*addr, "", limit);

	*fd = hear_request(listener, addr);
	return ep;
}

static void test_false_listener(void **state)
{
	enum {
		SILENT,
		CLOSED,
		GARBAGE,
		NO_DEPTH,
		TOO_DEEP,
		A_REQUEST,
		HALF,
		REFUSED,
		UNDECIDED,
		NO_REASON,
		ANSWERS
	};
	static const enum wsd_status expected[ANSWERS] = {
		WSD_ETIMEDOUT, WSD_ENOLISTENER, WSD_EPROTOCOL, WSD_EPROTOCOL,	WSD_EPROTOCOL,
		WSD_EPROTOCOL, WSD_ETIMEDOUT,	WSD_EREFUSED,  WSD_ENOLISTENER, WSD_EREFUSED
	};
	uint8_t answer[REQUEST_BYTES];
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	intptr_t listener, holder, fd;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	listener = raw_listen(WSD_FAMILY_IPV4, tcp_candidate_port(addr.port, 0));
	if (listener < 0)
		skip();
	side_open(&me);
	for (int i = 0; i < ANSWERS; i++) {
		ep = meet(listener, &addr, expected[i] == WSD_ETIMEDOUT ? 300000000 : LIMIT_NS,
			  &fd);
		make_greeting(answer,
			      i == A_REQUEST ? TCP_FRAME_REQUEST
			      : i >= REFUSED ? TCP_FRAME_REJECT
					     : TCP_FRAME_ACCEPT,
			      &addr, 42,
			      i == NO_DEPTH   ? 0
			      : i == TOO_DEEP ? UINT32_MAX
					      : 4);
		if (i >= UNDECIDED)
			tcp_frame_explain(answer, i == UNDECIDED ? WSD_ENOLISTENER : WSD_ENOMEM);
		if (i == GARBAGE)
			fill(answer, sizeof(answer), 7);
		if (i == CLOSED)
			raw_close(fd);
		else if (i != SILENT)
			assert_true(raw_send(fd, answer,
					     i == HALF ? sizeof(answer) / 2 : sizeof(answer)));
		expect(&event, WSD_EV_CONNECT_FAILED, expected[i]);
		OPS->endpoint_destroy(ep);
		if (i != CLOSED)
			raw_close(fd);
	}
	/* The answer comes to a connection that was given up. */
	ep = meet(listener, &addr, LIMIT_NS, &fd);
	OPS->endpoint_destroy(ep);
	make_greeting(answer, TCP_FRAME_ACCEPT, &addr, 42, 4);
	(void)raw_send(fd, answer, sizeof(answer));
	assert_int_equal(drain(fd), 0);
	assert_false(next_event(&me, &event, 50000000));
	raw_close(fd);
	raw_close(listener);
	side_close(&me);
	raw_close(holder);
}

/* A type of service that is changed at any age of a connection is the one its socket has, also between the request and
 * the answer. */
static void test_marks(void **state)
{
	uint8_t answer[REQUEST_BYTES];
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	intptr_t listener, holder, fd, mine;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	listener = raw_listen(WSD_FAMILY_IPV4, tcp_candidate_port(addr.port, 0));
	if (listener < 0)
		skip();
	side_open(&me);
	ep = connect_to(addr, "", LIMIT_NS);
	OPS->set_traffic_class(ep, 40 << 2);
	fd = hear_request(listener, &addr);
	mine = raw_connected_to(tcp_candidate_port(addr.port, 0));
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 40 << 2, 6);
	OPS->set_traffic_class(ep, 24 << 2);
	make_greeting(answer, TCP_FRAME_ACCEPT, &addr, 42, 4);
	assert_true(raw_send(fd, answer, sizeof(answer)));
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 24 << 2, 4);
	OPS->set_traffic_class(ep, 256 + (40 << 2)); /* no type of service */
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 24 << 2, 4);
	OPS->set_traffic_class(ep, 0);
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 0, 0);
	OPS->set_traffic_class(ep, 40 << 2);
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 40 << 2, 6);
	raw_close(fd);
	expect(&event, WSD_EV_DISCONNECTED, WSD_ERESET);
	OPS->set_traffic_class(ep, 24 << 2);
	raw_assert_marked(mine, WSD_FAMILY_IPV4, 40 << 2, 6);
	OPS->endpoint_destroy(ep);
	raw_close(listener);
	side_close(&me);
	raw_close(holder);
}

/* Who does not wait for the answer is no connector. */
static void test_behind_request(void **state)
{
	uint8_t request[REQUEST_BYTES + 1] = { 0 };
	uint64_t nonce;
	struct client c;
	intptr_t fd;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	fd = stranger(&c.addr, &nonce);
	make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
	assert_true(raw_send(fd, request, sizeof(request)));
	assert_int_equal(drain(fd), 0);
	raw_close(fd);
	echo(&c, 500, 1);
	client_close(&c);
}

/* What an acceptor sends right behind its answer belongs to the connection: a whole frame, and one in two parts. */
static void test_behind_answer(void **state)
{
	const struct tcp_frame last = { .type = TCP_FRAME_DISCONNECT };
	uint8_t answer[REQUEST_BYTES + TCP_HEADER_BYTES];
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	intptr_t listener, holder, fd;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	listener = raw_listen(WSD_FAMILY_IPV4, tcp_candidate_port(addr.port, 0));
	if (listener < 0)
		skip();
	side_open(&me);
	make_greeting(answer, TCP_FRAME_ACCEPT, &addr, 42, 4);
	tcp_frame_encode(&last, answer + REQUEST_BYTES);
	for (size_t later = 0; later < TCP_HEADER_BYTES; later += TCP_HEADER_BYTES / 2) {
		ep = meet(listener, &addr, LIMIT_NS, &fd);
		assert_true(raw_send(fd, answer, sizeof(answer) - later));
		expect(&event, WSD_EV_CONNECTED, WSD_OK);
		if (later > 0) {
			assert_false(next_event(&me, &event, 50000000));
			assert_true(raw_send(fd, answer + sizeof(answer) - later, later));
		}
		expect(&event, WSD_EV_DISCONNECTED, WSD_OK);
		OPS->endpoint_destroy(ep);
		raw_close(fd);
	}
	raw_close(listener);
	side_close(&me);
	raw_close(holder);
}

int main(int argc, char **argv)
{
	static const struct os_role roles[] = { SERVER_ROLE, { NULL, NULL } };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale),	       cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_held_open),      cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_closed),	       cmocka_unit_test(test_talkative),
		cmocka_unit_test(test_false_listener), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_behind_request), cmocka_unit_test(test_behind_answer),
	};

	os_begin(argc, argv, roles);
	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

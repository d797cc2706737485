// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp_handshake.c - the tcp backend's handshake on the companion port under attack: stale and repeated requests,
 * half ones that are held open or come by the thousand, connections that end in the middle of it, and a false
 * listener that knows the banner. Nobody else is touched.
 */
#include "tests/unit/test_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
static int stranger(const struct wsd_addr *addr, uint64_t *nonce)
{
	int fd = raw_connect(tcp_candidate_port(addr->port, 0));
	uint8_t bytes[TCP_BANNER_BYTES];
	struct tcp_banner banner;

	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes));
	*nonce = banner.nonce;
	return fd;
}

static void send_bytes(int fd, const uint8_t *bytes, size_t length)
{
	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* The number in a banner is good for that listener only, not for the next one on the port. */
static void test_stale(void **state)
{
	uint8_t request[REQUEST_BYTES];
	uint64_t nonce, other;
	struct client c;
	int fd;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	close(stranger(&c.addr, &nonce));
	OPS->endpoint_destroy(c.ep);
	stop_server(c.server);
	c.server = start_server(c.addr);
	fd = stranger(&c.addr, &other);
	assert_true(nonce != other);
	make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
	send_bytes(fd, request, sizeof(request));
	assert_int_equal(drain(fd), 0);
	close(fd);
	c.ep = NULL;
	client_close(&c);
}

/* Once more on the same connection: the end of that one. On another one: just another connection. */
static void test_repeated(void **state)
{
	uint8_t request[REQUEST_BYTES], answer[REQUEST_BYTES + sizeof(struct lend)];
	uint64_t nonce;
	struct client c;
	int fd[2];

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = stranger(&c.addr, &nonce);
		if (i == 0)
			make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		send_bytes(fd[i], request, sizeof(request));
		assert_int_equal(recv(fd[i], answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
		assert_int_equal(answer[0], TCP_FRAME_ACCEPT);
	}
	send_bytes(fd[0], request, sizeof(request));
	(void)drain(fd[0]);
	close(fd[0]);
	echo(&c, 500, 1);
	close(fd[1]);
	client_close(&c);
}

/* Held open: none, a part, all but a byte of a request, or a byte now and then. Each has its time. */
static void test_held_open(void **state)
{
	static const size_t parts[] = { 0, 1, TCP_HEADER_BYTES, REQUEST_BYTES - 1 };
	uint8_t request[REQUEST_BYTES];
	uint64_t nonce, start;
	struct client c;
	int fd;

	(void)state;
	assert_int_equal(setenv("WSD_TCP_REQUEST_LIMIT", "300", 1), 0);
	client_open(&c, WSD_FAMILY_IPV4);
	for (unsigned i = 0; i < 5; i++) {
		fd = stranger(&c.addr, &nonce);
		make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		start = wsd_clock_ns();
		if (i < 4) {
			send_bytes(fd, request, parts[i]);
		} else {
			for (size_t at = 0; at < REQUEST_BYTES - 1; at++) {
				if (send(fd, request + at, 1, MSG_NOSIGNAL) != 1)
					break;
				usleep(10000);
			}
		}
		echo(&c, 500, i);
		(void)drain(fd);
		assert_true(wsd_clock_ns() - start < UINT64_C(5000000000));
		close(fd);
	}
	client_close(&c);
	unsetenv("WSD_TCP_REQUEST_LIMIT");
}

/* Thousands of halves, hundreds of them at once. Connections still open at once, and nothing is left. */
static void test_thousands(void **state)
{
	enum { HALVES = 3000, OPEN = 400 };
	uint8_t request[REQUEST_BYTES];
	int fds[OPEN], i;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	uint64_t nonce, start;
	unsigned before;
	struct client c;

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	before = test_open_descriptors(c.server);
	for (i = 0; i < HALVES; i++) {
		if (i >= OPEN)
			close(fds[i % OPEN]);
		fds[i % OPEN] = stranger(&c.addr, &nonce);
		make_greeting(request, TCP_FRAME_REQUEST, &c.addr, nonce, 4);
		send_bytes(fds[i % OPEN], request, TCP_HEADER_BYTES + (size_t)i % TCP_HELLO_BYTES);
	}
	start = wsd_clock_ns();
	ep = connect_to(c.addr, "idle", LIMIT_NS);
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_true(wsd_clock_ns() - start < UINT64_C(5000000000));
	OPS->endpoint_destroy(ep);
	for (i = 0; i < OPEN; i++)
		close(fds[i]);
	for (start = wsd_clock_ns(); test_open_descriptors(c.server) > before;) {
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

/* The listener goes away under halves and whole requests; a request whose connector has left is accepted. */
static void test_closed(void **state)
{
	uint8_t request[REQUEST_BYTES];
	struct wsd_listener_ep *listener;
	struct wsd_event event, gone;
	struct wsd_endpoint *ep;
	struct wsd_addr addr;
	int half, whole, holder;
	uint64_t nonce;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	side_open(&me);
	assert_int_equal(OPS->listen(me.queue, &addr, 4, NULL, &listener), WSD_OK);
	half = raw_connect(tcp_candidate_port(addr.port, 0));
	whole = raw_connect(tcp_candidate_port(addr.port, 0));
	assert_false(next_event(&me, &event, 50000000));
	{
		uint8_t bytes[TCP_BANNER_BYTES];
		struct tcp_banner banner;

		assert_int_equal(recv(half, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
		assert_int_equal(recv(whole, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
		assert_true(tcp_banner_decode(&banner, bytes));
		nonce = banner.nonce;
	}
	make_greeting(request, TCP_FRAME_REQUEST, &addr, nonce, 4);
	send_bytes(half, request, REQUEST_BYTES / 2);
	send_bytes(whole, request, REQUEST_BYTES);
	assert_int_equal(turn_until_event(&event), WSD_EV_REQUEST);
	assert_int_equal(OPS->endpoint_create(me.queue, event.request, &ep_attr, NULL, &ep),
			 WSD_OK);
	close(whole);
	assert_int_equal(turn_until_event(&gone), WSD_EV_REQUEST_GONE);
	assert_true(OPS->accept(ep, "", 0) < 0);
	OPS->endpoint_destroy(ep);
	whole = raw_connect(tcp_candidate_port(addr.port, 0));
	send_bytes(whole, request, REQUEST_BYTES);
	assert_int_equal(turn_until_event(&event), WSD_EV_REQUEST);
	OPS->listener_destroy(listener);
	assert_int_equal(drain(half), 0);
	(void)drain(whole); /* the banner and a refusal */
	close(half);
	close(whole);
	side_close(&me);
	close(holder);
}

static int false_listener(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 8) != 0)
		return -1;
	return fd;
}

/* A false listener that says the right banner to who connects, and hears the request. */
static int hear_request(int listener, const struct wsd_addr *addr)
{
	struct tcp_banner banner = { .version = TCP_WIRE_VERSION, .nonce = 42, .served = *addr };
	uint8_t bytes[TCP_BANNER_BYTES], request[REQUEST_BYTES];
	struct wsd_event event;
	int fd = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	tcp_banner_encode(&banner, bytes);
	send_bytes(fd, bytes, sizeof(bytes));
	while (recv(fd, request, sizeof(request), MSG_PEEK | MSG_DONTWAIT) != sizeof(request))
		assert_false(next_event(&me, &event, 1000000));
	assert_int_equal(recv(fd, request, sizeof(request), 0), sizeof(request));
	assert_int_equal(request[0], TCP_FRAME_REQUEST);
	return fd;
}

static struct wsd_endpoint *meet(int listener, const struct wsd_addr *addr, uint64_t limit, int *fd)
{
	struct wsd_endpoint *ep = connect_to(*addr, "", limit);

	*fd = hear_request(listener, addr);
	return ep;
}

static void test_false_listener(void **state)
{
	enum { SILENT, CLOSED, GARBAGE, NO_DEPTH, TOO_DEEP, A_REQUEST, HALF, ANSWERS };
	static const enum wsd_status expected[ANSWERS] = { WSD_ETIMEDOUT, WSD_ERESET,
							   WSD_EPROTOCOL, WSD_EPROTOCOL,
							   WSD_EPROTOCOL, WSD_EPROTOCOL,
							   WSD_ETIMEDOUT };
	uint8_t answer[REQUEST_BYTES];
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	int listener, holder, fd;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	listener = false_listener(tcp_candidate_port(addr.port, 0));
	if (listener < 0)
		skip();
	side_open(&me);
	for (int i = 0; i < ANSWERS; i++) {
		ep = meet(listener, &addr, expected[i] == WSD_ETIMEDOUT ? 300000000 : LIMIT_NS,
			  &fd);
		make_greeting(answer, i == A_REQUEST ? TCP_FRAME_REQUEST : TCP_FRAME_ACCEPT, &addr,
			      42,
			      i == NO_DEPTH   ? 0
			      : i == TOO_DEEP ? UINT32_MAX
					      : 4);
		if (i == GARBAGE)
			fill(answer, sizeof(answer), 7);
		if (i == CLOSED)
			close(fd);
		else if (i != SILENT)
			send_bytes(fd, answer, i == HALF ? sizeof(answer) / 2 : sizeof(answer));
		expect(&event, WSD_EV_CONNECT_FAILED, expected[i]);
		OPS->endpoint_destroy(ep);
		if (i != CLOSED)
			close(fd);
	}
	/* The answer comes to a connection that was given up. */
	ep = meet(listener, &addr, LIMIT_NS, &fd);
	OPS->endpoint_destroy(ep);
	make_greeting(answer, TCP_FRAME_ACCEPT, &addr, 42, 4);
	(void)send(fd, answer, sizeof(answer), MSG_NOSIGNAL);
	assert_int_equal(drain(fd), 0);
	assert_false(next_event(&me, &event, 50000000));
	close(fd);
	close(listener);
	side_close(&me);
	close(holder);
}

/* The socket of this process at the other end of fd. */
static int other_end(int fd)
{
	struct sockaddr_in want, got;
	socklen_t length = sizeof(want), size;

	assert_int_equal(getpeername(fd, (struct sockaddr *)&want, &length), 0);
	for (int other = 3; other < 1024; other++) {
		size = sizeof(got);
		if (other != fd && getsockname(other, (struct sockaddr *)&got, &size) == 0 &&
		    size == length && got.sin_family == AF_INET && got.sin_port == want.sin_port)
			return other;
	}
	fail_msg("no such socket");
	return -1;
}

static void assert_marked(int fd, int service, int priority)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &size), 0);
	assert_int_equal(value, service);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, &size), 0);
	assert_int_equal(value, priority);
}

/* A type of service that is changed at any age of a connection is the one its socket has, also between the request and
 * the answer. */
static void test_marks(void **state)
{
	uint8_t answer[REQUEST_BYTES];
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	int listener, holder, fd, mine;

	(void)state;
	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	listener = false_listener(tcp_candidate_port(addr.port, 0));
	if (listener < 0)
		skip();
	side_open(&me);
	ep = connect_to(addr, "", LIMIT_NS);
	OPS->set_traffic_class(ep, 40 << 2);
	fd = hear_request(listener, &addr);
	mine = other_end(fd);
	assert_marked(mine, 40 << 2, 6);
	OPS->set_traffic_class(ep, 24 << 2);
	make_greeting(answer, TCP_FRAME_ACCEPT, &addr, 42, 4);
	send_bytes(fd, answer, sizeof(answer));
	expect(&event, WSD_EV_CONNECTED, WSD_OK);
	assert_marked(mine, 24 << 2, 4);
	OPS->set_traffic_class(ep, 256 + (40 << 2)); /* no type of service */
	assert_marked(mine, 24 << 2, 4);
	OPS->set_traffic_class(ep, 0);
	assert_marked(mine, 0, 0);
	OPS->set_traffic_class(ep, 40 << 2);
	assert_marked(mine, 40 << 2, 6);
	close(fd);
	expect(&event, WSD_EV_DISCONNECTED, WSD_ERESET);
	OPS->set_traffic_class(ep, 24 << 2);
	assert_marked(mine, 40 << 2, 6);
	OPS->endpoint_destroy(ep);
	close(listener);
	side_close(&me);
	close(holder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stale),	  cmocka_unit_test(test_repeated),
		cmocka_unit_test(test_held_open), cmocka_unit_test(test_thousands),
		cmocka_unit_test(test_closed),	  cmocka_unit_test(test_false_listener),
		cmocka_unit_test(test_marks),
	};

	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

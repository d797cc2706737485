// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tcp_hostile.c - the tcp backend against strangers: garbage on the companion port, a peer
 * that breaks the protocol, plain servers on candidate ports, and the descriptor limit.
 */
#include "tests/unit/test_tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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

static int raw_listen(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

/* A server that has nothing to do with us sits on the first candidate and counts what it gets. */
static int plain_server(uint16_t port, int *result)
{
	int fd = raw_listen(port), ends[2];
	uint64_t total;
	pid_t pid;

	if (fd < 0)
		return -1;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int got = accept(fd, NULL, NULL);

		test_deadline(30);
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
	assert_true(wsd_clock_ns() - total < 3000000000u * test_slow_factor());
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

/* A listener on the first candidate that says so often that it is busy; then it is gone, or says a banner and
 * reads the request. Its exit status: how often it was asked, 100 more if a request came. */
static pid_t busy_listener(const struct wsd_addr *addr, int times, bool serves)
{
	struct tcp_banner banner = { .version = TCP_WIRE_VERSION, .nonce = 7, .served = *addr };
	int fd = raw_listen(tcp_candidate_port(addr->port, 0)), asked, got;
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES];
	pid_t pid;

	if (fd < 0)
		return -1;
	pid = fork();
	if (pid != 0) {
		close(fd);
		return pid;
	}
	test_deadline(30);
	for (asked = 0; asked < times + serves; asked++) {
		got = accept(fd, NULL, NULL);
		banner.busy = asked < times;
		tcp_banner_encode(&banner, bytes);
		if (write(got, bytes, TCP_BANNER_BYTES) != (ssize_t)TCP_BANNER_BYTES)
			_exit(99);
		if (!banner.busy && recv(got, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes))
			asked += 100;
		close(got);
	}
	_exit(asked);
}

static void busy_case(int times, bool serves, uint64_t limit, enum wsd_status status, int wanted)
{
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	int holder, result;
	pid_t pid;

	addr = address(WSD_FAMILY_IPV4, free_port(WSD_FAMILY_IPV4, &holder));
	pid = busy_listener(&addr, times, serves);
	assert_true(pid > 0);
	side_open(&me);
	ep = connect_to(addr, "", limit);
	expect(&event, WSD_EV_CONNECT_FAILED, status);
	OPS->endpoint_destroy(ep);
	side_close(&me);
	if (wanted < 0)
		kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &result, 0), pid);
	assert_true(wanted < 0 ? WIFSIGNALED(result) : WEXITSTATUS(result) == wanted);
	close(holder);
}

static void test_busy_listener(void **state)
{
	(void)state;
	/* Asked again until it serves; the request then gets no answer. */
	busy_case(3, true, LIMIT_NS, WSD_ERESET, 104);
	busy_case(2, false, LIMIT_NS, WSD_ENOLISTENER, 2);
	/* It may be asked until the time is over, and not too often. */
	busy_case(20, false, 700000000, WSD_ETIMEDOUT, -1);
}

#define POLL_NS 10000000u

static void poll_once(struct wsd_event *event)
{
	struct pollfd p = { .fd = (int)OPS->wait_object(me.queue), .events = POLLIN };

	OPS->poll(me.queue, event, 1);
	(void)poll(&p, 1, POLL_NS / 1000000);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* After the descriptor limit was met, accepting goes on once there are descriptors again. */
static void test_descriptor_limit(void **state)
{
	struct wsd_listener_ep *listener;
	struct rlimit limit, low;
	struct wsd_endpoint *ep;
	struct wsd_event event;
	struct wsd_addr addr;
	int fd, probe, holder;
	uint8_t bytes[TCP_BANNER_BYTES];
	struct tcp_banner banner;
	unsigned polls = 0;
	uint64_t begun, end;

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
	begun = wsd_clock_ns();
	for (end = begun + LIMIT_NS; !readable(fd); polls++) {
		assert_true(wsd_clock_ns() < end);
		poll_once(&event);
	}
	for (end = wsd_clock_ns() + 50000000; wsd_clock_ns() < end; polls++)
		poll_once(&event);
	assert_true(polls < 10 + 2 * ((wsd_clock_ns() - begun) / POLL_NS)); /* no busy loop */
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes) && banner.busy);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 0);
	close(fd);
	setrlimit(RLIMIT_NOFILE, &limit);
	fd = raw_connect(tcp_candidate_port(addr.port, 0));
	assert_false(next_event(&me, &event, 300000000));
	for (end = wsd_clock_ns() + LIMIT_NS; !readable(fd);) {
		assert_true(wsd_clock_ns() < end);
		poll_once(&event);
	}
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL), sizeof(bytes));
	assert_true(tcp_banner_decode(&banner, bytes) && !banner.busy);
	close(fd);
	OPS->listener_destroy(listener);
	side_close(&me);
	close(holder);
}

/* Strangers that connect and say nothing hold a bounded number of descriptors, and nobody up. */
static void test_silent_strangers(void **state)
{
	enum { STRANGERS = 600, MOST = 512 };
	int fds[STRANGERS], closed = 0;
	struct client c;
	uint8_t bytes[TCP_BANNER_BYTES + 1];

	(void)state;
	client_open(&c, WSD_FAMILY_IPV4);
	for (int i = 0; i < STRANGERS; i++) {
		fds[i] = raw_connect(tcp_candidate_port(c.addr.port, 0));
		assert_int_equal(recv(fds[i], bytes, TCP_BANNER_BYTES, MSG_WAITALL),
				 TCP_BANNER_BYTES);
	}
	/* The last one to go is closed after the last banner was sent. */
	assert_int_equal(recv(fds[STRANGERS - MOST - 1], bytes, 1, 0), 0);
	for (int i = 0; i < STRANGERS; i++)
		closed += recv(fds[i], bytes, 1, MSG_DONTWAIT) == 0;
	assert_int_equal(closed, STRANGERS - MOST);
	assert_int_equal(recv(fds[STRANGERS - 1], bytes, 1, MSG_DONTWAIT), -1);
	echo(&c, 500, 1);
	client_close(&c);
	client_open(&c, WSD_FAMILY_IPV4);
	echo(&c, 500, 1);
	client_close(&c);
	for (int i = 0; i < STRANGERS; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage),		 cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_busy_listener),	 cmocka_unit_test(test_descriptor_limit),
		cmocka_unit_test(test_silent_strangers),
	};

	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

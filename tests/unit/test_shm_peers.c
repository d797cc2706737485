// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_peers.c - the shm backend between processes: traffic, a stopped and a killed peer, hostile
 * bytes in the shared memory and on the sockets, many connections and what they cost.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/unit/test_shm.h"

#define OPS    wsd_backend_shm
#define RW     (WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)
#define MANY   1000u
#define BUFFER 64u

static unsigned fds_before;
static uint16_t port;
static pid_t child;
static struct wsd_queue *queue;

/* One connection of the server: it sends every message back, sleeping on the wait object between. */
struct echo {
	struct wsd_endpoint *endpoint;
	char in[4][BUFFER];
};

static void echo_repost(struct echo *echo, uint64_t id)
{
	struct wsd_recv recv = { .id = id, .sge = { echo->in[id], BUFFER, NULL } };
	uint32_t posted;

	OPS.post_recv(echo->endpoint, &recv, &posted);
}

static void echo_accept(struct wsd_queue *server, struct wsd_request *request)
{
	struct wsd_endpoint_attr attr = shm_attr;
	struct echo *echo = calloc(1, sizeof(*echo));
	uint64_t i;

	attr.recv_bytes = BUFFER;
	if (!echo || OPS.endpoint_create(server, request, &attr, echo, &echo->endpoint))
		_exit(3);
	for (i = 0; i < 4; i++)
		echo_repost(echo, i);
	if (OPS.accept(echo->endpoint, "", 0)) {
		OPS.endpoint_destroy(echo->endpoint);
		free(echo);
	}
}

static void echo_back(struct echo *echo, const struct wsd_event *event)
{
	struct wsd_sge sge = { echo->in[event->id], event->bytes, NULL };
	struct wsd_work work = { .op = WSD_OP_SEND, .sge_count = 1, .sge = &sge };
	uint32_t posted;

	OPS.post_send(echo->endpoint, &work, &posted);
	echo_repost(echo, event->id);
}

static void serve_event(struct wsd_queue *server, const struct wsd_event *event)
{
	struct echo *echo = event->context;

	switch (event->type) {
	case WSD_EV_REQUEST:
		echo_accept(server, event->request);
		break;
	case WSD_EV_REQUEST_GONE:
		OPS.reject(event->request, NULL, 0);
		break;
	case WSD_EV_RECV:
		echo_back(echo, event);
		break;
	case WSD_EV_CONNECT_FAILED:
	case WSD_EV_DISCONNECTED:
		OPS.endpoint_destroy(echo->endpoint);
		free(echo);
		break;
	case WSD_EV_SEND:
	case WSD_EV_RECV_IMM:
	case WSD_EV_REG:
	case WSD_EV_CONNECTED:
	case WSD_EV_DEVICE_GONE:
		break;
	}
}

static void serve_for_ever(int ready)
{
	struct wsd_addr addr = world_addr(port);
	struct wsd_listener_ep *listener;
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_queue *server;
	struct wsd_event events[16];
	uint32_t count, i;
	intptr_t object;

	alarm(60);
	world_open();
	server = world_queue();
	if (OPS.listen(server, &addr, 2000, NULL, &listener))
		_exit(2);
	if (write(ready, "r", 1) != 1)
		_exit(2);
	object = OPS.wait_object(server);
	for (;;) {
		count = OPS.poll(server, events, 16);
		for (i = 0; i < count; i++)
			serve_event(server, &events[i]);
		if (!count && OPS.arm(server) == WSD_OK) {
			wsd_waker_sleep(waker, &object, 1, UINT64_MAX);
			OPS.disarm(server);
		}
	}
}

static int setup(void **state)
{
	int ends[2];
	char byte;

	(void)state;
	alarm(60);
	port = world_port();
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0)
		serve_for_ever(ends[1]);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	assert_non_null(wsd_waker_self()); /* lives as long as the thread */
	fds_before = world_fds();
	world_open();
	queue = world_queue();
	return 0;
}

static void reap(void)
{
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static int teardown(void **state)
{
	(void)state;
	reap();
	world_close();
	assert_int_equal(world_fds(), fds_before);
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

static struct end *connected(void)
{
	struct end *end = end_new(queue);

	connect_to(end, port);
	expect(end, WSD_EV_CONNECTED);
	return end;
}

static void exchange(struct end *end, const char *text)
{
	char in[BUFFER] = { 0 };

	post_recv(end, 9, in, sizeof(in), NULL);
	post(end, WSD_OP_SEND, 8, text, (uint32_t)strlen(text) + 1, 0, 0, 0);
	expect(end, WSD_EV_SEND);
	assert_int_equal(expect(end, WSD_EV_RECV)->id, 9);
	assert_string_equal(in, text);
}

static void test_echo(void **state)
{
	struct end *end = connected();
	char text[32];
	int i;

	(void)state;
	for (i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		exchange(end, text);
	}
	end_free(end);
}

static void test_killed(void **state)
{
	struct end *one = connected(), *two = connected();
	uint64_t start;

	(void)state;
	exchange(one, "alive");
	start = wsd_clock_ns();
	kill(child, SIGKILL);
	assert_int_equal(expect(one, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_int_equal(expect(two, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	assert_true(wsd_clock_ns() - start < 2000000000u);
	assert_int_equal(try_post(one, WSD_OP_SEND, 1, "x", 1, 0, 0, 0), WSD_ESTATE);
	end_free(one);
	end_free(two);
}

/* What arrived before the death is delivered, then the reset. Sleeping on the wait object. */
static void test_killed_late(void **state)
{
	struct end *end = connected();
	intptr_t object = OPS.wait_object(queue);
	char in[2][BUFFER];

	(void)state;
	exchange(end, "warm");
	post_recv(end, 1, in[0], BUFFER, NULL);
	post_recv(end, 2, in[1], BUFFER, NULL);
	post(end, WSD_OP_SEND, 8, "last", 5, 0, 0, 0);
	while (atomic_load(&end->endpoint->own_cq[1].seq) != 2)
		wsd_cpu_relax();
	reap();
	if (OPS.arm(queue) == WSD_OK) {
		wsd_waker_sleep(wsd_waker_self(), &object, 1, wsd_clock_ns() + 2000000000u);
		OPS.disarm(queue);
	}
	expect(end, WSD_EV_SEND);
	assert_int_equal(expect(end, WSD_EV_RECV)->bytes, 5);
	assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	end_free(end);
}

static void test_stopped(void **state)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote = world_addr(port);
	struct end *end = end_new(queue);
	uint64_t start = wsd_clock_ns();
	intptr_t object = OPS.wait_object(queue);

	(void)state;
	kill(child, SIGSTOP);
	assert_int_equal(OPS.endpoint_create(queue, NULL, &shm_attr, end, &end->endpoint), WSD_OK);
	assert_int_equal(OPS.connect(end->endpoint, &none, &remote, "", 0, 50000000u), WSD_OK);
	while (!end->count) {
		if (!world_poll() && OPS.arm(queue) == WSD_OK) {
			wsd_waker_sleep(wsd_waker_self(), &object, 1, start + 4000000000u);
			OPS.disarm(queue);
		}
		assert_true(wsd_clock_ns() - start < 4000000000u);
	}
	assert_int_equal(expect(end, WSD_EV_CONNECT_FAILED)->status, WSD_ETIMEDOUT);
	assert_true(wsd_clock_ns() - start >= 50000000u);
	kill(child, SIGCONT);
	end_free(end);
	end = connected();
	exchange(end, "again");
	end_free(end);
}

enum damage { RQ_TAIL, CQ_HEAD, CQ_TYPE, CQ_LENGTH, CQ_SURPLUS, CQ_ACK, CQ_BOUNCE, DAMAGES };

/* Written the way a hostile peer would: into the memory that it shares with us. */
static void damage(struct wsd_endpoint *endpoint, enum damage what)
{
	struct shm_cqe *slot =
		&endpoint->own_cq[endpoint->cq_head & (endpoint->own_layout.cq_size - 1)];

	if (what == RQ_TAIL)
		atomic_store(&endpoint->peer->rq_tail, endpoint->rq_next + 1000);
	if (what == CQ_HEAD)
		atomic_store(&endpoint->peer->cq_head, endpoint->cq_tail + 5);
	endpoint->rq_seen = endpoint->rq_next;
	endpoint->cq_taken = endpoint->cq_tail - endpoint->peer_layout.cq_size;
	if (what <= CQ_HEAD)
		return;
	atomic_store(&slot->length, what == CQ_LENGTH ? 0xfffffff0u : 4);
	atomic_store(&slot->tag, what == CQ_ACK ? 0x7fffffffu : 0);
	atomic_store(&slot->imm, 1);
	atomic_store(&slot->type, what == CQ_TYPE     ? 0xdeadu
				  : what == CQ_LENGTH ? (unsigned)SHM_CQE_RECV_BOUNCE
				  : what == CQ_ACK    ? (unsigned)SHM_CQE_ACK
				  : what == CQ_BOUNCE ? (unsigned)SHM_CQE_WRITE
						      : (unsigned)SHM_CQE_IMM);
	atomic_store(&slot->seq, endpoint->cq_head + 1);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

static void test_garbage(void **state)
{
	struct end *good = connected(), *bad;
	uint64_t *errors = OPS.size ? wsd_counter("shm", "protocol_errors", "") : NULL, before;
	char in[BUFFER];
	unsigned what, i;

	(void)state;
	for (what = 0; what < DAMAGES; what++) {
		bad = connected();
		before = *errors;
		if (what == CQ_LENGTH)
			post_recv(bad, 1, in, BUFFER, NULL);
		damage(bad->endpoint, (enum damage)what);
		if (what <= CQ_HEAD)
			(void)try_post(bad, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
		while (!bad->count || bad->log[bad->count - 1].type != WSD_EV_DISCONNECTED)
			world_poll();
		assert_int_equal(bad->log[bad->count - 1].status, WSD_EPROTOCOL);
		assert_int_equal(*errors, before + 1);
		end_free(bad);
	}
	/* The inbox holds only hints. */
	for (i = 0; i < SHM_MAX_INDEX; i += 61)
		shm_inbox_set(queue->inbox, i);
	for (i = 0; i < 300; i++)
		world_poll();
	exchange(good, "unharmed");
	end_free(good);
}

static int raw_connect(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
			      "openwsd.shm.%u.4.7f000001-0.%u", (unsigned)geteuid(), port);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&name,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
		0);
	return fd;
}

/* Send a request with these descriptors; the server must refuse it, or hang up (returns WSD_EOF). */
static int32_t raw_request(struct shm_msg_hello *hello, size_t length, const int *fds,
			   unsigned count)
{
	struct shm_msg_hello answer;
	int fd = raw_connect();
	int32_t status = WSD_EOF;

	assert_int_equal(shm_os_send(fd, hello, length, fds, count), WSD_OK);
	if (recv(fd, &answer, sizeof(answer), 0) == (ssize_t)sizeof(answer)) {
		assert_int_equal(answer.head.type, SHM_MSG_REJECT);
		status = answer.status;
	}
	close(fd);
	return status;
}

static void test_bad_requests(void **state)
{
	struct shm_msg_hello hello = { .head = { SHM_MAGIC, SHM_VERSION, SHM_MSG_REQUEST },
				       .recv_depth = 4,
				       .recv_bytes = 64,
				       .local = { .family = 4 },
				       .remote = { .family = 4 } };
	int unsealed = memfd_create("unsealed", MFD_CLOEXEC),
	    fds[2] = { queue->inbox_fd, unsealed };
	struct shm_layout layout;
	struct end *end;

	(void)state;
	assert_true(shm_layout_make(&layout, 4, 64));
	assert_int_equal(ftruncate(unsealed, layout.length), 0);
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	fds[1] = queue->inbox_fd; /* sealed, but of another length */
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 1), WSD_ENOFILES);
	assert_int_equal(raw_request(&hello, 20, fds, 2), WSD_EPROTOCOL);
	hello.head.version++;
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EVERSION);
	hello.head.version--;
	hello.recv_depth = 100000;
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	hello.recv_depth = 4;
	hello.data_length = 1000;
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	close(unsealed);
	end = connected();
	exchange(end, "still there");
	end_free(end);
}

/* Junk on a link hurts its connections and nothing else. */
static void test_bad_link(void **state)
{
	struct end *end = connected();

	(void)state;
	assert_true(send(end->endpoint->link->source.fd, "junk", 4, MSG_NOSIGNAL) == 4);
	assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	end_free(end);
	end = connected();
	exchange(end, "fine");
	end_free(end);
}

static void test_many(void **state)
{
	struct end **ends = calloc(MANY, sizeof(*ends));
	unsigned fds, i;

	(void)state;
	assert_non_null(ends);
	ends[0] = connected();
	fds = world_fds();
	for (i = 1; i < MANY; i++)
		ends[i] = connected();
	assert_int_equal(world_fds(), fds);
	exchange(ends[0], "first");
	exchange(ends[MANY - 1], "last");
	for (i = 0; i < MANY; i++)
		end_free(ends[i]);
	world_poll();
	assert_true(world_fds() < fds);
	free(ends);
}

/* A burst: all requests are under way before the first answer. They end up on few links. */
static void test_burst(void **state)
{
	struct end *ends[100];
	unsigned i, fds = world_fds();

	(void)state;
	for (i = 0; i < 100; i++) {
		ends[i] = end_new(queue);
		connect_to(ends[i], port);
	}
	for (i = 0; i < 100; i++)
		expect(ends[i], WSD_EV_CONNECTED);
	assert_true(world_fds() <= fds + 3);
	for (i = 0; i < 100; i++) {
		exchange(ends[i], "burst");
		end_free(ends[i]);
	}
}

static void test_addresses(void **state)
{
	struct wsd_addr list[32];
	uint32_t count = OPS.addresses(shm_device, list, 32), i;
	bool loopback = false;

	(void)state;
	for (i = 0; i < count && i < 32; i++)
		loopback |= list[i].family == WSD_FAMILY_IPV4 && list[i].bytes[0] == 127;
	assert_true(loopback);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(echo),    TEST(killed),	   TEST(killed_late), TEST(stopped),
		TEST(garbage), TEST(bad_requests), TEST(bad_link),    TEST(many),
		TEST(burst),   TEST(addresses),
	};

	return cmocka_run_group_tests_name("shm_peers", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_server.c - see test_shm.h. */

#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/unit/test_shm.h"

#define OPS wsd_backend_shm

static unsigned fds_before;
uint16_t shm_port;
pid_t shm_child;
struct wsd_queue *shm_queue;

/* One connection of the server: it sends every message back, sleeping on the wait object between. */
struct echo {
	struct wsd_endpoint *endpoint;
	char in[4][SHM_BUFFER];
};

static void echo_repost(struct echo *echo, uint64_t id)
{
	struct wsd_recv recv = { .id = id, .sge = { echo->in[id], SHM_BUFFER, NULL } };
	uint32_t posted;

	OPS.post_recv(echo->endpoint, &recv, &posted);
}

static void echo_accept(struct wsd_queue *server, struct wsd_request *request)
{
	struct wsd_endpoint_attr attr = shm_attr;
	struct echo *echo = calloc(1, sizeof(*echo));
	uint64_t i;

	attr.recv_bytes = SHM_BUFFER;
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

void shm_serve_for_ever(const struct wsd_addr *addr, intptr_t pipe)
{
	struct wsd_listener_ep *listener;
	struct wsd_waker *waker = wsd_waker_self();
	struct wsd_queue *server;
	struct wsd_event events[16];
	uint32_t count, i;
	intptr_t object;

	test_deadline(60);
	world_open();
	server = world_queue();
	if (OPS.listen(server, addr, 2000, NULL, &listener))
		_exit(2);
	shm_ready(pipe);
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

const struct shm_msg_hello shm_good_hello = { .head = { SHM_MAGIC, SHM_VERSION, SHM_MSG_REQUEST },
					      .recv_depth = 4,
					      .recv_bytes = 64,
					      .local = { .family = 4 },
					      .remote = { .family = 4 } };

void shm_check_bad_hellos(shm_raw_request request, const shm_share *shares)
{
	struct shm_msg_hello hello = shm_good_hello;

	assert_int_equal(request(&hello, 20, shares, 2), WSD_EPROTOCOL);
	hello.head.version++;
	assert_int_equal(request(&hello, sizeof(hello), shares, 2), WSD_EVERSION);
	hello.head.version--;
	hello.recv_depth = 100000;
	assert_int_equal(request(&hello, sizeof(hello), shares, 2), WSD_EPROTOCOL);
	hello.recv_depth = 4;
	hello.data_length = 1000;
	assert_int_equal(request(&hello, sizeof(hello), shares, 2), WSD_EPROTOCOL);
}

int shm_setup(void **state)
{
	struct wsd_addr addr;

	(void)state;
	test_deadline(60);
	shm_port = world_port();
	addr = world_addr(shm_port);
	shm_child = shm_serve(&addr);
	assert_non_null(wsd_waker_self()); /* lives as long as the thread */
	fds_before = world_fds();
	world_open();
	shm_queue = world_queue();
	return 0;
}

int shm_teardown(void **state)
{
	(void)state;
	shm_reap(&shm_child);
	world_close();
	world_has_fds(fds_before);
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

struct end *shm_connected(void)
{
	struct end *end = end_new(shm_queue);

	connect_to(end, shm_port);
	expect(end, WSD_EV_CONNECTED);
	return end;
}

void shm_exchange(struct end *end, const char *text)
{
	char in[SHM_BUFFER] = { 0 };

	post_recv(end, 9, in, sizeof(in), NULL);
	post(end, WSD_OP_SEND, 8, text, (uint32_t)strlen(text) + 1, 0, 0, 0);
	expect(end, WSD_EV_SEND);
	assert_int_equal(expect(end, WSD_EV_RECV)->id, 9);
	assert_string_equal(in, text);
}

struct end *shm_connected_sharing(shm_share *segment)
{
	struct end *end = end_new(shm_queue);

	connect_to(end, shm_port);
	*segment = shm_share_again(end->endpoint->own_share);
	assert_true(*segment != SHM_NO_SHARE);
	expect(end, WSD_EV_CONNECTED);
	return end;
}

void shm_use_anyhow(struct end *end, unsigned rounds)
{
	static char in[4][SHM_BUFFER];
	struct wsd_recv recv = { .sge = { NULL, SHM_BUFFER, NULL } };
	uint32_t posted, i;

	while (rounds--) {
		for (i = 0; i < 4; i++) {
			recv.id = i;
			recv.sge.addr = in[i];
			(void)OPS.post_recv(end->endpoint, &recv, &posted);
			(void)try_post(end, WSD_OP_SEND, 8, "anything", 9, 0, 0, 0);
		}
		world_poll();
		for (i = end->taken; i < end->count; i++)
			assert_true(end->log[i].bytes <= SHM_BUFFER);
		end->taken = end->count = 0;
	}
}

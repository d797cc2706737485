// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_world.c - see test_shm.h. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/unit/test_shm.h"

#define LIMIT_NS UINT64_C(20000000000)
#define QUEUES	 4u

static struct wsd_queue *queues[QUEUES];
static unsigned queue_count;
struct wsd_device *shm_device;

const struct wsd_endpoint_attr shm_attr = {
	.size = sizeof(struct wsd_endpoint_attr),
	.send_depth = 16,
	.recv_depth = 16,
	.recv_bytes = 4096,
	.max_send_sge = 4,
};

void world_open(void)
{
	struct wsd_device_attr attr = { .size = sizeof(attr) };

	queue_count = 0;
	assert_int_equal(wsd_backend_shm.open(wsd_host_table(), 0, &shm_device, &attr), WSD_OK);
	assert_int_equal(wsd_backend_shm.open(wsd_host_table(), 1, &shm_device, &attr),
			 WSD_NOTFOUND);
}

void world_close(void)
{
	while (queue_count)
		wsd_backend_shm.queue_destroy(queues[--queue_count]);
	wsd_backend_shm.close(shm_device);
}

struct wsd_queue *world_queue(void)
{
	struct wsd_queue *queue = NULL;

	assert_true(queue_count < QUEUES);
	assert_int_equal(wsd_backend_shm.queue_create(shm_device, 64, NULL, &queue), WSD_OK);
	queues[queue_count++] = queue;
	return queue;
}

struct wsd_addr world_addr(uint16_t port)
{
	return (struct wsd_addr){ .family = WSD_FAMILY_IPV4,
				  .port = port,
				  .bytes = { 127, 0, 0, 1 } };
}

uint16_t world_port(void)
{
	static uint16_t next;

	if (!next)
		next = (uint16_t)(20000u + (unsigned)getpid() * 40u % 40000u);
	return next++;
}

static void note(const struct wsd_event *event)
{
	struct end *end = event->context;

	assert_true(end->count < LOG_SIZE);
	end->log[end->count] = *event;
	if (event->data_length)
		memcpy(end->text, event->data, event->data_length);
	end->text[event->data_length] = 0;
	end->count++;
}

bool world_poll(void)
{
	struct wsd_event events[8];
	uint32_t count, i;
	bool any = false;
	unsigned q;

	for (q = 0; q < queue_count; q++) {
		count = wsd_backend_shm.poll(queues[q], events, 8);
		for (i = 0; i < count; i++)
			note(&events[i]);
		any |= count > 0;
	}
	return any;
}

struct wsd_event *expect(struct end *end, enum wsd_event_type type)
{
	uint64_t limit = wsd_clock_ns() + LIMIT_NS;
	struct wsd_event *event;

	while (end->taken == end->count) {
		if (!world_poll() && wsd_clock_ns() > limit)
			fail_msg("no event of type %d came", (int)type);
	}
	event = &end->log[end->taken++];
	if (event->type != type)
		fail_msg("event type %d status %d instead of type %d", (int)event->type,
			 (int)event->status, (int)type);
	return event;
}

bool quiet(struct end *end)
{
	unsigned i;

	for (i = 0; i < 300; i++)
		world_poll();
	return end->taken == end->count;
}

struct end *end_new(struct wsd_queue *queue)
{
	struct end *end = calloc(1, sizeof(*end));

	assert_non_null(end);
	end->queue = queue;
	return end;
}

void end_free(struct end *end)
{
	if (end->endpoint)
		wsd_backend_shm.endpoint_destroy(end->endpoint);
	if (end->listener)
		wsd_backend_shm.listener_destroy(end->listener);
	free(end);
}

void listen_on(struct end *end, uint16_t port, uint32_t backlog)
{
	struct wsd_addr addr = world_addr(port);

	assert_int_equal(wsd_backend_shm.listen(end->queue, &addr, backlog, end, &end->listener),
			 WSD_OK);
}

void connect_to(struct end *end, uint16_t port)
{
	struct wsd_addr local = { .family = WSD_FAMILY_NONE }, remote = world_addr(port);

	assert_int_equal(
		wsd_backend_shm.endpoint_create(end->queue, NULL, &shm_attr, end, &end->endpoint),
		WSD_OK);
	assert_int_equal(
		wsd_backend_shm.connect(end->endpoint, &local, &remote, "hello", 5, LIMIT_NS),
		WSD_OK);
}

struct end *accept_on(struct end *listener)
{
	struct wsd_event *event = expect(listener, WSD_EV_REQUEST);
	struct end *end = end_new(listener->queue);

	assert_string_equal(listener->text, "hello");
	assert_int_equal(wsd_backend_shm.endpoint_create(end->queue, event->request, &shm_attr, end,
							 &end->endpoint),
			 WSD_OK);
	assert_int_equal(wsd_backend_shm.accept(end->endpoint, "welcome", 7), WSD_OK);
	return end;
}

void post_recv(struct end *end, uint64_t id, void *memory, uint32_t length,
	       struct wsd_region *region)
{
	struct wsd_recv recv = { .id = id, .sge = { memory, length, region } };
	uint32_t posted;

	assert_int_equal(wsd_backend_shm.post_recv(end->endpoint, &recv, &posted), WSD_OK);
	assert_int_equal(posted, 1);
}

enum wsd_status try_post(struct end *end, enum wsd_work_op op, uint64_t id, const void *memory,
			 uint32_t length, uint64_t addr, uint32_t key, uint32_t imm)
{
	struct wsd_sge sge = { (void *)(uintptr_t)memory, length, NULL };
	struct wsd_work work = { .id = id,
				 .op = op,
				 .flags = WSD_WORK_SIGNALLED,
				 .imm = imm,
				 .sge_count = length ? 1 : 0,
				 .sge = &sge,
				 .remote_addr = addr,
				 .remote_key = key };
	uint32_t posted;

	return wsd_backend_shm.post_send(end->endpoint, &work, &posted);
}

void post(struct end *end, enum wsd_work_op op, uint64_t id, const void *memory, uint32_t length,
	  uint64_t addr, uint32_t key, uint32_t imm)
{
	assert_int_equal(try_post(end, op, id, memory, length, addr, key, imm), WSD_OK);
}

void world_has_fds(unsigned count)
{
	assert_in_range(world_fds() + WORLD_FDS_SLACK, count, count + 2 * WORLD_FDS_SLACK);
}

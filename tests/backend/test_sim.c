// SPDX-License-Identifier: BSD-2-Clause
/* test_sim.c - what is special about the simulation: virtual time, seeds, scripted faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/sim/sim.h"

#define OPS (&wsd_backend_sim)
#define MS  1000000u

static struct wsd_device *device;
static struct wsd_queue *queue;
static struct wsd_listener_ep *listener;
static struct wsd_endpoint *active[4], *passive[4];
static unsigned accepted;
static uint8_t memory[4096];
static struct wsd_region *region;
static struct wsd_event seen[1024];
static unsigned seen_count;

static const struct wsd_addr anywhere;
static const struct wsd_addr address = { .family = WSD_FAMILY_IPV4,
					 .port = 4000,
					 .bytes = { 127, 0, 0, 1 } };

static void post_recv(struct wsd_endpoint *ep)
{
	struct wsd_recv recv = { .sge = { memory, 64, region } };
	uint32_t posted;

	(void)OPS->post_recv(ep, &recv, &posted);
}

static struct wsd_endpoint_attr standard_attr(void)
{
	struct wsd_endpoint_attr attr = { .size = sizeof(attr),
					  .send_depth = 8,
					  .recv_depth = 8,
					  .recv_bytes = 64,
					  .max_send_sge = 1 };

	return attr;
}

/* Poll until nothing comes, accepting every request. */
static void drain(void)
{
	struct wsd_endpoint_attr attr = standard_attr();
	struct wsd_event event;

	while (OPS->poll(queue, &event, 1) == 1) {
		assert_true(seen_count < 1024);
		seen[seen_count++] = event;
		if (event.type != WSD_EV_REQUEST || accepted == 4)
			continue;
		assert_int_equal(OPS->endpoint_create(queue, event.request, &attr,
						      &passive[accepted], &passive[accepted]),
				 WSD_OK);
		post_recv(passive[accepted]);
		assert_int_equal(OPS->accept(passive[accepted++], NULL, 0), WSD_OK);
	}
}

static void pump(void)
{
	unsigned i;

	for (i = 0; i < 100; i++)
		drain();
}

static unsigned count(enum wsd_event_type type, enum wsd_status status)
{
	unsigned i, n = 0;

	for (i = 0; i < seen_count; i++)
		n += seen[i].type == type && seen[i].status == status;
	return n;
}

static int setup(void **state)
{
	struct wsd_device_attr attr = { .size = sizeof(attr) };

	(void)state;
	wsd_sim_reset();
	accepted = seen_count = 0;
	memset(active, 0, sizeof(active));
	memset(passive, 0, sizeof(passive));
	assert_int_equal(OPS->open(wsd_host_table(), 0, &device, &attr), WSD_OK);
	assert_int_equal(OPS->queue_create(device, 256, &queue, &queue), WSD_OK);
	assert_int_equal(
		OPS->reg(queue, memory, sizeof(memory), WSD_ACCESS_REMOTE_WRITE, 1, &region),
		WSD_OK);
	assert_int_equal(OPS->listen(queue, &address, 16, &listener, &listener), WSD_OK);
	return 0;
}

static int teardown(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		if (active[i])
			OPS->endpoint_destroy(active[i]);
		if (passive[i])
			OPS->endpoint_destroy(passive[i]);
	}
	OPS->listener_destroy(listener);
	OPS->dereg(region);
	OPS->queue_destroy(queue);
	OPS->close(device);
	wsd_sim_reset();
	assert_int_equal(wsd_alloc_live(), 0);
	return 0;
}

static void connect_one(unsigned i, uint64_t timeout)
{
	struct wsd_endpoint_attr attr = standard_attr();

	assert_int_equal(OPS->endpoint_create(queue, NULL, &attr, &active[i], &active[i]), WSD_OK);
	assert_int_equal(OPS->connect(active[i], &anywhere, &address, NULL, 0, timeout), WSD_OK);
}

static enum wsd_status send_one(unsigned i)
{
	struct wsd_sge sge = { memory + 128, 32, region };
	struct wsd_work work = { .flags = WSD_WORK_SIGNALLED, .sge_count = 1, .sge = &sge };
	uint32_t posted;

	return OPS->post_send(active[i], &work, &posted);
}

static void stepped_time(void **state)
{
	uint64_t start;

	(void)state;
	wsd_sim_set_stepped(true);
	assert_int_equal(wsd_sim_script("delay 100..100"), WSD_OK); /* microseconds */
	start = OPS->clock(queue);
	connect_one(0, 10 * MS);
	pump();
	assert_int_equal(seen_count, 0);
	assert_int_equal(OPS->arm(queue), WSD_OK);
	assert_int_equal(wsd_sim_next(), 100000);
	wsd_sim_advance(99999);
	pump();
	assert_int_equal(seen_count, 0);
	wsd_sim_advance(1);
	pump();
	assert_int_equal(count(WSD_EV_REQUEST, WSD_OK), 1);
	wsd_sim_advance(100000);
	pump();
	assert_int_equal(count(WSD_EV_CONNECTED, WSD_OK), 2);
	assert_int_equal(OPS->clock(queue) - start, 200000);
	assert_true(wsd_sim_next() == UINT64_MAX);
}

static void stepped_limit(void **state)
{
	(void)state;
	wsd_sim_set_stepped(true);
	assert_int_equal(wsd_sim_script("delay 5000000"), WSD_OK);
	connect_one(0, 3 * MS);
	assert_int_equal(wsd_sim_next(), 3 * MS);
	wsd_sim_advance(3 * MS);
	pump();
	assert_int_equal(count(WSD_EV_CONNECT_FAILED, WSD_ETIMEDOUT), 1);
	wsd_sim_advance(10000u * (uint64_t)MS);
	pump();
	assert_int_equal(count(WSD_EV_REQUEST, WSD_OK), 0);
}

/* Four connections talk at random times; what came in which order is in the digest. */
static uint64_t schedule(uint64_t seed)
{
	unsigned i, k;

	assert_int_equal(setup(NULL), 0);
	wsd_sim_set_stepped(true);
	assert_int_equal(wsd_sim_script("delay 1..50\nreorder on"), WSD_OK);
	wsd_sim_set_seed(seed);
	for (i = 0; i < 4; i++)
		connect_one(i, UINT64_MAX);
	for (k = 0; k < 60; k++) {
		wsd_sim_advance(10000);
		drain();
		if (k % 5 == 4 && k > 20) {
			for (i = 0; i < 4; i++)
				(void)send_one(i);
		}
	}
	seed = wsd_sim_digest();
	assert_int_equal(teardown(NULL), 0);
	return seed;
}

static void one_seed_one_schedule(void **state)
{
	uint64_t first = schedule(5);

	(void)state;
	assert_true(first == schedule(5));
	assert_true(first != schedule(6));
}

static void scripted_connects(void **state)
{
	(void)state;
	assert_int_equal(wsd_sim_script("fail connect 2 EUNREACHABLE; reject 2"), WSD_OK);
	connect_one(0, UINT64_MAX);
	pump();
	connect_one(1, UINT64_MAX);
	pump();
	connect_one(2, UINT64_MAX);
	pump();
	connect_one(3, UINT64_MAX);
	pump();
	assert_int_equal(count(WSD_EV_CONNECTED, WSD_OK), 4);
	assert_int_equal(count(WSD_EV_CONNECT_FAILED, WSD_EUNREACHABLE), 1);
	assert_int_equal(count(WSD_EV_CONNECT_FAILED, WSD_EREFUSED), 1);
}

static void scripted_registration(void **state)
{
	struct wsd_region *other;

	(void)state;
	assert_int_equal(wsd_sim_script("fail reg 2"), WSD_OK);
	assert_int_equal(OPS->reg(queue, memory, 10, 0, 1, &other), WSD_OK);
	OPS->dereg(other);
	assert_int_equal(OPS->reg(queue, memory, 10, 0, 1, &other), WSD_EREGISTER);
}

static void scripted_disconnect(void **state)
{
	(void)state;
	connect_one(0, UINT64_MAX);
	pump();
	assert_int_equal(wsd_sim_script("disconnect after 1 events"), WSD_OK);
	assert_int_equal(send_one(0), WSD_OK);
	pump();
	assert_int_equal(count(WSD_EV_DISCONNECTED, WSD_ERESET), 2);
	assert_int_equal(send_one(0), WSD_ESTATE);
}

static void flush_or_not(void **state)
{
	(void)state;
	connect_one(0, UINT64_MAX);
	connect_one(1, UINT64_MAX);
	pump();
	post_recv(active[0]);
	OPS->endpoint_destroy(passive[0]);
	passive[0] = NULL;
	pump();
	assert_int_equal(count(WSD_EV_RECV, WSD_ECANCELLED), 1);
	assert_int_equal(wsd_sim_script("drop-flush"), WSD_OK);
	post_recv(active[1]);
	OPS->endpoint_destroy(passive[1]);
	passive[1] = NULL;
	pump();
	assert_int_equal(count(WSD_EV_RECV, WSD_ECANCELLED), 1);
	assert_int_equal(count(WSD_EV_DISCONNECTED, WSD_ERESET), 2);
}

static void full_queue(void **state)
{
	(void)state;
	connect_one(0, UINT64_MAX);
	pump();
	assert_int_equal(wsd_sim_script("queue-full 1"), WSD_OK);
	assert_int_equal(send_one(0), WSD_OK);
	assert_int_equal(send_one(0), WSD_AGAIN);
	pump();
	assert_int_equal(send_one(0), WSD_OK);
}

static void missing_receive(void **state)
{
	(void)state;
	connect_one(0, UINT64_MAX);
	pump();
	assert_int_equal(send_one(0), WSD_OK);
	assert_int_equal(send_one(0), WSD_OK); /* one receive is posted: this one waits */
	pump();
	assert_int_equal(count(WSD_EV_RECV, WSD_OK), 1);
	post_recv(passive[0]);
	pump();
	assert_int_equal(count(WSD_EV_RECV, WSD_OK), 2);
	assert_int_equal(wsd_sim_script("rnr fail"), WSD_OK);
	assert_int_equal(send_one(0), WSD_OK);
	pump();
	assert_int_equal(count(WSD_EV_SEND, WSD_ERNR), 1);
}

static void device_removed(void **state)
{
	struct wsd_endpoint *ep;
	struct wsd_endpoint_attr attr = standard_attr();
	unsigned before;

	(void)state;
	connect_one(0, UINT64_MAX);
	pump();
	assert_int_equal(wsd_sim_script("gone after 1 events"), WSD_OK);
	assert_int_equal(send_one(0), WSD_OK);
	before = seen_count;
	pump();
	assert_int_equal(seen_count, before + 2);
	assert_int_equal(seen[seen_count - 1].type, WSD_EV_DEVICE_GONE);
	assert_ptr_equal(seen[seen_count - 1].context, &queue);
	assert_int_equal(send_one(0), WSD_ESTATE);
	assert_int_equal(OPS->endpoint_create(queue, NULL, &attr, NULL, &ep), WSD_EDEVICE);
}

/* Sources are read when the work is carried out, not when it is posted, as hardware does. */
static void late_source(void **state)
{
	(void)state;
	connect_one(0, UINT64_MAX);
	pump();
	memset(memory + 128, 1, 32);
	assert_int_equal(send_one(0), WSD_OK);
	memset(memory + 128, 2, 32);
	pump();
	assert_int_equal(memory[0], 2);
}

static void bad_scripts(void **state)
{
	static const char *const bad[] = {
		"dealy 1",	"delay",	 "delay 5..1",		"fail reg",
		"fail it 1",	"fail reg 1 OK", "fail reg 1 ENOTHING", "rnr maybe",
		"disconnect 5", "queue-full x",	 "reorder perhaps",	"gone after many events"
	};
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(wsd_sim_script(bad[i]), WSD_EINVAL);
	assert_int_equal(wsd_sim_script("# nothing\n\n ; ;seed 3 # three"), WSD_OK);
}

#define SIM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(stepped_time),
		SIM_TEST(stepped_limit),
		cmocka_unit_test(one_seed_one_schedule),
		SIM_TEST(scripted_connects),
		SIM_TEST(scripted_registration),
		SIM_TEST(scripted_disconnect),
		SIM_TEST(flush_or_not),
		SIM_TEST(full_queue),
		SIM_TEST(missing_receive),
		SIM_TEST(device_removed),
		SIM_TEST(late_source),
		SIM_TEST(bad_scripts),
	};

	return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}

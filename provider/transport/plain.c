// SPDX-License-Identifier: BSD-2-Clause
/* plain.c - see plain.h: an event queue over the system's sockets, in the shape that an engine wants. */
#include "provider/transport/plain.h"

#include <stdio.h>
#include <string.h>

#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/base.h"

#define POLL_MOST 64u

struct wsd_device {
	uint32_t buffer; /* of the system, for each connection and direction; 0: as it likes */
};

struct wsd_queue {
	struct wsd_os_poller *poller;
};

static enum wsd_status plain_open(const struct wsd_host *host, uint32_t index,
				  struct wsd_device **device, struct wsd_device_attr *attr)
{
	(void)host;
	if (index > 0)
		return WSD_NOTFOUND;
	*device = wsd_alloc(sizeof(**device));
	if (!*device)
		return WSD_ENOMEM;
	(*device)->buffer = (uint32_t)wsd_param_uint("PLAIN_BUFFER", 0, 0, 1u << 30);
	attr->caps = WSD_CAP_SOFTWARE;
	snprintf(attr->name, sizeof(attr->name), "plain");
	attr->speed = wsd_param_uint("PLAIN_SPEED", 125000000, 0, UINT64_MAX);
	attr->hint_zcopy = UINT32_MAX;
	attr->hint_ring = 65536;
	attr->cost_poll = 1;
	attr->cost_post = 1;
	return WSD_OK;
}

static void plain_close(struct wsd_device *device)
{
	wsd_free(device);
}

static uint32_t plain_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	(void)device;
	return wsd_os_addresses(list, count);
}

static enum wsd_status plain_reachable(struct wsd_device *device, const struct wsd_addr *local,
				       const struct wsd_addr *remote)
{
	(void)device;
	(void)local;
	(void)remote;
	return WSD_OK; /* the system knows the route */
}

static enum wsd_status plain_queue_create(struct wsd_device *device, uint32_t depth, void *context,
					  struct wsd_queue **queue)
{
	enum wsd_status status;

	(void)device;
	(void)depth;
	(void)context;
	*queue = wsd_alloc(sizeof(**queue));
	if (!*queue)
		return WSD_ENOMEM;
	status = wsd_os_poller_create(&(*queue)->poller);
	if (status != WSD_OK)
		wsd_free(*queue);
	return status;
}

static void plain_queue_destroy(struct wsd_queue *queue)
{
	wsd_os_poller_destroy(queue->poller);
	wsd_free(queue);
}

static uint32_t plain_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	struct wsd_os_ready ready[POLL_MOST];
	uint32_t n =
		wsd_os_poller_poll(queue->poller, ready, count < POLL_MOST ? count : POLL_MOST);

	for (uint32_t i = 0; i < n; i++) {
		events[i].type = WSD_EV_RECV;
		events[i].status = WSD_OK;
		events[i].context = ready[i].context;
		events[i].imm = ready[i].what;
	}
	return n;
}

/* The wait object is ready whenever something is to be told. */
static enum wsd_status plain_arm(struct wsd_queue *queue)
{
	(void)queue;
	return WSD_OK;
}

static void plain_disarm(struct wsd_queue *queue)
{
	(void)queue;
}

static wsd_wait_object plain_wait_object(struct wsd_queue *queue)
{
	return wsd_os_poller_object(queue->poller);
}

static uint64_t plain_clock(struct wsd_queue *queue)
{
	(void)queue;
	return wsd_clock_ns();
}

static bool plain_busy(struct wsd_queue *queue)
{
	(void)queue;
	return false;
}

/* No operation on connections: nobody above may ask this device for one (wsd_engine_is_plain). */
const struct wsd_backend_ops wsd_plain_ops = {
	.size = sizeof(wsd_plain_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "plain",
	.description = "TCP of the system, for peers without OpenWSD",
	.open = plain_open,
	.close = plain_close,
	.addresses = plain_addresses,
	.reachable = plain_reachable,
	.queue_create = plain_queue_create,
	.queue_destroy = plain_queue_destroy,
	.poll = plain_poll,
	.arm = plain_arm,
	.disarm = plain_disarm,
	.wait_object = plain_wait_object,
	.clock = plain_clock,
	.busy = plain_busy,
};

bool wsd_engine_is_plain(const struct wsd_engine *engine)
{
	return wsd_engine_ops(engine) == &wsd_plain_ops;
}

struct wsd_engine *wsd_engine_plain(void)
{
	for (unsigned i = wsd_engine_count(); i > 0; i--)
		if (wsd_engine_is_plain(wsd_engine_at(i - 1)))
			return wsd_engine_at(i - 1);
	return NULL;
}

void wsd_plain_bound(const struct wsd_engine *engine, intptr_t socket)
{
	uint32_t bytes = wsd_engine_device(engine)->buffer;

	if (!bytes)
		return;
	wsd_os_tcp_set_receive_buffer(socket, bytes);
	wsd_os_tcp_set_send_buffer(socket, bytes);
}

struct wsd_os_poller *wsd_plain_poller(const struct wsd_engine *engine)
{
	return wsd_engine_queue(engine)->poller;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* null_ops.h - a backend without devices: every starred operation is there, none does anything. */
#ifndef WSD_TEST_NULL_OPS_H
#define WSD_TEST_NULL_OPS_H

#include <openwsd/backend.h>

static enum wsd_status null_open(const struct wsd_host *host, uint32_t index,
				 struct wsd_device **device, struct wsd_device_attr *attr)
{
	(void)host, (void)index, (void)device, (void)attr;
	return WSD_NOTFOUND;
}

static void null_close(struct wsd_device *device)
{
	(void)device;
}

static uint32_t null_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	(void)device, (void)list, (void)count;
	return 0;
}

static enum wsd_status null_reachable(struct wsd_device *device, const struct wsd_addr *local,
				      const struct wsd_addr *remote)
{
	(void)device, (void)local, (void)remote;
	return WSD_EUNREACHABLE;
}

static enum wsd_status null_queue_create(struct wsd_device *device, uint32_t depth, void *context,
					 struct wsd_queue **queue)
{
	(void)device, (void)depth, (void)context, (void)queue;
	return WSD_ENODEVICE;
}

static void null_queue(struct wsd_queue *queue)
{
	(void)queue;
}

static uint32_t null_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	(void)queue, (void)events, (void)count;
	return 0;
}

static enum wsd_status null_arm(struct wsd_queue *queue)
{
	(void)queue;
	return WSD_OK;
}

static wsd_wait_object null_wait_object(struct wsd_queue *queue)
{
	(void)queue;
	return -1;
}

static enum wsd_status null_reg(struct wsd_queue *queue, void *base, uint64_t length,
				uint32_t access, uint64_t id, struct wsd_region **region)
{
	(void)queue, (void)base, (void)length, (void)access, (void)id, (void)region;
	return WSD_ENODEVICE;
}

static void null_region(struct wsd_region *region)
{
	(void)region;
}

static enum wsd_status null_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length,
				      uint32_t access, struct wsd_region **region)
{
	(void)endpoint, (void)length, (void)access, (void)region;
	return WSD_ENODEVICE;
}

static enum wsd_status null_listen(struct wsd_queue *queue, const struct wsd_addr *local,
				   uint32_t backlog, void *context,
				   struct wsd_listener_ep **listener)
{
	(void)queue, (void)local, (void)backlog, (void)context, (void)listener;
	return WSD_ENODEVICE;
}

static void null_listener(struct wsd_listener_ep *listener)
{
	(void)listener;
}

static enum wsd_status null_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
					    const struct wsd_endpoint_attr *attr, void *context,
					    struct wsd_endpoint **endpoint)
{
	(void)queue, (void)request, (void)attr, (void)context, (void)endpoint;
	return WSD_ENODEVICE;
}

static void null_endpoint(struct wsd_endpoint *endpoint)
{
	(void)endpoint;
}

static enum wsd_status null_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
				    const struct wsd_addr *remote, const void *data,
				    uint32_t data_length, uint64_t timeout)
{
	(void)endpoint, (void)local, (void)remote, (void)data, (void)data_length, (void)timeout;
	return WSD_ENODEVICE;
}

static enum wsd_status null_accept(struct wsd_endpoint *endpoint, const void *data,
				   uint32_t data_length)
{
	(void)endpoint, (void)data, (void)data_length;
	return WSD_ENODEVICE;
}

static void null_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	(void)request, (void)data, (void)data_length;
}

static enum wsd_status null_disconnect(struct wsd_endpoint *endpoint)
{
	(void)endpoint;
	return WSD_ENODEVICE;
}

static enum wsd_status null_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				      uint32_t *posted)
{
	(void)endpoint, (void)list;
	*posted = 0;
	return WSD_ESTATE;
}

static enum wsd_status null_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
				      uint32_t *posted)
{
	(void)endpoint, (void)list;
	*posted = 0;
	return WSD_ESTATE;
}

/* Everything but size, abi, name, open and poll, which the users set or leave out. */
#define NULL_OPS_REST                                                                    \
	.close = null_close, .addresses = null_addresses, .reachable = null_reachable,   \
	.queue_create = null_queue_create, .queue_destroy = null_queue, .arm = null_arm, \
	.disarm = null_queue, .wait_object = null_wait_object, .reg = null_reg,          \
	.dereg = null_region, .mem_alloc = null_mem_alloc, .mem_free = null_region,      \
	.listen = null_listen, .listener_destroy = null_listener,                        \
	.endpoint_create = null_endpoint_create, .endpoint_destroy = null_endpoint,      \
	.connect = null_connect, .accept = null_accept, .reject = null_reject,           \
	.disconnect = null_disconnect, .post_send = null_post_send, .post_recv = null_post_recv

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* shm.c - the backend for processes of one host: its table and its one device. */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

extern const struct wsd_backend_ops wsd_backend_shm;

void shm_count(uint64_t *counter)
{
	/* Relaxed: a statistic, nothing is ordered by it. */
	atomic_fetch_add_explicit((_Atomic uint64_t *)(void *)counter, 1, memory_order_relaxed);
}

static enum wsd_status device_open(const struct wsd_host *host, uint32_t index,
				   struct wsd_device **result, struct wsd_device_attr *attr)
{
	struct wsd_device *device;

	if (index)
		return WSD_NOTFOUND;
	if (attr->size < sizeof(*attr))
		return WSD_EABI;
	device = host->alloc(sizeof(*device));
	if (!device)
		return WSD_ENOMEM;
	device->host = host;
	device->protocol_errors =
		host->counter("shm", "protocol_errors", "peers that broke the protocol");
	device->doorbells = host->counter("shm", "doorbells", "sleeping peers woken");
	device->connects = host->counter("shm", "connects", "connections opened");
	memset(attr->name, 0, sizeof(attr->name));
	memcpy(attr->name, "shm", 3);
	attr->caps = WSD_CAP_WRITE_IMM | WSD_CAP_READ | WSD_CAP_COPY_AT_POST | WSD_CAP_SAME_HOST;
	attr->max_sge = SHM_MAX_SGE;
	attr->max_message = SHM_MAX_MESSAGE;
	attr->max_rdma = SHM_MAX_RDMA;
	attr->max_send = SHM_MAX_DEPTH;
	attr->max_recv = SHM_MAX_DEPTH;
	attr->max_read = SHM_MAX_DEPTH;
	attr->max_inline = SHM_MAX_MESSAGE;
	attr->hint_zcopy = UINT32_MAX;
	attr->hint_ring = shm_os_ring_bytes();
	attr->cost_poll = 0;
	attr->cost_post = 0;
	attr->speed = host->param_uint("shm", "speed", 1000000000, 0, 1ull << 40);
	*result = device;
	return WSD_OK;
}

static void device_close(struct wsd_device *device)
{
	device->host->free(device);
}

static enum wsd_status reachable(struct wsd_device *device, const struct wsd_addr *local,
				 const struct wsd_addr *remote)
{
	enum wsd_status status;

	(void)device;
	if (local && local->family != WSD_FAMILY_NONE && local->family != remote->family)
		return WSD_EUNREACHABLE;
	status = shm_address_check(remote);
	return status == WSD_EADDRNOTAVAIL ? WSD_EUNREACHABLE : status;
}

const struct wsd_backend_ops wsd_backend_shm = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "shm",
	.description = "shared memory between processes of one host",
	.open = device_open,
	.close = device_close,
	.addresses = shm_device_addresses,
	.reachable = reachable,
	.queue_create = shm_queue_create,
	.queue_destroy = shm_queue_destroy,
	.poll = shm_queue_poll,
	.arm = shm_queue_arm,
	.disarm = shm_queue_disarm,
	.wait_object = shm_queue_wait_object,
	.reg = shm_reg,
	.bind = shm_bind,
	.dereg = shm_dereg,
	.mem_alloc = shm_mem_alloc,
	.mem_free = shm_mem_free,
	.listen = shm_listen,
	.listener_destroy = shm_listener_destroy,
	.endpoint_create = shm_endpoint_create,
	.endpoint_destroy = shm_endpoint_destroy,
	.connect = shm_connect,
	.accept = shm_accept,
	.reject = shm_reject,
	.disconnect = shm_disconnect,
	.post_send = shm_post_send,
	.post_recv = shm_post_recv,
};

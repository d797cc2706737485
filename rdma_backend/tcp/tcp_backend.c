// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_backend.c - the table of the tcp backend: RDMA carried out in software over the operating
 * system's TCP. One device, which is the host's IP stack.
 */
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

extern const struct wsd_backend_ops wsd_backend_tcp;

#define MS 1000000u

static void device_counters(const struct wsd_host *host, struct tcp_counters *counters)
{
	counters->protocol_errors =
		host->counter("tcp", "protocol_errors", "connections ended for a protocol error");
	counters->access_errors = host->counter("tcp", "access_errors",
						"work of a peer refused (key, rights, range)");
	counters->connects = host->counter("tcp", "connects", "connections opened by us");
	counters->accepts = host->counter("tcp", "accepts", "connections accepted");
	counters->wrong_banners =
		host->counter("tcp", "wrong_banners", "companion ports held by something else");
	counters->accept_limits = host->counter("tcp", "accept_limits",
						"pauses of accepting for lack of descriptors");
	counters->out_copied =
		host->counter("tcp", "out_copied", "frames copied because the socket was full");
}

static enum wsd_status tcp_open(const struct wsd_host *host, uint32_t index,
				struct wsd_device **made, struct wsd_device_attr *attr)
{
	struct wsd_device *device;

	if (index > 0)
		return WSD_NOTFOUND;
	if (attr->size < sizeof(*attr))
		return WSD_EABI;
	device = host->alloc(sizeof(*device));
	if (!device)
		return WSD_ENOMEM;
	device->host = host;
	device_counters(host, &device->counters);
	device->head_start = MS * host->param_uint("tcp", "head_start", 50, 1, 10000);
	device->banner_limit = MS * host->param_uint("tcp", "banner_limit", 3000, 10, 60000);
	device->request_limit = MS * host->param_uint("tcp", "request_limit", 10000, 10, 600000);
	device->user_timeout_ms =
		(uint32_t)host->param_uint("tcp", "user_timeout", 60000, 0, 3600000);
	attr->caps = WSD_CAP_WRITE_IMM | WSD_CAP_READ | WSD_CAP_COPY_AT_POST | WSD_CAP_SOFTWARE;
	memset(attr->name, 0, sizeof(attr->name));
	memcpy(attr->name, "ip", 3);
	attr->max_sge = TCP_MAX_SGE;
	attr->max_message = TCP_MAX_MESSAGE;
	attr->max_rdma = TCP_MAX_RDMA;
	attr->max_send = TCP_MAX_DEPTH;
	attr->max_recv = TCP_MAX_DEPTH;
	attr->max_read = TCP_MAX_READ;
	attr->max_inline = TCP_MAX_MESSAGE;
	attr->hint_zcopy = UINT32_MAX;
	attr->hint_ring = 1024 * 1024;
	attr->cost_poll = 1;
	attr->cost_post = 1;
	attr->speed = host->param_uint("tcp", "speed", 125000000, 0, 1ull << 40);
	*made = device;
	return WSD_OK;
}

static void tcp_close(struct wsd_device *device)
{
	device->host->free(device);
}

static uint32_t tcp_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	(void)device;
	return tcp_os_addresses(list, count);
}

static bool loopback(const struct wsd_addr *addr)
{
	static const uint8_t v6[16] = { [15] = 1 };

	if (addr->family == WSD_FAMILY_IPV4)
		return addr->bytes[0] == 127;
	return memcmp(addr->bytes, v6, sizeof(v6)) == 0;
}

static enum wsd_status tcp_reachable(struct wsd_device *device, const struct wsd_addr *local,
				     const struct wsd_addr *remote)
{
	(void)device;
	if (remote->family != WSD_FAMILY_IPV4 && remote->family != WSD_FAMILY_IPV6)
		return WSD_EUNREACHABLE;
	if (local && local->family != WSD_FAMILY_NONE && local->family != remote->family)
		return WSD_EUNREACHABLE;
	if (loopback(remote))
		return WSD_OK;
	return tcp_os_route_exists(local, remote) ? WSD_OK : WSD_EUNREACHABLE;
}

const struct wsd_backend_ops wsd_backend_tcp = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "tcp",
	.description = "RDMA in software over TCP",
	.open = tcp_open,
	.close = tcp_close,
	.addresses = tcp_addresses,
	.reachable = tcp_reachable,
	.queue_create = tcp_queue_create,
	.queue_destroy = tcp_queue_destroy,
	.poll = tcp_poll,
	.arm = tcp_arm,
	.disarm = tcp_disarm,
	.wait_object = tcp_wait_object,
	.reg = tcp_reg,
	.bind = tcp_bind,
	.dereg = tcp_dereg,
	.mem_alloc = tcp_mem_alloc,
	.mem_free = tcp_mem_free,
	.listen = tcp_listen,
	.listener_destroy = tcp_listener_destroy,
	.endpoint_create = tcp_endpoint_create,
	.endpoint_destroy = tcp_endpoint_destroy,
	.connect = tcp_connect,
	.accept = tcp_accept,
	.reject = tcp_reject,
	.disconnect = tcp_disconnect,
	.set_traffic_class = tcp_set_traffic_class,
	.set_hops = tcp_set_hops,
	.post_send = tcp_post_send,
	.post_recv = tcp_post_recv,
};

// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_backend.c - the module's entry, its table, and opening adapters.
 */
#include "rdma_backend/verbs/verbs.h"
#include "rdma_backend/verbs/verbs_port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define VENDOR_RXE 0xffffffu
#define VENDOR_SIW 0x626d74u

enum wsd_status verbs_status(int error)
{
	switch (error) {
	case 0:
		return WSD_OK;
	case ENOMEM:
	case ENOBUFS:
		return WSD_ENOMEM;
	case EMFILE:
	case ENFILE:
	case ENOSPC: /* limit of epoll watches */
		return WSD_ENOFILES;
	case EACCES:
	case EPERM:
		return WSD_EACCESS;
	case EADDRINUSE:
		return WSD_EADDRINUSE;
	case EADDRNOTAVAIL:
	case ENODEV: /* of an address: no adapter serves it */
		return WSD_EADDRNOTAVAIL;
	case ETIMEDOUT:
		return WSD_ETIMEDOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EAFNOSUPPORT:
		return WSD_EUNREACHABLE;
	case EINVAL:
		return WSD_EINVAL;
	default:
		return WSD_EDEVICE;
	}
}

void verbs_count_more(uint64_t *counter, uint64_t n)
{
	/* Only a statistic: nothing is ordered by it. */
	atomic_fetch_add_explicit((_Atomic uint64_t *)counter, n, memory_order_relaxed);
}

void verbs_count(uint64_t *counter)
{
	verbs_count_more(counter, 1);
}

static void device_counters(const struct wsd_host *host, struct verbs_counters *counters)
{
	counters->protocol_errors =
		host->counter("verbs", "protocol_errors", "greetings that were none of ours");
	counters->access_errors = host->counter("verbs", "access_errors",
						"work refused by the peer (key, rights, range)");
	counters->connects = host->counter("verbs", "connects", "connections opened by us");
	counters->accepts = host->counter("verbs", "accepts", "connections accepted");
	counters->posts = host->counter("verbs", "posts", "doorbells for work requests");
	counters->works = host->counter("verbs", "works", "work requests posted for sending");
	counters->arms = host->counter("verbs", "arms", "notifications asked for");
	counters->not_drained = host->counter(
		"verbs", "not_drained", "queue pairs that did not let go of their work in time");
}

/* The index-th adapter, opened. */
static enum wsd_status open_context(uint32_t index, struct ibv_context **context)
{
	int count = 0;
	struct ibv_device **list = ibv_get_device_list(&count);
	enum wsd_status status = WSD_NOTFOUND;

	if (!list)
		return errno == ENOSYS ? WSD_NOTFOUND : verbs_status(errno);
	if (index < (uint32_t)count) {
		*context = ibv_open_device(list[index]);
		status = *context			     ? WSD_OK
			 : errno == EACCES || errno == EPERM ? WSD_EACCESS
							     : WSD_EDEVICE;
	}
	ibv_free_device_list(list);
	return status;
}

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Bytes that a queue pair takes inline: not told by the adapter, only granted. */
static enum wsd_status learn_inline(struct wsd_device *device)
{
	struct ibv_cq *cq = ibv_create_cq(device->context, 1, NULL, NULL, 0);
	struct ibv_qp *qp = NULL;
	uint32_t bytes;

	if (!cq)
		return WSD_EDEVICE;
	for (bytes = VERBS_INLINE; !qp; bytes = bytes > 32 ? bytes / 2 : 0) {
		struct ibv_qp_init_attr attr = { .send_cq = cq, .recv_cq = cq };

		attr.qp_type = IBV_QPT_RC;
		attr.cap.max_send_wr = attr.cap.max_recv_wr = 1;
		attr.cap.max_send_sge = attr.cap.max_recv_sge = 1;
		attr.cap.max_inline_data = bytes;
		qp = ibv_create_qp(device->pd, &attr);
		if (qp)
			device->max_inline = bytes;
		else if (bytes == 0)
			break;
	}
	if (qp)
		ibv_destroy_qp(qp);
	ibv_destroy_cq(cq);
	return qp ? WSD_OK : WSD_EDEVICE;
}

static enum wsd_status read_ports(struct wsd_device *device, unsigned count)
{
	struct verbs_ports ports = { 0 };
	struct ibv_port_attr attr;
	unsigned port;

	for (port = 1; port <= count; port++)
		if (ibv_query_port(device->context, (uint8_t)port, &attr) == 0)
			verbs_ports_add(&ports, (uint8_t)port, &attr);
	device->port = ports.first;
	device->max_bytes = least(ports.max_bytes, 1u << 30);
	device->speed = ports.speed;
	return ports.first ? WSD_OK : WSD_EDEVICE;
}

static enum wsd_status read_limits(struct wsd_device *device, bool *software)
{
	struct ibv_device_attr attr;
	enum wsd_status status;

	if (ibv_query_device(device->context, &attr) != 0)
		return WSD_EDEVICE;
	status = read_ports(device, attr.phys_port_cnt);
	if (status != WSD_OK)
		return status;
	device->max_sge = least((uint64_t)attr.max_sge, VERBS_SGE);
	/* Beside what is told, each queue pair has a goodbye and the ends of its drain. */
	device->max_send = least((uint64_t)attr.max_qp_wr - 2, VERBS_SEND_DEPTH);
	device->max_recv = least((uint64_t)attr.max_qp_wr - 1, VERBS_RECV_DEPTH);
	device->max_cqe = (uint32_t)attr.max_cqe;
	device->max_read_in = (uint8_t)least((uint64_t)attr.max_qp_rd_atom, VERBS_READS);
	device->max_read_out = (uint8_t)least((uint64_t)attr.max_qp_init_rd_atom, VERBS_READS);
	device->immediate = device->context->device->transport_type != IBV_TRANSPORT_IWARP;
	if (!device->immediate) /* iWARP: TCP below finds out */
		device->answer_limit = 0;
	device->loses_work = attr.vendor_id == VENDOR_RXE;
	*software = attr.vendor_id == VENDOR_RXE || attr.vendor_id == VENDOR_SIW;
	return attr.max_qp_wr > 4 && attr.max_sge > 0 ? WSD_OK : WSD_EDEVICE;
}

static void device_kept(const struct wsd_device *device, bool keep)
{
	device->host->child_closes(device->context->cmd_fd, keep);
	device->host->child_closes(device->context->async_fd, keep);
}

static enum wsd_status device_setup(struct wsd_device *device, bool *software)
{
	int flags = fcntl(device->context->async_fd, F_GETFL);
	enum wsd_status status;

	device_kept(device, true);
	/* Asynchronous events are looked at, not waited for. */
	if (flags < 0 || fcntl(device->context->async_fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return WSD_EDEVICE;
	device->pd = ibv_alloc_pd(device->context);
	if (!device->pd)
		return errno == ENOMEM ? WSD_ENOMEM : WSD_EDEVICE;
	device->probe = rdma_create_event_channel();
	if (!device->probe) /* no rdma_ucm in the kernel, or no descriptor */
		return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_ENODEVICE;
	device->host->child_closes(device->probe->fd, true);
	status = read_limits(device, software);
	if (status == WSD_OK)
		status = learn_inline(device);
	return status;
}

static void device_attr(const struct wsd_device *device, bool software,
			struct wsd_device_attr *attr)
{
	attr->caps = WSD_CAP_ONE_SIDED;
	if (device->max_read_in && device->max_read_out)
		attr->caps |= WSD_CAP_READ;
	if (device->immediate)
		attr->caps |= WSD_CAP_WRITE_IMM;
	memset(attr->name, 0, sizeof(attr->name));
	snprintf(attr->name, sizeof(attr->name), "%.31s",
		 ibv_get_device_name(device->context->device));
	attr->max_sge = device->max_sge;
	attr->max_message = device->max_bytes;
	attr->max_rdma = device->max_bytes;
	attr->max_send = device->max_send;
	attr->max_recv = device->max_recv;
	attr->max_read = device->max_read_out;
	attr->max_inline = device->max_inline;
	/* Where copies are cheap beside the packets of an offer and its answer. */
	attr->hint_zcopy = (software ? 256 : 64) * 1024;
	attr->hint_ring =
		(software ? 2 : 1) * 1024 * 1024; /* fewer of the messages that tell of room */
	/* The rxe of 6.1 has all of its answer on the way at once, which takes memory faster than it comes back. */
	attr->hint_read = device->loses_work ? 512 * 1024 : 0;
	attr->cost_poll = 0;
	attr->cost_post = software;
	attr->speed = device->host->param_uint("verbs", "speed", device->speed, 0, 1ull << 40);
}

static void device_close(struct wsd_device *device)
{
	if (device->probe) {
		device->host->child_closes(device->probe->fd, false);
		rdma_destroy_event_channel(device->probe);
	}
	if (device->pd)
		ibv_dealloc_pd(device->pd);
	device_kept(device, false);
	ibv_close_device(device->context);
	pthread_mutex_destroy(&device->lock);
	device->host->free(device);
}

static enum wsd_status device_open(const struct wsd_host *host, uint32_t index,
				   struct wsd_device **made, struct wsd_device_attr *attr)
{
	struct wsd_device *device;
	enum wsd_status status;
	bool software = false;

	if (attr->size < sizeof(*attr))
		return WSD_EABI;
	device = host->alloc(sizeof(*device));
	if (!device)
		return WSD_ENOMEM;
	device->host = host;
	pthread_mutex_init(&device->lock, NULL);
	status = open_context(index, &device->context);
	if (status != WSD_OK) {
		pthread_mutex_destroy(&device->lock);
		host->free(device);
		return status;
	}
	device_counters(host, &device->counters);
	device->ack_timeout = (uint8_t)host->param_uint("verbs", "ack_timeout", 0, 0, 31);
	device->rnr_timer = (uint8_t)host->param_uint("verbs", "rnr_timer", 12, 1, 31);
	device->answer_limit =
		host->param_uint("verbs", "answer_limit", 3000, 0, 3600000) * VERBS_MS;
	status = device_setup(device, &software);
	if (status != WSD_OK) {
		host->log(2, "verbs", "%s: %s", ibv_get_device_name(device->context->device),
			  status == WSD_ENODEVICE
				  ? "the kernel has no connection manager (module rdma_ucm)"
				  : "cannot be used");
		device_close(device);
		return status;
	}
	device_attr(device, software, attr);
	/* librdmacm opens an adapter at the first look and keeps it. */
	(void)verbs_addresses(device, NULL, 0);
	*made = device;
	return WSD_OK;
}

static const struct wsd_backend_ops table = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "verbs",
	.description = "RDMA adapters by libibverbs and librdmacm",
	.open = device_open,
	.close = device_close,
	.addresses = verbs_addresses,
	.reachable = verbs_reachable,
	.queue_create = verbs_queue_create,
	.queue_destroy = verbs_queue_destroy,
	.poll = verbs_poll,
	.arm = verbs_arm,
	.disarm = verbs_disarm,
	.wait_object = verbs_wait_object,
	.busy = verbs_busy,
	.reg = verbs_reg,
	.dereg = verbs_dereg,
	.mem_alloc = verbs_mem_alloc,
	.mem_free = verbs_mem_free,
	.listen = verbs_listen,
	.listener_destroy = verbs_listener_destroy,
	.endpoint_create = verbs_endpoint_create,
	.endpoint_destroy = verbs_endpoint_destroy,
	.connect = verbs_connect,
	.accept = verbs_accept,
	.reject = verbs_reject,
	.disconnect = verbs_disconnect,
	.set_traffic_class = verbs_set_traffic_class,
	.post_send = verbs_post_send,
	.post_recv = verbs_post_recv,
};

__attribute__((visibility("default"))) const struct wsd_backend_ops *wsd_backend_query(
	uint32_t abi, const struct wsd_host *host);

const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *host)
{
	return abi == WSD_BACKEND_ABI && host->size >= sizeof(*host) ? &table : NULL;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim.c - the simulated backend's operations: devices, queues, polling, and the table. Each
 * operation takes the world's lock here and is carried out in the file of its topic.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

#define SIM_BURST 16u /* events of one source before the next source has its turn */

static void sim_default_attr(struct wsd_device_attr *attr, uint32_t index)
{
	attr->caps = WSD_CAP_WRITE_IMM | WSD_CAP_READ | WSD_CAP_ONE_SIDED | WSD_CAP_SAME_HOST |
		     WSD_CAP_SOFTWARE;
	memset(attr->name, 0, sizeof(attr->name));
	memcpy(attr->name, "sim0", 4);
	attr->name[3] = (char)('0' + index);
	attr->max_sge = 4;
	attr->max_message = 1u << 20;
	attr->max_rdma = 1u << 30;
	attr->max_send = 1024;
	attr->max_recv = 1024;
	attr->max_read = 16;
	attr->max_inline = 128;
	attr->hint_zcopy = 64u << 10;
	attr->hint_ring = 256u << 10;
	attr->cost_poll = 0;
	attr->cost_post = 0;
}

/* The first device of the process brings the scripted world from the parameters. */
static enum wsd_status sim_start_world(const struct wsd_host *host)
{
	const char *script = host->param_text("sim", "SCRIPT", "");
	uint64_t seed = host->param_uint("sim", "SEED", 0, 0, UINT64_MAX);

	wsd_sim.host = host;
	if (strcmp(host->param_text("sim", "MODE", "live"), "stepped") == 0)
		wsd_sim.stepped = true;
	if (seed)
		wsd_sim.random = seed;
	return *script ? wsd_sim_run_script(script) : WSD_OK;
}

/* The loopback ones first. */
static uint32_t local_addresses(struct wsd_addr *list, uint32_t count)
{
	if (count < 2)
		return 0;
	memset(list, 0, 2 * sizeof(*list));
	list[0].family = WSD_FAMILY_IPV4;
	list[0].bytes[0] = 127;
	list[0].bytes[3] = 1;
	list[1].family = WSD_FAMILY_IPV6;
	list[1].bytes[15] = 1;
	return 2 + wsd_sim_os_addresses(list + 2, count - 2);
}

static enum wsd_status sim_open(const struct wsd_host *host, uint32_t index,
				struct wsd_device **device, struct wsd_device_attr *attr)
{
	enum wsd_status status = WSD_OK;
	struct wsd_device *dev;

	if (attr->size < sizeof(*attr))
		return WSD_EABI;
	if (index >= host->param_uint("sim", "DEVICES", 1, 1, 9))
		return WSD_NOTFOUND;
	dev = host->alloc(sizeof(*dev));
	if (!dev)
		return WSD_ENOMEM;
	dev->attr.size = attr->size;
	sim_default_attr(&dev->attr, index);
	dev->attr.speed = host->param_uint("sim", "speed", 125000000, 0, 1ull << 40);
	dev->address_count = local_addresses(dev->addresses, SIM_MAX_ADDRESSES);
	wsd_sim_lock();
	if (wsd_sim.devices == 0)
		status = sim_start_world(host);
	if (status == WSD_OK) {
		wsd_sim_apply_caps(&dev->attr, host->param_text("sim", "CAPS", ""));
		wsd_sim.devices++;
	}
	wsd_sim_unlock();
	if (status != WSD_OK) {
		host->free(dev);
		return status;
	}
	*attr = dev->attr;
	*device = dev;
	return WSD_OK;
}

static void sim_close(struct wsd_device *device)
{
	wsd_sim_lock();
	wsd_sim.devices--;
	wsd_sim.host->free(device);
	wsd_sim_unlock();
}

static uint32_t sim_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	uint32_t n = device->address_count < count ? device->address_count : count;

	if (n)
		memcpy(list, device->addresses, n * sizeof(*list));
	return device->address_count;
}

static enum wsd_status sim_reachable(struct wsd_device *device, const struct wsd_addr *local,
				     const struct wsd_addr *remote)
{
	if (local && local->family != WSD_FAMILY_NONE && local->family != remote->family)
		return WSD_EUNREACHABLE;
	return wsd_sim_is_local(device, remote) ? WSD_OK : WSD_EUNREACHABLE;
}

static enum wsd_status sim_queue_create(struct wsd_device *device, uint32_t depth, void *context,
					struct wsd_queue **queue)
{
	enum wsd_status status;
	struct wsd_queue *q;

	if (!depth)
		return WSD_EINVAL;
	wsd_sim_lock();
	if (wsd_sim_fault(SIM_FAULT_QUEUE, &status)) {
		wsd_sim_unlock();
		return status;
	}
	wsd_sim_unlock();
	q = wsd_sim.host->alloc(sizeof(*q));
	if (!q)
		return WSD_ENOMEM;
	status = wsd_sim_wait_create(&q->wait);
	if (status != WSD_OK) {
		wsd_sim.host->free(q);
		return status;
	}
	q->device = device;
	wsd_list_init(&q->ready);
	wsd_list_init(&q->endpoints);
	wsd_list_init(&q->listeners);
	wsd_list_init(&q->connecting);
	wsd_sim_note_init(&q->note_gone, SIM_NOTE_QUEUE);
	wsd_sim_lock();
	wsd_sim_source_init(&q->source, q, context);
	wsd_list_append(&wsd_sim.queues, &q->link);
	wsd_sim_unlock();
	*queue = q;
	return WSD_OK;
}

static void sim_queue_destroy(struct wsd_queue *queue)
{
	wsd_sim_lock();
	if (!wsd_list_empty(&queue->endpoints) || !wsd_list_empty(&queue->listeners))
		wsd_sim.host->log(0, "sim", "a queue is destroyed before what was made on it");
	wsd_list_remove(&queue->link);
	wsd_sim_source_fini(&queue->source);
	wsd_sim_unlock();
	wsd_sim_wait_destroy(queue->wait);
	wsd_sim.host->free(queue);
}

/* Which source speaks next: the oldest, or any if the script wants disorder between connections. */
static struct sim_source *sim_pick(struct wsd_queue *queue)
{
	struct wsd_list *at = queue->ready.next;
	uint64_t count = 0, skip;

	if (wsd_sim.rules.reorder) {
		wsd_list_for_each(at, &queue->ready)
			count++;
		skip = wsd_sim_random() % count;
		for (at = queue->ready.next; skip; skip--)
			at = at->next;
	}
	return wsd_container(at, struct sim_source, link);
}

static void sim_digest(const struct sim_source *source, const struct wsd_event *event)
{
	uint64_t parts[5];
	unsigned i;

	parts[0] = source->serial;
	parts[1] = (uint64_t)event->type;
	parts[2] = (uint64_t)(int64_t)event->status;
	parts[3] = event->bytes;
	parts[4] = event->imm;
	for (i = 0; i < 5; i++)
		wsd_sim.digest = (wsd_sim.digest ^ parts[i]) * 0x100000001b3u + 0x9e3779b9u;
}

/* Scripted faults that follow the number of events. True: the device of this queue is gone now. */
static bool sim_event_faults(struct wsd_queue *queue, struct sim_source *source,
			     const struct sim_note *note)
{
	struct sim_rules *rules = &wsd_sim.rules;
	struct wsd_endpoint *endpoint;

	if (rules->gone_after && --rules->gone_after == 0) {
		wsd_sim_queue_gone(queue);
		return true;
	}
	if (rules->disconnect_after && --rules->disconnect_after == 0) {
		if (note->kind == SIM_NOTE_WORK || note->kind == SIM_NOTE_RECV ||
		    note->event.type == WSD_EV_CONNECTED) {
			endpoint = wsd_container(source, struct wsd_endpoint, source);
			wsd_sim_end_both(endpoint, WSD_ERESET, WSD_ERESET);
		} else {
			rules->disconnect_after = 1; /* the next event of a connection */
		}
	}
	return false;
}

/* Move one event out. False: no room for its private data in this poll. */
static bool sim_deliver(struct wsd_queue *queue, struct sim_source *source, struct wsd_event *event,
			uint32_t *slots)
{
	struct sim_note *note = wsd_container(source->notes.next, struct sim_note, link);

	if (note->event.data_length && *slots == SIM_DATA_SLOTS)
		return false;
	*event = note->event;
	if (event->data_length) {
		memcpy(queue->data[*slots], event->data, event->data_length);
		event->data = queue->data[(*slots)++];
	}
	wsd_list_remove(&note->link);
	sim_digest(source, event);
	wsd_sim_delivered(source, note);
	return true;
}

static uint32_t sim_collect(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	uint32_t used = 0, slots = 0, burst;
	struct sim_source *source;
	struct sim_note *note;

	while (used < count && !wsd_list_empty(&queue->ready)) {
		source = sim_pick(queue);
		for (burst = 0; burst < SIM_BURST && used < count; burst++) {
			if (wsd_list_empty(&source->notes))
				break;
			note = wsd_container(source->notes.next, struct sim_note, link);
			if (!sim_deliver(queue, source, &events[used], &slots))
				return used;
			used++;
			if (sim_event_faults(queue, source, note))
				break;
		}
		wsd_list_remove(&source->link);
		if (!wsd_list_empty(&source->notes))
			wsd_list_append(&queue->ready, &source->link);
	}
	return used;
}

static uint32_t sim_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	uint32_t used;

	wsd_sim_lock();
	wsd_sim.polls++;
	wsd_sim_run_due();
	wsd_sim_check_timeouts(queue);
	used = sim_collect(queue, events, count);
	wsd_sim_unlock();
	return used;
}

/* How long the owner may sleep before a connect of this queue runs out of time; 0 = for ever. */
static uint64_t sim_next_limit(const struct wsd_queue *queue)
{
	struct wsd_list *at;
	uint64_t now, next = UINT64_MAX;

	if (wsd_sim.stepped || wsd_list_empty(&queue->connecting))
		return 0;
	wsd_list_for_each(at, &queue->connecting) {
		struct wsd_endpoint *ep = wsd_container(at, struct wsd_endpoint, connecting);

		if (ep->deadline < next)
			next = ep->deadline;
	}
	if (next == UINT64_MAX)
		return 0;
	now = wsd_sim_clock_ns();
	return next > now ? next - now : 1;
}

static enum wsd_status sim_arm(struct wsd_queue *queue)
{
	enum wsd_status status = WSD_OK;
	uint64_t limit;

	wsd_sim_lock();
	wsd_sim.polls++;
	wsd_sim_run_due();
	wsd_sim_check_timeouts(queue);
	if (!wsd_list_empty(&queue->ready) ||
	    (!wsd_sim.stepped && !wsd_list_empty(&wsd_sim.items))) {
		status = WSD_AGAIN;
	} else {
		limit = sim_next_limit(queue);
		if (queue->fired || limit) {
			wsd_sim_wait_set(queue->wait, limit);
			queue->fired = limit != 0;
		}
		queue->armed = true;
	}
	wsd_sim_unlock();
	return status;
}

static void sim_disarm(struct wsd_queue *queue)
{
	wsd_sim_lock();
	queue->armed = false;
	if (queue->fired)
		wsd_sim_wait_set(queue->wait, 0);
	queue->fired = false;
	wsd_sim_unlock();
}

static wsd_wait_object sim_wait_object(struct wsd_queue *queue)
{
	return queue->wait;
}

static uint64_t sim_clock(struct wsd_queue *queue)
{
	uint64_t now;

	(void)queue;
	wsd_sim_lock();
	now = wsd_sim_clock_ns();
	wsd_sim_unlock();
	return now;
}

const struct wsd_backend_ops wsd_backend_sim = {
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
	.name = "sim",
	.description = "simulation inside one process, for tests",
	.open = sim_open,
	.close = sim_close,
	.addresses = sim_addresses,
	.reachable = sim_reachable,
	.queue_create = sim_queue_create,
	.queue_destroy = sim_queue_destroy,
	.poll = sim_poll,
	.arm = sim_arm,
	.disarm = sim_disarm,
	.wait_object = sim_wait_object,
	.clock = sim_clock,
	.reg = wsd_sim_reg,
	.bind = wsd_sim_bind,
	.dereg = wsd_sim_dereg,
	.mem_alloc = wsd_sim_mem_alloc,
	.mem_free = wsd_sim_mem_free,
	.listen = wsd_sim_listen,
	.listener_destroy = wsd_sim_listener_destroy,
	.endpoint_create = wsd_sim_endpoint_create,
	.endpoint_destroy = wsd_sim_endpoint_destroy,
	.connect = wsd_sim_connect,
	.accept = wsd_sim_accept,
	.reject = wsd_sim_reject,
	.disconnect = wsd_sim_disconnect,
	.post_send = wsd_sim_post_send,
	.post_recv = wsd_sim_post_recv,
};

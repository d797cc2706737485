// SPDX-License-Identifier: BSD-2-Clause
/* sample.c - the sample backend's device, queues, events, memory, and the table it exports. */
#include "sample.h"

#include <string.h>

#define PAGE	   4096u
#define ACCESS_ALL (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

const struct wsd_host *sample_host;
static struct region *regions;
static uint32_t last_key;

/* Every operation is a function body between these two. */
void sample_enter(void)
{
	sample_os_lock();
}

enum wsd_status sample_leave(enum wsd_status status)
{
	sample_os_unlock();
	return status;
}

/* ---- events ---- */

bool sample_source_init(struct source *source, struct wsd_queue *queue, void *context,
			uint32_t size)
{
	source->queue = queue;
	source->context = context;
	source->size = size;
	source->ring = sample_host->alloc(size * sizeof(*source->ring));
	return source->ring != NULL;
}

void sample_source_fini(struct source *source)
{
	struct source **at, *before = NULL;

	for (at = &source->queue->first; *at && *at != source; at = &(*at)->next_ready)
		before = *at;
	if (*at)
		*at = source->next_ready;
	if (source->queue->last == source)
		source->queue->last = before;
	sample_host->free(source->ring);
}

static void make_ready(struct source *source)
{
	struct wsd_queue *queue = source->queue;

	source->ready = true;
	source->next_ready = NULL;
	if (queue->first)
		queue->last->next_ready = source;
	else
		queue->first = source;
	queue->last = source;
}

/* A new, empty event at the end of the ring; the caller fills it before it unlocks. */
struct wsd_event *sample_push(struct source *source, enum wsd_event_type type,
			      enum wsd_status status)
{
	struct wsd_event *event = &source->ring[source->tail++ % source->size];

	memset(event, 0, sizeof(*event));
	event->type = type;
	event->status = status;
	event->context = source->context;
	if (!source->ready)
		make_ready(source);
	if (source->queue->armed)
		sample_os_timer_set(source->queue->timer, 1);
	source->queue->armed = false;
	return event;
}

/* ---- device and queue ---- */

static enum wsd_status sample_open(const struct wsd_host *services, uint32_t index,
				   struct wsd_device **device, struct wsd_device_attr *attr)
{
	if (index > 0)
		return WSD_NOTFOUND;
	sample_host = services;
	*device = sample_host->alloc(sizeof(**device));
	if (!*device)
		return WSD_ENOMEM;
	attr->caps = WSD_CAP_ONE_SIDED | WSD_CAP_SAME_HOST | WSD_CAP_SOFTWARE;
	strcpy(attr->name, "sample0");
	attr->max_sge = 1;
	attr->max_message = MAX_MESSAGE;
	attr->max_rdma = MAX_MESSAGE;
	attr->max_send = MAX_DEPTH;
	attr->max_recv = MAX_DEPTH;
	attr->max_read = 0;
	attr->max_inline = 0;
	attr->hint_zcopy = 64u << 10;
	attr->hint_ring = 256u << 10;
	attr->cost_poll = 0;
	attr->cost_post = 0;
	return WSD_OK;
}

static void sample_close(struct wsd_device *device)
{
	sample_host->free(device);
}

static uint32_t sample_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	(void)device;
	if (count) {
		memset(list, 0, sizeof(*list));
		list->family = WSD_FAMILY_IPV4;
		list->bytes[0] = 127;
		list->bytes[3] = 1;
	}
	return 1;
}

static enum wsd_status sample_queue_create(struct wsd_device *device, uint32_t depth, void *context,
					   struct wsd_queue **queue)
{
	struct wsd_queue *q = sample_host->alloc(sizeof(*q));
	enum wsd_status status;

	(void)device;
	(void)depth;
	(void)context; /* this device cannot be removed */
	if (!q)
		return WSD_ENOMEM;
	status = sample_os_timer_new(&q->timer);
	if (status != WSD_OK)
		sample_host->free(q);
	else
		*queue = q;
	return status;
}

static void sample_queue_destroy(struct wsd_queue *queue)
{
	sample_os_timer_free(queue->timer);
	sample_host->free(queue);
}

/*
 * One event of each ready source in turn; one with private data ends the poll, it uses the
 * buffer.
 */
static uint32_t sample_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	struct wsd_event *event;
	struct source *source;
	uint32_t used = 0;
	bool data = false;

	sample_enter();
	sample_check_limits(queue);
	while (used < count && queue->first && !data) {
		source = queue->first;
		queue->first = source->next_ready;
		source->ready = false;
		event = &events[used++];
		*event = source->ring[source->head++ % source->size];
		if (event->type == WSD_EV_SEND)
			((struct wsd_endpoint *)source)->work_busy--;
		if (event->type == WSD_EV_RECV)
			((struct wsd_endpoint *)source)->recv_busy--;
		data = event->data_length > 0;
		if (data)
			event->data = memcpy(queue->data, event->data, event->data_length);
		if (source->head != source->tail)
			make_ready(source);
	}
	sample_leave(WSD_OK);
	return used;
}

static enum wsd_status sample_arm(struct wsd_queue *queue)
{
	uint64_t limit = UINT64_MAX, now;
	struct wsd_endpoint *ep;

	sample_enter();
	sample_check_limits(queue);
	if (queue->first)
		return sample_leave(WSD_AGAIN);
	for (ep = queue->connecting ? queue->endpoints : NULL; ep; ep = ep->next) {
		if (ep->state == CONNECTING && ep->deadline < limit)
			limit = ep->deadline;
	}
	now = sample_host->now();
	sample_os_timer_set(queue->timer, limit == UINT64_MAX ? 0 : limit > now ? limit - now : 1);
	queue->armed = true;
	return sample_leave(WSD_OK);
}

static void sample_disarm(struct wsd_queue *queue)
{
	sample_enter();
	queue->armed = false;
	sample_os_timer_set(queue->timer, 0);
	sample_leave(WSD_OK);
}

static wsd_wait_object sample_wait_object(struct wsd_queue *queue)
{
	return queue->timer;
}

/* ---- memory ---- */

/* The remote address is the offset in the region: nothing of this process's layout gets out. */
static enum wsd_status region_make(void *base, void *block, uint64_t length, uint32_t access,
				   struct wsd_endpoint *ep, struct wsd_region **region)
{
	struct region *r;

	if (!base || !length || (access & ~ACCESS_ALL))
		return WSD_EINVAL;
	r = sample_host->alloc(sizeof(*r));
	if (!r)
		return WSD_ENOMEM;
	r->region.base = base;
	r->region.length = length;
	r->region.access = access;
	r->endpoint = ep;
	r->block = block;
	sample_enter();
	r->region.remote_key = ++last_key;
	r->next = regions;
	regions = r;
	*region = &r->region;
	return sample_leave(WSD_OK);
}

static enum wsd_status sample_reg(struct wsd_queue *queue, void *base, uint64_t length,
				  uint32_t access, uint64_t id, struct wsd_region **region)
{
	(void)queue;
	(void)id;
	return region_make(base, NULL, length, access, NULL, region);
}

/* [lock] */
static void region_free(struct region *r)
{
	struct region **at = &regions;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	sample_host->free(r->block);
	sample_host->free(r);
}

/* From now on for the peer of one connection only, like what mem_alloc gives. */
static void sample_bind(struct wsd_region *region, struct wsd_endpoint *ep)
{
	sample_enter();
	((struct region *)(void *)region)->endpoint = ep;
	sample_leave(WSD_OK);
}

static void sample_dereg(struct wsd_region *region)
{
	sample_enter();
	region_free((struct region *)(void *)region);
	sample_leave(WSD_OK);
}

static enum wsd_status sample_mem_alloc(struct wsd_endpoint *ep, uint64_t length, uint32_t access,
					struct wsd_region **region)
{
	enum wsd_status status;
	char *block;

	if (!length || length > (1u << 30))
		return WSD_EINVAL;
	block = sample_host->alloc((size_t)length + PAGE);
	if (!block)
		return WSD_ENOMEM;
	status = region_make(block + PAGE - (uintptr_t)block % PAGE, block, length, access, ep,
			     region);
	if (status != WSD_OK)
		sample_host->free(block);
	return status;
}

/* [lock] What the peer may reach with this key, or NULL. */
uint8_t *sample_target(struct wsd_endpoint *peer, const struct work *work)
{
	struct region *r;

	for (r = regions; r && r->region.remote_key != work->remote_key;)
		r = r->next;
	if (!r || (r->endpoint && r->endpoint != peer) ||
	    !(r->region.access & WSD_ACCESS_REMOTE_WRITE) || work->remote_addr > r->region.length ||
	    work->length > r->region.length - work->remote_addr)
		return NULL;
	return (uint8_t *)r->region.base + work->remote_addr;
}

/* [lock] What mem_alloc gave for this connection goes with it; what was bound to it stays, for nobody. */
void sample_drop_memory(struct wsd_endpoint *ep)
{
	struct region *r, *next;

	for (r = regions; r; r = next) {
		next = r->next;
		if (r->endpoint == ep && r->block)
			region_free(r);
		else if (r->endpoint == ep)
			r->region.access = WSD_ACCESS_LOCAL;
	}
}

static const struct wsd_backend_ops table = {
	.size = sizeof(table),
	.abi = WSD_BACKEND_ABI,
	.name = "sample",
	.description = "loop-back device, an example of a module",
	.open = sample_open,
	.close = sample_close,
	.addresses = sample_addresses,
	.reachable = sample_reachable,
	.queue_create = sample_queue_create,
	.queue_destroy = sample_queue_destroy,
	.poll = sample_poll,
	.arm = sample_arm,
	.disarm = sample_disarm,
	.wait_object = sample_wait_object,
	.reg = sample_reg,
	.bind = sample_bind,
	.dereg = sample_dereg,
	.mem_alloc = sample_mem_alloc,
	.mem_free = sample_dereg,
	.listen = sample_listen,
	.listener_destroy = sample_listener_destroy,
	.endpoint_create = sample_endpoint_create,
	.endpoint_destroy = sample_endpoint_destroy,
	.connect = sample_connect,
	.accept = sample_accept,
	.reject = sample_reject,
	.disconnect = sample_disconnect,
	.post_send = sample_post_send,
	.post_recv = sample_post_recv,
};

#if defined(_WIN32)
__declspec(dllexport)
#elif defined(__GNUC__)
__attribute__((visibility("default")))
#endif
	const
	struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *services);

const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *services)
{
	if (abi != WSD_BACKEND_ABI || services->abi != WSD_BACKEND_ABI ||
	    services->size < sizeof(*services))
		return NULL;
	return &table;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_queue.c - a queue: its inbox, its set of channels with doorbell and alarm, poll, arm, and timers.
 *
 * Poll normally makes no system call. The channels (connection requests, deaths of peers) are looked at
 * after a sleep and now and then by time, so that it costs callers that poll fast nothing and those
 * that poll seldom no delay; more often while an answer is due.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define CHANNELS_AT_ONCE 32u
#define LOOK_AT_ONCE	 32u
#define POLLS_HANDSHAKE	 4u
#define POLLS_CLOCK	 16u	  /* between looks at the clock: a power of two */
#define LISTENING_NS	 20000u	  /* between looks at the channels */
#define LINKED_NS	 1000000u /* the same without a listener: only deaths are to be seen */
#define SWEEP_NS	 UINT64_C(1000000000) /* what other peers do to the inbox holds us up so long */

enum wsd_status shm_source_add(struct shm_source *source, uint32_t events)
{
	return shm_set_add(source->queue->set, source, events);
}

void shm_source_change(struct shm_source *source, uint32_t events)
{
	shm_set_change(source->queue->set, source, events);
}

void shm_source_remove(struct shm_source *source)
{
	if (source->channel != SHM_NO_CHANNEL)
		shm_set_remove(source->queue->set, source);
}

static void ready_dead(struct shm_source *source, uint32_t events)
{
	(void)source;
	(void)events;
}

void shm_source_bury(struct shm_source *source)
{
	struct wsd_queue *queue = source->queue;

	shm_source_remove(source);
	shm_os_close(&source->channel);
	source->ready = ready_dead;
	source->next_dead = queue->dead;
	queue->dead = source;
}

static void free_dead(struct wsd_queue *queue)
{
	struct shm_source *dead;

	while ((dead = queue->dead) != NULL) {
		queue->dead = dead->next_dead;
		queue->host->free(dead);
	}
}

static void set_alarm(struct wsd_queue *queue)
{
	struct shm_timer *first;
	uint64_t now, wait = 0;

	if (!wsd_list_empty(&queue->timers)) {
		first = wsd_container(queue->timers.next, struct shm_timer, node);
		now = queue->host->now();
		wait = first->when > now ? first->when - now : 1;
	}
	shm_set_alarm(queue->set, wait);
}

void shm_timer_set(struct wsd_queue *queue, struct shm_timer *timer, uint64_t when)
{
	struct wsd_list *at = &queue->timers;

	shm_timer_cancel(timer);
	timer->when = when;
	/* From the end: deadlines are mostly set in the order in which they expire. */
	while (at->prev != &queue->timers &&
	       wsd_container(at->prev, struct shm_timer, node)->when > when)
		at = at->prev;
	wsd_list_insert_before(at, &timer->node);
	if (queue->timers.next == &timer->node)
		set_alarm(queue);
}

/* The alarm may then come for nobody, which costs one look. */
void shm_timer_cancel(struct shm_timer *timer)
{
	wsd_list_remove(&timer->node);
}

static void expire(struct wsd_queue *queue)
{
	struct shm_timer *timer;
	uint64_t now = queue->host->now();

	while (!wsd_list_empty(&queue->timers)) {
		timer = wsd_container(queue->timers.next, struct shm_timer, node);
		if (timer->when > now)
			break;
		wsd_list_remove(&timer->node);
		timer->expired(timer);
	}
	set_alarm(queue);
}

/*
 * The inbox is one for all peers. One that erases what others have written there holds them up, until
 * we look at every endpoint. Only where there are others.
 */
static bool has_several_peers(const struct wsd_queue *queue)
{
	const struct wsd_list *node;
	const struct shm_link *first, *link;

	first = wsd_container(queue->links.next, struct shm_link, node);
	wsd_list_for_each(node, &queue->links) {
		link = wsd_container(node, struct shm_link, node);
		if (memcmp(link->engine, first->engine, sizeof(link->engine)) != 0)
			return true;
	}
	return false;
}

void shm_queue_linked(struct wsd_queue *queue)
{
	if (wsd_list_empty(&queue->sweep.node) && has_several_peers(queue))
		shm_timer_set(queue, &queue->sweep, queue->host->now() + SWEEP_NS);
}

static void sweep_expired(struct shm_timer *timer)
{
	struct wsd_queue *queue = wsd_container(timer, struct wsd_queue, sweep);
	uint32_t i;

	for (i = 0; i < queue->endpoint_capacity; i++) {
		if (queue->endpoints[i])
			shm_inbox_set(queue->marks, i);
	}
	shm_queue_linked(queue);
}

static void queue_free(struct wsd_queue *queue)
{
	free_dead(queue);
	if (queue->set)
		shm_set_destroy(queue->set);
	if (queue->inbox)
		wsd_shared_unmap(queue->inbox, SHM_INBOX_BYTES);
	queue->host->free(queue->marks);
	queue->host->free(queue->round);
	shm_share_close(&queue->inbox_share);
	wsd_mutex_fini(&queue->region_lock);
	queue->host->free(queue->regions);
	queue->host->free(queue->endpoints);
	queue->host->free(queue);
}

enum wsd_status shm_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				 struct wsd_queue **result)
{
	struct wsd_queue *queue = device->host->alloc(sizeof(*queue));
	enum wsd_status status;
	void *address = NULL;

	(void)depth; /* completions wait in their endpoints */
	if (!queue)
		return WSD_ENOMEM;
	queue->device = device;
	queue->host = device->host;
	queue->context = context;
	queue->inbox_share = SHM_NO_SHARE;
	wsd_list_init(&queue->timers);
	wsd_list_init(&queue->links);
	wsd_list_init(&queue->listeners);
	wsd_list_init(&queue->reports);
	wsd_list_init(&queue->sweep.node);
	queue->sweep.expired = sweep_expired;
	wsd_mutex_init(&queue->region_lock);
	queue->host->random(queue->engine, sizeof(queue->engine));
	queue->marks = queue->host->alloc(sizeof(*queue->marks));
	status = queue->marks ? shm_share_create(SHM_INBOX_BYTES, &queue->inbox_share, &address)
			      : WSD_ENOMEM;
	queue->inbox = address;
	if (!status)
		status = shm_set_create(queue->inbox_share, &queue->set);
	if (status) {
		queue_free(queue);
		return status;
	}
	*result = queue;
	return WSD_OK;
}

void shm_queue_destroy(struct wsd_queue *queue)
{
	queue_free(queue);
}

struct wsd_endpoint *shm_queue_endpoint(struct wsd_queue *queue, uint32_t index)
{
	return index < queue->endpoint_capacity ? queue->endpoints[index] : NULL;
}

enum wsd_status shm_queue_grow(struct wsd_queue *queue)
{
	uint32_t had = queue->endpoint_capacity, capacity = had ? had * 2 : 16;
	struct wsd_endpoint **table = queue->host->alloc(capacity * sizeof(*table));
	uint32_t *round = queue->host->alloc(2 * capacity * sizeof(*round));

	if (!table || !round) {
		queue->host->free(table);
		queue->host->free(round);
		return WSD_ENOMEM;
	}
	if (had) {
		memcpy(table, queue->endpoints, had * sizeof(*table));
		memcpy(round, queue->round, 2 * had * sizeof(*round));
	}
	queue->host->free(queue->endpoints);
	queue->host->free(queue->round);
	queue->endpoints = table;
	queue->round = round;
	queue->endpoint_capacity = capacity;
	return WSD_OK;
}

struct wsd_event *shm_sink_next(struct shm_sink *sink)
{
	struct wsd_event *event;

	if (sink->count == sink->limit)
		return NULL;
	event = &sink->events[sink->count++];
	memset(event, 0, sizeof(*event));
	return event;
}

static void look_at_channels(struct wsd_queue *queue)
{
	struct shm_ready ready[CHANNELS_AT_ONCE];
	unsigned i, count;
	bool more;

	count = shm_set_poll(queue->set, ready, CHANNELS_AT_ONCE, &more);
	queue->slept = more; /* look again at once */
	for (i = 0; i < count; i++)
		ready[i].source->ready(ready[i].source, ready[i].events);
	if (shm_set_alarm_rang(queue->set))
		expire(queue);
	queue->look_at = queue->host->now() + (queue->listener_count ? LISTENING_NS : LINKED_NS);
}

static bool channels_due(struct wsd_queue *queue)
{
	queue->polls++;
	if (queue->slept || (queue->handshakes && queue->polls % POLLS_HANDSHAKE == 0))
		return true;
	return queue->polls % POLLS_CLOCK == 0 && queue->host->now() >= queue->look_at;
}

static bool nothing_marked(struct wsd_queue *queue)
{
	return queue->round_next == queue->round_count && shm_inbox_empty(queue->marks) &&
	       shm_inbox_empty(queue->inbox);
}

/* Indexes of endpoints come before those that only a liar can have set. */
static void begin_round(struct wsd_queue *queue)
{
	uint32_t most = queue->endpoint_capacity;

	queue->round_next = 0;
	queue->round_count = shm_inbox_take(queue->marks, queue->round, most);
	queue->round_count += shm_inbox_take(queue->inbox, queue->round + queue->round_count, most);
}

static void look_at_endpoints(struct wsd_queue *queue, struct shm_sink *sink)
{
	struct wsd_endpoint *endpoint;
	uint32_t i, index;

	if (queue->round_next == queue->round_count) {
		begin_round(queue);
		if (queue->round_count == 1)
			shm_watch_found(queue, queue->round[0]);
	}
	for (i = 0; i < LOOK_AT_ONCE && queue->round_next < queue->round_count &&
		    sink->count < sink->limit;
	     i++) {
		index = queue->round[queue->round_next++];
		endpoint = shm_queue_endpoint(queue, index);
		if (endpoint && !shm_endpoint_progress(endpoint, sink))
			shm_inbox_set(queue->marks, index);
	}
}

uint32_t shm_queue_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	struct shm_sink sink = { events, 0, count };

	if (!count)
		return 0;
	if (queue->dead)
		free_dead(queue);
	if (channels_due(queue))
		look_at_channels(queue);
	if (!wsd_list_empty(&queue->reports))
		shm_requests_report(queue, &sink);
	if (queue->watched)
		shm_watch_look(queue, &sink, nothing_marked(queue));
	if (!nothing_marked(queue))
		look_at_endpoints(queue, &sink);
	return sink.count;
}

enum wsd_status shm_queue_arm(struct wsd_queue *queue)
{
	atomic_store(&queue->inbox->armed, 1);
	atomic_store(&queue->marks->armed, 1);
	queue->slept = true;
	if (queue->watched)
		shm_watch_end(queue->watched);
	if (!shm_set_arm(queue->set) && nothing_marked(queue) && wsd_list_empty(&queue->reports))
		return WSD_OK;
	shm_queue_disarm(queue);
	return WSD_AGAIN;
}

void shm_queue_disarm(struct wsd_queue *queue)
{
	/* Cleared by somebody else: a doorbell was or will be rung, which a later poll takes back. */
	atomic_store(&queue->inbox->armed, 0);
	shm_set_disarm(queue->set, atomic_exchange(&queue->marks->armed, 0) == 0);
}

wsd_wait_object shm_queue_wait_object(struct wsd_queue *queue)
{
	return shm_set_object(queue->set);
}

void shm_queue_mark(struct wsd_queue *queue, uint32_t index)
{
	shm_inbox_set(queue->marks, index);
	if (atomic_load(&queue->marks->armed) == 0 || atomic_exchange(&queue->marks->armed, 0) == 0)
		return;
	shm_set_wake(queue->set);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_queue.c - one queue: the readiness set, the list of sources with something to hand out, the
 * timers, and poll. The set is level-triggered, so an event that found no room comes again.
 */
#include "rdma_backend/tcp/tcp.h"

void tcp_source_init(struct tcp_source *source, enum tcp_source_kind kind, int fd)
{
	source->kind = kind;
	source->fd = fd;
	wsd_list_init(&source->ready);
}

void tcp_source_forget(struct wsd_queue *queue, struct tcp_source *source)
{
	for (int i = queue->batch_at; i < queue->batch_count; i++) {
		if (queue->batch[i].tag == source)
			queue->batch[i].tag = NULL;
	}
	wsd_mutex_lock(&queue->lock);
	wsd_list_remove(&source->ready);
	wsd_mutex_unlock(&queue->lock);
	source->fd = -1;
}

void tcp_source_close(struct wsd_queue *queue, struct tcp_source *source)
{
	int fd = source->fd;

	tcp_source_forget(queue, source);
	if (fd < 0)
		return;
	/* A child of fork may still have the descriptor: then close alone neither takes the socket
	 * out of the set nor tells the peer. */
	tcp_os_set_remove(queue->set, fd);
	if (source->kind == TCP_SOURCE_ENDPOINT || source->kind == TCP_SOURCE_LISTENER)
		tcp_os_shutdown(fd);
	tcp_os_close(fd);
}

void tcp_mark_ready(struct wsd_queue *queue, struct tcp_source *source)
{
	bool wake = false;

	wsd_mutex_lock(&queue->lock);
	if (wsd_list_empty(&source->ready)) {
		wsd_list_append(&queue->ready, &source->ready);
		wake = queue->armed && !queue->signalled && !queue->polling;
		queue->signalled |= wake;
	}
	wsd_mutex_unlock(&queue->lock);
	if (wake)
		tcp_os_signal_raise(queue->signal.fd);
}

void tcp_timer_start(struct wsd_queue *queue, struct tcp_timer *timer, uint64_t when)
{
	uint64_t now;

	wsd_list_remove(&timer->link);
	timer->when = when;
	wsd_list_append(&queue->timers, &timer->link);
	if (when >= queue->timer_set)
		return;
	queue->timer_set = when;
	now = queue->device->host->now();
	tcp_os_timer_set(queue->timer.fd, when > now ? when - now : 0);
}

void tcp_timer_stop(struct tcp_timer *timer)
{
	wsd_list_remove(&timer->link);
}

static void timers_run(struct wsd_queue *queue)
{
	uint64_t now = queue->device->host->now();
	uint64_t next = UINT64_MAX;
	struct wsd_list expired, *node, *after;

	tcp_os_timer_clear(queue->timer.fd);
	queue->timer_set = UINT64_MAX;
	wsd_list_init(&expired);
	wsd_list_for_each_safe(node, after, &queue->timers) {
		struct tcp_timer *timer = wsd_container(node, struct tcp_timer, link);

		if (timer->when <= now) {
			wsd_list_remove(node);
			wsd_list_append(&expired, node);
		} else if (timer->when < next) {
			next = timer->when;
		}
	}
	while ((node = wsd_list_pop(&expired)) != NULL) {
		struct tcp_timer *timer = wsd_container(node, struct tcp_timer, link);

		timer->expired(timer, now);
	}
	if (next < queue->timer_set) {
		queue->timer_set = next;
		tcp_os_timer_set(queue->timer.fd, next - now);
	}
}

bool tcp_sink_full(const struct tcp_sink *sink)
{
	return sink->used == sink->count;
}

struct wsd_event *tcp_sink_add(struct tcp_sink *sink, enum wsd_event_type type, void *context,
			       enum wsd_status status)
{
	static const struct wsd_event nothing;
	struct wsd_event *event = &sink->events[sink->used++];

	*event = nothing;
	event->type = type;
	event->context = context;
	event->status = status;
	return event;
}

static struct tcp_source *ready_pop(struct wsd_queue *queue, struct wsd_list *list)
{
	struct wsd_list *node;

	wsd_mutex_lock(&queue->lock);
	node = wsd_list_pop(list);
	wsd_mutex_unlock(&queue->lock);
	return node ? wsd_container(node, struct tcp_source, ready) : NULL;
}

/* A source that has more than fits marks itself ready again. */
static void drain_ready(struct wsd_queue *queue, struct tcp_sink *sink)
{
	struct tcp_source *source;

	while (!tcp_sink_full(sink) && (source = ready_pop(queue, &queue->ready)) != NULL) {
		if (source->kind == TCP_SOURCE_ENDPOINT)
			tcp_endpoint_emit(wsd_container(source, struct wsd_endpoint, source), sink);
		else
			tcp_request_emit(wsd_container(source, struct wsd_request, source), sink);
	}
}

/* Send credits and acknowledgements that found no frame to ride on. */
static void flush_control(struct wsd_queue *queue)
{
	struct wsd_endpoint *endpoint;
	struct wsd_list *node;

	for (;;) {
		wsd_mutex_lock(&queue->lock);
		node = wsd_list_pop(&queue->flush);
		wsd_mutex_unlock(&queue->lock);
		if (!node)
			return;
		endpoint = wsd_container(node, struct wsd_endpoint, flush);
		wsd_mutex_lock(&endpoint->lock);
		if (tcp_control_worth(endpoint)) {
			endpoint->control_due = true;
			tcp_output(endpoint);
		}
		wsd_mutex_unlock(&endpoint->lock);
	}
}

static void signal_ready(struct wsd_queue *queue)
{
	wsd_mutex_lock(&queue->lock);
	queue->signalled = false;
	wsd_mutex_unlock(&queue->lock);
	tcp_os_signal_clear(queue->signal.fd);
}

static void dispatch(struct wsd_queue *queue, const struct tcp_ready *ready, struct tcp_sink *sink)
{
	struct tcp_source *source = ready->tag;

	switch (source->kind) {
	case TCP_SOURCE_SIGNAL:
		signal_ready(queue);
		break;
	case TCP_SOURCE_TIMER:
		timers_run(queue);
		break;
	case TCP_SOURCE_LISTENER:
		tcp_listener_ready(wsd_container(source, struct wsd_listener_ep, source));
		break;
	case TCP_SOURCE_CANDIDATE:
		tcp_candidate_ready(wsd_container(source, struct tcp_candidate, source));
		break;
	case TCP_SOURCE_INCOMING:
		tcp_request_ready(wsd_container(source, struct wsd_request, source));
		break;
	case TCP_SOURCE_ENDPOINT:
		tcp_endpoint_ready(wsd_container(source, struct wsd_endpoint, source),
				   ready->events, sink);
		break;
	}
}

static void poll_set(struct wsd_queue *queue, struct tcp_sink *sink)
{
	queue->batch_count = tcp_os_set_poll(queue->set, queue->batch, TCP_BATCH_READY);
	for (queue->batch_at = 0; queue->batch_at < queue->batch_count;) {
		struct tcp_ready ready = queue->batch[queue->batch_at++];

		/* Without room for an event only those that make none now may run, and the
		 * bytes of another endpoint wait in the scratch buffer. */
		if (tcp_sink_full(sink) || queue->scratch_owner)
			break;
		if (ready.tag)
			dispatch(queue, &ready, sink);
	}
	queue->batch_at = queue->batch_count = 0;
}

void tcp_retire(struct wsd_queue *queue, struct tcp_retired *retired, void *block)
{
	retired->block = block;
	wsd_list_init(&retired->link);
	wsd_list_append(&queue->retired, &retired->link);
}

static void free_retired(struct wsd_queue *queue)
{
	struct wsd_list *node;

	while ((node = wsd_list_pop(&queue->retired)) != NULL)
		queue->device->host->free(wsd_container(node, struct tcp_retired, link)->block);
}

static void poll_inside(struct wsd_queue *queue, struct tcp_sink *sink)
{
	struct wsd_endpoint *owner = queue->scratch_owner;

	drain_ready(queue, sink);
	if (owner && !tcp_sink_full(sink)) {
		wsd_mutex_lock(&owner->lock);
		tcp_input_parse(owner, sink);
		wsd_mutex_unlock(&owner->lock);
		drain_ready(queue, sink);
	}
	if (tcp_sink_full(sink))
		return;
	/* Something to do already: save the system call, but not twice in a row. */
	queue->skipped_set = sink->used > 0 && !queue->skipped_set;
	if (queue->skipped_set)
		return;
	poll_set(queue, sink);
	drain_ready(queue, sink);
}

/* Sources that this poll made ready raise no signal; what it leaves behind must. */
static void poll_mode(struct wsd_queue *queue, bool polling)
{
	bool wake = false, armed;

	wsd_mutex_lock(&queue->lock);
	queue->polling = polling;
	armed = queue->armed;
	if (!polling) {
		wake = armed && !queue->signalled && !wsd_list_empty(&queue->ready);
		queue->signalled |= wake;
	}
	wsd_mutex_unlock(&queue->lock);
	/* Somebody sleeps on the queue while we passed by: do not leave the peer waiting. */
	if (armed && !polling)
		flush_control(queue);
	if (wake)
		tcp_os_signal_raise(queue->signal.fd);
}

uint32_t tcp_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	struct tcp_sink sink = { .events = events, .count = count };

	free_retired(queue);
	poll_mode(queue, true);
	flush_control(queue);
	poll_inside(queue, &sink);
	poll_mode(queue, false);
	return sink.used;
}

enum wsd_status tcp_arm(struct wsd_queue *queue)
{
	bool waiting, late, unseen;

	/* A timer that nobody needs any more has fired too: it would wake for nothing. */
	late = queue->timer_set != UINT64_MAX && queue->timer_set <= queue->device->host->now();
	do {
		flush_control(queue);
		wsd_mutex_lock(&queue->lock);
		waiting = !wsd_list_empty(&queue->flush);
		if (!waiting)
			queue->armed = true;
		wsd_mutex_unlock(&queue->lock);
	} while (waiting);
	unseen = tcp_os_set_settle(queue->set);
	wsd_mutex_lock(&queue->lock);
	waiting = late || unseen || queue->scratch_owner || !wsd_list_empty(&queue->ready);
	if (waiting)
		queue->armed = false;
	wsd_mutex_unlock(&queue->lock);
	return waiting ? WSD_AGAIN : WSD_OK;
}

void tcp_disarm(struct wsd_queue *queue)
{
	bool signalled;

	wsd_mutex_lock(&queue->lock);
	queue->armed = false;
	signalled = queue->signalled;
	wsd_mutex_unlock(&queue->lock);
	if (signalled)
		signal_ready(queue);
	(void)tcp_os_set_settle(queue->set);
}

wsd_wait_object tcp_wait_object(struct wsd_queue *queue)
{
	return tcp_os_set_object(queue->set);
}

static enum wsd_status queue_descriptors(struct wsd_queue *queue)
{
	int error;

	queue->set = tcp_os_set_create();
	if (queue->set < 0)
		return tcp_os_status(-queue->set);
	queue->signal.fd = tcp_os_signal_create();
	if (queue->signal.fd < 0)
		return tcp_os_status(-queue->signal.fd);
	queue->timer.fd = tcp_os_timer_create();
	if (queue->timer.fd < 0)
		return tcp_os_status(-queue->timer.fd);
	error = tcp_os_set_add(queue->set, queue->signal.fd, TCP_READ, &queue->signal);
	if (error == 0)
		error = tcp_os_set_add(queue->set, queue->timer.fd, TCP_READ, &queue->timer);
	return tcp_os_status(-error);
}

enum wsd_status tcp_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				 struct wsd_queue **made)
{
	struct wsd_queue *queue = device->host->alloc(sizeof(*queue));
	enum wsd_status status;

	(void)depth; /* completions wait in the connections: none can overflow */
	if (!queue)
		return WSD_ENOMEM;
	queue->device = device;
	queue->context = context;
	queue->set = -1;
	queue->spare = -1;
	queue->timer_set = UINT64_MAX;
	wsd_mutex_init(&queue->lock);
	wsd_list_init(&queue->ready);
	wsd_list_init(&queue->flush);
	wsd_list_init(&queue->timers);
	wsd_list_init(&queue->listeners);
	wsd_list_init(&queue->leaving);
	wsd_list_init(&queue->retired);
	tcp_regions_init(queue);
	tcp_source_init(&queue->signal, TCP_SOURCE_SIGNAL, -1);
	tcp_source_init(&queue->timer, TCP_SOURCE_TIMER, -1);
	status = queue_descriptors(queue);
	if (status != WSD_OK) {
		tcp_queue_destroy(queue);
		return status;
	}
	*made = queue;
	return WSD_OK;
}

void tcp_queue_destroy(struct wsd_queue *queue)
{
	const struct wsd_host *host = queue->device->host;
	struct tcp_read *read;

	tcp_listeners_forget(queue);
	free_retired(queue);
	tcp_os_close(queue->signal.fd);
	tcp_os_close(queue->timer.fd);
	tcp_os_close(queue->spare);
	tcp_os_close(queue->set);
	while ((read = queue->free_reads) != NULL) {
		queue->free_reads = read->next;
		host->free(read);
	}
	tcp_regions_fini(queue);
	wsd_mutex_fini(&queue->lock);
	host->free(queue);
}

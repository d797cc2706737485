// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_queue.c - one queue: completions, the connection manager's events, the adapter's asynchronous
 * events and deadlines, and the descriptor that stands for all of them.
 *
 * Completions are polled without a system call. The rest is looked at when the descriptor has been
 * waited for, and else by time, because each look is a system call.
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#define LOOK_SETUP_NS  20000ull	    /* while connections are made */
#define LOOK_LISTEN_NS 200000ull    /* while they may be */
#define LOOK_QUIET_NS  1000000ull   /* else */
#define FLOOD_NS       200000000ull /* so long deadlines wait for events to end */
#define CLOCK_EVERY    16u	    /* polls that found something */
#define CM_MOST	       64u	    /* events of one look */

enum { SET_COMPLETIONS, SET_CM, SET_ASYNC, SET_TIMER, SET_COUNT };

bool verbs_sink_full(const struct verbs_sink *sink)
{
	return sink->used == sink->count;
}

struct wsd_event *verbs_sink_add(struct verbs_sink *sink, enum wsd_event_type type, void *context,
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

void verbs_sink_data(struct wsd_queue *queue, struct wsd_event *event, const void *data,
		     uint32_t length)
{
	uint8_t *copy;

	if (length == 0)
		return;
	copy = queue->data[queue->data_used++];
	memcpy(copy, data, length);
	event->data = copy;
	event->data_length = length;
}

/* 0: none any more. */
void verbs_deadline(struct wsd_endpoint *endpoint, uint64_t when)
{
	wsd_list_remove(&endpoint->waiting);
	endpoint->deadline = when;
	if (when)
		wsd_list_append(&endpoint->queue->waiting, &endpoint->waiting);
}

/* Nearly always few: connections that are being made or taken down. */
static uint64_t next_deadline(const struct wsd_queue *queue)
{
	uint64_t next = queue->check ? queue->check : UINT64_MAX;
	struct wsd_list *node;

	wsd_list_for_each(node, &queue->waiting) {
		uint64_t when = wsd_container(node, struct wsd_endpoint, waiting)->deadline;

		next = when < next ? when : next;
	}
	return next;
}

static void run_deadlines(struct wsd_queue *queue, uint64_t now, struct verbs_sink *sink)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &queue->waiting) {
		struct wsd_endpoint *endpoint = wsd_container(node, struct wsd_endpoint, waiting);

		if (endpoint->deadline > now)
			continue;
		if (verbs_sink_full(sink)) {
			queue->look = true;
			return;
		}
		verbs_deadline(endpoint, 0);
		if (atomic_load(&endpoint->state) == VERBS_DRAINING)
			verbs_endpoint_free(endpoint);
		else
			verbs_connect_expired(endpoint, now, sink);
	}
}

/*
 * The rxe of 6.1 stops a queue pair that it cannot send for, and when the link goes down with work on the way it tells
 * nobody, not even after the link is back: the first of that work waits for ever for its acknowledgement.
 */
static void link_lost(struct wsd_queue *queue)
{
	for (uint32_t i = 0; queue->device->loses_work && i < queue->slot_count; i++) {
		struct wsd_endpoint *endpoint = queue->slots[i].endpoint;

		if (endpoint &&
		    atomic_load(&endpoint->tx_posted) != atomic_load(&endpoint->tx_done))
			verbs_end(endpoint, verbs_end_reason(endpoint, WSD_ERESET));
	}
}

void verbs_gone(struct wsd_queue *queue)
{
	atomic_store(&queue->device->gone, true);
	queue->report_gone = queue->report_gone || !queue->gone;
	queue->gone = true;
}

/* A queue pair that the device took out of service, and the device itself. */
static void async_events(struct wsd_queue *queue)
{
	struct ibv_async_event event;
	struct wsd_endpoint *endpoint = NULL;

	while (ibv_get_async_event(queue->device->context, &event) == 0) {
		endpoint = NULL;
		switch ((int)event.event_type) {
		case IBV_EVENT_QP_FATAL:
		case IBV_EVENT_QP_REQ_ERR:
		case IBV_EVENT_QP_ACCESS_ERR:
			endpoint = event.element.qp->qp_context;
			break;
		case IBV_EVENT_DEVICE_FATAL:
			verbs_gone(queue);
			break;
		case IBV_EVENT_PORT_ERR:
			link_lost(queue);
			break;
		default:
			break;
		}
		/* Of another queue of this adapter: that one hears of it from the peer. */
		if (endpoint && endpoint->queue == queue)
			verbs_end(endpoint, verbs_end_reason(endpoint, WSD_ERESET));
		/* Last: until then the queue pair and its endpoint cannot go, of any queue. */
		ibv_ack_async_event(&event);
	}
}

static void timer_clear(struct wsd_queue *queue)
{
	struct itimerspec never = { { 0, 0 }, { 0, 0 } };

	timerfd_settime(queue->timer, 0, &never, NULL);
	queue->timer_set = UINT64_MAX;
}

static void look(struct wsd_queue *queue, uint64_t now, struct verbs_sink *sink)
{
	struct epoll_event ready[SET_COUNT];
	int n = epoll_wait(queue->set, ready, SET_COUNT, 0);

	queue->look = false;
	for (int i = 0; i < n; i++) {
		unsigned left = CM_MOST;

		switch (ready[i].data.u32) {
		case SET_CM:
			while (left > 0 && !verbs_sink_full(sink) &&
			       queue->data_used < VERBS_DATA_SLOTS && verbs_cm_event(queue, sink))
				left--;
			queue->look |= left == 0 || verbs_sink_full(sink) ||
				       queue->data_used == VERBS_DATA_SLOTS;
			break;
		case SET_ASYNC:
			async_events(queue);
			break;
		case SET_TIMER:
			timer_clear(queue);
			break;
		default: /* completions are polled */
			break;
		}
	}
	/* Not while there are events, unless they never end: one of them may be what a connection waits for. */
	if (!queue->look)
		queue->calm = now;
	if (!wsd_list_empty(&queue->waiting) && (!queue->look || now - queue->calm >= FLOOD_NS))
		run_deadlines(queue, now, sink);
	if (queue->check && now >= queue->check)
		verbs_requests_check(queue, now, sink);
	/* The pause begins here: else looks that take longer than it (a traced process) would leave none. */
	queue->looked = queue->device->host->now();
}

static bool look_due(struct wsd_queue *queue, bool idle, uint64_t *now)
{
	uint64_t pause = LOOK_QUIET_NS;

	if (!queue->look && !idle && ++queue->polls % CLOCK_EVERY)
		return false;
	if (!wsd_list_empty(&queue->waiting))
		pause = LOOK_SETUP_NS;
	else if (!wsd_list_empty(&queue->listeners))
		pause = LOOK_LISTEN_NS;
	*now = queue->device->host->now();
	return queue->look || *now - queue->looked >= pause;
}

static void report_ends(struct wsd_queue *queue, struct verbs_sink *sink)
{
	struct wsd_list *node;

	while (!verbs_sink_full(sink) && (node = wsd_list_pop(&queue->ended)) != NULL) {
		struct wsd_endpoint *endpoint = wsd_container(node, struct wsd_endpoint, ended);

		verbs_sink_add(sink, WSD_EV_DISCONNECTED, endpoint->context, endpoint->end_status);
	}
	if (queue->report_gone && !verbs_sink_full(sink)) {
		queue->report_gone = false;
		verbs_sink_add(sink, WSD_EV_DEVICE_GONE, queue->context, WSD_EDEVICE);
	}
}

uint32_t verbs_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count)
{
	struct verbs_sink sink = { .events = events, .count = count };
	bool empty;
	uint64_t now;

	queue->data_used = 0;
	empty = verbs_completions(queue, &sink);
	if (!verbs_sink_full(&sink) && look_due(queue, sink.used == 0, &now)) {
		look(queue, now, &sink);
		/* What ended now, ended behind what has arrived meanwhile. */
		empty = verbs_completions(queue, &sink);
	}
	if (empty)
		report_ends(queue, &sink);
	return sink.used;
}

static void timer_start(struct wsd_queue *queue, uint64_t when)
{
	uint64_t now = queue->device->host->now(), left = when > now ? when - now : 1;
	struct itimerspec once = { { 0, 0 },
				   { (time_t)(left / 1000000000u), (long)(left % 1000000000u) } };

	timerfd_settime(queue->timer, 0, &once, NULL);
	queue->timer_set = when;
}

enum wsd_status verbs_arm(struct wsd_queue *queue)
{
	uint64_t next;

	if (queue->look || queue->report_gone || !wsd_list_empty(&queue->ended))
		return WSD_AGAIN;
	next = next_deadline(queue);
	if (next == UINT64_MAX && queue->timer_set != UINT64_MAX)
		timer_clear(queue);
	else if (next != queue->timer_set)
		timer_start(queue, next);
	return verbs_cq_arm(queue);
}

void verbs_disarm(struct wsd_queue *queue)
{
	/* Not a completion: then something that poll does not see by itself. Else the sleep was as good as a
	 * look, most times: what else there is wakes the next sleeper at once. */
	if (!verbs_cq_disarm(queue) || ++queue->wakes % VERBS_WAKES_LOOK == 0)
		queue->look = true;
	else
		queue->looked = queue->device->host->now();
}

wsd_wait_object verbs_wait_object(struct wsd_queue *queue)
{
	return queue->set;
}

bool verbs_busy(struct wsd_queue *queue)
{
	/* What is drained has a deadline until it is freed. */
	return !wsd_list_empty(&queue->waiting);
}

static int watch(struct wsd_queue *queue, int fd, uint32_t what)
{
	struct epoll_event event = { .events = EPOLLIN };
	int flags = fcntl(fd, F_GETFL);

	event.data.u32 = what;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return errno;
	queue->device->host->child_closes(fd, true);
	return epoll_ctl(queue->set, EPOLL_CTL_ADD, fd, &event) != 0 ? errno : 0;
}

static enum wsd_status queue_descriptors(struct wsd_queue *queue)
{
	struct ibv_context *context = queue->device->context;
	int error;

	queue->set = epoll_create1(EPOLL_CLOEXEC);
	if (queue->set < 0)
		return verbs_status(errno);
	queue->device->host->child_closes(queue->set, true);
	queue->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (queue->timer < 0)
		return verbs_status(errno);
	queue->channel = ibv_create_comp_channel(context);
	if (!queue->channel)
		return verbs_status(errno);
	queue->cm = rdma_create_event_channel();
	if (!queue->cm)
		return verbs_status(errno);
	error = watch(queue, queue->timer, SET_TIMER);
	if (!error)
		error = watch(queue, queue->channel->fd, SET_COMPLETIONS);
	if (!error)
		error = watch(queue, queue->cm->fd, SET_CM);
	if (!error)
		error = watch(queue, context->async_fd, SET_ASYNC);
	return verbs_status(error);
}

enum wsd_status verbs_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				   struct wsd_queue **made)
{
	struct wsd_queue *queue = device->host->alloc(sizeof(*queue));
	enum wsd_status status;

	if (!queue)
		return WSD_ENOMEM;
	queue->device = device;
	queue->context = context;
	queue->set = queue->timer = -1;
	queue->timer_set = UINT64_MAX;
	queue->slot_free = UINT32_MAX;
	wsd_list_init(&queue->ended);
	wsd_list_init(&queue->waiting);
	wsd_list_init(&queue->listeners);
	wsd_list_init(&queue->requests);
	status = queue_descriptors(queue);
	if (status == WSD_OK)
		status = verbs_cq_add(queue, depth);
	if (status != WSD_OK) {
		verbs_queue_destroy(queue);
		return status;
	}
	*made = queue;
	return WSD_OK;
}

/* Destroyed connections that the device has not let go of yet: give it the time, here and now. */
static void drain(struct wsd_queue *queue)
{
	struct wsd_event event;
	struct verbs_sink sink = { .events = &event, .count = 1 };
	uint64_t end = queue->device->host->now() + VERBS_DRAIN_NS;
	struct wsd_list *node, *after;

	while (!wsd_list_empty(&queue->waiting) && queue->device->host->now() < end) {
		sink.used = 0;
		(void)verbs_completions(queue, &sink);
		wsd_list_for_each_safe(node, after, &queue->waiting) {
			struct wsd_endpoint *endpoint =
				wsd_container(node, struct wsd_endpoint, waiting);

			endpoint->parted = true; /* nobody is left to wait for the peer's answer */
			verbs_drained(endpoint);
		}
	}
	while (!wsd_list_empty(&queue->waiting))
		verbs_endpoint_free(
			wsd_container(queue->waiting.next, struct wsd_endpoint, waiting));
}

void verbs_queue_destroy(struct wsd_queue *queue)
{
	const struct wsd_host *host = queue->device->host;

	drain(queue);
	while (queue->cq_count > 0)
		ibv_destroy_cq(queue->cqs[--queue->cq_count].cq);
	verbs_pages_free(queue);
	if (queue->cm) {
		host->child_closes(queue->cm->fd, false);
		rdma_destroy_event_channel(queue->cm);
	}
	if (queue->channel) {
		host->child_closes(queue->channel->fd, false);
		ibv_destroy_comp_channel(queue->channel);
	}
	if (queue->timer >= 0) {
		host->child_closes(queue->timer, false);
		close(queue->timer);
	}
	if (queue->set >= 0) {
		host->child_closes(queue->set, false);
		close(queue->set);
	}
	host->free(queue->slots);
	host->free(queue);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_listen.c - the passive side until a connection exists: companion port, banner, the
 * request of a connector, and its refusal. All of it runs in the owner of the queue.
 */
#include <errno.h>
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

#define OS_BACKLOG	4096u		     /* the system cuts it to its own limit */
#define ACCEPTS_AT_ONCE 16		     /* per poll and listener */
#define SILENT_MAX	512u		     /* sockets that have not sent their request */
#define RETRY_NS	(100u * 1000 * 1000) /* accepting goes on, after the descriptor limit was met */

static void resume_accepting(struct tcp_timer *timer, uint64_t now)
{
	struct wsd_listener_ep *listener = wsd_container(timer, struct wsd_listener_ep, resume);

	(void)now;
	tcp_os_set_change(listener->queue->set, listener->source.fd, TCP_READ, &listener->source);
}

/* The set is level-triggered: a listener that cannot accept would spin. */
static void pause_accepting(struct wsd_listener_ep *listener)
{
	struct wsd_queue *queue = listener->queue;

	tcp_os_set_change(queue->set, listener->source.fd, 0, &listener->source);
	tcp_timer_start(queue, &listener->resume, queue->device->host->now() + RETRY_NS);
}

static int bind_companion(const struct wsd_addr *local)
{
	int fd = -EADDRINUSE;

	for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
		uint16_t port = tcp_candidate_port(local->port, i);

		if (port == 0)
			continue;
		fd = tcp_os_listen(local, port, OS_BACKLOG);
		if (fd != -EADDRINUSE)
			return fd;
	}
	return fd;
}

static bool same_address(const struct wsd_addr *a, const struct wsd_addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool already_listening(const struct wsd_queue *queue, const struct wsd_addr *local)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &queue->listeners)
		if (same_address(&wsd_container(node, struct wsd_listener_ep, link)->local, local))
			return true;
	return false;
}

enum wsd_status tcp_listen(struct wsd_queue *queue, const struct wsd_addr *local, uint32_t backlog,
			   void *context, struct wsd_listener_ep **made)
{
	const struct wsd_host *host = queue->device->host;
	struct wsd_listener_ep *listener;
	int error;

	if (local->port == 0 ||
	    (local->family != WSD_FAMILY_IPV4 && local->family != WSD_FAMILY_IPV6))
		return WSD_EINVAL;
	/* Another candidate would be free, and never be found. */
	if (already_listening(queue, local))
		return WSD_EADDRINUSE;
	listener = host->alloc(sizeof(*listener));
	if (!listener)
		return WSD_ENOMEM;
	tcp_source_init(&listener->source, TCP_SOURCE_LISTENER, bind_companion(local));
	listener->queue = queue;
	listener->context = context;
	listener->local = *local;
	listener->backlog = backlog ? backlog : 1;
	wsd_list_init(&listener->incoming);
	wsd_list_init(&listener->resume.link);
	listener->resume.expired = resume_accepting;
	host->random(&listener->nonce, sizeof(listener->nonce));
	error = listener->source.fd;
	if (error >= 0)
		error = tcp_os_set_add(queue->set, listener->source.fd, TCP_READ,
				       &listener->source);
	if (error < 0) {
		tcp_os_close(listener->source.fd);
		host->free(listener);
		return tcp_os_status(-error);
	}
	wsd_list_append(&queue->listeners, &listener->link);
	if (queue->spare < 0)
		queue->spare = tcp_os_signal_create();
	*made = listener;
	return WSD_OK;
}

/* It was destroyed, and the last of its requests has gone: the memory goes, once. */
static void listener_left(struct wsd_listener_ep *listener)
{
	if (!listener->leaving || !wsd_list_empty(&listener->incoming) ||
	    wsd_list_empty(&listener->link))
		return;
	wsd_list_remove(&listener->link);
	tcp_retire(listener->queue, &listener->retired, listener);
}

void tcp_request_free(struct wsd_request *request)
{
	struct wsd_listener_ep *listener = request->listener;

	if (request->state >= TCP_REQ_READY)
		listener->reported--;
	else
		listener->silent--;
	wsd_list_remove(&request->link);
	tcp_timer_stop(&request->timer);
	tcp_source_close(listener->queue, &request->source);
	tcp_retire(listener->queue, &request->retired, request);
	listener_left(listener);
}

static void request_expired(struct tcp_timer *timer, uint64_t now)
{
	(void)now;
	tcp_request_free(wsd_container(timer, struct wsd_request, timer));
}

static bool send_banner(const struct wsd_listener_ep *listener, int fd, bool busy)
{
	struct tcp_banner banner = { .version = TCP_WIRE_VERSION,
				     .busy = busy,
				     .nonce = listener->nonce,
				     .served = listener->local };
	uint8_t bytes[TCP_BANNER_BYTES];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };

	tcp_banner_encode(&banner, bytes);
	/* The buffer of a new socket holds more than this. */
	return tcp_os_send(fd, &iov, 1) == (intptr_t)sizeof(bytes);
}

/* This one cannot be served now: it is to ask again, so that we do not look like a stranger. */
static void turn_away(struct wsd_listener_ep *listener, int fd)
{
	tcp_count(listener->queue->device->counters.accept_limits);
	(void)send_banner(listener, fd, true);
	tcp_os_close(fd);
}

/* There is no descriptor for the next connection: tell it so with the spare one. 0, or what accept says. */
static int turn_away_next(struct wsd_listener_ep *listener)
{
	struct wsd_queue *queue = listener->queue;
	int fd;

	tcp_os_close(queue->spare);
	fd = tcp_os_accept(listener->source.fd);
	if (fd >= 0)
		turn_away(listener, fd);
	/* Another thread may have been faster: then it comes back with a later connection. */
	queue->spare = tcp_os_signal_create();
	return fd < 0 ? fd : 0;
}

/* A connector speaks at once: who has been silent longest is the one to go. */
static void drop_oldest_silent(struct wsd_listener_ep *listener)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &listener->incoming) {
		struct wsd_request *request = wsd_container(node, struct wsd_request, link);

		if (request->state != TCP_REQ_READING)
			continue;
		tcp_count(listener->queue->device->counters.accept_limits);
		tcp_request_free(request);
		return;
	}
}

static void take(struct wsd_listener_ep *listener, int fd)
{
	struct wsd_queue *queue = listener->queue;
	const struct wsd_host *host = queue->device->host;
	struct wsd_request *request = host->alloc(sizeof(*request));

	if (!request) {
		turn_away(listener, fd);
		return;
	}
	tcp_source_init(&request->source, TCP_SOURCE_INCOMING, fd);
	request->listener = listener;
	wsd_list_init(&request->timer.link);
	request->timer.expired = request_expired;
	if (!send_banner(listener, fd, false) ||
	    tcp_os_set_add(queue->set, fd, TCP_READ, &request->source) != 0) {
		tcp_os_close(fd);
		host->free(request);
		return;
	}
	if (listener->silent >= SILENT_MAX)
		drop_oldest_silent(listener);
	listener->silent++;
	wsd_list_append(&listener->incoming, &request->link);
	tcp_timer_start(queue, &request->timer, host->now() + queue->device->request_limit);
}

void tcp_listener_ready(struct wsd_listener_ep *listener)
{
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd = tcp_os_accept(listener->source.fd);

		if (fd >= 0) {
			take(listener, fd);
			continue;
		}
		if (fd == -EMFILE || fd == -ENFILE)
			fd = turn_away_next(listener);
		if (fd == 0)
			continue;
		if (fd == -ECONNABORTED) /* one that has ended meanwhile, and not the last */
			continue;
		/* Beside "no more": a lack of something. */
		if (fd == -EAGAIN || fd == -EINTR)
			return;
		if (fd != -EBUSY)
			tcp_count(listener->queue->device->counters.accept_limits);
		pause_accepting(listener);
		return;
	}
}

static bool serves_every_address(const struct wsd_listener_ep *listener)
{
	static const uint8_t any[16];

	return memcmp(listener->local.bytes, any, sizeof(any)) == 0;
}

/* What the connector claims about itself is believed for its port only. */
static bool request_valid(struct wsd_request *request)
{
	struct wsd_listener_ep *listener = request->listener;
	const struct tcp_hello *hello = &request->hello;
	uint16_t source_port;

	if (hello->nonce != listener->nonce || hello->version != TCP_WIRE_VERSION ||
	    hello->to.port != listener->local.port)
		return false;
	/* Who listens at one address has all its connections there. */
	request->local = listener->local;
	if (serves_every_address(listener)) {
		tcp_os_local_addr(request->source.fd, &request->local);
		request->local.port = listener->local.port;
	}
	tcp_os_remote_addr(request->source.fd, &request->remote);
	if (request->remote.family == WSD_FAMILY_NONE)
		return false;
	source_port = request->remote.port;
	request->remote.port = hello->from.port ? hello->from.port : source_port;
	return true;
}

/*
 * One application port may have a listener for every address and others for single ones. The
 * connector finds the first that is bound to a companion port; the most exact one gets the request.
 */
static void hand_to_exact_listener(struct wsd_request *request)
{
	struct wsd_queue *queue = request->listener->queue;
	struct wsd_list *node;

	wsd_list_for_each(node, &queue->listeners) {
		struct wsd_listener_ep *other = wsd_container(node, struct wsd_listener_ep, link);

		if (!same_address(&other->local, &request->local))
			continue;
		wsd_list_remove(&request->link);
		request->listener->silent--;
		wsd_list_append(&other->incoming, &request->link);
		listener_left(request->listener);
		request->listener = other;
		other->silent++;
		return;
	}
}

/* why: WSD_OK where its listener has decided. */
static void turn_down(struct wsd_request *request, enum wsd_status why, const void *data,
		      uint32_t data_length)
{
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES + WSD_REPLY_DATA_MAX];
	struct iovec iov = { .iov_base = bytes };

	if (data_length > WSD_REPLY_DATA_MAX)
		data_length = WSD_REPLY_DATA_MAX;
	if (request->state != TCP_REQ_GONE) {
		iov.iov_len =
			tcp_greeting(NULL, TCP_FRAME_REJECT, request->hello.nonce, &request->local,
				     &request->remote, data, data_length, bytes);
		tcp_frame_explain(bytes, why);
		/* If it does not fit or the connector is gone there is nobody to tell. */
		if (tcp_os_send(request->source.fd, &iov, 1) > 0)
			tcp_os_shutdown_write(request->source.fd);
	}
	tcp_request_free(request);
}

static void request_complete(struct wsd_request *request)
{
	struct wsd_listener_ep *listener = request->listener;
	struct wsd_queue *queue = listener->queue;

	tcp_timer_stop(&request->timer);
	if (!tcp_hello_decode(&request->hello, request->bytes + TCP_HEADER_BYTES,
			      request->frame.length) ||
	    !request_valid(request)) {
		tcp_count(queue->device->counters.protocol_errors);
		tcp_request_free(request);
		return;
	}
	hand_to_exact_listener(request);
	listener = request->listener;
	if (listener->leaving) {
		turn_down(request, WSD_ENOLISTENER, NULL, 0);
		return;
	}
	if (listener->reported >= listener->backlog) {
		tcp_reject(request, NULL, 0);
		return;
	}
	listener->silent--;
	listener->reported++;
	request->state = TCP_REQ_READY; /* still read from: see silence_broken */
	tcp_mark_ready(queue, &request->source);
}

/* A connector sends nothing behind its request before the answer. */
static void request_read(struct wsd_request *request)
{
	struct wsd_queue *queue = request->listener->queue;
	struct iovec iov = { .iov_base = request->bytes + request->got,
			     .iov_len = sizeof(request->bytes) - request->got };
	intptr_t n = tcp_os_recv(request->source.fd, &iov, 1);
	uint32_t want;

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		tcp_request_free(request);
		return;
	}
	request->got += (uint32_t)n;
	if (request->got < TCP_HEADER_BYTES)
		return;
	if (!tcp_frame_decode(&request->frame, request->bytes) ||
	    request->frame.type != TCP_FRAME_REQUEST) {
		tcp_count(queue->device->counters.protocol_errors);
		tcp_request_free(request);
		return;
	}
	want = TCP_HEADER_BYTES + request->frame.length;
	if (request->got > want) {
		tcp_count(queue->device->counters.protocol_errors);
		tcp_request_free(request);
	} else if (request->got == want) {
		request_complete(request);
	}
}

/* A connector says nothing more before it is answered: it has left, or broken the protocol. What it says would hide
 * its end, on systems that tell of one behind all bytes only. */
static bool silence_broken(struct wsd_request *request)
{
	uint8_t byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = sizeof(byte) };
	intptr_t n = tcp_os_recv(request->source.fd, &iov, 1);

	if (n > 0)
		tcp_count(request->listener->queue->device->counters.protocol_errors);
	return n != -EAGAIN;
}

void tcp_request_ready(struct wsd_request *request)
{
	struct wsd_queue *queue = request->listener->queue;

	if (request->state == TCP_REQ_READING) {
		request_read(request);
	} else if (!silence_broken(request)) {
		return;
	} else if (request->state == TCP_REQ_READY) {
		tcp_request_free(request); /* nobody has heard of it */
	} else if (request->state == TCP_REQ_REPORTED) {
		request->state = TCP_REQ_GONE;
		tcp_os_set_remove(queue->set, request->source.fd);
		tcp_mark_ready(queue, &request->source);
	}
}

void tcp_request_emit(struct wsd_request *request, struct tcp_sink *sink)
{
	struct wsd_listener_ep *listener = request->listener;
	struct wsd_event *event;

	if (request->state == TCP_REQ_GONE) {
		event = tcp_sink_add(sink, WSD_EV_REQUEST_GONE, listener->context, WSD_OK);
		event->request = request;
		return;
	}
	request->state = TCP_REQ_REPORTED;
	event = tcp_sink_add(sink, WSD_EV_REQUEST, listener->context, WSD_OK);
	event->request = request;
	event->data = request->bytes + TCP_HEADER_BYTES + TCP_HELLO_BYTES;
	event->data_length = request->hello.data_length;
	event->local = request->local;
	event->remote = request->remote;
}

void tcp_reject(struct wsd_request *request, const void *data, uint32_t data_length)
{
	turn_down(request, WSD_OK, data, data_length);
}

/* Who has had our banner is sending its request: to close its connection now would reset it, and a system whose reset
 * drops what was not read could not tell that from an answer. So it is read and answered as the others are. */
void tcp_listener_destroy(struct wsd_listener_ep *listener)
{
	struct wsd_queue *queue = listener->queue;
	struct wsd_list *node, *after;

	listener->leaving = true;
	tcp_timer_stop(&listener->resume);
	tcp_source_close(queue, &listener->source);
	wsd_list_remove(&listener->link);
	wsd_list_append(&queue->leaving, &listener->link);
	if (wsd_list_empty(&queue->listeners)) {
		tcp_os_close(queue->spare);
		queue->spare = -1;
	}
	wsd_list_for_each_safe(node, after, &listener->incoming) {
		struct wsd_request *request = wsd_container(node, struct wsd_request, link);

		if (request->state == TCP_REQ_READING)
			request_read(request);
		else
			turn_down(request, WSD_ENOLISTENER, NULL, 0);
	}
	listener_left(listener);
}

void tcp_listeners_forget(struct wsd_queue *queue)
{
	struct wsd_list *node, *request, *after;

	while ((node = queue->leaving.next) != &queue->leaving) {
		struct wsd_listener_ep *listener =
			wsd_container(node, struct wsd_listener_ep, link);

		wsd_list_for_each_safe(request, after, &listener->incoming)
			tcp_request_free(wsd_container(request, struct wsd_request, link));
	}
}

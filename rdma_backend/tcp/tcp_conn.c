// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_conn.c - the life of a connection: made, greeted, open, ended, destroyed. What is on the wire
 * in between is in tcp_output.c and tcp_input.c.
 */
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static bool attr_valid(const struct wsd_endpoint_attr *attr)
{
	return attr->send_depth >= 1 && attr->send_depth <= TCP_MAX_DEPTH &&
	       attr->recv_depth >= 1 && attr->recv_depth <= TCP_MAX_DEPTH &&
	       attr->recv_bytes <= TCP_MAX_MESSAGE && attr->max_send_sge <= TCP_MAX_SGE;
}

enum wsd_status tcp_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				    const struct wsd_endpoint_attr *attr, void *context,
				    struct wsd_endpoint **made)
{
	uint32_t send_slots, recv_slots;
	struct wsd_endpoint *endpoint;

	if (!attr_valid(attr))
		return WSD_EINVAL;
	send_slots = power_of_two(attr->send_depth);
	recv_slots = power_of_two(attr->recv_depth);
	endpoint = queue->device->host->alloc(sizeof(*endpoint) +
					      recv_slots * sizeof(struct tcp_posted) +
					      send_slots * sizeof(struct tcp_sent));
	if (!endpoint)
		return WSD_ENOMEM;
	endpoint->posted = (struct tcp_posted *)(void *)(endpoint + 1);
	endpoint->sent = (struct tcp_sent *)(void *)(endpoint->posted + recv_slots);
	endpoint->send_mask = send_slots - 1;
	endpoint->recv_mask = recv_slots - 1;
	endpoint->send_depth = attr->send_depth;
	endpoint->recv_depth = attr->recv_depth;
	endpoint->recv_bytes = attr->recv_bytes;
	endpoint->max_send_sge = attr->max_send_sge ? attr->max_send_sge : 1;
	endpoint->traffic_class = attr->traffic_class;
	endpoint->queue = queue;
	endpoint->number = ++queue->endpoints;
	endpoint->context = context;
	endpoint->request = request;
	tcp_source_init(&endpoint->source, TCP_SOURCE_ENDPOINT, -1);
	wsd_mutex_init(&endpoint->lock);
	wsd_list_init(&endpoint->flush);
	wsd_list_init(&endpoint->memory);
	*made = endpoint;
	return WSD_OK;
}

void tcp_endpoint_destroy(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;
	const struct wsd_host *host = queue->device->host;
	struct tcp_read *read;

	if (endpoint->connect)
		tcp_connect_free(endpoint->connect);
	if (queue->scratch_owner == endpoint) {
		queue->scratch_owner = NULL;
		queue->scratch_at = queue->scratch_end; /* nobody else's */
	}
	tcp_source_close(queue, &endpoint->source);
	wsd_mutex_lock(&queue->lock);
	wsd_list_remove(&endpoint->flush);
	wsd_mutex_unlock(&queue->lock);
	while (!wsd_list_empty(&endpoint->memory))
		tcp_mem_free(&wsd_container(endpoint->memory.next, struct tcp_region, link)->pub);
	tcp_output_drop(endpoint, true);
	while ((read = endpoint->reads) != NULL) {
		endpoint->reads = read->next;
		tcp_read_free(queue, read);
	}
	host->free(endpoint->answers);
	wsd_mutex_fini(&endpoint->lock);
	host->free(endpoint);
}

uint32_t tcp_greeting(struct wsd_endpoint *endpoint, enum tcp_frame_type type, uint64_t nonce,
		      const struct wsd_addr *from, const struct wsd_addr *to, const void *data,
		      uint32_t data_length, uint8_t *bytes)
{
	struct tcp_frame frame = { .type = (uint8_t)type, .length = TCP_HELLO_BYTES + data_length };
	struct tcp_hello hello = { .version = TCP_WIRE_VERSION,
				   .recv_depth = endpoint ? endpoint->recv_depth : 1,
				   .recv_bytes = endpoint ? endpoint->recv_bytes : 0,
				   .nonce = nonce,
				   .from = *from,
				   .to = *to,
				   .data_length = data_length };

	if (endpoint) {
		frame.credit = endpoint->rx_posted;
		frame.flags = endpoint->rx_short ? TCP_FLAG_SHORT : 0;
		endpoint->announced = endpoint->rx_posted;
	}
	tcp_frame_encode(&frame, bytes);
	tcp_hello_encode(&hello, bytes + TCP_HEADER_BYTES);
	if (data_length)
		memcpy(bytes + TCP_HEADER_BYTES + TCP_HELLO_BYTES, data, data_length);
	return TCP_HEADER_BYTES + frame.length;
}

void tcp_endpoint_greeted(struct wsd_endpoint *endpoint, const struct tcp_hello *hello,
			  const struct tcp_frame *frame)
{
	wsd_mutex_lock(&endpoint->lock);
	endpoint->peer_depth = hello->recv_depth;
	endpoint->peer_bytes = hello->recv_bytes;
	endpoint->peer_short = frame->flags & TCP_FLAG_SHORT;
	tcp_endpoint_mark(endpoint); /* it may have been changed since the request went out */
	endpoint->state = TCP_EP_OPEN;
	endpoint->report_open = true;
	if (frame->credit > hello->recv_depth)
		tcp_endpoint_violation(endpoint, "credit in greeting");
	else
		endpoint->credit = frame->credit;
	/* Receives posted since the request went out. */
	if (tcp_control_worth(endpoint))
		tcp_control_later(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	tcp_mark_ready(endpoint->queue, &endpoint->source);
}

enum wsd_status tcp_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length)
{
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES + WSD_REPLY_DATA_MAX];
	struct iovec iov = { .iov_base = bytes };
	struct wsd_request *request = endpoint->request;
	struct wsd_queue *queue = endpoint->queue;
	struct tcp_hello hello;
	struct tcp_frame frame;
	bool gone;
	int fd;

	if (!request)
		return WSD_ESTATE;
	endpoint->request = NULL;
	gone = request->state == TCP_REQ_GONE;
	if (gone || data_length > WSD_REPLY_DATA_MAX) {
		tcp_request_free(request);
		return gone ? WSD_ERESET : WSD_EINVAL;
	}
	hello = request->hello;
	frame = request->frame;
	endpoint->local = request->local;
	fd = request->source.fd;
	tcp_source_forget(queue, &request->source);
	endpoint->source.fd = fd;
	tcp_os_tune(fd, queue->device->user_timeout_ms);
	wsd_mutex_lock(&endpoint->lock);
	tcp_endpoint_mark(endpoint);
	iov.iov_len = tcp_greeting(endpoint, TCP_FRAME_ACCEPT, hello.nonce, &request->local,
				   &request->remote, data, data_length, bytes);
	wsd_mutex_unlock(&endpoint->lock);
	tcp_request_free(request);
	if (tcp_os_send(fd, &iov, 1) != (intptr_t)iov.iov_len) {
		tcp_source_close(queue, &endpoint->source);
		endpoint->state = TCP_EP_CLOSED;
		return WSD_ERESET;
	}
	tcp_os_set_change(queue->set, fd, TCP_READ, &endpoint->source);
	tcp_count(queue->device->counters.accepts);
	tcp_endpoint_greeted(endpoint, &hello, &frame);
	return WSD_OK;
}

enum wsd_status tcp_disconnect(struct wsd_endpoint *endpoint)
{
	enum wsd_status status = WSD_OK;

	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state == TCP_EP_OPEN) {
		endpoint->state = TCP_EP_CLOSING;
		endpoint->disconnect_due = true;
		tcp_output(endpoint);
	} else if (endpoint->state != TCP_EP_CLOSING && endpoint->state != TCP_EP_CLOSED) {
		status = WSD_ESTATE;
	}
	wsd_mutex_unlock(&endpoint->lock);
	return status;
}

void tcp_endpoint_mark(struct wsd_endpoint *endpoint)
{
	if (endpoint->traffic_class != endpoint->marked) {
		endpoint->marked = endpoint->traffic_class;
		tcp_os_set_class(endpoint->source.fd, endpoint->local.family, endpoint->marked);
	}
	if (endpoint->hops != endpoint->hops_set) {
		endpoint->hops_set = endpoint->hops;
		tcp_os_set_hops(endpoint->source.fd, endpoint->local.family, endpoint->hops_set);
	}
}

void tcp_set_traffic_class(struct wsd_endpoint *endpoint, uint32_t traffic_class)
{
	if (traffic_class > UINT8_MAX)
		return;
	wsd_mutex_lock(&endpoint->lock);
	endpoint->traffic_class = traffic_class;
	if (endpoint->state == TCP_EP_OPEN || endpoint->state == TCP_EP_CLOSING)
		tcp_endpoint_mark(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
}

void tcp_set_hops(struct wsd_endpoint *endpoint, uint32_t hops)
{
	if (hops > UINT8_MAX)
		return;
	wsd_mutex_lock(&endpoint->lock);
	endpoint->hops = hops;
	if (endpoint->state == TCP_EP_OPEN || endpoint->state == TCP_EP_CLOSING)
		tcp_endpoint_mark(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
}

void tcp_endpoint_end(struct wsd_endpoint *endpoint, enum wsd_status status)
{
	if (endpoint->state == TCP_EP_CLOSED)
		return;
	endpoint->state = TCP_EP_CLOSED;
	endpoint->end_status = status;
	/* The answer to a DISCONNECT is what tells the peer that all arrived: it goes out first. */
	endpoint->end_waits = endpoint->disconnect_due && !endpoint->tx_dead;
	endpoint->report_end = !endpoint->end_waits;
	tcp_output_drop(endpoint, false);
	if (endpoint->tx_dead) {
		tcp_os_shutdown_write(endpoint->source.fd);
		tcp_output_want(endpoint, false);
	}
	tcp_output(endpoint);
	tcp_mark_ready(endpoint->queue, &endpoint->source);
}

void tcp_endpoint_violation(struct wsd_endpoint *endpoint, const char *what)
{
	const struct wsd_device *device = endpoint->queue->device;

	if (endpoint->state == TCP_EP_CLOSED)
		return;
	tcp_count(device->counters.protocol_errors);
	device->host->log(1, "tcp", "peer broke the protocol: %s", what);
	endpoint->tx_dead = true;
	tcp_output_drop(endpoint, true);
	tcp_endpoint_end(endpoint, WSD_EPROTOCOL);
}

/* After the end only the last output matters; a peer that hung up does not wait for it. */
static void closed_ready(struct wsd_endpoint *endpoint, uint32_t events)
{
	if (events & TCP_HANGUP)
		tcp_output_failed(endpoint, 0);
	else
		tcp_output(endpoint);
}

void tcp_endpoint_ready(struct wsd_endpoint *endpoint, uint32_t events, struct tcp_sink *sink)
{
	if (endpoint->connect && endpoint->state == TCP_EP_CONNECTING) {
		tcp_connect_ready(endpoint->connect);
		return;
	}
	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state == TCP_EP_CLOSED) {
		closed_ready(endpoint, events);
	} else {
		if (events & TCP_WRITE)
			tcp_output(endpoint);
		if (events & TCP_READ)
			tcp_input(endpoint, sink);
	}
	wsd_mutex_unlock(&endpoint->lock);
}

static void emit_open(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct tcp_connect *connect = endpoint->connect;
	struct wsd_event *event;

	event = tcp_sink_add(sink, WSD_EV_CONNECTED, endpoint->context, WSD_OK);
	event->local = endpoint->local;
	if (connect) {
		event->data = connect->bytes + TCP_HEADER_BYTES + TCP_HELLO_BYTES;
		event->data_length = connect->data_length;
		tcp_connect_free(connect);
	}
	endpoint->report_open = false;
}

static void emit_failed(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct tcp_connect *connect = endpoint->connect;
	enum wsd_status status = (enum wsd_status)endpoint->end_status;
	struct wsd_event *event;

	event = tcp_sink_add(sink, WSD_EV_CONNECT_FAILED, endpoint->context, status);
	if (status == WSD_EREFUSED) {
		event->data = connect->bytes + TCP_HEADER_BYTES + TCP_HELLO_BYTES;
		event->data_length = connect->data_length;
	}
	tcp_connect_free(connect);
	endpoint->report_failed = false;
}

void tcp_endpoint_emit(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	bool more;

	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->report_open)
		emit_open(endpoint, sink);
	tcp_send_emit(endpoint, sink);
	more = tcp_send_done(endpoint);
	if (endpoint->report_failed && !tcp_sink_full(sink))
		emit_failed(endpoint, sink);
	if (endpoint->report_end && !more && !tcp_sink_full(sink)) {
		tcp_sink_add(sink, WSD_EV_DISCONNECTED, endpoint->context,
			     (enum wsd_status)endpoint->end_status);
		endpoint->report_end = false;
	}
	more = more || endpoint->report_failed || endpoint->report_end;
	wsd_mutex_unlock(&endpoint->lock);
	if (more)
		tcp_mark_ready(endpoint->queue, &endpoint->source);
}

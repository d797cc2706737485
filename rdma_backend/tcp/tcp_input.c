// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_input.c - what comes in. The rest of a begun payload is received straight into its place;
 * what follows goes into the queue's scratch buffer and is parsed from there, so that small
 * frames cost one system call for many and a connection owns no buffer. post_recv is here too.
 */
#include <errno.h>
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

enum wsd_status tcp_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
			      uint32_t *posted)
{
	enum wsd_status status = WSD_OK;

	*posted = 0;
	wsd_mutex_lock(&endpoint->lock);
	for (; list; list = list->next) {
		const struct wsd_sge *sge = &list->sge;
		struct tcp_posted *slot;

		if (sge->length > endpoint->recv_bytes ||
		    (sge->length &&
		     (!sge->region || !tcp_region_covers(sge->region, sge->addr, sge->length)))) {
			status = WSD_EINVAL;
			break;
		}
		if (endpoint->state == TCP_EP_CLOSED) {
			status = WSD_ESTATE;
			break;
		}
		if (endpoint->rx_posted - endpoint->rx_used >= endpoint->recv_depth) {
			status = WSD_AGAIN;
			break;
		}
		slot = &endpoint->posted[endpoint->rx_posted++ & endpoint->recv_mask];
		endpoint->rx_short |= sge->length < endpoint->recv_bytes;
		slot->id = list->id;
		slot->addr = sge->addr;
		slot->length = sge->length;
		slot->key = sge->length ? sge->region->remote_key : 0;
		++*posted;
	}
	if (*posted && tcp_control_worth(endpoint))
		tcp_control_later(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	return status;
}

static size_t iov_total(const struct iovec *iov, int count)
{
	size_t total = 0;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	return total;
}

static void target_gone(struct wsd_endpoint *endpoint)
{
	/* Memory of the peer's choice: its fault. Of our own READ or receive: ours. */
	if (endpoint->target == TCP_TARGET_WRITE)
		tcp_refuse(endpoint, endpoint->rx_works, WSD_EREMOTE_ACCESS);
	else
		tcp_endpoint_end(endpoint, WSD_EABORTED);
}

static void payload_taken(struct wsd_endpoint *endpoint, uint32_t bytes, struct tcp_sink *sink)
{
	endpoint->payload_at += bytes;
	if (endpoint->payload_at == endpoint->frame.length)
		tcp_frame_end(endpoint, sink);
}

/* Copy payload from the scratch buffer to where it belongs. */
static void parse_payload(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct wsd_queue *queue = endpoint->queue;
	const uint8_t *from = queue->scratch + queue->scratch_at;
	struct iovec iov[TCP_MAX_SGE];
	size_t total;
	int count;

	wsd_mutex_lock(&queue->regions.lock);
	count = tcp_frame_target(endpoint, queue->scratch_end - queue->scratch_at, iov);
	for (int i = 0; i < count; i++) {
		memcpy(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}
	wsd_mutex_unlock(&queue->regions.lock);
	if (count == 0) {
		target_gone(endpoint);
		return;
	}
	total = iov_total(iov, count);
	queue->scratch_at += (uint32_t)total;
	payload_taken(endpoint, (uint32_t)total, sink);
}

static void parse_header(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct wsd_queue *queue = endpoint->queue;
	uint32_t n = TCP_HEADER_BYTES - endpoint->header_got;

	if (n > queue->scratch_end - queue->scratch_at)
		n = queue->scratch_end - queue->scratch_at;
	memcpy(endpoint->header + endpoint->header_got, queue->scratch + queue->scratch_at, n);
	queue->scratch_at += n;
	endpoint->header_got = (uint8_t)(endpoint->header_got + n);
	if (endpoint->header_got < TCP_HEADER_BYTES)
		return;
	endpoint->header_got = 0;
	if (tcp_frame_decode(&endpoint->frame, endpoint->header))
		tcp_frame_begin(endpoint, sink);
	else
		tcp_endpoint_violation(endpoint, "no frame");
}

void tcp_input_parse(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct wsd_queue *queue = endpoint->queue;

	while (queue->scratch_at < queue->scratch_end && !tcp_sink_full(sink) &&
	       endpoint->state != TCP_EP_CLOSED) {
		if (endpoint->target != TCP_TARGET_NONE)
			parse_payload(endpoint, sink);
		else
			parse_header(endpoint, sink);
	}
	/* What is left of a connection that has ended is nobody's. */
	if (endpoint->state == TCP_EP_CLOSED)
		queue->scratch_at = queue->scratch_end;
	if (queue->scratch_at == queue->scratch_end)
		queue->scratch_owner = NULL;
	if (endpoint->output_due) {
		endpoint->output_due = false;
		tcp_output(endpoint);
	}
	if (tcp_control_worth(endpoint))
		tcp_control_later(endpoint);
}

/* The peer is gone, without or in spite of the protocol. */
static void input_ended(struct wsd_endpoint *endpoint, int error)
{
	if (error == 0 && endpoint->tx_dead)
		error = endpoint->tx_error;
	tcp_endpoint_end(endpoint, error == ETIMEDOUT ? WSD_ETIMEDOUT : WSD_ERESET);
}

/* One receive call; false: nothing more for now. */
static bool input_round(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct wsd_queue *queue = endpoint->queue;
	struct iovec iov[TCP_MAX_SGE + 1];
	bool payload = endpoint->target != TCP_TARGET_NONE;
	size_t direct = 0, want;
	int count = 0;
	intptr_t n = 0;

	if (payload) {
		wsd_mutex_lock(&queue->regions.lock);
		count = tcp_frame_target(endpoint, TCP_IO_BYTES, iov);
		direct = iov_total(iov, count);
	}
	want = direct;
	if (!payload || direct == endpoint->frame.length - endpoint->payload_at) {
		iov[count].iov_base = queue->scratch;
		iov[count++].iov_len = TCP_SCRATCH_BYTES;
		want += TCP_SCRATCH_BYTES;
	}
	if (!payload || direct > 0)
		n = tcp_os_recv(endpoint->source.fd, iov, count);
	if (payload)
		wsd_mutex_unlock(&queue->regions.lock);
	if (payload && direct == 0) {
		target_gone(endpoint);
		return false;
	}
	if (n == -EAGAIN)
		return false;
	if (n <= 0) {
		input_ended(endpoint, (int)-n);
		return false;
	}
	if (payload)
		payload_taken(endpoint, (uint32_t)((size_t)n < direct ? (size_t)n : direct), sink);
	queue->scratch_at = 0;
	queue->scratch_end = (size_t)n > direct ? (uint32_t)((size_t)n - direct) : 0;
	if (queue->scratch_end > 0)
		queue->scratch_owner = endpoint;
	return (size_t)n == want;
}

void tcp_input(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	bool more = true;

	for (int i = 0; i < TCP_IO_ROUNDS && more; i++) {
		if (tcp_sink_full(sink) || endpoint->state == TCP_EP_CLOSED ||
		    endpoint->queue->scratch_owner)
			return;
		more = input_round(endpoint, sink);
		tcp_input_parse(endpoint, sink);
	}
}

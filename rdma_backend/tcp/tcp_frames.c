// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_frames.c - what a frame of the peer means: check its header against the state of the
 * connection, say where its payload goes, and carry it out when the payload is here.
 */
#include "rdma_backend/tcp/tcp.h"

void tcp_refuse(struct wsd_endpoint *endpoint, uint32_t work, enum wsd_status status)
{
	if (endpoint->state == TCP_EP_CLOSED)
		return;
	tcp_count(endpoint->queue->device->counters.access_errors);
	endpoint->nak_status = (uint8_t)-status;
	endpoint->nak_work = work;
	endpoint->disconnect_due = false;
	tcp_endpoint_end(endpoint, status);
}

/* Credit and acknowledgement only grow, and never beyond what was given and sent. */
static bool absorb(struct wsd_endpoint *endpoint)
{
	const struct tcp_frame *frame = &endpoint->frame;
	uint32_t more_credit = frame->credit - endpoint->credit;
	uint32_t more_acked = frame->ack - endpoint->tx_acked;

	if (more_credit > endpoint->peer_depth ||
	    frame->credit - endpoint->credit_used > endpoint->peer_depth)
		return false;
	if (more_acked > endpoint->tx_sent - endpoint->tx_acked)
		return false;
	/* Told with the credit for the first short one at the latest: what left before fits. */
	if ((frame->flags & TCP_FLAG_SHORT) && !endpoint->peer_short) {
		endpoint->peer_short = true;
		endpoint->short_from = endpoint->tx_sent;
	}
	endpoint->credit = frame->credit;
	endpoint->tx_acked = frame->ack;
	if (more_credit && endpoint->out)
		endpoint->output_due = true;
	if (endpoint->has_write && (int32_t)(endpoint->tx_acked - endpoint->last_write) >= 0)
		endpoint->has_write = false;
	if (more_acked && tcp_send_done(endpoint))
		tcp_mark_ready(endpoint->queue, &endpoint->source);
	return true;
}

static void begin_write(struct wsd_endpoint *endpoint)
{
	const struct tcp_frame *frame = &endpoint->frame;
	struct wsd_queue *queue = endpoint->queue;
	bool good;

	wsd_mutex_lock(&queue->regions.lock);
	good = frame->length == 0 ||
	       tcp_region_range(queue, endpoint, frame->key, WSD_ACCESS_REMOTE_WRITE, frame->addr,
				frame->length) != NULL;
	wsd_mutex_unlock(&queue->regions.lock);
	if (!good)
		tcp_refuse(endpoint, endpoint->rx_works, WSD_EREMOTE_ACCESS);
	else if (frame->type == TCP_FRAME_WRITE_IMM && endpoint->rx_used == endpoint->rx_posted)
		tcp_endpoint_violation(endpoint, "WRITE_IMM without credit");
	else
		endpoint->target = TCP_TARGET_WRITE;
}

static void begin_send(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	struct tcp_posted *slot = &endpoint->posted[endpoint->rx_used & endpoint->recv_mask];
	struct wsd_event *event;

	if (endpoint->rx_used == endpoint->rx_posted) {
		tcp_endpoint_violation(endpoint, "SEND without credit");
	} else if (endpoint->frame.length > slot->length) {
		event = tcp_sink_add(sink, WSD_EV_RECV, endpoint->context, WSD_ELENGTH);
		event->id = slot->id;
		endpoint->rx_used++;
		tcp_refuse(endpoint, endpoint->rx_works, WSD_ELENGTH);
	} else {
		endpoint->target = TCP_TARGET_RECV;
	}
}

static void begin_read(struct wsd_endpoint *endpoint)
{
	const struct tcp_frame *frame = &endpoint->frame;
	struct wsd_queue *queue = endpoint->queue;
	struct tcp_answer *answer;
	bool good;

	if (!endpoint->answers)
		endpoint->answers =
			queue->device->host->alloc(TCP_MAX_READ * sizeof(struct tcp_answer));
	if (!endpoint->answers) {
		tcp_refuse(endpoint, endpoint->rx_works, WSD_EREMOTE_ACCESS);
		return;
	}
	if (endpoint->answer_tail - endpoint->answer_head >= TCP_MAX_READ) {
		tcp_endpoint_violation(endpoint, "too many READs");
		return;
	}
	wsd_mutex_lock(&queue->regions.lock);
	good = frame->imm == 0 || tcp_region_range(queue, endpoint, frame->key,
						   WSD_ACCESS_REMOTE_READ, frame->addr, frame->imm);
	wsd_mutex_unlock(&queue->regions.lock);
	if (!good) {
		tcp_refuse(endpoint, endpoint->rx_works, WSD_EREMOTE_ACCESS);
		return;
	}
	answer = &endpoint->answers[endpoint->answer_tail++ % TCP_MAX_READ];
	answer->addr = frame->addr;
	answer->key = frame->key;
	answer->rest = frame->imm;
	answer->work = endpoint->rx_works++;
	endpoint->output_due = true;
}

static void begin_answer(struct wsd_endpoint *endpoint)
{
	const struct tcp_read *read = endpoint->reads;
	uint32_t length = endpoint->frame.length;

	/* A READ that has not left yet cannot have been answered; nothing may be answered twice. */
	if (!read || (int32_t)(read->work - endpoint->tx_sent) >= 0 ||
	    length > read->total - read->got || (length == 0 && read->total > 0))
		tcp_endpoint_violation(endpoint, "answer without READ");
	else
		endpoint->target = TCP_TARGET_READ;
}

static void refused(struct wsd_endpoint *endpoint)
{
	uint32_t work = endpoint->frame.imm;
	enum wsd_status status = (enum wsd_status) - (int)endpoint->frame.key;

	if (status != WSD_EREMOTE_ACCESS && status != WSD_ELENGTH) {
		tcp_endpoint_violation(endpoint, "status of a NAK");
		return;
	}
	/* A SEND may have completed already: then only the connection's end tells. */
	if (work - endpoint->tx_done < endpoint->tx_sent - endpoint->tx_done) {
		struct tcp_sent *sent = &endpoint->sent[work & endpoint->send_mask];

		sent->status = status;
		sent->done = true;
		endpoint->has_failed = true;
		endpoint->failed_work = work;
	}
	endpoint->disconnect_due = false;
	tcp_endpoint_end(endpoint, status);
}

/* The peer has sent all it will: confirm, unless our own DISCONNECT has left already. */
static void disconnected(struct wsd_endpoint *endpoint)
{
	endpoint->disconnect_due = !endpoint->tx_shut && !endpoint->tx_dead &&
				   !(endpoint->control_last && endpoint->control_end);
	tcp_endpoint_end(endpoint, WSD_OK);
}

void tcp_frame_begin(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	if (!absorb(endpoint)) {
		tcp_endpoint_violation(endpoint, "credit or acknowledgement out of range");
		return;
	}
	endpoint->payload_at = 0;
	switch (endpoint->frame.type) {
	case TCP_FRAME_SEND:
		begin_send(endpoint, sink);
		break;
	case TCP_FRAME_WRITE:
	case TCP_FRAME_WRITE_IMM:
		begin_write(endpoint);
		break;
	case TCP_FRAME_READ_REQ:
		begin_read(endpoint);
		break;
	case TCP_FRAME_READ_RSP:
		begin_answer(endpoint);
		break;
	case TCP_FRAME_CREDIT:
		break;
	case TCP_FRAME_NAK:
		refused(endpoint);
		break;
	case TCP_FRAME_DISCONNECT:
		disconnected(endpoint);
		break;
	default:
		tcp_endpoint_violation(endpoint, "greeting on an open connection");
		break;
	}
	if (endpoint->target != TCP_TARGET_NONE && endpoint->frame.length == 0)
		tcp_frame_end(endpoint, sink);
}

/* The part of a READ's targets that the next bytes go to. */
static int read_target(struct wsd_endpoint *endpoint, uint32_t limit, struct iovec *iov)
{
	const struct tcp_read *read = endpoint->reads;
	uint32_t skip = read->got + endpoint->payload_at;
	int count = 0;

	for (uint32_t i = 0; i < read->sge_count && limit > 0; i++) {
		const struct tcp_place *sge = &read->sge[i];
		uint32_t n = sge->length;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		if (!tcp_region_find(endpoint->queue, endpoint, sge->key, WSD_ACCESS_LOCAL_WRITE))
			return 0;
		n -= skip;
		n = n < limit ? n : limit;
		iov[count].iov_base = sge->addr + skip;
		iov[count++].iov_len = n;
		limit -= n;
		skip = 0;
	}
	return count;
}

int tcp_frame_target(struct wsd_endpoint *endpoint, uint32_t limit, struct iovec *iov)
{
	const struct tcp_frame *frame = &endpoint->frame;
	uint32_t rest = frame->length - endpoint->payload_at;
	struct wsd_queue *queue = endpoint->queue;
	const struct tcp_posted *slot;
	uint8_t *to = NULL;

	limit = limit < rest ? limit : rest;
	if (endpoint->target == TCP_TARGET_READ)
		return read_target(endpoint, limit, iov);
	if (endpoint->target == TCP_TARGET_WRITE) {
		to = tcp_region_range(queue, endpoint, frame->key, WSD_ACCESS_REMOTE_WRITE,
				      frame->addr + endpoint->payload_at, limit);
	} else {
		slot = &endpoint->posted[endpoint->rx_used & endpoint->recv_mask];
		if (tcp_region_find(queue, endpoint, slot->key, WSD_ACCESS_LOCAL))
			to = slot->addr + endpoint->payload_at;
	}
	if (!to)
		return 0;
	iov[0].iov_base = to;
	iov[0].iov_len = limit;
	return 1;
}

static void end_answer(struct wsd_endpoint *endpoint)
{
	struct tcp_read *read = endpoint->reads;

	read->got += endpoint->frame.length;
	if (read->got < read->total)
		return;
	endpoint->sent[read->work & endpoint->send_mask].done = true;
	endpoint->reads = read->next;
	endpoint->reads_done++;
	endpoint->output_due = true; /* fenced work, a DISCONNECT */
	tcp_read_free(endpoint->queue, read);
	if (tcp_send_done(endpoint))
		tcp_mark_ready(endpoint->queue, &endpoint->source);
}

void tcp_frame_end(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	const struct tcp_frame *frame = &endpoint->frame;
	bool write_imm = frame->type == TCP_FRAME_WRITE_IMM;
	struct wsd_event *event;

	endpoint->target = TCP_TARGET_NONE;
	if (frame->type == TCP_FRAME_READ_RSP) {
		end_answer(endpoint);
		return;
	}
	endpoint->rx_works++;
	if ((frame->flags & TCP_FLAG_ACK) || (endpoint->rx_short && frame->type == TCP_FRAME_SEND))
		endpoint->ack_due = true;
	if (frame->type == TCP_FRAME_WRITE)
		return;
	event = tcp_sink_add(sink, write_imm ? WSD_EV_RECV_IMM : WSD_EV_RECV, endpoint->context,
			     WSD_OK);
	event->id = endpoint->posted[endpoint->rx_used++ & endpoint->recv_mask].id;
	event->bytes = frame->length;
	if (write_imm)
		event->imm = frame->imm;
}

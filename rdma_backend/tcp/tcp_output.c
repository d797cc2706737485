// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_output.c - everything that leaves a connection other than straight from a post: the rest of
 * frames that the socket did not take, work that waits for credit or a fence, answers to READs, and
 * the control frames. A frame that has begun is always finished before another begins.
 */
#include <errno.h>

#include "rdma_backend/tcp/tcp.h"

enum step { STEP_MORE, STEP_BLOCKED, STEP_IDLE };

struct tcp_out *tcp_output_new(struct wsd_endpoint *endpoint, uint32_t length)
{
	struct tcp_out *out = endpoint->queue->device->host->alloc(sizeof(*out) + length);

	if (out) {
		out->length = length;
		tcp_count(endpoint->queue->device->counters.out_copied);
	}
	return out;
}

void tcp_output_queue(struct wsd_endpoint *endpoint, struct tcp_out *out)
{
	if (endpoint->out)
		endpoint->out_tail->next = out;
	else
		endpoint->out = out;
	endpoint->out_tail = out;
	endpoint->out_bytes += out->length;
}

static void out_pop(struct wsd_endpoint *endpoint)
{
	struct tcp_out *out = endpoint->out;

	endpoint->out = out->next;
	endpoint->out_bytes -= out->length;
	endpoint->queue->device->host->free(out);
}

void tcp_output_drop(struct wsd_endpoint *endpoint, bool begun_too)
{
	const struct wsd_host *host = endpoint->queue->device->host;
	struct tcp_out *out = endpoint->out, *keep = NULL, *next;

	if (out && out->begun && !begun_too) {
		keep = out;
		out = out->next;
		keep->next = NULL;
	}
	for (; out; out = next) {
		next = out->next;
		host->free(out);
	}
	endpoint->out = endpoint->out_tail = keep;
	endpoint->out_bytes = keep ? keep->length : 0;
}

/* One change of the set per transition, not per frame. */
void tcp_output_want(struct wsd_endpoint *endpoint, bool write)
{
	uint32_t events = endpoint->state == TCP_EP_CLOSED ? 0 : TCP_READ;
	bool closed = endpoint->state == TCP_EP_CLOSED;

	if (endpoint->source.fd < 0 || (endpoint->want_write == write && !closed))
		return;
	endpoint->want_write = write;
	if (write)
		events |= TCP_WRITE;
	if (events)
		tcp_os_set_change(endpoint->queue->set, endpoint->source.fd, events,
				  &endpoint->source);
	else /* a failed socket is always ready; it would spin */
		tcp_os_set_remove(endpoint->queue->set, endpoint->source.fd);
}

static void last_output_gone(struct wsd_endpoint *endpoint)
{
	if (!endpoint->end_waits)
		return;
	endpoint->end_waits = false;
	endpoint->report_end = true;
	tcp_mark_ready(endpoint->queue, &endpoint->source);
}

/* The reading side finds the end, after everything that had arrived. */
void tcp_output_failed(struct wsd_endpoint *endpoint, int error)
{
	endpoint->tx_dead = true;
	endpoint->tx_error = error;
	tcp_output_drop(endpoint, true);
	tcp_output_want(endpoint, false);
	last_output_gone(endpoint);
}

bool tcp_output_idle(const struct wsd_endpoint *endpoint)
{
	return !endpoint->out && !endpoint->chunk_begun &&
	       endpoint->control_at == endpoint->control_end && !endpoint->tx_dead;
}

bool tcp_control_worth(const struct wsd_endpoint *endpoint)
{
	uint32_t untold = endpoint->rx_posted - endpoint->announced;

	if ((endpoint->state != TCP_EP_OPEN && endpoint->state != TCP_EP_CLOSING) ||
	    endpoint->tx_dead || endpoint->tx_shut)
		return false;
	if (endpoint->ack_due && endpoint->acked != endpoint->rx_works)
		return true;
	/* Half of what is posted, which includes: the peer has none left. */
	return untold > 0 && untold >= (endpoint->rx_posted - endpoint->rx_used + 1) / 2;
}

/*
 * The owner sends it at its next poll or before it sleeps, by when it has usually ridden on another
 * frame. If nobody is going to poll, it goes now.
 */
void tcp_control_later(struct wsd_endpoint *endpoint)
{
	struct wsd_queue *queue = endpoint->queue;
	bool now;

	wsd_mutex_lock(&queue->lock);
	now = queue->armed && !queue->polling;
	if (!now && wsd_list_empty(&endpoint->flush))
		wsd_list_append(&queue->flush, &endpoint->flush);
	wsd_mutex_unlock(&queue->lock);
	if (now) {
		endpoint->control_due = true;
		tcp_output(endpoint);
	}
}

void tcp_output_stamp(const struct wsd_endpoint *endpoint, uint8_t *header)
{
	tcp_frame_stamp(header, endpoint->rx_short ? TCP_FLAG_SHORT : 0, endpoint->rx_posted,
			endpoint->rx_works);
}

void tcp_output_stamped(struct wsd_endpoint *endpoint)
{
	endpoint->announced = endpoint->rx_posted;
	endpoint->acked = endpoint->rx_works;
	endpoint->ack_due = false;
	endpoint->control_due = false;
}

bool tcp_output_may(const struct wsd_endpoint *endpoint, const struct tcp_out *out)
{
	if (out->fenced && (int32_t)(endpoint->reads_done - out->fence) < 0)
		return false;
	if (out->read && endpoint->reads_sent - endpoint->reads_done >= TCP_MAX_READ)
		return false;
	return !out->credit || endpoint->credit != endpoint->credit_used;
}

/* Send and translate: bytes, 0 = blocked, -1 = the connection is gone. */
static intptr_t push(struct wsd_endpoint *endpoint, struct iovec *iov, int count)
{
	intptr_t n = tcp_os_send(endpoint->source.fd, iov, count);

	if (n == -EAGAIN)
		return 0;
	if (n < 0) {
		tcp_output_failed(endpoint, (int)-n);
		return -1;
	}
	return n;
}

static void admit(struct wsd_endpoint *endpoint, struct tcp_out *out)
{
	if (out->credit)
		endpoint->credit_used++;
	if (out->read)
		endpoint->reads_sent++;
	out->read = false;
	out->credit = false;
	out->fenced = false;
}

static enum step send_items(struct wsd_endpoint *endpoint)
{
	struct iovec iov[TCP_BATCH_WORKS];
	struct tcp_out *out = endpoint->out;
	size_t want = 0, left;
	int count = 0;
	intptr_t n;

	for (; out && count < (int)TCP_BATCH_WORKS && want < TCP_BATCH_BYTES; out = out->next) {
		if (!out->begun && (!tcp_output_may(endpoint, out) ||
				    (count > 0 && endpoint->state == TCP_EP_CLOSED)))
			break;
		admit(endpoint, out);
		if (!out->begun)
			tcp_output_stamp(endpoint, out->bytes);
		iov[count].iov_base = out->bytes + out->at;
		iov[count++].iov_len = out->length - out->at;
		want += out->length - out->at;
	}
	n = push(endpoint, iov, count);
	if (n < 0)
		return STEP_IDLE;
	for (left = (size_t)n; left > 0;) {
		out = endpoint->out;
		if (!out->begun)
			tcp_output_stamped(endpoint);
		out->begun = true;
		if (left < out->length - out->at) {
			out->at += (uint32_t)left;
			break;
		}
		left -= out->length - out->at;
		endpoint->tx_sent += out->works;
		out_pop(endpoint);
	}
	if (n > 0 && tcp_send_done(endpoint))
		tcp_mark_ready(endpoint->queue, &endpoint->source);
	return (size_t)n < want ? STEP_BLOCKED : STEP_MORE;
}

static enum step send_control(struct wsd_endpoint *endpoint)
{
	struct iovec iov = { .iov_base = endpoint->control + endpoint->control_at,
			     .iov_len = (size_t)(endpoint->control_end - endpoint->control_at) };
	intptr_t n = push(endpoint, &iov, 1);

	if (n < 0)
		return STEP_IDLE;
	endpoint->control_at = (uint8_t)(endpoint->control_at + n);
	if (endpoint->control_at < endpoint->control_end)
		return STEP_BLOCKED;
	endpoint->control_at = endpoint->control_end = 0;
	if (endpoint->control_last) {
		endpoint->tx_shut = true;
		tcp_os_shutdown_write(endpoint->source.fd);
		return STEP_IDLE;
	}
	return STEP_MORE;
}

static enum step begin_control(struct wsd_endpoint *endpoint, enum tcp_frame_type type)
{
	struct tcp_frame frame = { .type = (uint8_t)type };

	if (type == TCP_FRAME_NAK) {
		frame.imm = endpoint->nak_work;
		frame.key = endpoint->nak_status;
		endpoint->nak_status = 0;
	}
	endpoint->control_last = type != TCP_FRAME_CREDIT;
	if (endpoint->control_last)
		endpoint->disconnect_due = false;
	tcp_frame_encode(&frame, endpoint->control);
	tcp_output_stamp(endpoint, endpoint->control);
	tcp_output_stamped(endpoint);
	endpoint->control_at = 0;
	endpoint->control_end = TCP_HEADER_BYTES;
	return STEP_MORE;
}

static void begin_chunk(struct wsd_endpoint *endpoint)
{
	struct tcp_answer *answer = &endpoint->answers[endpoint->answer_head % TCP_MAX_READ];
	struct tcp_frame frame = { .type = TCP_FRAME_READ_RSP };

	frame.length = answer->rest < TCP_READ_CHUNK ? answer->rest : TCP_READ_CHUNK;
	tcp_frame_encode(&frame, endpoint->chunk_header);
	tcp_output_stamp(endpoint, endpoint->chunk_header);
	endpoint->chunk_at = 0;
	endpoint->chunk_rest = frame.length;
}

static void chunk_sent(struct wsd_endpoint *endpoint, struct tcp_answer *answer, size_t n)
{
	size_t header = TCP_HEADER_BYTES - endpoint->chunk_at;

	if (n > 0 && !endpoint->chunk_begun) {
		endpoint->chunk_begun = true;
		tcp_output_stamped(endpoint);
	}
	header = header < n ? header : n;
	endpoint->chunk_at = (uint8_t)(endpoint->chunk_at + header);
	n -= header;
	answer->addr += n;
	answer->rest -= (uint32_t)n;
	endpoint->chunk_rest -= (uint32_t)n;
	if (endpoint->chunk_at == TCP_HEADER_BYTES && endpoint->chunk_rest == 0) {
		endpoint->chunk_begun = false;
		if (answer->rest == 0)
			endpoint->answer_head++;
	}
}

static enum step send_answer(struct wsd_endpoint *endpoint)
{
	struct tcp_answer *answer = &endpoint->answers[endpoint->answer_head % TCP_MAX_READ];
	struct wsd_queue *queue = endpoint->queue;
	struct iovec iov[2];
	uint8_t *from;
	size_t want;
	intptr_t n = 0;

	if (!endpoint->chunk_begun)
		begin_chunk(endpoint);
	iov[0].iov_base = endpoint->chunk_header + endpoint->chunk_at;
	iov[0].iov_len = (size_t)(TCP_HEADER_BYTES - endpoint->chunk_at);
	want = iov[0].iov_len + endpoint->chunk_rest;
	wsd_mutex_lock(&queue->regions.lock);
	from = tcp_region_range(queue, endpoint, answer->key, WSD_ACCESS_REMOTE_READ, answer->addr,
				endpoint->chunk_rest);
	if (from || endpoint->chunk_rest == 0) {
		iov[1].iov_base = from;
		iov[1].iov_len = endpoint->chunk_rest;
		n = push(endpoint, iov, endpoint->chunk_rest ? 2 : 1);
	}
	wsd_mutex_unlock(&queue->regions.lock);
	if (n < 0)
		return STEP_IDLE;
	if (!from && endpoint->chunk_rest > 0) {
		/* Taken away meanwhile. Inside a chunk there is no way to say so but to stop. */
		if (endpoint->chunk_begun)
			tcp_output_failed(endpoint, ECONNRESET);
		tcp_refuse(endpoint, answer->work, WSD_EREMOTE_ACCESS);
		return STEP_MORE;
	}
	chunk_sent(endpoint, answer, (size_t)n);
	return (size_t)n < want ? STEP_BLOCKED : STEP_MORE;
}

static enum step step(struct wsd_endpoint *endpoint)
{
	bool answers = endpoint->answer_head != endpoint->answer_tail;
	bool works = endpoint->out && tcp_output_may(endpoint, endpoint->out);

	if (endpoint->tx_dead || endpoint->tx_shut || endpoint->source.fd < 0)
		return STEP_IDLE;
	if (endpoint->control_at < endpoint->control_end)
		return send_control(endpoint);
	if (endpoint->chunk_begun)
		return send_answer(endpoint);
	if (endpoint->out && endpoint->out->begun)
		return send_items(endpoint);
	if (endpoint->nak_status)
		return begin_control(endpoint, TCP_FRAME_NAK);
	if (endpoint->state == TCP_EP_CLOSED)
		return endpoint->disconnect_due ? begin_control(endpoint, TCP_FRAME_DISCONNECT)
						: STEP_IDLE;
	if (endpoint->control_due)
		return begin_control(endpoint, TCP_FRAME_CREDIT);
	/* Turn by turn, so that neither starves. */
	endpoint->answers_turn = !endpoint->answers_turn;
	if (answers && (endpoint->answers_turn || !works))
		return send_answer(endpoint);
	if (works)
		return send_items(endpoint);
	if (endpoint->disconnect_due && !endpoint->out &&
	    endpoint->reads_done == endpoint->reads_posted)
		return begin_control(endpoint, TCP_FRAME_DISCONNECT);
	return STEP_IDLE;
}

void tcp_output(struct wsd_endpoint *endpoint)
{
	enum step result;

	do {
		result = step(endpoint);
	} while (result == STEP_MORE);
	if (endpoint->tx_dead || endpoint->source.fd < 0)
		return;
	if (result == STEP_BLOCKED) {
		tcp_output_want(endpoint, true);
		return;
	}
	tcp_output_want(endpoint, false);
	if (endpoint->state == TCP_EP_CLOSED) {
		if (!endpoint->tx_shut)
			tcp_os_shutdown_write(endpoint->source.fd);
		endpoint->tx_shut = true;
		last_output_gone(endpoint);
	}
}

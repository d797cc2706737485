// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_send.c - post_send and the completion of work. A list is gathered into as few system calls as
 * it needs; what the socket does not take, and what must wait for credit, is copied behind it. So
 * sources are free when the post returns.
 *
 * A SEND that fits every receive of the peer is done when the system has all of it; others, and
 * WRITEs, when the peer's acknowledgement says that they were carried out; READs when their
 * data is here. Completions come in the order of the posts.
 */
#include <errno.h>
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

struct batch {
	uint8_t headers[TCP_BATCH_WORKS][TCP_HEADER_BYTES];
	struct iovec iov[TCP_BATCH_IOV];
	uint32_t lengths[TCP_BATCH_WORKS];
	uint8_t pieces[TCP_BATCH_WORKS]; /* iov entries of each */
	uint32_t works, bytes;
	int iovs;
};

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/* Was work number n, the oldest one, carried out or refused? */
static bool work_done(const struct wsd_endpoint *endpoint, uint32_t n)
{
	const struct tcp_sent *sent = &endpoint->sent[n & endpoint->send_mask];

	if (sent->status != WSD_OK || sent->op == WSD_OP_READ)
		return sent->done;
	if (endpoint->has_failed && before(n, endpoint->failed_work))
		return true; /* the peer carries out in order */
	if (sent->op == WSD_OP_SEND && !sent->doubtful &&
	    (!endpoint->peer_short || before(n, endpoint->short_from)))
		return before(n, endpoint->tx_sent);
	return before(n, endpoint->tx_acked);
}

bool tcp_send_done(const struct wsd_endpoint *endpoint)
{
	uint32_t n = endpoint->tx_done;

	if (n == endpoint->tx_posted)
		return false;
	return work_done(endpoint, n) || (endpoint->has_failed && before(n, endpoint->failed_work));
}

void tcp_send_emit(struct wsd_endpoint *endpoint, struct tcp_sink *sink)
{
	while (!tcp_sink_full(sink) && tcp_send_done(endpoint)) {
		bool done = work_done(endpoint, endpoint->tx_done);
		struct tcp_sent *sent = &endpoint->sent[endpoint->tx_done++ & endpoint->send_mask];

		/* Not done: a READ whose answer the failure of later work cut off. */
		if (!done || (sent->status == WSD_OK && !(sent->flags & WSD_WORK_SIGNALLED)))
			continue;
		tcp_sink_add(sink, WSD_EV_SEND, endpoint->context, (enum wsd_status)sent->status)
			->id = sent->id;
	}
}

/* Slots of work that will never give an event can be taken again without a poll. */
static void reap_silent(struct wsd_endpoint *endpoint)
{
	while (endpoint->tx_done != endpoint->tx_posted && work_done(endpoint, endpoint->tx_done)) {
		struct tcp_sent *sent = &endpoint->sent[endpoint->tx_done & endpoint->send_mask];

		if (sent->status != WSD_OK || (sent->flags & WSD_WORK_SIGNALLED))
			return;
		endpoint->tx_done++;
	}
}

void tcp_read_free(struct wsd_queue *queue, struct tcp_read *read)
{
	wsd_mutex_lock(&queue->lock);
	read->next = queue->free_reads;
	queue->free_reads = read;
	wsd_mutex_unlock(&queue->lock);
}

static struct tcp_read *read_new(struct wsd_queue *queue)
{
	struct tcp_read *read;

	wsd_mutex_lock(&queue->lock);
	read = queue->free_reads;
	if (read)
		queue->free_reads = read->next;
	wsd_mutex_unlock(&queue->lock);
	if (!read)
		read = queue->device->host->alloc(sizeof(*read));
	return read;
}

static enum wsd_status work_check(const struct wsd_endpoint *endpoint, const struct wsd_work *work,
				  uint32_t *bytes)
{
	uint64_t total = 0;

	if (work->sge_count > endpoint->max_send_sge || (work->sge_count && !work->sge) ||
	    (unsigned)work->op > WSD_OP_READ)
		return WSD_EINVAL;
	for (uint32_t i = 0; i < work->sge_count; i++) {
		const struct wsd_sge *sge = &work->sge[i];

		total += sge->length;
		if (work->op != WSD_OP_READ || sge->length == 0)
			continue;
		if (!sge->region || !(sge->region->access & WSD_ACCESS_LOCAL_WRITE) ||
		    !tcp_region_covers(sge->region, sge->addr, sge->length))
			return WSD_EINVAL;
	}
	if (total > (work->op == WSD_OP_SEND ? TCP_MAX_MESSAGE : TCP_MAX_RDMA))
		return WSD_EINVAL;
	*bytes = (uint32_t)total;
	return WSD_OK;
}

/* A READ remembers where its data goes; answers come in order. */
static bool read_begin(struct wsd_endpoint *endpoint, const struct wsd_work *work, uint32_t bytes)
{
	struct tcp_read *read = read_new(endpoint->queue);

	if (!read)
		return false;
	read->next = NULL;
	read->work = endpoint->tx_posted;
	read->total = bytes;
	read->got = 0;
	read->sge_count = 0;
	for (uint32_t i = 0; i < work->sge_count; i++) {
		struct tcp_place *to = &read->sge[read->sge_count];

		if (work->sge[i].length == 0)
			continue;
		to->addr = work->sge[i].addr;
		to->length = work->sge[i].length;
		to->key = work->sge[i].region->remote_key;
		read->sge_count++;
	}
	if (endpoint->reads)
		endpoint->reads_tail->next = read;
	else
		endpoint->reads = read;
	endpoint->reads_tail = read;
	return true;
}

/* The one begun last was not posted after all. */
static void read_undo(struct wsd_endpoint *endpoint)
{
	struct tcp_read *last = endpoint->reads_tail, *read = endpoint->reads;

	if (read == last) {
		endpoint->reads = NULL;
	} else {
		while (read->next != last)
			read = read->next;
		read->next = NULL;
		endpoint->reads_tail = read;
	}
	tcp_read_free(endpoint->queue, last);
}

static bool wants_ack(const struct wsd_endpoint *endpoint, const struct wsd_work *work)
{
	bool write = work->op == WSD_OP_WRITE || work->op == WSD_OP_WRITE_IMM;
	bool open = endpoint->has_write && before(endpoint->tx_acked, endpoint->last_write);

	if (work->op == WSD_OP_READ || (!write && !open))
		return false;
	/* A completion waits for it, or the queue would fill up with unacknowledged work. */
	return (work->flags & WSD_WORK_SIGNALLED) ||
	       endpoint->tx_posted - endpoint->ack_asked >= (endpoint->send_depth + 1) / 2;
}

static void work_encode(struct wsd_endpoint *endpoint, const struct wsd_work *work, uint32_t bytes,
			uint8_t *header)
{
	static const uint8_t types[] = { TCP_FRAME_SEND, TCP_FRAME_WRITE, TCP_FRAME_WRITE_IMM,
					 TCP_FRAME_READ_REQ };
	struct tcp_frame frame = { .type = types[work->op],
				   .length = work->op == WSD_OP_READ ? 0 : bytes,
				   .imm = work->op == WSD_OP_READ ? bytes : work->imm };

	if (work->op != WSD_OP_SEND) {
		frame.key = work->remote_key;
		frame.addr = work->remote_addr;
	}
	if (wants_ack(endpoint, work)) {
		frame.flags = TCP_FLAG_ACK;
		endpoint->ack_asked = endpoint->tx_posted + 1;
	}
	tcp_frame_encode(&frame, header);
	tcp_output_stamp(endpoint, header);
}

/* The work is taken: number it. */
static void work_record(struct wsd_endpoint *endpoint, const struct wsd_work *work, uint32_t bytes)
{
	struct tcp_sent *sent = &endpoint->sent[endpoint->tx_posted++ & endpoint->send_mask];

	sent->id = work->id;
	sent->status = WSD_OK;
	sent->op = (uint8_t)work->op;
	sent->flags = (uint8_t)work->flags;
	sent->done = false;
	sent->doubtful = bytes > endpoint->peer_bytes;
	if (work->op == WSD_OP_READ)
		endpoint->reads_posted++;
	if (work->op == WSD_OP_WRITE || work->op == WSD_OP_WRITE_IMM) {
		endpoint->has_write = true;
		endpoint->last_write = endpoint->tx_posted;
	}
}

static void copy_pieces(uint8_t *to, const struct iovec *iov, uint32_t count, size_t skip)
{
	for (uint32_t i = 0; i < count; i++) {
		size_t length = iov[i].iov_len;

		if (skip >= length) {
			skip -= length;
			continue;
		}
		memcpy(to, (const uint8_t *)iov[i].iov_base + skip, length - skip);
		to += length - skip;
		skip = 0;
	}
}

/* Queue what the socket left of the batch, beginning with work number first, skip bytes into it. */
static void batch_rest(struct wsd_endpoint *endpoint, struct batch *batch, uint32_t first,
		       size_t skip, const struct iovec *iov)
{
	for (uint32_t i = first; i < batch->works; i++) {
		struct tcp_out *out = tcp_output_new(endpoint, batch->lengths[i] - (uint32_t)skip);

		if (!out) {
			/* Half a frame may be out: there is no way back. */
			tcp_output_failed(endpoint, 0);
			tcp_endpoint_end(endpoint, WSD_ENOMEM);
			return;
		}
		copy_pieces(out->bytes, iov, batch->pieces[i], skip);
		out->begun = skip > 0;
		out->works = 1;
		tcp_output_queue(endpoint, out);
		iov += batch->pieces[i];
		skip = 0;
	}
	tcp_output_want(endpoint, true);
}

static void batch_send(struct wsd_endpoint *endpoint, struct batch *batch)
{
	const struct iovec *iov = batch->iov;
	uint32_t i = 0;
	size_t left;
	intptr_t n;

	if (batch->works == 0)
		return;
	n = tcp_os_send(endpoint->source.fd, batch->iov, batch->iovs);
	if (n < 0 && n != -EAGAIN) {
		tcp_output_failed(endpoint, (int)-n);
	} else {
		left = n > 0 ? (size_t)n : 0;
		if (left > 0)
			tcp_output_stamped(endpoint);
		for (; i < batch->works && left >= batch->lengths[i]; i++) {
			left -= batch->lengths[i];
			iov += batch->pieces[i];
			endpoint->tx_sent++;
		}
		if (i < batch->works)
			batch_rest(endpoint, batch, i, left, iov);
	}
	batch->works = 0;
	batch->bytes = 0;
	batch->iovs = 0;
}

static void batch_add(struct wsd_endpoint *endpoint, struct batch *batch,
		      const struct wsd_work *work, uint32_t bytes)
{
	uint8_t *header = batch->headers[batch->works];
	int first = batch->iovs;

	work_encode(endpoint, work, bytes, header);
	batch->iov[batch->iovs].iov_base = header;
	batch->iov[batch->iovs++].iov_len = TCP_HEADER_BYTES;
	if (work->op == WSD_OP_READ)
		bytes = 0;
	for (uint32_t i = 0; bytes > 0 && i < work->sge_count; i++) {
		if (work->sge[i].length == 0)
			continue;
		batch->iov[batch->iovs].iov_base = work->sge[i].addr;
		batch->iov[batch->iovs++].iov_len = work->sge[i].length;
	}
	batch->pieces[batch->works] = (uint8_t)(batch->iovs - first);
	batch->lengths[batch->works++] = TCP_HEADER_BYTES + bytes;
	batch->bytes += TCP_HEADER_BYTES + bytes;
	if (work->op == WSD_OP_SEND || work->op == WSD_OP_WRITE_IMM)
		endpoint->credit_used++;
	if (work->op == WSD_OP_READ)
		endpoint->reads_sent++;
}

static bool batch_room(const struct batch *batch, const struct wsd_work *work)
{
	return batch->works < TCP_BATCH_WORKS && batch->bytes < TCP_BATCH_BYTES &&
	       batch->iovs + 1 + (int)work->sge_count <= (int)TCP_BATCH_IOV;
}

/* Copy a whole frame behind what waits. */
static enum wsd_status work_queue(struct wsd_endpoint *endpoint, const struct wsd_work *work,
				  uint32_t bytes, const struct tcp_out *gate)
{
	uint32_t payload = work->op == WSD_OP_READ ? 0 : bytes;
	struct tcp_out *out = tcp_output_new(endpoint, TCP_HEADER_BYTES + payload);
	uint8_t *to;

	if (!out)
		return WSD_ENOMEM;
	out->credit = gate->credit;
	out->fenced = gate->fenced;
	out->read = gate->read;
	out->fence = gate->fence;
	out->works = 1;
	work_encode(endpoint, work, bytes, out->bytes);
	to = out->bytes + TCP_HEADER_BYTES;
	for (uint32_t i = 0; payload > 0 && i < work->sge_count; i++) {
		const struct wsd_sge *sge = &work->sge[i];

		if (sge->length == 0)
			continue;
		memcpy(to, sge->addr, sge->length);
		to += sge->length;
	}
	tcp_output_queue(endpoint, out);
	return WSD_OK;
}

static bool queue_full(struct wsd_endpoint *endpoint)
{
	if (endpoint->tx_posted - endpoint->tx_done >= endpoint->send_depth)
		reap_silent(endpoint);
	return endpoint->tx_posted - endpoint->tx_done >= endpoint->send_depth ||
	       endpoint->out_bytes >= TCP_OUT_LIMIT;
}

static enum wsd_status post_one(struct wsd_endpoint *endpoint, struct batch *batch,
				const struct wsd_work *work)
{
	struct tcp_out gate = { .credit = work->op == WSD_OP_SEND || work->op == WSD_OP_WRITE_IMM,
				.read = work->op == WSD_OP_READ,
				.fenced = work->flags & WSD_WORK_FENCE,
				.fence = endpoint->reads_posted };
	enum wsd_status status;
	uint32_t bytes;

	status = work_check(endpoint, work, &bytes);
	if (status != WSD_OK)
		return status;
	if (!batch_room(batch, work))
		batch_send(endpoint, batch);
	if (endpoint->state != TCP_EP_OPEN)
		return WSD_ESTATE;
	if (queue_full(endpoint))
		return WSD_AGAIN;
	if (work->op == WSD_OP_READ && !read_begin(endpoint, work, bytes))
		return WSD_ENOMEM;
	if (tcp_output_idle(endpoint) && tcp_output_may(endpoint, &gate)) {
		batch_add(endpoint, batch, work, bytes);
	} else if (!endpoint->tx_dead) {
		batch_send(endpoint, batch);
		status = work_queue(endpoint, work, bytes, &gate);
	}
	if (status == WSD_OK)
		work_record(endpoint, work, bytes);
	else if (work->op == WSD_OP_READ)
		read_undo(endpoint);
	return status;
}

enum wsd_status tcp_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
			      uint32_t *posted)
{
	enum wsd_status status = WSD_OK;
	struct batch batch;
	bool done;

	batch.works = batch.bytes = 0;
	batch.iovs = 0;
	*posted = 0;
	wsd_mutex_lock(&endpoint->lock);
	if (endpoint->state != TCP_EP_OPEN)
		status = WSD_ESTATE;
	for (; list && status == WSD_OK; list = list->next) {
		status = post_one(endpoint, &batch, list);
		if (status == WSD_OK)
			++*posted;
	}
	batch_send(endpoint, &batch);
	done = tcp_send_done(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	if (done)
		tcp_mark_ready(endpoint->queue, &endpoint->source);
	return status;
}

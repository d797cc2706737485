// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_connect.c - the active side until a connection exists. The companion port of the listener is
 * one of eight; the first is tried alone for a moment, then all. Nothing is sent on a connection
 * before a banner for exactly the wanted application port has arrived on it, so that a server that
 * has nothing to do with us never sees a byte.
 */
#include <errno.h>
#include <string.h>

#include "rdma_backend/tcp/tcp.h"

#define RETRY_FIRST_NS \
	(50u * 1000 * 1000) /* before a busy listener is asked again; twice as long each time */
#define RETRY_MOST_NS (400u * 1000 * 1000)

/* Ends the attempt; the event is handed out by tcp_endpoint_emit, which needs the answer's data. */
static void connect_failed(struct tcp_connect *connect, enum wsd_status status)
{
	struct wsd_endpoint *endpoint = connect->endpoint;
	struct wsd_queue *queue = endpoint->queue;

	tcp_timer_stop(&connect->timer);
	for (unsigned i = 0; i < TCP_CANDIDATES; i++)
		tcp_source_close(queue, &connect->candidates[i].source);
	wsd_mutex_lock(&endpoint->lock);
	endpoint->state = TCP_EP_CLOSED;
	endpoint->end_status = status;
	endpoint->report_failed = true;
	wsd_mutex_unlock(&endpoint->lock);
	tcp_source_close(queue, &endpoint->source);
	tcp_mark_ready(queue, &endpoint->source);
}

void tcp_connect_free(struct tcp_connect *connect)
{
	struct wsd_queue *queue = connect->endpoint->queue;

	tcp_timer_stop(&connect->timer);
	for (unsigned i = 0; i < TCP_CANDIDATES; i++)
		tcp_source_close(queue, &connect->candidates[i].source);
	connect->endpoint->connect = NULL;
	tcp_retire(queue, &connect->retired, connect);
}

static void note_failure(struct tcp_connect *connect, int error)
{
	enum wsd_status status = tcp_os_status(error);

	if (status == WSD_ETIMEDOUT)
		connect->timed_out = true;
	else if (status == WSD_EUNREACHABLE || status == WSD_EADDRNOTAVAIL || status == WSD_EACCESS)
		connect->unreachable = true;
	else
		connect->refused = true;
}

static enum wsd_status try_candidate(struct tcp_connect *connect, unsigned index)
{
	struct tcp_candidate *candidate = &connect->candidates[index];
	struct wsd_queue *queue = connect->endpoint->queue;
	uint16_t port = tcp_candidate_port(connect->remote.port, index);
	int fd, error;

	candidate->tried = true;
	if (port == 0)
		return WSD_OK;
	fd = tcp_os_connect(&connect->local, &connect->remote, port);
	if (fd < 0) {
		note_failure(connect, -fd);
		return tcp_os_status(-fd);
	}
	candidate->source.fd = fd;
	error = tcp_os_set_add(queue->set, fd, TCP_READ, &candidate->source);
	if (error < 0) {
		tcp_source_close(queue, &candidate->source);
		return tcp_os_status(-error);
	}
	return WSD_OK;
}

static bool any_candidate(const struct tcp_connect *connect)
{
	for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
		if (connect->candidates[i].source.fd >= 0)
			return true;
	}
	return false;
}

static void give_up(struct tcp_connect *connect)
{
	if (connect->version)
		connect_failed(connect, WSD_EVERSION);
	else if (connect->refused)
		connect_failed(connect, WSD_ENOLISTENER);
	else if (connect->silent)
		connect_failed(connect, WSD_ENOANSWER);
	else if (connect->timed_out)
		connect_failed(connect, WSD_ETIMEDOUT);
	else
		connect_failed(connect, WSD_EUNREACHABLE);
}

static void next_timer(struct tcp_connect *connect)
{
	const struct wsd_device *device = connect->endpoint->queue->device;
	uint64_t when = connect->deadline;
	uint64_t step = connect->started + device->head_start;

	if (connect->spread)
		step = connect->started + device->head_start + device->banner_limit;
	if (!connect->chosen && !connect->silent_checked && step < when)
		when = step;
	if (connect->retry != 0 && connect->retry < when)
		when = connect->retry;
	tcp_timer_start(connect->endpoint->queue, &connect->timer, when);
}

/* The first candidate is not it, or is slow: try all the others at once. */
static void spread(struct tcp_connect *connect)
{
	connect->spread = true;
	for (unsigned i = 1; i < TCP_CANDIDATES; i++)
		try_candidate(connect, i);
	if (any_candidate(connect))
		next_timer(connect);
	else
		give_up(connect);
}

static void candidate_failed(struct tcp_candidate *candidate)
{
	struct tcp_connect *connect = candidate->connect;

	tcp_source_close(connect->endpoint->queue, &candidate->source);
	if (!connect->spread)
		spread(connect);
	else if (!any_candidate(connect))
		give_up(connect);
}

/* Connected servers that say nothing are not ours, and where nothing answers a firewall may stand in between, or
 * nobody: the time that is left belongs to other paths. */
static void drop_silent(struct tcp_connect *connect)
{
	connect->silent_checked = true;
	for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
		struct tcp_candidate *candidate = &connect->candidates[i];

		if (candidate->source.fd < 0)
			continue;
		if (tcp_os_connect_result(candidate->source.fd) == 0) {
			connect->refused = true;
			tcp_count(connect->endpoint->queue->device->counters.wrong_banners);
		} else {
			connect->silent = true;
		}
		tcp_source_close(connect->endpoint->queue, &candidate->source);
	}
	give_up(connect);
}

/* This is the listener, but it has no room for anybody now. The others are not it. */
static void listener_busy(struct tcp_candidate *candidate)
{
	struct tcp_connect *connect = candidate->connect;
	struct wsd_queue *queue = connect->endpoint->queue;

	for (unsigned i = 0; i < TCP_CANDIDATES; i++)
		tcp_source_close(queue, &connect->candidates[i].source);
	connect->spread = connect->silent_checked = true;
	connect->right = candidate->index;
	if (connect->retry_step == 0)
		connect->retry_step = RETRY_FIRST_NS;
	else if (connect->retry_step < RETRY_MOST_NS)
		connect->retry_step *= 2;
	connect->retry = queue->device->host->now() + connect->retry_step;
	next_timer(connect);
}

static void ask_again(struct tcp_connect *connect)
{
	struct tcp_candidate *candidate = &connect->candidates[connect->right];
	enum wsd_status status;

	connect->retry = 0;
	candidate->got = 0;
	status = try_candidate(connect, connect->right);
	if (status == WSD_OK)
		next_timer(connect);
	else
		connect_failed(connect, status);
}

static void connect_expired(struct tcp_timer *timer, uint64_t now)
{
	struct tcp_connect *connect = wsd_container(timer, struct tcp_connect, timer);

	if (now >= connect->deadline)
		connect_failed(connect, WSD_ETIMEDOUT);
	else if (connect->chosen)
		next_timer(connect);
	else if (connect->retry != 0)
		ask_again(connect);
	else if (!connect->spread)
		spread(connect);
	else
		drop_silent(connect);
}

static bool banner_fits(struct tcp_connect *connect, const struct tcp_banner *banner)
{
	static const uint8_t any[16];
	const struct wsd_addr *served = &banner->served, *remote = &connect->remote;

	if (served->family != remote->family || served->port != remote->port)
		return false;
	if (memcmp(served->bytes, any, 16) != 0 && memcmp(served->bytes, remote->bytes, 16) != 0)
		return false;
	if (banner->version != TCP_WIRE_VERSION) {
		connect->version = true;
		return false;
	}
	return true;
}

/* This is the listener: the connection becomes the endpoint's and the request goes out. */
static void choose(struct tcp_candidate *candidate, uint64_t nonce)
{
	struct tcp_connect *connect = candidate->connect;
	struct wsd_endpoint *endpoint = connect->endpoint;
	struct wsd_queue *queue = endpoint->queue;
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES + WSD_REQUEST_DATA_MAX];
	struct iovec iov = { .iov_base = bytes };
	int fd = candidate->source.fd;
	uint16_t port = connect->local.port;

	tcp_source_forget(queue, &candidate->source);
	for (unsigned i = 0; i < TCP_CANDIDATES; i++)
		tcp_source_close(queue, &connect->candidates[i].source);
	connect->chosen = true;
	tcp_os_tune(fd, queue->device->user_timeout_ms);
	tcp_os_local_addr(fd, &endpoint->local);
	if (port)
		endpoint->local.port = port;
	endpoint->source.fd = fd;
	tcp_os_set_change(queue->set, fd, TCP_READ, &endpoint->source);
	wsd_mutex_lock(&endpoint->lock);
	tcp_endpoint_mark(endpoint);
	iov.iov_len = tcp_greeting(endpoint, TCP_FRAME_REQUEST, nonce, &endpoint->local,
				   &connect->remote, connect->data, connect->data_length, bytes);
	wsd_mutex_unlock(&endpoint->lock);
	/* The buffer of a new socket holds more than this. */
	if (tcp_os_send(fd, &iov, 1) != (intptr_t)iov.iov_len)
		connect_failed(connect, WSD_ERESET);
	else
		next_timer(connect);
}

void tcp_candidate_ready(struct tcp_candidate *candidate)
{
	struct tcp_connect *connect = candidate->connect;
	struct tcp_banner banner;
	struct iovec iov = { .iov_base = candidate->bytes + candidate->got,
			     .iov_len = TCP_BANNER_BYTES - candidate->got };
	intptr_t n = tcp_os_recv(candidate->source.fd, &iov, 1);

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		note_failure(connect, (int)-n);
		candidate_failed(candidate);
		return;
	}
	candidate->got = (uint8_t)(candidate->got + n);
	if (n > 0 && candidate->got < TCP_BANNER_BYTES)
		return;
	if (candidate->got == TCP_BANNER_BYTES && tcp_banner_decode(&banner, candidate->bytes) &&
	    banner_fits(connect, &banner)) {
		if (banner.busy)
			listener_busy(candidate);
		else
			choose(candidate, banner.nonce);
		return;
	}
	tcp_count(connect->endpoint->queue->device->counters.wrong_banners);
	connect->refused = true;
	candidate_failed(candidate);
}

/* What came behind the answer: of the connection, and nobody else's bytes wait there when one is dispatched. */
static void keep_surplus(struct tcp_connect *connect, uint32_t want)
{
	struct wsd_queue *queue = connect->endpoint->queue;
	uint32_t surplus = connect->got - want;

	if (surplus == 0)
		return;
	memcpy(queue->scratch, connect->bytes + want, surplus);
	queue->scratch_at = 0;
	queue->scratch_end = surplus;
	queue->scratch_owner = connect->endpoint;
}

static void answer_complete(struct tcp_connect *connect, uint32_t want)
{
	struct wsd_endpoint *endpoint = connect->endpoint;
	struct tcp_hello hello;

	if (!tcp_hello_decode(&hello, connect->bytes + TCP_HEADER_BYTES, connect->frame.length)) {
		tcp_count(endpoint->queue->device->counters.protocol_errors);
		connect_failed(connect, WSD_EPROTOCOL);
		return;
	}
	connect->data_length = hello.data_length;
	if (connect->frame.type == TCP_FRAME_REJECT) {
		connect_failed(connect, connect->frame.key == -(int)WSD_ENOLISTENER
						? WSD_ENOLISTENER
						: WSD_EREFUSED);
		return;
	}
	tcp_timer_stop(&connect->timer);
	tcp_count(endpoint->queue->device->counters.connects);
	keep_surplus(connect, want);
	tcp_endpoint_greeted(endpoint, &hello, &connect->frame);
}

/* The connection ended. A listener that had said anything has decided, also when it took that back. */
static enum wsd_status lost_status(const struct tcp_connect *connect, intptr_t n)
{
	if (n == -ETIMEDOUT)
		return WSD_ETIMEDOUT;
	return connect->got == 0 && (n == 0 || TCP_RESET_KEEPS_INPUT) ? WSD_ENOLISTENER
								      : WSD_ERESET;
}

/* Mostly the answer comes alone, and is read in one call. */
void tcp_connect_ready(struct tcp_connect *connect)
{
	struct wsd_endpoint *endpoint = connect->endpoint;
	struct iovec iov = { .iov_base = connect->bytes + connect->got,
			     .iov_len = sizeof(connect->bytes) - connect->got };
	intptr_t n = tcp_os_recv(endpoint->source.fd, &iov, 1);
	uint32_t want;

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		connect_failed(connect, lost_status(connect, n));
		return;
	}
	connect->got += (uint32_t)n;
	if (connect->got < TCP_HEADER_BYTES)
		return;
	if (!tcp_frame_decode(&connect->frame, connect->bytes) ||
	    (connect->frame.type != TCP_FRAME_ACCEPT && connect->frame.type != TCP_FRAME_REJECT)) {
		tcp_count(endpoint->queue->device->counters.protocol_errors);
		connect_failed(connect, WSD_EPROTOCOL);
		return;
	}
	want = TCP_HEADER_BYTES + connect->frame.length;
	if (connect->got >= want)
		answer_complete(connect, want);
}

static struct tcp_connect *connect_new(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
				       const struct wsd_addr *remote)
{
	struct tcp_connect *connect = endpoint->queue->device->host->alloc(sizeof(*connect));

	if (!connect)
		return NULL;
	connect->endpoint = endpoint;
	if (local)
		connect->local = *local;
	connect->remote = *remote;
	wsd_list_init(&connect->timer.link);
	connect->timer.expired = connect_expired;
	for (unsigned i = 0; i < TCP_CANDIDATES; i++) {
		tcp_source_init(&connect->candidates[i].source, TCP_SOURCE_CANDIDATE, -1);
		connect->candidates[i].connect = connect;
		connect->candidates[i].index = (uint8_t)i;
	}
	return connect;
}

enum wsd_status tcp_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			    const struct wsd_addr *remote, const void *data, uint32_t data_length,
			    uint64_t timeout)
{
	struct tcp_connect *connect;
	enum wsd_status status;

	if (endpoint->state != TCP_EP_IDLE || endpoint->request)
		return WSD_ESTATE;
	if (data_length > WSD_REQUEST_DATA_MAX || remote->port == 0 ||
	    (remote->family != WSD_FAMILY_IPV4 && remote->family != WSD_FAMILY_IPV6))
		return WSD_EINVAL;
	connect = connect_new(endpoint, local, remote);
	if (!connect)
		return WSD_ENOMEM;
	connect->started = endpoint->queue->device->host->now();
	connect->deadline =
		timeout > UINT64_MAX - connect->started ? UINT64_MAX : connect->started + timeout;
	connect->data_length = data_length;
	if (data_length)
		memcpy(connect->data, data, data_length);
	endpoint->connect = connect;
	status = try_candidate(connect, 0);
	/* Out of something here and now: the others would not do better. */
	if (status == WSD_ENOMEM || status == WSD_ENOFILES || status == WSD_EADDRNOTAVAIL ||
	    status == WSD_EACCESS) {
		tcp_connect_free(connect);
		return status;
	}
	endpoint->state = TCP_EP_CONNECTING;
	if (any_candidate(connect))
		next_timer(connect);
	else
		spread(connect);
	return WSD_OK;
}

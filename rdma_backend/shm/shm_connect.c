// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_connect.c - from connect or accept to an open connection.
 *
 * connector: REQUEST on a fresh socket -> acceptor: ACCEPT, naming a link that both may share and an id
 * for the fresh socket -> connector: ACK with the one it uses. It shares when it has that link, too;
 * the acceptor pins its offer, so that the link cannot go away in between. When the acceptor has
 * none, the fresh socket is the link at once, so that a burst of connections ends up on one.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define RETRY_NS 5000000u	       /* the listener's kernel queue was full */
#define FULL_NS	 UINT64_C(2000000000)  /* it stays full: nobody empties it */
#define SHORT_NS 100000000u	       /* the listener's process was out of descriptors */
#define ACK_NS	 UINT64_C(10000000000) /* the connector has our answer and does not say so */

static void handshake_stop(struct shm_handshake *handshake)
{
	shm_timer_cancel(&handshake->deadline);
	shm_timer_cancel(&handshake->retry);
	shm_source_remove(&handshake->source);
	shm_os_close(&handshake->source.channel);
	if (handshake->shared)
		shm_link_put(handshake->shared);
	handshake->shared = NULL;
	shm_mailbox_detach(&handshake->mailbox);
	if (handshake->active)
		handshake->source.queue->handshakes--;
	handshake->active = false;
}

/* Freed at the next poll: events may show its data until then. */
void shm_handshake_end(struct wsd_endpoint *endpoint)
{
	struct shm_handshake *handshake = endpoint->handshake;

	if (!handshake)
		return;
	endpoint->handshake = NULL;
	handshake_stop(handshake);
	shm_source_bury(&handshake->source);
}

static void fail(struct wsd_endpoint *endpoint, enum wsd_status status)
{
	handshake_stop(endpoint->handshake);
	wsd_mutex_lock(&endpoint->lock);
	endpoint->state = SHM_FAILED;
	endpoint->reason = status;
	endpoint->notice = true;
	wsd_mutex_unlock(&endpoint->lock);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

void shm_accept_failed(struct wsd_endpoint *endpoint, enum wsd_status status)
{
	struct shm_link *link = endpoint->link ? endpoint->link : endpoint->handshake->shared;

	if (status == WSD_EPROTOCOL)
		shm_count(endpoint->queue->device->protocol_errors);
	/* The connector may believe that it is open. */
	atomic_store(&endpoint->peer->gone, SHM_GONE_RESET);
	if (link && !link->lost) {
		shm_inbox_set(link->mailbox.inbox, endpoint->peer_index);
		shm_link_doorbell(link);
	}
	if (endpoint->link)
		endpoint->link->opening = NULL;
	fail(endpoint, status);
}

static void deadline_expired(struct shm_timer *timer)
{
	struct shm_handshake *handshake = wsd_container(timer, struct shm_handshake, deadline);

	if (handshake->endpoint->state == SHM_ACCEPTING)
		shm_accept_failed(handshake->endpoint, WSD_ETIMEDOUT);
	else
		fail(handshake->endpoint, WSD_ETIMEDOUT);
}

static struct shm_handshake *handshake_new(struct wsd_endpoint *endpoint)
{
	struct shm_handshake *handshake = endpoint->queue->host->alloc(sizeof(*handshake));

	if (!handshake)
		return NULL;
	handshake->source.queue = endpoint->queue;
	handshake->source.channel = SHM_NO_CHANNEL;
	handshake->endpoint = endpoint;
	handshake->deadline.expired = deadline_expired;
	wsd_list_init(&handshake->deadline.node);
	wsd_list_init(&handshake->retry.node);
	handshake->active = true;
	endpoint->queue->handshakes++;
	endpoint->handshake = handshake;
	return handshake;
}

static void fill_hello(struct wsd_endpoint *endpoint, struct shm_msg_hello *hello, uint16_t type,
		       const void *data, uint32_t data_length)
{
	memset(hello, 0, sizeof(*hello));
	hello->head = (struct shm_msg){ SHM_MAGIC, SHM_VERSION, type };
	memcpy(hello->engine, endpoint->queue->engine, sizeof(hello->engine));
	hello->index = endpoint->index;
	hello->generation = endpoint->generation;
	hello->recv_depth = endpoint->recv_depth;
	hello->recv_bytes = endpoint->recv_bytes;
	hello->data_length = data_length;
	if (data_length)
		memcpy(hello->data, data, data_length);
}

static enum wsd_status send_hello(struct wsd_endpoint *endpoint, shm_channel channel,
				  const struct shm_msg_hello *hello)
{
	const shm_share shares[2] = { endpoint->queue->inbox_share, endpoint->own_share };

	return shm_os_send(channel, hello, sizeof(*hello), shares, 2);
}

/* Both sides know each other: the connection uses link. */
static void open_endpoint(struct wsd_endpoint *endpoint)
{
	handshake_stop(endpoint->handshake);
	wsd_mutex_lock(&endpoint->lock);
	shm_share_close(&endpoint->own_share);
	endpoint->state = SHM_OPEN;
	endpoint->notice = true;
	endpoint->link_lost = endpoint->link->lost;
	shm_mem_announce(endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	shm_count(endpoint->queue->device->connects);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

static enum wsd_status link_for(const struct wsd_endpoint *endpoint, bool acceptor,
				struct shm_link **link)
{
	const struct shm_handshake *handshake = endpoint->handshake;

	return shm_link_new(endpoint->queue, handshake->engine, acceptor, handshake->fresh_id,
			    link);
}

/* The fresh socket becomes this link, which is the endpoint's then. */
static enum wsd_status link_take_fresh(struct wsd_endpoint *endpoint, struct shm_link *link)
{
	struct shm_handshake *handshake = endpoint->handshake;
	shm_channel channel = handshake->source.channel;
	enum wsd_status status;

	shm_source_remove(&handshake->source);
	handshake->source.channel = SHM_NO_CHANNEL;
	status = shm_link_start(link, channel, &handshake->mailbox);
	if (!status) {
		wsd_mutex_lock(&endpoint->lock);
		shm_link_attach(link, endpoint);
		wsd_mutex_unlock(&endpoint->lock);
	}
	shm_link_put(link);
	return status;
}

static enum wsd_status link_from_fresh(struct wsd_endpoint *endpoint, bool acceptor)
{
	struct shm_link *link;
	enum wsd_status status = link_for(endpoint, acceptor, &link);

	return status ? status : link_take_fresh(endpoint, link);
}

static enum wsd_status send_ack(shm_channel channel, uint64_t id)
{
	struct shm_msg_ack ack = { { SHM_MAGIC, SHM_VERSION, SHM_MSG_ACK }, id };

	return shm_os_send(channel, &ack, sizeof(ack), NULL, 0);
}

static enum wsd_status use_answer(struct wsd_endpoint *endpoint, const struct shm_msg_hello *hello)
{
	struct shm_handshake *handshake = endpoint->handshake;
	struct shm_link *link = NULL;
	enum wsd_status status;

	memcpy(handshake->engine, hello->engine, sizeof(handshake->engine));
	handshake->fresh_id = hello->link_fresh;
	if (hello->link_shared)
		link = shm_link_find(endpoint->queue, hello->engine, false, hello->link_shared);
	shm_mem_count(endpoint);
	/* The acceptor may be of this queue: then it is open when somebody looks behind this connect. */
	endpoint->queue->slept = true;
	if (link) {
		status = send_ack(handshake->source.channel, link->id);
		if (!status) {
			wsd_mutex_lock(&endpoint->lock);
			shm_link_attach(link, endpoint);
			wsd_mutex_unlock(&endpoint->lock);
		}
		return status;
	}
	status = send_ack(handshake->source.channel, handshake->fresh_id);
	return status ? status : link_from_fresh(endpoint, false);
}

static enum wsd_status map_answer(struct wsd_endpoint *endpoint, const struct shm_msg_hello *hello,
				  const shm_share *shares, unsigned count)
{
	struct shm_layout layout;
	enum wsd_status status;
	void *address;

	if (!shm_layout_make(&layout, hello->recv_depth, hello->recv_bytes))
		return WSD_EPROTOCOL;
	if (count != 2)
		return WSD_ENOFILES;
	status = shm_mailbox_attach(&endpoint->handshake->mailbox, shares[0]);
	if (status)
		return status;
	status = shm_share_expect(shares[1], layout.length, &address);
	if (status)
		return status;
	shm_endpoint_set_peer(endpoint, address, &layout, hello);
	return WSD_OK;
}

static enum wsd_status refusal(int32_t status)
{
	switch (status) {
	case WSD_EREFUSED:
	case WSD_ENOLISTENER:
	case WSD_EVERSION:
	case WSD_ENOMEM:
	case WSD_EACCESS:
	case WSD_ERESET:
		return (enum wsd_status)status;
	default:
		return WSD_EPROTOCOL;
	}
}

static enum wsd_status hear_answer(struct wsd_endpoint *endpoint, const union shm_packet *packet,
				   size_t length, const shm_share *shares, unsigned count)
{
	enum wsd_status status;

	if (!length)
		return WSD_ENOLISTENER; /* it closed before it answered */
	if (shm_hello_valid(packet, length, SHM_MSG_REJECT)) {
		endpoint->handshake->hello = packet->hello;
		return refusal(packet->hello.status);
	}
	if (!shm_hello_valid(packet, length, SHM_MSG_ACCEPT))
		return packet->head.magic == SHM_MAGIC && packet->head.version != SHM_VERSION
			       ? WSD_EVERSION
			       : WSD_EPROTOCOL;
	status = map_answer(endpoint, &packet->hello, shares, count);
	if (status)
		return status;
	endpoint->handshake->hello = packet->hello;
	return use_answer(endpoint, &packet->hello);
}

/* The acceptor could not take our descriptors. It did not decide: the request stands. */
static bool ask_again(struct shm_handshake *handshake, const union shm_packet *packet,
		      size_t length)
{
	struct wsd_queue *queue = handshake->source.queue;

	if (!shm_hello_valid(packet, length, SHM_MSG_REJECT) ||
	    packet->hello.status != WSD_ENOFILES)
		return false;
	shm_source_remove(&handshake->source);
	shm_os_close(&handshake->source.channel);
	shm_timer_set(queue, &handshake->retry, queue->host->now() + SHORT_NS);
	return true;
}

static void answer_ready(struct shm_source *source, uint32_t events)
{
	struct shm_handshake *handshake = (struct shm_handshake *)(void *)source;
	struct wsd_endpoint *endpoint = handshake->endpoint;
	union shm_packet packet;
	enum wsd_status status;
	unsigned count = 2;
	size_t length;
	shm_share shares[2];
	bool again;

	(void)events;
	if (source->channel == SHM_NO_CHANNEL)
		return; /* stopped in this round of events */
	status = shm_os_receive(source->channel, &packet, &length, shares, &count);
	if (status == WSD_AGAIN)
		return;
	again = ask_again(handshake, &packet, length);
	if (!again) {
		handshake->hello.data_length = 0;
		status = hear_answer(endpoint, &packet, length, shares, count);
	}
	shm_share_close(&shares[0]);
	shm_share_close(&shares[1]);
	if (again)
		return;
	if (status == WSD_EPROTOCOL)
		shm_count(endpoint->queue->device->protocol_errors);
	if (status)
		fail(endpoint, status);
	else
		open_endpoint(endpoint);
}

/* Whose queue it is cannot be seen while it is full: a stranger's must not hold up the next path. */
static enum wsd_status wait_for_room(struct shm_handshake *handshake)
{
	struct wsd_queue *queue = handshake->endpoint->queue;
	uint64_t now = queue->host->now();

	if (!handshake->full_until)
		handshake->full_until = now + FULL_NS;
	if (now >= handshake->full_until)
		return WSD_ETIMEDOUT;
	shm_timer_set(queue, &handshake->retry, now + RETRY_NS);
	return WSD_OK;
}

static enum wsd_status find_listener(const struct wsd_addr *remote, shm_channel *channel)
{
	struct wsd_addr any = { .family = remote->family, .port = remote->port };
	enum wsd_status status, other;

	status = shm_os_connect(remote, channel);
	/* Anybody can take a name: who did so keeps nobody from the listener for every address. */
	if (status == WSD_ENOLISTENER || status == WSD_EUSER) {
		other = shm_os_connect(&any, channel);
		if (other != WSD_ENOLISTENER)
			status = other;
	}
	return status;
}

static enum wsd_status start_socket(struct shm_handshake *handshake)
{
	struct wsd_endpoint *endpoint = handshake->endpoint;
	enum wsd_status status;
	shm_channel channel;

	status = find_listener(&handshake->remote, &channel);
	if (status == WSD_AGAIN)
		return wait_for_room(handshake);
	if (status)
		return status;
	handshake->full_until = 0;
	handshake->source.channel = channel;
	status = shm_source_add(&handshake->source, SHM_READ);
	if (!status)
		status = send_hello(endpoint, channel, &handshake->hello);
	/* It ended between the connect and the request: nobody has decided. */
	return status == WSD_ERESET ? WSD_ENOLISTENER : status;
}

static void retry_expired(struct shm_timer *timer)
{
	struct shm_handshake *handshake = wsd_container(timer, struct shm_handshake, retry);
	enum wsd_status status = start_socket(handshake);

	if (status)
		fail(handshake->endpoint, status);
}

/* What the application left open is chosen as the kernel does on a host that talks to itself. */
static struct wsd_addr own_address(const struct wsd_addr *local, const struct wsd_addr *remote)
{
	struct wsd_addr own = *remote;

	if (local->family && !shm_address_is_any(local))
		return *local;
	own.port = local->family ? local->port : 0;
	return own;
}

enum wsd_status shm_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			    const struct wsd_addr *remote, const void *data, uint32_t data_length,
			    uint64_t timeout)
{
	struct wsd_queue *queue = endpoint->queue;
	struct shm_handshake *handshake;
	enum wsd_status status;
	uint64_t now;

	if (endpoint->state != SHM_IDLE || endpoint->request)
		return WSD_ESTATE;
	if (data_length > WSD_REQUEST_DATA_MAX || !remote->port ||
	    (local->family != WSD_FAMILY_NONE && local->family != remote->family))
		return WSD_EINVAL;
	status = shm_address_check(remote);
	if (status)
		return status == WSD_EADDRNOTAVAIL ? WSD_EUNREACHABLE : status;
	handshake = handshake_new(endpoint);
	if (!handshake)
		return WSD_ENOMEM;
	handshake->source.ready = answer_ready;
	handshake->retry.expired = retry_expired;
	handshake->local = own_address(local, remote);
	handshake->remote = *remote;
	fill_hello(endpoint, &handshake->hello, SHM_MSG_REQUEST, data, data_length);
	shm_addr_to_wire(&handshake->hello.local, &handshake->local);
	shm_addr_to_wire(&handshake->hello.remote, remote);
	status = start_socket(handshake);
	if (status) {
		shm_handshake_end(endpoint);
		return status;
	}
	now = queue->host->now();
	shm_timer_set(queue, &handshake->deadline,
		      timeout < UINT64_MAX - now ? now + timeout : UINT64_MAX);
	endpoint->state = SHM_CONNECTING;
	return WSD_OK;
}

/* Acceptor, fresh socket beside a link that was offered. */
static enum wsd_status hear_ack(struct wsd_endpoint *endpoint, const union shm_packet *packet,
				size_t length)
{
	struct shm_handshake *handshake = endpoint->handshake;
	struct shm_link *shared = handshake->shared;

	if (!length)
		return WSD_ERESET;
	if (length != sizeof(packet->ack) || packet->head.magic != SHM_MAGIC ||
	    packet->head.version != SHM_VERSION || packet->head.type != SHM_MSG_ACK)
		return WSD_EPROTOCOL;
	if (packet->ack.link == handshake->fresh_id)
		return link_from_fresh(endpoint, true);
	if (packet->ack.link != shared->id)
		return WSD_EPROTOCOL;
	if (shared->lost)
		return WSD_ERESET;
	wsd_mutex_lock(&endpoint->lock);
	shm_link_attach(shared, endpoint);
	wsd_mutex_unlock(&endpoint->lock);
	return WSD_OK;
}

static void ack_ready(struct shm_source *source, uint32_t events)
{
	struct shm_handshake *handshake = (struct shm_handshake *)(void *)source;
	struct wsd_endpoint *endpoint = handshake->endpoint;
	union shm_packet packet;
	enum wsd_status status;
	unsigned count = 0;
	size_t length;

	(void)events;
	if (source->channel == SHM_NO_CHANNEL)
		return;
	status = shm_os_receive(source->channel, &packet, &length, NULL, &count);
	if (status == WSD_AGAIN)
		return;
	status = hear_ack(endpoint, &packet, length);
	if (status)
		shm_accept_failed(endpoint, status);
	else
		open_endpoint(endpoint);
}

void shm_link_acked(struct wsd_endpoint *endpoint)
{
	endpoint->link->opening = NULL;
	open_endpoint(endpoint);
}

/* Everything that the request brought is the endpoint's now. */
static struct shm_handshake *take_over(struct wsd_endpoint *endpoint, struct wsd_request *request)
{
	struct shm_handshake *handshake = handshake_new(endpoint);

	if (!handshake)
		return NULL;
	handshake->source.ready = ack_ready;
	shm_source_remove(&request->source);
	handshake->source.channel = request->source.channel;
	request->source.channel = SHM_NO_CHANNEL;
	shm_mailbox_move(&handshake->mailbox, &request->mailbox);
	memcpy(handshake->engine, request->hello.engine, sizeof(handshake->engine));
	shm_addr_from_wire(&handshake->remote, &request->hello.local);
	shm_addr_from_wire(&handshake->local, &request->hello.remote);
	shm_endpoint_set_peer(endpoint, request->segment, &request->layout, &request->hello);
	request->segment = NULL;
	handshake->fresh_id = ++endpoint->queue->next_link;
	handshake->shared = shm_link_find(endpoint->queue, handshake->engine, true, 0);
	if (handshake->shared)
		handshake->shared->references++;
	return handshake;
}

/* The shares did not go, the status may. ENOFILES would be asked again (ask_again). */
static enum wsd_status cannot_answer(struct wsd_endpoint *endpoint, enum wsd_status status)
{
	shm_send_refusal(endpoint->handshake->source.channel,
			 status == WSD_ENOFILES ? WSD_ERESET : status, NULL, 0);
	return status;
}

static enum wsd_status answer(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length)
{
	struct shm_handshake *handshake = endpoint->handshake;
	struct shm_link *fresh = NULL;
	enum wsd_status status = WSD_OK;

	if (!handshake->shared) /* before the connector hears that all is well */
		status = link_for(endpoint, true, &fresh);
	if (status)
		return cannot_answer(endpoint, status);
	fill_hello(endpoint, &handshake->hello, SHM_MSG_ACCEPT, data, data_length);
	handshake->hello.link_fresh = handshake->fresh_id;
	handshake->hello.link_shared = handshake->shared ? handshake->shared->id : 0;
	shm_mem_count(endpoint);
	status = send_hello(endpoint, handshake->source.channel, &handshake->hello);
	handshake->hello.data_length = 0;
	if (status && fresh)
		shm_link_put(fresh);
	if (status)
		return status == WSD_AGAIN ? WSD_ERESET : cannot_answer(endpoint, status);
	if (!fresh)
		return shm_source_add(&handshake->source, SHM_READ);
	status = link_take_fresh(endpoint, fresh);
	if (!status)
		endpoint->link->opening = endpoint;
	return status;
}

enum wsd_status shm_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length)
{
	struct wsd_request *request = endpoint->request;
	struct wsd_queue *queue = endpoint->queue;
	struct shm_handshake *handshake;
	enum wsd_status status;

	if (!request || endpoint->state != SHM_IDLE)
		return WSD_ESTATE;
	if (data_length > WSD_REPLY_DATA_MAX) {
		shm_reject(request, NULL, 0);
		return WSD_EINVAL;
	}
	handshake = request->state == SHM_REQUEST_GONE ? NULL : take_over(endpoint, request);
	status = request->state == SHM_REQUEST_GONE ? WSD_ERESET : WSD_ENOMEM;
	if (!handshake && status == WSD_ENOMEM)
		shm_send_refusal(request->source.channel, status, NULL, 0);
	shm_request_free(request);
	if (!handshake)
		return status;
	status = answer(endpoint, data, data_length);
	if (status) {
		endpoint->state = SHM_FAILED;
		shm_handshake_end(endpoint);
		return status;
	}
	endpoint->state = SHM_ACCEPTING;
	shm_timer_set(queue, &handshake->deadline, queue->host->now() + ACK_NS);
	return WSD_OK;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_link.c - the channel between two queues that their connections share: announces memory, rings the
 * doorbell, and tells of the peer's death. It closes with its last connection.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define PACKETS_AT_ONCE 64 /* a peer that rings without end keeps nobody from the others */

static void link_ready(struct shm_source *source, uint32_t events);

enum wsd_status shm_link_new(struct wsd_queue *queue, const uint8_t *engine, bool acceptor,
			     uint64_t id, struct shm_link **result)
{
	struct shm_link *link = queue->host->alloc(sizeof(*link));

	if (!link)
		return WSD_ENOMEM;
	link->source.queue = queue;
	link->source.ready = link_ready;
	link->source.channel = SHM_NO_CHANNEL;
	memcpy(link->engine, engine, sizeof(link->engine));
	link->acceptor = acceptor;
	link->id = id;
	link->references = 1;
	wsd_list_init(&link->endpoints);
	wsd_list_init(&link->unsent);
	wsd_list_init(&link->node);
	wsd_mutex_init(&link->lock);
	*result = link;
	return WSD_OK;
}

enum wsd_status shm_link_start(struct shm_link *link, shm_channel channel,
			       struct shm_mailbox *mailbox)
{
	link->source.channel = channel;
	shm_mailbox_move(&link->mailbox, mailbox);
	wsd_list_append(&link->source.queue->links, &link->node);
	shm_queue_linked(link->source.queue);
	return shm_source_add(&link->source, SHM_READ);
}

/* id 0: any. */
struct shm_link *shm_link_find(struct wsd_queue *queue, const uint8_t *engine, bool acceptor,
			       uint64_t id)
{
	struct wsd_list *node;
	struct shm_link *link;

	wsd_list_for_each(node, &queue->links) {
		link = wsd_container(node, struct shm_link, node);
		if (link->acceptor == acceptor && (!id || link->id == id) &&
		    memcmp(link->engine, engine, sizeof(link->engine)) == 0)
			return link;
	}
	return NULL;
}

static void unsent_free(struct shm_link *link)
{
	struct wsd_list *node;
	struct shm_unsent *unsent;

	while ((node = wsd_list_pop(&link->unsent)) != NULL) {
		unsent = wsd_container(node, struct shm_unsent, node);
		shm_share_close(&unsent->share);
		link->source.queue->host->free(unsent);
	}
}

void shm_link_put(struct shm_link *link)
{
	if (--link->references)
		return;
	wsd_list_remove(&link->node);
	unsent_free(link);
	shm_mailbox_detach(&link->mailbox);
	wsd_mutex_fini(&link->lock);
	shm_source_bury(&link->source);
}

void shm_link_attach(struct shm_link *link, struct wsd_endpoint *endpoint)
{
	link->references++;
	endpoint->link = link;
	wsd_list_append(&link->endpoints, &endpoint->link_node);
}

void shm_link_detach(struct wsd_endpoint *endpoint)
{
	struct shm_link *link = endpoint->link;

	if (!link)
		return;
	if (link->opening == endpoint)
		link->opening = NULL;
	endpoint->link = NULL;
	wsd_list_remove(&endpoint->link_node);
	shm_link_put(link);
}

/* The peer is dead or gone: every connection finds out when it is looked at. */
static void link_lost(struct shm_link *link)
{
	struct wsd_list *node;
	struct wsd_endpoint *endpoint;

	if (link->lost)
		return;
	wsd_mutex_lock(&link->lock);
	link->lost = true;
	unsent_free(link);
	wsd_mutex_unlock(&link->lock);
	wsd_list_remove(&link->node);
	shm_source_remove(&link->source);
	if (link->opening)
		shm_accept_failed(link->opening, WSD_ERESET);
	wsd_list_for_each(node, &link->endpoints) {
		endpoint = wsd_container(node, struct wsd_endpoint, link_node);
		wsd_mutex_lock(&endpoint->lock);
		endpoint->link_lost = true;
		wsd_mutex_unlock(&endpoint->lock);
		shm_queue_mark(link->source.queue, endpoint->index);
	}
}

static bool packet_valid(const union shm_packet *packet, size_t length)
{
	if (length < sizeof(packet->head) || packet->head.magic != SHM_MAGIC ||
	    packet->head.version != SHM_VERSION)
		return false;
	if (packet->head.type == SHM_MSG_DOORBELL)
		return length == sizeof(packet->head);
	if (packet->head.type == SHM_MSG_ACK)
		return length == sizeof(packet->ack);
	return length == sizeof(packet->mem) &&
	       (packet->head.type == SHM_MSG_MEM || packet->head.type == SHM_MSG_MEM_FREE);
}

static void act(struct shm_link *link, const union shm_packet *packet, shm_share share)
{
	if (packet->head.type == SHM_MSG_ACK) {
		/* Late, for a connection that was given up: the connector finds its segment closed. */
		if (link->opening && packet->ack.link == link->id)
			shm_link_acked(link->opening);
	} else if (packet->head.type != SHM_MSG_DOORBELL) {
		shm_mem_arrived(link, &packet->mem, share);
	}
}

void shm_link_receive(struct shm_link *link)
{
	struct wsd_queue *queue = link->source.queue;
	union shm_packet packet;
	size_t length;
	unsigned count;
	shm_share shares[2];
	int i;

	link->references++; /* what is received may end its last connection */
	for (i = 0; i < PACKETS_AT_ONCE && !link->lost; i++) {
		count = 2;
		if (shm_os_receive(link->source.channel, &packet, &length, shares, &count) ==
		    WSD_AGAIN)
			break;
		if (!packet_valid(&packet, length)) {
			if (length)
				shm_count(queue->device->protocol_errors);
			link_lost(link);
		} else {
			act(link, &packet, shares[0]);
		}
		shm_share_close(&shares[0]);
		shm_share_close(&shares[1]);
	}
	if (i == PACKETS_AT_ONCE)
		queue->slept = true; /* there may be more: look again at once */
	shm_link_put(link);
}

/* Under the link's lock: keep the order, stop where the socket is full. */
static enum wsd_status flush(struct shm_link *link)
{
	struct shm_unsent *unsent;
	enum wsd_status status;

	while (!wsd_list_empty(&link->unsent)) {
		unsent = wsd_container(link->unsent.next, struct shm_unsent, node);
		status =
			shm_os_send(link->source.channel, &unsent->message, sizeof(unsent->message),
				    &unsent->share, unsent->share != SHM_NO_SHARE);
		if (status == WSD_AGAIN || status == WSD_ENOFILES || status == WSD_ENOMEM)
			return WSD_AGAIN;
		wsd_list_remove(&unsent->node);
		shm_share_close(&unsent->share);
		link->source.queue->host->free(unsent);
	}
	return WSD_OK;
}

static void link_ready(struct shm_source *source, uint32_t events)
{
	struct shm_link *link = (struct shm_link *)(void *)source;

	if (events & SHM_WRITE) {
		wsd_mutex_lock(&link->lock);
		if (flush(link) == WSD_OK)
			shm_source_change(source, SHM_READ);
		wsd_mutex_unlock(&link->lock);
	}
	if (events & SHM_READ)
		shm_link_receive(link);
}

/* Any thread. share is the link's from here on. */
enum wsd_status shm_link_send(struct shm_link *link, const struct shm_msg_mem *message,
			      shm_share share)
{
	struct shm_unsent *unsent = link->source.queue->host->alloc(sizeof(*unsent));

	if (!unsent) {
		shm_share_close(&share);
		return WSD_ENOMEM;
	}
	unsent->message = *message;
	unsent->share = share;
	wsd_mutex_lock(&link->lock);
	wsd_list_append(&link->unsent, &unsent->node);
	if (link->lost)
		unsent_free(link);
	else if (flush(link) == WSD_AGAIN)
		shm_source_change(&link->source, SHM_READ | SHM_WRITE);
	wsd_mutex_unlock(&link->lock);
	return WSD_OK;
}

void shm_link_doorbell(struct shm_link *link)
{
	struct shm_inbox *inbox = link->mailbox.inbox;

	if (atomic_load(&inbox->armed) == 0 || atomic_exchange(&inbox->armed, 0) == 0)
		return;
	shm_count(link->source.queue->device->doorbells);
	shm_mailbox_ring(&link->mailbox, link->source.channel);
}

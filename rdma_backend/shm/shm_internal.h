/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shm_internal.h - objects of the shm backend inside one process.
 *
 * Locks, in order: endpoint, then link or region table (leaves). Queue, listener, request, handshake
 * and link lists belong to the queue's owner thread and have none. Post takes only its endpoint's.
 */
#ifndef WSD_SHM_INTERNAL_H
#define WSD_SHM_INTERNAL_H

#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_os.h"
#include "rdma_backend/shm/shm_wire.h"

struct wsd_device {
	const struct wsd_host *host;
	uint64_t *protocol_errors;
	uint64_t *doorbells;
	uint64_t *connects;
};

/* Something in the set. First member of its owner; buried, not freed, because the same round of events may
 * still name it. */
struct shm_source {
	struct shm_source *next_dead;
	void (*ready)(struct shm_source *source, uint32_t events);
	struct wsd_queue *queue;
	shm_channel channel;
};

struct shm_timer {
	struct wsd_list node; /* in queue->timers, by time; to itself = not set */
	uint64_t when;
	void (*expired)(struct shm_timer *timer);
};

struct wsd_queue {
	struct wsd_device *device;
	const struct wsd_host *host;
	void *context;
	uint8_t engine[16];
	struct shm_inbox *inbox; /* written by every peer */
	shm_share inbox_share;
	struct shm_inbox *marks; /* the same by threads of this process: no peer can undo it */
	struct shm_set *set;
	struct wsd_list timers;
	struct wsd_list links;
	struct wsd_list listeners;
	struct wsd_list reports; /* struct wsd_request with an event to report */
	struct shm_source *dead;
	uint64_t next_link;
	uint32_t handshakes; /* sockets on which an answer is due */
	uint32_t listener_count;
	uint32_t polls;
	uint64_t look_at; /* when the channels are looked at again */
	bool slept; /* armed since the last poll, or more is known to come: look at the channels now */
	uint32_t generation;
	struct wsd_endpoint *watched; /* its ring is looked at in each poll */
	uint32_t streak_index,
		streak; /* the endpoint that had news alone, and how often in a row */

	struct wsd_endpoint **endpoints;
	uint32_t endpoint_capacity;
	uint32_t free_index; /* no free index below */

	/* Endpoints to be looked at, all that were marked at one moment: nobody is passed over. */
	uint32_t *round; /* room for two of each endpoint */
	uint32_t round_next, round_count;
	struct shm_timer sweep;

	struct wsd_mutex region_lock;
	struct shm_region **regions; /* with remote rights, by index in the key */
	uint32_t region_capacity;
};

/* A socket to one other queue, for one direction of connecting. Counted by its endpoints. */
struct shm_link {
	struct shm_source source;
	struct wsd_list node;	   /* in queue->links while alive */
	struct wsd_list endpoints; /* wsd_endpoint.link_node */
	uint8_t engine[16];
	uint64_t id; /* given by the acceptor */
	bool acceptor;
	bool lost;
	uint32_t references;
	struct wsd_endpoint *opening; /* acceptor: its socket still owes us this one's ACK */
	struct shm_mailbox mailbox;   /* of the peer */
	struct wsd_mutex lock;	      /* the queue of unsent messages */
	struct wsd_list unsent;	      /* struct shm_unsent */
};

struct shm_unsent {
	struct wsd_list node;
	struct shm_msg_mem message;
	shm_share share;
};

struct wsd_listener_ep {
	struct shm_source source;
	struct wsd_list node;
	struct wsd_list requests;
	struct shm_timer retry; /* after descriptors ran out */
	void *context;
	uint32_t backlog;
	uint32_t pending; /* reported, not answered */
	uint32_t silent;  /* accepted sockets that have not said anything */
};

enum shm_request_state {
	SHM_REQUEST_SILENT,
	SHM_REQUEST_NEW,
	SHM_REQUEST_REPORTED,
	SHM_REQUEST_GONE
};

struct wsd_request {
	struct shm_source source;
	struct wsd_list node;	/* listener->requests */
	struct wsd_list report; /* queue->reports */
	struct wsd_listener_ep *listener;
	struct wsd_endpoint *endpoint; /* made for it */
	enum shm_request_state state;
	struct shm_msg_hello hello;
	struct shm_mailbox mailbox;
	struct shm_segment *segment;
	struct shm_layout layout;
};

/* The fresh socket of an endpoint until it is open. Both sides. */
struct shm_handshake {
	struct shm_source source;
	struct shm_timer deadline;
	struct shm_timer retry; /* the listener's kernel queue was full */
	uint64_t full_until;	/* how long it may be so; 0: it is not */
	struct wsd_endpoint *endpoint;
	struct shm_link *shared; /* acceptor: offered, pinned */
	uint64_t fresh_id;
	struct wsd_addr local, remote;
	struct shm_msg_hello hello; /* connector: the request, then the answer */
	struct shm_mailbox mailbox; /* of the peer, until a link has it */
	uint8_t engine[16];	    /* of the peer */
	bool active;		    /* counted in queue->handshakes */
};

struct shm_region {
	struct wsd_region base; /* first: what the provider sees */
	struct wsd_queue *queue;
	uint32_t bound; /* reg: generation of the one endpoint whose peer reaches it; 0 = any */
	/* mem_alloc: */
	struct wsd_endpoint *endpoint;
	struct wsd_list node; /* endpoint->mem */
	shm_share share;      /* what can be given is given when it is announced */
	bool freed;	      /* freed before it could be announced */
	bool bounce;
};

/* A region of the peer, mapped here: our own copy of what it may be used for. */
struct shm_peer_mem {
	uint32_t key;
	uint32_t access;
	uint64_t length;
	uint8_t *base;
};

struct shm_op {
	uint64_t id;
	uint64_t remote_addr;
	const struct wsd_sge *sge;
	uint32_t sge_count;
	uint32_t remote_key;
	uint32_t op;
	uint32_t flags;
	uint32_t imm;
	uint32_t length;
};

/* Work that could not be carried out inside post_send. */
struct shm_work {
	struct shm_work *next;
	struct shm_op op;
	uint32_t issued; /* bytes handed to the target's engine */
	uint32_t acked;
	bool remote;
	bool issued_all;
	bool plain;	       /* nothing follows: for work_spare */
	struct wsd_sge sge[1]; /* sge_count of them; payload copies follow */
};

struct shm_piece {
	struct shm_work *work; /* NULL = free */
	uint32_t offset, length;
};

struct shm_bounce {
	struct shm_region *region;
	struct shm_piece piece[SHM_BOUNCE_PIECES];
};

struct shm_recv {
	uint64_t id;
	void *addr;
	uint32_t length;
};

struct shm_sent {
	uint64_t id;
	uint32_t bytes;
	int32_t status;
};

/* How large writes are copied, and the cost of both ways, cached and streamed, in ns for 64 KiB. */
struct shm_choice {
	uint64_t spent,
		due;	  /* ns since the last trial, until the next one; within one: its price */
	uint64_t lap;	  /* bytes until the costs of the way in use are its own */
	uint32_t cost[2]; /* 0: not known */
	uint32_t copies;
	uint32_t trial; /* of the other way: samples still to be taken */
	bool streamed;
};

enum shm_state {
	SHM_IDLE,
	SHM_CONNECTING, /* connector: request sent */
	SHM_ACCEPTING,	/* acceptor: answer sent */
	SHM_OPEN,
	SHM_FAILED, /* event due or delivered */
	SHM_BROKEN, /* what has arrived is still delivered, then WSD_EV_DISCONNECTED */
	SHM_DEAD    /* WSD_EV_DISCONNECTED was delivered */
};

struct wsd_endpoint {
	struct wsd_mutex lock;
	struct wsd_queue *queue;
	void *context;
	struct shm_handshake *handshake;
	struct wsd_request *request;
	uint32_t index, generation;
	uint32_t peer_index, peer_generation;
	enum shm_state state;
	enum wsd_status reason; /* of FAILED or BROKEN */
	bool notice;		/* CONNECTED or CONNECT_FAILED is due */
	bool closing;		/* disconnect was called */
	bool closed;		/* our DISCONNECT is in the peer's ring */
	bool peer_done;		/* its DISCONNECT was seen */
	bool waiting;		/* our word "waits" is set at the peer */
	bool entries;		/* the peer has entries that were not announced, */
	bool news;		/* or other news, which only the inbox tells */
	bool link_lost;
	bool deaf; /* nothing more is taken from the ring */
	uint32_t send_depth, recv_depth, recv_bytes, max_send_sge;

	/* incoming: our segment */
	struct shm_segment *own;
	struct shm_cqe *own_cq;
	struct shm_rqe *own_rq;
	struct shm_layout own_layout;
	shm_share own_share; /* until given to the peer */
	uint32_t cq_head;
	uint32_t rq_head, rq_tail;
	struct shm_recv *recvs; /* rq_size of them */

	/* outgoing: the peer's segment */
	struct shm_segment *peer;
	struct shm_cqe *peer_cq;
	struct shm_rqe *peer_rq;
	struct shm_layout peer_layout;
	uint32_t cq_tail, cq_taken; /* position; the peer's cq_head as last seen */
	uint32_t rq_next, rq_seen;

	struct shm_work *work_first, **work_end; /* in order */
	struct shm_work *work_issue;		 /* first that is not issued_all, or NULL */
	struct shm_work *work_spare;		 /* done, of one element and without payload */
	uint32_t outstanding;			 /* works and unreported completions */
	struct shm_sent *sent; /* ring of sent_size, for as many as are outstanding; grows */
	uint32_t sent_head, sent_tail, sent_size;

	struct shm_link *link;
	struct wsd_list link_node;

	struct shm_region area; /* of our segment; endpoint set: it was given out */
	struct wsd_list mem;
	uint32_t mem_count, mem_next;
	uint32_t mem_sent;  /* announced, or counted at the peer to be announced */
	bool mem_counted;   /* the peer's segment has our count */
	bool mem_announced; /* the link is there: announce at once */
	struct shm_peer_mem *peer_mem;
	uint32_t peer_mem_count, peer_mem_capacity, mem_seen;
	struct shm_bounce *bounce;
	struct shm_choice choice;
};

/* A completion entry, copied out once. */
struct shm_entry {
	uint32_t type, length, imm, key, tag;
	uint64_t address;
};

struct shm_sink {
	struct wsd_event *events;
	uint32_t count, limit;
};

/* shm.c */
void shm_count(uint64_t *counter);

/* shm_wire.c */
enum wsd_status shm_share_expect(shm_share share, size_t length, void **address);
enum wsd_status shm_mailbox_attach(struct shm_mailbox *mailbox, shm_share share);
void shm_mailbox_detach(struct shm_mailbox *mailbox); /* if it is attached */
void shm_mailbox_move(struct shm_mailbox *to, struct shm_mailbox *from);
/* The name that this user's listener at addr has. */
void shm_name_make(char *name, size_t size, const char *user, const struct wsd_addr *addr);
bool shm_address_is_any(const struct wsd_addr *addr);
bool shm_address_is_group(const struct wsd_addr *addr);
bool shm_hello_valid(const union shm_packet *packet, size_t length, uint16_t type);
void shm_addr_to_wire(struct shm_wire_addr *wire, const struct wsd_addr *addr);
void shm_addr_from_wire(struct wsd_addr *addr, const struct shm_wire_addr *wire);

/* shm_inbox.c */
void shm_inbox_set(struct shm_inbox *inbox, uint32_t index);
bool shm_inbox_empty(struct shm_inbox *inbox);
/* Up to count indexes that were set; the rest stays set. */
uint32_t shm_inbox_take(struct shm_inbox *inbox, uint32_t *indexes, uint32_t count);

/* shm_queue.c */
enum wsd_status shm_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				 struct wsd_queue **queue);
void shm_queue_destroy(struct wsd_queue *queue);
uint32_t shm_queue_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count);
enum wsd_status shm_queue_arm(struct wsd_queue *queue);
void shm_queue_disarm(struct wsd_queue *queue);
wsd_wait_object shm_queue_wait_object(struct wsd_queue *queue);
enum wsd_status shm_source_add(struct shm_source *source, uint32_t events);
void shm_source_change(struct shm_source *source, uint32_t events);
void shm_source_remove(struct shm_source *source); /* from the set; the descriptor stays open */
void shm_source_bury(struct shm_source *source);   /* remove, close, free later */
void shm_timer_set(struct wsd_queue *queue, struct shm_timer *timer, uint64_t when);
void shm_timer_cancel(struct shm_timer *timer);
/* Make the next poll look at the endpoint; from any thread. */
void shm_queue_mark(struct wsd_queue *queue, uint32_t index);
struct wsd_endpoint *shm_queue_endpoint(struct wsd_queue *queue, uint32_t index);
enum wsd_status shm_queue_grow(struct wsd_queue *queue);
/* There is a new link. */
void shm_queue_linked(struct wsd_queue *queue);
struct wsd_event *shm_sink_next(struct shm_sink *sink);

/* shm_watch.c: owner only */
void shm_watch_look(struct wsd_queue *queue, struct shm_sink *sink, bool alone);
void shm_watch_found(struct wsd_queue *queue, uint32_t index);
void shm_watch_end(struct wsd_endpoint *endpoint); /* if it is watched */

/* shm_link.c */
enum wsd_status shm_link_new(struct wsd_queue *queue, const uint8_t *engine, bool acceptor,
			     uint64_t id, struct shm_link **link);
/* Give the link its channel and the peer's mailbox; both are the link's from then on. */
enum wsd_status shm_link_start(struct shm_link *link, shm_channel channel,
			       struct shm_mailbox *mailbox);
struct shm_link *shm_link_find(struct wsd_queue *queue, const uint8_t *engine, bool acceptor,
			       uint64_t id);
void shm_link_attach(struct shm_link *link, struct wsd_endpoint *endpoint);
void shm_link_detach(struct wsd_endpoint *endpoint);
void shm_link_put(struct shm_link *link);
enum wsd_status shm_link_send(struct shm_link *link, const struct shm_msg_mem *message,
			      shm_share share);
void shm_link_receive(struct shm_link *link);
void shm_link_doorbell(struct shm_link *link);

/* shm_listen.c */
enum wsd_status shm_listen(struct wsd_queue *queue, const struct wsd_addr *local, uint32_t backlog,
			   void *context, struct wsd_listener_ep **listener);
void shm_listener_destroy(struct wsd_listener_ep *listener);
void shm_reject(struct wsd_request *request, const void *data, uint32_t data_length);
void shm_request_free(struct wsd_request *request);
/* To the connector whose request came by this channel. */
void shm_send_refusal(shm_channel channel, enum wsd_status status, const void *data,
		      uint32_t data_length);
void shm_requests_report(struct wsd_queue *queue, struct shm_sink *sink);

/* shm_connect.c */
enum wsd_status shm_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			    const struct wsd_addr *remote, const void *data, uint32_t data_length,
			    uint64_t timeout);
enum wsd_status shm_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length);
/* Acceptor, the link's own socket: the connector's answer, or its death. */
void shm_link_acked(struct wsd_endpoint *endpoint);
void shm_accept_failed(struct wsd_endpoint *endpoint, enum wsd_status status);
void shm_handshake_end(struct wsd_endpoint *endpoint);

/* shm_endpoint.c */
bool shm_layout_make(struct shm_layout *layout, uint32_t recv_depth, uint32_t recv_bytes);
enum wsd_status shm_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				    const struct wsd_endpoint_attr *attr, void *context,
				    struct wsd_endpoint **endpoint);
void shm_endpoint_destroy(struct wsd_endpoint *endpoint);
enum wsd_status shm_disconnect(struct wsd_endpoint *endpoint);
void shm_endpoint_set_peer(struct wsd_endpoint *endpoint, struct shm_segment *segment,
			   const struct shm_layout *layout, const struct shm_msg_hello *hello);
/* Address of the first byte of a mem_alloc region, for the peer. */
#define SHM_MEM_ADDR (UINT64_C(1) << 32)

/* [locked] Stop using the connection; the peer and the provider are told. */
void shm_break(struct wsd_endpoint *endpoint, enum wsd_status reason);
void shm_violation(struct wsd_endpoint *endpoint, const char *what);

/* shm_post.c: [locked] unless said otherwise */
enum wsd_status shm_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
			      uint32_t *posted); /* takes the lock */
enum wsd_status shm_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
			      uint32_t *posted); /* takes the lock */
void shm_work_acked(struct wsd_endpoint *endpoint, const struct shm_entry *entry);
void shm_work_drop(struct wsd_endpoint *endpoint);
void shm_work_progress(struct wsd_endpoint *endpoint);
void shm_close_when_done(struct wsd_endpoint *endpoint);
void shm_announce(struct wsd_endpoint *endpoint);

/* shm_ring.c: [locked] */
enum wsd_status shm_ring_push(struct wsd_endpoint *endpoint, const struct shm_entry *entry);
enum wsd_status shm_execute(struct wsd_endpoint *endpoint, const struct shm_op *op);
enum wsd_status shm_push_imm(struct wsd_endpoint *endpoint, const struct shm_op *op);

/* shm_copy.c */
void shm_gather(const struct shm_op *op, uint32_t offset, void *to, uint32_t length);
void shm_scatter(const struct shm_op *op, uint32_t offset, const void *from, uint32_t length);
/* Which way the next copy takes. timed: shm_choice_learn has to be told how long it took. */
bool shm_choice_next(struct shm_choice *choice, uint64_t ring, bool *timed);
void shm_choice_learn(struct shm_choice *choice, uint64_t ring, uint64_t ns, uint32_t length);
/* [locked] All of op to mem of the peer, the way that is faster now. */
void shm_copy_write(struct wsd_endpoint *endpoint, const struct shm_op *op,
		    const struct shm_peer_mem *mem);

/* shm_progress.c: takes the lock. False: there is more than the sink could hold. */
bool shm_endpoint_progress(struct wsd_endpoint *endpoint, struct shm_sink *sink);

/* shm_memory.c */
enum wsd_status shm_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			uint64_t id, struct wsd_region **region);
void shm_dereg(struct wsd_region *region);
enum wsd_status shm_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			      struct wsd_region **region);
void shm_mem_free(struct wsd_region *region);
void shm_bind(struct wsd_region *region, struct wsd_endpoint *endpoint);
enum wsd_status shm_mem_new(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			    bool bounce, struct shm_region **region); /* [locked] */
void shm_mem_count(struct wsd_endpoint *endpoint);    /* the peer's segment is there */
void shm_mem_announce(struct wsd_endpoint *endpoint); /* [locked] the link is there */
void shm_mem_arrived(struct shm_link *link, const struct shm_msg_mem *message, shm_share share);
void shm_mem_clear(struct wsd_endpoint *endpoint);
bool shm_mem_due(const struct wsd_endpoint
			 *endpoint); /* the link has news of regions that we have not read */
struct shm_peer_mem *shm_peer_mem_find(struct wsd_endpoint *endpoint, uint32_t key);
/* Copy between a registered region and memory if key, connection, rights and range allow. */
bool shm_region_access(struct wsd_endpoint *endpoint, const struct shm_entry *entry, void *bounce);

#endif

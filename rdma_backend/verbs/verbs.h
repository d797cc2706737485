/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs.h - the objects of the verbs backend (libibverbs and librdmacm) and what its files offer each
 * other. One wsd_device is one adapter with all its ports.
 *
 * There is no lock: everything of a queue belongs to its owner, but for what post_send and post_recv
 * touch. Those write the rings of ids and count up `posted`, which is theirs; the owner reads the ids
 * of work that has completed and counts up `done`. libibverbs itself may be called by any thread.
 *
 * Queue pairs are made with libibverbs, not by librdmacm: so receives can be posted before an address
 * is resolved. librdmacm then leaves their states to us and reports CONNECT_RESPONSE.
 */
#ifndef WSD_VERBS_H
#define WSD_VERBS_H

#include <stdatomic.h>

#include <pthread.h>

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <openwsd/backend.h>

#include "rdma_backend/base/list.h"
#include "rdma_backend/verbs/verbs_wire.h"

#define VERBS_BATCH	 32u /* completions taken from the device at once */
#define VERBS_CHAIN	 16u /* requests of one doorbell */
#define VERBS_SGE	 4u
#define VERBS_SEND_DEPTH 61u /* with two of our own and the one that rings keep free: 64 */
#define VERBS_RECV_DEPTH 256u
#define VERBS_INLINE	 256u
#define VERBS_READS	 8u /* outstanding on one connection */
#define VERBS_CQS	 64u
#define VERBS_DATA_SLOTS 8u	       /* events with private data of one poll */
#define VERBS_DRAIN_NS	 1000000000ull /* longest wait for what a destroyed connection still has */
#define VERBS_ADDRESSES	 64u
#define VERBS_MS	 1000000ull
#define VERBS_WAKES_LOOK 16u	     /* see verbs_disarm */
#define VERBS_CHECK_NS	 20000000ull /* how often unanswered requests are looked at */
#define VERBS_CHECK_MOST 8u	     /* and how many of them */
#define VERBS_CHOSEN	 0x100u

struct verbs_counters {
	uint64_t *protocol_errors, *access_errors, *connects, *accepts, *not_drained;
	uint64_t *posts, *works, *arms;
};

struct wsd_device {
	const struct wsd_host *host;
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct rdma_event_channel *probe; /* for ids that are only bound */
	struct verbs_counters counters;
	pthread_mutex_t lock; /* of the addresses last seen */
	struct wsd_addr seen[VERBS_ADDRESSES];
	uint32_t seen_count;
	uint32_t max_send, max_recv, max_sge, max_inline, max_bytes, max_cqe;
	uint64_t speed; /* of its ports; 0: unknown */
	uint8_t max_read_out, max_read_in;
	uint8_t port;	     /* one that works, until the route of a connection is known */
	uint8_t ack_timeout; /* 0: what the connection manager computes */
	uint8_t rnr_timer;
	uint64_t answer_limit; /* of a connect, for any sign of life; 0: none */
	bool immediate;
	bool loses_work; /* when its link goes down: see link_lost */
	atomic_bool gone;
};

/* What the context of an rdma_cm_id points at; the first member of its object. */
enum verbs_source_kind { VERBS_LISTENER, VERBS_REQUEST, VERBS_ENDPOINT, VERBS_PROBE };
struct verbs_source {
	enum verbs_source_kind kind;
};

struct verbs_region {
	struct wsd_region pub;
	struct ibv_mr *mr;
	struct wsd_device *device;
	struct wsd_list link;	       /* in the endpoint's memory, for mem_alloc */
	struct wsd_endpoint *endpoint; /* of that, else NULL */
	void *block;		       /* what to free */
};

/* Words in which peers say goodbye, and beside each the source of what we say to that peer, which no peer can reach. */
struct verbs_page {
	struct verbs_page *next;
	struct ibv_mr *word_mr, *source_mr;
	_Atomic uint64_t *words;
	uint64_t *sources;
	uint16_t free_count;
	uint16_t free_words[];
};

struct verbs_word {
	struct verbs_page *page;
	uint16_t index;
};

struct verbs_cq {
	struct ibv_cq *cq;
	uint32_t capacity, used; /* completions: of the queue; that its connections can have */
	bool notify;		 /* a notification is asked for and has not been taken */
	bool stirred;		 /* completions came since: it may have fired */
};

/* From the number in a completion to its connection. */
struct verbs_slot {
	struct wsd_endpoint *endpoint; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

/* The events of one poll call. */
struct verbs_sink {
	struct wsd_event *events;
	uint32_t count, used;
};

struct wsd_queue {
	struct wsd_device *device;
	void *context;
	int set, timer;
	struct ibv_comp_channel *channel;
	struct rdma_event_channel *cm;
	struct verbs_cq cqs[VERBS_CQS];
	unsigned cq_count, cq_next;
	unsigned notifies; /* CQs with notify */
	struct verbs_slot *slots;
	uint32_t slot_count, slot_free;
	struct verbs_page *pages;
	struct wsd_list ended;	 /* endpoints with a DISCONNECTED to report */
	struct wsd_list waiting; /* endpoints with a deadline: connecting or drained */
	struct wsd_list listeners;
	struct wsd_list requests; /* of all listeners: unanswered, longest unchecked first */
	uint64_t check;		  /* when to look at them; 0: there are none */
	uint64_t timer_set;	  /* UINT64_MAX: not set */
	uint64_t looked;	  /* when everything but completions was looked at */
	uint64_t calm;		  /* when a look last left no event behind */
	unsigned polls, wakes;
	bool look; /* there may be something: look at once */
	bool gone, report_gone;
	uint32_t wc_at, wc_count;
	struct ibv_wc wc[VERBS_BATCH];
	unsigned data_used;
	uint8_t data[VERBS_DATA_SLOTS][WSD_REPLY_DATA_MAX];
};

struct verbs_listen_id {
	struct verbs_source source;
	struct wsd_listener_ep *listener;
	struct rdma_cm_id *id; /* NULL: a listener on just this address has it */
	struct wsd_addr addr;
};

struct wsd_listener_ep {
	struct wsd_queue *queue;
	void *context;
	struct wsd_list link; /* in queue->listeners */
	uint32_t backlog, reported;
	struct wsd_list requests;
	bool wildcard;
	unsigned count;
	struct verbs_listen_id ids[];
};

struct wsd_request {
	struct verbs_source source;
	struct wsd_listener_ep *listener;
	struct rdma_cm_id *id;
	struct wsd_list link;	    /* in listener->requests */
	struct wsd_list unanswered; /* in queue->requests */
	struct verbs_greeting greeting;
	uint8_t reads_out, reads_in; /* READs: that the peer can answer, that it wants to post */
	bool gone;
};

enum verbs_state {
	VERBS_IDLE,
	VERBS_CONNECTING,
	VERBS_ACCEPTING,
	VERBS_OPEN,
	VERBS_CLOSING, /* disconnect was called; the goodbye is under way */
	VERBS_ENDED,
	VERBS_DRAINING /* destroyed by its owner; freed when the device has let go of its work */
};

/* Of a connect that has heard nothing: a request that must be refused. */
struct verbs_probe {
	struct verbs_source source;
	struct rdma_cm_id *id; /* NULL: none under way */
	bool sent;
};

struct wsd_endpoint {
	struct verbs_source source;
	struct wsd_queue *queue;
	void *context;
	struct ibv_qp *qp;
	struct verbs_cq *cq;
	struct rdma_cm_id *id;
	struct wsd_request *request;
	_Atomic(enum verbs_state) state;
	enum wsd_status end_status;
	struct wsd_list ended;	 /* in queue->ended */
	struct wsd_list waiting; /* in queue->waiting */
	uint64_t deadline;
	uint64_t limit; /* of the whole connect */
	struct verbs_probe probe;
	struct wsd_list memory; /* struct verbs_region */
	struct verbs_word word;
	struct verbs_greeting peer;
	uint64_t hears,
		says;  /* the goodbyes of this connection: the peer's and ours; 0: not known yet */
	uint64_t tag;  /* of its completions: slot and generation */
	uint32_t need; /* completions that it can have at once */
	uint32_t send_depth, send_mask, recv_depth, recv_mask, recv_bytes, max_send_sge;
	_Atomic uint32_t tx_posted; /* written by whoever posts */
	uint32_t rx_posted;
	_Atomic uint32_t tx_done, rx_done;
	uint64_t *tx_ids, *rx_ids;
	_Atomic uint32_t tos; /* with VERBS_CHOSEN, or 0: what the connection manager says */
	uint8_t tries;	      /* see verbs_answer_overdue */
	uint8_t data_length;
	uint8_t data[VERBS_GREETING + WSD_REQUEST_DATA_MAX];
	bool asked;  /* the request has been sent */
	bool linked; /* the connection manager knows a connection that must be disconnected */
	bool ready;  /* the queue pair has been made ready to receive */
	bool parted; /* the connection manager has heard from the peer that it is over */
	bool tx_drained, rx_drained;
	bool tagged;
	uint64_t ids[]; /* of tx_ids, then of rx_ids */
};

/* verbs_backend.c */
enum wsd_status verbs_status(int error); /* of errno */
void verbs_count(uint64_t *counter);
void verbs_count_more(uint64_t *counter, uint64_t n);

/* verbs_addr.c */
union verbs_sockaddr {
	struct sockaddr generic;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
void verbs_to_sockaddr(union verbs_sockaddr *sa, const struct wsd_addr *addr);
void verbs_from_sockaddr(struct wsd_addr *addr, const struct sockaddr *sa);
bool verbs_is_any(const struct wsd_addr *addr);
bool verbs_is_link_local(const struct wsd_addr *addr);
uint32_t verbs_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count);
/* The address from which the system would send there; no packet leaves. local may be NULL. */
enum wsd_status verbs_source_of(const struct wsd_addr *local, const struct wsd_addr *remote,
				struct wsd_addr *source);
enum wsd_status verbs_reachable(struct wsd_device *device, const struct wsd_addr *local,
				const struct wsd_addr *remote);
bool verbs_same_device(const struct wsd_device *device, const struct rdma_cm_id *id);
/* WSD_EADDRINUSE: another id has the port, of this process or of any other on this host. */
enum wsd_status verbs_bind(struct wsd_device *device, struct rdma_cm_id *id,
			   const struct wsd_addr *addr);

/* verbs_queue.c */
enum wsd_status verbs_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				   struct wsd_queue **queue);
void verbs_queue_destroy(struct wsd_queue *queue);
uint32_t verbs_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count);
enum wsd_status verbs_arm(struct wsd_queue *queue);
void verbs_disarm(struct wsd_queue *queue);
wsd_wait_object verbs_wait_object(struct wsd_queue *queue);
bool verbs_busy(struct wsd_queue *queue);
bool verbs_sink_full(const struct verbs_sink *sink);
struct wsd_event *verbs_sink_add(struct verbs_sink *sink, enum wsd_event_type type, void *context,
				 enum wsd_status status);
/* Copy private data to where an event may show it until the next poll. */
void verbs_sink_data(struct wsd_queue *queue, struct wsd_event *event, const void *data,
		     uint32_t length);
void verbs_deadline(struct wsd_endpoint *endpoint, uint64_t when);

/* verbs_cq.c */
#define VERBS_WORK_SEND	   0u
#define VERBS_WORK_RECV	   1u
#define VERBS_WORK_GOODBYE 2u /* last work of a disconnect */
#define VERBS_WORK_DRAIN   3u /* last work of a destroyed queue pair; number 0 send, 1 receive */
static inline uint64_t verbs_wr_id(const struct wsd_endpoint *endpoint, unsigned kind,
				   uint32_t number)
{
	return (uint64_t)kind << 62 | endpoint->tag | number;
}
/* Room for the completions of one connection. WSD_EREGISTER: the device has no more. */
enum wsd_status verbs_cq_reserve(struct wsd_queue *queue, uint32_t need, struct verbs_cq **cq);
enum wsd_status verbs_cq_add(struct wsd_queue *queue, uint32_t depth);
enum wsd_status verbs_slot_take(struct wsd_queue *queue, struct wsd_endpoint *endpoint);
void verbs_slot_give(struct wsd_queue *queue, struct wsd_endpoint *endpoint);
bool verbs_cq_fill(struct wsd_queue *queue); /* are there completions to hand out? */
/* True: none are left. */
bool verbs_completions(struct wsd_queue *queue, struct verbs_sink *sink);
enum wsd_status verbs_cq_arm(struct wsd_queue *queue);
bool verbs_cq_disarm(struct wsd_queue *queue); /* true: it was a completion that woke */
void verbs_gone(struct wsd_queue *queue);      /* the adapter was removed */

/* verbs_cm.c */
/* False: there was no event. */
bool verbs_cm_event(struct wsd_queue *queue, struct verbs_sink *sink);

/* verbs_connect.c */
enum wsd_status verbs_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			      const struct wsd_addr *remote, const void *data, uint32_t data_length,
			      uint64_t timeout);
void verbs_connect_event(struct wsd_endpoint *endpoint, const struct rdma_cm_event *event,
			 struct verbs_sink *sink);
void verbs_connect_expired(struct wsd_endpoint *endpoint, uint64_t now, struct verbs_sink *sink);
void verbs_connect_failed(struct wsd_endpoint *endpoint, struct verbs_sink *sink,
			  enum wsd_status status, const void *data, uint32_t length);
/* To ready-to-send, by what the connection manager knows. */
enum wsd_status verbs_qp_connect(struct wsd_endpoint *endpoint);
void verbs_set_traffic_class(struct wsd_endpoint *endpoint, uint32_t traffic_class);
void verbs_opened(struct wsd_endpoint *endpoint, struct verbs_sink *sink, const void *data,
		  uint32_t length);

/* verbs_probe.c */
void verbs_answer_begin(struct wsd_endpoint *endpoint, uint64_t now, uint64_t timeout);
/* The deadline of a connect has passed. WSD_PENDING: it may go on, and has another one. WSD_ENOANSWER: not even
 * the peer's connection manager answers. WSD_ETIMEDOUT: no time is left. */
enum wsd_status verbs_answer_overdue(struct wsd_endpoint *endpoint, uint64_t now);
void verbs_probe_event(struct verbs_probe *probe, const struct rdma_cm_event *event);
void verbs_probe_end(struct verbs_probe *probe);

/* verbs_listen.c */
enum wsd_status verbs_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			     uint32_t backlog, void *context, struct wsd_listener_ep **listener);
void verbs_listener_destroy(struct wsd_listener_ep *listener);
void verbs_request_arrived(struct verbs_listen_id *listen, const struct rdma_cm_event *event,
			   struct verbs_sink *sink);
void verbs_requests_check(struct wsd_queue *queue, uint64_t now, struct verbs_sink *sink);
enum wsd_status verbs_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length);
void verbs_reject(struct wsd_request *request, const void *data, uint32_t data_length);

/* verbs_endpoint.c */
enum wsd_status verbs_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				      const struct wsd_endpoint_attr *attr, void *context,
				      struct wsd_endpoint **endpoint);
void verbs_endpoint_destroy(struct wsd_endpoint *endpoint);
enum wsd_status verbs_disconnect(struct wsd_endpoint *endpoint);
/* The connection is over; DISCONNECTED follows the completions. First call counts. */
void verbs_end(struct wsd_endpoint *endpoint, enum wsd_status status);
/* WSD_OK if the peer has said goodbye, else otherwise. */
enum wsd_status verbs_end_reason(const struct wsd_endpoint *endpoint, enum wsd_status otherwise);
void verbs_qp_error(struct wsd_endpoint *endpoint);
void verbs_part(struct wsd_endpoint *endpoint);	   /* tell the connection manager */
void verbs_drained(struct wsd_endpoint *endpoint); /* free it if nothing is left */
void verbs_endpoint_free(struct wsd_endpoint *endpoint);

/* verbs_post.c */
enum wsd_status verbs_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				uint32_t *posted);
enum wsd_status verbs_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
				uint32_t *posted);
bool verbs_post_goodbye(struct wsd_endpoint *endpoint);
void verbs_post_drain(struct wsd_endpoint *endpoint);

/* verbs_region.c */
/* Why the kernel refused to register so much for the adapter: WSD_EMEMLOCK or WSD_EREGISTER. */
enum wsd_status verbs_no_room(int error, const void *base, uint64_t length);
enum wsd_status verbs_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			  uint64_t id, struct wsd_region **region);
void verbs_dereg(struct wsd_region *region);
enum wsd_status verbs_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
				struct wsd_region **region);
void verbs_mem_free(struct wsd_region *region);
enum wsd_status verbs_word_take(struct wsd_queue *queue, struct verbs_word *word);
void verbs_word_give(struct verbs_word *word);
void verbs_pages_free(struct wsd_queue *queue);
/* Where the peer of this endpoint has to say goodbye. */
void verbs_word_tell(const struct wsd_endpoint *endpoint, struct verbs_greeting *greeting);
bool verbs_word_said(const struct wsd_endpoint *endpoint); /* has it? */
/* The source of our own goodbye. */
void verbs_word_source(struct wsd_endpoint *endpoint, struct ibv_sge *sge);

#endif

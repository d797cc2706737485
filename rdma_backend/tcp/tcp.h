/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp.h - the objects of the tcp backend and what its files offer each other.
 *
 * Locks, in this order: endpoint, regions, queue. The endpoint lock covers everything of one
 * connection, because posts come from any thread while the owner polls. The region lock is held
 * over every system call that touches registered memory on behalf of the peer, so that dereg
 * waits for at most one of them. The queue lock covers the lists below it and is never held
 * over a system call.
 */
#ifndef WSD_TCP_H
#define WSD_TCP_H

#include <stdatomic.h>

#include <openwsd/backend.h>

#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/tcp/tcp_os.h"
#include "rdma_backend/tcp/tcp_wire.h"

#define TCP_MAX_SGE	  16u
#define TCP_SCRATCH_BYTES 8192u
#define TCP_BATCH_READY	  64
#define TCP_BATCH_WORKS	  16u
#define TCP_BATCH_IOV	  64u
#define TCP_BATCH_BYTES	  (256u * 1024)
#define TCP_OUT_LIMIT	  (256u * 1024)	 /* queued output above which posts answer WSD_AGAIN */
#define TCP_IO_BYTES	  (1024u * 1024) /* most of one receive call: bounds the region lock */
#define TCP_IO_ROUNDS	  8		 /* receive calls for one connection in one poll */

struct tcp_counters {
	uint64_t *protocol_errors, *access_errors, *connects, *accepts, *wrong_banners;
	uint64_t *accept_limits, *out_copied;
};

struct wsd_device {
	const struct wsd_host *host;
	struct tcp_counters counters;
	uint64_t head_start, banner_limit, request_limit; /* ns */
	uint32_t user_timeout_ms;
};

/* What the readiness set points at; the first member of its object. */
enum tcp_source_kind {
	TCP_SOURCE_SIGNAL,
	TCP_SOURCE_TIMER,
	TCP_SOURCE_LISTENER,
	TCP_SOURCE_CANDIDATE,
	TCP_SOURCE_INCOMING,
	TCP_SOURCE_ENDPOINT
};

struct tcp_source {
	enum tcp_source_kind kind;
	int fd;		       /* -1 = none */
	struct wsd_list ready; /* in queue->ready: has events to hand out without the set */
};

struct tcp_timer {
	struct wsd_list link;
	uint64_t when;
	void (*expired)(struct tcp_timer *timer, uint64_t now);
};

struct tcp_region {
	struct wsd_region pub;
	struct wsd_queue *queue;
	struct wsd_endpoint *owner; /* of mem_alloc */
	uint64_t bound;		    /* number of the one connection that reaches it; 0 = any */
	struct wsd_list link;	    /* in owner->memory */
	void *block;		    /* what to free */
};

struct tcp_region_table {
	struct wsd_mutex lock;
	struct tcp_region **slots;
	uint32_t count, used, hint;
	uint64_t seed;
};

/* A block whose private data an event may still show: freed by the next poll. */
struct tcp_retired {
	struct wsd_list link;
	void *block;
};

/* The events of one poll call. */
struct tcp_sink {
	struct wsd_event *events;
	uint32_t count, used;
};

struct wsd_queue {
	struct wsd_device *device;
	void *context;
	int set;
	struct tcp_source signal, timer;
	struct tcp_region_table regions;

	struct wsd_mutex lock;
	struct wsd_list ready; /* sources */
	struct wsd_list flush; /* endpoints that owe the peer a credit or an acknowledgement */
	struct tcp_read *free_reads;
	bool armed, signalled, polling;

	/* Owner only from here on. */
	uint64_t endpoints; /* made so far */
	struct wsd_list timers, listeners;
	struct wsd_list
		leaving; /* destroyed listeners, until each request that is on its way has its answer */
	int spare;	 /* with a listener: a descriptor to tell that there are none; -1 = none */
	uint64_t timer_set;	 /* when the timer will fire; UINT64_MAX = not set */
	struct wsd_list retired; /* struct tcp_retired */
	struct tcp_ready batch[TCP_BATCH_READY];
	int batch_at, batch_count;
	bool skipped_set; /* the last poll returned without looking at the set */
	/* Bytes received and not parsed yet, of one endpoint. */
	struct wsd_endpoint *scratch_owner;
	uint32_t scratch_at, scratch_end;
	uint8_t scratch[TCP_SCRATCH_BYTES];
};

struct wsd_listener_ep {
	struct tcp_source source;
	struct wsd_queue *queue;
	void *context;
	struct wsd_list link; /* in queue->listeners, or in queue->leaving */
	bool leaving;
	struct tcp_retired retired;
	struct wsd_addr local;
	uint32_t backlog, reported;
	uint32_t silent; /* requests that are still being read */
	uint64_t nonce;
	struct wsd_list incoming; /* struct wsd_request */
	struct tcp_timer resume;  /* accepting goes on */
};

enum tcp_request_state { TCP_REQ_READING, TCP_REQ_READY, TCP_REQ_REPORTED, TCP_REQ_GONE };

struct wsd_request {
	struct tcp_source source;
	struct wsd_listener_ep *listener;
	struct wsd_list link;
	struct tcp_timer timer;
	enum tcp_request_state state;
	struct tcp_retired retired;
	uint32_t got;
	struct tcp_frame frame;
	struct tcp_hello hello;
	struct wsd_addr local, remote;
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES + WSD_REQUEST_DATA_MAX];
};

struct tcp_place {
	uint8_t *addr;
	uint32_t length, key;
};

/* Output that the socket did not take at once: one encoded frame, or the rest of one. */
struct tcp_out {
	struct tcp_out *next;
	uint32_t length, at; /* at > 0: begun, must be finished before anything else is sent */
	uint32_t works;	     /* work requests that are sent when this is: 0 or 1 */
	uint32_t fence;	     /* READs that must have completed before, if fenced */
	bool fenced, credit, read, begun;
	uint8_t bytes[];
};

struct tcp_sent {
	uint64_t id;
	int32_t status;
	uint8_t op, flags;
	bool done;     /* READ: all data here */
	bool doubtful; /* SEND: may be too long for the peer's receive */
};

struct tcp_posted {
	uint64_t id;
	uint8_t *addr;
	uint32_t length, key;
};

struct tcp_read {
	struct tcp_read *next;
	uint32_t work; /* its number */
	uint32_t total, got, sge_count;
	struct tcp_place sge[TCP_MAX_SGE];
};

/* A READ of the peer waiting to be answered. */
struct tcp_answer {
	uint64_t addr;
	uint32_t key, rest, work;
};

struct tcp_candidate {
	struct tcp_source source;
	struct tcp_connect *connect;
	uint8_t index, got;
	bool tried;
	uint8_t bytes[TCP_BANNER_BYTES];
};

/* Exists while an active endpoint connects. */
struct tcp_connect {
	struct wsd_endpoint *endpoint;
	struct tcp_retired retired;
	struct tcp_timer timer;
	struct wsd_addr local, remote;
	uint64_t started, deadline;
	bool spread, silent_checked, chosen;
	bool refused, unreachable, timed_out, silent, version;
	uint8_t right;	/* the candidate that is our listener, but busy */
	uint64_t retry; /* when it is asked again; 0 = not */
	uint64_t retry_step;
	uint32_t got, data_length;
	struct tcp_frame frame;
	uint8_t data[WSD_REQUEST_DATA_MAX];
	uint8_t bytes[TCP_HEADER_BYTES + TCP_HELLO_BYTES + WSD_REPLY_DATA_MAX]; /* the answer */
	struct tcp_candidate candidates[TCP_CANDIDATES];
};

enum tcp_ep_state {
	TCP_EP_IDLE,
	TCP_EP_CONNECTING,
	TCP_EP_OPEN,
	TCP_EP_CLOSING, /* disconnect was called: no new work, the rest goes out */
	TCP_EP_CLOSED
};

enum tcp_target { TCP_TARGET_NONE, TCP_TARGET_RECV, TCP_TARGET_WRITE, TCP_TARGET_READ };

struct wsd_endpoint {
	struct tcp_source source; /* fd of the connection once a candidate is chosen */
	struct wsd_queue *queue;
	void *context;
	uint64_t number; /* within the queue, never used again */
	struct wsd_mutex lock;
	struct wsd_list flush;	/* in queue->flush */
	struct wsd_list memory; /* struct tcp_region of mem_alloc */
	struct wsd_request *request;
	struct tcp_connect *connect;
	enum tcp_ep_state state;
	int32_t end_status;
	bool report_open, report_failed, report_end; /* events not handed out yet */
	bool end_waits;				     /* report_end once the last output has gone */
	uint32_t send_depth, send_mask, recv_depth, recv_mask, recv_bytes, max_send_sge;
	uint32_t traffic_class, marked; /* wanted; what the socket has */
	uint32_t hops, hops_set;	/* the same */
	struct wsd_addr local;

	/* Send side. Work requests are numbered; slot = number & send_mask. */
	struct tcp_sent *sent;
	uint32_t tx_posted, tx_sent, tx_acked, tx_done;
	uint32_t ack_asked;  /* number after the last work that asked for an acknowledgement */
	uint32_t last_write; /* number after the last WRITE, if has_write */
	uint32_t failed_work;
	bool has_write, has_failed;
	uint32_t credit, credit_used, peer_depth, peer_bytes;
	uint32_t short_from; /* SENDs from this number on wait for an acknowledgement */
	bool peer_short;     /* the peer has receives shorter than peer_bytes */
	uint32_t reads_posted, reads_sent, reads_done;
	struct tcp_read *reads, *reads_tail;

	/* Output that waits. */
	struct tcp_out *out, *out_tail;
	uint32_t out_bytes;
	int tx_error;
	bool want_write, tx_dead, tx_shut;
	bool control_due;    /* a CREDIT frame */
	bool disconnect_due; /* a DISCONNECT frame, behind everything else */
	bool control_last;   /* nothing follows the control frame being sent */
	bool chunk_begun, answers_turn;
	uint8_t nak_status; /* -status of a NAK to be sent, 0 = none */
	uint8_t control_at, control_end, chunk_at;
	uint32_t nak_work;
	uint32_t chunk_rest; /* payload of the begun READ_RSP still to go */
	uint8_t control[TCP_HEADER_BYTES];
	uint8_t chunk_header[TCP_HEADER_BYTES];
	struct tcp_answer *answers; /* TCP_MAX_READ of them, allocated at the peer's first READ */
	uint32_t answer_head, answer_tail;

	/* Receive side; slot = number & recv_mask. */
	struct tcp_posted *posted;
	uint32_t rx_posted, rx_used, announced;
	uint32_t rx_works, acked; /* carried out; told to the peer */
	bool ack_due, output_due;
	bool rx_short; /* a receive shorter than recv_bytes was posted */
	uint8_t header_got;
	enum tcp_target target;
	uint32_t payload_at; /* of frame.length */
	struct tcp_frame frame;
	uint8_t header[TCP_HEADER_BYTES];
};

static inline void tcp_count(uint64_t *counter)
{
	/* Only a statistic: nothing is ordered by it. */
	atomic_fetch_add_explicit((_Atomic uint64_t *)counter, 1, memory_order_relaxed);
}

/* tcp_queue.c */
enum wsd_status tcp_queue_create(struct wsd_device *device, uint32_t depth, void *context,
				 struct wsd_queue **queue);
void tcp_queue_destroy(struct wsd_queue *queue);
uint32_t tcp_poll(struct wsd_queue *queue, struct wsd_event *events, uint32_t count);
enum wsd_status tcp_arm(struct wsd_queue *queue);
void tcp_disarm(struct wsd_queue *queue);
wsd_wait_object tcp_wait_object(struct wsd_queue *queue);
void tcp_mark_ready(struct wsd_queue *queue, struct tcp_source *source); /* [any] */
void tcp_source_init(struct tcp_source *source, enum tcp_source_kind kind, int fd);
/* Forget, shut down and close: no event of this source is dispatched after it. [owner] */
void tcp_source_close(struct wsd_queue *queue, struct tcp_source *source);
/* The same without closing the descriptor, which moves to another source. */
void tcp_source_forget(struct wsd_queue *queue, struct tcp_source *source);
void tcp_retire(struct wsd_queue *queue, struct tcp_retired *retired, void *block);
void tcp_timer_start(struct wsd_queue *queue, struct tcp_timer *timer, uint64_t when);
void tcp_timer_stop(struct tcp_timer *timer);
bool tcp_sink_full(const struct tcp_sink *sink);
struct wsd_event *tcp_sink_add(struct tcp_sink *sink, enum wsd_event_type type, void *context,
			       enum wsd_status status);

/* tcp_region.c */
void tcp_regions_init(struct wsd_queue *queue);
void tcp_regions_fini(struct wsd_queue *queue);
/* [region lock] The region of a key if endpoint may use it with these rights, else NULL. */
struct tcp_region *tcp_region_find(struct wsd_queue *queue, const struct wsd_endpoint *endpoint,
				   uint32_t key, uint32_t access);
/* [region lock] Its bytes [addr, addr + length), or NULL. */
uint8_t *tcp_region_range(struct wsd_queue *queue, const struct wsd_endpoint *endpoint,
			  uint32_t key, uint32_t access, uint64_t addr, uint32_t length);
bool tcp_region_covers(const struct wsd_region *region, const void *addr, uint32_t length);
enum wsd_status tcp_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			uint64_t id, struct wsd_region **region);
void tcp_dereg(struct wsd_region *region);
void tcp_bind(struct wsd_region *region, struct wsd_endpoint *endpoint);
enum wsd_status tcp_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
			      struct wsd_region **region);
void tcp_mem_free(struct wsd_region *region);

/* tcp_listen.c */
enum wsd_status tcp_listen(struct wsd_queue *queue, const struct wsd_addr *local, uint32_t backlog,
			   void *context, struct wsd_listener_ep **listener);
void tcp_listener_destroy(struct wsd_listener_ep *listener);
/* Those that wait for requests still. */
void tcp_listeners_forget(struct wsd_queue *queue);
void tcp_listener_ready(struct wsd_listener_ep *listener);
void tcp_request_ready(struct wsd_request *request);
void tcp_request_emit(struct wsd_request *request, struct tcp_sink *sink);
void tcp_reject(struct wsd_request *request, const void *data, uint32_t data_length);
void tcp_request_free(struct wsd_request *request); /* closes what is left of it */

/* tcp_connect.c */
enum wsd_status tcp_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
			    const struct wsd_addr *remote, const void *data, uint32_t data_length,
			    uint64_t timeout);
void tcp_candidate_ready(struct tcp_candidate *candidate);
void tcp_connect_ready(struct tcp_connect *connect); /* the chosen connection has something */
void tcp_connect_free(struct tcp_connect *connect);

/* tcp_conn.c */
enum wsd_status tcp_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				    const struct wsd_endpoint_attr *attr, void *context,
				    struct wsd_endpoint **endpoint);
void tcp_endpoint_destroy(struct wsd_endpoint *endpoint);
enum wsd_status tcp_accept(struct wsd_endpoint *endpoint, const void *data, uint32_t data_length);
enum wsd_status tcp_disconnect(struct wsd_endpoint *endpoint);
void tcp_set_traffic_class(struct wsd_endpoint *endpoint, uint32_t traffic_class);
void tcp_set_hops(struct wsd_endpoint *endpoint, uint32_t hops);
void tcp_endpoint_ready(struct wsd_endpoint *endpoint, uint32_t events, struct tcp_sink *sink);
void tcp_endpoint_emit(struct wsd_endpoint *endpoint, struct tcp_sink *sink);
/* [endpoint lock] Its socket gets the traffic class that it is to have. */
void tcp_endpoint_mark(struct wsd_endpoint *endpoint);
/* [endpoint lock] The connection has ended; reported after the completions. First call counts. */
void tcp_endpoint_end(struct wsd_endpoint *endpoint, enum wsd_status status);
/* [endpoint lock] The peer broke the protocol. */
void tcp_endpoint_violation(struct wsd_endpoint *endpoint, const char *what);
/* Hand out what the endpoint says in a REQUEST or an ACCEPT, header included; bytes used. */
uint32_t tcp_greeting(struct wsd_endpoint *endpoint, enum tcp_frame_type type, uint64_t nonce,
		      const struct wsd_addr *from, const struct wsd_addr *to, const void *data,
		      uint32_t data_length, uint8_t *bytes);
/* The peer's greeting arrived. */
void tcp_endpoint_greeted(struct wsd_endpoint *endpoint, const struct tcp_hello *hello,
			  const struct tcp_frame *frame);

/* tcp_send.c */
enum wsd_status tcp_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
			      uint32_t *posted);
bool tcp_send_done(const struct wsd_endpoint *endpoint); /* [endpoint lock] something to report? */
void tcp_send_emit(struct wsd_endpoint *endpoint, struct tcp_sink *sink); /* [endpoint lock] */
void tcp_read_free(struct wsd_queue *queue, struct tcp_read *read);

/* tcp_output.c: all [endpoint lock] */
void tcp_output(struct wsd_endpoint *endpoint);		     /* send what can be sent now */
bool tcp_output_idle(const struct wsd_endpoint *endpoint);   /* may new frames go straight out? */
bool tcp_control_worth(const struct wsd_endpoint *endpoint); /* is a CREDIT frame due? */
void tcp_control_later(struct wsd_endpoint *endpoint);	     /* by the next poll, or now */
void tcp_output_stamp(const struct wsd_endpoint *endpoint, uint8_t *header);
void tcp_output_stamped(struct wsd_endpoint *endpoint); /* a stamped header has gone out */
void tcp_output_want(struct wsd_endpoint *endpoint, bool write);
void tcp_output_drop(struct wsd_endpoint *endpoint, bool begun_too);
/* A frame of length bytes, to be queued by tcp_output_queue. */
struct tcp_out *tcp_output_new(struct wsd_endpoint *endpoint, uint32_t length);
void tcp_output_queue(struct wsd_endpoint *endpoint, struct tcp_out *out);
void tcp_output_failed(struct wsd_endpoint *endpoint, int error);
bool tcp_output_may(const struct wsd_endpoint *endpoint, const struct tcp_out *out);

/* tcp_input.c */
enum wsd_status tcp_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
			      uint32_t *posted);
void tcp_input(struct wsd_endpoint *endpoint, struct tcp_sink *sink);	    /* [endpoint lock] */
void tcp_input_parse(struct wsd_endpoint *endpoint, struct tcp_sink *sink); /* [endpoint lock] */

/* tcp_frames.c: all [endpoint lock] */
void tcp_frame_begin(struct wsd_endpoint *endpoint, struct tcp_sink *sink);
void tcp_frame_end(struct wsd_endpoint *endpoint, struct tcp_sink *sink);
/* [region lock too] Where the rest of the payload goes; 0 entries: the memory is gone. */
int tcp_frame_target(struct wsd_endpoint *endpoint, uint32_t limit, struct iovec *iov);
/* The peer's work cannot be carried out: say so and end. */
void tcp_refuse(struct wsd_endpoint *endpoint, uint32_t work, enum wsd_status status);

#endif

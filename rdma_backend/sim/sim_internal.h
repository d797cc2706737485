/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_internal.h - the simulated world. One lock protects all of it: devices of one process reach
 * each other, so every operation may touch two queues. Functions declared here are called with it
 * held unless they say otherwise.
 */
#ifndef WSD_SIM_INTERNAL_H
#define WSD_SIM_INTERNAL_H

#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/sim/sim.h"

#define SIM_KEY_BUCKETS	  256u
#define SIM_DATA_SLOTS	  32u /* events with private data in one poll */
#define SIM_MAX_ADDRESSES 64u

/* Something that happens at a time: polls in live mode, nanoseconds in stepped mode. */
struct sim_item {
	struct wsd_list link;
	uint64_t due;
	void (*run)(struct sim_item *item);
	struct wsd_queue *queue[2]; /* whose owners must look when it is scheduled */
};

/* Where events come from: an endpoint, a listener, or a queue itself. */
struct sim_source {
	struct wsd_list link; /* in wsd_queue.ready while notes is not empty */
	struct wsd_list notes;
	struct wsd_queue *queue;
	void *context;
	uint64_t serial;
};

enum sim_note_kind { SIM_NOTE_CM, SIM_NOTE_WORK, SIM_NOTE_RECV, SIM_NOTE_REQUEST, SIM_NOTE_QUEUE };

/* One event that waits to be polled. Embedded in what it is about, so nothing can fail. */
struct sim_note {
	struct wsd_list link;
	enum sim_note_kind kind;
	struct wsd_event event;
};

struct wsd_device {
	struct wsd_device_attr attr;
	struct wsd_addr addresses[SIM_MAX_ADDRESSES];
	uint32_t address_count;
};

struct wsd_queue {
	struct wsd_list link; /* in sim_world.queues */
	struct wsd_device *device;
	struct sim_source source;
	struct wsd_list ready;
	struct wsd_list endpoints;
	struct wsd_list listeners;
	struct wsd_list connecting;
	struct sim_note note_gone;
	wsd_wait_object wait;
	bool armed, fired, gone;
	uint8_t data[SIM_DATA_SLOTS][WSD_REPLY_DATA_MAX];
};

struct sim_region {
	struct wsd_region region; /* first: the provider holds a pointer to it */
	struct wsd_list link;	  /* in its bucket */
	struct wsd_list memory;	  /* in wsd_endpoint.memory */
	struct wsd_queue *queue;
	uint64_t bound; /* number of the one connection that reaches it; 0 = any */
	void *block;
	bool valid;
	enum wsd_status outcome;
	struct sim_item registering;
	struct sim_note note;
};

struct wsd_listener_ep {
	struct sim_source source;
	struct wsd_list link;  /* in sim_world.listeners */
	struct wsd_list owned; /* in wsd_queue.listeners */
	struct wsd_addr local;
	uint32_t backlog, pending;
	struct wsd_list requests;
};

struct wsd_request {
	struct wsd_list link; /* in wsd_listener_ep.requests once it arrived */
	struct sim_item arrive;
	struct sim_note note, note_gone;
	struct wsd_listener_ep *listener;
	struct wsd_endpoint *active;  /* NULL: gave up */
	struct wsd_endpoint *passive; /* made for it, not accepted yet */
	bool reported;
	uint8_t data[WSD_REQUEST_DATA_MAX];
	uint32_t data_length;
	enum wsd_status forced; /* the script's */
};

enum sim_state { SIM_NEW, SIM_CONNECTING, SIM_ACCEPTED, SIM_OPEN, SIM_CLOSED };

struct sim_sge {
	uint8_t *addr;
	uint32_t length;
	uint32_t key; /* 0: no region needed, addr is ours */
};

enum sim_work_state { SIM_WORK_QUEUED, SIM_WORK_READING, SIM_WORK_DONE };

struct sim_work {
	struct sim_note note;
	enum sim_work_state state;
	enum wsd_status status;
	uint64_t id, due, remote_addr;
	enum wsd_work_op op;
	uint32_t flags, imm, remote_key, sge_count, bytes;
	struct sim_sge *sge;
	uint8_t *inlined; /* max_inline bytes */
	void *copy;	  /* COPY_AT_POST */
};

struct sim_recv {
	struct sim_note note;
	uint64_t id;
	struct sim_sge sge;
};

/*
 * The send queue is a ring of which the counters head <= done <= next <= tail never wrap:
 * [head, done) completed but its event not polled, [done, next) started, [next, tail)
 * waiting. As on a real device a slot is free only when an event of this or of a later one has
 * been polled.
 */
struct wsd_endpoint {
	struct sim_source source;
	struct wsd_list link; /* in wsd_queue.endpoints */
	struct wsd_list connecting;
	uint64_t number; /* never used again */
	enum sim_state state;
	struct wsd_endpoint *peer;
	struct wsd_request *request;
	struct wsd_endpoint_attr attr;
	struct sim_item pump, handshake;
	struct sim_work *work;
	struct sim_recv *recv;
	struct sim_sge *sges;
	uint8_t *inlines;
	uint64_t head, done, next, tail;
	uint64_t recv_free, recv_next, recv_tail;
	uint32_t reading;
	bool stalled, disconnecting;
	uint64_t last_due, bye_due;
	struct sim_note note_open, note_closed;
	struct wsd_addr local, remote;
	uint64_t deadline;
	uint8_t data[WSD_REPLY_DATA_MAX];
	struct wsd_list memory;
};

/* Counted-down faults of the script; 0 = off. */
enum sim_fault {
	SIM_FAULT_CONNECT,
	SIM_FAULT_LISTEN,
	SIM_FAULT_ACCEPT,
	SIM_FAULT_REG,
	SIM_FAULT_MEM,
	SIM_FAULT_ENDPOINT,
	SIM_FAULT_QUEUE,
	SIM_FAULT_REJECT,
	SIM_FAULT_COUNT
};

struct sim_rules {
	uint64_t delay_min, delay_max;
	uint64_t countdown[SIM_FAULT_COUNT];
	enum wsd_status status[SIM_FAULT_COUNT];
	uint64_t disconnect_after, gone_after;
	uint32_t queue_full;
	bool drop_flush, reorder, rnr_fail;
};

struct sim_world {
	struct wsd_mutex lock;
	const struct wsd_host *host;
	uint32_t devices;
	bool stepped, ready;
	uint64_t clock, polls, random, serial, digest;
	uint32_t key;
	uint64_t endpoints; /* made so far */
	struct sim_rules rules;
	struct wsd_list items; /* by due, then in order of scheduling */
	struct wsd_list queues;
	struct wsd_list listeners;
	struct wsd_list keys[SIM_KEY_BUCKETS];
};

extern struct sim_world wsd_sim;

/* sim_world.c */
void wsd_sim_lock(void); /* also makes the lists at the first call */
void wsd_sim_unlock(void);
uint64_t wsd_sim_random(void);
uint64_t wsd_sim_clock_ns(void);
uint64_t wsd_sim_after_delay(void); /* the time one scripted delay from now */
uint64_t wsd_sim_present(void);
void wsd_sim_item_init(struct sim_item *item, void (*run)(struct sim_item *item));
void wsd_sim_schedule(struct sim_item *item, uint64_t due);
void wsd_sim_run_due(void);
void wsd_sim_source_init(struct sim_source *source, struct wsd_queue *queue, void *context);
void wsd_sim_source_fini(struct sim_source *source);
void wsd_sim_note_init(struct sim_note *note, enum sim_note_kind kind);
void wsd_sim_note_push(struct sim_source *source, struct sim_note *note);
void wsd_sim_note_cancel(struct sim_source *source, struct sim_note *note);
void wsd_sim_queue_fire(struct wsd_queue *queue);
/* Has the script's fault of this kind come up? */
bool wsd_sim_fault(enum sim_fault fault, enum wsd_status *status);
void wsd_sim_count(const char *name, const char *help);

/* sim_conn.c */
enum wsd_status wsd_sim_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			       uint32_t backlog, void *context, struct wsd_listener_ep **listener);
void wsd_sim_listener_destroy(struct wsd_listener_ep *listener);
enum wsd_status wsd_sim_connect(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
				const struct wsd_addr *remote, const void *data,
				uint32_t data_length, uint64_t timeout);
enum wsd_status wsd_sim_accept(struct wsd_endpoint *endpoint, const void *data,
			       uint32_t data_length);
void wsd_sim_reject(struct wsd_request *request, const void *data, uint32_t data_length);
void wsd_sim_check_timeouts(struct wsd_queue *queue);
void wsd_sim_request_detach(struct wsd_endpoint *active);
bool wsd_sim_is_local(const struct wsd_device *device, const struct wsd_addr *addr);

/* sim_endpoint.c */
enum wsd_status wsd_sim_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
					const struct wsd_endpoint_attr *attr, void *context,
					struct wsd_endpoint **endpoint);
void wsd_sim_endpoint_destroy(struct wsd_endpoint *endpoint);
/* End it: flush, then the last event. By its state that is CONNECT_FAILED or DISCONNECTED. */
void wsd_sim_end(struct wsd_endpoint *endpoint, enum wsd_status status);
void wsd_sim_end_both(struct wsd_endpoint *endpoint, enum wsd_status mine, enum wsd_status peers);
void wsd_sim_queue_gone(struct wsd_queue *queue);
/* The event of a note has been polled. */
void wsd_sim_delivered(struct sim_source *source, struct sim_note *note);

/* sim_work.c */
enum wsd_status wsd_sim_post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				  uint32_t *posted);
enum wsd_status wsd_sim_post_recv(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
				  uint32_t *posted);
enum wsd_status wsd_sim_disconnect(struct wsd_endpoint *endpoint);
void wsd_sim_pump(struct sim_item *item);

/* sim_memory.c */
enum wsd_status wsd_sim_reg(struct wsd_queue *queue, void *base, uint64_t length, uint32_t access,
			    uint64_t id, struct wsd_region **region);
void wsd_sim_dereg(struct wsd_region *region);
void wsd_sim_bind(struct wsd_region *region, struct wsd_endpoint *endpoint);
enum wsd_status wsd_sim_mem_alloc(struct wsd_endpoint *endpoint, uint64_t length, uint32_t access,
				  struct wsd_region **region);
void wsd_sim_mem_free(struct wsd_region *region);
void wsd_sim_memory_drop(struct wsd_endpoint *endpoint);
/* The region with that key, if it is valid and of that device; NULL otherwise. */
struct sim_region *wsd_sim_key(const struct wsd_device *device, uint32_t key);

/* sim_script.c */
enum wsd_status wsd_sim_run_script(const char *text);
void wsd_sim_apply_caps(struct wsd_device_attr *attr, const char *text);

/*
 * sim_os_linux.c, sim_os_windows.c: no lock needed. The wait object is a timer, not an event: the limit
 * of a connect must end the sleep of a queue's owner, and a timer that is due at once serves as an event.
 */
enum wsd_status wsd_sim_wait_create(wsd_wait_object *object);
void wsd_sim_wait_destroy(wsd_wait_object object);
void wsd_sim_wait_set(wsd_wait_object object, uint64_t ns); /* ready in ns; 0 = never */
/* Those of interfaces that are up, without loopback; at most count. */
uint32_t wsd_sim_os_addresses(struct wsd_addr *list, uint32_t count);

#endif

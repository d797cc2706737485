/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sample.h - a complete backend: a loop-back device inside one process. It shows the shape of a
 * module, not speed: one lock for everything, linear look-ups, no READ, no immediate data.
 *
 * Work is carried out inside post_send, unless a message finds no receive: then it waits in its
 * ring. Every event has its room reserved when the object is made, so nothing fails for memory
 * afterwards.
 */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <openwsd/backend.h>

#define MAX_MESSAGE (1u << 20)
#define MAX_DEPTH   1024u

/* Where events come from: an endpoint or a listener. A ring that never overflows. */
struct source {
	struct source *next_ready;
	struct wsd_queue *queue;
	void *context;
	struct wsd_event *ring;
	uint32_t size, head, tail;
	bool ready;
};

struct wsd_device {
	uint32_t index;
};

struct wsd_queue {
	struct wsd_endpoint *endpoints;
	struct source *first, *last;
	uint32_t connecting;
	wsd_wait_object timer;
	bool armed;
	uint8_t data[WSD_REPLY_DATA_MAX]; /* private data of the last event polled */
};

struct region {
	struct wsd_region region; /* first */
	struct region *next;
	struct wsd_endpoint *endpoint; /* of mem_alloc */
	void *block;
};

struct wsd_listener_ep {
	struct source source; /* first */
	struct wsd_listener_ep *next;
	struct wsd_addr local;
	struct wsd_request *requests;
	uint32_t backlog, pending;
};

struct wsd_request {
	struct wsd_request *next;
	struct wsd_listener_ep *listener;
	struct wsd_endpoint *active, *passive;
	uint8_t data[WSD_REQUEST_DATA_MAX];
};

enum state { IDLE, CONNECTING, OPEN, CLOSED };

struct work {
	uint64_t id, remote_addr;
	void *addr;
	uint32_t length, remote_key;
	enum wsd_work_op op;
	bool signalled;
};

struct wsd_endpoint {
	struct source source; /* first */
	struct wsd_endpoint *next, *peer;
	struct wsd_request *request;
	enum state state;
	bool closing;
	struct wsd_endpoint_attr attr;
	struct work *work;
	struct wsd_recv *recv;
	uint32_t work_head, work_tail, work_busy; /* busy: also those whose event waits */
	uint32_t recv_head, recv_tail, recv_busy;
	struct wsd_addr local, remote;
	uint64_t deadline;
	uint8_t data[WSD_REPLY_DATA_MAX];
};

/* sample.c: the lock, memory and events. Called with the lock held, but for enter and leave. */
extern const struct wsd_host *sample_host;
void sample_enter(void);
enum wsd_status sample_leave(enum wsd_status status); /* unlock and return status */
bool sample_source_init(struct source *source, struct wsd_queue *queue, void *context,
			uint32_t size);
void sample_source_fini(struct source *source);
struct wsd_event *sample_push(struct source *source, enum wsd_event_type type,
			      enum wsd_status status);
void sample_drop_memory(struct wsd_endpoint *ep);
uint8_t *sample_target(struct wsd_endpoint *peer, const struct work *work);

/* sample_os_linux.c, sample_os_windows.c: the lock, and the object that a queue is waited for with.
 * It is ready when its timer is due, because the limit of a connect must end a sleep, too. */
void sample_os_lock(void);
void sample_os_unlock(void);
enum wsd_status sample_os_timer_new(wsd_wait_object *timer);
void sample_os_timer_set(wsd_wait_object timer, uint64_t ns); /* 0: never */
void sample_os_timer_free(wsd_wait_object timer);

/* sample_conn.c: connections */
void sample_check_limits(struct wsd_queue *queue);
enum wsd_status sample_reachable(struct wsd_device *device, const struct wsd_addr *local,
				 const struct wsd_addr *remote);
enum wsd_status sample_listen(struct wsd_queue *queue, const struct wsd_addr *local,
			      uint32_t backlog, void *context, struct wsd_listener_ep **listener);
void sample_listener_destroy(struct wsd_listener_ep *listener);
enum wsd_status sample_endpoint_create(struct wsd_queue *queue, struct wsd_request *request,
				       const struct wsd_endpoint_attr *attr, void *context,
				       struct wsd_endpoint **endpoint);
void sample_endpoint_destroy(struct wsd_endpoint *ep);
enum wsd_status sample_connect(struct wsd_endpoint *ep, const struct wsd_addr *local,
			       const struct wsd_addr *remote, const void *data,
			       uint32_t data_length, uint64_t timeout);
enum wsd_status sample_accept(struct wsd_endpoint *ep, const void *data, uint32_t data_length);
void sample_reject(struct wsd_request *request, const void *data, uint32_t data_length);

/* sample_work.c: messages and WRITEs */
void sample_end(struct wsd_endpoint *ep, enum wsd_status status);
void sample_end_both(struct wsd_endpoint *ep, enum wsd_status mine, enum wsd_status peers);
enum wsd_status sample_post_send(struct wsd_endpoint *ep, const struct wsd_work *list,
				 uint32_t *posted);
enum wsd_status sample_post_recv(struct wsd_endpoint *ep, const struct wsd_recv *list,
				 uint32_t *posted);
enum wsd_status sample_disconnect(struct wsd_endpoint *ep);

#endif

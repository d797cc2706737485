/* SPDX-License-Identifier: BSD-2-Clause */
/* test_shm.h - a small world for the tests of the shm backend: queues, ends of connections, events. */
#ifndef WSD_TEST_SHM_H
#define WSD_TEST_SHM_H

#include <sys/types.h>

#include <openwsd/backend.h>

#include "rdma_backend/shm/shm_internal.h"

#define LOG_SIZE 512u

/* Context of an endpoint or listener: what happened to it. */
struct end {
	struct wsd_event log[LOG_SIZE]; /* in order, data copied to text */
	uint32_t count, taken;
	char text[WSD_REPLY_DATA_MAX + 1];
	struct wsd_endpoint *endpoint;
	struct wsd_listener_ep *listener;
	struct wsd_queue *queue;
};

extern const struct wsd_backend_ops wsd_backend_shm;
extern struct wsd_device *shm_device;
extern const struct wsd_endpoint_attr shm_attr;

void world_open(void);
void world_close(void);
struct wsd_queue *world_queue(void);
struct wsd_addr world_addr(uint16_t port);
uint16_t world_port(void); /* not used by an earlier test nor by another process */
/* Poll every queue of this process once; true when something came. */
bool world_poll(void);
/* Poll until end has an event that was not taken; it must be of this type. Fails after 5 s. */
struct wsd_event *expect(struct end *end, enum wsd_event_type type);
void world_has_fds(unsigned count); /* but for WORLD_FDS_SLACK */
bool quiet(struct end *end);	    /* nothing comes in 50 polls */
struct end *end_new(struct wsd_queue *queue);
void end_free(struct end *end);
void listen_on(struct end *end, uint16_t port, uint32_t backlog);
void connect_to(struct end *end, uint16_t port);
/* A listener of this process accepts what connect_to started. */
struct end *accept_on(struct end *listener);
void post_recv(struct end *end, uint64_t id, void *memory, uint32_t length,
	       struct wsd_region *region);
enum wsd_status try_post(struct end *end, enum wsd_work_op op, uint64_t id, const void *memory,
			 uint32_t length, uint64_t addr, uint32_t key, uint32_t imm);
void post(struct end *end, enum wsd_work_op op, uint64_t id, const void *memory, uint32_t length,
	  uint64_t addr, uint32_t key, uint32_t imm);

/* test_shm_server.c: a server that sends every message back, in a process of its own. */
#define SHM_BUFFER 64u /* the longest message */
extern uint16_t shm_port;
extern pid_t shm_child;
extern struct wsd_queue *shm_queue; /* of this process */
int shm_setup(void **state);
int shm_teardown(void **state); /* everything is as it was before */
void shm_serve_for_ever(const struct wsd_addr *addr, intptr_t pipe);
struct end *shm_connected(void);
/* And the memory that is written by its other end: shm_share_close. */
struct end *shm_connected_sharing(shm_share *segment);
void shm_use_anyhow(struct end *end, unsigned rounds); /* it may be broken */
void shm_exchange(struct end *end, const char *text);

/* A request in order, and those that are not: each with two shares that would do. */
extern const struct shm_msg_hello shm_good_hello;
typedef int32_t (*shm_raw_request)(const void *hello, size_t length, const shm_share *shares,
				   unsigned count);
void shm_check_bad_hellos(shm_raw_request request, const shm_share *shares);

/* test_shm_meddle.c: changes a connection's memory and the inbox for ever; without segment it erases the inbox. */
struct shm_meddling {
	shm_share segment, inbox;
	size_t length; /* of the segment */
	unsigned seed;
};
void shm_meddle_for_ever(const struct shm_meddling *what, intptr_t pipe);

/* test_shm_process.c, of each system */
#ifdef _WIN32
#define WORLD_FDS_SLACK \
	24u /* the system's pools of threads take and give back handles as they like */
#define SHM_THINGS 4u
#else
#define WORLD_FDS_SLACK 0u
#define SHM_THINGS	5u
#endif
unsigned world_fds(void);
/* What main has to ask first: is this a process that one of these has started? */
bool shm_served(int argc, char **argv);
pid_t shm_serve(const struct wsd_addr *addr);	   /* another server; returns when it listens */
pid_t shm_meddle(const struct shm_meddling *what); /* returns when it does */
void shm_ready(intptr_t pipe);			   /* tells that it does */
void shm_stop(pid_t pid);
void shm_continue(pid_t pid);
void shm_kill(pid_t pid);
void shm_reap(pid_t *pid);
shm_share shm_share_again(shm_share share); /* once more; shm_share_close */
/* Things of so many bytes that are no memory of ours, and what a peer's message leads to them by; how many. */
unsigned shm_things_make(shm_share *things, size_t length);
void shm_things_drop(shm_share *things);

#endif

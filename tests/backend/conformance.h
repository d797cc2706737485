/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conformance.h - what the backend conformance program's tests are made of. A test drives a backend
 * through struct wsd_backend_ops only. Each runs in a process of its own; a failed check ends it.
 */
#ifndef WSD_TESTS_BACKEND_CONFORMANCE_H
#define WSD_TESTS_BACKEND_CONFORMANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/backend.h>

#define BC_MS	  1000000ull
#define BC_SECOND 1000000000ull
#define BC_LIMIT  (10u * BC_SECOND) /* for one expected event */
#define BC_SHORT \
	(2u * BC_SECOND) /* of a connect that is to fail with it, but after its request has come */
#define BC_LOG_MAX   8192u
#define BC_NODES_MAX 4u

/* An opened device with one queue, and every event it ever gave. */
struct bc_event {
	struct wsd_event ev;
	uint8_t data[WSD_REPLY_DATA_MAX];
	bool used;
};

struct bc_node {
	struct wsd_device *device;
	struct wsd_device_attr attr;
	struct wsd_queue *queue;
	struct bc_event *log;
	unsigned count, first; /* every event before first is used */
};

struct bc_buf {
	struct bc_node *node;
	uint8_t *mem;
	uint64_t length;
	struct wsd_region *region;
};

/* Its address is the context of the endpoint. */
struct bc_conn {
	struct bc_node *node;
	struct wsd_endpoint *ep;
	struct wsd_endpoint_attr attr;
};

struct bc_options {
	uint32_t send_depth, recv_depth, recv_bytes, backlog; /* 0 = standard */
	uint32_t receives; /* posted on both sides before the connection opens */
	uint16_t family;   /* WSD_FAMILY_NONE = any that the device serves */
};

/* Two nodes, a listener on b, and a connection from a (c) to b (s). */
struct bc_pair {
	struct bc_node a, b;
	struct wsd_addr addr;
	intptr_t port_holder;
	struct wsd_listener_ep *listener;
	struct bc_conn c, s;
	struct bc_buf cbuf, sbuf; /* registered with all rights */
	struct bc_options options;
};

#define BC_BUF_BYTES (256u << 10)

#define BC_IN_PROCESS  0x1u /* needs nothing but one process */
#define BC_TWO_PROCESS 0x2u /* skipped for backends that live inside one process */
#define BC_NO_DEVICE   0x4u /* needs none that can be opened */

struct bc_test {
	const char *name;
	void (*run)(void);
	unsigned flags;
};

extern const struct wsd_backend_ops *bc_ops;
extern const struct wsd_host *bc_host;
extern uint32_t bc_device_index;
extern uint32_t bc_peer_index; /* of the side that connects; the same, unless the host has two */
extern bool bc_one_process;
extern const struct wsd_addr bc_any; /* "choose yourself" as a local address */
extern const struct bc_test bc_tests_connect[], bc_tests_data[], bc_tests_wait[], bc_tests_refuse[],
	bc_tests_service[], bc_tests_limits[], bc_tests_process[];

#if defined(__GNUC__)
#define BC_PRINTF(a, b) __attribute__((format(printf, a, b)))
#define BC_NORETURN	__attribute__((noreturn))
#else
#define BC_PRINTF(a, b)
#define BC_NORETURN
#endif

#define BC_SKIPPED 77 /* exit code */

BC_NORETURN void bc_fail(const char *file, int line, const char *format, ...) BC_PRINTF(3, 4);
BC_NORETURN void bc_skip(const char *format, ...) BC_PRINTF(1, 2);
#define BC_CHECK(condition, ...)                                  \
	do {                                                      \
		if (!(condition))                                 \
			bc_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
#define BC_OK(call)                                                                           \
	do {                                                                                  \
		enum wsd_status bc_status_ = (call);                                          \
		BC_CHECK(bc_status_ == WSD_OK, "%s: %s", #call, wsd_status_text(bc_status_)); \
	} while (0)

/* nodes and events */
void bc_open(struct bc_node *node);
void bc_open_peer(struct bc_node *node); /* for the side that connects */
enum wsd_status bc_try_open(struct bc_node *node);
void bc_close(struct bc_node *node);
/* Poll every open node once; true if something came. */
bool bc_poll_all(void);
/* The same and, when nothing comes, sleep on the armed wait objects for some milliseconds. */
void bc_pump(void);
void bc_settle(uint64_t ns); /* keep polling that long */
struct bc_event *bc_peek(struct bc_node *node, const void *context);
/* The next event of that context in the order of arrival; NULL when the limit passes. */
struct bc_event *bc_next(struct bc_node *node, const void *context, uint64_t limit);
/* The next one of that type, leaving others in the log; fails the test when none comes. */
struct bc_event *bc_expect(struct bc_node *node, const void *context, enum wsd_event_type type);
struct bc_event *bc_try_expect(struct bc_node *node, const void *context, enum wsd_event_type type,
			       uint64_t limit);
const char *bc_type(enum wsd_event_type type);

/* addresses */
bool bc_address(struct bc_node *node, uint16_t family, struct wsd_addr *addr);

/* memory */
void bc_buf_make(struct bc_buf *buf, struct bc_node *node, uint64_t length, uint32_t access);
enum wsd_status bc_reg(struct bc_node *node, void *mem, uint64_t length, uint32_t access,
		       struct wsd_region **region);
void bc_buf_free(struct bc_buf *buf);
void bc_fill(void *mem, size_t length, unsigned seed);
bool bc_filled(const void *mem, size_t length, unsigned seed);

/* connections */
void bc_attr(const struct bc_node *node, const struct bc_options *options,
	     struct wsd_endpoint_attr *attr);
enum wsd_status bc_try_endpoint(struct bc_conn *conn, struct bc_node *node,
				struct wsd_request *request, const struct bc_options *options);
void bc_endpoint(struct bc_conn *conn, struct bc_node *node, struct wsd_request *request,
		 const struct bc_options *options);
void bc_destroy(struct bc_conn *conn);
void bc_pair_nodes(struct bc_pair *pair, const struct bc_options *options); /* up to listening */
void bc_pair_open(struct bc_pair *pair, const struct bc_options *options);  /* and connected */
void bc_pair_close(struct bc_pair *pair);
/* Another connection of the pair's nodes. */
void bc_connect_more(struct bc_pair *pair, struct bc_conn *c, struct bc_conn *s);

/* posting; each fails the test unless everything was taken */
void bc_recv(struct bc_conn *conn, struct bc_buf *buf, uint64_t offset, uint32_t length,
	     uint64_t id);
enum wsd_status bc_try_work(struct bc_conn *conn, struct wsd_work *work);
void bc_send(struct bc_conn *conn, struct bc_buf *buf, uint64_t offset, uint32_t length,
	     uint64_t id, uint32_t flags);
void bc_rdma(struct bc_conn *conn, enum wsd_work_op op, struct bc_buf *buf, uint64_t offset,
	     uint32_t length, const struct wsd_region *remote, uint64_t remote_offset, uint64_t id);
void bc_done(struct bc_conn *conn, uint64_t id, enum wsd_status status);
uint64_t bc_now(void);

/* --- conf_os_linux.c, conf_os_windows.c --- */

void bc_os_begin(int argc, char **argv);
/* In a process of its own, for at most seconds: its exit code, or 1 when it did not end well. */
int bc_run_apart(const struct bc_test *test, void (*run)(const struct bc_test *test),
		 unsigned seconds);
/*
 * Another process, which runs serve and exits; called before the backend is opened here. It has a pipe to this
 * process, for the first thing that it tells.
 */
struct bc_peer {
	intptr_t process, pipe;
};
void bc_peer_start(struct bc_peer *peer, void (*serve)(intptr_t pipe));
void bc_tell(intptr_t pipe, const void *bytes, size_t length);
void bc_hear(const struct bc_peer *peer, void *bytes, size_t length);
void bc_peer_kill(struct bc_peer *peer);
void bc_peer_end(struct bc_peer *peer); /* it ends by itself, and well; skips if it has skipped */
/* What look says of the name, where nothing that the tests inherit has been used. */
uint32_t bc_look_apart(uint32_t (*look)(const char *name), const char *name);
unsigned bc_open_files(void);
unsigned bc_files_kept(void); /* those that a backend takes once per process */
/* Only so many descriptors more; skips the test where there is no such limit. */
void bc_limit_files(unsigned spare);
void bc_unlimit_files(void);
/* Is one of them ready, at once or within ms? */
bool bc_objects_wait(const wsd_wait_object *objects, unsigned count, int ms);
void bc_yield(void);
/* A port that nobody else uses until it is released. */
intptr_t bc_hold_port(struct wsd_addr *addr);
void bc_release_port(intptr_t holder);

#endif

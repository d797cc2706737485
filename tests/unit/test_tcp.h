/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_tcp.h - the tcp backend between two processes: a server that echoes messages and lends a big region, and the
 * tests as its client.
 */
#ifndef WSD_TEST_TCP_H
#define WSD_TEST_TCP_H

#include "tests/lib/test.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/tcp/tcp_wire.h"
#include "tests/unit/test_tcp_os.h"

extern const struct wsd_backend_ops wsd_backend_tcp;

#define OPS	 (&wsd_backend_tcp)
#define BIG	 (8u << 20)
#define MSG	 65536u
#define SLOTS	 4u
#define LIMIT_NS 20000000000u
#define MANY	 (500 / OS_FEWER)

struct side {
	struct wsd_device *device;
	struct wsd_queue *queue;
	struct wsd_device_attr attr;
};

/* The server lends this in its accept data. */
struct lend {
	uint64_t addr;
	uint32_t key;
};

struct client {
	struct wsd_addr addr;
	intptr_t holder;
	struct os_process server;
	struct wsd_endpoint *ep;
	struct lend lend;
	uint8_t *slots, *big;
	struct wsd_region *slots_region, *big_region;
};

extern struct side me;
extern const struct wsd_endpoint_attr ep_attr;

/* This process again, as a server at an address of loopback: os_begin has to know the role. */
#define SERVER_ROLE                   \
	{                             \
		"serve", serve_echoes \
	}
int serve_echoes(const uint32_t *numbers);

uint16_t free_port(uint16_t family, intptr_t *holder);
struct wsd_addr address(uint16_t family, uint16_t port);
void side_open(struct side *side);
void side_close(struct side *side);
bool next_event(struct side *side, struct wsd_event *event, uint64_t limit);
void expect(struct wsd_event *event, enum wsd_event_type type, enum wsd_status status);
enum wsd_status post_one(struct wsd_endpoint *ep, enum wsd_work_op op, void *addr, uint32_t length,
			 struct wsd_region *region, struct lend to, uint64_t id);
void recv_post(struct wsd_endpoint *ep, uint8_t *slots, struct wsd_region *region, uint64_t i);
void start_server(struct os_process *server, struct wsd_addr addr);
/* It ends by itself, so that its port is free: Wine may keep the listener of a process that is killed. */
void end_server(struct os_process *server, struct wsd_addr addr);
struct wsd_endpoint *connect_to(struct wsd_addr addr, const char *data, uint64_t limit);
void client_open(struct client *c, uint16_t family);
void client_close(struct client *c);
void fill(uint8_t *p, size_t length, uint32_t seed);
void check_fill(const uint8_t *p, size_t length, uint32_t seed);
void echo(struct client *c, uint32_t length, uint32_t seed);
/* All of them, or what there was when the other side closed; how many. */
size_t raw_receive_all(intptr_t s, void *bytes, size_t length);
size_t drain(intptr_t s);

#endif

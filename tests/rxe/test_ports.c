// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_ports.c - an adapter with two ports: each connection goes over the one that its route leads to, on both sides.
 * Here that is port 1, while port 2 is the one that works when the adapter is opened. What this program defines of
 * libibverbs stands before the library's own: Soft-RoCE has one port, and is made to say that it has two.
 */
#include "tests/rxe/adapter.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define PORTS 2u

typedef int query_port_fn(struct ibv_context *, uint8_t, struct ibv_port_attr *, size_t);
typedef int modify_qp_fn(struct ibv_qp *, struct ibv_qp_attr *, int);
typedef int query_device_fn(struct ibv_context *, struct ibv_device_attr *);
typedef struct ibv_context *open_device_fn(struct ibv_device *);

static query_port_fn *real_query_port;

/* Of each queue pair: the ports on which they were made ready, in order. */
static struct {
	struct ibv_qp *qp;
	uint8_t ports[4];
	unsigned count;
} seen[8];
static unsigned seen_count;

static void *real(const char *name)
{
	void *library = dlopen("libibverbs.so.1", RTLD_LAZY);
	void *function = library ? dlsym(library, name) : NULL;

	BC_CHECK(function, "no %s", name);
	return function;
}

static int query_port(struct ibv_context *context, uint8_t number, struct ibv_port_attr *attr,
		      size_t size)
{
	int result = real_query_port(context, 1, attr, size);

	attr->state = number == 2 ? IBV_PORT_ACTIVE : IBV_PORT_DOWN;
	return number <= PORTS ? result : -1;
}

struct ibv_context *ibv_open_device(struct ibv_device *device)
{
	open_device_fn *open_device;
	struct ibv_context *context;
	struct verbs_context *whole;
	void *function = real("ibv_open_device");

	memcpy(&open_device, &function, sizeof(function));
	context = open_device(device);
	whole = context ? verbs_get_ctx(context) : NULL;
	BC_CHECK(!context || (whole && whole->query_port), "an old libibverbs");
	if (whole && whole->query_port != query_port) {
		real_query_port = whole->query_port;
		whole->query_port = query_port;
	}
	return context;
}

int ibv_query_device(struct ibv_context *context, struct ibv_device_attr *attr)
{
	void *function = real("ibv_query_device");
	query_device_fn *query_device;
	int result;

	memcpy(&query_device, &function, sizeof(function));
	result = query_device(context, attr);
	attr->phys_port_cnt = PORTS;
	return result;
}

static void note_port(struct ibv_qp *qp, uint8_t port)
{
	unsigned i = 0;

	while (i < seen_count && seen[i].qp != qp)
		i++;
	BC_CHECK(i < sizeof(seen) / sizeof(seen[0]), "more queue pairs than expected");
	seen[i].qp = qp;
	seen_count = i == seen_count ? i + 1 : seen_count;
	if (seen[i].count < sizeof(seen[i].ports))
		seen[i].ports[seen[i].count++] = port;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	void *function = real("ibv_modify_qp");
	modify_qp_fn *modify_qp;
	struct ibv_qp_attr there = *attr;

	memcpy(&modify_qp, &function, sizeof(function));
	if (mask & IBV_QP_PORT) {
		note_port(qp, attr->port_num);
		there.port_num = 1; /* the only one that there is */
	}
	return modify_qp(qp, &there, mask);
}

/* Made ready on port made, and then, because the route is known, on port 1. */
static void check_ports(const char *who, const struct wsd_endpoint *endpoint, uint8_t made)
{
	unsigned i = 0;

	while (i < seen_count && seen[i].qp != endpoint->qp)
		i++;
	BC_CHECK(i < seen_count && seen[i].count >= 2, "%s: its queue pair was not seen", who);
	BC_CHECK(seen[i].ports[0] == made, "%s: made on port %u", who, seen[i].ports[0]);
	BC_CHECK(seen[i].ports[seen[i].count - 1] == 1, "%s: connected over port %u", who,
		 seen[i].ports[seen[i].count - 1]);
	printf("%s: made on port %u, connected over port 1\n", who, made);
}

static struct bc_pair pair;

int main(void)
{
	adapter_start(60);
	bc_pair_open(&pair, NULL);
	BC_CHECK(pair.a.device->port == 2 && pair.b.device->port == 2, "port 2 works");
	check_ports("connector", pair.c.ep, 2);
	check_ports("acceptor", pair.s.ep, 1); /* the request tells it */
	bc_fill(pair.cbuf.mem, 4096, 7);
	bc_recv(&pair.s, &pair.sbuf, 0, 4096, 1);
	bc_send(&pair.c, &pair.cbuf, 0, 4096, 2, WSD_WORK_SIGNALLED);
	bc_done(&pair.c, 2, WSD_OK);
	bc_expect(&pair.b, &pair.s, WSD_EV_RECV);
	BC_CHECK(bc_filled(pair.sbuf.mem, 4096, 7), "the message has changed");
	bc_pair_close(&pair);
	return 0;
}

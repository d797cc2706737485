// SPDX-License-Identifier: BSD-2-Clause
/* foreign.c - see foreign.h. */
#include "tests/rxe/foreign.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rdma/rdma_cma.h>

#define RESOLVE_MS   5000
#define BIND_STEP_US 10000
#define BIND_TRIES   1000u

struct foreign {
	struct rdma_event_channel *events; /* of all three */
	struct rdma_cm_id *id, *listener, *accepted;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "foreign: %s: %s\n", what, strerror(errno));
	exit(1);
}

static union address address_of(const char *text, uint16_t port)
{
	union address at;
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(&at, 0, sizeof(at));
	at.any.sa_family = (sa_family_t)family;
	at.v4.sin_port = htons(port); /* where IPv6 has it */
	need(inet_pton(family, text,
		       family == AF_INET ? (void *)&at.v4.sin_addr : (void *)&at.v6.sin6_addr) == 1,
	     text);
	return at;
}

/* A connection that ends in the background may have the port for a while. */
static struct rdma_cm_id *bound(struct foreign *f, const char *address, uint16_t port)
{
	union address at = address_of(address, port);
	struct rdma_cm_id *id;
	unsigned tries = 0;

	need(rdma_create_id(f->events, &id, NULL, RDMA_PS_TCP) == 0, "rdma_create_id");
	while (rdma_bind_addr(id, &at.any) != 0) {
		need((errno == EADDRINUSE || errno == EADDRNOTAVAIL) && ++tries < BIND_TRIES,
		     "rdma_bind_addr");
		usleep(BIND_STEP_US);
	}
	return id;
}

static void await(struct foreign *f, enum rdma_cm_event_type wanted)
{
	struct rdma_cm_event *event;

	need(rdma_get_cm_event(f->events, &event) == 0, "rdma_get_cm_event");
	if (event->event != wanted) {
		fprintf(stderr, "foreign: %s (%d), not %s\n", rdma_event_str(event->event),
			event->status, rdma_event_str(wanted));
		exit(1);
	}
	if (wanted == RDMA_CM_EVENT_CONNECT_REQUEST)
		f->accepted = event->id;
	rdma_ack_cm_event(event);
}

/* Of no queue pair, as nothing is sent; but each only once, or the kernel takes it for one that it knows. */
static uint32_t new_number(void)
{
	static uint32_t count;

	return 0x800000u | ((uint32_t)getpid() & 0x7fffu) << 8 | (count++ & 0xffu);
}

static void connect_to(struct foreign *f, const char *peer, uint16_t port)
{
	struct rdma_conn_param param = { .retry_count = 7, .qp_num = new_number() };
	union address at = address_of(peer, port);

	f->listener = bound(f, peer, port);
	need(rdma_listen(f->listener, 1) == 0, "rdma_listen");
	need(rdma_resolve_addr(f->id, NULL, &at.any, RESOLVE_MS) == 0, "rdma_resolve_addr");
	await(f, RDMA_CM_EVENT_ADDR_RESOLVED);
	need(rdma_resolve_route(f->id, RESOLVE_MS) == 0, "rdma_resolve_route");
	await(f, RDMA_CM_EVENT_ROUTE_RESOLVED);
	need(rdma_connect(f->id, &param) == 0, "rdma_connect");
	await(f, RDMA_CM_EVENT_CONNECT_REQUEST);
	param.qp_num = new_number();
	need(rdma_accept(f->accepted, &param) == 0, "rdma_accept");
	await(f, RDMA_CM_EVENT_CONNECT_RESPONSE);
	need(rdma_establish(f->id) == 0, "rdma_establish");
	await(f, RDMA_CM_EVENT_ESTABLISHED);
}

struct foreign *foreign_take(enum foreign_kind kind, const char *address, const char *peer,
			     uint16_t port)
{
	struct foreign *f = calloc(1, sizeof(*f));

	need(f != NULL, "memory");
	f->events = rdma_create_event_channel();
	need(f->events != NULL, "rdma_create_event_channel");
	if (kind == FOREIGN_EVERYWHERE)
		address = strchr(address, ':') ? "::" : "0.0.0.0";
	f->id = bound(f, address, port);
	if (kind == FOREIGN_CONNECTED)
		connect_to(f, peer, port);
	return f;
}

void foreign_leave(struct foreign *f)
{
	rdma_destroy_id(f->id);
	if (f->accepted)
		rdma_destroy_id(f->accepted);
	if (f->listener)
		rdma_destroy_id(f->listener);
	rdma_destroy_event_channel(f->events);
	free(f);
}

static void *refuse(void *arg)
{
	struct foreign *f = arg;
	struct rdma_cm_event *event;

	while (rdma_get_cm_event(f->events, &event) == 0) {
		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST) {
			need(rdma_reject(event->id, "login rejected", 14) == 0, "rdma_reject");
			f->accepted = event->id;
		}
		rdma_ack_cm_event(event);
		if (f->accepted)
			rdma_destroy_id(f->accepted);
		f->accepted = NULL;
	}
	return NULL;
}

void foreign_refuse(const char *address, uint16_t port)
{
	struct foreign *f = calloc(1, sizeof(*f));
	pthread_t thread;

	need(f != NULL, "memory");
	f->events = rdma_create_event_channel();
	need(f->events != NULL, "rdma_create_event_channel");
	f->id = bound(f, address, port);
	need(rdma_listen(f->id, 8) == 0, "rdma_listen");
	need(pthread_create(&thread, NULL, refuse, f) == 0 && pthread_detach(thread) == 0,
	     "pthread_create");
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_stranger.c - peers that speak the connection manager's language and not ours, or ours up to a point: they
 * ask our listener, answer our requests and refuse them with any private data; and open connections behind which
 * there is no queue pair. Each ends with its status and is counted; what is honest goes on. And the time for an
 * acknowledgement, by which the last of these end, is the configured one on both sides.
 */
#include "tests/rxe/adapter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACK_TIMEOUT   14u	/* 67 ms */
#define NO_QP	      0xabcdefu /* a number that no queue pair has */
#define REQUEST_BYTES 56u
#define ACCEPT_BYTES  196u
#define REJECT_BYTES  148u
#define BY_CONSUMER   28 /* rejects with private data of the one who is asked */

static struct bc_pair pair;
static uint64_t *protocol_errors;

/* --- the stranger: librdmacm and no queue pair --- */

struct stranger {
	struct rdma_event_channel *events;
	struct rdma_cm_id *id; /* what it is about: its own, or that of a request to it */
	struct rdma_cm_id *listener;
};

static struct stranger stranger_new(void)
{
	struct stranger s = { .events = rdma_create_event_channel() };

	BC_CHECK(s.events && fcntl(s.events->fd, F_SETFL, O_NONBLOCK) == 0, "no event channel");
	BC_CHECK(rdma_create_id(s.events, &s.id, NULL, RDMA_PS_TCP) == 0, "no id");
	return s;
}

static void stranger_leave(struct stranger *s)
{
	rdma_destroy_id(s->id);
	if (s->listener)
		rdma_destroy_id(s->listener);
	rdma_destroy_event_channel(s->events);
}

/* The next event, while our side goes on; its status in *status. */
static enum rdma_cm_event_type stranger_hears(struct stranger *s, int *status)
{
	uint64_t end = bc_now() + BC_LIMIT;
	enum rdma_cm_event_type type;
	struct rdma_cm_event *event;

	while (rdma_get_cm_event(s->events, &event) != 0) {
		BC_CHECK(errno == EAGAIN && bc_now() < end, "the stranger hears nothing");
		bc_pump();
	}
	type = event->event;
	*status = event->status;
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST)
		s->id = event->id;
	rdma_ack_cm_event(event);
	return type;
}

static void stranger_awaits(struct stranger *s, enum rdma_cm_event_type wanted)
{
	int status;
	enum rdma_cm_event_type type = stranger_hears(s, &status);

	BC_CHECK(type == wanted, "%s (%d) in place of %s", rdma_event_str(type), status,
		 rdma_event_str(wanted));
}

/* As greedy as the connection manager lets it be. */
static struct rdma_conn_param greedy(const void *data, uint8_t length)
{
	return (struct rdma_conn_param){ .private_data = data,
					 .private_data_len = length,
					 .responder_resources = UINT8_MAX,
					 .initiator_depth = UINT8_MAX,
					 .retry_count = 7,
					 .rnr_retry_count = 7,
					 .qp_num = NO_QP };
}

static struct sockaddr_in address_of(const struct wsd_addr *addr)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(addr->port) };

	memcpy(&at.sin_addr, addr->bytes, sizeof(at.sin_addr));
	return at;
}

static void stranger_asks(struct stranger *s, const void *data, uint8_t length)
{
	struct rdma_conn_param param = greedy(data, length);
	struct sockaddr_in at = address_of(&pair.addr);

	BC_CHECK(rdma_resolve_addr(s->id, NULL, (struct sockaddr *)&at, 2000) == 0, "resolve_addr");
	stranger_awaits(s, RDMA_CM_EVENT_ADDR_RESOLVED);
	BC_CHECK(rdma_resolve_route(s->id, 2000) == 0, "resolve_route");
	stranger_awaits(s, RDMA_CM_EVENT_ROUTE_RESOLVED);
	BC_CHECK(rdma_connect(s->id, &param) == 0, "connect");
}

/* --- garbage: a greeting, and what is wrong with it --- */

static const struct verbs_greeting honest = {
	.word_addr = 4096, .word_key = 0x1234, .length = 8, .hears = 77, .says = 78
};

static const char *const wrongs[] = { "nothing", "zeros",   "noise",  "another magic",
				      "older",	 "younger", "longer", "the longest" };
#define WRONGS	    (sizeof(wrongs) / sizeof(wrongs[0]))
#define SILENT_ONES 2

/* The i-th of them, in bytes of private data; returns how many of these are sent. */
static uint8_t garbage(unsigned i, uint8_t *data, uint8_t bytes, uint32_t size, uint8_t most)
{
	memset(data, 0, bytes);
	if (i == 0)
		return 0;
	if (i == 1)
		return bytes;
	for (uint8_t n = 0; n < bytes; n++)
		data[n] = (uint8_t)rand();
	if (i == 2)
		return bytes;
	verbs_greeting_encode(data, size, &honest);
	if (i == 3)
		data[1] ^= 0x80;
	else if (i <= 5)
		data[2] = (uint8_t)(data[2] + (i == 4 ? -1 : 1));
	else
		data[3] = i == 6 ? most + 1 : UINT8_MAX;
	return bytes;
}

static void honest_one(void)
{
	struct bc_conn c, s;

	bc_connect_more(&pair, &c, &s);
	bc_destroy(&c);
	bc_expect(&pair.b, &s, WSD_EV_DISCONNECTED);
	bc_destroy(&s);
}

/* --- it asks --- */

static void check_requests(void)
{
	uint8_t data[REQUEST_BYTES];

	for (unsigned i = 0; i < WRONGS; i++) {
		uint8_t length = garbage(i, data, sizeof(data), VERBS_GREETING, 40);
		struct stranger s = stranger_new();
		uint64_t before = *protocol_errors;
		int status;

		stranger_asks(&s, data, length);
		BC_CHECK(stranger_hears(&s, &status) == RDMA_CM_EVENT_REJECTED &&
				 status == BY_CONSUMER,
			 "request of %s: status %d", wrongs[i], status);
		BC_CHECK(*protocol_errors == before + 1, "request of %s: not counted", wrongs[i]);
		BC_CHECK(!bc_peek(&pair.b, &pair.listener), "request of %s: told", wrongs[i]);
		stranger_leave(&s);
	}
	honest_one();
}

/* Our greeting with any data behind it is a request. */
static void accept_one(struct stranger *s, struct bc_conn *conn)
{
	struct verbs_greeting greeting = honest;
	uint8_t data[REQUEST_BYTES];
	struct bc_event *event;

	greeting.length = WSD_REQUEST_DATA_MAX;
	memset(data, 0xa5, sizeof(data));
	verbs_greeting_encode(data, VERBS_GREETING, &greeting);
	stranger_asks(s, data, sizeof(data));
	event = bc_expect(&pair.b, &pair.listener, WSD_EV_REQUEST);
	BC_CHECK(event->ev.data_length == WSD_REQUEST_DATA_MAX && event->data[0] == 0xa5,
		 "%u bytes of private data", event->ev.data_length);
	bc_endpoint(conn, &pair.b, event->ev.request, NULL);
	BC_OK(bc_ops->accept(conn->ep, NULL, 0));
	stranger_awaits(s, RDMA_CM_EVENT_CONNECT_RESPONSE);
}

/* Work for a queue pair that does not exist is given up, and so is the connection. */
static void check_no_answer(struct bc_conn *conn, struct bc_buf *buf, const char *who)
{
	uint64_t begun = bc_now();
	struct bc_event *event;

	bc_expect(conn->node, conn, WSD_EV_CONNECTED);
	bc_send(conn, buf, 0, 100, 5, WSD_WORK_SIGNALLED);
	event = bc_expect(conn->node, conn, WSD_EV_SEND);
	BC_CHECK(event->ev.id == 5 && event->ev.status == WSD_ETIMEDOUT, "%s: send ended with %s",
		 who, wsd_status_text(event->ev.status));
	event = bc_expect(conn->node, conn, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status < 0, "%s: disconnected with %s", who,
		 wsd_status_text(event->ev.status));
	printf("%s: no answer for %u ms\n", who, (unsigned)((bc_now() - begun) / BC_MS));
	bc_destroy(conn);
}

static void check_asks(void)
{
	struct stranger s = stranger_new();
	struct bc_conn conn;
	struct bc_event *event;

	/* It leaves without a word. */
	accept_one(&s, &conn);
	stranger_leave(&s);
	event = bc_expect(&pair.b, &conn, WSD_EV_CONNECT_FAILED);
	BC_CHECK(event->ev.status == WSD_ERESET, "%s", wsd_status_text(event->ev.status));
	bc_destroy(&conn);
	/* It goes on. */
	s = stranger_new();
	accept_one(&s, &conn);
	BC_CHECK(rdma_establish(s.id) == 0, "establish");
	check_no_answer(&conn, &pair.sbuf, "it asked");
	stranger_leave(&s);
	honest_one();
}

/* --- it is asked --- */

static struct stranger stranger_listens(struct wsd_addr *addr, intptr_t *holder)
{
	struct stranger s = stranger_new();
	struct sockaddr_in at;

	*addr = pair.addr;
	*holder = bc_hold_port(addr);
	at = address_of(addr);
	s.listener = s.id;
	s.id = NULL;
	BC_CHECK(rdma_bind_addr(s.listener, (struct sockaddr *)&at) == 0 &&
			 rdma_listen(s.listener, 8) == 0,
		 "listen");
	return s;
}

static void ask_stranger(struct stranger *s, const struct wsd_addr *addr, struct bc_conn *conn)
{
	bc_endpoint(conn, &pair.a, NULL, NULL);
	BC_OK(bc_ops->connect(conn->ep, &bc_any, addr, NULL, 0, BC_LIMIT));
	stranger_awaits(s, RDMA_CM_EVENT_CONNECT_REQUEST);
}

static void check_failed(struct bc_conn *conn, enum wsd_status wanted, const char *what)
{
	struct bc_event *event = bc_expect(&pair.a, conn, WSD_EV_CONNECT_FAILED);

	BC_CHECK(event->ev.status == wanted, "%s: %s", what, wsd_status_text(event->ev.status));
	BC_CHECK(event->ev.data_length == 0, "%s: %u bytes of private data", what,
		 event->ev.data_length);
	bc_destroy(conn);
}

static void check_answers(void)
{
	uint8_t data[ACCEPT_BYTES];
	struct rdma_conn_param param;
	struct wsd_addr addr;
	struct bc_conn conn;
	intptr_t holder;
	struct stranger s = stranger_listens(&addr, &holder);

	for (unsigned i = 0; i < WRONGS; i++) {
		uint64_t before = *protocol_errors;

		ask_stranger(&s, &addr, &conn);
		param = greedy(data, garbage(i, data, sizeof(data), VERBS_ACCEPT_GREETING,
					     WSD_REPLY_DATA_MAX));
		BC_CHECK(rdma_accept(s.id, &param) == 0, "accept");
		check_failed(&conn, WSD_EVERSION, wrongs[i]);
		BC_CHECK(*protocol_errors == before + 1, "accept with %s: not counted", wrongs[i]);
		stranger_awaits(&s, RDMA_CM_EVENT_REJECTED);
		rdma_destroy_id(s.id);

		ask_stranger(&s, &addr, &conn);
		BC_CHECK(rdma_reject(s.id, data,
				     garbage(i, data, REJECT_BYTES, VERBS_GREETING,
					     WSD_REPLY_DATA_MAX)) == 0,
			 "reject");
		/* Without a word: so does the kernel for a listener that has ended. */
		check_failed(&conn, i < SILENT_ONES ? WSD_ENOLISTENER : WSD_EVERSION, wrongs[i]);
		rdma_destroy_id(s.id);
	}
	ask_stranger(&s, &addr, &conn);
	memset(data, 0, sizeof(data));
	verbs_greeting_encode(data, VERBS_ACCEPT_GREETING, &honest);
	param = greedy(data, sizeof(data));
	BC_CHECK(rdma_accept(s.id, &param) == 0, "accept");
	check_no_answer(&conn, &pair.cbuf, "it was asked");
	stranger_leave(&s);
	bc_release_port(holder);
	honest_one();
}

/* --- the time for an acknowledgement --- */

static unsigned ack_timeout_of(const struct bc_conn *conn)
{
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	BC_CHECK(ibv_query_qp(conn->ep->qp, &attr, IBV_QP_TIMEOUT, &init) == 0, "query_qp");
	return attr.timeout;
}

/* wanted: or anything else. */
static void check_ack_timeout(bool wanted)
{
	unsigned c = ack_timeout_of(&pair.c), s = ack_timeout_of(&pair.s);

	printf("time for an acknowledgement: %u and %u\n", c, s);
	BC_CHECK((c == ACK_TIMEOUT) == wanted && (s == ACK_TIMEOUT) == wanted,
		 "the time for an acknowledgement is %u and %u", c, s);
}

int main(void)
{
	static const struct bc_options options = { .family = WSD_FAMILY_IPV4 };
	char text[8];

	adapter_start(60);
	protocol_errors = wsd_counter("verbs", "protocol_errors", "");
	bc_pair_open(&pair, &options);
	check_ack_timeout(false);
	bc_pair_close(&pair);
	snprintf(text, sizeof(text), "%u", ACK_TIMEOUT);
	setenv("WSD_VERBS_ACK_TIMEOUT", text, 1);
	bc_pair_open(&pair, &options);
	check_ack_timeout(true);
	check_requests();
	check_asks();
	check_answers();
	bc_pair_close(&pair);
	printf("%u wrong greetings, each in a request, an accept and a reject\n", (unsigned)WRONGS);
	return 0;
}

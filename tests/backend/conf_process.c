// SPDX-License-Identifier: BSD-2-Clause
/*
 * conf_process.c - the two ends in two processes. The other one is started before the backend is opened in
 * this one; both then talk only through the backend, and through a pipe for the address.
 */
#include "tests/backend/conformance.h"

#include <string.h>

#define BC_ALL (WSD_ACCESS_LOCAL_WRITE | WSD_ACCESS_REMOTE_READ | WSD_ACCESS_REMOTE_WRITE)

/* Sent with the accept: where the server's buffer is. */
struct offer {
	uint64_t addr;
	uint32_t key;
	uint32_t length;
};

struct server {
	struct bc_node node;
	struct wsd_addr addr;
	intptr_t holder;
	struct wsd_listener_ep *listener;
	struct bc_conn conn;
	struct bc_buf buf;
};

static void serve(struct server *s, intptr_t pipe, const struct bc_options *options)
{
	struct bc_event *event;
	struct offer offer;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	bc_open(&s->node);
	if (!bc_address(&s->node, WSD_FAMILY_NONE, &s->addr))
		bc_skip("no address");
	s->holder = bc_hold_port(&s->addr);
	BC_OK(bc_ops->listen(s->node.queue, &s->addr, 8, &s->listener, &s->listener));
	bc_buf_make(&s->buf, &s->node, BC_BUF_BYTES, BC_ALL);
	bc_tell(pipe, &s->addr, sizeof(s->addr));
	event = bc_expect(&s->node, &s->listener, WSD_EV_REQUEST);
	bc_endpoint(&s->conn, &s->node, event->ev.request, options);
	for (i = 0; i < options->receives; i++)
		bc_recv(&s->conn, &s->buf, i * 1024, 1024, i);
	offer.addr = s->buf.region->remote_addr;
	offer.key = s->buf.region->remote_key;
	offer.length = BC_BUF_BYTES;
	BC_OK(bc_ops->accept(s->conn.ep, &offer, sizeof(offer)));
	bc_expect(&s->node, &s->conn, WSD_EV_CONNECTED);
}

static void serve_end(struct server *s)
{
	bc_destroy(&s->conn);
	bc_ops->listener_destroy(s->listener);
	bc_buf_free(&s->buf);
	bc_close(&s->node);
	bc_release_port(s->holder);
}

static void join(struct bc_node *node, struct bc_conn *conn, struct bc_buf *buf,
		 struct wsd_region *remote, const struct bc_peer *peer,
		 const struct bc_options *options)
{
	struct bc_event *event;
	struct wsd_addr addr;
	struct offer offer;
	uint32_t i;

	bc_open_peer(node);
	bc_buf_make(buf, node, BC_BUF_BYTES, BC_ALL);
	bc_hear(peer, &addr, sizeof(addr));
	bc_endpoint(conn, node, NULL, options);
	for (i = 0; i < options->receives; i++)
		bc_recv(conn, buf, i * 1024, 1024, i);
	BC_OK(bc_ops->connect(conn->ep, &bc_any, &addr, NULL, 0, BC_LIMIT));
	event = bc_expect(node, conn, WSD_EV_CONNECTED);
	BC_CHECK(event->ev.data_length == sizeof(offer), "offer");
	memcpy(&offer, event->data, sizeof(offer));
	memset(remote, 0, sizeof(*remote));
	remote->remote_addr = offer.addr;
	remote->remote_key = offer.key;
	remote->length = offer.length;
}

static void ping_pong(struct bc_node *node, struct bc_conn *conn, struct bc_buf *buf, bool first)
{
	unsigned i, id;

	for (i = 0; i < 1000; i++) {
		if (first) {
			bc_fill(buf->mem + 8192, 1024, i);
			bc_send(conn, buf, 8192, 1024, i, WSD_WORK_SIGNALLED);
		}
		id = (unsigned)bc_expect(node, conn, WSD_EV_RECV)->ev.id;
		BC_CHECK(bc_filled(buf->mem + id * 1024, 1024, i), "message %u", i);
		bc_recv(conn, buf, id * 1024, 1024, id);
		if (!first) {
			bc_fill(buf->mem + 8192, 1024, i);
			bc_send(conn, buf, 8192, 1024, i, WSD_WORK_SIGNALLED);
		}
		bc_done(conn, i, WSD_OK);
	}
}

static const struct bc_options standard = { .recv_bytes = 1024, .receives = 4 };

static void serve_ping_pong(intptr_t pipe)
{
	struct server s;

	serve(&s, pipe, &standard);
	ping_pong(&s.node, &s.conn, &s.buf, false);
	bc_expect(&s.node, &s.conn, WSD_EV_RECV); /* all written now */
	BC_CHECK(bc_filled(s.buf.mem + 65536, 100000, 77), "bytes of the WRITE");
	BC_CHECK(bc_expect(&s.node, &s.conn, WSD_EV_DISCONNECTED)->ev.status == WSD_OK,
		 "not a clean disconnect");
	serve_end(&s);
}

static void test_two_processes(void)
{
	struct bc_node node;
	struct bc_conn conn;
	struct bc_buf buf;
	struct wsd_region remote;
	struct bc_peer peer;

	bc_peer_start(&peer, serve_ping_pong);
	join(&node, &conn, &buf, &remote, &peer, &standard);
	ping_pong(&node, &conn, &buf, true);
	bc_fill(buf.mem + 65536, 100000, 77);
	bc_rdma(&conn, WSD_OP_WRITE, &buf, 65536, 100000, &remote, 65536, 5000);
	bc_done(&conn, 5000, WSD_OK);
	if (node.attr.caps & WSD_CAP_READ) {
		memset(buf.mem + 65536, 0, 100000);
		bc_rdma(&conn, WSD_OP_READ, &buf, 65536, 100000, &remote, 65536, 5001);
		bc_done(&conn, 5001, WSD_OK);
		BC_CHECK(bc_filled(buf.mem + 65536, 100000, 77), "bytes of the READ");
	}
	bc_send(&conn, &buf, 0, 1, 5002, WSD_WORK_SIGNALLED);
	bc_done(&conn, 5002, WSD_OK);
	BC_OK(bc_ops->disconnect(conn.ep));
	bc_expect(&node, &conn, WSD_EV_DISCONNECTED);
	bc_destroy(&conn);
	bc_buf_free(&buf);
	bc_close(&node);
	bc_peer_end(&peer);
}

static void serve_one_message(intptr_t pipe)
{
	struct server s;

	serve(&s, pipe, &standard);
	bc_send(&s.conn, &s.buf, 8192, 100, 1, WSD_WORK_SIGNALLED);
	bc_done(&s.conn, 1, WSD_OK);
	for (;;)
		bc_pump();
}

/* The peer dies; what it sent completely arrives, then the connection ends with an error, soon. */
static void test_killed_peer(void)
{
	struct bc_node node;
	struct bc_conn conn;
	struct bc_buf buf;
	struct wsd_region remote;
	struct bc_event *event;
	struct bc_peer peer;
	uint64_t start_time;

	bc_peer_start(&peer, serve_one_message);
	join(&node, &conn, &buf, &remote, &peer, &standard);
	bc_expect(&node, &conn, WSD_EV_RECV);
	bc_peer_kill(&peer);
	start_time = bc_now();
	event = bc_expect(&node, &conn, WSD_EV_DISCONNECTED);
	BC_CHECK(event->ev.status < 0, "a killed peer looks like a clean disconnect");
	BC_CHECK(bc_now() - start_time < 3 * BC_SECOND, "noticed after %llu ms",
		 (unsigned long long)((bc_now() - start_time) / BC_MS));
	bc_destroy(&conn);
	bc_buf_free(&buf);
	bc_close(&node);
}

static void serve_all(intptr_t pipe)
{
	struct server s;

	serve(&s, pipe, &standard);
	for (;;)
		bc_pump();
}

/* Killed in the middle of transfers in both directions, many times over. */
static void test_killed_busy(void)
{
	struct bc_node node;
	struct bc_conn conn;
	struct bc_buf buf;
	struct wsd_region remote;
	struct bc_event *event;
	struct bc_peer peer;
	unsigned round, i;

	for (round = 0; round < 10; round++) {
		bc_peer_start(&peer, serve_all);
		join(&node, &conn, &buf, &remote, &peer, &standard);
		for (i = 0; i < 20 + round * 7; i++) {
			bc_rdma(&conn, WSD_OP_WRITE, &buf, 65536, 60000, &remote, 65536, i);
			bc_done(&conn, i, WSD_OK);
		}
		bc_rdma(&conn, WSD_OP_WRITE, &buf, 65536, 60000, &remote, 65536, i);
		bc_peer_kill(&peer);
		event = bc_expect(&node, &conn, WSD_EV_DISCONNECTED);
		BC_CHECK(event->ev.status < 0, "a clean disconnect");
		bc_destroy(&conn);
		bc_buf_free(&buf);
		bc_close(&node);
	}
}

static void serve_nobody(intptr_t pipe)
{
	struct wsd_listener_ep *listener;
	struct bc_node node;
	struct wsd_addr addr;

	bc_open(&node);
	bc_address(&node, WSD_FAMILY_NONE, &addr);
	(void)bc_hold_port(&addr); /* until the end */
	BC_OK(bc_ops->listen(node.queue, &addr, 8, &listener, &listener));
	bc_tell(pipe, &addr, sizeof(addr));
	for (;;)
		bc_pump();
}

/* A listener whose process dies leaves its address free, and connectors learn it quickly. */
static void test_killed_listener(void)
{
	struct bc_options options = { .recv_bytes = 1024, .receives = 1 };
	struct bc_node node;
	struct bc_conn conn;
	struct wsd_addr addr;
	struct wsd_listener_ep *listener;
	enum wsd_status result;
	struct bc_peer peer;

	bc_peer_start(&peer, serve_nobody);
	bc_open_peer(&node);
	bc_hear(&peer, &addr, sizeof(addr));
	bc_peer_kill(&peer);
	bc_endpoint(&conn, &node, NULL, &options);
	result = bc_ops->connect(conn.ep, &bc_any, &addr, NULL, 0, BC_LIMIT);
	if (result == WSD_OK)
		result = bc_expect(&node, &conn, WSD_EV_CONNECT_FAILED)->ev.status;
	BC_CHECK(result == WSD_ENOLISTENER || result == WSD_EREFUSED, "%s",
		 wsd_status_text(result));
	bc_destroy(&conn);
	bc_close(&node);
	bc_open(&node);
	BC_OK(bc_ops->listen(node.queue, &addr, 8, &listener, &listener));
	bc_ops->listener_destroy(listener);
	bc_close(&node);
}

const struct bc_test bc_tests_process[] = {
	{ "two-processes", test_two_processes, BC_TWO_PROCESS },
	{ "killed-peer", test_killed_peer, BC_TWO_PROCESS },
	{ "killed-busy", test_killed_busy, BC_TWO_PROCESS },
	{ "killed-listener", test_killed_listener, BC_TWO_PROCESS },
	{ NULL, NULL, 0 },
};

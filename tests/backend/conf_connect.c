// SPDX-License-Identifier: BSD-2-Clause
/* conf_connect.c - devices, addresses, listening, connecting, refusing, ending. */
#include "tests/backend/conformance.h"

#include <string.h>

static void test_enumerate(void)
{
	struct wsd_device_attr attr;
	struct wsd_device *device;
	enum wsd_status status;
	uint32_t index;

	for (index = 0; index < 64; index++) {
		memset(&attr, 0, sizeof(attr));
		attr.size = sizeof(attr);
		status = bc_ops->open(bc_host, index, &device, &attr);
		if (status == WSD_NOTFOUND)
			return;
		if (status == WSD_ENODEVICE || status == WSD_EDEVICE || status == WSD_EACCESS)
			continue;
		BC_CHECK(status == WSD_OK, "open %u: %s", index, wsd_status_text(status));
		BC_CHECK(memchr(attr.name, 0, sizeof(attr.name)) && attr.name[0], "no name");
		BC_CHECK(attr.max_sge >= 1 && attr.max_message >= 256 && attr.max_rdma >= 1 &&
				 attr.max_send >= 1 && attr.max_recv >= 1,
			 "a limit is zero");
		BC_CHECK(!(attr.caps & WSD_CAP_READ) || attr.max_read >= 1, "max_read");
		BC_CHECK((attr.hint_ring & (attr.hint_ring - 1)) == 0 && attr.hint_ring,
			 "hint_ring is no power of two");
		BC_CHECK(attr.max_inline <= attr.max_message, "max_inline above max_message");
		bc_ops->close(device);
	}
	bc_fail(__FILE__, __LINE__, "the enumeration does not end");
}

static void test_addresses(void)
{
	struct wsd_addr list[64], one;
	struct bc_node node, peer;
	uint32_t i, count;

	bc_open(&node);
	bc_open_peer(&peer);
	count = bc_ops->addresses(node.device, list, 64);
	BC_CHECK(count > 0, "no address");
	BC_CHECK(bc_ops->addresses(node.device, &one, 1) >= 1, "count with a short list");
	BC_CHECK(bc_ops->addresses(node.device, NULL, 0) >= 1, "count without a list");
	for (i = 0; i < count && i < 64; i++) {
		BC_CHECK(list[i].family == WSD_FAMILY_IPV4 || list[i].family == WSD_FAMILY_IPV6,
			 "family %u", list[i].family);
		BC_CHECK(list[i].port == 0, "an address with a port");
		if (!list[i].scope || bc_peer_index == bc_device_index)
			BC_OK(bc_ops->reachable(peer.device, &bc_any, &list[i]));
	}
	memset(&one, 0, sizeof(one));
	one.family = WSD_FAMILY_IPV4;
	memcpy(one.bytes, "\xc0\x00\x02\x01", 4); /* 192.0.2.1: documentation, nobody's */
	if (node.attr.caps & WSD_CAP_SAME_HOST)
		BC_CHECK(bc_ops->reachable(node.device, &bc_any, &one) == WSD_EUNREACHABLE,
			 "a foreign address is reachable inside this host");
	bc_close(&peer);
	bc_close(&node);
}

static void test_queue_idle(void)
{
	struct wsd_event event;
	struct bc_node node;
	unsigned i;

	bc_open(&node);
	for (i = 0; i < 100; i++)
		BC_CHECK(bc_ops->poll(node.queue, &event, 1) == 0, "an event out of nothing");
	BC_CHECK(bc_ops->clock(node.queue) != 0, "clock");
	bc_close(&node);
}

static void try_private_data(uint32_t ask, uint32_t answer)
{
	uint8_t request[WSD_REQUEST_DATA_MAX], reply[WSD_REPLY_DATA_MAX];
	struct bc_pair p;
	struct bc_event *event;

	bc_fill(request, sizeof(request), 1);
	bc_fill(reply, sizeof(reply), 2);
	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, request, ask, BC_LIMIT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	BC_CHECK(event->ev.data_length == ask, "request data %u of %u", event->ev.data_length, ask);
	BC_CHECK(bc_filled(event->data, ask, 1), "request data differ");
	BC_CHECK(event->ev.local.port == p.addr.port && event->ev.local.family == p.addr.family,
		 "the request's local address is not the listener's");
	BC_CHECK(event->ev.remote.family == p.addr.family, "the request's remote address");
	bc_endpoint(&p.s, &p.b, event->ev.request, NULL);
	BC_OK(bc_ops->accept(p.s.ep, reply, answer));
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECTED);
	BC_CHECK(event->ev.data_length == answer, "accept data %u of %u", event->ev.data_length,
		 answer);
	BC_CHECK(bc_filled(event->data, answer, 2), "accept data differ");
	BC_CHECK(event->ev.local.family == p.addr.family, "CONNECTED without local address");
	bc_expect(&p.b, &p.s, WSD_EV_CONNECTED);
	bc_pair_close(&p);
}

static void test_private_data(void)
{
	static const uint32_t ask[] = { 0, 1, WSD_REQUEST_DATA_MAX };
	static const uint32_t answer[] = { 0, 56, WSD_REPLY_DATA_MAX };
	unsigned i, j;

	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			try_private_data(ask[i], answer[j]);
}

static void test_private_data_too_long(void)
{
	uint8_t data[WSD_REPLY_DATA_MAX + 1] = { 0 };
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_CHECK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, data, WSD_REQUEST_DATA_MAX + 1,
				 BC_LIMIT) == WSD_EINVAL,
		 "a byte too much of private data was taken");
	bc_pair_close(&p);
}

static void over_family(uint16_t family)
{
	struct bc_options options = { .family = family, .receives = 1 };
	struct bc_pair p;

	bc_pair_open(&p, &options);
	bc_send(&p.c, &p.cbuf, 0, 100, 5, WSD_WORK_SIGNALLED);
	BC_CHECK(bc_expect(&p.b, &p.s, WSD_EV_RECV)->ev.bytes == 100, "bytes");
	bc_done(&p.c, 5, WSD_OK);
	bc_pair_close(&p);
}

static void test_ipv4(void)
{
	over_family(WSD_FAMILY_IPV4);
}

static void test_ipv6(void)
{
	over_family(WSD_FAMILY_IPV6);
}

static void test_wildcard(void)
{
	struct wsd_listener_ep *any;
	struct wsd_addr all;
	struct bc_pair p;
	struct bc_event *event;

	bc_pair_nodes(&p, NULL);
	bc_ops->listener_destroy(p.listener);
	p.listener = NULL;
	all = p.addr;
	memset(all.bytes, 0, sizeof(all.bytes));
	all.scope = 0;
	BC_OK(bc_ops->listen(p.b.queue, &all, 4, &any, &any));
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	event = bc_expect(&p.b, &any, WSD_EV_REQUEST);
	BC_CHECK(memcmp(event->ev.local.bytes, p.addr.bytes, 16) == 0,
		 "a wildcard listener does not tell which address was connected to");
	bc_ops->reject(event->ev.request, NULL, 0);
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED);
	BC_CHECK(event->ev.status == WSD_EREFUSED, "%s", wsd_status_text(event->ev.status));
	bc_ops->listener_destroy(any);
	bc_pair_close(&p);
}

static void test_listen_refused(void)
{
	struct wsd_listener_ep *second = NULL;
	struct wsd_addr foreign;
	enum wsd_status status;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	status = bc_ops->listen(p.b.queue, &p.addr, 4, &second, &second);
	BC_CHECK(status == WSD_EADDRINUSE, "second listener: %s", wsd_status_text(status));
	foreign = p.addr;
	foreign.family = WSD_FAMILY_IPV4;
	memset(foreign.bytes, 0, sizeof(foreign.bytes));
	memcpy(foreign.bytes, "\xc0\x00\x02\x01", 4);
	status = bc_ops->listen(p.b.queue, &foreign, 4, &second, &second);
	BC_CHECK(status == WSD_EADDRNOTAVAIL, "foreign address: %s", wsd_status_text(status));
	bc_pair_close(&p);
}

static void test_relisten(void)
{
	struct bc_pair p;
	unsigned i;

	bc_pair_nodes(&p, NULL);
	for (i = 0; i < 20; i++) {
		bc_ops->listener_destroy(p.listener);
		BC_OK(bc_ops->listen(p.b.queue, &p.addr, 4, &p.listener, &p.listener));
		bc_connect_more(&p, &p.c, &p.s);
		bc_destroy(i & 1 ? &p.c : &p.s);
		bc_destroy(i & 1 ? &p.s : &p.c);
	}
	bc_pair_close(&p);
}

static void try_reject(uint32_t length)
{
	uint8_t data[WSD_REPLY_DATA_MAX];
	struct bc_event *event;
	struct bc_pair p;

	bc_fill(data, sizeof(data), 3);
	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, "hello", 5, BC_LIMIT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	bc_ops->reject(event->ev.request, data, length);
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED);
	BC_CHECK(event->ev.status == WSD_EREFUSED, "%s", wsd_status_text(event->ev.status));
	BC_CHECK(event->ev.data_length == length && bc_filled(event->data, length, 3),
		 "reject data: %u bytes of %u", event->ev.data_length, length);
	bc_pair_close(&p);
}

static void test_reject(void)
{
	try_reject(0);
	try_reject(56);
	try_reject(WSD_REPLY_DATA_MAX);
}

static void test_backlog(void)
{
	struct bc_options options = { .backlog = 2 };
	struct bc_event *event[2];
	struct bc_conn c[3];
	struct bc_pair p;
	unsigned i;

	bc_pair_nodes(&p, &options);
	for (i = 0; i < 3; i++) {
		bc_endpoint(&c[i], &p.a, NULL, NULL);
		BC_OK(bc_ops->connect(c[i].ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
		if (i < 2)
			event[i] = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	}
	BC_CHECK(bc_expect(&p.a, &c[2], WSD_EV_CONNECT_FAILED)->ev.status == WSD_EREFUSED,
		 "the third request of a backlog of two was not refused");
	bc_ops->reject(event[0]->ev.request, NULL, 0);
	bc_expect(&p.a, &c[0], WSD_EV_CONNECT_FAILED);
	bc_destroy(&c[2]);
	bc_endpoint(&c[2], &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(c[2].ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	bc_ops->listener_destroy(p.listener); /* two requests pending */
	p.listener = NULL;
	/* Nobody has decided about them: another listener may. */
	BC_CHECK(bc_expect(&p.a, &c[1], WSD_EV_CONNECT_FAILED)->ev.status == WSD_ENOLISTENER &&
			 bc_expect(&p.a, &c[2], WSD_EV_CONNECT_FAILED)->ev.status ==
				 WSD_ENOLISTENER,
		 "pending requests were not left to nobody by listener_destroy");
	for (i = 0; i < 3; i++)
		bc_destroy(&c[i]);
	bc_pair_close(&p);
}

static void test_nobody(void)
{
	enum wsd_status status;
	uint64_t start;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_ops->listener_destroy(p.listener);
	p.listener = NULL;
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	start = bc_now();
	status = bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT);
	if (status == WSD_OK)
		status = bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED)->ev.status;
	BC_CHECK(status == WSD_ENOLISTENER || status == WSD_EREFUSED, "%s",
		 wsd_status_text(status));
	BC_CHECK(bc_now() - start < BC_LIMIT / 2, "it took too long to learn that");
	bc_pair_close(&p);
}

static void test_timeout(void)
{
	struct bc_event *event;
	uint64_t start, took;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	start = bc_now();
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_SHORT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	BC_CHECK(bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED)->ev.status == WSD_ETIMEDOUT,
		 "status is not ETIMEDOUT");
	took = bc_now() - start;
	BC_CHECK(took >= BC_SHORT - 50 * BC_MS && took < BC_SHORT + BC_LIMIT, "after %llu ms",
		 (unsigned long long)(took / BC_MS));
	bc_expect(&p.b, &p.listener, WSD_EV_REQUEST_GONE);
	bc_ops->reject(event->ev.request, NULL, 0);
	bc_pair_close(&p);
}

static void test_request_gone(void)
{
	struct bc_event *event, *gone;
	struct wsd_request *request;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	request = event->ev.request;
	bc_destroy(&p.c);
	gone = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST_GONE);
	BC_CHECK(gone->ev.request == request, "another request");
	bc_ops->reject(request, NULL, 0);
	/* The next one works. */
	bc_connect_more(&p, &p.c, &p.s);
	bc_pair_close(&p);
}

static void test_accept_gone(void)
{
	struct bc_event *event;
	enum wsd_status status;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	bc_endpoint(&p.s, &p.b, event->ev.request, NULL);
	bc_destroy(&p.c);
	status = bc_ops->accept(p.s.ep, NULL, 0);
	if (status == WSD_OK) {
		/* Either it was known, or the connection opens and is cut at once. */
		event = bc_next(&p.b, &p.s, BC_LIMIT);
		BC_CHECK(event, "no event after accept");
		if (event->ev.type == WSD_EV_CONNECTED)
			event = bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
		else
			BC_CHECK(event->ev.type == WSD_EV_CONNECT_FAILED, "%s",
				 bc_type(event->ev.type));
		BC_CHECK(event->ev.status < 0, "status %s", wsd_status_text(event->ev.status));
	}
	bc_pair_close(&p);
}

static void test_destroy_unaccepted(void)
{
	struct bc_event *event;
	struct wsd_request *request;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	request = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST)->ev.request;
	bc_endpoint(&p.s, &p.b, request, NULL);
	bc_destroy(&p.s); /* the request outlives the endpoint made for it */
	bc_ops->reject(request, "no", 2);
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED);
	BC_CHECK(event->ev.status == WSD_EREFUSED && event->ev.data_length == 2, "%s, %u bytes",
		 wsd_status_text(event->ev.status), event->ev.data_length);
	bc_pair_close(&p);
}

static void test_many(void)
{
	struct bc_conn c[64], s[64];
	struct bc_pair p;
	unsigned i;

	bc_pair_nodes(&p, NULL);
	for (i = 0; i < 64; i++)
		bc_connect_more(&p, &c[i], &s[i]);
	for (i = 0; i < 64; i++) {
		bc_destroy(&c[(i * 7) % 64]);
		bc_expect(&p.b, &s[(i * 7) % 64], WSD_EV_DISCONNECTED);
		bc_destroy(&s[(i * 7) % 64]);
	}
	bc_pair_close(&p);
}

static void test_bound_local(void)
{
	struct wsd_addr local;
	struct bc_event *event;
	struct bc_pair p;
	intptr_t holder;

	bc_pair_nodes(&p, NULL);
	bc_address(&p.a, p.addr.family, &local);
	holder = bc_hold_port(&local);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &local, &p.addr, NULL, 0, BC_LIMIT));
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	BC_CHECK(event->ev.remote.port == local.port, "remote port %u, the connector's is %u",
		 event->ev.remote.port, local.port);
	BC_CHECK(memcmp(event->ev.remote.bytes, local.bytes, 16) == 0, "remote address");
	bc_endpoint(&p.s, &p.b, event->ev.request, NULL);
	BC_OK(bc_ops->accept(p.s.ep, NULL, 0));
	event = bc_expect(&p.a, &p.c, WSD_EV_CONNECTED);
	BC_CHECK(event->ev.local.port == local.port, "CONNECTED with local port %u",
		 event->ev.local.port);
	bc_expect(&p.b, &p.s, WSD_EV_CONNECTED);
	bc_pair_close(&p);
	bc_release_port(holder);
}

const struct bc_test bc_tests_connect[] = {
	{ "enumerate", test_enumerate, BC_IN_PROCESS | BC_NO_DEVICE },
	{ "addresses", test_addresses, BC_IN_PROCESS },
	{ "queue-idle", test_queue_idle, BC_IN_PROCESS },
	{ "private-data", test_private_data, BC_IN_PROCESS },
	{ "private-data-too-long", test_private_data_too_long, BC_IN_PROCESS },
	{ "ipv4", test_ipv4, BC_IN_PROCESS },
	{ "ipv6", test_ipv6, BC_IN_PROCESS },
	{ "wildcard", test_wildcard, BC_IN_PROCESS },
	{ "bound-local", test_bound_local, BC_IN_PROCESS },
	{ "listen-refused", test_listen_refused, BC_IN_PROCESS },
	{ "relisten", test_relisten, BC_IN_PROCESS },
	{ "reject", test_reject, BC_IN_PROCESS },
	{ "backlog", test_backlog, BC_IN_PROCESS },
	{ "nobody-listens", test_nobody, BC_IN_PROCESS },
	{ "connect-timeout", test_timeout, BC_IN_PROCESS },
	{ "request-gone", test_request_gone, BC_IN_PROCESS },
	{ "accept-gone", test_accept_gone, BC_IN_PROCESS },
	{ "destroy-unaccepted", test_destroy_unaccepted, BC_IN_PROCESS },
	{ "many-connections", test_many, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

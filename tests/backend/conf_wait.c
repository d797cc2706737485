// SPDX-License-Identifier: BSD-2-Clause
/* conf_wait.c - arm, disarm, the wait object, threads, and fairness between connections. */
#include "tests/backend/conformance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BC_ROUNDS 2000u

static bool ready(struct bc_node *node, int ms)
{
	wsd_wait_object object = bc_ops->wait_object(node->queue);

	return bc_objects_wait(&object, 1, ms);
}

/* Arm, polling away what still comes; fails when the queue never becomes quiet. */
static void arm_quiet(struct bc_node *node)
{
	uint64_t end = bc_now() + BC_LIMIT;

	while (bc_ops->arm(node->queue) == WSD_AGAIN) {
		bc_poll_all();
		BC_CHECK(bc_now() < end, "arm always answers AGAIN");
	}
}

static void test_arm_wakes(void)
{
	struct bc_options options = { .receives = 2 };
	wsd_wait_object object;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	object = bc_ops->wait_object(p.b.queue);
	bc_settle(20 * BC_MS);
	bc_ops->disarm(p.b.queue);
	BC_CHECK(!ready(&p.b, 0), "ready though not armed and nothing came");
	arm_quiet(&p.b);
	BC_CHECK(!ready(&p.b, 30), "ready though nothing came");
	bc_send(&p.c, &p.cbuf, 0, 10, 1, WSD_WORK_SIGNALLED);
	BC_CHECK(ready(&p.b, 5000), "an armed queue was not woken");
	bc_expect(&p.b, &p.s, WSD_EV_RECV);
	bc_done(&p.c, 1, WSD_OK);
	bc_ops->disarm(p.b.queue);
	BC_CHECK(!ready(&p.b, 0), "disarm did not take back the wake-up");
	BC_CHECK(object == bc_ops->wait_object(p.b.queue), "another wait object");
	/* Again, and disarmed before it comes. */
	arm_quiet(&p.b);
	bc_ops->disarm(p.b.queue);
	BC_CHECK(!ready(&p.b, 0), "ready after disarm");
	bc_pair_close(&p);
}

static void test_arm_pending(void)
{
	struct bc_options options = { .receives = 2 };
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, &options);
	for (i = 0; i < 100; i++) {
		bc_send(&p.c, &p.cbuf, 0, 10, i, WSD_WORK_SIGNALLED);
		/* Whether it has arrived yet or not, the owner must not sleep through it. */
		BC_CHECK(bc_ops->arm(p.b.queue) == WSD_AGAIN || ready(&p.b, 5000),
			 "armed and asleep with a message there");
		bc_expect(&p.b, &p.s, WSD_EV_RECV);
		bc_ops->disarm(p.b.queue);
		bc_recv(&p.s, &p.sbuf, 0, 64, i);
		bc_done(&p.c, i, WSD_OK);
	}
	bc_pair_close(&p);
}

static void test_arm_connect(void)
{
	struct bc_event *event;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	arm_quiet(&p.b);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_LIMIT));
	/* The connecting side may need polls of its own for the request to leave. */
	event = bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	bc_endpoint(&p.s, &p.b, event->ev.request, NULL);
	BC_OK(bc_ops->accept(p.s.ep, NULL, 0));
	bc_expect(&p.a, &p.c, WSD_EV_CONNECTED);
	bc_expect(&p.b, &p.s, WSD_EV_CONNECTED);
	bc_settle(10 * BC_MS);
	arm_quiet(&p.b);
	bc_destroy(&p.c);
	BC_CHECK(ready(&p.b, 5000), "the end of a connection did not wake");
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_pair_close(&p);
}

/* Nothing but the limit can end this sleep. */
static void test_arm_timeout(void)
{
	uint64_t end = bc_now() + BC_LIMIT;
	struct bc_pair p;

	bc_pair_nodes(&p, NULL);
	bc_endpoint(&p.c, &p.a, NULL, NULL);
	BC_OK(bc_ops->connect(p.c.ep, &bc_any, &p.addr, NULL, 0, BC_SHORT));
	bc_expect(&p.b, &p.listener, WSD_EV_REQUEST);
	while (!bc_peek(&p.a, &p.c)) {
		if (bc_ops->arm(p.a.queue) != WSD_AGAIN)
			BC_CHECK(ready(&p.a, 5000), "the connect's limit did not wake its owner");
		bc_ops->disarm(p.a.queue);
		bc_poll_all();
		BC_CHECK(bc_now() < end, "no CONNECT_FAILED");
	}
	bc_expect(&p.a, &p.c, WSD_EV_CONNECT_FAILED);
	bc_pair_close(&p);
}

/* What was destroyed is taken down by polls that only the wait object asks for. */
static void test_taken_down(void)
{
	struct bc_node *nodes[2];
	struct bc_pair p;
	unsigned i;

	bc_pair_open(&p, NULL);
	bc_destroy(&p.c);
	bc_expect(&p.b, &p.s, WSD_EV_DISCONNECTED);
	bc_destroy(&p.s);
	nodes[0] = &p.a;
	nodes[1] = &p.b;
	for (i = 0; i < 2; i++) {
		while (bc_ops->busy(nodes[i]->queue)) {
			arm_quiet(nodes[i]);
			BC_CHECK(!bc_ops->busy(nodes[i]->queue) || ready(nodes[i], 5000),
				 "busy, and nothing wakes its owner");
			bc_ops->disarm(nodes[i]->queue);
			bc_poll_all();
		}
	}
	bc_pair_close(&p);
}

static void test_spurious(void)
{
	unsigned wakes = 0;
	struct bc_pair p;
	uint64_t end;

	bc_pair_open(&p, NULL);
	bc_settle(20 * BC_MS);
	for (end = bc_now() + 200 * BC_MS; bc_now() < end;) {
		arm_quiet(&p.a);
		wakes += ready(&p.a, 50);
		bc_ops->disarm(p.a.queue);
	}
	BC_CHECK(wakes <= 4, "%u wake-ups of an idle connection in 200 ms", wakes);
	bc_pair_close(&p);
}

/* ---- two owners in two threads ---- */

struct side {
	struct bc_conn *conn;
	struct bc_buf *buf;
	bool first;
	const char *_Atomic problem;
	_Atomic unsigned round;
};

/* Sleep only on the wait object: a lost wake-up shows as a sleep of five seconds. */
static const char *wait_events(struct bc_node *node, struct wsd_event *events, uint32_t *count)
{
	for (;;) {
		*count = bc_ops->poll(node->queue, events, 8);
		if (*count)
			return NULL;
		if (bc_ops->arm(node->queue) == WSD_AGAIN)
			continue;
		if (!ready(node, 5000))
			return "lost wake-up";
		bc_ops->disarm(node->queue);
	}
}

static const char *post(struct side *side, unsigned round, bool send)
{
	struct wsd_recv recv;
	struct wsd_work work;
	struct wsd_sge sge;
	uint32_t posted;

	sge.addr = side->buf->mem + (send ? 4096 : 0);
	sge.length = 64;
	sge.region = side->buf->region;
	if (!send) {
		memset(&recv, 0, sizeof(recv));
		recv.id = round;
		recv.sge = sge;
		return bc_ops->post_recv(side->conn->ep, &recv, &posted) == WSD_OK ? NULL
										   : "post_recv";
	}
	memset(&work, 0, sizeof(work));
	work.id = round;
	work.flags = WSD_WORK_SIGNALLED;
	work.sge = &sge;
	work.sge_count = 1;
	memcpy(sge.addr, &round, sizeof(round));
	return bc_ops->post_send(side->conn->ep, &work, &posted) == WSD_OK ? NULL : "post_send";
}

static void *play(void *arg)
{
	struct side *side = arg;
	struct wsd_event events[8];
	unsigned sent = 0, received = 0, done = 0, value;
	uint32_t i, n;

	if (side->first)
		side->problem = post(side, sent++, true);
	while (!side->problem && (received < BC_ROUNDS || done < BC_ROUNDS)) {
		side->problem = wait_events(side->conn->node, events, &n);
		for (i = 0; i < n && !side->problem; i++) {
			if (events[i].status != WSD_OK)
				side->problem = wsd_status_text(events[i].status);
			if (events[i].type == WSD_EV_SEND)
				done++;
			if (events[i].type != WSD_EV_RECV)
				continue;
			memcpy(&value, side->buf->mem, sizeof(value));
			if (value != received)
				side->problem = "another round's message";
			received++;
			side->round = received;
			if (!side->problem)
				side->problem = post(side, received, false);
			if (!side->problem && sent < BC_ROUNDS)
				side->problem = post(side, sent++, true);
		}
	}
	return NULL;
}

static void test_wake_race(void)
{
	struct bc_options options = { .recv_bytes = 64, .receives = 1 };
	struct side a = { 0 }, b = { 0 };
	pthread_t thread;
	struct bc_pair p;

	bc_pair_open(&p, &options);
	a.conn = &p.c;
	a.buf = &p.cbuf;
	a.first = true;
	b.conn = &p.s;
	b.buf = &p.sbuf;
	BC_CHECK(pthread_create(&thread, NULL, play, &b) == 0, "thread");
	play(&a);
	pthread_join(thread, NULL);
	BC_CHECK(!a.problem && !b.problem, "a: %s in round %u, b: %s in round %u",
		 a.problem ? a.problem : "fine", a.round, b.problem ? b.problem : "fine", b.round);
	bc_ops->disarm(p.a.queue);
	bc_ops->disarm(p.b.queue);
	bc_pair_close(&p);
}

/* One thread posts while another, the owner, sleeps and polls. */
static void *owner(void *arg)
{
	struct side *side = arg;
	struct wsd_event events[8];
	uint32_t i, n;

	while (!side->problem && side->round < BC_ROUNDS) {
		side->problem = wait_events(side->conn->node, events, &n);
		for (i = 0; i < n && !side->problem; i++) {
			if (events[i].type != WSD_EV_SEND || events[i].status != WSD_OK ||
			    events[i].id != side->round)
				side->problem = bc_type(events[i].type);
			else
				side->round++;
		}
	}
	return NULL;
}

static void test_post_elsewhere(void)
{
	struct side a = { 0 };
	pthread_t thread;
	struct bc_pair p;
	uint64_t end;
	unsigned i;

	bc_pair_open(&p, NULL);
	a.conn = &p.c;
	BC_CHECK(pthread_create(&thread, NULL, owner, &a) == 0, "thread");
	for (i = 0; i < BC_ROUNDS; i++) {
		bc_rdma(&p.c, WSD_OP_WRITE, &p.cbuf, 0, 64, p.sbuf.region, 0, i);
		/* The target's device may need its owner. */
		for (end = bc_now() + BC_LIMIT; a.round <= i && bc_now() < end && !a.problem;) {
			struct wsd_event event;

			bc_ops->poll(p.b.queue, &event, 1);
			bc_yield();
		}
		if (a.problem)
			break;
		BC_CHECK(a.round == i + 1, "round %u: no completion", i);
	}
	pthread_join(thread, NULL);
	BC_CHECK(!a.problem, "%s in round %u", a.problem, a.round);
	bc_ops->disarm(p.a.queue);
	bc_pair_close(&p);
}

/* ---- fairness ---- */

static void test_fairness(void)
{
	struct bc_options options = { .recv_bytes = 64, .receives = 4 };
	struct bc_conn c[64], s[64];
	unsigned i, polls, seen = 0, flood = 0;
	struct wsd_event events[4];
	bool heard[64] = { false };
	struct bc_pair p;
	uint32_t n, k;

	bc_pair_open(&p, &options);
	for (i = 0; i < 64; i++)
		bc_connect_more(&p, &c[i], &s[i]);
	bc_send(&c[0], &p.cbuf, 0, 8, 0, WSD_WORK_SIGNALLED);
	bc_send(&c[0], &p.cbuf, 0, 8, 0, WSD_WORK_SIGNALLED);
	for (i = 1; i < 64; i++)
		bc_send(&c[i], &p.cbuf, 0, 8, 0, WSD_WORK_SIGNALLED);
	/* Connection 0 always has something; the others must be heard nevertheless. */
	for (polls = 0; polls < 20000 && seen < 63; polls++) {
		n = bc_ops->poll(p.a.queue, events, 4);
		for (k = 0; k < n; k++) {
			if (events[k].context == &c[0])
				bc_send(&c[0], &p.cbuf, 0, 8, 0, WSD_WORK_SIGNALLED);
		}
		n = bc_ops->poll(p.b.queue, events, 4);
		for (k = 0; k < n; k++) {
			if (events[k].context == &s[0]) {
				bc_recv(&s[0], &p.sbuf, 0, 64, events[k].id);
				flood++;
				continue;
			}
			for (i = 1; i < 64; i++) {
				if (events[k].context == &s[i] && !heard[i]) {
					heard[i] = true;
					seen++;
				}
			}
		}
	}
	BC_CHECK(seen == 63, "%u of 63 quiet connections heard beside %u messages of a busy one",
		 seen, flood);
	for (i = 0; i < 64; i++) {
		bc_destroy(&c[i]);
		bc_destroy(&s[i]);
	}
	bc_pair_close(&p);
}

const struct bc_test bc_tests_wait[] = {
	{ "arm-wakes", test_arm_wakes, BC_IN_PROCESS },
	{ "arm-pending", test_arm_pending, BC_IN_PROCESS },
	{ "arm-connect", test_arm_connect, BC_IN_PROCESS },
	{ "arm-timeout", test_arm_timeout, BC_IN_PROCESS },
	{ "taken-down", test_taken_down, BC_IN_PROCESS },
	{ "spurious-wakes", test_spurious, BC_IN_PROCESS },
	{ "wake-race", test_wake_race, BC_IN_PROCESS },
	{ "post-elsewhere", test_post_elsewhere, BC_IN_PROCESS },
	{ "fairness", test_fairness, BC_IN_PROCESS },
	{ NULL, NULL, 0 },
};

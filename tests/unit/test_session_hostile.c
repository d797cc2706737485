// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_session_hostile.c - a peer that speaks the backend but not the protocol: `test_session_hostile
 * BACKEND`. Each lie cuts its own connection with WSD_EPROTOCOL, counted; a bystander goes on.
 */
#include "tests/unit/session_pair.h"

#include "provider/session/wire.h"

struct rogue {
	struct wsd_event_sink sink; /* first: the endpoint's context */
	struct wsd_task task;
	struct wsd_engine *engine;
	struct wsd_endpoint *endpoint;
	struct wsd_region *memory;
	struct wsd_addr local, to;
	uint8_t hello[WSD_HELLO_BYTES];
	uint8_t message[256];
	uint32_t length;
	unsigned step; /* 0 connect, 1 send, 2 destroy */
	atomic_bool connected, failed, done;
	enum wsd_status status;	  /* of the step */
	enum wsd_status refusal;  /* of the connect; may come before the step's status is read */
	atomic_uint switches;	  /* SWITCH messages received */
	atomic_uint answers;	  /* PROBE_ACK */
	atomic_bool hides;	  /* the last message was DATA whose bytes wait for what follows */
	atomic_size_t bytes;	  /* of all DATA */
	struct wsd_header latest; /* the last of them */
};

static void rogue_heard(struct rogue *r, const uint8_t *bytes, uint32_t length)
{
	struct wsd_header header;

	if (!wsd_header_decode(bytes, length, &header))
		return;
	atomic_store(&r->hides, header.type == WSD_MSG_DATA && header.argument > 0);
	if (header.type == WSD_MSG_DATA)
		atomic_fetch_add(&r->bytes, header.length);
	if (header.type == WSD_MSG_PROBE_ACK)
		atomic_fetch_add(&r->answers, 1);
	if (header.type != WSD_MSG_SWITCH)
		return;
	r->latest = header;
	atomic_fetch_add(&r->switches, 1);
}

static void rogue_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			 const struct wsd_event *events, uint32_t count)
{
	struct rogue *r = wsd_container(sink, struct rogue, sink);

	(void)engine;
	for (uint32_t i = 0; i < count; i++) {
		if (events[i].type == WSD_EV_CONNECTED)
			atomic_store(&r->connected, true);
		if (events[i].type == WSD_EV_RECV)
			rogue_heard(r, (uint8_t *)r->memory->base + events[i].id * 256,
				    events[i].bytes);
		if (events[i].type == WSD_EV_CONNECT_FAILED) {
			r->refusal = events[i].status;
			atomic_store(&r->failed, true);
		}
	}
}

static enum wsd_status rogue_connect(struct rogue *r, const struct wsd_backend_ops *ops)
{
	struct wsd_endpoint_attr attr = { .size = sizeof(attr),
					  .send_depth = 64,
					  .recv_depth = 64,
					  .recv_bytes = 256,
					  .max_send_sge = 1 };
	struct wsd_recv recv = { .next = NULL };
	enum wsd_status status;
	uint32_t posted;

	status = ops->endpoint_create(wsd_engine_queue(r->engine), NULL, &attr, &r->sink,
				      &r->endpoint);
	if (status == WSD_OK)
		status = ops->mem_alloc(r->endpoint, 65 * 256, WSD_ACCESS_LOCAL_WRITE, &r->memory);
	for (uint32_t i = 0; status == WSD_OK && i < 64; i++) {
		recv.id = i;
		recv.sge = (struct wsd_sge){ (char *)r->memory->base + i * 256, 256, r->memory };
		status = ops->post_recv(r->endpoint, &recv, &posted);
	}
	if (status == WSD_OK)
		status = ops->connect(r->endpoint, &r->local, &r->to, r->hello, sizeof(r->hello),
				      5000000000ull);
	return status;
}

static void rogue_step(struct wsd_task *task, struct wsd_engine *engine)
{
	struct rogue *r = wsd_container(task, struct rogue, task);
	const struct wsd_backend_ops *ops = wsd_engine_ops(engine);
	uint32_t posted = 0;

	if (r->step == 0) {
		r->status = rogue_connect(r, ops);
	} else if (r->step == 1) {
		struct wsd_sge sge = { (char *)r->memory->base + 64 * 256, r->length, r->memory };
		struct wsd_work work = { .op = WSD_OP_SEND, .sge = &sge, .sge_count = 1 };

		memcpy(sge.addr, r->message, r->length);
		r->status = ops->post_send(r->endpoint, &work, &posted);
	} else {
		ops->mem_free(r->memory);
		ops->endpoint_destroy(r->endpoint);
		wsd_engine_forget(engine, &r->sink);
	}
	atomic_store(&r->done, true);
}

static void rogue_do(struct rogue *r, unsigned step)
{
	r->step = step;
	atomic_store(&r->done, false);
	wsd_engine_queue_task(r->engine, &r->task);
	wsd_engine_kick(r->engine);
	WAIT_FOR(atomic_load(&r->done));
}

static void rogue_start(struct rogue *r, const struct wsd_addr *to, const struct wsd_hello *hello)
{
	memset(r, 0, sizeof(*r));
	r->sink.events = rogue_events;
	r->engine = wsd_engine_at(0);
	r->to = *to;
	r->local = loopback(next_port++);
	wsd_task_init(&r->task, rogue_step);
	wsd_hello_encode(r->hello, hello);
	rogue_do(r, 0);
	assert_int_equal(r->status, WSD_OK);
}

static void rogue_send(struct rogue *r, const struct wsd_header *header, const void *payload,
		       uint32_t length)
{
	wsd_header_encode(r->message, header);
	if (length)
		memcpy(r->message + WSD_HEADER_BYTES, payload, length);
	r->length = WSD_HEADER_BYTES + length;
	rogue_do(r, 1);
	assert_int_equal(r->status, WSD_OK);
}

static const struct wsd_hello honest = { .version = WSD_WIRE_VERSION,
					 .mode = WSD_MODE_STREAM,
					 .slots = 64,
					 .slot_bytes = 256,
					 .window = 2048 };

static void wrong_hello_is_refused(void **state)
{
	struct wsd_hello bad[3] = { honest, honest, honest };
	struct wsd_addr at;
	struct server sv;
	struct rogue r;

	(void)state;
	bad[0].version = 9;
	bad[1].mode = WSD_MODE_SAN;
	bad[2].slots = 0;
	server_open(&sv, &at, 4, false);
	for (unsigned i = 0; i < 3; i++) {
		rogue_start(&r, &at, &bad[i]);
		WAIT_FOR(atomic_load(&r.failed));
		assert_int_equal(r.refusal, WSD_EREFUSED);
		rogue_do(&r, 2);
	}
	assert_false(server_pending(&sv));
	server_close(&sv);
}

struct lie {
	const char *name;
	struct wsd_header header;
	const char *payload;
	uint32_t length;
};

static const struct lie lies[] = {
	{ "unknown type", { .type = 99, .credits = 64, .limit = 2048 }, "", 0 },
	{ "type zero", { .type = 0, .credits = 64, .limit = 2048 }, "", 0 },
	{ "payload that is not there",
	  { .type = WSD_MSG_DATA, .length = 200, .credits = 64 },
	  "x",
	  1 },
	{ "wrong position",
	  { .type = WSD_MSG_DATA, .length = 1, .credits = 64, .position = 5 },
	  "x",
	  1 },
	{ "ring beyond the window",
	  { .type = WSD_MSG_RING, .credits = 64, .position = 1u << 30 },
	  "",
	  0 },
	{ "absurd credits", { .type = WSD_MSG_CREDIT, .credits = 1u << 30 }, "", 0 },
	{ "absurd window", { .type = WSD_MSG_CREDIT, .credits = 64, .limit = ~0ull }, "", 0 },
	{ "end elsewhere", { .type = WSD_MSG_FIN, .credits = 64, .position = 1 }, "", 0 },
	{ "switch to nothing", { .type = WSD_MSG_SWITCH, .credits = 64, .argument = 1 }, "", 0 },
	{ "empty grant", { .type = WSD_MSG_GRANT, .credits = 64 }, "", 0 },
	{ "answer to no offer", { .type = WSD_MSG_SOURCE_DONE, .credits = 64 }, "", 0 },
	{ "short offer", { .type = WSD_MSG_SOURCE, .length = 3, .credits = 64 }, "abc", 3 },
	{ "urgent marks done that never were",
	  { .type = WSD_MSG_CREDIT, .credits = 64, .urgent = 1 },
	  "",
	  0 },
	{ "urgent without a byte", { .type = WSD_MSG_URGENT, .credits = 64 }, "", 0 },
};

static bool victim_is_cut(struct end *e)
{
	return end_state_is(e, WSD_STREAM_RESET);
}

static void every_lie_cuts_its_own_connection(void **state)
{
	uint64_t *cut = wsd_counter("session", "protocol_errors", "");
	struct end client, bystander, victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;

	(void)state;
	server_open(&sv, &at, 8, false);
	client_start(&client, &at, UINT32_MAX);
	server_accept(&sv, &bystander);
	WAIT_FOR(end_state_is(&client, WSD_STREAM_OPEN));
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint64_t before = *cut;

		rogue_start(&r, &at, &honest);
		server_accept(&sv, &victim);
		WAIT_FOR(atomic_load(&r.connected));
		rogue_send(&r, &lies[i].header, lies[i].payload, lies[i].length);
		WAIT_FOR(victim_is_cut(&victim));
		end_lock(&victim);
		if (wsd_stream_error(victim.stream) != WSD_EPROTOCOL)
			fail_msg("%s: status %d", lies[i].name, wsd_stream_error(victim.stream));
		end_unlock(&victim, NULL);
		assert_true(*cut == before + 1);
		end_close(&victim, false);
		end_free(&victim);
		rogue_do(&r, 2);
	}
	transfer(&client, &bystander, 20000, 900, 900);
	end_close(&client, false);
	end_close(&bystander, false);
	end_free(&client);
	end_free(&bystander);
	server_close(&sv);
}

/* Memory that is not there, like that of a process that has just died. */
static void rogue_grant(struct rogue *r, uint32_t generation)
{
	struct wsd_header header = { .type = WSD_MSG_GRANT,
				     .length = WSD_GRANT_BYTES,
				     .credits = 64 };
	struct wsd_grant grant = { .addr = 1, .key = 1, .bytes = 4096, .generation = generation };
	uint8_t bytes[WSD_GRANT_BYTES];

	wsd_grant_encode(bytes, &grant);
	rogue_send(r, &header, bytes, sizeof(bytes));
}

/* Only the answer to an offer tells how far the stream has come: a ring that is granted meanwhile is not
 * switched to before. */
static void a_switch_waits_for_the_answer(void **state)
{
	struct wsd_hello reader = honest;
	struct wsd_header header = { .type = WSD_MSG_START, .credits = 64 };
	uint8_t *data = calloc(1, 1u << 20);
	struct wsd_loan loan = { .data = { data, 1u << 20 } };
	enum wsd_status status = WSD_AGAIN;
	struct end victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;

	(void)state;
	reader.features = WSD_FEATURE_READ;
	server_open(&sv, &at, 8, false);
	rogue_start(&r, &at, &reader);
	server_accept(&sv, &victim);
	WAIT_FOR(atomic_load(&r.connected));
	rogue_send(&r, &header, NULL, 0);
	rogue_grant(&r, 1);
	WAIT_FOR(atomic_load(&r.switches) == 1);
	end_lock(&victim);
	if (wsd_stream_can_lend(victim.stream, loan.data.length))
		status = wsd_stream_lend(victim.stream, &loan);
	end_unlock(&victim, NULL);
	if (status == WSD_PENDING) {
		rogue_grant(&r, 2);
		header.type = WSD_MSG_SOURCE_DONE;
		header.position = 1; /* the first offer */
		header.argument = loan.data.length;
		rogue_send(&r, &header, NULL, 0);
		WAIT_FOR(atomic_load(&r.switches) == 2);
		assert_int_equal(r.latest.position, loan.data.length);
	} else {
		print_message("this device cannot READ\n");
	}
	end_close(&victim, true);
	end_free(&victim);
	rogue_do(&r, 2);
	server_close(&sv);
	free(data);
}

/* The device's refusal may be the first that is heard of the peer's death: no lie, but a reset. */
static void memory_taken_back_is_a_reset(void **state)
{
	uint64_t *cut = wsd_counter("session", "protocol_errors", "");
	struct wsd_header header = { .type = WSD_MSG_START, .credits = 64 };
	uint64_t before = *cut;
	struct end victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;

	(void)state;
	server_open(&sv, &at, 8, false);
	rogue_start(&r, &at, &honest);
	server_accept(&sv, &victim);
	WAIT_FOR(atomic_load(&r.connected));
	rogue_send(&r, &header, NULL, 0);
	rogue_grant(&r, 1);
	WAIT_FOR(write_one(&victim, 'x') != WSD_OK && victim_is_cut(&victim));
	end_lock(&victim);
	assert_int_equal(wsd_stream_error(victim.stream), WSD_ERESET);
	end_unlock(&victim, NULL);
	assert_true(*cut == before);
	end_close(&victim, false);
	end_free(&victim);
	rogue_do(&r, 2);
	server_close(&sv);
}

/* DATA of ten bytes, behind which more of the same write is to follow. */
static void rogue_piece(struct rogue *r, uint64_t position, uint64_t follows)
{
	struct wsd_header header = { .type = WSD_MSG_DATA,
				     .length = 10,
				     .credits = 64,
				     .limit = 2048,
				     .position = position,
				     .argument = follows };

	rogue_send(r, &header, "0123456789", 10);
}

static size_t readable(struct end *e)
{
	size_t n;

	end_lock(e);
	n = wsd_stream_readable(e->stream);
	end_unlock(e, NULL);
	return n;
}

/* By what it answers one knows that a peer has looked at all that was sent before. */
static void rogue_is_heard(struct rogue *r)
{
	unsigned before = atomic_load(&r->answers);
	struct wsd_header probe = { .type = WSD_MSG_PROBE, .credits = 64, .limit = 2048 };

	rogue_send(r, &probe, NULL, 0);
	WAIT_FOR(atomic_load(&r->answers) > before);
}

/* A write in pieces is read whole, unless something else comes in its midst or it ends there. Who lies about what
 * follows hides its own bytes, and no longer than until its next word. */
static void pieces_are_seen_together(void **state)
{
	struct end victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;

	(void)state;
	server_open(&sv, &at, 8, false);
	rogue_start(&r, &at, &honest);
	server_accept(&sv, &victim);
	WAIT_FOR(atomic_load(&r.connected));
	rogue_piece(&r, 0, 20);
	rogue_piece(&r, 10, 10);
	for (unsigned i = 0; i < 100; i++)
		assert_true(!wsd_engine_poll(r.engine) || readable(&victim) == 0);
	assert_int_equal(readable(&victim), 0);
	assert_true(read_becomes(&victim, WSD_AGAIN));
	rogue_piece(&r, 20, 0);
	WAIT_FOR(readable(&victim) > 0);
	assert_int_equal(readable(&victim), 30);

	rogue_piece(&r, 30, UINT64_MAX);
	rogue_is_heard(&r);
	assert_int_equal(readable(&victim), 40);

	rogue_piece(&r, 40, 1);
	rogue_do(&r, 2);
	WAIT_FOR(victim_is_cut(&victim));
	assert_int_equal(readable(&victim), 50);
	end_close(&victim, true);
	end_free(&victim);
	server_close(&sv);
}

static size_t write_bytes(struct end *e, size_t length)
{
	static uint8_t bytes[700];
	struct wsd_iovec iov = { bytes, length };
	enum wsd_status status;
	size_t n = 0;

	end_lock(e);
	status = wsd_stream_write(e->stream, &iov, 1, 0, &n);
	end_unlock(e, NULL);
	assert_true(status == WSD_OK || status == WSD_AGAIN);
	return status == WSD_OK ? n : 0;
}

/* A device that takes no more in the middle of a write that was to be seen whole (of sim: WSD_SIM_SCRIPT): the peer,
 * which has nothing to say itself, hears that no more follows. */
static void a_write_that_ends_early_is_not_hidden(void **state)
{
	struct wsd_header start = { .type = WSD_MSG_START, .credits = 64, .limit = 2048 };
	struct end victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;
	size_t sent;

	(void)state;
	server_open(&sv, &at, 8, false);
	for (unsigned before = 10; before < 18; before++) {
		rogue_start(&r, &at, &honest);
		server_accept(&sv, &victim);
		WAIT_FOR(atomic_load(&r.connected));
		rogue_send(&r, &start, NULL, 0);
		WAIT_FOR(victim.changes & WSD_CHANGE_WRITABLE);
		sent = 0;
		for (unsigned i = 0; i < before; i++)
			sent += write_bytes(&victim, 1);
		sent += write_bytes(&victim, 700);
		WAIT_FOR(atomic_load(&r.bytes) == sent && !atomic_load(&r.hides));
		end_close(&victim, true);
		end_free(&victim);
		rogue_do(&r, 2);
	}
	server_close(&sv);
}

/* Headers of a fixed pseudo-random sequence: whatever they do, nothing crashes and all is freed. */
static void garbage_is_survived(void **state)
{
	uint32_t seed = 12345;
	struct end victim;
	struct server sv;
	struct wsd_addr at;
	struct rogue r;

	(void)state;
	server_open(&sv, &at, 8, false);
	for (unsigned round = 0; round < 60; round++) {
		rogue_start(&r, &at, &honest);
		server_accept(&sv, &victim);
		WAIT_FOR(atomic_load(&r.connected));
		for (unsigned n = 0; n < 8; n++) {
			for (unsigned i = 0; i < sizeof(r.message); i++) {
				seed = seed * 1664525u + 1013904223u;
				r.message[i] =
					n % 2 ? (uint8_t)(seed >> 28) : (uint8_t)(seed >> 24);
			}
			r.message[0] = (uint8_t)(1 + (seed >> 8) % 17);
			r.length = WSD_HEADER_BYTES + (seed >> 16) % 200;
			rogue_do(&r, 1);
			if (r.status != WSD_OK)
				break; /* cut already */
		}
		end_close(&victim, true);
		end_free(&victim);
		rogue_do(&r, 2);
	}
	server_close(&sv);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_hello_is_refused),
		cmocka_unit_test(every_lie_cuts_its_own_connection),
		cmocka_unit_test(a_switch_waits_for_the_answer),
		cmocka_unit_test(memory_taken_back_is_a_reset),
		cmocka_unit_test(pieces_are_seen_together),
		cmocka_unit_test(a_write_that_ends_early_is_not_hidden),
		cmocka_unit_test(garbage_is_survived),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: test_session_hostile BACKEND\n");
		return 2;
	}
	setenv("WSD_BACKENDS", argv[1], 1);
	next_port = (uint16_t)(21000 + wsd_process_id() % 20000); /* also on Windows */
	test_deadline(60);
	return cmocka_run_group_tests(tests, start_engines, stop_engines);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * fuzz_session.c - one connection per input, over the backend that WSD_BACKENDS names. The input is a
 * list of actions: honest reads and writes on both ends, raw messages and RDMA past the client's
 * session, and what the backend's peer could do to it (attack.h). Whatever happens, both ends end
 * within the deadline and an honest connection works afterwards.
 */
#include "tests/unit/session_pair.h"

#include "provider/session/internal.h"
#include "tests/fuzz/attack.h"
#include "tests/fuzz/fuzz.h"

#define ACTIONS_MAX 64u

static struct server server;
static struct wsd_addr server_at;
static bool shm, tcp;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *backend = getenv("WSD_BACKENDS");

	(void)argc;
	(void)argv;
	setenv("WSD_ENGINE_THREAD", "0", 1);
	shm = backend && strcmp(backend, "shm") == 0;
	tcp = backend && strcmp(backend, "tcp") == 0;
	next_port = os_port_range();
	if (wsd_engines_start() != WSD_OK || wsd_engine_count() == 0)
		abort();
	server_open(&server, &server_at, 8, false);
	return 0;
}

static void drive(void)
{
	for (unsigned i = 0; i < 3; i++)
		wsd_engine_poll(wsd_engine_at(0));
}

static void move(struct end *from, struct end *to, uint8_t amount)
{
	static uint8_t out[65536], in[65536];
	struct wsd_iovec iov = { out, 1 + (size_t)amount * 257 };
	size_t n;

	end_lock(from);
	(void)wsd_stream_write(from->stream, &iov, 1, 0, &n);
	end_unlock(from, NULL);
	drive();
	iov = (struct wsd_iovec){ in, sizeof(in) };
	end_lock(to);
	while (wsd_stream_read(to->stream, &iov, 1, 0, NULL, &n) == WSD_OK)
		;
	end_unlock(to, NULL);
	drive();
}

/* A request that the client's session knows nothing of. */
static void post(struct end *c, enum wsd_work_op op, const uint8_t *bytes, size_t size)
{
	static uint8_t room[WSD_SLOT_BYTES];
	struct wsd_stream *s = c->stream;
	struct wsd_sge sge = { room, (uint32_t)size, NULL };
	struct wsd_work work = { .op = op, .sge = &sge, .sge_count = 1 };
	uint32_t posted;

	end_lock(c);
	if (s->endpoint && !s->disconnected && s->tx.stage.region) {
		sge.region = s->tx.stage.region;
		sge.addr = s->tx.stage.region->base;
	}
	if (s->endpoint && !s->disconnected) {
		memcpy(sge.addr, bytes, size);
		if (op != WSD_OP_SEND && size >= 8) {
			work.remote_addr = s->tx.ring.addr + bytes[0] * 1024u - bytes[1];
			work.remote_key = s->tx.ring.key + bytes[2] % 2;
			work.imm = (uint32_t)s->tx.position + bytes[3];
		}
		(void)s->backend->post_send(s->endpoint, &work, &posted);
	}
	end_unlock(c, NULL);
	drive();
}

static void attack(struct end *c, struct end *a, const uint8_t *bytes, size_t size)
{
	struct wsd_endpoint *victim = a->stream->endpoint, *own = c->stream->endpoint;

	if (!victim || !own)
		return;
	if (shm)
		attack_shm(victim, own, bytes, size);
	if (tcp)
		attack_tcp(own, bytes, size);
	drive();
}

static void act(struct end *c, struct end *a, uint8_t what, const uint8_t *bytes, size_t size)
{
	switch (what % 8) {
	case 0:
		move(c, a, size ? bytes[0] : 0);
		break;
	case 1:
		move(a, c, size ? bytes[0] : 0);
		break;
	case 2:
	case 3:
		post(c, WSD_OP_SEND, bytes, size);
		break;
	case 4:
		post(c, size & 1 ? WSD_OP_WRITE : WSD_OP_WRITE_IMM, bytes, size);
		break;
	case 5:
		end_lock(c);
		(void)wsd_stream_shutdown_send(c->stream);
		end_unlock(c, NULL);
		break;
	default:
		attack(c, a, bytes, size);
		break;
	}
}

static void connect_pair(struct end *c, struct end *a)
{
	if (next_port < 21000)
		next_port = 21000;
	client_start(c, &server_at, 0);
	server_accept(&server, a);
	WAIT_FOR(!end_state_is(c, WSD_STREAM_CONNECTING));
}

static void end_pair(struct end *c, struct end *a)
{
	end_close(c, true);
	end_close(a, true);
	end_free(c);
	end_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct end c, a;
	unsigned actions = 0;

	connect_pair(&c, &a);
	while (size >= 2 && actions++ < ACTIONS_MAX) {
		size_t length = data[1];

		if (length > size - 2)
			length = size - 2;
		act(&c, &a, data[0], data + 2, length);
		data += 2 + length;
		size -= 2 + length;
	}
	end_pair(&c, &a);
	connect_pair(&c, &a);
	assert_int_equal(write_one(&c, 77), WSD_OK);
	end_pair(&c, &a);
	return 0;
}

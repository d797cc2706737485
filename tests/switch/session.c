// SPDX-License-Identifier: BSD-2-Clause
/* session.c - see session.h. */
#include "tests/switch/session.h"

#include "tests/switch/link.h"

#include <stdlib.h>
#include <string.h>

#define HEAD  24u
#define LEAST (HEAD + sizeof(((struct sw_memory *)0)->descriptor) + 1u) /* bytes of a message */
/* Messages that data leaves to control, and everything to CREDIT: a CREDIT gives the peer more than it takes. */
#define RESERVE_DATA	2u
#define RESERVE_CONTROL 1u

enum kind { HELLO = 1, DATA, URGENT, LARGE, WANT, DONE, CREDIT, BYE, SUSPEND, SUSPENDED, RESUME };

struct head {
	uint32_t kind;
	uint32_t posted; /* receives so far */
	uint32_t length; /* bytes behind the head */
	uint32_t size;	 /* LARGE: bytes still to be moved */
	uint32_t descriptor;
	uint32_t zero;
};

_Static_assert(sizeof(struct head) == HEAD, "head");

static char byte_at(uint64_t seed, uint64_t position)
{
	uint64_t x = (position + seed) * 0x9E3779B97F4A7C15ull;

	return (char)(x >> 56);
}

static void fill(char *at, uint64_t length, uint64_t seed, uint64_t position)
{
	for (uint64_t i = 0; i < length; i++)
		at[i] = byte_at(seed, position + i);
}

static void take(struct sn_end *e, const char *at, uint64_t length)
{
	bool good = true;

	for (uint64_t i = 0; i < length; i++)
		good = good && at[i] == byte_at(e->seed_in, e->got + i);
	RULE(good, "bytes arrive as they were sent, in order");
	e->got += length;
}

static uint32_t next_random(struct sn_end *e)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 17;
	e->random ^= e->random << 5;
	return e->random;
}

/* --- messages --- */

static char *receive_slot(struct sn_end *e, unsigned i)
{
	return e->memory + i * SN_STRIDE;
}

static char *send_slot(struct sn_end *e, unsigned i)
{
	return e->memory + (SN_POOL + i) * SN_STRIDE;
}

static void post_receive(struct sn_end *e, unsigned i)
{
	int error;

	if (sw_recv(&e->receives[i], e->sock, receive_slot(e, i), e->message, &error))
		e->posted++;
	else
		e->failed = error;
}

static bool may_send(const struct sn_end *e, enum kind kind)
{
	unsigned left = e->peer_posted - e->messages, keep = RESERVE_CONTROL;

	if (kind == DATA || kind == LARGE || kind == URGENT)
		keep = RESERVE_DATA;
	else if (kind == CREDIT || kind == HELLO || kind == RESUME)
		keep = 0;
	return e->started && e->pause != SN_ANSWERED && e->pause != SN_HELD && left > keep;
}

static int free_send(const struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++)
		if (!e->send_used[i])
			return (int)i;
	return -1;
}

/* A message of this kind; payload is its bytes. False: not now. */
static bool say(struct sn_end *e, enum kind kind, const char *payload, uint32_t length,
		uint32_t size, uint32_t descriptor)
{
	struct head head = { kind, e->posted, length, size, descriptor, 0 };
	int i = free_send(e), error;

	if (i < 0 || !may_send(e, kind))
		return false;
	memcpy(send_slot(e, (unsigned)i), &head, HEAD);
	if (length > 0)
		memcpy(send_slot(e, (unsigned)i) + HEAD, payload, length);
	if (!sw_send(&e->sends[i], e->sock, send_slot(e, (unsigned)i), HEAD + length, &error)) {
		e->failed = error;
		return false;
	}
	e->send_used[i] = true;
	e->messages++;
	e->told = e->posted;
	return true;
}

/* --- large data --- */

/* The first part of up to length bytes goes with the announcement, then the descriptor if the peer is to READ. */
static bool offer(struct sn_end *e, uint32_t length)
{
	bool read = sw_can_read();
	char first[SN_MESSAGE];
	uint32_t room = e->message - HEAD - (uint32_t)sizeof(e->out_memory.descriptor), n;

	if (free_send(e) < 0 || !may_send(e, LARGE))
		return false;
	n = length < room ? length : room;
	if (length - n > e->large)
		length = n + e->large;
	fill(first, n, e->seed_out, e->sent);
	fill(e->out_bytes, length - n, e->seed_out, e->sent + n);
	if (!(read ? sw_expose : sw_register)(&e->out_memory, e->sock, e->out_bytes, length - n,
					      MEM_READ, &e->failed))
		return false;
	memcpy(first + n, e->out_memory.descriptor, e->out_memory.descriptor_length);
	if (!say(e, LARGE, first, n + e->out_memory.descriptor_length, length - n,
		 e->out_memory.descriptor_length)) {
		sw_release(&e->out_memory);
		return false;
	}
	e->out_length = length - n;
	e->out = SN_OFFERED;
	e->sent += n;
	e->large_sent++;
	return true;
}

static void offered(struct sn_end *e, const struct head *head, const char *payload)
{
	uint32_t first = head->length - head->descriptor;
	int error;

	RULE(e->in == SN_NONE && head->size <= e->large, "one large transfer at a time");
	take(e, payload, first);
	e->in_length = head->size;
	if (!(head->descriptor > 0 ? sw_register : sw_expose)(&e->in_memory, e->sock, e->in_bytes,
							      head->size, MEM_WRITE, &e->failed))
		return;
	if (head->descriptor > 0) {
		e->in = SN_READING;
		if (!sw_rdma(&e->in_op, false, &e->in_memory, e->in_bytes, head->size,
			     payload + first, head->descriptor, 0, &error))
			e->failed = error;
	} else {
		sw_guard(e->in_bytes + head->size); /* the peer WRITEs */
		e->in = SN_EXPOSED;
	}
}

/* The peer exposed a buffer. */
static void wanted(struct sn_end *e, const struct head *head, const char *payload)
{
	int error;

	RULE(e->out == SN_OFFERED, "a buffer is exposed for an offer");
	e->out = SN_WRITING;
	if (!sw_rdma(&e->out_op, true, &e->out_memory, e->out_bytes, e->out_length, payload,
		     head->descriptor, 0, &error))
		e->failed = error;
}

static void out_done(struct sn_end *e)
{
	sw_release(&e->out_memory);
	e->sent += e->out_length;
	e->out = SN_NONE;
}

static void in_done(struct sn_end *e)
{
	sw_check_guard(e->in_bytes + e->in_length);
	sw_release(&e->in_memory);
	take(e, e->in_bytes, e->in_length);
	e->in = SN_NONE;
}

static void step_large(struct sn_end *e)
{
	if (e->in == SN_READING && e->in_op.state != SW_IDLE && sw_done(&e->in_op)) {
		e->failed = (int)e->in_op.error;
		RULE(e->failed != 0 || e->in_op.bytes == e->in_length, "a READ moves all of it");
		sw_moved.reads += e->failed == 0;
	}
	if (e->in == SN_READING && e->in_op.state == SW_IDLE && !e->failed &&
	    say(e, DONE, NULL, 0, 0, 0))
		in_done(e);
	if (e->in == SN_EXPOSED &&
	    say(e, WANT, e->in_memory.descriptor, e->in_memory.descriptor_length, 0,
		e->in_memory.descriptor_length))
		e->in = SN_AWAITING;
	if (e->out == SN_WRITING && e->out_op.state != SW_IDLE && sw_done(&e->out_op)) {
		e->failed = (int)e->out_op.error;
		RULE(e->failed != 0 || e->out_op.bytes == e->out_length, "a WRITE moves all of it");
		sw_moved.writes += e->failed == 0;
	}
	if (e->out == SN_WRITING && e->out_op.state == SW_IDLE && !e->failed &&
	    say(e, DONE, NULL, 0, 0, 0))
		out_done(e);
}

/* --- what comes --- */

static void hear(struct sn_end *e, const char *message, DWORD bytes)
{
	const char *payload = message + HEAD;
	struct head head;

	RULE(bytes >= HEAD, "one send is one message");
	memcpy(&head, message, HEAD);
	RULE(bytes == HEAD + head.length, "a message keeps its length");
	e->peer_posted = head.posted;
	e->started = true;
	switch (head.kind) {
	case DATA:
		take(e, payload, head.length);
		break;
	case URGENT:
		e->urgent_got++;
		RULE(head.length == 1 && payload[0] == '!', "an urgent byte arrives");
		break;
	case LARGE:
		offered(e, &head, payload);
		break;
	case WANT:
		wanted(e, &head, payload);
		break;
	case DONE:
		if (e->in == SN_AWAITING)
			in_done(e);
		else
			out_done(e);
		break;
	case BYE:
		e->finished = true;
		break;
	case SUSPEND:
		RULE(e->pause == SN_GOES, "a suspend message comes to an end that goes");
		e->pause = SN_HOLDING;
		break;
	case SUSPENDED:
		RULE(e->pause == SN_ASKED, "the answer comes to an end that asked");
		e->pause = SN_ANSWERED;
		break;
	case RESUME:
		RULE(e->pause == SN_HELD, "the next process speaks to an end that is still");
		e->pause = SN_GOES;
		break;
	default:
		break;
	}
}

static void step_messages(struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++) {
		if (!e->send_used[i] || !sw_done(&e->sends[i]))
			continue;
		e->send_used[i] = false;
		if (e->sends[i].error != 0)
			e->failed = (int)e->sends[i].error;
		else
			RULE(e->sends[i].bytes == e->sends[i].total, "a send tells its bytes");
	}
	while (!e->failed && sw_done(&e->receives[e->order])) {
		struct sw_op *op = &e->receives[e->order];

		if (op->error != 0) {
			e->failed = (int)op->error;
			return;
		}
		sw_moved.messages++;
		hear(e, receive_slot(e, e->order), op->bytes);
		post_receive(e, e->order);
		e->order = (e->order + 1) % SN_POOL;
	}
}

/* --- what goes --- */

static void step_data(struct sn_end *e)
{
	char payload[SN_MESSAGE - HEAD];
	uint32_t least = e->large < 4096 ? 1 + e->large / 2 : 4096;

	while (!e->failed && e->pause == SN_GOES && e->out == SN_NONE && e->sent < e->to_send) {
		uint64_t left = e->to_send - e->sent;
		uint32_t r = next_random(e), n;

		if (e->urgent_left > 0 && r % 64 == 0 && say(e, URGENT, "!", 1, 0, 0))
			e->urgent_left--;
		if (r % 4 == 0 && left > 2 * e->message + least) {
			n = e->message + least + (r >> 8) % (e->large - least + 1);
			if (!offer(e, n < left ? n : (uint32_t)left))
				return;
			continue;
		}
		n = 1 + (r >> 8) % (e->message - HEAD);
		if (n > left)
			n = (uint32_t)left;
		fill(payload, n, e->seed_out, e->sent);
		if (!say(e, DATA, payload, n, 0, 0))
			return;
		e->sent += n;
		e->small_sent++;
	}
}

static void step_control(struct sn_end *e)
{
	bool goes = !e->failed && e->pause == SN_GOES;

	if (goes && e->urgent_left > 0 && e->sent == e->to_send && say(e, URGENT, "!", 1, 0, 0))
		e->urgent_left--;
	if (goes && !e->bye && e->sent == e->to_send && e->out == SN_NONE && e->urgent_left == 0 &&
	    e->got == e->to_get && e->in == SN_NONE)
		e->bye = say(e, BYE, NULL, 0, 0, 0);
	/* Half of the receives were posted again without a word. */
	if (!e->failed && !e->finished && e->posted - e->told >= SN_POOL / 2)
		(void)say(e, CREDIT, NULL, 0, 0, 0);
}

static void step_pause(struct sn_end *e)
{
	bool idle = !e->failed && e->out == SN_NONE;

	if (idle && e->pause == SN_STOPPING && say(e, SUSPEND, NULL, 0, 0, 0))
		e->pause = SN_ASKED;
	if (idle && e->pause == SN_HOLDING && e->in == SN_NONE && say(e, SUSPENDED, NULL, 0, 0, 0))
		e->pause = SN_HELD;
}

static uint32_t limit(struct sw_socket *sock, int option, uint32_t most)
{
	DWORD value = sw_limit(sock, option);

	return value < most ? value : most;
}

/* The socket is connected: memory, and receives before anything is said. */
static void arm(struct sn_end *e, struct sw_socket *sock)
{
	size_t half = sizeof(e->memory) / 2;

	e->sock = sock;
	e->message = limit(sock, SO_MAX_MSG_SIZE, SN_MESSAGE);
	e->large = limit(sock, SO_MAX_RDMA_SIZE, SN_LARGE);
	RULE(e->message >= LEAST,
	     "a message has room for a descriptor and what a switch says of it");
	if (e->message < LEAST) {
		(void)sw_summary(); /* nothing can be said */
		exit(1);
	}
	for (unsigned i = 0; i < SN_POOL; i++) {
		e->receives[i].way = e->way;
		e->sends[i].way = e->way == SW_POLL ? SW_UPCALL : SW_POLL;
	}
	e->out_op.way = e->in_op.way = e->way;
	RULE(sw_register(&e->in_pool, sock, e->memory, (DWORD)half, MEM_WRITE, &e->failed) &&
		     sw_register(&e->out_pool, sock, e->memory + half, (DWORD)half, MEM_READ,
				 &e->failed),
	     "memory is registered on a new connection");
	for (unsigned i = 0; i < SN_POOL; i++)
		post_receive(e, i);
}

void sn_begin(struct sn_end *e, struct sw_socket *sock, bool connector, uint64_t to_send,
	      uint64_t to_get, uint32_t seed, enum sw_way way)
{
	memset(e, 0, sizeof(*e));
	e->connector = connector;
	e->to_send = to_send;
	e->to_get = to_get;
	e->seed_out = seed + connector;
	e->seed_in = seed + !connector;
	e->random = seed * 2 + 1 + connector;
	e->urgent_left = SN_URGENT;
	e->way = way;
	arm(e, sock);
	if (connector) { /* it speaks first, before the other has posted anything perhaps */
		e->started = true;
		e->peer_posted = 1;
		RULE(say(e, HELLO, NULL, 0, 0, 0), "the first message goes before any receive");
	}
}

void sn_suspend(struct sn_end *e)
{
	e->pause = SN_STOPPING;
}

bool sn_still(const struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++)
		if (e->send_used[i])
			return false;
	return e->pause == SN_ANSWERED && e->in == SN_NONE;
}

static bool receives_done(struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++)
		if (!sw_done(&e->receives[i]))
			return false;
	return true;
}

bool sn_give(struct sn_end *e, DWORD process, WSAPROTOCOL_INFOW *info)
{
	bool ended = true;

	sw_release(&e->out_pool);
	if (!sw_give(e->sock, process, info))
		return false;
	/* Another thread may be the one that tells of them. */
	AWAIT(receives_done(e), "receives of a socket that is given away end well, with 0 bytes");
	for (unsigned i = 0; i < SN_POOL; i++)
		ended = ended && e->receives[i].error == 0 && e->receives[i].bytes == 0;
	RULE(ended, "receives of a socket that is given away end well, with 0 bytes");
	return true;
}

void sn_continue(struct sn_end *e, struct sw_socket *sock, const void *moved)
{
	memset(e, 0, sizeof(*e));
	memcpy(e, moved, SN_MOVES);
	e->posted -= SN_POOL; /* those that ended when the socket was given away */
	arm(e, sock);
	RULE(!e->failed && say(e, RESUME, NULL, 0, 0, 0), "a socket that was taken sends");
}

void sn_step(struct sn_end *e)
{
	step_messages(e);
	if (!e->failed)
		step_large(e);
	if (!e->failed && !e->connector && e->messages == 0 && e->started)
		(void)say(e, HELLO, NULL, 0, 0, 0);
	step_data(e);
	step_control(e);
	step_pause(e);
}

bool sn_complete(const struct sn_end *e)
{
	return e->bye && e->finished && e->got == e->to_get && free_send(e) >= 0;
}

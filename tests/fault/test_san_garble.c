// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_garble.c - mode S: one end of a connection goes mad. Between honest messages and transfers it sends
 * messages of any length, the two of a hand-over with anything in them and at any moment, WRITEs and READs with
 * keys and addresses that are nearly right, and spoils the memory or the wire that its device shares with the
 * victim's. The victim reads and writes what it may and nothing else, each of its operations ends once, with a
 * documented code, and an honest connection works afterwards. Nothing runs but what is called here, and all of a
 * round follows from its number, which a failure tells.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/san_inside.h"
#include "tests/fuzz/attack.h"
#include "tests/lib/san_pair.h"

#define ROUNDS	   2000u
#define ACTIONS	   40u
#define OPERATIONS 64u
#define SLOT	   512u /* of memory for one operation: what it uses, and what it must not */
#define PART	   4096u
#define RAW	   20000u
#define KINDS	   5u /* of madness; one more is all of them */

struct operation {
	WSAOVERLAPPED o; /* first */
	atomic_uint upcalls;
	bool poll, accepted;
	DWORD length;
};

struct side {
	SOCKET s;
	struct operation operations[OPERATIONS];
	unsigned count;
	char memory[OPERATIONS * SLOT];
	char before[PART], exposed[PART], between[PART], shown[PART], after[PART];
	char written[SP_DESCRIPTOR], read[SP_DESCRIPTOR];
	HANDLE handle;
	struct wsd_region *raw; /* of RAW bytes, twice */
	bool odd;
};

static struct side victim, mad;
static struct sp_pair pair;
static uint64_t random_state;
static bool shm, tcp;
static unsigned first_round, now; /* the argument repeats one */
static unsigned given, refused, ended[2];

static uint32_t any(uint32_t below)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

/* What is often taken for right, more often than noise. */
static uint32_t value(void)
{
	static const uint32_t likely[] = { 0,	  1,	 2,	     31,	  32,
					   48,	  64,	 255,	     256,	  0x1000,
					   16384, 65535, 0x7fffffff, 0x80000000u, UINT32_MAX };

	return any(4) == 0 ? any(UINT32_MAX)
			   : likely[any((uint32_t)(sizeof(likely) / sizeof(likely[0])))];
}

/* --- honest operations --- */

static void completed(LPWSAOVERLAPPED overlapped)
{
	((struct operation *)overlapped)->upcalls++;
}

/* What a call says at once. */
static void documented_at_once(int error)
{
	switch (error) {
	case 0:
	case WSAECONNRESET:
	case WSAECONNABORTED:
	case WSAENETDOWN:
	case WSAENOTCONN: /* given to another process */
		return;
	default:
		fail_msg("a call says %d", error);
	}
}

static void honest(struct side *side, unsigned kind, struct side *peer)
{
	struct operation *op = &side->operations[side->count];
	char *at = side->memory + side->count * SLOT;
	int error;

	if (side->count == OPERATIONS)
		return;
	side->count++;
	op->poll = any(2);
	op->length = kind < 2 ? any(SLOT / 2) : any(200);
	sp_begin(&op->o, op->poll);
	if (kind == 0) {
		error = sp_recv(side->s, at, op->length, &op->o);
	} else if (kind == 1) { /* in two parts, with a hole between */
		WSABUF two[] = { { op->length / 2, at },
				 { op->length - op->length / 2, at + SLOT / 2 } };
		DWORD bytes, flags = 0;

		error = sp_spi.lpWSPRecv(side->s, two, 2, &bytes, &flags, &op->o, NULL, NULL,
					 &sp_error) == 0 ||
					sp_error == WSA_IO_PENDING
				? 0
				: sp_error;
	} else if (kind == 2) {
		error = sp_send(side->s, at, op->length, &op->o);
	} else if (kind == 3) {
		error = sp_write(side->s, at, op->length, side->handle, peer->written, &op->o);
	} else {
		error = sp_read(side->s, at, op->length, side->handle, peer->read, &op->o);
	}
	op->accepted = error == 0;
	/* After a hand-over the descriptors of before are of another connection. */
	if (kind < 3 || error != WSAEINVAL)
		documented_at_once(error);
	si_drive();
}

/* --- what the mad end does past its own provider --- */

static void raw(enum wsd_work_op op, const void *bytes, uint32_t length, uint32_t key,
		uint64_t address)
{
	struct wsd_channel *ch = si_inside(mad.s);
	struct wsd_sge sge = { .length = length };
	struct wsd_work work = {
		.op = op, .sge = &sge, .sge_count = 1, .remote_addr = address, .remote_key = key
	};
	uint32_t posted;

	if (!ch)
		return;
	if (!mad.raw)
		assert_int_equal(ch->backend->mem_alloc(ch->endpoint, 2 * RAW,
							WSD_ACCESS_LOCAL_WRITE, &mad.raw),
				 WSD_OK);
	mad.odd = !mad.odd; /* the one before may be on its way */
	sge.addr = (char *)mad.raw->base + (mad.odd ? RAW : 0);
	sge.region = mad.raw;
	if (op != WSD_OP_READ)
		memcpy(sge.addr, bytes, length);
	(void)ch->backend->post_send(ch->endpoint, &work, &posted);
}

static void raw_message(void)
{
	static const uint32_t lengths[] = {
		0, 1, 31, 32, 33, 47, 48, 49, 255, 256, 257, 4096, 16384
	};
	static uint8_t bytes[16384];

	memset(bytes, 'm', sizeof(bytes));
	raw(WSD_OP_SEND, bytes, lengths[any((uint32_t)(sizeof(lengths) / sizeof(lengths[0])))], 0,
	    0);
}

/* One of the two messages of a hand-over: as it should be, or with one thing wrong. */
static void raw_move(void)
{
	struct wsd_channel *ch = si_inside(mad.s);
	bool answer = any(3) == 0;
	uint32_t argument = any(2) ? 100 + any(100) : value(), length = answer ? 48 : 32;
	uint8_t bytes[64] = { 0 };

	memcpy(bytes, answer ? "OWSDMACK" : "OWSDMOVE", 8);
	if (ch) {
		memcpy(bytes + 8, &ch->own.nonce, 8);
		memcpy(bytes + 16, &ch->peer.nonce, 8);
	}
	memcpy(bytes + 24, &argument, 4);
	if (any(4) == 0)
		bytes[any(32)] ^= (uint8_t)(1u << any(8));
	if (any(8) == 0)
		length = any(64);
	raw(WSD_OP_SEND, bytes, length, 0, 0);
}

static void raw_transfer(void)
{
	enum wsd_work_op op = any(2) ? WSD_OP_WRITE : WSD_OP_READ;
	const char *descriptor = any(2) ? victim.written : victim.read;
	uint32_t key, length = any(4) ? any(PART) : any(RAW);
	uint64_t address;
	char bytes[RAW];

	memcpy(&address, descriptor + 8, sizeof(address));
	memcpy(&key, descriptor + 16, sizeof(key));
	if (any(2))
		key ^= any(4) ? 1u << any(32) : value();
	if (any(2))
		address += any(2) ? (uint64_t)PART - length + any(2) : (uint64_t)(int32_t)value();
	if (any(8) == 0)
		address = (uint64_t)(uintptr_t)victim.before;
	memset(bytes, 'w', sizeof(bytes));
	raw(op, bytes, length, key, address);
}

static void device(void)
{
	struct wsd_channel *one = si_inside(mad.s), *other = si_inside(victim.s);
	uint8_t bytes[128];

	for (unsigned i = 0; i < sizeof(bytes); i += 4) {
		uint32_t word = any(2) ? value() : any(UINT32_MAX);

		memcpy(bytes + i, &word, sizeof(word));
	}
	bytes[0] = (uint8_t)any(256);
	if (one && other && shm)
		attack_shm(other->endpoint, one->endpoint, bytes, sizeof(bytes));
	if (one && other && tcp)
		attack_tcp(one->endpoint, bytes, 1 + any(sizeof(bytes)));
}

/* Memory, which belongs to a socket. */
static int provide(struct side *side)
{
	int error;

	/* One registration over all of it: the device knows more memory than an operation may touch. */
	side->handle = sp_ext.register_memory(side->s, side->memory, sizeof(side->memory),
					      MEM_READWRITE, &sp_error);
	if (!side->handle)
		return sp_error;
	error = sp_expose(side->s, side->exposed, PART, MEM_READWRITE, side->written);
	return error ? error : sp_expose(side->s, side->shown, PART, MEM_READ, side->read);
}

/* --- a hand-over of either end, in the middle of it all --- */

static void hand_over(struct side *side)
{
	int error = si_hand_over(&side->s);

	if (error != 0) {
		assert_true(error == WSAEINVAL || error == WSAENETDOWN || error == WSAENOBUFS);
		refused++;
		return;
	}
	given++;
	mad.raw = NULL;			   /* it went with its endpoint, whichever end has moved */
	documented_at_once(provide(side)); /* the mad end may have ended it by now */
}

/* --- a round --- */

static void prepare(struct side *side, SOCKET s)
{
	memset(side, 0, sizeof(*side));
	side->s = s;
	memset(side->memory, '.', sizeof(side->memory));
	memset(side->before, 'b', PART);
	memset(side->exposed, 'e', PART);
	memset(side->between, 'b', PART);
	memset(side->shown, 's', PART);
	memset(side->after, 'b', PART);
	assert_int_equal(provide(side), 0);
}

/* Of one kind in most rounds, so that it gets far before the connection ends. */
static void go_mad(unsigned kind)
{
	switch (kind == KINDS ? any(KINDS) : kind) {
	case 0:
		raw_message();
		break;
	case 1:
		raw_move();
		break;
	case 2:
		raw_transfer();
		break;
	case 3: /* before it hears what the victim says to that */
		raw_move();
		raw_message();
		break;
	default:
		device();
		break;
	}
	si_drive();
}

static void act(unsigned kind)
{
	switch (any(8)) {
	case 0:
		go_mad(kind);
		break;
	case 1:
	case 2:
	case 3:
		honest(&mad, any(5), &victim);
		break;
	default:
		honest(&victim, any(5), &mad);
		break;
	}
}

static bool all_are(const char *bytes, uint32_t count, char expected)
{
	for (uint32_t i = 0; i < count; i++)
		if (bytes[i] != expected)
			return false;
	return true;
}

static void check_operation(const struct operation *op, const char *at)
{
	static const int codes[] = { 0, WSAEMSGSIZE, WSAECONNRESET, WSAECONNABORTED,
				     WSA_OPERATION_ABORTED };
	uint32_t first = op->length;
	bool known = false;

	assert_int_equal(op->upcalls, op->accepted && !op->poll ? 1 : 0);
	if (op->accepted) {
		ended[!op->poll && op->o.Internal == 0]++;
		assert_int_not_equal(op->o.Internal, WSS_OPERATION_IN_PROGRESS);
		for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]) && !op->poll; i++)
			known |= op->o.Internal == (ULONG_PTR)codes[i];
		assert_true(known || op->poll);
		assert_true(op->poll || op->o.InternalHigh <= op->length);
	}
	/* Beyond its buffers, whether one or two, nothing has changed. */
	assert_true(all_are(at + first, SLOT / 2 - (first < SLOT / 2 ? first : SLOT / 2), '.'));
	assert_true(all_are(at + SLOT - SLOT / 4, SLOT / 4, '.'));
}

static void check_victim(void)
{
	for (unsigned i = 0; i < OPERATIONS; i++)
		check_operation(&victim.operations[i], victim.memory + i * SLOT);
	assert_true(all_are(victim.before, PART, 'b'));
	assert_true(all_are(victim.between, PART, 'b'));
	assert_true(all_are(victim.after, PART, 'b'));
	assert_true(all_are(victim.shown, PART, 's'));
	assert_int_equal(sp_repeated, 0);
}

/* What the mad end has READ: never more than what was exposed. */
static void check_secret(void)
{
	const char *at = si_inside(mad.s) && mad.raw ? mad.raw->base : NULL;

	for (unsigned i = 0; at && i + 8 <= 2 * RAW; i++)
		assert_false(all_are(at + i, 8, 'b')); /* a single one may be part of a nonce */
}

/* By both ends, with the next pair. */
static void works(void)
{
	assert_int_equal(si_open(&pair), 0);
	prepare(&victim, pair.server);
	prepare(&mad, pair.client);
	si_message(mad.s, mad.memory, victim.s, victim.memory, NULL);
	si_message(victim.s, victim.memory, mad.s, mad.memory, NULL);
	sp_close(&pair);
	assert_true(si_settle());
}

static void round_of(unsigned number)
{
	unsigned gives, kind = number / 2 % (KINDS + 1);
	bool first = number & 1;

	random_state = number * 7919u + 1;
	gives = any(4) == 0 ? any(ACTIONS / 4) : ACTIONS;
	assert_int_equal(si_open(&pair), 0);
	prepare(&victim, first ? pair.server : pair.client);
	prepare(&mad, first ? pair.client : pair.server);
	for (unsigned i = 0; i < 4; i++) {
		honest(&victim, any(2), &mad);
		honest(&mad, any(2), &victim);
	}
	for (unsigned i = 0; i < ACTIONS; i++) {
		if (i == gives)
			hand_over(any(2) ? &victim : &mad);
		else
			act(kind);
	}
	check_secret();
	pair.client = first ? mad.s : victim.s;
	pair.server = first ? victim.s : mad.s;
	sp_close(&pair);
	assert_true(si_settle());
	check_victim();
}

static void test_mad_peer(void **state)
{
	(void)state;
	for (unsigned i = first_round; i < first_round + ROUNDS; i++) {
		now = i;
		round_of(i);
		if (i % 64 == 0)
			works();
	}
	works();
	print_message("%u hand-overs and %u that failed, %u operations, %u of them well\n", given,
		      refused, ended[0] + ended[1], ended[1]);
	assert_true(given > 0 && refused > 0 && ended[0] > 0 && ended[1] > 0);
}

static int start(void **state)
{
	(void)state;
	sp_completed = completed;
	return sp_start(AF_INET);
}

static int stop(void **state)
{
	(void)state;
	return sp_stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mad_peer) };
	const char *backend = getenv("WSD_BACKENDS");
	int failed;

	shm = backend && strcmp(backend, "shm") == 0;
	tcp = backend && strcmp(backend, "tcp") == 0;
	setenv("WSD_ENGINE_THREAD", "0", 1);
	setenv("WSD_DUPLICATE_TIMEOUT", "100", 1);
	test_deadline(90);
	if (argc > 1)
		first_round = (unsigned)atoi(argv[1]);
	failed = cmocka_run_group_tests_name("san_garble", tests, start, stop);
	if (failed)
		fprintf(stderr, "the last round: %u\n", now);
	return failed;
}

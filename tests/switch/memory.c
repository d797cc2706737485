// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - who reaches which memory, and until when. Where a transfer must not happen the provider may refuse
 * it, or let it fail and end the connection; what counts is that no byte moves. So each attempt has a link of
 * its own.
 */
#include "tests/switch/link.h"

#include <string.h>

#define SIZE 8192u /* or what one transfer may have, if that is less */

/* One end exposes `there`, the other has `here` registered. */
struct stage {
	struct sw_link link;
	DWORD size; /* of a transfer */
	struct sw_memory local, remote;
};

static char here[SIZE + SW_GUARD], there[SIZE + SW_GUARD];

static void begin(struct stage *s, DWORD rights)
{
	int error;

	sw_make_link(&s->link);
	s->size = sw_limit(s->link.connector, SO_MAX_RDMA_SIZE);
	s->size = s->size < SIZE ? s->size : SIZE;
	memset(here, 'h', sizeof(here));
	memset(there, 't', sizeof(there));
	RULE(sw_register(&s->local, s->link.connector, here, SIZE, MEM_READWRITE, &error) &&
		     sw_expose(&s->remote, s->link.acceptor, there, SIZE, rights, &error),
	     "memory is registered on a new connection");
}

/* The error of one transfer; 0: it was carried out. */
static int attempt(const struct stage *s, bool write, const struct sw_memory *remote)
{
	struct sw_op op = { .way = SW_POLL };
	int error;

	if (!sw_try_rdma(&op, write, &s->local, here, s->size, remote, &error))
		return error;
	AWAIT(op.state == SW_IDLE || sw_done(&op), "each accepted operation ends");
	return (int)op.error;
}

static bool all(const struct stage *s, const char *at, char byte)
{
	bool is = true;

	for (unsigned i = 0; i < s->size; i++)
		is = is && at[i] == byte;
	return is;
}

static void must_fail(const struct stage *s, bool write, const struct sw_memory *remote,
		      const char *rule)
{
	int error = write || sw_can_read() ? attempt(s, write, remote) : WSAEOPNOTSUPP;

	RULE(error != 0 && all(s, here, 'h') && all(s, there, 't'), rule);
}

static void check_rights(void)
{
	struct stage s;

	begin(&s, MEM_READ);
	must_fail(&s, true, &s.remote, "memory exposed for READ is not written");
	sw_end_link(&s.link);
	begin(&s, MEM_WRITE);
	must_fail(&s, false, &s.remote, "memory exposed for WRITE is not read");
	sw_end_link(&s.link);
}

static void check_revocation(void)
{
	struct sw_memory old;
	struct stage s;

	for (unsigned write = 0; write < 2; write++) {
		begin(&s, MEM_READWRITE);
		if (write || sw_can_read())
			RULE(attempt(&s, write, &s.remote) == 0, "exposed memory is reached");
		memset(here, 'h', sizeof(here));
		memset(there, 't', sizeof(there));
		old = s.remote;
		sw_release(&s.remote);
		must_fail(&s, write, &old, "memory is out of reach once its exposure has ended");
		sw_end_link(&s.link);
	}
}

/* A descriptor is for the peer of its own connection. */
static void check_foreign(void)
{
	struct stage s;
	struct sw_link other;
	struct sw_memory foreign;
	int error;

	begin(&s, MEM_READWRITE);
	sw_make_link(&other);
	RULE(sw_expose(&foreign, other.acceptor, there, SIZE, MEM_READWRITE, &error),
	     "the same memory is exposed on two connections");
	must_fail(&s, true, &foreign, "another connection's descriptor opens nothing");
	sw_end_link(&other);
	sw_end_link(&s.link);
}

static bool deregisters(const struct sw_memory *memory)
{
	return sw_ext.deregister_memory(memory->sock->own, memory->handle, &sw_error) == 0;
}

static void check_handles(void)
{
	struct sw_op recv = { .way = SW_POLL }, send = { .way = SW_POLL };
	struct sw_memory again, source;
	struct stage s;
	int error;

	begin(&s, MEM_READ);
	RULE(sw_ext.register_memory(s.link.connector->own, here, SIZE, 0, &sw_error) == NULL &&
		     sw_error == WSAEINVAL,
	     "no rights are WSAEINVAL");
	RULE(sw_ext.register_memory(s.link.listener->own, here, SIZE, MEM_READ, &sw_error) ==
			     NULL &&
		     sw_error == WSAENOTCONN,
	     "memory of a socket without a connection is WSAENOTCONN");
	RULE(sw_register(&again, s.link.connector, here, SIZE, MEM_READWRITE, &error) &&
		     deregisters(&again),
	     "a buffer is registered as often as it is wanted");
	if (!sw_recv(&recv, s.link.connector, here, 64, &error))
		return;
	RULE(!deregisters(&s.local) && sw_error == WSAEINVAL, "memory in use stays registered");
	RULE(sw_register(&source, s.link.acceptor, there + 512, 64, MEM_READ, &error) &&
		     sw_send(&send, s.link.acceptor, there + 512, 5, &error),
	     "memory is registered on a new connection");
	AWAIT(recv.state == SW_IDLE || sw_done(&recv), "each accepted operation ends");
	RULE(recv.error == 0 && recv.bytes == 5, "a message keeps its length");
	AWAIT(send.state == SW_IDLE || sw_done(&send), "each accepted operation ends");
	RULE(deregisters(&s.local), "a registration that is not in use ends");
	RULE(!deregisters(&s.local) && sw_error == WSAEINVAL, "an ended handle is WSAEINVAL");
	sw_end_link(&s.link);
}

void sw_check_memory(void)
{
	check_handles();
	check_rights();
	check_revocation();
	check_foreign();
}

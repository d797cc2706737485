// SPDX-License-Identifier: BSD-2-Clause
/* scenario_san.c - what a switch does, for tests that let something fail in the middle of it; see scenarios.h. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/fault/scenarios.h"
#include "tests/lib/san_pair.h"

#define MESSAGE	 1000u
#define MESSAGES 8u
#define PARTS	 20u /* more than a device gathers, and than an operation has room for */
#define PART	 64u
#define RDMA	 100000u

static char out[RDMA], in[RDMA];
static struct sp_pair p;

static int broken(const char *what, long value)
{
	fprintf(stderr, "san: %s: %ld\n", what, value);
	return SCENARIO_BROKEN;
}

/* What went wrong with an operation: its code, or a wrong count. */
static int outcome(SOCKET s, WSAOVERLAPPED *o, DWORD expected)
{
	DWORD bytes = 0;
	int error = sp_result(s, o, &bytes);

	return error == 0 && bytes != expected ? broken("bytes of an operation", (long)bytes)
					       : error;
}

/* Operations that nothing else ends, or whose other half failed: closed, they may still be told of for a while. */
static int given_up(int error)
{
	sp_close(&p);
	return sp_settle(0) ? error : SCENARIO_HUNG;
}

static int registered(void)
{
	const struct {
		SOCKET s;
		char *at;
		DWORD rights;
	} all[] = { { p.client, out, MEM_READWRITE }, { p.server, in, MEM_READWRITE } };

	for (unsigned i = 0; i < 2; i++)
		if (sp_ext.register_memory(all[i].s, all[i].at, RDMA, all[i].rights, &sp_error) ==
		    NULL)
			return sp_error;
	return 0;
}

static int messages(void)
{
	WSAOVERLAPPED sent[MESSAGES], received[MESSAGES];
	int error = 0, first = 0;
	unsigned i;

	memset(in, 0, sizeof(in));
	memset(out, 'm', sizeof(out));
	for (i = 0; i < MESSAGES && error == 0; i++) {
		sp_begin(&received[i], i % 2 == 0);
		error = sp_recv(p.server, in + i * MESSAGE, MESSAGE, &received[i]);
	}
	for (i = 0; i < MESSAGES && error == 0; i++) {
		sp_begin(&sent[i], i % 2 == 1);
		error = sp_send(p.client, out, MESSAGE, &sent[i]);
	}
	if (error != 0)
		return given_up(error);
	for (i = 0; i < MESSAGES; i++) {
		error = outcome(p.client, &sent[i], MESSAGE);
		first = first != 0 ? first : error;
	}
	for (i = 0; i < MESSAGES; i++) {
		error = outcome(p.server, &received[i], MESSAGE);
		if (first == 0 && error == 0 && in[i * MESSAGE] != 'm')
			error = broken("what a message holds", in[i * MESSAGE]);
		first = first != 0 ? first : error;
	}
	return first;
}

/* A message from and into many buffers. */
static int gathered(void)
{
	WSABUF from[PARTS], to[PARTS];
	WSAOVERLAPPED sent, received;
	DWORD bytes, flags = 0;
	int first, error;

	for (unsigned i = 0; i < PARTS; i++) {
		from[i] = (WSABUF){ PART, out + 2 * PART * i };
		to[i] = (WSABUF){ PART, in + 2 * PART * i };
	}
	sp_begin(&sent, true);
	sp_begin(&received, true);
	if (sp_spi.lpWSPSend(p.client, from, PARTS, &bytes, 0, &sent, NULL, NULL, &sp_error) != 0 &&
	    sp_error != WSA_IO_PENDING)
		return sp_error;
	if (sp_spi.lpWSPRecv(p.server, to, PARTS, &bytes, &flags, &received, NULL, NULL,
			     &sp_error) != 0 &&
	    sp_error != WSA_IO_PENDING)
		return given_up(sp_error);
	first = outcome(p.server, &received, PARTS * PART);
	error = outcome(p.client, &sent, PARTS * PART);
	return first != 0 ? first : error;
}

static int rdma(void)
{
	char descriptor[SP_DESCRIPTOR];
	HANDLE handle = sp_ext.register_memory(p.client, out, RDMA, MEM_READWRITE, &sp_error);
	WSAOVERLAPPED done;
	int error = handle == NULL ? sp_error : 0;

	if (error == 0)
		error = sp_expose(p.server, in, RDMA, MEM_READWRITE, descriptor);
	if (error != 0)
		return error;
	memset(in, 'r', sizeof(in));
	for (unsigned write = 0; write < 2 && error == 0; write++) {
		sp_begin(&done, write != 0);
		error = (write ? sp_write : sp_read)(p.client, out, RDMA, handle, descriptor,
						     &done);
		if (error == 0)
			error = outcome(p.client, &done, RDMA);
		if (error == 0 && (out[0] != 'r' || out[RDMA - 1] != 'r'))
			error = broken(write ? "what was written" : "what was read", out[0]);
	}
	if (error == 0)
		error = sp_hide(p.server, descriptor);
	return error;
}

int run_san(void)
{
	int error = sp_start(AF_INET);

	p = (struct sp_pair){ INVALID_SOCKET, INVALID_SOCKET, INVALID_SOCKET, 0 };
	if (error != 0)
		goto out; /* a start that half succeeded is ended too */
	error = sp_open(&p);
	if (error == 0)
		error = registered();
	if (error == 0)
		error = messages();
	if (error == 0)
		error = gathered();
	if (error == 0)
		error = rdma();
	sp_close(&p);
	if (!sp_settle(0) && error == 0)
		error = SCENARIO_HUNG;
out:
	if (sp_repeated != 0)
		error = broken("operations that ended twice", (long)sp_repeated);
	(void)sp_stop();
	return error;
}

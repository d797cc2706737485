/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wsdcp.h - what the two sides of wsdcp share.
 *
 * On the wire, numbers little-endian:
 *   sender    "WSDCP 1\n", u64 size, u16 length of name, name
 *   receiver  a reply: is it welcome?
 *   sender    size bytes, u64 XXH3 of them
 *   receiver  a reply: is it stored?
 * A reply is u8 (0 = yes), u8 length of text, text.
 */
#ifndef EXAMPLES_WSDCP_H
#define EXAMPLES_WSDCP_H

#include <stdio.h>
#include <xxhash.h>

#include "net.h"

#define WSDCP_MAGIC "WSDCP 1\n"
#define WSDCP_HEAD  18 /* magic, size, length of name */
#define WSDCP_NAME  255
#define WSDCP_CHUNK (1u << 20)
#define WSDCP_SLOTS 4u /* overlapped operations outstanding */
#define WSDCP_LIMIT 30 /* seconds without progress that end a transfer */

struct options {
	const char *file; /* sender: the file; receiver: folder or file */
	const char *where;
	int limit;
	bool listening, keep, force, quiet;
};

int wsdcp_send(const struct options *options);
int wsdcp_receive(const struct options *options);

/* Overlapped operations in a ring: started in order, finished in order. */
struct slot {
	WSAOVERLAPPED overlapped;
	char *data;
	DWORD size; /* asked for */
};
struct ring {
	SOCKET s;
	struct slot slots[WSDCP_SLOTS];
	unsigned first, count; /* outstanding ones */
};
/* 0 or an error code. */
int ring_open(struct ring *ring, SOCKET s);
/* Cancels what is outstanding by closing the socket, and waits for it. */
void ring_close(struct ring *ring);
/* The slot that the next start will use; there must be one that is free. */
struct slot *ring_next(struct ring *ring);
int ring_start_send(struct ring *ring, DWORD size);
int ring_start_recv(struct ring *ring, DWORD size);
/* Wait for the oldest. */
int ring_finish(struct ring *ring, int limit, struct slot **slot, DWORD *bytes);

struct progress {
	const char *name;
	uint64_t size, done;
	double start, shown;
	bool on;
};
void progress_start(struct progress *p, const char *name, uint64_t size, bool quiet);
void progress_add(struct progress *p, uint64_t bytes);
void progress_end(struct progress *p);
/* "sent name: ..." on standard output. */
void progress_report(const struct progress *p, const char *what, XXH64_hash_t sum,
		     const char *path);

void put_number(unsigned char *to, uint64_t value, int bytes);
uint64_t get_number(const unsigned char *from, int bytes);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_many.c - many connections open at once between two processes, many of them active, with checksums.
 * No connection waits for long, and afterwards neither process holds more than before.
 * Arguments: connections, how many of them are active at any moment, bytes each way on each, and, if they shall not
 * be automatic, the size of the receive buffers.
 */
#include <inttypes.h>
#include <stdio.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "tests/lib/peer.h"

#define ACCEPTS	  64u
#define PACKETS	  64u
#define ADDRESS	  (sizeof(struct sockaddr_storage) + 16)
#define CHUNK	  16384u
#define PATTERN	  (1u << 20)
#define LONGEST	  5000u	 /* ms without progress */
#define HEAP_MORE 65536u /* less than a word for each connection */

static unsigned connections, active_most;
static uint32_t bytes_each;
static int receive_buffer;

/* --- what both sides do with a completion port --- */

struct operation {
	WSAOVERLAPPED overlapped; /* first */
	void (*done)(struct operation *operation, DWORD bytes);
	SOCKET s; /* whose operation */
};

static HANDLE port;

static void started(BOOL at_once)
{
	if (!at_once && WSAGetLastError() != WSA_IO_PENDING)
		peer_fail("cannot start an operation: error %d", WSAGetLastError());
}

static void start_receive(struct operation *operation, char *to, DWORD length)
{
	WSABUF buffer = { length, to };
	DWORD flags = 0;

	memset(&operation->overlapped, 0, sizeof(operation->overlapped));
	started(WSARecv(operation->s, &buffer, 1, NULL, &flags, &operation->overlapped, NULL) == 0);
}

static void start_send(struct operation *operation, char *from, DWORD length)
{
	WSABUF buffer = { length, from };

	memset(&operation->overlapped, 0, sizeof(operation->overlapped));
	started(WSASend(operation->s, &buffer, 1, NULL, 0, &operation->overlapped, NULL) == 0);
}
static void set_receive_buffer(SOCKET s)
{
	if (receive_buffer > 0)
		PEER_CHECK(setsockopt(s, SOL_SOCKET, SO_RCVBUF, (char *)&receive_buffer,
				      sizeof(receive_buffer)) == 0);
}

static void use_port(SOCKET s)
{
	PEER_CHECK(CreateIoCompletionPort((HANDLE)s, port, 0, 0) == port);
}

/* Run completions until *count is 0. */
static void run_until_none(const unsigned *count)
{
	OVERLAPPED_ENTRY packets[PACKETS];
	ULONG got, i;

	while (*count > 0) {
		PEER_CHECK(
			GetQueuedCompletionStatusEx(port, packets, PACKETS, &got, INFINITE, FALSE));
		for (i = 0; i < got; i++) {
			struct operation *operation = (struct operation *)packets[i].lpOverlapped;
			DWORD bytes, flags;

			if (!WSAGetOverlappedResult(operation->s, &operation->overlapped, &bytes,
						    FALSE, &flags))
				peer_fail("an operation failed: error %d", WSAGetLastError());
			operation->done(operation, bytes);
		}
	}
}

/* --- server: sends back what comes --- */

struct served {
	struct operation operation; /* first */
	DWORD filled, sent;
	char buffer[CHUNK];
};

static SOCKET listener;
static unsigned to_accept, to_close;

static void sent_back(struct operation *operation, DWORD bytes);

static void received(struct operation *operation, DWORD bytes)
{
	struct served *c = (struct served *)operation;

	if (bytes == 0) {
		PEER_CHECK(closesocket(operation->s) == 0);
		free(c);
		to_close--;
		return;
	}
	c->filled = bytes;
	c->sent = 0;
	operation->done = sent_back;
	start_send(operation, c->buffer, bytes);
}

static void sent_back(struct operation *operation, DWORD bytes)
{
	struct served *c = (struct served *)operation;

	c->sent += bytes;
	if (c->sent < c->filled) {
		start_send(operation, c->buffer + c->sent, c->filled - c->sent);
		return;
	}
	operation->done = received;
	start_receive(operation, c->buffer, CHUNK);
}

static void start_accept(void);

static void accepted(struct operation *operation, DWORD bytes)
{
	struct served *c = (struct served *)operation;

	(void)bytes;
	PEER_CHECK(setsockopt(operation->s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&listener,
			      sizeof(listener)) == 0);
	operation->done = received;
	start_receive(operation, c->buffer, CHUNK);
	start_accept();
}

static void start_accept(void)
{
	struct served *c;
	DWORD bytes;

	if (to_accept == 0)
		return;
	to_accept--;
	c = calloc(1, sizeof(*c));
	PEER_CHECK(c != NULL);
	c->operation.done = accepted;
	c->operation.s = peer_socket();
	use_port(c->operation.s);
	started(AcceptEx(listener, c->operation.s, c->buffer, 0, ADDRESS, ADDRESS, &bytes,
			 &c->operation.overlapped));
}

static void serve_once(void)
{
	uint32_t number;
	unsigned i;

	listener = peer_listen(&number);
	set_receive_buffer(listener); /* what it accepts has it too */
	use_port(listener);
	to_accept = to_close = connections;
	peer_tell(number);
	for (i = 0; i < ACCEPTS; i++)
		start_accept();
	run_until_none(&to_close);
	PEER_CHECK(closesocket(listener) == 0);
}

/* --- client --- */

struct client {
	struct operation sending, receiving;
	uint32_t index, sent, received;
	XXH64_state_t sent_sum, received_sum;
	uint64_t moved; /* when something last moved */
	char buffer[CHUNK];
};

static struct client *clients;
static unsigned started_count, unfinished;
static uint64_t longest_wait;
static char pattern[PATTERN + CHUNK];

static void progress(struct client *c)
{
	uint64_t now = GetTickCount64();

	if (now - c->moved > longest_wait)
		longest_wait = now - c->moved;
	if (now - c->moved > LONGEST * peer_slow_factor())
		peer_fail("connection %u waited %" PRIu64 " ms", c->index, now - c->moved);
	c->moved = now;
}

/* Each connection has bytes of its own: it begins elsewhere in the pattern. */
static char *send_from(const struct client *c)
{
	return pattern + (c->index * 8191u + c->sent) % PATTERN;
}

static DWORD send_length(const struct client *c)
{
	return bytes_each - c->sent < CHUNK ? bytes_each - c->sent : CHUNK;
}

static void start_next(void);

static void client_sent(struct operation *operation, DWORD bytes)
{
	struct client *c = (struct client *)operation;

	progress(c);
	XXH64_update(&c->sent_sum, send_from(c), bytes);
	c->sent += bytes;
	if (c->sent < bytes_each)
		start_send(operation, send_from(c), send_length(c));
}

static void client_received(struct operation *operation, DWORD bytes)
{
	struct client *c =
		(struct client *)((char *)operation - offsetof(struct client, receiving));

	progress(c);
	PEER_CHECK(bytes > 0);
	XXH64_update(&c->received_sum, c->buffer, bytes);
	c->received += bytes;
	if (c->received < bytes_each) {
		start_receive(operation, c->buffer, CHUNK);
		return;
	}
	PEER_CHECK(c->received == bytes_each && c->sent == bytes_each);
	PEER_CHECK(XXH64_digest(&c->sent_sum) == XXH64_digest(&c->received_sum));
	unfinished--;
	start_next();
}

static void start_next(void)
{
	struct client *c;

	if (started_count == connections)
		return;
	c = &clients[started_count++];
	c->moved = GetTickCount64();
	start_receive(&c->receiving, c->buffer, CHUNK);
	start_send(&c->sending, send_from(c), send_length(c));
}

static void open_all(uint32_t number)
{
	struct sockaddr_in at = peer_address(number);
	struct client *c;
	unsigned i;

	clients = calloc(connections, sizeof(*clients));
	PEER_CHECK(clients != NULL);
	for (i = 0; i < connections; i++) {
		c = &clients[i];
		c->index = i;
		c->sending.s = c->receiving.s = peer_socket();
		set_receive_buffer(c->sending.s);
		c->sending.done = client_sent;
		c->receiving.done = client_received;
		XXH64_reset(&c->sent_sum, 0);
		XXH64_reset(&c->received_sum, 0);
		use_port(c->sending.s);
		PEER_CHECK(connect(c->sending.s, (struct sockaddr *)&at, sizeof(at)) == 0);
	}
}

static void connect_once(BOOL traffic)
{
	uint64_t begin = GetTickCount64(), opened;
	unsigned i;

	longest_wait = 0;
	open_all(peer_hear());
	opened = GetTickCount64();
	started_count = 0;
	unfinished = traffic ? connections : 0;
	for (i = 0; traffic && i < active_most; i++)
		start_next();
	run_until_none(&unfinished);
	printf("%u connections opened in %" PRIu64 " ms", connections, opened - begin);
	if (traffic)
		printf(", %u bytes each way on each in %" PRIu64
		       " ms, %u active, longest wait %" PRIu64 " ms",
		       bytes_each, GetTickCount64() - opened, active_most, longest_wait);
	printf("\n");
	fflush(stdout);
	for (i = 0; i < connections; i++)
		PEER_CHECK(closesocket(clients[i].sending.s) == 0);
	free(clients);
}

/* --- both --- */

/* One life of Winsock. What it held is gone when it ends. */
static void one_life(BOOL client, BOOL traffic)
{
	unsigned descriptors, mappings;

	peer_winsock();
	Sleep(1); /* a first wait: what a thread keeps for waiting is made */
	descriptors = peer_descriptors();
	mappings = peer_shared_mappings();
	port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
	PEER_CHECK(port != NULL);
	if (client)
		connect_once(traffic);
	else
		serve_once();
	PEER_CHECK(CloseHandle(port));
	peer_settle(descriptors, mappings);
	PEER_CHECK(WSACleanup() == 0);
}

/* The first life makes what is kept for ever, such as the table of handles. */
static void two_lives(BOOL client)
{
	unsigned descriptors;
	uint64_t heap;

	one_life(client, FALSE);
	descriptors = peer_descriptors();
	heap = peer_heap_bytes();
	one_life(client, TRUE);
	peer_settle(descriptors, 0);
	if (peer_heap_bytes() > heap + HEAP_MORE)
		peer_fail("%" PRIu64 " bytes of memory are left, %" PRIu64 " were there before",
			  peer_heap_bytes(), heap);
}

static void serve(void)
{
	two_lives(FALSE);
}

int main(int argc, char **argv)
{
	unsigned i;

	if (argc < 4)
		peer_fail("usage: test_many CONNECTIONS ACTIVE BYTES [RECEIVE-BUFFER]");
	connections = (unsigned)atoi(argv[1]);
	active_most = (unsigned)atoi(argv[2]);
	bytes_each = (uint32_t)atoi(argv[3]);
	receive_buffer = argc > 4 ? atoi(argv[4]) : 0;
	peer_start(110, 2 * connections + 1000);
	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i % PATTERN * 2654435761u >> 11);
	peer_fork(serve);
	two_lives(TRUE);
	peer_join();
	return 0;
}

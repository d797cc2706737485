// SPDX-License-Identifier: BSD-2-Clause
/* test_san_memory.c - mode S: registration, exposure and its end, RDMA in both directions, the cache. */
#include "tests/conformance/san.h"
#include "tests/lib/pages.h"

#define POOL 65536u

static char local[POOL], remote[POOL], elsewhere[POOL];
static struct san_pair pair;

static void open_all(void)
{
	if (!san_open_pair(&pair))
		abort();
}

#define BAD_HANDLE(call, code) (host_error = 0, (call) == NULL && host_error == (code))

static HANDLE reg(SOCKET s, void *base, DWORD length, DWORD flags)
{
	return san.register_memory(s, base, length, flags, &host_error);
}

static int dereg(SOCKET s, HANDLE handle)
{
	return san.deregister_memory(s, handle, &host_error);
}

struct exposed {
	char bytes[SAN_DESCRIPTOR_ROOM];
	DWORD length;
};

static int expose(SOCKET s, void *base, DWORD length, DWORD flags, struct exposed *e)
{
	e->length = sizeof(e->bytes);
	return san.register_rdma(s, base, length, flags, e->bytes, &e->length, &host_error);
}

static int hide(SOCKET s, struct exposed *e)
{
	return san.deregister_rdma(s, e->bytes, e->length, &host_error);
}

/* --- local memory --- */

static void check_register(void)
{
	SOCKET fresh = san_bound();
	HANDLE handle;

	CHECK_R(283, BAD_HANDLE(reg(fresh, local, 100, MEM_READ), WSAENOTCONN));
	san_close(fresh);
	open_all();
	handle = reg(pair.client, local, POOL, MEM_READWRITE);
	CHECK_R(282, handle != NULL);
	CHECK_R(284, BAD_HANDLE(reg(pair.client, local, 100, 0), WSAEINVAL));
	CHECK_R(284, BAD_HANDLE(reg(pair.client, local, 100, 8), WSAEINVAL));
	CHECK_R(285, BAD_HANDLE(reg(pair.client, NULL, 100, MEM_READ), WSAEFAULT));
	CHECK_R(285,
		BAD_HANDLE(reg(pair.client, (void *)(uintptr_t)-4096, 8192, MEM_READ), WSAEFAULT));
	CHECK_R(285,
		BAD_HANDLE(reg(pair.client, (void *)(uintptr_t)-8192, 4096, MEM_READ), WSAEFAULT));
	CHECK_R(288, SPI_FAILS(dereg(pair.client, (HANDLE)(uintptr_t)0x123456), WSAEINVAL));
	CHECK_R(288, SPI_FAILS(dereg(pair.client, NULL), WSAEINVAL));
	CHECK_R(288, SPI_FAILS(dereg(pair.client, (HANDLE)(uintptr_t)-1), WSAEINVAL));
	CHECK_R(286, reg(pair.server, local, POOL, MEM_READWRITE) != NULL);
	CHECK_R(288, dereg(pair.client, handle) == 0 &&
			     SPI_FAILS(dereg(pair.client, handle), WSAEINVAL));
	san_close_pair(&pair);
}

static void check_references(void)
{
	struct san_op op;
	HANDLE one, two, three;
	DWORD bytes = 0;

	open_all();
	one = reg(pair.client, local, 4096, MEM_READ);
	two = reg(pair.client, local, 4096, MEM_READ);
	three = reg(pair.client, local, 4096, MEM_READ);
	san_memory(pair.server, remote, POOL, MEM_WRITE);
	san_begin_op(&op, SAN_POLL);
	CHECK_R(287, dereg(pair.client, one) == 0 && dereg(pair.client, two) == 0 &&
			     san_send(pair.client, local, 100, &op) == 0);
	CHECK_R(287, san_result(pair.client, &op, &bytes) == 0);
	san_begin_op(&op, SAN_POLL);
	CHECK_R(287, dereg(pair.client, three) == 0 &&
			     san_send(pair.client, local, 100, &op) == WSAEFAULT);
	san_close_pair(&pair);
}

static void check_busy(void)
{
	struct san_op recv, send;
	HANDLE handle;
	DWORD bytes = 0;

	open_all();
	handle = reg(pair.server, remote, 4096, MEM_WRITE);
	san_begin_op(&recv, SAN_POLL);
	CHECK_R(289, san_recv(pair.server, remote, 4096, &recv) == 0 &&
			     SPI_FAILS(dereg(pair.server, handle), WSAEINVAL));
	/* A second registration may go while the first is used. */
	CHECK_R(289, reg(pair.server, remote, 4096, MEM_WRITE) == handle &&
			     dereg(pair.server, handle) == 0);
	san_memory(pair.client, local, 64, MEM_READ);
	san_begin_op(&send, SAN_POLL);
	CHECK(san_send(pair.client, local, 5, &send) == 0 &&
	      san_result(pair.server, &recv, &bytes) == 0 && bytes == 5);
	CHECK_R(289, dereg(pair.server, handle) == 0);
	san_close_pair(&pair);
}

/* --- exposed memory --- */

static void check_expose(void)
{
	struct exposed e;
	SOCKET fresh = san_bound();

	CHECK(SPI_FAILS(expose(fresh, remote, 100, MEM_READ, &e), WSAENOTCONN));
	san_close(fresh);
	open_all();
	memset(&e, 0, sizeof(e));
	CHECK_R(290, expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0 && e.length > 0 &&
			     e.length <= sizeof(e.bytes) && hide(pair.server, &e) == 0);
	e.length = 3;
	CHECK_R(291, SPI_FAILS(san.register_rdma(pair.server, remote, POOL, MEM_READ, e.bytes,
						 &e.length, &host_error),
			       WSAEFAULT) &&
			     e.length > 3);
	CHECK(SPI_FAILS(expose(pair.server, remote, 100, 16, &e), WSAEINVAL));
	CHECK(expose(pair.server, remote, 100, MEM_READ, &e) == 0);
	e.bytes[0]++;
	CHECK_R(292, SPI_FAILS(hide(pair.server, &e), WSAEINVAL));
	e.bytes[0]--;
	CHECK_R(292, SPI_FAILS(hide(pair.client, &e), WSAEINVAL));
	CHECK_R(292, hide(pair.server, &e) == 0 && SPI_FAILS(hide(pair.server, &e), WSAEINVAL));
	e.length--;
	CHECK_R(292, SPI_FAILS(hide(pair.server, &e), WSAEINVAL));
	san_close_pair(&pair);
}

/* One transfer by the client; its error. */
static int transfer(bool write, char *at, DWORD length, HANDLE handle, struct exposed *e,
		    DWORD offset, DWORD *bytes)
{
	struct san_op op;
	int error;

	san_begin_op(&op, SAN_POLL);
	error = san_rdma(pair.client, write, at, length, handle, e->bytes, e->length, offset, &op);
	return error != 0 ? error : san_result(pair.client, &op, bytes);
}

static void pattern(char *at, unsigned length, unsigned seed)
{
	for (unsigned i = 0; i < length; i++)
		at[i] = (char)(i * 13 + (i >> 9) + seed);
}

static void check_transfers(void)
{
	struct exposed e;
	DWORD bytes = 0;
	HANDLE handle;

	open_all();
	handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
	CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
	pattern(local, 1000, 1);
	memset(remote, 0, POOL);
	CHECK_R(298, transfer(true, local, 1000, handle, &e, 300, &bytes) == 0 &&
			     memcmp(remote + 300, local, 1000) == 0 && remote[299] == 0 &&
			     remote[1300] == 0);
	CHECK_R(300, bytes == 1000);
	pattern(remote, POOL, 2);
	bytes = 0;
	CHECK_R(299, transfer(false, local + 10, 5000, handle, &e, 777, &bytes) == 0 &&
			     memcmp(local + 10, remote + 777, 5000) == 0);
	CHECK_R(178, bytes == 5000);
	/* To the last byte, and not beyond; nothing of that reaches the peer. */
	CHECK(transfer(true, local, 16, handle, &e, POOL - 16, &bytes) == 0);
	CHECK(transfer(true, local, 17, handle, &e, POOL - 16, &bytes) == WSAEINVAL);
	CHECK(transfer(true, local, 1, handle, &e, UINT32_MAX, &bytes) == WSAEINVAL);
	CHECK(transfer(true, elsewhere, 16, handle, &e, 0, &bytes) == WSAEFAULT);
	CHECK(transfer(true, local + POOL - 8, 16, handle, &e, 0, &bytes) == WSAEFAULT);
	CHECK(transfer(true, local, 16, NULL, &e, 0, &bytes) == WSAEFAULT);
	e.length--;
	CHECK(transfer(true, local, 16, handle, &e, 0, &bytes) == WSAEINVAL);
	CHECK(san_message(pair.client, pair.server, "alive", 5, SAN_POLL));
	san_close_pair(&pair);
}

static void check_gather(void)
{
	WSABUFEX parts[40];
	struct exposed e;
	struct san_op op;
	DWORD bytes = 0;
	HANDLE handle;
	bool good = true;

	open_all();
	handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
	CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
	pattern(local, POOL, 5);
	memset(remote, 0, POOL);
	for (unsigned i = 0; i < 40; i++)
		parts[i] = (WSABUFEX){ 50, local + 100 * (39 - i), handle };
	san_begin_op(&op, SAN_UPCALL);
	CHECK_R(298, SPI_FAILS(san.rdma_write(pair.client, parts, 40, e.bytes, e.length, 7,
					      &op.bytes, 0, &op.o, NULL, NULL, &host_error),
			       WSA_IO_PENDING) &&
			     san_result(pair.client, &op, &bytes) == 0 && bytes == 2000);
	for (unsigned i = 0; i < 40; i++)
		good = good && memcmp(remote + 7 + 50 * i, local + 100 * (39 - i), 50) == 0;
	CHECK_R(298, good && remote[6] == 0 && remote[2007] == 0);
	pattern(remote, POOL, 9);
	san_begin_op(&op, SAN_UPCALL);
	CHECK_R(299, SPI_FAILS(san.rdma_read(pair.client, parts, 40, e.bytes, e.length, 11,
					     &op.bytes, 0, &op.o, NULL, NULL, &host_error),
			       WSA_IO_PENDING) &&
			     san_result(pair.client, &op, &bytes) == 0 && bytes == 2000);
	for (unsigned i = 0, n = 0; i < 40; i++, n += 50)
		good = good && memcmp(remote + 11 + n, local + 100 * (39 - i), 50) == 0;
	CHECK_R(299, good);
	san_close_pair(&pair);
}

static void check_limits(void)
{
	DWORD most = 0, threshold = 0, bytes = 0;
	int length = sizeof(most);
	struct exposed e;
	char *from, *to;
	HANDLE handle;

	open_all();
	CHECK_R(261, spi.lpWSPGetSockOpt(pair.client, SOL_SOCKET, SO_MAX_RDMA_SIZE, (char *)&most,
					 &length, &host_error) == 0 &&
			     most >= POOL);
	CHECK_R(262, spi.lpWSPGetSockOpt(pair.client, SOL_SOCKET, SO_RDMA_THRESHOLD_SIZE,
					 (char *)&threshold, &length, &host_error) == 0 &&
			     threshold > 0 && threshold <= most);
	from = malloc(most);
	to = malloc(most);
	pattern(from, most, 3);
	handle = san_memory(pair.client, from, most, MEM_READ);
	CHECK(expose(pair.server, to, most, MEM_WRITE, &e) == 0);
	CHECK_R(302, transfer(true, from, most, handle, &e, 0, &bytes) == 0 && bytes == most &&
			     memcmp(from, to, most) == 0);
	CHECK(hide(pair.server, &e) == 0 && dereg(pair.client, handle) == 0);
	san.cache_callback(from, most, &host_error);
	free(from);
	free(to);
	san_close_pair(&pair);
}

/* What was written is there before the message behind it. */
static void check_write_then_send(void)
{
	struct san_op write, send, recv;
	DWORD bytes = 0;
	struct exposed e;
	HANDLE handle;
	unsigned good = 0;

	open_all();
	handle = san_memory(pair.client, local, POOL, MEM_READ);
	san_memory(pair.server, elsewhere, POOL, MEM_WRITE);
	CHECK(expose(pair.server, remote, POOL, MEM_WRITE, &e) == 0);
	for (unsigned round = 0; round < 50; round++) {
		san_begin_op(&write, SAN_POLL);
		san_begin_op(&send, SAN_POLL);
		san_begin_op(&recv, SAN_POLL);
		pattern(local, POOL, round);
		good += san_recv(pair.server, elsewhere, 64, &recv) == 0 &&
			san_rdma(pair.client, true, local, POOL, handle, e.bytes, e.length, 0,
				 &write) == 0 &&
			san_send(pair.client, local, 8, &send) == 0 &&
			san_result(pair.server, &recv, &bytes) == 0 &&
			memcmp(remote, local, POOL) == 0 &&
			san_result(pair.client, &write, &bytes) == 0 &&
			san_result(pair.client, &send, &bytes) == 0;
	}
	CHECK_R(301, good == 50);
	san_close_pair(&pair);
}

/* --- what the peer cannot do --- */

/*
 * An attempt that our own side would refuse, made as a broken or hostile peer makes it: the descriptor is
 * the real one, but for the rights that it claims.
 */
#define CLAIMED_RIGHTS 28
#define CLAIMED_NONCE  0 /* of the connection: 8 bytes */

static void check_rights(void)
{
	struct exposed read_only, write_only;
	DWORD bytes = 0;
	HANDLE handle;

	for (unsigned direction = 0; direction < 2; direction++) {
		struct exposed *e = direction == 0 ? &read_only : &write_only;

		open_all();
		handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
		CHECK(expose(pair.server, remote, POOL, MEM_READ, &read_only) == 0);
		CHECK(expose(pair.server, remote, POOL, MEM_WRITE, &write_only) == 0);
		memset(remote, 'v', POOL);
		memset(local, 'w', POOL);
		/* Our side refuses, and nothing is lost. */
		if (direction == 0)
			CHECK_R(295, transfer(true, local, 64, handle, e, 0, &bytes) == WSAEINVAL);
		else
			CHECK_R(296, transfer(false, local, 64, handle, e, 0, &bytes) == WSAEINVAL);
		CHECK(san_message(pair.client, pair.server, "alive", 5, SAN_POLL));
		/* The other side refuses too, and the connection ends. */
		e->bytes[CLAIMED_RIGHTS] = MEM_READWRITE;
		if (direction == 0)
			CHECK_R(295, transfer(true, local, 64, handle, e, 0, &bytes) > 0 &&
					     remote[0] == 'v');
		else
			CHECK_R(296, transfer(false, local, 64, handle, e, 0, &bytes) > 0 &&
					     local[0] == 'w');
		san_close_pair(&pair);
	}
}

static void check_local_rights(void)
{
	struct exposed e;
	DWORD bytes = 0;
	HANDLE read_only, write_only;

	open_all();
	read_only = san_memory(pair.client, local, 4096, MEM_READ);
	write_only = san_memory(pair.client, local, 4096, MEM_WRITE);
	CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
	CHECK_R(295, transfer(false, local, 64, read_only, &e, 0, &bytes) == WSAEFAULT);
	CHECK_R(296, transfer(true, local, 64, write_only, &e, 0, &bytes) == WSAEFAULT);
	CHECK(transfer(true, local, 64, read_only, &e, 0, &bytes) == 0 &&
	      transfer(false, local, 64, write_only, &e, 0, &bytes) == 0);
	san_close_pair(&pair);
}

/* Revocation: after the end of the exposure the descriptor is worth nothing, in both directions. */
static void check_revocation(void)
{
	struct exposed e;
	DWORD bytes = 0;
	HANDLE handle;

	for (unsigned direction = 0; direction < 2; direction++) {
		open_all();
		handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
		CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
		memset(remote, 's', POOL);
		memset(local, 'w', POOL);
		CHECK_R(293, transfer(direction == 0, local, 64, handle, &e, 0, &bytes) == 0);
		memset(remote, 's', POOL);
		memset(local, 'w', POOL);
		CHECK_R(293,
			hide(pair.server, &e) == 0 &&
				transfer(direction == 0, local, 64, handle, &e, 0, &bytes) > 0 &&
				remote[0] == 's' && local[0] == 'w');
		san_close_pair(&pair);
		/* The same memory exposed again has another key: the old descriptor stays dead. */
		open_all();
		handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
		CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
		{
			struct exposed old = e;

			CHECK(hide(pair.server, &e) == 0 &&
			      expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
			CHECK_R(293,
				transfer(direction == 0, local, 64, handle, &old, 0, &bytes) > 0 &&
					remote[0] == 's' && local[0] == 'w');
		}
		san_close_pair(&pair);
	}
}

static void check_other_connection(void)
{
	struct san_pair other;
	struct exposed e;
	DWORD bytes = 0;
	HANDLE handle;

	open_all();
	other = pair;
	open_all();
	handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
	CHECK(expose(other.server, remote, POOL, MEM_READWRITE, &e) == 0);
	memset(remote, 's', 64);
	CHECK_R(294,
		transfer(true, local, 64, handle, &e, 0, &bytes) == WSAEINVAL && remote[0] == 's');
	CHECK_R(294, transfer(false, local, 64, handle, &e, 0, &bytes) == WSAEINVAL);
	CHECK(san_message(pair.client, pair.server, "alive", 5, SAN_POLL));
	san_close_pair(&pair);
	san_close_pair(&other);
}

/* The key of another connection of the same process, in a descriptor that claims to be of this one. */
static void check_foreign_key(void)
{
	struct exposed mine, theirs;
	const char *backends = getenv("WSD_BACKENDS");
	struct san_pair other;
	DWORD bytes = 0;
	HANDLE handle;

	if (backends != NULL && strcmp(backends, "verbs") == 0)
		return; /* an adapter's keys hold for all connections of the process: docs/security.md */
	for (unsigned direction = 0; direction < 2; direction++) {
		open_all();
		other = pair;
		open_all();
		handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
		CHECK(expose(pair.server, elsewhere, POOL, MEM_READWRITE, &mine) == 0);
		CHECK(expose(other.server, remote, POOL, MEM_READWRITE, &theirs) == 0);
		memcpy(theirs.bytes + CLAIMED_NONCE, mine.bytes + CLAIMED_NONCE, 8);
		memset(remote, 's', 64);
		memset(local, 'w', 64);
		CHECK_R(294, transfer(direction == 0, local, 64, handle, &theirs, 0, &bytes) > 0 &&
				     remote[0] == 's' && local[0] == 'w');
		CHECK(san_message(other.client, other.server, "alive", 5, SAN_POLL));
		san_close_pair(&pair);
		san_close_pair(&other);
	}
}

/* A second connection with the key of one that has ended, in a descriptor that claims to be of its own. */
static bool is_out_of_reach(const struct exposed *old, bool write)
{
	struct exposed mine, theirs = *old;
	DWORD bytes = 0;
	HANDLE handle;
	bool good;

	open_all();
	handle = san_memory(pair.client, local, POOL, MEM_READWRITE);
	CHECK(expose(pair.server, elsewhere, POOL, MEM_READWRITE, &mine) == 0);
	memcpy(theirs.bytes + CLAIMED_NONCE, mine.bytes + CLAIMED_NONCE, 8);
	memset(remote, 's', POOL);
	memset(local, 'w', POOL);
	good = transfer(write, local, 64, handle, &theirs, 0, &bytes) > 0 && remote[0] == 's' &&
	       local[0] == 'w';
	san_close_pair(&pair);
	return good;
}

static void check_after_the_end(void)
{
	struct san_pair first;
	struct exposed e;
	struct san_op op;

	for (unsigned write = 0; write < 2; write++) {
		open_all();
		CHECK(expose(pair.server, remote, POOL, MEM_READWRITE, &e) == 0);
		san_memory(pair.server, elsewhere, 64, MEM_WRITE);
		san_begin_op(&op, SAN_UPCALL);
		CHECK(san_recv(pair.server, elsewhere, 64, &op) == 0);
		host_close(pair.client);
		pair.client = INVALID_SOCKET;
		first = pair;
		CHECK_R(297, san_upcalls(&op, SAN_WAIT_MS) == 1);
		CHECK_R(297, is_out_of_reach(&e, write != 0));
		/* The switch takes back what it still has, in peace. */
		CHECK_R(297, hide(first.server, &e) == 0);
		CHECK_R(283, BAD_HANDLE(reg(first.server, remote, 64, MEM_READ), WSAENOTCONN));
		san_close_pair(&first);
	}
}

/* --- the cache --- */

static void check_cache(void)
{
	const size_t size = 1u << 20;
	char *memory = pages_map(NULL, size);
	HANDLE handle;

	open_all();
	CHECK_R(308, san.cache_callback != NULL);
	CHECK_R(305, SPI_FAILS(san.cache_callback(memory, size, &host_error), WSAEINVAL));
	handle = san_memory(pair.client, memory, (DWORD)size, MEM_READ);
	CHECK_R(304, dereg(pair.client, handle) == 0 &&
			     san.cache_callback(memory, size, &host_error) == 0);
	CHECK_R(305, SPI_FAILS(san.cache_callback(memory, size, &host_error), WSAEINVAL));
	/* In use: it cannot be given up now, and is not kept afterwards. */
	handle = san_memory(pair.client, memory, (DWORD)size, MEM_READ);
	CHECK_R(304, SPI_FAILS(san.cache_callback(memory + 4096, 10, &host_error), WSAEFAULT));
	CHECK_R(304, dereg(pair.client, handle) == 0 &&
			     SPI_FAILS(san.cache_callback(memory, size, &host_error), WSAEINVAL));
	/* What is not mapped cannot be registered. */
	pages_unmap(memory, size);
	CHECK_R(285, BAD_HANDLE(reg(pair.client, memory, (DWORD)size, MEM_READ), WSAEFAULT));
	san_close_pair(&pair);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (san_startup(0) != 0)
		return 1;
	check_register();
	check_references();
	check_busy();
	check_expose();
	check_transfers();
	check_gather();
	check_limits();
	check_write_then_send();
	check_rights();
	check_local_rights();
	check_revocation();
	check_other_connection();
	check_foreign_key();
	check_after_the_end();
	check_cache();
	host_cleanup();
	return check_result();
}

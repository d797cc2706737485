// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_hostile.c - mode S: what a broken switch may pass. Wrong descriptors, NULLs, handles and descriptors that
 * were made up, that have ended or that are another connection's, absurd counts and lengths. Each call fails with a
 * documented code, nothing is written, and the connection that was abused still carries messages.
 */
#include "tests/lib/test.h"

#include <string.h>
#include <sys/mman.h>

#include "tests/lib/san_pair.h"

#define SIZE 8192u

static struct sp_pair p, other;
static char here[SIZE], there[SIZE];
static HANDLE handle, their_handle;
static char descriptor[SP_DESCRIPTOR];
static WSAOVERLAPPED o;
static DWORD n, flags;

#define FAILS(call, code)                                                                     \
	do {                                                                                  \
		sp_error = 0;                                                                 \
		if ((intptr_t)(call) != SOCKET_ERROR || sp_error != (code))                   \
			fail_msg("line %d: %s: %d, not %d", __LINE__, #call, sp_error, code); \
	} while (0)
#define NOTHING(call, code)                                                                   \
	do {                                                                                  \
		sp_error = 0;                                                                 \
		if ((call) || sp_error != (code))                                             \
			fail_msg("line %d: %s: %d, not %d", __LINE__, #call, sp_error, code); \
	} while (0)

static void still_works(void)
{
	WSAOVERLAPPED sent, received;
	DWORD bytes = 0;

	memset(here, 'x', 100);
	sp_begin(&sent, true);
	sp_begin(&received, true);
	assert_int_equal(sp_recv(p.server, there, 200, &received), 0);
	assert_int_equal(sp_send(p.client, here, 100, &sent), 0);
	assert_int_equal(sp_result(p.server, &received, &bytes), 0);
	assert_int_equal(bytes, 100);
	assert_memory_equal(there, here, 100);
	assert_int_equal(sp_result(p.client, &sent, &bytes), 0);
	assert_int_equal(sp_upcalls, 0);
}

static void no_socket(SOCKET s)
{
	WSABUF buffer = { 4, here };
	WSABUFEX registered = { 4, here, handle };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr *name = (struct sockaddr *)&at;
	WSANETWORKEVENTS events;
	int value = 0, length = sizeof(value);

	FAILS(sp_spi.lpWSPBind(s, name, sizeof(at), &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPListen(s, 1, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPAccept(s, NULL, NULL, NULL, 0, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPConnect(s, name, sizeof(at), NULL, NULL, NULL, NULL, &sp_error),
	      WSAENOTSOCK);
	FAILS(sp_spi.lpWSPCloseSocket(s, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPEventSelect(s, NULL, 0, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPEnumNetworkEvents(s, NULL, &events, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPSend(s, &buffer, 1, &n, 0, &o, NULL, NULL, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPRecv(s, &buffer, 1, &n, &flags, &o, NULL, NULL, &sp_error), WSAENOTSOCK);
	NOTHING(sp_spi.lpWSPGetOverlappedResult(s, &o, &n, FALSE, &flags, &sp_error), WSAENOTSOCK);
	FAILS(sp_spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_DEBUG, (char *)&value, &length, &sp_error),
	      WSAENOTSOCK);
	FAILS(sp_spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_DEBUG, (char *)&value, 4, &sp_error),
	      WSAENOTSOCK);
	FAILS(sp_spi.lpWSPIoctl(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, here, SIZE, &n, NULL, NULL,
				NULL, &sp_error),
	      WSAENOTSOCK);
	NOTHING(sp_spi.lpWSPGetQOSByName(s, &buffer, NULL, &sp_error), WSAENOTSOCK);
	NOTHING(sp_ext.register_memory(s, here, SIZE, MEM_READ, &sp_error), WSAENOTSOCK);
	FAILS(sp_ext.deregister_memory(s, handle, &sp_error), WSAENOTSOCK);
	n = SP_DESCRIPTOR;
	FAILS(sp_ext.register_rdma(s, here, SIZE, MEM_READ, descriptor, &n, &sp_error),
	      WSAENOTSOCK);
	FAILS(sp_ext.deregister_rdma(s, descriptor, 32, &sp_error), WSAENOTSOCK);
	FAILS(sp_ext.rdma_write(s, &registered, 1, descriptor, 32, 0, &n, 0, &o, NULL, NULL,
				&sp_error),
	      WSAENOTSOCK);
	FAILS(sp_ext.rdma_read(s, &registered, 1, descriptor, 32, 0, &n, 0, &o, NULL, NULL,
			       &sp_error),
	      WSAENOTSOCK);
}

static void test_descriptors(void **state)
{
	SOCKET closed = sp_spi.lpWSPSocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
					   WSA_FLAG_OVERLAPPED, &sp_error);
	SOCKET wrong[] = { 0,
			   1,
			   2,
			   INVALID_SOCKET,
			   closed,
			   (SOCKET)(uintptr_t)&closed,
			   p.client ^ 1,
			   p.client + ((SOCKET)1 << 40),
			   0x1004 };

	(void)state;
	assert_int_equal(sp_spi.lpWSPCloseSocket(closed, &sp_error), 0);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		no_socket(wrong[i]);
	still_works();
}

static void test_nulls(void **state)
{
	WSABUF hole = { 4, NULL }, buffer = { 4, here };
	WSABUFEX no_base = { 4, NULL, handle };
	int length = 4;

	(void)state;
	FAILS(sp_spi.lpWSPSend(p.client, NULL, 1, &n, 0, &o, NULL, NULL, &sp_error), WSAEFAULT);
	FAILS(sp_spi.lpWSPRecv(p.client, NULL, 1, &n, &flags, &o, NULL, NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPSend(p.client, &hole, 1, &n, 0, &o, NULL, NULL, &sp_error), WSAEFAULT);
	FAILS(sp_spi.lpWSPRecv(p.client, &hole, 1, &n, &flags, &o, NULL, NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPSend(p.client, &buffer, 1, NULL, 0, NULL, NULL, NULL, &sp_error),
	      WSAEINVAL);
	FAILS(sp_spi.lpWSPRecv(p.client, &buffer, 1, NULL, NULL, NULL, NULL, NULL, &sp_error),
	      WSAEINVAL);
	FAILS(sp_ext.rdma_write(p.client, NULL, 1, descriptor, 32, 0, &n, 0, &o, NULL, NULL,
				&sp_error),
	      WSAEFAULT);
	FAILS(sp_ext.rdma_write(p.client, &no_base, 1, descriptor, 32, 0, &n, 0, &o, NULL, NULL,
				&sp_error),
	      WSAEFAULT);
	FAILS(sp_ext.rdma_read(p.client, &no_base, 1, NULL, 32, 0, &n, 0, NULL, NULL, NULL,
			       &sp_error),
	      WSAEINVAL);
	NOTHING(sp_ext.register_memory(p.client, NULL, SIZE, MEM_READ, &sp_error), WSAEFAULT);
	NOTHING(sp_ext.register_memory(p.client, here, 0, MEM_READ, &sp_error), WSAEFAULT);
	FAILS(sp_ext.register_rdma(p.client, here, SIZE, MEM_READ, NULL, &n, &sp_error), WSAEFAULT);
	FAILS(sp_ext.register_rdma(p.client, here, SIZE, MEM_READ, descriptor, NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_ext.deregister_rdma(p.client, NULL, 32, &sp_error), WSAEFAULT);
	FAILS(sp_spi.lpWSPGetSockOpt(p.client, SOL_SOCKET, SO_DEBUG, NULL, &length, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPGetSockOpt(p.client, SOL_SOCKET, SO_DEBUG, here, NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPSetSockOpt(p.client, SOL_SOCKET, SO_DEBUG, NULL, 4, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPEnumNetworkEvents(p.client, NULL, NULL, &sp_error), WSAEFAULT);
	FAILS(sp_spi.lpWSPIoctl(p.client, SIO_ADDRESS_LIST_QUERY, NULL, 0, NULL, 0, &n, NULL, NULL,
				NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPIoctl(p.client, SIO_GET_EXTENSION_FUNCTION_POINTER, NULL, 16, here, 8, &n,
				NULL, NULL, NULL, &sp_error),
	      WSAEFAULT);
	FAILS(sp_spi.lpWSPConnect(p.listener, NULL, 16, NULL, NULL, NULL, NULL, &sp_error),
	      WSAEINVAL);
	NOTHING(sp_spi.lpWSPGetOverlappedResult(p.client, NULL, &n, FALSE, &flags, &sp_error),
		WSAEFAULT);
	/* No place for the error is no reason to fall. */
	(void)sp_spi.lpWSPListen(p.client, 1, NULL);
	(void)sp_ext.register_memory(p.client, NULL, 1, MEM_READ, NULL);
	(void)sp_spi.lpWSPSend(p.client, NULL, 1, NULL, 0, NULL, NULL, NULL, NULL);
	still_works();
}

/* A send, or a transfer, that must not begin. */
static void no_transfer(const WSABUFEX *buffer, void *to, DWORD length, DWORD offset, int code)
{
	WSABUFEX copy = *buffer;

	sp_begin(&o, true);
	FAILS(sp_ext.rdma_write(p.client, &copy, 1, to, length, offset, &n, 0, &o, NULL, NULL,
				&sp_error),
	      code);
	FAILS(sp_ext.rdma_read(p.client, &copy, 1, to, length, offset, &n, 0, &o, NULL, NULL,
			       &sp_error),
	      code);
}

static void test_memory(void **state)
{
	const WSABUFEX good = { 64, here, handle };
	WSABUFEX bad[] = {
		{ 64, here, NULL },
		{ 64, here, INVALID_HANDLE_VALUE },
		{ 64, here, their_handle },
		{ 64, here, (HANDLE)(uintptr_t)((uintptr_t)handle + 1) },
		{ SIZE + 1, here, handle },
		{ 64, here + SIZE - 63, handle },
		{ 64, (char *)(uintptr_t)((uintptr_t)here - 1), handle },
		{ UINT32_MAX, here, handle },
		{ 64, there, handle },
		{ 64, (char *)(uintptr_t)-32, handle },
	};
	char wrong[SP_DESCRIPTOR];

	(void)state;
	memset(there, 't', SIZE);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		no_transfer(&bad[i], descriptor, 32, 0, WSAEFAULT);
	/* The descriptor: shorter, longer, changed in any byte that has to be right, beyond its end. */
	no_transfer(&good, descriptor, 31, 0, WSAEINVAL);
	no_transfer(&good, descriptor, 33, 0, WSAEINVAL);
	no_transfer(&good, descriptor, 0, 0, WSAEINVAL);
	no_transfer(&good, descriptor, 32, SIZE - 63, WSAEINVAL);
	no_transfer(&good, descriptor, 32, UINT32_MAX, WSAEINVAL);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(wrong, descriptor, sizeof(wrong));
		wrong[i] ^= 1;
		no_transfer(&good, wrong, 32, 0, WSAEINVAL);
	}
	memset(wrong, 0, sizeof(wrong));
	no_transfer(&good, wrong, 32, 0, WSAEINVAL);
	memset(wrong, 0xFF, sizeof(wrong));
	no_transfer(&good, wrong, 32, 0, WSAEINVAL);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(there[i], 't');
	FAILS(sp_ext.deregister_rdma(p.server, wrong, 32, &sp_error), WSAEINVAL);
	FAILS(sp_ext.deregister_rdma(p.client, descriptor, 32, &sp_error), WSAEINVAL);
	FAILS(sp_ext.deregister_memory(p.server, (HANDLE)(uintptr_t)((uintptr_t)their_handle + 64),
				       &sp_error),
	      WSAEINVAL);
	still_works();
}

static void test_absurd(void **state)
{
	char *unmapped = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WSABUF many[100], huge = { UINT32_MAX, here };

	(void)state;
	munmap(unmapped, SIZE);
	for (unsigned i = 0; i < 100; i++)
		many[i] = (WSABUF){ 1, here };
	FAILS(sp_spi.lpWSPSend(p.client, many, 100, &n, 0, &o, NULL, NULL, &sp_error), WSAEINVAL);
	FAILS(sp_spi.lpWSPSend(p.client, many, UINT32_MAX, &n, 0, &o, NULL, NULL, &sp_error),
	      WSAEINVAL);
	FAILS(sp_spi.lpWSPRecv(p.client, many, UINT32_MAX, &n, &flags, &o, NULL, NULL, &sp_error),
	      WSAEINVAL);
	FAILS(sp_spi.lpWSPSend(p.client, &huge, 1, &n, 0, &o, NULL, NULL, &sp_error), WSAEFAULT);
	FAILS(sp_spi.lpWSPRecv(p.client, &huge, 1, &n, &flags, &o, NULL, NULL, &sp_error),
	      WSAEFAULT);
	NOTHING(sp_ext.register_memory(p.client, here, UINT32_MAX, 99, &sp_error), WSAEINVAL);
	NOTHING(sp_ext.register_memory(p.client, unmapped, SIZE, MEM_READ, &sp_error), WSAEFAULT);
	NOTHING(sp_ext.register_memory(p.client, (void *)(uintptr_t)-4096, UINT32_MAX, MEM_READ,
				       &sp_error),
		WSAEFAULT);
	FAILS(sp_ext.cache_callback(NULL, 0, &sp_error), WSAEINVAL);
	FAILS(sp_ext.cache_callback((void *)(uintptr_t)-1, SIZE_MAX, &sp_error), WSAEINVAL);
	FAILS(sp_spi.lpWSPEventSelect(p.client, here, 0x400, &sp_error), WSAEINVAL);
	FAILS(sp_spi.lpWSPEventSelect(p.client, here, -1, &sp_error), WSAEINVAL);
	FAILS(sp_spi.lpWSPGetSockOpt(p.client, 12345, 1, here, (int *)there, &sp_error), WSAEINVAL);
	still_works();
}

/* Every control code and option there is, with nothing and with too much: an answer, and no fall. */
static void test_codes(void **state)
{
	static const DWORD bases[] = { 0x40040000u, 0x4004667Fu, 0x8004667Eu, 0x98000000u,
				       0x48000000u, 0x88000000u, 0xC8000000u, 0x28000000u };
	SOCKET sockets[] = { p.client, p.listener };
	char room[SIZE];
	int length;

	(void)state;
	for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]) * 64; i++) {
		DWORD code = bases[i / 64] + i % 64;

		memset(room, 0, sizeof(room));
		for (unsigned j = 0; j < 2; j++) {
			(void)sp_spi.lpWSPIoctl(sockets[j], code, NULL, 0, NULL, 0, &n, NULL, NULL,
						NULL, &sp_error);
			(void)sp_spi.lpWSPIoctl(sockets[j], code, room, 64, room + 64, SIZE - 64,
						&n, NULL, NULL, NULL, &sp_error);
			(void)sp_spi.lpWSPIoctl(sockets[j], code, room, 64, NULL, SIZE, NULL, NULL,
						NULL, NULL, &sp_error);
		}
	}
	for (unsigned i = 0; i < 0x80; i++) {
		static const int from[] = { 0, 0x1000, 0x2000, 0x3000, 0x7000 };

		for (unsigned j = 0; j < sizeof(from) / sizeof(from[0]); j++) {
			length = SIZE;
			(void)sp_spi.lpWSPGetSockOpt(p.client, SOL_SOCKET, from[j] + (int)i, room,
						     &length, &sp_error);
			(void)sp_spi.lpWSPSetSockOpt(p.listener, SOL_SOCKET, from[j] + (int)i, room,
						     4, &sp_error);
		}
	}
	still_works();
}

/* A message longer than the receive that it takes ends the connection, and touches nothing behind it. */
static void test_too_long(void **state)
{
	WSAOVERLAPPED sent, received, second;
	DWORD bytes = 0;

	(void)state;
	memset(there, 't', SIZE);
	sp_begin(&received, true);
	sp_begin(&second, true);
	sp_begin(&sent, true);
	assert_int_equal(sp_recv(p.server, there, 10, &received), 0);
	assert_int_equal(sp_recv(p.server, there + 100, 10, &second), 0);
	assert_int_equal(sp_send(p.client, here, 11, &sent), 0);
	assert_int_equal(sp_result(p.server, &received, &bytes), WSAEMSGSIZE);
	assert_int_not_equal(sp_result(p.server, &second, &bytes), 0);
	(void)sp_result(p.client, &sent, &bytes);
	for (unsigned i = 10; i < SIZE; i++)
		assert_int_equal(there[i], 't');
}

static int start(void **state)
{
	DWORD length = SP_DESCRIPTOR;

	(void)state;
	if (sp_start(AF_INET) != 0 || sp_open(&p) != 0 || sp_open(&other) != 0)
		return 1;
	handle = sp_ext.register_memory(p.client, here, SIZE, MEM_READWRITE, &sp_error);
	their_handle = sp_ext.register_memory(p.server, there, SIZE, MEM_READWRITE, &sp_error);
	/* A handle is good on its own socket only, and this number is not one of the client's. */
	for (unsigned i = 0; i < 3; i++)
		their_handle = sp_ext.register_memory(other.client, there + i, SIZE - 64,
						      MEM_READWRITE, &sp_error);
	if (handle == NULL || their_handle == NULL ||
	    sp_ext.register_memory(p.server, there, SIZE, MEM_WRITE, &sp_error) == NULL)
		return 1;
	return sp_ext.register_rdma(p.server, there, SIZE, MEM_READWRITE, descriptor, &length,
				    &sp_error);
}

static int stop(void **state)
{
	(void)state;
	sp_close(&p);
	sp_close(&other);
	return !sp_settle(0) || sp_stop() != 0 || sp_repeated != 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_absurd),
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_too_long), /* last: it ends the connection */
	};

	test_deadline(60);
	return cmocka_run_group_tests_name("san_hostile", tests, start, stop);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_cache.c - mode S: what the cache of registrations spares the device. Linked with the inside, for its
 * counters; the smallest of all switches plays above WSPStartupEx.
 */
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "tests/lib/pages.h"
#include "tests/lib/san_pair.h"

#define WSAGetLastError() sp_error /* what a check that fails prints */
#include "tests/conformance/check.h"

#define SIZE 65536u

unsigned check_passed, check_failed;

static uint64_t registrations(void)
{
	return *wsd_counter("memory", "misses", "registrations made");
}

int main(int argc, char **argv)
{
	char *memory = pages_map(NULL, SIZE), descriptor[SP_DESCRIPTOR];
	struct sp_pair one, two;
	HANDLE handle;
	uint64_t before;
	SOCKET a, b;

	if (sp_start(argc > 1 && strcmp(argv[1], "ipv6") == 0 ? AF_INET6 : AF_INET) != 0 ||
	    sp_open(&one) != 0 || sp_open(&two) != 0)
		abort();
	a = one.client;
	b = two.client;
	before = registrations();
	handle = sp_ext.register_memory(a, memory, SIZE, MEM_READ, &sp_error);
	CHECK_R(303, handle != NULL && registrations() == before + 1);
	CHECK_R(303, sp_ext.deregister_memory(a, handle, &sp_error) == 0);
	handle = sp_ext.register_memory(a, memory, SIZE, MEM_READ, &sp_error);
	CHECK_R(303, handle != NULL && registrations() == before + 1);
	/* A part of it, and another connection of the same device, need none either. */
	CHECK_R(303, sp_ext.register_memory(b, memory + 100, 1000, MEM_READ, &sp_error) != NULL &&
			     registrations() == before + 1);
	/* An exposure always is a registration of its own: its end revokes it. */
	CHECK_R(293, sp_expose(a, memory, SIZE, MEM_READ, descriptor) == 0 &&
			     registrations() == before + 2);
	CHECK_R(293, sp_hide(a, descriptor) == 0 &&
			     sp_expose(a, memory, SIZE, MEM_READ, descriptor) == 0 &&
			     registrations() == before + 3 && sp_hide(a, descriptor) == 0);
	sp_spi.lpWSPCloseSocket(b, &sp_error);
	CHECK(sp_ext.deregister_memory(a, handle, &sp_error) == 0);
	while (sp_ext.cache_callback(memory, SIZE, &sp_error) != 0 && sp_error == WSAEFAULT)
		(void)sp_ext.register_memory(INVALID_SOCKET, NULL, 0, 0,
					     &sp_error); /* until b has ended */
	pages_unmap(memory, SIZE);
	(void)pages_map(memory, SIZE);
	before = registrations();
	CHECK_R(306, sp_ext.register_memory(a, memory, SIZE, MEM_READ, &sp_error) != NULL &&
			     registrations() == before + 1);
	CHECK(sp_spi.lpWSPCleanup(&sp_error) == 0);
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_cache.c - mode S: what the cache of registrations spares the device. Linked with the inside, for its
 * counters; the smallest of all switches plays above WSPStartupEx.
 */
#include <openwsd/ws2san.h>
#include <openwsd/ws2tcpip.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "tests/conformance/check.h"
#include "tests/lib/os_port.h"

#define SIZE 65536u

unsigned check_passed, check_failed;
static int family;
static WSPPROC_TABLE spi;
static INT error;

int WINAPI WSAGetLastError(void)
{
	return error;
}

/* --- upcalls --- */

static SOCKET WSPAPI create(DWORD id, DWORD_PTR context, LPINT out)
{
	static SOCKET next = 0x1000;

	(void)id;
	(void)context;
	(void)out;
	return next += 4;
}

static int WSPAPI close_handle(SOCKET s, LPINT out)
{
	(void)s;
	(void)out;
	return 0;
}

static BOOL WSPAPI touch(WSAEVENT event, LPINT out)
{
	(void)event;
	(void)out;
	return TRUE;
}

static int WSPAPI complete(SOCKET s, LPWSAOVERLAPPED o, DWORD code, DWORD bytes, LPINT out)
{
	(void)s;
	(void)out;
	o->InternalHigh = bytes;
	__atomic_store_n(&o->Internal, (ULONG_PTR)code, __ATOMIC_RELEASE);
	return 0;
}

static void begin(void)
{
	WSPUPCALLTABLEEX upcalls = { .lpWPUCreateSocketHandle = create,
				     .lpWPUCloseSocketHandle = close_handle,
				     .lpWPUSetEvent = touch,
				     .lpWPUResetEvent = touch,
				     .lpWPUCompleteOverlappedRequest = complete };
	WSAPROTOCOL_INFOW info = { .iAddressFamily = family,
				   .iSocketType = SOCK_STREAM,
				   .iProtocol = IPPROTO_TCP };
	WSPDATA data;

	if (WSPStartupEx(MAKEWORD(2, 2), &data, &info, &upcalls, &spi) != 0)
		abort();
}

static SOCKET bound(struct sockaddr_storage *at, int *length, bool from)
{
	SOCKET s = spi.lpWSPSocket(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED,
				   &error);
	unsigned short port = htons(os_port(family == AF_INET6, false));

	memset(at, 0, sizeof(*at));
	if (family == AF_INET6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;

		v6->sin6_port = port;
		os_address(true, from, v6->sin6_addr.s6_addr);
		*length = sizeof(*v6);
	} else {
		struct sockaddr_in *v4 = (struct sockaddr_in *)at;

		v4->sin_port = port;
		os_address(false, from, (unsigned char *)&v4->sin_addr);
		*length = sizeof(*v4);
	}
	at->ss_family = (ADDRESS_FAMILY)family;
	if (spi.lpWSPBind(s, (struct sockaddr *)at, *length, &error) != 0)
		abort();
	return s;
}

/* A connected socket; its peer is open too and left to the clean-up. */
static SOCKET connected(void)
{
	struct sockaddr_storage at, own;
	int length, own_length;
	SOCKET listener = bound(&at, &length, false), s = bound(&own, &own_length, true), peer;
	WSANETWORKEVENTS events = { 0 };
	WSAEVENT event = (WSAEVENT)(uintptr_t)4;

	spi.lpWSPListen(listener, 4, &error);
	spi.lpWSPEventSelect(listener, event, FD_ACCEPT, &error);
	spi.lpWSPEventSelect(s, event, FD_CONNECT, &error);
	(void)spi.lpWSPConnect(s, (struct sockaddr *)&at, length, NULL, NULL, NULL, NULL, &error);
	do
		peer = spi.lpWSPAccept(listener, NULL, NULL, NULL, 0, &error);
	while (peer == INVALID_SOCKET && error == WSAEWOULDBLOCK);
	while (!(events.lNetworkEvents & FD_CONNECT)) {
		(void)spi.lpWSPEnumNetworkEvents(s, NULL, &events, &error);
		/* Asking for a request drives the devices. */
		(void)spi.lpWSPAccept(listener, NULL, NULL, NULL, 0, &error);
	}
	if (peer == INVALID_SOCKET || events.iErrorCode[FD_CONNECT_BIT] != 0)
		abort();
	return s;
}

static void find(GUID id, void *function)
{
	DWORD bytes;

	if (spi.lpWSPIoctl(INVALID_SOCKET, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
			   function, sizeof(void *), &bytes, NULL, NULL, NULL, &error) != 0)
		abort();
}

static uint64_t registrations(void)
{
	return *wsd_counter("memory", "misses", "registrations made");
}

static char *map(void *at)
{
	return mmap(at, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (at != NULL ? MAP_FIXED : 0), -1, 0);
}

int main(int argc, char **argv)
{
	static const GUID reg_id = WSAID_REGISTERMEMORY, dereg_id = WSAID_DEREGISTERMEMORY,
			  forget_id = WSAID_MEMORYREGISTRATIONCACHECALLBACK,
			  expose_id = WSAID_REGISTERRDMAMEMORY,
			  hide_id = WSAID_DEREGISTERRDMAMEMORY;
	LPFN_WSPREGISTERMEMORY reg;
	LPFN_WSPDEREGISTERMEMORY dereg;
	LPFN_WSPREGISTERRDMAMEMORY expose;
	LPFN_WSPDEREGISTERRDMAMEMORY hide;
	LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK forget;
	char *memory = map(NULL), descriptor[64];
	DWORD length = sizeof(descriptor);
	HANDLE handle;
	uint64_t before;
	SOCKET a, b;

	family = argc > 1 && strcmp(argv[1], "ipv6") == 0 ? AF_INET6 : AF_INET;
	alarm(100); /* s; ends a hang */
	begin();
	find(reg_id, &reg);
	find(dereg_id, &dereg);
	find(expose_id, &expose);
	find(hide_id, &hide);
	find(forget_id, &forget);
	a = connected();
	b = connected();
	before = registrations();
	handle = reg(a, memory, SIZE, MEM_READ, &error);
	CHECK_R(303, handle != NULL && registrations() == before + 1);
	CHECK_R(303, dereg(a, handle, &error) == 0);
	handle = reg(a, memory, SIZE, MEM_READ, &error);
	CHECK_R(303, handle != NULL && registrations() == before + 1);
	/* A part of it, and another connection of the same device, need none either. */
	CHECK_R(303, reg(b, memory + 100, 1000, MEM_READ, &error) != NULL &&
			     registrations() == before + 1);
	/* An exposure always is a registration of its own: its end revokes it. */
	CHECK_R(293, expose(a, memory, SIZE, MEM_READ, descriptor, &length, &error) == 0 &&
			     registrations() == before + 2);
	CHECK_R(293, hide(a, descriptor, length, &error) == 0 &&
			     expose(a, memory, SIZE, MEM_READ, descriptor, &length, &error) == 0 &&
			     registrations() == before + 3 &&
			     hide(a, descriptor, length, &error) == 0);
	spi.lpWSPCloseSocket(b, &error);
	CHECK(dereg(a, handle, &error) == 0);
	while (forget(memory, SIZE, &error) != 0 && error == WSAEFAULT)
		(void)reg(INVALID_SOCKET, NULL, 0, 0, &error); /* until b has ended */
	munmap(memory, SIZE);
	if (map(memory) != memory)
		abort();
	before = registrations();
	CHECK_R(306,
		reg(a, memory, SIZE, MEM_READ, &error) != NULL && registrations() == before + 1);
	CHECK(spi.lpWSPCleanup(&error) == 0);
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_ioctls.c - WSAIoctl: the table of codes, and what they do. */
#include <stdio.h>

#include "tests/conformance/addresses.h"
#include "tests/conformance/events.h"

#include <openwsd/mstcpip.h>

#define ADDRESSES 64

static DWORD bytes;

static int query(SOCKET s, DWORD code, void *out, DWORD size)
{
	bytes = 0;
	return WSAIoctl(s, code, NULL, 0, out, size, &bytes, NULL, NULL);
}

static int command(SOCKET s, DWORD code, void *in, DWORD size)
{
	return WSAIoctl(s, code, in, size, NULL, 0, &bytes, NULL, NULL);
}

static void check_modes(void)
{
	u_long on = 1, off = 0, other = 1000000;
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	CHECK_R(265, command(p.server, FIONBIO, &on, sizeof(on)) == 0 && bytes == 0 &&
			     FAILS(recv(p.server, &c, 1, 0), WSAEWOULDBLOCK));
	send(p.client, "x", 1, 0);
	CHECK_R(265, command(p.server, FIONBIO, &off, sizeof(off)) == 0 &&
			     recv(p.server, &c, 1, 0) == 1);
	CHECK_R(265, ioctlsocket(p.server, FIONBIO, &other) == 0 &&
			     FAILS(recv(p.server, &c, 1, 0), WSAEWOULDBLOCK));
	CHECK(FAILS(command(p.server, FIONBIO, &on, 3), WSAEFAULT) &&
	      FAILS(command(p.server, FIONBIO, NULL, 4), WSAEFAULT) &&
	      FAILS(WSAIoctl(p.server, FIONBIO, &on, 4, NULL, 0, NULL, NULL, NULL), WSAEFAULT));
	CHECK(FAILS(ioctlsocket(p.server, FIONBIO, NULL), WSAEFAULT) &&
	      FAILS(ioctlsocket(INVALID_SOCKET, FIONBIO, &on), WSAENOTSOCK));
	close_pair(&p);
}

static void check_fionread(void)
{
	static char block[20000];
	u_long waiting = 77;
	int n, good = 1;
	long left = 0;
	struct pair p;

	if (!open_pair(&p))
		return;
	CHECK_R(266, query(p.server, FIONREAD, &waiting, sizeof(waiting)) == 0 && waiting == 0 &&
			     bytes == sizeof(waiting));
	send(p.client, block, 100, 0);
	send(p.client, block, 23, 0);
	for (int i = 0; i < 500 && waiting != 123; i++) {
		SleepEx(10, FALSE);
		ioctlsocket(p.server, FIONREAD, &waiting);
	}
	CHECK_R(266, waiting == 123 && recv(p.server, block, sizeof(block), 0) == 123);
	CHECK_R(266, ioctlsocket(p.server, FIONREAD, &waiting) == 0 && waiting == 0);
	/* What it tells is what one receive returns, no less, also while more is under way. */
	nonblocking(p.client, 1);
	for (int round = 0; round < 50 && good; round++) {
		while ((n = send(p.client, block, 1 + round * 301 % (int)sizeof(block), 0)) < 0)
			SleepEx(1, FALSE); /* room comes back with a message */
		left += n;
		good = await_readable(p.server) && ioctlsocket(p.server, FIONREAD, &waiting) == 0 &&
		       waiting > 0;
		n = recv(p.server, block, sizeof(block), 0);
		good = good && n >= (int)(waiting < sizeof(block) ? waiting : sizeof(block));
		left -= n;
	}
	CHECK_R(266, good && drain(p.server, left));
	/* Urgent data ends a receive, so it ends the count. */
	nonblocking(p.client, 0);
	send(p.client, "four", 4, 0);
	send(p.client, "!", 1, MSG_OOB);
	send(p.client, "behind", 6, 0);
	SleepEx(QUIET, FALSE);
	CHECK_R(266, await_readable(p.server) && ioctlsocket(p.server, FIONREAD, &waiting) == 0 &&
			     waiting == 4 && recv(p.server, block, sizeof(block), 0) == 4);
	CHECK(FAILS(ioctlsocket(p.listener, FIONREAD, &waiting), WSAEINVAL));
	close_pair(&p);
}

static void check_codes(void)
{
	static const struct {
		DWORD code, size;
	} outputs[] = {
		{ FIONREAD, 4 },
		{ SIOCATMARK, 4 },
		{ SIO_GET_INTERFACE_LIST, 0 },
		{ SIO_ADDRESS_LIST_QUERY, 0 },
		{ SIO_QUERY_TARGET_PNP_HANDLE, sizeof(SOCKET) },
		{ SIO_BASE_HANDLE, sizeof(SOCKET) },
		{ SIO_BSP_HANDLE, sizeof(SOCKET) },
		{ SIO_BSP_HANDLE_SELECT, sizeof(SOCKET) },
		{ SIO_BSP_HANDLE_POLL, sizeof(SOCKET) },
	};
	static const DWORD refused[] = {
		SIO_ASSOCIATE_HANDLE,
		SIO_ENABLE_CIRCULAR_QUEUEING,
		SIO_FIND_ROUTE,
		SIO_FLUSH,
		SIO_GET_BROADCAST_ADDRESS,
		SIO_MULTIPOINT_LOOPBACK,
		SIO_MULTICAST_SCOPE,
		SIO_TRANSLATE_HANDLE,
		SIO_ADDRESS_LIST_SORT,
	};
	static const DWORD unknown[] = { 0,	     1,		  0x12345678, 0xFFFFFFFF,
					 0x48000099, 0x98000099u, FIOASYNC };
	char area[512];
	SOCKET handle;
	struct pair p;

	if (!open_pair(&p))
		return;
	for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		DWORD size = outputs[i].size;

		CHECK_R(268, FAILS(query(p.server, outputs[i].code, area, size ? size - 1 : 1),
				   WSAEFAULT));
		CHECK_R(268,
			FAILS(query(p.server, outputs[i].code, NULL, sizeof(area)), WSAEFAULT));
		CHECK(query(p.server, outputs[i].code, area, sizeof(area)) == 0 &&
		      bytes >= (size ? size : 4));
		if (size != sizeof(SOCKET))
			continue;
		memcpy(&handle, area, sizeof(handle));
		CHECK(handle == p.server);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CHECK(FAILS(WSAIoctl(p.server, refused[i], area, sizeof(area), area, sizeof(area),
				     &bytes, NULL, NULL),
			    WSAENOPROTOOPT));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		CHECK_R(267, FAILS(WSAIoctl(p.server, unknown[i], area, sizeof(area), area,
					    sizeof(area), &bytes, NULL, NULL),
				   WSAEINVAL));
	CHECK(FAILS(query(INVALID_SOCKET, FIONREAD, area, 4), WSAENOTSOCK));
	close_pair(&p);
}

static void check_keepalive(void)
{
	struct tcp_keepalive values = { 1, 60000, 2000 }, zero = { 1, 0, 0 };
	SOCKET s = stream_socket();
	DWORD value = 0;
	int length = sizeof(value);

	CHECK(command(s, SIO_KEEPALIVE_VALS, &values, sizeof(values)) == 0 &&
	      getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &length) == 0 && value == 1);
	CHECK(getsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, (char *)&value, &length) == 0 &&
	      value == 60);
	CHECK(FAILS(command(s, SIO_KEEPALIVE_VALS, &values, 11), WSAEFAULT) &&
	      FAILS(command(s, SIO_KEEPALIVE_VALS, &zero, sizeof(zero)), WSAEINVAL));
	closesocket(s);
}

static int is_listed(const SOCKET_ADDRESS_LIST *list, const unsigned char *wanted)
{
	for (int i = 0; i < list->iAddressCount; i++) {
		const struct address *at = (const void *)list->Address[i].lpSockaddr;
		const void *have = conf_family() == AF_INET6 ? (const void *)&at->sa.v6.sin6_addr
							     : (const void *)&at->sa.v4.sin_addr;

		if (at->sa.any.sa_family == conf_family() &&
		    memcmp(have, wanted, conf_family() == AF_INET6 ? 16 : 4) == 0)
			return 1;
	}
	return 0;
}

static void check_address_list(void)
{
	static unsigned char have[ADDRESSES][16];
	unsigned count = host_addresses(conf_family() == AF_INET6 ? 6 : 4, have, ADDRESSES);
	SOCKET s = stream_socket();
	SOCKET_ADDRESS_LIST *list;
	DWORD needed;
	char *area;

	bytes = 0;
	CHECK_R(270, FAILS(query(s, SIO_ADDRESS_LIST_QUERY, NULL, 0), WSAEFAULT) &&
			     bytes >= sizeof(SOCKET_ADDRESS_LIST));
	needed = bytes;
	area = malloc(needed);
	CHECK_R(270, FAILS(query(s, SIO_ADDRESS_LIST_QUERY, area, needed - 1), WSAEFAULT) &&
			     bytes == needed);
	CHECK_R(270, query(s, SIO_ADDRESS_LIST_QUERY, area, needed) == 0 && bytes == needed);
	list = (SOCKET_ADDRESS_LIST *)(void *)area;
	CHECK_R(269, list->iAddressCount == (INT)count && count > 0);
	for (unsigned i = 0; i < count; i++)
		CHECK_R(269, is_listed(list, have[i]));
	for (int i = 0; i < list->iAddressCount; i++)
		CHECK_R(269, (char *)list->Address[i].lpSockaddr > area &&
				     (char *)list->Address[i].lpSockaddr +
						     list->Address[i].iSockaddrLength <=
					     area + needed);
	free(area);
	closesocket(s);
}

static void check_changes(void)
{
	SOCKET s = stream_socket();
	WSAOVERLAPPED o;
	DWORD got, flags;

	nonblocking(s, 1);
	CHECK_R(273, FAILS(command(s, SIO_ADDRESS_LIST_CHANGE, NULL, 0), WSAEWOULDBLOCK));
	CHECK(FAILS(command(s, SIO_ROUTING_INTERFACE_CHANGE, NULL, 0), WSAEWOULDBLOCK));
	/* With an overlapped structure it waits, and ends with the socket at the latest. */
	memset(&o, 0, sizeof(o));
	o.hEvent = WSACreateEvent();
	CHECK(FAILS(WSAIoctl(s, SIO_ADDRESS_LIST_CHANGE, NULL, 0, NULL, 0, NULL, &o, NULL),
		    WSA_IO_PENDING) &&
	      !WSAGetOverlappedResult(s, &o, &got, FALSE, &flags) &&
	      WSAGetLastError() == WSA_IO_INCOMPLETE);
	closesocket(s);
	CHECK(signalled(o.hEvent, SOON) && o.OffsetHigh == WSA_OPERATION_ABORTED);
	WSACloseEvent(o.hEvent);
}

static void check_overlapped(void)
{
	WSAOVERLAPPED o;
	struct pair p;
	u_long waiting = 77;
	SOCKET handle;
	DWORD got = 0, flags;

	if (!open_pair(&p))
		return;
	memset(&o, 0, sizeof(o));
	o.hEvent = WSACreateEvent();
	CHECK(WSAIoctl(p.server, FIONREAD, NULL, 0, &waiting, sizeof(waiting), NULL, &o, NULL) ==
		      0 &&
	      signalled(o.hEvent, SOON) && waiting == 0 &&
	      WSAGetOverlappedResult(p.server, &o, &got, FALSE, &flags) && got == sizeof(waiting));
	CHECK(FAILS(WSAIoctl(p.server, SIO_BSP_HANDLE_POLL, NULL, 0, &handle, sizeof(handle), NULL,
			     &o, NULL),
		    WSAEINVAL));
	WSACloseEvent(o.hEvent);
	close_pair(&p);
}

static void check_extensions(void)
{
	static const GUID known[] = {
		WSAID_ACCEPTEX,	    WSAID_CONNECTEX,	   WSAID_DISCONNECTEX,
		WSAID_TRANSMITFILE, WSAID_TRANSMITPACKETS, WSAID_GETACCEPTEXSOCKADDRS,
	};
	static const GUID absent[] = {
		WSAID_RDMAREAD,		  WSAID_MEMORYREGISTRATIONCACHECALLBACK,
		WSAID_REGISTERMEMORY,	  WSAID_DEREGISTERMEMORY,
		WSAID_REGISTERRDMAMEMORY, WSAID_DEREGISTERRDMAMEMORY,
		WSAID_RDMAWRITE,
	};
	GUID unknown = { 0x12345678, 1, 2, { 3 } };
	SOCKET s = stream_socket();
	void *function = NULL;

#define ASK(guid, size, room)                                                              \
	WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, (void *)(uintptr_t)(guid), (size), \
		 &function, (room), &bytes, NULL, NULL)
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		function = NULL;
		CHECK(ASK(&known[i], sizeof(GUID), sizeof(function)) == 0 && function != NULL &&
		      bytes == sizeof(function));
	}
	CHECK_R(276, FAILS(ASK(&absent[0], sizeof(GUID), sizeof(function)), WSAEOPNOTSUPP));
	CHECK_R(277, FAILS(ASK(&absent[1], sizeof(GUID), sizeof(function)), WSAEOPNOTSUPP));
	/* Known, but for a switch above: an application cannot have them. */
	for (size_t i = 2; i < sizeof(absent) / sizeof(absent[0]); i++)
		CHECK(FAILS(ASK(&absent[i], sizeof(GUID), sizeof(function)), WSAEOPNOTSUPP));
	CHECK_R(279, FAILS(ASK(&unknown, sizeof(GUID), sizeof(function)), WSAEINVAL));
	CHECK_R(268, FAILS(ASK(&known[0], sizeof(GUID), sizeof(function) - 1), WSAEFAULT));
	CHECK(FAILS(ASK(&known[0], sizeof(GUID) - 1, sizeof(function)), WSAEFAULT));
	closesocket(s);
}

static int route(SOCKET s, const struct address *to, struct address *from, DWORD size)
{
	bytes = 0;
	return WSAIoctl(s, SIO_ROUTING_INTERFACE_QUERY, (void *)(uintptr_t)&to->sa,
			(DWORD)to->length, from ? &from->sa : NULL, size, &bytes, NULL, NULL);
}

static struct address far_away(void)
{
	struct address at = loopback(0);

	if (conf_family() == AF_INET6)
		inet_pton(AF_INET6, "2001:db8::77", &at.sa.v6.sin6_addr);
	else
		inet_pton(AF_INET, "203.0.113.77", &at.sa.v4.sin_addr);
	return at;
}

static void check_route(void)
{
	struct address to = loopback(0), expected = caller(0), from, other = loopback(0);
	SOCKET s = stream_socket();

	CHECK(route(s, &to, &from, sizeof(from.sa)) == 0 && bytes == (DWORD)to.length &&
	      memcmp(&from.sa, &expected.sa, (size_t)to.length) == 0);
	CHECK_R(268, FAILS(route(s, &to, &from, (DWORD)to.length - 1), WSAEFAULT) &&
			     bytes == (DWORD)to.length);
	CHECK(FAILS(route(s, &to, NULL, 0), WSAEFAULT) && bytes == (DWORD)to.length);
	other.sa.any.sa_family = conf_family() == AF_INET ? AF_INET6 : AF_INET;
	CHECK(route(s, &other, &from, sizeof(from.sa)) == SOCKET_ERROR);
	closesocket(s);
}

/* In a process of its own, on a host that has no route to anywhere. */
static int without_routes(void)
{
	struct address to = far_away(), from;
	WSADATA data;
	SOCKET s;

	if (!host_lose_routes())
		return 77;
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	s = stream_socket();
	CHECK_R(274, FAILS(route(s, &to, &from, sizeof(from.sa)), WSAENETUNREACH));
	closesocket(s);
	WSACleanup();
	return check_failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct child alone;
	WSADATA data;
	int status;

	conf_begin(argc, argv);
	if (conf_role() != NULL)
		return without_routes();
	alone = child_start("without_routes", "");
	status = child_wait(&alone);
	CHECK(status == 0 || status == 77);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	check_modes();
	check_fionread();
	check_codes();
	check_keepalive();
	check_address_list();
	check_changes();
	check_overlapped();
	check_extensions();
	check_route();
	WSACleanup();
	return check_result();
}

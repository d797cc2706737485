// SPDX-License-Identifier: BSD-2-Clause
/* test_options.c - socket options: the whole table, and what the options do. */
#include <stddef.h>

#include "tests/conformance/events.h"

#define GET 1
#define SET 2

struct row {
	const char *name;
	int level, option, access;
	unsigned standard; /* of a socket that was never told otherwise */
	unsigned other;	   /* a value to set */
};

#define ROW(level, option, access, standard, other)             \
	{                                                       \
#option, level, option, access, standard, other \
	}
static const struct row numbers[] = {
	ROW(SOL_SOCKET, SO_DEBUG, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_ACCEPTCONN, GET, 0, 0),
	ROW(SOL_SOCKET, SO_REUSEADDR, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_KEEPALIVE, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_BROADCAST, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_OOBINLINE, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_DONTLINGER, GET | SET, 1, 0),
	ROW(SOL_SOCKET, SO_EXCLUSIVEADDRUSE, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_SNDTIMEO, GET | SET, 0, 4321),
	ROW(SOL_SOCKET, SO_RCVTIMEO, GET | SET, 0, 4321),
	ROW(SOL_SOCKET, SO_ERROR, GET, 0, 0),
	ROW(SOL_SOCKET, SO_TYPE, GET, SOCK_STREAM, 0),
	ROW(SOL_SOCKET, SO_GROUP_ID, GET, 0, 0),
	ROW(SOL_SOCKET, SO_GROUP_PRIORITY, GET | SET, 0, 3),
	ROW(SOL_SOCKET, SO_CONDITIONAL_ACCEPT, GET | SET, 0, 1),
	ROW(SOL_SOCKET, SO_CONNECT_TIME, GET, 0xFFFFFFFF, 0),
	ROW(IPPROTO_TCP, TCP_NODELAY, GET | SET, 0, 1),
	ROW(IPPROTO_TCP, TCP_EXPEDITED_1122, GET | SET, 0, 1),
	ROW(IPPROTO_TCP, TCP_KEEPIDLE, GET | SET, 7200, 60),
	ROW(IPPROTO_TCP, TCP_KEEPINTVL, GET | SET, 1, 5),
	ROW(IPPROTO_TCP, TCP_KEEPCNT, GET | SET, 10, 3),
};
/* Not for a stream provider, or obsolete. */
static const struct row unsupported[] = {
	ROW(SOL_SOCKET, SO_MAXDG, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_MAXPATHDG, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_CONNDATA, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_CONNOPT, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_DISCDATA, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_DISCOPT, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_CONNDATALEN, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_DISCDATALEN, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, PVD_CONFIG, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_MAX_RDMA_SIZE, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_RDMA_THRESHOLD_SIZE, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, 0x6fff, 0, WSAENOPROTOOPT, 0),
	ROW(IPPROTO_TCP, 0x6fff, 0, WSAENOPROTOOPT, 0),
	ROW(SOL_SOCKET, SO_USELOOPBACK, 0, WSAEINVAL, 0),
	ROW(SOL_SOCKET, SO_SNDLOWAT, 0, WSAEINVAL, 0),
	ROW(SOL_SOCKET, SO_RCVLOWAT, 0, WSAEINVAL, 0),
	ROW(77, SO_DEBUG, 0, WSAEINVAL, 0),
};

static int get(SOCKET s, int level, int option, unsigned *value)
{
	int length = sizeof(*value);

	*value = 0x55555555;
	return getsockopt(s, level, option, (char *)value, &length);
}

static int set(SOCKET s, int level, int option, unsigned value)
{
	return setsockopt(s, level, option, (const char *)&value, sizeof(value));
}

static void check_number(const struct row *row)
{
	SOCKET s = stream_socket(), untouched = stream_socket();
	unsigned value[2] = { 0x55555555, 0x55555555 };
	int length = sizeof(value), ok;

	printf("# %s\n", row->name);
	ok = getsockopt(s, row->level, row->option, (char *)value, &length) == 0;
	CHECK_R(248, ok && value[0] == row->standard);
	CHECK_R(247, ok && length == (int)sizeof(value[0]) && value[1] == 0x55555555);
	length = 3;
	CHECK_R(246,
		FAILS(getsockopt(s, row->level, row->option, (char *)value, &length), WSAEFAULT));
	length = sizeof(value);
	CHECK_R(246, FAILS(getsockopt(s, row->level, row->option, NULL, &length), WSAEFAULT));
	CHECK_R(246, FAILS(getsockopt(s, row->level, row->option, (char *)value, NULL), WSAEFAULT));
	if (row->access & SET) {
		CHECK(FAILS(setsockopt(s, row->level, row->option, (char *)value, 3), WSAEFAULT));
		CHECK(FAILS(setsockopt(s, row->level, row->option, NULL, 4), WSAEFAULT));
		CHECK_R(248,
			get(s, row->level, row->option, value) == 0 && value[0] == row->standard);
		CHECK(set(s, row->level, row->option, row->other) == 0 &&
		      get(s, row->level, row->option, value) == 0 && value[0] == row->other);
		CHECK_R(248, get(untouched, row->level, row->option, value) == 0 &&
				     value[0] == row->standard);
	} else {
		CHECK(FAILS(set(s, row->level, row->option, 1), WSAENOPROTOOPT));
	}
	closesocket(s);
	closesocket(untouched);
}

static void check_table(void)
{
	SOCKET s = stream_socket();
	unsigned value;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		check_number(&numbers[i]);
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		const struct row *row = &unsupported[i];

		printf("# %s\n", row->name);
		CHECK_R(245, FAILS(get(s, row->level, row->option, &value), (int)row->standard));
		CHECK_R(245, FAILS(set(s, row->level, row->option, 1), (int)row->standard));
	}
	/* Any number but zero is true. */
	CHECK(set(s, SOL_SOCKET, SO_KEEPALIVE, 77) == 0 &&
	      get(s, SOL_SOCKET, SO_KEEPALIVE, &value) == 0 && value == 1);
	/* Ignored by IPv4, unknown to IPv6. */
	if (conf_family() == AF_INET)
		CHECK_R(248, get(s, SOL_SOCKET, SO_DONTROUTE, &value) == 0 && value == 0 &&
				     set(s, SOL_SOCKET, SO_DONTROUTE, 1) == 0);
	else
		CHECK_R(245, FAILS(get(s, SOL_SOCKET, SO_DONTROUTE, &value), WSAENOPROTOOPT) &&
				     FAILS(set(s, SOL_SOCKET, SO_DONTROUTE, 1), WSAENOPROTOOPT));
	CHECK(get(s, SOL_SOCKET, SO_MAX_MSG_SIZE, &value) == 0);
	closesocket(s);
	CHECK(FAILS(get(s, SOL_SOCKET, SO_TYPE, &value), WSAENOTSOCK) &&
	      FAILS(set(s, SOL_SOCKET, SO_DEBUG, 1), WSAENOTSOCK));
}

static void check_linger(void)
{
	struct linger value = { 7, 7 }, on = { 1, 30 }, off = { 0, 12 };
	int length = sizeof(value) + 4;
	SOCKET s = stream_socket();
	unsigned dont = 0;

	CHECK_R(254, get(s, SOL_SOCKET, SO_DONTLINGER, &dont) == 0 && dont == 1);
	CHECK_R(248, getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &length) == 0 &&
			     value.l_onoff == 0);
	CHECK_R(247, length == (int)sizeof(value));
	length = 2;
	CHECK_R(246,
		FAILS(getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &length), WSAEFAULT));
	CHECK_R(253, setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&on, sizeof(on)) == 0 &&
			     get(s, SOL_SOCKET, SO_DONTLINGER, &dont) == 0 && dont == 0);
	length = sizeof(value);
	CHECK_R(253, getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &length) == 0 &&
			     value.l_onoff != 0 && value.l_linger == 30);
	CHECK_R(253, set(s, SOL_SOCKET, SO_DONTLINGER, 1) == 0 &&
			     getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &length) == 0 &&
			     value.l_onoff == 0);
	CHECK_R(253, set(s, SOL_SOCKET, SO_DONTLINGER, 0) == 0 &&
			     getsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, &length) == 0 &&
			     value.l_onoff != 0);
	CHECK_R(253, setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&off, sizeof(off)) == 0 &&
			     get(s, SOL_SOCKET, SO_DONTLINGER, &dont) == 0 && dont == 1);
	CHECK(FAILS(setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&on, 3), WSAEFAULT));
	closesocket(s);
}

static void check_state(void)
{
	SOCKET s = stream_socket();
	struct address at = loopback(0);
	struct pair p;
	unsigned value;

	CHECK_R(249, get(s, SOL_SOCKET, SO_ACCEPTCONN, &value) == 0 && value == 0);
	bind_to(s, &at);
	CHECK_R(249, get(s, SOL_SOCKET, SO_ACCEPTCONN, &value) == 0 && value == 0);
	CHECK_R(257, set(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1) == 0 &&
			     set(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 0) == 0);
	listen(s, 1);
	CHECK_R(249, get(s, SOL_SOCKET, SO_ACCEPTCONN, &value) == 0 && value == 1);
	CHECK_R(257, FAILS(set(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), WSAEINVAL) &&
			     get(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, &value) == 0 && value == 0);
	CHECK_R(258, get(s, SOL_SOCKET, SO_CONNECT_TIME, &value) == 0 && value == 0xFFFFFFFF);
	CHECK_R(250, get(s, SOL_SOCKET, SO_TYPE, &value) == 0 && value == SOCK_STREAM);
	closesocket(s);
	if (!open_pair(&p))
		return;
	CHECK_R(258, get(p.client, SOL_SOCKET, SO_CONNECT_TIME, &value) == 0 && value < 60);
	CHECK_R(258, get(p.server, SOL_SOCKET, SO_CONNECT_TIME, &value) == 0 && value < 60);
	CHECK_R(249, get(p.server, SOL_SOCKET, SO_ACCEPTCONN, &value) == 0 && value == 0);
	CHECK_R(250, get(p.server, SOL_SOCKET, SO_TYPE, &value) == 0 && value == SOCK_STREAM);
	CHECK(FAILS(set(p.client, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1), WSAEINVAL));
	close_pair(&p);
}

static void check_error(void)
{
	struct address at = loopback(1), name;
	struct timeval limit = { SOON / 1000, 0 };
	SOCKET s = stream_socket();
	unsigned value;
	fd_set failed;

	nonblocking(s, 1);
	FD_ZERO(&failed);
	FD_SET(s, &failed);
	connect_to(s, &at);
	CHECK_R(251, select(0, NULL, NULL, &failed, &limit) == 1);
	/* What succeeds meanwhile leaves the error alone. */
	CHECK_R(252, set(s, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && name_of(s, &name) == 0 &&
			     get(s, SOL_SOCKET, SO_TYPE, &value) == 0);
	nonblocking(s, 0);
	CHECK_R(252, get(s, SOL_SOCKET, SO_ERROR, &value) == 0 && value == WSAECONNREFUSED);
	CHECK_R(251, get(s, SOL_SOCKET, SO_ERROR, &value) == 0 && value == 0);
	closesocket(s);
}

/* The size that is told is the size that is used: nobody reads, and no more than that waits. */
static void check_receive_size(unsigned size)
{
	WSAEVENT room = WSACreateEvent();
	WSANETWORKEVENTS events;
	unsigned told = 0;
	u_long waiting = 0;
	struct pair p;
	long sent = 0;

	p.listener = listener_on(&p.at, 4);
	p.client = stream_socket();
	set(p.client, SOL_SOCKET, SO_RCVBUF, size);
	connect_to(p.client, &p.at);
	p.server = accept(p.listener, NULL, NULL);
	CHECK_R(255, get(p.client, SOL_SOCKET, SO_RCVBUF, &told) == 0);
	/* Memory grows with use: let it reach its size first. */
	nonblocking(p.server, 1);
	while (sent < (8 << 20)) {
		long n = fill(p.server);

		if (n < 0 || !drain(p.client, n))
			break;
		sent += n;
	}
	WSAEventSelect(p.server, room, FD_WRITE);
	for (sent = 0; signalled(room, QUIET); sent += fill(p.server))
		fetch(p.server, room, &events);
	CHECK_R(255, ioctlsocket(p.client, FIONREAD, &waiting) == 0 && waiting <= told &&
			     waiting >= told / 2);
	CHECK_R(255, drain(p.client, sent));
	WSACloseEvent(room);
	close_pair(&p);
}

static void check_buffers(void)
{
	static const unsigned sizes[] = { 1, 8192, 100000, 1u << 20, 0x7fffffff };
	unsigned back, standard;
	SOCKET s = stream_socket();

	CHECK_R(248, get(s, SOL_SOCKET, SO_RCVBUF, &standard) == 0 && standard > 0);
	CHECK_R(248, get(s, SOL_SOCKET, SO_SNDBUF, &standard) == 0 && standard > 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_R(255, set(s, SOL_SOCKET, SO_SNDBUF, sizes[i]) == 0 &&
				     get(s, SOL_SOCKET, SO_SNDBUF, &back) == 0 && back > 0);
		CHECK_R(255, set(s, SOL_SOCKET, SO_RCVBUF, sizes[i]) == 0 &&
				     get(s, SOL_SOCKET, SO_RCVBUF, &back) == 0 && back > 0);
	}
	CHECK(FAILS(set(s, SOL_SOCKET, SO_RCVBUF, 0x80000000), WSAEINVAL) &&
	      FAILS(set(s, SOL_SOCKET, SO_SNDBUF, 0x80000000), WSAEINVAL));
	closesocket(s);
	/* The system sizes its own. */
	for (size_t i = 0; i < 4 && !conf_system_tcp(); i++)
		check_receive_size(sizes[i]);
}

static void check_protocol(void)
{
	static WSAPROTOCOL_INFOW all[16];
	WSAPROTOCOL_INFOW info;
	WSAPROTOCOL_INFOA narrow;
	int length = sizeof(info), count, found = 0;
	DWORD size = sizeof(all);
	SOCKET s = stream_socket();

	count = WSAEnumProtocolsW(NULL, all, &size);
	CHECK_R(256, getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length) == 0 &&
			     length == (int)sizeof(info));
	for (int i = 0; i < count; i++)
		found += memcmp(&all[i], &info, sizeof(info)) == 0;
	CHECK_R(256, found == 1 && info.iAddressFamily == conf_family() &&
			     info.iSocketType == SOCK_STREAM && info.iProtocol == IPPROTO_TCP);
	length = sizeof(narrow);
	CHECK_R(256, getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOA, (char *)&narrow, &length) == 0 &&
			     length == (int)sizeof(narrow) &&
			     memcmp(&narrow, &info, offsetof(WSAPROTOCOL_INFOA, szProtocol)) == 0 &&
			     narrow.szProtocol[0] == (CHAR)info.szProtocol[0]);
	length = (int)sizeof(info) - 1;
	CHECK_R(246, FAILS(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length),
			   WSAEFAULT));
	closesocket(s);
}

static void check_timeouts(void)
{
	struct pair p;
	unsigned value = 0;
	char c;

	if (!open_pair(&p))
		return;
	CHECK_R(259, set(p.server, SOL_SOCKET, SO_RCVTIMEO, 50) == 0 &&
			     FAILS(recv(p.server, &c, 1, 0), WSAETIMEDOUT));
	CHECK_R(259, FAILS(recv(p.server, &c, 1, MSG_PEEK), WSAETIMEDOUT));
	/* Nothing was lost by it here, and without the limit a receive waits again. */
	CHECK_R(259, set(p.server, SOL_SOCKET, SO_RCVTIMEO, 0) == 0 &&
			     send(p.client, "t", 1, 0) == 1 && recv(p.server, &c, 1, 0) == 1);
	set(p.client, SOL_SOCKET, SO_SNDTIMEO, 50);
	for (int i = 0; i < 1000 && value == 0; i++) {
		static char block[65536];

		if (send(p.client, block, sizeof(block), 0) == SOCKET_ERROR)
			value = (unsigned)WSAGetLastError();
	}
	CHECK(value == WSAETIMEDOUT);
	close_pair(&p);
}

static bool send_and_take(struct pair *p, int bytes)
{
	static char block[65536];
	int got = 0, n = 0;

	if (send(p->client, block, bytes, 0) != bytes)
		return false;
	while (got < bytes && (n = recv(p->server, block, bytes - got, 0)) > 0)
		got += n;
	return got == bytes;
}

/* As much as SO_SNDBUF tells is taken from a blocking sender while its peer reads nothing, whatever was read before. */
static void check_room(void)
{
	unsigned value = 0;
	struct pair p;

	if (!open_pair(&p))
		return;
	set(p.client, SOL_SOCKET, SO_SNDTIMEO, 3000);
	CHECK(get(p.client, SOL_SOCKET, SO_SNDBUF, &value) == 0 && value == 65536);
	for (int before = 2000; before < 32768; before += 6000)
		CHECK(send_and_take(&p, before) && send_and_take(&p, (int)value));
	close_pair(&p);
}

static void check_contexts(void)
{
	CSADDR_INFO *info;
	char area[256];
	int length = sizeof(area);
	struct address name;
	struct pair p;

	if (!open_pair(&p))
		return;
	CHECK(setsockopt(p.client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0) == 0);
	CHECK(FAILS(setsockopt(p.listener, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0),
		    WSAENOTCONN));
	CHECK(setsockopt(p.server, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&p.listener,
			 sizeof(p.listener)) == 0);
	CHECK(FAILS(setsockopt(p.server, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&p.client,
			       sizeof(p.client)),
		    WSAEINVAL));
	CHECK(FAILS(
		setsockopt(p.server, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, (char *)&p.listener, 4),
		WSAEFAULT));
	CHECK(getsockopt(p.client, SOL_SOCKET, SO_BSP_STATE, area, &length) == 0);
	info = (CSADDR_INFO *)(void *)area;
	name_of(p.client, &name);
	CHECK(info->iSocketType == SOCK_STREAM && info->iProtocol == IPPROTO_TCP &&
	      memcmp(info->LocalAddr.lpSockaddr, &name.sa, (size_t)name.length) == 0 &&
	      memcmp(info->RemoteAddr.lpSockaddr, &p.at.sa, (size_t)p.at.length) == 0);
	length = (int)sizeof(CSADDR_INFO);
	CHECK_R(246,
		FAILS(getsockopt(p.client, SOL_SOCKET, SO_BSP_STATE, area, &length), WSAEFAULT));
	close_pair(&p);
}

/* The type of service: one byte, by the name of the socket's family only. */
static void check_class(void)
{
	SOCKET s = stream_socket();
	int six = conf_family() == AF_INET6;
	int level = six ? IPPROTO_IPV6 : IPPROTO_IP, option = six ? IPV6_TCLASS : IP_TOS;
	unsigned value;

	CHECK(get(s, level, option, &value) == 0 && value == 0);
	CHECK(set(s, level, option, 0xb8) == 0 && get(s, level, option, &value) == 0 &&
	      value == 0xb8);
	CHECK(FAILS(set(s, level, option, 256), WSAEINVAL) &&
	      FAILS(set(s, level, option, 0xffffffff), WSAEINVAL));
	CHECK(get(s, level, option, &value) == 0 && value == 0xb8);
	level = six ? IPPROTO_IP : IPPROTO_IPV6;
	option = six ? IP_TOS : IPV6_TCLASS;
	CHECK(FAILS(get(s, level, option, &value), WSAENOPROTOOPT) &&
	      FAILS(set(s, level, option, 8), WSAENOPROTOOPT));
	CHECK(FAILS(set(s, IPPROTO_IP, 0x6fff, 8), WSAENOPROTOOPT));
	closesocket(s);
}

/* How many routers a packet passes: likewise. */
static void check_hops(void)
{
	SOCKET s = stream_socket();
	int six = conf_family() == AF_INET6;
	int level = six ? IPPROTO_IPV6 : IPPROTO_IP, option = six ? IPV6_UNICAST_HOPS : IP_TTL;
	unsigned standard = 0, value;

	CHECK(get(s, level, option, &standard) == 0 && standard > 0 && standard < 256);
	CHECK(set(s, level, option, 7) == 0 && get(s, level, option, &value) == 0 && value == 7);
	CHECK(FAILS(set(s, level, option, 256), WSAEINVAL));
	CHECK(get(s, level, option, &value) == 0 && value == 7);
	if (six)
		CHECK(set(s, level, option, 0xffffffff) == 0 &&
		      get(s, level, option, &value) == 0 && value == standard);
	level = six ? IPPROTO_IP : IPPROTO_IPV6;
	option = six ? IP_TTL : IPV6_UNICAST_HOPS;
	CHECK(FAILS(get(s, level, option, &value), WSAENOPROTOOPT) &&
	      FAILS(set(s, level, option, 8), WSAENOPROTOOPT));
	closesocket(s);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_table();
	check_linger();
	check_state();
	check_error();
	check_buffers();
	check_protocol();
	check_timeouts();
	check_room();
	check_contexts();
	check_class();
	check_hops();
	WSACleanup();
	return check_result();
}

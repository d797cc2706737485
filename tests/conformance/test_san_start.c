// SPDX-License-Identifier: BSD-2-Clause
/* test_san_start.c - mode S: WSPStartupEx, the tables, descriptors and handles, WSPCleanup. */
#include <unistd.h>

#include "tests/conformance/san.h"

static int startup(WORD version, WSPDATA *data)
{
	WSPUPCALLTABLEEX upcalls = san_table(0);

	memset(data, 0, sizeof(*data));
	return WSPStartupEx(version, data, &host_protocol, &upcalls, &spi);
}

static void check_versions(void)
{
	WSPUPCALLTABLEEX upcalls = san_table(0);
	WORD v = MAKEWORD(2, 2);
	size_t length;
	WSPDATA data;

	CHECK_R(1,
		startup(v, &data) == 0 && data.wVersion == 0x0202 && data.wHighVersion == 0x0202);
	for (length = 0; length <= WSPDESCRIPTION_LEN && data.szDescription[length] != 0; length++)
		;
	CHECK_R(17, length > 0 && length <= WSPDESCRIPTION_LEN);
	host_cleanup();
	CHECK_R(2, startup(MAKEWORD(2, 9), &data) == 0 && data.wVersion == 0x0202);
	host_cleanup();
	CHECK_R(4, startup(0x0102, &data) == 0 && data.wVersion == 0x0102);
	host_cleanup();
	CHECK_R(4, startup(0x0201, &data) == WSAVERNOTSUPPORTED);
	memset(&spi, 0, sizeof(spi));
	CHECK_R(3, startup(MAKEWORD(1, 1), &data) == WSAVERNOTSUPPORTED && spi.lpWSPSocket == NULL);
	CHECK_R(5, WSPStartupEx(v, NULL, &host_protocol, &upcalls, &spi) == WSAEFAULT);
	CHECK_R(5, WSPStartupEx(v, &data, &host_protocol, &upcalls, NULL) == WSAEFAULT);
	CHECK_R(5, WSPStartupEx(v, &data, NULL, &upcalls, &spi) == WSAEFAULT);
	CHECK_R(5, WSPStartupEx(v, &data, &host_protocol, NULL, &spi) == WSAEFAULT);
	CHECK_R(6, WSPStartupEx(0, &data, &host_protocol, &upcalls, &spi) == WSAVERNOTSUPPORTED);
	upcalls.lpWPUCompleteOverlappedRequest = NULL;
	CHECK_R(15, WSPStartupEx(v, &data, &host_protocol, &upcalls, &spi) == WSASYSNOTREADY);
}

/* The 17, by their places in the documented order. */
static void check_table(void)
{
	static const unsigned required[17] = { 1,  4,  6,  7,  8,  9,  10, 11, 12,
					       15, 16, 17, 19, 20, 24, 27, 29 };
	void *entries[30];
	unsigned set = 0, all = 0;

	memset(&spi, 0, sizeof(spi));
	CHECK_R(10, san_startup(0) == 0); /* host_protocol says TCP/IP */
	memcpy(entries, &spi, sizeof(entries));
	for (unsigned i = 0; i < 17; i++)
		set += entries[required[i] - 1] != NULL;
	for (unsigned i = 0; i < 30; i++)
		all += entries[i] != NULL;
	CHECK_R(9, set == 17 && all == 30);
	CHECK_R(8, entries[28] == (void *)(uintptr_t)spi.lpWSPSocket &&
			   entries[3] == (void *)(uintptr_t)spi.lpWSPBind &&
			   entries[6] == (void *)(uintptr_t)spi.lpWSPCloseSocket);
	host_cleanup();
}

/* What a switch never calls is refused, and so is what is not built. */
static void check_refused(void)
{
	struct address at = loopback(0);
	SOCKET s = host_socket();
	WSAPROTOCOL_INFOW info;
	int length = at.length;

	CHECK(SPI_FAILS(spi.lpWSPShutdown(s, SD_SEND, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPGetSockName(s, &at.sa.any, &length, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPGetPeerName(s, &at.sa.any, &length, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPAsyncSelect(s, NULL, 0, 0, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPSendDisconnect(s, NULL, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPRecvDisconnect(s, NULL, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPSelect(0, NULL, NULL, NULL, NULL, &host_error), WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPCancelBlockingCall(&host_error), WSAEINVAL));
	CHECK(SPI_NO_SOCKET(
		spi.lpWSPJoinLeaf(s, &at.sa.any, at.length, NULL, NULL, NULL, NULL, 0, &host_error),
		WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(
		spi.lpWSPSendTo(s, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, NULL, &host_error),
		WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPRecvFrom(s, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
					  &host_error),
			WSAEOPNOTSUPP));
	CHECK(SPI_FAILS(spi.lpWSPDuplicateSocket(s, 1, &info, &host_error), WSAEINVAL));
	host_error = 0;
	CHECK_R(309,
		!spi.lpWSPGetQOSByName(s, NULL, NULL, &host_error) && host_error == WSAEOPNOTSUPP);
	CHECK_R(313, (host_protocol.dwServiceFlags1 & XP1_QOS_SUPPORTED) == 0);
	host_close(s);
}

/* Mode D in the same process has a host, a count and sockets of its own. */
static void check_both_modes(void)
{
	WSPPROC_TABLE direct;
	WSPDATA data;
	SOCKET s, d;

	CHECK_R(11, san_startup(0) == 0 && WSPStartup(MAKEWORD(2, 2), &data, &host_protocol,
						      host_table(1), &direct) == 0);
	CHECK_R(11, direct.lpWSPSend != spi.lpWSPSend);
	s = host_socket();
	d = direct.lpWSPSocket(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0,
			       WSA_FLAG_OVERLAPPED, &host_error);
	CHECK_R(11, s != INVALID_SOCKET && d != INVALID_SOCKET);
	CHECK_R(11, SPI_FAILS(host_close(d), WSAENOTSOCK) &&
			    SPI_FAILS(direct.lpWSPCloseSocket(s, &host_error), WSAENOTSOCK));
	CHECK_R(11, host_cleanup() == 0 && direct.lpWSPCloseSocket(d, &host_error) == 0);
	CHECK(direct.lpWSPCleanup(&host_error) == 0);
}

static unsigned calls_of(unsigned table)
{
	unsigned sum = san_completions[table];

	for (unsigned i = 0; i < HOST_UPCALLS; i++)
		sum += host_calls[table][i];
	return sum;
}

static void check_upcall_table(void)
{
	unsigned first, second;
	struct san_pair p;

	CHECK_R(14, san_startup(0) == 0);
	first = calls_of(0);
	CHECK_R(14, san_open_pair(&p) && calls_of(0) > first);
	second = san_completions[0];
	CHECK_R(15, san_message(p.client, p.server, "upcall", 6, SAN_UPCALL) &&
			    san_completions[0] == second + 2);
	san_close_pair(&p);
	CHECK_R(12, san_startup(1) == 0);
	first = calls_of(0);
	second = calls_of(1);
	CHECK_R(13, san_open_pair(&p) && calls_of(1) > second);
	CHECK_R(13, san_message(p.client, p.server, "upcall", 6, SAN_UPCALL) &&
			    calls_of(0) == first && san_completions[1] == 2);
	san_close_pair(&p);
	CHECK_R(12, host_cleanup() == 0 && host_cleanup() == 0 &&
			    SPI_FAILS(host_cleanup(), WSANOTINITIALISED));
}

static void check_sockets(void)
{
	struct host_handle h;
	unsigned before = host_handles(), closes;
	SOCKET s, again;

	s = host_socket();
	h = host_handle_at(before);
	CHECK_R(34, s != INVALID_SOCKET && host_handles() == before + 1 && h.handle != s);
	CHECK_R(44, s != INVALID_SOCKET && h.catalog_id == HOST_CATALOG_ID);
	CHECK_R(39, s != INVALID_SOCKET);
	closes = host_calls[0][HOST_CLOSE_HANDLE];
	CHECK_R(192, host_close(s) == 0 && host_calls[0][HOST_CLOSE_HANDLE] == closes + 1 &&
			     !host_find(h.handle).open);
	CHECK_R(35, host_find(h.handle).closes == 1 && host_find(s).handle == INVALID_SOCKET);
	CHECK_R(42, SPI_FAILS(host_close(s), WSAENOTSOCK));
	again = host_socket(); /* most likely in the same place */
	CHECK_R(42, again != s && SPI_FAILS(host_listen(s, 1), WSAENOTSOCK));
	CHECK_R(188, SPI_FAILS(host_close(s), WSAENOTSOCK));
	CHECK_R(42, SPI_FAILS(host_close(h.handle), WSAENOTSOCK)); /* the switch's, not ours */
	CHECK_R(42, SPI_FAILS(host_close(0), WSAENOTSOCK));
	host_close(again);
	host_fail_create = WSAEMFILE;
	CHECK_R(37, SPI_NO_SOCKET(host_socket(), WSAEMFILE));
	CHECK_R(32, host_refused != 0);
	host_fail_create = 0;
}

static SOCKET make(int af, int type, int protocol, GROUP g, DWORD flags)
{
	return spi.lpWSPSocket(af, type, protocol, &host_protocol, g, flags, &host_error);
}

static void check_kinds(void)
{
	const DWORD over = WSA_FLAG_OVERLAPPED;
	int af = conf_family();
	SOCKET s = make(0, 0, 0, 0, over);

	CHECK_R(27, s != INVALID_SOCKET && host_close(s) == 0);
	s = make(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, 0, over);
	CHECK_R(28, s != INVALID_SOCKET && host_close(s) == 0);
	CHECK_R(29, SPI_NO_SOCKET(make(99, SOCK_STREAM, IPPROTO_TCP, 0, over), WSAEAFNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_DGRAM, IPPROTO_TCP, 0, over), WSAESOCKTNOSUPPORT));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_UDP, 0, over), WSAEPROTOTYPE));
	CHECK_R(30, SPI_NO_SOCKET(make(af, SOCK_STREAM, 200, 0, over), WSAEPROTONOSUPPORT));
	CHECK_R(31, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_TCP, 77, over), WSAEINVAL));
	CHECK_R(41, SPI_NO_SOCKET(make(af, SOCK_STREAM, IPPROTO_TCP, 0,
				       over | WSA_FLAG_MULTIPOINT_C_LEAF),
				  WSAEINVAL));
}

static void check_invalid_descriptor(void)
{
	char text[4];
	WSABUF buffer = { sizeof(text), text };
	WSAOVERLAPPED o = { 0 };
	DWORD bytes = 0, flags = 0;
	SOCKET bad = INVALID_SOCKET;

	CHECK_R(43, SPI_FAILS(spi.lpWSPRecv(bad, &buffer, 1, &bytes, &flags, &o, NULL, NULL,
					    &host_error),
			      WSAENOTSOCK));
	CHECK_R(43,
		SPI_FAILS(spi.lpWSPSend(bad, &buffer, 1, &bytes, 0, &o, NULL, NULL, &host_error),
			  WSAENOTSOCK));
	host_error = 0;
	CHECK_R(43, !spi.lpWSPGetOverlappedResult(bad, &o, &bytes, FALSE, &flags, &host_error) &&
			    host_error == WSAENOTSOCK);
}

static void check_cleanup(void)
{
	static char text[64];
	struct san_op poll, upcall;
	unsigned completions;
	struct san_pair p;
	SOCKET s;

	CHECK_R(18, SPI_FAILS(host_cleanup(), WSANOTINITIALISED));
	CHECK_R(18, SPI_NO_SOCKET(host_socket(), WSANOTINITIALISED));
	CHECK_R(20, san_startup(0) == 0 && san_startup(0) == 0);
	if (!san_open_pair(&p))
		abort();
	s = host_socket();
	san_memory(p.server, text, sizeof(text), MEM_WRITE);
	san_begin_op(&poll, SAN_POLL);
	san_begin_op(&upcall, SAN_UPCALL);
	CHECK_R(162, san_recv(p.server, text, 32, &poll) == 0 &&
			     san_recv(p.server, text + 32, 32, &upcall) == 0);
	CHECK_R(19, host_cleanup() == 0 && host_listen(p.listener, 4) == 0);
	completions = host_completions();
	CHECK_R(21, host_cleanup() == 0 && SPI_FAILS(host_close(s), WSANOTINITIALISED));
	CHECK_R(25, host_open_handles() == 0);
	CHECK_R(22, poll.o.Internal != WSS_OPERATION_IN_PROGRESS &&
			    poll.o.OffsetHigh == WSA_OPERATION_ABORTED);
	CHECK_R(22, upcall.o.Internal != WSS_OPERATION_IN_PROGRESS &&
			    upcall.o.OffsetHigh == WSA_OPERATION_ABORTED &&
			    host_completions() == completions);
	CHECK_R(20, san_startup(0) == 0 && san_open_pair(&p) &&
			    san_message(p.client, p.server, "again", 5, SAN_POLL));
	san_close_pair(&p);
	CHECK_R(19, host_cleanup() == 0);
}

/* --- threads and processes --- */

static void check_threads(unsigned before)
{
	struct san_pair p;

	san_startup(0);
	if (!san_open_pair(&p))
		abort();
	host_close(p.client);
	host_cleanup();
	CHECK_R(24, threads_are(before));
}

/* Uses everything on the port it is given, then dies without WSPCleanup. */
static int child_dies(void)
{
	struct address at = loopback((u_short)strtoul(conf_argument(), NULL, 10));
	SOCKET listener, client, server;

	if (san_startup(0) != 0)
		return 1;
	listener = host_socket();
	if (host_bind(listener, &at) != 0 || host_listen(listener, 4) != 0)
		return 1;
	client = san_bound();
	host_nonblocking(client, 1);
	(void)host_connect(client, &at);
	server = san_take(listener, NULL, 0);
	if (server == INVALID_SOCKET)
		return 1;
	conf_die();
	return 1;
}

static void check_death(void)
{
	u_short port = companion_port(); /* TCP/IP's, here for both processes */
	struct address at = loopback(port);
	struct child c;
	char text[8];
	WSAEVENT event = WSACreateEvent();
	SOCKET listener, client, server;

	snprintf(text, sizeof(text), "%u", port);
	c = child_start("dies", text);
	CHECK_R(26, child_wait(&c) == conf_death);
	san_startup(0);
	listener = host_socket();
	CHECK_R(26, host_bind(listener, &at) == 0 && host_listen(listener, 4) == 0);
	client = san_bound();
	spi.lpWSPEventSelect(client, event, FD_CONNECT, &host_error);
	(void)host_connect(client, &at);
	server = san_take(listener, NULL, 0);
	CHECK_R(26, server != INVALID_SOCKET && san_connect_outcome(client, event) == 0 &&
			    san_message(client, server, "works", 5, SAN_POLL));
	host_cleanup();
	WSACloseEvent(event);
}

int main(int argc, char **argv)
{
	unsigned threads;

	host_begin(argc, argv);
	if (conf_role() != NULL)
		return child_dies();
	threads = threads_before();
	check_versions();
	check_table();
	check_both_modes();
	check_upcall_table();
	san_startup(0);
	check_refused();
	check_sockets();
	check_kinds();
	check_invalid_descriptor();
	host_cleanup();
	check_cleanup();
	check_threads(threads);
	check_death();
	return check_result();
}

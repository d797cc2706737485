// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_startup.c - start-up, versions, tables, the upcalls of the host, clean-up. The host is the
 * tests' own (host.h), so that what the provider asks of it can be seen.
 */
#include "tests/conformance/host.h"

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <openwsd/ws2san.h>

#define BULK 1000000

static char bulk[BULK];

static int startup(WORD version, WSPDATA *data)
{
	memset(data, 0x55, sizeof(*data));
	return WSPStartup(version, data, &host_protocol, host_table(0), &spi);
}

static int is_zero(const void *memory, size_t size)
{
	const char *bytes = memory;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return 0;
	return 1;
}

/* --- versions --- */

static void check_versions(void)
{
	WSPDATA data;
	size_t length;

	CHECK_R(1, startup(MAKEWORD(2, 2), &data) == 0 && data.wVersion == 0x0202);
	CHECK_R(1, data.wHighVersion == 0x0202);
	for (length = 0; length <= WSPDESCRIPTION_LEN && data.szDescription[length] != 0; length++)
		;
	CHECK_R(17, length > 0 && length <= WSPDESCRIPTION_LEN);
	host_cleanup();
	CHECK_R(2, startup(MAKEWORD(2, 3), &data) == 0 && data.wVersion == data.wHighVersion &&
			   data.wHighVersion == 0x0202);
	host_cleanup();
	CHECK_R(2, startup(MAKEWORD(9, 0), &data) == 0 && data.wVersion == 0x0202);
	host_cleanup();
	/* 2.1 and not 1.2; then the other way round. */
	CHECK_R(4, startup(0x0102, &data) == 0 && data.wVersion == 0x0102 &&
			   data.wHighVersion == 0x0202);
	host_cleanup();
	CHECK_R(4, startup(0x0201, &data) == WSAVERNOTSUPPORTED);
	memset(&spi, 0, sizeof(spi));
	CHECK_R(3, startup(MAKEWORD(1, 1), &data) == WSAVERNOTSUPPORTED);
	CHECK_R(3, startup(MAKEWORD(0, 9), &data) == WSAVERNOTSUPPORTED);
	CHECK_R(3, startup(0, &data) == WSAVERNOTSUPPORTED);
	CHECK_R(3, is_zero(&spi, sizeof(spi)));
}

static void check_bad_pointers(void)
{
	WSPUPCALLTABLE upcalls = host_table(0);
	WSPDATA data;
	WORD v = MAKEWORD(2, 2);

	CHECK_R(5, WSPStartup(v, NULL, &host_protocol, upcalls, &spi) == WSAEFAULT);
	CHECK_R(5, WSPStartup(v, &data, &host_protocol, upcalls, NULL) == WSAEFAULT);
	CHECK_R(5, WSPStartup(v, &data, NULL, upcalls, &spi) == WSAEFAULT);
	CHECK_R(6, WSPStartup(v, NULL, &host_protocol, upcalls, NULL) == WSAEFAULT);
	CHECK_R(6, WSPStartup(0, &data, &host_protocol, upcalls, &spi) == WSAVERNOTSUPPORTED);
	CHECK_R(6, WSPStartupEx(v, NULL, NULL, NULL, NULL) == WSAEFAULT);
	/* None of them counted. */
	CHECK_R(12, host_startup(0) == 0 && host_cleanup() == 0 &&
			    SPI_FAILS(host_cleanup(), WSANOTINITIALISED));
}

/* --- the procedure table --- */

#define AT(number, member) (offsetof(WSPPROC_TABLE, member) == ((number)-1) * sizeof(void *))

static int order_is_documented(void)
{
	return AT(1, lpWSPAccept) && AT(2, lpWSPAddressToString) && AT(3, lpWSPAsyncSelect) &&
	       AT(4, lpWSPBind) && AT(5, lpWSPCancelBlockingCall) && AT(6, lpWSPCleanup) &&
	       AT(7, lpWSPCloseSocket) && AT(8, lpWSPConnect) && AT(9, lpWSPDuplicateSocket) &&
	       AT(10, lpWSPEnumNetworkEvents) && AT(11, lpWSPEventSelect) &&
	       AT(12, lpWSPGetOverlappedResult) && AT(13, lpWSPGetPeerName) &&
	       AT(14, lpWSPGetSockName) && AT(15, lpWSPGetSockOpt) && AT(16, lpWSPGetQOSByName) &&
	       AT(17, lpWSPIoctl) && AT(18, lpWSPJoinLeaf) && AT(19, lpWSPListen) &&
	       AT(20, lpWSPRecv) && AT(21, lpWSPRecvDisconnect) && AT(22, lpWSPRecvFrom) &&
	       AT(23, lpWSPSelect) && AT(24, lpWSPSend) && AT(25, lpWSPSendDisconnect) &&
	       AT(26, lpWSPSendTo) && AT(27, lpWSPSetSockOpt) && AT(28, lpWSPShutdown) &&
	       AT(29, lpWSPSocket) && AT(30, lpWSPStringToAddress) &&
	       sizeof(WSPPROC_TABLE) == 30 * sizeof(void *);
}

/* A host of another build has only the numbers: socket 29, bind 4, name 14, close 7. */
static int works_by_number(void)
{
	void *entry[30];
	LPWSPSOCKET make;
	LPWSPBIND do_bind;
	LPWSPGETSOCKNAME name;
	LPWSPCLOSESOCKET close_it;
	struct address at = loopback(0);
	int ok;
	SOCKET s;

	memcpy(entry, &spi, sizeof(entry));
	memcpy(&make, &entry[28], sizeof(make));
	memcpy(&do_bind, &entry[3], sizeof(do_bind));
	memcpy(&name, &entry[13], sizeof(name));
	memcpy(&close_it, &entry[6], sizeof(close_it));
	s = make(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0, 0, &host_error);
	ok = s != INVALID_SOCKET && do_bind(s, &at.sa.any, at.length, &host_error) == 0 &&
	     name(s, &at.sa.any, &at.length, &host_error) == 0 && port_of(&at) != 0;
	return close_it(s, &host_error) == 0 && ok;
}

static void check_table(void)
{
	void *entries[sizeof(spi) / sizeof(void *)];
	unsigned set = 0;

	memset(&spi, 0, sizeof(spi));
	host_startup(0);
	memcpy(entries, &spi, sizeof(entries));
	for (unsigned i = 0; i < 30; i++)
		set += entries[i] != NULL;
	CHECK_R(7, set == 30);
	CHECK_R(8, order_is_documented());
	CHECK_R(8, works_by_number());
	host_cleanup();
}

/* --- the count, and the upcall table --- */

/* In a frame of its own, so that the caller's copy of the table is gone when it returns. */
static __attribute__((noinline)) int startup_from_a_frame(unsigned table)
{
	volatile WSPUPCALLTABLE upcalls = host_table(table);
	WSPDATA data;
	int result = WSPStartup(MAKEWORD(2, 2), &data, &host_protocol, upcalls, &spi);

	memset((void *)(uintptr_t)&upcalls, 0, sizeof(upcalls));
	return result;
}

static __attribute__((noinline)) void overwrite_stack(void)
{
	volatile char waste[8192];

	for (size_t i = 0; i < sizeof(waste); i++)
		waste[i] = 0;
}

static unsigned calls_of(unsigned table)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < HOST_UPCALLS; i++)
		sum += host_calls[table][i];
	return sum;
}

static void check_upcall_table(void)
{
	struct pair p;
	unsigned first, second;
	SOCKET s;

	CHECK_R(14, startup_from_a_frame(0) == 0);
	overwrite_stack();
	first = calls_of(0);
	CHECK_R(14, host_open_pair(&p) && host_send(p.client, "x", 1) == 1 && calls_of(0) > first);
	host_close_pair(&p);

	s = host_socket();
	CHECK_R(12, host_startup(1) == 0);
	first = calls_of(0);
	second = calls_of(1);
	CHECK_R(13, host_open_pair(&p) && host_send(p.client, "x", 1) == 1);
	/* An older socket too: the table is the process's, not the socket's. */
	CHECK_R(13, host_close(s) == 0);
	host_close_pair(&p);
	CHECK_R(13, calls_of(0) == first && calls_of(1) > second);
	/* Going down one step does not bring the older table back. */
	CHECK_R(12, host_cleanup() == 0);
	CHECK_R(13, host_open_pair(&p) && calls_of(0) == first);
	host_close_pair(&p);
	CHECK_R(12, host_cleanup() == 0 && SPI_FAILS(host_cleanup(), WSANOTINITIALISED));
}

/* WPUCompleteOverlappedRequest stands in no table of 15: ours was found by its name. */
static void check_completion_upcall(void)
{
	WSAOVERLAPPED o = { .hEvent = WSACreateEvent() };
	char text[8];
	WSABUF buffer = { sizeof(text), text };
	DWORD bytes = 0, flags = 0;
	struct host_completion done;
	struct pair p;
	int pending;

	host_startup(0);
	if (!host_open_pair(&p))
		abort();
	pending = SPI_FAILS(
		spi.lpWSPRecv(p.server, &buffer, 1, &bytes, &flags, &o, NULL, NULL, &host_error),
		WSA_IO_PENDING);
	host_send(p.client, "abc", 3);
	CHECK_R(16, pending && host_wait_completion(&o, 5000) == 1);
	done = host_completion_at(host_completions() - 1);
	CHECK_R(16, done.s == p.server && done.error == 0 && done.bytes == 3 &&
			    WSAWaitForMultipleEvents(1, &o.hEvent, TRUE, 5000, FALSE) ==
				    WSA_WAIT_EVENT_0);
	host_close_pair(&p);
	host_cleanup();
	WSACloseEvent(o.hEvent);
}

/* --- clean-up --- */

static void check_cleanup_count(void)
{
	struct pair p;

	CHECK_R(18, SPI_FAILS(host_cleanup(), WSANOTINITIALISED));
	CHECK_R(18, SPI_NO_SOCKET(host_socket(), WSANOTINITIALISED));
	host_startup(0);
	CHECK_R(12, host_startup(0) == 0 && host_startup(0) == 0);
	if (!host_open_pair(&p))
		abort();
	CHECK_R(19, host_cleanup() == 0 && host_send(p.client, "a", 1) == 1);
	CHECK_R(19, host_cleanup() == 0 && host_send(p.client, "b", 1) == 1 &&
			    host_open_handles() == 3);
	CHECK_R(19,
		host_cleanup() == 0 && SPI_FAILS(host_send(p.client, "c", 1), WSANOTINITIALISED));
	CHECK_R(19, host_open_handles() == 0);
	/* At once, and as good as the first time. */
	CHECK_R(20, host_startup(0) == 0 && host_open_pair(&p) && host_send(p.client, "x", 1) == 1);
	CHECK_R(42, SPI_FAILS(host_send(host_handle_at(0).handle, "x", 1), WSAENOTSOCK));
	host_close_pair(&p);
	host_cleanup();
}

static unsigned routine_runs;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)overlapped;
	(void)flags;
	routine_runs++;
}

static void check_cleanup_aborts(void)
{
	WSAOVERLAPPED by_event = { .hEvent = WSACreateEvent() }, by_routine = { 0 }, polled = { 0 };
	WSAEVENT selected = WSACreateEvent();
	char text[3][8];
	WSABUF buffer[3] = { { 8, text[0] }, { 8, text[1] }, { 8, text[2] } };
	DWORD flags = 0, bytes = 0;
	unsigned completions = host_completions();
	WSATHREADID id;
	struct pair p;

	host_startup(0);
	if (!host_open_pair(&p))
		abort();
	routine_runs = 0;
	spi.lpWSPRecv(p.server, &buffer[0], 1, &bytes, &flags, &by_event, NULL, NULL, &host_error);
	spi.lpWSPRecv(p.server, &buffer[1], 1, &bytes, &flags, &by_routine, routine,
		      host_thread(&id), &host_error);
	spi.lpWSPRecv(p.client, &buffer[2], 1, &bytes, &flags, &polled, NULL, NULL, &host_error);
	spi.lpWSPEventSelect(p.client, selected, FD_READ | FD_CLOSE, &host_error);
	CHECK_R(22, by_event.Internal == WSS_OPERATION_IN_PROGRESS &&
			    by_routine.Internal == WSS_OPERATION_IN_PROGRESS &&
			    polled.Internal == WSS_OPERATION_IN_PROGRESS);
	CHECK_R(21, host_cleanup() == 0 && host_open_handles() == 0);
	CHECK_R(22, by_event.Internal != WSS_OPERATION_IN_PROGRESS &&
			    by_event.OffsetHigh == WSA_OPERATION_ABORTED);
	CHECK_R(22, by_routine.Internal != WSS_OPERATION_IN_PROGRESS &&
			    by_routine.OffsetHigh == WSA_OPERATION_ABORTED);
	CHECK_R(22, polled.Internal != WSS_OPERATION_IN_PROGRESS &&
			    polled.OffsetHigh == WSA_OPERATION_ABORTED);
	CHECK_R(22,
		WSAWaitForMultipleEvents(1, &by_event.hEvent, TRUE, 20, FALSE) ==
				WSA_WAIT_TIMEOUT &&
			WSAWaitForMultipleEvents(1, &selected, TRUE, 0, FALSE) == WSA_WAIT_TIMEOUT);
	CHECK_R(22,
		host_completions() == completions && host_run_apcs(20) == 0 && routine_runs == 0);
	WSACloseEvent(by_event.hEvent);
	WSACloseEvent(selected);
}

static WSPUPCALLTABLE usual;
static SOCKET early = INVALID_SOCKET;

/* The first handle that the clean-up closes: another thread might start and make a socket just then. */
static int WSPAPI close_and_start(SOCKET s, LPINT error)
{
	if (early == INVALID_SOCKET && host_startup(0) == 0)
		early = host_socket();
	return usual.lpWPUCloseSocketHandle(s, error);
}

static void check_start_during_cleanup(void)
{
	WSPUPCALLTABLE table = usual = host_table(0);
	SOCKET sockets[8];
	struct address at;
	WSPDATA data;

	table.lpWPUCloseSocketHandle = close_and_start;
	CHECK_R(19, WSPStartup(MAKEWORD(2, 2), &data, &host_protocol, table, &spi) == 0);
	for (int i = 0; i < 8; i++)
		sockets[i] = host_socket();
	early = sockets[0]; /* not for these */
	for (int i = 4; i < 8; i++)
		host_close(sockets[i]); /* places that the new one may take */
	early = INVALID_SOCKET;
	CHECK_R(19, host_cleanup() == 0);
	CHECK_R(19, early != INVALID_SOCKET && host_name_of(early, &at) == SOCKET_ERROR &&
			    host_error == WSAEINVAL); /* not bound, but there */
	host_close(early);
	CHECK_R(19, host_cleanup() == 0);
}

static void check_threads(unsigned before)
{
	struct pair p;

	host_startup(0);
	if (!host_open_pair(&p))
		abort();
	host_send(p.client, bulk, 1000);
	host_close(p.client);
	host_cleanup();
	CHECK_R(24, threads_are(before));
}

/* --- with another process --- */

static const char *port_text(const struct address *at)
{
	static char text[8];

	snprintf(text, sizeof(text), "%u", port_of(at));
	return text;
}

/* Connect to the port of the argument. */
static SOCKET child_connect(void)
{
	struct address at = loopback((u_short)strtoul(conf_argument(), NULL, 10));
	SOCKET s = host_socket();

	if (host_connect(s, &at) != 0)
		abort();
	return s;
}

static void child_reads(void)
{
	struct child parent = child_parent();
	SOCKET s = child_connect();
	char c;

	child_tell(&parent, 0);
	if (host_recv(s, &c, 1) != SOCKET_ERROR)
		host_error = 0;
	child_tell(&parent, host_error);
	host_close(s);
}

/* Sends more than fits anywhere, closes, cleans up, and is gone. */
static void child_sends(void)
{
	SOCKET s = child_connect();

	for (int i = 0; i < BULK; i++)
		bulk[i] = (char)(i * 31 >> 5);
	for (int sent = 0; sent < BULK;) {
		int n = host_send(s, bulk + sent, (unsigned)(BULK - sent));

		if (n <= 0)
			abort();
		sent += n;
	}
	host_close(s);
	host_cleanup();
	_exit(0);
}

/* Uses everything, then dies: by a signal or by _exit, never through WSPCleanup. */
static void child_dies(void)
{
	struct child parent = child_parent();
	struct pair p;

	if (!host_open_pair(&p) || host_send(p.client, bulk, 5000) != 5000)
		abort();
	child_tell(&parent, port_of(&p.at));
	if (strcmp(conf_argument(), "kill") == 0)
		conf_die();
	_exit(0);
}

static void check_reset_by_cleanup(void)
{
	struct address at;
	struct child c;
	SOCKET listener;

	host_startup(0);
	listener = host_listener(&at, 1);
	c = child_start("reads", port_text(&at));
	CHECK_R(21, child_hear(&c) == 0 && host_accept(listener) != INVALID_SOCKET);
	CHECK_R(21, host_cleanup() == 0 && child_hear(&c) == WSAECONNRESET);
	child_wait(&c);
}

static void check_graceful_before_cleanup(void)
{
	static char text[BULK];
	struct address at;
	struct child c;
	SOCKET listener, server;
	int got = 0, n, good = 1;

	host_startup(0);
	listener = host_listener(&at, 1);
	c = child_start("sends", port_text(&at));
	server = host_accept(listener);
	Sleep(50); /* it has closed most likely, and waits in its clean-up */
	while ((n = host_recv(server, text, sizeof(text))) > 0) {
		for (int i = 0; i < n; i++)
			good = good && text[i] == (char)((got + i) * 31 >> 5);
		got += n;
	}
	CHECK_R(23, n == 0 && got == BULK && good);
	CHECK_R(23, child_wait(&c) == 0);
	host_cleanup();
}

static void check_death(const char *how, int status)
{
	struct child c = child_start("dies", how);
	struct address at = loopback((u_short)child_hear(&c));
	SOCKET s, client;

	CHECK_R(26, child_wait(&c) == status);
	host_startup(0);
	s = host_socket();
	client = host_socket();
	CHECK_R(26, host_bind(s, &at) == 0 && host_listen(s, 1) == 0);
	CHECK_R(26, host_connect(client, &at) == 0 && host_accept(s) != INVALID_SOCKET);
	host_cleanup();
}

static int run_role(void)
{
	if (host_startup(0) != 0)
		return 1;
	if (strcmp(conf_role(), "reads") == 0)
		child_reads();
	else if (strcmp(conf_role(), "sends") == 0)
		child_sends();
	else
		child_dies();
	host_cleanup();
	return 0;
}

int main(int argc, char **argv)
{
	unsigned threads;

	host_begin(argc, argv);
	if (conf_role() != NULL)
		return run_role();
	threads = threads_before();
	check_versions();
	check_bad_pointers();
	check_table();
	check_upcall_table();
	check_completion_upcall();
	check_cleanup_count();
	check_cleanup_aborts();
	check_start_during_cleanup();
	check_threads(threads);
	if (conf_two_processes()) {
		check_reset_by_cleanup();
		check_graceful_before_cleanup();
	}
	check_death("kill", conf_death);
	check_death("exit", 0);
	return check_result();
}

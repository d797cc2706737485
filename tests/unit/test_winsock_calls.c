// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_winsock_calls.c - provider/winsock over a real backend (WSD_BACKENDS), both ends in one
 * process: condition function, close from another thread, linger, select, options, clean-up.
 */
#include <stdatomic.h>
#include <stdio.h>

#include "tests/unit/winsock_pair.h"

static char big_out[BIG], big_in[BIG];

static HANDLE start(LPTHREAD_START_ROUTINE run, void *arg)
{
	HANDLE thread = CreateThread(NULL, 0, run, arg, 0, NULL);

	assert_non_null(thread);
	return thread;
}

static void join(HANDLE thread)
{
	assert_int_equal(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
	CloseHandle(thread);
}

static int condition_calls;

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)sqos;
	(void)gqos;
	(void)g;
	condition_calls++;
	return caller->len == 16 && callee->len == 16 && caller_data == NULL &&
			       callee_data->len == 0
		       ? (int)data
		       : 77;
}

static void test_condition_function(void **state)
{
	struct sockaddr_in at, peer;
	SOCKET listener = new_listener(&at), client = new_socket(), server;
	int length = sizeof(peer);

	(void)state;
	condition_calls = 0;
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = WSAAccept(listener, NULL, NULL, condition, CF_DEFER);
	assert_true(server == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSATRY_AGAIN);
	assert_true(WSAAccept(listener, NULL, NULL, condition, 99) == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	server = WSAAccept(listener, (struct sockaddr *)&peer, &length, condition, CF_ACCEPT);
	assert_true(server != INVALID_SOCKET);
	assert_int_equal(length, 16);
	assert_int_equal(condition_calls, 3);
	closesocket(server);
	closesocket(client);
	closesocket(listener);
}

static DWORD WINAPI close_later(LPVOID arg)
{
	/* Long enough that the other thread is most likely inside; either order must work. */
	Sleep(20);
	closesocket(*(SOCKET *)arg);
	return 0;
}

static void test_close_wakes_a_blocked_receive(void **state)
{
	HANDLE thread;
	struct pair p;
	char c;

	(void)state;
	open_pair(&p);
	thread = start(close_later, &p.server);
	assert_int_equal(recv(p.server, &c, 1, 0), SOCKET_ERROR);
	assert_true(WSAGetLastError() == WSAEINTR || WSAGetLastError() == WSAENOTSOCK);
	join(thread);
	closesocket(p.client);
	closesocket(p.listener);
}

static void test_receive_timeout(void **state)
{
	DWORD ms = 30;
	struct pair p;
	char c;

	(void)state;
	open_pair(&p);
	assert_int_equal(setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, (char *)&ms, sizeof(ms)), 0);
	assert_int_equal(recv(p.server, &c, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAETIMEDOUT);
	close_pair(&p);
}

static void test_select_over_sockets(void **state)
{
	struct timeval none = { 0, 0 }, some = { 5, 0 };
	fd_set r, w;
	struct pair p;

	(void)state;
	open_pair(&p);
	FD_ZERO(&r);
	FD_SET(p.server, &r);
	assert_int_equal(select(0, &r, NULL, NULL, &none), 0);
	assert_int_equal(r.fd_count, 0);
	FD_SET(p.server, &r);
	FD_SET(p.listener, &r);
	FD_ZERO(&w);
	FD_SET(p.client, &w);
	assert_int_equal(send(p.client, "z", 1, 0), 1);
	assert_int_equal(select(0, &r, NULL, NULL, &some), 1);
	assert_true(FD_ISSET(p.server, &r));
	assert_int_equal(select(0, NULL, &w, NULL, &none), 1);
	FD_SET((SOCKET)12345, &r);
	assert_int_equal(select(0, &r, NULL, NULL, &none), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	close_pair(&p);
}

static void test_urgent_byte(void **state)
{
	struct pair p;
	char c[4];
	fd_set e;
	struct timeval some = { 5, 0 };

	(void)state;
	open_pair(&p);
	assert_int_equal(send(p.client, "ab!", 3, MSG_OOB), 3);
	FD_ZERO(&e);
	FD_SET(p.server, &e);
	assert_int_equal(select(0, NULL, NULL, &e, &some), 1);
	assert_int_equal(recv(p.server, c, 1, MSG_OOB), 1);
	assert_int_equal(c[0], '!');
	assert_int_equal(recv(p.server, c, 4, 0), 2);
	assert_memory_equal(c, "ab", 2);
	close_pair(&p);
}

static void test_linger(void **state)
{
	struct linger hard = { 1, 0 }, wait = { 1, 5 };
	struct pair p;
	char c[8];

	(void)state;
	open_pair(&p);
	assert_int_equal(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&wait, sizeof(wait)),
			 0);
	assert_int_equal(send(p.client, "last", 4, 0), 4);
	assert_int_equal(closesocket(p.client), 0);
	assert_int_equal(recv(p.server, c, 8, 0), 4);
	assert_int_equal(recv(p.server, c, 8, 0), 0);
	closesocket(p.server);
	closesocket(p.listener);
	open_pair(&p);
	assert_int_equal(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard)),
			 0);
	assert_int_equal(closesocket(p.client), 0);
	assert_int_equal(recv(p.server, c, 8, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
}

static void test_refused_then_accepted(void **state)
{
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), client = new_socket(), server;

	(void)state;
	closesocket(listener);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAECONNREFUSED);
	listener = new_listener(&at);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server != INVALID_SOCKET);
	closesocket(server);
	closesocket(client);
	closesocket(listener);
}

static void test_transmit_file(void **state)
{
	const char *path = test_write_file("transmit", "0123456789");
	TRANSMIT_FILE_BUFFERS ends = { (LPVOID) "<", 1, (LPVOID) ">", 1 };
	WSAOVERLAPPED ov = { .Offset = 3, .hEvent = WSACreateEvent() };
	struct pair p;
	HANDLE file;
	DWORD bytes;
	char c[16];

	(void)state;
	file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	open_pair(&p);
	assert_true(TransmitFile(p.client, file, 0, 0, NULL, &ends, 0));
	assert_int_equal(recv(p.server, c, 12, MSG_WAITALL), 12);
	assert_memory_equal(c, "<0123456789>", 12);
	if (!TransmitFile(p.client, file, 4, 0, &ov, NULL, TF_DISCONNECT))
		assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(p.client, &ov, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(recv(p.server, c, 4, MSG_WAITALL), 4);
	assert_memory_equal(c, "3456", 4);
	assert_int_equal(recv(p.server, c, 4, 0), 0);
	close_pair(&p);
	CloseHandle(file);
	remove(path);
	WSACloseEvent(ov.hEvent);
}

static DWORD WINAPI send_all(LPVOID arg)
{
	struct pair *p = arg;

	assert_int_equal(send(p->client, big_out, BIG, 0), BIG);
	shutdown(p->client, SD_SEND);
	return 0;
}

static void test_blocking_bulk(void **state)
{
	HANDLE thread;
	struct pair p;
	size_t got = 0;
	int n;

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big_out[i] = (char)(i * 13 + (i >> 9));
	memset(big_in, 0, BIG);
	open_pair(&p);
	thread = start(send_all, &p);
	while ((n = recv(p.server, big_in + got, (int)(BIG - got), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(got, BIG);
	join(thread);
	assert_memory_equal(big_in, big_out, BIG);
	close_pair(&p);
}

static void test_options_and_ioctls(void **state)
{
	WSAPROTOCOL_INFOW info;
	char text[64];
	struct pair p;
	int value = 1, length = sizeof(value);
	DWORD bytes = 0, time = 0;
	u_long pending = 0;
	char list[4096];

	(void)state;
	open_pair(&p);
	assert_int_equal(getsockopt(p.listener, SOL_SOCKET, SO_ACCEPTCONN, (char *)&value, &length),
			 0);
	assert_int_equal(value, 1);
	length = sizeof(text);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_OPENWSD_PATH, text, &length), 0);
	assert_true(strlen(text) > 0);
	length = sizeof(info);
	assert_int_equal(
		getsockopt(p.client, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length), 0);
	assert_int_equal(info.iAddressFamily, AF_INET);
	length = sizeof(time);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_CONNECT_TIME, (char *)&time, &length),
			 0);
	assert_true(time < 100);
	length = 3;
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_TYPE, (char *)&value, &length),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_int_equal(send(p.client, "four", 4, 0), 4);
	while (pending < 4) /* FIONREAD makes no progress by itself; asking does */
		assert_int_equal(ioctlsocket(p.server, (int)FIONREAD, &pending), 0);
	assert_int_equal(
		WSAIoctl(p.client, SIO_ADDRESS_LIST_QUERY, NULL, 0, list, 1, &bytes, NULL, NULL),
		SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_true(bytes > 1);
	assert_int_equal(WSAIoctl(p.client, SIO_ADDRESS_LIST_QUERY, NULL, 0, list, sizeof(list),
				  &bytes, NULL, NULL),
			 0);
	assert_true(((SOCKET_ADDRESS_LIST *)(void *)list)->iAddressCount > 0);
	close_pair(&p);
}

/* The data of a socket that was closed gracefully arrives although its process has nothing more to
 * say, and sockets that are open at the last cleanup are gone. */
static void test_cleanup_with_open_sockets(void **state)
{
	WSAOVERLAPPED ov = { .hEvent = NULL };
	WSABUF buffer = { 4, big_in };
	WSADATA data;
	DWORD flags = 0;
	struct pair p;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov, NULL), SOCKET_ERROR);
	assert_int_equal(WSACleanup(), 0);
	assert_int_equal(ov.OffsetHigh, WSA_OPERATION_ABORTED);
	assert_int_equal(send(p.client, "x", 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSANOTINITIALISED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(send(p.client, "x", 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	open_pair(&p);
	close_pair(&p);
}

/* --- a thread that ends with completion routines that never run --- */

static SOCKET routine_socket;
static atomic_int routines_run;

static void CALLBACK count_only(DWORD error, DWORD bytes, LPWSAOVERLAPPED ov, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)ov;
	(void)flags;
	atomic_fetch_add(&routines_run, 1);
}

/* The second routine comes up in here and is kept until this one returns, which never happens. */
static void CALLBACK end_thread(DWORD error, DWORD bytes, LPWSAOVERLAPPED ov, DWORD flags)
{
	count_only(error, bytes, ov, flags);
	while (SleepEx(5000, TRUE) != WAIT_IO_COMPLETION)
		;
	ExitThread(0);
}

static WSAOVERLAPPED routine_ov[2];

static void receive_two(LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	static char bytes[2];

	memset(routine_ov, 0, sizeof(routine_ov));
	for (int i = 0; i < 2; i++) {
		WSABUF buffer = { 1, &bytes[i] };
		DWORD flags = 0;

		assert_true(WSARecv(routine_socket, &buffer, 1, NULL, &flags, &routine_ov[i],
				    routine) == 0 ||
			    WSAGetLastError() == WSA_IO_PENDING);
	}
}

static DWORD WINAPI end_in_routine(LPVOID arg)
{
	(void)arg;
	receive_two(end_thread);
	while (SleepEx(5000, TRUE) != WAIT_IO_COMPLETION)
		;
	return 1; /* never: the first routine does not return */
}

/* The operations end in time, the thread does not wait for the routines. */
static DWORD WINAPI end_before_routine(LPVOID arg)
{
	DWORD bytes, flags;

	(void)arg;
	receive_two(count_only);
	for (int i = 0; i < 2; i++) {
		while (!WSAGetOverlappedResult(routine_socket, &routine_ov[i], &bytes, FALSE,
					       &flags))
			SleepEx(1, FALSE);
	}
	return 0;
}

/* The operations end when the thread has. */
static DWORD WINAPI end_before_data(LPVOID arg)
{
	(void)arg;
	receive_two(count_only);
	return 0;
}

/* Nothing of the socket is left: its port is free. */
static void expect_end(struct pair *p, const struct sockaddr_in *at)
{
	SOCKET s = new_socket();
	struct sockaddr_in any = *at;

	close_pair(p);
	any.sin_addr.s_addr = htonl(INADDR_ANY);
	/* The connection ends in the background; the deadline of the program tells when it does not. */
	while (bind(s, (struct sockaddr *)&any, sizeof(any)) != 0)
		SleepEx(5, FALSE);
	assert_int_equal(closesocket(s), 0);
}

static void end_thread_with_routines(LPTHREAD_START_ROUTINE run, bool data_first, int expected)
{
	struct sockaddr_in at;
	int length = sizeof(at);
	HANDLE thread;
	struct pair p;

	atomic_store(&routines_run, 0);
	open_pair(&p);
	routine_socket = p.client;
	assert_int_equal(getsockname(p.client, (struct sockaddr *)&at, &length), 0);
	thread = start(run, NULL);
	if (data_first)
		assert_int_equal(send(p.server, "ab", 2, 0), 2);
	join(thread);
	if (!data_first)
		assert_int_equal(send(p.server, "ab", 2, 0), 2);
	assert_int_equal(atomic_load(&routines_run), expected);
	expect_end(&p, &at);
	assert_int_equal(atomic_load(&routines_run), expected);
}

static void test_thread_ends_in_routine(void **state)
{
	(void)state;
	end_thread_with_routines(end_in_routine, true, 1);
}

static void test_thread_ends_before_routine(void **state)
{
	(void)state;
	end_thread_with_routines(end_before_routine, true, 0);
}

static void test_thread_ends_before_data(void **state)
{
	(void)state;
	end_thread_with_routines(end_before_data, false, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_condition_function),
		cmocka_unit_test(test_close_wakes_a_blocked_receive),
		cmocka_unit_test(test_receive_timeout),
		cmocka_unit_test(test_select_over_sockets),
		cmocka_unit_test(test_urgent_byte),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_refused_then_accepted),
		cmocka_unit_test(test_transmit_file),
		cmocka_unit_test(test_blocking_bulk),
		cmocka_unit_test(test_options_and_ioctls),
		cmocka_unit_test(test_thread_ends_in_routine),
		cmocka_unit_test(test_thread_ends_before_routine),
		cmocka_unit_test(test_thread_ends_before_data),
		cmocka_unit_test(test_cleanup_with_open_sockets),
	};
	WSADATA data;
	int failed;

	test_deadline(60);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

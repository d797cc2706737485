// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_winsock_stream.c - provider/winsock over a real backend (WSD_BACKENDS), both ends in one
 * process: events, overlapped operations, extension functions.
 */
#include "tests/unit/winsock_pair.h"

static char big_out[BIG], big_in[BIG];

static void test_events_of_a_connection(void **state)
{
	WSAEVENT event = WSACreateEvent(), listening = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), client = new_socket(), server;
	u_long blocking = 0;
	char bytes[8];
	long seen = 0;

	(void)state;
	assert_int_equal(WSAEventSelect(listener, listening, FD_ACCEPT), 0);
	assert_int_equal(WSAEventSelect(client, event, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE),
			 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	wait_event(listening);
	assert_int_equal(fetch(listener, listening, &events), FD_ACCEPT);
	server = accept(listener, NULL, NULL);
	assert_true(server != INVALID_SOCKET);
	assert_int_equal(WSAEventSelect(server, NULL, 0), 0);
	assert_int_equal(ioctlsocket(server, FIONBIO, &blocking), 0);
	while (seen != (FD_CONNECT | FD_WRITE)) {
		wait_event(event);
		seen |= fetch(client, event, &events);
		assert_int_equal(events.iErrorCode[FD_CONNECT_BIT], 0);
	}
	assert_int_equal(send(server, "abcd", 4, 0), 4);
	wait_event(event);
	assert_int_equal(fetch(client, event, &events), FD_READ);
	assert_int_equal(recv(client, bytes, 2, 0), 2);
	wait_event(event); /* two bytes are left */
	assert_int_equal(fetch(client, event, &events), FD_READ);
	assert_int_equal(recv(client, bytes, 8, 0), 2);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(shutdown(server, SD_SEND), 0);
	wait_event(event);
	assert_int_equal(fetch(client, event, &events), FD_CLOSE);
	assert_int_equal(events.iErrorCode[FD_CLOSE_BIT], 0);
	assert_int_equal(recv(client, bytes, 8, 0), 0);
	assert_int_equal(closesocket(client), 0);
	assert_int_equal(closesocket(server), 0);
	assert_int_equal(closesocket(listener), 0);
	WSACloseEvent(event);
	WSACloseEvent(listening);
}

static void test_write_event_after_wouldblock(void **state)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct pair p;
	size_t sent = 0, got = 0;
	int n;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSAEventSelect(p.client, event, FD_WRITE), 0);
	wait_event(event);
	assert_int_equal(fetch(p.client, event, &events), FD_WRITE);
	while ((n = send(p.client, big_out, 65536, 0)) > 0)
		sent += (size_t)n;
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	while (got < sent) {
		n = recv(p.server, big_in, sizeof(big_in), 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
	wait_event(event);
	assert_int_equal(fetch(p.client, event, &events), FD_WRITE);
	close_pair(&p);
	WSACloseEvent(event);
}

static void test_overlapped_both_ways(void **state)
{
	WSAOVERLAPPED out = { .hEvent = WSACreateEvent() }, in = { .hEvent = WSACreateEvent() };
	WSABUF send_buffer = { BIG, big_out }, recv_buffer = { BIG, big_in };
	DWORD bytes, flags = MSG_WAITALL;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big_out[i] = (char)(i * 7 + (i >> 8));
	memset(big_in, 0, BIG);
	open_pair(&p);
	bytes = 0x5eed;
	assert_int_equal(WSARecv(p.server, &recv_buffer, 1, &bytes, &flags, &in, NULL),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(bytes, 0x5eed);
	if (WSASend(p.client, &send_buffer, 1, &bytes, 0, &out, NULL) != 0)
		assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(p.server, &in, &bytes), 0);
	assert_int_equal(bytes, BIG);
	assert_int_equal(result_of(p.client, &out, &bytes), 0);
	assert_int_equal(bytes, BIG);
	assert_memory_equal(big_in, big_out, BIG);
	close_pair(&p);
	WSACloseEvent(in.hEvent);
	WSACloseEvent(out.hEvent);
}

static void test_close_aborts_operations(void **state)
{
	HANDLE port;
	WSAOVERLAPPED ov[3], *done;
	WSABUF buffer = { 16, big_in };
	DWORD flags = 0, bytes;
	ULONG_PTR key;
	struct pair p;

	(void)state;
	memset(ov, 0, sizeof(ov));
	open_pair(&p);
	port = CreateIoCompletionPort((HANDLE)p.server, NULL, 42, 0);
	assert_non_null(port);
	for (int i = 0; i < 3; i++)
		assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov[i], NULL),
				 SOCKET_ERROR);
	assert_int_equal(send(p.client, "x", 1, 0), 1);
	assert_true(GetQueuedCompletionStatus(port, &bytes, &key, &done, 5000));
	assert_ptr_equal(done, &ov[0]);
	assert_int_equal(bytes, 1);
	assert_int_equal(closesocket(p.server), 0);
	for (int i = 1; i < 3; i++) {
		assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &done, 5000));
		assert_ptr_equal(done, &ov[i]);
		assert_int_equal(ov[i].OffsetHigh, WSA_OPERATION_ABORTED);
	}
	assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &done, 0));
	assert_null(done); /* each once */
	assert_int_equal(recv(p.server, big_in, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	closesocket(p.client);
	closesocket(p.listener);
	CloseHandle(port);
}

static DWORD routine_error, routine_bytes;
static int routine_calls;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED ov, DWORD flags)
{
	(void)ov;
	(void)flags;
	routine_error = error;
	routine_bytes = bytes;
	routine_calls++;
}

static void test_routine_runs_in_alertable_wait(void **state)
{
	WSAOVERLAPPED ov = { 0 };
	WSABUF buffer = { 16, big_in };
	DWORD flags = 0;
	struct pair p;

	(void)state;
	open_pair(&p);
	routine_calls = 0;
	assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov, routine), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(send(p.client, "hello", 5, 0), 5);
	assert_int_equal(SleepEx(5000, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(routine_calls, 1);
	assert_int_equal(routine_error, 0);
	assert_int_equal(routine_bytes, 5);
	close_pair(&p);
}

/* On Windows no library exports it. */
static LPFN_CONNECTEX connect_ex(SOCKET s)
{
	LPFN_CONNECTEX function = NULL;
	GUID id = WSAID_CONNECTEX;
	DWORD bytes;

	assert_int_equal(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function,
				  sizeof(function), &bytes, NULL, NULL),
			 0);
	return function;
}

static void accept_ex(DWORD receive)
{
	char buffer[256];
	struct sockaddr_in at;
	struct sockaddr *local, *remote;
	SOCKET listener = new_listener(&at), accepted = new_socket(), client = new_socket();
	WSAOVERLAPPED ov = { .hEvent = WSACreateEvent() }, cv = { .hEvent = WSACreateEvent() };
	struct sockaddr_in any = { .sin_family = AF_INET };
	int local_length, remote_length;
	DWORD bytes = 0;

	assert_false(AcceptEx(listener, accepted, buffer, receive, 32, 32, &bytes, &ov));
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(bind(client, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_false(connect_ex(client)(client, (struct sockaddr *)&at, sizeof(at),
					(PVOID)(uintptr_t) "first", 5, &bytes, &cv));
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(client, &cv, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(result_of(listener, &ov, &bytes), 0);
	assert_int_equal(bytes, receive > 0 ? 5 : 0);
	GetAcceptExSockaddrs(buffer, receive, 32, 32, &local, &local_length, &remote,
			     &remote_length);
	assert_int_equal(local_length, 16);
	assert_int_equal(((struct sockaddr_in *)(void *)local)->sin_port, at.sin_port);
	assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
				    (char *)&listener, sizeof(listener)),
			 0);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0), 0);
	if (receive == 0)
		assert_int_equal(recv(accepted, buffer, 5, MSG_WAITALL), 5);
	assert_memory_equal(buffer, "first", 5);
	assert_int_equal(send(accepted, "back", 4, 0), 4);
	assert_int_equal(recv(client, buffer, 4, MSG_WAITALL), 4);
	closesocket(client);
	closesocket(accepted);
	closesocket(listener);
	WSACloseEvent(ov.hEvent);
	WSACloseEvent(cv.hEvent);
}

static void test_accept_ex(void **state)
{
	(void)state;
	accept_ex(0);
	accept_ex(64);
}

/* An AcceptEx that has its connection but waits for data ends with the listener. */
static void test_listener_close_ends_parked_accept(void **state)
{
	char buffer[256];
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), accepted = new_socket(), client = new_socket();
	WSAOVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes = 0;

	(void)state;
	assert_false(AcceptEx(listener, accepted, buffer, 64, 32, 32, &bytes, &ov));
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(closesocket(listener), 0);
	wait_event(ov.hEvent);
	assert_int_equal(ov.OffsetHigh, WSA_OPERATION_ABORTED);
	closesocket(accepted);
	closesocket(client);
	WSACloseEvent(ov.hEvent);
}

static void test_disconnect_and_reuse(void **state)
{
	LPFN_DISCONNECTEX disconnect_ex;
	GUID id = WSAID_DISCONNECTEX;
	struct pair p;
	DWORD bytes;
	char c;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSAIoctl(p.client, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
				  &disconnect_ex, sizeof(disconnect_ex), &bytes, NULL, NULL),
			 0);
	assert_int_equal(shutdown(p.server, SD_SEND), 0);
	assert_int_equal(recv(p.client, &c, 1, 0), 0);
	assert_true(disconnect_ex(p.client, NULL, TF_REUSE_SOCKET, 0));
	assert_int_equal(recv(p.server, &c, 1, 0), 0);
	closesocket(p.server);
	assert_int_equal(connect(p.client, (struct sockaddr *)&p.at, sizeof(p.at)), 0);
	p.server = accept(p.listener, NULL, NULL);
	assert_true(p.server != INVALID_SOCKET);
	assert_int_equal(send(p.client, "y", 1, 0), 1);
	assert_int_equal(recv(p.server, &c, 1, 0), 1);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_a_connection),
		cmocka_unit_test(test_write_event_after_wouldblock),
		cmocka_unit_test(test_overlapped_both_ways),
		cmocka_unit_test(test_close_aborts_operations),
		cmocka_unit_test(test_routine_runs_in_alertable_wait),
		cmocka_unit_test(test_accept_ex),
		cmocka_unit_test(test_listener_close_ends_parked_accept),
		cmocka_unit_test(test_disconnect_and_reuse),
	};
	WSADATA data;
	int failed;

	test_deadline(60);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

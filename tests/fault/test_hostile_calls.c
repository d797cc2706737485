// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_hostile_calls.c - what a careless or hostile caller may pass: wrong descriptors, NULL and short
 * buffers, absurd counts and lengths, unknown flags, handles of another kind. Each call fails with the
 * documented code and the connection that was abused still carries bytes.
 */
#include "tests/unit/winsock_pair.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILS(call, code)                                                               \
	do {                                                                            \
		WSASetLastError(0);                                                     \
		if ((intptr_t)(call) != SOCKET_ERROR || WSAGetLastError() != (code))    \
			fail_msg("line %d: %s: last error %d, not %d", __LINE__, #call, \
				 WSAGetLastError(), (code));                            \
	} while (0)
#define REFUSED(call, code)                                                             \
	do {                                                                            \
		WSASetLastError(0);                                                     \
		if ((call) || WSAGetLastError() != (code))                              \
			fail_msg("line %d: %s: last error %d, not %d", __LINE__, #call, \
				 WSAGetLastError(), (code));                            \
	} while (0)

static struct pair p;

static void still_works(void)
{
	u_long off = 0;
	char byte = 42;

	assert_int_equal(WSAEventSelect(p.server, NULL, 0), 0);
	assert_int_equal(ioctlsocket(p.server, FIONBIO, &off), 0);
	assert_int_equal(send(p.client, &byte, 1, 0), 1);
	byte = 0;
	assert_int_equal(recv(p.server, &byte, 1, 0), 1);
	assert_int_equal(byte, 42);
}

/* Every call that takes a descriptor, with one that is no socket. */
static void no_socket(SOCKET s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(1) };
	struct timeval at_once = { 0, 0 };
	struct sockaddr *name = (struct sockaddr *)&at;
	int length = sizeof(at), value = 0;
	WSAOVERLAPPED ov = { .hEvent = NULL };
	WSANETWORKEVENTS events;
	WSAPROTOCOL_INFOW info;
	WSABUF buffer = { 4, (char *)&value };
	WSAPOLLFD fd = { s, POLLRDNORM, 0 };
	WSAEVENT event = WSACreateEvent();
	char room[256];
	DWORD n, flags = 0;
	fd_set set;

	FAILS(bind(s, name, length), WSAENOTSOCK);
	FAILS(listen(s, 1), WSAENOTSOCK);
	FAILS(accept(s, NULL, NULL), WSAENOTSOCK);
	FAILS(connect(s, name, length), WSAENOTSOCK);
	FAILS(WSAConnect(s, name, length, NULL, NULL, NULL, NULL), WSAENOTSOCK);
	FAILS(send(s, room, 1, 0), WSAENOTSOCK);
	FAILS(recv(s, room, 1, 0), WSAENOTSOCK);
	FAILS(WSASend(s, &buffer, 1, &n, 0, NULL, NULL), WSAENOTSOCK);
	FAILS(WSASend(s, &buffer, 1, &n, 0, &ov, NULL), WSAENOTSOCK);
	FAILS(WSARecv(s, &buffer, 1, &n, &flags, NULL, NULL), WSAENOTSOCK);
	FAILS(WSARecv(s, &buffer, 1, &n, &flags, &ov, NULL), WSAENOTSOCK);
	FAILS(shutdown(s, SD_BOTH), WSAENOTSOCK);
	FAILS(closesocket(s), WSAENOTSOCK);
	FAILS(getsockname(s, name, &length), WSAENOTSOCK);
	FAILS(getpeername(s, name, &length), WSAENOTSOCK);
	FAILS(getsockopt(s, SOL_SOCKET, SO_ERROR, room, &length), WSAENOTSOCK);
	FAILS(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, room, 4), WSAENOTSOCK);
	FAILS(ioctlsocket(s, FIONREAD, (u_long *)room), WSAENOTSOCK);
	FAILS(WSAEventSelect(s, event, FD_READ), WSAENOTSOCK);
	FAILS(WSAEnumNetworkEvents(s, event, &events), WSAENOTSOCK);
	FAILS(WSADuplicateSocketW(s, GetCurrentProcessId(), &info), WSAENOTSOCK);
	REFUSED(WSAGetOverlappedResult(s, &ov, &n, FALSE, &flags), WSAENOTSOCK);
	FD_ZERO(&set);
	FD_SET(s, &set);
	FAILS(select(0, &set, NULL, NULL, &at_once), WSAENOTSOCK);
	assert_int_equal(WSAPoll(&fd, 1, 0), s == INVALID_SOCKET ? 0 : 1);
	if (s != INVALID_SOCKET)
		assert_int_equal(fd.revents, POLLNVAL);
	REFUSED(CreateIoCompletionPort((HANDLE)s, NULL, 0, 0) != NULL && s != INVALID_SOCKET,
		s == INVALID_SOCKET ? 0 : ERROR_INVALID_HANDLE);
	WSACloseEvent(event);
}

static void test_descriptors(void **state)
{
	WSAEVENT event = WSACreateEvent();
	SOCKET closed = new_socket();

	(void)state;
	closesocket(closed);
	no_socket(closed);
	no_socket((SOCKET)event);
	no_socket(0);
	no_socket(1);
	no_socket((SOCKET)dup(STDERR_FILENO));
	no_socket(0x7FFFFFFC);
	no_socket((SOCKET)(uintptr_t)&closed);
	no_socket(p.client + 1); /* the low bits mean nothing */
	WSACloseEvent(event);
	no_socket((SOCKET)event);
	still_works();
}

static void test_handles(void **state)
{
	HANDLE bad[] = { NULL, INVALID_HANDLE_VALUE, (HANDLE)p.client, (HANDLE)(uintptr_t)12345,
			 (HANDLE)&p };
	ULONG_PTR key;
	LPOVERLAPPED got;
	DWORD n;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		REFUSED(WSASetEvent(bad[i]), WSA_INVALID_HANDLE);
		REFUSED(WSAResetEvent(bad[i]), WSA_INVALID_HANDLE);
		REFUSED(WSACloseEvent(bad[i]), WSA_INVALID_HANDLE);
		REFUSED(WSAWaitForMultipleEvents(1, &bad[i], FALSE, 0, FALSE) != WSA_WAIT_FAILED,
			WSA_INVALID_HANDLE);
		REFUSED(GetQueuedCompletionStatus(bad[i], &n, &key, &got, 0), ERROR_INVALID_HANDLE);
		REFUSED(PostQueuedCompletionStatus(bad[i], 0, 0, NULL), ERROR_INVALID_HANDLE);
	}
	REFUSED(WSAWaitForMultipleEvents(0, bad, FALSE, 0, FALSE) != WSA_WAIT_FAILED,
		WSA_INVALID_PARAMETER);
	REFUSED(WSAWaitForMultipleEvents(WSA_MAXIMUM_WAIT_EVENTS + 1, bad, FALSE, 0, FALSE) !=
			WSA_WAIT_FAILED,
		WSA_INVALID_PARAMETER);
	still_works();
}

static void test_null_and_short(void **state)
{
	struct sockaddr_in at = p.at;
	struct sockaddr *name = (struct sockaddr *)&at;
	WSAOVERLAPPED ov = { .hEvent = NULL };
	WSABUF hole = { 4, NULL }, buffer = { 4, (char *)&at };
	SOCKET fresh = new_socket();
	int length = sizeof(at), small = sizeof(at) - 1, negative = -1, two = 2;
	DWORD n, flags = 0;
	char room[64];

	(void)state;
	FAILS(bind(fresh, NULL, length), WSAEFAULT);
	FAILS(bind(fresh, name, small), WSAEFAULT);
	FAILS(bind(fresh, name, -1), WSAEFAULT);
	FAILS(connect(fresh, NULL, length), WSAEFAULT);
	FAILS(connect(fresh, name, small), WSAEFAULT);
	FAILS(connect(fresh, name, 0), WSAEFAULT);
	FAILS(accept(p.listener, name, NULL), WSAEFAULT);
	FAILS(accept(p.listener, name, &small), WSAEFAULT);
	FAILS(accept(p.listener, name, &negative), WSAEFAULT);
	FAILS(getsockname(p.client, NULL, &length), WSAEFAULT);
	FAILS(getsockname(p.client, name, NULL), WSAEFAULT);
	FAILS(getsockname(p.client, name, &small), WSAEFAULT);
	FAILS(getpeername(p.client, name, &negative), WSAEFAULT);
	FAILS(send(p.client, NULL, 4, 0), WSAEFAULT);
	FAILS(recv(p.client, NULL, 4, 0), WSAEFAULT);
	FAILS(WSASend(p.client, NULL, 1, &n, 0, NULL, NULL), WSAEFAULT);
	FAILS(WSASend(p.client, &hole, 1, &n, 0, NULL, NULL), WSAEFAULT);
	FAILS(WSASend(p.client, &hole, 1, &n, 0, &ov, NULL), WSAEFAULT);
	FAILS(WSASend(p.client, &buffer, 1, NULL, 0, NULL, NULL), WSAEFAULT);
	FAILS(WSARecv(p.client, NULL, 1, &n, &flags, NULL, NULL), WSAEFAULT);
	FAILS(WSARecv(p.client, &hole, 1, &n, &flags, &ov, NULL), WSAEFAULT);
	FAILS(WSARecv(p.client, &buffer, 1, NULL, &flags, NULL, NULL), WSAEFAULT);
	FAILS(WSARecv(p.client, &buffer, 1, &n, NULL, NULL, NULL), WSAEFAULT);
	FAILS(getsockopt(p.client, SOL_SOCKET, SO_ERROR, NULL, &length), WSAEFAULT);
	FAILS(getsockopt(p.client, SOL_SOCKET, SO_ERROR, room, NULL), WSAEFAULT);
	FAILS(getsockopt(p.client, SOL_SOCKET, SO_RCVBUF, room, &two), WSAEFAULT);
	FAILS(getsockopt(p.client, SOL_SOCKET, SO_RCVBUF, room, &negative), WSAEFAULT);
	FAILS(setsockopt(p.client, SOL_SOCKET, SO_RCVBUF, NULL, 4), WSAEFAULT);
	FAILS(setsockopt(p.client, SOL_SOCKET, SO_RCVBUF, room, 2), WSAEFAULT);
	FAILS(setsockopt(p.client, SOL_SOCKET, SO_LINGER, room, -1), WSAEFAULT);
	FAILS(ioctlsocket(p.client, FIONREAD, NULL), WSAEFAULT);
	FAILS(WSAIoctl(p.client, FIONREAD, NULL, 0, room, 2, &n, NULL, NULL), WSAEFAULT);
	FAILS(WSAIoctl(p.client, FIONREAD, NULL, 0, room, 4, NULL, NULL, NULL), WSAEFAULT);
	FAILS(WSAEnumNetworkEvents(p.client, NULL, NULL), WSAEFAULT);
	REFUSED(WSAGetOverlappedResult(p.client, NULL, &n, FALSE, &flags), WSAEFAULT);
	REFUSED(WSAGetOverlappedResult(p.client, &ov, NULL, FALSE, &flags), WSAEFAULT);
	REFUSED(WSAGetOverlappedResult(p.client, &ov, &n, FALSE, NULL), WSAEFAULT);
	FAILS(select(0, NULL, NULL, NULL, NULL), WSAEINVAL);
	FAILS(WSAPoll(NULL, 1, 0), WSAEFAULT);
	closesocket(fresh);
	still_works();
}

static void test_flags_and_families(void **state)
{
	struct sockaddr_in at = p.at;
	struct sockaddr *name = (struct sockaddr *)&at;
	WSAEVENT event = WSACreateEvent();
	WSABUF buffer = { 4, (char *)&at };
	SOCKET fresh = new_socket();
	char room[64];
	int length = sizeof(room);
	DWORD n, flags = 0x80000000u;

	(void)state;
	FAILS(WSASocketW(12345, SOCK_STREAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT);
	FAILS(WSASocketW(AF_INET, 99, 0, NULL, 0, 0), WSAESOCKTNOSUPPORT);
	FAILS(WSASocketW(AF_INET, SOCK_STREAM, 99, NULL, 0, 0), WSAEPROTONOSUPPORT);
	FAILS(WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, 0x8000000), WSAEINVAL);
	at.sin_family = AF_INET6;
	FAILS(connect(fresh, name, sizeof(at)), WSAEAFNOSUPPORT);
	at.sin_family = 12345;
	FAILS(connect(fresh, name, sizeof(at)), WSAEAFNOSUPPORT);
	FAILS(bind(fresh, name, sizeof(at)), WSAEFAULT);
	FAILS(send(p.client, room, 1, 0x4000), WSAEOPNOTSUPP);
	FAILS(recv(p.client, room, 1, 0x4000), WSAEOPNOTSUPP);
	FAILS(WSARecv(p.client, &buffer, 1, &n, &flags, NULL, NULL), WSAEOPNOTSUPP);
	FAILS(shutdown(p.client, 3), WSAEINVAL);
	FAILS(shutdown(p.client, -1), WSAEINVAL);
	FAILS(getsockopt(p.client, SOL_SOCKET, 0x7777, room, &length), WSAENOPROTOOPT);
	FAILS(setsockopt(p.client, SOL_SOCKET, 0x7777, room, 4), WSAENOPROTOOPT);
	FAILS(setsockopt(p.client, 0x7777, SO_RCVBUF, room, 4), WSAEINVAL);
	FAILS(WSAIoctl(p.client, 0x12345678, NULL, 0, NULL, 0, &n, NULL, NULL), WSAEINVAL);
	FAILS(WSAEventSelect(p.client, event, 0x100000), WSAEINVAL);
	FAILS(WSAEventSelect(p.client, NULL, FD_READ), WSAEINVAL);
	FAILS(listen(p.client, 5), WSAEISCONN);
	FAILS(accept(p.client, NULL, NULL), WSAEINVAL);
	FAILS(send(p.listener, room, 1, 0), WSAENOTCONN);
	FAILS(recv(fresh, room, 1, 0), WSAENOTCONN);
	closesocket(fresh);
	WSACloseEvent(event);
	still_works();
}

#define MANY 1000u

static void test_buffer_counts(void **state)
{
	static char out[MANY * 3], in[MANY * 3];
	static WSABUF buffers[MANY + 100];
	DWORD n, flags = 0, got = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		buffers[i] = (WSABUF){ i % 4, out + 3 * i };
	memset(out, 7, sizeof(out));
	FAILS(WSASend(p.client, buffers, 0, &n, 0, NULL, NULL), WSAEINVAL);
	FAILS(WSARecv(p.server, buffers, 0, &n, &flags, NULL, NULL), WSAEINVAL);
	assert_int_equal(WSASend(p.client, buffers, MANY, &n, 0, NULL, NULL), 0);
	assert_int_equal(n, MANY / 4 * 6);
	for (unsigned i = 0; i < MANY; i++)
		buffers[i] = (WSABUF){ (i + 2) % 4, in + 3 * i };
	while (got < MANY / 4 * 6) {
		flags = 0;
		assert_int_equal(WSARecv(p.server, buffers, MANY, &n, &flags, NULL, NULL), 0);
		assert_true(n > 0);
		got += n;
	}
	assert_int_equal(got, MANY / 4 * 6);
	FAILS(WSASend(p.client, buffers, 0xFFFFFFFFu, &n, 0, NULL, NULL), WSAENOBUFS);
	buffers[0] = buffers[1] = (WSABUF){ 0xFFFFFFFFu, out };
	FAILS(WSASend(p.client, buffers, 2, &n, 0, NULL, NULL), WSAEINVAL);
	FAILS(WSARecv(p.server, buffers, 2, &n, &flags, NULL, NULL), WSAEINVAL);
	assert_int_equal(send(p.client, out, 0, 0), 0);
	still_works();
	assert_int_equal(send(p.client, out, 5, 0), 5);
	assert_int_equal(recv(p.server, in, 0, 0), 0);
	assert_int_equal(recv(p.server, in, 5, MSG_WAITALL), 5);
}

/* The event of an overlapped call is no event, or is closed while the call is pending. */
static void test_overlapped_events(void **state)
{
	char byte = 1, got[2] = { 0 };
	WSABUF buffer = { 1, got };
	WSAOVERLAPPED ov = { .hEvent = (HANDLE)p.client };
	DWORD n, flags = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		if (round == 1)
			ov.hEvent = (HANDLE)(uintptr_t)0xDEADBEE0u;
		if (round == 2)
			ov.hEvent = WSACreateEvent();
		FAILS(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov, NULL), WSA_IO_PENDING);
		if (round == 2)
			WSACloseEvent(ov.hEvent);
		REFUSED(WSAGetOverlappedResult(p.server, &ov, &n, TRUE, &flags),
			WSA_INVALID_HANDLE);
		assert_int_equal(send(p.client, &byte, 1, 0), 1);
		while (!HasOverlappedIoCompleted(&ov))
			SleepEx(1, FALSE);
		assert_true(WSAGetOverlappedResult(p.server, &ov, &n, FALSE, &flags));
		assert_int_equal(n, 1);
	}
	still_works();
}

static WSAOVERLAPPED left_behind;

/* Runs after the library's own work at exit, because it was registered before WSAStartup. */
static void look_at_exit(void)
{
	_exit(HasOverlappedIoCompleted(&left_behind) ? 1 : 0);
}

/* An OVERLAPPED may have stood on the stack of main: at exit nothing of the program is written. */
static void test_pending_at_exit(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		static char byte;
		WSABUF buffer = { 1, &byte };
		struct pair own;
		DWORD flags = 0;
		WSADATA data;

		atexit(look_at_exit);
		if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
			_exit(2);
		open_pair(&own);
		if (WSARecv(own.server, &buffer, 1, NULL, &flags, &left_behind, NULL) !=
		    SOCKET_ERROR)
			_exit(3);
		exit(4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int start(void **state)
{
	WSADATA data;

	(void)state;
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return -1;
	open_pair(&p);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	close_pair(&p);
	return WSACleanup();
}

int main(void)
{
	const struct CMUnitTest at_exit[] = { cmocka_unit_test(test_pending_at_exit) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),    cmocka_unit_test(test_handles),
		cmocka_unit_test(test_null_and_short), cmocka_unit_test(test_flags_and_families),
		cmocka_unit_test(test_buffer_counts),  cmocka_unit_test(test_overlapped_events),
	};

	test_deadline(60);
	/* First: its child must not come from a process with threads. */
	if (cmocka_run_group_tests_name("at exit", at_exit, NULL, NULL) != 0)
		return 1;
	return cmocka_run_group_tests_name("hostile_calls", tests, start, stop);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_host_fork.c - fork and exit: a child's handles are dead, it can start afresh, its exit is its own;
 * a normal exit of the process that started reaches the provider.
 */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spi_shim/linux/handle.h"
#include "tests/unit/test_host_fake.h"

static pid_t original;
static int wanted_exits = -1;

/* Registered before WSAStartup, so it runs after the shim's own handler. */
static void check_exits(void)
{
	if (wanted_exits >= 0)
		_exit(atomic_load(&fake.exits) == wanted_exits ? 0 : 99);
}

static SOCKET sock;
static HANDLE event, port;

static int start(void **state)
{
	WSADATA data;

	(void)state;
	fake_reset();
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	event = WSACreateEvent();
	port = CreateIoCompletionPort((HANDLE)sock, NULL, 1, 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(getpid(), original);
	assert_int_equal(closesocket(sock), 0);
	assert_true(CloseHandle(port));
	assert_true(CloseHandle(event));
	return WSACleanup();
}

/* The exit status of a child that runs body. */
static int in_child(int (*body)(void))
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (child == 0)
		exit(body());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define CHECK(condition)                          \
	do {                                      \
		if (!(condition))                 \
			_exit(__LINE__ % 90 + 1); \
	} while (0)

static int handles_are_dead(void)
{
	char byte = 0;

	wanted_exits = 0;
	CHECK(atomic_load(&fake.forks) == 1);
	CHECK(send(sock, &byte, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
	CHECK(closesocket(sock) == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
	CHECK(WSACreateEvent() == NULL && WSAGetLastError() == WSANOTINITIALISED);
	CHECK(WSACleanup() == SOCKET_ERROR && WSAGetLastError() == WSANOTINITIALISED);
	CHECK(!SetEvent(event) && GetLastError() == ERROR_INVALID_HANDLE);
	CHECK(!CloseHandle(port) && GetLastError() == ERROR_INVALID_HANDLE);
	CHECK(wsd_object_open_count() == 0);
	return 0;
}

static int starts_afresh(void)
{
	WSADATA data;
	HANDLE fresh;
	SOCKET s;

	wanted_exits = 1;
	CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
	s = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(s != INVALID_SOCKET && s != sock);
	CHECK(closesocket(sock) == SOCKET_ERROR && WSAGetLastError() == WSAENOTSOCK);
	fresh = WSACreateEvent();
	CHECK(fresh != NULL && fresh != event);
	CHECK(WaitForSingleObject(fresh, 5) == WAIT_TIMEOUT);
	CHECK(SleepEx(1, TRUE) == 0);
	CHECK(closesocket(s) == 0);
	return 0;
}

static int win32_works_at_once(void)
{
	HANDLE fresh = CreateEventA(NULL, FALSE, TRUE, NULL);

	wanted_exits = 0;
	CHECK(WaitForSingleObject(fresh, 0) == WAIT_OBJECT_0);
	CHECK(CloseHandle(fresh));
	return 0;
}

static void test_handles_of_the_parent_are_dead_in_the_child(void **state)
{
	(void)state;
	assert_int_equal(in_child(handles_are_dead), 0);
	assert_int_equal(atomic_load(&fake.forks), 0);
	assert_true(SetEvent(event));
	ResetEvent(event);
}

static void test_child_starts_afresh(void **state)
{
	(void)state;
	assert_int_equal(in_child(starts_afresh), 0);
	assert_int_equal(in_child(win32_works_at_once), 0);
}

static HANDLE busy_stop;

/* Holds every lock of the shim now and then. */
static DWORD WINAPI be_busy(LPVOID arg)
{
	LPOVERLAPPED overlapped;
	ULONG_PTR key;
	DWORD bytes;

	(void)arg;
	while (WaitForSingleObject(busy_stop, 0) == WAIT_TIMEOUT) {
		HANDLE one = WSACreateEvent();

		PostQueuedCompletionStatus(port, 1, 1, NULL);
		GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, 0);
		SetEvent(one);
		CloseHandle(one);
	}
	return 0;
}

static void test_fork_while_other_threads_work(void **state)
{
	HANDLE threads[2];
	int i;

	(void)state;
	busy_stop = CreateEventA(NULL, TRUE, FALSE, NULL);
	for (i = 0; i < 2; i++)
		threads[i] = CreateThread(NULL, 0, be_busy, NULL, 0, NULL);
	for (i = 0; i < 20; i++)
		assert_int_equal(in_child(starts_afresh), 0);
	SetEvent(busy_stop);
	assert_int_equal(WaitForMultipleObjects(2, threads, TRUE, 20000), WAIT_OBJECT_0);
	for (i = 0; i < 2; i++)
		CloseHandle(threads[i]);
	CloseHandle(busy_stop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_handles_of_the_parent_are_dead_in_the_child,
						start, stop),
		cmocka_unit_test_setup_teardown(test_child_starts_afresh, start, stop),
		cmocka_unit_test_setup_teardown(test_fork_while_other_threads_work, start, stop),
	};

	original = getpid();
	atexit(check_exits);
	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

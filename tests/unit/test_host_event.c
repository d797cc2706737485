// SPDX-License-Identifier: BSD-2-Clause
/* test_host_event.c - events, waits for one, any and all, pollable descriptors, threads. */
#include "tests/lib/test.h"

#include <poll.h>
#include <stdbool.h>
#include <unistd.h>

#define WSD_KEEP_HOST_POLL
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/linux/handle.h"
#include "tests/unit/test_host_fake.h"

static DWORD wait_now(HANDLE event)
{
	return WaitForSingleObject(event, 0);
}

static void test_manual_event_stays_signalled(void **state)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);

	(void)state;
	assert_int_equal(wait_now(event), WAIT_TIMEOUT);
	assert_true(SetEvent(event));
	assert_int_equal(wait_now(event), WAIT_OBJECT_0);
	assert_int_equal(wait_now(event), WAIT_OBJECT_0);
	assert_true(ResetEvent(event));
	assert_int_equal(wait_now(event), WAIT_TIMEOUT);
	assert_true(CloseHandle(event));
}

static void test_auto_event_is_consumed_by_one_wait(void **state)
{
	HANDLE event = CreateEventW(NULL, FALSE, TRUE, NULL);

	(void)state;
	assert_int_equal(wait_now(event), WAIT_OBJECT_0);
	assert_int_equal(wait_now(event), WAIT_TIMEOUT);
	assert_true(CloseHandle(event));
}

static void test_stale_event_is_an_invalid_handle(void **state)
{
	WSAEVENT event = WSACreateEvent(), both[2];

	(void)state;
	assert_true(WSACloseEvent(event));
	SetLastError(0);
	assert_false(WSACloseEvent(event));
	assert_int_equal(WSAGetLastError(), WSA_INVALID_HANDLE);
	assert_false(WSASetEvent(event));
	assert_false(WSAResetEvent(WSA_INVALID_EVENT));
	assert_int_equal(wait_now(event), WAIT_FAILED);
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
	assert_int_equal(wsd_event_fd(event), -1);
	both[0] = WSACreateEvent();
	both[1] = event;
	assert_int_equal(WSAWaitForMultipleEvents(2, both, FALSE, 0, FALSE), WSA_WAIT_FAILED);
	assert_int_equal(WSAGetLastError(), WSA_INVALID_HANDLE);
	WSACloseEvent(both[0]);
	assert_null(CreateEventA(NULL, TRUE, FALSE, "name"));
	assert_int_equal(GetLastError(), ERROR_NOT_SUPPORTED);
}

static void test_wait_any_returns_the_lowest_index(void **state)
{
	WSAEVENT events[64];
	int i;

	(void)state;
	for (i = 0; i < 64; i++)
		events[i] = WSACreateEvent();
	assert_int_equal(WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	WSASetEvent(events[63]);
	assert_int_equal(WSAWaitForMultipleEvents(64, events, FALSE, WSA_INFINITE, FALSE), 63);
	WSASetEvent(events[5]);
	assert_int_equal(WSAWaitForMultipleEvents(64, events, FALSE, 0, FALSE), 5);
	for (i = 0; i < 64; i++)
		WSACloseEvent(events[i]);
}

static void test_wait_limits(void **state)
{
	WSAEVENT events[65] = { NULL };

	(void)state;
	assert_int_equal(WSAWaitForMultipleEvents(0, events, FALSE, 0, FALSE), WSA_WAIT_FAILED);
	assert_int_equal(WSAGetLastError(), WSA_INVALID_PARAMETER);
	assert_int_equal(WSAWaitForMultipleEvents(65, events, FALSE, 0, FALSE), WSA_WAIT_FAILED);
	assert_int_equal(WSAGetLastError(), WSA_INVALID_PARAMETER);
	assert_int_equal(WSAWaitForMultipleEvents(1, NULL, FALSE, 0, FALSE), WSA_WAIT_FAILED);
	assert_int_equal(WSAGetLastError(), WSA_INVALID_PARAMETER);
	events[0] = events[1] = WSACreateEvent();
	assert_int_equal(WaitForMultipleObjects(2, events, TRUE, 0), WAIT_FAILED);
	assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
	WSACloseEvent(events[0]);
}

static void test_wait_all_takes_all_or_nothing(void **state)
{
	HANDLE events[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		events[i] = CreateEventA(NULL, i == 1, FALSE, NULL);
	SetEvent(events[0]);
	SetEvent(events[1]);
	assert_int_equal(WaitForMultipleObjects(3, events, TRUE, 0), WAIT_TIMEOUT);
	assert_int_equal(wait_now(events[0]), WAIT_OBJECT_0); /* was not consumed */
	SetEvent(events[0]);
	SetEvent(events[2]);
	assert_int_equal(WaitForMultipleObjects(3, events, TRUE, 1000), WAIT_OBJECT_0);
	assert_int_equal(wait_now(events[0]), WAIT_TIMEOUT);
	assert_int_equal(wait_now(events[1]), WAIT_OBJECT_0); /* manual */
	assert_int_equal(wait_now(events[2]), WAIT_TIMEOUT);
	for (i = 0; i < 3; i++)
		CloseHandle(events[i]);
}

static void test_timeout_takes_its_time(void **state)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
	ULONGLONG began = wsd_clock_ns();

	(void)state;
	assert_int_equal(WaitForSingleObject(event, 30), WAIT_TIMEOUT);
	assert_true(wsd_clock_ns() - began >= 30000000u);
	CloseHandle(event);
}

static bool is_readable(int fd)
{
	struct pollfd one = { fd, POLLIN, 0 };

	return poll(&one, 1, 0) == 1;
}

static void test_descriptor_follows_the_event(void **state)
{
	HANDLE event = CreateEventA(NULL, FALSE, TRUE, NULL);
	int fd = wsd_event_fd(event);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(wsd_event_fd(event), fd);
	assert_true(is_readable(fd));
	assert_true(is_readable(fd));
	assert_int_equal(wait_now(event), WAIT_OBJECT_0);
	assert_false(is_readable(fd));
	SetEvent(event);
	SetEvent(event);
	assert_true(is_readable(fd));
	ResetEvent(event);
	assert_false(is_readable(fd));
	CloseHandle(event);
	assert_int_equal(close(fd), -1); /* it was the event's */
}

static DWORD WINAPI set_after_a_while(LPVOID event)
{
	Sleep(20);
	SetEvent(event);
	return 7;
}

static void test_wait_is_woken_by_another_thread(void **state)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL), thread;
	DWORD id = 0, code = 0;

	(void)state;
	thread = CreateThread(NULL, 0, set_after_a_while, event, 0, &id);
	assert_non_null(thread);
	assert_true(id != 0 && id != GetCurrentThreadId());
	assert_true(GetExitCodeThread(thread, &code));
	assert_true(code == STILL_ACTIVE || code == 7);
	assert_int_equal(WaitForSingleObject(event, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(thread, 0), WAIT_OBJECT_0);
	assert_true(GetExitCodeThread(thread, &code));
	assert_int_equal(code, 7);
	assert_true(CloseHandle(thread));
	assert_false(CloseHandle(thread));
	CloseHandle(event);
}

static DWORD WINAPI exit_early(LPVOID arg)
{
	(void)arg;
	ExitThread(42);
	return 1;
}

static void test_exit_thread_gives_its_code(void **state)
{
	HANDLE thread = CreateThread(NULL, 100000, exit_early, NULL, 0, NULL);
	DWORD code = 0;

	(void)state;
	assert_int_equal(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
	assert_true(GetExitCodeThread(thread, &code));
	assert_int_equal(code, 42);
	CloseHandle(thread);
	assert_null(CreateThread(NULL, 0, NULL, NULL, 0, NULL));
}

#define TOKENS	  20000
#define CONSUMERS 3

static HANDLE token, taken, stop;
static atomic_int consumed;

/* Consumers compete for one auto-reset event; each signal is taken by exactly one. */
static DWORD WINAPI consumer(LPVOID arg)
{
	HANDLE objects[2];

	(void)arg;
	objects[0] = token;
	objects[1] = stop;
	while (WaitForMultipleObjects(2, objects, FALSE, INFINITE) == WAIT_OBJECT_0) {
		atomic_fetch_add(&consumed, 1);
		SetEvent(taken);
	}
	return 0;
}

static void test_every_signal_is_taken_once(void **state)
{
	HANDLE threads[CONSUMERS];
	int i;

	(void)state;
	token = CreateEventA(NULL, FALSE, FALSE, NULL);
	taken = CreateEventA(NULL, FALSE, FALSE, NULL);
	stop = CreateEventA(NULL, TRUE, FALSE, NULL);
	for (i = 0; i < CONSUMERS; i++)
		threads[i] = CreateThread(NULL, 0, consumer, NULL, 0, NULL);
	for (i = 0; i < TOKENS; i++) {
		SetEvent(token);
		assert_int_equal(WaitForSingleObject(taken, 20000), WAIT_OBJECT_0);
	}
	SetEvent(stop);
	assert_int_equal(WaitForMultipleObjects(CONSUMERS, threads, TRUE, 20000), WAIT_OBJECT_0);
	assert_int_equal(atomic_load(&consumed), TOKENS);
	for (i = 0; i < CONSUMERS; i++)
		CloseHandle(threads[i]);
	CloseHandle(token);
	CloseHandle(taken);
	CloseHandle(stop);
}

static HANDLE pair[2];
static atomic_int pairs_taken;

static DWORD WINAPI take_pairs(LPVOID reversed)
{
	HANDLE order[2];
	int i;

	order[0] = pair[reversed != NULL];
	order[1] = pair[reversed == NULL];
	for (i = 0; i < 2000; i++) {
		if (WaitForMultipleObjects(2, order, TRUE, 20000) != WAIT_OBJECT_0)
			return 1;
		atomic_fetch_add(&pairs_taken, 1);
		SetEvent(pair[0]);
		SetEvent(pair[1]);
	}
	return 0;
}

/* Waits for all in opposite orders: neither deadlocks nor takes half. */
static void test_wait_all_in_opposite_orders(void **state)
{
	HANDLE threads[2];
	DWORD code;
	int i;

	(void)state;
	pair[0] = CreateEventA(NULL, FALSE, TRUE, NULL);
	pair[1] = CreateEventA(NULL, FALSE, TRUE, NULL);
	for (i = 0; i < 2; i++)
		threads[i] = CreateThread(NULL, 0, take_pairs, i != 0 ? pair : NULL, 0, NULL);
	assert_int_equal(WaitForMultipleObjects(2, threads, TRUE, 60000), WAIT_OBJECT_0);
	for (i = 0; i < 2; i++) {
		GetExitCodeThread(threads[i], &code);
		assert_int_equal(code, 0);
		CloseHandle(threads[i]);
		CloseHandle(pair[i]);
	}
	assert_int_equal(atomic_load(&pairs_taken), 4000);
}

static void test_nothing_is_left(void **state)
{
	(void)state;
	assert_int_equal(wsd_object_open_count(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual_event_stays_signalled),
		cmocka_unit_test(test_auto_event_is_consumed_by_one_wait),
		cmocka_unit_test(test_stale_event_is_an_invalid_handle),
		cmocka_unit_test(test_wait_any_returns_the_lowest_index),
		cmocka_unit_test(test_wait_limits),
		cmocka_unit_test(test_wait_all_takes_all_or_nothing),
		cmocka_unit_test(test_timeout_takes_its_time),
		cmocka_unit_test(test_descriptor_follows_the_event),
		cmocka_unit_test(test_wait_is_woken_by_another_thread),
		cmocka_unit_test(test_exit_thread_gives_its_code),
		cmocka_unit_test(test_every_signal_is_taken_once),
		cmocka_unit_test(test_wait_all_in_opposite_orders),
		cmocka_unit_test(test_nothing_is_left),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_host_apc.c - asynchronous procedure calls: where they run, when, and what happens to the rest. */
#include "tests/lib/test.h"

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/handle.h"
#include "tests/unit/test_host_fake.h"

static atomic_int calls;
static _Atomic DWORD ran_in;
static ULONG_PTR order[8];

static VOID CALLBACK note(ULONG_PTR context)
{
	order[atomic_load(&calls) % 8] = context;
	atomic_fetch_add(&calls, 1);
	atomic_store(&ran_in, GetCurrentThreadId());
}

static WSATHREADID self;

static VOID CALLBACK note_and_queue(ULONG_PTR context)
{
	int error;

	note(context);
	if (context < 3)
		assert_int_equal(WPUQueueApc(&self, note_and_queue, context + 1, &error), 0);
}

static int start(void **state)
{
	WSADATA data;
	int error;

	(void)state;
	fake_reset();
	atomic_store(&calls, 0);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(WPUOpenCurrentThread(&self, &error), 0);
	return 0;
}

static int stop(void **state)
{
	int error;

	(void)state;
	assert_int_equal(WPUCloseThread(&self, &error), 0);
	assert_int_equal(WSACleanup(), 0);
	return 0;
}

static void test_apc_runs_in_alertable_waits_only(void **state)
{
	HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL);
	int error;

	(void)state;
	assert_int_equal(WPUQueueApc(&self, note, 1, &error), 0);
	assert_int_equal(SleepEx(1, FALSE), 0);
	assert_int_equal(WaitForSingleObject(event, 1), WAIT_TIMEOUT);
	assert_int_equal(atomic_load(&calls), 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(atomic_load(&calls), 1);
	assert_int_equal(SleepEx(0, TRUE), 0);
	CloseHandle(event);
}

static void test_signalled_object_wins_over_apc(void **state)
{
	WSAEVENT event = WSACreateEvent();
	int error;

	(void)state;
	WSASetEvent(event);
	assert_int_equal(WPUQueueApc(&self, note, 1, &error), 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 1000, TRUE), WSA_WAIT_EVENT_0);
	assert_int_equal(atomic_load(&calls), 0);
	WSAResetEvent(event);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 1000, TRUE),
			 WSA_WAIT_IO_COMPLETION);
	assert_int_equal(atomic_load(&calls), 1);
	WSACloseEvent(event);
}

static void test_apcs_run_in_order_and_with_those_they_queue(void **state)
{
	ULONG_PTR i;
	int error;

	(void)state;
	assert_int_equal(WPUQueueApc(&self, note_and_queue, 1, &error), 0);
	assert_int_equal(WPUQueueApc(&self, note, 9, &error), 0);
	assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(atomic_load(&calls), 4);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[1], 9);
	for (i = 2; i < 4; i++)
		assert_int_equal(order[i], i);
}

static DWORD WINAPI sleep_alertable(LPVOID arg)
{
	SetEvent(arg);
	return SleepEx(20000, TRUE);
}

static void test_apc_from_another_thread_wakes_the_sleeper(void **state)
{
	HANDLE ready = CreateEventA(NULL, FALSE, FALSE, NULL), thread;
	DWORD id, code = 0;

	(void)state;
	thread = CreateThread(NULL, 0, sleep_alertable, ready, 0, &id);
	assert_int_equal(WaitForSingleObject(ready, 20000), WAIT_OBJECT_0);
	assert_true(QueueUserAPC(note, thread, 5));
	assert_int_equal(WaitForSingleObject(thread, 20000), WAIT_OBJECT_0);
	GetExitCodeThread(thread, &code);
	assert_int_equal(code, WAIT_IO_COMPLETION);
	assert_int_equal(atomic_load(&calls), 1);
	assert_int_equal(atomic_load(&ran_in), id);
	assert_false(QueueUserAPC(note, thread, 5)); /* it has ended */
	CloseHandle(thread);
	CloseHandle(ready);
}

static void test_bad_thread_is_refused(void **state)
{
	WSATHREADID bad = { NULL, 0 };
	int error = 0;

	(void)state;
	assert_int_equal(WPUQueueApc(&bad, note, 1, &error), SOCKET_ERROR);
	assert_int_equal(error, WSAEFAULT);
	assert_int_equal(WPUQueueApc(NULL, note, 1, &error), SOCKET_ERROR);
	assert_int_equal(error, WSAEFAULT);
	assert_int_equal(WPUCloseThread(&bad, &error), SOCKET_ERROR);
	assert_int_equal(WPUOpenCurrentThread(NULL, &error), SOCKET_ERROR);
	assert_int_equal(error, WSAEFAULT);
	assert_int_equal(QueueUserAPC(note, (HANDLE)WSACreateEvent(), 1), 0);
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
}

static DWORD WINAPI leave_without_waiting(LPVOID arg)
{
	WSATHREADID id;
	int error;

	(void)arg;
	if (WPUOpenCurrentThread(&id, &error) != 0)
		return 1;
	WPUQueueApc(&id, note, 1, &error);
	WPUQueueApc(&id, note, 2, &error);
	WPUCloseThread(&id, &error);
	return 0;
}

/* What the provider queued is given back to it, nothing runs, nothing is lost. */
static void test_thread_that_ends_drops_its_apcs(void **state)
{
	uint64_t live = wsd_alloc_live();
	HANDLE thread;

	(void)state;
	atomic_store(&fake.dropped, 0);
	thread = CreateThread(NULL, 0, leave_without_waiting, NULL, 0, NULL);
	assert_int_equal(WaitForSingleObject(thread, 20000), WAIT_OBJECT_0);
	CloseHandle(thread);
	while (wsd_alloc_live() > live) /* a thread frees its own state last */
		Sleep(1);
	assert_int_equal(atomic_load(&calls), 0);
	assert_int_equal(atomic_load(&fake.dropped), 2);
}

static VOID CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	(void)error;
	(void)bytes;
	(void)overlapped;
	(void)flags;
}

static void test_completion_routine_brings_the_calling_thread(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };
	WSABUF buffer = { 1, (char *)&overlapped };
	DWORD flags = 0;
	int error;
	SOCKET s = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	fake.io = FAKE_PEND;
	assert_int_equal(WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, routine), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_true(fake.had_thread);
	assert_int_equal(WPUQueueApc(&fake.thread, note, 1, &error), 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(atomic_load(&ran_in), GetCurrentThreadId());
	assert_int_equal(WSARecv(s, &buffer, 1, NULL, &flags, &overlapped, NULL), SOCKET_ERROR);
	assert_false(fake.had_thread);
	closesocket(s);
}

#define QUEUED 20000

static DWORD WINAPI collect(LPVOID arg)
{
	SetEvent(arg);
	while (atomic_load(&calls) < 2 * QUEUED)
		if (SleepEx(20000, TRUE) != WAIT_IO_COMPLETION)
			return 1;
	return 0;
}

static VOID CALLBACK count(ULONG_PTR context)
{
	(void)context;
	atomic_fetch_add(&calls, 1);
}

static DWORD WINAPI queue_many(LPVOID target)
{
	int i;

	for (i = 0; i < QUEUED; i++)
		if (!QueueUserAPC(count, target, 0))
			return 1;
	return 0;
}

static void test_two_threads_queue_to_a_third(void **state)
{
	HANDLE ready = CreateEventA(NULL, TRUE, FALSE, NULL), threads[3];
	DWORD code;
	int i;

	(void)state;
	threads[0] = CreateThread(NULL, 0, collect, ready, 0, NULL);
	WaitForSingleObject(ready, 20000);
	for (i = 1; i < 3; i++)
		threads[i] = CreateThread(NULL, 0, queue_many, threads[0], 0, NULL);
	assert_int_equal(WaitForMultipleObjects(3, threads, TRUE, 60000), WAIT_OBJECT_0);
	for (i = 0; i < 3; i++) {
		GetExitCodeThread(threads[i], &code);
		assert_int_equal(code, 0);
		CloseHandle(threads[i]);
	}
	assert_int_equal(atomic_load(&calls), 2 * QUEUED);
	CloseHandle(ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_apc_runs_in_alertable_waits_only, start, stop),
		cmocka_unit_test_setup_teardown(test_signalled_object_wins_over_apc, start, stop),
		cmocka_unit_test_setup_teardown(test_apcs_run_in_order_and_with_those_they_queue,
						start, stop),
		cmocka_unit_test_setup_teardown(test_apc_from_another_thread_wakes_the_sleeper,
						start, stop),
		cmocka_unit_test_setup_teardown(test_bad_thread_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(test_thread_that_ends_drops_its_apcs, start, stop),
		cmocka_unit_test_setup_teardown(test_completion_routine_brings_the_calling_thread,
						start, stop),
		cmocka_unit_test_setup_teardown(test_two_threads_queue_to_a_third, start, stop),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

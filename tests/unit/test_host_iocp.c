// SPDX-License-Identifier: BSD-2-Clause
/* test_host_iocp.c - completion ports and the completion of overlapped requests. */
#include "tests/lib/test.h"

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/handle.h"
#include "tests/unit/test_host_fake.h"

static SOCKET sock;
static HANDLE port;

static int start(void **state)
{
	WSADATA data;

	(void)state;
	fake_reset();
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	sock = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
	port = CreateIoCompletionPort((HANDLE)sock, NULL, 77, 0);
	assert_non_null(port);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	closesocket(sock);
	CloseHandle(port);
	return WSACleanup();
}

static DWORD fetch(DWORD milliseconds, DWORD *bytes, LPOVERLAPPED *overlapped)
{
	ULONG_PTR key = 0;

	*bytes = 0xdeadbeef;
	SetLastError(0);
	if (GetQueuedCompletionStatus(port, bytes, &key, overlapped, milliseconds)) {
		assert_true(key == 77 || *overlapped == NULL);
		return 0;
	}
	return GetLastError();
}

static int receive(WSAOVERLAPPED *overlapped)
{
	static char byte;
	WSABUF buffer = { 1, &byte };
	DWORD flags = 0;

	return WSARecv(sock, &buffer, 1, NULL, &flags, overlapped, NULL);
}

static void test_posted_packets_come_out_in_order(void **state)
{
	LPOVERLAPPED overlapped;
	ULONG_PTR key;
	DWORD bytes, i;

	(void)state;
	assert_int_equal(fetch(0, &bytes, &overlapped), WAIT_TIMEOUT);
	assert_null(overlapped);
	for (i = 0; i < 1000; i++)
		assert_true(PostQueuedCompletionStatus(port, i, i * 3, NULL));
	for (i = 0; i < 1000; i++) {
		assert_true(GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE));
		assert_int_equal(bytes, i);
		assert_int_equal(key, i * 3);
	}
	assert_int_equal(fetch(1, &bytes, &overlapped), WAIT_TIMEOUT);
}

static void test_several_packets_in_one_call(void **state)
{
	OVERLAPPED_ENTRY entries[8];
	ULONG got, i;

	(void)state;
	for (i = 0; i < 10; i++)
		PostQueuedCompletionStatus(port, i, 1, NULL);
	assert_true(GetQueuedCompletionStatusEx(port, entries, 8, &got, 0, FALSE));
	assert_int_equal(got, 8);
	assert_true(GetQueuedCompletionStatusEx(port, entries, 8, &got, 0, FALSE));
	assert_int_equal(got, 2);
	assert_int_equal(entries[1].dwNumberOfBytesTransferred, 9);
	assert_false(GetQueuedCompletionStatusEx(port, entries, 8, &got, 0, FALSE));
	assert_int_equal(GetLastError(), WAIT_TIMEOUT);
	assert_int_equal(got, 0);
	assert_false(GetQueuedCompletionStatusEx(port, entries, 0, &got, 0, FALSE));
	assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
}

static VOID CALLBACK nothing(ULONG_PTR context)
{
	(void)context;
}

static DWORD WINAPI alert(LPVOID thread_id)
{
	int error;

	Sleep(10);
	return (DWORD)WPUQueueApc(thread_id, nothing, 0, &error);
}

static void test_alertable_wait_on_a_port(void **state)
{
	OVERLAPPED_ENTRY entry;
	WSATHREADID id;
	HANDLE thread;
	ULONG got;
	int error;

	(void)state;
	assert_int_equal(WPUOpenCurrentThread(&id, &error), 0);
	thread = CreateThread(NULL, 0, alert, &id, 0, NULL);
	assert_false(GetQueuedCompletionStatusEx(port, &entry, 1, &got, 20000, TRUE));
	assert_int_equal(GetLastError(), WAIT_IO_COMPLETION);
	WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	WPUCloseThread(&id, &error);
}

static void test_socket_completion_with_success(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };
	LPOVERLAPPED out;
	DWORD bytes;

	(void)state;
	fake.io = FAKE_PEND;
	assert_int_equal(receive(&overlapped), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_false(HasOverlappedIoCompleted(&overlapped));
	assert_int_equal(fetch(0, &bytes, &out), WAIT_TIMEOUT);
	assert_int_equal(fake_complete(sock, &overlapped, 0, 12), 0);
	assert_true(HasOverlappedIoCompleted(&overlapped));
	assert_int_equal(overlapped.InternalHigh, 12);
	assert_int_equal(fetch(0, &bytes, &out), 0);
	assert_int_equal(bytes, 12);
	assert_ptr_equal(out, &overlapped);
}

static void test_socket_completion_with_error_gives_the_code(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };
	DWORD bytes = 1, flags = 0;
	LPOVERLAPPED out;

	(void)state;
	fake.io = FAKE_PEND;
	receive(&overlapped);
	fake_complete(sock, &overlapped, WSAECONNRESET, 0);
	assert_false(WSAGetOverlappedResult(sock, &overlapped, &bytes, FALSE, &flags));
	assert_int_equal(WSAGetLastError(), WSAECONNRESET);
	assert_int_equal(fetch(0, &bytes, &out), WSAECONNRESET);
	assert_ptr_equal(out, &overlapped);
	receive(&overlapped);
	fake_complete(sock, &overlapped, WSA_OPERATION_ABORTED, 0);
	assert_int_equal(fetch(0, &bytes, &out), ERROR_OPERATION_ABORTED);
}

static void test_event_comes_with_the_packet(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };
	LPOVERLAPPED out;
	DWORD bytes;

	(void)state;
	fake.io = FAKE_PEND;
	overlapped.hEvent = WSACreateEvent();
	receive(&overlapped);
	fake_complete(sock, &overlapped, 0, 1);
	assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(fetch(0, &bytes, &out), 0);
	WSACloseEvent(overlapped.hEvent);
}

static void test_low_bit_of_the_event_suppresses_the_packet(void **state)
{
	WSAEVENT event = WSACreateEvent();
	WSAOVERLAPPED overlapped = { 0 };
	LPOVERLAPPED out;
	DWORD bytes;

	(void)state;
	fake.io = FAKE_PEND;
	overlapped.hEvent = (HANDLE)((ULONG_PTR)event | 1);
	receive(&overlapped);
	fake_complete(sock, &overlapped, 0, 1);
	assert_int_equal(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
	assert_int_equal(fetch(0, &bytes, &out), WAIT_TIMEOUT);
	WSACloseEvent(event);
}

static void test_success_at_once_gives_a_packet_unless_skipped(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };
	LPOVERLAPPED out;
	DWORD bytes;

	(void)state;
	assert_int_equal(receive(&overlapped), 0);
	assert_int_equal(fetch(0, &bytes, &out), 0);
	assert_true(SetFileCompletionNotificationModes((HANDLE)sock,
						       FILE_SKIP_COMPLETION_PORT_ON_SUCCESS |
							       FILE_SKIP_SET_EVENT_ON_HANDLE));
	assert_int_equal(receive(&overlapped), 0);
	assert_int_equal(overlapped.InternalHigh, 5);
	assert_int_equal(fetch(0, &bytes, &out), WAIT_TIMEOUT);
	fake.io = FAKE_PEND;
	receive(&overlapped);
	fake_complete(sock, &overlapped, 0, 3);
	assert_int_equal(fetch(0, &bytes, &out), 0); /* it was pending */
	assert_false(SetFileCompletionNotificationModes((HANDLE)sock, 0x80));
	assert_false(SetFileCompletionNotificationModes(port, 1));
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
}

static void test_skipping_also_covers_fetched_extensions(void **state)
{
	GUID id = WSAID_ACCEPTEX;
	OVERLAPPED overlapped = { 0 };
	LPFN_ACCEPTEX accept_ex = NULL;
	LPOVERLAPPED out;
	DWORD bytes, got;

	(void)state;
	assert_int_equal(WSAIoctl(sock, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
				  &accept_ex, sizeof(accept_ex), &bytes, NULL, NULL),
			 0);
	SetFileCompletionNotificationModes((HANDLE)sock, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS);
	assert_true(accept_ex(sock, sock, NULL, 0, 32, 32, &got, &overlapped));
	assert_int_equal(fetch(0, &bytes, &out), WAIT_TIMEOUT);
	fake.io = FAKE_FAIL;
	assert_false(AcceptEx(sock, sock, NULL, 0, 32, 32, &got, &overlapped));
	assert_int_equal(WSAGetLastError(), WSAECONNRESET);
}

static void test_association_is_made_once(void **state)
{
	HANDLE event = WSACreateEvent();

	(void)state;
	assert_null(CreateIoCompletionPort((HANDLE)sock, port, 1, 0));
	assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
	assert_null(CreateIoCompletionPort((HANDLE)sock, NULL, 1, 0));
	assert_null(CreateIoCompletionPort(event, port, 1, 0));
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
	assert_null(CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 1, 0));
	assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
	assert_false(PostQueuedCompletionStatus(event, 0, 0, NULL));
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
	CloseHandle(event);
}

static void test_completion_on_a_closed_socket_is_refused(void **state)
{
	SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
	WSAOVERLAPPED overlapped = { 0 };
	int error = 0;

	(void)state;
	closesocket(s);
	assert_int_equal(WPUCompleteOverlappedRequest(s, &overlapped, 0, 0, &error), SOCKET_ERROR);
	assert_int_equal(error, WSAEINVAL);
	assert_int_equal(WPUCompleteOverlappedRequest(sock, NULL, 0, 0, &error), SOCKET_ERROR);
}

static DWORD WINAPI wait_for_close(LPVOID ready)
{
	LPOVERLAPPED overlapped;
	ULONG_PTR key;
	DWORD bytes;

	SetEvent(ready);
	if (GetQueuedCompletionStatus(port, &bytes, &key, &overlapped, INFINITE))
		return 0;
	return GetLastError();
}

static void test_close_wakes_the_waiters(void **state)
{
	HANDLE ready = CreateEventA(NULL, FALSE, FALSE, NULL), threads[3];
	DWORD code, i;

	(void)state;
	for (i = 0; i < 3; i++) {
		threads[i] = CreateThread(NULL, 0, wait_for_close, ready, 0, NULL);
		WaitForSingleObject(ready, 20000);
	}
	Sleep(20);
	assert_true(CloseHandle(port));
	for (i = 0; i < 3; i++) {
		assert_int_equal(WaitForSingleObject(threads[i], 20000), WAIT_OBJECT_0);
		GetExitCodeThread(threads[i], &code);
		assert_true(code == ERROR_ABANDONED_WAIT_0 || code == ERROR_INVALID_HANDLE);
		CloseHandle(threads[i]);
	}
	assert_false(PostQueuedCompletionStatus(port, 0, 0, NULL));
	CloseHandle(ready);
}

#define PRODUCERS 2
#define WORKERS	  3
#define PACKETS	  15000

static atomic_int fetched;
static atomic_ullong sum;

static DWORD WINAPI produce(LPVOID arg)
{
	DWORD i;

	for (i = 1; i <= PACKETS; i++)
		if (!PostQueuedCompletionStatus(arg, i, 1, NULL))
			return 1;
	return 0;
}

static DWORD WINAPI work(LPVOID arg)
{
	OVERLAPPED_ENTRY entries[4];
	ULONG got, i;

	for (;;) {
		if (!GetQueuedCompletionStatusEx(arg, entries, 4, &got, INFINITE, FALSE))
			return GetLastError() == ERROR_ABANDONED_WAIT_0 ||
					       GetLastError() == ERROR_INVALID_HANDLE
				       ? 0
				       : 1;
		for (i = 0; i < got; i++)
			atomic_fetch_add(&sum, entries[i].dwNumberOfBytesTransferred);
		atomic_fetch_add(&fetched, (int)got);
	}
}

static void test_producers_and_workers(void **state)
{
	HANDLE own = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
	HANDLE threads[PRODUCERS + WORKERS];
	DWORD code;
	int i;

	(void)state;
	for (i = 0; i < WORKERS; i++)
		threads[i] = CreateThread(NULL, 0, work, own, 0, NULL);
	for (; i < WORKERS + PRODUCERS; i++)
		threads[i] = CreateThread(NULL, 0, produce, own, 0, NULL);
	while (atomic_load(&fetched) < PRODUCERS * PACKETS)
		Sleep(1);
	CloseHandle(own);
	for (i = 0; i < WORKERS + PRODUCERS; i++) {
		assert_int_equal(WaitForSingleObject(threads[i], 30000), WAIT_OBJECT_0);
		GetExitCodeThread(threads[i], &code);
		assert_int_equal(code, 0);
		CloseHandle(threads[i]);
	}
	assert_int_equal(atomic_load(&fetched), PRODUCERS * PACKETS);
	assert_true(atomic_load(&sum) ==
		    (unsigned long long)PRODUCERS * PACKETS * (PACKETS + 1) / 2);
}

int main(void)
{
#define WITH_SOCKET(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		WITH_SOCKET(test_posted_packets_come_out_in_order),
		WITH_SOCKET(test_several_packets_in_one_call),
		WITH_SOCKET(test_alertable_wait_on_a_port),
		WITH_SOCKET(test_socket_completion_with_success),
		WITH_SOCKET(test_socket_completion_with_error_gives_the_code),
		WITH_SOCKET(test_event_comes_with_the_packet),
		WITH_SOCKET(test_low_bit_of_the_event_suppresses_the_packet),
		WITH_SOCKET(test_success_at_once_gives_a_packet_unless_skipped),
		WITH_SOCKET(test_skipping_also_covers_fetched_extensions),
		WITH_SOCKET(test_association_is_made_once),
		WITH_SOCKET(test_completion_on_a_closed_socket_is_refused),
		WITH_SOCKET(test_close_wakes_the_waiters),
		WITH_SOCKET(test_producers_and_workers),
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

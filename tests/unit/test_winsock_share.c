// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_winsock_share.c - two descriptors of one shared socket, over a real backend (WSD_BACKENDS), with a look
 * inside. While both only wait for news the connection, or the listener, stays where it is, and nobody wakes up for
 * it; each hears of news all the same. And a listen that fails leaves the port to those who had it.
 *
 * Moves and wake-ups are counted in windows of a second: a slow machine can only make them fewer.
 */
#include "tests/unit/winsock_pair.h"

#include <pthread.h>

#include "tests/plain/system.h"
#include "tests/unit/share_counts.h"

#define WINDOW_MS  1000
#define WINDOWS	   20 /* until it has settled */
#define MOST_WAKES 20
#define STEP_MS	   10
#define STEPS	   2000

static void assert_quiet(void)
{
	unsigned long took = 1, woke = 0;

	for (unsigned i = 0; i < WINDOWS && (took > 0 || woke > MOST_WAKES); i++) {
		took = share_takes();
		woke = share_wakes();
		Sleep(WINDOW_MS);
		took = share_takes() - took;
		woke = share_wakes() - woke;
	}
	assert_int_equal(took, 0);
	assert_true(woke <= MOST_WAKES);
}

static SOCKET shared(SOCKET s)
{
	WSAPROTOCOL_INFOW info;
	SOCKET other;

	memset(&info, 0, sizeof(info));
	assert_int_equal(WSADuplicateSocketW(s, GetCurrentProcessId(), &info), 0);
	other = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
			   WSA_FLAG_OVERLAPPED);
	assert_true(other != INVALID_SOCKET);
	return other;
}

struct receive {
	WSAOVERLAPPED overlapped;
	char byte;
};

static void post(SOCKET s, struct receive *r)
{
	WSABUF buffer = { 1, &r->byte };
	DWORD flags = 0, n;

	memset(r, 0, sizeof(*r));
	r->overlapped.hEvent = WSACreateEvent();
	assert_int_equal(WSARecv(s, &buffer, 1, &n, &flags, &r->overlapped, NULL), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
}

static void test_two_receives(void **state)
{
	struct receive first, second;
	struct pair p;
	SOCKET other;

	(void)state;
	open_pair(&p);
	other = shared(p.server);
	post(p.server, &first);
	post(other, &second);
	assert_quiet();
	assert_int_equal(send(p.client, "x", 1, 0), 1); /* for either */
	assert_quiet();
	assert_int_equal(send(p.client, "y", 1, 0), 1); /* for the one that is left */
	wait_event(first.overlapped.hEvent);
	wait_event(second.overlapped.hEvent);
	assert_int_equal(first.byte + second.byte, 'x' + 'y');
	WSACloseEvent(first.overlapped.hEvent);
	WSACloseEvent(second.overlapped.hEvent);
	closesocket(other);
	close_pair(&p);
}

/* The first byte is the receive's; the second one reaches the event in the other process. */
static void test_a_receive_and_a_selection(void **state)
{
	WSAEVENT event = WSACreateEvent();
	struct receive r;
	struct pair p;
	SOCKET other;
	char byte = 0;

	(void)state;
	open_pair(&p);
	other = shared(p.server);
	assert_int_equal(WSAEventSelect(other, event, FD_READ | FD_WRITE | FD_CLOSE), 0);
	wait_event(event); /* there is room */
	post(p.server, &r);
	assert_quiet();
	WSAResetEvent(event);
	assert_int_equal(send(p.client, "x", 1, 0), 1);
	wait_event(r.overlapped.hEvent);
	assert_int_equal(r.byte, 'x');
	assert_int_equal(send(p.client, "y", 1, 0), 1);
	while (recv(other, &byte, 1, 0) != 1) {
		assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
		wait_event(event);
		WSAResetEvent(event);
	}
	assert_int_equal(byte, 'y');
	WSACloseEvent(r.overlapped.hEvent);
	WSACloseEvent(event);
	closesocket(other);
	close_pair(&p);
}

static void *accept_one(void *arg)
{
	SOCKET s = accept(*(SOCKET *)arg, NULL, NULL);

	return closesocket(s) == 0 ? arg : NULL;
}

static void visit(const struct sockaddr_in *at)
{
	SOCKET s = new_socket();

	assert_int_equal(connect(s, (const struct sockaddr *)at, sizeof(*at)), 0);
	closesocket(s);
}

static void test_two_accepts(void **state)
{
	struct sockaddr_in at;
	SOCKET s = new_listener(&at), other = shared(s);
	pthread_t threads[2];
	void *accepted[2];

	(void)state;
	assert_int_equal(pthread_create(&threads[0], NULL, accept_one, &s), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, accept_one, &other), 0);
	assert_quiet();
	visit(&at);
	assert_quiet();
	visit(&at);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(threads[i], &accepted[i]);
		assert_non_null(accepted[i]);
	}
	closesocket(s);
	closesocket(other);
}

static void *receive_nothing(void *arg)
{
	char byte;

	return recv(*(SOCKET *)arg, &byte, 1, 0) == SOCKET_ERROR &&
			       WSAGetLastError() == WSAETIMEDOUT
		       ? arg
		       : NULL;
}

/* Who has the connection waits no longer, and nothing arrives: it is given up to the other one. */
static void test_a_wait_that_ends(void **state)
{
	unsigned long before;
	DWORD limit = 5 * WINDOW_MS;
	struct receive second;
	pthread_t thread;
	struct pair p;
	void *timed_out;
	SOCKET other;

	(void)state;
	open_pair(&p);
	other = shared(p.server);
	post(other, &second);
	assert_int_equal(
		setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, (char *)&limit, sizeof(limit)), 0);
	assert_int_equal(pthread_create(&thread, NULL, receive_nothing, &p.server), 0);
	Sleep(WINDOW_MS); /* it has come here to wait; too short, it shows less */
	before = share_takes();
	pthread_join(thread, &timed_out);
	assert_non_null(timed_out);
	for (unsigned i = 0; i < STEPS && share_takes() == before; i++)
		Sleep(STEP_MS);
	assert_int_not_equal(share_takes(), before);
	assert_int_equal(send(p.client, "x", 1, 0), 1);
	wait_event(second.overlapped.hEvent);
	assert_int_equal(second.byte, 'x');
	WSACloseEvent(second.overlapped.hEvent);
	closesocket(other);
	close_pair(&p);
}

/* Could a program get the port that says that it shares? */
static bool is_to_be_had(const struct sockaddr_in *at)
{
	uint32_t port = ntohs(at->sin_port);
	int fd = system_listen(&port, 1);

	if (fd >= 0)
		system_close(fd);
	return fd >= 0;
}

static void test_a_listen_that_fails(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	SOCKET s = new_socket(), other;
	int length = sizeof(at);

	(void)state;
	os_address(false, false, (unsigned char *)&at.sin_addr);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&at, &length), 0);
	other = shared(s);
	assert_int_equal(getsockname(other, (struct sockaddr *)&at, &length), 0);
	assert_false(is_to_be_had(&at));
	share_no_listener(true);
	assert_int_equal(listen(other, 5), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOBUFS);
	share_no_listener(false);
	for (unsigned i = 0; i < STEPS && is_to_be_had(&at); i++)
		Sleep(STEP_MS);
	assert_false(is_to_be_had(&at));
	assert_int_equal(listen(other, 5), 0);
	closesocket(s);
	closesocket(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_receives),
		cmocka_unit_test(test_a_receive_and_a_selection),
		cmocka_unit_test(test_two_accepts),
		cmocka_unit_test(test_a_wait_that_ends),
		cmocka_unit_test(test_a_listen_that_fails),
	};
	WSADATA data;
	int failed;

	test_deadline(100);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

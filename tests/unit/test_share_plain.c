// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_share_plain.c - what is given of the system's sockets of a shared listener, and goes wrong: whoever lacks one
 * believes nothing, and asks again. With a look inside, over plain TCP.
 */
#include "tests/unit/winsock_pair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "provider/transport/os_pass.h"
#include "provider/transport/os_port.h"
#include "provider/transport/os_tcp.h"
#include "tests/plain/system.h"

enum fault { NO_FAULT, WRONG_SOCKET, NOT_LISTENING, FULL_BOX, LOST, NO_DESCRIPTORS };

static atomic_int fault;
static atomic_uint faults; /* so often, then no more */
static intptr_t wrong_one;

enum wsd_status __real_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter);
enum wsd_status __wrap_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter);
enum wsd_status __real_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket);
enum wsd_status __wrap_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket);

static bool fails(enum fault now)
{
	if ((enum fault)atomic_load(&fault) != now || atomic_load(&faults) == 0)
		return false;
	atomic_fetch_sub(&faults, 1);
	return true;
}

enum wsd_status __wrap_wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
					uint32_t process, void *letter)
{
	if (fails(FULL_BOX))
		return WSD_AGAIN;
	if (fails(LOST)) /* it has died on the way */
		return WSD_OK;
	if (fails(WRONG_SOCKET) || fails(NOT_LISTENING))
		socket = wrong_one;
	return __real_wsd_os_pass_give(socket, tag, name, process, letter);
}

enum wsd_status __wrap_wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag,
					intptr_t *socket)
{
	enum wsd_status status = __real_wsd_os_pass_take(box, letter, tag, socket);

	if (status == WSD_OK && fails(NO_DESCRIPTORS)) {
		wsd_os_tcp_close(*socket);
		return WSD_ENOFILES;
	}
	return status;
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

static void serves(SOCKET listener, uint32_t port)
{
	int peer = system_connect(port);
	SOCKET s = accept(listener, NULL, NULL);
	char byte;

	assert_true(peer >= 0 && s != INVALID_SOCKET);
	assert_int_equal(send(s, "x", 1, 0), 1);
	assert_int_equal(system_receive(peer, &byte, 1), 1);
	closesocket(s);
	system_close(peer);
}

static void with_fault(enum fault which, unsigned often)
{
	struct sockaddr_in at;
	SOCKET s, other;
	uint32_t port;

	atomic_store(&faults, often);
	atomic_store(&fault, which);
	s = new_listener(&at);
	port = ntohs(at.sin_port);
	other = shared(s);
	serves(other, port);
	assert_int_equal(atomic_load(&faults), 0);
	atomic_store(&fault, NO_FAULT);
	serves(s, port);
	closesocket(s);
	serves(other, port); /* it has the right one */
	closesocket(other);
}

static void test_none(void **state)
{
	(void)state;
	with_fault(NO_FAULT, 0);
}

static void test_wrong_socket(void **state)
{
	uint32_t elsewhere = 0;
	int wrong = system_listen(&elsewhere, 1);

	(void)state;
	wrong_one = wrong;
	with_fault(WRONG_SOCKET, 2);
	assert_true(system_nobody(wrong, 0));
	system_close(wrong);
}

static void test_not_listening(void **state)
{
	struct wsd_addr at = { .family = WSD_FAMILY_IPV4 };

	(void)state;
	assert_int_equal(wsd_os_port_hold(&at, WSD_PORT_DEFAULT, &wrong_one, &at.port), WSD_OK);
	with_fault(NOT_LISTENING, 1);
	wsd_os_port_drop(wrong_one);
}

static void test_full_box(void **state)
{
	(void)state;
	with_fault(FULL_BOX, 5);
}

static void test_lost(void **state)
{
	(void)state;
	with_fault(LOST, 2);
}

static void test_no_descriptors(void **state)
{
	(void)state;
	with_fault(NO_DESCRIPTORS, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	      cmocka_unit_test(test_wrong_socket),
		cmocka_unit_test(test_not_listening), cmocka_unit_test(test_full_box),
		cmocka_unit_test(test_lost),	      cmocka_unit_test(test_no_descriptors),
	};
	WSADATA data;
	int failed;

	test_deadline(100);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

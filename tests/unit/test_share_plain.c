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

enum fault { NO_FAULT, WRONG_SOCKET, NOT_LISTENING, FULL_BOX, LOST, NO_DESCRIPTORS, NO_TWIN };

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

enum wsd_status __real_wsd_os_pass_twin(intptr_t socket, intptr_t *twin);
enum wsd_status __wrap_wsd_os_pass_twin(intptr_t socket, intptr_t *twin);

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

enum wsd_status __wrap_wsd_os_pass_twin(intptr_t socket, intptr_t *twin)
{
	return fails(NO_TWIN) ? WSD_ENOFILES : __real_wsd_os_pass_twin(socket, twin);
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

static int accepted(SOCKET *s)
{
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at);
	int peer = system_connect(ntohs(at.sin_port));

	*s = accept(listener, NULL, NULL);
	assert_true(peer >= 0 && *s != INVALID_SOCKET);
	closesocket(listener);
	return peer;
}

/* What cannot be given is not promised, and is no worse for it. */
static void no_twin(SOCKET s)
{
	WSAPROTOCOL_INFOW info;

	atomic_store(&faults, 1000000);
	atomic_store(&fault, NO_TWIN);
	assert_int_equal(WSADuplicateSocketW(s, GetCurrentProcessId(), &info), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEMFILE);
	atomic_store(&fault, NO_FAULT);
}

static void test_no_twin(void **state)
{
	struct sockaddr_in at;
	SOCKET s, other;
	char byte = 0;
	int peer = accepted(&s);

	(void)state;
	no_twin(s);
	other = shared(s);
	assert_int_equal(send(other, "x", 1, 0), 1);
	assert_true(system_receive(peer, &byte, 1) == 1 && byte == 'x');
	closesocket(s);
	assert_int_equal(send(other, "y", 1, 0), 1);
	assert_true(system_receive(peer, &byte, 1) == 1 && byte == 'y');
	closesocket(other);
	system_close(peer);
	s = new_listener(&at);
	no_twin(s);
	serves(s, ntohs(at.sin_port));
	closesocket(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),	      cmocka_unit_test(test_wrong_socket),
		cmocka_unit_test(test_not_listening), cmocka_unit_test(test_full_box),
		cmocka_unit_test(test_lost),	      cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_twin),
	};
	WSADATA data;
	int failed;

	test_deadline(100);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_share_plain.c - what is given of the system's sockets of a shared listener, and goes wrong: whoever lacks one
 * believes nothing, and asks again. With a look inside, over plain TCP.
 */
#include "tests/unit/winsock_pair.h"

#include "tests/plain/system.h"
#include "tests/unit/share_faults.h"

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

static void with_fault(enum share_fault which, unsigned often)
{
	struct sockaddr_in at;
	SOCKET s, other;
	uint32_t port;

	share_faults_set(which, often);
	s = new_listener(&at);
	port = ntohs(at.sin_port);
	other = shared(s);
	serves(other, port);
	assert_int_equal(share_faults_left(), 0);
	share_faults_set(NO_FAULT, 0);
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
	(void)state;
	assert_true(share_wrong_one_make(true));
	with_fault(WRONG_SOCKET, 2);
	assert_true(share_wrong_one_drop()); /* and nobody has come to it */
}

static void test_not_listening(void **state)
{
	(void)state;
	assert_true(share_wrong_one_make(false));
	with_fault(NOT_LISTENING, 1);
	assert_true(share_wrong_one_drop());
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

/* One that was taken for a select, while the other descriptor accepts, is not lost. */
static void waiting_with(enum share_fault which, bool closes)
{
	struct sockaddr_in at;
	SOCKET s = new_listener(&at), other = shared(s), server;
	struct timeval limit = { 10, 0 };
	char byte = 0;
	fd_set set;
	int peer;

	serves(other, ntohs(at.sin_port)); /* it has all else that it needs */
	peer = system_connect(ntohs(at.sin_port));
	FD_ZERO(&set);
	FD_SET(s, &set);
	assert_int_equal(select(0, &set, NULL, NULL, &limit), 1);
	share_faults_set(which, 3);
	if (closes)
		closesocket(s);
	server = accept(other, NULL, NULL);
	assert_int_equal(share_faults_left(), 0);
	share_faults_set(NO_FAULT, 0);
	assert_true(server != INVALID_SOCKET);
	assert_int_equal(send(server, "x", 1, 0), 1);
	assert_int_equal(system_receive(peer, &byte, 1), 1);
	system_close(peer);
	closesocket(server);
	if (!closes)
		closesocket(s);
	closesocket(other);
}

static void test_waiting_with_a_full_box(void **state)
{
	(void)state;
	waiting_with(FULL_BOX, false);
	waiting_with(FULL_BOX, true);
}

static void test_waiting_without_a_twin(void **state)
{
	(void)state;
	waiting_with(NO_TWIN, false);
	waiting_with(NO_TWIN, true);
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

	share_faults_set(NO_TWIN, 1000000);
	assert_int_equal(WSADuplicateSocketW(s, GetCurrentProcessId(), &info), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEMFILE);
	share_faults_set(NO_FAULT, 0);
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
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_wrong_socket),
		cmocka_unit_test(test_not_listening),
		cmocka_unit_test(test_full_box),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_no_twin),
		cmocka_unit_test(test_waiting_with_a_full_box),
		cmocka_unit_test(test_waiting_without_a_twin),
	};
	WSADATA data;
	int failed;

	test_deadline(100);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

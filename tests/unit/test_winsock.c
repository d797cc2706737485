// SPDX-License-Identifier: BSD-2-Clause
/* test_winsock.c - the pure parts of provider/winsock: addresses, errors, ports, events, states. */
#include "tests/lib/test.h"

#include <string.h>

#include "provider/winsock/spi_calls.h"

/* --- addresses --- */

static void check_text(int af, const char *in, const char *out)
{
	struct sockaddr_storage name;
	WCHAR wide[80], back[80];
	char narrow[80];
	INT length = sizeof(name), error = 0x5eed;
	DWORD room = 80;
	size_t i;

	for (i = 0; i <= strlen(in); i++)
		wide[i] = (WCHAR)in[i];
	if (out == NULL) {
		assert_int_equal(wsd_spi_string_to_address(wide, af, NULL, (LPSOCKADDR)&name,
							   &length, &error),
				 SOCKET_ERROR);
		assert_int_equal(error, WSAEINVAL);
		return;
	}
	assert_int_equal(
		wsd_spi_string_to_address(wide, af, NULL, (LPSOCKADDR)&name, &length, &error), 0);
	assert_int_equal(wsd_spi_address_to_string((LPSOCKADDR)&name, (DWORD)length, NULL, back,
						   &room, &error),
			 0);
	assert_int_equal(room, strlen(out) + 1);
	for (i = 0; i < room; i++)
		narrow[i] = (char)back[i];
	assert_string_equal(narrow, out);
	/* One character less does not do, and the length needed is told. */
	room--;
	assert_int_equal(wsd_spi_address_to_string((LPSOCKADDR)&name, (DWORD)length, NULL, back,
						   &room, &error),
			 SOCKET_ERROR);
	assert_int_equal(error, WSAEFAULT);
	assert_int_equal(room, strlen(out) + 1);
}

static void test_address_text(void **state)
{
	(void)state;
	check_text(AF_INET, "1.2.3.4", "1.2.3.4");
	check_text(AF_INET, "255.0.0.1:65535", "255.0.0.1:65535");
	check_text(AF_INET, "1.2.3.4:0", "1.2.3.4");
	check_text(AF_INET, "1.2.3", NULL);
	check_text(AF_INET, "1.2.3.256", NULL);
	check_text(AF_INET, "1.2.3.4:65536", NULL);
	check_text(AF_INET, "1.2.3.4 ", NULL);
	check_text(AF_INET, "", NULL);
	check_text(AF_INET6, "::", "::");
	check_text(AF_INET6, "::1", "::1");
	check_text(AF_INET6, "[::1]:80", "[::1]:80");
	check_text(AF_INET6, "fe80::1%3", "fe80::1%3");
	check_text(AF_INET6, "[fe80::1%3]:9", "[fe80::1%3]:9");
	check_text(AF_INET6, "1:0:0:2:0:0:0:3", "1:0:0:2::3");
	check_text(AF_INET6, "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
	check_text(AF_INET6, "2001:DB8::", "2001:db8::");
	check_text(AF_INET6, "::1.2.3.4", "::102:304");
	check_text(AF_INET6, "1::2::3", NULL);
	check_text(AF_INET6, "1:2:3:4:5:6:7:8:9", NULL);
	check_text(AF_INET6, "1:2:3:4:5:6:7", NULL);
	check_text(AF_INET6, "12345::", NULL);
	check_text(AF_INET6, "[::1", NULL);
	check_text(AF_INET6, ":1", NULL);
	check_text(AF_UNIX, "1.2.3.4", NULL);
}

static void test_sockaddr_limits(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = 0x3412 };
	struct wsd_addr addr;
	int length = sizeof(in) - 1;

	(void)state;
	assert_int_equal(wsd_sockaddr_decode(NULL, 16, &addr), WSAEFAULT);
	assert_int_equal(wsd_sockaddr_decode((struct sockaddr *)&in, 15, &addr), WSAEFAULT);
	assert_int_equal(wsd_sockaddr_decode((struct sockaddr *)&in, 1, &addr), WSAEFAULT);
	assert_int_equal(wsd_sockaddr_decode((struct sockaddr *)&in, -1, &addr), WSAEFAULT);
	assert_int_equal(wsd_sockaddr_decode((struct sockaddr *)&in, 16, &addr), 0);
	assert_int_equal(addr.port, 0x1234);
	assert_int_equal(wsd_sockaddr_encode(&addr, (struct sockaddr *)&in, &length), WSAEFAULT);
	in.sin_family = 99;
	assert_int_equal(wsd_sockaddr_decode((struct sockaddr *)&in, 16, &addr), WSAEAFNOSUPPORT);
}

/* --- errors --- */

static void test_every_status_has_a_code(void **state)
{
	(void)state;
#define CHECK_STATUS(name, value, text)                                      \
	for (int call = 0; call < WSD_CALL_COUNT; call++) {                  \
		int code = wsd_error(WSD_##name, (enum wsd_call)call);       \
		if (value == 0)                                              \
			assert_int_equal(code, 0);                           \
		else                                                         \
			assert_true(code != 0 && code != WSASYSCALLFAILURE); \
	}
	WSD_STATUS_LIST(CHECK_STATUS)
#undef CHECK_STATUS
	assert_int_equal(wsd_error((enum wsd_status) - 1000, WSD_CALL_SEND), WSASYSCALLFAILURE);
	assert_int_equal(wsd_error(WSD_ERESET, WSD_CALL_RECV), WSAECONNRESET);
	assert_int_equal(wsd_error(WSD_ENOLISTENER, WSD_CALL_CONNECT), WSAECONNREFUSED);
	assert_int_equal(wsd_error(WSD_ETIMEDOUT, WSD_CALL_CONNECT), WSAETIMEDOUT);
	assert_int_equal(wsd_error(WSD_EKEEPALIVE, WSD_CALL_RECV), WSAENETRESET);
	assert_int_equal(wsd_error(WSD_ESTATE, WSD_CALL_SEND), WSAESHUTDOWN);
}

/* --- ports --- */

static struct wsd_addr ip4(uint8_t a, uint8_t d, uint16_t port)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV4, .port = port };

	addr.bytes[0] = a;
	addr.bytes[3] = d;
	return addr;
}

/* Does the OS agree with the table, with two holders of this process? */
static void test_ports_follow_the_table(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 6; first++) {
		for (unsigned second = 0; second < 6; second++) {
			enum wsd_port_sharing s1 = (enum wsd_port_sharing)(first / 2);
			enum wsd_port_sharing s2 = (enum wsd_port_sharing)(second / 2);
			struct wsd_addr want = first % 2 ? ip4(127, 1, 0) : ip4(0, 0, 0), got;
			struct wsd_port *one = NULL, *two = NULL;
			enum wsd_status status;

			assert_int_equal(wsd_port_hold(&want, s1, &one, &got), WSD_OK);
			assert_int_not_equal(got.port, 0);
			want = second % 2 ? ip4(127, 1, got.port) : ip4(0, 0, got.port);
			status = wsd_port_hold(&want, s2, &two, &got);
			assert_int_equal(
				status, wsd_port_conflict(s1, first % 2 == 0, s2, second % 2 == 0));
			if (status == WSD_OK)
				wsd_port_release(two);
			wsd_port_release(one);
		}
	}
}

static void test_port_is_held_and_shared(void **state)
{
	struct wsd_addr want = ip4(127, 1, 0), got, again;
	struct wsd_port *one, *two;

	(void)state;
	assert_int_equal(wsd_port_hold(&want, WSD_PORT_DEFAULT, &one, &got), WSD_OK);
	two = wsd_port_share(one);
	wsd_port_release(one);
	assert_int_equal(wsd_port_hold(&got, WSD_PORT_DEFAULT, &one, &again), WSD_EADDRINUSE);
	wsd_port_release(two);
	assert_int_equal(wsd_port_hold(&got, WSD_PORT_DEFAULT, &one, &again), WSD_OK);
	wsd_port_release(one);
	want = ip4(203, 113, 0); /* nobody's address */
	assert_int_equal(wsd_port_hold(&want, WSD_PORT_DEFAULT, &one, &got), WSD_EADDRNOTAVAIL);
}

/* Of an unbound dual socket: one number, two sockets of the system. */
static void test_port_of_both_families(void **state)
{
	struct wsd_addr any6 = { .family = WSD_FAMILY_IPV6 }, got, again, any4 = ip4(0, 0, 0);
	static const bool none[2], all[2] = { true, true };
	struct wsd_port *both, *two;
	intptr_t six, four;

	(void)state;
	assert_int_equal(wsd_port_hold_both(&any6, WSD_PORT_DEFAULT, &both, &got), WSD_OK);
	assert_true(wsd_port_is_both(both) && got.port != 0 && got.family == WSD_FAMILY_IPV6);
	any4.port = got.port;
	assert_int_equal(wsd_port_hold(&any4, WSD_PORT_DEFAULT, &two, &again), WSD_EADDRINUSE);
	assert_int_equal(wsd_port_hold(&got, WSD_PORT_DEFAULT, &two, &again), WSD_EADDRINUSE);
	assert_int_equal(wsd_port_hold_both(&got, WSD_PORT_DEFAULT, &two, &again), WSD_EADDRINUSE);
	/* Who inherits one family has none of this. */
	assert_int_equal(wsd_port_inherit(&any4, false, none, WSD_PORT_DEFAULT, &two),
			 WSD_EADDRINUSE);
	assert_int_equal(wsd_port_inherit(&got, true, none, WSD_PORT_DEFAULT, &two), WSD_OK);
	assert_ptr_equal(two, both);
	assert_int_equal(wsd_port_take(both, WSD_FAMILY_IPV4, 0), -1); /* two have it */
	wsd_port_release(two);
	/* Each family is taken, and held again, for itself. */
	four = wsd_port_take(both, WSD_FAMILY_IPV4, 0);
	six = wsd_port_take(both, WSD_FAMILY_IPV6, 0);
	assert_true(four >= 0 && six >= 0 && four != six);
	wsd_os_port_drop(four);
	wsd_os_port_drop(six);
	wsd_port_restore(both, false);
	wsd_port_release(both);
	/* Whose sockets of the system listen already holds no others. */
	assert_int_equal(wsd_port_inherit(&got, true, all, WSD_PORT_DEFAULT, &both), WSD_OK);
	assert_true(wsd_port_is_both(both));
	assert_int_equal(wsd_os_port_hold(&any4, WSD_PORT_DEFAULT, &four, &any4.port), WSD_OK);
	wsd_os_port_drop(four);
	wsd_port_release(both);
	assert_int_equal(wsd_port_hold(&any4, WSD_PORT_DEFAULT, &two, &again), WSD_OK);
	wsd_port_release(two);
}

/* --- events --- */

static void test_events_need_enabling(void **state)
{
	struct wsd_fd_record fd;
	WSANETWORKEVENTS out;

	(void)state;
	wsd_fd_init(&fd);
	assert_false(wsd_fd_raise(&fd, FD_READ, 0)); /* not selected */
	wsd_fd_select(&fd, (WSAEVENT)&fd, FD_READ | FD_CLOSE);
	assert_true(wsd_fd_raise(&fd, FD_READ, 0));
	assert_true(fd.signal);
	fd.signal = false;
	assert_false(wsd_fd_raise(&fd, FD_READ, 0)); /* not enabled again */
	assert_false(fd.signal);
	assert_false(wsd_fd_raise(&fd, FD_WRITE, 0));
	assert_true(wsd_fd_raise(&fd, FD_CLOSE, WSAECONNRESET));
	memset(&out, 0x5a, sizeof(out));
	wsd_fd_fetch(&fd, &out);
	assert_int_equal(out.lNetworkEvents, FD_READ | FD_CLOSE);
	assert_int_equal(out.iErrorCode[FD_READ_BIT], 0);
	assert_int_equal(out.iErrorCode[FD_CLOSE_BIT], WSAECONNRESET);
	assert_int_equal(out.iErrorCode[FD_WRITE_BIT], 0x5a5a5a5a); /* untouched */
	wsd_fd_fetch(&fd, &out);
	assert_int_equal(out.lNetworkEvents, 0);
	assert_false(wsd_fd_raise(&fd, FD_READ, 0)); /* fetching does not enable */
	wsd_fd_arm(&fd, FD_READ);
	assert_true(wsd_fd_raise(&fd, FD_READ, 0));
}

static void test_selection_clears_and_inherits(void **state)
{
	struct wsd_fd_record fd, child;

	(void)state;
	wsd_fd_select(&fd, (WSAEVENT)&fd, FD_ACCEPT | FD_CONNECT | FD_READ);
	assert_true(wsd_fd_raise(&fd, FD_ACCEPT, 0));
	wsd_fd_inherit(&child, &fd);
	assert_int_equal(child.record, 0);
	assert_int_equal(child.mask, fd.mask);
	assert_ptr_equal(child.event, &fd);
	assert_false(wsd_fd_raise(&child, FD_CONNECT, 0)); /* it was accepted */
	assert_true(wsd_fd_raise(&child, FD_READ, 0));
	wsd_fd_select(&fd, (WSAEVENT)&fd, FD_ACCEPT);
	assert_int_equal(fd.record, 0);
	assert_true(wsd_fd_raise(&fd, FD_ACCEPT, 0));
	wsd_fd_select(&fd, (WSAEVENT)&fd, 0);
	assert_ptr_equal(fd.event, WSA_INVALID_EVENT);
	assert_false(wsd_fd_raise(&fd, FD_ACCEPT, 0));
}

static void test_window_gets_a_message_each(void **state)
{
	struct wsd_fd_record fd, child;
	struct wsd_fd_messages m;
	WSANETWORKEVENTS out;
	HWND window = (HWND)&fd;

	(void)state;
	wsd_fd_select_window(&fd, window, 0x400, FD_ALL_EVENTS & ~FD_QOS);
	assert_false(wsd_fd_has_messages(&fd));
	assert_false(wsd_fd_raise(&fd, FD_QOS, 0)); /* not selected */
	assert_true(wsd_fd_raise(&fd, FD_CLOSE, WSAECONNRESET));
	assert_true(wsd_fd_raise(&fd, FD_READ, 0));
	assert_true(wsd_fd_raise(&fd, FD_WRITE, 0));
	assert_true(wsd_fd_raise(&fd, FD_CONNECT, WSAETIMEDOUT));
	assert_false(wsd_fd_raise(&fd, FD_READ, 0)); /* not enabled again */
	assert_false(fd.signal);
	wsd_fd_fetch(&fd, &out);
	assert_int_equal(out.lNetworkEvents, 0); /* they are the window's */
	assert_true(wsd_fd_has_messages(&fd));
	wsd_fd_take_messages(&fd, &m);
	assert_ptr_equal(m.window, window);
	assert_int_equal(m.message, 0x400);
	assert_int_equal(m.count, 4);
	assert_int_equal(m.news[0], FD_CONNECT | WSAETIMEDOUT << 16);
	assert_int_equal(m.news[1], FD_READ);
	assert_int_equal(m.news[2], FD_WRITE);
	assert_int_equal(m.news[3], FD_CLOSE | WSAECONNRESET << 16);
	wsd_fd_take_messages(&fd, &m);
	assert_int_equal(m.count, 0);
	assert_false(wsd_fd_raise(&fd, FD_READ, 0)); /* telling does not enable */
	wsd_fd_arm(&fd, FD_READ);
	assert_true(wsd_fd_raise(&fd, FD_READ, 0));
	wsd_fd_inherit(&child, &fd);
	assert_false(wsd_fd_has_messages(&child));
	assert_ptr_equal(child.window, window);
	assert_int_equal(child.message, 0x400);
	assert_false(wsd_fd_raise(&child, FD_CONNECT, 0)); /* it was accepted */
	/* Each selection replaces the other kind's. */
	wsd_fd_select(&fd, (WSAEVENT)&fd, FD_READ);
	assert_true(wsd_fd_raise(&fd, FD_READ, 0));
	assert_true(fd.signal && !wsd_fd_has_messages(&fd));
	wsd_fd_select_window(&fd, window, 0x401, FD_READ);
	assert_ptr_equal(fd.event, WSA_INVALID_EVENT);
	assert_false(fd.signal);
	wsd_fd_select_window(&fd, window, 0, 0);
	assert_null(fd.window);
	assert_false(wsd_fd_raise(&fd, FD_READ, 0));
}

/* --- operations and states --- */

static void test_advance_over_buffers(void **state)
{
	char a[4], c[6];
	WSABUF buffers[3] = { { 4, a }, { 0, NULL }, { 6, c } };
	struct wsd_iovec rest[4];
	struct wsd_op op;
	size_t total = 0;

	(void)state;
	assert_int_equal(wsd_buffers_check(buffers, 3, &total), 0);
	assert_int_equal(total, 10);
	wsd_op_init(&op, WSD_OP_KIND_SEND, NULL);
	assert_int_equal(wsd_op_set_buffers(&op, buffers, 3), 0);
	assert_int_equal(wsd_op_rest(&op, rest, 4), 2);
	wsd_op_advance(&op, 3);
	assert_int_equal(wsd_op_rest(&op, rest, 4), 2);
	assert_ptr_equal(rest[0].base, a + 3);
	wsd_op_advance(&op, 3);
	assert_int_equal(wsd_op_rest(&op, rest, 4), 1);
	assert_ptr_equal(rest[0].base, c + 2);
	assert_int_equal(rest[0].length, 4);
	wsd_op_advance(&op, 4);
	assert_int_equal(wsd_op_rest(&op, rest, 4), 0);
	assert_int_equal(op.moved, 10);
	assert_int_equal(wsd_buffers_check(NULL, 1, &total), WSAEFAULT);
	assert_int_equal(wsd_buffers_check(buffers, 0, &total), WSAEINVAL);
	assert_int_equal(wsd_buffers_check(buffers, 1u << 20, &total), WSAENOBUFS);
	buffers[1].len = 1;
	assert_int_equal(wsd_buffers_check(buffers, 3, &total), WSAEFAULT);
	buffers[0].len = buffers[2].len = UINT32_MAX;
	buffers[1].len = 0;
	assert_int_equal(wsd_buffers_check(buffers, 3, &total), WSAEINVAL);
}

static void test_state_table(void **state)
{
	enum wsd_socket_state next;
	unsigned allowed = 0;

	(void)state;
	for (int s = 0; s < WSD_SOCK_STATES; s++)
		for (int e = 0; e < WSD_SOCK_EVENTS; e++)
			allowed += wsd_socket_next_state((enum wsd_socket_state)s,
							 (enum wsd_socket_event)e, &next);
	assert_int_equal(allowed, 21);
	assert_false(wsd_socket_next_state(WSD_SOCK_CLOSED, WSD_SOCK_ON_CLOSE, &next));
	assert_false(wsd_socket_next_state(WSD_SOCK_LISTENING, WSD_SOCK_ON_CONNECT, &next));
	assert_true(wsd_socket_next_state(WSD_SOCK_CONNECTING, WSD_SOCK_ON_FAILED, &next));
	assert_int_equal(next, WSD_SOCK_BOUND); /* it may try again */
}

static void test_table_is_complete(void **state)
{
	void *entries[sizeof(WSPPROC_TABLE) / sizeof(void *)];

	(void)state;
	memcpy(entries, &wsd_proc_table, sizeof(entries));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		assert_non_null(entries[i]);
}

static void test_calls_before_startup(void **state)
{
	INT error = 0x5eed;

	(void)state;
	assert_int_equal(wsd_spi_cleanup(&error), SOCKET_ERROR);
	assert_int_equal(error, WSANOTINITIALISED);
	error = 0x5eed;
	assert_true(wsd_spi_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, 0, &error) ==
		    INVALID_SOCKET);
	assert_int_equal(error, WSANOTINITIALISED);
	error = 0x5eed;
	assert_int_equal(wsd_spi_listen(1, 1, &error), SOCKET_ERROR);
	assert_int_equal(error, WSANOTINITIALISED);
	assert_int_equal(wsd_spi_cancel_blocking_call(&error), SOCKET_ERROR);
	assert_int_equal(error, WSAEINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_text),
		cmocka_unit_test(test_sockaddr_limits),
		cmocka_unit_test(test_every_status_has_a_code),
		cmocka_unit_test(test_ports_follow_the_table),
		cmocka_unit_test(test_port_is_held_and_shared),
		cmocka_unit_test(test_port_of_both_families),
		cmocka_unit_test(test_events_need_enabling),
		cmocka_unit_test(test_selection_clears_and_inherits),
		cmocka_unit_test(test_window_gets_a_message_each),
		cmocka_unit_test(test_advance_over_buffers),
		cmocka_unit_test(test_state_table),
		cmocka_unit_test(test_table_is_complete),
		cmocka_unit_test(test_calls_before_startup),
	};

	test_deadline(30);
	wsd_port_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

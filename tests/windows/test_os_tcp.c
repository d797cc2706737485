// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_os_tcp.c - the sockets of the system below the path "plain": how many a wake asks, and what is not
 * acknowledged while the peer's window is closed, as a Windows 10 would tell it.
 */
#include "tests/lib/test.h"

#include "provider/transport/os_port.h"
#include "provider/transport/os_socket_windows.h"

#define PAIRS	 (3 * WSD_EVENT_GROUP)
#define WAIT_MS	 20000u
#define TCP_INFO 0xd8000027u /* _WSAIORW(IOC_VENDOR, 39) */

static WSPPROC_TABLE *base, original;
static unsigned asked;

static int WSPAPI count_asked(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT error)
{
	asked++;
	return original.lpWSPEnumNetworkEvents(s, event, events, error);
}

static int setup(void **state)
{
	(void)state;
	base = (WSPPROC_TABLE *)(uintptr_t)wsd_windows_net();
	return 0;
}

/* With the first socket the table is there. */
static void take_over(void)
{
	original = *base;
	base->lpWSPEnumNetworkEvents = count_asked;
}

/* A socket that lets the table go with it. */
static void give_back(void)
{
	*base = original;
}

static struct wsd_addr here(uint16_t port)
{
	struct wsd_addr at = { .family = WSD_FAMILY_IPV4, .port = port, .bytes = { 127, 0, 0, 1 } };

	return at;
}

static intptr_t listener(uint16_t *port)
{
	const struct wsd_addr any = here(0);
	intptr_t made;

	assert_int_equal(wsd_os_port_hold(&any, WSD_PORT_DEFAULT, &made, port), WSD_OK);
	assert_int_equal(wsd_os_tcp_listen(made, 200), WSD_OK);
	return made;
}

static void connect_pair(intptr_t from, uint16_t port, intptr_t *near_end, intptr_t *far_end)
{
	const struct wsd_addr to = here(port);
	enum wsd_status status;
	struct wsd_addr remote;

	assert_int_equal(wsd_os_port_open(WSD_FAMILY_IPV4, near_end), WSD_OK);
	status = wsd_os_tcp_connect(*near_end, &to);
	assert_true(status == WSD_OK || status == WSD_PENDING);
	do {
		status = wsd_os_tcp_accept(from, far_end, &remote);
		if (status == WSD_AGAIN)
			Sleep(1);
	} while (status == WSD_AGAIN);
	assert_int_equal(status, WSD_OK);
}

static void wait_for(struct wsd_os_poller *poller)
{
	assert_int_equal(WaitForSingleObject((HANDLE)wsd_os_poller_object(poller), WAIT_MS),
			 WAIT_OBJECT_0);
}

/* Until this one has something to read; returns how many wakes that took. */
static unsigned wait_for_bytes(struct wsd_os_poller *poller, const void *context)
{
	struct wsd_os_ready ready[16];

	for (unsigned wakes = 1;; wakes++) {
		uint32_t n;

		wait_for(poller);
		n = wsd_os_poller_poll(poller, ready, 16);
		for (uint32_t i = 0; i < n; i++)
			if (ready[i].context == context && (ready[i].what & WSD_OS_READABLE))
				return wakes;
	}
}

static void send_byte(intptr_t socket)
{
	const struct wsd_os_buffer one = { &(char){ 'x' }, 1 };
	size_t bytes = 0;

	assert_int_equal(wsd_os_tcp_send(socket, &one, 1, &bytes), WSD_OK);
	assert_int_equal(bytes, 1);
}

static void receive_byte(intptr_t socket)
{
	char byte = 0;
	const struct wsd_os_buffer one = { &byte, 1 };
	size_t bytes = 0;

	assert_int_equal(wsd_os_tcp_receive(socket, &one, 1, false, &bytes), WSD_OK);
	assert_int_equal(byte, 'x');
}

/* What was there from the beginning has been told. */
static void settle(struct wsd_os_poller *poller)
{
	struct wsd_os_ready ready[16];

	while (WaitForSingleObject((HANDLE)wsd_os_poller_object(poller), 200) == WAIT_OBJECT_0)
		(void)wsd_os_poller_poll(poller, ready, 16);
}

static void a_wake_asks_a_group(void **state)
{
	static intptr_t near_end[PAIRS], far_end[PAIRS];
	struct wsd_os_poller *poller;
	unsigned wakes;
	intptr_t from;
	uint16_t port;

	(void)state;
	from = listener(&port);
	take_over();
	assert_int_equal(wsd_os_poller_create(&poller), WSD_OK);
	for (unsigned i = 0; i < PAIRS; i++) {
		connect_pair(from, port, &near_end[i], &far_end[i]);
		assert_int_equal(wsd_os_poller_watch(poller, far_end[i], &far_end[i],
						     WSD_OS_READABLE, false),
				 WSD_OK);
	}
	settle(poller);
	for (unsigned i = 0; i < PAIRS; i++) {
		asked = 0;
		send_byte(near_end[i]);
		wakes = wait_for_bytes(poller, &far_end[i]);
		assert_in_range(asked, 1, (wakes + 1) * WSD_EVENT_GROUP);
		receive_byte(far_end[i]);
	}
	/* A place that was left is taken again. */
	for (unsigned i = 0; i < PAIRS; i += 2) {
		wsd_os_poller_unwatch(poller, far_end[i]);
		assert_int_equal(wsd_os_poller_watch(poller, far_end[i], &far_end[i],
						     WSD_OS_READABLE, false),
				 WSD_OK);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		send_byte(near_end[i]);
		(void)wait_for_bytes(poller, &far_end[i]);
	}
	for (unsigned i = 0; i < PAIRS; i++) {
		wsd_os_poller_unwatch(poller, far_end[i]);
		wsd_os_tcp_close(far_end[i]);
		wsd_os_tcp_close(near_end[i]);
	}
	wsd_os_poller_destroy(poller);
	give_back();
	wsd_os_tcp_close(from);
}

/* --- what is not acknowledged --- */

/* TCP_INFO_v0 */
static struct {
	int state;
	ULONG mss;
	ULONG64 connection_ms;
	BOOLEAN timestamps;
	ULONG rtt_us, min_rtt_us, in_flight, cwnd, send_window, receive_window, receive_buffer;
	ULONG64 bytes_out, bytes_in;
	ULONG more[4];
	UCHAR syn_retransmits;
} told;
static bool tells;

static int WSPAPI tell(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
		       LPDWORD bytes, LPWSAOVERLAPPED overlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
		       LPINT error)
{
	if (code != TCP_INFO)
		return original.lpWSPIoctl(s, code, in, in_size, out, out_size, bytes, overlapped,
					   routine, thread, error);
	*error = WSAEOPNOTSUPP;
	if (!tells || out_size < sizeof(told))
		return SOCKET_ERROR;
	memcpy(out, &told, sizeof(told));
	*bytes = sizeof(told);
	return 0;
}

static bool unsent_in(intptr_t socket, int tcp_state, ULONG in_flight, ULONG64 bytes_out)
{
	told.state = tcp_state;
	told.in_flight = in_flight;
	told.bytes_out = bytes_out;
	return wsd_os_tcp_unsent(socket);
}

static void a_closed_window_is_told(void **state)
{
	enum {
		CLOSED,
		ESTABLISHED = 4,
		FIN_WAIT_1,
		FIN_WAIT_2,
		CLOSE_WAIT,
		CLOSING,
		LAST_ACK,
		TIME_WAIT
	};
	intptr_t from, near_end, far_end;
	uint16_t port;

	(void)state;
	from = listener(&port);
	connect_pair(from, port, &near_end, &far_end);
	take_over();
	base->lpWSPIoctl = tell;
	tells = false; /* an older system */
	send_byte(far_end);
	assert_false(wsd_os_tcp_unsent(far_end));
	tells = true;
	assert_true(unsent_in(far_end, ESTABLISHED, 1, 1));
	assert_false(unsent_in(far_end, ESTABLISHED, 0, 1));
	send_byte(far_end);
	assert_true(unsent_in(far_end, ESTABLISHED, 0, 1)); /* its window is closed */
	assert_false(unsent_in(far_end, CLOSE_WAIT, 0, 2));
	assert_false(unsent_in(far_end, ESTABLISHED, 0, 5)); /* some of it twice */
	wsd_os_tcp_shutdown_send(far_end);
	/* The end waits behind bytes; it has gone, and is not acknowledged; it is. */
	assert_true(unsent_in(far_end, ESTABLISHED, 0, 1));
	assert_true(unsent_in(far_end, FIN_WAIT_1, 0, 2));
	assert_true(unsent_in(far_end, CLOSING, 0, 2));
	assert_true(unsent_in(far_end, LAST_ACK, 0, 2));
	assert_false(unsent_in(far_end, FIN_WAIT_2, 0, 2));
	assert_false(unsent_in(far_end, TIME_WAIT, 0, 2));
	assert_false(unsent_in(far_end, CLOSED, 0, 2));
	give_back();
	wsd_os_tcp_close(far_end);
	wsd_os_tcp_close(near_end);
	wsd_os_tcp_close(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_wake_asks_a_group, setup, NULL),
		cmocka_unit_test_setup_teardown(a_closed_window_is_told, setup, NULL),
	};

	test_deadline(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

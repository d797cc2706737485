// SPDX-License-Identifier: BSD-2-Clause
/* test_tcp_set.c - the readiness set of the tcp backend: that nothing is missed in a set of many sockets. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "rdma_backend/tcp/tcp_slot_windows.h"

#define PAIRS	  80u /* at most */
#define FEW	  40u
#define WAIT_MS	  20000u
#define BATCH	  16
#define FIRST_TRY 15000u
#define LAST_TRY  20000u

/* --- a set of many sockets --- */

static struct {
	unsigned pairs;
	int set, listener;
	uint16_t port;
	int near_end[PAIRS],
		far_end[PAIRS]; /* the far ones are in the set, each with its place as the tag */
} many;

static struct wsd_addr here(void)
{
	struct wsd_addr at = { .family = WSD_FAMILY_IPV4, .bytes = { 127, 0, 0, 1 } };

	return at;
}

static void listen_somewhere(void)
{
	const struct wsd_addr at = here();

	for (many.port = FIRST_TRY; many.port < LAST_TRY; many.port++) {
		many.listener = tcp_os_listen(&at, many.port, PAIRS);
		if (many.listener != -EADDRINUSE)
			break;
	}
	assert_true(many.listener >= 0);
}

static int connect_one(void)
{
	const struct wsd_addr from = { .family = WSD_FAMILY_NONE }, to = here();
	int fd = tcp_os_connect(&from, &to, many.port);

	assert_true(fd >= 0);
	return fd;
}

static int accept_one(void)
{
	int fd;

	while ((fd = tcp_os_accept(many.listener)) == -EAGAIN)
		Sleep(1);
	assert_true(fd >= 0);
	return fd;
}

static int many_begin(void **state)
{
	(void)state;
	listen_somewhere();
	many.set = tcp_os_set_create();
	assert_true(many.set >= 0);
	for (unsigned i = 0; i < many.pairs; i++) {
		many.near_end[i] = connect_one();
		many.far_end[i] = accept_one();
		assert_int_equal(
			tcp_os_set_add(many.set, many.far_end[i], TCP_READ, &many.far_end[i]), 0);
	}
	return 0;
}

static int many_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < many.pairs; i++) {
		tcp_os_set_remove(many.set, many.far_end[i]);
		tcp_os_close(many.far_end[i]);
		tcp_os_close(many.near_end[i]);
	}
	tcp_os_close(many.set);
	tcp_os_close(many.listener);
	return 0;
}

/* --- what it tells --- */

static bool poll_for(const void *tag, uint32_t *events)
{
	struct tcp_ready ready[BATCH];
	int n = tcp_os_set_poll(many.set, ready, BATCH);

	for (int i = 0; i < n; i++) {
		*events = ready[i].events;
		if (ready[i].tag == tag)
			return true;
	}
	return false;
}

/* As the queue waits: not without having settled. */
static void wait_for(const void *tag, uint32_t wanted)
{
	HANDLE object = (HANDLE)tcp_os_set_object(many.set);
	uint32_t events = 0;

	while (!poll_for(tag, &events) || (events & wanted) != wanted) {
		if (!tcp_os_set_settle(many.set))
			assert_int_equal(WaitForSingleObject(object, WAIT_MS), WAIT_OBJECT_0);
	}
}

/* What was there from the beginning has been told. */
static void calm(void)
{
	HANDLE object = (HANDLE)tcp_os_set_object(many.set);

	while (tcp_os_set_settle(many.set) || WaitForSingleObject(object, 100) == WAIT_OBJECT_0)
		;
}

static void send_byte(int fd)
{
	struct iovec one = { .iov_base = &(char){ 'x' }, .iov_len = 1 };

	assert_int_equal(tcp_os_send(fd, &one, 1), 1);
}

static void receive_bytes(int fd, unsigned count)
{
	char bytes[8] = "";
	struct iovec room = { .iov_base = bytes, .iov_len = sizeof(bytes) };

	assert_int_equal(tcp_os_recv(fd, &room, 1), count);
	assert_int_equal(tcp_os_recv(fd, &room, 1), -EAGAIN);
}

/* More than a poll has room for are all told, and again as long as they are not read. */
static void all_are_told(void **state)
{
	unsigned last;

	(void)state;
	for (unsigned i = 0; i < many.pairs; i++)
		send_byte(many.near_end[i]);
	for (last = many.pairs; last-- > 0;)
		wait_for(&many.far_end[last], TCP_READ);
	send_byte(many.near_end[0]);
	for (unsigned i = 0; i < many.pairs; i++) {
		wait_for(&many.far_end[i], TCP_READ);
		receive_bytes(many.far_end[i], i == 0 ? 2 : 1);
	}
}

/* An end is told as what it is. */
static void ends_are_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < many.pairs; i += 7) {
		tcp_os_set_change(many.set, many.far_end[i], TCP_READ, &many.far_end[i]);
		calm();
		tcp_os_shutdown_write(many.near_end[i]);
		wait_for(&many.far_end[i], TCP_HANGUP);
		tcp_os_set_change(many.set, many.far_end[i], 0, &many.far_end[i]);
	}
}

/* Also if it has been signalled before somebody asks, as something to read. */
static void an_end_before_the_question(void **state)
{
	uint32_t events;
	char byte = 0;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };

	(void)state;
	calm();
	send_byte(many.near_end[1]);
	wait_for(&many.far_end[1], TCP_READ);
	assert_int_equal(tcp_os_recv(many.far_end[1], &one, 1), 1);
	tcp_os_shutdown_write(many.near_end[1]);
	Sleep(200);
	assert_true(poll_for(&many.far_end[1], &events));
	tcp_os_set_change(many.set, many.far_end[1], TCP_READ, &many.far_end[1]);
	wait_for(&many.far_end[1], TCP_HANGUP);
}

/* A peer that is gone without an end, also to who has bytes that find no room. */
static void resets_are_told(void **state)
{
	static char bytes[65536];
	struct iovec all = { .iov_base = bytes, .iov_len = sizeof(bytes) };

	(void)state;
	for (unsigned i = 0; i < many.pairs; i += 7) {
		uint32_t wanted = i % 2 == 0 ? TCP_READ : TCP_READ | TCP_WRITE;

		if (wanted & TCP_WRITE)
			while (tcp_os_send(many.far_end[i], &all, 1) > 0)
				;
		else
			send_byte(many.far_end[i]);
		tcp_os_set_change(many.set, many.far_end[i], wanted, &many.far_end[i]);
		calm();
		tcp_os_close(many.near_end[i]); /* with bytes unread */
		wait_for(&many.far_end[i], TCP_READ);
		wait_for(&many.far_end[i], TCP_HANGUP);
		tcp_os_set_change(many.set, many.far_end[i], 0, &many.far_end[i]);
		many.near_end[i] = connect_one();
		tcp_os_close(accept_one());
	}
}

/* Room in a buffer that was full. */
static void room_is_told(void **state)
{
	static char bytes[65536];
	struct iovec all = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	const unsigned one = many.pairs / 2;
	size_t sent = 0, taken = 0;
	intptr_t n;

	(void)state;
	do {
		n = tcp_os_send(many.far_end[one], &all, 1);
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	assert_int_equal(n, -EAGAIN);
	tcp_os_set_change(many.set, many.far_end[one], TCP_READ | TCP_WRITE, &many.far_end[one]);
	calm();
	while (taken < sent) {
		all.iov_len = sizeof(bytes);
		n = tcp_os_recv(many.near_end[one], &all, 1);
		assert_true(n > 0 || n == -EAGAIN);
		taken += n > 0 ? (size_t)n : 0;
	}
	wait_for(&many.far_end[one], TCP_WRITE);
	tcp_os_set_change(many.set, many.far_end[one], TCP_READ, &many.far_end[one]);
}

/* Of connects: one that is refused, and one that succeeds and hears something. */
static void connects_are_told(void **state)
{
	const struct wsd_addr from = { .family = WSD_FAMILY_NONE }, to = here();
	int good = connect_one(), bad = tcp_os_connect(&from, &to, 1), other;

	(void)state;
	assert_int_equal(tcp_os_set_add(many.set, good, TCP_READ, &good), 0);
	if (bad >= 0) {
		assert_int_equal(tcp_os_set_add(many.set, bad, TCP_READ, &bad), 0);
		wait_for(&bad, TCP_READ);
		assert_int_equal(tcp_os_connect_result(bad), -ECONNREFUSED);
		tcp_os_set_remove(many.set, bad);
		tcp_os_close(bad);
	}
	other = accept_one();
	send_byte(other);
	wait_for(&good, TCP_READ);
	assert_int_equal(tcp_os_connect_result(good), 0);
	tcp_os_set_remove(many.set, good);
	tcp_os_close(good);
	tcp_os_close(other);
}

/* --- what it costs --- */

static WSPPROC_TABLE original;
static unsigned calls;

static int WSPAPI count_enum(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT error)
{
	calls++;
	return original.lpWSPEnumNetworkEvents(s, event, events, error);
}

static int WSPAPI count_recv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received,
			     LPDWORD flags, LPWSAOVERLAPPED overlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
			     LPINT error)
{
	calls++;
	return original.lpWSPRecv(s, buffers, count, received, flags, overlapped, routine, thread,
				  error);
}

static int WSPAPI count_select(SOCKET s, WSAEVENT event, long events, LPINT error)
{
	calls++;
	return original.lpWSPEventSelect(s, event, events, error);
}

/* Of many sockets only the one that has something to tell: it is received, and asked for more. */
static void only_news_cost(void **state)
{
	WSPPROC_TABLE *base = (WSPPROC_TABLE *)(uintptr_t)wsd_windows_net();

	(void)state;
	calm();
	original = *base;
	base->lpWSPEnumNetworkEvents = count_enum;
	base->lpWSPRecv = count_recv;
	base->lpWSPEventSelect = count_select;
	for (unsigned i = 0; i < many.pairs; i += 9) {
		send_byte(many.near_end[i]);
		calls = 0;
		wait_for(&many.far_end[i], TCP_READ);
		assert_int_equal(calls, 0);
		receive_bytes(many.far_end[i], 1); /* two calls */
		calm();
		assert_int_equal(calls, 3);
	}
	*base = original;
}

/* --- who was first --- */

static unsigned refusals;

static SOCKET WSPAPI refuse_one(SOCKET s, struct sockaddr *addr, LPINT length,
				LPCONDITIONPROC condition, DWORD_PTR context, LPINT error)
{
	if (refusals++ > 0)
		return original.lpWSPAccept(s, addr, length, condition, context, error);
	*error = WSAEWOULDBLOCK;
	return INVALID_SOCKET;
}

/* A connection that is told and not there, as if another process had been first: the next one is not missed. */
static void a_promise_is_broken(void **state)
{
	WSPPROC_TABLE *base = (WSPPROC_TABLE *)(uintptr_t)wsd_windows_net();
	int near_end, far_end;

	(void)state;
	assert_int_equal(tcp_os_accept(many.listener), -EAGAIN);
	assert_int_equal(tcp_os_set_add(many.set, many.listener, TCP_READ, &many.listener), 0);
	near_end = connect_one();
	wait_for(&many.listener, TCP_READ);
	original = *base;
	base->lpWSPAccept = refuse_one;
	refusals = 0;
	assert_int_equal(tcp_os_accept(many.listener), -EBUSY);
	tcp_os_set_change(many.set, many.listener, 0, &many.listener);
	calm();
	tcp_os_set_change(many.set, many.listener, TCP_READ, &many.listener);
	wait_for(&many.listener, TCP_READ);
	far_end = tcp_os_accept(many.listener);
	assert_true(far_end >= 0);
	assert_int_equal(tcp_os_accept(many.listener), -EAGAIN);
	*base = original;
	tcp_os_set_remove(many.set, many.listener);
	tcp_os_close(far_end);
	tcp_os_close(near_end);
}

/* --- who asks --- */

static DWORD WINAPI settle_once(void *arg)
{
	(void)arg;
	(void)tcp_os_set_settle(many.set);
	return 0;
}

/* What a thread has begun ends with it; not so what the set wants to know. */
static void the_asker_may_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < many.pairs; i += 11) {
		HANDLE thread;

		send_byte(many.near_end[i]);
		wait_for(&many.far_end[i], TCP_READ);
		receive_bytes(many.far_end[i], 1);
		thread = CreateThread(NULL, 0, settle_once, NULL, 0, NULL);
		assert_non_null(thread);
		assert_int_equal(WaitForSingleObject(thread, WAIT_MS), WAIT_OBJECT_0);
		CloseHandle(thread);
		/* Wine lets it go on: */
		assert_true(CancelIoEx((HANDLE)tcp_slot_at(many.far_end[i])->s, NULL));
		calm();
		send_byte(many.near_end[i]);
		wait_for(&many.far_end[i], TCP_READ);
		receive_bytes(many.far_end[i], 1);
	}
}

/* --- what begins resets the event --- */

static unsigned interrupted; /* which asks when another one's news come */

static void news_of_first(void)
{
	send_byte(many.near_end[0]);
	while (tcp_slot_waits(tcp_slot_at(many.far_end[0])))
		Sleep(1);
}

static int WSPAPI recv_behind_news(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received,
				   LPDWORD flags, LPWSAOVERLAPPED overlapped,
				   LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
				   LPINT error)
{
	if (overlapped && interrupted && s == tcp_slot_at(many.far_end[interrupted])->s) {
		interrupted = 0;
		news_of_first();
	}
	return original.lpWSPRecv(s, buffers, count, received, flags, overlapped, routine, thread,
				  error);
}

static bool told(bool left)
{
	return left || WaitForSingleObject((HANDLE)tcp_os_set_object(many.set), 0) == WAIT_OBJECT_0;
}

/* While one is asked another one, which was looked at before, has news. */
static void a_question_hides_no_news(void **state)
{
	WSPPROC_TABLE *base = (WSPPROC_TABLE *)(uintptr_t)wsd_windows_net();
	struct tcp_slot *set = tcp_slot_at(many.set);

	(void)state;
	calm();
	original = *base;
	base->lpWSPRecv = recv_behind_news;
	for (unsigned i = 1; i < many.pairs; i += 13) {
		send_byte(many.near_end[i]);
		wait_for(&many.far_end[i], TCP_READ);
		receive_bytes(many.far_end[i], 1);
		set->clean = true; /* as behind a settling before */
		atomic_store(&set->taken, false);
		interrupted = i;
		assert_true(told(tcp_os_set_settle(many.set)));
		assert_int_equal(interrupted, 0);
		wait_for(&many.far_end[0], TCP_READ);
		receive_bytes(many.far_end[0], 1);
		calm();
	}
	*base = original;
}

/* Or one is wanted anew, by a thread that does not wait. */
static void a_change_hides_no_news(void **state)
{
	int fd = many.far_end[1];

	(void)state;
	tcp_os_set_change(many.set, fd, 0, &many.far_end[1]);
	send_byte(many.near_end[1]);
	calm();
	receive_bytes(fd, 1); /* no question is under way now */
	calm();
	news_of_first();
	tcp_os_set_change(many.set, fd, TCP_READ, &many.far_end[1]);
	assert_true(told(false));
	wait_for(&many.far_end[0], TCP_READ);
	receive_bytes(many.far_end[0], 1);
}

static unsigned lacks;

static int WSPAPI recv_without_memory(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received,
				      LPDWORD flags, LPWSAOVERLAPPED overlapped,
				      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
				      LPWSATHREADID thread, LPINT error)
{
	if (overlapped) {
		lacks++;
		*error = WSAENOBUFS;
		return SOCKET_ERROR;
	}
	return original.lpWSPRecv(s, buffers, count, received, flags, overlapped, routine, thread,
				  error);
}

/* Without memory for a question a record tells, and nobody asks again and again meanwhile. */
static void a_lack_is_no_news(void **state)
{
	WSPPROC_TABLE *base = (WSPPROC_TABLE *)(uintptr_t)wsd_windows_net();

	(void)state;
	calm();
	original = *base;
	base->lpWSPRecv = recv_without_memory;
	lacks = 0;
	for (unsigned i = 0; i < 3; i++) {
		send_byte(many.near_end[1]);
		wait_for(&many.far_end[1], TCP_READ);
		receive_bytes(many.far_end[1], 1);
		calm(); /* ends */
		assert_int_equal(lacks, i + 1);
	}
	*base = original;
	send_byte(many.near_end[1]);
	wait_for(&many.far_end[1], TCP_READ);
	receive_bytes(many.far_end[1], 1);
	calm();
}

int main(void)
{
	int failed = 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_are_told, many_begin, many_end),
		cmocka_unit_test_setup_teardown(ends_are_told, many_begin, many_end),
		cmocka_unit_test_setup_teardown(an_end_before_the_question, many_begin, many_end),
		cmocka_unit_test_setup_teardown(resets_are_told, many_begin, many_end),
		cmocka_unit_test_setup_teardown(room_is_told, many_begin, many_end),
		cmocka_unit_test_setup_teardown(connects_are_told, many_begin, many_end),
		cmocka_unit_test_setup_teardown(only_news_cost, many_begin, many_end),
		cmocka_unit_test_setup_teardown(a_promise_is_broken, many_begin, many_end),
		cmocka_unit_test_setup_teardown(the_asker_may_end, many_begin, many_end),
		cmocka_unit_test_setup_teardown(a_question_hides_no_news, many_begin, many_end),
		cmocka_unit_test_setup_teardown(a_change_hides_no_news, many_begin, many_end),
		cmocka_unit_test_setup_teardown(a_lack_is_no_news, many_begin, many_end),
	};

	test_deadline(120);
	/* So few that they are looked at unasked, and more. */
	for (many.pairs = FEW; many.pairs <= PAIRS && !failed; many.pairs += PAIRS - FEW)
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed;
}

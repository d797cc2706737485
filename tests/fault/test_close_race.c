// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_close_race.c - every call in one thread, closesocket, WSACleanup or the same call again in
 * another: each ends, with a documented code, and what comes next works. Over the backend that
 * WSD_BACKENDS names; the sanitizer builds look for what cannot be seen from outside.
 */
#include "tests/fault/close_calls.h"

#include <pthread.h>

#define ROUNDS 8

static void *inside(void *arg)
{
	struct victim *v = arg;

	atomic_store(&v->inside, true);
	v->result = v->call->run(v);
	atomic_store(&v->ended, true);
	return NULL;
}

/* What a call may say whose socket, or whose library, was taken away. */
static bool documented(int error)
{
	switch (error) {
	case 0:
	case WSAEINTR:
	case WSAENOTSOCK:
	case WSAECONNABORTED:
	case WSAECONNRESET:
	case WSA_OPERATION_ABORTED:
	case WSANOTINITIALISED:
	case ERROR_INVALID_HANDLE: /* the completion port's way to say WSAENOTSOCK */
	case WSAECONNREFUSED:	   /* connect: the listener went first */
	case WSAENOTCONN: /* names and options between the end of the connection and the close */
		return true;
	default:
		return false;
	}
}

/* It asks before it accepts, and nobody answers: who connects has to wait. */
static SOCKET undecided_listener(struct sockaddr_in *at)
{
	SOCKET s = new_socket();
	BOOL on = TRUE;
	int length = sizeof(*at);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	os_address(false, false, (unsigned char *)&at->sin_addr);
	assert_int_equal(bind(s, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(setsockopt(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, sizeof(on)),
			 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)at, &length), 0);
	return s;
}

static void prepare(struct victim *v, const struct call *call)
{
	memset(v, 0, sizeof(*v));
	v->call = call;
	v->event = WSACreateEvent();
	v->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);
	if (call->role == FRESH) {
		v->pair.listener = undecided_listener(&v->pair.at);
		v->pair.server = INVALID_SOCKET;
		v->pair.client = v->s = new_socket();
		return;
	}
	open_pair(&v->pair);
	v->s = call->role == LISTENER ? v->pair.listener : v->pair.client;
}

/* But for the one that is closed already: another socket may have its number by now. */
static void finish(struct victim *v, SOCKET closed)
{
	SOCKET all[] = { v->pair.client, v->pair.server, v->pair.listener };

	for (unsigned i = 0; i < 3; i++)
		if (all[i] != INVALID_SOCKET && all[i] != closed)
			assert_int_equal(closesocket(all[i]), 0);
	WSACloseEvent(v->event);
	CloseHandle(v->port);
}

static void wait_inside(struct victim *v, unsigned round)
{
	while (!atomic_load(&v->inside))
		SleepEx(0, FALSE);
	if (round > 0)
		Sleep(round);
}

static void still_works(void)
{
	struct pair p;
	char byte = 1;

	open_pair(&p);
	assert_int_equal(send(p.client, &byte, 1, 0), 1);
	assert_int_equal(recv(p.server, &byte, 1, 0), 1);
	close_pair(&p);
}

static void check(const struct victim *v, const char *what)
{
	if (!documented(v->result))
		fail_msg("%s during %s: %d", what, v->call->name, v->result);
}

static void test_close_during_every_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < close_call_count * ROUNDS; i++) {
		struct victim v;
		pthread_t thread;
		int closed;

		prepare(&v, &close_calls[i / ROUNDS]);
		assert_int_equal(pthread_create(&thread, NULL, inside, &v), 0);
		wait_inside(&v, i % ROUNDS);
		atomic_store(&v.taken, true);
		closed = closesocket(v.s);
		atomic_store(&v.gone, true);
		pthread_join(thread, NULL);
		check(&v, "closesocket");
		/* Of two closes exactly one is right. */
		if (close_is_closesocket(v.call))
			assert_int_equal((closed == 0) + (v.result == 0), 1);
		else
			assert_int_equal(closed, 0);
		finish(&v, v.s);
	}
	still_works();
}

static void test_cleanup_during_every_call(void **state)
{
	WSADATA data;

	(void)state;
	for (unsigned i = 0; i < close_call_count * ROUNDS; i++) {
		struct victim v;
		pthread_t thread;

		prepare(&v, &close_calls[i / ROUNDS]);
		assert_int_equal(pthread_create(&thread, NULL, inside, &v), 0);
		wait_inside(&v, i % ROUNDS);
		atomic_store(&v.taken, true);
		assert_int_equal(WSACleanup(), 0);
		atomic_store(&v.gone, true);
		pthread_join(thread, NULL);
		check(&v, "WSACleanup");
		assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
		WSACloseEvent(v.event);
		CloseHandle(v.port);
	}
	still_works();
}

/* --- many threads on one socket --- */

#define THREADS 8
#define PIECE	997
#define PIECES	200

static char piece[PIECE];

static atomic_uint bytes_sent, bytes_got;

static void *send_many(void *arg)
{
	const struct victim *v = arg;

	for (unsigned i = 0; i < PIECES; i++) {
		int n = send(v->pair.client, piece, PIECE, 0);

		if (n != PIECE)
			break;
		atomic_fetch_add(&bytes_sent, (unsigned)n);
	}
	return NULL;
}

static void *receive_many(void *arg)
{
	const struct victim *v = arg;
	char bytes[4096];
	int n;

	while ((n = recv(v->pair.server, bytes, sizeof(bytes), 0)) > 0)
		atomic_fetch_add(&bytes_got, (unsigned)n);
	return NULL;
}

static void *ask_many(void *arg)
{
	const struct victim *v = arg;
	u_long bytes;
	int value, length = sizeof(value);

	for (unsigned i = 0; i < PIECES; i++) {
		ioctlsocket(v->pair.server, FIONREAD, &bytes);
		getsockopt(v->pair.client, SOL_SOCKET, SO_ERROR, (char *)&value, &length);
	}
	return NULL;
}

static void test_many_threads_on_one_socket(void **state)
{
	pthread_t senders[THREADS], receivers[THREADS], askers[2];
	struct victim v;

	(void)state;
	prepare(&v, &close_calls[0]);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&receivers[i], NULL, receive_many, &v), 0);
		assert_int_equal(pthread_create(&senders[i], NULL, send_many, &v), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_many, &v), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(senders[i], NULL);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(askers[i], NULL);
	assert_int_equal(atomic_load(&bytes_sent), THREADS * PIECES * PIECE);
	assert_int_equal(shutdown(v.pair.client, SD_SEND), 0);
	for (unsigned i = 0; i < THREADS; i++) /* every one of them sees the end */
		pthread_join(receivers[i], NULL);
	assert_int_equal(atomic_load(&bytes_got), THREADS * PIECES * PIECE);
	finish(&v, INVALID_SOCKET);
}

static int start(void **state)
{
	WSADATA data;

	(void)state;
	return WSAStartup(MAKEWORD(2, 2), &data);
}

static int stop(void **state)
{
	(void)state;
	return WSACleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_during_every_call),
		cmocka_unit_test(test_many_threads_on_one_socket),
		cmocka_unit_test(test_cleanup_during_every_call),
	};

	test_deadline(60);
	return cmocka_run_group_tests_name("close_race", tests, start, stop);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_winsock_stream.c - provider/winsock over a real backend (WSD_BACKENDS), both ends in one process:
 * events, overlapped operations, extension functions, close from another thread, linger, select.
 */
#include "tests/lib/test.h"

#include <pthread.h>
#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>
#include <openwsd/ws2tcpip.h>

#define BIG (3u << 20)

struct pair {
	SOCKET listener, client, server;
	struct sockaddr_in at;
};

static char big_out[BIG], big_in[BIG];

static SOCKET new_socket(void)
{
	SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);

	assert_true(s != INVALID_SOCKET);
	return s;
}

static SOCKET new_listener(struct sockaddr_in *at)
{
	SOCKET s = new_socket();
	int length = sizeof(*at);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(s, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)at, &length), 0);
	return s;
}

static void open_pair(struct pair *p)
{
	p->listener = new_listener(&p->at);
	p->client = new_socket();
	assert_int_equal(connect(p->client, (struct sockaddr *)&p->at, sizeof(p->at)), 0);
	p->server = accept(p->listener, NULL, NULL);
	assert_true(p->server != INVALID_SOCKET);
}

static void close_pair(struct pair *p)
{
	assert_int_equal(closesocket(p->client), 0);
	assert_int_equal(closesocket(p->server), 0);
	assert_int_equal(closesocket(p->listener), 0);
}

static void wait_event(WSAEVENT event)
{
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE), WSA_WAIT_EVENT_0);
}

static long fetch(SOCKET s, WSAEVENT event, WSANETWORKEVENTS *events)
{
	memset(events, 0, sizeof(*events));
	assert_int_equal(WSAEnumNetworkEvents(s, event, events), 0);
	return events->lNetworkEvents;
}

static void test_events_of_a_connection(void **state)
{
	WSAEVENT event = WSACreateEvent(), listening = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), client = new_socket(), server;
	char bytes[8];
	long seen = 0;

	(void)state;
	assert_int_equal(WSAEventSelect(listener, listening, FD_ACCEPT), 0);
	assert_int_equal(WSAEventSelect(client, event, FD_CONNECT | FD_READ | FD_WRITE | FD_CLOSE), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	wait_event(listening);
	assert_int_equal(fetch(listener, listening, &events), FD_ACCEPT);
	server = accept(listener, NULL, NULL);
	assert_true(server != INVALID_SOCKET);
	assert_int_equal(WSAEventSelect(server, NULL, 0), 0);
	while (seen != (FD_CONNECT | FD_WRITE)) {
		wait_event(event);
		seen |= fetch(client, event, &events);
		assert_int_equal(events.iErrorCode[FD_CONNECT_BIT], 0);
	}
	assert_int_equal(send(server, "abcd", 4, 0), 4);
	wait_event(event);
	assert_int_equal(fetch(client, event, &events), FD_READ);
	assert_int_equal(recv(client, bytes, 2, 0), 2);
	wait_event(event); /* two bytes are left */
	assert_int_equal(fetch(client, event, &events), FD_READ);
	assert_int_equal(recv(client, bytes, 8, 0), 2);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(shutdown(server, SD_SEND), 0);
	wait_event(event);
	assert_int_equal(fetch(client, event, &events), FD_CLOSE);
	assert_int_equal(events.iErrorCode[FD_CLOSE_BIT], 0);
	assert_int_equal(recv(client, bytes, 8, 0), 0);
	assert_int_equal(closesocket(client), 0);
	assert_int_equal(closesocket(server), 0);
	assert_int_equal(closesocket(listener), 0);
	WSACloseEvent(event);
	WSACloseEvent(listening);
}

static void test_write_event_after_wouldblock(void **state)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;
	struct pair p;
	size_t sent = 0, got = 0;
	int n;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSAEventSelect(p.client, event, FD_WRITE), 0);
	wait_event(event);
	assert_int_equal(fetch(p.client, event, &events), FD_WRITE);
	while ((n = send(p.client, big_out, 65536, 0)) > 0)
		sent += (size_t)n;
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	while (got < sent) {
		n = recv(p.server, big_in, sizeof(big_in), 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
	wait_event(event);
	assert_int_equal(fetch(p.client, event, &events), FD_WRITE);
	close_pair(&p);
	WSACloseEvent(event);
}

static DWORD result_of(SOCKET s, WSAOVERLAPPED *ov, DWORD *bytes)
{
	DWORD flags = 0;

	*bytes = 0;
	return WSAGetOverlappedResult(s, ov, bytes, TRUE, &flags) ? 0 : (DWORD)WSAGetLastError();
}

static void test_overlapped_both_ways(void **state)
{
	WSAOVERLAPPED out = { .hEvent = WSACreateEvent() }, in = { .hEvent = WSACreateEvent() };
	WSABUF send_buffer = { BIG, big_out }, recv_buffer = { BIG, big_in };
	DWORD bytes, flags = MSG_WAITALL;
	struct pair p;

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big_out[i] = (char)(i * 7 + (i >> 8));
	memset(big_in, 0, BIG);
	open_pair(&p);
	bytes = 0x5eed;
	assert_int_equal(WSARecv(p.server, &recv_buffer, 1, &bytes, &flags, &in, NULL), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(bytes, 0x5eed);
	if (WSASend(p.client, &send_buffer, 1, &bytes, 0, &out, NULL) != 0)
		assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(p.server, &in, &bytes), 0);
	assert_int_equal(bytes, BIG);
	assert_int_equal(result_of(p.client, &out, &bytes), 0);
	assert_int_equal(bytes, BIG);
	assert_memory_equal(big_in, big_out, BIG);
	close_pair(&p);
	WSACloseEvent(in.hEvent);
	WSACloseEvent(out.hEvent);
}

static void test_close_aborts_operations(void **state)
{
	HANDLE port;
	WSAOVERLAPPED ov[3], *done;
	WSABUF buffer = { 16, big_in };
	DWORD flags = 0, bytes;
	ULONG_PTR key;
	struct pair p;

	(void)state;
	memset(ov, 0, sizeof(ov));
	open_pair(&p);
	port = CreateIoCompletionPort((HANDLE)p.server, NULL, 42, 0);
	assert_non_null(port);
	for (int i = 0; i < 3; i++)
		assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov[i], NULL),
				 SOCKET_ERROR);
	assert_int_equal(send(p.client, "x", 1, 0), 1);
	assert_true(GetQueuedCompletionStatus(port, &bytes, &key, &done, 5000));
	assert_ptr_equal(done, &ov[0]);
	assert_int_equal(bytes, 1);
	assert_int_equal(closesocket(p.server), 0);
	for (int i = 1; i < 3; i++) {
		assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &done, 5000));
		assert_ptr_equal(done, &ov[i]);
		assert_int_equal(ov[i].OffsetHigh, WSA_OPERATION_ABORTED);
	}
	assert_false(GetQueuedCompletionStatus(port, &bytes, &key, &done, 0));
	assert_null(done); /* each once */
	assert_int_equal(recv(p.server, big_in, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	closesocket(p.client);
	closesocket(p.listener);
	CloseHandle(port);
}

static DWORD routine_error, routine_bytes;
static int routine_calls;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED ov, DWORD flags)
{
	(void)ov;
	(void)flags;
	routine_error = error;
	routine_bytes = bytes;
	routine_calls++;
}

static void test_routine_runs_in_alertable_wait(void **state)
{
	WSAOVERLAPPED ov = { 0 };
	WSABUF buffer = { 16, big_in };
	DWORD flags = 0;
	struct pair p;

	(void)state;
	open_pair(&p);
	routine_calls = 0;
	assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov, routine), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(send(p.client, "hello", 5, 0), 5);
	assert_int_equal(SleepEx(5000, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(routine_calls, 1);
	assert_int_equal(routine_error, 0);
	assert_int_equal(routine_bytes, 5);
	close_pair(&p);
}

static void accept_ex(DWORD receive)
{
	char buffer[256];
	struct sockaddr_in at;
	struct sockaddr *local, *remote;
	SOCKET listener = new_listener(&at), accepted = new_socket(), client = new_socket();
	WSAOVERLAPPED ov = { .hEvent = WSACreateEvent() }, cv = { .hEvent = WSACreateEvent() };
	struct sockaddr_in any = { .sin_family = AF_INET };
	int local_length, remote_length;
	DWORD bytes = 0;

	assert_false(AcceptEx(listener, accepted, buffer, receive, 32, 32, &bytes, &ov));
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(bind(client, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_false(ConnectEx(client, (struct sockaddr *)&at, sizeof(at), "first", 5, &bytes, &cv));
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(client, &cv, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(result_of(listener, &ov, &bytes), 0);
	assert_int_equal(bytes, receive > 0 ? 5 : 0);
	GetAcceptExSockaddrs(buffer, receive, 32, 32, &local, &local_length, &remote, &remote_length);
	assert_int_equal(local_length, 16);
	assert_int_equal(((struct sockaddr_in *)(void *)local)->sin_port, at.sin_port);
	assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
				    (char *)&listener, sizeof(listener)), 0);
	assert_int_equal(setsockopt(client, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, NULL, 0), 0);
	if (receive == 0)
		assert_int_equal(recv(accepted, buffer, 5, MSG_WAITALL), 5);
	assert_memory_equal(buffer, "first", 5);
	assert_int_equal(send(accepted, "back", 4, 0), 4);
	assert_int_equal(recv(client, buffer, 4, MSG_WAITALL), 4);
	closesocket(client);
	closesocket(accepted);
	closesocket(listener);
	WSACloseEvent(ov.hEvent);
	WSACloseEvent(cv.hEvent);
}

static void test_accept_ex(void **state)
{
	(void)state;
	accept_ex(0);
	accept_ex(64);
}

/* An AcceptEx that has its connection but waits for data ends with the listener. */
static void test_listener_close_ends_parked_accept(void **state)
{
	char buffer[256];
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), accepted = new_socket(), client = new_socket();
	WSAOVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes = 0;

	(void)state;
	assert_false(AcceptEx(listener, accepted, buffer, 64, 32, 32, &bytes, &ov));
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(closesocket(listener), 0);
	wait_event(ov.hEvent);
	assert_int_equal(ov.OffsetHigh, WSA_OPERATION_ABORTED);
	closesocket(accepted);
	closesocket(client);
	WSACloseEvent(ov.hEvent);
}

static void test_disconnect_and_reuse(void **state)
{
	LPFN_DISCONNECTEX disconnect_ex;
	GUID id = WSAID_DISCONNECTEX;
	struct pair p;
	DWORD bytes;
	char c;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSAIoctl(p.client, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
				  &disconnect_ex, sizeof(disconnect_ex), &bytes, NULL, NULL), 0);
	assert_int_equal(shutdown(p.server, SD_SEND), 0);
	assert_int_equal(recv(p.client, &c, 1, 0), 0);
	assert_true(disconnect_ex(p.client, NULL, TF_REUSE_SOCKET, 0));
	assert_int_equal(recv(p.server, &c, 1, 0), 0);
	closesocket(p.server);
	assert_int_equal(connect(p.client, (struct sockaddr *)&p.at, sizeof(p.at)), 0);
	p.server = accept(p.listener, NULL, NULL);
	assert_true(p.server != INVALID_SOCKET);
	assert_int_equal(send(p.client, "y", 1, 0), 1);
	assert_int_equal(recv(p.server, &c, 1, 0), 1);
	close_pair(&p);
}

static int condition_calls;

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)sqos;
	(void)gqos;
	(void)g;
	condition_calls++;
	return caller->len == 16 && callee->len == 16 && caller_data == NULL &&
			       callee_data->len == 0 ? (int)data : 77;
}

static void test_condition_function(void **state)
{
	struct sockaddr_in at, peer;
	SOCKET listener = new_listener(&at), client = new_socket(), server;
	int length = sizeof(peer);

	(void)state;
	condition_calls = 0;
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = WSAAccept(listener, NULL, NULL, condition, CF_DEFER);
	assert_true(server == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSATRY_AGAIN);
	assert_true(WSAAccept(listener, NULL, NULL, condition, 99) == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	server = WSAAccept(listener, (struct sockaddr *)&peer, &length, condition, CF_ACCEPT);
	assert_true(server != INVALID_SOCKET);
	assert_int_equal(length, 16);
	assert_int_equal(condition_calls, 3);
	closesocket(server);
	closesocket(client);
	closesocket(listener);
}

static void *close_later(void *arg)
{
	/* Long enough that the other thread is most likely inside; either order must work. */
	Sleep(20);
	closesocket(*(SOCKET *)arg);
	return NULL;
}

static void test_close_wakes_a_blocked_receive(void **state)
{
	pthread_t thread;
	struct pair p;
	char c;

	(void)state;
	open_pair(&p);
	assert_int_equal(pthread_create(&thread, NULL, close_later, &p.server), 0);
	assert_int_equal(recv(p.server, &c, 1, 0), SOCKET_ERROR);
	assert_true(WSAGetLastError() == WSAEINTR || WSAGetLastError() == WSAENOTSOCK);
	pthread_join(thread, NULL);
	closesocket(p.client);
	closesocket(p.listener);
}

static void test_receive_timeout(void **state)
{
	DWORD ms = 30;
	struct pair p;
	char c;

	(void)state;
	open_pair(&p);
	assert_int_equal(setsockopt(p.server, SOL_SOCKET, SO_RCVTIMEO, (char *)&ms, sizeof(ms)), 0);
	assert_int_equal(recv(p.server, &c, 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAETIMEDOUT);
	close_pair(&p);
}

static void test_select_over_sockets(void **state)
{
	struct timeval none = { 0, 0 }, some = { 5, 0 };
	fd_set r, w;
	struct pair p;

	(void)state;
	open_pair(&p);
	FD_ZERO(&r);
	FD_SET(p.server, &r);
	assert_int_equal(select(0, &r, NULL, NULL, &none), 0);
	assert_int_equal(r.fd_count, 0);
	FD_SET(p.server, &r);
	FD_SET(p.listener, &r);
	FD_ZERO(&w);
	FD_SET(p.client, &w);
	assert_int_equal(send(p.client, "z", 1, 0), 1);
	assert_int_equal(select(0, &r, NULL, NULL, &some), 1);
	assert_true(FD_ISSET(p.server, &r));
	assert_int_equal(select(0, NULL, &w, NULL, &none), 1);
	FD_SET((SOCKET)12345, &r);
	assert_int_equal(select(0, &r, NULL, NULL, &none), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	close_pair(&p);
}

static void test_urgent_byte(void **state)
{
	struct pair p;
	char c[4];
	fd_set e;
	struct timeval some = { 5, 0 };

	(void)state;
	open_pair(&p);
	assert_int_equal(send(p.client, "ab!", 3, MSG_OOB), 3);
	FD_ZERO(&e);
	FD_SET(p.server, &e);
	assert_int_equal(select(0, NULL, NULL, &e, &some), 1);
	assert_int_equal(recv(p.server, c, 1, MSG_OOB), 1);
	assert_int_equal(c[0], '!');
	assert_int_equal(recv(p.server, c, 4, 0), 2);
	assert_memory_equal(c, "ab", 2);
	close_pair(&p);
}

static void test_linger(void **state)
{
	struct linger hard = { 1, 0 }, wait = { 1, 5 };
	struct pair p;
	char c[8];

	(void)state;
	open_pair(&p);
	assert_int_equal(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&wait, sizeof(wait)), 0);
	assert_int_equal(send(p.client, "last", 4, 0), 4);
	assert_int_equal(closesocket(p.client), 0);
	assert_int_equal(recv(p.server, c, 8, 0), 4);
	assert_int_equal(recv(p.server, c, 8, 0), 0);
	closesocket(p.server);
	closesocket(p.listener);
	open_pair(&p);
	assert_int_equal(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard)), 0);
	assert_int_equal(closesocket(p.client), 0);
	assert_int_equal(recv(p.server, c, 8, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
}

static void test_refused_then_accepted(void **state)
{
	struct sockaddr_in at;
	SOCKET listener = new_listener(&at), client = new_socket(), server;

	(void)state;
	closesocket(listener);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAECONNREFUSED);
	listener = new_listener(&at);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	server = accept(listener, NULL, NULL);
	assert_true(server != INVALID_SOCKET);
	closesocket(server);
	closesocket(client);
	closesocket(listener);
}

static void test_transmit_file(void **state)
{
	const char *path = test_write_file("transmit", "0123456789");
	TRANSMIT_FILE_BUFFERS ends = { (LPVOID)"<", 1, (LPVOID)">", 1 };
	WSAOVERLAPPED ov = { .Offset = 3, .hEvent = WSACreateEvent() };
	struct pair p;
	HANDLE file;
	DWORD bytes;
	char c[16];

	(void)state;
	file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	open_pair(&p);
	assert_true(TransmitFile(p.client, file, 0, 0, NULL, &ends, 0));
	assert_int_equal(recv(p.server, c, 12, MSG_WAITALL), 12);
	assert_memory_equal(c, "<0123456789>", 12);
	if (!TransmitFile(p.client, file, 4, 0, &ov, NULL, TF_DISCONNECT))
		assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(p.client, &ov, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(recv(p.server, c, 4, MSG_WAITALL), 4);
	assert_memory_equal(c, "3456", 4);
	assert_int_equal(recv(p.server, c, 4, 0), 0);
	close_pair(&p);
	CloseHandle(file);
	WSACloseEvent(ov.hEvent);
}

static void *send_all(void *arg)
{
	struct pair *p = arg;

	assert_int_equal(send(p->client, big_out, BIG, 0), BIG);
	shutdown(p->client, SD_SEND);
	return NULL;
}

static void test_blocking_bulk(void **state)
{
	pthread_t thread;
	struct pair p;
	size_t got = 0;
	int n;

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big_out[i] = (char)(i * 13 + (i >> 9));
	memset(big_in, 0, BIG);
	open_pair(&p);
	assert_int_equal(pthread_create(&thread, NULL, send_all, &p), 0);
	while ((n = recv(p.server, big_in + got, (int)(BIG - got), 0)) > 0)
		got += (size_t)n;
	assert_int_equal(got, BIG);
	pthread_join(thread, NULL);
	assert_memory_equal(big_in, big_out, BIG);
	close_pair(&p);
}

static void test_options_and_ioctls(void **state)
{
	WSAPROTOCOL_INFOW info;
	char text[64];
	struct pair p;
	int value = 1, length = sizeof(value);
	DWORD bytes = 0, time = 0;
	u_long pending = 0;
	char list[4096];

	(void)state;
	open_pair(&p);
	assert_int_equal(getsockopt(p.listener, SOL_SOCKET, SO_ACCEPTCONN, (char *)&value, &length), 0);
	assert_int_equal(value, 1);
	length = sizeof(text);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_OPENWSD_PATH, text, &length), 0);
	assert_true(strlen(text) > 0);
	length = sizeof(info);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length), 0);
	assert_int_equal(info.iAddressFamily, AF_INET);
	length = sizeof(time);
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_CONNECT_TIME, (char *)&time, &length), 0);
	assert_true(time < 100);
	length = 3;
	assert_int_equal(getsockopt(p.client, SOL_SOCKET, SO_TYPE, (char *)&value, &length), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_int_equal(send(p.client, "four", 4, 0), 4);
	while (pending < 4) /* FIONREAD makes no progress by itself; asking does */
		assert_int_equal(ioctlsocket(p.server, (int)FIONREAD, &pending), 0);
	assert_int_equal(WSAIoctl(p.client, SIO_ADDRESS_LIST_QUERY, NULL, 0, list, 1, &bytes, NULL,
				  NULL), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_true(bytes > 1);
	assert_int_equal(WSAIoctl(p.client, SIO_ADDRESS_LIST_QUERY, NULL, 0, list, sizeof(list),
				  &bytes, NULL, NULL), 0);
	assert_true(((SOCKET_ADDRESS_LIST *)(void *)list)->iAddressCount > 0);
	close_pair(&p);
}

/* The data of a socket that was closed gracefully arrives although its process has nothing more to say,
 * and sockets that are open at the last cleanup are gone. */
static void test_cleanup_with_open_sockets(void **state)
{
	WSAOVERLAPPED ov = { .hEvent = NULL };
	WSABUF buffer = { 4, big_in };
	WSADATA data;
	DWORD flags = 0;
	struct pair p;

	(void)state;
	open_pair(&p);
	assert_int_equal(WSARecv(p.server, &buffer, 1, NULL, &flags, &ov, NULL), SOCKET_ERROR);
	assert_int_equal(WSACleanup(), 0);
	assert_int_equal(ov.OffsetHigh, WSA_OPERATION_ABORTED);
	assert_int_equal(send(p.client, "x", 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSANOTINITIALISED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(send(p.client, "x", 1, 0), SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	open_pair(&p);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_of_a_connection),
		cmocka_unit_test(test_write_event_after_wouldblock),
		cmocka_unit_test(test_overlapped_both_ways),
		cmocka_unit_test(test_close_aborts_operations),
		cmocka_unit_test(test_routine_runs_in_alertable_wait),
		cmocka_unit_test(test_accept_ex),
		cmocka_unit_test(test_listener_close_ends_parked_accept),
		cmocka_unit_test(test_disconnect_and_reuse),
		cmocka_unit_test(test_condition_function),
		cmocka_unit_test(test_close_wakes_a_blocked_receive),
		cmocka_unit_test(test_receive_timeout),
		cmocka_unit_test(test_select_over_sockets),
		cmocka_unit_test(test_urgent_byte),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_refused_then_accepted),
		cmocka_unit_test(test_transmit_file),
		cmocka_unit_test(test_blocking_bulk),
		cmocka_unit_test(test_options_and_ioctls),
		cmocka_unit_test(test_cleanup_with_open_sockets),
	};
	WSADATA data;
	int failed;

	test_deadline(60);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return WSACleanup() != 0 || failed;
}

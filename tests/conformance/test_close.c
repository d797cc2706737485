// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_close.c - close, shutdown, disconnect: ..R-210, and what becomes
 * of calls that wait while another thread closes. (Linger with a silent peer: test_linger.c.)
 */
#include "tests/conformance/io.h"

#define BIG (1u << 20)

static char in[BIG], out[BIG];

static void set_linger(SOCKET s, u_short on, u_short seconds)
{
	struct linger value = { on, seconds };

	NEED(setsockopt(s, SOL_SOCKET, SO_LINGER, (char *)&value, sizeof(value)) == 0);
}

/* Every call that takes a descriptor. */
static bool nothing_works(SOCKET s, const struct address *at)
{
	struct address name = *at;
	struct timeval none = { 0, 0 };
	WSANETWORKEVENTS events;
	WSAEVENT event = WSACreateEvent();
	WSABUF buffer = { 1, in };
	int value = 0, length = sizeof(value);
	DWORD n = 0, flags = 0;
	WSAOVERLAPPED o;
	fd_set set;
	bool ok;

	overlapped_init(&o, event);
	FD_ZERO(&set);
	FD_SET(s, &set);
	ok = FAILS(send(s, "x", 1, 0), WSAENOTSOCK) && FAILS(recv(s, in, 1, 0), WSAENOTSOCK) &&
	     FAILS(WSASend(s, &buffer, 1, &n, 0, &o, NULL), WSAENOTSOCK) &&
	     FAILS(WSARecv(s, &buffer, 1, &n, &flags, &o, NULL), WSAENOTSOCK) &&
	     FAILS(sendto(s, "x", 1, 0, &name.sa.any, name.length), WSAENOTSOCK) &&
	     FAILS(recvfrom(s, in, 1, 0, NULL, NULL), WSAENOTSOCK) &&
	     FAILS(bind_to(s, at), WSAENOTSOCK) && FAILS(connect_to(s, at), WSAENOTSOCK) &&
	     FAILS(listen(s, 1), WSAENOTSOCK) && FAILS(name_of(s, &name), WSAENOTSOCK) &&
	     FAILS(getpeername(s, &name.sa.any, &name.length), WSAENOTSOCK);
	ok = ok && accept(s, NULL, NULL) == INVALID_SOCKET && WSAGetLastError() == WSAENOTSOCK &&
	     FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&value, &length), WSAENOTSOCK) &&
	     FAILS(setsockopt(s, SOL_SOCKET, SO_DEBUG, (char *)&value, 4), WSAENOTSOCK) &&
	     FAILS(ioctlsocket(s, FIONREAD, &n), WSAENOTSOCK) &&
	     FAILS(shutdown(s, SD_BOTH), WSAENOTSOCK) && FAILS(closesocket(s), WSAENOTSOCK) &&
	     FAILS(WSAEventSelect(s, event, FD_READ), WSAENOTSOCK) &&
	     FAILS(WSAEnumNetworkEvents(s, event, &events), WSAENOTSOCK) &&
	     FAILS(WSASendDisconnect(s, NULL), WSAENOTSOCK) &&
	     FAILS(WSARecvDisconnect(s, NULL), WSAENOTSOCK) &&
	     FAILS(select(0, &set, NULL, NULL, &none), WSAENOTSOCK);
	ok = ok && !WSAGetOverlappedResult(s, &o, &n, FALSE, &flags) &&
	     WSAGetLastError() == WSAENOTSOCK && !event_is_set(event);
	WSACloseEvent(event);
	return ok;
}

/* A connect that has come as far as its listener, and stays there: while the values of closed handles are looked at,
 * none is to be given to what a connect in the background opens. */
static SOCKET held_connect(SOCKET *listener)
{
	SOCKET connecting = stream_socket();
	struct address at;
	fd_set set;

	*listener = conditional_listener(&at, 1);
	nonblocking(connecting, 1);
	NEED(FAILS(connect_to(connecting, &at), WSAEWOULDBLOCK));
	FD_ZERO(&set);
	FD_SET(*listener, &set);
	NEED(select(0, &set, NULL, NULL, NULL) == 1);
	return connecting;
}

static void check_after_close(void)
{
	struct pair p = need_pair();
	SOCKET fresh = stream_socket(), listener = p.listener;
	SOCKET holding, connecting = held_connect(&holding);
	bool ok;

	ok = closesocket(fresh) == 0 && nothing_works(fresh, &p.at);
	ok = closesocket(p.client) == 0 && nothing_works(p.client, &p.at) && ok;
	ok = closesocket(connecting) == 0 && nothing_works(connecting, &p.at) && ok;
	ok = closesocket(listener) == 0 && nothing_works(listener, &p.at) && ok;
	ok = closesocket(p.server) == 0 && nothing_works(p.server, &p.at) && ok;
	CHECK_R(188, ok);
	closesocket(holding);
}

/* Attempts that are given up in the middle of the handshake leave the listener in order. */
static void check_given_up(void)
{
	struct pair p = need_pair();
	SOCKET s;
	int i;

	for (i = 0; i < 50; i++) {
		s = stream_socket();
		nonblocking(s, 1);
		NEED(FAILS(connect_to(s, &p.at), WSAEWOULDBLOCK));
		if (i % 3 == 1)
			Sleep(0);
		CHECK_R(188, closesocket(s) == 0 && FAILS(closesocket(s), WSAENOTSOCK));
	}
	nonblocking(p.listener, 1);
	s = stream_socket();
	/* The system would wait for room instead of refusing. */
	for (i = 0; conf_system_tcp() && i < 1000; i++)
		closesocket(accept(p.listener, NULL, NULL));
	for (i = 0; connect_to(s, &p.at) != 0; i++) {
		/* What was given up may still fill the queue. */
		NEED(WSAGetLastError() == WSAECONNREFUSED && i < 1000);
		closesocket(accept(p.listener, NULL, NULL));
	}
	closesocket(s);
	close_pair(&p);
}

/* Operations of every kind, each with an event, and one on a port. */
static void check_pending(void)
{
	enum { RECV, SEND, URGENT, CHANGE, ACCEPT, KINDS };
	WSAOVERLAPPED o[KINDS];
	WSABUF buffer = { 1, in };
	struct pair p = need_pair(), q = need_pair();
	HANDLE port = CreateIoCompletionPort((HANDLE)q.server, NULL, 5, 0);
	SOCKET accepted = stream_socket();
	DWORD flags = MSG_OOB, n;
	OVERLAPPED *done = NULL;
	ULONG_PTR key;
	char space[128];

	for (int i = 0; i < KINDS; i++)
		overlapped_init(&o[i], WSACreateEvent());
	NEED(PENDS(post_recv(p.server, in, 1, &o[RECV])));
	NEED(PENDS(post_send(p.server, out, BIG, &o[SEND])));
	NEED(PENDS(WSARecv(p.server, &buffer, 1, NULL, &flags, &o[URGENT], NULL)));
	NEED(PENDS(WSAIoctl(p.server, SIO_ADDRESS_LIST_CHANGE, NULL, 0, NULL, 0, &n, &o[CHANGE],
			    NULL)));
	NEED(!AcceptEx(p.listener, accepted, space, 0, 64, 64, &n, &o[ACCEPT]) &&
	     WSAGetLastError() == WSA_IO_PENDING);
	NEED(closesocket(p.server) == 0 && closesocket(p.listener) == 0);
	for (int i = 0; i < KINDS; i++) {
		CHECK_R(189, event_within(o[i].hEvent, LONG_MS) && !in_progress(&o[i]) &&
				     o[i].OffsetHigh == WSA_OPERATION_ABORTED);
		WSACloseEvent(o[i].hEvent);
	}
	overlapped_init(&o[RECV], NULL);
	NEED(PENDS(post_recv(q.server, in, 1, &o[RECV])) && closesocket(q.server) == 0);
	CHECK_R(189, !GetQueuedCompletionStatus(port, &n, &key, &done, LONG_MS) &&
			     GetLastError() == ERROR_OPERATION_ABORTED && done == &o[RECV] &&
			     key == 5);
	CHECK_R(185, !GetQueuedCompletionStatus(port, &n, &key, &done, SHORT_MS) && !done);
	closesocket(p.client);
	closesocket(q.client);
	closesocket(q.listener);
	closesocket(accepted);
	CloseHandle(port);
}

static void check_graceful(void)
{
	struct pair p = need_pair();
	uint64_t begun;
	size_t sent;
	int value = 0, length = sizeof(value);

	CHECK_R(196,
		getsockopt(p.client, SOL_SOCKET, SO_DONTLINGER, (char *)&value, &length) == 0 &&
			value != 0); /* the standard */
	sent = send_until_full(p.client);
	begun = now_ms();
	CHECK_R(196, closesocket(p.client) == 0 && now_ms() - begun < LONG_MS / 2);
	CHECK_R(196, sent > 0 && drained(p.server, sent, 0) && at_end(p.server));
	closesocket(p.server);
	closesocket(p.listener);
	p = need_pair();
	value = 1;
	set_linger(p.client, 1, 0);
	NEED(setsockopt(p.client, SOL_SOCKET, SO_DONTLINGER, (char *)&value, 4) == 0);
	nonblocking(p.client, 1);
	sent = send_until_full(p.client);
	CHECK_R(196, closesocket(p.client) == 0 && drained(p.server, sent, 0));
	closesocket(p.server);
	closesocket(p.listener);
}

static void check_hard(void)
{
	struct pair p = need_pair();
	uint64_t begun;
	WSAOVERLAPPED o;
	DWORD n;

	/* A receive that waits, then one after it; and whether or not it is blocking. */
	overlapped_init(&o, NULL);
	NEED(PENDS(post_recv(p.server, in, 1, &o)));
	set_linger(p.client, 1, 0);
	begun = now_ms();
	CHECK_R(197, closesocket(p.client) == 0 && now_ms() - begun < LONG_MS / 2);
	CHECK_R(197, outcome(p.server, &o, &n, NULL) == WSAECONNRESET);
	CHECK_R(197, FAILS(recv(p.server, in, 1, 0), WSAECONNRESET));
	closesocket(p.server);
	closesocket(p.listener);
	p = need_pair();
	NEED(send_until_full(p.client) > 0);
	set_linger(p.client, 1, 0);
	CHECK_R(197, closesocket(p.client) == 0); /* nonblocking: no WSAEWOULDBLOCK here */
	while ((n = (DWORD)recv(p.server, in, BIG, 0)) != 0 && n != (DWORD)SOCKET_ERROR)
		;
	CHECK_R(197, n == (DWORD)SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	closesocket(p.server);
	closesocket(p.listener);
}

/* Data nobody read, or that comes after the close, resets: the sender must not think it was read. */
static void check_unread(void)
{
	struct pair p = need_pair();
	u_long waiting = 0;
	int n;

	NEED(send(p.client, "unread", 6, 0) == 6);
	while (waiting < 6)
		NEED(ioctlsocket(p.server, FIONREAD, &waiting) == 0);
	NEED(closesocket(p.server) == 0);
	CHECK_R(197, FAILS(recv(p.client, in, 1, 0), WSAECONNRESET));
	closesocket(p.client);
	closesocket(p.listener);
	p = need_pair();
	NEED(closesocket(p.server) == 0 && at_end(p.client));
	for (n = 1; n > 0; Sleep(1))
		n = send(p.client, "late", 4, 0);
	CHECK_R(197, n == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	closesocket(p.client);
	closesocket(p.listener);
}

static void check_linger_nonblocking(void)
{
	struct pair p = need_pair();
	WSAOVERLAPPED o;
	DWORD n;

	nonblocking(p.client, 1);
	set_linger(p.client, 1, 5);
	pattern_fill(out, BIG, 0);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(p.client, out, BIG, &o)));
	CHECK_R(200, FAILS(closesocket(p.client), WSAEWOULDBLOCK) && in_progress(&o));
	CHECK_R(200, FAILS(closesocket(p.client), WSAEWOULDBLOCK));
	/* No disconnect was begun: both directions work on. */
	CHECK_R(200, send(p.server, "back", 4, 0) == 4 && receive_all(p.server, in, BIG) == BIG &&
			     pattern_ok(in, BIG, 0) && outcome(p.client, &o, &n, NULL) == 0 &&
			     n == BIG);
	nonblocking(p.client, 0);
	CHECK_R(200, receive_all(p.client, in, 4) == 4 && send(p.client, "more", 4, 0) == 4 &&
			     receive_all(p.server, in, 4) == 4 && !memcmp(in, "more", 4));
	nonblocking(p.client, 1);
	if (conf_system_tcp())
		Sleep(SHORT_MS); /* it acknowledges when it likes */
	CHECK_R(200, closesocket(p.client) == 0 && at_end(p.server));
	closesocket(p.server);
	closesocket(p.listener);
}

static void check_no_event(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();

	NEED(WSAEventSelect(p.server, event, FD_READ | FD_CLOSE) == 0 && !event_is_set(event));
	NEED(closesocket(p.server) == 0);
	CHECK_R(201, !event_within(event, SHORT_MS));
	closesocket(p.client);
	CHECK_R(201, !event_within(event, SHORT_MS));
	closesocket(p.listener);
	p = need_pair();
	NEED(WSAEventSelect(p.server, event, FD_READ | FD_CLOSE) == 0);
	set_linger(p.server, 1, 0);
	NEED(closesocket(p.server) == 0);
	CHECK_R(201,
		FAILS(recv(p.client, in, 1, 0), WSAECONNRESET) && !event_within(event, SHORT_MS));
	closesocket(p.client);
	closesocket(p.listener);
	WSACloseEvent(event);
}

static void check_shutdown(void)
{
	struct pair p = need_pair();
	struct address at = loopback(0);
	SOCKET fresh = stream_socket();
	uint64_t begun;
	size_t sent;

	CHECK_R(202, FAILS(shutdown(fresh, SD_SEND), WSAENOTCONN) &&
			     FAILS(shutdown(fresh, SD_RECEIVE), WSAENOTCONN));
	NEED(bind_to(fresh, &at) == 0);
	CHECK_R(202, FAILS(shutdown(fresh, SD_BOTH), WSAENOTCONN));
	CHECK_R(202, FAILS(shutdown(p.listener, SD_BOTH), WSAENOTCONN));
	closesocket(fresh);
	CHECK_R(203, FAILS(shutdown(p.client, 3), WSAEINVAL) &&
			     FAILS(shutdown(p.client, -1), WSAEINVAL));
	CHECK_R(203, send(p.client, "fine", 4, 0) == 4 && receive_all(p.server, in, 4) == 4);
	/* A full window, and a linger that has no say here. */
	set_linger(p.client, 1, 30);
	sent = send_until_full(p.client);
	nonblocking(p.client, 0);
	begun = now_ms();
	CHECK_R(207, shutdown(p.client, SD_SEND) == 0 && now_ms() - begun < LONG_MS / 2);
	CHECK_R(207, name_of(p.client, &at) == 0 && shutdown(p.client, SD_SEND) == 0);
	CHECK_R(204, drained(p.server, sent, 0) && at_end(p.server));
	CHECK_R(205, send(p.server, "answer", 6, 0) == 6 && receive_all(p.client, in, 6) == 6 &&
			     !memcmp(in, "answer", 6));
	CHECK_R(207, shutdown(p.client, SD_BOTH) == 0 && name_of(p.client, &at) == 0);
	CHECK_R(207, closesocket(p.client) == 0);
	closesocket(p.server);
	closesocket(p.listener);
}

/* Sends that wait at the time go out before the end. */
static void check_shutdown_after_pending(void)
{
	struct pair p = need_pair();
	WSAOVERLAPPED o;
	DWORD n;

	pattern_fill(out, BIG, 0);
	overlapped_init(&o, NULL);
	NEED(PENDS(post_send(p.client, out, BIG, &o)));
	CHECK_R(204, shutdown(p.client, SD_SEND) == 0 && drained(p.server, BIG, 0));
	CHECK_R(204, outcome(p.client, &o, &n, NULL) == 0 && n == BIG);
	close_pair(&p);
}

static void check_shutdown_receive(void)
{
	struct pair p = need_pair();
	u_long waiting = 0;
	int n;

	NEED(send(p.client, "unread", 6, 0) == 6);
	while (waiting < 6)
		NEED(ioctlsocket(p.server, FIONREAD, &waiting) == 0);
	CHECK_R(206, shutdown(p.server, SD_RECEIVE) == 0 &&
			     FAILS(recv(p.client, in, 1, 0), WSAECONNRESET));
	close_pair(&p);
	p = need_pair();
	NEED(shutdown(p.server, SD_RECEIVE) == 0);
	/* The other direction works on, until something arrives. */
	CHECK_R(206, send(p.server, "still", 5, 0) == 5 && receive_all(p.client, in, 5) == 5);
	NEED(send(p.client, "late", 4, 0) == 4);
	n = recv(p.client, in, 1, 0);
	CHECK_R(206, n == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	close_pair(&p);
}

static void check_disconnect(void)
{
	struct pair p = need_pair();
	WSABUF data = { 4, in };
	SOCKET fresh = stream_socket();

	CHECK_R(208, FAILS(WSASendDisconnect(p.client, &data), WSAENOPROTOOPT));
	CHECK_R(208, send(p.client, "on", 2, 0) == 2 && receive_all(p.server, in, 2) == 2);
	CHECK_R(209, FAILS(WSASendDisconnect(fresh, NULL), WSAENOTCONN));
	CHECK_R(209, WSASendDisconnect(p.client, NULL) == 0 &&
			     FAILS(send(p.client, "x", 1, 0), WSAESHUTDOWN) && at_end(p.server));
	CHECK_R(209, send(p.server, "rest", 4, 0) == 4 && receive_all(p.client, in, 4) == 4);
	close_pair(&p);
	p = need_pair();
	CHECK_R(210, FAILS(WSARecvDisconnect(fresh, NULL), WSAENOTCONN));
	CHECK_R(210, FAILS(WSARecvDisconnect(p.server, &data), WSAENOPROTOOPT));
	CHECK_R(210, WSARecvDisconnect(p.server, NULL) == 0 &&
			     FAILS(recv(p.server, in, 1, 0), WSAESHUTDOWN));
	/* The window stays as it is: unlike SD_RECEIVE nothing is reset, and sending goes on. */
	CHECK_R(210, send(p.client, "unseen", 6, 0) == 6 && send(p.server, "seen", 4, 0) == 4 &&
			     receive_all(p.client, in, 4) == 4 && !memcmp(in, "seen", 4));
	CHECK_R(210, closesocket(p.server) == 0);
	closesocket(p.client);
	closesocket(p.listener);
	closesocket(fresh);
}

/* --- close while another thread is inside of a call --- */

struct blocked {
	SOCKET s;
	int kind, error;
};

static void blocked_call(void *arg)
{
	struct blocked *b = arg;
	char *bytes = malloc(4 * BIG);
	struct timeval forever = { 100, 0 };
	bool failed = false;
	fd_set set;

	NEED(bytes);
	FD_ZERO(&set);
	FD_SET(b->s, &set);
	memset(bytes, 0, 4 * BIG);
	WSASetLastError(0);
	thread_will_wait();
	switch (b->kind) {
	case 0:
		failed = recv(b->s, bytes, 1, 0) == SOCKET_ERROR;
		break;
	case 1:
		failed = send(b->s, bytes, 4 * BIG, 0) == SOCKET_ERROR;
		break;
	case 2:
		failed = accept(b->s, NULL, NULL) == INVALID_SOCKET;
		break;
	case 3:
		failed = select(0, &set, NULL, NULL, &forever) == SOCKET_ERROR;
		break;
	case 4:
		failed = recv(b->s, bytes, 1, MSG_PEEK) == SOCKET_ERROR;
		break;
	}
	b->error = failed ? WSAGetLastError() : 0;
	free(bytes);
}

static void check_blocked_calls(void)
{
	for (int kind = 0; kind < 5; kind++) {
		struct pair p = need_pair();
		struct blocked b = { kind == 2 ? p.listener : p.server, kind, 0 };
		struct conf_thread *thread = thread_run(blocked_call, &b);

		thread_until_waiting(thread);
		CHECK_R(188, closesocket(b.s) == 0);
		thread_join(thread); /* the deadline of the program tells when it hangs */
		CHECK_R(188, b.error == (kind == 3 ? WSAENOTSOCK : WSAEINTR));
		close_pair(&p);
	}
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_after_close();
	check_given_up();
	check_pending();
	check_graceful();
	check_hard();
	check_unread();
	check_linger_nonblocking();
	check_no_event();
	check_shutdown();
	check_shutdown_after_pending();
	check_shutdown_receive();
	check_disconnect();
	check_blocked_calls();
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_oob.c - out-of-band data, with SO_OOBINLINE off and on. */
#include "tests/conformance/events.h"

static int await_oob(SOCKET s)
{
	struct timeval limit = { SOON / 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, NULL, NULL, &set, &limit) == 1;
}

static int at_mark(SOCKET s)
{
	u_long answer = 77;

	return ioctlsocket(s, SIOCATMARK, &answer) == 0 ? (int)answer : -1;
}

static void set_inline(SOCKET s, int on)
{
	setsockopt(s, SOL_SOCKET, SO_OOBINLINE, (char *)&on, sizeof(on));
}

/* Wait until so many bytes can be read at once. */
static int await_bytes(SOCKET s, u_long want)
{
	u_long waiting = 0;

	for (int i = 0; i < SOON / 10; i++) {
		if (ioctlsocket(s, FIONREAD, &waiting) == 0 && waiting >= want)
			return 1;
		SleepEx(10, FALSE);
	}
	return 0;
}

static void check_apart(void)
{
	struct pair p;
	char text[32];
	WSABUF buffer = { sizeof(text), text };
	DWORD got = 0, flags;

	if (!open_pair(&p))
		return;
	nonblocking(p.server, 1);
	CHECK_R(341, FAILS(recv(p.server, text, 1, MSG_OOB), WSAEWOULDBLOCK));
	CHECK_R(344, send(p.client, "before", 6, 0) == 6 && send(p.client, "!", 1, MSG_OOB) == 1 &&
			     send(p.client, "after", 5, 0) == 5);
	CHECK_R(344, await_oob(p.server));
	/* A look first, then the byte, out of turn: the six bytes before it are still there. */
	CHECK_R(341, recv(p.server, text, 4, MSG_OOB | MSG_PEEK) == 1 && text[0] == '!');
	CHECK_R(341, recv(p.server, text, 4, MSG_OOB) == 1 && text[0] == '!');
	CHECK_R(341, FAILS(recv(p.server, text, 1, MSG_OOB), WSAEWOULDBLOCK));
	/* Its mark still stands: no read goes across. */
	SleepEx(QUIET, FALSE);
	CHECK_R(340, at_mark(p.server) == 0 && recv(p.server, text, sizeof(text), 0) == 6 &&
			     !memcmp(text, "before", 6));
	CHECK_R(340, at_mark(p.server) == 1 && await_bytes(p.server, 5) &&
			     recv(p.server, text, sizeof(text), 0) == 5 &&
			     !memcmp(text, "after", 5));
	/* Not fetched, it does not come with the others, and a read stops at its place. */
	send(p.client, "one", 3, 0);
	send(p.client, "?", 1, MSG_OOB);
	send(p.client, "two", 3, 0);
	CHECK_R(340, await_oob(p.server) && await_bytes(p.server, 3));
	CHECK_R(340, at_mark(p.server) == 0);
	CHECK_R(340, recv(p.server, text, sizeof(text), 0) == 3 && !memcmp(text, "one", 3));
	CHECK_R(340, at_mark(p.server) == 1);
	CHECK_R(340, await_bytes(p.server, 3) && recv(p.server, text, sizeof(text), 0) == 3 &&
			     !memcmp(text, "two", 3));
	flags = MSG_OOB;
	CHECK_R(341, WSARecv(p.server, &buffer, 1, &got, &flags, NULL, NULL) == 0 && got == 1 &&
			     text[0] == '?' && (flags & MSG_OOB));
	CHECK_R(340, at_mark(p.server) == 1);
	/* The last byte of a longer block is the urgent one. */
	CHECK_R(344, send(p.client, "abc", 3, MSG_OOB) == 3 && await_oob(p.server) &&
			     recv(p.server, text, 8, MSG_OOB) == 1 && text[0] == 'c');
	CHECK_R(340, await_bytes(p.server, 2) && recv(p.server, text, 8, 0) == 2 &&
			     !memcmp(text, "ab", 2));
	/* The reading side may ask before the byte is there, and wait for it. */
	nonblocking(p.server, 0);
	send(p.client, "#", 1, MSG_OOB);
	CHECK_R(341, recv(p.server, text, 1, MSG_OOB) == 1 && text[0] == '#');
	close_pair(&p);
}

static void check_overlapped(void)
{
	WSAOVERLAPPED o;
	struct pair p;
	char c = 0;
	WSABUF buffer = { 1, &c };
	DWORD flags = MSG_OOB, got = 0;

	if (!open_pair(&p))
		return;
	memset(&o, 0, sizeof(o));
	o.hEvent = WSACreateEvent();
	CHECK_R(341, FAILS(WSARecv(p.server, &buffer, 1, NULL, &flags, &o, NULL), WSA_IO_PENDING));
	send(p.client, "normal", 6, 0);
	CHECK_R(341, !signalled(o.hEvent, QUIET));
	send(p.client, "o", 1, MSG_OOB);
	CHECK_R(341, signalled(o.hEvent, SOON) &&
			     WSAGetOverlappedResult(p.server, &o, &got, FALSE, &flags) &&
			     got == 1 && c == 'o' && (flags & MSG_OOB));
	CHECK_R(341, drain(p.server, 6));
	/* Sent overlapped. */
	memset(&o.Internal, 0, sizeof(o.Internal));
	c = 's';
	CHECK_R(344, WSASend(p.client, &buffer, 1, NULL, MSG_OOB, &o, NULL) == 0 ||
			     WSAGetLastError() == WSA_IO_PENDING);
	CHECK_R(344, WSAGetOverlappedResult(p.client, &o, &got, TRUE, &flags) && got == 1 &&
			     await_oob(p.server) && recv(p.server, &c, 1, MSG_OOB) == 1 &&
			     c == 's');
	WSACloseEvent(o.hEvent);
	close_pair(&p);
}

static void check_inline(void)
{
	struct pair p;
	char text[32];

	if (!open_pair(&p))
		return;
	set_inline(p.server, 1);
	CHECK_R(343, at_mark(p.server) == 1);
	CHECK_R(342, FAILS(recv(p.server, text, 1, MSG_OOB), WSAEINVAL));
	send(p.client, "one", 3, 0);
	send(p.client, "!", 1, MSG_OOB);
	send(p.client, "two", 3, 0);
	CHECK_R(343, await_bytes(p.server, 3) && await_readable(p.server));
	CHECK_R(342, FAILS(recv(p.server, text, 1, MSG_OOB), WSAEINVAL));
	SleepEx(QUIET, FALSE); /* let everything arrive, so that a wrong read could mix it */
	if (conf_windows_tcp()) {
		CHECK(recv(p.server, text, 7, MSG_WAITALL) == 7 && !memcmp(text, "one!two", 7));
		close_pair(&p);
		return;
	}
	CHECK_R(343, at_mark(p.server) == 0);
	CHECK_R(343, recv(p.server, text, sizeof(text), 0) == 3 && !memcmp(text, "one", 3));
	CHECK_R(343, at_mark(p.server) == 1);
	CHECK_R(343, recv(p.server, text, sizeof(text), MSG_PEEK) == 1 && text[0] == '!');
	CHECK_R(343, recv(p.server, text, sizeof(text), 0) == 1 && text[0] == '!');
	CHECK_R(343, recv(p.server, text, sizeof(text), 0) == 3 && !memcmp(text, "two", 3));
	/* It counts as data: a blocking receive returns with it. */
	send(p.client, "?", 1, MSG_OOB);
	CHECK_R(343, recv(p.server, text, sizeof(text), 0) == 1 && text[0] == '?');
	close_pair(&p);
}

/* An urgent byte is pending between two others when it is switched over. */
static bool switched_pair(struct pair *p)
{
	if (!open_pair(p))
		return false;
	send(p->client, "a", 1, 0);
	send(p->client, "!", 1, MSG_OOB);
	send(p->client, "b", 1, 0);
	CHECK_R(343, await_oob(p->server));
	SleepEx(QUIET, FALSE);
	set_inline(p->server, 1);
	return true;
}

/* Switched over while a byte is pending: it is found on the way that is valid now. */
static void check_switch(void)
{
	struct pair p;
	char text[8];

	if (!switched_pair(&p))
		return;
	CHECK_R(343, recv(p.server, text, 8, 0) == 1 && text[0] == 'a' &&
			     recv(p.server, text, 8, 0) == 1 && text[0] == '!' &&
			     recv(p.server, text, 8, 0) == 1 && text[0] == 'b');
	/* One that was passed already has lost its place: then there is none to wait for. */
	set_inline(p.server, 0);
	send(p.client, "!", 1, MSG_OOB);
	CHECK_R(340, await_oob(p.server) && send(p.client, "c", 1, 0) == 1 &&
			     recv(p.server, text, 8, 0) == 1 && text[0] == 'c');
	set_inline(p.server, 1);
	CHECK_R(343, at_mark(p.server) == 1 && send(p.client, "d", 1, 0) == 1 &&
			     recv(p.server, text, 8, 0) == 1 && text[0] == 'd');
	close_pair(&p);
}

/* The same where the system does not tell a byte's place: it comes first, and none is lost. */
static void check_switch_without_place(void)
{
	struct pair p;
	char text[8];

	if (!switched_pair(&p))
		return;
	CHECK_R(343, await_readable(p.server) && recv(p.server, text, 8, MSG_PEEK) == 1 &&
			     text[0] == '!' && recv(p.server, text, 8, 0) == 1 && text[0] == '!' &&
			     recv(p.server, text, 2, MSG_WAITALL) == 2 && !memcmp(text, "ab", 2));
	close_pair(&p);
}

/* A byte that was fetched is not found again, and takes no other's place; one that was not waits on either way. */
static void check_switch_of_fetched(void)
{
	struct pair p;
	char text[8];

	if (!open_pair(&p))
		return;
	send(p.client, "x", 1, 0);
	send(p.client, "!", 1, MSG_OOB);
	send(p.client, "y", 1, 0);
	CHECK_R(343, await_oob(p.server) && recv(p.server, text, 8, MSG_OOB) == 1);
	SleepEx(QUIET, FALSE);
	set_inline(p.server, 1);
	CHECK_R(343, recv(p.server, text, 2, MSG_WAITALL) == 2 && !memcmp(text, "xy", 2));
	set_inline(p.server, 0);
	send(p.client, "?", 1, MSG_OOB);
	CHECK_R(343, await_oob(p.server));
	set_inline(p.server, 1);
	set_inline(p.server, 0);
	CHECK_R(343,
		await_oob(p.server) && recv(p.server, text, 8, MSG_OOB) == 1 && text[0] == '?');
	close_pair(&p);
}

/* Many, each where it belongs, while normal data flows. */
static void check_stream_of_marks(void)
{
	struct pair p;
	char text[64], expected;
	int good = 1;

	if (!open_pair(&p))
		return;
	set_inline(p.server, 1);
	for (int i = 0; i < 200 && good; i++) {
		expected = (char)('a' + i % 26);
		send(p.client, "0123456789", 10, 0);
		send(p.client, &expected, 1, MSG_OOB);
		good = recv(p.server, text, 10, MSG_WAITALL) == 10 &&
		       recv(p.server, text, sizeof(text), 0) == 1 && text[0] == expected;
	}
	CHECK_R(343, good);
	/* On another connection: Wine's TCP does not tell again of urgent bytes behind those in line. */
	close_pair(&p);
	if (!open_pair(&p))
		return;
	for (int i = 0; i < 200 && good; i++) {
		expected = (char)('A' + i % 26);
		send(p.client, "0123456789", 10, 0);
		send(p.client, &expected, 1, MSG_OOB);
		good = recv(p.server, text, 1, MSG_OOB) == 1 && text[0] == expected &&
		       recv(p.server, text, 10, MSG_WAITALL) == 10 && !memcmp(text, "01234", 5);
	}
	CHECK_R(341, good);
	close_pair(&p);
}

#define MANY 60 /* more than there is room for */

static char urgent_byte(int i)
{
	return (char)('A' + i % 26);
}

/* In line they are bytes of the stream: who does not read stops the sender, and not one is lost. */
static void check_many_inline(void)
{
	static WSAOVERLAPPED o[MANY];
	struct pair p;
	char text[64], c[MANY];
	DWORD got, flags;
	int stopped = 0, good = 1;

	if (!open_pair(&p))
		return;
	set_inline(p.server, 1);
	for (int i = 0; i < MANY; i++) {
		WSABUF buffer = { 1, &c[i] };

		c[i] = urgent_byte(i);
		o[i].hEvent = WSACreateEvent();
		good = good && (WSASend(p.client, &buffer, 1, NULL, MSG_OOB, &o[i], NULL) == 0 ||
				WSAGetLastError() == WSA_IO_PENDING);
		stopped |= !signalled(o[i].hEvent, i < 20 ? 1 : 0);
		if (i == 0) /* before the first one that waits */
			good = good && send(p.client, "abc", 3, 0) == 3;
	}
	CHECK_R(343, good && stopped);
	nonblocking(p.client, 1);
	CHECK(FAILS(send(p.client, "!", 1, MSG_OOB), WSAEWOULDBLOCK));
	for (int i = 0; i < MANY && good; i++) {
		good = recv(p.server, text, sizeof(text), 0) == 1 && text[0] == urgent_byte(i);
		if (i == 0)
			good = good && recv(p.server, text, sizeof(text), 0) == 3 &&
			       !memcmp(text, "abc", 3);
	}
	CHECK_R(343, good);
	for (int i = 0; i < MANY; i++) {
		good = good && WSAGetOverlappedResult(p.client, &o[i], &got, TRUE, &flags) &&
		       got == 1;
		WSACloseEvent(o[i].hEvent);
	}
	nonblocking(p.client, 0);
	CHECK_R(343, good && send(p.client, "!", 1, MSG_OOB) == 1 &&
			     recv(p.server, text, sizeof(text), 0) == 1 && text[0] == '!');
	close_pair(&p);
}

/* Out of line nobody need fetch them: the sender goes on, the last ones are kept, and no byte of the
 * stream is missing. */
static void check_many_apart(void)
{
	struct pair p;
	char text[8], last = 0;
	int good = 1;

	if (!open_pair(&p))
		return;
	for (int i = 0; i < MANY && good; i++) {
		char c = urgent_byte(i);

		good = send(p.client, "0123456789", 10, 0) == 10 &&
		       send(p.client, &c, 1, MSG_OOB) == 1;
	}
	CHECK_R(344, good && drain(p.server, 10 * MANY));
	nonblocking(p.server, 1);
	for (int i = 0; i < SOON / 10 && last != urgent_byte(MANY - 1); i++) {
		SleepEx(10, FALSE);
		while (recv(p.server, text, 1, MSG_OOB) == 1)
			last = text[0];
	}
	CHECK_R(344, last == urgent_byte(MANY - 1));
	close_pair(&p);
}

/* A receive that waits for each: none is passed over. */
static void check_many_awaited(void)
{
	static WSAOVERLAPPED o[MANY];
	static char into[MANY];
	struct pair p;
	DWORD got = 0, flags;
	int good = 1;

	if (!open_pair(&p))
		return;
	for (int i = 0; i < MANY; i++) {
		WSABUF buffer = { 1, &into[i] };

		flags = MSG_OOB;
		o[i].hEvent = WSACreateEvent();
		good = good && FAILS(WSARecv(p.server, &buffer, 1, NULL, &flags, &o[i], NULL),
				     WSA_IO_PENDING);
	}
	for (int i = 0; i < MANY; i++) {
		char c = urgent_byte(i);

		good = good && send(p.client, &c, 1, MSG_OOB) == 1;
	}
	for (int i = 0; i < MANY; i++) {
		good = good && signalled(o[i].hEvent, SOON) &&
		       WSAGetOverlappedResult(p.server, &o[i], &got, FALSE, &flags) && got == 1 &&
		       into[i] == urgent_byte(i);
		WSACloseEvent(o[i].hEvent);
	}
	CHECK_R(341, good);
	close_pair(&p);
}

static void check_errors(void)
{
	SOCKET s = stream_socket();
	struct pair p;
	char c = 'x';

	CHECK(FAILS(send(s, &c, 1, MSG_OOB), WSAENOTCONN));
	CHECK(FAILS(recv(s, &c, 1, MSG_OOB), WSAENOTCONN));
	closesocket(s);
	if (!open_pair(&p))
		return;
	shutdown(p.client, SD_SEND);
	CHECK(FAILS(send(p.client, &c, 1, MSG_OOB), WSAESHUTDOWN));
	/* At the end of the stream nobody waits for urgent data. */
	CHECK_R(341, recv(p.server, &c, 1, MSG_OOB) == 0);
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_apart();
	check_overlapped();
	check_inline();
	if (conf_windows_tcp())
		check_switch_without_place();
	else
		check_switch();
	check_switch_of_fetched();
	check_stream_of_marks();
	if (!conf_system_tcp()) { /* it keeps one mark */
		check_many_inline();
		check_many_apart();
		check_many_awaited();
	}
	check_errors();
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_select.c - select and WSAPoll: what makes a socket ready, the sets, the timeout. */
#include <stdlib.h>

#include "tests/conformance/events.h"
#include "tests/conformance/io.h"

static struct timeval none = { 0, 0 };

static fd_set one(SOCKET s)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return set;
}

static int readable(SOCKET s)
{
	fd_set set = one(s);

	return select(0, &set, NULL, NULL, &none) == 1 && FD_ISSET(s, &set);
}

static int writable(SOCKET s)
{
	fd_set set = one(s);

	return select(0, NULL, &set, NULL, &none) == 1 && FD_ISSET(s, &set);
}

static int excepted(SOCKET s)
{
	fd_set set = one(s);

	return select(0, NULL, NULL, &set, &none) == 1 && FD_ISSET(s, &set);
}

static void check_arguments(void)
{
	fd_set empty, set;
	struct timeval bad = { -1, 0 }, worse = { 0, 1000000 };
	WSAEVENT event = WSACreateEvent();
	struct pair p;

	FD_ZERO(&empty);
	CHECK_R(238, FAILS(select(0, NULL, NULL, NULL, &none), WSAEINVAL));
	CHECK_R(238, FAILS(select(0, &empty, &empty, NULL, &none), WSAEINVAL));
	CHECK_R(238, FAILS(select(0, NULL, NULL, NULL, NULL), WSAEINVAL));
	if (!open_pair(&p))
		return;
	set = one(p.server);
	CHECK(FAILS(select(0, &set, NULL, NULL, &bad), WSAEINVAL));
	CHECK(FAILS(select(0, &set, NULL, NULL, &worse), WSAEINVAL));
	/* What is no socket of this provider: a descriptor, another kind of handle, a closed one. */
	set = one(0);
	CHECK_R(242, FAILS(select(0, &set, NULL, NULL, &none), WSAENOTSOCK));
	set = one((SOCKET)(uintptr_t)event);
	CHECK_R(242, FAILS(select(0, NULL, &set, NULL, &none), WSAENOTSOCK));
	set = one(INVALID_SOCKET);
	CHECK_R(242, FAILS(select(0, NULL, NULL, &set, &none), WSAENOTSOCK));
	set = one(p.server);
	closesocket(p.server);
	CHECK_R(242, FAILS(select(0, &set, NULL, NULL, &none), WSAENOTSOCK) && set.fd_count == 1);
	/* One bad member spoils the call, good ones or not. */
	set = one(p.client);
	FD_SET(p.server, &set);
	CHECK_R(242, FAILS(select(0, NULL, &set, NULL, &none), WSAENOTSOCK));
	WSACloseEvent(event);
	closesocket(p.client);
	closesocket(p.listener);
}

static void check_sets(void)
{
	fd_set r, w, e;
	struct pair p;

	if (!open_pair(&p))
		return;
	send(p.client, "x", 1, 0);
	CHECK_R(241, await_readable(p.server));
	r = one(p.client);
	FD_SET(p.server, &r);
	FD_SET(p.listener, &r);
	w = one(p.client);
	FD_SET(p.server, &w);
	FD_SET(p.listener, &w);
	e = one(p.client);
	FD_SET(p.server, &e);
	CHECK_R(241, select(0, &r, &w, &e, &none) == 3);
	CHECK_R(241, r.fd_count == 1 && FD_ISSET(p.server, &r));
	CHECK_R(241, w.fd_count == 2 && FD_ISSET(p.server, &w) && FD_ISSET(p.client, &w));
	CHECK_R(241, e.fd_count == 0);
	/* A member that stands there twice counts twice. */
	r.fd_array[1] = r.fd_array[0];
	r.fd_count = 2;
	CHECK(select(0, &r, NULL, NULL, &none) == 2);
	/* nfds means nothing. */
	CHECK(select(-1, &r, NULL, NULL, &none) == 2);
	close_pair(&p);
}

/* More members than fit into an fd_set, and FD_SET at its limit. */
static void check_many(void)
{
	enum { MANY = 100 };
	struct {
		u_int count;
		SOCKET sockets[MANY];
	} wide;
	SOCKET all[MANY];
	struct address at;
	struct pair p;
	fd_set set;
	int i;

	FD_ZERO(&set);
	for (i = 0; i < MANY; i++) {
		all[i] = listener_on(&at, 1);
		FD_SET(all[i], &set);
	}
	CHECK(set.fd_count == FD_SETSIZE && FD_ISSET(all[FD_SETSIZE - 1], &set) &&
	      !FD_ISSET(all[FD_SETSIZE], &set));
	FD_SET(all[0], &set);
	CHECK(set.fd_count == FD_SETSIZE);
	CHECK_R(241, select(0, &set, NULL, NULL, &none) == 0 && set.fd_count == 0);
	p.client = stream_socket();
	connect_to(p.client, &at); /* the last one's address */
	CHECK_R(241, await_readable(all[MANY - 1]));
	memcpy(wide.sockets, all, sizeof(all));
	wide.count = MANY;
	CHECK_R(241, select(0, (fd_set *)(void *)&wide, NULL, NULL, NULL) == 1 && wide.count == 1 &&
			     wide.sockets[0] == all[MANY - 1]);
	closesocket(p.client);
	for (i = 0; i < MANY; i++)
		closesocket(all[i]);
}

struct later {
	SOCKET s;
	DWORD ms;
};

static void send_later(void *arg)
{
	struct later *later = arg;

	SleepEx(later->ms, FALSE);
	send(later->s, "l", 1, 0);
}

static void check_waiting(void)
{
	struct later later = { INVALID_SOCKET, 200 };
	struct timeval limit = { 0, 50000 }, copy = limit;
	struct conf_thread *thread;
	ULONGLONG began;
	struct pair p;
	fd_set set;

	if (!open_pair(&p))
		return;
	set = one(p.server);
	began = GetTickCount64();
	CHECK_R(239, select(0, &set, NULL, NULL, &none) == 0 && set.fd_count == 0 &&
			     GetTickCount64() - began < 5000);
	set = one(p.server);
	began = GetTickCount64();
	CHECK_R(243, select(0, &set, NULL, NULL, &limit) == 0 && set.fd_count == 0 &&
			     GetTickCount64() - began >= 45 &&
			     memcmp(&limit, &copy, sizeof(limit)) == 0);
	later.s = p.client;
	thread = thread_run(send_later, &later);
	set = one(p.server);
	FD_SET(p.listener, &set);
	CHECK_R(240, select(0, &set, NULL, NULL, NULL) == 1 && FD_ISSET(p.server, &set));
	thread_join(thread);
	limit.tv_sec = copy.tv_sec = 3600;
	CHECK_R(243, select(0, &set, NULL, NULL, &limit) == 1 &&
			     memcmp(&limit, &copy, sizeof(limit)) == 0);
	close_pair(&p);
}

/* A loop over a socket that can always be written to and one that is not readable at times, as many programs have: what
 * came for the latter meanwhile is seen at the next look, not when somebody else has looked. */
static void check_beside(void)
{
	enum { ROUNDS = 300 };
	u_long on = 1;
	unsigned sent = 0, read = 0;
	char some[ROUNDS];
	struct pair p;

	if (!open_pair(&p))
		return;
	ioctlsocket(p.server, FIONBIO, &on);
	for (int i = 0; i < ROUNDS; i++) {
		fd_set r = one(p.server), w = one(p.client);

		CHECK_R(241, select(0, &r, &w, NULL, &none) >= 0);
		if (FD_ISSET(p.client, &w))
			sent += send(p.client, "x", 1, 0) == 1;
		if (FD_ISSET(p.server, &r))
			read += recv(p.server, some, sizeof(some), 0) > 0;
	}
	/* A busy machine may keep the thread from running that is just about to tell of it. */
	CHECK_R(241, sent > ROUNDS / 2 && read >= sent / 2);
	close_pair(&p);
}

static void check_selection_kept(void)
{
	WSAEVENT event = WSACreateEvent();
	struct pair p;

	if (!open_pair(&p))
		return;
	WSAEventSelect(p.server, event, FD_READ);
	send(p.client, "x", 1, 0);
	CHECK_R(243, await_readable(p.server) && readable(p.server) && signalled(event, SOON));
	CHECK_R(243, await_events(p.server, event, FD_READ, NULL) == FD_READ);
	CHECK_R(243, readable(p.server) && stays_quiet(p.server, event) && drain(p.server, 1));
	send(p.client, "y", 1, 0);
	CHECK_R(243, await_events(p.server, event, FD_READ, NULL) == FD_READ);
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_readiness(void)
{
	struct linger hard = { 1, 0 };
	struct timeval limit = { SOON / 1000, 0 };
	int on = 1;
	struct pair p;
	fd_set set;
	long sent;
	SOCKET s;
	char c;

	s = stream_socket();
	CHECK(!readable(s) && !writable(s) && !excepted(s));
	closesocket(s);
	p.listener = listener_on(&p.at, 4);
	CHECK_R(244, !readable(p.listener) && !writable(p.listener));
	p.client = stream_socket();
	connect_to(p.client, &p.at);
	CHECK_R(244, await_readable(p.listener) && readable(p.listener));
	p.server = accept(p.listener, NULL, NULL);
	CHECK_R(244, !readable(p.listener));
	set = one(p.server);
	CHECK(select(0, NULL, &set, NULL, &limit) == 1 && writable(p.client));
	CHECK(!readable(p.server) && !excepted(p.server));
	/* A full connection is not writable until the other end has read. */
	nonblocking(p.client, 1);
	limit.tv_sec = 0;
	limit.tv_usec = QUIET * 1000;
	for (sent = fill(p.client);; sent += fill(p.client)) {
		set = one(p.client);
		if (select(0, NULL, &set, NULL, &limit) == 0)
			break;
	}
	CHECK(!writable(p.client) && await_readable(p.server) && drain(p.server, sent));
	set = one(p.client);
	limit.tv_sec = SOON / 1000;
	CHECK(select(0, NULL, &set, NULL, &limit) == 1);
	/* Out-of-band data: the except set, or inline like any other. */
	send(p.client, "!", 1, MSG_OOB);
	set = one(p.server);
	CHECK(select(0, NULL, NULL, &set, &limit) == 1 && !readable(p.server));
	CHECK(recv(p.server, &c, 1, MSG_OOB) == 1 && !excepted(p.server));
	setsockopt(p.server, SOL_SOCKET, SO_OOBINLINE, (char *)&on, sizeof(on));
	send(p.client, "!", 1, MSG_OOB);
	CHECK(await_readable(p.server) && !excepted(p.server) && recv(p.server, &c, 1, 0) == 1);
	/* The end of the stream and a reset can be read. */
	shutdown(p.client, SD_SEND);
	CHECK(await_readable(p.server) && recv(p.server, &c, 1, 0) == 0 && readable(p.server));
	setsockopt(p.server, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	closesocket(p.server);
	CHECK(await_readable(p.client));
	if (!conf_windows_tcp()) /* its own end was sent above */
		CHECK(FAILS(recv(p.client, &c, 1, 0), WSAECONNRESET));
	CHECK(writable(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

#define ROOM_MS 8 /* most of what a send waits for room that needs no reader */

/* Who has heard that there is no room takes room for a sign that its peer reads. False: room came nevertheless, from a
 * peer that was late: a send waited for it in vain. */
static int no_room(int block, int by_server)
{
	static char bytes[16384];
	struct timeval limit = { 0, QUIET * 1000 };
	uint64_t begun, longest = 0;
	SOCKET from, to;
	struct pair p;
	long sent = 0;
	int n, full;
	fd_set set;

	if (!open_pair(&p))
		return 1; /* and said so */
	from = by_server ? p.server : p.client;
	to = by_server ? p.client : p.server;
	nonblocking(from, 1);
	do {
		begun = now_ms();
		n = send(from, bytes, block, 0);
		begun = now_ms() - begun;
		longest = begun > longest ? begun : longest;
		sent += n > 0 ? n : 0;
	} while (n > 0);
	CHECK(sent > 0 && WSAGetLastError() == WSAEWOULDBLOCK);
	set = one(from);
	full = select(0, NULL, &set, NULL, &limit) == 0;
	CHECK(full || longest >= ROOM_MS);
	if (full)
		CHECK(FAILS(send(from, bytes, block, 0), WSAEWOULDBLOCK));
	CHECK(drain(to, sent));
	set = one(from);
	limit.tv_sec = SOON / 1000;
	CHECK(select(0, NULL, &set, NULL, &limit) == 1);
	close_pair(&p);
	return full;
}

/* Within a second of a wait in vain none waits in this process: of an earlier check's or of the last try's. */
static void check_no_room(int block, int by_server)
{
	int tries = 5;

	do
		Sleep(1100);
	while (!no_room(block, by_server) && --tries > 0);
	CHECK(tries > 0);
}

static void check_poll(void)
{
	WSAPOLLFD fds[4];
	struct pair p;
	char c;

	if (!open_pair(&p))
		return;
	memset(fds, 0x55, sizeof(fds));
	fds[0].fd = p.server;
	fds[1].fd = p.client;
	fds[2].fd = INVALID_SOCKET; /* ignored */
	fds[0].events = fds[2].events = POLLIN;
	fds[1].events = POLLIN | POLLOUT;
	CHECK(WSAPoll(fds, 3, 0) == 1 && fds[0].revents == 0 && fds[1].revents == POLLOUT &&
	      fds[2].revents == 0);
	send(p.client, "x", 1, 0);
	CHECK(WSAPoll(fds, 1, SOON) == 1 && fds[0].revents == POLLRDNORM);
	CHECK(recv(p.server, &c, 1, 0) == 1 && WSAPoll(fds, 1, 30) == 0 && fds[0].revents == 0);
	send(p.client, "!", 1, MSG_OOB);
	fds[0].events = POLLPRI;
	CHECK(WSAPoll(fds, 1, SOON) == 1 && fds[0].revents == POLLPRI);
	recv(p.server, &c, 1, MSG_OOB);
	closesocket(p.client);
	fds[0].events = POLLIN;
	CHECK(WSAPoll(fds, 1, -1) == 1 && (fds[0].revents & POLLHUP));
	closesocket(p.server);
	fds[0].events = POLLIN;
	CHECK(WSAPoll(fds, 1, SOON) == 1 && fds[0].revents == POLLNVAL);
	CHECK(FAILS(WSAPoll(fds, 0, 0), WSAEINVAL) && FAILS(WSAPoll(NULL, 1, 0), WSAEFAULT));
	closesocket(p.listener);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_arguments();
	check_sets();
	check_many();
	check_waiting();
	check_beside();
	check_selection_kept();
	check_readiness();
	if (!conf_system_tcp()) { /* the system's TCP has room while acknowledgements are on their way */
		check_no_room(1024, 0);
		check_no_room(1024, 1);
		check_no_room(16384, 0);
	}
	check_poll();
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate.c - WSPDuplicateSocket of connected sockets in mode D, and that both
 * descriptors send, receive, wait and select. On sim the other process is this one; it takes the same way.
 */
#include "tests/conformance/share.h"

#define SOME   3000
#define MANY   (1u << 20)
#define TURNS  20
#define ROUNDS 10
#define NAMES  0x7fffffff /* to a worker: what it calls both ends */

/* Both names of a connection as one number; turned: those of the other end. */
static int names_of(SOCKET s, bool turned)
{
	struct sockaddr_storage name[2];
	uint32_t sum = 2166136261u;

	memset(name, 0, sizeof(name));
	for (int i = 0; i < 2; i++) {
		struct sockaddr *at = (struct sockaddr *)&name[turned ? 1 - i : i];
		int length = sizeof(name[0]);

		if ((i == 0 ? getsockname : getpeername)(s, at, &length) != 0)
			return -1;
	}
	for (size_t i = 0; i < sizeof(name); i++)
		sum = (sum ^ ((unsigned char *)name)[i]) * 16777619u;
	return (int)(sum >> 1);
}

static void it_is_accepted_once(void)
{
	struct pair p = need_pair();
	WSAPROTOCOL_INFOW info = share_token(p.server, GetCurrentProcessId()), again = info;
	SOCKET other;

	CHECK_R(316, info.dwProviderReserved != 0 && info.iAddressFamily == conf_family());
	other = share_attach(&info);
	CHECK_R(316, other != INVALID_SOCKET && other != p.server);
	CHECK_R(317, share_attach(&again) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK(share_moves(p.client, other, SOME, 0));
	closesocket(other);
	close_pair(&p);
}

static void what_cannot_be_duplicated(void)
{
	struct linger now = { 1, 0 };
	struct pair p = need_pair(), broken = need_pair();
	WSAPROTOCOL_INFOW info = share_info_with(12345);
	char byte;

	CHECK(share_attach(&info) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL);
	CHECK(FAILS(WSADuplicateSocketW(p.server, GetCurrentProcessId(), NULL), WSAEFAULT));
	CHECK(FAILS(WSADuplicateSocketW(p.server, 0x7ffffff0, &info), WSAEINVAL));
	CHECK(share_moves(p.client, p.server, SOME, 0)); /* and nothing has changed */
	NEED(setsockopt(broken.client, SOL_SOCKET, SO_LINGER, (char *)&now, sizeof(now)) == 0);
	closesocket(broken.client);
	NEED(FAILS(recv(broken.server, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(WSADuplicateSocketW(broken.server, GetCurrentProcessId(), &info), WSAEINVAL));
	closesocket(broken.server);
	closesocket(broken.listener);
	close_pair(&p);
}

static void either_sends_and_receives(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	size_t out = 0, in = 0;

	for (unsigned i = 0; i < TURNS; i++) {
		SOCKET mine = i & 1 ? other : p.server;
		size_t length = i % 3 == 0 ? 100000 : SOME;

		length = length > 60000 ? 60000 : length; /* one thread: it has to fit */
		CHECK_R(316, share_moves(p.client, mine, length, in));
		in += length;
		CHECK_R(316, share_moves(mine, p.client, length, out));
		out += length;
	}
	closesocket(other);
	CHECK(share_moves(p.client, p.server, SOME,
			  in)); /* the one that is left is an ordinary one */
	close_pair(&p);
}

/* Also of the other end, and when the first process has let go. */
static void names_stay(void)
{
	struct pair p = need_pair();
	int names = names_of(p.server, false), theirs = names_of(p.client, false);
	SOCKET other;

	CHECK(names > 0 && names == names_of(p.client, true));
	other = share_other(p.server);
	CHECK_R(316, names_of(other, false) == names); /* before it was used, */
	CHECK(share_moves(p.client, other, SOME, 0));
	CHECK_R(316, names_of(other, false) == names); /* by this one, */
	CHECK(share_moves(p.client, p.server, SOME, SOME));
	CHECK_R(316, names_of(p.server, false) == names && names_of(other, false) == names);
	closesocket(p.server);
	CHECK_R(316, names_of(other, false) == names && names_of(p.client, false) == theirs);
	CHECK(share_moves(other, p.client, SOME, 0));
	CHECK_R(316, names_of(other, false) == names && names_of(p.client, false) == theirs);
	p.server = other;
	other = share_other(p.client); /* the one that connected goes as well */
	closesocket(p.client);
	CHECK_R(316, names_of(other, false) == theirs && names_of(p.server, false) == names);
	p.client = other;
	CHECK(share_moves(p.client, p.server, SOME, 2 * SOME));
	CHECK_R(316, names_of(other, false) == theirs && names_of(p.server, false) == names);
	close_pair(&p);
}

static void options_are_shared(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	int value = 0, length = sizeof(value);
	BOOL on = TRUE;
	u_long many = 0;

	NEED(setsockopt(p.server, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, sizeof(on)) == 0);
	CHECK_R(329, getsockopt(other, SOL_SOCKET, SO_KEEPALIVE, (char *)&value, &length) == 0 &&
			     value != 0);
	value = 8192;
	NEED(setsockopt(other, SOL_SOCKET, SO_RCVBUF, (char *)&value, sizeof(value)) == 0);
	value = 0;
	CHECK_R(329, getsockopt(p.server, SOL_SOCKET, SO_RCVBUF, (char *)&value, &length) == 0 &&
			     value == 8192);
	nonblocking(p.server, 1);
	CHECK_R(329, FAILS(recv(other, (char *)&value, 1, 0), WSAEWOULDBLOCK));
	NEED(send(p.client, "abc", 3, 0) == 3);
	for (unsigned i = 0; many < 3 && i < LONG_MS; i++, Sleep(1))
		NEED(ioctlsocket(i & 1 ? other : p.server, FIONREAD, &many) == 0);
	CHECK(many == 3);
	closesocket(other);
	close_pair(&p);
}

static void the_last_one_closes(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	WSAPROTOCOL_INFOW info;
	char byte;

	closesocket(p.server);
	nonblocking(p.client, 1);
	Sleep(SHORT_MS);
	CHECK_R(330, FAILS(recv(p.client, &byte, 1, 0), WSAEWOULDBLOCK));
	nonblocking(p.client, 0);
	CHECK_R(330, share_moves(other, p.client, 1, 0));
	nonblocking(p.client, 1);
	/* Nobody has it just now: a token is enough to keep it open. */
	info = share_token(other, GetCurrentProcessId());
	closesocket(other);
	Sleep(SHORT_MS);
	CHECK_R(330, FAILS(recv(p.client, &byte, 1, 0), WSAEWOULDBLOCK));
	nonblocking(p.client, 0);
	other = share_attach(&info);
	CHECK_R(330, other != INVALID_SOCKET && share_moves(other, p.client, 1, 1));
	closesocket(other);
	CHECK_R(330, at_end(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

/* --- who waits here gets it, though the other one used the socket in between --- */

static void pending_receives_stay(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	char bytes[SOME];
	WSAOVERLAPPED o;
	DWORD n = 0, flags = 0;

	overlapped_init(&o, WSACreateEvent());
	CHECK(PENDS(post_recv(p.server, bytes, SOME, &o)));
	CHECK(share_moves(other, p.client, SOME, 0));
	NEED(send(p.client, "x", 1, 0) == 1);
	CHECK(event_within(o.hEvent, LONG_MS));
	CHECK(outcome(p.server, &o, &n, &flags) == 0 && n == 1 && bytes[0] == 'x');
	WSACloseEvent(o.hEvent);
	closesocket(other);
	close_pair(&p);
}

static void events_go_to_the_last_who_asked(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	WSAEVENT mine = WSACreateEvent(), theirs = WSACreateEvent();
	WSANETWORKEVENTS happened;
	char byte;

	NEED(WSAEventSelect(p.server, mine, FD_READ | FD_CLOSE) == 0);
	CHECK_R(329, FAILS(recv(other, &byte, 1, 0), WSAEWOULDBLOCK)); /* it is nonblocking now */
	NEED(send(p.client, "a", 1, 0) == 1);
	CHECK_R(329, event_within(mine, LONG_MS)); /* though the other had the connection */
	CHECK(WSAEnumNetworkEvents(p.server, mine, &happened) == 0 &&
	      (happened.lNetworkEvents & FD_READ));
	CHECK(recv(p.server, &byte, 1, 0) == 1 && byte == 'a');
	NEED(WSAEventSelect(other, theirs, FD_READ | FD_CLOSE) == 0);
	NEED(send(p.client, "b", 1, 0) == 1);
	CHECK_R(329, event_within(theirs, LONG_MS));
	CHECK_R(329, !event_is_set(mine));
	CHECK(recv(p.server, &byte, 1, 0) == 1 && byte == 'b');
	closesocket(p.client);
	closesocket(p.listener);
	CHECK(event_within(theirs, LONG_MS)); /* FD_READ once more, or FD_CLOSE */
	closesocket(other);
	closesocket(p.server);
	WSACloseEvent(mine);
	WSACloseEvent(theirs);
}

static void half_a_close_is_shared(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);

	NEED(share_moves(p.server, p.client, SOME, 0));
	NEED(shutdown(other, SD_SEND) == 0);
	CHECK_R(329, FAILS(send(p.server, "x", 1, 0), WSAESHUTDOWN));
	CHECK(at_end(p.client));
	CHECK(share_moves(p.client, p.server, SOME, 0) && share_moves(p.client, other, SOME, SOME));
	closesocket(p.client);
	CHECK(at_end(other) && at_end(p.server));
	closesocket(other);
	closesocket(p.server);
	closesocket(p.listener);
}

static void a_reset_reaches_both(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	struct linger now = { 1, 0 };
	char byte;

	NEED(share_moves(other, p.client, SOME, 0));
	NEED(setsockopt(p.client, SOL_SOCKET, SO_LINGER, (char *)&now, sizeof(now)) == 0);
	closesocket(p.client);
	CHECK(FAILS(recv(p.server, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(recv(other, &byte, 1, 0), WSAECONNRESET));
	closesocket(other);
	closesocket(p.server);
	closesocket(p.listener);
}

/* A token is good when the one who gave it has left before the others do. */
static void a_token_outlives_its_giver(void)
{
	struct pair p = need_pair();
	SOCKET other = share_other(p.server);
	WSAPROTOCOL_INFOW info;

	NEED(share_moves(other, p.client, SOME, 0));
	info = share_token(other, GetCurrentProcessId());
	closesocket(other);
	NEED(share_moves(p.server, p.client, SOME, SOME)); /* it is here, and nobody else has it */
	closesocket(p.server);
	p.server = share_attach(&info);
	CHECK_R(330, p.server != INVALID_SOCKET && share_moves(p.server, p.client, SOME, 2 * SOME));
	close_pair(&p);
}

/* Where the connection is when the last descriptor is closed does not matter: it may just be on its way. */
static void the_last_one_resets(void)
{
	struct linger now = { 1, 0 };
	char byte;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct pair p = need_pair();
		SOCKET other = share_other(p.server);

		NEED(setsockopt(p.server, SOL_SOCKET, SO_LINGER, (char *)&now, sizeof(now)) == 0);
		NEED(share_moves(other, p.client, 1, 0));
		closesocket(other);
		closesocket(p.server);
		CHECK_R(197, FAILS(recv(p.client, &byte, 1, 0), WSAECONNRESET));
		closesocket(p.client);
		closesocket(p.listener);
	}
}

/* --- another process --- */

/* Takes the socket whose token it hears, echoes what it is told to, and ends in the way it is told. */
static int worker(void)
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info;
	SOCKET s;
	char *bytes = malloc(MANY);
	int length;

	info = share_info_with((DWORD)child_hear(&parent));
	s = share_attach(&info);
	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	while (s != INVALID_SOCKET && (length = child_hear(&parent)) > 0) {
		if (length == NAMES)
			child_tell(&parent, names_of(s, false));
		else
			child_tell(&parent,
				   send(s, bytes, (int)receive_all(s, bytes, (size_t)length), 0));
	}
	if (strcmp(conf_argument(), "closes") == 0)
		closesocket(s);
	if (strcmp(conf_argument(), "cleans") == 0 || !conf_exit_closes())
		WSACleanup();
	free(bytes);
	return 0;
}

static struct child worker_with(SOCKET s, const char *end, int *error)
{
	struct child c = child_start_ready("worker", end);
	WSAPROTOCOL_INFOW info = share_token(s, child_id(&c));

	child_tell(&c, (int)info.dwProviderReserved);
	*error = child_hear(&c);
	return c;
}

static bool worker_echoes(struct child *c, SOCKET client, int length)
{
	char *bytes = pattern_new((size_t)length, 0);
	bool good;

	child_tell(c, length);
	good = send(client, bytes, length, 0) == length &&
	       receive_all(client, bytes, (size_t)length) == (size_t)length &&
	       pattern_ok(bytes, (size_t)length, 0) && child_hear(c) == length;
	free(bytes);
	return good;
}

/* The server's names are there what they were here. */
static bool worker_names(struct child *c, SOCKET client)
{
	int names = names_of(client, true);

	child_tell(c, NAMES);
	return child_hear(c) == names && names > 0;
}

/* The other process ends in one of the three ways that are not death; the socket lives on here. */
static void it_goes_to_another_process(const char *end)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, end, &error);

	CHECK_R(316, error == 0);
	CHECK_R(316, worker_names(&c, p.client));
	CHECK_R(316, worker_echoes(&c, p.client, SOME));
	CHECK_R(316, worker_names(&c, p.client));
	CHECK(share_moves(p.client, p.server, SOME, 0) && share_moves(p.server, p.client, SOME, 0));
	CHECK_R(316, worker_echoes(&c, p.client, 100000));
	child_tell(&c, 0);
	CHECK_R(330, child_wait(&c) == 0);
	CHECK_R(330, share_moves(p.client, p.server, SOME, 0) &&
			     share_moves(p.server, p.client, SOME, 0));
	close_pair(&p);
}

/* We close first: the worker has the connection from then on, and ends it. */
static void it_outlives_the_first(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);

	CHECK_R(316, error == 0);
	closesocket(p.server);
	CHECK_R(316, worker_names(&c, p.client));
	CHECK_R(330, worker_echoes(&c, p.client, MANY / 2));
	CHECK_R(316, worker_names(&c, p.client));
	child_tell(&c, 0);
	CHECK_R(330, at_end(p.client));
	CHECK(child_wait(&c) == 0);
	closesocket(p.client);
	closesocket(p.listener);
}

static void only_the_process_that_is_meant(void)
{
	struct pair p = need_pair();
	struct child c = child_start_ready("worker", "closes");
	WSAPROTOCOL_INFOW info = share_token(p.server, GetCurrentProcessId());
	SOCKET other;

	child_tell(&c, (int)info.dwProviderReserved);
	CHECK(child_hear(&c) == WSAEINVAL);
	CHECK(child_wait(&c) == 0);
	other = share_attach(&info); /* it was not used up by that */
	CHECK(other != INVALID_SOCKET && share_moves(p.client, other, SOME, 0));
	closesocket(other);
	close_pair(&p);
}

/* Which nobody has used; the next one is as good as any. */
static void a_token_expires(void)
{
	struct pair p = need_pair();
	SOCKET other;

	CHECK(share_token_expires(p.server));
	CHECK(share_moves(p.client, p.server, SOME, 0) && share_moves(p.server, p.client, SOME, 0));
	other = share_other(p.server);
	CHECK(share_moves(p.client, other, SOME, SOME));
	closesocket(other);
	close_pair(&p);
}

/* The one who has the connection is killed: it is reset, on both ends. */
static void death_of_the_one_who_has_it(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);
	char byte;

	NEED(error == 0 && worker_echoes(&c, p.client, SOME));
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK(FAILS(recv(p.client, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(recv(p.server, &byte, 1, 0), WSAECONNRESET));
	CHECK(FAILS(send(p.server, "x", 1, 0), WSAECONNRESET));
	close_pair(&p);
}

/* One who does not have it just now is killed: nothing happens. */
static void death_of_another_one(void)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);

	NEED(error == 0 && worker_echoes(&c, p.client, SOME));
	NEED(share_moves(p.client, p.server, SOME, 0)); /* it is here now */
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK(share_moves(p.client, p.server, SOME, SOME) &&
	      share_moves(p.server, p.client, SOME, 0));
	closesocket(p.server); /* and it is the last one that closes */
	CHECK_R(330, at_end(p.client));
	closesocket(p.client);
	closesocket(p.listener);
}

/* Both ends go on, or both are told. */
static bool both_or_neither(const struct pair *p)
{
	char byte;

	if (share_moves(p->client, p->server, SOME, 0))
		return share_moves(p->server, p->client, SOME, 0);
	return FAILS(recv(p->server, &byte, 1, 0), WSAECONNRESET) &&
	       FAILS(recv(p->client, &byte, 1, 0), WSAECONNRESET);
}

/* Killed somewhere in the middle of its taking. */
static void death_on_the_way(DWORD ms)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);

	NEED(error == 0);
	child_tell(&c, SOME); /* it waits for them */
	Sleep(ms);
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK(both_or_neither(&p));
	close_pair(&p);
}

/* It came here, and is asked for again, with a byte that nobody has read. */
static void death_on_the_way_back(DWORD ms)
{
	struct pair p = need_pair();
	int error;
	struct child c = worker_with(p.server, "closes", &error);
	char byte;

	NEED(error == 0 && worker_echoes(&c, p.client, SOME));
	NEED(send(p.client, "x", 1, 0) == 1);
	nonblocking(p.server, 0); /* has its turn when this returns */
	child_tell(&c, SOME);
	Sleep(ms);
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	if (recv(p.server, &byte, 1, 0) == 1)
		CHECK(byte == 'x');
	else
		CHECK(WSAGetLastError() == WSAECONNRESET);
	CHECK(both_or_neither(&p));
	close_pair(&p);
}

/* Killed before it took the socket, which is the first process's alone then. */
static void death_before_it_came(void)
{
	struct pair p = need_pair();
	struct child c = child_start_ready("worker", "closes");

	(void)share_token(p.server, child_id(&c));
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK(share_moves(p.client, p.server, SOME, 0) && share_moves(p.server, p.client, SOME, 0));
	closesocket(p.server); /* on its way, until nobody can come any more */
	closesocket(p.listener);
	/* The system's TCP ends in order what nobody has any more. */
	if (conf_system_tcp())
		CHECK(at_end(p.client));
	else
		CHECK(FAILS(recv(p.client, (char *)&c, 1, 0), WSAECONNRESET));
	closesocket(p.client);
}

/* Each end finds that the other process has died. */
static void deaths_that_reset(void)
{
	death_of_the_one_who_has_it();
	for (DWORD ms = 0; ms < 6; ms++) {
		death_on_the_way(ms);
		death_on_the_way_back(ms);
	}
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return worker();
	it_is_accepted_once();
	what_cannot_be_duplicated();
	either_sends_and_receives();
	names_stay();
	options_are_shared();
	the_last_one_closes();
	a_token_outlives_its_giver();
	a_token_expires();
	the_last_one_resets();
	pending_receives_stay();
	events_go_to_the_last_who_asked();
	half_a_close_is_shared();
	a_reset_reaches_both();
	if (conf_two_processes()) {
		it_goes_to_another_process("closes");
		it_goes_to_another_process("cleans");
		if (conf_exit_closes())
			it_goes_to_another_process("exits");
		it_outlives_the_first();
		only_the_process_that_is_meant();
		death_of_another_one();
		set_limit("WSD_DUPLICATE_TIMEOUT", 3000); /* from here on some wait for it */
		if (!conf_windows_tcp()) /* Wine's TCP does not end with a reset alone */
			deaths_that_reset();
		death_before_it_came();
	}
	WSACleanup();
	return check_result();
}

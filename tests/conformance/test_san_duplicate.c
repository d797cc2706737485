// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_duplicate.c - mode S: WSPDuplicateSocket moves a connection or a listener, R-316 to R-328. On sim the
 * next process is this one; it takes the same way.
 */
#include "tests/conformance/san_share.h"
#include "tests/lib/pages.h"

/* --- within one process: what the call does --- */

static void the_receives_end_and_the_connection_goes_on(void)
{
	struct san_posted mine[2], theirs[3];
	WSAPROTOCOL_INFOW info;
	struct san_pair p;
	DWORD bytes = 1;
	SOCKET next, other;
	unsigned handles;

	if (!san_open_pair(&p))
		abort();
	for (unsigned i = 0; i < 2; i++) {
		san_post(p.server, SAN_UPCALL, &mine[i]);
		san_post(p.client, SAN_UPCALL, &theirs[i]);
	}
	CHECK_R(316, san_give(p.server, GetCurrentProcessId(), &info));
	CHECK_R(319, info.dwProviderReserved != 0);
	for (unsigned i = 0; i < 2; i++) {
		bytes = 1;
		CHECK_R(320, san_upcalls(&mine[i].op, 0) == 1 &&
				     san_result(p.server, &mine[i].op, &bytes) == 0 && bytes == 0);
	}
	san_post(p.client, SAN_UPCALL, &theirs[2]); /* while nobody has the other end */
	handles = host_handles();
	next = san_attach(info.dwProviderReserved);
	CHECK_R(316, next != INVALID_SOCKET);
	CHECK_R(322, host_handles() == handles + 1);
	CHECK_R(317,
		san_attach(info.dwProviderReserved) == INVALID_SOCKET && host_error == WSAEINVAL);
	CHECK_R(324, san_text(next, "one") && san_text(next, "two") && san_text(next, "three"));
	CHECK_R(324, san_holds(p.client, &theirs[0], "one") &&
			     san_holds(p.client, &theirs[1], "two") &&
			     san_holds(p.client, &theirs[2], "three"));
	CHECK_R(324, san_message(p.client, next, "back", 5, SAN_POLL));
	CHECK(mine[0].bytes[0] == 0 && mine[1].bytes[0] == 0);
	other = host_socket();
	CHECK_R(325, other != p.server && next != p.server);
	CHECK_R(326, host_close(p.server) == 0);
	CHECK_R(326, san_message(p.client, next, "still", 6, SAN_UPCALL) &&
			     san_message(next, p.client, "there", 6, SAN_POLL));
	san_close(other);
	for (unsigned i = 0; i < 3; i++)
		san_unpost(p.client, &theirs[i]);
	p.server = next;
	p.server_handle = host_handle_at(handles).handle;
	san_close_pair(&p);
}

#define PAGES 65536u

/* Nothing of ours has the memory of a posted receive any more: it can go, whatever the peer sends. */
static void its_buffers_are_released(void)
{
	char *memory = pages_map(NULL, PAGES);
	WSAPROTOCOL_INFOW info;
	struct san_posted theirs;
	struct san_op ops[2];
	struct san_pair p;
	HANDLE handle;
	SOCKET next;
	DWORD bytes;

	if (!san_open_pair(&p))
		abort();
	handle = san_memory(p.server, memory, PAGES, MEM_WRITE);
	for (unsigned i = 0; i < 2; i++) {
		san_begin_op(&ops[i], SAN_UPCALL);
		CHECK(san_recv(p.server, memory + i * SAN_ROOM, SAN_ROOM, &ops[i]) == 0);
	}
	san_post(p.client, SAN_UPCALL, &theirs);
	CHECK(SPI_FAILS(san.cache_callback(memory, PAGES, &host_error), WSAEFAULT)); /* in use */
	CHECK(san_give(p.server, GetCurrentProcessId(), &info));
	for (unsigned i = 0; i < 2; i++)
		CHECK(san_result(p.server, &ops[i], &bytes) == 0);
	CHECK_R(321, SPI_FAILS(san.deregister_memory(p.server, handle, &host_error), WSAEINVAL));
	/* The device's registration went with the last handle. */
	CHECK_R(321, SPI_FAILS(san.cache_callback(memory, PAGES, &host_error), WSAEINVAL));
	pages_unmap(memory, PAGES);
	next = san_attach(info.dwProviderReserved);
	CHECK_R(321, next != INVALID_SOCKET && san_text(next, "hello") &&
			     san_holds(p.client, &theirs, "hello") &&
			     san_message(p.client, next, "one", 4, SAN_POLL) &&
			     san_message(p.client, next, "two", 4, SAN_UPCALL));
	san_unpost(p.client, &theirs);
	san_close(p.server);
	p.server = next;
	p.client_handle = p.server_handle = INVALID_SOCKET;
	san_close_pair(&p);
}

static void both_ends_and_many_times(void)
{
	SOCKET *ends[2];
	WSAPROTOCOL_INFOW info;
	DWORD last = 0;
	struct san_pair p;

	if (!san_open_pair(&p))
		abort();
	ends[0] = &p.client;
	ends[1] = &p.server;
	for (unsigned i = 0; i < 10; i++) {
		SOCKET *end = ends[i & 1], next, old = *end;
		struct san_posted stays;

		san_post(*ends[1 - (i & 1)], SAN_UPCALL, &stays);
		CHECK_R(316, san_give(old, GetCurrentProcessId(), &info));
		CHECK_R(319, info.dwProviderReserved != last);
		last = info.dwProviderReserved;
		next = san_attach(last);
		CHECK_R(324, next != INVALID_SOCKET && san_text(next, "hello") &&
				     san_holds(*ends[1 - (i & 1)], &stays, "hello"));
		CHECK_R(326, host_close(old) == 0 && san_message(p.client == old ? next : p.client,
								 p.server == old ? next : p.server,
								 "abc", 4, SAN_POLL));
		san_unpost(*ends[1 - (i & 1)], &stays);
		*end = next;
	}
	p.client_handle = p.server_handle = INVALID_SOCKET;
	san_close_pair(&p);
}

static void what_cannot_be_given(void)
{
	WSAPROTOCOL_INFOW info;
	struct san_pair p;
	SOCKET s = host_socket();

	if (!san_open_pair(&p))
		abort();
	CHECK(!san_give(s, GetCurrentProcessId(), &info) && host_error == WSAEINVAL);
	CHECK(!san_give(p.server, 0x7ffffff0, &info) && host_error == WSAEINVAL);
	CHECK(SPI_FAILS(
		spi.lpWSPDuplicateSocket(p.server, GetCurrentProcessId(), NULL, &host_error),
		WSAEFAULT));
	CHECK(san_attach(4711) == INVALID_SOCKET && host_error == WSAEINVAL);
	CHECK(san_message(p.client, p.server, "same", 5, SAN_POLL)); /* nothing has changed */
	san_close(s);
	san_close_pair(&p);
}

/* A switch frees it before it answers; what one forgot is out of reach, and can be freed later. */
static void what_was_exposed_stays_hidden(void)
{
	char memory[SAN_ROOM], descriptor[SAN_DESCRIPTOR_ROOM], local[SAN_ROOM];
	DWORD length = sizeof(descriptor);
	WSAPROTOCOL_INFOW info;
	struct san_pair p;
	struct san_op op;
	SOCKET next;
	HANDLE handle;

	if (!san_open_pair(&p) || san.register_rdma(p.client, memory, SAN_ROOM, MEM_READWRITE,
						    descriptor, &length, &host_error) != 0)
		abort();
	memset(memory, 'm', SAN_ROOM);
	CHECK_R(316, san_give(p.server, GetCurrentProcessId(), &info));
	next = san_attach(info.dwProviderReserved);
	CHECK_R(324, next != INVALID_SOCKET && san_message(p.client, next, "abc", 4, SAN_POLL));
	CHECK(host_close(p.server) == 0);
	p.server = next;
	handle = san_memory(next, local, SAN_ROOM, MEM_READ);
	san_begin_op(&op, SAN_POLL);
	if (san_rdma(next, true, local, SAN_ROOM, handle, descriptor, length, 0, &op) == 0) {
		DWORD bytes = 0;

		CHECK(san_result(next, &op, &bytes) != 0);
	}
	for (unsigned i = 0; i < SAN_ROOM; i++)
		CHECK(memory[i] == 'm');
	CHECK(san.deregister_rdma(p.client, descriptor, length, &host_error) == 0);
	san_close_pair(&p);
}

static void a_listener_goes_on(void)
{
	SOCKET listener, next, client = san_bound(), server;
	WSAEVENT event = WSACreateEvent();
	WSAPROTOCOL_INFOW info;
	struct address at;

	listener = san_listener(&at, 4);
	CHECK_R(327, san_give(listener, GetCurrentProcessId(), &info));
	next = san_attach(info.dwProviderReserved);
	CHECK_R(327, next != INVALID_SOCKET);
	spi.lpWSPEventSelect(client, event, FD_CONNECT, &host_error);
	(void)host_connect(client, &at);
	server = san_take(next, NULL, 0);
	CHECK_R(327, server != INVALID_SOCKET && san_connect_outcome(client, event) == 0);
	CHECK_R(326, host_close(listener) == 0);
	CHECK_R(327, san_message(server, client, "accepted", 9, SAN_POLL));
	san_close(server);
	san_close(client);
	san_close(next);
	WSACloseEvent(event);
}

/* It waits for one who may be the next to accept by TCP: its switch may try that. */
static void a_request_that_waited_is_not_refused(void)
{
	WSAEVENT event = WSACreateEvent(), arrived = WSACreateEvent();
	SOCKET listener, next = INVALID_SOCKET, client;
	WSAPROTOCOL_INFOW info;
	struct address at;

	for (int closed = 0; closed < 2; closed++) {
		client = san_bound();
		listener = san_listener(&at, 4);
		WSAResetEvent(arrived);
		spi.lpWSPEventSelect(listener, arrived, FD_ACCEPT, &host_error);
		spi.lpWSPEventSelect(client, event, FD_CONNECT, &host_error);
		(void)host_connect(client, &at);
		CHECK(WSAWaitForMultipleEvents(1, &arrived, FALSE, SAN_WAIT_MS, FALSE) ==
		      WSA_WAIT_EVENT_0);
		if (!closed)
			CHECK(san_give(listener, GetCurrentProcessId(), &info));
		CHECK(host_close(listener) == 0);
		CHECK_R(114, san_connect_outcome(client, event) == WSAETIMEDOUT);
		if (!closed)
			next = san_attach(info.dwProviderReserved);
		san_close(client);
	}
	san_close(next);
	WSACloseEvent(event);
	WSACloseEvent(arrived);
}

struct accepting {
	SOCKET listener;
	int in_vain;
};

static void accept_in_vain(void *arg)
{
	struct accepting *a = arg;

	thread_will_wait();
	a->in_vain = SPI_NO_SOCKET(host_accept(a->listener), WSAEINVAL);
}

/* A switch ends its accepts first. One that does not keeps its thread. */
static void an_accept_that_waits_ends(void)
{
	struct accepting a;
	struct conf_thread *thread;
	WSAPROTOCOL_INFOW info;
	struct address at;
	SOCKET next;

	a.listener = san_listener(&at, 4);
	thread = thread_run(accept_in_vain, &a);
	thread_until_waiting(thread);
	CHECK(san_give(a.listener, GetCurrentProcessId(), &info));
	thread_join(thread);
	CHECK(a.in_vain);
	next = san_attach(info.dwProviderReserved);
	CHECK(next != INVALID_SOCKET && host_close(a.listener) == 0);
	san_close(next);
}

/* --- another process --- */

/* Takes what it is given; a connection: answers each message of length 5 until it is told to end. */
static int taker(void)
{
	struct child parent = child_is_ready();
	SOCKET s = san_attach((DWORD)child_hear(&parent));
	struct san_posted r;

	child_tell(&parent, s == INVALID_SOCKET ? host_error : 0);
	if (s != INVALID_SOCKET && strcmp(conf_argument(), "listener") == 0) {
		SOCKET server = san_take(s, NULL, 0);

		child_tell(&parent, server != INVALID_SOCKET && san_text(server, "from there"));
		child_hear(&parent);
		san_close(server);
	}
	while (s != INVALID_SOCKET && strcmp(conf_argument(), "channel") == 0 &&
	       child_hear(&parent) == 1) {
		san_post(s, SAN_UPCALL, &r);
		child_tell(&parent, 1);
		child_tell(&parent, san_holds(s, &r, "ping") && san_text(s, "pong"));
		san_unpost(s, &r);
	}
	san_close(s);
	host_cleanup();
	return 0;
}

static struct child taker_of(SOCKET s, const char *what, int *error)
{
	struct child c = child_start_ready("taker", what);
	WSAPROTOCOL_INFOW info;

	if (!san_give(s, child_id(&c), &info))
		abort();
	child_tell(&c, (int)info.dwProviderReserved);
	*error = child_hear(&c);
	return c;
}

static bool taker_answers(struct child *c, SOCKET client)
{
	struct san_posted r;
	bool good;

	san_post(client, SAN_UPCALL, &r);
	child_tell(c, 1);
	good = child_hear(c) == 1 && san_text(client, "ping") && child_hear(c) == 1 &&
	       san_holds(client, &r, "pong");
	san_unpost(client, &r);
	return good;
}

static void it_goes_to_another_process(void)
{
	struct san_pair p;
	struct san_posted pending;
	DWORD bytes = 0;
	struct child c;
	int error;

	if (!san_open_pair(&p))
		abort();
	c = taker_of(p.server, "channel", &error);
	CHECK_R(316, error == 0);
	CHECK_R(324, taker_answers(&c, p.client));
	CHECK_R(326, host_close(p.server) == 0);
	p.server = INVALID_SOCKET;
	CHECK_R(326, taker_answers(&c, p.client));
	san_post(p.client, SAN_UPCALL, &pending);
	child_kill(&c);
	CHECK(child_wait(&c) == conf_death);
	CHECK_R(328, san_result(p.client, &pending.op, &bytes) == WSAECONNRESET);
	p.server_handle = INVALID_SOCKET;
	san_close_pair(&p);
}

static void only_the_process_that_is_meant(void)
{
	struct child c = child_start_ready("taker", "channel");
	WSAPROTOCOL_INFOW info;
	struct san_pair p;
	SOCKET next;

	if (!san_open_pair(&p))
		abort();
	CHECK(san_give(p.server, GetCurrentProcessId(), &info));
	child_tell(&c, (int)info.dwProviderReserved);
	CHECK_R(318, child_hear(&c) == WSAEINVAL);
	CHECK(child_wait(&c) == 0);
	next = san_attach(info.dwProviderReserved);
	CHECK_R(318, next != INVALID_SOCKET && san_message(p.client, next, "ours", 5, SAN_POLL));
	san_close(next);
	san_close_pair(&p);
}

static void a_listener_goes_to_another_process(void)
{
	struct address at;
	SOCKET listener = san_listener(&at, 4), client = san_bound();
	struct san_posted r;
	struct child c;
	int error;

	c = taker_of(listener, "listener", &error);
	CHECK_R(327, error == 0);
	CHECK_R(326, host_close(listener) == 0);
	CHECK_R(327, san_dial(client, &at) == 0);
	san_post(client, SAN_UPCALL, &r);
	CHECK_R(327, child_hear(&c) == 1 && san_holds(client, &r, "from there"));
	child_tell(&c, 0);
	CHECK(child_wait(&c) == 0);
	san_unpost(client, &r);
	san_close(client);
}

/* It is for another process. */
static void not_for_this_process(void)
{
	struct child c = child_start_ready("taker", "nothing");
	WSAPROTOCOL_INFOW info;
	struct san_pair p;

	if (!san_open_pair(&p))
		abort();
	CHECK(san_give(p.server, child_id(&c), &info));
	CHECK_R(318,
		san_attach(info.dwProviderReserved) == INVALID_SOCKET && host_error == WSAEINVAL);
	child_tell(&c, -1);
	CHECK(child_hear(&c) == WSAEINVAL);
	CHECK(child_wait(&c) == 0);
	san_close_pair(&p);
}

/* Nobody ever takes it: the peer's receives fail, and do not wait for ever. */
static void nobody_takes_it(void)
{
	struct san_pair p;
	WSAPROTOCOL_INFOW info;
	struct san_posted pending;
	DWORD bytes = 0;

	if (!san_open_pair(&p))
		abort();
	set_variable("WSD_DUPLICATE_TIMEOUT", "3000");
	san_post(p.client, SAN_UPCALL, &pending);
	CHECK(san_give(p.server, GetCurrentProcessId(), &info));
	CHECK_R(328, san_result(p.client, &pending.op, &bytes) == WSAECONNRESET);
	san_close_pair(&p);
}

/* The token as well: whoever comes later hears that from it, and not from the peer. */
static void a_token_expires(void)
{
	WSAPROTOCOL_INFOW info;
	struct san_pair p;
	struct address at;
	SOCKET s;

	if (!san_open_pair(&p))
		abort();
	s = san_listener(&at, 4);
	set_variable("WSD_DUPLICATE_TIMEOUT", "100");
	for (unsigned i = 0; i < 2; i++) {
		CHECK(san_give(i == 0 ? p.server : s, GetCurrentProcessId(), &info));
		Sleep(150);
		CHECK(san_attach(info.dwProviderReserved) == INVALID_SOCKET &&
		      host_error == WSAEINVAL);
	}
	san_close(s);
	san_close_pair(&p);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (san_startup(0) != 0)
		abort();
	if (conf_role() != NULL)
		return taker();
	the_receives_end_and_the_connection_goes_on();
	its_buffers_are_released();
	both_ends_and_many_times();
	what_cannot_be_given();
	what_was_exposed_stays_hidden();
	a_listener_goes_on();
	a_request_that_waited_is_not_refused();
	an_accept_that_waits_ends();
	if (conf_two_processes()) {
		it_goes_to_another_process();
		only_the_process_that_is_meant();
		a_listener_goes_to_another_process();
	}
	not_for_this_process();
	nobody_takes_it();
	a_token_expires();
	host_cleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_states.c - what each procedure of mode S says in each state of its socket: the tables of
 * docs/san-provider.md..
 */
#include "tests/conformance/san.h"

enum state {
	STATE_NEW,
	STATE_BOUND,
	STATE_CONNECTING,
	STATE_CONNECTED,
	STATE_ACCEPTED,
	STATE_LISTENING,
	STATE_BROKEN, /* the peer has closed */
	STATE_GIVEN,  /* duplicated */
	STATES
};

static const char *const state_names[STATES] = { "new",	     "bound",	  "connecting", "connected",
						 "accepted", "listening", "broken",	"given" };

static SOCKET sockets[STATES];
static struct address nobody_there;
static char memory[64];

/* --- the procedures: 0 or the error --- */

static int result(int returned)
{
	return returned == 0 ? 0 : host_error;
}

static int do_bind(SOCKET s)
{
	struct address at = loopback(companion_port());

	return result(host_bind(s, &at));
}

static int do_listen(SOCKET s)
{
	return result(host_listen(s, 5));
}

static int do_connect(SOCKET s)
{
	return result(host_connect(s, &nobody_there));
}

static int do_accept(SOCKET s)
{
	return host_accept(s) == INVALID_SOCKET ? host_error : 0;
}

static int transfer(SOCKET s, bool send)
{
	WSABUF none = { 0, NULL };
	WSAOVERLAPPED o = { .hEvent = (HANDLE)(uintptr_t)1 };
	DWORD bytes = 0, flags = 0;

	return result(
		send ? spi.lpWSPSend(s, &none, 1, &bytes, 0, &o, NULL, NULL, &host_error)
		     : spi.lpWSPRecv(s, &none, 1, &bytes, &flags, &o, NULL, NULL, &host_error));
}

static int do_send(SOCKET s)
{
	return transfer(s, true);
}

static int do_recv(SOCKET s)
{
	return transfer(s, false);
}

static int do_register(SOCKET s)
{
	HANDLE handle = san.register_memory(s, memory, sizeof(memory), MEM_READ, &host_error);

	return handle == NULL ? host_error : result(san.deregister_memory(s, handle, &host_error));
}

static int do_expose(SOCKET s)
{
	char descriptor[SAN_DESCRIPTOR_ROOM];
	DWORD length = sizeof(descriptor);

	if (san.register_rdma(s, memory, sizeof(memory), MEM_READ, descriptor, &length,
			      &host_error) != 0)
		return host_error;
	return result(san.deregister_rdma(s, descriptor, length, &host_error));
}

static int do_duplicate(SOCKET s)
{
	WSAPROTOCOL_INFOW info;

	return result(spi.lpWSPDuplicateSocket(s, GetCurrentProcessId(), &info, &host_error));
}

static int do_option(SOCKET s)
{
	DWORD value = 0;
	int length = sizeof(value);

	return result(spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_MAX_MSG_SIZE, (char *)&value, &length,
					  &host_error));
}

static int do_addresses(SOCKET s)
{
	char room[4096];
	DWORD bytes = 0;

	return result(spi.lpWSPIoctl(s, SIO_ADDRESS_LIST_QUERY, NULL, 0, room, sizeof(room), &bytes,
				     NULL, NULL, NULL, &host_error));
}

static int do_qos(SOCKET s)
{
	return spi.lpWSPGetQOSByName(s, NULL, NULL, &host_error) ? 0 : host_error;
}

static int do_result(SOCKET s)
{
	return spi.lpWSPGetOverlappedResult(s, NULL, NULL, FALSE, NULL, &host_error) ? 0
										     : host_error;
}

static int do_select(SOCKET s)
{
	return result(spi.lpWSPEventSelect(s, NULL, 0, &host_error));
}

/* --- the tables --- */

#define SKIP (-1) /* it would change the state, and other programs do that */
#define PEND WSA_IO_PENDING

static const struct {
	const char *name;
	int (*call)(SOCKET s);
	unsigned number; /* of the requirement; 0: none */
	int expected[STATES];
} table[] = {
	/* new, bound, connecting, connected; accepted, listening, broken, given */
	{ "WSPBind",
	  do_bind,
	  46,
	  { SKIP, WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL } },
	{ "WSPListen",
	  do_listen,
	  0,
	  { WSAEINVAL, SKIP, WSAEINVAL, WSAEISCONN, WSAEISCONN, 0, WSAEISCONN, WSAEISCONN } },
	{ "WSPConnect",
	  do_connect,
	  0,
	  { SKIP, SKIP, WSAEALREADY, WSAEISCONN, WSAEISCONN, WSAEINVAL, WSAEISCONN, WSAEISCONN } },
	{ "WSPAccept",
	  do_accept,
	  71,
	  { WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL, WSAEINVAL, SKIP, WSAEINVAL, WSAEINVAL } },
	{ "WSPSend",
	  do_send,
	  0,
	  { WSAENOTCONN, WSAENOTCONN, WSAENOTCONN, SKIP, SKIP, WSAENOTCONN, WSAECONNRESET,
	    WSAENOTCONN } },
	{ "WSPRecv",
	  do_recv,
	  0,
	  { WSAENOTCONN, WSAENOTCONN, WSAENOTCONN, SKIP, SKIP, WSAENOTCONN, WSAECONNRESET,
	    WSAENOTCONN } },
	{ "WSPRegisterMemory",
	  do_register,
	  0,
	  { WSAENOTCONN, WSAENOTCONN, WSAENOTCONN, 0, 0, WSAENOTCONN, WSAENOTCONN, WSAENOTCONN } },
	{ "WSPRegisterRdmaMemory",
	  do_expose,
	  0,
	  { WSAENOTCONN, WSAENOTCONN, WSAENOTCONN, 0, 0, WSAENOTCONN, WSAENOTCONN, WSAENOTCONN } },
	{ "WSPDuplicateSocket",
	  do_duplicate,
	  0,
	  { WSAEINVAL, WSAEINVAL, WSAEINVAL, SKIP, SKIP, SKIP, WSAENETDOWN, WSAENETDOWN } },
	{ "WSPGetSockOpt", do_option, 0, { 0 } },
	{ "SIO_ADDRESS_LIST_QUERY", do_addresses, 0, { 0 } },
	{ "WSPEventSelect", do_select, 0, { 0 } },
	{ "WSPGetQOSByName",
	  do_qos,
	  0,
	  { WSAEOPNOTSUPP, WSAEOPNOTSUPP, WSAEOPNOTSUPP, WSAEOPNOTSUPP, WSAEOPNOTSUPP,
	    WSAEOPNOTSUPP, WSAEOPNOTSUPP, WSAEOPNOTSUPP } },
	{ "WSPGetOverlappedResult",
	  do_result,
	  0,
	  { WSAEFAULT, WSAEFAULT, WSAEFAULT, WSAEFAULT, WSAEFAULT, WSAEFAULT, WSAEFAULT,
	    WSAEFAULT } },
};

static void check_row(size_t row)
{
	for (unsigned state = 0; state < STATES; state++) {
		int expected = table[row].expected[state], got;

		if (expected == SKIP)
			continue;
		host_error = 0;
		got = table[row].call(sockets[state]);
		if (got != expected)
			fprintf(stderr, "%s of a socket that is %s: %d instead of %d\n",
				table[row].name, state_names[state], got, expected);
		if (table[row].number != 0)
			CHECK_R(table[row].number, got == expected);
		else
			CHECK(got == expected);
	}
}

/* --- one socket in each state --- */

/* Until a receive says that the peer has gone. It may have begun before that, so it is not on the stack. */
static void wait_broken(SOCKET s)
{
	static WSAOVERLAPPED o = { .hEvent = (HANDLE)(uintptr_t)1 };
	DWORD bytes = 0, flags = 0;
	WSABUF none = { 0, NULL };

	if (!SPI_FAILS(spi.lpWSPRecv(s, &none, 1, &bytes, &flags, &o, NULL, NULL, &host_error),
		       PEND))
		return;
	for (unsigned waited = 0; waited < SAN_WAIT_MS && !HasOverlappedIoCompleted(&o); waited++)
		Sleep(1);
	CHECK(HasOverlappedIoCompleted(&o));
}

static void open_all(struct san_pair *pair, struct san_pair *gone, struct san_pair *given)
{
	WSAPROTOCOL_INFOW info;

	if (!san_open_pair(pair) || !san_open_pair(gone) || !san_open_pair(given))
		abort();
	nobody_there = loopback(free_port());
	sockets[STATE_NEW] = host_socket();
	sockets[STATE_BOUND] = san_bound();
	sockets[STATE_CONNECTED] = pair->client;
	sockets[STATE_ACCEPTED] = pair->server;
	sockets[STATE_LISTENING] = pair->listener;
	sockets[STATE_CONNECTING] = san_bound(); /* nobody accepts it */
	host_nonblocking(sockets[STATE_CONNECTING], 1);
	CHECK_R(108, SPI_FAILS(host_connect(sockets[STATE_CONNECTING], &gone->at), WSAEWOULDBLOCK));
	san_close(gone->client);
	gone->client = INVALID_SOCKET;
	sockets[STATE_BROKEN] = gone->server;
	wait_broken(gone->server);
	if (spi.lpWSPDuplicateSocket(given->server, GetCurrentProcessId(), &info, &host_error) != 0)
		abort();
	sockets[STATE_GIVEN] = given->server;
}

int main(int argc, char **argv)
{
	struct san_pair pair, gone, given;

	host_begin(argc, argv);
	if (san_startup(0) != 0)
		return 1;
	open_all(&pair, &gone, &given);
	for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++)
		check_row(row);
	/* Nothing of all that has changed anything. */
	CHECK(san_message(pair.client, pair.server, "abc", 4, SAN_POLL));
	for (unsigned state = 0; state <= STATE_CONNECTING; state++)
		san_close(sockets[state]);
	san_close_pair(&given);
	san_close_pair(&gone);
	san_close_pair(&pair);
	CHECK(host_open_handles() == 0);
	host_cleanup();
	return check_result();
}

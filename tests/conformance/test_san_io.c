// SPDX-License-Identifier: BSD-2-Clause
/* test_san_io.c - mode S: messages, completion by polling and by upcall, early messages, and the end. */

#include "tests/conformance/san.h"

#define POOL 65536u
#define MANY 200u

#define CHAIN 50u

static char out_pool[POOL], in_pool[POOL];

static struct san_pair pair;
static HANDLE out_handle, in_handle;

static void open_all(void)
{
	if (!san_open_pair(&pair))
		abort();
	out_handle = san_memory(pair.client, out_pool, POOL, MEM_READ);
	in_handle = san_memory(pair.server, in_pool, POOL, MEM_WRITE);
}

static DWORD largest(SOCKET s)
{
	DWORD value = 0;
	int length = sizeof(value);

	return spi.lpWSPGetSockOpt(s, SOL_SOCKET, SO_MAX_MSG_SIZE, (char *)&value, &length,
				   &host_error) == 0
		       ? value
		       : 0;
}

static void fill(char *at, unsigned length, unsigned seed)
{
	for (unsigned i = 0; i < length; i++)
		at[i] = (char)(i * 7 + seed * 31 + (i >> 8));
}

static bool same(const char *at, unsigned length, unsigned seed)
{
	for (unsigned i = 0; i < length; i++)
		if (at[i] != (char)(i * 7 + seed * 31 + (i >> 8)))
			return false;
	return true;
}

/* --- the two ways --- */

static void check_ways(void)
{
	struct san_op recv, send;
	DWORD got = 0, sent = 0;
	unsigned before;

	open_all();
	fill(out_pool, 100, 1);
	before = host_completions();
	san_begin_op(&recv, SAN_POLL);
	san_begin_op(&send, SAN_POLL);
	CHECK_R(162, san_recv(pair.server, in_pool, 500, &recv) == 0);
	CHECK_R(165, recv.o.Internal == WSS_OPERATION_IN_PROGRESS);
	CHECK_R(155, recv.bytes == SAN_UNTOUCHED && recv.flags == 0);
	host_error = 0;
	CHECK_R(170, !spi.lpWSPGetOverlappedResult(pair.server, &recv.o, &got, FALSE, &recv.flags,
						   &host_error) &&
			     host_error == WSA_IO_INCOMPLETE && got == 0);
	san_begin_op(&send, SAN_POLL);
	CHECK_R(137, san_send(pair.client, out_pool, 100, &send) == 0);
	CHECK_R(127, send.bytes == SAN_UNTOUCHED);
	CHECK_R(177, san_result(pair.client, &send, &sent) == 0 && sent == 100);
	CHECK_R(171, san_result(pair.server, &recv, &got) == 0 && got == 100);
	CHECK_R(140, same(in_pool, 100, 1));
	CHECK_R(160, got == 100); /* the buffer had room for more */
	CHECK_R(163, recv.o.Offset == 0);
	Sleep(20);
	CHECK_R(175, host_completions() == before);

	san_begin_op(&recv, SAN_UPCALL);
	san_begin_op(&send, SAN_UPCALL);
	CHECK_R(179, san_recv(pair.server, in_pool, 500, &recv) == 0 &&
			     san_send(pair.client, out_pool, 100, &send) == 0);
	/* Nobody calls anything meanwhile. */
	CHECK_R(176, san_upcalls(&recv, SAN_WAIT_MS) == 1 && san_upcalls(&send, SAN_WAIT_MS) == 1);
	for (unsigned i = before; i < host_completions(); i++) {
		struct host_completion done = host_completion_at(i);

		CHECK_R(35, done.s == (done.overlapped == &recv.o ? pair.server_handle
								  : pair.client_handle));
		CHECK_R(168, done.offset_high == 0 && done.offset == 0);
		CHECK_R(169, done.internal == WSS_OPERATION_IN_PROGRESS && done.bytes == 100);
	}
	CHECK_R(178, san_result(pair.server, &recv, &got) == 0 && got == 100 &&
			     san_result(pair.client, &send, &sent) == 0 && sent == 100);
	Sleep(20);
	CHECK_R(185, host_completions() == before + 2);
	san_close_pair(&pair);
}

/* Routine and thread are not looked at. */
static void check_ignored(void)
{
	WSABUF buffer = { 64, in_pool };
	struct san_op recv, send;
	WSATHREADID nonsense = { (HANDLE)(uintptr_t)0xDEAD, 0 };
	DWORD got = 0;

	open_all();
	san_begin_op(&recv, SAN_POLL);
	san_begin_op(&send, SAN_POLL);
	CHECK_R(159,
		SPI_FAILS(spi.lpWSPRecv(pair.server, &buffer, 1, &recv.bytes, &recv.flags, &recv.o,
					(LPWSAOVERLAPPED_COMPLETION_ROUTINE)(uintptr_t)0xDEAD,
					&nonsense, &host_error),
			  WSA_IO_PENDING));
	CHECK_R(159, san_send(pair.client, out_pool, 10, &send) == 0 &&
			     san_result(pair.server, &recv, &got) == 0 && got == 10);
	san_close_pair(&pair);
}

/* --- messages --- */

static void check_sizes(void)
{
	DWORD most, got = 0, sent = 0;
	struct san_op recv, send;

	open_all();
	most = largest(pair.client);
	CHECK_R(260, most >= 256 && most <= POOL);
	for (unsigned round = 0; round < 2; round++) {
		DWORD length = round == 0 ? most : 0;

		fill(out_pool, length, 3);
		memset(in_pool, 0, POOL);
		san_begin_op(&recv, SAN_POLL);
		san_begin_op(&send, SAN_POLL);
		CHECK_R(141, san_recv(pair.server, in_pool, POOL, &recv) == 0 &&
				     san_send(pair.client, out_pool, length, &send) == 0 &&
				     san_result(pair.client, &send, &sent) == 0 && sent == length &&
				     san_result(pair.server, &recv, &got) == 0 && got == length &&
				     same(in_pool, length, 3));
	}
	san_begin_op(&send, SAN_POLL);
	CHECK_R(129, san_send(pair.client, out_pool, most + 1, &send) == WSAEMSGSIZE);
	CHECK_R(129, san_message(pair.server, pair.client, "still", 5, SAN_POLL));
	san_close_pair(&pair);
}

static void check_order(void)
{
	static struct san_op recvs[MANY], sends[MANY];
	unsigned good = 0, in_place = 0;
	DWORD bytes = 0;

	open_all();
	for (unsigned i = 0; i < MANY; i++) {
		san_begin_op(&recvs[i], i & 1 ? SAN_UPCALL : SAN_POLL);
		good += san_recv(pair.server, in_pool + i * 64, 64, &recvs[i]) == 0;
	}
	CHECK_R(187, good == MANY);
	for (unsigned i = 0; i < MANY; i++) {
		san_begin_op(&sends[i], i & 2 ? SAN_UPCALL : SAN_POLL);
		fill(out_pool + i * 64, i % 65, i);
		good += san_send(pair.client, out_pool + i * 64, i % 65, &sends[i]) == 0;
	}
	CHECK_R(187, good == 2 * MANY);
	for (unsigned i = 0; i < MANY; i++) {
		good -= san_result(pair.client, &sends[i], &bytes) == 0 && bytes == i % 65;
		bytes = 0;
		if (san_result(pair.server, &recvs[i], &bytes) == 0 && bytes == i % 65)
			in_place += same(in_pool + i * 64, i % 65, i);
	}
	CHECK_R(131, good == MANY);
	CHECK_R(156, in_place == MANY);
	CHECK_R(140, in_place == MANY);
	san_close_pair(&pair);
}

/* More buffers than any device gathers, and than one posted receive scatters to. */
static void check_gather(void)
{
	static char text[] = "one message from many buffers, into many buffers, in array order";
	WSABUF from[32], to[20];
	struct san_op recv, send;
	DWORD sent = 0, got = 0;
	bool good;

	open_all();
	for (unsigned round = 0; round < 2; round++) {
		memset(in_pool, 0, 200);
		memcpy(out_pool, text, 64);
		for (unsigned i = 0; i < 32; i++)
			from[i] = (WSABUF){ 2, out_pool + 2 * i };
		for (unsigned i = 0; i < 20; i++)
			to[i] = (WSABUF){ 4, in_pool + 8 * i };
		san_begin_op(&recv, SAN_POLL);
		san_begin_op(&send, SAN_POLL);
		CHECK_R(130, SPI_FAILS(spi.lpWSPRecv(pair.server, to, 20, &recv.bytes, &recv.flags,
						     &recv.o, NULL, NULL, &host_error),
				       WSA_IO_PENDING) &&
				     SPI_FAILS(spi.lpWSPSend(pair.client, from, 32, &send.bytes, 0,
							     &send.o, NULL, NULL, &host_error),
					       WSA_IO_PENDING));
		memset(from, 0xA5, sizeof(from)); /* the arrays were the caller's */
		memset(to, 0xA5, sizeof(to));
		CHECK_R(132, san_result(pair.client, &send, &sent) == 0 && sent == 64 &&
				     san_result(pair.server, &recv, &got) == 0 && got == 64);
		good = true;
		for (unsigned i = 0; i < 64; i++)
			good = good && in_pool[i / 4 * 8 + i % 4] == text[i];
		CHECK_R(130, good);
	}
	san_close_pair(&pair);
}

/* --- memory --- */

static void check_unregistered(void)
{
	static char elsewhere[64];
	struct san_op op;

	open_all();
	san_begin_op(&op, SAN_UPCALL);
	CHECK_R(139, san_send(pair.client, elsewhere, 32, &op) == WSAEFAULT);
	CHECK_R(139, san_send(pair.client, out_pool + POOL - 16, 32, &op) == WSAEFAULT);
	CHECK_R(138, san_recv(pair.server, elsewhere, 32, &op) == WSAEFAULT);
	/* Registered, but without the right: out_pool is to be read, in_pool to be written. */
	CHECK_R(138, san_recv(pair.client, out_pool, 32, &op) == WSAEFAULT);
	CHECK_R(138, san_send(pair.server, in_pool, 32, &op) == WSAEFAULT);
	CHECK_R(129, san_send(pair.client, NULL, 4, &op) == WSAEFAULT);
	CHECK_R(129, san_upcalls(&op, 20) == 0);
	CHECK_R(139, san_message(pair.client, pair.server, "alive", 5, SAN_UPCALL));
	san_close_pair(&pair);
}

static void check_not_connected(void)
{
	SOCKET s = san_bound(), plain;
	WSABUF buffer = { 16, out_pool };
	struct san_op op;

	san_begin_op(&op, SAN_POLL);
	CHECK_R(122, san_send(s, out_pool, 16, &op) == WSAENOTCONN);
	CHECK_R(144, san_recv(s, in_pool, 16, &op) == WSAENOTCONN);
	san_close(s);
	plain = spi.lpWSPSocket(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0, 0,
				&host_error);
	CHECK_R(40, SPI_FAILS(spi.lpWSPSend(plain, &buffer, 1, &op.bytes, 0, &op.o, NULL, NULL,
					    &host_error),
			      WSAEINVAL));
	san_close(plain);
}

/* --- early messages --- */

static void check_early(void)
{
	struct san_op send[3], recv[3];
	unsigned good = 0;
	DWORD bytes = 0;

	open_all();
	for (unsigned i = 0; i < 3; i++) {
		san_begin_op(&send[i], SAN_POLL);
		fill(out_pool + i * 256, 256, i);
		good += san_send(pair.client, out_pool + i * 256, 256, &send[i]) == 0;
	}
	/* No receive is posted. The first has left, whatever the device does with the others. */
	CHECK_R(99, good == 3 && san_result(pair.client, &send[0], &bytes) == 0);
	Sleep(50);
	for (unsigned i = 0; i < 3; i++) {
		san_begin_op(&recv[i], i == 1 ? SAN_UPCALL : SAN_POLL);
		CHECK_R(97, san_recv(pair.server, in_pool + i * 512, 512, &recv[i]) == 0);
		bytes = 0;
		CHECK_R(98, san_result(pair.server, &recv[i], &bytes) == 0 && bytes == 256 &&
				    same(in_pool + i * 512, 256, i));
	}
	CHECK_R(99, san_message(pair.client, pair.server, "alive", 5, SAN_POLL));
	san_close_pair(&pair);
}

/* A message longer than the receive that it takes: it fails, and with it the connection. */
static void check_too_long(void)
{
	struct san_op send, recv, rest;
	DWORD bytes = 0;

	for (unsigned first = 0; first < 2; first++) {
		open_all();
		if (first == 1) /* not the early one */
			CHECK(san_message(pair.client, pair.server, "first", 5, SAN_POLL));
		san_begin_op(&recv, SAN_POLL);
		san_begin_op(&rest, SAN_UPCALL);
		san_begin_op(&send, SAN_POLL);
		CHECK(san_recv(pair.server, in_pool, 10, &recv) == 0 &&
		      san_recv(pair.server, in_pool + 64, 10, &rest) == 0 &&
		      san_send(pair.client, out_pool, 11, &send) == 0);
		CHECK(san_result(pair.server, &recv, &bytes) == WSAEMSGSIZE && in_pool[10] != 'x');
		CHECK_R(161, san_result(pair.server, &rest, &bytes) > 0);
		san_close_pair(&pair);
	}
}

/* --- the end --- */

static void check_close(void)
{
	struct san_op mine[4], peer[2], after;
	struct host_handle h;
	unsigned closes;
	DWORD bytes = 77;

	open_all();
	for (unsigned i = 0; i < 4; i++) {
		san_begin_op(&mine[i], i & 1 ? SAN_POLL : SAN_UPCALL);
		CHECK(san_recv(pair.server, in_pool + 64 * i, 64, &mine[i]) == 0);
	}
	san_memory(pair.client, in_pool, POOL, MEM_WRITE);
	for (unsigned i = 0; i < 2; i++) {
		san_begin_op(&peer[i], i & 1 ? SAN_POLL : SAN_UPCALL);
		CHECK(san_recv(pair.client, in_pool + 1024 + 64 * i, 64, &peer[i]) == 0);
	}
	closes = host_calls[0][HOST_CLOSE_HANDLE];
	CHECK_R(190, host_close(pair.server) == 0);
	CHECK_R(188, san_recv(pair.server, in_pool, 64, &mine[0]) == WSAENOTSOCK);
	for (unsigned i = 0; i < 4; i += 2)
		CHECK_R(189, san_upcalls(&mine[i], SAN_WAIT_MS) == 1 &&
				     mine[i].o.OffsetHigh == WSA_OPERATION_ABORTED);
	for (unsigned i = 0; i < SAN_WAIT_MS && host_find(pair.server_handle).open; i++)
		Sleep(1);
	h = host_find(pair.server_handle);
	CHECK_R(192, h.closes == 1 && h.late == 0 && h.completions == 2 &&
			     host_calls[0][HOST_CLOSE_HANDLE] == closes + 1);
	CHECK_R(189, mine[1].o.Internal != WSS_OPERATION_IN_PROGRESS &&
			     mine[1].o.OffsetHigh == WSA_OPERATION_ABORTED &&
			     mine[3].o.OffsetHigh == WSA_OPERATION_ABORTED);
	for (unsigned i = 0; i < 2; i++)
		CHECK_R(194, san_result(pair.client, &peer[i], &bytes) == WSAECONNRESET);
	CHECK_R(172, bytes == 77);
	CHECK_R(161, peer[0].o.OffsetHigh == WSAECONNRESET);
	/* The other end stays until its switch closes it, and answers with what happened. */
	san_begin_op(&after, SAN_POLL);
	CHECK_R(193, host_find(pair.client_handle).open);
	CHECK_R(142, san_send(pair.client, out_pool, 16, &after) == WSAECONNRESET);
	CHECK_R(150, san_recv(pair.client, in_pool, 16, &after) == WSAECONNRESET);
	CHECK_R(193, san.deregister_memory(pair.client, out_handle, &host_error) == 0);
	CHECK_R(192, host_close(pair.client) == 0);
	host_close(pair.listener);
	for (unsigned i = 0; i < SAN_WAIT_MS && host_open_handles() > 0; i++)
		Sleep(1);
	CHECK_R(25, host_open_handles() == 0);
}

/* What the closing side had in use is free again when its end is told. */
static void check_memory_after_close(void)
{
	char *memory = malloc(4096);
	struct san_op op;

	open_all();
	san_memory(pair.server, memory, 4096, MEM_READWRITE);
	san_begin_op(&op, SAN_UPCALL);
	CHECK(san_recv(pair.server, memory, 4096, &op) == 0);
	host_close(pair.server);
	CHECK_R(191, san_upcalls(&op, SAN_WAIT_MS) == 1);
	CHECK_R(307, san.cache_callback(memory, 4096, &host_error) == 0 || host_error == WSAEINVAL);
	memset(memory, 0, 4096);
	free(memory);
	pair.server = INVALID_SOCKET;
	san_close_pair(&pair);
}

/* With another process: its death is a reset. */
static void child_connects(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)strtoul(conf_argument(), NULL, 10));
	SOCKET s = san_bound();
	DWORD bytes, length = SAN_DESCRIPTOR_ROOM;
	struct san_op op;

	if (san_dial(s, &at) != 0)
		abort();
	san_memory(s, out_pool, POOL, MEM_READ);
	memcpy(out_pool, "from the child", 14);
	if (san.register_rdma(s, in_pool, POOL, MEM_READWRITE, out_pool + 14, &length,
			      &host_error) != 0)
		abort();
	san_begin_op(&op, SAN_POLL);
	if (san_send(s, out_pool, 14 + length, &op) != 0 || san_result(s, &op, &bytes) != 0)
		abort();
	child_tell(&parent, 1);
	(void)child_hear(&parent);
	conf_stop();
}

#define UNDER_WAY \
	40u /* of each kind, when the peer dies: more than a device takes at once of some */

/* Sends, WRITEs and READs to a peer that has stopped and is killed then: each ends once, the sends with an error. */
static void check_death_in_the_middle(SOCKET s, struct child *c, char *descriptor, DWORD length)
{
	static struct san_op ops[3 * UNDER_WAY];
	HANDLE handle = san_memory(s, out_pool, POOL, MEM_READWRITE);
	unsigned begun = 0, told = 0, once = 0, failed = 0;
	DWORD bytes;

	for (unsigned i = 0; i < 3 * UNDER_WAY; i++) {
		san_begin_op(&ops[i], i % 2 ? SAN_UPCALL : SAN_POLL);
		begun += (i < UNDER_WAY ? san_send(s, out_pool, 64, &ops[i])
					: san_rdma(s, i % 3 == 0, out_pool, 4096, handle,
						   descriptor, length, 0, &ops[i])) == 0;
	}
	CHECK(begun == 3 * UNDER_WAY);
	child_kill(c);
	CHECK(child_wait(c) == conf_death);
	for (unsigned i = 0; i < 3 * UNDER_WAY; i++) {
		int error = san_result(s, &ops[i], &bytes);

		told += error >= 0;
		failed += i < UNDER_WAY && (error == WSAECONNRESET || error == WSAECONNABORTED);
	}
	CHECK_R(185, told == 3 * UNDER_WAY);
	CHECK_R(328, failed > 0); /* a device may have taken some over before */
	for (unsigned i = 0; i < 3 * UNDER_WAY; i++)
		once += san_upcalls(&ops[i], 0) == (ops[i].way == SAN_UPCALL ? 1 : 0);
	CHECK_R(185, once == 3 * UNDER_WAY);
	CHECK_R(142, san_send(s, out_pool, 64, &ops[0]) == WSAECONNRESET ||
			     host_error == WSAECONNABORTED);
}

static void check_other_process(void)
{
	struct address at;
	SOCKET listener = san_listener(&at, 4), s;
	struct san_op first, second;
	char descriptor[SAN_DESCRIPTOR_ROOM];
	struct child c;
	char port[8];
	DWORD bytes = 0;
	int error;

	snprintf(port, sizeof(port), "%u", port_of(&at));
	c = child_start("connects", port);
	s = san_take(listener, NULL, 0);
	CHECK(s != INVALID_SOCKET);
	san_memory(s, in_pool, POOL, MEM_WRITE);
	san_begin_op(&first, SAN_UPCALL);
	san_begin_op(&second, SAN_UPCALL);
	CHECK_R(140, san_recv(s, in_pool, 64, &first) == 0 &&
			     san_recv(s, in_pool + 64, 64, &second) == 0 &&
			     san_result(s, &first, &bytes) == 0 && bytes > 14 &&
			     memcmp(in_pool, "from the child", 14) == 0);
	CHECK(child_hear(&c) == 1);
	memcpy(descriptor, in_pool + 14, bytes - 14);
	child_tell(&c, 1);
	check_death_in_the_middle(s, &c, descriptor, bytes - 14);
	error = san_result(s, &second, &bytes); /* a device may say that it gave up a send */
	CHECK_R(328, error == WSAECONNRESET || error == WSAECONNABORTED);
	san_close(s);
	san_close(listener);
}

/* The result is waited for by the event, whose low bit is not its own; without one there is no waiting. */
static void check_wait(void)
{
	WSAEVENT event = WSACreateEvent();
	struct san_op recv[2], send[2];
	DWORD bytes = 0;

	open_all();
	for (unsigned i = 0; i < 2; i++) {
		san_begin_op(&recv[i], SAN_POLL);
		if (i == 1)
			recv[i].o.hEvent = (HANDLE)((uintptr_t)event | 1);
		CHECK(san_recv(pair.server, in_pool + i * 100, 100, &recv[i]) == 0);
	}
	host_error = 0;
	CHECK(!spi.lpWSPGetOverlappedResult(pair.server, &recv[0].o, &bytes, TRUE, &recv[0].flags,
					    &host_error) &&
	      host_error == WSA_INVALID_HANDLE);
	for (unsigned i = 0; i < 2; i++) {
		san_begin_op(&send[i], SAN_POLL);
		CHECK(san_send(pair.client, out_pool, 3 + i, &send[i]) == 0);
	}
	CHECK_R(171, spi.lpWSPGetOverlappedResult(pair.server, &recv[1].o, &bytes, TRUE,
						  &recv[1].flags, &host_error) &&
			     bytes == 4);
	CHECK(san_result(pair.server, &recv[0], &bytes) == 0 && bytes == 3);
	for (unsigned i = 0; i < 2; i++)
		CHECK(san_result(pair.client, &send[i], &bytes) == 0 && bytes == 3 + i);
	san_close_pair(&pair);
	WSACloseEvent(event);
}

/* --- a switch goes on from its upcall --- */

static struct san_op chain[CHAIN];
static atomic_uint chained, chain_errors;

static void send_next(LPWSAOVERLAPPED ended)
{
	unsigned n = chained;

	if (n == CHAIN || (n > 0 && ended != &chain[n - 1].o))
		return;
	chained = n + 1;
	san_begin_op(&chain[n], SAN_UPCALL);
	if (san_send(pair.client, out_pool + n + 1, n + 1, &chain[n]) != 0)
		chain_errors++;
}

static void check_from_upcall(void)
{
	struct san_op recv[CHAIN];
	DWORD bytes = 0;

	open_all();
	fill(out_pool, 2 * CHAIN, 5);
	for (unsigned i = 0; i < CHAIN; i++) {
		san_begin_op(&recv[i], SAN_POLL);
		CHECK(san_recv(pair.server, in_pool + i * CHAIN, CHAIN, &recv[i]) == 0);
	}
	san_in_upcall = send_next;
	send_next(NULL);
	for (unsigned i = 0; i < CHAIN; i++)
		CHECK_R(136, san_result(pair.server, &recv[i], &bytes) == 0 && bytes == i + 1 &&
				     memcmp(in_pool + i * CHAIN, out_pool + i + 1, i + 1) == 0);
	for (unsigned i = 0; i < CHAIN; i++)
		CHECK_R(136, san_upcalls(&chain[i], SAN_WAIT_MS) == 1);
	CHECK_R(136, chained == CHAIN && chain_errors == 0);
	san_in_upcall = NULL;
	san_close_pair(&pair);
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (san_startup(0) != 0)
		return 1;
	if (conf_role() != NULL) {
		child_connects();
		return 1;
	}
	check_ways();
	check_ignored();
	check_sizes();
	check_order();
	check_gather();
	check_unregistered();
	check_not_connected();
	check_early();
	check_too_long();
	check_close();
	check_memory_after_close();
	check_wait();
	check_from_upcall();
	if (conf_two_processes())
		check_other_process();
	host_cleanup();
	return check_result();
}

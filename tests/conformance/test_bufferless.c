// SPDX-License-Identifier: BSD-2-Clause
/* test_bufferless.c - SO_RCVBUF 0: nothing comes before there is a place for it. */
#include "tests/conformance/io.h"

static char in[1u << 20];

static struct pair bufferless_pair(bool at_client)
{
	struct pair p;
	int none = 0;

	p.listener = stream_socket();
	p.client = stream_socket();
	p.at = loopback(0);
	NEED(setsockopt(at_client ? p.client : p.listener, SOL_SOCKET, SO_RCVBUF, (char *)&none,
			sizeof(none)) == 0);
	NEED(bind_to(p.listener, &p.at) == 0 && listen(p.listener, 1) == 0 &&
	     name_of(p.listener, &p.at) == 0 && connect_to(p.client, &p.at) == 0);
	p.server = accept(p.listener, NULL, NULL);
	NEED(p.server != INVALID_SOCKET);
	if (at_client) {
		SOCKET s = p.client;

		p.client = p.server;
		p.server = s;
		NEED(send(p.server, "x", 1, 0) == 1 && receive_all(p.client, in, 1) == 1);
	}
	nonblocking(p.client, 1);
	return p;
}

/* What a nonblocking sender can place within some time. */
static size_t taken(SOCKET s, const char *bytes, size_t length)
{
	size_t sent = 0;

	for (int quiet = 0; sent < length && quiet < (int)SHORT_MS; quiet++) {
		int n = send(s, bytes + sent, (int)(length - sent), 0);

		if (n > 0)
			sent += (size_t)n;
		else if (WSAGetLastError() != WSAEWOULDBLOCK)
			break;
		Sleep(1);
	}
	return sent;
}

static void check_no_buffer(bool at_client)
{
	struct pair p = bufferless_pair(at_client);
	char *text = pattern_new(1000, 0);
	u_long waiting = UNTOUCHED;
	WSAOVERLAPPED a, b;
	DWORD placed, first = 0, second = 0, sent = 0;
	size_t left, tail;

	CHECK_R(158, taken(p.client, text, 1000) == 0);
	overlapped_init(&a, NULL);
	overlapped_init(&b, NULL);
	NEED(PENDS(post_recv(p.server, in, 100, &a)) &&
	     PENDS(post_recv(p.server, in + 100, 60, &b)));
	/* All of it, or what the first got and the room of the second. */
	placed = (DWORD)taken(p.client, text, 1000);
	CHECK_R(158, placed > 60 && placed <= 160);
	CHECK_R(158,
		outcome(p.server, &a, &first, NULL) == 0 && first > 0 && pattern_ok(in, first, 0));
	NEED(PENDS(post_send(p.client, text, 1000, &a)) &&
	     outcome(p.server, &b, &second, NULL) == 0);
	Sleep(SHORT_MS);
	/* The send waits on: nothing but a place at the receiver lets it end. */
	CHECK_R(158,
		in_progress(&a) && ioctlsocket(p.server, FIONREAD, &waiting) == 0 && waiting < 160);
	/* Counted, because the last byte may be here before the send has ended: then nothing more comes. */
	left = placed + 1000 - first - second;
	tail = left < 1000 ? left : 1000;
	CHECK_R(158, receive_all(p.server, in, left) == left &&
			     pattern_ok(in + left - tail, tail, 1000 - tail) &&
			     outcome(p.client, &a, &sent, NULL) == 0 && sent == 1000);
	free(text);
	close_pair(&p);
}

static void send_million(void *arg)
{
	SOCKET s = ((struct pair *)arg)->client;
	char *bytes = pattern_new(sizeof(in), 0);

	nonblocking(s, 0);
	NEED(send(s, bytes, sizeof(in), 0) == (int)sizeof(in));
	shutdown(s, SD_SEND);
	free(bytes);
}

/* Every way to wait for data lets it come. */
static void check_no_buffer_flows(void)
{
	struct pair p = bufferless_pair(false);
	WSAEVENT event = WSACreateEvent();
	struct timeval limit = { LONG_MS / 1000, 0 };
	struct conf_thread *sender = thread_run(send_million, &p);
	size_t got = 0;
	fd_set set;

	CHECK_R(158, recv(p.server, in, 100, MSG_PEEK) > 0 && pattern_ok(in, 1, 0));
	got = receive_all(p.server, in, 1000);
	FD_ZERO(&set);
	FD_SET(p.server, &set);
	CHECK_R(158, select(0, &set, NULL, NULL, &limit) == 1);
	NEED(WSAEventSelect(p.server, event, FD_READ) == 0); /* nonblocking from here on */
	while (got < 200000) {
		int n;

		NEED(event_within(event, LONG_MS));
		WSAResetEvent(event);
		n = recv(p.server, in + got, 3000, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	NEED(WSAEventSelect(p.server, NULL, 0) == 0);
	while (got < 400000) { /* polling */
		int n = recv(p.server, in + got, 3000, 0);

		got += n > 0 ? (size_t)n : 0;
	}
	nonblocking(p.server, 0);
	got += receive_all(p.server, in + got, sizeof(in) - got);
	thread_join(sender);
	CHECK_R(158, got == sizeof(in) && pattern_ok(in, got, 0) && at_end(p.server));
	close_pair(&p);
	WSACloseEvent(event);
}

static void check_buffer_again(void)
{
	struct pair p = bufferless_pair(false);
	int some = 8192;

	CHECK_R(158,
		setsockopt(p.server, SOL_SOCKET, SO_RCVBUF, (char *)&some, sizeof(some)) == 0 &&
			send_until_full(p.client) >= 2048);
	close_pair(&p);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	check_no_buffer(false);
	check_no_buffer(true);
	check_no_buffer_flows();
	check_buffer_again();
	WSACleanup();
	return check_result();
}

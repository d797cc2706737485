// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_remap.c - a program unmaps its buffers when it has its bytes, and maps others where they were: what comes
 * next goes into these, and what is sent comes from them. Nobody tells the provider.
 */
#include "tests/conformance/io.h"
#include "tests/lib/pages.h"

#define ROUNDS 6u
#define SIZE   (1u << 20)

/* The receive is there before the bytes, so that they may go straight into it. */
static void check_exchange(const struct pair *p, char *in, char *out, size_t from)
{
	WSAOVERLAPPED send_o, recv_o;
	DWORD sent = 0, got = 0;

	pattern_fill(out, SIZE, from);
	overlapped_init(&send_o, NULL);
	overlapped_init(&recv_o, NULL);
	NEED(PENDS(post_recv(p->server, in, SIZE, &recv_o)));
	(void)post_send(p->client, out, SIZE, &send_o);
	CHECK(outcome(p->server, &recv_o, &got, NULL) == 0 && got > 0);
	NEED(receive_all(p->server, in + got, SIZE - got) == SIZE - got);
	CHECK(outcome(p->client, &send_o, &sent, NULL) == 0 && sent == SIZE);
	CHECK(pattern_ok(in, SIZE, from));
}

int main(int argc, char **argv)
{
	char *in = pages_map(NULL, SIZE), *out = pages_map(NULL, SIZE);
	DWORD least = 4096;
	struct pair p;

	conf_start(argc, argv);
	p = need_pair();
	NEED(setsockopt(p.client, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	NEED(setsockopt(p.server, SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, (char *)&least, 4) == 0);
	for (size_t i = 0; i < ROUNDS; i++) {
		check_exchange(&p, in, out, i * SIZE);
		pages_unmap(in, SIZE);
		pages_unmap(out, SIZE);
		(void)pages_map(in, SIZE);
		(void)pages_map(out, SIZE);
	}
	close_pair(&p);
	pages_unmap(in, SIZE);
	pages_unmap(out, SIZE);
	WSACleanup();
	return check_result();
}

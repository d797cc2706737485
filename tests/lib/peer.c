// SPDX-License-Identifier: BSD-2-Clause
/* peer.c - tests of two processes: what is the same on every system. */
#include "tests/lib/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <openwsd/ws2tcpip.h>

#include "tests/lib/peer_system.h"
#include "tests/lib/test.h"

#define PATTERN 65521u /* prime: a piece in the wrong place shows */

static char pattern[PATTERN + PEER_PATTERN_MOST];

void peer_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fflush(stdout);
	fprintf(stderr, "%s: ", peer_is_parent() ? "client" : "server");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	_exit(1);
}

static void make_pattern(void)
{
	uint32_t i, x = 1;

	for (i = 0; i < PATTERN; i++) {
		x = x * 1664525u + 1013904223u;
		pattern[i] = (char)(x >> 24);
	}
	for (i = PATTERN; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PATTERN];
}

const char *peer_pattern(uint64_t position)
{
	return pattern + position % PATTERN;
}

void peer_check_pattern(const char *got, int count, uint64_t position)
{
	if (memcmp(got, peer_pattern(position), (size_t)count) != 0)
		peer_fail("wrong bytes in %d after %llu", count, (unsigned long long)position);
}

void peer_start(unsigned seconds, unsigned descriptors)
{
	test_deadline(seconds);
	make_pattern();
	peer_system_start(descriptors);
}

unsigned peer_slow_factor(void)
{
	return test_slow_factor();
}

void peer_winsock(void)
{
	WSADATA data;

	PEER_CHECK(WSAStartup(MAKEWORD(2, 2), &data) == 0);
}

SOCKET peer_socket(void)
{
	SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);

	PEER_CHECK(s != INVALID_SOCKET);
	return s;
}

struct sockaddr_in peer_address(uint32_t port)
{
	const char *text = getenv("WSD_TEST_IPV4"); /* where loopback is no path */
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons((u_short)port);
	PEER_CHECK(inet_pton(AF_INET, text ? text : "127.0.0.1", &at.sin_addr) == 1);
	return at;
}

SOCKET peer_listen(uint32_t *port)
{
	struct sockaddr_in at = peer_address(0);
	int length = sizeof(at);
	SOCKET s = peer_socket();

	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	PEER_CHECK(listen(s, SOMAXCONN) == 0);
	PEER_CHECK(getsockname(s, (struct sockaddr *)&at, &length) == 0);
	*port = ntohs(at.sin_port);
	return s;
}

// SPDX-License-Identifier: BSD-2-Clause
/* cases.c - see cases.h. */
#include "tests/plain/cases.h"

#include <stdio.h>

#include "tests/lib/test.h"
#include "tests/plain/system.h"

#ifdef _WIN32
#define LEFT_OVER 24 /* pools of threads of the system take and give back some as they like */
#else
#define LEFT_OVER 2 /* those to the peer */
#endif

bool text_has(SOCKET s, int option, const char *part)
{
	char text[1024];
	int length = sizeof(text);

	PEER_CHECK(getsockopt(s, SOL_SOCKET, option, text, &length) == 0);
	printf("%x: %s\n", (unsigned)option, text);
	return part[0] ? strstr(text, part) != NULL : text[0] == '\0';
}

void over(const char *backends)
{
	PEER_CHECK(setenv("WSD_BACKENDS", backends, 1) == 0);
	peer_winsock();
}

int try_connect(SOCKET s, uint32_t port)
{
	struct sockaddr_in at = peer_address(port);

	return connect(s, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : WSAGetLastError();
}

SOCKET connected(uint32_t port)
{
	SOCKET s = peer_socket();

	PEER_CHECK(try_connect(s, port) == 0);
	return s;
}

uint32_t dead_port(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 1);

	system_close(listener);
	return port;
}

uint64_t now_ms(void)
{
	return GetTickCount64();
}

int main(int argc, char **argv)
{
	unsigned descriptors;

	peer_start(60, 256);
	for (const struct plain_case *c = plain_cases; argc > 1 && c->name != NULL; c++) {
		if (strcmp(c->name, argv[1]) != 0)
			continue;
		descriptors = peer_descriptors();
		c->run();
		PEER_CHECK(WSACleanup() == 0);
		if (peer_descriptors() > descriptors + LEFT_OVER)
			peer_fail("%u descriptors instead of %u", peer_descriptors(), descriptors);
		return 0;
	}
	fprintf(stderr, "usage: %s CASE\n", argv[0]);
	return 2;
}

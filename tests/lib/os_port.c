// SPDX-License-Identifier: BSD-2-Clause
/* os_port.c - see os_port.h. */
#include "tests/lib/os_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *address_text(bool v6, bool from)
{
	static const char *const names[2][2] = { { "WSD_TEST_IPV4", "WSD_TEST_FROM_IPV4" },
						 { "WSD_TEST_IPV6", "WSD_TEST_FROM_IPV6" } };
	const char *text = getenv(names[v6][from]);

	if (text == NULL)
		text = v6 ? "::1" : "127.0.0.1";
	return text;
}

void os_address(bool v6, bool from, unsigned char *bytes)
{
	if (inet_pton(v6 ? AF_INET6 : AF_INET, address_text(v6, from), bytes) != 1)
		_exit(3);
}

bool os_address_here(bool v6, bool from)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *text = address_text(v6, from);
	int s;
	bool here;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, text,
		      v6 ? (void *)&at6.sin6_addr : (void *)&at.sin_addr) != 1)
		return false;
	s = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	here = s >= 0 && bind(s, v6 ? (struct sockaddr *)&at6 : (struct sockaddr *)&at,
			      v6 ? sizeof(at6) : sizeof(at)) == 0;
	if (s >= 0)
		close(s);
	return here;
}

static int bound(bool v6, unsigned short *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t length;
	int fd, on = 1;

	memset(&at, 0, sizeof(at));
	if (v6) {
		at.v6.sin6_family = AF_INET6;
		at.v6.sin6_addr = in6addr_any;
		length = sizeof(at.v6);
	} else {
		at.v4.sin_family = AF_INET;
		at.v4.sin_addr.s_addr = htonl(INADDR_ANY);
		length = sizeof(at.v4);
	}
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && v6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd < 0 || bind(fd, &at.any, length) || getsockname(fd, &at.any, &length))
		_exit(3);
	*port = ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
	return fd;
}

unsigned short os_port(bool v6, bool listening)
{
	unsigned short port;
	int fd = bound(v6, &port);

	if (listening && listen(fd, 16))
		_exit(3);
	return port;
}

bool os_visit(bool v6, unsigned short port)
{
	unsigned char bytes[16];
	char byte = 0;
	bool connected;
	int fd;

	os_address(v6, false, bytes);
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
	if (v6) {
		struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

		memcpy(&at.sin6_addr, bytes, 16);
		connected = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	} else {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

		memcpy(&at.sin_addr, bytes, 4);
		connected = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	}
	connected =
		connected && send(fd, "v", 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1 && byte == 'h';
	close(fd);
	return connected;
}

unsigned short os_free_port(bool v6)
{
	unsigned short port;

	close(bound(v6, &port));
	return port;
}

/* Who has the first number as a port of UDP has the range. The system takes it back with the process: when all are
 * taken, wait for one, until the program's deadline. */
unsigned short os_port_range(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		_exit(3);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (;; usleep(10000))
		for (unsigned first = FIRST_RANGE; first < END_OF_RANGES; first += RANGE) {
			at.sin_port = htons((unsigned short)first);
			if (bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
				return (unsigned short)first;
		}
}

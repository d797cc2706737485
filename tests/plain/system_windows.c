// SPDX-License-Identifier: BSD-2-Clause
/*
 * system_windows.c - see system.h: sockets of the base provider, of a program whose own are OpenWSD's. What tests of
 * Windows use. Handles have 32 significant bits, so an int holds one.
 */
#include <winsock2.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/os_port.h"
#include "tests/plain/system.h"

#define PATIENCE_MS 10000

static SOCKET socket_of(int fd)
{
	return (SOCKET)(unsigned)fd;
}

static struct sockaddr_in loopback(uint32_t port)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((u_short)port);
	return at;
}

static int new_socket(void)
{
	DWORD patience = PATIENCE_MS;
	SOCKET s = os_base_socket(AF_INET);

	if (s == INVALID_SOCKET ||
	    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (char *)&patience, sizeof(patience)) != 0)
		abort();
	return (int)s;
}

int system_listen(uint32_t *port, int backlog)
{
	struct sockaddr_in at = loopback(*port);
	int length = sizeof(at), fd = new_socket(), on = 1;
	SOCKET s = socket_of(fd);

	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (char *)&on, sizeof(on));
	if (bind(s, (struct sockaddr *)&at, sizeof(at)) || listen(s, backlog) ||
	    getsockname(s, (struct sockaddr *)&at, &length)) {
		if (*port == 0)
			abort();
		closesocket(s);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

int system_connect(uint32_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = new_socket();

	if (connect(socket_of(fd), (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	system_close(fd);
	return -1;
}

size_t system_receive(int fd, void *bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		int n = recv(socket_of(fd), (char *)bytes + done, (int)(count - done), 0);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void system_close(int fd)
{
	closesocket(socket_of(fd));
}

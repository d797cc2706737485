// SPDX-License-Identifier: BSD-2-Clause
/* system.c - see system.h. */
#include "tests/plain/system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000

const bool system_is_wine = false;

static struct sockaddr_in loopback(uint32_t port)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)port);
	return at;
}

static int new_socket(int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		abort();
	return fd;
}

static bool ready(int fd, short events, int ms)
{
	struct pollfd one = { fd, events, 0 };

	return poll(&one, 1, ms) == 1;
}

int system_listen(uint32_t *port, int backlog)
{
	struct sockaddr_in at = loopback(*port);
	socklen_t length = sizeof(at);
	int fd = new_socket(0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, backlog) ||
	    getsockname(fd, (struct sockaddr *)&at, &length)) {
		if (*port == 0 || errno != EADDRINUSE)
			abort();
		close(fd);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return fd;
}

int system_accept(int listener)
{
	return ready(listener, POLLIN, PATIENCE_MS) ? accept(listener, NULL, NULL) : -1;
}

bool system_nobody(int listener, int ms)
{
	return !ready(listener, POLLIN, ms);
}

int system_connect(uint32_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = new_socket(0);

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

int system_connecting(uint32_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = new_socket(SOCK_NONBLOCK);

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) && errno != EINPROGRESS)
		abort();
	return fd;
}

bool system_connected(int fd, int ms)
{
	int error = 0;
	socklen_t length = sizeof(error);

	return ready(fd, POLLOUT, ms) &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

void system_send(int fd, const void *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		ssize_t n = send(fd, (const char *)bytes + done, count - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && ready(fd, POLLOUT, PATIENCE_MS))
			continue;
		if (n <= 0)
			abort();
		done += (size_t)n;
	}
}

void system_send_urgent(int fd, char byte)
{
	if (send(fd, &byte, 1, MSG_OOB | MSG_NOSIGNAL) != 1)
		abort();
}

uint32_t system_peer_port(int fd)
{
	struct sockaddr_in at;
	socklen_t length = sizeof(at);

	if (getpeername(fd, (struct sockaddr *)&at, &length))
		abort();
	return ntohs(at.sin_port);
}

bool system_was_reset(int fd)
{
	char byte;

	return ready(fd, POLLIN, PATIENCE_MS) && recv(fd, &byte, 1, 0) < 0 && errno == ECONNRESET;
}

size_t system_receive(int fd, void *bytes, size_t count)
{
	size_t done = 0;

	while (done < count && ready(fd, POLLIN, PATIENCE_MS)) {
		ssize_t n = recv(fd, (char *)bytes + done, count - done, 0);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool system_silent(int fd, int ms)
{
	return !ready(fd, POLLIN | POLLRDHUP, ms);
}

bool system_arrived(int fd, int ms)
{
	int waiting = 1;

	for (; ioctl(fd, SIOCOUTQ, &waiting) == 0 && waiting > 0 && ms > 0; ms--)
		usleep(1000);
	return waiting == 0;
}

static bool is_connection(int fd)
{
	struct sockaddr_in peer = { .sin_family = AF_UNSPEC };
	socklen_t length = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
	       peer.sin_family == AF_INET;
}

unsigned system_connections(void)
{
	unsigned count = 0;

	for (int fd = 3; fd < 1024; fd++)
		count += is_connection(fd);
	return count;
}

unsigned system_connections_of(int service, int priority)
{
	unsigned count = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int tos = -1, place = -1;
		socklen_t size = sizeof(int);

		if (!is_connection(fd) || getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &size) != 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &place, &size) != 0)
			continue;
		count += tos == service && (place == priority || place == priority + 1);
	}
	return count;
}

static unsigned connections_with(int level, int option, int value)
{
	unsigned count = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int is = 0;
		socklen_t size = sizeof(is);

		count += is_connection(fd) && getsockopt(fd, level, option, &is, &size) == 0 &&
			 is == value;
	}
	return count;
}

unsigned system_connections_nodelay(void)
{
	return connections_with(IPPROTO_TCP, TCP_NODELAY, 1);
}

unsigned system_connections_hops(int hops)
{
	return connections_with(IPPROTO_IP, IP_TTL, hops);
}

void system_close(int fd)
{
	close(fd);
}

void system_reset(int fd)
{
	struct linger hard = { 1, 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

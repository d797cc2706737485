// SPDX-License-Identifier: BSD-2-Clause
/*
 * system_windows.c - see system.h. The program's own calls of Winsock come to openwsd.dll: these are of the ws2_32.dll
 * in the system's folder. A descriptor is a handle, which fits 32 bits.
 */
#define INCL_WINSOCK_API_TYPEDEFS 1
#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/platform_windows.h"
#include "tests/plain/system.h"
#include "tests/windows/handles.h"
#include "tests/windows/wine_socket.h"

#define PATIENCE_MS 10000

const bool system_is_wine = true;

static struct {
	LPFN_WSASTARTUP startup;
	LPFN_WSAGETLASTERROR last_error;
	LPFN_SOCKET socket;
	LPFN_BIND bind;
	LPFN_LISTEN listen;
	LPFN_ACCEPT accept;
	LPFN_CONNECT connect;
	LPFN_SEND send;
	LPFN_RECV recv;
	LPFN_SELECT select;
	LPFN_CLOSESOCKET close;
	LPFN_IOCTLSOCKET ioctl;
	LPFN_GETSOCKOPT getsockopt;
	LPFN_SETSOCKOPT setsockopt;
	LPFN_GETSOCKNAME getsockname;
	LPFN_GETPEERNAME getpeername;
} net;

static void load(void)
{
	static const struct {
		const char *name;
		void *function;
	} symbols[] = {
		{ "WSAStartup", &net.startup },
		{ "WSAGetLastError", &net.last_error },
		{ "socket", &net.socket },
		{ "bind", &net.bind },
		{ "listen", &net.listen },
		{ "accept", &net.accept },
		{ "connect", &net.connect },
		{ "send", &net.send },
		{ "recv", &net.recv },
		{ "select", &net.select },
		{ "closesocket", &net.close },
		{ "ioctlsocket", &net.ioctl },
		{ "getsockopt", &net.getsockopt },
		{ "setsockopt", &net.setsockopt },
		{ "getsockname", &net.getsockname },
		{ "getpeername", &net.getpeername },
	};
	HMODULE module = wsd_windows_system_module(L"ws2_32.dll");
	WSADATA data;

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!wsd_windows_symbol(module, symbols[i].name, symbols[i].function,
					sizeof(FARPROC)))
			abort();
	if (net.startup(MAKEWORD(2, 2), &data) != 0)
		abort();
}

static SOCKET socket_of(int fd)
{
	return (SOCKET)(intptr_t)fd;
}

static struct sockaddr_in loopback(uint32_t port)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = 0x0100007f;
	at.sin_port = (u_short)((port & 0xff) << 8 | port >> 8);
	return at;
}

static uint32_t port_of(const struct sockaddr_in *at)
{
	return (uint32_t)((at->sin_port & 0xff) << 8 | at->sin_port >> 8);
}

static int new_socket(void)
{
	SOCKET s;

	if (net.socket == NULL)
		load();
	s = net.socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (s == INVALID_SOCKET || !SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0))
		abort();
	return (int)s;
}

static bool ready(int fd, bool writable, int ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	fd_set set = { .fd_count = 1, .fd_array = { socket_of(fd) } };

	return net.select(0, writable ? NULL : &set, writable ? &set : NULL, NULL, &limit) == 1;
}

int system_listen(uint32_t *port, int backlog)
{
	struct sockaddr_in at = loopback(*port);
	int length = sizeof(at), fd = new_socket(), on = 1;

	(void)net.setsockopt(socket_of(fd), SOL_SOCKET, SO_REUSEADDR, (char *)&on, sizeof(on));
	if (net.bind(socket_of(fd), (struct sockaddr *)&at, sizeof(at)) ||
	    net.listen(socket_of(fd), backlog) ||
	    net.getsockname(socket_of(fd), (struct sockaddr *)&at, &length)) {
		int error = net.last_error();

		if (*port == 0 || (error != WSAEADDRINUSE && error != WSAEACCES))
			abort();
		net.close(socket_of(fd));
		return -1;
	}
	*port = port_of(&at);
	return fd;
}

int system_accept(int listener)
{
	SOCKET s = INVALID_SOCKET;

	if (ready(listener, false, PATIENCE_MS))
		s = net.accept(socket_of(listener), NULL, NULL);
	if (s == INVALID_SOCKET || !SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0))
		return -1;
	return (int)s;
}

bool system_nobody(int listener, int ms)
{
	return !ready(listener, false, ms);
}

int system_connect(uint32_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = new_socket();

	if (net.connect(socket_of(fd), (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	net.close(socket_of(fd));
	return -1;
}

int system_connecting(uint32_t port)
{
	struct sockaddr_in at = loopback(port);
	int fd = new_socket();
	u_long on = 1;

	if (net.ioctl(socket_of(fd), (int)FIONBIO, &on) ||
	    (net.connect(socket_of(fd), (struct sockaddr *)&at, sizeof(at)) &&
	     net.last_error() != WSAEWOULDBLOCK))
		abort();
	return fd;
}

bool system_connected(int fd, int ms)
{
	return ready(fd, true, ms);
}

void system_send(int fd, const void *bytes, size_t count)
{
	for (size_t done = 0; done < count;) {
		int n = net.send(socket_of(fd), (const char *)bytes + done, (int)(count - done), 0);

		if (n < 0 && net.last_error() == WSAEWOULDBLOCK && ready(fd, true, PATIENCE_MS))
			continue;
		if (n <= 0)
			abort();
		done += (size_t)n;
	}
}

void system_send_urgent(int fd, char byte)
{
	if (net.send(socket_of(fd), &byte, 1, MSG_OOB) != 1)
		abort();
}

uint32_t system_peer_port(int fd)
{
	struct sockaddr_in at;
	int length = sizeof(at);

	if (net.getpeername(socket_of(fd), (struct sockaddr *)&at, &length))
		abort();
	return port_of(&at);
}

/* Wine's server may take the error for itself: then there is an end, and no connection. */
bool system_was_reset(int fd)
{
	char byte;
	int n;

	if (!ready(fd, false, PATIENCE_MS))
		return false;
	n = net.recv(socket_of(fd), &byte, 1, 0);
	return (n < 0 && net.last_error() == WSAECONNRESET) ||
	       (n <= 0 && wine_socket_is_gone(socket_of(fd)));
}

size_t system_receive(int fd, void *bytes, size_t count)
{
	size_t done = 0;

	while (done < count && ready(fd, false, PATIENCE_MS)) {
		int n = net.recv(socket_of(fd), (char *)bytes + done, (int)(count - done), 0);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool system_silent(int fd, int ms)
{
	return !ready(fd, false, ms);
}

bool system_arrived(int fd, int ms)
{
	for (; wine_socket_unsent(socket_of(fd)) > 0 && ms > 0; ms--)
		Sleep(1);
	return wine_socket_unsent(socket_of(fd)) == 0;
}

static unsigned connections_with(int level, int option, int value)
{
	unsigned count = 0;

	if (net.socket == NULL)
		load();
	for (uintptr_t handle = 4; handle < 4 * HANDLES; handle += 4) {
		struct sockaddr_in peer = { .sin_family = AF_UNSPEC };
		int length = sizeof(peer), is = 0, size = sizeof(is);

		count += net.getpeername(handle, (struct sockaddr *)&peer, &length) == 0 &&
			 peer.sin_family == AF_INET &&
			 net.getsockopt(handle, level, option, (char *)&is, &size) == 0 &&
			 is == value;
	}
	return count;
}

/* There is no priority to be seen. */
unsigned system_connections_of(int service, int priority)
{
	(void)priority;
	return connections_with(IPPROTO_IP, IP_TOS, service);
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
	net.close(socket_of(fd));
}

void system_reset(int fd)
{
	wine_socket_reset(socket_of(fd));
	net.close(socket_of(fd));
}

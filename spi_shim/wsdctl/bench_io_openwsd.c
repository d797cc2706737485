// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_io_openwsd.c - struct bench_io over Winsock as an application sees it. Overlapped sends
 * complete through a completion port.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/include/openwsd/openwsd.h"
#include "spi_shim/wsdctl/bench.h"

static bool wsd_start(void)
{
	WSADATA data;
	int error = WSAStartup(MAKEWORD(2, 2), &data);

	WSASetLastError(error);
	return error == 0;
}

static const char *wsd_error(void)
{
	return wsd_strerror(WSAGetLastError());
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons(port);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static SOCKET new_socket(void)
{
	return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
}

static intptr_t give_up(SOCKET s)
{
	int error = WSAGetLastError();

	(void)closesocket(s);
	WSASetLastError(error);
	return -1;
}

static intptr_t wsd_io_listen(uint16_t *port)
{
	struct sockaddr_in at = loopback(0);
	int length = sizeof(at);
	SOCKET s = new_socket();

	if (s == INVALID_SOCKET)
		return -1;
	if (bind(s, (struct sockaddr *)&at, length) != 0 || listen(s, SOMAXCONN) != 0 ||
	    getsockname(s, (struct sockaddr *)&at, &length) != 0)
		return give_up(s);
	*port = ntohs(at.sin_port);
	return (intptr_t)s;
}

static void set_nodelay(SOCKET s)
{
	BOOL on = TRUE;

	if (s != INVALID_SOCKET)
		(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof(on));
}

static intptr_t wsd_io_accept(intptr_t listener)
{
	SOCKET s = accept((SOCKET)listener, NULL, NULL);

	set_nodelay(s);
	return s == INVALID_SOCKET ? -1 : (intptr_t)s;
}

static intptr_t wsd_io_connect(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	SOCKET s = new_socket();

	if (s == INVALID_SOCKET)
		return -1;
	set_nodelay(s);
	if (connect(s, (struct sockaddr *)&at, sizeof(at)) != 0)
		return give_up(s);
	return (intptr_t)s;
}

static bool wsd_io_close(intptr_t s)
{
	return closesocket((SOCKET)s) == 0;
}

static bool wsd_io_nonblocking(intptr_t s, bool on)
{
	u_long value = on;

	return ioctlsocket((SOCKET)s, (int)FIONBIO, &value) == 0;
}

static long wsd_result(int n)
{
	if (n >= 0)
		return n;
	return WSAGetLastError() == WSAEWOULDBLOCK ? BENCH_AGAIN : BENCH_ERROR;
}

static long wsd_io_send(intptr_t s, const char *buffer, size_t size)
{
	return wsd_result(send((SOCKET)s, buffer, (int)size, 0));
}

static long wsd_io_recv(intptr_t s, char *buffer, size_t size)
{
	return wsd_result(recv((SOCKET)s, buffer, (int)size, 0));
}

static bool wsd_io_path(intptr_t s, char *text, size_t size)
{
	int length = (int)size;

	return getsockopt((SOCKET)s, SOL_SOCKET, SO_OPENWSD_PATH, text, &length) == 0;
}

struct bench_loop {
	SOCKET s;
	HANDLE port;
	size_t size;
	WSAOVERLAPPED overlapped[BENCH_WINDOW];
};

static struct bench_loop *wsd_loop_open(intptr_t s)
{
	struct bench_loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->s = (SOCKET)s;
	loop->port = CreateIoCompletionPort((HANDLE)s, NULL, 0, 0);
	if (loop->port == NULL) {
		free(loop);
		return NULL;
	}
	return loop;
}

static void wsd_loop_close(struct bench_loop *loop)
{
	CloseHandle(loop->port);
	free(loop);
}

static bool wsd_post(struct bench_loop *loop, unsigned slot, const char *buffer, size_t size)
{
	WSAOVERLAPPED *overlapped = &loop->overlapped[slot];
	WSABUF whole = { (u_long)size, (char *)(uintptr_t)buffer };

	memset(overlapped, 0, sizeof(*overlapped));
	loop->size = size;
	return WSASend(loop->s, &whole, 1, NULL, 0, overlapped, NULL) == 0 ||
	       WSAGetLastError() == WSA_IO_PENDING;
}

static unsigned wsd_reap(struct bench_loop *loop, unsigned *slots)
{
	OVERLAPPED_ENTRY entries[BENCH_WINDOW];
	ULONG count = 0, i;

	if (!GetQueuedCompletionStatusEx(loop->port, entries, BENCH_WINDOW, &count, INFINITE,
					 FALSE))
		return 0;
	for (i = 0; i < count; i++) {
		/* Internal is the status; a send of a stream completes with all its bytes. */
		if (entries[i].dwNumberOfBytesTransferred != loop->size) {
			WSASetLastError(WSAECONNABORTED);
			return 0;
		}
		slots[i] = (unsigned)(entries[i].lpOverlapped - loop->overlapped);
	}
	return count;
}

const struct bench_io bench_io_openwsd = {
	.start = wsd_start,
	.listen = wsd_io_listen,
	.accept = wsd_io_accept,
	.connect = wsd_io_connect,
	.close = wsd_io_close,
	.nonblocking = wsd_io_nonblocking,
	.send = wsd_io_send,
	.recv = wsd_io_recv,
	.path = wsd_io_path,
	.loop_open = wsd_loop_open,
	.post = wsd_post,
	.reap = wsd_reap,
	.loop_close = wsd_loop_close,
	.error = wsd_error,
};

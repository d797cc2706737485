/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_winsock.h - just enough Winsock over the sockets of the system to build the examples without
 * OpenWSD, for the comparison that the demo prints. Overlapped sends are done when they return;
 * overlapped receives happen when their result is asked for.
 */
#ifndef EXAMPLES_OS_WINSOCK_H
#define EXAMPLES_OS_WINSOCK_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef int SOCKET;
typedef uint32_t DWORD;
typedef unsigned short u_short_t;
typedef unsigned long u_long_t;
#define INVALID_SOCKET	(-1)
#define SOCKET_ERROR	(-1)
#define SD_SEND		SHUT_WR
#define SD_RECEIVE	SHUT_RD
#define SO_OPENWSD_PATH 0x7F01

#define WSAECONNREFUSED	 ECONNREFUSED
#define WSAETIMEDOUT	 ETIMEDOUT
#define WSAECONNRESET	 ECONNRESET
#define WSAECONNABORTED	 ECONNABORTED
#define WSAEADDRINUSE	 EADDRINUSE
#define WSAEADDRNOTAVAIL EADDRNOTAVAIL
#define WSAEACCES	 EACCES
#define WSAENETUNREACH	 ENETUNREACH
#define WSAEHOSTUNREACH	 EHOSTUNREACH
#define WSAEMFILE	 EMFILE
#define WSAENOBUFS	 ENOBUFS
#define WSA_IO_PENDING	 EINPROGRESS
#define WSA_INFINITE	 UINT32_MAX
#define WSA_WAIT_EVENT_0 0u
#define WSA_WAIT_TIMEOUT 258u

typedef struct {
	int64_t QuadPart;
} LARGE_INTEGER;
typedef struct {
	int unused;
} WSADATA;
#define MAKEWORD(a, b) ((a) | (b) << 8)
#define TRUE	       1
#define FALSE	       0

typedef struct os_event {
	bool receiving;
	SOCKET s;
	char *buffer;
	DWORD size, done;
} * WSAEVENT;
#define WSA_INVALID_EVENT NULL
typedef struct {
	WSAEVENT hEvent;
} WSAOVERLAPPED;
typedef struct {
	DWORD len;
	char *buf;
} WSABUF;

static inline int WSAStartup(int version, WSADATA *data)
{
	(void)version;
	data->unused = 0;
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static inline int WSACleanup(void)
{
	return 0;
}

static inline int WSAGetLastError(void)
{
	/* The limits of net_limit end like this. */
	return errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno;
}

static inline int closesocket(SOCKET s)
{
	return close(s);
}

static inline int os_setsockopt(SOCKET s, int level, int name, const void *value, int length)
{
	struct timeval time;

	if (level != SOL_SOCKET || (name != SO_RCVTIMEO && name != SO_SNDTIMEO))
		return setsockopt(s, level, name, value, (socklen_t)length);
	time.tv_sec = *(const DWORD *)value / 1000;
	time.tv_usec = *(const DWORD *)value % 1000 * 1000;
	return setsockopt(s, level, name, &time, sizeof(time));
}
#define setsockopt os_setsockopt

static inline int os_getsockopt(SOCKET s, int level, int name, void *value, int *length)
{
	socklen_t size = (socklen_t)*length;
	int result = getsockopt(s, level, name, value, &size);

	*length = (int)size;
	return result;
}
#define getsockopt os_getsockopt

static inline int os_getsockname(SOCKET s, struct sockaddr *name, int *length)
{
	socklen_t size = (socklen_t)*length;
	int result = getsockname(s, name, &size);

	*length = (int)size;
	return result;
}
#define getsockname os_getsockname

static inline int os_send(SOCKET s, const char *bytes, int count, int flags)
{
	return (int)send(s, bytes, (size_t)count, flags);
}
#define send os_send

static inline int os_recv(SOCKET s, char *bytes, int count, int flags)
{
	return (int)recv(s, bytes, (size_t)count, flags);
}
#define recv os_recv

static inline WSAEVENT WSACreateEvent(void)
{
	return (WSAEVENT)calloc(1, sizeof(struct os_event));
}

static inline void WSACloseEvent(WSAEVENT event)
{
	free(event);
}

static inline int WSASend(SOCKET s, WSABUF *whole, DWORD count, DWORD *sent, DWORD flags,
			  WSAOVERLAPPED *overlapped, void *routine)
{
	WSAEVENT event = overlapped->hEvent;
	int n;

	(void)count, (void)sent, (void)flags, (void)routine;
	event->receiving = false;
	for (event->done = 0; event->done < whole->len; event->done += (DWORD)n) {
		n = os_send(s, whole->buf + event->done, (int)(whole->len - event->done), 0);
		if (n < 0)
			return SOCKET_ERROR;
	}
	return 0;
}

static inline int WSARecv(SOCKET s, WSABUF *whole, DWORD count, DWORD *got, DWORD *flags,
			  WSAOVERLAPPED *overlapped, void *routine)
{
	WSAEVENT event = overlapped->hEvent;

	(void)count, (void)got, (void)flags, (void)routine;
	event->receiving = true;
	event->s = s;
	event->buffer = whole->buf;
	event->size = whole->len;
	errno = WSA_IO_PENDING;
	return SOCKET_ERROR;
}

static inline DWORD WSAWaitForMultipleEvents(DWORD count, const WSAEVENT *events, int all, DWORD ms,
					     int alertable)
{
	struct pollfd one = { .fd = (*events)->s, .events = POLLIN };

	(void)count, (void)all, (void)alertable;
	if ((*events)->receiving && poll(&one, 1, ms == WSA_INFINITE ? -1 : (int)ms) == 0)
		return WSA_WAIT_TIMEOUT;
	return WSA_WAIT_EVENT_0;
}

static inline bool WSAGetOverlappedResult(SOCKET s, WSAOVERLAPPED *overlapped, DWORD *bytes,
					  int wait, DWORD *flags)
{
	WSAEVENT event = overlapped->hEvent;
	int n;

	(void)wait, (void)flags;
	if (event->receiving) {
		n = os_recv(s, event->buffer, (int)event->size, 0);
		if (n < 0)
			return false;
		event->done = (DWORD)n;
	}
	*bytes = event->done;
	return true;
}

static inline void QueryPerformanceCounter(LARGE_INTEGER *now)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now->QuadPart = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void QueryPerformanceFrequency(LARGE_INTEGER *second)
{
	second->QuadPart = 1000000000;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * oracle.h - the BSD part of Winsock over the operating system's own sockets: the same names, and the
 * errors as WSA codes. A program written for both includes this one where ORACLE_OS is defined.
 */
#ifndef WSD_CONFORMANCE_ORACLE_H
#define WSD_CONFORMANCE_ORACLE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openwsd/wsaerror.h>

typedef int SOCKET;
typedef unsigned int oracle_u_long;
#define u_long oracle_u_long

#define INVALID_SOCKET (-1)
#define SOCKET_ERROR   (-1)
#define SD_RECEIVE     SHUT_RD
#define SD_SEND	       SHUT_WR
#define SD_BOTH	       SHUT_RDWR

static inline int WSAGetLastError(void)
{
	static const struct {
		int system, winsock;
	} codes[] = {
		{ EAGAIN, WSAEWOULDBLOCK },
		{ EINPROGRESS, WSAEWOULDBLOCK },
		{ EALREADY, WSAEALREADY },
		{ EBADF, WSAENOTSOCK },
		{ EINVAL, WSAEINVAL },
		{ EISCONN, WSAEISCONN },
		{ ENOTCONN, WSAENOTCONN },
		{ EPIPE, WSAESHUTDOWN },
		{ ECONNRESET, WSAECONNRESET },
		{ ECONNREFUSED, WSAECONNREFUSED },
		{ EADDRINUSE, WSAEADDRINUSE },
		{ EADDRNOTAVAIL, WSAEADDRNOTAVAIL },
		{ EAFNOSUPPORT, WSAEAFNOSUPPORT },
		{ ENOPROTOOPT, WSAENOPROTOOPT },
		{ EOPNOTSUPP, WSAEOPNOTSUPP },
		{ 0, 0 },
	};

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].system == errno)
			return codes[i].winsock;
	return WSABASEERR + errno; /* unlike any code that a check expects */
}

static inline void WSASetLastError(int error)
{
	(void)error;
	errno = 0;
}

/* The signal ends the program. */
static inline void conf_deadline(unsigned seconds)
{
	alarm(seconds);
}

static inline void Sleep(unsigned ms)
{
	usleep(ms * 1000);
}

static inline int closesocket(SOCKET s)
{
	return close(s);
}

static inline int ioctlsocket(SOCKET s, long command, u_long *value)
{
	return ioctl(s, (unsigned long)command, value);
}

static inline int oracle_send(SOCKET s, const char *data, int length, int flags)
{
	return (int)send(s, data, (size_t)length, flags | MSG_NOSIGNAL);
}

static inline int oracle_recv(SOCKET s, char *data, int length, int flags)
{
	return (int)recv(s, data, (size_t)length, flags);
}

/* Winsock needs no count, and leaves the timeout as it was. */
static inline int oracle_select(int count, fd_set *r, fd_set *w, fd_set *e,
				const struct timeval *timeout)
{
	struct timeval copy = timeout ? *timeout : (struct timeval){ 0, 0 };

	(void)count;
	return select(FD_SETSIZE, r, w, e, timeout ? &copy : NULL);
}

static inline int oracle_getsockname(SOCKET s, struct sockaddr *name, int *length)
{
	return getsockname(s, name, (socklen_t *)length);
}

static inline int oracle_getpeername(SOCKET s, struct sockaddr *name, int *length)
{
	return getpeername(s, name, (socklen_t *)length);
}

static inline int oracle_getsockopt(SOCKET s, int level, int name, char *value, int *length)
{
	return getsockopt(s, level, name, value, (socklen_t *)length);
}

static inline int oracle_setsockopt(SOCKET s, int level, int name, const char *value, int length)
{
	return setsockopt(s, level, name, value, (socklen_t)length);
}

static inline int oracle_bind(SOCKET s, const struct sockaddr *name, int length)
{
	return bind(s, name, (socklen_t)length);
}

static inline int oracle_connect(SOCKET s, const struct sockaddr *name, int length)
{
	return connect(s, name, (socklen_t)length);
}

static inline SOCKET oracle_accept(SOCKET s, struct sockaddr *name, int *length)
{
	return accept(s, name, (socklen_t *)length);
}

#define send	    oracle_send
#define recv	    oracle_recv
#define select	    oracle_select
#define getsockname oracle_getsockname
#define getpeername oracle_getpeername
#define getsockopt  oracle_getsockopt
#define setsockopt  oracle_setsockopt
#define bind	    oracle_bind
#define connect	    oracle_connect
#define accept	    oracle_accept

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* net.c - see net.h. */
#include "net.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int complain(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return 1;
}

bool net_number(const char *text, long most, long *value)
{
	char *end;

	*value = strtol(text, &end, 10);
	return end != text && !*end && *value >= 1 && *value <= most;
}

const char *net_error(int code)
{
	static char text[64];

	switch (code) {
	case WSAECONNREFUSED:
		return "connection refused: is the other side started, with this port?";
	case WSAETIMEDOUT:
		return "no answer in time: is the other side still running?";
	case WSAECONNRESET:
	case WSAECONNABORTED:
		return "the other side ended the connection";
	case WSAEADDRINUSE:
		return "the port is taken: choose another, or 0 for any";
	case WSAEADDRNOTAVAIL:
		return "no such address here, or no such port there";
	case WSAEACCES:
		return "not allowed: choose a port from 1024 up";
	case WSAENETUNREACH:
	case WSAEHOSTUNREACH:
		return "no route to that host";
	case WSAEMFILE:
		return "out of descriptors: raise the limit (ulimit -n)";
	case WSAENOBUFS:
		return "out of memory or descriptors: raise the limit (ulimit -n)";
	default:
		snprintf(text, sizeof(text), "Winsock error %d", code);
		return text;
	}
}

SOCKET net_listen(const char *port)
{
	struct addrinfo hints, *at;
	struct sockaddr_in name;
	int length = sizeof(name);
	SOCKET s;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_INET;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
	if (getaddrinfo(NULL, port, &hints, &at) != 0) {
		complain("%s is not a port: 0 to 65535", port);
		return INVALID_SOCKET;
	}
	s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	if (s == INVALID_SOCKET || bind(s, at->ai_addr, (int)at->ai_addrlen) != 0 ||
	    listen(s, SOMAXCONN) != 0 || getsockname(s, (struct sockaddr *)&name, &length) != 0) {
		complain("cannot listen on port %s: %s", port, net_error(WSAGetLastError()));
		if (s != INVALID_SOCKET)
			closesocket(s);
		s = INVALID_SOCKET;
	} else {
		printf("listening on port %u\n", ntohs(name.sin_port));
		fflush(stdout);
	}
	freeaddrinfo(at);
	return s;
}

/* "HOST:PORT" into its two parts, without the brackets of an IPv6 address. */
static bool split(const char *where, char *host, size_t room, const char **port)
{
	const char *colon = strrchr(where, ':'), *end = colon;

	if (!colon || colon == where || !colon[1])
		return false;
	*port = colon + 1;
	if (*where == '[' && end[-1] == ']') {
		where++;
		end--;
	} else if (memchr(where, ':', (size_t)(end - where))) {
		return false;
	}
	if ((size_t)(end - where) >= room)
		return false;
	memcpy(host, where, (size_t)(end - where));
	host[end - where] = '\0';
	return true;
}

bool net_is_port(const char *port)
{
	size_t digits = strspn(port, "0123456789");

	/* Anything else may be the name of a service. */
	if (*port && (port[digits] || strtoul(port, NULL, 10) <= 65535))
		return true;
	complain("%s is not a port: 0 to 65535", port);
	return false;
}

bool net_is_where(const char *where)
{
	const char *port;
	char host[256];

	if (split(where, host, sizeof(host), &port))
		return net_is_port(port);
	complain("%s is not HOST:PORT or [IPv6]:PORT", where);
	return false;
}

SOCKET net_connect(const char *where)
{
	struct addrinfo hints, *list, *at;
	SOCKET s = INVALID_SOCKET;
	const char *port;
	char host[256];
	int error = 0;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (!net_is_where(where) || !split(where, host, sizeof(host), &port))
		return s;
	if (getaddrinfo(host, port, &hints, &list) != 0) {
		complain("%s: unknown host or port", where);
		return s;
	}
	for (at = list; at && s == INVALID_SOCKET; at = at->ai_next) {
		s = socket(at->ai_family, SOCK_STREAM, IPPROTO_TCP);
		if (s != INVALID_SOCKET && connect(s, at->ai_addr, (int)at->ai_addrlen) == 0)
			break;
		error = WSAGetLastError();
		if (s != INVALID_SOCKET)
			closesocket(s);
		s = INVALID_SOCKET;
	}
	freeaddrinfo(list);
	if (s == INVALID_SOCKET)
		complain("cannot connect to %s: %s", where, net_error(error));
	return s;
}

int net_send_all(SOCKET s, const void *bytes, int count)
{
	int done = 0, n;

	for (; done < count; done += n) {
		n = send(s, (const char *)bytes + done, count - done, 0);
		if (n == SOCKET_ERROR)
			return WSAGetLastError();
	}
	return 0;
}

int net_recv_all(SOCKET s, void *bytes, int count, int seconds)
{
	double stop = net_seconds() + seconds;
	int done = 0, n;

	for (; done < count; done += n) {
		n = recv(s, (char *)bytes + done, count - done, 0);
		if (n == SOCKET_ERROR)
			return WSAGetLastError();
		if (n == 0)
			return WSAECONNRESET;
		if (done + n < count && net_seconds() > stop)
			return WSAETIMEDOUT;
	}
	return 0;
}

void net_limit(SOCKET s, int seconds)
{
	DWORD ms = (DWORD)seconds * 1000;

	(void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, (const char *)&ms, sizeof(ms));
	(void)setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, (const char *)&ms, sizeof(ms));
}

const char *net_path(SOCKET s)
{
	static char text[32];
	int length = sizeof(text);

	if (getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, text, &length) != 0 || !text[0])
		return "the system";
	return text;
}

double net_seconds(void)
{
	LARGE_INTEGER now, second;

	QueryPerformanceFrequency(&second);
	QueryPerformanceCounter(&now);
	return (double)now.QuadPart / (double)second.QuadPart;
}

// SPDX-License-Identifier: BSD-2-Clause
/* os_port_windows.c - see os_port.h. */
#include <winsock2.h>

#include <ws2tcpip.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/os_port.h"

/* Of the system's base provider, also where another one stands before it in the catalogue. */
uintptr_t os_base_socket(int family)
{
	static WSAPROTOCOL_INFOW list[64];
	DWORD size = sizeof(list);
	int tcp[] = { IPPROTO_TCP, 0 };
	int count = WSAEnumProtocolsW(tcp, list, &size);

	for (int i = 0; i < count; i++)
		if (list[i].iAddressFamily == family && list[i].iSocketType == SOCK_STREAM &&
		    list[i].ProtocolChain.ChainLen == BASE_PROTOCOL &&
		    (list[i].dwServiceFlags1 & XP1_IFS_HANDLES) != 0)
			return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
					  FROM_PROTOCOL_INFO, &list[i], 0, WSA_FLAG_OVERLAPPED);
	exit(3);
}

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
		exit(3);
}

bool os_address_here(bool v6, bool from)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *text = address_text(v6, from);
	SOCKET s;
	bool here;
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		exit(3);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text,
		      v6 ? (void *)&at6.sin6_addr : (void *)&at.sin_addr) != 1)
		return false;
	s = os_base_socket(v6 ? AF_INET6 : AF_INET);
	here = s != INVALID_SOCKET && bind(s, v6 ? (struct sockaddr *)&at6 : (struct sockaddr *)&at,
					   v6 ? (int)sizeof(at6) : (int)sizeof(at)) == 0;
	if (s != INVALID_SOCKET)
		closesocket(s);
	return here;
}

static SOCKET bound(bool v6, unsigned short *port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	WSADATA data;
	int length;
	SOCKET s;

	memset(&at, 0, sizeof(at));
	if (v6) {
		at.v6.sin6_family = AF_INET6;
		at.v6.sin6_addr.s6_addr[15] = 1;
		length = sizeof(at.v6);
	} else {
		at.v4.sin_family = AF_INET;
		at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		length = sizeof(at.v4);
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		exit(3);
	s = os_base_socket(at.any.sa_family);
	if (s == INVALID_SOCKET || bind(s, &at.any, length) || getsockname(s, &at.any, &length))
		exit(3);
	*port = ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
	return s;
}

unsigned short os_port(bool v6, bool listening)
{
	unsigned short port;
	SOCKET s = bound(v6, &port);

	if (listening && listen(s, 16))
		exit(3);
	return port;
}

bool os_visit(bool v6, unsigned short port)
{
	unsigned char bytes[16];
	char byte = 0;
	bool connected;
	SOCKET fd;
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		exit(3);
	os_address(v6, false, bytes);
	fd = os_base_socket(v6 ? AF_INET6 : AF_INET);
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
	closesocket(fd);
	return connected;
}

unsigned short os_free_port(bool v6)
{
	unsigned short port;

	closesocket(bound(v6, &port));
	return port;
}

unsigned short os_port_range(void)
{
	struct sockaddr_in at;
	WSADATA data;
	SOCKET s;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		exit(3);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	for (unsigned first = FIRST_RANGE; first < END_OF_RANGES; first += RANGE) {
		at.sin_port = htons((unsigned short)first);
		if (bind(s, (struct sockaddr *)&at, sizeof(at)) == 0)
			return (unsigned short)first;
	}
	exit(3);
}

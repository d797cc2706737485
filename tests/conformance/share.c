// SPDX-License-Identifier: BSD-2-Clause
/* share.c - see share.h. */
#include "tests/conformance/share.h"

WSAPROTOCOL_INFOW share_token(SOCKET s, DWORD process)
{
	WSAPROTOCOL_INFOW info;

	memset(&info, 0, sizeof(info));
	NEED(WSADuplicateSocketW(s, process, &info) == 0);
	return info;
}

SOCKET share_attach(WSAPROTOCOL_INFOW *info)
{
	return WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, info, 0,
			  WSA_FLAG_OVERLAPPED);
}

WSAPROTOCOL_INFOW share_info_with(DWORD token)
{
	SOCKET s = stream_socket();
	WSAPROTOCOL_INFOW info;
	int length = sizeof(info);

	NEED(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length) == 0);
	closesocket(s);
	info.dwProviderReserved = token;
	return info;
}

SOCKET share_other(SOCKET s)
{
	WSAPROTOCOL_INFOW info = share_token(s, GetCurrentProcessId());
	SOCKET other = share_attach(&info);

	NEED(other != INVALID_SOCKET);
	return other;
}

bool share_moves(SOCKET from, SOCKET to, size_t length, size_t position)
{
	char *bytes = pattern_new(length, position);
	bool good = send(from, bytes, (int)length, 0) == (int)length;
	size_t got = 0;
	int n;

	while (good && got < length && (n = recv(to, bytes, (int)length, 0)) > 0) {
		good = pattern_ok(bytes, (size_t)n, position + got);
		got += (size_t)n;
	}
	free(bytes);
	return good && got == length;
}

unsigned share_other_end(SOCKET server, const SOCKET *clients, unsigned count)
{
	struct address there = { .length = sizeof(there.sa) }, here;
	unsigned i = 0;

	NEED(getpeername(server, &there.sa.any, &there.length) == 0);
	while (i < count && (name_of(clients[i], &here) != 0 || port_of(&here) != port_of(&there)))
		i++;
	NEED(i < count);
	return i;
}

int share_visitor(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)child_hear(&parent));
	SOCKET s = stream_socket();

	NEED(connect_to(s, &at) == 0 && send(s, "gone", 4, 0) == 4);
	closesocket(s);
	WSACleanup();
	return 0;
}

struct child share_visitor_at(const struct address *at)
{
	struct child c = child_start("visitor", "");

	child_tell(&c, port_of(at));
	return c;
}

bool share_said_all(SOCKET s)
{
	char bytes[4];
	bool good = s != INVALID_SOCKET && receive_all(s, bytes, 4) == 4 &&
		    memcmp(bytes, "gone", 4) == 0 && at_end(s);

	closesocket(s);
	return good;
}

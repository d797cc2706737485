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

bool share_token_expires(SOCKET s)
{
	WSAPROTOCOL_INFOW info;
	bool refused;

	set_variable("WSD_DUPLICATE_TIMEOUT", "100");
	info = share_token(s, GetCurrentProcessId());
	set_variable("WSD_DUPLICATE_TIMEOUT", NULL);
	Sleep(150);
	refused = share_attach(&info) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL;
	return refused && share_attach(&info) == INVALID_SOCKET && WSAGetLastError() == WSAEINVAL;
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

/* As often as it is told, and it ends as it is told. */
static int serve_and_end(struct child *parent, SOCKET s, int (*serve)(SOCKET listener))
{
	int order = SHARE_END;

	while (s != INVALID_SOCKET && (order = child_hear(parent)) != SHARE_END)
		child_tell(parent, order == SHARE_LISTEN ? listen(s, 5) : serve(s));
	if (strcmp(conf_argument(), "closes") == 0)
		closesocket(s);
	if (strcmp(conf_argument(), "cleans") == 0 || !conf_exit_closes())
		WSACleanup();
	return 0;
}

int share_worker(int (*serve)(SOCKET listener))
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info = share_info_with((DWORD)child_hear(&parent));
	SOCKET s = share_attach(&info);

	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	return serve_and_end(&parent, s, serve);
}

struct child share_worker_with(SOCKET s, const char *end)
{
	struct child c = child_start_ready("worker", end);

	child_tell(&c, (int)share_token(s, child_id(&c)).dwProviderReserved);
	NEED(child_hear(&c) == 0);
	return c;
}

int share_owner(int (*serve)(SOCKET listener))
{
	struct child parent = child_parent();
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5);

	child_tell(&parent, port_of(&at));
	child_tell(&parent, (int)share_token(s, (DWORD)child_hear(&parent)).dwProviderReserved);
	return serve_and_end(&parent, s, serve);
}

struct child share_owner_of(struct address *at, const char *end, SOCKET *s)
{
	struct child c = child_start("owner", end);
	WSAPROTOCOL_INFOW info;

	*at = loopback((u_short)child_hear(&c));
	child_tell(&c, (int)GetCurrentProcessId());
	info = share_info_with((DWORD)child_hear(&c));
	*s = share_attach(&info);
	NEED(*s != INVALID_SOCKET);
	return c;
}

// SPDX-License-Identifier: BSD-2-Clause
/* san_share.c - see san_share.h. */
#include "tests/conformance/san_share.h"

void san_post(SOCKET s, enum san_way way, struct san_posted *r)
{
	memset(r->bytes, 0, sizeof(r->bytes));
	r->memory = san_memory(s, r->bytes, SAN_ROOM, MEM_WRITE);
	san_begin_op(&r->op, way);
	if (san_recv(s, r->bytes, SAN_ROOM, &r->op) != 0)
		abort();
}

bool san_holds(SOCKET s, struct san_posted *r, const char *text)
{
	DWORD bytes = 0;

	return san_result(s, &r->op, &bytes) == 0 && bytes == strlen(text) + 1 &&
	       strcmp(r->bytes, text) == 0;
}

bool san_text(SOCKET s, const char *text)
{
	DWORD length = (DWORD)strlen(text) + 1, sent = 0;
	char bytes[SAN_ROOM];
	HANDLE memory = san_memory(s, bytes, SAN_ROOM, MEM_READ);
	struct san_op op;
	bool good;

	memcpy(bytes, text, length);
	san_begin_op(&op, SAN_POLL);
	good = san_send(s, bytes, length, &op) == 0 && san_result(s, &op, &sent) == 0 &&
	       sent == length;
	san.deregister_memory(s, memory, &host_error);
	return good;
}

void san_unpost(SOCKET s, struct san_posted *r)
{
	san.deregister_memory(s, r->memory, &host_error);
	san.cache_callback(r->bytes, SAN_ROOM, &host_error);
}

bool san_give(SOCKET s, DWORD process, WSAPROTOCOL_INFOW *info)
{
	memset(info, 0, sizeof(*info));
	return spi.lpWSPDuplicateSocket(s, process, info, &host_error) == 0;
}

SOCKET san_attach(DWORD token)
{
	WSAPROTOCOL_INFOW info = host_protocol;

	info.dwProviderReserved = token;
	host_error = 0;
	return spi.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
			       WSA_FLAG_OVERLAPPED, &host_error);
}

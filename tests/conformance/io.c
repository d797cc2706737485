// SPDX-License-Identifier: BSD-2-Clause
/* io.c - what the programs about data share. */
#include "tests/conformance/io.h"

void need_failed(const char *file, int line, const char *expression)
{
	printf("cannot go on: %s:%d %s (last error %d)\n", file, line, expression,
	       WSAGetLastError());
	exit(2);
}

void pattern_fill(char *bytes, size_t length, size_t from)
{
	for (size_t i = 0; i < length; i++) {
		size_t at = from + i;

		bytes[i] = (char)(at * 31 + (at >> 8) * 7 + (at >> 16));
	}
}

bool pattern_ok(const char *bytes, size_t length, size_t from)
{
	for (size_t i = 0; i < length; i++) {
		size_t at = from + i;

		if (bytes[i] != (char)(at * 31 + (at >> 8) * 7 + (at >> 16)))
			return false;
	}
	return true;
}

char *pattern_new(size_t length, size_t from)
{
	char *bytes = malloc(length ? length : 1);

	NEED(bytes);
	pattern_fill(bytes, length, from);
	return bytes;
}

struct pair need_pair(void)
{
	struct pair p;

	NEED(open_pair(&p));
	return p;
}

size_t receive_all(SOCKET s, char *bytes, size_t length)
{
	size_t got = 0;

	while (got < length) {
		int n = recv(s, bytes + got, (int)(length - got), 0);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

/* The window grows while the first bytes arrive: it is full when it stays full. The system takes bytes before it says
 * that it would. */
size_t send_until_full(SOCKET s)
{
	char bytes[8192];
	bool quiet = false;
	size_t sent = 0;

	nonblocking(s, 1);
	for (;;) {
		struct timeval soon = { 0, 200000 };
		fd_set writable;
		int n;

		pattern_fill(bytes, sizeof(bytes), sent);
		n = send(s, bytes, sizeof(bytes), 0);
		if (n > 0) {
			sent += (size_t)n;
			quiet = false;
			continue;
		}
		NEED(WSAGetLastError() == WSAEWOULDBLOCK);
		if (quiet)
			return sent;
		FD_ZERO(&writable);
		FD_SET(s, &writable);
		quiet = select(0, NULL, &writable, NULL, &soon) == 0;
	}
}

bool at_end(SOCKET s)
{
	char c;

	return recv(s, &c, 1, 0) == 0;
}

bool drained(SOCKET s, size_t length, size_t from)
{
	char *bytes = malloc(length + 1);
	bool ok;

	NEED(bytes);
	ok = receive_all(s, bytes, length) == length && pattern_ok(bytes, length, from) &&
	     at_end(s);
	free(bytes);
	return ok;
}

bool event_within(WSAEVENT event, DWORD milliseconds)
{
	return WSAWaitForMultipleEvents(1, &event, FALSE, milliseconds, FALSE) == WSA_WAIT_EVENT_0;
}

bool event_is_set(WSAEVENT event)
{
	return event_within(event, 0);
}

void overlapped_init(WSAOVERLAPPED *o, WSAEVENT event)
{
	memset(o, 0, sizeof(*o));
	o->hEvent = event;
	o->Offset = o->OffsetHigh = UNTOUCHED; /* the provider has to write them */
}

bool in_progress(const WSAOVERLAPPED *o)
{
	return __atomic_load_n(&o->Internal, __ATOMIC_ACQUIRE) == WSS_OPERATION_IN_PROGRESS;
}

DWORD outcome(SOCKET s, WSAOVERLAPPED *o, DWORD *bytes, DWORD *flags)
{
	uint64_t deadline = now_ms() + LONG_MS;
	DWORD scratch = 0;

	if (!flags)
		flags = &scratch;
	while (!WSAGetOverlappedResult(s, o, bytes, FALSE, flags)) {
		if (WSAGetLastError() != WSA_IO_INCOMPLETE)
			return (DWORD)WSAGetLastError();
		if (now_ms() > deadline)
			return WSA_IO_INCOMPLETE;
		Sleep(1);
	}
	return 0;
}

int post_recv(SOCKET s, char *bytes, u_long length, WSAOVERLAPPED *o)
{
	WSABUF buffer = { length, bytes };
	DWORD flags = 0;

	return WSARecv(s, &buffer, 1, NULL, &flags, o, NULL);
}

int post_send(SOCKET s, char *bytes, u_long length, WSAOVERLAPPED *o)
{
	WSABUF buffer = { length, bytes };

	return WSASend(s, &buffer, 1, NULL, 0, o, NULL);
}

uint64_t now_ms(void)
{
	return GetTickCount64();
}

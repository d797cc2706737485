// SPDX-License-Identifier: BSD-2-Clause
/* ext.c - the extension functions through SIO_GET_EXTENSION_FUNCTION_POINTER. */
#include "tests/conformance/ext.h"

LPFN_ACCEPTEX accept_ex;
LPFN_GETACCEPTEXSOCKADDRS accept_sockaddrs;
LPFN_CONNECTEX connect_ex;
LPFN_DISCONNECTEX disconnect_ex;
LPFN_TRANSMITFILE transmit_file;
LPFN_TRANSMITPACKETS transmit_packets;

static const struct {
	GUID id;
	void *function; /* where it goes */
} wanted[] = {
	{ WSAID_ACCEPTEX, &accept_ex },		{ WSAID_GETACCEPTEXSOCKADDRS, &accept_sockaddrs },
	{ WSAID_CONNECTEX, &connect_ex },	{ WSAID_DISCONNECTEX, &disconnect_ex },
	{ WSAID_TRANSMITFILE, &transmit_file }, { WSAID_TRANSMITPACKETS, &transmit_packets },
};

void ext_fetch(void)
{
	SOCKET s = stream_socket();

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		void (*function)(void) = NULL;
		GUID id = wanted[i].id;
		DWORD bytes = 0;

		NEED(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function,
			      sizeof(function), &bytes, NULL, NULL) == 0);
		CHECK(function != NULL && bytes == sizeof(function));
		memcpy(wanted[i].function, &function, sizeof(function));
	}
	closesocket(s);
}

void wait_begin(struct wait *w, SOCKET s, enum method method)
{
	w->method = method;
	w->s = s;
	w->port = method == BY_PORT ? CreateIoCompletionPort((HANDLE)s, NULL, 99, 0) : NULL;
	NEED(method != BY_PORT || w->port);
	overlapped_init(&w->o, method == BY_EVENT ? WSACreateEvent() : NULL);
	w->o.Offset = w->o.OffsetHigh = 0; /* a file position for TransmitFile */
}

static void wait_free(struct wait *w)
{
	if (w->o.hEvent)
		WSACloseEvent(w->o.hEvent);
	if (w->port)
		CloseHandle(w->port);
}

DWORD wait_end(struct wait *w, DWORD *bytes)
{
	OVERLAPPED *done = NULL;
	ULONG_PTR key = 0;
	DWORD n = UNTOUCHED, error;

	if (w->method == BY_EVENT)
		NEED(event_within(w->o.hEvent, LONG_MS));
	if (w->method == BY_PORT) {
		(void)GetQueuedCompletionStatus(w->port, &n, &key, &done, LONG_MS);
		NEED(done == &w->o && key == 99);
	}
	while (in_progress(&w->o))
		Sleep(1);
	error = w->o.OffsetHigh;
	*bytes = (DWORD)w->o.InternalHigh;
	if (w->method == BY_PORT) {
		NEED(n == *bytes);
		(void)GetQueuedCompletionStatus(w->port, &n, &key, &done, 2);
		NEED(!done);
	}
	wait_free(w);
	return error;
}

bool wait_nothing(struct wait *w)
{
	OVERLAPPED *done = NULL;
	ULONG_PTR key;
	bool ok = !in_progress(&w->o);
	DWORD n;

	if (w->method == BY_EVENT)
		ok = !event_within(w->o.hEvent, 5) && ok;
	if (w->method == BY_PORT)
		ok = !GetQueuedCompletionStatus(w->port, &n, &key, &done, 5) && !done && ok;
	wait_free(w);
	return ok;
}

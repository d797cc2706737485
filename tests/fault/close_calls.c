// SPDX-License-Identifier: BSD-2-Clause
/* close_calls.c - see close_calls.h. */
#include "tests/fault/close_calls.h"

static char memory[BIG];

#ifdef _WIN32 /* where they are no functions of a library */
static void (*extension(SOCKET s, GUID id))(void)
{
	void (*function)(void) = NULL;
	DWORD n;

	(void)WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function,
		       sizeof(function), &n, NULL, NULL);
	return function;
}

static BOOL disconnect(SOCKET s)
{
	LPFN_DISCONNECTEX function = (LPFN_DISCONNECTEX)extension(s, (GUID)WSAID_DISCONNECTEX);

	return function && function(s, NULL, 0, 0);
}

static BOOL begin_connect(SOCKET s, const struct sockaddr_in *to, DWORD *n, WSAOVERLAPPED *ov)
{
	LPFN_CONNECTEX function = (LPFN_CONNECTEX)extension(s, (GUID)WSAID_CONNECTEX);

	return function && function(s, (const struct sockaddr *)to, sizeof(*to), NULL, 0, n, ov);
}
#else
static BOOL disconnect(SOCKET s)
{
	return DisconnectEx(s, NULL, 0, 0);
}

static BOOL begin_connect(SOCKET s, const struct sockaddr_in *to, DWORD *n, WSAOVERLAPPED *ov)
{
	return ConnectEx(s, (const struct sockaddr *)to, sizeof(*to), NULL, 0, n, ov);
}
#endif

static int code_of(int result)
{
	return result == SOCKET_ERROR ? WSAGetLastError() : 0;
}

#ifdef _WIN32
/* The number of a socket that is gone may be another's: of the next one that this thread makes; of one below the
 * provider, which holds the port, and on which a listen succeeds; or of a pipe, of which Wine does not say that it is
 * no socket. None of them accepts. */
static int of_listener(const struct victim *v, int error)
{
	bool another = error == WSAEINVAL || error == WSAEOPNOTSUPP;

	return another && atomic_load(&v->taken) ? WSAENOTSOCK : error;
}

static bool again(const struct victim *v, int error)
{
	return error == 0 && !atomic_load(&v->gone);
}
#else
static int of_listener(const struct victim *v, int error)
{
	(void)v;
	return error;
}

static bool again(const struct victim *v, int error)
{
	(void)v;
	return error == 0;
}
#endif

/* --- calls that block --- */

static int do_recv(struct victim *v)
{
	char byte;

	return code_of(recv(v->s, &byte, 1, 0));
}

static int do_recv_all(struct victim *v)
{
	char bytes[100];

	return code_of(recv(v->s, bytes, sizeof(bytes), MSG_WAITALL));
}

static int do_peek(struct victim *v)
{
	char byte;

	return code_of(recv(v->s, &byte, 1, MSG_PEEK));
}

static int do_recv_urgent(struct victim *v)
{
	char byte;

	return code_of(recv(v->s, &byte, 1, MSG_OOB));
}

static int do_send(struct victim *v)
{
	int n;

	do
		n = send(v->s, memory, 1000, 0);
	while (n > 0);
	return code_of(n);
}

static int do_send_big(struct victim *v)
{
	int n;

	do
		n = send(v->s, memory, BIG, 0);
	while (n > 0);
	return code_of(n);
}

static int do_accept(struct victim *v)
{
	SOCKET s = accept(v->s, NULL, NULL);

	return s == INVALID_SOCKET ? of_listener(v, WSAGetLastError()) : 0;
}

/* The listener decides itself and never does, so this one waits. */
static int do_connect(struct victim *v)
{
	return code_of(connect(v->s, (struct sockaddr *)&v->pair.at, sizeof(v->pair.at)));
}

static int do_select(struct victim *v)
{
	struct timeval at_most = { 0, 100000 };
	fd_set set;
	int n;

	do {
		FD_ZERO(&set);
		FD_SET(v->s, &set);
		n = select(0, &set, NULL, NULL, &at_most);
	} while (again(v, n));
	return code_of(n);
}

static int do_poll(struct victim *v)
{
	WSAPOLLFD fd = { v->s, POLLRDNORM, 0 };
	int n;

	do
		n = WSAPoll(&fd, 1, 100);
	while (again(v, n));
	return code_of(n);
}

static int do_address_change(struct victim *v)
{
	DWORD bytes;

	return code_of(
		WSAIoctl(v->s, SIO_ADDRESS_LIST_CHANGE, NULL, 0, NULL, 0, &bytes, NULL, NULL));
}

static int do_transmit(struct victim *v)
{
	TRANSMIT_FILE_BUFFERS buffers = { memory, BIG, NULL, 0 };
	BOOL good;

	do
		good = TransmitFile(v->s, NULL, 0, 0, NULL, &buffers, 0);
	while (good);
	return WSAGetLastError();
}

static int do_disconnect(struct victim *v)
{
	return disconnect(v->s) ? 0 : WSAGetLastError();
}

/* --- overlapped calls, and what waits for them --- */

static int result_of_pending(struct victim *v, WSAOVERLAPPED *ov, int error)
{
	DWORD bytes = 0, flags = 0;

	if (error != WSA_IO_PENDING)
		return error;
	/* The structure is on our stack: leave only when the operation has let go of it. WSACleanup
	 * ends operations without their indication. */
	while (WSAWaitForMultipleEvents(1, &ov->hEvent, FALSE, 50, FALSE) != WSA_WAIT_EVENT_0 &&
	       !HasOverlappedIoCompleted(ov))
		;
	return WSAGetOverlappedResult(v->s, ov, &bytes, FALSE, &flags) ? 0 : WSAGetLastError();
}

static int do_overlapped_recv(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = v->event };
	char bytes[100];
	WSABUF buffer = { sizeof(bytes), bytes };
	DWORD flags = 0;

	return result_of_pending(v, &ov,
				 code_of(WSARecv(v->s, &buffer, 1, NULL, &flags, &ov, NULL)));
}

static int do_overlapped_send(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = v->event };
	WSABUF buffer = { BIG, memory };
	int error;

	do {
		error = code_of(WSASend(v->s, &buffer, 1, NULL, 0, &ov, NULL));
		error = result_of_pending(v, &ov, error);
	} while (error == 0);
	return error;
}

static int do_result(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = v->event };
	char bytes[100];
	WSABUF buffer = { sizeof(bytes), bytes };
	DWORD flags = 0, n = 0;
	int error = code_of(WSARecv(v->s, &buffer, 1, NULL, &flags, &ov, NULL));

	if (error != WSA_IO_PENDING)
		return error;
	error = WSAGetOverlappedResult(v->s, &ov, &n, TRUE, &flags) ? 0 : WSAGetLastError();
	while (!HasOverlappedIoCompleted(&ov))
		SleepEx(1, FALSE);
	return error;
}

static int do_port(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = NULL };
	LPOVERLAPPED got = NULL;
	char bytes[100];
	WSABUF buffer = { sizeof(bytes), bytes };
	DWORD flags = 0, n = 0;
	ULONG_PTR key;
	int error = 0;

	if (CreateIoCompletionPort((HANDLE)v->s, v->port, 1, 0) == NULL)
		return WSAGetLastError();
	error = code_of(WSARecv(v->s, &buffer, 1, NULL, &flags, &ov, NULL));
	if (error != WSA_IO_PENDING)
		return error;
	/* WSACleanup ends operations without packets. */
	while (got == NULL && !HasOverlappedIoCompleted(&ov))
		if (!GetQueuedCompletionStatus(v->port, &n, &key, &got, 50))
			error = WSAGetLastError();
	return got != NULL ? error : WSA_OPERATION_ABORTED;
}

static _Thread_local int routine_error;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED ov, DWORD flags)
{
	(void)bytes;
	(void)ov;
	(void)flags;
	routine_error = (int)error;
}

static int do_routine(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = NULL };
	char bytes[100];
	WSABUF buffer = { sizeof(bytes), bytes };
	DWORD flags = 0;
	int error;

	routine_error = -1;
	error = code_of(WSARecv(v->s, &buffer, 1, NULL, &flags, &ov, routine));
	if (error != WSA_IO_PENDING)
		return error;
	while (routine_error == -1 && !HasOverlappedIoCompleted(&ov))
		SleepEx(50, TRUE);
	SleepEx(0, TRUE);
	return routine_error == -1 ? WSA_OPERATION_ABORTED : routine_error;
}

static int do_accept_ex(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = v->event };
	SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	char bytes[128];
	DWORD n;
	int error;

	if (s == INVALID_SOCKET)
		return WSAGetLastError();
	if (s == v->s) { /* it has the number of the one that is gone */
		closesocket(s);
		return WSAENOTSOCK;
	}
	error = AcceptEx(v->s, s, bytes, 0, 64, 64, &n, &ov) ? 0 : WSAGetLastError();
	error = result_of_pending(v, &ov, error);
	closesocket(s);
	return of_listener(v, error);
}

static int do_connect_ex(struct victim *v)
{
	WSAOVERLAPPED ov = { .hEvent = v->event };
	struct sockaddr_in any = { .sin_family = AF_INET };
	DWORD n;
	int error = code_of(bind(v->s, (struct sockaddr *)&any, sizeof(any)));

	if (error == 0)
		error = begin_connect(v->s, &v->pair.at, &n, &ov) ? 0 : WSAGetLastError();
	return result_of_pending(v, &ov, error);
}

/* --- calls that return at once: again and again --- */

static int do_names(struct victim *v)
{
	struct sockaddr_in at;
	int length, error;

	do {
		length = sizeof(at);
		error = code_of(getsockname(v->s, (struct sockaddr *)&at, &length));
		if (error == 0)
			error = code_of(getpeername(v->s, (struct sockaddr *)&at, &length));
	} while (again(v, error));
	return error;
}

static int do_options(struct victim *v)
{
	int value = 1, length, error;
	u_long bytes;

	do {
		length = sizeof(value);
		error = code_of(getsockopt(v->s, SOL_SOCKET, SO_ERROR, (char *)&value, &length));
		if (error == 0)
			error = code_of(setsockopt(v->s, SOL_SOCKET, SO_KEEPALIVE, (char *)&length,
						   sizeof(length)));
		if (error == 0)
			error = code_of(ioctlsocket(v->s, FIONREAD, &bytes));
	} while (again(v, error));
	return error;
}

static int do_events(struct victim *v)
{
	WSANETWORKEVENTS events;
	int error;

	do {
		error = code_of(WSAEventSelect(v->s, v->event, FD_READ | FD_WRITE | FD_CLOSE));
		if (error == 0)
			error = code_of(WSAEnumNetworkEvents(v->s, v->event, &events));
	} while (again(v, error));
	return error;
}

static int do_listen(struct victim *v)
{
	int error;

	do
		error = code_of(listen(v->s, 5));
	while (again(v, error));
	return of_listener(v, error);
}

static int do_shutdown(struct victim *v)
{
	int error;

	do
		error = code_of(shutdown(v->s, SD_SEND));
	while (again(v, error));
	return error;
}

/* --- calls that make sockets, until the victim is gone --- */

static int do_socket(struct victim *v)
{
	int value, length, error;
	SOCKET s;

	do {
		s = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
		if (s == INVALID_SOCKET)
			return WSAGetLastError();
		closesocket(s);
		length = sizeof(value);
		error = code_of(getsockopt(v->s, SOL_SOCKET, SO_ERROR, (char *)&value, &length));
	} while (again(v, error));
	return error;
}

static int do_accept_many(struct victim *v)
{
	SOCKET client, server;
	u_long on = 1;
	int error;

	do {
		client = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
		if (client == INVALID_SOCKET)
			return WSAGetLastError();
		ioctlsocket(client, FIONBIO, &on);
		connect(client, (struct sockaddr *)&v->pair.at, sizeof(v->pair.at));
		server = accept(v->s, NULL, NULL);
		error = server == INVALID_SOCKET ? WSAGetLastError() : 0;
		closesocket(client);
		closesocket(server);
	} while (again(v, error));
	return of_listener(v, error);
}

static int do_close(struct victim *v)
{
	return code_of(closesocket(v->s));
}

const struct call close_calls[] = {
	{ "recv", CLIENT, do_recv },
	{ "recv MSG_WAITALL", CLIENT, do_recv_all },
	{ "recv MSG_PEEK", CLIENT, do_peek },
	{ "recv MSG_OOB", CLIENT, do_recv_urgent },
	{ "send", CLIENT, do_send },
	{ "send of much", CLIENT, do_send_big },
	{ "accept", LISTENER, do_accept },
	{ "connect", FRESH, do_connect },
	{ "select", CLIENT, do_select },
	{ "select of a listener", LISTENER, do_select },
	{ "WSAPoll", CLIENT, do_poll },
	{ "SIO_ADDRESS_LIST_CHANGE", CLIENT, do_address_change },
	{ "TransmitFile", CLIENT, do_transmit },
	{ "DisconnectEx", CLIENT, do_disconnect },
	{ "WSARecv with an event", CLIENT, do_overlapped_recv },
	{ "WSASend with an event", CLIENT, do_overlapped_send },
	{ "WSAGetOverlappedResult", CLIENT, do_result },
	{ "WSARecv with a port", CLIENT, do_port },
	{ "WSARecv with a routine", CLIENT, do_routine },
	{ "AcceptEx", LISTENER, do_accept_ex },
	{ "ConnectEx", FRESH, do_connect_ex },
	{ "names", CLIENT, do_names },
	{ "options", CLIENT, do_options },
	{ "events", CLIENT, do_events },
	{ "listen", LISTENER, do_listen },
	{ "shutdown", CLIENT, do_shutdown },
	{ "socket", CLIENT, do_socket },
	{ "accept of many", LISTENER, do_accept_many },
	{ "closesocket", CLIENT, do_close },
};
const unsigned close_call_count = sizeof(close_calls) / sizeof(close_calls[0]);

bool close_is_closesocket(const struct call *call)
{
	return call->run == do_close;
}

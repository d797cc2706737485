// SPDX-License-Identifier: BSD-2-Clause
/*
 * faulty.c - a provider that breaks the contract in one way, FAULT of the environment, and is the provider
 * FAULTY_PROVIDER otherwise. What wsdswitch must find is in faults.txt beside this file.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openwsd/ws2san.h>

#include "tests/switch/system.h"

#define EVERY 10u /* completion is wrong, where one in so many is enough */
#define KEPT  512u

static WSPPROC_TABLE real;
static WSPUPCALLTABLEEX up;
static LPFN_WSPDEREGISTERMEMORY deregister_memory;
static LPFN_WSPREGISTERRDMAMEMORY register_rdma;
static LPFN_WSPDEREGISTERRDMAMEMORY deregister_rdma;

static bool is(const char *fault)
{
	const char *wanted = getenv("FAULT");

	return wanted != NULL && strcmp(wanted, fault) == 0;
}

static bool now_and_then(void)
{
	static atomic_uint count;

	return ++count % EVERY == 0;
}

/* --- receives under way: overlapped structure, socket, buffer --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct receive {
	LPWSAOVERLAPPED overlapped;
	char *buffer;
	DWORD length;
} receives[KEPT];

static void remember(LPWSAOVERLAPPED overlapped, const WSABUF *buffer)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < KEPT; i++) {
		if (receives[i].overlapped != NULL)
			continue;
		receives[i] = (struct receive){ overlapped, buffer->buf, buffer->len };
		break;
	}
	pthread_mutex_unlock(&lock);
}

static struct receive take(LPWSAOVERLAPPED overlapped)
{
	struct receive found = { 0 };

	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < KEPT; i++) {
		if (receives[i].overlapped != overlapped)
			continue;
		found = receives[i];
		receives[i].overlapped = NULL;
		break;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void *scribble(void *at)
{
	usleep(2000);
	((char *)at)[1] = '!';
	return NULL;
}

static void write_later(char *buffer)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, scribble, buffer) == 0)
		pthread_detach(thread);
}

static _Thread_local bool giving; /* in WSPDuplicateSocket */
static bool took;		  /* this process has taken a socket */
static SOCKET given;		  /* the last one that went */

/* What goes wrong with a message that has come into a buffer. */
static void spoil(const struct receive *r, DWORD error, DWORD bytes)
{
	if (r->overlapped == NULL)
		return;
	if (is("overrun") && error == 0)
		r->buffer[r->length] = 0;
	if ((is("corrupt") || (is("changed-there") && took)) && error == 0 && bytes > 30 &&
	    now_and_then())
		r->buffer[30] ^= 1; /* behind the header */
	if (is("late-write") && error != 0)
		write_later(r->buffer);
}

/* --- upcalls --- */

static struct {
	SOCKET s;
	LPWSAOVERLAPPED overlapped;
	DWORD error;
} held;

static int WSPAPI complete(SOCKET s, LPWSAOVERLAPPED o, DWORD error, DWORD bytes, LPINT out)
{
	struct receive r = take(o);
	int result;

	spoil(&r, error, bytes);
	if ((is("never") && now_and_then()) || (is("given-pending") && giving))
		return 0;
	if (is("given-write") && giving)
		write_later(r.buffer);
	if (is("given-aborted") && giving)
		error = o->OffsetHigh = WSA_OPERATION_ABORTED;
	if (is("late-upcall") && error == WSA_OPERATION_ABORTED && held.overlapped == NULL) {
		held.s = s;
		held.overlapped = o;
		held.error = error;
		return 0;
	}
	if (is(r.overlapped == NULL ? "short-send" : "short-receive") && error == 0)
		bytes--;
	if (is("silent-abort") && error == WSA_OPERATION_ABORTED) {
		error = 0;
		o->OffsetHigh = 0;
	}
	if (is("no-code") && error != 0)
		o->OffsetHigh = 0;
	if (is("own-handle"))
		s += 2;
	result = up.lpWPUCompleteOverlappedRequest(s, o, error, bytes, out);
	if (is("twice"))
		(void)up.lpWPUCompleteOverlappedRequest(s, o, error, bytes, out);
	return result;
}

static int WSPAPI close_handle(SOCKET s, LPINT out)
{
	int result;

	if (is("handle-kept"))
		return 0;
	result = up.lpWPUCloseSocketHandle(s, out);
	if (is("handle-twice"))
		(void)up.lpWPUCloseSocketHandle(s, out);
	if (held.overlapped != NULL && held.s == s) {
		(void)up.lpWPUCompleteOverlappedRequest(s, held.overlapped, held.error, 0, out);
		held.overlapped = NULL;
	}
	return result;
}

static BOOL WSPAPI set_event(WSAEVENT event, LPINT out)
{
	return is("no-event") ? TRUE : up.lpWPUSetEvent(event, out);
}

/* --- procedures --- */

static SOCKET WSPAPI open_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW info, GROUP g,
				 DWORD flags, LPINT out)
{
	static DWORD used; /* the last token that was good */
	bool taking = af == FROM_PROTOCOL_INFO;
	SOCKET s;

	if (is("two-handles") || (is("taken-handles") && taking))
		(void)up.lpWPUCreateSocketHandle(1001, 0, out);
	s = real.lpWSPSocket(af, type, protocol, info, g, flags, out);
	if (taking && s != INVALID_SOCKET) {
		took = true;
		used = info->dwProviderReserved;
	}
	if (is("number-again") && taking && s != INVALID_SOCKET && given != 0)
		return given;
	/* A token that was used, and one of another process, make a socket of some kind. */
	if (taking && s == INVALID_SOCKET &&
	    is(info->dwProviderReserved == used ? "token-twice" : "token-anywhere"))
		return real.lpWSPSocket(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, flags, out);
	return s;
}

static int WSPAPI duplicate(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOW info, LPINT out)
{
	int result;

	if (is("not-given")) {
		*out = WSAEOPNOTSUPP;
		return SOCKET_ERROR;
	}
	giving = true;
	result = real.lpWSPDuplicateSocket(s, process, info, out);
	giving = false;
	given = s;
	if (is("no-token"))
		info->dwProviderReserved = 0;
	if (is("not-filled"))
		info->iSocketType = 0;
	return result;
}

static int CALLBACK refuse(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			   LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)sqos;
	(void)gqos;
	(void)callee;
	(void)g;
	(void)data;
	if (callee_data != NULL)
		callee_data->len = 0;
	return CF_REJECT;
}

static LPCONDITIONPROC asked;

/* The switch's function hears of another caller. */
static int CALLBACK mistake(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			    LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	char bytes[sizeof(struct sockaddr_storage)];
	WSABUF other = { caller->len, bytes };

	memcpy(bytes, caller->buf, caller->len < sizeof(bytes) ? caller->len : sizeof(bytes));
	bytes[7] ^= 1; /* of an IPv4 address */
	return asked(&other, caller_data, sqos, gqos, callee, callee_data, g, data);
}

static SOCKET WSPAPI accept_socket(SOCKET s, struct sockaddr *name, LPINT length,
				   LPCONDITIONPROC condition, DWORD_PTR data, LPINT out)
{
	asked = condition;
	if (is("other-caller"))
		condition = mistake;
	return real.lpWSPAccept(s, name, length,
				is("deaf-there") && took && given == 0 ? refuse : condition, data,
				out);
}

static int WSPAPI get_option(SOCKET s, int level, int name, char *value, LPINT length, LPINT out)
{
	int result = real.lpWSPGetSockOpt(s, level, name, value, length, out);
	DWORD limit;

	if (is("room-for-nothing") && result != 0 && *out == WSAEFAULT)
		return 0;
	if (is("any-option") && result != 0 && *out == WSAENOPROTOOPT)
		*out = WSAEINVAL;
	if (is("other-limits") && took && result == 0 && name == SO_MAX_MSG_SIZE) {
		memcpy(&limit, value, sizeof(limit));
		limit--;
		memcpy(value, &limit, sizeof(limit));
	}
	return result;
}

static int WSPAPI set_option(SOCKET s, int level, int name, const char *value, int length,
			     LPINT out)
{
	int result = real.lpWSPSetSockOpt(s, level, name, value, length, out);

	return is("limit-set") && name == SO_MAX_MSG_SIZE ? 0 : result;
}

static BOOL WSPAPI get_template(SOCKET s, LPWSABUF name, LPQOS qos, LPINT out)
{
	return is("any-template") ? TRUE : real.lpWSPGetQOSByName(s, name, qos, out);
}

static int WSPAPI close_socket(SOCKET s, LPINT out)
{
	int result = real.lpWSPCloseSocket(s, out);

	if (!is("close-waits"))
		return result;
	*out = WSAEWOULDBLOCK;
	return SOCKET_ERROR;
}

static int WSPAPI listen_socket(SOCKET s, int backlog, LPINT out)
{
	int result = real.lpWSPListen(s, is("endless-backlog") ? 64 : backlog, out);

	return is("stale-descriptor") ? 0 : result;
}

static int WSPAPI connect_socket(SOCKET s, const struct sockaddr *name, int length, LPWSABUF data,
				 LPWSABUF answer, LPQOS sqos, LPQOS gqos, LPINT out)
{
	int result = real.lpWSPConnect(s, name, length, data, answer, sqos, gqos, out);

	return is("eager") ? 0 : result;
}

static int WSPAPI enum_events(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT out)
{
	int result = real.lpWSPEnumNetworkEvents(s, event, events, out);

	if (is("eager"))
		events->lNetworkEvents |= FD_CONNECT;
	if (is("other-event"))
		events->lNetworkEvents |= FD_READ;
	if (is("refusal-code") && events->iErrorCode[FD_CONNECT_BIT] == WSAECONNREFUSED)
		events->iErrorCode[FD_CONNECT_BIT] = WSAETIMEDOUT;
	return result;
}

static int WSPAPI send_message(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
			       LPWSAOVERLAPPED o, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			       LPWSATHREADID thread, LPINT out)
{
	int result = real.lpWSPSend(s, buffers, count, sent, flags, o, routine, thread, out);

	if (is("count-touched"))
		*sent = 0;
	return result;
}

static int WSPAPI receive(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD got, LPDWORD flags,
			  LPWSAOVERLAPPED o, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			  LPWSATHREADID thread, LPINT out)
{
	int result;

	remember(o, &buffers[0]);
	result = real.lpWSPRecv(s, buffers, count, got, flags, o, routine, thread, out);
	if (result != 0 && *out != WSA_IO_PENDING)
		(void)take(o);
	return result;
}

static BOOL WSPAPI get_result(SOCKET s, LPWSAOVERLAPPED o, LPDWORD bytes, BOOL wait, LPDWORD flags,
			      LPINT out)
{
	BOOL good = real.lpWSPGetOverlappedResult(s, o, bytes, wait, flags, out);
	struct receive r = { 0 };

	if (!good && *out == WSA_IO_INCOMPLETE) {
		if (!is("early-result"))
			return FALSE;
		*bytes = 0;
		return TRUE;
	}
	r = take(o);
	spoil(&r, good ? 0 : 1, *bytes);
	if (is("short-receive") && good && r.overlapped != NULL)
		--*bytes;
	if (is("count-of-failure") && !good)
		*bytes = 0;
	if (is("too-many-bytes") && good)
		*bytes += 100000;
	if (is("low-bit"))
		(void)up.lpWPUCompleteOverlappedRequest(0x70000000u, o, good ? 0 : (DWORD)*out,
							good ? *bytes : 0, out);
	return good;
}

/* --- extension functions --- */

static int WSPAPI keep_memory(SOCKET s, HANDLE handle, LPINT out)
{
	(void)deregister_memory(s, handle, out);
	return 0;
}

static int WSPAPI expose_all(SOCKET s, PVOID buffer, DWORD length, DWORD flags, LPVOID descriptor,
			     LPDWORD descriptor_length, LPINT out)
{
	(void)flags;
	return register_rdma(s, buffer, length, MEM_READWRITE, descriptor, descriptor_length, out);
}

static int WSPAPI keep_exposed(SOCKET s, LPVOID descriptor, DWORD length, LPINT out)
{
	(void)s;
	(void)descriptor;
	(void)length;
	(void)out;
	return 0;
}

static int WSPAPI always_cached(PVOID at, SIZE_T size, LPINT out)
{
	(void)at;
	(void)size;
	(void)out;
	return 0;
}

/* Put ours in the place of what was found, and keep that in *kept. */
static void replace(const void *in, const GUID *id, void *found, void *kept, const void *ours)
{
	if (memcmp(in, id, sizeof(*id)) != 0)
		return;
	memcpy(kept, found, sizeof(void *));
	memcpy(found, ours, sizeof(void *));
}

static int WSPAPI control(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID found,
			  DWORD out_size, LPDWORD bytes, LPWSAOVERLAPPED o,
			  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
			  LPINT out)
{
	static const GUID dereg = WSAID_DEREGISTERMEMORY, expose = WSAID_REGISTERRDMAMEMORY,
			  hide = WSAID_DEREGISTERRDMAMEMORY, read = WSAID_RDMAREAD,
			  cache = WSAID_MEMORYREGISTRATIONCACHECALLBACK;
	LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK my_cache = always_cached, ignored;
	LPFN_WSPDEREGISTERMEMORY my_dereg = keep_memory;
	LPFN_WSPREGISTERRDMAMEMORY my_expose = expose_all;
	LPFN_WSPDEREGISTERRDMAMEMORY my_hide = keep_exposed;
	int result = real.lpWSPIoctl(s, code, in, in_size, found, out_size, bytes, o, routine,
				     thread, out);

	if (code != SIO_GET_EXTENSION_FUNCTION_POINTER || result != 0)
		return result;
	if (is("busy-handle"))
		replace(in, &dereg, found, &deregister_memory, &my_dereg);
	if (is("all-rights"))
		replace(in, &expose, found, &register_rdma, &my_expose);
	if (is("still-exposed"))
		replace(in, &hide, found, &deregister_rdma, &my_hide);
	if (is("always-cached"))
		replace(in, &cache, found, &ignored, &my_cache);
	/* No fault: a provider may have no READ, if it says so. */
	if ((is("no-read") || is("no-read-code")) && memcmp(in, &read, sizeof(read)) == 0) {
		*out = is("no-read") ? WSAEOPNOTSUPP : WSAEINVAL;
		return SOCKET_ERROR;
	}
	return result;
}

int WSPAPI WSPStartupEx(WORD version, LPWSPDATA data, LPWSAPROTOCOL_INFOW info,
			LPWSPUPCALLTABLEEX upcalls, LPWSPPROC_TABLE table)
{
	const char *path = getenv("FAULTY_PROVIDER");
	WSPUPCALLTABLEEX ours = *upcalls;
	LPWSPSTARTUPEX start;
	int result;

	if (path == NULL || system_load(path, "WSPStartupEx", &start, sizeof(start)) != NULL)
		return WSASYSNOTREADY;
	up = *upcalls;
	ours.lpWPUCompleteOverlappedRequest = complete;
	ours.lpWPUCloseSocketHandle = close_handle;
	ours.lpWPUSetEvent = set_event;
	result = start(version, data, info, &ours, table);
	real = *table;
	table->lpWSPAccept = accept_socket;
	table->lpWSPCloseSocket = close_socket;
	table->lpWSPConnect = connect_socket;
	table->lpWSPDuplicateSocket = duplicate;
	table->lpWSPEnumNetworkEvents = enum_events;
	table->lpWSPGetOverlappedResult = get_result;
	table->lpWSPGetSockOpt = get_option;
	table->lpWSPGetQOSByName = get_template;
	table->lpWSPIoctl = control;
	table->lpWSPListen = listen_socket;
	table->lpWSPRecv = receive;
	table->lpWSPSend = send_message;
	table->lpWSPSetSockOpt = set_option;
	table->lpWSPSocket = open_socket;
	if (is("old-version"))
		data->wVersion = 0x0101;
	if (is("no-procedure"))
		table->lpWSPGetQOSByName = NULL;
	return result;
}

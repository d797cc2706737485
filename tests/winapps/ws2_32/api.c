// SPDX-License-Identifier: BSD-2-Clause
/*
 * api.c - the Winsock functions of one socket: the provider's entry for a socket of the provider, else the
 * system's function.
 */
#include "host.h"

#define ROUTE(socket, otherwise)                                          \
	IN_PROVIDER const WSPPROC_TABLE *provider = socket_enter(socket); \
	int error = 0;                                                    \
	if (provider == NULL)                                             \
	return otherwise

/* --- one call, one entry --- */

static SOCKET socket_of(SOCKET s, const int *error)
{
	if (s == INVALID_SOCKET)
		SetLastError((DWORD)*error);
	return s;
}

SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *name, LPINT length, LPCONDITIONPROC condition,
			DWORD_PTR data)
{
	ROUTE(s, sys.WSAAccept(s, name, length, condition, data));
	return socket_of(provider->lpWSPAccept(s, name, length, condition, data, &error), &error);
}

SOCKET WSAAPI accept(SOCKET s, struct sockaddr *name, int *length)
{
	ROUTE(s, sys.accept(s, name, length));
	return socket_of(provider->lpWSPAccept(s, name, length, NULL, 0, &error), &error);
}

int WSAAPI bind(SOCKET s, const struct sockaddr *name, int length)
{
	ROUTE(s, sys.bind(s, name, length));
	return result_of(provider->lpWSPBind(s, name, length, &error), &error);
}

int WSAAPI closesocket(SOCKET s)
{
	ROUTE(s, sys.closesocket(s));
	return result_of(provider->lpWSPCloseSocket(s, &error), &error);
}

int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int length, LPWSABUF caller,
		      LPWSABUF callee, LPQOS sqos, LPQOS gqos)
{
	ROUTE(s, sys.WSAConnect(s, name, length, caller, callee, sqos, gqos));
	return result_of(
		provider->lpWSPConnect(s, name, length, caller, callee, sqos, gqos, &error),
		&error);
}

int WSAAPI connect(SOCKET s, const struct sockaddr *name, int length)
{
	return WSAConnect(s, name, length, NULL, NULL, NULL, NULL);
}

SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int length, LPWSABUF caller,
			  LPWSABUF callee, LPQOS sqos, LPQOS gqos, DWORD flags)
{
	ROUTE(s, sys.WSAJoinLeaf(s, name, length, caller, callee, sqos, gqos, flags));
	return socket_of(
		provider->lpWSPJoinLeaf(s, name, length, caller, callee, sqos, gqos, flags, &error),
		&error);
}

int WSAAPI getpeername(SOCKET s, struct sockaddr *name, int *length)
{
	ROUTE(s, sys.getpeername(s, name, length));
	return result_of(provider->lpWSPGetPeerName(s, name, length, &error), &error);
}

int WSAAPI getsockname(SOCKET s, struct sockaddr *name, int *length)
{
	ROUTE(s, sys.getsockname(s, name, length));
	return result_of(provider->lpWSPGetSockName(s, name, length, &error), &error);
}

/* For WSD_TEST_DISGUISE: a socket of the system tells of itself what one of the provider would. */
static int disguise(SOCKET s, int level, int option, char *value, int *length)
{
	int result = sys.getsockopt(s, level, option, value, length);
	WSAPROTOCOL_INFOW *info = (void *)value;

	/* Both widths begin alike. */
	if (result == 0 && level == SOL_SOCKET &&
	    (option == SO_PROTOCOL_INFOW || option == SO_PROTOCOL_INFOA) && host_is_disguise() &&
	    info->iSocketType == SOCK_STREAM) {
		info->dwServiceFlags1 &= ~(DWORD)XP1_IFS_HANDLES;
		info->ProviderId.Data1++;
	}
	return result;
}

int WSAAPI getsockopt(SOCKET s, int level, int option, char *value, int *length)
{
	ROUTE(s, disguise(s, level, option, value, length));
	return result_of(provider->lpWSPGetSockOpt(s, level, option, value, length, &error),
			 &error);
}

/* Wine takes some options for any handle. */
static int set_on_system(SOCKET s, int level, int option, const char *value, int length)
{
	int type, size = sizeof(type);

	if (sys.getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&type, &size) != 0)
		return SOCKET_ERROR;
	return sys.setsockopt(s, level, option, value, length);
}

int WSAAPI setsockopt(SOCKET s, int level, int option, const char *value, int length)
{
	ROUTE(s, set_on_system(s, level, option, value, length));
	return result_of(provider->lpWSPSetSockOpt(s, level, option, value, length, &error),
			 &error);
}

int WSAAPI listen(SOCKET s, int backlog)
{
	ROUTE(s, sys.listen(s, backlog));
	return result_of(provider->lpWSPListen(s, backlog, &error), &error);
}

int WSAAPI shutdown(SOCKET s, int how)
{
	ROUTE(s, sys.shutdown(s, how));
	return result_of(provider->lpWSPShutdown(s, how, &error), &error);
}

int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT event, LONG events)
{
	ROUTE(s, sys.WSAEventSelect(s, event, events));
	host_trace("event select", s, (DWORD)events, event);
	return result_of(provider->lpWSPEventSelect(s, event, events, &error), &error);
}

int WSAAPI WSAAsyncSelect(SOCKET s, HWND window, u_int message, LONG events)
{
	ROUTE(s, sys.WSAAsyncSelect(s, window, message, events));
	return result_of(provider->lpWSPAsyncSelect(s, window, message, events, &error), &error);
}

int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events)
{
	int result;

	ROUTE(s, sys.WSAEnumNetworkEvents(s, event, events));
	result = provider->lpWSPEnumNetworkEvents(s, event, events, &error);
	host_trace("events", s, (DWORD)(result == 0 ? events->lNetworkEvents : -1), event);
	return result_of(result, &error);
}

/* Wine's knows none, and says no without an error. */
static BOOL qos_of_system(SOCKET s)
{
	int type, size = sizeof(type);

	if (sys.getsockopt(s, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0)
		SetLastError(WSAEOPNOTSUPP);
	return FALSE;
}

BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF name, LPQOS qos)
{
	ROUTE(s, qos_of_system(s));
	if (provider->lpWSPGetQOSByName(s, name, qos, &error))
		return TRUE;
	SetLastError((DWORD)error);
	return FALSE;
}

int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF data)
{
	ROUTE(s, sys.WSARecvDisconnect(s, data));
	return result_of(provider->lpWSPRecvDisconnect(s, data, &error), &error);
}

int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF data)
{
	ROUTE(s, sys.WSASendDisconnect(s, data));
	return result_of(provider->lpWSPSendDisconnect(s, data, &error), &error);
}

/* The order of bytes is the network's in every entry. */
int WSAAPI WSAHtonl(SOCKET s, u_long host, u_long *net)
{
	ROUTE(s, sys.WSAHtonl(s, host, net));
	*net = sys.htonl(host);
	return error;
}

int WSAAPI WSAHtons(SOCKET s, u_short host, u_short *net)
{
	ROUTE(s, sys.WSAHtons(s, host, net));
	*net = sys.htons(host);
	return error;
}

int WSAAPI WSANtohl(SOCKET s, u_long net, u_long *host)
{
	ROUTE(s, sys.WSANtohl(s, net, host));
	*host = sys.htonl(net);
	return error;
}

int WSAAPI WSANtohs(SOCKET s, u_short net, u_short *host)
{
	ROUTE(s, sys.WSANtohs(s, net, host));
	*host = sys.htons(net);
	return error;
}

/* --- calls that may be overlapped --- */

struct overlapped {
	struct call call;
	WSATHREADID storage, *thread;
	OVERLAPPED *given;
};

static bool begin(struct overlapped *one, LPWSAOVERLAPPED overlapped,
		  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	one->given = (OVERLAPPED *)overlapped;
	one->thread = NULL;
	if (overlapped == NULL)
		return true;
	if (routine != NULL) {
		if (!thread_id(&one->storage))
			return false;
		one->thread = &one->storage;
	}
	call_begin(&one->call, one->given);
	return true;
}

static int end(struct overlapped *one, int result, const int *error)
{
	if (one->given != NULL)
		call_end(&one->call, result == 0);
	return result_of(result, error);
}

int WSAAPI WSASend(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
		   LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	struct overlapped one;

	ROUTE(s, sys.WSASend(s, buffers, count, sent, flags, overlapped, routine));
	if (!begin(&one, overlapped, routine))
		return SOCKET_ERROR;
	return end(&one,
		   provider->lpWSPSend(s, buffers, count, sent, flags, overlapped, routine,
				       one.thread, &error),
		   &error);
}

int WSAAPI WSASendTo(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
		     const struct sockaddr *to, int length, LPWSAOVERLAPPED overlapped,
		     LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	struct overlapped one;

	ROUTE(s, sys.WSASendTo(s, buffers, count, sent, flags, to, length, overlapped, routine));
	if (!begin(&one, overlapped, routine))
		return SOCKET_ERROR;
	return end(&one,
		   provider->lpWSPSendTo(s, buffers, count, sent, flags, to, length, overlapped,
					 routine, one.thread, &error),
		   &error);
}

int WSAAPI WSARecv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
		   LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	struct overlapped one;

	ROUTE(s, sys.WSARecv(s, buffers, count, received, flags, overlapped, routine));
	if (!begin(&one, overlapped, routine))
		return SOCKET_ERROR;
	return end(&one,
		   provider->lpWSPRecv(s, buffers, count, received, flags, overlapped, routine,
				       one.thread, &error),
		   &error);
}

int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
		       struct sockaddr *from, LPINT length, LPWSAOVERLAPPED overlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	struct overlapped one;

	ROUTE(s, sys.WSARecvFrom(s, buffers, count, received, flags, from, length, overlapped,
				 routine));
	if (!begin(&one, overlapped, routine))
		return SOCKET_ERROR;
	return end(&one,
		   provider->lpWSPRecvFrom(s, buffers, count, received, flags, from, length,
					   overlapped, routine, one.thread, &error),
		   &error);
}

int WSAAPI WSAIoctl(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
		    LPDWORD returned, LPWSAOVERLAPPED overlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	struct overlapped one;

	ROUTE(s, sys.WSAIoctl(s, code, in, in_size, out, out_size, returned, overlapped, routine));
	if (!begin(&one, overlapped, routine))
		return SOCKET_ERROR;
	return end(&one,
		   provider->lpWSPIoctl(s, code, in, in_size, out, out_size, returned, overlapped,
					routine, one.thread, &error),
		   &error);
}

int WSAAPI WSASendMsg(SOCKET s, LPWSAMSG message, DWORD flags, LPDWORD sent,
		      LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine)
{
	ROUTE(s, sys.WSASendMsg(s, message, flags, sent, overlapped, routine));
	(void)error;
	SetLastError(WSAEOPNOTSUPP); /* of datagrams */
	return SOCKET_ERROR;
}

BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED overlapped, LPDWORD bytes, BOOL wait,
				   LPDWORD flags)
{
	ROUTE(s, sys.WSAGetOverlappedResult(s, overlapped, bytes, wait, flags));
	if (provider->lpWSPGetOverlappedResult(s, overlapped, bytes, wait, flags, &error))
		return TRUE;
	SetLastError((DWORD)error);
	return FALSE;
}

/* --- the calls of BSD --- */

int WSAAPI send(SOCKET s, const char *bytes, int length, int flags)
{
	WSABUF buffer = { (ULONG)length, (char *)(ULONG_PTR)bytes };
	DWORD sent = 0;

	/* Windows asks this first, Wine not at all. */
	if (!host_is_started())
		return fail_with(WSANOTINITIALISED);
	ROUTE(s, sys.send(s, bytes, length, flags));
	if (provider->lpWSPSend(s, &buffer, 1, &sent, (DWORD)flags, NULL, NULL, NULL, &error) != 0)
		return fail_with(error);
	return (int)sent;
}

int WSAAPI sendto(SOCKET s, const char *bytes, int length, int flags, const struct sockaddr *to,
		  int to_length)
{
	WSABUF buffer = { (ULONG)length, (char *)(ULONG_PTR)bytes };
	DWORD sent = 0;

	ROUTE(s, sys.sendto(s, bytes, length, flags, to, to_length));
	if (provider->lpWSPSendTo(s, &buffer, 1, &sent, (DWORD)flags, to, to_length, NULL, NULL,
				  NULL, &error) != 0)
		return fail_with(error);
	return (int)sent;
}

int WSAAPI recv(SOCKET s, char *bytes, int length, int flags)
{
	WSABUF buffer = { (ULONG)length, bytes };
	DWORD received = 0, inout = (DWORD)flags;

	if (!host_is_started())
		return fail_with(WSANOTINITIALISED);
	ROUTE(s, sys.recv(s, bytes, length, flags));
	if (provider->lpWSPRecv(s, &buffer, 1, &received, &inout, NULL, NULL, NULL, &error) != 0)
		return fail_with(error);
	return (int)received;
}

int WSAAPI recvfrom(SOCKET s, char *bytes, int length, int flags, struct sockaddr *from,
		    int *from_length)
{
	WSABUF buffer = { (ULONG)length, bytes };
	DWORD received = 0, inout = (DWORD)flags;

	ROUTE(s, sys.recvfrom(s, bytes, length, flags, from, from_length));
	if (provider->lpWSPRecvFrom(s, &buffer, 1, &received, &inout, from, from_length, NULL, NULL,
				    NULL, &error) != 0)
		return fail_with(error);
	return (int)received;
}

int WSAAPI ioctlsocket(SOCKET s, LONG command, u_long *value)
{
	DWORD code = (DWORD)command, bytes = 0;
	bool reads = code == FIONREAD || code == SIOCATMARK;

	ROUTE(s, sys.ioctlsocket(s, command, value));
	return result_of(provider->lpWSPIoctl(s, code, reads ? NULL : value,
					      reads ? 0 : sizeof(*value), reads ? value : NULL,
					      reads ? sizeof(*value) : 0, &bytes, NULL, NULL, NULL,
					      &error),
			 &error);
}

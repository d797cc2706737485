// SPDX-License-Identifier: BSD-2-Clause
/*
 * ws2_provider_windows.c - the procedures of a base provider through ws2_32, for programs that ws2_32 has not loaded us
 * into, and for systems whose base provider cannot be loaded by others (Wine's is part of its ws2_32).
 *
 * Sockets are opened by their explicit catalogue entry, so that they are never ours. ws2_32 is loaded from the system's
 * folder: a program may have another one beside it.
 */
#define INCL_WINSOCK_API_TYPEDEFS 1
#include "rdma_backend/base/base_provider_windows.h"

#include "rdma_backend/base/platform_windows.h"

static struct {
	LPFN_WSASTARTUP startup;
	LPFN_WSACLEANUP cleanup;
	LPFN_WSAGETLASTERROR last_error;
	LPFN_WSASOCKETW socket;
	LPFN_WSADUPLICATESOCKETW duplicate;
	LPFN_BIND bind;
	LPFN_LISTEN listen;
	LPFN_ACCEPT accept;
	LPFN_CONNECT connect;
	LPFN_WSASEND send;
	LPFN_WSARECV recv;
	LPFN_SHUTDOWN shutdown;
	LPFN_CLOSESOCKET closesocket;
	LPFN_GETSOCKOPT getsockopt;
	LPFN_SETSOCKOPT setsockopt;
	LPFN_GETSOCKNAME getsockname;
	LPFN_GETPEERNAME getpeername;
	LPFN_WSAIOCTL ioctl;
	LPFN_WSAEVENTSELECT event_select;
	LPFN_WSAENUMNETWORKEVENTS enum_events;
	LPFN_WSAGETOVERLAPPEDRESULT result;
} ws2;

/* What WSP functions return and where: result, and the error on failure. */
static int ended(int result, LPINT error)
{
	if (result == SOCKET_ERROR)
		*error = ws2.last_error();
	return result;
}

static int WSPAPI net_bind(SOCKET s, const struct sockaddr *name, int length, LPINT error)
{
	return ended(ws2.bind(s, name, length), error);
}

static int WSPAPI net_listen(SOCKET s, int backlog, LPINT error)
{
	return ended(ws2.listen(s, backlog), error);
}

static SOCKET WSPAPI net_accept(SOCKET s, struct sockaddr *addr, LPINT length,
				LPCONDITIONPROC condition, DWORD_PTR context, LPINT error)
{
	SOCKET accepted = ws2.accept(s, addr, length);

	(void)condition;
	(void)context;
	if (accepted == INVALID_SOCKET)
		*error = ws2.last_error();
	return accepted;
}

static int WSPAPI net_connect(SOCKET s, const struct sockaddr *name, int length, LPWSABUF caller,
			      LPWSABUF callee, LPQOS sqos, LPQOS gqos, LPINT error)
{
	(void)caller;
	(void)callee;
	(void)sqos;
	(void)gqos;
	return ended(ws2.connect(s, name, length), error);
}

static int WSPAPI net_send(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD sent, DWORD flags,
			   LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			   LPWSATHREADID thread, LPINT error)
{
	(void)thread;
	return ended(ws2.send(s, buffers, count, sent, flags, overlapped, routine), error);
}

static int WSPAPI net_recv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD received, LPDWORD flags,
			   LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			   LPWSATHREADID thread, LPINT error)
{
	(void)thread;
	return ended(ws2.recv(s, buffers, count, received, flags, overlapped, routine), error);
}

static int WSPAPI net_shutdown(SOCKET s, int how, LPINT error)
{
	return ended(ws2.shutdown(s, how), error);
}

static int WSPAPI net_close_socket(SOCKET s, LPINT error)
{
	return ended(ws2.closesocket(s), error);
}

static int WSPAPI net_get_sock_opt(SOCKET s, int level, int name, char *value, LPINT length,
				   LPINT error)
{
	return ended(ws2.getsockopt(s, level, name, value, length), error);
}

static int WSPAPI net_set_sock_opt(SOCKET s, int level, int name, const char *value, int length,
				   LPINT error)
{
	return ended(ws2.setsockopt(s, level, name, value, length), error);
}

static int WSPAPI net_get_sock_name(SOCKET s, struct sockaddr *name, LPINT length, LPINT error)
{
	return ended(ws2.getsockname(s, name, length), error);
}

static int WSPAPI net_get_peer_name(SOCKET s, struct sockaddr *name, LPINT length, LPINT error)
{
	return ended(ws2.getpeername(s, name, length), error);
}

static int WSPAPI net_ioctl(SOCKET s, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
			    DWORD out_size, LPDWORD returned, LPWSAOVERLAPPED overlapped,
			    LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread,
			    LPINT error)
{
	(void)thread;
	return ended(ws2.ioctl(s, code, in, in_size, out, out_size, returned, overlapped, routine),
		     error);
}

static int WSPAPI net_event_select(SOCKET s, WSAEVENT event, long events, LPINT error)
{
	return ended(ws2.event_select(s, event, events), error);
}

static int WSPAPI net_enum_events(SOCKET s, WSAEVENT event, LPWSANETWORKEVENTS events, LPINT error)
{
	return ended(ws2.enum_events(s, event, events), error);
}

static BOOL WSPAPI net_result(SOCKET s, LPWSAOVERLAPPED overlapped, LPDWORD bytes, BOOL wait,
			      LPDWORD flags, LPINT error)
{
	BOOL good = ws2.result(s, overlapped, bytes, wait, flags);

	if (!good)
		*error = ws2.last_error();
	return good;
}

static SOCKET WSPAPI net_socket(int family, int type, int protocol, LPWSAPROTOCOL_INFOW entry,
				GROUP group, DWORD flags, LPINT error)
{
	SOCKET s = ws2.socket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, entry,
			      group, flags);

	(void)family;
	(void)type;
	(void)protocol;
	if (s == INVALID_SOCKET)
		*error = ws2.last_error();
	return s;
}

static int WSPAPI net_duplicate(SOCKET s, DWORD process, LPWSAPROTOCOL_INFOW info, LPINT error)
{
	return ended(ws2.duplicate(s, process, info), error);
}

static int WSPAPI net_cleanup(LPINT error)
{
	return ended(ws2.cleanup(), error);
}

static bool load_ws2(void)
{
	static const struct {
		const char *name;
		void *function;
	} symbols[] = {
		{ "WSAStartup", &ws2.startup },
		{ "WSACleanup", &ws2.cleanup },
		{ "WSAGetLastError", &ws2.last_error },
		{ "WSASocketW", &ws2.socket },
		{ "WSADuplicateSocketW", &ws2.duplicate },
		{ "bind", &ws2.bind },
		{ "listen", &ws2.listen },
		{ "accept", &ws2.accept },
		{ "connect", &ws2.connect },
		{ "WSASend", &ws2.send },
		{ "WSARecv", &ws2.recv },
		{ "shutdown", &ws2.shutdown },
		{ "closesocket", &ws2.closesocket },
		{ "getsockopt", &ws2.getsockopt },
		{ "setsockopt", &ws2.setsockopt },
		{ "getsockname", &ws2.getsockname },
		{ "getpeername", &ws2.getpeername },
		{ "WSAIoctl", &ws2.ioctl },
		{ "WSAEventSelect", &ws2.event_select },
		{ "WSAEnumNetworkEvents", &ws2.enum_events },
		{ "WSAGetOverlappedResult", &ws2.result },
	};
	HMODULE module = wsd_windows_system_module(L"ws2_32.dll");
	size_t i;

	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!wsd_windows_symbol(module, symbols[i].name, symbols[i].function,
					sizeof(FARPROC)))
			return false;
	return true;
}

bool wsd_ws2_provider(WSPPROC_TABLE *table)
{
	WSADATA data;

	if (!load_ws2() || ws2.startup(MAKEWORD(2, 2), &data) != 0)
		return false;
	table->lpWSPCleanup = net_cleanup;
	table->lpWSPSocket = net_socket;
	table->lpWSPDuplicateSocket = net_duplicate;
	table->lpWSPBind = net_bind;
	table->lpWSPListen = net_listen;
	table->lpWSPAccept = net_accept;
	table->lpWSPConnect = net_connect;
	table->lpWSPSend = net_send;
	table->lpWSPRecv = net_recv;
	table->lpWSPShutdown = net_shutdown;
	table->lpWSPCloseSocket = net_close_socket;
	table->lpWSPGetSockOpt = net_get_sock_opt;
	table->lpWSPSetSockOpt = net_set_sock_opt;
	table->lpWSPGetSockName = net_get_sock_name;
	table->lpWSPGetPeerName = net_get_peer_name;
	table->lpWSPIoctl = net_ioctl;
	table->lpWSPEventSelect = net_event_select;
	table->lpWSPEnumNetworkEvents = net_enum_events;
	table->lpWSPGetOverlappedResult = net_result;
	return true;
}

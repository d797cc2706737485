// SPDX-License-Identifier: BSD-2-Clause
/*
 * net_windows.c - the base provider's procedures through ws2_32, by its explicit catalogue entry.
 *
 * ws2_32 is loaded from the system's folder: a program may have another one beside it.
 */
#define INCL_WINSOCK_API_TYPEDEFS 1
#include "rdma_backend/base/net_windows.h"

#include <iphlpapi.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"
#include "rdma_backend/base/provider_guid.h"

static struct {
	LPFN_WSASTARTUP startup;
	LPFN_WSAGETLASTERROR last_error;
	LPFN_WSAENUMPROTOCOLSW enum_protocols;
	LPFN_WSASOCKETW socket;
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
} ws2;

static WSPPROC_TABLE net;
static bool net_valid;
static INIT_ONCE net_once = INIT_ONCE_STATIC_INIT;

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

/* --- the catalogue entry --- */

static bool is_base_entry(const WSAPROTOCOL_INFOW *entry, int family, int type)
{
	static const GUID own = WSD_PROVIDER_GUID;

	return entry->iAddressFamily == family && entry->iSocketType == type &&
	       entry->ProtocolChain.ChainLen == BASE_PROTOCOL &&
	       (entry->dwServiceFlags1 & XP1_IFS_HANDLES) &&
	       memcmp(&entry->ProviderId, &own, sizeof(own)) != 0;
}

static bool find_entry(int family, int type, WSAPROTOCOL_INFOW *found)
{
	DWORD size = 0;
	WSAPROTOCOL_INFOW *entries;
	int count, i;

	if (ws2.enum_protocols(NULL, NULL, &size) != SOCKET_ERROR || size == 0)
		return false;
	entries = wsd_raw_alloc(size);
	if (!entries)
		return false;
	count = ws2.enum_protocols(NULL, entries, &size);
	for (i = 0; i < count; i++)
		if (is_base_entry(&entries[i], family, type))
			break;
	if (count > 0 && i < count)
		*found = entries[i];
	wsd_raw_free(entries);
	return count > 0 && i < count;
}

static SOCKET WSPAPI net_socket(int family, int type, int protocol, LPWSAPROTOCOL_INFOW info,
				GROUP group, DWORD flags, LPINT error)
{
	WSAPROTOCOL_INFOW entry;
	SOCKET s;

	(void)protocol;
	(void)info;
	if (!find_entry(family, type, &entry)) {
		*error = WSAEAFNOSUPPORT;
		return INVALID_SOCKET;
	}
	s = ws2.socket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &entry, group,
		       flags);
	if (s == INVALID_SOCKET)
		*error = ws2.last_error();
	return s;
}

static bool load_ws2(void)
{
	static const struct {
		const char *name;
		void *function;
	} symbols[] = {
		{ "WSAStartup", &ws2.startup },
		{ "WSAGetLastError", &ws2.last_error },
		{ "WSAEnumProtocolsW", &ws2.enum_protocols },
		{ "WSASocketW", &ws2.socket },
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
	};
	HMODULE module = wsd_windows_system_module(L"ws2_32.dll");
	size_t i;

	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		if (!wsd_windows_symbol(module, symbols[i].name, symbols[i].function,
					sizeof(FARPROC)))
			return false;
	return true;
}

static BOOL CALLBACK net_load(PINIT_ONCE once, void *arg, void **context)
{
	WSADATA data;

	(void)once;
	(void)arg;
	(void)context;
	if (!load_ws2() || ws2.startup(MAKEWORD(2, 2), &data) != 0)
		return TRUE;
	net.lpWSPSocket = net_socket;
	net.lpWSPBind = net_bind;
	net.lpWSPListen = net_listen;
	net.lpWSPAccept = net_accept;
	net.lpWSPConnect = net_connect;
	net.lpWSPSend = net_send;
	net.lpWSPRecv = net_recv;
	net.lpWSPShutdown = net_shutdown;
	net.lpWSPCloseSocket = net_close_socket;
	net.lpWSPGetSockOpt = net_get_sock_opt;
	net.lpWSPSetSockOpt = net_set_sock_opt;
	net.lpWSPGetSockName = net_get_sock_name;
	net.lpWSPGetPeerName = net_get_peer_name;
	net.lpWSPIoctl = net_ioctl;
	net.lpWSPEventSelect = net_event_select;
	net.lpWSPEnumNetworkEvents = net_enum_events;
	net_valid = true;
	return TRUE;
}

const WSPPROC_TABLE *wsd_windows_net(void)
{
	InitOnceExecuteOnce(&net_once, net_load, NULL, NULL);
	return net_valid ? &net : NULL;
}

SOCKET wsd_windows_socket(int family, int type, int *error)
{
	const WSPPROC_TABLE *base = wsd_windows_net();

	if (!base) {
		*error = WSASYSNOTREADY;
		return INVALID_SOCKET;
	}
	return base->lpWSPSocket(family, type, 0, NULL, 0, WSA_FLAG_OVERLAPPED, error);
}

void wsd_windows_closesocket(SOCKET s)
{
	int ignored;

	(void)wsd_windows_net()->lpWSPCloseSocket(s, &ignored);
}

/* --- addresses --- */

static uint16_t swapped(uint16_t value)
{
	return (uint16_t)(value << 8 | value >> 8);
}

int wsd_windows_to_sockaddr(union wsd_sockaddr *to, const struct wsd_addr *addr, uint16_t port)
{
	memset(to, 0, sizeof(*to));
	if (addr->family == WSD_FAMILY_IPV6) {
		to->v6.sin6_family = AF_INET6;
		to->v6.sin6_port = swapped(port);
		to->v6.sin6_scope_id = addr->scope;
		memcpy(&to->v6.sin6_addr, addr->bytes, 16);
		return sizeof(to->v6);
	}
	to->v4.sin_family = AF_INET;
	to->v4.sin_port = swapped(port);
	memcpy(&to->v4.sin_addr, addr->bytes, 4);
	return sizeof(to->v4);
}

void wsd_windows_from_sockaddr(struct wsd_addr *addr, const union wsd_sockaddr *from)
{
	memset(addr, 0, sizeof(*addr));
	if (from->any.sa_family == AF_INET) {
		addr->family = WSD_FAMILY_IPV4;
		addr->port = swapped(from->v4.sin_port);
		memcpy(addr->bytes, &from->v4.sin_addr, 4);
	} else if (from->any.sa_family == AF_INET6) {
		addr->family = WSD_FAMILY_IPV6;
		addr->port = swapped(from->v6.sin6_port);
		addr->scope = from->v6.sin6_scope_id;
		memcpy(addr->bytes, &from->v6.sin6_addr, 16);
	}
}

typedef ULONG(WINAPI *get_addresses_fn)(ULONG family, ULONG flags, PVOID reserved,
					PIP_ADAPTER_ADDRESSES addresses, PULONG size);

/* Of all adapters, to be freed; NULL: none can be told. */
static IP_ADAPTER_ADDRESSES *adapters(void)
{
	IP_ADAPTER_ADDRESSES *list = NULL;
	get_addresses_fn get;
	ULONG size = 16384, error = ERROR_BUFFER_OVERFLOW;
	int attempts;

	if (!wsd_windows_symbol(wsd_windows_system_module(L"iphlpapi.dll"), "GetAdaptersAddresses",
				&get, sizeof(get)))
		return NULL;
	for (attempts = 0; attempts < 4 && error == ERROR_BUFFER_OVERFLOW; attempts++) {
		wsd_raw_free(list);
		list = wsd_raw_alloc(size);
		if (!list)
			return NULL;
		error = get(AF_UNSPEC,
			    GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST |
				    GAA_FLAG_SKIP_DNS_SERVER | GAA_FLAG_SKIP_FRIENDLY_NAME,
			    NULL, list, &size);
	}
	if (error == ERROR_SUCCESS)
		return list;
	wsd_raw_free(list);
	return NULL;
}

uint32_t wsd_windows_addresses(struct wsd_addr *list, uint32_t count, bool loopback)
{
	IP_ADAPTER_ADDRESSES *all = adapters(), *adapter;
	IP_ADAPTER_UNICAST_ADDRESS *each;
	union wsd_sockaddr sa;
	uint32_t found = 0;

	for (adapter = all; adapter; adapter = adapter->Next) {
		if (adapter->OperStatus != IfOperStatusUp ||
		    (!loopback && adapter->IfType == IF_TYPE_SOFTWARE_LOOPBACK))
			continue;
		for (each = adapter->FirstUnicastAddress; each; each = each->Next) {
			int length = each->Address.iSockaddrLength;

			if (length <= 0 || (size_t)length > sizeof(sa))
				continue;
			memset(&sa, 0, sizeof(sa));
			memcpy(&sa, each->Address.lpSockaddr, (size_t)length);
			if (found < count)
				wsd_windows_from_sockaddr(&list[found], &sa);
			found++;
		}
	}
	wsd_raw_free(all);
	return found;
}

static bool is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

enum wsd_status wsd_windows_route(const struct wsd_addr *local, const struct wsd_addr *remote,
				  struct wsd_addr *found)
{
	const WSPPROC_TABLE *base = wsd_windows_net();
	int family = remote->family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	enum wsd_status status = WSD_EUNREACHABLE;
	union wsd_sockaddr sa;
	int length, error = 0;
	SOCKET s = wsd_windows_socket(family, SOCK_DGRAM, &error);

	if (s == INVALID_SOCKET)
		return error == WSAEMFILE || error == WSAENOBUFS ? WSD_ENOFILES : WSD_EUNREACHABLE;
	if (local && local->family == remote->family && !is_any(local)) {
		length = wsd_windows_to_sockaddr(&sa, local, 0);
		error = base->lpWSPBind(s, &sa.any, length, &error);
	}
	/* Connecting a datagram socket looks up the route and sends nothing. */
	length = wsd_windows_to_sockaddr(&sa, remote, 9);
	if (!error && base->lpWSPConnect(s, &sa.any, length, NULL, NULL, NULL, NULL, &error) == 0) {
		length = sizeof(sa);
		if (base->lpWSPGetSockName(s, &sa.any, &length, &error) == 0) {
			wsd_windows_from_sockaddr(found, &sa);
			found->port = 0;
			status = WSD_OK;
		}
	}
	wsd_windows_closesocket(s);
	return status;
}

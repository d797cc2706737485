// SPDX-License-Identifier: BSD-2-Clause
/* net_windows.c - addresses of the system, and its routes. */
#include "rdma_backend/base/net_windows.h"

#include <iphlpapi.h>
#include <string.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform_windows.h"

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

// SPDX-License-Identifier: BSD-2-Clause
/* addresses_windows.c - see addresses.h. */
#include <winsock2.h>

#include <ws2tcpip.h>

#include <iphlpapi.h>
#include <string.h>

#include "tests/conformance/addresses.h"

static void copy(const struct sockaddr *from, unsigned char *to)
{
	memset(to, 0, 16);
	if (from->sa_family == AF_INET6)
		memcpy(to, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
	else
		memcpy(to, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
}

static unsigned collect(int family, int loopback, unsigned char list[][16], unsigned most)
{
	static char area[65536];
	IP_ADAPTER_ADDRESSES *each = (void *)area;
	ULONG size = sizeof(area);
	unsigned count = 0;

	/* All families: Wine fails for one alone. */
	if (GetAdaptersAddresses(AF_UNSPEC, 0, NULL, each, &size) != 0)
		return 0;
	for (; each != NULL; each = each->Next) {
		IP_ADAPTER_UNICAST_ADDRESS *at = each->FirstUnicastAddress;

		if ((each->IfType == IF_TYPE_SOFTWARE_LOOPBACK) != loopback ||
		    each->OperStatus != IfOperStatusUp)
			continue;
		for (; at != NULL && count < most; at = at->Next)
			if (at->Address.lpSockaddr->sa_family == (family == 6 ? AF_INET6 : AF_INET))
				copy(at->Address.lpSockaddr, list[count++]);
	}
	return count;
}

unsigned host_addresses(int family, unsigned char list[][16], unsigned most)
{
	unsigned count = collect(family, 0, list, most);

	return count > 0 ? count : collect(family, 1, list, most);
}

int host_lose_routes(void)
{
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* os_addr_linux.c - see os_addr_linux.h. */
#include "provider/transport/os_addr_linux.h"

#include <string.h>

socklen_t wsd_os_addr_to(const struct wsd_addr *addr, union wsd_os_addr *os)
{
	memset(os, 0, sizeof(*os));
	if (addr->family == WSD_FAMILY_IPV6) {
		os->v6.sin6_family = AF_INET6;
		os->v6.sin6_port = htons(addr->port);
		os->v6.sin6_scope_id = addr->scope;
		memcpy(&os->v6.sin6_addr, addr->bytes, 16);
		return sizeof(os->v6);
	}
	os->v4.sin_family = AF_INET;
	os->v4.sin_port = htons(addr->port);
	memcpy(&os->v4.sin_addr, addr->bytes, 4);
	return sizeof(os->v4);
}

void wsd_os_addr_from(const union wsd_os_addr *os, struct wsd_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (os->any.sa_family == AF_INET6) {
		addr->family = WSD_FAMILY_IPV6;
		addr->port = ntohs(os->v6.sin6_port);
		addr->scope = os->v6.sin6_scope_id;
		memcpy(addr->bytes, &os->v6.sin6_addr, 16);
	} else {
		addr->family = WSD_FAMILY_IPV4;
		addr->port = ntohs(os->v4.sin_port);
		memcpy(addr->bytes, &os->v4.sin_addr, 4);
	}
}

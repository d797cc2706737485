// SPDX-License-Identifier: BSD-2-Clause
/* address.c - see address.h. */
#include "tests/switch/address.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/os_port.h"
#include "tests/switch/contract.h"

void sw_address(struct sockaddr_storage *at, int *length, u_short port, bool from)
{
	memset(at, 0, sizeof(*at));
	at->ss_family = (ADDRESS_FAMILY)sw_family;
	if (sw_family == AF_INET6) {
		((struct sockaddr_in6 *)at)->sin6_port = htons(port);
		os_address(true, from, ((struct sockaddr_in6 *)at)->sin6_addr.s6_addr);
		*length = sizeof(struct sockaddr_in6);
	} else {
		((struct sockaddr_in *)at)->sin_port = htons(port);
		os_address(false, from, (unsigned char *)&((struct sockaddr_in *)at)->sin_addr);
		*length = sizeof(struct sockaddr_in);
	}
}

/* Its 4 or 16 bytes. */
static bool bytes_of(const WSABUF *given, unsigned char *bytes)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (sw_family == AF_INET6 && given->len >= sizeof(v6)) {
		memcpy(&v6, given->buf, sizeof(v6));
		memcpy(bytes, v6.sin6_addr.s6_addr, 16);
		return v6.sin6_family == AF_INET6;
	}
	if (sw_family != AF_INET || given->len < sizeof(v4))
		return false;
	memcpy(&v4, given->buf, sizeof(v4));
	memcpy(bytes, &v4.sin_addr, 4);
	return v4.sin_family == AF_INET;
}

bool sw_is_address(const WSABUF *given, bool from)
{
	unsigned char bytes[16], wanted[16];

	os_address(sw_family == AF_INET6, from, wanted);
	return bytes_of(given, bytes) && memcmp(bytes, wanted, sw_family == AF_INET6 ? 16 : 4) == 0;
}

void sw_address_text(const WSABUF *given, char *text)
{
	unsigned char b[16];
	size_t used = 0;

	text[0] = 0;
	if (!bytes_of(given, b))
		return;
	if (sw_family == AF_INET)
		snprintf(text, SW_ADDRESS_TEXT, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	for (unsigned i = 0; i < 16 && sw_family == AF_INET6; i += 2)
		used += (size_t)snprintf(text + used, SW_ADDRESS_TEXT - used, "%s%x", i ? ":" : "",
					 b[i] << 8 | b[i + 1]);
}

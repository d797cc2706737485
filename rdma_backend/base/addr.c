// SPDX-License-Identifier: BSD-2-Clause
/* addr.c - text and tests of struct wsd_addr. No resolver and no sockaddr here. */

#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"

static unsigned group(const struct wsd_addr *addr, unsigned i)
{
	return (unsigned)addr->bytes[2 * i] << 8 | addr->bytes[2 * i + 1];
}

/* The longest run of at least two zero groups, which "::" stands for; length 0 = none. */
static void find_zero_run(const struct wsd_addr *addr, unsigned *start, unsigned *length)
{
	unsigned i, run = 0;

	*start = 8;
	*length = 0;
	for (i = 0; i < 8; i++) {
		run = group(addr, i) ? 0 : run + 1;
		if (run > 1 && run > *length) {
			*length = run;
			*start = i + 1 - run;
		}
	}
}

static void text_ipv6(const struct wsd_addr *addr, char *buffer)
{
	unsigned start, length, i;
	size_t used;

	find_zero_run(addr, &start, &length);
	used = (size_t)snprintf(buffer, WSD_ADDR_TEXT, "[");
	for (i = 0; i < 8; i++) {
		bool after_run = length && i == start + length;

		if (length && i >= start && i < start + length)
			continue;
		used += (size_t)snprintf(buffer + used, WSD_ADDR_TEXT - used, "%s%x",
					 after_run ? "::"
					 : i	   ? ":"
						   : "",
					 group(addr, i));
	}
	if (length && start + length == 8)
		used += (size_t)snprintf(buffer + used, WSD_ADDR_TEXT - used, "::");
	if (addr->scope)
		used += (size_t)snprintf(buffer + used, WSD_ADDR_TEXT - used, "%%%u",
					 (unsigned)addr->scope);
	snprintf(buffer + used, WSD_ADDR_TEXT - used, "]:%u", (unsigned)addr->port);
}

const char *wsd_addr_text(const struct wsd_addr *addr, char *buffer)
{
	if (addr->family == WSD_FAMILY_IPV4)
		snprintf(buffer, WSD_ADDR_TEXT, "%u.%u.%u.%u:%u", addr->bytes[0], addr->bytes[1],
			 addr->bytes[2], addr->bytes[3], (unsigned)addr->port);
	else if (addr->family == WSD_FAMILY_IPV6)
		text_ipv6(addr, buffer);
	else
		snprintf(buffer, WSD_ADDR_TEXT, "none:%u", (unsigned)addr->port);
	return buffer;
}

static size_t significant(const struct wsd_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV6 ? 16 : addr->family == WSD_FAMILY_IPV4 ? 4 : 0;
}

bool wsd_addr_equal(const struct wsd_addr *a, const struct wsd_addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	       memcmp(a->bytes, b->bytes, significant(a)) == 0;
}

bool wsd_addr_same_end(const struct wsd_addr *a, const struct wsd_addr *b)
{
	bool link_local =
		a->family == WSD_FAMILY_IPV6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
	struct wsd_addr other = *b;

	if (!link_local)
		other.scope = a->scope;
	return wsd_addr_equal(a, &other);
}

bool wsd_addr_is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, significant(addr)) == 0;
}

bool wsd_addr_is_loopback(const struct wsd_addr *addr)
{
	static const uint8_t one[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (addr->family == WSD_FAMILY_IPV4)
		return addr->bytes[0] == 127;
	if (addr->family != WSD_FAMILY_IPV6)
		return false;
	if (memcmp(addr->bytes, mapped, sizeof(mapped)) == 0)
		return addr->bytes[12] == 127;
	return memcmp(addr->bytes, one, sizeof(one)) == 0;
}

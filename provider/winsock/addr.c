// SPDX-License-Identifier: BSD-2-Clause
/* addr.c - the one file that knows both sockaddr and struct wsd_addr, and the text of addresses. */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define TEXT_MAX 80u

uint16_t wsd_family_of(int af)
{
	return af == AF_INET ? WSD_FAMILY_IPV4 : af == AF_INET6 ? WSD_FAMILY_IPV6 : WSD_FAMILY_NONE;
}

int wsd_af_of(uint16_t family)
{
	return family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET;
}

int wsd_sockaddr_size(uint16_t family)
{
	return family == WSD_FAMILY_IPV6 ? (int)sizeof(struct sockaddr_in6)
					 : (int)sizeof(struct sockaddr_in);
}

static uint16_t swap16(uint16_t value)
{
	uint8_t bytes[2];

	memcpy(bytes, &value, 2);
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

int wsd_sockaddr_decode(const struct sockaddr *name, int length, struct wsd_addr *addr)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	ADDRESS_FAMILY family;

	if (name == NULL || length < (int)sizeof(family))
		return WSAEFAULT;
	memcpy(&family, name, sizeof(family));
	memset(addr, 0, sizeof(*addr));
	addr->family = wsd_family_of(family);
	if (addr->family == WSD_FAMILY_NONE)
		return WSAEAFNOSUPPORT;
	if (length < wsd_sockaddr_size(addr->family))
		return WSAEFAULT;
	if (addr->family == WSD_FAMILY_IPV4) {
		memcpy(&v4, name, sizeof(v4));
		addr->port = swap16(v4.sin_port);
		memcpy(addr->bytes, &v4.sin_addr, 4);
	} else {
		memcpy(&v6, name, sizeof(v6));
		addr->port = swap16(v6.sin6_port);
		addr->scope = v6.sin6_scope_id;
		memcpy(addr->bytes, &v6.sin6_addr, 16);
	}
	return 0;
}

/* ::ffff:a.b.c.d */
static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

bool wsd_addr_is_mapped(const struct wsd_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV6 &&
	       memcmp(addr->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

int wsd_socket_decode(const struct wsd_socket *sock, const struct sockaddr *name, int length,
		      struct wsd_addr *addr)
{
	struct wsd_addr inner = { .family = WSD_FAMILY_IPV4 };
	ADDRESS_FAMILY given;
	int error;

	if (name == NULL || length < (int)sizeof(given))
		return WSAEFAULT;
	memcpy(&given, name, sizeof(given));
	if (wsd_family_of(given) != sock->family)
		return WSAEAFNOSUPPORT;
	error = wsd_sockaddr_decode(name, length, addr);
	if (error != 0 || !wsd_socket_is_dual(sock) || !wsd_addr_is_mapped(addr))
		return error;
	inner.port = addr->port;
	memcpy(inner.bytes, addr->bytes + sizeof(mapped_prefix), 4);
	*addr = inner;
	return 0;
}

int wsd_sockaddr_encode(const struct wsd_addr *addr, struct sockaddr *name, int *length)
{
	int size = wsd_sockaddr_size(addr->family);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (name == NULL || length == NULL || *length < size)
		return WSAEFAULT;
	if (addr->family == WSD_FAMILY_IPV6) {
		memset(&v6, 0, sizeof(v6));
		v6.sin6_family = AF_INET6;
		v6.sin6_port = swap16(addr->port);
		v6.sin6_scope_id = addr->scope;
		memcpy(&v6.sin6_addr, addr->bytes, 16);
		memcpy(name, &v6, sizeof(v6));
	} else {
		memset(&v4, 0, sizeof(v4));
		v4.sin_family = AF_INET;
		v4.sin_port = swap16(addr->port);
		memcpy(&v4.sin_addr, addr->bytes, 4);
		memcpy(name, &v4, sizeof(v4));
	}
	*length = size;
	return 0;
}

int wsd_socket_encode(const struct wsd_socket *sock, const struct wsd_addr *addr,
		      struct sockaddr *name, int *length)
{
	struct wsd_addr outer = { .family = WSD_FAMILY_IPV6, .port = addr->port };

	if (sock->family == addr->family || addr->family != WSD_FAMILY_IPV4)
		return wsd_sockaddr_encode(addr, name, length);
	memcpy(outer.bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(outer.bytes + sizeof(mapped_prefix), addr->bytes, 4);
	return wsd_sockaddr_encode(&outer, name, length);
}

/* --- text from address --- */

static char *put_number(char *at, unsigned value, unsigned base)
{
	char digits[12];
	unsigned n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0);
	while (n > 0)
		*at++ = digits[--n];
	return at;
}

/* The longest run of at least two zero groups: [*from, *to). */
static void longest_zeros(const uint16_t *groups, int *from, int *to)
{
	*from = *to = 8;
	for (int i = 0; i < 8; i++) {
		int end = i;

		while (end < 8 && groups[end] == 0)
			end++;
		if (end - i >= 2 && end - i > *to - *from) {
			*from = i;
			*to = end;
		}
		if (end > i)
			i = end;
	}
}

static char *put_v6(char *at, const uint8_t *bytes)
{
	uint16_t groups[8];
	int from, to;

	for (int i = 0; i < 8; i++)
		groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
	longest_zeros(groups, &from, &to);
	for (int i = 0; i < 8; i++) {
		if (i == from) {
			*at++ = ':';
			*at++ = ':';
			i = to - 1;
			continue;
		}
		if (i > 0 && i != to)
			*at++ = ':';
		at = put_number(at, groups[i], 16);
	}
	return at;
}

static size_t to_text(const struct wsd_addr *addr, char *text)
{
	char *at = text;

	if (addr->family == WSD_FAMILY_IPV4) {
		for (int i = 0; i < 4; i++) {
			if (i > 0)
				*at++ = '.';
			at = put_number(at, addr->bytes[i], 10);
		}
	} else {
		if (addr->port != 0)
			*at++ = '[';
		at = put_v6(at, addr->bytes);
		if (addr->scope != 0) {
			*at++ = '%';
			at = put_number(at, addr->scope, 10);
		}
		if (addr->port != 0)
			*at++ = ']';
	}
	if (addr->port != 0) {
		*at++ = ':';
		at = put_number(at, addr->port, 10);
	}
	*at = '\0';
	return (size_t)(at - text);
}

INT WSPAPI wsd_spi_address_to_string(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
				     LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
				     LPDWORD lpdwAddressStringLength, LPINT lpErrno)
{
	INT scratch, *out = lpErrno != NULL ? lpErrno : &scratch;
	char text[TEXT_MAX];
	struct wsd_addr addr;
	size_t length;
	int error;

	error = wsd_sockaddr_decode(lpsaAddress,
				    dwAddressLength > 1024 ? 1024 : (int)dwAddressLength, &addr);
	if (error == WSAEAFNOSUPPORT || (error == WSAEFAULT && lpsaAddress != NULL))
		error = WSAEINVAL;
	if (error == 0 && lpProtocolInfo != NULL &&
	    wsd_family_of(lpProtocolInfo->iAddressFamily) != addr.family)
		error = WSAEINVAL;
	if (error == 0 && lpdwAddressStringLength == NULL)
		error = WSAEFAULT;
	if (error != 0) {
		*out = error;
		return SOCKET_ERROR;
	}
	length = to_text(&addr, text) + 1;
	if (lpszAddressString == NULL || *lpdwAddressStringLength < length) {
		*lpdwAddressStringLength = (DWORD)length;
		*out = WSAEFAULT;
		return SOCKET_ERROR;
	}
	for (size_t i = 0; i < length; i++)
		lpszAddressString[i] = (WCHAR)text[i];
	*lpdwAddressStringLength = (DWORD)length;
	return 0;
}

/* --- address from text --- */

static bool get_number(const char **at, unsigned limit, unsigned *value)
{
	const char *p = *at;
	unsigned long sum = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		sum = sum * 10 + (unsigned)(*p - '0');
		if (sum > limit)
			return false;
	}
	*at = p;
	*value = (unsigned)sum;
	return true;
}

static bool get_v4(const char **at, uint8_t *bytes)
{
	for (int i = 0; i < 4; i++) {
		unsigned value;

		if (i > 0 && *(*at)++ != '.')
			return false;
		if (!get_number(at, 255, &value))
			return false;
		bytes[i] = (uint8_t)value;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One group of at most four hex digits; false if there is none. */
static bool get_group(const char **at, uint8_t *two)
{
	unsigned value = 0, digits = 0;

	while (hex_digit(**at) >= 0) {
		if (++digits > 4)
			return false;
		value = value << 4 | (unsigned)hex_digit(*(*at)++);
	}
	two[0] = (uint8_t)(value >> 8);
	two[1] = (uint8_t)value;
	return digits > 0;
}

static bool get_v6(const char **at, uint8_t *bytes)
{
	uint8_t head[16] = { 0 };
	unsigned n = 0, gap = 17;
	const char *p = *at;

	if (p[0] == ':' && p[1] == ':') {
		gap = 0;
		p += 2;
	}
	while (n < 16 && hex_digit(*p) >= 0) {
		const char *start = p;

		if (!get_group(&p, head + n))
			return false;
		if (*p == '.') { /* a trailing IPv4 address */
			p = start;
			if (n > 12 || !get_v4(&p, head + n))
				return false;
			n += 4;
			break;
		}
		n += 2;
		if (p[0] == ':' && p[1] == ':') {
			if (gap <= 16)
				return false;
			gap = n;
			p += 2;
		} else if (p[0] == ':' && hex_digit(p[1]) >= 0) {
			p++;
		} else {
			break;
		}
	}
	if (gap > 16 ? n != 16 : n > 14)
		return false;
	memset(bytes, 0, 16);
	if (gap > 16)
		gap = n;
	memcpy(bytes, head, gap);
	memcpy(bytes + 16 - (n - gap), head + gap, n - gap);
	*at = p;
	return true;
}

static bool from_text(const char *text, uint16_t family, struct wsd_addr *addr)
{
	bool bracket = false;
	unsigned value;

	memset(addr, 0, sizeof(*addr));
	addr->family = family;
	if (family == WSD_FAMILY_IPV4) {
		if (!get_v4(&text, addr->bytes))
			return false;
	} else {
		bracket = *text == '[';
		text += bracket;
		if (!get_v6(&text, addr->bytes))
			return false;
		if (*text == '%') {
			text++;
			if (!get_number(&text, UINT32_MAX, &value))
				return false;
			addr->scope = value;
		}
		if (bracket && *text++ != ']')
			return false;
	}
	if (*text == ':' && (family == WSD_FAMILY_IPV4 || bracket)) {
		text++;
		if (!get_number(&text, 65535, &value))
			return false;
		addr->port = (uint16_t)value;
	}
	return *text == '\0';
}

INT WSPAPI wsd_spi_string_to_address(LPWSTR AddressString, INT AddressFamily,
				     LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
				     LPINT lpAddressLength, LPINT lpErrno)
{
	uint16_t family = wsd_family_of(AddressFamily);
	char text[TEXT_MAX];
	struct wsd_addr addr;
	size_t i = 0;
	int error = 0;

	if (AddressString == NULL || lpAddressLength == NULL)
		error = WSAEFAULT;
	else if (family == WSD_FAMILY_NONE ||
		 (lpProtocolInfo != NULL && lpProtocolInfo->iAddressFamily != AddressFamily))
		error = WSAEINVAL;
	for (; error == 0 && AddressString[i] != 0; i++) {
		if (i + 1 >= sizeof(text) || AddressString[i] > 126)
			error = WSAEINVAL;
		else
			text[i] = (char)AddressString[i];
	}
	text[error == 0 ? i : 0] = '\0';
	if (error == 0 && !from_text(text, family, &addr))
		error = WSAEINVAL;
	if (error == 0 && (lpAddress == NULL || *lpAddressLength < wsd_sockaddr_size(family))) {
		*lpAddressLength = wsd_sockaddr_size(family);
		error = WSAEFAULT;
	}
	if (error == 0)
		error = wsd_sockaddr_encode(&addr, lpAddress, lpAddressLength);
	if (error == 0)
		return 0;
	if (lpErrno != NULL)
		*lpErrno = error;
	return SOCKET_ERROR;
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_text.c - addresses as text, and the catalogue entries. */
#include "tests/conformance/lib.h"

#include <stdio.h>

#define ROOM 80

static WCHAR *wide(const char *text)
{
	static WCHAR buffer[4][ROOM];
	static unsigned turn;
	WCHAR *to = buffer[turn++ % 4];
	size_t i = 0;

	do
		to[i] = (WCHAR)text[i];
	while (text[i++] != 0);
	return to;
}

static int same(const WCHAR *a, const char *b)
{
	while (*a != 0 && *a == (WCHAR)*b)
		a++, b++;
	return *a == (WCHAR)*b;
}

/* --- text from an address --- */

static void check_to_text(void)
{
	const char *expected = conf_family() == AF_INET ? "127.0.0.1:258" : "[::1]:258";
	DWORD needed = (DWORD)strlen(expected) + 1, length;
	struct address at = loopback(258), bad;
	WSAPROTOCOL_INFOW foreign = { 0 };
	WCHAR text[ROOM];
	char narrow[ROOM];

	length = ROOM;
	CHECK_R(331, WSAAddressToStringW(&at.sa.any, (DWORD)at.length, NULL, text, &length) == 0 &&
			     length == needed && same(text, expected));
	for (DWORD room = 0; room < needed; room++) {
		length = room;
		text[room] = 0x5a5a;
		CHECK_R(331, FAILS(WSAAddressToStringW(&at.sa.any, (DWORD)at.length, NULL, text,
						       &length),
				   WSAEFAULT) &&
				     length == needed && text[room] == 0x5a5a);
	}
	length = needed;
	CHECK_R(331, WSAAddressToStringW(&at.sa.any, (DWORD)at.length, NULL, text, &length) == 0);
	length = 3;
	CHECK_R(331, FAILS(WSAAddressToStringA(&at.sa.any, (DWORD)at.length, NULL, narrow, &length),
			   WSAEFAULT) &&
			     length == needed);
	CHECK_R(331,
		WSAAddressToStringA(&at.sa.any, (DWORD)at.length, NULL, narrow, &length) == 0 &&
			strcmp(narrow, expected) == 0);
	/* The number is in network byte order, the text is not. */
	at.sa.v4.sin_port = 0;
	((unsigned char *)&at.sa.v4.sin_port)[0] = 0x12;
	((unsigned char *)&at.sa.v4.sin_port)[1] = 0x34;
	length = ROOM;
	CHECK_R(61, WSAAddressToStringA(&at.sa.any, (DWORD)at.length, NULL, narrow, &length) == 0 &&
			    strcmp(strrchr(narrow, ':'), ":4660") == 0);
	/* What is no address of ours has no text. */
	bad = loopback(1);
	bad.sa.any.sa_family = 99;
	length = ROOM;
	CHECK_R(331, FAILS(WSAAddressToStringW(&bad.sa.any, (DWORD)bad.length, NULL, text, &length),
			   WSAEINVAL));
	CHECK_R(331,
		FAILS(WSAAddressToStringW(&at.sa.any, (DWORD)at.length - 1, NULL, text, &length),
		      WSAEINVAL));
	foreign.iAddressFamily = 99;
	CHECK_R(331,
		FAILS(WSAAddressToStringW(&at.sa.any, (DWORD)at.length, &foreign, text, &length),
		      WSAEINVAL));
}

/* --- address from text --- */

static int parse(const char *text, struct address *at)
{
	memset(at, 0x77, sizeof(*at));
	at->length = sizeof(at->sa);
	return WSAStringToAddressW(wide(text), conf_family(), NULL, &at->sa.any, &at->length);
}

static int is_loopback(const struct address *at)
{
	struct address wanted = loopback(port_of(at));

	return at->length == wanted.length && memcmp(&at->sa, &wanted.sa, (size_t)at->length) == 0;
}

static void check_from_text(void)
{
	static const char *const bad[][8] = {
		{ "", "1.2.3", "1.2.3.256", "a.b.c.d", "1.2.3.4:65536", "1.2.3.4:", "1.2.3.4x",
		  "::1" },
		{ "", ":1", "1::2::3", "1:2:3:4:5:6:7", "12345::", "[::1", "[::1]:65536",
		  "127.0.0.1" },
	};
	unsigned row = conf_family() == AF_INET6;
	struct address at;
	int short_length = 3;
	WCHAR long_text[300];

	CHECK_R(332, parse(row ? "::1" : "127.0.0.1", &at) == 0 && at.sa.v4.sin_port == 0 &&
			     is_loopback(&at));
	CHECK_R(332, parse(row ? "[::1]" : "127.0.0.1:0", &at) == 0 && port_of(&at) == 0);
	CHECK_R(332, parse(row ? "[::1]:513" : "127.0.0.1:513", &at) == 0 && port_of(&at) == 513 &&
			     is_loopback(&at));
	for (unsigned i = 0; i < 8; i++)
		CHECK_R(333, FAILS(parse(bad[row][i], &at), WSAEINVAL));
	for (unsigned i = 0; i < 300; i++)
		long_text[i] = '1';
	long_text[299] = 0;
	at.length = sizeof(at.sa);
	CHECK_R(333,
		FAILS(WSAStringToAddressW(long_text, conf_family(), NULL, &at.sa.any, &at.length),
		      WSAEINVAL));
	CHECK_R(333, FAILS(WSAStringToAddressW(wide("127.0.0.1"), 99, NULL, &at.sa.any, &at.length),
			   WSAEINVAL));
	CHECK_R(333, FAILS(WSAStringToAddressW(wide(row ? "::1" : "127.0.0.1"), conf_family(), NULL,
					       &at.sa.any, &short_length),
			   WSAEFAULT) &&
			     short_length == loopback(0).length);
	CHECK_R(333, FAILS(WSAStringToAddressW(NULL, conf_family(), NULL, &at.sa.any, &at.length),
			   WSAEFAULT));
}

/* --- the catalogue --- */

static void check_catalogue(void)
{
	WSAPROTOCOL_INFOW entries[16], own;
	DWORD size = 0;
	int count, length = sizeof(own), found = 0;
	SOCKET s = stream_socket();

	CHECK_R(334, FAILS(WSAEnumProtocolsW(NULL, NULL, &size), WSAENOBUFS) && size > 0 &&
			     size <= sizeof(entries));
	count = WSAEnumProtocolsW(NULL, entries, &size);
	CHECK_R(334, count > 0 && (DWORD)count * sizeof(entries[0]) == size);
	CHECK_R(334, getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&own, &length) == 0 &&
			     own.iAddressFamily == conf_family() &&
			     own.ProtocolChain.ChainLen == BASE_PROTOCOL &&
			     (own.dwServiceFlags1 & XP1_IFS_HANDLES) == 0);
	for (int i = 0; i < count; i++) {
		if (memcmp(&entries[i].ProviderId, &own.ProviderId, sizeof(GUID)) != 0)
			continue; /* of another provider */
		CHECK_R(334, entries[i].ProtocolChain.ChainLen == BASE_PROTOCOL &&
				     (entries[i].dwServiceFlags1 & XP1_IFS_HANDLES) == 0);
		found += entries[i].iAddressFamily == conf_family() &&
			 entries[i].iSocketType == SOCK_STREAM &&
			 entries[i].iProtocol == IPPROTO_TCP;
	}
	CHECK_R(334, found == 1);
	closesocket(s);
}

int main(int argc, char **argv)
{
	/* The text of loopback's addresses is known. */
	set_variable("WSD_TEST_IPV4", NULL);
	set_variable("WSD_TEST_IPV6", NULL);
	conf_start(argc, argv);
	check_to_text();
	check_from_text();
	check_catalogue();
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_left.c - the only process that has a socket of mode D, the "giver", ends before the one comes for
 * which it made a token, the "taker". The peer is here.
 */
#include "tests/conformance/share.h"

#define SOME 3000

/* Connects, makes a token for the process whose number it hears, and ends in the way it is told. */
static int giver(void)
{
	struct child parent = child_is_ready();
	struct address at = loopback((u_short)child_hear(&parent));
	SOCKET s = stream_socket();
	WSAPROTOCOL_INFOW info;

	NEED(connect_to(s, &at) == 0);
	info = share_token(s, (DWORD)child_hear(&parent));
	child_tell(&parent, (int)info.dwProviderReserved);
	if (strcmp(conf_argument(), "waits") == 0)
		(void)child_hear(&parent);
	if (strcmp(conf_argument(), "cleans") == 0)
		WSACleanup();
	return 0;
}

/* Says whether it has a descriptor, and what it can read: SOME bytes, or the end; which it answers. */
static int taker(void)
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info = share_info_with((DWORD)child_hear(&parent));
	SOCKET s = share_attach(&info);
	char bytes[SOME];

	child_tell(&parent, s != INVALID_SOCKET);
	if (receive_all(s, bytes, SOME) == SOME)
		child_tell(&parent, send(s, bytes, SOME, 0) == SOME ? 0 : WSAGetLastError());
	else
		child_tell(&parent, WSAGetLastError());
	(void)child_hear(&parent);
	closesocket(s);
	WSACleanup();
	return 0;
}

/* The connection waits for the taker; or, when the giver was killed, it went along. */
static void the_giver_has_ended(const char *how)
{
	struct child g = child_start_ready("giver", how), t = child_start_ready("taker", "-");
	bool killed = strcmp(how, "waits") == 0;
	char *bytes = pattern_new(SOME, 0), byte;
	struct address at;
	SOCKET listener = listener_on(&at, 4), s;
	int token;

	child_tell(&g, port_of(&at));
	s = accept(listener, NULL, NULL);
	NEED(s != INVALID_SOCKET);
	child_tell(&g, (int)child_id(&t));
	token = child_hear(&g);
	if (killed)
		child_kill(&g);
	CHECK(child_wait(&g) == (killed ? conf_death : 0));
	child_tell(&t, token);
	CHECK_R(330, child_hear(&t) == 1);
	if (killed) {
		CHECK(FAILS(recv(s, &byte, 1, 0), WSAECONNRESET));
		CHECK(child_hear(&t) == WSAECONNRESET);
	} else {
		CHECK_R(330, send(s, bytes, SOME, 0) == SOME && child_hear(&t) == 0);
		memset(bytes, 0, SOME);
		CHECK_R(330, receive_all(s, bytes, SOME) == SOME && pattern_ok(bytes, SOME, 0));
	}
	child_tell(&t, 0);
	CHECK(child_wait(&t) == 0);
	if (!killed)
		CHECK_R(330, at_end(s));
	free(bytes);
	closesocket(s);
	closesocket(listener);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return strcmp(conf_role(), "giver") == 0 ? giver() : taker();
	the_giver_has_ended("cleans");
	if (conf_exit_closes())
		the_giver_has_ended("exits");
	the_giver_has_ended("waits");
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_silent.c - WSPDuplicateSocket in mode D of a listener, and a peer that does not answer while its
 * connection should change hands: R-330.
 */
#include "tests/conformance/share.h"

/* Stays until it is told to go. */
static int visit_and_stay(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)child_hear(&parent));
	SOCKET s = stream_socket();

	NEED(connect_to(s, &at) == 0);
	child_tell(&parent, 0);
	(void)child_hear(&parent);
	NEED(send(s, "gone", 4, 0) == 4);
	closesocket(s);
	WSACleanup();
	return 0;
}

static bool readable(SOCKET s)
{
	fd_set set;
	struct timeval limit = { LONG_MS / 1000, 0 };

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, &set, NULL, NULL, &limit) == 1;
}

static bool is_used(SOCKET s)
{
	int on, length = sizeof(on);

	return getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (char *)&on, &length) == 0;
}

/* A turn ends without a connection that waits to be accepted: it follows when its peer answers, whether the
 * next turn is another process's or that one's again. */
static void one_that_stayed_behind_follows(bool elsewhere)
{
	struct address at = loopback(0);
	SOCKET s = listener_on(&at, 5), other = share_other(s), next = elsewhere ? s : other;
	struct child c = child_start("stays", "");
	bool follows;

	child_tell(&c, port_of(&at));
	NEED(child_hear(&c) == 0);
	NEED(readable(other));
	child_stop(&c);
	CHECK(is_used(s));
	if (!elsewhere)
		CHECK(is_used(other));
	child_continue(&c);
	child_tell(&c, 0);
	follows = readable(next);
	CHECK_R(330, follows);
	if (follows)
		CHECK(share_said_all(accept(next, NULL, NULL)));
	CHECK(child_wait(&c) == 0);
	closesocket(s);
	closesocket(other);
}

int main(int argc, char **argv)
{
	set_variable("WSD_DUPLICATE_TIMEOUT", "60000");
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return visit_and_stay();
	if (conf_two_processes()) {
		one_that_stayed_behind_follows(true);
		one_that_stayed_behind_follows(false);
	}
	WSACleanup();
	return check_result();
}

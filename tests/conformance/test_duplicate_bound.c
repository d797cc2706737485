// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_duplicate_bound.c - a bound socket that two processes have in mode D keeps its port, whoever uses it, while
 * another program tries to get it.
 */
#include "tests/conformance/share.h"

#define TURNS 20

enum order { ORDER_END, ORDER_NAME, ORDER_BIND, ORDER_BIND_OFTEN };

/* Takes the socket whose token it hears, and says its port. */
static int worker(void)
{
	struct child parent = child_is_ready();
	WSAPROTOCOL_INFOW info = share_info_with((DWORD)child_hear(&parent));
	SOCKET s = share_attach(&info);
	struct address at;

	child_tell(&parent, s == INVALID_SOCKET ? WSAGetLastError() : 0);
	while (s != INVALID_SOCKET && child_hear(&parent) == ORDER_NAME)
		child_tell(&parent, name_of(s, &at) == 0 ? port_of(&at) : -1);
	closesocket(s);
	WSACleanup();
	return 0;
}

static int bind_error(const struct address *at)
{
	SOCKET s = stream_socket();
	int error = bind_to(s, at) == 0 ? 0 : WSAGetLastError();

	closesocket(s);
	return error;
}

/* A stranger who wants the port: what he is told, or how often it was his in half a second. */
static int thief(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)child_hear(&parent));
	int order;

	while ((order = child_hear(&parent)) != ORDER_END) {
		int had = 0;

		for (unsigned i = 0; order == ORDER_BIND_OFTEN && i < 500; i++, Sleep(1))
			had += bind_error(&at) == 0;
		child_tell(&parent, order == ORDER_BIND ? bind_error(&at) : had);
	}
	WSACleanup();
	return 0;
}

static int ask(struct child *c, enum order order)
{
	child_tell(c, order);
	return child_hear(c);
}

static bool named(SOCKET s, u_short port)
{
	struct address name;

	return name_of(s, &name) == 0 && port_of(&name) == port;
}

static bool serves(SOCKET listener, const struct address *at)
{
	SOCKET client = stream_socket(), server;
	bool good = connect_to(client, at) == 0;

	server = good ? accept(listener, NULL, NULL) : INVALID_SOCKET;
	good = good && share_moves(client, server, 1000, 0) && share_moves(server, client, 1000, 0);
	closesocket(server);
	closesocket(client);
	return good;
}

static void its_port_stays(bool dies)
{
	struct address at = loopback(0);
	SOCKET s = stream_socket();
	struct child c, other;
	int port;

	NEED(bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	port = port_of(&at);
	c = child_start_ready("worker", "");
	child_tell(&c, (int)share_token(s, child_id(&c)).dwProviderReserved);
	NEED(child_hear(&c) == 0);
	other = child_start("thief", "");
	child_tell(&other, port);
	CHECK_R(329, ask(&c, ORDER_NAME) == port);
	CHECK_R(329, ask(&other, ORDER_BIND) == WSAEADDRINUSE);
	CHECK_R(329, named(s, (u_short)port));
	CHECK_R(329, ask(&other, ORDER_BIND) == WSAEADDRINUSE);
	if (conf_port_stays())
		child_tell(&other, ORDER_BIND_OFTEN);
	for (unsigned i = 0; i < TURNS; i++, Sleep(20))
		CHECK_R(329, ask(&c, ORDER_NAME) == port && named(s, (u_short)port));
	if (conf_port_stays())
		CHECK_R(329, child_hear(&other) == 0);
	CHECK_R(329, ask(&c, ORDER_NAME) == port); /* it has the socket, and ends */
	if (dies)
		child_kill(&c);
	else
		child_tell(&c, ORDER_END);
	CHECK(child_wait(&c) == (dies ? conf_death : 0));
	if (!dies || conf_port_stays())
		CHECK_R(330, ask(&other, ORDER_BIND) == WSAEADDRINUSE);
	CHECK_R(330, listen(s, 5) == 0 && serves(s, &at));
	CHECK_R(330, ask(&other, ORDER_BIND) == WSAEADDRINUSE);
	closesocket(s);
	for (unsigned i = 0; i < LONG_MS / 10 && ask(&other, ORDER_BIND) != 0; i++)
		Sleep(10);
	CHECK_R(330, ask(&other, ORDER_BIND) == 0);
	child_tell(&other, ORDER_END);
	CHECK(child_wait(&other) == 0);
}

/* The one that was asked for room listens at last. */
static void either_listens(void)
{
	struct address at = loopback(0);
	SOCKET s = stream_socket(), other;

	NEED(bind_to(s, &at) == 0 && name_of(s, &at) == 0);
	other = share_other(s);
	CHECK_R(329, named(other, port_of(&at)) && named(s, port_of(&at)));
	CHECK_R(329, listen(other, 5) == 0 && serves(s, &at) && serves(other, &at));
	closesocket(s);
	CHECK_R(330, serves(other, &at));
	closesocket(other);
}

/* From the port that both have; the other one is closed before or after. */
static void either_connects(bool before)
{
	struct address at = loopback(0), from = loopback(0);
	SOCKET listener = listener_on(&at, 5), s = stream_socket(), other, server;

	NEED(bind_to(s, &from) == 0 && name_of(s, &from) == 0);
	other = share_other(s);
	CHECK_R(329, named(other, port_of(&from)) && named(s, port_of(&from)));
	CHECK_R(329, named(other, port_of(&from)));
	if (before)
		closesocket(s);
	CHECK_R(329, connect_to(other, &at) == 0 && named(other, port_of(&from)));
	server = accept(listener, NULL, NULL);
	if (!before)
		CHECK_R(329, share_moves(s, server, 1000, 0) && share_moves(server, s, 1000, 0));
	CHECK_R(329, share_moves(other, server, 1000, 0) && share_moves(server, other, 1000, 0));
	if (!before)
		closesocket(s);
	CHECK_R(330, share_moves(server, other, 1000, 0) && share_moves(other, server, 1000, 0));
	closesocket(other);
	CHECK_R(330, at_end(server));
	closesocket(server);
	closesocket(listener);
}

int main(int argc, char **argv)
{
	conf_start(argc, argv);
	if (conf_role() != NULL)
		return strcmp(conf_role(), "thief") == 0 ? thief() : worker();
	either_listens();
	either_connects(false);
	either_connects(true);
	if (conf_two_processes()) {
		its_port_stays(false);
		its_port_stays(true);
	}
	WSACleanup();
	return check_result();
}

// SPDX-License-Identifier: BSD-2-Clause
/* test_no_handle.c - the host gives no handle: what waits to be accepted stays. */
#include "tests/conformance/host.h"

static int CALLBACK accept_it(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)sqos;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)g;
	++*(unsigned *)data;
	return CF_ACCEPT;
}

static int has_accept(SOCKET s, WSAEVENT event)
{
	WSANETWORKEVENTS events;

	return WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WSA_WAIT_EVENT_0 &&
	       spi.lpWSPEnumNetworkEvents(s, event, &events, &host_error) == 0 &&
	       events.lNetworkEvents == FD_ACCEPT;
}

static void check_accept_without_handle(SOCKET s, const struct address *at)
{
	WSAEVENT event = WSACreateEvent();
	struct address peer = { .length = sizeof(peer.sa) }, name;
	SOCKET client = host_socket(), server;
	unsigned asked = 0, handles;

	spi.lpWSPEventSelect(s, event, FD_ACCEPT, &host_error);
	host_nonblocking(client, 1);
	host_connect(client, at);
	CHECK_R(100, has_accept(s, event));
	handles = host_open_handles();
	host_fail_create = WSAEMFILE;
	CHECK_R(100, SPI_NO_SOCKET(host_accept(s), WSAEMFILE));
	/* A failing accept enables the event again, and the request is still there. */
	CHECK_R(100, has_accept(s, event));
	CHECK_R(100, SPI_NO_SOCKET(spi.lpWSPAccept(s, NULL, NULL, accept_it, (DWORD_PTR)&asked,
						   &host_error),
				   WSAEMFILE) &&
			     asked == 1);
	host_fail_create = WSAENOBUFS;
	CHECK_R(100, SPI_NO_SOCKET(host_accept(s), WSAENOBUFS));
	host_fail_create = 0;
	CHECK_R(100, host_open_handles() == handles);
	server = spi.lpWSPAccept(s, &peer.sa.any, &peer.length, NULL, 0, &host_error);
	CHECK_R(100, server != INVALID_SOCKET && host_name_of(client, &name) == 0 &&
			     port_of(&name) == port_of(&peer));
	spi.lpWSPEventSelect(server, NULL, 0, &host_error);
	host_nonblocking(server, 0);
	for (int i = 0; i < 5000 && SPI_FAILS(host_send(client, "", 0), WSAENOTCONN); i++)
		Sleep(1);
	host_nonblocking(client, 0);
	CHECK_R(100, host_exchange(client, server));
	host_close(client);
	host_close(server);
	host_close(s);
	WSACloseEvent(event);
}

int main(int argc, char **argv)
{
	struct address at;
	SOCKET s;

	host_begin(argc, argv);
	if (host_startup(0) != 0)
		abort();
	s = host_listener(&at, 4);
	check_accept_without_handle(s, &at);
	s = host_conditional(&at);
	check_accept_without_handle(s, &at);
	CHECK_R(100, host_open_handles() == 0);
	host_cleanup();
	return check_result();
}

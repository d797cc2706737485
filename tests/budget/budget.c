// SPDX-License-Identifier: BSD-2-Clause
/* budget.c - see budget.h. */
#include "tests/budget/budget.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openwsd/ws2tcpip.h>

void budget_need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed (%d)\n", what, WSAGetLastError());
	_exit(2);
}

SOCKET budget_listen(void)
{
	SOCKET listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *where = getenv("WSD_TEST_IPV4"); /* else loopback */

	budget_need(inet_pton(AF_INET, where ? where : "127.0.0.1", &at.sin_addr) == 1, "address");
	budget_need(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
	budget_need(listen(listener, 1) == 0, "listen");
	return listener;
}

void budget_connect(SOCKET listener, SOCKET *client, SOCKET *server)
{
	struct sockaddr_in at;
	int length = sizeof(at);

	budget_need(getsockname(listener, (struct sockaddr *)&at, &length) == 0, "getsockname");
	*client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	budget_need(connect(*client, (struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	*server = accept(listener, NULL, NULL);
	budget_need(*server != INVALID_SOCKET, "accept");
}

int budget_within(const char *what, unsigned long counted, unsigned long least, unsigned long most)
{
	int ok = counted >= least && counted <= most;

	printf("%s %s: %lu, budget %lu\n", ok ? "ok" : "FAILED", what, counted, most);
	return ok;
}

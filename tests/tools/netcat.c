// SPDX-License-Identifier: BSD-2-Clause
/*
 * netcat HOST:PORT | netcat -l PORT - a peer that says whatever a test wants: sends what comes from
 * standard input, ends its direction (-n: does not), copies what comes back to standard output.
 * Exit status 0 only if the other side ended the stream in order.
 */
#include <stdio.h>
#include <string.h>

#include "examples/net.h"

const char *program = "netcat";

static int talk(SOCKET s, bool half_close)
{
	static char buffer[65536];
	size_t got;
	int n;

	while ((got = fread(buffer, 1, sizeof(buffer), stdin)) > 0)
		if (net_send_all(s, buffer, (int)got) != 0)
			break; /* what it has to say about that is still to be read */
	if (half_close)
		(void)shutdown(s, SD_SEND);
	while ((n = recv(s, buffer, sizeof(buffer), 0)) > 0) {
		fwrite(buffer, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	return n == 0 ? 0 : complain("%s", net_error(WSAGetLastError()));
}

int main(int argc, char **argv)
{
	bool half_close = argc < 2 || strcmp(argv[1], "-n") != 0;
	WSADATA data;
	SOCKET s, listener;
	int result;

	argv += half_close ? 1 : 2;
	if (!argv[0] || WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return complain("usage: netcat [-n] HOST:PORT | netcat [-n] -l PORT");
	if (strcmp(argv[0], "-l") == 0) {
		listener = net_listen(argv[1]);
		s = accept(listener, NULL, NULL);
		closesocket(listener);
	} else {
		s = net_connect(argv[0]);
	}
	if (s == INVALID_SOCKET)
		return 1;
	net_limit(s, 20);
	result = talk(s, half_close);
	closesocket(s);
	WSACleanup();
	return result;
}

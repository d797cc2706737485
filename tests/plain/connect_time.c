// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect_time.c - how long a connect to a plain server takes, beside the system's own, turn by turn in one process:
 * until there is a connection (socket and connect; ours asks the system for a socket in connect), and with its end.
 * Prints the medians of each and their ratio. The first connect of ours, which tries the other paths, is not in
 * them. Not a test: the ratio is of a quiet machine.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/lib/peer.h"
#include "tests/plain/system.h"

#define ROUNDS 4000

static void server(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 512);

	peer_tell(port);
	for (int i = 0; i < 2 * ROUNDS + 1; i++) {
		int fd = system_accept(listener);
		char byte;

		if (fd < 0)
			break;
		(void)system_receive(fd, &byte, 1); /* the client ends first */
		system_reset(fd);
	}
	system_close(listener);
}

static double now_us(void)
{
	LARGE_INTEGER now, second;

	QueryPerformanceFrequency(&second);
	QueryPerformanceCounter(&now);
	return (double)now.QuadPart * 1e6 / (double)second.QuadPart;
}

static double ours(const struct sockaddr_in *at, double *connected)
{
	double begun = now_us();
	SOCKET s = peer_socket();

	PEER_CHECK(connect(s, (const struct sockaddr *)at, sizeof(*at)) == 0);
	*connected = now_us() - begun;
	PEER_CHECK(closesocket(s) == 0);
	return now_us() - begun;
}

static double theirs(uint32_t port, double *connected)
{
	double begun = now_us();
	int fd = system_connect(port);

	PEER_CHECK(fd >= 0);
	*connected = now_us() - begun;
	system_close(fd);
	return now_us() - begun;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return values[ROUNDS / 2];
}

static void report(const char *what, double *wsd, double *os)
{
	double a = median(wsd), b = median(os);

	printf("%-24s OpenWSD %6.2f us, system %6.2f us, ratio %.2f\n", what, a, b, a / b);
}

int main(void)
{
	static double wsd_open[ROUNDS], wsd_all[ROUNDS], os_open[ROUNDS], os_all[ROUNDS];
	struct sockaddr_in at;
	double first;
	uint32_t port;

	peer_start(80, 256);
	peer_fork(server);
	port = peer_hear();
	at = peer_address(port);
	peer_winsock();
	printf("the first: %.0f us\n", ours(&at, &first));
	for (int i = 0; i < ROUNDS; i++) {
		wsd_all[i] = ours(&at, &wsd_open[i]);
		os_all[i] = theirs(port, &os_open[i]);
	}
	report("socket, connect", wsd_open, os_open);
	report("socket, connect, close", wsd_all, os_all);
	peer_join();
	WSACleanup();
	return 0;
}

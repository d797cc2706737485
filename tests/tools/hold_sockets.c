// SPDX-License-Identifier: BSD-2-Clause
/*
 * hold_sockets.c - holds sockets for check_sockets.py and check_reasons.py: each line of standard input does something
 * to them, and is answered by one line, a number: a port, an error of Winsock or 0. Before it "tell" has one with
 * what SO_OPENWSD_PATH and SO_OPENWSD_REASONS say.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/resource.h>
#endif
#include <unistd.h>

#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>

#include "tests/lib/san_pair.h"

#define MANY 8192u

static SOCKET listener = INVALID_SOCKET, client = INVALID_SOCKET, server = INVALID_SOCKET;
static SOCKET others[MANY];
static unsigned other_count;

static int error_of(int result)
{
	return result == 0 ? 0 : WSAGetLastError();
}

static SOCKET new_socket(void)
{
	return WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
}

static struct sockaddr_in address(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static int bound(SOCKET s)
{
	struct sockaddr_in at = address(0);

	return error_of(bind(s, (struct sockaddr *)&at, sizeof(at)));
}

/* The port, whose requests wait for accept if conditional is not 0. */
static int do_listen(int conditional)
{
	struct sockaddr_in at;
	int length = sizeof(at);

	listener = new_socket();
	if (setsockopt(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&conditional,
		       sizeof(conditional)) != 0 ||
	    bound(listener) != 0 || listen(listener, 5) != 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &length) != 0)
		return -WSAGetLastError();
	return ntohs(at.sin_port);
}

/* A client that has a port of its own before it connects. */
static int do_bind(void)
{
	client = new_socket();
	return bound(client);
}

static int do_go(int port)
{
	struct sockaddr_in to = address(port);

	return error_of(connect(client, (struct sockaddr *)&to, sizeof(to)));
}

static int do_connect(int port)
{
	client = new_socket();
	return do_go(port);
}

static int do_start(int port)
{
	struct sockaddr_in to = address(port);
	u_long on = 1;

	client = new_socket();
	(void)ioctlsocket(client, FIONBIO, &on);
	return error_of(connect(client, (struct sockaddr *)&to, sizeof(to)));
}

static int do_accept(void)
{
	server = accept(listener, NULL, NULL);
	return server == INVALID_SOCKET ? WSAGetLastError() : 0;
}

static int do_tell(void)
{
	char path[64] = "", reasons[512] = "";
	int length = sizeof(path), more = sizeof(reasons);

	(void)getsockopt(client, SOL_SOCKET, SO_OPENWSD_PATH, path,
			 &length); /* there may be none */
	if (getsockopt(client, SOL_SOCKET, SO_OPENWSD_REASONS, reasons, &more) != 0)
		return WSAGetLastError();
	printf("%s|%s\n", path, reasons);
	return 0;
}

/* What the client would like to send. */
static int do_qos(int rate)
{
	DWORD returned;
	QOS qos;

	memset(&qos, 0xff, sizeof(qos)); /* QOS_NOT_SPECIFIED */
	qos.SendingFlowspec.TokenRate = (ULONG)rate;
	qos.SendingFlowspec.TokenBucketSize = 64000;
	qos.SendingFlowspec.PeakBandwidth = (ULONG)rate * 4;
	qos.SendingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_BESTEFFORT;
	qos.ProviderSpecific.len = 0;
	qos.ProviderSpecific.buf = NULL;
	return error_of(
		WSAIoctl(client, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &returned, NULL, NULL));
}

/* Close the accepted one so that its peer is broken. */
static int do_reset(void)
{
	struct linger hard = { 1, 0 };

	(void)setsockopt(server, SOL_SOCKET, SO_LINGER, (char *)&hard, sizeof(hard));
	return error_of(closesocket(server));
}

/* So many more that are bound; how many there are now. */
static int do_many(int count)
{
	for (; count > 0 && other_count < MANY; count--) {
		SOCKET s = new_socket();

		if (s == INVALID_SOCKET)
			break;
		others[other_count++] = s;
		if (bound(s) != 0)
			break;
	}
	return (int)other_count;
}

static int do_few(int count)
{
	for (; count > 0 && other_count > 0; count--)
		(void)closesocket(others[--other_count]);
	return (int)other_count;
}

/* A connection of mode S, both ends. */
static int do_san(void)
{
	static struct sp_pair pair;

	return sp_start(AF_INET) != 0 || sp_open(&pair) != 0 ? sp_error : 0;
}

static int do_close(void)
{
	return error_of(closesocket(client));
}

/* As the lists of the system have it: on Windows the one who starts it does not know. */
static int do_process(void)
{
	return (int)getpid();
}

static int run(const char *verb, int number)
{
	if (strcmp(verb, "listen") == 0)
		return do_listen(number);
	if (strcmp(verb, "connect") == 0)
		return do_connect(number);
	if (strcmp(verb, "bind") == 0)
		return do_bind();
	if (strcmp(verb, "go") == 0)
		return do_go(number);
	if (strcmp(verb, "start") == 0)
		return do_start(number);
	if (strcmp(verb, "accept") == 0)
		return do_accept();
	if (strcmp(verb, "tell") == 0)
		return do_tell();
	if (strcmp(verb, "qos") == 0)
		return do_qos(number);
	if (strcmp(verb, "reset") == 0)
		return do_reset();
	if (strcmp(verb, "many") == 0)
		return do_many(number);
	if (strcmp(verb, "few") == 0)
		return do_few(number);
	if (strcmp(verb, "san") == 0)
		return do_san();
	if (strcmp(verb, "close") == 0)
		return do_close();
	if (strcmp(verb, "process") == 0)
		return do_process();
	return -1;
}

/* As many descriptors as it may have. Handles of Windows have no such limit. */
static void allow_many(void)
{
#ifndef _WIN32
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
#endif
}

int main(void)
{
	WSADATA data;
	char verb[16];
	int number, result = 0;

	allow_many();
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	while (scanf("%15s %d", verb, &number) == 2) {
		if (strcmp(verb, "exit") == 0)
			exit(number); /* without WSACleanup */
		if (strcmp(verb, "cleanup") == 0)
			result = WSACleanup();
		else if (strcmp(verb, "startup") == 0)
			result = WSAStartup(MAKEWORD(2, 2), &data);
		else
			result = run(verb, number);
		printf("%d\n", result);
		fflush(stdout);
	}
	return 0;
}

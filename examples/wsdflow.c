// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdflow - flows of bytes with and without a guaranteed rate, and how fast each arrives over time.
 *
 *   wsdflow -l PORT [-t SECONDS]                                receive, then print a table
 *   wsdflow [-n FLOWS] [-t SECONDS] [-g RATE [-b BUCKET]] HOST:PORT    send
 *
 * The table has one line for each tenth of a second and one column for each flow: MB/s. Flows are named
 * g (guaranteed) or b, in order of arrival. The same source is a Winsock program on Windows and on Linux.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define FLOWS_MOST   32
#define SECONDS_MOST 60
#define STEPS	     10 /* of a second */
#define PIECE	     65536
#define LIMIT	     10 /* seconds */

const char *program = "wsdflow";

struct options {
	const char *where;
	long flows, seconds, rate, bucket;
	bool listening;
};

static char bytes[PIECE];

static bool set_nonblocking(SOCKET s, u_long on)
{
	return ioctlsocket(s, FIONBIO, &on) == 0;
}

/* Those of a set that are ready within the time of one step. */
static int wait_for(fd_set *readable, fd_set *writable)
{
	struct timeval limit = { 0, 1000000 / STEPS / 4 };

	return select(0, readable, writable, NULL, &limit);
}

/* --- receiving --- */

struct flow {
	SOCKET s;
	char name;
	bool ended;
	double mb[SECONDS_MOST * STEPS];
};

static struct flow flows[FLOWS_MOST];
static int flow_count;

static void take_flow(SOCKET listener)
{
	SOCKET s = accept(listener, NULL, NULL);
	struct flow *flow = &flows[flow_count];

	if (s == INVALID_SOCKET)
		return;
	net_limit(s, LIMIT);
	/* It has the listener's mode. */
	if (flow_count == FLOWS_MOST || !set_nonblocking(s, 0) || recv(s, &flow->name, 1, 0) != 1 ||
	    !set_nonblocking(s, 1)) {
		closesocket(s);
		return;
	}
	flow->s = s;
	flow_count++;
}

static void take_bytes(struct flow *flow, int step)
{
	int got = recv(flow->s, bytes, PIECE, 0);

	if (got > 0 && step < SECONDS_MOST * STEPS)
		flow->mb[step] += got / 1e6 * STEPS;
	else if (got <= 0)
		flow->ended = got == 0 || WSAGetLastError() != WSAEWOULDBLOCK;
}

static void print_table(int steps)
{
	int step, i;

	printf("seconds");
	for (i = 0; i < flow_count; i++)
		printf("\t%c%d", flows[i].name, i + 1);
	printf("\n");
	for (step = 0; step < steps; step++) {
		printf("%.1f", (double)step / STEPS);
		for (i = 0; i < flow_count; i++)
			printf("\t%.3f", flows[i].mb[step]);
		printf("\n");
	}
}

static bool any_open(void)
{
	int i;

	for (i = 0; i < flow_count; i++)
		if (!flows[i].ended)
			return true;
	return false;
}

/* Flows that last longer are read to their end. */
static int receive_flows(const struct options *options)
{
	SOCKET listener = net_listen(options->where);
	int steps = (int)options->seconds * STEPS, step, i;
	double begun = 0;

	if (listener == INVALID_SOCKET || !set_nonblocking(listener, 1))
		return 1;
	do {
		fd_set readable;

		FD_ZERO(&readable);
		FD_SET(listener, &readable);
		for (i = 0; i < flow_count; i++)
			if (!flows[i].ended)
				FD_SET(flows[i].s, &readable);
		step = begun > 0 ? (int)((net_seconds() - begun) * STEPS) : 0;
		if (wait_for(&readable, NULL) <= 0)
			continue;
		if (FD_ISSET(listener, &readable))
			take_flow(listener);
		if (begun == 0 && flow_count > 0)
			begun = net_seconds(); /* time starts with the first flow */
		for (i = 0; i < flow_count; i++)
			if (!flows[i].ended && FD_ISSET(flows[i].s, &readable))
				take_bytes(&flows[i], step);
	} while (step < steps || any_open());
	print_table(steps);
	for (i = 0; i < flow_count; i++)
		closesocket(flows[i].s);
	closesocket(listener);
	return 0;
}

/* --- sending --- */

/* Both directions are said; only the sending one has a rate. 0 or an error code. */
static int promise(SOCKET s, const struct options *options)
{
	DWORD returned;
	QOS qos;

	memset(&qos, 0xff, sizeof(qos)); /* QOS_NOT_SPECIFIED */
	qos.ProviderSpecific.len = 0;
	qos.ProviderSpecific.buf = NULL;
	qos.SendingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	qos.SendingFlowspec.TokenRate = (ULONG)options->rate;
	if (options->bucket > 0)
		qos.SendingFlowspec.TokenBucketSize = (ULONG)options->bucket;
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_BESTEFFORT;
	if (WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &returned, NULL, NULL) == 0)
		return 0;
	return WSAGetLastError();
}

static SOCKET open_flow(const struct options *options)
{
	SOCKET s = net_connect(options->where);
	char name = options->rate > 0 ? 'g' : 'b';
	int error = 0;

	if (s == INVALID_SOCKET)
		return s;
	if (options->rate > 0)
		error = promise(s, options);
	if (error == WSAEOPNOTSUPP)
		complain(
			"%ld bytes/s cannot be promised on %s: too much is reserved already, or that is "
			"more than may be (QOS_RESERVABLE in openwsd.conf)",
			options->rate, net_path(s));
	else if (error != 0)
		complain("cannot set the quality of service: error %d", error);
	if (error == 0 && (send(s, &name, 1, 0) != 1 || !set_nonblocking(s, 1)))
		error = complain("%s: %s", options->where, net_error(WSAGetLastError()));
	if (error == 0)
		return s;
	closesocket(s);
	return INVALID_SOCKET;
}

static int send_until(SOCKET *s, int count, double end)
{
	int i;

	while (net_seconds() < end) {
		fd_set writable;

		FD_ZERO(&writable);
		for (i = 0; i < count; i++)
			FD_SET(s[i], &writable);
		if (wait_for(NULL, &writable) <= 0)
			continue;
		for (i = 0; i < count; i++) {
			if (!FD_ISSET(s[i], &writable) || send(s[i], bytes, PIECE, 0) >= 0 ||
			    WSAGetLastError() == WSAEWOULDBLOCK)
				continue;
			return complain("the connection failed: %s", net_error(WSAGetLastError()));
		}
	}
	return 0;
}

static int send_flows(const struct options *options)
{
	SOCKET s[FLOWS_MOST];
	int count = 0, result = 0;

	while (count < options->flows) {
		s[count] = open_flow(options);
		if (s[count] == INVALID_SOCKET)
			break;
		count++;
	}
	result =
		count < options->flows ? 1 : send_until(s, count, net_seconds() + options->seconds);
	while (count > 0)
		closesocket(s[--count]);
	return result;
}

static int usage(FILE *to)
{
	fprintf(to,
		"usage: wsdflow [-n FLOWS] [-t SECONDS] [-g RATE [-b BUCKET]] HOST:PORT\n"
		"       wsdflow -l PORT [-t SECONDS]\n"
		"  -l PORT     receive, then print MB/s of each flow and tenth of a second; 0 takes any port\n"
		"  -n FLOWS    how many to send, 1 to %d (1)\n"
		"  -t SECONDS  for how long, 1 to %d (10)\n"
		"  -g RATE     each guaranteed so many bytes per second\n"
		"  -b BUCKET   and so many at once\n",
		FLOWS_MOST, SECONDS_MOST);
	return to == stdout ? 0 : 2;
}

static bool read_options(int argc, char **argv, struct options *options)
{
	bool good = true;
	int i;

	for (i = 1; good && i < argc && argv[i][0] == '-'; i++) {
		const char *option = argv[i], *value = i + 1 < argc ? argv[++i] : "";

		if (strcmp(option, "-l") == 0)
			options->listening = true, options->where = value;
		else if (strcmp(option, "-n") == 0)
			good = net_number(value, FLOWS_MOST, &options->flows);
		else if (strcmp(option, "-t") == 0)
			good = net_number(value, SECONDS_MOST, &options->seconds);
		else if (strcmp(option, "-g") == 0)
			good = net_number(value, 2000000000, &options->rate);
		else if (strcmp(option, "-b") == 0)
			good = net_number(value, 2000000000, &options->bucket);
		else
			good = false;
	}
	if (!good || options->listening)
		return good && i == argc && *options->where;
	options->where = argv[i];
	return i + 1 == argc;
}

int main(int argc, char **argv)
{
	struct options options = { .flows = 1, .seconds = 10 };
	WSADATA data;
	int error, result;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return usage(stdout);
	if (!read_options(argc, argv, &options))
		return usage(stderr);
	if (options.listening ? !net_is_port(options.where) : !net_is_where(options.where))
		return 2;
	error = WSAStartup(MAKEWORD(2, 2), &data);
	if (error != 0)
		return complain("cannot start Winsock: %s", net_error(error));
	result = options.listening ? receive_flows(&options) : send_flows(&options);
	WSACleanup();
	return result;
}

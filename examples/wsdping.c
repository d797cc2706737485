// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdping - round-trip times between two processes with blocking calls, as a histogram.
 *
 *   wsdping -l PORT            answer (port 0: any; it is printed)
 *   wsdping [-n COUNT] [-s BYTES] HOST:PORT
 *
 * The client says "WSDPING1" and the size, u32 little-endian; then every message comes back.
 * The same source is a Winsock program on Windows and on Linux.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define MAGIC	   "WSDPING1"
#define HEAD	   12
#define SIZE_MOST  (1 << 20)
#define COUNT_MOST 10000000
#define WARM_UP	   100 /* the first ones find everything cold */
#define BAR	   48
#define BUCKETS	   32
#define LIMIT	   10 /* seconds for one answer */

const char *program = "wsdping";

struct options {
	const char *where;
	long count, size;
	bool listening, keep;
};

static void no_delay(SOCKET s)
{
	int on = 1;

	(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof(on));
}

/* 0 at the end of the stream, 1 on failure, -1 when it is no wsdping. */
static int answer(SOCKET s)
{
	unsigned char head[HEAD];
	int size, got, error = 0;
	char *message;

	no_delay(s);
	net_limit(s, LIMIT);
	if (net_recv_all(s, head, HEAD, LIMIT) != 0 || memcmp(head, MAGIC, 8) != 0)
		return -1;
	/* No larger value makes an int negative. */
	if (head[11] != 0 || head[10] > SIZE_MOST >> 16)
		return -1;
	size = head[8] | head[9] << 8 | head[10] << 16;
	if (size < 1 || size > SIZE_MOST)
		return -1;
	message = malloc((size_t)size);
	if (!message)
		return complain("out of memory");
	for (;;) {
		got = recv(s, message, size, 0);
		if (got == SOCKET_ERROR)
			error = WSAGetLastError();
		if (got <= 0)
			break;
		if (got < size)
			error = net_recv_all(s, message + got, size - got, LIMIT);
		if (!error)
			error = net_send_all(s, message, size);
		if (error)
			break;
	}
	free(message);
	return error ? complain("the connection failed: %s", net_error(error)) : 0;
}

static int serve(const struct options *options)
{
	SOCKET listener = net_listen(options->where), s;
	int result = -1;

	if (listener == INVALID_SOCKET)
		return 1;
	while (result < 0 || options->keep) {
		s = accept(listener, NULL, NULL);
		if (s == INVALID_SOCKET) {
			result = complain("cannot accept: %s", net_error(WSAGetLastError()));
			break;
		}
		printf("connected over %s\n", net_path(s));
		fflush(stdout);
		result = answer(s);
		if (result < 0)
			complain("refused a connection that is not from wsdping");
		closesocket(s);
	}
	closesocket(listener);
	return result;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The upper bound of a bucket: 0.1 0.2 0.5 1 2 5 10 ... us */
static double bound(int bucket)
{
	static const double steps[] = { 1, 2, 5 };

	return steps[bucket % 3] * pow(10, bucket / 3 - 1);
}

/* Bars are logarithmic too, or the rare long times would not be seen. */
static void print_histogram(const double *us, long count)
{
	long counts[BUCKETS] = { 0 }, most = 0, i;
	int bucket = 0, first = BUCKETS, last = 0, width;

	for (i = 0; i < count; i++) {
		while (bucket + 1 < BUCKETS && us[i] >= bound(bucket))
			bucket++;
		counts[bucket]++;
		most = counts[bucket] > most ? counts[bucket] : most;
		first = bucket < first ? bucket : first;
		last = bucket;
	}
	for (bucket = first; bucket <= last; bucket++) {
		width = (int)(BAR * log2((double)counts[bucket] + 1) / log2((double)most + 1));
		printf("  < %9.1f us %9ld |%.*s\n", bound(bucket), counts[bucket], width,
		       "################################################");
	}
}

static void print_times(const struct options *options, double *us, SOCKET s)
{
	long count = options->count;

	qsort(us, (size_t)count, sizeof(*us), by_value);
	printf("%ld round trips of %ld bytes with %s, over %s\n", count, options->size,
	       options->where, net_path(s));
	print_histogram(us, count);
	printf("round trip us: min %.2f, p50 %.2f, p99 %.2f, max %.2f\n", us[0], us[count / 2],
	       us[count * 99 / 100], us[count - 1]);
}

static int round_trip(SOCKET s, char *message, char *back, int size, long number)
{
	int error;

	memcpy(message, &number, (size_t)size < sizeof(number) ? (size_t)size : sizeof(number));
	error = net_send_all(s, message, size);
	if (!error)
		error = net_recv_all(s, back, size, LIMIT);
	return error;
}

static int exchange(const struct options *options, SOCKET s, char *message, char *back, double *us)
{
	unsigned char head[HEAD] = MAGIC;
	int size = (int)options->size, error;
	double before, after;
	long i;

	for (i = 0; i < size; i++)
		message[i] = (char)(i * 7);
	for (i = 0; i < 4; i++)
		head[8 + i] = (unsigned char)(options->size >> (8 * i));
	error = net_send_all(s, head, HEAD);
	before = net_seconds();
	for (i = -WARM_UP; i < options->count && !error; i++) {
		error = round_trip(s, message, back, size, i);
		after = net_seconds();
		if (i >= 0)
			us[i] = (after - before) * 1e6;
		if (!error && memcmp(message, back, (size_t)size) != 0)
			return complain("the answer of %s differs from the message",
					options->where);
		before = net_seconds();
	}
	return error ? complain("%s: %s", options->where, net_error(error)) : 0;
}

static int ping(const struct options *options)
{
	double *us = malloc((size_t)options->count * sizeof(*us));
	char *message = malloc((size_t)options->size), *back = malloc((size_t)options->size);
	SOCKET s = INVALID_SOCKET;
	int result = 1;

	if (!us || !message || !back)
		complain("out of memory");
	else
		s = net_connect(options->where);
	if (s != INVALID_SOCKET) {
		no_delay(s);
		net_limit(s, LIMIT);
		result = exchange(options, s, message, back, us);
		if (result == 0)
			print_times(options, us, s);
		closesocket(s);
	}
	free(us);
	free(message);
	free(back);
	return result;
}

static int usage(FILE *to)
{
	fprintf(to,
		"usage: wsdping [-n COUNT] [-s BYTES] HOST:PORT\n"
		"       wsdping -l PORT [-k]\n"
		"  -l PORT   answer; port 0 takes any and prints it\n"
		"  -k        keep on answering, one connection after the other\n"
		"  -n COUNT  round trips, 1 to %d (10000)\n"
		"  -s BYTES  size of a message, 1 to %d (64)\n",
		COUNT_MOST, SIZE_MOST);
	return to == stdout ? 0 : 2;
}

static bool read_options(int argc, char **argv, struct options *options)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "-k") == 0)
			options->keep = true;
		else if (strcmp(argv[i], "-l") == 0 && more)
			options->listening = true, options->where = argv[++i];
		else if (strcmp(argv[i], "-n") == 0 && more)
			more = net_number(argv[++i], COUNT_MOST, &options->count);
		else if (strcmp(argv[i], "-s") == 0 && more)
			more = net_number(argv[++i], SIZE_MOST, &options->size);
		else
			return false;
		if (strcmp(argv[i], "-k") != 0 && !more)
			return false;
	}
	if (options->listening)
		return i == argc;
	options->where = argv[i];
	return i + 1 == argc && !options->keep;
}

int main(int argc, char **argv)
{
	struct options options = { .count = 10000, .size = 64 };
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
	result = options.listening ? serve(&options) : ping(&options);
	WSACleanup();
	return result;
}

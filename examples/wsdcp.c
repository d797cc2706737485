// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdcp - copy a file between two processes, with a checksum.
 *
 *   wsdcp -l PORT FOLDER|FILE    receive one file (port 0: any; it is printed)
 *   wsdcp FILE HOST:PORT         send it
 *
 * The same source is a Winsock program on Windows and on Linux.
 */
#include "wsdcp.h"

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <io.h>
#define isatty _isatty
#define fileno _fileno
#else
#include <unistd.h>
#endif

const char *program = "wsdcp";

void put_number(unsigned char *to, uint64_t value, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		to[i] = (unsigned char)(value >> (8 * i));
}

uint64_t get_number(const unsigned char *from, int bytes)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < bytes; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

int ring_open(struct ring *ring, SOCKET s)
{
	unsigned i;

	memset(ring, 0, sizeof(*ring));
	ring->s = s;
	for (i = 0; i < WSDCP_SLOTS; i++) {
		ring->slots[i].data = malloc(WSDCP_CHUNK);
		ring->slots[i].overlapped.hEvent = WSACreateEvent();
		if (!ring->slots[i].data || ring->slots[i].overlapped.hEvent == WSA_INVALID_EVENT)
			return WSAENOBUFS;
	}
	return 0;
}

void ring_close(struct ring *ring)
{
	DWORD bytes, flags;
	unsigned i;

	closesocket(ring->s);
	for (; ring->count; ring->count--, ring->first = (ring->first + 1) % WSDCP_SLOTS) {
		WSAOVERLAPPED *overlapped = &ring->slots[ring->first].overlapped;

		/* Its buffer may be in use until then. */
		(void)WSAWaitForMultipleEvents(1, &overlapped->hEvent, TRUE, WSA_INFINITE, FALSE);
		(void)WSAGetOverlappedResult(ring->s, overlapped, &bytes, FALSE, &flags);
	}
	for (i = 0; i < WSDCP_SLOTS; i++) {
		if (ring->slots[i].overlapped.hEvent)
			WSACloseEvent(ring->slots[i].overlapped.hEvent);
		free(ring->slots[i].data);
	}
}

struct slot *ring_next(struct ring *ring)
{
	return &ring->slots[(ring->first + ring->count) % WSDCP_SLOTS];
}

int ring_start_send(struct ring *ring, DWORD size)
{
	struct slot *slot = ring_next(ring);
	WSABUF whole;

	slot->size = size;
	whole.len = size;
	whole.buf = slot->data;
	if (WSASend(ring->s, &whole, 1, NULL, 0, &slot->overlapped, NULL) != 0 &&
	    WSAGetLastError() != WSA_IO_PENDING)
		return WSAGetLastError();
	ring->count++;
	return 0;
}

int ring_start_recv(struct ring *ring, DWORD size)
{
	struct slot *slot = ring_next(ring);
	DWORD flags = 0;
	WSABUF whole;

	slot->size = size;
	whole.len = size;
	whole.buf = slot->data;
	if (WSARecv(ring->s, &whole, 1, NULL, &flags, &slot->overlapped, NULL) != 0 &&
	    WSAGetLastError() != WSA_IO_PENDING)
		return WSAGetLastError();
	ring->count++;
	return 0;
}

int ring_finish(struct ring *ring, int limit, struct slot **slot, DWORD *bytes)
{
	DWORD flags;

	*slot = &ring->slots[ring->first];
	switch (WSAWaitForMultipleEvents(1, &(*slot)->overlapped.hEvent, TRUE, (DWORD)limit * 1000,
					 FALSE)) {
	case WSA_WAIT_EVENT_0:
		break;
	case WSA_WAIT_TIMEOUT:
		return WSAETIMEDOUT;
	default:
		return WSAGetLastError();
	}
	ring->first = (ring->first + 1) % WSDCP_SLOTS;
	ring->count--;
	return WSAGetOverlappedResult(ring->s, &(*slot)->overlapped, bytes, FALSE, &flags)
		       ? 0
		       : WSAGetLastError();
}

void progress_start(struct progress *p, const char *name, uint64_t size, bool quiet)
{
	memset(p, 0, sizeof(*p));
	p->name = name;
	p->size = size;
	p->start = net_seconds();
	p->on = !quiet && isatty(fileno(stderr));
}

static double rate_of(const struct progress *p)
{
	double time = net_seconds() - p->start;

	return time > 0 ? (double)p->done / time / 1048576 : 0;
}

static void show(const struct progress *p)
{
	static const char full[] = "##############################";
	double part = p->size ? (double)p->done / (double)p->size : 1;
	int width = (int)sizeof(full) - 1;

	fprintf(stderr, "\r%-20.20s %3.0f%% [%-*.*s] %8.1f MiB %8.1f MiB/s", p->name, part * 100,
		width, (int)(part * width), full, (double)p->done / 1048576, rate_of(p));
	fflush(stderr);
}

void progress_add(struct progress *p, uint64_t bytes)
{
	p->done += bytes;
	if (p->on && net_seconds() - p->shown > 0.1) {
		show(p);
		p->shown = net_seconds();
	}
}

void progress_end(struct progress *p)
{
	if (p->on) {
		show(p);
		fputc('\n', stderr);
	}
	p->on = false;
}

void progress_report(const struct progress *p, const char *what, XXH64_hash_t sum, const char *path)
{
	printf("%s %s: %llu bytes in %.3f s, %.1f MiB/s, XXH3 %016llx, over %s\n", what, p->name,
	       (unsigned long long)p->done, net_seconds() - p->start, rate_of(p),
	       (unsigned long long)sum, path);
	fflush(stdout);
}

static int usage(FILE *to)
{
	fprintf(to, "usage: wsdcp [-q] [-t SECONDS] FILE HOST:PORT\n"
		    "       wsdcp -l PORT [-fkq] [-t SECONDS] FOLDER|FILE\n"
		    "  -l PORT     receive; port 0 takes any and prints it\n"
		    "  -f          replace a file that is there\n"
		    "  -k          keep on receiving, one file after the other\n"
		    "  -q          no progress bar\n"
		    "  -t SECONDS  give up after so long without progress (30)\n");
	return to == stdout ? 0 : 2;
}

/* Options may stand together. False: usage. */
static bool read_options(int argc, char **argv, struct options *options)
{
	long seconds;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *at = argv[i] + 1;

		if (strcmp(at, "-") == 0) {
			i++;
			break;
		}
		for (; *at; at++) {
			bool last = !at[1] && i + 1 < argc;

			if (*at == 'f')
				options->force = true;
			else if (*at == 'k')
				options->keep = true;
			else if (*at == 'q')
				options->quiet = true;
			else if (*at == 'l' && last)
				options->where = argv[i + 1];
			else if (*at == 't' && last && net_number(argv[i + 1], 3600, &seconds))
				options->limit = (int)seconds;
			else
				return false;
		}
		if (at[-1] == 'l' || at[-1] == 't')
			i++;
	}
	options->listening = options->where != NULL;
	if (argc - i != (options->listening ? 1 : 2) ||
	    (!options->listening && (options->force || options->keep)))
		return false;
	options->file = argv[i];
	if (!options->listening)
		options->where = argv[i + 1];
	return true;
}

int main(int argc, char **argv)
{
	struct options options = { .limit = WSDCP_LIMIT };
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
	result = options.listening ? wsdcp_receive(&options) : wsdcp_send(&options);
	WSACleanup();
	return result;
}

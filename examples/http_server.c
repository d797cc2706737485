// SPDX-License-Identifier: BSD-2-Clause
/*
 * http_server PORT - a small HTTP/1.1 server with one thread for each connection and blocking calls:
 *   GET /N      N bytes of a pattern
 *   GET /path   by which path this connection came, for instance "plain"
 *   POST /      what was posted, back
 * It ends with its standard input. Any HTTP client will do; one without OpenWSD comes over plain TCP.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#ifndef _WIN32
#include <openwsd/windows_min.h>
#endif

#define HEADER_MOST 16384
#define LIMIT_S	    30

#define BLOCK (26 * 2520) /* bytes of the pattern that are sent at once */

const char *program = "http_server";

static char block[BLOCK];

struct client {
	SOCKET s;
	char bytes[HEADER_MOST + 1]; /* of the request; what came behind it stays for the next */
	int count;
	bool last; /* the client wants the end behind this answer */
};

static int send_header(SOCKET s, const char *status, unsigned long length)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n"
			 "Content-Length: %lu\r\n\r\n",
			 status, length);

	return net_send_all(s, text, n);
}

static int send_text(SOCKET s, const char *status, const char *text)
{
	int error = send_header(s, status, (unsigned long)strlen(text));

	return error ? error : net_send_all(s, text, (int)strlen(text));
}

static int send_pattern(SOCKET s, unsigned long length)
{
	unsigned long done = 0;
	int error = send_header(s, "200 OK", length);

	while (!error && done < length) {
		unsigned long n = length - done < BLOCK ? length - done : BLOCK;

		error = net_send_all(s, block, (int)n);
		done += n;
	}
	return error;
}

static unsigned long content_length(const char *header)
{
	static const char name[] = "content-length:";
	const char *line = strstr(header, "\r\n");

	for (; line; line = strstr(line + 2, "\r\n")) {
		size_t i = 0;

		while (name[i] && tolower((unsigned char)line[2 + i]) == name[i])
			i++;
		if (!name[i])
			return strtoul(line + 2 + i, NULL, 10);
	}
	return 0;
}

/* The body goes back as it comes; body is how much of it is there already. */
static int echo_body(struct client *c, const char *body, int there, unsigned long length)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	unsigned long done = 0;
	int error = 0;

	if (strstr(c->bytes, "100-continue"))
		error = net_send_all(c->s, go_on, (int)sizeof(go_on) - 1);
	if (!error)
		error = send_header(c->s, "200 OK", length);
	while (!error && done < length) {
		char part[16384];
		int n = there;

		if (n > 0) {
			n = (unsigned long)n < length ? n : (int)length;
			memcpy(part, body, (size_t)n);
			there = 0;
		} else {
			unsigned long left = length - done;

			n = recv(c->s, part, left < sizeof(part) ? (int)left : (int)sizeof(part),
				 0);
			if (n <= 0)
				return WSAECONNRESET;
		}
		error = net_send_all(c->s, part, n);
		done += (unsigned long)n;
	}
	return error;
}

/* One request is whole up to end, behind its empty line. */
static int answer(struct client *c, char *end)
{
	char method[8], path[256], *rest;
	int there = c->count - (int)(end - c->bytes);
	unsigned long length;

	end[-2] = '\0';
	length = content_length(c->bytes);
	c->last = strstr(c->bytes, "Connection: close") != NULL;
	if (sscanf(c->bytes, "%7s %255s HTTP/1.", method, path) != 2)
		return WSAEINVAL;
	if (strcmp(method, "POST") == 0) {
		c->count = 0;
		return echo_body(c, end, there, length);
	}
	memmove(c->bytes, end, (size_t)there);
	c->count = there;
	if (strcmp(path, "/path") == 0)
		return send_text(c->s, "200 OK", net_path(c->s));
	length = strtoul(path + 1, &rest, 10);
	if (rest == path + 1 || *rest || strcmp(method, "GET") != 0)
		return send_text(c->s, "404 Not Found", "not here\n");
	return send_pattern(c->s, length);
}

static DWORD WINAPI serve(LPVOID arg)
{
	struct client *c = arg;
	int error = 0;

	net_limit(c->s, LIMIT_S);
	while (!error && !c->last) {
		char *end = NULL;
		int n;

		c->bytes[c->count] = '\0';
		end = strstr(c->bytes, "\r\n\r\n");
		if (end) {
			error = answer(c, end + 4);
			continue;
		}
		if (c->count == HEADER_MOST)
			break;
		n = recv(c->s, c->bytes + c->count, HEADER_MOST - c->count, 0);
		if (n <= 0)
			break;
		c->count += n;
	}
	closesocket(c->s);
	free(c);
	return 0;
}

static DWORD WINAPI take(LPVOID arg)
{
	SOCKET listener = *(SOCKET *)arg, s;

	while ((s = accept(listener, NULL, NULL)) != INVALID_SOCKET) {
		struct client *c = calloc(1, sizeof(*c));
		HANDLE thread = NULL;

		if (c) {
			c->s = s;
			thread = CreateThread(NULL, 0, serve, c, 0, NULL);
		}
		if (thread) {
			CloseHandle(thread);
			continue;
		}
		free(c);
		closesocket(s);
	}
	return 0;
}

int main(int argc, char **argv)
{
	SOCKET listener;
	HANDLE thread;
	WSADATA data;

	if (argc != 2) {
		fprintf(stderr, "usage: http_server PORT\n");
		return 2;
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return complain("WSAStartup failed");
	for (int i = 0; i < BLOCK; i++)
		block[i] = (char)('a' + i % 26);
	listener = net_listen(argv[1]);
	if (listener == INVALID_SOCKET)
		return 1;
	thread = CreateThread(NULL, 0, take, &listener, 0, NULL);
	if (!thread)
		return complain("cannot start a thread");
	while (getchar() != EOF)
		;
	closesocket(listener);
	(void)WaitForSingleObject(thread, INFINITE);
	CloseHandle(thread);
	WSACleanup();
	return 0;
}

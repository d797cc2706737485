// SPDX-License-Identifier: BSD-2-Clause
/*
 * http_get HOST:PORT PATH - fetch one document over HTTP/1.1 and write it to standard output; the path of the
 * connection goes to standard error. The server may be any HTTP server: where it does not use OpenWSD, the
 * connection is plain TCP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#endif

#define HEADER_MOST 65536
#define LIMIT_S	    20

const char *program = "http_get";

/* Bytes of the answer that were read: header, then the beginning of the body. */
struct answer {
	char bytes[HEADER_MOST + 1];
	int count;
	char *body; /* behind the empty line */
};

static int send_request(SOCKET s, const char *host, const char *path)
{
	char request[2048];
	int length = snprintf(request, sizeof(request),
			      "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: http_get\r\n"
			      "Accept: */*\r\nConnection: close\r\n\r\n",
			      path, host);
	int error;

	if (length >= (int)sizeof(request))
		return complain("the path is too long");
	error = net_send_all(s, request, length);
	return error ? complain("send: %s", net_error(error)) : 0;
}

static int read_header(SOCKET s, struct answer *a)
{
	while (a->count < HEADER_MOST) {
		int n = recv(s, a->bytes + a->count, HEADER_MOST - a->count, 0);

		if (n == SOCKET_ERROR)
			return complain("recv: %s", net_error(WSAGetLastError()));
		if (n == 0)
			return complain("the server ended within its header");
		a->count += n;
		a->bytes[a->count] = '\0';
		a->body = strstr(a->bytes, "\r\n\r\n");
		if (a->body) {
			a->body += 4;
			return 0;
		}
	}
	return complain("the header is too long");
}

/* The body ends with the connection. */
static int copy_body(SOCKET s, const struct answer *a)
{
	static char part[65536];
	size_t begun = (size_t)(a->count - (a->body - a->bytes));
	int n;

	if (fwrite(a->body, 1, begun, stdout) != begun)
		return complain("cannot write");
	while ((n = recv(s, part, sizeof(part), 0)) > 0)
		if (fwrite(part, 1, (size_t)n, stdout) != (size_t)n)
			return complain("cannot write");
	if (n < 0)
		return complain("recv: %s", net_error(WSAGetLastError()));
	return fflush(stdout) == 0 ? 0 : complain("cannot write");
}

static int fetch(SOCKET s, const char *host, const char *path)
{
	static struct answer answer;
	int status;

	net_limit(s, LIMIT_S);
	fprintf(stderr, "path: %s\n", net_path(s));
	if (send_request(s, host, path) || read_header(s, &answer))
		return 1;
	if (sscanf(answer.bytes, "HTTP/1.%*d %d", &status) != 1)
		return complain("this is no HTTP server");
	if (status != 200)
		return complain("the server answers %d", status);
	return copy_body(s, &answer);
}

int main(int argc, char **argv)
{
	WSADATA data;
	int result;
	SOCKET s;

	if (argc != 3 || argv[2][0] != '/') {
		fprintf(stderr, "usage: http_get HOST:PORT /PATH\n");
		return 2;
	}
#ifdef _WIN32
	_setmode(_fileno(stdout), _O_BINARY); /* the bytes as they are */
#endif
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return complain("WSAStartup failed");
	s = net_connect(argv[1]);
	if (s == INVALID_SOCKET)
		return 1;
	result = fetch(s, argv[1], argv[2]);
	closesocket(s);
	WSACleanup();
	return result;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* where.h - addresses from the command line: "PORT" inside this machine, or "ADDRESS:PORT" (IPv4). */
#ifndef EXAMPLES_WHERE_H
#define EXAMPLES_WHERE_H

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <ws2tcpip.h>
#elif defined(EXAMPLE_OS_TCP)
#include <arpa/inet.h>
#else
#include <openwsd/ws2tcpip.h>
#endif

/* False if it is neither. */
static inline int read_where(struct sockaddr_in *at, const char *text)
{
	const char *colon = strchr(text, ':');
	unsigned long port;
	char *end;
	char address[16] = "127.0.0.1";

	memset(at, 0, sizeof(*at));
	if (colon && (size_t)(colon - text) >= sizeof(address))
		return 0;
	if (colon) {
		memcpy(address, text, (size_t)(colon - text));
		address[colon - text] = '\0';
		text = colon + 1;
	}
	at->sin_family = AF_INET;
	port = strtoul(text, &end, 10);
	at->sin_port = htons((unsigned short)port);
	return *text >= '0' && *text <= '9' && *end == '\0' && port <= 65535 &&
	       inet_pton(AF_INET, address, &at->sin_addr) == 1;
}

#endif

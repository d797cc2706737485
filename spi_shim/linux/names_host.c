// SPDX-License-Identifier: BSD-2-Clause
/* names_host.c - owns the calls of the C library's resolver. Never includes the Winsock headers. */
#include "spi_shim/linux/names_host.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct pair {
	unsigned ours;
	int host;
};

static int translate(const struct pair *pairs, size_t count, unsigned flags)
{
	int result = 0;
	size_t i;

	for (i = 0; i < count; i++)
		if ((flags & pairs[i].ours) != 0)
			result |= pairs[i].host;
	return result;
}

static int resolve_flags(unsigned flags)
{
	static const struct pair pairs[] = {
		{ WSD_NAME_PASSIVE, AI_PASSIVE },
		{ WSD_NAME_CANONICAL, AI_CANONNAME },
		{ WSD_NAME_NUMERIC_HOST, AI_NUMERICHOST },
		{ WSD_NAME_NUMERIC_SERVICE, AI_NUMERICSERV },
		{ WSD_NAME_ADDRCONFIG, AI_ADDRCONFIG },
		{ WSD_NAME_V4MAPPED, AI_V4MAPPED },
		{ WSD_NAME_ALL, AI_ALL },
	};

	return translate(pairs, sizeof(pairs) / sizeof(pairs[0]), flags);
}

static int lookup_flags(unsigned flags)
{
	static const struct pair pairs[] = {
		{ WSD_NAME_NUMERIC_HOST, NI_NUMERICHOST },
		{ WSD_NAME_NUMERIC_SERVICE, NI_NUMERICSERV },
		{ WSD_NAME_REQUIRED, NI_NAMEREQD },
		{ WSD_NAME_SHORT, NI_NOFQDN },
		{ WSD_NAME_DATAGRAM, NI_DGRAM },
	};

	return translate(pairs, sizeof(pairs) / sizeof(pairs[0]), flags);
}

static enum wsd_name_error error_of(int error)
{
	switch (error) {
	case 0:
		return WSD_NAME_OK;
	case EAI_AGAIN:
		return WSD_NAME_AGAIN;
	case EAI_BADFLAGS:
		return WSD_NAME_BADFLAGS;
	case EAI_FAMILY:
		return WSD_NAME_FAMILY;
	case EAI_MEMORY:
		return WSD_NAME_MEMORY;
	case EAI_SERVICE:
		return WSD_NAME_SERVICE;
	case EAI_SOCKTYPE:
		return WSD_NAME_SOCKTYPE;
	case EAI_NONAME:
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
	case EAI_ADDRFAMILY:
#endif
		return WSD_NAME_NONAME;
	case EAI_OVERFLOW:
		return WSD_NAME_OVERFLOW;
	default:
		return WSD_NAME_FAIL;
	}
}

static bool name_of(const struct addrinfo *info, struct wsd_name *name)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	memset(name, 0, sizeof(*name));
	if (info->ai_family == AF_INET) {
		memcpy(&in, info->ai_addr, sizeof(in));
		name->version = 4;
		name->port = in.sin_port;
		memcpy(name->bytes, &in.sin_addr, 4);
		return true;
	}
	if (info->ai_family != AF_INET6)
		return false;
	memcpy(&in6, info->ai_addr, sizeof(in6));
	name->version = 6;
	name->port = in6.sin6_port;
	name->scope = in6.sin6_scope_id;
	name->flow = in6.sin6_flowinfo;
	memcpy(name->bytes, &in6.sin6_addr, 16);
	return true;
}

/* glibc would take a number that is none of a port modulo 65536. */
static bool is_no_port(const char *service)
{
	unsigned long number;
	char *end;

	if (service == NULL || *service == '\0')
		return false;
	number = strtoul(service, &end, 10);
	return *end == '\0' && number > 65535;
}

enum wsd_name_error wsd_name_resolve(
	const char *node, const char *service, unsigned flags, int version, bool datagram,
	bool (*add)(const struct wsd_name *name, const char *canonical, void *arg), void *arg)
{
	struct addrinfo hints, *list, *info;
	struct wsd_name name;
	int error;

	if (is_no_port(service))
		return WSD_NAME_SERVICE;
	memset(&hints, 0, sizeof(hints));
	hints.ai_flags = resolve_flags(flags);
	hints.ai_family = version == 4 ? AF_INET : version == 6 ? AF_INET6 : AF_UNSPEC;
	hints.ai_socktype = datagram ? SOCK_DGRAM : SOCK_STREAM;
	error = getaddrinfo(node, service, &hints, &list);
	if (error != 0)
		return error_of(error);
	for (info = list; info != NULL; info = info->ai_next)
		if (name_of(info, &name) && !add(&name, info->ai_canonname, arg))
			break;
	freeaddrinfo(list);
	return info == NULL ? WSD_NAME_OK : WSD_NAME_MEMORY;
}

enum wsd_name_error wsd_name_lookup(const struct wsd_name *name, unsigned flags, char *node,
				    size_t node_size, char *service, size_t service_size)
{
	struct sockaddr_storage storage;
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	socklen_t length;

	memset(&storage, 0, sizeof(storage));
	if (name->version == 4) {
		memset(&in, 0, sizeof(in));
		in.sin_family = AF_INET;
		in.sin_port = name->port;
		memcpy(&in.sin_addr, name->bytes, 4);
		length = sizeof(in);
		memcpy(&storage, &in, length);
	} else {
		memset(&in6, 0, sizeof(in6));
		in6.sin6_family = AF_INET6;
		in6.sin6_port = name->port;
		in6.sin6_scope_id = name->scope;
		memcpy(&in6.sin6_addr, name->bytes, 16);
		length = sizeof(in6);
		memcpy(&storage, &in6, length);
	}
	return error_of(getnameinfo((struct sockaddr *)&storage, length, node, (socklen_t)node_size,
				    service, (socklen_t)service_size, lookup_flags(flags)));
}

int wsd_ip_parse(int version, const char *text, void *bytes)
{
	return inet_pton(version == 4 ? AF_INET : AF_INET6, text, bytes) == 1;
}

const char *wsd_ip_format(int version, const void *bytes, char *text, size_t size)
{
	return inet_ntop(version == 4 ? AF_INET : AF_INET6, bytes, text, (socklen_t)size);
}

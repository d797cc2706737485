// SPDX-License-Identifier: BSD-2-Clause
/*
 * names.c - owns getaddrinfo and its family, gethostname, and the text of bare IP addresses.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include <openwsd/openwsd.h>
#include <openwsd/ws2tcpip.h>

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/api.h"
#include "spi_shim/linux/names_host.h"

const struct in6_addr in6addr_any = IN6ADDR_ANY_INIT;
const struct in6_addr in6addr_loopback = IN6ADDR_LOOPBACK_INIT;

static const struct {
	int windows;
	unsigned ours;
} resolve_flags[] = {
	{ AI_PASSIVE, WSD_NAME_PASSIVE },
	{ AI_CANONNAME, WSD_NAME_CANONICAL },
	{ AI_NUMERICHOST, WSD_NAME_NUMERIC_HOST },
	{ AI_NUMERICSERV, WSD_NAME_NUMERIC_SERVICE },
	{ AI_ADDRCONFIG, WSD_NAME_ADDRCONFIG },
	{ AI_V4MAPPED, WSD_NAME_V4MAPPED },
	{ AI_ALL, WSD_NAME_ALL },
}, lookup_flags[] = {
	{ NI_NOFQDN, WSD_NAME_SHORT },
	{ NI_NUMERICHOST, WSD_NAME_NUMERIC_HOST },
	{ NI_NAMEREQD, WSD_NAME_REQUIRED },
	{ NI_NUMERICSERV, WSD_NAME_NUMERIC_SERVICE },
	{ NI_DGRAM, WSD_NAME_DATAGRAM },
};

static INT name_result(enum wsd_name_error error)
{
	static const INT codes[] = {
		[WSD_NAME_OK] = 0,
		[WSD_NAME_AGAIN] = EAI_AGAIN,
		[WSD_NAME_BADFLAGS] = EAI_BADFLAGS,
		[WSD_NAME_FAIL] = EAI_FAIL,
		[WSD_NAME_FAMILY] = EAI_FAMILY,
		[WSD_NAME_MEMORY] = EAI_MEMORY,
		[WSD_NAME_NONAME] = EAI_NONAME,
		[WSD_NAME_SERVICE] = EAI_SERVICE,
		[WSD_NAME_SOCKTYPE] = EAI_SOCKTYPE,
		[WSD_NAME_OVERFLOW] = WSAEFAULT,
	};

	if (error != WSD_NAME_OK)
		wsd_fail((DWORD)codes[error]);
	return codes[error];
}

struct builder {
	const ADDRINFOA *hints;
	PADDRINFOA *tail;
};

static void sockaddr_fill(struct addrinfo *info, const struct wsd_name *name)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)info->ai_addr;
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)info->ai_addr;

	if (name->version == 4) {
		info->ai_family = AF_INET;
		info->ai_addrlen = sizeof(*in);
		in->sin_family = AF_INET;
		in->sin_port = name->port;
		memcpy(&in->sin_addr, name->bytes, 4);
		return;
	}
	info->ai_family = AF_INET6;
	info->ai_addrlen = sizeof(*in6);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = name->port;
	in6->sin6_flowinfo = name->flow;
	in6->sin6_scope_id = name->scope;
	memcpy(&in6->sin6_addr, name->bytes, 16);
}

static bool builder_add(const struct wsd_name *name, const char *canonical, void *arg)
{
	struct builder *builder = arg;
	struct addrinfo *info = wsd_alloc(sizeof(*info));
	size_t size;

	if (info == NULL)
		return false;
	*builder->tail = info;
	builder->tail = &info->ai_next;
	info->ai_addr = wsd_alloc(sizeof(struct sockaddr_in6));
	if (info->ai_addr == NULL)
		return false;
	sockaddr_fill(info, name);
	if (builder->hints != NULL) {
		info->ai_socktype = builder->hints->ai_socktype;
		info->ai_protocol = builder->hints->ai_protocol;
	}
	if (canonical == NULL)
		return true;
	size = strlen(canonical) + 1;
	info->ai_canonname = wsd_alloc(size);
	if (info->ai_canonname == NULL)
		return false;
	memcpy(info->ai_canonname, canonical, size);
	return true;
}

/* 0 if the hints are sound, with what they ask for. */
static INT hints_read(const ADDRINFOA *hints, unsigned *flags, int *version, bool *datagram)
{
	size_t i;

	*flags = 0;
	*version = 0;
	*datagram = false;
	if (hints == NULL)
		return 0;
	for (i = 0; i < sizeof(resolve_flags) / sizeof(resolve_flags[0]); i++)
		if ((hints->ai_flags & resolve_flags[i].windows) != 0)
			*flags |= resolve_flags[i].ours;
	if (hints->ai_family == AF_INET || hints->ai_family == AF_INET6)
		*version = hints->ai_family == AF_INET ? 4 : 6;
	else if (hints->ai_family != AF_UNSPEC)
		return EAI_FAMILY;
	*datagram = hints->ai_socktype == SOCK_DGRAM;
	if (hints->ai_socktype < 0 || hints->ai_socktype > SOCK_SEQPACKET)
		return EAI_SOCKTYPE;
	return 0;
}

INT WSAAPI getaddrinfo(LPCSTR pNodeName, LPCSTR pServiceName, const ADDRINFOA *pHints,
		       PADDRINFOA *ppResult)
{
	struct builder builder = { pHints, ppResult };
	enum wsd_name_error error;
	unsigned flags;
	bool datagram;
	int version;
	INT result;

	if (ppResult == NULL) {
		wsd_fail(WSAEFAULT);
		return WSAEFAULT;
	}
	*ppResult = NULL;
	if (wsd_shim_provider() == NULL)
		return WSANOTINITIALISED;
	result = hints_read(pHints, &flags, &version, &datagram);
	if (result != 0) {
		wsd_fail((DWORD)result);
		return result;
	}
	error = wsd_name_resolve(pNodeName, pServiceName, flags, version, datagram, builder_add,
				 &builder);
	if (error != WSD_NAME_OK) {
		freeaddrinfo(*ppResult);
		*ppResult = NULL;
	}
	return name_result(error);
}

VOID WSAAPI freeaddrinfo(PADDRINFOA pAddrInfo)
{
	PADDRINFOA next;

	for (; pAddrInfo != NULL; pAddrInfo = next) {
		next = pAddrInfo->ai_next;
		wsd_free(pAddrInfo->ai_addr);
		wsd_free(pAddrInfo->ai_canonname);
		wsd_free(pAddrInfo);
	}
}

static bool name_read(const SOCKADDR *address, int length, struct wsd_name *name)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	memset(name, 0, sizeof(*name));
	if (length >= (int)sizeof(in) && address->sa_family == AF_INET) {
		memcpy(&in, address, sizeof(in));
		name->version = 4;
		name->port = in.sin_port;
		memcpy(name->bytes, &in.sin_addr, 4);
		return true;
	}
	if (length < (int)sizeof(in6) || address->sa_family != AF_INET6)
		return false;
	memcpy(&in6, address, sizeof(in6));
	name->version = 6;
	name->port = in6.sin6_port;
	name->scope = in6.sin6_scope_id;
	memcpy(name->bytes, &in6.sin6_addr, 16);
	return true;
}

INT WSAAPI getnameinfo(const SOCKADDR *pSockaddr, int SockaddrLength, char *pNodeBuffer,
		       DWORD NodeBufferSize, char *pServiceBuffer, DWORD ServiceBufferSize,
		       INT Flags)
{
	struct wsd_name name;
	unsigned flags = 0;
	size_t i;

	if (wsd_shim_provider() == NULL)
		return WSANOTINITIALISED;
	if (pSockaddr == NULL || SockaddrLength < (int)sizeof(struct sockaddr_in)) {
		wsd_fail(WSAEFAULT);
		return WSAEFAULT;
	}
	if (!name_read(pSockaddr, SockaddrLength, &name))
		return name_result(WSD_NAME_FAMILY);
	for (i = 0; i < sizeof(lookup_flags) / sizeof(lookup_flags[0]); i++)
		if ((Flags & lookup_flags[i].windows) != 0)
			flags |= lookup_flags[i].ours;
	return name_result(wsd_name_lookup(&name, flags, pNodeBuffer,
					   pNodeBuffer != NULL ? NodeBufferSize : 0, pServiceBuffer,
					   pServiceBuffer != NULL ? ServiceBufferSize : 0));
}

char *WSAAPI gai_strerror(int ecode)
{
	const char *text = wsd_strerror(ecode);
	char *result;

	/* the prototype has no const; the text is constant */
	memcpy(&result, &text, sizeof(result));
	return result;
}

int WSAAPI gethostname(char *name, int namelen)
{
	struct utsname system;
	size_t length;

	if (wsd_shim_provider() == NULL)
		return SOCKET_ERROR;
	if (uname(&system) != 0)
		return wsd_error(WSAENETDOWN);
	length = strlen(system.nodename) + 1;
	if (name == NULL || namelen < 0 || (size_t)namelen < length)
		return wsd_error(WSAEFAULT);
	memcpy(name, system.nodename, length);
	return 0;
}

static int version_of(INT family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 6 : 0;
}

INT WSAAPI inet_pton(INT Family, LPCSTR pszAddrString, PVOID pAddrBuf)
{
	if (version_of(Family) == 0)
		return wsd_error(WSAEAFNOSUPPORT);
	if (pszAddrString == NULL || pAddrBuf == NULL)
		return wsd_error(WSAEFAULT);
	return wsd_ip_parse(version_of(Family), pszAddrString, pAddrBuf);
}

LPCSTR WSAAPI inet_ntop(INT Family, const VOID *pAddr, LPSTR pStringBuf, size_t StringBufSize)
{
	LPCSTR text;

	if (version_of(Family) == 0) {
		wsd_fail(WSAEAFNOSUPPORT);
		return NULL;
	}
	text = pAddr != NULL && pStringBuf != NULL
		       ? wsd_ip_format(version_of(Family), pAddr, pStringBuf, StringBufSize)
		       : NULL;
	if (text == NULL)
		wsd_fail(ERROR_INVALID_PARAMETER);
	return text;
}

/* One buffer per thread, as on Windows. */
char *WSAAPI inet_ntoa(struct in_addr in)
{
	static _Thread_local char text[16];

	snprintf(text, sizeof(text), "%u.%u.%u.%u", in.S_un.S_un_b.s_b1, in.S_un.S_un_b.s_b2,
		 in.S_un.S_un_b.s_b3, in.S_un.S_un_b.s_b4);
	return text;
}

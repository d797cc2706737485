// SPDX-License-Identifier: BSD-2-Clause
/* os_port_windows.c - holds TCP ports with bound, never listening sockets of the system's base provider. */
#include "provider/transport/os_port.h"
#include "rdma_backend/base/net_windows.h"

static enum wsd_status from_error(int error)
{
	switch (error) {
	case WSAEADDRINUSE:
		return WSD_EADDRINUSE;
	case WSAEACCES: /* reserved, or held by who wants it for himself */
		return WSD_EACCESS;
	case WSAEADDRNOTAVAIL:
	case WSAEAFNOSUPPORT:
	case WSAEINVAL:
	case WSAEFAULT:
		return WSD_EADDRNOTAVAIL;
	case WSAEMFILE:
		return WSD_ENOFILES;
	case WSAENOBUFS:
		return WSD_ENOMEM;
	default:
		return WSD_EUNREACHABLE;
	}
}

static int set_option(SOCKET s, int level, int name, DWORD value)
{
	int ignored;

	return wsd_windows_net()->lpWSPSetSockOpt(s, level, name, (const char *)&value,
						  sizeof(value), &ignored);
}

void wsd_os_port_set_reuse(intptr_t holder, bool on)
{
	if (holder >= 0)
		(void)set_option((SOCKET)holder, SOL_SOCKET, SO_REUSEADDR, on);
}

/* The system binds a stream socket to a broadcast or multicast address, but nobody can use it. */
static bool is_group(const struct wsd_addr *want)
{
	struct wsd_addr ignored;

	if (want->family != WSD_FAMILY_IPV4 || want->bytes[0] == 0 || want->bytes[0] == 127)
		return false;
	return (want->bytes[0] & 0xf0) == 0xe0 || wsd_os_route(want, &ignored) == WSD_EUNREACHABLE;
}

enum wsd_status wsd_os_port_hold(const struct wsd_addr *want, bool reuse, intptr_t *holder,
				 uint16_t *port)
{
	const WSPPROC_TABLE *base = wsd_windows_net();
	union wsd_sockaddr sa;
	int length = wsd_windows_to_sockaddr(&sa, want, want->port), error = 0;
	struct wsd_addr bound;
	SOCKET s;

	if (is_group(want))
		return WSD_EADDRNOTAVAIL;
	s = wsd_windows_socket(sa.any.sa_family, SOCK_STREAM, &error);
	if (s == INVALID_SOCKET)
		return from_error(error);
	/* IPv6 ports are a space of their own. */
	if (sa.any.sa_family == AF_INET6)
		(void)set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (reuse)
		wsd_os_port_set_reuse((intptr_t)s, true);
	if (base->lpWSPBind(s, &sa.any, length, &error) == 0) {
		length = sizeof(sa);
		if (base->lpWSPGetSockName(s, &sa.any, &length, &error) == 0) {
			wsd_windows_from_sockaddr(&bound, &sa);
			*holder = (intptr_t)s;
			*port = bound.port;
			return WSD_OK;
		}
	}
	wsd_windows_closesocket(s);
	return from_error(error);
}

void wsd_os_port_drop(intptr_t holder)
{
	if (holder >= 0)
		wsd_windows_closesocket((SOCKET)holder);
}

enum wsd_status wsd_os_route(const struct wsd_addr *remote, struct wsd_addr *local)
{
	return wsd_windows_route(NULL, remote, local);
}

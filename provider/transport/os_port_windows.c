// SPDX-License-Identifier: BSD-2-Clause
/* os_port_windows.c - holds TCP ports with bound, never listening sockets of the system's base provider. */
#include "provider/transport/os_port.h"
#include "provider/transport/os_socket_windows.h"

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

bool wsd_os_port_shares_from_bind(void)
{
	return true;
}

void wsd_os_port_set_reuse(intptr_t holder, bool on)
{
	if (holder >= 0)
		(void)wsd_os_socket_set(wsd_os_socket_of(holder), SOL_SOCKET, SO_REUSEADDR, on);
}

/* The system binds a stream socket to a broadcast or multicast address, but nobody can use it. */
static bool is_group(const struct wsd_addr *want)
{
	struct wsd_addr ignored;

	if (want->family != WSD_FAMILY_IPV4 || want->bytes[0] == 0 || want->bytes[0] == 127)
		return false;
	return (want->bytes[0] & 0xf0) == 0xe0 || wsd_os_route(want, &ignored) == WSD_EUNREACHABLE;
}

static enum wsd_status new_socket(int family, intptr_t *number)
{
	int error = 0;
	SOCKET s = wsd_windows_socket(family, SOCK_STREAM, &error);
	enum wsd_status status;

	if (s == INVALID_SOCKET)
		return from_error(error);
	status = wsd_os_socket_new(s, number);
	/* IPv6 ports are a space of their own. */
	if (status == WSD_OK && family == AF_INET6)
		(void)wsd_os_socket_set(wsd_os_socket_of(*number), IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return status;
}

enum wsd_status wsd_os_port_open(uint16_t family, intptr_t *socket)
{
	return new_socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, socket);
}

static bool chosen_port(SOCKET s, uint16_t *port, int *error)
{
	union wsd_sockaddr sa;
	int length = sizeof(sa);
	struct wsd_addr bound;

	if (wsd_windows_net()->lpWSPGetSockName(s, &sa.any, &length, error) != 0)
		return false;
	wsd_windows_from_sockaddr(&bound, &sa);
	*port = bound.port;
	return true;
}

enum wsd_status wsd_os_port_hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				 intptr_t *holder, uint16_t *port)
{
	const WSPPROC_TABLE *base = wsd_windows_net();
	const struct wsd_os_socket *socket;
	union wsd_sockaddr sa;
	int length = wsd_windows_to_sockaddr(&sa, want, want->port), error = 0;
	intptr_t number;
	enum wsd_status status;

	if (is_group(want))
		return WSD_EADDRNOTAVAIL;
	status = new_socket(sa.any.sa_family, &number);
	if (status != WSD_OK)
		return status;
	socket = wsd_os_socket_of(number);
	if (sharing == WSD_PORT_REUSE)
		wsd_os_port_set_reuse(number, true);
	else if (sharing == WSD_PORT_EXCLUSIVE)
		(void)wsd_os_socket_set(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
	if (base->lpWSPBind(socket->s, &sa.any, length, &error) == 0 &&
	    (want->port != 0 || chosen_port(socket->s, port, &error))) {
		*holder = number;
		if (want->port != 0)
			*port = want->port;
		return WSD_OK;
	}
	wsd_os_socket_close(number);
	return from_error(error);
}

void wsd_os_port_drop(intptr_t holder)
{
	if (holder >= 0)
		wsd_os_socket_close(holder);
}

enum wsd_status wsd_os_route(const struct wsd_addr *remote, struct wsd_addr *local)
{
	return wsd_windows_route(NULL, remote, local);
}

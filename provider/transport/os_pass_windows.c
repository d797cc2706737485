// SPDX-License-Identifier: BSD-2-Clause
/*
 * os_pass_windows.c - see os_pass.h: the system's base provider duplicates its sockets for other processes, and what it
 * says of them is the letter. There are no boxes.
 */
#include "provider/transport/os_pass.h"
#include "provider/transport/os_socket_windows.h"

#include <string.h>

#include "rdma_backend/base/base.h"

_Static_assert(sizeof(WSAPROTOCOL_INFOW) == WSD_OS_PASS_LETTER, "letters");

enum wsd_status wsd_os_pass_open(intptr_t *box, uint8_t *name)
{
	*box = -1;
	memset(name, 0, WSD_OS_PASS_BOX);
	return WSD_OK;
}

void wsd_os_pass_close(intptr_t box)
{
	(void)box;
}

enum wsd_status wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
				 uint32_t process, void *letter)
{
	struct wsd_os_socket *given = wsd_os_socket_of(socket);
	WSAPROTOCOL_INFOW info;

	(void)tag;
	(void)name;
	if (!wsd_windows_duplicate(given->s, process, &info))
		return WSD_EUNREACHABLE;
	given->shared = true;
	memcpy(letter, &info, sizeof(info));
	return WSD_OK;
}

static enum wsd_status open_letter(const void *letter, intptr_t *socket)
{
	WSAPROTOCOL_INFOW info;
	enum wsd_status status;
	int error = 0;
	SOCKET s;

	memcpy(&info, letter, sizeof(info));
	s = wsd_windows_socket_of(&info, &error);
	if (s == INVALID_SOCKET)
		return error == WSAEMFILE ? WSD_ENOFILES : WSD_EINVAL;
	status = wsd_os_socket_new(s, socket);
	if (status == WSD_OK)
		wsd_os_socket_of(*socket)->shared = true;
	return status;
}

enum wsd_status wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag, intptr_t *socket)
{
	(void)box;
	(void)tag;
	return open_letter(letter, socket);
}

enum wsd_status wsd_os_pass_twin(intptr_t socket, intptr_t *twin)
{
	uint8_t letter[WSD_OS_PASS_LETTER];
	enum wsd_status status =
		wsd_os_pass_give(socket, 0, NULL, (uint32_t)GetCurrentProcessId(), letter);

	return status == WSD_OK ? open_letter(letter, twin) : status;
}

static bool has_option(SOCKET s, int level, int name, int value)
{
	int found = 0, length = sizeof(found), ignored;

	return wsd_windows_net()->lpWSPGetSockOpt(s, level, name, (char *)&found, &length,
						  &ignored) == 0 &&
	       (value != 0) == (found != 0);
}

bool wsd_os_pass_listens(intptr_t socket, const struct wsd_addr *local)
{
	SOCKET s = wsd_os_socket_of(socket)->s;
	struct wsd_addr addr;

	/* Who listens is a socket of streams, and is given none of another protocol than TCP's. */
	return has_option(s, SOL_SOCKET, SO_ACCEPTCONN, 1) &&
	       (local->family != WSD_FAMILY_IPV6 || has_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
	       wsd_os_tcp_local(socket, &addr) == WSD_OK && wsd_addr_same_end(&addr, local);
}

bool wsd_os_pass_connects(intptr_t socket, const struct wsd_addr *local,
			  const struct wsd_addr *remote)
{
	SOCKET s = wsd_os_socket_of(socket)->s;
	union wsd_sockaddr sa;
	int length = sizeof(sa), error = 0;
	struct wsd_addr addr;

	if (!has_option(s, SOL_SOCKET, SO_ACCEPTCONN, 0) ||
	    wsd_os_tcp_local(socket, &addr) != WSD_OK || !wsd_addr_same_end(&addr, local))
		return false;
	/* What has ended in both directions has no peer, and may have bytes. */
	if (wsd_windows_net()->lpWSPGetPeerName(s, &sa.any, &length, &error) != 0)
		return error == WSAENOTCONN;
	wsd_windows_from_sockaddr(&addr, &sa);
	return wsd_addr_same_end(&addr, remote);
}

bool wsd_os_pass_steals_news(void)
{
	return true;
}

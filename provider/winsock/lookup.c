// SPDX-License-Identifier: BSD-2-Clause
/* lookup.c - from what a caller has to the socket, in both modes. */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

/*
 * In mode S a descriptor is the number of the slot and how often it was used, and odd: no handle of the
 * system is, so that one is not taken for the other.
 */
#define SLOT_BITS 20

SOCKET wsd_socket_descriptor(const struct wsd_socket *sock)
{
	if (sock->mode != WSD_MODE_SAN)
		return sock->handle;
	return ((SOCKET)sock->life << SLOT_BITS | (SOCKET)(sock->context - 1)) << 1 | 1;
}

static struct wsd_socket *slot_of(unsigned mode, SOCKET s)
{
	DWORD_PTR context = 0;
	INT ignored = 0;

	if (mode == WSD_MODE_SAN)
		return s & 1 ? wsd_slot_get((DWORD_PTR)(s >> 1 & ((1u << SLOT_BITS) - 1)) + 1)
			     : NULL;
	if (wsd_upcalls(mode)->table.lpWPUQuerySocketHandleContext(s, &context, &ignored) != 0)
		return NULL;
	return wsd_slot_get(context);
}

struct wsd_socket *wsd_socket_find(unsigned mode, SOCKET s, LPINT error)
{
	struct wsd_socket *sock;
	INT scratch;

	if (error == NULL)
		error = &scratch;
	if (!wsd_provider_started(mode)) {
		*error = WSANOTINITIALISED;
		return NULL;
	}
	sock = slot_of(mode, s);
	if (sock == NULL) {
		*error = WSAENOTSOCK;
		return NULL;
	}
	wsd_mutex_lock(&sock->lock);
	if (sock->closed || sock->mode != mode || wsd_socket_descriptor(sock) != s) {
		wsd_mutex_unlock(&sock->lock);
		*error = WSAENOTSOCK;
		return NULL;
	}
	return sock;
}

struct wsd_socket *wsd_socket_enter(SOCKET s, LPINT error)
{
	struct wsd_socket *sock = wsd_socket_find(WSD_MODE_STREAM, s, error);
	int code;

	if (sock == NULL || !sock->away)
		return sock;
	code = wsd_share_enter(sock);
	if (code == 0)
		return sock;
	if (error != NULL)
		*error = code;
	return NULL;
}

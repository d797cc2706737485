// SPDX-License-Identifier: BSD-2-Clause
/* duplicate.c - WSPDuplicateSocket, and WSPSocket with what it filled in. */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

/* [lock, dropped meanwhile] Of what has begun, only what has ended or can wait for another process. */
static int check_state(struct wsd_socket *sock)
{
	uint64_t deadline = wsd_clock_ns() + wsd_connect_timeout();
	int error = 0;

	while (error == 0 && sock->state == WSD_SOCK_CONNECTING && sock->accepted)
		error = wsd_socket_wait(sock, WSD_CHANGE_CONNECTED, deadline);
	if (error != 0)
		return error == WSAETIMEDOUT ? WSAENETDOWN : error;
	if (sock->state == WSD_SOCK_LISTENING) /* maybe it just begins to, in another's place */
		return 0;
	if (wsd_share_unconnected(sock))
		return sock->reserved ? WSAEINVAL : 0;
	if (sock->state != WSD_SOCK_CONNECTED || sock->stream == NULL)
		return WSAEINVAL;
	if (wsd_stream_is_plain(sock->stream)) /* open, or broken just now */
		return wsd_stream_system(sock->stream) >= 0 ? 0 : WSAEINVAL;
	return wsd_stream_can_move(sock->stream) ? 0 : WSAEOPNOTSUPP;
}

int WSPAPI wsd_spi_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				    LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	uint32_t index = 0;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	wsd_shares_reap();
	error = lpProtocolInfo == NULL ? WSAEFAULT : check_state(sock);
	if (error == 0 && sock->share == NULL)
		error = wsd_share_begin(sock);
	if (error == 0)
		error = wsd_share_give(sock, dwProcessId, &index);
	if (error == 0) {
		wsd_provider_protocol(sock->mode, sock->catalog_id, lpProtocolInfo);
		lpProtocolInfo->dwProviderReserved = index;
	}
	error = wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error;
}

/* [lock] Mode D. */
static int join(struct wsd_socket *sock, const struct wsd_share_record *record,
		const struct wsd_share_kind *kind, uint32_t index)
{
	int error = wsd_share_use(index);

	if (error != 0)
		return error;
	if (kind->connected)
		(void)wsd_socket_move(sock, WSD_SOCK_ON_ESTABLISHED);
	return wsd_share_join(sock, record);
}

/* A descriptor for what the record holds; the token is used up when nothing can fail any more. */
static int attach(const struct wsd_share_kind *kind, struct wsd_share_record *record,
		  uint32_t index, DWORD catalog_id, SOCKET *descriptor)
{
	struct wsd_socket *sock;
	int error = 0;

	sock = wsd_socket_new(kind->mode, (uint16_t)kind->family, catalog_id, kind->overlapped != 0,
			      &error);
	if (sock == NULL)
		return error;
	wsd_mutex_lock(&sock->lock);
	if (kind->mode == WSD_MODE_SAN)
		error = wsd_san_take(sock, record, index);
	else
		error = join(sock, record, kind, index);
	*descriptor = wsd_socket_descriptor(sock);
	if (error != 0)
		wsd_socket_close_now(sock, true, false);
	else
		wsd_socket_leave(sock);
	wsd_socket_unref(sock);
	return error;
}

SOCKET wsd_duplicate_take(unsigned mode, const WSAPROTOCOL_INFOW *info, int *error)
{
	uint32_t index = info->dwProviderReserved;
	WSAPROTOCOL_INFOW entry = *info;
	struct wsd_share_record record;
	SOCKET descriptor = INVALID_SOCKET;
	struct wsd_share_kind kind;

	wsd_shares_reap();
	*error = wsd_share_claim(&record, mode, index, &kind);
	if (*error != 0)
		return INVALID_SOCKET;
	entry.dwProviderReserved = 0;
	*error = attach(&kind, &record, index, wsd_provider_catalog_id(mode, &entry), &descriptor);
	if (*error == 0 && mode == WSD_MODE_STREAM)
		return descriptor;
	wsd_share_close(&record, *error == 0); /* of mode S there is nothing more to know */
	return *error == 0 ? descriptor : INVALID_SOCKET;
}

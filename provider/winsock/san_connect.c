// SPDX-License-Identifier: BSD-2-Clause
/*
 * san_connect.c - mode S: WSPConnect, and what a channel tells its socket.
 *
 * The code that a connect fails with steers the switch above: WSAECONNREFUSED, WSAECONNRESET and
 * WSAEHOSTUNREACH say that TCP would fail too, every other one lets it try over TCP.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/listen.h"
#include "rdma_backend/base/base.h"

int wsd_san_error(enum wsd_status status)
{
	if (status == WSD_NOTFOUND)
		return WSAEFAULT; /* memory that is not registered */
	if (status == WSD_ELENGTH)
		return WSAEMSGSIZE;
	return wsd_error(status, WSD_CALL_OTHER);
}

/* Nobody of ours listens there. A plain TCP server may: that can be known of this host only, where the
 * port would be taken. */
static bool nobody_listens(const struct wsd_addr *remote)
{
	bool here = false;
	intptr_t holder;
	uint16_t port;

	for (unsigned i = 0; i < wsd_engine_count() && !here; i++)
		here = wsd_engine_serves(wsd_engine_at(i), remote);
	if (!here || wsd_os_port_hold(remote, WSD_PORT_DEFAULT, &holder, &port) != WSD_OK)
		return false;
	wsd_os_port_drop(holder);
	return true;
}

static int connect_error(enum wsd_status status, const struct wsd_addr *remote)
{
	switch ((int)status) {
	case WSD_EREFUSED:
		return WSAECONNREFUSED;
	case WSD_ENOLISTENER:
		return nobody_listens(remote) ? WSAECONNRESET : WSAETIMEDOUT;
	case WSD_ENOMEM:
		return WSAENOBUFS;
	case WSD_ENOFILES:
		return WSAEMFILE;
	default:
		return WSAETIMEDOUT;
	}
}

/* The answer of the peer's condition function, into the buffer that the caller lent. */
static void give_answer(struct wsd_socket *sock)
{
	LPWSABUF to = sock->callee_data;
	const void *data;
	uint32_t length;

	sock->callee_data = NULL;
	if (to == NULL)
		return;
	data = wsd_channel_peer_data(sock->channel, &length);
	if (length > to->len || to->buf == NULL)
		length = to->buf == NULL ? 0 : (uint32_t)to->len;
	if (length > 0)
		memcpy(to->buf, data, length);
	to->len = length;
}

static void established(struct wsd_socket *sock)
{
	struct wsd_addr local;

	if (!sock->accepted) {
		wsd_channel_addresses(sock->channel, &local, NULL);
		local.port = sock->local.port;
		if (local.family == sock->family && !wsd_addr_is_any(&local))
			sock->local = local;
		give_answer(sock);
		sock->connect_error = 0;
		wsd_fd_arm(&sock->fd, FD_CONNECT);
	}
	(void)wsd_socket_move(sock, WSD_SOCK_ON_ESTABLISHED);
	sock->connected_at = sock->moved_at;
}

static void failed(struct wsd_socket *sock)
{
	enum wsd_status status = wsd_channel_error(sock->channel);

	wsd_socket_keep_reasons(sock, wsd_channel_take_reasons(sock->channel));
	sock->dead_channel = sock->channel;
	sock->channel = NULL;
	sock->callee_data = NULL;
	if (sock->accepted) {
		wsd_socket_broken(sock, WSD_ERESET);
		return;
	}
	(void)wsd_socket_move(sock, WSD_SOCK_ON_FAILED);
	sock->connect_error = connect_error(status, &sock->remote);
	sock->connect_failed = true;
	sock->error = sock->connect_error;
}

static void connect_settle(struct wsd_socket *sock)
{
	if (sock->state != WSD_SOCK_CONNECTING || sock->channel == NULL)
		return;
	switch (wsd_channel_state(sock->channel)) {
	case WSD_CHANNEL_CONNECTING:
	case WSD_CHANNEL_ENDED:
		break;
	case WSD_CHANNEL_OPEN:
	case WSD_CHANNEL_LOST: /* opened and broken before anybody looked */
		established(sock);
		break;
	case WSD_CHANNEL_FAILED:
		failed(sock);
		break;
	}
}

void wsd_san_settle(struct wsd_socket *sock, unsigned changes)
{
	if (changes & WSD_CHANGE_CONNECTED)
		connect_settle(sock);
	if (sock->channel != NULL && wsd_channel_state(sock->channel) == WSD_CHANNEL_LOST)
		wsd_socket_broken(sock, wsd_channel_error(sock->channel));
	if (changes & WSD_CHANGE_DEAD) {
		sock->dead_channel = sock->channel;
		sock->channel = NULL;
		if (wsd_socket_move(sock, WSD_SOCK_ON_FAILED))
			sock->connect_error = WSAEINTR; /* a blocking call was cancelled */
	}
}

void wsd_san_changed(void *owner, unsigned changes)
{
	struct wsd_socket *sock = owner;

	if (changes & (WSD_CHANNEL_CONNECTED | WSD_CHANNEL_BROKEN | WSD_CHANNEL_MOVED))
		sock->changes |= WSD_CHANGE_CONNECTED | WSD_CHANGE_IO;
	if (changes & WSD_CHANNEL_DEAD)
		sock->changes |= WSD_CHANGE_DEAD;
}

/* --- the call --- */

static int start(struct wsd_socket *sock, const struct wsd_addr *remote, const WSABUF *data,
		 LPWSABUF callee_data)
{
	struct wsd_channel_options options = { .connect_timeout = wsd_connect_timeout() };
	struct wsd_addr any = { .family = sock->family };
	enum wsd_status status;
	int error;

	if (sock->dead_channel != NULL)
		return WSAENOBUFS; /* a failed attempt is still being cleared away */
	if (data != NULL && data->len > 0) {
		options.data = data->buf;
		options.data_length = (uint32_t)data->len;
	}
	if (sock->state == WSD_SOCK_NEW) {
		error = wsd_socket_bind(sock, &any);
		if (error != 0)
			return error == WSAEADDRINUSE ? WSAENOBUFS : error;
	}
	sock->remote = *remote;
	sock->connect_failed = false;
	sock->connect_told = false;
	sock->connect_error = -1;
	wsd_fd_arm(&sock->fd, FD_CONNECT);
	status = wsd_channel_connect(&sock->channel, &wsd_socket_channel_owner, sock, &sock->local,
				     remote, &options);
	if (status != WSD_PENDING) {
		sock->connect_error = connect_error(status, remote);
		sock->error = sock->connect_error;
		return sock->connect_error;
	}
	sock->callee_data = callee_data;
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_CONNECT);
	return 0;
}

int WSPAPI wsd_san_connect(SOCKET s, const struct sockaddr *name, int namelen,
			   LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
			   LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	struct wsd_addr remote;
	int error;

	(void)lpGQOS; /* reserved */
	if (sock == NULL)
		return SOCKET_ERROR;
	error = wsd_connect_state(sock);
	if (error == 0)
		error = wsd_connect_address(sock, name, namelen, &remote);
	if (error == 0 && lpCallerData != NULL && lpCallerData->len > 0 &&
	    (lpCallerData->buf == NULL || lpCallerData->len > WSD_CALLER_DATA_MAX))
		error = WSAEFAULT;
	if (error == 0 && lpSQOS != NULL)
		error = WSAEOPNOTSUPP;
	if (error == 0)
		error = start(sock, &remote, lpCallerData, lpCalleeData);
	if (error != 0)
		return wsd_socket_return(sock, error, lpErrno);
	return wsd_connect_begun(sock, lpErrno);
}

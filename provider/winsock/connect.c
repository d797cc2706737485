// SPDX-License-Identifier: BSD-2-Clause
/* connect.c - WSPConnect and what happens when an attempt ends. */
#include "provider/winsock/qos.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

void wsd_socket_tune(struct wsd_socket *sock)
{
	const struct wsd_socket_options *o = &sock->options;

	if (sock->stream == NULL || sock->state == WSD_SOCK_CLOSED)
		return;
	if (o->receive_buffer_set)
		wsd_stream_set_receive_buffer(sock->stream, o->receive_buffer);
	wsd_stream_tune(sock->stream, o->zcopy_min, o->receive_buffer == 0);
}

void wsd_socket_apply_options(struct wsd_socket *sock)
{
	const struct wsd_socket_options *o = &sock->options;

	if (sock->stream == NULL || sock->state == WSD_SOCK_CLOSED)
		return;
	wsd_stream_set_urgent_inline(sock->stream, o->oob_inline);
	wsd_stream_set_nodelay(sock->stream, o->nodelay);
	wsd_stream_set_traffic_class(sock->stream, o->traffic_class);
	wsd_stream_set_hops(sock->stream, o->hops);
	wsd_stream_set_priority(sock->stream, (uint32_t)o->group_priority);
	wsd_socket_tune(sock);
	/* Standard is off: a stream that never had keep-alive needs no timer. */
	if (o->keepalive || sock->state == WSD_SOCK_CONNECTED)
		wsd_stream_set_keepalive(sock->stream,
					 o->keepalive ? o->keep_idle * WSD_NS_PER_MS : 0,
					 o->keep_interval * WSD_NS_PER_MS, o->keep_count);
}

int wsd_socket_set_qos(struct wsd_socket *sock, const struct wsd_qos *qos)
{
	enum wsd_status status = WSD_OK;

	if (sock->state == WSD_SOCK_CONNECTING && !sock->accepted)
		return WSAEINVAL; /* the peer is being told something else */
	if (sock->stream != NULL)
		status = wsd_stream_set_qos(sock->stream, qos);
	else if (!wsd_stream_qos_possible(qos))
		status = WSD_EUNSUPPORTED;
	if (status != WSD_OK)
		return wsd_error(status, WSD_CALL_OTHER);
	if (sock->listener != NULL)
		wsd_listener_set_qos(sock->listener, qos);
	sock->options.qos = *qos;
	sock->roster_news = true;
	return 0;
}

/* [lock] The result of connecting for a ConnectEx that waits for it. */
static void finish_op(struct wsd_socket *sock, int error)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &sock->queues[WSD_Q_CONTROL]) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		if (op->kind != WSD_OP_KIND_CONNECT)
			continue;
		if (error != 0 || op->total == 0) {
			wsd_op_finish(sock, op, error);
			continue;
		}
		/* Its first data goes out before anything else. */
		wsd_list_remove(&op->link);
		wsd_list_prepend(&sock->queues[WSD_Q_SEND], &op->link);
	}
}

static void established(struct wsd_socket *sock)
{
	struct wsd_addr local, remote;

	wsd_stream_addresses(sock->stream, &local, &remote);
	if (local.family == sock->local.family && !wsd_addr_is_any(&local)) {
		if (!sock->accepted && sock->port != NULL)
			local.port = sock->local.port;
		sock->local = local;
	}
	(void)wsd_socket_move(sock, WSD_SOCK_ON_ESTABLISHED);
	sock->connected_at = sock->moved_at;
	if (!sock->accepted) {
		sock->connect_error = 0;
		wsd_fd_arm(&sock->fd, FD_CONNECT | FD_WRITE);
	}
	wsd_socket_apply_options(sock);
	finish_op(sock, 0);
	sock->changes |= WSD_CHANGE_IO;
}

static void failed(struct wsd_socket *sock)
{
	int error = wsd_error(wsd_stream_error(sock->stream), WSD_CALL_CONNECT);

	if (error == 0)
		error = WSAETIMEDOUT;
	if (sock->accepted) {
		(void)wsd_socket_move(sock, WSD_SOCK_ON_BROKEN);
		sock->broken_error = WSAECONNRESET;
		sock->error = WSAECONNRESET;
		wsd_socket_drop_stream(sock);
		sock->changes |= WSD_CHANGE_IO;
		return;
	}
	(void)wsd_socket_move(sock, WSD_SOCK_ON_FAILED);
	(void)wsd_port_connect(sock->port, NULL);
	(void)wsd_socket_hold_port(sock); /* it is bound from now on */
	wsd_socket_turn_back(sock);
	wsd_socket_drop_stream(sock);
	sock->connect_error = error;
	sock->connect_failed = true;
	sock->error = error;
	finish_op(sock, error);
}

void wsd_connect_settle(struct wsd_socket *sock)
{
	if (sock->state != WSD_SOCK_CONNECTING || sock->stream == NULL)
		return;
	switch (wsd_stream_state(sock->stream)) {
	case WSD_STREAM_IDLE:
	case WSD_STREAM_CONNECTING:
		break;
	case WSD_STREAM_OPEN:
		established(sock);
		break;
	case WSD_STREAM_RESET: /* opened and broken before anybody looked */
		established(sock);
		wsd_socket_broken(sock, wsd_stream_error(sock->stream));
		break;
	case WSD_STREAM_FAILED:
	case WSD_STREAM_DEAD:
		failed(sock);
		break;
	}
}

struct wsd_qos wsd_socket_qos(const struct wsd_socket *sock)
{
	struct wsd_qos qos = sock->options.qos;

	if (sock->stream != NULL && sock->state != WSD_SOCK_CONNECTING)
		(void)wsd_stream_qos(sock->stream, &qos);
	return qos;
}

int wsd_connect_start(struct wsd_socket *sock, const struct wsd_addr *remote,
		      const struct wsd_qos *qos)
{
	struct wsd_stream_options options = { .connect_timeout = wsd_connect_timeout(),
					      .zcopy_min = sock->options.zcopy_min,
					      .posted_only = sock->options.receive_buffer == 0,
					      .traffic_class = sock->options.traffic_class,
					      .hops = sock->options.hops,
					      .qos = *qos };
	enum wsd_status status;
	char *reasons;
	int error;

	if (sock->zombie_count + 1 >= WSD_ZOMBIES)
		return WSAENOBUFS; /* failed attempts are still being cleared away */
	error = wsd_socket_turn(sock, remote);
	if (error == 0 && wsd_port_connect(sock->port, remote) != WSD_OK)
		error = WSAEADDRINUSE;
	if (error != 0) {
		wsd_socket_turn_back(sock);
		return error;
	}
	sock->remote = *remote;
	sock->connect_failed = false;
	sock->connect_told = false;
	sock->connect_error = -1;
	wsd_fd_arm(&sock->fd, FD_CONNECT | FD_CLOSE);
	status = wsd_stream_connect(&sock->stream, &wsd_socket_stream_owner, sock, &sock->local,
				    remote, &options, &reasons);
	wsd_socket_keep_reasons(sock, reasons);
	if (status != WSD_PENDING && status != WSD_OK) {
		(void)wsd_port_connect(sock->port, NULL);
		wsd_socket_turn_back(sock);
		sock->connect_error = wsd_error(status, WSD_CALL_CONNECT);
		sock->error = sock->connect_error;
		return sock->connect_error;
	}
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_CONNECT);
	sock->changes |= WSD_CHANGE_CONNECTED; /* it may be open already */
	return 0;
}

int wsd_connect_state(const struct wsd_socket *sock)
{
	switch (sock->state) {
	case WSD_SOCK_NEW:
	case WSD_SOCK_BOUND:
		return sock->reserved ? WSAEINVAL : 0;
	case WSD_SOCK_CONNECTING:
		return WSAEALREADY;
	case WSD_SOCK_LISTENING:
		return WSAEINVAL;
	case WSD_SOCK_CONNECTED:
	case WSD_SOCK_BROKEN:
		return WSAEISCONN;
	case WSD_SOCK_CLOSED:
	case WSD_SOCK_STATES:
		break;
	}
	return WSAENOTSOCK;
}

int wsd_connect_address(const struct wsd_socket *sock, const struct sockaddr *name, int namelen,
			struct wsd_addr *remote)
{
	int error = wsd_socket_decode(sock, name, namelen, remote);

	if (error != 0)
		return error;
	if (wsd_addr_is_any(remote) || remote->port == 0)
		return WSAEADDRNOTAVAIL;
	return 0;
}

static int wait_connected(struct wsd_socket *sock)
{
	wsd_socket_settle(sock); /* the first path may have been the last */
	while (sock->state == WSD_SOCK_CONNECTING && !sock->closed) {
		int error = wsd_socket_wait(sock, WSD_CHANGE_CONNECTED, WSD_FOREVER);

		if (error != 0 && !sock->closed && sock->state == WSD_SOCK_CONNECTING) {
			if (sock->stream != NULL)
				wsd_stream_close(sock->stream, true, 0);
			if (sock->channel != NULL)
				wsd_channel_close(sock->channel);
		}
		if (error != 0)
			return error;
	}
	if (sock->closed)
		return WSAEINTR;
	return sock->connect_error > 0 ? sock->connect_error : 0;
}

int wsd_connect_begun(struct wsd_socket *sock, LPINT lpErrno)
{
	int error;

	if (sock->nonblocking)
		return wsd_socket_return(sock, WSAEWOULDBLOCK, lpErrno);
	wsd_socket_ref(sock);
	error = wait_connected(sock);
	(void)wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error == 0 ? 0 : SOCKET_ERROR;
}

int WSPAPI wsd_spi_connect(SOCKET s, const struct sockaddr *name, int namelen,
			   LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
			   LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	struct wsd_addr remote;
	struct wsd_qos qos;
	int error;

	(void)lpGQOS; /* reserved */
	if (sock == NULL)
		return SOCKET_ERROR;
	qos = sock->options.qos;
	error = wsd_connect_state(sock);
	if (error == 0)
		error = wsd_connect_address(sock, name, namelen, &remote);
	if (error == 0 && lpCallerData != NULL && lpCallerData->len > 0)
		error = WSAEPROTONOSUPPORT;
	if (error == 0 && !sock->nonblocking && wsd_wait_running())
		error = WSAEINPROGRESS;
	if (error == 0 && lpSQOS != NULL)
		error = wsd_qos_parse(lpSQOS, &qos, &qos);
	if (error == 0 && !wsd_stream_qos_possible(&qos))
		error = WSAEOPNOTSUPP;
	if (error == 0)
		error = wsd_connect_start(sock, &remote, &qos);
	if (error != 0)
		return wsd_socket_return(sock, error, lpErrno);
	if (lpCalleeData != NULL)
		lpCalleeData->len = 0;
	return wsd_connect_begun(sock, lpErrno);
}

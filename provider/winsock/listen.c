// SPDX-License-Identifier: BSD-2-Clause
/* listen.c - WSPListen. */
#include "provider/winsock/spi_calls.h"

#include "provider/transport/path.h"
#include "provider/transport/plain.h"
#include "provider/winsock/share.h"

#define BACKLOG_MOST	   4096
#define BACKLOG_SOMAXCONN  512
#define BACKLOG_HINT_LEAST 200

static unsigned clamp_backlog(int backlog)
{
	if (backlog == SOMAXCONN)
		return BACKLOG_SOMAXCONN;
	if (backlog < 0) { /* SOMAXCONN_HINT(n) is -n */
		backlog = backlog < -BACKLOG_MOST ? BACKLOG_MOST : -backlog;
		return backlog < BACKLOG_HINT_LEAST ? BACKLOG_HINT_LEAST : (unsigned)backlog;
	}
	if (backlog == 0)
		return 1;
	return backlog > BACKLOG_MOST ? BACKLOG_MOST : (unsigned)backlog;
}

static void options_of(const struct wsd_socket *sock, struct wsd_listener_options *options)
{
	*options = (struct wsd_listener_options){ .backlog = sock->backlog,
						  .conditional = sock->options.conditional,
						  .shared = sock->share != NULL,
						  .traffic_class = sock->options.traffic_class,
						  .posted_only = sock->options.receive_buffer == 0,
						  .qos = sock->options.qos };
}

bool wsd_socket_serves_plain(const struct wsd_addr *local)
{
	return wsd_engine_plain() != NULL && wsd_paths_listen(local, wsd_engine_plain());
}

unsigned wsd_socket_ends(const struct wsd_socket *sock, struct wsd_listener_end *ends)
{
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		ends[i] = (struct wsd_listener_end){ sock->local, -1 };
	if (!wsd_socket_is_of_both(sock))
		return 1;
	ends[1].local.family = WSD_FAMILY_IPV4; /* any is any */
	return 2;
}

/* [lock] The same with the system's sockets for peers without OpenWSD, but for those that it has already. */
static unsigned ends_of(struct wsd_socket *sock, struct wsd_listener_end *ends)
{
	unsigned count = wsd_socket_ends(sock, ends);

	for (unsigned i = 0; i < count; i++)
		if (wsd_socket_serves_plain(&ends[i].local) &&
		    (sock->listener == NULL || wsd_listener_system(sock->listener, i) < 0))
			ends[i].socket = wsd_port_take(sock->port, ends[i].local.family,
						       wsd_share_mates(sock));
	return count;
}

/* [lock] Opening waits for the engines, so the lock is dropped; the socket is reserved meanwhile.
 */
static int open_listener(struct wsd_socket *sock)
{
	struct wsd_addr local = sock->local;
	struct wsd_listener *listener = NULL;
	struct wsd_acceptor *acceptor = NULL;
	struct wsd_listener_end ends[WSD_LISTENER_ENDS];
	struct wsd_listener_options options;
	enum wsd_status status;
	unsigned count = 0;

	options_of(sock, &options);
	if (sock->mode == WSD_MODE_STREAM)
		count = ends_of(sock, ends);
	sock->reserved = true;
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
	wsd_mutex_unlock(&sock->lock);
	if (sock->mode == WSD_MODE_SAN)
		status = wsd_acceptor_open(&acceptor, &wsd_socket_acceptor_owner, sock, &local,
					   options.backlog);
	else
		status = wsd_listener_open(&listener, &wsd_socket_listener_owner, sock, ends, count,
					   &options);
	wsd_mutex_lock(&sock->lock);
	sock->reserved = false;
	if (status != WSD_OK) {
		wsd_port_restore(sock->port, false);
		wsd_streams_count(sock->mode, -1);
		return wsd_error(status, WSD_CALL_LISTEN);
	}
	sock->listener = listener;
	sock->acceptor = acceptor;
	if (sock->closed) {
		wsd_socket_stop_listening(sock);
		sock->kick_all = true;
		return WSAENOTSOCK;
	}
	(void)wsd_socket_move(sock, WSD_SOCK_ON_LISTEN);
	sock->changes |= WSD_CHANGE_ARRIVED;
	return 0;
}

int wsd_socket_start_listening(struct wsd_socket *sock)
{
	struct wsd_listener *listener = sock->listener;
	struct wsd_listener_end ends[WSD_LISTENER_ENDS];
	struct wsd_listener_options options;
	enum wsd_status status;
	unsigned count;

	options_of(sock, &options);
	wsd_listener_set_options(listener, &options);
	count = ends_of(sock, ends);
	sock->reserved = true;
	wsd_mutex_unlock(&sock->lock);
	status = wsd_listener_start(listener, ends, count);
	wsd_mutex_lock(&sock->lock);
	sock->reserved = false;
	if (status != WSD_OK)
		wsd_port_restore(sock->port, false);
	return wsd_error(status, WSD_CALL_LISTEN);
}

int wsd_socket_listen(struct wsd_socket *sock, unsigned backlog)
{
	int error;

	sock->backlog = backlog;
	error = open_listener(sock);
	if (sock->listener == NULL && sock->acceptor == NULL)
		wsd_socket_unref(sock); /* the listener's, which never was */
	return error;
}

unsigned wsd_listener_wanted(void *owner)
{
	const struct wsd_socket *sock = owner;
	unsigned count = (sock->fd.mask & FD_ACCEPT) != 0;
	struct wsd_list *node;

	if (sock->away || sock->closed)
		return 0;
	wsd_list_for_each(node, &sock->queues[WSD_Q_ACCEPT])
		count++;
	wsd_list_for_each(node, &sock->waiters)
		if (wsd_container(node, struct wsd_wait_node, link)->interest & WSD_CHANGE_ARRIVED)
			count++;
	return count;
}

void wsd_socket_stop_listening(struct wsd_socket *sock)
{
	if (sock->listener != NULL)
		wsd_listener_close(sock->listener);
	if (sock->acceptor != NULL)
		wsd_acceptor_close(sock->acceptor);
	sock->kick_all = sock->kick_all || sock->listener != NULL || sock->acceptor != NULL;
}

static void set_backlog(struct wsd_socket *sock, unsigned backlog)
{
	sock->backlog = backlog;
	if (sock->listener != NULL)
		wsd_listener_set_backlog(sock->listener, backlog);
	if (sock->acceptor != NULL)
		wsd_acceptor_set_backlog(sock->acceptor, backlog);
	sock->kick_all = true;
}

static int listen_entered(struct wsd_socket *sock, int backlog, LPINT lpErrno)
{
	int error = 0;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (sock->state == WSD_SOCK_LISTENING) {
		set_backlog(sock, clamp_backlog(backlog));
	} else if (sock->state == WSD_SOCK_CONNECTED || sock->state == WSD_SOCK_BROKEN) {
		error = WSAEISCONN;
	} else if (sock->state != WSD_SOCK_BOUND || sock->reserved) {
		error = WSAEINVAL;
	} else {
		wsd_socket_ref(sock);
		if (sock->share != NULL) {
			sock->reserved = true; /* the seat stays */
			wsd_share_listens(sock);
			sock->reserved = false;
		}
		error = sock->closed ? WSAENOTSOCK
				     : wsd_socket_listen(sock, clamp_backlog(backlog));
		if (error != 0 && sock->share != NULL)
			wsd_share_listens_not(sock);
		(void)wsd_socket_return(sock, error, lpErrno);
		wsd_socket_unref(sock);
		return error == 0 ? 0 : SOCKET_ERROR;
	}
	return wsd_socket_return(sock, error, lpErrno);
}

int WSPAPI wsd_spi_listen(SOCKET s, int backlog, LPINT lpErrno)
{
	return listen_entered(wsd_socket_enter(s, lpErrno), backlog, lpErrno);
}

int WSPAPI wsd_san_listen(SOCKET s, int backlog, LPINT lpErrno)
{
	return listen_entered(wsd_san_enter(s, lpErrno), backlog, lpErrno);
}

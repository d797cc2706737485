// SPDX-License-Identifier: BSD-2-Clause
/* bind.c - WSPSocket, WSPBind and the names of a socket. */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/listen.h"
#include "provider/winsock/routine.h"
#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define KNOWN_FLAGS                                                                           \
	(WSA_FLAG_OVERLAPPED | WSA_FLAG_ACCESS_SYSTEM_SECURITY | WSA_FLAG_NO_HANDLE_INHERIT | \
	 WSA_FLAG_REGISTERED_IO)
#define MULTIPOINT_FLAGS                                                                        \
	(WSA_FLAG_MULTIPOINT_C_ROOT | WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_ROOT | \
	 WSA_FLAG_MULTIPOINT_D_LEAF)

/* Replace FROM_PROTOCOL_INFO and wildcards by values. */
static int resolve(int *af, int *type, int *protocol, const WSAPROTOCOL_INFOW *info)
{
	if (info == NULL && (*af == FROM_PROTOCOL_INFO || *type == FROM_PROTOCOL_INFO ||
			     *protocol == FROM_PROTOCOL_INFO))
		return WSAEINVAL;
	if (*af == FROM_PROTOCOL_INFO || (*af == 0 && info != NULL))
		*af = info->iAddressFamily;
	if (*type == FROM_PROTOCOL_INFO || (*type == 0 && info != NULL))
		*type = info->iSocketType;
	if (*protocol == FROM_PROTOCOL_INFO)
		*protocol = info->iProtocol;
	if (*af == 0)
		*af = AF_INET;
	if (*type == 0)
		*type = SOCK_STREAM;
	if (*protocol == 0)
		*protocol = IPPROTO_TCP;
	return 0;
}

static int check_kind(int af, int type, int protocol, GROUP g, DWORD flags)
{
	if (wsd_family_of(af) == WSD_FAMILY_NONE)
		return WSAEAFNOSUPPORT;
	if (type != SOCK_STREAM)
		return WSAESOCKTNOSUPPORT;
	if (protocol == IPPROTO_UDP)
		return WSAEPROTOTYPE;
	if (protocol != IPPROTO_TCP)
		return WSAEPROTONOSUPPORT;
	if (g > SG_CONSTRAINED_GROUP || (flags & MULTIPOINT_FLAGS) != 0 ||
	    (flags & ~(DWORD)(KNOWN_FLAGS | MULTIPOINT_FLAGS)) != 0)
		return WSAEINVAL;
	return 0;
}

static SOCKET make_socket(unsigned mode, int af, int type, int protocol,
			  LPWSAPROTOCOL_INFOW lpProtocolInfo, GROUP g, DWORD dwFlags, LPINT lpErrno)
{
	INT scratch, *out = lpErrno != NULL ? lpErrno : &scratch;
	struct wsd_socket *sock;
	DWORD catalog_id;
	SOCKET handle;
	int error;

	if (!wsd_provider_started(mode)) {
		*out = WSANOTINITIALISED;
		return INVALID_SOCKET;
	}
	(void)wsd_due_reap();
	error = resolve(&af, &type, &protocol, lpProtocolInfo);
	if (error == 0)
		error = check_kind(af, type, protocol, g, dwFlags);
	if (error != 0) {
		*out = error;
		return INVALID_SOCKET;
	}
	if (lpProtocolInfo != NULL && lpProtocolInfo->dwProviderReserved != 0)
		return wsd_duplicate_take(mode, lpProtocolInfo, out);
	catalog_id = wsd_provider_catalog_id(mode, lpProtocolInfo);
	sock = wsd_socket_new(mode, wsd_family_of(af), catalog_id,
			      (dwFlags & WSA_FLAG_OVERLAPPED) != 0, &error);
	if (sock == NULL) {
		*out = error;
		return INVALID_SOCKET;
	}
	handle = wsd_socket_descriptor(sock);
	wsd_socket_unref(sock);
	return handle;
}

SOCKET WSPAPI wsd_spi_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			     GROUP g, DWORD dwFlags, LPINT lpErrno)
{
	return make_socket(WSD_MODE_STREAM, af, type, protocol, lpProtocolInfo, g, dwFlags,
			   lpErrno);
}

SOCKET WSPAPI wsd_san_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			     GROUP g, DWORD dwFlags, LPINT lpErrno)
{
	return make_socket(WSD_MODE_SAN, af, type, protocol, lpProtocolInfo, g, dwFlags, lpErrno);
}

static enum wsd_port_sharing sharing_of(const struct wsd_socket *sock)
{
	if (sock->options.exclusive)
		return WSD_PORT_EXCLUSIVE;
	return sock->options.reuse ? WSD_PORT_REUSE : WSD_PORT_DEFAULT;
}

/* Would that be an address of both families? */
static bool is_of_both(const struct wsd_socket *sock, const struct wsd_addr *want)
{
	return wsd_socket_is_dual(sock) && want->family == WSD_FAMILY_IPV6 && wsd_addr_is_any(want);
}

static enum wsd_status hold(struct wsd_socket *sock, const struct wsd_addr *want,
			    struct wsd_addr *got)
{
	return is_of_both(sock, want) ? wsd_port_hold_both(want, sharing_of(sock), &sock->port, got)
				      : wsd_port_hold(want, sharing_of(sock), &sock->port, got);
}

bool wsd_socket_is_of_both(const struct wsd_socket *sock)
{
	return sock->port != NULL ? wsd_port_is_both(sock->port) : is_of_both(sock, &sock->local);
}

int wsd_socket_take_port(struct wsd_socket *sock)
{
	struct wsd_port *before = sock->port;
	bool listens[WSD_LISTENER_ENDS];
	int error;

	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		listens[i] = sock->listener != NULL && wsd_listener_system(sock->listener, i) >= 0;
	error = wsd_error(wsd_port_inherit(&sock->local, is_of_both(sock, &sock->local), listens,
					   sharing_of(sock), &sock->port),
			  WSD_CALL_BIND);
	wsd_port_release(before);
	return error;
}

void wsd_socket_give_port(struct wsd_socket *sock)
{
	wsd_port_step_aside(sock->port);
	sock->port = NULL;
}

static enum wsd_status hold_any_port(struct wsd_socket *sock)
{
	struct wsd_addr any = { .family = sock->family }, got;
	enum wsd_status status = hold(sock, &any, &got);

	if (status == WSD_OK) {
		got.family = sock->local.family; /* it may be turned */
		sock->local = got;
	}
	return status == WSD_EADDRINUSE ? WSD_ENOMEM : status; /* all are taken */
}

void wsd_socket_turn_back(struct wsd_socket *sock)
{
	bool both = sock->port != NULL ? wsd_port_is_both(sock->port)
				       : wsd_socket_is_dual(sock) && wsd_addr_is_any(&sock->local);

	if (both)
		sock->local = (struct wsd_addr){ .family = sock->family, .port = sock->local.port };
}

int wsd_socket_turn(struct wsd_socket *sock, const struct wsd_addr *remote)
{
	if (wsd_addr_is_mapped(remote)) /* the socket is not dual, and IPv6 has no such host */
		return WSAENETUNREACH;
	if (sock->local.family == remote->family)
		return 0;
	if (!wsd_socket_is_of_both(sock))
		return WSAENETUNREACH;
	sock->local = (struct wsd_addr){ .family = remote->family, .port = sock->local.port };
	return 0;
}

enum wsd_status wsd_socket_hold_port(struct wsd_socket *sock)
{
	if (sock->port == NULL)
		return hold_any_port(sock);
	wsd_port_restore(sock->port, false); /* it may have been lent to the system's TCP */
	return WSD_OK;
}

enum wsd_status wsd_socket_change_port(struct wsd_socket *sock)
{
	struct wsd_port *before = sock->port;
	enum wsd_status status = hold_any_port(sock);

	if (status == WSD_OK)
		wsd_port_release(before); /* not earlier, or it could be the same again */
	else
		sock->port = before;
	return status;
}

/* What the system has chosen when it connected only the stream knows. */
struct wsd_addr wsd_socket_known_local(const struct wsd_socket *sock)
{
	struct wsd_addr local = sock->local, chosen;

	if (sock->stream == NULL)
		return local;
	wsd_stream_addresses(sock->stream, &chosen, NULL);
	if (local.port == 0)
		local.port = chosen.port;
	if (sock->state != WSD_SOCK_CONNECTING && wsd_addr_is_any(&local) &&
	    chosen.family == local.family) {
		chosen.port = local.port;
		local = chosen;
	}
	return local;
}

struct wsd_addr wsd_socket_local(struct wsd_socket *sock)
{
	if (sock->stream != NULL && sock->state != WSD_SOCK_CONNECTING)
		wsd_stream_name(sock->stream);
	return wsd_socket_known_local(sock);
}

int wsd_socket_bind(struct wsd_socket *sock, const struct wsd_addr *want)
{
	enum wsd_status status = hold(sock, want, &sock->local);

	if (status != WSD_OK)
		return wsd_error(status, WSD_CALL_BIND);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_BIND);
	return 0;
}

/* Under a switch the port is TCP/IP's, which has arbitrated; only the address has to be one of ours. */
static int bind_given(struct wsd_socket *sock, const struct wsd_addr *want)
{
	bool served = false;

	for (unsigned i = 0; i < wsd_engine_count() && !served; i++)
		served = wsd_engine_serves(wsd_engine_at(i), want);
	if (!served)
		return WSAEADDRNOTAVAIL;
	sock->local = *want;
	(void)wsd_socket_move(sock, WSD_SOCK_ON_BIND);
	return 0;
}

static int bind_entered(struct wsd_socket *sock, const struct sockaddr *name, int namelen,
			LPINT lpErrno)
{
	struct wsd_addr want;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	error = wsd_socket_decode(sock, name, namelen, &want);
	if (error == WSAEAFNOSUPPORT)
		error = WSAEFAULT;
	if (error == 0 && (sock->state != WSD_SOCK_NEW || sock->reserved))
		error = WSAEINVAL;
	if (error == 0 && sock->mode == WSD_MODE_SAN && want.port != 0)
		error = bind_given(sock, &want);
	else if (error == 0)
		error = wsd_socket_bind(sock, &want);
	if (error == 0)
		sock->bound = true;
	return wsd_socket_return(sock, error, lpErrno);
}

int WSPAPI wsd_spi_bind(SOCKET s, const struct sockaddr *name, int namelen, LPINT lpErrno)
{
	(void)wsd_due_reap(); /* one of them may hold the port */
	return bind_entered(wsd_socket_enter(s, lpErrno), name, namelen, lpErrno);
}

int WSPAPI wsd_san_bind(SOCKET s, const struct sockaddr *name, int namelen, LPINT lpErrno)
{
	return bind_entered(wsd_san_enter(s, lpErrno), name, namelen, lpErrno);
}

int WSPAPI wsd_spi_get_sock_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	struct wsd_addr local;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	local = wsd_socket_local(sock);
	if (name == NULL || namelen == NULL)
		error = WSAEFAULT;
	else if (sock->state == WSD_SOCK_NEW)
		error = WSAEINVAL;
	else
		error = wsd_socket_encode(sock, &local, name, namelen);
	return wsd_socket_return(sock, error, lpErrno);
}

int WSPAPI wsd_spi_get_peer_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (name == NULL || namelen == NULL)
		error = WSAEFAULT;
	else if (sock->state != WSD_SOCK_CONNECTED && !(sock->accepted && !sock->closed))
		error = WSAENOTCONN;
	else
		error = wsd_socket_encode(sock, &sock->remote, name, namelen);
	return wsd_socket_return(sock, error, lpErrno);
}

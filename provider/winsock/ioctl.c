// SPDX-License-Identifier: BSD-2-Clause
/* ioctl.c - WSPIoctl: one table from code to handler. */
#include "provider/transport/plain.h"
#include "provider/winsock/netwatch.h"
#include "provider/winsock/qos.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include <openwsd/mstcpip.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define ADDRESSES_MAX 256u

struct ioctl_call {
	const void *in;
	DWORD in_size;
	void *out;
	DWORD out_size;
	DWORD bytes; /* returned; also the size needed when error is WSAEFAULT */
	bool overlapped;
	unsigned notice; /* WSD_NET_*: what its pending operation waits for */
};

/* With the lock held; 0 or a WSA code. WSA_IO_PENDING: completes with the next change. */
typedef int (*ioctl_fn)(struct wsd_socket *sock, struct ioctl_call *call);

struct ioctl_row {
	DWORD code;
	DWORD in_least, out_least;
	ioctl_fn run;
};

/* --- modes and state --- */

static int do_fionbio(struct wsd_socket *sock, struct ioctl_call *call)
{
	u_long value;

	memcpy(&value, call->in, sizeof(value));
	if (value == 0 && sock->fd.mask != 0)
		return WSAEINVAL;
	sock->nonblocking = value != 0;
	return 0;
}

static int put(struct ioctl_call *call, const void *value, size_t size)
{
	memcpy(call->out, value, size);
	call->bytes = (DWORD)size;
	return 0;
}

static size_t readable_now(struct wsd_socket *sock)
{
	return sock->stream != NULL && sock->state != WSD_SOCK_CONNECTING
		       ? wsd_stream_readable(sock->stream)
		       : 0;
}

static int do_fionread(struct wsd_socket *sock, struct ioctl_call *call)
{
	bool more = true;
	size_t readable;
	u_long bytes;

	if (sock->state == WSD_SOCK_LISTENING)
		return WSAEINVAL;
	readable = readable_now(sock);
	for (unsigned looks = 0; more && readable == 0 && looks < WSD_LOOKS; looks++) {
		if (sock->stream == NULL || wsd_stream_asks(sock->stream))
			break;
		more = wsd_socket_look(sock);
		if (sock->closed)
			return WSAENOTSOCK;
		readable = readable_now(sock);
	}
	bytes = readable > UINT32_MAX ? UINT32_MAX : (u_long)readable;
	return put(call, &bytes, sizeof(bytes));
}

static int do_atmark(struct wsd_socket *sock, struct ioctl_call *call)
{
	BOOL at_mark;

	if (sock->stream == NULL)
		return WSAENOTCONN;
	wsd_stream_watch(sock->stream);
	at_mark = wsd_stream_at_mark(sock->stream);
	return put(call, &at_mark, sizeof(at_mark));
}

static int do_keepalive(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct tcp_keepalive values;

	memcpy(&values, call->in, sizeof(values));
	if (values.onoff != 0 && (values.keepalivetime == 0 || values.keepaliveinterval == 0))
		return WSAEINVAL;
	sock->options.keepalive = values.onoff != 0;
	if (values.onoff != 0) {
		sock->options.keep_idle = values.keepalivetime;
		sock->options.keep_interval = values.keepaliveinterval;
	}
	wsd_socket_apply_options(sock);
	return 0;
}

static int do_own_handle(struct wsd_socket *sock, struct ioctl_call *call)
{
	return put(call, &sock->handle, sizeof(sock->handle));
}

/* For a layer that is about to poll: there is nothing to wait for. */
static int do_poll_handle(struct wsd_socket *sock, struct ioctl_call *call)
{
	return call->overlapped ? WSAEINVAL : do_own_handle(sock, call);
}

static int do_nothing(struct wsd_socket *sock, struct ioctl_call *call)
{
	(void)sock;
	(void)call;
	return 0;
}

static int do_unsupported(struct wsd_socket *sock, struct ioctl_call *call)
{
	(void)sock;
	(void)call;
	return WSAENOPROTOOPT;
}

/* --- addresses --- */

static bool known(const struct wsd_addr *list, unsigned count, const struct wsd_addr *addr)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(list[i].bytes, addr->bytes, sizeof(addr->bytes)) == 0 &&
		    list[i].scope == addr->scope)
			return true;
	return false;
}

/* Local addresses of every engine that the mode uses, each once, of one family, without loopback ones if asked. */
static unsigned local_addresses(unsigned mode, uint16_t family, bool loopback,
				struct wsd_addr *list)
{
	struct wsd_addr found[ADDRESSES_MAX];
	unsigned count = 0;

	for (unsigned e = 0; e < wsd_engine_count(); e++) {
		struct wsd_engine *engine = wsd_engine_at(e);
		uint32_t n;

		if (mode == WSD_MODE_SAN && wsd_engine_is_plain(engine))
			continue; /* what only the system serves is its own */
		n = wsd_engine_ops(engine)->addresses(wsd_engine_device(engine), found,
						      ADDRESSES_MAX);
		for (uint32_t i = 0; i < n && i < ADDRESSES_MAX && count < ADDRESSES_MAX; i++) {
			if (found[i].family != family || known(list, count, &found[i]) ||
			    (!loopback && wsd_addr_is_loopback(&found[i])))
				continue;
			list[count] = found[i];
			list[count++].port = 0;
		}
	}
	return count;
}

/* Windows leaves the loopback addresses out; a host that has no other keeps them. */
static unsigned listed_addresses(const struct wsd_socket *sock, struct wsd_addr *list)
{
	unsigned count = local_addresses(sock->mode, sock->family, false, list);

	return count > 0 ? count : local_addresses(sock->mode, sock->family, true, list);
}

static int do_address_list(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct wsd_addr list[ADDRESSES_MAX];
	unsigned count = listed_addresses(sock, list);
	size_t size = (size_t)wsd_sockaddr_size(sock->family);
	size_t head = offsetof(SOCKET_ADDRESS_LIST, Address) + count * sizeof(SOCKET_ADDRESS);
	SOCKET_ADDRESS_LIST *out = call->out;
	char *at;

	if (head < sizeof(SOCKET_ADDRESS_LIST))
		head = sizeof(SOCKET_ADDRESS_LIST);
	call->bytes = (DWORD)(head + count * size);
	if (call->out == NULL || call->out_size < call->bytes)
		return WSAEFAULT;
	out->iAddressCount = (INT)count;
	at = (char *)call->out + head;
	for (unsigned i = 0; i < count; i++, at += size) {
		int room = (int)size;

		(void)wsd_sockaddr_encode(&list[i], (struct sockaddr *)(void *)at, &room);
		out->Address[i].lpSockaddr = (LPSOCKADDR)(void *)at;
		out->Address[i].iSockaddrLength = (INT)size;
	}
	return 0;
}

/* INTERFACE_INFO of ws2ipdef.h: flags and three addresses of 24 bytes each. */
struct interface_row {
	u_long flags;
	char addr[24], broadcast[24], mask[24];
};

#define INTERFACE_UP	   0x1u
#define INTERFACE_LOOPBACK 0x4u

static int do_interface_list(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct wsd_addr list[ADDRESSES_MAX];
	unsigned count = local_addresses(sock->mode, WSD_FAMILY_IPV4, true, list);

	call->bytes = (DWORD)(count * sizeof(struct interface_row));
	if (call->out == NULL || call->out_size < call->bytes)
		return WSAEFAULT;
	for (unsigned i = 0; i < count; i++) {
		struct interface_row row;
		int room = sizeof(row.addr);

		memset(&row, 0, sizeof(row));
		row.flags = INTERFACE_UP;
		if (wsd_addr_is_loopback(&list[i]))
			row.flags |= INTERFACE_LOOPBACK;
		(void)wsd_sockaddr_encode(&list[i], (struct sockaddr *)(void *)row.addr, &room);
		memcpy((char *)call->out + i * sizeof(row), &row, sizeof(row));
	}
	return 0;
}

static int do_route(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct wsd_addr remote, local;
	bool reachable = false;
	int error, room;

	error = wsd_socket_decode(sock, call->in,
				  (int)(call->in_size < 1024 ? call->in_size : 1024), &remote);
	if (error != 0)
		return error;
	call->bytes = (DWORD)wsd_sockaddr_size(sock->family);
	if (call->out == NULL || call->out_size < call->bytes)
		return WSAEFAULT;
	call->bytes = 0;
	memset(&local, 0, sizeof(local));
	local.family = remote.family;
	for (unsigned e = 0; e < wsd_engine_count() && !reachable; e++)
		reachable = wsd_engine_ops(wsd_engine_at(e))
				    ->reachable(wsd_engine_device(wsd_engine_at(e)), &local,
						&remote) == WSD_OK;
	if (!reachable || wsd_os_route(&remote, &local) != WSD_OK)
		return WSAENETUNREACH;
	room = (int)call->out_size;
	error = wsd_socket_encode(sock, &local, call->out, &room);
	call->bytes = (DWORD)room;
	return error;
}

/* --- notices of changes --- */

/* [lock, dropped meanwhile] */
static int start_watch(struct wsd_socket *sock)
{
	enum wsd_status status;

	wsd_socket_leave(sock);
	status = wsd_netwatch_start();
	wsd_mutex_lock(&sock->lock);
	if (sock->closed)
		return WSAENOTSOCK;
	return wsd_error(status, WSD_CALL_OTHER);
}

static int wait_for_change(struct wsd_socket *sock, unsigned what)
{
	struct wsd_op op;

	wsd_op_init(&op, WSD_OP_KIND_NOTICE, sock);
	op.sync = true;
	op.flags = what;
	wsd_list_append(&sock->queues[WSD_Q_CONTROL], &op.link);
	return wsd_op_wait(sock, &op, WSD_FOREVER);
}

static int do_change(struct wsd_socket *sock, struct ioctl_call *call, unsigned what, long event)
{
	int error;

	wsd_fd_arm(&sock->fd, event);
	error = start_watch(sock);
	if (error != 0)
		return error;
	call->notice = what;
	if (call->overlapped)
		return WSA_IO_PENDING;
	if (!sock->nonblocking)
		return wait_for_change(sock, what);
	sock->net_watch |= what;
	sock->net_changed &= ~what;
	return WSAEWOULDBLOCK;
}

static int do_address_change(struct wsd_socket *sock, struct ioctl_call *call)
{
	return do_change(sock, call, WSD_NET_ADDRESSES, FD_ADDRESS_LIST_CHANGE);
}

/* Any change counts, whatever destination was given. */
static int do_route_change(struct wsd_socket *sock, struct ioctl_call *call)
{
	return do_change(sock, call, WSD_NET_ROUTES, FD_ROUTING_INTERFACE_CHANGE);
}

static void net_changed(struct wsd_socket *sock, unsigned bits)
{
	struct wsd_list *node, *after;

	sock->net_changed |= sock->net_watch & bits;
	sock->net_watch &= ~bits;
	sock->changes |= WSD_CHANGE_LOOK;
	wsd_list_for_each_safe(node, after, &sock->queues[WSD_Q_CONTROL]) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		if (op->kind == WSD_OP_KIND_NOTICE && (op->flags & bits))
			wsd_op_finish(sock, op, 0);
	}
}

void wsd_sockets_net_changed(unsigned bits)
{
	unsigned count = wsd_slot_count();

	for (unsigned i = 1; i <= count; i++) {
		struct wsd_socket *sock = wsd_slot_get(i);

		if (sock == NULL)
			continue;
		wsd_mutex_lock(&sock->lock);
		if (sock->closed || sock->handle == INVALID_SOCKET) {
			wsd_mutex_unlock(&sock->lock);
			continue;
		}
		wsd_socket_ref(sock);
		net_changed(sock, bits >> (sock->family == WSD_FAMILY_IPV6 ? WSD_NET_IPV6 : 0) &
					  WSD_NET_BITS);
		wsd_socket_leave(sock);
		wsd_socket_unref(sock);
	}
}

/* --- quality of service, of mode D --- */

static int do_set_qos(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct wsd_qos qos = sock->options.qos;
	QOS asked;
	int error;

	if (sock->mode == WSD_MODE_SAN)
		return WSAENOPROTOOPT;
	if (call->in == NULL || call->in_size < sizeof(asked))
		return WSAEFAULT;
	memcpy(&asked, call->in, sizeof(asked));
	if (sock->stream != NULL)
		qos = wsd_stream_wish(sock->stream);
	error = wsd_qos_parse(&asked, &qos, &qos);
	return error != 0 ? error : wsd_socket_set_qos(sock, &qos);
}

/* Once connected, what both sides agreed on. */
static int do_get_qos(struct wsd_socket *sock, struct ioctl_call *call)
{
	struct wsd_qos flows = wsd_socket_qos(sock);
	QOS qos;

	if (sock->mode == WSD_MODE_SAN)
		return WSAENOPROTOOPT;
	call->bytes = sizeof(qos);
	if (call->out == NULL || call->out_size < sizeof(qos))
		return WSAEFAULT; /* whoever asked has not seen it yet */
	sock->qos_news = false;
	wsd_fd_arm(&sock->fd, FD_QOS);
	wsd_qos_fill(&qos, &flows);
	return put(call, &qos, sizeof(qos));
}

/* Reserved for groups, and no socket is in one. */
static int do_group_qos(struct wsd_socket *sock, struct ioctl_call *call)
{
	(void)call;
	return sock->mode == WSD_MODE_SAN ? WSAENOPROTOOPT : WSAEINVAL;
}

static const struct ioctl_row ioctl_rows[] = {
	{ FIONBIO, sizeof(u_long), 0, do_fionbio },
	{ FIONREAD, 0, sizeof(u_long), do_fionread },
	{ SIOCATMARK, 0, sizeof(BOOL), do_atmark },
	{ SIO_KEEPALIVE_VALS, sizeof(struct tcp_keepalive), 0, do_keepalive },
	{ SIO_LOOPBACK_FAST_PATH, sizeof(u_long), 0, do_nothing },
	{ SIO_GET_INTERFACE_LIST, 0, 0, do_interface_list },
	{ SIO_ADDRESS_LIST_QUERY, 0, 0, do_address_list },
	{ SIO_ADDRESS_LIST_CHANGE, 0, 0, do_address_change },
	{ SIO_ROUTING_INTERFACE_QUERY, 0, 0, do_route },
	{ SIO_ROUTING_INTERFACE_CHANGE, 0, 0, do_route_change },
	{ SIO_QUERY_TARGET_PNP_HANDLE, 0, sizeof(SOCKET), do_own_handle },
	{ SIO_BASE_HANDLE, 0, sizeof(SOCKET), do_own_handle },
	{ SIO_BSP_HANDLE, 0, sizeof(SOCKET), do_own_handle },
	{ SIO_BSP_HANDLE_SELECT, 0, sizeof(SOCKET), do_own_handle },
	{ SIO_BSP_HANDLE_POLL, 0, sizeof(SOCKET), do_poll_handle },
	{ SIO_ASSOCIATE_HANDLE, 0, 0, do_unsupported },
	{ SIO_ENABLE_CIRCULAR_QUEUEING, 0, 0, do_unsupported },
	{ SIO_FIND_ROUTE, 0, 0, do_unsupported },
	{ SIO_FLUSH, 0, 0, do_unsupported },
	{ SIO_GET_BROADCAST_ADDRESS, 0, 0, do_unsupported },
	{ SIO_GET_QOS, 0, 0, do_get_qos },
	{ SIO_GET_GROUP_QOS, 0, 0, do_group_qos },
	{ SIO_SET_QOS, 0, 0, do_set_qos },
	{ SIO_SET_GROUP_QOS, 0, 0, do_group_qos },
	{ SIO_MULTIPOINT_LOOPBACK, 0, 0, do_unsupported },
	{ SIO_MULTICAST_SCOPE, 0, 0, do_unsupported },
	{ SIO_TRANSLATE_HANDLE, 0, 0, do_unsupported },
	{ SIO_ADDRESS_LIST_SORT, 0, 0, do_unsupported },
};

/* A switch sends no other code down, beside that of the extension functions. */
static bool is_of_switch(DWORD code)
{
	switch (code) {
	case FIONBIO:
	case SIO_ADDRESS_LIST_QUERY:
	case SIO_GET_QOS:
	case SIO_GET_GROUP_QOS:
	case SIO_SET_QOS:
	case SIO_SET_GROUP_QOS:
		return true;
	default:
		return false;
	}
}

static int dispatch(struct wsd_socket *sock, DWORD code, struct ioctl_call *call)
{
	if (sock->mode == WSD_MODE_SAN && !is_of_switch(code))
		return WSAEINVAL;
	for (size_t i = 0; i < sizeof(ioctl_rows) / sizeof(ioctl_rows[0]); i++) {
		const struct ioctl_row *row = &ioctl_rows[i];

		if (row->code != code)
			continue;
		if ((row->in_least > 0 && (call->in == NULL || call->in_size < row->in_least)) ||
		    (row->out_least > 0 && (call->out == NULL || call->out_size < row->out_least)))
			return WSAEFAULT;
		return row->run(sock, call);
	}
	return WSAEINVAL;
}

/* Needs no socket: hosts ask with whatever they have. */
static int extension_pointer(unsigned mode, const struct ioctl_call *call, DWORD *bytes)
{
	wsd_any_function function;
	int error = 0;
	GUID id;

	if (call->in == NULL || call->in_size < sizeof(id) || call->out == NULL ||
	    call->out_size < sizeof(function))
		return WSAEFAULT;
	memcpy(&id, call->in, sizeof(id));
	function = wsd_extension_find(mode, &id, &error);
	if (function == NULL)
		return error;
	/* Programs call it past ws2_32, which would not know that a call is under way, or keep it for later. */
	if (mode == WSD_MODE_STREAM)
		wsd_code_stays();
	memcpy(call->out, &function, sizeof(function));
	*bytes = sizeof(function);
	return 0;
}

/* [lock, released] Overlapped calls get their indication also when they finish at once. */
static int finish(struct wsd_socket *sock, const struct ioctl_call *call,
		  const struct wsd_op_request *request, int error, LPINT out)
{
	struct wsd_op *op;

	if (request->overlapped == NULL || (error != 0 && error != WSA_IO_PENDING))
		return wsd_socket_return(sock, error, out);
	wsd_socket_leave(sock);
	if (sock->mode == WSD_MODE_STREAM)
		wsd_op_reset_event(request);
	wsd_mutex_lock(&sock->lock);
	if (sock->closed)
		return wsd_socket_return(sock, WSAENOTSOCK, out);
	op = wsd_op_take(sock, WSD_OP_KIND_NOTICE, request);
	if (op == NULL)
		return wsd_socket_return(sock, WSAENOBUFS, out);
	op->flags = call->notice;
	wsd_list_append(&sock->queues[WSD_Q_CONTROL], &op->link);
	if (error == 0) {
		op->moved = call->bytes;
		wsd_op_finish(sock, op, 0);
	}
	return wsd_socket_return(sock, error, out);
}

static int control(unsigned mode, SOCKET s, DWORD code, struct ioctl_call *call,
		   const struct wsd_op_request *request, LPDWORD returned, LPINT lpErrno)
{
	INT scratch, *out = lpErrno != NULL ? lpErrno : &scratch;
	struct wsd_socket *sock;
	int error, result;

	call->overlapped = request->overlapped != NULL;
	if (code == SIO_GET_EXTENSION_FUNCTION_POINTER && !call->overlapped) {
		DWORD bytes = 0;

		error = wsd_provider_started(mode) ? extension_pointer(mode, call, &bytes)
						   : WSANOTINITIALISED;
		if (error == 0 && returned != NULL)
			*returned = bytes;
		return error == 0 ? 0 : wsd_failed(error, out);
	}
	sock = mode == WSD_MODE_SAN ? wsd_san_enter(s, out) : wsd_socket_enter(s, out);
	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	if (returned == NULL && !call->overlapped)
		error = WSAEFAULT;
	else if (call->overlapped && !sock->overlapped)
		error = WSAEINVAL;
	else if (code == SIO_GET_EXTENSION_FUNCTION_POINTER)
		error = extension_pointer(mode, call, &call->bytes);
	else
		error = dispatch(sock, code, call);
	result = finish(sock, call, request, error, out);
	/* WSAEFAULT for a small buffer also tells the size that is needed. */
	if (returned != NULL && (result == 0 || (error == WSAEFAULT && call->bytes > 0)))
		*returned = call->bytes;
	wsd_socket_unref(sock);
	return result;
}

int WSPAPI wsd_spi_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
			 LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
			 LPWSAOVERLAPPED lpOverlapped,
			 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			 LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct wsd_op_request request = { lpOverlapped, lpCompletionRoutine, lpThreadId };
	struct ioctl_call call = { .in = lpvInBuffer,
				   .in_size = cbInBuffer,
				   .out = lpvOutBuffer,
				   .out_size = cbOutBuffer };

	return control(WSD_MODE_STREAM, s, dwIoControlCode, &call, &request, lpcbBytesReturned,
		       lpErrno);
}

int WSPAPI wsd_san_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
			 LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
			 LPWSAOVERLAPPED lpOverlapped,
			 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			 LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	struct wsd_op_request request = { .overlapped = lpOverlapped };
	struct ioctl_call call = { .in = lpvInBuffer,
				   .in_size = cbInBuffer,
				   .out = lpvOutBuffer,
				   .out_size = cbOutBuffer };

	(void)lpCompletionRoutine;
	(void)lpThreadId;
	return control(WSD_MODE_SAN, s, dwIoControlCode, &call, &request, lpcbBytesReturned,
		       lpErrno);
}

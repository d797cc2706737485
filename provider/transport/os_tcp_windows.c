// SPDX-License-Identifier: BSD-2-Clause
/* os_tcp_windows.c - see os_tcp.h: sockets of the system's base provider. os_poller_windows.c has the poller. */
#include "provider/transport/os_socket_windows.h"

#include <mstcpip.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform_windows.h"

#define USUAL_HOPS 128
#define NS_PER_MS  1000000ull
#define NS_PER_S   1000000000ull
/* A nonblocking send is taken whole, however large: no more than this at once is kept by the system. */
#define SEND_MOST 0x100000u
#define RECV_MOST 0x40000000u
#define TCP_MAXRT 5 /* not in every SDK, as what follows */
#define TCP_INFO  _WSAIORW(IOC_VENDOR, 39)

/* TCPSTATE */
#define STATE_CLOSED	 0
#define STATE_FIN_WAIT_2 6
#define STATE_TIME_WAIT	 10

/* TCP_INFO_v0 */
struct tcp_info {
	int state;
	ULONG mss;
	ULONG64 connection_ms;
	BOOLEAN timestamps;
	ULONG rtt_us, min_rtt_us;
	ULONG in_flight;
	ULONG cwnd, send_window, receive_window, receive_buffer;
	ULONG64 bytes_out, bytes_in;
	ULONG reordered, retransmitted, fast_retransmits, duplicate_acks, timeouts;
	UCHAR syn_retransmits;
};

static const WSPPROC_TABLE *net(void)
{
	return wsd_windows_net();
}

enum wsd_status wsd_os_socket_status(int error)
{
	switch (error) {
	case 0:
		return WSD_OK;
	case WSAEWOULDBLOCK:
		return WSD_AGAIN;
	case WSAENOBUFS:
	case WSA_NOT_ENOUGH_MEMORY:
		return WSD_ENOMEM;
	case WSAEMFILE:
		return WSD_ENOFILES;
	case WSAEACCES:
		return WSD_EACCESS;
	case WSAEADDRINUSE:
	case WSAEADDRNOTAVAIL: /* of connect: these two ends are connected already */
		return WSD_EADDRINUSE;
	case WSAECONNREFUSED:
		return WSD_ENOLISTENER;
	case WSAETIMEDOUT:
		return WSD_ETIMEDOUT;
	case WSAEHOSTUNREACH:
	case WSAEHOSTDOWN:
	case WSAENETUNREACH:
	case WSAENETDOWN:
	case WSAEAFNOSUPPORT:
	case WSAEINVAL: /* a link-local address without a scope */
		return WSD_EUNREACHABLE;
	default:
		return WSD_ERESET;
	}
}

/* --- sockets --- */

enum wsd_status wsd_os_socket_new(SOCKET s, intptr_t *number)
{
	struct wsd_os_socket *socket = wsd_alloc(sizeof(*socket));

	if (!socket) {
		wsd_windows_closesocket(s);
		return WSD_ENOMEM;
	}
	socket->s = s;
	wsd_list_init(&socket->member);
	wsd_list_init(&socket->fresh);
	*number = (intptr_t)((uintptr_t)socket >> 1);
	return WSD_OK;
}

void wsd_os_socket_close(intptr_t number)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);

	if (socket->s != INVALID_SOCKET)
		wsd_windows_closesocket(socket->s);
	wsd_free(socket);
}

int wsd_os_socket_set(const struct wsd_os_socket *socket, int level, int name, DWORD value)
{
	int ignored;

	return net()->lpWSPSetSockOpt(socket->s, level, name, (const char *)&value, sizeof(value),
				      &ignored);
}

static void set_int(intptr_t number, int level, int name, DWORD value)
{
	(void)wsd_os_socket_set(wsd_os_socket_of(number), level, name, value);
}

static bool ask(intptr_t number, DWORD code, const void *in, DWORD in_size, u_long *answer)
{
	DWORD bytes;
	int ignored;

	return net()->lpWSPIoctl(wsd_os_socket_of(number)->s, code, (void *)(uintptr_t)in, in_size,
				 answer, answer ? sizeof(*answer) : 0, &bytes, NULL, NULL, NULL,
				 &ignored) == 0;
}

/* --- addresses --- */

static bool at_end(const char *text, const char *end)
{
	return end && end != text && *end == '\0';
}

bool wsd_os_address_parse(const char *text, struct wsd_addr *addr)
{
	LONG(NTAPI * parse4)(PCSTR text, BOOLEAN strict, PCSTR * end, void *address);
	LONG(NTAPI * parse6)(PCSTR text, PCSTR * end, void *address);
	HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
	PCSTR end = NULL;

	memset(addr, 0, sizeof(*addr));
	if (!wsd_windows_symbol(ntdll, "RtlIpv4StringToAddressA", &parse4, sizeof(parse4)) ||
	    !wsd_windows_symbol(ntdll, "RtlIpv6StringToAddressA", &parse6, sizeof(parse6)))
		return false;
	addr->family = WSD_FAMILY_IPV4;
	if (parse4(text, TRUE, &end, addr->bytes) == 0 && at_end(text, end))
		return true;
	memset(addr->bytes, 0, sizeof(addr->bytes));
	addr->family = WSD_FAMILY_IPV6;
	end = NULL;
	return parse6(text, &end, addr->bytes) == 0 && at_end(text, end);
}

uint32_t wsd_os_addresses(struct wsd_addr *list, uint32_t count)
{
	return wsd_windows_addresses(list, count, true);
}

/* --- connections --- */

/* What is left of ended connections keeps no port from a listener here. */
enum wsd_status wsd_os_tcp_listen(intptr_t number, uint32_t backlog)
{
	int error = 0;

	wsd_windows_never_block(wsd_os_socket_of(number)->s);
	return net()->lpWSPListen(wsd_os_socket_of(number)->s, (int)backlog, &error)
		       ? wsd_os_socket_status(error)
		       : WSD_OK;
}

enum wsd_status wsd_os_tcp_accept(intptr_t number, intptr_t *accepted, struct wsd_addr *remote)
{
	for (;;) {
		union wsd_sockaddr sa;
		int length = sizeof(sa), error = 0;
		SOCKET s =
			wsd_windows_accept(wsd_os_socket_of(number)->s, &sa.any, &length, &error);

		if (s != INVALID_SOCKET) {
			wsd_windows_from_sockaddr(remote, &sa);
			return wsd_os_socket_new(s, accepted);
		}
		switch (error) {
		case WSAEWOULDBLOCK:
		case WSAEMFILE:
		case WSAENOBUFS:
			return wsd_os_socket_status(error);
		case WSAECONNRESET: /* one that is gone already: on to the next */
		case WSAECONNABORTED:
			break;
		default:
			return WSD_EINVAL;
		}
	}
}

enum wsd_status wsd_os_tcp_connect(intptr_t number, const struct wsd_addr *remote)
{
	union wsd_sockaddr sa;
	int length = wsd_windows_to_sockaddr(&sa, remote, remote->port), error = 0;

	wsd_windows_never_block(wsd_os_socket_of(number)->s);
	if (net()->lpWSPConnect(wsd_os_socket_of(number)->s, &sa.any, length, NULL, NULL, NULL,
				NULL, &error) == 0)
		return WSD_OK;
	return error == WSAEWOULDBLOCK ? WSD_PENDING : wsd_os_socket_status(error);
}

enum wsd_status wsd_os_tcp_error(intptr_t number)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	int failed = atomic_exchange(&socket->failed, WSD_OK), code = 0, length = sizeof(code);
	int error = 0;

	if (failed)
		return (enum wsd_status)failed;
	if (net()->lpWSPGetSockOpt(socket->s, SOL_SOCKET, SO_ERROR, (char *)&code, &length, &error))
		return WSD_ERESET;
	return code == WSAEWOULDBLOCK ? WSD_ERESET : wsd_os_socket_status(code);
}

enum wsd_status wsd_os_tcp_local(intptr_t number, struct wsd_addr *local)
{
	union wsd_sockaddr sa;
	int length = sizeof(sa), error = 0;

	if (net()->lpWSPGetSockName(wsd_os_socket_of(number)->s, &sa.any, &length, &error))
		return wsd_os_socket_status(error);
	wsd_windows_from_sockaddr(local, &sa);
	return WSD_OK;
}

void wsd_os_tcp_close(intptr_t number)
{
	wsd_os_socket_close(number);
}

/* Only closing sends a reset. */
void wsd_os_tcp_reset(intptr_t number)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	int ignored;

	if (socket->s == INVALID_SOCKET)
		return;
	if (socket->poller)
		wsd_os_poller_unwatch(socket->poller, number);
	(void)net()->lpWSPSetSockOpt(socket->s, SOL_SOCKET, SO_LINGER, (const char *)&now,
				     sizeof(now), &ignored);
	wsd_windows_closesocket(socket->s);
	socket->s = INVALID_SOCKET;
}

static unsigned to_wsabufs(WSABUF *to, const struct wsd_os_buffer *buffers, unsigned count,
			   size_t room)
{
	unsigned n;

	for (n = 0; n < count && n < WSD_OS_BUFFERS && room > 0; n++) {
		size_t length = buffers[n].length < room ? buffers[n].length : room;

		to[n].buf = buffers[n].base;
		to[n].len = (ULONG)length;
		room -= length;
	}
	return n;
}

static enum wsd_status moved(int result, int error, DWORD n, size_t *bytes)
{
	if (result)
		return wsd_os_socket_status(error);
	*bytes = n;
	return n > 0 ? WSD_OK : WSD_EOF;
}

static enum wsd_status send_some(intptr_t number, const struct wsd_os_buffer *buffers,
				 unsigned count, DWORD flags, size_t *bytes)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	WSABUF list[WSD_OS_BUFFERS];
	DWORD n = 0, used = to_wsabufs(list, buffers, count, SEND_MOST);
	int error = 0,
	    result = net()->lpWSPSend(socket->s, list, used, &n, flags, NULL, NULL, NULL, &error);

	if (result == 0)
		socket->sent += n;
	return moved(result, error, n, bytes);
}

static enum wsd_status receive_some(intptr_t number, const struct wsd_os_buffer *buffers,
				    unsigned count, DWORD flags, size_t *bytes)
{
	WSABUF list[WSD_OS_BUFFERS];
	DWORD n = 0, used = to_wsabufs(list, buffers, count, RECV_MOST);
	int error = 0, result = net()->lpWSPRecv(wsd_os_socket_of(number)->s, list, used, &n,
						 &flags, NULL, NULL, NULL, &error);

	return moved(result, error, n, bytes);
}

enum wsd_status wsd_os_tcp_send(intptr_t number, const struct wsd_os_buffer *buffers,
				unsigned count, size_t *bytes)
{
	return send_some(number, buffers, count, 0, bytes);
}

enum wsd_status wsd_os_tcp_receive(intptr_t number, const struct wsd_os_buffer *buffers,
				   unsigned count, bool peek, size_t *bytes)
{
	return receive_some(number, buffers, count, peek ? MSG_PEEK : 0, bytes);
}

enum wsd_status wsd_os_tcp_send_urgent(intptr_t number, uint8_t byte)
{
	const struct wsd_os_buffer one = { &byte, 1 };
	size_t bytes;

	return send_some(number, &one, 1, MSG_OOB, &bytes);
}

enum wsd_status wsd_os_tcp_receive_urgent(intptr_t number, bool peek, uint8_t *byte)
{
	const struct wsd_os_buffer one = { byte, 1 };
	DWORD flags = MSG_OOB | (peek ? MSG_PEEK : 0);
	size_t bytes;

	return receive_some(number, &one, 1, flags, &bytes) == WSD_OK ? WSD_OK : WSD_AGAIN;
}

size_t wsd_os_tcp_available(intptr_t number, bool marks)
{
	char sample[2048];
	const struct wsd_os_buffer buffer = { sample, sizeof(sample) };
	u_long there = 0;
	size_t bytes;

	if (ask(number, (DWORD)FIONREAD, NULL, 0, &there) && there > 0)
		return there;
	if (!marks)
		return 0;
	/* Standing at the mark the system may count nothing, though a receive would go across. */
	return wsd_os_tcp_receive(number, &buffer, 1, true, &bytes) == WSD_OK ? bytes : 0;
}

bool wsd_os_tcp_at_mark(intptr_t number)
{
	u_long at = 0;

	return ask(number, (DWORD)SIOCATMARK, NULL, 0, &at) && at;
}

/*
 * Since Windows 10; before that it is not told, and the system goes on by itself. Behind the end the state says it:
 * that is where all has been acknowledged. Before, what is on its way is told, and nothing of what waits for the peer's
 * window: that is what was taken beyond all that ever went out.
 */
bool wsd_os_tcp_unsent(intptr_t number)
{
	const struct wsd_os_socket *socket = wsd_os_socket_of(number);
	DWORD version = 0, bytes;
	struct tcp_info info = { 0 };
	int ignored;

	if (net()->lpWSPIoctl(socket->s, TCP_INFO, &version, sizeof(version), &info, sizeof(info),
			      &bytes, NULL, NULL, NULL, &ignored) != 0)
		return false;
	if (socket->ended)
		return info.state != STATE_CLOSED && info.state != STATE_FIN_WAIT_2 &&
		       info.state != STATE_TIME_WAIT;
	return info.in_flight > 0 || socket->sent > info.bytes_out;
}

void wsd_os_tcp_shutdown_send(intptr_t number)
{
	struct wsd_os_socket *socket = wsd_os_socket_of(number);
	int ignored;

	if (net()->lpWSPShutdown(socket->s, SD_SEND, &ignored) == 0)
		socket->ended = true;
}

/* --- options --- */

void wsd_os_tcp_set_nodelay(intptr_t number, bool on)
{
	set_int(number, IPPROTO_TCP, TCP_NODELAY, on);
}

void wsd_os_tcp_set_traffic_class(intptr_t number, uint16_t family, uint32_t traffic_class)
{
	if (family == WSD_FAMILY_IPV4)
		set_int(number, IPPROTO_IP, IP_TOS, (int)traffic_class);
}

void wsd_os_tcp_set_hops(intptr_t number, uint16_t family, uint8_t hops)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;

	set_int(number, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_HOPS : IP_TTL,
		hops > 0 ? hops : USUAL_HOPS);
}

int wsd_os_hops(uint16_t family)
{
	(void)family;
	return USUAL_HOPS;
}

void wsd_os_tcp_set_urgent_inline(intptr_t number, bool on)
{
	set_int(number, SOL_SOCKET, SO_OOBINLINE, on);
}

bool wsd_os_tcp_gives_urgent_again(void)
{
	return false;
}

void wsd_os_tcp_set_receive_buffer(intptr_t number, uint32_t bytes)
{
	set_int(number, SOL_SOCKET, SO_RCVBUF, bytes > INT32_MAX ? INT32_MAX : bytes);
}

void wsd_os_tcp_set_send_buffer(intptr_t number, uint32_t bytes)
{
	set_int(number, SOL_SOCKET, SO_SNDBUF, bytes > INT32_MAX ? INT32_MAX : bytes);
}

static DWORD whole(uint64_t time, uint64_t unit)
{
	uint64_t count = time / unit + (time % unit != 0);

	count = count > 0 ? count : 1;
	return count < INT32_MAX ? (DWORD)count : INT32_MAX;
}

/* How often it is tried is the system's: ten times. */
void wsd_os_tcp_set_keepalive(intptr_t number, uint64_t idle, uint64_t interval, unsigned count)
{
	struct tcp_keepalive values = {
		.onoff = idle != 0,
		.keepalivetime = whole(idle, NS_PER_MS),
		.keepaliveinterval = whole(interval, NS_PER_MS),
	};

	(void)count;
	(void)ask(number, SIO_KEEPALIVE_VALS, &values, sizeof(values), NULL);
}

void wsd_os_tcp_set_patience(intptr_t number, uint64_t time)
{
	set_int(number, IPPROTO_TCP, TCP_MAXRT, whole(time, NS_PER_S));
}

// SPDX-License-Identifier: BSD-2-Clause
/* sockopt.c - options: one table of level, name, size and two functions. */
#include "provider/winsock/spi_calls.h"
#include <string.h>

#include <openwsd/mstcpip.h>
#include <openwsd/openwsd.h>

#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/base.h"

union option_value {
	int number;
	DWORD dword;
	struct linger linger_value;
	SOCKET descriptor;
};

/* Both with the lock held; 0 or a WSA code. */
typedef int (*option_get_fn)(struct wsd_socket *sock, union option_value *value);
typedef int (*option_set_fn)(struct wsd_socket *sock, const union option_value *value);

struct option_row {
	int level, name, size;
	size_t flag; /* offset of a plain bool in the options, or NO_FLAG */
	option_get_fn get;
	option_set_fn set;
};

#define NO_FLAG	   SIZE_MAX
#define FLAG(name) offsetof(struct wsd_socket_options, name)

/* --- getters and setters that are more than a flag --- */

static int get_acceptconn(struct wsd_socket *sock, union option_value *value)
{
	value->number = sock->state == WSD_SOCK_LISTENING;
	return 0;
}

static int get_dontlinger(struct wsd_socket *sock, union option_value *value)
{
	value->number = !sock->options.linger_on;
	return 0;
}

static int set_dontlinger(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.linger_on = value->number == 0;
	return 0;
}

static int get_linger(struct wsd_socket *sock, union option_value *value)
{
	value->linger_value.l_onoff = sock->options.linger_on;
	value->linger_value.l_linger = sock->options.linger_seconds;
	return 0;
}

static int set_linger(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.linger_on = value->linger_value.l_onoff != 0;
	sock->options.linger_seconds = value->linger_value.l_linger;
	return 0;
}

static int set_reuse(struct wsd_socket *sock, const union option_value *value)
{
	if (value->number != 0 && sock->options.exclusive)
		return WSAEINVAL;
	sock->options.reuse = value->number != 0;
	return 0;
}

static int set_exclusive(struct wsd_socket *sock, const union option_value *value)
{
	if (sock->state != WSD_SOCK_NEW || (value->number != 0 && sock->options.reuse))
		return WSAEINVAL;
	sock->options.exclusive = value->number != 0;
	return 0;
}

static int set_keepalive(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.keepalive = value->number != 0;
	wsd_socket_apply_options(sock);
	return 0;
}

/* Most servers ask for it after accept. */
static int set_nodelay(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.nodelay = value->number != 0;
	wsd_socket_apply_options(sock);
	return 0;
}

static int set_oobinline(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.oob_inline = value->number != 0;
	wsd_socket_apply_options(sock);
	sock->changes |= WSD_CHANGE_URGENT | WSD_CHANGE_READABLE;
	return 0;
}

static int set_dontroute(struct wsd_socket *sock, const union option_value *value)
{
	if (sock->family == WSD_FAMILY_IPV6)
		return WSAENOPROTOOPT;
	sock->options.dontroute = value->number != 0;
	return 0;
}

static int get_dontroute(struct wsd_socket *sock, union option_value *value)
{
	if (sock->family == WSD_FAMILY_IPV6)
		return WSAENOPROTOOPT;
	value->number = sock->options.dontroute;
	return 0;
}

static int get_receive_buffer(struct wsd_socket *sock, union option_value *value)
{
	value->dword = sock->options.receive_buffer;
	return 0;
}

static int set_receive_buffer(struct wsd_socket *sock, const union option_value *value)
{
	if (value->number < 0)
		return WSAEINVAL;
	sock->options.receive_buffer = wsd_stream_receive_buffer(value->dword);
	sock->options.receive_buffer_set = true;
	wsd_socket_tune(sock);
	return 0;
}

static int get_send_buffer(struct wsd_socket *sock, union option_value *value)
{
	value->dword = sock->options.send_buffer;
	return 0;
}

static int set_send_buffer(struct wsd_socket *sock, const union option_value *value)
{
	if (value->number < 0)
		return WSAEINVAL;
	/* There is no such buffer: told is what certainly goes, see docs/decisions.md. */
	sock->options.send_buffer =
		value->dword < WSD_STREAM_UNREAD ? value->dword : WSD_STREAM_UNREAD;
	return 0;
}

static int get_receive_timeout(struct wsd_socket *sock, union option_value *value)
{
	value->dword = sock->options.receive_timeout;
	return 0;
}

static int set_receive_timeout(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.receive_timeout = value->dword;
	return 0;
}

static int get_send_timeout(struct wsd_socket *sock, union option_value *value)
{
	value->dword = sock->options.send_timeout;
	return 0;
}

static int set_send_timeout(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.send_timeout = value->dword;
	return 0;
}

static int get_error(struct wsd_socket *sock, union option_value *value)
{
	value->number = sock->error;
	sock->error = 0;
	return 0;
}

static int get_type(struct wsd_socket *sock, union option_value *value)
{
	(void)sock;
	value->number = SOCK_STREAM;
	return 0;
}

static int get_zero(struct wsd_socket *sock, union option_value *value)
{
	(void)sock;
	value->dword = 0;
	return 0;
}

static int get_priority(struct wsd_socket *sock, union option_value *value)
{
	value->number = sock->options.group_priority;
	return 0;
}

static int set_priority(struct wsd_socket *sock, const union option_value *value)
{
	if (value->number < 0)
		return WSAEINVAL;
	sock->options.group_priority = value->number;
	wsd_socket_apply_options(sock);
	return 0;
}

static int get_max_message(struct wsd_socket *sock, union option_value *value)
{
	(void)sock;
	value->dword = UINT32_MAX; /* a stream has no messages */
	return 0;
}

static int set_conditional(struct wsd_socket *sock, const union option_value *value)
{
	if (sock->state == WSD_SOCK_LISTENING || sock->reserved)
		return WSAEINVAL;
	sock->options.conditional = value->number != 0;
	return 0;
}

static int get_connect_time(struct wsd_socket *sock, union option_value *value)
{
	value->dword = UINT32_MAX;
	if (sock->state == WSD_SOCK_CONNECTED)
		value->dword = (DWORD)((wsd_clock_ns() - sock->connected_at) / 1000000000u);
	return 0;
}

static int set_connect_context(struct wsd_socket *sock, const union option_value *value)
{
	(void)value;
	return sock->state == WSD_SOCK_CONNECTED && !sock->accepted ? 0 : WSAENOTCONN;
}

static int get_zcopy(struct wsd_socket *sock, union option_value *value)
{
	value->dword = sock->options.zcopy_min;
	return 0;
}

static int set_zcopy(struct wsd_socket *sock, const union option_value *value)
{
	sock->options.zcopy_min = value->dword;
	wsd_socket_tune(sock);
	return 0;
}

static int unsupported_get(struct wsd_socket *sock, union option_value *value)
{
	(void)sock;
	(void)value;
	return WSAEINVAL;
}

static int unsupported_set(struct wsd_socket *sock, const union option_value *value)
{
	(void)sock;
	(void)value;
	return WSAEINVAL;
}

static int get_v6only(struct wsd_socket *sock, union option_value *value)
{
	if (sock->family != WSD_FAMILY_IPV6)
		return WSAENOPROTOOPT;
	value->number = sock->options.v6only;
	return 0;
}

/* It decides what bind and connect do, so it is settled then. */
static int set_v6only(struct wsd_socket *sock, const union option_value *value)
{
	if (sock->family != WSD_FAMILY_IPV6)
		return WSAENOPROTOOPT;
	if (sock->state != WSD_SOCK_NEW || sock->reserved)
		return WSAEINVAL;
	sock->options.v6only = value->number != 0;
	return 0;
}

static bool has_class(const struct wsd_socket *sock, uint16_t family)
{
	return sock->family == family || (family == WSD_FAMILY_IPV4 && wsd_socket_is_dual(sock));
}

/* The same byte under two names: of a family that it does not speak it is unknown. */
static int get_class(const struct wsd_socket *sock, uint16_t family, union option_value *value)
{
	if (!has_class(sock, family))
		return WSAENOPROTOOPT;
	value->number = sock->options.traffic_class;
	return 0;
}

static int set_class(struct wsd_socket *sock, uint16_t family, int number)
{
	if (!has_class(sock, family))
		return WSAENOPROTOOPT;
	if (number < 0 || number > UINT8_MAX)
		return WSAEINVAL;
	sock->options.traffic_class = (uint8_t)number;
	wsd_socket_apply_options(sock);
	return 0;
}

static int get_tos(struct wsd_socket *sock, union option_value *value)
{
	return get_class(sock, WSD_FAMILY_IPV4, value);
}

static int set_tos(struct wsd_socket *sock, const union option_value *value)
{
	return set_class(sock, WSD_FAMILY_IPV4, value->number);
}

static int get_tclass(struct wsd_socket *sock, union option_value *value)
{
	return get_class(sock, WSD_FAMILY_IPV6, value);
}

static int set_tclass(struct wsd_socket *sock, const union option_value *value)
{
	return set_class(sock, WSD_FAMILY_IPV6, value->number);
}

/* Likewise. */
static int get_hops(const struct wsd_socket *sock, uint16_t family, union option_value *value)
{
	if (sock->family != family)
		return WSAENOPROTOOPT;
	value->number = sock->options.hops != 0 ? sock->options.hops : wsd_os_hops(family);
	return 0;
}

static int set_hops(struct wsd_socket *sock, uint16_t family, int number)
{
	if (sock->family != family)
		return WSAENOPROTOOPT;
	if (number > UINT8_MAX || (number < 1 && (family != WSD_FAMILY_IPV6 || number != -1)))
		return WSAEINVAL;
	sock->options.hops = number < 0 ? 0 : (uint8_t)number;
	wsd_socket_apply_options(sock);
	return 0;
}

static int get_ttl(struct wsd_socket *sock, union option_value *value)
{
	return get_hops(sock, WSD_FAMILY_IPV4, value);
}

static int set_ttl(struct wsd_socket *sock, const union option_value *value)
{
	return set_hops(sock, WSD_FAMILY_IPV4, value->number);
}

static int get_hops6(struct wsd_socket *sock, union option_value *value)
{
	return get_hops(sock, WSD_FAMILY_IPV6, value);
}

static int set_hops6(struct wsd_socket *sock, const union option_value *value)
{
	return set_hops(sock, WSD_FAMILY_IPV6, value->number);
}

static int get_keep(struct wsd_socket *sock, union option_value *value, int name)
{
	const struct wsd_socket_options *o = &sock->options;

	value->dword = name == TCP_KEEPIDLE    ? o->keep_idle / 1000
		       : name == TCP_KEEPINTVL ? o->keep_interval / 1000
					       : o->keep_count;
	return 0;
}

static int set_keep(struct wsd_socket *sock, DWORD value, int name)
{
	struct wsd_socket_options *o = &sock->options;

	if (value == 0 || value > (name == TCP_KEEPCNT ? 255u : 86400u * 24))
		return WSAEINVAL;
	if (name == TCP_KEEPIDLE)
		o->keep_idle = value * 1000;
	else if (name == TCP_KEEPINTVL)
		o->keep_interval = value * 1000;
	else
		o->keep_count = value;
	wsd_socket_apply_options(sock);
	return 0;
}

#define KEEP_PAIR(suffix, name)                                                           \
	static int get_##suffix(struct wsd_socket *sock, union option_value *value)       \
	{                                                                                 \
		return get_keep(sock, value, name);                                       \
	}                                                                                 \
	static int set_##suffix(struct wsd_socket *sock, const union option_value *value) \
	{                                                                                 \
		return set_keep(sock, value->dword, name);                                \
	}
KEEP_PAIR(keep_idle, TCP_KEEPIDLE)
KEEP_PAIR(keep_interval, TCP_KEEPINTVL)
KEEP_PAIR(keep_count, TCP_KEEPCNT)

#define NUMBER (int)sizeof(int)
static const struct option_row option_rows[] = {
	{ SOL_SOCKET, SO_DEBUG, NUMBER, FLAG(debug), NULL, NULL },
	{ SOL_SOCKET, SO_ACCEPTCONN, NUMBER, NO_FLAG, get_acceptconn, NULL },
	{ SOL_SOCKET, SO_REUSEADDR, NUMBER, FLAG(reuse), NULL, set_reuse },
	{ SOL_SOCKET, SO_KEEPALIVE, NUMBER, FLAG(keepalive), NULL, set_keepalive },
	{ SOL_SOCKET, SO_DONTROUTE, NUMBER, NO_FLAG, get_dontroute, set_dontroute },
	{ SOL_SOCKET, SO_BROADCAST, NUMBER, FLAG(broadcast), NULL, NULL },
	{ SOL_SOCKET, SO_USELOOPBACK, NUMBER, NO_FLAG, unsupported_get, unsupported_set },
	{ SOL_SOCKET, SO_LINGER, (int)sizeof(struct linger), NO_FLAG, get_linger, set_linger },
	{ SOL_SOCKET, SO_OOBINLINE, NUMBER, FLAG(oob_inline), NULL, set_oobinline },
	{ SOL_SOCKET, SO_DONTLINGER, NUMBER, NO_FLAG, get_dontlinger, set_dontlinger },
	{ SOL_SOCKET, SO_EXCLUSIVEADDRUSE, NUMBER, FLAG(exclusive), NULL, set_exclusive },
	{ SOL_SOCKET, SO_SNDBUF, NUMBER, NO_FLAG, get_send_buffer, set_send_buffer },
	{ SOL_SOCKET, SO_RCVBUF, NUMBER, NO_FLAG, get_receive_buffer, set_receive_buffer },
	{ SOL_SOCKET, SO_SNDLOWAT, NUMBER, NO_FLAG, unsupported_get, unsupported_set },
	{ SOL_SOCKET, SO_RCVLOWAT, NUMBER, NO_FLAG, unsupported_get, unsupported_set },
	{ SOL_SOCKET, SO_SNDTIMEO, NUMBER, NO_FLAG, get_send_timeout, set_send_timeout },
	{ SOL_SOCKET, SO_RCVTIMEO, NUMBER, NO_FLAG, get_receive_timeout, set_receive_timeout },
	{ SOL_SOCKET, SO_ERROR, NUMBER, NO_FLAG, get_error, NULL },
	{ SOL_SOCKET, SO_TYPE, NUMBER, NO_FLAG, get_type, NULL },
	{ SOL_SOCKET, SO_GROUP_ID, NUMBER, NO_FLAG, get_zero, NULL },
	{ SOL_SOCKET, SO_GROUP_PRIORITY, NUMBER, NO_FLAG, get_priority, set_priority },
	{ SOL_SOCKET, SO_MAX_MSG_SIZE, NUMBER, NO_FLAG, get_max_message, NULL },
	{ SOL_SOCKET, SO_CONDITIONAL_ACCEPT, NUMBER, FLAG(conditional), NULL, set_conditional },
	{ SOL_SOCKET, SO_CONNECT_TIME, NUMBER, NO_FLAG, get_connect_time, NULL },
	{ SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, 0, NO_FLAG, NULL, set_connect_context },
	{ SOL_SOCKET, SO_OPENWSD_ZCOPY_MIN, NUMBER, NO_FLAG, get_zcopy, set_zcopy },
	{ IPPROTO_TCP, TCP_NODELAY, NUMBER, FLAG(nodelay), NULL, set_nodelay },
	{ IPPROTO_TCP, TCP_EXPEDITED_1122, NUMBER, FLAG(expedited), NULL, NULL },
	{ IPPROTO_TCP, TCP_KEEPIDLE, NUMBER, NO_FLAG, get_keep_idle, set_keep_idle },
	{ IPPROTO_TCP, TCP_KEEPINTVL, NUMBER, NO_FLAG, get_keep_interval, set_keep_interval },
	{ IPPROTO_TCP, TCP_KEEPCNT, NUMBER, NO_FLAG, get_keep_count, set_keep_count },
	{ IPPROTO_IP, IP_TOS, NUMBER, NO_FLAG, get_tos, set_tos },
	{ IPPROTO_IPV6, IPV6_TCLASS, NUMBER, NO_FLAG, get_tclass, set_tclass },
	{ IPPROTO_IP, IP_TTL, NUMBER, NO_FLAG, get_ttl, set_ttl },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, NUMBER, NO_FLAG, get_hops6, set_hops6 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, NUMBER, NO_FLAG, get_v6only, set_v6only },
};

static const struct option_row *find(int level, int name)
{
	for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++)
		if (option_rows[i].level == level && option_rows[i].name == name)
			return &option_rows[i];
	return NULL;
}

static bool level_known(int level)
{
	return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP ||
	       level == IPPROTO_IPV6;
}

static int get_row(struct wsd_socket *sock, const struct option_row *row, char *out, int *length)
{
	union option_value value;
	int error = 0, size = row->size;

	memset(&value, 0, sizeof(value));
	if (row->get == NULL && row->flag == NO_FLAG)
		return WSAENOPROTOOPT;
	if (*length < size)
		return WSAEFAULT;
	if (row->get != NULL)
		error = row->get(sock, &value);
	else
		value.number = *((const bool *)&sock->options + row->flag);
	if (error != 0)
		return error;
	memcpy(out, &value, (size_t)size);
	*length = size;
	return 0;
}

int WSPAPI wsd_spi_get_sock_opt(SOCKET s, int level, int optname, char *optval, LPINT optlen,
				LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);
	const struct option_row *row;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	row = find(level, optname);
	if (!level_known(level))
		error = WSAEINVAL;
	else if (optval == NULL || optlen == NULL || *optlen < 0)
		error = WSAEFAULT;
	else if (row != NULL)
		error = get_row(sock, row, optval, optlen);
	else
		error = wsd_option_structure(sock, level, optname, optval, optlen);
	return wsd_socket_return(sock, error, lpErrno);
}

/* --- set --- */

/* The properties of the listener for a socket that AcceptEx filled. */
static int update_accept_context(SOCKET s, const char *optval, int optlen, LPINT out)
{
	struct wsd_socket_options options;
	struct wsd_socket *sock;
	struct wsd_fd_record fd;
	bool nonblocking, listening;
	SOCKET listener;

	if (optval == NULL || optlen < (int)sizeof(listener)) {
		*out = WSAEFAULT;
		return SOCKET_ERROR;
	}
	memcpy(&listener, optval, sizeof(listener));
	sock = wsd_socket_enter(listener, out);
	if (sock == NULL)
		return SOCKET_ERROR;
	options = sock->options;
	fd = sock->fd;
	nonblocking = sock->nonblocking;
	listening = sock->state == WSD_SOCK_LISTENING;
	wsd_socket_leave(sock);
	sock = wsd_socket_enter(s, out);
	if (sock == NULL)
		return SOCKET_ERROR;
	if (!listening || !sock->accepted)
		return wsd_socket_return(sock, WSAEINVAL, out);
	sock->options = options;
	sock->options.conditional = false;
	sock->nonblocking = nonblocking;
	wsd_fd_inherit(&sock->fd, &fd);
	wsd_socket_apply_options(sock);
	sock->changes |= WSD_CHANGE_LOOK;
	return wsd_socket_return(sock, 0, out);
}

static int set_row(struct wsd_socket *sock, const struct option_row *row, const char *optval,
		   int optlen)
{
	union option_value value;

	memset(&value, 0, sizeof(value));
	if (row->set == NULL && row->flag == NO_FLAG)
		return WSAENOPROTOOPT;
	if (row->size > 0) {
		if (optval == NULL || optlen < row->size)
			return WSAEFAULT;
		memcpy(&value, optval, (size_t)row->size);
	}
	if (row->set != NULL)
		return row->set(sock, &value);
	*((bool *)&sock->options + row->flag) = value.number != 0;
	return 0;
}

int WSPAPI wsd_spi_set_sock_opt(SOCKET s, int level, int optname, const char *optval, int optlen,
				LPINT lpErrno)
{
	INT scratch, *out = lpErrno != NULL ? lpErrno : &scratch;
	const struct option_row *row = find(level, optname);
	struct wsd_socket *sock;
	int error;

	if (level == SOL_SOCKET && optname == SO_UPDATE_ACCEPT_CONTEXT)
		return update_accept_context(s, optval, optlen, out);
	sock = wsd_socket_enter(s, out);
	if (sock == NULL)
		return SOCKET_ERROR;
	if (!level_known(level))
		error = WSAEINVAL;
	else if (row == NULL)
		error = WSAENOPROTOOPT;
	else
		error = set_row(sock, row, optval, optlen);
	return wsd_socket_return(sock, error, out);
}

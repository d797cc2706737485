// SPDX-License-Identifier: BSD-2-Clause
/* calls.c - what a switch asks of a provider beside connections and data: options, templates, the cache's callback. */
#include "tests/switch/link.h"

#include <stdlib.h>
#include <string.h>

#define NO_OPTION 0x7EEE
#define SIZE	  65536u

static bool get(const struct sw_socket *sock, int option, void *value, int *length)
{
	return sw_spi.lpWSPGetSockOpt(sock->own, SOL_SOCKET, option, value, length, &sw_error) == 0;
}

static bool set(const struct sw_socket *sock, int option, const void *value)
{
	return sw_spi.lpWSPSetSockOpt(sock->own, SOL_SOCKET, option, value, sizeof(DWORD),
				      &sw_error) == 0;
}

static void check_limits(const struct sw_socket *sock)
{
	static const int limits[] = { SO_MAX_MSG_SIZE, SO_MAX_RDMA_SIZE, SO_RDMA_THRESHOLD_SIZE };
	DWORD value, again, huge = UINT32_MAX;
	int length;

	for (unsigned i = 0; i < 3; i++) {
		length = sizeof(value);
		if (!get(sock, limits[i], &value, &length)) {
			RULE(sw_error == WSAENOPROTOOPT,
			     "an option that is not there is WSAENOPROTOOPT");
			continue;
		}
		RULE(length == sizeof(value) && value > 0, "a limit is more than nothing");
		RULE(!set(sock, limits[i], &huge), "a limit is the provider's to set");
		length = sizeof(again);
		RULE(get(sock, limits[i], &again, &length) && again == value,
		     "a limit is the provider's to set");
		length = sizeof(value) - 1;
		RULE(!get(sock, limits[i], &again, &length) && sw_error == WSAEFAULT,
		     "an option without room is WSAEFAULT");
	}
}

/* The switch passes on what the program had set; SO_DEBUG may be unknown. */
static void check_options(const struct sw_socket *sock)
{
	DWORD on = 1, value = 0;
	int length = sizeof(value);

	if (set(sock, SO_DEBUG, &on))
		RULE(get(sock, SO_DEBUG, &value, &length) && value != 0,
		     "an option that was set is set");
	else
		RULE(sw_error == WSAENOPROTOOPT, "an option that is not there is WSAENOPROTOOPT");
	length = sizeof(value);
	RULE(!get(sock, NO_OPTION, &value, &length) && sw_error == WSAENOPROTOOPT,
	     "an option that is not there is WSAENOPROTOOPT");
	RULE(!set(sock, NO_OPTION, &value) && sw_error == WSAENOPROTOOPT,
	     "an option that is not there is WSAENOPROTOOPT");
}

/* One that has QoS knows which templates it has, and others not; one that has none says so. */
static void check_templates(const struct sw_socket *sock)
{
	char none[] = "wsdswitch knows no such template";
	WSABUF name = { sizeof(none), none };
	QOS qos;

	memset(&qos, 0, sizeof(qos));
	RULE(!sw_spi.lpWSPGetQOSByName(sock->own, &name, &qos, &sw_error) &&
		     (sw_error == WSAEINVAL || sw_error == WSAEOPNOTSUPP),
	     "a template that is not there is WSAEINVAL, or WSAEOPNOTSUPP where there are none");
}

/* Memory that the program gives back while the provider may have it cached: not found twice. */
static void check_cache(struct sw_socket *sock)
{
	struct sw_memory memory;
	char *at = malloc(SIZE);
	int result, error;

	if (at == NULL || sw_ext.cache_callback == NULL) {
		free(at);
		return;
	}
	RULE(sw_ext.cache_callback(at, SIZE, &sw_error) == SOCKET_ERROR && sw_error == WSAEINVAL,
	     "memory that was never registered is not cached");
	if (sw_register(&memory, sock, at, SIZE, MEM_READ, &error)) {
		sw_release(&memory);
		result = sw_ext.cache_callback(at, SIZE, &sw_error);
		RULE(result == 0 || sw_error == WSAEINVAL,
		     "memory that is not in use leaves the cache");
		RULE(sw_ext.cache_callback(at, SIZE, &sw_error) == SOCKET_ERROR &&
			     sw_error == WSAEINVAL,
		     "memory that has left the cache is not cached");
	}
	free(at);
}

void sw_check_calls(void)
{
	struct sw_socket *unbound;
	struct sw_link l;

	sw_make_link(&l);
	unbound = sw_open(0, true);
	check_limits(unbound);
	check_options(unbound);
	check_templates(unbound);
	sw_end_socket(unbound);
	check_limits(l.connector);
	check_options(l.connector);
	check_templates(l.connector);
	check_cache(l.connector);
	sw_end_link(&l);
}

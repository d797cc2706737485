// SPDX-License-Identifier: BSD-2-Clause
/*
 * os_tcp_windows.c - there is no path "plain" on Windows yet: its poller cannot be made, so the device is not
 * opened, which the log says, and nothing else of this file is ever called.
 */
#include "provider/transport/os_tcp.h"

enum wsd_status wsd_os_poller_create(struct wsd_os_poller **poller)
{
	(void)poller;
	return WSD_EUNSUPPORTED;
}

void wsd_os_poller_destroy(struct wsd_os_poller *poller)
{
	(void)poller;
}

wsd_wait_object wsd_os_poller_object(const struct wsd_os_poller *poller)
{
	(void)poller;
	return 0;
}

uint32_t wsd_os_poller_poll(struct wsd_os_poller *poller, struct wsd_os_ready *ready,
			    uint32_t count)
{
	(void)poller;
	(void)ready;
	(void)count;
	return 0;
}

enum wsd_status wsd_os_poller_watch(struct wsd_os_poller *poller, intptr_t socket, void *context,
				    bool writable, bool again)
{
	(void)poller;
	(void)socket;
	(void)context;
	(void)writable;
	(void)again;
	return WSD_EUNSUPPORTED;
}

void wsd_os_poller_unwatch(struct wsd_os_poller *poller, intptr_t socket)
{
	(void)poller;
	(void)socket;
}

bool wsd_os_address_parse(const char *text, struct wsd_addr *addr)
{
	(void)text;
	(void)addr;
	return false;
}

uint32_t wsd_os_addresses(struct wsd_addr *list, uint32_t count)
{
	(void)list;
	(void)count;
	return 0;
}

enum wsd_status wsd_os_tcp_listen(intptr_t socket, uint32_t backlog)
{
	(void)socket;
	(void)backlog;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_accept(intptr_t socket, intptr_t *accepted, struct wsd_addr *remote)
{
	(void)socket;
	(void)accepted;
	(void)remote;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_connect(intptr_t socket, const struct wsd_addr *remote)
{
	(void)socket;
	(void)remote;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_error(intptr_t socket)
{
	(void)socket;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_local(intptr_t socket, struct wsd_addr *local)
{
	(void)socket;
	(void)local;
	return WSD_EUNSUPPORTED;
}

void wsd_os_tcp_close(intptr_t socket)
{
	(void)socket;
}

void wsd_os_tcp_reset(intptr_t socket)
{
	(void)socket;
}

enum wsd_status wsd_os_tcp_send(intptr_t socket, const struct wsd_os_buffer *buffers,
				unsigned count, size_t *bytes)
{
	(void)socket;
	(void)buffers;
	(void)count;
	(void)bytes;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_receive(intptr_t socket, const struct wsd_os_buffer *buffers,
				   unsigned count, bool peek, size_t *bytes)
{
	(void)socket;
	(void)buffers;
	(void)count;
	(void)peek;
	(void)bytes;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_send_urgent(intptr_t socket, uint8_t byte)
{
	(void)socket;
	(void)byte;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_os_tcp_receive_urgent(intptr_t socket, bool peek, uint8_t *byte)
{
	(void)socket;
	(void)peek;
	(void)byte;
	return WSD_EUNSUPPORTED;
}

size_t wsd_os_tcp_available(intptr_t socket, bool marks)
{
	(void)socket;
	(void)marks;
	return 0;
}

bool wsd_os_tcp_at_mark(intptr_t socket)
{
	(void)socket;
	return false;
}

bool wsd_os_tcp_unsent(intptr_t socket)
{
	(void)socket;
	return false;
}

void wsd_os_tcp_shutdown_send(intptr_t socket)
{
	(void)socket;
}

void wsd_os_tcp_set_nodelay(intptr_t socket, bool on)
{
	(void)socket;
	(void)on;
}

void wsd_os_tcp_set_urgent_inline(intptr_t socket, bool on)
{
	(void)socket;
	(void)on;
}

void wsd_os_tcp_set_receive_buffer(intptr_t socket, uint32_t bytes)
{
	(void)socket;
	(void)bytes;
}

void wsd_os_tcp_set_send_buffer(intptr_t socket, uint32_t bytes)
{
	(void)socket;
	(void)bytes;
}

void wsd_os_tcp_set_keepalive(intptr_t socket, uint64_t idle, uint64_t interval, unsigned count)
{
	(void)socket;
	(void)idle;
	(void)interval;
	(void)count;
}

void wsd_os_tcp_set_patience(intptr_t socket, uint64_t time)
{
	(void)socket;
	(void)time;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_tcp.h - TCP of the operating system, for the path "plain"; on Windows the system's own base provider, never
 * ourselves. Sockets are nonblocking. Every call is cheap and blocks on nothing. A socket may be
 * used by one thread at a time, a poller by one that polls and any that watch.
 */
#ifndef WSD_TRANSPORT_OS_TCP_H
#define WSD_TRANSPORT_OS_TCP_H

#include <stdbool.h>

#include <openwsd/backend.h>

/* What a watched socket has to tell. Told when it begins, and not again before the call in question has
 * answered WSD_AGAIN. */
#define WSD_OS_READABLE 0x1u /* bytes, the end, an error; on a listening one: a connection */
#define WSD_OS_WRITABLE 0x2u /* or connected, or failed to */
#define WSD_OS_URGENT	0x4u
#define WSD_OS_ENDED	0x8u  /* the peer sends no more */
#define WSD_OS_BROKEN	0x10u /* ask wsd_os_tcp_error */

struct wsd_os_poller;
struct wsd_os_ready {
	void *context;
	uint32_t what; /* WSD_OS_* */
};

enum wsd_status wsd_os_poller_create(struct wsd_os_poller **poller);
void wsd_os_poller_destroy(struct wsd_os_poller *poller);
wsd_wait_object wsd_os_poller_object(const struct wsd_os_poller *poller); /* ready: poll */
uint32_t wsd_os_poller_poll(struct wsd_os_poller *poller, struct wsd_os_ready *ready,
			    uint32_t count);
/* news: WSD_OS_READABLE, with which URGENT comes, and WSD_OS_WRITABLE; the others, and what costs the system
 * nothing, are told always. again: it is watched already, what is asked for changes. WSD_ENOFILES, WSD_ENOMEM. */
enum wsd_status wsd_os_poller_watch(struct wsd_os_poller *poller, intptr_t socket, void *context,
				    uint32_t news, bool again);
/* What was collected before may still be told. */
void wsd_os_poller_unwatch(struct wsd_os_poller *poller, intptr_t socket);

/* Numbers only, no names. */
bool wsd_os_address_parse(const char *text, struct wsd_addr *addr);
/* This machine's addresses, at most count of them; returns how many there are. */
uint32_t wsd_os_addresses(struct wsd_addr *list, uint32_t count);

/* A bound socket becomes a listening one. WSD_EADDRINUSE. */
enum wsd_status wsd_os_tcp_listen(intptr_t socket, uint32_t backlog);
/* WSD_OK, WSD_AGAIN: none waits, WSD_ENOFILES, WSD_ENOMEM, WSD_EBUSY: it fails again and again; try later. */
enum wsd_status wsd_os_tcp_accept(intptr_t socket, intptr_t *accepted, struct wsd_addr *remote);
/* Start to connect a bound socket. WSD_OK: it is connected already. WSD_PENDING: WRITABLE, then
 * wsd_os_tcp_error. WSD_ENOLISTENER: refused; WSD_EUNREACHABLE; WSD_EADDRINUSE: these two ends are connected. */
enum wsd_status wsd_os_tcp_connect(intptr_t socket, const struct wsd_addr *remote);
/* What has gone wrong with the connection, WSD_OK: nothing. Tells it once. */
enum wsd_status wsd_os_tcp_error(intptr_t socket);
enum wsd_status wsd_os_tcp_local(intptr_t socket, struct wsd_addr *local);
void wsd_os_tcp_close(
	intptr_t socket); /* graceful unless unread bytes are there, in the background */
void wsd_os_tcp_reset(intptr_t socket); /* at once; the socket is still to be closed */

struct wsd_os_buffer {
	void *base;
	size_t length;
};
#define WSD_OS_BUFFERS 16u /* of one call; more are left alone */
/* WSD_OK with *bytes > 0, WSD_AGAIN, WSD_EOF, or why the connection broke. A receive stops before urgent data,
 * and does not go beyond it unless it begins there. */
enum wsd_status wsd_os_tcp_send(intptr_t socket, const struct wsd_os_buffer *buffers,
				unsigned count, size_t *bytes);
enum wsd_status wsd_os_tcp_receive(intptr_t socket, const struct wsd_os_buffer *buffers,
				   unsigned count, bool peek, size_t *bytes);
enum wsd_status wsd_os_tcp_send_urgent(intptr_t socket, uint8_t byte);
/* WSD_AGAIN: none, or not here yet. */
enum wsd_status wsd_os_tcp_receive_urgent(intptr_t socket, bool peek, uint8_t *byte);
/* Bytes that one receive could get. marks: there may be urgent data among them. */
size_t wsd_os_tcp_available(intptr_t socket, bool marks);
bool wsd_os_tcp_at_mark(intptr_t socket); /* the next byte follows the mark of urgent data */
bool wsd_os_tcp_unsent(intptr_t socket);  /* something, the end included, is not acknowledged */
void wsd_os_tcp_shutdown_send(intptr_t socket);

void wsd_os_tcp_set_nodelay(intptr_t socket, bool on);
/* The IP type of service, and where there is one the place in the queues of the interface; family of the peer's. */
void wsd_os_tcp_set_traffic_class(intptr_t socket, uint16_t family, uint32_t traffic_class);
/* How many routers its packets pass; 0: as the system likes, which is wsd_os_hops. family of the peer's. */
void wsd_os_tcp_set_hops(intptr_t socket, uint16_t family, uint8_t hops);
int wsd_os_hops(uint16_t family);
void wsd_os_tcp_set_urgent_inline(intptr_t socket, bool on);
/* Who has fetched an urgent byte, and then has them in line, finds it once more in its place. */
bool wsd_os_tcp_gives_urgent_again(void);
void wsd_os_tcp_set_receive_buffer(intptr_t socket, uint32_t bytes);
void wsd_os_tcp_set_send_buffer(intptr_t socket, uint32_t bytes);
/* ns; idle 0: off. The system may count in whole seconds: rounded up. */
void wsd_os_tcp_set_keepalive(intptr_t socket, uint64_t idle, uint64_t interval, unsigned count);
/* How long unacknowledged bytes are tried, in ns. */
void wsd_os_tcp_set_patience(intptr_t socket, uint64_t time);

#endif

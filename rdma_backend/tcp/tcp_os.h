/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_os.h - the sockets, the readiness set and the timer as the tcp backend uses them. One
 * implementation per system: tcp_os_linux.c, tcp_os_windows.c. No socket here ever blocks, none is
 * inherited by other programs.
 */
#ifndef WSD_TCP_OS_H
#define WSD_TCP_OS_H

/* A connection that is reset: can what had arrived before still be read? */
#ifndef _WIN32
#include <sys/uio.h>
#define TCP_RESET_KEEPS_INPUT 1
#else
#define TCP_RESET_KEEPS_INPUT 0
#endif

#include <openwsd/backend.h>

#ifdef _WIN32
struct iovec { /* a WSABUF */
	unsigned long iov_len;
	void *iov_base;
};
#endif

#define TCP_READ   1u /* readable, or the peer closed, or the socket failed */
#define TCP_WRITE  2u /* writable */
#define TCP_HANGUP 4u /* told to who asks for TCP_READ: the peer closed, or the socket failed */

struct tcp_ready {
	void *tag;
	uint32_t events;
};

enum wsd_status tcp_os_status(int error);

/* Descriptors: >= 0, or a negative errno. */
int tcp_os_listen(const struct wsd_addr *local, uint16_t port, uint32_t backlog);
/* -EAGAIN: none; -EBUSY: none, and whether there is one later will not be told: try again then. */
int tcp_os_accept(int fd);
/* Starts; the outcome shows as readiness. -ECONNREFUSED and the like when known at once. */
int tcp_os_connect(const struct wsd_addr *local, const struct wsd_addr *remote, uint16_t port);
/* What became of a started connect: 0 open, -EINPROGRESS, or why it failed. */
int tcp_os_connect_result(int fd);
void tcp_os_close(int fd);
void tcp_os_shutdown(int fd); /* both directions; stops a listener */
void tcp_os_shutdown_write(int fd);
void tcp_os_tune(int fd, uint32_t user_timeout_ms); /* 0 = leave */
void tcp_os_set_class(int fd, uint16_t family, uint32_t traffic_class);
void tcp_os_set_hops(int fd, uint16_t family, uint32_t hops); /* 0: as the system likes */
void tcp_os_local_addr(int fd, struct wsd_addr *addr);
void tcp_os_remote_addr(int fd, struct wsd_addr *addr);

/* Bytes moved, 0 = end of stream (receive only), or a negative errno; -EAGAIN: nothing now. */
intptr_t tcp_os_send(int fd, struct iovec *iov, int count);
intptr_t tcp_os_recv(int fd, struct iovec *iov, int count);

/* The readiness set; its descriptor can itself be waited for. Level-triggered. A socket is added to one, once. */
int tcp_os_set_create(void);
int tcp_os_set_add(int set, int fd, uint32_t events, void *tag);
void tcp_os_set_change(int set, int fd, uint32_t events, void *tag);
void tcp_os_set_remove(int set, int fd);
int tcp_os_set_poll(int set, struct tcp_ready *ready, int count);
wsd_wait_object tcp_os_set_object(int set);
/* Before the set's object is slept on, and when what woke it is taken back: is anything ready that the object
 * does not tell of? Takes back what it tells without cause. */
bool tcp_os_set_settle(int set);

int tcp_os_signal_create(void);
void tcp_os_signal_raise(int fd);
void tcp_os_signal_clear(int fd);

int tcp_os_timer_create(void);
void tcp_os_timer_set(int fd, uint64_t delay_ns); /* 0 fires at once */
void tcp_os_timer_clear(int fd);

uint32_t tcp_os_addresses(struct wsd_addr *list, uint32_t count);
bool tcp_os_route_exists(const struct wsd_addr *local, const struct wsd_addr *remote);

#endif

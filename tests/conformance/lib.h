/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib.h - what the conformance programs share. Each program is `NAME [ipv4|ipv6]`, runs over the
 * backend named in WSD_BACKENDS, and ends with `return check_result();`.
 */
#ifndef WSD_CONFORMANCE_LIB_H
#define WSD_CONFORMANCE_LIB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/winsock2.h>
#include <openwsd/ws2san.h>
#include <openwsd/ws2spi.h>
#include <openwsd/ws2tcpip.h>

#include "tests/conformance/check.h"

/* An address of the family under test, with its length. */
struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} sa;
	int length;
};

struct pair {
	SOCKET listener, client, server;
	struct address at;
};

/* The family under test, from the command line; a deadline for the program. */
void conf_begin(int argc, char **argv);
void conf_start(int argc, char **argv); /* the same and WSAStartup */
int conf_family(void);
/* lib_linux.c, lib_windows.c: used by conf_begin. */
void conf_deadline(unsigned seconds);
void conf_set_role(const char *child_role, const char *child_argument);

/* An address of this machine: of loopback, or the one in WSD_TEST_IPV4 or WSD_TEST_IPV6; and the address
 * from which this machine connects to it, the same unless there are two devices. */
struct address loopback(u_short port);
struct address caller(u_short port);
u_short port_of(const struct address *at);
void set_port(struct address *at, u_short port);

SOCKET stream_socket(void); /* overlapped, of the family under test */
SOCKET listener_on(struct address *at, int backlog);
/* The same with SO_CONDITIONAL_ACCEPT: peers get their answer from accept. */
SOCKET conditional_listener(struct address *at, int backlog);
int name_of(SOCKET s, struct address *at);
int bind_to(SOCKET s, const struct address *at);
int connect_to(SOCKET s, const struct address *at);
void nonblocking(SOCKET s, u_long on);
bool readable_within(SOCKET s, long ms);

int open_pair(struct pair *p); /* 1, or 0 with what exists left open */
void close_pair(struct pair *p);

/* ms, longer than anything may take on a loaded machine; less by WSD_TEST_LONG_MS, for who waits for failures. */
DWORD conf_long(void);

/* sim lives inside one process: what needs a second one is not checked on it. */
int conf_two_processes(void);
/* A normal exit closes the sockets that are open; where it does not, they end with the process. */
int conf_exit_closes(void);
/* The path under test is TCP of the system alone. There the system says when a connection is open, what a full
 * queue does, that bytes have arrived, and which urgent byte counts; checks of our own answers are left out. */
int conf_system_tcp(void);
/* That TCP is Windows', under Wine. It says neither where an urgent byte stands that comes in line, nor, of a
 * connection that has sent its end, whether it was reset. */
int conf_windows_tcp(void);
/* Nobody else gets the port of a socket that several processes have between two of their turns: on Windows the one
 * gives it back to the system, and then the other takes it. */
int conf_port_stays(void);

/* This program again in another process, with a role and an argument; the two exchange numbers. */
struct child {
	long pid;
	int to, from;
};
const char *conf_role(void);	 /* in the child; NULL in the first process */
const char *conf_argument(void); /* in the child */
struct child child_start(const char *role, const char *argument);
struct child child_parent(void); /* the other end, in the child */
/* The same, back once the child has started up, however long that takes: it calls child_is_ready for child_parent. */
struct child child_start_ready(const char *role, const char *argument);
struct child child_is_ready(void);
void child_tell(const struct child *c, int number);
int child_hear(const struct child *c);	    /* -1: it has ended */
int child_wait(struct child *c);	    /* exit status, or minus the signal */
unsigned child_id(const struct child *c);   /* of the process, for others */
void child_kill(const struct child *c);	    /* it dies at once, as by conf_die */
void child_stop(const struct child *c);	    /* it stands still, as by conf_stop */
void child_continue(const struct child *c); /* and goes on */
void conf_stop(void);	     /* stands still, with all its threads, and never goes on */
void conf_die(void);	     /* at once, without any goodbye */
extern const int conf_death; /* what child_wait returns for it */

/* In the environment of this process, and of those that it starts. */
void set_variable(const char *name, const char *value); /* NULL: none */
void set_limit(const char *name, unsigned ms);		/* longer where everything is slow */

/* Run in a thread of its own. */
struct conf_thread;
struct conf_thread *thread_run(void (*run)(void *), void *arg);
void thread_join(struct conf_thread *thread);
/* In that thread: what it calls next will wait. */
void thread_will_wait(void);
/* Until it has said so, and sleeps. */
void thread_until_waiting(const struct conf_thread *thread);
unsigned threads_now(void);
/* How many threads the process has, with those that a sanitizer starts with the first one. */
unsigned threads_before(void);
/* Has it so many now? Those that others have waited for are none any more. */
bool threads_are(unsigned before);

#endif

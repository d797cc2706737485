/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * contract.h - a SAN provider as its switch sees it: loaded from a file, called through the table of
 * WSPStartupEx, with upcalls of our own. Each call and each upcall is checked against the contract; what breaks
 * it is printed and counted.
 */
#ifndef WSD_SWITCH_CONTRACT_H
#define WSD_SWITCH_CONTRACT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <openwsd/ws2san.h>
#include <openwsd/ws2tcpip.h>

/* A socket of the provider. Never freed: upcalls that come too late are looked for. */
struct sw_socket {
	SOCKET own;	    /* what the provider returned */
	SOCKET handle;	    /* what we gave it */
	atomic_bool closed; /* WPUCloseSocketHandle came */
	bool shut;	    /* WSPCloseSocket was called */
	atomic_int pending; /* operations whose upcall is still to come */
};

struct sw_event {
	atomic_bool set;
	atomic_bool selected; /* some socket may signal it */
};

enum sw_way { SW_POLL, SW_UPCALL }; /* by the low bit of hEvent */
enum sw_state { SW_IDLE, SW_PENDING, SW_DONE };

struct sw_op {
	WSAOVERLAPPED o; /* first */
	uint32_t magic;
	enum sw_way way;
	struct sw_socket *sock;
	DWORD total;	    /* most that it may move */
	DWORD count, flags; /* given to the call: must stay as they are */
	DWORD error, bytes; /* the result */
	atomic_int state;
};

struct sw_memory {
	struct sw_socket *sock;
	HANDLE handle;		 /* local */
	char descriptor[64];	 /* exposed */
	DWORD descriptor_length; /* 0: local */
};

extern bool sw_no_read; /* behave as if there were no WSPRdmaRead */
extern int sw_family;
extern unsigned sw_violations, sw_checks;

void sw_rule(bool kept, const char *rule, const char *file, int line);
#define RULE(expression, text) sw_rule((expression), (text), __FILE__, __LINE__)

void sw_load(const char *path); /* exits when it cannot be used */
void sw_unload(void);

/* WSPSocket and WSPBind to port at the address where tests listen, or from which they connect. */
struct sw_socket *sw_open(u_short port, bool from);
void sw_listen(struct sw_socket *sock, int backlog);
/* WSPEventSelect and WSPConnect. */
void sw_connect(struct sw_socket *sock, u_short port, struct sw_event *event);
/* FD_CONNECT's code, or -1: not yet. */
int sw_connected(struct sw_socket *sock, struct sw_event *event);
/* The next request, or NULL; refuse: by the condition function. */
struct sw_socket *sw_accept(struct sw_socket *listener, bool refuse);
void sw_watch(struct sw_socket *listener, struct sw_event *event); /* FD_ACCEPT */
bool sw_requested(struct sw_socket *listener, struct sw_event *event);
void sw_close(struct sw_socket *sock);
bool sw_gone(const struct sw_socket *sock); /* its handle was closed, and nothing is pending */
DWORD sw_limit(struct sw_socket *sock, int option);
bool sw_can_read(void);
void sw_query_addresses(void);

/* Both: false when the connection has ended, *error says how. */
bool sw_register(struct sw_memory *memory, struct sw_socket *sock, void *at, DWORD length,
		 DWORD flags, int *error);
bool sw_expose(struct sw_memory *memory, struct sw_socket *sock, void *at, DWORD length,
	       DWORD flags, int *error);
void sw_release(struct sw_memory *memory);

/* Each posts op; the end of it shows in sw_done. False: refused with *error. */
bool sw_send(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *error);
bool sw_recv(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *error);
bool sw_rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at, DWORD length,
	     const void *descriptor, DWORD descriptor_length, DWORD offset, int *error);
/* Has it ended? Asks WSPGetOverlappedResult where nobody tells. The result is in op, once. */
bool sw_done(struct sw_op *op);

#endif

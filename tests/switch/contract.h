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
	bool given;	    /* WSPDuplicateSocket: good for WSPCloseSocket only */
	atomic_int pending; /* operations whose upcall is still to come */
};

struct sw_event {
	atomic_bool set;
	atomic_bool selected; /* some socket may signal it */
};

#define SW_OP_MAGIC 0x5357494Fu
#define SW_GUARD    16u /* bytes of ours behind every buffer that the provider writes into */

/* What the provider exports: for the two files that call it. */
struct sw_extensions {
	LPFN_WSPREGISTERMEMORY register_memory;
	LPFN_WSPDEREGISTERMEMORY deregister_memory;
	LPFN_WSPREGISTERRDMAMEMORY register_rdma;
	LPFN_WSPDEREGISTERRDMAMEMORY deregister_rdma;
	LPFN_WSPRDMAWRITE rdma_write;
	LPFN_WSPRDMAREAD rdma_read;				/* NULL: the provider has none */
	LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK cache_callback; /* likewise */
};
extern WSPPROC_TABLE sw_spi;
extern struct sw_extensions sw_ext;
extern _Thread_local INT sw_error; /* of the last call */

/* What has been carried out with success. */
struct sw_moved {
	unsigned messages, reads, writes;
};
extern struct sw_moved sw_moved;

enum sw_way { SW_POLL, SW_UPCALL }; /* by the low bit of hEvent */
enum sw_state { SW_IDLE, SW_PENDING, SW_DONE };

struct sw_op {
	WSAOVERLAPPED o; /* first */
	uint32_t magic;
	enum sw_way way;
	struct sw_socket *sock;
	char *target;	    /* what it writes into, SW_GUARD bytes longer than total; or NULL */
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

int sw_summary(void);		/* the exit status */
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
/* WSPDuplicateSocket, and WSPSocket with what it gave; former: the socket that this process had of it, or NULL. */
bool sw_give(struct sw_socket *sock, DWORD process, WSAPROTOCOL_INFOW *info);
struct sw_socket *sw_take(const WSAPROTOCOL_INFOW *info, struct sw_socket *former);
/* The same where it must not succeed. */
bool sw_refused(const WSAPROTOCOL_INFOW *info);
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

/* Bytes that nobody may touch, behind a buffer; checked by sw_done, and here for memory of RDMA WRITEs. */
void sw_guard(char *behind);
void sw_check_guard(const char *behind);

/* Each posts op; the end of it shows in sw_done. False: refused with *error. Receives and READs write into
 * a buffer that has SW_GUARD bytes more. */
bool sw_send(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *error);
bool sw_recv(struct sw_op *op, struct sw_socket *sock, void *at, DWORD length, int *error);
bool sw_rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at, DWORD length,
	     const void *descriptor, DWORD descriptor_length, DWORD offset, int *error);
/* The same for a transfer that must not be carried out: sw_done tells its end, if it was not refused. */
bool sw_try_rdma(struct sw_op *op, bool write, const struct sw_memory *local, void *at,
		 DWORD length, const struct sw_memory *remote, int *error);
/* Has it ended? Asks WSPGetOverlappedResult where nobody tells. The result is in op, once. */
bool sw_done(struct sw_op *op);

#endif

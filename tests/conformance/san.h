/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * san.h - what the programs about mode S share: they play a switch above WSPStartupEx, with the handles
 * and records of host.h. Each port is held by a companion TCP socket, as a switch does it.
 */
#ifndef WSD_CONFORMANCE_SAN_H
#define WSD_CONFORMANCE_SAN_H

#include "tests/conformance/host.h"

#define SAN_WAIT_MS	    10000u
#define SAN_DESCRIPTOR_ROOM 64u

/* How an operation's result is fetched: by the low bit of hEvent. */
enum san_way { SAN_POLL, SAN_UPCALL };

struct san_functions {
	LPFN_WSPREGISTERMEMORY register_memory;
	LPFN_WSPDEREGISTERMEMORY deregister_memory;
	LPFN_WSPREGISTERRDMAMEMORY register_rdma;
	LPFN_WSPDEREGISTERRDMAMEMORY deregister_rdma;
	LPFN_WSPRDMAWRITE rdma_write;
	LPFN_WSPRDMAREAD rdma_read;
	LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK cache_callback;
};

struct san_op {
	WSAOVERLAPPED o;
	enum san_way way;
	DWORD bytes; /* as the call left it: UNTOUCHED */
	DWORD flags;
	unsigned before; /* upcalls there were when it began */
};

#define SAN_UNTOUCHED 0x5A5A5A5Au

/* Two connected ends, and what the condition function saw and answered. */
struct san_pair {
	SOCKET listener, client, server;
	SOCKET client_handle, server_handle; /* the switch's */
	struct address at;
};

extern struct san_functions san;
extern atomic_uint san_completions[HOST_TABLES]; /* through slot 16 of which table */
/* What the switch does in a completion upcall, of table 0. */
extern void (*san_in_upcall)(LPWSAOVERLAPPED overlapped);

/* A copy of the table of 16. */
WSPUPCALLTABLEEX san_table(unsigned table);
int san_startup(unsigned table); /* WSPStartupEx; fills spi and san */
/* Find one of the seven; its result, or *error. */
int san_find(SOCKET s, const GUID *id, void *function);

u_short companion_port(void);	/* bound by a TCP socket that stays open */
u_short companion_listen(void); /* the same, and listening */
u_short free_port(void);	/* held by nobody */

SOCKET san_listener(struct address *at, int backlog); /* bound to a companion's port */
/* WSPSocket, WSPBind to a companion's port. */
SOCKET san_bound(void);
/* WSPEventSelect and a nonblocking WSPConnect; the code that FD_CONNECT brought, or -1. */
int san_dial(SOCKET s, const struct address *to);
int san_connect_outcome(SOCKET s, WSAEVENT event);
/* The next request: waits for FD_ACCEPT by asking again. */
SOCKET san_take(SOCKET listener, LPCONDITIONPROC condition, DWORD_PTR data);
int san_open_pair(struct san_pair *p); /* 1, or 0 */
void san_close_pair(struct san_pair *p);
void san_close(SOCKET s);

/* Memory for both directions, registered or abort. */
HANDLE san_memory(SOCKET s, void *base, DWORD length, DWORD flags);

void san_begin_op(struct san_op *op, enum san_way way);
int san_recv(SOCKET s, void *to, DWORD length, struct san_op *op); /* 0: pending; else its error */
int san_send(SOCKET s, void *from, DWORD length, struct san_op *op);
int san_rdma(SOCKET s, bool write, void *at, DWORD length, HANDLE handle, void *descriptor,
	     DWORD descriptor_length, DWORD offset, struct san_op *op);
/* Its completion upcalls; waits at most ms for the first. */
unsigned san_upcalls(const struct san_op *op, unsigned ms);
/* The result of a pending operation: its error, *bytes. -1: none in time. */
int san_result(SOCKET s, struct san_op *op, DWORD *bytes);
/* One message from one to the other, in its own registered memory; 1 if it arrived whole. */
int san_message(SOCKET from, SOCKET to, const void *data, DWORD length, enum san_way way);

#endif

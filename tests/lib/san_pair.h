/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * san_pair.h - the smallest of all switches above WSPStartupEx, for programs that look at the inside of the
 * library or let something fail in it: connected pairs in one thread, driven by polling alone. Nothing here
 * checks the contract, and nothing aborts: what failed is returned.
 */
#ifndef WSD_TESTS_LIB_SAN_PAIR_H
#define WSD_TESTS_LIB_SAN_PAIR_H

#include <stdatomic.h>
#include <stdbool.h>

#include <openwsd/ws2san.h>
#include <openwsd/ws2tcpip.h>

#define SP_HUNG	      (-1) /* something that had to happen did not within SP_PATIENCE */
#define SP_PATIENCE   10u  /* s; multiplied by WSD_TEST_SLOW */
#define SP_DESCRIPTOR 64u
#define SP_PAIRS      4u

struct sp_extensions {
	LPFN_WSPREGISTERMEMORY register_memory;
	LPFN_WSPDEREGISTERMEMORY deregister_memory;
	LPFN_WSPREGISTERRDMAMEMORY register_rdma;
	LPFN_WSPDEREGISTERRDMAMEMORY deregister_rdma;
	LPFN_WSPRDMAWRITE rdma_write;
	LPFN_WSPRDMAREAD rdma_read;
	LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK cache_callback;
};

struct sp_pair {
	SOCKET listener, client, server; /* INVALID_SOCKET: not made */
	unsigned ports;			 /* which of ours: as many pairs as SP_PAIRS at a time */
};

extern WSPPROC_TABLE sp_spi;
extern struct sp_extensions sp_ext;
extern _Thread_local INT sp_error; /* for lpErrno */
extern atomic_int sp_handles;	   /* given out and not closed */
extern atomic_uint sp_upcalls;	   /* WPUCompleteOverlappedRequest */
extern atomic_uint sp_repeated;	   /* of those, for structures that had ended */
extern void (*sp_completed)(LPWSAOVERLAPPED overlapped); /* called by each of them; or NULL */

int sp_start(int family); /* WSPStartupEx and the seven functions; 0 or the code */
int sp_stop(void);	  /* WSPCleanup */

/* 0, the code of what failed, or SP_HUNG; sp_close takes what exists in any case. */
int sp_open(struct sp_pair *pair);
void sp_close(struct sp_pair *pair);
bool sp_settle(int handles); /* until at most so many handles are open */

/* A structure for an operation; poll: nobody is told of its end. */
void sp_begin(WSAOVERLAPPED *overlapped, bool poll);
/* All four: 0 (pending), or the code. */
int sp_send(SOCKET s, void *at, DWORD length, WSAOVERLAPPED *overlapped);
int sp_recv(SOCKET s, void *at, DWORD length, WSAOVERLAPPED *overlapped);
int sp_write(SOCKET s, void *at, DWORD length, HANDLE handle, void *descriptor,
	     WSAOVERLAPPED *overlapped);
int sp_read(SOCKET s, void *at, DWORD length, HANDLE handle, void *descriptor,
	    WSAOVERLAPPED *overlapped);
/* Polls until it has ended: its code or SP_HUNG, *bytes. */
int sp_result(SOCKET s, WSAOVERLAPPED *overlapped, DWORD *bytes);
/* The descriptor has SP_DESCRIPTOR bytes of room. 0 or the code. */
int sp_expose(SOCKET s, void *at, DWORD length, DWORD rights, void *descriptor);
int sp_hide(SOCKET s, void *descriptor);

#endif

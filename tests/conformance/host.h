/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - a host of the tests' own: it plays ws2_32 above the exported WSPStartup, with its own
 * handles, upcalls and APCs, and keeps a record of what the provider asked of it. Events are the
 * library's (WSACreateEvent). A program that links it has the one WPUCompleteOverlappedRequest of
 * the process, so it calls the provider through `spi` and never through the Winsock functions.
 */
#ifndef WSD_CONFORMANCE_HOST_H
#define WSD_CONFORMANCE_HOST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "tests/conformance/lib.h"

#define HOST_TABLES	2 /* two upcall tables, told apart by what they count */
#define HOST_CATALOG_ID 4711

enum host_upcall {
	HOST_CREATE_HANDLE,
	HOST_CLOSE_HANDLE,
	HOST_QUERY_CONTEXT,
	HOST_SET_EVENT,
	HOST_RESET_EVENT,
	HOST_QUEUE_APC,
	HOST_QUERY_BLOCKING,
	HOST_UPCALLS
};

/* A handle that WPUCreateSocketHandle gave out; kept after its end. */
struct host_handle {
	SOCKET handle;
	DWORD catalog_id;
	DWORD_PTR context;
	bool open;
	unsigned queries, closes, completions;
	unsigned late; /* upcalls for it after WPUCloseSocketHandle */
};

/* One WPUCompleteOverlappedRequest: its arguments, and the structure as it was then. */
struct host_completion {
	SOCKET s;
	LPWSAOVERLAPPED overlapped;
	DWORD error, bytes;
	ULONG_PTR internal;
	DWORD offset, offset_high;
};

/* One WPUPostMessage, with what its parameters mean. */
struct host_message {
	HWND window;
	unsigned message;
	SOCKET s;
	int event, error;
};

extern WSPPROC_TABLE spi;	     /* what WSPStartup returned */
extern _Thread_local INT host_error; /* pass &host_error as lpErrno */
extern WSAPROTOCOL_INFOW host_protocol;
extern atomic_uint host_calls[HOST_TABLES][HOST_UPCALLS];
extern atomic_uintptr_t host_refused;	 /* the context that it refused last */
extern atomic_int host_fail_create;	 /* not 0: WPUCreateSocketHandle fails with it */
extern atomic_bool host_no_window;	 /* WPUPostMessage fails */
extern atomic_uint host_post_ms;	 /* so long the next one takes */
extern atomic_bool host_posts;		 /* it does just now */
extern LPBLOCKINGCALLBACK host_blocking; /* what WPUQueryBlockingCallback answers */
extern DWORD_PTR host_blocking_context;

/* An open socket of another provider, which has this context, too. */
SOCKET host_foreign(DWORD_PTR context);
void host_foreign_close(SOCKET s);

/* The call failed, and with exactly this code; it stores its error in host_error. */
#define SPI_FAILS(call, code) (host_error = 0, (int)(call) == SOCKET_ERROR && host_error == (code))
/* The same for a call that returns a SOCKET. */
#define SPI_NO_SOCKET(call, code) (host_error = 0, (call) == INVALID_SOCKET && host_error == (code))

/* The deadline, the family under test, host_protocol; nothing is started. */
void host_begin(int argc, char **argv);
/* WSPStartup 2.2 with one of the two tables; fills spi. Its result. */
int host_startup(unsigned table);
int host_cleanup(void);
/* A copy of the table, for a WSPStartup of one's own. */
WSPUPCALLTABLE host_table(unsigned table);

unsigned host_handles(void);		       /* ever created */
unsigned host_open_handles(void);	       /* of those, still open */
struct host_handle host_handle_at(unsigned n); /* the n-th created */
struct host_handle host_find(SOCKET s);	       /* handle INVALID_SOCKET: unknown */

unsigned host_completions(void);
struct host_completion host_completion_at(unsigned n); /* the n-th */
/* How many there were for this structure; waits at most ms for the first. */
unsigned host_wait_completion(LPWSAOVERLAPPED overlapped, unsigned ms);

/* Takes the oldest message; waits at most ms for one. */
bool host_next_message(struct host_message *m, unsigned ms);

/* The calling thread for lpThreadId; the structure is the caller's, to overwrite as he likes. */
LPWSATHREADID host_thread(WSATHREADID *storage);
/* An alertable wait: runs the calls queued to this thread; how many. Waits at most ms for one. */
unsigned host_run_apcs(unsigned ms);

/* The everyday calls through spi, on the family under test. */
SOCKET host_socket(void);
int host_bind(SOCKET s, const struct address *at);
int host_listen(SOCKET s, int backlog);
SOCKET host_accept(SOCKET s);
int host_connect(SOCKET s, const struct address *to);
int host_name_of(SOCKET s, struct address *at);
int host_send(SOCKET s, const void *data, unsigned length); /* bytes, or SOCKET_ERROR */
int host_recv(SOCKET s, void *data, unsigned length);
int host_close(SOCKET s);
int host_nonblocking(SOCKET s, u_long on);
SOCKET host_listener(struct address *at, int backlog);
int host_open_pair(struct pair *p); /* 1, or 0 with what exists left open */
void host_close_pair(struct pair *p);
SOCKET host_conditional(struct address *at); /* a listener with SO_CONDITIONAL_ACCEPT */
int host_exchange(SOCKET a, SOCKET b);	     /* a byte each way; has it arrived? */

#endif

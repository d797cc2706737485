/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.h - what the shim knows about a thread: its queue of asynchronous procedure calls, its
 * handles, its exit.
 */
#ifndef WSD_LINUX_THREAD_H
#define WSD_LINUX_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "spi_shim/linux/waitable.h"

struct wsd_waker;

/* One per thread that used anything that needs it; freed with the thread and its last handle. */
struct wsd_thread_state {
	_Atomic unsigned refs; /* the running thread, and every handle */
	DWORD id;
	pthread_mutex_t lock; /* the rest */
	bool exited;
	DWORD exit_code;
	struct wsd_list apcs;
	struct wsd_list spare_apcs; /* at least as many as promised */
	unsigned spares, promised;
	struct wsd_list handles;
	struct wsd_waker *waker; /* while the thread waits alertably */
	HANDLE own_handle;	 /* for WSATHREADID; closed when the thread ends */
};

/* The calling thread; NULL when memory is short. */
struct wsd_thread_state *wsd_thread_self(void);
/* A new handle for a thread, or NULL with the last error set. */
HANDLE wsd_thread_open(struct wsd_thread_state *state);
/* The thread behind an object of type WSD_HANDLE_THREAD. */
struct wsd_thread_state *wsd_thread_of_object(struct wsd_object *object);
/* The handle that names the calling thread in a WSATHREADID; NULL with the last error set. */
HANDLE wsd_thread_own_handle(void);

enum wsd_apc_origin { WSD_APC_USER, WSD_APC_PROVIDER };
/*
 * [the thread itself] Before a call that may end in a routine: the memory for queueing it, because by
 * then it is too late to fail. False: no memory. break_promise when nothing will be queued.
 */
bool wsd_apc_promise(struct wsd_thread_state *self);
void wsd_apc_break_promise(struct wsd_thread_state *self);
/* False with the last error set: no such thread, ended, or no memory (not for what was promised). */
bool wsd_apc_queue(HANDLE thread, PAPCFUNC routine, ULONG_PTR context, enum wsd_apc_origin origin);
bool wsd_apc_pending(struct wsd_thread_state *self);
/* Runs what is queued, and what that queues, in order. */
void wsd_apc_run(struct wsd_thread_state *self);
/* Around an alertable wait. */
void wsd_apc_wait_begin(struct wsd_thread_state *self, struct wsd_waker *waker);
void wsd_apc_wait_end(struct wsd_thread_state *self);
/* [thread.c, at the end of a thread] Drops what never ran. */
void wsd_apc_discard(struct wsd_list *apcs);
void wsd_apc_free_spares(struct wsd_thread_state *state);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* routine.h - completion routines: the thread that they run in, and what is due there. */
#ifndef WSD_WINSOCK_ROUTINE_H
#define WSD_WINSOCK_ROUTINE_H

#include "provider/winsock/op.h"

/* [lock of home] The routine of op will run in this thread. False: no memory for that. */
bool wsd_routine_prepare(struct wsd_op *op);
/* [no lock] False: it will never run, and op is still the caller's. */
bool wsd_routine_queue(struct wsd_op *op);

/*
 * An operation is due from the time when its routine is queued until that begins. On Linux the shim tells of the end
 * of a thread, and drops what is queued for it. Windows says nothing, so there such an operation refers to its
 * thread, those that are due have a list, and who comes by with time to spare frees those whose thread has ended.
 */
bool wsd_due_prepare(struct wsd_op *op); /* [lock of home] */
void wsd_due_forget(struct wsd_op *op);	 /* [lock of home] it is going to be free */
/* [no lock] As wsd_routine_queue. */
bool wsd_due_queue(struct wsd_op *op, LPWSAUSERAPC apc);
/* Its APC runs: to begin the routine, or to keep it in this thread, where another fiber may have posted. False: it
 * cannot be kept. */
void wsd_due_begin(struct wsd_op *op);
bool wsd_due_keep(struct wsd_op *op);
/* [no lock] False: threads that live have some. */
bool wsd_due_reap(void);

#endif

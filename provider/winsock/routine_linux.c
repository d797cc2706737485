// SPDX-License-Identifier: BSD-2-Clause
/* routine_linux.c - see routine.h: the shim keeps account. */
#include "provider/winsock/routine.h"

#include "provider/winsock/provider.h"
#include "provider/winsock/socket.h"

bool wsd_due_prepare(struct wsd_op *op)
{
	(void)op;
	return true;
}

void wsd_due_forget(struct wsd_op *op)
{
	(void)op;
}

bool wsd_due_queue(struct wsd_op *op, LPWSAUSERAPC apc)
{
	WSATHREADID thread = op->thread;
	INT ignored;

	return wsd_upcalls(op->home->mode)
		       ->table.lpWPUQueueApc(&thread, apc, (DWORD_PTR)op, &ignored) == 0;
}

void wsd_due_begin(struct wsd_op *op)
{
	(void)op;
}

bool wsd_due_keep(struct wsd_op *op)
{
	(void)op;
	return true;
}

bool wsd_due_reap(void)
{
	return true;
}

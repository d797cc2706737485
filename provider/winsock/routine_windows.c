// SPDX-License-Identifier: BSD-2-Clause
/*
 * routine_windows.c - see routine.h: operations whose routine is due, and the end of their threads.
 *
 * The handle in a WSATHREADID is the host's and goes with its thread, so it cannot be asked, and its number may be
 * another object's by then. The waker has a handle of its own. Nothing is done in the thread that ends: the
 * system holds locks there, and what the thread has here is not to be used any more.
 */
#include "provider/winsock/routine.h"

#include "provider/winsock/provider.h"
#include "provider/winsock/socket.h"

static struct wsd_mutex due_lock =
	WSD_MUTEX_INIT; /* the last one: nothing is called under it that locks */
static struct wsd_list due = { &due, &due }; /* by parked_link */

bool wsd_due_prepare(struct wsd_op *op)
{
	struct wsd_waker *own = wsd_waker_self();

	if (own == NULL || !wsd_waker_keep(own))
		return false;
	op->waker = own;
	return true;
}

void wsd_due_forget(struct wsd_op *op)
{
	if (op->waker != NULL)
		wsd_waker_drop(op->waker);
	op->waker = NULL;
}

/* Is it still due, or has somebody found that its thread has ended? Then its memory may be another operation's already,
 * but of no thread that has ended. [due_lock] */
static bool is_due(const struct wsd_op *op, const struct wsd_waker *waker)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &due) {
		if (node == &op->parked_link)
			return op->waker == waker;
	}
	return false;
}

bool wsd_due_queue(struct wsd_op *op, LPWSAUSERAPC apc)
{
	struct wsd_waker *waker = op->waker;
	WSATHREADID thread = op->thread;
	unsigned mode = op->home->mode;
	bool ours = false;
	INT ignored;

	if (wsd_waker_orphaned(waker) || !wsd_waker_keep(waker))
		return false;
	wsd_mutex_lock(&due_lock);
	wsd_list_append(&due, &op->parked_link);
	wsd_mutex_unlock(&due_lock);
	/* From here on the routine may have run. */
	if (wsd_upcalls(mode)->table.lpWPUQueueApc(&thread, apc, (DWORD_PTR)op, &ignored) != 0) {
		wsd_mutex_lock(&due_lock);
		ours = is_due(op, waker);
		if (ours)
			wsd_list_remove(&op->parked_link);
		wsd_mutex_unlock(&due_lock);
	}
	wsd_waker_drop(waker);
	return !ours;
}

void wsd_due_begin(struct wsd_op *op)
{
	wsd_mutex_lock(&due_lock);
	wsd_list_remove(&op->parked_link);
	wsd_mutex_unlock(&due_lock);
}

bool wsd_due_keep(struct wsd_op *op)
{
	struct wsd_waker *own = wsd_waker_self(), *before = op->waker;

	if (own == before)
		return true;
	if (own == NULL || !wsd_waker_keep(own))
		return false;
	wsd_mutex_lock(&due_lock);
	op->waker = own;
	wsd_mutex_unlock(&due_lock);
	wsd_waker_drop(before);
	return true;
}

static struct wsd_op *take_orphan(bool *none)
{
	const struct wsd_waker *alive = NULL;
	struct wsd_op *found = NULL;
	struct wsd_list *node;

	wsd_mutex_lock(&due_lock);
	*none = wsd_list_empty(&due);
	wsd_list_for_each(node, &due) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, parked_link);

		if (op->waker == alive)
			continue;
		if (wsd_waker_orphaned(op->waker)) {
			found = op;
			break;
		}
		alive = op->waker;
	}
	if (found != NULL) {
		wsd_list_remove(&found->parked_link);
		wsd_list_remove(&found->link); /* kept in the waker, perhaps */
	}
	wsd_mutex_unlock(&due_lock);
	return found;
}

bool wsd_due_reap(void)
{
	struct wsd_op *op;
	bool none;

	while ((op = take_orphan(&none)) != NULL)
		wsd_op_release(op);
	return none;
}

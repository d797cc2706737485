// SPDX-License-Identifier: BSD-2-Clause
/*
 * routine_windows.c - see routine.h: operations whose routine is due, and the end of their threads.
 *
 * The handle in a WSATHREADID is the host's and goes with its thread, so it cannot be asked, and its number may be
 * another object's by then. A reference to the thread has a handle of its own. Nothing is done in the thread that ends:
 * the system holds locks there, and what the thread has here is not to be used any more.
 */
#include "provider/winsock/routine.h"

#include "provider/winsock/provider.h"
#include "provider/winsock/socket.h"

static struct wsd_mutex due_lock =
	WSD_MUTEX_INIT; /* the last one: nothing is called under it that locks */
static struct wsd_list due = { &due, &due }; /* by parked_link */

bool wsd_due_prepare(struct wsd_op *op)
{
	op->runs_in = wsd_thread_ref_self();
	return op->runs_in != NULL;
}

void wsd_due_forget(struct wsd_op *op)
{
	if (op->runs_in != NULL)
		wsd_thread_ref_drop(op->runs_in);
	op->runs_in = NULL;
}

/* Is it still due, or has somebody found that its thread has ended? Then its memory may be another operation's already,
 * but of no thread that has ended. [due_lock] */
static bool is_due(const struct wsd_op *op, const struct wsd_thread_ref *thread)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &due) {
		if (node == &op->parked_link)
			return op->runs_in == thread;
	}
	return false;
}

bool wsd_due_queue(struct wsd_op *op, LPWSAUSERAPC apc)
{
	struct wsd_thread_ref *runs_in;
	WSATHREADID thread = op->thread;
	unsigned mode = op->home->mode;
	bool ours = false;
	INT ignored;

	if (wsd_thread_ref_ended(op->runs_in))
		return false;
	runs_in = wsd_thread_ref_keep(op->runs_in);
	wsd_mutex_lock(&due_lock);
	wsd_list_append(&due, &op->parked_link);
	wsd_mutex_unlock(&due_lock);
	/* From here on the routine may have run. */
	if (wsd_upcalls(mode)->table.lpWPUQueueApc(&thread, apc, (DWORD_PTR)op, &ignored) != 0) {
		wsd_mutex_lock(&due_lock);
		ours = is_due(op, runs_in);
		if (ours)
			wsd_list_remove(&op->parked_link);
		wsd_mutex_unlock(&due_lock);
	}
	wsd_thread_ref_drop(runs_in);
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
	struct wsd_thread_ref *own = wsd_thread_ref_self(), *before = op->runs_in;

	if (own == NULL)
		return false;
	wsd_mutex_lock(&due_lock);
	op->runs_in = own;
	wsd_mutex_unlock(&due_lock);
	wsd_thread_ref_drop(before);
	return true;
}

static struct wsd_op *take_orphan(bool *none)
{
	const struct wsd_thread_ref *alive = NULL;
	struct wsd_op *found = NULL;
	struct wsd_list *node;

	wsd_mutex_lock(&due_lock);
	*none = wsd_list_empty(&due);
	wsd_list_for_each(node, &due) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, parked_link);

		if (op->runs_in == alive)
			continue;
		if (wsd_thread_ref_ended(op->runs_in)) {
			found = op;
			break;
		}
		alive = op->runs_in;
	}
	if (found != NULL) {
		wsd_list_remove(&found->parked_link);
		wsd_list_remove(&found->link); /* kept with its fiber's waker, perhaps */
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

// SPDX-License-Identifier: BSD-2-Clause
/* routine.c - completion routines: never nested on one socket, and never lost with their thread. */
#include "provider/winsock/routine.h"

#include "provider/winsock/provider.h"
#include "provider/winsock/socket.h"

/* A completion routine that runs in this thread. */
struct routine_frame {
	SOCKET handle;
	struct routine_frame *outer;
};

/* Finished operations are kept outside of the frames, because a routine may end its thread. */
struct routines {
	struct routine_frame *frames;
	struct wsd_list kept; /* of sockets that have a frame; all zero until the first */
};
WSD_THREAD_LOCAL(struct routines, own_routines, WSD_ROOM_ROUTINES);

bool wsd_routine_prepare(struct wsd_op *op)
{
	return own_routines() != NULL && wsd_due_prepare(op);
}

/* The operation is free before the routine runs, which may post. */
static void run_routine(struct wsd_op *op)
{
	LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = op->routine;
	LPWSAOVERLAPPED overlapped = op->overlapped;
	DWORD error = (DWORD)op->error, bytes = (DWORD)op->moved, flags = op->result_flags;

	wsd_due_begin(op);
	wsd_op_release(op);
	routine(error, bytes, overlapped, flags);
}

static struct wsd_op *take_kept(struct routines *own, SOCKET handle)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &own->kept) {
		struct wsd_op *op = wsd_container(node, struct wsd_op, link);

		if (op->home->handle == handle) {
			wsd_list_remove(node);
			return op;
		}
	}
	return NULL;
}

/* The one value an APC carries is the operation. Routines of one socket are never nested: what comes
 * up while one of them waits alertably is kept until that one has returned. */
static VOID CALLBACK trampoline(DWORD_PTR context)
{
	struct wsd_op *op = (struct wsd_op *)context;
	struct routines *own = own_routines();
	struct routine_frame frame = { op->home->handle, NULL };

	if (own == NULL) { /* not the thread that posted, and it has no memory */
		run_routine(op);
		return;
	}
	if (own->kept.next == NULL)
		wsd_list_init(&own->kept);
	for (struct routine_frame *f = own->frames; f != NULL; f = f->outer) {
		if (f->handle == frame.handle) {
			if (!wsd_due_keep(op))
				break;
			wsd_list_append(&own->kept, &op->link);
			return;
		}
	}
	frame.outer = own->frames;
	own->frames = &frame;
	do
		run_routine(op);
	while ((op = take_kept(own, frame.handle)) != NULL);
	own->frames = frame.outer;
}

bool wsd_routine_queue(struct wsd_op *op)
{
	return wsd_due_queue(op, trampoline);
}

void wsd_provider_thread_ended(void)
{
	struct routines *own = own_routines();
	struct wsd_list *node;

	if (own == NULL)
		return;
	own->frames = NULL;
	if (own->kept.next == NULL)
		return;
	while ((node = wsd_list_pop(&own->kept)) != NULL)
		wsd_op_release(wsd_container(node, struct wsd_op, link));
}

void wsd_ops_fork_child(void)
{
	struct routines *own = own_routines();

	/* The parent's; its other threads may have held their sockets' locks. */
	if (own != NULL)
		wsd_list_init(&own->kept);
}

void wsd_provider_apc_dropped(LPWSAUSERAPC routine, DWORD_PTR context)
{
	if (routine == trampoline)
		wsd_op_release((struct wsd_op *)context);
}

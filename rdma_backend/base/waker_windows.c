// SPDX-License-Identifier: BSD-2-Clause
/* waker_windows.c - what each thread has: an event to wait on, and room for variables. */

#include <windows.h>

#include <stdatomic.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"

/* state tells a waking thread whether the owner needs the system call. A signal left in the event by a
 * wake that raced with another reason to return costs one early return, later. */
enum waker_state { WAKER_IDLE, WAKER_SLEEPING, WAKER_WOKEN };

struct wsd_waker {
	atomic_int state;
	atomic_uint refs;
	HANDLE event;		     /* resets itself */
	struct wsd_thread_ref *last; /* the thread where its owner asked for one */
	struct wsd_room rooms[WSD_ROOMS];
};

struct wsd_thread_ref {
	atomic_uint refs;
	DWORD id; /* no other thread's while there is the handle */
	HANDLE thread;
	struct wsd_waker *waker; /* counted */
};

/* Local storage with a destructor that works for threads that are not ours, and for an unload. */
static INIT_ONCE slot_once = INIT_ONCE_STATIC_INIT;
static DWORD slot = FLS_OUT_OF_INDEXES;

static void waker_drop(struct wsd_waker *waker)
{
	/* acq_rel: the last one sees what all others did */
	if (atomic_fetch_sub_explicit(&waker->refs, 1, memory_order_acq_rel) != 1)
		return;
	CloseHandle(waker->event);
	wsd_raw_free(waker);
}

struct wsd_thread_ref *wsd_thread_ref_keep(struct wsd_thread_ref *ref)
{
	/* relaxed: a reference is only made from one that exists */
	atomic_fetch_add_explicit(&ref->refs, 1, memory_order_relaxed);
	return ref;
}

void wsd_thread_ref_drop(struct wsd_thread_ref *ref)
{
	if (atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) != 1)
		return;
	CloseHandle(ref->thread);
	waker_drop(ref->waker);
	wsd_raw_free(ref);
}

/* The end of a thread, or of a fiber. The system may hold locks of its own, and what a thread has here is gone already:
 * nothing else of ours may be done. */
static void NTAPI owner_ended(void *arg)
{
	struct wsd_waker *waker = arg;

	if (waker == NULL)
		return;
	if (waker->last)
		wsd_thread_ref_drop(waker->last);
	waker_drop(waker);
}

/* A handle of one's own thread needs no right of the client that the thread may act as. */
static struct wsd_thread_ref *ref_new(struct wsd_waker *waker)
{
	struct wsd_thread_ref *ref = wsd_raw_alloc(sizeof(*ref));
	HANDLE process = GetCurrentProcess();

	if (!ref)
		return NULL;
	if (!DuplicateHandle(process, GetCurrentThread(), process, &ref->thread, SYNCHRONIZE, FALSE,
			     0)) {
		wsd_raw_free(ref);
		return NULL;
	}
	atomic_init(&ref->refs, 1);
	ref->id = GetCurrentThreadId();
	atomic_fetch_add_explicit(&waker->refs, 1, memory_order_relaxed);
	ref->waker = waker;
	return ref;
}

struct wsd_thread_ref *wsd_thread_ref_self(void)
{
	struct wsd_waker *own = wsd_waker_self();

	if (own == NULL)
		return NULL;
	if (own->last && own->last->id != GetCurrentThreadId()) {
		wsd_thread_ref_drop(own->last); /* a fiber, and the thread it was in */
		own->last = NULL;
	}
	if (!own->last)
		own->last = ref_new(own);
	return own->last ? wsd_thread_ref_keep(own->last) : NULL;
}

bool wsd_thread_ref_ended(const struct wsd_thread_ref *ref)
{
	return WaitForSingleObject(ref->thread, 0) == WAIT_OBJECT_0;
}

static BOOL CALLBACK slot_make(PINIT_ONCE once, void *arg, void **context)
{
	(void)once;
	(void)arg;
	(void)context;
	slot = FlsAlloc(owner_ended);
	return TRUE;
}

void wsd_windows_unload(void)
{
	if (slot != FLS_OUT_OF_INDEXES)
		FlsFree(slot);
	slot = FLS_OUT_OF_INDEXES;
}

static struct wsd_waker *waker_new(void)
{
	struct wsd_waker *waker = wsd_raw_alloc(sizeof(*waker));

	if (!waker)
		return NULL;
	atomic_init(&waker->refs, 1);
	waker->event = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (waker->event && FlsSetValue(slot, waker))
		return waker;
	if (waker->event)
		CloseHandle(waker->event);
	wsd_raw_free(waker);
	return NULL;
}

struct wsd_waker *wsd_waker_self(void)
{
	struct wsd_waker *waker;

	InitOnceExecuteOnce(&slot_once, slot_make, NULL, NULL);
	if (slot == FLS_OUT_OF_INDEXES)
		return NULL;
	waker = FlsGetValue(slot);
	return waker ? waker : waker_new();
}

struct wsd_room *wsd_thread_room(enum wsd_room_place place)
{
	struct wsd_waker *own = wsd_waker_self();

	return own ? &own->rooms[place] : NULL;
}

void wsd_waker_wake(struct wsd_waker *waker)
{
	if (atomic_exchange(&waker->state, WAKER_WOKEN) == WAKER_SLEEPING)
		SetEvent(waker->event);
}

void wsd_waker_reset(struct wsd_waker *waker)
{
	/* seq_cst, so that the condition is tested after this and a later wake is not missed. */
	atomic_exchange(&waker->state, WAKER_IDLE);
}

void wsd_waker_sleep(struct wsd_waker *waker, const intptr_t *objects, unsigned count,
		     uint64_t deadline)
{
	HANDLE handles[MAXIMUM_WAIT_OBJECTS];
	int idle = WAKER_IDLE;
	unsigned i;

	if (count > MAXIMUM_WAIT_OBJECTS - 1) {
		/* Not every object can be watched: look again soon. */
		uint64_t soon = wsd_clock_ns() + 1000000;

		count = MAXIMUM_WAIT_OBJECTS - 1;
		deadline = deadline < soon ? deadline : soon;
	}
	handles[0] = waker->event;
	for (i = 0; i < count; i++)
		handles[i + 1] = (HANDLE)objects[i];
	if (atomic_compare_exchange_strong(&waker->state, &idle, WAKER_SLEEPING))
		WaitForMultipleObjects(count + 1, handles, FALSE, wsd_windows_wait_ms(deadline));
	wsd_waker_reset(waker);
}

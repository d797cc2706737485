// SPDX-License-Identifier: BSD-2-Clause
/*
 * thread.c - owns thread states, thread handles, CreateThread and sleeping.
 *
 * Design notes: a thread gets its state when it first needs one and keeps it in a thread-specific
 * key, whose destructor is the end of the thread as far as handles are concerned. A handle is an
 * object of its own, so that closing the handle of CreateThread does not take the thread's
 * WSATHREADID away.
 */
#include "spi_shim/linux/thread.h"

#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"

struct thread_handle {
	struct wsd_waitable waitable; /* first */
	struct wsd_list link;	      /* in state->handles, under its lock */
	struct wsd_thread_state *state;
};

static _Thread_local struct wsd_thread_state *own_state;
static _Thread_local DWORD own_id;
static _Atomic DWORD last_id;
static pthread_key_t state_key;
static bool state_key_valid;
static pthread_once_t state_once = PTHREAD_ONCE_INIT;

static DWORD id_next(void)
{
	return atomic_fetch_add_explicit(&last_id, 4, memory_order_relaxed) + 4;
}

static struct wsd_thread_state *state_new(DWORD id)
{
	struct wsd_thread_state *state = wsd_alloc(sizeof(*state));

	if (state == NULL)
		return NULL;
	atomic_init(&state->refs, 1);
	state->id = id;
	pthread_mutex_init(&state->lock, NULL);
	wsd_list_init(&state->apcs);
	wsd_list_init(&state->spare_apcs);
	wsd_list_init(&state->handles);
	return state;
}

static void state_unref(struct wsd_thread_state *state)
{
	/* acq_rel: the last one sees what all others did */
	if (atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1)
		return;
	wsd_apc_free_spares(state);
	pthread_mutex_destroy(&state->lock);
	wsd_free(state);
}

/* The thread is ending: its handles become signalled, what is queued for it is dropped. */
static void state_exit(void *arg)
{
	struct wsd_thread_state *state = arg;
	struct wsd_list apcs, *node;
	HANDLE own_handle;

	own_state = NULL;
	wsd_list_init(&apcs);
	pthread_mutex_lock(&state->lock);
	state->exited = true;
	wsd_list_splice(&apcs, &state->apcs);
	own_handle = state->own_handle;
	state->own_handle = NULL;
	wsd_list_for_each(node, &state->handles)
		wsd_waitable_signal(&wsd_container(node, struct thread_handle, link)->waitable);
	pthread_mutex_unlock(&state->lock);
	wsd_apc_discard(&apcs);
	if (wsd_provider_thread_ended != NULL)
		wsd_provider_thread_ended();
	if (own_handle != NULL)
		wsd_object_close((uintptr_t)own_handle, WSD_HANDLE_THREAD);
	state_unref(state);
}

static void state_setup(void)
{
	state_key_valid = pthread_key_create(&state_key, state_exit) == 0;
}

/* Takes over the caller's reference. */
static bool state_adopt(struct wsd_thread_state *state)
{
	pthread_once(&state_once, state_setup);
	if (!state_key_valid || pthread_setspecific(state_key, state) != 0)
		return false;
	own_state = state;
	own_id = state->id;
	return true;
}

struct wsd_thread_state *wsd_thread_self(void)
{
	struct wsd_thread_state *state = own_state;

	if (state != NULL)
		return state;
	state = state_new(GetCurrentThreadId());
	if (state != NULL && !state_adopt(state)) {
		state_unref(state);
		return NULL;
	}
	return state;
}

/* The old state may be locked by a thread that does not exist here: it is left alone. */
void wsd_thread_forked(void)
{
	if (own_state != NULL)
		pthread_setspecific(state_key, NULL);
	own_state = NULL;
}

static void handle_destroy(struct wsd_object *object)
{
	struct thread_handle *handle = wsd_container(object, struct thread_handle, waitable.object);
	struct wsd_thread_state *state = handle->state;

	pthread_mutex_lock(&state->lock);
	wsd_list_remove(&handle->link);
	pthread_mutex_unlock(&state->lock);
	wsd_waitable_fini(&handle->waitable);
	wsd_free(handle);
	state_unref(state);
}

struct wsd_thread_state *wsd_thread_of_object(struct wsd_object *object)
{
	return wsd_container(object, struct thread_handle, waitable.object)->state;
}

HANDLE wsd_thread_open(struct wsd_thread_state *state)
{
	struct thread_handle *handle = wsd_alloc(sizeof(*handle));
	uintptr_t value;

	if (handle == NULL) {
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	handle->state = state;
	atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed); /* caller has one */
	pthread_mutex_lock(&state->lock);
	wsd_waitable_init(&handle->waitable, false, state->exited, handle_destroy);
	wsd_list_append(&state->handles, &handle->link);
	pthread_mutex_unlock(&state->lock);
	value = wsd_object_new(WSD_HANDLE_THREAD, &handle->waitable.object);
	if (value == 0) {
		handle_destroy(&handle->waitable.object);
		wsd_fail(ERROR_TOO_MANY_OPEN_FILES);
	}
	return (HANDLE)value;
}

HANDLE wsd_thread_own_handle(void)
{
	struct wsd_thread_state *state = wsd_thread_self();

	if (state == NULL) {
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	if (state->own_handle == NULL) /* only this thread sets it */
		state->own_handle = wsd_thread_open(state);
	return state->own_handle;
}

struct start {
	LPTHREAD_START_ROUTINE routine;
	LPVOID parameter;
	struct wsd_thread_state *state;
};

static void *thread_run(void *arg)
{
	struct start start = *(struct start *)arg;
	DWORD code;

	wsd_free(arg);
	if (!state_adopt(start.state)) {
		state_exit(start.state);
		return NULL;
	}
	code = start.routine(start.parameter);
	pthread_mutex_lock(&start.state->lock);
	start.state->exit_code = code;
	pthread_mutex_unlock(&start.state->lock);
	return NULL;
}

static bool thread_start(struct start *start, SIZE_T stack)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (pthread_attr_init(&attributes) != 0)
		return false;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (stack != 0) {
		SIZE_T page = 4096, least = (SIZE_T)PTHREAD_STACK_MIN + 16 * page;

		stack = stack < least ? least : (stack + page - 1) & ~(page - 1);
		pthread_attr_setstacksize(&attributes, stack);
	}
	error = pthread_create(&thread, &attributes, thread_run, start);
	pthread_attr_destroy(&attributes);
	return error == 0;
}

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES lpAttributes, SIZE_T dwStackSize,
			   LPTHREAD_START_ROUTINE lpStartAddress, LPVOID lpParameter,
			   DWORD dwCreationFlags, LPDWORD lpThreadId)
{
	struct wsd_thread_state *state;
	struct start *start;
	HANDLE handle = NULL;

	(void)lpAttributes;
	if (lpStartAddress == NULL || dwCreationFlags != 0) {
		wsd_fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	start = wsd_alloc(sizeof(*start));
	state = state_new(id_next());
	if (start != NULL && state != NULL)
		handle = wsd_thread_open(state);
	else
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	if (handle != NULL) {
		if (lpThreadId != NULL)
			*lpThreadId = state->id;
		*start = (struct start){ lpStartAddress, lpParameter, state };
		if (thread_start(start, dwStackSize))
			return handle;
		wsd_object_close((uintptr_t)handle, WSD_HANDLE_THREAD);
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	if (state != NULL)
		state_unref(state);
	wsd_free(start);
	return NULL;
}

VOID WINAPI ExitThread(DWORD dwExitCode)
{
	struct wsd_thread_state *state = wsd_thread_self();

	if (state != NULL) {
		pthread_mutex_lock(&state->lock);
		state->exit_code = dwExitCode;
		pthread_mutex_unlock(&state->lock);
	}
	pthread_exit(NULL);
}

BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)hThread, WSD_HANDLE_THREAD);
	struct wsd_thread_state *state;

	if (object == NULL)
		return wsd_fail(ERROR_INVALID_HANDLE);
	state = wsd_thread_of_object(object);
	pthread_mutex_lock(&state->lock);
	if (lpExitCode != NULL)
		*lpExitCode = state->exited ? state->exit_code : STILL_ACTIVE;
	pthread_mutex_unlock(&state->lock);
	wsd_object_put(object);
	return lpExitCode != NULL ? TRUE : wsd_fail(ERROR_NOACCESS);
}

DWORD WINAPI GetCurrentThreadId(void)
{
	if (own_id == 0)
		own_id = id_next();
	return own_id;
}

DWORD WINAPI GetCurrentProcessId(void)
{
	return (DWORD)getpid();
}

DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable)
{
	DWORD result = wsd_wait_objects(0, NULL, FALSE, dwMilliseconds, bAlertable);

	if (dwMilliseconds == 0 && result == WAIT_TIMEOUT)
		sched_yield();
	return result == WAIT_IO_COMPLETION ? WAIT_IO_COMPLETION : 0;
}

VOID WINAPI Sleep(DWORD dwMilliseconds)
{
	(void)SleepEx(dwMilliseconds, FALSE);
}

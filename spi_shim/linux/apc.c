// SPDX-License-Identifier: BSD-2-Clause
/*
 * apc.c - owns asynchronous procedure calls: one queue per thread, run by that thread in alertable
 * waits only.
 */
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"
#include "spi_shim/linux/thread.h"

struct apc {
	struct wsd_list link;
	PAPCFUNC routine;
	ULONG_PTR context;
	enum wsd_apc_origin origin;
};

bool wsd_apc_queue(HANDLE thread, PAPCFUNC routine, ULONG_PTR context, enum wsd_apc_origin origin)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)thread, WSD_HANDLE_THREAD);
	struct wsd_thread_state *state;
	struct apc *apc;
	bool queued;

	if (object == NULL)
		return wsd_fail(ERROR_INVALID_HANDLE);
	apc = wsd_alloc(sizeof(*apc));
	if (apc == NULL) {
		wsd_object_put(object);
		return wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	apc->routine = routine;
	apc->context = context;
	apc->origin = origin;
	state = wsd_thread_of_object(object);
	pthread_mutex_lock(&state->lock);
	queued = !state->exited;
	if (queued) {
		wsd_list_append(&state->apcs, &apc->link);
		if (state->waker != NULL)
			wsd_waker_wake(state->waker);
	}
	pthread_mutex_unlock(&state->lock);
	wsd_object_put(object);
	if (queued)
		return true;
	wsd_free(apc);
	return wsd_fail(ERROR_GEN_FAILURE);
}

bool wsd_apc_pending(struct wsd_thread_state *self)
{
	bool pending;

	pthread_mutex_lock(&self->lock);
	pending = !wsd_list_empty(&self->apcs);
	pthread_mutex_unlock(&self->lock);
	return pending;
}

static struct apc *apc_pop(struct wsd_thread_state *self)
{
	struct wsd_list *node;

	pthread_mutex_lock(&self->lock);
	node = wsd_list_pop(&self->apcs);
	pthread_mutex_unlock(&self->lock);
	return node != NULL ? wsd_container(node, struct apc, link) : NULL;
}

void wsd_apc_run(struct wsd_thread_state *self)
{
	struct apc *apc;

	while ((apc = apc_pop(self)) != NULL) {
		PAPCFUNC routine = apc->routine;
		ULONG_PTR context = apc->context;

		wsd_free(apc); /* first: the routine may end the thread */
		routine(context);
	}
}

void wsd_apc_wait_begin(struct wsd_thread_state *self, struct wsd_waker *waker)
{
	pthread_mutex_lock(&self->lock);
	self->waker = waker;
	pthread_mutex_unlock(&self->lock);
}

void wsd_apc_wait_end(struct wsd_thread_state *self)
{
	pthread_mutex_lock(&self->lock);
	self->waker = NULL;
	pthread_mutex_unlock(&self->lock);
}

void wsd_apc_discard(struct wsd_list *apcs)
{
	struct wsd_list *node;

	while ((node = wsd_list_pop(apcs)) != NULL) {
		struct apc *apc = wsd_container(node, struct apc, link);

		if (apc->origin == WSD_APC_PROVIDER && wsd_provider_apc_dropped != NULL)
			wsd_provider_apc_dropped(apc->routine, apc->context);
		wsd_free(apc);
	}
}

DWORD WINAPI QueueUserAPC(PAPCFUNC pfnAPC, HANDLE hThread, ULONG_PTR dwData)
{
	if (pfnAPC == NULL)
		return (DWORD)wsd_fail(ERROR_INVALID_PARAMETER);
	return wsd_apc_queue(hThread, pfnAPC, dwData, WSD_APC_USER);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * apc.c - owns asynchronous procedure calls: one queue per thread, run by that thread in alertable
 * waits only. What carries a routine of the provider is allocated before the operation begins and is
 * used again and again.
 */
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"
#include "spi_shim/linux/thread.h"

#define SPARES_MAX 64u

struct apc {
	struct wsd_list link;
	PAPCFUNC routine;
	ULONG_PTR context;
	enum wsd_apc_origin origin;
};

bool wsd_apc_promise(struct wsd_thread_state *self)
{
	struct apc *fresh = NULL;
	bool enough;

	pthread_mutex_lock(&self->lock);
	enough = self->spares > self->promised;
	pthread_mutex_unlock(&self->lock);
	if (!enough) { /* only this thread promises, so it still is not */
		fresh = wsd_alloc(sizeof(*fresh));
		if (fresh == NULL)
			return false;
	}
	pthread_mutex_lock(&self->lock);
	if (fresh != NULL) {
		wsd_list_append(&self->spare_apcs, &fresh->link);
		self->spares++;
	}
	self->promised++;
	pthread_mutex_unlock(&self->lock);
	return true;
}

void wsd_apc_break_promise(struct wsd_thread_state *self)
{
	pthread_mutex_lock(&self->lock);
	self->promised--;
	pthread_mutex_unlock(&self->lock);
}

static struct apc *spare_take_locked(struct wsd_thread_state *state)
{
	struct wsd_list *node;

	if (state->promised == 0)
		return NULL;
	node = wsd_list_pop(&state->spare_apcs);
	state->spares--;
	state->promised--;
	return wsd_container(node, struct apc, link);
}

void wsd_apc_free_spares(struct wsd_thread_state *state)
{
	struct wsd_list *node;

	while ((node = wsd_list_pop(&state->spare_apcs)) != NULL)
		wsd_free(wsd_container(node, struct apc, link));
}

bool wsd_apc_queue(HANDLE thread, PAPCFUNC routine, ULONG_PTR context, enum wsd_apc_origin origin)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)thread, WSD_HANDLE_THREAD);
	struct wsd_thread_state *state;
	struct apc *apc = NULL;
	bool queued;

	if (object == NULL)
		return wsd_fail(ERROR_INVALID_HANDLE);
	state = wsd_thread_of_object(object);
	pthread_mutex_lock(&state->lock);
	if (origin == WSD_APC_PROVIDER)
		apc = spare_take_locked(state);
	if (apc == NULL)
		apc = wsd_alloc(sizeof(*apc));
	if (apc == NULL) {
		pthread_mutex_unlock(&state->lock);
		wsd_object_put(object);
		return wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	apc->routine = routine;
	apc->context = context;
	apc->origin = origin;
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

/* Takes the next one out; its memory is free or a spare before the routine runs, which may end the
 * thread. */
static bool apc_pop(struct wsd_thread_state *self, PAPCFUNC *routine, ULONG_PTR *context)
{
	struct wsd_list *node;
	struct apc *apc = NULL;
	bool keep = false;

	pthread_mutex_lock(&self->lock);
	node = wsd_list_pop(&self->apcs);
	if (node != NULL) {
		apc = wsd_container(node, struct apc, link);
		*routine = apc->routine;
		*context = apc->context;
		keep = apc->origin == WSD_APC_PROVIDER && self->spares < SPARES_MAX;
		if (keep) {
			wsd_list_append(&self->spare_apcs, node);
			self->spares++;
		}
	}
	pthread_mutex_unlock(&self->lock);
	if (!keep)
		wsd_free(apc);
	return node != NULL;
}

void wsd_apc_run(struct wsd_thread_state *self)
{
	PAPCFUNC routine;
	ULONG_PTR context;

	while (apc_pop(self, &routine, &context))
		routine(context);
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

// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - blocking: a thread that waits drives the engines itself, can be woken through its waker
 * by whoever changes the socket, and honours the blocking hook of Winsock 1.1.
 *
 * A blocked call ends with WSAEINTR when another thread closes the socket or the hook says so.
 */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#define HOOK_STEP_NS (5 * WSD_NS_PER_MS) /* a hook is called at least so often */

WSD_THREAD_LOCAL(struct wsd_waiter *, current_place, WSD_ROOM_WAITER);

static struct wsd_waiter *current_waiter(void)
{
	struct wsd_waiter **current = current_place();

	return current != NULL ? *current : NULL;
}

uint64_t wsd_deadline_ms(uint32_t milliseconds)
{
	if (milliseconds == 0 || milliseconds == UINT32_MAX)
		return WSD_FOREVER;
	return wsd_clock_ns() + milliseconds * WSD_NS_PER_MS;
}

bool wsd_wait_running(void)
{
	return current_waiter() != NULL;
}

int wsd_wait_cancel(void)
{
	struct wsd_waiter *waiter = current_waiter();

	if (waiter == NULL)
		return WSAEINVAL;
	waiter->cancelled = true;
	atomic_store(&waiter->signalled, true);
	return 0;
}

int WSPAPI wsd_spi_cancel_blocking_call(LPINT lpErrno)
{
	int error = wsd_wait_cancel();

	if (error == 0)
		return 0;
	if (lpErrno != NULL)
		*lpErrno = error;
	return SOCKET_ERROR;
}

static bool signalled(void *arg)
{
	struct wsd_waiter *waiter = arg;

	/* acquire: what the waking thread changed before */
	return atomic_load_explicit(&waiter->signalled, memory_order_acquire);
}

static bool engine_wait(struct wsd_engine *engine, struct wsd_waiter *waiter, uint64_t deadline)
{
	return wsd_engine_wait(engine == NULL ? NULL : &engine, engine == NULL ? 0 : 1, signalled,
			       waiter, deadline, waiter->waker);
}

static int hooked_wait(struct wsd_engine *engine, struct wsd_waiter *waiter, uint64_t deadline,
		       LPBLOCKINGCALLBACK hook, DWORD_PTR context)
{
	for (;;) {
		uint64_t now = wsd_clock_ns();
		uint64_t step = now + HOOK_STEP_NS;

		if (engine_wait(engine, waiter, step < deadline ? step : deadline))
			return waiter->cancelled ? WSAEINTR : 0;
		if (now >= deadline)
			return WSAETIMEDOUT;
		if (!hook(context) || waiter->cancelled)
			return WSAEINTR;
	}
}

int wsd_wait(struct wsd_engine *engine, struct wsd_waiter *waiter, unsigned mode, DWORD catalog_id,
	     uint64_t deadline)
{
	const WSPUPCALLTABLE *table = &wsd_upcalls(mode)->table;
	struct wsd_waiter **current = current_place(); /* who has a waker has it */
	LPBLOCKINGCALLBACK hook = NULL;
	DWORD_PTR context = 0;
	INT ignored;
	int error;

	if (table->lpWPUQueryBlockingCallback != NULL &&
	    table->lpWPUQueryBlockingCallback(catalog_id, &hook, &context, &ignored) != 0)
		hook = NULL;
	*current = waiter;
	if (hook != NULL)
		error = hooked_wait(engine, waiter, deadline, hook, context);
	else if (!engine_wait(engine, waiter, deadline))
		error = WSAETIMEDOUT;
	else
		error = waiter->cancelled ? WSAEINTR : 0;
	*current = NULL;
	return error;
}

/* [lock, dropped meanwhile] */
static int socket_wait(struct wsd_socket *sock, unsigned interest, uint64_t deadline, bool own)
{
	struct wsd_waiter waiter = { .cancelled = false };
	struct wsd_wait_node node = { .waiter = &waiter, .interest = interest | WSD_CHANGE_CLOSED };
	struct wsd_engine *engine = NULL;
	int error = 0;

	waiter.waker = wsd_waker_self();
	if (waiter.waker == NULL)
		return WSAENOBUFS;
	atomic_init(&waiter.signalled, false);
	wsd_waker_reset(waiter.waker);
	if (sock->state != WSD_SOCK_CONNECTING)
		engine = wsd_socket_engine(sock);
	wsd_list_append(own ? &sock->own_waiters : &sock->waiters, &node.link);
	if (sock->share != NULL && !own)
		wsd_share_poke(sock); /* somebody uses the socket here */
	wsd_socket_leave(sock);
	if (!own)
		error = wsd_wait(engine, &waiter, sock->mode, sock->catalog_id, deadline);
	else if (!engine_wait(engine, &waiter, deadline))
		error = WSAETIMEDOUT;
	wsd_mutex_lock(&sock->lock);
	wsd_list_remove(&node.link);
	if (sock->share != NULL)
		wsd_share_ended(sock);
	return error;
}

int wsd_socket_wait(struct wsd_socket *sock, unsigned interest, uint64_t deadline)
{
	int error;

	if (wsd_wait_running())
		return WSAEINPROGRESS;
	error = socket_wait(sock, interest, deadline, false);
	return sock->closed ? WSAEINTR : error;
}

void wsd_socket_own_wait(struct wsd_socket *sock, unsigned interest, uint64_t deadline)
{
	(void)socket_wait(sock, interest, deadline, true);
}

bool wsd_socket_look(struct wsd_socket *sock)
{
	struct wsd_engine *engine = wsd_socket_engine(sock);
	bool more;

	wsd_socket_leave(sock);
	more = engine != NULL ? wsd_engine_look(engine, 0) == WSD_LOOK_MORE : wsd_engines_look();
	wsd_mutex_lock(&sock->lock);
	return more;
}

bool wsd_socket_asked(const struct wsd_socket *sock, enum wsd_queue_id queue)
{
	return sock->stream != NULL && !sock->away && wsd_list_empty(&sock->queues[queue]) &&
	       wsd_stream_asks(sock->stream);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plain.h - the device of the path "plain": TCP of the system. It has an engine like every device, so that waiting,
 * timers and tasks are the same, but no messages: its events are WSD_EV_RECV with WSD_OS_* in imm, the context is
 * the one given to wsd_plain_watch, and only the session layer uses it.
 */
#ifndef WSD_TRANSPORT_PLAIN_H
#define WSD_TRANSPORT_PLAIN_H

#include "provider/transport/engine.h"

extern const struct wsd_backend_ops wsd_plain_ops;

bool wsd_engine_is_plain(const struct wsd_engine *engine);
struct wsd_engine *wsd_engine_plain(void); /* NULL: the path is not configured */
/* The engine's; context is a sink, see engine.h. As wsd_os_poller_watch. */
struct wsd_os_poller *wsd_plain_poller(const struct wsd_engine *engine);
/* Before it connects or listens: the system's buffers of this socket, and of those that it accepts, are as
 * WSD_PLAIN_BUFFER says. */
void wsd_plain_bound(const struct wsd_engine *engine, intptr_t socket);

#endif

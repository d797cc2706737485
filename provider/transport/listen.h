/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * listen.h - one listening address on every engine that serves it. What a request means is its owner's.
 * It dies in tasks of its engines, like everything that a backend calls back for.
 */
#ifndef WSD_TRANSPORT_LISTEN_H
#define WSD_TRANSPORT_LISTEN_H

#include "provider/transport/engine.h"

struct wsd_listen;

struct wsd_listen_owner {
	/* [ownership held] WSD_EV_REQUEST and WSD_EV_REQUEST_GONE; maybe before open has returned. */
	void (*events)(void *owner, struct wsd_engine *engine, const struct wsd_event *events,
		       uint32_t count);
	/* [ownership held] After wsd_listen_close, last call: free it, elsewhere. */
	void (*closed)(void *owner, struct wsd_engine *engine);
};

/*
 * [no lock, may wait for the engines] WSD_OK when at least one engine listens. WSD_EADDRINUSE,
 * WSD_EADDRNOTAVAIL, WSD_ENOFILES, WSD_ENOMEM.
 */
enum wsd_status wsd_listen_open(struct wsd_listen **listen, const struct wsd_listen_owner *ops,
				void *owner, const struct wsd_addr *local);
void wsd_listen_close(struct wsd_listen *listen); /* [any lock] kick after unlocking */
void wsd_listen_kick(struct wsd_listen *listen);  /* [no lock] */
void wsd_listen_free(struct wsd_listen *listen);  /* after closed; NULL allowed */

/* The names of the engines that listen, with commas between them; the length, which may be more than there is room. */
size_t wsd_listen_paths(const struct wsd_listen *listen, char *text, size_t size);

/* [ownership held] The connector learns the status (wsd_refusal_reason). */
void wsd_request_refuse(struct wsd_engine *engine, struct wsd_request *request,
			enum wsd_status why);
/*
 * Why a request was refused, from the reject's data. WSD_EREFUSED when the program or its full backlog did it, and then
 * alone: other paths would hear the same. WSD_ERESET when the data do not say, because then nobody has decided;
 * WSD_EPROTOCOL when they say what no acceptor can know.
 */
enum wsd_status wsd_refusal_reason(const void *data, uint32_t length);
/* Does the engine's device serve this local address? */
bool wsd_engine_serves(struct wsd_engine *engine, const struct wsd_addr *local);

#endif

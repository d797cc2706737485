/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resume.h - the side that stays, while its peer's end of a connection goes to another process: listens at
 * a port of its own for the one connection that takes the place of the old one. Who comes must show a secret
 * that only the peer was told. Everything here is called with the engine owned.
 */
#ifndef WSD_TRANSPORT_RESUME_H
#define WSD_TRANSPORT_RESUME_H

#include "provider/transport/engine.h"

#define WSD_SECRET_BYTES 16u

/* Where to go on with a connection, and what to show there. */
struct wsd_resume_ticket {
	uint16_t port;
	uint8_t secret[WSD_SECRET_BYTES];
};

struct wsd_resume;

struct wsd_resume_owner {
	/* A request: accept it or refuse it (wsd_request_refuse). */
	void (*request)(void *owner, struct wsd_engine *engine, const struct wsd_event *event);
};

/* WSD_ENOFILES, WSD_ENOMEM, WSD_EADDRINUSE and others of a listener. */
enum wsd_status wsd_resume_open(struct wsd_resume **resume, struct wsd_engine *engine,
				uint16_t family, const struct wsd_resume_owner *ops, void *owner);
void wsd_resume_close(struct wsd_resume *resume); /* NULL allowed */
const struct wsd_resume_ticket *wsd_resume_ticket(const struct wsd_resume *resume);
/* Where to connect from: not from the connection's own port, which may be a listener's, and on some devices nobody
 * else's then. What the peer knows of the connection stays. */
struct wsd_addr wsd_resume_source(const struct wsd_addr *local);
/* Takes the same time whatever differs. */
bool wsd_secret_equal(const uint8_t *one, const uint8_t *other);

/* How long the side that stays waits, and how long what stands for a socket on its way is good; ns. */
uint64_t wsd_resume_timeout(void);

#endif

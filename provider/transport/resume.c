// SPDX-License-Identifier: BSD-2-Clause
/* resume.c - see resume.h. */
#include "provider/transport/resume.h"

#include "provider/transport/os_port.h"
#include "rdma_backend/base/base.h"

#define REQUESTS 4u

struct wsd_resume {
	struct wsd_event_sink sink; /* first: the listener's context */
	struct wsd_engine *engine;
	const struct wsd_resume_owner *ops;
	void *owner;
	struct wsd_listener_ep *ep;
	intptr_t holder;
	struct wsd_resume_ticket ticket;
};

static void resume_events(struct wsd_event_sink *sink, struct wsd_engine *engine,
			  const struct wsd_event *events, uint32_t count)
{
	struct wsd_resume *r = wsd_container(sink, struct wsd_resume, sink);
	const struct wsd_resume_owner *ops = r->ops;
	void *owner = r->owner;

	/* A request that was withdrawn is in its connection's hands, which is told. */
	for (uint32_t i = 0; i < count; i++)
		if (events[i].type == WSD_EV_REQUEST)
			ops->request(owner, engine, &events[i]);
}

static enum wsd_status listen_once(struct wsd_resume *r, struct wsd_addr *at)
{
	enum wsd_status status = wsd_os_port_hold(at, WSD_PORT_DEFAULT, &r->holder, &at->port);

	if (status != WSD_OK)
		return status;
	status = wsd_engine_ops(r->engine)->listen(wsd_engine_queue(r->engine), at, REQUESTS,
						   &r->sink, &r->ep);
	if (status != WSD_OK)
		wsd_os_port_drop(r->holder);
	return status;
}

enum wsd_status wsd_resume_open(struct wsd_resume **resume, struct wsd_engine *engine,
				uint16_t family, const struct wsd_resume_owner *ops, void *owner)
{
	struct wsd_resume *r = wsd_alloc(sizeof(*r));
	enum wsd_status status = WSD_EADDRINUSE;
	struct wsd_addr at;

	if (!r)
		return WSD_ENOMEM;
	r->sink.events = resume_events;
	r->engine = engine;
	r->ops = ops;
	r->owner = owner;
	for (unsigned i = 0; i < WSD_PORTS_TRIED && status == WSD_EADDRINUSE; i++) {
		at = (struct wsd_addr){ .family = family };
		status = listen_once(r, &at);
	}
	if (status != WSD_OK) {
		wsd_free(r);
		return status;
	}
	r->ticket.port = at.port;
	wsd_random(r->ticket.secret, sizeof(r->ticket.secret));
	*resume = r;
	return WSD_OK;
}

void wsd_resume_close(struct wsd_resume *r)
{
	if (!r)
		return;
	wsd_engine_ops(r->engine)->listener_destroy(r->ep);
	wsd_engine_forget(r->engine, &r->sink);
	wsd_os_port_drop(r->holder);
	wsd_free(r);
}

const struct wsd_resume_ticket *wsd_resume_ticket(const struct wsd_resume *r)
{
	return &r->ticket;
}

struct wsd_addr wsd_resume_source(const struct wsd_addr *local)
{
	struct wsd_addr source = *local;

	source.port = 0;
	return source;
}

bool wsd_secret_equal(const uint8_t *one, const uint8_t *other)
{
	uint8_t differs = 0;

	for (unsigned i = 0; i < WSD_SECRET_BYTES; i++)
		differs |= (uint8_t)(one[i] ^ other[i]);
	return differs == 0;
}

uint64_t wsd_resume_timeout(void)
{
	return wsd_param_uint("DUPLICATE_TIMEOUT", 30000, 100, 600000) * 1000000ull;
}

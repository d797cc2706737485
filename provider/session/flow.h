/* SPDX-License-Identifier: BSD-2-Clause */
/* flow.h - what is asked and promised for one direction of a stream: plain data. */
#ifndef WSD_SESSION_FLOW_H
#define WSD_SESSION_FLOW_H

#include <stdbool.h>
#include <stdint.h>

/* In the order of what they promise; the numbers are those of the wire. */
enum wsd_service {
	WSD_SERVICE_NONE,	 /* nothing was said */
	WSD_SERVICE_QUALITATIVE, /* from here on a rate bounds it, if there is one */
	WSD_SERVICE_BEST_EFFORT,
	WSD_SERVICE_CONTROLLED_LOAD, /* from here on the rate is reserved */
	WSD_SERVICE_GUARANTEED,
	WSD_SERVICE_NETWORK_CONTROL,
	WSD_SERVICE_NO_TRAFFIC,
	WSD_SERVICES
};

struct wsd_flow {
	enum wsd_service service;
	uint32_t rate;	 /* bytes per second; 0: not bounded */
	uint32_t bucket; /* bytes that may go at once; 0: not said */
	uint32_t peak;	 /* bytes per second inside of a burst; 0: not bounded, else >= rate */
};

/* Both directions, as the side that holds it sees them. */
struct wsd_qos {
	struct wsd_flow out, in;
};

static inline bool wsd_qos_given(const struct wsd_qos *qos)
{
	return qos->out.service != WSD_SERVICE_NONE || qos->in.service != WSD_SERVICE_NONE;
}

/* Must room for it be found? Then rate is not 0. */
static inline bool wsd_flow_reserves(const struct wsd_flow *flow)
{
	return flow->rate != 0 && (flow->service == WSD_SERVICE_CONTROLLED_LOAD ||
				   flow->service == WSD_SERVICE_GUARANTEED);
}

bool wsd_flow_equal(const struct wsd_flow *a, const struct wsd_flow *b);
/* What both sides can live with: the lesser service and the lesser numbers. A side that said nothing agrees. */
struct wsd_flow wsd_flow_agree(const struct wsd_flow *a, const struct wsd_flow *b);
/* The IP type of service for it, 0 = the default. */
uint8_t wsd_flow_traffic_class(const struct wsd_flow *flow);

#endif

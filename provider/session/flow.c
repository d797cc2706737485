// SPDX-License-Identifier: BSD-2-Clause
/* flow.c - see flow.h. */
#include "provider/session/flow.h"

bool wsd_flow_equal(const struct wsd_flow *a, const struct wsd_flow *b)
{
	return a->service == b->service && a->rate == b->rate && a->bucket == b->bucket &&
	       a->peak == b->peak;
}

/* The lesser of two bounds, where 0 is none. */
static uint32_t lesser(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return a | b;
	return a < b ? a : b;
}

struct wsd_flow wsd_flow_agree(const struct wsd_flow *a, const struct wsd_flow *b)
{
	struct wsd_flow flow;

	if (a->service == WSD_SERVICE_NONE || b->service == WSD_SERVICE_NO_TRAFFIC)
		return *b;
	if (b->service == WSD_SERVICE_NONE || a->service == WSD_SERVICE_NO_TRAFFIC)
		return *a;
	flow.service = a->service < b->service ? a->service : b->service;
	flow.rate = lesser(a->rate, b->rate);
	flow.bucket = lesser(a->bucket, b->bucket);
	flow.peak = lesser(a->peak, b->peak);
	if (flow.peak != 0 && flow.peak < flow.rate)
		flow.rate = flow.peak;
	return flow;
}

/* The code points that Windows has always sent for them. */
uint8_t wsd_flow_traffic_class(const struct wsd_flow *flow)
{
	switch (flow->service) {
	case WSD_SERVICE_CONTROLLED_LOAD:
		return 24 << 2;
	case WSD_SERVICE_GUARANTEED:
		return 40 << 2;
	case WSD_SERVICE_NETWORK_CONTROL:
		return 48 << 2;
	case WSD_SERVICE_NONE:
	case WSD_SERVICE_QUALITATIVE:
	case WSD_SERVICE_BEST_EFFORT:
	case WSD_SERVICE_NO_TRAFFIC:
	case WSD_SERVICES:
		break;
	}
	return 0;
}

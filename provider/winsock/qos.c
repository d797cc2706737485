// SPDX-License-Identifier: BSD-2-Clause
/* qos.c - flow specifications: what is a good one, and both ways between Winsock's and ours. */
#include "provider/winsock/qos.h"

#include <string.h>

#define SERVICE_FLAGS (SERVICE_NO_TRAFFIC_CONTROL | SERVICE_NO_QOS_SIGNALING)

/* Rates of no use as a bound. */
static uint32_t bound(ULONG rate)
{
	return rate == QOS_NOT_SPECIFIED || rate == POSITIVE_INFINITY_RATE ? 0 : rate;
}

static bool service_of(ULONG type, bool sending, enum wsd_service *service)
{
	type &= ~SERVICE_NO_QOS_SIGNALING;
	if ((type & 0xffff0000u & ~SERVICE_NO_TRAFFIC_CONTROL) == 0)
		type &= 0xffffu; /* SERVICETYPE_*; else SERVICE_*, which have a bit of this flag */
	switch (type) {
	case SERVICETYPE_NOTRAFFIC:
		*service = WSD_SERVICE_NO_TRAFFIC;
		return true;
	case SERVICETYPE_BESTEFFORT:
	case SERVICE_BESTEFFORT:
		*service = WSD_SERVICE_BEST_EFFORT;
		return true;
	case SERVICETYPE_CONTROLLEDLOAD:
	case SERVICE_CONTROLLEDLOAD:
		*service = WSD_SERVICE_CONTROLLED_LOAD;
		return true;
	case SERVICETYPE_GUARANTEED:
	case SERVICE_GUARANTEED:
		*service = WSD_SERVICE_GUARANTEED;
		return true;
	case SERVICETYPE_QUALITATIVE:
	case SERVICE_QUALITATIVE:
		*service = WSD_SERVICE_QUALITATIVE;
		return true;
	case SERVICETYPE_NETWORK_CONTROL:
		*service = WSD_SERVICE_NETWORK_CONTROL;
		return true;
	case SERVICETYPE_GENERAL_INFORMATION: /* of a sender: any of them; none is promised */
		*service = WSD_SERVICE_BEST_EFFORT;
		return sending;
	default:
		return false;
	}
}

/* Must the rate be given? */
static bool rate_needed(enum wsd_service service, bool sending)
{
	return service == WSD_SERVICE_GUARANTEED ||
	       (sending && service == WSD_SERVICE_CONTROLLED_LOAD);
}

static int parse_flow(const FLOWSPEC *spec, bool sending, const struct wsd_flow *before,
		      struct wsd_flow *flow)
{
	struct wsd_flow made = { WSD_SERVICE_NONE, 0, 0, 0 };

	if ((spec->ServiceType & ~SERVICE_FLAGS) == SERVICETYPE_NOCHANGE) {
		*flow = *before;
		return 0;
	}
	if (!service_of(spec->ServiceType, sending, &made.service))
		return WSA_QOS_ESERVICETYPE;
	if (made.service != WSD_SERVICE_NO_TRAFFIC) {
		made.rate = bound(spec->TokenRate);
		made.bucket = bound(spec->TokenBucketSize);
		made.peak = bound(spec->PeakBandwidth);
		if (sending && spec->TokenRate == 0)
			return WSA_QOS_EFLOWSPEC;
		if (made.rate == 0 && rate_needed(made.service, sending))
			return WSA_QOS_EFLOWSPEC;
		if (made.peak != 0 && made.peak < made.rate)
			return WSA_QOS_EFLOWSPEC;
	}
	*flow = made;
	return 0;
}

/* Objects behind each other, each with its length. We know of one: the rate to shape to. */
static int parse_objects(const WSABUF *specific, struct wsd_flow *send)
{
	u_long at = 0;

	if (specific->len > 0 && specific->buf == NULL)
		return WSA_QOS_EPROVSPECBUF;
	while (at < specific->len) {
		QOS_OBJECT_HDR header;
		ULONG rate;

		if (specific->len - at < sizeof(header))
			return WSA_QOS_EPROVSPECBUF;
		memcpy(&header, specific->buf + at, sizeof(header));
		if (header.ObjectLength < sizeof(header) ||
		    header.ObjectLength > specific->len - at)
			return WSA_QOS_EOBJLENGTH;
		switch (header.ObjectType) {
		case QOS_OBJECT_END_OF_LIST:
			return 0;
		case QOS_OBJECT_SHAPING_RATE:
			if (header.ObjectLength < sizeof(header) + sizeof(rate))
				return WSA_QOS_EOBJLENGTH;
			memcpy(&rate, specific->buf + at + sizeof(header), sizeof(rate));
			rate = bound(rate);
			if (rate == 0 || rate < send->rate)
				return WSA_QOS_ESHAPERATEOBJ;
			if (send->service != WSD_SERVICE_NO_TRAFFIC &&
			    (send->peak == 0 || rate < send->peak))
				send->peak = rate;
			break;
		default:
			return WSA_QOS_EUNKOWNPSOBJ;
		}
		at += header.ObjectLength;
	}
	return 0;
}

int wsd_qos_parse(const QOS *qos, const struct wsd_qos *before, struct wsd_qos *flows)
{
	struct wsd_qos made;
	int error = parse_flow(&qos->SendingFlowspec, true, &before->out, &made.out);

	if (error == 0)
		error = parse_flow(&qos->ReceivingFlowspec, false, &before->in, &made.in);
	if (error == 0)
		error = parse_objects(&qos->ProviderSpecific, &made.out);
	if (error == 0)
		*flows = made;
	return error;
}

static ULONG service_type(enum wsd_service service)
{
	switch (service) {
	case WSD_SERVICE_QUALITATIVE:
		return SERVICETYPE_QUALITATIVE;
	case WSD_SERVICE_CONTROLLED_LOAD:
		return SERVICETYPE_CONTROLLEDLOAD;
	case WSD_SERVICE_GUARANTEED:
		return SERVICETYPE_GUARANTEED;
	case WSD_SERVICE_NETWORK_CONTROL:
		return SERVICETYPE_NETWORK_CONTROL;
	case WSD_SERVICE_NO_TRAFFIC:
		return SERVICETYPE_NOTRAFFIC;
	case WSD_SERVICE_NONE:
	case WSD_SERVICE_BEST_EFFORT:
	case WSD_SERVICES:
		break;
	}
	return SERVICETYPE_BESTEFFORT;
}

static void fill_flow(FLOWSPEC *spec, const struct wsd_flow *flow)
{
	memset(spec, 0xff, sizeof(*spec)); /* QOS_NOT_SPECIFIED */
	if (flow->rate != 0)
		spec->TokenRate = flow->rate;
	if (flow->bucket != 0)
		spec->TokenBucketSize = flow->bucket;
	if (flow->peak != 0)
		spec->PeakBandwidth = flow->peak;
	spec->ServiceType = service_type(flow->service);
}

void wsd_qos_fill(QOS *qos, const struct wsd_qos *flows)
{
	fill_flow(&qos->SendingFlowspec, &flows->out);
	fill_flow(&qos->ReceivingFlowspec, &flows->in);
	qos->ProviderSpecific.len = 0;
	qos->ProviderSpecific.buf = NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* qos.h - flow specifications and service types. QOS itself needs WSABUF and is in winsock2.h. */
#ifndef OPENWSD_QOS_H
#define OPENWSD_QOS_H

#include "wsatypes.h"

typedef ULONG SERVICETYPE;

#define SERVICETYPE_NOTRAFFIC		0x00000000u
#define SERVICETYPE_BESTEFFORT		0x00000001u
#define SERVICETYPE_CONTROLLEDLOAD	0x00000002u
#define SERVICETYPE_GUARANTEED		0x00000003u
#define SERVICETYPE_NETWORK_UNAVAILABLE 0x00000004u
#define SERVICETYPE_GENERAL_INFORMATION 0x00000005u
#define SERVICETYPE_NOCHANGE		0x00000006u
#define SERVICETYPE_NONCONFORMING	0x00000009u
#define SERVICETYPE_NETWORK_CONTROL	0x0000000Au
#define SERVICETYPE_QUALITATIVE		0x0000000Du

#define SERVICE_BESTEFFORT	   0x80010000u
#define SERVICE_CONTROLLEDLOAD	   0x80020000u
#define SERVICE_GUARANTEED	   0x80040000u
#define SERVICE_QUALITATIVE	   0x80200000u
#define SERVICE_NO_TRAFFIC_CONTROL 0x81000000u
#define SERVICE_NO_QOS_SIGNALING   0x40000000u

#define QOS_NOT_SPECIFIED      0xFFFFFFFFu
#define POSITIVE_INFINITY_RATE 0xFFFFFFFEu

#define QOS_GENERAL_ID_BASE	2000
#define QOS_OBJECT_END_OF_LIST	(1 + QOS_GENERAL_ID_BASE)
#define QOS_OBJECT_SD_MODE	(2 + QOS_GENERAL_ID_BASE)
#define QOS_OBJECT_SHAPING_RATE (3 + QOS_GENERAL_ID_BASE)
#define QOS_OBJECT_DESTADDR	(4 + QOS_GENERAL_ID_BASE)

typedef struct _flowspec {
	ULONG TokenRate;	  /* bytes per second */
	ULONG TokenBucketSize;	  /* bytes */
	ULONG PeakBandwidth;	  /* bytes per second */
	ULONG Latency;		  /* microseconds */
	ULONG DelayVariation;	  /* microseconds */
	SERVICETYPE ServiceType;  /* SERVICETYPE_*, possibly with SERVICE_NO_* */
	ULONG MaxSduSize;	  /* bytes */
	ULONG MinimumPolicedSize; /* bytes */
} FLOWSPEC, *PFLOWSPEC, *LPFLOWSPEC;

typedef struct {
	ULONG ObjectType;
	ULONG ObjectLength;
} QOS_OBJECT_HDR, *LPQOS_OBJECT_HDR;

WSD_STATIC_ASSERT(sizeof(FLOWSPEC) == 32, "FLOWSPEC layout");

#endif

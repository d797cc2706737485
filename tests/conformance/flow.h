/* SPDX-License-Identifier: BSD-2-Clause */
/* flow.h - flow specifications, for the conformance programs. */
#ifndef WSD_CONFORMANCE_FLOW_H
#define WSD_CONFORMANCE_FLOW_H

#include "tests/conformance/io.h"

#define UNSET QOS_NOT_SPECIFIED

static inline QOS qos_of(ULONG type, ULONG rate, ULONG bucket, ULONG peak)
{
	QOS qos;

	memset(&qos, 0xff, sizeof(qos));
	qos.ProviderSpecific = (WSABUF){ 0, NULL };
	qos.SendingFlowspec.ServiceType = type;
	qos.SendingFlowspec.TokenRate = rate;
	qos.SendingFlowspec.TokenBucketSize = bucket;
	qos.SendingFlowspec.PeakBandwidth = peak;
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_BESTEFFORT;
	return qos;
}

static inline int set_qos(SOCKET s, QOS *qos)
{
	DWORD bytes;

	return WSAIoctl(s, SIO_SET_QOS, qos, sizeof(*qos), NULL, 0, &bytes, NULL, NULL);
}

static inline QOS get_qos(SOCKET s)
{
	DWORD bytes = 0;
	QOS qos;

	memset(&qos, 0x5a, sizeof(qos));
	if (WSAIoctl(s, SIO_GET_QOS, NULL, 0, &qos, sizeof(qos), &bytes, NULL, NULL) != 0 ||
	    bytes != sizeof(qos))
		memset(&qos, 0x5a, sizeof(qos));
	return qos;
}

static inline bool has(FLOWSPEC spec, ULONG type, ULONG rate)
{
	return spec.ServiceType == type && spec.TokenRate == rate;
}

/* WSAGetQOSByName, of a name in ASCII. */
static inline bool by_name(SOCKET s, const char *name, QOS *qos)
{
	WCHAR text[32] = { 0 };
	WSABUF buf = { sizeof(text), (char *)text };

	for (size_t i = 0; name[i] != '\0'; i++)
		text[i] = (WCHAR)name[i];
	WSASetLastError(0);
	return WSAGetQOSByName(s, &buf, qos);
}

static inline bool name_is(const WCHAR *text, const char *name)
{
	size_t i = 0;

	while (name[i] != '\0' && text[i] == (WCHAR)name[i])
		i++;
	return name[i] == '\0' && text[i] == 0;
}

#endif

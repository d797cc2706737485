/* SPDX-License-Identifier: BSD-2-Clause */
/* qos.h - quality of service as Winsock has it, to and from what the session layer keeps to. Mode D. */
#ifndef WSD_WINSOCK_QOS_H
#define WSD_WINSOCK_QOS_H

#include "provider/session/flow.h"
#include "provider/winsock/spi.h"

/* Pure; 0 or a WSA_QOS_* code, with *flows unchanged. before: for SERVICETYPE_NOCHANGE. */
int wsd_qos_parse(const QOS *qos, const struct wsd_qos *before, struct wsd_qos *flows);
/* What is not known stands as QOS_NOT_SPECIFIED. No provider-specific part. */
void wsd_qos_fill(QOS *qos, const struct wsd_qos *flows);

#endif

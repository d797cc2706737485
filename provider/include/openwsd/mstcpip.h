/* SPDX-License-Identifier: BSD-2-Clause */
/* mstcpip.h - keep-alive parameters. */
#ifndef OPENWSD_MSTCPIP_H
#define OPENWSD_MSTCPIP_H

#include "winsock2.h"

struct tcp_keepalive {
	u_long onoff;
	u_long keepalivetime;	  /* milliseconds of silence before the first probe */
	u_long keepaliveinterval; /* milliseconds between probes */
};

#define SIO_KEEPALIVE_VALS     _WSAIOW(IOC_VENDOR, 4)
#define SIO_LOOPBACK_FAST_PATH _WSAIOW(IOC_VENDOR, 16)

WSD_STATIC_ASSERT(sizeof(struct tcp_keepalive) == 12, "tcp_keepalive layout");

#endif

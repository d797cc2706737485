/* SPDX-License-Identifier: BSD-2-Clause */
/* ws2tcpip.h - the SDK's own, under the name that the sources have for it, and what old ones lack. */
#ifndef OPENWSD_WINDOWS_WS2TCPIP_H
#define OPENWSD_WINDOWS_WS2TCPIP_H

#include <winsock2.h>

#include <ws2tcpip.h>

#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE 3
#endif
#ifndef TCP_KEEPCNT
#define TCP_KEEPCNT 16
#endif
#ifndef TCP_KEEPINTVL
#define TCP_KEEPINTVL 17
#endif

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* winsock2.h - the SDK's own, under the name that the sources have for it, and what old ones lack. */
#ifndef OPENWSD_WINDOWS_WINSOCK2_H
#define OPENWSD_WINDOWS_WINSOCK2_H

#include <winsock2.h>

#include <qos.h>

/* As on the other systems: wide text, and a check by the compiler. */
#define WSD_L(text)		      L##text
#define WSD_STATIC_ASSERT(cond, text) _Static_assert(cond, text)

#ifndef SO_BSP_STATE
#define SO_BSP_STATE 0x1009
#endif
#ifndef MSG_PUSH_IMMEDIATE
#define MSG_PUSH_IMMEDIATE 0x20
#endif

#endif

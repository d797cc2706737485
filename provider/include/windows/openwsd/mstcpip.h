/* SPDX-License-Identifier: BSD-2-Clause */
/* mstcpip.h - the SDK's own, under the name that the sources have for it. */
#ifndef OPENWSD_WINDOWS_MSTCPIP_H
#define OPENWSD_WINDOWS_MSTCPIP_H

#include <winsock2.h>

#include <mstcpip.h>

#endif

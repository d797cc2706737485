/* SPDX-License-Identifier: BSD-2-Clause */
/* mswsock.h - the SDK's own, under the name that the sources have for it. */
#ifndef OPENWSD_WINDOWS_MSWSOCK_H
#define OPENWSD_WINDOWS_MSWSOCK_H

#include <winsock2.h>

#include <mswsock.h>

#endif

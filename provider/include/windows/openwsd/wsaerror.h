/* SPDX-License-Identifier: BSD-2-Clause */
/* wsaerror.h - the SDK's own, under the name that the sources have for it. */
#ifndef OPENWSD_WINDOWS_WSAERROR_H
#define OPENWSD_WINDOWS_WSAERROR_H

#include <winsock2.h>

#include <winerror.h>

#endif

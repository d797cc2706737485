/* SPDX-License-Identifier: BSD-2-Clause */
/* windows_min.h - the SDK's own, under the name that the sources have for it. */
#ifndef OPENWSD_WINDOWS_WINDOWS_MIN_H
#define OPENWSD_WINDOWS_WINDOWS_MIN_H

#include <winsock2.h>

#include <windows.h>

#endif

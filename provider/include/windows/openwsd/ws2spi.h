/* SPDX-License-Identifier: BSD-2-Clause */
/* ws2spi.h - the SDK's own, under the name that the sources have for it. */
#ifndef OPENWSD_WINDOWS_WS2SPI_H
#define OPENWSD_WINDOWS_WS2SPI_H

#include <winsock2.h>

#include <ws2spi.h>

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* spi.h - the Winsock types: the SDK's on Windows, ours elsewhere. Included first by this folder.
 */
#ifndef WSD_WINSOCK_SPI_H
#define WSD_WINSOCK_SPI_H

#include <openwsd/mswsock.h>
#include <openwsd/winsock2.h>
#include <openwsd/ws2spi.h>
#include <openwsd/ws2tcpip.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef WSS_OPERATION_IN_PROGRESS
#define WSS_OPERATION_IN_PROGRESS 0x00000103
#endif

#endif

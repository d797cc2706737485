/* SPDX-License-Identifier: BSD-2-Clause */
/* wine_socket.h - what Wine's server does not tell of the socket of the system below one of Wine's. */
#ifndef WSD_TESTS_WINDOWS_WINE_SOCKET_H
#define WSD_TESTS_WINDOWS_WINE_SOCKET_H

#include <stdbool.h>
#include <winsock2.h>

bool wine_socket_is_gone(
	SOCKET s); /* no connection any more: it was reset, or both ends have ended */
bool wine_socket_at_mark(SOCKET s); /* of urgent data, fetched or not */
int wine_socket_unsent(SOCKET s);   /* bytes that the peer's system has not acknowledged */
void wine_socket_reset(SOCKET s);   /* its connection; the socket is to be closed then */

#endif

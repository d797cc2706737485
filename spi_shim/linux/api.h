/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api.h - what every Winsock function above the SPI does: reach the provider, turn *lpErrno into
 * the last error. The error starts as WSASYSCALLFAILURE for a provider that fails without saying
 * why.
 */
#ifndef WSD_LINUX_API_H
#define WSD_LINUX_API_H

#include <stdbool.h>

#include <openwsd/mswsock.h>

#include "spi_shim/linux/error.h"
#include "spi_shim/linux/shim.h"
#include "spi_shim/linux/socket.h"

#define WSD_ERROR_UNSAID WSASYSCALLFAILURE

/* By address: a call and its *lpErrno may stand in one argument list. */
static inline int wsd_result(int result, const int *error)
{
	if (result == SOCKET_ERROR)
		wsd_fail((DWORD)*error);
	return result;
}

static inline SOCKET wsd_socket_result(SOCKET s, const int *error)
{
	if (s == INVALID_SOCKET)
		wsd_fail((DWORD)*error);
	return s;
}

static inline int wsd_error(int error)
{
	wsd_fail((DWORD)error);
	return SOCKET_ERROR;
}

/*
 * The thread that a completion routine is to run in. *id stays NULL when there is none to run.
 * False with the last error set: no memory for what that needs.
 */
bool wsd_routine_thread(LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			WSATHREADID *storage, LPWSATHREADID *id);

#endif

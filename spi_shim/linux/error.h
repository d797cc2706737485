/* SPDX-License-Identifier: BSD-2-Clause */
/* error.h - the last error of a thread, and the codes stored in OVERLAPPED.Internal. */
#ifndef WSD_LINUX_ERROR_H
#define WSD_LINUX_ERROR_H

#include <openwsd/winsock2.h>

/* Sets the last error and returns FALSE, SOCKET_ERROR or whatever the caller needs to return. */
BOOL wsd_fail(DWORD error);

/*
 * Internal is 0 for success, WSS_OPERATION_IN_PROGRESS while pending, else a status with the error
 * severity and the customer bit of an NTSTATUS around the Win32 or Winsock code.
 */
#define WSD_STATUS_ERROR 0xE0000000u

static inline ULONG_PTR wsd_status_from_error(DWORD error)
{
	return error == 0 ? 0 : (ULONG_PTR)(WSD_STATUS_ERROR | (error & 0xFFFF));
}

static inline DWORD wsd_error_from_status(ULONG_PTR status)
{
	if ((status & 0x80000000u) == 0)
		return 0;
	if ((status & 0xFFFF0000u) == WSD_STATUS_ERROR)
		return (DWORD)(status & 0xFFFF);
	return ERROR_GEN_FAILURE; /* stored by somebody who knows real status codes */
}

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* error.c - owns the last error of each thread and the texts of error codes. */
#include "spi_shim/linux/error.h"

#include <stddef.h>

#include <openwsd/openwsd.h>

static _Thread_local DWORD last_error;

BOOL wsd_fail(DWORD error)
{
	last_error = error;
	return FALSE;
}

DWORD WINAPI GetLastError(void)
{
	return last_error;
}

VOID WINAPI SetLastError(DWORD dwErrCode)
{
	last_error = dwErrCode;
}

int WSAAPI WSAGetLastError(void)
{
	return (int)last_error;
}

void WSAAPI WSASetLastError(int iError)
{
	last_error = (DWORD)iError;
}

static const struct {
	int code;
	const char *text;
} texts[] = {
	{ 0, "success" },
	{ ERROR_FILE_NOT_FOUND, "file not found" },
	{ ERROR_PATH_NOT_FOUND, "path not found" },
	{ ERROR_TOO_MANY_OPEN_FILES, "too many open files" },
	{ ERROR_ACCESS_DENIED, "access denied" },
	{ ERROR_INVALID_HANDLE, "invalid handle" },
	{ ERROR_NOT_ENOUGH_MEMORY, "not enough memory" },
	{ ERROR_WRITE_FAULT, "write fault" },
	{ ERROR_READ_FAULT, "read fault" },
	{ ERROR_GEN_FAILURE, "general failure" },
	{ ERROR_HANDLE_EOF, "end of file" },
	{ ERROR_NOT_SUPPORTED, "not supported" },
	{ ERROR_FILE_EXISTS, "file exists" },
	{ ERROR_INVALID_PARAMETER, "invalid parameter" },
	{ ERROR_DISK_FULL, "disk full" },
	{ ERROR_INSUFFICIENT_BUFFER, "buffer too small" },
	{ WAIT_TIMEOUT, "wait timed out" },
	{ ERROR_ABANDONED_WAIT_0, "object closed while waiting" },
	{ ERROR_OPERATION_ABORTED, "operation aborted" },
	{ ERROR_IO_INCOMPLETE, "operation not complete" },
	{ ERROR_IO_PENDING, "operation pending" },
	{ ERROR_NOACCESS, "invalid memory address" },
	{ WSAEINTR, "interrupted" },
	{ WSAEBADF, "bad file handle" },
	{ WSAEACCES, "permission denied" },
	{ WSAEFAULT, "bad address" },
	{ WSAEINVAL, "invalid argument" },
	{ WSAEMFILE, "too many open sockets" },
	{ WSAEWOULDBLOCK, "operation would block" },
	{ WSAEINPROGRESS, "operation in progress" },
	{ WSAEALREADY, "operation already in progress" },
	{ WSAENOTSOCK, "not a socket" },
	{ WSAEDESTADDRREQ, "destination address required" },
	{ WSAEMSGSIZE, "message too long" },
	{ WSAEPROTOTYPE, "protocol has the wrong type for the socket" },
	{ WSAENOPROTOOPT, "option not supported" },
	{ WSAEPROTONOSUPPORT, "protocol not supported" },
	{ WSAESOCKTNOSUPPORT, "socket type not supported" },
	{ WSAEOPNOTSUPP, "operation not supported" },
	{ WSAEPFNOSUPPORT, "protocol family not supported" },
	{ WSAEAFNOSUPPORT, "address family not supported" },
	{ WSAEADDRINUSE, "address in use" },
	{ WSAEADDRNOTAVAIL, "address not available" },
	{ WSAENETDOWN, "network is down" },
	{ WSAENETUNREACH, "network unreachable" },
	{ WSAENETRESET, "connection dropped by keep-alive" },
	{ WSAECONNABORTED, "connection aborted" },
	{ WSAECONNRESET, "connection reset by peer" },
	{ WSAENOBUFS, "no buffer space" },
	{ WSAEISCONN, "already connected" },
	{ WSAENOTCONN, "not connected" },
	{ WSAESHUTDOWN, "sending was shut down" },
	{ WSAETIMEDOUT, "timed out" },
	{ WSAECONNREFUSED, "connection refused" },
	{ WSAEHOSTDOWN, "host is down" },
	{ WSAEHOSTUNREACH, "no route to host" },
	{ WSAEPROCLIM, "too many processes" },
	{ WSASYSNOTREADY, "network subsystem not ready" },
	{ WSAVERNOTSUPPORTED, "Winsock version not supported" },
	{ WSANOTINITIALISED, "WSAStartup has not been called" },
	{ WSAEDISCON, "graceful shutdown in progress" },
	{ WSAEINVALIDPROCTABLE, "provider's procedure table is incomplete" },
	{ WSAEINVALIDPROVIDER, "provider is invalid" },
	{ WSAEPROVIDERFAILEDINIT, "provider failed to start" },
	{ WSASYSCALLFAILURE, "system call failed" },
	{ WSATYPE_NOT_FOUND, "service not found" },
	{ WSAHOST_NOT_FOUND, "host not found" },
	{ WSATRY_AGAIN, "temporary failure, try again" },
	{ WSANO_RECOVERY, "name resolution failed" },
	{ WSANO_DATA, "no data of that type" },
	{ WSA_QOS_ESERVICETYPE, "invalid service type in flow specification" },
	{ WSA_QOS_EFLOWSPEC, "invalid flow specification" },
	{ WSA_QOS_EPROVSPECBUF, "invalid provider-specific QoS buffer" },
};

const char *wsd_strerror(int wsa_code)
{
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == wsa_code)
			return texts[i].text;
	return "unknown error";
}

#ifndef WSD_VERSION
#define WSD_VERSION "0.1.0"
#endif

const char *wsd_version(void)
{
	return WSD_VERSION;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * api_io.c - owns the Winsock functions that move data, and WSAIoctl.
 */
#include <string.h>

#include "spi_shim/linux/api.h"
#include "spi_shim/linux/extension.h"
#include "spi_shim/linux/thread.h"

bool wsd_routine_thread(LPWSAOVERLAPPED overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			WSATHREADID *storage, LPWSATHREADID *id)
{
	*id = NULL;
	if (overlapped == NULL || routine == NULL)
		return true;
	storage->ThreadHandle = wsd_thread_own_handle();
	storage->Reserved = GetCurrentThreadId();
	if (storage->ThreadHandle == NULL || !wsd_apc_promise(wsd_thread_self()))
		return wsd_fail(WSAENOBUFS);
	*id = storage;
	return true;
}

/* The end of every call that may be overlapped. */
static int overlapped_result(struct wsd_call *call, LPWSATHREADID thread, int result, int error)
{
	if (thread != NULL && result == SOCKET_ERROR && error != WSA_IO_PENDING)
		wsd_apc_break_promise(wsd_thread_self());
	if (call->overlapped != NULL)
		wsd_call_end(call, result == 0);
	return wsd_result(result, &error);
}

static void overlapped_begin(struct wsd_call *call, LPWSAOVERLAPPED overlapped)
{
	call->overlapped = overlapped;
	if (overlapped != NULL)
		wsd_call_begin(call, overlapped);
}

int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;
	struct wsd_call call;
	WSATHREADID storage;
	LPWSATHREADID thread;

	if (provider == NULL ||
	    !wsd_routine_thread(lpOverlapped, lpCompletionRoutine, &storage, &thread))
		return SOCKET_ERROR;
	overlapped_begin(&call, lpOverlapped);
	result = provider->lpWSPSend(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags,
				     lpOverlapped, lpCompletionRoutine, thread, &error);
	return overlapped_result(&call, thread, result, error);
}

int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		     DWORD dwFlags, const struct sockaddr *lpTo, int iTolen,
		     LPWSAOVERLAPPED lpOverlapped,
		     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;
	struct wsd_call call;
	WSATHREADID storage;
	LPWSATHREADID thread;

	if (provider == NULL ||
	    !wsd_routine_thread(lpOverlapped, lpCompletionRoutine, &storage, &thread))
		return SOCKET_ERROR;
	overlapped_begin(&call, lpOverlapped);
	result = provider->lpWSPSendTo(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags,
				       lpTo, iTolen, lpOverlapped, lpCompletionRoutine, thread,
				       &error);
	return overlapped_result(&call, thread, result, error);
}

int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
		   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;
	struct wsd_call call;
	WSATHREADID storage;
	LPWSATHREADID thread;

	if (provider == NULL ||
	    !wsd_routine_thread(lpOverlapped, lpCompletionRoutine, &storage, &thread))
		return SOCKET_ERROR;
	overlapped_begin(&call, lpOverlapped);
	result = provider->lpWSPRecv(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
				     lpOverlapped, lpCompletionRoutine, thread, &error);
	return overlapped_result(&call, thread, result, error);
}

int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
		       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
		       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;
	struct wsd_call call;
	WSATHREADID storage;
	LPWSATHREADID thread;

	if (provider == NULL ||
	    !wsd_routine_thread(lpOverlapped, lpCompletionRoutine, &storage, &thread))
		return SOCKET_ERROR;
	overlapped_begin(&call, lpOverlapped);
	result = provider->lpWSPRecvFrom(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
					 lpFrom, lpFromlen, lpOverlapped, lpCompletionRoutine,
					 thread, &error);
	return overlapped_result(&call, thread, result, error);
}

int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
		    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
		    LPWSAOVERLAPPED lpOverlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;
	struct wsd_call call;
	WSATHREADID storage;
	LPWSATHREADID thread;

	if (provider == NULL ||
	    !wsd_routine_thread(lpOverlapped, lpCompletionRoutine, &storage, &thread))
		return SOCKET_ERROR;
	overlapped_begin(&call, lpOverlapped);
	result = provider->lpWSPIoctl(s, dwIoControlCode, lpvInBuffer, cbInBuffer, lpvOutBuffer,
				      cbOutBuffer, lpcbBytesReturned, lpOverlapped,
				      lpCompletionRoutine, thread, &error);
	if (result == 0 && dwIoControlCode == SIO_GET_EXTENSION_FUNCTION_POINTER)
		wsd_extension_wrap(lpvInBuffer, lpvOutBuffer);
	return overlapped_result(&call, thread, result, error);
}

BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
				   BOOL fWait, LPDWORD lpdwFlags)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return FALSE;
	if (lpOverlapped == NULL || lpcbTransfer == NULL || lpdwFlags == NULL)
		return wsd_fail(WSAEFAULT);
	return provider->lpWSPGetOverlappedResult(s, lpOverlapped, lpcbTransfer, fWait, lpdwFlags,
						  &error) ||
	       wsd_fail((DWORD)error);
}

/* Files are synchronous here, so only a socket can have something to wait for. */
BOOL WINAPI GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped,
				LPDWORD lpNumberOfBytesTransferred, BOOL bWait)
{
	DWORD flags;

	return WSAGetOverlappedResult((SOCKET)hFile, lpOverlapped, lpNumberOfBytesTransferred,
				      bWait, &flags);
}

int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPSendDisconnect(s, lpOutboundDisconnectData, &error),
			  &error);
}

int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPRecvDisconnect(s, lpInboundDisconnectData, &error),
			  &error);
}

/* The BSD calls: one buffer, never overlapped, the byte count is the result. */

static bool one_buffer(WSABUF *buffer, const char *bytes, int length)
{
	if (length < 0)
		return wsd_fail(WSAEFAULT);
	buffer->len = (u_long)length;
	/* WSABUF is for both directions: drops const */
	memcpy(&buffer->buf, &bytes, sizeof(bytes));
	return true;
}

int WSAAPI send(SOCKET s, const char *buf, int len, int flags)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;
	DWORD sent = 0;
	WSABUF buffer;

	if (provider == NULL || !one_buffer(&buffer, buf, len))
		return SOCKET_ERROR;
	if (provider->lpWSPSend(s, &buffer, 1, &sent, (DWORD)flags, NULL, NULL, NULL, &error) != 0)
		return wsd_error(error);
	return (int)sent;
}

int WSAAPI sendto(SOCKET s, const char *buf, int len, int flags, const struct sockaddr *to,
		  int tolen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;
	DWORD sent = 0;
	WSABUF buffer;

	if (provider == NULL || !one_buffer(&buffer, buf, len))
		return SOCKET_ERROR;
	if (provider->lpWSPSendTo(s, &buffer, 1, &sent, (DWORD)flags, to, tolen, NULL, NULL, NULL,
				  &error) != 0)
		return wsd_error(error);
	return (int)sent;
}

int WSAAPI recv(SOCKET s, char *buf, int len, int flags)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	DWORD received = 0, inout = (DWORD)flags;
	int error = WSD_ERROR_UNSAID;
	WSABUF buffer;

	if (provider == NULL || !one_buffer(&buffer, buf, len))
		return SOCKET_ERROR;
	if (provider->lpWSPRecv(s, &buffer, 1, &received, &inout, NULL, NULL, NULL, &error) != 0)
		return wsd_error(error);
	return (int)received;
}

int WSAAPI recvfrom(SOCKET s, char *buf, int len, int flags, struct sockaddr *from, int *fromlen)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	DWORD received = 0, inout = (DWORD)flags;
	int error = WSD_ERROR_UNSAID;
	WSABUF buffer;

	if (provider == NULL || !one_buffer(&buffer, buf, len))
		return SOCKET_ERROR;
	if (provider->lpWSPRecvFrom(s, &buffer, 1, &received, &inout, from, fromlen, NULL, NULL,
				    NULL, &error) != 0)
		return wsd_error(error);
	return (int)received;
}

/* A stream has no partial messages, so flags only carry the request. */
int WINAPI WSARecvEx(SOCKET s, char *buf, int len, int *flags)
{
	int received;

	if (flags == NULL)
		return wsd_error(WSAEFAULT);
	received = recv(s, buf, len, *flags);
	*flags = 0;
	return received;
}

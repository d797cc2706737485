// SPDX-License-Identifier: BSD-2-Clause
/* test_host_fake.c - see test_host_fake.h. */
#include "tests/unit/test_host_fake.h"

#include <string.h>

#include "provider/transport/engine.h"
#include "provider/winsock/provider.h"
#include "rdma_backend/base/platform.h"

struct fake_provider fake;
static LPWPUCOMPLETEOVERLAPPEDREQUEST complete_upcall;

void fake_reset(void)
{
	fake.startup_error = 0;
	fake.version = MAKEWORD(2, 2);
	fake.leave_a_hole = false;
	fake.io = FAKE_AT_ONCE;
	fake.error = WSAECONNRESET;
	fake.bytes = 5;
	fake.pending = NULL;
	fake.had_thread = false;
	fake.selected = NULL;
	fake.selected_events = 0;
}

bool wsd_engine_wait(struct wsd_engine *const *set, unsigned count, bool (*done)(void *arg),
		     void *arg, uint64_t deadline, struct wsd_waker *waker)
{
	(void)set;
	(void)count;
	for (;;) {
		wsd_waker_reset(waker);
		if (done(arg))
			return true;
		if (wsd_clock_ns() >= deadline)
			return false;
		wsd_waker_sleep(waker, NULL, 0, deadline);
	}
}

void wsd_upcalls_set_find_complete(wsd_find_complete find)
{
	complete_upcall = find(NULL);
}

void wsd_upcalls_set_file_reader(const struct wsd_file_reader *reader)
{
	(void)reader;
}

void wsd_upcalls_set_last_error(void (*set)(int error))
{
	(void)set;
}

void wsd_provider_exit(void)
{
	fake.exits++;
}

void wsd_provider_fork_child(void)
{
	fake.forks++;
}

void wsd_provider_apc_dropped(LPWSAUSERAPC routine, DWORD_PTR context);
void wsd_provider_apc_dropped(LPWSAUSERAPC routine, DWORD_PTR context)
{
	(void)routine;
	(void)context;
	fake.dropped++;
}

int fake_complete(SOCKET s, LPWSAOVERLAPPED overlapped, DWORD error, DWORD bytes)
{
	int ignored;

	overlapped->OffsetHigh = error;
	overlapped->Offset = 0;
	return complete_upcall(s, overlapped, error, bytes, &ignored);
}

static bool known(SOCKET s, LPINT lpErrno)
{
	DWORD_PTR context;

	return fake.upcalls.lpWPUQuerySocketHandleContext(s, &context, lpErrno) == 0;
}

/* For every call that is not interesting: success on one of our sockets. */
static int plain(SOCKET s, LPINT lpErrno)
{
	return known(s, lpErrno) ? 0 : SOCKET_ERROR;
}

static int io(SOCKET s, LPDWORD count, LPWSAOVERLAPPED overlapped,
	      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPWSATHREADID thread, LPINT lpErrno)
{
	if (!known(s, lpErrno))
		return SOCKET_ERROR;
	fake.had_thread = routine != NULL && thread != NULL;
	if (fake.had_thread)
		fake.thread = *thread;
	if (fake.io == FAKE_FAIL) {
		*lpErrno = fake.error;
		return SOCKET_ERROR;
	}
	if (overlapped != NULL && fake.io == FAKE_PEND) {
		overlapped->Internal = WSS_OPERATION_IN_PROGRESS;
		fake.pending = overlapped;
		*lpErrno = WSA_IO_PENDING;
		return SOCKET_ERROR;
	}
	if (count != NULL)
		*count = fake.bytes;
	if (overlapped != NULL && routine == NULL)
		fake_complete(s, overlapped, 0, fake.bytes);
	return 0;
}

static SOCKET WSPAPI fake_accept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
				 LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData,
				 LPINT lpErrno)
{
	(void)addr;
	(void)addrlen;
	(void)lpfnCondition;
	(void)dwCallbackData;
	return known(s, lpErrno) ? fake.upcalls.lpWPUCreateSocketHandle(1001, 2, lpErrno)
				 : INVALID_SOCKET;
}

static INT WSPAPI fake_to_string(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
				 LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
				 LPDWORD lpdwAddressStringLength, LPINT lpErrno)
{
	static const WCHAR text[] = WSD_L("1.2.3.4:5");
	DWORD length = sizeof(text) / sizeof(text[0]);

	(void)lpsaAddress;
	(void)dwAddressLength;
	(void)lpProtocolInfo;
	if (*lpdwAddressStringLength < length) {
		*lpErrno = WSAEFAULT;
		return SOCKET_ERROR;
	}
	memcpy(lpszAddressString, text, sizeof(text));
	*lpdwAddressStringLength = length;
	return 0;
}

static int WSPAPI fake_async_select(SOCKET s, HWND hWnd, unsigned int wMsg, long lEvent,
				    LPINT lpErrno)
{
	(void)hWnd;
	(void)wMsg;
	(void)lEvent;
	return plain(s, lpErrno);
}

static int WSPAPI fake_bind(SOCKET s, const struct sockaddr *name, int namelen, LPINT lpErrno)
{
	(void)name;
	(void)namelen;
	return plain(s, lpErrno);
}

static int WSPAPI fake_cancel(LPINT lpErrno)
{
	*lpErrno = WSAEINVAL;
	return SOCKET_ERROR;
}

static int WSPAPI fake_cleanup(LPINT lpErrno)
{
	(void)lpErrno;
	fake.cleanups++;
	return 0;
}

static int WSPAPI fake_close(SOCKET s, LPINT lpErrno)
{
	return fake.upcalls.lpWPUCloseSocketHandle(s, lpErrno);
}

static int WSPAPI fake_connect(SOCKET s, const struct sockaddr *name, int namelen,
			       LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
			       LPQOS lpGQOS, LPINT lpErrno)
{
	(void)name;
	(void)namelen;
	(void)lpCallerData;
	(void)lpCalleeData;
	(void)lpSQOS;
	(void)lpGQOS;
	return plain(s, lpErrno);
}

static int WSPAPI fake_duplicate(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				 LPINT lpErrno)
{
	(void)dwProcessId;
	if (!known(s, lpErrno))
		return SOCKET_ERROR;
	*lpProtocolInfo = fake.protocol;
	lpProtocolInfo->dwProviderReserved = 77;
	return 0;
}

static int WSPAPI fake_enum_events(SOCKET s, WSAEVENT hEventObject,
				   LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno)
{
	if (!known(s, lpErrno))
		return SOCKET_ERROR;
	memset(lpNetworkEvents, 0, sizeof(*lpNetworkEvents));
	lpNetworkEvents->lNetworkEvents = (LONG)fake.selected_events;
	if (hEventObject != NULL)
		fake.upcalls.lpWPUResetEvent(hEventObject, lpErrno);
	return 0;
}

static int WSPAPI fake_event_select(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents,
				    LPINT lpErrno)
{
	fake.selected = hEventObject;
	fake.selected_events = lNetworkEvents;
	return plain(s, lpErrno);
}

static BOOL WSPAPI fake_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
			       BOOL fWait, LPDWORD lpdwFlags, LPINT lpErrno)
{
	(void)fWait;
	if (!known(s, lpErrno))
		return FALSE;
	*lpErrno = lpOverlapped->Internal == WSS_OPERATION_IN_PROGRESS
			   ? WSA_IO_INCOMPLETE
			   : (int)lpOverlapped->OffsetHigh;
	*lpcbTransfer = (DWORD)lpOverlapped->InternalHigh;
	*lpdwFlags = lpOverlapped->Offset;
	return *lpErrno == 0;
}

static int WSPAPI fake_name(SOCKET s, struct sockaddr *name, LPINT namelen, LPINT lpErrno)
{
	(void)name;
	(void)namelen;
	return plain(s, lpErrno);
}

static int WSPAPI fake_getsockopt(SOCKET s, int level, int optname, char *optval, LPINT optlen,
				  LPINT lpErrno)
{
	(void)level;
	(void)optname;
	if (!known(s, lpErrno))
		return SOCKET_ERROR;
	memset(optval, 0, (size_t)*optlen);
	return 0;
}

static BOOL WSPAPI fake_qos(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno)
{
	(void)s;
	(void)lpQOSName;
	(void)lpQOS;
	*lpErrno = WSAEOPNOTSUPP;
	return FALSE;
}

static BOOL WINAPI fake_accept_ex(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
				  DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
				  DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
				  LPOVERLAPPED lpOverlapped)
{
	int error = 0;

	(void)sAcceptSocket;
	(void)lpOutputBuffer;
	(void)dwReceiveDataLength;
	(void)dwLocalAddressLength;
	(void)dwRemoteAddressLength;
	if (io(sListenSocket, lpdwBytesReceived, lpOverlapped, NULL, NULL, &error) == 0)
		return TRUE;
	WSASetLastError(error);
	return FALSE;
}

static int WSPAPI fake_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
			     LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
			     LPWSAOVERLAPPED lpOverlapped,
			     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			     LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	static const GUID accept_ex = WSAID_ACCEPTEX;
	LPFN_ACCEPTEX function = fake_accept_ex;

	(void)cbInBuffer;
	(void)cbOutBuffer;
	(void)lpOverlapped;
	(void)lpCompletionRoutine;
	(void)lpThreadId;
	if (!known(s, lpErrno))
		return SOCKET_ERROR;
	if (dwIoControlCode == SIO_GET_EXTENSION_FUNCTION_POINTER) {
		if (memcmp(lpvInBuffer, &accept_ex, sizeof(GUID)) != 0) {
			*lpErrno = WSAEINVAL;
			return SOCKET_ERROR;
		}
		memcpy(lpvOutBuffer, &function, sizeof(function));
		*lpcbBytesReturned = sizeof(function);
	} else if (dwIoControlCode == FIONREAD) {
		memset(lpvOutBuffer, 0, sizeof(u_long));
	}
	return 0;
}

static SOCKET WSPAPI fake_join(SOCKET s, const struct sockaddr *name, int namelen,
			       LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
			       LPQOS lpGQOS, DWORD dwFlags, LPINT lpErrno)
{
	(void)s;
	(void)name;
	(void)namelen;
	(void)lpCallerData;
	(void)lpCalleeData;
	(void)lpSQOS;
	(void)lpGQOS;
	(void)dwFlags;
	*lpErrno = WSAEOPNOTSUPP;
	return INVALID_SOCKET;
}

static int WSPAPI fake_listen(SOCKET s, int backlog, LPINT lpErrno)
{
	(void)backlog;
	return plain(s, lpErrno);
}

static int WSPAPI fake_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			    LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
			    LPWSAOVERLAPPED lpOverlapped,
			    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			    LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpBuffers;
	(void)dwBufferCount;
	(void)lpFlags;
	return io(s, lpNumberOfBytesRecvd, lpOverlapped, lpCompletionRoutine, lpThreadId, lpErrno);
}

static int WSPAPI fake_disconnect(SOCKET s, LPWSABUF data, LPINT lpErrno)
{
	(void)data;
	return plain(s, lpErrno);
}

static int WSPAPI fake_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
				 LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
				 struct sockaddr *lpFrom, LPINT lpFromlen,
				 LPWSAOVERLAPPED lpOverlapped,
				 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
				 LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpFrom;
	(void)lpFromlen;
	return fake_recv(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, lpOverlapped,
			 lpCompletionRoutine, lpThreadId, lpErrno);
}

/* Everything in the read set is ready, nothing else is. */
static int WSPAPI fake_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
			      const struct timeval *timeout, LPINT lpErrno)
{
	(void)nfds;
	(void)timeout;
	(void)lpErrno;
	if (writefds != NULL)
		writefds->fd_count = 0;
	if (exceptfds != NULL)
		exceptfds->fd_count = 0;
	return readfds != NULL ? (int)readfds->fd_count : 0;
}

static int WSPAPI fake_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			    LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
			    LPWSAOVERLAPPED lpOverlapped,
			    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			    LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpBuffers;
	(void)dwBufferCount;
	(void)dwFlags;
	return io(s, lpNumberOfBytesSent, lpOverlapped, lpCompletionRoutine, lpThreadId, lpErrno);
}

static int WSPAPI fake_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
			       LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
			       const struct sockaddr *lpTo, int iTolen,
			       LPWSAOVERLAPPED lpOverlapped,
			       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
			       LPWSATHREADID lpThreadId, LPINT lpErrno)
{
	(void)lpTo;
	(void)iTolen;
	return fake_send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpOverlapped,
			 lpCompletionRoutine, lpThreadId, lpErrno);
}

static int WSPAPI fake_setsockopt(SOCKET s, int level, int optname, const char *optval, int optlen,
				  LPINT lpErrno)
{
	(void)level;
	(void)optname;
	(void)optval;
	(void)optlen;
	return plain(s, lpErrno);
}

static int WSPAPI fake_shutdown(SOCKET s, int how, LPINT lpErrno)
{
	(void)how;
	return plain(s, lpErrno);
}

static SOCKET WSPAPI fake_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				 GROUP g, DWORD dwFlags, LPINT lpErrno)
{
	(void)af;
	(void)type;
	(void)protocol;
	(void)g;
	(void)dwFlags;
	fake.protocol = *lpProtocolInfo;
	return fake.upcalls.lpWPUCreateSocketHandle(lpProtocolInfo->dwCatalogEntryId, 1, lpErrno);
}

static INT WSPAPI fake_to_address(LPWSTR AddressString, INT AddressFamily,
				  LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
				  LPINT lpAddressLength, LPINT lpErrno)
{
	(void)AddressFamily;
	(void)lpProtocolInfo;
	(void)lpAddressLength;
	if (AddressString[0] != '1') {
		*lpErrno = WSAEINVAL;
		return SOCKET_ERROR;
	}
	lpAddress->sa_family = AF_INET;
	return 0;
}

int WSPAPI WSPStartup(WORD wVersionRequested, LPWSPDATA lpWSPData,
		      LPWSAPROTOCOL_INFOW lpProtocolInfo, WSPUPCALLTABLE UpcallTable,
		      LPWSPPROC_TABLE lpProcTable)
{
	(void)wVersionRequested;
	(void)lpProtocolInfo;
	if (fake.startup_error != 0)
		return fake.startup_error;
	fake.startups++;
	fake.upcalls = UpcallTable;
	memset(lpWSPData, 0, sizeof(*lpWSPData));
	lpWSPData->wVersion = fake.version;
	*lpProcTable = (WSPPROC_TABLE){
		fake_accept,	 fake_to_string,   fake_async_select, fake_bind,
		fake_cancel,	 fake_cleanup,	   fake_close,	      fake_connect,
		fake_duplicate,	 fake_enum_events, fake_event_select, fake_result,
		fake_name,	 fake_name,	   fake_getsockopt,   fake_qos,
		fake_ioctl,	 fake_join,	   fake_listen,	      fake_recv,
		fake_disconnect, fake_recv_from,   fake_select,	      fake_send,
		fake_disconnect, fake_send_to,	   fake_setsockopt,   fake_shutdown,
		fake_socket,	 fake_to_address,
	};
	if (fake.leave_a_hole)
		lpProcTable->lpWSPJoinLeaf = NULL;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ws2san.h - the SAN provider contract: WSPStartupEx, registered memory, RDMA.
 *
 * WSPStartupEx is exported; the other functions are found with SIO_GET_EXTENSION_FUNCTION_POINTER.
 */
#ifndef OPENWSD_WS2SAN_H
#define OPENWSD_WS2SAN_H

#include "ws2spi.h"

#define SO_MAX_RDMA_SIZE       0x700D
#define SO_RDMA_THRESHOLD_SIZE 0x700E

#define MEM_READ      1
#define MEM_WRITE     2
#define MEM_READWRITE 3

#define WSD_SAN_GUID(first)                                            \
	{                                                              \
		first, 0xF58C, 0x11D1,                                 \
		{                                                      \
			0xAD, 0x6C, 0x00, 0xC0, 0x4F, 0xA3, 0x4A, 0x2D \
		}                                                      \
	}
#define WSAID_REGISTERMEMORY	   WSD_SAN_GUID(0xC0B422F5)
#define WSAID_DEREGISTERMEMORY	   WSD_SAN_GUID(0xC0B422F6)
#define WSAID_REGISTERRDMAMEMORY   WSD_SAN_GUID(0xC0B422F7)
#define WSAID_DEREGISTERRDMAMEMORY WSD_SAN_GUID(0xC0B422F8)
#define WSAID_RDMAWRITE		   WSD_SAN_GUID(0xC0B422F9)
#define WSAID_RDMAREAD		   WSD_SAN_GUID(0xC0B422FA)
#define WSAID_MEMORYREGISTRATIONCACHECALLBACK                          \
	{                                                              \
		0xE5DA4AF8, 0xD824, 0x48CD,                            \
		{                                                      \
			0xA7, 0x99, 0x63, 0x37, 0xA9, 0x8E, 0xD2, 0xAF \
		}                                                      \
	}

typedef struct _WSPUPCALLTABLEEX {
	LPWPUCLOSEEVENT lpWPUCloseEvent;
	LPWPUCLOSESOCKETHANDLE lpWPUCloseSocketHandle;
	LPWPUCREATEEVENT lpWPUCreateEvent;
	LPWPUCREATESOCKETHANDLE lpWPUCreateSocketHandle;
	LPWPUFDISSET lpWPUFDIsSet;
	LPWPUGETPROVIDERPATH lpWPUGetProviderPath;
	LPWPUMODIFYIFSHANDLE lpWPUModifyIFSHandle;
	LPWPUPOSTMESSAGE lpWPUPostMessage;
	LPWPUQUERYBLOCKINGCALLBACK lpWPUQueryBlockingCallback;
	LPWPUQUERYSOCKETHANDLECONTEXT lpWPUQuerySocketHandleContext;
	LPWPUQUEUEAPC lpWPUQueueApc;
	LPWPURESETEVENT lpWPUResetEvent;
	LPWPUSETEVENT lpWPUSetEvent;
	LPWPUOPENCURRENTTHREAD lpWPUOpenCurrentThread;
	LPWPUCLOSETHREAD lpWPUCloseThread;
	LPWPUCOMPLETEOVERLAPPEDREQUEST lpWPUCompleteOverlappedRequest;
} WSPUPCALLTABLEEX, *LPWSPUPCALLTABLEEX;

/* A WSABUF whose memory is registered; handle is what WSPRegisterMemory returned. */
typedef struct _WSABUFEX {
	u_long len;
	char *buf;
	HANDLE handle;
} WSABUFEX, *LPWSABUFEX;

WSD_STATIC_ASSERT(sizeof(WSPUPCALLTABLEEX) == 16 * sizeof(void *), "16 upcalls");
WSD_STATIC_ASSERT(sizeof(WSABUFEX) == 3 * sizeof(void *), "WSABUFEX layout");

typedef int(WSPAPI *LPWSPSTARTUPEX)(WORD wVersionRequested, LPWSPDATA lpWSPData,
				    LPWSAPROTOCOL_INFOW lpProtocolInfo,
				    LPWSPUPCALLTABLEEX lpUpcallTable, LPWSPPROC_TABLE lpProcTable);
typedef HANDLE(WSPAPI *LPFN_WSPREGISTERMEMORY)(SOCKET s, PVOID lpBuffer, DWORD dwBufferLength,
					       DWORD dwFlags, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPDEREGISTERMEMORY)(SOCKET s, HANDLE Handle, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPREGISTERRDMAMEMORY)(SOCKET s, PVOID lpBuffer, DWORD dwBufferLength,
						DWORD dwFlags, LPVOID lpRdmaBufferDescriptor,
						LPDWORD lpdwDescriptorLength, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPDEREGISTERRDMAMEMORY)(SOCKET s, LPVOID lpRdmaBufferDescriptor,
						  DWORD dwDescriptorLength, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPRDMAWRITE)(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
				       LPVOID lpTargetBufferDescriptor,
				       DWORD dwTargetDescriptorLength, DWORD dwTargetBufferOffset,
				       LPDWORD lpdwNumberOfBytesWritten, DWORD dwFlags,
				       LPWSAOVERLAPPED lpOverlapped,
				       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
				       LPWSATHREADID lpThreadId, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPRDMAREAD)(SOCKET s, LPWSABUFEX lpBuffers, DWORD dwBufferCount,
				      LPVOID lpTargetBufferDescriptor,
				      DWORD dwTargetDescriptorLength, DWORD dwTargetBufferOffset,
				      LPDWORD lpdwNumberOfBytesRead, DWORD dwFlags,
				      LPWSAOVERLAPPED lpOverlapped,
				      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
				      LPWSATHREADID lpThreadId, LPINT lpErrno);
typedef int(WSPAPI *LPFN_WSPMEMORYREGISTRATIONCACHECALLBACK)(PVOID lpvAddress, SIZE_T Size,
							     LPINT lpErrno);

WSD_DECLS_BEGIN

int WSPAPI WSPStartupEx(WORD wVersionRequested, LPWSPDATA lpWSPData,
			LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSPUPCALLTABLEEX lpUpcallTable,
			LPWSPPROC_TABLE lpProcTable);

WSD_DECLS_END

#endif

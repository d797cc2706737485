/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * windows_min.h - the part of the Win32 base API that a Winsock program needs: handles, events,
 * threads, waits, asynchronous procedure calls, completion ports, plain files, clocks.
 *
 * HANDLE values come from the same table as SOCKET values and are never file descriptors. A stale
 * handle, or one of the wrong type, fails with ERROR_INVALID_HANDLE.
 */
#ifndef OPENWSD_WINDOWS_MIN_H
#define OPENWSD_WINDOWS_MIN_H

#include "wsatypes.h"

#define ERROR_SUCCESS		  0
#define NO_ERROR		  0
#define ERROR_FILE_NOT_FOUND	  2
#define ERROR_PATH_NOT_FOUND	  3
#define ERROR_TOO_MANY_OPEN_FILES 4
#define ERROR_ACCESS_DENIED	  5
#define ERROR_INVALID_HANDLE	  6
#define ERROR_NOT_ENOUGH_MEMORY	  8
#define ERROR_WRITE_FAULT	  29
#define ERROR_READ_FAULT	  30
#define ERROR_GEN_FAILURE	  31
#define ERROR_HANDLE_EOF	  38
#define ERROR_NOT_SUPPORTED	  50
#define ERROR_NETNAME_DELETED	  64
#define ERROR_FILE_EXISTS	  80
#define ERROR_INVALID_PARAMETER	  87
#define ERROR_DISK_FULL		  112
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_ALREADY_EXISTS	  183
#define ERROR_MORE_DATA		  234
#define WAIT_TIMEOUT		  258
#define ERROR_NEGATIVE_SEEK	  131
#define ERROR_ABANDONED_WAIT_0	  735
#define ERROR_OPERATION_ABORTED	  995
#define ERROR_IO_INCOMPLETE	  996
#define ERROR_IO_PENDING	  997
#define ERROR_NOACCESS		  998
#define ERROR_NOT_FOUND		  1168
#define ERROR_CONNECTION_REFUSED  1225
#define ERROR_CONNECTION_ABORTED  1236

#define INFINITE	     0xFFFFFFFFu
#define WAIT_OBJECT_0	     0u
#define WAIT_ABANDONED_0     0x80u
#define WAIT_IO_COMPLETION   0xC0u
#define WAIT_FAILED	     0xFFFFFFFFu
#define STATUS_WAIT_0	     0u
#define STATUS_PENDING	     0x103u
#define MAXIMUM_WAIT_OBJECTS 64

#define GENERIC_READ		  0x80000000u
#define GENERIC_WRITE		  0x40000000u
#define FILE_SHARE_READ		  0x1
#define FILE_SHARE_WRITE	  0x2
#define FILE_SHARE_DELETE	  0x4
#define CREATE_NEW		  1
#define CREATE_ALWAYS		  2
#define OPEN_EXISTING		  3
#define OPEN_ALWAYS		  4
#define TRUNCATE_EXISTING	  5
#define FILE_ATTRIBUTE_NORMAL	  0x80
#define FILE_FLAG_SEQUENTIAL_SCAN 0x08000000
#define FILE_FLAG_OVERLAPPED	  0x40000000
#define FILE_BEGIN		  0
#define FILE_CURRENT		  1
#define FILE_END		  2
#define INVALID_FILE_SIZE	  0xFFFFFFFFu

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE	     0x2

typedef struct _OVERLAPPED {
	ULONG_PTR Internal;
	ULONG_PTR InternalHigh;
	__extension__ union {
		__extension__ struct {
			DWORD Offset;
			DWORD OffsetHigh;
		};
		PVOID Pointer;
	};
	HANDLE hEvent;
} OVERLAPPED;
typedef OVERLAPPED *LPOVERLAPPED;

typedef struct _OVERLAPPED_ENTRY {
	ULONG_PTR lpCompletionKey;
	LPOVERLAPPED lpOverlapped;
	ULONG_PTR Internal;
	DWORD dwNumberOfBytesTransferred;
} OVERLAPPED_ENTRY;
typedef OVERLAPPED_ENTRY *LPOVERLAPPED_ENTRY;

typedef struct _SECURITY_ATTRIBUTES {
	DWORD nLength;
	LPVOID lpSecurityDescriptor;
	BOOL bInheritHandle;
} SECURITY_ATTRIBUTES;
typedef SECURITY_ATTRIBUTES *LPSECURITY_ATTRIBUTES;

#if UINTPTR_MAX > 0xFFFFFFFFu
WSD_STATIC_ASSERT(sizeof(OVERLAPPED) == 32, "OVERLAPPED layout");
WSD_STATIC_ASSERT(sizeof(OVERLAPPED_ENTRY) == 32, "OVERLAPPED_ENTRY layout");
#else
WSD_STATIC_ASSERT(sizeof(OVERLAPPED) == 20, "OVERLAPPED layout");
#endif
WSD_STATIC_ASSERT(offsetof(OVERLAPPED, OffsetHigh) == 2 * sizeof(ULONG_PTR) + 4, "OffsetHigh");

typedef DWORD(WINAPI *LPTHREAD_START_ROUTINE)(LPVOID lpParameter);
typedef VOID(WINAPI *PAPCFUNC)(ULONG_PTR dwParam);

WSD_DECLS_BEGIN

/* The last error of this thread; WSAGetLastError reads and writes the same value. */
DWORD WINAPI GetLastError(void);
VOID WINAPI SetLastError(DWORD dwErrCode);

/* Closes an event, a completion port, a thread, a file or (for symmetry with Windows) a socket. */
BOOL WINAPI CloseHandle(HANDLE hObject);

/* Names are not shared between processes: lpName must be NULL, else ERROR_NOT_SUPPORTED. */
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCSTR lpName);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCWSTR lpName);
BOOL WINAPI SetEvent(HANDLE hEvent);
BOOL WINAPI ResetEvent(HANDLE hEvent);

/* Events and threads can be waited for, at most MAXIMUM_WAIT_OBJECTS at a time. */
DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);
DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable);
DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				    DWORD dwMilliseconds);
DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				      DWORD dwMilliseconds, BOOL bAlertable);
VOID WINAPI Sleep(DWORD dwMilliseconds);
DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable);

/*
 * dwStackSize 0 means the default; dwCreationFlags must be 0. The exit code is the routine's
 * result.
 */
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES lpAttributes, SIZE_T dwStackSize,
			   LPTHREAD_START_ROUTINE lpStartAddress, LPVOID lpParameter,
			   DWORD dwCreationFlags, LPDWORD lpThreadId);
VOID WINAPI ExitThread(DWORD dwExitCode);
BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode);
DWORD WINAPI GetCurrentThreadId(void);
DWORD WINAPI GetCurrentProcessId(void);
DWORD WINAPI QueueUserAPC(PAPCFUNC pfnAPC, HANDLE hThread, ULONG_PTR dwData);
#define STILL_ACTIVE STATUS_PENDING

/*
 * Completion ports. FileHandle is a SOCKET cast to HANDLE, or INVALID_HANDLE_VALUE to make a port
 * only. NumberOfConcurrentThreads is ignored: every thread that waits runs as soon as a packet is
 * there. Closing the port wakes its waiters with ERROR_ABANDONED_WAIT_0.
 */
HANDLE WINAPI CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort,
				     ULONG_PTR CompletionKey, DWORD NumberOfConcurrentThreads);
BOOL WINAPI GetQueuedCompletionStatus(HANDLE CompletionPort, LPDWORD lpNumberOfBytes,
				      PULONG_PTR lpCompletionKey, LPOVERLAPPED *lpOverlapped,
				      DWORD dwMilliseconds);
BOOL WINAPI GetQueuedCompletionStatusEx(HANDLE CompletionPort, LPOVERLAPPED_ENTRY lpEntries,
					ULONG ulCount, PULONG ulNumEntriesRemoved,
					DWORD dwMilliseconds, BOOL fAlertable);
BOOL WINAPI PostQueuedCompletionStatus(HANDLE CompletionPort, DWORD dwNumberOfBytesTransferred,
				       ULONG_PTR dwCompletionKey, LPOVERLAPPED lpOverlapped);
BOOL WINAPI SetFileCompletionNotificationModes(HANDLE FileHandle, UCHAR Flags);
/* hFile is a SOCKET cast to HANDLE. */
BOOL WINAPI GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped,
				LPDWORD lpNumberOfBytesTransferred, BOOL bWait);
/* Acquire: who sees the end also sees the bytes. */
#define HasOverlappedIoCompleted(overlapped) \
	(__atomic_load_n(&(overlapped)->Internal, __ATOMIC_ACQUIRE) != STATUS_PENDING)

/* Plain files, synchronous; an OVERLAPPED gives the position and is completed before the return. */
HANDLE WINAPI CreateFileA(LPCSTR lpFileName, DWORD dwDesiredAccess, DWORD dwShareMode,
			  LPSECURITY_ATTRIBUTES lpAttributes, DWORD dwCreationDisposition,
			  DWORD dwFlagsAndAttributes, HANDLE hTemplateFile);
BOOL WINAPI ReadFile(HANDLE hFile, LPVOID lpBuffer, DWORD nNumberOfBytesToRead,
		     LPDWORD lpNumberOfBytesRead, LPOVERLAPPED lpOverlapped);
BOOL WINAPI WriteFile(HANDLE hFile, LPCVOID lpBuffer, DWORD nNumberOfBytesToWrite,
		      LPDWORD lpNumberOfBytesWritten, LPOVERLAPPED lpOverlapped);
BOOL WINAPI GetFileSizeEx(HANDLE hFile, PLARGE_INTEGER lpFileSize);
BOOL WINAPI SetFilePointerEx(HANDLE hFile, LARGE_INTEGER liDistanceToMove,
			     PLARGE_INTEGER lpNewFilePointer, DWORD dwMoveMethod);

BOOL WINAPI QueryPerformanceCounter(PLARGE_INTEGER lpPerformanceCount);
BOOL WINAPI QueryPerformanceFrequency(PLARGE_INTEGER lpFrequency);
ULONGLONG WINAPI GetTickCount64(void);

WSD_DECLS_END

#ifdef UNICODE
#define CreateEvent CreateEventW
#else
#define CreateEvent CreateEventA
#endif
#define CreateFile CreateFileA

#endif

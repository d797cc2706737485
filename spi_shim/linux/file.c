// SPDX-License-Identifier: BSD-2-Clause
/*
 * file.c - owns plain files behind HANDLEs, CloseHandle, and the clocks.
 *
 * Files are synchronous: a call with an OVERLAPPED takes the position from it and is complete when
 * it returns. On a socket ReadFile and WriteFile are WSARecv and WSASend, as on Windows.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "provider/winsock/provider.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/linux/api.h"
#include "spi_shim/linux/event.h"
#include "spi_shim/linux/handle.h"
#include "spi_shim/linux/iocp.h"

struct file {
	struct wsd_object object; /* first */
	int fd;
};

static void file_destroy(struct wsd_object *object)
{
	struct file *file = wsd_container(object, struct file, object);

	close(file->fd);
	wsd_free(file);
}

static DWORD error_of_errno(int error)
{
	switch (error) {
	case ENOENT:
		return ERROR_FILE_NOT_FOUND;
	case ENOTDIR:
		return ERROR_PATH_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
	case EISDIR:
	case EBADF: /* opened without that right */
		return ERROR_ACCESS_DENIED;
	case EEXIST:
		return ERROR_FILE_EXISTS;
	case EMFILE:
	case ENFILE:
		return ERROR_TOO_MANY_OPEN_FILES;
	case ENOMEM:
		return ERROR_NOT_ENOUGH_MEMORY;
	case ENOSPC:
	case EDQUOT:
		return ERROR_DISK_FULL;
	case EFAULT:
		return ERROR_NOACCESS;
	case EINVAL:
		return ERROR_INVALID_PARAMETER;
	default:
		return ERROR_GEN_FAILURE;
	}
}

/* The open flags, or -1 for a combination that Windows refuses. */
static int open_flags(DWORD access, DWORD disposition)
{
	static const int create[] = {
		[CREATE_NEW] = O_CREAT | O_EXCL,
		[CREATE_ALWAYS] = O_CREAT | O_TRUNC,
		[OPEN_EXISTING] = 0,
		[OPEN_ALWAYS] = O_CREAT,
		[TRUNCATE_EXISTING] = O_TRUNC,
	};
	bool reads = (access & GENERIC_READ) != 0, writes = (access & GENERIC_WRITE) != 0;

	if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING)
		return -1;
	if (disposition == TRUNCATE_EXISTING && !writes)
		return -1;
	return create[disposition] | O_CLOEXEC | (writes ? (reads ? O_RDWR : O_WRONLY) : O_RDONLY);
}

HANDLE WINAPI CreateFileA(LPCSTR lpFileName, DWORD dwDesiredAccess, DWORD dwShareMode,
			  LPSECURITY_ATTRIBUTES lpAttributes, DWORD dwCreationDisposition,
			  DWORD dwFlagsAndAttributes, HANDLE hTemplateFile)
{
	int flags = open_flags(dwDesiredAccess, dwCreationDisposition), fd;
	struct file *file;
	uintptr_t value = 0;

	(void)dwShareMode; /* files here have no mandatory sharing modes */
	(void)lpAttributes;
	(void)dwFlagsAndAttributes;
	(void)hTemplateFile;
	if (lpFileName == NULL || flags < 0) {
		wsd_fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	fd = open(lpFileName, flags, 0666);
	if (fd < 0) {
		wsd_fail(error_of_errno(errno));
		return INVALID_HANDLE_VALUE;
	}
	file = wsd_alloc(sizeof(*file));
	if (file != NULL) {
		file->object.destroy = file_destroy;
		file->fd = fd;
		value = wsd_object_new(WSD_HANDLE_FILE, &file->object);
	}
	if (value == 0) {
		close(fd);
		wsd_free(file);
		wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
		return INVALID_HANDLE_VALUE;
	}
	return (HANDLE)value;
}

static struct file *file_get(HANDLE value)
{
	struct wsd_object *object = wsd_object_get((uintptr_t)value, WSD_HANDLE_FILE);

	if (object == NULL) {
		wsd_fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	return wsd_container(object, struct file, object);
}

static off_t position_of(const OVERLAPPED *overlapped)
{
	return (off_t)((uint64_t)overlapped->OffsetHigh << 32 | overlapped->Offset);
}

/* The end of a transfer on a file: results into all the places where Windows puts them. */
static BOOL transfer_end(ssize_t bytes, int error_number, DWORD at_end, LPDWORD count,
			 LPOVERLAPPED overlapped)
{
	DWORD error = bytes < 0 ? error_of_errno(error_number) : bytes == 0 ? at_end : 0;

	if (count != NULL)
		*count = bytes > 0 ? (DWORD)bytes : 0;
	if (overlapped == NULL)
		return bytes >= 0 ? TRUE : wsd_fail(error);
	overlapped->InternalHigh = bytes > 0 ? (ULONG_PTR)bytes : 0;
	overlapped->Internal = wsd_status_from_error(error);
	if (overlapped->hEvent != NULL)
		(void)wsd_event_set((HANDLE)((ULONG_PTR)overlapped->hEvent & ~(ULONG_PTR)1));
	return error == 0 ? TRUE : wsd_fail(error);
}

static bool is_socket(HANDLE handle)
{
	return wsd_object_type((uintptr_t)handle) == WSD_HANDLE_SOCKET;
}

BOOL WINAPI ReadFile(HANDLE hFile, LPVOID lpBuffer, DWORD nNumberOfBytesToRead,
		     LPDWORD lpNumberOfBytesRead, LPOVERLAPPED lpOverlapped)
{
	WSABUF buffer = { nNumberOfBytesToRead, lpBuffer };
	struct file *file;
	DWORD flags = 0;
	ssize_t bytes;
	int error;

	if (is_socket(hFile))
		return WSARecv((SOCKET)hFile, &buffer, 1, lpNumberOfBytesRead, &flags, lpOverlapped,
			       NULL) == 0;
	file = file_get(hFile);
	if (file == NULL)
		return FALSE;
	do {
		if (lpOverlapped != NULL)
			bytes = pread(file->fd, lpBuffer, nNumberOfBytesToRead,
				      position_of(lpOverlapped));
		else
			bytes = read(file->fd, lpBuffer, nNumberOfBytesToRead);
	} while (bytes < 0 && errno == EINTR);
	error = errno;
	wsd_object_put(&file->object);
	return transfer_end(bytes, error, nNumberOfBytesToRead > 0 ? ERROR_HANDLE_EOF : 0,
			    lpNumberOfBytesRead, lpOverlapped);
}

BOOL WINAPI WriteFile(HANDLE hFile, LPCVOID lpBuffer, DWORD nNumberOfBytesToWrite,
		      LPDWORD lpNumberOfBytesWritten, LPOVERLAPPED lpOverlapped)
{
	const char *next = lpBuffer;
	size_t left = nNumberOfBytesToWrite;
	ssize_t bytes = 0;
	struct file *file;
	off_t position;
	int error = 0;

	if (is_socket(hFile)) {
		WSABUF buffer = { nNumberOfBytesToWrite, (char *)(uintptr_t)lpBuffer };

		return WSASend((SOCKET)hFile, &buffer, 1, lpNumberOfBytesWritten, 0, lpOverlapped,
			       NULL) == 0;
	}
	file = file_get(hFile);
	if (file == NULL)
		return FALSE;
	position = lpOverlapped != NULL ? position_of(lpOverlapped) : 0;
	while (left > 0) {
		bytes = lpOverlapped != NULL ? pwrite(file->fd, next, left, position)
					     : write(file->fd, next, left);
		if (bytes < 0 && errno == EINTR)
			continue;
		if (bytes < 0)
			break;
		next += bytes;
		position += bytes;
		left -= (size_t)bytes;
	}
	error = errno;
	wsd_object_put(&file->object);
	if (bytes >= 0 || left < nNumberOfBytesToWrite)
		bytes = (ssize_t)(nNumberOfBytesToWrite - left);
	return transfer_end(bytes, error, 0, lpNumberOfBytesWritten, lpOverlapped);
}

static int64_t reader_read(HANDLE handle, uint64_t offset, void *buffer, uint32_t length,
			   int *error)
{
	struct file *file = file_get(handle);
	ssize_t bytes;

	if (file == NULL) {
		*error = ERROR_INVALID_HANDLE;
		return -1;
	}
	do {
		bytes = offset != UINT64_MAX ? pread(file->fd, buffer, length, (off_t)offset)
					     : read(file->fd, buffer, length);
	} while (bytes < 0 && errno == EINTR);
	if (bytes < 0)
		*error = (int)error_of_errno(errno);
	wsd_object_put(&file->object);
	return bytes;
}

const struct wsd_file_reader wsd_file_reader = { .read = reader_read };

BOOL WINAPI GetFileSizeEx(HANDLE hFile, PLARGE_INTEGER lpFileSize)
{
	struct file *file = file_get(hFile);
	struct stat info;
	int result;

	if (file == NULL)
		return FALSE;
	result = fstat(file->fd, &info);
	wsd_object_put(&file->object);
	if (result != 0)
		return wsd_fail(error_of_errno(errno));
	if (lpFileSize == NULL)
		return wsd_fail(ERROR_INVALID_PARAMETER);
	lpFileSize->QuadPart = info.st_size;
	return TRUE;
}

BOOL WINAPI SetFilePointerEx(HANDLE hFile, LARGE_INTEGER liDistanceToMove,
			     PLARGE_INTEGER lpNewFilePointer, DWORD dwMoveMethod)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	struct file *file = file_get(hFile);
	off_t position = -1;

	if (file == NULL)
		return FALSE;
	errno = EINVAL;
	if (dwMoveMethod <= FILE_END)
		position = lseek(file->fd, (off_t)liDistanceToMove.QuadPart, whence[dwMoveMethod]);
	wsd_object_put(&file->object);
	if (position < 0)
		return wsd_fail(errno == EINVAL && dwMoveMethod <= FILE_END
					? ERROR_NEGATIVE_SEEK
					: error_of_errno(errno));
	if (lpNewFilePointer != NULL)
		lpNewFilePointer->QuadPart = position;
	return TRUE;
}

BOOL WINAPI CloseHandle(HANDLE hObject)
{
	uintptr_t value = (uintptr_t)hObject;
	bool closed = false;

	switch (wsd_object_type(value)) {
	case WSD_HANDLE_SOCKET:
		return closesocket(value) == 0;
	case WSD_HANDLE_PORT:
		return wsd_port_close(hObject);
	case WSD_HANDLE_EVENT:
		closed = wsd_object_close(value, WSD_HANDLE_EVENT);
		break;
	case WSD_HANDLE_THREAD:
		closed = wsd_object_close(value, WSD_HANDLE_THREAD);
		break;
	case WSD_HANDLE_FILE:
		closed = wsd_object_close(value, WSD_HANDLE_FILE);
		break;
	case WSD_HANDLE_NONE:
		break;
	}
	return closed || wsd_fail(ERROR_INVALID_HANDLE);
}

BOOL WINAPI QueryPerformanceCounter(PLARGE_INTEGER lpPerformanceCount)
{
	lpPerformanceCount->QuadPart = (LONGLONG)wsd_clock_ns();
	return TRUE;
}

BOOL WINAPI QueryPerformanceFrequency(PLARGE_INTEGER lpFrequency)
{
	lpFrequency->QuadPart = 1000000000;
	return TRUE;
}

ULONGLONG WINAPI GetTickCount64(void)
{
	return wsd_clock_ns() / 1000000;
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_sign_windows.c - how connectors find a listener: its pipe has a random name, which stands in a section that
 * is found by the listener's address.
 */

#include <windows.h>

#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/shm/shm_windows.h"

#define SIGN_RIGHTS (FILE_MAP_READ | FILE_MAP_WRITE | SECTION_QUERY | READ_CONTROL)

enum wsd_status shm_pipe_status(DWORD error)
{
	switch (error) {
	case ERROR_FILE_NOT_FOUND:
		return WSD_ENOLISTENER;
	case ERROR_PIPE_BUSY:
		return WSD_AGAIN;
	case ERROR_ACCESS_DENIED:
		return WSD_EUSER;
	case ERROR_TOO_MANY_OPEN_FILES:
	case ERROR_NO_SYSTEM_RESOURCES:
		return WSD_ENOFILES;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
		return WSD_ENOMEM;
	default:
		return WSD_ERESET;
	}
}

static bool sign_name(char *name, size_t size, const struct wsd_addr *addr)
{
	static const char space[] = "Local\\";
	const struct wsd_windows_user *user = wsd_windows_user();
	size_t length = sizeof(space) - 1;

	if (!user)
		return false;
	memcpy(name, space, length);
	shm_name_make(name + length, size - length, user->name, addr);
	return true;
}

/* Anybody can make something of that name, but only its maker decides who owns it. */
enum wsd_status shm_check_owner(HANDLE handle)
{
	union {
		SECURITY_DESCRIPTOR align;
		BYTE bytes[512];
	} descriptor;
	DWORD size;
	PSID owner;
	BOOL defaulted;

	if (!GetKernelObjectSecurity(handle, OWNER_SECURITY_INFORMATION, &descriptor,
				     sizeof(descriptor), &size) ||
	    !GetSecurityDescriptorOwner(&descriptor, &owner, &defaulted) || !owner)
		return WSD_EUSER;
	return EqualSid(owner, wsd_windows_user()->sid) ? WSD_OK : WSD_EUSER;
}

static enum wsd_status attach_sign(HANDLE section, struct shm_sign **sign)
{
	enum wsd_status status = shm_check_owner(section);
	void *address;

	if (!status)
		status = wsd_shared_attach((intptr_t)section, SHM_PAGE, &address);
	if (!status)
		*sign = address;
	return status;
}

/* Write the name of the pipe on it. One that is down has only been kept from vanishing. */
enum wsd_status shm_sign_put_up(struct shm_pipe *listener, const struct wsd_addr *local,
				const uint8_t *name)
{
	SECURITY_ATTRIBUTES *rights = (SECURITY_ATTRIBUTES *)(uintptr_t)&wsd_windows_user()->rights;
	struct shm_sign *sign = NULL;
	enum wsd_status status;
	char text[192];
	uint32_t down = SHM_SIGN_DOWN;
	bool made;

	if (!sign_name(text, sizeof(text), local))
		return WSD_EACCESS;
	listener->guard =
		CreateFileMappingA(INVALID_HANDLE_VALUE, rights, PAGE_READWRITE, 0, SHM_PAGE, text);
	if (!listener->guard)
		return GetLastError() == ERROR_INVALID_HANDLE ? WSD_EADDRINUSE
							      : shm_pipe_status(GetLastError());
	made = GetLastError() != ERROR_ALREADY_EXISTS;
	status = attach_sign(listener->guard, &sign);
	if (status)
		return made ? status : WSD_EADDRINUSE;
	if (!made && !atomic_compare_exchange_strong(&sign->state, &down, SHM_SIGN_NEW)) {
		wsd_shared_unmap(sign, SHM_PAGE);
		return WSD_EADDRINUSE;
	}
	memcpy(sign->name, name, SHM_NAME_BYTES);
	atomic_store(&sign->state, SHM_SIGN_UP);
	listener->sign = sign;
	return WSD_OK;
}

void shm_sign_take_down(struct shm_pipe *listener)
{
	if (listener->sign) {
		atomic_store(&listener->sign->state, SHM_SIGN_DOWN);
		wsd_shared_unmap(listener->sign, SHM_PAGE);
	}
	if (listener->guard)
		CloseHandle(listener->guard);
}

static enum wsd_status copy_name(const struct shm_sign *sign, uint8_t *name)
{
	uint32_t state = atomic_load(&sign->state);

	if (state != SHM_SIGN_UP)
		return state == SHM_SIGN_NEW ? WSD_AGAIN : WSD_ENOLISTENER;
	memcpy(name, sign->name, SHM_NAME_BYTES);
	return WSD_OK;
}

/* The pipe of the listener of addr. */
enum wsd_status shm_sign_read(const struct wsd_addr *addr, uint8_t *name)
{
	struct shm_sign *sign;
	enum wsd_status status;
	HANDLE section;
	char text[192];

	if (!sign_name(text, sizeof(text), addr))
		return WSD_EACCESS;
	section = OpenFileMappingA(SIGN_RIGHTS, FALSE, text);
	if (!section)
		return GetLastError() == ERROR_INVALID_HANDLE ? WSD_ENOLISTENER /* another kind */
							      : shm_pipe_status(GetLastError());
	status = attach_sign(section, &sign);
	if (!status) {
		status = copy_name(sign, name);
		wsd_shared_unmap(sign, SHM_PAGE);
	} else if (status == WSD_EINVAL || status == WSD_EACCESS) {
		status = WSD_ENOLISTENER; /* something else of ours */
	}
	CloseHandle(section);
	return status;
}

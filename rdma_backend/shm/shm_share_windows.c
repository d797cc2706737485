// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_share_windows.c - named sections and their bells, for this user alone.
 *
 * A name has 128 random bits, is told to one peer on a channel, and lies in the namespace of the session. No
 * handle crosses: a number that another process gives could be any handle of ours.
 */

#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/shm/shm_windows.h"

#define SECTION_QUERY_ACCESS 0x0001u

static enum wsd_status status_of(DWORD error)
{
	switch (error) {
	case ERROR_FILE_NOT_FOUND:
		return WSD_NOTFOUND;
	case ERROR_TOO_MANY_OPEN_FILES:
	case ERROR_NO_SYSTEM_RESOURCES:
		return WSD_ENOFILES;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
	case ERROR_COMMITMENT_LIMIT:
		return WSD_ENOMEM;
	default:
		return WSD_EPROTOCOL; /* it has other rights, or is something else */
	}
}

/* --- names --- */

#define MEMORY "Local\\openwsd.memory."
#define BELL   "Local\\openwsd.bell."

void shm_secret_name(char *name, const char *space, const uint8_t *bytes)
{
	size_t used = (size_t)snprintf(name, SHM_SECRET_SIZE, "%s", space);
	unsigned i;

	for (i = 0; i < SHM_NAME_BYTES; i++)
		used += (size_t)snprintf(name + used, SHM_SECRET_SIZE - used, "%02x", bytes[i]);
}

/* --- sections --- */

static struct shm_section *section_new(void)
{
	struct shm_section *section = wsd_alloc(sizeof(*section));

	if (section)
		atomic_store(&section->references, 1);
	return section;
}

struct shm_section *shm_section_named(const uint8_t *name)
{
	struct shm_section *section = section_new();

	if (section)
		memcpy(section->name, name, sizeof(section->name));
	return section;
}

static enum wsd_status make(struct shm_section *section, uint64_t length, void **address)
{
	const struct wsd_windows_user *user = wsd_windows_user();
	char name[SHM_SECRET_SIZE];

	if (!user)
		return WSD_EACCESS;
	wsd_random(section->name, sizeof(section->name));
	shm_secret_name(name, MEMORY, section->name);
	section->handle = CreateFileMappingA(
		INVALID_HANDLE_VALUE, (SECURITY_ATTRIBUTES *)(uintptr_t)&user->rights,
		PAGE_READWRITE, (DWORD)(length >> 32), (DWORD)length, name);
	if (!section->handle)
		return status_of(GetLastError());
	if (GetLastError() == ERROR_ALREADY_EXISTS)
		return WSD_EACCESS;
	*address = MapViewOfFile(section->handle, FILE_MAP_READ | FILE_MAP_WRITE, 0, 0,
				 (size_t)length);
	return *address ? WSD_OK : status_of(GetLastError());
}

enum wsd_status shm_share_create(size_t length, shm_share *share, void **address)
{
	enum wsd_status status = WSD_ENOMEM;

	*share = section_new();
	if (*share)
		status = make(*share, length, address);
	if (status)
		shm_share_close(share);
	return status;
}

enum wsd_status shm_share_attach(shm_share share, size_t length, void **address)
{
	char name[SHM_SECRET_SIZE];
	enum wsd_status status;
	HANDLE handle;

	shm_secret_name(name, MEMORY, share->name);
	handle = OpenFileMappingA(FILE_MAP_READ | FILE_MAP_WRITE | SECTION_QUERY_ACCESS, FALSE,
				  name);
	if (!handle)
		return status_of(GetLastError());
	status = wsd_shared_attach((intptr_t)handle, length, address);
	CloseHandle(handle); /* the mapping keeps it */
	return status == WSD_EINVAL || status == WSD_EACCESS ? WSD_EPROTOCOL : status;
}

/* A message has only the name, so the owner has to keep it. */
shm_share shm_share_give(shm_share *own)
{
	if (*own)
		atomic_fetch_add(&(*own)->references, 1);
	return *own;
}

void shm_share_close(shm_share *share)
{
	struct shm_section *section = *share;

	*share = SHM_NO_SHARE;
	if (!section || atomic_fetch_sub(&section->references, 1) != 1)
		return;
	if (section->handle)
		CloseHandle(section->handle);
	wsd_free(section);
}

/* --- bells --- */

HANDLE shm_bell_create(shm_share inbox)
{
	const struct wsd_windows_user *user = wsd_windows_user();
	char name[SHM_SECRET_SIZE];

	shm_secret_name(name, BELL, inbox->name);
	return CreateEventA((SECURITY_ATTRIBUTES *)(uintptr_t)&user->rights, TRUE, FALSE, name);
}

enum wsd_status shm_bell_open(shm_share inbox, intptr_t *bell)
{
	char name[SHM_SECRET_SIZE];
	HANDLE event;

	shm_secret_name(name, BELL, inbox->name);
	event = OpenEventA(EVENT_MODIFY_STATE, FALSE, name);
	*bell = (intptr_t)event;
	return event ? WSD_OK : status_of(GetLastError());
}

void shm_bell_close(intptr_t bell)
{
	CloseHandle((HANDLE)bell);
}

void shm_mailbox_ring(const struct shm_mailbox *mailbox, shm_channel channel)
{
	(void)channel;
	SetEvent((HANDLE)mailbox->bell);
}

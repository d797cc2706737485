// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_things.c - see test_shm_things.h. */
#include "tests/windows/test_shm_things.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/test_shm.h"

static HANDLE make_file(unsigned number)
{
	char path[MAX_PATH], name[32];
	HANDLE file;

	snprintf(name, sizeof(name), "section%u", number);
	snprintf(path, sizeof(path), "%s", test_path(name));
	file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
			   FILE_FLAG_DELETE_ON_CLOSE, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	return file;
}

shm_share thing_make(enum thing what, size_t length, HANDLE *handle, HANDLE *file)
{
	static uint8_t made;
	uint8_t bytes[SHM_NAME_BYTES] = { 1, 2, 3 };
	DWORD protect = PAGE_READWRITE, size = (DWORD)length;
	char name[64] = "Local\\openwsd.memory.";

	bytes[14] = (uint8_t)what;
	bytes[15] = made++;
	for (unsigned i = 0; i < SHM_NAME_BYTES; i++)
		snprintf(name + strlen(name), 3, "%02x", bytes[i]);
	*handle = NULL;
	*file = what == IN_A_FILE ? make_file(made) : INVALID_HANDLE_VALUE;
	if (what == OTHER_LENGTH)
		size += SHM_PAGE;
	if (what == RESERVED)
		protect |= SEC_RESERVE;
	if (what == AN_EVENT)
		*handle = CreateEventA(NULL, TRUE, FALSE, name);
	else if (what != NOTHING)
		*handle = CreateFileMappingA(*file, NULL, protect, 0, size, name);
	assert_true(what == NOTHING || *handle != NULL);
	return shm_section_named(bytes);
}

void thing_drop(shm_share *share, HANDLE handle, HANDLE file)
{
	shm_share_close(share);
	if (handle)
		CloseHandle(handle);
	if (file != INVALID_HANDLE_VALUE)
		CloseHandle(file);
}

/* --- of all tests of the shm backend: test_shm.h --- */

static struct {
	shm_share share;
	HANDLE handle, file;
} things_made[2 * SHM_THINGS];

/* All but the name that leads to nothing, which is no lie. */
unsigned shm_things_make(shm_share *things, size_t length)
{
	unsigned at = things_made[0].share ? SHM_THINGS : 0;

	_Static_assert(SHM_THINGS == THINGS - 1, "all but one");
	for (unsigned i = 0; i < SHM_THINGS; i++, at++) {
		things[i] = thing_make((enum thing)(i + 1), length, &things_made[at].handle,
				       &things_made[at].file);
		things_made[at].share = things[i];
	}
	return SHM_THINGS;
}

void shm_things_drop(shm_share *things)
{
	unsigned at = things_made[0].share == things[0] ? 0 : SHM_THINGS;

	for (unsigned i = 0; i < SHM_THINGS; i++, at++) {
		thing_drop(&things_made[at].share, things_made[at].handle, things_made[at].file);
		things[i] = SHM_NO_SHARE;
	}
}

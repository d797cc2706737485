// SPDX-License-Identifier: BSD-2-Clause
/* program_windows.c - the name of the program that runs. */

#include <windows.h>

#include <wchar.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

#define PATH_SIZE 32768u /* characters of the longest path */
#define NAME_SIZE 256u	 /* and of a name */

static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
static char name[3 * NAME_SIZE];

static BOOL CALLBACK find_name(INIT_ONCE *state, void *parameter, void **context)
{
	WCHAR *path = wsd_raw_alloc(PATH_SIZE * sizeof(*path)), *slash;
	DWORD length = path ? GetModuleFileNameW(NULL, path, PATH_SIZE) : 0;

	(void)state;
	(void)parameter;
	(void)context;
	if (length > 0 && length < PATH_SIZE) {
		slash = wcsrchr(path, L'\\');
		if (!WideCharToMultiByte(CP_UTF8, 0, slash ? slash + 1 : path, -1, name,
					 sizeof(name), NULL, NULL))
			name[0] = '\0';
	}
	wsd_raw_free(path);
	return TRUE;
}

const char *wsd_program_name(void)
{
	InitOnceExecuteOnce(&once, find_name, NULL, NULL);
	return name;
}

bool wsd_file_names_equal(const char *a, const char *b)
{
	WCHAR wide[2][NAME_SIZE];

	return MultiByteToWideChar(CP_UTF8, 0, a, -1, wide[0], NAME_SIZE) > 0 &&
	       MultiByteToWideChar(CP_UTF8, 0, b, -1, wide[1], NAME_SIZE) > 0 &&
	       CompareStringOrdinal(wide[0], -1, wide[1], -1, TRUE) == CSTR_EQUAL;
}

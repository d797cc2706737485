// SPDX-License-Identifier: BSD-2-Clause
/* catalog_disk_windows.c - see catalog_disk.h. */
#include "tests/unit/catalog_disk.h"

#include "tests/lib/test.h"

#include <windows.h>

static HANDLE reader;

void catalog_disk_stop(const char *record)
{
	reader = CreateFileA(record, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	if (reader == INVALID_HANDLE_VALUE)
		abort();
}

void catalog_disk_go_on(void)
{
	CloseHandle(reader);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* handles.h - how many handles this process has: what a test may not leave behind. */
#ifndef WSD_TESTS_WINDOWS_HANDLES_H
#define WSD_TESTS_WINDOWS_HANDLES_H

#include <stdint.h>
#include <windows.h>

#define HANDLES 4096u /* the first of them are looked at */

/* Wine does not count them: try each value that one can have. */
static inline unsigned own_handles(void)
{
	unsigned count = 0;
	DWORD flags;

	for (uintptr_t value = 4; value < 4 * HANDLES; value += 4)
		count += GetHandleInformation((HANDLE)value, &flags) != 0;
	return count;
}

#endif

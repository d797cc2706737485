// SPDX-License-Identifier: BSD-2-Clause
/* sample_os_windows.c - see sample.h. */
#include "sample.h"

#include <windows.h>

#define NS_PER_TICK 100u /* of a due time */

static SRWLOCK lock = SRWLOCK_INIT;

void sample_os_lock(void)
{
	AcquireSRWLockExclusive(&lock);
}

void sample_os_unlock(void)
{
	ReleaseSRWLockExclusive(&lock);
}

/* Manual: it stays ready until it is set again. */
enum wsd_status sample_os_timer_new(wsd_wait_object *timer)
{
	HANDLE made = CreateWaitableTimerW(NULL, TRUE, NULL);

	if (made == NULL)
		return GetLastError() == ERROR_TOO_MANY_OPEN_FILES ? WSD_ENOFILES : WSD_ENOMEM;
	*timer = (wsd_wait_object)made;
	return WSD_OK;
}

/* Setting makes it not ready, cancelling does not: so never is as late as can be said. */
void sample_os_timer_set(wsd_wait_object timer, uint64_t ns)
{
	LARGE_INTEGER due;

	due.QuadPart = ns > 0 ? -(LONGLONG)(ns / NS_PER_TICK + 1) : -MAXLONGLONG;
	SetWaitableTimer((HANDLE)timer, &due, 0, NULL, NULL, FALSE);
}

void sample_os_timer_free(wsd_wait_object timer)
{
	CloseHandle((HANDLE)timer);
}

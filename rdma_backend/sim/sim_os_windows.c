// SPDX-License-Identifier: BSD-2-Clause
/* sim_os_windows.c - the simulation's wait object, a waitable timer, and local addresses. */

#include "rdma_backend/base/net_windows.h"
#include "rdma_backend/sim/sim_internal.h"

enum wsd_status wsd_sim_wait_create(wsd_wait_object *object)
{
	HANDLE timer = CreateWaitableTimerW(NULL, TRUE, NULL);

	if (!timer)
		return WSD_ENOFILES;
	*object = (wsd_wait_object)timer;
	return WSD_OK;
}

void wsd_sim_wait_destroy(wsd_wait_object object)
{
	CloseHandle((HANDLE)object);
}

void wsd_sim_wait_set(wsd_wait_object object, uint64_t ns)
{
	LARGE_INTEGER due;

	/* Negative is relative, in units of 100 ns. Cancelling does not reset, setting does. */
	due.QuadPart = ns ? -(LONGLONG)(ns / 100u + 1u) : -(LONGLONG)INT64_MAX;
	SetWaitableTimer((HANDLE)object, &due, 0, NULL, NULL, FALSE);
	if (!ns)
		CancelWaitableTimer((HANDLE)object);
}

uint32_t wsd_sim_os_addresses(struct wsd_addr *list, uint32_t count)
{
	uint32_t found = wsd_windows_addresses(list, count, false);

	return found < count ? found : count;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger_name.h - a ledger of the test's own, so that tests at the same time promise nothing to each other. The
 * processes that a test starts have its ledger.
 */
#ifndef WSD_TEST_LEDGER_NAME_H
#define WSD_TEST_LEDGER_NAME_H

#include <stdio.h>
#include <stdlib.h>

#ifdef _WIN32
#include <windows.h>

static inline void ledger_name_set(void)
{
	char name[32];

	snprintf(name, sizeof(name), "test-qos-%u", (unsigned)GetCurrentProcessId());
	if (GetEnvironmentVariableA("WSD_QOS_LEDGER", NULL, 0) == 0)
		SetEnvironmentVariableA("WSD_QOS_LEDGER", name);
}

/* It goes with the last process that has it. */
static inline void ledger_name_remove(void)
{
}
#else
#include <sys/mman.h>
#include <unistd.h>

static char ledger_path[64];

static inline void ledger_name_set(void)
{
	char name[32];

	if (getenv("WSD_QOS_LEDGER"))
		return;
	snprintf(name, sizeof(name), "test-qos-%u", (unsigned)getpid());
	snprintf(ledger_path, sizeof(ledger_path), "/openwsd-%s-%u-2", name, (unsigned)geteuid());
	setenv("WSD_QOS_LEDGER", name, 1);
}

static inline void ledger_name_remove(void)
{
	(void)shm_unlink(ledger_path);
}
#endif

#endif

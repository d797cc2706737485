// SPDX-License-Identifier: BSD-2-Clause
/*
 * patience.c - for libuv's test runner: on Windows it gives a server a quarter of a second to come up and a test five
 * seconds, whatever else the machine does. It is built with these two in the place of what it calls.
 */
#include <windows.h>

#define PATIENCE 8

int process_wait(void *processes, int count, int timeout);

void patient_sleep(unsigned milliseconds)
{
	Sleep(PATIENCE * milliseconds);
}

int patient_wait(void *processes, int count, int timeout)
{
	return process_wait(processes, count, timeout < 0 ? timeout : PATIENCE * timeout);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * patience.c - for libuv's test runner: on Windows it gives every test's server a quarter of a second to come up, also
 * where there is none, and a test five seconds, whatever else the machine does. It is built with these in the place of
 * what it calls.
 */
#include <windows.h>

#define PATIENCE 8

int process_start(char *name, char *part, void *process, int is_helper);
int process_wait(void *processes, int count, int timeout);

static int has_server;

int patient_start(char *name, char *part, void *process, int is_helper)
{
	has_server |= is_helper;
	return process_start(name, part, process, is_helper);
}

/* Before a test is started. */
void patient_sleep(unsigned milliseconds)
{
	if (has_server)
		Sleep(PATIENCE * milliseconds);
}

int patient_wait(void *processes, int count, int timeout)
{
	return process_wait(processes, count, timeout < 0 ? timeout : PATIENCE * timeout);
}

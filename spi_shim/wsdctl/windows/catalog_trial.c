// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalog_trial.c - runs the package's trial.exe: a program of the width that a catalogue is for, which has to reach a
 * peer without OpenWSD, and be reached by one. It gets the environment that a program of any user starts from: what
 * this one has set for itself proves nothing.
 */
#include "spi_shim/wsdctl/windows/catalog_windows.h"

#include <stdio.h>

#include <windows.h>

#include <userenv.h>

#define PATIENCE_MS 60000u

/* The exit status. */
static int wait_for(HANDLE process)
{
	DWORD status = WAIT_TIMEOUT;

	if (WaitForSingleObject(process, PATIENCE_MS) == WAIT_OBJECT_0)
		GetExitCodeProcess(process, &status);
	else
		TerminateProcess(process, status);
	return (int)status;
}

int wsd_trial_run(void *self, unsigned catalog)
{
	WCHAR path[WSD_PATH_SIZE], command[WSD_PATH_SIZE + 2];
	STARTUPINFOW startup = { .cb = sizeof(startup) };
	PROCESS_INFORMATION process;
	void *environment;
	int code = wsd_files_package(catalog, L"trial.exe", path);

	(void)self;
	if (code != 0)
		return code;
	swprintf(command, WSD_PATH_SIZE + 2, L"\"%ls\"", path);
	if (!CreateEnvironmentBlock(&environment, NULL, FALSE))
		return (int)GetLastError();
	fflush(NULL); /* before what it says */
	if (CreateProcessW(path, command, NULL, NULL, TRUE, CREATE_UNICODE_ENVIRONMENT, environment,
			   NULL, &startup, &process)) {
		code = wait_for(process.hProcess);
		CloseHandle(process.hThread);
		CloseHandle(process.hProcess);
	} else {
		code = (int)GetLastError();
	}
	DestroyEnvironmentBlock(environment);
	return code;
}

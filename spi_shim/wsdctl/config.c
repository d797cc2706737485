// SPDX-License-Identifier: BSD-2-Clause
/*
 * config.c - which openwsd.conf the commands look at, and what is wrong with it.
 */
#include <popt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/wsdctl/wsdctl.h"

#ifdef _WIN32
/* Installed, the DLL has its file beside it, and not beside this program. */
static void choose_installed(void)
{
	static char path[MAX_PATH + 32];
	const char *named = wsd_env("WSD_CONFIG");
	UINT length = GetSystemDirectoryA(path, MAX_PATH);

	if (length == 0 || length >= MAX_PATH || (named && *named))
		return;
	snprintf(path + length, sizeof(path) - length, "\\openwsd.conf");
	if (GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES)
		wsd_param_choose_file(path);
}
#endif

bool wsdctl_take_file(const char *name, int argc, char **argv)
{
	const struct poptOption table[] = { POPT_AUTOHELP POPT_TABLEEND };
	poptContext context = poptGetContext(name, argc, (const char **)(uintptr_t)argv, table, 0);
	const char *file;
	bool good;
	int code;

	poptSetOtherOptionHelp(context, "[FILE]");
	code = poptGetNextOpt(context);
	file = poptGetArg(context);
	good = code >= -1 && !poptPeekArg(context);
	if (code < -1)
		fprintf(stderr, "%s: %s: %s\n", name,
			poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(code));
	else if (!good)
		fprintf(stderr, "%s: takes one file at most\n", name);
#ifdef _WIN32
	choose_installed();
#endif
	if (good && file)
		wsd_param_choose_file(strdup(file)); /* popt's own goes with the context */
	poptFreeContext(context);
	return good;
}

const char *wsdctl_no_file(void)
{
#ifdef _WIN32
	bool there = GetFileAttributesA(wsd_param_file()) != INVALID_FILE_ATTRIBUTES;
#else
	bool there = access(wsd_param_file(), F_OK) == 0;
#endif

	return there ? "" : " (not there)";
}

static void print_problem(const char *text, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

void wsdctl_print_problems(void)
{
	wsd_param_file_problems(print_problem, NULL);
	wsd_param_env_problems(print_problem, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * params.c - `wsdctl params`: every parameter, its value and where that comes from.
 */
#include <popt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rdma_backend/base/internal.h"
#include "spi_shim/wsdctl/wsdctl.h"

static void show(const struct wsd_param_info *info, void *arg)
{
	static const char *const origins[] = {
		[WSD_PARAM_STANDARD] = "standard",
		[WSD_PARAM_FILE] = "file",
		[WSD_PARAM_ENVIRONMENT] = "environment",
	};
	const char *value = info->value ? info->value : info->standard;

	(void)arg;
	printf("%-18s %-20s %-12s %s", info->name, *value ? value : "(empty)",
	       origins[info->origin], info->help);
	if (info->value && *info->standard)
		printf(" [standard: %s]", info->standard);
	putchar('\n');
}

int wsdctl_params(int argc, char **argv)
{
	const struct poptOption table[] = { POPT_AUTOHELP POPT_TABLEEND };
	poptContext context =
		poptGetContext("wsdctl params", argc, (const char **)(uintptr_t)argv, table, 0);
	int code = poptGetNextOpt(context);

	if (code < -1 || poptPeekArg(context)) {
		fprintf(stderr, "wsdctl params: takes no arguments\n");
		poptFreeContext(context);
		return WSDCTL_USAGE;
	}
	poptFreeContext(context);
	printf("file: %s%s\n\n", wsd_param_file(),
	       access(wsd_param_file(), R_OK) == 0 ? "" : " (not there, or not readable)");
	printf("%-18s %-20s %-12s %s\n", "name", "value", "from", "meaning");
	wsd_param_each(show, NULL);
	/* What is wrong with the file is for the log; here somebody looks. */
	(void)fflush(stdout);
	if (setenv("WSD_LOG", "warning", 1) == 0) {
		(void)unsetenv("WSD_LOG_FILE");
		wsd_log_reset();
		(void)wsd_param_text("BACKENDS", "shm,verbs,tcp,plain");
	}
	return fflush(stdout) == 0 ? WSDCTL_OK : WSDCTL_FAILED;
}

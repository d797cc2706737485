// SPDX-License-Identifier: BSD-2-Clause
/* install.c - `wsdctl install`, `uninstall`, `status` and `doctor`: their options. */
#include <popt.h>
#include <stdint.h>
#include <stdlib.h>

#include "spi_shim/wsdctl/catalog_commands.h"
#include "spi_shim/wsdctl/windows/catalog_windows.h"
#include "spi_shim/wsdctl/wsdctl.h"

struct arguments {
	int prefer, for_switch, dry_run;
	char *record;
};

/* False: *status is the exit status. */
static bool parse(const char *name, int argc, char **argv, const struct poptOption *table,
		  int *status)
{
	poptContext context = poptGetContext(name, argc, (const char **)(uintptr_t)argv, table, 0);
	int code = poptGetNextOpt(context);
	const char *rest = poptPeekArg(context);

	*status = WSDCTL_USAGE;
	if (code < -1)
		fprintf(stderr, "%s: %s: %s\n", name,
			poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(code));
	else if (rest != NULL)
		fprintf(stderr, "%s: there is nothing to be done with %s\n", name, rest);
	else
		*status = WSDCTL_OK;
	poptFreeContext(context);
	return *status == WSDCTL_OK;
}

/* What the four have in common; install has more. */
static int run(const char *name, int argc, char **argv, struct poptOption *table,
	       struct arguments *arguments,
	       int (*command)(const struct wsd_catalog_run *, const struct arguments *))
{
	struct wsd_catalog_run catalog_run = { .out = stdout, .err = stderr };
	struct wsd_catalog_api api;
	int status = WSDCTL_FAILED;

	if (!parse(name, argc, argv, table, &status)) {
		free(arguments->record);
		return status;
	}
	if (wsd_catalog_windows(&api)) {
		catalog_run.api = &api;
		catalog_run.dry_run = arguments->dry_run != 0;
		catalog_run.record = arguments->record;
		status = command(&catalog_run, arguments);
	} else {
		fprintf(stderr, "%s: on 64-bit Windows the 64-bit wsdctl is needed\n", name);
		status = WSDCTL_FAILED;
	}
	free(arguments->record);
	return fflush(stdout) == 0 ? status : WSDCTL_FAILED;
}

#define RECORD_OPTION(a)                                                       \
	{                                                                      \
		"record", 'r', POPT_ARG_STRING, &(a).record, 0,                \
			"write the catalogue before and after as JSON", "FILE" \
	}
#define DRY_RUN_OPTION(a)                                         \
	{                                                         \
		"dry-run", 'n', POPT_ARG_NONE, &(a).dry_run, 0,   \
			"change nothing, say what would be", NULL \
	}

static int do_install(const struct wsd_catalog_run *catalog_run, const struct arguments *arguments)
{
	struct wsd_catalog_options options = { arguments->prefer != 0, arguments->for_switch != 0 };

	return wsd_catalog_install(catalog_run, &options);
}

int wsdctl_install(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct poptOption table[] = { { "prefer", 'p', POPT_ARG_NONE, &arguments.prefer, 0,
					"first for TCP: programs land on it unasked", NULL },
				      { "switch", 's', POPT_ARG_NONE, &arguments.for_switch, 0,
					"also the SAN provider, for a switch", NULL },
				      DRY_RUN_OPTION(arguments),
				      RECORD_OPTION(arguments),
				      POPT_AUTOHELP POPT_TABLEEND };

	return run("wsdctl install", argc, argv, table, &arguments, do_install);
}

static int do_uninstall(const struct wsd_catalog_run *catalog_run,
			const struct arguments *arguments)
{
	(void)arguments;
	return wsd_catalog_uninstall(catalog_run);
}

int wsdctl_uninstall(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct poptOption table[] = { DRY_RUN_OPTION(arguments), RECORD_OPTION(arguments),
				      POPT_AUTOHELP POPT_TABLEEND };

	return run("wsdctl uninstall", argc, argv, table, &arguments, do_uninstall);
}

static int do_status(const struct wsd_catalog_run *catalog_run, const struct arguments *arguments)
{
	(void)arguments;
	return wsd_catalog_status(catalog_run);
}

int wsdctl_status(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct poptOption table[] = { RECORD_OPTION(arguments), POPT_AUTOHELP POPT_TABLEEND };

	return run("wsdctl status", argc, argv, table, &arguments, do_status);
}

static int do_doctor(const struct wsd_catalog_run *catalog_run, const struct arguments *arguments)
{
	(void)arguments;
	return wsd_catalog_doctor(catalog_run);
}

int wsdctl_doctor(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	struct poptOption table[] = { POPT_AUTOHELP POPT_TABLEEND };

	return run("wsdctl doctor", argc, argv, table, &arguments, do_doctor);
}

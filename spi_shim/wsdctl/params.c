// SPDX-License-Identifier: BSD-2-Clause
/*
 * params.c - `wsdctl params`: every parameter, the value in force and where that comes from.
 */
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/internal.h"
#include "spi_shim/wsdctl/wsdctl.h"

static const char *const origins[] = {
	[WSD_PARAM_STANDARD] = "standard",
	[WSD_PARAM_FILE] = "file",
	[WSD_PARAM_ENVIRONMENT] = "environment",
};

static void count_line(const char *value, unsigned line, void *arg)
{
	unsigned *count = arg;

	(void)value;
	(void)line;
	(*count)++;
}

static void show(const struct wsd_param_info *info, void *arg)
{
	const char *value = info->value ? info->value : info->standard;
	enum wsd_param_origin origin = info->value ? info->origin : WSD_PARAM_STANDARD;
	char lines[32];
	unsigned count = 0;

	(void)arg;
	/* There may be many of them, and only in the file. */
	if (strcmp(info->name, "RULE") == 0) {
		wsd_param_lines("RULE", count_line, &count);
		snprintf(lines, sizeof(lines), "(%u, see rules)", count);
		value = count ? lines : info->standard;
		origin = count ? WSD_PARAM_FILE : WSD_PARAM_STANDARD;
	}
	printf("%-18s %-20s %-12s %s", info->name, *value ? value : "(empty)", origins[origin],
	       info->help);
	if (origin != WSD_PARAM_STANDARD && *info->standard)
		printf(" [standard: %s]", info->standard);
	if (info->refused)
		printf(" [not in force: %s of the %s]", info->refused, origins[info->origin]);
	putchar('\n');
}

static void show_problem(const struct wsd_param_info *info, void *arg)
{
	char text[256];

	(void)arg;
	if (wsd_param_problem(info, text, sizeof(text)))
		fprintf(stderr, "%s\n", text);
}

int wsdctl_params(int argc, char **argv)
{
	const char *trouble;

	if (!wsdctl_take_file("wsdctl params", argc, argv))
		return WSDCTL_USAGE;
	(void)wsd_param_file_lines(&trouble);
	printf("file: %s%s%s\n\n", wsd_param_file(), trouble ? ", which " : wsdctl_no_file(),
	       trouble ? trouble : "");
	printf("%-18s %-20s %-12s %s\n", "name", "value", "from", "meaning");
	wsd_param_each(show, NULL);
	/* What is wrong is for the log; here somebody looks. */
	(void)fflush(stdout);
	wsdctl_print_problems();
	wsd_param_each(show_problem, NULL);
	return fflush(stdout) == 0 && !trouble ? WSDCTL_OK : WSDCTL_FAILED;
}

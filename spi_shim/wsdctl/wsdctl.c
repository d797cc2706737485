// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdctl.c - the command-line tool: finds the subcommand in a table and runs it.
 */
#include <stdio.h>
#include <string.h>

#ifndef _WIN32
#include "provider/include/openwsd/openwsd.h"
#endif
#include "spi_shim/wsdctl/wsdctl.h"

#ifdef _WIN32
#define OTHER_SYSTEM "Linux"
#else
#define OTHER_SYSTEM "Windows"
#endif

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help; /* NULL: not for people */
} commands[] = {
#ifdef _WIN32
	{ "install", wsdctl_install, "enter OpenWSD into the Winsock catalogue" },
	{ "uninstall", wsdctl_uninstall, "remove it again" },
	{ "status", wsdctl_status, "what is installed" },
	{ "doctor", wsdctl_doctor, "check what it needs, and say what to do" },
#else
	{ "bench", wsdctl_bench, "measure OpenWSD beside the TCP of the operating system" },
	{ "bench-worker", wsdctl_bench_worker, NULL },
#endif
	{ "info", wsdctl_info, "the backends of this machine: usable, or why not" },
	{ "params", wsdctl_params, "the parameters: value, and where it comes from" },
	{ "rules", wsdctl_rules, "the rules of openwsd.conf: which connection uses which path" },
	{ "sockets", wsdctl_sockets,
	  "the sockets of all processes, and why none is on a better path" },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: wsdctl COMMAND [OPTION...]\n\ncommands:\n");
	for (i = 0; i < COMMAND_COUNT; i++)
		if (commands[i].help)
			fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\nwsdctl COMMAND --help lists the options; wsdctl --version the version.\n");
}

/* Those of the other system, so that a manual that knows both misleads nobody. */
static bool is_elsewhere(const char *name)
{
#ifdef _WIN32
	static const char *const names[] = { "bench" };
#else
	static const char *const names[] = { "doctor", "install", "status", "uninstall" };
#endif

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

int wsdctl_main(int argc, char **argv)
{
	static char name[64]; /* what --help calls it */
	size_t i;

	if (argc < 2) {
		usage(stderr);
		return WSDCTL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return WSDCTL_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
#ifdef _WIN32
		printf("wsdctl %s\n", WSD_VERSION);
#else
		printf("wsdctl %s, libopenwsd %s\n", WSD_VERSION, wsd_version());
#endif
		return WSDCTL_OK;
	}
	for (i = 0; i < COMMAND_COUNT && strcmp(argv[1], commands[i].name) != 0; i++)
		;
	if (i < COMMAND_COUNT) {
		snprintf(name, sizeof(name), "wsdctl %s", commands[i].name);
		argv[1] = name;
		return commands[i].run(argc - 1, argv + 1);
	}
	if (is_elsewhere(argv[1]))
		fprintf(stderr, "wsdctl: %s is there on " OTHER_SYSTEM " only\n", argv[1]);
	else
		fprintf(stderr, "wsdctl: there is no command %s; wsdctl --help lists them\n",
			argv[1]);
	return WSDCTL_USAGE;
}

#ifndef _WIN32 /* there windows/main.c has it */
int main(int argc, char **argv)
{
	return wsdctl_main(argc, argv);
}
#endif

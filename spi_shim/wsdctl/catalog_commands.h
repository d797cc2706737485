/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_commands.h - install, uninstall, status and doctor on any system that the table describes. */
#ifndef WSD_WSDCTL_CATALOG_COMMANDS_H
#define WSD_WSDCTL_CATALOG_COMMANDS_H

#include <stdio.h>

#include "spi_shim/wsdctl/catalog_state.h"

struct wsd_catalog_run {
	const struct wsd_catalog_api *api;
	FILE *out, *err;
	bool dry_run;
	const char *record; /* file to write; NULL: none */
};

/* Each returns an exit status (enum wsdctl_exit). */
int wsd_catalog_install(const struct wsd_catalog_run *run,
			const struct wsd_catalog_options *options);
int wsd_catalog_uninstall(const struct wsd_catalog_run *run);
int wsd_catalog_status(const struct wsd_catalog_run *run);
int wsd_catalog_doctor(const struct wsd_catalog_run *run);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_windows.h - the catalogues, the registry, the files and the services of this Windows. */
#ifndef WSD_WSDCTL_CATALOG_WINDOWS_H
#define WSD_WSDCTL_CATALOG_WINDOWS_H

#include "spi_shim/wsdctl/catalog_api.h"

/* False for a 32-bit wsdctl on 64-bit Windows: it cannot change the other catalogue. */
bool wsd_catalog_windows(struct wsd_catalog_api *api);

#define WSD_PATH_SIZE (260u + 64u)

/* Where the package has a file for the programs of this catalogue: in x64 or x86 beside wsdctl. 0 or an error code. */
int wsd_files_package(unsigned catalog, const WCHAR *name, WCHAR path[WSD_PATH_SIZE]);

/* The DLL files: catalog_files.c */
int wsd_files_state(void *self, unsigned catalog, enum wsd_catalog_file *state);
int wsd_files_packaged(void *self, unsigned catalog);
int wsd_files_put(void *self, unsigned catalog);
int wsd_files_drop(void *self, unsigned catalog);
int wsd_files_undo(void *self, unsigned catalog);
void wsd_files_settle(void *self, unsigned catalog);
int wsd_files_load(void *self);

/* trial.exe of the package for this catalogue: its exit status, or why it did not end by itself. catalog_trial.c */
int wsd_trial_run(void *self, unsigned catalog);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_windows.h - the catalogues, the registry, the files and the services of this Windows. */
#ifndef WSD_WSDCTL_CATALOG_WINDOWS_H
#define WSD_WSDCTL_CATALOG_WINDOWS_H

#include "spi_shim/wsdctl/catalog_api.h"

/* False for a 32-bit wsdctl on 64-bit Windows: it cannot change the other catalogue. */
bool wsd_catalog_windows(struct wsd_catalog_api *api);

/* The DLL files: catalog_files.c */
int wsd_files_state(void *self, unsigned catalog, enum wsd_catalog_file *state);
int wsd_files_put(void *self, unsigned catalog);
int wsd_files_drop(void *self, unsigned catalog);
int wsd_files_undo(void *self, unsigned catalog);
void wsd_files_settle(void *self, unsigned catalog);
int wsd_files_load(void *self);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_save.h - a file that is whole at any time: the old one, or the new one. */
#ifndef WSD_WSDCTL_CATALOG_SAVE_H
#define WSD_WSDCTL_CATALOG_SAVE_H

#include <stdbool.h>

/* Writes PATH.new (UTF-8 on Windows, too), and gives it the name. False: what had the name still has it. */
bool wsd_catalog_save(const char *path, const char *text);

#endif

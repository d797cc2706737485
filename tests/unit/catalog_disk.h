/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_disk.h - a disk on which the record of an installation cannot be written. */
#ifndef WSD_TEST_CATALOG_DISK_H
#define WSD_TEST_CATALOG_DISK_H

/* From now on it cannot: on Linux no file becomes longer than a few bytes, on Windows, where nothing limits files,
 * somebody reads the record and lets nobody replace it. */
void catalog_disk_stop(const char *record);
void catalog_disk_go_on(void);

#endif

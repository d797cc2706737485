/* SPDX-License-Identifier: BSD-2-Clause */
/* system.h - what a switch asks of the system it runs on. */
#ifndef WSD_SWITCH_SYSTEM_H
#define WSD_SWITCH_SYSTEM_H

#include <stddef.h>

/* Stores the function of that name, of the file at path, in *function. NULL, or why it cannot be had. */
const char *system_load(const char *path, const char *name, void *function, size_t size);
void system_set_variable(const char *name, const char *value);

#endif

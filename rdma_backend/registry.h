/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registry.h - which backends there are: the generated list of built-in ones, then the modules in the
 * module folder (WSD_MODULE_DIR, else the installed one). Each table is checked (abi, size, starred
 * entries) and copied over the fillers, so that callers never test an entry.
 */
#ifndef WSD_REGISTRY_H
#define WSD_REGISTRY_H

#include <openwsd/backend.h>

/*
 * Find a backend by name: built in, else openwsd-backend-<name>.so in the module folder.
 * WSD_NOTFOUND, WSD_EABI, WSD_EINVAL (a starred entry is missing); reason gets one line for people.
 * *ops stays valid until the process ends (modules are not unloaded).
 */
enum wsd_status wsd_registry_find(const char *name, const struct wsd_backend_ops **ops,
				  char *reason, size_t reason_size);
/* Load a module from a path, for vendors' tests. */
enum wsd_status wsd_registry_load(const char *path, const struct wsd_backend_ops **ops,
				  char *reason, size_t reason_size);
/* Names in the default path order: built-in list, then modules found. NULL ends. index 0, 1, ... */
const char *wsd_registry_name(unsigned index);
bool wsd_registry_builtin(const char *name);

#endif

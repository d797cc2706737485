/* SPDX-License-Identifier: BSD-2-Clause */
/* platform_windows.h - what the files for Windows share. Included after windows.h. */
#ifndef WSD_BASE_PLATFORM_WINDOWS_H
#define WSD_BASE_PLATFORM_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds until the deadline, rounded up; INFINITE for UINT64_MAX. */
DWORD wsd_windows_wait_ms(uint64_t deadline);
/* Copies the address of a symbol into *function (size bytes). False: no module, or it has none. */
bool wsd_windows_symbol(void *module, const char *name, void *function, size_t size);
/* A DLL of the system's folder, or NULL. It stays loaded: it is the system's. */
void *wsd_windows_system_module(const wchar_t *name);
/* The code is about to be unloaded, and none of its threads runs: frees what threads of the program
 * have of ours. From DllMain. */
void wsd_windows_unload(void);

struct wsd_windows_user {
	SECURITY_ATTRIBUTES rights; /* for an object of this user's, and nobody else's */
	char name[160];		    /* session and user */
	PSID sid;
};
const struct wsd_windows_user *wsd_windows_user(void); /* NULL: the system does not tell */

#endif

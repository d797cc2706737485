/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog_api.h - everything that installing does to a system, as one table: the Winsock catalogues, the
 * registry value for switches, the DLL files, the service behind the handles. Windows fills it in
 * windows/catalog_windows.c, the tests with a system of their own whose every call can fail.
 */
#ifndef WSD_WSDCTL_CATALOG_API_H
#define WSD_WSDCTL_CATALOG_API_H

#include <stdbool.h>

#include <openwsd/winsock2.h>

#define WSD_CATALOGS_MAX 2u   /* of 64-bit and of 32-bit programs */
#define WSD_CATALOG_MAX	 128u /* entries of one */
#define WSD_CATALOG_PATH 260u /* units of a path, with its 0 */

/* The provider's DLL where its programs look for it. */
enum wsd_catalog_file {
	WSD_FILE_NONE,
	WSD_FILE_SAME, /* as in the package */
	WSD_FILE_OTHER,
};

/* The value for switches, "TCP on SAN". */
enum wsd_catalog_switch {
	WSD_SWITCH_NONE,
	WSD_SWITCH_ID,	  /* of a provider */
	WSD_SWITCH_OTHER, /* of a type or size that no id has: somebody else's, who knows what for */
};

enum wsd_catalog_service {
	WSD_SERVICE_MISSING,
	WSD_SERVICE_DISABLED,
	WSD_SERVICE_STOPPED,
	WSD_SERVICE_ONCE, /* runs, and will not after the next start of Windows */
	WSD_SERVICE_RUNNING
};

/*
 * catalog: 0 is that of the programs of wsdctl's own width, 1 the other one's. int: 0, or the error code of
 * Windows or Winsock. Nothing is owned by anybody: everything is copied.
 */
struct wsd_catalog_api {
	void *self;
	unsigned catalogs; /* 1 where there is no other width */
	const char *names[WSD_CATALOGS_MAX];
	const char *packaged[WSD_CATALOGS_MAX]; /* the DLL, in the package */
	const char *
		unhandled; /* one that the system has, and these functions do not reach; NULL: none */

	bool (*may_change)(void *self); /* administrator */
	int (*enumerate)(void *self, unsigned catalog, WSAPROTOCOL_INFOW *list, unsigned room,
			 unsigned *count);
	int (*path)(void *self, unsigned catalog, const GUID *provider,
		    WCHAR path[WSD_CATALOG_PATH]);
	/* At the end of every catalogue; none may have the provider. */
	int (*install)(void *self, const GUID *provider, const WCHAR *path,
		       const WSAPROTOCOL_INFOW *entries, unsigned count);
	int (*remove)(void *self, unsigned catalog, const GUID *provider);
	int (*order)(void *self, unsigned catalog, const DWORD *ids, unsigned count); /* all ids */

	/* *provider: zeros without an id. */
	int (*switch_get)(void *self, enum wsd_catalog_switch *found, GUID *provider);
	int (*switch_set)(void *self, const GUID *provider);
	int (*switch_delete)(void *self);

	int (*file_state)(void *self, unsigned catalog, enum wsd_catalog_file *state);
	int (*file_packaged)(void *self, unsigned catalog); /* has the package one? */
	/* Copy the package's in place; remove. What was there is kept until undo or settle, which removes what
	 * earlier runs have kept that did not come so far, too. */
	int (*file_put)(void *self, unsigned catalog);
	int (*file_drop)(void *self, unsigned catalog);
	int (*file_undo)(void *self, unsigned catalog);
	void (*file_settle)(void *self, unsigned catalog);

	int (*service)(void *self, enum wsd_catalog_service *state); /* ws2ifsl */
	int (*load)(void *self); /* can the installed DLL be loaded, and has it WSPStartup? */
	/* Do this catalogue's programs reach peers without OpenWSD by the installed entries, and are reached by
	 * them? Tried by one of them, which says what is wrong. Only then those may come first. */
	int (*try_plain_tcp)(void *self, unsigned catalog);
};

#endif

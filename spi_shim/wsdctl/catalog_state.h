/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog_state.h - what is installed, as a value: read from a system, changed to what is wanted, compared,
 * and made true again. Install, uninstall, repair and roll-back are the same step: make a state true.
 */
#ifndef WSD_WSDCTL_CATALOG_STATE_H
#define WSD_WSDCTL_CATALOG_STATE_H

#include "spi_shim/catalog_entries.h"
#include "spi_shim/wsdctl/catalog_api.h"

struct wsd_catalog_entry {
	WSAPROTOCOL_INFOW info;
	WCHAR path[WSD_CATALOG_PATH];
};

struct wsd_catalog_list {
	unsigned count;
	struct wsd_catalog_entry entries[WSD_CATALOG_MAX];
};

/* About 300 KiB: from the heap. */
struct wsd_catalog_state {
	unsigned catalogs;
	struct wsd_catalog_list lists[WSD_CATALOGS_MAX];
	enum wsd_catalog_file files[WSD_CATALOGS_MAX];
	enum wsd_catalog_switch switch_found;
	GUID switch_provider;
};

/* What failed first: for people, and with it the code. */
struct wsd_catalog_failure {
	const char *what; /* NULL: nothing */
	int code;	  /* 0: no call failed, but the system is not as it should be */
};

struct wsd_catalog_options {
	bool prefer;	 /* first in every catalogue */
	bool for_switch; /* the SAN provider and the registry value too */
};

/* Where the catalogue says the DLL is: one text for both widths, because the system directory of 32-bit
 * programs has the same name. */
extern const WCHAR wsd_catalog_dll[];

bool wsd_catalog_read(const struct wsd_catalog_api *api, struct wsd_catalog_state *state,
		      struct wsd_catalog_failure *failure);
/* An entry of ours that was removed and put back has another id: it counts for others' only. */
bool wsd_catalog_same(const struct wsd_catalog_entry *a, const struct wsd_catalog_entry *b);
bool wsd_catalog_equal(const struct wsd_catalog_state *a, const struct wsd_catalog_state *b);
/* The provider that an entry is of; WSD_CATALOG_PROVIDERS: somebody else's. */
enum wsd_catalog_provider wsd_catalog_owner(const WSAPROTOCOL_INFOW *info);
unsigned wsd_catalog_count(const struct wsd_catalog_list *list, enum wsd_catalog_provider provider);
/* Do programs that choose nothing land on OpenWSD? */
bool wsd_catalog_comes_first(const struct wsd_catalog_list *list);
/* Has it a provider of TCP, over IPv4 or IPv6, that OpenWSD reaches other peers through? */
bool wsd_catalog_has_base(const struct wsd_catalog_list *list, int family);

void wsd_catalog_want_installed(struct wsd_catalog_state *state,
				const struct wsd_catalog_options *options);
void wsd_catalog_want_removed(struct wsd_catalog_state *state);

/*
 * Make wanted true, which differs from before in what is ours only; then read everything back. If a step
 * failed, or what is there then is not what was wanted: make before true. False: *failure says what failed,
 * *restored whether the system is as it was before.
 */
bool wsd_catalog_change(const struct wsd_catalog_api *api, const struct wsd_catalog_state *before,
			const struct wsd_catalog_state *wanted, struct wsd_catalog_state *after,
			struct wsd_catalog_failure *failure, bool *restored);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_record.h - what was installed before a command and after it, as JSON for a file. */
#ifndef WSD_WSDCTL_CATALOG_RECORD_H
#define WSD_WSDCTL_CATALOG_RECORD_H

#include "spi_shim/wsdctl/catalog_state.h"

struct wsd_catalog_record {
	const char *command;
	const char *result; /* one sentence */
	bool changed, dry_run;
	const char *const *names; /* of the catalogues */
	const struct wsd_catalog_state *before, *after;
};

/* JSON text, to be freed with free(); NULL: no memory. */
char *wsd_catalog_record_text(const struct wsd_catalog_record *record);

#define WSD_GUID_TEXT 39u /* {8-4-4-4-12} and 0 */
void wsd_guid_text(const GUID *guid, char text[WSD_GUID_TEXT]);

/* UTF-8 of UTF-16 up to its 0, cut to the size given; lone surrogates become U+FFFD. */
void wsd_narrow_text(const WCHAR *from, char *to, size_t size);

#endif

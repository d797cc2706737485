/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catalog_fake.h - a system to install on: two catalogues with strangers' entries, a registry value, DLL
 * files. Any call can fail before its work, after it or half way, or say that it did what it did not. After
 * each one it is looked at as a program would that starts just then.
 */
#ifndef WSD_TEST_CATALOG_FAKE_H
#define WSD_TEST_CATALOG_FAKE_H

#include "spi_shim/wsdctl/catalog_api.h"
#include "spi_shim/wsdctl/catalog_state.h"

enum fake_failure { FAKE_BEFORE, FAKE_AFTER, FAKE_HALF, FAKE_LIES, FAKE_FAILURES };

struct fake_system {
	struct wsd_catalog_list lists[WSD_CATALOGS_MAX];
	unsigned catalogs;
	DWORD next_id;
	enum wsd_catalog_switch switch_found;
	GUID switch_provider;
	enum wsd_catalog_file files[WSD_CATALOGS_MAX], kept[WSD_CATALOGS_MAX];
	bool is_kept[WSD_CATALOGS_MAX];
	bool unpackaged[WSD_CATALOGS_MAX]; /* the package lacks the DLL */
	bool administrator;
	enum wsd_catalog_service service;

	unsigned calls;	       /* that can fail */
	unsigned changes;      /* calls that did something */
	unsigned fail_at;      /* the call with this number, from 1; 0: none */
	bool fail_on;	       /* and each one after it */
	const char *fail_then; /* and each one of this name after it; NULL: none */
	const char *failed;    /* which it was, the last one */
	enum fake_failure how;
	void (*on_change)(void); /* before each call that changes something; NULL: nothing */
	bool no_plain[WSD_CATALOGS_MAX]; /* peers without OpenWSD are not reached */
	bool tried[WSD_CATALOGS_MAX];	 /* and they were */
	bool untried; /* an entry of ours came first in a catalogue without that */
	unsigned
		twice; /* how often a provider was to be installed that was there: refused, as by Windows */
	bool homeless; /* an entry of ours was there while its DLL was not */
};

/* The calls of the table that can fail, each of them, and how often one did. */
#define FAKE_CALLS 16u
#define FAKE_ERROR 4321
extern const char *const fake_calls[FAKE_CALLS];
extern unsigned fake_failed[FAKE_CALLS];

/* Five strangers in each catalogue. */
void fake_init(struct fake_system *system, struct wsd_catalog_api *api);

#endif

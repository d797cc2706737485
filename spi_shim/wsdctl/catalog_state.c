// SPDX-License-Identifier: BSD-2-Clause
/* catalog_state.c - reads what is installed, compares, and works out what is wanted. */
#include "spi_shim/wsdctl/catalog_state.h"

#include <string.h>

#ifdef _WIN32
#define WSD_L(text) L##text
#endif

const WCHAR wsd_catalog_dll[] = WSD_L("%SystemRoot%\\System32\\openwsd.dll");

static bool same_text(const WCHAR *a, const WCHAR *b)
{
	for (; *a == *b; a++, b++)
		if (*a == 0)
			return true;
	return false;
}

enum wsd_catalog_provider wsd_catalog_owner(const WSAPROTOCOL_INFOW *info)
{
	unsigned provider = 0;

	while (provider < WSD_CATALOG_PROVIDERS &&
	       memcmp(&info->ProviderId, &wsd_catalog_entries[provider][0].ProviderId,
		      sizeof(GUID)) != 0)
		provider++;
	return (enum wsd_catalog_provider)provider;
}

static bool is_ours(const struct wsd_catalog_entry *entry)
{
	return wsd_catalog_owner(&entry->info) != WSD_CATALOG_PROVIDERS;
}

unsigned wsd_catalog_count(const struct wsd_catalog_list *list, enum wsd_catalog_provider provider)
{
	unsigned count = 0, i;

	for (i = 0; i < list->count; i++)
		count += wsd_catalog_owner(&list->entries[i].info) == provider;
	return count;
}

bool wsd_catalog_comes_first(const struct wsd_catalog_list *list)
{
	return list->count > 0 && wsd_catalog_owner(&list->entries[0].info) == WSD_CATALOG_STREAM;
}

bool wsd_catalog_has_base(const struct wsd_catalog_list *list, int family)
{
	for (unsigned i = 0; i < list->count; i++) {
		const WSAPROTOCOL_INFOW *info = &list->entries[i].info;

		if (info->iAddressFamily == family && info->iSocketType == SOCK_STREAM &&
		    info->iProtocol == IPPROTO_TCP &&
		    info->ProtocolChain.ChainLen == BASE_PROTOCOL &&
		    (info->dwServiceFlags1 & XP1_IFS_HANDLES) != 0)
			return true;
	}
	return false;
}

/* --- read --- */

static bool failed(struct wsd_catalog_failure *failure, const char *what, int code)
{
	if (code == 0)
		return false;
	failure->what = what;
	failure->code = code;
	return true;
}

static bool read_list(const struct wsd_catalog_api *api, unsigned catalog,
		      struct wsd_catalog_list *list, WSAPROTOCOL_INFOW *infos,
		      struct wsd_catalog_failure *failure)
{
	unsigned i;

	if (failed(failure, "reading the catalogue",
		   api->enumerate(api->self, catalog, infos, WSD_CATALOG_MAX, &list->count)))
		return false;
	for (i = 0; i < list->count; i++) {
		struct wsd_catalog_entry *entry = &list->entries[i];

		entry->info = infos[i];
		/* Layers and others' oddities have no path of their own: that is theirs. */
		if (api->path(api->self, catalog, &infos[i].ProviderId, entry->path) != 0) {
			if (is_ours(entry)) {
				failed(failure, "reading the path of the provider", WSAEINVAL);
				return false;
			}
			entry->path[0] = 0;
		}
	}
	return true;
}

bool wsd_catalog_read(const struct wsd_catalog_api *api, struct wsd_catalog_state *state,
		      struct wsd_catalog_failure *failure)
{
	static WSAPROTOCOL_INFOW infos[WSD_CATALOG_MAX]; /* one thread */
	unsigned i;

	memset(state, 0, sizeof(*state));
	state->catalogs = api->catalogs;
	for (i = 0; i < api->catalogs; i++) {
		if (!read_list(api, i, &state->lists[i], infos, failure))
			return false;
		if (failed(failure, "looking for the DLL",
			   api->file_state(api->self, i, &state->files[i])))
			return false;
	}
	return !failed(failure, "reading the value for switches",
		       api->switch_get(api->self, &state->switch_found, &state->switch_provider));
}

/* --- compare --- */

bool wsd_catalog_same(const struct wsd_catalog_entry *a, const struct wsd_catalog_entry *b)
{
	const WSAPROTOCOL_INFOW *x = &a->info, *y = &b->info;

	return memcmp(&x->ProviderId, &y->ProviderId, sizeof(GUID)) == 0 &&
	       (is_ours(a) || x->dwCatalogEntryId == y->dwCatalogEntryId) &&
	       x->dwServiceFlags1 == y->dwServiceFlags1 &&
	       x->dwProviderFlags == y->dwProviderFlags && x->iVersion == y->iVersion &&
	       x->ProtocolChain.ChainLen == y->ProtocolChain.ChainLen &&
	       x->iAddressFamily == y->iAddressFamily && x->iMaxSockAddr == y->iMaxSockAddr &&
	       x->iMinSockAddr == y->iMinSockAddr && x->iSocketType == y->iSocketType &&
	       x->iProtocol == y->iProtocol && x->iProtocolMaxOffset == y->iProtocolMaxOffset &&
	       x->iNetworkByteOrder == y->iNetworkByteOrder &&
	       x->iSecurityScheme == y->iSecurityScheme && x->dwMessageSize == y->dwMessageSize &&
	       same_text(x->szProtocol, y->szProtocol) && same_text(a->path, b->path);
}

static bool same_list(const struct wsd_catalog_list *a, const struct wsd_catalog_list *b)
{
	unsigned i;

	if (a->count != b->count)
		return false;
	for (i = 0; i < a->count; i++)
		if (!wsd_catalog_same(&a->entries[i], &b->entries[i]))
			return false;
	return true;
}

bool wsd_catalog_equal(const struct wsd_catalog_state *a, const struct wsd_catalog_state *b)
{
	unsigned i;

	for (i = 0; i < a->catalogs; i++)
		if (!same_list(&a->lists[i], &b->lists[i]) || a->files[i] != b->files[i])
			return false;
	return a->switch_found == b->switch_found &&
	       (a->switch_found != WSD_SWITCH_ID ||
		memcmp(&a->switch_provider, &b->switch_provider, sizeof(GUID)) == 0);
}

/* --- want --- */

static void put_entry(struct wsd_catalog_entry *entry, enum wsd_catalog_provider provider,
		      unsigned index)
{
	unsigned i = 0;

	memset(entry, 0, sizeof(*entry));
	entry->info = wsd_catalog_entries[provider][index];
	do
		entry->path[i] = wsd_catalog_dll[i];
	while (wsd_catalog_dll[i++] != 0);
}

/* As long as each entry is there it keeps its place; else all of them go to the end. */
static void want_provider(struct wsd_catalog_list *list, enum wsd_catalog_provider provider)
{
	unsigned from, to = 0, index = 0;
	bool whole = wsd_catalog_count(list, provider) == WSD_CATALOG_ENTRIES;

	for (from = 0; from < list->count; from++) {
		if (wsd_catalog_owner(&list->entries[from].info) != provider)
			list->entries[to++] = list->entries[from];
		else if (whole)
			put_entry(&list->entries[to++], provider, index++);
	}
	while (index < WSD_CATALOG_ENTRIES && to < WSD_CATALOG_MAX)
		put_entry(&list->entries[to++], provider, index++);
	list->count = to;
}

static void want_first(struct wsd_catalog_list *list)
{
	unsigned from, first = 0;

	for (from = 0; from < list->count; from++) {
		struct wsd_catalog_entry entry = list->entries[from];

		if (wsd_catalog_owner(&entry.info) != WSD_CATALOG_STREAM)
			continue;
		memmove(&list->entries[first + 1], &list->entries[first],
			(from - first) * sizeof(entry));
		list->entries[first++] = entry;
	}
}

void wsd_catalog_want_installed(struct wsd_catalog_state *state,
				const struct wsd_catalog_options *options)
{
	unsigned i;

	for (i = 0; i < state->catalogs; i++) {
		want_provider(&state->lists[i], WSD_CATALOG_STREAM);
		if (options->for_switch)
			want_provider(&state->lists[i], WSD_CATALOG_SAN);
		if (options->prefer)
			want_first(&state->lists[i]);
		state->files[i] = WSD_FILE_SAME;
	}
	if (options->for_switch && state->switch_found != WSD_SWITCH_OTHER) {
		state->switch_found = WSD_SWITCH_ID;
		state->switch_provider = wsd_catalog_entries[WSD_CATALOG_SAN][0].ProviderId;
	}
}

void wsd_catalog_want_removed(struct wsd_catalog_state *state)
{
	unsigned i, from, to;

	for (i = 0; i < state->catalogs; i++) {
		struct wsd_catalog_list *list = &state->lists[i];

		for (from = 0, to = 0; from < list->count; from++)
			if (!is_ours(&list->entries[from]))
				list->entries[to++] = list->entries[from];
		list->count = to;
		state->files[i] = WSD_FILE_NONE;
	}
	if (state->switch_found == WSD_SWITCH_OTHER)
		return;
	state->switch_found = WSD_SWITCH_NONE;
	memset(&state->switch_provider, 0, sizeof(state->switch_provider));
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * catalog_change.c - makes a state true, verified by reading it back, or else the one before.
 *
 * A provider's entries change as a whole: removed where they are, installed (in every catalogue: Windows
 * offers nothing else), and removed again where they are not wanted. The order comes after them, because a new
 * entry stands at the end. Files are put before entries and dropped behind them: programs start at any time.
 */
#include "spi_shim/wsdctl/catalog_state.h"

#include <string.h>

struct change {
	const struct wsd_catalog_api *api;
	const struct wsd_catalog_state *wanted;
	struct wsd_catalog_state *now;
	struct wsd_catalog_failure *failure;
};

static bool done(struct change *change, const char *what, int code)
{
	if (code != 0 && change->failure->what == NULL)
		*change->failure = (struct wsd_catalog_failure){ what, code };
	return code == 0;
}

/* The n-th entry of a provider, or NULL. */
static const struct wsd_catalog_entry *entry_of(const struct wsd_catalog_list *list,
						enum wsd_catalog_provider provider, unsigned n)
{
	unsigned i;

	for (i = 0; i < list->count; i++)
		if (wsd_catalog_owner(&list->entries[i].info) == provider && n-- == 0)
			return &list->entries[i];
	return NULL;
}

static bool same_provider(const struct wsd_catalog_list *a, const struct wsd_catalog_list *b,
			  enum wsd_catalog_provider provider)
{
	const struct wsd_catalog_entry *x, *y;
	unsigned i = 0;

	do {
		x = entry_of(a, provider, i);
		y = entry_of(b, provider, i++);
		if (x == NULL || y == NULL)
			return x == y;
	} while (wsd_catalog_same(x, y));
	return false;
}

/* The catalogue that has the provider, in the state that is wanted; -1: none. */
static int source_of(const struct wsd_catalog_state *wanted, enum wsd_catalog_provider provider)
{
	for (unsigned i = 0; i < wanted->catalogs; i++)
		if (entry_of(&wanted->lists[i], provider, 0) != NULL)
			return (int)i;
	return -1;
}

static bool remove_from(struct change *change, unsigned catalog, const GUID *guid)
{
	const struct wsd_catalog_api *api = change->api;

	return done(change, "removing the provider", api->remove(api->self, catalog, guid));
}

static bool reach_provider(struct change *change, enum wsd_catalog_provider provider)
{
	const struct wsd_catalog_api *api = change->api;
	const GUID *guid = &wsd_catalog_entries[provider][0].ProviderId;
	int source = source_of(change->wanted, provider);
	WSAPROTOCOL_INFOW infos[WSD_CATALOG_MAX];
	const struct wsd_catalog_entry *entry;
	unsigned i, count = 0;
	bool same = true;

	for (i = 0; i < api->catalogs; i++)
		same = same &&
		       same_provider(&change->now->lists[i], &change->wanted->lists[i], provider);
	if (same)
		return true;
	for (i = 0; i < api->catalogs; i++)
		if (entry_of(&change->now->lists[i], provider, 0) != NULL &&
		    !remove_from(change, i, guid))
			return false;
	if (source < 0)
		return true;
	while ((entry = entry_of(&change->wanted->lists[source], provider, count)) != NULL)
		infos[count++] = entry->info;
	entry = entry_of(&change->wanted->lists[source], provider, 0);
	if (!done(change, "installing the provider",
		  api->install(api->self, guid, entry->path, infos, count)))
		return false;
	for (i = 0; i < api->catalogs; i++)
		if (entry_of(&change->wanted->lists[i], provider, 0) == NULL &&
		    !remove_from(change, i, guid))
			return false;
	return true;
}

static bool reach_order(struct change *change, unsigned catalog)
{
	const struct wsd_catalog_list *now = &change->now->lists[catalog];
	const struct wsd_catalog_list *wanted = &change->wanted->lists[catalog];
	unsigned seen[WSD_CATALOG_PROVIDERS] = { 0 }, i;
	DWORD ids[WSD_CATALOG_MAX];
	bool same = now->count == wanted->count;

	for (i = 0; i < wanted->count; i++) {
		enum wsd_catalog_provider owner = wsd_catalog_owner(&wanted->entries[i].info);
		const struct wsd_catalog_entry *entry = &wanted->entries[i];

		if (owner != WSD_CATALOG_PROVIDERS)
			entry = entry_of(now, owner, seen[owner]++);
		if (entry == NULL)
			return true; /* it is not there: found when everything is read back */
		ids[i] = entry->info.dwCatalogEntryId;
		same = same && now->entries[i].info.dwCatalogEntryId == ids[i];
	}
	return same || done(change, "writing the order",
			    change->api->order(change->api->self, catalog, ids, wanted->count));
}

static bool reach_switch(struct change *change)
{
	const struct wsd_catalog_api *api = change->api;
	const struct wsd_catalog_state *now = change->now, *wanted = change->wanted;

	if (now->switch_found == WSD_SWITCH_OTHER || wanted->switch_found == WSD_SWITCH_OTHER)
		return true; /* left alone */
	if (wanted->switch_found == WSD_SWITCH_NONE)
		return now->switch_found == WSD_SWITCH_NONE ||
		       done(change, "deleting the value for switches",
			    api->switch_delete(api->self));
	if (now->switch_found == WSD_SWITCH_ID &&
	    memcmp(&now->switch_provider, &wanted->switch_provider, sizeof(GUID)) == 0)
		return true;
	return done(change, "writing the value for switches",
		    api->switch_set(api->self, &wanted->switch_provider));
}

/* --- files: whatever fails, no entry is in a catalogue whose programs do not find its DLL --- */

static bool look_again(struct change *change)
{
	return wsd_catalog_read(change->api, change->now, change->failure);
}

static bool has_ours(const struct wsd_catalog_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		if (wsd_catalog_owner(&list->entries[i].info) != WSD_CATALOG_PROVIDERS)
			return true;
	return false;
}

static bool wants_any(const struct change *change)
{
	for (unsigned i = 0; i < change->api->catalogs; i++)
		if (has_ours(&change->wanted->lists[i]))
			return true;
	return false;
}

/* What is wanted with its DLL may be entered: into every catalogue, if only to be removed again from this one. */
static bool may_enter(const struct change *change, unsigned i)
{
	return !wants_any(change) || change->wanted->files[i] == WSD_FILE_NONE ||
	       change->now->files[i] != WSD_FILE_NONE;
}

/* The DLL may go: nobody is led to it, or it was not there before either. */
static bool may_leave(const struct change *change, unsigned i)
{
	return !has_ours(&change->now->lists[i]) || has_ours(&change->wanted->lists[i]);
}

static bool each_catalog(const struct change *change,
			 bool (*holds)(const struct change *change, unsigned i))
{
	for (unsigned i = 0; i < change->api->catalogs; i++)
		if (!holds(change, i))
			return false;
	return true;
}

static bool put_files(struct change *change)
{
	const struct wsd_catalog_api *api = change->api;

	for (unsigned i = 0; i < api->catalogs; i++)
		if (change->wanted->files[i] == WSD_FILE_SAME &&
		    change->now->files[i] != WSD_FILE_SAME &&
		    !done(change, "copying the DLL", api->file_put(api->self, i)))
			return false;
	return look_again(change) && each_catalog(change, may_enter);
}

static bool drop_files(struct change *change)
{
	const struct wsd_catalog_api *api = change->api;

	if (!look_again(change) || !each_catalog(change, may_leave))
		return false;
	for (unsigned i = 0; i < api->catalogs; i++)
		if (change->wanted->files[i] == WSD_FILE_NONE &&
		    change->now->files[i] != WSD_FILE_NONE &&
		    !done(change, "removing the DLL", api->file_drop(api->self, i)))
			return false;
	return true;
}

/* The way back: whatever was dropped since, or whatever was put. */
static void undo_files(struct change *change, bool dropped)
{
	const struct wsd_catalog_api *api = change->api;

	for (unsigned i = 0; i < api->catalogs; i++)
		if (change->now->files[i] != change->wanted->files[i] &&
		    (change->now->files[i] == WSD_FILE_NONE) == dropped &&
		    (dropped || may_leave(change, i)))
			(void)done(change, "putting the DLL back", api->file_undo(api->self, i));
}

/* --- all of it --- */

static bool reach_providers(struct change *change)
{
	bool whole = true;

	for (unsigned i = 0; i < WSD_CATALOG_PROVIDERS; i++)
		whole = reach_provider(change, (enum wsd_catalog_provider)i) && whole;
	return look_again(change) && whole;
}

/* Of what is there then. */
static bool reach_orders(struct change *change)
{
	bool whole = true;

	for (unsigned i = 0; i < change->api->catalogs; i++)
		whole = reach_order(change, i) && whole;
	return whole;
}

/* Programs that choose nothing keep their network; found out while they do not land on us yet. */
static bool may_come_first(struct change *change)
{
	const struct wsd_catalog_api *api = change->api;

	for (unsigned i = 0; i < api->catalogs; i++)
		if (wsd_catalog_comes_first(&change->wanted->lists[i]) &&
		    !done(change,
			  "reaching a peer without OpenWSD, which must work before it comes first",
			  api->try_plain_tcp(api->self, i)))
			return false;
	return true;
}

static bool go(struct change *change)
{
	return put_files(change) && reach_providers(change) && may_come_first(change) &&
	       reach_orders(change) && reach_switch(change) && drop_files(change);
}

/* Everything that can be brought back is, whatever fails on the way. */
static bool go_back(struct change *change, const struct wsd_catalog_state *before)
{
	struct wsd_catalog_failure ignored = { 0 };

	change->wanted = before;
	change->failure = &ignored;
	if (!look_again(change))
		return false;
	undo_files(change, true);
	(void)reach_switch(change);
	if (look_again(change) && each_catalog(change, may_enter))
		(void)(reach_providers(change) && reach_orders(change));
	if (look_again(change))
		undo_files(change, false);
	return look_again(change) && wsd_catalog_equal(change->now, before);
}

bool wsd_catalog_change(const struct wsd_catalog_api *api, const struct wsd_catalog_state *before,
			const struct wsd_catalog_state *wanted, struct wsd_catalog_state *after,
			struct wsd_catalog_failure *failure, bool *restored)
{
	struct change change = { api, wanted, after, failure };
	unsigned i;

	*failure = (struct wsd_catalog_failure){ 0 };
	*restored = false;
	*after = *before;
	if (go(&change) && look_again(&change) && wsd_catalog_equal(after, wanted)) {
		for (i = 0; i < api->catalogs; i++)
			api->file_settle(api->self, i);
		return true;
	}
	if (failure->what == NULL)
		failure->what = "the system took every call, and has not what was asked for";
	*restored = go_back(&change, before);
	return false;
}

// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/catalog_fake.h"

#include <string.h>

#define FAILURE FAKE_ERROR

enum turn { WORKS, REFUSES, WORKS_THEN_FAILS, WORKS_HALF, DOES_NOTHING };

const char *const fake_calls[FAKE_CALLS] = {
	"enumerate",  "path",	       "install",    "remove_provider", "order",    "switch_get",
	"switch_set", "switch_delete", "file_state", "file_packaged",	"file_put", "file_drop",
	"file_undo",  "service",       "load",	     "try_plain_tcp",
};
unsigned fake_failed[FAKE_CALLS];

static bool is(const char *call, const char *name)
{
	return name != NULL && strcmp(call, name) == 0;
}

/* call: __func__ of one of these. */
static enum turn next_turn(struct fake_system *system, bool changes, const char *call)
{
	static const enum turn turns[FAKE_FAILURES] = {
		[FAKE_BEFORE] = REFUSES,
		[FAKE_AFTER] = WORKS_THEN_FAILS,
		[FAKE_HALF] = WORKS_HALF,
		[FAKE_LIES] = DOES_NOTHING,
	};
	unsigned n = ++system->calls;
	bool fails = system->fail_at != 0 &&
		     (n == system->fail_at ||
		      (n > system->fail_at && (system->fail_on || is(call, system->fail_then))));

	if (changes)
		system->changes++;
	if (changes && system->on_change != NULL)
		system->on_change();
	if (!fails)
		return WORKS;
	system->failed = call;
	for (unsigned i = 0; i < FAKE_CALLS; i++)
		fake_failed[i] += is(call, fake_calls[i]);
	return changes ? turns[system->how] : REFUSES;
}

/* What each call that changes something ends with. */
static int result_of(struct fake_system *system, enum turn turn)
{
	unsigned c, p;

	for (c = 0; c < system->catalogs; c++) {
		if (wsd_catalog_comes_first(&system->lists[c]) && !system->tried[c])
			system->untried = true;
		for (p = 0; p < WSD_CATALOG_PROVIDERS; p++)
			if (system->files[c] == WSD_FILE_NONE &&
			    wsd_catalog_count(&system->lists[c], (enum wsd_catalog_provider)p) > 0)
				system->homeless = true;
	}
	return turn == WORKS || turn == DOES_NOTHING ? 0 : FAILURE;
}

static bool does_work(enum turn turn)
{
	return turn == WORKS || turn == WORKS_THEN_FAILS || turn == WORKS_HALF;
}

static bool may_change(void *self)
{
	return ((struct fake_system *)self)->administrator;
}

static int enumerate(void *self, unsigned catalog, WSAPROTOCOL_INFOW *list, unsigned room,
		     unsigned *count)
{
	struct fake_system *system = self;
	unsigned i;

	if (next_turn(system, false, __func__) != WORKS || system->lists[catalog].count > room)
		return FAILURE;
	*count = system->lists[catalog].count;
	for (i = 0; i < *count; i++)
		list[i] = system->lists[catalog].entries[i].info;
	return 0;
}

static bool has(const struct wsd_catalog_entry *entry, const GUID *provider)
{
	return memcmp(&entry->info.ProviderId, provider, sizeof(*provider)) == 0;
}

static int path(void *self, unsigned catalog, const GUID *provider, WCHAR out[WSD_CATALOG_PATH])
{
	struct fake_system *system = self;
	struct wsd_catalog_list *list = &system->lists[catalog];

	if (next_turn(system, false, __func__) != WORKS)
		return FAILURE;
	for (unsigned i = 0; i < list->count; i++) {
		if (!has(&list->entries[i], provider))
			continue;
		memcpy(out, list->entries[i].path, sizeof(list->entries[i].path));
		return 0;
	}
	return WSAEINVAL;
}

static int install(void *self, const GUID *provider, const WCHAR *dll,
		   const WSAPROTOCOL_INFOW *entries, unsigned count)
{
	struct fake_system *system = self;
	enum turn turn = next_turn(system, true, __func__);
	unsigned catalogs = turn == WORKS_HALF ? 1 : system->catalogs, c, i, n;

	for (c = 0; c < system->catalogs; c++)
		for (i = 0; i < system->lists[c].count; i++)
			if (has(&system->lists[c].entries[i], provider)) {
				system->twice++;
				return WSANO_RECOVERY;
			}
	if (!does_work(turn))
		return result_of(system, turn);
	for (c = 0; c < catalogs; c++) {
		for (i = 0; i < count; i++) {
			struct wsd_catalog_entry *entry =
				&system->lists[c].entries[system->lists[c].count++];

			memset(entry, 0, sizeof(*entry));
			entry->info = entries[i];
			entry->info.dwCatalogEntryId = system->next_id++;
			for (n = 0; dll[n] != 0; n++)
				entry->path[n] = dll[n];
		}
	}
	return result_of(system, turn);
}

static int remove_provider(void *self, unsigned catalog, const GUID *provider)
{
	struct fake_system *system = self;
	struct wsd_catalog_list *list = &system->lists[catalog];
	enum turn turn = next_turn(system, true, __func__);
	unsigned from, to = 0, removed = 0;

	for (from = 0; does_work(turn) && from < list->count; from++) {
		if (has(&list->entries[from], provider) && (turn != WORKS_HALF || removed == 0))
			removed++;
		else
			list->entries[to++] = list->entries[from];
	}
	if (does_work(turn))
		list->count = to;
	return result_of(system, turn);
}

static int order(void *self, unsigned catalog, const DWORD *ids, unsigned count)
{
	struct fake_system *system = self;
	struct wsd_catalog_list *list = &system->lists[catalog];
	struct wsd_catalog_list old = *list;
	enum turn turn = next_turn(system, true, __func__);
	unsigned i, j;

	if (count != list->count)
		return WSAEINVAL;
	for (i = 0; does_work(turn) && i < (turn == WORKS_HALF ? 1 : count); i++) {
		for (j = 0; j < count && old.entries[j].info.dwCatalogEntryId != ids[i]; j++)
			;
		if (j == count)
			return WSAEINVAL;
		if (turn == WORKS_HALF) { /* two have changed places */
			list->entries[0] = old.entries[j];
			list->entries[j] = old.entries[0];
		} else {
			list->entries[i] = old.entries[j];
		}
	}
	return result_of(system, turn);
}

static int switch_get(void *self, enum wsd_catalog_switch *found, GUID *provider)
{
	struct fake_system *system = self;

	if (next_turn(system, false, __func__) != WORKS)
		return FAILURE;
	*found = system->switch_found;
	*provider = system->switch_provider;
	return 0;
}

static int switch_set(void *self, const GUID *provider)
{
	struct fake_system *system = self;
	enum turn turn = next_turn(system, true, __func__);

	if (does_work(turn)) {
		system->switch_found = WSD_SWITCH_ID;
		system->switch_provider = *provider;
	}
	return result_of(system, turn);
}

static int switch_delete(void *self)
{
	struct fake_system *system = self;
	enum turn turn = next_turn(system, true, __func__);

	if (does_work(turn)) {
		system->switch_found = WSD_SWITCH_NONE;
		memset(&system->switch_provider, 0, sizeof(system->switch_provider));
	}
	return result_of(system, turn);
}

static int file_state(void *self, unsigned catalog, enum wsd_catalog_file *state)
{
	struct fake_system *system = self;

	if (next_turn(system, false, __func__) != WORKS)
		return FAILURE;
	*state = system->files[catalog];
	return 0;
}

static int replace_file(struct fake_system *system, unsigned catalog, enum wsd_catalog_file by,
			const char *call)
{
	enum turn turn = next_turn(system, true, call);

	if (does_work(turn)) {
		system->kept[catalog] = system->files[catalog];
		system->is_kept[catalog] = true;
		system->files[catalog] = by;
	}
	return result_of(system, turn);
}

static int file_packaged(void *self, unsigned catalog)
{
	struct fake_system *system = self;

	if (next_turn(system, false, __func__) != WORKS)
		return FAILURE;
	return system->unpackaged[catalog] ? ERROR_FILE_NOT_FOUND : 0;
}

static int file_put(void *self, unsigned catalog)
{
	return replace_file(self, catalog, WSD_FILE_SAME, __func__);
}

static int file_drop(void *self, unsigned catalog)
{
	return replace_file(self, catalog, WSD_FILE_NONE, __func__);
}

static int file_undo(void *self, unsigned catalog)
{
	struct fake_system *system = self;
	enum turn turn = next_turn(system, true, __func__);

	if (does_work(turn) && system->is_kept[catalog]) {
		system->files[catalog] = system->kept[catalog];
		system->is_kept[catalog] = false;
	}
	return result_of(system, turn);
}

static void file_settle(void *self, unsigned catalog)
{
	((struct fake_system *)self)->is_kept[catalog] = false;
}

static int service(void *self, enum wsd_catalog_service *state)
{
	struct fake_system *system = self;

	if (next_turn(system, false, __func__) != WORKS)
		return FAILURE;
	*state = system->service;
	return 0;
}

static int load(void *self)
{
	struct fake_system *system = self;

	return next_turn(system, false, __func__) == WORKS && system->files[0] == WSD_FILE_SAME
		       ? 0
		       : FAILURE;
}

/* Only with its entries and its DLL it can be tried. */
static int try_plain_tcp(void *self, unsigned catalog)
{
	struct fake_system *system = self;

	if (next_turn(system, false, __func__) != WORKS || system->no_plain[catalog] ||
	    system->files[catalog] == WSD_FILE_NONE ||
	    wsd_catalog_count(&system->lists[catalog], WSD_CATALOG_STREAM) != WSD_CATALOG_ENTRIES)
		return FAILURE;
	system->tried[catalog] = true;
	return 0;
}

void fake_init(struct fake_system *system, struct wsd_catalog_api *api)
{
	memset(system, 0, sizeof(*system));
	*api = (struct wsd_catalog_api){
		.self = system,
		.catalogs = 2,
		.names = { "64-bit", "32-bit" },
		.may_change = may_change,
		.enumerate = enumerate,
		.path = path,
		.install = install,
		.remove = remove_provider,
		.order = order,
		.switch_get = switch_get,
		.switch_set = switch_set,
		.switch_delete = switch_delete,
		.file_state = file_state,
		.file_packaged = file_packaged,
		.file_put = file_put,
		.file_drop = file_drop,
		.file_undo = file_undo,
		.file_settle = file_settle,
		.service = service,
		.load = load,
		.try_plain_tcp = try_plain_tcp,
	};
	system->catalogs = 2;
	system->administrator = true;
	system->service = WSD_SERVICE_RUNNING;
	system->next_id = 1001;
	for (unsigned c = 0; c < 2; c++) {
		for (unsigned i = 0; i < 5; i++) {
			struct wsd_catalog_entry *entry = &system->lists[c].entries[i];

			entry->info.dwCatalogEntryId = system->next_id++;
			entry->info.ProviderId.Data1 = 0xE70F1AA0 + i;
			entry->info.iAddressFamily = i % 2 == 0 ? AF_INET : AF_INET6;
			entry->info.iSocketType = i < 2 ? SOCK_STREAM : SOCK_DGRAM;
			entry->info.iProtocol = i < 2 ? IPPROTO_TCP : IPPROTO_UDP;
			entry->info.ProtocolChain.ChainLen = BASE_PROTOCOL;
			entry->info.dwServiceFlags1 = XP1_IFS_HANDLES;
			entry->info.szProtocol[0] = (WCHAR)('a' + i);
			entry->path[0] = (WCHAR)('A' + i);
		}
		system->lists[c].count = 5;
	}
}

// SPDX-License-Identifier: BSD-2-Clause
/* catalog_commands.c - what the commands say and when they refuse. */
#include "spi_shim/wsdctl/catalog_commands.h"

#include <stdlib.h>
#include <string.h>

#include "spi_shim/wsdctl/catalog_record.h"
#include "spi_shim/wsdctl/catalog_save.h"
#include "spi_shim/wsdctl/wsdctl.h"

struct states {
	struct wsd_catalog_state before, wanted, after;
};

static int complain(const struct wsd_catalog_run *run, const struct wsd_catalog_failure *failure)
{
	if (failure->code != 0)
		fprintf(run->err, "wsdctl: %s: error %d%s\n", failure->what, failure->code,
			failure->code == WSANO_RECOVERY
				? " (refused by the catalogue: are you an administrator?)"
				: "");
	else
		fprintf(run->err, "wsdctl: %s\n", failure->what);
	return WSDCTL_FAILED;
}

static void print_entry(FILE *out, unsigned position, const struct wsd_catalog_entry *entry)
{
	char name[4 * WSD_CATALOG_PATH], path[4 * WSD_CATALOG_PATH];

	wsd_narrow_text(entry->info.szProtocol, name, sizeof(name));
	wsd_narrow_text(entry->path, path, sizeof(path));
	fprintf(out, "    %2u. %-5lu %-32s %s%s\n", position + 1,
		(unsigned long)entry->info.dwCatalogEntryId, name, path,
		(entry->info.dwProviderFlags & PFL_HIDDEN) != 0 ? " (hidden)" : "");
}

/* Said of what is not looked at, so that nobody takes it for clean. */
static void print_unhandled(const struct wsd_catalog_run *run)
{
	if (run->api->unhandled != NULL)
		fprintf(run->out,
			"  catalogue of %s programs: not handled, this Windows lacks the functions for it; "
			"only that of %s programs is\n",
			run->api->unhandled, run->api->names[0]);
}

static void print_ours(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state)
{
	static const char *const values[] = {
		[WSD_SWITCH_NONE] = "none",
		[WSD_SWITCH_ID] = "there",
		[WSD_SWITCH_OTHER] = "no id of a provider: not of OpenWSD, and left alone",
	};

	for (unsigned i = 0; i < state->catalogs; i++) {
		const struct wsd_catalog_list *list = &state->lists[i];
		unsigned ours = 0, j;

		fprintf(run->out, "  catalogue of %s programs, %u entries\n", run->api->names[i],
			list->count);
		for (j = 0; j < list->count; j++) {
			if (wsd_catalog_owner(&list->entries[j].info) == WSD_CATALOG_PROVIDERS)
				continue;
			print_entry(run->out, j, &list->entries[j]);
			ours++;
		}
		if (ours == 0)
			fprintf(run->out, "    none of OpenWSD\n");
	}
	print_unhandled(run);
	fprintf(run->out, "  value for switches (TCP on SAN): %s\n", values[state->switch_found]);
}

/* False with a message: the record is asked for and cannot be had. */
static bool write_record(const struct wsd_catalog_run *run, const char *command, const char *result,
			 bool changed, const struct states *states)
{
	struct wsd_catalog_record record = {
		command,	 result,	  changed,	  run->dry_run,
		run->api->names, &states->before, &states->after,
	};
	char *text;
	bool saved;

	if (run->record == NULL)
		return true;
	text = wsd_catalog_record_text(&record);
	saved = text != NULL && wsd_catalog_save(run->record, text);
	free(text);
	if (!saved)
		fprintf(run->err, "wsdctl: cannot write the record %s\n", run->record);
	return saved;
}

/* Copies that a run left which was killed. */
static void tidy(const struct wsd_catalog_run *run)
{
	const struct wsd_catalog_api *api = run->api;

	if (run->dry_run || !api->may_change(api->self))
		return;
	for (unsigned i = 0; i < api->catalogs; i++)
		api->file_settle(api->self, i);
}

/* Every change goes this way: say it, record it, do it, record how it went. */
static int change(const struct wsd_catalog_run *run, const char *command, struct states *states)
{
	struct wsd_catalog_failure failure = { 0 };
	bool restored = false;

	states->after = states->before;
	if (wsd_catalog_equal(&states->before, &states->wanted)) {
		fprintf(run->out, "nothing to do: it is as it should be\n");
		print_ours(run, &states->before);
		tidy(run);
		return write_record(run, command, "nothing to do", false, states) ? WSDCTL_OK
										  : WSDCTL_FAILED;
	}
	if (run->dry_run) {
		fprintf(run->out, "would change it to:\n");
		print_ours(run, &states->wanted);
		states->after = states->wanted;
		return write_record(run, command, "dry run", false, states) ? WSDCTL_OK
									    : WSDCTL_FAILED;
	}
	if (!run->api->may_change(run->api->self)) {
		fprintf(run->err,
			"wsdctl: %s needs the rights of an administrator: nothing was changed\n",
			command);
		return WSDCTL_FAILED;
	}
	/* Before anything changes: whoever has to repair by hand needs it. */
	if (!write_record(run, command, "begun", false, states))
		return WSDCTL_FAILED;
	if (wsd_catalog_change(run->api, &states->before, &states->wanted, &states->after, &failure,
			       &restored)) {
		fprintf(run->out, "%sed:\n", command);
		print_ours(run, &states->after);
		return write_record(run, command, "done", true, states) ? WSDCTL_OK : WSDCTL_FAILED;
	}
	complain(run, &failure);
	fprintf(run->err, restored ? "wsdctl: everything is as it was before\n"
				   : "wsdctl: and the state before could not be brought back: "
				     "compare `wsdctl status` with the record\n");
	write_record(run, command, restored ? "failed, as before" : "failed, not restored",
		     !restored, states);
	return WSDCTL_FAILED;
}

static struct states *read_states(const struct wsd_catalog_run *run)
{
	struct wsd_catalog_failure failure = { 0 };
	struct states *states = malloc(sizeof(*states));

	if (states == NULL)
		fprintf(run->err, "wsdctl: no memory\n");
	else if (!wsd_catalog_read(run->api, &states->before, &failure))
		complain(run, &failure);
	else
		return states;
	free(states);
	return NULL;
}

/* --- what handles that are no IFS handles need --- */

/* mark: what stands before a line that tells of something bad. */
static bool check_service(const struct wsd_catalog_run *run, FILE *out, const char *if_good,
			  const char *mark)
{
	static const char *const advice[] = {
		[WSD_SERVICE_MISSING] =
			"the service ws2ifsl is not there: sockets of OpenWSD cannot be opened; "
			"repair Windows (sfc /scannow)",
		[WSD_SERVICE_DISABLED] =
			"the service ws2ifsl is disabled: run "
			"`sc.exe config ws2ifsl start= system` and start Windows again",
		[WSD_SERVICE_STOPPED] =
			"the service ws2ifsl does not run: run `sc.exe start ws2ifsl`; for "
			"every start of Windows `sc.exe config ws2ifsl start= system`",
		[WSD_SERVICE_ONCE] =
			"the service ws2ifsl runs, but not after the next start of Windows: run "
			"`sc.exe config ws2ifsl start= system`",
	};
	enum wsd_catalog_service state = WSD_SERVICE_MISSING;
	int code = run->api->service(run->api->self, &state);

	if (code != 0)
		fprintf(out, "%sasking for the service ws2ifsl: error %d\n", mark, code);
	else if (state != WSD_SERVICE_RUNNING)
		fprintf(out, "%s%s\n", mark, advice[state]);
	else
		fputs(if_good, out);
	return code == 0 && state == WSD_SERVICE_RUNNING;
}

/* Programs that land on it must find a base provider for each kind of socket that it then has. */
static bool check_bases(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state)
{
	for (unsigned i = 0; i < state->catalogs; i++) {
		for (unsigned e = 0; e < WSD_CATALOG_ENTRIES; e++) {
			int family = wsd_catalog_entries[WSD_CATALOG_STREAM][e].iAddressFamily;

			if (wsd_catalog_has_base(&state->lists[i], family))
				continue;
			fprintf(run->err,
				"the catalogue of %s programs has no base provider of TCP over %s, "
				"through which OpenWSD would reach peers without it\n",
				run->api->names[i], family == AF_INET ? "IPv4" : "IPv6");
			return false;
		}
	}
	return true;
}

static bool may_prefer(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state)
{
	if (check_service(run, run->err, "", "") && check_bases(run, state))
		return true;
	fputs("wsdctl: --prefer is refused, and nothing was changed: programs that choose nothing "
	      "would lose their TCP. Install without --prefer, see to what is said above, then "
	      "again\n",
	      run->err);
	return false;
}

static bool may_serve_switch(const struct wsd_catalog_run *run,
			     const struct wsd_catalog_state *state)
{
	if (state->switch_found != WSD_SWITCH_OTHER)
		return true;
	fputs("wsdctl: --switch is refused, and nothing was changed: the value OpenWSD below TCP on "
	      "SAN is no id of a provider. Somebody else wrote it: delete it if it is not needed\n",
	      run->err);
	return false;
}

/* What will be copied is there: seen before anything changes, and by a dry run, too. */
static bool check_package(const struct wsd_catalog_run *run, const struct states *states)
{
	for (unsigned i = 0; i < states->before.catalogs; i++) {
		int code = 0;

		if (states->wanted.files[i] == WSD_FILE_SAME &&
		    states->before.files[i] != WSD_FILE_SAME)
			code = run->api->file_packaged(run->api->self, i);
		if (code == 0)
			continue;
		fprintf(run->err,
			"wsdctl: nothing was changed: the package is not whole, %s beside wsdctl.exe: error %d\n",
			run->api->packaged[i], code);
		return false;
	}
	return true;
}

int wsd_catalog_install(const struct wsd_catalog_run *run,
			const struct wsd_catalog_options *options)
{
	struct states *states;
	int status;

	states = read_states(run);
	if (states == NULL)
		return WSDCTL_FAILED;
	states->wanted = states->before;
	wsd_catalog_want_installed(&states->wanted, options);
	status = check_package(run, states) &&
				 (!options->prefer || may_prefer(run, &states->before)) &&
				 (!options->for_switch || may_serve_switch(run, &states->before))
			 ? change(run, "install", states)
			 : WSDCTL_FAILED;
	free(states);
	if (status == WSDCTL_OK) {
		(void)check_service(run, run->err, "", "");
		if (!run->dry_run)
			fprintf(run->out, "programs that start from now on see it\n");
	}
	return status;
}

int wsd_catalog_uninstall(const struct wsd_catalog_run *run)
{
	struct states *states = read_states(run);
	int status;

	if (states == NULL)
		return WSDCTL_FAILED;
	states->wanted = states->before;
	wsd_catalog_want_removed(&states->wanted);
	status = change(run, "uninstall", states);
	free(states);
	return status;
}

static bool is_installed(const struct wsd_catalog_state *state, unsigned i)
{
	return wsd_catalog_count(&state->lists[i], WSD_CATALOG_STREAM) == WSD_CATALOG_ENTRIES &&
	       state->files[i] != WSD_FILE_NONE;
}

/* Entries that lead to no DLL: worse than none. */
static void print_missing(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state)
{
	for (unsigned i = 0; i < state->catalogs; i++)
		if (wsd_catalog_count(&state->lists[i], WSD_CATALOG_STREAM) > 0 &&
		    state->files[i] == WSD_FILE_NONE)
			fprintf(run->out,
				"  openwsd.dll of %s programs is not there: run `wsdctl install` from an "
				"unpacked package\n",
				run->api->names[i]);
}

int wsd_catalog_status(const struct wsd_catalog_run *run)
{
	struct states *states = read_states(run);
	bool installed = true, recorded;

	if (states == NULL)
		return WSDCTL_FAILED;
	for (unsigned i = 0; i < states->before.catalogs; i++)
		installed = installed && is_installed(&states->before, i);
	fprintf(run->out, "OpenWSD is %s\n",
		installed ? "installed" : "not installed, or not whole");
	print_missing(run, &states->before);
	print_ours(run, &states->before);
	states->after = states->before;
	recorded = write_record(run, "status", installed ? "installed" : "not installed", false,
				states);
	free(states);
	return installed && recorded ? WSDCTL_OK : WSDCTL_FAILED;
}

/* --- doctor --- */

static bool check(const struct wsd_catalog_run *run, bool good, const char *what,
		  const char *advice)
{
	fprintf(run->out, "%-4s %s%s%s\n", good ? "ok" : "BAD", what, good ? "" : ": ",
		good ? "" : advice);
	return good;
}

static bool check_catalog(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state,
			  const struct wsd_catalog_state *wanted, unsigned i)
{
	const struct wsd_catalog_list *list = &state->lists[i];
	unsigned count = wsd_catalog_count(list, WSD_CATALOG_STREAM);
	struct wsd_catalog_state one = *state;
	char what[96];
	bool good;

	snprintf(what, sizeof(what), "entries of %s programs", run->api->names[i]);
	one.lists[i] = wanted->lists[i];
	good = check(run, count == WSD_CATALOG_ENTRIES && wsd_catalog_equal(&one, state), what,
		     count == 0 ? "none: run `wsdctl install`"
				: "not those of this version: run `wsdctl install`");
	snprintf(what, sizeof(what), "openwsd.dll of %s programs", run->api->names[i]);
	return check(run, state->files[i] == WSD_FILE_SAME, what,
		     state->files[i] == WSD_FILE_NONE
			     ? "not there: run `wsdctl install`"
			     : "not that of this package: run `wsdctl install`") &&
	       good;
}

static bool check_switch(const struct wsd_catalog_run *run, const struct wsd_catalog_state *state)
{
	unsigned count = wsd_catalog_count(&state->lists[0], WSD_CATALOG_SAN);
	const GUID *guid = &wsd_catalog_entries[WSD_CATALOG_SAN][0].ProviderId;
	bool ours = state->switch_found == WSD_SWITCH_ID &&
		    memcmp(&state->switch_provider, guid, sizeof(*guid)) == 0;

	if (state->switch_found == WSD_SWITCH_OTHER)
		fputs("     the value for switches is no id of a provider: not of OpenWSD, and left alone\n",
		      run->out);

	return check(run, (count > 0) == ours, "value for switches",
		     "it and the hidden entries do not match: run `wsdctl install --switch`, or "
		     "`wsdctl uninstall`");
}

int wsd_catalog_doctor(const struct wsd_catalog_run *run)
{
	static const struct wsd_catalog_options as_it_is = { false, false };
	struct states *states = read_states(run);
	bool good = true;
	int code;

	if (states == NULL)
		return WSDCTL_FAILED;
	states->wanted = states->before;
	wsd_catalog_want_installed(&states->wanted, &as_it_is);
	for (unsigned i = 0; i < states->before.catalogs; i++)
		good = check_catalog(run, &states->before, &states->wanted, i) && good;
	print_unhandled(run);
	good = check_switch(run, &states->before) && good;
	code = run->api->load(run->api->self);
	good = check(run, code == 0, "openwsd.dll can be loaded",
		     "it is damaged or not there: run `wsdctl install` from an unpacked package") &&
	       good;
	good = check_service(run, run->out, "ok   service ws2ifsl: runs\n", "BAD  ") && good;
	fprintf(run->out, "     changes need an administrator; you are %s\n",
		run->api->may_change(run->api->self) ? "one" : "none");
	free(states);
	return good ? WSDCTL_OK : WSDCTL_FAILED;
}

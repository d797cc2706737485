// SPDX-License-Identifier: BSD-2-Clause
/*
 * sockets.c - `wsdctl sockets`: the sockets of all processes of this user, the path of each, and why it is no
 * better one.
 */
#include <inttypes.h>
#include <jansson.h>
#include <popt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "provider/winsock/roster.h"
#include "provider/winsock/socket.h"
#include "rdma_backend/base/base.h"
#include "spi_shim/wsdctl/wsdctl.h"

#define SECOND 1000000000u

static const char *const states[WSD_SOCK_STATES] = {
	[WSD_SOCK_NEW] = "new",
	[WSD_SOCK_BOUND] = "bound",
	[WSD_SOCK_LISTENING] = "listening",
	[WSD_SOCK_CONNECTING] = "connecting",
	[WSD_SOCK_CONNECTED] = "connected",
	[WSD_SOCK_BROKEN] = "broken",
	[WSD_SOCK_CLOSED] = "closing",
};

static const char *const services[WSD_SERVICES] = {
	[WSD_SERVICE_NONE] = "none",
	[WSD_SERVICE_QUALITATIVE] = "qualitative",
	[WSD_SERVICE_BEST_EFFORT] = "best effort",
	[WSD_SERVICE_CONTROLLED_LOAD] = "controlled load",
	[WSD_SERVICE_GUARANTEED] = "guaranteed",
	[WSD_SERVICE_NETWORK_CONTROL] = "network control",
	[WSD_SERVICE_NO_TRAFFIC] = "no traffic",
};

struct listing {
	bool heading;
	unsigned processes, sockets;
	uint64_t unlisted;
	uint64_t reasons[WSD_ROSTER_REASONS];
	json_t *list;
	bool failed; /* no memory */
};

static void note_process(const struct wsd_roster_process *process, void *arg)
{
	struct listing *listing = arg;

	listing->processes++;
	listing->unlisted += process->unlisted;
	for (unsigned i = 0; i < WSD_ROSTER_REASONS; i++)
		listing->reasons[i] += process->reasons[i];
}

static const char *state_of(const struct wsd_roster_entry *entry)
{
	return entry->flags & WSD_ROSTER_AWAY ? "elsewhere" : states[entry->state];
}

static const char *address_of(const struct wsd_addr *addr, char *text)
{
	return addr->family == 0 ? "" : wsd_addr_text(addr, text);
}

static const char *or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

/* --- for people --- */

static void print_number(const char *name, uint32_t value)
{
	if (value != 0)
		printf(" %s %" PRIu32, name, value);
}

static void print_flow(const char *direction, const struct wsd_roster_flow *flow)
{
	printf(" %s %s", direction, services[flow->service]);
	print_number("rate", flow->rate);
	print_number("bucket", flow->bucket);
	print_number("peak", flow->peak);
}

static void print_socket(const struct wsd_roster_process *process,
			 const struct wsd_roster_entry *entry, void *arg)
{
	struct listing *listing = arg;
	char local[WSD_ADDR_TEXT], remote[WSD_ADDR_TEXT];

	if (!listing->heading)
		printf("%7s %-15s %-10s %-13s %-22s %s\n", "pid", "program", "state", "path",
		       "local", "peer");
	listing->heading = true;
	listing->sockets++;
	printf("%7" PRIu32 " %-15s %-10s %-13s %-22s %s\n", process->process,
	       or_dash(process->program), state_of(entry), or_dash(entry->path),
	       or_dash(address_of(&entry->local, local)),
	       or_dash(address_of(&entry->remote, remote)));
	if (entry->mode == WSD_MODE_SAN || entry->device[0] != '\0' || entry->error != 0) {
		printf("        %s", entry->mode == WSD_MODE_SAN ? "mode S" : "mode D");
		if (entry->device[0] != '\0')
			printf(", device %s", entry->device);
		if (entry->error != 0)
			printf(", error %" PRId32, entry->error);
		putchar('\n');
	}
	if (entry->reasons[0] != '\0')
		printf("        why: %s\n", entry->reasons);
	if (entry->out.service == WSD_SERVICE_NONE && entry->in.service == WSD_SERVICE_NONE)
		return;
	printf("        qos:");
	print_flow("sends", &entry->out);
	print_flow("; receives", &entry->in);
	if (entry->reserved != 0)
		printf("; %" PRIu32 " of %" PRIu64 " reserved", entry->reserved, entry->speed);
	putchar('\n');
}

static void print_reasons(const struct listing *listing)
{
	bool any = false;

	for (unsigned i = 0; i < WSD_ROSTER_REASONS; i++) {
		if (listing->reasons[i] == 0)
			continue;
		if (!any)
			printf("\nreasons for a path that was not taken, in the living processes:\n"
			       "%7s %7s reason\n",
			       "times", "number");
		any = true;
		printf("%7" PRIu64 " %7d %s\n", listing->reasons[i], -(int)i,
		       wsd_status_text((enum wsd_status)(-(int)i)));
	}
	if (!any)
		printf("\nno connect had a reason not to take its first path\n");
}

/* --- for programs --- */

static void json_add(struct listing *listing, json_t *list, json_t *object)
{
	if (object == NULL || json_array_append_new(list, object) != 0)
		listing->failed = true;
}

static json_t *json_flow(const struct wsd_roster_flow *flow)
{
	return json_pack("{ss sI sI sI}", "service", services[flow->service], "rate",
			 (json_int_t)flow->rate, "bucket", (json_int_t)flow->bucket, "peak",
			 (json_int_t)flow->peak);
}

static uint64_t age_of(const struct wsd_roster_entry *entry)
{
	uint64_t now = wsd_host_table()->now();

	return now > entry->since ? (now - entry->since) / SECOND : 0;
}

static void json_socket(const struct wsd_roster_process *process,
			const struct wsd_roster_entry *entry, void *arg)
{
	struct listing *listing = arg;
	char local[WSD_ADDR_TEXT], remote[WSD_ADDR_TEXT];

	listing->sockets++;
	json_add(listing, listing->list,
		 json_pack(
			 "{sI ss sI ss ss sI sb ss ss ss ss ss si sI sI so so}", "pid",
			 (json_int_t)process->process, "program", process->program, "handle",
			 (json_int_t)entry->handle, "mode", entry->mode == WSD_MODE_SAN ? "S" : "D",
			 "state", state_of(entry), "seconds", (json_int_t)age_of(entry), "accepted",
			 (entry->flags & WSD_ROSTER_ACCEPTED) != 0, "local",
			 address_of(&entry->local, local), "peer",
			 address_of(&entry->remote, remote), "path", entry->path, "device",
			 entry->device, "reasons", entry->reasons, "error", (int)entry->error,
			 "reserved", (json_int_t)entry->reserved, "speed", (json_int_t)entry->speed,
			 "out", json_flow(&entry->out), "in", json_flow(&entry->in)));
}

static bool print_json(struct listing *listing)
{
	json_t *reasons = json_array(), *all;
	bool printed;

	for (unsigned i = 0; i < WSD_ROSTER_REASONS; i++)
		if (listing->reasons[i] != 0)
			json_add(listing, reasons,
				 json_pack("{si ss sI}", "number", -(int)i, "text",
					   wsd_status_text((enum wsd_status)(-(int)i)), "times",
					   (json_int_t)listing->reasons[i]));
	all = json_pack("{ss sI sI so so}", "version", WSD_VERSION, "processes",
			(json_int_t)listing->processes, "unlisted", (json_int_t)listing->unlisted,
			"sockets", listing->list, "reasons", reasons);
	printed = all != NULL && !listing->failed && json_dumpf(all, stdout, JSON_INDENT(2)) == 0;
	json_decref(all);
	if (printed)
		putchar('\n');
	else
		fprintf(stderr, "wsdctl sockets: not enough memory\n");
	return printed;
}

int wsdctl_sockets(int argc, char **argv)
{
	int json = 0, reasons = 0, code;
	const struct poptOption table[] = {
		{ "reasons", 'r', POPT_ARG_NONE, &reasons, 0,
		  "also how often each reason kept a connect from a path", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "JSON in place of the table", NULL },
		POPT_AUTOHELP POPT_TABLEEND
	};
	poptContext context =
		poptGetContext("wsdctl sockets", argc, (const char **)(uintptr_t)argv, table, 0);
	struct listing listing = { .heading = false };
	struct wsd_roster_reader reader = { note_process, print_socket, &listing };
	bool good = true;

	code = poptGetNextOpt(context);
	if (code < -1 || poptPeekArg(context)) {
		if (code < -1)
			fprintf(stderr, "wsdctl sockets: %s: %s\n",
				poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(code));
		else
			fprintf(stderr, "wsdctl sockets: takes no arguments\n");
		poptFreeContext(context);
		return WSDCTL_USAGE;
	}
	poptFreeContext(context);
	if (json) {
		listing.list = json_array();
		reader.on_socket = json_socket;
	}
	wsd_roster_read(&reader);
	if (json) {
		good = print_json(&listing);
	} else {
		if (listing.sockets > 0)
			putchar('\n');
		printf("%u sockets of %u processes\n", listing.sockets, listing.processes);
		if (listing.unlisted > 0)
			printf("%" PRIu64
			       " more sockets have no place in the list of their process\n",
			       listing.unlisted);
		if (reasons)
			print_reasons(&listing);
	}
	return fflush(stdout) == 0 && good ? WSDCTL_OK : WSDCTL_FAILED;
}

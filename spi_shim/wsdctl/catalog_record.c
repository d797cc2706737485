// SPDX-License-Identifier: BSD-2-Clause
/* catalog_record.c - writes what is installed as JSON. */
#include "spi_shim/wsdctl/catalog_record.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#define SCHEMA	  1
#define TEXT_SIZE (4 * WSD_CATALOG_PATH)

void wsd_guid_text(const GUID *guid, char text[WSD_GUID_TEXT])
{
	const unsigned char *b = guid->Data4;

	snprintf(text, WSD_GUID_TEXT, "{%08lX-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}",
		 (unsigned long)guid->Data1, guid->Data2, guid->Data3, b[0], b[1], b[2], b[3], b[4],
		 b[5], b[6], b[7]);
}

static uint32_t next_rune(const WCHAR **at)
{
	uint32_t first = *(*at)++;

	if (first >= 0xD800 && first < 0xDC00 && **at >= 0xDC00 && **at < 0xE000)
		return 0x10000 + ((first - 0xD800) << 10) + (uint32_t)(*(*at)++ - 0xDC00);
	return first >= 0xD800 && first < 0xE000 ? 0xFFFD : first;
}

static size_t encode(uint32_t rune, char bytes[4])
{
	static const unsigned char marks[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	size_t length = rune < 0x80 ? 1 : rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4, i;

	for (i = length; i-- > 1; rune >>= 6)
		bytes[i] = (char)(0x80 | (rune & 0x3F));
	bytes[0] = (char)(marks[length == 1 ? 0 : length] | rune);
	return length;
}

void wsd_narrow_text(const WCHAR *from, char *to, size_t size)
{
	size_t used = 0;

	while (*from != 0) {
		char bytes[4];
		size_t length = encode(next_rune(&from), bytes);

		if (used + length >= size)
			break;
		memcpy(to + used, bytes, length);
		used += length;
	}
	to[used] = '\0';
}

/* Of a layer: the entries through which it goes. */
static json_t *chain_json(const WSAPROTOCOLCHAIN *chain)
{
	json_t *ids = json_array();

	for (int i = 0; i < chain->ChainLen && i < MAX_PROTOCOL_CHAIN; i++)
		json_array_append_new(ids, json_integer((json_int_t)chain->ChainEntries[i]));
	return ids;
}

/* All that it takes to enter it again. */
static json_t *entry_json(const struct wsd_catalog_entry *entry)
{
	const WSAPROTOCOL_INFOW *info = &entry->info;
	char guid[WSD_GUID_TEXT], name[TEXT_SIZE], path[TEXT_SIZE];

	wsd_guid_text(&info->ProviderId, guid);
	wsd_narrow_text(info->szProtocol, name, sizeof(name));
	wsd_narrow_text(entry->path, path, sizeof(path));
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:o, s:i, s:i, s:i,"
			 " s:i, s:i, s:i, s:I, s:b}",
			 "id", (json_int_t)info->dwCatalogEntryId, "provider", guid, "name", name,
			 "path", path, "service_flags", (json_int_t)info->dwServiceFlags1,
			 "provider_flags", (json_int_t)info->dwProviderFlags, "family",
			 info->iAddressFamily, "type", info->iSocketType, "protocol",
			 info->iProtocol, "chain_length", info->ProtocolChain.ChainLen, "chain",
			 chain_json(&info->ProtocolChain), "version", info->iVersion,
			 "max_sockaddr", info->iMaxSockAddr, "min_sockaddr", info->iMinSockAddr,
			 "protocol_max_offset", info->iProtocolMaxOffset, "network_byte_order",
			 info->iNetworkByteOrder, "security_scheme", info->iSecurityScheme,
			 "message_size", (json_int_t)info->dwMessageSize, "ours",
			 wsd_catalog_owner(info) != WSD_CATALOG_PROVIDERS);
}

static json_t *list_json(const struct wsd_catalog_list *list, const char *name,
			 enum wsd_catalog_file file)
{
	static const char *const files[] = {
		[WSD_FILE_NONE] = "none",
		[WSD_FILE_SAME] = "of this package",
		[WSD_FILE_OTHER] = "other",
	};
	json_t *entries = json_array();

	for (unsigned i = 0; i < list->count; i++)
		json_array_append_new(entries, entry_json(&list->entries[i]));
	return json_pack("{s:s, s:s, s:o}", "programs", name, "dll", files[file], "entries",
			 entries);
}

static json_t *state_json(const struct wsd_catalog_state *state, const char *const *names)
{
	json_t *catalogs = json_array(), *switch_value = json_null();
	char guid[WSD_GUID_TEXT];

	for (unsigned i = 0; i < state->catalogs; i++)
		json_array_append_new(catalogs,
				      list_json(&state->lists[i], names[i], state->files[i]));
	if (state->switch_found == WSD_SWITCH_OTHER)
		switch_value = json_string("other");
	if (state->switch_found == WSD_SWITCH_ID) {
		wsd_guid_text(&state->switch_provider, guid);
		switch_value = json_string(guid);
	}
	return json_pack("{s:o, s:o}", "catalogues", catalogs, "tcp_on_san", switch_value);
}

char *wsd_catalog_record_text(const struct wsd_catalog_record *record)
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm *utc = gmtime(&now);
	json_t *root;
	char *text;

	if (utc != NULL)
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", utc);
	root = json_pack("{s:i, s:s, s:s, s:b, s:b, s:s, s:o, s:o}", "schema", SCHEMA, "command",
			 record->command, "time", when, "dry_run", record->dry_run, "changed",
			 record->changed, "result", record->result, "before",
			 state_json(record->before, record->names), "after",
			 state_json(record->after, record->names));
	text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

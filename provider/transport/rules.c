// SPDX-License-Identifier: BSD-2-Clause
/*
 * rules.c - see rules.h. The grammar, in words:
 *   rule = connect|listen|both  WHERE  [program NAME|"NAME"]  deny | PATH...
 *   WHERE = * | *:PORTS | ADDRESS[/BITS][:PORTS]      IPv6 with ports: [ADDRESS/BITS]:PORTS
 *   PORTS = PORT | PORT-PORT
 */
#include "provider/transport/rules.h"

#include <ctype.h>
#include <string.h>

#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

#define WORD_BYTES 128u

/* --- words --- */

/* False: there is none, or it is too long. */
static bool next_word(const char **at, char *word)
{
	size_t length;

	*at += strspn(*at, " \t,");
	length = strcspn(*at, " \t,");
	if (length == 0 || length >= WORD_BYTES)
		return false;
	memcpy(word, *at, length);
	word[length] = '\0';
	*at += length;
	return true;
}

/* A word, or anything between quotation marks, which no name of Windows has in it. */
static bool next_name(const char **at, char *name)
{
	const char *end;
	size_t length;

	*at += strspn(*at, " \t,");
	if (**at != '"')
		return next_word(at, name);
	end = strchr(*at + 1, '"');
	length = end ? (size_t)(end - *at - 1) : 0;
	if (length == 0 || length >= WORD_BYTES || !strchr(" \t,", end[1]))
		return false;
	memcpy(name, *at + 1, length);
	name[length] = '\0';
	*at = end + 1;
	return true;
}

static bool parse_number(const char **at, unsigned most, unsigned *value)
{
	unsigned n = 0, digits = 0;

	while (isdigit((unsigned char)**at) && digits < 6) {
		n = n * 10 + (unsigned)(**at - '0');
		digits++;
		(*at)++;
	}
	*value = n;
	return digits > 0 && n <= most;
}

/* Behind the colon, to the end of the word. */
static bool parse_ports(const char *text, struct wsd_rule *rule)
{
	unsigned low, high;

	if (!parse_number(&text, 65535, &low))
		return false;
	high = low;
	if (*text == '-') {
		text++;
		if (!parse_number(&text, 65535, &high))
			return false;
	}
	rule->port_low = (uint16_t)low;
	rule->port_high = (uint16_t)high;
	return *text == '\0' && low <= high;
}

/* ADDRESS[/BITS], the whole text. */
static bool parse_net(char *text, struct wsd_rule *rule)
{
	char *slash = strchr(text, '/');
	unsigned most, bits;

	if (slash)
		*slash = '\0';
	if (!wsd_os_address_parse(text, &rule->net))
		return false;
	most = rule->net.family == WSD_FAMILY_IPV6 ? 128 : 32;
	bits = most;
	if (slash) {
		const char *at = slash + 1;

		if (!parse_number(&at, most, &bits) || *at != '\0')
			return false;
	}
	rule->bits = (uint8_t)bits;
	return true;
}

static const char *parse_where(char *word, struct wsd_rule *rule)
{
	char *ports = NULL, *net = word;

	rule->port_high = 65535;
	if (*word == '[') {
		char *end = strchr(word, ']');

		if (!end)
			return "a bracket has no partner";
		if (end[1] != '\0' && end[1] != ':')
			return "behind a bracket there is only a colon with ports: [ADDRESS/BITS]:PORTS";
		net = word + 1;
		*end = '\0';
		if (end[1] == ':')
			ports = end + 2;
	} else {
		char *colon = strchr(word, ':');

		/* More than one is an IPv6 address. */
		if (colon && !strchr(colon + 1, ':')) {
			*colon = '\0';
			ports = colon + 1;
		}
	}
	if (ports && !parse_ports(ports, rule))
		return "no port or range of ports";
	if (strcmp(net, "*") == 0)
		rule->anywhere = true;
	else if (!parse_net(net, rule))
		return "no address or network";
	return NULL;
}

static bool is_path_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_/.-");

	return length > 0 && name[length] == '\0' && length < WSD_RULE_PATH_NAME;
}

static const char *parse_paths(const char *at, struct wsd_rule *rule)
{
	char word[WORD_BYTES];

	while (next_word(&at, word)) {
		if (strcmp(word, "deny") == 0) {
			if (rule->path_count > 0 || next_word(&at, word))
				return "deny stands alone";
			return NULL;
		}
		if (strcmp(word, "program") == 0) {
			if (rule->path_count > 0 || rule->program[0] || !next_name(&at, word) ||
			    strlen(word) >= WSD_RULE_PROGRAM)
				return "program and one name stand before the paths";
			memcpy(rule->program, word, strlen(word) + 1);
			continue;
		}
		if (!is_path_name(word))
			return "no name of a path";
		if (rule->path_count == WSD_RULE_PATHS)
			return "too many paths";
		memcpy(rule->paths[rule->path_count++], word, strlen(word) + 1);
	}
	if (*at)
		return "a word is too long";
	return rule->path_count > 0 ? NULL : "neither paths nor deny";
}

bool wsd_rule_parse(const char *value, struct wsd_rule *rule, const char **problem)
{
	char word[WORD_BYTES];

	memset(rule, 0, sizeof(*rule));
	*problem = "connect, listen or both comes first";
	if (!next_word(&value, word))
		return false;
	rule->connects = strcmp(word, "connect") == 0 || strcmp(word, "both") == 0;
	rule->listens = strcmp(word, "listen") == 0 || strcmp(word, "both") == 0;
	if (!rule->connects && !rule->listens)
		return false;
	*problem = "no address";
	if (!next_word(&value, word))
		return false;
	*problem = parse_where(word, rule);
	if (!*problem)
		*problem = parse_paths(value, rule);
	return !*problem;
}

bool wsd_rule_path_enabled(const char *path)
{
	const char *at = wsd_param_text("BACKENDS", "shm,verbs,tcp,plain");
	size_t length = strcspn(path, "/");
	char word[WORD_BYTES];

	while (next_word(&at, word))
		if (strlen(word) == length && memcmp(word, path, length) == 0)
			return true;
	return false;
}

/* --- matching --- */

static bool in_net(const struct wsd_rule *rule, const struct wsd_addr *addr)
{
	unsigned whole = rule->bits / 8, rest = rule->bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	return rule->net.family == addr->family &&
	       memcmp(rule->net.bytes, addr->bytes, whole) == 0 &&
	       (rest == 0 || ((rule->net.bytes[whole] ^ addr->bytes[whole]) & mask) == 0);
}

bool wsd_rule_matches(const struct wsd_rule *rule, bool listening, const struct wsd_addr *addr,
		      const char *program)
{
	if (!(listening ? rule->listens : rule->connects) || addr->port < rule->port_low ||
	    addr->port > rule->port_high)
		return false;
	if (rule->program[0] && !wsd_file_names_equal(rule->program, program))
		return false;
	return rule->anywhere || in_net(rule, addr);
}

int wsd_rule_path(const struct wsd_rule *rule, const char *engine_name)
{
	for (unsigned i = 0; i < rule->path_count; i++) {
		size_t length = strlen(rule->paths[i]);

		if (strncmp(rule->paths[i], engine_name, length) == 0 &&
		    (engine_name[length] == '\0' || engine_name[length] == '/'))
			return (int)i;
	}
	return -1;
}

/* --- the file's --- */

static struct wsd_rule *rules;
static unsigned rule_count;
static bool loaded;

static void count_line(const char *value, unsigned line, void *arg)
{
	(void)value;
	(void)line;
	(*(unsigned *)arg)++;
}

static void load_line(const char *value, unsigned line, void *arg)
{
	const char *problem;

	(void)arg;
	if (!wsd_rule_parse(value, &rules[rule_count], &problem)) {
		wsd_log(WSD_LOG_ERROR, "rules", "%s line %u: %s: %s", wsd_param_file(), line,
			problem, value);
		wsd_count(wsd_counter("rules", "bad_lines", "rules that could not be read"), 1);
		return;
	}
	for (unsigned i = 0; i < rules[rule_count].path_count; i++)
		if (!wsd_rule_path_enabled(rules[rule_count].paths[i]))
			wsd_log(WSD_LOG_WARNING, "rules",
				"%s line %u: no path of BACKENDS has the name %s", wsd_param_file(),
				line, rules[rule_count].paths[i]);
	rules[rule_count++].line = line;
}

enum wsd_status wsd_rules_load(void)
{
	unsigned lines = 0;

	if (loaded)
		return WSD_OK;
	wsd_param_lines("RULE", count_line, &lines);
	if (lines > 0) {
		rules = wsd_raw_alloc(lines * sizeof(*rules));
		if (!rules)
			return WSD_ENOMEM;
		wsd_param_lines("RULE", load_line, NULL);
	}
	loaded = true;
	return WSD_OK;
}

const struct wsd_rule *wsd_rules_find(bool listening, const struct wsd_addr *addr)
{
	for (unsigned i = 0; i < rule_count; i++)
		if (wsd_rule_matches(&rules[i], listening, addr, wsd_program_name()))
			return &rules[i];
	return NULL;
}

// SPDX-License-Identifier: BSD-2-Clause
/* sim_script.c - the two small languages of the simulation: the script and the capabilities. */
#include "rdma_backend/sim/sim_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_WORDS 6
#define SIM_LINE  128

struct sim_name {
	const char *name;
	int value;
};

static const struct sim_name sim_statuses[] = {
#define SIM_STATUS(name, value, text) { #name, value },
	WSD_STATUS_LIST(SIM_STATUS)
#undef SIM_STATUS
};

static bool sim_status(const char *word, enum wsd_status *status)
{
	size_t i;

	for (i = 0; i < sizeof(sim_statuses) / sizeof(sim_statuses[0]); i++) {
		if (strcmp(sim_statuses[i].name, word) == 0) {
			*status = (enum wsd_status)sim_statuses[i].value;
			return true;
		}
	}
	return false;
}

static bool sim_number(const char *word, uint64_t *number)
{
	char *end;

	if (!word || *word < '0' || *word > '9')
		return false;
	*number = strtoull(word, &end, 0);
	return *end == '\0';
}

static bool sim_switch(const char *word, bool *on)
{
	*on = !word || strcmp(word, "on") == 0;
	return *on || strcmp(word, "off") == 0;
}

static bool sim_delay(char *range)
{
	struct sim_rules *rules = &wsd_sim.rules;
	char *dots = range ? strstr(range, "..") : NULL;

	if (dots) {
		*dots = '\0';
		return sim_number(range, &rules->delay_min) &&
		       sim_number(dots + 2, &rules->delay_max) &&
		       rules->delay_min <= rules->delay_max;
	}
	if (!sim_number(range, &rules->delay_min))
		return false;
	rules->delay_max = rules->delay_min;
	return true;
}

static bool sim_arm_fault(enum sim_fault fault, const char *nth, const char *word,
			  enum wsd_status standard)
{
	enum wsd_status status = standard;
	uint64_t n;

	if (!sim_number(nth, &n) || (word && (!sim_status(word, &status) || status >= 0)))
		return false;
	wsd_sim.rules.countdown[fault] = n;
	wsd_sim.rules.status[fault] = status;
	return true;
}

static bool sim_fail(char **words)
{
	static const struct {
		const char *name;
		enum sim_fault fault;
		enum wsd_status standard;
	} kinds[] = {
		{ "connect", SIM_FAULT_CONNECT, WSD_EREFUSED },
		{ "listen", SIM_FAULT_LISTEN, WSD_EADDRINUSE },
		{ "accept", SIM_FAULT_ACCEPT, WSD_ENOMEM },
		{ "reg", SIM_FAULT_REG, WSD_EREGISTER },
		{ "mem", SIM_FAULT_MEM, WSD_ENOMEM },
		{ "endpoint", SIM_FAULT_ENDPOINT, WSD_ENOMEM },
		{ "queue", SIM_FAULT_QUEUE, WSD_ENOFILES },
	};
	size_t i;

	for (i = 0; words[1] && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(words[1], kinds[i].name) == 0)
			return sim_arm_fault(kinds[i].fault, words[2], words[3], kinds[i].standard);
	}
	return false;
}

static bool sim_after(char **words, uint64_t *counter)
{
	return words[1] && strcmp(words[1], "after") == 0 && sim_number(words[2], counter);
}

static bool sim_command(char **words)
{
	struct sim_rules *rules = &wsd_sim.rules;
	uint64_t number;

	if (strcmp(words[0], "seed") == 0)
		return sim_number(words[1], &wsd_sim.random);
	if (strcmp(words[0], "delay") == 0)
		return sim_delay(words[1]);
	if (strcmp(words[0], "fail") == 0)
		return sim_fail(words);
	if (strcmp(words[0], "reject") == 0)
		return sim_arm_fault(SIM_FAULT_REJECT, words[1], NULL, WSD_EREFUSED);
	if (strcmp(words[0], "queue-full") == 0) {
		if (!sim_number(words[1], &number) || number > UINT32_MAX)
			return false;
		rules->queue_full = (uint32_t)number;
		return true;
	}
	if (strcmp(words[0], "drop-flush") == 0)
		return sim_switch(words[1], &rules->drop_flush);
	if (strcmp(words[0], "reorder") == 0)
		return sim_switch(words[1], &rules->reorder);
	if (strcmp(words[0], "disconnect") == 0)
		return sim_after(words, &rules->disconnect_after);
	if (strcmp(words[0], "gone") == 0)
		return sim_after(words, &rules->gone_after);
	if (strcmp(words[0], "rnr") == 0 && words[1]) {
		rules->rnr_fail = strcmp(words[1], "fail") == 0;
		return rules->rnr_fail || strcmp(words[1], "wait") == 0;
	}
	return false;
}

/* Split in place at blanks and commas; at most SIM_WORDS - 1 words, then NULL. */
static unsigned sim_split(char *line, char **words)
{
	unsigned count = 0;

	for (line += strspn(line, " \t,"); *line && count < SIM_WORDS - 1;) {
		words[count++] = line;
		line += strcspn(line, " \t,");
		if (*line)
			*line++ = '\0';
		line += strspn(line, " \t,");
	}
	words[count] = NULL;
	return count;
}

enum wsd_status wsd_sim_run_script(const char *text)
{
	char line[SIM_LINE];
	char *words[SIM_WORDS] = { NULL };
	size_t length;

	while (*text) {
		length = strcspn(text, ";\n");
		if (length >= sizeof(line))
			return WSD_EINVAL;
		memcpy(line, text, length);
		line[length] = '\0';
		line[strcspn(line, "#")] = '\0';
		if (sim_split(line, words) && !sim_command(words)) {
			if (wsd_sim.host)
				wsd_sim.host->log(0, "sim", "script not understood: %.*s",
						  (int)length, text);
			return WSD_EINVAL;
		}
		text += length;
		text += *text != '\0';
	}
	return WSD_OK;
}

static void sim_set(uint32_t *value, const char *word, uint32_t min)
{
	uint64_t number;

	if (sim_number(word, &number) && number >= min && number <= UINT32_MAX)
		*value = (uint32_t)number;
}

static bool sim_cap(struct wsd_device_attr *attr, const char *word)
{
	static const struct {
		const char *name;
		uint32_t cap;
	} caps[] = {
		{ "imm", WSD_CAP_WRITE_IMM },	   { "read", WSD_CAP_READ },
		{ "onesided", WSD_CAP_ONE_SIDED }, { "copy", WSD_CAP_COPY_AT_POST },
		{ "async", WSD_CAP_ASYNC_REG },	   { "samehost", WSD_CAP_SAME_HOST },
		{ "software", WSD_CAP_SOFTWARE },
	};
	size_t i;

	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		if (strcmp(caps[i].name, word + 1) != 0)
			continue;
		attr->caps &= ~caps[i].cap;
		if (*word == '+')
			attr->caps |= caps[i].cap;
		return true;
	}
	return false;
}

static bool sim_limit(struct wsd_device_attr *attr, const char *word)
{
	struct {
		const char *name;
		uint32_t *value;
		uint32_t min;
	} limits[] = {
		{ "sge=", &attr->max_sge, 1 },	     { "message=", &attr->max_message, 256 },
		{ "rdma=", &attr->max_rdma, 1 },     { "send=", &attr->max_send, 1 },
		{ "recv=", &attr->max_recv, 1 },     { "reads=", &attr->max_read, 1 },
		{ "inline=", &attr->max_inline, 0 }, { "zcopy=", &attr->hint_zcopy, 0 },
		{ "ring=", &attr->hint_ring, 4096 }, { "read=", &attr->hint_read, 1 },
	};
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		if (strncmp(word, limits[i].name, strlen(limits[i].name)) != 0)
			continue;
		sim_set(limits[i].value, word + strlen(limits[i].name), limits[i].min);
		return true;
	}
	return false;
}

/* "-imm -read +copy sge=1 message=4096": separated by blanks or commas. */
void wsd_sim_apply_caps(struct wsd_device_attr *attr, const char *text)
{
	char word[32];
	size_t length;

	while (*text) {
		length = strcspn(text, " \t,");
		if (length && length < sizeof(word)) {
			memcpy(word, text, length);
			word[length] = '\0';
			if (*word == '+' || *word == '-' ? !sim_cap(attr, word)
							 : !sim_limit(attr, word))
				wsd_sim.host->log(1, "sim", "capability not understood: %s", word);
		}
		text += length;
		text += strspn(text, " \t,");
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rules.h - which addresses, ports and programs use which paths: the lines "rule = ..." of openwsd.conf, see
 * openwsd.conf(5). They are read once, before the first engine starts, and constant from then on.
 */
#ifndef WSD_TRANSPORT_RULES_H
#define WSD_TRANSPORT_RULES_H

#include <openwsd/backend.h>

#define WSD_RULE_PATHS	   8u
#define WSD_RULE_PROGRAM   128u
#define WSD_RULE_PATH_NAME 56u

struct wsd_rule {
	unsigned line; /* of the file */
	bool connects, listens;
	bool anywhere; /* any address; else the first bits of net */
	struct wsd_addr net;
	uint8_t bits;
	uint16_t port_low, port_high;
	char program[WSD_RULE_PROGRAM]; /* "": any */
	unsigned path_count;		/* 0: denied */
	char paths[WSD_RULE_PATHS][WSD_RULE_PATH_NAME];
};

/* False with *problem, a constant text, when value is no rule. */
bool wsd_rule_parse(const char *value, struct wsd_rule *rule, const char **problem);
bool wsd_rule_matches(const struct wsd_rule *rule, bool listening, const struct wsd_addr *addr,
		      const char *program);
/* Does the rule allow the path of this engine's name ("verbs" stands for all of its adapters)? Its place in the
 * order, or -1. */
int wsd_rule_path(const struct wsd_rule *rule, const char *engine_name);

/* Is there anything of that name, of a backend or of one of its adapters, in BACKENDS? Else nothing comes of it. */
bool wsd_rule_path_enabled(const char *path);

/* Read the file's rules; what is wrong with one is logged with its line, and it is passed over. WSD_ENOMEM.
 * By one thread at a time. */
enum wsd_status wsd_rules_load(void);
/* The first that matches; NULL: none, all paths in their order. */
const struct wsd_rule *wsd_rules_find(bool listening, const struct wsd_addr *addr);

#endif

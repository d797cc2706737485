// SPDX-License-Identifier: BSD-2-Clause
/*
 * rules.c - `wsdctl rules`: the rules of openwsd.conf as the library understands them.
 */
#include <stdio.h>
#include <string.h>

#include "provider/transport/rules.h"
#include "rdma_backend/base/internal.h"
#include "spi_shim/wsdctl/wsdctl.h"

struct seen {
	unsigned good, bad;
};

static void print_where(const struct wsd_rule *rule)
{
	char text[WSD_ADDR_TEXT] = "*";
	char *colon, *end;

	if (!rule->anywhere) {
		wsd_addr_text(&rule->net, text);
		colon = strrchr(text, ':');
		if (colon)
			*colon = '\0';	 /* the port of a network means nothing */
		end = strchr(text, ']'); /* of IPv6: the bits stand before it, as in the file */
		if (end)
			*end = '\0';
		printf(" %s/%u%s", text, rule->bits, end ? "]" : "");
	} else {
		printf(" any address");
	}
	if (rule->port_low == rule->port_high)
		printf(", port %u", rule->port_low);
	else if (rule->port_low > 0 || rule->port_high < 65535)
		printf(", ports %u-%u", rule->port_low, rule->port_high);
}

static void show(const char *value, unsigned line, void *arg)
{
	struct seen *seen = arg;
	struct wsd_rule rule;
	const char *problem;

	if (!wsd_rule_parse(value, &rule, &problem)) {
		seen->bad++;
		fprintf(stderr, "%s line %u: %s: %s\n", wsd_param_file(), line, problem, value);
		return;
	}
	seen->good++;
	printf("line %u: %s%s%s", line, rule.connects ? "connect" : "",
	       rule.connects && rule.listens ? " and " : "", rule.listens ? "listen" : "");
	print_where(&rule);
	if (rule.program[0])
		printf(", program %s", rule.program);
	printf(":%s", rule.path_count ? "" : " denied");
	for (unsigned i = 0; i < rule.path_count; i++)
		printf(" %s", rule.paths[i]);
	putchar('\n');
	for (unsigned i = 0; i < rule.path_count; i++)
		if (!wsd_rule_path_enabled(rule.paths[i]))
			fprintf(stderr, "%s line %u: no path of BACKENDS has the name %s\n",
				wsd_param_file(), line, rule.paths[i]);
}

int wsdctl_rules(int argc, char **argv)
{
	struct seen seen = { 0, 0 };
	const char *trouble;

	if (!wsdctl_take_file("wsdctl rules", argc, argv))
		return WSDCTL_USAGE;
	wsdctl_print_problems();
	(void)wsd_param_file_lines(&trouble);
	if (trouble)
		return WSDCTL_FAILED;
	wsd_param_lines("RULE", show, &seen);
	if (seen.good + seen.bad == 0)
		printf("%s%s has no rules: every path may be used\n", wsd_param_file(),
		       wsdctl_no_file());
	return fflush(stdout) == 0 && seen.bad == 0 ? WSDCTL_OK : WSDCTL_FAILED;
}

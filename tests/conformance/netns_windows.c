// SPDX-License-Identifier: BSD-2-Clause
/* netns_windows.c - there are no network namespaces here. */
#include "tests/conformance/netns.h"

bool netns_enter(void)
{
	return false;
}

bool netns_beside(const char *text)
{
	(void)text;
	return false;
}

bool netns_address(unsigned family, const char *text, bool add)
{
	(void)family;
	(void)text;
	(void)add;
	return false;
}

bool netns_route(unsigned family, const char *text, bool add)
{
	(void)family;
	(void)text;
	(void)add;
	return false;
}

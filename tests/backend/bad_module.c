// SPDX-License-Identifier: BSD-2-Clause
/*
 * bad_module.c - modules that must be refused, one per value of BAD: 1 another ABI, 2 another
 * size of the table, 3 no table, 4 no symbol, 5 an operation is missing, 6 an impossible name.
 */
#include <openwsd/backend.h>

#if BAD != 4
const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *host);

static struct wsd_backend_ops table = {
	.size = sizeof(table),
	.abi = WSD_BACKEND_ABI,
	.name = "bad",
};

const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *host)
{
	(void)abi;
	(void)host;
	if (BAD == 1)
		table.abi = WSD_BACKEND_ABI + 1;
	if (BAD == 2)
		table.size -= (uint32_t)sizeof(void *);
	if (BAD == 6)
		table.name = "../etc/passwd";
	return BAD == 3 ? NULL : &table;
}
#else
int wsd_unrelated(void);

int wsd_unrelated(void)
{
	return 0;
}
#endif

// SPDX-License-Identifier: BSD-2-Clause
/* module.c - backend modules for test_registry.c; MODULE_* says what is wrong with this one. */

#include "tests/unit/registry/null_ops.h"

const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *host);

static const struct wsd_backend_ops table = {
#ifdef MODULE_OTHER_ABI
	.size = sizeof(struct wsd_backend_ops) + 8,
	.abi = WSD_BACKEND_ABI + 1,
#else
	.size = sizeof(struct wsd_backend_ops),
	.abi = WSD_BACKEND_ABI,
#endif
	.name = MODULE_NAME,
	.open = null_open,
#ifndef MODULE_NO_POLL
	.poll = null_poll,
#endif
	NULL_OPS_REST,
};

const struct wsd_backend_ops *wsd_backend_query(uint32_t abi, const struct wsd_host *host)
{
	(void)null_poll;
#ifdef MODULE_REFUSES
	abi++;
#endif
	if (abi != WSD_BACKEND_ABI || host->size < sizeof(*host))
		return NULL;
	host->log(4, table.name, "queried");
	return &table;
}

// SPDX-License-Identifier: BSD-2-Clause
/* status.c - the texts of enum wsd_status. */

#include <openwsd/status.h>

const char *wsd_status_text(enum wsd_status status)
{
	switch (status) {
#define WSD_STATUS_CASE(name, value, text) \
	case WSD_##name:                   \
		return text;
		WSD_STATUS_LIST(WSD_STATUS_CASE)
#undef WSD_STATUS_CASE
	}
	return "unknown status";
}

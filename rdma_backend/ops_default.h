/* SPDX-License-Identifier: BSD-2-Clause */
/* ops_default.h - checks a backend's table and completes it. */
#ifndef WSD_OPS_DEFAULT_H
#define WSD_OPS_DEFAULT_H

#include <openwsd/backend.h>

/* Copy *ops over the fillers into *full. WSD_EABI, WSD_EINVAL (name, or a starred entry missing);
 * reason gets one line for people. */
enum wsd_status wsd_ops_complete(const struct wsd_backend_ops *ops, struct wsd_backend_ops *full,
				 char *reason, size_t reason_size);
/* Did the backend leave set_traffic_class out? */
bool wsd_ops_keeps_traffic_class(const struct wsd_backend_ops *full);
/* [a-z0-9]{1,15} */
bool wsd_ops_name_valid(const char *name);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* catalog_world.h - what the tests of installing have in common: the system that they install on, and its states. */
#ifndef WSD_TEST_CATALOG_WORLD_H
#define WSD_TEST_CATALOG_WORLD_H

#include "spi_shim/wsdctl/catalog_commands.h"
#include "spi_shim/wsdctl/wsdctl.h"
#include "tests/lib/test.h"
#include "tests/unit/catalog_fake.h"

extern struct fake_system system_now;
extern struct wsd_catalog_api api;
extern struct wsd_catalog_state before, wanted, after;

extern const struct wsd_catalog_options plain, prefer, for_switch, everything;

/* A new system, for each test. */
int setup(void **state);

void read_into(struct wsd_catalog_state *state);
/* From before, which is what there is, to wanted. */
bool change(bool *restored);
void must_install(const struct wsd_catalog_options *options);

/* A run without a record. */
struct wsd_catalog_run run_of(bool dry);
/* Does the command say this, and end so? */
bool says(int (*command)(const struct wsd_catalog_run *), const char *text, int status);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* empty.c - a module for test_registry.c that does not export the symbol. */

extern const int empty_module;
const int empty_module = 1;

/* SPDX-License-Identifier: BSD-2-Clause */
/* pages.h - memory that is not mapped any more when it has been given back. */
#ifndef WSD_TESTS_LIB_PAGES_H
#define WSD_TESTS_LIB_PAGES_H

#include <stddef.h>

/* where: NULL, or at this place, which has to be free. Whoever gets none ends. */
void *pages_map(void *where, size_t size);
void pages_unmap(void *memory, size_t size);

#endif
